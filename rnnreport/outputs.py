"""Where commands put their output: one rule for every ``-o`` and ``--folder``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rnnreport.parameters import ParameterError
from rnnreport.provenance import PROJECT
from rnnreport.shown import brief

LONGEST = 200  # bytes of a file's name; file systems allow 255, and the names of files beside it are longer


def destination(
    given: str | None, default: Path, suffix: str = "", is_own: Callable[[Path], bool] | None = None
) -> Path:
    """The folder that a command fills or, with a suffix, the file that it writes; links are followed.

    given: the user's choice, if any: a folder, unless it ends in ``suffix``. In a folder the file has the name of
    ``default``. is_own: whether an existing file was written by the command, and may be replaced. Nothing is created
    or changed here. Raises ParameterError for a place in ``book/`` and for a file that is not the command's own.
    """
    if given is None:
        return default
    if not given:
        raise ParameterError("-o and --folder take a name, and the one given is empty")
    path = Path(os.path.expanduser(given))
    if suffix and (path.suffix != suffix or given.endswith(("/", os.sep)) or os.path.isdir(path)):
        path /= default.name
    path = Path(os.path.realpath(path))
    if suffix and len(os.fsencode(path.name)) > LONGEST:
        raise ParameterError(f"{brief(path.name)} is too long for a file's name; {LONGEST} bytes are the most")
    if any(_is_book(folder) for folder in (path, *path.parents)):
        raise ParameterError(f"{path} would lie among the book's own files; choose another folder")
    if is_own:
        keep_others(path, is_own)
    return path


def keep_others(path: Path, is_own: Callable[[Path], bool]) -> None:
    """Raise ParameterError if something that this command did not write is at the path, unless it is an empty file."""
    empty = os.path.isfile(path) and not os.path.getsize(path)
    if os.path.lexists(path) and not empty and not is_own(path):
        raise ParameterError(
            f"{path} was not written by this command and is kept; choose another name, or move it away"
        )


def _is_book(folder: Path) -> bool:
    """Whether this is the folder of the book's notebooks, under any name."""
    return os.path.exists(folder) and os.path.samefile(folder, PROJECT / "book")
