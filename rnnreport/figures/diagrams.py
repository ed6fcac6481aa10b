"""Diagrams: what depends on what, and which way states and gradients go. Nothing in them is measured.

Every diagram is 10 units wide, and its text large enough for a page of 360 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Arc, BoxStyle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from rnnreport.figures import GATED, GUIDE, LSTM, RNN, SEQUENCE, chart

UNIT = 0.45  # inches
FOLLOWED = SEQUENCE[3]  # the way that the reader is to follow; it is dashed or thick as well
DASHED = (0, (3, 1.2))


def canvas(height: float) -> tuple[Figure, Axes]:
    """A figure of 10 by ``height`` units, (0, 0) at its bottom left."""
    figure = Figure(figsize=(10 * UNIT, height * UNIT))
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 10), ylim=(0, height))
    ax.axis("off")
    return figure, ax


def label(ax: Axes, x: float, y: float, text: str, ha: str = "center") -> None:
    """Write around (x, y). Symbols are set as in the equations of the page, whose letters are smaller at one size."""
    size = 14 if "$" in text else 12
    ax.text(x, y, text, ha=ha, va="center", fontsize=size, linespacing=1.3, math_fontfamily="cm")


def box(
    ax: Axes, x: float, y: float, text: str, colour: str = GUIDE, width: float = 1.9, height: float = 1.1, **style: Any
) -> None:
    """What is computed or given, in a rectangle with its middle at (x, y)."""
    style = {"boxstyle": BoxStyle("square", pad=0), "fc": to_rgba(colour, 0.08), "ec": colour, "lw": 1.4, **style}
    ax.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, **style))
    label(ax, x, y, text)


def operation(ax: Axes, x: float, y: float, sign: str, colour: str = GUIDE) -> None:
    """An operation, in a circle of radius 0.4."""
    box(ax, x, y, sign, colour, 0.8, 0.8, boxstyle=BoxStyle("circle", pad=0))


def arrow(
    ax: Axes, *points: tuple[float, float], colour: str = GUIDE, lw: float = 1.4, ls: Any = "-", head: bool = True
) -> None:
    """A line through the points, with a head at the last."""
    style: Any = {"arrowstyle": "-|>" if head else "-", "mutation_scale": 7 + 3 * lw, "joinstyle": "miter"}
    ax.add_patch(FancyArrowPatch(path=Path(points), color=colour, fill=head, lw=lw, ls=ls, **style))


@chart("Arcs join digits that are equal; thick: what the network must carry from the first to the last")
def palindrome(digits: Sequence[int]) -> Figure:
    """Diagram: a row of digits, the last one hidden; arcs join first and last, and so on inwards; a network reads them.

    digits: a palindrome of 5 to 9 digits.
    """
    figure, ax = canvas(7.1)
    T = len(digits)
    at = [10 * (t + 0.5) / T for t in range(T)]
    for t, digit in enumerate(digits[:-1]):
        colour, lw = (GUIDE, 1.2) if t else (FOLLOWED, 2.6)
        if t < T // 2:
            across = at[-1 - t] - at[t]
            ax.add_patch(Arc((5, 4.75), across, across / 2, theta2=180, ec=colour, lw=lw))
        box(ax, at[t], 4.3, f"{digit}", colour, 7.6 / T, 0.9)
        arrow(ax, (at[t], 2.9), (at[t], 1.6), colour=colour, lw=lw)
    box(ax, at[-1], 4.3, "?", FOLLOWED, 7.6 / T, 0.9, ls="--")
    label(ax, at[0], 3.35, "$x(1)$")
    label(ax, at[-2] + 3.8 / T, 3.35, "$x(T-1)$", "right")
    label(ax, at[-1], 3.35, "$y$")
    box(ax, (at[0] + at[-2]) / 2, 1.0, "network, one digit per step", width=at[-2] - at[0] + 0.9)
    arrow(ax, (at[-2] + 0.45, 1.0), (at[-1], 1.0), (at[-1], 2.9), colour=FOLLOWED, lw=2.6)
    return figure


@chart("Solid: forward, with its weights; dashed: backward, with the gradient that arrives")
def unrolled(T: int) -> Figure:
    """Diagram: x(t) and h(t - 1) lead to h(t), the last h to p and L; from L back through every h(t), each to W_hh.

    T: steps, at least 2.
    """
    step = 2.6
    figure, ax = canvas(step * (T + 1) + 3.1)
    rows = [step * (T + 1 - t) + 2.4 for t in range(T + 2)]
    back: Any = {"colour": FOLLOWED, "ls": DASHED, "lw": 1.8}
    whole = "$W_{hh}$\n\n$\\mathrm{sum}$\n$\\mathrm{(F)}$"
    box(ax, 9.1, (rows[1] + rows[T]) / 2, whole, RNN, 1.6, rows[1] - rows[T] + 1.1)
    for t, y in enumerate(rows[:-1]):
        box(ax, 3.8, y, f"$h({t})$", RNN if t else GUIDE)
        if t:
            box(ax, 0.8, y, f"$x({t})$", width=1.4)
            arrow(ax, (1.5, y), (2.85, y))
            label(ax, 2.15, y + 0.5, "$W_{hx}$")
            arrow(ax, (4.75, y), (8.3, y), **back)
            label(ax, 6.5, y + 0.5, f"$\\delta({t})\\, h({t - 1})^{{\\top}}$")
    box(ax, 3.8, rows[-1], f"$p({T})$")
    for t, (above, below) in enumerate(pairwise(rows), 1):
        arrow(ax, (3.5, above - 0.55), (3.5, below + 0.55))
        label(ax, 2.85, (above + below) / 2, "$W_{hh}$" if t <= T else "$W_{ph}$")
        if t > 1:
            arrow(ax, (4.1, below + 0.55), (4.1, above - 0.55), **back)
            arriving = f"W_{{hh}}^{{\\top}} \\delta({t})" if t <= T else "W_{ph}^{\\top} (\\hat y - y)"
            label(ax, 4.4, (above + below) / 2, f"${arriving} \\quad \\mathrm{{(D)}}$", "left")
    box(ax, 9.1, rows[-1], "$L$", width=1.6)
    arrow(ax, (4.75, rows[-1] + 0.25), (8.3, rows[-1] + 0.25))
    arrow(ax, (8.3, rows[-1] - 0.25), (4.75, rows[-1] - 0.25), **back)
    label(ax, 6.5, rows[-1] - 0.8, "$\\hat y - y \\quad \\mathrm{(A)}$")
    label(ax, 5, 0.6, "$\\delta(t) = (1 - h(t)^2) \\odot \\partial L / \\partial h(t) \\quad \\mathrm{(E)}$")
    return figure


@chart("Circles: element by element; in brackets: equations; q: f, i, g or o; thick: the cell state")
def lstm_cell(t: str) -> Figure:
    """Diagram: x(t) and h(t - 1) feed f, i, g and o; c(t) is f times c(t - 1) plus i times g; h(t) o times tanh c(t).

    t: what the step is called.
    """
    figure, ax = canvas(10.4)
    cell, hidden, gates, rail = 9.7, 6.7, 3.9, 2.2  # heights
    f, i, g, o, add = 2.9, 4.45, 5.95, 7.5, 5.2  # places on them
    arrow(ax, (1.95, rail), (o, rail), head=False)
    arrow(ax, (1.95, 0.7), (2.25, 0.7), (2.25, rail), head=False)
    for x, name, made, side in ((f, "f", "\\sigma$\n$(6)", -0.5), (i, "i", "\\sigma$\n$(5)", -0.5),
                                (g, "g", "\\tanh$\n$(4)", 0.5), (o, "o", "\\sigma$\n$(7)", 0.5)):  # fmt: skip
        arrow(ax, (x, rail), (x, gates - 0.8))
        box(ax, x, gates, f"${made}$", LSTM, 1.35, 1.6)
        label(ax, x + side, gates + 1.4, f"${name}({t})$")
    box(ax, 1.0, rail, f"$h({t}-1)$")
    box(ax, 1.0, 0.7, f"$x({t})$")
    label(ax, 6.1, 1.2, f"$W_{{qx}}\\, x({t}) + W_{{qh}}\\, h({t}-1) + b_q$")
    box(ax, 1.0, cell, f"$c({t}-1)$", LSTM)
    for y, state, equation, colour in ((cell, "c", 8, LSTM), (hidden, "h", 9, GUIDE)):
        box(ax, 9.2, y, f"${state}({t})$", colour, 1.5)
        label(ax, 9.2, y - 0.9, f"$({equation})$")
    box(ax, o, 8.2, "$\\tanh$", width=1.35, height=0.9)
    for x, y, sign in ((f, cell, "\\odot"), (add, cell, "+"), (add, hidden, "\\odot"), (o, hidden, "\\odot")):
        operation(ax, x, y, f"${sign}$", LSTM if y == cell else GUIDE)
    for start, end in ((1.95, f - 0.4), (f + 0.4, add - 0.4), (add + 0.4, 8.45)):
        arrow(ax, (start, cell), (end, cell), colour=LSTM, lw=2.8)
    for points in (
        ((f, gates + 0.8), (f, cell - 0.4)), ((i, gates + 0.8), (i, hidden), (add - 0.4, hidden)),
        ((g, gates + 0.8), (g, hidden), (add + 0.4, hidden)), ((add, hidden + 0.4), (add, cell - 0.4)),
        ((o, cell), (o, 8.65)), ((o, 7.75), (o, hidden + 0.4)), ((o, gates + 0.8), (o, hidden - 0.4)),
        ((o + 0.4, hidden), (8.45, hidden)),
    ):  # fmt: skip
        arrow(ax, *points)
    return figure


@chart("Columns: steps; level arrows: h and c of each layer; dashed: only when sampling")
def characters(text: str) -> Figure:
    """Diagram: each character becomes one-hot, passes two LSTM layers to logits and the next one, which may be read.

    text: 4 characters.
    """
    figure, ax = canvas(10.4)
    rows = [0.9 + 1.72 * row for row in range(6)]
    for y, name in zip(rows, ("character", "one-hot", "layer 1", "layer 2", "logits", "next\ncharacter")):
        label(ax, 0.1, y, name, "left")
    for t in (1, 2, 3):
        x = 0.85 + 2.65 * t
        for y, held in zip(rows, (text[t - 1], "0…1…0", "LSTM", "LSTM", f"$p({t})$", text[t])):
            box(ax, x, y, held, LSTM if held == "LSTM" else GUIDE)
            if y > rows[0]:
                arrow(ax, (x, y - 1.17), (x, y - 0.55))
            if held == "LSTM" and t > 1:
                arrow(ax, (x - 1.7, y), (x - 0.95, y), colour=LSTM)
        if t > 1:
            fed_back = (x - 1.7, rows[-1]), (x - 1.33, rows[-1]), (x - 1.33, rows[0]), (x - 0.95, rows[0])
            arrow(ax, *fed_back, colour=FOLLOWED, ls=DASHED, lw=1.8)
    return figure


@chart("The two last arrows are as wide as their shares; the same for h, (15) and (16)")
def update(k: float) -> Figure:
    """Diagram: the LSTM step makes a candidate; the clock's k says how much of it goes into the new state.

    k: the openness at this step, in [0, 1].
    """
    figure, ax = canvas(11.3)
    old, gate, new = 1.6, 4.6, 7.7  # the two ways, and what opens and shuts them
    box(ax, old, 10.6, "$c(t-1)$")
    box(ax, new, 10.6, "$x(t),\\; h(t-1)$", width=3.4)
    box(ax, new, 8.2, "LSTM step\n(4)-(9)", LSTM, 3.4, 1.6)
    box(ax, gate, 7.0, "clock", GATED, height=0.9)
    box(ax, gate, 4.8, "gate\n(12)", GATED, 2.4, 1.6)
    box(ax, gate, 0.8, "$c(t) \\quad (14)$", GATED, 3.0)
    label(ax, new + 0.25, 6.3, "$\\tilde c(t) \\quad (13)$", "left")
    arrow(ax, (new, 10.05), (new, 9.0))
    arrow(ax, (old, 8.2), (new - 1.7, 8.2))
    arrow(ax, (gate, 6.55), (gate, 5.6), colour=GATED)
    for x, above, inwards, name, share, colour in (
        (old, 10.05, 1, "1-k", 1 - k, GUIDE), (new, 7.4, -1, "k", k, LSTM),
    ):  # fmt: skip
        arrow(ax, (x, above), (x, 5.2), colour=colour)
        arrow(ax, (gate - 1.2 * inwards, 4.8), (x + 0.4 * inwards, 4.8), colour=GATED, ls=DASHED)
        operation(ax, x, 4.8, "$\\odot$", GATED)
        arrow(ax, (x, 4.4), (x, 0.8), (gate - 1.5 * inwards, 0.8), colour=colour, lw=1 + 5 * share)
        label(ax, x + 0.3 * inwards, 2.6, f"${name} = {share:.2f}$", "left" if inwards > 0 else "right")
    return figure


def mixes(k: float) -> str:
    """What an openness does in one step."""
    return f"A gate of openness k = {k:.2f} mixes {k:.2f} of the candidate with {1 - k:.2f} of the old state."
