"""Windows of a text as batches: drawn at random, in order, or continued from batch to batch."""

from __future__ import annotations

import torch
from torch import Tensor

# One block in HELD_OUT_EVERY is held out, so that the held-out text is spread over the whole book.
BLOCKS, HELD_OUT_EVERY = 200, 20


class Windows:
    """Windows of T characters, each with the same window one later: drawn at random to train, in order to evaluate.

    Every 20th of 200 blocks is held out; no training window touches one. A text too short for that (fewer than eight
    windows per block) is used for training only, and ``held_out_starts`` is empty.
    last_tenth: hold out the last tenth of the text instead, whatever its length, as is usual for tiny Shakespeare.
    """

    def __init__(self, symbols: Tensor, length: int, last_tenth: bool = False) -> None:
        self.symbols, self.length = symbols, length
        size = len(symbols) // BLOCKS
        held_out = torch.zeros(len(symbols), dtype=torch.bool)
        starts: list[int] = []
        if last_tenth:
            first = int(0.9 * len(symbols))
            held_out[first:] = True
            starts += range(first, len(symbols) - length, length)
        elif size >= 8 * (length + 1):
            for block in range(HELD_OUT_EVERY // 2, BLOCKS, HELD_OUT_EVERY):
                held_out[block * size : (block + 1) * size] = True
                starts += range(block * size, (block + 1) * size - length, length)
        self.held_out = held_out
        self.held_out_starts = torch.tensor(starts, dtype=torch.long)
        self.train_starts = torch.nonzero(~held_out.unfold(0, length + 1, 1).any(1)).squeeze(1)

    @property
    def held_out_blocks(self) -> Tensor:
        """The held-out blocks side by side, to be read from end to end: (size, 10), or (0, 10).

        The last tenth of a text is cut into ten blocks, without the characters that are left over.
        """
        blocks, held_out = BLOCKS // HELD_OUT_EVERY, self.symbols[self.held_out]
        return held_out[: len(held_out) // blocks * blocks].view(blocks, -1).T

    def at(self, starts: Tensor) -> tuple[Tensor, Tensor]:
        """The windows with these starts, and the characters to predict, (T, B) each."""
        both = self.symbols[starts + torch.arange(self.length + 1)[:, None]]
        return both[:-1], both[1:]

    def batch(self, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A random batch of training windows, (T, B), and the characters to predict, (T, B)."""
        chosen = torch.randint(len(self.train_starts), (batch_size,), generator=generator)
        return self.at(self.train_starts[chosen])


class Streams:
    """The training text, read from batch to batch at B evenly spaced places at once.

    The text is read cyclically, without its held-out blocks. ``position`` counts the characters that each stream has
    read, starting at ``start``, and is changed in place.
    """

    def __init__(self, windows: Windows, batch_size: int, start: int = 0) -> None:
        self.symbols, self.length = windows.symbols[~windows.held_out], windows.length
        self.places = torch.arange(batch_size) * (len(self.symbols) // batch_size)
        self.position = torch.tensor(start)

    def batch(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The next T characters of every stream, (T, B), and the characters to predict, (T, B); nothing is random."""
        window = torch.arange(self.length + 1)[:, None]
        both = self.symbols[(self.places + self.position + window) % len(self.symbols)]
        self.position += self.length
        return both[:-1], both[1:]
