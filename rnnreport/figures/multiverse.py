"""Chapter 2's figure and table of the worlds in which a claim holds: all ways to settle what the report leaves open."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from rnnreport.figures import GUIDE, SEQUENCE, chart, new, ticks
from rnnreport.words import counted, grouped, listed, percent

HOLDS, FAILS = SEQUENCE[1], SEQUENCE[0]
OWN = ("claim", "asked", "share", "holds")  # columns of a table of worlds; the others are its choices


@chart("Worlds, blue where the claim holds in more than half of the seeds, ochre elsewhere; bars: what each has chosen")
def specification_curve(worlds: pd.DataFrame) -> Figure:
    """In what share of the seeds each claim holds, world by world, above the values that each world has.

    worlds: columns claim, asked, share and holds, and one per choice, categories in their order.
    """
    rows = _rows(worlds)
    parts = [*grouped(worlds, "claim")]
    size = (1.9 * len(parts) + 1.9, 0.17 * len(rows) + 2.4)
    figure, axes = new(len(parts), 2, sharey="row", sharex="col", squeeze=False, figsize=size, height_ratios=[1, 2])
    for (above, below), (claim, of_claim) in zip(axes.T, parts):
        ordered = of_claim.sort_values(["share", *deciding(of_claim).index], ignore_index=True)
        for colour, some in ((FAILS, ordered[~ordered["holds"]]), (HOLDS, ordered[ordered["holds"]])):
            if len(some):
                edges = np.arange(some.index[0], some.index[-1] + 2)
                above.stairs(some["share"], edges, baseline=None, color=colour, lw=2)
        above.axhline(0.5, color=GUIDE, ls=":", lw=1)
        above.set(title=_sentence(claim).rstrip("."), ylim=(-0.05, 1.05))
        has = np.stack([ordered[choice] == value for choice, value in rows])
        marks = np.where(has, 1 + ordered["holds"].to_numpy(), 0)
        marks = np.stack([marks, marks, 0 * marks], 1).reshape(-1, len(ordered))  # a gap below each row
        image = np.ma.masked_equal(marks, 0)
        below.imshow(
            image, aspect="auto", interpolation="nearest", cmap=ListedColormap([FAILS, HOLDS]), vmin=1, vmax=2,
            extent=(0, len(ordered), len(rows), 0),
        )  # fmt: skip
        below.set(xlabel="worlds")
        ticks(below.xaxis, [0, len(ordered)])
    axes[0, 0].set(ylabel="share of seeds")
    axes[1, 0].set_yticks(np.arange(len(rows)) + 0.35, [": ".join(row) for row in rows], fontsize=8)
    return figure


def _rows(worlds: pd.DataFrame) -> list[tuple[str, str]]:
    """Each choice with each of its values, in their order."""
    choices = worlds.drop(columns=[*OWN])
    return [(str(choice), value) for choice in choices for value in worlds[choice].cat.categories]


def _shares(worlds: pd.DataFrame) -> pd.Series:
    """The share of worlds in which a claim holds, by choice and value. worlds: of one claim."""
    shares = {(choice, value): worlds.loc[worlds[choice] == value, "holds"].mean() for choice, value in _rows(worlds)}
    return pd.Series(shares)


def deciding(worlds: pd.DataFrame) -> pd.Series:
    """By how much each choice moves the share of worlds where a claim holds, the most first. worlds: of one claim."""
    by_choice = _shares(worlds).groupby(level=0, sort=False)
    return (by_choice.max() - by_choice.min()).sort_values(ascending=False, kind="stable")


def by_value(worlds: pd.DataFrame) -> pd.DataFrame:
    """The share of worlds in which each claim holds, by the values of a choice; what moves any of them most is first.

    worlds: as for :func:`specification_curve`.
    """
    parts = [*grouped(worlds, "claim")]
    most = pd.DataFrame({claim: deciding(part) for claim, part in parts}).max(axis=1)
    shares = pd.DataFrame({claim: _shares(part) for claim, part in parts}).map(percent)
    order = most.sort_values(ascending=False, kind="stable").index
    return shares.loc[order].rename_axis(["choice", "value"])


def shares_of_worlds(worlds: pd.DataFrame) -> str:
    """In how many worlds each claim holds."""
    (first, of_first), *others = grouped(worlds, "claim")
    said = [f"{first} holds in {percent(of_first['holds'].mean())} of {counted(len(of_first), 'world')}"]
    said += [f"{claim} in {percent(part['holds'].mean())}" for claim, part in others]
    return _sentence(listed(said))


def what_is_asked(worlds: pd.DataFrame) -> str:
    """What a claim takes to hold, as details."""
    asked = worlds.drop_duplicates("claim")
    said = [f"{claim}: {words}" for claim, words in zip(asked["claim"], asked["asked"])]
    return f"{_sentence('; '.join(said))} A claim holds in a world if this is so in more than half of its seeds."


def what_decides(worlds: pd.DataFrame) -> str:
    """For each claim the choice that moves the share of its worlds most, and between which shares."""
    decided: dict[str, list[str]] = {}
    for claim, part in grouped(worlds, "claim"):
        choice = deciding(part).index[0]
        low, *_, high = sorted(_shares(part)[choice])
        said = f"{claim} ({percent(low).rstrip('%')}–{percent(high)})" if low < high else claim
        decided.setdefault(choice if low < high else "nothing", []).append(said)
    return f"What decides: {'; '.join(f'{choice} for {listed(claims)}' for choice, claims in decided.items())}."


def how_trained(rows: pd.DataFrame) -> str:
    """The size of the networks and the steps of their trainings, as details. rows: of the runs."""
    steps = [f"T = {length} for {most:,}" for length, most in rows.groupby("length")["steps"].max().items()]
    units = listed(sorted({str(units) for units in rows["hidden_size"]}))
    return (
        f"Networks of {units} units, trained at {listed(steps)} steps. Choices are sorted by the largest difference "
        "between their values."
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
