"""One step of each recurrence against the equations spelled out number by number, and the gate against fractions."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnreport.cells import lstm_step, peephole_lstm_step, rnn_step, temporal_gate, temporal_gate_lstm_step

quickly = settings(max_examples=40, deadline=None)
B, D, H = 3, 4, 5


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights(gates, seed=0):
    return draw(gates * H, D, seed=seed), draw(gates * H, H, seed=seed + 1), draw(gates * H, seed=seed + 2)


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def sums(x, h, weight_ih, weight_hh, bias, row, b):
    """One pre-activation by the printed sums."""
    from_x = sum(weight_ih[row, j].item() * x[b, j].item() for j in range(D))
    from_h = sum(weight_hh[row, j].item() * h[b, j].item() for j in range(H))
    return from_x + from_h + bias[row].item()


def lstm_by_hand(x, h, c, weight_ih, weight_hh, bias):
    new_h, new_c = torch.empty_like(h), torch.empty_like(c)
    for b in range(B):
        for unit in range(H):
            a_i, a_f, a_g, a_o = (sums(x, h, weight_ih, weight_hh, bias, gate * H + unit, b) for gate in range(4))
            cell = math.tanh(a_g) * sigmoid(a_i) + c[b, unit].item() * sigmoid(a_f)
            new_c[b, unit], new_h[b, unit] = cell, math.tanh(cell) * sigmoid(a_o)
    return new_h, new_c


def exact_gate(t, tau, s, r_on, leak=0):
    """Equation (12), and the Phased LSTM's leak, with the numbers as they are, nothing rounded."""
    t, tau, s, r_on, leak = map(Fraction, (t, tau, s, r_on, leak))
    phi = ((t - s) % tau) / tau
    if phi < r_on / 2:
        return 2 * phi / r_on
    return 2 - 2 * phi / r_on if phi < r_on else leak * phi


def gate(t, tau, s, r_on, leak=0.0):
    return temporal_gate(*(torch.as_tensor(value, dtype=torch.float64) for value in (t, tau, s, r_on)), leak)


def from_corner(t, tau, s, r_on):
    """How far, in shares of a period, a time is from the nearest corner, nothing rounded."""
    t, tau, s, r_on = map(Fraction, (t, tau, s, r_on))
    phi = ((t - s) % tau) / tau
    return min(abs(phi - corner) for corner in (0, r_on / 2, r_on, 1))


def rounding(t, tau, s):
    """A bound on what floats do to the phase: t - s is rounded once, the remainder not at all, the quotients once."""
    return 2.0**-53 * (abs(t) + abs(s) + 4 * tau) / tau


def eighths(low, high):
    """Numbers that sums and remainders leave exact."""
    return st.integers(low * 8, high * 8).map(lambda n: n / 8)


def test_an_rnn_step_is_equation_1():
    x, h, w = draw(B, D, seed=5), draw(B, H, seed=6), weights(1)
    by_hand = [[math.tanh(sums(x, h, *w, unit, b)) for unit in range(H)] for b in range(B)]
    torch.testing.assert_close(rnn_step(x, h, *w), torch.tensor(by_hand, dtype=torch.float64), rtol=0, atol=1e-14)


def test_an_lstm_step_is_equations_4_to_9():
    x, h, c, w = draw(B, D, seed=5), draw(B, H, seed=6), draw(B, H, seed=7), weights(4)
    for found, by_hand in zip(lstm_step(x, h, c, *w), lstm_by_hand(x, h, c, *w), strict=True):
        torch.testing.assert_close(found, by_hand, rtol=0, atol=1e-13)


def test_with_peepholes_the_gates_see_the_cell():
    x, h, c, w = draw(B, D, seed=5), draw(B, H, seed=6), draw(B, H, seed=7), weights(4)
    peepholes, k = draw(3, H, seed=9), draw(B, H, seed=8).sigmoid()
    weight_ih, weight_hh, bias = w
    for b in range(B):
        for j in range(H):
            a = [weight_ih[n * H + j] @ x[b] + weight_hh[n * H + j] @ h[b] + bias[n * H + j] for n in range(4)]
            i, f = (torch.sigmoid(a[n] + peepholes[n, j] * c[b, j]) for n in (0, 1))
            c_new = f * c[b, j] + i * torch.tanh(a[2])
            h_new = torch.sigmoid(a[3] + peepholes[2, j] * c_new) * torch.tanh(c_new)
            found_h, found_c = peephole_lstm_step(x, h, c, *w, peepholes)
            torch.testing.assert_close((found_h[b, j], found_c[b, j]), (h_new, c_new), rtol=0, atol=1e-13)
    gated = temporal_gate_lstm_step(x, h, c, k, *w, peepholes)
    for found, new, old in zip(gated, peephole_lstm_step(x, h, c, *w, peepholes), (h, c), strict=True):
        torch.testing.assert_close(found, k * new + (1 - k) * old, rtol=0, atol=1e-13)
    for found, plain in zip(peephole_lstm_step(x, h, c, *w, 0 * peepholes), lstm_step(x, h, c, *w), strict=True):
        torch.testing.assert_close(found, plain, rtol=0, atol=1e-13)


@pytest.mark.parametrize("shape", [(H,), (B, H)], ids=["k by unit", "k by sequence and unit"])
def test_a_gated_step_is_equations_13_to_16(shape):
    x, h, c, w = draw(B, D, seed=5), draw(B, H, seed=6), draw(B, H, seed=7), weights(4)
    k = torch.rand(shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    h_candidate, c_candidate = lstm_by_hand(x, h, c, *w)
    found_h, found_c = temporal_gate_lstm_step(x, h, c, k, *w)
    torch.testing.assert_close(found_c, k * c_candidate + (1 - k) * c, rtol=0, atol=1e-13)
    torch.testing.assert_close(found_h, k * h_candidate + (1 - k) * h, rtol=0, atol=1e-13)


@quickly
@given(st.integers(0, 2**32))
def test_a_closed_gate_leaves_the_state_equal_to_the_bit(seed):
    x, h, c, w = draw(B, D, seed=seed), draw(B, H, seed=seed + 1), draw(B, H, seed=seed + 2), weights(4, seed)
    new_h, new_c = temporal_gate_lstm_step(x, h, c, torch.zeros(H, dtype=torch.float64), *w)
    assert torch.equal(new_h, h)
    assert torch.equal(new_c, c)


@quickly
@given(st.integers(0, 2**32))
def test_a_wide_open_gate_gives_the_plain_step_to_the_bit(seed):
    x, h, c, w = draw(B, D, seed=seed), draw(B, H, seed=seed + 1), draw(B, H, seed=seed + 2), weights(4, seed)
    gated = temporal_gate_lstm_step(x, h, c, torch.ones(H, dtype=torch.float64), *w)
    for found, plain in zip(gated, lstm_step(x, h, c, *w), strict=True):
        assert torch.equal(found, plain)


anytime, period, ratio, leaks = (
    st.floats(-1e4, 1e4),
    st.floats(0.1, 1e3),
    st.floats(0.01, 1),
    st.sampled_from([0.0, 1e-3, 1.0]),
)


@settings(max_examples=300, deadline=None)
@given(eighths(-60, 60), eighths(1, 40), eighths(-50, 50), ratio, leaks)
def test_the_gate_equals_equation_12_in_fractions(t, tau, s, r_on, leak):
    assume(not leak or from_corner(t, tau, s, r_on) > 1e-15)  # at a jump a rounded phase may stand on either side
    assert abs(Fraction(gate(t, tau, s, r_on, leak).item()) - exact_gate(t, tau, s, r_on, leak)) < 1e-14


@settings(max_examples=500, deadline=None)
@given(anytime, period, anytime, ratio, leaks)
def test_the_gate_is_off_by_no_more_than_rounding_does(t, tau, s, r_on, leak):
    off = rounding(t, tau, s)
    assume(not leak or from_corner(t, tau, s, r_on) > off)
    error = abs(Fraction(gate(t, tau, s, r_on, leak).item()) - exact_gate(t, tau, s, r_on, leak))
    assert error <= 2 * off / r_on + 1e-15


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.floats(-1e6, 1e6), st.floats(1e-3, 1))
def test_the_gate_stays_between_0_and_1(t, tau, s, r_on):
    assert 0 <= gate(t, tau, s, r_on).item() <= 1


@quickly
@given(eighths(-60, 60), eighths(1, 40), eighths(-50, 50), ratio, leaks, st.integers(-3, 3))
def test_the_gate_repeats_every_tau_and_so_does_its_shift(t, tau, s, r_on, leak, periods):
    k = gate(t, tau, s, r_on, leak)
    assert gate(t + periods * tau, tau, s, r_on, leak) == k
    assert gate(t, tau, s + periods * tau, r_on, leak) == k
    assert gate(t - s, tau, 0, r_on, leak) == k


@settings(max_examples=200, deadline=None)
@given(period, anytime, ratio, st.integers(-50, 50))
def test_the_gate_reaches_1_in_the_middle_of_its_open_part(tau, s, r_on, number):
    middle = s + (number + r_on / 2) * tau
    k = gate(middle, tau, s, r_on).item()
    assert k <= 1
    # The middle is rounded three times, t - s and the quotient as `rounding` says; k falls by 2 / r_on a period.
    assert 1 - k <= 2 * (rounding(middle, tau, s) + 3 * 2.0**-53 * (abs(middle) + abs(s)) / tau) / r_on


@settings(max_examples=200, deadline=None)
@given(eighths(-60, 60), eighths(1, 40), eighths(-50, 50))
def test_a_gate_with_r_on_1_is_a_triangle_wave(t, tau, s):
    phi = (t - s) % tau / tau
    assert gate(t, tau, s, 1.0).item() == pytest.approx(1 - abs(2 * phi - 1), abs=1e-15)


@quickly
@given(eighths(1, 40), eighths(-50, 50), st.sampled_from([0.125, 0.25, 0.5, 0.75]), st.integers(-3, 3))
def test_only_a_leak_makes_the_gate_jump(tau, s, r_on, number):
    """At r_on, from 0 to leak r_on, and at the end of the period, from the leak to 0."""
    start, near = s + number * tau, 1e-9
    for corner in (0, r_on / 2, r_on):
        before, after = (gate(start + (corner + side) * tau, tau, s, r_on).item() for side in (-near, near))
        assert before == pytest.approx(after, abs=4 * near / r_on)
    leaking = [gate(start + phi * tau, tau, s, r_on, 0.5).item() for phi in (r_on - near, r_on, 1 - near, 1)]
    assert leaking == pytest.approx([0, r_on / 2, 0.5, 0], abs=1e-6)


@quickly
@given(eighths(1, 40), eighths(-50, 50), st.sampled_from([0.125, 0.25, 0.5, 0.75, 1.0]), st.integers(-3, 3))
def test_the_gate_at_its_corners(tau, s, r_on, period):
    start = s + period * tau
    assert gate(start, tau, s, r_on) == 0
    assert gate(start + r_on * tau / 2, tau, s, r_on) == 1
    assert gate(start + r_on * tau / 4, tau, s, r_on) == 0.5
    assert gate(start + r_on * tau * 3 / 4, tau, s, r_on) == 0.5
    assert gate(start + r_on * tau, tau, s, r_on) == 0
    assert gate(start + (r_on + 1) / 2 * tau, tau, s, r_on) == 0


def test_figure_3s_gate_reaches_a_third_at_integer_steps():
    k = gate(torch.arange(1, 31), 6.0, 3.0, 0.2)
    opened = {int(step) + 1: k[step].item() for step in k.nonzero().flatten()}
    assert opened == pytest.approx(dict.fromkeys((4, 10, 16, 22, 28), 1 / 3), abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64], ids=str)
@pytest.mark.parametrize("start", [0, 2**30, 1_700_000_000])
@pytest.mark.parametrize("leak", [0.0, 0.25])
@pytest.mark.parametrize("shape", [(200, 1), (200, 3, 1)], ids=str)
def test_large_times_keep_their_phase_behind_parameters_in_float32(dtype, start, leak, shape):
    """The phase is computed before anything is rounded to the parameters' type, also where one time stands alone."""
    tau, s, r_on = torch.tensor([7.3, 60.1]), torch.tensor([2.7, -11.2]), torch.tensor([0.3, 0.9])
    times = (start + torch.arange(200, dtype=torch.int64)).to(dtype)
    exact = [
        [float(exact_gate(t, *values, leak)) for values in zip(tau.tolist(), s.tolist(), r_on.tolist())]
        for t in times.tolist()
    ]
    expected = torch.tensor(exact)
    k = temporal_gate(times.view(200, *[1] * (len(shape) - 1)).expand(shape), tau, s, r_on, leak)
    assert k.dtype == torch.float32
    torch.testing.assert_close(k[:, 0] if len(shape) == 3 else k, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(temporal_gate(times[7], tau, s, r_on, leak), expected[7], rtol=0, atol=1e-5)


def test_times_and_units_broadcast():
    t, tau = draw(7, 2).mul(10), torch.tensor([1.0, 6.0, 30.0], dtype=torch.float64)
    s, r_on = tau / 3, torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    k = temporal_gate(t.unsqueeze(-1), tau, s, r_on)
    assert k.shape == (7, 2, 3)
    for place in ((0, 0, 0), (3, 1, 1), (6, 0, 2)):
        assert k[place] == gate(t[place[:2]], tau[place[2]], s[place[2]], r_on[place[2]])


@settings(max_examples=100, deadline=None)
@given(st.floats(-60, 60), st.floats(1, 30), st.floats(-50, 50), st.floats(0.05, 1), leaks)
def test_the_gates_gradients_are_those_of_its_slopes(t, tau, s, r_on, leak):
    """Away from the corners, with mod's derivative by tau being -floor((t - s) / tau), and while shut the leak's."""
    assume(from_corner(t, tau, s, r_on) > 1e-3)
    values = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (tau, s, r_on)]
    t = torch.tensor(t, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *p: temporal_gate(t, *p, leak), values, eps=1e-7, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("leak", "slope"), [(0.0, 0.0), (0.01, -0.01 / 6)])
def test_a_shut_gate_has_a_gradient_by_its_leak_alone(leak, slope):
    s = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    temporal_gate(torch.tensor(6.0, dtype=torch.float64), torch.tensor(6.0), s, torch.tensor(0.2), leak).backward()
    assert s.grad == pytest.approx(slope)
