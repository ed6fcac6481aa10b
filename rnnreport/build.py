"""From the chapters' notebooks to the book: check parameters, run papermill, skip what need not run again.

Only this module, :mod:`rnnreport.site` and :mod:`rnnreport.crate` know about notebooks. Every file is put in place
whole, so an interrupted build leaves nothing half done; the next build does only what is missing or has changed. A
chapter is identified by its fingerprint, a hash of everything it is made from, and by a hash of its output.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import logging
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TextIO

from filelock import FileLock
from tqdm import tqdm

from rnnreport import checksums, corpora, locks, site, storage, sweep, system, vendor
from rnnreport.backends import Backend, in_use
from rnnreport.claims import stated
from rnnreport.claims.collected import METADATA, Collected, CollectedVerdict, collected, not_run
from rnnreport.parameters import ParameterError, Parameters, located
from rnnreport.provenance import PROJECT, code_version, commit, content_hash, libraries, machine, reads
from rnnreport.site import BuildError
from rnnreport.values import profiles as read_profiles

if TYPE_CHECKING:  # imported only by the functions that need it: most commands end before anything runs
    import pandas as pd

BOOK = PROJECT / "book"
BUILD = PROJECT / "_build"
FIGURE_MARK = b"<!-- by rnnreport -->\n"  # at the end of each SVG file, to recognise it as ours
COLLECTING = ("index", "05_claims")  # these read the output of the others, so they run last
FAILED = ".failed.ipynb"  # suffix of a notebook that ended in an error
for _module in iter_modules([str(Path(__file__).parent / "parameters")]):
    import_module(f"rnnreport.parameters.{_module.name}")  # its class names its chapter
CHAPTERS: dict[str, type[Parameters]] = dict(sorted(Parameters.chapters.items()))


def book(profile: str = "report", folder: Path = BUILD) -> Path:
    """Run the chapters that are out of date in this profile and build the site; returns its ``index.html``.

    folder: where everything goes: executed chapters to ``chapters/``, the site to ``html/``.
    Raises ParameterError, stated.ClaimsError, corpora.CorpusError or BuildError.
    """
    wanted = _checked(profile)
    outputs = {chapter: folder / "chapters" / f"{chapter}.ipynb" for chapter in wanted}
    folder.mkdir(parents=True, exist_ok=True)
    with locks.alone(folder / "html", wait=True):
        vendor.fetch(PROJECT)
        last = {chapter: wanted.pop(chapter) for chapter in COLLECTING if chapter in wanted}
        _run_chapters(wanted, outputs)
        storage.write(collected := folder / "collected.json", json.dumps(_collected(outputs, wanted), indent=1))
        for values in last.values():
            values["collected_file"] = str(_relative(collected))
        _run_chapters(last, outputs)
        return site.build(BOOK, list(outputs.values()), folder)


def verdicts(profile: str = "report", folder: Path = BUILD) -> list[tuple[CollectedVerdict, CollectedVerdict]]:
    """Every claim's verdict in the book that is built in the folder, and the one that its chapter gives if judged anew.

    "not run" where there is none. The chapters run as for a book, on trainings that are stored. Raises as :func:`book`.
    """
    wanted = {chapter: values for chapter, values in _checked(profile).items() if chapter not in COLLECTING}
    file = folder / "collected.json"
    with tempfile.TemporaryDirectory(prefix="rnnreport-") as scratch:
        outputs = {chapter: Path(scratch) / f"{chapter}.ipynb" for chapter in wanted}
        _run_chapters(wanted, outputs)
        anew = {row["id"]: CollectedVerdict(**row) for row in _collected(outputs, wanted).get("verdicts", [])}
    stored = {row.id: row for row in collected(str(file) if file.exists() else "").verdicts}
    return [(stored.get(id, not_run(id)), anew.get(id, not_run(id))) for id in stated.claims()]


def _checked(profile: str) -> dict[str, dict[str, Any]]:
    """All chapters' parameters in this profile, checked, with the text that is read, and the claims with them."""
    stated.claims()
    wanted = {chapter: parameters(chapter, profile) for chapter in CHAPTERS}
    for chapter, values in wanted.items():
        check(chapter, values)
        settle_text(values)
    return wanted


def parameters(chapter: str, profile: str = "quick") -> dict[str, Any]:
    """The chapter's parameters in that profile: the notebook's own, overridden by those of ``book/profiles.yml``.

    Raises ParameterError.
    """
    profiles = read_profiles((BOOK / "profiles.yml").read_text(encoding="utf-8"), tuple(CHAPTERS))
    if profile not in profiles:
        raise ParameterError(f"there is no profile {profile!r}; there are {', '.join(profiles)}")
    if chapter not in CHAPTERS:
        raise ParameterError(f"there is no chapter {chapter!r}; there are {', '.join(CHAPTERS)}")
    return {**_own(chapter), **profiles[profile].get(chapter, {})}


def check(chapter: str, values: Mapping[str, Any]) -> None:
    """Raise ParameterError, in one sentence, if the chapter cannot run with these values."""
    try:
        CHAPTERS[chapter].check(values)
    except ParameterError as error:
        raise ParameterError(f"{chapter}: {error}") from None


def settle_text(*several: dict[str, Any]) -> None:
    """Decide once which text is read, and print it, so that kernels and workers do not use the network again."""
    for asked in dict.fromkeys(values["corpus"] for values in several if "corpus" in values):
        text = corpora.load(asked)
        for values in several:
            if values.get("corpus") == asked:
                values["corpus"] = text.name
        print(f"Text: {text}", flush=True)


def execute(
    chapter: str,
    values: Mapping[str, Any],
    output: Path,
    fingerprint: str = "",
    stderr: TextIO | None = sys.stderr,
) -> None:
    """Run the chapter's notebook with these parameters and write it to ``output``, whole or not at all.

    The notebook's metadata records how it was run. A chapter that fails leaves its cells so far, and the error, in
    ``<output>.failed.ipynb``. stderr: where the chapter's progress bars are shown. Raises BuildError.
    """
    _execute(BOOK / f"{chapter}.ipynb", output, _record(chapter, values, fingerprint), stderr)


def refresh_text(executed: Path, source: Path) -> None:
    """Update the text cells of a chapter that need not run again; its code cells and their outputs stay."""
    notebook = json.loads(executed.read_bytes())
    ran = {cell["id"]: cell for cell in notebook["cells"]}
    injected = [cell for cell in ran.values() if "injected-parameters" in cell["metadata"].get("tags", [])]
    cells = []
    for cell in json.loads(source.read_bytes())["cells"]:
        if cell["cell_type"] == "code":
            cells.append(ran[cell["id"]])
        else:  # keep the metadata that papermill added, so that unchanged cells compare equal
            there = ran.get(cell["id"], {"metadata": {}})
            cells.append({**cell, "metadata": {**there["metadata"], "tags": [], **cell["metadata"]}})
        if "parameters" in cell["metadata"].get("tags", []):
            cells += injected
    if cells != notebook["cells"]:
        _write_executed(executed, {**notebook, "cells": cells})


def _write_executed(path: Path, notebook: dict[str, Any]) -> None:
    notebook["metadata"]["rnnreport"].pop("sha256", None)
    notebook["metadata"]["rnnreport"]["sha256"] = _hash(notebook)
    storage.write(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def is_executed(notebook: Path) -> bool:
    """Whether the file is a notebook that :func:`execute` wrote."""
    try:
        return "rnnreport" in json.loads(notebook.read_bytes())["metadata"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_figure(file: Path) -> bool:
    """Whether the file is a figure that :func:`export_figures` wrote."""
    try:
        return file.read_bytes().endswith(FIGURE_MARK)
    except OSError:
        return False


def is_sweep_table(file: Path, chapter: str) -> bool:
    """Whether the file is a table that :func:`sweep_chapter` wrote for that chapter."""
    import pandas as pd

    try:
        table = pd.read_csv(file)
    except (OSError, ValueError):  # pandas raises ValueErrors
        return False
    columns = {"status", "notebook", "error"} <= set(table)
    return columns and all(str(name).startswith(f"{chapter}-") for name in table["notebook"].dropna())


def sweep_chapter(chapter: str, points: Sequence[dict[str, Any]], folder: Path) -> pd.DataFrame:
    """Run the chapter at each of these points that is not done yet, each into its own notebook.

    Writes to the folder ``<chapter>-<hash of the parameters>.ipynb``, ``….failed.ipynb`` for runs that fail, and
    ``sweep.csv``: one row per notebook there, with its parameters, status, verdicts, seconds, code version, machine
    and error. Returns the rows of these points. Raises sweep.SweepError or BuildError.
    """
    sweep.check_folder(folder)
    settle_text(*points)
    wanted = {f"{chapter}-{_hash(values)[:12]}": values for values in points}
    calls, source = {}, _source(chapter)
    for name, values in wanted.items():
        output, fingerprint = folder / f"{name}.ipynb", _fingerprint(chapter, values, source)
        if _is_done(output, fingerprint):
            refresh_text(output, BOOK / f"{chapter}.ipynb")
        else:
            calls[name] = partial(_execute_alone, chapter, values, output, fingerprint)
    errors = sweep.run(calls, chapter) if calls else {}
    sweep.check_there(folder, [f"{name}.ipynb" for name in wanted if name not in errors])
    table = _sweep_table(chapter, folder, {name: (wanted[name], error) for name, error in errors.items()})
    storage.write(folder / "sweep.csv", table.to_csv(index=False))
    return table.loc[list(wanted)]


def export_figures(notebook: Path) -> list[Path]:
    """Write each SVG figure of an executed notebook to a file beside it, named by its label; returns the paths."""
    import nbformat

    written = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            for name, data in re.findall(r'class="report-figure" id="([^"]+)".*?base64,([^"]+)"', html, re.S):
                path = notebook.parent / f"{notebook.stem}-{name}.svg"
                storage.write(path, base64.b64decode(data) + FIGURE_MARK)
                written.append(path)
    return written


def tidy(chapter: str) -> None:
    """Run the chapter's notebook as it is and put it into the form in which it is committed.

    Only cells tagged ``nbval-check-output`` keep their outputs. Of a cell's metadata only the tags are kept.
    Raises BuildError.
    """
    import nbformat

    source, executed = BOOK / f"{chapter}.ipynb", BUILD / "tidy" / f"{chapter}.ipynb"
    execute(chapter, {}, executed)
    outputs = {cell.id: cell.get("outputs") for cell in nbformat.read(executed, as_version=4).cells}
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        cell.metadata = {name: cell.metadata[name] for name in ("tags",) if name in cell.metadata}
        if cell.cell_type == "code":
            checked = "nbval-check-output" in cell.metadata.get("tags", [])
            cell.outputs = outputs[cell.id] if checked else []
            cell.execution_count = 1 if checked else None
            for output in cell.outputs:
                if output.output_type != "stream":
                    raise BuildError(f"{chapter}: the checked cell {cell.id} must print, and do nothing but print")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    storage.write(source, nbformat.writes(notebook) + "\n")


def _run_chapters(wanted: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Path]) -> None:
    """Run the chapters that are not done, in parallel: while one proves or draws, networks of others can train.

    All train on the same workers. Raises BuildError if a chapter failed, once the others are done.
    """
    calls, cells = {}, {}
    for chapter in sorted(wanted, key=lambda chapter: -wanted[chapter].get("train_steps", 0)):  # the longest first
        values = wanted[chapter]
        output, fingerprint, source = outputs[chapter], _fingerprint(chapter, values), BOOK / f"{chapter}.ipynb"
        if _is_done(output, fingerprint):
            print(f"{chapter}: nothing changed ({_recorded(output)['seconds']:.0f} s when it ran)", flush=True)
            refresh_text(output, source)
        else:
            calls[chapter] = partial(_execute, source, output, _record(chapter, values, fingerprint))
            cells[chapter] = len(_cells(chapter))

    def say(chapter: str) -> None:
        tqdm.write(f"{chapter}: {_recorded(outputs[chapter])['seconds']:.0f} s")

    if len(calls) == 1:  # no workers are needed
        for chapter, call in calls.items():
            print(f"{chapter}: running", flush=True)
            call(stderr=sys.stderr)
            say(chapter)
    elif calls:
        with sweep.shared(), sweep.on(workers=min(len(calls), sweep.cores() + 1)):
            errors = sweep.run(calls, "chapters", cells, "cell", say)
        if errors:
            chapter, error = next(iter(errors.items()))
            raise error if isinstance(error, BuildError) else BuildError(f"{chapter} failed: {error}")


def _record(chapter: str, values: Mapping[str, Any], fingerprint: str) -> dict[str, Any]:
    """The record that an executed chapter keeps of its run; time and error are added at the end."""
    own = _own(chapter)
    changed = {name: value for name, value in values.items() if value != own.get(name)}
    given = [f"-p {name} {shlex.quote(json.dumps(value))}" for name, value in changed.items()]
    return {
        "fingerprint": fingerprint,
        "command": " ".join(["rnnreport run", chapter, *given]),
        "parameters": dict(values),
        "data": _data(chapter, values),
        "code": _code(chapter),
        "commit": commit(),
        "libraries": libraries(),
        "machine": machine(),
    }


def _data(chapter: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of each text and file that the chapter reads, and of the lock file; a folder has its manifest's."""
    book = corpora.load(values["corpus"]) if "corpus" in values else None
    text = {f"{book.source}, as it is read": book.sha256} if book else {}
    named = [values[name] for name in CHAPTERS[chapter].names_of_paths() if name != "corpus" and values.get(name)]
    files = {name: located(name, BOOK) for name in named}
    files |= {str(_relative(path)): path for path in (*_read_by_code(chapter), PROJECT / "requirements.lock")}
    read = {name: path / checksums.MANIFEST if os.path.isdir(path) else path for name, path in files.items()}
    return text | {name: digest for name, path in read.items() if (digest := content_hash(path))}


def _execute(source: Path, output: Path, record: Mapping[str, Any], stderr: TextIO | None = None) -> None:
    """:func:`execute` for a notebook; the record's parameters are its own."""
    output.parent.mkdir(parents=True, exist_ok=True)
    failed = output.with_suffix(FAILED)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel, not the user's of the same name
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for small operations on a busy machine, two threads are slower
    logging.getLogger("papermill").setLevel(logging.ERROR)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rnnreport-") as scratch:  # even if killed, nothing is left in the way
        unfinished = Path(scratch, output.name)
        error = _papermill(source, record["parameters"], unfinished, stderr)
        notebook = json.loads(unfinished.read_bytes())
    notebook["metadata"]["rnnreport"] = {**record, "seconds": time.monotonic() - started, "error": error}
    notebook["metadata"]["papermill"]["output_path"] = str(output)
    _write_executed(failed if error else output, notebook)
    if error:
        raise BuildError(f"{source.stem} failed: {error} (see {_relative(failed)})")
    failed.unlink(missing_ok=True)


def _papermill(source: Path, values: Mapping[str, Any], output: Path, stderr: TextIO | None) -> str:
    """Run the notebook in its folder and write it to ``output``; returns its error in one line, or ""."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    connection = output.with_name("kernel.json")
    manager = {"transport": system.transport(connection), "connection_file": str(connection)}
    try:
        papermill.execute_notebook(
            source,
            output,
            parameters=dict(values),
            cwd=source.parent,
            kernel_name="python3",
            progress_bar=False,
            stderr_file=stderr,
            config=Config(KernelManager=manager),
            on_cell_executed=lambda **_: sweep.report(1),
            # Without this, each kernel warns that its connection is unencrypted, and prints a traceback when stopped.
            extra_arguments=["--log-level=CRITICAL"],
        )
    except PapermillExecutionError as error:
        return " ".join(f"{error.ename}: {error.evalue}".split())
    except DeadKernelError:
        return "its kernel died"
    return ""


def _execute_alone(chapter: str, values: Mapping[str, Any], output: Path, fingerprint: str) -> None:
    """One run of a sweep, on a worker, unless another sweep is doing it or has done it."""
    os.environ[sweep.WORKERS] = "1"  # for the chapter's own trainings: the other cores run other chapters
    with FileLock(output.with_name(f".{output.stem}.lock")):
        if _recorded(output).get("fingerprint") != fingerprint:
            execute(chapter, values, output, fingerprint, stderr=None)


def _notebooks(chapter: str, folder: Path) -> list[Path]:
    """The notebooks of a sweep: executed ones first, then failed ones."""
    name = re.compile(rf"{re.escape(chapter)}-[0-9a-f]{{12}}(\.failed)?\.ipynb")
    return sorted((path for path in folder.iterdir() if name.fullmatch(path.name)), key=lambda path: len(path.name))


def _sweep_table(
    chapter: str, folder: Path, failed: Mapping[str, tuple[Mapping[str, Any], BaseException]]
) -> pd.DataFrame:
    """One row per notebook of a sweep, and per run that failed without one; the index is the notebook's name."""
    import pandas as pd

    rows = {}
    for path in _notebooks(chapter, folder):
        if record := _recorded(path):
            rows[path.name.partition(".")[0]] = _row(path, record)
        else:
            print(f"{_relative(path)} is damaged or was edited: the table is without it", flush=True)
    for name, (values, error) in failed.items():
        if not isinstance(error, BuildError) or name not in rows:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            rows[name] = {**_parameters_row(values), "status": "failed", "notebook": None, "error": reason}
    rows = dict(sorted(rows.items(), key=lambda item: _order(item[1])))
    table = pd.DataFrame(list(rows.values()), index=list(rows))
    last = ("status", "seconds", "code", "machine", "notebook", "error")  # after parameters and verdicts
    return table[[*(name for name in table if name not in last), *(name for name in last if name in table)]]


def _row(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """An executed notebook's row in a sweep's table. record: see :func:`_record`."""
    return {
        **_parameters_row(record["parameters"]),
        **{row["id"]: row["verdict"] for kind, rows in _shown_in(path) if kind == "verdicts" for row in rows},
        "status": "failed" if record["error"] else "done",
        "seconds": round(record["seconds"], 1),
        "code": record["code"],
        "machine": record["machine"],
        "notebook": path.name,
        "error": record["error"],
    }


def _parameters_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as columns: a list of one element as that element, other lists as JSON."""
    return {
        name: value if not isinstance(value, list) else value[0] if len(value) == 1 else json.dumps(value)
        for name, value in values.items()
    }


def _order(row: Mapping[str, Any]) -> list[tuple[bool, float, str]]:
    """A key that sorts rows by their parameters, the first columns: numbers by size, then texts."""
    return [
        (False, value, "") if isinstance(value, (int, float)) else (True, 0.0, str(value)) for value in row.values()
    ]


def _own(chapter: str) -> dict[str, Any]:
    """The parameters in the notebook's cell with the tag ``parameters``: one literal per line."""
    cells = (cell for cell in _cells(chapter) if "parameters" in cell["metadata"].get("tags", []))
    lines = ast.parse(next(("".join(cell["source"]) for cell in cells), "")).body
    assigned = [line for line in lines if isinstance(line, ast.Assign)]
    return {ast.unparse(line.targets[0]): ast.literal_eval(line.value) for line in assigned}


def _cells(chapter: str) -> list[dict[str, Any]]:
    """The code cells of the chapter's notebook, as they are stored."""
    notebook = json.loads((BOOK / f"{chapter}.ipynb").read_bytes())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _fingerprint(chapter: str, values: Mapping[str, Any], source: str = "") -> str:
    """A hash of everything the chapter's results depend on: parameters, the files they name, and the source.

    source: the value of :func:`_source`, if the caller has it already.
    """
    fields = CHAPTERS[chapter].model_fields
    backends = [values[name] for name in fields if fields[name].annotation == Backend and name in values]
    return _hash(
        {
            "source": source or _source(chapter),
            "read": [content_hash(path) for path in _named(chapter, values)],
            "corpus": _hash(repr(corpora.load(values["corpus"]))) if "corpus" in values else None,
            "kernels": [in_use(backend) for backend in backends],
            "parameters": dict(values),
        }
    )


def _source(chapter: str) -> str:
    """A hash of what the results depend on for all parameters: the cells, the code, its libraries and its data."""
    cells = [{**cell, "outputs": None, "execution_count": None} for cell in _cells(chapter)]
    read = [content_hash(path) for path in (PROJECT / "requirements.lock", *_read_by_code(chapter))]
    return _hash({"cells": cells, "files": read, "code": _code(chapter), "libraries": libraries()})


def _named(chapter: str, values: Mapping[str, Any]) -> list[Path]:
    """The files and folders that the parameters name, relative to ``book/``, where the notebook runs."""
    return [located(values[name], BOOK) for name in CHAPTERS[chapter].names_of_paths() if values.get(name)]


def _read_by_code(chapter: str) -> list[Path]:
    """The files that the chapter's imported modules read by themselves, listed in their ``READS``."""
    return reads(*_imports(chapter))


def _hash(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _code(chapter: str) -> str:
    """The version of the code that the chapter's results come from."""
    imported = _imports(chapter)
    return code_version(*sorted(imported), whole=frozenset(name for name in imported if imported[name]))


def _imports(chapter: str) -> Mapping[str, bool]:
    """The chapter's imports from this package, each with whether it shows their source by ``inspect.getsource``."""
    return _imported_by("\n".join("".join(cell["source"]) for cell in _cells(chapter)))


@cache
def _imported_by(code: str) -> Mapping[str, bool]:
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [(alias.asname or alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
    shown = re.findall(r"getsource\((\w+)", code)
    return {name: known_as in shown for known_as, name in names if name.partition(".")[0] == "rnnreport"}


def _is_done(output: Path, fingerprint: str) -> bool:
    """Whether the executed chapter exists with this fingerprint; prints a line if it is damaged or was edited."""
    record = _recorded(output)
    if not record and output.exists():
        print(f"{_relative(output)} is damaged or was edited: the chapter runs again", flush=True)
    return record.get("fingerprint") == fingerprint


def _recorded(notebook: Path) -> dict[str, Any]:
    """The record of an executed chapter's run; empty if there is none, or the file has changed since the run."""
    try:
        content = json.loads(notebook.read_bytes())
        record = content["metadata"]["rnnreport"]
        return record if record.pop("sha256") == _hash(content) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _collected(outputs: Mapping[str, Path], chapters: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The verdicts, answers and findings that the executed chapters display, each with its chapter."""
    found: dict[str, list[dict[str, Any]]] = {}
    for chapter in chapters:
        for kind, rows in _shown_in(outputs[chapter]):
            if kind in Collected.model_fields:
                found.setdefault(kind, []).extend({**row, "chapter": chapter} for row in rows)
    return found


def _shown_in(notebook: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows that an executed notebook displays and a build collects, by kind."""
    for cell in json.loads(notebook.read_bytes())["cells"]:
        for output in cell.get("outputs", []):
            yield from output.get("metadata", {}).get(METADATA, {}).items()


def _relative(path: Path) -> Path:
    """The path relative to the project's folder, if it lies inside."""
    return path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
