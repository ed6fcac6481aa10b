"""Values as people write them, for ``-p``, ``--grid`` and ``book/profiles.yml`` alike: by the rules of YAML 1.2.

PyYAML alone follows YAML 1.1, in which 010 is eight, 12:30 is 750, ``no`` is false and 1e-3 is a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import ItemsView
from functools import cache
from typing import Any

import yaml

from rnnreport.parameters import ParameterError
from rnnreport.shown import brief

KINDS = "a number, true or false, a text, or a list of these"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema), and the merge key ``<<``."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  (as PyYAML declares it)

    def _null(self, node: yaml.ScalarNode) -> None:
        return None

    def _int(self, node: yaml.ScalarNode) -> int:
        return int(node.value, {"0o": 8, "0x": 16}.get(node.value[:2], 10))

    def _float(self, node: yaml.ScalarNode) -> float:
        written = node.value.lower()
        value = float(written.replace(".inf", "inf").replace(".nan", "nan"))
        if "n" not in written and (math.isinf(value) or (value == 0 and re.search("[1-9]", written.partition("e")[0]))):
            raise ValueError(f"{node.value} is beyond what a float can hold")
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Raise ValueError for a name that is there twice; PyYAML would take the last one."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := sorted(name for name in set(names) if names.count(name) > 1):
            raise ValueError(f"{twice[0]} is there twice")
        return super().construct_mapping(node, deep)


for _tag, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": r"<<",
}.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None)
for _tag, _constructor in {"null": _Loader._null, "int": _Loader._int, "float": _Loader._float}.items():
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)


def read(text: str) -> Any:
    """A number, a boolean, a text or a list of these, also nested. Raises ParameterError for everything else.

    >>> read("[010, 0x10, 1e-3, 1_000, yes, '5']")
    [10, 16, 0.001, '1_000', 'yes', '5']
    """
    try:
        if any(isinstance(token, (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken)) for token in yaml.scan(text)):
            raise ValueError("anchors, aliases and tags are not read here")
        value = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise ParameterError(f"{text!r} is not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as 5,000 digits, or as many brackets
        raise ParameterError(f"{brief(text)} cannot be read: {str(error).splitlines()[0]}") from None
    return _checked(brief(text), value)


@cache
def profiles(text: str, chapters: tuple[str, ...]) -> dict[str, dict[str, dict[str, Any]]]:
    """The content of ``book/profiles.yml``: parameters by profile and chapter.

    Raises ParameterError, in one sentence, if the text does not have this form.
    """
    where = "book/profiles.yml"
    try:
        found = yaml.load(text, _Loader)
        settings = {
            profile: {chapter: dict(_items(each)) for chapter, each in _items(of)} for profile, of in found.items()
        }
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParameterError(f"{where} cannot be read: {' '.join(str(error).split())}") from None
    except (AttributeError, TypeError):
        raise ParameterError(f"{where} must hold profiles, in each chapters, and in each parameters") from None
    for profile, of in settings.items():
        for chapter, parameters in of.items():
            if chapter not in chapters:
                raise ParameterError(f"{where}: {profile} names {chapter!r}; chapters are {', '.join(chapters)}")
            for name, value in parameters.items():
                _checked(f"{where}: {profile}, {chapter}: {name}", value)
    return settings


def _items(mapping: Any) -> ItemsView[Any, Any]:
    """The items of a mapping; none for an empty value. Raises AttributeError for everything else."""
    return ({} if mapping is None else mapping).items()


def _checked(what: str, value: Any) -> Any:
    """The value, if it is of a kind that parameters can have; raises ParameterError if not."""
    if isinstance(value, list):
        return [_checked(what, item) for item in value]
    if not isinstance(value, (bool, int, float, str)):
        given = {type(None): "empty or null", dict: "a dictionary"}.get(type(value), f"a {type(value).__name__}")
        raise ParameterError(f"{what} is {given}; it must be {KINDS}")
    return value
