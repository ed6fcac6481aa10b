"""Chapter 3's figures of the temporal gate: its shape, what it does to a state, and what of it can be learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnreport import words
from rnnreport.figures import (
    GATED,
    GUIDE,
    LSTM,
    SEQUENCE,
    chart,
    dots,
    end_label,
    end_labels,
    falling,
    legend_below,
    log_ticks,
    new,
    panels,
)
from rnnreport.words import grouped, percent

Gate = tuple[float, float, float]  # τ, s and r_on


@chart("Dots: whole steps, which is all that a network sees of it")
def temporal_gate(k: pd.DataFrame, gate: Gate) -> Figure:
    """Openness over time: a row of equal triangles between 0 and 1, with s, τ and r_on τ marked as lengths.

    k: columns t, k and integer, whether t is a whole step.
    """
    tau, s, r_on = gate
    figure, ax = new(figsize=(7.0, 2.7))
    ax.plot(k["t"], k["k"], color=GATED)
    sampled = k[k["integer"]]
    ax.plot(sampled["t"], sampled["k"], **dots(sampled), ls="", color=GATED)
    until = k["t"].max()

    def dimension(left: float, right: float, y: float, text: str) -> None:
        ax.annotate("", (left, y), (right, y), arrowprops={"arrowstyle": "<->", "lw": 1, "shrinkA": 0, "shrinkB": 0})
        ax.annotate(text, ((left + right) / 2, y), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=9)

    first, name = (s, "s") if 0 <= s < tau else (s % tau, "s mod τ")
    if first:
        dimension(0, first, 1.12, f"{name} = {first:g}")
    dimension(first, first + tau, 1.12, f"τ = {tau:g}")
    dimension(first, first + r_on * tau, 1.36, f"$r_\\mathrm{{on}}$τ = {r_on * tau:g}")
    ax.vlines((first, first + tau), 0, 1.2, color=GUIDE, lw=0.7, ls=":")  # not through the name above
    ax.set(xlabel="time t", ylabel="openness k(t)", xlim=(0, until), ylim=(0, 1.62), yticks=[0, 0.5, 1])
    ax.xaxis.get_major_locator().set_params(integer=True)
    return figure


def opens(k: pd.DataFrame, gate: Gate) -> str:
    """When a gate opens, by its three numbers."""
    tau, s, r_on = gate
    return (
        f"The gate opens every {tau:g} steps (period τ), counted from t = {s:g} (shift s), for {r_on * tau:g} steps "
        f"(open ratio r_on = {r_on:g})."
    )


def at_whole_steps(k: pd.DataFrame) -> str:
    """What a network that counts in whole steps sees of the gate."""
    seen = k.loc[k["integer"], "k"]
    return (
        f"At whole steps the gate reaches {words.share(seen.max())} at most, and is open at "
        f"{percent((seen > 0).mean())} of them. Computed from (12), without randomness."
    )


@chart("Green: behind the gate; blue: without it; one unit of eight, same random weights, same noise as input")
def states(table: pd.DataFrame) -> Figure:
    """Cell state, hidden state and openness of one unit over the steps, in three charts one above the other.

    table: columns t, k, c, h, gated c and gated h.
    """
    figure, axes = new(1, 3, sharex=True, figsize=(7.0, 3.6), height_ratios=[2, 2, 1])
    for ax, state in zip(axes, ("c", "h")):
        ax.plot(table["t"], table[state], **dots(table), color=LSTM)
        ax.step(table["t"], table[f"gated {state}"], where="mid", color=GATED, lw=1)
        ax.plot(table["t"], table[f"gated {state}"], **dots(table), ls="", color=GATED)
        ax.set(ylabel=f"{state}(t)")
        last = table.iloc[-1]
        end_labels(ax, last["t"], [(last[state], "without", LSTM), (last[f"gated {state}"], "with", GATED)], gap=0.1)
    axes[2].fill_between(table["t"], table["k"], step="mid", color=GATED, lw=0)
    axes[2].set(ylabel="k(t)", xlabel="step t", ylim=(0, 1))
    return figure


def changes(table: pd.DataFrame) -> str:
    """At how many steps the state changes, with the gate and without it."""

    def changed(*names: str) -> str:
        states = table[[*names]]
        return f"{(states != states.shift(fill_value=0.0)).any(axis=1).sum() or 'none'}"

    gated, ungated = changed("gated c", "gated h"), changed("c", "h")
    return f"Behind the gate the unit's state changes at {gated} of {len(table)} steps; without the gate, at {ungated}."


@chart("Lines: the formula; circles: measured; dotted: without a gate")
def half_lives(table: pd.DataFrame) -> Figure:
    """The half-life of a memory over the open ratio, one falling straight line for each forget gate f.

    table: columns forget, r_on, closed, measured and ungated, in steps.
    """
    figure, ax = new(figsize=(7.0, 3.0))
    for colour, (forget, rows) in zip(SEQUENCE, table.groupby("forget")):
        rows = rows.sort_values("r_on")
        ax.loglog(rows["r_on"], rows["closed"], color=colour)
        ax.plot(rows["r_on"], rows["measured"], "o", color=colour, ms=5, mfc="none")
        ax.axhline(rows["ungated"].iloc[0], color=colour, lw=0.9, ls=":")
        end_label(ax, rows["r_on"].iloc[-1], rows["closed"].iloc[-1], f" f = {forget:g}", colour)
    ax.set(xlabel="open ratio $r_\\mathrm{on}$", ylabel="half-life (steps)")
    log_ticks(ax.xaxis)
    return figure


def lasts_longer(table: pd.DataFrame) -> str:
    """By how much the narrowest gate changes a memory's half-life, for the least and the largest forget gate."""
    narrow = table[table["r_on"] == table["r_on"].min()].sort_values("forget")
    times = (narrow["measured"] / narrow["ungated"]).map("{:.0f} times".format).tolist()
    least, most = narrow["forget"].iloc[0], narrow["forget"].iloc[-1]
    return (
        f"Open {percent(narrow['r_on'].iloc[0])} of the time, the gate makes a memory last {times[0]} as long (forget "
        f"gate {least:g}) or {times[-1]} (forget gate {most:g})."
    )


def off_the_formula(table: pd.DataFrame) -> str:
    """How far the measured half-lives are from the formula's."""
    apart = (table["measured"] / table["closed"] - 1).abs().max()
    return f"The measured half-lives are within {percent(apart, 1)} of the formula's. Without randomness."


@chart("Units sorted, the most often open first; dotted: r_on times the steps")
def updates(table: pd.DataFrame) -> Figure:
    """At how many steps units are open: one falling staircase for each open ratio, and its expectation.

    table: columns r_on, updates and expected, one row per unit. The y axis is linear below 1, so that 0 has a place.
    """
    figure, ax = new(figsize=(7.0, 3.0))
    labels = []
    for colour, (ratio, rows) in zip(SEQUENCE, table.groupby("r_on")):
        counts = falling(rows["updates"])
        expected = rows["expected"].iloc[0]
        ax.plot(counts.index, counts, color=colour, drawstyle="steps-pre")
        ax.axhline(expected, color=colour, lw=0.9, ls=":")
        labels.append((expected, f"$r_\\mathrm{{on}}$ = {ratio:g}", colour))
    ax.set_yscale("symlog", linthresh=1)
    ax.set(xlabel="share of units", ylabel="steps open", xlim=(0, 1), ylim=(0, 1.3 * max(1, table["updates"].max())))
    ax.yaxis.set_major_formatter("{x:g}")
    for y, text, colour in labels:
        end_label(ax, 1, y, text, colour)
    return figure


def open_on_average(table: pd.DataFrame) -> str:
    """At how many steps the units that open least are open on average, and how many of them at none."""
    ratio, rows = next(iter(table.groupby("r_on")))
    steps = rows["expected"].iloc[0] / ratio
    return (
        f"With r_on = {ratio:g} a unit is open at {rows['updates'].mean():.1f} of {steps:.0f} steps on average; "
        f"{percent((rows['updates'] == 0).mean())} of the units never open."
    )


def open_by_ratio(table: pd.DataFrame) -> str:
    """The same for each open ratio."""
    found = [
        f"{rows['updates'].mean():.1f} at r_on = {ratio:g} ({percent((rows['updates'] == 0).mean())} of units never)"
        for ratio, rows in grouped(table, "r_on")
    ]
    units = table.groupby("r_on").size().iloc[0] // table["seed"].nunique()
    return f"Steps at which a unit is open, on average: {', '.join(found)}. {units:,} units per seed."


@chart("Not drawn: 0")
def mod_derivatives(table: pd.DataFrame, by_mod: pd.DataFrame) -> Figure:
    """Five derivatives of mod: how wrong each is over the periods gone by, and how often a gate is found with it.

    table: columns mod, periods, error (relative, of the derivative of k by tau). by_mod: mod, periods, recovered. What
    is right to the rounding of the differences stands at the bottom.
    """
    figure, (left, right) = new(2, figsize=(7.0, 3.1))
    names = list(dict.fromkeys(table["mod"]))
    markers = dict(zip(names, "osDx+"))
    periods = sorted(table["periods"].unique())
    for place, (colour, name) in enumerate(zip(SEQUENCE, names)):
        rows = table[table["mod"] == name].sort_values("periods")
        share = by_mod[by_mod["mod"] == name].groupby("periods")["recovered"].mean()
        beside = np.arange(len(rows)) + 0.15 * (place - (len(names) - 1) / 2)  # equal errors would hide each other
        left.plot(beside, rows["error"], markers[name], color=colour, ms=5)
        right.plot(share.index, share, color=colour, marker=markers[name], ms=6, lw=1.2, label=name)
    left.set_xticks(range(len(periods)), [f"{n:g}" for n in periods])
    left.set(yscale="log", xlabel="periods between s and t", ylabel="relative error of ∂k/∂τ")
    right.set(xscale="log", xlabel="periods seen in the search", ylabel="gates found again (share)", ylim=(-0.03, 1.03))
    log_ticks(right.xaxis)
    legend_below(figure, len(names))
    return figure


def wrong_derivatives(table: pd.DataFrame, by_mod: pd.DataFrame) -> str:
    """How far each derivative is from the differences once a period has passed, in the median."""
    errors = table[table["periods"] > 0].groupby("mod", sort=False)["error"].median()
    right = [f"{error:.0e} ({name})" for name, error in errors.items() if error <= 0.001]
    wrong = [f"{percent(error)} ({name})" for name, error in errors.items() if error > 0.001]
    found = [f"{how} {words.listed(names)}" for how, names in (("right to", right), ("off by", wrong)) if names]
    return f"Once a period has passed, ∂k/∂τ is {'; '.join(found)}."


def found_by_mod(by_mod: pd.DataFrame) -> str:
    """How often a gate is found again with each derivative."""
    shares = by_mod.groupby("mod", sort=False)["recovered"].mean()
    found = words.listed([f"{percent(share)} ({name})" for name, share in shares.items()])
    return f"A search that starts nearby finds figure 3's gate again from {found} of the starts."


def slopes_compared(table: pd.DataFrame, by_mod: pd.DataFrame) -> str:
    """What the errors are, and how many seeds search."""
    seeds = words.counted(by_mod["seed"].nunique(), "seed")
    return f"Errors are medians, relative to central differences. {found_by_mod(by_mod)} {seeds.capitalize()}."


@chart("Left: τ starts wrong; right: s; the greener, the more seeds find the gate")
def recovery(table: pd.DataFrame) -> Figure:
    """Heat maps of how often a gate is found again: a row per remedy, a column per start, a pair per number of periods.

    table: columns remedy, periods, ratio, offset, seed and recovered.
    """
    numbers, remedies = sorted(table["periods"].unique()), list(dict.fromkeys(table["remedy"]))
    starts = (("ratio", "offset", 0, "start of τ / true τ"), ("offset", "ratio", 1, "start of s, off by (periods)"))
    widths = [table[column].nunique() for column, *_ in starts]
    size = (7.0, 0.5 + len(numbers) * (0.35 + 0.17 * len(remedies)))
    figure, axes = new(2, len(numbers), sharey=True, squeeze=False, figsize=size, width_ratios=widths)
    for row, n in zip(axes, numbers):
        for ax, (column, other, right, xlabel) in zip(row, starts):
            rows = table[(table["periods"] == n) & (table[other] == right)]
            shares = rows.groupby(["remedy", column])["recovered"].mean().unstack().reindex(remedies)
            ax.imshow(shares, aspect="auto", cmap="Greens", vmin=0, vmax=1.2)
            columns = shares.shape[1]
            shown = range(columns // 2 % 2, columns, 2) if columns > 5 else range(columns)  # no two labels touch
            ax.set_xticks(shown, [f"{shares.columns[place]:g}".replace("-", "−") for place in shown])
            ax.tick_params(labelbottom=n == numbers[-1], length=0)
            ax.set(xlabel=xlabel if n == numbers[-1] else "")
        row[0].set_yticks(range(len(remedies)), remedies)
        row[0].set_title(f"{words.counted(int(n), 'period')} seen", loc="left")
    return figure


def answer_recovery(table: pd.DataFrame) -> str:
    """From which share of the starts a gate is found again without a remedy, and with the best."""
    shares = table.groupby("remedy", sort=False)["recovered"].mean()
    plain, best, name = shares["no remedy"], shares.max(), shares.idxmax()
    remedy = "both remedies" if name == "both" else f"the remedy “{name}”"
    helped = f"with {remedy}, from {percent(best)}" if best > plain else "no remedy helps"
    return (
        f"From its output, gradient descent finds a gate's three numbers again from {percent(plain)} of the starts; "
        f"{helped}."
    )


def reach(table: pd.DataFrame) -> str:
    """From which starts of the period every search without a remedy succeeds, by the periods seen; and all shares."""
    shares = table.groupby("remedy", sort=False)["recovered"].mean()
    of_all = words.listed([f"{percent(share)} ({name})" for name, share in shares.items()])
    found, plain = [], table[(table["remedy"] == "no remedy") & (table["offset"] == 0)]
    for n, rows in grouped(plain, "periods"):
        share = rows.groupby("ratio")["recovered"].mean()
        inside = [ratio for ratio in share.index if (share[min(ratio, 1.0) : max(ratio, 1.0)] == 1).all()]
        found.append(f"{words.from_to(inside, 'g') if inside else 'none'} ({words.counted(int(n), 'period')} seen)")
    return (
        f"The gate is found from {of_all} of the starts. Starts of τ, in true periods, from which every search without "
        f"a remedy succeeds: {'; '.join(found)}."
    )


@chart("One panel for each longest period; τ log-uniform from 1 on, s uniform over a period")
def never_open(table: pd.DataFrame) -> Figure:
    """Heat maps of the share of units that are open at no whole step, by the open ratio and the number of steps.

    table: columns longest, r_on, length and share.
    """
    figure, axes = panels(
        table.groupby("longest"), 2.1, 2.7, 0.7, "τ in 1…{:,.0f}".format, ylabel="open ratio $r_\\mathrm{on}$"
    )
    for ax, _, rows in axes:
        shares = rows.pivot(index="r_on", columns="length", values="share")
        ax.imshow(shares, aspect="auto", origin="lower", cmap="Greys", vmin=0, vmax=1.25)
        for (y, x), share in np.ndenumerate(shares.to_numpy()):
            ax.text(
                x, y, f"{share:.0%}", ha="center", va="center", fontsize=8, color="white" if share > 0.6 else "black"
            )
        ax.set_xticks(range(shares.shape[1]), [f"{length:g}" for length in shares.columns])
        ax.set_yticks(range(shares.shape[0]), [f"{ratio:g}" for ratio in shares.index])
        ax.set(xlabel="steps T")
    return figure


def asleep(table: pd.DataFrame, r_on: float = 0.05) -> str:
    """How many units of the shortest periods never open, at the shortest and the longest T. r_on: the paper's."""
    rows = table[(table["longest"] == table["longest"].min()) & (table["r_on"] == r_on)].sort_values("length")
    longest = rows["longest"].iloc[0]
    first, last = ((percent(rows["share"].iloc[at]), rows["length"].iloc[at]) for at in (0, -1))
    return (
        f"With periods up to {longest:.0f} and r_on = {r_on:g}, {first[0]} of units never open within "
        f"{first[1]} steps, and {last[0]} within {last[1]}."
    )


def standard_error(table: pd.DataFrame) -> str:
    """How sure the shares are."""
    return f"The standard error of a share is {table['error'].max():.1%} at most."


@chart("Units sorted by gradient, the largest first; gradients of 0 are not drawn")
def leaked_gradients(table: pd.DataFrame) -> Figure:
    """Two charts of the gradient that reaches each unit, for units that open and units that do not, by leak.

    table: columns leak, seed, unit, dead, weights and gate (norms of gradients).
    """
    figure, axes = new(2, figsize=(7.0, 3.0))
    titles = {"weights": "gradient of the unit's weights", "gate": "gradient of log τ, s and logit $r_\\mathrm{on}$"}
    # wide and pale without a leak, so that lines which are equal with a leak and without can both be seen
    styles: list[dict[str, Any]] = [{"ls": "-", "lw": 5, "alpha": 0.35}, {"ls": "--"}, {"ls": ":"}]
    for ax, (column, title) in zip(axes, titles.items()):
        for style, (leak, rows) in zip(styles, table.groupby("leak")):
            for dead, colour, name in ((False, GATED, "units that open"), (True, GUIDE, "units that never open")):
                norms = falling(rows.loc[rows["dead"] == dead, column])
                label = f"{name}, leak {leak:g}"
                label += ": all 0" if len(norms) and not norms.max() else ""
                shown = norms[norms > 0]
                ax.plot(shown.index, shown, color=colour, label=label, **style)
        ax.set(yscale="log", xlabel="share of units", xlim=(0, 1), title=title)
    axes[0].set(ylabel="norm of the gradient")
    legend_below(figure)
    return figure


def reaching(table: pd.DataFrame) -> str:
    """What share of the others' gradient reaches the units that never open, in the median, without a leak and with."""

    def share(leak: float, column: str) -> float:
        rows = table[table["leak"] == leak]
        medians = rows.groupby("dead")[column].median()
        return float(medians[True] / medians[False])

    none, most = table["leak"].min(), table["leak"].max()
    weights, gate = percent(share(most, "weights"), 1), percent(share(most, "gate"), 2)
    return (
        f"Units that never open get {percent(share(none, 'weights'))} of the others' gradient; with a leak of "
        f"{most:g}, {weights} for the weights and {gate} for the gate."
    )
