"""The appendix on speed: its findings, each as a whole sentence from a tiny table, and its tables."""

import pandas as pd

from rnnreport.experiments import speed
from rnnreport.figures import speed as drawn


def rows():
    columns = ["task", "cell", "part", "contender", "length", "open_ratio", "ratio", "words"]
    return pd.DataFrame(
        [
            ("P", "lstm", "full step", "torch.nn", 5, None, 1.0, "25 ms"),
            ("P", "lstm", "full step", "ours", 5, None, 0.5, "0.50 (0.40–0.60)"),
            ("P", "lstm", "forward + backward", "ours, native", 5, None, 9.0, "9.00 (8.00–9.00)"),
            ("P", "lstm", "full step", "ours, native", 5, None, 3.0, "3.00 (2.00–4.00)"),
            ("P", "lstm", "full step", "ours", 200, None, 1.25, "1.25 (1.20–1.30)"),
            ("P", "rnn", "full step", "ours", 5, None, 2.0, "2.00 (1.90–2.10)"),
        ],
        columns=columns,
    )


def test_contenders_are_told_by_their_full_steps():
    at_5 = rows()[(rows()["length"] == 5) & (rows()["cell"] == "lstm")]
    assert drawn.contenders_compared(at_5) == (
        "Full step of the character model, times as fast as torch.nn: ours 0.50, ours native 3.00."
    )
    assert drawn.every_contender(at_5) == (
        "Full step: torch.nn 25 ms; ours 0.50 (0.40–0.60); ours, native 3.00 (2.00–4.00)."
    )


def test_lengths_are_told_from_the_shortest_to_the_longest():
    full = rows()[rows()["part"] == "full step"]
    assert drawn.ours_by_length(full) == (
        "From T = 5 to T = 200 ours runs 0.50 to 1.25 (LSTM) and 2.00 to 2.00 (RNN) times as fast as torch.nn."
    )
    assert drawn.ours_at_every_length(full[full["cell"] == "lstm"]) == (
        "LSTM T = 5: 0.50 (0.40–0.60); LSTM T = 200: 1.25 (1.20–1.30)."
    )
    table = speed.by_length(full)
    assert [*table.columns] == ["cell", "contender", "T = 5", "T = 200"]
    assert table.loc[table["contender"] == "ours, native"].to_numpy().tolist() == [
        ["LSTM", "ours, native", "3.00 (2.00–4.00)", "–"]
    ]
    assert speed.by_length(full[:0]).empty


def test_the_gate_is_told_at_the_longest_sequence_and_the_smallest_ratio():
    columns = ["task", "contender", "length", "open_ratio", "ratio", "words"]
    gate = pd.DataFrame(
        [
            ("gate", "sparse", 100, 0.05, 2.0, "2"),
            ("gate", "sparse", 1000, 0.05, 6.0, "6"),
            ("gate", "sparse, native", 1000, 0.05, 40.0, "40"),
            ("gate", "sparse", 1000, 1.0, 0.7, "0.7"),
        ],
        columns=columns,
    )
    assert drawn.gate_at_its_smallest(gate) == (
        "Full steps at T = 1000, r_on = 0.05, times as fast as the dense pass: sparse 6.0, sparse native 40.0."
    )
    assert drawn.gate_at_every_ratio(gate) == (
        "At T = 1000: sparse r_on = 0.05: 6; sparse, native r_on = 0.05: 40; sparse r_on = 1: 0.7."
    )
    assert speed.by_open_ratio(gate).to_dict("list") == {
        "T": [100, 1000, 1000],
        "contender": ["sparse", "sparse", "sparse, native"],
        "0.05": ["2", "6", "40"],
        "1": ["–", "0.7", "–"],
    }


def test_a_table_may_be_folded_and_a_missing_one_is_told():
    some = pd.DataFrame({"task": ["a"], "measured": ["T = 5: 1–2; T = 6: 3"]})
    assert "<td>T = 5: 1–&NoBreak;2<br>T = 6: 3</td>" in drawn.table(some, "ledger").data
    assert drawn.table(some, summary="A & B").data.startswith(
        '<details class="code"><summary>A &amp; B</summary><table class="dataframe">'
    )
    assert drawn.table(some[:0], summary="A").data == "<p><em>Not in this record.</em></p>"


def comparison(part="full step", task="C", **rounds):
    return {
        "task": task, "cell": "lstm", "length": 30, "open_ratio": None, "baseline": "torch.nn", "part": part,
        "contenders": {name.replace("_", "."): {"rounds": values} for name, values in rounds.items()},
        "left_out": {"JAX": "not installed"}, "characters": 1000,
    }  # fmt: skip


def test_the_aims_and_the_conditions_are_told():
    record = {"comparisons": [comparison(torch_nn=[1.0], ours=[1.0], naive=[1.5])]}
    assert speed.aims_met(record) == ("1 of 18 aims are met, 1 not or not everywhere, and 16 were not measured.")
    sampling = {"comparisons": [comparison("sampling", "sampling", torch_nn=[20, 25, 50])]}
    assert speed.sampled(sampling).to_numpy().tolist() == [["torch.nn", "40,000 (30,000–45,000)"]]
    real = speed.read("data/benchmarks.json")
    said = speed.conditions(real)
    assert said.startswith(f"Conditions: {speed.where_measured(real)}. Left out somewhere: ")
    quick = {**real, "conditions": {**real["conditions"], "quick": True}, "comparisons": record["comparisons"]}
    assert speed.conditions(quick).startswith("This record is of --quick: tiny networks, two rounds. Its numbers mean")
    assert speed.conditions(quick).endswith("Left out somewhere: JAX: not installed.")


def test_backends_that_learn_alike_are_told_by_the_gap_between_seeds():
    table = pd.DataFrame(
        [(backend, seed, 2, loss, loss + held_out) for backend, losses, held_out in
         (("torch", (1.0, 1.2, 1.4), 0.1), ("native", (1.1, 1.3, 1.5), 0.6)) for seed, loss in enumerate(losses)],
        columns=["backend", "seed", "step", "loss", "held_out_loss"],
    )  # fmt: skip
    assert speed.learnt_alike(table) == (
        "The backends' final losses differ by 0.100 in training (torch's seeds by 0.400) and by 0.600 held out "
        "(torch's seeds by 0.400)."
    )
    assert speed.gaps_in_learning(table).to_dict("index")["held out"] == {
        "torch": "1.300", "native": "1.900", "gap": "0.600", "spread": "0.400", "within": False
    }  # fmt: skip
