"""The temporal gates of a network's units while they learn."""

from __future__ import annotations

import base64
from typing import Any

import anywidget
import numpy as np
from traitlets import Int, List, TraitError, Unicode, validate

from rnnreport.widgets.page import CSS, MAX_STEPS, MAX_UNITS, Choice, Integer, array, checked, module

MAX_NUMBERS = 6400  # of each of tau, s, r_on: 50 snapshots of 128 units; the three come to 100 kB in base64
AGAINST = ("r_on", "s")


class GateReplay(anywidget.AnyWidget):
    """How the gates of a network's units moved while it was trained, snapshot by snapshot.

    steps: the training steps of the snapshots, S increasing integers, S at least 2; tau, s, r_on: (S, H) each, H at
    most 512 and S H at most 6400; they travel as float32. length: T, from 1 to 1000; units are shown open or shut at
    the whole steps 1…T. weight: (S, H) or (H,), >= 0 and not all 0, how much a unit matters: drawn as strength and
    size. loud: steps of 1…T at which the units read noise. They are shaded, and their share of the openings is drawn
    over training. words: the text below, for example what weight is and where the run is from.

    snapshot: the one that is drawn, from 0 to S - 1; against: "r_on" or "s", drawn against tau. Any other value raises
    a TraitError with a clear message, here and on assignment.

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
    length = Integer(1, min=1, max=MAX_STEPS, read_only=True).tag(sync=True)
    loud = List(Int(), read_only=True).tag(sync=True)
    words = Unicode(read_only=True).tag(sync=True)
    snapshot = Int(0).tag(sync=True)
    against = Choice(AGAINST, "r_on").tag(sync=True)

    def __init__(
        self,
        steps: Any,
        tau: Any,
        s: Any,
        r_on: Any,
        length: int,
        weight: Any = None,
        loud: Any = (),
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
        self.set_trait("loud", list(loud))
        self.set_trait("words", words)
        self.set_trait("snapshot", snapshot)  # after steps, which limit it
        self.set_trait("against", against)

    @validate("loud")
    def _check_loud(self, proposal: Any) -> list[int]:
        last = self.length
        return checked(proposal, f"steps from 1 to {last}", lambda steps: all(1 <= t <= last for t in steps))

    @validate("snapshot")
    def _check_snapshot(self, proposal: Any) -> int:
        last = len(self.steps) - 1
        return checked(proposal, f"an integer from 0 to {last}", lambda value: 0 <= value <= last)


def _single(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as finite float32 numbers of that shape. Raises TraitError."""
    with np.errstate(over="ignore"):
        numbers = array(name, value, shape).astype("<f4")
    _require(name, numbers, "within the range of float32", np.isfinite(numbers))
    return numbers


def _strengths(weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The weight divided by its largest number."""
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
