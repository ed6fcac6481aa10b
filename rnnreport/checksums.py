"""The hashes of a folder's files beside them, in ``SHA256SUMS``: written with the files, checked when these are read.

``sha256sum -c SHA256SUMS`` reads it too, and other people's have the same name: it vouches for the files that it names,
and only in ``data/`` it must name all. A folder without one is taken as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from rnnreport import storage
from rnnreport.errors import ReaderError
from rnnreport.provenance import PROJECT, content_hash

DATA = PROJECT / "data"
MANIFEST = "SHA256SUMS"
EDITED = (".yml", ".md")  # the endings of files that people write


class DamagedError(ReaderError, ValueError):
    """A file that is not as it was written; the message is one sentence for the reader."""


def verify(path: Path) -> Path:
    """The path of a file that is as it was written, as far as its folder can tell. Raises DamagedError, OSError."""
    is_vouched_for(path)
    return path


def is_vouched_for(path: Path) -> bool:
    """Whether the folder's manifest names the file. Raises DamagedError where it is not as it was written, OSError."""
    if os.path.exists(path) and (path.parent / MANIFEST).exists():  # of a name too long, Path's exists raises OSError
        lines = _read(path.parent, strict=_in_data(path))
        if path.name in lines or _in_data(path):
            _compare(path, lines)
            return True
    return False


def verify_folder(folder: Path, *names: str) -> None:
    """Check the files that a folder's manifest names, which must be among them.

    Raises DamagedError, also where there is no manifest, and OSError.
    """
    lines = _read(folder)
    for name in sorted({*names, *lines}):
        _compare(folder / name, lines)


def is_damaged(path: Path) -> bool:
    """Whether a file of ``data/`` is not as it was written, and is for the command that made it to make again."""
    try:
        verify(path)
    except DamagedError as error:
        if _in_data(path) and path.is_file() and path.name in _read(DATA):
            print(f"{error}; it is made again", flush=True)
            return True
    return False


def check_folder(folder: Path) -> None:
    """Raise DamagedError where ``data/``'s manifest cannot be read, before there is something to write beside it."""
    if _in_data(folder / MANIFEST):
        _read(folder)


def seal(folder: Path, *patterns: str) -> None:
    """Write the manifest of a folder in which all files of these names are."""
    _write(folder, {path.name: [content_hash(path)] for pattern in patterns for path in folder.glob(pattern)})


def mend(folder: Path) -> None:
    """Remove a manifest that cannot be read, where all files are about to be sealed."""
    try:
        _read(folder)
    except DamagedError:
        (folder / MANIFEST).unlink(missing_ok=True)


def renew(*paths: Path) -> None:
    """Take files of one folder with a manifest as they are now, such as those that were edited by hand."""
    with _changing(paths[0].parent) as lines:
        lines |= {path.name: [content_hash(path)] for path in paths}


def write(path: Path, content: str | bytes) -> None:
    """As :func:`rnnreport.storage.write`, with :func:`writing`."""
    with writing(path) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """As :func:`rnnreport.storage.writing`, and into its folder's manifest: ``data/``'s, or another that names it.

    While the new file takes the old one's place the manifest has a line for either, so that whatever cuts this, what
    is there is in it.
    """
    with storage.writing(path) as temporary:
        yield temporary
        if known := _is_known(path):
            new = content_hash(temporary)
            with _changing(path.parent) as lines:
                lines[path.name] = [*lines.get(path.name, []), new]
    if known:
        with _changing(path.parent) as lines:
            lines[path.name] = [new]


def _in_data(path: Path) -> bool:
    return path.parent.resolve() == DATA


def _is_known(path: Path) -> bool:
    try:
        return _in_data(path) or path.name in _read(path.parent)
    except DamagedError:  # there is none, or none of ours
        return False


def _compare(path: Path, lines: dict[str, list[str]]) -> None:
    if path.name not in lines:
        raise DamagedError(f"{path} is not among the files that {MANIFEST} beside it names")
    if not path.is_file():
        raise DamagedError(f"{path} is missing, though {MANIFEST} beside it names it")
    if content_hash(path) not in lines[path.name]:
        edited = "; `rnnreport tidy` takes it as it was edited" if path.suffix in EDITED else ""
        raise DamagedError(f"{path} is not as it was written: {MANIFEST} beside it has another hash{edited}")


@contextmanager
def _changing(folder: Path) -> Iterator[dict[str, list[str]]]:
    """The manifest's hashes by file name, to be changed in the block, by one process at a time."""
    with FileLock(folder / f".{MANIFEST}.lock"):
        lines = _read(folder)
        yield lines
        _write(folder, lines)


def _read(folder: Path, strict: bool = True) -> dict[str, list[str]]:
    """The hashes of each file, mostly one. Raises DamagedError; unless strict, only where there is no manifest."""
    path = folder / MANIFEST
    try:
        return parsed(os.fsdecode(path.read_bytes()), strict)
    except FileNotFoundError as error:
        raise DamagedError(f"{folder} has no {MANIFEST}") from error
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error


def _write(folder: Path, lines: Mapping[str, Sequence[str]]) -> None:
    storage.write(folder / MANIFEST, os.fsencode(written(lines)))


def parsed(content: str, strict: bool = True) -> dict[str, list[str]]:
    """A manifest's hashes of each file, as ``sha256sum`` reads it. Raises ValueError, if strict, for other lines."""
    lines = dict[str, list[str]]()
    for line in content.split("\n")[:-1]:
        if parts := re.fullmatch(r"(\\?)([0-9a-fA-F]{64}) [ *](?:\./)?(.+)", line):
            name = re.sub(r"\\(.)", lambda escaped: "\n" if escaped[1] == "n" else escaped[1], parts[3])
            lines.setdefault(name if parts[1] else parts[3], []).append(parts[2].lower())
        elif strict and line and line[0] != "#":
            raise ValueError(f"{line[:80]!r} is no line of it")
    if strict and not content.endswith("\n"):
        raise ValueError("it has no last line")
    return lines


def written(lines: Mapping[str, Sequence[str]]) -> str:
    """A manifest of these hashes by file name."""
    text = ""
    for name, hashes in sorted(lines.items()):
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        text += "".join(f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n" for sha256 in hashes)
    return text
