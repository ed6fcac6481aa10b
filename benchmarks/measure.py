"""How a time is taken: one process, one thread, the contenders in turn, round after round."""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from rnnreport.backends import in_use
from rnnreport.provenance import code_version, libraries, machine


class Elsewhere(NamedTuple):
    """What a call returns whose work another process did and timed."""

    seconds: float


def interleaved(
    calls: Mapping[str, Callable[[], object]], seconds: float, least: int = 7, most: int = 60, turn: float = 0.03
) -> dict[str, dict[str, Any]]:
    """Time each call in rounds A B C, B C A, C A B …, so that what slows the machine for a while slows all alike.

    seconds: the rounds' budget; there are at least ``least`` of them and at most ``most``. turn: seconds of a
    contender's turn, which is as many calls as fit in, at least one.
    Returns for each name its ``rounds`` (in each round the median of its calls' times, milliseconds) and ``cores``, the
    processor time of all threads of this process over the time passed.
    """
    repeats = {}
    for name, call in calls.items():
        call()  # compiles, allocates
        repeats[name] = max(1, round(turn / seconds_of(call)))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    processor, passed = dict.fromkeys(calls, 0.0), dict.fromkeys(calls, 0.0)
    names, started = list(calls), time.perf_counter()
    gc.collect()
    gc.disable()
    try:
        for number in range(most):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                processor_start, start = time.process_time(), time.perf_counter()
                taken[name].append(1e3 * median(seconds_of(calls[name]) for _ in range(repeats[name])))
                processor[name] += time.process_time() - processor_start
                passed[name] += time.perf_counter() - start
            if number + 1 >= least and time.perf_counter() - started > seconds:
                break
    finally:
        gc.enable()
    return {
        name: {
            "cores": round(processor[name] / passed[name], 2),
            "rounds": [float(f"{value:.5g}") for value in taken[name]],
        }
        for name in calls
    }


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    did = call()
    return did.seconds if isinstance(did, Elsewhere) else time.perf_counter() - start


def conditions() -> dict[str, Any]:
    """What the times depend on besides the code: processor, threads, allocator, libraries."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "bfloat16": _bfloat16(),
        "native": in_use("native-bf16"),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "denormals": "flushed" if float(torch.tensor(1.2e-38) * 0.5) == 0 else "kept",
        "allocator": {
            "libc": " ".join(platform.libc_ver()).strip() or platform.system(),
            "freed memory": _freed_memory(),
            "LD_PRELOAD": os.environ.get("LD_PRELOAD", ""),
            **{name: value for name, value in os.environ.items() if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))},
        },
        "libraries": {name: libraries()[name] for name in ("python", "torch", "numpy")} | _jax(),
        "code": code_version("rnnreport.models", "rnnreport.sampling", "rnnreport.training"),
    }


def _freed_memory() -> str:
    """Whether malloc keeps what is freed, seen by the pages that a large tensor needs when it is made again."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return "of unknown whereabouts"
    faults = []
    for _ in range(20):  # the heap needs a few to settle; what is returned faults every time, for all its 16,384 pages
        before = getrusage(RUSAGE_SELF).ru_minflt
        torch.ones(2**24)
        faults.append(getrusage(RUSAGE_SELF).ru_minflt - before)
    return "kept" if min(faults) < 1_000 else "returned"


def _jax() -> dict[str, str]:
    """JAX's version, and whether it too flushes numbers below 1e-38."""
    try:
        from benchmarks.lax import flushes_denormals

        return {"jax": f"{metadata.version('jax')} (denormals {'flushed' if flushes_denormals() else 'kept'})"}
    except ImportError:
        return {}


def _bfloat16() -> str:
    """The processor's instructions that multiply bfloat16, as Linux names them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    except OSError:
        return "unknown"
    return ", ".join(sorted(words & {"amx_bf16", "avx512_bf16"})) or "none"
