"""The record of mutants: how they are tried and kept, and what of it the book reads and says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import mutants
import pandas as pd
import pytest
from conftest import posix
from mutants import Mutant

from rnnreport import checksums, runs
from rnnreport.experiments import trust
from rnnreport.figures import trust as drawn
from rnnreport.parameters import ParameterError

SOURCE = "def double(x):\n    return 2 * x + 0\n"
MISTAKES = ["2 * x + 1", "2 * x - 0", "3 * x + 0"]  # the second computes the same
TESTS = """
from rnnreport.arithmetic import double

def test_zero():
    assert double(0) == 0

def test_one():
    assert double(1) == 2
"""


SIGN = """
def test_sign():
    from pathlib import Path
    assert " - " not in Path("rnnreport/arithmetic.py").read_text()
"""


def test_what_killed_most_in_a_second_is_run_first() -> None:
    tests = ["slow", "quick", "killer", "killer[a-1]", "killer[a-2]"]
    seconds = {"slow": 10.0, "quick": 0.01, "killer": 0.1, "killer[a-1]": 0.1, "killer[a-2]": 0.1}
    history = mutants.History(mutants.Counter({"killer": 3, "killer[a-1]": 1}), seconds)
    order = ["killer", "killer[a-1]", "killer[a-2]", "quick", "slow"]
    assert history.order(tests) == order
    assert history._replace(likely="slow").order(tests) == ["slow", *order[:-1]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one module with three mutants, and two tests."""
    root = tmp_path / "project"
    for folder in ("rnnreport", "tests", "data", "book/_static/vendor"):
        (root / folder).mkdir(parents=True)
    (root / "rnnreport" / "__init__.py").touch()
    (root / "rnnreport" / "arithmetic.py").write_text(SOURCE, "utf-8")
    (root / "tests" / "test_arithmetic.py").write_text(TESTS, "utf-8")
    subprocess.run(["git", "init", "-q", root], check=True)
    monkeypatch.setattr(mutants, "ROOT", root)
    monkeypatch.setattr(mutants, "TESTS", {"arithmetic": ("test_arithmetic",)})

    def made(module: str) -> list[Mutant]:
        source = (root / "rnnreport" / f"{module}.py").read_text("utf-8")
        changed = [source.replace("2 * x + 0", mistake) for mistake in MISTAKES]
        words = ["return 2 * x + 0", *(f"return {mistake}" for mistake in MISTAKES)]
        return [Mutant(module, "Swap", i, 2, words[0], words[i + 1], text) for i, text in enumerate(changed)]

    monkeypatch.setattr(mutants, "mutants", made)
    monkeypatch.setattr(mutants, "PATIENCE", 600)  # however busy the machine is
    monkeypatch.setattr(mutants.History, "order", lambda history, tests: [*tests])  # times differ from run to run
    return root


def tried(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """What became of each mutant, and the test that found it."""
    places = table["test"].str.removeprefix("tests/test_arithmetic.py::")
    return {after.removeprefix("return "): (*came,) for after, *came in zip(table["after"], table["outcome"], places)}


EXPECTED = {
    "2 * x + 1": ("killed", "test_zero"),
    "2 * x - 0": ("survived", ""),
    "3 * x + 0": ("killed", "test_one"),
}


@posix
def test_a_mutant_is_killed_by_the_first_test_that_fails_or_survives(project: Path) -> None:
    saved: list[pd.DataFrame] = []
    assert tried(mutants.run(["arithmetic"], None, saved.append)) == EXPECTED
    assert {*saved[0]["outcome"]} == {"not tried"}  # what is left to do is in the record from the start
    assert not saved[0]["test"].any()
    assert (project / "rnnreport" / "arithmetic.py").read_text("utf-8") == SOURCE


@posix
def test_what_was_tried_is_tried_again_only_after_a_change(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = mutants.run(["arithmetic"], None, lambda _: None)
    calls, trying = [], mutants._try

    def counted(*asked):
        calls.append(asked)
        return trying(*asked)

    monkeypatch.setattr(mutants, "_try", counted)
    assert tried(mutants.run(["arithmetic"], table, lambda _: None)) == EXPECTED
    assert not calls
    (project / "tests" / "test_arithmetic.py").write_text(TESTS + SIGN, "utf-8")
    monkeypatch.setattr(mutants, "SAVE_EVERY", 1)
    saved: list[pd.DataFrame] = []
    again = mutants.run(["arithmetic"], table, saved.append)
    assert [tried(table)["2 * x - 0"][0] for table in saved] == ["survived", "killed", "killed"]  # as soon as tried
    assert tried(again) == {**EXPECTED, "2 * x - 0": ("killed", "test_sign")}
    assert len(calls) == 2  # the survivor: a test that killed another is as it was
    (project / "tests" / "test_arithmetic.py").write_text(TESTS.replace("== 2", "== 2.0") + SIGN, "utf-8")
    calls.clear()
    assert tried(mutants.run(["arithmetic"], again, lambda _: None)) == tried(again)
    assert len(calls) == 2  # what the changed test killed
    (project / "rnnreport" / "arithmetic.py").write_text(SOURCE.replace("(x)", "(x: int)"), "utf-8")
    calls.clear()
    mutants.run(["arithmetic"], again, lambda _: None)
    assert [history.likely.rpartition("::")[2] for *_, history, _ in calls] == [
        "",
        "test_zero",
        "test_sign",
        "test_one",
    ]


@posix
def test_tests_run_in_their_order_and_what_each_takes_is_learned(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = mutants._copy(project.parent / "copy")
    (copy / "rnnreport" / "arithmetic.py").write_text("def double(x):\n    return 7\n", "utf-8")
    names = ["tests/test_arithmetic.py::test_zero", "tests/test_arithmetic.py::test_one"]
    history = mutants.History(mutants.Counter(), {})
    for step, first in ((1, names[0]), (-1, names[1])):
        monkeypatch.setattr(mutants.History, "order", lambda history, tests, step=step: tests[::step])
        assert mutants._try(copy, ["tests/test_arithmetic.py"], history, 100)[0] == first
        assert history.seconds[first] > 0


@posix
def test_a_mutant_without_end_is_killed(project: Path) -> None:
    copy = mutants._copy(project.parent / "copy")
    (copy / "rnnreport" / "arithmetic.py").write_text("def double(x):\n    while True:\n        pass\n", "utf-8")
    assert (
        mutants._try(copy, ["tests/test_arithmetic.py"], mutants.History(mutants.Counter(), {}), 5)[0]
        == "no end within the time allowed"
    )


@posix
def test_a_test_whose_time_is_known_has_not_much_more(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "PATIENCE", 0.5)
    copy = mutants._copy(project.parent / "copy")
    (copy / "rnnreport" / "arithmetic.py").write_text("def double(x):\n    while True:\n        pass\n", "utf-8")
    known = mutants.History(mutants.Counter(), {"tests/test_arithmetic.py::test_zero": 0.01})
    assert mutants._try(copy, ["tests/test_arithmetic.py"], known, None)[0] == "the process died"


@posix
def test_a_mutant_that_interrupts_the_tests_is_killed(project: Path) -> None:
    copy = mutants._copy(project.parent / "copy")
    (copy / "rnnreport" / "arithmetic.py").write_text("def double(x):\n    raise KeyboardInterrupt\n", "utf-8")
    said, _ = mutants._try(copy, ["tests/test_arithmetic.py"], mutants.History(mutants.Counter(), {}), 100)
    assert said.startswith("pytest ended with <ExitCode.INTERRUPTED")


@posix
def test_tests_that_fail_without_a_change_stop_the_record(project: Path) -> None:
    (project / "rnnreport" / "arithmetic.py").write_text("def double(x):\n    return x\n", "utf-8")
    with pytest.raises(RuntimeError, match=r"^without a change, tests/test_arithmetic\.py::test_one"):
        mutants.run(["arithmetic"], None, lambda _: None)


def table(**columns: list[object]) -> pd.DataFrame:
    """A record of four mutants: of two modules two each."""
    rows = {
        "module": ["cells", "cells", "words", "widgets/gate.js"],
        "line": [1, 2, 3, 4],
        "before": ["a + b", "c < d", "e", "f"],
        "after": ["a - b", "c <= d", "g", "h"],
        "outcome": ["killed", "survived", "survived", "not tried"],
        "test": ["tests/test_cells.py::test_sum", "", "", ""],
    }
    return pd.DataFrame(rows | columns)


STATED = """
- {id: one, module: cells, before: c < d, after: c <= d, reason: equivalent, because: c is never d}
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """The same as the book reads it, with a reason for one of its survivors."""
    (tmp_path / "survivors.yml").write_text(STATED, "utf-8")
    monkeypatch.setattr(trust, "SURVIVORS", tmp_path / "survivors.yml")
    runs.write_table(table(), tmp_path / "mutants.parquet")
    return trust.mutants(str(tmp_path / "mutants.parquet"))


def test_survivors_get_their_reasons(read: pd.DataFrame) -> None:
    assert read["because"].tolist() == ["", "c is never d", "", ""]
    assert drawn.survivors(read).reset_index().to_dict("list") == {
        "place": ["cells.py, line 2", "words.py, line 3"],
        "line": ["c < d", "e"],
        "change": ["< → <=", "e → g"],
        "why it passes": ["c is never d", "not looked at yet"],
    }
    assert (
        drawn.count_of_survivors(read)
        == "Of 3 mutants 2 pass all tests: 1 compute the same and 1 are not looked at yet."
    )


def test_a_reason_may_be_for_all_that_pass_of_a_line(read: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "survivors.yml").write_text(
        "- {id: all, module: words, before: e, reason: accepted, because: only speed}", "utf-8"
    )
    left = table(before=["e"] * 4, module=["words"] * 4, after=["f", "g", "h", "i"], line=[3] * 4)
    runs.write_table(left, tmp_path / "mutants.parquet")
    found = trust.mutants(str(tmp_path / "mutants.parquet"))
    assert found["reason"].tolist() == ["", "accepted", "accepted", ""]
    assert drawn.survivors(found).to_dict("index") == {
        "words.py, line 3": {"line": "e", "change": "e → g; e → h", "why it passes": "only speed"}
    }


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("a = b[-1] - 1", "a = b[-1] + 1", "] - → ] +"),
        ("if x >= 0.5:", "if not x >= 0.5:", "if → if not"),
        ("2 * x + 2", "2 * x + 3", "+ 2 → + 3"),
        ("2 * x", "3 * x", "2 → 3"),
        ("x = 1", "", "x = 1 → nothing"),
        ("a - b", "-b", "a - → -"),
        ("f(x < 2, y < 3)", "f(x < 2, false)", "y < 3 → false"),
    ],
)
def test_a_change_is_what_differs(before: str, after: str, change: str) -> None:
    assert drawn._change(before, after) == change


def test_the_share_is_of_mistakes_that_were_tried(read: pd.DataFrame) -> None:
    assert drawn.scores(read).to_dict("list") == {"module": ["words", "cells"], "mutants": [1, 1], "share": [0, 1]}
    said = "Tests catch 50.0% of 2 mutants; below the aim of 95%: words; not tried yet: 1."
    assert drawn.share_noticed(read) == said
    many = pd.concat([read.assign(module=f"{name}.py") for name in "abcd"])
    assert (
        drawn.share_noticed(many)
        == "Tests catch 50.0% of 8 mutants; below the aim of 95%: 4 of 4 modules; not tried yet: 4."
    )
    all_killed = pd.concat([read[:1]] * 3)
    assert (
        drawn.share_noticed(all_killed)
        == "Tests catch 100.0% of 3 mutants, at least 95% in every module, which was the aim."
    )
    assert drawn.count_of_survivors(all_killed) == "Of 3 mutants 0 pass all tests."


def test_what_was_lost_is_named() -> None:
    one = {"what": ["killed", "bad machine"], "to": ["run", "full disk"], "tried": [10, 1200], "code": ["a", "a"]}
    kept = pd.DataFrame(one | {"clean": [10, 1200], "lost": [0, 0]})
    assert drawn.lost(kept) == "1,210 attempts of 2 kinds; in these nothing was lost."
    some = kept.assign(clean=[10, 1198], lost=[0, 2])
    assert drawn.lost(some) == "1,210 attempts of 2 kinds; something was lost in 2: bad machine, full disk."
    left = kept.assign(tried=[10, 0], clean=[10, 0], code=["a", ""])
    assert drawn.lost(left) == "10 attempts of 1 kind; in these nothing was lost; not tried yet: 1 kind."
    assert drawn.how_sure(left) == (
        "Where nothing was lost, the chance of a loss may still be as high as the upper end of Clopper and Pearson's "
        "95% interval: 31% after 10 attempts. Versions of the library's code: a (1 kind)."
    )
    assert ": 31% after 10 attempts and 0.3% after 1,200 attempts. " in drawn.how_sure(kept)
    assert drawn.how_often(kept) == "Each kind was tried 10 to 1,200 times."
    assert drawn.how_often(left) == "Each kind was tried 10 times, if at all."
    assert drawn.how_often(left[1:]) == "None was tried."
    assert drawn.by_what(pd.concat([left, left])).to_dict("index") == {
        "killed": {"kinds": "2 of 2", "tried": "20", "clean": "20", "lost": "0"},
        "bad machine": {"kinds": "0 of 2", "tried": "0", "clean": "0", "lost": "0"},
    }
    assert [*drawn.tried(left).index] == [("killed", "run"), ("bad machine", "full disk")]
    assert drawn.tried(left).to_dict("list") == {
        **{"tried": [10, "–"], "clean": [10, "–"], "lost": [0, "–"]},
    }


def test_every_promise_is_held_by_a_file_of_tests() -> None:
    promises = trust.promises()
    assert all((mutants.ROOT / file).read_text("utf-8").count("def test_") for file in promises["test"])
    assert (
        drawn.held(promises) == f"Each of {len(promises)} promises has a file of tests, which fails where it is broken."
    )
    assert drawn.promised(promises).loc["two builds have the same bytes", "held by"] == "tests/test_repeat.py"
    assert not drawn.promised(promises)["how much"].str.contains(r"\b0 ").any()


MADE = r"^mutants_file must be a table that `rnnreport test --mutants` made, not '.*': "


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"no table", "Parquet"), (None, "there is no such file"), (table().drop(columns="test"), "test")],
    ids=["bytes", "absent", "columns"],
)
def test_what_is_no_record_is_refused_in_one_sentence(content: object, says: str, tmp_path: Path) -> None:
    file = tmp_path / "mutants.parquet"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, pd.DataFrame):
        runs.write_table(content, file)
    with pytest.raises(ParameterError, match=MADE) as caught:
        trust.mutants(str(file))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mutants.parquet"
    runs.write_table(table(), file)
    checksums.seal(tmp_path, "*.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"2")
    with pytest.raises(ParameterError, match=r"^mutants_file: .*mutants\.parquet is not as it was written"):
        trust.mutants(str(file))


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("- {id: a, module: m, before: x, after: y, reason: lazy, because: z}", "'reason': input should be"),
        ("- {id: a, module: m, before: x, after: y, reason: accepted}", "'because': field required"),
        ("- {id: a, module: m, before: '', after: y, reason: accepted, because: z}", "'before': must not be empty"),
        ("- {id: a, module: m, before: x, after: y, reason: accepted, because: ''}", "'because': must not be empty"),
        ("a: 1", "survivors.yml"),
    ],
)
def test_a_bad_list_of_survivors_is_refused(
    stated: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "survivors.yml").write_text(stated, "utf-8")
    monkeypatch.setattr(trust, "SURVIVORS", tmp_path / "survivors.yml")
    runs.write_table(table(), tmp_path / "mutants.parquet")
    with pytest.raises(trust.SurvivorsError) as caught:
        trust.mutants(str(tmp_path / "mutants.parquet"))
    assert says in str(caught.value)


def test_every_module_that_is_mutated_and_every_test_is_there() -> None:
    for module, tests in mutants.TESTS.items():
        assert mutants._file(module).exists(), module
        assert all((mutants.ROOT / "tests" / f"{name}.py").exists() for name in tests), module


def test_every_stated_survivor_is_of_a_module_that_is_mutated() -> None:
    for survivor in trust.stated():
        lines = {" ".join(line.split()) for line in mutants._file(survivor.module).read_text("utf-8").splitlines()}
        assert " ".join(survivor.before.split()) in lines, survivor.id


def test_a_system_without_forks_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mutants.os, "fork", raising=False)
    with pytest.raises(SystemExit, match=r"^rnnreport: mutants are tried in forked processes, which this system"):
        mutants.main()
