"""What the 2018 report prints: its expressions for ∂L/∂Wph and ∂L/∂Whh, term by term, under every plausible reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

import torch
from torch import Tensor

from rnnreport.gradients.rnn import Forward, Weights, forward, one_hot

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
    h_T, target = run.h[-1], one_hot(y, run.p)
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
    argument: a_o = Σ_k (W_hx,ok x_k + W_hh,ok h_k) + b_o, the same with b_j, the same with b_o inside the sum over the
        H units, or the single product W_hx,ij x_j + W_hh,ij h_j + b_j (j counts hidden units: where D < H, the missing
        x_j are zero).
    immediate: whether h_j δ_oi is added once or, standing inside the sum over k, H times.
    time: whether that h_j, which has no time, is the state before the step or after it.
    """

    output: Literal["repaired", "line 1", "line 2", "line 3", "line 3, true class"] = "repaired"
    units: Literal["hidden", "outputs"] = "hidden"
    slope: Literal["sech²", "sec²", "sec² h times a"] = "sech²"
    argument: Literal["sum", "sum with b_j", "sum with H b_o", "single product"] = "sum"
    immediate: Literal["once", "H times"] = "once"
    time: Literal["before", "after"] = "before"

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
    "b_o inside the sum over k": WhhReading(argument="sum with H b_o"),
    "single product for the sum over k": KINDEST,
    "δ inside the sum over k": WhhReading(immediate="H times"),
    "h_j of the same step": WhhReading(time="after"),
    "every letter as printed": LITERAL,
}


def printed_whh(
    x: Tensor, y: Tensor, weights: Weights, reading: WhhReading = REPAIRED, h0: Tensor | None = None
) -> Tensor:
    """The report's expression for ∂L/∂Whh under one reading, averaged over the batch: (H, H).

    It carries ∂h_o(t)/∂W_ij forward in time, a tensor of shape (B, H, H, H): keep H small. The recursion starts from
    ∂h(0)/∂W = 0.
    """
    run = forward(x, y, weights, h0)
    batch, units = run.h.shape[1:]
    times = units if reading.immediate == "H times" else 1
    identity = torch.eye(units, dtype=x.dtype)
    dh = x.new_zeros(batch, units, units, units)
    for x_t, h_before, h_now in zip(x, run.h[:-1], run.h[1:], strict=True):
        slope = _printed_slope(x_t, h_before, h_now, weights, reading)
        h_j = h_before if reading.time == "before" else h_now
        immediate = torch.einsum("oi,bj->boij", identity, h_j) * times
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
    W_ph, target = weights.W_ph, one_hot(y, run.p)
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
        b_o = b_h * (len(b_h) if reading.argument == "sum with H b_o" else 1)
        a = a[:, :, None, None] + (b_h if reading.argument == "sum with b_j" else b_o[:, None, None])
    if reading.slope == "sec²":
        return a.cos() ** -2
    if reading.slope == "sec² h times a":
        return h_now.cos()[:, :, None, None] ** -2 * a
    return a.cosh() ** -2
