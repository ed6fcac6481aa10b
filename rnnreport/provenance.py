"""Where a result came from: the version of its code, the libraries, the machine."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import subprocess
import sys
import time
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import grimp

PROJECT = Path(__file__).resolve().parent.parent
TICK = 2 * 10**9  # nanoseconds; changes further apart than this have different times on every file system
SCRIPTS = (".css", ".js", ".ts")
LIBRARIES = ("torch", "numpy", "pandas", "matplotlib")


# Modules that schedule, store and report. They affect none of a run's numbers, so a run's key leaves them out;
# tests/test_invalidation.py checks this.
PLUMBING = frozenset(
    f"rnnreport.{name}"
    for name in (
        "checksums",
        "errors",
        "locks",
        "origin",
        "parameters",
        "provenance",
        "runs",
        "shown",
        "storage",
        "sweep",
        "system",
    )
)


@cache
def _graph(without: frozenset[str] = frozenset()) -> grimp.ImportGraph:
    import grimp

    # With the imports for type checkers: they stand for what rnnreport/__init__.py resolves on first use.
    graph = grimp.build_graph("rnnreport", cache_dir=None)
    for module in without:
        graph.remove_module(module)
    return graph


def modules(*names: str, without: frozenset[str] = frozenset()) -> list[str]:
    """The named modules and all modules of this package that they import, directly or through others.

    The name of an object inside a module stands for the module. without: modules to leave out, together with the
    modules that are imported only through them.
    """
    graph, named = _graph(without), {_module_of(name) for name in names}
    return sorted(named.union(*(graph.find_upstream_modules(name) for name in named)))


def _module_of(name: str) -> str:
    return name if name in _graph().modules else name.rpartition(".")[0]


@cache
def code_version(*names: str, without: frozenset[str] = frozenset(), whole: frozenset[str] = frozenset()) -> str:
    """A hash of the code of the named modules and all that they import from this package.

    Docstrings, comments and layout do not count, except in the modules that ``whole`` names. A file beside a module,
    such as a widget's script, counts if the code contains its name, or if another such file imports it.
    without: as for :func:`modules`.
    """
    digest = hashlib.sha256()
    as_written = {_module_of(name) for name in whole}
    for module in modules(*names, without=without):
        source = _source(module)
        content = source.read_bytes()
        digest.update(f"{module}\n{_parsed(content).code}\n".encode() + content * (module in as_written))
        for path in beside(module):
            digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def reads(*names: str) -> list[Path]:
    """The project's files that the named modules, and all that they import, read by themselves: their ``READS``."""
    parsed = [_parsed(_source(module).read_bytes()) for module in modules(*names)]
    return [PROJECT / name for module in parsed for name in module.reads]


def beside(module: str) -> list[Path]:
    """The scripts and styles beside a module that its code names, and those that these import; sorted by name."""
    source = _source(module)
    there = {path.name: path for path in source.parent.iterdir() if path.suffix in SCRIPTS}
    found: set[str] = set()
    new = there.keys() & _parsed(source.read_bytes()).strings
    while new:
        found |= new
        scripts = "".join(there[name].read_text(encoding="utf-8") for name in new)
        new = {name for name in there if f'"./{name}"' in scripts} - found
    return [there[name] for name in sorted(found)]


def syntax(source: bytes) -> str:
    """A hash of a module's code, in which docstrings, comments and layout do not count."""
    return _parsed(source).code


class _Parsed(NamedTuple):
    """Facts about a module, found without importing it."""

    code: str  # as of syntax()
    strings: frozenset[str]
    reads: tuple[str, ...]  # what it assigns to READS


@cache
def _parsed(source: bytes) -> _Parsed:
    tree = ast.parse(source)
    reads: tuple[str, ...] = ()
    strings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]  # the docstring
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "READS":
            reads = ast.literal_eval(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    return _Parsed(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(strings), reads)


def _source(module: str) -> Path:
    place = PROJECT.joinpath(*module.split("."))  # find_spec would import its package
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def content_hash(path: Path) -> str:
    """A hash of a file's content, or of a folder's names and contents, hidden ones left out; "" if nothing is there."""
    if os.path.isfile(path):  # Path.is_file raises OSError for too long a name
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
    """The hash of a file's content; each version of the file is read once."""
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
def commit() -> str:
    """The commit that is checked out, "-dirty" if files differ from it; "" where git or its repository is missing."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    if not (PROJECT / ".git").exists():  # that of a folder around it says nothing of this project
        return ""
    try:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


@cache
def libraries() -> dict[str, str]:
    """The versions of Python and of the libraries that results depend on."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: metadata.version(name) for name in LIBRARIES}}
