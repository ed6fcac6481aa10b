"""Chapter 1, figures 1c.1 to 1c.3: how far back gradients reach, before training and after."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from rnnreport import cell_path, cells, gradients
from rnnreport.experiments.palindromes import PalindromeRun, new_network, test_set, train_palindromes, trained_network
from rnnreport.models import PalindromeClassifier
from rnnreport.parameters.cell_path import CellPathParameters
from rnnreport.runs import Run, run_all

PLAIN_RNN, PLAIN_LSTM, BIASED_LSTM = "RNN", "LSTM", "LSTM with forget bias 1"
NETWORKS: dict[str, dict[str, Any]] = {
    PLAIN_RNN: {"model": "rnn"},
    PLAIN_LSTM: {"model": "lstm"},
    BIASED_LSTM: {"model": "lstm", "forget_bias": 1.0},
}


def palindrome_networks(p: CellPathParameters) -> dict[str, list[Run]]:
    """The three networks trained on palindromes of one length, one run per seed.

    Digits are one-hot, initial weights are torch.nn's. RMSprop's rate is halved after two fifths of the steps and again
    after four. The RNN has its own rate, since no rate suits both models.
    """
    common = p.model_dump(include={"length", "backend", "hidden_size", "batch_size", "test_palindromes"})
    common |= {"encoding": "one-hot", "initialisation": "uniform", "record_every": 20}
    common |= {"decay": 0.5, "decay_every": max(2 * p.train_steps // 5, 1)}
    rates = dict.fromkeys(NETWORKS, p.learning_rate) | {PLAIN_RNN: p.rnn_learning_rate}
    asked = [
        PalindromeRun.of(seed=seed, steps=p.train_steps, learning_rate=rates[name], **common, **settings)
        for name, settings in NETWORKS.items()
        for seed in p.seeds
    ]
    finished = iter(run_all(train_palindromes, asked, "RNN and LSTM"))
    return {name: [next(finished) for _ in p.seeds] for name in NETWORKS}


def agreement(seed: int, steps: int = 6, units: int = 5) -> dict[str, float]:
    """Relative differences of (c1) and of the product of (c2) from autograd, in a small random LSTM."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (4 * units, 3), (4 * units, units), (4 * units,)
    weights = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    x = torch.randn(steps, 1, 3, generator=generator, dtype=torch.float64)
    states = cell_path.forward(x, *weights)

    def to_the_end(state: Tensor) -> Tensor:
        """(h, c) at the end as a function of (h, c) after the first step."""
        for x_t in x[1:, 0]:
            h, c = state.chunk(2)
            state = torch.cat(cells.lstm_step(x_t, h, c, *weights))
        return state

    def with_gates_held(c: Tensor) -> Tensor:
        """c at the end as a function of c after the first step, with the gates held at their values in the run."""
        for t in range(1, steps):
            c = (states.g[t] * states.i[t] + c * states.f[t])[0]
        return c

    (all_paths,) = gradients.by_autograd(to_the_end, torch.cat([states.h[1, 0], states.c[1, 0]]))
    (along_cell,) = gradients.by_autograd(with_gates_held, states.c[1, 0])
    products = cell_path.state_jacobians(states, weights[1])[-2, 0], cell_path.forget_products(states.f)[-2, 0].diag()
    return {
        "the product of (c2)": gradients.relative_difference(products[0], all_paths),
        "(c1), the gates held": gradients.relative_difference(products[1], along_cell),
    }


def gradient_reach(finished: dict[str, list[Run]], palindromes: int) -> pd.DataFrame:
    """How much of a change of the state is left after some steps, in every network before and after its training.

    Columns: network, seed, run, when ("before" or "after"), test_accuracy (the run's last), lag, ``jacobian``, and
    ``cell`` (NaN for the RNN). jacobian: ‖∂(h, c)/∂(h, c)‖₂ of the state at the end with respect to the state ``lag``
    steps earlier, along all paths; ‖∂h/∂h‖₂ for the RNN. cell: the same along the cell alone, the largest product of
    forget gates. Both are geometric means over fresh palindromes. The largest lag goes back to the state after the
    first digit. Computed in float64, in a process that does not flush small numbers to zero (training processes do).
    """
    parts = []
    for name, run, when, network in _before_and_after(finished):
        accuracy = run.table["test_accuracy"].iloc[-1]
        part = _reach_of(run, network, palindromes).assign(test_accuracy=accuracy)
        parts.append(part.assign(**_about(name, run, when)))
    return pd.concat(parts, ignore_index=True)


def record(p: CellPathParameters) -> dict[str, Callable[[], pd.DataFrame]]:
    """What the chapter measures of gradients: the networks of more seeds than are trained live."""
    return {"reach": lambda: gradient_reach(palindrome_networks(p), p.measured_palindromes)}


def kept_by_units(finished: dict[str, list[Run]], palindromes: int) -> pd.DataFrame:
    """The share of each LSTM unit's cell that its forget gates leave from the first digit to the end: their product.

    Columns: network, seed, run, when, palindrome, unit, kept.
    """
    parts = []
    for name, run, when, network in _before_and_after(finished):
        if run.configuration.model == "lstm":
            kept = cell_path.forget_products(_lstm_states(run, network, palindromes).f)[-2]
            palindrome, unit = torch.ones_like(kept).nonzero().T
            part = pd.DataFrame({"palindrome": palindrome, "unit": unit, "kept": kept.flatten()})
            parts.append(part.assign(**_about(name, run, when)))
    return pd.concat(parts, ignore_index=True)


def rnn_slopes(finished: dict[str, list[Run]], palindromes: int) -> pd.DataFrame:
    """What shapes the RNN's gradient before and after training.

    Columns: network, seed, run, when, radius and norm (of Whh), first and last (the median slope 1 - h² at the first
    digit and at the last), carried (the share of the gradient at the largest lag that is left if slopes below 0.1 are
    0).
    """
    rows = []
    for name, run, when, network in _before_and_after(finished):
        if name == PLAIN_RNN:
            h, W_hh = _rnn_states(run, network, palindromes)
            radius, norm = torch.linalg.eigvals(W_hh).abs().max(), torch.linalg.matrix_norm(W_hh, ord=2)
            first, last = (1 - h[[1, -1]] ** 2).flatten(1).median(1).values
            unsaturated = torch.where(1 - h**2 < 0.1, 1.0, h)
            whole, part = (_geometric_mean(gradients.jacobian_norms(states, W_hh)[-2]) for states in (h, unsaturated))
            measured = {"radius": radius, "norm": norm, "first": first, "last": last, "carried": part / whole}
            measured = {name: value.item() for name, value in measured.items()}
            rows.append({**_about(name, run, when), **measured})
    return pd.DataFrame(rows)


def _about(name: str, run: Run, when: str) -> dict[str, Any]:
    """The columns that identify the network of a row."""
    return {"network": name, "seed": run.configuration.seed, "run": run.folder.name, "when": when}


def _before_and_after(finished: dict[str, list[Run]]) -> Iterator[tuple[str, Run, str, PalindromeClassifier]]:
    """Yields name, run, "before" or "after", and the network as it was before or after its training, in float64."""
    for name, of_name in finished.items():
        for run in of_name:
            yield name, run, "before", new_network(run.configuration).double()
            yield name, run, "after", trained_network(run).double()


def _digits(run: Run, network: PalindromeClassifier, palindromes: int) -> Tensor:
    """Some fresh palindromes as the network reads them: (T - 1, B, 10)."""
    return network.encode(test_set(run.configuration)[0][:, :palindromes].cpu())


@torch.no_grad()
def _rnn_states(run: Run, network: PalindromeClassifier, palindromes: int) -> tuple[Tensor, Tensor]:
    """h(0)…h(T - 1), (T, B, H), and Whh."""
    output, _ = network.recurrence(_digits(run, network, palindromes))
    return torch.cat([torch.zeros_like(output[:1]), output]), network.recurrence.weights(0)[1]


@torch.no_grad()
def _lstm_states(run: Run, network: PalindromeClassifier, palindromes: int) -> cell_path.Forward:
    return cell_path.forward(_digits(run, network, palindromes), *network.recurrence.weights(0))


@torch.no_grad()
def _reach_of(run: Run, network: PalindromeClassifier, palindromes: int) -> pd.DataFrame:
    """lag, jacobian and cell of one network, from the end back to the state after the first digit."""
    if run.configuration.model == "rnn":
        jacobian = gradients.jacobian_norms(*_rnn_states(run, network, palindromes))
        cell = torch.full_like(jacobian, math.nan)
    else:
        states = _lstm_states(run, network, palindromes)
        jacobians = cell_path.state_jacobians(states, network.recurrence.weights(0)[1])
        jacobian = torch.linalg.matrix_norm(jacobians, ord=2)
        cell = cell_path.forget_products(states.f).amax(2)
    by_lag = {"jacobian": _geometric_mean(jacobian.T)[:-1], "cell": _geometric_mean(cell.T)[:-1]}
    return pd.DataFrame({"lag": range(len(by_lag["cell"])), **by_lag})


def _geometric_mean(values: Tensor) -> Tensor:
    """The geometric mean over the first dimension."""
    return values.log().mean(0).exp()
