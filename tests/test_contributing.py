"""CONTRIBUTING.md keeps its word: it is short, names what is there, and its recipes work as they are printed.

A recipe is followed in a copy of the project. Its last piece is the try-out: it is run in a process of its own, and
what it prints is held against the comments behind its lines.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

from rnnreport import checksums

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^\*\*An? ([\w ]+)\*\*.*?^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))
PLACE = re.compile(r"(?P<code>.*?) *# (?P<file>[\w./]+\.(?:py|yml|ipynb))(?:, (?P<where>.+))?|(?P<last>.+?) *# try it")
READ = re.compile(r"^\d\. `(rnnreport/[\w/]+\.py)`: ((?:`\w+`(?:, )?)+)\.", re.MULTILINE)
Piece = tuple[str, str, str]  # file, where in it, code


def section(title: str) -> list[str]:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0].splitlines()


def pieces(recipe: str) -> list[Piece]:
    """The pieces of a recipe, each up to the next comment that says where it goes; the try-out has no file."""
    found: list[tuple[str, str, list[str]]] = []
    for line in RECIPES[recipe].splitlines():
        if place := PLACE.fullmatch(line):
            code = place["last"] or place["code"]
            found.append((place["file"] or "", place["where"] or "", [code] if code else []))
        else:
            found[-1][2].append(line)
    return [(file, where, "\n".join(code) + "\n") for file, where, code in found]


def test_it_is_short() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 130
    assert max(map(len, lines)) <= 120
    assert len(section("The house")) <= 40


def test_every_module_has_one_room() -> None:
    rows = [line.split("|") for line in section("The house") if line.startswith("|")][2:]
    there = [path for path in (ROOT / "rnnreport").iterdir() if not path.name.startswith("__")]
    named = [path.stem if path.suffix == ".py" else f"{path.name}/" for path in there]
    modules = [name for row in rows for name in re.findall(r"`(.+?)`", row[2])]
    assert sorted(modules) == sorted(named)


def test_what_is_to_be_read_first_is_there_and_is_little() -> None:
    read = READ.findall("\n".join(section("Read this first")))
    lines = 0
    for file, names in read:
        there = {
            node.name: node.end_lineno - node.lineno + 1
            for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.end_lineno
        }
        lines += sum(there[name] for name in re.findall(r"\w+", names))
    assert [Path(file).stem for file, _ in read][:3] == ["cells", "recurrence", "training"]
    assert {Path(file).parent.name for file, _ in read} == {"rnnreport", "experiments", "figures"}
    assert lines <= 300


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a recipe needs of the project."""
    for name in ("rnnreport", "book", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "_static"))
    for name in ("requirements.lock", "pyproject.toml", "_toc.yml", "data/claims.yml", "data/SHA256SUMS"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def follow(recipe: str, copy: Path) -> str:
    """Put the pieces where they say, see that the linter has nothing to say of them, and return the try-out."""
    *parts, (file, _, last) = pieces(recipe)
    if file:
        parts.append((file, "a cell tagged hide-input", last))
    for part in parts:
        put(copy, *part)
    checksums.renew(copy / "data" / "claims.yml")  # as `rnnreport tidy` does
    for words in (["ruff", "format", "."], ["ruff", "check", "."], ["lint-imports", "--no-cache"]):
        check(copy, *words)
    return last


def check(copy: Path, tool: str, *words: str) -> None:
    """Run one of the linters in the copy; it must find nothing."""
    command = [str(Path(sys.executable).parent / tool), *words]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def put(copy: Path, file: str, where: str, code: str) -> None:
    path = copy / file
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4) if path.exists() else nbformat.v4.new_notebook()
        notebook.cells.append(nbformat.v4.new_code_cell(code.strip(), metadata={"tags": [where.split()[-1]]}))
        notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        nbformat.write(notebook, path)
        return
    before, after = path.read_text(encoding="utf-8") if path.exists() else "", ""
    if where:
        how, beginning = re.fullmatch(r"(above|in place of) (.+)", where).groups()  # type: ignore[union-attr]
        lines = before.splitlines(keepends=True)
        (number,) = (number for number, line in enumerate(lines) if line.strip().startswith(beginning))
        before, after = "".join(lines[:number]), "".join(lines[number + (how == "in place of") :])
    path.write_text(before + code + after, encoding="utf-8")


def run(copy: Path, *command: str) -> str:
    """What the command prints, with the copy in place of this library."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "RNNREPORT_RUNS_DIR": ""}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def promised(code: str) -> list[str]:
    """What the lines of a try-out say they print."""
    return re.findall(r"^print\(.*\)  # (.+)$", code, re.MULTILINE)


@pytest.mark.slow
def test_a_new_cell(copy: Path) -> None:
    trial = follow("cell", copy)
    more = """
sequence = torch.randn(5, 2, 3, dtype=torch.float64)
network = models.RECURRENCES["leaky-rnn"](3, 4, num_layers=2).double()
print(torch.autograd.gradcheck(lambda x: network(x)[0], sequence.requires_grad_()))
from rnnreport.experiments.palindromes import PalindromeRun, new_network
print(type(new_network(PalindromeRun.of("leaky-rnn", 5, seed=0)).recurrence).__name__)
"""
    assert promised(trial) == ["True"]
    assert run(copy, "-c", trial + more).split() == ["True", "True", "LeakyRNN"]


@pytest.mark.slow
def test_a_new_task(copy: Path) -> None:
    trial = follow("task", copy)
    assert promised(trial) == ["True"]
    assert run(copy, "-c", trial).split() == ["True"]


IN_THE_CHAPTER = """
import json, types
from rnnreport import sweep
from rnnreport.captions import show
from rnnreport.claims.rnn_versus_lstm import judge
from rnnreport.experiments import rnn_versus_lstm as experiments
from rnnreport.figures import rnn_versus_lstm as drawn

sweep.run = lambda calls, *others, **options: {name: call() for name, call in calls.items()} and {}
p = types.SimpleNamespace(seeds=[0, 1, 2], train_steps=30)
"""


@pytest.mark.slow
def test_a_new_experiment_its_figure_and_its_claim(copy: Path) -> None:
    rows, figure, verdict = follow("experiment", copy).splitlines()
    code = f"""{IN_THE_CHAPTER}
{rows}
print(json.dumps([{figure}._repr_mimebundle_()[0], {verdict}._repr_mimebundle_()[1]]))
"""
    figure_shown, verdict_kept = json.loads(run(copy, "-c", code))
    assert figure_shown["text/plain"].startswith("Figure 2.30. After 30 steps: scalar: ")
    assert "data:image/svg+xml" in figure_shown["text/html"]
    assert "trained live: 6 runs, seeds 0, 1, 2" in figure_shown["text/html"]
    (kept,) = verdict_kept["rnnreport"]["verdicts"]
    assert (kept["id"], kept["verdict"]) == ("one-hot", "cannot tell")  # of three seeds, where the claim takes twenty
    assert re.match(r"Lead: 0\.\d+ \(.+ to .+\); needed: above 0\. The claim takes at least 20", kept["evidence"])


@pytest.mark.slow
def test_a_new_chapter(copy: Path) -> None:
    follow("experiment", copy)
    command = follow("chapter", copy).split()
    assert command[0] == "rnnreport"
    run(copy, "-c", "from rnnreport.cli import main; main()", *command[1:], "-o", "out.ipynb")
    notebook = nbformat.read(copy / "out.ipynb", as_version=4)
    shown = [
        output.data["text/plain"] for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output
    ]
    assert [words.partition(":")[0] for words in shown] == ["Figure 9.1. After 20 steps"]
    assert notebook.metadata["rnnreport"]["parameters"]["train_steps"] == 20


@pytest.mark.slow
def test_what_the_recipes_add_has_the_right_types(copy: Path) -> None:
    for recipe in RECIPES:
        follow(recipe, copy)
    check(copy, "mypy")
