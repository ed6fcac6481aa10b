"""Confidence intervals of means over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from rnnreport import words

ROUNDING = 1e-9  # nearer than this, a mean and a threshold are equal: 0.3 - 0.1 is not below 0.2


def interval(values: Sequence[float], level: float = 0.95, *, share: bool = False) -> tuple[float, float, float]:
    """Mean, low and high: the mean and its confidence interval by Student's t, with seeds as independent draws.

    A single value says nothing about the spread, so its interval is the whole line. The interval of several shares is
    cut to 0…1.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, -np.inf, np.inf
    quantile = stdtrit(len(values) - 1, (1 + level) / 2)  # Student's t; importing scipy.stats takes a second
    half = float(quantile * np.std(values, ddof=1) / len(values) ** 0.5)
    least, most = (0.0, 1.0) if share else (-np.inf, np.inf)
    return mean, max(mean - half, least), min(mean + half, most)


def over_seeds(table: pd.DataFrame, by: list[str], value: str, *, share: bool = False) -> pd.DataFrame:
    """The table's ``value`` over the seeds: ``by``, mean, low and high of :func:`interval`, and the number of seeds."""
    rows = [
        (*key, *interval(group[value].tolist(), share=share), group["seed"].nunique())
        for key, group in table.dropna(subset=[value]).groupby(by, sort=True)
    ]
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "seeds"])


def exceeds(values: Sequence[float], threshold: float) -> bool | None:
    """Whether the mean lies above the threshold; None if these values cannot tell."""
    _, low, high = interval(values)
    if low > threshold + ROUNDING:
        return True
    return False if high < threshold - ROUNDING else None


def in_words(values: Iterable[float], *, share: bool = False) -> str:
    """A mean over seeds with its interval, for a sentence; share: see :func:`interval`."""
    mean, *ends = interval(list(values), share=share)
    shown = [words.share(value) if share else f"{value:.2f}" for value in (mean, *ends)]
    return shown[0] if np.isinf(ends[0]) else f"{shown[0]} ({shown[1]} to {shown[2]})"


def digits_beside(values: Iterable[float], against: float | None, least: int = 2, form: str = "f") -> int:
    """The least number of digits, in this format, that shows for each value on which side of ``against`` it lies."""
    values = list(values)
    if against is None or not values:
        return least
    near = ROUNDING * (abs(against) or 1)

    def apart(digits: int) -> list[bool]:
        shown = [float(f"{value:.{digits}{form}}") - float(f"{against:.{digits}{form}}") for value in values]
        return [abs(difference) > near for difference in shown]

    return next((digits for digits in range(least, 17) if apart(digits) == apart(17)), 17)
