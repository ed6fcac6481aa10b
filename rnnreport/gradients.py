"""Question 1.1 as code: the gradients of the vanilla RNN, derived, by autograd, by differences, and as printed in 2018.

Four ways to the same five matrices and vectors:

- :func:`gradients`, the derivation of chapter 1, a backward pass written by hand;
- :func:`autograd`, PyTorch's derivative of equations (1)-(3), which decides who is right;
- :func:`numeric`, central differences, which need no calculus at all;
- :func:`printed_wph` and :func:`printed_whh`, the expressions of the 2018 report, evaluated as they stand.

Shapes: T steps, B sequences in the batch, D input size, H hidden units, K classes. Sequences are time first, and the
loss is the mean over the batch, so every gradient carries a factor 1/B. Use float64: a gradient that vanishes leaves
float32's range within a few hundred steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args, get_type_hints

import torch
from torch import Tensor

from rnnreport.cells import rnn_step


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
    sizes = {"length": length, "batch_size": batch_size, "input_size": input_size}
    for name, size in {**sizes, "hidden_size": hidden_size, "classes": classes}.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, not {size}")
    if spectral_radius is not None and not spectral_radius >= 0:
        raise ValueError(f"spectral_radius must be at least 0, not {spectral_radius}")
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

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
    p = h[-1] @ W_ph.T + b_p  # (2)
    log_y_hat = p - p.logsumexp(1, keepdim=True)
    loss = -(_one_hot(y, p) * log_y_hat).sum(1).mean()  # (3)
    return Forward(torch.stack(h), p, log_y_hat.exp(), loss)


# The derivation


def output_error(run: Forward, y: Tensor) -> Tensor:
    """∂L/∂p(T) = (ŷ - y) / B, shape (B, K)."""
    return (run.y_hat - _one_hot(y, run.p)) / len(y)


def deltas(run: Forward, y: Tensor, weights: Weights) -> Tensor:
    """δ(t) = ∂L/∂a(t) at the argument a(t) of the tanh in (1), for t = 1…T: shape (T, B, H).

    δ(T) = (1 - h(T)²) ⊙ Wphᵀ (ŷ - y) / B, and δ(t) = (1 - h(t)²) ⊙ Whhᵀ δ(t+1).
    """
    slopes = 1 - run.h[1:] ** 2
    delta = [slopes[-1] * (output_error(run, y) @ weights.W_ph)]
    for slope in slopes[:-1].flip(0):
        delta.append(slope * (delta[-1] @ weights.W_hh))
    return torch.stack(delta[::-1])


def gradients(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None = None) -> Weights:
    """All five gradients of the loss (3) by the derivation of chapter 1; arguments as in :func:`forward`.

    ∂L/∂Wph = (ŷ - y) h(T)ᵀ, ∂L/∂bp = ŷ - y, ∂L/∂Whh = Σ_t δ(t) h(t-1)ᵀ, ∂L/∂Whx = Σ_t δ(t) x(t)ᵀ and
    ∂L/∂bh = Σ_t δ(t), each averaged over the batch.
    """
    run = forward(x, y, weights, h0)
    error, delta = output_error(run, y), deltas(run, y, weights)
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
    leaves = Weights(*(weight.detach().clone().requires_grad_() for weight in weights))
    return Weights(*torch.autograd.grad(forward(x, y, leaves, h0).loss, leaves))


def numeric(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None = None, step: float = 1e-5) -> Weights:
    """All five gradients by central differences, one entry at a time: good to about step², and slow."""

    def difference(name: str, index: int) -> Tensor:
        weight = getattr(weights, name)
        losses = []
        for sign in (1, -1):
            moved = weight.clone()
            moved.view(-1)[index] += sign * step
            losses.append(forward(x, y, weights._replace(**{name: moved}), h0).loss)
        return (losses[0] - losses[1]) / (2 * step)

    return Weights(
        *(
            torch.stack([difference(name, index) for index in range(weight.numel())]).view_as(weight)
            for name, weight in weights._asdict().items()
        )
    )


def relative_difference(value: Tensor, reference: Tensor) -> float:
    """‖value - reference‖ / ‖reference‖ over all entries; 0 where both are zero, inf where only the reference is."""
    difference, scale = float((value - reference).norm()), float(reference.norm())
    if scale == 0:
        return 0.0 if difference == 0 else float("inf")
    return difference / scale


# What the 2018 report prints


WphReading = Literal["line 1", "line 2", "line 3, l = i", "line 3, l summed"]
WPH_READINGS: tuple[WphReading, ...] = get_args(WphReading)


def printed_wph(x: Tensor, y: Tensor, weights: Weights, reading: WphReading, h0: Tensor | None = None) -> Tensor:
    """The report's expression for ∂L/∂Wph, term by term, averaged over the batch: (K, H).

    reading: which of its three lines; the third names an index l that nothing sums or fixes any more, so it is read
    both with l = i and with the sum over l kept. The printed sums over m = 1…10 run over all classes.
    """
    if reading not in WPH_READINGS:
        raise ValueError(f"reading must be one of {', '.join(WPH_READINGS)}, not {reading!r}")
    run = forward(x, y, weights, h0)
    h_T, target = run.h[-1], _one_hot(y, run.p)
    if reading == "line 1":  # Σ_l Σ_m ∂L/∂ŷ_m ∂ŷ_m/∂p_l ∂p_l/∂W_ij
        softmax_jacobian = torch.diag_embed(run.y_hat) - torch.einsum("bm,bl->bml", run.y_hat, run.y_hat)
        bracket = torch.einsum("bm,bml->bl", -target / run.y_hat, softmax_jacobian)
    else:  # [Σ_m (y_m / ŷ_m) exp(p_m) exp(p_l) / (Σ_o exp(p_o))²] - (y_l / ŷ_l) exp(p_l) / Σ_o exp(p_o)
        first, second = _printed_terms(run, target)
        bracket = first - second
    if reading == "line 3, l summed":
        bracket = bracket.sum(1, keepdim=True).expand_as(bracket)
    return bracket.T @ h_T / len(y)


@dataclass(frozen=True)
class WhhReading:
    """One way to read the report's expression for ∂L/∂Whh. The defaults are the repaired form.

    output: the sums over l and m that stand for ∂L/∂h_o(T).
        "line 1": ∂ŷ_m/∂h_o and ∂p_l/∂h_o are multiplied, so that the output layer counts twice;
        "line 2": the bracket closes early and W_lo multiplies its second term only;
        "line 3": the sum over l ends before the second term, whose l dangles and is summed with W_lo;
        "line 3, true class": the same, with the dangling l taken as the class y.
    units: whether the sum over o runs over the hidden units or, as its printed limit says, over the outputs.
    slope: the derivative of tanh, sech²(a), or what "sec²h" says, sec²(a), or sec²(h) times a.
    argument: a_o = Σ_k (W_hx,ok x_k + W_hh,ok h_k) + b_o, the same with b_j, or the single product
        W_hx,ij x_j + W_hh,ij h_j + b_j (j counts hidden units: where D < H, the missing x_j are zero).
    immediate: whether h_j δ_oi is added once or, standing inside the sum over k, H times.
    """

    output: Literal["repaired", "line 1", "line 2", "line 3", "line 3, true class"] = "repaired"
    units: Literal["hidden", "outputs"] = "hidden"
    slope: Literal["sech²", "sec²", "sec² h times a"] = "sech²"
    argument: Literal["sum", "sum with b_j", "single product"] = "sum"
    immediate: Literal["once", "H times"] = "once"

    def __post_init__(self) -> None:
        for name, choices in get_type_hints(WhhReading).items():
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, not {getattr(self, name)!r}")


REPAIRED = WhhReading()
KINDEST = WhhReading(argument="single product")  # typography forgiven, symbols as they stand
LITERAL = WhhReading("line 3", "outputs", "sec²", "single product", "H times")  # the last line of each derivation
WHH_READINGS: dict[str, WhhReading] = {
    "repaired": REPAIRED,
    "output layer counted twice": WhhReading(output="line 1"),
    "bracket closes before its second term": WhhReading(output="line 2"),
    "sum over l ends early, l summed again": WhhReading(output="line 3"),
    "sum over l ends early, l the true class": WhhReading(output="line 3, true class"),
    "hidden units counted up to d_o": WhhReading(units="outputs"),
    "sec² for sech²": WhhReading(slope="sec²"),
    "sec²(h) times the bracket": WhhReading(slope="sec² h times a"),
    "b_j for b_o": WhhReading(argument="sum with b_j"),
    "single product for the sum over k": KINDEST,
    "δ inside the sum over k": WhhReading(immediate="H times"),
    "every letter as printed": LITERAL,
}


def printed_whh(
    x: Tensor, y: Tensor, weights: Weights, reading: WhhReading = REPAIRED, h0: Tensor | None = None
) -> Tensor:
    """The report's expression for ∂L/∂Whh under one reading, averaged over the batch: (H, H).

    It carries ∂h_o(t)/∂W_ij forward in time, a tensor of shape (B, H, H, H): keep H small. The recursion starts from
    ∂h(0)/∂W = 0, and h_j and h_k without a time are those of the step before.
    """
    run = forward(x, y, weights, h0)
    batch, units = run.h.shape[1:]
    times = units if reading.immediate == "H times" else 1
    identity = torch.eye(units, dtype=x.dtype)
    dh = x.new_zeros(batch, units, units, units)
    for x_t, h_before, h_now in zip(x, run.h[:-1], run.h[1:], strict=True):
        slope = _printed_slope(x_t, h_before, h_now, weights, reading)
        immediate = torch.einsum("oi,bj->boij", identity, h_before) * times
        through_time = torch.einsum("ok,bkij->boij", weights.W_hh, dh)
        dh = slope * (immediate + through_time)
    output = _printed_output(run, y, weights, reading)
    if reading.units == "outputs":
        output = output[:, : run.p.shape[1]]
    return torch.einsum("bo,boij->ij", output, dh[:, : output.shape[1]]) / len(y)


def _printed_terms(run: Forward, target: Tensor) -> tuple[Tensor, Tensor]:
    """The two terms of the report's bracket for every l: (B, K) each. They come to ŷ_l and y_l."""
    exp = run.p.exp()
    total = exp.sum(1, keepdim=True)
    products = torch.einsum("bm,bl->bml", exp, exp) / total.unsqueeze(2) ** 2
    return torch.einsum("bm,bml->bl", target / run.y_hat, products), target / run.y_hat * exp / total


def _printed_output(run: Forward, y: Tensor, weights: Weights, reading: WhhReading) -> Tensor:
    """The factor in front of ∂h_o(T)/∂W_ij: (B, H)."""
    W_ph, target = weights.W_ph, _one_hot(y, run.p)
    first, second = _printed_terms(run, target)
    first_summed = first.sum(1, keepdim=True)
    return {
        "repaired": (first - second) @ W_ph,
        "line 1": ((first - second) @ W_ph) * W_ph.sum(0),
        "line 2": first_summed - second @ W_ph,
        "line 3": (first_summed - second) @ W_ph,
        "line 3, true class": ((first_summed - second) * target) @ W_ph,
    }[reading.output]


def _printed_slope(x_t: Tensor, h_before: Tensor, h_now: Tensor, weights: Weights, reading: WhhReading) -> Tensor:
    """The derivative of tanh in front of the bracket, broadcastable over (B, o, i, j)."""
    W_hx, W_hh, b_h = weights[:3]
    if reading.argument == "single product":  # indexed by i, j instead of o
        missing = W_hh.shape[0] - W_hx.shape[1]
        inputs = torch.nn.functional.pad(torch.einsum("ij,bj->bij", W_hx, x_t), (0, missing))
        a = (inputs + W_hh * h_before.unsqueeze(1) + b_h).unsqueeze(1)
    else:
        a = x_t @ W_hx.T + h_before @ W_hh.T
        a = (a + b_h)[:, :, None, None] if reading.argument == "sum" else a[:, :, None, None] + b_h
    if reading.slope == "sec²":
        return a.cos() ** -2
    if reading.slope == "sec² h times a":
        return h_now.cos()[:, :, None, None] ** -2 * a
    return a.cosh() ** -2


def _one_hot(y: Tensor, p: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(y, p.shape[1]).to(p.dtype)


def _check(x: Tensor, y: Tensor, weights: Weights, h0: Tensor | None) -> None:
    if x.dim() != 3 or 0 in x.shape:
        raise ValueError(f"x must have shape (T, B, D) with T, B and D at least 1, not {tuple(x.shape)}")
    (_, batch, inputs), units, classes = x.shape, weights.b_h.numel(), weights.b_p.numel()
    shapes = Weights((units, inputs), (units, units), (units,), (classes, units), (classes,))  # type: ignore[arg-type]
    for name, weight, shape in zip(Weights._fields, weights, shapes, strict=True):
        if weight.shape != shape:
            raise ValueError(f"{name} must have shape {shape} here, not {tuple(weight.shape)}")
        if not weight.is_floating_point() or weight.dtype != x.dtype:
            raise ValueError(f"x and {name} must be of one floating dtype, not {x.dtype} and {weight.dtype}")
    if y.shape != (batch,) or y.dtype != torch.int64 or y.min() < 0 or y.max() >= classes:
        raise ValueError(f"y must hold {batch} class labels, integers (int64) from 0 to {classes - 1}")
    if h0 is not None and (h0.shape != (batch, units) or h0.dtype != x.dtype):
        raise ValueError(f"h0 must have shape {(batch, units)} and dtype {x.dtype}, not {tuple(h0.shape)}, {h0.dtype}")
