"""The appendix on speed: its findings, each as a whole sentence from a tiny table, and its tables."""

import re

import pandas as pd

from rnnreport.experiments import speed
from rnnreport.figures import speed as drawn


def rows():
    columns = ["task", "cell", "part", "contender", "length", "open_ratio", "milliseconds", "ratio", "low", "high"]
    table = pd.DataFrame(
        [
            ("P", "lstm", "full step", "torch.nn", 5, None, 25, 1.0, 1.0, 1.0),
            ("P", "lstm", "full step", "our torch code", 5, None, 50, 0.5, 0.4, 0.6),
            ("P", "lstm", "forward + backward", "our C++", 5, None, 2, 9.0, 8.0, 9.0),
            ("P", "lstm", "full step", "our C++", 5, None, 8, 3.0, 2.0, 4.0),
            ("P", "lstm", "full step", "matrix products", 5, None, 4, 6.0, 6.0, 6.0),
            ("P", "lstm", "full step", "our torch code", 200, None, 20, 1.25, 1.2, 1.3),
            ("P", "rnn", "full step", "our torch code", 5, None, 10, 2.0, 1.9, 2.1),
            ("P", "rnn", "full step", "our torch code", 200, None, 10, 2.2, 2.0, 2.4),
        ],
        columns=columns,
    )
    return table.assign(words=[f"{row.ratio:.2f} ({row.low:.2f}–{row.high:.2f})" for row in table.itertuples()])


def gate():
    return pd.DataFrame(
        [
            ("gate", "sparse torch code", 100, 0.05, 2.0, "2"),
            ("gate", "sparse torch code", 1000, 0.05, 6.0, "6"),
            ("gate", "sparse C++", 1000, 0.05, 40.0, "40"),
            ("gate", "sparse torch code", 1000, 1.0, 0.7, "0.7"),
        ],
        columns=["task", "contender", "length", "open_ratio", "ratio", "words"],
    )


def page():
    return pd.DataFrame(
        [
            ("page", "rnn", "full step", "the page", 5, 64, 5.0, "5"),
            ("page", "rnn", "full step", "the page", 100, 64, 1.48, "1.48"),
            ("page", "rnn", "full step", "the page", 100, 128, 0.6, "0.6"),
            ("page", "temporal-gate", "full step", "the page", 5, 64, 15.04, "15"),
            ("page", "temporal-gate", "full step", "the page", 100, 64, 6.0, "6"),
        ],
        columns=["task", "cell", "part", "contender", "length", "hidden_size", "ratio", "words"],
    )


def test_contenders_are_told_by_their_full_steps():
    at_5 = rows()[(rows()["length"] == 5) & (rows()["cell"] == "lstm")]
    assert drawn.fastest(at_5) == "In float32 our C++ is fastest (3.00 times torch.nn's speed)."
    rounded = pd.concat([at_5[:2], at_5[1:2].assign(contender="torch.nn with bfloat16", ratio=2.0)])
    assert drawn.fastest(rounded) == (
        "In float32, where our C++ did not run, torch.nn is fastest (1.00 times torch.nn's speed); with rounded "
        "products, where our C++ with bfloat16 did not run, torch.nn with bfloat16 (2.00)."
    )
    told = "In a full step our C++ is 3 times as fast as torch.nn; our torch code needs 2 times as long as torch.nn."
    assert drawn.compared(at_5) == (
        f"{told} The matrix products alone, by torch, would take 17% (torch.nn), 8% (our torch code) and 50% (our C++) "
        "of a step."
    )
    assert drawn.compared(at_5[at_5["contender"] != "matrix products"]) == told
    assert drawn.compared(at_5[:0]) == drawn.unskipped(gate()[:0]) == ""


def test_lengths_are_told_from_the_shortest_to_the_longest():
    full = rows()[rows()["part"] == "full step"]
    assert drawn.gain_by_length(full, "our torch code") == (
        "As T grows, our torch code gains with the LSTM (0.50 to 1.25 times torch.nn's speed) and stays about as fast "
        "with the RNN (2.00 to 2.20)."
    )
    turned = full.assign(length=205 - full["length"])
    assert "our torch code loses with the LSTM (1.25 to 0.50" in drawn.gain_by_length(turned, "our torch code")
    assert drawn.gains_by_length(full).startswith("- our torch code gains with the LSTM (0.50 to 1.25 times")
    assert "C++" not in drawn.gains_by_length(full)
    table = speed.by_length(full)
    assert [*table.columns] == ["cell", "contender", "T = 5", "T = 200"]
    assert table.loc[table["contender"] == "our C++"].to_numpy().tolist() == [
        ["LSTM", "our C++", "3.00 (2.00–4.00)", "–"]
    ]
    assert speed.by_length(full[:0]).empty


def test_the_gate_is_told_at_the_longest_sequence_and_the_smallest_ratio():
    assert drawn.gate_at_its_smallest(gate()) == (
        "At T = 1,000, r_on = 0.05, sparse C++ is 40 and sparse torch code is 6 times as fast as dense torch code."
    )
    assert drawn.unskipped(gate()) == (
        "At $r_\\mathrm{on}$ = 1, where nothing can be skipped, sparse torch code needs 1.43 times as long as dense "
        "torch code."
    )
    assert speed.by_open_ratio(gate()).to_dict("list") == {
        "T": [100, 1000, 1000],
        "contender": ["sparse torch code", "sparse torch code", "sparse C++"],
        "0.05": ["2", "6", "40"],
        "1": ["–", "0.7", "–"],
    }


def test_the_page_s_networks_are_told_for_the_fewest_units_over_all_lengths():
    assert drawn.page_against_torch(page()) == (
        "With 64 units a page trains the RNN 1.5–5 and the gated LSTM 6–15 times as fast as torch.nn without gates."
    )
    assert speed.in_page(page()).to_dict("list") == {
        "cell": ["RNN", "RNN", "gated LSTM", "gated LSTM"],
        "T": [5, 100, 5, 100],
        "the page, 64 units": ["5", "1.48", "15", "6"],
        "the page, 128 units": ["–", "0.6", "–", "–"],
    }


def test_the_page_answers_what_the_record_has():
    full = rows()[rows()["part"] == "full step"]
    links = ["figure-6-1", "figure-6-2", "figure-6-3", "figure-6-4", "against-the-aims"]
    html = drawn.answers(full[:2], full, gate(), full[:0], page(), "1 of 2 aims is met.").data
    assert re.findall(r'href="(#[^"]+)"', html) == [f"#{name}" for name in links]
    assert "<strong>What does a closed gate save?</strong> At T = 1,000, r<sub>on</sub> = 0.05, sparse C++" in html
    assert drawn.answers(full[:0], full[:0], gate()[:0], full[:0], page()[:0], "1 of 2 aims is met.").data == (
        '<ul class="in-short"><li><strong>Were the aims met?</strong> 1 of 2 aims is met. '
        '<a href="#against-the-aims">All aims</a></li></ul>'
    )


def test_a_table_may_be_folded_and_a_missing_one_is_told():
    some = pd.DataFrame({"task": ["a"], "measured": ["T = 5: 1–2; T = 6: 3"]})
    assert "<td>T = 5: 1–&NoBreak;2<br>T = 6: 3</td>" in drawn.table(some, "ledger").data
    assert drawn.table(some, "ledger", "A & B", "1 < 2.").data.startswith(
        '<p><strong>1 &lt; 2.</strong></p><details class="more"><summary>A &amp; B</summary><table class="ledger">'
    )
    assert "<summary>Table of figure 6.1: full step</summary>" in drawn.ratios(some, "Figure 6.1", "full step").data
    assert drawn.table(some[:0], summary="A").data == "<p><em>Not in this record.</em></p>"


def comparison(part="full step", task="C", **rounds):
    return {
        "task": task, "cell": "lstm", "length": 30, "open_ratio": None, "baseline": "torch.nn", "part": part,
        "contenders": {name.replace("_", "."): {"rounds": values} for name, values in rounds.items()},
        "left_out": {"JAX": "not installed"}, "characters": 1000,
    }  # fmt: skip


def test_the_aims_and_the_conditions_are_told():
    record = {"comparisons": [comparison(torch_nn=[1.0], ours=[1.0], naive=[1.5])]}
    assert speed.aims_met(record) == ("Of 21 aims, the record meets 1, misses 1 and has no numbers for 19.")
    lengths = [
        {**comparison(task="P", torch_nn=[time], ours=[1.0]), "length": length}
        for length, time in ((5, 0.9), (10, 1.0))
    ]
    assert speed.aims_met({"comparisons": lengths}) == (
        "Of 21 aims, the record meets 0, misses 1 (1 of them only at some lengths) and has no numbers for 20."
    )
    sampling = {"comparisons": [comparison("sampling", "sampling", torch_nn=[20, 25, 50], ours=[10, 10, 10])]}
    found = speed.sampled(sampling)
    assert found.to_numpy().tolist() == [
        ["torch.nn", 40_000, "40,000 (30,000–45,000)", "1.00"],
        ["our torch code", 100_000, "100,000 (100,000–100,000)", "2.50"],
    ]
    assert drawn.most_characters(found) == (
        "The fastest is our torch code with 100,000 characters per second, 2.50 times as many as torch.nn."
    )
    assert drawn.most_characters(found[:1]).startswith("The fastest is torch.nn with 40,000 characters")
    assert [*drawn.characters_per_second(found).index] == ["torch.nn", "our torch code"]
    real = {**speed.read("data/benchmarks.json"), "apart": {}}
    at = real["conditions"]
    assert speed.conditions({**real, "comparisons": sampling["comparisons"]}) == (
        f"Measured on {at['machine']}, with 1 thread, {at['date']}; the machine's load just before was {at['load']}, "
        "so it was not idle. Not measured there: JAX."
    )
    idle = {**real, "comparisons": [], "conditions": {**at, "load": 0.1}}
    assert speed.conditions(idle).endswith(f"{at['date']}; the machine's load just before was 0.1.")
    apart = {**idle, "apart": {"page": {**at, "date": "2027-01-02", "load": 2}}}
    assert speed.conditions(apart).endswith(
        f"the machine's load just before was 0.1. Palindromes in the page: on {at['machine']}, 2027-01-02; the "
        "machine's load just before was 2, so it was not idle."
    )
    assert "2027-01-02" in speed.where_measured(apart, "page")
    assert "2027-01-02" not in speed.where_measured(apart)
    quick = {**real, "conditions": {**at, "quick": True}}
    assert speed.conditions(quick).startswith("This record is of --quick: tiny networks, two rounds. Its numbers mean")


def test_backends_that_learn_alike_are_told_by_the_gap_between_seeds():
    table = pd.DataFrame(
        [(backend, seed, 2, loss, loss + held_out) for backend, losses, held_out in
         (("torch", (1.0, 1.2, 1.4), 0.1), ("native", (1.1, 1.3, 1.5), 0.6)) for seed, loss in enumerate(losses)],
        columns=["backend", "seed", "step", "loss", "held_out_loss"],
    )  # fmt: skip
    assert speed.learnt_alike(table) == (
        "The two differ in one loss more than torch's seeds do: in training by 0.100 (seeds 0.400), on held-out text "
        "by 0.600 (seeds 0.400)."
    )
    alike = table.assign(held_out_loss=table["loss"])
    assert speed.learnt_alike(alike).startswith("The two differ no more than torch's seeds do: in training by 0.100")
    assert speed.gaps_in_learning(table).loc["held out"].tolist() == ["1.300", "1.900", "0.600", "0.400"]
    assert [*speed.gaps_in_learning(table).columns][:2] == ["torch", "native-bf16"]
