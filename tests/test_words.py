"""Numbers in words, at their edges."""

import math

import pandas as pd
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
        (2e-6, "0.000002"),
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
        (0.999999996, 0, "99.9999996%"),
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


RUNS = pd.DataFrame(
    [
        ("rnn", 5, 0, 10, 0.2),
        ("rnn", 5, 0, 20, 0.3),
        ("lstm", 10, 0, 20, 0.9),
        ("rnn", 10, 1, 20, 0.1),
        ("rnn", 5, 1, 20, 0.4),
    ],
    columns=["model", "length", "seed", "step", "test_accuracy"],
)


@pytest.mark.parametrize(
    ("where", "rows"), [({}, [1, 2, 3, 4]), ({"length": 5}, [1, 4]), ({"length": 10, "model": "rnn"}, [3])]
)
def test_the_rows_at_the_last_step_with_these_values(where, rows):
    assert words.at_end(RUNS, **where).index.tolist() == rows


def test_the_last_step_may_be_that_of_each_group():
    table = RUNS.assign(step=[10, 30, 20, 10, 20])
    assert words.at_end(table).index.tolist() == [1]
    assert words.at_end(table, "model").index.tolist() == [1, 2]
    assert words.at_end(table, "model", "length").index.tolist() == [1, 2, 3]
    assert words.at_end(table, "model", length=10).index.tolist() == [2]


def test_the_first_step_at_which_each_seed_has_solved_its_task():
    steps = words.first_solved(RUNS, ["model"], RUNS["test_accuracy"] >= 0.3)
    assert steps.to_dict("list") == {"model": ["rnn", "lstm", "rnn"], "seed": [0, 0, 1], "steps": [20, 20, 20]}
    later = RUNS.assign(step=[30, 10, 20, 40, 30])
    steps = words.first_solved(later, ["model", "length"], later["test_accuracy"] < 0.4)["steps"]
    assert steps.tolist() == [10, math.inf, 40, math.inf]


@pytest.mark.parametrize(
    ("by", "keys"), [(["model"], ["rnn", "lstm"]), (["model", "length"], [("rnn", 5), ("lstm", 10), ("rnn", 10)])]
)
def test_groups_come_in_order_of_appearance_by_one_column_or_several(by, keys):
    assert [key for key, _ in words.grouped(RUNS, *by)] == keys
    assert sum(len(part) for _, part in words.grouped(RUNS, *by)) == len(RUNS)


def test_shares_of_seeds_with_their_interval_or_once_where_all_read_alike():
    assert words.spread([0.99, 0.99, 0.99]) == "0.99"
    assert words.spread([0.5]) == "0.50"
    assert words.spread([0.90, 0.92, 0.94]) == "0.92 (0.87 to 0.97)"
    assert words.spread([0.9999, 0.9998, 1.0]) == "0.9999 (0.9997 to 1.00)"
    assert words.each(words.at_end(RUNS, length=5).assign(test_accuracy=0.3), "model") == "RNN: 0.30"
    assert words.each(words.at_end(RUNS, seed=0), "model") == "RNN: 0.30; LSTM: 0.90"


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("model", "temporal-gate", "gated LSTM"),
        ("length", 5, "T = 5"),
        ("learning_rate", 0.0010, "rate 0.001"),
        ("optimizer", "unheard of", "unheard of"),
    ],
)
def test_values_have_their_names_in_text(column, value, said):
    assert words.called(column, value) == said
