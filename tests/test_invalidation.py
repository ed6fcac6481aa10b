"""What runs again after a change: each module, script and notebook is edited in a copy of the library, and no other.

Nothing is run for that. A chapter runs again where its fingerprint is another, a training where its key is.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from rnnreport import build, provenance
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.experiments.sequences import SequenceRun, train_sequences
from rnnreport.experiments.text_training import TextRun, train_text
from rnnreport.provenance import PLUMBING
from rnnreport.runs import key_of
from rnnreport.sequences import MarkedDigit
from rnnreport.widgets import kernels

RUNS = {
    "palindromes": (train_palindromes, PalindromeRun.of("lstm", length=5, seed=0)),
    "sequences": (train_sequences, SequenceRun.of(MarkedDigit(length=2), None, seed=0, steps=1)),
    "text": (train_text, TextRun.of(1, sha256="")),
}
Again = Callable[[dict[Path, str]], tuple[set[str], set[str]]]
ALL_RUNS = "palindromes sequences text"

# Chapters: those that train, those that draw or show a figure, and every page.
TRAINING, DRAWING = "01c 02 03 03b 04 06 07", "01 01b 01c 02 03 03b 04 06 07 08"
ALL = f"{DRAWING} 05 index"

# Files of the library, the chapters that depend on them, and the trainings whose numbers they decide.
TABLE = [
    # What a chapter has to itself: its experiments, predicates, figures and widgets.
    ("claims/gradients.py experiments/gradients.py", "01", ""),
    ("figures/gradients.py", "01 01b", ""),
    ("figures/diagrams.py", "01 01b 02 03 04", ""),
    ("parameters/gradients.py", "01", ""),
    ("parameters/lstm_gradients.py experiments/lstm_gradients.py", "01b", ""),
    ("widgets/derivation.py widgets/derivation.js", "01", ""),
    ("widgets/vanishing_gradient.py widgets/vanishing_gradient.js", "01", ""),
    ("parameters/cell_path.py experiments/cell_path.py claims/cell_path.py figures/cell_path.py", "01c", ""),
    ("experiments/rnn_versus_lstm.py experiments/kept.py claims/rnn_versus_lstm.py", "02", ""),
    ("parameters/rnn_versus_lstm.py figures/rnn_versus_lstm.py figures/memory.py", "02", ""),
    ("widgets/palindrome_reader.py widgets/palindrome_reader.js", "02", ""),
    ("experiments/multiverse.py experiments/drawn_state.py figures/multiverse.py", "02", ""),
    ("widgets/worlds.py widgets/worlds.js", "02", ""),
    ("experiments/temporal_gate.py experiments/gate.py claims/temporal_gate.py", "03", ""),
    ("parameters/temporal_gate.py figures/temporal_gate.py", "03", ""),
    ("figures/gate.py", "01b 03", ""),
    ("parameters/comparisons.py experiments/comparisons.py figures/comparisons.py", "03b", ""),
    ("widgets/gate_population.py widgets/gate_replay.py", "03", ""),
    ("widgets/gate_population.js widgets/gate_replay.js widgets/gate_map.js", "03", ""),
    ("parameters/text.py experiments/text_recipes.py", "04", ""),
    ("experiments/text.py experiments/text_networks.py experiments/learned.py claims/text.py", "04", ""),
    ("baselines.py", "04", ""),
    ("figures/text.py figures/text_tables.py", "04", ""),
    ("widgets/character_writer.py widgets/character_writer.js widgets/writer.js widgets/shown.js", "04", ""),
    ("widgets/gate_trainer.py widgets/gate_trainer.js", "03", ""),
    ("widgets/text_trainer.py widgets/text_trainer.js widgets/text_training.js widgets/safetensors.js", "04", ""),
    ("claims/ledger.py", "05 index", ""),
    ("claims/overview.py parameters/claims.py", "05 index", ""),
    ("captions.py", DRAWING, ""),
    ("origin.py", f"{DRAWING} 05 index", ""),
    ("parameters/speed.py experiments/speed.py figures/speed.py", "06", ""),
    ("experiments/trust.py figures/trust.py parameters/trust.py", "08", ""),
    ("parameters/museum.py experiments/museum.py figures/museum.py", "07", ""),
    ("bugs.py", "07 08", ""),
    ("widgets/bug_museum.py widgets/bug_museum.js", "07", ""),
    # What chapters share. It decides no training's numbers.
    ("sampling.py", "04 07", ""),
    ("gradients/proof.py gradients/symbolic.py", "01 01b", ""),
    ("gradients/__init__.py gradients/judges.py gradients/printed.py", "01 01b 01c 02", ""),
    ("gradients/rnn.py gradients/lstm.py", "01 01b 01c 02", ""),
    ("cell_path.py", "01c 02", ""),
    ("__init__.py", "02", ""),
    ("experiments/horizon.py", "02 03 03b", ""),
    ("parameters/training.py", "01c 02 03 03b 04", ""),
    ("experiments/recorded.py", "01c 02 03 03b 04 06", ""),
    ("widgets/weights.js", "02 03 04", ""),
    ("widgets/temporal_gate.py widgets/temporal_gate.js widgets/gate.js", "03", ""),
    ("widgets/page.py widgets/page.js widgets/widgets.css", "01 02 03 04 07 index", ""),
    ("widgets/kernels.py vendor.py", "02 03 04 index", ""),
    ("widgets/network.js widgets/kernels.ts widgets/plain.js widgets/chance.js", "02 03 04 index", ""),
    ("widgets/trainer.js", "02 03 04 index", ""),
    ("widgets/curves.js", "02 03 04 07 index", ""),
    ("widgets/training.js widgets/trainings.js widgets/tasks.js", "02 03 index", ""),
    ("widgets/lesson.py widgets/lesson.js", "02 03 index", ""),
    ("widgets/palindrome_trainer.py widgets/palindrome_trainer.js", "02 index", ""),
    ("claims/evidence.py", "02 03 04", ""),
    ("claims/verdicts.py", "01 01c 02 03 04 05 index", ""),
    ("claims/stated.py", "01 01c 02 03 04 05 index", ""),
    ("catalogue.py", "01 01c 02 03 04 05 07 08 index", ""),
    ("claims/uncertainty.py", "01 01c 02 03 04 05 08 index", ""),
    ("claims/collected.py", ALL, ""),
    ("figures/__init__.py", DRAWING, ""),
    ("words.py intervals.py", ALL, ""),
    # What decides the numbers of trainings.
    ("experiments/palindromes.py", "01c 02 03 03b", "palindromes sequences"),
    ("palindromes.py", "01c 02 03 03b 07", "palindromes sequences"),
    ("experiments/sequences.py sequences.py", "03 03b", "sequences"),
    ("experiments/text_training.py experiments/text_run.py corpora.py", "03b 04 06", "text"),
    ("windows.py", "03b 04 06 07", "text"),
    ("models.py", f"{TRAINING} index", ALL_RUNS),
    ("training.py", f"{TRAINING} 08", ALL_RUNS),
    ("configuration.py", f"{TRAINING} 08 index", ALL_RUNS),
    ("recurrence.py backward.py", "01b 01c 02 03 03b 04 06 07 index", ALL_RUNS),
    ("backends.py", "01b 01c 02 03 03b 04 06 07 08 index", ALL_RUNS),
    ("cells.py", "01 01b 01c 02 03 03b 04 06 07 index", ALL_RUNS),
    # What schedules, stores and says: nothing is trained anew.
    ("runs.py sweep.py", f"{TRAINING} 08", ""),
    ("storage.py checksums.py system.py", ALL, ""),
    ("parameters/__init__.py errors.py provenance.py shown.py", ALL, ""),
    ("locks.py outputs.py values.py grid.py", "", ""),
    # What builds and shows the book; and kernels, whose sources are in what a run says of its backend.
    ("build.py crate.py site.py sbom.py pdf.py serve.py environment.py cli.py __main__.py", "", ""),
    ("claims/__init__.py experiments/__init__.py widgets/__init__.py", "", ""),
    ("native/__init__.py native/library.py native/kernels.h native/lstm.cpp native/sampling.cpp", "", ""),
    ("native/autograd.py native/gate.cpp native/rnn.cpp native/sparse_sequences.cpp native/sparse_gate.cpp", "", ""),
]
AFFECTED = {
    file: (set(chapters.split()), set(runs.split())) for files, chapters, runs in TABLE for file in files.split()
}
SHOWN = {
    "cells.py": "02 03 03b",
    "models.py": "02",
    "training.py": "02",
}  # chapters that show its source, with docstrings


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of all that a fingerprint knows at any parameters, of which fingerprints and keys are then made."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("rnnreport", "book"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "_static"))
    stated = [f"data/{name}.yml" for name in ("claims", "bugs", "report_samples", "survivors")]
    for name in ("requirements.lock", *stated, *kernels.READS):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():  # the page's kernels may not be compiled here
            shutil.copy(ROOT / name, copy / name)
    with pytest.MonkeyPatch.context() as patch:
        look_at(copy, patch)
        yield copy
    provenance.code_version.cache_clear()


def look_at(project: Path, patch: pytest.MonkeyPatch) -> None:
    for module in (build, provenance):
        patch.setattr(module, "PROJECT", project)
    patch.setattr(build, "BOOK", project / "book")


@pytest.fixture(scope="module")
def before(project: Path) -> dict[str, str]:
    """The stamps before any edit."""
    return stamps()


def stamps() -> dict[str, str]:
    """The chapters' fingerprints, but for their parameters, and a key of each kind of run."""
    provenance.code_version.cache_clear()
    chapters = {chapter.partition("_")[0]: build._source(chapter) for chapter in build.CHAPTERS}
    return {**chapters, **{name: key_of(*run) for name, run in RUNS.items()}}


@pytest.fixture
def again(before: dict[str, str]) -> Again:
    """The chapters and the trainings that run again after edits, which are then taken back."""

    def after(edits: dict[Path, str]) -> tuple[set[str], set[str]]:
        contents = {path: path.read_bytes() for path in edits}
        for path, text in edits.items():
            path.write_text(text, encoding="utf-8")
        found = stamps()
        for path, content in contents.items():
            path.write_bytes(content)
        changed = {name for name in before if before[name] != found[name]}
        return changed - set(RUNS), changed & set(RUNS)

    return after


def test_every_file_of_the_library_has_its_row() -> None:
    files = [path for path in (ROOT / "rnnreport").rglob("*.*") if "__pycache__" not in path.parts]
    assert set(AFFECTED) == {path.relative_to(ROOT / "rnnreport").as_posix() for path in files if path.is_file()}


def test_a_copy_has_the_same_stamps(before: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    look_at(ROOT, monkeypatch)
    assert stamps() == before


@pytest.mark.parametrize("file", AFFECTED)
def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(project: Path, again: Again, file: str) -> None:
    path = project / "rnnreport" / file
    edited = {".py": "\n_edited = True\n", ".js": "\nconst edited = true;\n"}.get(path.suffix, "\n/* edited */\n")
    assert again({path: path.read_text("utf-8") + edited}) == AFFECTED[file]


def with_other_docstrings(source: str) -> str:
    """The module with something new at the beginning of every docstring, and a comment and blank lines at its end."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node) is not None:
            place = node.body[0]
            at = place.col_offset + lines[place.lineno - 1][place.col_offset :].index('"""') + 3
            lines[place.lineno - 1] = f"{lines[place.lineno - 1][:at]}Edited. {lines[place.lineno - 1][at:]}"
    return "".join(lines) + "\n\n\n# edited\n"


def test_docstrings_comments_and_layout_run_nothing_again(project: Path, again: Again) -> None:
    sources = [project / "rnnreport" / file for file in AFFECTED if file.endswith(".py") and file not in SHOWN]
    edits = {path: with_other_docstrings(path.read_text("utf-8")) for path in sources}
    assert sum(text.count("Edited. ") for text in edits.values()) > 300
    assert again(edits) == (set(), set())


@pytest.mark.parametrize("file", SHOWN)
def test_where_a_chapter_shows_a_source_its_docstrings_count(project: Path, again: Again, file: str) -> None:
    path = project / "rnnreport" / file
    assert again({path: with_other_docstrings(path.read_text("utf-8"))}) == (set(SHOWN[file].split()), set())


@pytest.mark.parametrize("chapter", build.CHAPTERS)
@pytest.mark.parametrize("kind", ["code", "markdown"])
def test_a_chapter_runs_again_for_its_code_and_not_for_its_words(
    project: Path, again: Again, chapter: str, kind: str
) -> None:
    path = project / "book" / f"{chapter}.ipynb"
    notebook = json.loads(path.read_bytes())
    cell = [cell for cell in notebook["cells"] if cell["cell_type"] == kind][-1]
    cell["source"] = ["# edited\n", *cell["source"]]
    expected = {chapter.partition("_")[0]} if kind == "code" else set()
    assert again({path: json.dumps(notebook)}) == (expected, set())


def test_plumbing_can_touch_no_number() -> None:
    """It computes nothing, and imports nothing that does but what tells settings, kernels and threads."""
    for module in PLUMBING:
        tree = ast.parse(provenance._source(module).read_text("utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert not {name.partition(".")[0] for name in imported} & {"torch", "numpy", "scipy"}
    graph = provenance._graph()
    beyond = set().union(*(graph.find_modules_directly_imported_by(module) for module in PLUMBING)) - PLUMBING
    assert beyond == {f"rnnreport.{name}" for name in ("backends", "configuration", "training")}
