"""What the project is put through, row by row: kills, bad parameters, bad machines, bad networks, flipped bytes.

``rnnreport test --abuse`` runs every row in full and records it in ``data/abuse.csv``; tests/test_abuse.py tries each a
few times. A row makes one attempt after the other and says of each what was lost; "" is a clean one. All that is
drawn comes from the row's seeded generator.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pandas as pd
import pooch
import psutil
import pytest
from conftest import ROOT, require
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rnnreport import (
    build,
    captions,
    checksums,
    corpora,
    environment,
    provenance,
    runs,
    shown,
    site,
    storage,
    values,
    vendor,
)
from rnnreport.bugs import bugs
from rnnreport.claims import stated
from rnnreport.claims.collected import collected
from rnnreport.errors import ReaderError
from rnnreport.experiments import recorded, speed, text_networks, trust
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.native import library
from rnnreport.parameters import ParameterError
from rnnreport.provenance import code_version
from rnnreport.training import load_weights

Attempts = Callable[[Path, Random], Iterator[str]]


@dataclass(frozen=True)
class Row:
    """One row of the table: what is done, to what, how often, and the attempts.

    attempts: called with an empty folder and a generator; its n-th item says what the n-th attempt has lost.
    usually: how many attempts `make test` makes, or `make test-all` if slow; 0 where each takes half a minute or more
    and another row, or another test, is much the same.
    """

    what: str
    to: str
    tries: int
    attempts: Attempts
    usually: int = 1
    slow: bool = True

    @property
    def name(self) -> str:
        """What is done and to what, in one."""
        return f"{self.what}: {self.to}"

    def outcomes(self, folder: Path, tries: int) -> Iterator[str]:
        """What each of so many attempts has lost."""
        try:
            with closing(self.attempts(folder, Random(self.name))) as attempts:  # type: ignore[type-var]
                yield from itertools.islice(attempts, tries)
        finally:
            for process in abused():
                process.kill()


ROWS: list[Row] = []


def row(what: str, to: str, tries: int = 10, usually: int = 1, slow: bool = True) -> Callable[[Attempts], Attempts]:
    """Adds a generator of attempts to :data:`ROWS`."""

    def add(attempts: Attempts) -> Attempts:
        ROWS.append(Row(what, to, tries, attempts, usually, slow))
        return attempts

    return add


# Commands, and what they leave

CLI = "from rnnreport.cli import main; main()"
# The smallest chapter that trains.
SMALL = {
    **{"seeds": [0], "length": 3, "train_steps": 2, "hidden_size": 2, "batch_size": 2, "recorded_file": ""},
    **{"test_palindromes": 100, "measured_palindromes": 2},
}
CHAPTER = ["01c_cell_path", *(word for name, value in SMALL.items() for word in ("-p", name, str(value)))]


PATIENCE = 1200  # seconds after which a command is lost, however busy the machine is
MARK, MARKED = "RNNREPORT_ABUSED", f"{uuid4()}"  # a variable of all that is started from here, and its value


def abused() -> list[psutil.Process]:
    """The processes that are alive of all that was started from here: workers and kernels, too, wherever they are."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == MARKED and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@dataclass
class Command:
    """A command and the folder that all it writes goes to.

    code: Python, or a whole command line. words: its arguments. prepare: makes what is in the folder at first.
    """

    place: Path
    words: Callable[[], Sequence[str]] = tuple
    code: str = CLI
    variables: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[], object] = lambda: None
    before: Sequence[str] = ()  # what starts Python, such as taskset
    beside: Path | None = None  # where what it says is kept; by default beside the folder

    def anew(self) -> None:
        """Empty the folder, but for what is prepared there."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        self.prepare()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, in a process group of its own; what it says goes to a file beside the folder."""
        self.said = (self.beside or self.place.parent) / f"{uuid4()}.said"
        usual = {"PYTHONPATH": str(ROOT), "RNNREPORT_RUNS_DIR": str(self.place / "runs"), "RNNREPORT_WORKERS": "2"}
        with self.said.open("wb") as said:
            return subprocess.Popen(
                [*self.before, sys.executable, "-c", self.code, *self.words()],
                cwd=ROOT,
                env={**os.environ, **usual, **self.variables, MARK: MARKED},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def lines(self) -> list[str]:
        """What it said last."""
        return self.said.read_text("utf-8", errors="replace").splitlines() or [""]

    def status(self, started: subprocess.Popen[bytes] | None = None) -> int:
        """Its exit status, if started or anew; that of a kill where it does not end within :data:`PATIENCE`."""
        process = started or self.start()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def run(self) -> str:
        """Run it to its end; what went wrong, or ""."""
        status = self.status()
        return "" if status == 0 else f"the command ended with {status}: {self.lines()[-1]}"

    def again(self, expected: dict[str, str]) -> str:
        """Run it to its end, and say what is not as expected, or ""."""
        return self.run() or difference(expected, results(self.place))


def difference(expected: dict[str, str], found: dict[str, str]) -> str:
    """What differs, in words; "" if nothing."""
    names = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    return f"{len(names)} files differ from the undisturbed ones, {names[0]} for one" if names else ""


def results(folder: Path) -> dict[str, str]:
    """A hash of each file of a folder, without hidden ones, and without what only says when and how long."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(_content(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_passing(path.relative_to(folder))
    }


def _is_passing(path: Path) -> bool:
    """Whether the file is one of locks, checkpoints, logs, or hashes of what says when it was made."""
    hidden = any(part.startswith(".") and part != ".venv" for part in path.parts)
    hashes = path.name == "SHA256SUMS" and "html" not in path.parts
    return (
        hidden
        or hashes
        or path.suffix in (".lock", ".log", ".pyc")
        or path.name.startswith("checkpoint")
        or "stage" in path.parts
    )


def _content(path: Path) -> bytes:
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_bytes())["cells"]
        kept = [
            (
                cell["source"],
                [output.get("data", output) for output in cell.get("outputs", []) if output.get("name") != "stderr"],
            )
            for cell in cells
        ]
        return json.dumps(kept).encode()  # without the outputs' metadata, which says how long runs took
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        origins = re.sub(r"[\d,]+ s of one core, [\d-]+( to [\d-]+)?", "", json.dumps(table.attrs, sort_keys=True))
        return f"{table.drop(columns='seconds', errors='ignore').to_csv()}{origins}".encode()
    if path.name == "run.json":
        record = json.loads(path.read_bytes())
        for name in ("seconds", "finished"):
            del record["provenance"][name]
        return json.dumps(record).encode()
    if path.name == site.STAMP:
        return path.read_bytes().rpartition(b"# ")[0]  # what follows knows how long the chapters took
    if path.name == "sweep.csv":
        return pd.read_csv(path).drop(columns="seconds").to_csv().encode()
    if path.suffix == ".pdf":
        from pypdf import PdfReader

        return json.dumps([page.extract_text() for page in PdfReader(path).pages]).encode()
    return path.read_bytes()


def command(place: Path, *words: str, **more: Any) -> Command:
    """``rnnreport`` with these words and an output in the folder."""
    return Command(place, lambda: [*words, "-o", str(place / "out")], **more)


def as_usual(asked: Command) -> dict[str, str]:
    """What the command leaves when nothing is in its way."""
    asked.anew()
    if wrong := asked.run():
        raise RuntimeError(f"undisturbed, {wrong}")
    return results(asked.place)


def run_of(folder: Path) -> Command:
    """A chapter at other parameters: trainings, kernel, figures."""
    return command(folder / "run", "run", *CHAPTER)


def sweep_of(folder: Path) -> Command:
    """Two chapters side by side."""
    return command(folder / "sweep", "sweep", *CHAPTER, "--grid", "learning_rate=0.01,0.02")


def record_of(folder: Path) -> Command:
    """What a chapter shows as recorded."""
    return command(folder / "record", "record", *CHAPTER, "--profile", "quick")


# Kills


def killed(asked: Command, rng: Random) -> Iterator[str]:
    """A kill at a random moment, of the process alone or of its whole group; then the same command."""
    started = time.monotonic()
    expected = as_usual(asked)
    seconds = time.monotonic() - started
    if not expected:
        raise RuntimeError("undisturbed, the command leaves nothing to compare")
    while True:
        asked.anew()
        process = asked.start()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds * rng.random())
        with suppress(ProcessLookupError):  # it has ended by now
            os.killpg(process.pid, signal.SIGKILL) if rng.random() < 0.5 else process.kill()
        process.wait()
        left = psutil.wait_procs(abused(), timeout=300)[1]
        yield f"{len(left)} processes went on after it" if left else asked.again(expected)
        asked.said.unlink()


@row("killed", "run of a chapter")
def run_killed(folder: Path, rng: Random) -> Iterator[str]:
    """A chapter at other parameters: trainings, kernel, figures."""
    return killed(run_of(folder), rng)


@row("killed", "sweep over parameters", usually=0)
def sweep_killed(folder: Path, rng: Random) -> Iterator[str]:
    """Two chapters side by side."""
    return killed(sweep_of(folder), rng)


@row("killed", "record of runs", usually=0)
def record_killed(folder: Path, rng: Random) -> Iterator[str]:
    """What a chapter shows as recorded."""
    return killed(record_of(folder), rng)


TRAIN = """
import sys
from rnnreport import cli, corpora, training
from rnnreport.experiments import text_training

def small_run(steps, seed):
    small = {"hidden_size": 8, "batch_size": 8, "record_every": 5, "snapshots": (20, steps), "dropout": 0.2}
    return text_training.TextRun.of(steps, seed, corpus=TEXT, sha256=corpora.load(TEXT).sha256, **small)

TEXT = sys.argv.pop(1)
training.train.__kwdefaults__["checkpoint_seconds"] = 0.05
cli.TRAININGS["text"] = (small_run, 1500, None)  # most of the time is training, not the start
cli.main()
"""


def training(folder: Path) -> Command:
    """A training of a small character model, with a checkpoint at nearly every row."""
    place, text = folder / "train", folder / "text.txt"
    text.write_text("to be or not to be, that is the question. " * 60, "utf-8")

    def words() -> list[str]:
        resume = ["--resume"] * (place / "checkpoint.safetensors").exists()
        return [str(text), "train", "text", "--folder", str(place), *resume]

    return Command(place, words, TRAIN)


@row("killed", "training on a text")
def train_killed(folder: Path, rng: Random) -> Iterator[str]:
    """``rnnreport train``, then again, with --resume where there is a checkpoint."""
    return killed(training(folder), rng)


STORE = """
import sys
sys.path.insert(0, sys.argv[1])
from test_sweep import MANY, run_all, train_palindromes
run_all(train_palindromes, MANY)
"""


def trainings(folder: Path) -> Command:
    """Trainings of the store, on two workers."""
    return Command(folder / "store", lambda: [str(ROOT / "tests")], STORE)


@row("killed", "trainings side by side")
def trainings_killed(folder: Path, rng: Random) -> Iterator[str]:
    """What every chapter does first."""
    return killed(trainings(folder), rng)


BOOK = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import abuse
abuse.of_small_book(sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1))
"""
NOTEBOOK = [
    ("markdown", "# A small book\n\nWords.\n\n## More\n\nWords.", []),
    ("code", "steps = 20  # of the line", ["parameters"]),
    (
        "code",
        "import pandas as pd\n\nfrom rnnreport.captions import show\nfrom rnnreport.figures import chart, new",
        ["setup", "hide-input"],
    ),
    (
        "code",
        '@chart("A line")\ndef drawn(table):\n    """Squares."""\n    figure, ax = new()\n'
        '    ax.plot(table["square"])\n    return figure\n\n\n'
        'rows = pd.DataFrame({"square": [step**2 for step in range(steps)]})\n'
        'show("Figure 1", drawn, rows, "It was drawn", origin="computed")',
        ["hide-input"],
    ),
]
HOSTILE = (
    "print(*words, sep='\\n')\n"
    'show("Table 1", lambda rows: rows, pd.DataFrame({"text": words}), " ".join(words), details=" ".join(words))'
)


def small_book(folder: Path, hostile: Sequence[str] = ()) -> None:
    """A book of a page and a notebook, which draws, all else as in the real one. hostile: texts that it shows."""
    import nbformat

    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"))
    shutil.copy(ROOT / "_config.yml", folder)
    toc = "format: jb-book\nroot: book/01_small\nchapters: [{file: book/more}]\n"
    (folder / "_toc.yml").write_text(toc, "utf-8")
    (folder / "book" / "more.md").write_text("# More\n\nWords.\n", "utf-8")
    (folder / "book" / "profiles.yml").write_text("quick: {}\n", "utf-8")
    parts = list(NOTEBOOK)
    if hostile:
        parts[1] = (parts[1][0], f"{parts[1][1]}\nwords = {list(hostile)!r}  # words", parts[1][2])
        parts.append(("code", HOSTILE, []))
    cells = [
        {"cell_type": kind, "id": f"cell-{number}", "source": source, "metadata": {"tags": tags}}
        | ({"outputs": [], "execution_count": None} if kind == "code" else {})
        for number, (kind, source, tags) in enumerate(parts)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    nbformat.write(nbformat.from_dict(notebook), folder / "book" / "01_small.ipynb")


def of_small_book(project: str, place: str, pages: str) -> None:
    """The command line for the small book. pages: "sphinx", or "copied", which takes no time."""
    from rnnreport import cli, pdf
    from rnnreport.parameters import Count, Parameters

    class SmallParameters(Parameters):
        steps: Count
        words: tuple[str, ...] | list[str] = ()

    build.BOOK, build.BUILD, build.CHAPTERS = Path(project, "book"), Path(place), {"01_small": SmallParameters}
    build.book.__defaults__ = ("quick", build.BUILD)
    build.COLLECTING = ()
    site.PROJECT = pdf.PROJECT = Path(project)
    vendor.fetch = lambda root: None
    if pages == "copied":
        site._jupyter_book = copied
    cli.main()


def copied(stage: Path, log: Path) -> Path:
    """In place of Jupyter Book: the staged files themselves, of notebooks what they show."""
    html = stage / "_build" / "html"
    for path in [path for path in stage.rglob("*") if path.is_file()]:
        page = html / path.relative_to(stage)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.with_suffix(path.suffix.replace(".ipynb", ".html")).write_bytes(_content(path))
    (html / "index.html").write_text("the book", "utf-8")
    return html


def book(
    folder: Path, pages: str, *, executed: bool, words: Sequence[str] = ("book",), hostile: Sequence[str] = ()
) -> Command:
    """A build of the small book, from nothing or with its chapter executed."""
    project, place, done = folder / "project", folder / "_build", folder / "executed"
    small_book(project, hostile)

    def prepare() -> None:
        if executed and done.exists():
            shutil.copytree(done, place, dirs_exist_ok=True)

    asked = Command(
        place,
        lambda: [str(ROOT / "tests"), str(project), str(place), pages, *words, "--profile", "quick"],
        BOOK,
        prepare=prepare,
    )
    if executed:
        asked.anew()
        if wrong := asked.run():
            raise RuntimeError(f"undisturbed, {wrong}")
        for name in ("chapters",) if words == ("book",) else ("chapters", "html"):
            shutil.copytree(place / name, done / name)
    return asked


@row("killed", "chapter of a build")
def chapter_killed(folder: Path, rng: Random) -> Iterator[str]:
    """A book from nothing, of which running its chapter takes nearly all the time."""
    return killed(book(folder, "copied", executed=False), rng)


@row("killed", "folder of a build", usually=0)
def stage_killed(folder: Path, rng: Random) -> Iterator[str]:
    """A book whose chapter is done, and whose pages are but copied."""
    return killed(book(folder, "copied", executed=True), rng)


@row("killed", "pages of a build")
def site_killed(folder: Path, rng: Random) -> Iterator[str]:
    """A book whose chapter is done: Jupyter Book makes the pages."""
    return killed(book(folder, "sphinx", executed=True), rng)


@row("killed", "PDF", usually=0)
def pdf_killed(folder: Path, rng: Random) -> Iterator[str]:
    """A book that is built and printed."""
    require(shutil.which("chromium"), "no Chromium on this machine")
    return killed(book(folder, "sphinx", executed=True, words=("pdf",)), rng)


# Set-up, from packages that lie on this machine

INSTALL = """
import os, sys
from pathlib import Path
from rnnreport import environment
environment.PROJECT = Path(sys.argv[1])
environment.VENV, environment.LOCK = environment.PROJECT / ".venv", environment.PROJECT / "requirements.lock"
environment.TORCH = environment.TORCH_CPU = environment.PROJECT / "requirements-torch.lock"
os.execv = lambda *words: None
environment.enter([])
"""
BACKEND = """
import abuse_wheels
def build_editable(folder, settings=None, metadata=None):
    return abuse_wheels.wheel(folder, "rnnreport", "0", 1)
"""
WHEELS = '''
import zipfile
from pathlib import Path
def wheel(folder, name, version, modules):
    """Write a wheel of so many modules; returns the file's name."""
    file, info = f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    files = {f"{name}/_{number}.py": f"number = {number}\\n" * 200 for number in range(modules)}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: abuse\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{info}/RECORD"] = "".join(f"{name},,\\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(Path(folder, file), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return file
'''


def installation(folder: Path) -> Command:
    """A checkout whose lock names packages that lie beside it, and no environment yet."""
    place, wheels = folder / "checkout", folder / "wheels"
    wheels.mkdir()
    made: dict[str, Any] = {}
    exec(WHEELS, made)
    locks = {}
    for name, version in (("first", "1.0"), ("second", "2.0"), ("third", "3.0")):
        content = (wheels / made["wheel"](wheels, name, version, 200)).read_bytes()
        locks[name] = f"{name}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"

    def prepare() -> None:
        (place / "requirements.lock").write_text(locks["first"] + locks["second"], "utf-8")
        (place / "requirements-torch.lock").write_text(locks["third"], "utf-8")
        (place / "_config.yml").touch()
        (place / "backend.py").write_text(BACKEND, "utf-8")
        (place / "abuse_wheels.py").write_text(WHEELS, "utf-8")
        (place / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n', "utf-8"
        )

    variables = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_NO_CACHE_DIR": "1"}
    return Command(place, lambda: [str(place)], INSTALL, variables, prepare)


@row("killed", "installation")
def install_killed(folder: Path, rng: Random) -> Iterator[str]:
    """``.venv`` is made by the real venv and pip."""
    return killed(installation(folder), rng)


# npm and a compiler that take their time, and need no network.
NPM = """#!{python}
import pathlib, time
for name, content in {files!r}.items():
    file = pathlib.Path("node_modules", name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    time.sleep(0.05)
"""
NODE = """#!{python}
import pathlib, sys, time
time.sleep(0.2)
target = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
target.write_text("compiled")
"""
FETCH = "import sys; from pathlib import Path; from rnnreport import vendor; vendor.fetch(Path(sys.argv[1]))"


@row("killed", "fetching of JavaScript")
def fetch_killed(folder: Path, rng: Random) -> Iterator[str]:
    """The pages' JavaScript, brought by an npm that only writes files."""
    return killed(fetching(folder), rng)


def fetching(folder: Path) -> Command:
    """A checkout without the pages' JavaScript, and an npm of our own on the path."""
    from test_vendor import EXPECTED, Npm

    from rnnreport import vendor

    tools, place = folder / "tools", folder / "checkout"
    tools.mkdir()
    files = {name: Npm().manager if name == vendor.MANAGER else f"// {name}" for name in EXPECTED}
    for name, script in (("npm", NPM), ("node", NODE)):
        (tools / name).write_text(script.format(python=sys.executable, files=files), "utf-8")
        (tools / name).chmod(0o755)

    def prepare() -> None:
        for name in ("package.json", "package-lock.json", vendor.KERNELS):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)

    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    return Command(place, lambda: [str(place)], FETCH, path, prepare)


KERNELS = """
import torch
from rnnreport import models
from rnnreport.backends import in_use
torch.manual_seed(0)
output, _ = models.LSTM(3, 4, backend="native")(torch.randn(5, 2, 3))
assert in_use("native").startswith("native "), in_use("native")
"""


@row("killed", "compiling of kernels", usually=0)
def kernels_killed(folder: Path, rng: Random) -> Iterator[str]:
    """The native kernels are compiled by the machine's compiler."""
    require(shutil.which("c++"), "no C++ compiler on this machine")
    place = folder / "kernels"
    return killed(Command(place, code=KERNELS, variables={"RNNREPORT_NATIVE_DIR": str(place)}), rng)


# Bad parameters


def bad(schema: dict[str, Any], good: Any) -> st.SearchStrategy[Any]:
    """Values that a parameter of this JSON schema cannot have. good: one that it can have."""
    if "enum" in schema or "const" in schema:
        allowed = schema.get("enum", [schema.get("const")])
        return st.text().filter(lambda text: text not in allowed) | OTHER
    if schema["type"] in ("integer", "number"):
        least, most = schema.get("minimum"), schema.get("maximum")
        kinds: list[st.SearchStrategy[Any]] = [st.text(), st.booleans(), OTHER, st.sampled_from([math.nan, math.inf])]
        if schema["type"] == "integer":
            kinds.append(st.floats())
        if least is not None:
            kinds += [st.integers(max_value=math.ceil(least) - 1), st.floats(max_value=least, exclude_max=True)]
        if most is not None:
            kinds += [st.integers(min_value=math.floor(most) + 1), st.floats(min_value=most, exclude_min=True)]
        return st.one_of(kinds)
    if schema["type"] == "array":
        among = st.integers(0, len(good))
        spoiled = st.tuples(bad(schema["items"], good[0]), among).map(lambda pair: [*good[: pair[1]], pair[0]])
        twice = st.sampled_from(good).map(lambda value: [*good, value])
        too_many = [st.just([*range(1, schema["maxItems"] + 2)])] if "maxItems" in schema else []
        return st.one_of(spoiled, twice, st.just([]), st.text(), st.integers(), st.none(), *too_many)
    unknown = st.text(min_size=1).map(lambda text: f"{text}\ue000")  # no file, device or character of a text
    not_utf8 = st.text().map(lambda text: f"{text}\udce9")
    too_long = [st.just("e" * (schema["maxLength"] + 1))] if "maxLength" in schema else []
    return st.one_of(unknown, not_utf8, st.integers(), st.lists(st.text()), st.none(), st.booleans(), *too_long)


OTHER = st.none() | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers()) | st.binary()


def refusals(chapter: str) -> Attempts:
    """Attempts at a chapter: each is a value that it must refuse, in one sentence that names the parameter."""

    def attempts(folder: Path, rng: Random) -> Iterator[str]:
        of, values = build.CHAPTERS[chapter], build.parameters(chapter)
        if "corpus" in values:
            values["corpus"] = corpora.SHAKESPEARE
        schemas = of.model_json_schema()["properties"]
        pairs = st.one_of([st.tuples(st.just(name), bad(schemas[name], values[name])) for name in values])
        found: list[str] = []
        while True:
            found.clear()

            @seed(rng.getrandbits(32))
            @settings(max_examples=100, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
            @given(pairs)
            def attempt(pair: tuple[str, Any]) -> None:
                found.append(refusal(chapter, values, *pair))

            attempt()
            yield from found

    return attempts


def refusal(chapter: str, values: dict[str, Any], name: str, value: Any) -> str:
    """What is wrong with the way in which the chapter refuses the value; "" if nothing."""
    what = f"{name} = {value!r:.100}"
    try:
        build.CHAPTERS[chapter].check({**values, name: value})
    except ParameterError as error:
        sentence = str(error)
        if "\n" in sentence or len(sentence) > 500 or name not in sentence:
            return f"{what} is refused by {sentence!r}"
        return ""
    except Exception as error:
        return f"{what} ends in {type(error).__name__}: {error}"
    return f"{what} is taken"


for _chapter in build.CHAPTERS:
    row("bad parameters", _chapter, tries=300, usually=100, slow=False)(refusals(_chapter))


# Networks


class Network(ThreadingHTTPServer):
    """A web server on this machine that gives each request the answer of the moment."""

    answer: Callable[[BaseHTTPRequestHandler], None]

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(OSError):  # who asks may have gone
                    self.server.answer(self)  # type: ignore[attr-defined]

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def sent(content: bytes, status: int = 200, length: int | None = None, pause: float = 0) -> Callable[..., None]:
    """An answer. length: what its header says; pause: seconds between its pieces, of which there are twenty."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        to.send_header("Content-Length", str(len(content) if length is None else length))
        to.end_headers()
        piece = max(1, len(content) // 20)
        for start in range(0, len(content), piece):
            to.wfile.write(content[start : start + piece])
            time.sleep(pause)

    return answer


def moved(to: BaseHTTPRequestHandler) -> None:
    """An answer that leads back to itself."""
    to.send_response(302)
    to.send_header("Location", to.path)
    to.end_headers()


def flipped(content: bytes, rng: Random) -> bytes:
    """The content with another byte in one place."""
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
    return bytes(changed)


@row("bad network", "the report's book", tries=40, usually=12, slow=False)
def book_downloaded(folder: Path, rng: Random) -> Iterator[str]:
    """No network, a slow one, wrong bytes: the book or, saying so, Shakespeare; and at the next try the book."""
    text = "Democracy in a small book. " * 400
    content = text.encode()
    answers: dict[str, Callable[..., None]] = {
        "slow": sent(content, pause=0.02),
        "silent": lambda to: time.sleep(1),
        "cut": sent(content[:-300], length=len(content)),
        "not found": sent(b"<html>404</html>", 404),
        "broken": sent(b"", 500),
        "another page": sent(b"<html>Log in to this network</html>"),
        "in a circle": moved,
        "empty": sent(b""),
    }
    kinds = [*answers, "wrong byte", "no server"]
    with Network() as network, pytest.MonkeyPatch.context() as patch:
        patch.delenv(corpora.DATA_DIR, raising=False)
        patch.setitem(corpora.BOOKS, corpora.REPORT_BOOK, hashlib.sha256(content).hexdigest())
        usual = pooch.HTTPDownloader
        patch.setattr(pooch, "HTTPDownloader", lambda timeout: usual(timeout=timeout / 50))
        patch.setattr(pooch, "os_cache", lambda name: str(folder / name))
        pooch.get_logger().setLevel("ERROR")
        try:
            for number in itertools.count():
                kind = kinds[number % len(kinds)]
                shutil.rmtree(folder / "rnnreport", ignore_errors=True)
                wrong = sent(flipped(content, rng))
                network.answer = answers.get(kind, wrong)
                address = "http://127.0.0.1:9/" if kind == "no server" else network.address
                patch.setattr(corpora, "_COURSE", address)
                lost = ""
                for again in (False, True):
                    corpora._download.cache_clear()
                    found = corpora.load()
                    says_so = found.name == corpora.SHAKESPEARE and "could not be downloaded" in found.source
                    if not (found.text == text or (says_so and not again and kind != "slow")):
                        lost = f"{kind}: read as {found}"
                    network.answer = sent(content)
                    patch.setattr(corpora, "_COURSE", network.address)
                yield lost
        finally:
            corpora._download.cache_clear()
            network.shutdown()


@row("bad network", "npm", tries=5)
def npm_without_network(folder: Path, rng: Random) -> Iterator[str]:
    """No network, and packages of other bytes: one sentence, and what was there before stays or is not used."""
    require(shutil.which("npm"), "no npm on this machine")
    asked = fetching(folder)
    asked.variables = {}  # the real npm

    def package(to: BaseHTTPRequestHandler) -> None:
        if to.path.endswith(".tgz"):
            return sent(rng.randbytes(500))(to)
        name = unquote(to.path.strip("/"))
        lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
        version = lock[f"node_modules/{name}"]["version"]
        there = {"name": name, "version": version, "dist": {"tarball": f"{network.address}{name}.tgz"}}
        sent(json.dumps({"name": name, "versions": {version: there}}).encode())(to)

    with Network() as network:
        network.answer = package
        for number in itertools.count():
            address = "http://127.0.0.1:9/" if number % 2 else network.address
            asked.variables = {"npm_config_registry": address, "npm_config_cache": str(folder / f"cache-{number}")}
            asked.variables |= {"npm_config_fetch_retries": "0"}
            asked.anew()
            status = asked.status()
            says = "VendorError: Refused " if number % 2 == 0 else "VendorError: Could not fetch the pages' JavaScript"
            complete = vendor.is_complete(asked.place / vendor.VENDOR)
            good = status == 1 and says in asked.lines()[-1] and not complete
            yield "" if good else f"{address}: {asked.lines()[-1]}"


@row("bad network", "pip", tries=3)
def pip_without_network(folder: Path, rng: Random) -> Iterator[str]:
    """No network, and wheels of other bytes: one sentence; then, with the right ones, all is installed."""
    asked = installation(folder)
    asked.anew()
    asked.run()
    expected = results(asked.place)
    wheels, good = folder / "wheels", dict(asked.variables)
    whole = {path: path.read_bytes() for path in wheels.iterdir()}
    for number in itertools.count():
        asked.anew()
        asked.variables = good
        if number % 2:
            asked.variables = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
        else:
            spoiled = rng.choice(sorted(whole))
            spoiled.write_bytes(whole[spoiled][: rng.randrange(len(whole[spoiled]))])
        status = asked.status()
        said = asked.lines()[-1]
        for path, content in whole.items():
            path.write_bytes(content)
        asked.variables = good
        told = status == 2 and said.startswith(("pip could not install", "Refused: a file that came"))
        yield asked.again(expected) if told else f"the command ended with {status}: {said}"


# Machines


def on_a_machine(
    folder: Path, *before: str, variables: Sequence[dict[str, str]] = ({},), missing: str = ""
) -> Iterator[str]:
    """A chapter, on a machine as usual and then as it is made by the words before the command and the variables."""
    if before:
        there = shutil.which(before[0]) and not subprocess.run([*before, "true"], capture_output=True).returncode
        require(there, missing)
    asked = run_of(folder)
    expected = as_usual(asked)
    asked.before = before
    for more in itertools.cycle(variables):
        asked.variables = more
        asked.anew()
        yield asked.again(expected)


@row("bad machine", "one core", tries=3, usually=0)
def one_core(folder: Path, rng: Random) -> Iterator[str]:
    """One core, and as many workers as on two."""
    return on_a_machine(folder, "taskset", "--cpu-list", "0", missing="taskset is Linux's")


@row("bad machine", "2 GB of memory", tries=3)
def little_memory(folder: Path, rng: Random) -> Iterator[str]:
    """2 GB for the data of each process."""
    return on_a_machine(folder, "prlimit", f"--data={2 * 2**30}", missing="prlimit is Linux's")


@row("bad machine", "odd locale", tries=6)
def odd_locale(folder: Path, rng: Random) -> Iterator[str]:
    """Locales that are not UTF-8, or not there."""
    odd = [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "tr_TR.ISO-8859-9", "LANG": "tr_TR", "PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "xx_XX.none", "TZ": "Pacific/Chatham", "LANGUAGE": "zh:ar", "PYTHONUTF8": "0"},
    ]
    return on_a_machine(folder, variables=odd)


# For every Python that is started: at one time among the first thousand that the clock is asked it jumps back, by up to
# a day. (Tornado, and so Dask, reckons its timers by that clock: one that jumps all the time stops them for hours.)
CLOCK = """
import random, time
ns, asked, at, back = time.time_ns, 0, random.randrange(1000), random.randrange(86400 * 10**9)
def jumping():
    global asked
    asked += 1
    return ns() - back * (asked > at)
time.time_ns, time.time = jumping, lambda: jumping() / 1e9
"""


@row("bad machine", "clock that jumps back", tries=3, usually=0)
def jumping_clock(folder: Path, rng: Random) -> Iterator[str]:
    """By up to a day, in each process at another time and by another span."""
    (folder / "clock").mkdir()
    (folder / "clock" / "sitecustomize.py").write_text(CLOCK, "utf-8")
    return on_a_machine(folder, variables=[{"PYTHONPATH": f"{folder / 'clock'}{os.pathsep}{ROOT}"}])


@row("bad machine", "no /dev/shm", tries=3)
def no_shared_memory(folder: Path, rng: Random) -> Iterator[str]:
    """Nothing can be written there: one sentence says so; where it can, the same command goes on."""
    hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"', "sh"]
    there = shutil.which("unshare") and not subprocess.run([*hide, "true"], capture_output=True).returncode
    require(there, "only root can hide /dev/shm")
    asked = run_of(folder)
    expected = as_usual(asked)
    while True:
        asked.anew()
        asked.before = hide
        status, asked.before = asked.status(), ()
        said = asked.lines()[-1]
        told = status == 2 and "no worker: processes need /dev/shm, which cannot be used here" in said
        yield asked.again(expected) if told else f"the command ended with {status}: {said}"


@row("bad machine", "read-only home", tries=3, usually=0)
def read_only_home(folder: Path, rng: Random) -> Iterator[str]:
    """Nor is there any other place for settings and caches."""
    (folder / "home").mkdir()
    hide = f'mount -t tmpfs -o ro tmpfs {shlex.quote(str(folder / "home"))} && exec "$@"'
    gone = dict.fromkeys(("MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(folder / "home/x"))
    variables = {**gone, "HOME": str(folder / "home")}
    words = ("unshare", "-m", "sh", "-c", hide, "sh")
    return on_a_machine(folder, *words, variables=[variables], missing="only root can mount a home that is read-only")


# Raises the interface by which a machine speaks to itself, then goes on as the command that follows.
LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as this:
    fcntl.ioctl(this, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
os.execvp(sys.argv[1], sys.argv[1:])
"""


@row("bad machine", "no network", tries=3, usually=0)
def no_network(folder: Path, rng: Random) -> Iterator[str]:
    """None but to this machine itself."""
    raised = [sys.executable, "-c", LOOPBACK]
    return on_a_machine(folder, "unshare", "-n", *raised, missing="only root can take the network away")


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[int], None]]:
    """A disk in that folder, and a function that gives it so many kB."""
    folder.mkdir()

    def sized(kilobytes: int, how: str = "remount,") -> None:
        words = ["mount", "-t", "tmpfs", "-o", f"{how}size={kilobytes}k", "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True) if sys.platform == "linux" else None
        require(done and done.returncode == 0, "only root can mount a small disk")

    sized(100_000, "")
    try:
        yield sized
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@row("bad machine", "full disk")
def full_disk(folder: Path, rng: Random) -> Iterator[str]:
    """A disk that is full at a random moment: one sentence; with more room the same command goes on."""
    with small_disk(folder / "disk") as sized:
        asked = command(folder / "disk" / "run", "run", *CHAPTER, beside=folder)
        expected = as_usual(asked)
        used = sum(path.stat().st_size for path in asked.place.rglob("*")) // 1024
        while True:
            asked.anew()
            sized(rng.randrange(4, used))
            status = asked.status()
            said = asked.lines()
            sized(100_000)
            told = status == 2 and said[-1].startswith("rnnreport: ")
            yield asked.again(expected) if told or status == 0 else f"the command ended with {status}: {said[-1]}"


# Two at once


def two_at_once(asked: Command, rng: Random) -> Iterator[str]:
    """Two of the same command, the second at a random moment: each ends well, or is refused for the other's sake."""
    expected = as_usual(asked)
    while True:
        asked.anew()
        first, said = asked.start(), asked.said
        time.sleep(rng.random() * 3)
        second = asked.start()
        for process, words in ((first, said), (second, asked.said)):
            status, last = asked.status(process), (words.read_text("utf-8").splitlines() or [""])[-1]
            if status and "is being written by" not in last:
                yield f"one of the two ended with {status}: {last}"
                break
        else:
            yield asked.again(expected)


@row("two at once", "run of a chapter")
def two_run(folder: Path, rng: Random) -> Iterator[str]:
    """Into one notebook."""
    return two_at_once(run_of(folder), rng)


@row("two at once", "sweep over parameters", usually=0)
def two_sweep(folder: Path, rng: Random) -> Iterator[str]:
    """Into one folder."""
    return two_at_once(sweep_of(folder), rng)


@row("two at once", "record of runs", usually=0)
def two_record(folder: Path, rng: Random) -> Iterator[str]:
    """Into one file."""
    return two_at_once(record_of(folder), rng)


@row("two at once", "trainings side by side", usually=0)
def two_train(folder: Path, rng: Random) -> Iterator[str]:
    """In one store."""
    return two_at_once(trainings(folder), rng)


@row("two at once", "build of the book")
def two_books(folder: Path, rng: Random) -> Iterator[str]:
    """Into one folder."""
    return two_at_once(book(folder, "copied", executed=False), rng)


@row("two at once", "installation")
def two_installations(folder: Path, rng: Random) -> Iterator[str]:
    """Into one environment."""
    return two_at_once(installation(folder), rng)


# One byte of what is read


def noticed(path: Path, rng: Random, read: Callable[[], object], error: Any = ReaderError) -> str:
    """Another byte in the file, whatever is read from it: refused in a sentence that names it, or the same as before.

    read: reads the file, and raises an error if it is damaged; what it returns is compared.
    """
    whole = path.read_bytes()
    before = repr(read())
    path.write_bytes(changed := flipped(whole, rng))
    place = next(place for place, (old, new) in enumerate(zip(whole, changed)) if old != new)
    try:
        found = repr(read())
    except error as caught:
        sentence = str(caught)
        named = path.name in sentence or path.name == checksums.MANIFEST
        return "" if named and "\n" not in sentence else f"{path.name} is damaged at {place}: {sentence!r}"
    except Exception as caught:
        return f"{path.name}, damaged at {place}, ends in {type(caught).__name__}: {caught}"
    finally:
        path.write_bytes(whole)
    return "" if found == before else f"{path.name}, damaged at {place}, is read as something else"


def told(is_whole: Callable[[], object], name: str) -> None:
    """Raise ReaderError, with the name, unless that is true: for what is made again, and not refused."""
    if not is_whole():
        raise ReaderError(f"{name} is made again")


@contextmanager
def copied_data(folder: Path) -> Iterator[dict[Path, Callable[[], object]]]:
    """A copy of ``data/``, and of each file the function that reads it."""
    shutil.copytree(ROOT / "data", folder / "data")
    data = folder / "data"
    long, short = data / "text-500k", data / "text-short"
    readers: dict[Path, Callable[[], object]] = {
        data / "claims.yml": lambda: stated.claims.__wrapped__(data / "claims.yml"),
        data / "bugs.yml": lambda: bugs.__wrapped__(data / "bugs.yml"),
        data / "report_samples.yml": text_networks.report_samples,
        data / "benchmarks.json": lambda: speed.read(str(data / "benchmarks.json")),
    }
    readers |= {path: partial(recorded.read, str(path)) for path in sorted(data.glob("*.parquet"))}
    readers |= {
        data / "mutants.parquet": partial(trust.mutants, str(data / "mutants.parquet")),
        data / "abuse.csv": partial(trust.abuse, str(data / "abuse.csv")),
        data / "survivors.yml": lambda: trust.stated(data / "survivors.yml"),
    }
    for place in (long, short):
        kept = [place / "run.json", place / "table.parquet", *sorted(place.glob("weights-*"))]
        readers |= dict.fromkeys(kept, partial(text_networks.kept_training, str(place)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checksums, "DATA", data)
        patch.setattr(text_networks, "SAMPLES", data / "report_samples.yml")
        yield readers


@row("one byte changed", "data/", tries=200, usually=40, slow=False)
def data_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """Recorded tables, weights, run records, claims: every file of ``data/`` that a chapter reads, in turn."""
    with copied_data(folder) as readers:
        for path, read in itertools.cycle(readers.items()):
            yield noticed(path, rng, read, ValueError)  # a ReaderError, or of one


@row("one byte changed", "stored runs", tries=60, usually=20, slow=False)
def run_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """A run that lies in the store: table, record, weights, manifest."""
    from test_runs import palindrome_run

    run = palindrome_run()
    runs.finish(folder, train_palindromes, run, train_palindromes(run, folder))
    (folder / "checkpoint.safetensors").unlink()

    def read() -> list[object]:
        if reason := runs.damage_of(folder):
            raise ReaderError(reason)
        found = runs.load(folder, PalindromeRun)
        weights = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("weights-*"))]
        return [found.table.to_csv(), found.configuration, weights]

    for path in itertools.cycle(sorted(folder.iterdir())):
        yield noticed(path, rng, read)


@row("one byte changed", "checkpoints", tries=60, usually=15, slow=False)
def checkpoint_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """A training that was cut goes on from its checkpoint, or starts anew: the end is the same."""
    import torch
    from test_training import STEPS, with_all_options

    def ended(name: str, cut: int | None = None, spoil: str = "") -> list[bytes]:
        place = folder / name
        place.mkdir(exist_ok=True)
        torch.manual_seed(3)
        if cut:
            with suppress(KeyboardInterrupt):
                with_all_options(place, cut)
            file = place / spoil
            file.write_bytes(flipped(file.read_bytes(), rng))
            torch.manual_seed(3)
        history, _ = with_all_options(place)
        last = (place / f"weights-{STEPS}.safetensors").read_bytes()
        return [history.drop(columns="seconds").to_csv().encode(), last]

    expected = ended("whole")
    logging.getLogger("rnnreport").disabled = True  # which says each time that it starts anew
    try:
        for number in itertools.count():
            name = ("checkpoint.safetensors", "weights-2.safetensors")[number % 2]
            found = ended(f"{number}", 7, name)
            yield "" if found == expected else f"{name}: the end of the training is another one"
            shutil.rmtree(folder / f"{number}")
    finally:
        logging.getLogger("rnnreport").disabled = False


@row("one byte changed", "executed chapters", tries=60, usually=20, slow=False)
def chapter_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """A chapter that was executed for the book."""
    path = executed(folder)

    def read() -> object:
        told(lambda: build._recorded(path), path.name)
        return json.loads(path.read_bytes())

    while True:
        yield noticed(path, rng, read)


def executed(folder: Path) -> Path:
    """An executed chapter, whose cells were run in this process."""
    import test_build

    path = folder / "01_small.ipynb"
    test_build.write(test_build.SMALL, folder / "source.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "BOOK", folder)
        patch.setattr(build, "_papermill", test_build.in_this_process)
        patch.setenv("SMALL_LOG", str(folder / "log"))
        record = {"fingerprint": "print", "parameters": {"size": 2}, "code": "", "machine": ""}
        build._execute(folder / "source.ipynb", path, record)
    return path


@row("one byte changed", "the site", tries=60, usually=20, slow=False)
def page_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """The built pages, their scripts and their manifest."""
    import test_build

    shutil.copytree(ROOT / "book" / "_ext", folder / "stage", ignore=shutil.ignore_patterns("__pycache__"))
    html = test_build.pages(folder / "stage", folder)
    storage.write(html / site.STAMP, site._stamp(html, "sources"))
    files = sorted(path for path in html.rglob("*") if path.is_file() and path.stat().st_size)
    while True:
        path = rng.choice([*files, html / site.STAMP])

        def read(path: Path = path) -> bytes:
            told(lambda: site.changed_files(html, "sources") == [], path.name)
            return path.read_bytes()

        yield noticed(path, rng, read)


@row("one byte changed", "JavaScript and kernels", tries=60, usually=20, slow=False)
def vendor_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """What was fetched for the pages, and the compiled kernels: fetched and compiled again."""
    asked = fetching(folder)
    asked.anew()
    if wrong := asked.run():
        raise RuntimeError(f"undisturbed, {wrong}")
    place, kernels = asked.place / vendor.VENDOR, folder / "kernels"
    kernels.mkdir()
    (kernels / library.LIBRARY).write_bytes(rng.randbytes(5000))
    checksums.seal(kernels, library.LIBRARY)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    while True:
        path = rng.choice([*files, kernels / library.LIBRARY, kernels / checksums.MANIFEST])

        def read(path: Path = path) -> object:
            told(lambda: vendor.is_complete(place, vendor._fingerprint(asked.place)), path.name)
            told(lambda: library._is_whole(kernels), path.name)
            if path.name in (vendor.STAMP, checksums.MANIFEST):  # of which another space changes nothing
                content = path.read_text("utf-8")
                return json.loads(content) if path.name == vendor.STAMP else checksums.parsed(content)
            return path.read_bytes()

        yield noticed(path, rng, read)


@row("one byte changed", "lock files", tries=60, usually=20, slow=False)
def lock_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """Other pins are other packages: they are installed, or refused by pip and npm; what was there is not current."""
    for name in ("requirements.lock", "pyproject.toml", "package.json", "package-lock.json", vendor.KERNELS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)

    def hashes() -> dict[str, str]:
        return {
            "environment": environment._wanted(),
            "vendor": vendor._fingerprint(folder),
            "build": build._source("01_gradients"),
        }

    decides = {
        "requirements.lock": {"environment", "build"},
        "package-lock.json": {"vendor"},
        "package.json": {"vendor"},
    }
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (environment, "PROJECT", folder),
            (environment, "LOCK", folder / "requirements.lock"),
            (build, "PROJECT", folder),
        ):
            patch.setattr(module, name, value)
        before = hashes()
        for name, wanted in itertools.cycle(decides.items()):
            whole = (folder / name).read_bytes()
            (folder / name).write_bytes(flipped(whole, rng))
            now = hashes()
            (folder / name).write_bytes(whole)
            passed = wanted - {what for what in now if now[what] != before[what]}
            yield f"with another {name}, what is there passes for current: {', '.join(passed)}" if passed else ""


@row("one byte changed", "the report's book", tries=60, usually=20, slow=False)
def text_flipped(folder: Path, rng: Random) -> Iterator[str]:
    """The text that RNNREPORT_DATA_DIR names."""
    path = folder / corpora.REPORT_BOOK
    path.write_text("Democracy in a small book. " * 400, "utf-8")
    pin = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(corpora.DATA_DIR, str(folder))
        patch.setitem(corpora.BOOKS, corpora.REPORT_BOOK, pin)
        while True:
            yield noticed(path, rng, corpora.load)


# What is hostile


class Executes:
    """Makes a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.trace, "w")


@row("hostile input", "files", tries=40, usually=40, slow=False)
def hostile_files(folder: Path, rng: Random) -> Iterator[str]:
    """Files that run something where a careless reader opens them: refused, and nothing is run."""
    import torch
    from test_training import network

    trace = folder / "trace"
    tag = f'!!python/object/apply:builtins.open ["{trace}", "w"]'
    writers: list[Callable[[Path], object]] = [
        lambda path: path.write_bytes(pickle.dumps(Executes(trace))),
        lambda path: torch.save({"model.W_ph": Executes(trace)}, path),
        lambda path: path.write_text(f"- {tag}\n", "utf-8"),
        lambda path: path.write_text(f'{{"configuration": {tag}}}', "utf-8"),
    ]

    def run_record(path: Path) -> object:
        return text_networks.kept_training(str(path.parent))

    readers: dict[str, Callable[[Path], object]] = {
        "weights.safetensors": lambda path: load_weights(network(), path),
        "table.parquet": lambda path: recorded.read(str(path)),
        "run.json": run_record,
        "claims.yml": lambda path: stated.claims.__wrapped__(path),
        "bugs.yml": lambda path: bugs.__wrapped__(path),
        "benchmarks.json": lambda path: speed.read(str(path)),
        "collected.json": lambda path: collected(str(path)),
        "profiles.yml": lambda path: values.profiles(path.read_text("utf-8"), tuple(build.CHAPTERS)),
        "a parameter": lambda path: values.read(tag),
        "an executed chapter": lambda path: told(lambda: build._recorded(path), path.name),
    }
    for write, (name, read) in itertools.cycle(itertools.product(writers, readers.items())):
        path = folder / name
        write(path)
        lost = f"{name} is taken"
        try:
            read(path)
        except (ValueError, ReaderError) as error:
            lost = "" if "\n" not in str(error) or isinstance(error, UnicodeDecodeError) else f"{name}: {error}"
        yield f"{name} was executed" if trace.exists() else lost
        trace.unlink(missing_ok=True)


SCRIPTS = (
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "<svg onload='window.ran = 1'>",
    '" onmouseover="window.ran = 1" autofocus onfocus="window.ran = 1',
    "</script><script>window.ran = 1</script>",
    '<iframe srcdoc="<script>parent.ran = 1</script>"></iframe>',
    "[a](javascript:window.ran=1) <a href='javascript:window.ran=1'>b</a>",
    "</figcaption></details><style onload='window.ran = 1'></style>",
    "$<img src=x onerror='window.ran = 1'>$ `<img src=x onerror='window.ran = 1'>`",
    "{{ 7 * 7 }}${window.ran = 1}<!--<script>window.ran = 1</script>-->",
)


def places(text: str) -> dict[str, Callable[[], str]]:
    """Where a reader's text comes to stand, as HTML."""
    table = pd.DataFrame({"text": [text], text: [1.0]})
    table.attrs["provenance"] = text

    def html(shown: Any) -> str:
        return shown._repr_mimebundle_()[0]["text/html"]

    return {
        "a caption": lambda: html(captions.show(text, lambda rows: rows, table, text, details=text, origin=text)),
        "an answer": lambda: html(captions.in_short((text, text, text))),
        "a sentence": lambda: f'<p title="{shown.in_html(text)}">{shown.typeset(text)}</p>',
    }


def drawn_widgets(text: str) -> dict[str, Callable[[], Any]]:
    """Widgets that show a reader's text."""
    import test_widgets

    return {
        "the reader": lambda: test_widgets.PalindromeReader(
            {text: test_widgets.classifier("lstm", 2)}, 4, words={text: text}
        ),
        "the worlds": lambda: test_widgets.worlds(text),
        "the museum": lambda: test_widgets.museum(text),
    }


@row("hostile input", "texts, names and prompts", tries=60, usually=10)
def hostile_texts(folder: Path, rng: Random) -> Iterator[str]:
    """Markup in every text that a page shows, in a browser that has no policy to help it."""
    from conftest import CHROMIUM_FLAGS, PAGE, START, in_page
    from playwright.sync_api import sync_playwright

    require(shutil.which("chromium"), "no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        page = browser.new_page()
        for number in itertools.count():
            text = SCRIPTS[number % len(SCRIPTS)] + rng.choice(["", "\u202e", "x" * 300])
            page.goto("about:blank")
            ways: dict[str, Callable[[], Any]] = {**places(text), **drawn_widgets(text)}
            name = [*ways][number // len(SCRIPTS) % len(ways)]
            what = ways[name]()
            if isinstance(what, str):
                page.set_content(f"<article>{what}</article>")
            else:
                state = what.get_state()
                page.set_content(PAGE.format(css=state["_css"]))
                page.evaluate(START, [state["_esm"], in_page(what)])
            page.evaluate("() => new Promise((done) => setTimeout(done, 50))")
            made = page.locator("script:not([type]), iframe, [onerror], [onload], [onfocus], a[href^=javascript]")
            ran = page.evaluate("window.ran") or made.count()
            yield f"in {name}, {text[:80]!r} came to life" if ran else ""


@row("hostile input", "pages", tries=len(SCRIPTS), usually=len(SCRIPTS))
def hostile_pages(folder: Path, rng: Random) -> Iterator[str]:
    """The same in a page that Jupyter Book makes: a value of a parameter, a caption, what a cell prints."""
    from conftest import CHROMIUM_FLAGS
    from playwright.sync_api import sync_playwright

    require(shutil.which("chromium"), "no Chromium on this machine")
    asked = book(folder, "sphinx", executed=False, hostile=SCRIPTS)
    asked.anew()
    if wrong := asked.run():
        raise RuntimeError(f"undisturbed, {wrong}")
    page_file = asked.place / "html" / "book" / "01_small.html"
    policy = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
    bare = policy.sub("", page_file.read_text("utf-8"))
    page_file.with_name("bare.html").write_text(bare, "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        page = browser.new_page()
        for text in itertools.cycle(SCRIPTS):
            ran = []
            for name in ("01_small", "bare"):
                page.goto(page_file.with_name(f"{name}.html").as_uri(), wait_until="load")
                ran.append(page.evaluate("window.ran"))
            there = shown.visible(text).split()[0] in page.inner_text("body")
            yield f"{text[:80]!r} came to life: {ran}" if any(ran) else "" if there else f"{text[:80]!r} is not there"


# The table


def version() -> str:
    """The version of all of the library's code."""
    return code_version(*sorted(provenance._graph().modules))


def main() -> None:
    """Every row that is not recorded yet for this version of the code, in full; each is added to the table."""
    if hasattr(os, "nice"):
        os.nice(10)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and all that was started ends, too
    file, code = ROOT / "data" / "abuse.csv", version()
    names = [row.name for row in ROWS]
    table = pd.DataFrame([[row.what, row.to, 0, 0, 0, ""] for row in ROWS], columns=list(trust.COLUMNS), index=names)
    if file.exists():
        before = trust.abuse(str(file))
        before.index = pd.Index(before["what"] + ": " + before["to"])
        table = pd.concat([before, table.drop(before.index, errors="ignore")]).reindex(names)
    checksums.write(file, table.to_csv(index=False))  # with what is left to do
    failed = False
    done = {*table.index[table["code"] == code]}
    for row in sorted(ROWS, key=lambda row: row.slow):
        if row.name in done:
            print(f"{row.name}: recorded already", flush=True)
            continue
        with tempfile.TemporaryDirectory(prefix="rnnreport-abuse-", ignore_cleanup_errors=True) as folder:
            try:
                lost = list(row.outcomes(Path(folder), row.tries))
            except (Exception, pytest.skip.Exception) as reason:
                print(f"{row.name}: not tried, since {reason}", flush=True)
                failed = True
                continue
        clean = lost.count("")
        failed |= clean < len(lost)
        print(f"{row.name}: {len(lost)} tried, {clean} clean", *filter(None, lost), sep="\n  ", flush=True)
        table.loc[row.name] = [row.what, row.to, len(lost), clean, len(lost) - clean, code]
        checksums.write(file, table.to_csv(index=False))
    print(f"Recorded: {file}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
