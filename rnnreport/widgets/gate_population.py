"""The temporal gates of many units, drawn at random."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
from traitlets import Float, List, TraitError, validate

from rnnreport.widgets.page import CSS, MAX_STEPS, MAX_UNITS, Integer, Number, module


class GatePopulation(anywidget.AnyWidget):
    """The steps of a sequence at which many temporal gates are open, with periods and shifts drawn at random.

    Periods are log-uniform, tau = shortest^(1 - u_tau) longest^u_tau, shifts uniform, s = u_s tau, as
    :meth:`rnnreport.models.TemporalGateLSTM.draw_gate` draws them. ``u_tau`` and ``u_s``, in [0, 1), are drawn once
    from the seed and do not change when a slider moves. units: how many, from 1 to 512.

    shortest, longest: the ends of the periods, 0 < shortest <= longest, in steps; r_on: open ratio of all, in (0, 1];
    length: T, from 1 to 1000. Any other value raises a TraitError with a clear message, here and on assignment. To move
    both ends beyond the present range, assign them within ``hold_trait_notifications()``.

    >>> population = GatePopulation(units=128, shortest=1, longest=40, length=20)
    >>> tau, s, r_on = population.gates()  # of what is drawn now
    """

    _esm = module("gate_population.js")
    _css = CSS

    u_tau = List(Float(), read_only=True).tag(sync=True)
    u_s = List(Float(), read_only=True).tag(sync=True)
    shortest = Number(1.0, above=0).tag(sync=True)
    longest = Number(100.0, above=0).tag(sync=True)
    r_on = Number(0.05, above=0, max=1).tag(sync=True)
    length = Integer(100, min=1, max=MAX_STEPS).tag(sync=True)

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

    @validate("shortest", "longest")
    def _check_order(self, proposal: Any) -> float:
        ends = {"shortest": self.shortest, "longest": self.longest, proposal.trait.name: proposal.value}
        shortest, longest = ends.values()
        if shortest > longest:
            raise TraitError(f"shortest must be at most longest, not {shortest:g} where longest is {longest:g}.")
        return proposal.value
