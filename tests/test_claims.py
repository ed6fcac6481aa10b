"""The ledger: every predicate on tables made by hand, for each of its outcomes, and how verdicts are shown and kept."""

import json
import math
import re
from itertools import product

import pandas as pd
import pytest
import torch

from rnnreport import claims
from rnnreport.cells import temporal_gate
from rnnreport.claims import METADATA, PREDICATES, VERDICTS, Verdict, as_html, judge, ledger

NAMES = {True: "reproduced", False: "contradicted", None: "underpowered"}
SPREAD = (-0.01, 0.0, 0.01)  # what three seeds differ by


def runs(accuracy, *, lengths=(20,), rates=(1e-3,), steps=(500, 1000), models=("rnn",), seeds=3, **columns):
    """A table of runs; accuracy: a number, or a function of the row, to which each seed's share is added."""
    rows = []
    for model, length, rate, step, seed in product(models, lengths, rates, steps, range(seeds)):
        row = {"model": model, "length": length, "learning_rate": rate, "step": step, "seed": seed, **columns}
        value = accuracy(row) if callable(accuracy) else accuracy
        rows.append({**row, "test_accuracy": value + SPREAD[seed % 3]})
    return pd.DataFrame(rows)


def optimizers(names=("adam", "rmsprop", "sgd"), steps=(1_000,), **ahead):
    """Accuracies of optimizers at two rates, the larger the better; ahead: by how much, in tenths."""
    parts = []
    for name in names:
        part = runs(
            lambda row, name=name: 0.3 + ahead.get(name, 0) / 10 + row["learning_rate"], rates=(0.01, 0.1), steps=steps
        )
        parts.append(part.assign(optimizer=name))
    return pd.concat(parts, ignore_index=True)


def horizons(rnn, lstm):
    """The longest lengths solved."""
    return pd.DataFrame({"model": ["rnn", "lstm"], "horizon": [rnn, lstm]})


def growing(table):
    """An effective rate that grows at the best learning rate, 0.1, and falls at the other."""
    grows = table["learning_rate"] == 0.1
    return (table["step"] * (1 + table["seed"] / 10)).where(grows, 1 / table["step"])


def falling(table):
    return 1 / growing(table)


def growing_late(table):
    """Highest at step 100, which does not count, and growing from step 300 on."""
    return growing(table).where(table["step"] > 100, 1e6)


def at_odds(table):
    """An effective rate that grows for some seeds and falls for others."""
    return growing(table).where(table["seed"] == 0, falling(table))


def noisy(low, high):
    """An accuracy that the seeds disagree about."""
    return lambda row: low if row["seed"] % 2 else high


def far_only_noisy(row):
    return 0.95 if row["length"] == 5 else (0.9, 0.1, 0.5)[row["seed"]]


def ahead_by_turns(row):
    return (0.2, 0.8)[(row["seed"] + (row["model"] == "rnn")) % 2]


def by(column, values):
    return lambda row: values[row[column]]


def k_of(tau=6.0, s=3.0, r_on=0.2, until=24.0, squeezed=1.0):
    """Openness over time; ``squeezed`` is a fault: time that runs faster than it says."""
    t = torch.arange(round(until * 100) + 1, dtype=torch.float64) / 100
    k = temporal_gate(t * squeezed, *(torch.tensor(value, dtype=torch.float64) for value in (tau, s, r_on)))
    return pd.DataFrame({"t": t, "k": k})


def states(k, h, c):
    return pd.DataFrame({"t": range(1, len(k) + 1), "k": k, "gated h": h, "gated c": c})


def searched(plain, best, seeds=5):
    """Searches for a gate, ten a seed and remedy, of which so many (by seed) find it."""
    rows = [
        {"remedy": remedy, "seed": seed, "recovered": place < found(seed)}
        for remedy, found in (("as it is", plain), ("both", best))
        for seed in range(seeds)
        for place in range(10)
    ]
    return pd.DataFrame(rows)


def arrived(*found):
    return pd.DataFrame({"start": [10.0 * (1 + place) for place in range(len(found))], "found": found})


def on_bursts(seeds=5, **accuracies):
    """Networks on noise bursts, their gates' names with _ for a blank and 0 for a comma; step 0 is no result."""
    rows = [
        {"gate": name.replace("0", ",").replace("_", " "), "seed": seed, "step": step, "test_accuracy": accuracy}
        for name, value in accuracies.items()
        for seed in range(seeds)
        for step, accuracy in ((0, 0.5), (10, value(seed) if callable(value) else value + seed / 1000))
    ]
    return pd.DataFrame(rows)


def gated(learned, lstm=0.8, quiet=0.98, burst=0.5, **options):
    names = {"none": lstm, "open_in_the_quiet": quiet, "open_in_the_burst": burst, "drawn0_learned": learned}
    return on_bursts(**names, **options)


def long_text(accuracies):
    rows = [{"step": step, "accuracy": accuracy, "held_out_accuracy": 0.6} for step, accuracy in accuracies.items()]
    return pd.DataFrame(rows)


def habits(steps):
    """Newlines in greedy samples, at a zero state, and after a first character, by the step."""
    names = ("newlines_greedy", "zero_state", "after_first")
    return pd.DataFrame([{"step": step, **dict(zip(names, values))} for step, values in steps.items()])


def emerged(*seeds):
    return pd.DataFrame(seeds, columns=["commonest", "common", "rare", "rarest"])


def text(losses, accuracies, seeds=(0,)):
    rows = [
        {"step": 10 * i, "seed": seed, "loss": loss, "accuracy": accuracy}
        for seed in seeds
        for i, (loss, accuracy) in enumerate(zip(losses, accuracies))
    ]
    return pd.DataFrame(rows)


def counts(*sizes):
    rows = [(d, n, 4 * n * (d + n + 1), 4 * n * (d + n + 1), (9 * d * d + 4 * d) * n) for d, n in sizes]
    return pd.DataFrame(rows, columns=["d", "n", "ours", "counted", "the report's"])


def wph(read_well, summed=1.0):
    return pd.DataFrame({"line 3, l = i": [0.0, read_well], "line 3, l summed": [0.5, summed]})


def whh(kindest):
    return pd.DataFrame(
        {
            "single product for the sum over k": [0.0, kindest],
            "every letter as printed": [1.0, 2.0],
            "repaired": [0.0, 1e-16],
        }
    )


def locality(cut):
    return pd.DataFrame(
        {"Wph, history cut off": [0.0, cut], "Whh, history cut off": [0.5, 0.7], "Wph, other x(1)": [0.2, 0.3]}
    )


def rates(by_radius):
    index = pd.MultiIndex.from_product([by_radius, (0, 1)], names=["spectral_radius", "seed"])
    return pd.Series([value for pair in by_radius.values() for value in pair], index=index)


def reach(before, after, *, accuracy=0.99, seeds=3, lag=10, spread=0.01):
    """What is left of a gradient in two LSTMs and the RNN; before, after: in these two, along the cell, at ``lag``."""
    rows = []
    for when, cells in (("before", before), ("after", after)):
        for (network, cell), seed, step in product(
            zip(("LSTM", "open LSTM", "RNN"), (*cells, None)), range(seeds), (0, lag)
        ):
            left = float("nan") if cell is None else 1.0 if step == 0 else cell * (1 + spread * (seed - 1))
            about = {"network": network, "seed": seed, "when": when, "test_accuracy": accuracy}
            rows.append({**about, "lag": step, "cell": left, "jacobian": 2.0 + seed / 10})
    return pd.DataFrame(rows)


def diversity(entropies, distinct):
    return pd.DataFrame(
        {"temperature": [2.0, 0.5, 1.0], "entropy": entropies, "distinct": distinct, "words": [0.1, 0.9, 0.5]}
    )


LSTM_AHEAD = by("model", {"rnn": 0.2, "lstm": 0.8})
LATE = {"steps": (800, 1600)}
CASES = [
    ("grad-wph", [wph(1e-14)], True),
    ("grad-wph", [wph(1e-3)], False),
    ("grad-whh", [whh(0.2)], False),
    ("grad-whh", [whh(1e-15)], None),
    ("wph-local", [locality(0.0)], True),
    ("wph-local", [locality(1e-9)], False),
    ("whh-chain", [rates({0.5: (0.4, 0.5), 1.0: (0.9, 1.1), 2.0: (1.3, 1.5)})], True),
    ("whh-chain", [rates({0.5: (0.4, 0.5), 1.0: (0.9, 1.1)})], None),
    ("whh-chain", [rates({1.0: (0.9, 1.1), 2.0: (1.3, 1.5)})], None),
    ("fig1a", [runs(0.98, lengths=(5,), steps=(300, 400))], True),
    ("fig1a", [runs(0.6, lengths=(5,), steps=(300, 400))], False),
    ("fig1a", [runs(0.94, lengths=(5,), steps=(300, 400))], None),
    ("fig1a", [runs(0.98, lengths=(5,), steps=(400,), seeds=1)], None),
    ("fig1a", [runs(0.98, lengths=(5,), steps=(100, 200))], None),
    ("fig1a", [runs(0.98, lengths=(10,), steps=(400,))], None),
    ("fig1b", [runs(by("length", {5: 0.95, 30: 0.2}), lengths=(5, 30), **LATE)], True),
    ("fig1b", [runs(by("length", {5: 0.95, 30: 0.9}), lengths=(5, 30), **LATE)], False),
    ("fig1b", [runs(far_only_noisy, lengths=(5, 30), **LATE)], None),
    ("fig1b", [runs(by("length", {5: 0.95, 30: 0.2}), lengths=(5, 30), steps=(400, 790))], None),
    ("fig1b", [runs(0.95, lengths=(5, 20), **LATE)], None),
    ("fig1b", [runs(0.1, lengths=(15, 30), **LATE)], None),
    ("adam-osc", [optimizers(adam=2)], True),
    ("adam-osc", [optimizers(rmsprop=2)], False),
    ("adam-osc", [optimizers(names=("adam", "sgd"), adam=2)], None),
    ("adam-osc", [optimizers(adam=2).query("seed == 0")], None),
    ("gate-range", [pd.DataFrame({"gate": list("gifo"), "value": [-0.9, 0.02, 0.5, 1.0]})], True),
    ("gate-range", [pd.DataFrame({"gate": list("gifo"), "value": [-1.2, 0.02, 0.5, 1.0]})], False),
    ("gate-range", [pd.DataFrame({"gate": list("gifo"), "value": [0.9, -0.02, 0.5, 1.0]})], False),
    ("param-count", [counts((2, 8), (4, 35))], True),
    ("param-count", [counts((2, 8), (1, 128))], False),
    ("fig2a", [runs(0.1, lengths=(10, 20, 30))], True),
    ("fig2a", [runs(by("length", {10: 1.0, 20: 0.1, 30: 0.9}), lengths=(10, 20, 30))], False),
    ("fig2a", [runs(by("learning_rate", {1e-3: 0.1, 1e-2: 0.9}), rates=(1e-3, 1e-2))], False),
    ("fig2a", [runs(noisy(0.1, 0.9))], None),
    ("fig2a", [runs(0.1, seeds=1)], None),
    ("fig2a", [runs(0.1, steps=(900,))], None),
    ("fig2a", [runs(0.1, lengths=(5, 15))], None),
    ("fig2-lr", [runs(by("learning_rate", {1e-3: 0.9, 1e-2: 0.1}), rates=(1e-3, 1e-2))], True),
    ("fig2-lr", [runs(by("learning_rate", {1e-3: 0.1, 1e-2: 0.9}), rates=(1e-3, 1e-2))], False),
    ("fig2-lr", [runs(noisy(0.1, 0.9), rates=(1e-3, 1e-2))], None),
    ("fig2-lr", [runs(0.1, rates=(1e-3, 1e-2), steps=(900,))], None),
    ("fig2-lr", [runs(0.1, rates=(1e-3, 1e-2), lengths=(15,))], None),
    ("fig2-lr", [runs(0.1)], None),
    ("fig2b", [runs(0.7, models=("lstm",), lengths=(10, 20))], True),
    ("fig2b", [runs(by("length", {10: 1.0, 20: 0.1}), models=("lstm",), lengths=(10, 20))], False),
    ("fig2b", [runs(by("learning_rate", {1e-3: 0.1, 1e-2: 0.9}), models=("lstm",), rates=(1e-3, 1e-2))], True),
    ("fig2b", [runs(noisy(0.1, 0.9), models=("lstm",))], None),
    ("fig2b", [runs(0.7, models=("lstm",), steps=(999,))], None),
    ("lstm-better", [runs(LSTM_AHEAD, models=("rnn", "lstm")), horizons(50, 100)], True),
    ("lstm-better", [runs(by("model", {"rnn": 0.8, "lstm": 0.2}), models=("rnn", "lstm")), horizons(50, 100)], False),
    ("lstm-better", [runs(ahead_by_turns, models=("rnn", "lstm")), horizons(50, 100)], None),
    ("lstm-better", [runs(LSTM_AHEAD, models=("rnn", "lstm"), steps=(400,)), horizons(50, 100)], None),
    ("lstm-better", [runs(LSTM_AHEAD, models=("rnn", "lstm"), lengths=(5, 15)), horizons(50, 100)], None),
    ("lstm-better", [runs(0.2, models=("rnn",)), horizons(50, 100)], None),
    ("lstm-better", [runs(0.2, models=("lstm",)), horizons(50, 100)], None),
    ("lstm-better", [runs(0.2, models=("rnn", "temporal-gate")), horizons(50, 100)], None),
    ("lstm-better", [runs(LSTM_AHEAD, models=("rnn", "lstm")), horizons(50, 50)], None),
    ("lstm-better", [runs(by("model", {"rnn": 0.8, "lstm": 0.2}), models=("rnn", "lstm")), pd.DataFrame()], False),
    ("lstm-better", [runs(LSTM_AHEAD, models=("rnn", "lstm")), pd.DataFrame()], None),
    ("lstm-better", [runs(LSTM_AHEAD, models=("rnn", "lstm")), horizons(100, 50)], False),
    ("lstm-better", [runs(LSTM_AHEAD, models=("rnn", "lstm")), horizons(50, 100).query("model == 'rnn'")], None),
    ("lr-decay", [optimizers(steps=(300, 600)).assign(effective_rate=falling)], True),
    ("lr-decay", [optimizers(steps=(300, 600)).assign(effective_rate=growing)], False),
    ("lr-decay", [optimizers(steps=(100, 300, 600)).assign(effective_rate=growing_late)], False),
    ("lr-decay", [optimizers(steps=(300, 600)).assign(effective_rate=at_odds)], None),
    ("lr-decay", [optimizers(steps=(100, 300)).assign(effective_rate=growing)], None),
    ("lr-decay", [optimizers(names=("adam", "sgd"), steps=(300, 600)).assign(effective_rate=growing)], None),
    ("identity-grad", [reach((0.9, 0.95), (0.8, 0.9))], True),
    ("identity-grad", [reach((0.002, 0.07), (0.8, 0.9))], False),
    ("identity-grad", [reach((0.002, 0.9), (0.8, 0.9))], False),
    ("identity-grad", [reach((0.9, 0.95), (0.8, 0.2))], False),
    ("identity-grad", [reach((0.9, 0.95), (0.6, 0.9), spread=0.5)], None),
    ("identity-grad", [reach((0.002, 0.07), (0.8, 0.9), seeds=1)], None),
    ("identity-grad", [reach((0.002, 0.07), (0.8, 0.9), accuracy=0.6)], None),
    ("identity-grad", [reach((0.002, 0.07), (0.8, 0.9), lag=4)], None),
    ("identity-grad", [reach((0.9, 0.95), (0.8, 0.9), lag=4)], None),
    ("fig3", [k_of(), 6.0, 3.0, 0.2], True),
    ("fig3", [k_of(s=3.5), 6.0, 3.0, 0.2], False),
    ("fig3", [k_of(r_on=0.3), 6.0, 3.0, 0.2], False),
    ("fig3", [k_of(squeezed=1.5), 6.0, 3.0, 0.2], False),
    ("k-zero", [states([0.0, 0.5, 0.0, 0.0], [1.0, 2.0, 2.0, 2.0], [3.0, 4.0, 4.0, 4.0])], True),
    ("k-zero", [states([0.0, 0.5, 0.0, 0.0], [1.0, 2.0, 2.0, 2.0], [3.0, 4.0, 4.0, 4.0 + 1e-15])], False),
    ("k-zero", [states([0.0, 0.5, 0.0, 0.0], [1.0, 2.0, 2.1, 2.1], [3.0, 4.0, 4.0, 4.0])], False),
    ("k-zero", [states([0.0, 0.5, 0.2], [1.0, 2.0, 3.0], [3.0, 4.0, 5.0])], None),
    ("k-nothing-lost", [0.0, 1 / 3], False),
    ("k-nothing-lost", [0.25, 1 / 3], True),
    ("learnable", [searched(lambda seed: 3, lambda seed: 8 + seed % 2), arrived(True, False)], True),
    ("learnable", [searched(lambda seed: 0, lambda seed: 1 + seed % 2), arrived(False, False)], False),
    ("learnable", [searched(lambda seed: 3, lambda seed: 10 * (seed % 2)), arrived(True)], None),
    ("learnable", [searched(lambda seed: 3, lambda seed: 9, seeds=1), arrived(True)], None),
    ("periodic-noise", [gated(0.97), 0.84], True),
    ("periodic-noise", [gated(0.7), 0.84], False),
    ("periodic-noise", [gated(0.97, lstm=0.99), 0.84], False),
    ("periodic-noise", [gated(0.82, lstm=0.7), 0.84], False),
    ("periodic-noise", [gated(lambda seed: (0.6, 0.99)[seed % 2]), 0.84], None),
    ("periodic-noise", [gated(0.97, seeds=1), 0.84], None),
    ("s-noise", [gated(0.97)], False),
    ("s-noise", [gated(0.97, quiet=0.5, burst=0.98)], True),
    ("s-noise", [gated(0.97, seeds=1)], None),
    ("s-noise", [gated(0.97, burst=lambda seed: (0.6, 0.99)[seed % 2])], None),
    ("text-loss", [text([3.0, 2.0, 1.2], [0.2, 0.4, 0.6])], False),
    ("fig4", [text([float("nan"), 3.0, 2.0], [float("nan"), 0.2, 0.4], seeds=(0, 1))], True),
    ("fig4", [text([3.0, 3.5], [0.2, 0.4])], False),
    ("fig4", [text([3.0, 2.0], [0.2, 0.2])], False),
    ("fig4", [text([float("nan"), 3.0], [float("nan"), 0.2])], None),
    ("text-068", [long_text({100_000: 0.67, 400_000: 0.681, 500_000: 0.69})], True),
    ("text-068", [long_text({500_000: 0.67})], True),
    ("text-068", [long_text({500_000: 0.62})], False),
    ("text-068", [long_text({500_000: 0.75})], False),
    ("text-068", [long_text({499_999: 0.68})], None),
    ("newlines-first", [habits({0: (0.9, 0.9, 0.9), 20: (0.7, 0.6, 0.1), 100: (0.1, 0.1, 0.1)}), 0.02], True),
    ("newlines-first", [habits({20: (0.7, 0.1, 0.6)}), 0.02], True),
    ("newlines-first", [habits({0: (0.9, 0.9, 0.9), 20: (0.1, 0.2, 0.3)}), 0.02], False),
    ("newlines-first", [habits({20: (0.7, 0.2, 0.3)}), 0.02], None),
    ("newlines-first", [habits({20: (0.1, 0.9, 0.3)}), 0.02], None),
    ("newlines-first", [habits({0: (0.9, 0.9, 0.9)}), 0.02], None),
    ("frequent-words-first", [emerged((10, 20, 20, 50), (20, 20, 50, math.inf))], True),
    ("frequent-words-first", [emerged((10, 20, 20, 50), (20, 10, 50, math.inf))], False),
    ("frequent-words-first", [emerged((10, 10, 10, 10))], False),
    ("frequent-words-first", [emerged((10, 20, 20, 50), (math.inf,) * 4)], None),
    ("temp-confidence", [diversity([4.0, 1.0, 2.0], [0.9, 0.1, 0.5])], True),
    ("temp-confidence", [diversity([4.0, 2.0, 1.0], [0.9, 0.1, 0.5])], False),
    ("temp-confidence", [diversity([4.0, 1.0, 2.0], [0.9, 0.1, 0.5]).head(1)], None),
    ("temp-diversity", [diversity([4.0, 1.0, 2.0], [0.9, 0.1, 0.5])], True),
    ("temp-diversity", [diversity([4.0, 1.0, 2.0], [0.5, 0.1, 0.9])], False),
    ("temp-diversity", [diversity([4.0, 1.0, 2.0], [0.9, 0.1, 0.5]).head(1)], None),
]  # fmt: skip
IDS = [f"{claim}-{NAMES[expected]}-{place}" for place, (claim, _, expected) in enumerate(CASES)]


@pytest.mark.parametrize(("claim", "tables", "expected"), CASES, ids=IDS)
def test_a_predicate_on_a_table_made_by_hand(claim, tables, expected):
    verdict = judge(claim, *tables)
    assert verdict.verdict == NAMES[expected]
    assert verdict.id == claim
    assert verdict.evidence.endswith(".")
    assert not re.search(r"\b(nan|inf)\b", verdict.evidence)
    assert "\n" not in verdict.evidence


def test_every_claim_has_a_predicate_and_every_predicate_is_tested():
    assert {claim for claim, _, _ in CASES} == set(PREDICATES) == set(claims.claims())


def test_the_claims_are_whole():
    found = claims.claims()
    assert len(found) == 28
    for name, claim in found.items():
        assert set(claim) == {"id", "section", "claim"}
        assert claim["id"] == name
        assert claim["claim"].strip()
    assert len({claim["claim"] for claim in found.values()}) == len(found)


@pytest.mark.parametrize("claim", ["lstm-better", "adam-osc"])
def test_a_tie_is_no_lead(claim):
    if claim == "adam-osc":
        table = pd.concat([runs(1.0).assign(optimizer=name, test_accuracy=1.0) for name in ("adam", "rmsprop", "sgd")])
    else:
        table = runs(1.0, models=("rnn", "lstm")).assign(test_accuracy=1.0)
    assert judge(claim, table, *([horizons(50, 100)] if claim == "lstm-better" else [])).verdict != "reproduced"


@pytest.mark.parametrize(
    ("tau", "s", "r_on"), [(6.0, 3.0, 1.0), (6.0, -1.0, 0.2), (6.0, 100.0, 0.2), (0.7, 3.0, 0.2)], ids=str
)
def test_another_gate_than_figure_3s_settles_nothing(tau, s, r_on):
    assert judge("fig3", k_of(tau, s, r_on), tau, s, r_on).verdict == "underpowered"


def test_a_loss_below_its_bound_is_a_fault_of_ours():
    with pytest.raises(AssertionError, match="below its bound"):
        judge("text-loss", text([0.1], [0.6]))


def test_evidence_states_mean_and_interval():
    evidence = judge("fig1a", runs(0.98, lengths=(5,), steps=(300, 400))).evidence
    assert evidence == "At T = 5, step 400: accuracy 0.98 (0.96 to 1.00) on fresh palindromes, against 0.95."
    assert "accuracy 0.97 on fresh" in judge("fig1a", runs(0.98, lengths=(5,), steps=(400,), seeds=1)).evidence


def test_each_length_counts_at_its_own_best_rate():
    table = runs(
        lambda row: 0.9 if (row["length"], row["learning_rate"]) in {(20, 1e-3), (30, 1e-2)} else 0.1,
        models=("lstm",), lengths=(20, 30), rates=(1e-3, 1e-2),
    )  # fmt: skip
    assert judge("fig2b", table).verdict == "reproduced"


def test_the_identity_path_is_judged_by_what_has_learnt_the_task():
    table = reach((0.9, 0.95), (0.8, 0.9))
    table.loc[table["seed"] == 2, ["cell", "test_accuracy"]] = 0.001, 0.1
    assert judge("identity-grad", table).verdict == "reproduced"
    evidence = judge("identity-grad", reach((0.002, 0.9), (0.8, 0.9), spread=0.1)).evidence
    assert "10 steps leave 0.002 (0.0015 to 0.0025) in the LSTM, 0.9 (0.68 to 1.1) in the open LSTM before" in evidence
    assert "All ways together leave 2.1 (1.9 to 2.3) in the LSTM" in evidence
    assert "in the RNN" in evidence.partition("All ways")[2]


def test_an_unknown_claim_is_an_error():
    with pytest.raises(KeyError):
        judge("fig9", runs(0.5))


# Showing and keeping


def test_a_verdict_shows_itself_and_leaves_its_data():
    shown, metadata = Verdict("fig1a", "reproduced", "0.98 > 0.95 & <so> on")._repr_mimebundle_()
    assert '<div class="verdict verdict-reproduced" id="claim-fig1a">' in shown["text/html"]
    assert "0.98 &gt; 0.95 &amp; &lt;so&gt; on" in shown["text/html"]
    assert claims.claims()["fig1a"]["claim"] in shown["text/html"]
    assert shown["text/plain"] == "fig1a: reproduced. 0.98 > 0.95 & <so> on"
    assert metadata == {METADATA: {"id": "fig1a", "verdict": "reproduced", "evidence": "0.98 > 0.95 & <so> on"}}


@pytest.mark.parametrize("verdict", ["reproduced", "contradicted", "underpowered", "not run"])
def test_a_verdicts_class_has_no_spaces(verdict):
    html = Verdict("fig1a", verdict, "")._repr_mimebundle_()[0]["text/html"]
    assert f'class="verdict verdict-{verdict.replace(" ", "-")}"' in html


@pytest.fixture
def collected(tmp_path):
    path = tmp_path / "verdicts.json"
    found = [
        {"id": "fig1a", "verdict": "reproduced", "evidence": "a < b & c", "chapter": "02_rnn_versus_lstm"},
        {"id": "k-zero", "verdict": "contradicted", "evidence": "no", "chapter": "03_temporal_gate"},
    ]
    path.write_text(json.dumps(found))
    return str(path)


@pytest.mark.parametrize("name", ["", "_build/there/is/none.json"])
def test_without_verdicts_nothing_is_run(name):
    table = ledger(name)
    assert list(table["id"]) == list(claims.claims())
    assert set(table["verdict"]) == {"not run"}
    assert set(table["evidence"]) == set(table["chapter"]) == {""}


def test_the_ledger_has_every_claim_and_what_was_collected(collected):
    table = ledger(collected).set_index("id")
    assert list(table.index) == list(claims.claims())
    assert table.loc["fig1a"].to_dict() == {
        "section": "1.3",
        "claim": claims.claims()["fig1a"]["claim"],
        "verdict": "reproduced",
        "evidence": "a < b & c",
        "chapter": "02_rnn_versus_lstm",
    }
    assert table["verdict"].value_counts().to_dict() == {"not run": 26, "reproduced": 1, "contradicted": 1}


def test_the_ledger_may_list_some_verdicts_only(collected):
    assert list(ledger(collected, ["reproduced", "contradicted"])["id"]) == ["fig1a", "k-zero"]
    assert list(ledger(collected, ["contradicted"]).index) == [0]
    assert ledger(collected, ["underpowered"]).empty
    assert len(ledger(collected, list(VERDICTS))) == 28


def test_the_table_links_to_the_evidence_and_escapes(collected):
    html = as_html(ledger(collected))
    assert html.count("<tr") == 29
    assert '<a href="02_rnn_versus_lstm.html#claim-fig1a"><span class="verdict-name">reproduced</span></a>' in html
    assert "a &lt; b &amp; c" in html
    assert html.count("<a href") == 2
    assert html.count('class="verdict verdict-not-run"') == 26


def test_an_empty_ledger_is_a_table_with_its_head(collected):
    html = as_html(ledger(collected, ["underpowered"]))
    assert html.count("<th ") == 4
    assert "<td>" not in html
