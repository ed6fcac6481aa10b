"""Parameters as the command line has them: values in words, and grids of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import yaml

from rnnreport.parameters import ParameterError

MOST = 10_000  # runs of one sweep; more is a slip of the finger


def read(text: str) -> Any:
    """A number, a YAML list or the text itself. (YAML alone would read 1e-3 as text.)"""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return [read(str(item)) for item in value] if isinstance(value, list) else text


def points(grid: Sequence[str], own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the values in ``NAME=VALUES`` words, the last name's changing fastest.

    VALUES has commas between, or is a YAML list; an item ``a..b`` is all integers from a to b. Where the chapter's own
    value is a list, an item that is none becomes a list of one, and the name may lack its plural s. Raises
    ParameterError.

    >>> points(["length=5,10", "seed=0..1"], {"lengths": [5], "seeds": [0]})[1]
    {'lengths': [5], 'seeds': [1]}
    """
    axes: dict[str, list[Any]] = {}
    for words in grid:
        name, equals, text = words.partition("=")
        if not equals:
            raise ParameterError(f"--grid takes NAME=VALUES, such as seed=0..4, not {words!r}")
        known = name if name in own or f"{name}s" not in own else f"{name}s"
        if known not in own:
            raise ParameterError(f"there is no parameter {name!r} here; there are {', '.join(own)}")
        if known in axes:
            raise ParameterError(f"--grid names {known} twice; write its values behind one name, with commas between")
        axes[known] = _values(words, text, own[known])
    if (number := math.prod(map(len, axes.values()))) > MOST:
        raise ParameterError(f"the grid has {number:,} runs; a sweep takes {MOST:,} at most")
    return [dict(zip(axes, combination)) for combination in product(*axes.values())]


def _values(words: str, text: str, own: Any) -> list[Any]:
    """The values of one parameter, each once. Raises ParameterError."""
    if text.startswith("["):
        try:
            items = yaml.load(text, yaml.BaseLoader)  # scalars as they are written
        except yaml.YAMLError:
            raise ParameterError(f"--grid {words}: this is not a YAML list") from None
    else:
        items = [item.strip() for item in text.split(",")]
    values = [value for item in items for value in _expanded(words, item, own)]
    if not values:
        raise ParameterError(f"--grid {words}: there is no value")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ParameterError(f"--grid {words}: {value} is there twice")
    return values


def _expanded(words: str, item: Any, own: Any) -> list[Any]:
    """What one item between the commas stands for. Raises ParameterError."""
    if item == "":
        raise ParameterError(f"--grid {words}: a value is empty")
    if isinstance(own, str):
        return [item]
    if isinstance(item, str) and ".." in item:
        ends = re.fullmatch(r"(-?\d+)\.\.(-?\d+)", item)
        if not ends:
            raise ParameterError(f"--grid {words}: a range is a..b, with two integers, not {item!r}")
        first, last = int(ends[1]), int(ends[2])
        if last < first:
            raise ParameterError(f"--grid {words}: the range {item} is empty, {last} being less than {first}")
        if last - first >= MOST:
            raise ParameterError(f"--grid {words}: the range {item} is too long; a sweep takes {MOST:,} runs at most")
        found: list[Any] = list(range(first, last + 1))
    else:
        found = [_scalars(item)]
    return [[value] if isinstance(own, list) and not isinstance(value, list) else value for value in found]


def _scalars(item: Any) -> Any:
    """A YAML list's item with its numbers read as numbers."""
    if isinstance(item, list):
        return [_scalars(part) for part in item]
    return read(item) if isinstance(item, str) else item
