"""What the widgets' classes share; ``page.js`` holds what their scripts share."""

from __future__ import annotations

import base64
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from traitlets import Enum, Float, Int, TraitError

from rnnreport.shown import brief

HERE = Path(__file__).parent
CSS = HERE / "widgets.css"
MAX_STEPS, MAX_UNITS = 1000, 512  # of the temporal gate's widgets


def module(name: str, kernels: bytes = b"") -> str:
    """A module as one file, since the page has no address to import from.

    Each ``import … from "./other.js";`` gives way to that module, with what it imports in turn; a module that stands
    there already is not repeated. ``import NAME from "./kernels.ts";`` gives way to a constant: ``kernels``, what that
    file is compiled to, in base64.
    """
    there = set()

    def whole(name: str) -> str:
        if name in there:
            return ""
        there.add(name)
        source = (HERE / name).read_text(encoding="utf-8")
        return re.sub(r'^import ([^;]*) from "\./(\w+\.(?:js|ts))";\n', imported, source, flags=re.MULTILINE)

    def imported(found: re.Match[str]) -> str:
        if found[2].endswith(".js"):
            return whole(found[2])
        return f'const {found[1]} = "{base64.b64encode(kernels).decode("ascii")}";\n'

    return whole(name)


class _Clear:
    """Mixed into a trait: refuses any other value in one sentence, with the trait's name and all that is allowed."""

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as the trait holds it. Raises TraitError."""
        with suppress(TraitError):
            taken = super().validate(obj, value)  # type: ignore[misc]
            if self.holds(taken):
                return taken
        raise TraitError(f"{self.name} must be {self.info()}, not {brief(value)}.")  # type: ignore[attr-defined]

    def holds(self, value: Any) -> bool:
        """Whether a value that the trait itself would take is allowed."""
        return True


class Number(_Clear, Float):
    """A finite number above ``above``, from ``min`` to ``max``. (traitlets' own takes NaN within any bounds.)"""

    def __init__(self, default_value: float, above: float = -math.inf, **bounds: Any) -> None:
        super().__init__(default_value, **bounds)
        self.above = above

    def holds(self, value: float) -> bool:
        """See the class."""
        return self.above < value < math.inf

    def info(self) -> str:
        """What is allowed."""
        limits = {">": self.above, ">=": self.min, "<=": self.max}
        allowed = " and ".join(f"{sign} {limit:g}" for sign, limit in limits.items() if math.isfinite(limit))
        return f"a finite number {allowed}".strip()


class Integer(_Clear, Int):
    """An integer from ``min`` to ``max``, which must both be given."""

    def info(self) -> str:
        """What is allowed."""
        return f"an integer from {self.min} to {self.max}"


class Choice(_Clear, Enum):
    """One of some words or numbers."""

    def info(self) -> str:
        """What is allowed."""
        return f"one of {', '.join(map(str, self.values or ()))}"


def checked(proposal: Any, allowed: str, holds: Any) -> Any:
    """The proposed value. Raises a TraitError with the trait's name, the value and what is allowed (NaN never is)."""
    if not holds(proposal.value):
        raise TraitError(f"{proposal.trait.name} must be {allowed}, not {brief(proposal.value)}.")
    return proposal.value


def array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as float64 numbers of that shape. Raises TraitError."""
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape or 0 in shape:
        raise TraitError(f"{name} must have shape {shape} here, not {array.shape}.")
    if not np.isfinite(array).all():
        raise TraitError(f"{name} must hold finite numbers only.")
    return array
