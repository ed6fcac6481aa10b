"""Chapter 1c's findings, each as a whole sentence from a tiny table."""

import numpy as np
import pandas as pd
import pytest

from rnnreport.figures import cell_path as drawn

NAMES = {"jacobian": "all paths", "cell": "along the cell"}


def reach(networks=("LSTM", "LSTM with forget bias 1")):
    rows = [
        (network, 0, when, lag, (4.0 if when == "after" else 0.25) ** (lag / 2), (place + 1) / 4 ** (lag / 2))
        for place, network in enumerate(networks)
        for when in ("before", "after")
        for lag in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["network", "seed", "when", "lag", "jacobian", "cell"])


def test_what_the_cell_leaves_at_the_start():
    assert drawn.at_start(reach()) == (
        "Before training, 2 steps along the cell leave 0.25 (LSTM) and 0.5 (LSTM with forget bias 1) of a gradient in "
        "the most open unit."
    )
    assert drawn.rates_at_start(reach()).to_dict("index") == {
        "LSTM": {"left after 2 steps": "0.25", "factor per step": "0.5", "after 100 steps at this factor": "7.9e-31"},
        "LSTM with forget bias 1": {
            "left after 2 steps": "0.5",
            "factor per step": "0.71",
            "after 100 steps at this factor": "8.9e-16",
        },
    }


def learnt(*of_seeds):
    """What is left along the cell of two LSTMs that have learnt the task: for each, by seed."""
    parts = [
        reach((network,)).assign(seed=seed, cell=value, test_accuracy=0.95)
        for network, values in zip(("LSTM", "LSTM with forget bias 1"), of_seeds)
        for seed, value in enumerate(values)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("plain", "biased", "answer"),
    [
        ((0.6, 0.61), (0.7, 0.71), "Yes: over 2 steps after training, what the most open unit leaves of a gradient "
         "is 0.6 in the LSTM and 0.7 in the LSTM with forget bias 1."),
        ((0.1, 0.9), (0.7, 0.71), "Partly: over 2 steps after training, what the most open unit leaves of a gradient "
         "is an uncertain 0.5 (0 to 5.6) in the LSTM and 0.7 in the LSTM with forget bias 1."),
        ((0.1, 0.11), (0.7, 0.71), "Partly: "),
        ((0.1, 0.11), (0.2, 0.21), "No: "),
        ((0.1, 0.9), (0.2, 0.21), "Unclear: "),
        ((0.6,), (0.7,), "Unclear: over 2 steps after training, what the most open unit leaves of a gradient is an "
         "uncertain 0.6 in the LSTM and an uncertain 0.7 in the LSTM with forget bias 1."),
    ],
)  # fmt: skip
def test_whether_a_gradient_survives_is_answered_by_half_of_it(plain, biased, answer):
    assert drawn.answer(learnt(plain, biased), "after").startswith(answer)


def test_only_what_has_learnt_the_task_answers():
    table = learnt((0.6, 0.61, 0.1), (0.7, 0.71, 0.1))
    table.loc[table["seed"] == 2, "test_accuracy"] = 0.5
    assert drawn.answer(table, "before").startswith("Yes: over 2 steps before training")
    none = "Unclear: none of these LSTMs has learnt the task."
    assert drawn.answer(table.assign(test_accuracy=0.5), "before") == none


def test_a_case_counts_if_its_whole_interval_lies_above_one_half():
    table, after = learnt((0.1, 0.9), (0.7, 0.71)), "Along the cell, the whole interval lies above one half "
    assert drawn.leaving_half(table.assign(cell=table["cell"].where(table["when"] == "after", 0.01))) == (
        f"{after}only in the LSTM with forget bias 1 after training."
    )
    assert drawn.leaving_half(table.assign(cell=0.01)) == f"{after}in no LSTM, before training or after."
    assert drawn.leaving_half(table.assign(cell=0.6)) == f"{after}in every LSTM, before training and after."


def test_what_is_left_is_a_mean_over_the_seeds_with_its_interval():
    two = pd.concat([reach(("RNN", "LSTM")), reach(("RNN", "LSTM")).assign(seed=1)])
    two.loc[two["seed"] == 1, "cell"] *= 3
    two.loc[two["network"] == "RNN", "cell"] = np.nan
    table = drawn.left_at_end(two)
    assert table.loc["RNN"].to_list() == ["–", "–", "0.25 (0.25 to 0.25)", "4 (4 to 4)"]
    assert table.loc["LSTM", "along the cell, after training"] == "1 (0 to 7.4)"
    assert drawn.left_at_end(reach(("LSTM",))).iloc[0, 0] == "0.25"


def test_what_all_paths_leave():
    assert drawn.by_all_paths(reach(), NAMES) == (
        "After training, 2 steps stretch gradients by 4 on all paths, 0.25 along the cell (LSTM); 4 and 0.5 (LSTM with "
        "forget bias 1)."
    )
    assert drawn.ways_compared(reach(("LSTM",)), {"jacobian": "all paths"}) == (
        "Ranges over the seeds at lag 2: LSTM, before training, all paths: 0.25; LSTM, after training, all paths: 4. "
        "Factor per step on all paths before training: 0.50 (LSTM). All paths leave less than the cell alone in 0 of 6 "
        "measurements. Over half of the way, 1 step, the cell leaves 0.5 (LSTM) after training."
    )
    less = reach(("LSTM",)).assign(jacobian=0.0)
    assert "less than the cell alone in 6 of 6 measurements" in drawn.ways_compared(less, NAMES)


def test_what_is_left_without_a_cell():
    table = reach(("RNN", "LSTM"))
    table.loc[table["network"] == "RNN", "cell"] = np.nan
    assert drawn.without_a_cell(table, NAMES) == (
        "Over 2 steps a gradient is multiplied by 0.25 before training, 4 after (RNN); 0.25 and 4 (LSTM)."
    )
    more = pd.concat([table, table.assign(seed=1, jacobian=3 * table["jacobian"])]).query("network == 'RNN'")
    assert drawn.without_a_cell(more, NAMES) == (
        "Over 2 steps a gradient is multiplied by 0.5 (0 to 3.7) before training, 8 (0 to 59) after (RNN)."
    )
    assert drawn.at_the_start(table) == (
        "Before training, over 2 steps, the path along the cell leaves this much of a gradient: 0.5 (LSTM). "
        "All paths together leave 0.25 (RNN) and 0.25 (LSTM)."
    )
    table.loc[(table["lag"] == 1) & (table["when"] == "after"), "jacobian"] = 0.5
    assert drawn.lowest(table.assign(test_accuracy=0.95), "RNN") == (
        "After training, the RNN's gradient is smallest at lag 1, at 0.5 of its size at lag 0; at lag 2 it has 4 times "
        "that size."
    )
    assert "RNN, after training, all paths: 4;" in drawn.ranges(table, NAMES)
    assert "RNN, after training, along the cell" not in drawn.ranges(table, NAMES)


def kept():
    rows = [("LSTM", when, seed, value) for when, values in (("before", (0.1, 0.2)), ("after", (0.01, 0.9)))
            for seed in (0, 1) for value in values]  # fmt: skip
    return pd.DataFrame(rows, columns=["network", "when", "seed", "kept"])


def test_what_units_keep_is_told_by_shares_and_spans():
    assert drawn.open_units(kept()) == (
        "The share of products above one half is 0.0% before training, 50.0% after (LSTM)."
    )
    assert drawn.units_apart(kept()) == (
        "Without the largest and the smallest tenth the products span: LSTM, before training: a factor of 2, all of "
        "them 1.0e-01 to 0.2; LSTM, after training: a factor of 90, all of them 1.0e-02 to 0.9."
    )


def test_the_slopes_of_the_rnn_are_means_over_the_seeds():
    slopes = pd.DataFrame(
        {"seed": [0, 1] * 2, "when": ["before"] * 2 + ["after"] * 2, "radius": 1.0, "norm": 2.0, "first": 0.9,
         "last": [0.8, 1, 0.1, 0.3], "carried": [1, 1, 0.5, 0.7]}
    )  # fmt: skip
    assert drawn.carried(slopes) == (
        "After training, the median slope is 0.9 at the first digit, 0.2 at the last; slopes above 0.1 alone leave 60% "
        "of the gradient."
    )
    names = ["ρ of W_hh", "‖W_hh‖₂", "median slope, first digit", "last digit", "left by slopes above 0.1"]
    assert drawn.slopes_by_training(slopes).to_dict("index") == {
        "before": dict(zip(names, ["1", "2", "0.9", "0.9", "1"])),
        "after": dict(zip(names, ["1", "2", "0.9", "0.2", "0.6"])),
    }


def test_learning_is_told_by_the_seeds_that_do_and_measured_in_these():
    measured = pd.DataFrame(
        {"network": "RNN", "seed": [0, 0, 1, 1], "lag": [0, 1, 0, 1], "when": "after",
         "test_accuracy": [0.95, 0.95, 0.85, 0.85], "jacobian": [1.0, 4.0, 1.0, 0.01]}
    )  # fmt: skip
    assert drawn.learning(measured) == "Seeds that learn the task: 1 of 2 (RNN)."
    assert drawn.learnt(measured).to_dict("index") == {
        "RNN": {"accuracy on fresh palindromes": "0.90 (0.26 to 1.00)", "seeds above 0.9": "1 of 2"}
    }
    none = measured.assign(network="LSTM", test_accuracy=0.5)
    solving = drawn.solving(pd.concat([measured, none], ignore_index=True))
    assert solving.groupby("network")["seed"].unique().map(list).to_dict() == {"RNN": [0], "LSTM": [0, 1]}
    assert drawn.lowest(measured, "RNN").endswith(
        "at lag 1 it has 4 times that size, and 0.01 times in the 1 seed that did not learn the task."
    )
