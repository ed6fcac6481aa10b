"""The abuse table: a few attempts at each of its rows, how it is recorded, and what of it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import abuse
import pytest
from abuse import Row

from rnnreport import checksums
from rnnreport.experiments import trust
from rnnreport.parameters import ParameterError

TRIED = [
    pytest.param(row, id=row.name, marks=[pytest.mark.slow] if row.slow else []) for row in abuse.ROWS if row.usually
]


@pytest.mark.parametrize("row", TRIED)
def test_nothing_is_lost(row: Row, tmp_path: Path) -> None:
    outcomes = list(row.outcomes(tmp_path, row.usually))
    assert outcomes == [""] * row.usually


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in abuse.ROWS}) == len(abuse.ROWS)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Two rows in place of all, of which the second loses every other attempt; returns those that were tried."""
    tried: list[str] = []

    def counting(name: str, *lost: str) -> Row:
        def attempts(folder: Path, rng: Random) -> Iterator[str]:
            tried.append(name)
            while True:
                yield from lost

        return Row("tests", name, 4, attempts)

    (tmp_path / "data").mkdir()
    monkeypatch.setattr(abuse, "ROOT", tmp_path)
    monkeypatch.setattr(abuse, "ROWS", [counting("clean", ""), counting("lossy", "", "its head")])
    monkeypatch.setattr(abuse.os, "nice", lambda by: by)
    return tried


def test_rows_are_recorded_once_for_each_version_of_the_code(
    rows: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for code, tried in (("first", 2), ("first", 2), ("second", 4)):
        monkeypatch.setattr(abuse, "version", lambda code=code: code)
        with pytest.raises(SystemExit):
            abuse.main()
        assert len(rows) == tried
    assert "tests: lossy: 4 tried, 2 clean\n  its head\n  its head\n" in capsys.readouterr().out
    table = trust.abuse(str(tmp_path / "data" / "abuse.csv"))
    assert table.to_dict("list") == {
        **{"what": ["tests", "tests"], "to": ["clean", "lossy"], "tried": [4, 4], "clean": [4, 2], "lost": [0, 2]},
        "code": ["second", "second"],
    }


def test_a_row_that_cannot_be_tried_is_told_and_not_recorded(
    rows: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def attempts(folder: Path, rng: Random) -> Iterator[str]:
        pytest.skip("there is none")
        yield ""

    monkeypatch.setattr(abuse, "ROWS", [Row("tests", "absent", 4, attempts), *abuse.ROWS[:1]])
    with pytest.raises(SystemExit) as end:
        abuse.main()
    assert end.value.code
    assert "tests: absent: not tried, since there is none\n" in capsys.readouterr().out
    table = trust.abuse(str(tmp_path / "data" / "abuse.csv"))
    assert dict(zip(table["to"], table["tried"])) == {"absent": 0, "clean": 4}


MADE = r"^abuse_file must be a table that `rnnreport test --abuse` made, not '.*': "


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "No columns to parse from file"),
        ("a,b\n1,2\n", "its columns are a, b, not what, to, tried, clean, lost, code"),
        ("what,to,tried,clean,lost,code\nkilled,run,10,9,0,x\n", "clean and lost must add up to tried"),
        ("what,to,tried,clean,lost,code\nkilled,run,-1,-1,0,x\n", "must be whole numbers from 0 up"),
        ("what,to,tried,clean,lost,code\nkilled,run,many,9,0,x\n", "must be whole numbers from 0 up"),
        (None, "there is no such file"),
    ],
)
def test_what_is_no_such_table_is_refused_in_one_sentence(content: str | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "abuse.csv"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(ParameterError, match=MADE) as caught:
        trust.abuse(str(file))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "abuse.csv"
    file.write_text("what,to,tried,clean,lost,code\nkilled,run,10,10,0,x\n", "utf-8")
    checksums.seal(tmp_path, "*.csv")
    assert len(trust.abuse(str(file))) == 1
    file.write_text(file.read_text("utf-8").replace("10,10,0", "99,99,0"), "utf-8")
    with pytest.raises(ParameterError, match=r"^abuse_file: .*abuse\.csv is not as it was written"):
        trust.abuse(str(file))
