"""Text from a trained character model, one character at a time; the state is carried on.

A character is chosen from the model's logits as follows: logits of characters that would repeat earlier text are
lowered (``repetition``), all are divided by the temperature, the softmax gives probabilities, ``top_k`` and ``top_p``
keep the likeliest, and one is drawn.
"""

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
    top_k: int = 0,
    top_p: float = 1.0,
    repetition: float = 1.0,
    repetition_length: int = 8,
    generator: torch.Generator | None = None,
    state: State | None = None,
) -> tuple[Tensor, State]:
    """Continue ``start`` by ``length`` characters.

    start: integers (T,) or (T, B), read first, from a zero state or from ``state`` (h, c of shape (L, B, H)).
    temperature: logits are divided by it before the softmax; 0 is greedy, the likeliest character each time.
    top_k, top_p: see :func:`probabilities`. repetition: a character that completes a sequence of ``repetition_length``
    characters already present in start or text becomes this many times less likely (before the temperature); 1
    changes nothing, infinity forbids it, unless all are forbidden.
    Returns the new characters, (length,) or (length, B), and the state before the last of them is read: to continue,
    start from that one. The model's backend does the work, or torch if top_k, top_p or repetition is used; both draw
    the same numbers from the generator.
    Raises ValueError for an empty start or symbols that the model does not have, a length below 1, a setting out of
    its range, a state of the wrong shape, and weights or a state that are not finite.
    """
    if start.numel() == 0 or start.dim() > 2:
        raise ValueError("start must hold at least one character, as (T,) or (T, B)")
    if not 0 <= int(start.min()) <= int(start.max()) < model.lstm.input_size:
        raise ValueError(f"symbols must lie in 0…{model.lstm.input_size - 1} (vocabulary_size)")
    if length < 1:
        raise ValueError(f"length must be at least 1, not {length}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be a finite number of at least 0 (0 is greedy), not {temperature}")
    _check_kept(top_k, top_p)
    if not repetition >= 1 or repetition_length < 1:
        raise ValueError(
            "repetition must be a number of at least 1 (1 changes nothing), and its length at least 1 character, not "
            f"{repetition} and {repetition_length}"
        )
    symbols = start.long() if start.dim() == 2 else start.long().unsqueeze(1)
    weights, shape = _laid_out(model), (model.lstm.num_layers, model.lstm.hidden_size)
    h, c = model.lstm.initial_state(state, symbols.shape[1])
    if not all(bool(values.isfinite().all()) for values in (*model.parameters(), h, c)):
        raise ValueError("the model's weights and the state must be finite numbers")
    with torch.inference_mode():
        text = torch.cat([symbols, symbols.new_empty(length, symbols.shape[1])])
        h, c = (part.clone(memory_format=torch.contiguous_format) for part in (h.transpose(0, 1).flatten(1), c))
        u = None
        if temperature > 0:
            u = 1 - torch.rand(text[-length:].shape, generator=generator, dtype=torch.float64, device=start.device)
        native = kernels(model.lstm.backend, weights.table)
        if (top_k, top_p, repetition) != (0, 1, 1):
            repeats = _Repeats(text, length, repetition, repetition_length) if repetition > 1 else None
            _run(text, length, u, temperature, *weights, h, c, top_k, top_p, repeats)
        else:
            (native.sample if native else _run)(text, length, u, temperature, *weights, h, c)
    text, h, c = text[-length:].clone(), h.unflatten(1, shape).transpose(0, 1).clone(), c.clone()
    return (text if start.dim() == 2 else text.squeeze(1)), (h, c)


def probabilities(logits: Tensor, temperature: float, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """softmax(logits / temperature) over the last dimension, of the same shape; temperature > 0.

    top_k: keep this many of the likeliest (Fan et al. 2018); 0 for all. top_p: keep the fewest of the likeliest whose
    probabilities sum to at least this (Holtzman et al. 2020); 1 for all. Among equals the first are kept.
    The others get 0, and the rest is scaled to sum to 1. Raises ValueError for values out of range.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0 to give probabilities, not {temperature}")
    _check_kept(top_k, top_p)
    below_best = (logits - logits.amax(-1, keepdim=True)).double()  # the softmax is the same, and nothing overflows
    p = torch.softmax(below_best / temperature, -1)
    if top_k or top_p < 1:
        ordered, place = p.sort(dim=-1, descending=True, stable=True)
        ordered[..., top_k or p.shape[-1] :] = 0
        if top_p < 1:
            ordered /= ordered.sum(-1, keepdim=True)
            ordered[ordered.cumsum(-1) - ordered >= top_p] = 0  # the likelier ones already reach top_p
        p = torch.zeros_like(p).scatter_(-1, place, ordered / ordered.sum(-1, keepdim=True))
    return p.to(logits.dtype)


def _check_kept(top_k: int, top_p: float) -> None:
    if top_k < 0:
        raise ValueError(f"top_k must be a number of characters, 0 for all, not {top_k}")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1 (1 for all), not {top_p}")


def entropy(p: Tensor) -> Tensor:
    """Entropy in bits of distributions over the last dimension."""
    return torch.special.entr(p).sum(-1) / math.log(2)


class _Weights(NamedTuple):
    """A model's weights in the layout of a step: one matrix per layer, its gates in the order i, f, o, g."""

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
    top_k: int = 0,
    top_p: float = 1.0,
    repeats: _Repeats | None = None,
) -> None:
    """Write the last ``length`` rows of text, (T + length, B), and update the states h, (B, L H), and c, (L, B, H).

    u: random numbers in (0, 1] that choose the characters, (length, B); if None, the likeliest is taken each time.
    """
    L, B, H = c.shape
    a, z, logits = c.new_empty(B, 4 * H), c.new_empty(B, H), c.new_empty(B, W_p.shape[1])
    ifo, (i, f, o, g) = a[:, : 3 * H], a.chunk(4, 1)
    # The layers' states are side by side in h: a layer reads the new h of the layer below together with its own.
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
        if repeats:
            repeats.lower(logits)
        following.copy_(_choose(logits, temperature, None if u is None else u[step], top_k, top_p))
        if repeats:
            repeats.add(following)


def _choose(logits: Tensor, temperature: float, u: Tensor | None, top_k: int, top_p: float) -> Tensor:
    """A symbol for each row of logits (B, V): the first whose cumulated probability reaches u, (B,) in (0, 1]."""
    if u is None:
        return logits.argmax(-1)
    cumulated = probabilities(logits.double(), temperature, top_k, top_p).cumsum(-1)
    return torch.searchsorted(cumulated, u[:, None] * cumulated[:, -1:]).squeeze(1)


class _Repeats:
    """The characters of each text of a batch so far, and which next ones would repeat a sequence in it."""

    def __init__(self, text: Tensor, length: int, repetition: float, repetition_length: int) -> None:
        self.penalty, self.context = math.log(repetition), repetition_length - 1
        self.written: list[list[int]] = [[] for _ in range(text.shape[1])]
        self.followed: list[dict[tuple[int, ...], set[int]]] = [{} for _ in self.written]
        for symbols in text[:-length]:
            self.add(symbols)

    def add(self, symbols: Tensor) -> None:
        """Append a symbol to every text; symbols: (B,)."""
        for written, followed, symbol in zip(self.written, self.followed, symbols.tolist()):
            if len(written) >= self.context:
                followed.setdefault(self._end(written), set()).add(symbol)
            written.append(symbol)

    def lower(self, logits: Tensor) -> None:
        """Subtract the penalty from the logits, (B, V), of symbols that followed the text's last ones before."""
        for row, written, followed in zip(logits, self.written, self.followed):
            before = list(followed.get(self._end(written), ()))
            if len(before) < len(row):
                row[before] -= self.penalty

    def _end(self, written: list[int]) -> tuple[int, ...]:
        return tuple(written[len(written) - self.context :])
