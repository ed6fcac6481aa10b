"""What differs between operating systems, each as it is on the others, too."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import posix

from rnnreport import system


@pytest.mark.parametrize(("windows", "name"), [(False, "bin/python"), (True, "Scripts/python.exe")])
def test_the_interpreter_of_an_environment(windows: bool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "WINDOWS", windows)
    assert system.python_of(Path("a")) == Path("a", *name.split("/"))


def test_the_interpreter_of_this_environment_is_this_one() -> None:
    python = system.python_of(Path(sys.prefix))
    assert python.exists()
    assert os.path.samefile(python, sys.executable)


def test_another_program_goes_on_in_place_of_this_one() -> None:
    script = "import sys; from rnnreport import system; system.become([sys.executable, '-c', 'raise SystemExit(7)'])"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 7


def test_on_windows_the_prompt_waits_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "WINDOWS", True)
    monkeypatch.delattr(os, "execv")
    with pytest.raises(SystemExit) as end:
        system.become([sys.executable, "-c", "raise SystemExit(7)"])
    assert end.value.code == 7


def test_processors_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert system.cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS and Windows
    assert system.cores() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert system.cores() == 1


def test_signals_that_the_parent_ignored_are_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN if number == signal.SIGTERM else None)
    asked = system.stop_signals()
    assert signal.SIGINT in asked
    assert signal.SIGTERM not in asked
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    assert system.stop_signals() == [signal.SIGINT]


@pytest.mark.parametrize(
    ("windows", "length", "transport"), [(False, 60, "ipc"), (False, 89, "ipc"), (False, 90, "tcp"), (True, 60, "tcp")]
)
def test_a_kernel_is_reached_by_sockets_in_a_folder_where_their_names_fit(
    windows: bool, length: int, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "WINDOWS", windows)
    name = "é" + (length - 2) * "a"  # bytes count
    assert system.transport(Path(name)) == transport


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that are synced from now on; nothing is."""
    found: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: found.append(os.fstat(descriptor).st_ino))
    return found


def test_files_and_folders_are_synced_and_links_are_not(tmp_path: Path, synced: list[int]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path / "file", tmp_path / "link"):
        system.sync(path)
    assert synced == [(tmp_path / "file").stat().st_ino]


@posix
def test_a_folder_s_names_are_synced(tmp_path: Path, synced: list[int]) -> None:
    system.sync(tmp_path)
    assert synced == [tmp_path.stat().st_ino]


def test_windows_syncs_files_that_it_opened_for_writing_and_no_folders(
    tmp_path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "WINDOWS", True)
    opened, opening = [], os.open

    def noted(path: Path, flags: int) -> int:
        opened.append(flags)
        return opening(path, flags)

    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "open", noted)
    system.sync(tmp_path)
    system.sync(tmp_path / "file")
    assert opened == [os.O_RDWR]
    assert len(synced) == 1


@pytest.mark.parametrize("number", [*system.NOT_SUPPORTED, 5])
def test_a_file_system_that_cannot_sync_is_no_error_and_a_failing_disk_is(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(number, "said the disk")

    monkeypatch.setattr(os, "fsync", failing)
    (tmp_path / "file").touch()
    if number in system.NOT_SUPPORTED:
        system.sync(tmp_path / "file")
    else:
        with pytest.raises(OSError, match="said the disk"):
            system.sync(tmp_path / "file")


def test_where_nothing_syncs_all_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(os, "sync", lambda: called.append(1), raising=False)
    system.sync_all()
    assert called == [1]
    monkeypatch.delattr(os, "sync")
    system.sync_all()


def test_where_files_cannot_be_locked_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "fcntl":
            raise ImportError(name)
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    inside = []
    with system.alone(tmp_path):
        inside.append("first")
        with system.alone(tmp_path):
            inside.append("second")
    assert inside == ["first", "second"]


def test_a_file_system_without_locks_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def failing(*_: int) -> None:
        raise OSError(38, "no locks here")

    monkeypatch.setattr(fcntl, "flock", failing)
    entered = False
    with system.alone(tmp_path):
        entered = True
    assert entered
