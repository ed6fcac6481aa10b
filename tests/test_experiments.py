"""What the chapters run, at sizes that take seconds: every function, and its numbers against plain recomputation."""

import math
import os
import re
import shutil
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import require

from rnnreport import baselines, corpora
from rnnreport.backends import in_use
from rnnreport.cells import lstm_step, rnn_step, temporal_gate
from rnnreport.experiments import cell_path as reaches
from rnnreport.experiments import (
    horizon,
    kept,
    learned,
    multiverse,
    palindromes,
    recorded,
    rnn_versus_lstm,
    sequences,
    text,
    text_networks,
    text_recipes,
    text_training,
)
from rnnreport.experiments import temporal_gate as gate
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.experiments.text_training import TextRun, train_text
from rnnreport.models import LSTM, CharLSTM
from rnnreport.palindromes import palindrome_batch
from rnnreport.parameters import ParameterError
from rnnreport.provenance import PROJECT
from rnnreport.runs import RUNS_DIR, Run, finish, load, provenance, tabulate, write_table
from rnnreport.sequences import Adding, Bursts, Copying, SineWaves
from rnnreport.training import OPTIMIZERS, Recipe, TrainingError, load_weights
from rnnreport.windows import Streams

torch.set_num_threads(1)  # at these sizes a second one costs more than it brings

TRAINING = {
    "seeds": [0, 1],
    "lengths": [5],
    "train_steps": 6,
    "learning_rate": 1e-2,
    "hidden_size": 4,
    "batch_size": 3,
    "device": "cpu",
}
CHAPTER_3 = {
    "tau": 6.0,
    "s": 3,
    "r_on": 0.2,
    "test_palindromes": 100,
    "ladder": [3, 4],
    "lstm_ladder": [3],
    "ladder_steps": 4,
    "burst_steps": 8,
    "period_starts": [0.9, 1.0],
    "marked_length": 5,
    "marked_steps": 4,
    "adding_length": 20,
    "adding_steps": 4,
    "samplings": ["standard", "asynchronous"],
    "frequency_networks": ["LSTM", "gated"],
    "frequency_steps": 4,
    "backend": "torch",
    "recorded_file": "",
}
POEM = "\n".join(f"{verse} green bottles, hanging on the wall; and if {verse} should fall," for verse in range(300))


@pytest.fixture(scope="module")
def in_own_store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNS_DIR, str(tmp_path_factory.mktemp("store")))
        yield


def palindrome_run(steps=6, seed=0, **changes):
    settings = {"model": "lstm", "length": 5, "hidden_size": 4, "batch_size": 3, "test_palindromes": 50}
    return PalindromeRun(**{**settings, **changes}, recipe=Recipe(steps=steps, seed=seed, record_every=2))


def trained(run, folder, function=train_palindromes):
    folder.mkdir()
    return function(run, folder)


def compared(table):
    return table.drop(columns="seconds")


# Palindromes


@pytest.mark.parametrize("encoding", ["scalar", "one-hot"])
@pytest.mark.parametrize("model", ["rnn", "lstm", "temporal-gate"])
def test_a_palindrome_run_measures_fresh_palindromes(tmp_path, model, encoding):
    run = palindrome_run(model=model, encoding=encoding)
    told = []
    table = train_palindromes(run, tmp_path, told.append)
    assert table["step"].tolist() == [0, 2, 4, 6]
    assert sum(told) == run.steps
    network = palindromes.new_network(run)
    palindromes.load_weights(network, tmp_path / "weights-6.safetensors")
    digits, last = palindromes.test_set(run)
    assert digits.shape == (4, 50)
    assert torch.equal(digits[0], last)
    with torch.no_grad():
        logits = network.eval()(digits)
    assert table["test_accuracy"].iloc[-1] == (logits.argmax(1) == last).double().mean().item()
    assert table["test_loss"].iloc[-1] == pytest.approx(F.cross_entropy(logits, last).item(), rel=1e-6)


def test_the_same_seed_gives_the_same_numbers_and_another_others(tmp_path):
    first = trained(palindrome_run(), tmp_path / "first")
    pd.testing.assert_frame_equal(
        compared(first), compared(trained(palindrome_run(), tmp_path / "second")), check_exact=True
    )
    other = trained(palindrome_run(seed=1), tmp_path / "other")
    assert first["loss"].iloc[-1] != other["loss"].iloc[-1]
    assert first["test_loss"].iloc[0] != other["test_loss"].iloc[0]


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1])
def test_the_test_palindromes_are_drawn_from_another_seed_than_those_of_training(seed):
    run = palindrome_run(length=20, seed=seed)
    digits, _ = palindromes.test_set(run)
    batch, _ = palindrome_batch(20, 50, torch.Generator().manual_seed(run.seed))
    assert not (digits.T[:, None] == batch.T[None]).all(-1).any()
    assert (digits == batch).float().mean() < 0.2


@pytest.mark.parametrize("task", [Adding(length=20), SineWaves(), Bursts(length=20)], ids=repr)
def test_the_test_sequences_are_drawn_from_another_seed_than_those_of_training(task):
    run = sequences.SequenceRun.of(task, None, seed=5, steps=1, batch_size=50, test_sequences=50)
    (tested, *_), targets = sequences.test_set(run)
    (trained_on, *_), _ = task.batch(50, torch.Generator().manual_seed(run.seed))
    numbers = tested[(tested != 0) & (tested != 1)]
    assert len(numbers) > 500
    assert torch.isin(numbers, trained_on).float().mean() < 0.01  # by chance
    assert len(targets) == 50
    other = sequences.test_set(run.model_copy(update={"recipe": run.recipe.model_copy(update={"seed": 6})}))[0].x
    assert torch.isin(numbers, other).float().mean() < 0.01


def test_a_trained_network_is_that_of_the_last_step(tmp_path):
    small = {"hidden_size": 4, "batch_size": 3, "test_sequences": 10, "record_every": 1}
    for of, run, function in (
        (sequences, sequences.SequenceRun.of(Adding(length=20), None, seed=0, steps=3, **small), "train_sequences"),
        (palindromes, palindrome_run(steps=6), "train_palindromes"),
    ):
        folder = tmp_path / function
        table = trained(run, folder, getattr(of, function))
        network, expected = of.trained_network(Run(run, table, {}, folder)), of.new_network(run)
        load_weights(expected, folder / f"weights-{run.steps}.safetensors")
        assert len(table) > 3
        assert all(map(torch.equal, network.parameters(), expected.parameters()))


@pytest.mark.parametrize(("steps", "every"), [(8, 10), (439, 10), (440, 11), (4_000, 100)])
def test_a_run_on_sequences_has_forty_records_at_most(steps, every):
    assert sequences.SequenceRun.of(Adding(length=20), None, seed=0, steps=steps).recipe.record_every == every


def test_no_two_streams_of_a_run_and_of_others_meet():
    streams = [palindromes.own_stream(seed, number).initial_seed() for seed in range(300) for number in range(4)]
    assert len({*streams, *range(300)}) == len(streams) + 300


def test_every_seed_has_its_own_test_palindromes():
    first, again, other = (palindromes.test_set(palindrome_run(length=20, seed=seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_runs_settings_reach_its_network():
    run = palindrome_run(model="temporal-gate", encoding="one-hot", longest_period=1.6, open_ratio=0.3, hidden_size=60)
    tau, s, r_on = palindromes.new_network(run).recurrence.gate()
    assert ((tau >= 1) & (tau <= 8.001)).all()
    assert tau.max() > 4
    assert ((s >= 0) & (s <= tau)).all()
    torch.testing.assert_close(r_on, torch.full_like(r_on, 0.3))
    forgetful, plain = (palindromes.new_network(palindrome_run(forget_bias=bias)) for bias in (1.0, 0.0))
    moved = forgetful.recurrence.bias_l0 - plain.recurrence.bias_l0
    torch.testing.assert_close(moved, torch.tensor([0.0, 1, 0, 0]).repeat_interleave(4))


# The LSTM's cell path


@pytest.fixture(scope="module")
def networks(in_own_store):
    """The parameters, and a run of two seeds of each network."""
    p = reaches.CellPathParameters.check(
        {
            "seeds": [0, 1],
            "length": 5,
            "train_steps": 6,
            "learning_rate": 1e-2,
            "rnn_learning_rate": 1e-3,
            "hidden_size": 4,
            "batch_size": 3,
            "test_palindromes": 100,
            "measured_palindromes": 3,
            "backend": "torch",
            "recorded_file": "",
        }
    )
    return p, reaches.palindrome_networks(p)


def reading(run, network, sequences):
    """The digits of the first test palindromes, one-hot, and the network's weights, in float64."""
    digits, _ = palindromes.test_set(run.configuration)
    x = F.one_hot(digits[:, :sequences], 10).double()
    return x, [weight.detach().double() for weight in network.recurrence.weights(0)]


def test_no_more_palindromes_are_measured_than_there_are(networks):
    values = networks[0].model_dump()
    assert reaches.CellPathParameters.check({**values, "measured_palindromes": 100}).measured_palindromes == 100
    with pytest.raises(ParameterError, match=r"at most test_palindromes, from which they are taken \(100\), not 101"):
        reaches.CellPathParameters.check({**values, "measured_palindromes": 101})


def test_the_networks_differ_in_model_bias_and_rate_alone(networks):
    p, finished = networks
    assert list(finished) == ["RNN", "LSTM", "LSTM with forget bias 1"]
    for seed, (rnn, plain, biased) in zip(p.seeds, zip(*finished.values())):
        assert [run.configuration.model for run in (rnn, plain, biased)] == ["rnn", "lstm", "lstm"]
        assert {run.configuration.seed for run in (rnn, plain, biased)} == {seed}
        assert biased.configuration.model_copy(update={"forget_bias": 0.0}) == plain.configuration
        assert (plain.configuration.recipe.learning_rate, rnn.configuration.recipe.learning_rate) == (1e-2, 1e-3)
        shared = {"model", "recipe"}
        assert rnn.configuration.model_dump(exclude=shared) == plain.configuration.model_dump(exclude=shared)


def test_the_reach_is_the_norm_of_autograds_jacobian(networks):
    """Before and after training, for both kinds of network and every lag, against a loop over the step cells."""
    p, finished = networks
    table = reaches.gradient_reach(finished, p.measured_palindromes)
    assert len(table) == 3 * 2 * 2 * 4  # networks, seeds, before and after, lags 0…3
    for name, runs in finished.items():
        run = runs[1]
        for when, network in (
            ("before", palindromes.new_network(run.configuration)),
            ("after", palindromes.trained_network(run)),
        ):
            x, weights = reading(run, network, p.measured_palindromes)

            def after(state, x, weights=weights, name=name):
                for x_t in x:
                    if name == "RNN":
                        state = rnn_step(x_t, state, *weights)
                    else:
                        state = torch.cat(lstm_step(x_t, *state.chunk(2), *weights))
                return state

            rows = table[(table["network"] == name) & (table["seed"] == 1) & (table["when"] == when)]
            assert set(rows["test_accuracy"]) == {run.table["test_accuracy"].iloc[-1]}
            for lag in range(4):
                logs = []
                for column in x.unbind(1):
                    start = after(torch.zeros(4 if name == "RNN" else 8, dtype=torch.float64), column[: 4 - lag])
                    jacobian = torch.autograd.functional.jacobian(
                        lambda state, rest=column[4 - lag :]: after(state, rest), start
                    )
                    logs.append(torch.linalg.svdvals(jacobian)[0].log())
                value = rows.loc[rows["lag"] == lag, "jacobian"].item()
                assert value == pytest.approx(math.exp(sum(logs) / len(logs)), rel=1e-10)
            assert rows["cell"].isna().all() == (name == "RNN")


def test_what_is_measured_in_networks_says_in_which(networks):
    _, finished = networks
    runs = {run.folder.name for of_name in finished.values() for run in of_name}
    assert set(reaches.gradient_reach(finished, 2)["run"]) == runs
    assert set(reaches.kept_by_units(finished, 2)["run"]) < runs
    assert set(reaches.rnn_slopes(finished, 2)["run"]) == {run.folder.name for run in finished["RNN"]}


def test_both_products_are_autograds():
    gaps = reaches.agreement(seed=0)
    assert len(gaps) == 2
    assert max(gaps.values()) < 1e-12


def test_what_units_keep_is_the_product_of_their_forget_gates(networks):
    p, finished = networks
    kept = reaches.kept_by_units(finished, p.measured_palindromes)
    reach = reaches.gradient_reach(finished, p.measured_palindromes)
    assert set(kept["network"]) == {"LSTM", "LSTM with forget bias 1"}
    run = finished["LSTM with forget bias 1"][0]
    x, weights = reading(run, palindromes.trained_network(run), p.measured_palindromes)
    h = c = torch.zeros(p.measured_palindromes, 4, dtype=torch.float64)
    product = torch.ones_like(c)
    for step, x_t in enumerate(x):
        f = (x_t @ weights[0].T + h @ weights[1].T + weights[2])[:, 4:8].sigmoid()
        product = product * f if step else product  # the step that reads the first digit writes the state
        h, c = lstm_step(x_t, h, c, *weights)
    rows = kept[(kept["network"] == "LSTM with forget bias 1") & (kept["seed"] == 0) & (kept["when"] == "after")]
    table = rows.pivot_table("kept", "palindrome", "unit").to_numpy()
    np.testing.assert_allclose(table, product, rtol=1e-12)
    last = reach[(reach["lag"] == 3) & (reach["seed"] == 0) & (reach["when"] == "after")].set_index("network")["cell"]
    assert last["LSTM with forget bias 1"] == pytest.approx(np.exp(np.log(table.max(1)).mean()), rel=1e-12)


def test_the_rnns_slopes_before_and_after(networks):
    p, finished = networks
    table = reaches.rnn_slopes(finished, p.measured_palindromes).set_index(["seed", "when"])
    run = finished["RNN"][1]
    x, weights = reading(run, palindromes.trained_network(run), p.measured_palindromes)
    h, slopes = torch.zeros(p.measured_palindromes, 4, dtype=torch.float64), []
    for x_t in x:
        h = rnn_step(x_t, h, *weights)
        slopes.append(1 - h**2)
    row = table.loc[1, "after"]
    assert row["radius"] == pytest.approx(np.abs(np.linalg.eigvals(weights[1].numpy())).max())
    assert row["norm"] == pytest.approx(np.linalg.svd(weights[1].numpy())[1][0])
    assert row["first"] == pytest.approx(slopes[0].median().item())
    assert row["last"] == pytest.approx(slopes[-1].median().item())
    whole, part = (
        [torch.linalg.multi_dot([s[b, :, None] * weights[1] for s in kept]) for b in range(p.measured_palindromes)]
        for kept in (slopes[:0:-1], [torch.where(s < 0.1, 0, s) for s in slopes[:0:-1]])
    )
    norms = [np.log([np.linalg.norm(product, 2) for product in products]).mean() for products in (whole, part)]
    assert row["carried"] == pytest.approx(np.exp(norms[1] - norms[0]))
    assert row["radius"] != table.loc[1, "before"]["radius"]


# Chapter 2


@pytest.fixture(scope="module")
def chapter_2():
    return rnn_versus_lstm.RNNVersusLSTMParameters.check(
        {
            **TRAINING,
            "models": ["rnn", "lstm"],
            "learning_rates": [1e-3, 1e-2],
            "optimizers": list(OPTIMIZERS),
            "early_steps": 2,
            "longest_rate": 1e-1,
            "optimizer_length": 4,
            "optimizer_steps": 2,
            "ladder": [3, 5],
            "ladder_steps": 4,
            "far_ladder": [3],
            "far_steps": 2,
            "kept_length": 5,
            "kept_steps": 4,
            "backend": "torch",
            "recorded_file": "",
            "encoding": "one-hot",
            "test_palindromes": 100,
        }
    )


def test_the_comparison_has_the_rnn_at_one_rate_and_every_model_at_one_that_grows(chapter_2, in_own_store):
    p = chapter_2.model_copy(update={"lengths": [3, 5]})
    table = tabulate(rnn_versus_lstm.comparison(p))
    asked = table.groupby(["model", "length", "learning_rate"])["seed"].nunique()
    assert asked.to_dict() == {
        ("rnn", 3, 0.01): 2, ("rnn", 5, 0.01): 2, ("rnn", 5, 0.1): 2, ("lstm", 3, 0.01): 2, ("lstm", 5, 0.1): 2,
    }  # fmt: skip
    assert (table.groupby(["model", "length", "learning_rate", "seed"])["step"].max() == 6).all()
    assert set(table["encoding"]) == {"one-hot"}
    assert set(table["optimizer"]) == {"rmsprop"}
    assert table["test_accuracy"].between(0, 1).all()


def test_the_rate_grows_evenly_with_the_length(chapter_2):
    p = chapter_2.model_copy(update={"lengths": [25, 5, 10], "learning_rate": 0.001, "longest_rate": 0.005})
    assert [p.grown_rate(length) for length in (5, 10, 15, 25)] == pytest.approx([0.001, 0.002, 0.003, 0.005])
    assert chapter_2.grown_rate(5) == chapter_2.learning_rate  # of a single length


def test_the_comparisons_numbers_are_those_of_a_training_alone(chapter_2, in_own_store, tmp_path):
    run = rnn_versus_lstm.comparison(chapter_2)[3]
    assert run.configuration.seed == 1
    pd.testing.assert_frame_equal(
        compared(run.table), compared(trained(run.configuration, tmp_path / "alone")), check_exact=True
    )


def test_every_length_is_tried_at_every_rate(chapter_2, in_own_store):
    table = tabulate(rnn_versus_lstm.rates(chapter_2))
    assert len(table.groupby(["model", "length", "learning_rate", "seed"])) == 2 * 1 * 2 * 2


def test_every_optimizer_is_tried_at_several_rates(chapter_2, in_own_store):
    table = tabulate(rnn_versus_lstm.optimizers(chapter_2, rates=(1e-3, 1e-2)))
    assert len(table.groupby(["optimizer", "learning_rate", "seed"])) == len(OPTIMIZERS) * 2 * 2
    assert set(table["model"]) == {"rnn"}
    assert set(table["length"]) == {4}
    assert table["step"].max() == 2
    assert (table.loc[table["step"] > 0, "effective_rate"] > 0).all()


def test_schedules_halve_sgds_rate_after_several_numbers_of_steps_at_two_lengths(chapter_2, in_own_store):
    asked = [run.configuration for run in rnn_versus_lstm.schedules(chapter_2, halved_every=(1, 2))]
    settings = [(run.length, run.recipe.decay_every, run.seed) for run in asked]
    assert settings == [*product((2, 4), (1, 2), (0, 1))]
    assert {(run.model, run.steps, run.encoding) for run in asked} == {("rnn", 2, "one-hot")}
    assert {(run.recipe.optimizer, run.recipe.learning_rate, run.recipe.decay) for run in asked} == {("sgd", 0.1, 0.5)}


@pytest.fixture(scope="module")
def with_gradients(chapter_2, in_own_store):
    return rnn_versus_lstm.with_gradients(chapter_2, rates=(1e-3, 1e-2))


def test_gradients_are_compared_at_even_steps_of_sgds_training(chapter_2, with_gradients):
    assert {run.configuration.recipe.optimizer for run in with_gradients} == {"sgd"}
    table = rnn_versus_lstm.gradient_noise(with_gradients, batches=3)
    assert list(table) == ["seed", "learning_rate", "step", "cosine", "test_accuracy", "run"]
    assert [*zip(table["learning_rate"], table["seed"], table["step"])] == [*product((1e-3, 1e-2), (0, 1), range(3))]
    assert table["cosine"].between(-1, 1).all()
    means = tabulate(with_gradients).groupby("run")["test_accuracy"].mean()
    assert table.groupby("run")["test_accuracy"].first().equals(means)


def test_the_agreement_of_gradients_is_the_mean_cosine_of_their_pairs(with_gradients):
    run = with_gradients[0]
    network, generator = palindromes.trained_network(run, 0), palindromes.own_stream(run.configuration.seed, 4)
    gradients = []
    for _ in range(3):
        digits, last = palindrome_batch(4, 3, generator)
        network.zero_grad()
        F.cross_entropy(network(digits), last).backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in network.parameters()]))
    pairs = [F.cosine_similarity(gradients[a], gradients[b], dim=0).item() for a, b in ((0, 1), (0, 2), (1, 2))]
    found = rnn_versus_lstm.gradient_noise([run], batches=3)["cosine"]
    assert found[0] == pytest.approx(np.mean(pairs), abs=1e-6)


def test_the_gradients_of_one_batch_agree_with_themselves(with_gradients, monkeypatch):
    batch = palindrome_batch(4, 3, torch.Generator().manual_seed(0))
    monkeypatch.setattr(rnn_versus_lstm, "palindrome_batch", lambda *_: batch)
    assert rnn_versus_lstm.gradient_noise(with_gradients[:1])["cosine"].tolist() == pytest.approx([1.0] * 3)


def test_both_networks_have_the_better_start_at_the_second_rung(chapter_2, in_own_store):
    p = chapter_2.model_copy(update={"far_ladder": [7, 3, 5]})
    asked = [run.configuration for run in rnn_versus_lstm.better_start(p)]
    start = horizon.BASES["better start"]
    assert asked == [
        PalindromeRun.of(model, 5, seed, 6, "torch", **p.common, **start[model]) for model in start for seed in (0, 1)
    ]
    assert {run.model for run in asked} == {"rnn", "lstm"}
    assert [run.configuration.length for run in rnn_versus_lstm.better_start(chapter_2)] == [3] * 4  # its only rung


# The memory horizon


def solved(**steps):
    """What a stand-in for run_all returns: each run solved at so many steps, or not, by model and length."""

    def run_all(function, wanted, name):
        asked.extend(wanted)
        return [Run(run, history(run), {}, Path("run")) for run in wanted]

    def history(run):
        at = steps.get(f"{run.model}_{run.length}", {}).get(run.seed, math.inf)
        rows = [(step, 1.0 if step >= at else 0.2) for step in range(0, run.steps + 1, 50)]
        return pd.DataFrame(rows, columns=["step", "test_accuracy"])

    asked = []
    return run_all, asked


FIVE = dict.fromkeys(range(5), 100)


def test_a_climb_ends_at_the_first_length_that_too_many_seeds_fail(monkeypatch):
    run_all, asked = solved(
        rnn_5=FIVE, rnn_10={**FIVE, 3: math.inf}, lstm_5=FIVE, lstm_10={0: 150, 2: 100, 3: 100, 4: 50}
    )
    monkeypatch.setattr(horizon, "run_all", run_all)
    report = [base for base in horizon.bases() if base.base == "report"]
    climbed = horizon.climb(report, [10, 5, 20], range(5), 1_000)
    counts = pd.Series([(run.model, run.length) for run in asked]).value_counts().to_dict()
    # The RNN fails at 20 in both seeds that were asked first; the LSTM at 10 in one of the first two, so that
    # the others have to tell.
    assert counts == {("rnn", 5): 5, ("rnn", 10): 5, ("rnn", 20): 2, ("lstm", 5): 5, ("lstm", 10): 5, ("lstm", 20): 2}
    table = horizon.tabulated(climbed)
    found = horizon.horizons(table, [50, 100, 149, 150, math.inf]).set_index(["model", "budget"])["horizon"]
    assert found["rnn"].to_list() == [0, 10, 10, 10, 10]
    assert found["lstm"].to_list() == [0, 5, 5, 10, 10]
    steps = horizon.steps_to_solve(table).set_index(["model", "length", "seed"])["steps"]
    assert (steps["lstm", 10, 0], steps["lstm", 10, 1], steps["lstm", 10, 4]) == (150, math.inf, 50)


def test_a_climb_trains_each_seed_until_its_length_is_solved(in_own_store):
    easy = horizon.Setting("own", "", "", "rnn", {"encoding": "one-hot", "learning_rate": 1e-2})
    sizes = {"hidden_size": 16, "batch_size": 32, "test_palindromes": 100}
    climbed = horizon.climb([easy], [2], [0, 1], 400, **sizes)
    for setting, run in climbed:
        assert setting == easy
        accuracies = run.table["test_accuracy"]
        assert accuracies.iloc[-1] >= horizon.SOLVED > accuracies.iloc[:-1].max()
        assert run.table["step"].iloc[-1] < 400
        network = palindromes.trained_network(run)
        digits, last = palindromes.test_set(run.configuration)
        assert (network(digits).argmax(-1) == last).double().mean().item() == accuracies.iloc[-1]


@pytest.mark.parametrize("seeds", [1, 2, 3, 5, 10])
def test_as_few_seeds_as_can_settle_a_failure_go_first(monkeypatch, seeds):
    run_all, asked = solved()
    monkeypatch.setattr(horizon, "run_all", run_all)
    horizon.climb(horizon.bases()[:1], [5, 10], range(seeds), 100)
    assert len(asked) == 1 + seeds - math.ceil(0.8 * seeds)


def test_one_factor_at_a_time_moves_one_factor_at_a_time():
    settings = horizon.one_factor_at_a_time()
    assert len({setting.name for setting in settings}) == len(settings)
    for setting in settings:
        run = PalindromeRun.of(setting.model, 9, 0, **setting.settings)
        base = PalindromeRun.of(setting.model, 9, 0, **horizon.BASES[setting.base][setting.model])
        fields = {
            name
            for name, value in {**run.model_dump(), **run.recipe.model_dump()}.items()
            if name != "recipe" and value != {**base.model_dump(), **base.recipe.model_dump()}[name]
        }
        allowed = {
            "": [set()],
            "digits": [{"encoding"}],
            "initial weights": [{"initialisation"}],
            "gates' biases": [{"forget_bias"}, {"chrono"}, {"forget_bias", "chrono"}],
            "gradient clipped at": [{"clip_norm"}],
            "learning rate": [{"learning_rate"}],
        }
        assert fields in allowed[setting.factor], setting.name
        palindromes.new_network(run)  # can be made
    factors = {(setting.base, setting.model): set() for setting in settings}
    for setting in settings:
        factors[setting.base, setting.model].add(setting.factor)
    assert all(
        found == set(allowed) - ({"gates' biases"} if key[1] == "rnn" else set()) for key, found in factors.items()
    )


def test_a_run_of_settings_has_them():
    run = PalindromeRun.of("rnn", 7, 3, 500, "auto", 0.9, learning_rate=0.1, encoding="one-hot", hidden_size=5)
    assert (run.model, run.length, run.seed, run.steps, run.backend) == ("rnn", 7, 3, 500, "auto")
    assert (run.recipe.learning_rate, run.recipe.record_every, run.solved_at, run.hidden_size) == (0.1, 50, 0.9, 5)


# What a network keeps


@pytest.fixture(scope="module")
def remembering(chapter_2, in_own_store):
    return rnn_versus_lstm.remembering(chapter_2, chapter_2.seeds)


def test_states_are_those_of_the_printed_cells(remembering):
    for run in remembering:
        network = palindromes.trained_network(run).double()
        digits = palindromes.test_set(run.configuration)[0][:, :3]
        found = kept.states(network, digits)
        x, weights = network.encode(digits), network.recurrence.weights(0)
        h = c = torch.zeros(3, 4, dtype=torch.float64)
        for step, x_t in enumerate(x):
            if run.configuration.model == "rnn":
                h = rnn_step(x_t, h, *weights)
            else:
                h, c = lstm_step(x_t, h, c, *weights)
                torch.testing.assert_close(found["c"][step], c)
            torch.testing.assert_close(found["h"][step], h)
        assert set(found) == ({"h"} if run.configuration.model == "rnn" else set("hcifgo"))


def test_the_first_digit_is_read_off_where_it_is_and_nowhere_else():
    generator = torch.Generator().manual_seed(0)
    digits = torch.randint(10, (2, 600), generator=generator)
    there = F.one_hot(digits, 10).double() @ torch.randn(10, 12, dtype=torch.float64, generator=generator)
    noise = torch.randn(2, 600, 12, dtype=torch.float64, generator=generator)
    assert kept._read_off(there[0], digits[0], there[1], digits[1]) == 1
    assert kept._read_off(noise[0], digits[0], noise[1], digits[1]) < 0.2
    constant = torch.ones(600, 12, dtype=torch.float64)  # states that lie in one point
    assert kept._read_off(constant, digits[0], constant, digits[1]) < 0.2


def test_reading_off_covers_networks_states_steps_and_times(remembering):
    table = kept.decoded(remembering, 200)
    groups = table.groupby(["model", "state", "when", "seed"])["step"].agg(list)
    assert set(groups.map(tuple)) == {(1, 2, 3, 4)}
    assert set(groups.index.droplevel([2, 3])) == {("rnn", "h"), ("lstm", "h"), ("lstm", "c")}
    assert len(groups) == 3 * 3 * 2
    assert set(table["when"]) == {"before", "random", "after"}
    assert table["accuracy"].between(0, 1).all()


def test_activity_is_sorted_by_what_a_unit_says_for_the_right_answer(remembering):
    run = remembering[-1]
    found = kept.activity(run)
    network = palindromes.trained_network(run).double()
    digits = palindromes.test_set(run.configuration)[0][:, :1]
    states = kept.states(network, digits)
    says = (states["h"][-1, 0] * network.W_ph[digits[0, 0]]).detach()
    assert found["digits"].tolist() == digits[:, 0].tolist()
    for name in "hcifgo":
        np.testing.assert_array_equal(found[name], states[name][:, 0].T[says.argsort(descending=True)].numpy())


def test_forget_products_are_quantiles_of_the_gates_products_over_the_training(remembering):
    table = kept.forget_products(remembering, 5)
    assert set(table["step"]) == {0, 1, 2, 3, 4}
    assert set(table["seed"]) == {0, 1}
    run = next(run for run in remembering if run.configuration.model == "lstm")
    for step in (0, 2, 4):
        network = palindromes.trained_network(run, step).double()
        digits = palindromes.test_set(run.configuration)[0][:, :5]
        gates = kept.states(network, digits)["f"][1:].prod(0)  # of the steps after the first digit
        row = table[(table["seed"] == 0) & (table["step"] == step) & (table["share"] == 0.5)]
        assert row["kept"].item() == pytest.approx(gates.flatten().quantile(0.5).item())
    assert torch.equal(palindromes.trained_network(run, 0).W_ph, palindromes.new_network(run.configuration).W_ph)


def test_the_plane_holds_the_largest_variance(remembering):
    for run in remembering:
        plane = kept.state_space(run, 50)
        last = plane.states[plane.states["step"] == 4]
        assert len(plane.states) == 4 * 50
        network = palindromes.trained_network(run).double()
        states = kept.states(network, palindromes.test_set(run.configuration)[0][:, :50])
        state = states.get("c", states["h"])[-1]
        eigenvalues = torch.linalg.eigvalsh(state.T.cov()).flip(0)
        assert last[["x", "y"]].var().to_list() == pytest.approx(eigenvalues[:2].tolist())
        assert plane.variance == pytest.approx((eigenvalues[:2].sum() / eigenvalues.sum()).item())
        assert 0 <= plane.found <= 1


def test_the_nearest_middle_tells_clouds_apart():
    generator = torch.Generator().manual_seed(0)
    digits = torch.randint(10, (200,), generator=generator)
    clouds = torch.stack([digits.cos(), digits.sin()], -1).double() * 100
    assert kept._nearest_middle(clouds + torch.randn(200, 2, generator=generator), digits) == 1
    assert kept._nearest_middle(torch.randn(200, 2, generator=generator).double(), digits) < 0.3


# What is recorded


def test_all_that_is_recorded_comes_back_with_its_origin(chapter_2, in_own_store, monkeypatch, tmp_path):
    monkeypatch.setattr(horizon, "FACTORS", {"digits": horizon.FACTORS["digits"]})
    monkeypatch.setattr(multiverse, "CHOICES", {"digits": multiverse.CHOICES["digits"]})
    p = chapter_2.model_copy(update={"optimizers": ["adam"], "learning_rates": [0.01]})
    table = recorded.joined(rnn_versus_lstm.record(p))
    write_table(table, tmp_path / "chapter.parquet")
    kept_table = recorded.read(str(tmp_path / "chapter.parquet"))
    names = set(rnn_versus_lstm.record(p))
    assert "multiverse" in names
    assert set(kept_table["experiment"]) == set(kept_table.attrs["provenance"]) == names
    for name in names:
        part, before = (recorded.rows(one, name) for one in (kept_table, table))
        pd.testing.assert_frame_equal(part, before, check_dtype=False)
    rates = recorded.rows(kept_table, "rates")
    origin = rates.attrs["provenance"]
    expected = tabulate(rnn_versus_lstm.rates(chapter_2.model_copy(update={"learning_rates": [0.01]})))
    for name in ("step", "length", "seed", "test_accuracy"):
        assert rates[name].to_list() == expected[name].to_list()
    assert rates["length"].dtype == rates["step"].dtype == np.int64
    assert origin.startswith("recorded: 4 runs, seeds 0, 1")
    absent = recorded.rows(kept_table, "none")
    assert absent.empty
    assert recorded.rows(None, "rates").empty
    assert recorded.rows(None, "rates", lambda: rates) is rates
    assert recorded.read("") is None


def recorded_now(experiment, seeds, value, claims=()):
    part = pd.DataFrame({"seed": seeds, "value": value})
    part.attrs["provenance"] = f"recorded: seeds {seeds}"
    return recorded.joined({experiment: lambda: part}, dict(claims))


def test_seeds_can_be_added_to_what_is_recorded():
    both = recorded.added(recorded_now("a", [0, 1], 1.0), recorded_now("a", [1, 2], 2.0))
    assert both[["seed", "value"]].to_numpy().tolist() == [[0, 1.0], [1, 2.0], [2, 2.0]]
    origin = recorded.rows(both, "a").attrs["provenance"]
    assert origin == "recorded: seeds [0, 1] + recorded: seeds [1, 2]"


def test_truth_values_come_back_as_such_beside_experiments_without_them():
    found = pd.DataFrame({"seed": [0, 1], "recovered": [True, False]})
    table = recorded.joined({"search": lambda: found, "other": lambda: pd.DataFrame({"seed": [0]})})
    assert recorded.rows(table, "search").dtypes.astype(str).to_dict() == {
        "seed": "int64", "recovered": "bool", "experiment": "str"
    }  # fmt: skip


def test_seeds_can_be_added_that_have_a_setting_that_was_not_there_before():
    more = recorded.joined({"a": lambda: pd.DataFrame({"seed": [1], "value": [2], "num_layers": [1]})})
    rows = recorded.rows(recorded.added(recorded_now("a", [0], 1), more), "a")
    assert rows["value"].dtype == "int64"
    assert rows["num_layers"].isna().tolist() == [True, False]


def test_what_is_recorded_anew_replaces_what_was():
    both = recorded.added(recorded_now("a", [0, 1], 1.0), recorded_now("a", [0, 1], 2.0))
    assert both["value"].tolist() == [2.0, 2.0]
    assert recorded.rows(both, "a").attrs["provenance"] == "recorded: seeds [0, 1]"


@pytest.mark.parametrize("is_setting", [True, False], ids=["of a training", "what came out"])
def test_a_period_tells_rows_apart_where_it_was_set(is_setting):
    more = {"hidden_size": 8} if is_setting else {}
    table, anew = (
        recorded.joined({"a": lambda tau=tau: pd.DataFrame({"seed": [0], "tau": [tau], **more})}) for tau in (1.0, 2.0)
    )
    assert recorded.added(table, anew)["tau"].tolist() == ([1.0, 2.0] if is_setting else [2.0])


def test_digests_of_claims_stay_that_all_seeds_of_an_experiment_were_recorded_with(tmp_path):
    first = recorded.added(
        recorded_now("a", [0], 1.0, {"one": "x", "two": "y"}), recorded_now("b", [0], 1.0, {"one": "x"})
    )
    assert first.attrs["claims"] == {"a": {"one": "x", "two": "y"}, "b": {"one": "x"}}
    both = recorded.added(first, recorded_now("a", [1], 2.0, {"one": "x", "two": "z"}))
    assert both.attrs["claims"] == {"a": {"one": "x"}, "b": {"one": "x"}}
    anew = recorded.added(both, recorded_now("a", [0, 1], 3.0, {"two": "z"}))
    assert anew.attrs["claims"]["a"] == {"two": "z"}
    write_table(anew, tmp_path / "anew.parquet")
    assert recorded.rows(recorded.read(str(tmp_path / "anew.parquet")), "a").attrs["claims"] == {"two": "z"}
    del both.attrs["claims"]  # of a table from before claims had digests
    assert recorded.rows(both, "a").attrs["claims"] == {}
    assert recorded.added(both, recorded_now("a", [2], 2.0, {"one": "x"})).attrs["claims"] == {"a": {}}


def test_another_experiment_can_be_added():
    both = recorded.added(recorded_now("a", [0], 1.0), recorded_now("b", [0], 2.0))
    assert {name: recorded.rows(both, name)["value"].tolist() for name in "ab"} == {"a": [1.0], "b": [2.0]}


def test_a_record_that_is_none_is_refused_in_a_sentence(chapter_2, tmp_path):
    values = chapter_2.model_dump()
    (tmp_path / "text.parquet").write_text("no table")
    pd.DataFrame({"step": [1]}).to_parquet(tmp_path / "plain.parquet")
    for name, says in (
        ("none.parquet", "recorded_file must be '' or a file that `rnnreport record` made; there is no"),
        ("text.parquet", "text.parquet is not a table that can be read"),
        ("plain.parquet", "plain.parquet does not say where its runs come from"),
        ("n" * 400, "recorded_file must be '' or a file that `rnnreport record` made; there is no"),
    ):
        with pytest.raises(ParameterError, match=says):
            type(chapter_2).check({**values, "recorded_file": str(tmp_path / name)})


def test_a_record_takes_both_models(chapter_2):
    with pytest.raises(ParameterError, match=r"models must be \['rnn', 'lstm'\] for the record, not \['rnn'\]"):
        rnn_versus_lstm.record(chapter_2.model_copy(update={"models": ["rnn"]}))


def test_horizons_in_words():
    assert [horizon.in_words(value, [5, 10, 20]) for value in (0, 5, 20)] == [
        "less than T = 5",
        "T = 5",
        "at least T = 20",
    ]


def climbed(taken, lengths=(5, 10)):
    """A table of runs from the steps each of five seeds took at each length, infinite where it failed, by model."""
    rows = [
        (model, length, seed, step, 1.0 if step >= solved else 0.5)
        for model, of_model in taken.items()
        for length, steps in zip(lengths, of_model)
        for seed, solved in enumerate(steps)
        for step in (0, 50, 100, 150, 200)
    ]
    table = pd.DataFrame(rows, columns=["model", "length", "seed", "step", "test_accuracy"])
    return table.assign(base="farther", factor="", value="", steps=200)


def test_how_far_is_reached_is_said_with_the_step_at_which_the_line_rises():
    never = [math.inf] * 5
    table = climbed({"rnn": ([50, 50, 50, 150, math.inf], never), "lstm": ([50] * 5, [50, 50, 50, 100, 200])})
    assert horizon.reached(table) == (
        "Within 200 steps the RNN gets to T = 5 (step 150) and the LSTM gets to at least T = 10 (step 100)."
    )
    by_budget = horizon.horizons(table, horizon.budgets(table)).set_index("model")
    assert by_budget.loc["rnn", ["budget", "horizon"]].to_numpy().tolist() == [
        [0, 0],
        [50, 0],
        [100, 0],
        [150, 5],
        [200, 5],
    ]
    assert horizon.reached(climbed({"rnn": (never, never)})) == "Within 200 steps the RNN does not solve T = 5."


def test_the_longest_solved_of_both_starts_and_of_the_larger_budget():
    starts = [climbed({"rnn": ([50] * 5, [50] * 5), "lstm": ([50] * 5, [math.inf] * 5)}).assign(base="report")]
    starts += [climbed({"rnn": ([math.inf] * 5,) * 2}).assign(base="better start")]
    moved = climbed({"rnn": ([50] * 5, [50] * 5)}).assign(base="report", factor="digits", length=20)
    far = climbed({"rnn": ([50] * 5, [50] * 5)}, lengths=(10, 20)).assign(steps=900)
    rows = horizon.longest(pd.concat([*starts, moved]), far)
    assert rows[["base", "steps", "model", "horizon", "words"]].to_numpy().tolist() == [
        ["report", 200, "rnn", 10, "of up to 10 digits"],
        ["report", 200, "lstm", 5, "of up to 5 digits"],
        ["better start", 200, "rnn", 0, "of fewer than 5 digits"],
        ["better start", 900, "rnn", 20, "of at least 20 digits"],
    ]
    assert len(horizon.longest(pd.concat(starts), far[:0])) == 3


def test_backends_are_told_by_how_far_their_medians_lie_apart():
    def both(torch, native):
        parts = {"torch": torch, "native": native}
        tables = [climbed({"lstm": steps}).assign(backend=name) for name, steps in parts.items()]
        return pd.concat(tables)

    never = [math.inf] * 5
    table = both(([50] * 5, never), ([50, 50, 150, 150, 150], never))
    assert (
        rnn_versus_lstm.backends_apart(table) == "The backends' median steps to solve a length differ by 100 at most."
    )
    table = both(([50] * 5, never), ([50] * 5, [50] * 5))
    assert rnn_versus_lstm.backends_apart(table) == "One backend solves a length that the other does not."


@pytest.mark.parametrize("encoding", ["scalar", "one-hot"])
def test_gate_values_are_those_the_network_goes_through(chapter_2, in_own_store, encoding):
    p = chapter_2.model_copy(update={"encoding": encoding, "models": ["lstm"], "seeds": [0], "learning_rates": [1e-2]})
    (run,) = rnn_versus_lstm.rates(p)
    values = rnn_versus_lstm.gate_values([run], palindromes=7)
    assert len(values) == 4 * 4 * 7 * 4  # gates, steps, palindromes, units
    network = palindromes.trained_network(run)
    assert not network.training
    digits = palindromes.test_set(run.configuration)[0][:, :7]
    x = F.one_hot(digits, 10).float() if encoding == "one-hot" else digits.float()[..., None]
    h, c = torch.zeros(2, 7, 4)
    for step in range(1, 5):
        i, f, g, o = (
            torch.tensor(values.loc[(values["gate"] == gate) & (values["step"] == step), "value"].to_numpy()).view(7, 4)
            for gate in "ifgo"
        )
        c = g * i + c * f
        h = torch.tanh(c) * o
        with torch.no_grad():
            _, (h_n, c_n) = network.recurrence(x[:step])
        torch.testing.assert_close(c, c_n[0])
        torch.testing.assert_close(h, h_n[0])
    assert values.loc[values["gate"] != "g", "value"].between(0, 1).all()
    assert values["value"].between(-1, 1).all()


def test_parameter_counts_equal_the_formula():
    table = rnn_versus_lstm.parameter_counts([(1, 128), (2, 8), (3, 5)])
    ours, counted, report = table.columns[2:]
    assert table[ours].tolist() == table[counted].tolist() == [4 * 128 * 130, 4 * 8 * 11, 4 * 5 * 9]
    assert table[report].tolist() == [13 * 128, 44 * 8, 93 * 5]
    assert table[counted].tolist() == [
        sum(w.numel() for w in LSTM(d, n).parameters()) for d, n in ((1, 128), (2, 8), (3, 5))
    ]


def test_paths_down_the_quadratic():
    names = ["sgd", "momentum", "adam"]
    paths = rnn_versus_lstm.quadratic_paths(names, steps=5, curvature=10.0)
    assert list(paths.columns) == ["optimizer", "learning_rate", "step", "x", "y", "loss"]
    assert paths.groupby("optimizer").size().to_dict() == dict.fromkeys(names, 6)
    starts = paths[paths["step"] == 0]
    assert set(zip(starts["x"], starts["y"])) == {(-4.0, 1.0)}
    np.testing.assert_allclose(paths["loss"], (paths["x"] ** 2 + 10 * paths["y"] ** 2) / 2, rtol=1e-6)
    sgd = paths[paths["optimizer"] == "sgd"]
    (rate,) = sgd["learning_rate"].unique()
    np.testing.assert_allclose(sgd["x"], [-4 * (1 - rate) ** step for step in range(6)], rtol=1e-5)
    np.testing.assert_allclose(sgd["y"], [(1 - 10 * rate) ** step for step in range(6)], rtol=1e-3, atol=1e-6)
    late = {}
    for r in np.geomspace(0.001, 0.5, 40):
        losses = [(16 * (1 - r) ** (2 * step) + 10 * (1 - 10 * r) ** (2 * step)) / 2 for step in range(6)]
        if max(losses) <= losses[0]:
            late[r] = np.mean(losses[2:])
    assert rate == pytest.approx(min(late, key=late.__getitem__))


@pytest.mark.parametrize("encoding", ["scalar", "one-hot"])
@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_what_is_left_of_the_gradient_before_training(tmp_path, model, encoding):
    run = Run(palindrome_run(model=model, encoding=encoding), pd.DataFrame(), {}, tmp_path)
    network = palindromes.new_network(run.configuration)
    x = network.encode(palindromes.test_set(run.configuration)[0][:, :3])
    norms = []
    for column in x.unbind(1):
        _, state = network.recurrence(column[:1])
        states = [part.detach() for part in (state if model == "lstm" else (state,))]

        def to_the_end(*states, column=column):
            return network.recurrence(column[1:], states if model == "lstm" else states[0])[0][-1]

        parts = torch.autograd.functional.jacobian(to_the_end, tuple(states))
        norms.append(torch.cat([part.squeeze(1) for part in parts], -1).svd().S.max().item())
    assert rnn_versus_lstm.left_of_gradient(run, palindromes=3) == pytest.approx(np.median(norms), rel=1e-4)


# Chapter 3


@pytest.fixture(scope="module")
def chapter_3():
    return gate.TemporalGateParameters.check({**TRAINING, "seeds": [0], **CHAPTER_3})


def test_lstm_and_gated_lstm_differ_in_the_gate_alone(chapter_3, in_own_store):
    runs = gate.gated_versus_lstm(chapter_3)
    assert [run.configuration.model for run in runs] == ["lstm", "temporal-gate"]
    plain, gated = (run.configuration for run in runs)
    assert gated.model_copy(update={"model": "lstm", "forget_bias": 0.0, "chrono": True}) == plain
    table = tabulate(runs)
    assert table["step"].max() == 6
    tau, s, r_on = palindromes.new_network(gated).recurrence.gate()
    assert 1 <= tau.min() < tau.max() <= 2 * gated.length
    assert ((s >= 0) & (s <= tau)).all()
    torch.testing.assert_close(r_on, torch.full_like(r_on, 0.05))
    leaky = palindromes.new_network(gated.model_copy(update={"leak": 0.1})).recurrence
    assert leaky.leak == 0.1


def test_the_climb_is_that_of_both_networks(chapter_3, in_own_store):
    climbed = gate.lengths_solved(chapter_3)
    assert {(setting.model, run.configuration.length) for setting, run in climbed} >= {
        ("lstm", 3),
        ("temporal-gate", 3),
    }
    assert {run.configuration.solved_at for _, run in climbed} == {horizon.SOLVED}
    longest = gate.longest_gated([run for _, run in climbed])
    assert {(run.configuration.model, run.configuration.length) for run in longest} == {
        ("temporal-gate", max(run.configuration.length for _, run in climbed if run.configuration.model != "lstm"))
    }


def test_the_units_margins_add_up_to_the_networks(chapter_3, in_own_store):
    run = gate.gated_versus_lstm(chapter_3)[1]
    units = gate.carriers([run])
    network, (digits, last) = palindromes.trained_network(run), palindromes.test_set(run.configuration)
    with torch.no_grad():
        logits = network(digits)
    right = logits.gather(1, last[:, None])[:, 0] - logits.mean(1)
    other = torch.stack([logits[:, digit].mean() - logits.mean() for digit in range(10)])[last]  # over all palindromes
    assert units["margin"].sum() == pytest.approx((right - other).mean().item(), abs=1e-5)
    is_open = torch.stack([temporal_gate(torch.tensor(float(t)), *network.recurrence.gate()) > 0 for t in range(1, 5)])
    assert units["updates"].tolist() == is_open.sum(0).tolist()
    for row, opened in zip(units.itertuples(), is_open.T.tolist()):
        steps = [t for t, there in enumerate(opened, start=1) if there]
        assert (row.first_open, row.last_open) == ((steps[0], steps[-1]) if steps else (0, 0))


def test_a_silenced_unit_is_read_by_nobody(chapter_3, in_own_store):
    run = gate.gated_versus_lstm(chapter_3)[1]
    table = gate.silenced([run], palindromes_used=50).set_index("which")
    network, (digits, last) = palindromes.trained_network(run), palindromes.test_set(run.configuration)
    digits, last = digits[:, :50], last[:50]
    lstm = network.recurrence
    first = (lstm.openness(torch.tensor([1.0]))[0] > 0).nonzero().flatten()
    assert table["units"].unique().tolist() == [len(first)]

    def accuracy():
        with torch.no_grad():
            return (network(digits).argmax(-1) == last).double().mean().item()

    assert table.loc["none", "accuracy"] == accuracy()
    with torch.no_grad():
        network.W_ph[:, first] = 0
        assert table.loc["first, by the output", "accuracy"] == accuracy()
        lstm.weight_hh_l0[:, first] = 0
        assert table.loc["first", "accuracy"] == accuracy()


def test_fixed_gates_stay_and_learned_ones_move(chapter_3, in_own_store):
    runs = gate.sleeping(chapter_3)
    table = gate.sleeping_table(runs)
    assert list(dict.fromkeys(table["gate"])) == list(gate.BURST_GATES)
    assert (table["step"].max(), len(runs)) == (chapter_3.burst_steps, 5)
    for run in runs:
        if run.configuration.gate is None:
            continue
        before = sequences.new_network(run.configuration).recurrence.gate()
        after = sequences.trained_network(run).recurrence.gate()
        same = all(torch.equal(old, new) for old, new in zip(before, after))
        assert same != run.configuration.gate.learned


def test_the_gate_that_is_open_in_the_quiet_is_open_in_the_quiet():
    times = torch.arange(1.0, gate.BURSTS.length + 1)
    for settings, wanted in (
        (gate.OPEN_IN_QUIET, ~gate.BURSTS.in_burst()),
        (gate.AS_REPORTED, gate.BURSTS.in_burst()),
    ):
        k = temporal_gate(times, *(torch.tensor(value) for value in (settings.tau, settings.s, settings.r_on)))
        assert torch.equal(k > 1e-5, wanted)


def test_where_seeking_gates_end(chapter_3, in_own_store):
    runs = gate.seeking(chapter_3)
    ways = gate.gates_over_training(runs)
    starts = [factor * gate.BURSTS.period for factor in chapter_3.period_starts]
    assert (
        ways.loc[ways["step"] == 0, ["start", "tau"]]
        .apply(lambda row: abs(row["tau"] / row["start"] - 1), axis=1)
        .max()
        < 1e-6
    )
    assert sorted(ways["start"].unique()) == starts
    assert ways["step"].max() == chapter_3.burst_steps
    arrived = gate.arrivals(tabulate(runs), ways)
    assert sorted(arrived["start"]) == starts
    assert set(arrived["run"]) == {run.folder.name for run in runs}
    for row in arrived.itertuples():
        last = ways[(ways["start"] == row.start) & (ways["step"] == ways["step"].max())]["tau"]
        assert row.tau == pytest.approx(last.median())
        assert row.found == (abs(row.tau / 20 - 1) < 0.02)


@pytest.mark.parametrize("experiment", [gate.adding, gate.frequency, gate.marked_digit])
def test_every_task_is_given_to_both_networks(chapter_3, in_own_store, experiment):
    runs = experiment(chapter_3)
    models = [run.configuration.model for run in runs]
    assert {"lstm", "temporal-gate"} == set(models)
    for run in runs:
        assert run.table["step"].iloc[-1] == run.configuration.steps
        assert run.table["test_loss"].notna().all()
        assert (run.configuration.gate is None) == (run.configuration.model == "lstm")


def test_the_frequency_task_has_every_network_and_its_gates(chapter_3, in_own_store):
    networks = ["LSTM", "gated", "gated, no leak", "LSTM, as published", "gated, as published"]
    samplings = ["standard", "high-resolution"]
    p = chapter_3.model_copy(
        update={"seeds": [0], "samplings": samplings, "frequency_networks": networks, "frequency_steps": 1}
    )
    runs = gate.frequency(p)
    table, turned = gate.frequency_table(runs), gate.gates_in_frequency(runs)
    ends = table[table["step"] == p.frequency_steps]
    assert [*zip(ends["sampling"], ends["network"])] == [*product(samplings, networks)]
    models = {"LSTM": "lstm", "LSTM, as published": "lstm", "gated, as published": "phased-lstm"}
    assert (table["network"].map(models).fillna("temporal-gate") == table["model"]).all()
    assert set(turned["network"]) == {"gated", "gated, no leak", "gated, as published"}
    assert (turned["finite"] == 1).all()
    start = turned[turned["step"] == 0]
    assert start["r_on"].tolist() == pytest.approx([0.05] * len(start))
    assert turned["step"].max() == p.frequency_steps
    leaks = table.drop_duplicates("network").set_index("network")["leak"]
    assert (leaks["gated"], leaks["gated, no leak"]) == (1e-3, 0)


def test_as_published_an_lstm_has_peepholes_and_no_forget_bias():
    settings = gate.FREQUENCY["LSTM, as published"]
    run = sequences.SequenceRun.of(SineWaves(), seed=0, steps=1, hidden_size=64, **settings)
    network, ours = sequences.new_network(run), sequences.new_network(run.model_copy(update={"forget_bias": 1.0}))
    assert network.recurrence.peepholes_l0.shape == (3, 64)
    assert network.recurrence.bias_l0.abs().max() <= 1 / 8
    biases = (ours.recurrence.bias_l0 - network.recurrence.bias_l0).view(4, -1)
    torch.testing.assert_close(biases, torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None].expand(4, 64))


@pytest.mark.parametrize("task", [SineWaves(), Copying(delay=3)], ids=repr)
def test_a_test_in_parts_is_the_test_of_the_whole(tmp_path, monkeypatch, task):
    run = sequences.SequenceRun.of(task, None, 0, 1, hidden_size=4, batch_size=3, test_sequences=50)
    tables = []
    for at_once in (7, 50):
        monkeypatch.setattr(sequences, "AT_ONCE", at_once)
        tables.append(trained(run, tmp_path / str(at_once), sequences.train_sequences))
    pd.testing.assert_frame_equal(*map(compared, tables))


def test_the_record_holds_what_the_chapter_reads(chapter_3, in_own_store, tmp_path):
    write_table(recorded.joined(gate.record(chapter_3)), tmp_path / "record.parquet")
    table = recorded.read(str(tmp_path / "record.parquet"))
    chapter = (PROJECT / "book" / "03_temporal_gate.ipynb").read_text(encoding="utf-8")
    names = set(re.findall(r'recorded\.rows\(record[^,]*, \\"([^\\]+)\\"', chapter))
    assert names == set(table["experiment"])
    for name in names:
        rows = recorded.rows(table, name)
        assert len(rows)
        assert rows.attrs["provenance"].startswith("recorded")


# Chapter 4


@pytest.fixture(scope="module")
def poem(tmp_path_factory):
    path = tmp_path_factory.mktemp("poem") / "poem.txt"
    path.write_text(POEM)
    return corpora.load(str(path))


@pytest.fixture(scope="module")
def chapter_4(poem):
    return text.TextParameters.check(
        {
            **TRAINING,
            "seeds": [0],
            "lengths": [6],
            "train_steps": 10,
            "corpus": poem.name,
            "optimizers": ["adam"],
            "recipes": ["the course's", "state carried"],
            "recipe_steps": 4,
            "longest_steps": 4,
            "temperatures": [0.5, 1.0],
            "prompt": "green ",
            "sample_length": 10,
            "backend": "torch",
            "long_folder": "",
            "short_folder": "",
            "recorded_file": "",
        }
    )


@pytest.fixture(scope="module")
def text_run(chapter_4, in_own_store):
    (run,) = text.text_runs(chapter_4)
    return run


def test_a_text_run_measures_held_out_text_and_keeps_snapshots(text_run, poem):
    assert text_run.table["step"].iloc[-1] == 10
    assert text_run.configuration.sha256 == poem.sha256
    assert text_run.configuration.snapshots == (0, 2, 4, 6, 8, 10)
    assert len(list(text_run.folder.glob("weights-*.safetensors"))) == 6
    last = text_run.table.iloc[-1]
    model = text_training.snapshot(text_run.configuration, poem, text_run.folder, 10)
    scores = text_training.held_out_scores(model, poem.windows(6))
    for name, value in scores.items():
        assert last[name] == pytest.approx(value, rel=1e-6)
    assert last["bits_per_character"] == pytest.approx(last["held_out_loss"] / math.log(2))
    assert last["held_out_loss"] < text_run.table["held_out_loss"].iloc[0]


def test_a_snapshot_is_the_model_at_that_step(text_run, poem, tmp_path):
    fresh = text_training.new_model(text_run.configuration, poem)
    start = text_training.snapshot(text_run.configuration, poem, text_run.folder, 0)
    end = text_training.snapshot(text_run.configuration, poem, text_run.folder, 10)
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), start.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(start.parameters(), end.parameters(), strict=True))
    assert not start.training


def test_the_same_text_run_gives_the_same_numbers(text_run, tmp_path):
    again = trained(text_run.configuration, tmp_path / "again", train_text)
    pd.testing.assert_frame_equal(compared(text_run.table), compared(again), check_exact=True)


def test_held_out_scores_are_those_of_one_window_after_the_other(poem):
    torch.manual_seed(0)
    model = text.CharLSTM(len(poem.vocabulary), 4).eval()
    windows = poem.windows(6)
    assert len(windows.held_out_starts) > 100
    losses, hits = [], []
    with torch.no_grad():
        for start in windows.held_out_starts:
            characters = poem.symbols[start : start + 7]
            logits = model(characters[:-1, None])[:, 0]
            losses += F.cross_entropy(logits, characters[1:], reduction="none").tolist()
            hits += (logits.argmax(1) == characters[1:]).tolist()
    scores = text_training.held_out_scores(model, windows)
    assert scores["held_out_loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert scores["held_out_accuracy"] == pytest.approx(np.mean(hits), rel=1e-12)


def test_a_text_too_short_to_hold_any_out_is_trained_without(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("To be, or not to be, that is the question. " * 3)
    small = {"sequence_length": 5, "hidden_size": 4, "batch_size": 3}
    run = TextRun.of(3, corpus=str(path), sha256=corpora.load(str(path)).sha256, **small)
    table = trained(run, tmp_path / "run", train_text)
    assert "held_out_loss" not in table
    assert table["step"].tolist() == [3]


ALL_OPTIONS = {"forget_bias": 1.0, "dropout": 0.2, "tied": True, "carried": True, "read_on": True}


def run_with_all_options(poem, backend="torch", seed=0, **changes):
    schedule = {"schedule": "cosine", "warmup": 3, "record_every": 3}
    settings = {"sequence_length": 6, "hidden_size": 4, "batch_size": 3, "snapshots": (0, 4, 10), **ALL_OPTIONS}
    text = {"corpus": poem.name, "sha256": poem.sha256}
    return TextRun.of(10, seed, backend=backend, **text, **schedule, **{**settings, **changes})


@pytest.fixture(scope="module", params=["torch", "native"])
def backend(request):
    if request.param == "native":
        require(in_use("native").startswith("native"), "no native kernels on this machine")
    return request.param


@pytest.fixture(scope="module")
def whole(poem, backend, tmp_path_factory):
    """The table of a text run with every option, and the folder with its weights."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return trained(run_with_all_options(poem, backend), folder, train_text), folder


@pytest.mark.parametrize("cut", [0, 1, 3, 5, 9])
def test_a_text_run_with_every_option_goes_on_to_the_same_end_where_it_was_cut(
    poem, backend, whole, cut, tmp_path, monkeypatch
):
    monkeypatch.setattr(text_training, "train", partial(text_training.train, checkpoint_seconds=-1))
    read = Streams.batch

    def interrupted(streams, generator=None):
        if streams.position == cut * streams.length:
            raise KeyboardInterrupt
        return read(streams, generator)

    run = run_with_all_options(poem, backend)
    with monkeypatch.context() as patch:
        patch.setattr(Streams, "batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(run, tmp_path / "run", train_text)
    torch.rand(7)  # others draw from the global generator as well
    table, folder = whole
    pd.testing.assert_frame_equal(compared(train_text(run, tmp_path / "run")), compared(table), check_exact=True)
    for step in run.snapshots:
        found, expected = (text_training.snapshot(run, poem, place, step) for place in (tmp_path / "run", folder))
        assert all(map(torch.equal, found.parameters(), expected.parameters()))


def test_every_option_reaches_the_training(poem, whole, backend, tmp_path):
    table, _ = whole
    for name in ("forget_bias", "dropout", "tied", "carried"):
        without = {name: TextRun.model_fields[name].default}
        other = trained(run_with_all_options(poem, backend, **without), tmp_path / name, train_text)
        assert other["loss"].iloc[-1] != table["loss"].iloc[-1], name
    other = trained(run_with_all_options(poem, backend, read_on=False), tmp_path / "read_on", train_text)
    pd.testing.assert_frame_equal(
        compared(other), compared(table).drop(columns="held_out_bits"), check_exact=True
    )  # reading on changes nothing of the training


def test_held_out_bits_are_those_of_the_blocks_read_from_end_to_end(poem, whole, backend):
    table, folder = whole
    model = text_training.snapshot(run_with_all_options(poem, backend), poem, folder, 10)
    losses = []
    for block in poem.windows(6).held_out_blocks.T:
        state = None
        for said, following in pairwise(block):
            with torch.no_grad():
                logits, state = model.run(said.view(1, 1), state)
            losses.append(F.cross_entropy(logits[0], following.view(1)).item())
    assert table["held_out_bits"].iloc[-1] == pytest.approx(np.mean(losses) / math.log(2), rel=1e-5)
    assert table["held_out_bits"].iloc[-1] != table["bits_per_character"].iloc[-1]


def test_a_seed_starts_to_read_at_a_place_of_its_own(poem, monkeypatch, tmp_path):
    starts = []
    read = Streams.batch
    monkeypatch.setattr(
        Streams, "batch", lambda streams, generator: starts.append(streams.position.item()) or read(streams)
    )
    for seed in (0, 1, 2**32 - 1):
        trained(run_with_all_options(poem, seed=seed, read_on=False, snapshots=()), tmp_path / str(seed), train_text)
    firsts = starts[::10]
    assert len(set(firsts)) == 3
    assert all(0 <= first < len(poem.text) for first in firsts)


@pytest.mark.parametrize("change", [lambda read: read.replace("g", "G"), lambda read: read[::-1]], ids=["G", "turned"])
def test_weights_of_another_text_are_refused_in_one_sentence(text_run, poem, change):
    """Also where its characters are the same."""
    with pytest.raises(corpora.CorpusError) as caught:
        text_training.snapshot(text_run.configuration, replace(poem, text=change(poem.text)), text_run.folder, 10)
    assert str(caught.value) == f"{poem.source} is not the text that the training in {text_run.folder} has read"


# The recorded training of the report


RECORDED = PROJECT / "data" / "text-500k"


@pytest.fixture(scope="module")
def book():
    require(os.environ.get(corpora.DATA_DIR), f"{corpora.DATA_DIR} is not set")
    return corpora.load()


@pytest.fixture
def recorded_copy(tmp_path):
    shutil.copytree(RECORDED, tmp_path / "run")
    return tmp_path / "run"


def test_the_recorded_training_is_known_to_be_done(book, recorded_copy):
    """Its checkpoint is older than some of today's settings: they have the values that it was trained with."""
    run = text_training.long_run(500_000, seed=0)
    found = load(recorded_copy, TextRun)
    assert found.configuration == run
    before = {path: path.read_bytes() for path in recorded_copy.iterdir()}
    pd.testing.assert_frame_equal(train_text(run, recorded_copy), found.table)
    assert {path: path.read_bytes() for path in recorded_copy.iterdir()} == before


def test_the_recorded_training_does_not_pass_for_another(book, recorded_copy):
    run = text_training.long_run(500_000, seed=0)
    cosine = run.recipe.model_copy(update={"schedule": "cosine"})
    for other in (run.model_copy(update={"recipe": cosine}), text_training.long_run(400_000, seed=0)):
        with pytest.raises(TrainingError, match="belongs to another run"):
            train_text(other, recorded_copy)


def test_the_recorded_weights_are_of_the_reports_book(book):
    run = load(RECORDED, TextRun).configuration
    assert run.sha256 == book.sha256
    for step in run.snapshots:
        text_training.snapshot(run, book, RECORDED, step)
    with pytest.raises(corpora.CorpusError, match=r"Shakespeare.* is not the text that"):
        text_training.snapshot(run, corpora.load(corpora.SHAKESPEARE), RECORDED, 2_000)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:5_000], lambda data: data[:-4] + b"more"], ids=["cut", "changed"]
)
def test_damaged_recorded_weights_are_named(book, recorded_copy, damage):
    path, run = recorded_copy / "weights-500000.safetensors", text_training.long_run(500_000, seed=0)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrainingError) as caught:
        text_training.snapshot(run, book, recorded_copy, 500_000)
    assert str(caught.value).startswith(f"{path} does not hold ")
    assert "\n" not in str(caught.value)


def test_a_text_that_has_changed_since_is_not_trained_on(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("To be, or not to be. " * 9)
    run = TextRun.of(3, corpus=str(path), sha256="another", sequence_length=5)
    with pytest.raises(corpora.CorpusError, match="no longer the text"):
        trained(run, tmp_path / "run", train_text)


def test_the_courses_recipe():
    run = TextRun.of(100, seed=4, sha256="-", record_every=7)
    recipe = run.recipe
    assert (recipe.steps, recipe.seed, recipe.record_every) == (100, 4, 7)
    assert (recipe.learning_rate, recipe.decay, recipe.decay_every, recipe.clip_norm) == (2e-3, 0.96, 5000, 5.0)
    assert (run.sequence_length, run.hidden_size, run.num_layers, run.batch_size) == (30, 128, 2, 64)


def test_the_long_training_is_of_the_reports_book():
    require(os.environ.get(corpora.DATA_DIR), f"{corpora.DATA_DIR} is not set")
    run = text_training.long_run(1_000, seed=2)
    assert (run.corpus, run.steps, run.seed) == (corpora.REPORT_BOOK, 1_000, 2)
    assert run.sha256 == corpora.load().sha256
    assert run.recipe.model_copy(update={"record_every": 10}) == TextRun.of(1_000, 2, sha256="-").recipe


def test_the_long_training_takes_no_other_text(monkeypatch):
    monkeypatch.setattr(corpora, "load", lambda: corpora.Corpus(corpora.SHAKESPEARE, "made up", "To be"))
    with pytest.raises(corpora.CorpusError, match=corpora.REPORT_BOOK):
        text_training.long_run(1_000, seed=2)


@pytest.mark.parametrize(
    ("steps", "expected"), [(2000, [400, 800, 1200, 1600, 2000]), (5, [1, 2, 3, 4, 5]), (3, [1, 2, 3]), (1, [1])]
)
def test_samples_are_taken_at_five_even_steps(steps, expected):
    assert text_recipes.sample_steps(steps) == expected


@pytest.fixture
def model(text_run, poem):
    return text_training.snapshot(text_run.configuration, poem, text_run.folder, 10)


def test_first_samples_start_with_random_characters_and_go_on_greedily(model, poem):
    samples = learned.written(model, poem, 12, 9, seed=0, temperature=0.0)
    assert [len(sample) for sample in samples] == [12] * 9
    assert samples == learned.written(model, poem, 12, 9, seed=0, temperature=0.0)
    assert len({sample[0] for sample in samples}) > 3
    by_first = {}
    for sample in samples:
        assert by_first.setdefault(sample[0], sample) == sample


def test_texts_go_on_from_the_prompt(model, poem):
    texts = text_networks.texts_at(model, poem, "green ", 25, 1.0, seed=0, count=3)
    assert [len(one) for one in texts] == [25] * 3
    assert len(set(texts)) == 3
    assert texts == text_networks.texts_at(model, poem, "green ", 25, 1.0, seed=0, count=3)
    assert len(set(text_networks.texts_at(model, poem, "green ", 25, 1e-3, seed=0, count=3))) == 1
    with pytest.raises(corpora.CorpusError, match="'Ω'"):
        text_networks.texts_at(model, poem, "Ω", 5, 1.0, seed=0)


def test_diversity_grows_with_temperature(model, poem):
    table = text_networks.diversity(model, poem, poem.windows(6), "green ", [0.05, 1.0, 3.0], seed=0)
    assert table["temperature"].tolist() == [0.05, 1.0, 3.0]
    assert table["entropy"].is_monotonic_increasing
    assert table["entropy"].iloc[-1] <= math.log2(len(poem.vocabulary))
    assert table["distinct"].is_monotonic_increasing
    assert table[["distinct", "words"]].stack().between(0, 1).all()


def test_diversity_counts_sequences_and_words_by_hand(model, poem, monkeypatch):
    written = ["cut green zzzz hanging end", "cut green zzzz hanging end"]
    monkeypatch.setattr(text_networks, "texts_at", lambda *args, **kwargs: written)
    (row,) = text_networks.diversity(model, poem, poem.windows(6), "green ", [1.0], seed=0).to_dict("records")
    grams = [one[i : i + 4] for one in written for i in range(len(one) - 3)]
    assert row["distinct"] == len(set(grams)) / len(grams) == 0.5
    assert row["words"] == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(1, [0, 1]), (20, [0, 20]), (60, [0, 20, 50, 60]), (2_000, [0, 20, 50, 100, 200, 500, 1_000, 2_000])],
)
def test_learning_is_looked_at_at_round_steps(steps, expected):
    assert text_recipes.learning_steps(steps) == expected


@pytest.fixture(scope="module")
def chapter_4_many(poem, tmp_path_factory):
    """Chapter 4's smallest form with every recipe and two optimizers and seeds, and where its runs are stored."""
    path = tmp_path_factory.mktemp("many") / "poem.txt"
    path.write_text(poem.text)
    return text.TextParameters.check(
        {
            "seeds": [3, 4],
            "lengths": [6],
            "train_steps": 4,
            "learning_rate": 2e-3,
            "optimizers": ["adam", "rmsprop"],
            "hidden_size": 5,
            "batch_size": 32,
            "recipes": list(text_recipes.RECIPES),
            "recipe_steps": 4,
            "longest_steps": 6,
            "temperatures": [1.0],
            "prompt": "green ",
            "sample_length": 5,
            "backend": "torch",
            "device": "cpu",
            "long_folder": "",
            "short_folder": "",
            "recorded_file": "",
            "corpus": str(path),
        }
    )


@pytest.fixture(scope="module")
def chapter_4_record(chapter_4_many, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("RNNREPORT_WORKERS", "1")
        return (
            recorded.joined(text.record(chapter_4_many)),
            text.text_runs(chapter_4_many),
            text.recipe_runs(chapter_4_many),
        )


def test_optimizers_after_the_first_train_with_the_first_seed(chapter_4_record):
    _, course, _ = chapter_4_record
    found = [(run.configuration.recipe.optimizer, run.configuration.seed) for run in course]
    assert found == [("adam", 3), ("adam", 4), ("rmsprop", 3)]


def test_recipes_read_as_many_characters_whatever_their_windows(chapter_4_record):
    _, _, tried = chapter_4_record
    for name, run in tried:
        settings = run.configuration
        characters = settings.steps * settings.sequence_length * settings.batch_size
        course = 6 * 32 * (6 if name in text_recipes.LONGER_THAN_OTHERS else 4)
        assert characters == pytest.approx(course, abs=settings.sequence_length * settings.batch_size / 2), name
    names = [name for name, _ in tried]
    assert [names.count(name) for name in text_recipes.RECIPES] == [
        1 + (name in text_recipes.LONGER_THAN_OTHERS) for name in text_recipes.RECIPES
    ]


def test_each_recipe_changes_something_and_has_no_more_parameters(chapter_4_many):
    changed = [tuple(sorted(changes.items())) for changes in text_recipes.RECIPES.values()]
    assert len(set(changed)) >= len(changed) - 1  # the longest may be another, trained on
    course = sum(weight.numel() for weight in CharLSTM(79).parameters())
    for name, changes in text_recipes.RECIPES.items():
        sizes = {"hidden_size": 128, "num_layers": 2, "tied": False, **changes}
        model = CharLSTM(79, sizes["hidden_size"], sizes["num_layers"], tied=sizes["tied"])
        assert sum(weight.numel() for weight in model.parameters()) <= course, name


def test_the_record_of_chapter_4_has_all_that_the_chapter_shows(chapter_4_record, poem):
    table, _course, tried = chapter_4_record
    runs_of = recorded.rows(table, "course")
    origin = runs_of.attrs["provenance"]
    assert set(zip(runs_of["optimizer"], runs_of["seed"])) == {("adam", 3), ("adam", 4), ("rmsprop", 3)}
    assert "seeds 3, 4" in origin
    written = recorded.rows(table, "habits")
    assert sorted(set(zip(written["seed"], written["step"]))) == [(seed, step) for seed in (3, 4) for step in (0, 4)]
    found = recorded.rows(table, "recipes")
    by_course, by_recipe = found.iloc[:2], found.iloc[2:]
    assert by_course[["recipe", "seed"]].to_numpy().tolist() == [
        [text_recipes.RECIPE_OF_COURSE, 3],
        [text_recipes.RECIPE_OF_COURSE, 4],
    ]
    assert by_recipe["recipe"].tolist() == [name for name, _ in tried]
    for row, (_, run) in zip(by_recipe.itertuples(), tried, strict=True):
        if "held_out_bits" in run.table:  # not of windows so long that nothing of the poem is held out
            assert row.held_out_bits == pytest.approx(run.table["held_out_bits"].iloc[-1], rel=1e-5)
        assert (row.steps, row.accuracy) == (run.configuration.steps, run.table["accuracy"].iloc[-1])
    lines = recorded.rows(table, "recipe curves")
    assert set(lines["recipe"]) == set(found["recipe"])


def test_what_is_read_off_the_kept_trainings_goes_with_the_record(chapter_4_many, poem, tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS_DIR, str(tmp_path / "runs"))
    monkeypatch.setenv("RNNREPORT_WORKERS", "1")
    monkeypatch.setattr(text_networks, "COPIERS", (2, 4))
    monkeypatch.setattr(text_networks, "READER_STEP", 2)
    p = chapter_4_many.model_copy(update={"seeds": [3], "recipes": [text_recipes.RECIPE_OF_COURSE]})
    windows = poem.windows(p.lengths[0])
    stored = {}
    for name, snapshots in (("long_folder", (0, 2, 4)), ("short_folder", (4,))):
        run = text._configuration(p, 4, 5, snapshots=snapshots, record_every=2)
        (tmp_path / name).mkdir()
        finish(tmp_path / name, train_text, run, train_text(run, tmp_path / name))
        stored[name] = text_networks.kept_training(str(tmp_path / name))
    table = recorded.joined(text.record(p.model_copy(update={name: str(run.folder) for name, run in stored.items()})))
    part = {name: recorded.rows(table, name) for name in table["experiment"].unique()}

    long = [stored["long_folder"]]
    assert table.attrs["provenance"]["memory"] == provenance(long, "recorded")
    assert part["memory"]["step"].tolist() == [0, 2, 4]
    assert part["memory"]["held_out"].iloc[-1] == pytest.approx(part["course's recipe"]["held_out_bits"].item())
    assert part["course's recipe"]["accuracy"].item() == long[0].table["accuracy"].iloc[-1]
    assert set(part["copied"]["text"]) == {"held-out text itself", "written after 2 steps", "written after 4 steps"}
    assert part["copied"]["share"].between(0, 1).all()
    assert set(part["cells"]["network"]) == {text_recipes.READER, text_recipes.RECIPE_OF_SHORT}
    assert part["cells"]["held_out"].abs().max() <= 1
    markov = part["others"].dropna(subset=["order"])
    assert markov["order"].tolist() == list(range(9))
    assert markov["bits"].tolist() == pytest.approx(baselines.markov(windows, 8))
    assert set(part["others"]["model"]) - set(markov["model"]) == {"xz -9e", "zstd -22"}


def test_tiny_shakespeare_is_read_by_the_short_recipe(chapter_4, poem, in_own_store, monkeypatch):
    load = corpora.load
    monkeypatch.setattr(corpora, "load", lambda name: poem if name == corpora.TINY else load(name))
    monkeypatch.setitem(text_recipes.RECIPES, text_recipes.RECIPE_OF_SHORT, {"carried": True, "sequence_length": 6})
    monkeypatch.setenv("RNNREPORT_WORKERS", "1")
    monkeypatch.setattr(text, "run_all", lambda function, asked, name: [own(function, run) for run in asked])

    def own(function, run):
        folder = Path(os.environ[RUNS_DIR]) / f"tiny-{run.seed}"
        return Run(run, trained(run, folder, function), {}, folder)

    runs = text.tiny_runs(chapter_4.model_copy(update={"seeds": [0, 1]}))
    assert all(run.configuration.last_tenth and not run.configuration.read_on for run in runs)
    table = text.tiny(runs)
    assert table["seed"].tolist() == [0, 1]
    assert table["steps"].tolist() == [run.configuration.steps for run in runs]
    assert table["characters"].tolist() == [len(poem.text)] * 2
    model = text_training.snapshot(runs[0].configuration, poem, runs[0].folder, runs[0].configuration.steps)
    blocks = poem.windows(64, last_tenth=True).held_out_blocks
    assert table["end_to_end"][0] == pytest.approx(learned.bits_of(model, blocks) * math.log(2))


def test_text_is_read_through_on_the_model_s_device():
    """A device of shapes alone stands for one that this machine may not have."""
    found = text_training.read_through(torch.nn.Embedding(5, 5, device="meta"), torch.zeros(7, 2, dtype=torch.long))
    assert found.device.type == "meta"
    assert found.shape == (6, 2)


def test_a_text_too_short_to_hold_out_is_compared_by_its_training_alone(chapter_4_many, tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS_DIR, str(tmp_path / "runs"))
    monkeypatch.setenv("RNNREPORT_WORKERS", "1")
    path = tmp_path / "short.txt"
    path.write_text("to be or not to be, that is the question. " * 2)
    p = chapter_4_many.model_copy(update={"corpus": str(path), "recipes": [text_recipes.RECIPE_OF_COURSE]})
    corpus = corpora.load(p.corpus)
    windows = corpus.windows(p.lengths[0])
    assert not len(windows.held_out_starts)
    found = text.compared(text.recipe_runs(p), corpus, windows)
    assert found["accuracy"].between(0, 1).all()
    assert found[["window_bits", "held_out_bits"]].isna().all(axis=None)
    assert text.others(corpus, windows).empty
    assert text.bits_read_on({}, windows).empty
    assert text_networks.tracked({}, windows, corpus).empty


def test_what_has_no_favourite_is_counted_at_each_temperature(poem):
    model = CharLSTM(len(poem.vocabulary), 4).eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.bias[2] = 6  # a favourite, until the temperature makes it one of many
    found = text_networks.without_favourite({7: model}, poem, [0.5, 1.0, 50.0], count=3)
    assert found["step"].tolist() == [7] * 3
    assert found["share"].tolist() == [0, 0, 1]


def test_the_reports_samples_are_as_long_as_it_says():
    printed = text_networks.report_samples()
    assert [row["step"] for row in printed["training"]] == [50_000, 100_000, 200_000, 500_000]
    assert [row["temperature"] for row in printed["temperature"]] == [0.5, 1.0, 2.0]
    for row in [*printed["training"], *printed["temperature"]]:
        assert 28 <= len(row["text"]) <= 32
        assert "\n" in row["text"]


def test_a_kept_training_that_is_not_there_or_damaged_is_refused(recorded_copy):
    assert text_networks.kept_training("") is None
    (recorded_copy / "SHA256SUMS").unlink()  # as of an older version; with one, see test_storage.py
    for folder, content in ((recorded_copy / "nowhere", None), (recorded_copy, "{"), (recorded_copy, "{}")):
        if content:
            (recorded_copy / "run.json").write_text(content)
        with pytest.raises(ParameterError, match="is no folder that `rnnreport train text` has filled") as caught:
            text_networks.kept_training(str(folder))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"long_folder": "nowhere"}, "long_folder: 'nowhere' is no folder that `rnnreport train text` has filled"),
        ({"short_folder": "data"}, "short_folder: 'data' is no folder that `rnnreport train text` has filled"),
        (
            {"long_folder": "data/text-short"},
            "weights after 2,000, 50,000, 100,000, 200,000, 500,000 steps, not 'data/",
        ),
    ],
)
def test_a_folder_without_the_kept_training_is_refused_before_anything_is_trained(chapter_4_many, changes, says):
    with pytest.raises(ParameterError, match=re.escape(says)):
        text.TextParameters.check({**chapter_4_many.model_dump(), **changes})


def test_a_text_shorter_than_a_recipe_s_windows_is_refused(chapter_4_many, tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("green bottle" * 4)
    values = {**chapter_4_many.model_dump(), "corpus": str(path)}
    text.TextParameters.check({**values, "recipes": [text_recipes.RECIPE_OF_COURSE]})
    with pytest.raises(ParameterError, match="fewer than one sequence of 60"):
        text.TextParameters.check(values)


def test_a_recipe_has_a_step_however_few_are_asked_for(chapter_4_many):
    p = chapter_4_many.model_copy(update={"recipe_steps": 1, "batch_size": 2})
    assert text._recipe_run(p, "one layer", 3).steps == 1


def test_what_is_recorded_of_other_networks_is_not_used(chapter_4_record):
    table, course, _ = chapter_4_record
    networks = [text_networks.Network(run, {}, (), 0, "", "recorded") for run in course]
    computed = pd.DataFrame({"computed": [0]})
    for sources, found in ((networks, False), (networks[:1], True)):
        part = text_networks.read_off(table, "course", sources, lambda: computed)
        assert (part is computed) == found
        assert part.attrs["provenance"] == text_networks.origin_of(*sources)


def test_networks_of_another_text_are_left_out(chapter_4_many, chapter_4_record):
    table, course, _ = chapter_4_record
    corpus = corpora.load(chapter_4_many.corpus)
    p = chapter_4_many.model_copy(update={"long_folder": "data/text-500k", "short_folder": "data/text-short"})
    found = text_networks.networks(p, corpus, course[0])
    assert (found.long, found.short, found.main, found.readers) == (None, None, found.live, [found.live])
    for rows in (
        text_networks.long_curves(found, table),
        text_networks.samples_beside(found, corpus),
        text_networks.favourites(found, corpus),
    ):
        assert rows.empty
    points = text_networks.losses_and_accuracies(found, tabulate(course[:1]))
    assert set(points["training"]) == {"live, 4 steps"}
    assert points.attrs["provenance"] == provenance(course[:1], "trained live")


def test_what_is_read_off_a_live_network(chapter_4_many, chapter_4_record):
    _, course, _ = chapter_4_record
    corpus = corpora.load(chapter_4_many.corpus)
    windows = corpus.windows(6)
    found = text_networks.networks(chapter_4_many, corpus, course[0])
    live = found.live
    samples = text_networks.samples(live, corpus, [1, 4], 2)
    assert samples["step"].tolist() == [1, 1, 4, 4]
    assert samples["accuracy"].iloc[-1] == live.run.table["accuracy"].iloc[-1]
    assert samples["text"].str.len().tolist() == [30] * 4
    calibrated = text_networks.calibrations(live, windows)
    assert set(calibrated["step"]) == {4}
    assert calibrated["count"].sum() == windows.held_out_blocks[1:].numel()
    passage, bits = text_networks.surprises(live, corpus, windows)
    assert passage in corpus.text
    assert len(bits) == len(passage) - 1
    following = text_networks.followed(None, found.readers, corpus, windows)
    assert ((following["layer"] - 1) * 5 + following["place"]).tolist() == following["unit"].tolist()
    closest = text_networks.followed_closely(following, live, corpus, windows)
    assert closest["property"].nunique() == 2
    assert closest["held_out"].abs().max() == following["held_out"].abs().max()
    ways = text_networks.ways(live, corpus, "green ", 0)
    assert ways["way"].tolist() == [*text_networks.WAYS]
    models, words = text_networks.writers(found, pd.DataFrame({"step": [0, 4], "held_out": [9.0, 2.5]}))
    assert [*models] == [f"{step} steps" for step in text_recipes.sample_steps(4)]
    assert words == {"4 steps": "2.50 bits per character of held-out text"}


def test_the_kept_short_training_is_what_the_command_trains(book):
    kept = text_networks.kept_training("data/text-short")
    steps = kept.configuration.steps
    assert kept.configuration == text.short_run(steps, kept.configuration.seed)
    model = text_networks.kept_models(kept, book)[steps]
    assert sum(weight.numel() for weight in model.parameters()) <= sum(
        weight.numel() for weight in CharLSTM(len(book.vocabulary)).parameters()
    )
    assert kept.table["accuracy"].iloc[-1] > 0.68


def test_a_text_of_one_kind_of_character_is_refused(chapter_4_many, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a" * 999)
    with pytest.raises(ParameterError, match="two different characters"):
        text.TextParameters.check({**chapter_4_many.model_dump(), "corpus": str(path), "prompt": "a"})
