"""Who competes under torch: the book's networks, the same by step functions, by torch.nn, and the bare products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from benchmarks.tasks import Batches, Network, Palindromes, Task
from rnnreport import cells
from rnnreport.experiments.speed import FORWARD_BACKWARD, FULL_STEP
from rnnreport.models import RNN, PalindromeClassifier
from rnnreport.training import OPTIMIZERS

Parts = dict[str, Callable[[], object]]  # what is timed of a contender, by name


class Training:
    """A network in training: the two parts that are timed, and nothing that the contenders do not share.

    precision: of float32 matrix products; "medium" lets them have bfloat16 operands.
    """

    def __init__(self, task: Task, network: nn.Module, batches: Batches, precision: str = "highest") -> None:
        self.network, self.batches, self.precision = network, batches, precision
        self.clip_norm = task.clip_norm
        self.optimizer = OPTIMIZERS[task.optimizer](network.parameters(), lr=task.learning_rate)
        self.batch = next(batches)

    def forward_backward(self) -> Tensor:
        """The loss at the last batch drawn; its gradients are left in the network."""
        torch.set_float32_matmul_precision(self.precision)
        symbols, targets = self.batch
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.network(symbols).flatten(0, -2), targets.flatten())
        loss.backward()
        return loss

    def step(self) -> Tensor:
        """A full step of training on a new batch; returns its loss."""
        self.batch = next(self.batches)
        loss = self.forward_backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        return loss

    def parts(self) -> Parts:
        """What is timed."""
        return {FORWARD_BACKWARD: self.forward_backward, FULL_STEP: self.step}


class Naive(nn.Module):
    """The step functions of :mod:`rnnreport.cells` in a loop under autograd: a matrix product a gate, input one-hot."""

    def __init__(self, ours: Network) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, symbols: Tensor) -> Tensor:
        """symbols: (T, B). Returns logits, of every step or of the last."""
        recurrence, W_out, b_out = output_layer(self.ours)
        x = F.one_hot(symbols, recurrence.input_size).to(W_out.dtype)
        for layer in range(recurrence.num_layers):
            weights = recurrence.weights(layer)
            h = c = x.new_zeros(symbols.shape[1], recurrence.hidden_size)
            outputs = []
            for x_t in x:
                if isinstance(recurrence, RNN):
                    h = cells.rnn_step(x_t, h, *weights)
                else:
                    h, c = cells.lstm_step(x_t, h, c, *weights)
                outputs.append(h)
            if isinstance(self.ours, PalindromeClassifier):
                return F.linear(h, W_out, b_out)
            x = torch.stack(outputs)
        return F.linear(x, W_out, b_out)


class TorchNN(nn.Module):
    """torch.nn.LSTM or RNN with the weights of one of the book's networks; input one-hot.

    bfloat16: the forward pass under autocast.
    """

    def __init__(self, ours: Network, bfloat16: bool = False) -> None:
        super().__init__()
        recurrence, W_out, b_out = output_layer(ours)
        self.recurrence = recurrence.to_torch()
        self.W_out, self.b_out = nn.Parameter(W_out.detach().clone()), nn.Parameter(b_out.detach().clone())
        self.last_only, self.in_bfloat16 = isinstance(ours, PalindromeClassifier), bfloat16

    def forward(self, symbols: Tensor) -> Tensor:
        """symbols: (T, B). Returns logits, of every step or of the last."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.in_bfloat16):
            h, _ = self.recurrence(F.one_hot(symbols, self.recurrence.input_size).to(self.W_out.dtype))
            return F.linear(h[-1] if self.last_only else h, self.W_out, self.b_out).float()


def output_layer(ours: Network) -> tuple[Any, Tensor, Tensor]:
    """The recurrence of one of the book's networks, and the weight and bias of its output layer."""
    if isinstance(ours, PalindromeClassifier):
        return ours.recurrence, ours.W_ph, ours.b_p
    return ours.lstm, ours.head.weight, ours.head.bias


def weights(network: Network | Naive | TorchNN) -> list[Tensor]:
    """All weights in one order: of each layer W_ih, W_hh and the bias, then the output layer's two."""
    if isinstance(network, Naive):
        network = network.ours
    if isinstance(network, TorchNN):
        layers = range(network.recurrence.num_layers)
        names = [f"{name}_l{layer}" for layer in layers for name in ("weight_ih", "weight_hh", "bias_ih")]
        return [*(getattr(network.recurrence, name) for name in names), network.W_out, network.b_out]
    recurrence, W_out, b_out = output_layer(network)
    return [*(weight for layer in range(recurrence.num_layers) for weight in recurrence.weights(layer)), W_out, b_out]


def products(task: Task) -> Parts:
    """The matrix products that a float32 step cannot do without, at their shapes, and nothing else.

    One-hot input is looked up, which costs no product. Weight gradients are one product over all steps.
    """
    steps, batch, hidden = task.length, task.batch_size, task.hidden_size
    gates, layers, predictions = (1 if task.cell == "rnn" else 4) * hidden, 1, batch
    if isinstance(task, Palindromes):
        steps -= 1
    else:
        layers, predictions = task.num_layers, steps * batch
    rows = steps * batch
    shapes = [  # times, rows, inner, columns
        (layers * steps, batch, hidden, gates),  # h(t-1) by Whh
        (layers * steps, batch, gates, hidden),  # back through it
        (layers, gates, rows, hidden),  # the gradient of Whh
        (layers - 1, rows, hidden, gates),  # into the layer above, …
        (layers - 1, rows, gates, hidden),
        (layers - 1, gates, rows, hidden),
        (1, predictions, hidden, task.classes),  # the output layer
        (1, predictions, task.classes, hidden),
        (1, task.classes, predictions, hidden),
    ]
    operands = [
        (times, torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)) for times, m, k, n in shapes if times > 0
    ]

    def multiply() -> None:
        torch.set_float32_matmul_precision("highest")
        for times, a, b, out in operands:
            for _ in range(times):
                torch.mm(a, b, out=out)

    return {FORWARD_BACKWARD: multiply, FULL_STEP: multiply}
