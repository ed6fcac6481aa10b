"""How sure a few seeds make us: for each kind of claim an interval and a test, all of them from scipy.stats."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ALPHA = 0.05  # how often, at most, a verdict in which chance is in play may be a chance
LEVEL = 1 - ALPHA  # of intervals
RESAMPLES = 9_999


class Estimate(NamedTuple):
    """A mean or a share, its interval, and the p-value of a margin."""

    value: float
    low: float
    high: float
    p_value: float


def share(holds: Sequence[float], margin: float = 0.5) -> Estimate:
    """The share of the seeds in which something holds (1, otherwise 0).

    The interval is that of Clopper and Pearson, the p-value that of the exact binomial test, two-sided.
    """
    from scipy import stats  # a second

    test = stats.binomtest(round(sum(holds)), len(holds), margin)
    return Estimate(test.statistic, *test.proportion_ci(LEVEL, "exact"), float(test.pvalue))


def mean(values: Sequence[float], margin: float) -> Estimate:
    """The mean over the seeds.

    The interval is the bootstrap's, bias-corrected and accelerated. The p-value is that of a permutation test: were the
    margin the middle, each seed could as well lie on its other side, so the signs of the distances are drawn at random.
    """
    from scipy import stats

    found, rng = np.asarray(values, dtype=float), np.random.default_rng(0)
    low = high = float(found.mean())
    if len(found) < 2:  # says nothing about the spread
        return Estimate(low, -np.inf, np.inf, 1.0)
    if np.ptp(found) > 0:
        with warnings.catch_warnings():  # where too few seeds differ; the interval is then NaN and settles nothing
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            resampled = stats.bootstrap((found,), np.mean, confidence_level=LEVEL, n_resamples=RESAMPLES, rng=rng)
        low, high = map(float, resampled.confidence_interval)
    flipped = stats.permutation_test(
        (found - margin,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, rng=rng
    )
    return Estimate(float(found.mean()), low, high, float(flipped.pvalue))


def equivalence(values: Sequence[float], least: float, most: float) -> Estimate:
    """The mean over the seeds, by Student's t.

    Within the bounds, the p-value is the larger of two one-sided tests against them; beyond, that of a test against the
    nearer one. The interval of two one-sided tests at 5% is the one at 90%.
    """
    from scipy import stats

    found = np.asarray(values, dtype=float)
    middle = float(found.mean())
    if len(found) < 2:
        return Estimate(middle, -np.inf, np.inf, 1.0)
    with warnings.catch_warnings():  # where all seeds are equal, which is no loss of precision
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = stats.ttest_1samp(found, 0.0).confidence_interval(2 * LEVEL - 1)
        above_least = stats.ttest_1samp(found, least, alternative="greater").pvalue
        below_most = stats.ttest_1samp(found, most, alternative="less").pvalue
    worse = np.maximum(above_least, below_most)  # NaN where all seeds are equal and on a bound
    p_value = min(worse, 1 - worse)  # beyond the bounds, the test of the other direction
    return Estimate(middle, float(low), float(high), float(np.nan_to_num(p_value, nan=1.0)))  # NaN: on a bound


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's correction for their number, in the given order."""
    order = np.argsort(p_values)
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * np.arange(len(order), 0, -1))
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(raised, 1.0)
    return corrected.tolist()
