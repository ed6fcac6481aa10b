"""The LSTM's gradient by path: the states against the step cell, both Jacobians against autograd."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnreport import cell_path, gradients
from rnnreport.cells import lstm_step

EXACT = 1e-12
quickly = settings(max_examples=25, deadline=None)


def problem(T, B, D, H, *, seed=0, std=0.5):
    """Inputs (T, B, D) and the LSTM's weight_ih, weight_hh and bias."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, std=std):
        return std * torch.randn(shape, generator=generator, dtype=torch.float64)

    return normal(T, B, D, std=1.0), normal(4 * H, D), normal(4 * H, H), normal(4 * H)


@st.composite
def problems(draw):
    T, B, D, H = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    return problem(T, B, D, H, seed=draw(st.integers(0, 2**32)), std=draw(st.sampled_from([0.1, 0.5, 1.0])))


def step_by_step(x, state, weights):
    """(h, c), one after the other, at the end, from (h, c) before the steps of x; for one sequence."""
    for x_t in x:
        state = torch.cat(lstm_step(x_t, *state.chunk(2), *weights))
    return state


@quickly
@given(problems())
def test_forward_is_the_step_cell_after_every_step(case):
    x, *weights = case
    run = cell_path.forward(*case)
    h = c = torch.zeros_like(run.h[0])
    assert torch.equal(run.h[0], h)
    assert torch.equal(run.c[0], c)
    for t, x_t in enumerate(x, start=1):
        before, (h, c) = c, lstm_step(x_t, h, c, *weights)
        torch.testing.assert_close(run.h[t], h, rtol=0, atol=EXACT)
        torch.testing.assert_close(run.c[t], c, rtol=0, atol=EXACT)
        i, f, g, o = (gate[t - 1] for gate in (run.i, run.f, run.g, run.o))
        torch.testing.assert_close(g * i + before * f, c, rtol=0, atol=EXACT)  # (8): no gate under another's name
        torch.testing.assert_close(c.tanh() * o, h, rtol=0, atol=EXACT)  # (9)


@quickly
@given(problems())
def test_state_jacobians_equal_autograds_at_every_lag(case):
    x, *weights = case
    run = cell_path.forward(*case)
    (T, B), H = x.shape[:2], run.h.shape[2]
    computed = cell_path.state_jacobians(run, weights[1])
    assert computed.shape == (T + 1, B, 2 * H, 2 * H)
    for lag in range(T + 1):
        for b in range(B):
            start = torch.cat([run.h[T - lag, b], run.c[T - lag, b]])
            expected = torch.autograd.functional.jacobian(
                lambda state, lag=lag, b=b: step_by_step(x[T - lag :, b], state, weights), start
            )
            assert gradients.relative_difference(computed[lag, b], expected) < EXACT


@quickly
@given(problems())
def test_forget_products_are_autograds_jacobian_with_the_gates_held(case):
    x, *_ = case
    run = cell_path.forward(*case)
    (T, B), H = x.shape[:2], run.h.shape[2]
    computed = cell_path.forget_products(run.f)
    assert computed.shape == (T + 1, B, H)
    for lag in range(T + 1):
        for b in range(B):

            def with_gates_held(c, lag=lag, b=b):
                for t in range(T - lag, T):
                    c = run.g[t, b] * run.i[t, b] + c * run.f[t, b]
                return c

            expected = torch.autograd.functional.jacobian(with_gates_held, run.c[T - lag, b])
            assert gradients.relative_difference(computed[lag, b].diag(), expected) < EXACT


@quickly
@given(problems())
def test_both_respect_their_bounds(case):
    """The norm of a product is at most the product of the norms; no forget gate exceeds 1, nor their product f."""
    run = cell_path.forward(*case)
    steps = torch.linalg.matrix_norm(cell_path.step_jacobians(run, case[2]), ord=2)
    bound = torch.cat([torch.ones_like(steps[:1]), steps.flip(0).cumprod(0)])
    norms = torch.linalg.matrix_norm(cell_path.state_jacobians(run, case[2]), ord=2)
    assert (norms <= bound * (1 + EXACT)).all()
    kept = cell_path.forget_products(run.f)
    assert (kept[0] == 1).all()
    assert (kept.diff(dim=0) < 0).all()
    largest = run.f.amax((0, 2)) ** torch.arange(len(kept), dtype=kept.dtype).unsqueeze(1)
    assert (kept.amax(2) <= largest * (1 + EXACT)).all()


def test_without_recurrent_weights_the_cell_is_the_only_way():
    x, weight_ih, weight_hh, bias = problem(6, 2, 3, 4)
    run = cell_path.forward(x, weight_ih, torch.zeros_like(weight_hh), bias)
    by_block = cell_path.state_jacobians(run, torch.zeros_like(weight_hh))
    torch.testing.assert_close(
        by_block[:, :, 4:, 4:], cell_path.forget_products(run.f).diag_embed(), rtol=EXACT, atol=0
    )
    assert not by_block[1:, :, :, :4].any()  # h leads nowhere


def test_an_open_forget_gate_is_the_identity_path_and_a_shut_one_ends_it():
    x, weight_ih, weight_hh, bias = problem(50, 2, 3, 4)
    for argument, expected in ((1e3, 1.0), (-1e3, 0.0)):
        bias[4:8] = argument
        kept = cell_path.forget_products(cell_path.forward(x, weight_ih, weight_hh, bias).f)
        assert (kept[1:] == expected).all()


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_products_stay_exact_where_float32_has_only_zero(bias):
    """Weights of zero: every factor is the bias's sigmoid, over 600 steps 1e-181 for a bias of 0."""
    H = 2
    weights = torch.zeros(4 * H, 3), torch.zeros(4 * H, H), torch.zeros(4 * H)
    weights[2][H : 2 * H] = bias
    x = torch.zeros(600, 1, 3, dtype=torch.float64)
    run = cell_path.forward(x, *(weight.double() for weight in weights))
    lags = torch.arange(601, dtype=torch.float64)
    expected = (-lags * torch.tensor(-bias, dtype=torch.float64).exp().log1p()).exp()
    torch.testing.assert_close(cell_path.forget_products(run.f)[:, 0, 0], expected, rtol=1e-11, atol=0)
    jacobians = cell_path.state_jacobians(run, weights[1].double())
    torch.testing.assert_close(jacobians[1:, 0, H, H], expected[1:], rtol=1e-11, atol=0)
