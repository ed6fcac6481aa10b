"""What people write for numbers and texts, and what it is: by YAML 1.2, or one sentence."""

from __future__ import annotations

import doctest
import math
from typing import Any

import pytest
import yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from rnnreport import build, grid, values
from rnnreport.parameters import ParameterError

READ = {
    "5": 5,
    "+5": 5,
    "-3": -3,
    "010": 10,  # YAML 1.1: 8
    "0x10": 16,
    "0o10": 8,
    "1_000": "1_000",  # YAML 1.1: 1000
    "1e-3": 1e-3,  # YAML 1.1: a text
    "1e3": 1000.0,
    ".5": 0.5,
    "5.": 5.0,
    ".inf": math.inf,
    "-.Inf": -math.inf,
    "inf": "inf",
    "nan": "nan",
    "0e5": 0.0,
    "true": True,
    "False": False,
    "yes": "yes",  # YAML 1.1: True
    "no": "no",
    "on": "on",
    "off": "off",
    "2018-01-01": "2018-01-01",  # YAML 1.1: a date
    "12:30:00": "12:30:00",  # YAML 1.1: 45000
    "one-hot": "one-hot",
    "'5'": "5",
    '"010"': "010",
}


@pytest.mark.parametrize("text", READ)
def test_every_reader_reads_the_same(text: str) -> None:
    wanted = READ[text]
    of_profile = values.profiles(f"quick: {{chapter: {{x: {text}}}}}", ("chapter",))["quick"]["chapter"]["x"]
    read = [values.read(text), values.read(f"[{text},]")[0], grid.points([f"x={text}"], {"x": 1})[0]["x"], of_profile]
    assert read == [wanted] * 4
    assert {type(value) for value in read} == {type(wanted)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty or null"),
        ("~", "empty or null"),
        ("null", "empty or null"),
        ("[5, null]", "empty or null"),
        ("{a: 1}", "a dictionary"),
        ("[a: 1]", "a dictionary"),
        ("a: 1", "a dictionary"),
        ("{[1]: 2}", "is not YAML: found unhashable key"),
        ("[5", "is not YAML: expected ',' or ']'"),
        ("[5,,10]", "is not YAML"),
        ("5\n---\n6", "another document"),
        ("&a [*a]", "anchors, aliases and tags are not read here"),
        ("!!int '5'", "anchors, aliases and tags are not read here"),
        ("!!python/object:os.system x", "anchors, aliases and tags are not read here"),
        ("caf\udce9", "special characters are not allowed"),
        ("1e999", "beyond what a float can hold"),
        ("1e-999", "beyond what a float can hold"),
        ("9" * 5_000, "4300 digits"),
        ("[" * 1_000, "recursion"),
    ],
)
def test_what_is_no_value_is_refused_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(ParameterError) as caught:
        values.read(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=20))
def test_whatever_is_typed_is_a_value_or_one_error(text: str) -> None:
    def plain(value: Any) -> bool:
        return all(map(plain, value)) if isinstance(value, list) else isinstance(value, (bool, int, float, str))

    try:
        assert plain(values.read(text))
    except ParameterError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


@given(st.integers() | st.floats(allow_nan=False))
def test_numbers_are_read_as_python_writes_them(number: float) -> None:
    read = values.read(repr(number).replace("inf", ".inf"))
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must hold profiles"),
        ("[quick]", "must hold profiles"),
        ("quick: 5", "must hold profiles"),
        ("quick: {one: 5}", "must hold profiles"),
        ("quick: {one: [[x, 1]]}", "must hold profiles"),
        ("quick: {one: 0}", "must hold profiles"),
        ("quick: []", "must hold profiles"),
        ("quick: {one: {[x]: 1}}", "found unhashable key"),
        ("quick: {one: {x: ~}}", "quick, one: x is empty or null; it must be a number"),
        ("quick: {one: {x: {y: 1}}}", "quick, one: x is a dictionary"),
        ("quick: {two: {x: 1}}", "quick names 'two'; chapters are one"),
        ("quick: {}\nquick: {}", "quick is there twice"),
        ("quick: {one: {x: 1, x: 2}}", "x is there twice"),
        ("quick: {one: {x: [}", "expected the node content"),
    ],
)
def test_profiles_that_say_nothing_sure_are_refused(text: str, says: str) -> None:
    with pytest.raises(ParameterError) as caught:
        values.profiles(text, ("one",))
    assert str(caught.value).startswith("book/profiles.yml")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_profiles_may_be_empty_and_start_from_each_other() -> None:
    text = "a:\nb: {one: &b {x: 1, y: 2}}\nc: {one: {<<: *b, y: 010}, two: }"
    assert values.profiles(text, ("one", "two")) == {
        "a": {},
        "b": {"one": {"x": 1, "y": 2}},
        "c": {"one": {"x": 1, "y": 10}, "two": {}},
    }


def test_the_books_own_profiles_are_what_pyyaml_reads_too() -> None:
    text = (ROOT / "book" / "profiles.yml").read_text(encoding="utf-8")
    assert values.profiles(text, tuple(build.CHAPTERS)) == yaml.safe_load(text)


def test_the_example_of_the_documentation() -> None:
    assert doctest.testmod(values).attempted > 0
    assert doctest.testmod(values).failed == 0
