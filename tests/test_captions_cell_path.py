"""Chapter 1c's findings, each as a whole sentence from a tiny table."""

import numpy as np
import pandas as pd

from rnnreport.figures import cell_path as drawn

NAMES = {"jacobian": "all ways", "cell": "along the cell"}


def reach(networks=("LSTM", "LSTM with forget bias 1")):
    rows = [
        (network, 0, when, lag, (4.0 if when == "after" else 0.25) ** (lag / 2), (place + 1) / 4 ** (lag / 2))
        for place, network in enumerate(networks)
        for when in ("before", "after")
        for lag in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["network", "seed", "when", "lag", "jacobian", "cell"])


def test_what_the_cell_leaves_at_the_start():
    assert drawn.at_start(reach(), NAMES) == (
        "Before training, 2 steps along the cell leave 0.25 of a gradient (LSTM) and 0.5 (LSTM with forget bias 1)."
    )
    assert drawn.rates_at_start(reach(), {"cell": "along the cell"}) == (
        "Ranges over the seeds at lag 2: LSTM, before training, along the cell: 0.25; LSTM, after training, along the "
        "cell: 0.25; LSTM with forget bias 1, before training, along the cell: 0.5; LSTM with forget bias 1, after "
        "training, along the cell: 0.5. As a factor per step, and what it would leave over 100 steps: 0.50 and 8e-31 "
        "(LSTM); 0.71 and 9e-16 (LSTM with forget bias 1)."
    )


def test_what_all_ways_leave():
    assert drawn.by_all_ways(reach(), NAMES) == (
        "After training 2 steps leave 4 by all ways, 0.25 along the cell (LSTM); 4 and 0.5 (LSTM with forget bias 1)."
    )
    assert drawn.ways_compared(reach(("LSTM",)), {"jacobian": "all ways"}) == (
        "Ranges over the seeds at lag 2: LSTM, before training, all ways: 0.25; LSTM, after training, all ways: 4. "
        "Factor per step of all ways before training: 0.50 (LSTM). All ways leave less than the cell alone in 0 of 6 "
        "rows. Over half of the way, 1 step, the cell leaves 0.5 (LSTM) after training."
    )
    less = reach(("LSTM",)).assign(jacobian=0.0)
    assert "less than the cell alone in 6 of 6 rows" in drawn.ways_compared(less, NAMES)


def test_what_is_left_without_a_cell():
    table = reach(("RNN", "LSTM"))
    table.loc[table["network"] == "RNN", "cell"] = np.nan
    assert drawn.without_a_cell(table, NAMES) == (
        "2 steps leave 0.25 of a gradient before training, 4 after (RNN); 0.25 and 4 (LSTM)."
    )
    assert "RNN, after training, all ways: 4;" in drawn.ranges(table, NAMES)
    assert "RNN, after training, along the cell" not in drawn.ranges(table, NAMES)


def kept():
    rows = [("LSTM", when, seed, value) for when, values in (("before", (0.1, 0.2)), ("after", (0.01, 0.9)))
            for seed in (0, 1) for value in values]  # fmt: skip
    return pd.DataFrame(rows, columns=["network", "when", "seed", "kept"])


def test_what_units_keep_is_told_by_shares_and_spans():
    assert drawn.open_units(kept()) == ("Above one half lie 0.0% of the products before training, 50.0% after (LSTM).")
    assert drawn.units_apart(kept()) == (
        "Without the largest and the smallest tenth the products span: LSTM, before training: a factor of 2, all of "
        "them 1.0e-01 to 0.2; LSTM, after training: a factor of 90, all of them 1.0e-02 to 0.9."
    )


def test_the_slopes_of_the_rnn_are_medians():
    slopes = pd.DataFrame(
        {
            "seed": [0, 1] * 2,
            "when": ["before"] * 2 + ["after"] * 2,
            "radius": 1.0,
            "norm": 2.0,
            "slope": [0.8, 1, 0.1, 0.3],
        }
    )
    assert drawn.flat_half(slopes) == (
        "Half of the RNN's states lie where the slope of tanh is at most 0.2 after training, and 0.9 before."
    )
    assert drawn.slopes_by_training(slopes).to_dict("index") == {
        "before": {"ρ of Whh": "1", "‖Whh‖₂": "2", "median slope 1 − h²": "0.9"},
        "after": {"ρ of Whh": "1", "‖Whh‖₂": "2", "median slope 1 − h²": "0.2"},
    }


def test_learning_is_told_by_the_last_accuracy_and_the_first_step_that_solves():
    courses = pd.DataFrame(
        {"network": "RNN", "seed": [0, 0, 1, 1], "step": [0, 20, 0, 20], "test_accuracy": [0.1, 0.95, 0.1, 0.85]}
    )
    assert drawn.learning(courses) == "Accuracy after training: RNN: 0.90 (0.26 to 1.00)."
    assert drawn.learnt(courses).to_dict("index") == {
        "RNN": {"accuracy on fresh palindromes": "0.90 (0.26 to 1.00)", "first at 0.9 at step, by seed": "20, never"}
    }
