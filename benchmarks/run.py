"""All comparisons, one after the other, into one record: ``rnnreport bench``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gate import Gated
from benchmarks.measure import conditions, interleaved, seconds_of
from benchmarks.networks import Naive, Parts, TorchNN, Training, products
from benchmarks.tasks import Characters, Palindromes, Task
from rnnreport import checksums
from rnnreport.backends import Backend, kernels
from rnnreport.configuration import ModelName
from rnnreport.experiments import speed
from rnnreport.parameters import ParameterError
from rnnreport.sampling import probabilities, sample
from rnnreport.training import use_one_thread

SECONDS = {
    "C": 20.0,
    "P": 6.0,
    "gate": 6.0,
    "sampling": 10.0,
    "page": 3.0,
}  # a comparison's rounds may take, for each part
CELLS: tuple[ModelName, ...] = ("lstm", "rnn")
LENGTHS = (5, 10, 30, 100, 200)
GATE_LENGTHS, OPEN_RATIOS = (100, 300, 1000), (0.02, 0.05, 0.1, 0.3, 1.0)
PAGE_LENGTHS, PAGE_SIZES = (5, 10, 20, 50, 100), (64, 128)


class LeftOutError(RuntimeError):
    """A contender that cannot compete on this machine; the message is the reason."""


@dataclass(frozen=True)
class Comparison:
    """Contenders that do the same work in one process, and the one the others are held against."""

    task: str
    cell: str
    length: int
    baseline: str
    contenders: dict[str, Callable[[], Parts]]
    open_ratio: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


def run(only: str | None = None, quick: bool = False) -> speed.Record:
    """Measure the named tasks, all of them by default, and return the record.

    only: names of tasks, with commas between. quick: tiny networks and two rounds, for tests.
    What falls short of an aim is profiled. Raises ParameterError.
    """
    chosen = tasks_named(only)
    use_one_thread()
    record: speed.Record = {"conditions": conditions() | {"quick": quick}, "apart": {}, "comparisons": []}
    started, done = time.monotonic(), {}
    for comparison in comparisons(chosen, quick):
        entries = measured(comparison, quick)
        record["comparisons"] += entries
        done[speed.name_of(entries[0])] = comparison
        _report(entries, time.monotonic() - started)
    for aim, entry, _ in (each for each in speed.checked(record) if not each.met):
        parts = done[speed.name_of(entry)].contenders[aim.contender]()
        entry["contenders"][aim.contender]["profile"] = profile(parts[entry["part"]], quick)
    return record


def profiles(only: str | None = None, quick: bool = False) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A name and a :func:`profile` for everything of ours at the named tasks. Raises ParameterError."""
    chosen = tasks_named(only)
    use_one_thread()
    for comparison in comparisons(chosen, quick):
        for name in (speed.OURS, speed.NATIVE, speed.SPARSE, speed.SPARSE_NATIVE):
            if name in comparison.contenders:
                try:
                    parts = comparison.contenders[name]()
                except LeftOutError:
                    continue
                part = list(parts)[-1]
                yield f"{speed.name_of(vars(comparison))}, {part}: {name}", profile(parts[part], quick)


def tasks_named(only: str | None) -> list[str]:
    """The names in a list with commas. Raises ParameterError for one that there is not."""
    chosen = list(speed.TASKS) if only is None else [name.strip() for name in only.split(",")]
    for name in chosen:
        if name not in speed.TASKS:
            raise ParameterError(f"--only must name tasks among {', '.join(speed.TASKS)}, not {name!r}")
    return chosen


def comparisons(tasks: list[str], quick: bool = False) -> Iterator[Comparison]:
    """What is compared at these tasks."""
    small: Any = {"hidden_size": 8, "batch_size": 4} if quick else {}
    characters = Characters(**small)
    if "C" in tasks:
        yield Comparison("C", "lstm", characters.length, speed.TORCH_NN, contenders(characters))
    if "P" in tasks:
        for cell, length in product(CELLS, (5, 10) if quick else LENGTHS):
            yield Comparison("P", cell, length, speed.TORCH_NN, contenders(Palindromes(cell, length, **small)))
    if "gate" in tasks:
        for length, open_ratio in product((20,) if quick else GATE_LENGTHS, (0.05, 1.0) if quick else OPEN_RATIOS):
            task = Palindromes("temporal-gate", length, **small)
            yield Comparison("gate", task.cell, length, speed.DENSE, gated(task, open_ratio), open_ratio)
    if "sampling" in tasks:
        length = 20 if quick else 1_000
        yield Comparison(
            "sampling", "lstm", length, speed.TORCH_NN, samplers(characters, length), details={"characters": length}
        )
    if "page" in tasks:
        cells: tuple[ModelName, ...] = ("rnn", "lstm", "temporal-gate")
        for cell, size, length in product(cells, (8,) if quick else PAGE_SIZES, (5,) if quick else PAGE_LENGTHS):
            task = Palindromes(cell, length, size, batch_size=4 if quick else 64, optimizer="adam")
            yield Comparison("page", cell, length, speed.TORCH_NN, in_page(task), details={"hidden_size": size})


def contenders(task: Task) -> dict[str, Callable[[], Parts]]:
    """Who trains on characters and palindromes."""

    def training(network: Callable[[], nn.Module], precision: str = "highest") -> Callable[[], Parts]:
        return lambda: Training(task, network(), task.batches(), precision).parts()

    return {
        speed.TORCH_NN: training(lambda: TorchNN(task.network())),
        speed.OURS: training(task.network),
        speed.MEDIUM: training(task.network, "medium"),
        speed.NATIVE: training(lambda: task.network(_native())),
        speed.NATIVE_BF16: training(lambda: task.network(_native("native-bf16"))),
        speed.BFLOAT16: training(lambda: TorchNN(task.network(), bfloat16=True)),
        speed.NAIVE: lambda: Training(task, Naive(task.network()), task.batches_one_by_one()).parts(),
        speed.JAX: lambda: _jax(task),
        speed.FLOOR: lambda: products(task),
    }


def gated(task: Palindromes, open_ratio: float) -> dict[str, Callable[[], Parts]]:
    """The passes behind the temporal gate. The learning rate is next to nothing, so that the gates stay as set."""
    still = replace(task, learning_rate=1e-9)

    def training(how: Callable[[], Literal["dense"] | Backend]) -> Callable[[], Parts]:
        return lambda: Training(still, Gated(task, open_ratio, how()), task.batches()).parts()

    return {
        speed.DENSE: training(lambda: "dense"),
        speed.SPARSE: training(lambda: "torch"),
        speed.SPARSE_NATIVE: training(lambda: _native()),
    }


def in_page(task: Palindromes) -> dict[str, Callable[[], Parts]]:
    """The page's network and torch.nn's, which for the gate is an LSTM without one. Gates stay as set, see gated()."""
    if task.cell == "temporal-gate":
        task = replace(task, learning_rate=1e-9)
    theirs = task if task.cell == "rnn" else replace(task, cell="lstm")
    return {
        speed.TORCH_NN: lambda: {speed.FULL_STEP: Training(theirs, TorchNN(theirs.network()), theirs.batches()).step},
        speed.PAGE: lambda: _page(task),
    }


def samplers(task: Characters, length: int) -> dict[str, Callable[[], Parts]]:
    """Who writes, one character at a time, the state carried on."""

    def ours(backend: Callable[[], Backend]) -> Callable[[], Parts]:
        def parts() -> Parts:
            model, generator = task.network(backend()), torch.Generator().manual_seed(0)
            return {speed.SAMPLING: lambda: sample(model, torch.tensor([0]), length, generator=generator)}

        return parts

    def stepped() -> Parts:
        model, generator = TorchNN(task.network()), torch.Generator().manual_seed(0)
        return {speed.SAMPLING: lambda: sample_by_torch_nn(model, length, generator)}

    return {
        speed.TORCH_NN: stepped,
        speed.OURS: ours(lambda: "torch"),
        speed.NATIVE: ours(_native),
    }


def sample_by_torch_nn(model: TorchNN, length: int, generator: torch.Generator) -> Tensor:
    """Characters (length,) from torch.nn.LSTM a step at a time, after symbol 0, at temperature 1."""
    symbol, state, chosen = torch.zeros(1, 1, dtype=torch.long), None, []
    with torch.inference_mode():
        for _ in range(length):
            h, state = model.recurrence(F.one_hot(symbol, model.recurrence.input_size).float(), state)
            logits = F.linear(h[0], model.W_out, model.b_out)
            symbol = torch.multinomial(probabilities(logits, 1.0), 1, generator=generator)
            chosen.append(symbol)
    return torch.cat(chosen).flatten()


def measured(comparison: Comparison, quick: bool = False) -> list[dict[str, Any]]:
    """The comparison's entries in the record, one for each part that is timed."""
    made, left_out = {}, {}
    for name, make in comparison.contenders.items():
        try:
            made[name] = make()
        except LeftOutError as error:
            left_out[name] = str(error)
    entries = []
    for part in made[comparison.baseline]:
        calls = {name: parts[part] for name, parts in made.items()}
        try:
            if quick:
                times = interleaved(calls, seconds=0, least=2, most=2, turn=0)
            else:
                times = interleaved(calls, SECONDS[comparison.task])
        finally:
            torch.set_float32_matmul_precision("highest")
        entry = {key: getattr(comparison, key) for key in ("task", "cell", "length", "open_ratio", "baseline")}
        entry |= {"part": part, **comparison.details, "contenders": times, "left_out": left_out}
        for name in times:
            ratio, *quartiles = (round(value, 4) for value in speed.ratio(entry, name, comparison.baseline))
            times[name] |= {"milliseconds": median(times[name]["rounds"]), "ratio": ratio, "quartiles": quartiles}
        entries.append(entry)
    return entries


def profile(call: Callable[[], object], quick: bool = False, most: int = 8) -> list[dict[str, Any]]:
    """Where a call's time goes: the operations that take most of it, each with its share and how often it is called."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler tells the terminal when it starts and stops
    call()
    times = 3 if quick else max(3, round(0.2 / seconds_of(call)))  # the events take long to sum up
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(times):
            call()
    torch.set_float32_matmul_precision("highest")
    operations = sorted(profiler.key_averages(), key=lambda operation: -operation.self_cpu_time_total)
    total = sum(operation.self_cpu_time_total for operation in operations)
    return [
        {
            "operation": operation.key,
            "share": round(operation.self_cpu_time_total / total, 3),
            "calls": round(operation.count / times),
        }
        for operation in operations[:most]
    ]


def merged(record: speed.Record, before: speed.Record) -> speed.Record:
    """The record, and what one before has of other tasks. The conditions of the record are then those of its tasks."""
    tasks = {comparison["task"] for comparison in record["comparisons"]}
    kept = [comparison for comparison in before["comparisons"] if comparison["task"] not in tasks]
    if not kept:
        return record
    apart = before["apart"] | {task: record["conditions"] for task in speed.TASKS if task in tasks}
    return {"conditions": before["conditions"], "apart": apart, "comparisons": kept + record["comparisons"]}


def write(record: speed.Record, path: Path) -> None:
    """The record as JSON, a comparison a line; whole or not at all."""
    head = "".join(f"{json.dumps(name)}: {json.dumps(record[name])},\n" for name in ("conditions", "apart"))
    lines = ",\n".join(json.dumps(comparison) for comparison in record["comparisons"])
    checksums.write(path, f'{{{head}"comparisons": [\n{lines}\n]}}\n')


def _native(backend: Backend = "native") -> Backend:
    """The name of a native backend. Raises LeftOutError where it is none of its own on this machine."""
    native = kernels(backend, torch.zeros(1))
    if native is None:
        raise LeftOutError("the native kernel cannot be used on this machine; the log says why")
    if backend == "native-bf16" and not native.fast_bf16:
        raise LeftOutError("this processor has no AMX")
    return backend


def _jax(task: Task) -> Parts:
    try:
        from benchmarks import lax
    except ImportError as error:
        raise LeftOutError(f"JAX is not installed ({error}); .venv/bin/pip install -e '.[bench]' adds it") from error
    return lax.Training(task).parts()


def _page(task: Palindromes) -> Parts:
    from benchmarks import page

    try:
        return page.training(task)
    except RuntimeError as error:
        raise LeftOutError(str(error)) from error


def _report(entries: list[dict[str, Any]], seconds: float) -> None:
    for entry in entries:
        print(f"{speed.name_of(entry)}, {entry['part']} ({seconds:.0f} s so far)")
        for name, times in entry["contenders"].items():
            ratio = f"{speed.ratio(entry, name, entry['baseline'])} times {entry['baseline']}"
            line = f"{times['milliseconds']:9.2f} ms, {ratio}, {len(times['rounds'])} rounds"
            if entry["part"] == speed.SAMPLING:
                line += f", {speed.characters_a_second(entry, name)} characters a second"
            print(f"  {name:20} {line}")
        for name, reason in entry["left_out"].items():
            print(f"  {name:20} left out: {reason}")
    sys.stdout.flush()
