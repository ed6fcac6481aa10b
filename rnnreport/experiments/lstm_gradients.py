"""Chapter 1b's measurements: the LSTM's derivation, with and without a temporal gate, against its judges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from rnnreport import cells, gradients, recurrence
from rnnreport.gradients import LSTMWeights, relative_difference
from rnnreport.parameters.lstm_gradients import LSTMGradientParameters
from rnnreport.words import listed

Problem = tuple[Tensor, Tensor, LSTMWeights, Tensor, Tensor]  # x, y, weights, h_0 and c_0, as from gradients.lstm_draw
Gate = tuple[Tensor, Tensor, Tensor]  # τ, s and r_on of every unit
JUDGES = {"autograd": gradients.by_autograd, "differences": gradients.by_differences}


def draw_gate(units: int, taus: list[float], r_on: float, seed: int) -> Gate:
    """Gates of the units, (H,) each: the periods in turn, shifts uniform in -tau…tau, and one open ratio for all."""
    tau = torch.tensor(taus, dtype=torch.float64).repeat(units)[:units]
    s = tau * (2 * torch.rand(units, generator=torch.Generator().manual_seed(seed)).double() - 1)
    return tau, s, torch.full_like(tau, r_on)


def times(length: int) -> Tensor:
    """1…T as a column, (T, 1)."""
    return torch.arange(1.0, length + 1, dtype=torch.float64)[:, None]


def openness(until: int, *gate: float) -> pd.DataFrame:
    """k from time 0 to ``until``, 100 times per step. gate: τ, s, r_on. Columns: t, k, integer (whether t is one)."""
    t = torch.arange(100 * until + 1, dtype=torch.float64) / 100
    tau, s, r_on = torch.tensor(gate, dtype=torch.float64)
    k = cells.temporal_gate(t, tau, s, r_on)
    return pd.DataFrame({"t": t, "k": k, "integer": t == t.round()})


def agreement(p: LSTMGradientParameters) -> pd.DataFrame:
    """Relative differences of the derivation from its judges on every problem.

    Columns: case ("LSTM" or "gated LSTM"), seed, derivative, judge and gap. Differences judge only the smallest length.
    """
    rows = []
    for length, seed, problem, gate in _problems(p):
        derived = _derived(problem, gate, length)
        for name, judge in JUDGES.items():
            if name == "autograd" or length == min(p.lengths):
                exact = _judged(problem, gate, length, judge)
                for (by, value), reference in zip(derived.items(), exact, strict=True):
                    gap = relative_difference(value, reference)
                    rows.append(("gated LSTM" if gate else "LSTM", seed, f"∂L/∂{by.replace('tau', 'τ')}", name, gap))
    return pd.DataFrame(rows, columns=["case", "seed", "derivative", "judge", "gap"])


def recurrence_gap(p: LSTMGradientParameters) -> float:
    """The largest relative difference of the backward pass of :func:`rnnreport.recurrence.lstm` from the derivation."""
    gaps = []
    for length, _, problem, gate in _problems(p):
        derived = [*_derived(problem, gate, length).values()]
        stacked = LSTMWeights(*derived[:14]).stacked()
        pairs = zip([*stacked, *derived[14:]], _by_recurrence(problem, gate, length), strict=True)
        gaps += [relative_difference(*pair) for pair in pairs]
    return max(gaps)


def _problems(p: LSTMGradientParameters) -> Any:
    """Yields length, seed, problem and gate (or None) of everything that is checked."""
    sizes = (p.batch_size, p.input_size, p.hidden_size, p.classes)
    for length in p.lengths:
        for seed in p.seeds:
            problem = gradients.lstm_draw(length, *sizes, seed=seed, std=p.hidden_size**-0.5)
            for gate in (None, draw_gate(p.hidden_size, p.taus, p.r_on, seed)):
                yield length, seed, problem, gate


def _openness(gate: Any, length: int) -> Tensor | None:
    """k(1)…k(T), (T, H); None without a gate."""
    return cells.temporal_gate(times(length), *gate) if gate else None


def _derived(problem: Problem, gate: Gate | None, length: int) -> dict[str, Tensor]:
    """All gradients of the derivation by name: of the weights, the initial states and the gate."""
    found = gradients.lstm_gradients(*problem, _openness(gate, length))
    by_name = {**found.weights._asdict(), "h_0": found.h_0, "c_0": found.c_0}
    if gate:
        assert found.k is not None
        for name, slope in gradients.gate_gradients(times(length), *gate)._asdict().items():
            by_name[name] = (found.k * slope).sum(0)  # (T5)
    return by_name


def _judged(problem: Problem, gate: Gate | None, length: int, judge: Callable[..., Any]) -> tuple[Tensor, ...]:
    """The same gradients by a judge, in the same order."""
    x, y, weights, h_0, c_0 = problem

    def loss(*moved: Any) -> Tensor:
        weights, h_0, c_0 = LSTMWeights(*moved[:14]), moved[14], moved[15]
        return gradients.lstm_forward(x, y, weights, h_0, c_0, _openness(moved[16:], length)).loss

    return judge(loss, *weights, h_0, c_0, *(gate or ()))


def _by_recurrence(problem: Problem, gate: Gate | None, length: int) -> tuple[Tensor, ...]:
    """The same gradients by the hand-written backward pass, with stacked weights first."""
    x, y, weights, *states = problem
    inputs = [tensor.clone().requires_grad_() for tensor in (*weights.stacked(), *states, *(gate or ()))]
    weight_ih, weight_hh, bias, h_0, c_0 = inputs[:5]
    h, *_ = recurrence.lstm(x, h_0, c_0, weight_ih, weight_hh, bias, _openness(inputs[5:], length))
    logits = h[-1] @ weights.W_ph.T + weights.b_p
    return torch.autograd.grad(torch.nn.functional.cross_entropy(logits, y), inputs)


def slopes(p: LSTMGradientParameters) -> pd.DataFrame:
    """The gate's slopes (T4) against the judges' slopes of (12) as the cells compute it, at random times.

    Columns as in :func:`agreement`, without the seed; the case is "k(t)". At a corner, differences would straddle two
    branches, so units whose phase is within 0.001 of one are left out.
    """
    seed = p.seeds[0]
    gate = draw_gate(p.hidden_size, p.taus, p.r_on, seed)
    somewhen = (torch.rand(200, 1, generator=torch.Generator().manual_seed(seed)).double() - 0.5) * 60
    phi = gradients.gate_branch(somewhen, *gate).phi
    corners = (torch.zeros_like(phi), gate[2] / 2, gate[2], torch.ones_like(phi))
    smooth = torch.stack([(phi - corner).abs() > 1e-3 for corner in corners]).all(0)  # for each time and unit
    derived = [slope * smooth for slope in gradients.gate_gradients(somewhen, *gate)]
    apart = [parameter.expand(len(somewhen), -1).clone() for parameter in gate]  # one for each time

    def openness(*moved: Any) -> Tensor:
        """The sum of all k. Its derivative with respect to a parameter is that of the parameter's own k."""
        return (cells.temporal_gate(somewhen, *moved) * smooth).sum()

    rows = [
        ("k(t)", f"∂k/∂{by}", name, relative_difference(value, exact))
        for name, judge in JUDGES.items()
        for by, value, exact in zip(("τ", "s", "r_on"), derived, judge(openness, *apart))
    ]
    return pd.DataFrame(rows, columns=["case", "derivative", "judge", "gap"])


def corners() -> pd.DataFrame:
    """One-sided differences for ∂k/∂s at the corners of a gate with τ = 8, s = 3 and r_on = 0.5.

    One row per corner. Columns: k, and the slope just before the corner in time, just after it and in use. Raises
    AssertionError if autograd uses another slope. A larger s moves a unit back in time, to the side before the corner.
    """
    gate: Any = [torch.tensor(value, dtype=torch.float64) for value in (8.0, 3.0, 0.5)]
    tau, s, r_on = gate
    at = torch.tensor([3.0, 5.0, 7.0], dtype=torch.float64)
    used = gradients.gate_gradients(at, *gate)
    leaves: Any = [value.clone().requires_grad_() for value in gate]
    for t, slopes in zip(at, torch.stack(used, 1)):
        exact = torch.autograd.grad(cells.temporal_gate(t, *leaves), leaves)
        torch.testing.assert_close(slopes, torch.stack(exact), rtol=1e-12, atol=0)
    below, here, above = (cells.temporal_gate(at, tau, s + by, r_on) for by in (-1e-6, 0.0, 1e-6))
    columns = {
        "k": here,
        "∂k/∂s just before": ((above - here) / 1e-6).numpy().round(6),
        "∂k/∂s just after": ((here - below) / 1e-6).numpy().round(6),
        "∂k/∂s in use": used.s + 0.0,  # no negative zero
    }
    return pd.DataFrame(columns, index=["opening, t = 3", "tip, t = 5", "closing, t = 7"])


def products(steps: int = 100, batch: int = 64, units: int = 128) -> pd.DataFrame:
    """How many matrix products the sums in (L6) and (L7) take: as they are written, and as they are computed.

    Raises AssertionError if the two results differ by more than float32 rounding.
    """
    generator = torch.Generator().manual_seed(0)
    da, h, W = (
        torch.randn(shape, generator=generator)
        for shape in ((steps, batch, 4 * units), (steps, batch, units), (4 * units, units))
    )
    da_by_gate, W_by_gate = da.chunk(4, -1), W.chunk(4)
    ways = {  # the terms of each sum, and what gives the sums in larger products
        "the sum over the gates in (L6)": (
            [[a[t] @ W for a, W in zip(da_by_gate, W_by_gate)] for t in range(steps)],
            [da[t] @ W for t in range(steps)],
        ),
        "the sum over the steps in (L7)": (
            [[a[t].T @ h[t] for t in range(steps)] for a in da_by_gate],
            [da.flatten(0, 1).T @ h.flatten(0, 1)],
        ),
    }
    rows = {}
    for name, (sums, larger) in ways.items():
        written = torch.stack([torch.stack(terms).sum(0) for terms in sums])
        assert relative_difference(written.reshape(-1, units), torch.cat(larger)) < 1e-5
        rows[name] = [sum(map(len, sums)), len(larger)]
    return pd.DataFrame.from_dict(rows, "index", columns=["products as written", "products as computed"])


def gained(table: pd.DataFrame) -> str:
    """The finding of :func:`products`."""
    found = [f"{fewer} in place of {many} in {str(name).split()[-1]}" for name, many, fewer in table.itertuples()]
    return f"Larger products are fewer: {listed(found)}."


def used_at_corners(table: pd.DataFrame) -> str:
    """Which side's slope is in use at the corners, by :func:`corners`."""
    after = (table["∂k/∂s in use"] - table["∂k/∂s just after"]).abs() < 1e-5
    return f"At {after.sum()} of {len(table)} corners the slope in use is that of the branch that begins there."
