"""The parameters of the chapters, checked before any work starts.

The notebooks hold the quick values, ``book/profiles.yml`` the fuller sets; the chapters' classes, each in a module of
its own here, say what is *allowed*. Names are shared: ``lengths``, ``train_steps``, ``seeds`` … mean the same in every
chapter that has them. Checking takes no torch and no pandas, unless a value can only be judged with them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rnnreport.errors import ReaderError
from rnnreport.provenance import PROJECT
from rnnreport.shown import brief


class ParameterError(ReaderError, ValueError):
    """A parameter that cannot be used; the message is one sentence for the reader."""


def _distinct(values: list[Any]) -> list[Any]:
    if not values or len(set(values)) < len(values):
        raise ValueError
    return values


def located(name: str, folder: Path = Path()) -> Path:
    """The file or folder that a parameter names: looked for in the current folder, then in the project."""
    name = os.path.expanduser(name)  # leaves a user that does not exist as it is
    here, there = folder / name, PROJECT / name
    return here if os.path.exists(here) or not os.path.exists(there) else there


class _Located:
    """Marks a parameter that names a file or folder for :func:`located`."""


def _utf8(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:  # with surrogates, as the system gives names in other encodings; notebooks hold none
        raise ValueError from None
    return name


def _regular(name: str) -> str:
    if name and os.path.exists(path := located(name)) and not os.path.isfile(path):
        raise ValueError  # of a folder all is read that is below it, and a pipe may wait for ever
    return name


def integer(least: int, most: int) -> Any:
    """For an integer in this range, both ends included."""
    return Field(strict=True, ge=least, le=most, description=f"an integer from {least:,} to {most:,}")


def number(least: float, most: float) -> Any:
    """For a number in this range, both ends included."""
    return Field(strict=True, ge=least, le=most, description=f"a number from {least:,g} to {most:,g}")


DISTINCT = AfterValidator(_distinct)  # for lists: at least one, and none twice

# Every type's description completes the sentence "… must be …"; see also _described. What memory, the range of a number
# or the rounding of a difference cannot bear is out of its range, so that a chapter refuses it before any work; steps
# only take time.
Count = Annotated[int, Field(strict=True, ge=1, description="an integer of at least 1")]
Size = Annotated[int, integer(1, 4_096)]  # units, a batch
Length = Annotated[int, integer(2, 10_000)]
Length3 = Annotated[int, integer(3, 10_000)]
Sample = Annotated[int, integer(100, 100_000)]
Rate = Annotated[float, number(1e-9, 10)]  # of learning
UTF8 = AfterValidator(_utf8)
Text = Annotated[str, Field(strict=True, min_length=1, description="a UTF-8 text of at least one character"), UTF8]
TextName = Annotated[Text, Field(description="the name of a text, in UTF-8"), _Located()]
FileName = Annotated[
    str,
    Field(strict=True, description="the name of a file, in UTF-8, or '' for none"),
    UTF8,
    AfterValidator(_regular),
    _Located(),
]
FolderName = Annotated[
    str, Field(strict=True, description="the name of a folder, in UTF-8, or '' for none"), UTF8, _Located()
]

Seeds = Annotated[list[Annotated[int, integer(0, 2**32 - 1)]], DISTINCT]
Lengths = Annotated[list[Length], DISTINCT]
Ladder = Annotated[list[Length3], DISTINCT]
Rates = Annotated[list[Rate], DISTINCT]

# The derivations are held against finite differences entry by entry, and against the report's sums over every index.
Small = Annotated[int, integer(1, 64)]
Classes = Annotated[int, integer(2, 64)]
ShortLengths = Annotated[list[Annotated[int, integer(2, 100)]], DISTINCT]


class Parameters(BaseModel):
    """The parameters of a chapter: nothing unknown, nothing converted, nothing changed later.

    A class for one chapter names it: ``class GradientParameters(Parameters, chapter="01_gradients")``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    chapters: ClassVar[dict[str, type[Parameters]]] = {}

    def __init_subclass__(cls, chapter: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if chapter:
            cls.chapters[chapter] = cls

    @classmethod
    def from_notebook(cls, names: Mapping[str, Any]) -> Self:
        """The parameters among a notebook's ``globals()``. Raises ParameterError."""
        return cls.check({name: names[name] for name in cls.model_fields if name in names})

    @classmethod
    def names_of_paths(cls) -> list[str]:
        """The parameters that name a file or a folder, to be found by :func:`located`."""
        return [
            name for name, field in cls.model_fields.items() if any(isinstance(m, _Located) for m in field.metadata)
        ]

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Self:
        """The parameters of these values. Raises ParameterError: which parameter, its value, what is allowed."""
        unknown = sorted(set(values) - set(cls.model_fields))
        if unknown:
            raise ParameterError(
                f"there is no parameter {brief(unknown[0])} here; there are {', '.join(cls.model_fields)}"
            )
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ParameterError(cls._sentence(error.errors()[0], values)) from None

    @classmethod
    def _sentence(cls, error: Any, values: Mapping[str, Any]) -> str:
        reason = error.get("ctx", {}).get("error")
        if isinstance(reason, ValueError) and str(reason):
            return str(reason)  # a check of our own that says it all
        name = error["loc"][0]
        if name not in values:
            return f"parameter {name} is missing"
        field = cls.model_fields[name]
        allowed = field.description or _described(name, field.annotation)
        return f"{name} must be {allowed}, not {brief(values[name])}"


def _described(name: str, kind: Any) -> str:
    """What a type without a description of its own allows: a choice, or a list of choices or of what is described."""
    items, *_ = choices = get_args(kind)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, choices))}"
    if get_origin(items) is Literal:
        return f"a list of different {name} among {', '.join(map(repr, get_args(items)))}"
    return re.sub(r"^an? (\w+)", r"a list of different \1s", items.__metadata__[0].description)
