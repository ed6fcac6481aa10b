"""The hashes of a folder's files beside them, in ``SHA256SUMS``: written with the files, checked when these are read.

``sha256sum -c SHA256SUMS`` reads it too. A folder without one is taken as it is; in a folder that has one, a file that
is not in it is not read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from rnnreport import storage

MANIFEST = "SHA256SUMS"
EDITED = (".yml", ".md")  # the endings of files that people write


class DamagedError(ValueError):
    """A file that is not as it was written; the message is one sentence for the reader."""


def verify(path: Path) -> Path:
    """The path of a file that is as it was written, as far as its folder can tell. Raises DamagedError, OSError."""
    if os.path.exists(path) and _manifest(path).exists():  # of a name too long, Path's exists raises OSError
        _compare(path, _read(path.parent))
    return path


def verify_folder(folder: Path) -> None:
    """Check every file of a folder with a manifest. Raises DamagedError, also where it has none, and OSError."""
    lines = _read(folder)
    for path in sorted({*_files(folder), *(folder / name for name in lines)}):
        _compare(path, lines)


def seal(folder: Path) -> None:
    """Write the manifest of a folder whose files are all there."""
    _write(folder, {path.name: [_sha256(path)] for path in _files(folder)})


def mend(folder: Path) -> None:
    """Remove a manifest that cannot be read, where all files are about to be sealed."""
    try:
        _read(folder)
    except DamagedError:
        (folder / MANIFEST).unlink(missing_ok=True)


def renew(*paths: Path) -> None:
    """Take files of one folder with a manifest as they are now, such as those that were edited by hand."""
    with _changing(paths[0].parent) as lines:
        lines |= {path.name: [_sha256(path)] for path in paths}


def write(path: Path, content: str | bytes) -> None:
    """As :func:`rnnreport.storage.write`, and into its folder's manifest, where there is one."""
    with writing(path) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """As :func:`rnnreport.storage.writing`, and into its folder's manifest, where there is one.

    While the new file takes the old one's place the manifest has a line for either, so that whatever cuts this, what
    is there is in it.
    """
    with storage.writing(path) as temporary:
        yield temporary
        known = _manifest(path).exists()
        if known:
            new = _sha256(temporary)
            with _changing(path.parent) as lines:
                lines[path.name] = [*lines.get(path.name, []), new]
    if known:
        with _changing(path.parent) as lines:
            lines[path.name] = [new]


def _manifest(path: Path) -> Path:
    return path.with_name(MANIFEST)


def _files(folder: Path) -> list[Path]:
    """What a manifest names: all but itself, hidden files and folders."""
    return [path for path in folder.iterdir() if path.is_file() and path.name[0] != "." and path.name != MANIFEST]


def _compare(path: Path, lines: dict[str, list[str]]) -> None:
    if path.name not in lines:
        raise DamagedError(f"{path} is not among the files that {MANIFEST} beside it names")
    if not path.is_file():
        raise DamagedError(f"{path} is missing, though {MANIFEST} beside it names it")
    if _sha256(path) not in lines[path.name]:
        edited = "; `rnnreport tidy` takes it as it was edited" if path.suffix in EDITED else ""
        raise DamagedError(f"{path} is not as it was written: {MANIFEST} beside it has another hash{edited}")


@contextmanager
def _changing(folder: Path) -> Iterator[dict[str, list[str]]]:
    """The manifest's hashes by file name, to be changed in the block, by one process at a time."""
    with FileLock(folder / f".{MANIFEST}.lock"):
        lines = _read(folder)
        yield lines
        _write(folder, lines)


def _read(folder: Path) -> dict[str, list[str]]:
    """The hashes of each file, mostly one. Raises DamagedError."""
    path, lines = folder / MANIFEST, dict[str, list[str]]()
    try:
        content = os.fsdecode(path.read_bytes())
    except FileNotFoundError as error:
        raise DamagedError(f"{folder} has no {MANIFEST}") from error
    for line in content.split("\n")[:-1]:
        parts = re.fullmatch(r"(\\?)([0-9a-f]{64}) [ *](?:\./)?(.+)", line)
        if not parts:
            raise DamagedError(f"{path} is damaged: {line[:80]!r} is no line of it")
        name = re.sub(r"\\(.)", lambda escaped: "\n" if escaped[1] == "n" else escaped[1], parts[3])
        lines.setdefault(name if parts[1] else parts[3], []).append(parts[2])
    if not content.endswith("\n"):
        raise DamagedError(f"{path} is damaged: it has no last line")
    return lines


def _write(folder: Path, lines: dict[str, list[str]]) -> None:
    text = ""
    for name, hashes in sorted(lines.items()):
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        text += "".join(f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n" for sha256 in hashes)
    storage.write(folder / MANIFEST, os.fsencode(text))


def _sha256(path: Path) -> str:
    of = path.stat()
    return _sha256_of(path, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns)


@lru_cache(4096)
def _sha256_of(path: Path, *version: int) -> str:
    """The hash of a file's content, read once for each version of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
