"""What stands below a figure: the finding, the axes, and how it was made."""

import re
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown

from rnnreport.captions import in_short, say, show
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
        METADATA: {
            "findings": [{"label": "Figure 9.1", "finding": "It rises by 2."}],
            "origins": [{"origin": RECORDED, "runs": []}],
        }
    }
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("origin", "how"), [("trained live: 1 run", "Trained live. "), ("computed, float64", ""), ("", "")]
)
def test_a_caption_says_whether_it_was_trained_live(origin, how):
    assert f"One line per seed. {how}How this" in said(show("Figure 1", straight, rows((4,), origin), "Found."))


def test_a_sentence_knows_the_origin_of_its_numbers():
    shown, metadata = say(lambda rows, more: f"There are {len(rows)}.", rows(), 1)._repr_mimebundle_()
    assert shown["text/markdown"] == "There are 3."
    tiny, _ = say(lambda rows: "It is 2e-09.", rows())._repr_mimebundle_()
    assert tiny["text/markdown"] == "It is 2·10<sup>−9</sup>."
    assert metadata == {METADATA: {"origins": [{"origin": RECORDED, "runs": []}]}}
    assert say(lambda rows: "Nothing.", rows()[:0])._repr_mimebundle_()[0]["text/markdown"] == ""


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
    said = "<strong>Question\u00a01.3:</strong> At r<sub>on</sub> &lt; 1 it is. "
    assert f'<li>{said}<a href="#figure-2-8">Figure\u00a02.8</a></li>' in html


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
        "At T = 5 the RNN has an accuracy of 1.00 after 800 steps."
    )
    both = runs(lengths=(5, 15), accuracies=(0.25, 0.75))
    assert rnn_versus_lstm.reached_by_length(both) == (
        "After 800 steps the RNN's accuracy is 0.50 at T = 5 and 0.50 at T = 15."
    )
    assert rnn_versus_lstm.beside_intervals(runs(accuracies=(1.0, 1.0))) == ("Mean and 95% interval: T = 5: 1.00.")


def test_question_1_3_is_answered_by_the_shortest_and_the_longest():
    short, long = runs(accuracies=(1.0,)), runs(lengths=(15,), accuracies=(0.25,))
    answer = "After 800 training steps the RNN answers 100% of palindromes of 5 digits correctly"
    assert rnn_versus_lstm.answer_1_3(pd.concat([long, short])) == f"{answer}, but only 25% of 15."
    as_good = runs(lengths=(5, 15), accuracies=(1.0,))
    assert rnn_versus_lstm.answer_1_3(as_good) == f"{answer}, and 100% of 15."
    assert rnn_versus_lstm.answer_1_3(short) == f"{answer}."
    uneven = runs(lengths=(15,), accuracies=(0.1, 0.9))
    assert rnn_versus_lstm.answer_1_3(pd.concat([short, uneven])) == (
        f"{answer}, and of 15 between 10% and 90%, depending on the seed (50% on average)."
    )


def test_two_learning_rates_are_told_apart_at_the_same_step():
    early = runs(lengths=(5, 15), accuracies=(0.5,))
    grown = runs(lengths=(5, 15), accuracies=(0.25,), steps=(0, 800, 1_000)).assign(learning_rate=3e-3)
    grown.loc[grown["step"] == 1_000, "test_accuracy"] = 1.0
    assert rnn_versus_lstm.two_rates(early, grown) == (
        "Figures 1b and 2a differ in the learning rate: at T = 15, after 800 steps, the RNN's accuracy is 0.50 at a "
        "rate of 0.001 (figure 1b) and 0.25 at 0.003 (figure 2a)."
    )
    assert rnn_versus_lstm.two_rates(early, early) == (
        "At T = 15 figures 1b and 2a have the same learning rate, 0.001."
    )


def test_the_soonest_optimizer_comes_first_each_at_its_best_rate():
    table = pd.concat(
        [runs(optimizer="sgd", accuracies=(0.4,)), runs(optimizer="adam", accuracies=(0.8,)),
         runs(optimizer="sgd", accuracies=(0.6,)).assign(learning_rate=0.1)]
    )  # fmt: skip
    assert rnn_versus_lstm.soonest(table) == (
        "By its mean accuracy over the training Adam (0.40) learns T = 5 soonest, before SGD (0.30)."
    )
    answer = "learns palindromes soonest: over the training it answers"
    assert rnn_versus_lstm.answer_1_4(table) == f"Adam {answer} 40% correctly on average, plain SGD 30%."
    alone = table[table["optimizer"] == "sgd"]
    assert rnn_versus_lstm.answer_1_4(alone) == f"SGD {answer} 30% correctly on average."
    assert rnn_versus_lstm.soonest(alone) == "By its mean accuracy over the training SGD (0.30) learns T = 5 soonest."


def test_the_ways_down_are_told_by_the_loss_that_is_left():
    paths = pd.DataFrame(
        {
            "optimizer": ["sgd", "adam"] * 2,
            "learning_rate": 0.1,
            "step": [0, 0, 40, 40],
            "loss": [23.0, 23.0, 0.5, 1e-20],
        }
    )
    assert rnn_versus_lstm.downhill(paths) == "In 40 steps the loss goes from 23 to below 0.001 (Adam) and 0.5 (SGD)."
    assert rnn_versus_lstm.rates_downhill(paths) == "Learning rates: SGD 0.1, Adam 0.1."


def test_gates_are_told_by_their_medians():
    values = pd.DataFrame({"gate": ["i", "i", "f", "f"], "value": [0.2, 0.4, 0.8, 1.0], "step": [1, 7, 1, 7]})
    assert rnn_versus_lstm.medians(values) == (
        "In an LSTM trained at T = 8 (figure 2b), medians are 0.30 for i and 0.90 for f."
    )
    assert rnn_versus_lstm.answer_1_5(values) == (
        "They decide how much of the cell is written, kept and shown at each step: in an LSTM trained at T = 8, half "
        "of the forget gates keep at least 90%, a tenth 98%."
    )
    assert rnn_versus_lstm.answer_1_5(values[:0]) == "There is no LSTM in this run."


def test_what_untrained_weights_leave_is_told_at_the_longest():
    index = pd.MultiIndex.from_product([["RNN", "LSTM"], [5, 10]], names=["network", "T"])
    left = pd.DataFrame({"median of the seeds": [2.04, 0.151, 0.4, 0.0123]}, index=index)
    assert rnn_versus_lstm.left_before_training(left) == (
        "Untrained, at T = 10, the last h keeps 0.15 of a change after the first digit in the RNN and 0.012 in the "
        "LSTM."
    )
    assert rnn_versus_lstm.before_training(left).iloc[:, 0].tolist() == ["2", "0.15", "0.4", "0.012"]


def test_the_effective_rate_is_told_where_it_changes():
    steps = {"sgd": [9, 1, 1, 1], "adam": [9, 0.2, 0.3, 0.4], "rmsprop": [9, 0.2, 0.1, 0.4], "own": [9, 3, 2, 1]}
    table = pd.DataFrame(
        [(name, step, rate) for name, rates in steps.items() for step, rate in zip((0, 50, 100, 150), rates)],
        columns=["optimizer", "step", "effective_rate"],
    )
    assert memory.effective_rates(table) == (
        "The median effective rate goes from 0.2 to 0.4 with Adam, from 0.2 to 0.1 to 0.4 with RMSprop and from 3 to 1 "
        "with own."
    )
    assert memory.effective_rates(table[:4]) == "The median effective rate stays the same."


def test_what_is_solved_at_the_best_rate():
    table = pd.concat(
        [runs(("rnn", "lstm"), accuracies=(0.5,)), runs(("rnn",), accuracies=(1.0,)).assign(learning_rate=0.1)]
    )
    assert horizon.solved_at_best_rate(table) == (
        "At the best rate, accuracy after 800 steps reaches 0.99 up to T = 5 for the RNN and no T for the LSTM."
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
    return pd.DataFrame(rows, columns=names).assign(seeds=5)


def longest(report, better, farther=()):
    """The rows of horizon's longest: of both starts, RNN and LSTM, and with a larger budget."""
    rows = [
        (base, steps, model, horizon, f"of up to {horizon} digits" if horizon else "of fewer than 5 digits")
        for base, steps, pair in (
            ("report", 1_000, report),
            ("better start", 1_000, better),
            ("better start", 3_000, farther),
        )
        for model, horizon in zip(("rnn", "lstm"), pair)
    ]
    return pd.DataFrame(rows, columns=["base", "steps", "model", "horizon", "words"])


def test_both_starts_are_told_in_a_sentence():
    assert memory.solved_from_either_start(longest((10, 10), (50, 50), (75, 200))) == (
        "Within 1,000 steps both networks solve palindromes of up to 10 digits from the report's start; from a better "
        "one, both of up to 50."
    )
    assert memory.solved_from_either_start(longest((10, 0), (50, 100))) == (
        "Within 1,000 steps the RNN solves palindromes of up to 10 digits and the LSTM of fewer than 5 digits from the "
        "report's start; from a better one, the RNN of up to 50 and the LSTM of up to 100."
    )
    assert "steps the RNN solves palindromes of up to 10 digits from" in memory.solved_from_either_start(
        longest((10,), (50,))
    )


def test_question_1_6_is_answered_from_either_start_and_with_the_largest_budget():
    assert memory.answer_1_6(longest((10, 10), (50, 50), (75, 200))) == (
        "Within 1,000 steps both networks solve palindromes of up to 10 digits from the report's start; from a better "
        "one, both of up to 50, and within 3,000, the RNN of up to 75 digits and the LSTM of up to 200 digits."
    )
    assert memory.answer_1_6(longest((5, 10), (50, 50))) == (
        "Within 1,000 steps the RNN solves palindromes of up to 5 digits and the LSTM of up to 10 digits from the "
        "report's start; from a better one, both of up to 50."
    )


def test_the_longest_solved_stand_in_a_table():
    table = memory.longest_solved(longest((10, 0), (50, 50), (75, 200)))
    assert table.columns.tolist() == ["RNN", "LSTM"]
    assert table.loc[("report", 1_000)].tolist() == ["up to 10 digits", "fewer than 5 digits"]
    assert table.index[-1] == ("better start", 3_000)


@pytest.mark.parametrize(
    ("horizons", "said"),
    [
        (((10, 10), (50, 50)), "the start matters more: it multiplies T by 5, the network by 1."),
        (((10, 10), (50, 50), (75, 150)),
         "the start matters more: it multiplies T by 5, the network by 1; within 3,000 the network by 2."),
        (((10, 5), (20, 50)), "the start multiplies T by 2 to 10, the network by 2 to 2.5."),
    ],
)  # fmt: skip
def test_the_start_is_told_beside_the_network(horizons, said):
    assert memory.start_or_network(longest(*horizons)) == f"Within 1,000 steps {said}"


def test_where_a_ladder_ended_a_ratio_is_a_lower_bound():
    table = longest((10, 10), (50, 50), (75, 150)).replace("of up to 150 digits", "of at least 150 digits")
    assert memory.start_or_network(table).endswith("the network by 1; within 3,000 the network by at least 2.")
    table = longest((10, 10), (50, 100)).replace("of up to 100 digits", "of at least 100 digits")
    assert memory.start_or_network(table) == (
        "Within 1,000 steps the start multiplies T by at least 5 to 10, the network by at least 1 to 2."
    )


@pytest.mark.parametrize("horizons", [((0, 0), (50, 50)), ((10, 0), (0, 50)), ((10,), (50,))])
def test_where_little_is_solved_start_and_network_are_not_compared(horizons):
    assert memory.start_or_network(longest(*horizons)) == "Too little is solved to compare starts and networks."


def test_moving_one_factor_is_told_with_where_it_leads():
    table = horizons()[:5]
    assert horizon.one_factor_moved(table) == (
        "The report's RNN gets to T = 20 with one-hot digits, its LSTM to T = 10 with one-hot digits."
    )
    assert horizon.one_factor_moved(table.replace({"horizon": {20: 10}})[:3]) == (
        "The report's RNN gets no farther than T = 10."
    )
    assert horizon.moves(table.replace({"horizon": {5: 0}})) == (
        "Solved: by 4 of 5 seeds. What changes the longest T solved. RNN, report (T = 10): digits one-hot: T = 20, "
        "learning rate 0.1: none; "
        "LSTM, report (T = 0): digits one-hot: T = 10."
    )
    assert horizon.moves(table[:1]).endswith("RNN, report (T = 10): nothing changes it.")


def test_what_decides_the_horizon_is_told_from_the_better_start():
    moved = [
        ("report", "gates' biases", "chrono", "lstm", 1_000, 0),
        ("better start", "gates' biases", "as drawn", "lstm", 1_000, 10),
        ("better start", "initial weights", "N(0, 0.1), variance", "lstm", 1_000, 10),
        ("better start", "learning rate", "0.003", "lstm", 1_000, 200),
        ("better start", "gradient clipped at", "1", "lstm", 1_000, 200),
    ]
    table = horizons().replace("0.1", "0.0003")
    assert horizon.what_decides(pd.concat([table, pd.DataFrame(moved, columns=table.columns[:-1])])) == (
        "From the better start the RNN gets no farther than T = 50, the LSTM to T = 200 with a rate of 0.003 or "
        "clipping at 1. The LSTM falls to 10 with biases as drawn or weight variance 0.1. Alone, none leave the "
        "report's RNN at T = 10. Alone, chrono biases leave the report's LSTM at T = 0."
    )


def test_the_network_ahead_may_depend_on_the_rate():
    def at(rate, rnn, lstm):
        pair = zip(("rnn", "lstm"), (rnn, lstm))
        return [runs((model,), (20,), (mean,)).assign(learning_rate=rate) for model, mean in pair]

    both = pd.concat([*at(0.001, 0.75, 0.25), *at(0.01, 0.1, 0.9), runs(accuracies=(1.0,)).assign(learning_rate=0.01)])
    assert rnn_versus_lstm.ahead_by_rate(both) == (
        "Which network is ahead beyond T = 15 depends on the learning rate. Mean accuracies: RNN 0.75 and LSTM 0.25 at "
        "0.001; RNN 0.10 and LSTM 0.90 at 0.01."
    )
    assert rnn_versus_lstm.ahead_by_rate(pd.concat(at(0.001, 0.75, 0.25))) == ""
    assert rnn_versus_lstm.ahead_by_rate(runs()) == ""


def test_reading_off_is_told_for_every_state():
    table = pd.DataFrame(
        {"model": "rnn", "seed": 0, "state": "h", "when": ["before", "after"] * 2, "step": [1, 1, 2, 2],
         "accuracy": [0.1, 0.2, 0.3, 0.9], "test_accuracy": 0.8}
    )  # fmt: skip
    both = pd.concat([table, table.assign(model="lstm", state="c")])
    assert memory.read_at_the_end(both) == (
        "Before and after training, the first digit is read off RNN h (30%, 90%) and LSTM c (30%, 90%)."
    )
    assert memory.own_accuracies(table) == "The networks' own accuracies: RNN: 0.80."


def test_what_gates_and_planes_hold_is_told():
    lstm = {"digits": np.array([3, 1]), "f": np.array([0.5, 0.9]), "i": np.array([0.1])}
    assert memory.still_open({"RNN": {}, "LSTM": lstm}) == (
        "While an LSTM trained from the better start reads 2 digits, its median forget gate stands at 0.70, its median "
        "input gate at 0.10."
    )
    assert memory.read_here({"LSTM": lstm}) == "The networks read 3 1."
    products = pd.DataFrame(
        {"length": 50, "share": [0.5, 0.5, 0.99, 0.99], "step": [0, 9, 0, 9], "kept": [0.1, 0.6, 0.4, 0.97]}
    )
    assert memory.left_at_the_end(products) == (
        "From the first digit to the last of T = 50, the median forget gates leave 0.1 of the cell before training and "
        "0.6 after."
    )
    assert (
        memory.left_by_quantile(products) == "Before training and after, by quantile: 0.5: 0.1, 0.6; 0.99: 0.4, 0.97."
    )
    planes = {"RNN, h(t)": Plane(pd.DataFrame(), 0.25, 0.5), "LSTM, c(t)": Plane(pd.DataFrame(), 0.75, 1.0)}
    assert memory.held_by_the_plane(planes) == (
        "Two directions of the state tell the first digit of 50% (RNN) and 100% (LSTM) of palindromes; they "
        "hold 25% and 75% of its variance."
    )


def test_other_lengths_are_told_beside_the_one_that_was_trained():
    table = pd.DataFrame(
        {"model": "rnn", "trained_at": 15, "length": [13, 14, 15, 16], "accuracy": [0.3, 0.0, 1.0, 0.25]}
    )
    both = pd.concat([table, table.assign(model="lstm", accuracy=0.9)])
    assert memory.one_longer(both) == (
        "Trained at T = 15, the RNN gets 1.00 right there, but 0.00 one digit shorter and 0.25 longer; the LSTM 0.90, "
        "0.90 and 0.90."
    )


def test_remembering_is_told_by_the_other_lengths():
    table = pd.DataFrame({"model": "rnn", "trained_at": 3, "length": [2, 3, 4], "accuracy": [0.1, 1.0, 0.2]})
    read = pd.DataFrame(
        {"model": "rnn", "state": "h", "when": ["before", "after", "after"], "step": [1, 1, 2],
         "accuracy": [0.1, 0.99, 0.97]}
    )  # fmt: skip
    both = pd.concat([table, table.assign(model="lstm", accuracy=0.95)])
    answers = "Trained on palindromes of 3 digits, the RNN answers 90% correctly at"
    lstm = "The LSTM answers 90% correctly at 2 of 2 other lengths: it has learned to remember."
    assert memory.at_other_lengths(both, read) == (
        f"{answers} none of 2 other lengths: it answers at its own length only. Those of figure 2.9, trained at T = 3, "
        "hold the first digit at every step (a map fitted to that step finds 97% or more): what fails elsewhere is the "
        f"output layer. {lstm}"
    )
    alone = f"{answers} none of 2 other lengths: it answers at its own length only. {lstm}"
    assert memory.at_other_lengths(both) == alone
    half = table.assign(accuracy=[0.95, 1.0, 0.2])
    assert memory.at_other_lengths(half, read) == f"{answers} 1 of 2 other lengths."
    none = table.assign(accuracy=0.1)
    assert memory.at_other_lengths(none, read) == f"{answers} none of 2 other lengths."
