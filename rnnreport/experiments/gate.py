"""Chapter 3: the temporal gate by itself, without training a network.

How it affects a memory, how often it lets a unit update, whether its three parameters can be recovered from its output,
and which units never open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from rnnreport.cells import lstm_step, temporal_gate, temporal_gate_lstm_step
from rnnreport.models import PalindromeClassifier, TemporalGateLSTM
from rnnreport.palindromes import palindrome_batch


class Gate(NamedTuple):
    """A temporal gate's period, shift and open ratio: each one number, or one per gate."""

    tau: Any
    s: Any
    r_on: Any

    def exact(self) -> Gate:
        """The same as float64 tensors."""
        return Gate(*map(_exact, self))


IRRATIONAL = 5 * (5**0.5 - 1)  # irrational and near figure 3's period, so that whole steps meet every phase


def _exact(value: Any) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


# The gate, and its effect on a state


def openness(gate: Gate, until: float) -> pd.DataFrame:
    """k at times from 0 to ``until``, on a fine grid and at all integers. Columns: t, k, integer (whether t is one)."""
    grid = torch.linspace(0, until, 2401, dtype=torch.float64)
    t = torch.cat([grid, torch.arange(int(until) + 1, dtype=torch.float64)]).unique()
    k = temporal_gate(t, *gate.exact())
    return pd.DataFrame({"t": t, "k": k, "integer": t == t.round()})


def states(gate: Gate, steps: int, seed: int) -> pd.DataFrame:
    """The state of one unit among eight over random input, with and without the gate.

    Columns: t, k, h, c, gated h, gated c.
    """
    generator = torch.Generator().manual_seed(seed)
    units = 8

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    weights = (draw(4 * units, 1), draw(4 * units, units) / units**0.5, draw(4 * units) / 2)
    times = torch.arange(1, steps + 1, dtype=torch.float64)
    ungated = gated = (torch.zeros(1, units, dtype=torch.float64),) * 2
    rows = []
    for t, k in zip(times, temporal_gate(times, *gate.exact())):
        x = draw(1, 1)
        ungated = lstm_step(x, *ungated, *weights)
        gated = temporal_gate_lstm_step(x, *gated, k, *weights)
        rows.append((int(t), k.item(), *(state[0, 0].item() for state in (*ungated, *gated))))
    return pd.DataFrame(rows, columns=["t", "k", "h", "c", "gated h", "gated c"])


# How long a memory lasts


def half_life(forget: float, r_on: float) -> float:
    """Steps until half of a cell's value is left, if the steps meet all phases of the gate equally often.

    An open step leaves the share 1 - k (1 - f). While the gate is open, k is uniform in 0…1, so the mean logarithm of
    that share over a period is r_on times the integral of ln(1 - k (1 - f)) over k in 0…1:
    -r_on (1 + f ln f / (1 - f)). For f = 0 this is -r_on. As f tends to 1, the half-life tends to twice that of a gate
    with k = 1 in r_on of the steps. forget: f in [0, 1); r_on in (0, 1].
    """
    lost = 1 + forget * math.log(forget) / (1 - forget) if forget else 1.0
    return math.log(2) / (r_on * lost)


def half_lives(
    forget: Sequence[float], r_on: Sequence[float], tau: float = IRRATIONAL, s: float = 0.0, steps: int = 5_000
) -> pd.DataFrame:
    """The half-life of a cell without input, in steps: by :func:`half_life`, measured, and without a gate.

    Measured: ``temporal_gate_lstm_step`` runs at steps 1…``steps`` with zero weights and with biases that give the
    wanted f and g = 0. At every step a power of two brings the cell back to 1/2…1, and the halvings are counted. With
    an integer period the steps meet few phases, so the closed form need not hold. Infinite where nothing is lost.
    forget: each in (0, 1). Columns: forget, r_on, closed, measured, ungated.
    """
    f, r = (values.flatten() for values in torch.meshgrid(_exact(forget), _exact(r_on), indexing="ij"))
    zero = torch.zeros(4 * len(f), 1, dtype=torch.float64)
    bias = torch.stack([torch.zeros_like(f), f.logit(), torch.zeros_like(f), torch.zeros_like(f)]).flatten()  # i f g o
    weights = (zero, torch.zeros(4 * len(f), len(f), dtype=torch.float64), bias)
    x, h, c = zero[:1], torch.zeros(1, len(f), dtype=torch.float64), torch.ones(1, len(f), dtype=torch.float64)
    halvings = torch.zeros_like(c)
    for k in temporal_gate(torch.arange(1, steps + 1, dtype=torch.float64)[:, None], _exact(tau), _exact(s), r):
        h, c = temporal_gate_lstm_step(x, h, c, k, *weights)
        c, exponent = torch.frexp(c)  # scaled by a power of two, so nothing is rounded
        halvings -= exponent
    measured = steps / (halvings - c.log2()).squeeze(0)
    return pd.DataFrame(
        {
            "forget": f,
            "r_on": r,
            "closed": [half_life(*pair) for pair in zip(f.tolist(), r.tolist())],
            "measured": measured,
            "ungated": math.log(2) / -f.log(),
        }
    )


# How often a unit updates


def draw_gates(units: int, longest: float, r_on: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """tau and s, (units,) each, and the scalar r_on, as ``TemporalGateLSTM.draw_gate(1, longest, r_on)`` draws them.

    Drawn without the network, whose weights grow with the square of the units.
    """
    generator = torch.Generator().manual_seed(seed)
    tau = torch.exp(torch.rand(units, generator=generator) * math.log(longest))
    return tau, torch.rand(units, generator=generator) * tau, torch.tensor(r_on)


def _opened(units: int, longest: float, r_on: float, steps: int, seed: int) -> Tensor:
    """Whether each unit is open at steps 1…``steps``, (steps, units)."""
    return temporal_gate(torch.arange(1, steps + 1)[:, None], *draw_gates(units, longest, r_on, seed)) > 0


def updates(
    steps: int, longest: float, r_on: Sequence[float], units: int = 1_000, seeds: Sequence[int] = (0,)
) -> pd.DataFrame:
    """The number of steps in 1…``steps`` at which each unit is open.

    Columns: r_on, seed, unit, updates, expected (r_on times steps). Periods are log-uniform in 1…``longest``, shifts
    uniform over a period. Averaged over the shifts, a gate is open at r_on of the steps, whatever its period.
    """
    parts = []
    for ratio, seed in product(r_on, seeds):
        counts = _opened(units, longest, ratio, steps, seed).sum(0)
        part = {"r_on": ratio, "seed": seed, "unit": range(units), "updates": counts, "expected": ratio * steps}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


# The derivative of mod with respect to the period


def mod_floored(x: Tensor, tau: Tensor) -> Tensor:
    """x mod tau with its derivative almost everywhere: -floor(x / tau) with respect to tau.

    Theano's mod, which dannyneil/public_plstm uses, TensorFlow's FloorMod since it has a gradient, and
    fferroni/PhasedLSTM-Keras, which writes x - tau floor(x / tau), have this derivative. dannyneil/pytorch_plstm
    registers it too, around a remainder that is truncated instead of floored before the shift.
    """
    return torch.remainder(x, tau)


def mod_averaged(x: Tensor, tau: Tensor) -> Tensor:
    """x mod tau; its derivative with respect to tau is averaged, not summed, over the batch (the first dimension of x).

    philipperemy/tensorflow-phased-lstm registered this until its issue 9. There all sequences of a batch share their
    times, so the mean is over one. The later division by tau is summed, as it should be.
    """
    return torch.remainder(x, tau.detach() + (tau - tau.detach()) / len(x))


def mod_averaged_twice(x: Tensor, tau: Tensor) -> Tensor:
    """(x mod tau + tau) mod tau, with both mods averaged but not the addition: Enny1991/PLSTM.

    With B sequences the derivative is (B - 1 - floor(x / tau)) / B, which has the wrong sign until B - 1 periods have
    passed.
    """
    return mod_averaged(mod_averaged(x, tau) + tau, tau)


def mod_stopped(x: Tensor, tau: Tensor) -> Tensor:
    """x mod tau with the derivative 0 with respect to tau.

    PhasedLSTMCell of tensorflow/tensorflow, in contrib until 1.15.
    """
    return torch.remainder(x, tau.detach())


def mod_detached(x: Tensor, tau: Tensor) -> Tensor:
    """x mod tau as a constant, so s gets no gradient either: maxwebcloud/ep_forecasting, a copy of a gist."""
    return torch.remainder(x, tau).detach()


Mod = Callable[[Tensor, Tensor], Tensor]
MODS: dict[str, Mod] = {
    "floored": mod_floored,
    "averaged": mod_averaged,
    "averaged twice": mod_averaged_twice,
    "stopped": mod_stopped,
    "detached": mod_detached,
}


def gate_by(mod: Mod, t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor, leak: float = 0.0) -> Tensor:
    """:func:`rnnreport.cells.temporal_gate` with another derivative of mod; the values are the same."""
    return temporal_gate(mod(t - s, tau), tau, torch.zeros_like(tau), r_on, leak)


def mod_derivatives(gate: Gate, periods: Sequence[int], batch: int = 32, seed: int = 0) -> pd.DataFrame:
    """The derivative with respect to tau of the summed k of a batch by each of :data:`MODS`, after n periods.

    periods: the values of n, which may be negative. All times lie on the rising flank of the period that starts n
    periods after s, away from its corners. There the derivative of k is -2 (n + phi) / (r_on tau). Columns: mod,
    periods, derivative, differences (by central differences) and error, the relative difference of the two.
    """
    generator, (tau, s, r_on) = torch.Generator().manual_seed(seed), gate
    phi = r_on / 2 * (0.1 + 0.8 * torch.rand(batch, generator=generator, dtype=torch.float64))
    shift, ratio, rows = _exact(s), _exact(r_on), []
    for n in periods:
        t = s + (n + phi) * tau
        step = 1e-6 * r_on * tau / (abs(n) + 1)
        high, low = (temporal_gate(t, _exact(tau + move), shift, ratio).sum() for move in (step, -step))
        differences = ((high - low) / (2 * step)).item()
        for name, mod in MODS.items():
            period = _exact(tau).requires_grad_()
            (found,) = torch.autograd.grad(gate_by(mod, t, period, shift, ratio).sum(), period)
            rows.append((name, n, found.item(), differences, abs(found.item() - differences) / abs(differences)))
    return pd.DataFrame(rows, columns=["mod", "periods", "derivative", "differences", "error"])


# Recovering a gate from its output


class Remedy(NamedTuple):
    """How a search starts. grow: at first only with times in 0…tau of the start; r_on: its start, or None if right."""

    grow: bool = False
    r_on: float | None = None


REMEDIES = {
    "no remedy": Remedy(),
    "wide gate first": Remedy(r_on=0.5),
    "short times first": Remedy(grow=True),
    "both": Remedy(grow=True, r_on=0.5),
}


class Search(NamedTuple):
    """How gates are fitted: with ``steps`` steps of Adam, each on ``batch`` fresh times per gate.

    learning_rate: at first. growing: the share of the steps, below 1, in which short ranges of times grow to the full
    one; after that the rate falls to zero along half a cosine. leak: of the gate that learns; the target has none.
    """

    steps: int = 1_000
    batch: int = 64
    learning_rate: float = 0.02
    growing: float = 0.7
    leak: float = 0.0
    mod: str = "floored"


SEARCH = Search()


def fit(goal: Gate, until: Tensor, start: Gate, grow: Tensor, seeds: Sequence[int], search: Search) -> pd.DataFrame:
    """Fit N gates per seed, all at once, to the values of k of the gate ``goal`` at random times in 0…until.

    They learn log tau, s / (tau of the start) and the logit of r_on; the loss is the mean squared error of k. A step in
    log tau moves the phase of the last time by the step times the number of periods until then. So each step in log tau
    is multiplied by (tau of the start) / (present end of the times), at most by 1.
    goal: scalars; until: (N,), the ends of the times; start: (N,) each; grow: (N,), whether times lie at first in 0…tau
    of the start, with an end that then grows evenly in its logarithm; seeds: for drawing the times. Columns: seed, case
    (0…N - 1), tau, s, r_on.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    size, copies = len(until), len(seeds)
    unit = start.tau.repeat(copies)
    learned = [value.repeat(copies) for value in (start.tau.log(), start.s / start.tau, start.r_on.logit(1e-6))]
    adam = torch.optim.Adam([value.requires_grad_() for value in learned], search.learning_rate)
    still = search.steps * search.growing
    schedule = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda step: (1 + math.cos(math.pi * max(0.0, step - still) / (search.steps - still))) / 2
    )
    first = torch.where(grow, torch.minimum(start.tau, until), until)
    places = {"seed": [seed for seed in seeds for _ in range(size)], "case": [*range(size)] * copies}

    def gates() -> Gate:
        log_tau, share, logit = learned
        return Gate(log_tau.exp(), share * unit, logit.sigmoid())

    for step in range(search.steps):
        end = first * (until / first) ** min(1.0, step / still)
        draws = [torch.rand(search.batch, size, generator=g, dtype=torch.float64) * end for g in generators]
        t = torch.cat(draws, dim=1)
        k = gate_by(MODS[search.mod], t, *gates(), search.leak)
        loss = (k - temporal_gate(t, *goal)).square().mean(0).sum()  # summed, since the gates are independent
        adam.zero_grad()
        loss.backward()
        log_tau = learned[0].detach().clone()
        adam.step()
        learned[0].data.copy_(log_tau.lerp(learned[0].data, (start.tau / end).clamp(max=1).repeat(copies)))
        schedule.step()
    return pd.DataFrame({**places, **{name: value.detach() for name, value in gates()._asdict().items()}})


def recovered(found: pd.DataFrame, gate: Gate, tolerance: float = 0.01) -> pd.Series:
    """Whether tau and r_on have relative errors of at most ``tolerance``, and s at most that share of a period.

    s is compared up to whole periods, which do not change the gate.
    """
    tau, s, r_on = gate
    shift = (found["s"] - s + tau / 2) % tau - tau / 2
    return (
        ((found["tau"] / tau - 1).abs() <= tolerance)
        & (shift.abs() <= tolerance * tau)
        & ((found["r_on"] / r_on - 1).abs() <= tolerance)
    )


def recovery(
    gate: Gate,
    seeds: Sequence[int],
    periods: Sequence[float] = (2, 10, 40),
    ratios: Sequence[float] = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.25, 1.4, 2.0),
    offsets: Sequence[float] = (-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4),
    remedies: Mapping[str, Remedy] = REMEDIES,
    search: Search = SEARCH,
) -> pd.DataFrame:
    """Whether a gate is recovered from starts at some distance: ``ratios`` of its tau, or its s moved by ``offsets``.

    Only one of the two is moved at a time; offsets are shares of a period. Times lie in 0…``periods`` tau, and s is
    taken modulo tau. Columns: remedy, periods, ratio, offset, seed, the tau, s and r_on found, and :func:`recovered`.
    """
    tau, s, r_on = gate = gate._replace(s=gate.s % gate.tau)
    places = [(ratio, 0.0) for ratio in ratios] + [(1.0, offset) for offset in offsets if offset]
    cases = pd.DataFrame(
        [(name, n, *place) for name, n, place in product(remedies, periods, places)],
        columns=["remedy", "periods", "ratio", "offset"],
    )
    chosen = [remedies[name] for name in cases["remedy"]]
    start = Gate(
        _exact(cases["ratio"] * tau),
        _exact(s + cases["offset"] * tau),
        _exact([remedy.r_on or r_on for remedy in chosen]),
    )
    until = _exact(cases["periods"] * tau)
    found = fit(gate.exact(), until, start, torch.tensor([remedy.grow for remedy in chosen]), seeds, search)
    table = cases.merge(found, left_index=True, right_on="case").drop(columns="case")
    return table.assign(recovered=recovered(table, gate))


def recovery_by_mod(
    gate: Gate,
    seeds: Sequence[int],
    periods: Sequence[float] = (1, 2, 5, 10),
    ratios: Sequence[float] = (0.9, 0.95, 0.98, 1.02, 1.05, 1.1),
    offsets: Sequence[float] = (-0.1, 0.1),
    search: Search = SEARCH,
) -> pd.DataFrame:
    """:func:`recovery` without a remedy for each of :data:`MODS`, from starts near the truth, with a column mod."""
    parts = [
        recovery(gate, seeds, periods, ratios, offsets, {"no remedy": Remedy()}, search._replace(mod=name))
        for name in MODS
    ]
    return pd.concat([part.assign(mod=name) for name, part in zip(MODS, parts)], ignore_index=True)


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


# Units that never open


def never_open(
    lengths: Sequence[int], longest: Sequence[float], r_on: Sequence[float], units: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """The share of drawn units that are shut at every step 1…T.

    Columns: longest, r_on, length (T), share, error (its standard error). Periods are log-uniform in 1…``longest``,
    shifts uniform over a period. Each share is of ``units`` units, the same ones at all lengths.
    """
    rows = []
    for period, ratio in product(longest, r_on):
        ever = _opened(units, period, ratio, max(lengths), seed).cummax(0).values
        for length in lengths:
            share = 1 - ever[length - 1].double().mean().item()
            rows.append((period, ratio, length, share, math.sqrt(share * (1 - share) / units)))
    return pd.DataFrame(rows, columns=["longest", "r_on", "length", "share", "error"])


def leaked_gradients(
    length: int,
    longest: float,
    r_on: float,
    leaks: Sequence[float],
    seeds: Sequence[int],
    units: int = 64,
    batch: int = 64,
) -> pd.DataFrame:
    """The gradient that reaches each unit of an untrained network on palindromes, for several leaks.

    One backward pass per seed and leak. Columns: leak, seed, unit, dead (shut at all T - 1 steps apart from the leak),
    weights (norm of the gradient with respect to the unit's rows of the recurrence's weights and biases) and gate (with
    respect to its log tau, s and logit of r_on).
    """
    parts = []
    for leak, seed in product(leaks, seeds):
        torch.manual_seed(seed)
        network = PalindromeClassifier("temporal-gate", units, encoding="one-hot", initialisation="uniform")
        lstm = network.recurrence
        assert isinstance(lstm, TemporalGateLSTM)
        lstm.draw_gate(1, longest, r_on)
        dead = (lstm.eval().openness(torch.arange(1.0, length)) == 0).all(0)
        lstm.train().leak = leak
        digits, last = palindrome_batch(length, batch, torch.Generator().manual_seed(seed))
        F.cross_entropy(network(digits), last).backward()
        rows = torch.cat([_gradient(w).view(4, units, -1) for w in lstm.weights(0)], dim=2)
        gate = torch.stack([_gradient(getattr(lstm, f"{name}_l0")) for name in ("log_tau", "s", "logit_r_on")])
        columns = {"dead": dead, "weights": rows.norm(dim=(0, 2)), "gate": gate.norm(dim=0)}
        parts.append(pd.DataFrame({"leak": leak, "seed": seed, "unit": range(units), **columns}))
    return pd.concat(parts, ignore_index=True)
