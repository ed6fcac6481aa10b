"""One training on a task of :mod:`rnnreport.sequences`, the run behind chapter 3's experiments on numbers in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
import torch
from pydantic import BaseModel
from torch import nn

from rnnreport.backends import Backend
from rnnreport.experiments.palindromes import own_stream, train_until_solved, with_weights_of
from rnnreport.models import SequenceNetwork, Sequences, TemporalGateLSTM
from rnnreport.runs import Configuration, OnSteps, Run
from rnnreport.sequences import SineWaves, Task

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

    model: Literal["lstm", "temporal-gate"]
    task: Task
    gate: Gates | None = None  # for "temporal-gate" only
    forget_bias: float = 1.0
    peepholes: bool = False
    reads: Literal["interval", "time"] = "interval"  # for "lstm" on a task with times
    hidden_size: int = 128
    batch_size: int = 64
    test_sequences: int = 2_000
    solved_at: float | None = None  # training ends once this accuracy on fresh sequences is reached
    snapshots: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, task: Task, gate: Gates | None, seed: int, steps: int, backend: Backend = "torch", **settings: Any
    ) -> Self:
        """A run with these gates, or of the LSTM if they are None. settings: may include the recipe's."""
        settings = {"optimizer": "adam", "record_every": max(10, steps // 40), **settings}
        model = "temporal-gate" if gate else "lstm"
        return cls.of_settings(steps, seed, model=model, task=task, gate=gate, backend=backend, **settings)


def train_sequences(run: SequenceRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """Train the network of this run. The table also has loss and accuracy on fresh sequences, ``test_…``."""
    sequences, targets = test_set(run)

    def evaluate(model: nn.Module) -> dict[str, float]:
        outputs = torch.cat([model(part) for part in sequences.split(AT_ONCE)])
        loss, right = run.task.measure(outputs, targets)
        return {"test_loss": loss.item(), "test_accuracy": right.item()}

    return train_until_solved(
        run,
        new_network(run),
        lambda generator: run.task.batch(run.batch_size, generator),
        folder,
        on_steps,
        measure=run.task.measure,
        evaluate=evaluate,
    )


def test_set(run: SequenceRun) -> tuple[Sequences, torch.Tensor]:
    """The fresh sequences that the network of this run is tested on, and their targets."""
    sequences, targets = run.task.batch(run.test_sequences, own_stream(run.seed, 1))
    return sequences.to(run.recipe.device), targets.to(run.recipe.device)


def new_network(run: SequenceRun) -> SequenceNetwork:
    """The untrained network of this run."""
    torch.manual_seed(run.seed)
    timed = isinstance(run.task, SineWaves)
    network = SequenceNetwork(
        run.model,
        run.task.inputs,
        run.task.outputs,
        run.hidden_size,
        timed=timed,
        forget_bias=run.forget_bias,
        backend=run.backend,
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
            if name.startswith(("log_tau", "s_", "logit_r_on")):
                parameter.requires_grad_(gate.learned)
    return network


def trained_network(run: Run, step: int | None = None) -> SequenceNetwork:
    """The network of a finished run, as it was at the end or at one of its snapshots."""
    return with_weights_of(run, step, new_network(run.configuration))
