"""Files and folders into their place: whole, and on the disk before they have their name, so that a pulled plug leaves
the old ones or the new ones. Standard library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, whole or not at all. Raises OSError."""
    with writing(path) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A new name beside ``path`` to write a file to, which takes its place at the end of the block.

    Nothing is left of it where the block fails. Two processes may write the same file: the last one's stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        put(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put(new: Path, place: Path) -> None:
    """Rename a file or a folder into its place, once all that is in it is on the disk. Raises OSError.

    A folder that stands there is put aside by another rename, and then removed: no half of it is ever in place.
    """
    for path in sorted(new.rglob("*"), reverse=True) if new.is_dir() else []:
        _sync(path)
    _sync(new)
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    if place.is_dir() and not place.is_symlink():
        os.replace(place, old)
    os.replace(new, place)
    _sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until the file's content, or the folder's list of names, is on the disk."""
    if path.is_dir():
        with suppress(OSError):  # Windows opens no folders, and some network file systems sync none
            _fsync(path, os.O_RDONLY)
    elif not path.is_symlink():
        _fsync(path, os.O_RDWR)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
