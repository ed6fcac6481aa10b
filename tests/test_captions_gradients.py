"""Chapter 1's findings, each as a whole sentence from a tiny table, and its tables."""

import pandas as pd

from rnnreport.figures import gradients as drawn


def checks():
    names = ["case", "derivative", "judge", "gap"]
    rows = [
        ("T = 2", "∂L/∂W_ph", "autograd", 2e-16), ("T = 2", "∂L/∂W_ph", "autograd", 4e-16),
        ("T = 2", "∂L/∂W_ph", "differences", 3e-9), ("T = 5", "∂L/∂b_p", "autograd", 1e-16),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def test_the_judges_are_told_by_their_largest_gap():
    assert drawn.agreeing(checks()) == (
        "The derived gradients are right up to rounding: they differ from automatic differentiation by at most 4e-16 "
        "of their size, from finite differences by 3e-09."
    )
    assert drawn.agreeing(checks().assign(gap=0.5)) == (
        "The derived gradients are wrong: they differ from automatic differentiation by at most 5e-01 of their size, "
        "from finite differences by 5e-01."
    )
    assert drawn.right(checks()) == "The derived gradients are right up to rounding."
    assert drawn.compared(checks()) == (
        "The largest relative differences of 3 comparisons with autograd and of 1 with differences."
    )
    assert drawn.worst(checks()).to_dict("index") == {
        "∂L/∂W_ph": {"autograd, T = 2": "4e-16", "differences, T = 2": "3e-09", "autograd, T = 5": "–"},
        "∂L/∂b_p": {"autograd, T = 2": "–", "differences, T = 2": "–", "autograd, T = 5": "1e-16"},
    }


def test_every_judge_allows_its_own_rounding():
    assert drawn.within_rounding(checks())
    assert not drawn.within_rounding(checks().assign(gap=2e-12))
    assert not drawn.within_rounding(checks().assign(gap=2e-6))


def locality(**columns):
    table = {
        "T": [2, 5, 5], "seed": [0, 0, 1], "Wph, history cut off": 1e-17,
        "Whh, history cut off": [0.0, 0.4, 0.6], "Wph, other x(1)": 0.2, "Whh, other x(1)": 0.3,
    }  # fmt: skip
    return pd.DataFrame({**table, **columns})


def test_what_the_history_changes_is_told_at_the_largest_length():
    assert drawn.needing_history(locality()) == (
        "Without the earlier steps, the output weights' gradient stays the same; that of the recurrent weights changes "
        "by 50% (median, 5 steps)."
    )
    assert "gradient changes; that" in drawn.needing_history(locality(**{"Wph, history cut off": 0.1}))
    table = drawn.changes(locality())
    assert table.loc[5].to_list() == ["1.0e-17", "5.0e-01", "2.0e-01", "3.0e-01"]
    assert [*table][:2] == ["∂L/∂W_ph, history cut off", "∂L/∂W_hh, history cut off"]


def decays(left=(1e-4, 1e4)):
    rows = [(radius, seed, lag, end if lag else 1.0) for radius, end in zip((0.5, 2.0), left) for seed in (0, 1)
            for lag in (0, 2)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["spectral_radius", "seed", "lag", "jacobian"])
    return table.assign(bound=9.0, contribution=table["jacobian"] / 2, norm=3.0, slope=0.25)


def test_gradients_are_told_at_the_smallest_and_the_largest_radius():
    assert drawn.fading(decays()) == (
        "Per step back, a gradient is multiplied by 0.01 at ρ = 0.5 (it vanishes) and by 1e+02 at ρ = 2 (it explodes)."
    )
    assert drawn.fading(decays((1 / 99, 99))).count("(it does neither)") == 2
    assert drawn.fading(decays().query("spectral_radius == 2")) == (
        "Per step back, a gradient is multiplied by 1e+02 at ρ = 2 (it explodes)."
    )
    assert drawn.left_of_terms(decays()) == (
        "The term of ∂L/∂W_hh of lag 2, relative to that of lag 0: 5e-05 at ρ = 0.5 and 5e+03 at ρ = 2. "
        "Untrained tanh networks, N(0, 1) inputs; log scales; means over the batch are geometric."
    )


def test_factors_per_step_are_the_roots_of_what_is_left():
    factors = drawn.factors(decays((0.25, 4.0)))
    assert factors["value"].to_list() == [0.5, 0.5, 2, 2]
    assert drawn.below_radius(factors.assign(value=[0.5, 0.4, 1.9, 1.8])) == (
        "In 3 of 4 networks the factor per step is below ρ; slopes average 0.25 at ρ = 0.5 and 0.25 at ρ = 2."
    )
    table = drawn.factors_by_radius(factors)
    assert table.loc[2.0].to_list() == ["3.00", "0.25", "2.000", "2.000", "2.000", "4.0e+00", "does neither"]


def test_where_numbers_run_out_is_told_where_they_do():
    factors = drawn.factors(decays((0.25, 4.0)))
    assert drawn.underflow(factors) == (
        "At ρ = 0.5 a gradient of size 1 falls below the smallest normal number after 126 steps in float32 and 1,022 "
        "steps in float64."
    )
    assert (
        drawn.underflow(factors.assign(value=1.5))
        == "At ρ = 0.5 a gradient of size 1 does not fall below the smallest normal number."
    )


def test_readings_are_right_or_told_by_how_far_they_are_off():
    gaps = pd.DataFrame({"repaired": [2e-16, 4e-16], "every letter as printed": [70.0, 90.0]})
    equals = "The printed formula equals autograd's gradient"
    assert drawn.right_readings(gaps) == f"{equals} if read as “repaired”, not in 1 other reading."
    assert drawn.right_readings(gaps * 0) == f"{equals} if read as “repaired” or “every letter as printed”."
    assert drawn.right_readings(gaps[["every letter as printed"]]) == f"{equals} in no reading."
    assert drawn.readings(gaps).to_numpy().tolist() == [
        ["yes", "3e-16", "2e-16", "4e-16"],
        ["no", "80", "70", "90"],
    ]
    gaps["single product for the sum over k"] = 0.1
    assert [*drawn.main_readings(gaps).index] == [
        "repaired", "single product for the sum over k", "every letter as printed"
    ]  # fmt: skip
    folded = drawn.folded("All & more", drawn.readings(gaps)).data
    assert folded.startswith('<details class="code"><summary>All &amp; more</summary><table')


def test_two_ways_are_the_same_up_to_rounding_or_not():
    assert drawn.apart("One", "the other", 4e-16).data == (
        "<p>One and the other differ by at most 4·10<sup>−16</sup> of the gradient&#x27;s size, which is rounding.</p>"
    )
    assert drawn.apart("One", "the other", 0.5).data.endswith(" differ by at most 0.5 of the gradient&#x27;s size.</p>")
    refused = drawn.refusals({"flipped sign": "form 1 of ∂L/∂a(2) is wrong: SymPy not equal"}).data
    assert refused == "<p>✗ flipped sign: SymPy not equal</p>"
    assert drawn.told("a < W_hh", "b").data == "<p>a &lt; W<sub>hh</sub><br>b</p>"
