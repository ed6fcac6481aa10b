"""The speed page's figures and tables, ratios of times, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnreport.figures import (
    GUIDE,
    LSTM,
    NAMES,
    SEQUENCE,
    chart,
    end_labels,
    legend_below,
    log_ticks,
    new,
    panels,
    ticks,
)
from rnnreport.shown import anchor, in_html, linked
from rnnreport.words import called, grouped, listed

# The contenders that findings name and figure 6.2 draws; the tables have all of them.
OURS = {"ours": "our torch code", "ours, native": "our C++", "torch.nn, bfloat16": "bfloat16 torch.nn"}
MAIN = {**OURS, "naive": "naive code", "JAX": "JAX", "ours, native-bf16": "our C++ with bfloat16"}
SPARSE = {"sparse": "torch code", "sparse, native": "C++"}


def table(rows: pd.DataFrame, style: str = "dataframe", summary: str = "", said: str = "") -> HTML:
    """A table in the page's style of that name, below what is said of it, and folded behind its summary if it has one.

    Several entries in a cell stand one below the other, and ranges are not broken.
    """
    if rows.empty:
        return HTML("<p><em>Not in this record.</em></p>")
    html = rows.to_html(index=False, border=0).replace("dataframe", style)
    html = html.replace("; ", "<br>").replace("–", "–&NoBreak;")
    if summary:
        html = f'<details class="more"><summary>{in_html(summary)}</summary>{html}</details>'
    return HTML(f"<p><strong>{in_html(said)}</strong></p>{html}" if said else html)


def ratios(rows: pd.DataFrame, figure: str, part: str) -> HTML:
    """A folded table of all contenders. figure: the one it belongs to; part: what was timed."""
    return table(rows, summary=f"Table of {figure.lower()}: {part}")


def answers(characters: pd.DataFrame, palindromes: pd.DataFrame, gate: pd.DataFrame, aims: str) -> HTML:
    """The page's answers, without those that the record has no rows for; aims: how many are met."""
    found = [
        (asked, answer(*rows), label, f"#{anchor(label)}")
        for asked, answer, rows, label in (
            ("How fast does the character model train?", contenders_compared, (characters, OURS), "Figure 6.1"),
            ("Does the length of a sequence matter?", ours_by_length, (palindromes,), "Figure 6.2"),
            (
                "What does a closed gate save?",
                lambda rows: f"{gate_at_its_smallest(rows)} {unskipped(rows)}",
                (gate,),
                "Figure 6.3",
            ),
        )
        if len(rows[0])
    ]
    return HTML(linked([*found, ("Were the aims met?", aims, "All aims", "#against-the-aims")]))


@chart("Dots: medians over the rounds; bars: quartiles; dotted: as fast as torch.nn")
def speed_of_contenders(table: pd.DataFrame) -> Figure:
    """How many times as fast as the baseline each contender is, a panel for each part that was timed."""
    parts = dict(grouped(table, "part"))
    names = list(dict.fromkeys(table["contender"]))
    figure, axes = new(len(parts), sharey=True, squeeze=False, figsize=(7.4, 0.7 + 0.32 * len(names)))
    for ax, (part, rows) in zip(axes[0], parts.items()):
        places = [names.index(name) for name in rows["contender"]]
        ax.errorbar(rows["ratio"], places, xerr=_quartiles(rows), fmt="o", color=LSTM, ms=5, capsize=3)
        for place, ratio in zip(places, rows["ratio"]):
            ax.annotate(f"{ratio:.2f}", (ratio, place), (0, 4), textcoords="offset points", ha="center", fontsize=8)
        ax.axvline(1, color=GUIDE, ls=":", lw=1)
        ax.set(xscale="log", xlabel=f"times as fast as {names[0]}", title=part)
        ax.margins(y=0.1)  # the first label stays below the title
        log_ticks(ax.xaxis)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()
    return figure


def contenders_compared(table: pd.DataFrame, names: Mapping[str, str] = MAIN) -> str:
    """How many times as fast as torch.nn these contenders do a full step. names: what the sentence calls them."""
    ratio = _full_steps(table)
    (first, speed), *more = [(name, f"{ratio[key]:.2f}") for key, name in names.items() if key in ratio]
    found = [f"{first} has {speed} times torch.nn's speed", *(f"{name} {speed}" for name, speed in more)]
    return f"In a full step {listed(found)}."


def beyond_products(table: pd.DataFrame) -> str:
    """How many times as long as its matrix products alone a full step takes the main contenders."""
    ratio = _full_steps(table)
    if "matrix products" not in ratio:
        return ""
    found = [f"{ratio['matrix products'] / ratio[key]:.2f} in {name}" for key, name in MAIN.items() if key in ratio]
    return f"A full step takes this many times as long as the matrix products alone: {listed(found)}."


def _full_steps(table: pd.DataFrame) -> dict[str, float]:
    """The ratio of each contender's full step."""
    full = table[table["part"] == "full step"]
    return dict(zip(full["contender"], full["ratio"]))


@chart("Dots: medians over the rounds; bars: quartiles; dotted: as fast as torch.nn")
def speed_by_length(table: pd.DataFrame) -> Figure:
    """How many times as fast as torch.nn the main contenders are over the length T, a panel for each cell."""
    table = table[table["contender"].isin(MAIN)]
    figure, axes = panels(grouped(table, "cell"), 3.5, 3.6, 0.8, NAMES.__getitem__, ylabel="times as fast as torch.nn")
    colours = dict(zip(MAIN, SEQUENCE))
    for ax, _, rows in axes:
        _speed_lines(ax, rows, "contender", "length", colours)
        ax.set(xlabel="palindrome length T", ylim=(0, 1.05 * table["high"].max()))
        last = rows[rows["length"] == rows["length"].max()]
        labels = [(ratio, name, colours[name]) for name, ratio in zip(last["contender"], last["ratio"])]
        end_labels(ax, last["length"].max(), labels)
    return figure


def ours_by_length(table: pd.DataFrame) -> str:
    """Whether our torch code gains on torch.nn as T grows, for each cell."""
    ours = table[table["contender"] == "ours"].sort_values("length")
    found = [f"{_course(part)} with the {called('cell', cell)}" for cell, part in grouped(ours, "cell")]
    ends = f"From T = {ours['length'].min()} to {ours['length'].max()}"
    return f"{ends}, relative to torch.nn, our torch code {listed(found)}."


def speeds_by_length(table: pd.DataFrame) -> str:
    """The main contenders' speed relative to torch.nn at the shortest and the longest T, for each cell."""
    if table.empty:
        return ""
    ends = [table["length"].min(), table["length"].max()]
    rows = table[table["length"].isin(ends) & table["contender"].isin(MAIN)].sort_values("length", kind="stable")
    found = []
    for cell, part in grouped(rows, "cell"):
        both = part.groupby("contender", sort=False)["ratio"].agg(lambda pair: " to ".join(map("{:.2f}".format, pair)))
        pairs = [f"{MAIN[str(name)]} {ratios}" for name, ratios in both.items()]
        found.append(f"with the {called('cell', cell)} {listed(pairs)}")
    return f"Times as fast as torch.nn, from T = {ends[0]} to {ends[1]}: {'; '.join(found)}."


def _course(rows: pd.DataFrame) -> str:
    """Whether a ratio grows: whether its quartiles in the first of the rows and in the last are apart."""
    low, high = rows["low"].iloc, rows["high"].iloc
    return "gets faster" if low[-1] > high[0] else "gets slower" if high[-1] < low[0] else "stays about as fast"


@chart("Medians and quartiles; dotted: as fast as the dense pass")
def speed_of_gate(table: pd.DataFrame) -> Figure:
    """How many times as fast as the dense pass the sparse ones are over r_on: a panel for each, a line for each T."""
    lengths = sorted(table["length"].unique())
    figure, axes = panels(grouped(table, "contender"), 3.4, 3.4, ylabel="times as fast as the dense pass")
    for ax, _, rows in axes:
        _speed_lines(ax, rows, "length", "open_ratio", dict(zip(lengths, SEQUENCE)))
        ax.set(xlabel="open ratio $r_\\mathrm{on}$", yscale="log")
        log_ticks(ax.yaxis)
    legend_below(figure, len(lengths), title="length T")
    return figure


def gate_at_its_smallest(table: pd.DataFrame) -> str:
    """How many times as fast as the dense pass the sparse ones are at the longest T and the smallest r_on."""
    least, longest = table["open_ratio"].min(), table["length"].max()
    found = _at_longest(table, least)
    return f"At T = {longest:,} and r_on = {least:g} a step is {found} times as fast as the dense torch pass."


def unskipped(table: pd.DataFrame) -> str:
    """The same at r_on = 1, where nothing can be skipped, if it was measured."""
    if not (found := _at_longest(table, 1.0)):
        return ""
    return f"At $r_\\mathrm{{on}}$ = 1, where nothing is skipped, it is {found} times: so much comes from the code."


def _at_longest(table: pd.DataFrame, open_ratio: float) -> str:
    """How many times as fast as the dense pass the sparse ones are at the longest T with this r_on."""
    rows = table[(table["length"] == table["length"].max()) & (table["open_ratio"] == open_ratio)]
    return listed([f"{ratio:.1f} ({SPARSE[name]})" for name, ratio in zip(rows["contender"], rows["ratio"])], "")


def characters_per_second(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`rnnreport.experiments.speed.sampled` for reading."""
    return table[["contender", "characters per second", "times torch.nn"]].set_index("contender")


def most_characters(table: pd.DataFrame) -> str:
    """Who samples the most characters per second."""
    best = table.sort_values("median").iloc[-1]
    return (
        f"The fastest is {MAIN.get(best['contender'], best['contender'])} with {best['median']:,.0f} characters per "
        f"second, {best['times torch.nn']} times as many as torch.nn."
    )


def _speed_lines(ax: Axes, table: pd.DataFrame, by: str, over: str, colours: Mapping[Any, str]) -> None:
    """Ratios with their quartiles over a logarithmic x axis, a line for each of ``by``."""
    for name, rows in table.groupby(by, sort=False):
        rows = rows.sort_values(over)
        x, y, spread, colour = rows[over], rows["ratio"], _quartiles(rows), colours[name]
        ax.errorbar(x, y, yerr=spread, color=colour, marker="o", ms=4, capsize=3, label=str(name))
    ax.axhline(1, color=GUIDE, ls=":", lw=1)
    ax.set(xscale="log")
    ticks(ax.xaxis, sorted(table[over].unique()), "{:g}")


def _quartiles(rows: pd.DataFrame) -> list[pd.Series]:
    """The quartiles around a median, as errorbar wants them."""
    return [rows["ratio"] - rows["low"], rows["high"] - rows["ratio"]]
