"""The speed page's figures and tables, ratios of times, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnreport.figures import GUIDE, LSTM, NAMES, SEQUENCE, chart, legend_below, log_ticks, new, panels, ticks
from rnnreport.shown import in_html
from rnnreport.words import called, grouped, listed

MAIN = ("ours", "ours, native", "ours, native-bf16", "naive", "JAX")  # the contenders that a finding names


def table(rows: pd.DataFrame, style: str = "dataframe", summary: str = "") -> HTML:
    """A table in the page's style of that name, behind its summary where there is one.

    Several entries in a cell stand one below the other, and ranges are not broken.
    """
    if rows.empty:
        return HTML("<p><em>Not in this record.</em></p>")
    html = rows.to_html(index=False, border=0).replace("dataframe", style)
    html = html.replace("; ", "<br>").replace("–", "–&NoBreak;")
    if summary:
        html = f'<details class="code"><summary>{in_html(summary)}</summary>{html}</details>'
    return HTML(html)


@chart("Dots: medians over the rounds; bars: quartiles; dotted: as fast")
def speed_of_contenders(table: pd.DataFrame) -> Figure:
    """How many times as fast as the baseline each contender is, a panel for each part that was timed."""
    parts = dict(grouped(table, "part"))
    names = list(dict.fromkeys(table["contender"]))
    figure, axes = new(len(parts), sharey=True, squeeze=False, figsize=(7.4, 0.5 + 0.32 * len(names)))
    for ax, (part, rows) in zip(axes[0], parts.items()):
        places = [names.index(name) for name in rows["contender"]]
        ax.errorbar(rows["ratio"], places, xerr=_quartiles(rows), fmt="o", color=LSTM, ms=5, capsize=3)
        ax.axvline(1, color=GUIDE, ls=":", lw=1)
        ax.set(xscale="log", xlabel=f"times {names[0]}, {part}")
        log_ticks(ax.xaxis)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()
    return figure


def contenders_compared(table: pd.DataFrame) -> str:
    """How many times as fast as the baseline the main contenders do a full step."""
    full = table[table["part"] == "full step"].set_index("contender")["ratio"]
    found = [f"{name.replace(',', '')} {full[name]:.2f}" for name in MAIN if name in full]
    return f"Full step of the character model, times as fast as torch.nn: {', '.join(found)}."


def every_contender(table: pd.DataFrame) -> str:
    """The full steps of all contenders, with quartiles."""
    full = table[table["part"] == "full step"]
    return f"Full step: {'; '.join(f'{name} {words}' for name, words in zip(full['contender'], full['words']))}."


@chart("Lines: medians over the rounds; bars: quartiles; dotted: as fast")
def speed_by_length(table: pd.DataFrame) -> Figure:
    """How many times as fast as torch.nn each contender is over the length T, a panel for each cell."""
    names, cells = list(dict.fromkeys(table["contender"])), dict(grouped(table, "cell"))
    figure, axes = panels(
        cells.items(), 7.4 / len(cells), 4.2, 0.0, NAMES.__getitem__, ylabel="times as fast as torch.nn"
    )
    for ax, _, rows in axes:
        _speed_lines(ax, rows, "contender", "length", dict(zip(names, SEQUENCE)))
        ax.set(xlabel="palindrome length T")
    legend_below(figure, 4)
    return figure


def ours_by_length(table: pd.DataFrame) -> str:
    """How many times as fast our torch operations are at the shortest length and at the longest."""
    ours = table[table["contender"] == "ours"].sort_values("length")
    found = [
        f"{part['ratio'].iloc[0]:.2f} to {part['ratio'].iloc[-1]:.2f} ({called('cell', cell)})"
        for cell, part in grouped(ours, "cell")
    ]
    lengths = f"From T = {ours['length'].iloc[0]} to T = {ours['length'].iloc[-1]}"
    return f"{lengths} ours runs {listed(found)} times as fast as torch.nn."


def ours_at_every_length(table: pd.DataFrame) -> str:
    """The same at every length, with quartiles."""
    ours = table[table["contender"] == "ours"]
    return "; ".join(f"{called('cell', row.cell)} T = {row.length}: {row.words}" for row in ours.itertuples()) + "."


@chart("One line per T; medians over the rounds; bars: quartiles; dotted: as fast")
def speed_of_gate(table: pd.DataFrame) -> Figure:
    """How many times as fast as the dense pass the sparse ones are over r_on: a panel for each, a line for each T."""
    lengths = sorted(table["length"].unique())
    figure, axes = panels(grouped(table, "contender"), 3.4, 3.4, ylabel="times as fast as the dense pass")
    for ax, _, rows in axes:
        _speed_lines(ax, rows, "length", "open_ratio", dict(zip(lengths, SEQUENCE)))
        ax.set(xlabel="open ratio $r_\\mathrm{on}$")
    legend_below(figure, len(lengths), title="length T")
    return figure


def gate_at_its_smallest(table: pd.DataFrame) -> str:
    """How many times as fast as the dense pass the sparse ones are at the longest T and the smallest r_on."""
    longest = table[table["length"] == table["length"].max()]
    rows = longest[longest["open_ratio"] == longest["open_ratio"].min()]
    found = [f"{name.replace(',', '')} {ratio:.1f}" for name, ratio in zip(rows["contender"], rows["ratio"])]
    where = f"T = {rows['length'].iloc[0]}, r_on = {rows['open_ratio'].iloc[0]:g}"
    return f"Full steps at {where}, times as fast as the dense pass: {', '.join(found)}."


def gate_at_every_ratio(table: pd.DataFrame) -> str:
    """The same at every r_on, with quartiles."""
    rows = table[table["length"] == table["length"].max()]
    found = [f"{row.contender} r_on = {row.open_ratio:g}: {row.words}" for row in rows.itertuples()]
    return f"At T = {rows['length'].iloc[0]}: {'; '.join(found)}."


def _speed_lines(ax: Axes, table: pd.DataFrame, by: str, over: str, colours: Mapping[Any, str]) -> None:
    """Ratios with their quartiles on logarithmic axes, a line for each of ``by``."""
    for name, rows in table.groupby(by, sort=False):
        rows = rows.sort_values(over)
        x, y, spread, colour = rows[over], rows["ratio"], _quartiles(rows), colours[name]
        ax.errorbar(x, y, yerr=spread, color=colour, marker="o", ms=4, capsize=3, label=str(name))
    ax.axhline(1, color=GUIDE, ls=":", lw=1)
    ax.set(xscale="log", yscale="log")
    ticks(ax.xaxis, sorted(table[over].unique()), "{:g}")
    log_ticks(ax.yaxis)


def _quartiles(rows: pd.DataFrame) -> list[pd.Series]:
    """The quartiles around a median, as errorbar wants them."""
    return [rows["ratio"] - rows["low"], rows["high"] - rows["ratio"]]
