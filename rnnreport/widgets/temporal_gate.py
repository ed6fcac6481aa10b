"""The temporal gate of one LSTM unit."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
from traitlets import Float, List, Unicode, observe

from rnnreport.widgets.page import CSS, MAX_STEPS, Choice, Integer, Number, module

INPUTS = ("palindrome", "burst")

# The unit of TemporalGate: it takes in nearly all that it reads, and forgets it within a few steps.
UNIT = {
    "weight_ih": [0.0, 0.0, 2.0, 0.0],  # gates in the order i, f, g, o
    "weight_hh": [0.0, 0.3, 0.2, 0.0],
    "bias": [2.0, 0.7, 0.0, 2.0],
}
PALINDROME_SEED = 118  # in 24 steps: a 9 at the first at which the default gate is open, 5s at the next two
BURST_PERIOD, BURST_STEPS = 6, 3  # loud at the first three of every six steps: t mod 6 = 0, 1, 2


def _palindrome(steps: int) -> str:
    """The part of a palindrome of steps + 1 digits that is read: all but the last digit."""
    left = np.random.default_rng(PALINDROME_SEED).integers(10, size=steps // 2 + 1)
    whole = [*left, *left[::-1][(steps + 1) % 2 :]]
    return "".join(map(str, whole[:-1]))


def _burst(steps: int) -> list[float]:
    """A quiet wave, within ±0.4, and at times noise, each number of which lies beyond ±1."""
    t = np.arange(1, steps + 1)
    generator = np.random.default_rng(2)
    noise = generator.choice([-1, 1], size=MAX_STEPS) * generator.uniform(1.2, 3, size=MAX_STEPS)
    quiet = 0.4 * np.cos(2 * np.pi * t / 40)
    return np.where(t % BURST_PERIOD < BURST_STEPS, noise[:steps], quiet).round(3).tolist()


class TemporalGate(anywidget.AnyWidget):
    """The temporal gate of one LSTM unit, equation (12), and its effect on the unit's c and h, (14) and (16).

    The unit reads whole steps from 1 on, with the gate and without it, by equations (4)-(9) from a state of zeros. Its
    weights and inputs come with the page: ``weight_ih``, ``weight_hh``, ``bias``, in the order i, f, g, o; ``digits``,
    a palindrome without its last digit, read as digit / 4.5 - 1; ``burst``, a quiet wave with loud noise, beyond ±1, at
    three of every six steps.

    tau: period, > 0; s: shift; both in steps; r_on: open ratio, in (0, 1]; steps: the drawing runs from t = 0 to this
    step, >= 1; leak: alpha, in [0, 1], a shut gate is open by alpha phi; input: "palindrome" or "burst". Any other
    value raises a TraitError with a clear message, here and on assignment.

    >>> gate = TemporalGate(tau=6.0, s=3.0, r_on=0.2)
    >>> gate.tau = 8.0  # the drawing follows
    """

    _esm = module("temporal_gate.js")
    _css = CSS

    tau = Number(6.0, above=0).tag(sync=True)
    s = Number(3.0).tag(sync=True)
    r_on = Number(0.2, above=0, max=1).tag(sync=True)
    leak = Number(0.0, min=0, max=1).tag(sync=True)
    steps = Integer(24, min=1, max=MAX_STEPS).tag(sync=True)
    input = Choice(INPUTS, "palindrome").tag(sync=True)
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
