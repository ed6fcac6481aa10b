"""Proofs in letters and numbers: what is right passes, every kind of slip is refused, and the rules are SymPy's own."""

import re

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnreport import gradients
from rnnreport.gradients import symbolic
from rnnreport.gradients.proof import Numbers, Proof
from rnnreport.gradients.symbolic import Exp, Letters, ProofError, Sigmoid, letters, one_hot_letters
from rnnreport.shown import typeset

T = 2
SIZES = {"x": "TBD", "h_0": "BH", "W_hx": "HD", "W_hh": "HH", "b_h": "H", "W_ph": "KH", "b_p": "K"}


def network(v):
    """A vanilla RNN with a sigmoid at the second step, so that all functions are in play."""
    v.keep("h", v.h_0, 0)
    for t, squash in ((1, v.tanh), (2, v.sigmoid)):
        v.keep("h", squash(v.keep("a", v.x[t - 1] @ v.W_hx.T + v.h[t - 1] @ v.W_hh.T + v.b_h, t)), t)
    p = v.keep("p", v.h[T] @ v.W_ph.T + v.b_p)
    v.y_hat = v.exp(p) / v.exp(p).sum(1, keepdims=True)
    return -(v.y * v.log(v.y_hat)).sum() / len(v.y)


def given_letters(B=1, D=1, H=2, K=3):
    sizes = {"T": T, "B": B, "D": D, "H": H, "K": K}
    shapes = {name: [sizes[size] for size in shape] for name, shape in SIZES.items()}
    return {"y": one_hot_letters(B, K), **{name: letters(name, *shape) for name, shape in shapes.items()}}


def given_numbers(B=3, D=4, H=5, K=6, seed=0):
    x, y, weights = gradients.draw(T, B, D, H, K, seed=seed, std=0.5)
    one_hot = torch.nn.functional.one_hot(y, K).double()
    return {"x": x, "y": one_hot, "h_0": torch.full((B, H), 0.3, dtype=torch.float64), **weights._asdict()}


RIGHT = {
    ("p", None): lambda v: (v.y_hat - v.y) / len(v.y),
    ("W_ph", None): lambda v: v.d.p.T @ v.h[T],
    ("b_p", None): lambda v: v.d.p.sum(0),
    ("h", 2): lambda v, t: v.d.p @ v.W_ph,
    ("a", 2): lambda v, t: v.h[t] * (1 - v.h[t]) * v.d.h[t],
    ("h", 1): lambda v, t: v.d.a[2] @ v.W_hh,
    ("a", 1): lambda v, t: (1 - v.h[t] ** 2) * v.d.h[t],
    ("h", 0): lambda v, t: v.d.a[1] @ v.W_hh,
    ("W_hh", None): lambda v: v.d.a[1].T @ v.h[0] + v.d.a[2].T @ v.h[1],
    ("W_hx", None): lambda v: v.d.a[1].T @ v.x[0] + v.d.a[2].T @ v.x[1],
    ("b_h", None): lambda v: v.d.a[1].sum(0) + v.d.a[2].sum(0),
}


def proof(until=None, **sizes):
    """All that is right up to a place, proved."""
    prove = Proof(network, given_letters(**sizes), given_numbers())
    for (name, t), form in RIGHT.items():
        if (name, t) == until:
            break
        prove(name, form, t=t)
    return prove


def test_what_is_right_passes_and_is_listed():
    prove = proof()
    assert prove.proved[:3] == ["∂L/∂p", "∂L/∂W_ph", "∂L/∂b_p"]
    assert len(prove.proved) == len(RIGHT)


def test_the_tick_says_what_was_proved_since_the_last_one():
    prove = proof(until=("h", 1))
    assert repr(prove.checked("(A)")).startswith("✓ (A): 5 derivatives. SymPy equal, autograd ")
    prove("h", RIGHT["h", 1], RIGHT["h", 1], t=1)
    tick = prove.checked("(B) & (C)")
    summary, line = repr(tick).split("\n  ")
    assert (
        prove.summary() == "6 derivatives equal by SymPy, autograd and differences. ✓\u00a0(A): 5; ✓\u00a0(B) & (C): 1."
    )
    found = r"SymPy equal, autograd \de[+-]\d\d, differences \de[+-]\d\d"
    assert re.fullmatch(rf"✓ \(B\) & \(C\): 1 derivative\. {found}", summary)
    assert re.fullmatch(rf"∂L/∂h\(1\), each of 2 forms: {found}", line)
    assert tick._repr_html_() == (
        f'<details class="code"><summary>{typeset(summary)}</summary><pre>{typeset(line)}</pre></details>'
    )
    assert "(B) &amp; (C)" in tick._repr_html_()


def test_a_refusal_is_a_sentence_and_what_is_right_is_not_refused():
    prove = proof(until=("a", 1))
    assert prove.refusal("a", lambda v, t: (1 - v.h[t]) * v.d.h[t], t=1).startswith(
        "form 1 of ∂L/∂a(1) is wrong: SymPy"
    )
    assert "∂L/∂a(1)" not in prove.proved
    assert prove.refusal("a", RIGHT["a", 1], t=1) == ""
    assert prove.proved[-1] == "∂L/∂a(1)"


def test_a_batch_of_letters_too():
    proof(B=2, D=2, H=1, K=2)


@pytest.mark.parametrize(
    ("name", "t", "wrong"),
    [
        ("p", None, lambda v: (v.y - v.y_hat) / len(v.y)),  # sign
        ("p", None, lambda v: v.y_hat - v.y),  # the batch's mean, for a batch of two
        ("W_ph", None, lambda v: v.d.p.T @ v.h[T - 1]),  # step
        ("a", 2, lambda v, t: (1 - v.h[t] ** 2) * v.d.h[t]),  # the other function's slope
        ("a", 1, lambda v, t: -(1 - v.h[t] ** 2) * v.d.h[t]),
        ("a", 1, lambda v, t: (1 + v.h[t] ** 2) * v.d.h[t]),
        ("h", 1, lambda v, t: v.d.a[2] @ v.W_hh.T),  # transposition
        ("h", 1, lambda v, t: v.d.a[2] @ v.W_hh + v.d.a[2]),  # a term too many
        ("W_hh", None, lambda v: v.d.a[2].T @ v.h[1]),  # a term too few
        ("W_hh", None, lambda v: v.d.a[1].T @ v.h[0] - v.d.a[2].T @ v.h[1]),
    ],
)
def test_slips_are_refused_by_each_of_the_three(name, t, wrong):
    prove = proof(until=(name, t), B=2)
    with pytest.raises(ProofError, match=r"^form 1 of ∂L/∂.* is wrong: SymPy not equal, autograd \de[+-]\d\d"):
        prove(name, wrong, t=t)
    assert len(prove.proved) == list(RIGHT).index((name, t))
    prove(name, RIGHT[name, t], t=t)  # nothing of the slip has stayed

    *_, autograd, differences = prove._derivatives(name, t, None)
    value = wrong(prove.numbers, *(() if t is None else (t,)))
    assert gradients.relative_difference(value, autograd) > 1e-3
    assert gradients.relative_difference(value, differences) > 1e-3


def test_each_form_must_equal_the_one_before_it():
    prove = proof(until=("a", 1))
    with pytest.raises(ProofError, match=r"^form 2 of ∂L/∂a\(1\) is wrong: SymPy not equal"):
        prove("a", RIGHT["a", 1], lambda v, t: (1 - v.h[t]) * v.d.h[t], t=1)


def test_a_form_that_is_right_for_these_numbers_only_is_refused():
    """Autograd and differences cannot see it: h_0 happens to be 0.3 in all numbers."""
    prove = proof(until=("W_hh", None))
    with pytest.raises(ProofError, match=r"SymPy not equal, autograd \de-1\d"):
        prove("W_hh", lambda v: v.d.a[1].T @ (0 * v.h[0] + 0.3) + v.d.a[2].T @ v.h[1])


def test_the_order_is_kept():
    with pytest.raises(ProofError, match=r"^∂L/∂a\(1\)\[0,0\] needs ∂L/∂h\(1\)\[0,0\], which is not proved yet$"):
        proof(until=("h", 1)).letters.loss_by(sympy.Integer(0), "a", 1)


def test_a_shape_that_would_broadcast_is_refused():
    with pytest.raises(ProofError, match=r"^form 1 of ∂L/∂b_p has shape \(1, 6\), not \(6,\)$"):
        proof(until=("b_p", None))("b_p", lambda v: v.d.p.sum(0, keepdims=True))


def test_again_proves_another_step_by_the_same_form():
    prove = proof(until=("h", 0))
    prove("h", lambda v, t: v.d.a[t + 1] @ v.W_hh, t=1)
    prove.again("h", t=0)
    assert prove.proved[-1] == "∂L/∂h(0)"


def test_the_derivative_of_a_state():
    prove = proof(until=("p", None))
    prove("h", lambda v, t: ((v.h[2] * (1 - v.h[2]))[:, :, None] * v.W_hh).swapaxes(0, 1), t=1, of=("h", 2))
    with pytest.raises(ProofError, match=r"^form 1 of ∂h\(2\)/∂h\(1\) is wrong"):
        prove("h", lambda v, t: ((1 - v.h[2] ** 2)[:, :, None] * v.W_hh).swapaxes(0, 1), t=1, of=("h", 2))
    assert not hasattr(prove.numbers.d, "h")


def test_the_letters_put_together_are_sympys_derivative_of_the_whole_loss():
    """Step by step the derivation is proved in letters; put together, it is sympy.diff of the one nested expression."""
    prove = proof()
    v = prove.letters

    def nested(expression):
        opened = v._opened(expression).xreplace(v._meaning)
        return expression if opened == expression else nested(opened)

    loss = nested(prove.loss)
    for quantity, derived in ((v.W_hh, v.d.W_hh), (v.b_h, v.d.b_h), (v.h_0, v.d.h[0])):
        for letter, ours in zip(quantity.flat, map(nested, derived.flat), strict=True):
            assert symbolic._vanishes(sympy.diff(loss, letter) - ours)
            assert not symbolic._vanishes(sympy.diff(loss, letter) + ours)


def test_the_slopes_that_sympy_is_told():
    a = sympy.Symbol("a")
    sigma = 1 / (1 + sympy.exp(-a))
    told = sympy.diff(Sigmoid(a), a).replace(Sigmoid, lambda _: sigma)
    assert sympy.simplify(told - sympy.diff(sigma, a)) == 0
    assert sympy.diff(Exp(2 * a), a) == 2 * Exp(2 * a)


def test_equal_is_for_all_values():
    v = Letters({"x": letters("x", 2)})
    a, b = v.x
    assert v.equal((a + b) ** 2, a**2 + 2 * a * b + b**2)
    assert v.equal(a / (a + b), 1 - b / (a + b))
    assert v.equal(sympy.tanh(a) * 0, sympy.Integer(0))
    assert not v.equal(a, b)
    assert not v.equal((a - 2) * (a - 3) * (b - 2), sympy.Integer(0))
    assert not v.equal(sympy.tanh(a), sympy.tanh(b))
    assert not v.equal(a, -a)


def test_labels_sum_to_one_and_are_else_free():
    y = one_hot_letters(2, 3)
    assert [sympy.expand(total) for total in y.sum(1)] == [1, 1]
    assert len({letter for entry in y.flat for letter in entry.free_symbols}) == 4


def test_moving_a_quantity_moves_it_alone():
    numbers = given_numbers()
    still, moved = Numbers(numbers), Numbers(numbers, ("a", 1), 0.5)
    network(still)
    network(moved)
    torch.testing.assert_close(moved.a[1], still.a[1] + 0.5)
    assert torch.equal(moved.W_hh, still.W_hh)
    torch.testing.assert_close(moved.h[1], (still.a[1] + 0.5).tanh())


# The two judges in numbers


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32))
def test_judges_know_the_derivatives_of_a_product(rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    b = torch.randn(columns, generator=generator, dtype=torch.float64)
    by_A = torch.einsum("ij,k->ijk", torch.eye(rows, dtype=torch.float64), b)  # d(A b)_i / dA_jk
    for judge, tolerance in ((gradients.by_autograd, 1e-14), (gradients.by_differences, 1e-9)):
        found = judge(lambda A, b: A @ b, A, b)
        torch.testing.assert_close(found[0], by_A, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(found[1], A, rtol=tolerance, atol=tolerance)


def test_differences_get_better_with_the_square_of_the_step():
    at = torch.tensor([0.7], dtype=torch.float64)
    errors = [
        (gradients.by_differences(lambda a: a.exp().sum(), at, step=step)[0] - at.exp()).abs().item()
        for step in (1e-2, 1e-3)
    ]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)
