"""How sure a mean over seeds is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean and its confidence interval by Student's t, taking the seeds as independent draws.

    A single value says nothing of the spread: its interval is the whole line.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, -np.inf, np.inf
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return mean, mean - half, mean + half


def over_seeds(table: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """The table's ``value`` over the seeds: ``by``, mean, low, high and the number of seeds."""
    rows = [
        (*key, *interval(group[value].tolist()), group["seed"].nunique())
        for key, group in table.dropna(subset=[value]).groupby(by, sort=True)
    ]
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "seeds"])


def exceeds(values: Sequence[float], threshold: float) -> bool | None:
    """Whether the mean lies above the threshold, as far as these values can tell; None where they cannot."""
    _, low, high = interval(values)
    if low > threshold:
        return True
    return False if high < threshold else None


def in_words(values: Iterable[float], *, share: bool = False) -> str:
    """A mean over seeds with its interval, for a sentence; of a share, the interval lies between 0 and 1 too."""
    mean, low, high = interval(list(values))
    if np.isinf(low):
        return f"{mean:.2f}"
    low, high = (max(low, 0.0), min(high, 1.0)) if share else (low, high)
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"
