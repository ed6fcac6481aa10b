"""A table of runs in, a Matplotlib figure out; and :func:`show`, which puts a figure on a page.

Nothing here trains. Every drawing function takes a tidy table and, where it draws one panel, ``ax=None``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

from rnnreport.intervals import over_seeds
from rnnreport.words import NAMES as NAMES

# One colour a model throughout the book (Okabe and Ito's set, told apart by colour-blind readers).
RNN = "#D55E00"
LSTM = "#0072B2"
GATED = "#009E73"
COLOURS = {"rnn": RNN, "lstm": LSTM, "temporal-gate": GATED, "phased-lstm": GATED}
GUIDE = "#6b6b6b"  # chance levels, bounds, closed gates
# For lengths, optimizers and the like: of middling lightness, so that they stand out on white and, inverted, on black.
SEQUENCE = ["#B47F00", "#2E93CF", "#009E73", "#B8588F", "#004C99", "#D55E00", "#000000", "#777777"]

STYLE: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
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


def panels(
    groups: Iterable[tuple[Any, Any]],
    width: float,
    height: float,
    beside: float = 0.6,
    title: Callable[[Any], str] = str,
    ylabel: str = "",
) -> tuple[Figure, list[tuple[Any, Any, Any]]]:
    """A figure with one panel per group, side by side on one y axis; each panel comes with its group's key and rows.

    groups: keys and rows, as ``groupby`` gives them. width, height: of a panel in inches; beside: the further width for
    what stands beside the panels. title: of a panel, from its key.
    """
    found = list(groups)
    figure, axes = new(len(found), sharey=True, squeeze=False, figsize=(width * len(found) + beside, height))
    axes[0, 0].set(ylabel=ylabel)
    for ax, (key, _) in zip(axes[0], found):
        ax.set(title=title(key))
    return figure, [(ax, *group) for ax, group in zip(axes[0], found)]


Draw = TypeVar("Draw", bound=Callable[..., Figure])


def chart(marks: str) -> Callable[[Draw], Draw]:
    """Make a drawing function one for :func:`show`: in the book's style, and saying what its marks are.

    marks: for the line on the axes, such as "one line per T; bands: 95% intervals of the mean".
    """

    def decorate(draw: Draw) -> Draw:
        styled = in_style(draw)
        styled.marks = marks  # type: ignore[attr-defined]
        return styled

    return decorate


@in_style
def svg(figure: Figure) -> bytes:
    """The figure as SVG: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


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


def median_and_range(
    ax: Axes, groups: Any, colour: str, alpha: float = 0.25, line_of: str = "median", **line: Any
) -> pd.Series[Any]:
    """A line through the medians, or means, of grouped values, with their range as a band, on a log scale; the line."""
    middle = groups.agg(line_of)
    ax.fill_between(middle.index, groups.min(), groups.max(), color=colour, alpha=alpha, lw=0)
    ax.semilogy(middle.index, middle, color=colour, **line)
    return middle


def steps_by_length(ax: Axes, rows: pd.DataFrame, colour: str, top: float) -> pd.Series[Any]:
    """Steps to solve each length: a dot per seed, a cross at ``top`` where it failed, a line through the medians.

    rows: columns length and steps, infinite where a seed failed. Returns the medians.
    """
    solved, failed = rows[np.isfinite(rows["steps"])], rows[~np.isfinite(rows["steps"])]
    ax.plot(solved["length"], solved["steps"], "o", color=colour, ms=4, alpha=0.6)
    ax.plot(failed["length"], np.full(len(failed), top), "x", color=colour, ms=5)
    middle = rows.groupby("length")["steps"].median().clip(upper=top)
    ax.plot(middle.index, middle, color=colour, lw=1.2)
    return middle


def level_line(ax: Axes, level: float, name: str, inset: float = 3, until: float = 1) -> None:
    """A line across at a level that bounds the others, its name above it, ending at its right end or before.

    inset: in points from there. until: where the name ends, as a share of the axis.
    """
    ax.axhline(level, color=GUIDE, ls="--", lw=1)
    ax.annotate(
        name, (until, level), xycoords=("axes fraction", "data"), xytext=(-inset, 2), textcoords="offset points",
        ha="right", fontsize=8, color=GUIDE,
    )  # fmt: skip


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


def ticks(axis: Axis, places: Iterable[float], form: str = "{}") -> None:
    """Ticks at these places only, each called by its number."""
    axis.set_ticks(list(places), [form.format(place) for place in places])
    axis.set_minor_locator(NullLocator())


def log_ticks(axis: Axis) -> None:
    """Ticks at 0.5, 1, 2, 5 … rather than at powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_locator(NullLocator())
