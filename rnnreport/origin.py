"""Where results come from: the store of finished runs, a run's record, and the line below a figure."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnreport import checksums
from rnnreport.provenance import PROJECT

if TYPE_CHECKING:  # this module comes with the command line, which does without pandas
    import pandas as pd

RUNS_DIR = "RNNREPORT_RUNS_DIR"


def store() -> Path:
    """The folder of finished runs: ``RNNREPORT_RUNS_DIR``, or ``_build/runs`` of the project."""
    return Path(os.environ.get(RUNS_DIR) or PROJECT / "_build" / "runs").absolute()


def read(folder: Path) -> Any:
    """A finished run's record, ``run.json``. Raises OSError or ValueError if it cannot be read."""
    return json.loads(checksums.verify(folder / "run.json").read_text("utf-8"))


def of_rows(rows: pd.DataFrame, how: str = "trained live") -> str:
    """One line on where a table's rows came from, for below a figure; "" if unknown.

    The source is the column ``run``, as :func:`rnnreport.runs.tabulate` writes it, or, for recorded rows,
    ``attrs["provenance"]``.
    """
    records = records_of(rows)
    if not records:
        return str(rows.attrs.get("provenance", ""))
    seeds = [record["configuration"]["recipe"]["seed"] for record in records]
    return line(how, seeds, [record["provenance"] for record in records])


def records_of(rows: pd.DataFrame) -> list[Any]:
    """The records of the runs that a table's rows come from; none if it does not name them in a column ``run``."""
    return [read(store() / name) for name in rows["run"].unique()] if "run" in rows else []


def origins_of(*sources: Any) -> list[dict[str, Any]]:
    """What is known of the origin of each of these tables, without repetition; a text is an origin by itself.

    Each has the line ``origin``, and ``runs``, the records of the runs of the store.
    """
    found: dict[str, dict[str, Any]] = {}
    for rows in sources:
        text = rows if isinstance(rows, str) else of_rows(rows) if hasattr(rows, "attrs") else ""
        if text:
            runs = found.setdefault(text, {"origin": text, "runs": []})["runs"]
            runs += [run for run in ([] if isinstance(rows, str) else records_of(rows)) if run not in runs]
    return list(found.values())


def line(how: str, seeds: Sequence[int], origins: Sequence[Mapping[str, Any]]) -> str:
    """The number of runs, their seeds, and everything that any of them came from.

    Only what is recorded says how long it took and when: the clock of a build would make each page another one.
    """

    def each(name: str) -> str:
        return " and ".join(dict.fromkeys(str(origin[name]) for origin in origins))

    drawn = sorted(set(seeds))
    unbroken = len(drawn) > 3 and drawn == [*range(drawn[0], drawn[-1] + 1)]
    named = f"{drawn[0]} to {drawn[-1]}" if unbroken else ", ".join(map(str, drawn))
    runs = f"{len(origins):,} run{'s' * (len(origins) > 1)}, seed{'s' * (len(drawn) > 1)} {named}"
    days = sorted({origin["finished"][:10] for origin in origins})
    libraries = dict.fromkeys(
        f"{name} {version}" for origin in origins for name, version in origin["libraries"].items()
    )
    seconds = sum(origin["seconds"] for origin in origins)
    cost = f"{seconds:,.0f} s of one core, {' to '.join(dict.fromkeys((days[0], days[-1])))}; "
    return (
        f"{how}: {runs}; {'' if 'live' in how else cost}{each('function')} at code "
        f"{each('code')}, backend {each('backend')}; {', '.join(libraries)}; {each('machine')}"
    )
