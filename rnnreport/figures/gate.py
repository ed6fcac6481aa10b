"""Chapter 3's figures of the temporal gate: its shape, what it does to a state, and what of it can be learned."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnreport.figures import (
    GATED,
    GUIDE,
    LSTM,
    SEQUENCE,
    dots,
    end_label,
    end_labels,
    falling,
    in_style,
    legend_below,
    log_ticks,
    new,
)


@in_style
def temporal_gate(k: pd.DataFrame, tau: float, s: float, r_on: float) -> Figure:
    """Figure 3: k over time, with tau, s and r_on drawn in as dimensions; dots where a network samples it."""
    figure, ax = new(figsize=(6.8, 2.9))
    ax.plot(k["t"], k["k"], color=GATED)
    sampled = k[k["integer"]]
    ax.plot(sampled["t"], sampled["k"], **dots(sampled), ls="", color=GATED)
    until = k["t"].max()

    def dimension(left: float, right: float, y: float, text: str) -> None:
        ax.annotate("", (left, y), (right, y), arrowprops={"arrowstyle": "<->", "lw": 1, "shrinkA": 0, "shrinkB": 0})
        ax.annotate(text, ((left + right) / 2, y), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9)

    first, name = (s, "s") if 0 <= s < tau else (s % tau, "s mod τ")
    if first:
        dimension(0, first, 1.12, f"{name} = {first:g}")
    dimension(first, first + tau, 1.12, f"τ = {tau:g}")
    dimension(first, first + r_on * tau, 1.36, f"$r_\\mathrm{{on}}$τ = {r_on * tau:g}")
    for x in (first, first + tau):
        ax.axvline(x, color=GUIDE, lw=0.7, ls=":")
    ax.set(xlabel="time t", ylabel="openness k(t)", xlim=(0, until), ylim=(0, 1.62), yticks=[0, 0.5, 1])
    return figure


@in_style
def states(table: pd.DataFrame) -> Figure:
    """c and h of one unit over time, with and without the gate, above the gate itself."""
    figure, axes = new(1, 3, sharex=True, figsize=(6.8, 4.6), height_ratios=[2, 2, 1])
    for ax, state in zip(axes, ("c", "h")):
        ax.plot(table["t"], table[state], **dots(table), color=LSTM)
        ax.step(table["t"], table[f"gated {state}"], where="mid", color=GATED, lw=1)
        ax.plot(table["t"], table[f"gated {state}"], **dots(table), ls="", color=GATED)
        ax.set(ylabel=f"{state}(t)")
        last = table.iloc[-1]
        end_labels(
            ax, last["t"], [(last[state], "without", LSTM), (last[f"gated {state}"], "with gate", GATED)], gap=0.1
        )
    axes[2].fill_between(table["t"], table["k"], step="mid", color=GATED, lw=0)
    axes[2].set(ylabel="k(t)", xlabel="step t", ylim=(0, 1))
    return figure


@in_style
def half_lives(table: pd.DataFrame) -> Figure:
    """The half-life of a memory over r_on, a colour for each f: lines by the formula, marks measured, dots ungated.

    table: columns forget, r_on, closed, measured and ungated, in steps.
    """
    figure, ax = new(figsize=(6.0, 3.8))
    for colour, (forget, rows) in zip(SEQUENCE, table.groupby("forget")):
        rows = rows.sort_values("r_on")
        ax.loglog(rows["r_on"], rows["closed"], color=colour)
        ax.plot(rows["r_on"], rows["measured"], "o", color=colour, ms=5, mfc="none")
        ax.axhline(rows["ungated"].iloc[0], color=colour, lw=0.9, ls=":")
        end_label(ax, rows["r_on"].iloc[-1], rows["closed"].iloc[-1], f" f = {forget:g}", colour)
    ax.set(xlabel="open ratio $r_\\mathrm{on}$", ylabel="half-life (steps)")
    log_ticks(ax.xaxis)
    return figure


@in_style
def updates(table: pd.DataFrame) -> Figure:
    """At how many steps units are open, the most often open first: a line for each r_on, its expectation dotted.

    table: columns r_on, updates and expected, a row a unit. The axis is linear below one update, so that none shows.
    """
    figure, ax = new(figsize=(6.0, 3.4))
    labels = []
    for colour, (ratio, rows) in zip(SEQUENCE, table.groupby("r_on")):
        counts = falling(rows["updates"])
        expected = rows["expected"].iloc[0]
        ax.plot(counts.index, counts, color=colour, drawstyle="steps-pre")
        ax.axhline(expected, color=colour, lw=0.9, ls=":")
        labels.append((expected, f"$r_\\mathrm{{on}}$ = {ratio:g}", colour))
    ax.set_yscale("symlog", linthresh=1)
    ax.set(xlabel="share of units", ylabel="updates", xlim=(0, 1), ylim=(0, 1.3 * max(1, table["updates"].max())))
    ax.yaxis.set_major_formatter("{x:g}")
    for y, text, colour in labels:
        end_label(ax, 1, y, text, colour)
    return figure


@in_style
def mod_derivatives(table: pd.DataFrame, by_mod: pd.DataFrame) -> Figure:
    """How wrong each derivative of mod is over the periods gone by, and how often a gate is found again with it.

    table: columns mod, periods, error (relative, of the derivative of k by tau). by_mod: mod, periods, recovered. What
    is right to the rounding of the differences stands at the bottom; an error of 0 has no place.
    """
    figure, (left, right) = new(2, figsize=(7.6, 3.4))
    names = list(dict.fromkeys(table["mod"]))
    markers = dict(zip(names, "osDx+"))
    for colour, name in zip(SEQUENCE, names):
        rows = table[table["mod"] == name].sort_values("periods")
        share = by_mod[by_mod["mod"] == name].groupby("periods")["recovered"].mean()
        left.plot(rows["periods"], rows["error"], markers[name], color=colour, ms=6)
        right.plot(share.index, share, color=colour, marker=markers[name], ms=6, lw=1.2, label=name)
    left.set_xscale("symlog", linthresh=1)
    left.xaxis.set_major_formatter("{x:g}")
    left.set(yscale="log", xlabel="periods since s", ylabel="relative error of ∂k/∂τ")
    right.set(xscale="log", xlabel="periods seen, T/τ", ylabel="gates found again (share)", ylim=(-0.03, 1.03))
    log_ticks(right.xaxis)
    legend_below(figure, len(names))
    return figure


@in_style
def recovery(table: pd.DataFrame) -> Figure:
    """How often a gate is found again over how far off the search starts: a row for tau, one for s, a line a remedy.

    table: columns remedy, periods, ratio, offset, seed and recovered; a panel for each number of periods.
    """
    numbers, remedies = sorted(table["periods"].unique()), list(dict.fromkeys(table["remedy"]))
    figure, axes = new(len(numbers), 2, sharey=True, squeeze=False, figsize=(2.5 * len(numbers) + 0.6, 5.0))
    starts = (
        ("ratio", table["offset"] == 0, "start of τ / true τ"),
        ("offset", table["ratio"] == 1, "(start of s − s) / τ"),
    )
    for row, (column, chosen, xlabel) in zip(axes, starts):
        for ax, n in zip(row, numbers):
            _shares(ax, table[chosen & (table["periods"] == n)], column, remedies)
            ax.set(xlabel=xlabel, ylim=(-0.03, 1.03))
            if column == "ratio":
                ax.set(xscale="log")
                log_ticks(ax.xaxis)
                ax.set_title(f"T = {n:g} τ", fontsize=10)
        row[0].set(ylabel="found again (share)")
    legend_below(figure, len(remedies))
    return figure


def _shares(ax: Axes, table: pd.DataFrame, over: str, remedies: list[str]) -> None:
    """The share of searches that found the gate, a line for each remedy."""
    for colour, name in zip(SEQUENCE, remedies):
        share = table[table["remedy"] == name].groupby(over)["recovered"].mean()
        ax.plot(share.index, share, color=colour, marker="o", ms=3, lw=1.2, label=name)


@in_style
def never_open(table: pd.DataFrame) -> Figure:
    """The share of units that no whole step finds open, over r_on and T: a heat map for each longest period.

    table: columns longest, r_on, length and share.
    """
    longest = sorted(table["longest"].unique())
    figure, axes = new(len(longest), sharey=True, squeeze=False, figsize=(2.5 * len(longest) + 0.8, 2.9))
    for ax, period in zip(axes[0], longest):
        shares = table[table["longest"] == period].pivot(index="r_on", columns="length", values="share")
        ax.imshow(shares, aspect="auto", origin="lower", cmap="Greys", vmin=0, vmax=1.25)
        for (y, x), share in np.ndenumerate(shares.to_numpy()):
            ax.text(
                x, y, f"{share:.0%}", ha="center", va="center", fontsize=8, color="white" if share > 0.6 else "black"
            )
        ax.set_xticks(range(shares.shape[1]), [f"{length:g}" for length in shares.columns])
        ax.set_yticks(range(shares.shape[0]), [f"{ratio:g}" for ratio in shares.index])
        ax.set(xlabel="steps T")
        ax.set_title(f"τ in 1…{period:,.0f}", fontsize=10)
    axes[0, 0].set(ylabel="open ratio $r_\\mathrm{on}$")
    return figure


@in_style
def leaked_gradients(table: pd.DataFrame) -> Figure:
    """The gradient that reaches each unit, the largest first: those that open and those that do not, by leak.

    table: columns leak, seed, unit, dead, weights and gate (norms of gradients). Zeros have no place on the log scale.
    """
    figure, axes = new(2, figsize=(7.4, 3.2))
    titles = {"weights": "by the unit's weights", "gate": "by log τ, s and logit $r_\\mathrm{on}$"}
    for ax, (column, title) in zip(axes, titles.items()):
        for style, (leak, rows) in zip(("-", "--", ":"), table.groupby("leak")):
            for dead, colour, name in ((False, GATED, "open at some step"), (True, GUIDE, "never open")):
                norms = falling(rows.loc[rows["dead"] == dead, column])
                label = f"{name}, leak {leak:g}" + (", all zero" if len(norms) and not norms.max() else "")
                shown = norms[norms > 0]
                ax.plot(shown.index, shown, color=colour, ls=style, label=label)
        ax.set(yscale="log", xlabel="share of units", xlim=(0, 1))
        ax.set_title(title, fontsize=10)
    axes[0].set(ylabel="norm of the gradient")
    legend_below(figure)
    return figure
