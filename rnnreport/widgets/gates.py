"""The temporal gate of part 2: one unit, many units, and units while they learn."""

from __future__ import annotations

import base64
import math
from typing import Any

import anywidget
import numpy as np
from traitlets import Float, Int, List, TraitError, Unicode, observe, validate

from rnnreport.widgets.page import CSS, array, checked, module

MAX_STEPS = 1000
INPUTS = ("palindrome", "burst")

# The unit of TemporalGate: it takes in nearly all that it reads, and forgets it within a few steps.
UNIT = {
    "weight_ih": [0.0, 0.0, 2.0, 0.0],  # gates in the order i, f, g, o
    "weight_hh": [0.0, 0.3, 0.2, 0.0],
    "bias": [2.0, 0.7, 0.0, 2.0],
}
PALINDROME_SEED = 118  # of 24 steps it has a 9 at the first that the default gate listens to, 5s at the next two
BURST_PERIOD, BURST_STEPS = 6, 3  # loud at the first three of every six steps: t mod 6 = 0, 1, 2


def _palindrome(steps: int) -> str:
    """What is read of a palindrome of steps + 1 digits: all but the last."""
    left = np.random.default_rng(PALINDROME_SEED).integers(10, size=steps // 2 + 1)
    whole = [*left, *left[::-1][(steps + 1) % 2 :]]
    return "".join(map(str, whole[:-1]))


def _burst(steps: int) -> list[float]:
    """A quiet wave, within ±0.4, and every now and then noise, each number of it beyond ±1."""
    t = np.arange(1, steps + 1)
    generator = np.random.default_rng(2)
    noise = generator.choice([-1, 1], size=MAX_STEPS) * generator.uniform(1.2, 3, size=MAX_STEPS)
    quiet = 0.4 * np.cos(2 * np.pi * t / 40)
    return np.where(t % BURST_PERIOD < BURST_STEPS, noise[:steps], quiet).round(3).tolist()


class TemporalGate(anywidget.AnyWidget):
    """The temporal gate of one LSTM unit, equation (12), and what it does to the unit's c and h, (14) and (16).

    The unit reads whole steps from 1 on, with the gate and without it, by equations (4)-(9) from a state of zeros; its
    weights and what it can read come with the page: ``weight_ih``, ``weight_hh``, ``bias``, of i, f, g, o; ``digits``,
    a palindrome but for its last digit, read as digit / 4.5 - 1; ``burst``, a quiet wave with loud noise, beyond ±1, at
    three of every six steps.

    tau: period, > 0; s: shift; both in steps; r_on: open ratio, in (0, 1]; steps: the drawing runs from t = 0 to this
    step, >= 1; leak: alpha, in [0, 1], the shut gate is open by alpha phi; input: "palindrome" or "burst". A value
    outside raises a TraitError that says so, here and on assignment.

    >>> gate = TemporalGate(tau=6.0, s=3.0, r_on=0.2)
    >>> gate.tau = 8.0  # the drawing follows
    """

    _esm = module("temporal_gate.js")
    _css = CSS

    tau = Float(6.0).tag(sync=True)
    s = Float(3.0).tag(sync=True)
    r_on = Float(0.2).tag(sync=True)
    leak = Float(0.0).tag(sync=True)
    steps = Int(24).tag(sync=True)
    input = Unicode("palindrome").tag(sync=True)
    digits = Unicode(read_only=True).tag(sync=True)
    burst = List(Float(), read_only=True).tag(sync=True)
    weight_ih = List(Float(), read_only=True).tag(sync=True)
    weight_hh = List(Float(), read_only=True).tag(sync=True)
    bias = List(Float(), read_only=True).tag(sync=True)

    def __init__(
        self,
        tau: float = 6.0,
        s: float = 3.0,
        r_on: float = 0.2,
        steps: int = 24,
        leak: float = 0.0,
        input: str = "palindrome",
        **kwargs: Any,
    ) -> None:
        super().__init__(tau=tau, s=s, r_on=r_on, steps=steps, leak=leak, input=input, **kwargs)
        for name, value in UNIT.items():
            self.set_trait(name, value)
        self._write_inputs()

    @observe("steps")
    def _write_inputs(self, _: Any = None) -> None:
        self.set_trait("digits", _palindrome(self.steps))
        self.set_trait("burst", _burst(self.steps))

    @validate("tau")
    def _check_tau(self, proposal: Any) -> float:
        return checked(proposal, "a finite number > 0", lambda value: 0 < value < math.inf)

    @validate("s")
    def _check_s(self, proposal: Any) -> float:
        return checked(proposal, "a finite number", math.isfinite)

    @validate("r_on")
    def _check_r_on(self, proposal: Any) -> float:
        return checked(proposal, "a number > 0 and <= 1", lambda value: 0 < value <= 1)

    @validate("leak")
    def _check_leak(self, proposal: Any) -> float:
        return checked(proposal, "a number from 0 to 1", lambda value: 0 <= value <= 1)

    @validate("steps")
    def _check_steps(self, proposal: Any) -> int:
        return checked(proposal, f"an integer from 1 to {MAX_STEPS}", lambda value: 1 <= value <= MAX_STEPS)

    @validate("input")
    def _check_input(self, proposal: Any) -> str:
        return checked(proposal, f"one of {', '.join(INPUTS)}", lambda value: value in INPUTS)


MAX_UNITS = 512


class GatePopulation(anywidget.AnyWidget):
    """At which whole steps of a sequence many temporal gates are open, their periods and shifts drawn at random.

    Periods are log-uniform, tau = shortest^(1 - u_tau) longest^u_tau, shifts uniform, s = u_s tau, as
    :meth:`rnnreport.models.TemporalGateLSTM.draw_gate` draws them; ``u_tau`` and ``u_s``, in [0, 1), are drawn once,
    from the seed, and stay when a slider moves. units: how many, from 1 to 512.

    shortest, longest: the ends of the periods, 0 < shortest <= longest, in steps; r_on: open ratio of all, in (0, 1];
    length: T, from 1 to 1000. A value outside raises a TraitError that says so, here and on assignment; to move both
    ends past where they are, assign them within ``hold_trait_notifications()``.

    >>> population = GatePopulation(units=128, shortest=1, longest=40, length=20)
    >>> tau, s, r_on = population.gates()  # of what is drawn now
    """

    _esm = module("gate_population.js")
    _css = CSS

    u_tau = List(Float(), read_only=True).tag(sync=True)
    u_s = List(Float(), read_only=True).tag(sync=True)
    shortest = Float(1.0).tag(sync=True)
    longest = Float(100.0).tag(sync=True)
    r_on = Float(0.05).tag(sync=True)
    length = Int(100).tag(sync=True)

    def __init__(
        self,
        units: int = 128,
        seed: int = 0,
        shortest: float = 1.0,
        longest: float = 100.0,
        r_on: float = 0.05,
        length: int = 100,
        **kwargs: Any,
    ) -> None:
        if not isinstance(units, int) or not 1 <= units <= MAX_UNITS:
            raise TraitError(f"units must be an integer from 1 to {MAX_UNITS}, not {units!r}.")
        u_tau, u_s = np.random.default_rng(seed).random((2, units))
        super().__init__(shortest=shortest, longest=longest, r_on=r_on, length=length, **kwargs)
        self.set_trait("u_tau", u_tau.tolist())
        self.set_trait("u_s", u_s.tolist())

    def gates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """tau, s and r_on of every unit at the present settings, float64, (H,) each."""
        u_tau, u_s = np.array(self.u_tau), np.array(self.u_s)
        tau = self.shortest ** (1 - u_tau) * self.longest**u_tau
        return tau, u_s * tau, np.full_like(tau, self.r_on)

    @validate("shortest")
    def _check_shortest(self, proposal: Any) -> float:
        shortest = checked(proposal, "a finite number > 0", lambda value: 0 < value < math.inf)
        _require_order(shortest, self.longest)
        return shortest

    @validate("longest")
    def _check_longest(self, proposal: Any) -> float:
        longest = checked(proposal, "a finite number > 0", lambda value: 0 < value < math.inf)
        _require_order(self.shortest, longest)
        return longest

    @validate("r_on")
    def _check_r_on(self, proposal: Any) -> float:
        return checked(proposal, "a number > 0 and <= 1", lambda value: 0 < value <= 1)

    @validate("length")
    def _check_length(self, proposal: Any) -> int:
        return checked(proposal, f"an integer from 1 to {MAX_STEPS}", lambda value: 1 <= value <= MAX_STEPS)


def _require_order(shortest: float, longest: float) -> None:
    if 0 < longest < shortest < math.inf:  # what neither may be is refused by its own name
        raise TraitError(f"shortest must be at most longest, not {shortest:g} where longest is {longest:g}.")


MAX_NUMBERS = 6400  # of each of tau, s, r_on: 50 snapshots of 128 units; the three come to 100 kB in base64
AGAINST = ("r_on", "s")


class GateReplay(anywidget.AnyWidget):
    """How the gates of a network's units moved while it was trained, snapshot by snapshot.

    steps: the training steps of the snapshots, S increasing integers, S at least 2; tau, s, r_on: (S, H) each, H at
    most 512 and S H at most 6400; they travel as float32. length: T, from 1 to 1000: whether a unit is open is seen at
    the whole steps 1…T. weight: (S, H) or (H,), >= 0 and not all 0, how much a unit matters: drawn as strength and
    size. words: what is said below, for example what weight is and where the run is from.

    snapshot: which one is drawn, from 0 to S - 1; against: "r_on" or "s", what is drawn against tau. A value outside
    raises a TraitError that says so, here and on assignment.

    >>> tau, s, r_on = np.array([[2.0, 9.0], [2.2, 8.0]]), np.zeros((2, 2)), np.full((2, 2), 0.1)
    >>> GateReplay([0, 100], tau, s, r_on, length=20).snapshot = 1  # the drawing follows
    """

    _esm = module("gate_replay.js")
    _css = CSS

    steps = List(Int(), read_only=True).tag(sync=True)
    tau = Unicode(read_only=True).tag(sync=True)  # float32 in base64, snapshot by snapshot, as the other three
    s = Unicode(read_only=True).tag(sync=True)
    r_on = Unicode(read_only=True).tag(sync=True)
    weight = Unicode(read_only=True).tag(sync=True)  # empty, H or S H numbers, of which the largest is 1
    length = Int(read_only=True).tag(sync=True)
    words = Unicode(read_only=True).tag(sync=True)
    snapshot = Int(0).tag(sync=True)
    against = Unicode("r_on").tag(sync=True)

    def __init__(
        self,
        steps: Any,
        tau: Any,
        s: Any,
        r_on: Any,
        length: int,
        weight: Any = None,
        words: str = "",
        snapshot: int = 0,
        against: str = "r_on",
        **kwargs: Any,
    ) -> None:
        steps = np.asarray(steps)
        if steps.ndim != 1 or len(steps) < 2 or steps.dtype.kind not in "iu" or (np.diff(steps) <= 0).any():
            raise TraitError(f"steps must be at least 2 increasing integers, not {steps.tolist()!r}.")
        shape = (len(steps), np.shape(tau)[-1] if np.ndim(tau) else 1)
        if not 1 <= shape[1] <= MAX_UNITS or shape[0] * shape[1] > MAX_NUMBERS:
            raise TraitError(
                f"tau must be of 1 to {MAX_UNITS} units and at most {MAX_NUMBERS} numbers here, not of shape {shape}."
            )
        gates = {name: _single(name, value, shape) for name, value in (("tau", tau), ("s", s), ("r_on", r_on))}
        _require("tau", gates["tau"], "> 0", gates["tau"] > 0)
        _require("r_on", gates["r_on"], "> 0 and <= 1", (gates["r_on"] > 0) & (gates["r_on"] <= 1))
        super().__init__(**kwargs)
        for name, value in gates.items():
            self.set_trait(name, _packed(value))
        self.set_trait("weight", "" if weight is None else _packed(_strengths(weight, shape)))
        self.set_trait("steps", steps.tolist())
        self.set_trait("length", length)
        self.set_trait("words", words)
        self.set_trait("snapshot", snapshot)  # after steps, which say how many there are
        self.set_trait("against", against)

    @validate("length")
    def _check_length(self, proposal: Any) -> int:
        return checked(proposal, f"an integer from 1 to {MAX_STEPS}", lambda value: 1 <= value <= MAX_STEPS)

    @validate("snapshot")
    def _check_snapshot(self, proposal: Any) -> int:
        last = len(self.steps) - 1
        return checked(proposal, f"an integer from 0 to {last}", lambda value: 0 <= value <= last)

    @validate("against")
    def _check_against(self, proposal: Any) -> str:
        return checked(proposal, f"one of {', '.join(AGAINST)}", lambda value: value in AGAINST)


def _single(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as finite float32 numbers of that shape, or a TraitError."""
    with np.errstate(over="ignore"):
        numbers = array(name, value, shape).astype("<f4")
    _require(name, numbers, "within the range of float32", np.isfinite(numbers))
    return numbers


def _strengths(weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The weight over its largest number."""
    numbers = _single("weight", weight, shape if np.ndim(weight) == 2 else shape[1:])
    _require("weight", numbers, ">= 0", numbers >= 0)
    if not numbers.any():
        raise TraitError("weight must hold a number other than 0.")
    return numbers / numbers.max()


def _require(name: str, numbers: np.ndarray, allowed: str, good: np.ndarray) -> None:
    if not good.all():
        raise TraitError(f"{name} must hold numbers {allowed}, not {float(numbers[~good][0])!r}.")


def _packed(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode("ascii")
