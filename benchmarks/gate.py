"""Who competes behind the temporal gate: the dense pass over all units, and the passes over the open ones only."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from benchmarks.tasks import Palindromes
from rnnreport import recurrence
from rnnreport.backends import Backend
from rnnreport.models import TemporalGateLSTM


class Gated(nn.Module):
    """The book's gated network on palindromes, its recurrence by the named pass: "dense", or the sparse one's backend.

    Periods are log-uniform in 1…2T, all open ratios the same.
    """

    def __init__(self, task: Palindromes, open_ratio: float, how: Literal["dense"] | Backend) -> None:
        super().__init__()
        self.classifier, self.how = task.network(), how
        lstm = self.classifier.recurrence
        assert isinstance(lstm, TemporalGateLSTM)
        tau = (2.0 * task.length) ** torch.rand(task.hidden_size)
        lstm.set_gate(tau, torch.rand(task.hidden_size) * tau, open_ratio)
        self.lstm, self.times = lstm, torch.arange(1.0, task.length)

    def forward(self, digits: Tensor) -> Tensor:
        """digits: (T - 1, B). Returns the logits of the last step, (B, K)."""
        k, zero = self.lstm.openness(self.times), torch.zeros(digits.shape[1], self.lstm.hidden_size)
        inputs = (digits, zero, zero, *self.lstm.weights(0), k)
        if self.how == "dense":
            _, h_last, _ = recurrence.lstm(*inputs)
        else:
            _, h_last, _ = recurrence.sparse_lstm(*inputs, sequence=False, backend=self.how)
        return F.linear(h_last, self.classifier.W_ph, self.classifier.b_p)
