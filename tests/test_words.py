"""Numbers in words, at their edges."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnreport import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0.00"),
        (1, "1.00"),
        (0.5, "0.50"),
        (0.994, "0.99"),
        (0.9996, "0.9996"),
        (0.99996, "0.99996"),
        (0.004, "0.004"),
        (2e-7, "2e-07"),
        (math.nan, "nan"),
    ],
)
def test_a_share_is_not_rounded_to_a_bound_that_it_does_not_reach(value, expected):
    assert words.share(value) == expected


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0, 0, "0%"),
        (1, 0, "100%"),
        (1, 1, "100.0%"),
        (0.5, 0, "50%"),
        (0.996, 0, "99.6%"),
        (0.9996, 1, "99.96%"),
        (0.002, 0, "0.2%"),
        (0.00004, 1, "0.004%"),
        (2e-10, 0, "2e-08%"),
    ],
)
def test_percent_are_not_rounded_to_nothing_or_all(value, digits, expected):
    assert words.percent(value, digits) == expected


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_what_lies_between_the_bounds_reads_so(value):
    assert 0 < float(words.share(value)) < 1
    assert 0 < float(words.percent(value).removesuffix("%")) < 100


def test_one_and_many():
    assert [words.counted(n, "seed") for n in (0, 1, 2, 1_000)] == ["0 seeds", "1 seed", "2 seeds", "1,000 seeds"]


def test_the_ends_of_values_and_one_where_they_read_alike():
    assert words.from_to([0.3, 0.1, 0.2]) == "0.1 to 0.3"
    assert words.from_to([5.0], ".0f") == "5"
    assert words.from_to([5.01, 5.02], ".0f") == "5"


def test_a_list_of_words():
    assert [words.listed("abc"[:n]) for n in range(4)] == ["none", "a", "a and b", "a, b and c"]
