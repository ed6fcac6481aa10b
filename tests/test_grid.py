"""From the words of --grid to points, each mistake one sentence."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnreport import grid
from rnnreport.parameters import ParameterError

OWN = {"lengths": [5], "seeds": [0], "tau": 6.0, "prompt": "The", "train_steps": 10}


@pytest.mark.parametrize(
    ("words", "points"),
    [
        ([], [{}]),
        (["tau=1,2.5"], [{"tau": 1}, {"tau": 2.5}]),
        (["tau=1e-3"], [{"tau": 1e-3}]),
        (["lengths=5,10"], [{"lengths": [5]}, {"lengths": [10]}]),
        (["length= 5, 10 "], [{"lengths": [5]}, {"lengths": [10]}]),
        (["lengths=[5, 10]"], [{"lengths": [5]}, {"lengths": [10]}]),
        (["lengths=[[5, 10], [20], 30]"], [{"lengths": [5, 10]}, {"lengths": [20]}, {"lengths": [30]}]),
        (["seed=0..2"], [{"seeds": [0]}, {"seeds": [1]}, {"seeds": [2]}]),
        (["seed=0..1,7"], [{"seeds": [0]}, {"seeds": [1]}, {"seeds": [7]}]),
        (["train_steps=-1..0"], [{"train_steps": -1}, {"train_steps": 0}]),
        (["prompt=5,wait..what"], [{"prompt": "5"}, {"prompt": "wait..what"}]),
        (["seed=010,0x10"], [{"seeds": [10]}, {"seeds": [16]}]),
        (["lengths=['0..1', [1e3]]"], [{"lengths": [0]}, {"lengths": [1]}, {"lengths": [1000.0]}]),
        (["prompt=010,no,~"], [{"prompt": "010"}, {"prompt": "no"}, {"prompt": "~"}]),
        (["prompt=[010, no]"], [{"prompt": "010"}, {"prompt": "no"}]),
        (["prompt=['a, b', 5]"], [{"prompt": "a, b"}, {"prompt": "5"}]),
        (
            ["tau=1,2", "seed=0..1"],
            [
                {"tau": 1, "seeds": [0]},
                {"tau": 1, "seeds": [1]},
                {"tau": 2, "seeds": [0]},
                {"tau": 2, "seeds": [1]},
            ],
        ),
    ],
)
def test_words_become_points(words: list[str], points: list[dict[str, Any]]) -> None:
    found = grid.points(words, OWN)
    assert found == points
    assert [type(value) for point in found for value in point.values()] == [
        type(value) for point in points for value in point.values()
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lengths"], "--grid takes NAME=VALUES, such as seed=0..4, not 'lengths'"),
        (["lenghts=5"], "no parameter 'lenghts' here; there are lengths, seeds"),
        (["taus=5"], "no parameter 'taus' here"),
        (["seed=1", "seeds=2"], "--grid names seeds twice"),
        (["tau="], "--grid tau=: a value is empty"),
        (["tau=1,,2"], "a value is empty"),
        (["tau=[]"], "there is no value"),
        (["tau=[1"], "--grid tau=[1: '[1' is not YAML: expected ',' or ']'"),
        (["tau=[1], 2"], "is not YAML"),
        (["tau=[{a: 1}]"], "'[{a: 1}]' is a dictionary; it must be a number, true or false, a text, or a list of"),
        (["tau=1,null"], "--grid tau=1,null: 'null' is empty or null; it must be a number"),
        (["seed=4..1"], "the range 4..1 is empty, 1 being less than 4"),
        (["seed=0.."], "a range is a..b, with two integers, not '0..'"),
        (["seed=0.5..2"], "a range is a..b, with two integers, not '0.5..2'"),
        (["seed=0..1000000000000"], "the range 0..1000000000000 is too long; a sweep takes 10,000 runs at most"),
        (["seed=0..999", "tau=1,2,3,4,5,6,7,8,9,10,11"], "the grid has 11,000 runs; a sweep takes 10,000 at most"),
        (["seed=0..3,2"], "[2] is there twice"),
        (["tau=1,1.0"], "1.0 is there twice"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], says: str) -> None:
    with pytest.raises(ParameterError) as caught:
        grid.points(words, OWN)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(-(10**6), 10**6), st.integers(1, 50), st.integers(1, 50))
def test_a_range_is_all_integers_between_its_ends(first: int, seeds: int, steps: int) -> None:
    words = [f"seed={first}..{first + seeds - 1}", f"train_steps={first}..{first + steps - 1}"]
    found = grid.points(words, OWN)
    assert [(point["seeds"][0], point["train_steps"]) for point in found] == [
        (seed, step) for seed in range(first, first + seeds) for step in range(first, first + steps)
    ]


@given(st.text(max_size=20), st.sampled_from(list(OWN)))
def test_whatever_is_typed_is_points_or_one_error(text: str, name: str) -> None:
    try:
        found = grid.points([f"{name}={text}"], OWN)
    except ParameterError:
        return
    assert 1 <= len(found) <= grid.MOST
    assert all(list(point) == [name] for point in found)
    assert all(isinstance(point[name], list) == isinstance(OWN[name], list) for point in found if name != "tau")


def test_the_example_of_the_documentation() -> None:
    assert doctest.testmod(grid).attempted > 0
    assert doctest.testmod(grid).failed == 0
