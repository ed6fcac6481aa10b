"""What predicates share: selecting runs, and putting numbers into words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from rnnreport.claims.verdicts import CannotTellError, Finding
from rnnreport.intervals import in_words

RUN = ("model", "optimizer", "gate", "length", "learning_rate", "seed")


def at_last_step(table: pd.DataFrame, steps: int = 0) -> tuple[int, pd.DataFrame]:
    """The last step that all of these runs have reached, and the rows there.

    Raises CannotTellError if it is less than ``steps``, or if there are no runs.
    """
    if table.empty:
        raise CannotTellError("This build has no such runs.")
    of_run = [name for name in RUN if name in table]
    last = int(table.groupby(of_run)["step"].max().min() if of_run else table["step"].max())
    if last < steps:
        raise CannotTellError(f"The claim is about {steps:,} steps; the shortest of these runs has {last:,}.")
    return last, table[table["step"] == last]


def paired(some: pd.Series, others: pd.Series) -> list[float]:
    """The differences, seed by seed, for the seeds that have both. Raises CannotTellError if there are none."""
    differences = (some - others).dropna().tolist()
    if not differences:
        raise CannotTellError("No seed has both of what is compared.")
    return differences


def of_seeds(holds: bool | None, evidence: str, seeds: int) -> Finding:
    """The finding if there are several seeds; with one seed it cannot tell."""
    return (holds, evidence) if seeds > 1 else (None, f"{evidence} One seed cannot settle it.")


def every(verdicts: Iterable[bool | None]) -> bool | None:
    """Whether all of them hold: False if one does not, else None if one cannot tell."""
    found = set(verdicts)
    return False if False in found else None if None in found else True


def mean(values: Iterable[float], against: float | None = None, *, share: bool = False) -> str:
    """In words: the mean over the seeds of a difference of shares, with its interval.

    It has enough digits to distinguish it from ``against``. The interval lies between -1 and 1. share: the values are
    shares, and the interval lies between 0 and 1.
    """
    values = list(values)
    return in_words(values, share=share, difference=not share, against=against) + " (one seed)" * (len(values) == 1)


def share(values: Iterable[float], against: float | None = None) -> str:
    """:func:`mean` for shares, with an interval between 0 and 1."""
    return mean(values, against, share=True)


def with_interval(words: Sequence[str], count: int) -> str:
    """A number with the ends of its interval, all given in words; with one seed there is no interval."""
    return f"{words[0]} " + (f"({words[1]} to {words[2]})" if count > 1 else "(one seed)")
