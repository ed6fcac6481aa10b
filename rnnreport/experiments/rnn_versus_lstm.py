"""Chapter 2: the vanilla RNN and the LSTM on palindromes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch

from rnnreport import cell_path, gradients, words
from rnnreport.backends import Backend
from rnnreport.configuration import ModelName, OptimizerName
from rnnreport.experiments import horizon, kept, multiverse
from rnnreport.experiments.palindromes import (
    PalindromeRun,
    new_network,
    own_stream,
    test_set,
    train_palindromes,
    trained_network,
)
from rnnreport.models import LSTM, PalindromeClassifier
from rnnreport.palindromes import palindrome_batch
from rnnreport.parameters import ParameterError
from rnnreport.parameters.rnn_versus_lstm import RNNVersusLSTMParameters
from rnnreport.runs import Run, run_all, tabulate
from rnnreport.training import OPTIMIZERS

BACKENDS: tuple[Backend, ...] = ("torch", "native")


def comparison(p: RNNVersusLSTMParameters) -> list[Run]:
    """Figures 1a and 1b (the RNN at ``learning_rate``) and 2a and 2b (every model at a rate that grows with T)."""
    pairs: list[tuple[ModelName, int, float]] = [("rnn", length, p.learning_rate) for length in p.lengths]
    pairs += [(model, length, p.grown_rate(length)) for model, length in product(p.models, p.lengths)]
    return _trained(p, dict.fromkeys(pairs), "RNN and LSTM")


def rates(p: RNNVersusLSTMParameters) -> list[Run]:
    """Every model at every length and learning rate."""
    return _trained(p, product(p.models, p.lengths, p.learning_rates), "learning rates")


def _trained(p: RNNVersusLSTMParameters, pairs: Iterable[tuple[ModelName, int, float]], name: str) -> list[Run]:
    """One run for each model, length and learning rate of ``pairs`` and each seed."""
    asked = [
        _run(p, model, length, seed, p.train_steps, learning_rate=rate)
        for (model, length, rate), seed in product(pairs, p.seeds)
    ]
    return run_all(train_palindromes, asked, name)


OPTIMIZER_RATES = (3e-4, 1e-3, 1e-2, 1e-1, 3e-1)


def optimizers(p: RNNVersusLSTMParameters, rates: tuple[float, ...] = OPTIMIZER_RATES) -> list[Run]:
    """The RNN with every optimizer at several learning rates."""
    asked = [
        _run(p, "rnn", p.optimizer_length, seed, p.optimizer_steps, learning_rate=rate, optimizer=optimizer)
        for optimizer, rate, seed in product(p.optimizers, rates, p.seeds)
    ]
    return run_all(train_palindromes, asked, "optimizers")


def schedules(p: RNNVersusLSTMParameters, halved_every: tuple[int, ...] = (50, 100, 200, 400)) -> list[Run]:
    """The RNN with SGD whose learning rate is halved ever so many steps, at ``optimizer_length`` and at half of it."""
    lengths = (max(2, p.optimizer_length // 2), p.optimizer_length)
    sgd: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1, "decay": 0.5}
    asked = [
        _run(p, "rnn", length, seed, p.optimizer_steps, decay_every=every, **sgd)
        for length, every, seed in product(lengths, halved_every, p.seeds)
    ]
    return run_all(train_palindromes, asked, "schedules")


def with_gradients(p: RNNVersusLSTMParameters, rates: tuple[float, ...] = OPTIMIZER_RATES) -> list[Run]:
    """The SGD runs of :func:`optimizers` with weights kept at five steps, for :func:`gradient_noise`."""
    snapshots = tuple(range(0, p.optimizer_steps, max(1, p.optimizer_steps // 4)))
    settings = {"optimizer": "sgd", "snapshots": snapshots}
    asked = [
        _run(p, "rnn", p.optimizer_length, seed, p.optimizer_steps, learning_rate=rate, **settings)
        for rate, seed in product(rates, p.seeds)
    ]
    return run_all(train_palindromes, asked, "gradients")


def gradient_noise(runs: Sequence[Run], batches: int = 8) -> pd.DataFrame:
    """How much the gradients of random batches agree, at the steps whose weights a run kept.

    Columns: seed, learning_rate, step, cosine (the mean over the pairs of so many batches), test_accuracy (the mean
    over the run's training) and run.
    """
    rows = []
    for run in runs:
        c, generator = run.configuration, own_stream(run.configuration.seed, 4)
        for step in (*c.snapshots, c.steps):
            network, found = trained_network(run, step), []
            weights = list(network.parameters())
            for _ in range(batches):
                digits, last = palindrome_batch(c.length, c.batch_size, generator)
                loss = torch.nn.functional.cross_entropy(network(digits), last)
                found.append(torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, weights)]))
            along = torch.nn.functional.normalize(torch.stack(found).double())
            cosine = ((along.sum(0).square().sum() - batches) / (batches * (batches - 1))).item()
            accuracy = run.table["test_accuracy"].mean()
            rows.append((c.seed, c.recipe.learning_rate, step, cosine, accuracy, run.folder.name))
    return pd.DataFrame(rows, columns=["seed", "learning_rate", "step", "cosine", "test_accuracy", "run"])


def better_start(p: RNNVersusLSTMParameters) -> list[Run]:
    """Both networks from the better start at the second rung of the ladder that tests how far each can get."""
    length = sorted(p.far_ladder)[:2][-1]
    asked = [
        PalindromeRun.of(model, length, seed, p.train_steps, p.backend, **p.common, **settings)
        for (model, settings), seed in product(horizon.BASES["better start"].items(), p.seeds)
    ]
    return run_all(train_palindromes, asked, "better start")


def _run(
    p: RNNVersusLSTMParameters, model: ModelName, length: int, seed: int, steps: int, **settings: Any
) -> PalindromeRun:
    return PalindromeRun.of(model, length, seed, steps, p.backend, encoding=p.encoding, **p.common, **settings)


def memory(p: RNNVersusLSTMParameters, settings: Sequence[horizon.Setting]) -> pd.DataFrame:
    """The climb of these settings over the ladder of lengths."""
    return horizon.tabulated(horizon.climb(settings, p.ladder, p.seeds, p.ladder_steps, p.backend, **p.common))


def farther(p: RNNVersusLSTMParameters) -> pd.DataFrame:
    """The climb that tests how far each network can get, with a longer ladder and a larger budget."""
    return horizon.tabulated(horizon.climb(horizon.FARTHER, p.far_ladder, p.seeds, p.far_steps, p.backend, **p.common))


def remembering(p: RNNVersusLSTMParameters, seeds: Sequence[int]) -> list[Run]:
    """The networks that the chapter examines to see how much they keep of the first digit."""
    return kept.remembering(p.kept_length, p.kept_steps, seeds, p.backend, **p.common)


def by_backend(p: RNNVersusLSTMParameters) -> list[Run]:
    """The LSTM of the better start with both backends, at every length of the chapter."""
    settings = horizon.BASES["better start"]["lstm"]
    asked = [
        PalindromeRun.of("lstm", length, seed, p.ladder_steps, backend, horizon.SOLVED, **p.common, **settings)
        for backend, length, seed in product(BACKENDS, p.lengths, p.seeds)
    ]
    return run_all(train_palindromes, asked, "backends")


def record(p: RNNVersusLSTMParameters) -> dict[str, Callable[[], pd.DataFrame]]:
    """Everything that the chapter shows as recorded, trained with these parameters; the full profile takes hours.

    Raises ParameterError if the models are not the RNN and the LSTM.
    """
    if sorted(p.models) != ["lstm", "rnn"]:
        raise ParameterError(f"models must be ['rnn', 'lstm'] for the record, not {p.models}")
    return {
        "rates": lambda: tabulate(rates(p)),
        "optimizers": lambda: tabulate(optimizers(p)),
        "schedules": lambda: tabulate(schedules(p)),
        "noise": lambda: gradient_noise(with_gradients(p)),
        "better start": lambda: tabulate(better_start(p)),
        "backends": lambda: tabulate(by_backend(p)),
        "horizon": lambda: memory(p, horizon.one_factor_at_a_time(p.models)),
        "farther": lambda: farther(p),
        "multiverse": lambda: multiverse.run(p),
        "decoded": lambda: kept.decoded(remembering(p, p.seeds)),
        "forget products": lambda: kept.forget_products(remembering(p, p.seeds)),
    }


def quadratic_paths(optimizers: Iterable[OptimizerName], steps: int = 40, curvature: float = 100.0) -> pd.DataFrame:
    """Each optimizer's path down (x^2 + curvature y^2) / 2 from (-4, 1).

    Columns: optimizer, learning_rate, step, x, y, loss. Each optimizer has the best of 40 learning rates from 0.001 to
    0.5, by its mean loss over the second half of the steps, so that no lucky bounce decides. Rates at which the loss
    ever exceeds its start do not count.
    """

    def path(name: OptimizerName, rate: float) -> pd.DataFrame:
        point, rows = torch.tensor([-4.0, 1.0], requires_grad=True), []
        optimizer = OPTIMIZERS[name]([point], lr=rate)
        for step in range(steps + 1):
            loss = (point[0] ** 2 + curvature * point[1] ** 2) / 2
            rows.append((name, rate, step, *point.tolist(), loss.item()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return pd.DataFrame(rows, columns=["optimizer", "learning_rate", "step", "x", "y", "loss"])

    def late(path: pd.DataFrame) -> float:
        climbs = not path["loss"].max() <= path["loss"].iloc[0]  # or is NaN
        return math.inf if climbs else float(path["loss"].iloc[steps // 2 :].mean())

    rates = np.geomspace(0.001, 0.5, 40).tolist()
    return pd.concat([min((path(name, rate) for rate in rates), key=late) for name in optimizers], ignore_index=True)


@torch.no_grad()
def left_of_gradient(run: Run, palindromes: int = 4) -> float:
    """Before training: ‖∂h(T-1) / ∂(state after step 1)‖₂, the median over some fresh palindromes.

    The state is h for the RNN, and h and c together for the LSTM.
    """
    network = new_network(run.configuration)
    recurrence, weights = network.recurrence, network.recurrence.weights(0)
    x = network.encode(test_set(run.configuration)[0][:, :palindromes].cpu())
    if isinstance(recurrence, LSTM):
        jacobians = cell_path.state_jacobians(cell_path.forward(x, *weights), weights[1])[-2]
        jacobians = jacobians[:, : recurrence.hidden_size]  # the rows of h(T-1)
    else:
        jacobians = gradients.jacobians(recurrence(x)[0], weights[1])[-1]
    return float(torch.linalg.matrix_norm(jacobians, ord=2).median())


def gradients_left(runs: Sequence[Run], p: RNNVersusLSTMParameters) -> pd.DataFrame:
    """:func:`left_of_gradient` of both networks at every length: its median, least and largest over the seeds."""
    rows = []
    for model, length in product(p.models, p.lengths):
        rate = p.grown_rate(length)
        asked = [
            run for run in runs
            if (run.configuration.model, run.configuration.length) == (model, length)
            and run.configuration.recipe.learning_rate == rate and model in ("rnn", "lstm")
        ]  # fmt: skip
        left = sorted(map(left_of_gradient, asked))
        rows += [(words.NAMES[model], length, left[len(left) // 2], left[0], left[-1])] if left else []
    columns = ["network", "T", "median of the seeds", "least", "largest"]
    return pd.DataFrame(rows, columns=columns).set_index(["network", "T"])


def gate_values(runs: Sequence[Run], palindromes: int = 200) -> pd.DataFrame:
    """The gates' values of a trained LSTM that reads fresh palindromes. Columns: gate, step, value, seed, run.

    Among these runs' LSTMs it takes the one with the longest length solved (accuracy at least 0.9); if none is solved,
    the one with the longest length.
    """
    lstms = [run for run in runs if run.configuration.model == "lstm"]
    if not lstms:
        return pd.DataFrame(columns=["gate", "step", "value", "seed", "run"])
    run = max(lstms, key=lambda run: (run.table["test_accuracy"].iloc[-1] >= 0.9, run.configuration.length))
    digits = test_set(run.configuration)[0][:, :palindromes].cpu()
    found = kept.states(trained_network(run), digits)
    rows = [
        pd.DataFrame({"gate": gate, "step": step, "value": values.flatten()})
        for gate in "ifgo"
        for step, values in enumerate(found[gate], start=1)
    ]
    return pd.concat(rows, ignore_index=True).assign(seed=run.configuration.seed, run=run.folder.name)


def at_best_rate(tried: pd.DataFrame) -> pd.DataFrame:
    """The rows of each optimizer at its best learning rate, where the effective rate was measured."""
    means = tried.groupby(["optimizer", "learning_rate"], sort=False)["test_accuracy"].mean()
    best = set(means.groupby("optimizer", sort=False).idxmax())  # pairs of optimizer and rate
    keys = pd.Series([*zip(tried["optimizer"], tried["learning_rate"])], index=tried.index)
    return tried[keys.isin(best)].dropna(subset=["effective_rate"])


def steps_by_backend(both: pd.DataFrame) -> pd.DataFrame:
    """Steps to solve each length with each backend: median and range over the seeds, in words.

    both: the rows of :func:`by_backend`.
    """

    def said(steps: pd.Series) -> str:
        middle, least, most = (
            f"{value:.0f}" if np.isfinite(value) else "not" for value in (steps.median(), steps.min(), steps.max())
        )
        return f"{middle} ({least} to {most})"

    return _by_backend(both).apply(said).unstack(sort=False).rename_axis(index="T", columns="backend")


def _by_backend(both: pd.DataFrame) -> Any:
    """The steps to solve, grouped by length and backend."""
    steps = horizon.steps_to_solve(both.assign(base="better start", factor="", value=both["backend"]))
    return steps.groupby(["length", "value"], sort=False)["steps"]


def backends_apart(both: pd.DataFrame) -> str:
    """The largest difference of the backends' medians, in a sentence."""
    medians = _by_backend(both).median().unstack()
    apart = (medians.max(axis=1) - medians.min(axis=1)).max()  # NaN for a length that neither solves
    if np.isinf(apart):
        return "One backend solves a length that the other does not."
    return f"The backends' median steps to solve a length differ by {apart:,.0f} at most."


def readers(runs: Mapping[str, Run]) -> tuple[dict[str, PalindromeClassifier], dict[str, str]]:
    """Trained networks with the page's weights, in half precision, and how often they are right, in words."""
    networks, said = {}, {}
    for name, run in runs.items():
        network = networks[name] = trained_network(run).cpu()
        network.load_state_dict({part: weight.half() for part, weight in network.state_dict().items()})
        digits, last = test_set(run.configuration)
        right = (network(digits.cpu()).argmax(-1) == last.cpu()).double().mean().item()
        said[name] = (
            f"right for {words.percent(right, 1)} of {len(last):,} fresh palindromes of T = {run.configuration.length}"
        )
    return networks, said


def parameter_counts(sizes: list[tuple[int, int]]) -> pd.DataFrame:
    """The number of parameters for input size d and n units: by our formula, by the report's, and in the model."""
    rows = []
    for d, n in sizes:
        counted = sum(parameter.numel() for parameter in LSTM(d, n).parameters())
        rows.append((d, n, 4 * n * (d + n + 1), counted, (9 * d**2 + 4 * d) * n))
    columns = ["d", "n", "4n(d + n + 1)", "counted in the model", "(9d² + 4d)n, the report's"]
    return pd.DataFrame(rows, columns=columns)
