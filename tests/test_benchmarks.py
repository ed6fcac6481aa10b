"""The benchmarks compare like with like, compute what they say, and write what the page reads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT, require
from safetensors import safe_open

import benchmarks
from benchmarks import measure, page, run, sweep
from benchmarks.gate import Gated
from benchmarks.networks import Naive, TorchNN, Training, products, weights
from benchmarks.tasks import Characters, Palindromes, Task
from rnnreport import build, cli, vendor
from rnnreport.backends import kernels
from rnnreport.experiments import recorded, speed
from rnnreport.figures import speed as drawn
from rnnreport.parameters import ParameterError
from rnnreport.runs import RunError, write_table

SMALL: dict[str, Task] = {
    "C": Characters(length=6, hidden_size=5, batch_size=3, classes=7),
    "P lstm": Palindromes("lstm", 8, hidden_size=5, batch_size=3),
    "P rnn": Palindromes("rnn", 7, hidden_size=5, batch_size=3),
}
small = pytest.mark.parametrize("task", SMALL.values(), ids=SMALL)


def loss_and_gradients(network: Any, task: Task) -> list[torch.Tensor]:
    """The loss at the task's first batch, and its gradients in the order of ``weights``."""
    training = Training(task, network, task.batches())
    loss = training.forward_backward().detach()
    return [loss, *(weight.grad for weight in weights(network) if weight.grad is not None)]


def close(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@small
def test_contenders_compute_the_same_loss_and_gradients(task: Task) -> None:
    naive = loss_and_gradients(Naive(task.network()), task)
    assert max(gradient.abs().max() for gradient in naive[1:]) > 1e-3  # there is something to compare
    close(loss_and_gradients(task.network(), task), naive)
    close(loss_and_gradients(TorchNN(task.network()), task), naive)


@pytest.mark.slow
@small
def test_jax_computes_them_too_and_trains_alike(task: Task) -> None:
    pytest.importorskip("jax", reason="JAX is the optional extra `bench`")
    from benchmarks import lax

    jax, ours = lax.Training(task), Training(task, task.network(), task.batches())
    loss, gradients = jax.forward_backward()
    close(
        [torch.tensor(float(loss)), *(torch.tensor(gradient.tolist()) for gradient in gradients)],
        loss_and_gradients(task.network(), task),
    )
    steps = [(float(jax.step()), ours.step().item()) for _ in range(5)]
    for theirs, loss in steps:
        assert theirs == pytest.approx(loss, abs=1e-5)
    assert lax.flushes_denormals()


@small
def test_the_bfloat16_contender_is_the_same_network(task: Task) -> None:
    exact, rounded = (TorchNN(task.network(), bfloat16)(next(task.batches())[0]) for bfloat16 in (False, True))
    assert 0 < (exact - rounded).abs().max() < 2**-6  # bfloat16 keeps 8 bits


@pytest.mark.parametrize("open_ratio", [0.2, 1.0])
def test_the_passes_behind_the_gate_agree(open_ratio: float) -> None:
    task = Palindromes("temporal-gate", 40, hidden_size=6, batch_size=3)
    results = []
    require(kernels("native", torch.zeros(1)), "the native kernels cannot be built here")
    for how in ("dense", "torch", "native"):
        gated = Gated(task, open_ratio, how)  # type: ignore[arg-type]
        digits, last = next(task.batches())
        loss = F.cross_entropy(gated(digits), last)
        loss.backward()
        results.append([loss.detach(), *(p.grad for p in gated.parameters() if p.grad is not None)])
    assert len(results[0]) == 1 + 8  # the loss, the weights and the gate's three
    close(results[1], results[0])
    close(results[2], results[0])


def test_the_products_are_those_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(torch, "mm", lambda a, b, out: done.append((len(a), *b.shape)))
    products(Characters(length=2, hidden_size=3, batch_size=5, classes=7))[speed.FULL_STEP]()
    forward, back, weight = (5, 3, 12), (5, 12, 3), (12, 10, 3)
    above = [(10, 3, 12), (10, 12, 3), (12, 10, 3)]
    assert done == [*[forward] * 4, *[back] * 4, *[weight] * 2, *above, (10, 3, 7), (10, 7, 3), (7, 10, 3)]


def test_the_courses_way_of_drawing_gives_palindromes_and_windows() -> None:
    for length in (7, 8):
        for digits, last in islice(Palindromes("rnn", length, batch_size=5).batches_one_by_one(), 2):
            whole = torch.cat([digits, last[None]])
            assert whole.shape == (length, 5)
            assert torch.equal(whole, whole.flip(0))
            assert len(whole.T.unique(dim=0)) > 1
    inputs, targets = next(Characters(batch_size=5).batches_one_by_one())
    assert inputs.shape == targets.shape == (30, 5)
    assert torch.equal(inputs[1:], targets[:-1])


def test_contenders_take_turns_and_each_round_starts_with_another() -> None:
    called: list[str] = []
    calls = {name: (lambda name=name: called.append(name)) for name in "ABC"}
    times = measure.interleaved(calls, seconds=0, least=3, most=3, turn=0)
    assert "".join(called) == "AABBCC" + "ABC" + "BCA" + "CAB"  # warm up, then the rounds
    assert [len(times[name]["rounds"]) for name in "ABC"] == [3, 3, 3]


def test_rounds_go_on_until_the_time_is_up() -> None:
    def rounds(seconds: float) -> int:
        return len(measure.interleaved({"A": int}, seconds, least=2, most=9, turn=0)["A"]["rounds"])

    assert rounds(0) == 2
    assert rounds(100) == 9


def test_what_another_process_did_is_timed_there() -> None:
    times = measure.interleaved({"A": lambda: measure.Elsewhere(2.0)}, seconds=0, least=2, most=2, turn=0)
    assert times["A"]["rounds"] == [2000, 2000]


@pytest.mark.parametrize(("cell", "theirs"), [("rnn", "rnn"), ("lstm", "lstm"), ("temporal-gate", "lstm")])
def test_the_page_and_torch_nn_take_the_same_steps(cell: Any, theirs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(what: Any) -> Any:
        asked.append(what)
        return 0.5 if what is None else "WebAssembly"

    monkeypatch.setattr(page, "_asked", answer)
    task = Palindromes(cell, 7, 8, batch_size=4, optimizer="adam")
    both = run.in_page(task)
    step = both[speed.TORCH_NN]()[speed.FULL_STEP]
    training = step.__self__  # type: ignore[attr-defined]
    recurrence = training.network.recurrence
    assert type(recurrence) is {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[theirs]
    assert recurrence.hidden_size == 8
    assert training.batch[0].shape == (6, 4)
    assert both[speed.PAGE]()[speed.FULL_STEP]() == measure.Elsewhere(0.5)
    network, nothing = asked
    assert nothing is None
    assert network["settings"] == {"model": cell, "H": 8, "B": 4, "S": 6, "D": 10, "K": 10}
    (group,) = training.optimizer.param_groups
    assert network["recipe"] == {"optimizer": "adam", "rate": group["lr"], "clip": training.clip_norm}
    assert (group["lr"] < 1e-8) == (cell == "temporal-gate")  # else the gates would not stay as they are


def test_the_page_s_network_competes_where_its_kernels_are_compiled() -> None:
    parts = run.in_page(Palindromes("lstm", 5, 8, batch_size=4, optimizer="adam"))
    if vendor.compiled():
        assert 0 < parts[speed.PAGE]()[speed.FULL_STEP]().seconds < 60  # type: ignore[attr-defined]
    else:
        with pytest.raises(run.LeftOutError, match="not compiled here"):
            parts[speed.PAGE]()


def comparison(rounds: dict[str, list[float]], **changes: Any) -> dict[str, Any]:
    return {
        "task": "C",
        "cell": "lstm",
        "length": 30,
        "open_ratio": None,
        "baseline": "torch.nn",
        "part": "full step",
        "contenders": {name: {"rounds": values} for name, values in rounds.items()},
        "left_out": {},
        **changes,
    }


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    # Round by round 2, 4, 3, 4, 2, whose median is 3; the medians' ratio would be 8 / 2.
    both = comparison({"torch.nn": [2, 16, 6, 8, 10], "ours": [1, 4, 2, 2, 5]})
    assert speed.ratio(both, "ours", "torch.nn") == (3, 2, 4)
    assert speed.ratio(both, "torch.nn", "ours") == (1 / 3, 0.25, 0.5)
    assert str(speed.ratio(both, "ours", "torch.nn")) == "3.00 (2.00–4.00)"
    row = speed.tabulated({"comparisons": [both]}).set_index("contender").loc["our torch code"]
    assert (row["milliseconds"], row["ratio"], row["low"], row["high"], row["rounds"]) == (2, 3, 2, 4, 5)


def test_characters_a_second() -> None:
    sampling = comparison({"ours": [20, 25, 50]}, task="sampling", part="sampling", characters=1000)
    assert speed.characters_a_second(sampling, "ours") == (40_000, 30_000, 45_000)


def test_verdicts_on_aims_are_computed() -> None:
    record = {
        "comparisons": [
            comparison({"torch.nn": [1.0], "ours": [1.0], "naive": [1.5]}),
            comparison({"torch.nn": [1.0], "ours": [99.0]}, part="forward + backward"),  # aims are about full steps
            comparison({"torch.nn": [1.3], "ours": [1.0], "JAX": [1.3]}, task="P", cell="rnn", length=5),
            comparison({"torch.nn": [1.2], "ours": [1.0], "JAX": [1.3]}, task="P", cell="rnn", length=10),
        ]
    }
    aims = speed.aims(record).set_index("aim")
    assert (
        aims["verdict"].to_dict().items()
        >= {
            "characters: our torch code ≥ 1 × torch.nn": "✓ met",
            "characters: our torch code ≥ 1.6 × naive code": "✗ missed",
            "palindromes, RNN: our torch code ≥ 1.3 × torch.nn": "✗ missed at T = 10",
            "palindromes, RNN: our torch code ≥ 1.3 × JAX, from T = 10": "✓ met",
            "characters: our C++ ≥ 1.9 × torch.nn": "not measured",
        }.items()
    )
    assert [*aims["verdict"].iloc[[0, -1]]] == ["✓ met", "not measured"]


def test_an_aim_of_the_page_is_for_one_number_of_units() -> None:
    """At the others nothing is asked."""
    record = {
        "comparisons": [
            comparison({"torch.nn": [1.0], "page": [1 / ratio]}, task="page", cell="rnn", length=5, hidden_size=units)
            for units, ratio in ((64, 1.5), (128, 0.5))
        ]
    }
    (aim,) = speed.aims(record).query("verdict != 'not measured'").to_dict("records")
    assert aim["verdict"] == "✓ met"
    assert aim["aim"] == "palindromes in the page, RNN: the page ≥ 1 × torch.nn, with 64 units"
    assert aim["measured"] == "T = 5, 64 units: 1.50 (1.50–1.50)"


def test_what_is_measured_anew_takes_the_place_of_its_task_only(tmp_path: Path) -> None:
    old, new = ({"date": date, "quick": False} for date in ("old", "new"))
    before = {
        "conditions": old,
        "apart": {"gate": {"date": "older"}},
        "comparisons": [comparison({}, task=task, length=1) for task in ("C", "gate", "page")],
    }
    record = {"conditions": new, "apart": {}, "comparisons": [comparison({}, task="page", length=2)]}
    merged = run.merged(record, before)
    assert merged["conditions"] == old
    assert merged["apart"] == {"gate": {"date": "older"}, "page": new}
    assert [(each["task"], each["length"]) for each in merged["comparisons"]] == [("C", 1), ("gate", 1), ("page", 2)]
    run.write(merged, tmp_path / "record.json")
    assert speed.read(str(tmp_path / "record.json")) == merged
    assert run.merged(record, {**before, "comparisons": before["comparisons"][2:]}) == record  # nothing else is there


def test_a_miss_has_a_reason() -> None:
    missed = comparison({"torch.nn": [1.0], "ours, native": [1.0], "matrix products": [0.625]})
    last = {"comparisons": [missed]}
    (why,) = speed.aims(last).query("verdict == '✗ missed'")["why missed"]
    assert why == "torch's matrix products alone reach only 1.60"
    missed["contenders"]["matrix products"]["rounds"] = [0.5]
    assert speed.aims(last)["why missed"].eq("").all()  # not profiled
    operations = [("rnnreport::lstm_forward", 0.6), ("aten::mm", 0.1)]
    missed["contenders"]["ours, native"]["profile"] = [{"operation": name, "share": part} for name, part in operations]
    whys = set(speed.aims(last)["why missed"])
    assert any(why.startswith("loops in C++ take 60% of its time; all else free, it would reach ") for why in whys)
    assert set(speed.aims({"comparisons": []})["why missed"]) == {""}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a quick run, by the command line."""
    output = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [sys.executable, "-m", "rnnreport", "bench", "--quick", "-o", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"Recorded: {output}" in done.stdout
    return output


@pytest.mark.slow
def test_a_quick_run_records_everything(quick: Path) -> None:
    record = speed.read(str(quick))
    table = speed.tabulated(record)
    assert set(table["task"]) == set(speed.TASKS)
    assert (table["milliseconds"] > 0).all()
    everybody = {speed.TORCH_NN, speed.OURS, speed.MEDIUM, speed.BFLOAT16, speed.NAIVE, speed.FLOOR}
    for entry in record["comparisons"]:
        present = set(entry["contenders"])
        assert entry["baseline"] in present
        assert not present & set(entry["left_out"])
        if entry["task"] in "CP":
            assert present | set(entry["left_out"]) == everybody | {speed.NATIVE, speed.NATIVE_BF16, speed.JAX}
            assert present >= everybody
        for name, times in entry["contenders"].items():  # what is written beside the rounds is what they say
            spread = speed.ratio(entry, name, entry["baseline"])
            assert [times["ratio"], *times["quartiles"]] == pytest.approx(spread, abs=1e-4)
    conditions = record["conditions"]
    assert (conditions["threads"], conditions["denormals"], conditions["quick"]) == (1, "flushed", True)
    for _, entry, _ in (each for each in speed.checked(record) if not each.met):
        assert any("profile" in times for times in entry["contenders"].values())
    for aim, entry, _ in (each for each in speed.checked(record) if not each.met):
        assert "profile" in entry["contenders"][aim.contender]


@pytest.mark.slow
def test_the_page_reads_what_a_run_records(quick: Path, tmp_path: Path) -> None:
    record = json.loads(quick.read_text("utf-8"))
    partial = tmp_path / "partial.json"
    partial.write_text(json.dumps({**record, "comparisons": [c for c in record["comparisons"] if c["task"] == "C"]}))
    for file, expected in ((quick, 5), (partial, 1)):  # figures and the table of sampling
        output = tmp_path / "out.ipynb"
        build.execute("06_speed", {"benchmarks_file": str(file), "learning_file": ""}, output)
        cells = {cell.id: cell for cell in nbformat.read(output, as_version=4).cells}
        shown = [cell for cell in cells.values() if "report-figure" in str(cell.get("outputs"))]
        assert len(shown) == expected
        assert "Its numbers mean nothing" in str(cells["conditions"].outputs)
        assert "aims, the record meets" in str(cells["aims"].outputs)


def test_the_committed_record_can_be_read() -> None:
    assert not speed.read("data/benchmarks.json")["conditions"]["quick"]


def test_who_cannot_compete_is_left_out_and_the_record_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "benchmarks.lax", raising=False)
    monkeypatch.delattr(benchmarks, "lax", raising=False)
    monkeypatch.setattr(run, "kernels", lambda *_: None)
    compared = run.Comparison("C", "lstm", 6, speed.TORCH_NN, run.contenders(SMALL["C"]))
    for entry in run.measured(compared, quick=True):
        assert "pip install -e '.[bench]'" in entry["left_out"][speed.JAX]
        assert "native kernel cannot be used" in entry["left_out"][speed.NATIVE]
        assert not {speed.JAX, speed.NATIVE} & set(entry["contenders"])


def test_a_mistake_is_told_before_anything_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match="--only must name tasks among C, P, gate, sampling, page, not 'X'"):
        run.run("C,X")
    with pytest.raises(ParameterError, match=r"must be a file that `make bench` wrote, not 'nowhere\.json'"):
        speed.read("nowhere.json")
    monkeypatch.setattr(speed, "kernels", lambda *_: None)
    with pytest.raises(RunError, match="native kernel cannot be used"):
        speed.compare_backends(1, [0])


def test_losses_of_backends_are_held_against_the_seeds_spread(tmp_path: Path) -> None:
    rows = [
        (backend, seed, step, loss, loss + held_out)
        for backend, losses, held_out in (("torch", (1.0, 1.2, 1.4), 0.1), ("native", (1.1, 1.3, 1.5), 0.6))
        for seed, loss in enumerate(losses)
        for step, loss in ((1, 9.0), (2, loss))
    ]
    table = pd.DataFrame(rows, columns=["backend", "seed", "step", "loss", "held_out_loss"])
    same = speed.same_learning(table).set_index("loss")
    assert same["gap"].to_list() == pytest.approx([0.1, 0.6])
    assert same["spread"].to_list() == pytest.approx([0.4, 0.4])
    assert same["within"].to_list() == [True, False]
    table.attrs["provenance"] = "three seeds"
    write_table(table, tmp_path / "backends.parquet")
    kept = recorded.read(str(tmp_path / "backends.parquet"))
    assert kept is not None
    pd.testing.assert_frame_equal(kept, table)
    assert kept.attrs == table.attrs
    assert recorded.read(str(tmp_path / "none.parquet")) is None


def test_the_native_backend_competes_where_a_compiler_is_found() -> None:
    require(kernels("native", torch.zeros(1)), "the native kernel cannot be built here")
    task = SMALL["C"]
    losses = [task.network(backend)(next(task.batches())[0]) for backend in ("torch", "native")]
    assert (losses[0] - losses[1]).abs().max() < 1e-5


@pytest.mark.filterwarnings("error")
def test_the_figures_draw_every_ratio_where_it_belongs() -> None:
    record = {
        "comparisons": [
            comparison(
                {"torch.nn": [4.0, 4.0], "ours": [2.0, 4.0]}, task=task, cell=cell, length=length, open_ratio=r_on
            )
            for task, cell, length, r_on in (
                ("P", "lstm", 5, None),
                ("P", "rnn", 5, None),
                ("P", "lstm", 100, None),
                ("gate", "temporal-gate", 100, 0.05),
                ("gate", "temporal-gate", 100, 1.0),
                ("page", "rnn", 5, None),
                ("page", "rnn", 100, None),
                ("page", "temporal-gate", 100, None),
            )
        ]
    }
    for each in record["comparisons"]:
        each["hidden_size"] = 64 if each["task"] == "page" else None
    table = speed.tabulated(record)
    palindromes, gate, in_page = (table[table["task"] == task] for task in ("P", "gate", "page"))
    for figure, panels, x in (
        (drawn.speed_of_contenders(palindromes), 1, None),
        (drawn.speed_by_length(palindromes[palindromes["contender"] == "our torch code"]), 2, [5, 100]),
        (drawn.speed_of_gate(gate[gate["contender"] == "our torch code"]), 1, [0.05, 1]),
        (drawn.speed_in_page(in_page[in_page["contender"] == "our torch code"]), 2, [5, 100]),
    ):
        figure.draw_without_rendering()
        assert len(figure.axes) == panels
        line = figure.axes[0].containers[0].lines[0]
        if x is not None:
            assert list(line.get_xdata()) == x
            assert list(line.get_ydata()) == [1.5] * len(x)  # the median of 2 and 1
        else:
            assert sorted(set(line.get_xdata())) == [1, 1.5]


def test_a_profile_names_the_operations_with_their_calls_and_shares() -> None:
    a = torch.randn(300, 300)
    operations = run.profile(lambda: [a @ a, a @ a, a + 1], quick=True)
    calls = {each["operation"]: each["calls"] for each in operations}
    assert (calls["aten::mm"], calls["aten::add"]) == (2, 1)
    assert operations == sorted(operations, key=lambda each: -each["share"])  # in which order, a busy machine decides
    assert 0.99 < sum(each["share"] for each in operations) <= 1.01


@pytest.mark.slow
def test_profiles_are_printed_by_the_command_line() -> None:
    command = [sys.executable, "-m", "rnnreport", "bench", "--quick", "--profile", "--only", "C"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "characters, full step: ours\n" in done.stdout
    assert done.stdout.count("×  ") >= 8
    assert "Recorded" not in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--only", "C;P"], "--only must name tasks among C, P, gate, sampling, page, not 'C;P'"),
        (["-o", str(ROOT / "book")], "would lie among the book's own files"),
    ],
)
def test_the_command_line_refuses_in_one_sentence(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run", lambda *_: pytest.fail("something was timed"))
    monkeypatch.setattr(sys, "argv", ["rnnreport", "bench", *words])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_sweep_and_plain_loops_do_the_same_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNREPORT_WORKERS", "1")
    monkeypatch.setattr(sweep, "use_one_thread", lambda: None)  # it would last beyond this test
    [one] = sweep.rounds(seconds=0.1, each=2, number=1)
    assert one.loops > 0.2
    assert one.engine > 0.2
    rounds = [sweep.Round(10.0, engine) for engine in (10.5, 11.0, 12.0)]
    assert sweep.summary(rounds) == "overhead of the engine +10.0% (quartiles +7.5% to +15.0%)"
    assert sweep.summary(rounds[:1]) == "overhead of the engine +5.0% (quartiles +5.0% to +5.0%)"


def test_the_page_says_how_many_characters_were_measured_and_how_many_the_book_has() -> None:
    cells = nbformat.read(ROOT / "book" / "06_speed.ipynb", as_version=4).cells
    said = re.findall(
        r"(\d+) different characters \(the book of chapter 4 has (\d+)\)", "\n".join(cell.source for cell in cells)
    )
    with safe_open(ROOT / "data" / "text-500k" / "weights-0.safetensors", "pt") as weights_of_the_book:
        vocabulary = json.loads(weights_of_the_book.metadata()["vocabulary"])
    assert said == [(str(Characters().classes), str(len(vocabulary)))]
