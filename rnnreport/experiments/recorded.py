"""Tables of long runs that the repository carries, in ``data/``: written whole or not at all, read where they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rnnreport import checksums
from rnnreport.origin import of_rows
from rnnreport.parameters import ParameterError, located
from rnnreport.runs import read_table

if TYPE_CHECKING:
    import pandas as pd


def joined(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Several experiments' tables in one, told apart by the column ``experiment``.

    Where each comes from goes along, into the dictionary ``attrs["provenance"]`` by the experiment's name.
    """
    import pandas as pd

    # Int64 has a missing value, so that an experiment's integers stay what they are beside another that has none.
    wide = [
        part.drop(columns="run", errors="ignore").astype(dict.fromkeys(part.select_dtypes("int"), "Int64"))
        for part in parts.values()
    ]
    table = pd.concat([part.assign(experiment=name) for name, part in zip(parts, wide)], ignore_index=True)
    table.attrs["provenance"] = {name: of_rows(part, "recorded") for name, part in parts.items()}
    return table


def rows(table: pd.DataFrame | None, name: str, train: Callable[[], pd.DataFrame] | None = None) -> pd.DataFrame:
    """An experiment's recorded rows; where there are none, those of ``train``, or without it none.

    Either kind says where it comes from: :func:`rnnreport.origin.of_rows`.
    """
    import pandas as pd

    if table is None or name not in table.attrs["provenance"]:
        return train() if train else pd.DataFrame()
    part = table[table["experiment"] == name].dropna(axis=1, how="all")
    part = part.astype(dict.fromkeys(part.select_dtypes("Int64"), "int64"))
    part.attrs["provenance"] = table.attrs["provenance"][name]
    return part


def read(file: str) -> pd.DataFrame | None:
    """A recorded table by its path, which :func:`rnnreport.parameters.located` finds; None where there is none.

    Raises ParameterError where the file is damaged, or not a table that says where it comes from.
    """
    path = located(file)
    if not file or not os.path.exists(path):  # of a name too long, Path's exists raises OSError
        return None
    try:
        table = read_table(checksums.verify(path))
    except checksums.DamagedError as error:
        raise ParameterError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's are ValueErrors, the others pandas'
        raise ParameterError(f"{file} is not a table that can be read: {str(error).splitlines()[0]}") from error
    if "provenance" not in table.attrs:
        raise ParameterError(f"{file} does not say where its runs come from; `rnnreport record` makes files that do")
    return table


def is_there(file: str) -> bool:
    """Whether there is a table that :func:`read` can read. Raises ParameterError as it does.

    What a manifest vouches for is not read but looked at, which takes no pandas.
    """
    try:
        if file and checksums.is_vouched_for(path := located(file)) and _has_origin(path):
            return True
    except (OSError, checksums.DamagedError):
        pass  # let read say what is wrong
    return read(file) is not None


def _has_origin(path: Path) -> bool:
    """Whether the file is by its end, the footer, a Parquet file whose ``attrs`` say where it comes from."""
    content = path.read_bytes()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    return content.endswith(b"PAR1") and b"PANDAS_ATTRS" in footer and b'"provenance"' in footer


def is_recorded(file: Path) -> bool:
    """Whether the file is a table with its origin, or a damaged one of ``data/``."""
    try:
        return read(str(file)) is not None
    except ParameterError:
        return checksums.is_damaged(file)
