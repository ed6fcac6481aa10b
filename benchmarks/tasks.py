"""What is trained while the clock runs: the book's tasks at the report's sizes, or small ones for the tests."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rnnreport.backends import Backend
from rnnreport.configuration import ModelName, OptimizerName
from rnnreport.models import CharLSTM, PalindromeClassifier
from rnnreport.palindromes import palindrome_batch
from rnnreport.windows import Windows

Network = PalindromeClassifier | CharLSTM
Batches = Iterator[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Palindromes:
    """Task P: palindromes of T digits, one-hot; the first T - 1 are read, (T - 1, B), and the last one is to say."""

    cell: ModelName
    length: int
    hidden_size: int = 128
    batch_size: int = 128
    classes: int = 10
    optimizer: OptimizerName = "rmsprop"
    learning_rate: float = 1e-3
    clip_norm: float = 10.0

    def network(self, backend: Backend = "torch") -> PalindromeClassifier:
        """The book's network, the same weights each time."""
        torch.manual_seed(0)
        return PalindromeClassifier(
            self.cell, self.hidden_size, self.classes, "one-hot", initialisation="uniform", backend=backend
        )

    def batches(self) -> Batches:
        """Batches as the book draws them: all palindromes of one at once."""
        generator = torch.Generator().manual_seed(0)
        while True:
            yield palindrome_batch(self.length, self.batch_size, generator)

    def batches_one_by_one(self) -> Batches:
        """Batches as the course drew them: a Dataset that makes one palindrome at a time, and a DataLoader."""
        for digits, last in DataLoader(_OnePalindrome(self.length), self.batch_size):
            yield digits.T, last


@dataclass(frozen=True)
class Characters:
    """Task C: windows of T characters of a text; at every step the next character is to say.

    The text is random: what a step costs does not depend on what the characters are.
    """

    cell: ModelName = "lstm"
    length: int = 30
    hidden_size: int = 128
    batch_size: int = 64
    classes: int = 87
    num_layers: int = 2
    optimizer: OptimizerName = "adam"
    learning_rate: float = 2e-3
    clip_norm: float = 5.0

    def network(self, backend: Backend = "torch") -> CharLSTM:
        """The book's network, the same weights each time."""
        torch.manual_seed(0)
        return CharLSTM(self.classes, self.hidden_size, self.num_layers, backend=backend)

    @cached_property
    def windows(self) -> Windows:
        """The text in windows."""
        return Windows(torch.randint(self.classes, (100_000,), generator=torch.Generator().manual_seed(0)), self.length)

    def batches(self) -> Batches:
        """Batches as the book draws them: one look-up for all windows."""
        generator = torch.Generator().manual_seed(0)
        while True:
            yield self.windows.batch(self.batch_size, generator)

    def batches_one_by_one(self) -> Batches:
        """Batches drawn by a loop over the windows."""
        draw, text = random.Random(0), self.windows.symbols
        while True:
            starts = [draw.randrange(len(text) - self.length) for _ in range(self.batch_size)]
            yield (
                torch.stack([text[start : start + self.length] for start in starts], 1),
                torch.stack([text[start + 1 : start + self.length + 1] for start in starts], 1),
            )


Task = Palindromes | Characters


class _OnePalindrome(Dataset[Any]):
    """A palindrome at a time, without end."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        left = [random.randrange(10) for _ in range((self.length + 1) // 2)]
        digits = left + left[::-1][self.length % 2 :]
        return torch.tensor(digits[:-1]), digits[-1]
