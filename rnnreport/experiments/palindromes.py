"""One training on palindromes, the run behind chapters 2 and 3."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from pydantic import model_validator
from torch import nn
from torch.nn import functional as F

from rnnreport.models import Encoding, Initialisation, ModelName, PalindromeClassifier, TemporalGateLSTM
from rnnreport.palindromes import palindrome_batch
from rnnreport.runs import Configuration, OnSteps, Run
from rnnreport.training import load_weights, train


class PalindromeRun(Configuration):
    """One network, one length of palindrome, one seed."""

    model: ModelName
    length: int
    encoding: Encoding = "scalar"
    initialisation: Initialisation = "normal"
    forget_bias: float = 0.0
    longest_period: float | None = None  # temporal gate: tau is log-uniform in 1…this
    open_ratio: float = 0.05  # temporal gate: r_on
    hidden_size: int = 128
    batch_size: int = 128
    test_palindromes: int = 2_000

    @model_validator(mode="after")
    def _runs_on_its_backend(self) -> Self:
        if self.model == "rnn" and self.backend != "torch":
            raise ValueError(f"backend must be 'torch' for the RNN, which has no native kernel, not {self.backend!r}")
        return self


def train_palindromes(run: PalindromeRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """Train the network of this run; the table has the accuracy on fresh palindromes, ``test_accuracy``, as well.

    "Fresh" means drawn for the test from another seed. Up to T = 6 there are at most a thousand palindromes in all, so
    that training has seen them; at T = 15 there are a hundred million, and hardly any has been seen.
    """
    digits, last = test_set(run)

    def evaluate(model: nn.Module) -> dict[str, float]:
        logits = model(digits)
        hits = (logits.argmax(-1) == last).double().mean().item()
        return {"test_loss": F.cross_entropy(logits, last).item(), "test_accuracy": hits}

    return train(
        new_network(run),
        lambda generator: palindrome_batch(run.length, run.batch_size, generator),
        run.recipe,
        folder=folder,
        evaluate=evaluate,
        snapshots=(run.steps,),
        on_steps=on_steps,
    )


def test_set(run: PalindromeRun) -> tuple[torch.Tensor, torch.Tensor]:
    """The fresh palindromes that the network of this run is tested on."""
    # A stream of its own: a generator looks at 32 bits of its seed only, so an offset could meet a training's.
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence([run.seed, 1]).generate_state(1)[0]))
    digits, last = palindrome_batch(run.length, run.test_palindromes, generator)
    return digits.to(run.recipe.device), last.to(run.recipe.device)


def new_network(run: PalindromeRun) -> PalindromeClassifier:
    """The untrained network of this run."""
    torch.manual_seed(run.seed)
    network = PalindromeClassifier(
        run.model,
        run.hidden_size,
        encoding=run.encoding,
        initialisation=run.initialisation,
        forget_bias=run.forget_bias,
        backend=run.backend,
    )
    if isinstance(network.recurrence, TemporalGateLSTM) and run.longest_period is not None:
        tau = run.longest_period ** torch.rand(run.hidden_size)
        network.recurrence.set_gate(tau, torch.rand(run.hidden_size) * tau, run.open_ratio)
    return network


def trained_network(run: Run) -> PalindromeClassifier:
    """The network of a finished run."""
    network = new_network(run.configuration)
    load_weights(network, run.folder / f"weights-{run.configuration.steps}.safetensors")
    return network.eval()
