"""The command line as a reader meets it: one sentence for a mistake, figures for a run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import yaml
from conftest import ROOT, posix

from rnnreport import build, cli, outputs, runs, training
from rnnreport.experiments import recorded, speed, text_training
from rnnreport.parameters import ParameterError

CHAPTER_2 = ["run", "02_rnn_versus_lstm"]
SWEEP_2 = ["sweep", "02_rnn_versus_lstm"]
CHAPTER_3 = ["run", "03_temporal_gate"]
CHAPTER_4 = ["run", "04_text_generation", "-p", "recorded_file", ""]
SHAKESPEARE = ["-p", "corpus", "shakespeare"]
SMALLEST = {"seeds": [0], "lengths": [4], "train_steps": 2, "hidden_size": 3, "batch_size": 2, "test_palindromes": 100}


def call(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["rnnreport", *words])
    try:
        cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "09_missing"], "no chapter '09_missing'; there are 01_gradients, 01b_lstm_gradients"),
        (
            ["record", "01_gradients"],
            "01_gradients shows no runs that this records: say 01c_cell_path or 02_rnn_versus_lstm or 03",
        ),
        (
            ["record", "02_rnn_versus_lstm", "-p", "ladder", "[1]"],
            "ladder must be a list of different integers from 3 to 10,000",
        ),
        (["bench", "--learning", "--quick"], "--learning takes no --only, --quick or --profile"),
        (["bench", "--sweep", "--learning"], "--sweep takes no --only, --profile, --learning or --output"),
        (["bench", "--profile", "-o", "out.json"], "--profile prints and records nothing, so it takes no --output"),
        ([*CHAPTER_2, "-p", "lenghts", "[5]"], "no parameter 'lenghts' here; there are seeds, lengths"),
        (
            [*CHAPTER_2, "-p", "lengths", "[1]"],
            "lengths must be a list of different integers from 2 to 10,000, not [1]",
        ),
        ([*CHAPTER_2, "-p", "lengths", "[]"], "lengths must be a list of different integers from 2 to 10,000, not []"),
        ([*CHAPTER_2, "-p", "lengths", "5"], "lengths must be a list of different integers from 2 to 10,000, not 5"),
        ([*CHAPTER_2, "-p", "train_steps", "0"], "train_steps must be an integer of at least 1, not 0"),
        ([*CHAPTER_2, "-p", "train_steps", "2.5"], "train_steps must be an integer of at least 1, not 2.5"),
        ([*CHAPTER_2, "-p", "train_steps", "many"], "train_steps must be an integer of at least 1, not 'many'"),
        ([*CHAPTER_2, "-p", "learning_rate", "-1e-3"], "learning_rate must be a number from 1e-09 to 10, not -0.001"),
        (
            [*CHAPTER_2, "-p", "learning_rates", "[.nan]"],
            "learning_rates must be a list of different numbers from 1e-09 to 10",
        ),
        ([*CHAPTER_2, "-p", "models", "[gru]"], "models must be a list of different models among 'rnn', 'lstm'"),
        ([*CHAPTER_2, "-p", "encoding", "binary"], "encoding must be 'scalar' or 'one-hot', not 'binary'"),
        ([*CHAPTER_2, "-p", "device", "abacus"], "device must be cpu, cuda or mps, or one of several by"),
        (["run", "06_speed", "-p", "learning_file", "data"], "learning_file must be the name of a file, in UTF-8, or"),
        (
            ["run", "06_speed", "-p", "learning_file", "none"],
            "learning_file must be '' or a file that `rnnreport bench",
        ),
        (["run", "01_gradients", "-o", f"{'n' * 201}.ipynb"], " is too long for a file's name; 200 bytes"),
        (["record", "02_rnn_versus_lstm", "-o", f"{'n' * 201}.parquet"], " is too long for a file's name; 200 bytes"),
        (["run", "06_speed", "-p", "learning_file", "README.md"], "README.md is not a table that can be read"),
        (
            ["run", "06_speed", "-p", "benchmarks_file", ""],
            "benchmarks_file must be the name of a file, in UTF-8, not ''",
        ),
        ([*CHAPTER_3, "-p", "tau", "0"], "tau must be a number from 0.5 to 1,000, not 0"),
        ([*CHAPTER_3, "-p", "tau", "nan"], "tau must be a number from 0.5 to 1,000, not 'nan'"),
        ([*CHAPTER_3, "-p", "tau", ".nan"], "tau must be a number from 0.5 to 1,000, not nan"),
        ([*CHAPTER_3, "-p", "tau", ""], "03_temporal_gate: tau: '' is empty or null; it must be a number"),
        ([*CHAPTER_3, "-p", "tau", "1_0"], "tau must be a number from 0.5 to 1,000, not '1_0'"),
        ([*CHAPTER_3, "-p", "tau", "12:30"], "tau must be a number from 0.5 to 1,000, not '12:30'"),
        ([*CHAPTER_3, "-p", "tau", "1e999"], "tau: '1e999' cannot be read: 1e999 is beyond what a float can hold"),
        ([*CHAPTER_2, "-p", "lengths", "[5,,6]"], "lengths: '[5,,6]' is not YAML"),
        ([*CHAPTER_2, "-p", "seeds", "{a: 1}"], "seeds: '{a: 1}' is a dictionary; it must be a number, true or false"),
        ([*CHAPTER_2, "-p", "seeds", "['5']"], "seeds must be a list of different integers from 0 to 4,294,967,295"),
        ([*CHAPTER_2, "-p", "train_steps", "1e3"], "train_steps must be an integer of at least 1, not 1000.0"),
        ([*CHAPTER_2, "-p", "encoding", "no"], "encoding must be 'scalar' or 'one-hot', not 'no'"),
        ([*CHAPTER_3, "-p", "tau", "5", "-p", "tau", "6"], "tau is given twice by -p; once is enough"),
        (
            [*CHAPTER_3, "-p", "tau=5", "-p", "s", "6"],
            "-p takes two words, a parameter's name and its value, not 'tau=5'",
        ),
        ([*CHAPTER_3, "-p", "r_on", "1.5"], "r_on must be a number from 0.001 to 1, not 1.5"),
        ([*CHAPTER_4, "-p", "corpus", "no_such_book.txt"], "'no_such_book.txt' is neither a text file nor one of"),
        ([*CHAPTER_4, "-p", "corpus", "n" * 400], " is neither a text file nor one of"),
        (["sweep", *CHAPTER_4[1:], "--grid", f"corpus={'n' * 400}"], " is neither a text file nor one of"),
        ([*CHAPTER_4, "-p", "corpus", ""], "corpus must be the name of a text, in UTF-8, not ''"),
        (
            [*CHAPTER_4, *SHAKESPEARE, "-p", "prompt", ""],
            "prompt must be a UTF-8 text of 1 to 500 characters, not ''",
        ),
        (
            [*CHAPTER_4, *SHAKESPEARE, "-p", "prompt", "caf\udce9"],
            "the command line is not UTF-8, which names and values must be here: 'caf\\udce9",
        ),
        (
            [*CHAPTER_4, "-p", "corpus", "caf\udce9.txt"],
            "the command line is not UTF-8, which names and values must be here: 'caf\\udce9",
        ),
        (
            [*CHAPTER_4[:2], "-p", "recorded_file", "caf\udce9"],
            "the command line is not UTF-8, which names and values must be here: 'caf\\udce9",
        ),
        (
            ["run", "01_gradients", "-o", "caf\udce9"],
            "the command line is not UTF-8, which names and values must be here: 'caf\\udce9",
        ),
        (
            ["train", "text", "--folder", "caf\udce9"],
            "the command line is not UTF-8, which names and values must be here: 'caf\\udce9",
        ),
        (
            [*CHAPTER_4, *SHAKESPEARE, "-p", "prompt", "Ω 日"],
            "prompt: the model knows no 'Ω', '日'; its 66 characters are ",
        ),
        (
            [*CHAPTER_4, *SHAKESPEARE, "-p", "temperatures", "0"],
            "temperatures must be a list of 1 to 20 different numbers",
        ),
        ([*CHAPTER_4, *SHAKESPEARE, "-p", "temperatures", "[0]"], "different numbers from 0.01 to 100, not [0]"),
        (
            [*CHAPTER_4, *SHAKESPEARE, "-p", "temperatures", "[1, -1]"],
            "different numbers from 0.01 to 100, not [1, -1]",
        ),
        ([*CHAPTER_4, *SHAKESPEARE, "-p", "temperatures", "[.nan]"], "different numbers from 0.01 to 100, not [nan]"),
        ([*CHAPTER_4, *SHAKESPEARE, "-p", "temperatures", "[.inf]"], "different numbers from 0.01 to 100, not [inf]"),
        ([*CHAPTER_4, *SHAKESPEARE, "-p", "temperatures", "[]"], "different numbers from 0.01 to 100, not []"),
        ([*CHAPTER_4, *SHAKESPEARE, "-p", "temperatures", "warm"], "different numbers from 0.01 to 100, not 'warm'"),
        (
            [*CHAPTER_4, *SHAKESPEARE, "-p", "sample_length", "0"],
            "sample_length must be an integer from 1 to 10,000, not 0",
        ),
        ([*CHAPTER_2, "-p", "lengths"], "-p takes two words, a parameter's name and its value"),
        (["run", "01_gradients", "--profile", "huge"], "no profile 'huge'; there are quick, report, full"),
        (["book", "--profile", "huge"], "no profile 'huge'"),
        ([*SWEEP_2, "--grid", "lenghts=5"], "no parameter 'lenghts' here; there are seeds, lengths"),
        ([*SWEEP_2, "--grid", "lengths=5,1"], "lengths must be a list of different integers from 2 to 10,000, not [1]"),
        ([*SWEEP_2, "--grid", "seed=4..0"], "the range 4..0 is empty"),
        ([*SWEEP_2, "--grid", "seed=0..4", "-p", "seeds", "[1]"], "seeds is given by -p and by --grid"),
        ([*SWEEP_2, "--grid", "tau=1"], "no parameter 'tau' here"),
        ([*SWEEP_2, "-p", "train_steps", "0"], "train_steps must be an integer of at least 1, not 0"),
        ([*SWEEP_2, "--slurm", "--scheduler", "tcp://127.0.0.1:1"], "on a running scheduler or on SLURM, not on both"),
        ([*SWEEP_2, "--scheduler", "127.0.0.1:1"], "a scheduler's address is like tcp://host:8786, not '127.0.0.1:1'"),
        ([*SWEEP_2, "--scheduler", "tcp://127.0.0.1"], "is like tcp://host:8786, not 'tcp://127.0.0.1'"),
        ([*SWEEP_2, "--scheduler", ""], "a scheduler's address is like tcp://host:8786, not ''"),
        ([*SWEEP_2, "--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "has the workers it has"),
        (["train", "novel"], "nothing to train called 'novel'; there are text and text-short"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_started(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("a chapter was started"))
    assert call(*words, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert said.err.startswith("rnnreport: ")
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_texts_that_cannot_be_used_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content, says in (
        ("empty.txt", b"", "between 1 byte and"),
        ("binary.txt", b"ab\0c", "zero byte at offset 2"),
        ("short.txt", b"The people.", "fewer than one sequence of 30"),
        ("latin.txt", b"caf\xe9", "offset 3"),
        ("one.txt", b"x", "fewer than one sequence of 30"),
        ("mark.txt", b"\xef\xbb\xbf", "has 0 characters"),
        ("huge.txt", None, "64 MiB of text, not 1073741824 bytes"),
        ("folder", None, "neither a text file nor one of"),
    ):
        if content is None:
            Path("folder").mkdir(exist_ok=True)
            Path("huge.txt").touch()
            os.truncate("huge.txt", 2**30)  # holds nothing, so that it takes no room
        else:
            Path(name).write_bytes(content)
        assert call(*CHAPTER_4, "-p", "corpus", name, monkeypatch=monkeypatch) == 2
        said = capsys.readouterr().err
        assert name in said
        assert says in said
        assert said.count("\n") == 1


# Each command that has a folder or a file to write, the option that says where, and the suffix of its files.
WRITERS = {
    "run": (["run", "01_gradients"], "-o", ".ipynb"),
    "sweep": (["sweep", "01_gradients", "--grid", "seed=1,2"], "-o", ""),
    "record": (["record", "02_rnn_versus_lstm"], "-o", ".parquet"),
    "train": (["train", "text", "--steps", "2"], "--folder", ""),
    "pdf": (["pdf"], "-o", ".pdf"),
    "bench": (["bench"], "-o", ".json"),
    "bench --learning": (["bench", "--learning"], "-o", ".parquet"),
}


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a command would do after its checks is done."""

    def started(*_: object) -> None:
        pytest.fail("work was started")

    monkeypatch.setattr(build, "execute", started)
    monkeypatch.setattr(build, "sweep_chapter", started)
    monkeypatch.setattr(build, "settle_text", started)
    monkeypatch.setitem(cli.RECORDS, "02_rnn_versus_lstm", started)
    monkeypatch.setattr(text_training, "train_text", started)
    monkeypatch.setattr(speed, "compare_backends", started)
    monkeypatch.setattr("benchmarks.run.run", started)
    monkeypatch.setattr(training, "use_one_thread", lambda: None)


def of_folder(folder: Path) -> dict[Path, bytes]:
    """The bytes of every file, but for what Python compiles when another test is the first to need it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "__pycache__"]
    return {path: path.read_bytes() for path in files}


@posix
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    "where",
    ["", "book", "book/_static/new", "link", "file.txt", "file.txt/below", "/dev/null", "n" * 300, "/proc/none", "own"],
)
def test_a_place_that_is_anothers_or_cannot_be_is_refused(
    writer: str,
    where: str,
    idle: None,
    long_run: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words, option, suffix = WRITERS[writer]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "store"))
    Path("link").symlink_to(build.BOOK)
    for name in ("file.txt", "my.ipynb", "my.parquet", "my.json", "my.pdf", "own/sweep.csv", "own/table.parquet"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("a, b", "utf-8")
    given = str(build.PROJECT / where) if where.startswith("book") else where
    if where == "own" and suffix:
        given = f"my{suffix}"
    mine, books = of_folder(tmp_path), of_folder(build.BOOK)
    assert call(*words, option, given, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    if where == "own":
        assert "was not written by this command and is kept; choose another name" in said.err
    elif where.startswith("book") or where == "link":
        assert "would lie among the book's own files; choose another folder" in said.err
    elif where:
        assert said.err.startswith("rnnreport: nothing can be written into ")
    else:
        assert "-o and --folder take a name, and the one given is empty" in said.err
    assert of_folder(tmp_path) == mine
    assert of_folder(build.BOOK) == books


@pytest.mark.parametrize(
    ("option", "value"), [("--workers", "0"), ("--workers", "1000"), ("--wait", "nan"), ("--wait", "inf")]
)
def test_a_number_that_no_sweep_can_have_is_refused(
    option: str, value: str, idle: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*SWEEP_2, option, value, monkeypatch=monkeypatch) == 2
    assert f"Invalid value for '{option}'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["my[1].failed.ipynb", "my[1]-figure-2.svg"])
def test_what_a_reader_has_beside_the_notebook_is_kept(
    name: str, idle: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "store"))
    (tmp_path / name).write_text("<svg/>")
    assert call("run", "01_gradients", "-o", str(tmp_path / "my[1].ipynb"), monkeypatch=monkeypatch) == 2
    assert f"{tmp_path / name} was not written by this command and is kept" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "<svg/>"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (None, "/default/name.ipynb"),
        ("new", "new/name.ipynb"),
        ("out/lr0.1", "out/lr0.1/name.ipynb"),
        ("out/x.d/", "out/x.d/name.ipynb"),
        ("a b#c%20d.csv", "a b#c%20d.csv/name.ipynb"),
        ("one.ipynb", "one.ipynb"),
        ("one.ipynb/", "one.ipynb/name.ipynb"),
        ("folder.ipynb", "folder.ipynb/name.ipynb"),
        (".ipynb", ".ipynb/name.ipynb"),
        ("link/one.ipynb", "target/one.ipynb"),
        ("to_one", "to_one/name.ipynb"),
        ("~/one.ipynb", "home/one.ipynb"),
    ],
)
def test_a_place_is_a_folder_unless_it_ends_as_the_commands_files_do(
    given: str | None, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("folder.ipynb", "target"):
        Path(name).mkdir()
    Path("link").symlink_to("target")
    found = outputs.destination(given, Path("/default/name.ipynb"), ".ipynb", lambda path: False)
    assert found == tmp_path / place
    assert outputs.destination(given and "x.ipynb", Path("/default/x"), "") == (
        tmp_path / "x.ipynb" if given else Path("/default/x")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.ipynb", "link", "target"]


def test_what_a_command_wrote_is_written_again(tmp_path: Path) -> None:
    executed, table, record = tmp_path / "a.ipynb", tmp_path / "a.parquet", tmp_path / "a.json"
    executed.write_text(json.dumps({"metadata": {"rnnreport": {}}}))
    frame = pd.DataFrame({"x": [1]})
    frame.attrs["provenance"] = "recorded"
    runs.write_table(frame, table)
    record.write_text(json.dumps({"conditions": {}, "comparisons": []}))
    sweep_table = tmp_path / "sweep.csv"
    for another in ("seed,status\n1,ok\n", "seed,status,error,notebook\n1,done,,03_x-0.ipynb\n"):
        sweep_table.write_text(another)
        assert not build.is_sweep_table(sweep_table, "02_x")
    of_no_notebook = build._sweep_table("02_x", tmp_path, {"02_x-0": ({"seeds": [0]}, OSError("the worker died"))})
    of_no_notebook.to_csv(sweep_table, index=False)
    kinds = {
        executed: build.is_executed,
        table: recorded.is_recorded,
        record: speed.is_record,
        sweep_table: partial(build.is_sweep_table, chapter="02_x"),
    }
    for path, is_own in kinds.items():
        assert is_own(path)
        for damaged in (b"", b"{}", b"[]", b"\xff", path.read_bytes()[:10]):
            path.write_bytes(damaged)
            assert not is_own(path)
        path.unlink()
        path.mkdir()
        assert not is_own(path)


@pytest.mark.parametrize(
    ("given", "content"), [([], "dam"), ([], ""), (["-o", "out"], "")], ids=["usual, damaged", "usual, empty", "empty"]
)
def test_a_damaged_table_of_a_sweep_is_made_again(
    given: list[str], content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(build, "BUILD", tmp_path)
    table = Path(given[-1] if given else "sweep/01_gradients", "sweep.csv")
    table.parent.mkdir(parents=True)
    table.write_text(content, "utf-8")
    begun: list[Path] = []
    monkeypatch.setattr(build, "sweep_chapter", lambda *words: begun.append(words[2]) or pd.DataFrame({"status": []}))
    assert call("sweep", "01_gradients", "--grid", "seed=1,2", *given, monkeypatch=monkeypatch) == 0
    assert begun == [table.parent.absolute()]


def test_a_chapter_is_the_books_own_notebook_and_no_copy_of_it(
    idle: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = build.BOOK / "01_gradients.ipynb"
    Path("01_gradients.ipynb").write_bytes(own.read_bytes())
    for command in ("run", "sweep", "record", "tidy"):
        assert call(command, "01_gradients.ipynb", monkeypatch=monkeypatch) == 2
        assert "01_gradients.ipynb is not the book's own notebook" in capsys.readouterr().err
    for given in ("01_gradients", "book/01_gradients", str(own)):
        assert cli._named(given) == "01_gradients"
    assert call("run", "01_gradients.v2", monkeypatch=monkeypatch) == 2
    assert "there is no chapter '01_gradients.v2'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_named_file_is_looked_for_where_the_caller_is_and_then_in_the_project(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All parameters that name one, by one rule: corpus, recorded_file, long_folder, benchmarks_file, ..."""
    project, here = tmp_path / "project", tmp_path / "here"
    for folder in (project, here):
        for name in ("both", "book" if folder is project else "mine"):
            (folder / name).mkdir(parents=True) if kind == "folder" else folder.mkdir(exist_ok=True)
            if kind == "file":
                (folder / name).touch()
    monkeypatch.chdir(here)
    for module in (cli, cli.located.__globals__):
        if isinstance(module, dict):
            monkeypatch.setitem(module, "PROJECT", project)
        else:
            monkeypatch.setattr(module, "PROJECT", project)
    monkeypatch.setattr(build, "check", lambda *_: None)
    named = {chapter: of.names_of_paths() for chapter, of in build.CHAPTERS.items()}
    assert named == {
        "01_gradients": [],
        "01b_lstm_gradients": [],
        "01c_cell_path": ["recorded_file"],
        "02_rnn_versus_lstm": ["recorded_file"],
        "03_temporal_gate": ["recorded_file"],
        "03b_comparisons": ["recorded_file", "corpus"],
        "04_text_generation": ["recorded_file", "corpus", "long_folder", "short_folder"],
        "index": ["collected_file"],
        "05_claims": ["collected_file"],
        "06_speed": ["benchmarks_file", "learning_file"],
        "07_bug_museum": [],
        "08_trust": ["mutants_file", "abuse_file"],
    }
    for chapter, names in named.items():
        for name in names:
            for value, found in (("both", here / "both"), ("mine", here / "mine"), ("book", "book"), ("none", "none")):
                assert cli._checked(chapter, {name: value}) == {name: str(found)}
            assert cli._checked(chapter, {name: ""}) == {name: ""}
    (here / "shakespeare").touch()
    assert cli._checked("04_text_generation", {"corpus": "shakespeare"}) == {"corpus": "shakespeare"}


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("RNNREPORT_WORKERS", "0", "RNNREPORT_WORKERS must be a number of processes from 1 to 999, not '0'"),
        ("RNNREPORT_WORKERS", "many", "RNNREPORT_WORKERS must be a number of processes from 1 to 999, not 'many'"),
        ("RNNREPORT_WORKERS", "-1", "RNNREPORT_WORKERS must be a number of processes from 1 to 999, not '-1'"),
        ("RNNREPORT_SCHEDULER", "here", "RNNREPORT_SCHEDULER is like tcp://host:8786, not 'here'"),
        ("RNNREPORT_DATA_DIR", "file", "RNNREPORT_DATA_DIR must name a folder, and "),
        ("RNNREPORT_RUNS_DIR", "file", "RNNREPORT_RUNS_DIR must name a folder, and "),
        ("RNNREPORT_NATIVE_DIR", "file", "RNNREPORT_NATIVE_DIR must name a folder, and "),
        ("RNNREPORT_DATA_DIR", "caf\udce9", "RNNREPORT_DATA_DIR is not UTF-8, which names and values must be here"),
        ("RNNREPORT_RUNS_DIR", "caf\udce9", "RNNREPORT_RUNS_DIR is not UTF-8, which names and values must be here"),
    ],
)
@pytest.mark.parametrize("command", ["book", "serve", "tidy", *WRITERS])
def test_a_variable_that_no_command_can_work_with_is_refused_at_once(
    command: str,
    variable: str,
    value: str,
    says: str,
    idle: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setenv(variable, value)
    words = WRITERS[command][0] if command in WRITERS else [command]
    assert call(*words, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert says in said.err


def test_a_current_folder_that_is_not_utf8_or_gone_is_told(
    idle: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert call("run", "01_gradients", monkeypatch=monkeypatch) == 2
    assert "the current folder is not UTF-8, which names and values must be here" in capsys.readouterr().err
    folder.rmdir()
    assert call("run", "01_gradients", monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err == "rnnreport: the current folder is not there any more; change to another\n"


def test_where_python_is_told_to_speak_no_utf8_it_is_started_once_more() -> None:
    command = [sys.executable, "-E", "-X", "utf8=0", "-c", "from rnnreport import cli; cli.main()", "--help"]
    done = subprocess.run(command, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("run", "; the same command goes on from here"),
        ("train", "; with --resume the same command goes on from here"),
        ("serve", ""),
        ("bench", ""),
    ],
)
def test_what_is_stopped_says_whether_it_goes_on(
    command: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: object) -> None:
        raise SystemExit(130)

    monkeypatch.setattr(cli, "app", stopped)
    assert call(command, monkeypatch=monkeypatch) == 130
    assert capsys.readouterr().err == f"rnnreport: stopped{says}\n"


def figures(path: Path) -> list[str]:
    """The figures' images in an executed notebook."""
    return [
        output.data["text/html"].partition("base64,")[2].partition('"')[0]
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        if "report-figure" in output.get("data", {}).get("text/html", "")
    ]


def test_run_and_plain_papermill_from_any_folder_make_the_same_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the smallest chapter that trains; where parameters are read, all chapters are alike."""
    small: dict[str, Any] = {"seeds": [0], "length": 4, "train_steps": 2, "hidden_size": 3, "batch_size": 2}
    small |= {"test_palindromes": 100, "measured_palindromes": 3}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    small["recorded_file"] = ""
    given = [word for name, value in small.items() for word in ("-p", name, str(value))]
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "runs"))
    assert call("run", "01c_cell_path", *given, "-o", "ours.ipynb", monkeypatch=monkeypatch) == 0
    svg = [Path(line.partition(": ")[2]) for line in capsys.readouterr().out.splitlines() if line.startswith("Figure")]
    assert len(svg) == 3
    assert all(path.read_bytes().startswith(b"<?xml") for path in svg)

    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "other_runs"))  # trained again, not taken from the store
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(ROOT / "book" / "01c_cell_path.ipynb")]
    subprocess.run([*command, "out.ipynb", "-y", yaml.safe_dump(small)], check=True, capture_output=True)
    assert figures(tmp_path / "out.ipynb") == figures(tmp_path / "ours.ipynb")
    assert len(figures(tmp_path / "out.ipynb")) == 7  # four of them are tables


def test_plain_papermill_stops_at_a_bad_parameter_with_the_same_sentence(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(ROOT / "book" / "04_text_generation.ipynb")]
    given = ["out.ipynb", "-p", "corpus", "latin.txt", "-y", "recorded_file: ''"]
    done = subprocess.run([*command, *given], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ParameterError: ")
    assert last.endswith("latin.txt is not UTF-8 text: see the byte 0xe9 at offset 3; save it as UTF-8")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("corpus", "", "corpus must be the name of a text, in UTF-8, not ''"),
        ("corpus", "caf\udce9.txt", "corpus must be the name of a text, in UTF-8, not 'caf\\udce9.txt'"),
        ("corpus", "empty.txt", "corpus: empty.txt must hold between 1 byte and 64 MiB of text, not 0 bytes"),
        ("prompt", "", "prompt must be a UTF-8 text of 1 to 500 characters, not ''"),
        ("prompt", "Ω", "prompt: the model knows no 'Ω'; its 66 characters are "),
        ("temperatures", 0, "temperatures must be a list of 1 to 20 different numbers from 0.01 to 100, not 0"),
        (
            "temperatures",
            [1.0, 0.0],
            "temperatures must be a list of 1 to 20 different numbers from 0.01 to 100, not [1.0, 0.0]",
        ),
        (
            "temperatures",
            [float("nan")],
            "temperatures must be a list of 1 to 20 different numbers from 0.01 to 100, not [nan]",
        ),
        ("temperatures", [], "temperatures must be a list of 1 to 20 different numbers from 0.01 to 100, not []"),
        (
            "temperatures",
            "warm",
            "temperatures must be a list of 1 to 20 different numbers from 0.01 to 100, not 'warm'",
        ),
        ("sample_length", 0, "sample_length must be an integer from 1 to 10,000, not 0"),
    ],
)
def test_a_value_edited_in_chapter_4_itself_stops_it_at_the_next_cell(
    name: str, value: object, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    cells = nbformat.read(ROOT / "book" / "04_text_generation.ipynb", as_version=4).cells
    given, checked = [cell.source for cell in cells if cell.cell_type == "code"][:2]
    notebook: dict[str, object] = {}
    exec(given, notebook)
    notebook |= {"corpus": "shakespeare", "recorded_file": "", name: value}
    with pytest.raises(ParameterError) as caught:
        exec(checked, notebook)
    assert str(caught.value).startswith(says)


@pytest.fixture
def long_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The long training is a tiny one, of another text."""
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be, that is the question. " * 60)

    def tiny_run(steps: int, seed: int) -> text_training.TextRun:
        sha256 = cli.corpora.load(str(text)).sha256
        small: dict[str, Any] = {"hidden_size": 3, "record_every": 2, "snapshots": (4,)}
        return text_training.TextRun.of(steps, seed, corpus=str(text), sha256=sha256, **small)

    monkeypatch.setitem(cli.TRAININGS, "text", (tiny_run, 4, tmp_path / "usual"))
    monkeypatch.setattr(training, "use_one_thread", lambda: None)  # it would last beyond this test


def test_training_goes_on_only_when_asked_to(
    tmp_path: Path, long_run: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    words = ["train", "text", "--folder", str(folder)]
    assert call(*words, "--steps", "4", "--resume", monkeypatch=monkeypatch) == 2
    assert "to resume from" in capsys.readouterr().err
    assert not folder.exists()
    assert call(*words, "--steps", "4", monkeypatch=monkeypatch) == 0
    assert call(*words, "--steps", "6", monkeypatch=monkeypatch) == 2
    assert "--resume goes on from it" in capsys.readouterr().err
    assert call(*words, "--steps", "6", "--resume", monkeypatch=monkeypatch) == 0
    assert cli.runs.load(folder, text_training.TextRun).table["step"].tolist() == [2, 4, 6]


def test_what_is_done_keeps_its_record(tmp_path: Path, long_run: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to go on with a training that is done, the command does not claim it for this code and machine."""
    folder = tmp_path / "run"
    words = ["train", "text", "--folder", str(folder), "--steps"]
    call(*words, "4", monkeypatch=monkeypatch)
    record = folder / "run.json"
    elsewhere = record.read_text().replace(cli.runs.machine(), "another machine")
    assert "another machine" in elsewhere
    record.write_text(elsewhere)
    cli.checksums.seal(folder, *cli.runs.FILES)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert call(*words, "4", "--resume", monkeypatch=monkeypatch) == 0
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    record.write_text("{")  # cut while it was written, by an older version
    assert call(*words, "4", "--resume", monkeypatch=monkeypatch) == 0
    assert cli.runs.load(folder, text_training.TextRun).configuration.steps == 4
    assert call(*words, "6", "--resume", monkeypatch=monkeypatch) == 0
    assert cli.runs.load(folder, text_training.TextRun).configuration.steps == 6


PICKLED = b"\x80\x04cbuiltins\nprint\n(S'executed'\ntR."  # prints where it is loaded


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"{}"])
@pytest.mark.parametrize("file", ["run.json", "table.parquet", "SHA256SUMS", "weights-4.safetensors"])
def test_what_cannot_be_read_of_a_training_is_made_again_by_the_same_command(
    file: str, damage: Callable[[bytes], bytes], tmp_path: Path, long_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    words = ["train", "text", "--folder", str(folder), "--steps", "4"]
    call(*words, monkeypatch=monkeypatch)
    path = folder / file
    path.write_bytes(damage(path.read_bytes()))
    assert call(*words, "--resume", monkeypatch=monkeypatch) == 0
    assert cli.runs.damage_of(folder) == ""
    assert cli.runs.load(folder, text_training.TextRun).table["step"].tolist() == [2, 4]
    assert not path.with_name("checkpoint.aside").exists() or file.startswith("weights")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:100], id="truncated"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: PICKLED, id="pickle"),
        pytest.param(lambda data: data[:-9] + b"otherwise", id="other numbers"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_is_named_put_aside_and_made_again(
    damage: Callable[[bytes], bytes],
    tmp_path: Path,
    long_run: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "run"
    words = ["train", "text", "--folder", str(folder), "--steps"]
    call(*words, "4", monkeypatch=monkeypatch)
    checkpoint = folder / "checkpoint.safetensors"
    checkpoint.write_bytes(damaged := damage(checkpoint.read_bytes()))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert call(*words, "6", "--resume", monkeypatch=monkeypatch) == 2  # what is done is not overwritten
    assert capsys.readouterr().err == (
        f"rnnreport: {checkpoint} cannot be read, but {folder} holds a training that is done; "
        "another --folder starts anew\n"
    )
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "run.json").unlink()  # as where it was killed
    assert call(*words, "6", "--resume", monkeypatch=monkeypatch) == 0
    assert "executed" not in capsys.readouterr().out
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{checkpoint} does not hold ")
    assert (folder / "checkpoint.aside").read_bytes() == damaged
    assert cli.runs.load(folder, text_training.TextRun).table["step"].tolist() == [2, 4, 6]


@pytest.mark.parametrize("name", ["run.json", "table.parquet", "SHA256SUMS", "weights-4.safetensors"])
def test_a_folder_with_anothers_files_is_not_trained_into(
    name: str, tmp_path: Path, long_run: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("{}")
    words = ["train", "text", "--steps", "4", "--folder"]
    assert call(*words, str(tmp_path / "mine"), monkeypatch=monkeypatch) == 2
    assert f"{tmp_path / 'mine' / name} was not written by this command and is kept" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [name]
    assert (tmp_path / "mine" / name).read_text() == "{}"


def test_a_training_killed_before_its_first_checkpoint_goes_on(
    tmp_path: Path, long_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    words = ["train", "text", "--steps", "4", "--folder", str(folder)]
    call(*words, monkeypatch=monkeypatch)
    for path in folder.iterdir():
        if not path.name.startswith("weights"):
            path.unlink()
    assert call(*words, monkeypatch=monkeypatch) == 0
    assert cli.runs.damage_of(folder) == ""


def test_the_second_training_into_a_folder_is_refused_at_once(
    tmp_path: Path, long_run: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, train_text = tmp_path / "run", text_training.train_text
    words = ["train", "text", "--folder", str(folder), "--steps", "4"]

    @wraps(train_text)
    def meanwhile(*arguments: Any) -> pd.DataFrame:
        with monkeypatch.context() as patch:
            patch.setattr(text_training, "train_text", lambda *arguments: pytest.fail("it trains"))
            assert call(*words, "--seed", "1", monkeypatch=monkeypatch) == 2
        return train_text(*arguments)

    monkeypatch.setattr(text_training, "train_text", meanwhile)
    assert call(*words, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().err.split("rnnreport: ")[1:]  # the first one's progress bar is there, too
    assert len(said) == 1
    assert f"{folder / 'checkpoint.safetensors'} is being written by process {os.getpid()} on " in said[0]
    assert " since 20" in said[0]
    assert cli.runs.load(folder, text_training.TextRun).configuration.seed == 0
    assert call(*words, "--resume", monkeypatch=monkeypatch) == 0  # the lock is free again


@posix
@pytest.mark.parametrize("name", ["file", "file/below", "n" * 400, "/proc/none"])
@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=["anew", "resumed"])
def test_a_folder_that_cannot_be_is_refused(
    name: str,
    resume: list[str],
    tmp_path: Path,
    long_run: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept", "utf-8")
    assert call("train", "text", "--steps", "2", "--folder", name, *resume, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err
    folder = Path(os.path.realpath(name))
    if resume:
        checkpoint = folder / "checkpoint.safetensors"
        assert said == f"rnnreport: there is no {checkpoint} to resume from; leave --resume out to start\n"
    else:
        assert said.startswith(f"rnnreport: nothing can be written into {folder}: ")
    assert said.count("\n") == 1
    assert Path("file").read_text("utf-8") == "kept"


def test_a_disk_that_is_full_in_the_middle_is_told(
    tmp_path: Path, long_run: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    words = ["train", "text", "--folder", str(folder), "--steps"]
    call(*words, "4", monkeypatch=monkeypatch)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    with files_of_at_most(5_000):
        assert call(*words, "6", "--resume", monkeypatch=monkeypatch) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"rnnreport: File too large: {folder / 'checkpoint.safetensors'}"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """For this process, as if the disk were full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_a_chapter_shows_as_recorded_is_recorded_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "runs"))
    small = {**SMALLEST, "ladder": [3], "ladder_steps": 2, "far_ladder": [3], "far_steps": 2, "kept_steps": 2}
    small |= {"optimizers": ["adam"], "optimizer_steps": 2, "learning_rates": [0.01]}
    words = [word for name, value in small.items() for word in ("-p", name, str(value))]
    output = tmp_path / "recorded.parquet"
    assert (
        call("record", "02_rnn_versus_lstm", "--profile", "quick", *words, "-o", str(output), monkeypatch=monkeypatch)
        == 0
    )
    assert f"Recorded: {output}" in capsys.readouterr().out
    table = recorded.read(str(output))
    assert table is not None
    horizon = recorded.rows(table, "horizon")
    origin = horizon.attrs["provenance"]
    assert set(horizon["base"]) == {"report", "better start"}
    assert origin.startswith("recorded: ")
    assert [path.name for path in tmp_path.glob("recorded*")] == ["recorded.parquet"]


def test_one_experiment_can_be_recorded_and_seeds_added_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "runs"))
    small = {**SMALLEST, "optimizers": ["adam"], "optimizer_steps": 2}
    words = [word for name, value in small.items() if name != "seeds" for word in ("-p", name, str(value))]
    asked = ("record", "02_rnn_versus_lstm", "--profile", "quick", *words, "-o", str(tmp_path / "r.parquet"))
    for seeds in ([0], [1]):
        assert call(*asked, "-p", "seeds", str(seeds), "--only", "optimizers", "--add", monkeypatch=monkeypatch) == 0
    table = recorded.read(str(tmp_path / "r.parquet"))
    assert table is not None
    assert set(table["experiment"]) == {"optimizers"}
    assert set(table["seed"]) == {0, 1}
    before = (tmp_path / "r.parquet").read_bytes()
    capsys.readouterr()
    assert call(*asked, "--only", "nonsense", "--add", monkeypatch=monkeypatch) == 2
    assert "02_rnn_versus_lstm records no 'nonsense': say rates, optimizers, " in capsys.readouterr().err
    assert (tmp_path / "r.parquet").read_bytes() == before


def test_serve_says_where_the_book_is_or_that_there_is_none(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from rnnreport import build, cli; build.BUILD = pathlib.Path(sys.argv.pop()); cli.main()"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", script, "serve", "--port", port, "--no-browser", str(tmp_path)]
    none = subprocess.run(command, capture_output=True, text=True)
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    assert "there is no book yet" in none.stderr
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").write_text("the book")
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert f"http://127.0.0.1:{port}/" in server.stdout.readline()
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").read() == b"the book"
    finally:
        server.kill()
        server.wait()


def test_the_data_folder_is_made_absolute_at_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNNREPORT_DATA_DIR", "books")
    call("--help", monkeypatch=monkeypatch)
    assert os.environ["RNNREPORT_DATA_DIR"] == str(tmp_path / "books")


@pytest.mark.parametrize(
    ("says_now", "before"), [("reproduced", True), ("in part", True), ("reproduced", False)], ids=str
)
def test_claims_are_judged_anew_and_held_against_the_book(
    says_now: str, before: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One chapter, which judges one claim; what the book has of the others is "not run", as it is now."""

    def run(wanted: Any, outputs: dict[str, Path]) -> None:
        row = {"id": "fig1a", "verdict": says_now, "evidence": "", "exploratory": True}
        cell = {"outputs": [{"metadata": {"rnnreport": {"verdicts": [row]}}}]}
        for path in outputs.values():
            path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")

    monkeypatch.setattr(build, "_checked", lambda profile: {"02_rnn_versus_lstm": {}, "05_claims": {}})
    monkeypatch.setattr(build, "_run_chapters", run)
    monkeypatch.setattr(build.verdicts, "__defaults__", ("report", tmp_path))
    stored: dict[str, Any] = {"id": "fig1a", "verdict": "reproduced", "evidence": "", "exploratory": before}
    stored["chapter"] = "02_rnn_versus_lstm"
    (tmp_path / "collected.json").write_text(json.dumps({"verdicts": [stored]}), encoding="utf-8")
    code = call("claims", monkeypatch=monkeypatch)
    out, err = capsys.readouterr()
    assert f"fig1a: {says_now}, exploratory: the claim was fixed after its runs\n" in out
    assert "fig1b: not run\n" in out
    differs = says_now == "in part" or not before
    assert code == 2 * differs
    said = f"the built book says otherwise of fig1a (reproduced{', exploratory' * before})"
    assert (said in err) is differs
