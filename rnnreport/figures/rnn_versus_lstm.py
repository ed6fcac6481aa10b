"""Chapter 2's figures of the report's comparison; :mod:`rnnreport.figures.memory` has those of what is beyond it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnreport.figures import COLOURS, GUIDE, LSTM, NAMES, RNN, SEQUENCE, curves, end_labels, error_bars, in_style, new
from rnnreport.intervals import over_seeds


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
