"""Grids of parameters: from the words of ``--grid`` to points."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import yaml

from rnnreport.parameters import ParameterError
from rnnreport.values import read

MOST = 10_000  # runs of one sweep; more is probably a typing error


def points(grid: Sequence[str], own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the values in ``NAME=VALUES`` words; the last name's values change fastest.

    VALUES is separated by commas, or is a YAML list; an item ``a..b`` means all integers from a to b. If the chapter's
    own value is a list, any other item becomes a list of one element, and the name may lack its plural s.
    Raises ParameterError.

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
    """The values of one parameter. Raises ParameterError, also for a value that is there twice."""
    try:
        values = [value for item in _items(text, isinstance(own, str)) for value in _expanded(item, own)]
        if not values:
            raise ParameterError("there is no value")
        for index, value in enumerate(values):
            if value in values[:index]:
                raise ParameterError(f"{value!r} is there twice")
    except ParameterError as error:
        raise ParameterError(f"--grid {words}: {error}") from None
    return values


def _items(text: str, as_written: bool) -> list[Any]:
    """The items between the commas, as YAML values or as written. Raises ParameterError."""
    if text.startswith("["):
        items = read(text)
        if not isinstance(items, list):
            raise ParameterError("this is not a YAML list")
        return yaml.load(text, yaml.BaseLoader) if as_written else items
    items = [item.strip() for item in text.split(",")]
    if "" in items:
        raise ParameterError("a value is empty")
    return items if as_written else [read(item) for item in items]


def _expanded(item: Any, own: Any) -> list[Any]:
    """The values that one item stands for. Raises ParameterError."""
    if isinstance(own, str) or not isinstance(item, str) or ".." not in item:
        return [[item] if isinstance(own, list) and not isinstance(item, list) else item]
    ends = re.fullmatch(r"(-?[0-9]+)\.\.(-?[0-9]+)", item)
    if not ends:
        raise ParameterError(f"a range is a..b, with two integers, not {item!r}")
    first, last = read(ends[1]), read(ends[2])
    if last < first:
        raise ParameterError(f"the range {item} is empty, {last} being less than {first}")
    if last - first >= MOST:
        raise ParameterError(f"the range {item} is too long; a sweep takes {MOST:,} runs at most")
    return [[value] if isinstance(own, list) else value for value in range(first, last + 1)]
