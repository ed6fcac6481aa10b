"""What the engine for many runs costs: against plain loops of the same runs, one loop a core."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from rnnreport import runs, sweep
from rnnreport.configuration import Recipe
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.training import use_one_thread


@dataclass(frozen=True)
class Round:
    """Seconds, from nothing running to the last run's end."""

    loops: float
    engine: float

    @property
    def overhead(self) -> float:
        """What the engine takes longer, as a share of what the loops take."""
        return self.engine / self.loops - 1


def rounds(seconds: float = 10.0, each: int = 4, number: int = 5) -> Iterator[Round]:
    """The same runs by both, in turn: ``each`` for every core, of about so many seconds; who is first alternates."""
    cores = sweep.cores()
    steps = max(10, round(seconds / _seconds_a_step()))
    configurations = [_configuration(seed, steps) for seed in range(cores * each)]
    for index in range(number):
        if index % 2:
            engine = _by_engine(configurations, cores)
            yield Round(_by_loops(configurations, cores), engine)
        else:
            loops = _by_loops(configurations, cores)
            yield Round(loops, _by_engine(configurations, cores))


def summary(measured: list[Round]) -> str:
    """The median overhead and its quartiles, in words."""
    overheads = [one.overhead for one in measured]
    first, _, third = quantiles(overheads, n=4, method="inclusive") if len(measured) > 1 else overheads * 3
    return f"overhead of the engine {median(overheads):+.1%} (quartiles {first:+.1%} to {third:+.1%})"


def _configuration(seed: int, steps: int) -> PalindromeRun:
    return PalindromeRun(
        model="lstm", length=20, hidden_size=64, batch_size=64, recipe=Recipe(steps=steps, seed=seed, record_every=100)
    )


def _by_loops(configurations: list[PalindromeRun], cores: int) -> float:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        loops = [
            context.Process(target=_loop, args=(configurations[core::cores], Path(folder))) for core in range(cores)
        ]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join()
        seconds = time.monotonic() - started
        if len(list(Path(folder).glob("*/run.json"))) < len(configurations):
            raise RuntimeError("a plain loop failed, see above")
        return seconds


def _loop(configurations: list[PalindromeRun], folder: Path) -> None:
    use_one_thread()
    for configuration in configurations:
        place = folder / str(configuration.seed)
        place.mkdir()
        runs.finish(place, train_palindromes, configuration, train_palindromes(configuration, place))


def _by_engine(configurations: list[PalindromeRun], cores: int) -> float:
    before = os.environ.get(runs.RUNS_DIR)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[runs.RUNS_DIR] = folder
        try:
            started = time.monotonic()
            with sweep.on(workers=cores):
                runs.run_all(train_palindromes, configurations, "engine")
                return time.monotonic() - started
        finally:
            os.environ.pop(runs.RUNS_DIR)
            if before is not None:
                os.environ[runs.RUNS_DIR] = before


def _seconds_a_step() -> float:
    """Of one training alone, with what comes after its last step left out."""
    use_one_thread()
    with tempfile.TemporaryDirectory() as folder:
        table = train_palindromes(_configuration(0, 200), Path(folder))
    seconds = table["seconds"]
    return float(seconds.iloc[-1] - seconds.iloc[-2]) / float(table["step"].iloc[-1] - table["step"].iloc[-2])
