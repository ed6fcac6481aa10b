"""The same trainings in JAX: ``lax.scan`` over the steps, one compiled function for a full step.

JAX is the optional extra ``bench``: importing this file imports it, with one thread.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["PJRT_NPROC"] = "1"  # threads of XLA's pool
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()

import jax
import jax.numpy as jnp
from jax import lax, nn

from benchmarks.networks import Parts, weights
from benchmarks.tasks import Palindromes, Task
from rnnreport.experiments.speed import FORWARD_BACKWARD, FULL_STEP

Array = Any
Weights = list[Array]  # in the order of benchmarks.networks.weights


class Training:
    """A task's training, from the weights of the book's own network."""

    def __init__(self, task: Task) -> None:
        self.batches = task.batches()
        self.batch = self._next()
        self.weights: Weights = [jnp.array(weight.detach().numpy()) for weight in weights(task.network())]
        self.state = [jnp.zeros_like(weight) for weight in self.weights * 2]  # the optimizer's; RMSprop uses half
        self.steps = 0

        def loss(weights: Weights, symbols: Array, targets: Array) -> Array:
            x = nn.one_hot(symbols, task.classes, dtype=jnp.float32)
            for layer in range(len(weights) // 3):
                x = _layer(task.cell, x, *weights[3 * layer : 3 * layer + 3])
            if isinstance(task, Palindromes):
                x = x[-1]
            log_p = nn.log_softmax(x @ weights[-2].T + weights[-1])
            return -jnp.mean(jnp.sum(nn.one_hot(targets, task.classes) * log_p, -1))

        def step(
            weights: Weights, state: list[Array], count: Array, symbols: Array, targets: Array
        ) -> tuple[Array, Weights, list[Array]]:
            value, gradients = jax.value_and_grad(loss)(weights, symbols, targets)
            norm = jnp.sqrt(sum(jnp.sum(gradient**2) for gradient in gradients))
            gradients = [gradient * jnp.minimum(1, task.clip_norm / (norm + 1e-6)) for gradient in gradients]
            update = {"rmsprop": _rmsprop, "adam": _adam}[task.optimizer]
            return value, *update(weights, state, gradients, task.learning_rate, count)

        self._gradients = jax.jit(jax.value_and_grad(loss))
        self._step = jax.jit(step, donate_argnums=(0, 1))

    def forward_backward(self) -> tuple[Array, Weights]:
        """The loss at the last batch drawn, and its gradients."""
        return jax.block_until_ready(self._gradients(self.weights, *self.batch))

    def step(self) -> Array:
        """A full step of training on a new batch; returns its loss."""
        self.batch = self._next()
        self.steps += 1
        loss, self.weights, self.state = jax.block_until_ready(
            self._step(self.weights, self.state, float(self.steps), *self.batch)
        )
        return loss

    def parts(self) -> Parts:
        """What is timed."""
        return {FORWARD_BACKWARD: self.forward_backward, FULL_STEP: self.step}

    def _next(self) -> tuple[Array, Array]:
        symbols, targets = next(self.batches)
        return jnp.asarray(symbols.numpy(), jnp.int32), jnp.asarray(targets.numpy(), jnp.int32)


def _layer(cell: str, x: Array, W_ih: Array, W_hh: Array, bias: Array) -> Array:
    """h(1)...h(T), (T, B, H), of one layer; the input is projected for all steps at once."""
    W_h, zero = W_hh.T, jnp.zeros((x.shape[1], W_hh.shape[1]))

    def rnn_step(h: Array, a: Array) -> tuple[Array, Array]:
        h = jnp.tanh(a + h @ W_h)
        return h, h

    def lstm_step(state: tuple[Array, Array], a: Array) -> tuple[tuple[Array, Array], Array]:
        h, c = state
        i, f, g, o = jnp.split(a + h @ W_h, 4, -1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        h = nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    a = x @ W_ih.T + bias
    return lax.scan(rnn_step, zero, a)[1] if cell == "rnn" else lax.scan(lstm_step, (zero, zero), a)[1]


def _rmsprop(
    weights: Weights, state: list[Array], gradients: Weights, rate: float, count: Array
) -> tuple[Weights, list[Array]]:
    """As torch.optim.RMSprop at its defaults."""
    squares = [0.99 * v + 0.01 * g**2 for v, g in zip(state, gradients)]
    moved = [w - rate * g / (jnp.sqrt(v) + 1e-8) for w, g, v in zip(weights, gradients, squares)]
    return moved, squares + state[len(weights) :]


def _adam(
    weights: Weights, state: list[Array], gradients: Weights, rate: float, count: Array
) -> tuple[Weights, list[Array]]:
    """As torch.optim.Adam at its defaults; count: steps, this one included."""
    means = [0.9 * m + 0.1 * g for m, g in zip(state, gradients)]
    squares = [0.999 * v + 0.001 * g**2 for v, g in zip(state[len(weights) :], gradients)]
    correction = jnp.sqrt(1 - 0.999**count)
    rate = rate / (1 - 0.9**count)
    moved = [w - rate * m / (jnp.sqrt(v) / correction + 1e-8) for w, m, v in zip(weights, means, squares)]
    return moved, means + squares


def flushes_denormals() -> bool:
    """Whether JAX's compiled code flushes numbers below 1e-38 to zero."""
    return float(jax.jit(lambda x: x * 0.5)(jnp.float32(1.2e-38))) == 0
