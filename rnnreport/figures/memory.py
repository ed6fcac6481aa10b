"""Chapter 2's figures of what networks remember: how far back, on what it depends, and where it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, NullLocator

from rnnreport import words
from rnnreport.figures import (
    COLOURS,
    GUIDE,
    SEQUENCE,
    chart,
    curves,
    end_labels,
    error_bars,
    legend_below,
    log_ticks,
    median_and_range,
    new,
    panels,
    steps_by_length,
    thinned,
    ticks,
)
from rnnreport.intervals import over_seeds
from rnnreport.words import NAMES, at_end, grouped

if TYPE_CHECKING:  # figures take tables, and know of no experiment
    from rnnreport.experiments.kept import Plane

DIGITS = [*SEQUENCE, "#8C6D31", "#5254A3"]
# The colours of the widget that shows the same, palindrome_reader.js.
SIGNED = LinearSegmentedColormap.from_list("signed", ["#A64DC4", "#FFFFFF", "#169854"])
SHARES = LinearSegmentedColormap.from_list("shares", ["#FFFFFF", SEQUENCE[0]])


@chart("One line per T; bars: 95% intervals of the mean; dotted: chance")
def accuracy_by_rate(table: pd.DataFrame) -> Figure:
    """Final accuracy against the learning rate: a panel a model, a line for each T, with its 95% interval.

    table: columns model, length, learning_rate, seed, step and test_accuracy.
    """
    last = at_end(table)
    lengths, rates = sorted(last["length"].unique()), sorted(last["learning_rate"].unique())
    figure, axes = panels(
        grouped(last, "model"), 3.5, 2.9, title=NAMES.__getitem__, ylabel="accuracy on fresh palindromes"
    )
    for ax, _, of_model in axes:
        labels = []
        for place, length in enumerate(lengths):
            of_length = of_model[of_model["length"] == length]
            rows = over_seeds(of_length, ["learning_rate"], "test_accuracy", share=True)
            colour = SEQUENCE[place % len(SEQUENCE)]
            x = rows["learning_rate"] * 1.04 ** (place - len(lengths) / 2)  # side by side
            ax.errorbar(x, rows["mean"], yerr=error_bars(rows), color=colour, marker="o", ms=4, capsize=2)
            labels.append((rows["mean"].iloc[-1], f"T = {length}", colour))
        ax.axhline(0.1, color=GUIDE, ls=":", lw=1)
        ax.set(xscale="log", xlabel="learning rate", ylim=(0, 1.03))
        ticks(ax.xaxis, rates, "{:g}")
        end_labels(ax, rates[-1], labels)
    return figure


@chart("Dots: seeds; lines: medians; crosses: not solved within the budget (dotted); solved: by 4 seeds in 5")
def steps_to_solve(table: pd.DataFrame, budget: int) -> Figure:
    """How many steps it takes to solve a length: a panel a base, a dot a seed, a line through a model's medians.

    table: columns base, model, length, seed and steps; infinite where the budget was not enough (drawn above).
    """
    figure, axes = panels(grouped(table, "base"), 3.3, 2.8, 0.8, ylabel="steps to solve")
    for ax, _, of_base in axes:
        labels = []
        for beside, (model, rows) in zip((1 / 1.05, 1.05, 1), grouped(of_base, "model")):  # else dots cover each other
            rows = rows.assign(length=beside * rows["length"])
            middle = steps_by_length(ax, rows, COLOURS[model], top=1.12 * budget)
            labels.append((middle.iloc[-1], NAMES[model], COLOURS[model]))
        ax.axhline(budget, color=GUIDE, ls=":", lw=1)
        ax.set(xlabel="palindrome length T", ylim=(0, 1.2 * budget), xscale="log")
        ticks(ax.xaxis, sorted(table["length"].unique()))
        end_labels(ax, table["length"].max(), labels)
    return figure


def _solved(rows: pd.DataFrame) -> list[str]:
    """Who solves palindromes of how many digits, in full and in short. rows: of horizon's ``longest``."""
    if len(rows) > 1 and rows["words"].nunique() == 1:
        return [f"both networks solve palindromes {rows['words'].iloc[0]}", f"both {rows['words'].iloc[0]}"]
    found = [f"the {NAMES[model]} {said}" for model, said in zip(rows["model"], rows["words"])]
    return [words.listed([found[0].replace(" of ", " solves palindromes of ", 1), *found[1:]]), words.listed(found)]


def solved_from_either_start(longest: pd.DataFrame) -> str:
    """How far both networks get from both starts in as many steps. longest: of horizon's ``longest``."""
    least = longest[longest["steps"] == longest["steps"].iloc[0]]
    (first, _), (_, then) = (_solved(least[least["base"] == base]) for base in ("report", "better start"))
    then = then.replace(" digits", "")
    return f"Within {least['steps'].iloc[0]:,} steps {first} from the report's start; from a better one, {then}."


def answer_1_6(longest: pd.DataFrame) -> str:
    """The answer to question 1.6: how far both get from either start, and with the largest budget of steps."""
    in_as_many, most = solved_from_either_start(longest), longest["steps"].iloc[-1]
    if most == longest["steps"].iloc[0]:
        return in_as_many
    best = longest[(longest["base"] != "report") & (longest["steps"] == most)]
    return f"{in_as_many.removesuffix('.')}, and within {most:,}, {_solved(best)[1]}."


def longest_solved(longest: pd.DataFrame) -> pd.DataFrame:
    """The longest palindromes solved: a row per start and budget of steps, a column per network."""
    table = longest.assign(network=longest["model"].map(NAMES), words=longest["words"].str.removeprefix("of "))
    table = table.rename(columns={"base": "start"}).set_index(["start", "steps", "network"])
    return table["words"].unstack(sort=False)


def start_or_network(longest: pd.DataFrame) -> str:
    """What changes the longest T more within the smaller budget, the start or the network; with a larger, the network.

    longest: of horizon's ``longest``. Where a climb ended with its ladder, a ratio is a lower bound.
    """
    solved = longest[longest["horizon"] > 0].set_index(["steps", "base", "model"])["horizon"].unstack("model")
    both = solved.dropna() if solved.shape[1] == 2 else solved[:0]
    budget, most = longest["steps"].iloc[[0, -1]]
    if budget not in both.index or len(rows := both.loc[budget]) < 2:
        return "Too little is solved to compare starts and networks."
    gains, apart = rows.loc["better start"] / rows.loc["report"], both.max(axis=1) / both.min(axis=1)
    ended = longest[longest["words"].str.contains("at least")]["steps"].tolist()
    least, later = ("at least " * (steps in ended) for steps in (budget, most))
    more = "the start matters more: it" if gains.min() > apart[budget].max() and not least else "the start"
    found = f"Within {budget:,} steps {more} multiplies T by {least}{words.from_to(gains)}, the network by {least}"
    found += words.from_to(apart[budget])
    if most > budget and most in apart.index:
        found += f"; within {most:,} the network by {later}{apart[most].item():.2g}"
    return f"{found}."


def medians_to_solve(table: pd.DataFrame, budget: int) -> str:
    """Training steps until a length is solved, median of the seeds."""
    found = []
    for (base, model), rows in grouped(table, "base", "model"):
        medians = rows.groupby("length")["steps"].median()
        steps = [f"T = {length} {'not' if np.isinf(steps) else f'{steps:,.0f}'}" for length, steps in medians.items()]
        found.append(f"{base}, {NAMES[model]}: {', '.join(steps)}")
    return f"Median of the seeds. {'; '.join(found)}."


@chart(
    "Arrows: from the start's own horizon to that with one factor moved; no dot: its own value (an RNN has no gates)"
)
def horizon_by_factor(table: pd.DataFrame) -> Figure:
    """The longest T solved when one factor is moved: a panel per start, a row per value of a factor.

    table: columns base, factor, value, model and horizon; the factor "" is the base itself.
    """
    heights = _heights(table)
    height = 0.22 * max(heights.values(), default=0) + 1.0
    figure, axes = panels(grouped(table, "base"), 3.1, height, 1.8, title="from the {}".format)
    solved = sorted(set(table["horizon"]) - {0})
    for ax, _, of_base in axes:
        for nudge, (model, rows) in zip((-0.16, 0.16), grouped(of_base, "model")):
            start, moved = rows.loc[rows["factor"] == "", "horizon"].item(), rows[rows["factor"] != ""]
            ends = moved["horizon"].map(_shown)
            places = [heights[row] + nudge for row in zip(moved["factor"], moved["value"])]
            ax.plot(ends, places, "o", color=COLOURS[model], ms=4, label=NAMES[model])
            for end, height in zip(ends, places):
                arrow = {"arrowstyle": "-|>", "color": COLOURS[model], "lw": 1, "shrinkA": 0, "shrinkB": 2}
                ax.annotate("", (end, height), (_shown(start), height), arrowprops=arrow)
        ax.set(xscale="log", xlabel="longest T solved")
        ax.set_xticks([_shown(0), *solved], ["none", *map(str, solved)], fontsize=8)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.grid(axis="y", lw=0.3)
    first_panel = axes[0][0]
    first_panel.set_yticks(list(heights.values()), [value for _, value in heights], fontsize=8)
    first_panel.invert_yaxis()
    for factor in dict.fromkeys(factor for factor, _ in heights):
        first = min(height for (name, _), height in heights.items() if name == factor)
        place = {"xytext": (-6, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        first_panel.annotate(
            factor, (0, first - 0.95), xycoords=("axes fraction", "data"), fontsize=8, fontweight="bold", **place
        )
    legend_below(figure)
    return figure


def _heights(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    """How far down each value of each factor stands, with a line for the factor's name above its values."""
    rows = sorted(set(zip(table["factor"], table["value"])), key=_by_size)
    heights, height = {}, 0.0
    for factor in filter(None, dict.fromkeys(table["factor"])):
        height += 0.9
        for row in (row for row in rows if row[0] == factor):
            heights[row] = height = height + 1.0
    return heights


def _by_size(row: tuple[str, str]) -> tuple[float, str]:
    """Numbers in their order, before names in theirs."""
    return float(row[1]) if row[1][:1].isdigit() else np.inf, row[1]


def _shown(horizon: float) -> float:
    """Where a horizon stands on a logarithmic axis: none solved left of 5."""
    return horizon or 3


@chart("One line per network and start; a line begins where a first length is solved")
def horizon_by_budget(table: pd.DataFrame) -> Figure:
    """The longest T solved over the budget of steps, a line per start and model.

    table: columns base, model, budget and horizon.
    """
    figure, ax = new(figsize=(6.4, 3.6))
    styles = dict(zip(dict.fromkeys(table["base"]), (":", "--", "-")))
    for (base, model), rows in grouped(table[table["horizon"] > 0], "base", "model"):
        rows = rows.sort_values("budget")
        line = {"color": COLOURS[model], "ls": styles[base], "label": f"{NAMES[model]}, {base}"}
        ax.step(rows["budget"], rows["horizon"], where="post", **line)
    ax.set(xlabel="budget of steps", ylabel="longest T solved", yscale="log", xlim=(0, table["budget"].max()))
    log_ticks(ax.yaxis)
    legend_below(figure, 3)
    return figure


@chart("Bands: 95% intervals; grey: before training; ochre: the same on random digits; dotted: chance")
def decoded(table: pd.DataFrame) -> Figure:
    """How well the first digit is read off the states at every step: a panel for each state, before and after training.

    And before it on random digits.

    table: columns model, state, when, step, seed and accuracy.
    """
    groups = grouped(table, "model", "state")
    figure, axes = panels(
        groups, 2.3, 3.0, 0.8, lambda key: f"{NAMES[key[0]]}, {key[1]}(t)", ylabel="first digit read off correctly"
    )
    for ax, (model, _), part in axes:
        colours = {"before": GUIDE, "random": SEQUENCE[0], "after": COLOURS[model]}
        curves(part, "when", "accuracy", ax=ax, colours=colours)
        ax.set(xlabel="step t", xlim=(1, part["step"].max()))
    return figure


def read_at_the_end(table: pd.DataFrame) -> str:
    """How well the first digit is read off the last state, before and after training."""
    found: list[str] = []
    for (model, state), rows in grouped(at_end(table), "model", "state"):
        ends = [words.percent(rows.loc[rows["when"] == when, "accuracy"].mean()) for when in ("before", "after")]
        found.append(f"{NAMES[model]} {state} ({', '.join(ends)})")
    return f"Before and after training, the first digit is read off {words.listed(found)}."


def own_accuracies(table: pd.DataFrame) -> str:
    """How well the networks themselves do."""
    return f"The networks' own accuracies: {words.each(table.drop_duplicates(['model', 'seed']), 'model')}."


GATES = {"h": "h", "c": "cell c", "i": "input gate i", "f": "forget gate f", "o": "output gate o"}


@chart("Colour: the value; units sorted by what their last h adds to the right answer")
def activity(found: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """What every unit does over one palindrome: a heat map for each state and gate of each network.

    found: for each network's name its "digits" (T - 1,) and, for each state and gate, an array (H, T - 1).
    """
    parts = [(name, part, values[part]) for name, values in found.items() for part in GATES if part in values]
    figure, axes = new(3, 2, sharex=True, sharey=True, figsize=(7.0, 6.0))
    for ax, (name, part, values) in zip(axes.flat, parts):
        signed = part in "hc"
        limit = max(1.0, float(np.abs(values).max())) if signed else 1.0
        image = ax.imshow(
            values, aspect="auto", interpolation="nearest", cmap=SIGNED if signed else SHARES,
            vmin=-limit if signed else 0, vmax=limit, extent=(0.5, values.shape[1] + 0.5, len(values), 0),
        )  # fmt: skip
        ax.set(title=f"{name}, {GATES[part]}")
        ends = [-limit, 0, limit] if signed else [0, 0.5, 1]
        figure.colorbar(image, ax=ax, aspect=30, ticks=ends, format=FormatStrFormatter("%.2g"))
    for ax in axes[-1]:
        ax.set(xlabel="step t")
    for ax in axes[:, 0]:
        ax.set(ylabel="unit")
    return figure


def still_open(found: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """What the LSTM's gates do meanwhile."""
    forget, into = (np.median(found["LSTM"][gate]) for gate in "fi")
    read = len(found["LSTM"]["digits"])
    return (
        f"While an LSTM trained from the better start reads {read} digits, its median forget gate stands at "
        f"{forget:.2f}, its median input gate at {into:.2f}."
    )


def read_here(found: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """The palindrome."""
    return f"The networks read {' '.join(map(str, found['LSTM']['digits']))}."


@chart("Left: the median and above; right: the lowest tenth, logarithmic; lines: medians; bands: range of the seeds")
def forget_products(table: pd.DataFrame) -> Figure:
    """What forget gates leave of the cell from the first digit to the end, over the training: a line for each quantile.

    table: columns step, seed, share and kept. Lines are medians over the seeds, bands their range.
    """
    figure, (left, right) = new(2, figsize=(7.4, 3.2))
    for colour, (share, part) in zip(SEQUENCE, grouped(table, "share")):
        ax = right if share < 0.5 else left
        median_and_range(ax, part.groupby("step")["kept"], colour, 0.2, label=f"{share:g}")
    left.set(ylabel="product of forget gates", yscale="linear", ylim=(0, 1))
    for ax in (left, right):
        ax.set(xlabel="training step", xlim=(0, table["step"].max()))
    lines = [*reversed(left.lines), *right.lines]
    figure.legend(handles=lines, title="quantile", loc="outside right upper", fontsize=9)
    return figure


def left_at_the_end(table: pd.DataFrame) -> str:
    """What is left of a value that was in the cell at the first digit, before and after training."""
    left = table[table["share"] == 0.5].groupby("step")["kept"].median()
    ends = f"{left.iloc[0]:.2g} of the cell before training and {left.iloc[-1]:.2g} after"
    return f"From the first digit to the last of T = {table['length'].iloc[0]}, the median forget gates leave {ends}."


def left_by_quantile(table: pd.DataFrame) -> str:
    """The same at every quantile."""
    middle = table.groupby(["share", "step"])["kept"].median()
    ends = [
        f"{share:g}: {middle[share].iloc[0]:.2g}, {middle[share].iloc[-1]:.2g}"
        for share in middle.index.unique("share")
    ]
    return f"Before training and after, by quantile: {'; '.join(ends)}."


@chart("Dots: states after the last digit read, numbered by the first digit; thin lines: one palindrome each")
def state_space(planes: Mapping[str, Plane]) -> Figure:
    """States in the plane of two principal components: each first digit's cloud at the end and one way to it.

    planes: for each title the states in the plane (palindrome, digit, step, x, y).
    """
    figure, axes = new(len(planes), squeeze=False, figsize=(3.7 * len(planes), 3.7))
    for ax, (title, plane) in zip(axes[0], planes.items()):
        table = plane.states
        last = table[table["step"] == table["step"].max()]
        for digit, part in last.groupby("digit"):
            colour = DIGITS[int(digit)]
            ax.plot(part["x"], part["y"], "o", color=colour, ms=2.5, alpha=0.6)
            way = thinned(table[table["palindrome"] == part["palindrome"].iloc[0]])
            ax.plot(way["x"], way["y"], color=colour, lw=0.7, alpha=0.7)
            ax.annotate(
                str(digit), (part["x"].median(), part["y"].median()), color="black", fontsize=11, fontweight="bold",
                ha="center", va="center",
            )  # fmt: skip
        ax.set(title=title, xlabel="first component", ylabel="second component", xticks=[], yticks=[])
    return figure


def held_by_the_plane(planes: Mapping[str, Plane]) -> str:
    """What two directions tell of the first digit."""
    told = [f"{words.percent(plane.found)} ({title.partition(',')[0]})" for title, plane in planes.items()]
    held = [words.percent(plane.variance) for plane in planes.values()]
    return (
        f"Two directions of the state tell the first digit of {words.listed(told)} of palindromes; "
        f"they hold {words.listed(held)} of its variance."
    )


@chart("Lines: medians, dashed if constant; bands: eight in ten parameters (left), all seeds (right)")
def step_sizes(table: pd.DataFrame) -> Figure:
    """How an optimizer's steps change over the training: effective rate and size of the step, a line per optimizer.

    table: columns optimizer, learning_rate, step, seed, effective_rate, effective_rate_low, effective_rate_high and
    update, each optimizer at one learning rate. Lines are medians over the seeds; bands are the medians of low and high
    on the left, and the seeds' range on the right.
    """
    figure, (left, right) = new(2, figsize=(7.4, 3.4))
    constant = 0  # lines so far of a rate that stays: dashed in turn, for they may cover each other
    for colour, ((optimizer, rate), rows) in zip(SEQUENCE, table.groupby(["optimizer", "learning_rate"], sort=False)):
        steps = rows[rows["step"] > 0].groupby("step")
        low, rate_of, high = (thinned(steps[f"effective_rate{end}"].median()) for end in ("_low", "", "_high"))
        least, update, most = (thinned(getattr(steps["update"], which)()) for which in ("min", "median", "max"))
        left.fill_between(rate_of.index, low, high, color=colour, alpha=0.15, lw=0)
        stays = rate_of.nunique() == 1
        dashes = (6 * constant, (6, 12)) if stays else "-"
        constant += stays
        left.semilogy(rate_of.index, rate_of, color=colour, ls=dashes)
        name = f"{words.called('optimizer', optimizer)}, {rate:g}"
        right.fill_between(update.index, least, most, color=colour, alpha=0.2, lw=0)
        right.semilogy(update.index, update, color=colour, label=name)
    for ax, label in ((left, "effective rate"), (right, "step (root mean square)")):
        ax.set(xlabel="training step", ylabel=label, xlim=(0, table["step"].max()))
    legend_below(figure, 3)
    return figure


def effective_rates(table: pd.DataFrame) -> str:
    """How the effective rate of the median parameter changes, where it does."""
    found = []
    for name, rows in grouped(table[table["step"] > 0], "optimizer"):
        rate = rows.groupby("step")["effective_rate"].median()
        first, least, last = rate.iloc[0], rate.min(), rate.iloc[-1]
        if rate.nunique() > 1:
            way = dict.fromkeys(f"{value:.2g}" for value in (first, least, last))
            found.append(f"from {' to '.join(way)} with {words.called('optimizer', name)}")
    return f"The median effective rate {f'goes {words.listed(found)}' if found else 'stays the same'}."


@chart("Dots: seeds; lines: means; dotted: chance")
def other_lengths(table: pd.DataFrame) -> Figure:
    """Accuracy at lengths that the networks were not trained at, a line per network.

    table: columns model, seed, trained_at, length and accuracy.
    """
    figure, ax = new(figsize=(6.4, 2.7))
    labels = []
    for model, rows in grouped(table, "model"):
        ax.plot(rows["length"], rows["accuracy"], "o", color=COLOURS[model], ms=2.5, alpha=0.5)
        means = rows.groupby("length")["accuracy"].mean()
        ax.plot(means.index, means, color=COLOURS[model], lw=1.2)
        labels.append((means.iloc[-1], NAMES[model], COLOURS[model]))
    ax.axhline(0.1, color=GUIDE, ls=":", lw=1)
    ax.set(xlabel="length T of the palindromes", ylabel="accuracy on\nfresh palindromes", ylim=(0, 1.03))
    end_labels(ax, table["length"].max(), labels)
    return figure


def one_longer(table: pd.DataFrame) -> str:
    """What networks trained at one length do with the next ones."""
    trained_at = table["trained_at"].iloc[0]
    found: list[str] = []
    for model, rows in grouped(table, "model"):
        means = rows.groupby("length")["accuracy"].mean()
        own, below, above = (means[trained_at + beside] for beside in (0, -1, 1))
        there = f"{words.share(own)}{'' if found else ' right there'}, {'but ' if max(below, above) < own / 2 else ''}"
        one = ("", "") if found else (" one digit shorter", " longer")
        beside = f"{words.share(below)}{one[0]} and {words.share(above)}{one[1]}"
        found.append(f"the {NAMES[model]} {'' if found else 'gets '}{there}{beside}")
    return f"Trained at T = {trained_at}, {'; '.join(found)}."


def at_other_lengths(table: pd.DataFrame, read: pd.DataFrame | None = None) -> str:
    """Whether networks learned to remember, or only to answer at their own length, by the others that they answer.

    table: of :func:`other_lengths`; read: of :func:`decoded`, for what the state of such networks holds at every step.
    """
    found: list[str] = []
    for model, rows in grouped(table, "model"):
        means = rows.groupby("length")["accuracy"].mean()
        own = means.pop(trained_at := rows["trained_at"].iloc[0])
        right = int((means >= 0.9).sum())
        trained = "The" if found else f"Trained on palindromes of {trained_at} digits, the"
        answers = f"{trained} {NAMES[model]} answers 90% correctly at {right or 'none'} of {len(means)} other lengths"
        if right > len(means) / 2:
            answers += ": it has learned to remember"
        elif not right and own >= 0.9:
            answers += ": it answers at its own length only"
            if read is not None:
                after = read[(read["model"] == model) & (read["state"] == "h") & (read["when"] == "after")]
                least = words.percent(after.groupby("step")["accuracy"].mean().min())
                answers += (
                    f". Those of figure 2.9, trained at T = {after['step'].max() + 1}, hold the first digit at every "
                )
                answers += (
                    f"step (a map fitted to that step finds {least} or more): what fails elsewhere is the output layer"
                )
        found.append(answers)
    return f"{'. '.join(found)}."
