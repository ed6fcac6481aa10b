"""Means over seeds and how sure they are, held against scipy and against hand-made cases."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rnnreport.intervals import digits_beside, exceeds, in_words, interval, over_seeds

several = st.lists(st.floats(-10, 10), min_size=2, max_size=8)


@settings(max_examples=100, deadline=None)
@given(several, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_is_students(values, level):
    mean, low, high = interval(values, level)
    error = stats.sem(values)
    if error > 1e-9:
        expected = stats.t.interval(level, len(values) - 1, np.mean(values), error)
        np.testing.assert_allclose((low, high), expected, rtol=1e-9, atol=1e-12)
    assert low <= mean <= high
    assert mean == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_two_seeds_by_hand():
    mean, low, high = interval([0.0, 2.0])
    assert mean == 1
    assert (low, high) == pytest.approx((1 - 12.7062047, 1 + 12.7062047), abs=1e-6)


def test_an_interval_ends_where_nothing_is_possible():
    assert interval([0.0, 1.0], share=True) == (0.5, 0.0, 1.0)
    assert in_words([0.1, 0.2]) == "0.15 (-0.49 to 0.79)"


def test_a_single_value_says_nothing_of_the_spread():
    assert interval([0.7]) == (0.7, -math.inf, math.inf)
    assert exceeds([1.0], 0.1) is None
    assert exceeds([0.0], 0.1) is None


@pytest.mark.parametrize(
    ("values", "threshold", "expected"),
    [
        ([0.97, 0.98, 0.99], 0.95, True),
        ([0.5, 0.5, 0.5], 0.5, None),
        ([0.1, 0.11, 0.12], 0.95, False),
        ([0.25, 0.25], 0.5, False),
        ([0.2, 0.9, 0.95], 0.95, None),
        ([0.94, 0.97], 0.95, None),
        ([0.9 - 0.7] * 2, 0.2, None),  # 0.20000000000000007
        ([0.95] * 3, 0.95, None),  # a mean of 0.9499999999999998
        ([0.2 + 2e-9] * 2, 0.2, True),
        ([0.2 - 2e-9] * 2, 0.2, False),
    ],
)
def test_whether_a_mean_exceeds_a_threshold(values, threshold, expected):
    assert exceeds(values, threshold) is expected


@settings(max_examples=100, deadline=None)
@given(several, st.floats(-10, 10))
def test_a_verdict_never_goes_against_the_mean(values, threshold):
    holds = exceeds(values, threshold)
    if holds is not None:
        assert holds == (np.mean(values) > threshold)


def test_coverage_is_the_level():
    draws = np.random.default_rng(0).normal(3.0, 2.0, (800, 4))
    inside = np.mean([low <= 3.0 <= high for _, low, high in map(interval, draws.tolist())])
    assert inside == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 800))


def test_a_row_for_every_group_with_its_seeds():
    table = pd.DataFrame(
        [("b", 1, 0, 0.5), ("a", 1, 0, 0.1), ("a", 1, 1, 0.3), ("a", 2, 0, 0.2), ("a", 2, 1, math.nan)],
        columns=["model", "step", "seed", "value"],
    )
    found = over_seeds(table, ["model", "step"], "value")
    assert list(found.columns) == ["model", "step", "mean", "low", "high", "seeds"]
    assert found[["model", "step"]].to_numpy().tolist() == [["a", 1], ["a", 2], ["b", 1]]
    assert found["mean"].tolist() == pytest.approx([0.2, 0.2, 0.5])
    assert found["seeds"].tolist() == [2, 1, 1]
    assert found.loc[0, ["low", "high"]].tolist() == pytest.approx(interval([0.1, 0.3])[1:])
    assert found.loc[1:, "low"].tolist() == [-math.inf, -math.inf]


def test_a_column_without_values_gives_no_rows():
    table = pd.DataFrame({"step": [1], "seed": [0], "value": [math.nan]})
    assert over_seeds(table, ["step"], "value").empty


def test_a_mean_with_its_interval_in_words():
    assert in_words([0.97, 0.98, 0.99]) == "0.98 (0.96 to 1.00)"
    assert in_words(pd.Series([0.97, 0.98, 0.99])) == "0.98 (0.96 to 1.00)"
    assert in_words([0.0, 1.0]) == "0.50 (-5.85 to 6.85)"
    assert in_words([0.0, 1.0], share=True) == "0.50 (0.00 to 1.00)"
    assert in_words([0.7]) == in_words([0.7], share=True) == "0.70"


@pytest.mark.parametrize(
    ("values", "against", "form", "digits"),
    [
        ([0.9496], 0.95, "f", 4),
        ([0.9449], 0.95, "f", 2),
        ([0.951, 0.93], 0.95, "f", 3),
        ([0.95], 0.95, "f", 2),
        ([0.1 + 0.2], 0.3, "f", 2),
        ([0.8412], 0.8432, "f", 3),
        ([-0.0004, math.inf], 0.0, "f", 4),
        ([0.499], 0.5, "g", 3),
        ([9.96e-13], 1e-12, "g", 3),
        ([1e-12], 1e-12, "g", 2),
        ([1e-10], 0.0, "f", 2),  # no more than rounding
        ([1.6e-9], 0.0, "f", 9),
        ([0.9496], None, "f", 2),
        ([], 0.95, "f", 2),
    ],
)
def test_as_many_digits_as_tell_a_number_from_the_one_beside_it(values, against, form, digits):
    assert digits_beside(values, against, form=form) == digits


def test_the_interval_of_a_share_stays_between_0_and_1():
    assert interval([0.9, 1.0])[2] > 1
    assert interval([0.9, 1.0], share=True)[2] == 1
    assert interval([0.0, 0.1], share=True)[1] == 0
    assert interval([0.7], share=True) == (0.7, -math.inf, math.inf)
    table = pd.DataFrame({"seed": [0, 1], "step": 5, "accuracy": [0.9, 1.0]})
    assert over_seeds(table, ["step"], "accuracy", share=True)["high"].item() == 1
    assert over_seeds(table, ["step"], "accuracy")["high"].item() > 1


def test_a_share_in_words_is_not_rounded_to_a_bound():
    assert in_words([0.9996], share=True) == "0.9996"
    assert in_words([1.0, 1.0], share=True) == "1.00 (1.00 to 1.00)"
    assert in_words([0.9996]) == "1.00"
