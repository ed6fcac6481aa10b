"""What `make test` runs, and the lines it ends in."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from conftest import FIRST, ROOT, summary
from test_cli import call

from rnnreport import cli


def reports(*names: str, reason: str = "") -> list[SimpleNamespace]:
    return [SimpleNamespace(nodeid=name, longrepr=("file", 1, f"Skipped: {reason}")) for name in names]


def test_three_lines_say_what_was_tested_what_was_skipped_and_why_and_how_it_ended() -> None:
    passed = reports("tests/a.py::one", "tests/a.py::two", "tests/b.py::one", "book/1.ipynb::Cell 0")
    assert summary({"passed": passed}) == [
        "Tested: 3 tests in 2 files, 1 cells in 1 notebooks",
        "Skipped: nothing",
        "Result: all passed",
    ]
    stats = {
        "passed": passed,
        "failed": reports("tests/c.py::one", "book/1.ipynb::Cell 1"),
        "error": reports("tests/c.py::two"),
        "skipped": [*reports("x", "y", reason="no device"), *reports("z", reason="no browser")],
    }
    assert summary(stats, ["what -m 'not slow' leaves out"]) == [
        "Tested: 4 tests in 3 files, 2 cells in 1 notebooks",
        "Skipped: 2 since no device; 1 since no browser; what -m 'not slow' leaves out",
        "Result: 3 failed: tests/c.py::one, book/1.ipynb::Cell 1, tests/c.py::two",
    ]
    assert summary({"passed": passed}, status=2)[-1] == "Result: pytest ended with 2"
    many = summary({"failed": reports(*(f"tests/a.py::{number}" for number in range(7)))})
    assert many[-1] == f"Result: 7 failed: {', '.join(f'tests/a.py::{number}' for number in range(5))}, …"


def test_all_tests_and_all_notebooks_run_in_a_process_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of pytest: what fails in one file keeps no other from running, and the status is of all."""
    asked: list[list[str]] = []

    def run(command: list[str], cwd: object) -> SimpleNamespace:
        asked.append(command)
        assert cwd == ROOT
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(cli.vendor, "fetch", lambda root: None)
    monkeypatch.setenv("RNNREPORT_WORKERS", "5")
    assert call("test", monkeypatch=monkeypatch) == 3
    assert call("test", "--all", monkeypatch=monkeypatch) == 3
    assert call("test", "--", "tests/test_cells.py", "-x", monkeypatch=monkeypatch) == 3
    assert call("test", "--abuse", monkeypatch=monkeypatch) == 3
    assert asked.pop()[1:] == ["tests/abuse.py"]
    usual, everything, some = (command[command.index("pytest") + 1 :] for command in asked)
    assert {"tests", "book", "--nbval-lax", "--dist=loadscope", "--continue-on-collection-errors"} <= set(everything)
    assert everything[everything.index("--numprocesses") + 1] == "6"
    assert [word for word in usual if word not in ("-m", "not slow")] == everything
    assert usual[usual.index("-m") + 1] == "not slow"
    assert some == ["tests/test_cells.py", "-x"]


def test_what_takes_longest_is_there() -> None:
    assert all((ROOT / "tests" / f"{name}.py").exists() or (ROOT / name).is_dir() for name in FIRST)
