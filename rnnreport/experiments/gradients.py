"""Chapter 1's measurements: the derivation against its judges, and how much of a gradient is left after some steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from rnnreport import cells, gradients
from rnnreport.gradients import Weights, relative_difference
from rnnreport.parameters.gradients import GradientParameters

Problem = tuple[Tensor, Tensor, Weights]  # x, y and weights, as gradients.draw gives them
Problems = Mapping[tuple[int, int], Problem]  # by T and seed


def problem(p: GradientParameters, length: int, seed: int, spectral_radius: float | None = None) -> Problem:
    """A random problem of the chapter's sizes."""
    sizes = (length, p.batch_size, p.input_size, p.hidden_size, p.classes)
    return gradients.draw(*sizes, seed=seed, spectral_radius=spectral_radius)


def problems(p: GradientParameters) -> Problems:
    """One random problem for each length and seed."""
    return {(length, seed): problem(p, length, seed) for length in p.lengths for seed in p.seeds}


def agreement(problems: Problems) -> pd.DataFrame:
    """Relative differences of the derivation from its judges.

    Columns: case (T), seed, derivative, judge ("autograd" or "differences") and gap. Differences judge only the
    problems of the smallest length; the product (G) is checked only on the first problem of the largest.
    """
    lengths, rows = [length for length, _ in problems], []
    for key, (x, y, weights) in problems.items():
        derived = gradients.gradients(x, y, weights)
        for name, judge in (("autograd", gradients.autograd), ("differences", gradients.numeric)):
            if name == "autograd" or key[0] == min(lengths):
                gaps = map(relative_difference, derived, judge(x, y, weights))
                rows += [(*key, f"∂L/∂{by}", name, gap) for by, gap in zip(Weights._fields, gaps)]
        rows.append((*key, "terms of ∂L/∂W_hh", "autograd", _gap_of_terms(x, y, weights)))
    longest = next(key for key in problems if key[0] == max(lengths))
    rows.append((*longest, "∂h(T)/∂h(t)", "autograd", _gap_of_products(*problems[longest])))
    table = pd.DataFrame(rows, columns=["case", "seed", "derivative", "judge", "gap"])
    return table.assign(case="T = " + table["case"].astype(str))


def _gap_of_terms(x: Tensor, y: Tensor, weights: Weights) -> float:
    """The largest difference of a term of (F), relative to its size, from autograd with a copy of W_hh per step."""

    def loss(*copies: Tensor) -> Tensor:
        h = x.new_zeros(len(y), len(weights.W_hh))
        for x_t, copy in zip(x, copies):
            h = cells.rnn_step(x_t, h, weights.W_hx, copy, weights.b_h)
        return torch.nn.functional.cross_entropy(h @ weights.W_ph.T + weights.b_p, y)

    by_step = gradients.by_autograd(loss, *[weights.W_hh] * len(x))
    by_lag = gradients.contributions_by_lag(x, y, weights)  # last step first
    return max(map(relative_difference, by_lag.flip(0), by_step))


def _gap_of_products(x: Tensor, y: Tensor, weights: Weights) -> float:
    """The largest relative difference of the products (G) from autograd, over all lags, for the first sequence."""
    h = gradients.forward(x, y, weights).h

    def end(lag: int, state: Tensor) -> Tensor:
        for x_t in x[len(x) - lag :, 0]:
            state = cells.rnn_step(x_t, state, *weights[:3])
        return state

    exact = [gradients.by_autograd(partial(end, lag), h[len(x) - lag, 0])[0] for lag in range(len(x) + 1)]
    return max(map(relative_difference, gradients.jacobians(h, weights.W_hh)[:, 0], exact))


def locality(problems: Problems) -> pd.DataFrame:
    """Relative changes of the two gradients if their history is cut off, and if the first input is another one.

    Columns: T, seed, and for each of Wph and Whh "history cut off" and "other x(1)".
    """
    rows = []
    for (length, seed), (x, y, weights) in problems.items():
        exact = gradients.autograd(x, y, weights)
        cut = gradients.gradients(x[-1:], y, weights, gradients.forward(x, y, weights).h[-2])
        other_x = x.clone()
        other_x[0] = torch.randn(x[0].shape, generator=torch.Generator().manual_seed(seed + 1), dtype=x.dtype)
        redrawn = gradients.gradients(other_x, y, weights)
        row: dict[str, float] = {"T": length, "seed": seed}
        for what, changed in (("history cut off", cut), ("other x(1)", redrawn)):
            row[f"Wph, {what}"] = relative_difference(changed.W_ph, exact.W_ph)
            row[f"Whh, {what}"] = relative_difference(changed.W_hh, exact.W_hh)
        rows.append(row)
    return pd.DataFrame(rows)


def decays(p: GradientParameters) -> pd.DataFrame:
    """How much of a gradient is left at every lag up to the horizon, in untrained networks of each spectral radius.

    Columns: spectral_radius, seed, lag, jacobian (‖∂h(T)/∂h(T - lag)‖₂) and bound (of (G)), both geometric means over
    the batch, contribution (norm of the lag's term in ∂L/∂Whh relative to that of lag 0), norm (‖Whh‖₂) and slope (the
    mean of 1 - h²). Raises AssertionError if a norm exceeds its bound.
    """
    parts = []
    for radius in p.spectral_radii:
        for seed in p.seeds:
            x, y, weights = problem(p, p.horizon + 2, seed, radius)  # so that the last lag still meets an h(t - 1) ≠ 0
            h = gradients.forward(x, y, weights).h
            norms, bound = gradients.jacobian_norms(h, weights.W_hh), gradients.jacobian_bound(h, weights.W_hh)
            assert (norms <= bound * (1 + 1e-9)).all()  # (G)
            terms = torch.linalg.matrix_norm(gradients.contributions_by_lag(x, y, weights))
            by_lag = {
                "jacobian": norms.log().mean(1).exp(),
                "bound": bound.log().mean(1).exp(),
                "contribution": terms / terms[0],
            }
            lags = range(p.horizon + 1)
            part = pd.DataFrame({"lag": lags, **{name: values[lags] for name, values in by_lag.items()}})
            norm, slope = torch.linalg.matrix_norm(weights.W_hh, ord=2).item(), (1 - h[1:] ** 2).mean().item()
            parts.append(part.assign(spectral_radius=radius, seed=seed, norm=norm, slope=slope))
    return pd.concat(parts, ignore_index=True)


def against_autograd(
    problems: Problems, printed: Callable[..., Tensor], weight: str, readings: Mapping[str, Any]
) -> pd.DataFrame:
    """Relative differences of a printed formula from autograd: one row per problem, one column per reading.

    printed: :func:`rnnreport.gradients.printed_wph` or ``printed_whh``; weight: "W_ph" or "W_hh".
    """
    exact = {key: getattr(gradients.autograd(*problem), weight) for key, problem in problems.items()}
    return pd.DataFrame(
        {
            name: [relative_difference(printed(*problem, reading), exact[key]) for key, problem in problems.items()]
            for name, reading in readings.items()
        }
    )


def gap_of_one_unit(p: GradientParameters) -> float:
    """The largest relative difference of the report's ∂L/∂Whh, read most kindly, from autograd; one unit, one input."""
    cases = [gradients.draw(T, p.batch_size, 1, 1, p.classes, seed=s, std=1.0) for T in p.lengths for s in p.seeds]
    read = ((gradients.printed_whh(*case, gradients.KINDEST), gradients.autograd(*case).W_hh) for case in cases)
    return max(relative_difference(*pair) for pair in read)
