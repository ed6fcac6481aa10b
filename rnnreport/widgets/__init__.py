"""Things a reader can move: one class here, one JavaScript module of the same name beside it.

What a widget shows is computed in its module, so that it moves in the built page, where there is no kernel; in
JupyterLab its traits follow the controls and the controls follow its traits. ``page.js`` holds what the modules share
and ``widgets.css`` serves them all. A module exports what it computes as plain functions, for the tests to hold against
the library's, and ``{ render }`` by default.
"""

from __future__ import annotations

import base64
import copy
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from traitlets import Dict, Float, Int, List, TraitError, Unicode, observe, validate

if TYPE_CHECKING:
    from rnnreport.models import PalindromeClassifier

HERE = Path(__file__).parent


def _module(name: str) -> str:
    """A module as one file: the page has no address to import from, so ``page.js`` stands where it is imported."""
    shared = (HERE / "page.js").read_text(encoding="utf-8")
    source = (HERE / name).read_text(encoding="utf-8")
    return re.sub(r'^import [^;]* from "\./page\.js";\n', lambda _: shared, source, flags=re.MULTILINE)


class TemporalGate(anywidget.AnyWidget):
    """The openness k(t) of the temporal gate, equation (12), with sliders for its three parameters.

    tau: period, > 0; s: shift; both in steps; r_on: open ratio, in (0, 1]; steps: the drawing runs from t = 0 to this
    step, >= 1. A value outside raises a TraitError that says so, here and on assignment.

    >>> gate = TemporalGate(tau=6.0, s=3.0, r_on=0.2)
    >>> gate.tau = 8.0  # the drawing follows
    """

    _esm = _module("temporal_gate.js")
    _css = HERE / "widgets.css"

    tau = Float(6.0).tag(sync=True)
    s = Float(3.0).tag(sync=True)
    r_on = Float(0.2).tag(sync=True)
    steps = Int(24).tag(sync=True)

    def __init__(self, tau: float = 6.0, s: float = 3.0, r_on: float = 0.2, steps: int = 24, **kwargs: Any) -> None:
        super().__init__(tau=tau, s=s, r_on=r_on, steps=steps, **kwargs)

    @validate("tau")
    def _check_tau(self, proposal: Any) -> float:
        return _checked(proposal, "a finite number > 0", lambda value: 0 < value < math.inf)

    @validate("s")
    def _check_s(self, proposal: Any) -> float:
        return _checked(proposal, "a finite number", math.isfinite)

    @validate("r_on")
    def _check_r_on(self, proposal: Any) -> float:
        return _checked(proposal, "a number > 0 and <= 1", lambda value: 0 < value <= 1)

    @validate("steps")
    def _check_steps(self, proposal: Any) -> int:
        return _checked(proposal, "an integer from 1 to 1000", lambda value: 1 <= value <= 1000)


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

    _esm = _module("vanishing_gradient.js")
    _css = HERE / "widgets.css"

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
            "x": _array("x", x, (len(x), 1, inputs))[:, 0],
            "W_hx": _array("W_hx", weights.W_hx, (units, inputs)),
            "W_hh": _array("W_hh", weights.W_hh, (units, units)),
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
        return _checked(proposal, "a number > 0 and <= 10", lambda value: 0 < value <= 10)

    @validate("length")
    def _check_length(self, proposal: Any) -> int:
        longest = len(self.x)
        return _checked(proposal, f"an integer from 1 to {longest}", lambda value: 1 <= value <= longest)

    @validate("input_size")
    def _check_input_size(self, proposal: Any) -> float:
        return _checked(proposal, "a number from 0 to 10", lambda value: 0 <= value <= 10)


FLIPS = (
    *("A.sign", "A.target"),
    *("B.summed", "B.state"),
    *("C.slope", "C.sec", "C.transposed"),
    *("D.sign", "D.output", "D.jacobian"),
    *("E.slope", "E.sec"),
    *("F.last", "F.first", "F.state", "F.input_last", "F.input", "F.bias_last"),
)


class Derivation(anywidget.AnyWidget):
    """The derivation of chapter 1, lines (A) to (F), with switches that put mistakes into it.

    Every line is compared with finite differences in the page, so that a reader sees where an error enters and how far
    it spreads. x: inputs (T, 1, D), T at least 2; y: class labels (1,); weights: W_hx, W_hh, b_h, W_ph, b_p, all as
    :func:`rnnreport.gradients.draw` gives them, with as many classes as hidden units, since one of the mistakes is to
    forget that W_ph is transposed. The time to draw grows with the number of weights: keep them few.

    flips: which switches are flipped, some of ``FLIPS``. Anything else raises a TraitError that says so.

    >>> from rnnreport import gradients
    >>> Derivation(*gradients.draw(3, 1, 2, 3, 3, seed=0)).flips = ["A.sign"]
    """

    _esm = _module("derivation.js")
    _css = HERE / "widgets.css"

    x = List(List(Float()), read_only=True).tag(sync=True)  # (T, D)
    y = Int(read_only=True).tag(sync=True)
    W_hx = List(List(Float()), read_only=True).tag(sync=True)
    W_hh = List(List(Float()), read_only=True).tag(sync=True)
    b_h = List(Float(), read_only=True).tag(sync=True)
    W_ph = List(List(Float()), read_only=True).tag(sync=True)
    b_p = List(Float(), read_only=True).tag(sync=True)
    flips = List(Unicode()).tag(sync=True)

    def __init__(self, x: Any, y: Any, weights: Any, flips: list[str] | None = None, **kwargs: Any) -> None:
        units, inputs = len(weights.W_hh), np.shape(x)[-1]
        if len(x) < 2:
            raise TraitError(f"x must have at least 2 steps here, not {len(x)}.")
        shapes = {"W_hx": (units, inputs), "W_hh": (units, units), "b_h": (units,)}
        shapes |= {"W_ph": (units, units), "b_p": (units,)}  # as many classes as units
        problem = {"x": _array("x", x, (len(x), 1, inputs))[:, 0]}
        problem |= {name: _array(name, getattr(weights, name), shape) for name, shape in shapes.items()}
        label = int(_array("y", y, (1,))[0])
        if not 0 <= label < units:
            raise TraitError(f"y must be a class from 0 to {units - 1}, not {label}.")
        super().__init__(**kwargs)
        for name, value in problem.items():
            self.set_trait(name, value.tolist())
        self.set_trait("y", label)
        self.set_trait("flips", flips or [])

    @validate("flips")
    def _check_flips(self, proposal: Any) -> list[str]:
        return _checked(proposal, f"some of {', '.join(FLIPS)}", lambda value: set(value) <= set(FLIPS))


MAX_DIGITS = 60
PI = "314159265358979323846264338327"  # half of what a reader sees before typing
QUANTITIES = ("c", "h", "i", "f", "o", "g")


class PalindromeReader(anywidget.AnyWidget):
    """A palindrome read by trained networks, step by step: states, gates and the digit that each would say next.

    networks: RNNs and LSTMs by the name that the page calls them, of 128 units at most, each a
    :class:`rnnreport.models.PalindromeClassifier`. Their weights travel as float16, 250 kB for an RNN and an LSTM of
    128 units; :meth:`rounded` gives the network that the page computes with, in float64. trained_length: T of the
    palindromes they were trained on, from 2 to 60; words: for any of the names, what else is said of the network.

    digits: what is read, but for the last, 2 to 60 of 0-9, a palindrome of the trained length by default; step: how
    many of them are read, from 1 to T - 1, about half by default; shown: which of c, h, i, f, o, g is drawn of an LSTM.
    A value outside raises a TraitError that says so, here and on assignment.

    >>> from rnnreport.models import PalindromeClassifier
    >>> networks = {"RNN": PalindromeClassifier("rnn", 8), "LSTM": PalindromeClassifier("lstm", 8)}
    >>> PalindromeReader(networks, 7, words={"LSTM": "not trained"}).digits = "12321"  # the drawing follows
    """

    _esm = _module("palindrome_reader.js")
    _css = HERE / "widgets.css"

    networks = List(Dict(), read_only=True).tag(sync=True)  # name, model, encoding, units, words, weights
    trained_length = Int(read_only=True).tag(sync=True)
    digits = Unicode().tag(sync=True)
    step = Int(1).tag(sync=True)
    shown = Unicode().tag(sync=True)

    def __init__(
        self,
        networks: Mapping[str, PalindromeClassifier],
        trained_length: int,
        digits: str | None = None,
        step: int | None = None,
        shown: str = "c",
        words: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        words = words or {}
        if not networks:
            raise TraitError("networks must hold at least one network.")
        if unknown := set(words) - set(networks):
            raise TraitError(f"words must be of {', '.join(networks)}, not of {', '.join(map(str, unknown))}.")
        packed = [_packed(name, network, words.get(name, "")) for name, network in networks.items()]
        super().__init__(**kwargs)
        self.set_trait("networks", packed)
        self.set_trait("trained_length", trained_length)
        if digits is None:
            left = PI[: (trained_length + 1) // 2]
            digits = left + left[::-1][trained_length % 2 :]
        self.set_trait("digits", digits)
        self.set_trait("step", len(digits) // 2 if step is None else step)  # after digits, which say how many there are
        self.set_trait("shown", shown)

    @staticmethod
    def rounded(network: PalindromeClassifier) -> PalindromeClassifier:
        """A copy of the network with its weights rounded to float16, in the dtype they have."""
        copied = copy.deepcopy(network)
        copied.load_state_dict({name: weight.half() for name, weight in network.state_dict().items()})
        return copied

    @validate("trained_length")
    def _check_trained_length(self, proposal: Any) -> int:
        return _checked(proposal, f"an integer from 2 to {MAX_DIGITS}", lambda value: 2 <= value <= MAX_DIGITS)

    @validate("digits")
    def _check_digits(self, proposal: Any) -> str:
        allowed = f"2 to {MAX_DIGITS} of the digits 0 to 9"
        return _checked(proposal, allowed, lambda value: re.fullmatch(f"[0-9]{{2,{MAX_DIGITS}}}", value))

    @observe("digits")
    def _shorten(self, change: Any) -> None:
        self.step = min(self.step, len(change.new) - 1)

    @validate("step")
    def _check_step(self, proposal: Any) -> int:
        last = len(self.digits) - 1
        return _checked(proposal, f"an integer from 1 to {last}", lambda value: 1 <= value <= last)

    @validate("shown")
    def _check_shown(self, proposal: Any) -> str:
        return _checked(proposal, f"one of {', '.join(QUANTITIES)}", lambda value: value in QUANTITIES)


def _packed(name: str, network: PalindromeClassifier, words: str) -> dict[str, Any]:
    """The network as the page gets it; its weights as float16 in base64, matrices row by row. Raises TraitError."""
    from rnnreport.models import RNN, PalindromeClassifier, TemporalGateLSTM  # torch comes with the network only

    if not isinstance(network, PalindromeClassifier):
        raise TraitError(f"{name} must be a PalindromeClassifier, not {type(network).__name__}.")
    recurrence = network.recurrence
    if isinstance(recurrence, TemporalGateLSTM):
        raise TraitError(f"{name} must be an RNN or an LSTM here, without a temporal gate.")
    units, classes = recurrence.hidden_size, len(network.W_ph)
    if units > 128:
        raise TraitError(f"{name} must have at most 128 units here, not {units}.")
    if classes != 10:
        raise TraitError(f"{name} must have 10 classes, one a digit, not {classes}.")
    of_layer = dict(zip(("weight_ih", "weight_hh", "bias"), recurrence.weights(0)))
    arrays = []
    for part, weight in {**of_layer, "W_ph": network.W_ph, "b_p": network.b_p}.items():
        array = _array(f"{part} of {name}", weight.detach().cpu().numpy(), tuple(weight.shape))
        if np.abs(array).max() > np.finfo(np.float16).max:
            raise TraitError(f"{part} of {name} must hold numbers within ±65504, the range of float16.")
        arrays.append(array.ravel())
    weights = base64.b64encode(np.concatenate(arrays).astype("<f2").tobytes()).decode("ascii")
    model = "rnn" if isinstance(recurrence, RNN) else "lstm"
    return {
        "name": name,
        "model": model,
        "encoding": network.encoding,
        "units": units,
        "words": words,
        "weights": weights,
    }


def _checked(proposal: Any, allowed: str, holds: Any) -> Any:
    """The proposed value, or a TraitError that names the trait, the value and what is allowed (NaN never is)."""
    if not holds(proposal.value):
        raise TraitError(f"{proposal.trait.name} must be {allowed}, not {proposal.value!r}.")
    return proposal.value


def _array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as float64 numbers of that shape, or a TraitError."""
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape or 0 in shape:
        raise TraitError(f"{name} must have shape {shape} here, not {array.shape}.")
    if not np.isfinite(array).all():
        raise TraitError(f"{name} must hold finite numbers only.")
    return array
