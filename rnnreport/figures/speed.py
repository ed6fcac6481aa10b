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
EXACT, ROUNDED = (
    ["torch.nn", "our torch code", "our C++", "naive code", "JAX"],
    ["torch.nn with bfloat16", "our C++ with bfloat16"],
)
MAIN = [*EXACT[1:], *ROUNDED]


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


def answers(
    characters: pd.DataFrame,
    palindromes: pd.DataFrame,
    gate: pd.DataFrame,
    sampled: pd.DataFrame,
    page: pd.DataFrame,
    aims: str,
) -> HTML:
    """The page's answers, without those that the record has no rows for; aims: how many are met."""
    found = [
        (asked, answer(rows), label, f"#{anchor(label)}")
        for asked, answer, rows, label in (
            ("What trains the character model fastest?", fastest, characters, "Figure 6.1"),
            ("Does the length of a sequence matter?", gain_by_length, palindromes, "Figure 6.2"),
            (
                "What does a closed gate save?",
                lambda rows: f"{gate_at_its_smallest(rows)} {unskipped(rows)}",
                gate,
                "Figure 6.3",
            ),
            ("What writes fastest?", most_characters, sampled, "Table 6.1"),
            ("And in the page?", page_against_torch, page, "Figure 6.4"),
        )
        if len(rows)
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


def fastest(table: pd.DataFrame) -> str:
    """Which contender does a full step fastest, in float32 and with rounded products."""
    ratio = _full_steps(table)
    found: list[str] = []
    for kind, names in (("In float32", EXACT), ("with rounded products", ROUNDED)):
        if there := [name for name in names if name in ratio]:
            best = max(there, key=ratio.__getitem__)
            ours = [name for name in names if name not in ratio and name.startswith("our ")]  # some processors lack it
            where = f", where {listed(ours)} did not run," * bool(ours)
            found.append(f"{kind}{where} {best} {'is fastest ' * (not found)}({ratio[best]:.2f})")
    return f"{'; '.join(found)}.".replace(")", " times torch.nn's speed)", 1)


def compared(table: pd.DataFrame) -> str:
    """How a full step of the main contenders compares with torch.nn's, and with the matrix products alone."""
    if table.empty:
        return ""
    ratio = _full_steps(table)
    told = f"In a full step {_compared({name: ratio[name] for name in MAIN if name in ratio}, 'torch.nn')}."
    if not (products := ratio.get("matrix products")):
        return told
    shares = [f"{ratio[name] / products:.0%} ({name})" for name in EXACT if name in ratio]
    return f"{told} The matrix products alone, by torch, would take {listed(shares)} of a step."


def _compared(ratio: Mapping[str, float], baseline: str) -> str:
    """Who is how many times as fast as the baseline, the fastest first, and who needs how many times as long."""
    names = sorted(ratio, key=ratio.__getitem__, reverse=True)
    faster = listed([f"{name} is {ratio[name]:.3g}" for name in names if ratio[name] >= 1], "")
    slower = listed([f"{name} needs {1 / ratio[name]:.3g}" for name in names if ratio[name] < 1], "")
    parts = (f"{times} times as {what} as {baseline}" for times, what in ((faster, "fast"), (slower, "long")) if times)
    return "; ".join(parts)


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


def gain_by_length(table: pd.DataFrame, name: str = "our C++") -> str:
    """Whether a contender gains on torch.nn as T grows, for each cell: whether the quartiles at both ends are apart."""
    rows = table[table["contender"] == name].sort_values("length")
    found = []
    for cell, part in grouped(rows, "cell"):
        low, high, ratio = (part[column].iloc for column in ("low", "high", "ratio"))
        course = "gains" if low[-1] > high[0] else "loses" if high[-1] < low[0] else "stays about as fast"
        found.append(f"{course} with the {called('cell', cell)} ({ratio[0]:.2f} to {ratio[-1]:.2f})")
    return f"As T grows, {name} {listed(found)}.".replace(")", " times torch.nn's speed)", 1)


def gains_by_length(table: pd.DataFrame) -> str:
    """The same of the other main contenders, as a list in Markdown."""
    names = [name for name in MAIN if name != "our C++" and name in set(table["contender"])]
    return "\n".join(f"- {gain_by_length(table, name).removeprefix('As T grows, ')}" for name in names)


@chart("Medians and quartiles; dotted: as fast as dense torch code")
def speed_of_gate(table: pd.DataFrame) -> Figure:
    """How many times as fast as the dense pass the sparse ones are over r_on: a panel for each, a line for each T."""
    lengths = sorted(table["length"].unique())
    figure, axes = panels(grouped(table, "contender"), 3.4, 3.4, ylabel="times as fast as dense torch code")
    for ax, _, rows in axes:
        _speed_lines(ax, rows, "length", "open_ratio", dict(zip(lengths, SEQUENCE)))
        ax.set(xlabel="open ratio $r_\\mathrm{on}$", yscale="log")
        log_ticks(ax.yaxis)
    legend_below(figure, len(lengths), title="length T")
    return figure


def gate_at_its_smallest(table: pd.DataFrame) -> str:
    """How many times as fast as the dense pass the sparse ones are at the longest T and the smallest r_on."""
    least, longest = table["open_ratio"].min(), table["length"].max()
    return f"At T = {longest:,}, r_on = {least:g}, {_at_longest(table, least)}."


def unskipped(table: pd.DataFrame) -> str:
    """The same at r_on = 1, where nothing can be skipped, if it was measured."""
    found = _at_longest(table, 1.0)
    return f"At $r_\\mathrm{{on}}$ = 1, where nothing can be skipped, {found}." if found else ""


def _at_longest(table: pd.DataFrame, open_ratio: float) -> str:
    """How the sparse passes compare with the dense one at the longest T with this r_on."""
    rows = table[(table["length"] == table["length"].max()) & (table["open_ratio"] == open_ratio)]
    return _compared(dict(zip(rows["contender"], rows["ratio"])), "dense torch code")


def characters_per_second(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`rnnreport.experiments.speed.sampled` for reading."""
    return table[["contender", "characters per second", "times torch.nn"]].set_index("contender")


def most_characters(table: pd.DataFrame) -> str:
    """Who samples the most characters per second."""
    best = table.sort_values("median").iloc[-1]
    return (
        f"The fastest is {best['contender']} with {best['median']:,.0f} characters per second, "
        f"{best['times torch.nn']} times as many as torch.nn."
    )


@chart("One line per number of units, medians and quartiles; dotted: as fast as torch.nn")
def speed_in_page(table: pd.DataFrame) -> Figure:
    """How many times as fast as torch.nn the page's networks are over T: a panel for each, a line for each size."""
    sizes = sorted(table["hidden_size"].unique())
    figure, axes = panels(grouped(table, "cell"), 2.5, 3.2, 0, NAMES.__getitem__, ylabel="times as fast as torch.nn")
    for ax, _, rows in axes:
        _speed_lines(ax, rows, "hidden_size", "length", dict(zip(sizes, SEQUENCE)))
        ax.set(xlabel="palindrome length T", yscale="log")
        log_ticks(ax.yaxis)
    legend_below(figure, len(sizes), title="units")
    return figure


def page_against_torch(table: pd.DataFrame) -> str:
    """Between which ratios to torch.nn the page's networks lie over T, for the fewest units."""
    least = table["hidden_size"].min()
    found = [
        f"the {called('cell', cell)} {rows['ratio'].min():.2g}–{rows['ratio'].max():.2g}"
        for cell, rows in grouped(table[table["hidden_size"] == least], "cell")
    ]
    ungated = " without gates" * ("temporal-gate" in set(table["cell"]))
    return f"With {least:g} units a page trains {listed(found)} times as fast as torch.nn{ungated}."


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
