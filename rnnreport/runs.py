"""The store of finished runs: each run's configuration, its result, and its provenance.

A run is ``function(configuration, folder, on_steps)``, which returns a table and may leave weights in the folder. Its
name in the store is a hash of its configuration and of the code that determines its numbers: a stored run need not run
again, a changed one does. It is put in place whole, by renaming. Until then its checkpoints lie beside it, and an
interrupted run resumes. A run whose files do not match the hashes in its ``SHA256SUMS`` counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from filelock import FileLock
from pydantic import BaseModel

from rnnreport import checksums, storage, sweep
from rnnreport.backends import Backend, in_use
from rnnreport.configuration import CHECKPOINT, Recipe
from rnnreport.errors import ReaderError
from rnnreport.origin import RUNS_DIR as RUNS_DIR
from rnnreport.origin import line, read, store
from rnnreport.provenance import PLUMBING, code_version, commit, libraries, machine

if TYPE_CHECKING:  # this module comes with the command line, which does without pandas, training and torch
    import pandas as pd

FILES = ("run.json", "table.parquet", "weights-*.safetensors")  # of a finished run; their hashes are beside them

OnSteps = Callable[[int], None]
RunFunction = Callable[[Any, Path, OnSteps], "pd.DataFrame"]


class RunError(ReaderError, RuntimeError):
    """A run that failed; the message names it and says why."""


class Configuration(BaseModel, extra="forbid", frozen=True):
    """The complete settings of a run: equal configurations give equal results."""

    recipe: Recipe
    backend: Backend = "torch"

    @classmethod
    def of_settings(cls, steps: int, seed: int, **settings: Any) -> Self:
        """A configuration with these settings, including those of its recipe."""
        recipe = {name: settings.pop(name) for name in list(settings) if name in Recipe.model_fields}
        return cls(recipe=Recipe(steps=steps, seed=seed, **recipe), **settings)

    @property
    def steps(self) -> int:
        """Steps of training."""
        return self.recipe.steps

    @property
    def seed(self) -> int:
        """Seed of the weights and of the batches."""
        return self.recipe.seed


C = TypeVar("C", bound=Configuration)


@dataclass(frozen=True)
class Run:
    """A finished run: its configuration, its table, its provenance and the folder with its weights."""

    configuration: Any
    table: pd.DataFrame
    provenance: dict[str, Any]
    folder: Path


def run_all(function: RunFunction, configurations: Sequence[Configuration], name: str = "runs") -> list[Run]:
    """Every configuration's run, in their order: from the store, or run now in parallel, with one thread each.

    Results do not depend on how many run at once. If one failed, raises RunError after all others are done.
    """
    keys = [key_of(function, configuration) for configuration in configurations]  # once: files may be edited meanwhile
    asked = dict(zip(keys, configurations))
    damage = {key: damage_of(store() / key) for key in asked}
    missing = {key: asked[key] for key, reason in damage.items() if reason}
    if damaged := [damage[key] for key in missing if (store() / key).exists()]:
        logging.getLogger("rnnreport").warning(
            "Of the stored runs %d cannot be read and are made again; the first: %s", len(damaged), damaged[0]
        )
    if missing:
        _run_missing(function, missing, name)
    return [load(store() / key, type(configuration)) for key, configuration in zip(keys, configurations)]


def key_of(function: RunFunction, configuration: Configuration) -> str:
    """The run's name in the store."""
    what = {
        "function": f"{function.__module__}.{function.__qualname__}",
        "code": _code_of(function),
        "torch": libraries()["torch"],
        "backend": in_use(configuration.backend),
        "configuration": configuration.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:20]


def configuration_of(folder: Path, configuration: type[C]) -> C:
    """A finished run's configuration. Raises OSError, ValueError, KeyError or TypeError if it cannot be read."""
    return configuration.model_validate(read(folder)["configuration"])


def _code_of(function: RunFunction) -> str:
    """The version of the code that determines the numbers of the function's runs."""
    return code_version(function.__module__, without=PLUMBING)


def load(folder: Path, configuration: type[Configuration]) -> Run:
    """A finished run from its folder. Raises OSError, ValueError or KeyError if it cannot be read."""
    record = read(folder)
    table = read_table(checksums.verify(folder / "table.parquet"))
    return Run(configuration.model_validate(record["configuration"]), table, record["provenance"], folder)


def damage_of(folder: Path) -> str:
    """Why the run in this folder cannot be used, in one sentence; "" if it can."""
    try:
        checksums.verify_folder(folder, "run.json", "table.parquet")
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def finish(folder: Path, function: RunFunction, configuration: Configuration, table: pd.DataFrame) -> None:
    """Write a run's table, its record and the hashes of its files into its folder, in this order."""
    record = {
        "configuration": configuration.model_dump(mode="json"),
        "provenance": {
            "function": f"{function.__module__}.{function.__qualname__}",
            "code": _code_of(function),
            "commit": commit(),
            "libraries": libraries(),
            "backend": in_use(configuration.backend),
            "machine": machine(),
            "seconds": round(float(table["seconds"].iloc[-1]), 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }
    write_table(table, folder / "table.parquet")
    checksums.write(folder / "run.json", json.dumps(record, indent=1) + "\n")
    checksums.seal(folder, *FILES)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table with its ``attrs`` to a Parquet file with page checksums, whole or not at all."""
    with checksums.writing(path) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of :func:`write_table`. Raises OSError or ValueError, including pyarrow's, if it is damaged."""
    import pandas as pd

    return pd.read_parquet(path, page_checksum_verification=True)


def tabulate(runs: Sequence[Run]) -> pd.DataFrame:
    """The runs' tables in one: each row with its run's settings and, in the column ``run``, its name in the store."""
    import pandas as pd

    parts = []
    for run in runs:
        settings = pd.json_normalize(run.configuration.model_dump(mode="json"))
        settings.columns = [column.rpartition(".")[2] for column in settings.columns]
        parts.append(run.table.merge(settings, how="cross").assign(run=run.folder.name))
    return pd.concat(parts, ignore_index=True)


def provenance(runs: Sequence[Run], how: str = "trained live") -> str:
    """One line on where these runs came from."""
    return line(how, [run.configuration.seed for run in runs], [run.provenance for run in runs])


# Below: running what is missing.


def _run_missing(function: RunFunction, missing: dict[str, Configuration], name: str) -> None:
    sweep.check_folder(store())
    calls = {key: partial(_run_one, function, configuration, store() / key) for key, configuration in missing.items()}
    failed = sweep.run(calls, name, {key: configuration.steps for key, configuration in missing.items()}, unit="step")
    if failed:
        key, error = next(iter(failed.items()))
        raise RunError(
            f"{len(failed)} of {len(missing)} runs failed; the finished ones are kept. The first: {missing[key]!r}: "
            f"{type(error).__name__}: {error}"
        ) from error
    sweep.check_there(store(), missing)


def _run_one(function: RunFunction, configuration: Configuration, place: Path) -> None:
    """Run one configuration and put it in its place, unless another process is doing this or has done it."""
    from rnnreport.training import use_one_thread

    use_one_thread()  # here, since its settings apply to this thread
    with FileLock(f"{place}.lock"):
        if damage_of(place):
            unfinished = place.with_name(f"{place.name}.unfinished")
            unfinished.mkdir(exist_ok=True)
            (unfinished / checksums.MANIFEST).unlink(missing_ok=True)  # left if a run was interrupted in finish()
            table = function(configuration, unfinished, sweep.report)
            for left in unfinished.glob(f"{Path(CHECKPOINT).stem}.*"):
                left.unlink()
            finish(unfinished, function, configuration, table)
            storage.put(unfinished, place)
