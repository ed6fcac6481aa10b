"""How the gradients of chapter 1 vanish."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
from traitlets import Bool, Float, Int, List, TraitError, validate

from rnnreport.widgets.page import CSS, Number, array, checked, module

MAX_UNITS = 16


class VanishingGradient(anywidget.AnyWidget):
    """How much of a change of the state is left over the lag T - t, in an RNN and an LSTM of the same weights.

    For the RNN it is ‖∂h(T)/∂h(t)‖₂, see :func:`rnnreport.gradients.jacobian_norms`; for the LSTM
    ‖∂(h, c)(T)/∂(h, c)(t)‖₂ and its part along the cell alone, see :mod:`rnnreport.cell_path`. Sliders move what makes
    them vanish or explode.

    x: inputs (T_max, 1, D); weights: those of the four gates, W_gx (H, D), W_gh (H, H) and so on, both as
    :func:`rnnreport.gradients.lstm_draw` gives them. The RNN has the weights of the input modulation, W_gx and W_gh.
    Recurrent matrices are rescaled to spectral radius 1 and biases are left out, so that states stay at zero without
    input. H is at most 16, so that the drawing follows a slider at once.

    spectral_radius: of all recurrent matrices, in (0, 10]; length: T, from 1 to T_max, the first T inputs are read;
    input_size: a factor on the inputs, in [0, 10]; forget_bias: b_f of every unit, in [-20, 20]. Any other value raises
    a TraitError with a clear message, here and on assignment. lstm: whether the LSTM is drawn, too.

    >>> from rnnreport import gradients
    >>> x, _, weights, *_ = gradients.lstm_draw(200, 1, 3, 16, 2, seed=0)
    >>> VanishingGradient(x, weights).spectral_radius = 1.2  # the drawing follows
    """

    _esm = module("vanishing_gradient.js")
    _css = CSS

    x = List(List(Float()), read_only=True).tag(sync=True)  # (T_max, D)
    weight_ih = List(List(Float()), read_only=True).tag(sync=True)  # (4 H, D), of the gates i, f, g, o
    weight_hh = List(List(Float()), read_only=True).tag(sync=True)  # (4 H, H), each gate's of spectral radius 1
    spectral_radius = Number(0.9, above=0, max=10).tag(sync=True)
    length = Int().tag(sync=True)
    input_size = Number(0.3, min=0, max=10).tag(sync=True)
    forget_bias = Number(3.0, min=-20, max=20).tag(sync=True)
    lstm = Bool(False).tag(sync=True)

    def __init__(
        self,
        x: Any,
        weights: Any,
        spectral_radius: float = 0.9,
        length: int = 100,
        input_size: float = 0.3,
        forget_bias: float = 3.0,
        **kwargs: Any,
    ) -> None:
        units, inputs = len(weights.W_gh), np.shape(x)[-1]
        if not 1 <= units <= MAX_UNITS:
            raise TraitError(f"W_gh must have 1 to {MAX_UNITS} rows here, not {units}.")
        x = array("x", x, (len(x), 1, inputs))[:, 0]
        weight_ih, weight_hh = [], []
        for gate in "ifgo":
            weight_ih += array(f"W_{gate}x", getattr(weights, f"W_{gate}x"), (units, inputs)).tolist()
            recurrent = array(f"W_{gate}h", getattr(weights, f"W_{gate}h"), (units, units))
            radius = np.abs(np.linalg.eigvals(recurrent)).max()
            if radius == 0:
                raise TraitError(
                    f"W_{gate}h must have an eigenvalue other than 0, else no factor gives it a spectral radius."
                )
            weight_hh += (recurrent / radius).tolist()
        super().__init__(**kwargs)
        self.set_trait("x", x.tolist())
        self.set_trait("weight_ih", weight_ih)
        self.set_trait("weight_hh", weight_hh)
        self.set_trait("length", length)  # after x, which limits it
        self.set_trait("spectral_radius", spectral_radius)
        self.set_trait("input_size", input_size)
        self.set_trait("forget_bias", forget_bias)

    @validate("length")
    def _check_length(self, proposal: Any) -> int:
        longest = len(self.x)
        return checked(proposal, f"an integer from 1 to {longest}", lambda value: 1 <= value <= longest)
