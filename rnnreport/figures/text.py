"""Chapter 4's figures: a network that reads and writes one character at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import NullLocator

from rnnreport.figures import (
    GUIDE,
    LSTM,
    RNN,
    SEQUENCE,
    band,
    chart,
    end_label,
    end_labels,
    error_bars,
    in_style,
    log_ticks,
    new,
    panels,
)
from rnnreport.intervals import over_seeds
from rnnreport.shown import in_html, visible
from rnnreport.words import at_end, counted, from_to, grouped, listed, percent

HELD_OUT = RNN  # the colour of held-out text beside the training's
FONTS = ["DejaVu Sans Mono", "DejaVu Sans"]  # which Matplotlib brings
LEAST = math.log(2)  # nats that a wrong guess costs at least


@chart("With several seeds, bands: 95% intervals of the mean")
def curves_of_first_steps(table: pd.DataFrame) -> Figure:
    """Figure 4: loss and accuracy over the steps, on the training batches and on held-out text."""
    figure, (left, right) = new(2, figsize=(7.4, 3.1))
    for ax, pair, ylabel in (
        (left, ("loss", "held_out_loss"), "loss (nats per character)"),
        (right, ("accuracy", "held_out_accuracy"), "accuracy"),
    ):
        labels = []
        for column, name, colour in zip(pair, ("training", "held out"), (LSTM, HELD_OUT)):
            if column not in table:
                continue
            rows = over_seeds(table, ["step"], column, share=ax is right)
            ax.plot(rows["step"], rows["mean"], color=colour)
            band(ax, rows, colour)
            labels.append((rows["mean"].iloc[-1], name, colour))
        ax.set(xlabel="training step", ylabel=ylabel, xlim=(0, table["step"].max()))
        ax.set_ylim(0, 1 if ax is right else table["loss"].max() * 1.05)
        end_labels(ax, table["step"].max(), labels, gap=0.07)
    return figure


def after_first_steps(table: pd.DataFrame) -> str:
    """Where the first steps end: loss and accuracy, means over the seeds."""
    ends = at_end(table).mean(numeric_only=True)
    told = f"the loss is {ends['loss']:.2f} and the accuracy {ends['accuracy']:.3f} on training batches"
    if "held_out_loss" in table:
        told += f", {ends['held_out_loss']:.2f} and {ends['held_out_accuracy']:.3f} on held-out text"
    return f"After {table['step'].max():,} steps {told}."


def first_bits(table: pd.DataFrame) -> str:
    """The held-out loss in bits."""
    if "bits_per_character" not in table:
        return "The text is too short to hold any of it out."
    return f"That held-out loss is {at_end(table)['bits_per_character'].mean():.2f} bits per character."


@chart("20 continuations per point; bars: 95% intervals over the sampling's seeds")
def diversity(table: pd.DataFrame) -> Figure:
    """Entropy, distinct sequences and known words against the temperature: means over the seeds of the sampling."""
    figure, axes = new(3, figsize=(7.4, 2.6))
    titles = {
        "entropy": "entropy (bits)",
        "distinct": "different 4-grams (share)",
        "words": "words in the book (share)",
    }
    for ax, (column, title) in zip(axes, titles.items()):
        rows = over_seeds(table, ["temperature"], column, share=column != "entropy")
        ax.errorbar(rows["temperature"], rows["mean"], yerr=error_bars(rows), color=LSTM, marker="o", ms=4, capsize=3)
        ax.set(xlabel="temperature", ylabel=title, ylim=(0, None if column == "entropy" else 1.03))
    return figure


def by_temperature(table: pd.DataFrame) -> str:
    """How far diversity and known words go with the temperature."""
    means = table.groupby("temperature")[["distinct", "words"]].mean()
    (low, known), (high, still) = means.iloc[[0, -1]].to_numpy().tolist()
    varied, fewer = "no " * (high <= low), "no " * (still >= known)
    return (
        f"From temperature {means.index[0]:g} to {means.index[-1]:g} the text becomes {varied}more varied "
        f"({percent(low)} to {percent(high)} different 4-character sequences) with {fewer}fewer words of the book "
        f"({percent(known)} to {percent(still)})."
    )


def entropy_by_temperature(table: pd.DataFrame) -> str:
    """How far the entropy goes with the temperature."""
    means = table.groupby("temperature")["entropy"].mean()
    return f"The entropy goes from {means.iloc[0]:.2f} to {means.iloc[-1]:.2f} bits."


@chart("Solid: training batches; dashed: held-out text; crosses: the report; bands: 95% intervals of the mean")
def long_training(table: pd.DataFrame, reported: Sequence[tuple[int, float]]) -> Figure:
    """Accuracy over the steps of long trainings.

    table: columns training (a name), step, seed, accuracy and held_out_accuracy; reported: (step, accuracy) as the
    report gives them.
    """
    figure, ax = new(figsize=(7.0, 3.1))
    labels, last = [], table["step"].max()
    groups = table.groupby("training", sort=False)
    for colour, (name, table) in zip((LSTM, SEQUENCE[1], SEQUENCE[0]), groups):
        for column, style in (("accuracy", "-"), ("held_out_accuracy", "--")):
            rows = over_seeds(table[table["step"] >= 1_000], ["step"], column, share=True)
            ax.plot(rows["step"], rows["mean"], color=colour, ls=style, lw=1.3, label=name if style == "-" else None)
            band(ax, rows, colour)
            if rows["step"].max() == last:
                labels.append((rows["mean"].iloc[-1], "training" if style == "-" else "held out", colour))
    steps, accuracies = zip(*reported)
    ax.plot(steps, accuracies, "x", color="black", ms=8, mew=2, label="the report", clip_on=False)
    ax.set(xlabel="training step", ylabel="accuracy", xlim=(0, last), ylim=(0.45, 0.72))
    ax.set_xticks(range(0, last + 1, 100_000), [f"{step:,}" for step in range(0, last + 1, 100_000)])
    end_labels(ax, last, labels)
    ax.legend(loc="lower right", fontsize=9)
    return figure


def long_accuracy(table: pd.DataFrame, reported: Sequence[tuple[int, float]]) -> str:
    """The accuracies at the end of the longest training."""
    (end,) = at_end(table).head(1).to_dict("records")
    theirs = [f"; the report gives {accuracy:.0%}" for step, accuracy in reported if step == end["step"]]
    held_out = f" and {end['held_out_accuracy']:.1%} in held-out text" if "held_out_accuracy" in end else ""
    right = f"guesses {end['accuracy']:.1%} of characters right in training batches{held_out}"
    return f"After {end['step']:,} steps the network {right}{''.join(theirs)}."


def other_trainings(table: pd.DataFrame, reported: Sequence[tuple[int, float]]) -> str:
    """The training accuracy that further seeds and optimizers end with, beside the longest training's at that step."""
    groups = list(table.groupby("training", sort=False))
    first, lines = groups[0][1].set_index("step")["accuracy"], []
    for name, part in groups[1:]:
        ends = at_end(part)
        step, seeds = ends["step"].iloc[0], counted(ends["seed"].nunique(), "seed")
        reached = f"{from_to(ends['accuracy'], '.3f')} after {step:,} steps, with {seeds}"
        lines.append(f"{name}: {reached}; the longest training has {first[step]:.3f} by then.")
    return " ".join(lines)


def is_it_the_optimizer(table: pd.DataFrame, reported: Sequence[tuple[int, float]]) -> str:
    """Whether RMSprop comes nearer to the report's accuracy than Adam does. Arguments: see :func:`long_training`."""
    ends = at_end(table[table["training"] == "RMSprop"]) if len(table) else table
    if ends.empty:
        return ""
    step, rmsprop = ends["step"].iloc[0], ends["accuracy"].mean()
    adam, theirs = table.loc[table["step"] == step, "accuracy"].iloc[0], dict(reported)[step]
    nearer = abs(rmsprop - theirs) < abs(adam - theirs)
    return (
        f"{'It may be' if nearer else 'No'}: after {step:,} steps the accuracy is {rmsprop:.3f} with RMSprop and "
        f"{adam:.3f} with Adam, so {'RMSprop' if nearer else 'Adam'} is nearer to the report's {theirs}."
    )


@chart("Dots: means since the dot before; cross: the report; shaded: what no model can reach")
def bound(table: pd.DataFrame, reported: tuple[float, float]) -> Figure:
    """Loss against accuracy of training batches, with the least loss that an accuracy leaves: (1 - accuracy) ln 2.

    table: columns training (a name), accuracy and loss; reported: accuracy and loss.
    """
    figure, ax = new(figsize=(6.4, 3.0))
    line = np.array([0.0, 1.0])
    ax.plot(line, (1 - line) * LEAST, color=GUIDE, lw=1.2)
    ax.fill_between(line, 0, (1 - line) * LEAST, color=GUIDE, alpha=0.15, lw=0)
    ax.annotate("impossible", (0.45, 0.12), color=GUIDE, fontsize=9)
    groups = table.dropna(subset=["loss", "accuracy"]).groupby("training", sort=False)
    for colour, (name, rows) in zip((LSTM, SEQUENCE[0]), groups):
        ax.plot(rows["accuracy"], rows["loss"], ".", color=colour, ms=4, mew=0, label=name)
    ax.plot(*reported, "x", color="black", ms=8, mew=2, label="the report")
    # Where training ends lies within, whatever the text; where it starts need not.
    ends = np.array([rows[["accuracy", "loss"]].iloc[-1] for _, rows in groups])
    (lowest, _), (highest, most) = ends.min(0), ends.max(0)
    ax.set(
        xlabel="accuracy on training batches",
        ylabel="loss (nats per character)",
        xlim=(min(0.2, lowest - 0.05), max(0.8, highest + 0.05)),
        ylim=(0, max(3, 1.1 * most)),
    )
    ax.legend(fontsize=9)
    return figure


def below_the_bound(table: pd.DataFrame, reported: tuple[float, float]) -> str:
    """Whether the reported accuracy and loss can both be true, and the lowest loss that was seen."""
    accuracy, loss = reported
    least = (1 - accuracy) * LEAST
    return (
        f"A loss of {loss} is {'impossible' if loss < least else 'possible'} with an accuracy of {accuracy}, which "
        f"means at least {least:.3f}; the lowest loss here is {table['loss'].min():.3f}."
    )


Printed = Mapping[str, Sequence[Mapping[str, Any]]]
PARTS = {"training": "accuracy", "temperature": "temperature"}  # what the report's samples go by


@chart("Dots: how often our network is undecided; crosses: newlines in the report's samples, with 95% intervals")
def without_favourite(table: pd.DataFrame, printed: Printed) -> Figure:
    """The share of characters none of which reaches one half, and of newlines in the report's samples.

    table: columns part ("training", "temperature"), at (the accuracy, the temperature) and share; printed: the report's
    samples, under "training" with their accuracy, under "temperature" with that.
    """
    figure, axes = new(2, sharey=True, figsize=(7.2, 3.2))
    for ax, (part, column) in zip(axes, PARTS.items()):
        rows = table[table["part"] == part]
        ax.plot(rows["at"], rows["share"], "o-", color=LSTM, ms=4, lw=1, label="ours: undecided")
        for place, row in enumerate(printed[part]):
            share, low, high = _newlines(row["text"])
            ax.errorbar(
                row[column], share, yerr=[[share - low], [high - share]], fmt="x", color="black", ms=7, mew=2,
                elinewidth=1, capsize=3, label=None if place else "the report: newlines",
            )  # fmt: skip
    axes[0].set(xlabel="accuracy on training batches", ylabel="share of characters", ylim=(0, 1))
    axes[1].set(xlabel="temperature")
    axes[0].legend(fontsize=9)
    return figure


def _newlines(text: str) -> tuple[float, float, float]:
    """The share of newlines in a text, with its 95% interval by Wilson's score."""
    from scipy.stats import binomtest  # takes a second to import, which only this figure should

    low, high = binomtest(text.count("\n"), len(text)).proportion_ci(method="wilson")
    return text.count("\n") / len(text), low, high


def agreeing(table: pd.DataFrame, printed: Printed) -> str:
    """In how many of the report's samples the interval of the share of newlines holds our share there."""
    hits = []
    for part, column in PARTS.items():
        rows = table[table["part"] == part]
        for row in printed[part]:
            _, low, high = _newlines(row["text"])
            hits.append(low <= np.interp(row[column], rows["at"], rows["share"]) <= high)
    return (
        f"In {sum(hits)} of {counted(len(hits), 'comparison')} the share of newlines in the report's sample agrees "
        "with how often our network is undecided."
    )


def without_favourite_from_to(table: pd.DataFrame, printed: Printed) -> str:
    """How large our share is, and how many samples there are to compare."""
    told = [f"{from_to(rows['share'], '.2f')} over {part}" for part, rows in table.groupby("part", sort=False)]
    texts = {row["text"] for rows in printed.values() for row in rows}
    return (
        f"Our network is undecided in a share of {' and '.join(told)}. Different samples of the report: {len(texts)}."
    )


@chart("Dots: the stages that were stored; shaded: the difference")
def memory_of_the_book(table: pd.DataFrame) -> Figure:
    """Bits per character on training and on held-out text, read from end to end, over the steps.

    table: columns step, training, held_out; step 0 is left out.
    """
    table = table[table["step"] > 0]
    figure, ax = new(figsize=(6.4, 2.8))
    for column, name, colour in (("training", "training text", LSTM), ("held_out", "held-out text", HELD_OUT)):
        ax.plot(table["step"], table[column], "o-", color=colour, ms=4)
        end_label(ax, table["step"].iloc[-1], table[column].iloc[-1], name, colour)
    ax.fill_between(table["step"], table["training"], table["held_out"], color=GUIDE, alpha=0.15, lw=0)
    ax.set(xscale="log", xlabel="training step", ylabel="bits per character")
    _steps(ax, {step: f"{step:,}" for step in table["step"]})
    return figure


def _best_and_end(table: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
    bits = table[["step", "training", "held_out"]]
    return bits.iloc[int(bits["held_out"].argmin())], bits.iloc[-1]


def parting(table: pd.DataFrame) -> str:
    """From which step on the book alone is learned."""
    best, end = _best_and_end(table)
    if best["step"] == end["step"]:
        bits = f"{end['held_out']:.2f} bits per character, {end['training']:.2f} on training text"
        return f"Held-out text is read best at the last step: {bits}."
    return (
        f"From step {best['step']:,.0f} to {end['step']:,.0f} a character of training text goes from "
        f"{best['training']:.2f} to {end['training']:.2f} bits, one of held-out text from {best['held_out']:.2f} to "
        f"{end['held_out']:.2f}."
    )


def memory_share(table: pd.DataFrame, curve: pd.DataFrame) -> str:
    """How much of what was learned holds for training text only. curve: the training's, with held_out_accuracy."""
    best, end = _best_and_end(table)
    gained = table.iloc[0][["training", "held_out"]] - end
    only = 1 - gained["held_out"] / gained["training"]
    told = (
        f"From step 0 to the end a character of training text has become cheaper by {gained['training']:.2f} bits, one "
        f"of held-out text by {gained['held_out']:.2f}: {f'{only:.0%}' if only > 0 else 'nothing'} of what was learned "
        "holds for the training text only."
    )
    if best["step"] == end["step"]:
        return told
    at = curve.set_index("step")["held_out_accuracy"]
    return (
        f"{told} From step {best['step']:,.0f} on the accuracy on held-out windows went from {at[best['step']]:.3f} to "
        f"{at[end['step']]:.3f}."
    )


@chart("One row per recipe, one dot per training; dotted: the best Markov model")
def recipes(table: pd.DataFrame, others: pd.DataFrame) -> Figure:
    """What recipes reach and what they cost: bits per held-out character, read from end to end, beside minutes.

    table: columns recipe, steps, minutes and held_out_bits; others: columns model, order (missing for what is no Markov
    model) and bits.
    """
    groups = table.groupby(["recipe", "steps"], sort=False)
    order = groups["held_out_bits"].mean().sort_values(ascending=False).index  # the best on top
    figure, axes = new(2, sharey=True, figsize=(7.4, 0.24 * len(order) + 0.8))
    for place, key in enumerate(order):
        rows = groups.get_group(key)
        for ax, column in zip(axes, ("held_out_bits", "minutes")):
            ax.plot(rows[column], [place] * len(rows), "o", color=LSTM, ms=5)
    bits, minutes = axes
    bits.set_yticks(range(len(order)), [f"{name}, {steps:,} steps" for name, steps in order], fontsize=8)
    bits.set(xlabel="bits per held-out character")
    markov = others.loc[others["order"].notna(), "bits"]
    if len(markov):
        bits.axvline(markov.min(), color=GUIDE, ls=":", lw=1)
    minutes.set(xscale="log", xlabel="minutes of one core")
    log_ticks(minutes.xaxis)
    minutes.tick_params(axis="x", labelsize=8)
    for ax in axes:
        ax.grid(axis="y", color=GUIDE, alpha=0.25, lw=0.6)
    return figure


def best_recipe(table: pd.DataFrame, others: pd.DataFrame) -> str:
    """Which recipe reads held-out text best, beside the first of the table, the course's; means over the seeds."""
    means = table.groupby(["recipe", "steps"], sort=False)[["held_out_bits", "minutes"]].mean().reset_index()
    course = means[means["recipe"] == table["recipe"].iloc[0]]
    keys = dict.fromkeys((means["held_out_bits"].idxmin(), course["held_out_bits"].idxmin()))
    told = [
        f"“{row.recipe}” needs{' the fewest bits per held-out character,' * (not place)} {row.held_out_bits:.3f} after "
        f"{row.minutes:.1f} minutes"
        for place, row in enumerate(means.loc[[*keys]].itertuples())
    ]
    return f"The recipe {'; '.join(told)}."


def largest_rise(lines: pd.DataFrame) -> str:
    """Where held-out bits rise most between two records of a training.

    lines: columns recipe, seed, step, held_out_bits.
    """
    if "held_out_bits" not in lines:  # nothing is held out
        return ""
    lines = lines.dropna(subset=["held_out_bits"]).sort_values(["recipe", "seed", "step"], ignore_index=True)
    rises = lines.groupby(["recipe", "seed"])["held_out_bits"].diff()
    if not (rises > 0).any():
        return ""
    row = lines.iloc[int(rises.argmax())]
    return (
        f"The largest rise on the way: {rises.max():.2f} bits, to {row['held_out_bits']:.2f} at step {row['step']:,} "
        f"({row['recipe']}, seed {row['seed']})."
    )


@in_style
def over_training(table: pd.DataFrame, columns: Mapping[str, str], levels: Mapping[str, float], ylabel: str) -> Figure:
    """Shares over the steps on a logarithmic axis, one line per column: means over the seeds; dotted: a level of each.

    table: columns step (0 is drawn at the left end), seed and the columns; columns: their names on the page.
    """
    figure, ax = new(figsize=(6.8, 3.0))
    steps = sorted(table["step"].unique())
    zero = steps[1] / 3 if steps[0] == 0 and len(steps) > 1 else 1
    labels = []
    for colour, (column, name) in zip(SEQUENCE, columns.items()):
        rows = over_seeds(table, ["step"], column, share=True)
        rows["step"] = rows["step"].replace(0, zero)
        ax.plot(rows["step"], rows["mean"], "o-", color=colour, ms=3)
        band(ax, rows, colour)
        labels.append((rows["mean"].iloc[-1], name, colour))
        if column in levels:
            ax.axhline(levels[column], color=colour, ls=":", lw=1)
    ax.set(xscale="log", xlabel="training step", ylabel=ylabel, xlim=(zero, max(steps[-1], 3 * zero)))
    ax.set_ylim(0, ax.get_ylim()[1])
    end_labels(ax, max(steps[-1], 3 * zero), labels, gap=0.075)
    _steps(ax, {step or zero: f"{step:,}" for step in steps})
    return figure


@chart("Dotted: the newline's share of the book; bands: 95% intervals of the mean")
def newlines(table: pd.DataFrame, in_book: float) -> Figure:
    """How many newlines are written, and how likely a zero state finds one, over the steps.

    table: columns step, seed, newlines, newlines_greedy, zero_state, after_first; in_book: the newline's share.
    """
    return over_training(
        table,
        {
            "newlines": "written",
            "newlines_greedy": "written, greedy",
            "zero_state": "zero state",
            "after_first": "after 1 character",
        },
        {"newlines": in_book},
        "share or probability of newlines",
    )


def answer_newlines(table: pd.DataFrame, in_book: float) -> str:
    """The most newlines that are written at any step: means over the seeds, as they are drawn."""
    most = table.groupby("step")[["newlines", "newlines_greedy"]].mean().to_numpy().max()
    return (
        f"Up to step {table['step'].max():,} at most {most:.1%} of what the network writes, at temperature 1 or "
        f"greedily, is newlines; the book has {in_book:.1%}."
    )


def kinds_of_newlines(table: pd.DataFrame, in_book: float) -> str:
    """What the lines of the figure are, and how likely a newline is at a zero state and after it, at most."""
    most = table.groupby("step")[["zero_state", "after_first"]].mean().max()
    return (
        "Written: the share in texts drawn at temperature 1; greedy: in samples of 30 characters, the likeliest each "
        "time. Zero state: the probability before any character has been read; the last line: after one, averaged over "
        f"all. The probability of a newline is at most {most['zero_state']:.1%} at a zero state, "
        f"{most['after_first']:.1%} one character later."
    )


@chart("Dotted: the share in the book; bands: 95% intervals of the mean")
def word_bands(table: pd.DataFrame, due: pd.Series) -> Figure:
    """Words written, by how common they are in the book, over the steps.

    table: columns step, seed and the bands'; due: each band's share of the book, last the words that it does not have.
    """
    names = {str(band): str(band) for band in due.index}
    levels = {str(band): float(share) for band, share in due.iloc[:-1].items()}
    return over_training(table, names, levels, "share of the words written")


def come_in_turn(emerged: pd.DataFrame) -> str:
    """When each band has half of its due share. emerged: the step, infinite for never, one column per band."""
    steps = [f"by {step:,.0f}" if math.isfinite(step) else "not yet" for step in emerged.median()]
    (first, step), *others = zip(emerged, steps)
    told = [f"{first} words {step.replace('by', 'by step')}", *(f"{band} {step}" for band, step in others)]
    return f"The network learns {listed(told)}."


def unknown_words(table: pd.DataFrame, due: pd.Series) -> str:
    """How many words at the end are none of the book's."""
    return f"After the last step {at_end(table)[due.index[-1]].mean():.0%} of the words written are not in the book."


@chart("Dots: tenths of the probability; dotted: perfect calibration")
def calibration(table: pd.DataFrame) -> Figure:
    """How often the likeliest character is right against how likely the model finds it, one panel per stage.

    table: columns step, confidence, hits and count.
    """
    figure, axes = panels(grouped(table, "step"), 2.5, 3.0, title="{:,} steps".format, ylabel="share that is right")
    for ax, _, rows in axes:
        ax.plot((0, 1), (0, 1), color=GUIDE, ls=":", lw=1)
        ax.plot(rows["confidence"], rows["hits"], "o-", color=LSTM, ms=4)
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability given", aspect="equal")
    return figure


def calibration_errors(table: pd.DataFrame) -> str:
    """The expected calibration error at each stage."""
    errors = table.drop_duplicates("step")
    told = [f"{row.error:.3f} after {row.step:,} steps" for row in errors.itertuples()]
    return f"Its probabilities are off by {listed(told)}, on average."


@chart("Thick: property; thin: cell, turned over if its correlation is negative; both scaled to mean 0 and deviation 1")
def tracked(table: pd.DataFrame) -> Figure:
    """Cells over a passage beside what they follow, one panel per property.

    table: columns property, character (of a passage of some 100, written below by :func:`signs`), wanted and cell.
    """
    properties = list(grouped(table, "property"))
    figure, axes = new(1, len(properties), sharex=True, squeeze=False, figsize=(7.4, 1.5 * len(properties) + 0.5))
    for ax, (name, rows) in zip(axes[:, 0], properties):
        for column, colour, width in (("wanted", GUIDE, 2.4), ("cell", LSTM, 1.0)):
            numbers = rows[column].to_numpy(float)
            ax.plot((numbers - numbers.mean()) / (numbers.std() or 1), ".-", color=colour, lw=width, ms=3 * width)
        ax.set_title(name, loc="left")
        ax.set_yticks([])
        ax.tick_params(axis="x", length=0)
    text = "".join(properties[0][1]["character"])
    ax.set(xlabel="the characters read", xlim=(-1, len(text)))
    ax.set_xticks(range(len(text)), signs(text), fontsize=7, family=FONTS)
    return figure


def tracking(table: pd.DataFrame) -> str:
    """How closely the cells follow on all held-out text."""
    followed = table.drop_duplicates("property").itertuples()
    told = [f"{row.held_out:+.2f} for “{row.property}”" for row in followed]
    return f"On all held-out text the correlation of cell and property is {listed(told)}.".replace(" -", " −")


def how_tracked(table: pd.DataFrame) -> str:
    """The passage."""
    text = "".join(table.loc[table["property"] == table["property"].iloc[0], "character"])
    missing = " □: a character that the figure's fonts do not have." * ("□" in signs(text))
    return f"The passage: {visible(text)}{missing}"


def carried_on(text: str, known: float, steps: int) -> str:
    """How far the network writes at temperature 0.5 with its state carried on.

    known: the share of its words that the book has; steps: of its training.
    """
    return (
        f"With its state carried on, the network of {steps:,} steps writes {len(text):,} characters at temperature "
        f"0.5; {percent(known)} of their words are in the book."
    )


def first_and_later(text: str, bits: Sequence[float]) -> str:
    """What the first characters of words cost beside those inside. bits: of every character but the first."""
    first = [cost for cost, before in zip(bits, text) if before in " \n"]
    later = [cost for cost, before, sign in zip(bits, text, text[1:]) if before.isalpha() and sign.isalpha()]
    if not first or not later:
        return ""
    early, late = sum(first) / len(first), sum(later) / len(later)
    told = f"The first character of a word costs {early:.1f} bits on average here, those inside it {late:.1f}"
    return f"{told}: the choice of a word is harder than its spelling." if early > late else f"{told}."


def signs(text: str) -> list[str]:
    """How a figure shows each character of a text: □ for what its fonts do not have."""
    known = [get_font(findfont(font)).get_charmap() for font in FONTS]
    shown = [visible(character) for character in text]
    return [sign if len(sign) == 1 and any(ord(sign) in each for each in known) else "□" for sign in shown]


def coloured(text: str, bits: Sequence[float], most: float = 8.0) -> str:
    """A passage as HTML, each character on a ground that is stronger the more bits it cost, up to ``most``.

    bits: of every character but the first. A screen reader reads the text; what a colour stands for is in the titles.
    """
    signs = [in_html(text[0])]
    for sign, cost in zip(text[1:], bits, strict=True):
        ground = f"rgba(213, 94, 0, {0.65 * min(cost / most, 1):.2f})"
        shown = "⏎<br>" if sign == "\n" else in_html(sign)
        signs.append(f'<span style="background: {ground}" title="{cost:.1f} bits">{shown}</span>')
    return f'<p class="coloured-text">{"".join(signs)}</p>'


def _steps(ax: Axes, labels: Mapping[float, str]) -> None:
    """Ticks on a logarithmic axis where these labels have room: the first, the last, then from the left.

    To be called when all else is drawn: it measures.
    """
    ax.xaxis.set_minor_locator(NullLocator())
    places = sorted(labels)
    ax.set_xticks(places, [labels[place] for place in places])
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    boxes = {place: label.get_window_extent().padded(4) for place, label in zip(places, ax.get_xticklabels())}
    kept: list[float] = []
    for place in dict.fromkeys([places[0], places[-1], *places]):
        if not any(boxes[place].overlaps(boxes[other]) for other in kept):
            kept.append(place)
    ax.set_xticks(sorted(kept), [labels[place] for place in sorted(kept)])
