"""Chapter 8: which mistakes the tests notice, and what the project was put through, as ``tests/`` has recorded it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from rnnreport import catalogue, checksums
from rnnreport.bugs import bugs
from rnnreport.catalogue import Said
from rnnreport.errors import ReaderError
from rnnreport.parameters import ParameterError, located
from rnnreport.provenance import PROJECT
from rnnreport.runs import read_table
from rnnreport.shown import brief
from rnnreport.words import counted

# Files that this module reads itself, for the fingerprint of the chapter.
READS = ("data/survivors.yml", "requirements.lock", "package-lock.json")
SURVIVORS = PROJECT / READS[0]
COLUMNS = ("what", "to", "tried", "clean", "lost", "code")


def abuse(file: str) -> pd.DataFrame:
    """The abuse table, by its path, as :func:`located`; one row per kind of mistreatment.

    Columns: what (was done), to (what), tried, clean and lost (numbers of attempts, 0 where it is still to do), code
    (the version of the library's code). Raises ParameterError for a file that is damaged, or is no such table.
    """
    with _reading("abuse", file) as path:
        table = pd.read_csv(path, keep_default_na=False)
        if list(table) != list(COLUMNS):
            raise ValueError(f"its columns are {', '.join(map(str, table))}, not {', '.join(COLUMNS)}")
        table = table.astype({"code": str, "what": str, "to": str})
        counts = table[["tried", "clean", "lost"]]
        if not all(counts.dtypes == "int64") or (counts < 0).any(axis=None):
            raise ValueError("tried, clean and lost must be whole numbers from 0 up")
        if (table["clean"] + table["lost"] != table["tried"]).any():
            raise ValueError("clean and lost must add up to tried")
    return table


@contextmanager
def _reading(record: str, file: str) -> Iterator[Path]:
    """The path of a record that is as it was written; what goes wrong with it becomes a ParameterError."""
    try:
        yield checksums.verify(located(file))
    except checksums.DamagedError as error:
        raise ParameterError(f"{record}_file: {error}") from error
    except (OSError, ValueError, KeyError) as error:  # pandas and pyarrow raise ValueErrors
        why = "there is no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0][:200]
        told = f"{record}_file must be a table that `rnnreport test --{record}` made, not {brief(file)}: {why}"
        raise ParameterError(told) from error


class Survivor(BaseModel):
    """A mutant that passes all tests, or all of a line that do, and why that is so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Said
    module: Said
    before: Said  # the line without indentation
    after: str = ""  # nothing for all mutants of the line
    reason: Literal["equivalent", "accepted"]  # no mistake, or one that no test is worth
    because: Said


class SurvivorsError(ReaderError, ValueError):
    """A list of survivors that cannot be used; the message is one sentence for the reader."""


def stated(file: Path | None = None) -> list[Survivor]:
    """What ``data/survivors.yml``, or another file, says of survivors. Raises SurvivorsError for a bad list."""
    return [*catalogue.read(file or SURVIVORS, Survivor, "survivor", SurvivorsError).values()]


def mutants(file: str) -> pd.DataFrame:
    """The mutants that `rnnreport test --mutants` has tried, by the path of its record, as :func:`located`.

    Columns: module, line, before, after (the line without and with the change), outcome (killed, survived or not
    tried), test (the first that failed), reason and because (of survivors in ``data/survivors.yml``, else ""). Raises
    ParameterError for a file that is damaged or no such table, SurvivorsError for a bad list.
    """
    with _reading("mutants", file) as path:
        table = read_table(path)[["module", "line", "before", "after", "outcome", "test"]]
    reasons = {(survivor.module, survivor.before, survivor.after): survivor for survivor in stated()}

    def of(row: Any, column: str) -> str:
        keys = [(row.module, row.before, after) for after in (row.after, "")] * (row.outcome == "survived")
        return next((getattr(reasons[key], column) for key in keys if key in reasons), "")

    return table.assign(**{column: [of(row, column) for row in table.itertuples()] for column in ("reason", "because")})


def promises() -> pd.DataFrame:
    """What else the book promises. Columns: promise, how much of what, and test, the file that fails without it."""
    python = re.findall(r"^[\w.-]+==", (PROJECT / "requirements.lock").read_text(encoding="utf-8"), re.M)
    npm = [place for place in json.loads((PROJECT / "package-lock.json").read_bytes())["packages"] if place]
    rows = [
        ("mistakes that people make are noticed", f"{counted(len(bugs()), 'mistake')} of the Bug Museum", "museum"),
        ("two builds have the same bytes", "another user, folder, time zone, locale and umask", "repeat"),
        ("what is installed is what was tested", f"{len(python)} packages of Python, by their hashes", "sbom"),
        ("what the pages load is pinned", f"{len(npm)} packages of JavaScript, by their hashes", "vendor"),
        (
            "a page loads from nowhere else, sends nothing",
            "each forbids it by its Content-Security-Policy",
            "pages",
        ),
        ("outputs say how they were made", "cell, parameters, seeds, code, machine, seconds", "traces"),
        ("the site can be read by machines", "a Workflow Run RO-Crate, which its validator accepts", "crate"),
    ]
    table = pd.DataFrame(rows, columns=["promise", "how much", "test"])
    return table.assign(test="tests/test_" + table["test"] + ".py")
