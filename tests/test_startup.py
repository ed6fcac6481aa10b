"""What is imported before anything is done: `--help`, a refusal and a build of nothing need no heavy library.

Seconds depend on the machine, the modules that a process has imported do not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import pytest
from conftest import ROOT

from rnnreport import build, site, vendor

HEAVY = {
    *("torch", "pandas", "numpy", "scipy", "pyarrow", "matplotlib", "sympy", "safetensors"),
    *("papermill", "nbformat", "nbclient", "IPython", "distributed", "dask"),
}
SCRIPT = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: print(*{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr))
from rnnreport import build, cli, vendor
build.BUILD = Path({folder!r})
build.book.__defaults__ = ("quick", build.BUILD)
vendor.fetch = lambda root: None
cli.main()
"""


def imported(folder: Path, *words: str) -> tuple[set[str], str]:
    """What the command has imported when it ends, by the names of packages, and what it said before that."""
    command = [sys.executable, "-c", SCRIPT.format(folder=str(folder)), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    *said, names = done.stderr.splitlines()
    return set(names.split()), "\n".join([done.stdout, *said])


def test_there_are_such_libraries(tmp_path: Path) -> None:
    assert all(map(find_spec, HEAVY))
    (tmp_path / "weights-4.safetensors").write_text("no weights")
    names, said = imported(tmp_path, "train", "text", "--folder", str(tmp_path))
    assert "weights-4.safetensors was not written by this command and is kept" in said
    assert {"torch", "pandas", "safetensors"} <= names


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--help"], "Usage: "),
        (["run", "--help"], "Usage: "),
        (["run", "09_missing"], "there is no chapter '09_missing'"),
        (["run", "02_rnn_versus_lstm", "--profile", "huge"], "there is no profile 'huge'"),
        (["run", "02_rnn_versus_lstm", "-p", "tau", "5"], "there is no parameter 'tau' here"),
        (["run", "02_rnn_versus_lstm", "-p", "learning_rate", "0"], "learning_rate must be a number"),
        (["run", "02_rnn_versus_lstm", "-p", "device", "abacus"], "device must be cpu, cuda or mps"),
        (["run", "03_temporal_gate", "-p", "recorded_file", "none"], "there is no 'none'"),
        (["run", "04_text_generation", "-p", "corpus", "shakespeare", "-p", "prompt", "日"], "the model knows no '日'"),
        (["run", "04_text_generation", "-p", "corpus", "none.txt"], "is neither a text file nor one of"),
        (["run", "04_text_generation", "-p", "long_folder", "none"], "'none' is no folder that"),
        (["run", "05_claims", "-p", "collected_file", "none"], "collected_file must be ''"),
        (["run", "06_speed", "-p", "benchmarks_file", "none"], "benchmarks_file must be a file that"),
        (["run", "01_gradients", "-o", "book"], "would lie among the book's own files"),
        (["sweep", "01_gradients", "--grid", "lengths=x..y"], "--grid lengths=x..y"),
        (["sweep", "02_rnn_versus_lstm", "--grid", "device=cpu,gpu"], "device must be cpu, cuda or mps"),
        (["sweep", "01_gradients", "--scheduler", "here"], "a scheduler's address is like"),
        (["record", "01_gradients"], "01_gradients shows no runs that this records"),
        (["train", "novel"], "there is nothing to train called 'novel'"),
        (["train", "text"], "checkpoint.safetensors exists; --resume goes on from it"),
        (["train", "text-short"], "text-short holds a training that is done"),
        (["train", "text", "--resume", "--folder", "none"], "checkpoint.safetensors to resume from"),
        (["train", "text", "--folder", "README.md"], "nothing can be written into"),
        (["bench", "--sweep", "--quick", "--profile"], "--sweep takes no"),
        (["bench", "--learning", "--quick"], "--learning takes no"),
        (["bench", "--profile", "-o", "out.json"], "--profile prints and records nothing"),
        (["bench", "-o", "book"], "would lie among the book's own files"),
        (["serve"], "there is no book yet"),
    ],
)
def test_help_and_refusals_need_none(words: list[str], says: str, tmp_path: Path) -> None:
    names, said = imported(tmp_path, *words)
    assert says in said
    assert not names & HEAVY


def test_a_build_of_nothing_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All chapters are known by their fingerprints; what they would show, and the pages, play no part."""

    def without_kernel(source: Path, values: Mapping[str, Any], output: Path, stderr: TextIO | None) -> str:
        notebook = json.loads(source.read_bytes())
        for cell in notebook["cells"]:
            cell["metadata"].setdefault("tags", [])  # as papermill does
        output.write_text(json.dumps({**notebook, "metadata": {"papermill": {}}}), "utf-8")
        return ""

    def without_pages(stage: Path, log: Path) -> Path:
        html = stage / "html"
        html.mkdir()
        (html / "index.html").write_text("the book")
        return html

    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setattr(build, "_papermill", without_kernel)
    run_chapters = build._run_chapters

    def one_by_one(wanted: Mapping[str, Any], outputs: Mapping[str, Path]) -> None:
        """Side by side they would run in other processes, with kernels."""
        for chapter, values in wanted.items():
            run_chapters({chapter: values}, outputs)

    monkeypatch.setattr(build, "_run_chapters", one_by_one)
    monkeypatch.setattr(site, "_jupyter_book", without_pages)
    monkeypatch.setattr(vendor, "fetch", lambda root: None)
    build.book("quick", tmp_path)
    names, said = imported(tmp_path, "book", "--profile", "quick")
    assert said.count("nothing changed") == len(build.CHAPTERS)
    assert "Building" not in said
    assert not names & HEAVY
