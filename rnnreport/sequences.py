"""The tasks of chapters 3 and 3b over sequences of numbers.

A task is a frozen description with a method ``batch``: sequences and their targets from a seeded generator. A new task
needs one class here and an entry in ``Task``.

Shapes: T steps, B sequences, D numbers per step, K outputs.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from rnnreport.models import Sequences
from rnnreport.training import classification

WITHIN = 0.04  # a sum of the adding problem with a smaller error is right, as in Hochreiter and Schmidhuber (1997)


class _Task(BaseModel, extra="forbid", frozen=True):
    """The base of all tasks."""

    inputs: ClassVar[int]  # D
    outputs: ClassVar[int]  # K
    every_step: ClassVar[bool] = False  # whether there is a target for every step, (T, B), and not only for the last
    timed: ClassVar[bool] = False  # whether its sequences say at which times their numbers are seen

    def measure(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss of the outputs (B, K), or (T, B, K) at every step, and the share of correct ones."""
        return classification(outputs, targets)

    def batch(self, size: int, generator: torch.Generator) -> tuple[Sequences, Tensor]:
        """B = ``size`` sequences and their targets, (B,): classes or, for a regression, numbers."""
        raise NotImplementedError


class SineWaves(_Task):
    """Is the period of a sine wave between 5 and 6? The Phased LSTM's frequency task (Neil et al. 2016).

    Half the waves have such a period; the others' periods are log-uniform in 1…100, as in that paper's published code.
    A wave has a random phase and is seen for 15 to 125 units of time, and ends by 125: in steps of 1 ("standard") or
    of 0.1 ("high-resolution"), or at 15 to 125 random times ("asynchronous"). "two-waves" is its second task: two waves
    are added, and half the pairs have periods of 5 to 6 and of 13 to 15; they are seen at 100 to 1,000 random times
    within 1 to 100 units. (There its code leaves out a factor of 2 pi: its periods are angular.)
    """

    inputs: ClassVar[int] = 1
    outputs: ClassVar[int] = 2
    timed: ClassVar[bool] = True
    kind: Literal["sine-waves"] = "sine-waves"
    sampling: Literal["standard", "high-resolution", "asynchronous", "two-waves"] = "standard"

    def asked(self) -> tuple[tuple[int, int], ...]:
        """The range that the period of each wave is asked to be in."""
        return ((5, 6), (13, 15)) if self.sampling == "two-waves" else ((5, 6),)

    def chance(self) -> float:
        """The accuracy of always answering yes: right for half the waves, and for some of the others."""
        return 0.5 + 0.5 * math.prod(math.log(high / low, 100) for low, high in self.asked())

    def batch(self, size: int, generator: torch.Generator) -> tuple[Sequences, Tensor]:
        """See the class; the label is 1 for periods in these ranges."""

        def uniform(low: float | Tensor, high: float | Tensor) -> Tensor:
            return low + (high - low) * torch.rand(size, generator=generator)

        two = self.sampling == "two-waves"
        durations, counts = ((1, 100), (100, 1001)) if two else ((15, 125), (15, 126))
        any_period = torch.arange(size) >= size // 2
        periods = [
            torch.where(any_period, 100 ** torch.rand(size, generator=generator), uniform(*range_))
            for range_ in self.asked()
        ]
        duration = uniform(*durations)
        start = uniform(0.0, durations[1] - duration)
        phases = [uniform(0, 2 * math.pi) for _ in periods]
        if two or self.sampling == "asynchronous":
            lengths = uniform(*counts).long()
            order = torch.rand(int(lengths.max()), size, generator=generator)
            inside = torch.arange(len(order))[:, None] < lengths
            times = start + torch.where(inside, order, torch.inf).sort(0).values * duration
        else:
            every = 1.0 if self.sampling == "standard" else 0.1
            lengths = torch.ceil(duration / every).long()
            times = start + every * torch.arange(int(lengths.max()))[:, None]
            inside = torch.arange(len(times))[:, None] < lengths
        times = torch.where(inside, times, 0.0)
        waves = sum(torch.sin(2 * math.pi * times / period + phase) for period, phase in zip(periods, phases))
        asked = [(low <= period) & (period <= high) for period, (low, high) in zip(periods, self.asked())]
        label = torch.stack(asked).all(0).long()
        return Sequences(torch.where(inside, waves, 0.0).unsqueeze(-1), times, lengths), label


class Adding(_Task):
    """Add the two numbers that are marked: the adding problem of Hochreiter and Schmidhuber (1997).

    A step has a number, uniform in 0…1, and a mark, 0 or 1. One mark is in the first tenth of the sequence, the other
    in the second half. The constant answer 1 has a mean squared error of 1/6.
    """

    inputs: ClassVar[int] = 2
    outputs: ClassVar[int] = 1
    kind: Literal["adding"] = "adding"
    length: Annotated[int, Field(ge=20)]

    def measure(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared error, and the share of sums with an error below 0.04."""
        off = outputs.squeeze(-1) - targets
        return off.square().mean(), (off.detach().abs() < WITHIN).double().mean()

    def batch(self, size: int, generator: torch.Generator) -> tuple[Sequences, Tensor]:
        """See the class; the target is the sum."""
        numbers, marks = torch.rand(self.length, size, generator=generator), torch.zeros(self.length, size)
        first = torch.randint(self.length // 10, (1, size), generator=generator)
        second = torch.randint(self.length // 2, self.length, (1, size), generator=generator)
        marks.scatter_(0, torch.cat([first, second]), 1.0)
        return Sequences(torch.stack([numbers, marks], -1)), (numbers * marks).sum(0)


class Copying(_Task):
    """Repeat ten symbols after a delay: the copying problem of Hochreiter and Schmidhuber (1997).

    As in Arjovsky et al. (2016), section 5.1, a sequence has ten symbols of eight kinds, delay - 1 blanks, a marker
    and ten blanks. The target is the blank for the first delay + 10 steps, then the ten symbols in their order.
    Symbols, blank (8) and marker (9) are one-hot.
    """

    inputs: ClassVar[int] = 10
    outputs: ClassVar[int] = 9
    every_step: ClassVar[bool] = True
    kind: Literal["copying"] = "copying"
    delay: Annotated[int, Field(ge=1)]

    def measure(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy over all steps, and the share of the ten symbols that are repeated."""
        return classification(outputs, targets)[0], classification(outputs[-10:], targets[-10:])[1]

    def batch(self, size: int, generator: torch.Generator) -> tuple[Sequences, Tensor]:
        """See the class; the targets are (T, B), T = delay + 20."""
        symbols = torch.randint(8, (10, size), generator=generator)
        x, targets = torch.full((2, self.delay + 20, size), 8)
        x[:10] = targets[-10:] = symbols
        x[self.delay + 9] = 9
        return Sequences(F.one_hot(x, 10).float()), targets

    def without_memory(self) -> float:
        """The cross-entropy of a network that knows when to answer, and then guesses: 10 ln 8 / (delay + 20)."""
        return 10 * math.log(8) / (self.delay + 20)


class Bursts(_Task):
    """Is a weak signal up or down, if bursts of noise cover it most of the time?

    Times 1…length. In every period there is a burst, from ``burst_start`` on for ``burst_length`` steps: noise of
    standard deviation ``loudness``, and no signal. The other steps show the signal, +level or -level for the whole
    sequence, in noise of standard deviation 1.
    """

    inputs: ClassVar[int] = 1
    outputs: ClassVar[int] = 2
    kind: Literal["bursts"] = "bursts"
    length: Annotated[int, Field(ge=2)] = 200
    period: Annotated[int, Field(ge=2)] = 20
    burst_start: Annotated[int, Field(ge=0)] = 0
    burst_length: Annotated[int, Field(ge=1)] = 16
    level: Annotated[float, Field(gt=0)] = 0.4
    loudness: Annotated[float, Field(gt=0)] = 2.0

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.burst_length >= self.period:
            raise ValueError(f"burst_length must be less than the period, {self.period}, not {self.burst_length}")
        return self

    def in_burst(self) -> Tensor:
        """Which of the steps 1…T lie in a burst, (T,)."""
        return (torch.arange(1, self.length + 1) - self.burst_start) % self.period < self.burst_length

    def batch(self, size: int, generator: torch.Generator) -> tuple[Sequences, Tensor]:
        """See the class; the label is 1 if the signal is up."""
        up = torch.randint(2, (size,), generator=generator)
        burst = self.in_burst()[:, None]
        noise = torch.randn(self.length, size, generator=generator)
        x = torch.where(burst, self.loudness * noise, self.level * (2.0 * up - 1) + noise)
        return Sequences(x.unsqueeze(-1)), up

    def best_possible(self) -> float:
        """The best accuracy if the times of the bursts are known: the sign of the sum over the quiet steps decides."""
        quiet = int((~self.in_burst()).sum())
        return 0.5 * (1 + math.erf(self.level * math.sqrt(quiet / 2)))

    def best_without_clock(self, generator: torch.Generator, size: int = 20_000) -> float:
        """Accuracy without a clock, with everything else known: a hidden Markov model's likelihood ratio decides.

        Its two states, burst and quiet, end at every step with the probability that gives them their mean lengths: it
        cannot count. Measured on ``size`` sequences.
        """
        (x, _, _), up = self.batch(size, generator)
        end, begin = 1 / self.burst_length, 1 / (self.period - self.burst_length)  # probabilities at a step
        at_first = torch.tensor([begin, end], dtype=torch.float64) / (begin + end)  # of burst and quiet
        transition = torch.tensor([[1 - end, end], [begin, 1 - begin]], dtype=torch.float64)

        def density(mean: float, deviation: float) -> Tensor:
            return torch.exp(-(((x.double() - mean) / deviation) ** 2) / 2) / deviation

        def log_likelihood(level: float) -> Tensor:
            state, found = at_first, torch.zeros(size, dtype=torch.float64)
            for densities in torch.cat([density(0, self.loudness), density(level, 1.0)], -1):
                joint = state * densities
                found += joint.sum(-1).log()
                state = joint / joint.sum(-1, keepdim=True) @ transition
            return found

        return ((log_likelihood(self.level) > log_likelihood(-self.level)) == (up == 1)).double().mean().item()


class MarkedDigit(_Task):
    """Name the digit that was marked: one step, uniform over the sequence. Digits are one-hot."""

    inputs: ClassVar[int] = 11
    outputs: ClassVar[int] = 10
    kind: Literal["marked-digit"] = "marked-digit"
    length: Annotated[int, Field(ge=2)]

    def batch(self, size: int, generator: torch.Generator) -> tuple[Sequences, Tensor]:
        """See the class; the label is the digit."""
        digits = torch.randint(10, (self.length, size), generator=generator)
        place = torch.randint(self.length, (1, size), generator=generator)
        mark = torch.zeros(self.length, size, 1).scatter_(0, place.unsqueeze(-1), 1.0)
        return Sequences(torch.cat([F.one_hot(digits, 10).float(), mark], -1)), digits.gather(0, place)[0]


Task = Annotated[SineWaves | Adding | Copying | Bursts | MarkedDigit, Field(discriminator="kind")]
