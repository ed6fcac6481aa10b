"""A sweep by jobs of a real SLURM, one of which is cancelled."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import pytest
import slurm
from conftest import ROOT, eventually, require
from test_runs import palindrome_run
from test_sweep import contents, finished, under_way

from rnnreport import sweep
from rnnreport.experiments.palindromes import train_palindromes
from rnnreport.runs import RUNS_DIR, run_all

pytestmark = pytest.mark.slow
MANY = [palindrome_run(seed, steps=1500, hidden_size=16) for seed in range(2)]  # some seconds each


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a process needs to use a SLURM of one node."""
    lacking = slurm.lacking()
    require(not lacking, lacking)
    with slurm.one_node(tmp_path_factory.mktemp("slurm") / "node") as found:
        yield {**found, "DASK_JOBQUEUE__SLURM__INTERFACE": "lo"}


def test_a_job_that_is_cancelled_is_replaced_and_nothing_is_lost(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one job at a time, so that without another in its place the sweep could not end."""
    store, elsewhere = tmp_path / "store", tmp_path / "elsewhere"

    def cancel() -> tuple[str, int]:
        eventually(lambda: under_way(store))
        job = slurm.jobs(environment)[0]
        subprocess.run(["scancel", job], env=environment, check=True)
        return job, len(finished(store))

    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv(RUNS_DIR, str(store))
    with (
        dask.config.set({"jobqueue.slurm.interface": "lo"}),
        sweep.on(slurm=True, workers=1, logs=tmp_path / "logs"),
        ThreadPoolExecutor(1) as thread,
    ):
        cancelled = thread.submit(cancel)
        run_all(train_palindromes, MANY)
        job, before = cancelled.result()
        assert before < len(MANY)
        assert job not in slurm.jobs(environment)
    eventually(lambda: not slurm.jobs(environment))
    assert list((tmp_path / "logs").iterdir())
    monkeypatch.setenv(RUNS_DIR, str(elsewhere))
    run_all(train_palindromes, MANY)
    assert contents(store, MANY) == contents(elsewhere, MANY)


def test_jobs_end_when_the_driver_is_killed(environment: dict[str, str], tmp_path: Path) -> None:
    """The same command would otherwise wait for those that hold its runs, or share the machine with them."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "import test_slurm as t\n"
        f"with t.sweep.on(slurm=True, workers=1, logs=t.Path({str(tmp_path)!r})):\n"
        "    t.run_all(t.train_palindromes, t.MANY)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**environment, "PYTHONPATH": str(ROOT), RUNS_DIR: str(tmp_path / "store")},
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: under_way(tmp_path / "store"))
    driver.kill()
    driver.wait()
    eventually(lambda: not slurm.jobs(environment))
