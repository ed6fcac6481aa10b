"""Chapter 1's figures: what is left of a gradient after some steps."""

from __future__ import annotations

import itertools

import pandas as pd
from matplotlib.axes import Axes

from rnnreport.figures import SEQUENCE, end_label, in_style, new


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
