"""Chapter 1c's figures: what is left of a gradient, and what keeps it, before and after training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from rnnreport.figures import GUIDE, LSTM, RNN, falling, in_style, legend_below, new


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
