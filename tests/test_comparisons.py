"""Chapter 3b: equal numbers of parameters, what is trained when, and what its captions say of tables by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_other_cells import NAMES

from rnnreport import build
from rnnreport.configuration import Recipe
from rnnreport.experiments import comparisons, sequences
from rnnreport.experiments.palindromes import PalindromeRun, new_network
from rnnreport.experiments.sequences import Gates, SequenceRun
from rnnreport.figures import comparisons as drawn
from rnnreport.models import LSTM, PalindromeClassifier, SequenceNetwork
from rnnreport.parameters import ParameterError
from rnnreport.parameters.comparisons import ComparisonParameters
from rnnreport.runs import Run
from rnnreport.sequences import Adding, Copying

QUICK = build.parameters("03b_comparisons")


def parameters(**values):
    return ComparisonParameters.check({**QUICK, **values})


@pytest.fixture
def asked(monkeypatch):
    """All configurations that are asked to be run, in place of running them; their loss at the end is set by hand."""
    found = []

    def run_all(function, configurations, name):
        found.extend(configurations)
        return [Run(run, table(run), {}, Path(f"run {place}")) for place, run in enumerate(configurations)]

    def table(run):
        task = getattr(run, "task", None)
        loss = 1e-5 if isinstance(task, Adding) and run.model == "lstm" and task.length < 40 else 0.5
        values = {"test_loss": loss, "test_accuracy": 0.5, "bits_per_character": 2.0, "seconds": 1.0}
        return pd.DataFrame({"step": [0, run.steps], "loss": np.nan, "accuracy": np.nan, **values})

    monkeypatch.setattr(comparisons, "run_all", run_all)
    return found


@pytest.mark.parametrize("limit", [500, 4_000, 70_000])
@pytest.mark.parametrize("name", ["lstm", *NAMES])
def test_as_many_units_as_the_parameters_allow(limit, name):
    def network(units):
        return PalindromeClassifier(name, units, encoding="one-hot", num_layers=2)

    units = comparisons.units_within(network, limit)
    assert sum(parameter.numel() for parameter in network(units).parameters()) <= limit
    assert sum(parameter.numel() for parameter in network(units + 1).parameters()) > limit
    assert comparisons.units_within(network, 1) == 1


def test_a_cell_of_few_parameters_gets_many_units():
    def network(units):
        return SequenceNetwork("min-gru", 2, 1, units)

    assert comparisons.units_within(network, 265_473) == 37_924


def test_a_text_too_short_to_hold_some_of_it_out_is_not_compared(asked, tmp_path):
    (tmp_path / "short.txt").write_text("a few words\n" * 500)
    table = comparisons.contenders(parameters(corpus=str(tmp_path / "short.txt")))
    assert {*table["task"]} == {"palindromes", "adding"}
    assert drawn.ahead(table).startswith("Ahead")


def test_a_network_that_diverges_ends_with_an_infinite_loss_and_nothing_right(tmp_path):
    wild = {"model": "relu-rnn", "forget_bias": 0.0, "initialisation": "identity", "learning_rate": 1.0}
    small = {"hidden_size": 8, "test_sequences": 50, "batch_size": 8, "record_every": 1}
    run, done = SequenceRun.of(Copying(delay=50), None, 0, 60, clip_norm=1e9, **wild, **small), []
    table = sequences.train_sequences(run, tmp_path, done.append)
    assert 2 < len(table) < 60
    assert sum(done) == 60
    assert np.isfinite(table["test_loss"][:-1]).all()
    last = table.iloc[-1]
    assert (last["step"], last["loss"], last["test_loss"], last["test_accuracy"]) == (60, math.inf, math.inf, 0.0)
    assert [path.name for path in tmp_path.glob("*")] == ["weights-60.safetensors"]
    snapshots = run.model_copy(update={"snapshots": (0, 50)})
    (tmp_path / "kept").mkdir()
    sequences.train_sequences(snapshots, tmp_path / "kept")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "kept").glob("*")}
    assert sorted(kept) == [f"weights-{step}.safetensors" for step in (0, 50, 60)]
    assert kept["weights-0.safetensors"] != kept["weights-50.safetensors"] == kept["weights-60.safetensors"]


def test_gates_are_refused_to_a_network_without_them():
    with pytest.raises(ValueError, match="gate must be None for gru, which has none"):
        SequenceRun.of(Adding(length=20), Gates(), 0, 10, model="gru")


def test_the_contenders_have_no_more_parameters_than_the_lstm(asked):
    table = comparisons.contenders(parameters(seeds=[0, 1], learning_rates=[1e-3, 1e-2], hidden_size=24))
    assert len(asked) == 3 * 4 * 2 * 2
    sizes = table.groupby(["task", "model"], sort=False)["parameters"].first().unstack()
    assert sizes.index.tolist() == ["palindromes", "adding", "text"]
    assert sizes.max(axis=1).tolist() == sizes["lstm"].tolist()
    assert (sizes.min(axis=1) > 0.9 * sizes["lstm"]).all()
    assert (table.loc[table["model"] == "lstm", "hidden_size"] == 24).all()
    run = next(run for run in asked if isinstance(run, PalindromeRun) and run.model == "min-gru")
    network = new_network(run)
    assert network.recurrence.num_layers == 2
    own = table[(table["model"] == "min-gru") & (table["task"] == "palindromes")]["parameters"].unique()
    assert own.tolist() == [sum(parameter.numel() for parameter in network.parameters())]
    assert table["value"].notna().all()


def test_only_networks_with_kernels_run_on_them(asked):
    comparisons.contenders(parameters(backend="native"))
    assert {run.model: run.backend for run in asked} == {"lstm": "native", **dict.fromkeys(NAMES[1:], "torch")}


def test_networks_climb_until_no_seed_solves_a_length(asked):
    table = comparisons.adding(parameters(seeds=[0, 1], lengths=[60, 20, 30]))
    tried = table.groupby("network", sort=False)["length"].unique().map(list)
    assert tried.to_dict() == {
        "LSTM": [20, 30, 60],
        "chrono LSTM": [20, 30, 60],
        "gated LSTM": [20],
        "orthogonal RNN": [20],
        "IRNN": [20],
    }
    assert {run.chrono for run in asked if run.forget_bias == 0 and run.model == "lstm"} == {20, 30, 60}
    assert {run.gate.longest for run in asked if run.gate} == {40.0}
    by_model = {run.model: (run.recipe.learning_rate, run.initialisation) for run in asked}
    assert by_model["rnn"] == (1e-3, "orthogonal")
    assert by_model["relu-rnn"] == (1e-3, "identity")
    assert by_model["lstm"] == (3e-3, "uniform")
    assert all(run.solved_loss == 0.001 for run in asked)


def test_copies_are_measured_by_the_cross_entropy_without_memory(asked):
    table = comparisons.copying(parameters(delays=[20, 5]))
    assert table["delay"].unique().tolist() == [5, 20]
    assert len(asked) == 2 * 5
    np.testing.assert_allclose(table["ratio"], 0.5 / (10 * math.log(8) / (table["delay"] + 20)))
    np.testing.assert_allclose(table["solved"], 0.05 * 10 * math.log(8) / (table["delay"] + 20))


def test_what_is_recorded_has_the_names_that_the_page_reads():
    page = (build.BOOK / "03b_comparisons.ipynb").read_text(encoding="utf-8")
    for name in comparisons.record(parameters()):
        assert f'recorded.rows(record, \\"{name}\\"' in page


def test_a_book_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match=r"^corpus: "):
        parameters(corpus="no such book.txt")


@pytest.mark.parametrize("task", [Adding(length=20), Copying(delay=3)])
def test_a_training_ends_below_the_loss_asked_for(task, tmp_path):
    settings = {"hidden_size": 4, "test_sequences": 50, "record_every": 2, "num_layers": 2}
    run = SequenceRun.of(task, None, 0, 20, **settings)
    losses = sequences.train_sequences(run, tmp_path)["test_loss"]
    early = run.model_copy(update={"solved_loss": losses.iloc[2] + 1e-9, "recipe": Recipe(**run.recipe.model_dump())})
    (tmp_path / "early").mkdir()
    table = sequences.train_sequences(early, tmp_path / "early")
    assert table["step"].iloc[-1] == table.loc[table["test_loss"] < early.solved_loss, "step"].iloc[0] < 20
    assert isinstance(sequences.new_network(run).recurrence, LSTM)


# What the captions say


def cells_compared():
    """Of two cells the first solves palindromes, none the others; at the lower rate both are worse."""
    rows = []
    for model, seed, rate in [(m, s, r) for m in ("lstm", "min-gru") for s in (0, 1, 2) for r in (0.001, 0.01)]:
        last = model == "lstm" and rate == 0.01
        for step in (0, 10, 20):
            if last and step == 20:
                continue  # it has ended
            accuracy = 0.1 if step == 0 else 0.99 if last else 0.3
            about = {"model": model, "seed": seed, "learning_rate": rate, "step": step, "seconds": step / 100}
            about |= {"hidden_size": 8, "parameters": 1_000}
            rows.append({**about, "task": "palindromes", "value": accuracy, "solved": 0.99})
        for step in (0, 20):
            about |= {"step": step, "seconds": step / 50}
            value = 6 - step / 10 - 1.0 * (model == "min-gru") - 0.5 * (rate == 0.001)
            rows.append({**about, "task": "text", "value": value, "solved": 0.0})
    return pd.DataFrame(rows).sort_values("task", kind="stable")


def test_one_seed_chooses_the_rate_and_others_are_shown():
    table = cells_compared()
    best = drawn.at_best_rate(table)
    assert set(best["seed"]) == {1, 2}
    assert dict(best.groupby("task")["learning_rate"].unique().map(list)) == {
        "palindromes": [0.01, 0.001],  # the minGRU's are alike: the first one
        "text": [0.001],
    }
    worse = table["value"].where((table["seed"] != 0) | (table["learning_rate"] != 0.001), 9.0)
    other = drawn.at_best_rate(table.assign(value=worse).query("task == 'text'"))
    assert set(other["learning_rate"]) == {0.01}
    alone = drawn.at_best_rate(table[table["seed"] == 0])
    assert set(alone["seed"]) == {0}


def test_the_contenders_are_told_by_what_they_solve_or_else_by_their_end():
    table = cells_compared()
    assert drawn.ahead(table) == (
        "Ahead in every seed, with equally many parameters: LSTM on palindromes (solved at step 10); minGRU on text "
        "(2.50 bits)."
    )
    tied = table[(table["task"] == "text") | (table["step"] < 20)].assign(
        value=lambda rows: rows["value"].where((rows["task"] == "text") | (rows["step"] < 10), 0.99)
    )
    assert "none on palindromes" in drawn.ahead(tied)  # both solve them at step 10
    assert "none on palindromes" in drawn.ahead(table.query("task == 'text' or model == 'lstm'"))  # alone
    one = (table["task"] == "text") & (table["seed"] == 2) & (table["step"] == 20)
    equal = table["value"].where(~one | (table["model"] == "lstm"), 3.5)
    assert drawn.ahead(table.assign(value=equal)).endswith("LSTM on palindromes (solved at step 10); none on text.")
    told = drawn.every_contender(table)
    assert told.startswith(
        "LSTM on palindromes: 8 units a layer, 1,000 parameters, rate 0.01, accuracy 0.99, solved by 2 of 2 seeds "
        "(median step 10); minGRU on palindromes: 8 units"
    )
    assert "minGRU on text: 8 units a layer, 1,000 parameters, rate 0.001, 2.50 bits." in told


def test_a_training_that_has_ended_keeps_its_last_value():
    table = cells_compared().query("task == 'palindromes' and learning_rate == 0.01")
    held = drawn.held(table, "model", "value")
    assert held.groupby("model")["value"].apply(list).to_dict()["lstm"] == [0.1, 0.99, 0.99] * 3


def summed(**solved):
    """Steps at which each network's three seeds solve T = 100, 200; inf for none. Networks stop where none has."""
    rows = []
    for network, lengths in solved.items():
        for length, steps in zip((100, 200), lengths):
            for seed, at in enumerate(steps):
                for step in (0, 50, 100):
                    loss = 1e-4 if step >= at else 0.1
                    row = {"network": network.replace("_", " "), "length": length, "seed": seed, "step": step}
                    row["learning_rate"] = 0.003
                    rows.append({**row, "test_loss": loss, "solved": 0.001, "steps": 100, "seconds": step / 10})
    return pd.DataFrame(rows)


INF = np.inf


@pytest.mark.parametrize(
    ("solved", "says"),
    [
        (
            {"LSTM": [(50, 50, 100), (100, 100, INF)], "IRNN": [(50, 50, INF), (INF, INF, 50)], "RNN": [(INF,) * 3]},
            "Sums are learned up to T = 200 by LSTM; 100 by IRNN; never by RNN.",
        ),
        ({"LSTM": [(INF,) * 3], "gated_LSTM": [(INF,) * 3]}, "No network learns sums, at any T."),
    ],
)
def test_sums_are_told_by_the_longest_that_most_seeds_solve(solved, says):
    assert drawn.solved_up_to(summed(**solved)) == says


def test_sums_are_told_in_full():
    told = drawn.steps_to_add(summed(LSTM=[(50, 50, 100), (100, INF, INF)], RNN=[(INF,) * 3]))
    assert told == (
        "Solved: a mean squared error below 0.001 on fresh sequences, within 100 steps; a network that no seed trains "
        "to solve a length is not trained at longer ones. LSTM, learning rate 0.003: T = 100 3 of 3 seeds (median "
        "step 50), T = 200 1 of 3 seeds (median step 100); RNN, learning rate 0.003: T = 100 0 of 3 seeds."
    )


def copied(**ends):
    """The ratios at the end of each network's seeds, at a delay of 50 and, a tenth higher, of 100."""
    rows = [
        {"network": network, "delay": delay, "seed": seed, "step": step, "steps": 10, "ratio": end * delay / 50}
        for network, values in ends.items()
        for delay in (50, 100)
        for seed, value in enumerate(values)
        for step, end in ((0, 5.0), (10, value))
    ]
    return pd.DataFrame(rows)


def test_copies_are_told_by_who_beats_a_network_without_memory():
    table = copied(LSTM=(0.49, 0.5), IRNN=(0.1, 0.3))
    below = "Better than without memory"
    assert drawn.copied(table) == f"{below} up to delay 100 for IRNN; up to delay 50 for LSTM."
    assert drawn.copied(copied(LSTM=(0.9, 1.0), IRNN=(0.4, 0.5))) == (
        f"{below} up to delay 100 for IRNN; never for LSTM."
    )
    assert drawn.copied(copied(LSTM=(1.0, 1.1))) == "No network ends better than without memory, at any delay."
    assert drawn.copied_in_full(table) == (
        "Cross-entropy over that without memory after 10 steps, or where it was solved. delay 50: LSTM 0.49, IRNN "
        "0.20; delay 100: LSTM 0.99, IRNN 0.40. The first sentence counts as better what is under 0.95 of that level."
    )


def test_a_copy_that_diverges_is_told_and_leaves_the_axes():
    table = copied(LSTM=(0.49, 0.5), IRNN=(0.1, math.inf))
    assert drawn.copied(table).endswith("up to delay 50 for LSTM; never for IRNN.")
    assert "delay 100: LSTM 0.99, IRNN diverged with some of the seeds." in drawn.copied_in_full(table)
    assert [ax.get_ylim() for ax in drawn.copying(table).axes] == [(0, 1.3), (0, 1.3)]
    lost = drawn.copying(copied(LSTM=(math.inf, math.inf)))
    assert lost.axes[0].get_ylim() == (0, 1.3)


def test_a_cell_that_diverges_is_told_and_leaves_the_axes():
    table = cells_compared()
    lost = (table["task"] == "text") & (table["seed"] == 1) & (table["step"] == table["step"].max())
    table["value"] = table["value"].mask(lost, math.inf)
    assert all(np.isfinite(ax.get_ylim()).all() for ax in drawn.contenders(table).axes)
    assert "1 diverged" in drawn.every_contender(table)
