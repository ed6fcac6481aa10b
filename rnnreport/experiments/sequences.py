"""One training on a task of :mod:`rnnreport.sequences`, the run behind what chapters 3 and 3b find on these."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
import torch
from pydantic import BaseModel, model_validator
from torch import nn

from rnnreport.backends import Backend
from rnnreport.configuration import Initialisation, ModelName
from rnnreport.experiments.palindromes import own_stream, train_until_solved, with_weights_of
from rnnreport.models import SequenceNetwork, Sequences, TemporalGateLSTM
from rnnreport.runs import Configuration, OnSteps, Run
from rnnreport.sequences import Task
from rnnreport.training import DivergedError, save_weights

AT_ONCE = 250  # sequences of a test: all steps of all units of so many are held in memory


class Gates(BaseModel, extra="forbid", frozen=True):
    """The temporal gates that a network starts with, and whether it learns them.

    tau: the period of all units; or None, for periods log-uniform in 1…longest and shifts uniform in 0…tau.
    """

    tau: float | None = None
    s: float = 0.0
    longest: float = 100.0
    r_on: float = 0.05
    leak: float = 0.0
    learned: bool = True


class SequenceRun(Configuration):
    """One network, one task, one seed."""

    model: ModelName
    task: Task
    gate: Gates | None = None
    hidden_size: int = 128
    batch_size: int = 64
    test_sequences: int = 2_000
    num_layers: int = 1
    initialisation: Initialisation = "uniform"
    forget_bias: float = 1.0
    chrono: int | None = None  # biases of the gates drawn for a memory of this many steps
    peepholes: bool = False
    reads: Literal["interval", "time"] = "interval"  # without a gate, on a task with times
    solved_loss: float | None = None  # training ends once the loss on fresh sequences is below this
    snapshots: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _has_gates(self) -> Self:
        if self.gate and self.model not in ("temporal-gate", "phased-lstm"):
            raise ValueError(f"gate must be None for {self.model}, which has none")
        return self

    @classmethod
    def of(
        cls, task: Task, gate: Gates | None, seed: int, steps: int, backend: Backend = "torch", **settings: Any
    ) -> Self:
        """A run with these gates, or of the LSTM or another ``model`` if they are None.

        settings: may include the recipe's.
        """
        model: ModelName = "temporal-gate" if gate else "lstm"
        settings = {"model": model, "optimizer": "adam", "record_every": max(10, steps // 40), **settings}
        return cls.of_settings(steps, seed, task=task, gate=gate, backend=backend, **settings)


def train_sequences(run: SequenceRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """Train the network of this run. The table also has loss and accuracy on fresh sequences, ``test_…``.

    A network that diverges ends with an infinite loss and nothing right, and keeps the weights that it had then.
    """
    network, (sequences, targets) = new_network(run), test_set(run)

    def evaluate(model: nn.Module) -> dict[str, float]:
        outputs = torch.cat([model(part) for part in sequences.split(AT_ONCE)], -2)  # (B, K) or (T, B, K)
        loss, right = run.task.measure(outputs, targets)
        return {"test_loss": loss.item(), "test_accuracy": right.item()}

    def solved(row: dict[str, float]) -> bool:
        return run.solved_loss is not None and row["test_loss"] < run.solved_loss

    try:
        return train_until_solved(
            run,
            network,
            lambda generator: run.task.batch(run.batch_size, generator),
            folder,
            on_steps,
            measure=run.task.measure,
            evaluate=evaluate,
            until=solved,
        )
    except DivergedError as diverged:
        for file in (folder / f"weights-{step}.safetensors" for step in (*run.snapshots, run.steps)):
            if not file.exists():
                save_weights(network, file)
        end = diverged.history.iloc[-1]
        on_steps(run.steps - int(end["step"]))
        lost = {"step": run.steps, "loss": math.inf, "accuracy": 0.0, "test_loss": math.inf, "test_accuracy": 0.0}
        return pd.DataFrame([*diverged.history.to_dict("records"), {**end, **lost}]).astype({"step": int})


def test_set(run: SequenceRun) -> tuple[Sequences, torch.Tensor]:
    """The fresh sequences that the network of this run is tested on, and their targets."""
    sequences, targets = run.task.batch(run.test_sequences, own_stream(run.seed, 1))
    return sequences.to(run.recipe.device), targets.to(run.recipe.device)


def new_network(run: SequenceRun) -> SequenceNetwork:
    """The untrained network of this run."""
    torch.manual_seed(run.seed)
    network = SequenceNetwork(
        run.model,
        run.task.inputs,
        run.task.outputs,
        run.hidden_size,
        timed=run.task.timed,
        forget_bias=run.forget_bias,
        backend=run.backend,
        initialisation=run.initialisation,
        chrono=run.chrono,
        num_layers=run.num_layers,
        every_step=run.task.every_step,
        peepholes=run.peepholes,
        reads=run.reads,
    )
    if run.gate and isinstance(network.recurrence, TemporalGateLSTM):
        gated, gate = network.recurrence, run.gate
        gated.leak = gate.leak
        if gate.tau is None:
            gated.draw_gate(1, gate.longest, gate.r_on)
        else:
            gated.set_gate(gate.tau, gate.s, gate.r_on)
        for name, parameter in gated.named_parameters():
            if name.startswith(gated.per_unit):
                parameter.requires_grad_(gate.learned)
    return network


def trained_network(run: Run, step: int | None = None) -> SequenceNetwork:
    """The network of a finished run, as it was at the end or at one of its snapshots."""
    return with_weights_of(run, step, new_network(run.configuration))
