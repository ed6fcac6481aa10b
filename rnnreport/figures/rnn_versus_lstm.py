"""Chapter 2's figures of the report's comparison; :mod:`rnnreport.figures.memory` has those of what is beyond it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnreport.figures import GUIDE, LSTM, RNN, SEQUENCE, chart, curves, new, panels
from rnnreport.words import NAMES, at_end, called, each, grouped, listed, percent, share, spread

LOW = 6.4, 2.5  # inches of a figure of curves


@chart("Bands: 95% intervals of the mean; dotted: chance")
def figure_1a(table: pd.DataFrame) -> Figure:
    """The RNN at one length: accuracy on fresh palindromes and on the training batches, over the steps."""
    figure, ax = new(figsize=LOW)
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
    figure, ax = new(figsize=LOW)
    curves(table, "length", names={length: f"T = {length}" for length in table["length"].unique()}, ax=ax)
    ax.set(ylabel="accuracy on\nfresh palindromes")
    return figure


def reached_by_length(table: pd.DataFrame) -> str:
    """The network's mean accuracy at every T after the last step."""
    means = at_end(table).groupby("length", sort=False)["test_accuracy"].mean()
    found = listed([f"{share(mean)} at T = {length}" for length, mean in means.items()])
    return f"After {table['step'].max():,} steps the {NAMES[table['model'].iloc[0]]}'s accuracy is {found}."


def answer_1_3(table: pd.DataFrame) -> str:
    """The answer to question 1.3: the accuracy at the shortest T beside that at the longest, and how seeds differ."""
    accuracies = [*at_end(table).groupby("length")["test_accuracy"]]  # by length, the shortest first
    (least, first), (most, last) = accuracies[0], accuracies[-1]
    found = f"After {table['step'].max():,} training steps the RNN answers {percent(first.mean())} of palindromes"
    found += f" of {least} digits correctly"
    if least == most:
        return f"{found}."
    if last.max() - last.min() > 0.5:
        ends = f"{percent(last.min())} and {percent(last.max())}"
        return f"{found}, and of {most} between {ends}, depending on the seed ({percent(last.mean())} on average)."
    return f"{found}, {'but only' if last.mean() < first.mean() - 0.1 else 'and'} {percent(last.mean())} of {most}."


def beside_intervals(table: pd.DataFrame) -> str:
    """The same with intervals, as details."""
    return f"Mean and 95% interval: {each(at_end(table), 'length')}."


def two_rates(early: pd.DataFrame, grown: pd.DataFrame) -> str:
    """Why figures 1b and 2a differ: the longest T at either learning rate, after as many steps.

    early, grown: the RNN's rows of figures 1b and 2a.
    """
    length, step = early["length"].max(), early["step"].max()
    at = [at_end(rows[rows["step"] <= step], length=length) for rows in (early, grown)]
    first, second = (f"{rows['learning_rate'].iloc[0]:g}" for rows in at)
    if first == second:
        return f"At T = {length} figures 1b and 2a have the same learning rate, {first}."
    first_found, second_found = (spread(rows["test_accuracy"]) for rows in at)
    return (
        f"Figures 1b and 2a differ in the learning rate: at T = {length}, after {step:,} steps, the RNN's accuracy is "
        f"{first_found} at a rate of {first} (figure 1b) and {second_found} at {second} (figure 2a)."
    )


def ahead_by_rate(table: pd.DataFrame) -> str:
    """The networks' mean accuracies beyond T = 15 at every learning rate that both were given, if none always leads."""
    means = at_end(table[table["length"] > 15]).pivot_table("test_accuracy", "learning_rate", "model")
    means = means.reindex(columns=["rnn", "lstm"]).dropna()
    if means.idxmax(axis=1).nunique() < 2:
        return ""
    found = [f"RNN {share(rnn)} and LSTM {share(lstm)} at {rate:g}" for rate, rnn, lstm in means.itertuples()]
    return f"Which network is ahead beyond T = 15 depends on the learning rate. Mean accuracies: {'; '.join(found)}."


@chart("One line per optimizer, at the best of its learning rates; bands: 95% intervals of the mean; dotted: chance")
def optimizer_curves(table: pd.DataFrame) -> Figure:
    """Accuracy over the steps, each optimizer at its best learning rate (the highest mean over the training)."""
    means = table.groupby(["optimizer", "learning_rate"])["test_accuracy"].mean()
    best = dict(means.groupby("optimizer").idxmax())
    rows = table[[best[row.optimizer][1] == row.learning_rate for row in table.itertuples()]]
    figure, ax = new(figsize=LOW)
    curves(
        rows,
        "optimizer",
        names={name: f"{called('optimizer', name)}, {rate:g}" for name, (_, rate) in best.items()},
        ax=ax,
    )
    ax.set(ylabel="accuracy on\nfresh palindromes")
    return figure


def soonest(table: pd.DataFrame) -> str:
    """Which optimizer learns soonest: the mean accuracy over the whole training at the best rate."""
    first, *others = [f"{called('optimizer', name)} ({share(mean)})" for name, mean in _over_training(table).items()]
    after = f", before {listed(others)}" if others else ""
    return f"By its mean accuracy over the training {first} learns T = {table['length'].iloc[0]} soonest{after}."


def _over_training(table: pd.DataFrame) -> pd.Series[float]:
    """Each optimizer's mean accuracy over the whole training at its best rate, the largest first."""
    means = table.groupby(["optimizer", "learning_rate"])["test_accuracy"].mean()
    return means.groupby("optimizer").max().sort_values(ascending=False)


def answer_1_4(table: pd.DataFrame) -> str:
    """The answer to question 1.4: which optimizer is soonest, and how plain SGD does beside it."""
    means = _over_training(table)
    first = f"{called('optimizer', means.index[0])} learns palindromes soonest: over the training it answers "
    first += f"{percent(means.iloc[0])} correctly on average"
    if "sgd" not in means.index[1:]:
        return f"{first}."
    return f"{first}, plain SGD {percent(means['sgd'])}."


@chart("Thin lines: equal loss; cross: the minimum; each at the best learning rate at which the loss never rises")
def quadratic(paths: pd.DataFrame, curvature: float = 100.0) -> Figure:
    """The optimizers' ways down an ill-conditioned bowl, a panel each."""
    figure, axes = panels(grouped(paths, "optimizer"), 1.4, 2.1, 0.5, ylabel="y, steep")
    (left, right), (low, high) = ((paths[axis].min() - 0.5, paths[axis].max() + 0.5) for axis in ("x", "y"))
    x, y = np.meshgrid(np.linspace(left, right, 120), np.linspace(low, high, 120))
    for (ax, name, rows), colour in zip(axes, SEQUENCE):
        ax.contour(x, y, (x**2 + curvature * y**2) / 2, levels=np.logspace(-1, 1.8, 8), colors=GUIDE, linewidths=0.4)
        ax.plot(rows["x"], rows["y"], color=colour, marker="o", ms=2, lw=1.2)
        ax.plot(0, 0, marker="+", color="black")
        ax.set(xlim=(left, right), ylim=(low, high), xlabel="x, flat")
        ax.set_title(f"{called('optimizer', name)}\nloss {_left(rows['loss'].iloc[-1])}", fontsize=10, color=colour)
    return figure


def downhill(paths: pd.DataFrame) -> str:
    """What is left of the loss."""
    ends = paths[paths["step"] == paths["step"].max()].sort_values("loss")
    left = listed([f"{_left(row.loss)} ({called('optimizer', row.optimizer)})" for row in ends.itertuples()])
    return f"In {paths['step'].max()} steps the loss goes from {paths['loss'].iloc[0]:.0f} to {left}."


def _left(loss: float) -> str:
    return f"{loss:.1g}" if loss >= 0.001 else "below 0.001"


def rates_downhill(paths: pd.DataFrame) -> str:
    """The learning rates of the ways down."""
    rates = paths.drop_duplicates("optimizer")
    found = [f"{called('optimizer', row.optimizer)} {row.learning_rate:.2g}" for row in rates.itertuples()]
    return f"Learning rates: {', '.join(found)}."


@chart("All steps and units, a panel per gate")
def gates(values: pd.DataFrame) -> Figure:
    """How often a trained LSTM's gates take which value, a panel a gate."""
    titles = {"i": "input gate i", "f": "forget gate f", "o": "output gate o", "g": "modulation g"}
    figure, axes = new(4, sharey=True, figsize=(7.4, 2.2))
    for ax, (gate, title) in zip(axes, titles.items()):
        part = values.loc[values["gate"] == gate, "value"]
        low = -1 if gate == "g" else 0
        ax.hist(part, bins=40, range=(low, 1), weights=np.full(len(part), 1 / len(part)), color=LSTM)
        ax.set(xlim=(low, 1), xlabel="value", title=title)
    axes[0].set(ylabel="share of values")
    return figure


def medians(values: pd.DataFrame) -> str:
    """Where the gates of a trained LSTM stand."""
    middle = values.groupby("gate", sort=False)["value"].median()
    found = listed([f"{value:.2f} for {gate}" for gate, value in middle.items()])
    return f"In an LSTM trained at T = {values['step'].max() + 1} (figure 2b), medians are {found}."


def answer_1_5(values: pd.DataFrame) -> str:
    """The answer to question 1.5: what gates do, and how much a trained LSTM's forget gates keep."""
    if values.empty:
        return "There is no LSTM in this run."
    half, tenth = values.loc[values["gate"] == "f", "value"].quantile([0.5, 0.9])
    return (
        "They decide how much of the cell is written, kept and shown at each step: in an LSTM trained at "
        f"T = {values['step'].max() + 1}, half of the forget gates keep at least {percent(half)}, a tenth "
        f"{percent(tenth)}."
    )


def before_training(left: pd.DataFrame) -> pd.DataFrame:
    """The table of what is left of a change, in words. left: of experiments' ``gradients_left``."""
    return left.map("{:.2g}".format)


def left_before_training(left: pd.DataFrame) -> str:
    """What each network's untrained weights leave at the longest T."""
    longest = left.index.get_level_values("T").max()
    kept = left.iloc[:, 0].xs(longest, level="T")
    found = [
        f"{value:.2g} {'of a change after the first digit ' * (place == 0)}in the {name}"
        for place, (name, value) in enumerate(kept.items())
    ]
    return f"Untrained, at T = {longest}, the last h keeps {listed(found)}."
