"""Chapter 3b: other cells at an equal number of parameters, and two classic tests of a long memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import nn

from rnnreport import corpora
from rnnreport.backends import Backend
from rnnreport.configuration import ModelName
from rnnreport.experiments import palindromes, sequences
from rnnreport.experiments.horizon import SOLVED
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.experiments.sequences import Gates, SequenceRun, train_sequences
from rnnreport.experiments.text_run import TextRun
from rnnreport.experiments.text_training import new_model, train_text
from rnnreport.models import RECURRENCES
from rnnreport.parameters.comparisons import TEXT_WINDOW, ComparisonParameters
from rnnreport.runs import Configuration, Run, RunFunction, run_all, tabulate
from rnnreport.sequences import Adding, Copying, Task

CONTENDERS: tuple[ModelName, ...] = ("lstm", "gru", "min-lstm", "min-gru")
CHOOSING_SEED = 0  # of the runs that choose a contender's learning rate, beside those that are shown at it
ADDED = 0.001  # the adding problem is solved with a smaller mean squared error …
COPIED = 0.05  # … and the copying problem with a smaller share of the cross-entropy without memory
# All gates start with a forget bias of 1, so that all of these networks remember at first.
START: dict[str, Any] = {"optimizer": "adam", "clip_norm": 1.0, "forget_bias": 1.0}
# The networks that are tested for a long memory. chrono: for the length of the sequence; the IRNN is that of Le et al.
# (2015), whose ReLU units add up what they read.
MEMORIES: dict[str, dict[str, Any]] = {
    "LSTM": {"model": "lstm"},
    "chrono LSTM": {"model": "lstm", "forget_bias": 0.0, "chrono": True},
    "gated LSTM": {"model": "temporal-gate"},
    "orthogonal RNN": {"model": "rnn", "forget_bias": 0.0, "initialisation": "orthogonal"},
    "IRNN": {"model": "relu-rnn", "forget_bias": 0.0, "initialisation": "identity"},
}


def contenders(p: ComparisonParameters) -> pd.DataFrame:
    """LSTM, GRU, minLSTM and minGRU on palindromes, the adding problem and text, at every one of ``learning_rates``.

    Seeds: ``CHOOSING_SEED`` and ``seeds``. Text is left out if it is too short for some of it to be held out.
    All have ``layers`` layers, and as many units as make no more parameters than the LSTM's of ``hidden_size``.
    Columns: task, model, learning_rate, seed, step, value (accuracy on fresh palindromes, mean squared error of fresh
    sums, bits per held-out character), solved (which value ends a training; 0 for none), parameters, hidden_size,
    seconds, steps and run.
    """
    return pd.concat([*_contenders(p)], ignore_index=True)


def _contenders(p: ComparisonParameters) -> Iterator[pd.DataFrame]:
    text = corpora.load(p.corpus)

    def digits(steps: int, seed: int, **settings: Any) -> Configuration:
        settings |= {"encoding": "one-hot", "initialisation": "uniform", "test_palindromes": p.test_sequences}
        return PalindromeRun.of_settings(steps, seed, length=p.palindrome_length, solved_at=SOLVED, **settings)

    def sums(steps: int, seed: int, **settings: Any) -> Configuration:
        settings |= {"task": Adding(length=p.sum_length), "solved_loss": ADDED, "test_sequences": p.test_sequences}
        return SequenceRun.of_settings(steps, seed, **settings)

    def book(steps: int, seed: int, **settings: Any) -> Configuration:
        settings |= {"corpus": p.corpus, "sha256": text.sha256, "sequence_length": TEXT_WINDOW}
        return TextRun.of(steps, seed, **settings)

    classifier, adder, writer = palindromes.new_network, sequences.new_network, partial(new_model, corpus=text)
    yield _on("palindromes", p, train_palindromes, classifier, digits, p.palindrome_steps, "test_accuracy", SOLVED)
    yield _on("adding", p, train_sequences, adder, sums, p.sum_steps, "test_loss", ADDED)
    if len(text.windows(TEXT_WINDOW).held_out_starts):  # else there is nothing to measure it on
        yield _on("text", p, train_text, writer, book, p.text_steps, "bits_per_character", 0.0)


def _on(
    task: str,
    p: ComparisonParameters,
    train: RunFunction,
    network: Callable[[Any], nn.Module],
    configuration: Callable[..., Configuration],
    steps: int,
    measured: str,
    solved: float,
) -> pd.DataFrame:
    """The contenders on one task, see :func:`contenders`. network: the untrained one of a configuration."""
    common = {**START, "num_layers": p.layers, "batch_size": p.batch_size, "device": p.device}

    def sized(model: ModelName, units: int) -> nn.Module:
        return network(configuration(1, 0, **common, model=model, hidden_size=units))

    limit = parameters_of(partial(sized, "lstm"), p.hidden_size)
    units = {model: units_within(partial(sized, model), limit) for model in CONTENDERS}
    asked = [
        configuration(
            steps,
            seed,
            **common,
            model=model,
            hidden_size=units[model],
            learning_rate=rate,
            backend=backend_for(model, p.backend),
            record_every=max(10, steps // 40),
        )
        for model, rate, seed in product(CONTENDERS, p.learning_rates, dict.fromkeys([CHOOSING_SEED, *p.seeds]))
    ]
    table = tabulate(run_all(train, asked, f"contenders, {task}"))
    found = {model: parameters_of(partial(sized, model), units[model]) for model in CONTENDERS}
    table = table.assign(task=task, solved=solved, parameters=table["model"].map(found))
    kept = ["task", "model", "learning_rate", "seed", "step", "value", "solved", "parameters", "hidden_size", "seconds"]
    table = table.rename(columns={measured: "value"})
    return table[[*kept, "steps", "run"]]


def parameters_of(network: Callable[[int], nn.Module], units: int) -> int:
    """How many parameters a network with so many units has. Nothing is drawn for that."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in network(units).parameters())


def units_within(network: Callable[[int], nn.Module], limit: int) -> int:
    """The largest number of units, at least 1, with which a network has no more than ``limit`` parameters."""
    return max(1, bisect_right(range(1, limit + 1), limit, key=lambda units: parameters_of(network, units)))


def backend_for(model: ModelName, backend: Backend) -> Backend:
    """The backend, or torch for a network without native kernels."""
    return backend if RECURRENCES[model].has_kernels else "torch"


def adding(p: ComparisonParameters) -> pd.DataFrame:
    """The adding problem at every one of ``lengths``, for each of ``MEMORIES``, until it is solved.

    A network that no seed trains to solve a length is not trained at longer ones. Columns: network, model, length,
    learning_rate, seed, step, test_loss, test_accuracy, seconds, steps, run and solved, the loss that ends a training.
    """
    parts, left = [], list(MEMORIES)
    for length in sorted(p.lengths):
        table = _remembering(p, left, Adding(length=length), length, p.train_steps, ADDED, f"adding, T = {length}")
        parts.append(table)
        left = [*dict.fromkeys(table.loc[table["test_loss"] < ADDED, "network"])]
        if not left:
            break
    return pd.concat(parts, ignore_index=True)


def copying(p: ComparisonParameters) -> pd.DataFrame:
    """The copying problem at every one of ``delays``, for each of ``MEMORIES``, until it is solved.

    Columns: those of :func:`adding`, with delay in place of length, and ratio: the loss over that without memory.
    """
    parts = []
    for delay in sorted(p.delays):
        task, length = Copying(delay=delay), delay + 20
        bound = task.without_memory()
        table = _remembering(p, [*MEMORIES], task, length, p.copy_steps, COPIED * bound, f"copying, delay {delay}")
        parts.append(table.assign(ratio=table["test_loss"] / bound))
    return pd.concat(parts, ignore_index=True)


def _remembering(
    p: ComparisonParameters,
    networks: Sequence[str],
    task: Task,
    length: int,
    steps: int,
    solved_loss: float,
    name: str,
) -> pd.DataFrame:
    """Runs of some of ``MEMORIES`` on a task with sequences of this length, with every seed."""

    def run(network: str, seed: int) -> SequenceRun:
        settings = {**START, **MEMORIES[network]}
        model = settings["model"]
        rate = p.rnn_learning_rate if model in ("rnn", "relu-rnn") else p.learning_rate
        settings["chrono"] = length if settings.get("chrono") else None
        gate = Gates(longest=2.0 * length) if model == "temporal-gate" else None
        settings |= p.common | {"test_sequences": p.test_sequences, "solved_loss": solved_loss, "learning_rate": rate}
        settings |= {"record_every": max(10, min(100, steps // 40))}
        return SequenceRun.of(task, gate, seed, steps, backend_for(model, p.backend), **settings)

    asked = [(network, run(network, seed)) for network, seed in product(networks, p.seeds)]
    runs: list[Run] = run_all(train_sequences, [configuration for _, configuration in asked], name)
    tables = [tabulate([run]).assign(network=network) for (network, _), run in zip(asked, runs)]
    size = "delay" if isinstance(task, Copying) else "length"
    kept = ["network", "model", size, "learning_rate", "seed", "step", "test_loss", "test_accuracy", "seconds", "steps"]
    return pd.concat(tables, ignore_index=True)[[*kept, "run"]].assign(solved=solved_loss)


def record(p: ComparisonParameters) -> dict[str, Callable[[], pd.DataFrame]]:
    """Everything that the chapter shows as recorded, trained with these parameters; the full profile takes hours."""
    return {
        "contenders": lambda: contenders(p),
        "adding": lambda: adding(p),
        "copying": lambda: copying(p),
    }
