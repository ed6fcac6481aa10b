"""Chapter 3: the LSTM behind a temporal gate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rnnreport import words
from rnnreport.cells import temporal_gate
from rnnreport.configuration import ModelName
from rnnreport.experiments import horizon, sequences
from rnnreport.experiments.gate import Gate, recovery
from rnnreport.experiments.horizon import Climbed, Setting, climb
from rnnreport.experiments.palindromes import PalindromeRun, test_set, train_palindromes, trained_network
from rnnreport.experiments.sequences import Gates, SequenceRun, train_sequences
from rnnreport.models import TemporalGateLSTM
from rnnreport.parameters.temporal_gate import FrequencyNetwork, TemporalGateParameters
from rnnreport.runs import Run, run_all, tabulate
from rnnreport.sequences import Adding, Bursts, MarkedDigit, SineWaves, Task

# On palindromes: one-hot digits, torch.nn's initial weights and Adam. The LSTM gets the biases that chapter 2 found
# best, which are drawn for the length of the memory. The gated LSTM gets a forget bias of 1, periods log-uniform in
# 1…2T and an r_on of 0.05, like the Phased LSTM; all of these are learned with the weights.
COMMON: dict[str, Any] = {"encoding": "one-hot", "initialisation": "uniform"}
STARTS: dict[ModelName, dict[str, Any]] = {
    "lstm": {**COMMON, "optimizer": "adam", "chrono": True},
    "temporal-gate": {**COMMON, "optimizer": "adam", "forget_bias": 1.0},
}
# The usual start, with the optimizer and rate that suited it better.
PLAIN: dict[str, Any] = {**COMMON, "optimizer": "rmsprop", "learning_rate": 1e-3, "forget_bias": 1.0}

REPORTED_GATE = Gate(6.0, 3.0, 0.2)  # of the report's figure 3

BURSTS = Bursts()
OPEN_IN_QUIET = Gates(
    tau=BURSTS.period,
    s=BURSTS.burst_start + BURSTS.burst_length - 1,  # k is 0 at s itself, and again r_on tau later
    r_on=(BURSTS.period - BURSTS.burst_length + 1) / BURSTS.period,
    learned=False,
)
AS_REPORTED = Gates(
    tau=BURSTS.period, s=BURSTS.burst_start - 1, r_on=(BURSTS.burst_length + 1) / BURSTS.period, learned=False
)
BURST_GATES: dict[str, Gates | None] = {
    "none": None,
    "open in the quiet": OPEN_IN_QUIET,
    "open in the burst": AS_REPORTED,  # section 2.3 of the report: s is the start of the noise, r_on its length
    "burst, learned": AS_REPORTED.model_copy(update={"learned": True}),
    "drawn, learned": Gates(longest=2.0 * BURSTS.period, r_on=0.2),
}


def _on_waves(
    model: ModelName,
    gate: Gates | None = None,
    forget_bias: float = 1.0,
    peepholes: bool = False,
    reads: str = "interval",
) -> dict[str, Any]:
    return {"model": model, "gate": gate, "forget_bias": forget_bias, "peepholes": peepholes, "reads": reads}


# The networks of the frequency task. As published: forget biases of 0, peepholes, an LSTM that reads the time itself,
# and a gate that learns tau, s and r_on themselves.
LEAKING = Gates(longest=math.exp(3), leak=1e-3)
FREQUENCY: dict[FrequencyNetwork, dict[str, Any]] = {
    "LSTM, as published": _on_waves("lstm", None, 0.0, True, "time"),
    "gated, as published": _on_waves("phased-lstm", LEAKING, 0.0, True),
    "gated, as published, logits": _on_waves("temporal-gate", LEAKING, 0.0, True),
    "LSTM": _on_waves("lstm"),
    "gated": _on_waves("temporal-gate", LEAKING),
    "gated, no leak": _on_waves("temporal-gate", LEAKING.model_copy(update={"leak": 0.0})),
    "gated, peepholes": _on_waves("temporal-gate", LEAKING, peepholes=True),
}


def gated_versus_lstm(p: TemporalGateParameters) -> list[Run]:
    """LSTM and temporal-gate LSTM at every length and seed, each with its start of ``STARTS``."""
    settings = {**p.common, "record_every": 20, "learning_rate": p.learning_rate}
    asked = [
        PalindromeRun.of(model, length, seed, p.train_steps, p.backend, **settings, **start)
        for (model, start), length, seed in product(STARTS.items(), p.lengths, p.seeds)
    ]
    return run_all(train_palindromes, asked, "LSTM and temporal gate")


def lengths_solved(p: TemporalGateParameters) -> list[Climbed]:
    """Both networks at ever longer palindromes, until one is not solved: :func:`rnnreport.experiments.horizon.climb`.

    The LSTM's ladder ends earlier, because it computes every unit at every step. The setting's value names the LSTM's
    start: "forget bias 1" (``PLAIN``) or "chrono biases"; it is "" for the gated network.
    """
    lstms = [
        Setting("", "", "forget bias 1", "lstm", PLAIN),
        Setting("", "", "chrono biases", "lstm", {**STARTS["lstm"], "learning_rate": p.learning_rate}),
    ]
    gated = Setting("", "", "", "temporal-gate", {**STARTS["temporal-gate"], "learning_rate": p.learning_rate})
    return [
        run
        for settings, ladder in ((lstms, p.lstm_ladder), ([gated], p.ladder))
        for run in climb(settings, ladder, p.seeds, p.ladder_steps, p.backend, **p.common)
    ]


def longest_solved(climbs: pd.DataFrame) -> str:
    """How far each network of :func:`lengths_solved` gets, in a sentence. climbs: of :func:`horizon.tabulated`."""
    found = [f"{length} with {start or 'a gate'}" for (_, start), (length, _) in _horizons(climbs).items()]
    return f"LSTMs solve palindromes of this many digits: {words.listed(found)}."


def answer_horizon(climbs: pd.DataFrame) -> str:
    """How far the gated network gets, and the LSTM from its better start; and how many steps the slowest seed needs."""
    steps, found = horizon.steps_to_solve(climbs), {}
    for (model, start), (length, longest) in _horizons(climbs).items():
        own = steps[(steps["model"] == model) & (steps["value"] == start) & (steps["length"] == longest)]
        taken = own.loc[np.isfinite(own["steps"]), "steps"].max()
        found[model] = f"{length} digits" + f" (after up to {taken:,.0f} training steps)" * (longest > 0)
    return (
        "With the gate, the LSTM learns to name the first digit of palindromes of "
        f"{found['temporal-gate']}, without it of {found['lstm']}."
    )


def _horizons(climbs: pd.DataFrame) -> dict[tuple[str, str], tuple[str, int]]:
    """The longest palindromes solved, in words and digits, by model and start, from the smallest to the largest."""
    found, lengths = {}, climbs.groupby(["model", "value"])["length"]
    solved = horizon.horizons(climbs).sort_values("horizon", kind="stable")
    for model, start, longest in zip(solved["model"], solved["value"], solved["horizon"]):
        tried = lengths.get_group((model, start))
        known = f"{'at least ' if longest == tried.max() else ''}{longest:,}"
        found[model, start] = known if longest else f"under {tried.min():,}", longest
    return found


def steps_and_minutes(climbs: pd.DataFrame) -> str:
    """How many seeds solved each length and in how many steps, and the time of a training with and without the gate."""
    found = []
    for (model, value), network in words.grouped(horizon.steps_to_solve(climbs), "model", "value"):
        lengths = []
        for length, rows in network.groupby("length"):
            solved = rows.loc[np.isfinite(rows["steps"]), "steps"]
            steps = f" in {words.from_to(solved, '.0f')} steps" if len(solved) else ""
            lengths.append(f"T = {length} {len(solved)} of {words.counted(len(rows), 'seed')}{steps}")
        found.append(f"{_name(model, value)}: {', '.join(lengths)}")
    shared = climbs.loc[climbs["model"] == "lstm", "length"].max()
    ends = climbs[climbs["length"] == shared].groupby(["model", "value", "seed"])["seconds"].max()
    minutes = [f"{words.NAMES[model]} {mean:.1f}" for model, mean in (ends.groupby("model").mean() / 60).items()]
    return (
        f"Solved: {horizon.SOLVED:.0%} of fresh palindromes are right at a measurement; where too many seeds had "
        f"failed, the others were not run. {'; '.join(found)}. Minutes of one core for a training at T = {shared}: "
        f"{', '.join(minutes)}."
    )


def _name(model: str, start: str) -> str:
    return words.NAMES[model] + (f" with {start}" if start else "")


def longest_gated(runs: Sequence[Run]) -> list[Run]:
    """The runs among these in which gated networks were trained on the longest palindromes."""
    gated = [run for run in runs if run.configuration.model == "temporal-gate"]
    longest = max(run.configuration.length for run in gated)
    return [run for run in gated if run.configuration.length == longest]


def carriers(runs: Sequence[Run], palindromes_used: int = 500) -> pd.DataFrame:
    """The units that a trained gated network answers with: one row per unit of each run.

    Columns: run, length, seed, unit; tau, s, r_on; updates, first_open and last_open, over the steps 1…T - 1 (0 if
    never open); margin: how much the unit adds to the right digit's logit relative to the mean over all digits, on
    fresh palindromes, with h measured from its mean over the palindromes. All units' margins add up to the network's.
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
        about = {"length": run.configuration.length, "seed": run.configuration.seed, "run": run.folder.name}
        parts.append(table.assign(**about, unit=range(len(table))))
    return pd.concat(parts, ignore_index=True)


def silenced(runs: Sequence[Run], palindromes_used: int = 500, draws: int = 10) -> pd.DataFrame:
    """How well gated networks answer with some units silenced: neither the other units nor the output read them.

    Columns: length, seed, which, units (how many are open at the first step), accuracy on fresh palindromes, run.
    which: "none"; "first": the units open at the first step; "first, by the output": the same, but other units still
    read them; "others": as many of the other units, drawn at random, with the mean accuracy of ``draws`` draws.
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
            about = run.configuration.length, run.configuration.seed
            rows.append((*about, which, len(first), sum(hits) / len(hits), run.folder.name))
    return pd.DataFrame(rows, columns=["length", "seed", "which", "units", "accuracy", "run"])


def _accuracy_without(run: Run, by_units: Tensor, by_output: Tensor, digits: Tensor, last: Tensor) -> float:
    """Accuracy of a trained network in which no unit reads ``by_units`` and the output does not read ``by_output``."""
    network = trained_network(run)
    with torch.no_grad():
        network.recurrence.weights(0)[1][:, by_units] = 0
        network.W_ph[:, by_output] = 0
        return (network(digits).argmax(-1) == last).double().mean().item()


def bounds() -> dict[str, float]:
    """The best accuracies on the noise bursts: if their times are known, and without a clock."""
    without = BURSTS.best_without_clock(torch.Generator().manual_seed(0))
    return {"best possible": BURSTS.best_possible(), "best without a clock": without}


def sleeping(p: TemporalGateParameters) -> list[Run]:
    """Noise bursts at a fixed period, for the LSTM and for gates of four kinds: :func:`sleeping_table` names them."""
    return _on_bursts(p, list(BURST_GATES.values()), p.burst_steps, "noise bursts")


def sleeping_table(runs: Sequence[Run]) -> pd.DataFrame:
    """The runs of :func:`sleeping` with the column ``gate``: which of ``BURST_GATES``."""
    names = {gate: name for name, gate in BURST_GATES.items()}
    return pd.concat([tabulate([run]).assign(gate=names[run.configuration.gate]) for run in runs], ignore_index=True)


def gates_drawn(runs: Sequence[Run]) -> pd.DataFrame:
    """:func:`gates_over_training` of one run of :func:`sleeping`: the first one whose gates were drawn and learned."""
    return gates_over_training([run for run in runs if run.configuration.gate == BURST_GATES["drawn, learned"]][:1])


def seeking(p: TemporalGateParameters) -> list[Run]:
    """Runs whose gates learn the bursts' period, and start at ``period_starts`` times that period."""
    learned = OPEN_IN_QUIET.model_copy(update={"learned": True})
    starts = [learned.model_copy(update={"tau": factor * BURSTS.period}) for factor in p.period_starts]
    return _on_bursts(p, starts, p.burst_steps, "seeking the period")


def _on_bursts(p: TemporalGateParameters, gates: Sequence[Gates | None], steps: int, name: str) -> list[Run]:
    snapshots = tuple(range(0, steps, max(1, steps // 20)))
    return _race(p, BURSTS, gates, steps, name, hidden_size=32, snapshots=snapshots)


def gates_over_training(runs: Sequence[Run]) -> pd.DataFrame:
    """Every unit's gate at the snapshots and the end of each run.

    Columns: run, start (the period at first), seed, step, unit, tau, s, r_on.
    """
    parts = []
    for run in runs:
        start = run.configuration.gate.tau
        for step in (*run.configuration.snapshots, int(run.table["step"].iloc[-1])):
            lstm = sequences.trained_network(run, step).recurrence
            assert isinstance(lstm, TemporalGateLSTM)
            values = zip(("tau", "s", "r_on"), lstm.gate())
            table = pd.DataFrame({name: value.detach().numpy() for name, value in values})
            about = {"seed": run.configuration.seed, "step": step, "start": start, "run": run.folder.name}
            parts.append(table.assign(unit=range(len(table)), **about))
    return pd.concat(parts, ignore_index=True)


def openings_in_noise(gates: pd.DataFrame) -> pd.Series:
    """The share of the openings of a network's units, counted in steps, that falls into the bursts, by training step.

    gates: of :func:`gates_over_training`, for one run. NaN if no unit opens.
    """
    times, loud = torch.arange(1.0, BURSTS.length + 1)[:, None], BURSTS.in_burst()

    def share(rows: pd.DataFrame) -> float:
        tau, s, r_on = (torch.tensor(rows[name].to_numpy()) for name in ("tau", "s", "r_on"))
        opened = temporal_gate(times, tau, s, r_on) > 0
        return (opened[loud].sum() / opened.sum()).item()

    return pd.Series({step: share(rows) for step, rows in gates.groupby("step")})


def stayed_in_the_quiet(arrived: pd.DataFrame, gates: pd.DataFrame) -> str:
    """Whether gates that start right, at the true period and in the quiet, are there at the end; "" if none do.

    arrived: of :func:`arrivals`; gates: of :func:`gates_over_training`.
    """
    right_at_first = gates[gates["start"] == BURSTS.period].groupby("seed")
    left = [openings_in_noise(rows).iloc[-1] for _, rows in right_at_first]
    if not left:
        return ""
    right = words.percent(arrived.loc[arrived["start"] == BURSTS.period, "test_accuracy"].mean())
    end = f"{words.from_to(left, '.0%')} of their openings are in the noise" if max(left) else "they still do"
    return (
        f"Gates that start at the true period open in the quiet alone at first. After training, {end}, and {right} of "
        "the answers are right: the loss counts answers, not openings."
    )


def replayed(sought: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, Any]:
    """The replay of the network whose gates left the noise most, among those that seek the period.

    sought: the gates of :func:`seeking`; drawn: those of :func:`gates_drawn`, for a sentence on how far they left it.
    Returns the arguments of :class:`rnnreport.widgets.gate_replay.GateReplay`.
    """
    each = [(openings_in_noise(rows), rows) for _, rows in sought.groupby(["start", "seed"])]
    noisy, rows = max(each, key=lambda pair: pair[0].iloc[0] - pair[0].iloc[-1])
    frames = {name: rows.pivot(index="step", columns="unit", values=name) for name in ("tau", "s", "r_on")}
    before, after = (words.percent(openings_in_noise(drawn).iloc[end]) for end in (0, -1))
    return {
        "steps": frames["tau"].index.tolist(),
        **{name: frame.to_numpy() for name, frame in frames.items()},
        "length": BURSTS.length,
        "loud": (BURSTS.in_burst().nonzero().flatten() + 1).tolist(),
        "words": f"These gates start at {rows['start'].iloc[0] / BURSTS.period:g} times the bursts' period. The "
        f"share of their openings in the noise is least at step {noisy.idxmin():,}: {words.percent(noisy.min())}; at "
        f"the end it is {words.percent(noisy.iloc[-1])}. For the gates drawn at random in figure 3.9 it is {before} at "
        f"the start and {after} at the end.",
        "snapshot": len(frames["tau"]) - 1,  # at the first one all gates are the same
    }


def arrivals(sought: pd.DataFrame, gates: pd.DataFrame) -> pd.DataFrame:
    """The end of each network of :func:`seeking`.

    Columns: start (the period at first), seed, test_accuracy, run (if sought has it), tau (the units' median) and found
    (whether tau is less than 2% off the bursts' period). sought: the runs' tables; gates: of
    :func:`gates_over_training`. The table has sought's ``attrs``, which state its origin.
    """
    ends = words.at_end(sought).rename(columns={"tau": "start"})
    last = words.at_end(gates).groupby(["start", "seed"])["tau"].median().reset_index()
    columns = [name for name in ("start", "seed", "test_accuracy", "run") if name in ends]
    table = ends[columns].merge(last, on=["start", "seed"])
    table.attrs = sought.attrs
    return table.assign(found=(table["tau"] / BURSTS.period - 1).abs() < 0.02)


def adding(p: TemporalGateParameters) -> list[Run]:
    """The adding problem at ``adding_length``, LSTM and temporal gate of 64 units."""
    gates = [None, Gates(longest=2.0 * p.adding_length)]
    return _race(p, Adding(length=p.adding_length), gates, p.adding_steps, "adding", hidden_size=64)


def frequency(p: TemporalGateParameters) -> list[Run]:
    """The frequency task of Neil et al. (2016), section 4.1: ``frequency_networks`` of ``FREQUENCY``, every sampling.

    Batches of 32, 110 units, Adam at 1e-3; ``frequency_steps`` updates, each on fresh waves.
    """
    settings: dict[str, Any] = {"batch_size": 32, "hidden_size": 110, "learning_rate": 1e-3, "device": p.device}
    settings["snapshots"] = tuple(range(0, p.frequency_steps, max(1, p.frequency_steps // 10)))
    asked = [
        SequenceRun.of(
            SineWaves(sampling=sampling),
            seed=seed,
            steps=p.frequency_steps,
            test_sequences=p.test_palindromes,
            backend=p.backend,
            **FREQUENCY[network],
            **settings,
        )
        for sampling, network, seed in product(p.samplings, p.frequency_networks, p.seeds)
    ]
    return run_all(train_sequences, asked, "frequency task")


def frequency_table(runs: Sequence[Run]) -> pd.DataFrame:
    """The runs of :func:`frequency` with the column ``network``: which of ``FREQUENCY``."""
    tables = [tabulate([run]).assign(network=_network_of(run)) for run in runs]
    return pd.concat(tables, ignore_index=True).drop(columns=["snapshots"])


def with_chance(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`frequency_table` with the column ``chance``: the accuracy of always answering yes.

    In the order of ``FREQUENCY``, however they have come into a record.
    """
    chance = {sampling: SineWaves(sampling=sampling).chance() for sampling in table["sampling"].unique()}
    places = {name: place for place, name in enumerate((*chance, *FREQUENCY))}
    ordered = table.sort_values(["sampling", "network"], key=lambda names: names.map(places), kind="stable")
    return ordered.assign(chance=ordered["sampling"].map(chance))


def _network_of(run: Run) -> FrequencyNetwork:
    trained = {name: getattr(run.configuration, name) for name in FREQUENCY["LSTM"]}
    return next(name for name, settings in FREQUENCY.items() if settings == trained)


def gates_in_frequency(runs: Sequence[Run]) -> pd.DataFrame:
    """What becomes of the gates in :func:`frequency`, one row per gated run and snapshot.

    Columns: network, sampling, seed, step, run; tau and r_on, the units' medians; r_on_low and r_on_high, their first
    and last deciles; finite, the share of the gates' numbers that are.
    """
    rows = []
    for run in runs:
        for step, gates in gates_over_training([run]).groupby("step") if run.configuration.gate else ():
            low, r_on, high = gates["r_on"].quantile([0.1, 0.5, 0.9])
            finite = np.isfinite(gates[["tau", "s", "r_on"]]).mean(axis=None)
            about = _network_of(run), run.configuration.task.sampling, run.configuration.seed, step, run.folder.name
            rows.append((*about, gates["tau"].median(), r_on, low, high, finite))
    columns = ["network", "sampling", "seed", "step", "run", "tau", "r_on", "r_on_low", "r_on_high", "finite"]
    return pd.DataFrame(rows, columns=columns)


def marked_digit(p: TemporalGateParameters) -> list[Run]:
    """A task where the clock hurts: a digit marked at a random step, for the LSTM and gates of several open ratios."""
    task = MarkedDigit(length=p.marked_length)
    gates = [None, *(Gates(longest=2.0 * p.marked_length, r_on=r_on) for r_on in (0.05, 0.2, 0.5, 1.0))]
    return _race(p, task, gates, p.marked_steps, "marked digit")


def _race(
    p: TemporalGateParameters, task: Task, gates: Sequence[Gates | None], steps: int, name: str, **settings: Any
) -> list[Run]:
    """Runs of the LSTM (None) and of gated networks on one task, with every seed."""
    settings = {"learning_rate": p.learning_rate, "hidden_size": p.hidden_size, "device": p.device, **settings}
    configurations = [
        SequenceRun.of(task, gate, seed, steps, p.backend, **settings) for gate in gates for seed in p.seeds
    ]
    return run_all(train_sequences, configurations, name)


def record(p: TemporalGateParameters) -> dict[str, Callable[[], pd.DataFrame]]:
    """Everything that the chapter shows as recorded, trained with these parameters; the full profile takes hours."""

    def carrying() -> list[Run]:
        return longest_gated([run for _, run in lengths_solved(p)])

    return {
        "palindromes": lambda: horizon.tabulated(lengths_solved(p)),
        "carriers": lambda: carriers(carrying()),
        "silenced": lambda: silenced(carrying()),
        "bursts": lambda: sleeping_table(sleeping(p)),
        "gates found": lambda: recovery(REPORTED_GATE, p.seeds),
        "seeking": lambda: tabulate(seeking(p)),
        "gates sought": lambda: gates_over_training(seeking(p)),
        "gates drawn": lambda: gates_drawn(sleeping(p)),
        "marked digit": lambda: tabulate(marked_digit(p)),
        "adding": lambda: tabulate(adding(p)),
        "frequency": lambda: frequency_table(frequency(p)),
        "gates on waves": lambda: gates_in_frequency(frequency(p)),
    }
