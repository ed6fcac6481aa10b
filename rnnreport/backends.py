"""Which code runs a recurrence: the torch operations of :mod:`rnnreport.recurrence`, or the optional native kernels."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

from torch import Tensor

Backend = Literal["torch", "native", "auto"]


def kernels(backend: Backend, *tensors: Tensor) -> ModuleType | None:
    """The native kernels where they are asked for and can be used."""
    return None


def in_use(backend: Backend) -> str:
    """What that backend comes to on this machine, for the provenance of a run."""
    return "torch"
