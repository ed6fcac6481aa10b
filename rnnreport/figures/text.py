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

from rnnreport.figures import GUIDE, LSTM, RNN, SEQUENCE, band, end_label, end_labels, error_bars, in_style, new
from rnnreport.intervals import over_seeds
from rnnreport.shown import in_html, visible

HELD_OUT = RNN  # the colour of held-out text beside the training's
FONTS = ["DejaVu Sans Mono", "DejaVu Sans"]  # which Matplotlib brings


@in_style
def curves_of_first_steps(table: pd.DataFrame) -> Figure:
    """Figure 4: loss and accuracy over the steps, on the training batches and on held-out text."""
    figure, (left, right) = new(2, figsize=(7.4, 3.1))
    for ax, pair, ylabel in (
        (left, ("loss", "held_out_loss"), "loss (nats a character)"),
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


@in_style
def diversity(table: pd.DataFrame) -> Figure:
    """Entropy, distinct sequences and known words against the temperature: means over the seeds of the sampling."""
    figure, axes = new(3, figsize=(7.4, 2.6))
    titles = {
        "entropy": "entropy (bits)",
        "distinct": "different 4-grams (share)",
        "words": "words the book has (share)",
    }
    for ax, (column, title) in zip(axes, titles.items()):
        rows = over_seeds(table, ["temperature"], column, share=column != "entropy")
        ax.errorbar(rows["temperature"], rows["mean"], yerr=error_bars(rows), color=LSTM, marker="o", ms=4, capsize=3)
        ax.set(xlabel="temperature", ylim=(0, None if column == "entropy" else 1.03))
        ax.set_title(title, fontsize=10)
    return figure


@in_style
def long_training(runs: Mapping[str, tuple[pd.DataFrame, str]], reported: Sequence[tuple[int, float]]) -> Figure:
    """Accuracy over the steps of long trainings: solid on training batches, dashed on held-out text.

    runs: by their names, a table with the columns step, seed, accuracy and held_out_accuracy, and a colour; reported:
    (step, accuracy) as the report gives them, drawn as crosses.
    """
    figure, ax = new(figsize=(7.0, 3.6))
    labels, last = [], max(table["step"].max() for table, _ in runs.values())
    for name, (table, colour) in runs.items():
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


@in_style
def bound(tables: Mapping[str, tuple[pd.DataFrame, str]], reported: tuple[float, float]) -> Figure:
    """Loss against accuracy of training batches, with the least loss that an accuracy leaves: (1 - accuracy) ln 2.

    tables: by their names, with the columns accuracy and loss, and a colour; reported: accuracy and loss.
    """
    figure, ax = new(figsize=(6.4, 3.6))
    line = np.array([0.0, 1.0])
    ax.plot(line, (1 - line) * math.log(2), color=GUIDE, lw=1.2)
    ax.fill_between(line, 0, (1 - line) * math.log(2), color=GUIDE, alpha=0.15, lw=0)
    ax.annotate("impossible", (0.45, 0.12), color=GUIDE, fontsize=9)
    for name, (table, colour) in tables.items():
        rows = table.dropna(subset=["loss"])
        ax.plot(rows["accuracy"], rows["loss"], ".", color=colour, ms=4, mew=0, label=name)
    ax.plot(*reported, "x", color="black", ms=8, mew=2, label="the report")
    # Where training ends lies within, whatever the text; where it starts need not.
    ends = np.array([rows[["accuracy", "loss"]].dropna().iloc[-1] for rows, _ in tables.values()])
    (lowest, _), (highest, most) = ends.min(0), ends.max(0)
    ax.set(
        xlabel="accuracy on training batches",
        ylabel="loss (nats a character)",
        xlim=(min(0.2, lowest - 0.05), max(0.8, highest + 0.05)),
        ylim=(0, max(3, 1.1 * most)),
    )
    ax.legend(fontsize=9)
    return figure


@in_style
def without_favourite(
    over_training: pd.DataFrame, over_temperature: pd.DataFrame, printed: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Figure:
    """The share of characters none of which reaches one half, and of newlines in the report's samples, with intervals.

    over_training: columns accuracy and share; over_temperature: temperature and share; printed: the report's samples,
    under "training" with their accuracy, under "temperature" with that.
    """
    from scipy.stats import binomtest  # takes a second to import, which only this figure should

    figure, axes = new(2, sharey=True, figsize=(7.2, 3.2))
    for ax, table, part, column in zip(
        axes, (over_training, over_temperature), ("training", "temperature"), ("accuracy", "temperature")
    ):
        ax.plot(table[column], table["share"], "o-", color=LSTM, ms=4, lw=1, label="ours: none reaches ½")
        for place, row in enumerate(printed[part]):
            newlines, size = row["text"].count("\n"), len(row["text"])
            low, high = binomtest(newlines, size).proportion_ci(method="wilson")
            share = newlines / size
            ax.errorbar(
                row[column], share, yerr=[[share - low], [high - share]], fmt="x", color="black", ms=7, mew=2,
                elinewidth=1, capsize=3, label=None if place else "the report: newlines",
            )  # fmt: skip
    axes[0].set(xlabel="accuracy on training batches", ylabel="share of characters", ylim=(0, 1))
    axes[1].set(xlabel="temperature")
    axes[0].legend(fontsize=9)
    return figure


@in_style
def memory_of_the_book(table: pd.DataFrame) -> Figure:
    """Bits a character, on training and on held-out text read from end to end, over the steps; their gap between.

    table: columns step (> 0), training, held_out.
    """
    figure, ax = new(figsize=(6.4, 3.2))
    for column, name, colour in (("training", "training text", LSTM), ("held_out", "held-out text", HELD_OUT)):
        ax.plot(table["step"], table[column], "o-", color=colour, ms=4)
        end_label(ax, table["step"].iloc[-1], table[column].iloc[-1], name, colour)
    ax.fill_between(table["step"], table["training"], table["held_out"], color=GUIDE, alpha=0.15, lw=0)
    ax.set(xscale="log", xlabel="training step", ylabel="bits a character")
    _steps(ax, {step: f"{step:,}" for step in table["step"]})
    return figure


@in_style
def recipes(table: pd.DataFrame, levels: Mapping[str, float]) -> Figure:
    """Bits a held-out character over the minutes of one core, a line a recipe and seed, with what other models need.

    table: columns recipe, seed, step, minutes and held_out_bits; levels: names and bits, drawn as lines across.
    """
    figure, ax = new(figsize=(7.0, 4.0))
    table = table.dropna(subset=["held_out_bits"])
    ends = table.sort_values("step").groupby(["recipe", "seed"])["held_out_bits"].last().groupby("recipe").mean()
    for place, name in enumerate(ends.sort_values(ascending=False).index):  # in the order in which the lines end
        colour, style = SEQUENCE[place % len(SEQUENCE)], "--" if place >= len(SEQUENCE) else "-"
        for number, (_, rows) in enumerate(table[table["recipe"] == name].groupby("seed")):
            label = None if number else name  # the legend has it once
            ax.plot(rows["minutes"], rows["held_out_bits"], color=colour, ls=style, lw=1.3, label=label)
    for name, level in levels.items():
        ax.axhline(level, color=GUIDE, ls=":", lw=1)
        ax.annotate(
            name, (1, level), xycoords=("axes fraction", "data"), xytext=(-3, 2), textcoords="offset points",
            ha="right", fontsize=8, color=GUIDE,
        )  # fmt: skip
    lowest = min([*levels.values(), table["held_out_bits"].min()])
    ax.set(
        xlabel="minutes of one core",
        ylabel="bits a held-out character",
        ylim=(lowest - 0.05, max(2.3, *(level + 0.1 for level in [*levels.values(), ends.max()]))),
        xlim=(0, table["minutes"].max()),
    )
    ax.legend(loc="upper right", fontsize=8, labelspacing=0.2)
    return figure


@in_style
def over_training(table: pd.DataFrame, columns: Mapping[str, str], levels: Mapping[str, float], ylabel: str) -> Figure:
    """Shares over the steps on a logarithmic axis, a line a column: means over the seeds; dotted: a level of each.

    table: columns step (0 is drawn at the left end), seed and the columns; columns: their names on the page.
    """
    figure, ax = new(figsize=(6.8, 3.4))
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


@in_style
def calibration(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """How often the likeliest character is right against how likely the model finds it: a panel a model.

    tables: by their titles, with the columns confidence, hits and count.
    """
    figure, axes = new(len(tables), sharey=True, squeeze=False, figsize=(2.5 * len(tables) + 0.6, 3.0))
    for ax, (title, table) in zip(axes[0], tables.items()):
        ax.plot((0, 1), (0, 1), color=GUIDE, ls=":", lw=1)
        ax.plot(table["confidence"], table["hits"], "o-", color=LSTM, ms=4)
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability given", aspect="equal")
        ax.set_title(title, fontsize=10)
    axes[0, 0].set(ylabel="share that is right")
    return figure


@in_style
def tracked(text: str, values: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Cells over a passage beside what they follow: a panel a property, both scaled to mean 0 and deviation 1.

    text: the passage, of some 100 characters, written below by :func:`signs`; values: by the property's name, the
    property and the cell after each character.
    """
    figure, axes = new(1, len(values), sharex=True, squeeze=False, figsize=(7.4, 1.5 * len(values) + 0.5))
    for ax, (name, (wanted, cell)) in zip(axes[:, 0], values.items()):
        for series, colour, width in ((wanted, GUIDE, 2.4), (cell, LSTM, 1.0)):
            numbers = np.asarray(series, dtype=float)
            ax.plot((numbers - numbers.mean()) / (numbers.std() or 1), ".-", color=colour, lw=width, ms=3 * width)
        ax.set_title(name, fontsize=10, loc="left")
        ax.set_yticks([])
        ax.tick_params(axis="x", length=0)
    ax.set(xlabel="the characters read", xlim=(-1, len(text)))
    ax.set_xticks(range(len(text)), signs(text), fontsize=7, family=FONTS)
    return figure


def signs(text: str) -> list[str]:
    """How a figure shows each character of a text: □ for what its fonts do not have."""
    known = [get_font(findfont(font)).get_charmap() for font in FONTS]
    shown = [visible(character) for character in text]
    return [sign if len(sign) == 1 and any(ord(sign) in each for each in known) else "□" for sign in shown]


def coloured(text: str, bits: Sequence[float], most: float = 8.0) -> str:
    """A passage as HTML, each character on a ground the darker the more bits it cost, up to ``most``.

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
