"""``python -m rnnreport`` makes its environment; tried with a pip that only takes notes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnreport import environment


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A checkout without an environment; returns the commands that were run, none of which does anything."""
    for name in ("requirements.lock", "pyproject.toml", "_config.yml"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(environment, "PROJECT", tmp_path)
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(environment, "LOCK", tmp_path / "requirements.lock")
    commands: list[list[str]] = []

    def run(command: list[str | Path], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append([str(word) for word in command])
        if "venv" in commands[-1]:
            (tmp_path / ".venv" / "bin").mkdir(parents=True)
            (tmp_path / ".venv" / "bin" / "python").touch()
        return subprocess.CompletedProcess(commands[-1], 0)

    def execv(path: str, command: list[str]) -> None:
        commands.append(["exec", *command])

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "execv", execv)
    return commands


def test_the_environment_is_made_once_and_entered(checkout: list[list[str]], tmp_path: Path) -> None:
    environment.enter(["book"])
    python = str(tmp_path / ".venv" / "bin" / "python")
    assert checkout[0][:3] == [sys.executable, "-m", "venv"]
    assert [command[-1] for command in checkout[1:4]] == [
        str(tmp_path / "requirements.lock"),
        environment.WITHOUT_DEPENDENCIES,
        str(tmp_path),
    ]
    assert checkout[4] == ["exec", python, "-m", "rnnreport", "book"]
    checkout.clear()
    environment.enter(["test"])
    assert checkout == [["exec", python, "-m", "rnnreport", "test"]]


def test_another_lock_is_installed_again(checkout: list[list[str]], tmp_path: Path) -> None:
    environment.enter([])
    checkout.clear()
    (tmp_path / "requirements.lock").write_text("newer")
    environment.enter([])
    assert any("install" in command for command in checkout)


def test_an_installation_that_fails_is_told_and_done_again(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    works = subprocess.run
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(works(command).args, int("install" in map(str, command))),
    )
    with pytest.raises(SystemExit) as stop:
        environment.enter([])
    assert stop.value.code == 2
    assert "pip could not install" in capsys.readouterr().err
    monkeypatch.setattr(subprocess, "run", works)
    checkout.clear()
    environment.enter([])
    assert any("install" in command for command in checkout)


def test_an_old_python_and_a_missing_checkout_are_told(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "_config.yml").unlink()
    with pytest.raises(SystemExit):
        environment.enter([])
    assert "runs from a checkout of its repository" in capsys.readouterr().err
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(SystemExit):
        environment.enter([])
    assert "needs Python 3.11 or newer" in capsys.readouterr().err
    assert checkout == []


def test_clean_removes_what_was_built_and_makes_no_environment(
    checkout: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor = tmp_path / "book" / "_static" / "vendor"
    for folder in (tmp_path / "_build" / "html", vendor, tmp_path / ".venv"):
        folder.mkdir(parents=True)
    environment.clean()
    assert not (tmp_path / "_build").exists()
    assert not vendor.exists()
    assert (tmp_path / ".venv").exists()
    assert capsys.readouterr().out.splitlines() == ["removed _build", f"removed {vendor.relative_to(tmp_path)}"]
    environment.clean()
    assert checkout == []
