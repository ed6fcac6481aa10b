"""Chapter 2's predicates. Tables of runs have the columns of runs.tabulate, and a row for every recorded step."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnreport.claims.evidence import at_chosen, at_last_step, by_length, choosing, paired
from rnnreport.claims.verdicts import CannotTellError, Measured, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.words import NAMES, counted, listed, percent

PALINDROMES = ["length", "learning_rate", "seed", "step", "test_accuracy"]
FIRST_RATE = 1e-3  # of figures 1a and 1b, the course's default
OPTIMIZERS = ["optimizer", "learning_rate", "seed", "step", "test_accuracy"]


@predicate("fig1a", ["length", "step", "seed", "test_accuracy"])
def fig1a(table: pd.DataFrame) -> Measured:
    """table: the RNN at T = 5."""
    near = table[(table["length"] == 5) & table["step"].between(300, 400)]
    if near.empty:
        raise CannotTellError("No run at T = 5 reached 300 to 400 steps.")
    step, last = at_last_step(near)
    return {f"accuracy at T = 5, step {step}": last["test_accuracy"].tolist()}, ""


@predicate("fig1b", ["length", "step", "seed", "test_accuracy"])
def fig1b(table: pd.DataFrame) -> Measured:
    """table: the RNN at several T, at one learning rate."""
    step, last = at_last_step(table, 800)
    parts = [last[which] for which in (last["length"] <= 10, last["length"] > 20)]
    if any(part.empty for part in parts):
        raise CannotTellError("It takes lengths up to 10 and beyond 20.")
    short, long = (part.groupby("seed")["test_accuracy"].mean() for part in parts)
    lengths = [listed([f"{length}" for length in sorted(part["length"].unique())]) for part in parts]
    return {f"the drop after {step:,} steps": paired(short, long)}, (
        f"Mean accuracy is {short.mean():.2f} at T = {lengths[0]}, and {long.mean():.2f} at T = {lengths[1]}."
    )


@predicate("sgd-schedule", ["length", "decay_every", "seed", "step", "test_accuracy"])
def sgd_schedule(table: pd.DataFrame) -> Measured:
    """table: SGD whose learning rate is halved every ``decay_every`` steps, at two lengths."""
    lengths = sorted(table["length"].unique())
    if len(lengths) != 2:
        raise CannotTellError("It takes SGD's schedules at two lengths.")
    best = at_chosen(table, ["length"], "decay_every").groupby("length")["decay_every"].first()
    if len(best) < 2:
        raise CannotTellError("The seeds that judge have no run at the chosen schedule.")
    means = table[~choosing(table)].pivot_table("test_accuracy", index=["length", "seed"], columns="decay_every")
    losses = {
        f"lost at T = {own} with the schedule that is best at T = {other}": paired(
            means.loc[own, best[own]], means.loc[own, best[other]]
        )
        for own, other in zip(lengths, reversed(lengths))
    }
    said = [f"every {every:,} steps at T = {length}" for length, every in best.items()]
    return losses, (
        f"Accuracies are means over the training. Chosen on other seeds, it is best to halve the rate {listed(said)}."
    )


@predicate("sgd-noise", ["learning_rate", "seed", "step", "cosine", "test_accuracy"])
def sgd_noise(table: pd.DataFrame) -> Measured:
    """table: the cosine between two batches' gradients, at steps of SGD's training, by learning rate."""
    chosen = at_chosen(table.assign(optimizer="sgd"), ["optimizer"])
    by_step = chosen.groupby("step")["cosine"].mean()
    return {"cosine": chosen.groupby("seed")["cosine"].mean().tolist()}, (
        f"It is {by_step.iloc[0]:.2f} at step {by_step.index[0]:,} and {by_step.iloc[-1]:.2f} at step "
        f"{by_step.index[-1]:,}."
    )


@predicate("lr-decay", [*OPTIMIZERS, "effective_rate?"])
def lr_decay(table: pd.DataFrame) -> Measured:
    """table: optimizers at several learning rates, with effective_rate over the training; each at its best rate.

    Compares the last step with the first from 300 on: by then RMSprop's running mean, which starts at zero, has filled
    to 95%.
    """
    filled = table.loc[table["step"] >= 300, "step"]
    first, last = filled.min(), filled.max()
    chosen, changes = at_chosen(table, ["optimizer"]), {}
    for name in ("rmsprop", "adam"):
        rates = chosen[chosen["optimizer"] == name].pivot_table("effective_rate", "seed", "step")
        if first < last and not rates.empty:
            rates = rates.reindex(columns=[first, last])
            changes[NAMES[name]] = paired(np.log10(rates[last]), np.log10(rates[first]))
    if len(changes) < 2:
        raise CannotTellError("It takes rmsprop and adam for more than 300 steps.")
    times = listed([f"{10 ** np.mean(change):.2g} with {name}" for name, change in changes.items()])
    return {f"log10 of the rate's growth with {name}": change for name, change in changes.items()}, (
        f"From step {first:,} to step {last:,} the median parameter's rate is multiplied by {times} (geometric means): "
        "it grows as gradients shrink and falls as they grow."
    )


@predicate("adam-osc", OPTIMIZERS)
def adam_osc(table: pd.DataFrame) -> Measured:
    """table: optimizers at several learning rates; each at its chosen one. Compares the accuracy over the whole run."""
    best = at_chosen(table, ["optimizer"]).groupby(["optimizer", "seed"])["test_accuracy"].mean()
    if not {"adam", "rmsprop", "sgd"} <= set(best.index.get_level_values("optimizer")):
        raise CannotTellError("It takes adam, rmsprop and sgd.")
    leads = {f"lead over {NAMES[other]}": paired(best["adam"], best[other]) for other in ("rmsprop", "sgd")}
    return leads, "Accuracies are means over the training, each optimizer at the rate that other seeds chose."


@predicate("gate-range", ["gate", "value"])
def gate_range(values: pd.DataFrame) -> Measured:
    """values: the values of a trained LSTM's gates (gate, value)."""
    g, gates = values.loc[values["gate"] == "g", "value"], values.loc[values["gate"] != "g", "value"]
    if g.empty or gates.empty:
        raise CannotTellError("It takes g and the gates.")
    outside = int((g.abs() > 1).sum() + (~gates.between(0, 1)).sum())
    extreme = ((gates < 0.05) | (gates > 0.95)).mean()
    return {"": [outside]}, (
        f"g in {g.min():.2f}…{g.max():.2f}, gates in {gates.min():.2f}…{gates.max():.2f}; outside -1…1 and 0…1: "
        f"{outside or 'none'} of {counted(len(values), 'value')}. Of the gates' values {percent(extreme)} come within "
        "0.05 of 0 or 1; the rest lie in between."
    )


@predicate("param-count", ["d", "n", "counted in the model", "(9d² + 4d)n, the report's"])
def param_count(counts: pd.DataFrame) -> Measured:
    """counts: of :func:`rnnreport.experiments.rnn_versus_lstm.parameter_counts`."""
    agree = counts[counts["counted in the model"] == counts["(9d² + 4d)n, the report's"]]
    sizes = "; ".join(f"d = {d}, n = {n}" for d, n in zip(agree["d"], agree["n"]))
    return {"": [len(counts) - len(agree)]}, (
        f"The report's formula gives the model's number at {len(agree) or 'none'} of {counted(len(counts), 'size')}"
        f"{f' ({sizes})' if sizes else ''}; they can agree only where n = 9d²/4 − 1."
    )


@predicate("fig2a", PALINDROMES)
def fig2a(table: pd.DataFrame) -> Measured:
    """table: the RNN at several T and learning rates; uses T above 15, each at its best rate."""
    _, last = at_last_step(table[table["length"] > 15], 1_000)
    last = at_chosen(last, ["length"])
    return by_length(last["test_accuracy"] < 0.5, last, "below 0.5 at T = {}"), _accuracies(last, "the chosen rates")


@predicate("fig2-lr", PALINDROMES)
def fig2_lr(table: pd.DataFrame) -> Measured:
    """table: the RNN at several T and learning rates; uses T above 15, and rates above that of figures 1a and 1b."""
    _, last = at_last_step(table[table["length"] > 15], 1_000)
    larger = last[last["learning_rate"] > FIRST_RATE]
    if larger.empty:
        raise CannotTellError(f"It takes a learning rate above {FIRST_RATE:g}.")
    cases: dict[str, list[float]] = {}
    for rate, rows in larger.groupby("learning_rate"):
        cases |= by_length(rows["test_accuracy"] < 0.5, rows, f"below 0.5 at T = {{}} and rate {rate:g}")
    baseline = last[last["learning_rate"] == FIRST_RATE]
    return cases, "" if baseline.empty else _accuracies(baseline, f"the rate of {FIRST_RATE:g}")


@predicate("fig2b", PALINDROMES)
def fig2b(table: pd.DataFrame) -> Measured:
    """table: the LSTM at several T and learning rates."""
    _, last = at_last_step(table, 1_000)
    last = at_chosen(last, ["length"])
    return by_length(last["test_accuracy"] > 0.5, last, "above 0.5 at T = {}"), _accuracies(last, "the chosen rates")


@predicate("lstm-better", [*PALINDROMES, "model"], ["model", "length", "seed", "step", "test_accuracy"])
def lstm_better(table: pd.DataFrame, better: pd.DataFrame) -> Measured:
    """table: both models at several T and learning rates; each at its chosen rate. better: both from a better start."""
    long = table[(table["length"] > 15) & table["model"].isin(["rnn", "lstm"])]
    long = long.groupby(["length", "learning_rate"]).filter(lambda tried: tried["model"].nunique() == 2)
    if long.empty:
        raise CannotTellError("It takes both models at lengths beyond 15.")
    parts = {"from the report's start": at_chosen(at_last_step(long, 1_000)[1], ["model", "length"])}
    parts[f"from a better start at T = {better['length'].max()}"] = at_last_step(better)[1]
    means = {name: rows.groupby(["model", "seed"])["test_accuracy"].mean() for name, rows in parts.items()}
    if any({"rnn", "lstm"} - set(found.index.get_level_values("model")) for found in means.values()):
        raise CannotTellError("It takes both models from both starts.")
    said = [
        f"LSTM {found['lstm'].mean():.2f}, RNN {found['rnn'].mean():.2f} {name}, step {parts[name]['step'].iloc[0]:,}"
        for name, found in means.items()
    ]
    leads = {f"the LSTM's lead {name}": paired(found["lstm"], found["rnn"]) for name, found in means.items()}
    return leads, f"Mean accuracy: {'; '.join(said)}."


def _accuracies(last: pd.DataFrame, rates: str) -> str:
    """The mean accuracies by length, in a sentence that says at which learning rates."""
    means = last.groupby("length")["test_accuracy"].mean()
    said = listed([f"{value:.2f} at T = {length}" for length, value in means.items()])
    return f"Mean accuracy at {rates} after {last['step'].iloc[0]:,} steps: {said}."
