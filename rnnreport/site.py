"""The site: executed chapters staged and built by Jupyter Book, and the stamp that shows that a site is complete."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rnnreport import checksums, crate, sbom, storage
from rnnreport.errors import ReaderError
from rnnreport.provenance import PROJECT, code_version, content_hash

STAMP = checksums.MANIFEST  # its last line, a comment for `sha256sum -c`, identifies the site's sources
CONFIGURATION = (PROJECT / "_config.yml", PROJECT / "_toc.yml", *sbom.LOCKS)


class BuildError(ReaderError, RuntimeError):
    """A build that cannot continue; the message is one sentence for the reader."""


def build(book: Path, chapters: Sequence[Path], folder: Path) -> Path:
    """Build ``html`` in the folder, with warnings as errors, unless a complete one from these sources is there.

    book: the folder of the pages' sources; chapters: the executed ones, which take the place of its notebooks. Returns
    the site's ``index.html``. Raises BuildError.
    """
    html, sources = folder / "html", source_hash(book, chapters)
    changed = changed_files(html, sources)
    if changed or changed is None:
        named = f", since {changed[0]} is not as it was built ({len(changed)} of the site)" if changed else ""
        print(f"Building the pages{named}", flush=True)
        built = _jupyter_book(_staged(book, chapters, folder / "stage"), folder / "site.log")
        storage.write(built / sbom.NAME, sbom.written(built))
        crate.write(built, chapters)
        storage.write(built / STAMP, _stamp(built, sources))
        storage.clear(html.resolve().parent, files=False)  # other processes may be writing files there
        for place in {chapter.parent for chapter in chapters}:
            storage.clear(place)
        storage.put(built, html)
    return html / "index.html"


def source_hash(book: Path, chapters: Sequence[Path]) -> str:
    """A hash of everything the site is made from: pages, chapters, configuration, vendored JavaScript, this module."""
    pages = {path.relative_to(book).as_posix(): path for path in sorted(book.rglob("*")) if path.is_file()}
    named = {
        name: path for name, path in pages.items() if "/." not in f"/{name}" and path.suffix not in (".ipynb", ".pyc")
    }
    named |= {path.name: path for path in (*CONFIGURATION, crate.CITATION, crate.DRIVER, *chapters)}
    lines = [f"{content_hash(path)}  {name}\n" for name, path in named.items()]
    return hashlib.sha256("".join([code_version(__name__), *lines]).encode()).hexdigest()


def changed_files(html: Path, sources: str) -> list[str] | None:
    """The site's files that are missing or have changed since the build; None if there is no site of these sources."""
    try:
        content = (html / STAMP).read_text(encoding="utf-8")
        lines = content[: content.rindex("# ")]
    except (OSError, ValueError):
        return None
    if content != lines + _seal(lines, sources):
        return None
    return [name for name, hashes in checksums.parsed(lines).items() if content_hash(html / name) not in hashes]


def _stamp(html: Path, sources: str) -> str:
    files = {path.relative_to(html).as_posix(): [content_hash(path)] for path in html.rglob("*") if path.is_file()}
    return (lines := checksums.written(files)) + _seal(lines, sources)


def _seal(lines: str, sources: str) -> str:
    """The stamp's last line. A stamp without it is invalid, so half a stamp cannot vouch for half a site."""
    return f"# {hashlib.sha256((sources + lines).encode()).hexdigest()}\n"


def _staged(book: Path, chapters: Sequence[Path], stage: Path) -> Path:
    """The input folder of Jupyter Book: the pages' sources, and the chapters as they were run."""
    import nbformat

    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(book, stage / "book", ignore=shutil.ignore_patterns("*.ipynb", "__pycache__", ".*"))
    shutil.copy(PROJECT / "_toc.yml", stage)
    config = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["execute_notebooks"] = "off"
    (stage / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    for chapter in chapters:
        nbformat.write(as_run(chapter), stage / "book" / chapter.name)
    return stage


def _jupyter_book(stage: Path, log: Path) -> Path:
    """Build the pages and return their folder. Raises BuildError."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(stage)]
    environment = {**os.environ}
    environment.pop("SOURCE_DATE_EPOCH", None)  # Sphinx would put its year into the copyright; a page has no other date
    with log.open("w", encoding="utf-8") as said:
        failed = subprocess.run(
            [*command, "-W", "-n", "--keep-going"], stdout=said, stderr=subprocess.STDOUT, env=environment
        ).returncode
    if failed:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()  # they end in a traceback
        telling = [line for line in lines if re.search(r"WARNING|ERROR|Error\b|exception", line)]
        print(*(telling or lines)[:30], sep="\n", file=sys.stderr)
        raise BuildError(f"the pages could not be built, see above and {log}")
    return stage / "_build" / "html"


def as_run(path: Path) -> Any:
    """The executed chapter with the values of its run in its own parameters cell, without papermill's second one."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:  # what is said in passing, such as that kernels are compiled, is no part of a page
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    tagged = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    if "injected-parameters" in tagged:
        injected = ast.parse(tagged["injected-parameters"].source).body
        values = {node.targets[0].id: ast.unparse(node.value) for node in injected if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
        own = tagged["parameters"]
        own.source = re.sub(
            r"^(\w+) = .*?(  #.*)?$",
            lambda line: f"{line[1]} = {values[line[1]]}{line[2] or ''}" if line[1] in values else line[0],
            own.source,
            flags=re.M,
        )
        notebook.cells.remove(tagged["injected-parameters"])
    return notebook
