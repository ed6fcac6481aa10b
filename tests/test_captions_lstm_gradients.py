"""Chapter 1b's findings and what they are about."""

import pytest

from rnnreport.experiments import lstm_gradients as experiments
from rnnreport.figures.gradients import within_rounding
from rnnreport.parameters.lstm_gradients import LSTMGradientParameters


@pytest.fixture(scope="module")
def p():
    return LSTMGradientParameters.check(
        {"seeds": [0, 1], "lengths": [2, 4], "input_size": 2, "hidden_size": 3, "batch_size": 2, "classes": 3,
         "taus": [2.5, 4.0], "r_on": 0.6}
    )  # fmt: skip


def test_the_derivation_is_held_against_its_judges_with_a_gate_and_without(p):
    rows = experiments.agreement(p)
    assert within_rounding(rows)
    assert rows.groupby(["judge", "case"]).size().to_dict() == {
        ("autograd", "LSTM"): 64, ("autograd", "gated LSTM"): 76,
        ("differences", "LSTM"): 32, ("differences", "gated LSTM"): 38,
    }  # fmt: skip
    assert {"∂L/∂W_gx", "∂L/∂h_0", "∂L/∂τ", "∂L/∂r_on"} <= set(rows["derivative"])


def test_a_mistake_in_the_derivation_is_seen(p, monkeypatch):
    right = experiments.gradients.gate_gradients
    monkeypatch.setattr(
        experiments.gradients, "gate_gradients", lambda *gate: right(*gate)._replace(tau=-right(*gate).tau)
    )
    rows = experiments.agreement(p)
    assert set(rows.loc[rows["gap"] > 1e-6, "derivative"]) == {"∂L/∂τ"}
    slopes = experiments.slopes(p)
    assert set(slopes.loc[slopes["gap"] > 1e-6, "derivative"]) == {"∂k/∂τ"}


def test_the_recurrence_is_the_derivation(p):
    assert experiments.recurrence_gap(p) < 1e-12


def test_the_slopes_of_the_gate_are_those_of_the_cells(p):
    slopes = experiments.slopes(p)
    assert within_rounding(slopes)
    assert [*slopes["derivative"].unique()] == ["∂k/∂τ", "∂k/∂s", "∂k/∂r_on"]


def test_openness_over_time_knows_the_whole_steps():
    table = experiments.openness(3, 2.0, 1.0, 0.5)
    assert table.loc[table["integer"], "t"].to_list() == [0, 1, 2, 3]
    assert table.set_index("t").loc[[1, 1.25, 1.5, 2, 2.75], "k"].to_list() == [0, 0.5, 1, 0, 0]


def test_at_a_corner_the_slope_is_that_of_the_branch_that_begins():
    table = experiments.corners()
    assert table.to_numpy().tolist() == [[0, 0, -0.5, -0.5], [1, -0.5, 0.5, 0.5], [0, 0.5, 0, 0]]
    assert experiments.used_at_corners(table) == (
        "At 3 of 3 corners the slope in use is that of the branch that begins there."
    )
    assert experiments.used_at_corners(table.assign(**{"∂k/∂s just after": 9.0})).startswith("At 0 of 3 corners")


def test_products_are_counted():
    table = experiments.products(steps=3, batch=2, units=4)
    assert table.to_numpy().tolist() == [[12, 3], [12, 1]]
    assert (
        experiments.gained(table) == "Larger products are fewer: 3 in place of 12 in (L6) and 1 in place of 12 in (L7)."
    )
