"""From the chapters' notebooks to the book: parameters checked, papermill, stage, Jupyter Book.

The only place of the library that knows of notebooks. Everything is written under another name first and renamed, so
that a build that is cut leaves nothing half done; the next one does only what is missing or has changed.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import nbformat
import pandas as pd
import papermill
import yaml
from filelock import FileLock
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from rnnreport import claims, corpora, sweep, vendor
from rnnreport.experiments.cell_path import CellPathParameters
from rnnreport.experiments.gradients import GradientParameters, LSTMGradientParameters
from rnnreport.experiments.rnn_versus_lstm import RNNVersusLSTMParameters
from rnnreport.experiments.speed import SpeedParameters
from rnnreport.experiments.temporal_gate import TemporalGateParameters
from rnnreport.experiments.text import TextParameters
from rnnreport.parameters import ParameterError, Parameters
from rnnreport.provenance import PROJECT, code_version, machine, modules

BOOK = PROJECT / "book"
BUILD = PROJECT / "_build"
LEDGER = "05_claims"  # reads the other chapters' verdicts, so it comes last
CHAPTERS: dict[str, type[Parameters]] = {
    "01_gradients": GradientParameters,
    "01b_lstm_gradients": LSTMGradientParameters,
    "01c_cell_path": CellPathParameters,
    "02_rnn_versus_lstm": RNNVersusLSTMParameters,
    "03_temporal_gate": TemporalGateParameters,
    "04_text_generation": TextParameters,
    "06_speed": SpeedParameters,
    LEDGER: claims.ClaimsParameters,
}


class BuildError(RuntimeError):
    """A build that cannot go on; the message is one sentence for the reader."""


def book(profile: str = "report", folder: Path = BUILD) -> Path:
    """Run the chapters that need it at this profile and build the site; returns its ``index.html``.

    folder: where everything goes; executed chapters to ``chapters/``, the site to ``html/``.
    Raises ParameterError, corpora.CorpusError or BuildError.
    """
    wanted = {chapter: parameters(chapter, profile) for chapter in CHAPTERS}
    for chapter, values in wanted.items():
        check(chapter, values)
        settle_text(values)
    vendor.fetch(PROJECT)
    chapters = folder / "chapters"
    chapters.mkdir(parents=True, exist_ok=True)
    for chapter, values in wanted.items():
        output = chapters / f"{chapter}.ipynb"
        if chapter == LEDGER:
            verdicts = folder / "verdicts.json"
            _write(verdicts, json.dumps(_verdicts(chapters), indent=1))
            values["verdicts_file"] = str(_relative(verdicts))
        fingerprint = _fingerprint(chapter, values)
        if _recorded(output).get("fingerprint") == fingerprint:
            print(f"{chapter}: nothing changed ({_recorded(output)['seconds']:.0f} s when it ran)", flush=True)
            continue
        print(f"{chapter}: running", flush=True)
        execute(chapter, values, output, fingerprint)
        print(f"{chapter}: {_recorded(output)['seconds']:.0f} s", flush=True)
    return _site(chapters, folder)


def parameters(chapter: str, profile: str = "quick") -> dict[str, Any]:
    """The chapter's parameters in that profile: the notebook's own, and over them those of ``book/profiles.yml``."""
    profiles = yaml.safe_load((BOOK / "profiles.yml").read_text(encoding="utf-8"))
    if profile not in profiles:
        raise ParameterError(f"there is no profile {profile!r}; there are {', '.join(profiles)}")
    if chapter not in CHAPTERS:
        raise ParameterError(f"there is no chapter {chapter!r}; there are {', '.join(CHAPTERS)}")
    own = {name: ast.literal_eval(value["default"]) for name, value in _inspected(chapter).items()}
    return {**own, **(profiles[profile].get(chapter) or {})}


def check(chapter: str, values: Mapping[str, Any]) -> None:
    """Raise ParameterError, in one sentence, where the chapter cannot be run with these values."""
    try:
        CHAPTERS[chapter].check(values)
    except ParameterError as error:
        raise ParameterError(f"{chapter}: {error}") from None


def settle_text(*several: dict[str, Any]) -> None:
    """Decide once which text is read, and say so; kernels and workers must not ask the network anew."""
    for asked in dict.fromkeys(values["corpus"] for values in several if "corpus" in values):
        text = corpora.load(asked)
        for values in several:
            if values.get("corpus") == asked:
                values["corpus"] = text.name
        print(f"Text: {text.source} ({len(text.text):,} characters)", flush=True)


def execute(
    chapter: str,
    values: Mapping[str, Any],
    output: Path,
    fingerprint: str = "",
    stderr: TextIO | None = sys.stderr,
) -> None:
    """Run the chapter's notebook with these parameters into ``output``, whole or not at all.

    The notebook's metadata says how it was run. A chapter that fails leaves what it came to, and its error, in
    ``<output>.failed.ipynb``. stderr: where the chapter's progress bars are shown. Raises BuildError.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished, failed = output.with_suffix(".unfinished.ipynb"), output.with_suffix(".failed.ipynb")
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel, not one of the user's of the same name
    logging.getLogger("papermill").setLevel(logging.ERROR)
    record = {"fingerprint": fingerprint, "parameters": dict(values), "code": _code(chapter), "machine": machine()}
    started = time.monotonic()
    try:
        error = _papermill(chapter, values, unfinished, stderr)
        notebook = nbformat.read(unfinished, as_version=4)
        notebook.metadata["rnnreport"] = {**record, "seconds": time.monotonic() - started, "error": error}
        nbformat.write(notebook, unfinished)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if error:
        os.replace(unfinished, failed)
        raise BuildError(f"{chapter} failed: {error} (see {_relative(failed)})")
    failed.unlink(missing_ok=True)
    os.replace(unfinished, output)


def sweep_chapter(chapter: str, points: Sequence[dict[str, Any]], folder: Path) -> pd.DataFrame:
    """Run the chapter at each of these parameters, as far as that is not done, each into a notebook of its own.

    Leaves in the folder ``<chapter>-<hash of the parameters>.ipynb``, ``….failed.ipynb`` for what fails, and
    ``sweep.csv``: a row for every notebook there, with its parameters, status, verdicts, seconds, code version, machine
    and error. Returns the rows of these points. Raises sweep.SweepError or BuildError.
    """
    sweep.check_folder(folder)
    settle_text(*points)
    wanted = {f"{chapter}-{_hash(values)[:12]}": values for values in points}
    calls, source = {}, _source(chapter)
    for name, values in wanted.items():
        output, fingerprint = folder / f"{name}.ipynb", _fingerprint(chapter, values, source)
        if _recorded(output).get("fingerprint") != fingerprint:
            calls[name] = partial(_execute_alone, chapter, values, output, fingerprint)
    errors = sweep.run(calls, chapter) if calls else {}
    sweep.check_there(folder, [f"{name}.ipynb" for name in wanted if name not in errors])
    table = _sweep_table(chapter, folder, {name: (wanted[name], error) for name, error in errors.items()})
    _write(folder / "sweep.csv", table.to_csv(index=False))
    return table.loc[list(wanted)]


def export_figures(notebook: Path) -> list[Path]:
    """The SVG figures of an executed notebook, each in a file beside it named by its label."""
    written = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            for name, data in re.findall(r'class="report-figure" id="([^"]+)".*?base64,([^"]+)"', html, re.S):
                path = notebook.parent / f"{notebook.stem}-{name}.svg"
                path.write_bytes(base64.b64decode(data))
                written.append(path)
    return written


def tidy(chapter: str) -> None:
    """Run the chapter's notebook as it is and put it into the form it is committed in.

    Only cells tagged ``nbval-check-output`` keep their outputs, and only tags are kept of a cell's metadata.
    """
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
    _write(source, nbformat.writes(notebook) + "\n")


def _papermill(chapter: str, values: Mapping[str, Any], output: Path, stderr: TextIO | None) -> str:
    """Run the chapter into ``output``; what it failed of, in one line, or nothing."""
    try:
        papermill.execute_notebook(
            BOOK / f"{chapter}.ipynb",
            output,
            parameters=dict(values),
            cwd=BOOK,
            kernel_name="python3",
            progress_bar=False,
            stderr_file=stderr,
            extra_arguments=["--log-level=ERROR"],  # else each kernel warns that it talks to this process unencrypted
        )
    except PapermillExecutionError as error:
        return " ".join(f"{error.ename}: {error.evalue}".split())
    except DeadKernelError:
        return "its kernel died"
    return ""


def _execute_alone(chapter: str, values: Mapping[str, Any], output: Path, fingerprint: str) -> None:
    """One run of a sweep, on a worker, unless another sweep does or did it meanwhile."""
    os.environ[sweep.WORKERS] = "1"  # for the chapter's own trainings: the other cores have other chapters
    with FileLock(output.with_name(f".{output.stem}.lock")):
        if _recorded(output).get("fingerprint") != fingerprint:
            execute(chapter, values, output, fingerprint, stderr=None)


def _notebooks(chapter: str, folder: Path) -> list[Path]:
    """What a sweep left: executed notebooks, and after them the failed ones."""
    name = re.compile(rf"{re.escape(chapter)}-[0-9a-f]{{12}}(\.failed)?\.ipynb")
    return sorted((path for path in folder.iterdir() if name.fullmatch(path.name)), key=lambda path: len(path.name))


def _sweep_table(
    chapter: str, folder: Path, failed: Mapping[str, tuple[Mapping[str, Any], BaseException]]
) -> pd.DataFrame:
    """A row for each of a sweep's notebooks, and for each that failed without leaving one, by the notebooks' names."""
    rows = {path.name.partition(".")[0]: _row(path) for path in _notebooks(chapter, folder)}
    for name, (values, error) in failed.items():
        if not isinstance(error, BuildError) or name not in rows:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            rows[name] = {**_parameters_row(values), "status": "failed", "error": reason}
    rows = dict(sorted(rows.items(), key=lambda item: _order(item[1])))
    table = pd.DataFrame(list(rows.values()), index=list(rows))
    last = ("status", "seconds", "code", "machine", "notebook", "error")  # after parameters and verdicts
    return table[[*(name for name in table if name not in last), *(name for name in last if name in table)]]


def _row(path: Path) -> dict[str, Any]:
    """An executed notebook's row in a sweep's table."""
    record = _recorded(path)
    return {
        **_parameters_row(record["parameters"]),
        **{verdict["id"]: verdict["verdict"] for verdict in _verdicts_in(path)},
        "status": "failed" if record["error"] else "done",
        "seconds": round(record["seconds"], 1),
        "code": record["code"],
        "machine": record["machine"],
        "notebook": path.name,
        "error": record["error"],
    }


def _parameters_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as columns: a list of one as what is in it, other lists as YAML."""
    return {
        name: value if not isinstance(value, list) else value[0] if len(value) == 1 else json.dumps(value)
        for name, value in values.items()
    }


def _order(row: Mapping[str, Any]) -> list[tuple[bool, float, str]]:
    """A key by which rows are in the order of their parameters, which come first: numbers by size, before texts."""
    return [
        (False, value, "") if isinstance(value, (int, float)) else (True, 0.0, str(value)) for value in row.values()
    ]


def _inspected(chapter: str) -> dict[str, Any]:
    return papermill.inspect_notebook(str(BOOK / f"{chapter}.ipynb"))


def _fingerprint(chapter: str, values: Mapping[str, Any], source: str = "") -> str:
    """A hash of all that the chapter's results depend on: parameters, their data, and its source.

    source: of :func:`_source`, where the caller has it already.
    """
    files = [PROJECT / value for name, value in values.items() if name.endswith("_file") and value]
    return _hash(
        {
            "source": source or _source(chapter),
            "files": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()],
            "corpus": corpora.load(values["corpus"]).sha256 if "corpus" in values else None,
            "parameters": dict(values),
        }
    )


def _source(chapter: str) -> str:
    """A hash of what the chapter's results depend on at any parameters: notebook, code, libraries, claims."""
    files = [BOOK / f"{chapter}.ipynb", PROJECT / "requirements.lock"]
    if "rnnreport.claims" in modules(*_imports(chapter)):
        files.append(claims.CLAIMS)
    return _hash({"files": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files], "code": _code(chapter)})


def _hash(what: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _code(chapter: str) -> str:
    """The version of the code that the chapter's results come from."""
    return code_version(*_imports(chapter))


def _imports(chapter: str) -> list[str]:
    """What the chapter's code imports from this package."""
    source = nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4)
    names = []
    for node in ast.walk(ast.parse("\n".join(cell.source for cell in source.cells if cell.cell_type == "code"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return sorted(name for name in set(names) if name.partition(".")[0] == "rnnreport")


def _recorded(notebook: Path) -> dict[str, Any]:
    """What an executed chapter says of its run; nothing where there is none, or not a whole one."""
    try:
        return nbformat.read(notebook, as_version=4).metadata.get("rnnreport", {})
    except (OSError, nbformat.reader.NotJSONError):
        return {}


def _verdicts(chapters: Path) -> list[dict[str, Any]]:
    """The verdicts that the executed chapters display."""
    paths = {chapter: chapters / f"{chapter}.ipynb" for chapter in CHAPTERS if chapter != LEDGER}
    return [
        {**verdict, "chapter": chapter}
        for chapter, path in paths.items()
        if path.exists()
        for verdict in _verdicts_in(path)
    ]


def _verdicts_in(notebook: Path) -> list[dict[str, Any]]:
    """The verdicts that an executed notebook displays."""
    cells = nbformat.read(notebook, as_version=4).cells
    shown = [output.get("metadata", {}).get(claims.METADATA) for cell in cells for output in cell.get("outputs", [])]
    return [verdict for verdict in shown if verdict]


def _site(chapters: Path, folder: Path) -> Path:
    """Build the site from the executed chapters, with warnings as errors, unless it is there already."""
    html, stamp = folder / "html", "rnnreport-built"
    sources = [path for path in sorted(BOOK.rglob("*")) if path.is_file() and path.suffix not in (".ipynb", ".pyc")]
    sources += [PROJECT / "_config.yml", PROJECT / "_toc.yml", *sorted(chapters.glob("0*_*.ipynb"))]
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.name.encode() + path.read_bytes())
    if not (html / stamp).exists() or (html / stamp).read_text() != digest.hexdigest():
        print("Building the pages", flush=True)
        stage = folder / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        shutil.copytree(BOOK, stage / "book", ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"))
        shutil.copy(PROJECT / "_toc.yml", stage)
        config = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))
        config["execute"]["execute_notebooks"] = "off"
        (stage / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        for chapter in CHAPTERS:
            nbformat.write(_as_run(chapters / f"{chapter}.ipynb"), stage / "book" / f"{chapter}.ipynb")
        jupyter_book = "from jupyter_book.cli.main import main; main()"
        command = [sys.executable, "-c", jupyter_book, "build", str(stage), "-W", "-n", "--keep-going"]
        with (folder / "site.log").open("w") as log:
            failed = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
        if failed:
            print(*(folder / "site.log").read_text().splitlines()[-30:], sep="\n", file=sys.stderr)
            raise BuildError(f"the pages could not be built, see above and {_relative(folder / 'site.log')}")
        built = stage / "_build" / "html"
        (built / stamp).write_text(digest.hexdigest())
        shutil.rmtree(html, ignore_errors=True)
        os.replace(built, html)
    return html / "index.html"


def _as_run(path: Path) -> Any:
    """The executed chapter with its parameters' cell as it was run, in place of papermill's second such cell."""
    notebook = nbformat.read(path, as_version=4)
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


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _relative(path: Path) -> Path:
    """The path as it reads from the project's folder, where it lies below that."""
    return path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
