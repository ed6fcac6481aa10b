"""The Bug Museum: a small experiment for each mistake, in this library and in a copy of it with the mistake made.

As a script, in such a copy: run the experiment of the given :class:`MuseumRun` and print its curve.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from rnnreport.bugs import Change, bugs, copy_with
from rnnreport.cells import lstm_step, temporal_gate
from rnnreport.models import LSTM, CharLSTM, PalindromeClassifier, TemporalGateLSTM
from rnnreport.palindromes import palindrome_batch
from rnnreport.runs import Configuration, OnSteps, RunError, run_all, tabulate
from rnnreport.sampling import sample
from rnnreport.training import Batches, Recipe, classification, train, use_one_thread
from rnnreport.windows import Windows

Curve = Sequence[tuple[float, float]]


class MuseumRun(Configuration):
    """One experiment, in a copy of the library with these changes or, without changes, in the library as it is."""

    symptom: str
    file: str = ""
    changes: tuple[Change, ...] = ()


class Symptom(NamedTuple):
    """An experiment, and what its curve has on either axis."""

    run: Callable[[MuseumRun], Curve]
    x: str
    y: str


SYMPTOMS: dict[str, Symptom] = {}


def symptom(x: str, y: str) -> Callable[[Callable[[MuseumRun], Curve]], Callable[[MuseumRun], Curve]]:
    """Enter an experiment in :data:`SYMPTOMS` under its name, with - for _, and with the names of its axes."""

    def enter(run: Callable[[MuseumRun], Curve]) -> Callable[[MuseumRun], Curve]:
        SYMPTOMS[run.__name__.replace("_", "-")] = Symptom(run, x, y)
        return run

    return enter


def exhibits(seeds: Sequence[int], steps: int) -> pd.DataFrame:
    """Each mistake's curve and the right one, x and y, for each seed; the columns ``bug`` and ``version`` say whose."""
    asked, whose = [], []
    for bug in bugs().values():
        for version, mistake in (("right", {}), ("wrong", {"file": bug.file, "changes": bug.changes})):
            asked += [MuseumRun.of_settings(steps, seed, symptom=bug.symptom, **mistake) for seed in seeds]
            whose += [{"bug": bug.id, "version": version}] * len(seeds)
    runs = run_all(measure, asked, "museum")
    return pd.concat([tabulate([run]).assign(**who) for run, who in zip(runs, whose)], ignore_index=True)


def measure(run: MuseumRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """The curve of this run, in the columns x and y. Raises RunError if the copy with the mistake ends in an error."""
    started = time.monotonic()
    curve = _in_a_copy(run) if run.changes else SYMPTOMS[run.symptom].run(run)
    on_steps(run.steps)
    return pd.DataFrame(curve, columns=["x", "y"], dtype=float).assign(seconds=time.monotonic() - started)


def _in_a_copy(run: MuseumRun) -> Curve:
    with tempfile.TemporaryDirectory(prefix="rnnreport-") as folder:
        copy_with(run.file, run.changes, Path(folder))
        command = [sys.executable, "-m", "rnnreport.experiments.museum", run.model_dump_json(exclude={"changes"})]
        environment = {**os.environ, "PYTHONPATH": folder}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise RunError(f"{run.symptom} with the mistake in {run.file} failed: {done.stderr.splitlines()[-1]}")
    return json.loads(done.stdout)


# The experiments


@symptom("time asked", "an answer's logit")
def asked_again(run: MuseumRun) -> Curve:
    """The same network and the same palindrome; before each time, memory is used for other numbers."""
    network, generator = _classifier(run), torch.Generator().manual_seed(run.seed)
    digits, _ = palindrome_batch(10, 1, generator)
    curve = []
    for time_asked in range(1, 21):
        other_work = [torch.randn(1, 1, UNITS, generator=generator) for _ in range(100)]
        del other_work
        curve.append((time_asked, network(digits)[0, 0].item()))
    return curve


@symptom("temperature", "share of the likeliest character")
def likeliest_drawn(run: MuseumRun) -> Curve:
    """How often sampling draws the likeliest character, by the temperature."""
    torch.manual_seed(run.seed)
    model = CharLSTM(SYMBOLS, UNITS).eval()
    nn.init.normal_(model.head.weight, std=3)
    start = torch.zeros(1, 2_000, dtype=torch.long)
    likeliest = sample(model, start, 1, temperature=0)[0]
    generator = torch.Generator().manual_seed(run.seed)
    drawn = {at / 4: sample(model, start, 1, temperature=at / 4, generator=generator)[0] for at in range(1, 13)}
    return [(temperature, (text == likeliest).double().mean().item()) for temperature, text in drawn.items()]


@symptom("training step", "loss")
def loss_by_sgd(run: MuseumRun) -> Curve:
    """An RNN with large recurrent weights, clipped at a small norm."""
    network = _classifier(run, "rnn", initialisation="normal-variance")
    return _curve(_trained(run, network, 6, optimizer="sgd", learning_rate=0.3, clip_norm=0.5), "loss")


@symptom("training step", "accuracy, as reported")
def reported_accuracy(run: MuseumRun) -> Curve:
    """Batches of sixteen palindromes, ten to a report."""
    return _curve(_trained(run, _classifier(run, "rnn"), 10, batch_size=16), "accuracy")


@symptom("training step", "loss in nats per character")
def loss_on_text(run: MuseumRun) -> Curve:
    """A character model on text of a Markov chain."""
    return _curve(_reader(run, _text(run, 20_000)), "loss")


@symptom("training step", "accuracy of the copy")
def accuracy_of_a_copy(run: MuseumRun) -> Curve:
    """While an LSTM learns, its weights go to torch.nn and from there into a second network, which is tested."""
    digits, last = palindrome_batch(5, 500, torch.Generator().manual_seed(run.seed + 1))
    copy = _classifier(run)

    def tested(network: Any) -> dict[str, float]:
        copy.load_state_dict(network.state_dict())
        copy.recurrence = LSTM.from_torch(network.recurrence.to_torch())
        return {"copy": classification(copy(digits), last)[1].item()}

    return _curve(_trained(run, _classifier(run), 5, evaluate=tested), "copy")


@symptom("training step", "accuracy on training batches")
def learning(run: MuseumRun) -> Curve:
    """An LSTM on palindromes of ten digits."""
    return _curve(_trained(run, _classifier(run), 10), "accuracy")


@symptom("training step", "accuracy on training batches")
def learning_by_cells(run: MuseumRun) -> Curve:
    """The same through the printed cells, under autograd."""
    network = _classifier(run)
    network.recurrence.__class__ = _ByCells
    return _curve(_trained(run, network, 10), "accuracy")


@symptom("time t", "gradient of k(t) by τ")
def gradient_by_the_period(run: MuseumRun) -> Curve:
    """Of a gate that is half of the time open, at every step of ten periods."""
    t, tau = torch.arange(100.0), torch.tensor(10.3, requires_grad=True)
    k = temporal_gate(t, tau, torch.tensor(0.2), torch.tensor(0.5))
    return [(at, torch.autograd.grad(k_t, tau, retain_graph=True)[0].item()) for at, k_t in enumerate(k)]


@symptom("time t", "root mean square of h(t)")
def size_of_the_state(run: MuseumRun) -> Curve:
    """Behind temporal gates, while untrained units read random numbers."""
    torch.manual_seed(run.seed)
    network = TemporalGateLSTM(1, UNITS)
    network.set_gate(torch.full((UNITS,), 20.0), torch.rand(UNITS) * 20, 0.2)
    with torch.no_grad():
        network.weights(0)[2].view(4, UNITS)[:3] += 1
        h = network(torch.randn(60, 20, 1))[0]
    return list(enumerate(h.square().mean((1, 2)).sqrt().tolist(), start=1))


@symptom("training step", "loss on held-out text")
def loss_on_held_out_text(run: MuseumRun) -> Curve:
    """A character model that reads a short text of a Markov chain many times over."""
    windows = _text(run, 4_000)

    def held_out(model: nn.Module) -> dict[str, float]:
        inputs, targets = windows.at(windows.held_out_starts)
        return {"held_out": classification(model(inputs), targets)[0].item()}

    return _curve(_reader(run, windows, held_out), "held_out")


# What they share

UNITS, SYMBOLS, WINDOW = 32, 12, 10


class _ByCells(LSTM):
    """An LSTM as a loop over the printed cell."""

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        (h, c), weights, output = states, self.weights(layer), []
        for x_t in nn.functional.one_hot(x, self.input_size).to(h):
            h, c = lstm_step(x_t, h, c, *weights)
            output.append(h)
        return torch.stack(output), h, c


def _classifier(run: MuseumRun, model: Any = "lstm", initialisation: Any = "uniform") -> PalindromeClassifier:
    torch.manual_seed(run.seed)
    return PalindromeClassifier(model, UNITS, encoding="one-hot", initialisation=initialisation)


def _trained(
    run: MuseumRun, network: nn.Module, length: int, batch_size: int = 64, evaluate: Any = None, **recipe: Any
) -> pd.DataFrame:
    batches: Batches = lambda generator: palindrome_batch(length, batch_size, generator)  # noqa: E731
    return train(network, batches, _recipe(run, **recipe), evaluate=evaluate)


def _recipe(run: MuseumRun, **settings: Any) -> Recipe:
    adam = {"optimizer": "adam", "learning_rate": 0.01, "record_every": 10}
    return Recipe(steps=run.steps, seed=run.seed, **{**adam, **settings})


def _text(run: MuseumRun, length: int) -> Windows:
    """Text of a Markov chain over twelve symbols, each with transitions of its own."""
    generator = torch.Generator().manual_seed(run.seed)
    transitions = torch.rand(SYMBOLS, SYMBOLS, generator=generator) ** 4
    symbols = [0]
    for _ in range(length - 1):
        symbols.append(int(transitions[symbols[-1]].multinomial(1, generator=generator)))
    return Windows(torch.tensor(symbols), WINDOW)


def _reader(run: MuseumRun, windows: Windows, evaluate: Any = None) -> pd.DataFrame:
    torch.manual_seed(run.seed)
    model = CharLSTM(SYMBOLS, 2 * UNITS, 1)
    return train(model, lambda generator: windows.batch(64, generator), _recipe(run), evaluate=evaluate)


def _curve(history: pd.DataFrame, value: str) -> Curve:
    return list(zip(history["step"].tolist(), history[value].tolist()))


if __name__ == "__main__":
    use_one_thread()
    asked = MuseumRun.model_validate_json(sys.argv[1])
    print(json.dumps(SYMPTOMS[asked.symptom].run(asked)))
