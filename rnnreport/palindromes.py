"""The palindrome task of parts 1 and 2: read T - 1 digits, say the last, which is the first one again."""

from __future__ import annotations

import torch
from torch import Tensor


def palindromes(length: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Random decimal palindromes, integers (T, B): the left half uniform, the right half its mirror image."""
    left = torch.randint(10, ((length + 1) // 2, batch_size), generator=generator)
    return torch.cat([left, left.flip(0)[length % 2 :]])


def palindrome_batch(length: int, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What the network reads, (T - 1, B), and the digit it must say, (B,)."""
    digits = palindromes(length, batch_size, generator)
    return digits[:-1], digits[-1]
