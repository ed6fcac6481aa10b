"""How the gradients of chapter 1 vanish."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
from traitlets import Float, Int, List, TraitError, validate

from rnnreport.widgets.page import CSS, array, checked, module


class VanishingGradient(anywidget.AnyWidget):
    """‖∂h(T)/∂h(t)‖₂ of a tanh network over the lag T - t, with sliders for what makes it vanish or explode.

    x: inputs (T_max, 1, D), weights: any with W_hx (H, D) and W_hh (H, H), both as :func:`rnnreport.gradients.draw`
    gives them; W_hh is rescaled to spectral radius 1 and the biases are left out, so that the state rests at zero where
    there is no input. H is at most 64, so that the drawing follows a slider at once.

    spectral_radius: of W_hh, in (0, 10]; length: T, from 1 to T_max, the first so many inputs are read; input_size: a
    factor on the inputs, in [0, 10]. A value outside raises a TraitError that says so, here and on assignment.

    >>> from rnnreport import gradients
    >>> x, _, weights = gradients.draw(200, 1, 3, 16, 2, seed=0)
    >>> VanishingGradient(x, weights).spectral_radius = 1.2  # the drawing follows
    """

    _esm = module("vanishing_gradient.js")
    _css = CSS

    x = List(List(Float()), read_only=True).tag(sync=True)  # (T_max, D)
    W_hx = List(List(Float()), read_only=True).tag(sync=True)
    W_hh = List(List(Float()), read_only=True).tag(sync=True)  # of spectral radius 1
    spectral_radius = Float().tag(sync=True)
    length = Int().tag(sync=True)
    input_size = Float().tag(sync=True)

    def __init__(
        self,
        x: Any,
        weights: Any,
        spectral_radius: float = 0.9,
        length: int = 100,
        input_size: float = 0.3,
        **kwargs: Any,
    ) -> None:
        units, inputs = len(weights.W_hh), np.shape(x)[-1]
        if not 1 <= units <= 64:
            raise TraitError(f"W_hh must have 1 to 64 rows here, not {units}.")
        network = {
            "x": array("x", x, (len(x), 1, inputs))[:, 0],
            "W_hx": array("W_hx", weights.W_hx, (units, inputs)),
            "W_hh": array("W_hh", weights.W_hh, (units, units)),
        }
        radius = np.abs(np.linalg.eigvals(network["W_hh"])).max()
        if radius == 0:
            raise TraitError("W_hh must have an eigenvalue other than 0, else no factor gives it a spectral radius.")
        network["W_hh"] = network["W_hh"] / radius
        super().__init__(**kwargs)
        for name, value in network.items():
            self.set_trait(name, value.tolist())
        self.set_trait("length", length)  # after x, which says how long it may be
        self.set_trait("spectral_radius", spectral_radius)
        self.set_trait("input_size", input_size)

    @validate("spectral_radius")
    def _check_spectral_radius(self, proposal: Any) -> float:
        return checked(proposal, "a number > 0 and <= 10", lambda value: 0 < value <= 10)

    @validate("length")
    def _check_length(self, proposal: Any) -> int:
        longest = len(self.x)
        return checked(proposal, f"an integer from 1 to {longest}", lambda value: 1 <= value <= longest)

    @validate("input_size")
    def _check_input_size(self, proposal: Any) -> float:
        return checked(proposal, "a number from 0 to 10", lambda value: 0 <= value <= 10)
