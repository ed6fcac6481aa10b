"""What a result came from: the version of the code that made it, the libraries, the machine."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import re
import sys
import time
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grimp

PROJECT = Path(__file__).resolve().parent.parent
TICK = 2 * 10**9  # nanoseconds in which a file may change twice and have the same times, on any file system
LIBRARIES = ("torch", "numpy", "pandas", "matplotlib")


@cache
def _graph() -> grimp.ImportGraph:
    import grimp

    # With the imports for type checkers: they stand for what rnnreport/__init__.py resolves on first use.
    return grimp.build_graph("rnnreport", cache_dir=None)


def modules(*names: str) -> list[str]:
    """The modules of this package that the named ones import, directly or through others, and they themselves.

    The name of something inside a module stands for the module.
    """
    named = {name if name in _graph().modules else name.rpartition(".")[0] for name in names}
    return sorted(named.union(*(_graph().find_upstream_modules(name) for name in named)))


@cache
def code_version(*names: str) -> str:
    """A hash of the source of the named modules and all that they import from this package.

    What else lies beside a package's ``__init__.py`` belongs to it, such as the widgets' scripts and styles.
    """
    digest = hashlib.sha256()
    for module in modules(*names):
        source = _source(module)
        beside = [path for path in source.parent.iterdir() if _is_data(path)] if source.name == "__init__.py" else []
        for path in (source, *sorted(beside)):
            digest.update(f"{module}/{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def reads(*names: str) -> list[Path]:
    """The project's files that the named modules, and all that they import, read by themselves: their ``READS``."""
    return [PROJECT / name for module in modules(*names) for name in _reads(_source(module).read_text("utf-8"))]


@cache
def _reads(source: str) -> tuple[str, ...]:
    """What a module assigns to ``READS``, looked up without importing it."""
    assigned = re.search(r"^READS = (\(.*\))", source, re.M)
    return ast.literal_eval(assigned[1]) if assigned else ()


def _source(module: str) -> Path:
    place = PROJECT.joinpath(*module.split("."))  # looked up by find_spec, its package would be imported
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")


def content_hash(path: Path) -> str:
    """A hash of a file's content, or of what is in a folder and not hidden, with its names; "" where there is none."""
    if os.path.isfile(path):  # of a name too long, Path's is_file raises OSError
        of = os.stat(path)
        settled = time.time_ns() - of.st_ctime_ns > TICK
        hash_of = _hash_of if settled else _hash_of.__wrapped__
        return hash_of(path, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns)
    if not os.path.isdir(path):
        return ""
    parts = [
        f"{content_hash(inside)}  {inside.name}\n"
        for inside in sorted(path.iterdir())
        if not inside.name.startswith(".")
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


@lru_cache(4096)
def _hash_of(path: Path, *version: int) -> str:
    """The hash of a file's content, read once for each version of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def machine() -> str:
    """The processor, as its maker names it, and the operating system."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{name}, {platform.system()}"


@cache
def libraries() -> dict[str, str]:
    """The versions of Python and of the libraries that results depend on."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: metadata.version(name) for name in LIBRARIES}}
