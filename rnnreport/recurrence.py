"""The recurrences of :mod:`rnnreport.cells` over a whole sequence, with the backward pass written out by hand.

Three things make them faster than the step by step form under autograd, and nothing else differs: the input is
projected for all steps at once (a table look-up where it is symbols), the four gates share one matrix product a step,
and the weight gradient is one product over all steps. The gradients are those of chapter 1.

Shapes: T steps, B batch, D input size, H hidden units. Input ``x`` is (T, B, D), or (T, B) integers, each standing for
the one-hot vector of a symbol below D. float32 and float64. They can be differentiated once; a second derivative is
refused wherever torch can tell that one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input  # (dy, y) -> dy y (1 - y)
_tanh_backward = torch.ops.aten.tanh_backward.grad_input  # (dy, y) -> dy (1 - y^2)


def rnn(x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> Tensor:
    """h(1)...h(T), shape (T, B, H), of the vanilla RNN, equation (1).

    h_0: (B, H); weight_ih: (H, D); weight_hh: (H, H); bias: (H,).
    """
    return _RNN.apply(x, h_0, weight_ih, weight_hh, bias)


def lstm(
    x: Tensor, h_0: Tensor, c_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, k: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """h(1)...h(T), shape (T, B, H), and c(T), shape (B, H), of the LSTM (4)-(9).

    With k, the openness of a temporal gate at every step, shape (T, H) or (T, B, H), of its gated form (13)-(16).
    h_0, c_0: (B, H); weight_ih: (4H, D), weight_hh: (4H, H) and bias: (4H,), gates in the order i, f, g, o.
    """
    return _LSTM.apply(x, h_0, c_0, weight_ih, weight_hh, bias, k)


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> Tensor:
        W_h = weight_hh.t().contiguous()
        h = torch.cat([h_0[None], _project(x, weight_ih.t(), bias)])  # h(0), then a(t), each step makes it h(t)
        steps = h.unbind(0)
        for h_old, h_t in pairwise(steps):
            h_t.addmm_(h_old, W_h).tanh_()  # (1)
        ctx.save_for_backward(x, weight_ih, weight_hh, h)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih, weight_hh, h = ctx.saved_tensors
        da, W_hh = torch.empty_like(h[1:]), weight_hh.contiguous()
        dh = torch.zeros_like(h[0])  # from the steps after t
        for h_t, d_out, da_t in reversed(list(_zip((h[1:], d_output, da)))):
            _tanh_backward(dh.add_(d_out), h_t, grad_input=da_t)
            torch.mm(da_t, W_hh, out=dh)
        dx, d_weight_ih = _project_backward(da, x, weight_ih, ctx.needs_input_grad[0])
        return dx, dh, d_weight_ih, _outer(da, h[:-1]), da.sum((0, 1))


class _LSTM(torch.autograd.Function):
    # Inside, the gates stand in the order i, f, o, g, so that one sigmoid serves three of them.

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
    ) -> tuple[Tensor, Tensor]:
        weight_ih, weight_hh = _swap(weight_ih), _swap(weight_hh)
        a, W_h = _project(x, weight_ih.t(), _swap(bias)), weight_hh.t().contiguous()
        h, c = (torch.cat([s[None], s.new_empty(len(a), *s.shape)]) for s in (h_0, c_0))
        z = torch.empty_like(h[1:])  # tanh of the candidate cell state
        c_new = c[1:] if k is None else torch.empty_like(z)  # the candidate; without a temporal gate, the state
        steps = (a, *_gates(a), z, c_new, h[:-1], c[:-1], h[1:], c[1:])
        for t, (a_t, ifo, i, f, o, g, z_t, c_new_t, h_old, c_old, h_t, c_t) in enumerate(_zip(steps)):
            a_t.addmm_(h_old, W_h)
            ifo.sigmoid_(), g.tanh_()  # (4)-(7)
            torch.mul(f, c_old, out=c_new_t).addcmul_(i, g)  # (8), (13)
            torch.mul(o, torch.tanh(c_new_t, out=z_t), out=h_t)  # (9), (15)
            if k is not None:
                torch.lerp(c_old, c_new_t, k[t], out=c_t)  # (14)
                torch.lerp(h_old, h_t, k[t], out=h_t)  # (16)
        ctx.save_for_backward(x, weight_ih, weight_hh, k, a, h, c, z, c_new)
        return h[1:], c[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor, d_c_last: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih, weight_hh, k, a, h, c, z, c_new = ctx.saved_tensors
        da, dk, W_hh = torch.empty_like(a), None if k is None else torch.empty_like(k), weight_hh.contiguous()
        dh, dc = torch.zeros_like(h[0]), d_c_last.clone()  # from the steps after t
        u, d_ifo = torch.empty_like(dh), dh.new_empty(len(dh), 3 * dh.shape[1])
        d_i, d_f, d_o = d_ifo.chunk(3, -1)
        da_ifo, *_, da_g = _gates(da)
        steps = (*_gates(a), z, c_new, h[:-1], c[:-1], d_output, da, da_ifo, da_g)
        for t, (ifo, i, f, o, g, z_t, c_new_t, h_old, c_old, d_out, da_t, da_ifo_t, da_g_t) in reversed(
            list(enumerate(_zip(steps)))
        ):
            dh += d_out
            if k is not None and dk is not None:  # (14), (16): a share k goes into the candidates, 1 - k past them
                by_k = dh * (o * z_t - h_old) + dc * (c_new_t - c_old)
                torch.sum(by_k, 0, out=dk[t]) if k.dim() == 2 else dk[t].copy_(by_k)
                dh_past, dc_past = dh * (1 - k[t]), dc * (1 - k[t])
                dh *= k[t]
                dc *= k[t]
            torch.mul(dh, z_t, out=d_o)  # (9)
            dc += _tanh_backward(dh.mul_(o), z_t, grad_input=u)
            torch.mul(dc, g, out=d_i)  # (8)
            torch.mul(dc, c_old, out=d_f)
            _sigmoid_backward(d_ifo, ifo, grad_input=da_ifo_t)  # (5)-(7)
            _tanh_backward(torch.mul(dc, i, out=u), g, grad_input=da_g_t)  # (4)
            dc *= f
            torch.mm(da_t, W_hh, out=dh)
            if k is not None:
                dh += dh_past
                dc += dc_past
        dx, d_weight_ih = _project_backward(da, x, weight_ih, ctx.needs_input_grad[0])
        d_weight_hh, d_bias = _outer(da, h[:-1]), da.sum((0, 1))
        return dx, dh, dc, _swap(d_weight_ih), _swap(d_weight_hh), _swap(d_bias), dk


def _swap(w: Tensor) -> Tensor:
    """Gates i, f, g, o to i, f, o, g along the first dimension, and back."""
    i, f, g, o = w.chunk(4)
    return torch.cat([i, f, o, g])


def _gates(a: Tensor) -> tuple[Tensor, ...]:
    """Views of (..., 4H): the three sigmoid gates together, then i, f, o, g."""
    return a[..., : a.shape[-1] // 4 * 3], *a.chunk(4, -1)


def _zip(tensors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Step by step; all views are made once, which is cheaper than indexing in the loop."""
    return zip(*(tensor.unbind(0) for tensor in tensors))


def _project(x: Tensor, W: Tensor, bias: Tensor) -> Tensor:
    """x W + bias at every step; W: (D, G). Symbols look their row up."""
    if x.is_floating_point():
        return torch.addmm(bias, x.flatten(0, 1), W).view(*x.shape[:2], -1)
    return F.embedding(x, W + bias)


def _project_backward(da: Tensor, x: Tensor, weight: Tensor, needs_dx: bool) -> tuple[Tensor | None, Tensor]:
    """The loss by x and by the weight (G, D) of :func:`_project`, from da: (T, B, G)."""
    if x.is_floating_point():
        return da @ weight if needs_dx else None, _outer(da, x)
    by_symbol = da.new_zeros(weight.shape[1], weight.shape[0]).index_add_(0, x.flatten(), da.flatten(0, 1))
    return None, by_symbol.t()


def _outer(da: Tensor, x: Tensor) -> Tensor:
    """The sum over all steps and the batch of da xᵀ: one product for the whole sequence."""
    return da.flatten(0, 1).t() @ x.flatten(0, 1)
