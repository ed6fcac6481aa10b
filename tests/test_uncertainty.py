"""How sure a few seeds make us, against published and hand-worked numbers."""

import math

import pytest

from rnnreport.claims.uncertainty import equivalence, holm, mean, share

SKEWED = [0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.5, 0.9, 1.4, 2.7]


@pytest.mark.parametrize(
    ("solved", "low", "high", "p_value"),
    [
        (0, 0.0, 0.1684, 2 / 2**20),
        (12, 0.3605, 0.8088, 0.5034),
        (15, 0.5090, 0.9134, 0.0414),
        (20, 0.8316, 1.0, 2 / 2**20),
    ],
)
def test_a_share_has_clopper_and_pearsons_interval_and_the_exact_binomial_test(solved, low, high, p_value):
    found = share([1] * solved + [0] * (20 - solved))
    assert found == pytest.approx((solved / 20, low, high, p_value), abs=5e-5)


def test_the_ends_of_clopper_and_pearsons_interval_leave_a_fortieth_on_either_side():
    low, high = share([1] * 12 + [0] * 8)[1:3]

    def at_least(successes, chance):
        return sum(math.comb(20, k) * chance**k * (1 - chance) ** (20 - k) for k in range(successes, 21))

    assert at_least(12, low) == pytest.approx(0.025)
    assert 1 - at_least(13, high) == pytest.approx(0.025)


def test_a_share_can_be_held_against_another_margin():
    chances = [math.comb(20, k) * 0.8**k * 0.2 ** (20 - k) for k in range(21)]
    assert share([1] * 20, 0.8).p_value == pytest.approx(sum(p for p in chances if p <= chances[20] * (1 + 1e-9)))
    assert share([1] * 16 + [0] * 4, 0.8).p_value == 1


def test_the_interval_of_a_mean_leans_as_its_seeds_do_and_is_the_same_each_time():
    found = mean(SKEWED, 0.0)
    assert found == mean(SKEWED, 0.0)
    assert found.value == pytest.approx(0.7)
    assert 0.3 < found.low < found.value < found.high < 1.7
    assert found.high - found.value > 1.3 * (found.value - found.low)  # Student's t would lie evenly
    assert mean([-value for value in SKEWED], 0.0)[:3] == pytest.approx((-0.7, -found.high, -found.low), abs=0.02)


def test_an_interval_of_many_equal_spreads_is_students():
    values = [place / 100 for place in range(100)]
    half = 1.984 * 0.29011 / 10
    assert mean(values, 0.0)[:3] == pytest.approx((0.495, 0.495 - half, 0.495 + half), abs=0.004)


@pytest.mark.parametrize("seeds", [5, 8, 12])
def test_with_all_seeds_on_one_side_only_two_of_all_signs_are_as_far(seeds):
    values = [1.0 + 0.1 * seed for seed in range(seeds)]
    assert mean(values, 0.5).p_value == pytest.approx(2 / 2**seeds)
    assert mean(values, 5.0).p_value == pytest.approx(2 / 2**seeds)


def test_the_permutation_test_of_three_seeds_by_hand():
    """±1 ±2 ±3: of the eight sums only 6, 4, -4 and -6 are at least as far from 0 as 4, that of -1, 2 and 3."""
    assert mean([-1.0, 2.0, 3.0], 0.0).p_value == pytest.approx(4 / 8)


def test_beyond_ten_thousand_signs_a_sample_of_them_is_tried():
    assert mean([1.0 + seed for seed in range(20)], 0.0).p_value == pytest.approx(2 / 10_000)


def test_equal_seeds_have_an_interval_without_width_and_warn_of_nothing(recwarn):
    assert mean([0.3] * 20, 0.0) == pytest.approx((0.3, 0.3, 0.3, 2e-4))
    assert mean([0.1 + 0.2, 0.3] * 10, 0.0) == pytest.approx((0.3, 0.3, 0.3, 2e-4))  # equal but for rounding
    assert mean([0.0] * 20, 0.0) == (0.0, 0.0, 0.0, 1.0)
    assert equivalence([0.57] * 5, 0.55, 0.59) == pytest.approx((0.57, 0.57, 0.57, 0.0))
    assert equivalence([0.5] * 5, 0.5, 0.6) == (0.5, 0.5, 0.5, 1.0)  # on a bound
    assert not recwarn


def test_one_seed_says_nothing():
    assert mean([0.3], 0.0) == equivalence([0.3], 0.2, 0.4) == (0.3, -math.inf, math.inf, 1.0)


def test_equivalence_is_two_one_sided_tests_at_their_interval():
    """Mean 0.57, standard error 0.01/√10·√5/2: t of 5% with 4 degrees of freedom is 2.1318."""
    values = [0.55, 0.56, 0.57, 0.58, 0.59]
    error = math.sqrt(0.00025) / math.sqrt(5)
    inside = equivalence(values, 0.5, 0.6)
    assert inside[:3] == pytest.approx((0.57, 0.57 - 2.1318 * error, 0.57 + 2.1318 * error), abs=1e-5)
    assert inside.p_value == pytest.approx(0.00661, abs=1e-4)  # of the nearer bound: t = 0.03 / 0.00707 = 4.24
    on_the_edge = equivalence(values, 0.5, 0.57 + 2.1318 * error)
    assert on_the_edge.p_value == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(
    ("least", "most", "settled"), [(0.5, 0.6, True), (0.6, 0.7, True), (0.4, 0.5, True), (0.56, 0.7, False)]
)
def test_bounds_that_hold_or_miss_the_interval_are_told_and_others_are_not(least, most, settled):
    found = equivalence([0.55, 0.56, 0.57, 0.58, 0.59], least, most)
    apart = (least < found.low and found.high < most) or found.high < least or found.low > most
    assert apart == (found.p_value < 0.05) == settled


def test_holms_correction_by_hand():
    """0.005 × 4, 0.01 × 3, 0.03 × 2, and 0.04 × 1 raised to the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holms_correction_of_ties_of_large_values_and_of_none():
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.6, 0.01, 0.9]) == pytest.approx([1.0, 0.03, 1.0])
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_two_seeds_say_something():
    """Student's t with one degree of freedom is Cauchy's distribution, whose 95% point is 6.3138."""
    assert mean([0.1, 0.3], 0.0) == pytest.approx((0.2, 0.1, 0.3, 0.5))
    ends = (0.57, 0.57 - 6.3138 * 0.01, 0.57 + 6.3138 * 0.01)
    assert equivalence([0.56, 0.58], 0.54, 0.6) == pytest.approx((*ends, 0.5 - math.atan(3) / math.pi), abs=1e-6)


def test_a_mean_is_held_against_its_margin():
    """The three seeds by hand from above, moved by 10."""
    assert mean([9.0, 12.0, 13.0], 10.0).p_value == pytest.approx(4 / 8)


def test_a_mean_beyond_the_bounds_is_tested_against_the_nearer_and_one_on_a_bound_is_on_neither_side():
    values = [0.55, 0.56, 0.57, 0.58, 0.59]
    p_values = [equivalence(values, *bounds).p_value for bounds in ((0.4, 0.54), (0.6, 0.7))]
    assert p_values == pytest.approx([0.00661, 0.00661], abs=1e-4)  # as 0.03 within them
    assert [equivalence([0.25, 0.5, 0.75], *bounds).p_value for bounds in ((0.5, 1), (0, 0.5))] == [0.5, 0.5]


def test_equal_seeds_on_a_bound_say_nothing():
    assert equivalence([0.6] * 5, 0.5, 0.6) == (0.6, 0.6, 0.6, 1.0)
    assert equivalence([0.5] * 5, 0.5, 0.6) == (0.5, 0.5, 0.5, 1.0)
