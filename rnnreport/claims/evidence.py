"""What predicates share: selecting runs, and choosing a setting on other seeds than those that judge."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from rnnreport.claims.verdicts import CannotTellError

RUN = ("model", "optimizer", "gate", "length", "learning_rate", "decay_every", "seed")
CHOOSING = 6  # one in this many seeds chooses a setting, such as a learning rate; the others judge


def at_last_step(table: pd.DataFrame, steps: int = 0) -> tuple[int, pd.DataFrame]:
    """The last step that all of these runs have reached, and the rows there.

    Raises CannotTellError if it is less than ``steps``, or if there are no runs.
    """
    if table.empty:
        raise CannotTellError("This build has no such runs.")
    of_run = [name for name in RUN if name in table]
    last = int(table.groupby(of_run, dropna=False)["step"].max().min() if of_run else table["step"].max())
    if last < steps:
        raise CannotTellError(f"The claim is about {steps:,} steps; the shortest of these runs has {last:,}.")
    return last, table[table["step"] == last]


def paired(some: pd.Series, others: pd.Series) -> list[float]:
    """The differences, seed by seed, for the seeds that have both. Raises CannotTellError if there are none."""
    differences = (some - others).dropna().tolist()
    if not differences:
        raise CannotTellError("No seed has both of what is compared.")
    return differences


def choosing(table: pd.DataFrame) -> pd.Series:
    """Which rows are of the seeds that choose: the first sixth of them, at least one.

    Raises CannotTellError if there is only one seed.
    """
    seeds = sorted(table["seed"].unique())
    if len(seeds) < 2:
        raise CannotTellError("One seed cannot both choose a setting and judge it.")
    return table["seed"].isin(seeds[: max(1, len(seeds) // CHOOSING)])


def at_chosen(table: pd.DataFrame, by: Sequence[str], setting: str = "learning_rate") -> pd.DataFrame:
    """The judging seeds' rows at the setting that, for each ``by``, has the choosing seeds' best mean accuracy.

    Raises CannotTellError if there are none, or if there is only one seed.
    """
    chooses = choosing(table)
    means = table[chooses].groupby([*by, setting])["test_accuracy"].mean()
    best = pd.MultiIndex.from_tuples(means.groupby(list(by)).idxmax(), names=[*by, setting])
    chosen = pd.MultiIndex.from_frame(table[[*by, setting]]).isin(best)
    judging = table[chosen & ~chooses.to_numpy()]
    if judging.empty:
        raise CannotTellError("The seeds that judge have no run at the chosen setting.")
    return judging


def by_length(values: pd.Series, table: pd.DataFrame, name: str) -> dict[str, list[float]]:
    """These values, one per row of the table, as cases: one for each length."""
    return {name.format(length): group.astype(float).tolist() for length, group in values.groupby(table["length"])}
