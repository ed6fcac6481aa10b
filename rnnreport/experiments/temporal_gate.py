"""Chapter 3: the LSTM behind a temporal gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from rnnreport.configuration import ModelName
from rnnreport.experiments import horizon, recorded, sequences
from rnnreport.experiments.horizon import Climbed, Setting, climb
from rnnreport.experiments.palindromes import PalindromeRun, test_set, train_palindromes, trained_network
from rnnreport.experiments.sequences import Gate, SequenceRun, train_sequences
from rnnreport.models import TemporalGateLSTM
from rnnreport.parameters.temporal_gate import TemporalGateParameters
from rnnreport.runs import Run, run_all, tabulate
from rnnreport.sequences import Adding, Bursts, MarkedDigit, SineWaves, Task

# On palindromes: one-hot digits, torch.nn's initial weights and Adam. The LSTM gets the biases that chapter 2 found
# best, drawn for the length of the memory; the gated one a forget bias of 1, periods log-uniform in 1…2T and r_on 0.05,
# as the Phased LSTM's, all learned with the weights.
COMMON: dict[str, Any] = {"encoding": "one-hot", "initialisation": "uniform"}
STARTS: dict[ModelName, dict[str, Any]] = {
    "lstm": {**COMMON, "optimizer": "adam", "chrono": True},
    "temporal-gate": {**COMMON, "optimizer": "adam", "forget_bias": 1.0},
}
# The usual start, at the optimizer and rate that suited it better.
PLAIN: dict[str, Any] = {**COMMON, "optimizer": "rmsprop", "learning_rate": 1e-3, "forget_bias": 1.0}

BURSTS = Bursts()
OPEN_IN_QUIET = Gate(
    tau=BURSTS.period,
    s=BURSTS.burst_start + BURSTS.burst_length - 1,  # k is 0 at s itself, and again r_on tau later
    r_on=(BURSTS.period - BURSTS.burst_length + 1) / BURSTS.period,
    learned=False,
)
AS_REPORTED = Gate(
    tau=BURSTS.period, s=BURSTS.burst_start - 1, r_on=(BURSTS.burst_length + 1) / BURSTS.period, learned=False
)
BURST_GATES: dict[str, Gate | None] = {
    "none": None,
    "open in the quiet": OPEN_IN_QUIET,
    "open in the burst": AS_REPORTED,  # s where the noise starts, r_on how long it lasts: section 2.3 of the report
    "burst, learned": AS_REPORTED.model_copy(update={"learned": True}),
    "drawn, learned": Gate(longest=2.0 * BURSTS.period, r_on=0.2),
}


def gated_versus_lstm(p: TemporalGateParameters) -> list[Run]:
    """LSTM and temporal-gate LSTM at every length and seed, each with its start of ``STARTS``."""
    configurations = [
        PalindromeRun.of(
            model,
            length,
            seed,
            p.train_steps,
            p.backend,
            hidden_size=p.hidden_size,
            batch_size=p.batch_size,
            test_palindromes=p.test_palindromes,
            device=p.device,
            record_every=20,
            learning_rate=p.learning_rate,
            **start,
        )
        for (model, start), length, seed in product(STARTS.items(), p.lengths, p.seeds)
    ]
    return run_all(train_palindromes, configurations, "LSTM and temporal gate")


def lengths_solved(p: TemporalGateParameters) -> list[Climbed]:
    """Both at ever longer palindromes, until one is not solved: :func:`rnnreport.experiments.horizon.climb`.

    The LSTM computes every unit at every step, so that its ladder ends earlier.
    The setting's value names the LSTM's start: "forget bias 1" (``PLAIN``) or "chrono biases"; "" with the gate.
    """
    lstms = [
        Setting("", "", "forget bias 1", "lstm", PLAIN),
        Setting("", "", "chrono biases", "lstm", {**STARTS["lstm"], "learning_rate": p.learning_rate}),
    ]
    gated = Setting("", "", "", "temporal-gate", {**STARTS["temporal-gate"], "learning_rate": p.learning_rate})
    return [
        run
        for settings, ladder in ((lstms, p.lstm_ladder), ([gated], p.ladder))
        for run in climb(
            settings,
            ladder,
            p.seeds,
            p.ladder_steps,
            p.backend,
            hidden_size=p.hidden_size,
            batch_size=p.batch_size,
            test_palindromes=p.test_palindromes,
            device=p.device,
        )
    ]


def carriers(runs: Sequence[Run], palindromes_used: int = 500) -> pd.DataFrame:
    """Which units a trained gated network answers with: a row a unit of each run.

    Columns: length, seed, unit; tau, s, r_on; updates, first_open and last_open, over the steps 1…T - 1 (0 where never
    open); margin: how much the unit adds to the right digit's logit, over the mean of all digits' and against its own
    mean over the palindromes, on fresh palindromes. The margins of all units add up to that of the network.
    """
    parts = []
    for run in runs:
        network, (digits, last) = trained_network(run), test_set(run.configuration)
        digits, last = digits[:, :palindromes_used].cpu(), last[:palindromes_used].cpu()
        lstm = network.recurrence
        assert isinstance(lstm, TemporalGateLSTM)
        with torch.no_grad():
            h = lstm.last_hidden(digits)
            weight = network.W_ph - network.W_ph.mean(0)
            margin = (weight[last] * (h - h.mean(0))).mean(0)
            is_open = lstm.openness(torch.arange(1.0, run.configuration.length)) > 0
            tau, s, r_on = lstm.gate()
        steps = torch.arange(1, len(is_open) + 1)[:, None] * is_open
        columns = {
            "tau": tau,
            "s": s,
            "r_on": r_on,
            "updates": is_open.sum(0),
            "first_open": torch.where(is_open, steps, len(is_open) + 1).amin(0) * is_open.any(0),
            "last_open": steps.amax(0),
            "margin": margin,
        }
        table = pd.DataFrame({name: values.detach().numpy() for name, values in columns.items()})
        about = {"length": run.configuration.length, "seed": run.configuration.seed}
        parts.append(table.assign(**about, unit=range(len(table))))
    return pd.concat(parts, ignore_index=True)


def silenced(runs: Sequence[Run], palindromes_used: int = 500, draws: int = 10) -> pd.DataFrame:
    """How well gated networks answer with some units silenced, that is unread by the other units and by the output.

    Columns: length, seed, which, units (how many) and accuracy on fresh palindromes. which: "none"; "first", those open
    at the first step; "first, by the output" only, so that other units still read them; "others", as many of the rest,
    drawn at random, the mean of so many draws.
    """
    rows = []
    for run in runs:
        digits, last = test_set(run.configuration)
        digits, last = digits[:, :palindromes_used].cpu(), last[:palindromes_used].cpu()
        lstm = trained_network(run).recurrence
        assert isinstance(lstm, TemporalGateLSTM)
        opens = lstm.openness(torch.tensor([1.0]))[0] > 0
        first, rest = opens.nonzero().flatten(), (~opens).nonzero().flatten()
        drawn = torch.Generator().manual_seed(run.configuration.seed)
        others = [rest[torch.randperm(len(rest), generator=drawn)[: len(first)]] for _ in range(draws)]
        none = first[:0]
        groups_of = {
            "none": [(none, none)],
            "first": [(first, first)],
            "first, by the output": [(none, first)],
            "others": [(group, group) for group in others],
        }
        for which, groups in groups_of.items():
            hits = [_accuracy_without(run, *group, digits, last) for group in groups]
            rows.append((run.configuration.length, run.configuration.seed, which, len(first), sum(hits) / len(hits)))
    return pd.DataFrame(rows, columns=["length", "seed", "which", "units", "accuracy"])


def _accuracy_without(run: Run, by_units: Tensor, by_output: Tensor, digits: Tensor, last: Tensor) -> float:
    """Accuracy of a trained network in which the units no longer read some of them, nor the output some."""
    network = trained_network(run)
    with torch.no_grad():
        network.recurrence.weights(0)[1][:, by_units] = 0
        network.W_ph[:, by_output] = 0
        return (network(digits).argmax(-1) == last).double().mean().item()


def sleeping(p: TemporalGateParameters) -> list[Run]:
    """Noise bursts at a fixed period, for the LSTM and for gates of four kinds: :func:`sleeping_table` names them."""
    return _on_bursts(p, list(BURST_GATES.values()), p.burst_steps, "noise bursts")


def sleeping_table(runs: Sequence[Run]) -> pd.DataFrame:
    """The runs of :func:`sleeping` with the column ``gate``: which of ``BURST_GATES``."""
    names = {gate: name for name, gate in BURST_GATES.items()}
    return pd.concat([tabulate([run]).assign(gate=names[run.configuration.gate]) for run in runs], ignore_index=True)


def seeking(p: TemporalGateParameters) -> list[Run]:
    """Gates that learn the bursts' period, from periods too short or too long by the factors ``period_starts``."""
    learned = OPEN_IN_QUIET.model_copy(update={"learned": True})
    starts = [learned.model_copy(update={"tau": factor * BURSTS.period}) for factor in p.period_starts]
    return _on_bursts(p, starts, p.burst_steps, "seeking the period")


def _on_bursts(p: TemporalGateParameters, gates: Sequence[Gate | None], steps: int, name: str) -> list[Run]:
    every = max(1, steps // 20)
    configurations = [
        SequenceRun.of(
            BURSTS,
            gate,
            seed,
            steps,
            p.backend,
            learning_rate=p.learning_rate,
            hidden_size=32,
            device=p.device,
            snapshots=tuple(range(0, steps, every)),
        )
        for gate, seed in product(gates, p.seeds)
    ]
    return run_all(train_sequences, configurations, name)


def gates_over_training(runs: Sequence[Run]) -> pd.DataFrame:
    """Every unit's gate at the snapshots of each run: start (the period at first), seed, step, unit, tau, s, r_on."""
    parts = []
    for run in runs:
        start = run.configuration.gate.tau
        for step in (*run.configuration.snapshots, int(run.table["step"].iloc[-1])):
            lstm = sequences.trained_network(run, step).recurrence
            assert isinstance(lstm, TemporalGateLSTM)
            values = zip(("tau", "s", "r_on"), lstm.gate())
            table = pd.DataFrame({name: value.detach().numpy() for name, value in values})
            parts.append(table.assign(unit=range(len(table)), seed=run.configuration.seed, step=step, start=start))
    return pd.concat(parts, ignore_index=True)


def arrivals(sought: pd.DataFrame, gates: pd.DataFrame) -> pd.DataFrame:
    """Where the gates of :func:`seeking` end: start (the period at first), seed, test_accuracy, tau (median) and found.

    sought: the runs' tables; gates: of :func:`gates_over_training`. found: whether tau is within 2% of the bursts'.
    """
    ends = sought[sought["step"] == sought["step"].max()].rename(columns={"tau": "start"})
    last = gates[gates["step"] == gates["step"].max()].groupby(["start", "seed"])["tau"].median().reset_index()
    table = ends[["start", "seed", "test_accuracy"]].merge(last, on=["start", "seed"])
    return table.assign(found=(table["tau"] / BURSTS.period - 1).abs() < 0.02)


def adding(p: TemporalGateParameters) -> list[Run]:
    """The adding problem at ``adding_length``, LSTM and temporal gate of 64 units."""
    return _both(p, Adding(length=p.adding_length), 2.0 * p.adding_length, p.adding_steps, "adding", hidden_size=64)


def sine_waves(p: TemporalGateParameters) -> list[Run]:
    """The frequency task as the Phased LSTM's authors set it, by each of ``samplings``; steps by ``frequency_steps``.

    Batches of 32, 110 units, Adam at 1e-3, periods log-uniform in 1…e^3, leak 0.001. High resolution gets a tenth of
    the steps, since each takes ten times as long.
    """
    settings = {"batch_size": 32, "hidden_size": 110, "learning_rate": 1e-3}
    return [
        run
        for sampling in p.samplings
        for run in _both(
            p,
            SineWaves(sampling=sampling),
            math.exp(3),
            max(10, p.frequency_steps // (10 if sampling == "high-resolution" else 1)),
            f"sine waves, {sampling}",
            leak=1e-3,
            test_sequences=500,
            **settings,
        )
    ]


def marked_digit(p: TemporalGateParameters) -> list[Run]:
    """Where the clock hurts: a digit marked at a random step, for the LSTM and gates of several open ratios."""
    task = MarkedDigit(length=p.marked_length)
    gates = [None, *(Gate(longest=2.0 * p.marked_length, r_on=r_on) for r_on in (0.05, 0.2, 0.5, 1.0))]
    return _race(p, task, gates, p.marked_steps, "marked digit")


def _both(
    p: TemporalGateParameters,
    task: Task,
    longest: float,
    steps: int,
    name: str,
    leak: float = 0.0,
    **settings: Any,
) -> list[Run]:
    return _race(p, task, [None, Gate(longest=longest, leak=leak)], steps, name, **settings)


def _race(
    p: TemporalGateParameters, task: Task, gates: Sequence[Gate | None], steps: int, name: str, **settings: Any
) -> list[Run]:
    """The LSTM (no gate) and gated ones on one task, every seed."""
    settings = {"learning_rate": p.learning_rate, "hidden_size": p.hidden_size, "device": p.device, **settings}
    configurations = [
        SequenceRun.of(task, gate, seed, steps, p.backend, **settings) for gate in gates for seed in p.seeds
    ]
    return run_all(train_sequences, configurations, name)


def record(p: TemporalGateParameters) -> pd.DataFrame:
    """All that the chapter shows as recorded, trained with these parameters: at the full profile for hours."""
    climbed = lengths_solved(p)
    solvers = [run for _, run in climbed if run.configuration.model == "temporal-gate"]
    longest = max(run.configuration.length for run in solvers)
    carrying = [run for run in solvers if run.configuration.length == longest]
    slept, sought = sleeping(p), seeking(p)
    population = [run for run in slept if run.configuration.gate == BURST_GATES["drawn, learned"]]
    return recorded.joined(
        {
            "palindromes": recorded.with_origin(horizon.tabulated(climbed), [run for _, run in climbed]),
            "carriers": recorded.with_origin(carriers(carrying), carrying),
            "silenced": recorded.with_origin(silenced(carrying), carrying),
            "bursts": recorded.with_origin(sleeping_table(slept), slept),
            "seeking": recorded.with_origin(tabulate(sought), sought),
            "gates sought": recorded.with_origin(gates_over_training(sought), sought),
            "gates drawn": recorded.with_origin(gates_over_training(population[:1]), population[:1]),
            **{
                name: recorded.with_origin(tabulate(runs), runs)
                for name, runs in (
                    ("marked digit", marked_digit(p)),
                    ("adding", adding(p)),
                    ("sine waves", sine_waves(p)),
                )
            },
        }
    )
