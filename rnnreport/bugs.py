"""The mistakes of the Bug Museum as ``data/bugs.yml`` states them, and copies of this library with one of them made."""

from __future__ import annotations

import difflib
import shutil
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from rnnreport import catalogue, storage
from rnnreport.catalogue import Said
from rnnreport.errors import ReaderError
from rnnreport.provenance import PROJECT

READS = ("data/bugs.yml",)  # files that this module reads itself, for the fingerprint of the chapter
BUGS = PROJECT / READS[0]


class BugsError(ReaderError, ValueError):
    """A file of mistakes, or one of its patches, that cannot be used; the message is one sentence for the reader."""


class Change(BaseModel):
    """A passage of a file, and what the mistake makes of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: Said
    after: str


class Patch(BaseModel):
    """How a mistake is made in a copy of this library, and the experiment of ``experiments.museum`` that shows it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Said
    file: Said  # below rnnreport/
    changes: Annotated[tuple[Change, ...], Field(min_length=1)]
    symptom: Said


class Bug(Patch):
    """One exhibit: a mistake, and what is said of it."""

    name: Said  # what the reader guesses
    what: Said  # what the wrong code does, and why one writes it
    shows: Said  # what the curves show
    seen: Literal["in public solutions of this assignment", "in public ports of the Phased LSTM"] | None = None
    test: Said  # of pytest: it passes here, and fails where the mistake is made

    @property
    def fix(self) -> str:
        """The passages line by line: with the sign - as the mistake has them, with + as this library has them."""
        lines: list[str] = []
        for change in self.changes:
            wrong, right = (passage.rstrip().splitlines() for passage in (change.after, change.before))
            difference = list(difflib.unified_diff(wrong, right, n=99, lineterm=""))[3:]
            lines += [*(["  …"] if lines else []), *(f"{line[0]} {line[1:]}" for line in difference)]
        code = textwrap.dedent("\n".join(line[2:] for line in lines if line != "  …")).splitlines()
        return "\n".join(line if line == "  …" else line[:2] + code.pop(0) for line in lines)


@cache
def bugs(file: Path = BUGS) -> dict[str, Bug]:
    """The mistakes by their id. Raises BugsError for a file that does not state them as :class:`Bug` wants them."""
    return catalogue.read(file, Bug, "mistake", BugsError)


def patched(source: str, changes: Sequence[Change]) -> str:
    """The source with the mistake. Raises BugsError unless every passage is there exactly once."""
    for change in changes:
        if (count := source.count(change.before)) != 1:
            line = change.before.strip().splitlines()[0]
            raise BugsError(f"the passage that begins {line!r} is there {count} times, and a mistake takes it once")
        source = source.replace(change.before, change.after)
    return source


def copy_with(patch: Patch, folder: Path) -> None:
    """Copy this library into the folder and make the mistake there. Raises BugsError as :func:`patched`."""
    shutil.copytree(
        PROJECT / "rnnreport",
        folder / "rnnreport",
        ignore=shutil.ignore_patterns("__pycache__", "widgets", "native"),
    )
    place = folder / "rnnreport" / patch.file
    storage.write(place, patched(place.read_text("utf-8"), patch.changes))
