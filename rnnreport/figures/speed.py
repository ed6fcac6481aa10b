"""The speed page's figures: ratios of times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from rnnreport.figures import GUIDE, LSTM, NAMES, SEQUENCE, in_style, legend_below, log_ticks, new


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


def _quartiles(rows: pd.DataFrame) -> list[pd.Series]:
    """The quartiles around a median, as errorbar wants them."""
    return [rows["ratio"] - rows["low"], rows["high"] - rows["ratio"]]
