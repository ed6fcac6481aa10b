"""The gradients of the LSTM, equations (4)-(11), and behind a temporal gate, (12)-(16), by the derivation of chapter 1.

The weights stand one by one, as the equations name them; :meth:`LSTMWeights.stacked` puts them together as
:mod:`rnnreport.recurrence` takes them. Shapes as in :mod:`rnnreport.gradients`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rnnreport.gradients.rnn import check_problem, check_sizes, normals, output_error, output_layer, sizes_of

GATES = "ifgo"  # in the order in which torch.nn and rnnreport.recurrence stack them


class LSTMWeights(NamedTuple):
    """The parameters of equations (4)-(7) and (10), or one gradient for each of them."""

    W_gx: Tensor  # (H, D), as all that end in x
    W_gh: Tensor  # (H, H), as all that end in h but W_ph
    b_g: Tensor  # (H,), as all biases but b_p
    W_ix: Tensor
    W_ih: Tensor
    b_i: Tensor
    W_fx: Tensor
    W_fh: Tensor
    b_f: Tensor
    W_ox: Tensor
    W_oh: Tensor
    b_o: Tensor
    W_ph: Tensor  # (K, H)
    b_p: Tensor  # (K,)

    def stacked(self) -> tuple[Tensor, Tensor, Tensor]:
        """weight_ih (4H, D), weight_hh (4H, H) and bias (4H,) of :func:`rnnreport.recurrence.lstm`."""
        by_name = self._asdict()
        return tuple(torch.cat([by_name[name.format(q)] for q in GATES]) for name in ("W_{}x", "W_{}h", "b_{}"))  # type: ignore[return-value]


class LSTMForward(NamedTuple):
    """What one pass over the sequences leaves behind. Without a temporal gate c_new is c(t), and h_new is h(t)."""

    g: Tensor  # (T, B, H), as all to h_new: g[t - 1] belongs to step t
    i: Tensor
    f: Tensor
    o: Tensor
    c_new: Tensor  # the candidate c~(t) of (13)
    h_new: Tensor  # the candidate h~(t) of (15)
    c: Tensor  # (T + 1, B, H), c[t] is c(t) and c[0] the initial state
    h: Tensor  # (T + 1, B, H)
    p: Tensor  # (B, K), the logits at the last step
    y_hat: Tensor  # (B, K), softmax(p)
    loss: Tensor  # (), mean over the batch


class LSTMGradients(NamedTuple):
    """The loss by all that goes in."""

    weights: LSTMWeights
    h_0: Tensor  # (B, H)
    c_0: Tensor  # (B, H)
    k: Tensor | None  # in the shape of k; None without a temporal gate


def lstm_draw(
    length: int,
    batch_size: int,
    input_size: int,
    hidden_size: int,
    classes: int,
    *,
    seed: int,
    std: float = 0.1,
) -> tuple[Tensor, Tensor, LSTMWeights, Tensor, Tensor]:
    """A random problem in float64, ready for the functions below: ``lstm_gradients(*lstm_draw(...))``.

    Returns inputs x (T, B, D) from N(0, 1), class labels y (B,), uniform, weights from N(0, std²) and initial states
    h_0 and c_0 (B, H) from N(0, 1/4). Raises ValueError for a size below 1.
    """
    check_sizes(length=length, batch_size=batch_size, input_size=input_size, hidden_size=hidden_size, classes=classes)
    generator, normal = normals(seed)
    gate = [(hidden_size, input_size), (hidden_size, hidden_size), (hidden_size,)]
    weights = LSTMWeights(*(std * normal(*shape) for shape in (*gate * 4, (classes, hidden_size), (classes,))))
    y = torch.randint(classes, (batch_size,), generator=generator)
    h_0, c_0 = (normal(batch_size, hidden_size) / 2 for _ in range(2))
    return normal(length, batch_size, input_size), y, weights, h_0, c_0


def lstm_forward(
    x: Tensor,
    y: Tensor,
    weights: LSTMWeights,
    h_0: Tensor | None = None,
    c_0: Tensor | None = None,
    k: Tensor | None = None,
) -> LSTMForward:
    """Equations (4)-(11) over a whole batch, with the loss (3); with k, equations (13)-(16) in place of (8) and (9).

    x: (T, B, D); y: class labels (B,); h_0, c_0: initial states (B, H), zeros by default; k: openness of a temporal
    gate, (T, H) or (T, B, H). Raises ValueError where a shape, a label or a dtype does not fit.
    """
    _check(x, y, weights, h_0, c_0, k)
    w, zeros = weights, x.new_zeros(x.shape[1], weights.b_g.numel())
    h, c = [zeros if h_0 is None else h_0], [zeros if c_0 is None else c_0]
    steps = []
    for t, x_t in enumerate(x):
        g = torch.tanh(x_t @ w.W_gx.T + h[t] @ w.W_gh.T + w.b_g)  # (4)
        i = torch.sigmoid(x_t @ w.W_ix.T + h[t] @ w.W_ih.T + w.b_i)  # (5)
        f = torch.sigmoid(x_t @ w.W_fx.T + h[t] @ w.W_fh.T + w.b_f)  # (6)
        o = torch.sigmoid(x_t @ w.W_ox.T + h[t] @ w.W_oh.T + w.b_o)  # (7)
        c_new = g * i + c[t] * f  # (8), (13)
        h_new = torch.tanh(c_new) * o  # (9), (15)
        k_t = 1 if k is None else k[t]
        c.append(k_t * c_new + (1 - k_t) * c[t])  # (14)
        h.append(k_t * h_new + (1 - k_t) * h[t])  # (16)
        steps.append((g, i, f, o, c_new, h_new))
    g, i, f, o, c_new, h_new = map(torch.stack, zip(*steps))
    output = output_layer(h[-1], y, w.W_ph, w.b_p)
    return LSTMForward(g, i, f, o, c_new, h_new, torch.stack(c), torch.stack(h), *output)


def lstm_gradients(
    x: Tensor,
    y: Tensor,
    weights: LSTMWeights,
    h_0: Tensor | None = None,
    c_0: Tensor | None = None,
    k: Tensor | None = None,
) -> LSTMGradients:
    """The loss by every weight, both initial states and k, by the derivation; arguments as in :func:`lstm_forward`."""
    run, length = lstm_forward(x, y, weights, h_0, c_0, k), len(x)
    error = output_error(run.y_hat, y)
    dh, dc, dk = error @ weights.W_ph, torch.zeros_like(run.c[0]), torch.empty_like(run.h_new)
    delta = {q: torch.empty_like(run.h_new) for q in GATES}  # the loss by the argument of each gate's σ or tanh
    for t in reversed(range(length)):
        g, i, f, o, z = run.g[t], run.i[t], run.f[t], run.o[t], torch.tanh(run.c_new[t])
        k_t = 1 if k is None else k[t]
        dk[t] = dh * (run.h_new[t] - run.h[t]) + dc * (run.c_new[t] - run.c[t])
        dh_new = k_t * dh
        dc_new = k_t * dc + dh_new * o * (1 - z**2)
        delta["g"][t] = dc_new * i * (1 - g**2)
        delta["i"][t] = dc_new * g * i * (1 - i)
        delta["f"][t] = dc_new * run.c[t] * f * (1 - f)
        delta["o"][t] = dh_new * z * o * (1 - o)
        dh = (1 - k_t) * dh + sum(delta[q][t] @ getattr(weights, f"W_{q}h") for q in GATES)
        dc = (1 - k_t) * dc + dc_new * f
    by_weight = {"W_ph": error.T @ run.h[-1], "b_p": error.sum(0)}
    for q in GATES:
        by_weight[f"W_{q}x"] = torch.einsum("tbi,tbj->ij", delta[q], x)
        by_weight[f"W_{q}h"] = torch.einsum("tbi,tbj->ij", delta[q], run.h[:-1])
        by_weight[f"b_{q}"] = delta[q].sum((0, 1))
    if k is not None and k.dim() == 2:  # one k for the whole batch
        dk = dk.sum(1)
    return LSTMGradients(LSTMWeights(**by_weight), dh, dc, None if k is None else dk)


# The temporal gate's own parameters


class GateBranch(NamedTuple):
    """Where on its saw-tooth a temporal gate stands: there k = alpha + beta φ / r_on and φ = (t - s) / τ - n."""

    phi: Tensor  # the phase, in [0, 1)
    n: Tensor  # whole periods since s, floor((t - s) / τ)
    alpha: Tensor  # 0 while rising, 2 while falling, 0 while closed
    beta: Tensor  # 2 while rising, -2 while falling, 0 while closed


class GateGradients(NamedTuple):
    """∂k/∂τ, ∂k/∂s and ∂k/∂r_on."""

    tau: Tensor
    s: Tensor
    r_on: Tensor


def gate_branch(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor) -> GateBranch:
    """The branch of equation (12); arguments as in :func:`rnnreport.cells.temporal_gate`, and broadcast like them.

    A corner belongs to the branch that begins there: φ = 0 rises, φ = r_on/2 falls, φ = r_on is closed.
    """
    t, tau, s, r_on = torch.broadcast_tensors(t.double(), tau, s, r_on)  # as in the cell
    phi = torch.remainder(t - s, tau) / tau
    rising, is_open = phi < r_on / 2, phi < r_on
    alpha = 2.0 * (is_open & ~rising)
    beta = 2.0 * rising - 2.0 * (is_open & ~rising)
    return GateBranch(phi, torch.div(t - s, tau, rounding_mode="floor"), alpha.to(phi), beta.to(phi))


def gate_gradients(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor) -> GateGradients:
    """The slopes of k(t), equation (12), in the shape that the arguments broadcast to.

    At a corner, where there is no derivative, those of the branch that begins there, as autograd has it.
    """
    branch = gate_branch(t, tau, s, r_on)
    dk_dphi = branch.beta / r_on
    return GateGradients(
        tau=-dk_dphi * (branch.phi + branch.n) / tau,
        s=-dk_dphi / tau,
        r_on=-dk_dphi * branch.phi / r_on,
    )


def _check(
    x: Tensor, y: Tensor, weights: LSTMWeights, h_0: Tensor | None, c_0: Tensor | None, k: Tensor | None
) -> None:
    length, batch, inputs = sizes_of(x)
    units, classes = weights.b_g.numel(), weights.b_p.numel()
    shapes: dict[str, tuple[int, ...]] = {"W_ph": (classes, units), "b_p": (classes,)}
    for q in GATES:
        shapes |= {f"W_{q}x": (units, inputs), f"W_{q}h": (units, units), f"b_{q}": (units,)}
    check_problem(x, y, weights, shapes, classes, h_0=h_0, c_0=c_0)
    allowed = (length, units), (length, batch, units)
    if k is not None and (k.shape not in allowed or k.dtype != x.dtype):
        raise ValueError(
            f"k must have shape {allowed[0]} or {allowed[1]} and dtype {x.dtype}, not {tuple(k.shape)}, {k.dtype}"
        )
