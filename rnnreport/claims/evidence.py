"""What predicates share: runs, and numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from rnnreport.claims.verdicts import CannotTellError, Finding
from rnnreport.intervals import in_words

RUN = ("model", "optimizer", "gate", "length", "learning_rate", "seed")


def at_last_step(table: pd.DataFrame, steps: int = 0) -> tuple[int, pd.DataFrame]:
    """The last step that all of these runs have come to, which must be this many at least, and the rows there."""
    if table.empty:
        raise CannotTellError("This build has no such runs.")
    of_run = [name for name in RUN if name in table]
    last = int(table.groupby(of_run)["step"].max().min() if of_run else table["step"].max())
    if last < steps:
        raise CannotTellError(f"The claim is about {steps:,} steps; the shortest of these runs has {last:,}.")
    return last, table[table["step"] == last]


def paired(some: pd.Series, others: pd.Series) -> list[float]:
    """The differences, seed by seed, of the seeds that have both."""
    differences = (some - others).dropna().tolist()
    if not differences:
        raise CannotTellError("No seed has both of what is compared.")
    return differences


def of_seeds(holds: bool | None, evidence: str, seeds: int) -> Finding:
    """The finding where there are several seeds."""
    return (holds, evidence) if seeds > 1 else (None, f"{evidence} One seed cannot settle it.")


def every(verdicts: Iterable[bool | None]) -> bool | None:
    """Whether all of them hold: no where one does not, None where one cannot tell."""
    found = set(verdicts)
    return False if False in found else None if None in found else True


def mean(values: Iterable[float], against: float | None = None, *, share: bool = False) -> str:
    """The mean over the seeds of a difference of shares, with its interval; digits enough to tell it from ``against``.

    The interval lies between -1 and 1; share: of shares themselves, between 0 and 1.
    """
    values = list(values)
    return in_words(values, share=share, difference=not share, against=against) + " (one seed)" * (len(values) == 1)


def share(values: Iterable[float], against: float | None = None) -> str:
    """:func:`mean` of shares, whose interval lies between 0 and 1."""
    return mean(values, against, share=True)


def with_interval(words: Sequence[str], count: int) -> str:
    """A number with the ends of its interval, all in words; one seed has none."""
    return f"{words[0]} " + (f"({words[1]} to {words[2]})" if count > 1 else "(one seed)")
