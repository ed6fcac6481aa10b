"""What stands below a figure: the finding, the axes, and how it was made."""

import re
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown

from rnnreport.captions import in_short, show
from rnnreport.claims.collected import METADATA
from rnnreport.experiments import horizon
from rnnreport.experiments.kept import Plane
from rnnreport.figures import chart, memory, new, rnn_versus_lstm

RECORDED = "recorded: 3 runs, seeds 0, 1, 2"


@chart("One line per seed")
def straight(rows, slope=1):
    """A straight line."""
    figure, ax = new()
    ax.plot(rows["x"], slope * rows["x"])
    ax.set(xlabel="x", ylabel="open ratio\n$r_\\mathrm{on}$", xscale="log")
    return figure


def rows(seeds=(0, 1, 2), origin=RECORDED, **columns):
    table = pd.DataFrame({"x": 1.0 + np.arange(len(seeds)), "seed": seeds, **columns})
    table.attrs["provenance"] = origin
    return table


def said(shown):
    """The words of a figure on a page, without markup and picture."""
    html = re.sub(r'src="data:[^"]*"', "", shown._repr_mimebundle_()[0]["text/html"])
    return " ".join(unescape(re.sub(r"<(?!/?sub>)[^>]*>", " ", html)).split())


def test_a_caption_says_what_is_found_then_the_axes_and_folds_away_the_rest():
    shown = show("Figure 9.1", straight, rows(), lambda rows, slope: f"It rises by {slope}.", 2, details="At r_on = 1.")
    assert said(shown) == (
        "Figure 9.1. It rises by 2. x axis: x (logarithmic); y axis: open ratio r<sub>on</sub>. One line per seed. "
        f"Recorded. How this was made At r<sub>on</sub> = 1. 3 seeds. {RECORDED}"
    )
    html = shown._repr_mimebundle_()[0]["text/html"]
    assert 'id="figure-9-1"' in html
    image = (
        r'<img alt="A straight line. It rises by 2." style="min-width: 399px" src="data:image/svg\+xml;base64,[^"]+">'
    )
    assert re.search(image, html)  # 6.4 inches: two thirds of their 614 pixels
    assert shown._repr_mimebundle_()[1] == {
        METADATA: {"findings": [{"label": "Figure 9.1", "finding": "It rises by 2."}]}
    }
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("origin", "how"), [("trained live: 1 run", "Trained live. "), ("computed, float64", ""), ("", "")]
)
def test_a_caption_says_whether_it_was_trained_live(origin, how):
    assert f"One line per seed. {how}How this" in said(show("Figure 1", straight, rows((4,), origin), "Found."))


def test_one_seed_has_no_interval():
    assert "1 seed, so no interval." in said(show("Figure 1", straight, rows((4,)), "Found."))


def test_the_origin_may_be_that_of_other_rows_or_words():
    table = rows()
    table.attrs.clear()
    assert said(show("Figure 1", straight, table, "Found.")).endswith("3 seeds.")
    assert said(show("Figure 1", straight, table, "Found.", origin=rows())).endswith(RECORDED)
    assert said(show("Figure 1", straight, table, "Found.", origin="by hand")).endswith("by hand")


def test_of_no_rows_nothing_is_drawn_and_the_page_says_so():
    shown = show("Figure 2.8", straight, rows()[:0], "Found.")
    assert isinstance(shown, Markdown)
    assert shown.data == "*Figure 2.8: there are no such runs here, recorded or live.*"


def test_a_table_has_a_caption_too():
    shown = show("Table 1", lambda rows: rows[["x"]], rows(), "Found.")
    assert '<table class="dataframe">' in shown._repr_mimebundle_()[0]["text/html"]
    assert said(shown).endswith(f"Table 1. Found. Recorded. How this was made 3 seeds. {RECORDED}")


def test_a_label_a_finding_and_an_origin_are_words_and_no_markup():
    bad = '<b> & "so"'
    html = show(bad, straight, rows(origin=f"recorded {bad}"), bad, details=bad)._repr_mimebundle_()[0]["text/html"]
    assert "<b>" not in html
    assert html.count("&lt;b&gt; &amp; &quot;so&quot;") == 5  # label, finding, details, origin, and the finding in alt


def test_answers_lead_to_what_shows_them():
    shown, metadata = in_short(("1.3", "At r_on < 1 it is.", "Figure 2.8"))._repr_mimebundle_()
    assert metadata == {
        METADATA: {"answers": [{"question": "1.3", "answer": "At r_on < 1 it is.", "label": "Figure 2.8"}]}
    }
    html = shown["text/html"]
    assert '<li><strong>1.3</strong> At r<sub>on</sub> &lt; 1 it is. <a href="#figure-2-8">Figure 2.8</a></li>' in html


# Chapter 2's findings


def runs(models=("rnn",), lengths=(5,), accuracies=(0.5, 0.7), steps=(0, 800), **columns):
    table = [
        (model, length, seed, step, accuracy * (step > 0))
        for model in models
        for length in lengths
        for seed, accuracy in enumerate(accuracies)
        for step in steps
    ]
    names = ["model", "length", "seed", "step", "test_accuracy"]
    return pd.DataFrame(table, columns=names).assign(learning_rate=1e-3, **columns)


def test_accuracies_are_those_of_the_last_step():
    assert rnn_versus_lstm.reached(runs(accuracies=(1.0, 1.0))) == (
        "At T = 5 the RNN has an accuracy of 1.00 (1.00 to 1.00) after 800 steps."
    )
    assert rnn_versus_lstm.reached_by_length(runs(lengths=(5, 15), accuracies=(0.25,))) == (
        "After 800 steps: T = 5: 0.25; T = 15: 0.25."
    )


def test_the_soonest_optimizer_comes_first_each_at_its_best_rate():
    table = pd.concat(
        [runs(optimizer="sgd", accuracies=(0.4,)), runs(optimizer="adam", accuracies=(0.8,)),
         runs(optimizer="sgd", accuracies=(0.6,)).assign(learning_rate=0.1)]
    )  # fmt: skip
    assert rnn_versus_lstm.soonest(table) == (
        "Mean accuracy over the training at T = 5, the soonest first: Adam 0.40, SGD 0.30."
    )


def test_the_ways_down_are_told_by_the_loss_that_is_left():
    paths = pd.DataFrame(
        {
            "optimizer": ["sgd", "adam"] * 2,
            "learning_rate": 0.1,
            "step": [0, 0, 40, 40],
            "loss": [23.0, 23.0, 0.5, 0.01],
        }
    )
    assert rnn_versus_lstm.downhill(paths) == "Loss after 40 steps from 23: Adam 0.01, SGD 0.5."
    assert rnn_versus_lstm.rates_downhill(paths) == "Learning rates: SGD 0.1, Adam 0.1."


def test_gates_are_told_by_their_medians():
    values = pd.DataFrame({"gate": ["i", "i", "f"], "value": [0.2, 0.4, 0.9]})
    assert rnn_versus_lstm.medians(values) == "The median of a trained LSTM's gates: i 0.30, f 0.90."
    assert rnn_versus_lstm.medians(values[:0]) == "There is no LSTM in this run."


def test_the_effective_rate_is_told_where_it_changes():
    table = pd.DataFrame(
        {"optimizer": ["sgd"] * 3 + ["adam"] * 3, "step": [0, 50, 100] * 2, "effective_rate": [0, 1, 1, 9, 0.2, 0.4]}
    )
    assert memory.effective_rates(table) == (
        "The median parameter's effective rate at first, at its lowest, at the end: Adam 0.2, 0.2, 0.4."
    )


def test_what_is_solved_at_the_best_rate():
    table = pd.concat(
        [runs(("rnn", "lstm"), accuracies=(0.5,)), runs(("rnn",), accuracies=(1.0,)).assign(learning_rate=0.1)]
    )
    assert horizon.solved_at_best_rate(table) == (
        "Longest T with a mean accuracy of 0.99 after 800 steps, at the best rate: RNN 5, LSTM none."
    )


def test_steps_to_solve_are_medians_and_infinite_ones_are_said():
    table = pd.DataFrame({"base": "report", "model": "rnn", "length": [5, 5, 10], "steps": [100, 200, np.inf]})
    assert memory.medians_to_solve(table, 1_000) == "Median of the seeds. report, RNN: T = 5 150, T = 10 not."


def horizons():
    names = ["base", "factor", "value", "model", "budget", "horizon"]
    rows = [
        ("report", "", "", "rnn", 1_000, 10), ("report", "digits", "one-hot", "rnn", 1_000, 20),
        ("report", "learning rate", "0.1", "rnn", 1_000, 5), ("report", "", "", "lstm", 1_000, 0),
        ("report", "digits", "one-hot", "lstm", 1_000, 10),
        ("better start", "", "", "rnn", 1_000, 50), ("better start", "", "", "lstm", 1_000, 100),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def test_both_starts_are_told_in_a_sentence():
    assert horizon.from_either_start(horizons(), [5, 10, 20, 50, 100]) == (
        "The longest T solved: from the report's start RNN 10 and LSTM less than 5, from the better one RNN 50 and "
        "LSTM at least 100."
    )


def test_moving_one_factor_is_told_with_where_it_leads():
    table = horizons()[:5]
    assert horizon.one_factor_moved(table) == (
        "The longest T solved (one factor moved): report RNN 10 (5–20), report LSTM 0 (10)."
    )
    assert horizon.strongest_moves(table) == (
        "What moves the horizon most: RNN, report: up with digits: one-hot (20), down with learning rate: 0.1 (5); "
        "LSTM, report: up with digits: one-hot (10), down with nothing."
    )


def test_reading_off_is_told_for_every_state():
    table = pd.DataFrame(
        {"model": "rnn", "seed": 0, "state": "h", "when": ["before", "after"] * 2, "step": [1, 1, 2, 2],
         "accuracy": [0.1, 0.2, 0.3, 0.9], "test_accuracy": 0.8}
    )  # fmt: skip
    assert memory.read_at_the_end(table) == "Read off after 2 digits, before training and after: RNN h 0.30, 0.90."
    assert memory.own_accuracies(table) == "The networks' own accuracies: RNN: 0.80."


def test_what_gates_and_planes_hold_is_told():
    lstm = {"digits": np.array([3, 1]), "f": np.array([0.5, 0.9]), "i": np.array([0.1])}
    assert memory.still_open({"RNN": {}, "LSTM": lstm}) == (
        "Over one palindrome the LSTM's forget gates have a median of 0.70, its input gates one of 0.10."
    )
    assert memory.read_here({"LSTM": lstm}) == "The networks read 3 1."
    products = pd.DataFrame(
        {"length": 50, "share": [0.5, 0.5, 0.99, 0.99], "step": [0, 9, 0, 9], "kept": [0.1, 0.6, 0.4, 0.97]}
    )
    assert memory.left_at_the_end(products) == (
        "Of the cell at the first digit of T = 50 the median leaves 0.1 untrained, 0.6 trained."
    )
    assert (
        memory.left_by_quantile(products) == "Before training and after, by quantile: 0.5: 0.1, 0.6; 0.99: 0.4, 0.97."
    )
    planes = {"RNN, h(t)": Plane(pd.DataFrame(), 0.25, 0.5)}
    assert memory.held_by_the_plane(planes) == (
        "Variance held by two directions, digits told by the nearest middle: RNN, h(t) 25%, 50%."
    )


def test_other_lengths_are_told_beside_the_one_that_was_trained():
    table = pd.DataFrame(
        {"model": "rnn", "trained_at": 15, "length": [13, 14, 15, 16], "accuracy": [0.3, 0.0, 1.0, 0.25]}
    )
    assert memory.one_longer(table) == "Trained at T = 15, accuracy at T = 14, 15 and 16: RNN 0.00, 1.00, 0.25."
