"""Which code runs a recurrence: the torch operations of :mod:`rnnreport.recurrence`, or the optional native kernels.

"torch" runs everywhere. "native" compiles the C++ of ``rnnreport/native/`` at first use. If that fails, or a tensor is
not float32 on the CPU, torch does the work and the log says so once. It multiplies float32, so results on different
machines agree up to rounding. "auto" is the same, but logs at a lower level if nothing is broken: no folder, no
compiler, or such a tensor. "native-bf16" is "native", but the LSTM without a temporal gate multiplies bfloat16 on
processors that do so fast (AMX). It is the fastest backend, but its digits on such a machine differ from all others.
"""

from __future__ import annotations

import importlib
import logging
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Backend = Literal["torch", "native", "native-bf16", "auto"]


def check_backend(name: str) -> None:
    """Raises ValueError for a backend that does not exist."""
    if name not in get_args(Backend):
        raise ValueError(f"backend must be one of {', '.join(get_args(Backend))}, not {name!r}")


def kernels(backend: Backend, *tensors: Tensor) -> ModuleType | None:
    """The module of native kernels, or None if torch is to run: as requested, or since no kernel takes these tensors.

    Raises ValueError for a backend that does not exist.
    """
    check_backend(backend)
    if backend == "torch":
        return None
    for tensor in tensors:
        import torch  # here, since backend names are checked before any work

        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            _say_once(backend, f"they take float32 on the CPU, not {tensor.dtype} on {tensor.device}")
            return None
    module, reason, broken = _native()
    if module is None:
        _say_once(backend, reason, broken)
    return module


def in_use(backend: Backend) -> str:
    """For a run's provenance: which code runs float32 recurrences on the CPU of this machine.

    "torch", or "native" with the type that it multiplies, bf16 or float32, and a hash of its sources. If torch has
    not been imported yet and the built library is intact, this does not import torch, except for "native-bf16".
    Raises ValueError for a backend that does not exist.
    """
    check_backend(backend)
    if backend in ("native", "auto") and "torch" not in sys.modules:
        try:
            library = _module("library")
            if library.is_built():
                return library.description("float32")
        except Exception:  # kernels() reports any error
            pass
    native = kernels(backend)
    return native.description(backend) if native else "torch"


def _module(name: str) -> ModuleType:
    # Imported by name, so that nothing depends on that folder and it cannot change results of the torch backend.
    return importlib.import_module(f"rnnreport.native.{name}")


@cache
def _native() -> tuple[ModuleType | None, str, bool]:
    """The native kernels or None, the reason, and whether it is a fault and not just a machine without a compiler."""
    try:
        return _module("autograd"), "", False
    except Exception as error:  # compilers, file systems and loaders raise many kinds
        words = str(error).strip() or type(error).__name__
        reason = next((line for line in words.splitlines() if "error" in line), words.splitlines()[0])
        missing = isinstance(error, ImportError) and (error.name or "").startswith("rnnreport.native")
        return None, reason, not missing


_said: set[tuple[Backend, str]] = set()


def _say_once(backend: Backend, reason: str, broken: bool = False) -> None:
    if (backend, reason) not in _said:
        _said.add((backend, reason))
        level = logging.INFO if backend == "auto" and not broken else logging.WARNING
        logging.getLogger("rnnreport").log(level, "Going on with torch instead of the native kernels: %s", reason)
