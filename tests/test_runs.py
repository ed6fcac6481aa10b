"""The store of runs: nothing runs twice, nothing that is finished is lost, and what is killed goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import eventually

from rnnreport import origin, runs, sweep
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.runs import RUNS_DIR, Configuration, RunError, key_of, load, provenance, run_all, store, tabulate
from rnnreport.training import Recipe

torch.set_num_threads(1)  # at these sizes a second one costs more than it brings


class Number(Configuration):
    """A configuration of the tests."""

    number: int


def number(wanted, seed=0):
    return Number(number=wanted, recipe=Recipe(steps=1, seed=seed))


class Work:
    """A run function of the tests: it notes every time it runs, and does what files next to its notes ask for.

    The store wants to know the version of a function's code, and knows it for the library's modules only: so this
    passes for a function of one of them. Workers find the class because they get this process's ``sys.path``.
    """

    def __init__(self, folder):
        self.folder = folder
        self.__module__, self.__qualname__ = "rnnreport.palindromes", "work"

    def __setstate__(self, state):
        self.__dict__.update(state)
        (self.folder / f"{os.getpid()}.asked").touch()  # a worker has it in hand

    def __call__(self, configuration, folder, on_steps):
        with (self.folder / "notes").open("a") as notes:
            notes.write(f"{configuration.number}\n")
        while (self.folder / f"{configuration.number}.waits").exists():
            time.sleep(0.02)
        if (self.folder / f"{configuration.number}.fails").exists():
            raise ValueError(f"{configuration.number} will not do")
        if (self.folder / f"{configuration.number}.dies").exists():
            os._exit(1)  # with no time to tidy, as when killed
        (folder / "weights-1.safetensors").write_text(str(configuration.number))
        on_steps(1)
        return pd.DataFrame({"step": [1, 2], "square": [0, configuration.number**2], "seconds": [0.5, 2.0]})

    @property
    def ran(self):
        """The numbers it ran for, in order."""
        notes = self.folder / "notes"
        return [int(line) for line in notes.read_text().split()] if notes.exists() else []

    def is_to(self, what, number):
        """Make it wait, fail or die at that number, as long as the file returned is there."""
        path = self.folder / f"{number}.{what}"
        path.touch()
        return path


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS_DIR, str(tmp_path / "store"))
    (tmp_path / "work").mkdir()
    return Work(tmp_path / "work")


def numbers(*wanted):
    return [number(one) for one in wanted]


def squares(found):
    return [int(run.table["square"].iloc[-1]) for run in found]


def palindrome_run(seed=0, steps=6, **changes):
    recipe = Recipe(steps=steps, seed=seed, record_every=2)
    return PalindromeRun(
        **{"model": "lstm", "length": 5, "hidden_size": 4, "batch_size": 3, "test_palindromes": 20, **changes},
        recipe=recipe,
    )


# What is stored


def test_runs_come_back_in_the_order_asked_for_and_run_once(work):
    found = run_all(work, numbers(3, 1, 2, 1))
    assert squares(found) == [9, 1, 4, 1]
    assert [run.configuration for run in found] == numbers(3, 1, 2, 1)
    assert sorted(work.ran) == [1, 2, 3]
    assert [(run.folder / "weights-1.safetensors").read_text() for run in found] == ["3", "1", "2", "1"]


def test_what_is_stored_is_not_run_again_and_what_changed_is(work):
    first = run_all(work, numbers(1, 2))
    assert squares(run_all(work, numbers(2, 1))) == [4, 1]
    assert len(work.ran) == 2
    assert squares(run_all(work, [*numbers(1, 2), number(2, seed=1)])) == [1, 4, 4]
    assert sorted(work.ran) == [1, 2, 2]
    again = run_all(work, numbers(1))[0]
    assert again.provenance == first[0].provenance
    pd.testing.assert_frame_equal(again.table, first[0].table)


@pytest.mark.parametrize("changed", ["code", "torch"])
def test_other_code_or_another_torch_runs_anew(work, monkeypatch, changed):
    run_all(work, numbers(1))
    if changed == "code":
        monkeypatch.setattr(runs, "code_version", lambda name, without: "another")
    else:
        monkeypatch.setattr(runs, "libraries", lambda: {"torch": "0.1"})
    run_all(work, numbers(1))
    assert work.ran == [1, 1]


def test_a_key_is_made_of_function_code_torch_and_configuration(work, monkeypatch):
    keys = {key_of(work, one) for one in numbers(1, 2)} | {key_of(train_palindromes, palindrome_run())}
    other = Work(work.folder)
    other.__qualname__ = "another"
    keys |= {key_of(other, number(1)), key_of(work, number(1, seed=1))}
    assert len(keys) == 5
    assert all(re.fullmatch("[0-9a-f]{20}", key) for key in keys)
    assert key_of(work, number(1)) == key_of(work, Number(recipe=Recipe(seed=0, steps=1), number=1))


def test_the_store_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv(RUNS_DIR, str(tmp_path / "here"))
    assert store() == tmp_path / "here"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RUNS_DIR, "there")
    assert store() == tmp_path / "there"
    monkeypatch.delenv(RUNS_DIR)
    assert store() == origin.PROJECT / "_build" / "runs"
    assert store().is_absolute()


def test_a_finished_run_has_its_table_its_record_and_nothing_unfinished(work):
    (run,) = run_all(work, numbers(4))
    assert run.folder == store() / key_of(work, number(4))
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "SHA256SUMS",
        "run.json",
        "table.parquet",
        "weights-1.safetensors",
    ]
    assert not list(store().glob("*.unfinished"))
    loaded = load(run.folder, Number)
    assert (loaded.configuration, loaded.provenance) == (run.configuration, run.provenance)
    pd.testing.assert_frame_equal(loaded.table, run.table)
    assert set(run.provenance) == {
        *("function", "code", "commit", "libraries", "backend", "machine", "seconds", "finished")
    }
    assert run.provenance["function"] == "rnnreport.palindromes.work"
    assert run.provenance["seconds"] == 2.0
    assert json.loads((run.folder / "run.json").read_text())["configuration"] == number(4).model_dump()


def test_progress_is_shown(work, capfd):
    run_all(work, numbers(1, 2), "squares")
    shown = capfd.readouterr().err
    assert "squares: 100%" in shown
    assert "2/2" in shown
    run_all(work, numbers(1, 2), "squares")
    assert capfd.readouterr().err == ""


def test_no_configurations_no_runs(work):
    assert run_all(work, []) == []


def test_tables_of_runs_become_one_with_their_settings():
    configurations = [palindrome_run(seed=seed) for seed in (0, 1)]
    parts = [pd.DataFrame({"step": [0, 2], "test_accuracy": [0.1, 0.2 + run.seed]}) for run in configurations]
    table = tabulate([runs.Run(run, part, {}, Path()) for run, part in zip(configurations, parts)])
    assert len(table) == 4
    assert table["seed"].tolist() == [0, 0, 1, 1]
    assert table["test_accuracy"].tolist() == [0.1, 0.2, 0.1, 1.2]
    assert {"model", "length", "optimizer", "learning_rate", "hidden_size", "steps"} <= set(table.columns)
    assert set(table["model"]) == {"lstm"}


def test_the_line_below_a_figure_says_where_it_comes_from(work):
    found = run_all(work, [number(1, seed=3), number(1, seed=0)])
    line = provenance(found)
    work_at = f"rnnreport.palindromes.work at code {found[0].provenance['code']}"
    assert line.startswith(f"trained live: 2 runs, seeds 0, 3; {work_at}"), "nothing of this build's clock"
    assert f"torch {torch.__version__}" in line
    assert found[0].provenance["machine"] in line
    assert "\n" not in line
    assert ": 4 runs, seeds 0, 3, 4, 5; " in provenance(
        [*found, *run_all(work, [number(1, seed=4), number(1, seed=5)])]
    )
    assert ": 4 runs, seeds 2 to 5; " in provenance(run_all(work, [number(1, seed=seed) for seed in (2, 3, 4, 5)]))
    assert provenance(found[:1], "recorded").startswith("recorded: 1 run, seed 3; 2 s of one core, 20")


def test_configurations_take_nothing_unknown_and_do_not_change():
    with pytest.raises(ValueError, match="colour"):
        Number(number=1, recipe=Recipe(steps=1), colour="red")
    with pytest.raises(ValueError, match="frozen"):
        number(1).number = 2


# What goes wrong


def test_a_run_that_fails_does_not_lose_the_others(work):
    fails = work.is_to("fails", 2)
    with pytest.raises(RunError) as caught:
        run_all(work, numbers(1, 2, 3))
    sentence = str(caught.value)
    assert "1 of 3 runs failed" in sentence
    assert "number=2" in sentence
    assert "ValueError: 2 will not do" in sentence
    assert "\n" not in sentence
    fails.unlink()
    assert squares(run_all(work, numbers(1, 2, 3))) == [1, 4, 9]
    assert sorted(work.ran) == [1, 2, 2, 3]


def test_every_failure_is_counted(work):
    work.is_to("fails", 1)
    work.is_to("fails", 2)
    with pytest.raises(RunError, match="2 of 3 runs failed; the finished ones are kept"):
        run_all(work, numbers(1, 2, 3))


@pytest.mark.slow
def test_a_killed_worker_is_told_of_and_the_next_call_completes(work):
    run_all(work, numbers(1))
    dies = work.is_to("dies", 2)
    with pytest.raises(RunError) as caught:
        run_all(work, numbers(1, 2, 3))
    sentence = str(caught.value)
    assert "1 of 2 runs failed" in sentence
    assert "number=2" in sentence
    assert "its worker was terminated 4 times" in sentence
    assert "\n" not in sentence
    assert work.ran.count(2) == 4
    assert work.ran.count(3) == 1
    dies.unlink()
    assert squares(run_all(work, numbers(1, 2, 3))) == [1, 4, 9]
    assert work.ran.count(1) == 1


@pytest.mark.slow
def test_an_interrupted_call_can_be_made_again(work):
    waits = work.is_to("waits", 5)

    def interrupt():
        eventually(lambda: work.ran == [5])
        signal.raise_signal(signal.SIGINT)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_all(work, numbers(5))
    waits.unlink()
    assert squares(run_all(work, numbers(5))) == [25]
    assert work.ran == [5, 5]


ASK = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_runs as t
print(t.squares(t.run_all(t.Work(Path({folder!r})), t.numbers(7))))
"""


def ask_in_another_process(work):
    script = ASK.format(tests=str(Path(__file__).parent), folder=str(work.folder))
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.slow
def test_a_killed_process_is_replaced_by_one_that_waits_and_a_third_asks_while_it_runs(work):
    """All three ask for the same run: it is begun twice, since its first process is killed, and finished once."""

    def asked():
        return len(list(work.folder.glob("*.asked")))

    waits = work.is_to("waits", 7)
    processes = [first := ask_in_another_process(work)]
    try:
        eventually(lambda: work.ran == [7])
        processes.append(second := ask_in_another_process(work))
        eventually(lambda: asked() == 2)
        assert work.ran == [7]
        first.kill()
        eventually(lambda: work.ran == [7, 7])  # the killed one's worker, were it still there, would keep the lock
        with ThreadPoolExecutor(1) as thread:
            third = thread.submit(run_all, work, numbers(7))
            eventually(lambda: asked() == 3)
            waits.unlink()
            assert squares(third.result(timeout=300)) == [49]
        assert second.communicate(timeout=300)[0] == "[49]\n"
        assert work.ran == [7, 7]
    finally:
        waits.unlink(missing_ok=True)
        for process in processes:
            process.kill()
            process.wait()


# Training through the store


def compared(table):
    return table.drop(columns="seconds")


def test_results_do_not_depend_on_the_number_of_workers(tmp_path, monkeypatch):
    configurations = [palindrome_run(seed) for seed in range(3)]
    by = {}
    for workers in (1, 2):
        monkeypatch.setenv(RUNS_DIR, str(tmp_path / f"by-{workers}"))
        with sweep.on(workers=workers):
            by[workers] = [compared(run.table) for run in run_all(train_palindromes, configurations)]
            assert len(sweep._places[-1].client().nthreads()) == workers
    for run, one, other in zip(configurations, by[1], by[2], strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        folder = tmp_path / f"here-{run.seed}"
        folder.mkdir()
        pd.testing.assert_frame_equal(one, compared(train_palindromes(run, folder)), check_exact=True)
    assert not by[1][0].equals(by[1][1])


def test_a_run_that_was_cut_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS_DIR, str(tmp_path))
    run = palindrome_run(steps=8)
    unfinished = store() / f"{key_of(train_palindromes, run)}.unfinished"
    unfinished.mkdir()
    begun = train_palindromes(palindrome_run(steps=4), unfinished)
    (found,) = run_all(train_palindromes, [run])
    assert found.table["seconds"].iloc[: len(begun)].tolist() == begun["seconds"].tolist()
    (tmp_path / "whole").mkdir()
    whole = train_palindromes(run, tmp_path / "whole")
    pd.testing.assert_frame_equal(compared(found.table), compared(whole), check_exact=True)
    weights = "weights-8.safetensors"
    assert (found.folder / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert not (found.folder / "checkpoint.safetensors").exists()
    assert not unfinished.exists()


# What cannot be read is missing


@pytest.mark.parametrize("content", [b"", b"{}", 0.5, "a bit"], ids=["empty", "{}", "half", "a bit"])
@pytest.mark.parametrize("file", ["run.json", "table.parquet", "weights-1.safetensors", "SHA256SUMS"])
def test_a_stored_run_that_is_not_as_it_was_written_is_made_again(work, caplog, file, content):
    whole = run_all(work, numbers(3, 4))
    path = whole[0].folder / file
    damage(path, content)
    again = run_all(work, numbers(3, 4))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("Of the stored runs 1 cannot be read and are made again; the first: ")
    assert str(path.parent) in record.getMessage()
    assert squares(again) == [9, 16]
    assert work.ran.count(3) == 2
    assert work.ran.count(4) == 1
    assert (again[0].folder / "weights-1.safetensors").read_text() == "3"
    caplog.clear()
    run_all(work, numbers(3, 4))
    assert not caplog.records


def damage(path, content):
    data = bytearray(path.read_bytes())
    if content == "a bit":
        data[len(data) // 2] ^= 1
        content = data
    path.write_bytes(data[: round(len(data) * content)] if isinstance(content, float) else content)


@pytest.mark.parametrize("content", [b"", b"{}", 0.5], ids=["empty", "{}", "half"])
@pytest.mark.parametrize("file", ["run.json", "table.parquet", "weights-6.safetensors", "checkpoint.safetensors"])
def test_an_unfinished_run_goes_on_whatever_of_it_cannot_be_read(tmp_path, monkeypatch, file, content):
    """As it may lie there after its last step; its manifest is of no use any more."""
    run = palindrome_run()
    (tmp_path / "whole").mkdir()
    table = train_palindromes(run, tmp_path / "whole")
    runs.finish(tmp_path / "whole", train_palindromes, run, table)
    monkeypatch.setenv(RUNS_DIR, str(tmp_path / "store"))
    unfinished = store() / f"{key_of(train_palindromes, run)}.unfinished"
    shutil.copytree(tmp_path / "whole", unfinished)
    damage(unfinished / file, content)
    damage(unfinished / "SHA256SUMS", content)
    store().joinpath(f"{key_of(train_palindromes, run)}.lock").write_bytes(b"{}")
    (found,) = run_all(train_palindromes, [run])
    pd.testing.assert_frame_equal(compared(found.table), compared(table), check_exact=True)
    whole, again = (folder / "weights-6.safetensors" for folder in (tmp_path / "whole", found.folder))
    assert again.read_bytes() == whole.read_bytes()
    assert not list(found.folder.glob("checkpoint*"))


def test_runs_of_equal_tables_have_equal_files(work, tmp_path, monkeypatch):
    one, other = run_all(work, numbers(2))[0].folder, tmp_path / "other"
    monkeypatch.setenv(RUNS_DIR, str(other))
    for path in run_all(work, numbers(2))[0].folder.iterdir():
        if path.name in ("weights-1.safetensors", "table.parquet"):
            assert path.read_bytes() == (one / path.name).read_bytes()


PULLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_runs as t
print(t.squares(t.run_all(t.Work(Path({work!r})), t.numbers(1, 2, 3))), flush=True)
with open({journal!r}, "w") as file:  # the names reach the disk, and of the contents what was synced
    os.fsync(file.fileno())
"""


@pytest.mark.slow
def test_a_pulled_plug_at_the_end_costs_nothing_but_what_is_made_again(work, tmp_path, monkeypatch, caplog):
    """The store on a disk of its own, an image of which is copied without a sync: the same call goes on from that."""
    image, pulled, disk = tmp_path / "image", tmp_path / "pulled", tmp_path / "disk"
    disk.mkdir()
    require_loop_devices(tmp_path)
    with image.open("wb") as file:
        file.truncate(32 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    with mounted(image, disk):
        monkeypatch.setenv(RUNS_DIR, str(disk / "store"))
        script = PULLED.format(tests=str(Path(__file__).parent), work=str(work.folder), journal=str(disk / "journal"))
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        shutil.copyfile(image, pulled)
        assert done.stdout == "[1, 4, 9]\n", done.stderr
    with mounted(pulled, disk):
        assert (disk / "journal").exists()
        assert squares(run_all(work, numbers(1, 2, 3))) == [1, 4, 9]
    assert sorted(work.ran) == [1, 2, 3]  # all was on the disk
    assert not caplog.records


def require_loop_devices(folder):
    """Skip where this machine, or this user of it, cannot mount a file."""
    needed = ("mkfs.ext4", "mount", "umount", "losetup")
    there = sys.platform == "linux" and os.geteuid() == 0 and all(map(shutil.which, needed))
    there = there and subprocess.run(["losetup", "-f"], capture_output=True).returncode == 0
    if not there:  # also in CI: a container may have none
        pytest.skip("needs root, mkfs.ext4 and a free loop device")


@contextmanager
def mounted(image, place):
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)  # lets go of the loop device, too
