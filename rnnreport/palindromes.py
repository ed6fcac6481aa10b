"""The palindrome task of parts 1 and 2: read T - 1 digits, predict the last one, which equals the first."""

from __future__ import annotations

import torch
from torch import Tensor


def palindromes(length: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Random decimal palindromes, integers (T, B): the left half uniform, the right half its mirror image."""
    left = torch.randint(10, ((length + 1) // 2, batch_size), generator=generator)
    return torch.cat([left, left.flip(0)[length % 2 :]])


def palindrome_batch(length: int, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The digits that the network reads, (T - 1, B), and the last one, which it must predict, (B,)."""
    digits = palindromes(length, batch_size, generator)
    return digits[:-1], digits[-1]
