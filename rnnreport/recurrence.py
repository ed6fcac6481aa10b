"""The recurrences of :mod:`rnnreport.cells` over a whole sequence, with the backward pass written out by hand.

Three things make them faster than the step-by-step form under autograd, and nothing else differs: the input is
projected for all steps at once (a table look-up for symbols), the four gates share one matrix product per step,
and the weight gradient is one product over all steps. The gradients are those of chapter 1.

Shapes: T steps, B batch, D input size, H hidden units. Input ``x`` is (T, B, D), or (T, B) integers, each standing for
the one-hot vector of a symbol below D. float32 and float64. They can be differentiated once; ``create_graph=True``
raises RuntimeError. ``backend``: "torch" is the code below, others do the same in C++, see :mod:`rnnreport.backends`.
``gru`` and ``relu_rnn`` are torch's own kernels, which can be differentiated again. They and the minimal cells take no
``backend``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, repeat
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rnnreport.backends import Backend, kernels
from rnnreport.backward import Gradients, once

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input  # (dy, y) -> dy y (1 - y)
_tanh_backward = torch.ops.aten.tanh_backward.grad_input  # (dy, y) -> dy (1 - y^2)


def rnn(
    x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, backend: Backend = "torch"
) -> tuple[Tensor, Tensor]:
    """h(1)...h(T), shape (T, B, H), and h(T), shape (B, H), of the vanilla RNN, equation (1).

    h_0: (B, H); weight_ih: (H, D); weight_hh: (H, H); bias: (H,).
    """
    _check(x, h_0)
    if native := kernels(backend, weight_hh):
        return native.rnn(x, h_0, weight_ih, weight_hh, bias)
    return _RNN.apply(x, h_0, weight_ih, weight_hh, bias)


def lstm(
    x: Tensor,
    h_0: Tensor,
    c_0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    k: Tensor | None = None,
    backend: Backend = "torch",
) -> tuple[Tensor, Tensor, Tensor]:
    """h(1)...h(T), shape (T, B, H), then h(T) and c(T), shape (B, H), of the LSTM (4)-(9).

    With k, the openness of a temporal gate at every step, shape (T, H) or (T, B, H): of the gated form (13)-(16). All
    units are computed.
    h_0, c_0: (B, H); weight_ih: (4H, D), weight_hh: (4H, H) and bias: (4H,), gates in the order i, f, g, o.
    """
    _check(x, h_0)
    if native := kernels(backend, weight_hh):
        return native.lstm(x, h_0, c_0, weight_ih, weight_hh, bias, k, backend)
    return _LSTM.apply(x, h_0, c_0, weight_ih, weight_hh, bias, k)


def relu_rnn(x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`rnn` with a ReLU in place of the tanh, by torch's own kernel."""
    return _by_torch(torch.rnn_relu, x, h_0, weight_ih, weight_hh, bias, torch.zeros_like(bias))


def gru(x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """h(1)...h(T), shape (T, B, H), and h(T), shape (B, H), of the GRU, by torch's own kernel.

    h_0: (B, H); weight_ih: (3H, D), weight_hh: (3H, H) and bias: (4H,), see :func:`rnnreport.cells.gru_step`.
    """
    H = h_0.shape[1]
    inside = torch.cat([bias.new_zeros(2 * H), bias[3 * H :]])
    return _by_torch(torch.gru, x, h_0, weight_ih, weight_hh, bias[: 3 * H], inside)


def min_gru(x: Tensor, h_0: Tensor, weight_ih: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """h(1)...h(T), shape (T, B, H), and h(T), shape (B, H), of the minGRU, all steps by one :func:`scan`.

    h_0: (B, H); weight_ih: (2H, D), bias: (2H,), see :func:`rnnreport.cells.min_gru_step`.
    """
    z, candidate = _linear(x, weight_ih, bias).chunk(2, -1)
    return _blend(torch.sigmoid(-z), candidate, h_0)


def min_lstm(x: Tensor, h_0: Tensor, weight_ih: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The same of the minLSTM. weight_ih: (3H, D), bias: (3H,), see :func:`rnnreport.cells.min_lstm_step`."""
    i, f, candidate = _linear(x, weight_ih, bias).chunk(3, -1)
    # f / (f + i) is the sigmoid of the difference of their logarithms, also where both are 0 in float32.
    return _blend(torch.sigmoid(F.logsigmoid(f) - F.logsigmoid(i)), candidate, h_0)


def scan(a: Tensor, b: Tensor, h_0: Tensor) -> Tensor:
    """h(1)...h(T) of the linear recurrence h(t) = a(t) h(t-1) + b(t), elementwise; a, b: (T, B, H), h_0: (B, H).

    Pairs of steps are joined into one, and so on (Blelloch 1990): 2 log2 T operations one after the other in place of
    T. With 0 <= a <= 1 no product of a's exceeds 1. The backward pass is the same from the end.
    """
    return _Scan.apply(a, b, h_0)


def sparse_lstm(
    x: Tensor,
    h_0: Tensor,
    c_0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    k: Tensor,
    sequence: bool = True,
    backend: Backend = "torch",
) -> tuple[Tensor | None, Tensor, Tensor]:
    """:func:`lstm` with k, computing at each step only the units that are open, k != 0.

    k: (T, H); the native kernels take (T, B, H) as well.
    ``sequence=False`` returns None for h(1)...h(T), and saves the time to copy the whole state at every step.
    The gradient by k is set to 0 where k = 0: there the gate (12) does not depend on tau, s and r_on.
    """
    _check(x, h_0)
    if native := kernels(backend, weight_hh):
        return native.sparse_lstm(x, h_0, c_0, weight_ih, weight_hh, bias, k, sequence)
    return _SparseLSTM.apply(x, h_0, c_0, weight_ih, weight_hh, bias, k, sequence)


def sparse_pays(k: Tensor, batch: int, backend: Backend = "torch") -> bool:
    """Whether :func:`sparse_lstm` is faster than :func:`lstm` for this k and batch size, according to measurements.

    In the native kernels it is faster if less than half of the units are open. If times differ within the batch, with
    k of shape (T, B, H), the limit is a fifth, since sequences then share no product. In torch, gathering rows has a
    cost that pays off for few open units and many sequences; if times differ, sequences have no rows in common.
    """
    by_unit, native = k.dim() == 2, kernels(backend, k)
    most = (0.5 if by_unit else 0.2) if native else (min(0.5, batch / 100) if by_unit else 0.0)
    return bool(k.count_nonzero() < most * k.numel())


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, h_0: Tensor) -> Tensor:
        h = _scan(a, torch.cat([torch.addcmul(b[0], a[0], h_0)[None], b[1:]]))
        ctx.save_for_backward(a, h, h_0)
        return h

    @staticmethod
    @once
    def backward(ctx: Any, dh: Tensor) -> Gradients:
        a, h, h_0 = ctx.saved_tensors
        following = torch.cat([a[1:], torch.zeros_like(a[:1])])
        db = _scan(following.flip(0), dh.flip(0)).flip(0)  # db(t) = dh(t) + a(t+1) db(t+1)
        return db * torch.cat([h_0[None], h[:-1]]), db, a[0] * db[0]


def _scan(a: Tensor, b: Tensor) -> Tensor:
    """:func:`scan` from a zero state."""
    if len(a) == 1:
        return b
    first, second = slice(0, len(a) // 2 * 2, 2), slice(1, None, 2)
    h = torch.empty_like(b)
    h[second] = after = _scan(a[second] * a[first], torch.addcmul(b[second], a[second], b[first]))
    h[0] = b[0]
    h[2::2] = torch.addcmul(b[2::2], a[2::2], after[: (len(a) - 1) // 2])
    return h


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        W_h = weight_hh.t().contiguous()
        h = _from(h_0, len(x))
        _project(x, weight_ih.t(), bias, out=h[1:])  # a(t), which each step makes h(t)
        for h_old, h_t in pairwise(h.unbind(0)):
            h_t.addmm_(h_old, W_h).tanh_()  # (1)
        ctx.save_for_backward(x, weight_ih, weight_hh, h)
        ctx.set_materialize_grads(False)
        return h[1:], h[-1].clone()

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None) -> Gradients:
        x, weight_ih, weight_hh, h = ctx.saved_tensors
        da, W_hh = torch.empty_like(h[1:]), weight_hh.contiguous()
        dh = _start(d_h_last, h[0])  # from the steps after t
        for h_t, d_out, da_t in reversed(list(_zip((h[1:], d_output, da)))):
            if d_out is not None:
                dh += d_out
            _tanh_backward(dh, h_t, grad_input=da_t)
            torch.mm(da_t, W_hh, out=dh)
        dx, *by_weights = _by_weights(da, x, h, weight_ih, ctx.needs_input_grad[0])
        return dx, dh, *by_weights


class _LSTM(torch.autograd.Function):
    # Inside, the gates have the order i, f, o, g, so that one sigmoid computes three of them.

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        k: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        weight_ih, weight_hh = swap(weight_ih), swap(weight_hh)
        W_h, h, c = weight_hh.t().contiguous(), _from(h_0, len(x)), _from(c_0, len(x))
        a = _project(x, weight_ih.t(), swap(bias), out=h.new_empty(len(x), len(h_0), len(bias)))
        z = torch.empty_like(h[1:])  # tanh of the candidate cell state
        c_new = c[1:] if k is None else torch.empty_like(z)  # the candidate; without a temporal gate, the state
        steps = (a, *_gates(a), z, c_new, h[:-1], c[:-1], h[1:], c[1:], k)
        for a_t, ifo, i, f, o, g, z_t, c_new_t, h_old, c_old, h_t, c_t, k_t in _zip(steps):
            a_t.addmm_(h_old, W_h)
            ifo.sigmoid_(), g.tanh_()  # (4)-(7)
            torch.mul(f, c_old, out=c_new_t).addcmul_(i, g)  # (8), (13)
            torch.mul(o, torch.tanh(c_new_t, out=z_t), out=h_t)  # (9), (15)
            if k_t is not None:
                torch.lerp(c_old, c_new_t, k_t, out=c_t)  # (14)
                torch.lerp(h_old, h_t, k_t, out=h_t)  # (16)
        ctx.save_for_backward(x, weight_ih, weight_hh, k, a, h, c, z, c_new)
        ctx.set_materialize_grads(False)
        return h[1:], h[-1].clone(), c[-1].clone()

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None, d_c_last: Tensor | None) -> Gradients:
        x, weight_ih, weight_hh, k, a, h, c, z, c_new = ctx.saved_tensors
        da, dk, W_hh = torch.empty_like(a), None if k is None else torch.empty_like(k), weight_hh.contiguous()
        dh, dc = _start(d_h_last, h[0]), _start(d_c_last, c[0])  # from the steps after t
        u, d_ifo = torch.empty_like(dh), dh.new_empty(len(dh), 3 * dh.shape[1])
        d_i, d_f, d_o = d_ifo.chunk(3, -1)
        da_ifo, *_, da_g = _gates(da)
        steps = (*_gates(a), z, c_new, h[:-1], c[:-1], d_output, da, da_ifo, da_g, k, dk)
        for ifo, i, f, o, g, z_t, c_new_t, h_old, c_old, d_out, da_t, da_ifo_t, da_g_t, k_t, dk_t in reversed(
            list(_zip(steps))
        ):
            if d_out is not None:
                dh += d_out
            if k_t is not None:  # (14), (16): a share k goes into the candidates, 1 - k past them
                by_k = dh * (o * z_t - h_old) + dc * (c_new_t - c_old)
                torch.sum(by_k, 0, out=dk_t) if k_t.dim() == 1 else dk_t.copy_(by_k)
                dh_past, dc_past = dh * (1 - k_t), dc * (1 - k_t)
                dh *= k_t
                dc *= k_t
            torch.mul(dh, z_t, out=d_o)  # (9)
            dc += _tanh_backward(dh.mul_(o), z_t, grad_input=u)
            torch.mul(dc, g, out=d_i)  # (8)
            torch.mul(dc, c_old, out=d_f)
            _sigmoid_backward(d_ifo, ifo, grad_input=da_ifo_t)  # (5)-(7)
            _tanh_backward(torch.mul(dc, i, out=u), g, grad_input=da_g_t)  # (4)
            dc *= f
            torch.mm(da_t, W_hh, out=dh)
            if k_t is not None:
                dh += dh_past
                dc += dc_past
        dx, *by_weights = _by_weights(da, x, h, weight_ih, ctx.needs_input_grad[0])
        return dx, dh, dc, *map(swap, by_weights), dk


class _SparseLSTM(torch.autograd.Function):
    # Units come first, so that the open ones are rows: N openings in all, ordered by time. Every gate reads
    # K = H + D + 1 rows: h(t-1), x(t) and 1. The backward pass undoes the forward pass's changes of the state step by
    # step, so that nothing is stored for a unit while it is closed.

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        k: Tensor,
        sequence: bool,
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        step, unit = k.nonzero(as_tuple=True)
        openings = torch.bincount(step, minlength=len(k)).tolist()
        (B, H), D, N = h_0.shape, weight_ih.shape[1], len(unit)
        W = swap(torch.cat([weight_hh, weight_ih, bias[:, None]], 1)).view(4, H, -1).transpose(0, 1)[unit]  # (N, 4, K)
        k_open, x_rows = k[step, unit][:, None, None], _rows(x, D, W)
        reads = W.new_ones(W.shape[2], 2, B)  # [:, 0]: what the gates read; [:H, 1]: c beside h
        state, h, x_row = reads[:H], reads[:, 0], reads[H:-1, 0]
        state[:, 0], state[:, 1] = h_0.t(), c_0.t()
        h_row = state[:, 0].t()  # (B, H)
        a, old, new, z = W.new_empty(N, 4, B), W.new_empty(N, 2, B), W.new_empty(N, 2, B), W.new_empty(N, B)
        output = W.new_empty(len(k), B, H) if sequence else None
        rows = (W, a, a[:, :3], *a.unbind(1), old, old[:, 1], new, *new.unbind(1), z, k_open, unit)
        steps = zip(_zip((x_rows, output)), *(row.split(openings) for row in rows))
        for (x_t, out), W_t, a_t, ifo, i, f, o, g, old_t, c_old, new_t, h_new, c_new, z_t, k_t, unit_t in steps:
            if len(unit_t):
                x_row.copy_(x_t)
                torch.mm(W_t.flatten(0, 1), h, out=a_t.view(-1, B))
                ifo.sigmoid_(), g.tanh_()  # (4)-(7)
                torch.index_select(state, 0, unit_t, out=old_t)
                torch.mul(f, c_old, out=c_new).addcmul_(i, g)  # (13)
                torch.mul(o, torch.tanh(c_new, out=z_t), out=h_new)  # (15)
                state.index_copy_(0, unit_t, torch.lerp(old_t, new_t, k_t))  # (14), (16)
            if out is not None:
                out.copy_(h_row)
        ctx.save_for_backward(x_rows, k, step, unit, W, k_open, a, old, new, z, reads)
        ctx.openings = openings
        ctx.set_materialize_grads(False)
        h_last, c_last = (part.t().clone(memory_format=torch.contiguous_format) for part in state.unbind(1))
        return output, h_last, c_last

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None, d_c_last: Tensor | None) -> Gradients:
        x_rows, k, step, unit, W, k_open, a, old, new, z, reads = ctx.saved_tensors
        H, B, reads = k.shape[1], z.shape[1], reads.clone()
        state, h, x_row = reads[:H], reads[:, 0], reads[H:-1, 0]
        d_state = torch.zeros_like(state)  # from the steps after t
        dh = d_state[:, 0]
        for part, d_last in zip(d_state.unbind(1), (d_h_last, d_c_last)):
            if d_last is not None:
                part.copy_(d_last.t())
        dx = torch.zeros_like(x_rows) if ctx.needs_input_grad[0] else None
        da, dW, d = torch.empty_like(a), torch.empty_like(W), torch.empty_like(old)
        rows = (W[..., :H], W[..., H:-1], dW, a[:, :3], *a.unbind(1), old, old[:, 1], z, k_open, unit, d, da)
        d_outputs = None if d_output is None else d_output.transpose(1, 2)
        steps = zip(_zip((x_rows, d_outputs, dx)), *(row.split(ctx.openings) for row in rows))
        for (x_t, d_out, dx_t), W_h, W_x, dW_t, ifo, i, f, o, g, old_t, c_old, z_t, k_t, unit_t, d_t, da_t in reversed(
            list(steps)
        ):
            if d_out is not None:
                dh += d_out
            if not len(unit_t):
                continue
            torch.index_select(d_state, 0, unit_t, out=d_t)
            dh_new, dc_new = (d_t * k_t).unbind(1)  # (14), (16): a share k goes into the candidates, 1 - k past them
            d_past = d_t * (1 - k_t)
            d_ifo = torch.empty_like(ifo)
            torch.mul(dh_new, z_t, out=d_ifo[:, 2])  # (15)
            dc_new += _tanh_backward(dh_new.mul_(o), z_t, grad_input=torch.empty_like(z_t))
            torch.mul(dc_new, g, out=d_ifo[:, 0])  # (13)
            torch.mul(dc_new, c_old, out=d_ifo[:, 1])
            _sigmoid_backward(d_ifo, ifo, grad_input=da_t[:, :3])  # (5)-(7)
            _tanh_backward(dc_new * i, g, grad_input=da_t[:, 3])  # (4)
            d_past[:, 1].addcmul_(dc_new, f)
            d_state.index_copy_(0, unit_t, d_past)
            state.index_copy_(0, unit_t, old_t)  # undone
            x_row.copy_(x_t)
            da_t = da_t.view(-1, B)
            dh.addmm_(W_h.flatten(0, 1).t(), da_t)
            if dx_t is not None:
                torch.mm(W_x.flatten(0, 1).t(), da_t, out=dx_t)
            torch.mm(da_t, h.t(), out=dW_t.view(len(da_t), -1))
        by_unit = W.new_zeros(H, *W.shape[1:]).index_add_(0, unit, dW).transpose(0, 1)
        d_weight_hh, d_weight_ih, d_bias = swap(by_unit.reshape(4 * H, -1)).split([H, W.shape[2] - H - 1, 1], 1)
        dk = torch.zeros_like(k).index_put_((step, unit), ((new - old) * d).sum((1, 2)))
        dh_0, dc_0 = (part.t() for part in d_state.unbind(1))
        return None if dx is None else dx.transpose(1, 2), dh_0, dc_0, d_weight_ih, d_weight_hh, d_bias[:, 0], dk, None


def _by_torch(kernel: Any, x: Tensor, h_0: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """One layer of a recurrence of torch. weights: weight_ih, weight_hh and two biases."""
    _check(x, h_0)
    if not x.is_floating_point():
        x = F.one_hot(x, weights[0].shape[1]).to(h_0)
    output, h = kernel(x, h_0[None].contiguous(), weights, True, 1, 0.0, False, False, False)
    return output, h[0]


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x Wᵀ + bias at every step. For symbols, a look-up of rows."""
    return F.linear(x, weight, bias) if x.is_floating_point() else F.embedding(x, weight.t() + bias)


def _blend(keep: Tensor, candidate: Tensor, h_0: Tensor) -> tuple[Tensor, Tensor]:
    """The states, (T, B, H), and the last one, of which a share ``keep`` is kept at each step, the rest replaced."""
    _check(keep, h_0)
    h = scan(keep, (1 - keep) * candidate, h_0)
    return h, h[-1]


def _check(x: Tensor, h_0: Tensor) -> None:
    """Raises ValueError unless x has at least one step, and as many sequences as h_0; the models check more."""
    if 0 in x.shape[:2] or x.shape[1] != len(h_0):
        raise ValueError(
            f"x must hold at least one step of B = {len(h_0)} > 0 sequences, as h_0 does, not {tuple(x.shape[:2])}"
        )


def swap(w: Tensor) -> Tensor:
    """Gates i, f, g, o to i, f, o, g along the first dimension, and back."""
    i, f, g, o = w.chunk(4)
    return torch.cat([i, f, o, g])


def _gates(a: Tensor) -> tuple[Tensor, ...]:
    """Views of (..., 4H): the three sigmoid gates together, then i, f, o, g."""
    return a[..., : a.shape[-1] // 4 * 3], *a.chunk(4, -1)


def _zip(tensors: tuple[Tensor | None, ...]) -> Iterator[tuple[Any, ...]]:
    """Iterate over the steps, with None for a missing tensor; making all views at once is cheaper than indexing."""
    return zip(*(repeat(None) if tensor is None else tensor.unbind(0) for tensor in tensors))


def _from(state: Tensor, T: int) -> Tensor:
    """Memory for the states of the steps 0...T, with the initial state filled in."""
    states = state.new_empty(T + 1, *state.shape)
    states[0] = state
    return states


def _start(d_last: Tensor | None, state: Tensor) -> Tensor:
    """The gradient by the last state, where the backward pass starts: zeros if the loss does not use it."""
    return torch.zeros_like(state) if d_last is None else d_last.clone()


def _rows(x: Tensor, D: int, like: Tensor) -> Tensor:
    """The input with its features first, (T, D, B); symbols as one-hot vectors."""
    if x.is_floating_point():
        return x.transpose(1, 2)
    return like.new_zeros(len(x), D, x.shape[1]).scatter_(1, x[:, None], 1)


def _project(x: Tensor, W: Tensor, bias: Tensor, out: Tensor) -> Tensor:
    """x W + bias at every step, (T, B, G); W: (D, G). For symbols, a look-up of rows."""
    if x.is_floating_point():
        torch.addmm(bias, x.flatten(0, 1), W, out=out.flatten(0, 1))
    else:
        table = (W + bias).contiguous()  # rows of a transposed weight are not contiguous, and take twice as long
        torch.index_select(table, 0, x.flatten(), out=out.flatten(0, 1))
    return out


def _by_weights(
    da: Tensor, x: Tensor, h: Tensor, weight_ih: Tensor, needs_dx: bool
) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
    """Gradients by x, weight_ih (G, D), weight_hh (G, H) and bias (G,), from da, that by their sum a: (T, B, G)."""
    if x.is_floating_point():
        dx, d_weight_ih = da @ weight_ih if needs_dx else None, _outer(da, x)
    else:  # the rows of the symbols that were read
        rows = da.new_zeros(weight_ih.shape[1], weight_ih.shape[0]).index_add_(0, x.flatten(), da.flatten(0, 1))
        dx, d_weight_ih = None, rows.t()
    return dx, d_weight_ih, _outer(da, h[:-1]), da.sum((0, 1))


def _outer(da: Tensor, x: Tensor) -> Tensor:
    """The sum of da xᵀ over all steps and the batch: one product for the whole sequence."""
    return da.flatten(0, 1).t() @ x.flatten(0, 1)
