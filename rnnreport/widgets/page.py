"""What the widgets share on Python's side, as ``page.js`` is what their modules share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from traitlets import TraitError

from rnnreport.shown import brief

HERE = Path(__file__).parent
CSS = HERE / "widgets.css"
MAX_STEPS, MAX_UNITS = 1000, 512  # of the temporal gate's widgets


def module(name: str) -> str:
    """A module as one file, since the page has no address to import from.

    Each ``import … from "./other.js";`` gives way to that module, with what it imports in turn; a module that stands
    there already is not repeated.
    """
    there = set()

    def whole(name: str) -> str:
        if name in there:
            return ""
        there.add(name)
        source = (HERE / name).read_text(encoding="utf-8")
        return re.sub(
            r'^import [^;]* from "\./(\w+\.js)";\n', lambda found: whole(found[1]), source, flags=re.MULTILINE
        )

    return whole(name)


def checked(proposal: Any, allowed: str, holds: Any) -> Any:
    """The proposed value, or a TraitError that names the trait, the value and what is allowed (NaN never is)."""
    if not holds(proposal.value):
        raise TraitError(f"{proposal.trait.name} must be {allowed}, not {brief(proposal.value)}.")
    return proposal.value


def array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as float64 numbers of that shape, or a TraitError."""
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape or 0 in shape:
        raise TraitError(f"{name} must have shape {shape} here, not {array.shape}.")
    if not np.isfinite(array).all():
        raise TraitError(f"{name} must hold finite numbers only.")
    return array
