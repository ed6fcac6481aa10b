"""A training on palindromes whose network starts from a state that is drawn once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch import nn

from rnnreport.experiments.palindromes import PalindromeRun, new_network, own_stream, test_set, train_until_solved
from rnnreport.models import PalindromeClassifier
from rnnreport.palindromes import palindrome_batch
from rnnreport.runs import OnSteps
from rnnreport.training import classification


class DrawnStateRun(PalindromeRun):
    """One RNN or LSTM, one length of palindrome, one seed. It is a class of its own so that other runs stay valid."""

    start: float = 0.0  # deviation of the states h(0), and c(0), which are drawn once; 0 for a state of zeros


def train_from_drawn_state(run: DrawnStateRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """Train the network of this run, as ``train_palindromes`` does but from its own first state."""
    digits, last = test_set(run)

    def evaluate(model: nn.Module) -> dict[str, float]:
        loss, right = classification(model(digits), last)
        return {"test_loss": loss.item(), "test_accuracy": right.item()}

    def batches(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return palindrome_batch(run.length, run.batch_size, generator)

    network = FromState(new_network(run), run.start, own_stream(run.seed, 5))
    return train_until_solved(run, network, batches, folder, on_steps, evaluate=evaluate)


class FromState(nn.Module):
    """A classifier that reads every palindrome from the same state, drawn from N(0, deviation) and not trained."""

    states: torch.Tensor

    def __init__(self, network: PalindromeClassifier, deviation: float, generator: torch.Generator) -> None:
        super().__init__()
        self.network = network
        shape = (len(network.recurrence.states), 1, 1, network.recurrence.hidden_size)  # one layer, any batch
        self.register_buffer("states", deviation * torch.randn(shape, generator=generator))

    def forward(self, digits: torch.Tensor) -> torch.Tensor:
        """digits: integers (T, B). Returns the logits p(T): (B, K)."""
        classifier, recurrence = self.network, self.network.recurrence
        first = [state.expand(-1, digits.shape[1], -1).contiguous() for state in self.states]
        x = digits if classifier.encoding == "one-hot" else classifier.encode(digits)
        last = recurrence(x, first if len(first) > 1 else first[0])[1]
        h_T = (last if len(first) == 1 else last[0])[-1]
        return h_T @ classifier.W_ph.T + classifier.b_p  # (2), (10)
