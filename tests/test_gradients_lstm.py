"""The LSTM's derivation, without a gate and behind one, against autograd, differences and the recurrence."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnreport import cells, gradients, recurrence
from rnnreport.gradients import LSTMWeights, relative_difference

EXACT, CLOSE = 1e-12, 1e-6
quickly = settings(max_examples=30, deadline=None)


@st.composite
def problems(draw, kinds=(None, "shared", "each")):
    """x, y, weights, h_0, c_0 and k of small sizes, not all equal; k is None, one for the batch, or one a sequence."""
    sizes = draw(st.tuples(*[st.integers(1, 4)] * 5).filter(lambda sizes: len(set(sizes)) > 2))
    T, B, D, H, K = sizes
    seed = draw(st.integers(0, 2**32))
    case = gradients.lstm_draw(T, B, D, H, K, seed=seed, std=draw(st.sampled_from([0.1, 0.5, 1.0])))
    kind = draw(st.sampled_from(kinds))
    shape = {None: None, "shared": (T, H), "each": (T, B, H)}[kind]
    if shape is None:
        return *case, None
    k = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return *case, k * (k > 0.3)  # some units are closed


def flat(found):
    """LSTMGradients as a list."""
    return [*found.weights, found.h_0, found.c_0, *([] if found.k is None else [found.k])]


def judged(case, judge):
    x, y, weights, h_0, c_0, k = case

    def loss(*moved):
        return gradients.lstm_forward(x, y, LSTMWeights(*moved[:14]), *moved[14:]).loss

    return judge(loss, *weights, h_0, c_0, *([] if k is None else [k]))


@quickly
@given(problems())
def test_derivation_equals_autograd(case):
    for value, exact in zip(flat(gradients.lstm_gradients(*case)), judged(case, gradients.by_autograd), strict=True):
        assert value.shape == exact.shape
        assert relative_difference(value, exact) < EXACT


@settings(max_examples=10, deadline=None)
@given(problems())
def test_derivation_equals_differences(case):
    for value, moved in zip(flat(gradients.lstm_gradients(*case)), judged(case, gradients.by_differences), strict=True):
        torch.testing.assert_close(value, moved, rtol=CLOSE, atol=1e-9)


@quickly
@given(problems())
def test_forward_is_the_cells(case):
    x, y, weights, h_0, c_0, k = case
    run = gradients.lstm_forward(*case)
    h, c = h_0, c_0
    for t, x_t in enumerate(x):
        if k is None:
            h, c = cells.lstm_step(x_t, h, c, *weights.stacked())
        else:
            h, c = cells.temporal_gate_lstm_step(x_t, h, c, k[t], *weights.stacked())
        torch.testing.assert_close(run.h[t + 1], h, rtol=0, atol=EXACT)
        torch.testing.assert_close(run.c[t + 1], c, rtol=0, atol=EXACT)
    p = h @ weights.W_ph.T + weights.b_p
    torch.testing.assert_close(run.y_hat, p.softmax(1), rtol=0, atol=EXACT)
    torch.testing.assert_close(run.loss, torch.nn.functional.cross_entropy(p, y), rtol=EXACT, atol=EXACT)


@quickly
@given(problems())
def test_derivation_equals_the_recurrence_that_trains(case):
    x, y, weights, h_0, c_0, k = case
    inputs = [*weights.stacked(), h_0, c_0, *([] if k is None else [k])]
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    weight_ih, weight_hh, bias, h, c, *gate = inputs
    output, *_ = recurrence.lstm(x, h, c, weight_ih, weight_hh, bias, *gate)
    loss = torch.nn.functional.cross_entropy(output[-1] @ weights.W_ph.T + weights.b_p, y)
    found = gradients.lstm_gradients(*case)
    ours = [*found.weights.stacked(), found.h_0, found.c_0, *([] if found.k is None else [found.k])]
    for value, trained in zip(ours, torch.autograd.grad(loss, inputs), strict=True):
        assert relative_difference(value, trained) < EXACT


def test_states_are_zero_by_default_and_a_gate_wide_open_is_none():
    x, y, weights, h_0, c_0 = gradients.lstm_draw(3, 2, 4, 5, 6, seed=0)
    zeros = torch.zeros_like(h_0)
    for value, other in zip(
        flat(gradients.lstm_gradients(x, y, weights)), flat(gradients.lstm_gradients(x, y, weights, zeros, zeros))
    ):
        assert torch.equal(value, other)
    plain = gradients.lstm_gradients(x, y, weights, h_0, c_0)
    *opened, _ = flat(gradients.lstm_gradients(x, y, weights, h_0, c_0, torch.ones(3, 5, dtype=torch.float64)))
    assert plain.k is None
    for value, other in zip(flat(plain), opened, strict=True):
        torch.testing.assert_close(value, other, rtol=EXACT, atol=1e-15)


def test_a_closed_gate_passes_the_gradient_on_and_teaches_no_weight():
    x, y, weights, h_0, c_0 = gradients.lstm_draw(3, 2, 4, 5, 6, seed=0)
    found = gradients.lstm_gradients(x, y, weights, h_0, c_0, torch.zeros(3, 5, dtype=torch.float64))
    error = gradients.output_error(gradients.lstm_forward(x, y, weights, h_0, c_0, torch.zeros(3, 5).double()).y_hat, y)
    torch.testing.assert_close(found.h_0, error @ weights.W_ph, rtol=EXACT, atol=0)
    assert not found.c_0.any()
    assert not any(gradient.any() for gradient in found.weights[:12])


# The gate's own parameters


def tensors(*values):
    return [torch.tensor(value, dtype=torch.float64) for value in values]


real = st.floats(-40, 40)


@settings(max_examples=200, deadline=None)
@given(real, st.floats(0.5, 30), real, st.floats(0.05, 1))
def test_the_gates_slopes_equal_autograd_and_differences_away_from_corners(t, tau, s, r_on):
    gate = tensors(tau, s, r_on)
    t = torch.tensor(t, dtype=torch.float64)
    phi = (torch.remainder(t - gate[1], gate[0]) / gate[0]).item()
    assume(min(abs(phi - corner) for corner in (0, r_on / 2, r_on, 1)) > 1e-3)
    found = gradients.gate_gradients(t, *gate)

    def k(*moved):
        return cells.temporal_gate(t, *moved)

    for value, exact, moved in zip(
        found, gradients.by_autograd(k, *gate), gradients.by_differences(k, *gate, step=1e-6), strict=True
    ):
        torch.testing.assert_close(value, exact, rtol=EXACT, atol=EXACT)
        torch.testing.assert_close(value, moved, rtol=CLOSE, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(real, st.floats(0.5, 30), real, st.floats(0.05, 1))
def test_the_branch_makes_equation_12(t, tau, s, r_on):
    t, tau, s, r_on = tensors(t, tau, s, r_on)
    branch = gradients.gate_branch(t, tau, s, r_on)
    k = branch.alpha + branch.beta * branch.phi / r_on
    torch.testing.assert_close(k, cells.temporal_gate(t, tau, s, r_on), rtol=0, atol=EXACT)
    torch.testing.assert_close(branch.phi, (t - s) / tau - branch.n, rtol=0, atol=1e-10)


@pytest.mark.parametrize("period", [-2, 0, 3])
@pytest.mark.parametrize(("phi", "slope"), [(0.0, 2.0), (0.25, -2.0), (0.5, 0.0)])
def test_a_corner_belongs_to_the_branch_that_begins_there(phi, slope, period):
    """In eighths, so that the corner is met exactly."""
    tau, s, r_on = tensors(8.0, 3.0, 0.5)
    t = s + (period + phi) * tau
    found = gradients.gate_gradients(t, tau, s, r_on)
    assert gradients.gate_branch(t, tau, s, r_on).n == period
    assert found.s == -slope / r_on / tau
    assert found.tau == -slope / r_on * (phi + period) / tau
    assert found.r_on == -slope * phi / r_on**2
    for value, exact in zip(
        found, gradients.by_autograd(lambda *gate: cells.temporal_gate(t, *gate), tau, s, r_on), strict=True
    ):
        torch.testing.assert_close(value, exact, rtol=EXACT, atol=0)


def test_a_whole_period_more_adds_to_the_slope_by_tau_alone():
    tau, s, r_on = tensors(6.0, 1.0, 0.5)
    early, late = (gradients.gate_gradients(torch.tensor(t, dtype=torch.float64), tau, s, r_on) for t in (1.5, 61.5))
    torch.testing.assert_close(early.s, late.s)
    torch.testing.assert_close(early.r_on, late.r_on)
    torch.testing.assert_close(late.tau - early.tau, 10 * late.s)  # ten periods later, ten times the shift's slope


def test_times_and_units_broadcast():
    t = torch.arange(1.0, 8.0, dtype=torch.float64)[:, None]
    tau, s, r_on = tensors([2.0, 3.0, 5.0], [0.3, -0.2, 0.1], [0.5, 0.3, 1.0])
    found = gradients.gate_gradients(t, tau, s, r_on)
    assert {value.shape for value in found} == {(7, 3)}
    one = gradients.gate_gradients(t[4, 0], tau[1], s[1], r_on[1])
    assert [value[4, 1] for value in found] == list(one)


# Bad input


def problem():
    return dict(zip(("x", "y", "weights", "h_0", "c_0"), gradients.lstm_draw(3, 2, 4, 5, 6, seed=0)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(3, 2, dtype=torch.float64)}, r"^x must have shape \(T, B, D\)"),
        ({"x": torch.zeros(3, 2, 3, dtype=torch.float64)}, r"^W_gx must have shape \(5, 3\) here, not \(5, 4\)$"),
        ({"x": torch.zeros(3, 2, 4)}, "^x and W_gx must be of one floating dtype"),
        ({"y": torch.tensor([0, 6])}, "^y must hold 2 class labels, integers .* from 0 to 5"),
        ({"h_0": torch.zeros(2, 4, dtype=torch.float64)}, r"^h_0 must have shape \(2, 5\)"),
        ({"c_0": torch.zeros(2, 5)}, r"^c_0 must have shape \(2, 5\) and dtype torch.float64"),
        ({"k": torch.zeros(3, 4, dtype=torch.float64)}, r"^k must have shape \(3, 5\) or \(3, 2, 5\) and dtype"),
        ({"k": torch.zeros(3, 5)}, r"^k must have shape .* and dtype torch.float64, not \(3, 5\), torch.float32$"),
    ],
)
def test_misfits_are_refused_in_one_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        gradients.lstm_gradients(**{**problem(), **change})


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match=r"^hidden_size must be at least 1, not 0$"):
        gradients.lstm_draw(3, 2, 4, 0, 6, seed=0)
