"""Chapter 2: how much of the first digit a network keeps while it reads on, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from rnnreport import cell_path
from rnnreport.backends import Backend
from rnnreport.experiments.horizon import BASES
from rnnreport.experiments.palindromes import (
    PalindromeRun,
    new_network,
    own_stream,
    test_set,
    train_palindromes,
    trained_network,
)
from rnnreport.models import PalindromeClassifier
from rnnreport.palindromes import palindromes
from rnnreport.runs import Run, run_all


def remembering(length: int, steps: int, seeds: Sequence[int], backend: Backend = "torch", **common: Any) -> list[Run]:
    """An RNN and an LSTM of the better start for every seed, with their weights kept along the way.

    Weights are kept from step 0 on every ``steps // 10`` steps, ten times if 10 divides ``steps``, and at the end.
    common: settings of all runs, such as hidden_size.
    """
    every = max(1, steps // 10)
    snapshots = tuple(range(0, steps, every))
    configurations = [
        PalindromeRun.of(model, length, seed, steps, backend, snapshots=snapshots, **common, **settings)
        for model, settings in BASES["better start"].items()
        for seed in seeds
    ]
    return run_all(train_palindromes, configurations, "what is kept")


def states(network: PalindromeClassifier, digits: Tensor) -> dict[str, Tensor]:
    """The states and gates of a network while it reads: h, and for the LSTM also c, i, f, g and o.

    digits: integers (T, B). Each value: (T, B, H), of steps 1…T.
    """
    with torch.no_grad():
        x, weights = network.encode(digits), network.recurrence.weights(0)
        if len(weights[0]) == network.recurrence.hidden_size:
            return {"h": network.recurrence(x)[0]}
        run = cell_path.forward(x, *weights)
        return {"h": run.h[1:], "c": run.c[1:], "i": run.i, "f": run.f, "g": run.g, "o": run.o}


def decoded(runs: Sequence[Run], palindromes_used: int = 2_000) -> pd.DataFrame:
    """How well a linear map can read the first digit off the states, at every step, before and after training.

    Columns: model, seed, test_accuracy (the run's last), when, state ("h" or "c"), step, accuracy and run. when:
    "before" or "after" training, or "random": before it, on random digits without a mirrored half. The map, with a
    constant, from a state to ten indicators is fitted by least squares on fresh sequences and tested on others; its
    answer is the largest.
    """
    parts = []
    for run in runs:
        generator = own_stream(run.configuration.seed, 2)
        mirrored = palindromes(run.configuration.length, palindromes_used, generator)[:-1]
        at_random = [torch.randint(10, mirrored.shape, generator=generator) for _ in range(2)]
        tested = test_set(run.configuration)[0].cpu()
        (_, new), (_, trained) = _before_and_after(run)
        rows = []
        for when, network, fitted_on, tested_on in (
            ("before", new, mirrored, tested),
            ("random", new, at_random[0], at_random[1]),
            ("after", trained, mirrored, tested),
        ):
            fit, test = states(network, fitted_on), states(network, tested_on)
            for state in sorted({"h", "c"} & set(fit)):
                for step in range(len(fitted_on)):
                    accuracy = _read_off(fit[state][step], fitted_on[0], test[state][step], tested_on[0])
                    rows.append((when, state, step + 1, accuracy))
        about = {"model": run.configuration.model, "seed": run.configuration.seed}
        table = pd.DataFrame(rows, columns=["when", "state", "step", "accuracy"])
        parts.append(table.assign(**about, test_accuracy=run.table["test_accuracy"].iloc[-1], run=run.folder.name))
    return pd.concat(parts, ignore_index=True)


def _read_off(fit: Tensor, fit_digits: Tensor, test: Tensor, test_digits: Tensor) -> float:
    """The share of the test's digits to which the least-squares map from states (B, H) gives the largest indicator."""
    with_one = [F.pad(state.double(), (0, 1), value=1.0) for state in (fit, test)]
    indicators = F.one_hot(fit_digits, 10).double()
    weights = torch.linalg.lstsq(with_one[0], indicators, driver="gelsd").solution  # states may lie in a few dimensions
    return ((with_one[1] @ weights).argmax(-1) == test_digits).double().mean().item()


def _before_and_after(run: Run) -> Iterator[tuple[str, PalindromeClassifier]]:
    yield "before", new_network(run.configuration).double()
    yield "after", trained_network(run).double()


def activity(run: Run, palindrome: int = 0) -> dict[str, np.ndarray]:
    """The states and gates of every unit of a trained network over one fresh palindrome: (H, T - 1) each, by name.

    Units are sorted by their last h times its weight in the right answer's logit, the largest first. "digits" holds the
    palindrome as it is read, (T - 1,).
    """
    network = trained_network(run).double()
    digits = test_set(run.configuration)[0][:, palindrome : palindrome + 1].cpu()
    found = {name: values[:, 0].T for name, values in states(network, digits).items()}
    order = (found["h"][:, -1] * network.W_ph.detach()[digits[0, 0]]).argsort(descending=True)
    return {"digits": digits[:, 0].numpy(), **{name: values[order].numpy() for name, values in found.items()}}


def forget_products(runs: Sequence[Run], palindromes_used: int = 200) -> pd.DataFrame:
    """The share of each LSTM unit's cell that its forget gates leave from the first digit to the end, during training.

    Columns: length, seed, step (of training), share, kept (the quantile of the products at that share, over units and
    palindromes) and run.
    """
    rows = []
    for run in (run for run in runs if run.configuration.model == "lstm"):
        digits = test_set(run.configuration)[0][:, :palindromes_used].cpu()
        for step in (*run.configuration.snapshots, int(run.table["step"].iloc[-1])):
            network = trained_network(run, step).double()
            kept = cell_path.forget_products(states(network, digits)["f"])[-2].flatten()
            for share in (0.1, 0.5, 0.9, 0.99):
                quantile = kept.quantile(share).item()
                rows.append((run.configuration.length, run.configuration.seed, step, share, quantile, run.folder.name))
    return pd.DataFrame(rows, columns=["length", "seed", "step", "share", "kept", "run"])


class Plane(NamedTuple):
    """A network's states, projected onto two directions."""

    states: pd.DataFrame  # palindrome, digit (the first), step, x, y
    variance: float  # the plane's share of the variance after the last step
    found: float  # share of the palindromes whose nearest centre there is that of their first digit


def state_space(run: Run, palindromes_used: int = 300) -> Plane:
    """A trained network's states in the plane of the first two principal components of its last step.

    The states are h of an RNN and c of an LSTM. A digit's centre is its mean in the plane after the last step, over the
    first half of the palindromes; the other half is classified by the nearest centre.
    """
    digits = test_set(run.configuration)[0][:, :palindromes_used].cpu()
    found = states(trained_network(run).double(), digits)
    state = found.get("c", found["h"])  # (T - 1, B, H)
    mean = state[-1].mean(0)
    _, size, axes = torch.linalg.svd(state[-1] - mean, full_matrices=False)
    plane = (state - mean) @ axes[:2].T
    plane = F.pad(plane, (0, 2 - plane.shape[-1]))  # if there is only one unit
    step, palindrome = torch.ones(plane.shape[:2]).nonzero().T
    x, y = plane.flatten(0, 1).T
    table = pd.DataFrame({"palindrome": palindrome, "digit": digits[0, palindrome], "step": step + 1, "x": x, "y": y})
    variance = size[:2].square().sum() / size.square().sum()
    return Plane(table, variance.item(), _nearest_middle(plane[-1], digits[0]))


def _nearest_middle(points: Tensor, digits: Tensor) -> float:
    """The share of the second half of the points (B, 2) that are nearest to their digit's mean in the first half."""
    (fit, test), (fit_digits, test_digits) = points.tensor_split(2), digits.tensor_split(2)
    known = fit_digits.unique()
    middles = torch.stack([fit[fit_digits == digit].mean(0) for digit in known])
    return (known[torch.cdist(test, middles).argmin(1)] == test_digits).double().mean().item()


def other_lengths(runs: Sequence[Run], palindromes_used: int = 500) -> pd.DataFrame:
    """How well trained networks answer palindromes of all lengths from 2 to twice the length of their training.

    Columns: model, seed, trained_at, length, accuracy and run.
    """
    rows = []
    for run in runs:
        network, trained_at = trained_network(run), run.configuration.length
        generator = own_stream(run.configuration.seed, 3)
        for length in range(2, 2 * trained_at + 1):
            digits = palindromes(length, palindromes_used, generator)
            with torch.no_grad():
                right = (network(digits[:-1]).argmax(-1) == digits[-1]).double().mean().item()
            rows.append((run.configuration.model, run.configuration.seed, trained_at, length, right, run.folder.name))
    return pd.DataFrame(rows, columns=["model", "seed", "trained_at", "length", "accuracy", "run"])
