"""What was tried against the project, as tests/abuse.py has recorded it."""

from __future__ import annotations

import pandas as pd

from rnnreport import checksums
from rnnreport.parameters import ParameterError, located

READS = ("data/abuse.csv",)
COLUMNS = ("stage", "what", "tried", "clean", "lost", "code")


def abuse(file: str = READS[0]) -> pd.DataFrame:
    """The abuse table, by its path, as :func:`located`; one row per kind of mistreatment.

    Columns: stage and what (what was done, and to what), tried, clean and lost (numbers of attempts), code (the version
    of the library's code). Raises ParameterError for a file that is damaged, or is no such table.
    """
    try:
        table = pd.read_csv(checksums.verify(located(file)), keep_default_na=False)
        if list(table) != list(COLUMNS):
            raise ValueError(f"its columns are {', '.join(map(str, table))}, not {', '.join(COLUMNS)}")
        table = table.astype({"code": str, "stage": str, "what": str})
        counts = table[["tried", "clean", "lost"]]
        if not all(counts.dtypes == "int64") or (counts < 0).any(axis=None):
            raise ValueError("tried, clean and lost must be whole numbers from 0 up")
        if (table["clean"] + table["lost"] != table["tried"]).any():
            raise ValueError("clean and lost must add up to tried")
    except checksums.DamagedError as error:
        raise ParameterError(str(error)) from error
    except (OSError, ValueError) as error:  # pandas raises ValueErrors
        reason = str(error).splitlines()[0]
        raise ParameterError(f"{file!r} is not a table that `rnnreport test --abuse` made: {reason}") from error
    return table
