"""The engine for many runs, with real deaths: of workers, drivers, schedulers and disks."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import dask
import nbformat
import pandas as pd
import psutil
import pytest
from conftest import eventually, posix, require
from test_cli import call
from test_runs import palindrome_run

from rnnreport import build, runs, sweep
from rnnreport.claims.collected import VERDICTS
from rnnreport.experiments import cell_path
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.runs import RUNS_DIR, RunError, key_of, run_all
from rnnreport.sweep import SweepError

MANY = [palindrome_run(seed, steps=800, hidden_size=16) for seed in range(4)]  # half a second or two each

# The command line's own process, so that it can be killed.
COMMAND = [sys.executable, "-c", "from rnnreport.cli import main; main()"]
CLUSTER = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers={workers}, threads_per_worker={threads}, host="127.0.0.1", dashboard_address=":0")
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


def contents(store: Path, configurations: list[PalindromeRun]) -> dict[str, str]:
    """A hash of all that the runs left, but for the seconds they took, after a look that nothing else is there."""
    keys = [key_of(train_palindromes, configuration) for configuration in configurations]
    assert sorted(path.name for path in store.iterdir() if path.is_dir()) == sorted(keys)
    found: dict[str, str] = {}
    for key in keys:
        table = pd.read_parquet(store / key / "table.parquet").drop(columns="seconds")
        found[key] = f"{list(table)} {hashlib.sha256(table.to_numpy(float).tobytes()).hexdigest()}"
        for path in (store / key).glob("*.safetensors"):
            found[f"{key}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        assert (store / key / "run.json").exists()
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What :func:`contents` says of the runs when nothing happens to them."""
    store = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNS_DIR, str(store))
        run_all(train_palindromes, MANY)
    return contents(store, MANY)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_DIR, str(tmp_path / "store"))
    return tmp_path / "store"


@contextmanager
def cluster(workers: int, threads: int = 1) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A Dask cluster in processes of its own; its address, and the process whose death ends it."""
    script = CLUSTER.format(workers=workers, threads=threads)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def under_way(store: Path) -> list[Path]:
    return list(store.glob("*.unfinished"))


def finished(store: Path) -> list[Path]:
    return list(store.glob("*/run.json"))


# The engine


def fails(reason: str) -> None:
    raise ValueError(reason)


def test_what_runs_is_done_and_failed_is_shown_and_the_failed_are_returned(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    failed = sweep.run(
        {"a": partial(fails, "not me"), "b": (tmp_path / "b").touch, "c": (tmp_path / "c").touch}, "three"
    )
    assert {key: repr(error) for key, error in failed.items()} == {"a": "ValueError('not me')"}
    assert (tmp_path / "b").exists()
    assert (tmp_path / "c").exists()
    shown = capfd.readouterr().err
    assert re.search(r"three: +67%.*2/3.*0 running, 2 done, 1 failed", shown)


def test_reports_reach_nobody_where_no_sweep_runs() -> None:
    sweep.report(5)


def step_by_step(file: Path) -> None:
    sweep.report(3)
    while not file.exists():
        time.sleep(0.05)


def test_the_bar_moves_while_a_call_is_under_way(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown = ""

    def told() -> bool:
        nonlocal shown
        shown += capfd.readouterr().err
        return "3/4" in shown

    with ThreadPoolExecutor(1) as thread:
        swept = thread.submit(sweep.run, {"a": partial(step_by_step, tmp_path / "go")}, "steps", {"a": 4}, "step")
        try:
            eventually(told)
        finally:
            (tmp_path / "go").touch()
        assert swept.result(300) == {}
    assert "4/4" in shown + capfd.readouterr().err


def settings(file: Path) -> None:
    file.write_text("\n".join(f"{name}={os.environ.get(name)}" for name in ("RNNREPORT_ONE", "RNNREPORT_TWO")), "utf-8")


def test_workers_have_the_settings_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNREPORT_ONE", "1")
    sweep.run({"a": partial(settings, tmp_path / "a")}, "first")
    monkeypatch.delenv("RNNREPORT_ONE")
    monkeypatch.setenv("RNNREPORT_TWO", "2")
    sweep.run({"b": partial(settings, tmp_path / "b")}, "second")
    assert (tmp_path / "a").read_text() == "RNNREPORT_ONE=1\nRNNREPORT_TWO=None"
    assert (tmp_path / "b").read_text() == "RNNREPORT_ONE=None\nRNNREPORT_TWO=2"


@pytest.mark.parametrize("given", ["0", "two", "-1", "1.5", "1000", "9" * 90])
def test_the_number_of_workers_is_checked(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sweep.WORKERS, given)
    with pytest.raises(SweepError, match=re.escape(f"from 1 to 999, not {given!r}")):
        sweep.cores()


def test_the_bar_is_drawn_every_second_or_as_tqdm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_MININTERVAL", raising=False)
    with sweep.progress_bar(2, "runs", "run") as bar:
        assert bar.mininterval == 1
    monkeypatch.setenv("TQDM_MININTERVAL", "60")
    with sweep.progress_bar(2, "runs", "run") as bar:
        assert bar.mininterval == 60


# What is killed


@posix
@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(store: Path, undisturbed: dict[str, str]) -> None:
    def kill() -> int:
        eventually(lambda: under_way(store))
        worker = next(iter(sweep._places[-1].client().cluster.workers.values()))
        os.kill(worker.process.pid, signal.SIGKILL)
        return len(finished(store))

    with sweep.on(workers=2), ThreadPoolExecutor(1) as thread:
        killed = thread.submit(kill)
        run_all(train_palindromes, MANY)
    assert killed.result() < len(MANY)
    assert contents(store, MANY) == undisturbed


@pytest.mark.slow
def test_a_worker_that_dask_gives_up_is_replaced(tmp_path: Path) -> None:
    """As one that dies before dask has noted that it is there, or that takes longer to start again than dask waits."""
    with sweep.on(workers=1, wait=60), dask.config.set({"distributed.deploy.lost-worker-timeout": "100ms"}):
        assert not sweep.run({"first": (tmp_path / "first").touch}, "first")
        cluster = sweep._places[-1].client().cluster
        cluster.sync(next(iter(cluster.workers.values())).close)
        eventually(lambda: not cluster.workers)
        assert not sweep.run({"next": (tmp_path / "next").touch}, "next")
    assert (tmp_path / "next").exists()


# Other clusters


@pytest.mark.slow
def test_a_running_cluster_gives_the_same_and_its_death_is_told(
    store: Path, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with cluster(workers=2) as (address, process), sweep.on(scheduler=address, wait=10):
        run_all(train_palindromes, MANY)
        assert contents(store, MANY) == undisturbed
        monkeypatch.setenv(RUNS_DIR, str(tmp_path / "other"))
        with ThreadPoolExecutor(1) as thread:
            swept = thread.submit(run_all, train_palindromes, MANY)
            eventually(lambda: under_way(tmp_path / "other"))
            process.kill()
            with pytest.raises(SweepError, match=f"the connection to the scheduler {address} was lost; what is"):
                swept.result(300)


def test_workers_that_put_runs_elsewhere_are_told_of(store: Path) -> None:
    sweep.check_folder(store)
    with pytest.raises(SweepError, match="workers must share that folder"):
        sweep.check_there(store, ["a run"])


@pytest.mark.parametrize(
    ("workers", "threads", "says"),
    [(0, 1, "had no worker for 2 s"), (1, 2, "workers must have one thread .* has one of 2")],
)
def test_a_cluster_without_fit_workers_is_a_clear_error(store: Path, workers: int, threads: int, says: str) -> None:
    with (
        cluster(workers, threads) as (address, _),
        sweep.on(scheduler=address, wait=2),
        pytest.raises(SweepError, match=says),
    ):
        run_all(train_palindromes, MANY[:1])


def test_a_scheduler_that_is_not_there_is_a_clear_error_within_a_minute(
    store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert sweep.WAIT < 60
    words = ["sweep", "05_claims", "--scheduler", "tcp://127.0.0.1:1", "--wait", "2", "-o", str(tmp_path / "out")]
    assert call(*words, monkeypatch=monkeypatch) == 2
    said = capfd.readouterr().err.strip().splitlines()[-1]
    assert said == "rnnreport: the scheduler tcp://127.0.0.1:1 did not answer within 2 s"


def test_slurm_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SweepError, match="the command sbatch was not found"), sweep.on(slurm=True):
        pass
    monkeypatch.setattr(sweep, "find_spec", lambda name: None)
    with pytest.raises(SweepError, match="SLURM needs the package dask-jobqueue"), sweep.on(slurm=True):
        pass


# Disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a disk of one megabyte, or mounts it anew with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str = "") -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size=1m{options}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True) if sys.platform == "linux" else None
        require(done and done.returncode == 0, "only root can mount a small disk")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True)


def fill(file: Path) -> None:
    """Let the file take all that there is left."""
    with suppress(OSError), file.open("wb", buffering=0) as big:
        while big.write(bytes(4096)):
            pass


@pytest.mark.slow
def test_a_full_disk_is_told_and_finished_runs_are_intact(
    disk: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, str]
) -> None:
    store = disk()
    monkeypatch.setenv(RUNS_DIR, str(store))
    run_all(train_palindromes, MANY[:2])
    before = contents(store, MANY[:2])
    fill(store / "big")
    with pytest.raises(SweepError, match=f"nothing can be written into {store}: No space left on device"):
        run_all(train_palindromes, MANY)
    os.truncate(store / "big", (store / "big").stat().st_size - 8192)  # enough to begin, and not to end
    with pytest.raises(RunError, match=r"2 of 2 runs failed; the finished ones are kept.*[Nn]o space left"):
        run_all(train_palindromes, MANY)
    (store / "big").unlink()
    assert before.items() <= undisturbed.items()
    run_all(train_palindromes, MANY)
    assert contents(store, MANY) == undisturbed


def test_a_folder_that_cannot_be_written_is_told(
    disk: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    disk()
    folder = disk(",remount,ro")
    monkeypatch.setenv(RUNS_DIR, str(folder))
    with pytest.raises(SweepError, match=f"nothing can be written into {folder}: Read-only file system"):
        run_all(train_palindromes, MANY)
    assert call("sweep", "05_claims", "-o", str(folder / "out"), monkeypatch=monkeypatch) == 2
    assert "Read-only file system" in capfd.readouterr().err


def test_a_file_in_the_way_of_the_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(RUNS_DIR, str(tmp_path / "file"))
    with pytest.raises(SweepError, match=f"nothing can be written into {tmp_path / 'file'}: File exists"):
        run_all(train_palindromes, MANY)


# Chapters

SMALL = {
    **{"seeds": [0], "length": 3, "train_steps": 2, "hidden_size": 2, "batch_size": 2},
    **{"test_palindromes": 100, "measured_palindromes": 2},
}
CHAPTER = ["01c_cell_path", *(word for name, value in SMALL.items() for word in ("-p", name, str(value)))]


def asked_for(experiment: Callable[[Any], object], p: Any) -> list[str]:
    """The names in the store of the runs that an experiment asks for; nothing is run."""

    names: list[str] = []

    def asked(function: object, missing: dict[str, object], name: str) -> None:
        names.extend(missing)
        raise InterruptedError

    with pytest.MonkeyPatch.context() as monkeypatch, suppress(InterruptedError):
        monkeypatch.setattr(runs, "_run_missing", asked)
        experiment(p)
    return names


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A chapter at a learning rate that does and one whose runs cannot: the sweep's folder, and what it said."""
    folder = tmp_path_factory.mktemp("swept")
    given = {**build.parameters(CHAPTER[0]), **SMALL}
    points = [build.CHAPTERS[CHAPTER[0]].check({**given, "learning_rate": rate}) for rate in (0.001, 0.002)]
    wanted = [set(asked_for(cell_path.palindrome_networks, point)) for point in points]
    for key in wanted[1] - wanted[0]:
        (folder / "runs" / f"{key}.lock").mkdir(parents=True)  # where a file has to be
    done = subprocess.run(
        [*COMMAND, "sweep", *CHAPTER, "--grid", "learning_rate=0.001,0.002", "-o", str(folder)],
        env={**os.environ, RUNS_DIR: str(folder / "runs")},
        capture_output=True,
        text=True,
    )
    return folder, done


@pytest.mark.slow
def test_a_chapter_over_a_grid_leaves_a_notebook_and_a_row_a_run(
    swept: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = swept
    assert done.returncode == 2
    assert re.fullmatch(
        r"rnnreport: 1 of 2 runs failed, the others are kept; the first: RunError: .*IsADirectoryError: .*",
        done.stderr.strip().splitlines()[-1],
    )
    assert f"Table: {folder / 'sweep.csv'}" in done.stdout
    table = pd.read_csv(folder / "sweep.csv")
    assert table["learning_rate"].tolist() == [0.001, 0.002]
    assert table["status"].tolist() == ["done", "failed"]
    assert table["length"].tolist() == [3, 3]
    assert table["identity-grad"].iloc[0] in VERDICTS
    assert pd.isna(table["identity-grad"].iloc[1])
    assert (table["seconds"] > 0).all()
    assert "RunError" in table["error"].iloc[1]
    assert pd.isna(table["error"].iloc[0])
    for name, row in zip(table["notebook"], table.to_dict("records")):
        record = nbformat.read(folder / name, as_version=4).metadata["rnnreport"]
        assert record["parameters"]["learning_rate"] == row["learning_rate"]
        assert {name: record["parameters"][name] for name in SMALL} == SMALL
        assert record["code"] == row["code"] == build._code(CHAPTER[0])
        assert record["machine"] == row["machine"]
    executed, failed = (nbformat.read(folder / name, as_version=4) for name in table["notebook"])
    assert table["notebook"].iloc[1].endswith(".failed.ipynb")
    assert any("RunError" in str(cell.get("outputs")) for cell in failed.cells)
    assert any(cell.get("outputs") for cell in failed.cells[:-1])
    assert len(executed.cells) > 3


@posix
@pytest.mark.slow
def test_a_sweep_of_chapters_that_is_stopped_leaves_no_kernel_and_the_same_command_ends_as_if_nothing_had_been(
    swept: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    command = [*COMMAND, "sweep", *CHAPTER, "--grid", "learning_rate=0.001", "-o", str(tmp_path / "out")]
    environment = {**os.environ, RUNS_DIR: str(tmp_path / "runs")}

    def stopped(how: signal.Signals) -> str:
        driver = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        process = psutil.Process(driver.pid)
        eventually(lambda: any(is_kernel(one) for one in process.children(recursive=True)))
        children = process.children(recursive=True)
        if how == signal.SIGINT:
            os.killpg(driver.pid, how)  # as a terminal does
        else:
            driver.send_signal(how)
        said = driver.communicate(timeout=300)[1]
        assert not psutil.wait_procs(children, timeout=300)[1]
        assert not list((tmp_path / "out").glob(f"{CHAPTER[0]}-????????????.ipynb"))
        return said

    assert stopped(signal.SIGINT).endswith("rnnreport: stopped; the same command goes on from here\n")
    subprocess.run(command, env=environment, check=True, capture_output=True)
    one, other = pd.read_csv(tmp_path / "out" / "sweep.csv"), pd.read_csv(swept[0] / "sweep.csv").iloc[:1]
    assert one["status"].tolist() == ["done"]
    own = ["seconds", "error"]  # the latter has another type where there are errors
    pd.testing.assert_frame_equal(one.drop(columns=own), other.drop(columns=own))
    assert figures(tmp_path / "out" / one["notebook"][0]) == figures(swept[0] / one["notebook"][0])


def is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel_launcher" in process.cmdline()
    except psutil.Error:  # it has ended by now
        return False


def figures(path: Path) -> list[str]:
    html = [
        output.get("data", {}).get("text/html", "")
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    found = [part.partition("base64,")[2].partition('"')[0] for part in html if "report-figure" in part]
    assert found
    return found


def test_a_second_call_runs_only_what_is_missing_or_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ran(words: str) -> list[str]:
        before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.ipynb")}
        assert call("sweep", "05_claims", "--grid", words, "-o", str(tmp_path), monkeypatch=monkeypatch) == 0
        table = pd.read_csv(tmp_path / "sweep.csv")
        assert sorted(table["notebook"]) == sorted(path.name for path in tmp_path.glob("*.ipynb"))
        return [
            verdict
            for verdict, name in zip(table["verdicts"], table["notebook"])
            if before.get(name) != (tmp_path / name).stat().st_mtime_ns
        ]

    assert ran("verdict=reproduced,contradicted") == ["contradicted", "reproduced"]
    assert ran("verdict=contradicted,cannot tell") == ["cannot tell"]
    capfd.readouterr()
    assert ran("verdict=contradicted,cannot tell") == []
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(build, "_code", lambda chapter: "other code")
    assert ran("verdict=contradicted") == ["contradicted"]
