"""The training loop: the same seed gives the same bits, cut or not, and what goes wrong is said in one sentence."""

import itertools
import json
import math
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from rnnreport import system, training
from rnnreport.models import PalindromeClassifier
from rnnreport.palindromes import palindrome_batch
from rnnreport.training import (
    OPTIMIZERS,
    Recipe,
    TrainingError,
    check_device,
    load_weights,
    save_weights,
    step_sizes,
    train,
)

torch.set_num_threads(1)  # at these sizes a second one costs more than it brings

EVERY = 5


def network(seed=0, hidden_size=4):
    torch.manual_seed(seed)
    return PalindromeClassifier("lstm", hidden_size)


def batches(generator):
    return palindrome_batch(5, 3, generator)


def evaluate(model):
    assert not model.training
    assert torch.is_inference_mode_enabled()
    return {"mean": model(torch.arange(8).view(4, 2)).mean().item()}


def recipe(steps=20, **changes):
    return Recipe(**{"steps": steps, "record_every": EVERY, "learning_rate": 0.01, "seed": 7, **changes})


def trained(folder=None, model=None, steps=20, evaluate=evaluate, **changes):
    """History and network of a training; keywords that are no recipe's go to ``train``."""
    own = {
        name: changes.pop(name)
        for name in ("snapshots", "checkpoint_seconds", "on_steps", "until", "watch")
        if name in changes
    }
    model = model or network()
    history = train(model, batches, recipe(steps, **changes), folder=folder, evaluate=evaluate, **own)
    return history, model


def assert_same(one, other):
    """History but for the seconds, and weights, bitwise."""
    (history, model), (other_history, other_model) = one, other
    pd.testing.assert_frame_equal(
        history.drop(columns="seconds"), other_history.drop(columns="seconds"), check_exact=True
    )
    weights, other_weights = model.state_dict(), other_model.state_dict()
    assert weights.keys() == other_weights.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, other_weights[name]), name


class Logits(nn.Module):
    """A model of nothing but its logits, the same for every input."""

    def __init__(self, classes=3):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(classes))

    def forward(self, inputs):
        return self.logits.expand(len(inputs), -1)


def always_class_0(generator):
    return torch.zeros(4), torch.zeros(4, dtype=torch.long)


# What a training is


def test_the_history_has_a_row_for_every_so_many_steps_and_the_last():
    history, model = trained(steps=12)
    assert history["step"].tolist() == [0, 5, 10, 12]
    assert list(history.columns) == ["step", "loss", "accuracy", "seconds", "mean"]
    assert history.loc[0, ["loss", "accuracy"]].isna().all()
    assert history.loc[1:, "loss"].between(0.1, 10).all()
    assert history.loc[1:, "accuracy"].between(0, 1).all()
    assert history["mean"].notna().all()
    assert history["seconds"].is_monotonic_increasing
    assert history["seconds"].iloc[0] == 0
    assert not model.training


def test_without_an_evaluation_the_history_starts_at_the_first_record():
    history, _ = trained(steps=12, evaluate=None)
    assert history["step"].tolist() == [5, 10, 12]
    assert list(history.columns) == ["step", "loss", "accuracy", "seconds"]


def test_loss_and_accuracy_are_means_over_the_training_batches_since_the_row_before():
    each, _ = trained(steps=12, record_every=1, evaluate=None)
    grouped, _ = trained(steps=12, evaluate=None)
    for row, part in zip(grouped.to_dict("records"), (each[:5], each[5:10], each[10:]), strict=True):
        assert row["loss"] == pytest.approx(part["loss"].mean(), rel=1e-12)
        assert row["accuracy"] == pytest.approx(part["accuracy"].mean(), rel=1e-12)


def test_the_loss_is_the_mean_cross_entropy_before_the_step():
    history, _ = trained(steps=1, evaluate=None)
    inputs, targets = batches(torch.Generator().manual_seed(7))
    logits = network()(inputs)
    expected = -logits.log_softmax(1)[range(len(targets)), targets].mean().item()
    assert history["loss"].item() == pytest.approx(expected, rel=1e-6)
    assert history["accuracy"].item() == (logits.argmax(1) == targets).double().mean().item()


def test_logits_for_every_step_are_averaged_over_steps_and_batch():
    class EveryStep(Logits):
        def forward(self, inputs):
            return self.logits.expand(*inputs.shape, -1)

    def mixed(generator):
        return torch.zeros(2, 3), torch.tensor([[0, 1, 2], [0, 0, 1]])

    history = train(EveryStep(), mixed, Recipe(steps=1))
    assert history["loss"].item() == pytest.approx(math.log(3))
    assert history["accuracy"].item() == 0.5


def test_training_learns():
    torch.manual_seed(0)
    model = PalindromeClassifier("rnn", 8, encoding="one-hot")
    history = train(model, lambda generator: palindrome_batch(3, 20, generator), recipe(200, record_every=1))
    assert history["accuracy"].iloc[:3].mean() < 0.5
    assert history["accuracy"].iloc[-20:].mean() > 0.9


def test_the_progress_bar_is_told_of_every_step():
    told = []
    trained(steps=12, on_steps=told.append)
    assert told == [5, 5, 2]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_same_seed_gives_the_same_bits_and_another_others(optimizer):
    first = trained(optimizer=optimizer)
    torch.rand(100)  # the global generator has no part in it
    second = trained(optimizer=optimizer)
    assert_same(first, second)
    other = trained(optimizer=optimizer, seed=8)
    assert first[0]["loss"].iloc[-1] != other[0]["loss"].iloc[-1]


def test_neither_folder_nor_evaluation_changes_the_training(tmp_path):
    alone = trained(evaluate=None)
    watched, model = trained(tmp_path, snapshots=range(20), checkpoint_seconds=0)
    watched = watched.drop(columns="mean").drop(index=0).reset_index(drop=True)
    assert_same(alone, (watched, model))


def test_the_optimizers_are_the_ones_named():
    classes = {"sgd": "SGD", "momentum": "SGD", "nesterov": "SGD", "rmsprop": "RMSprop", "adam": "Adam"}
    parameter = nn.Parameter(torch.zeros(1))
    for name, make in OPTIMIZERS.items():
        made = make([parameter], lr=0.5)
        assert type(made).__name__ == classes[name]
        assert made.defaults["lr"] == 0.5
        assert made.defaults.get("momentum", 0) == (0.9 if name in ("momentum", "nesterov") else 0)
        assert made.defaults.get("nesterov", False) == (name == "nesterov")


def test_the_learning_rate_decays_every_so_many_steps():
    """With a gradient kept the same, plain SGD moves by the learning rate itself."""

    class Line(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros((), dtype=torch.float64))

        def forward(self, inputs):
            places.append(self.w.item())
            return torch.stack([1e-9 * self.w, torch.zeros_like(self.w)])[None]

    places = []
    model = Line()
    train(
        model,
        lambda generator: (torch.zeros(1), torch.zeros(1, dtype=torch.long)),
        Recipe(steps=7, optimizer="sgd", learning_rate=8.0, decay=0.5, decay_every=3),
    )
    places.append(model.w.item())
    moves = torch.tensor(places, dtype=torch.float64).diff() / 0.5e-9
    torch.testing.assert_close(moves, torch.tensor([8.0, 8, 8, 4, 4, 4, 2], dtype=torch.float64), rtol=1e-6, atol=0)


sizes = st.integers(1, 3_000)


@settings(max_examples=50)
@given(sizes, sizes, st.floats(0.1, 1), st.floats(1e-6, 10))
def test_a_rate_by_steps_is_a_power_of_the_decay(step, every, decay, rate):
    found = Recipe(steps=1, learning_rate=rate, decay=decay, decay_every=every)
    assert found.rate(0) == rate
    assert found.rate(step) == pytest.approx(rate * decay ** (step // every))
    assert found.rate(step - 1) == found.rate(step - step % every) or step % every == 0
    assert found.rate(step) == found.model_copy(update={"steps": 7, "warmup": 9}).rate(step)


@settings(max_examples=50)
@given(sizes, sizes, st.floats(1e-6, 10))
def test_a_cosine_rate_grows_to_its_height_and_falls_towards_zero(steps, warmup, rate):
    recipe = Recipe(steps=steps, learning_rate=rate, schedule="cosine", warmup=warmup)
    rates = [recipe.rate(k) for k in range(steps)]
    half = [rate * (1 + math.cos(math.pi * k / steps)) / 2 for k in range(steps)]
    assert rates[0] == pytest.approx(rate / warmup)
    assert rates == pytest.approx([min(1, (k + 1) / warmup) * height for k, height in enumerate(half)])
    assert all(0 < found <= rate for found in rates)  # not even the last step is of length zero
    falling = rates[warmup - 1 :]
    assert falling == sorted(falling, reverse=True)
    assert len(falling) == 0 or falling[0] == half[warmup - 1]


def test_the_cosine_schedule_in_numbers():
    recipe = Recipe(steps=8, learning_rate=4.0, schedule="cosine", warmup=2, decay=0.5, decay_every=1)
    found = [recipe.rate(step) for step in range(8)]
    half = [4.0, 3.8478, 3.4142, 2.7654, 2.0, 1.2346, 0.5858, 0.1522]  # 2 (1 + cos(pi k / 8))
    assert found == pytest.approx([2.0, *half[1:]], abs=1e-4)


def test_the_optimizer_gets_the_schedules_rate():
    def watch(optimizer):
        return {"rate": optimizer.param_groups[0]["lr"]}

    changes = {"schedule": "cosine", "warmup": 4, "record_every": 1}
    history, _ = trained(steps=12, evaluate=None, watch=watch, **changes)
    assert history["rate"].tolist() == [recipe(12, **changes).rate(step) for step in range(12)]


@pytest.mark.parametrize("clip_norm", [1e-3, 0.05, 10.0])
def test_the_gradients_norm_is_clipped(clip_norm):
    """SGD at a learning rate of 1 moves the weights by the clipped gradient: its norm is known."""
    start, model = network(), network()
    inputs, targets = batches(torch.Generator().manual_seed(7))
    nn.functional.cross_entropy(start(inputs), targets).backward()
    norm = torch.cat([parameter.grad.flatten() for parameter in start.parameters()]).norm().item()
    trained(model=model, steps=1, evaluate=None, optimizer="sgd", learning_rate=1.0, clip_norm=clip_norm)
    moved = torch.cat([(a - b).flatten() for a, b in zip(model.parameters(), start.parameters())]).norm().item()
    assert 0.05 < norm < 10
    assert moved == pytest.approx(min(norm, clip_norm), rel=1e-3)
    assert moved <= max(clip_norm, norm) * (1 + 1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adagrad"},
        {"learning": 1},
        {"steps": "many"},
        {"warmup": 0},
        {"decay_every": 0},
        {"record_every": 0},
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(changes):
    with pytest.raises(ValidationError):
        recipe(**changes)


# What is kept


def test_seconds_are_those_of_the_processor(monkeypatch):
    """A busy machine, on which a training waits for its turn, does not make it cost more."""
    spent = map(float, itertools.count(100, 3))
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: 0.0, process_time=spent.__next__))
    assert trained(steps=20, record_every=10)[0]["seconds"].tolist() == [0, 3, 6]


def test_snapshots_are_written_at_the_steps_asked_for(tmp_path):
    _, model = trained(tmp_path, snapshots=(0, 3, 20, 99))
    assert sorted(path.name for path in tmp_path.glob("weights-*")) == [
        f"weights-{step}.safetensors" for step in (0, 20, 3)
    ]
    start, at_3, end = network(1), network(1), network(1)
    load_weights(start, tmp_path / "weights-0.safetensors")
    load_weights(at_3, tmp_path / "weights-3.safetensors")
    load_weights(end, tmp_path / "weights-20.safetensors")
    for found, expected in ((start, network()), (at_3, trained(steps=3)[1]), (end, model)):
        for name, tensor in expected.state_dict().items():
            assert torch.equal(found.state_dict()[name], tensor)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_training_ends_after_the_row_it_waited_for(tmp_path):
    whole, _ = trained(steps=20)
    cut, model = trained(tmp_path, steps=20, until=lambda row: row["step"] >= 10)
    assert cut["step"].tolist() == [0, 5, 10]
    shorter, at_10 = trained(steps=10)
    assert_same((cut, model), (shorter, at_10))
    assert_same((whole[:3], model), (cut, model))


def test_a_training_that_has_ended_early_is_not_gone_on_with(tmp_path):
    def ends(row):
        return row["step"] >= 10

    first = trained(tmp_path, steps=20, until=ends, checkpoint_seconds=-1)
    assert_same(trained(tmp_path, steps=20, until=ends, checkpoint_seconds=-1), first)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_step_sizes_are_those_of_the_step_that_was_made(optimizer):
    model = network()
    made = OPTIMIZERS[optimizer](model.parameters(), lr=0.01)
    for seed in range(3):
        inputs, targets = batches(torch.Generator().manual_seed(seed))
        made.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        before = [parameter.detach().clone() for parameter in model.parameters()]
        made.step()
    moved = torch.cat([(old - new.detach()).flatten() for old, new in zip(before, model.parameters())])
    sizes = step_sizes(made)
    assert sizes["update"] == pytest.approx(moved.square().mean().sqrt().item(), rel=1e-4)
    assert sizes["effective_rate_low"] <= sizes["effective_rate"] <= sizes["effective_rate_high"]


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_step_sizes_are_right_where_a_gradient_is_as_small_as_epsilon(optimizer):
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    made = OPTIMIZERS[optimizer]([parameter], lr=0.01)
    parameter.grad = torch.full_like(parameter, 1e-8)
    made.step()
    assert step_sizes(made)["update"] == pytest.approx(parameter.abs().item(), rel=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_effective_rate_is_what_makes_a_step_of_a_steady_gradient(optimizer):
    gradient = torch.tensor([0.1, -0.5, 2.0])
    parameter = nn.Parameter(torch.zeros(3))
    made = OPTIMIZERS[optimizer]([parameter], lr=0.01)
    for _ in range(2_000):
        parameter.grad = gradient.clone()
        before = parameter.detach().clone()
        made.step()
    rates = (before - parameter.detach()) / gradient
    assert step_sizes(made)["effective_rate"] == pytest.approx(rates.median().item(), rel=1e-3)


def test_the_effective_rate_is_the_median_over_all_parameters_beside_its_deciles():
    """After RMSprop's first step a gradient g has the rate 0.01 / (0.1 g): here 1, 2, … 21 tenths."""
    rates = torch.arange(1, 22) / 10
    one, other = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(15))
    made = OPTIMIZERS["rmsprop"]([one, other], lr=0.01)
    shuffled = 0.1 / rates[torch.randperm(21, generator=torch.Generator().manual_seed(0))]
    one.grad, other.grad = shuffled[:6].view(2, 3), shuffled[6:]
    made.step()
    found = [step_sizes(made)[f"effective_rate{part}"] for part in ("_low", "", "_high")]
    assert found == pytest.approx([0.3, 1.1, 1.9], rel=1e-4)


def test_step_sizes_are_watched_at_every_row():
    history, _ = trained(steps=10, optimizer="adam", watch=step_sizes)
    assert history.loc[0, ["effective_rate", "update"]].isna().all()
    assert (history.loc[1:, "update"] > 0).all()
    unwatched, _ = trained(steps=10, optimizer="adam")
    pd.testing.assert_frame_equal(history[unwatched.columns].drop(columns="seconds"), unwatched.drop(columns="seconds"))


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "weights-1.safetensors"
    save_weights(network(), path)
    with pytest.raises(TrainingError) as caught:
        load_weights(network(hidden_size=5), path)
    assert "weights-1.safetensors does not hold the weights of this PalindromeClassifier" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"not weights at all", None], ids=["empty", "foreign", "missing"])
def test_damaged_weights_are_refused(tmp_path, damage):
    path = tmp_path / "weights-1.safetensors"
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(TrainingError, match=r"weights-1\.safetensors does not hold"):
        load_weights(network(), path)
    assert not training.is_readable(path)
    save_weights(network(), path)
    assert training.is_readable(path)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cut", [5, 15])
def test_a_training_in_two_parts_equals_one_in_one(tmp_path, optimizer, cut):
    changes = {"optimizer": optimizer, "decay": 0.5, "decay_every": 7}
    whole = trained(**changes)
    trained(tmp_path, steps=cut, **changes)
    told = []
    assert_same(trained(tmp_path, on_steps=told.append, model=network(99), **changes), whole)
    assert told == [cut, *[EVERY] * ((20 - cut) // EVERY)]


def test_a_finished_training_is_not_done_again(tmp_path):
    first = trained(tmp_path)
    again = train(network(99), lambda generator: pytest.fail("no batch is needed"), recipe(), folder=tmp_path)
    pd.testing.assert_frame_equal(again, first[0])


def test_seconds_go_on_from_where_they_were(tmp_path, monkeypatch):
    def ticking(start):
        ticks = map(float, itertools.count(start)).__next__
        # Other threads have clocks of their own.
        monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=ticks, process_time=ticks))

    ticking(1_000_000)
    first, _ = trained(tmp_path, steps=10)
    ticking(0)  # another process, whose clock began elsewhere
    history, _ = trained(tmp_path)
    ends = first["seconds"].iloc[-1]
    assert history["seconds"].is_monotonic_increasing
    assert history["seconds"].tolist()[: len(first)] == first["seconds"].tolist()
    assert ends < history["seconds"].iloc[-1] < 2.5 * ends


KILLED = """
import os, sys, threading, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_training as t

def run(optimizer):
    seen = 0
    def hanging(generator):
        nonlocal seen
        seen += 1
        if seen == 13:  # two steps after the checkpoint of step 10
            os.write(1, b"hangs\\n")
            time.sleep(600)
        return t.batches(generator)
    t.train(models[optimizer], hanging, t.recipe(optimizer=optimizer), folder=Path({folder!r}) / optimizer,
            evaluate=t.evaluate, snapshots=(11, 20), checkpoint_seconds=0)

models = {{name: t.network() for name in t.OPTIMIZERS}}
for name in models:
    (Path({folder!r}) / name).mkdir()
    threading.Thread(target=run, args=(name,)).start()
"""


def test_a_checkpoint_is_written_with_a_row_once_enough_seconds_have_passed(tmp_path, monkeypatch):
    """A step takes a second here; there is a row after every five."""
    now, written = [1_000.0], []
    clocks = dict.fromkeys(("monotonic", "process_time"), lambda: now[0])
    monkeypatch.setattr(training, "time", SimpleNamespace(**clocks))
    monkeypatch.setattr(training, "_save", lambda path, step, *_: written.append(step))

    def slow(generator):
        now[0] += 1
        return batches(generator)

    history = train(network(), slow, recipe(25), folder=tmp_path, evaluate=evaluate, checkpoint_seconds=5)
    assert written == [10, 20, 25]
    assert history["seconds"].tolist() == [0, 5, 10, 15, 20, 25]


@pytest.mark.slow
def test_a_training_killed_in_the_middle_goes_on_to_the_same_end(tmp_path):
    """One process trains with every optimizer, each in a thread of its own, and is killed between two checkpoints."""
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert [process.stdout.readline() for _ in OPTIMIZERS] == ["hangs\n"] * len(OPTIMIZERS)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == (1 if system.WINDOWS else -signal.SIGKILL)
    for optimizer in OPTIMIZERS:
        folder = tmp_path / optimizer
        assert opened(folder / "checkpoint.safetensors")[1]["step"] == "10"
        assert (folder / "weights-11.safetensors").exists()
        whole = trained(optimizer=optimizer)
        assert_same(trained(folder, network(99), optimizer=optimizer, snapshots=(11, 20)), whole)
        kept = network(99)
        load_weights(kept, folder / "weights-20.safetensors")
        assert_same((whole[0], kept), whole)


# Tensors that are carried on, dropout, a header: all at once


class Echo(nn.Module):
    """Reads numbers through dropout, and remembers the sum of all that it has read."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():  # the dropout's numbers are the caller's to seed
            torch.manual_seed(0)
            self.linear = nn.Linear(3, 2)
        self.read = torch.zeros(3)

    def forward(self, inputs):
        if self.training:
            self.read += inputs.sum(0)
        return self.linear(nn.functional.dropout(inputs + self.read.tanh(), 0.3, self.training))


HEADER = {"vocabulary": "ab\n\u00e9\u2014"}
STEPS, ROWS = 14, 3


def with_all_options(folder=None, cut=None, recipe_changes={}, header=HEADER, carried=("read", "position")):  # noqa: B006
    """A training with every option, as :func:`trained` returns it; it is interrupted at step ``cut``."""
    model, position = Echo(), torch.tensor(5)

    def reading_on(generator):
        if position == 5 + 2 * (STEPS if cut is None else cut):
            raise KeyboardInterrupt
        position.add_(2)
        return torch.randn(4, 3, generator=generator) + position, torch.tensor([0, 1, 0, 1])

    settings = {"optimizer": "adam", "schedule": "cosine", "warmup": 4, "record_every": ROWS, "steps": STEPS}
    history = train(
        model,
        reading_on,
        recipe(**{**settings, **recipe_changes}),
        folder=folder,
        evaluate=lambda model: {"read": model.read.sum().item()},
        snapshots=(2, STEPS),
        carried={name: {"read": model.read, "position": position}[name] for name in carried},
        header=header,
        checkpoint_seconds=-1,
    )
    return history, model


@settings(max_examples=25)
@given(st.lists(st.integers(0, STEPS - 1), max_size=4).map(sorted))
def test_cut_anywhere_a_training_with_every_option_goes_on_to_the_same_end(cuts):
    def started():
        torch.manual_seed(3) if not checkpoint.exists() else torch.rand(7)  # others draw from that generator as well

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = folder / "checkpoint.safetensors"
        started()
        whole, model = with_all_options()
        for cut in cuts:
            started()
            with pytest.raises(KeyboardInterrupt):
                with_all_options(folder, cut)
            assert checkpoint.exists() == (cut >= ROWS)
        started()
        found, again = with_all_options(folder)
        assert_same((found, again), (whole, model))
        assert torch.equal(again.read, model.read)
        load_weights(again, folder / f"weights-{STEPS}.safetensors", HEADER)
        assert_same((found, again), (whole, model))
        assert (folder / "weights-2.safetensors").exists()


def test_dropout_takes_part_in_that():
    """Another state of the global generator, or none kept, would show."""
    torch.manual_seed(3)
    one, _ = with_all_options()
    other, _ = with_all_options()
    assert one["loss"].iloc[1] != other["loss"].iloc[1]


@pytest.fixture
def whole_checkpoint(tmp_path):
    """Of a training with every option, cut after 6 of its steps."""
    with pytest.raises(KeyboardInterrupt):
        with_all_options(tmp_path, cut=7)
    return tmp_path / "checkpoint.safetensors"


def refused_with_all_options(path, **changes):
    """The one line with which such a training does not go on; the file stays as it is."""
    before = path.read_bytes()
    with pytest.raises(TrainingError) as caught:
        with_all_options(path.parent, **changes)
    assert path.read_bytes() == before
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} ")
    assert sentence.endswith("; delete it to start anew")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    "changes",
    [{"steps": STEPS + 1}, {"steps": STEPS - 1}, {"warmup": 5}, {"schedule": "steps"}],
    ids=str,
)
def test_a_checkpoint_of_another_schedule_is_refused(whole_checkpoint, changes):
    assert "belongs to another run" in refused_with_all_options(whole_checkpoint, recipe_changes=changes)


def test_a_checkpoint_of_another_vocabulary_is_refused(whole_checkpoint):
    sentence = refused_with_all_options(whole_checkpoint, header={"vocabulary": "abc"})
    assert f"has another vocabulary than this: {HEADER['vocabulary']!r}, not 'abc'" in sentence


def test_of_a_long_vocabulary_the_beginning_is_named(tmp_path):
    path, many = tmp_path / "weights-1.safetensors", "".join(map(chr, range(0x4E00, 0x4E00 + 1897)))
    save_weights(network(), path, {"vocabulary": many})
    says = r"has another vocabulary than this: '一.*… \(1,899 characters\), not 'abc'$"
    with pytest.raises(TrainingError, match=says) as caught:
        load_weights(network(1), path, {"vocabulary": "abc"})
    assert len(str(caught.value)) < 200 + len(str(path))


def test_a_checkpoint_that_names_no_vocabulary_is_refused(checkpoint):
    with pytest.raises(TrainingError, match=r"has another vocabulary than this: None, not 'abc'; delete it"):
        train(network(), batches, recipe(), folder=checkpoint.parent, header={"vocabulary": "abc"})


def test_a_checkpoint_from_before_the_newer_settings_is_gone_on_with(checkpoint):
    """What it does not say of has the value that it had before one could say it."""
    tensors, header = training._read(checkpoint)
    older = {name: value for name, value in header["recipe"].items() if name not in ("schedule", "warmup")}
    tensors.pop("global_generator")
    training._write(checkpoint, tensors, {**header, "recipe": older})
    assert_same(trained(checkpoint.parent, network(99)), trained())


def test_a_checkpoint_from_before_the_newer_settings_is_not_of_other_ones(checkpoint):
    tensors, header = training._read(checkpoint)
    older = {name: value for name, value in header["recipe"].items() if name not in ("schedule", "warmup")}
    training._write(checkpoint, tensors, {**header, "recipe": older})
    assert "another run" in refused(checkpoint, warmup=2)
    assert "another run" in refused(checkpoint, schedule="cosine")


def test_a_checkpoint_of_a_newer_version_is_refused(checkpoint):
    """It has a setting that is not known here."""
    tensors, header = training._read(checkpoint)
    training._write(checkpoint, tensors, {**header, "recipe": {**header["recipe"], "averaged": 0.999}})
    assert "'averaged': 0.999}, step 10" in refused(checkpoint)


@pytest.mark.parametrize("carried", [(), ("read",)], ids=["none", "one of them"])
def test_a_checkpoint_that_carries_more_is_refused(whole_checkpoint, carried):
    assert "carries {'position': (), 'read': (3,)}" in refused_with_all_options(whole_checkpoint, carried=carried)


def test_a_checkpoint_that_carries_nothing_is_refused_where_something_is(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with_all_options(tmp_path, cut=7, carried=())
    sentence = refused_with_all_options(tmp_path / "checkpoint.safetensors")
    assert "carries {} from step to step, not {'read': (3,), 'position': ()}" in sentence


def test_a_checkpoint_that_carries_other_shapes_is_refused(whole_checkpoint):
    """Those of another batch size; one that would fit by broadcasting as well."""
    tensors, header = training._read(whole_checkpoint)
    training._write(whole_checkpoint, {**tensors, "carried.read": torch.ones(1)}, header)
    assert "'read': (1,)" in refused_with_all_options(whole_checkpoint)


def test_weights_of_another_vocabulary_are_refused(tmp_path):
    path, model = tmp_path / "weights-1.safetensors", network(1)
    save_weights(network(), path, HEADER)
    load_weights(model, path)  # whoever asks for no vocabulary gets the weights
    load_weights(model, path, HEADER)
    before = [weight.clone() for weight in model.parameters()]
    with pytest.raises(TrainingError) as caught:
        load_weights(model, path, {"vocabulary": "abc"})
    assert str(caught.value) == f"{path} has another vocabulary than this: {HEADER['vocabulary']!r}, not 'abc'"
    assert all(map(torch.equal, before, model.parameters()))


class Executes:
    """Makes a file of the pickle's where the pickle is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("write", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_a_pickle_in_disguise_is_named_and_never_executed(tmp_path, write, caplog):
    path, trace = tmp_path / "checkpoint.safetensors", tmp_path / "executed"
    write({"model.W_ph": Executes(trace)}, path)
    begun_anew(path, caplog)
    write({"model.W_ph": Executes(trace)}, path)
    with pytest.raises(TrainingError, match=re.escape(str(path))):
        load_weights(network(), path)
    assert not trace.exists()


@settings(max_examples=40)
@given(st.data())
def test_weights_of_which_any_byte_was_changed_are_refused_or_the_same(data):
    with tempfile.TemporaryDirectory() as name:
        path, model = Path(name) / "weights-1.safetensors", network(1)
        save_weights(network(), path, HEADER)
        written = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(written) - 1) | st.integers(0, 400))
        written[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(written)
        try:
            load_weights(model, path, HEADER)
            sentence = None
        except TrainingError as error:
            sentence = str(error)
        if sentence is not None:
            assert sentence.startswith(f"{path} does not hold ")
            assert "\n" not in sentence
        else:
            assert all(map(torch.equal, model.parameters(), network().parameters()))


# What goes wrong


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_training(tmp_path, bad):
    def broken(generator):
        inputs, targets = always_class_0(generator)
        calls.append(1)
        if len(calls) == 8:
            with torch.no_grad():
                model.logits.fill_(bad)
        return inputs, targets

    calls = []
    model = Logits()
    with pytest.raises(TrainingError) as caught:
        train(model, broken, recipe(optimizer="sgd"), folder=tmp_path, checkpoint_seconds=0)
    assert "the loss became nan at step 8 of 20" in str(caught.value)
    assert "learning rate 0.01" in str(caught.value)
    assert "\n" not in str(caught.value)
    over_there = pickle.loads(pickle.dumps(caught.value))  # as from a worker
    assert str(over_there) == str(caught.value)
    assert over_there.history.equals(caught.value.history)
    assert opened(tmp_path / "checkpoint.safetensors")[1]["step"] == "5"  # the last good one


def test_weights_that_are_no_numbers_never_pass_for_a_result(tmp_path):
    """A last step can spoil the weights after a loss that still was a number."""

    class Explosive(Logits):
        def forward(self, inputs):
            return super().forward(inputs) + self.logits.square().sum().sqrt()  # a gradient of 0/0 at zero

    with pytest.raises(TrainingError):
        train(Explosive(), always_class_0, recipe(steps=1), folder=tmp_path, snapshots=(1,))


def opened(path):
    """Tensors and header of a checkpoint."""
    with safe_open(path, "pt") as file:
        return load_file(path), file.metadata()


@pytest.fixture
def checkpoint(tmp_path):
    trained(tmp_path, steps=10)
    return tmp_path / "checkpoint.safetensors"


def refused(path, **changes):
    """The one line with which training refuses to go on from this checkpoint; the file stays as it is."""
    before, model = path.read_bytes(), changes.pop("model", network())
    with pytest.raises(TrainingError) as caught:
        trained(path.parent, model, **changes)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "delete it" in sentence
    assert "\n" not in sentence
    assert path.read_bytes() == before
    return sentence


def begun_anew(path, caplog):
    """The one line that says that what is there cannot be read; the training does not need it, and it is not lost."""
    before = (path.parent / "checkpoint.safetensors").read_bytes()
    caplog.clear()
    assert_same(trained(path.parent, checkpoint_seconds=0), trained())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"{path} ")
    assert record.getMessage().endswith("starts anew, its checkpoint is put aside as checkpoint.aside")
    assert (path.parent / "checkpoint.aside").read_bytes() == before
    assert opened(path.parent / "checkpoint.safetensors")[1]["step"] == "20"
    return record.getMessage()


@pytest.mark.parametrize("content", [b"{}", b"PK\x03\x04" + bytes(200), 0, 4, 100, 0.5, -1], ids=str)
def test_a_checkpoint_that_cannot_be_read_is_as_good_as_missing(checkpoint, content, caplog):
    data = checkpoint.read_bytes()
    length = round(len(data) * content) if isinstance(content, float) else content
    checkpoint.write_bytes(content if isinstance(content, bytes) else data[:length])
    begun_anew(checkpoint, caplog)


@pytest.mark.parametrize(("step", "content"), [(5, None), (5, b""), (5, b"{}"), (10, b"")], ids=str)
def test_a_training_whose_earlier_weights_cannot_be_read_starts_anew(tmp_path, step, content, caplog):
    """Else it would end with weights that nobody can load."""
    trained(tmp_path, steps=10, snapshots=(step, 20))
    weights = tmp_path / f"weights-{step}.safetensors"
    whole = weights.read_bytes()
    weights.unlink() if content is None else weights.write_bytes(content)
    trained(tmp_path, snapshots=(step, 20))
    assert weights.read_bytes() == whole
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{weights} does not hold tensors that can be read")


@pytest.mark.parametrize("step", [0, 1])
def test_weights_in_a_checkpoints_place_are_refused_whatever_snapshots_are_missing(tmp_path, step):
    save_weights(network(), tmp_path / "checkpoint.safetensors")
    with pytest.raises(TrainingError, match=r"belongs to another run \(None, step None\); delete it"):
        trained(tmp_path, snapshots=(step,))


def test_a_file_is_readable_if_it_is_whole(tmp_path):
    path = tmp_path / "weights-1.safetensors"
    save_weights(network(), path)
    assert training.is_readable(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not training.is_readable(path)


def test_numbers_begin_where_eight_bytes_do(tmp_path):
    """However long the header is; it has no more than seven spaces for that."""
    for length in range(9):
        path = tmp_path / f"{length}.safetensors"
        save_weights(network(), path, {"name": "a" * length})
        data = path.read_bytes()
        end = int.from_bytes(data[:8], "little")
        assert end % 8 == 0
        assert end - len(data[8 : 8 + end].rstrip(b" ")) < 8


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"half")
    trained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_equal_tensors_and_headers_give_equal_bytes(tmp_path):
    header = {name: name for name in "abcdefgh"}
    save_weights(network(), tmp_path / "weights-1.safetensors", header)
    written = (tmp_path / "weights-1.safetensors").read_bytes()
    assert int.from_bytes(written[:8], "little") % 8 == 0  # so that numbers begin where eight bytes do
    for count in range(5):
        save_weights(network(), tmp_path / f"{count}.safetensors", dict(sorted(header.items(), reverse=count % 2)))
        assert (tmp_path / f"{count}.safetensors").read_bytes() == written
    assert opened(tmp_path / "1.safetensors")[1].keys() == {*header, "sha256"}


def test_weights_are_no_checkpoint(checkpoint):
    save_weights(network(), checkpoint)
    refused(checkpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"learning_rate": 0.02},
        {"seed": 8},
        {"clip_norm": 1.0},
        {"record_every": 2},
        {"decay": 0.9},
    ],
    ids=str,
)
def test_a_checkpoint_of_another_recipe_is_refused(checkpoint, changes):
    assert "another run" in refused(checkpoint, **changes)


def test_a_checkpoint_beyond_the_steps_asked_for_is_refused(checkpoint):
    assert "step 10" in refused(checkpoint, steps=9)


def test_a_checkpoint_of_another_network_is_refused(checkpoint):
    refused(checkpoint, model=network(hidden_size=5))


def without(prefix):
    return lambda tensors, header: [tensors.pop(name) for name in list(tensors) if name.startswith(prefix)]


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda tensors, header: header.pop("step"), id="no step"),
        pytest.param(lambda tensors, header: header.pop("recipe"), id="no recipe"),
        pytest.param(lambda tensors, header: header.pop("columns"), id="no columns"),
        pytest.param(lambda tensors, header: header.update(step="ten"), id="step in words"),
        pytest.param(lambda tensors, header: header.update(step='"10"'), id="step as text"),
        pytest.param(lambda tensors, header: header.update(step="5"), id="another step"),
        pytest.param(lambda tensors, header: header.update(recipe="{}"), id="an empty recipe"),
        pytest.param(without("model.W_ph"), id="a weight missing"),
        pytest.param(without("optimizer."), id="no optimizer"),
        pytest.param(without("optimizer.0.square_avg"), id="part of the optimizer missing"),
        pytest.param(without("generator"), id="no generator"),
        pytest.param(without("history."), id="no history"),
        pytest.param(without("history.loss"), id="a column missing"),
        pytest.param(lambda tensors, header: tensors.update(generator=tensors["generator"][:9]), id="half a generator"),
        pytest.param(lambda tensors, header: tensors["model.b_p"].add_(1), id="another weight"),
    ],
)
def test_a_checkpoint_that_was_tampered_with_is_not_gone_on_with(checkpoint, tamper, caplog):
    tensors, header = opened(checkpoint)
    tamper(tensors, header)
    save_file(tensors, checkpoint, header)
    assert "its content has another hash" in begun_anew(checkpoint, caplog)


def test_a_checkpoint_with_a_flipped_bit_is_not_gone_on_with(checkpoint, caplog):
    data = bytearray(checkpoint.read_bytes())
    tensors, _ = opened(checkpoint)
    place = data.index(tensors["model.W_ph"].numpy().tobytes())
    data[place + 2] ^= 0x10
    checkpoint.write_bytes(data)
    begun_anew(checkpoint, caplog)


def test_a_checkpoint_holds_no_pickle_and_names_its_step_and_recipe(checkpoint):
    tensors, header = opened(checkpoint)
    assert json.loads(header["step"]) == 10
    assert json.loads(header["recipe"]) == recipe().model_dump(exclude={"steps"})
    parts = {name.partition(".")[0] for name in tensors}
    assert parts == {"model", "optimizer", "generator", "global_generator", "history"}


ABSENT = [
    name
    for name, present in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
    if not present
]


@pytest.mark.parametrize("name", [*ABSENT, *[f"{name}:1" for name in ABSENT], "cpu:1", "cuda:99"])
def test_a_device_that_is_absent_is_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match=rf"^device must be one that this machine has \(1 cpu, .* not '{name}'$"):
        check_device(name)
    with pytest.raises(ValueError, match="device must be"):
        train(network(), batches, recipe(device=name))


@pytest.mark.parametrize(
    "name", ["gpu", "", "CPU", "cpu:x", "cuda:", "cuda:01", "cuda:\u0663", "cuda:-1", "cpu\n", "cpu:1000"]
)
def test_what_names_no_device_is_refused_in_one_sentence(name):
    says = "device must be cpu, cuda or mps, or one of several by its number, as cuda:1, not "
    with pytest.raises(ValueError, match=f"^{re.escape(says + repr(name))}$"):
        check_device(name)


def test_of_several_devices_those_that_are_there_can_be_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert check_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ValueError, match=r"\(1 cpu, 2 cuda, . mps, each numbered from 0\), not 'cuda:2'"):
        check_device("cuda:2")


def test_the_cpu_is_always_there():
    assert check_device("cpu") == torch.device("cpu")


def in_a_process_that_trains(*lines: str) -> str:
    """What the lines print after use_one_thread(), whose settings last as long as the process."""
    words = ["import torch", "from rnnreport.training import use_one_thread", "use_one_thread()", *lines]
    done = subprocess.run([sys.executable, "-c", "\n".join(words)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_one_thread_and_no_denormals_in_a_process_that_trains():
    assert in_a_process_that_trains("print(torch.get_num_threads(), (torch.tensor([1e-38]) / 100).item())") == "1 0.0"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")
def test_memory_that_a_step_frees_is_kept_for_the_next():
    lines = ["from resource import getrusage, RUSAGE_SELF", "for _ in range(3): torch.ones(2**24)"]
    lines += ["before = getrusage(RUSAGE_SELF).ru_minflt", "for _ in range(10): torch.ones(2**24)"]
    lines += ["print(getrusage(RUSAGE_SELF).ru_minflt - before)"]
    assert int(in_a_process_that_trains(*lines)) < 1_000  # 16,384 pages a time if they came from the system


@pytest.mark.parametrize("flushed", [True, False])
def test_gradients_that_have_vanished_over_a_thousand_steps_are_zeros_and_not_denormals(flushed):
    found = in_a_process_that_trains(
        f"torch.set_flush_denormal({flushed})",
        "from rnnreport.models import LSTM, RNN",
        "for network in (RNN(1, 32), LSTM(1, 32)):",
        "    torch.manual_seed(0)",
        "    for weight in network.parameters(): torch.nn.init.normal_(weight, std=0.1)",
        "    x = torch.randn(1000, 4, 1, requires_grad=True)",
        "    network(x)[0][-1].sum().backward()",
        "    tiny = x.grad.abs() < torch.finfo(torch.float32).tiny",
        "    print(bool(tiny.any()), bool((tiny & (x.grad != 0)).any()))",
    )
    assert found.splitlines() == [f"True {not flushed}"] * 2


def test_a_recipe_is_the_assignments_where_nothing_else_is_said_and_stays_as_it_is() -> None:
    recipe = Recipe(steps=1)
    assert recipe.model_dump() == {
        "steps": 1,
        "optimizer": "rmsprop",
        "learning_rate": 0.001,
        "schedule": "steps",
        "decay": 1,
        "decay_every": 5000,
        "warmup": 1,
        "clip_norm": 10,
        "seed": 0,
        "record_every": 10,
        "device": "cpu",
    }
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 1  # type: ignore[misc]
