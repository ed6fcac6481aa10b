"""Chapter 1c's figures and what they find: what is left of a gradient, and what keeps it, before training and after."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rnnreport.figures import GUIDE, LSTM, RNN, chart, falling, legend_below, median_and_range, new
from rnnreport.intervals import exceeds, interval
from rnnreport.words import counted, from_to, grouped, listed, percent, spread

SOLVED = 0.9  # accuracy
ALL_PATHS, CELL = {"jacobian": "all paths"}, {"cell": "along the cell"}  # columns of what is left, with their names


def solving(measured: pd.DataFrame) -> pd.DataFrame:
    """The rows of the seeds that learn the task; of a network that none of them trains to do so, all rows."""
    solves = measured["test_accuracy"] >= SOLVED
    return measured[solves | ~solves.groupby(measured["network"]).transform("any")]


def learnt(measured: pd.DataFrame) -> pd.DataFrame:
    """The accuracy of each network after training, and how many seeds learn the task."""
    rows = {
        network: {"accuracy on fresh palindromes": spread(accuracies), f"seeds above {SOLVED}": _solved(accuracies)}
        for network, accuracies in _accuracies(measured)
    }
    return pd.DataFrame.from_dict(rows, "index")


def learning(measured: pd.DataFrame) -> str:
    """How many of the networks have learnt."""
    found = [f"{_solved(accuracies)} ({network})" for network, accuracies in _accuracies(measured)]
    return f"Seeds that learn the task: {listed(found)}."


def _accuracies(measured: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """Each network's accuracies after training, one for each seed."""
    once = measured.drop_duplicates(["network", "seed"])
    return [(network, rows["test_accuracy"]) for network, rows in grouped(once, "network")]


def _solved(accuracies: pd.Series) -> str:
    return f"{(accuracies >= SOLVED).sum()} of {len(accuracies)}"


@chart("Lines: means over the seeds; bands: their range; dotted: 1")
def gradient_reach(table: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """What is left of a gradient after some steps, before and after training: a panel for each network, on a log scale.

    table: columns network, seed, when ("before" or "after" training), lag, and those of ``names``, which says what they
    are; the first is drawn solid, the second dashed. Lines are means over the seeds, bands their range.
    """
    figure, panels = _stacked(table, "lag in steps", "‖∂ state at the end / ∂ state‖₂")
    for ax, network, rows in panels:
        for (when, part), (column, style) in itertools.product(_before_and_after(rows), zip(names, ("-", "--"))):
            lags = part[part[column] > 0].groupby("lag")[column]  # what has underflowed has no place on a log scale
            label = f"{when} training, {names[column]}{_whose(table, network, when)}"
            median_and_range(ax, lags, _colour(network, when), line_of="mean", ls=style, label=label)
        ax.axhline(1, color="black", lw=0.7, ls=":")
        ax.set(xlim=(0, table["lag"].max()))
    legend_below(figure)
    return figure


def rates_at_start(reach: pd.DataFrame) -> pd.DataFrame:
    """What the cell leaves of a gradient before training, as a factor per step too, and what 100 steps would leave."""
    lag, left = reach["lag"].max(), _means(reach, "before", "cell")
    powers = {f"left after {lag} steps": 1, "factor per step": 1 / lag, "after 100 steps at this factor": 100 / lag}
    return pd.DataFrame({name: (left**power).map("{:.2g}".format) for name, power in powers.items()}).rename_axis(None)


def at_start(reach: pd.DataFrame) -> str:
    """What the cell leaves before training."""
    found = [f"{value:.2g} ({name})" for name, value in _means(reach, "before", "cell").items()]
    steps = f"{reach['lag'].max()} steps along the cell"
    return f"Before training, {steps} leave {listed(found)} of a gradient in the most open unit."


def answer(reach: pd.DataFrame, when: str) -> str:
    """Whether more than half of a gradient is left along the cell, before training or after, judged as the verdict."""
    solved = reach[reach["test_accuracy"] >= SOLVED]
    if solved.empty:
        return "Unclear: none of these LSTMs has learnt the task."
    found, left = _above_half(solved, when), []
    for network, cell in _at_largest_lag(solved, when)["cell"]:
        value = f"an uncertain {_mean_with_interval(cell)}" if found[network] is None else f"{cell.mean():.2g}"
        left.append(f"{value} in the {network}")
    above = set(found.values())
    said = "Yes" if above == {True} else "Partly" if True in above else "Unclear" if None in above else "No"
    return (
        f"{said}: over {solved['lag'].max()} steps {when} training, what the most open unit leaves of a gradient is "
        f"{listed(left)}."
    )


def by_all_paths(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """What all paths together and the cell alone leave after training."""
    paths, cell = (_means(reach, "after", column) for column in ("jacobian", "cell"))
    left = _pairs(paths, cell, "on all paths,", "along the cell")
    return f"After training, {reach['lag'].max()} steps stretch gradients by {left}."


def ways_compared(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Whether the cell alone ever leaves more, and how far its path reaches after training."""
    less, lag = int((reach["jacobian"] < reach["cell"]).sum()), int(reach["lag"].max())
    half = reach[reach["lag"] <= (lag + 1) // 2]
    middle = [f"{value:.2g} ({name})" for name, value in _means(half, "after", "cell").items()]
    rates = [f"{v ** (1 / lag):.2f} ({network})" for network, v in _means(reach, "before", "jacobian").items()]
    return (
        f"{ranges(reach, names)} Factor per step on all paths before training: {listed(rates)}. All paths leave less "
        f"than the cell alone in {less} of {len(reach):,} measurements. Over half of the way, "
        f"{counted((lag + 1) // 2, 'step')}, the cell leaves {listed(middle)} after training."
    )


def without_a_cell(reach: pd.DataFrame, names: Mapping[str, str]) -> str:
    """What is left of each network's gradient before training and after."""
    ends = {when: dict(iter(_at_largest_lag(reach, when)["jacobian"])) for when in ("before", "after")}
    before, after = (pd.Series(values).map(_mean_with_interval) for values in ends.values())
    left = _pairs(before, after, "before training,", "after", str)
    return f"Over {reach['lag'].max()} steps a gradient is multiplied by {left}."


def at_the_start(reach: pd.DataFrame) -> str:
    """What the path along the cell and what all paths leave before any training."""
    left = {
        way: listed([f"{value:.2g} ({name})" for name, value in _means(reach, "before", way).dropna().items()])
        for way in ("cell", "jacobian")
    }
    return (
        f"Before training, over {reach['lag'].max()} steps, the path along the cell leaves this much of "
        f"a gradient: {left['cell']}. All paths together leave {left['jacobian']}."
    )


def lowest(measured: pd.DataFrame, network: str) -> str:
    """Where a trained network's gradient is smallest, and what it is at the largest lag."""
    trained = measured[(measured["network"] == network) & (measured["when"] == "after")]
    after = solving(trained).groupby("lag")["jacobian"].mean()
    said = (
        f"After training, the {network}'s gradient is smallest at lag {after.idxmin()}, at {after.min():.2g} of its "
        f"size at lag 0; at lag {after.index[-1]} it has {after.iloc[-1]:.2g} times that size."
    )
    failed = trained[(trained["test_accuracy"] < SOLVED) & (trained["lag"] == trained["lag"].max())]["jacobian"]
    if failed.empty:
        return said
    seeds = counted(len(failed), "seed")
    return f"{said.removesuffix('.')}, and {failed.median():.2g} times in the {seeds} that did not learn the task."


def left_at_end(reach: pd.DataFrame) -> pd.DataFrame:
    """What is left at the largest lag in each network, before training and after, along the cell and on all paths."""
    ends = reach[reach["lag"] == reach["lag"].max()]
    found = {
        network: {
            f"{way}, {when} training": _mean_with_interval(part.loc[part["when"] == when, column])
            for column, way in (("cell", "along the cell"), ("jacobian", "all paths"))
            for when in ("before", "after")
        }
        for network, part in grouped(ends, "network")
    }
    return pd.DataFrame.from_dict(found, "index")


def leaving_half(reach: pd.DataFrame) -> str:
    """In which LSTMs, and when, the most open unit surely leaves more than half of a gradient."""
    lstms = reach.dropna(subset=["cell"])
    found = {(name, when): ok for when in ("before", "after") for name, ok in _above_half(lstms, when).items()}
    above = [f"in the {network} {when} training" for (network, when), holds in found.items() if holds]
    where = f"only {listed(above)}" if above else "in no LSTM, before training or after"
    if len(above) == len(found):
        where = "in every LSTM, before training and after"
    return f"Along the cell, the whole interval lies above one half {where}."


def _above_half(reach: pd.DataFrame, when: str) -> dict[str, bool | None]:
    """Whether the cell leaves more than half at the largest lag, by network; None if the interval holds one half."""
    return {network: exceeds(cell.tolist(), 0.5) for network, cell in _at_largest_lag(reach, when)["cell"]}


def _mean_with_interval(values: pd.Series) -> str:
    """The mean over the seeds, with its interval where there are several, of what may be far below 0.01."""
    mean, low, high = interval(values.tolist()) if values.notna().any() else (math.nan,) * 3
    text = "–" if math.isnan(mean) else f"{mean:.2g}"
    return f"{text} ({max(low, 0):.2g} to {high:.2g})" if math.isfinite(low) else text


def _means(reach: pd.DataFrame, when: str, column: str) -> pd.Series:
    """What is left at the largest lag: the mean over the seeds, by network."""
    return _at_largest_lag(reach, when)[column].mean()


def _at_largest_lag(reach: pd.DataFrame, when: str) -> Any:
    """The rows at the largest lag, before training or after, grouped by network."""
    return reach[(reach["lag"] == reach["lag"].max()) & (reach["when"] == when)].groupby("network", sort=False)


def _pairs(one: pd.Series, other: pd.Series, what: str, that: str, say: Callable[[Any], str] = "{:.2g}".format) -> str:
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
    figure, panels = _stacked(table, "share of units and palindromes", "product of forget gates")
    for ax, network, rows in panels:
        for when, part in _before_and_after(rows):
            for place, (_, of_seed) in enumerate(part.groupby("seed")):
                kept = falling(of_seed["kept"].clip(lower=lowest))
                label = None if place else f"{when} training{_whose(table, network, when)}"
                ax.semilogy(kept.index, kept, color=_colour(network, when), lw=1, label=label)
        ax.axhline(1, color="black", lw=0.7, ls=":")
        ax.set(xlim=(0, 1), ylim=(lowest, 2))
    legend_below(figure)
    return figure


def open_units(kept: pd.DataFrame) -> str:
    """Which share of the products lies above one half, before training and after: means over the seeds."""
    tenths = partial(percent, digits=1)
    shares = kept.assign(open=kept["kept"] > 0.5).groupby(["when", "network", "seed"], sort=False)["open"].mean()
    middle = shares.groupby(["when", "network"], sort=False).mean()
    found = _pairs(middle["before"], middle["after"], "before training,", "after", tenths)
    return f"The share of products above one half is {found}."


def units_apart(kept: pd.DataFrame) -> str:
    """How far the products lie apart: the middle eight tenths, and the largest and the smallest."""
    found = []
    for (network, when), part in grouped(kept, "network", "when"):
        low, high = part["kept"].quantile([0.1, 0.9])
        ends = f"{part['kept'].min():.1e} to {part['kept'].max():.2g}"
        found.append(f"{network}, {when} training: a factor of {high / low:.2g}, all of them {ends}")
    return f"Without the largest and the smallest tenth the products span: {'; '.join(found)}."


def slopes_by_training(slopes: pd.DataFrame) -> pd.DataFrame:
    """The means over the seeds, before and after training."""
    names = {"radius": "ρ of W_hh", "norm": "‖W_hh‖₂", "first": "median slope, first digit"}
    names |= {"last": "last digit", "carried": "left by slopes above 0.1"}
    means = slopes.groupby("when", sort=False)[[*names]].mean().map("{:.2g}".format)
    return means.set_axis([*names.values()], axis=1).rename_axis("training")


def carried(slopes: pd.DataFrame) -> str:
    """How steep tanh is at the trained RNN's states, and how much of the gradient passes where it is not flat."""
    first, last, share = slopes.loc[slopes["when"] == "after", ["first", "last", "carried"]].mean()
    return (
        f"After training, the median slope is {first:.2g} at the first digit, {last:.2g} at the last; slopes above 0.1 "
        f"alone leave {percent(share)} of the gradient."
    )


def _stacked(table: pd.DataFrame, xlabel: str, ylabel: str) -> tuple[Figure, list[tuple[Any, str, pd.DataFrame]]]:
    """A figure with a panel for each network, one above the other, and each panel with its network and its rows."""
    networks = [*grouped(table, "network")]
    figure, axes = new(
        1, len(networks), sharex=True, sharey=True, squeeze=False, figsize=(5.2, 2.4 * len(networks) + 0.8)
    )
    for ax, (network, _) in zip(axes[:, 0], networks):
        ax.set(title=network, ylabel=ylabel)
    axes[-1, 0].set(xlabel=xlabel)
    return figure, [(ax, *network) for ax, network in zip(axes[:, 0], networks)]


def _before_and_after(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The parts of the table that there are, in this order."""
    parts = [(when, table[table["when"] == when]) for when in ("before", "after")]
    return [(when, part) for when, part in parts if not part.empty]


def _colour(network: str, when: str) -> str:
    return GUIDE if when == "before" else RNN if network == "RNN" else LSTM


def _whose(table: pd.DataFrame, network: str, when: str) -> str:
    """What a legend adds to a line's name where the networks' lines differ in colour."""
    return f", {network}" if len({_colour(name, when) for name in table["network"].unique()}) > 1 else ""
