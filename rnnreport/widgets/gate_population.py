"""The temporal gates of many units, drawn at random."""

from __future__ import annotations

import math
from typing import Any

import anywidget
import numpy as np
from traitlets import Float, Int, List, TraitError, validate

from rnnreport.widgets.page import CSS, MAX_STEPS, MAX_UNITS, checked, module


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
