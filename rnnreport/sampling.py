"""Text from a trained character model, one character at a time, the state carried on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rnnreport.models import CharLSTM

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
    from the last one. Raises ValueError for an empty start, a length below 1, a temperature that is not >= 0.
    """
    if start.numel() == 0:
        raise ValueError("start must hold at least one character")
    if length < 1:
        raise ValueError(f"length must be at least 1, not {length}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be a finite number of at least 0 (0 is greedy), not {temperature}")
    symbols, chosen = start if start.dim() == 2 else start.unsqueeze(1), []
    with torch.inference_mode():
        for _ in range(length):
            logits, state = model.run(symbols, state)
            symbols = _choose(logits[-1], temperature, generator).unsqueeze(0)
            chosen.append(symbols)
    text = torch.cat(chosen)
    assert state is not None
    return (text if start.dim() == 2 else text.squeeze(1)), state


def probabilities(logits: Tensor, temperature: float) -> Tensor:
    """softmax(logits / temperature) over the last dimension; temperature > 0."""
    below_best = (logits - logits.amax(-1, keepdim=True)).double()  # the softmax is the same, and nothing overflows
    return torch.softmax(below_best / temperature, -1).to(logits.dtype)


def entropy(p: Tensor) -> Tensor:
    """Entropy in bits of distributions over the last dimension."""
    return torch.special.entr(p).sum(-1) / math.log(2)


def _choose(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """A symbol for each row of logits (B, V): (B,)."""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(probabilities(logits, temperature), 1, generator=generator).squeeze(1)
