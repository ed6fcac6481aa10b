"""Question 1.1: every form of the gradients against autograd, differences and each other."""

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnreport import gradients
from rnnreport.cells import rnn_step
from rnnreport.experiments import gradients as experiments
from rnnreport.figures.gradients import gradient_decay, within_rounding
from rnnreport.gradients import KINDEST, LITERAL, REPAIRED, WHH_READINGS, WPH_READINGS, WhhReading
from rnnreport.parameters.gradients import GradientParameters

EXACT = 1e-12


@st.composite
def problems(draw, min_length=1):
    """x, y, weights, h0 of small unequal sizes; h0 is sometimes left at its default."""
    T, B, D = draw(st.integers(min_length, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    H, K = draw(st.integers(1, 6)), draw(st.integers(2, 7))
    seed, std = draw(st.integers(0, 2**32)), draw(st.sampled_from([0.1, 0.5, 1.0]))
    x, y, weights = gradients.draw(T, B, D, H, K, seed=seed, std=std)
    generator = torch.Generator().manual_seed(seed + 1)
    h0 = torch.rand(B, H, generator=generator, dtype=torch.float64) * 2 - 1 if draw(st.booleans()) else None
    return x, y, weights, h0


quickly = settings(max_examples=30, deadline=None)


def problem(length=7, **kwargs):
    return gradients.draw(length, 3, 2, 5, 4, seed=0, **kwargs)


def gaps(values, references):
    return [gradients.relative_difference(a, b) for a, b in zip(values, references, strict=True)]


@quickly
@given(problems())
def test_forward_is_equations_1_to_3(case):
    x, y, weights, h0 = case
    run = gradients.forward(x, y, weights, h0)
    rnn = torch.nn.RNN(x.shape[2], len(weights.b_h), dtype=torch.float64)
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(weights.W_hx)
        rnn.weight_hh_l0.copy_(weights.W_hh)
        rnn.bias_ih_l0.copy_(weights.b_h)
        rnn.bias_hh_l0.zero_()
        h, _ = rnn(x, None if h0 is None else h0[None])
    p = h[-1] @ weights.W_ph.T + weights.b_p
    torch.testing.assert_close(run.h[1:], h, rtol=0, atol=EXACT)
    torch.testing.assert_close(run.p, p, rtol=0, atol=EXACT)
    torch.testing.assert_close(run.y_hat, p.softmax(1), rtol=0, atol=EXACT)
    torch.testing.assert_close(run.loss, torch.nn.functional.cross_entropy(p, y), rtol=EXACT, atol=EXACT)


@quickly
@given(problems())
def test_derivation_equals_autograd(case):
    assert max(gaps(gradients.gradients(*case), gradients.autograd(*case))) < EXACT


@pytest.mark.parametrize(("length", "batch"), [(1, 1), (1, 3), (40, 1)])
def test_derivation_at_the_edges(length, batch):
    case = gradients.draw(length, batch, 3, 5, 4, seed=1)
    assert max(gaps(gradients.gradients(*case), gradients.autograd(*case))) < EXACT


def test_one_step_from_zero_has_no_recurrent_gradient():
    x, y, weights = problem(length=1)
    assert not gradients.gradients(x, y, weights).W_hh.any()
    assert gradients.gradients(x, y, weights, torch.ones(3, 5, dtype=torch.float64)).W_hh.any()


@settings(max_examples=10, deadline=None)
@given(problems())
def test_autograd_equals_finite_differences(case):
    for estimate, exact in zip(gradients.numeric(*case), gradients.autograd(*case), strict=True):
        torch.testing.assert_close(estimate, exact, rtol=1e-6, atol=1e-8)


@quickly
@given(problems())
def test_contributions_are_the_gradients_of_each_steps_own_copy_of_the_weight(case):
    x, y, weights, h0 = case
    contributions = gradients.contributions_by_lag(*case)
    assert gradients.relative_difference(contributions.sum(0), gradients.gradients(*case).W_hh) < EXACT

    copies = [weights.W_hh.clone().requires_grad_() for _ in x]
    h = torch.zeros(len(y), len(weights.b_h), dtype=x.dtype) if h0 is None else h0
    for x_t, W_hh in zip(x, copies, strict=True):
        h = rnn_step(x_t, h, weights.W_hx, W_hh, weights.b_h)
    loss = torch.nn.functional.cross_entropy(h @ weights.W_ph.T + weights.b_p, y)
    by_lag = torch.stack(torch.autograd.grad(loss, copies)).flip(0)
    assert max(gaps(contributions, by_lag)) < 1e-11  # each lag on its own scale, however small


@quickly
@given(problems())
def test_jacobians_equal_autograds_and_respect_their_bound(case):
    x, y, weights, _ = case
    h = gradients.forward(*case).h
    computed, norms = gradients.jacobians(h, weights.W_hh), gradients.jacobian_norms(h, weights.W_hh)
    bound = gradients.jacobian_bound(h, weights.W_hh)
    T, B, H = len(x), len(y), len(weights.b_h)
    assert computed.shape == (T + 1, B, H, H)
    assert norms.shape == bound.shape == (T + 1, B)

    for lag in range(T + 1):
        for b in range(B):

            def rest(state, lag=lag, b=b):
                for x_t in x[T - lag :, b]:
                    state = rnn_step(x_t, state, weights.W_hx, weights.W_hh, weights.b_h)
                return state

            expected = torch.autograd.functional.jacobian(rest, h[T - lag, b])
            torch.testing.assert_close(computed[lag, b], expected, rtol=1e-10, atol=EXACT)
            torch.testing.assert_close(norms[lag, b], torch.linalg.matrix_norm(expected, ord=2))
    assert (norms <= bound * (1 + EXACT)).all()


def test_spectral_radius_is_set():
    _, _, weights = problem(spectral_radius=1.5)
    assert torch.linalg.eigvals(weights.W_hh).abs().max().item() == pytest.approx(1.5)


def test_draw_is_seeded():
    for a, b in zip(problem()[2], problem()[2], strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(problem()[0], gradients.draw(7, 3, 2, 5, 4, seed=1)[0])


def test_relative_difference_of_nothing():
    zero, one = torch.zeros(2), torch.ones(2)
    assert gradients.relative_difference(zero, zero) == 0
    assert gradients.relative_difference(one, zero) == float("inf")
    assert gradients.relative_difference(zero, one) == 1


# What the 2018 report prints


@quickly
@given(problems())
def test_printed_wph_is_right_up_to_its_dangling_index(case):
    x, y, weights, h0 = case
    exact = gradients.autograd(*case).W_ph
    for reading in WPH_READINGS:
        printed = gradients.printed_wph(x, y, weights, reading, h0)
        if reading == "line 3, l summed":  # ŷ and y both sum to one
            torch.testing.assert_close(printed, torch.zeros_like(exact), rtol=0, atol=EXACT)
        else:
            assert gradients.relative_difference(printed, exact) < 1e-11, reading


@quickly
@given(problems())
def test_repaired_whh_equals_autograd(case):
    x, y, weights, h0 = case
    assert (
        gradients.relative_difference(
            gradients.printed_whh(x, y, weights, REPAIRED, h0), gradients.autograd(*case).W_hh
        )
        < 1e-11
    )


@pytest.mark.parametrize("name", [name for name in WHH_READINGS if WHH_READINGS[name] != REPAIRED])
@pytest.mark.parametrize("seed", range(3))
def test_every_literal_reading_of_whh_is_wrong(name, seed):
    x, y, weights = gradients.draw(5, 4, 3, 16, 10, seed=seed)
    gap = gradients.relative_difference(
        gradients.printed_whh(x, y, weights, WHH_READINGS[name]), gradients.autograd(x, y, weights).W_hh
    )
    assert gap > 0.01


def test_size_of_the_slips_that_have_one():
    x, y, weights = gradients.draw(5, 4, 3, 16, 10, seed=0)
    exact = gradients.autograd(x, y, weights).W_hh

    def gap(reading):
        return gradients.relative_difference(gradients.printed_whh(x, y, weights, reading), exact)

    assert gap(WhhReading(immediate="H times")) == pytest.approx(15)  # H terms for one
    assert gap(WhhReading(output="line 3, true class")) == pytest.approx(1)  # nothing is left
    assert gap(LITERAL) > 10


@pytest.mark.parametrize("std", [0.1, 1.0])
def test_kindest_reading_is_exact_for_one_unit_and_one_input(std):
    x, y, weights = gradients.draw(6, 4, 1, 1, 10, seed=2, std=std)
    printed = gradients.printed_whh(x, y, weights, KINDEST)
    assert gradients.relative_difference(printed, gradients.autograd(x, y, weights).W_hh) < EXACT


def test_printed_whh_takes_more_inputs_than_units():
    x, y, weights = gradients.draw(3, 2, 6, 4, 5, seed=0)
    assert gradients.printed_whh(x, y, weights, LITERAL).shape == (4, 4)


# Bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(3, 2, dtype=torch.float64)}, r"^x must have shape \(T, B, D\)"),
        ({"x": torch.zeros(0, 3, 2, dtype=torch.float64)}, r"^x must have shape \(T, B, D\)"),
        ({"x": torch.zeros(7, 3, 3, dtype=torch.float64)}, r"^W_hx must have shape \(5, 3\)"),
        ({"x": torch.zeros(7, 3, 2)}, "^x and W_hx must be of one floating dtype"),
        ({"y": torch.tensor([0, 1])}, "^y must hold 3 class labels"),
        ({"y": torch.tensor([0, 1, 4])}, "^y must hold 3 class labels, integers .* from 0 to 3"),
        ({"y": torch.tensor([0.0, 1.0, 2.0])}, "^y must hold 3 class labels"),
        ({"h0": torch.zeros(3, 4, dtype=torch.float64)}, r"^h0 must have shape \(3, 5\)"),
        ({"h0": torch.zeros(3, 5)}, r"^h0 must have shape \(3, 5\) and dtype torch.float64"),
    ],
)
def test_misfits_are_refused_in_one_sentence(change, message):
    x, y, weights = problem()
    with pytest.raises(ValueError, match=message):
        gradients.gradients(**{"x": x, "y": y, "weights": weights, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 0}, "^length must be at least 1, not 0$"),
        ({"classes": 0}, "^classes must be at least 1"),
        ({"spectral_radius": -1.0}, "^spectral_radius must be at least 0, not -1.0$"),
        ({"spectral_radius": float("nan")}, "^spectral_radius must be at least 0, not nan$"),
    ],
)
def test_draw_refuses_what_cannot_be_drawn(change, message):
    sizes = {"length": 2, "batch_size": 3, "input_size": 4, "hidden_size": 5, "classes": 6}
    with pytest.raises(ValueError, match=message):
        gradients.draw(**{**sizes, **change}, seed=0)


def test_unknown_readings_are_refused():
    with pytest.raises(ValueError, match=r"^reading must be one of line 1, .* not 'line 4'$"):
        gradients.printed_wph(*problem(), "line 4")
    with pytest.raises(ValueError, match=r"^slope must be one of .* not 'cosine'$"):
        WhhReading(slope="cosine")


# The drawing


def test_gradient_decay_draws_a_line_a_radius_and_survives_underflow():
    table = pd.DataFrame(
        [
            {
                "spectral_radius": radius,
                "seed": seed,
                "lag": lag,
                "left": (radius + seed / 10) ** lag,
                "bound": 2.0**lag,
            }
            for radius in (0.0, 0.5)
            for seed in (0, 1)
            for lag in range(5)
        ]
    )
    ax = gradient_decay(table, "left", "what is left", bound="bound")
    assert ax.get_yscale() == "log"
    assert [line.get_linestyle() for line in ax.lines] == ["-", "-", "--", "--"]
    assert {text.get_text() for text in ax.texts} == {"ρ = 0", "ρ = 0.5"}
    vanished = table.assign(left=0.0)
    assert not gradient_decay(vanished, "left", "what is left").lines


# Chapter 1's measurements


@pytest.fixture(scope="module")
def chapter_1():
    return GradientParameters.check(
        {"seeds": [0, 1], "lengths": [2, 4], "input_size": 2, "hidden_size": 3, "batch_size": 2, "classes": 3,
         "spectral_radii": [0.5, 2.0], "horizon": 6}
    )  # fmt: skip


def test_the_derivation_is_held_against_its_judges_on_every_problem(chapter_1):
    rows = experiments.agreement(experiments.problems(chapter_1))
    assert within_rounding(rows)
    counts = rows.groupby(["judge", "case"]).size().to_dict()
    assert counts == {("autograd", "T = 2"): 12, ("autograd", "T = 4"): 13, ("differences", "T = 2"): 10}
    assert set(rows.loc[rows["judge"] == "differences", "derivative"]) == {
        f"∂L/∂{name}" for name in ("W_hx", "W_hh", "b_h", "W_ph", "b_p")
    }


def test_a_mistake_in_the_derivation_is_seen(chapter_1, monkeypatch):
    by_autograd = gradients.autograd
    monkeypatch.setattr(gradients, "gradients", lambda *case: gradients.Weights(*(2 * g for g in by_autograd(*case))))
    rows = experiments.agreement(experiments.problems(chapter_1))
    assert set(rows.loc[rows["gap"] > 0.9, "derivative"]) == {"∂L/∂W_hx", "∂L/∂W_hh", "∂L/∂b_h", "∂L/∂W_ph", "∂L/∂b_p"}


def test_the_output_weights_need_the_last_step_only(chapter_1):
    rows = experiments.locality(experiments.problems(chapter_1)).set_index(["T", "seed"])
    assert (rows["Wph, history cut off"] < 1e-12).all()
    assert (rows.loc[4, "Whh, history cut off"] > 1e-3).all()
    assert (rows.loc[2, "Whh, history cut off"] < 1e-12).all()  # h(0) = 0, so the last term is the only one
    assert (rows[["Wph, other x(1)", "Whh, other x(1)"]] > 1e-6).all(axis=None)


def test_what_is_left_of_a_gradient_starts_at_one_and_is_that_of_each_network(chapter_1):
    table = experiments.decays(chapter_1)
    assert len(table) == 2 * 2 * 7
    assert (table.loc[table["lag"] == 0, ["jacobian", "bound", "contribution"]] == 1).all(axis=None)
    x, y, weights = experiments.problem(chapter_1, 8, 1, 2.0)
    norms = gradients.jacobian_norms(gradients.forward(x, y, weights).h, weights.W_hh)[6]
    row = table.query("spectral_radius == 2 and seed == 1 and lag == 6")
    assert row["jacobian"].item() == pytest.approx(norms.prod().item() ** 0.5)
    assert row["norm"].item() == pytest.approx(torch.linalg.matrix_norm(weights.W_hh, ord=2).item())


def test_printed_formulas_are_held_against_autograd_reading_by_reading(chapter_1):
    problems = experiments.problems(chapter_1)
    gaps = experiments.against_autograd(problems, gradients.printed_whh, "W_hh", gradients.WHH_READINGS)
    assert gaps.shape == (4, len(gradients.WHH_READINGS))
    assert (gaps["repaired"] < 1e-12).all()
    assert (gaps["every letter as printed"] > 1e-3).all()
    assert experiments.gap_of_one_unit(chapter_1) < 1e-9
