"""Recorded tables of long runs, which the repository carries in ``data/``: joining, reading and recognising them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from rnnreport import checksums
from rnnreport.origin import of_rows
from rnnreport.parameters import ParameterError, located
from rnnreport.runs import read_table

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = (
    *("experiment", "seed", "model", "network", "task", "length", "delay", "learning_rate", "optimizer", "decay_every"),
    *("gate", "tau", "sampling"),
)


def joined(
    experiments: Mapping[str, Callable[[], pd.DataFrame]], claims: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """The tables of several experiments, done now, as one, with the column ``experiment`` and without ``run``.

    claims: a digest of every claim as it is stated now, before the experiments. ``attrs["provenance"]`` is a dictionary
    with the origin of each by the experiment's name, and ``attrs["claims"]`` one with these digests.
    """
    import pandas as pd

    parts = {name: experiment() for name, experiment in experiments.items()}
    # Int64 can hold missing values, so integers stay integers beside experiments that lack the column.
    wide = [
        part.drop(columns="run", errors="ignore").astype(dict.fromkeys(part.select_dtypes("int"), "Int64"))
        for part in parts.values()
    ]
    table = pd.concat([part.assign(experiment=name) for name, part in zip(parts, wide)], ignore_index=True)
    origins = {name: of_rows(part, "recorded") or "recorded, without runs of the store" for name, part in parts.items()}
    table.attrs["provenance"] = origins
    table.attrs["claims"] = {name: dict(claims) for name in parts}
    return table


def added(table: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """A recorded table with the rows of another: other experiments, or the same with other seeds or settings.

    Rows of the same experiment, seed and settings are replaced. Of an experiment that both have, the digests of claims
    stay that were the same for both.
    """
    import pandas as pd

    settings = [name for name in SETTINGS if name in table and name in more]
    keys = [pd.MultiIndex.from_frame(_set(part)[settings].astype(str)) for part in (table, more)]
    kept = table[~keys[0].isin(keys[1])]
    both = pd.concat([kept, more], ignore_index=True)
    origins = [part.attrs["provenance"] for part in (table, more)]
    in_both = set(kept["experiment"]) & set(more["experiment"])
    joint = {name: " + ".join(origin[name] for origin in origins) for name in in_both}
    both.attrs["provenance"] = {**origins[0], **origins[1], **joint}
    claims = [part.attrs.get("claims", {}) for part in (table, more)]
    same = {name: dict(claims[0].get(name, {}).items() & claims[1].get(name, {}).items()) for name in in_both}
    both.attrs["claims"] = {**claims[0], **claims[1], **same}
    return both


def _set(table: pd.DataFrame) -> pd.DataFrame:
    """The table without tau where it is what came out, in rows that are not of a training."""
    if not {"tau", "hidden_size"} <= set(table):
        return table.assign(tau=None) if "tau" in table else table
    return table.assign(tau=table["tau"].where(table["hidden_size"].notna()))


def rows(table: pd.DataFrame | None, name: str, train: Callable[[], pd.DataFrame] | None = None) -> pd.DataFrame:
    """An experiment's recorded rows. If there are none: those of ``train``, or an empty table if train is None.

    Both kinds state their origin: :func:`rnnreport.origin.of_rows`.
    """
    import pandas as pd

    if table is None or name not in table.attrs["provenance"]:
        return train() if train else pd.DataFrame()
    part = table[table["experiment"] == name].dropna(axis=1, how="all")
    whole = part.select_dtypes("Int64").dropna(axis=1)  # rows of before a setting was new lack it
    part = part.astype(dict.fromkeys(whole, "int64")).infer_objects()  # truth values are objects
    part.attrs = {"provenance": table.attrs["provenance"][name], "claims": table.attrs.get("claims", {}).get(name, {})}
    return part


def read(file: str) -> pd.DataFrame | None:
    """The recorded table at a path, which :func:`rnnreport.parameters.located` finds; None if there is none.

    Raises ParameterError if the file is damaged, is not a table, or does not state its origin.
    """
    path = located(file)
    if not file or not os.path.exists(path):  # Path.exists raises OSError for too long a name
        return None
    try:
        table = read_table(checksums.verify(path))
    except checksums.DamagedError as error:
        raise ParameterError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow raises ValueErrors, pandas the others
        raise ParameterError(f"{file} is not a table that can be read: {str(error).splitlines()[0]}") from error
    if "provenance" not in table.attrs:
        raise ParameterError(f"{file} does not say where its runs come from; `rnnreport record` makes files that do")
    return table


def is_there(file: str) -> bool:
    """Whether there is a table that :func:`read` can read. Raises ParameterError as it does.

    A file that a manifest covers is only checked, not read as a table: this needs no pandas.
    """
    try:
        if file and checksums.is_vouched_for(path := located(file)) and _has_origin(path):
            return True
    except (OSError, checksums.DamagedError):
        pass  # read says what is wrong
    return read(file) is not None


def _has_origin(path: Path) -> bool:
    """Whether the file's footer is that of a Parquet file whose ``attrs`` state its origin."""
    content = path.read_bytes()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    return content.endswith(b"PAR1") and b"PANDAS_ATTRS" in footer and b'"provenance"' in footer


def is_recorded(file: Path) -> bool:
    """Whether the file is a table that states its origin, or a damaged one in ``data/``."""
    try:
        return read(str(file)) is not None
    except ParameterError:
        return checksums.is_damaged(file)
