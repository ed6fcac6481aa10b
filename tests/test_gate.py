"""The temporal gate by itself: formulas against the cell, derivatives against differences, searches against truths."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from rnnreport.cells import temporal_gate
from rnnreport.experiments import gate
from rnnreport.models import TemporalGateLSTM

TAU, S, R_ON = GATE = gate.Gate(6.0, 3.0, 0.2)  # figure 3's


def exact(value):
    return torch.as_tensor(value, dtype=torch.float64)


# The gate and a state behind it


def test_openness_is_k_on_a_fine_grid():
    table = gate.openness(GATE, until=24.0)
    assert len(table) == 2401
    assert table["t"].iloc[[0, -1]].tolist() == [0.0, 24.0]
    assert table["integer"].sum() == 25
    assert table.loc[table["integer"], "k"].max() == pytest.approx(1 / 3)
    assert table["t"].is_monotonic_increasing
    assert table["t"].is_unique
    at = np.interp([3.0, 3.6, 4.2, 6.0, 9.6], table["t"], table["k"])
    assert at.tolist() == pytest.approx([0, 1, 0, 0, 1], abs=1e-9)
    odd = gate.openness(GATE, until=7.3)
    assert odd.loc[odd["integer"], "t"].tolist() == list(range(8))


def test_states_stand_still_where_the_gate_is_shut():
    table = gate.states(GATE, steps=25, seed=0)
    assert table["t"].tolist() == list(range(1, 26))
    for row in range(25):
        before = table.loc[row - 1, ["gated h", "gated c"]].tolist() if row else [0.0, 0.0]
        still = table.loc[row, ["gated h", "gated c"]].tolist() == before
        assert still == (table.loc[row, "k"] == 0)
    assert (table["h"].diff().dropna() != 0).all()
    parameters = (torch.tensor(value, dtype=torch.float64) for value in (6, 3, 0.2))
    np.testing.assert_array_equal(table["k"], temporal_gate(torch.arange(1.0, 26.0, dtype=torch.float64), *parameters))
    pd.testing.assert_frame_equal(table, gate.states(GATE, steps=25, seed=0), check_exact=True)
    assert not table["c"].equals(gate.states(GATE, steps=25, seed=1)["c"])


# Half-lives


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 0.999), st.floats(0.01, 1))
def test_the_half_life_is_that_of_the_mean_logarithm(forget, r_on):
    mean, _ = quad(lambda k: math.log(1 - k * (1 - forget)), 0, 1)
    assert gate.half_life(forget, r_on) == pytest.approx(math.log(2) / (-r_on * mean), rel=1e-7)


def test_the_half_life_in_the_limits():
    assert gate.half_life(0.0, 0.2) == pytest.approx(math.log(2) / 0.2)
    assert gate.half_life(1e-12, 0.2) == pytest.approx(math.log(2) / 0.2)
    slow = 1 - 1e-5
    assert gate.half_life(slow, 0.2) == pytest.approx(2 / 0.2 * math.log(2) / -math.log(slow), rel=1e-4)
    assert gate.half_life(slow, 1.0) == pytest.approx(2 * math.log(2) / -math.log(slow), rel=1e-4)


def test_measured_half_lives_are_those_of_the_formula_at_an_irrational_period():
    table = gate.half_lives([0.1, 0.9], [0.05, 0.2, 1.0])
    assert table[["forget", "r_on"]].to_numpy().tolist() == [[f, r] for f in (0.1, 0.9) for r in (0.05, 0.2, 1.0)]
    np.testing.assert_allclose(table["measured"], table["closed"], rtol=0.02)
    np.testing.assert_allclose(table["ungated"], np.log(0.5) / np.log(table["forget"]))


def test_a_period_in_whole_steps_meets_few_phases():
    (row,) = gate.half_lives([0.5], [R_ON], TAU, S, steps=60).to_dict("records")
    assert row["measured"] == pytest.approx(60 * math.log(2) / (-10 * math.log(1 - 0.5 / 3)))  # ten steps of k = 1/3
    (never,) = gate.half_lives([0.5], [0.05], 8.0, 0.5, steps=40)["measured"]
    assert never == math.inf


# Updates and units that never open


def test_gates_are_drawn_as_the_network_draws_them():
    torch.manual_seed(5)
    lstm = TemporalGateLSTM(1, 7)
    torch.manual_seed(5)
    lstm.draw_gate(1, 50, 0.1)
    for ours, theirs in zip(gate.draw_gates(7, 50, 0.1, seed=5), lstm.gate()):
        torch.testing.assert_close(ours.expand(7), theirs.detach())


def test_updates_are_counted_at_whole_steps():
    table = gate.updates(30, 40.0, [0.05, 1.0], units=50, seeds=[3, 4])
    assert table.groupby(["r_on", "seed"]).size().tolist() == [50] * 4
    tau, s, _ = gate.draw_gates(50, 40.0, 0.05, seed=4)
    part = table[(table["r_on"] == 0.05) & (table["seed"] == 4)]
    by_hand = [sum(0 < ((t - b) % a) / a < 0.05 for t in range(1, 31)) for a, b in zip(tau.tolist(), s.tolist())]
    assert part["updates"].tolist() == by_hand
    assert set(part["expected"]) == {0.05 * 30}
    assert table.loc[table["r_on"] == 1.0, "updates"].min() == 30


def test_the_mean_number_of_updates_is_the_expected_one():
    table = gate.updates(40, 100.0, [0.05, 0.3], units=4_000)
    for _, part in table.groupby("r_on"):
        error = part["updates"].std() / len(part) ** 0.5
        assert abs(part["updates"].mean() - part["expected"].iloc[0]) < 4 * error


def test_known_shares_of_units_that_never_open():
    table = gate.never_open([5, 10, 20], [math.exp(3)], [0.05])
    for row, known in zip(table.to_dict("records"), (0.76, 0.55, 0.26)):
        assert row["share"] == pytest.approx(known, abs=0.005 + 4 * row["error"])
        assert row["error"] == pytest.approx(math.sqrt(row["share"] * (1 - row["share"]) / 10_000))


def test_units_that_never_open_are_those_without_updates():
    table = gate.never_open([4, 12], [30.0, 80.0], [0.05, 0.2], units=300, seed=2)
    assert len(table) == 8
    for row in table.to_dict("records"):
        counts = gate.updates(row["length"], row["longest"], [row["r_on"]], 300, [2])["updates"]
        assert row["share"] == pytest.approx((counts == 0).mean(), abs=1e-12)


def test_a_leak_alone_reaches_units_that_never_open():
    table = gate.leaked_gradients(8, 100.0, 0.05, [0.0, 1e-3], [0, 1], units=12, batch=5)
    assert table.groupby(["leak", "seed"]).size().tolist() == [12] * 4
    dead = table[table["dead"]]
    assert 0 < len(dead) < len(table)
    without, leaking = (part for _, part in dead.groupby("leak"))
    assert without["unit"].tolist() == leaking["unit"].tolist()
    assert not without[["weights", "gate"]].to_numpy().any()
    assert (leaking[["weights", "gate"]] > 0).all(axis=None)
    open_units = table[~table["dead"]]
    assert (open_units["weights"] > 0).all()
    assert leaking["weights"].median() < 0.1 * open_units["weights"].median()


# Derivatives of mod


@pytest.mark.parametrize("leak", [0.0, 1e-3])
@pytest.mark.parametrize("name", gate.MODS)
def test_derivatives_of_mod_change_no_value(name, leak):
    t = torch.linspace(-40, 60, 1001, dtype=torch.float64)
    gates = GATE.exact()
    found, expected = gate.gate_by(gate.MODS[name], t, *gates, leak), temporal_gate(t, *gates, leak)
    phi = torch.remainder(t - S, TAU) / TAU
    away = ((phi - R_ON).abs() > 1e-9) & (phi > 1e-9) & (phi < 1 - 1e-9)  # from where a leak jumps
    torch.testing.assert_close(found[away], expected[away], rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "by_x", "by_tau"),
    [
        ("floored", 1, [-2, 1]),
        ("averaged", 1, [-1, 0.5]),
        ("averaged twice", 1, [-0.5, 1]),
        ("stopped", 1, [0, 0]),
        ("detached", 0, [0, 0]),
    ],
)
def test_what_each_takes_for_the_derivative_of_mod(name, by_x, by_tau):
    """At 13 mod 6 and -1 mod 6, a batch of two."""
    x, tau = exact([13.0, -1.0]).requires_grad_(), exact([6.0, 6.0]).requires_grad_()
    result = gate.MODS[name](x, tau)
    assert result.tolist() == [1, 5]
    if name == "detached":
        assert not result.requires_grad
        return
    result.sum().backward()
    assert x.grad.tolist() == [by_x] * 2
    assert (torch.zeros(2) if tau.grad is None else tau.grad).tolist() == by_tau


def test_the_floored_derivative_is_the_true_one_and_the_others_are_only_at_first():
    table = gate.mod_derivatives(GATE, [-2, 0, 1, 30], batch=8)
    errors = table.pivot(index="periods", columns="mod", values="error")
    assert errors["floored"].max() < 1e-6
    assert errors.drop(columns="averaged twice").loc[0].max() < 1e-6
    assert errors.loc[[-2, 1, 30], ["averaged", "stopped", "detached"]].min(axis=None) > 0.8
    assert errors.loc[-2, "stopped"] > 1  # of the wrong sign
    assert errors.loc[1, "averaged twice"] > 1
    alone = gate.mod_derivatives(GATE, [5], batch=1).set_index("mod")["error"]
    assert alone[["averaged", "averaged twice"]].max() < 1e-6


# Gates found again


def test_what_counts_as_found_again():
    right, rows = GATE, []
    for place, value in ((0, 6.05), (0, 6.07), (1, 3.05 - 18), (1, 2.93), (2, 0.2019), (2, 0.197)):
        rows.append((*right[:place], value, *right[place + 1 :]))
    found = pd.DataFrame(rows, columns=["tau", "s", "r_on"])
    assert gate.recovered(found, GATE).tolist() == [True, False, True, False, True, False]


SHORT = gate.Search(steps=300)


def test_a_gate_is_found_from_next_to_it_and_not_from_far_away():
    table = gate.recovery(GATE, [0, 1], [4], [0.98, 2.0], [], {"no remedy": gate.Remedy()}, SHORT)
    assert table.groupby("ratio")["recovered"].mean().tolist() == [1, 0]
    assert sorted(zip(table["ratio"], table["seed"])) == [(0.98, 0), (0.98, 1), (2.0, 0), (2.0, 1)]


def test_short_times_first_find_a_gate_that_is_not_found_otherwise():
    table = gate.recovery(GATE, [0, 1, 2], [20], [0.8, 1.2], [])
    assert len(table) == 4 * 2 * 3
    share = table.groupby("remedy")["recovered"].mean()
    assert share["no remedy"] <= 0.2
    assert min(share["short times first"], share["both"]) >= 0.8


def test_seeds_are_searched_as_if_alone():
    both, alone = (gate.recovery(GATE, seeds, [3], [0.9], [0.1], search=SHORT) for seeds in ([0, 7], [7]))
    columns = ["tau", "s", "r_on"]
    np.testing.assert_allclose(both.loc[both["seed"] == 7, columns], alone[columns], rtol=1e-9)
    assert not np.allclose(both.loc[both["seed"] == 0, columns], alone[columns], rtol=1e-9)


def test_starts_stand_where_they_are_said_to():
    table = gate.recovery(GATE, [1], [3], [0.9, 1.2], [0.1], search=gate.Search(steps=1, learning_rate=0.0))
    np.testing.assert_allclose(table["tau"], table["ratio"] * TAU)
    np.testing.assert_allclose(table["s"], S + table["offset"] * TAU)
    wide = table["remedy"].isin(["wide gate first", "both"])
    np.testing.assert_allclose(table["r_on"], np.where(wide, 0.5, R_ON))
    assert set(table["ratio"]) == {0.9, 1.0, 1.2}
    assert set(table["offset"]) == {0.0, 0.1}


def test_short_times_start_within_one_period_of_the_start(monkeypatch):
    seen = []
    monkeypatch.setattr(gate, "gate_by", lambda mod, t, *rest: seen.append(t.max(0).values) or temporal_gate(t, *rest))
    start = gate.Gate(exact([4.0, 4.0]), exact([S, S]), exact([0.3, 0.3]))
    goal, until = GATE.exact(), exact([60.0, 60.0])
    gate.fit(goal, until, start, torch.tensor([False, True]), [0], gate.Search(steps=10, batch=500))
    assert 3.9 < seen[0][1] <= 4 < 59 < seen[0][0] <= 60
    assert 59 < seen[-1][1] <= 60


def test_a_derivative_that_is_stopped_does_not_find_the_period():
    table = gate.recovery_by_mod(GATE, [0], [5], [0.98, 1.02], [], SHORT)
    share = table.groupby("mod")["recovered"].mean()
    assert share["floored"] == 1
    assert share["stopped"] == share["detached"] == 0


def test_a_gate_that_never_shuts_is_searched_as_well():
    table = gate.recovery(
        GATE._replace(r_on=1.0), [0], [2], [1.0], [], {"no remedy": gate.Remedy()}, gate.Search(steps=50)
    )
    assert table["recovered"].all()
