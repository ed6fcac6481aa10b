"""Puts files and folders in place whole, and on the disk before they get their name, so that a power failure leaves
either the old or the new ones. Standard library only.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnnreport import system


def write(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, whole or not at all. Raises OSError."""
    with writing(path) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` for a new file, which replaces ``path`` at the end of the block.

    If the block fails, nothing is left of it; if the process is killed, a hidden file that :func:`clear` removes.
    If two processes write the same file, the last one's stays. Raises OSError.
    """
    temporary = _beside(path, "tmp")
    try:
        yield temporary
        put(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk has none
        raise
    finally:
        temporary.unlink(missing_ok=True)


def put(new: Path, place: Path) -> None:
    """Rename a file or a folder into its place, once its content is on the disk. Raises OSError.

    A folder may replace a folder, which is renamed aside first and then removed: a half-written one is never in place.
    A file may replace a file. If the place is a symbolic link, its target is replaced.
    """
    place, old, copy = place.resolve(), _beside(place, "old"), _beside(place, "tmp")
    for path in sorted(new.rglob("*"), reverse=True) if new.is_dir() else []:
        system.sync(path)
    system.sync(new)
    if new.is_dir() and place.is_dir():
        os.replace(place, old)
    try:
        os.replace(new, place)
    except OSError as error:
        if old.exists():
            os.replace(old, place)
        if error.errno != errno.EXDEV or not new.is_dir():
            raise
        try:  # a link leads to another file system
            shutil.copytree(new, copy, symlinks=True)
            put(copy, place)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)
    system.sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def clear(folder: Path, files: bool = True) -> None:
    """Remove the temporary folders, and files, that killed processes left here. No process may be writing any here
    now.
    """
    for path in folder.glob(f".{'[0-9a-f]' * 16}.*"):
        if path.suffix in (".tmp", ".old") and path.is_dir():
            shutil.rmtree(path)
        elif path.suffix == ".tmp" and files:
            path.unlink(missing_ok=True)


def _beside(path: Path, ending: str) -> Path:
    """A hidden name in the folder of that file: unique, also among several machines, and never too long."""
    return path.resolve().with_name(f".{secrets.token_hex(8)}.{ending}")
