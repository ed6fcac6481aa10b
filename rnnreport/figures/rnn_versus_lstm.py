"""Chapter 2's figures of the report's comparison; :mod:`rnnreport.figures.memory` has those of what is beyond it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnreport.figures import GUIDE, LSTM, RNN, SEQUENCE, chart, curves, new, panels
from rnnreport.words import at_end, called, each, grouped, spread


@chart("Bands: 95% intervals of the mean; dotted: chance")
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


def reached(table: pd.DataFrame) -> str:
    """What figure 1a finds."""
    last = at_end(table)
    accuracy, steps = spread(last["test_accuracy"]), last["step"].iloc[0]
    return f"At T = {last['length'].iloc[0]} the RNN has an accuracy of {accuracy} after {steps:,} steps."


@chart("One line per T; bands: 95% intervals of the mean; dotted: chance")
def by_length(table: pd.DataFrame) -> Figure:
    """Accuracy on fresh palindromes over the steps, a line for each T."""
    figure, ax = new()
    curves(table, "length", names={length: f"T = {length}" for length in table["length"].unique()}, ax=ax)
    ax.set(ylabel="accuracy on fresh palindromes")
    return figure


def reached_by_length(table: pd.DataFrame) -> str:
    """The accuracy at every T after the last step."""
    return f"After {table['step'].max():,} steps: {each(at_end(table), 'length')}."


@chart("One line per optimizer, at the best of its learning rates; bands: 95% intervals of the mean; dotted: chance")
def optimizer_curves(table: pd.DataFrame) -> Figure:
    """Accuracy over the steps, each optimizer at its best learning rate (the highest mean over the training)."""
    means = table.groupby(["optimizer", "learning_rate"])["test_accuracy"].mean()
    best = dict(means.groupby("optimizer").idxmax())
    rows = table[[best[row.optimizer][1] == row.learning_rate for row in table.itertuples()]]
    figure, ax = new()
    curves(rows, "optimizer", names={name: f"{name}, {rate:g}" for name, (_, rate) in best.items()}, ax=ax)
    ax.set(ylabel="accuracy on fresh palindromes")
    return figure


def soonest(table: pd.DataFrame) -> str:
    """Which optimizer learns soonest: the mean accuracy over the whole training at the best rate."""
    means = table.groupby(["optimizer", "learning_rate"])["test_accuracy"].mean().groupby("optimizer").max()
    found = [f"{called('optimizer', name)} {mean:.2f}" for name, mean in means.sort_values(ascending=False).items()]
    return f"Mean accuracy over the training at T = {table['length'].iloc[0]}, the soonest first: {', '.join(found)}."


@chart("Thin lines: equal loss; cross: the minimum; each at the best of the learning rates that never climb")
def quadratic(paths: pd.DataFrame, curvature: float = 30.0) -> Figure:
    """The optimizers' ways down an ill-conditioned bowl, a panel each."""
    figure, axes = panels(grouped(paths, "optimizer"), 1.9, 2.4, 0.4, ylabel="y")
    (left, right), (low, high) = ((paths[axis].min() - 0.5, paths[axis].max() + 0.5) for axis in ("x", "y"))
    x, y = np.meshgrid(np.linspace(left, right, 120), np.linspace(low, high, 120))
    for (ax, name, rows), colour in zip(axes, SEQUENCE):
        ax.contour(x, y, (x**2 + curvature * y**2) / 2, levels=np.logspace(-1, 1.8, 8), colors=GUIDE, linewidths=0.4)
        ax.plot(rows["x"], rows["y"], color=colour, marker="o", ms=2, lw=1.2)
        ax.plot(0, 0, marker="+", color="black")
        ax.set(xlim=(left, right), ylim=(low, high), xlabel="x")
        ax.set_title(f"{name}\nloss {rows['loss'].iloc[-1]:.1g}", fontsize=9, color=colour)
    return figure


def downhill(paths: pd.DataFrame) -> str:
    """What is left of the loss."""
    ends = paths[paths["step"] == paths["step"].max()].sort_values("loss")
    left = [f"{called('optimizer', row.optimizer)} {row.loss:.1g}" for row in ends.itertuples()]
    return f"Loss after {paths['step'].max()} steps from {paths['loss'].iloc[0]:.0f}: {', '.join(left)}."


def rates_downhill(paths: pd.DataFrame) -> str:
    """The learning rates of the ways down."""
    rates = paths.drop_duplicates("optimizer")
    found = [f"{called('optimizer', row.optimizer)} {row.learning_rate:.2g}" for row in rates.itertuples()]
    return f"Learning rates: {', '.join(found)}."


@chart("All steps and units, a panel per gate")
def gates(values: pd.DataFrame) -> Figure:
    """How often a trained LSTM's gates take which value, a panel a gate."""
    titles = {"i": "input gate i", "f": "forget gate f", "o": "output gate o", "g": "modulation g"}
    figure, axes = new(4, sharey=True, figsize=(7.4, 2.4))
    for ax, (gate, title) in zip(axes, titles.items()):
        part = values.loc[values["gate"] == gate, "value"]
        low = -1 if gate == "g" else 0
        ax.hist(part, bins=40, range=(low, 1), weights=np.full(len(part), 1 / len(part)), color=LSTM)
        ax.set(xlim=(low, 1), xlabel="value", title=title)
    axes[0].set(ylabel="share of values")
    return figure


def medians(values: pd.DataFrame) -> str:
    """Where the gates of a trained LSTM stand."""
    if values.empty:
        return "There is no LSTM in this run."
    middle = values.groupby("gate", sort=False)["value"].median()
    return (
        f"The median of a trained LSTM's gates: {', '.join(f'{gate} {value:.2f}' for gate, value in middle.items())}."
    )
