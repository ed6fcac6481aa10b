"""Chapter 2: the vanilla RNN and the LSTM on palindromes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from pydantic import AfterValidator, Field

from rnnreport.cells import lstm_step, rnn_step
from rnnreport.experiments import TrainingParameters
from rnnreport.experiments.palindromes import PalindromeRun, new_network, test_set, train_palindromes, trained_network
from rnnreport.models import LSTM, RECURRENCES, Encoding, ModelName
from rnnreport.parameters import DISTINCT, Count, Positives, Sample
from rnnreport.runs import Run, run_all
from rnnreport.training import OPTIMIZERS, OptimizerName, Recipe


def _listed(what: str, names: Iterable[str]) -> str:
    return f"a list of different {what} among {', '.join(map(repr, names))}"


def _with_rnn(models: list[str]) -> list[str]:
    if "rnn" not in models:
        raise ValueError
    return models


class RNNVersusLSTMParameters(TrainingParameters):
    """What chapter 2 can be told."""

    models: Annotated[
        list[ModelName],
        Field(description=f"{_listed('models', RECURRENCES)}, 'rnn' one of them"),
        DISTINCT,
        AfterValidator(_with_rnn),
    ]
    learning_rates: Positives
    optimizers: Annotated[list[OptimizerName], Field(description=_listed("optimizers", OPTIMIZERS)), DISTINCT]
    early_steps: Count
    encoding: Annotated[Encoding, Field(description="'scalar' or 'one-hot'")]
    test_palindromes: Sample


def comparison(p: RNNVersusLSTMParameters) -> list[Run]:
    """Every model at every length, learning rate and seed: figures 1a to 2b are views of these runs."""
    rates = sorted({p.learning_rate, *p.learning_rates})
    return run_all(
        train_palindromes,
        [
            _run(p, model, length, seed, Recipe(steps=p.train_steps, learning_rate=rate))
            for model, length, rate, seed in product(p.models, p.lengths, rates, p.seeds)
        ],
        "RNN and LSTM",
    )


def optimizers(p: RNNVersusLSTMParameters, rates: tuple[float, ...] = (1e-3, 1e-2, 1e-1)) -> list[Run]:
    """Every optimizer at several learning rates: the RNN on the second of the lengths, for ``early_steps``."""
    length = p.lengths[:2][-1]
    return run_all(
        train_palindromes,
        [
            _run(p, "rnn", length, seed, Recipe(steps=p.early_steps, learning_rate=rate, optimizer=optimizer))
            for optimizer, rate, seed in product(p.optimizers, rates, p.seeds)
        ],
        "optimizers",
    )


def _run(p: RNNVersusLSTMParameters, model: ModelName, length: int, seed: int, recipe: Recipe) -> PalindromeRun:
    every = 50 if recipe.steps >= 200 else 10
    return PalindromeRun(
        model=model,
        length=length,
        encoding=p.encoding,
        hidden_size=p.hidden_size,
        batch_size=p.batch_size,
        test_palindromes=p.test_palindromes,
        recipe=recipe.model_copy(update={"seed": seed, "device": p.device, "record_every": every}),
    )


def quadratic_paths(optimizers: Iterable[OptimizerName], steps: int = 40, curvature: float = 30.0) -> pd.DataFrame:
    """Each optimizer's way down (x^2 + curvature y^2) / 2 from (-4, 1): optimizer, learning_rate, step, x, y, loss.

    Each at the best of 40 learning rates from 0.001 to 0.5 that never climb above the start, by its mean loss over the
    second half of the steps, so that no lucky bounce decides.
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
        climbs = not path["loss"].max() <= path["loss"].iloc[0]  # or is no number
        return math.inf if climbs else float(path["loss"].iloc[steps // 2 :].mean())

    rates = np.geomspace(0.001, 0.5, 40).tolist()
    return pd.concat([min((path(name, rate) for rate in rates), key=late) for name in optimizers], ignore_index=True)


def left_of_gradient(run: Run, palindromes: int = 4) -> float:
    """Before training: ‖∂h(T-1) / ∂(state after step 1)‖₂, the median over some fresh palindromes.

    The state is h for the RNN, and h and c together for the LSTM.
    """
    network = new_network(run.configuration)
    weights = [weight.detach() for weight in network.recurrence.weights(0)]
    x = network.encode(test_set(run.configuration)[0][:, :palindromes].cpu())
    is_lstm, norms = isinstance(network.recurrence, LSTM), []

    def step(x_t: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        if is_lstm:
            return torch.cat(lstm_step(x_t, *state.chunk(2, -1), *weights), -1)
        return rnn_step(x_t, state, *weights)

    for column in x.unbind(1):
        state = step(column[0], torch.zeros(network.recurrence.hidden_size * (2 if is_lstm else 1)))

        def to_the_end(state: torch.Tensor, column: torch.Tensor = column) -> torch.Tensor:
            for x_t in column[1:]:
                state = step(x_t, state)
            return state[: network.recurrence.hidden_size]

        jacobian = torch.autograd.functional.jacobian(to_the_end, state, vectorize=True)
        norms.append(torch.linalg.matrix_norm(jacobian, 2))
    return float(torch.stack(norms).median())


def gate_values(run: Run, palindromes: int = 200) -> pd.DataFrame:
    """What the gates of a trained LSTM do while it reads fresh palindromes: gate, step, value."""
    network = trained_network(run)
    digits, _ = test_set(run.configuration)
    digits = digits[:, :palindromes].cpu()
    x = network.encode(digits)
    weight_ih, weight_hh, bias = network.recurrence.weights(0)
    h = c = torch.zeros(x.shape[1], network.recurrence.hidden_size)
    rows = []
    with torch.inference_mode():
        for step, x_t in enumerate(x, start=1):
            a_i, a_f, a_g, a_o = (x_t @ weight_ih.T + h @ weight_hh.T + bias).chunk(4, -1)
            gates = {"i": a_i.sigmoid(), "f": a_f.sigmoid(), "g": a_g.tanh(), "o": a_o.sigmoid()}
            rows += [
                pd.DataFrame({"gate": name, "step": step, "value": gate.flatten()}) for name, gate in gates.items()
            ]
            h, c = lstm_step(x_t, h, c, weight_ih, weight_hh, bias)
    return pd.concat(rows, ignore_index=True)


def parameter_counts(sizes: list[tuple[int, int]]) -> pd.DataFrame:
    """For input size d and n units: our formula, the report's, and what the model holds."""
    rows = []
    for d, n in sizes:
        counted = sum(parameter.numel() for parameter in LSTM(d, n).parameters())
        rows.append((d, n, 4 * n * (d + n + 1), counted, (9 * d**2 + 4 * d) * n))
    columns = ["d", "n", "4n(d + n + 1)", "counted in the model", "(9d² + 4d)n, the report's"]
    return pd.DataFrame(rows, columns=columns)
