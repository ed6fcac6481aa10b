"""What predicates measure, on tables made by hand, and the verdicts on these.

A case is (claim, tables, verdict) and, for one case of each claim at least, the mean of what is measured in each case
that the claim speaks of, and the whole remark. How a margin decides is tested in test_ledger.py.
"""

import math
import re
from importlib import import_module
from itertools import product
from pkgutil import iter_modules

import numpy as np
import pandas as pd
import pytest
import torch

from rnnreport import claims
from rnnreport.cells import temporal_gate
from rnnreport.claims import evidence, stated
from rnnreport.claims.verdicts import PREDICATES, Verdict, judge

for chapter in iter_modules(claims.__path__, "rnnreport.claims."):
    import_module(chapter.name)  # each has its chapter's predicates

STATED = stated.claims()
SPREAD = (-0.01, 0.0, 0.01)  # what seeds differ by
BOTH, RATES = ("rnn", "lstm"), (1e-3, 1e-2)
NAN = math.nan


def runs(accuracy, seeds=24, **settings):
    """Runs at every combination of settings; accuracy: a number or a function of the row, to which a spread is added.

    Of 24 seeds the first 4 choose a setting and the other 20 judge it.
    """
    settings = {"model": "rnn", "length": 20, "learning_rate": 1e-3, "step": 1_000} | settings
    rows = []
    for *values, seed in product(*(s if isinstance(s, tuple) else (s,) for s in settings.values()), range(seeds)):
        row = {**dict(zip(settings, values)), "seed": seed}
        value = accuracy(row) if callable(accuracy) else accuracy
        rows.append({**row, "test_accuracy": value + SPREAD[seed % 3]})
    return pd.DataFrame(rows)


def by(column, values):
    return lambda row: values[row[column]]


def at_rates(**by_rate):
    """Accuracies at the smaller rate and at the larger."""
    return by("learning_rate", {1e-3: by_rate["smaller"], 1e-2: by_rate["larger"]})


def schedules(lost):
    """SGD at two lengths, each best halved at another time; lost: at the other's."""
    return runs(
        lambda row: 0.8 - lost * ((row["length"] == 5) != (row["decay_every"] == 50)),
        length=(5, 10), decay_every=(50, 400), step=(0, 60),
    )  # fmt: skip


def noise(cosine):
    """Cosines at two rates, of which the larger is better; cosine: there, falling by 0.1 from step 0 to step 60."""
    table = runs(at_rates(smaller=0.2, larger=0.4), learning_rate=RATES, step=(0, 60))
    at_best = cosine + SPREAD[1] + 0.05 * np.where(table["step"] == 0, 1, -1) + (table["seed"] % 3 - 1) / 100
    return table.assign(cosine=at_best.where(table["learning_rate"] == 1e-2, 0.99))


def optimizers(adam, rmsprop, sgd=0.3, step=1_000, **settings):
    """Accuracies at the better rate, the larger."""
    best = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}
    return runs(
        lambda row: best[row["optimizer"]] - (0.1 + SPREAD[row["seed"] % 3]) * (row["learning_rate"] == 1e-3),
        optimizer=tuple(best), learning_rate=RATES, step=step, **settings,
    )  # fmt: skip


def effective(power, **optimizer):
    """An effective rate that follows step ** power at the better rate, the inverse at the other; high at step 100."""
    table = optimizers(0.5, 0.5, step=(100, 300, 900))
    power = power(table) if callable(power) else power
    rate = (table["step"] ** (power * np.where(table["learning_rate"] == 1e-2, 1.0, -1.0))).where(
        table["step"] > 100, 1e6
    )
    return table.assign(effective_rate=rate.where(table["optimizer"] != "sgd"))


def better(rnn, lstm, **settings):
    return runs(by("model", {"rnn": rnn, "lstm": lstm}), model=BOTH, **settings)


def k_of(tau=6.0, s=3.0, r_on=0.2, until=24.0):
    t = torch.arange(round(until * 100) + 1, dtype=torch.float64) / 100
    return pd.DataFrame({"t": t, "k": temporal_gate(t, *torch.tensor([tau, s, r_on], dtype=torch.float64))})


def states(k, h, c):
    return pd.DataFrame({"t": range(1, len(k) + 1), "k": k, "gated h": h, "gated c": c})


def searched(plain, best, seeds=24):
    """Searches for a gate, ten for each seed and remedy, of which so many find it, and one more in every third seed."""
    found = {"no remedy": plain, "both": best, "leak": 1}
    rows = [
        {"remedy": remedy, "seed": seed, "recovered": place < found[remedy] + (seed % 3 == 0)}
        for remedy, seed, place in product(found, range(seeds), range(10))
    ]
    return pd.DataFrame(rows)


def arrived(*found, seeds=20):
    """Whether gates of networks arrived, from as many starts; the last start in the even seeds only."""
    rows = [
        {"start": 10.0 * (1 + place), "seed": seed, "found": bool(there and (place + 1 < len(found) or seed % 2 == 0))}
        for seed in range(seeds)
        for place, there in enumerate(found)
    ]
    return pd.DataFrame(rows)


def bursts(learned=0.97, lstm=0.8, quiet=0.98, burst=0.5, **settings):
    best = {"drawn, learned": learned, "none": lstm, "open in the quiet": quiet, "open in the burst": burst}
    return runs(
        lambda row: 0.5 if row["step"] == 0 else best[row["gate"]] + (row["seed"] % 2) / 1e3,
        gate=tuple(best), step=(0, 10), **settings,
    )  # fmt: skip


def curves(*accuracies, steps=(50_000, 100_000, 200_000, 500_000), held_out=0.6):
    rows = [
        {"seed": seed, "step": step, "accuracy": accuracy, "held_out_accuracy": held_out}
        for seed, accuracy in enumerate(accuracies)
        for step in steps
    ]
    return pd.DataFrame(rows)


def text(losses, accuracies, seeds=5, every=1_000):
    rows = [
        {"step": every * place, "seed": seed, "loss": loss * (1 + seed), "accuracy": accuracy * (1 + seed)}
        for seed in range(seeds)
        for place, (loss, accuracy) in enumerate(zip(losses, accuracies))
    ]
    return pd.DataFrame(rows)


def habits(steps, seeds=5):
    """Newlines in greedy samples, at a zero state, and after a first character, by the step."""
    names = ("newlines_greedy", "zero_state", "after_first")
    rows = [
        {"step": step, "seed": seed, **{name: value + 0.001 * seed for name, value in zip(names, values)}}
        for step, values in steps.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def emerged(*seeds):
    return pd.DataFrame([seeds[seed % len(seeds)] for seed in range(6)], columns=["often", "common", "rare", "rarest"])


def counts(*sizes):
    rows = [(d, n, 4 * n * (d + n + 1), (9 * d * d + 4 * d) * n) for d, n in sizes]
    return pd.DataFrame(rows, columns=["d", "n", "counted in the model", "(9d² + 4d)n, the report's"])


def wph(read_well):
    return pd.DataFrame({"line 3, l = i": [0.0, read_well], "line 3, l summed": [0.5, 0.7]})


def whh(literal, kindest):
    columns = ("single product for the sum over k", "every letter as printed", "repaired")
    return pd.DataFrame(dict(zip(columns, ([0.0, kindest], [0.0, literal], [0.0, 1e-16]))))


def locality(cut):
    columns = ("T", "Wph, history cut off", "Whh, history cut off", "Wph, other x(1)")
    return pd.DataFrame(dict(zip(columns, ([5, 5], [0.0, cut], [0.5, 0.7], [0.2, 0.3]))))


def gates(g, *others):
    return pd.DataFrame({"gate": ["g", "g", *"ifo" * len(others)][: 2 + len(others)], "value": [g, g / 2, *others]})


def rates(by_radius):
    index = pd.MultiIndex.from_product([by_radius, (0, 1, 2)], names=["spectral_radius", "seed"])
    return pd.Series([value for three in by_radius.values() for value in three], index=index)


def reach(before, after, *, accuracy=0.99, seeds=20, lag=10):
    """What is left of a gradient in two LSTMs and the RNN; before, after: in these two, along the cell, at ``lag``."""
    rows = []
    for when, cells in (("before", before), ("after", after)):
        kinds = zip(("LSTM", "open LSTM", "RNN"), (*cells, None))
        for (network, cell), seed, step in product(kinds, range(seeds), (0, lag)):
            left = NAN if cell is None else 1.0 if step == 0 else cell * (1 + SPREAD[seed % 3])
            about = {"network": network, "seed": seed, "when": when, "test_accuracy": accuracy}
            rows.append({**about, "lag": step, "cell": left})
    return pd.DataFrame(rows)


def heated(entropies, distinct, seeds=1):
    measured = {"temperature": [2.0, 0.5, 1.0], "entropy": entropies, "distinct": distinct, "words": [0.12, 0.93, 0.56]}
    return pd.concat([pd.DataFrame(measured).assign(seed=seed) for seed in range(seeds)])


DIVERSITY = "the least growth of the share of different 4-grams"
LEAST_LEAD = "recordings from a group of words to the next rarer one, the least"
TRIED = {"length": (15, 16, 30), "learning_rate": (0.001, 0.003, 0.01)}
APART = by("length", {15: 0.95, 16: 0.2, 30: 0.9})
CASES = [
    ("grad-wph", [wph(3e-14)], "reproduced", {"": 3e-14},
     "Relative difference from autograd, the largest over 2 random networks: 3e-14 if the index l that nothing binds"
     " in the last line is read as i, 0.7 if it is still summed over; below 1e-12 is equal."),
    ("grad-wph", [wph(9.96e-13)], "reproduced"),
    ("grad-wph", [wph(1e-12)], "contradicted"),
    ("grad-whh", [whh(2.0, 0.2)], "contradicted", {"as printed": 2.0, "at its kindest": 0.2},
     "Relative difference from autograd, the largest over 2 random networks: 2 with every letter as printed, 0.2"
     " with all put right but the slope of tanh, 1e-16 with that put right too; below 1e-12 is equal."),
    ("grad-whh", [whh(2.0, 9.96e-13)], "in part"),
    ("grad-whh", [whh(1e-13, 1e-13)], "reproduced"),
    ("wph-local", [locality(1e-13)], "reproduced", {"": 1e-13},
     "Largest relative change over 2 random networks: with h(T) given and the earlier steps cut off, 1e-13 of "
     "∂L/∂W_ph and 0.7 of ∂L/∂W_hh; with another x(1), which reaches h(T), 0.3 of ∂L/∂W_ph; below 1e-12 is equal."),
    ("wph-local", [locality(1e-12)], "contradicted"),
    ("whh-past", [pd.concat([locality(0.0), locality(0.0).assign(T=2) * 0])], "reproduced", {"": 0.5},
     "With h(T) given and the earlier steps cut off, ∂L/∂W_hh changes by 0.5 to 0.7 of its size in 2 random networks, "
     "T = 5."),
    ("whh-past", [locality(0.0).assign(**{"Whh, history cut off": [0.5, 1e-6]})], "contradicted"),
    ("whh-chain", [rates({0.5: (0.3, 0.4, 0.5), 1.0: (0.9, 1.1, 1.3), 2.0: (1.2, 1.3, 1.7)})], "reproduced",
     {"distance below 1 at ρ = 0.5": 0.6, "distance above 1 at ρ = 2": 0.4},
     "Factor per step before any training, median over the seeds: 0.40 at ρ = 0.5, 1.10 at ρ = 1 and 1.30 at ρ = 2."),
    ("whh-chain", [rates({0.5: (0.9, 0.95, 1.0), 2.0: (1.2, 1.3, 1.7)})], "cannot tell"),
    ("whh-chain", [rates({0.5: (0.9, 0.95, 0.99), 2.0: (0.2, 0.3, 1.0)})], "in part"),
    ("whh-chain", [rates({0.5: (1.1, 1.2, 1.3), 2.0: (0.2, 0.3, 0.9)})], "contradicted"),
    ("fig1a", [runs(0.97, length=(5, 10), step=(200, 300, 350, 500))], "reproduced",
     {"accuracy at T = 5, step 350": 0.97}, ""),
    ("fig1a", [runs(by("step", {300: 0.99, 400: 0.9}), length=5, step=(300, 400))], "contradicted"),
    ("fig1b", [runs(by("length", {5: 0.9, 10: 0.7, 11: 0.0, 20: 0.0, 21: 0.4, 30: 0.2}),
                    length=(5, 10, 11, 20, 21, 30), step=(500, 800))], "reproduced",
     {"the drop after 800 steps": 0.5}, "Mean accuracy is 0.80 at T = 5 and 10, and 0.30 at T = 21 and 30."),
    ("fig1b", [runs(by("length", {10: 0.9, 21: 0.701}), length=(10, 21))], "contradicted"),
    ("sgd-schedule", [schedules(0.1)], "reproduced",
     {"lost at T = 5 with the schedule that is best at T = 10": 0.1,
      "lost at T = 10 with the schedule that is best at T = 5": 0.1},
     "Accuracies are means over the training. Chosen on other seeds, it is best to halve the rate every 50 steps at "
     "T = 5 and every 400 steps at T = 10."),
    ("sgd-schedule", [schedules(0.04)], "contradicted"),
    ("sgd-schedule", [schedules(0.0)], "contradicted"),
    ("sgd-noise", [noise(0.4)], "reproduced", {"cosine": 0.4}, "It is 0.45 at step 0 and 0.35 at step 60."),
    ("sgd-noise", [noise(0.6)], "contradicted"),
    ("lr-decay", [effective(2)], "contradicted",
     {f"log10 of the rate's growth with {name}": 2 * math.log10(3) for name in ("RMSprop", "Adam")},
     "From step 300 to step 900 the median parameter's rate is multiplied by 9 with RMSprop and 9 with Adam "
     "(geometric means): it grows as gradients shrink and falls as they grow."),
    ("lr-decay", [effective(-1)], "reproduced"),
    ("lr-decay", [effective(lambda table: (-1.0) ** (table["optimizer"] == "adam"))], "in part"),
    ("adam-osc", [optimizers(0.6, 0.5)], "reproduced", {"lead over RMSprop": 0.1, "lead over SGD": 0.3},
     "Accuracies are means over the training, each optimizer at the rate that other seeds chose."),
    ("adam-osc", [optimizers(0.5, 0.501)], "in part"),
    ("adam-osc", [optimizers(0.3, 0.4, 0.31)], "contradicted"),
    ("adam-osc", [optimizers(0.5, 0.5, 0.5)], "cannot tell"),
    ("gate-range", [gates(-0.9, 0.049, 0.05, 0.95, 0.951)], "reproduced", {"": 0},
     "g in -0.90…-0.45, gates in 0.05…0.95; outside -1…1 and 0…1: none of 6 values. Of the gates' values 50% come "
     "within 0.05 of 0 or 1; the rest lie in between."),
    ("gate-range", [gates(-1.0001, -0.0001, 1.0001)], "contradicted", {"": 3},
     "g in -1.00…-0.50, gates in -0.00…1.00; outside -1…1 and 0…1: 3 of 4 values. Of the gates' values 100% come "
     "within 0.05 of 0 or 1; the rest lie in between."),
    ("gate-range", [gates(1.0, 0.0, 1.0)], "reproduced"),
    ("param-count", [counts((2, 8), (1, 128), (4, 35))], "contradicted", {"": 1},
     "The report's formula gives the model's number at 2 of 3 sizes (d = 2, n = 8; d = 4, n = 35); they can agree "
     "only where n = 9d²/4 − 1."),
    ("param-count", [counts((2, 8), (4, 35))], "reproduced"),
    ("fig2a", [runs(lambda row: 0.3 + row["length"] / 1e3 + 10 * row["learning_rate"], **TRIED)], "reproduced",
     {"below 0.5 at T = 16": 1, "below 0.5 at T = 30": 1},
     "Mean accuracy at the chosen rates after 1,000 steps: 0.42 at T = 16 and 0.43 at T = 30."),
    ("fig2a", [runs(APART, length=(15, 16, 30))], "in part", {"below 0.5 at T = 16": 1, "below 0.5 at T = 30": 0},
     "Mean accuracy at the chosen rates after 1,000 steps: 0.20 at T = 16 and 0.90 at T = 30."),
    ("fig2a", [runs(at_rates(smaller=0.1, larger=0.9), learning_rate=RATES)], "contradicted"),
    ("fig2a", [runs(0.495)], "cannot tell", {"below 0.5 at T = 20": 13 / 20},
     "Mean accuracy at the chosen rates after 1,000 steps: 0.50 at T = 20."),
    ("fig2-lr", [runs(lambda row: 0.2 + row["length"] / 1e3 + row["learning_rate"], **TRIED)], "reproduced",
     {f"below 0.5 at T = {length} and rate {rate}": 1 for rate in (0.003, 0.01) for length in (16, 30)},
     "Mean accuracy at the rate of 0.001 after 1,000 steps: 0.22 at T = 16 and 0.23 at T = 30."),
    ("fig2-lr", [runs(at_rates(smaller=0.9, larger=0.1), learning_rate=RATES)], "reproduced"),
    ("fig2-lr", [runs(at_rates(smaller=0.1, larger=0.9), learning_rate=RATES)], "contradicted"),
    ("fig2b", [runs(at_rates(smaller=0.1, larger=0.9), model="lstm", length=(5, 16), learning_rate=RATES)],
     "reproduced", {"above 0.5 at T = 5": 1, "above 0.5 at T = 16": 1},
     "Mean accuracy at the chosen rates after 1,000 steps: 0.90 at T = 5 and 0.90 at T = 16."),
    ("fig2b", [runs(APART, length=(15, 16, 30))], "in part"),
    ("fig2b", [runs(0.48)], "contradicted"),
    ("lstm-better", [better(0.3, 0.4, length=(15, 16, 30), learning_rate=RATES), better(0.8, 0.7, step=(0, 500))],
     "in part", {"the LSTM's lead from the report's start": 0.1, "the LSTM's lead from a better start at T = 20": -0.1},
"Mean accuracy: LSTM 0.40, RNN 0.30 from the report's start, step 1,000; LSTM 0.70, RNN 0.80 from a better "
     "start at T = 20, step 500."),
    ("lstm-better", [better(0.5, 0.501), better(0.5, 0.501)], "reproduced"),
    ("lstm-better", [better(0.501, 0.5), better(0.501, 0.5)], "contradicted"),
    ("lstm-better", [better(0.5, 0.5), better(0.5, 0.6)], "cannot tell"),
    ("identity-grad", [reach((0.4, 0.95), (0.8, 0.85))], "in part",
     {"before training in the LSTM": 0.4, "before training in the open LSTM": 0.95,
      "after training in the LSTM": 0.8, "after training in the open LSTM": 0.85},
     "That is what the most open unit leaves of a gradient over 10 steps, in the seeds that learn the task: 20 of 20 "
     "of the LSTM and 20 of 20 of the open LSTM."),
    ("identity-grad", [reach((0.9, 0.95), (0.8, 0.51), accuracy=0.9, lag=5)], "reproduced"),
    ("identity-grad", [reach((0.4, 0.3), (0.2, 0.49))], "contradicted"),
    ("fig3", [k_of(), 6.0, 3.0, 0.2], "reproduced", {"": 1},
     "By equation (12), k leaves zero at t = 3.00, 9.00, 15.00, 21.00 and stays open for 1.20 to 1.21 steps. "
     "Expected: t = 3, every 6 steps from there, and r_on τ = 1.2, to within 0.02."),
    ("fig3", [k_of(s=3.01, until=9.5), 6.0, 3.0, 0.2], "reproduced"),
    ("fig3", [k_of(s=3.04), 6.0, 3.0, 0.2], "contradicted", {"": 4},
     "By equation (12), k leaves zero at t = 3.04, 9.04, 15.04, 21.04 and stays open for 1.20 to 1.21 steps. "
     "Expected: t = 3, every 6 steps from there, and r_on τ = 1.2, to within 0.02."),
    ("fig3", [k_of(r_on=0.2 + 0.01 / 6), 6.0, 3.0, 0.2], "reproduced"),
    ("fig3", [k_of(r_on=0.2 + 0.04 / 6), 6.0, 3.0, 0.2], "contradicted"),
    ("fig3", [k_of(tau=6.02, r_on=1.2 / 6.02), 6.0, 3.0, 0.2], "contradicted"),
    ("k-zero", [states([0.0, 0.5, 0.0, 0.0], [0.0, 2.0, 2.0, 2.0], [0.0, 4.0, 4.0, 4.0])], "reproduced", {"": 0},
     "The state equals the previous one to the bit at 3 of 3 closed steps."),
    ("k-zero", [states([0.0, 0.5, 0.0, 0.0], [1e-15, 2.0, 2.0, 2.0], [0.0, 4.0, 4.0, 4.0 + 1e-15])], "contradicted",
     {"": 2}, "The state equals the previous one to the bit at 1 of 3 closed steps."),
    ("k-nothing-lost", [4.54e-5, 1 / 3], "contradicted", {"": 0},
     "At the peak k = 1 all of the state goes through the LSTM, and f alone of the old cell state is kept: 4.5e-05 of "
     "it with a forget bias of -10. At whole steps figure 3's "
     "gate reaches k = 0.33 at most, so each step keeps at least 0.67 of the state."),
    ("k-nothing-lost", [0.011, 1 / 3], "reproduced"),
    ("learnable", [searched(3, 8), arrived(True, True, False, False, False)], "in part",
     {"gates found from their output, with the best remedy (both)": 0.83, "periods found by a network": 0.4},
     "Shares of the starts; without a remedy 0.33 of the gates are found. Most networks find the period from 2 of 5 "
     "starting periods (10 and 20 steps)."),
    ("learnable", [searched(3, 8), arrived(True, True)], "reproduced"),
    ("learnable", [searched(3, 4), arrived(False, True)], "contradicted"),
    ("s-noise", [bursts(quiet=0.98, burst=0.52)], "contradicted",
     {"accuracy set to the noise less accuracy set to the quiet": -0.46},
     "From s on the gate is open for r_on τ steps, so s and r_on say what it listens to. Mean accuracy is 0.52 set "
     "to the noise and 0.98 set to the quiet; chance is 0.5."),
    ("s-noise", [bursts(quiet=0.5, burst=0.601)], "reproduced"),
    ("periodic-noise", [bursts(0.97), 0.84, 0.755, 0.8], "reproduced",
     {"lead over the LSTM": 0.17, "lead over the best without a clock": 0.1305},
     "Mean accuracy on noise bursts: 0.97 with learned gates, 0.98 with gates set to the quiet, 0.80 for the LSTM; "
     "without counting steps 0.84 is possible. Not counted: how the gates do it. In the network whose gates were kept, "
     "76% of the openings are in the noise; so are 80% of the steps."),
    ("periodic-noise", [bursts(0.83), 0.84, 0.755, 0.8], "in part"),
    ("periodic-noise", [bursts(0.79), 0.84, 0.755, 0.8], "contradicted"),
    ("text-057", [curves(0.56, 0.57, 0.57, 0.57, 0.58)], "reproduced", {"accuracy after 50,000 steps": 0.57}, ""),
    ("text-057", [curves(0.66, 0.67, 0.67, 0.67, 0.68)], "contradicted"),
    ("text-057", [curves(0.54, 0.55, 0.58, 0.60, 0.61)], "cannot tell"),
    ("text-059", [curves(0.61)], "reproduced", {"accuracy after 100,000 steps": 0.61}, ""),
    ("text-059", [curves(0.6101, steps=(100_000,))], "contradicted"),
    ("text-061", [curves(0.59)], "reproduced", {"accuracy after 200,000 steps": 0.59}, ""),
    ("text-061", [curves(0.61, 0.7)], "cannot tell"),
    ("text-061", [curves(0.5899)], "contradicted"),
    ("text-068", [curves(0.68)], "reproduced", {"accuracy after 500,000 steps": 0.68},
     "In training 0.68 is reached for the first time at step 50,000. On held-out text it is 0.600."),
    ("text-068", [curves(0.6599, held_out=NAN)], "contradicted", {"accuracy after 500,000 steps": 0.6599},
     "In training 0.68 is never reached."),
    ("text-loss", [text([NAN, 3.0, 2.0, 1.2], [NAN, 0.2, 0.4, 0.6], 1)], "contradicted", {"": 0.32 * math.log(2)},
     "A loss of 0.126 nats is impossible: an accuracy of 0.68 means at least 0.22. Of 3 recorded points none is "
     "below this bound (the nearest lies 0.92 above)."),
    ("fig4", [text([NAN, 3.0, 2.0, 5.0], [NAN, 0.2, 0.3, 0.1])], "reproduced",
     {"the loss falls by": 3.0, "the accuracy rises by": 0.3}, "From step 1,000 to step 2,000, in 5 trainings."),
    ("fig4", [text([3.0, 2.5, 3.0], [0.2, 0.4, 0.5])], "in part"),
    ("fig4", [text([3.0, 2.5, 3.1], [0.2, 0.4, 0.2])], "contradicted"),
    ("newlines-first", [habits({0: (0.9, 0.8, 0.7), 20: (0.65, 0.6, 0.12), 1000: (0.1, 0.11, 0.13)}), 0.02],
     "reproduced", {"newlines in samples": 0.652, "after a zero state or one character": 0.602},
     "That is at step 20, where trained networks write most newlines in samples of 30 characters (each time the "
     "likeliest); in the book they are 2.0%."),
    ("newlines-first", [habits({20: (0.501, 0.1, 0.501)}), 0.02], "reproduced"),
    ("newlines-first", [habits({20: (0.501, 0.1, 0.4)}), 0.02], "in part"),
    ("newlines-first", [habits({0: (0.9, 0.9, 0.9), 20: (0.4, 0.4, 0.3)}), 0.02], "contradicted"),
    ("frequent-words-first", [emerged((10, 20, 20, 50), (20, 20, 50, math.inf))], "reproduced",
     {LEAST_LEAD: 0},
     "Written at least half as often as in the book, median over 6 seeds: often from step 15 on, common from step 20"
     " on, rare from step 35 on, rarest not yet."),
    ("frequent-words-first", [emerged((10, 10, 10, 11))], "reproduced"),
    ("frequent-words-first", [emerged((10, 20, 20, 50), (20, 19, 5000, 6000))], "cannot tell"),
    ("frequent-words-first", [emerged((10, 10, 10, 10))], "contradicted", {LEAST_LEAD: -1},
     "Written at least half as often as in the book, median over 6 seeds: often from step 10 on, common from step 10"
     " on, rare from step 10 on, rarest from step 10 on."),
    ("temp-confidence", [heated([4.0, 1.0, 2.5], [0.9, 0.1, 0.5])], "reproduced", {"": 1.5},
     "The mean entropy of the next character is 1.00 bits at temperature 0.5, 2.50 bits at 1, 4.00 bits at 2."),
    ("temp-confidence", [heated([4.0, 2.0, 2.0], [0.9, 0.1, 0.5])], "contradicted"),
    ("temp-diversity", [heated([4.0, 1.0, 2.0], [0.9, 0.1, 0.6], seeds=3)], "reproduced", {DIVERSITY: 0.3},
     "On average it is 0.10 at temperature 0.5, 0.60 at 1, 0.90 at 2; of the words, 93%, 56%, 12% are in the book."),
    ("temp-diversity", [heated([4.0, 1.0, 2.0], [0.5, 0.1, 0.5], seeds=3)], "contradicted"),
    ("temp-diversity", [heated([4.0, 1.0, 2.0], [0.9, 0.1, 0.6], seeds=2)], "cannot tell"),
    ("temp-diversity", [heated([4.0, 1.0, 2.0], [[0.9, 0.9, 0.6][place % 3] if place else 0.1 for place in range(3)],
                               seeds=3)], "contradicted"),
]  # fmt: skip
IDS = [f"{case[0]}-{case[2]}-{place}" for place, case in enumerate(CASES)]
TOLD = {case[0]: case[1] for case in reversed(CASES) if len(case) > 3}  # tables that settle something, for each claim


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_predicate_on_a_table_made_by_hand(case):
    claim, tables, expected, *told = case
    verdict = judge(claim, *tables)
    assert (verdict.id, verdict.verdict) == (claim, expected)
    assert (verdict.p_value is not None) == (STATED[claim].kind in ("share", "mean", "equivalence"))
    assert verdict.evidence.endswith(".")
    assert not re.search(r"\b(nan|inf|1 \w+s)\b|[.:;] {2}|\n", verdict.evidence)
    if told:
        cases, remark = PREDICATES[claim](*tables)
        assert remark == told[1]
        assert remark in verdict.evidence
        means = {name: float(np.mean(values)) for name, values in cases.items()}
        assert means == {name: pytest.approx(value, abs=7e-4, rel=1e-3) for name, value in told[0].items()}
        assert list(means) == list(told[0])
        assert min(map(len, cases.values())) >= STATED[claim].seeds


def test_every_claim_has_a_predicate_and_every_predicate_what_it_measures_and_each_outcome_that_it_can_have():
    outcomes = {claim: {case[2] for case in CASES if case[0] == claim} for claim in PREDICATES}
    assert set(TOLD) == set(outcomes) == set(STATED)
    assert all("contradicted" in found for found in outcomes.values())
    assert [claim for claim, found in outcomes.items() if "reproduced" not in found] == ["text-loss"]  # by arithmetic


LACKING = [
    ("fig1a", [runs(0.98, length=5, step=(299, 401))], "No run at T = 5 reached 300 to 400 steps."),
    ("fig1a", [runs(0.98, length=(4, 6), step=400)], "No run at T = 5 reached 300 to 400 steps."),
    ("fig1b", [runs(0.9, length=(5, 30), step=799)],
     "The claim is about 800 steps; the shortest of these runs has 799."),
    ("fig1b", [runs(0.95, length=(10, 20))], "It takes lengths up to 10 and beyond 20."),
    ("fig1b", [runs(0.1, length=(11, 21))], "It takes lengths up to 10 and beyond 20."),
    ("fig1b", [runs(0.9, length=(5, 30)).query("(length == 5) == (seed == 0)")],
     "No seed has both of what is compared."),
    ("whh-chain", [rates({0.5: (0.3, 0.4, 0.5)})], "It takes several spectral radii."),
    ("sgd-schedule", [schedules(0.1).query("length == 5")], "It takes SGD's schedules at two lengths."),
    ("sgd-schedule", [schedules(0.1).query("length == 5 or seed < 4 or decay_every == 50")],
     "The seeds that judge have no run at the chosen schedule."),
    ("lr-decay", [effective(1).query("step < 900")], "It takes rmsprop and adam for more than 300 steps."),
    ("lr-decay", [effective(1).query("optimizer != 'rmsprop'")], "It takes rmsprop and adam for more than 300 steps."),
    ("adam-osc", [optimizers(0.6, 0.5).query("optimizer != 'rmsprop'")], "It takes adam, rmsprop and sgd."),
    ("gate-range", [gates(0.9)], "It takes g and the gates."),
    ("fig2a", [runs(0.1, length=(5, 15))], "This build has no such runs."),
    ("fig2a", [runs(0.1, length=(16, 30), step=(500, 1000)).query("length == 16 or step < 1000")],
     "The claim is about 1,000 steps; the shortest of these runs has 500."),
    ("fig2a", [runs(0.1, seeds=1)], "One seed cannot both choose a setting and judge it."),
    ("fig2a", [runs(0.1, learning_rate=RATES).query("(seed < 4) == (learning_rate < 0.01)")],
     "The seeds that judge have no run at the chosen setting."),
    ("fig2-lr", [runs(0.1)], "It takes a learning rate above 0.001."),
    ("fig2-lr", [runs(0.1, length=15, learning_rate=RATES)], "This build has no such runs."),
    ("fig2b", [runs(0.7, step=999)], "The claim is about 1,000 steps; the shortest of these runs has 999."),
    ("lstm-better", [better(0.2, 0.8, length=(5, 15)), better(0.2, 0.8)], "It takes both models at lengths beyond 15."),
    ("lstm-better", [runs(0.2, model=("rnn", "temporal-gate")), better(0.2, 0.8)],
     "It takes both models at lengths beyond 15."),
    ("lstm-better", [better(0.2, 0.8), runs(0.2)], "It takes both models from both starts."),
    ("identity-grad", [reach((0.9, 0.95), (0.8, 0.85), lag=4)],
     "It takes at least 5 steps between the first digit and the end."),
    ("identity-grad", [reach((0.9, 0.95), (0.8, 0.85), accuracy=0.8999)], "None of these LSTMs has learnt the task."),
    ("identity-grad", [reach((0.9, 0.95), (0.8, 0.85)).query("when == 'before'")],
     "It takes every LSTM both before its training and after."),
    ("fig3", [k_of(until=8.9), 6.0, 3.0, 0.2], "It takes a gate that opens twice."),
    *(("fig3", [k_of(*gate), *gate], "The claim is about the gate with τ = 6, s = 3 and r_on = 0.2.")
      for gate in ((6.0, 3.0, 1.0), (6.0, -1.0, 0.2), (0.7, 3.0, 0.2))),
    ("k-zero", [states([0.1, 0.5], [1.0, 2.0], [3.0, 4.0])], "The gate is closed at no step."),
    ("k-nothing-lost", [0.0, NAN], "A number that it takes is missing."),
    ("learnable", [searched(3, 8).query("remedy != 'no remedy'"), arrived(True)],
     "It takes searches without a remedy."),
    ("periodic-noise", [bursts().query("gate == 'drawn, learned'"), 0.84, 0.48, 0.755],
     "There is no run with the gate 'open in the quiet'."),
    ("s-noise", [bursts().query("gate == 'none'")], "This build has no such runs."),
    ("s-noise", [bursts().query("gate != 'open in the quiet'")], "There is no run with the gate 'open in the quiet'."),
    ("text-057", [curves(0.57, steps=(49_999, 50_001))],
     "The claim is about 50,000 steps; none of these trainings has recorded that one."),
    ("text-068", [curves(0.68, steps=(499_999,))],
     "The claim is about 500,000 steps; the shortest of these runs has 499,999."),
    ("fig4", [text([3.0, 2.0], [0.2, 0.3], every=1_999)],
     "The claim is about 2,000 steps; the shortest of these runs has 1,999."),
    ("fig4", [text([NAN, 3.0], [NAN, 0.2], every=2_000)], "It takes more than one recorded step."),
    ("newlines-first", [habits({0: (0.9, 0.9, 0.9)}), 0.02], "It takes samples after the first step."),
    ("frequent-words-first", [emerged((10, 20, 20, 50), (math.inf,) * 4)],
     "In some of these trainings even the commonest group of words never arrives."),
    ("temp-confidence", [heated([4.0, 1.0, 2.0], [0.9, 0.1, 0.5]).head(1)], "It takes more than one temperature."),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "tables", "says"), LACKING, ids=[f"{row[0]}-{n}" for n, row in enumerate(LACKING)])
def test_what_cannot_be_measured_is_said_in_a_sentence(claim, tables, says):
    assert judge(claim, *tables) == Verdict(claim, "cannot tell", says)


def damaged():
    """Every table of every claim, empty, without a column, without a column's numbers."""
    for claim, tables in TOLD.items():
        for place, table in enumerate(tables):
            if isinstance(table, float | int):
                changes = {"no number": NAN}
            elif isinstance(table, pd.Series):
                changes = {"empty": table[:0], "no numbers": table * NAN}
            else:
                changes = {"empty": table[:0], "nothing": pd.DataFrame()}
                changes |= {f"no {name}": table.drop(columns=name) for name in table}
                changes |= {f"no numbers in {name}": table.assign(**{name: NAN}) for name in table}
            for what, changed in changes.items():
                tables_then = [*tables[:place], changed, *tables[place + 1 :]]
                yield pytest.param(claim, tables_then, what, id=f"{claim}, {what}")


@pytest.mark.parametrize(("claim", "tables", "what"), list(damaged()))
def test_results_that_lack_something_settle_nothing_and_say_so(claim, tables, what):
    verdict = judge(claim, *tables)
    says_so = re.search(r"no such results|have no (finite|column) |number .* is missing", verdict.evidence)
    not_looked_at = what.startswith("no ") and verdict.verdict == judge(claim, *TOLD[claim]).verdict
    assert (verdict.verdict == "cannot tell" and says_so) or not_looked_at


def test_some_missing_numbers_are_counted():
    table = runs(0.98, length=5, step=400, seeds=3)
    table.loc[1, "test_accuracy"] = NAN
    assert judge("fig1a", table).evidence == "1 of 3 rows of these results have no finite 'test_accuracy'."


@pytest.mark.parametrize("claim", [name for name, claim in STATED.items() if claim.seeds > 1])
def test_one_seed_settles_nothing(claim):
    tables = [
        table[:1] if claim == "frequent-words-first"
        else table.xs(0, level="seed", drop_level=False) if isinstance(table, pd.Series)
        else table[table["seed"] == 0] if isinstance(table, pd.DataFrame) and "seed" in table
        else table
        for table in TOLD[claim]
    ]  # fmt: skip
    verdict = judge(claim, *tables)
    assert verdict.verdict == "cannot tell"
    assert f"takes at least {STATED[claim].seeds} seeds" in verdict.evidence or "One seed cannot" in verdict.evidence


def test_an_unknown_claim_is_an_error():
    with pytest.raises(KeyError):
        judge("fig9", runs(0.5))


def test_a_loss_below_its_bound_is_a_fault_of_ours():
    with pytest.raises(AssertionError, match="below its bound"):
        judge("text-loss", text([0.1], [0.6]))


# What predicates share


def test_a_sixth_of_the_seeds_choose_and_the_others_judge():
    """Seeds 0 to 3 like the smaller rate at T = 20, the larger at T = 30; all others like the other one."""
    table = runs(
        lambda row: 0.9 if (row["learning_rate"] == 1e-3) == ((row["length"] == 20) == (row["seed"] < 4)) else 0.1,
        length=(20, 30), learning_rate=RATES,
    )  # fmt: skip
    chosen = evidence.at_chosen(table, ["length"])
    assert set(chosen["seed"]) == set(range(4, 24))
    assert {*zip(chosen["length"], chosen["learning_rate"])} == {(20, 1e-3), (30, 1e-2)}
    assert [evidence.choosing(runs(0.5, seeds=seeds)).sum() for seeds in (2, 6, 11, 12, 24)] == [1, 1, 1, 2, 4]


def test_what_is_compared_is_paired_by_seed():
    some, others = pd.Series([1.0, 2.0, 3.0], [0, 1, 2]), pd.Series([0.5, 0.25], [2, 1])
    assert evidence.paired(some, others) == [1.75, 2.5]


def test_the_identity_path_is_judged_in_what_has_learnt_the_task():
    table = reach((0.9, 0.95), (0.8, 0.9))
    table.loc[table["seed"] == 2, ["cell", "test_accuracy"]] = 0.001, 0.1
    assert {name: len(values) for name, values in PREDICATES["identity-grad"](table)[0].items()}.popitem()[1] == 19


def test_a_run_that_has_not_begun_is_at_its_last_step():
    begun = pd.DataFrame({"step": [0], "seed": [0]})
    assert evidence.at_last_step(begun)[0] == 0
    with pytest.raises(evidence.CannotTellError, match="the shortest of these runs has 0"):
        evidence.at_last_step(begun, 1)


def test_300_steps_at_t_5_are_enough():
    assert judge("fig1a", runs(0.97, length=5, step=300)).evidence.startswith("Accuracy at T = 5, step 300: 0.970")


@pytest.mark.parametrize("claim", ["fig2a", "fig2-lr", "fig2b", "lstm-better"])
def test_999_steps_are_too_few(claim):
    tables = [better(0.3, 0.4, learning_rate=RATES, step=999), better(0.3, 0.4)]
    says = "The claim is about 1,000 steps; the shortest of these runs has 999."
    assert judge(claim, *tables[: len(TOLD[claim])]) == Verdict(claim, "cannot tell", says)


@pytest.mark.parametrize(("claim", "holds"), [("fig2a", 6), ("fig2-lr", 8), ("fig2b", 7)])
def test_an_accuracy_of_one_half_is_neither_below_it_nor_above(claim, holds):
    """Of the 20 seeds that judge 6 have 0.49, 7 have 0.5 and 7 have 0.51; where no rate is chosen, all 24 judge."""
    (values,) = PREDICATES[claim](runs(0.5, learning_rate=RATES))[0].values()
    assert sum(values) == holds


def test_t_16_is_beyond_t_15():
    leads, _ = PREDICATES["lstm-better"](better(0.3, 0.4, length=(15, 16)), better(0.3, 0.3))
    assert next(iter(leads.values())) == pytest.approx([0.1] * 20)


@pytest.mark.parametrize("claim", ["fig2a", "fig2b"])
def test_of_two_seeds_one_judges_which_is_too_few(claim):
    verdict = judge(claim, runs(0.9, seeds=2))
    assert verdict.verdict == "cannot tell"
    assert (
        "The claim takes at least 20 seeds. Mean accuracy at the chosen rates after 1,000 steps: 0.90"
        in verdict.evidence
    )


def test_the_noise_is_told_at_the_first_step_and_at_the_last():
    table = pd.concat([noise(0.4), noise(0.2).query("step == 60").assign(step=900)])
    assert PREDICATES["sgd-noise"](table)[1] == "It is 0.45 at step 0 and 0.15 at step 900."


def test_each_optimizers_rate_is_compared_from_step_300_on_and_told_by_its_name():
    falls = effective(lambda table: np.where(table["optimizer"] == "adam", -1.0, 2.0))
    changes, remark = PREDICATES["lr-decay"](falls.replace({"step": {100: 299}}))
    assert remark.startswith("From step 300 to step 900 the ")
    assert "is multiplied by 9 with RMSprop and 0.33 with Adam" in remark
    assert {name: np.mean(values) < 0 for name, values in changes.items()} == {
        "log10 of the rate's growth with RMSprop": False,
        "log10 of the rate's growth with Adam": True,
    }


@pytest.mark.parametrize(("spacing", "opens", "told"), [(0.001, 3.0045, "3.004, 9.004"), (0.05, 3.16, "3.15, 9.15")])
def test_when_a_gate_opens_is_told_as_finely_as_it_is_judged(spacing, opens, told):
    t = torch.arange(round(12 / spacing), dtype=torch.float64) * spacing
    k = pd.DataFrame({"t": t, "k": temporal_gate(t, *torch.tensor([6.0, opens, 0.2], dtype=torch.float64))})
    verdict = judge("fig3", k, 6.0, 3.0, 0.2)
    assert verdict.verdict == "contradicted"
    assert f"leaves zero at t = {told} and" in verdict.evidence


def test_what_a_gate_lets_in_and_what_the_state_keeps_make_one_as_told():
    assert "k = 0.34 at most, so each step keeps at least 0.66 " in judge("k-nothing-lost", 0.0, 0.335).evidence


def test_half_of_the_seeds_are_not_most_of_them():
    remark = PREDICATES["learnable"](searched(3, 8), arrived(True, True))[1]
    assert remark.endswith("Most networks find the period from 1 of 2 starting periods (10 steps).")


def test_a_page_about_another_text_has_no_verdicts():
    table = text([3.0], [0.2])
    ours, others = (claims.text.judging(is_report_book)("text-loss", table) for is_report_book in (True, False))
    assert ours == judge("text-loss", table)
    assert "is about its book, which is not the text of this page" in others.data


def test_a_loss_of_nothing_where_all_is_right_lies_on_its_bound():
    assert "(the nearest lies 0.00 above)" in judge("text-loss", text([0.0], [1.0])).evidence


def test_the_first_2000_steps_of_a_text_end_with_step_2000():
    table = text([3.0, 2.0, 9.0], [0.2, 0.3, 0.1])
    later = table.assign(step=table["step"].map({0: 0, 1_000: 2_000, 2_000: 2_001}))
    assert judge("fig4", later).verdict == "reproduced"


def test_a_network_is_trained_from_step_1_on():
    remark = PREDICATES["newlines-first"](habits({0: (0.9,) * 3, 1: (0.6,) * 3, 20: (0.5,) * 3}), 0.02)[1]
    assert remark.startswith("That is at step 1, ")


def test_rarer_words_may_never_arrive_and_late_ties_are_ties():
    leads, remark = PREDICATES["frequent-words-first"](emerged((10, math.inf, math.inf, math.inf)))
    assert leads[LEAST_LEAD] == [0] * 6
    assert remark.endswith(" often from step 10 on, common not yet, rare not yet, rarest not yet.")
    late = PREDICATES["frequent-words-first"](emerged((10, 10, 10, 10), (20, 20, 20, 20)))[0]
    assert late[LEAST_LEAD] == [-1] * 6


@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
def test_an_infinite_number_is_a_missing_one(value):
    table = runs(0.98, length=5, step=400, seeds=3)
    table.loc[1, "test_accuracy"] = value
    assert judge("fig1a", table).evidence == "1 of 3 rows of these results have no finite 'test_accuracy'."
