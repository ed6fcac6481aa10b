"""The claims as ``data/claims.yml`` states them: what would settle each, written down before the runs that judge it."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rnnreport import catalogue
from rnnreport.catalogue import Said
from rnnreport.errors import ReaderError
from rnnreport.provenance import PROJECT

READS = ("data/claims.yml",)  # files that this module reads itself, for the fingerprints of the chapters that judge
CLAIMS = PROJECT / READS[0]

Kind = Literal["exact", "run", "share", "mean", "equivalence"]
HOW = {  # by kind, what decides, and what it does with the values of the seeds; single: runs of which one is enough
    "exact": ("arithmetic", "it"),
    "single": ("a single run", "it, in the run,"),
    "run": ("every run", "it, in every one of {seeds} or more,"),
    "share": ("a share of seeds", "the share of at least {seeds} seeds in which it holds"),
    "mean": ("a mean over seeds", "its mean over at least {seeds} seeds"),
    "equivalence": ("a mean over seeds", "its mean over at least {seeds} seeds"),
}


QUESTIONS = {  # of the assignment, in a few words
    "1.1": "The RNN's gradients",
    "1.3": "The RNN on palindromes",
    "1.4": "Optimizers",
    "1.5": "The LSTM's gates and parameters",
    "1.6": "RNN against LSTM",
    "2.1": "When the gate is open",
    "2.2": "What the gate does to memory",
    "2.3": "What the gate's parameters are for",
    "3.1a": "Training on a book",
    "3.1b": "What the network writes as it learns",
    "3.1c": "Temperature",
}
Margin = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _of_the_assignment(section: str) -> str:
    if section not in QUESTIONS:
        raise ValueError(f"must be one of {', '.join(QUESTIONS)}, not {section!r}")
    return section


class ClaimsError(ReaderError, ValueError):
    """A claims file that cannot be used; the message is one sentence for the reader."""


class Claim(BaseModel):
    """What the report asserts, and what would settle it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Said
    section: Annotated[str, AfterValidator(_of_the_assignment)]
    claim: Said  # in our words
    kind: Kind
    quantity: Said  # what is measured, once or for each seed
    above: Margin | None = None
    below: Margin | None = None
    within: tuple[Margin, Margin] | None = None
    because: Said  # why this margin
    seeds: Annotated[int, Field(ge=1, strict=True)] = 1  # the least number that may settle it

    @model_validator(mode="after")
    def _one_margin(self) -> Self:
        given = [self.above, self.below, self.within]
        if sum(margin is not None for margin in given) != 1:
            raise ValueError("takes one of above, below and within")
        if (self.kind == "equivalence" and not self.within) or (self.within and self.within[0] >= self.within[1]):
            raise ValueError("takes within, two numbers, the smaller first")
        if self.within and self.kind in ("share", "mean"):
            raise ValueError("takes above or below")
        if self.kind == "share" and not 0 < sum(margin or 0 for margin in (self.above, self.below)) < 1:
            raise ValueError("takes a margin between 0 and 1")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """What the quantity must lie between."""
        if self.within:
            return self.within
        return (-float("inf") if self.above is None else self.above, float("inf") if self.below is None else self.below)

    @property
    def margin(self) -> str:
        """The margin in words."""
        if self.within:
            return f"from {self.within[0]:g} to {self.within[1]:g}"
        if self.kind == "share":
            return f"above {self.above:.0%}" if self.below is None else f"below {self.below:.0%}"
        return f"below {self.below:g}" if self.above is None else f"above {self.above:g}"

    @property
    def decides(self) -> str:
        """What decides: arithmetic, one run or every run, a share or a mean."""
        return self._how[0]

    @property
    def _how(self) -> tuple[str, str]:
        return HOW["single" if self.kind == "run" and self.seeds == 1 else self.kind]

    @property
    def rule(self) -> str:
        """The rule in words, with the reason for its margin."""
        which = self._how[1].format(seeds=self.seeds)
        return (
            f"Measured: {self.quantity}. Reproduced if {which} is {self.margin}, in part if in some cases only, "
            f"contradicted if in none. The margin: {self.because}."
        )

    @property
    def digest(self) -> str:
        """A hash of what settles the claim; the wording of the claim and of the reasons is not part of it."""
        settles = self.model_dump(mode="json", exclude={"section", "claim", "because"})
        return hashlib.sha256(json.dumps(settles, sort_keys=True).encode()).hexdigest()[:16]


@cache
def claims(file: Path = CLAIMS) -> dict[str, Claim]:
    """The claims by their id. Raises ClaimsError for a file that does not state them as :class:`Claim` wants it."""
    return catalogue.read(file, Claim, "claim", ClaimsError)


def digests() -> dict[str, str]:
    """Every claim's digest, which a record keeps."""
    return {name: claim.digest for name, claim in claims().items()}
