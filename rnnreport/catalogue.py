"""Catalogues: YAML files that list things of one kind, each with an id of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ValidationError

from rnnreport import checksums
from rnnreport.errors import ReaderError


def _said(words: str) -> str:
    if not words.strip():
        raise ValueError("must not be empty")
    return words


Said = Annotated[str, AfterValidator(_said)]  # a field that must not be empty
Thing = TypeVar("Thing", bound=BaseModel)


def read(file: Path, thing: type[Thing], kind: str, error: type[ReaderError]) -> dict[str, Thing]:
    """The things that a file lists, by their id.

    thing: what each must be, with a field ``id``; kind: its name in sentences. Raises ``error`` for a file that does
    not list such things, or is not as it was written.
    """
    found: dict[str, Thing] = {}
    try:
        for place, row in enumerate(yaml.safe_load(checksums.verify(file).read_text(encoding="utf-8")), start=1):
            name = row.get("id", f"number {place}") if isinstance(row, dict) else f"number {place}"
            if name in found:
                raise error(f"{file.name} states the {kind} {name!r} twice")
            found[name] = _thing(row, thing, f"{file.name}, {kind} {name}", error)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, checksums.DamagedError) as cause:
        raise error(f"{file.name} cannot be read as a list of {kind}s: {str(cause).splitlines()[0]}") from cause
    return found


def _thing(row: object, thing: type[Thing], place: str, error: type[ReaderError]) -> Thing:
    try:
        return thing.model_validate(row)
    except ValidationError as cause:
        first = cause.errors()[0]
        field = f" {'.'.join(map(str, first['loc']))!r}:" if first["loc"] else ""
        said = first["msg"].removeprefix("Value error, ")
        raise error(f"{place}:{field} {said[0].lower()}{said[1:]}") from cause
