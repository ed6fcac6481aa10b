"""One step of each recurrence; those of the assignment are written as it prints them.

These functions do one step and nothing else; the caller loops. They are written to be read, and the tests compare
the faster :mod:`rnnreport.recurrence` with them. Weights are stacked as in ``torch.nn``, the LSTM's gates in the order
input, forget, modulation, output (i, f, g, o), but with one bias per gate, as in the equations.

Shapes: B batch, D input size, H hidden units.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rnn_step(x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> Tensor:
    """One step of the vanilla RNN, equation (1).

    x: (B, D); h: (B, H); weight_ih: Whx (H, D); weight_hh: Whh (H, H); bias: bh (H,). Returns h(t): (B, H).
    """
    return torch.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)  # (1)


def lstm_step(
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of the LSTM, equations (4)-(9).

    x: (B, D); h, c: (B, H); weight_ih: (4H, D), weight_hh: (4H, H) and bias: (4H,), gates in the order i, f, g, o.
    Returns h(t), c(t): (B, H) each.
    """
    W_ix, W_fx, W_gx, W_ox = weight_ih.chunk(4)
    W_ih, W_fh, W_gh, W_oh = weight_hh.chunk(4)
    b_i, b_f, b_g, b_o = bias.chunk(4)
    g = torch.tanh(x @ W_gx.T + h @ W_gh.T + b_g)  # (4)  input modulation gate
    i = torch.sigmoid(x @ W_ix.T + h @ W_ih.T + b_i)  # (5)  input gate
    f = torch.sigmoid(x @ W_fx.T + h @ W_fh.T + b_f)  # (6)  forget gate
    o = torch.sigmoid(x @ W_ox.T + h @ W_oh.T + b_o)  # (7)  output gate
    c = g * i + c * f  # (8)
    h = torch.tanh(c) * o  # (9)
    return h, c


def peephole_lstm_step(
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, peepholes: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of the LSTM whose gates see the cell (Graves 2013, equations 7-11), as the Phased LSTM's do.

    peepholes: (3, H), for the input and forget gates, which see c(t-1), and the output gate, which sees c(t). The
    rest as in :func:`lstm_step`.
    """
    a_i, a_f, a_g, a_o = (x @ weight_ih.T + h @ weight_hh.T + bias).chunk(4, -1)
    p_i, p_f, p_o = peepholes
    c_new = torch.tanh(a_g) * torch.sigmoid(a_i + p_i * c) + c * torch.sigmoid(a_f + p_f * c)
    return torch.tanh(c_new) * torch.sigmoid(a_o + p_o * c_new), c_new


def temporal_gate(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor, leak: float = 0.0) -> Tensor:
    """The openness k(t) of the temporal gate, equation (12), in [0, 1].

    t: times, any real numbers; tau: period (> 0); s: shift; r_on: open ratio in (0, 1], a share of the period. t, tau
    and s have the same unit of time. They broadcast against each other: times (T, 1) and parameters (H,) give (T, H).
    ``mod`` is floored, so that phi lies in [0, 1) for t < s too. leak: alpha of the Phased LSTM, whose closed gate
    has k = alpha phi, which jumps at r_on and at the end of the period; 0 in (12). The phase is computed in float64
    from the times as given, also from integers; k has tau's dtype and device.
    """
    like, place = tau, "cpu" if tau.device.type == "mps" else tau.device  # MPS has no float64
    t, tau, s, r_on = (value.to(place).double() for value in (t, tau, s, r_on))  # float32 loses the phase of large t
    phi = torch.remainder(t - s, tau) / tau
    rising = 2 * phi / r_on
    falling = 2 - 2 * phi / r_on
    k = torch.where(phi < r_on / 2, rising, falling)
    return torch.where(phi < r_on, k, leak * phi).to(like)  # (12), with leak = 0


def temporal_gate_lstm_step(
    x: Tensor, h: Tensor, c: Tensor, k: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, *peepholes: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of the LSTM behind a temporal gate, equations (13)-(16).

    k: openness of each unit at this step, (H,) or (B, H); the rest as in :func:`lstm_step`, or, with peepholes, as in
    :func:`peephole_lstm_step`. Returns h(t), c(t): (B, H) each.
    """
    step = peephole_lstm_step if peepholes else lstm_step
    h_candidate, c_candidate = step(x, h, c, weight_ih, weight_hh, bias, *peepholes)  # (13), (15)
    c = k * c_candidate + (1 - k) * c  # (14)
    h = k * h_candidate + (1 - k) * h  # (16)
    return h, c


def relu_rnn_step(x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> Tensor:
    """One step of the RNN with a ReLU in place of the tanh of (1), as in Le et al. (2015). See :func:`rnn_step`."""
    return torch.relu(x @ weight_ih.T + h @ weight_hh.T + bias)


def gru_step(x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> Tensor:
    """One step of the GRU of Cho et al. (2014), in the form of ``torch.nn.GRU``.

    x: (B, D); h: (B, H); weight_ih: (3H, D) and weight_hh: (3H, H), in torch.nn's order r, z, n; bias: (4H,), those of
    r, z and n and that of n inside the reset. Returns h(t): (B, H).
    """
    W_rx, W_zx, W_nx = weight_ih.chunk(3)
    W_rh, W_zh, W_nh = weight_hh.chunk(3)
    b_r, b_z, b_n, b_nh = bias.chunk(4)
    r = torch.sigmoid(x @ W_rx.T + h @ W_rh.T + b_r)  # reset gate
    z = torch.sigmoid(x @ W_zx.T + h @ W_zh.T + b_z)  # update gate: the share that is kept
    n = torch.tanh(x @ W_nx.T + b_n + r * (h @ W_nh.T + b_nh))  # candidate
    return (1 - z) * n + z * h


def min_gru_step(x: Tensor, h: Tensor, weight_ih: Tensor, bias: Tensor) -> Tensor:
    """One step of the minGRU of Feng et al. (2024): the gate reads x alone, and the candidate is linear in it.

    x: (B, D); h: (B, H); weight_ih: (2H, D) and bias: (2H,), in the order z, candidate. Returns h(t): (B, H).
    """
    W_z, W_c = weight_ih.chunk(2)
    b_z, b_c = bias.chunk(2)
    z = torch.sigmoid(x @ W_z.T + b_z)  # the share that is replaced, where the GRU's z is kept
    return (1 - z) * h + z * (x @ W_c.T + b_c)


def min_lstm_step(x: Tensor, h: Tensor, weight_ih: Tensor, bias: Tensor) -> Tensor:
    """One step of the minLSTM of Feng et al. (2024), with gates that are scaled to a sum of 1; its state is h alone.

    x: (B, D); h: (B, H); weight_ih: (3H, D) and bias: (3H,), in the order i, f, candidate. Returns h(t): (B, H).
    """
    W_i, W_f, W_c = weight_ih.chunk(3)
    b_i, b_f, b_c = bias.chunk(3)
    i = torch.sigmoid(x @ W_i.T + b_i)
    f = torch.sigmoid(x @ W_f.T + b_f)
    return (f * h + i * (x @ W_c.T + b_c)) / (f + i)
