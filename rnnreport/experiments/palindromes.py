"""One training on palindromes, the run behind chapters 2 and 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from rnnreport.backends import Backend
from rnnreport.configuration import Encoding, Initialisation, ModelName
from rnnreport.models import PalindromeClassifier, TemporalGateLSTM
from rnnreport.palindromes import palindrome_batch
from rnnreport.runs import Configuration, OnSteps, Run
from rnnreport.training import Batches, load_weights, save_weights, step_sizes, train


class PalindromeRun(Configuration):
    """One network, one length of palindrome, one seed."""

    model: ModelName
    length: int
    encoding: Encoding = "scalar"
    initialisation: Initialisation = "normal"
    forget_bias: float = 0.0
    chrono: bool = False  # biases of the gates drawn for a memory of this length
    longest_period: float = 2.0  # temporal gate: tau is log-uniform in 1…this many lengths
    open_ratio: float = 0.05  # temporal gate: r_on
    leak: float = 0.0  # temporal gate, while training
    hidden_size: int = 128
    num_layers: int = 1
    batch_size: int = 128
    test_palindromes: int = 2_000
    solved_at: float | None = None  # training ends once this accuracy on fresh palindromes is reached
    snapshots: tuple[int, ...] = ()  # steps at which the weights are kept; at the end they always are

    @classmethod
    def of(
        cls,
        model: ModelName,
        length: int,
        seed: int,
        steps: int = 1_000,
        backend: Backend = "torch",
        solved_at: float | None = None,
        **settings: Any,
    ) -> Self:
        """A run with these settings, which may include its recipe's."""
        settings = {"record_every": 50 if steps >= 200 else 10, **settings}
        return cls.of_settings(
            steps, seed, model=model, length=length, backend=backend, solved_at=solved_at, **settings
        )


def train_palindromes(run: PalindromeRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """Train the network of this run. The table also has loss and accuracy on fresh palindromes, ``test_…``.

    "Fresh" means drawn for the test from another seed. Up to T = 6 there are at most a thousand palindromes, so
    training has seen them all; at T = 15 there are a hundred million, and training has seen hardly any of them.
    """
    digits, last = test_set(run)

    def evaluate(model: nn.Module) -> dict[str, float]:
        logits = model(digits)
        hits = (logits.argmax(-1) == last).double().mean().item()
        return {"test_loss": F.cross_entropy(logits, last).item(), "test_accuracy": hits}

    return train_until_solved(
        run,
        new_network(run),
        lambda generator: palindrome_batch(run.length, run.batch_size, generator),
        folder,
        on_steps,
        evaluate=evaluate,
        watch=step_sizes,
    )


def train_until_solved(
    run: Any, network: nn.Module, batches: Batches, folder: Path, on_steps: OnSteps, **options: Any
) -> pd.DataFrame:
    """Train a network by its run's recipe until it has solved its task, and also keep its weights at the end.

    run: has ``solved_at`` and ``snapshots`` like a :class:`PalindromeRun`. options: further arguments of
    :func:`rnnreport.training.train`, such as another ``until``.
    """
    options = {"until": lambda row: run.solved_at is not None and row["test_accuracy"] >= run.solved_at, **options}
    table = train(network, batches, run.recipe, folder=folder, snapshots=run.snapshots, on_steps=on_steps, **options)
    end = int(table["step"].iloc[-1])
    save_weights(network, folder / f"weights-{end}.safetensors")
    on_steps(run.steps - end)  # the steps that were not needed
    return table


def test_set(run: PalindromeRun) -> tuple[torch.Tensor, torch.Tensor]:
    """The fresh palindromes that the network of this run is tested on."""
    digits, last = palindrome_batch(run.length, run.test_palindromes, own_stream(run.seed, 1))
    return digits.to(run.recipe.device), last.to(run.recipe.device)


def own_stream(seed: int, number: int) -> torch.Generator:
    """A random generator for a run, different from its training's and from those of other numbers."""
    # A generator uses only 32 bits of its seed, so a seed plus an offset could equal another run's seed.
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))


def new_network(run: PalindromeRun) -> PalindromeClassifier:
    """The untrained network of this run."""
    torch.manual_seed(run.seed)
    network = PalindromeClassifier(
        run.model,
        run.hidden_size,
        encoding=run.encoding,
        initialisation=run.initialisation,
        forget_bias=run.forget_bias,
        chrono=max(run.length, 3) if run.chrono else None,
        backend=run.backend,
        num_layers=run.num_layers,
    )
    if isinstance(network.recurrence, TemporalGateLSTM):
        network.recurrence.draw_gate(1, run.longest_period * run.length, run.open_ratio)
        network.recurrence.leak = run.leak
    return network


def trained_network(run: Run, step: int | None = None) -> PalindromeClassifier:
    """The network of a finished run, as it was at the end or at one of its snapshots."""
    return with_weights_of(run, step, new_network(run.configuration))


Network = TypeVar("Network", bound=nn.Module)


def with_weights_of(run: Run, step: int | None, network: Network) -> Network:
    """The network with the weights that a finished run kept at its end or at one of its snapshots."""
    step = int(run.table["step"].iloc[-1]) if step is None else step
    load_weights(network, run.folder / f"weights-{step}.safetensors")
    return network.eval()
