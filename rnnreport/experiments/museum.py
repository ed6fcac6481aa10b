"""The Bug Museum: a small experiment for each mistake, in this library and in a copy of it with the mistake made.

As a script: run experiments in such copies, and print their curves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pandas as pd
import torch
from torch import Tensor, nn

from rnnreport.bugs import Patch, bugs, copy_with
from rnnreport.cells import lstm_step, temporal_gate
from rnnreport.configuration import Recipe
from rnnreport.models import LSTM, CharLSTM, PalindromeClassifier, TemporalGateLSTM, by_steps
from rnnreport.palindromes import palindrome_batch
from rnnreport.provenance import PROJECT
from rnnreport.runs import Configuration, OnSteps, RunError, run_all, tabulate
from rnnreport.sampling import sample
from rnnreport.training import Batches, classification, train, use_one_thread
from rnnreport.windows import Windows

Curve = Sequence[tuple[float, float]]
Experiment = Callable[[int, int], Curve]  # of a seed and the steps of a training


class MuseumRun(Configuration):
    """The experiments of these mistakes."""

    patches: tuple[Patch, ...]


class Symptom(NamedTuple):
    """An experiment, and what its curve has on either axis."""

    run: Experiment
    x: str
    y: str


SYMPTOMS: dict[str, Symptom] = {}


def symptom(x: str, y: str) -> Callable[[Experiment], Experiment]:
    """Enter an experiment in :data:`SYMPTOMS` under its name, with - for _, and with the names of its axes."""

    def enter(run: Experiment) -> Experiment:
        SYMPTOMS[run.__name__.replace("_", "-")] = Symptom(run, x, y)
        return run

    return enter


def exhibits(seeds: Sequence[int], steps: int) -> pd.DataFrame:
    """Each mistake's curve and the right one for each seed: the columns bug, version ("right", "wrong"), x and y."""
    patches = [Patch(**{name: getattr(bug, name) for name in Patch.model_fields}) for bug in bugs().values()]
    asked = [MuseumRun.of_settings(steps, seed, patches=patches) for seed in seeds]
    return tabulate(run_all(measure, asked, "museum")).drop(columns="patches")


def measure(run: MuseumRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """The curves of this run, as in :func:`exhibits`. Raises RunError if a copy with a mistake ends in an error."""
    started, symptoms = time.monotonic(), dict.fromkeys(patch.symptom for patch in run.patches)
    right = {name: SYMPTOMS[name].run(run.seed, run.steps) for name in symptoms}
    curves = [(patch, "right", right[patch.symptom]) for patch in run.patches]
    curves += [(patch, "wrong", curve) for patch, curve in zip(run.patches, _in_copies(run), strict=True)]
    on_steps(run.steps)
    rows = [(patch.id, version, float(x), float(y)) for patch, version, curve in curves for x, y in curve]
    return pd.DataFrame(rows, columns=["bug", "version", "x", "y"]).assign(seconds=time.monotonic() - started)


def _in_copies(run: MuseumRun) -> list[Curve]:
    """The curve of each patch, in a process of its own for all of them: torch takes longer to start than they do."""
    with tempfile.TemporaryDirectory(prefix="rnnreport-") as folder:
        for patch in run.patches:
            copy_with(patch, Path(folder, patch.id))
        asked = [(str(Path(folder, patch.id)), patch.symptom, run.seed, run.steps) for patch in run.patches]
        command, given = [sys.executable, "-m", "rnnreport.experiments.museum"], json.dumps(asked)
        done = subprocess.run(command, input=given, capture_output=True, text=True, encoding="utf-8", cwd=PROJECT)
    if done.returncode:
        raise RunError(f"an experiment with a mistake failed: {done.stderr.splitlines()[-1]}")
    return json.loads(done.stdout)


def _curves(asked: Iterable[tuple[str, str, int, int]]) -> list[Curve]:
    """In a process of its own: for each folder the curve of this experiment in the copy of this library there."""
    curves, path = [], sys.path[:]
    for folder, name, seed, steps in asked:
        for loaded in [module for module in sys.modules if module.partition(".")[0] == "rnnreport"]:
            del sys.modules[loaded]
        sys.path[:] = [folder, *path]
        copy = import_module("rnnreport.experiments.museum")
        curves.append(copy.SYMPTOMS[name].run(seed, steps))
    return curves


# The experiments. Networks are small, so that each takes seconds.

UNITS = 32


@symptom("time asked", "an answer's logit")
def asked_again(seed: int, steps: int) -> Curve:
    """The same network and the same palindrome. Random numbers stand for what a memory that nobody sets may hold."""
    network, generator = _classifier(seed), torch.Generator().manual_seed(seed)
    digits, _ = palindrome_batch(10, 1, generator)

    def left_over(tensor: Tensor, *shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    with mock.patch.object(Tensor, "new_empty", left_over):  # really left over, each build would draw another curve
        return [(number, network(digits)[0, 0].item()) for number in range(1, 21)]


@symptom("temperature", "share of the likeliest character")
def likeliest_drawn(seed: int, steps: int) -> Curve:
    """How often sampling draws the likeliest character, by the temperature."""
    torch.manual_seed(seed)
    model = CharLSTM(12, UNITS).eval()
    nn.init.normal_(model.head.weight, std=3)  # far enough from uniform
    start = torch.zeros(1, 2_000, dtype=torch.long)
    likeliest, _ = sample(model, start, 1, temperature=0)
    curve = []
    for temperature in (quarter / 4 for quarter in range(1, 13)):
        drawn, _ = sample(model, start, 1, temperature=temperature, generator=torch.Generator().manual_seed(seed))
        curve.append((temperature, (drawn == likeliest).double().mean().item()))
    return curve


@symptom("training step", "loss")
def loss_by_sgd(seed: int, steps: int) -> Curve:
    """An RNN with large recurrent weights, clipped at a small norm."""
    network = _classifier(seed, "rnn", initialisation="normal-variance")
    return _learned(seed, steps, network, "loss", length=8, optimizer="sgd", learning_rate=2.0, clip_norm=0.5)


@symptom("training step", "accuracy, as reported")
def reported_accuracy(seed: int, steps: int) -> Curve:
    """Small batches, ten to a report."""
    return _learned(seed, steps, _classifier(seed, "rnn"), batch_size=16)


@symptom("training step", "accuracy on training batches")
def learning(seed: int, steps: int) -> Curve:
    """An LSTM on palindromes."""
    return _learned(seed, steps, _classifier(seed))


@symptom("training step", "accuracy on training batches")
def learning_by_cells(seed: int, steps: int) -> Curve:
    """The same through the printed cell, under autograd."""
    network = _classifier(seed)
    network.recurrence.__class__ = _ByCells
    return _learned(seed, steps, network)


@symptom("training step", "accuracy of the copy")
def accuracy_of_a_copy(seed: int, steps: int) -> Curve:
    """While an LSTM learns, its weights go to torch.nn and from there into a second network, which is tested."""
    digits, last = palindrome_batch(5, 500, torch.Generator().manual_seed(seed + 1))
    copy = _classifier(seed)

    def tested(network: Any) -> dict[str, float]:
        copy.load_state_dict(network.state_dict())
        copy.recurrence = LSTM.from_torch(network.recurrence.to_torch())
        return {"copy": classification(copy(digits), last)[1].item()}

    return _learned(seed, steps, _classifier(seed), "copy", length=5, evaluate=tested)


@symptom("training step", "loss on training batches")
def loss_on_text(seed: int, steps: int) -> Curve:
    """A character model on text of a Markov chain."""
    generator = torch.Generator().manual_seed(seed)
    chances = torch.rand(12, 12, generator=generator) ** 4
    following, symbols = chances.multinomial(10_000, replacement=True, generator=generator).tolist(), [0]
    for place in range(10_000):
        symbols.append(following[symbols[-1]][place])
    return _read(seed, steps, Windows(torch.tensor(symbols), 10), "loss")


@symptom("training step", "loss on held-out text")
def loss_on_held_out_text(seed: int, steps: int) -> Curve:
    """A word model on random words, of which nothing can be learned but by heart."""
    windows = Windows(torch.randint(1_000, (5_000,), generator=torch.Generator().manual_seed(seed)), 2)

    def held_out(model: nn.Module) -> dict[str, float]:
        inputs, targets = windows.at(windows.held_out_starts)
        return {"held_out": classification(model(inputs), targets)[0].item()}

    return _read(seed, steps, windows, "held_out", evaluate=held_out)


@symptom("time t", "gradient of k(t) by τ")
def gradient_by_the_period(seed: int, steps: int) -> Curve:
    """Of a gate that is open half of the time, over ten periods."""
    tau = torch.tensor(10.3, requires_grad=True)
    k = temporal_gate(torch.arange(100.0), tau, torch.tensor(0.2), torch.tensor(0.5))
    return [(t, torch.autograd.grad(k_t, tau, retain_graph=True)[0].item()) for t, k_t in enumerate(k)]


@symptom("time t", "root mean square of h(t)")
def size_of_the_state(seed: int, steps: int) -> Curve:
    """Of an untrained network that reads random numbers; each of its temporal gates opens once."""
    torch.manual_seed(seed)
    network = TemporalGateLSTM(1, UNITS)
    network.set_gate(40, torch.rand(UNITS) * 40, 0.05)
    h, _ = network(4 * torch.randn(40, 2, 1))  # so few sequences that all units are computed, see sparse_pays
    return list(enumerate(h.square().mean((1, 2)).sqrt().tolist(), start=1))


class _ByCells(LSTM):
    """An LSTM as a loop over the printed cell."""

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        return by_steps(lstm_step, x, states, self.weights(layer))


def _classifier(seed: int, model: Any = "lstm", initialisation: Any = "uniform") -> PalindromeClassifier:
    torch.manual_seed(seed)
    return PalindromeClassifier(model, UNITS, encoding="one-hot", initialisation=initialisation)


def _learned(seed: int, steps: int, network: nn.Module, value: str = "accuracy", **settings: Any) -> Curve:
    """A value over the steps while the network learns palindromes."""
    length, batch_size = settings.pop("length", 10), settings.pop("batch_size", 64)
    return _history(
        seed, steps, network, lambda generator: palindrome_batch(length, batch_size, generator), value, **settings
    )


def _read(seed: int, steps: int, windows: Windows, value: str, **settings: Any) -> Curve:
    """A value over the steps while a network of one layer reads a text."""
    torch.manual_seed(seed)
    model = CharLSTM(int(windows.symbols.max()) + 1, 2 * UNITS, 1)
    return _history(seed, steps, model, lambda generator: windows.batch(128, generator), value, **settings)


def _history(
    seed: int, steps: int, network: nn.Module, batches: Batches, value: str, evaluate: Any = None, **recipe: Any
) -> Curve:
    recipe = {"optimizer": "adam", "learning_rate": 0.01, "record_every": 10, **recipe}
    history = train(network, batches, Recipe(steps=steps, seed=seed, **recipe), evaluate=evaluate)
    return list(zip(history["step"].tolist(), history[value].tolist()))


if __name__ == "__main__":
    use_one_thread()
    print(json.dumps(_curves(json.load(sys.stdin))))
