"""Text from a trained character model, one character at a time, the state carried on."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from rnnreport.backends import kernels
from rnnreport.models import CharLSTM
from rnnreport.recurrence import swap

State = tuple[Tensor, Tensor]


def sample(
    model: CharLSTM,
    start: Tensor,
    length: int,
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    state: State | None = None,
) -> tuple[Tensor, State]:
    """Go on from ``start`` for ``length`` characters.

    start: integers (T,) or (T, B), read first, from a zero state or from ``state`` (h, c of shape (L, B, H)).
    temperature: logits are divided by it before the softmax; 0 is greedy, the likeliest character each time.
    Returns the new characters, (length,) or (length, B), and the state after the last but one of them: to go on, start
    from the last one. The model's backend does the work; both draw the same numbers from the generator.
    Raises ValueError for an empty start or one of other symbols than the model's, a length below 1, a temperature that
    is not >= 0, a state of another shape, weights or a state that are not finite.
    """
    if start.numel() == 0 or start.dim() > 2:
        raise ValueError("start must hold at least one character, as (T,) or (T, B)")
    if not 0 <= int(start.min()) <= int(start.max()) < model.lstm.input_size:
        raise ValueError(f"symbols must lie in 0…{model.lstm.input_size - 1} (vocabulary_size)")
    if length < 1:
        raise ValueError(f"length must be at least 1, not {length}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be a finite number of at least 0 (0 is greedy), not {temperature}")
    symbols = start.long() if start.dim() == 2 else start.long().unsqueeze(1)
    weights, shape = _laid_out(model), (model.lstm.num_layers, symbols.shape[1], model.lstm.hidden_size)
    h, c = state or (weights.table.new_zeros(shape), weights.table.new_zeros(shape))
    if not tuple(h.shape) == tuple(c.shape) == shape:
        raise ValueError(f"state must be h and c of the shape (L, B, H) = {shape}, not {(*h.shape,)} and {(*c.shape,)}")
    if not all(bool(values.isfinite().all()) for values in (*model.parameters(), h, c)):
        raise ValueError("the model's weights and the state must be finite numbers")
    with torch.inference_mode():
        text = torch.cat([symbols, symbols.new_empty(length, symbols.shape[1])])
        h, c = (part.clone(memory_format=torch.contiguous_format) for part in (h.transpose(0, 1).flatten(1), c))
        u = None
        if temperature > 0:
            u = 1 - torch.rand(text[-length:].shape, generator=generator, dtype=torch.float64, device=start.device)
        native = kernels(model.lstm.backend, weights.table)
        (native.sample if native else _run)(text, length, u, temperature, *weights, h, c)
    text, h, c = text[-length:].clone(), h.unflatten(1, shape[::2]).transpose(0, 1).clone(), c.clone()
    return (text if start.dim() == 2 else text.squeeze(1)), (h, c)


def probabilities(logits: Tensor, temperature: float) -> Tensor:
    """softmax(logits / temperature) over the last dimension; temperature > 0."""
    below_best = (logits - logits.amax(-1, keepdim=True)).double()  # the softmax is the same, and nothing overflows
    return torch.softmax(below_best / temperature, -1).to(logits.dtype)


def entropy(p: Tensor) -> Tensor:
    """Entropy in bits of distributions over the last dimension."""
    return torch.special.entr(p).sum(-1) / math.log(2)


class _Weights(NamedTuple):
    """A model's weights as a step reads them: one matrix a layer, its gates in the order i, f, o, g."""

    table: Tensor  # (V, 4H): what each symbol adds to the first layer's gates, bias included
    matrices: list[Tensor]  # (H, 4H) in the first layer, which reads its own h; (2H, 4H) in others: h below, own h
    biases: list[Tensor]  # (4H,) of the other layers
    W_p: Tensor  # (H, V)
    b_p: Tensor  # (V,)


@torch.no_grad()
def _laid_out(model: CharLSTM) -> _Weights:
    layers = [[swap(weight) for weight in model.lstm.weights(layer)] for layer in range(model.lstm.num_layers)]
    (weight_ih, weight_hh, bias), *above = layers
    stacked = [weight_hh, *(torch.cat([below, own], 1) for below, own, _ in above)]
    return _Weights(
        (weight_ih.t() + bias).contiguous(),
        [matrix.t().contiguous() for matrix in stacked],
        [bias for *_, bias in above],
        model.head.weight.t().contiguous(),
        model.head.bias.detach(),
    )


def _run(
    text: Tensor,
    length: int,
    u: Tensor | None,
    temperature: float,
    table: Tensor,
    matrices: list[Tensor],
    biases: list[Tensor],
    W_p: Tensor,
    b_p: Tensor,
    h: Tensor,
    c: Tensor,
) -> None:
    """Write the last ``length`` rows of text, (T + length, B), and move the states h, (B, L H), and c, (L, B, H), on.

    u: random numbers in (0, 1] that choose them, (length, B); without, every character is the likeliest.
    """
    L, B, H = c.shape
    a, z, logits = c.new_empty(B, 4 * H), c.new_empty(B, H), c.new_empty(B, W_p.shape[1])
    ifo, (i, f, o, g) = a[:, : 3 * H], a.chunk(4, 1)
    # The layers' states stand side by side in h: a layer reads the new h below it together with its own.
    read = [h[:, max(layer - 1, 0) * H : (layer + 1) * H] for layer in range(L)]
    layers = list(zip(read, h.split(H, 1), c.unbind(0), matrices))
    rows = list(text.unbind(0))
    for step, (symbols, following) in enumerate(pairwise(rows), start=length - len(rows) + 1):
        for (h_in, h_t, c_t, W), add in zip(layers, (table.index_select(0, symbols), *biases)):
            torch.addmm(add, h_in, W, out=a)
            ifo.sigmoid_(), g.tanh_()  # (4)-(7)
            c_t.mul_(f).addcmul_(i, g)  # (8)
            torch.mul(o, torch.tanh(c_t, out=z), out=h_t)  # (9)
        if step < 0:
            continue  # the following character is given
        torch.addmm(b_p, h_t, W_p, out=logits)
        following.copy_(_choose(logits, temperature, None if u is None else u[step]))


def _choose(logits: Tensor, temperature: float, u: Tensor | None) -> Tensor:
    """A symbol for each row of logits (B, V): the first whose cumulated probability reaches u, (B,) in (0, 1]."""
    if u is None:
        return logits.argmax(-1)
    cumulated = probabilities(logits.double(), temperature).cumsum(-1)
    return torch.searchsorted(cumulated, u[:, None] * cumulated[:, -1:]).squeeze(1)
