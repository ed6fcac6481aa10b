"""The manifest ``SHA256SUMS`` in a folder: hashes that are written with the files and checked when they are read.

``sha256sum -c SHA256SUMS`` reads it too. Other people's manifests may have the same name, so one only covers the files
that it names; in ``data/`` it must name all of them. A folder without a manifest is not checked.
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
    """A file that has changed since it was written; the message is one sentence for the reader."""


def verify(path: Path) -> Path:
    """Returns the path; raises DamagedError if the folder's manifest shows that the file has changed, or OSError."""
    is_vouched_for(path)
    return path


def is_vouched_for(path: Path) -> bool:
    """Whether the folder's manifest covers the file. Raises DamagedError if the file has changed, or OSError."""
    if os.path.exists(path) and (path.parent / MANIFEST).exists():  # Path.exists raises OSError for too long a name
        lines = _read(path.parent, strict=_in_data(path))
        if path.name in lines or _in_data(path):
            _compare(path, lines)
            return True
    return False


def verify_folder(folder: Path, *names: str) -> None:
    """Check all files that a folder's manifest names; ``names`` must be among them.

    Raises DamagedError, also if there is no manifest, and OSError.
    """
    lines = _read(folder)
    for name in sorted({*names, *lines}):
        _compare(folder / name, lines)


def is_damaged(path: Path) -> bool:
    """Whether a file of ``data/`` has changed since it was written, so that its command must make it again."""
    try:
        verify(path)
    except DamagedError as error:
        if _in_data(path) and path.is_file() and path.name in _read(DATA):
            print(f"{error}; it is made again", flush=True)
            return True
    return False


def check_folder(folder: Path) -> None:
    """Raise DamagedError if the manifest of ``data/`` cannot be read, before anything is written there."""
    if _in_data(folder / MANIFEST):
        _read(folder)


def seal(folder: Path, *patterns: str) -> None:
    """Write the folder's manifest, for all files that match these glob patterns."""
    _write(folder, {path.name: [content_hash(path)] for pattern in patterns for path in folder.glob(pattern)})


def mend(folder: Path) -> None:
    """Remove a manifest that cannot be read, if all files are about to be sealed."""
    try:
        _read(folder)
    except DamagedError:
        (folder / MANIFEST).unlink(missing_ok=True)


def renew(*paths: Path) -> None:
    """Accept files of one folder with a manifest as they are now, for example after editing by hand."""
    with _changing(paths[0].parent) as lines:
        lines |= {path.name: [content_hash(path)] for path in paths}


def write(path: Path, content: str | bytes) -> None:
    """As :func:`rnnreport.storage.write`, with :func:`writing`."""
    with writing(path) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """As :func:`rnnreport.storage.writing`, and updates the folder's manifest: in ``data/``, or if it names the file.

    While the new file replaces the old one, the manifest has a line for each, so that it covers the file even after
    an interruption.
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
    except DamagedError:  # there is no manifest, or it is not ours
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
    """The manifest's hashes by file name, to be changed in the block; one process at a time."""
    with FileLock(folder / f".{MANIFEST}.lock"):
        lines = _read(folder)
        yield lines
        _write(folder, lines)


def _read(folder: Path, strict: bool = True) -> dict[str, list[str]]:
    """The hashes of each file, mostly one. Raises DamagedError; if not strict, only if there is no manifest."""
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
    """The hashes of each file in a manifest, as ``sha256sum`` reads it. Raises ValueError, if strict, for bad lines."""
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
