"""The figures: each draws what a small table made by hand says, without a warning, and shows itself with its words."""

import json
import math
import os
import re
import subprocess
import sys
from importlib import import_module
from itertools import combinations, product
from pathlib import Path
from pkgutil import iter_modules
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from rnnreport import cells, figures
from rnnreport.bugs import bugs
from rnnreport.experiments import horizon, recorded
from rnnreport.experiments.gate import Gate
from rnnreport.experiments.kept import Plane
from rnnreport.experiments.museum import SYMPTOMS
from rnnreport.experiments.temporal_gate import with_chance
from rnnreport.experiments.text_recipes import learning_steps
from rnnreport.figures import (
    cell_path,
    comparisons,
    diagrams,
    gate,
    gradients,
    memory,
    multiverse,
    museum,
    rnn_versus_lstm,
    speed,
    temporal_gate,
    trust,
)
from rnnreport.figures import text as text_figures
from rnnreport.intervals import interval
from rnnreport.shown import visible

pytestmark = pytest.mark.filterwarnings("error")
STEPS = (0, 50, 100)
CURVES = (("right", 1.0), ("wrong", 2.0))
ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / ".github" / "steps_to_solve.svg"
# What XML forbids or a page could take for something else, and what fonts may lack.
CHARACTERS = "".join(map(chr, range(0xA1))) + "\u2028\u202e\ud800\ufeff\uffff日本ש👨‍👩‍👧e\u0301𝒳"


def mistakes():
    """A right and a wrong curve for each exhibit of the museum."""
    rows = [(bug, version, 0, x, x * slope) for bug in bugs() for version, slope in CURVES for x in (1, 2)]
    return pd.DataFrame(rows, columns=["bug", "version", "seed", "x", "y"])


def runs(models=("rnn",), lengths=(5,), rates=(1e-3,), seeds=(0, 1, 2), steps=STEPS, **columns):
    """A table of palindrome runs; the accuracy grows with the step and, a little, with the seed and the rate."""
    rows = [
        {
            "model": model,
            "length": length,
            "learning_rate": rate,
            "seed": seed,
            "step": step,
            "accuracy": np.nan if step == 0 else step / 130 + seed / 100,
            "test_accuracy": 0.1 + step / 150 + seed / 50 + rate - length / 1000,
        }
        for model, length, rate, seed, step in product(models, lengths, rates, seeds, steps)
    ]
    return pd.DataFrame(rows).assign(**columns)


def optimizers(seeds=(0, 1)):
    parts = [runs(rates=(0.01, 0.1), seeds=seeds, optimizer=name) for name in ("sgd", "adam")]
    return pd.concat(parts, ignore_index=True)


def k_of(tau=6.0, s=3.0, r_on=0.2, until=24):
    t = torch.arange(10 * until + 1, dtype=torch.float64) / 10
    k = cells.temporal_gate(t, *(torch.tensor(value, dtype=torch.float64) for value in (tau, s, r_on)))
    return pd.DataFrame({"t": t, "k": k, "integer": t == t.round()})


def states():
    columns = {"t": [1, 2, 3], "k": [0.0, 0.5, 0.0], "h": [0.1, -0.2, 0.3], "c": [0.5, -1.0, 1.5]}
    return pd.DataFrame({**columns, "gated h": [0.0, -0.1, -0.1], "gated c": [0.0, 0.4, 0.4]})


def worlds(claims=("figure 1a", "the lead"), share=(0.2, 0.5, 0.8, 1.0)):
    table = pd.DataFrame([*product(claims, "ab", ("0.001", "0.01"))], columns=["claim", "digits", "learning rate"])
    table = table.astype(dict.fromkeys(("digits", "learning rate"), "category")).assign(asked="it is above 0.5")
    table["share"] = [*share] * len(claims)
    return table.assign(holds=table["share"] > 0.5)


def text(seeds=(0, 1), held_out=True, steps=STEPS):
    rows = [
        {
            "step": step,
            "seed": seed,
            "loss": np.nan if step == 0 else 4 - step / 50 + seed / 10,
            "accuracy": np.nan if step == 0 else step / 200 + seed / 100,
            **({"held_out_loss": 4.2 - step / 60, "held_out_accuracy": step / 250} if held_out else {}),
        }
        for seed, step in product(seeds, steps)
    ]
    return pd.DataFrame(rows)


def long_text(seeds=(0,), last=9_000):
    rows = [
        {
            "step": step,
            "seed": seed,
            "accuracy": 0.5 + step / 60_000 + seed / 100,
            "held_out_accuracy": 0.5 + step / 90_000,
        }
        for seed in seeds
        for step in range(0, last + 1, 500)
    ]
    return pd.DataFrame(rows)


def recipes():
    rows = [
        ("course", 1, 10, 5.0, 2.1),
        ("course", 1, 500, 90.0, 1.9),
        ("other", 1, 20, 4.0, 1.8),
        ("other", 2, 20, 3, 1.7),
    ]
    return pd.DataFrame(rows, columns=["recipe", "seed", "steps", "minutes", "held_out_bits"])


def others():
    rows = [("Markov, order 1", 1, 2.5), ("Markov, order 2", 2, 2.0), ("xz", None, 2.1)]
    return pd.DataFrame(rows, columns=["model", "order", "bits"])


def passage(text, **followed):
    parts = [
        pd.DataFrame({"property": name, "character": pd.Series([*text], dtype=object), "wanted": wanted, "cell": cell})
        for name, (wanted, cell) in followed.items()
    ]
    return pd.concat(parts)


def over_training():
    rows = [
        {"step": step, "seed": seed, "a": 0.1 + step / 1_000 + seed / 100, "b": 0.3}
        for seed in (0, 1)
        for step in (0, 20, 30, 100)
    ]
    return pd.DataFrame(rows)


def temperatures(seeds=(0, 1, 2)):
    rows = [(t, seed, 2 * t + seed / 10, t / 2.5, 1 - t / 3) for t, seed in product((0.5, 1.0, 2.0), seeds)]
    return pd.DataFrame(rows, columns=["temperature", "seed", "entropy", "distinct", "words"])


def paths():
    rows = [(name, step, -4.0 + step, 1.0 - step, 15.0 / (step + 1)) for name in ("sgd", "adam") for step in range(4)]
    return pd.DataFrame(rows, columns=["optimizer", "step", "x", "y", "loss"])


def gate_values():
    rng = np.random.default_rng(0)
    parts = [pd.DataFrame({"gate": gate, "value": rng.uniform(-1 if gate == "g" else 0, 1, 30)}) for gate in "ifgo"]
    return pd.concat(parts)


def decay():
    rows = [
        (radius, seed, lag, radius**lag, 1.5 * radius**lag)
        for radius, seed, lag in product((0.5, 1.1), (0, 1), (1, 2, 5))
    ]
    return pd.DataFrame(rows, columns=["spectral_radius", "seed", "lag", "norm", "bound"])


def reach(networks=("RNN", "LSTM", "LSTM with forget bias 1"), whens=("before", "after"), seeds=(0, 1, 2)):
    rows = [
        (network, seed, when, lag, rate**lag * (1 + seed / 10), np.nan if network == "RNN" else 0.5**lag)
        for network, seed, (when, rate), lag in product(networks, seeds, zip(whens, (0.6, 1.2)), range(5))
    ]
    return pd.DataFrame(rows, columns=["network", "seed", "when", "lag", "jacobian", "cell"])


def kept(seeds=(0, 1)):
    rows = [
        (network, seed, when, low ** (unit + seed))
        for network, seed, (when, low), unit in product(
            ("LSTM", "LSTM with forget bias 1"), seeds, (("before", 0.8), ("after", 0.01)), range(6)
        )
    ]
    return pd.DataFrame(rows, columns=["network", "seed", "when", "kept"])


def speeds():
    rows = [
        (part, contender, cell, length, open_ratio, ratio, 0.9 * ratio, 1.2 * ratio)
        for part, (contender, ratio), cell, length, open_ratio in product(
            ("forward + backward", "full step"),
            (("torch.nn", 1.0), ("our torch code", 1.3)),
            ("lstm", "rnn"),
            (5, 30),
            (0.05, 1),
        )
    ]
    columns = ["part", "contender", "cell", "length", "open_ratio", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def step_sizes():
    table = optimizers(seeds=(0, 1))
    rate = 1 / (table["step"] + table["seed"] + 1)
    deciles = {"effective_rate_low": rate / 2, "effective_rate_high": rate * 2}
    return table.assign(effective_rate=rate, **deciles, update=0.1 / (table["step"] + 1))


def elsewhere():
    rows = [(model, seed, 5, length, seed / 2) for model in ("rnn", "lstm") for seed in (0, 1) for length in (4, 5, 6)]
    return pd.DataFrame(rows, columns=["model", "seed", "trained_at", "length", "accuracy"])


def horizons(bases=("report", "better start")):
    rows = [
        (base, factor, value, model, 5 * (place + 1) * (model == "lstm"))
        for base in bases
        for place, (factor, value) in enumerate((("", ""), ("digits", "one-hot"), ("rate", "0.1"), ("rate", "0.2")))
        for model in ("rnn", "lstm")
    ]
    table = pd.DataFrame(rows, columns=["base", "factor", "value", "model", "horizon"])
    return pd.concat([table.assign(budget=1_000), table.assign(budget=300, horizon=table["horizon"] // 2)])


def budgets():
    parts = [horizons().query("factor == '' and budget == 1_000").assign(budget=budget) for budget in (0, 50, 100)]
    return pd.concat(parts, ignore_index=True)


def solving(failed=math.inf):
    rows = [
        (base, model, length, seed, failed if (model, length) == ("rnn", 10) else 10 * length + seed)
        for base, model, length, seed in product(("report", "better start"), ("rnn", "lstm"), (5, 10), (0, 1, 2))
    ]
    return pd.DataFrame(rows, columns=["base", "model", "length", "seed", "steps"])


def readings(seeds=(0, 1, 2)):
    rows = [
        (model, state, when, seed, step, 1 / (step + seed / 10) if when == "before" else 0.9)
        for (model, state), when, seed, step in product(
            (("rnn", "h"), ("lstm", "c"), ("lstm", "h")), ("before", "random", "after"), seeds, (1, 2, 3)
        )
    ]
    return pd.DataFrame(rows, columns=["model", "state", "when", "seed", "step", "accuracy"])


def active():
    rng = np.random.default_rng(0)
    lstm = {name: rng.uniform(-3 if name == "c" else 0, 3 if name == "c" else 1, (6, 4)) for name in "hcifgo"}
    digits = np.array([3, 1, 1, 3])
    return {"RNN": {"digits": digits, "h": rng.uniform(-1, 1, (6, 4))}, "LSTM": {"digits": digits, **lstm}}


def products(seeds=(0, 1)):
    rows = [
        (seed, step, share, share / (step + 1 + seed / 10))
        for seed, step, share in product(seeds, (0, 50, 100), (0.1, 0.9))
    ]
    return pd.DataFrame(rows, columns=["seed", "step", "share", "kept"])


def plane():
    rng = np.random.default_rng(0)
    rows = [
        (palindrome, palindrome % 10, step, *rng.normal(palindrome % 10, 0.1, 2))
        for palindrome, step in product(range(30), (1, 2, 3))
    ]
    return pd.DataFrame(rows, columns=["palindrome", "digit", "step", "x", "y"])


WAYS = {"jacobian": "all paths", "cell": "along the cell"}


def lives(forget=(0.5, 0.9), r_on=(0.1, 0.5, 1.0)):
    rows = [(f, r, 2 / r / (1 - f), 2.1 / r / (1 - f), 1 / (1 - f)) for f, r in product(forget, r_on)]
    return pd.DataFrame(rows, columns=["forget", "r_on", "closed", "measured", "ungated"])


def counted(r_on=(0.05, 0.5)):
    rows = [(r, unit, round(r * unit), 4 * r) for r, unit in product(r_on, range(9))]
    return pd.DataFrame(rows, columns=["r_on", "unit", "updates", "expected"])


def derivatives(mods=("floored", "stopped")):
    rows = [(mod, n, 0.0 if mod == "floored" else abs(n) / (abs(n) + 1)) for mod, n in product(mods, (-1, 0, 1, 10))]
    return pd.DataFrame(rows, columns=["mod", "periods", "error"])


def found(remedies=("no remedy", "both"), periods=(2, 10), seeds=(0, 1)):
    rows = [
        (remedy, n, ratio, offset, seed, remedy == "both" or (ratio, offset, seed) == (1.0, 0.0, 0), remedy)
        for remedy, n, seed in product(remedies, periods, seeds)
        for ratio, offset in ((0.8, 0.0), (1.0, 0.0), (1.2, 0.0), (1.0, -0.2), (1.0, 0.2))
    ]
    return pd.DataFrame(rows, columns=["remedy", "periods", "ratio", "offset", "seed", "recovered", "mod"])


def shut(longest=(20.0, 1000.0)):
    rows = [(long, r, length, 1 / (1 + r * length)) for long, r, length in product(longest, (0.05, 0.2), (5, 50))]
    return pd.DataFrame(rows, columns=["longest", "r_on", "length", "share"])


def leaked(leaks=(0.0, 0.001), dead=(True, False)):
    rows = [
        (leak, unit, kind, leak if kind else 1.0 + unit, leak / 10 if kind else 2.0 + unit)
        for leak, kind, unit in product(leaks, dead, range(3))
    ]
    return pd.DataFrame(rows, columns=["leak", "unit", "dead", "weights", "gate"])


def solved(steps=(100, np.inf), seeds=(0, 1)):
    """Steps to solve T = 20 and 50: the LSTM from two starts, and the gated one."""
    networks = (("lstm", "plain"), ("lstm", "better"), ("temporal-gate", ""))
    rows = [
        (*network, length, seed, taken + seed)
        for network, (length, taken), seed in product(networks, zip((20, 50), steps), seeds)
    ]
    return pd.DataFrame(rows, columns=["model", "value", "length", "seed", "steps"])


def carrying(first_open=(1, 1, 7, 0)):
    return pd.DataFrame({"first_open": first_open, "margin": [2.0, 0.5, -0.1, 0.0][: len(first_open)]})


def silenced():
    return pd.DataFrame({"which": [*temporal_gate.SILENCED], "accuracy": [1.0, 0.1, 0.9, 0.8]})


def asleep(gates=tuple(temporal_gate.BURST_NAMES), seeds=(0, 1)):
    rows = [(name, step, seed, 0.5 + step / 300) for name, step, seed in product(gates, STEPS, seeds)]
    return pd.DataFrame(rows, columns=["gate", "step", "seed", "test_accuracy"])


def sought(starts=(16.0, 20.0), seeds=(0, 1)):
    ends = [(start, seed, 0.9 - abs(start - 20) / 10, start == 20) for start, seed in product(starts, seeds)]
    ways = [
        (start, seed, step, start + unit + step * (20 - start) / 100)
        for start, seed, step, unit in product(starts, seeds, STEPS, (-0.1, 0.0, 0.1))
    ]
    return (
        pd.DataFrame(ends, columns=["start", "seed", "test_accuracy", "found"]),
        pd.DataFrame(ways, columns=["start", "seed", "step", "tau"]),
        20.0,
        {"best possible": 0.99},
    )


def on_task(seeds=(0, 1), **settings):
    table = runs(("lstm", "temporal-gate"), seeds=seeds, **settings)
    return table.assign(test_loss=0.2 - 0.2 * table["step"] / table["step"].max())


def marked(seeds=(0, 1)):
    return pd.concat([runs(seeds=seeds).assign(r_on=r_on) for r_on in (np.nan, 0.05, 0.2, 0.5, 1.0)])


def waves(samplings, **settings):
    parts = [on_task(**settings).assign(sampling=sampling) for sampling in samplings]
    networks = {"lstm": "LSTM", "temporal-gate": "gated"}
    return with_chance(pd.concat(parts).assign(network=lambda rows: rows["model"].map(networks)))


BOUNDS = {"best possible": 0.99, "best without a clock": 0.84}
MODELS = ("rnn", "lstm", "temporal-gate")


def mutants():
    """Of two modules, one tested well."""
    outcomes = {"cells": ["killed"] * 30, "words": ["killed"] * 8 + ["survived"] * 2, "sampling": ["not tried"]}
    rows = [(module, outcome) for module, found in outcomes.items() for outcome in found]
    return pd.DataFrame(rows, columns=["module", "outcome"]).assign(reason="")


def cells_compared(seeds=(0, 1), tasks=("palindromes", "adding", "text")):
    """Four cells at two rates; of the first task's trainings some end early."""
    rows = [
        {"task": task, "model": model, "learning_rate": rate, "seed": seed, "step": step, "solved": 0.9,
         "value": {"palindromes": 0.1 + step / 130, "adding": 1 / (step + 2), "text": 6 - step / 50}[task] + seed / 99}
        for task, model, rate, seed, step in product(tasks, comparisons.CELL_COLOURS, (1e-3, 1e-2), seeds, STEPS)
        if task != "palindromes" or seed or step < STEPS[-1]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def memories(size="length", sizes=(100, 750), seeds=(0, 1, 2), solved=0.02):
    """Five networks, of which some solve the shorter ones; the last one is not trained at the longest."""
    rows = [
        {"network": network, size: value, "seed": seed, "step": step, "steps": STEPS[-1], "solved": solved,
         "test_loss": (loss := (1 + place) * value / 100 / (step + 1)), "ratio": loss}
        for (place, network), value, seed, step in product(enumerate(comparisons.MEMORY_COLOURS), sizes, seeds, STEPS)
        if place < 4 or value == min(sizes)
    ]  # fmt: skip
    return pd.DataFrame(rows)


DRAWINGS = {
    "figure 1a": lambda: rnn_versus_lstm.figure_1a(runs()),
    "figure 1a, one seed": lambda: rnn_versus_lstm.figure_1a(runs(seeds=(0,))),
    "figure 1a, one record": lambda: rnn_versus_lstm.figure_1a(runs(steps=(0, 1))),
    "by length": lambda: rnn_versus_lstm.by_length(runs(lengths=(5, 10, 20))),
    "by length, one seed": lambda: rnn_versus_lstm.by_length(runs(lengths=(5, 10), seeds=(3,))),
    "by length, more than colours": lambda: rnn_versus_lstm.by_length(runs(lengths=range(2, 14))),
    "optimizers": lambda: rnn_versus_lstm.optimizer_curves(optimizers()),
    "optimizers, one seed": lambda: rnn_versus_lstm.optimizer_curves(optimizers(seeds=(0,))),
    "museum": lambda: museum.gallery(mistakes(), bugs(), SYMPTOMS),
    "noticed": lambda: trust.noticed(mutants()),
    "quadratic": lambda: rnn_versus_lstm.quadratic(paths()),
    "gates": lambda: rnn_versus_lstm.gates(gate_values()),
    "palindrome": lambda: diagrams.palindrome([4, 9, 3, 9, 4]),
    "unrolled": lambda: diagrams.unrolled(3),
    "LSTM cell": lambda: diagrams.lstm_cell("t"),
    "characters": lambda: diagrams.characters("The␣"),
    "gated update": lambda: diagrams.update(1 / 3),
    "gated update, shut": lambda: diagrams.update(0.0),
    "temporal gate": lambda: gate.temporal_gate(k_of(), Gate(6.0, 3.0, 0.2)),
    "temporal gate, s = 0": lambda: gate.temporal_gate(k_of(s=0.0), Gate(6.0, 0.0, 0.2)),
    "temporal gate, s < 0, never shut": lambda: gate.temporal_gate(k_of(s=-2.0, r_on=1.0), Gate(6.0, -2.0, 1.0)),
    "states": lambda: gate.states(states()),
    "text": lambda: text_figures.curves_of_first_steps(text()),
    "text, one seed": lambda: text_figures.curves_of_first_steps(text(seeds=(0,))),
    "text, nothing held out": lambda: text_figures.curves_of_first_steps(text(held_out=False)),
    "text, one record": lambda: text_figures.curves_of_first_steps(text(steps=(0, 1))),
    "long training": lambda: text_figures.long_training(
        pd.concat([long_text().assign(training="one"), long_text((1, 2), 4_000).assign(training="two")]), [(2_000, 0.5)]
    ),
    "bound": lambda: text_figures.bound(text().assign(training="runs"), (0.68, 0.126)),
    "without a favourite": lambda: text_figures.without_favourite(
        pd.DataFrame(
            {
                "part": ["training", "training", "temperature", "temperature"],
                "at": [0.3, 0.6, 0.5, 2.0],
                "share": [0.6, 0.3, 0.1, 0.6],
            }
        ),
        {"training": [{"accuracy": 0.5, "text": "a\nb"}], "temperature": [{"temperature": 1.0, "text": "\n\nb"}]},
    ),
    "memory of the book": lambda: text_figures.memory_of_the_book(
        pd.DataFrame({"step": [1, 10, 100], "training": [3.0, 2.0, 1.0], "held_out": [3.1, 2.2, 1.8]})
    ),
    "tracked": lambda: text_figures.tracked(passage("on\nit", a=([0, 1, 2, 0, 1], [0.1, 0.4, 0.8, -0.1, 0.2]))),
    "tracked, what never changes": lambda: text_figures.tracked(passage("on", a=([1, 1], [0, 0]), b=([1, 0], [0, 1]))),
    "recipes": lambda: text_figures.recipes(recipes(), others()),
    "recipes, one of each, no others": lambda: text_figures.recipes(recipes().query("seed == 1"), others()[:0]),
    "over training": lambda: text_figures.over_training(over_training(), {"a": "one", "b": "two"}, {"a": 0.2}, "share"),
    "over training, one step": lambda: text_figures.over_training(
        over_training().query("step == 0"), {"a": "one"}, {}, "share"
    ),
    "newlines": lambda: text_figures.newlines(
        pd.DataFrame(
            {"step": [0, 9], "seed": 0, "newlines": 0.1, "newlines_greedy": 0, "zero_state": 0, "after_first": 0}
        ),
        0.02,
    ),
    "words": lambda: text_figures.word_bands(over_training(), pd.Series({"a": 0.2, "b": 0.0})),
    "calibration": lambda: text_figures.calibration(
        pd.DataFrame({"step": 60, "confidence": [0.2, 0.9], "hits": [0.1, 0.8], "count": [5, 9]})
    ),
    "diversity": lambda: text_figures.diversity(temperatures()),
    "diversity, one seed": lambda: text_figures.diversity(temperatures(seeds=(0,))),
    "gradient memory": lambda: gradients.gradient_memory(decay().assign(jacobian=0.5, contribution=0.1)),
    "gradient decay": lambda: gradients.gradient_decay(decay(), "norm", "left").figure,
    "gradient decay with its bound": lambda: gradients.gradient_decay(decay(), "norm", "left", "bound").figure,
    "gradient decay to nothing": lambda: gradients.gradient_decay(decay().assign(norm=0.0), "norm", "left").figure,
    "gradient reach": lambda: cell_path.gradient_reach(reach(("LSTM",)), WAYS),
    "gradient reach, no cell": lambda: cell_path.gradient_reach(reach(), WAYS),
    "gradient reach, one seed, before": lambda: cell_path.gradient_reach(reach(whens=("before",), seeds=(4,)), WAYS),
    "gradient reach to nothing": lambda: cell_path.gradient_reach(reach().assign(jacobian=0.0), WAYS),
    "kept by units": lambda: cell_path.kept_by_units(kept()),
    "kept by units, one seed": lambda: cell_path.kept_by_units(kept(seeds=(0,))),
    "kept by units, nothing": lambda: cell_path.kept_by_units(kept().assign(kept=0.0)),
    "speed of contenders": lambda: speed.speed_of_contenders(speeds()),
    "speed by length": lambda: speed.speed_by_length(speeds()),
    "speed of gate": lambda: speed.speed_of_gate(speeds()),
    "speed in the page": lambda: speed.speed_in_page(speeds().assign(hidden_size=64)),
    "accuracy by rate": lambda: memory.accuracy_by_rate(runs(("rnn", "lstm"), (5, 10), (1e-3, 1e-2))),
    "accuracy by rate, more than colours": lambda: memory.accuracy_by_rate(runs(lengths=range(2, 14))),
    "accuracy by one rate, one seed": lambda: memory.accuracy_by_rate(runs(seeds=(0,))),
    "steps to solve": lambda: memory.steps_to_solve(solving(), 200),
    "steps to solve, all solved": lambda: memory.steps_to_solve(solving(150), 200),
    "horizon by factor": lambda: memory.horizon_by_factor(horizons().query("budget == 1_000")),
    "horizon by factor, one base, none solved": lambda: memory.horizon_by_factor(
        horizons(("report",)).query("budget == 300").assign(horizon=0)
    ),
    "horizon by budget": lambda: memory.horizon_by_budget(budgets()),
    "horizon by budget, none solved": lambda: memory.horizon_by_budget(budgets().assign(horizon=0)),
    "worlds": lambda: multiverse.specification_curve(worlds()),
    "worlds, all alike, one claim": lambda: multiverse.specification_curve(worlds(("figure 1a",), [0.0] * 4)),
    "decoded": lambda: memory.decoded(readings()),
    "decoded, one seed": lambda: memory.decoded(readings(seeds=(0,))),
    "activity": lambda: memory.activity(active()),
    "forget products": lambda: memory.forget_products(products()),
    "forget products, one seed": lambda: memory.forget_products(products(seeds=(0,))),
    "state space": lambda: memory.state_space(
        {"RNN, h(t)": Plane(plane(), 0.5, 0.4), "LSTM, c(t)": Plane(plane(), 0.9, 1.0)}
    ),
    "step sizes": lambda: memory.step_sizes(step_sizes()),
    "other lengths": lambda: memory.other_lengths(elsewhere()),
    "half-lives": lambda: gate.half_lives(lives()),
    "half-life of one memory behind one gate": lambda: gate.half_lives(lives((0.5,), (0.2,))),
    "half-lives, one gate never open": lambda: gate.half_lives(lives().assign(measured=[math.inf, *[1.0] * 5])),
    "updates, none": lambda: gate.updates(counted().assign(updates=0)),
    "updates": lambda: gate.updates(counted()),
    "updates, one r_on": lambda: gate.updates(counted((0.2,))),
    "derivatives of mod": lambda: gate.mod_derivatives(derivatives(), found(("floored", "stopped"))),
    "recovery": lambda: gate.recovery(found()),
    "recovery, one of each": lambda: gate.recovery(found(("no remedy",), (2,), (0,))),
    "never open": lambda: gate.never_open(shut()),
    "never open, one": lambda: gate.never_open(shut((20.0,))),
    "leaked gradients": lambda: gate.leaked_gradients(leaked()),
    "leaked gradients, no leak": lambda: gate.leaked_gradients(leaked((0.0,))),
    "leaked gradients, all open": lambda: gate.leaked_gradients(leaked(dead=(False,))),
    "gate: steps to solve": lambda: temporal_gate.steps_to_solve(solved(), 1_500),
    "gate: steps to solve, all": lambda: temporal_gate.steps_to_solve(solved((100, 700), seeds=(0,)), 1_500),
    "gate: carriers": lambda: temporal_gate.carriers(carrying(), silenced()),
    "gate: carriers, all from the first step": lambda: temporal_gate.carriers(carrying((1, 1)), silenced()),
    "gate: bursts": lambda: temporal_gate.bursts(asleep(), BOUNDS),
    "gate: bursts, two of them, one seed": lambda: temporal_gate.bursts(
        asleep(("none", "drawn, learned"), seeds=(0,)), BOUNDS
    ),
    "gate: seeking": lambda: temporal_gate.seeking(*sought()),
    "gate: seeking from one start": lambda: temporal_gate.seeking(*sought((20.0,), (0,))),
    "gate: sine waves": lambda: temporal_gate.frequency(waves(temporal_gate.PUBLISHED)),
    "gate: sine waves, one panel": lambda: temporal_gate.frequency(waves(["standard"], seeds=(0,))),
    "gate: adding": lambda: temporal_gate.adding(on_task()),
    "gate: marked digit": lambda: temporal_gate.marked_digit(marked()),
    "contenders": lambda: comparisons.contenders(cells_compared()),
    "contenders, one seed": lambda: comparisons.contenders(cells_compared(seeds=(0,))),
    "adding, five networks": lambda: comparisons.adding(memories()),
    "copying": lambda: comparisons.copying(memories("delay")),
    "copying, one seed": lambda: comparisons.copying(memories("delay", seeds=(0,))),
    "gate race": lambda: temporal_gate.race(runs(("lstm", "temporal-gate"), (5, 10))),
    "gate race, one seed": lambda: temporal_gate.race(runs(("lstm", "temporal-gate"), seeds=(0,))),
}


# What a reader's matplotlibrc may say, or a notebook have set.
READERS = {
    "text.usetex": True,
    "font.family": "serif",
    "font.size": 30,
    "axes.facecolor": "pink",
    "axes.grid": True,
    "axes.titlesize": 30,
    "axes.xmargin": 0.4,
    "figure.autolayout": True,
    "figure.dpi": 40,
    "image.origin": "lower",
    "legend.loc": "center",
    "lines.linestyle": ":",
    "lines.markersize": 20,
    "path.simplify": False,
    "savefig.bbox": "tight",
    "svg.fonttype": "none",
    "xtick.labelsize": 30,
    "ytick.direction": "in",
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_is_drawn_without_a_warning_and_the_same_to_the_byte_whatever_the_reader_has_set(name):
    plt.close("all")
    first = DRAWINGS[name]()
    assert plt.get_fignums() == []  # pyplot would keep it
    assert isinstance(first, Figure)
    svg = figures.svg(first)
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    with matplotlib.rc_context(READERS):
        assert svg == figures.svg(DRAWINGS[name]())
    assert b"nan" not in re.sub(rb"<metadata>.*?</metadata>", b"", svg, flags=re.S)


def test_a_readers_matplotlibrc_and_backend_change_nothing(tmp_path):
    code = """
import hashlib, pandas
from rnnreport import figures
drawing, (left, right) = figures.new(2)
table = pandas.DataFrame({"model": "rnn", "step": [1, 2], "seed": 0, "test_accuracy": [0.1, 0.9]})
figures.curves(table, "model", ax=left)
print(hashlib.sha256(figures.svg(drawing)).hexdigest())
"""
    settings = "\n".join(f"{name}: {value}" for name, value in {**READERS, "backend": "tkagg"}.items())
    (tmp_path / "matplotlibrc").write_text(settings, encoding="utf-8")
    found = set()
    for theirs in ({}, {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLBACKEND": "qtagg"}):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **theirs}, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_every_drawing_function_is_tested_here():
    modules = [import_module(module.name) for module in iter_modules(figures.__path__, "rnnreport.figures.")]
    functions = [f for module in (figures, *modules) for f in vars(module).values()]
    drawing = {f.__name__ for f in functions if getattr(f, "__annotations__", {}).get("return") == "Figure"}
    called = {name for draw in DRAWINGS.values() for name in draw.__code__.co_names}
    assert len(drawing) > 10
    assert drawing <= called


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: figures.curves(runs(), "model", ax=ax),
        lambda ax: gradients.gradient_decay(decay(), "norm", "left", ax=ax),
    ],
)
def test_a_panel_is_drawn_where_it_is_told_or_anew(draw):
    _, ax = figures.new()
    assert draw(ax) is ax
    assert isinstance(draw(None), Axes)


def tick_labels(axis):
    """Where the labels of an axis's ticks stand and what they say."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    labels = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    return [
        (label.get_window_extent(), label.get_text()) for label in labels if label.get_visible() and label.get_text()
    ]


WIDE = {
    "activity": lambda: memory.activity({name: active()["LSTM"] for name in ("RNN", "LSTM")}),
    "sine waves": lambda: temporal_gate.frequency(waves(temporal_gate.PUBLISHED, steps=(0, 10_900))),
    "adding": lambda: temporal_gate.adding(on_task(steps=(0, 30_000))),
    "race": lambda: temporal_gate.race(runs(("lstm", "temporal-gate"), (20, 50, 100), steps=(0, 1_600))),
    "decoded": lambda: memory.decoded(readings().assign(step=lambda t: 300 * t["step"])),
    "accuracy by rate": lambda: memory.accuracy_by_rate(runs(("rnn", "lstm"), (5,), (3e-4, 1e-3, 3e-3, 1e-2))),
    "updates": lambda: gate.updates(counted()),
    "states": lambda: gate.states(states()),
    "worlds": lambda: multiverse.specification_curve(worlds()),
}


@pytest.mark.parametrize("name", WIDE)
def test_the_labels_of_ticks_do_not_cover_each_other(name):
    figure = WIDE[name]()
    figures.in_style(FigureCanvasAgg(figure).draw)()
    for kind in ("xaxis", "yaxis"):
        found = [label for ax in figure.axes for label in tick_labels(getattr(ax, kind))]
        assert found
        for (one, a), (other, b) in combinations(found, 2):
            apart = max(other.x0 - one.x1, one.x0 - other.x1, other.y0 - one.y1, one.y0 - other.y1)
            assert apart > 1, f"{a!r} and {b!r}"


@pytest.mark.parametrize(
    "drawing",
    [
        lambda: cell_path.gradient_reach(reach(("RNN", "LSTM")), {"jacobian": "all paths"}),
        lambda: cell_path.kept_by_units(kept()),
    ],
)
def test_a_legend_names_every_line_of_every_panel(drawing):
    figure = drawing()
    (legend,) = figure.legends
    named = {(to_hex(line.get_color()), line.get_linestyle()) for line in legend.get_lines()}
    drawn = [line for ax in figure.axes for line in ax.lines if line.get_linestyle() != ":"]
    assert {(to_hex(line.get_color()), line.get_linestyle()) for line in drawn} == named
    assert len({text.get_text() for text in legend.get_texts()}) == len(named)


def long(rows, columns):
    """A table of so many rows, each column from 0 to 1 or one value."""
    table = {name: np.linspace(0.1, 1, rows) if value is None else value for name, value in columns.items()}
    return pd.DataFrame(table, index=range(rows))


LONG = {
    "curve": lambda rows: rnn_versus_lstm.figure_1a(
        long(rows, {"seed": 0, "test_accuracy": None, "accuracy": 0.5}).assign(step=range(rows))
    ),
    "kept": lambda rows: cell_path.kept_by_units(
        long(rows, {"network": "LSTM", "seed": 0, "when": "after", "kept": None}),
    ),
    "updates": lambda rows: gate.updates(
        long(rows, {"r_on": 0.2, "expected": 3.0}).assign(updates=np.arange(rows) % 97)
    ),
    "leaked": lambda rows: gate.leaked_gradients(
        long(rows, {"leak": 0.0, "dead": False, "weights": None, "gate": None}),
    ),
    "carriers": lambda rows: temporal_gate.carriers(
        long(rows, {"margin": None}).assign(first_open=range(rows)), silenced()
    ),
    "step sizes": lambda rows: memory.step_sizes(
        long(
            rows, dict.fromkeys(("effective_rate", "effective_rate_low", "effective_rate_high", "update"), 0.1)
        ).assign(optimizer="sgd", learning_rate=0.1, step=range(rows)),
    ),
    "temporal gate": lambda rows: gate.temporal_gate(k_of(tau=rows / 10, until=rows), Gate(rows / 10, 3.0, 0.2)),
}


@pytest.mark.parametrize("name", LONG)
def test_the_size_of_a_figure_does_not_grow_with_what_is_drawn(name):
    short, much = (len(figures.svg(LONG[name](rows))) for rows in (4_000, 20_000))
    assert much < 1.2 * short + 20_000
    assert much < 800_000


def test_the_states_of_the_longest_period_fit_a_page():
    table = long(3_000, dict.fromkeys(("k", "h", "c", "gated h", "gated c"))).assign(t=range(3_000))
    assert len(figures.svg(gate.states(table))) < 800_000


def test_a_long_line_keeps_its_ends():
    rows = pd.DataFrame({"step": range(100_001)})
    kept = figures.thinned(rows)["step"]
    assert len(kept) == figures.MOST
    assert (kept.iloc[0], kept.iloc[-1]) == (0, 100_000)
    assert kept.diff().max() == kept.diff().min() + 1
    assert figures.thinned(rows[:5])["step"].tolist() == [0, 1, 2, 3, 4]


# What is drawn


def lines(ax):
    """Colour to points of the first line drawn in it, guides left out."""
    found = {}
    for line in ax.lines:
        if line.get_color() != figures.GUIDE:
            found.setdefault(to_hex(line.get_color()), np.column_stack(line.get_data()).tolist())
    return found


def words(ax):
    return [annotation.get_text() for annotation in ax.texts]


def test_a_curve_is_the_mean_over_the_seeds_and_its_band_the_interval():
    table = runs(("rnn", "lstm"))
    ax = figures.curves(table, "model", colours=figures.COLOURS, names=figures.NAMES)
    groups = table[table["model"] == "rnn"].groupby("step")["test_accuracy"]
    expected = [interval(values.tolist()) for _, values in groups]
    np.testing.assert_allclose(lines(ax)[figures.RNN.lower()], [[s, e[0]] for s, e in zip(STEPS, expected)])
    edges = ax.collections[0].get_paths()[0].vertices
    for step, (_, low, high) in zip(STEPS, expected):
        drawn = edges[edges[:, 0] == step, 1]
        assert drawn.min() == pytest.approx(max(low, 0))
        assert drawn.max() == pytest.approx(min(high, 1))
    assert {"RNN", "LSTM", "chance"} == set(words(ax))


def test_the_band_of_a_share_stays_between_0_and_1_and_that_of_a_loss_need_not():
    table = runs(seeds=(0, 1)).assign(test_accuracy=lambda t: 0.6 + 0.4 * t["seed"])
    heights = [
        figures.curves(table, "model", share=share).collections[0].get_paths()[0].vertices[:, 1]
        for share in (True, False)
    ]
    assert (heights[0].min(), heights[0].max()) == (0, 1)
    assert heights[1].max() > 1


def test_nothing_is_drawn_of_what_was_not_measured_yet():
    ax = rnn_versus_lstm.figure_1a(runs(steps=(0,))).axes[0]
    assert "training\nbatches" not in words(ax)


def test_a_single_seed_has_no_band():
    assert not figures.curves(runs(seeds=(0,)), "model").collections
    assert len(figures.curves(runs(seeds=(0, 1)), "model").collections) == 1


def test_the_chance_level_can_be_left_out():
    assert "chance" not in words(figures.curves(runs(), "model", chance=None))


def test_names_at_the_ends_do_not_cover_each_other():
    ax = rnn_versus_lstm.by_length(runs(lengths=(5, 6, 7, 8), seeds=(0,))).axes[0]
    heights = sorted(annotation.xyann[1] for annotation in ax.texts if annotation.get_text().startswith("T ="))
    assert len(heights) == 4
    assert min(np.diff(heights)) > 0.03


def test_each_optimizer_is_drawn_at_its_best_rate():
    table = optimizers()
    table.loc[(table["optimizer"] == "adam") & (table["learning_rate"] == 0.01), "test_accuracy"] += 0.2
    names = words(rnn_versus_lstm.optimizer_curves(table).axes[0])
    assert {"SGD, 0.1", "Adam, 0.01"} <= set(names)


def test_a_horizon_stands_where_it_was_reached_and_the_base_beside_it():
    figure = memory.horizon_by_factor(horizons().query("budget == 1_000"))
    report, better = figure.axes
    assert [report.get_title(), better.get_title()] == ["from the report", "from the better start"]
    assert [text.get_text() for text in report.get_yticklabels()] == ["one-hot", "0.1", "0.2"]
    assert [text for text in words(report) if text] == ["digits", "rate"]
    for ax in (report, better):
        dots = {to_hex(line.get_color()): list(line.get_xdata()) for line in ax.lines}
        assert dots == {figures.RNN.lower(): [3, 3, 3], figures.LSTM.lower(): [10, 15, 20]}  # 3 stands for none
        starts = [arrow.xyann[0] for arrow in ax.texts if arrow.arrow_patch is not None]
        assert starts == [3, 3, 3, 5, 5, 5]


def test_what_is_not_solved_is_crossed_above_the_budget():
    ax = memory.steps_to_solve(solving(), 200).axes[0]
    crosses = [line for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [to_hex(line.get_color()) for line in crosses] == [figures.RNN.lower()]
    assert crosses[0].get_xdata() == pytest.approx(3 * [10], rel=0.05)
    assert min(crosses[0].get_ydata()) > 200
    lstm = next(line for line in ax.lines if to_hex(line.get_color()) == figures.LSTM.lower())
    assert not set(crosses[0].get_xdata()) & set(lstm.get_xdata())  # side by side


def test_a_heat_map_s_scale_holds_every_value():
    panels = [ax for ax in memory.activity(active()).axes if ax.images]
    assert len(panels) == 6
    for ax in panels:
        (image,) = ax.images
        low, high = image.get_clim()
        assert low <= image.get_array().min()
        assert image.get_array().max() <= high


def test_figure_1a_has_the_training_batches_as_well():
    ax = rnn_versus_lstm.figure_1a(runs()).axes[0]
    assert {"training\nbatches", "fresh\npalindromes", "chance"} == set(words(ax))
    assert len(ax.lines) == 3


def test_figure_3_names_its_dimensions_and_dots_the_integer_steps():
    ax = gate.temporal_gate(k_of(), Gate(6.0, 3.0, 0.2)).axes[0]
    assert {"s = 3", "τ = 6"} <= set(words(ax))
    assert any("on" in text and text.endswith("τ = 1.2") for text in words(ax))
    dots = next(line for line in ax.lines if line.get_linestyle() == "None")
    assert dots.get_xdata().tolist() == list(range(25))
    assert max(dots.get_ydata()) == pytest.approx(1 / 3)


def test_a_model_has_one_colour_throughout():
    race = temporal_gate.race(runs(("lstm", "temporal-gate"))).axes[0]
    lengths = memory.other_lengths(elsewhere()).axes[0]
    for ax, colours in ((race, {figures.LSTM, figures.GATED}), (lengths, {figures.LSTM, figures.RNN})):
        assert {colour.lower() for colour in colours} <= set(lines(ax))
    assert len(set(figures.COLOURS.values())) == len({figures.NAMES[model] for model in figures.COLOURS})
    assert set(figures.COLOURS) <= set(figures.NAMES)


def test_text_curves_without_held_out_text_have_one_line_each():
    for held_out, count in ((True, 2), (False, 1)):
        for ax in text_figures.curves_of_first_steps(text(held_out=held_out)).axes:
            assert len(ax.lines) == count


def test_lengths_that_were_not_solved_are_crosses_above_the_budget():
    ax = temporal_gate.steps_to_solve(solved(), 1_500).axes[0]
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [2, 2, 2]
    assert all((line.get_ydata() > 1_500).all() for line in crosses)
    medians = {line.get_label(): line.get_color() for line in ax.lines if not line.get_label().startswith("_")}
    assert set(medians) == {"LSTM, plain", "LSTM, better", "gated LSTM"}
    assert len(set(medians.values())) == 3


def test_the_name_of_a_gate_stands_beside_its_line_and_between_the_bounds():
    ends = {"none": 0.91, "open in the quiet": 0.993, "drawn, learned": 0.99, "burst, learned": 0.985}
    table = asleep((*ends, "open in the burst")).assign(
        test_accuracy=lambda rows: rows["gate"].map({**ends, "open in the burst": 0.5})
    )
    ax = temporal_gate.bursts(table, BOUNDS).axes[0]
    heights = {text.get_text(): text.xyann[1] for text in ax.texts}
    for gate_name, end in ends.items():
        assert abs(heights[temporal_gate.BURST_NAMES[gate_name]] - end) < 0.06
    assert 0.84 < heights["LSTM"] < heights["bursts, learned"] < 0.99


def test_accuracies_on_waves_stand_beside_the_published_ones():
    figure = temporal_gate.frequency(waves(["standard", "asynchronous"]))
    assert [ax.get_title() for ax in figure.axes] == ["standard", "asynchronous"]
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gated", "LSTM"]
    diamonds = {line.get_ydata()[0]: line.get_xdata()[0] for line in ax.lines if line.get_marker() == "D"}
    assert diamonds == {0: 0.9926, 1: 0.8934}
    assert [len(line.get_xdata()) for line in ax.lines if line.get_marker() == "o"] == [2, 2]


def test_every_unit_is_drawn_at_its_first_opening():
    ax, bars = temporal_gate.carriers(carrying(), silenced()).axes
    assert [bar.get_width() for bar in bars.patches] == [1.0, 0.1, 0.9, 0.8]
    first, later, dead = [line for line in ax.lines if line.get_marker() == "o"]
    assert (first.get_ydata().tolist(), later.get_ydata().tolist()) == ([2.0, 0.5], [-0.1])
    assert later.get_xdata().tolist() == [7]
    assert len(dead.get_xdata()) == 1


def test_ways_that_end_at_the_true_period_are_green():
    _, right = temporal_gate.seeking(*sought()).axes
    colours = [to_hex(line.get_color()) for line in right.lines if len(line.get_xdata()) == len(STEPS)]
    assert colours == [figures.GATED.lower()] * 4  # all arrive
    ends, ways, *others = sought()
    astray = ways.assign(tau=ways["tau"].where(ways["start"] == 20, ways["start"]))
    _, right = temporal_gate.seeking(ends, astray, *others).axes
    colours = [to_hex(line.get_color()) for line in right.lines if len(line.get_xdata()) == len(STEPS)]
    assert colours.count(figures.GATED.lower()) == 2


def test_half_lives_have_the_formula_as_a_line_and_the_measured_as_marks():
    ax = gate.half_lives(lives((0.5,))).axes[0]
    line, marks, ungated = ax.lines
    assert line.get_ydata().tolist() == [40, 8, 4]
    assert marks.get_ydata().tolist() == [42, 8.4, 4.2]
    assert (marks.get_linestyle(), marks.get_marker()) == ("None", "o")
    assert list(ungated.get_ydata()) == [2, 2]
    assert " f = 0.5" in words(ax)


def test_updates_are_sorted_over_the_units():
    counts, expected = gate.updates(counted((0.5,))).axes[0].lines
    assert counts.get_ydata().tolist() == [4, 4, 3, 2, 2, 2, 1, 0, 0]
    assert counts.get_xdata()[-1] == 1
    assert list(expected.get_ydata()) == [2, 2]


def test_shares_of_gates_found_again_are_over_the_seeds():
    left, right = gate.recovery(found(periods=(2,))).axes
    ticks = [[tick.get_text() for tick in ax.get_xticklabels()] for ax in (left, right)]
    assert ticks == [["0.8", "1", "1.2"], ["−0.2", "0", "0.2"]]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["no remedy", "both"]
    for ax in (left, right):
        assert ax.images[0].get_array().tolist() == [[0, 0.5, 0], [1, 1, 1]]


def test_a_heat_map_of_shut_units_says_its_shares():
    ax = gate.never_open(shut((20.0,))).axes[0]
    assert [text.get_text() for text in ax.texts] == ["80%", "29%", "50%", "9%"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0.05", "0.2"]


def test_gradients_that_are_zero_are_named_and_not_drawn():
    figure = gate.leaked_gradients(leaked())
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [name for name in named if name.endswith("all 0")] == ["units that never open, leak 0: all 0"]
    drawn = {line.get_label(): len(line.get_xdata()) for line in figure.axes[0].lines}
    assert drawn["units that never open, leak 0: all 0"] == 0
    assert drawn["units that never open, leak 0.001"] == drawn["units that open, leak 0"] == 3


def test_what_has_underflowed_leaves_the_log_scale():
    table = decay()
    table.loc[(table["spectral_radius"] == 0.5) & (table["lag"] == 5), "norm"] = 0.0
    ax = gradients.gradient_decay(table, "norm", "left")
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 2], [1, 2, 5]]
    assert ax.get_yscale() == "log"


# How it is shown


def test_the_reach_of_a_gradient_is_the_median_over_the_seeds():
    table = reach()
    figure = cell_path.gradient_reach(table, WAYS)
    rnn, lstm, _ = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["RNN", "LSTM", "LSTM with forget bias 1"]
    (after,) = (line for line in lstm.lines if line.get_label() == "after training, all paths, LSTM")
    np.testing.assert_allclose(np.column_stack(after.get_data()), [(lag, 1.2**lag * 1.1) for lag in range(5)])
    (dashed,) = (line for line in lstm.lines if line.get_label() == "before training, along the cell")
    assert dashed.get_linestyle() == "--"
    np.testing.assert_allclose(dashed.get_ydata(), [0.5**lag for lag in range(5)])
    colours = {to_hex(line.get_color()) for ax in (rnn, lstm) for line in ax.lines if "after" in line.get_label()}
    assert colours == {figures.RNN.lower(), figures.LSTM.lower()}
    assert not any(len(line.get_xdata()) for line in rnn.lines if "cell" in line.get_label())


def test_what_units_keep_is_sorted_and_stops_at_the_lowest():
    figure = cell_path.kept_by_units(kept(), lowest=1e-6)
    (after,) = (line for line in figure.axes[0].lines if line.get_label() == "after training")
    np.testing.assert_allclose(after.get_xdata(), np.arange(1, 7) / 6)
    np.testing.assert_allclose(after.get_ydata(), [1, 1e-2, 1e-4, 1e-6, 1e-6, 1e-6])
    assert len([line for line in figure.axes[0].lines if to_hex(line.get_color()) == figures.LSTM.lower()]) == 2


@pytest.mark.parametrize("start", range(0, len(CHARACTERS), 50))
def test_below_a_tracked_passage_stands_every_character_or_a_box(start):
    text = CHARACTERS[start : start + 50]
    figure = text_figures.tracked(passage(text, place=(range(len(text)), range(len(text)))))
    ElementTree.fromstring(figures.svg(figure))  # without a warning, too
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels == text_figures.signs(text)
    assert all(len(label) == 1 for label in labels)
    assert text_figures.signs("a$\n\x1b\r日\ud800") == ["a", "$", "⏎", "□", "□", "□", "□"]


@pytest.mark.parametrize(("accuracy", "loss"), [(0.02, 7.0), (0.6, 1.3), (1.0, 0.0)])
def test_the_end_of_a_training_is_within_the_figure_whatever_the_text(accuracy, loss):
    table = pd.DataFrame({"training": "it", "accuracy": [np.nan, accuracy], "loss": [np.nan, loss]})
    figure = text_figures.bound(table, (0.68, 0.126))
    (ax,) = figure.axes
    for x, y in ((accuracy, loss), (0.68, 0.126)):
        assert ax.get_xlim()[0] < x < ax.get_xlim()[1]
        assert ax.get_ylim()[0] <= y < ax.get_ylim()[1]


@pytest.mark.parametrize("level", [0.3, 1.9, 12.0])
def test_what_is_to_be_beaten_is_within_the_figure_however_bad_it_is(level):
    table = pd.DataFrame({"recipe": "one", "steps": 1, "minutes": [1.0], "held_out_bits": [2.0]})
    figure = text_figures.recipes(table, others().assign(bits=level))
    figures.svg(figure)  # without a warning
    bits, _ = figure.axes
    assert bits.get_xlim()[0] < level < bits.get_xlim()[1]
    assert bits.get_xlim()[0] < 2.0 < bits.get_xlim()[1]


@pytest.mark.parametrize("last", [20, 50, 3_000, 50_000, 10**7])
@pytest.mark.parametrize("draw", ["over training", "memory"])
def test_ticks_over_the_steps_do_not_cover_each_other(draw, last):
    steps = learning_steps(last)
    if draw == "memory":
        table = pd.DataFrame({"step": steps[1:], "training": 1.0, "held_out": 2.0})
        figure = text_figures.memory_of_the_book(table)
    else:
        habits = pd.DataFrame({"step": steps, "seed": 0, "newlines": 0.2, "zero_state": 0.0})
        names = {"newlines": "newlines written", "zero_state": "at zero state"}
        figure = text_figures.over_training(habits, names, {"newlines": 0.1}, "share")
    figure.draw_without_rendering()
    (ax,) = figure.axes
    labels = [*ax.get_xticklabels(), *ax.texts]
    boxes = [label.get_window_extent() for label in labels]
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)]
    words = [label.get_text() for label in ax.get_xticklabels()]
    assert words[0] == ("20" if draw == "memory" else "0")
    assert words[-1] == f"{last:,}"


def test_a_drawing_asks_no_other_host():
    svg = figures.svg(rnn_versus_lstm.by_length(runs())).decode()
    assert not re.search(r'(?:href|src)="(?!#)', svg)
    assert "<dc:date>" not in svg


# The coloured text


def test_a_coloured_text_is_the_text_and_never_markup():
    html = text_figures.coloured("a<b>\n&", [1.0, 4.0, 8.0, 20.0, 0.0])
    root = ElementTree.fromstring(html.replace("<br>", "<br/>"))
    assert "".join(root.itertext()) == "a<b>⏎&"
    grounds = [span.get("style") for span in root]
    assert grounds[2] == grounds[3]  # at most so dark
    assert len(set(grounds)) == 4
    assert [span.get("title") for span in root] == ["1.0 bits", "4.0 bits", "8.0 bits", "20.0 bits", "0.0 bits"]


def test_of_a_coloured_text_every_character_can_be_seen():
    html = text_figures.coloured(CHARACTERS, [1.0] * (len(CHARACTERS) - 1))
    root = ElementTree.fromstring(html.replace("<br>", "<br/>"))
    assert "".join(root.itertext()) == visible(CHARACTERS)


def test_a_coloured_text_has_a_cost_for_every_character_but_the_first():
    with pytest.raises(ValueError, match="shorter"):
        text_figures.coloured("abc", [1.0])


def test_what_is_said_of_colours_holds_in_the_dark_theme_too_which_inverts_figures():
    chapters = (Path(__file__).parents[1] / "book").glob("0*.ipynb")
    cells = [cell for chapter in chapters for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]]
    drawing = [source for cell in cells if re.search(r"\bshow\(", source := "".join(cell["source"]))]
    modules = [import_module(module.name) for module in iter_modules(figures.__path__, "rnnreport.figures.")]
    marks = [draw.marks for module in modules for draw in vars(module).values() if hasattr(draw, "marks")]
    assert len(drawing) > 30
    assert len(marks) > 20
    assert not re.findall(r"\b(?:black|white|dark\w*|light|lighter|pale\w*)\b", "".join([*drawing, *marks]))


def test_the_picture_in_the_readme_is_what_the_record_says(tmp_path):
    """Numbers may differ by rounding; where they differ by more, the new picture is at the path that is told."""
    record = recorded.read(str(ROOT / "data" / "temporal_gate.parquet"))
    climbs = recorded.rows(record, "palindromes", lambda: None)
    drawing = temporal_gate.steps_to_solve(horizon.steps_to_solve(climbs), int(climbs["steps"].max()))
    drawing.set_facecolor("white")  # the README may be read in the dark
    (new := tmp_path / "steps_to_solve.svg").write_bytes(figures.svg(drawing))
    number = re.compile(r"-?\d+\.\d+")
    shown, drawn = (path.read_text("utf-8").partition("</metadata>")[2] for path in (PICTURE, new))
    assert number.sub("", shown) == number.sub("", drawn), new
    assert [*map(float, number.findall(shown))] == pytest.approx([*map(float, number.findall(drawn))], abs=0.05), new
    assert f"]({PICTURE.relative_to(ROOT).as_posix()})" in (ROOT / "README.md").read_text("utf-8")
