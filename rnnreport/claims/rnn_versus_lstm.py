"""Chapter 2's predicates. Tables of runs have the columns of runs.tabulate, and a row for every recorded step."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnreport.claims.evidence import at_last_step, every, mean, paired, share, with_interval
from rnnreport.claims.verdicts import CannotTellError, Finding, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.intervals import digits_beside, exceeds, interval
from rnnreport.words import NAMES, counted, percent

PALINDROMES = ["length", "learning_rate", "seed", "step", "test_accuracy"]


@predicate("fig1a", ["length", "step", "seed", "test_accuracy"])
def fig1a(table: pd.DataFrame) -> Finding:
    """table: the RNN at T = 5."""
    near = table[(table["length"] == 5) & table["step"].between(300, 400)]
    if near.empty:
        raise CannotTellError("No run at T = 5 reached 300 to 400 steps.")
    step, last = at_last_step(near)
    accuracies = last["test_accuracy"].tolist()
    evidence = f"At T = 5, step {step}: accuracy {share(accuracies, 0.95)} on fresh palindromes; threshold 0.95."
    return exceeds(accuracies, 0.95), evidence


@predicate("fig1b", ["length", "step", "seed", "test_accuracy"])
def fig1b(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T, at one learning rate."""
    step, last = at_last_step(table, 800)
    short, long = (
        last[which].groupby("seed")["test_accuracy"].mean() for which in (last["length"] <= 10, last["length"] > 20)
    )
    if short.empty or long.empty:
        raise CannotTellError("It takes lengths up to 10 and beyond 20.")
    drops = paired(short, long)
    return exceeds(drops, 0.2), (
        f"After {step:,} steps: accuracy {share(short)} up to T = 10 and {share(long)} beyond T = 20, a drop of "
        f"{mean(drops, 0.2)}; threshold 0.2."
    )


@predicate("lr-decay", ["optimizer", "learning_rate", "seed", "step", "test_accuracy", "effective_rate?"])
def lr_decay(table: pd.DataFrame) -> Finding:
    """table: optimizers at several learning rates, with effective_rate over the training; each at its best rate.

    Compares the last step with the first from 300 on: by then RMSprop's running mean, which starts at zero, has filled
    to 95%.
    """
    changes, words = {}, []
    filled = table.loc[table["step"] >= 300, "step"]
    first, last = filled.min(), filled.max()
    for name, (rate, _) in _best_optimizer_rates(table).items():
        rows = table[(table["optimizer"] == name) & (table["learning_rate"] == rate)]
        if name in ("rmsprop", "adam") and first < last:
            rates = np.log10(rows.pivot_table("effective_rate", "seed", "step").reindex(columns=[first, last]))
            changes[name] = change = paired(rates[last], rates[first])
            ends = [10**value for value in interval(change)]
            digits = digits_beside(ends[1:], 1.0, form="g")
            words += [with_interval([f"{value:.{digits}g}" for value in ends], len(change)) + f" with {NAMES[name]}"]
    if len(changes) < 2:
        raise CannotTellError("It takes rmsprop and adam for more than 300 steps.")
    return every(_not(exceeds(change, 0.0)) for change in changes.values()), (
        f"From step {first:,}, by when RMSprop's running mean has filled to 95%, to step {last:,}, the last recorded, "
        "the median parameter's learning rate over the root of the mean squared gradient is multiplied by "
        f"{' and by '.join(words)} (geometric means over the seeds); below 1 it falls. It grows as gradients shrink "
        "and falls as they grow."
    )


@predicate("adam-osc", ["optimizer", "learning_rate", "seed", "test_accuracy"])
def adam_osc(table: pd.DataFrame) -> Finding:
    """table: optimizers at several learning rates; each at its best. Compares the accuracy over the whole run."""
    best = {name: means for name, (_, means) in _best_optimizer_rates(table).items()}
    if not {"adam", "rmsprop", "sgd"} <= set(best):
        raise CannotTellError("It takes adam, rmsprop and sgd.")
    over_sgd, over_rmsprop = (paired(best["adam"], best[other]) for other in ("sgd", "rmsprop"))
    return exceeds(over_rmsprop, 0.0), (
        "Mean accuracy over training, each optimizer at its best rate: Adam's lead over SGD is "
        f"{mean(over_sgd, 0.0)}, over RMSprop, which has no momentum, {mean(over_rmsprop, 0.0)}."
    )


@predicate("gate-range", ["gate", "value"])
def gate_range(values: pd.DataFrame) -> Finding:
    """values: the values of a trained LSTM's gates (gate, value)."""
    g, gates = values.loc[values["gate"] == "g", "value"], values.loc[values["gate"] != "g", "value"]
    if g.empty or gates.empty:
        raise CannotTellError("It takes g and the gates.")
    outside = int((g.abs() > 1).sum() + (~gates.between(0, 1)).sum())
    extreme = ((gates < 0.05) | (gates > 0.95)).mean()
    return outside == 0, (
        f"g in {g.min():.2f}…{g.max():.2f}, gates in {gates.min():.2f}…{gates.max():.2f}; outside -1…1 and 0…1: "
        f"{outside or 'none'} of {counted(len(values), 'value')}. Of the gates' values {percent(extreme)} come within "
        "0.05 of 0 or 1; the rest lie in between."
    )


@predicate("param-count", ["d", "n", "counted in the model", "(9d² + 4d)n, the report's"])
def param_count(counts: pd.DataFrame) -> Finding:
    """counts: of :func:`rnnreport.experiments.rnn_versus_lstm.parameter_counts`."""
    agree = counts[counts["counted in the model"] == counts["(9d² + 4d)n, the report's"]]
    sizes = "; ".join(f"d = {d}, n = {n}" for d, n in zip(agree["d"], agree["n"]))
    return len(agree) == len(counts), (
        f"The report's formula gives the model's number at {len(agree) or 'none'} of {counted(len(counts), 'size')}"
        f"{f' ({sizes})' if sizes else ''}; it can only where n = 9d²/4 − 1."
    )


@predicate("fig2a", PALINDROMES)
def fig2a(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T and learning rates; uses T above 15, each at its best rate."""
    step, last = at_last_step(table[table["length"] > 15], 1_000)
    last = _best_rate(last)
    return every(map(_not, _exceed_half(last))), (
        f"The RNN at its best learning rate, after {step:,} steps: {_each_length(last)}; threshold 0.5."
    )


@predicate("fig2-lr", PALINDROMES)
def fig2_lr(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T and learning rates; uses T above 15, and compares with the smallest rate."""
    step, last = at_last_step(table[table["length"] > 15], 1_000)
    (smallest, baseline), *larger = last.groupby("learning_rate")
    if not larger:
        raise CannotTellError("It takes more than one learning rate.")
    words = "; ".join(f"at {rate:g}, {_each_length(rows)}" for rate, rows in larger)
    return every(_not(half) for _, rows in larger for half in _exceed_half(rows)), (
        f"The RNN after {step:,} steps, by learning rate: {words}; threshold 0.5. The baseline is the smallest "
        f"rate, {smallest:g}: {_each_length(baseline)}."
    )


@predicate("fig2b", PALINDROMES)
def fig2b(table: pd.DataFrame) -> Finding:
    """table: the LSTM at several T and learning rates."""
    step, last = at_last_step(table, 1_000)
    last = _best_rate(last)
    return every(_exceed_half(last)), (
        f"The LSTM at its best learning rate, after {step:,} steps: {_each_length(last)}; threshold 0.5."
    )


@predicate("lstm-better", [*PALINDROMES, "model"])
def lstm_better(table: pd.DataFrame, horizons: pd.DataFrame) -> Finding:
    """table: both models at several T and learning rates; each at its best rate, compared seed by seed.

    horizons: the longest T that each solved from a better start (model, horizon; one row per model, none if not run).
    The LSTM must be ahead in both; equal horizons cannot tell.
    """
    long = table[(table["length"] > 15) & table["model"].isin(["rnn", "lstm"])]
    long = long.groupby(["length", "learning_rate"]).filter(lambda tried: tried["model"].nunique() == 2)
    if long.empty:
        raise CannotTellError("It takes both models at lengths beyond 15.")
    step, last = at_last_step(long, 1_000)
    rnn, lstm = (
        _best_rate(last[last["model"] == model]).groupby("seed")["test_accuracy"].mean() for model in ("rnn", "lstm")
    )
    ahead = paired(lstm, rnn)
    words = (
        f"Mean accuracy beyond T = 15, solved or not, after {step:,} steps with the report's weights and digits, "
        f"each at its best rate for each T: LSTM {share(lstm)}, RNN {share(rnn)}, the LSTM's lead {mean(ahead, 0.0)}."
    )
    longest = dict(horizons[["model", "horizon"]].dropna().to_numpy()) if len(horizons) else {}
    if not {"rnn", "lstm"} <= set(longest):
        return every([exceeds(ahead, 0.0), None]), f"{words} From a better start they were not compared."
    ahead_too = None if longest["lstm"] == longest["rnn"] else longest["lstm"] > longest["rnn"]
    reached = {model: f"to T = {length:g}" if length else "to no length tried" for model, length in longest.items()}
    return every([exceeds(ahead, 0.0), ahead_too]), (
        f"{words} From a better start the LSTM gets {reached['lstm']}, the RNN {reached['rnn']}."
    )


def _best_optimizer_rates(table: pd.DataFrame) -> dict[str, tuple[float, pd.Series]]:
    """Each optimizer's best learning rate, by the mean accuracy over the training, and that accuracy for each seed."""
    best = {}
    for name, tried in table.groupby("optimizer"):
        means = tried.pivot_table("test_accuracy", index="learning_rate", columns="seed")
        place = int(means.mean(axis=1).argmax())
        best[str(name)] = (float(means.index[place]), means.iloc[place])
    return best


def _best_rate(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each length's best learning rate, by the mean over the seeds."""
    means = table.groupby(["length", "learning_rate"])["test_accuracy"].mean()
    best = dict(means.groupby("length").idxmax().tolist())  # idxmax gives (length, rate)
    return table[table["learning_rate"] == table["length"].map(best)]


def _exceed_half(table: pd.DataFrame) -> list[bool | None]:
    """For each length, whether the mean accuracy over the seeds exceeds 0.5."""
    return [exceeds(rows["test_accuracy"].tolist(), 0.5) for _, rows in table.groupby("length")]


def _each_length(table: pd.DataFrame) -> str:
    return ", ".join(f"T = {length}: {share(rows['test_accuracy'], 0.5)}" for length, rows in table.groupby("length"))


def _not(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict
