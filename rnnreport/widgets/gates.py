"""The temporal gate of part 2: one unit."""

from __future__ import annotations

import math
from typing import Any

import anywidget
from traitlets import Float, Int, validate

from rnnreport.widgets.page import CSS, checked, module


class TemporalGate(anywidget.AnyWidget):
    """The openness k(t) of the temporal gate, equation (12), with sliders for its three parameters.

    tau: period, > 0; s: shift; both in steps; r_on: open ratio, in (0, 1]; steps: the drawing runs from t = 0 to this
    step, >= 1. A value outside raises a TraitError that says so, here and on assignment.

    >>> gate = TemporalGate(tau=6.0, s=3.0, r_on=0.2)
    >>> gate.tau = 8.0  # the drawing follows
    """

    _esm = module("temporal_gate.js")
    _css = CSS

    tau = Float(6.0).tag(sync=True)
    s = Float(3.0).tag(sync=True)
    r_on = Float(0.2).tag(sync=True)
    steps = Int(24).tag(sync=True)

    def __init__(self, tau: float = 6.0, s: float = 3.0, r_on: float = 0.2, steps: int = 24, **kwargs: Any) -> None:
        super().__init__(tau=tau, s=s, r_on=r_on, steps=steps, **kwargs)

    @validate("tau")
    def _check_tau(self, proposal: Any) -> float:
        return checked(proposal, "a finite number > 0", lambda value: 0 < value < math.inf)

    @validate("s")
    def _check_s(self, proposal: Any) -> float:
        return checked(proposal, "a finite number", math.isfinite)

    @validate("r_on")
    def _check_r_on(self, proposal: Any) -> float:
        return checked(proposal, "a number > 0 and <= 1", lambda value: 0 < value <= 1)

    @validate("steps")
    def _check_steps(self, proposal: Any) -> int:
        return checked(proposal, "an integer from 1 to 1000", lambda value: 1 <= value <= 1000)
