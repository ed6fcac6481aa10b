"""Chapter 1c's figures and what they find: what is left of a gradient, and what keeps it, before training and after."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from rnnreport.figures import GUIDE, LSTM, RNN, chart, falling, legend_below, median_and_range, panels
from rnnreport.words import at_end, counted, each, from_to, grouped, listed, percent, spread

SOLVED = 0.9  # accuracy


def learnt(courses: pd.DataFrame) -> pd.DataFrame:
    """The accuracy of each network after training, and when each seed came to 0.9."""
    rows = {}
    for network, part in grouped(courses, "network"):
        first = [steps.loc[steps["test_accuracy"] >= SOLVED, "step"].min() for _, steps in grouped(part, "seed")]
        rows[network] = {
            "accuracy on fresh palindromes": spread(at_end(part)["test_accuracy"]),
            f"first at {SOLVED} at step, by seed": ", ".join(
                "never" if pd.isna(step) else f"{step:.0f}" for step in first
            ),
        }
    return pd.DataFrame.from_dict(rows, "index")


def learning(courses: pd.DataFrame) -> str:
    """How well the networks have learnt."""
    return f"Accuracy after training: {each(at_end(courses), 'network')}."


@chart("Lines: medians over the seeds; bands: their range; dotted: 1")
def gradient_reach(table: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """What is left of a gradient after some steps, before and after training: a panel for each network, on a log scale.

    table: columns network, seed, when ("before" or "after" training), lag, and those of ``names``, which says what they
    are; the first is drawn solid, the second dashed. Lines are medians over the seeds, bands their range.
    """
    figure, axes = panels(grouped(table, "network"), 3.4, 3.4, ylabel="‖∂ state at the end / ∂ state‖₂")
    for ax, network, rows in axes:
        for (when, part), (column, style) in itertools.product(_before_and_after(rows), zip(names, ("-", "--"))):
            lags = part[part[column] > 0].groupby("lag")[column]  # what has underflowed has no place on a log scale
            label = f"{when} training, {names[column]}{_whose(table, network, when)}"
            median_and_range(ax, lags, _colour(network, when), ls=style, label=label)
        ax.axhline(1, color="black", lw=0.7, ls=":")
        ax.set(xlabel="lag in steps", xlim=(0, table["lag"].max()))
    legend_below(figure)
    return figure


def at_start(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """What the cell leaves before training."""
    first, *others = [(f"{value:.2g}", name) for name, value in _medians(reach, "before", "cell").items()]
    found = [f"{first[0]} of a gradient ({first[1]})", *(f"{value} ({name})" for value, name in others)]
    return f"Before training, {reach['lag'].max()} steps along the cell leave {listed(found)}."


def rates_at_start(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """The same as a factor per step, and what it would leave over 100 steps."""
    lag = reach["lag"].max()
    left = _medians(reach, "before", "cell")
    found = [f"{value ** (1 / lag):.2f} and {value ** (100 / lag):.0e} ({network})" for network, value in left.items()]
    return f"{ranges(reach, names)} As a factor per step, and what it would leave over 100 steps: {'; '.join(found)}."


def by_all_ways(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """What all ways together and the cell alone leave after training."""
    ways, cell = (_medians(reach, "after", column) for column in ("jacobian", "cell"))
    return f"After training {reach['lag'].max()} steps leave {_pairs(ways, cell, 'by all ways,', 'along the cell')}."


def ways_compared(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Whether the cell alone ever leaves more, and how far its path reaches after training."""
    less, lag = int((reach["jacobian"] < reach["cell"]).sum()), int(reach["lag"].max())
    half = reach[reach["lag"] <= (lag + 1) // 2]
    middle = [f"{value:.2g} ({name})" for name, value in _medians(half, "after", "cell").items()]
    rates = [f"{v ** (1 / lag):.2f} ({network})" for network, v in _medians(reach, "before", "jacobian").items()]
    return (
        f"{ranges(reach, names)} Factor per step of all ways before training: {listed(rates)}. All ways leave less "
        f"than the cell alone in {less} of {len(reach)} rows. Over half of the way, {counted((lag + 1) // 2, 'step')}, "
        f"the cell leaves {listed(middle)} after training."
    )


def without_a_cell(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """What is left of each network's gradient before training and after."""
    before, after = (_medians(reach, when, "jacobian") for when in ("before", "after"))
    left = _pairs(before, after, "of a gradient before training,", "after")
    return f"{reach['lag'].max()} steps leave {left}."


def _medians(reach: pd.DataFrame, when: str, column: str) -> pd.Series:
    """What is left at the largest lag: the median over the seeds, by network."""
    ends = reach[(reach["lag"] == reach["lag"].max()) & (reach["when"] == when)]
    return ends.groupby("network", sort=False)[column].median()


def _pairs(
    one: pd.Series, other: pd.Series, what: str, that: str, say: Callable[[float], str] = "{:.2g}".format
) -> str:
    """Two numbers for each network; the first network's are told with what they are."""
    first, *others = [(say(one[name]), say(other[name]), name) for name in one.index]
    found = [f"{first[0]} {what} {first[1]} {that} ({first[2]})", *(f"{a} and {b} ({name})" for a, b, name in others)]
    return "; ".join(found)


def ranges(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """The ranges over the seeds of all that is drawn, at the largest lag."""
    ends = reach[reach["lag"] == reach["lag"].max()]
    found = [
        f"{network}, {when} training, {name}: {from_to(part[column])}"
        for (network, when), part in grouped(ends, "network", "when")
        for column, name in names.items()
        if part[column].notna().all()
    ]
    return f"Ranges over the seeds at lag {reach['lag'].max()}: {'; '.join(found)}."


@chart("One line per seed; dotted: 1")
def kept_by_units(table: pd.DataFrame, lowest: float = 1e-6) -> Figure:
    """The products of forget gates, the largest first, before and after training: a panel a network, a line a seed.

    table: columns network, seed, when ("before" or "after"), kept. The axis ends at ``lowest``.
    """
    figure, axes = panels(grouped(table, "network"), 3.4, 3.2, ylabel="product of forget gates")
    for ax, network, rows in axes:
        for when, part in _before_and_after(rows):
            for place, (_, of_seed) in enumerate(part.groupby("seed")):
                kept = falling(of_seed["kept"].clip(lower=lowest))
                label = None if place else f"{when} training{_whose(table, network, when)}"
                ax.semilogy(kept.index, kept, color=_colour(network, when), lw=1, label=label)
        ax.axhline(1, color="black", lw=0.7, ls=":")
        ax.set(xlabel="share of units and palindromes", xlim=(0, 1), ylim=(lowest, 2))
    legend_below(figure)
    return figure


def open_units(kept: pd.DataFrame) -> str:
    """Which share of the products lies above one half, before training and after."""
    tenths = partial(percent, digits=1)
    shares = kept.assign(open=kept["kept"] > 0.5).groupby(["when", "network", "seed"], sort=False)["open"].mean()
    middle = shares.groupby(["when", "network"], sort=False).median()
    found = _pairs(middle["before"], middle["after"], "of the products before training,", "after", tenths)
    return f"Above one half lie {found}."


def units_apart(kept: pd.DataFrame) -> str:
    """How far the products lie apart: the middle eight tenths, and the largest and the smallest."""
    found = []
    for (network, when), part in grouped(kept, "network", "when"):
        low, high = part["kept"].quantile([0.1, 0.9])
        ends = f"{part['kept'].min():.1e} to {part['kept'].max():.2g}"
        found.append(f"{network}, {when} training: a factor of {high / low:.2g}, all of them {ends}")
    return f"Without the largest and the smallest tenth the products span: {'; '.join(found)}."


def slopes_by_training(slopes: pd.DataFrame) -> pd.DataFrame:
    """The medians over the seeds, before and after training."""
    names = {"radius": "ρ of Whh", "norm": "‖Whh‖₂", "slope": "median slope 1 − h²"}
    medians = slopes.groupby("when", sort=False)[[*names]].median().map("{:.2g}".format)
    return medians.set_axis([*names.values()], axis=1).rename_axis("training")


def flat_half(slopes: pd.DataFrame) -> str:
    """Where half of the RNN's states lie."""
    before, after = (slopes.loc[slopes["when"] == when, "slope"].median() for when in ("before", "after"))
    return (
        f"Half of the RNN's states lie where the slope of tanh is at most {after:.2g} after training, and {before:.2g} "
        "before."
    )


def _before_and_after(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The parts of the table that there are, in this order."""
    parts = [(when, table[table["when"] == when]) for when in ("before", "after")]
    return [(when, part) for when, part in parts if not part.empty]


def _colour(network: str, when: str) -> str:
    return GUIDE if when == "before" else RNN if network == "RNN" else LSTM


def _whose(table: pd.DataFrame, network: str, when: str) -> str:
    """What a legend adds to a line's name where the networks' lines differ in colour."""
    return f", {network}" if len({_colour(name, when) for name in table["network"].unique()}) > 1 else ""
