"""How far back the LSTM's gradient reaches: along its cell alone, and through all of its gates.

A change of the state h(t), c(t) reaches a later state in two ways. By (8) the cell passes it on, multiplied by the
forget gate only: :func:`forget_products`. And h(t) enters all four gates of the next step: :func:`state_jacobians`
includes every path. For the vanilla RNN there is :func:`rnnreport.gradients.jacobians`.

Shapes: T steps, B sequences in the batch, D input size, H hidden units. Sequences are time first; the gates' weights
are stacked in the order i, f, g, o. Use float64, as there: vanishing gradients leave float32's range.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Forward(NamedTuple):
    """States and gates of one pass over the sequences."""

    h: Tensor  # (T + 1, B, H), h[t] is h(t) and h[0] the initial state
    c: Tensor  # (T + 1, B, H), as h
    i: Tensor  # (T, B, H), i[t - 1] is the input gate at step t
    f: Tensor  # (T, B, H), forget gate
    g: Tensor  # (T, B, H), input modulation
    o: Tensor  # (T, B, H), output gate


def forward(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> Forward:
    """Equations (4)-(9) over a whole batch, from h(0) = c(0) = 0; keeps the gates.

    x: (T, B, D); weight_ih: (4H, D); weight_hh: (4H, H); bias: (4H,).
    """
    zero = x.new_zeros(x.shape[1], weight_hh.shape[1])
    h, c, gates = [zero], [zero], []
    for x_t in x:
        a_i, a_f, a_g, a_o = (x_t @ weight_ih.T + h[-1] @ weight_hh.T + bias).chunk(4, -1)
        i, f, g, o = a_i.sigmoid(), a_f.sigmoid(), a_g.tanh(), a_o.sigmoid()  # (5), (6), (4), (7)
        c.append(g * i + c[-1] * f)  # (8)
        h.append(c[-1].tanh() * o)  # (9)
        gates.append((i, f, g, o))
    return Forward(torch.stack(h), torch.stack(c), *map(torch.stack, zip(*gates)))


def forget_products(f: Tensor) -> Tensor:
    """∂c(T)/∂c(T - lag) along the cell alone, Π f(s) over the steps s = T, …, T - lag + 1, for each unit.

    As a matrix it is diagonal, so its norm ‖·‖₂ is the largest unit's product.
    f: forget gates f(1)…f(T) of :func:`forward`, (T, B, H). Returns (T + 1, B, H), lag 0 (ones) first.
    """
    return torch.cat([torch.ones_like(f[:1]), f.flip(0).cumprod(0)])


def step_jacobians(run: Forward, weight_hh: Tensor) -> Tensor:
    """∂(h, c)(t)/∂(h, c)(t - 1) for t = 1…T, h before c in rows and in columns: (T, B, 2H, 2H).

    (8) depends on h(t - 1) through i, f and g, and on c(t - 1) by the factor f; (9) on both through c(t), and on
    h(t - 1) through o as well.
    """
    W_i, W_f, W_g, W_o = weight_hh.chunk(4)
    i, f, g, o = (gate.unsqueeze(-1) for gate in (run.i, run.f, run.g, run.o))
    c_before, tanh_c = run.c[:-1].unsqueeze(-1), run.c[1:].tanh().unsqueeze(-1)
    c_by_h = g * i * (1 - i) * W_i + c_before * f * (1 - f) * W_f + i * (1 - g**2) * W_g
    c_by_c = torch.diag_embed(run.f)
    slope = o * (1 - tanh_c**2)
    h_by_h = slope * c_by_h + tanh_c * o * (1 - o) * W_o
    h_by_c = slope * c_by_c
    return torch.cat([torch.cat([h_by_h, h_by_c], -1), torch.cat([c_by_h, c_by_c], -1)], -2)


def state_jacobians(run: Forward, weight_hh: Tensor) -> Tensor:
    """∂(h, c)(T)/∂(h, c)(T - lag) along all paths: the product of :func:`step_jacobians` over those steps.

    Returns (T + 1, B, 2H, 2H), lag 0 (the identity) first.
    """
    steps = step_jacobians(run, weight_hh)
    products = [torch.eye(steps.shape[-1], dtype=steps.dtype).expand_as(steps[0])]
    for step in steps.flip(0):
        products.append(products[-1] @ step)
    return torch.stack(products)
