"""Question 1.1 as code: the gradients of the vanilla RNN by the derivation of chapter 1, and by its two judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from rnnreport.cells import rnn_step
from rnnreport.gradients.judges import by_autograd, by_differences


class Weights(NamedTuple):
    """The parameters of equations (1) and (2), or one gradient for each of them."""

    W_hx: Tensor  # (H, D)
    W_hh: Tensor  # (H, H)
    b_h: Tensor  # (H,)
    W_ph: Tensor  # (K, H)
    b_p: Tensor  # (K,)


class Forward(NamedTuple):
    """What one pass over the sequences leaves behind."""

    h: Tensor  # (T + 1, B, H), h[t] is h(t) and h[0] the initial state
    p: Tensor  # (B, K), the logits at the last step
    y_hat: Tensor  # (B, K), softmax(p)
    loss: Tensor  # (), mean over the batch


def draw(
    length: int,
    batch_size: int,
    input_size: int,
    hidden_size: int,
    classes: int,
    *,
    seed: int,
    std: float = 0.1,
    spectral_radius: float | None = None,
) -> tuple[Tensor, Tensor, Weights]:
    """A random problem in float64, ready for the functions below: ``gradients(*draw(...))``.

    Returns inputs x (T, B, D) from N(0, 1), class labels y (B,), uniform, and weights and biases from N(0, std²), as
    the 2018 report drew them. spectral_radius: when given, Whh is rescaled so that its largest eigenvalue has this
    modulus. Raises ValueError for a size below 1 or a negative spectral radius.
    """
    check_sizes(length=length, batch_size=batch_size, input_size=input_size, hidden_size=hidden_size, classes=classes)
    if spectral_radius is not None and not spectral_radius >= 0:
        raise ValueError(f"spectral_radius must be at least 0, not {spectral_radius}")
    generator, normal = normals(seed)
    weights = Weights(
        W_hx=std * normal(hidden_size, input_size),
        W_hh=std * normal(hidden_size, hidden_size),
        b_h=std * normal(hidden_size),
        W_ph=std * normal(classes, hidden_size),
        b_p=std * normal(classes),
    )
    if spectral_radius is not None:
        radius = torch.linalg.eigvals(weights.W_hh).abs().max()
        weights = weights._replace(W_hh=weights.W_hh * (spectral_radius / radius))
    return normal(length, batch_size, input_size), torch.randint(classes, (batch_size,), generator=generator), weights


def forward(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None = None) -> Forward:
    """Equations (1)-(3) over a whole batch.

    x: (T, B, D); y: class labels (B,); h0: initial state (B, H), zeros by default.
    Raises ValueError where a shape, a label or a dtype does not fit.
    """
    _check(x, y, weights, h0)
    W_hx, W_hh, b_h, W_ph, b_p = weights
    h = [x.new_zeros(x.shape[1], W_hh.shape[0]) if h0 is None else h0]
    for x_t in x:
        h.append(rnn_step(x_t, h[-1], W_hx, W_hh, b_h))  # (1)
    return Forward(torch.stack(h), *output_layer(h[-1], y, W_ph, b_p))


def output_layer(h: Tensor, y: Tensor, W_ph: Tensor, b_p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Equations (2), (3) from h (B, H): logits p (B, K), their softmax (B, K) and the loss, a mean over the batch."""
    p = h @ W_ph.T + b_p  # (2)
    log_y_hat = p - p.logsumexp(1, keepdim=True)
    loss = -(one_hot(y, p) * log_y_hat).sum(1).mean()  # (3)
    return p, log_y_hat.exp(), loss


# The derivation


def output_error(y_hat: Tensor, y: Tensor) -> Tensor:
    """∂L/∂p(T) = (ŷ - y) / B, shape (B, K)."""
    return (y_hat - one_hot(y, y_hat)) / len(y)


def deltas(run: Forward, y: Tensor, weights: Weights) -> Tensor:
    """δ(t) = ∂L/∂a(t) at the argument a(t) of the tanh in (1), for t = 1…T: shape (T, B, H).

    δ(T) = (1 - h(T)²) ⊙ Wphᵀ (ŷ - y) / B, and δ(t) = (1 - h(t)²) ⊙ Whhᵀ δ(t+1).
    """
    slopes = 1 - run.h[1:] ** 2
    delta = [slopes[-1] * (output_error(run.y_hat, y) @ weights.W_ph)]
    for slope in slopes[:-1].flip(0):
        delta.append(slope * (delta[-1] @ weights.W_hh))
    return torch.stack(delta[::-1])


def gradients(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None = None) -> Weights:
    """All five gradients of the loss (3) by the derivation of chapter 1; arguments as in :func:`forward`.

    ∂L/∂Wph = (ŷ - y) h(T)ᵀ, ∂L/∂bp = ŷ - y, ∂L/∂Whh = Σ_t δ(t) h(t-1)ᵀ, ∂L/∂Whx = Σ_t δ(t) x(t)ᵀ and
    ∂L/∂bh = Σ_t δ(t), each averaged over the batch.
    """
    run = forward(x, y, weights, h0)
    error, delta = output_error(run.y_hat, y), deltas(run, y, weights)
    return Weights(
        W_hx=torch.einsum("tbi,tbj->ij", delta, x),
        W_hh=torch.einsum("tbi,tbj->ij", delta, run.h[:-1]),
        b_h=delta.sum((0, 1)),
        W_ph=error.T @ run.h[-1],
        b_p=error.sum(0),
    )


def contributions_by_lag(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None = None) -> Tensor:
    """The terms δ(t) h(t-1)ᵀ whose sum is ∂L/∂Whh, by their lag T - t: shape (T, H, H), lag 0 first."""
    run = forward(x, y, weights, h0)
    return torch.einsum("tbi,tbj->tij", deltas(run, y, weights), run.h[:-1]).flip(0)


# Jacobians of the state


def jacobians(h: Tensor, W_hh: Tensor) -> Tensor:
    """∂h(T)/∂h(T - lag) = Π diag(1 - h(s)²) Whh over the steps s = T, …, T - lag + 1.

    h: states h(0)…h(T) of :func:`forward`, (T + 1, B, H). Returns (T + 1, B, H, H), lag 0 (the identity) first.
    """
    product = torch.eye(h.shape[2], dtype=h.dtype).expand(h.shape[1], -1, -1)
    products = [product]
    for state in h[1:].flip(0):
        product = product @ ((1 - state**2).unsqueeze(2) * W_hh)
        products.append(product)
    return torch.stack(products)


def jacobian_norms(h: Tensor, W_hh: Tensor) -> Tensor:
    """‖∂h(T)/∂h(T - lag)‖₂, the largest factor by which a change of h(T - lag) reaches h(T): (T + 1, B)."""
    return torch.linalg.matrix_norm(jacobians(h, W_hh), ord=2)


def jacobian_bound(h: Tensor, W_hh: Tensor) -> Tensor:
    """(max |1 - h²| · ‖Whh‖₂)^lag, which :func:`jacobian_norms` cannot exceed: (T + 1, B)."""
    rate = (1 - h[1:] ** 2).amax((0, 2)) * torch.linalg.matrix_norm(W_hh, ord=2)
    return rate ** torch.arange(len(h), dtype=h.dtype).unsqueeze(1)


# The two judges


def autograd(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None = None) -> Weights:
    """All five gradients by PyTorch's autograd through :func:`forward`."""
    return Weights(*by_autograd(lambda *moved: forward(x, y, Weights(*moved), h0).loss, *weights))


def numeric(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None = None, step: float = 1e-5) -> Weights:
    """All five gradients by central differences, one entry at a time: good to about step², and slow."""
    return Weights(*by_differences(lambda *moved: forward(x, y, Weights(*moved), h0).loss, *weights, step=step))


def normals(seed: int) -> tuple[torch.Generator, Callable[..., Tensor]]:
    """A seeded generator, and a function that draws float64 tensors of a given shape from N(0, 1) with it."""
    generator = torch.Generator().manual_seed(seed)
    return generator, lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)


def check_sizes(**sizes: int) -> None:
    """Raise ValueError where one of them is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, not {size}")


def one_hot(y: Tensor, p: Tensor) -> Tensor:
    """Labels (B,) as vectors of zeros and a one, in the shape (B, K) and the dtype of the logits p."""
    return torch.nn.functional.one_hot(y, p.shape[1]).to(p.dtype)


def check_problem(
    x: Tensor,
    y: Tensor,
    weights: NamedTuple,
    shapes: Mapping[str, tuple[int, ...]],
    classes: int,
    **states: Tensor | None,
) -> None:
    """Raise ValueError, in one sentence, where a shape, a label or a dtype does not fit.

    shapes: what each of the weights must have; states: initial states of shape (B, H), or None for zeros.
    """
    for name, weight in weights._asdict().items():
        if weight.shape != shapes[name]:
            raise ValueError(f"{name} must have shape {shapes[name]} here, not {tuple(weight.shape)}")
        if not weight.is_floating_point() or weight.dtype != x.dtype:
            raise ValueError(f"x and {name} must be of one floating dtype, not {x.dtype} and {weight.dtype}")
    batch = x.shape[1]
    if y.shape != (batch,) or y.dtype != torch.int64 or y.min() < 0 or y.max() >= classes:
        raise ValueError(f"y must hold {batch} class labels, integers (int64) from 0 to {classes - 1}")
    shape = (batch, shapes["W_ph"][1])
    for name, state in states.items():
        if state is not None and (state.shape != shape or state.dtype != x.dtype):
            raise ValueError(
                f"{name} must have shape {shape} and dtype {x.dtype}, not {tuple(state.shape)}, {state.dtype}"
            )


def sizes_of(x: Tensor) -> tuple[int, int, int]:
    """T, B and D of the inputs. Raises ValueError where x is not (T, B, D) with all of them at least 1."""
    if x.dim() != 3 or 0 in x.shape:
        raise ValueError(f"x must have shape (T, B, D) with T, B and D at least 1, not {tuple(x.shape)}")
    length, batch, inputs = x.shape
    return length, batch, inputs


def _check(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None) -> None:
    _, _, inputs = sizes_of(x)
    units, classes = weights.b_h.numel(), weights.b_p.numel()
    shapes = {
        "W_hx": (units, inputs),
        "W_hh": (units, units),
        "b_h": (units,),
        "W_ph": (classes, units),
        "b_p": (classes,),
    }
    check_problem(x, y, weights, shapes, classes, h0=h0)
