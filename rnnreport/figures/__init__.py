"""A table of runs in, a Matplotlib figure out; and :func:`show`, which puts a figure on a page.

Nothing here trains. Every drawing function takes a tidy table and, where it draws one panel, ``ax=None``.
"""

from __future__ import annotations

import base64
import io
import itertools
import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

from rnnreport.intervals import over_seeds
from rnnreport.shown import in_html

# One colour a model throughout the book (Okabe and Ito's set, told apart by colour-blind readers).
RNN = "#D55E00"
LSTM = "#0072B2"
GATED = "#009E73"
COLOURS = {"rnn": RNN, "lstm": LSTM, "temporal-gate": GATED}
NAMES = {"rnn": "RNN", "lstm": "LSTM", "temporal-gate": "LSTM with temporal gate"}
GUIDE = "#6b6b6b"  # chance levels, bounds, closed gates
# For lengths, optimizers and the like: of middling lightness, so that they stand out on white and, inverted, on black.
SEQUENCE = ["#B47F00", "#2E93CF", "#009E73", "#B8588F", "#004C99", "#D55E00", "#000000", "#777777"]

STYLE: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.figsize": (6.4, 3.4),
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.transparent": True,
    "svg.hashsalt": "rnnreport",  # the same figure gives the same bytes
}

# Around every function that draws or saves: Matplotlib looks its settings up whenever it makes a part of a figure, and
# nothing of the reader's matplotlibrc, or of what a notebook has set, is to change ours.
in_style = matplotlib.style.context(["default", STYLE])


@in_style
def new(
    ncols: int = 1, nrows: int = 1, *, figsize: tuple[float, float] | None = None, **kwargs: Any
) -> tuple[Figure, Any]:
    """A figure and its axes, as ``plt.subplots`` makes them, but without pyplot, which would load a backend."""
    figure = Figure(figsize=figsize)
    return figure, figure.subplots(nrows, ncols, **kwargs)


class Shown:
    """A figure with its words: what a notebook, a papermill copy and the built page all display alike."""

    def __init__(self, svg: bytes, label: str, caption: str, alt: str, provenance: str) -> None:
        self.svg, self.label, self.caption, self.alt, self.provenance = svg, label, caption, alt, provenance

    def _repr_html_(self) -> str:
        anchor = re.sub(r"[^a-z0-9]+", "-", self.label.lower()).strip("-")
        data = base64.b64encode(self.svg).decode()
        return (
            f'<figure class="report-figure" id="{anchor}">'
            f'<img alt="{in_html(self.alt)}" src="data:image/svg+xml;base64,{data}">'
            f"<figcaption><strong>{in_html(self.label)}.</strong> {self.caption}</figcaption>"
            f'<p class="provenance">{in_html(self.provenance)}</p></figure>'
        )


@in_style
def show(figure: Figure, *, label: str, caption: str, alt: str, provenance: str) -> Shown:
    """The figure as the last expression of a cell.

    label: as the text calls it, "Figure 1a"; caption: HTML, stating the finding, the axes, the seeds and the interval;
    alt: what is seen, for those who do not see it; provenance: one line, from :func:`rnnreport.runs.provenance`.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Shown(buffer.getvalue(), label, caption, alt, provenance)


Rows = TypeVar("Rows", pd.DataFrame, "pd.Series[Any]")
MOST = 400  # points of a line in a figure, whose size must not grow with what is drawn


def thinned(rows: Rows, most: int = MOST) -> Rows:
    """The rows, or so many of them at even distances, the first and the last among them."""
    return rows if len(rows) <= most else rows.iloc[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def falling(values: pd.Series[Any]) -> pd.Series[Any]:
    """The values, the largest first, by the share of them that is no smaller."""
    return thinned(pd.Series(np.sort(values)[::-1], index=np.arange(1, len(values) + 1) / max(len(values), 1)))


def dots(rows: pd.DataFrame) -> dict[str, Any]:
    """What makes a line through these rows show its points: all of them, or at even distances as many as fit."""
    return {"marker": "o", "ms": 3, "markevery": math.ceil(len(rows) / 100)}


def legend_below(figure: Figure, ncols: int = 2, **where: Any) -> None:
    """One legend for all panels of a figure, below them: whatever has a name in any of them, once."""
    named = {name: handle for ax in figure.axes for handle, name in zip(*ax.get_legend_handles_labels())}
    figure.legend(named.values(), named, **{"loc": "outside lower center", "ncols": ncols, "fontsize": 9, **where})


def end_label(ax: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Write a line's name at its end, in its colour: direct labels rather than a legend."""
    ax.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", color=colour, va="center", fontsize=9)


@in_style
def curves(
    table: pd.DataFrame,
    by: str,
    value: str = "test_accuracy",
    *,
    ax: Axes | None = None,
    colours: Mapping[Any, str] | None = None,
    names: Mapping[Any, str] | None = None,
    chance: float | None = 0.1,
    ylim: tuple[float, float] = (0, 1.03),
    share: bool = True,
) -> Axes:
    """``value`` over the steps, a line for each group: the mean over the seeds, with its 95% interval as a band.

    table: columns step, seed, ``by`` and ``value``; a ``share`` lies between 0 and 1, and so does its band. Names stand
    at the lines' ends, in their colours.
    """
    if ax is None:
        _, ax = new()
    shown = pd.concat(thinned(steps) for _, steps in table[[by, "step"]].drop_duplicates().groupby(by))
    statistics = over_seeds(table.merge(shown), [by, "step"], value, share=share)
    groups = list(dict.fromkeys(table[by]))
    labels = []
    for place, group in enumerate(groups):
        rows = statistics[statistics[by] == group]
        if rows.empty:  # nothing was measured yet
            continue
        colour = (colours or {}).get(group, SEQUENCE[place % len(SEQUENCE)])
        ax.plot(rows["step"], rows["mean"], color=colour)
        band(ax, rows, colour)
        labels.append((rows["mean"].iloc[-1], (names or {}).get(group, str(group)), colour))
    last = statistics["step"].max()
    if chance is not None:
        ax.axhline(chance, color=GUIDE, ls=":", lw=1)
        labels.append((chance, "chance", GUIDE))
    ax.set(xlabel="training step", ylim=ylim, xlim=(0, max(last, 1)))
    end_labels(ax, last, labels)
    return ax


def band(ax: Axes, rows: pd.DataFrame, colour: str) -> None:
    """The interval around a mean; a single seed has none."""
    if np.isfinite(rows["low"]).all():
        ax.fill_between(rows["step"], rows["low"].clip(0), rows["high"], color=colour, alpha=0.1, lw=0)


def error_bars(rows: pd.DataFrame) -> list[pd.Series] | None:
    """The interval around means of at least 0, as errorbar wants it; a single seed has none."""
    if not np.isfinite(rows["low"]).all():
        return None
    return [rows["mean"] - rows["low"].clip(0), rows["high"] - rows["mean"]]


def end_labels(ax: Axes, x: float, labels: list[tuple[float, str, str]], gap: float = 0.07) -> None:
    """Names at the lines' ends, moved apart where they would cover each other."""
    low, high = ax.get_ylim()
    space = gap * (high - low)
    placed = high + space
    for y, text, colour in sorted(labels, reverse=True):
        placed = min(y, placed - space * (1 + text.count("\n")))
        ax.annotate(
            text,
            (x, y),
            xytext=(1.015, placed),
            textcoords=("axes fraction", "data"),
            color=colour,
            va="center",
            fontsize=9,
        )


@in_style
def figure_1a(table: pd.DataFrame) -> Figure:
    """The RNN at one length: accuracy on fresh palindromes and on the training batches, over the steps."""
    figure, ax = new()
    parts = {"fresh\npalindromes": "test_accuracy", "training\nbatches": "accuracy"}
    long = pd.concat(
        [table[["step", "seed"]].assign(which=name, value=table[column]) for name, column in parts.items()]
    )
    curves(long, "which", "value", colours=dict(zip(parts, (RNN, GUIDE))), ax=ax)
    ax.set(ylabel="accuracy")
    return figure


@in_style
def by_length(table: pd.DataFrame) -> Figure:
    """Accuracy on fresh palindromes over the steps, a line for each T."""
    figure, ax = new()
    curves(table, "length", names={length: f"T = {length}" for length in table["length"].unique()}, ax=ax)
    ax.set(ylabel="accuracy on fresh palindromes")
    return figure


@in_style
def models_against_length(table: pd.DataFrame) -> Figure:
    """Final accuracy against T, a line for each model, with its 95% interval; each model at its best learning rate."""
    figure, ax = new()
    last = table[table["step"] == table["step"].max()]
    labels = []
    for place, model in enumerate(dict.fromkeys(last["model"])):
        rows = last[last["model"] == model]
        means = over_seeds(rows, ["length", "learning_rate"], "test_accuracy", share=True)
        best = means.loc[means.groupby("length")["mean"].idxmax()]
        ax.errorbar(
            best["length"] + 0.3 * place,
            best["mean"],
            yerr=error_bars(best),
            color=COLOURS[model],
            marker="o",
            ms=4,
            capsize=3,
        )
        labels.append((best["mean"].iloc[-1], NAMES[model], COLOURS[model]))
    ax.axhline(0.1, color=GUIDE, ls=":", lw=1)
    labels.append((0.1, "chance", GUIDE))
    ax.set(xlabel="palindrome length T", ylabel="accuracy on fresh palindromes", ylim=(0, 1.03))
    end_labels(ax, last["length"].max(), labels)
    return figure


@in_style
def optimizer_curves(table: pd.DataFrame) -> Figure:
    """Accuracy over the steps, each optimizer at its best learning rate (the highest mean over the training)."""
    means = table.groupby(["optimizer", "learning_rate"])["test_accuracy"].mean()
    best = dict(means.groupby("optimizer").idxmax())
    rows = table[[best[row.optimizer][1] == row.learning_rate for row in table.itertuples()]]
    figure, ax = new()
    curves(rows, "optimizer", names={name: f"{name}, {rate:g}" for name, (_, rate) in best.items()}, ax=ax)
    ax.set(ylabel="accuracy on fresh palindromes")
    return figure


@in_style
def quadratic(paths: pd.DataFrame, curvature: float = 30.0) -> Figure:
    """The optimizers' ways down an ill-conditioned bowl, a panel each."""
    names = list(dict.fromkeys(paths["optimizer"]))
    figure, axes = new(len(names), sharey=True, squeeze=False, figsize=(1.9 * len(names) + 0.4, 2.4))
    (left, right), (low, high) = ((paths[axis].min() - 0.5, paths[axis].max() + 0.5) for axis in ("x", "y"))
    x, y = np.meshgrid(np.linspace(left, right, 120), np.linspace(low, high, 120))
    for ax, name, colour in zip(axes[0], names, SEQUENCE):
        rows = paths[paths["optimizer"] == name]
        ax.contour(x, y, (x**2 + curvature * y**2) / 2, levels=np.logspace(-1, 1.8, 8), colors=GUIDE, linewidths=0.4)
        ax.plot(rows["x"], rows["y"], color=colour, marker="o", ms=2, lw=1.2)
        ax.plot(0, 0, marker="+", color="black")
        ax.set(xlim=(left, right), ylim=(low, high), xlabel="x")
        ax.set_title(f"{name}\nloss {rows['loss'].iloc[-1]:.1g}", fontsize=9, color=colour)
    axes[0, 0].set(ylabel="y")
    return figure


@in_style
def gates(values: pd.DataFrame) -> Figure:
    """How often a trained LSTM's gates take which value, a panel a gate."""
    titles = {"i": "input gate i", "f": "forget gate f", "o": "output gate o", "g": "modulation g"}
    figure, axes = new(4, sharey=True, figsize=(7.4, 2.4))
    for ax, (gate, title) in zip(axes, titles.items()):
        part = values.loc[values["gate"] == gate, "value"]
        low = -1 if gate == "g" else 0
        ax.hist(part, bins=40, range=(low, 1), weights=np.full(len(part), 1 / len(part)), color=LSTM)
        ax.set(xlim=(low, 1), xlabel="value")
        ax.set_title(title, fontsize=10)
    axes[0].set(ylabel="share of values")
    return figure


@in_style
def gradient_decay(
    table: pd.DataFrame, quantity: str, ylabel: str, bound: str | None = None, ax: Axes | None = None
) -> Axes:
    """What is left of a gradient after some steps: a line for each spectral radius of Whh, on a log scale.

    table: columns spectral_radius, seed, lag and ``quantity``: the line is the median over the seeds, the band their
    range. bound: a column to draw dashed, its median over the seeds; the axis does not stretch to hold it.
    """
    if ax is None:
        _, ax = new()
    for colour, (radius, part) in zip(itertools.cycle(SEQUENCE), table.groupby("spectral_radius")):
        part = part[part[quantity] > 0]  # what has underflowed has no place on a log scale
        if part.empty:
            continue
        lags = part.groupby("lag")[quantity]
        middle = lags.median()
        ax.fill_between(middle.index, lags.min(), lags.max(), color=colour, alpha=0.25, linewidth=0)
        ax.semilogy(middle.index, middle, color=colour)
        end_label(ax, middle.index[-1], middle.iloc[-1], f"ρ = {radius:g}", colour)
    if bound is not None:
        bottom, top = ax.get_ylim()
        for colour, (_, part) in zip(itertools.cycle(SEQUENCE), table.groupby("spectral_radius")):
            middle = part.groupby("lag")[bound].median()
            ax.semilogy(middle.index, middle, color=colour, linestyle="--", linewidth=1)
        ax.set_ylim(bottom, top * 1e3)
    ax.set(xlabel="lag T − t (steps)", ylabel=ylabel)
    return ax


@in_style
def gradient_reach(table: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """What is left of a gradient after some steps, before and after training: a panel for each network, on a log scale.

    table: columns network, seed, when ("before" or "after" training), lag, and those of ``names``, which says what they
    are; the first is drawn solid, the second dashed. Lines are medians over the seeds, bands their range.
    """
    networks = list(dict.fromkeys(table["network"]))
    figure, axes = new(len(networks), sharey=True, squeeze=False, figsize=(3.4 * len(networks) + 0.6, 3.4))
    for ax, network in zip(axes[0], networks):
        for (when, part), (column, style) in itertools.product(
            _before_and_after(table[table["network"] == network]), zip(names, ("-", "--"))
        ):
            lags = part[part[column] > 0].groupby("lag")[column]  # what has underflowed has no place on a log scale
            middle, colour = lags.median(), _colour(network, when)
            ax.fill_between(middle.index, lags.min(), lags.max(), color=colour, alpha=0.25, linewidth=0)
            label = f"{when} training, {names[column]}{_whose(networks, network, when)}"
            ax.semilogy(middle.index, middle, color=colour, ls=style, label=label)
        ax.axhline(1, color="black", lw=0.7, ls=":")
        ax.set(xlabel="lag (steps back from the end)", xlim=(0, table["lag"].max()))
        ax.set_title(network, fontsize=10)
    axes[0, 0].set(ylabel="‖∂ state at the end / ∂ state‖₂")
    legend_below(figure)
    return figure


@in_style
def kept_by_units(table: pd.DataFrame, lowest: float = 1e-6) -> Figure:
    """The products of forget gates, the largest first, before and after training: a panel a network, a line a seed.

    table: columns network, seed, when ("before" or "after"), kept. The axis ends at ``lowest``.
    """
    networks = list(dict.fromkeys(table["network"]))
    figure, axes = new(len(networks), sharey=True, squeeze=False, figsize=(3.4 * len(networks) + 0.6, 3.2))
    for ax, network in zip(axes[0], networks):
        for when, part in _before_and_after(table[table["network"] == network]):
            for place, (_, rows) in enumerate(part.groupby("seed")):
                kept = falling(rows["kept"].clip(lower=lowest))
                label = None if place else f"{when} training{_whose(networks, network, when)}"
                ax.semilogy(kept.index, kept, color=_colour(network, when), lw=1, label=label)
        ax.axhline(1, color="black", lw=0.7, ls=":")
        ax.set(xlabel="share of units and palindromes", xlim=(0, 1), ylim=(lowest, 2))
        ax.set_title(network, fontsize=10)
    axes[0, 0].set(ylabel="product of forget gates")
    legend_below(figure)
    return figure


def _before_and_after(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The parts of the table that there are, in this order."""
    parts = [(when, table[table["when"] == when]) for when in ("before", "after")]
    return [(when, part) for when, part in parts if not part.empty]


def _colour(network: str, when: str) -> str:
    return GUIDE if when == "before" else RNN if network == "RNN" else LSTM


def _whose(networks: list[str], network: str, when: str) -> str:
    """What a legend adds to a line's name where the networks' lines differ in colour."""
    return f", {network}" if len({_colour(name, when) for name in networks}) > 1 else ""


@in_style
def speed_of_contenders(table: pd.DataFrame) -> Figure:
    """How many times as fast as the baseline each contender is, a panel for each part that was timed."""
    parts = list(dict.fromkeys(table["part"]))
    names = list(dict.fromkeys(table["contender"]))
    figure, axes = new(len(parts), sharey=True, squeeze=False, figsize=(7.4, 0.5 + 0.32 * len(names)))
    for ax, part in zip(axes[0], parts):
        rows = table[table["part"] == part]
        places = [names.index(name) for name in rows["contender"]]
        ax.errorbar(rows["ratio"], places, xerr=_quartiles(rows), fmt="o", color=LSTM, ms=5, capsize=3)
        ax.axvline(1, color=GUIDE, ls=":", lw=1)
        ax.set(xscale="log", xlabel=f"times {names[0]}, {part}")
        log_ticks(ax.xaxis)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()
    return figure


@in_style
def speed_by_length(table: pd.DataFrame) -> Figure:
    """How many times as fast as torch.nn each contender is over the length T, a panel for each cell."""
    names, cells = list(dict.fromkeys(table["contender"])), list(dict.fromkeys(table["cell"]))
    figure, axes = new(len(cells), sharey=True, squeeze=False, figsize=(7.4, 4.2))
    for ax, cell in zip(axes[0], cells):
        _speed_lines(ax, table[table["cell"] == cell], "contender", "length", dict(zip(names, SEQUENCE)))
        ax.set_title(NAMES[cell], fontsize=10)
        ax.set(xlabel="palindrome length T")
    axes[0, 0].set(ylabel="times as fast as torch.nn")
    legend_below(figure, 4)
    return figure


@in_style
def speed_of_gate(table: pd.DataFrame) -> Figure:
    """How many times as fast as the dense pass the sparse ones are over r_on: a panel for each, a line for each T."""
    names, lengths = list(dict.fromkeys(table["contender"])), sorted(table["length"].unique())
    figure, axes = new(len(names), sharey=True, squeeze=False, figsize=(3.4 * len(names) + 0.6, 3.4))
    for ax, name in zip(axes[0], names):
        colours = dict(zip(lengths, SEQUENCE))
        _speed_lines(ax, table[table["contender"] == name], "length", "open_ratio", colours)
        ax.set_title(name, fontsize=10)
        ax.set(xlabel="open ratio $r_\\mathrm{on}$")
    axes[0, 0].set(ylabel="times as fast as the dense pass")
    legend_below(figure, len(lengths), title="length T")
    return figure


def _speed_lines(ax: Axes, table: pd.DataFrame, by: str, over: str, colours: Mapping[Any, str]) -> None:
    """Ratios with their quartiles on logarithmic axes, a line for each of ``by``."""
    for name, rows in table.groupby(by, sort=False):
        rows = rows.sort_values(over)
        x, y, spread, colour = rows[over], rows["ratio"], _quartiles(rows), colours[name]
        ax.errorbar(x, y, yerr=spread, color=colour, marker="o", ms=4, capsize=3, label=str(name))
    ax.axhline(1, color=GUIDE, ls=":", lw=1)
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(sorted(table[over].unique()), [f"{x:g}" for x in sorted(table[over].unique())])
    ax.xaxis.set_minor_locator(NullLocator())
    log_ticks(ax.yaxis)


def log_ticks(axis: Axis) -> None:
    """Ticks at 0.5, 1, 2, 5 … rather than at powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_locator(NullLocator())


def _quartiles(rows: pd.DataFrame) -> list[pd.Series]:
    """The quartiles around a median, as errorbar wants them."""
    return [rows["ratio"] - rows["low"], rows["high"] - rows["ratio"]]
