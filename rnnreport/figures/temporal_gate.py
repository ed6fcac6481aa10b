"""Chapter 3's figures of trained networks, with a temporal gate and without."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from rnnreport.figures import COLOURS, GATED, GUIDE, LSTM, NAMES, SEQUENCE, curves, in_style, new, thinned

# What the gates on the noise bursts are called on the page, and their colours: the LSTM's for none.
BURST_NAMES = {
    "none": "LSTM",
    "open in the quiet": "open in the quiet,\nfixed",
    "drawn, learned": "drawn, learned",
    "burst, learned": "open in the burst\nat first, learned",
    "open in the burst": "open in the burst,\nfixed",
}
BURST_COLOURS = dict(zip(BURST_NAMES, (LSTM, GATED, SEQUENCE[0], SEQUENCE[3], GUIDE)))


@in_style
def race(table: pd.DataFrame) -> Figure:
    """Accuracy over the steps with and without the temporal gate, a panel for each T."""
    lengths = sorted(table["length"].unique())
    figure, axes = new(len(lengths), sharey=True, squeeze=False, figsize=(3.2 * len(lengths) + 1.4, 3.0))
    for ax, length in zip(axes[0], lengths):
        names = {"lstm": "LSTM", "temporal-gate": "with gate"}
        curves(table[table["length"] == length], "model", colours=COLOURS, names=names, ax=ax)
        ax.set_title(f"T = {length}", fontsize=10)
    axes[0, 0].set(ylabel="accuracy on fresh palindromes")
    return figure


@in_style
def steps_to_solve(steps: pd.DataFrame, budget: int) -> Figure:
    """How many steps it takes to solve a length, a dot a seed, a line through a network's medians; crosses: not solved.

    steps: columns model, value (its start, "" for none), length, seed and steps, infinite where the budget was not
    enough.
    """
    figure, ax = new(figsize=(6.4, 3.4))
    lengths, top = sorted(steps["length"].unique()), budget * 1.35
    for (model, start), rows in steps.groupby(["model", "value"], sort=False):
        colour = COLOURS[str(model)]
        solved, failed = rows[np.isfinite(rows["steps"])], rows[~np.isfinite(rows["steps"])]
        ax.plot(solved["length"], solved["steps"], "o", color=colour, ms=4, alpha=0.6)
        ax.plot(failed["length"], np.full(len(failed), top), "x", color=colour, ms=6)
        middle = rows.groupby("length")["steps"].median().clip(upper=top)
        ax.plot(middle.index, middle, color=colour, lw=1.2)
        name = f"{NAMES[str(model)]},\n{start}" if start else NAMES[str(model)]
        ax.annotate(
            name, (middle.index[-1], middle.iloc[-1]), xytext=(7, 0), textcoords="offset points", color=colour,
            va="center", fontsize=9,
        )  # fmt: skip
    ax.axhline(budget, color=GUIDE, ls=":", lw=1)
    ax.annotate(
        f"budget: {budget:,}", (1, budget), xycoords=("axes fraction", "data"), xytext=(4, 0),
        textcoords="offset points", va="center", fontsize=8, color=GUIDE,
    )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="palindrome length T", ylabel="training steps to solve")
    ax.set_xticks(lengths, [str(length) for length in lengths])
    ticks = [tick for tick in (50, 100, 200, 500, 1000, 2000, 5000) if steps["steps"].min() / 2 <= tick <= budget * 1.4]
    ax.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())
    return figure


@in_style
def carriers(units: pd.DataFrame) -> Figure:
    """What each unit adds to the right digit's logit, against the first step at which it is open.

    units: columns first_open (0: never) and margin; a dot a unit, of all seeds.
    """
    figure, ax = new(figsize=(6.4, 3.2))
    units = thinned(units, 5_000)
    opened, dead = units[units["first_open"] > 0], units[units["first_open"] == 0]
    first = opened[opened["first_open"] == 1]
    later = opened[opened["first_open"] > 1]
    ax.axhline(0, color=GUIDE, lw=0.7)
    spread = 1.12 ** (np.arange(len(first)) % 9 / 8 - 0.5)  # side by side, else they stand on one line
    for rows, colour, x in ((first, GATED, spread), (later, LSTM, later["first_open"]), (dead, GUIDE, 0.6)):
        ax.plot(np.broadcast_to(x, len(rows)), rows["margin"], "o", color=colour, ms=3.5, alpha=0.55, mew=0)
    ticks = [1, 3, 10, 30, 100, 300, 1000]
    ticks = [tick for tick in ticks if tick <= opened["first_open"].max() * 1.2]
    ax.set(xscale="log", xlabel="first step at which the unit is open", ylabel="share in the right\ndigit's logit")
    ax.set_xticks([0.6, *ticks], ["never", *map(str, ticks)])
    ax.xaxis.set_minor_locator(NullLocator())
    return figure


@in_style
def bursts(table: pd.DataFrame, best: float, without_clock: float) -> Figure:
    """Accuracy over the steps, a line a kind of gate, with the bounds of who knows the clock and who does not.

    table: columns gate (of ``BURST_NAMES``), step, seed and test_accuracy.
    """
    figure, ax = new(figsize=(6.8, 3.8))
    present = [gate for gate in BURST_NAMES if gate in set(table["gate"])]
    ordered = pd.concat([table[table["gate"] == gate] for gate in present])
    curves(ordered, "gate", ax=ax, colours=BURST_COLOURS, names=BURST_NAMES, chance=None, ylim=(0.45, 1.03))
    ax.axhline(0.5, color=GUIDE, ls=":", lw=1)
    for level, words in ((best, "best possible"), (without_clock, "best without a clock")):
        _bound(ax, level, words)
    ax.set(ylabel="accuracy on fresh sequences")
    return figure


@in_style
def seeking(final: pd.DataFrame, gates: pd.DataFrame, period: float, bounds: Mapping[str, float]) -> Figure:
    """Where gates that start at another period end up: accuracy against the start, and the periods' ways.

    final: columns start (the period at first), seed and test_accuracy at the end; gates: start, seed, step and tau, a
    row a unit; bounds: names of accuracies to draw as lines.
    """
    figure, (left, right) = new(2, figsize=(7.6, 3.4))
    left.plot(final["start"] / period, final["test_accuracy"], "o", color=GATED, ms=4, alpha=0.6)
    means = final.groupby("start")["test_accuracy"].mean()
    left.plot(means.index / period, means, color=GATED, lw=1.2)
    for name, level in bounds.items():
        _bound(left, level, name, inset=0)
    left.set(xlabel="period at first, of the true one", ylabel="accuracy at the end", ylim=(0.45, 1.03))
    medians = gates.groupby(["start", "seed", "step"])["tau"].median().reset_index()
    for _, way in medians.groupby(["start", "seed"]):
        colour = GATED if abs(way["tau"].iloc[-1] / period - 1) < 0.02 else SEQUENCE[0]
        right.plot(way["step"], way["tau"] / period, color=colour, lw=0.9, alpha=0.8)
    right.axhline(1, color=GUIDE, ls="--", lw=1)
    right.set(xlabel="training step", ylabel="median period, of the true one", yscale="log")
    ticks = [tick for tick in (0.5, 0.7, 1.0, 1.5, 2.0) if gates["tau"].min() < tick * period * 1.05]
    right.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    right.yaxis.set_minor_locator(NullLocator())
    return figure


@in_style
def sine_waves(tables: Mapping[str, pd.DataFrame], published: Mapping[str, Mapping[str, float]]) -> Figure:
    """Accuracy over the updates, a panel a table; dotted: what was published for the model after more of them.

    tables: by their titles, with the columns model, step, seed and test_accuracy; published: accuracies by title and
    model.
    """
    figure, axes = _side_by_side(tables, 2.1)
    for ax, (title, table) in zip(axes, tables.items()):
        names = NAMES if ax is axes[-1] else dict.fromkeys(NAMES, "")
        curves(table, "model", ax=ax, colours=COLOURS, names=names, chance=None, ylim=(0.45, 1.02))
        ax.axhline(0.5, color=GUIDE, ls=":", lw=1)
        for model, level in published.get(title, {}).items():
            ax.axhline(level, color=COLOURS[model], ls=(0, (1, 2)), lw=1.2)
        ax.set(xlabel="updates")
    axes[0].set(ylabel="accuracy on fresh waves")
    return figure


@in_style
def adding(table: pd.DataFrame) -> Figure:
    """Mean squared error of the sums over the steps, against that of always answering 1.

    table: columns model, step, seed and test_loss.
    """
    figure, ax = new(figsize=(5.6, 3.1))
    curves(table, "model", "test_loss", ax=ax, colours=COLOURS, names=NAMES, chance=None, ylim=(0, 0.22), share=False)
    _bound(ax, 1 / 6, "always 1", ls=":")
    ax.set(ylabel="mean squared error")
    return figure


@in_style
def marked_digit(table: pd.DataFrame) -> Figure:
    """Accuracy over the steps of the LSTM and of gates by their open ratio.

    table: columns r_on (missing for the LSTM), step, seed and test_accuracy.
    """
    names = table["r_on"].map(lambda r_on: "LSTM" if pd.isna(r_on) else f"$r_\\mathrm{{on}}$ = {r_on:g}")
    gates = [name for name in dict.fromkeys(names) if name != "LSTM"]
    colours = {**dict(zip(gates, (GATED, *SEQUENCE[:1], SEQUENCE[3], GUIDE))), "LSTM": LSTM}
    figure, ax = new(figsize=(5.6, 3.1))
    curves(table.assign(gate=names), "gate", ax=ax, colours=colours)
    ax.set(ylabel="accuracy on fresh sequences")
    return figure


def _bound(ax: Axes, level: float, words: str, ls: str = "--", inset: float = 3) -> None:
    """A line across at a level that bounds the others, its name above its right end."""
    ax.axhline(level, color=GUIDE, ls=ls, lw=1)
    ax.annotate(
        words, (1, level), xycoords=("axes fraction", "data"), xytext=(-inset, 2), textcoords="offset points",
        ha="right", fontsize=8, color=GUIDE,
    )  # fmt: skip


def _side_by_side(tables: Mapping[str, pd.DataFrame], width: float) -> tuple[Figure, list[Axes]]:
    """A panel for each table, under its title."""
    figure, axes = new(len(tables), sharey=True, squeeze=False, figsize=(width * len(tables) + 1.6, 3.1))
    for ax, title in zip(axes[0], tables):
        ax.set_title(title, fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(4))  # five-digit steps fit side by side
    return figure, list(axes[0])
