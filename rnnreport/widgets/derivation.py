"""The derivation of chapter 1."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
from traitlets import Float, Int, List, TraitError, Unicode, validate

from rnnreport.widgets.page import CSS, Integer, array, checked, module

FLIPS = (
    *("A.sign", "A.target"),
    *("B.summed", "B.state"),
    *("C.slope", "C.sec", "C.transposed"),
    *("D.sign", "D.output", "D.jacobian"),
    *("E.slope", "E.sec"),
    *("F.last", "F.first", "F.state", "F.input_last", "F.input", "F.bias_last"),
)
MAX_BUG = 10**6


class Derivation(anywidget.AnyWidget):
    """The derivation of chapter 1, lines (A) to (F), with switches that put mistakes into it, and bugs to find.

    The page compares every line with finite differences, so that a reader sees where an error enters and how far it
    spreads. x: inputs (T, 1, D), T at least 2; y: class labels (1,); weights: W_hx, W_hh, b_h, W_ph, b_p, all as
    :func:`rnnreport.gradients.draw` gives them. There must be as many classes as hidden units, since one of the
    mistakes is to forget that W_ph is transposed. Drawing takes longer with more weights: keep them few.

    flips: the flipped switches, some of ``FLIPS``; bug: the number of a planted mistake, from 1 on, 0 for none. Of a
    bug the reader sees only its effect on the weights' gradients. Any other value raises a TraitError with a clear
    message.

    >>> from rnnreport import gradients
    >>> Derivation(*gradients.draw(3, 1, 2, 3, 3, seed=0)).flips = ["A.sign"]
    """

    _esm = module("derivation.js")
    _css = CSS

    x = List(List(Float()), read_only=True).tag(sync=True)  # (T, D)
    y = Int(read_only=True).tag(sync=True)
    W_hx = List(List(Float()), read_only=True).tag(sync=True)
    W_hh = List(List(Float()), read_only=True).tag(sync=True)
    b_h = List(Float(), read_only=True).tag(sync=True)
    W_ph = List(List(Float()), read_only=True).tag(sync=True)
    b_p = List(Float(), read_only=True).tag(sync=True)
    flips = List(Unicode()).tag(sync=True)
    bug = Integer(0, min=0, max=MAX_BUG).tag(sync=True)

    def __init__(
        self, x: Any, y: Any, weights: Any, flips: list[str] | None = None, bug: int = 0, **kwargs: Any
    ) -> None:
        units, inputs = len(weights.W_hh), np.shape(x)[-1]
        if len(x) < 2:
            raise TraitError(f"x must have at least 2 steps here, not {len(x)}.")
        shapes = {"W_hx": (units, inputs), "W_hh": (units, units), "b_h": (units,)}
        shapes |= {"W_ph": (units, units), "b_p": (units,)}  # as many classes as units
        problem = {"x": array("x", x, (len(x), 1, inputs))[:, 0]}
        problem |= {name: array(name, getattr(weights, name), shape) for name, shape in shapes.items()}
        label = int(array("y", y, (1,))[0])
        if not 0 <= label < units:
            raise TraitError(f"y must be a class from 0 to {units - 1}, not {label}.")
        super().__init__(**kwargs)
        for name, value in problem.items():
            self.set_trait(name, value.tolist())
        self.set_trait("y", label)
        self.set_trait("flips", flips or [])
        self.set_trait("bug", bug)

    @validate("flips")
    def _check_flips(self, proposal: Any) -> list[str]:
        return checked(proposal, f"some of {', '.join(FLIPS)}", lambda value: set(value) <= set(FLIPS))
