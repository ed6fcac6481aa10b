"""Settings of networks and trainings, by name and number. Nothing here imports torch unless it has to."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt

from rnnreport.shown import brief

if TYPE_CHECKING:
    import torch

CHECKPOINT = "checkpoint.safetensors"  # in the folder of a training, which resumes from it
ModelName = Literal[
    "rnn",
    "lstm",
    "temporal-gate",
    "phased-lstm",
    "relu-rnn",
    "gru",
    "min-gru",
    "min-lstm",
]
Encoding = Literal["scalar", "one-hot"]
Initialisation = Literal["normal", "normal-variance", "uniform", "orthogonal", "identity"]
OptimizerName = Literal["sgd", "momentum", "nesterov", "rmsprop", "adam"]


class Recipe(BaseModel):
    """How to train: the part of a run's configuration that concerns the training loop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int
    optimizer: OptimizerName = "rmsprop"
    learning_rate: float = 1e-3
    schedule: Literal["steps", "cosine"] = "steps"
    decay: float = 1.0  # steps: the learning rate is multiplied by this …
    decay_every: PositiveInt = 5_000  # … every this many steps
    warmup: PositiveInt = 1  # cosine: linear growth over this many steps, times a half cosine that falls to zero
    clip_norm: float = 10.0  # the gradient is scaled down to at most this norm
    seed: int = 0
    record_every: PositiveInt = 10  # steps between two rows of the history
    device: str = "cpu"

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.schedule == "cosine":
            return (
                self.learning_rate
                * min(1.0, (step + 1) / self.warmup)
                * (1 + math.cos(math.pi * step / self.steps))
                / 2
            )
        return self.learning_rate * self.decay ** (step // self.decay_every)

    def written(self) -> dict[str, Any]:
        """The settings that a checkpoint must match: all but the number of steps, unless the schedule depends on it."""
        return self.model_dump(exclude={"steps"} if self.schedule == "steps" else set())


def check_device(name: str) -> torch.device:
    """The device of that name. Raises ValueError if it does not exist on this machine."""
    named = re.fullmatch(r"(cpu|cuda|mps)(?::(0|[1-9][0-9]{0,2}))?", name)
    if not named:
        raise ValueError(
            f"device must be cpu, cuda or mps, or one of several by its number, as cuda:1, not {brief(name)}"
        )
    import torch  # only it knows what the machine has

    present = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": torch.mps.device_count()}
    if int(named[2] or 0) >= present[named[1]]:
        have = ", ".join(f"{count} {kind}" for kind, count in present.items())
        raise ValueError(f"device must be one that this machine has ({have}, each numbered from 0), not {name!r}")
    return torch.device(name)
