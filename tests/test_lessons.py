"""The widgets in which networks learn: what their settings plan, what they say, and trainings in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PAGE, START, Shown, eventually, in_firefox, in_node, in_page, new_page
from playwright.sync_api import Browser, Page
from traitlets import TraitError

from rnnreport.palindromes import palindrome_batch
from rnnreport.sequences import Bursts
from rnnreport.widgets.gate_trainer import GateTrainer
from rnnreport.widgets.lesson import Lesson
from rnnreport.widgets.palindrome_trainer import PalindromeTrainer

QUICK = {"hidden_size": 64, "batch_size": 64, "encoding": "one-hot", "optimizer": "adam", "initialisation": "uniform"}
LSTM = {**QUICK, "networks": "lstm", "learning_rate": 0.003}


# What is planned, and what is said


def state_of(widget: Lesson) -> dict[str, Any]:
    return {name: value for name, value in widget.get_state().items() if not name.startswith("_")}


def test_the_settings_start_as_the_report_s(node: list[str]) -> None:
    rnn, lstm = in_node(node, PalindromeTrainer, "planned", [[state_of(PalindromeTrainer())]])[0]
    assert (rnn["label"], lstm["label"]) == ("RNN", "LSTM")
    assert lstm["settings"] == {
        **{"task": "palindromes", "model": "lstm", "T": 5, "H": 128, "B": 128, "encoding": "scalar", "seed": 0},
        **{"initialisation": "normal", "memory": 0, "optimizer": "rmsprop", "rate": 1e-3, "clip": 10, "steps": 1000},
    }


@pytest.mark.parametrize(("forget_bias", "of_lstm"), [("0", 0), ("2", 2), ("chrono", "chrono")])
def test_the_forget_bias_is_the_lstm_s_alone(node: list[str], forget_bias: str, of_lstm: Any) -> None:
    (plan,) = in_node(node, PalindromeTrainer, "planned", [[state_of(PalindromeTrainer(forget_bias=forget_bias))]])
    assert [each["settings"]["memory"] for each in plan] == [0, of_lstm]


def test_the_small_form_compares_three_forget_biases_at_the_length_that_is_set(node: list[str]) -> None:
    (plan,) = in_node(
        node, PalindromeTrainer, "compared", [[state_of(PalindromeTrainer(length=9, seed=4, compact=True))]]
    )
    assert [(each["label"], each["settings"]["memory"]) for each in plan] == [
        (f"forget bias {b}", b) for b in (2, 1, 0)
    ]
    assert {(each["settings"]["T"], each["settings"]["seed"], each["settings"]["model"]) for each in plan} == {
        (9, 4, "lstm")
    }


@pytest.mark.parametrize(
    ("shifts", "s", "beside"), [("drawn", None, False), ("same", 4.0, True)], ids=["drawn", "same and beside"]
)
def test_a_gate_is_planned_as_it_is_set(node: list[str], shifts: str, s: float | None, beside: bool) -> None:
    widget = GateTrainer(tau_from=30, tau_to=3, shifts=shifts, s=4, r_on=0.2, leak=0.01, learned=False, beside=beside)
    (plan,) = in_node(node, GateTrainer, "gatePlan", [[state_of(widget)]])
    gate = {"from": 3, "to": 30, "r_on": 0.2, "leak": 0.01, "isLearned": False} | ({} if s is None else {"s": s})
    assert plan[0]["settings"]["gate"] == gate
    assert [each["settings"]["model"] for each in plan] == ["temporal-gate", "lstm"][: 1 + beside]


RUN = {
    "label": "LSTM",
    "settings": {"task": "palindromes", "T": 7},
    "points": [{"accuracy": 0.4}],
    "step": 90,
    "seconds": 1.5,
}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"state": "waiting", "points": []}, "LSTM: waiting for its turn."),
        ({"state": "running"}, "LSTM: step 90, 40% right."),
        ({"state": "done", "solved": 60}, "LSTM solved T = 7 after 60 steps, 1.5 s."),
        ({"state": "done"}, "LSTM: 40% right after 90 steps, 1.5 s; one in ten is chance."),
        (
            {"state": "done", "settings": {"task": "bursts", "T": 7}},
            "LSTM: 40% right after 90 steps, 1.5 s; one in two is chance.",
        ),
        (
            {"state": "done", "failed": "the loss became NaN at step 91."},
            "LSTM: the loss became NaN at step 91.",
        ),
    ],
)  # fmt: skip
def test_a_training_is_told_in_a_sentence(node: list[str], more: dict[str, Any], says: str) -> None:
    assert in_node(node, PalindromeTrainer, "told", [[RUN | more]]) == [says]


def test_many_trainings_are_told_together(node: list[str]) -> None:
    runs = [RUN | {"state": "done", "solved": solved} for solved in (70, 40, 300)]
    runs += [RUN | {"state": "done"}, RUN | {"state": "running"}]
    said = in_node(node, PalindromeTrainer, "toldTogether", [[runs]])
    assert said == ["4 of 5 have ended; 3 of them solved T = 7, after 40 to 300 steps."]


def test_what_becomes_of_gates_is_told(node: list[str]) -> None:
    first = {"tau": [10, 10, 10], "s": [0, 9.5, 2], "r_on": [0.1] * 3}
    now = {"tau": [11, 10, 20], "s": [0, 10.5, 5], "r_on": [0.1] * 3}
    said = in_node(node, GateTrainer, "moved", [[first, now], [None, None]])
    assert said[0] == "Periods have moved by 10%, shifts by 5% of a period (medians)."
    assert said[1] == "No gate has been set yet."


# Python's half


@pytest.mark.parametrize(
    ("widget", "name", "value", "allowed"),
    [
        *[(PalindromeTrainer, "length", value, "an integer from 3 to 100") for value in (2, 101)],
        (PalindromeTrainer, "networks", "gru", "one of rnn, lstm, both"),
        (PalindromeTrainer, "forget_bias", "3", "one of 0, 1, 2, chrono"),
        (PalindromeTrainer, "learning_rate", float("nan"), "a finite number > 0 and <= 1"),
        (PalindromeTrainer, "seed", -1, "an integer from 0 to 4294967295"),
        (GateTrainer, "length", 301, "an integer from 10 to 300"),
        (GateTrainer, "tau_from", 0.5, "a finite number >= 1 and <= 1000"),
        (GateTrainer, "r_on", 0.0, "a finite number > 0 and <= 1"),
        (GateTrainer, "task", "adding", "one of palindromes, bursts"),
    ],
)
def test_a_setting_that_cannot_be_is_one_clear_sentence(
    widget: type[Lesson], name: str, value: Any, allowed: str
) -> None:
    shown = widget()
    before = getattr(shown, name)
    for attempt in (lambda: setattr(shown, name, value), lambda: widget(**{name: value})):
        with pytest.raises(TraitError) as refused:
            attempt()
        assert str(refused.value) == f"{name} must be {allowed}, not {value!r}."
    assert getattr(shown, name) == before


def test_a_network_that_is_not_there_is_asked_for_in_vain() -> None:
    with pytest.raises(
        ValueError, match=r"^label must be one of those that have been trained \(none yet\), not None\.$"
    ):
        PalindromeTrainer().network()


# In a browser


@pytest.fixture
def taught(shown: Shown, page: Page) -> Callable[..., Any]:
    """Presses Train, and returns once the networks have learned what Python hears of them."""

    def taught(widget: Lesson, button: str = "Train") -> Lesson:
        drawing = shown(widget)
        drawing.get_by_role("button", name=button, exact=True).click()
        ended = "({ state }) => state !== 'running' && state !== 'waiting'"
        page.wait_for_function(f"window.saved && Object.values(window.saved.progress).every({ended})")
        for name in ("progress", "trained"):
            setattr(widget, name, page.evaluate(f"window.saved.{name}"))
        return widget

    return taught


@pytest.mark.parametrize(
    ("widget", "label"),
    [
        (lambda: PalindromeTrainer(networks="rnn", **QUICK), "RNN"),
        (lambda: PalindromeTrainer(length=20, forget_bias="chrono", seed=1, **LSTM), "LSTM"),
        (lambda: GateTrainer(length=50), "gated LSTM"),
    ],
    ids=["RNN, T = 5", "LSTM, T = 20", "gate, T = 50"],
)
def test_networks_learn_in_the_page_and_python_gets_them(
    taught: Callable[..., Any], page: Page, widget: Callable[[], Lesson], label: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    lesson = taught(widget())
    assert lesson.progress[label]["accuracy"] > 0.99
    assert lesson.progress[label]["state"] == "done"
    said = page.get_by_role("status").inner_text()
    assert f"{label} solved T = {lesson.length} after ".lower() in said.lower()
    assert [url for url in asked if not url.startswith("blob:")] == []
    digits, last = palindrome_batch(lesson.length, 500, torch.Generator().manual_seed(9))
    network = lesson.network(label)
    assert (network(digits).argmax(-1) == last).double().mean() > 0.95


def test_the_same_seed_learns_in_as_many_steps_and_another_does_not(taught: Callable[..., Any]) -> None:
    steps = [
        taught(PalindromeTrainer(networks="rnn", seed=seed, **QUICK)).trained[0]["weights"]["head_bias"]
        for seed in (3, 3, 4)
    ]
    assert steps[0] == steps[1] != steps[2]


def test_a_network_that_listened_between_the_bursts_is_python_s_too(taught: Callable[..., Any]) -> None:
    lesson = taught(
        GateTrainer(task="bursts", length=200, tau_from=20, tau_to=20, shifts="same", s=16, r_on=0.2, learned=False,
                    train_steps=200, hidden_size=16)
    )  # fmt: skip
    inputs, up = Bursts().batch(500, torch.Generator().manual_seed(0))
    right = (lesson.network()(inputs).argmax(-1) == up).double().mean().item()
    assert right == pytest.approx(next(iter(lesson.progress.values()))["accuracy"], abs=0.06)
    assert right > 0.9


def test_a_learning_rate_too_high_is_said_and_the_curve_stays(shown: Shown, page: Page) -> None:
    drawing = shown(PalindromeTrainer(networks="lstm", train_steps=100_000, length=50, hidden_size=8))
    page.evaluate("""() => {
      const root = Math.sqrt;
      window.Worker = undefined; // it learns on this thread, where it can be made to fail
      Math.sqrt = (x) => (window.broken ? NaN : root(x));
    }""")
    drawing.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("document.querySelectorAll('.curve').length > 0")
    page.evaluate("window.broken = true")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('became NaN')")
    assert "The learning rate is too high for it; its curve stays." in page.get_by_role("status").inner_text()
    assert drawing.locator("svg[role=img]").first.locator("path.curve").count() == 1


@pytest.mark.parametrize("worker", [True, False], ids=["in a worker", "on the page's thread"])
def test_a_computation_that_ends_is_said_and_another_can_start(shown: Shown, page: Page, worker: bool) -> None:
    widget = PalindromeTrainer(networks="rnn", **QUICK)
    text = "RNN: The computation ended: no memory."
    broken = "const grow = WebAssembly.Memory.prototype.grow; WebAssembly.Memory.prototype.grow = function (pages) {"
    broken += " if (pages > 5) throw new Error('no memory'); return grow.call(this, pages); };\n"
    source = str(widget._esm).replace("make(0);", "")  # as it would be found out to be broken beforehand
    page.set_content(PAGE.format(css=""))
    if not worker:
        page.evaluate("() => { window.Worker = undefined; }")
        page.add_script_tag(content=broken)
    page.evaluate(START, [broken + source if worker else source, in_page(widget)])
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(f"document.querySelector('[role=status]').textContent === {text!r}")
    eventually(lambda: page.get_by_role("button", name="Stop").is_disabled())
    assert page.get_by_role("button", name="Ask it other lengths").is_disabled()


def test_a_link_is_followed_in_the_page_that_is_open(shown: Shown, page: Page) -> None:
    drawing = shown(PalindromeTrainer())
    for length in (44, 55):
        page.evaluate(f"() => {{ location.hash = '#learn-palindromes:length={length}'; }}")
        page.wait_for_function(f"document.querySelector('input[type=range]').value === '{length}'")
    assert drawing.get_by_text("cannot be set").count() == 0


def test_no_script_is_left_behind(shown: Shown, page: Page) -> None:
    drawing = shown(PalindromeTrainer(networks="rnn", length=100))
    page.evaluate("""() => {
      const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
      window.left = new Set();
      URL.createObjectURL = (what) => { const made = make.call(URL, what); window.left.add(made); return made; };
      URL.revokeObjectURL = (made) => { window.left.delete(made); revoke.call(URL, made); };
    }""")
    for _ in range(5):
        for name in ("Train", "Next seed", "Clear"):
            drawing.get_by_role("button", name=name, exact=True).click()
        page.wait_for_function("document.querySelector('[role=status]').textContent === 'Nothing is trained yet.'")
    assert page.evaluate("window.left.size") == 0


def test_gates_that_never_open_know_no_better_than_chance(node: list[str]) -> None:
    """All logits are equal then: an answer counts as right where argmax would give it."""
    state = state_of(GateTrainer(tau_from=1, tau_to=1, length=10))
    (plan,) = in_node(node, GateTrainer, "gatePlan", [[state]])
    (first,) = in_node(node, FirstPoint, "first", [[plan[0]["settings"]]])
    assert 0 <= first["accuracy"] <= 0.2


class FirstPoint:
    """A training's first point, at step 0."""

    _esm = f"{GateTrainer._esm}\nexport const first = (settings) => training(settings).turn(0).points[0];"


@pytest.mark.parametrize("tests", [1, 5])
def test_a_single_good_test_solves_nothing(node: list[str], tests: int) -> None:
    (plan,) = in_node(node, PalindromeTrainer, "planned", [[state_of(PalindromeTrainer(networks="rnn", **QUICK))]])
    (ended,) = in_node(node, Stopped, "stopped", [[plan[0]["settings"], tests]])
    assert ("solved" in ended) == (tests == 5)
    assert ended.get("solved", ended["step"]) == ended["step"] - 10 * (tests - 1)  # the first of the good tests
    assert ended["done"] == (tests == 5)


class Stopped:
    """What a training says that is stopped after so many good tests in a row, and whether it was done by itself."""

    _esm = f"""{PalindromeTrainer._esm}
        export function stopped(settings, tests) {{
          const one = training(settings);
          let [good, done] = [0, false];
          while (good < tests) {{
            const said = one.turn(0);
            done = Boolean(said.done);
            for (const {{ accuracy }} of said.points) good = accuracy >= 0.99 ? good + 1 : 0;
          }}
          const {{ weights, ...said }} = one.end();
          return {{ ...said, done }};
        }}"""


class Ended:
    """What a training says at each of so many steps, what is left at its end, and what it then answers."""

    _esm = f"""{GateTrainer._esm}
        export function ended(settings, steps, lengths) {{
          const one = training(settings);
          const said = Array.from({{ length: steps }}, () => one.turn(0));
          return [said, one.end(), one.ask({{ lengths }})];
        }}"""


GATE = {"from": 2, "to": 8, "s": None, "r_on": 0.5, "leak": 0.1, "isLearned": True}
GATED = {
    **{"task": "palindromes", "model": "temporal-gate", "T": 5, "H": 4, "B": 16, "encoding": "one-hot", "seed": 0},
    **{"initialisation": "uniform", "memory": 0, "optimizer": "adam", "rate": 0.01, "clip": 10, "steps": 12},
    "gate": GATE,
}


def ended(node: list[str], steps: int = 3, lengths: tuple[int, ...] = (5,), **changed: Any) -> list[Any]:
    return in_node(node, Ended, "ended", [[{**GATED, **changed}, steps, [*lengths]]])[0]


@pytest.mark.parametrize(
    ("changed", "inputs", "classes", "before"),
    [
        ({}, 10, 10, 4),
        ({"encoding": "scalar"}, 1, 10, 4),
        ({"task": "bursts", "encoding": "scalar"}, 1, 2, 5),
        ({"task": "bursts"}, 1, 2, 5),
        ({"model": "lstm", "gate": None}, 10, 10, 4),
    ],
)
def test_a_network_reads_and_answers_what_its_task_asks(
    node: list[str], changed: dict[str, Any], inputs: int, classes: int, before: int
) -> None:
    said, end, _ = ended(node, **changed)
    assert len(end["weights"]["weight_ih_l0"]) == inputs * 4 * 4  # a row per unit of its input and three gates
    assert len(end["weights"]["head_bias"]) == classes
    assert [len(one["norms"]) for one in said] == [before] * 3
    assert {norm > 0 for one in said for norm in one["norms"]} == {True}
    assert ("gate" in end) == ("first" in end) == ("gate" not in changed)


@pytest.mark.parametrize("is_learned", [True, False])
def test_a_gate_is_said_as_it_was_and_as_it_is(node: list[str], is_learned: bool) -> None:
    _, end, _ = ended(node, gate={**GATE, "isLearned": is_learned})
    weights = {name: torch.tensor(end["weights"][f"{name}_l0"]) for name in ("log_tau", "s", "logit_r_on")}
    now = {"tau": weights["log_tau"].exp(), "s": weights["s"], "r_on": weights["logit_r_on"].sigmoid()}
    for name, values in now.items():
        torch.testing.assert_close(torch.tensor(end["gate"][name]), values)
    assert end["first"]["r_on"] == [0.5] * 4
    assert (end["gate"] == end["first"]) != is_learned


def test_a_training_ends_after_its_steps_and_tests_every_ten(node: list[str]) -> None:
    said, end, _ = ended(node, steps=11)
    assert [point["step"] for one in said for point in one["points"]] == [0, 10]
    assert [one["step"] for one in said] == [*range(1, 12)]
    assert (end["step"], end["points"]) == (11, [])
    assert not any("done" in one for one in said)
    *_, last = in_node(node, Ended, "ended", [[{**GATED, "steps": 10}, 11, [5]]])[0][0]
    assert last["done"]
    assert last["step"] == 10


class Clocked:
    """What a training says of turns of so many milliseconds, where every look at the clock takes ten."""

    _esm = f"""{GateTrainer._esm}
        export function clocked(settings, turns) {{
          let clock = 1000;
          Object.defineProperty(globalThis, "performance", {{ value: {{ now: () => (clock += 10) }} }});
          const one = training(settings);
          return turns.map((milliseconds) => one.turn(milliseconds));
        }}"""


def test_a_turn_takes_its_time_and_tells_of_the_mean_of_its_steps(node: list[str]) -> None:
    first, second, third = in_node(node, Clocked, "clocked", [[GATED, [35, 0, 20]]])[0]
    assert [said["step"] for said in (first, second, third)] == [4, 5, 7]
    assert [said["seconds"] for said in (first, second, third)] == pytest.approx([0.04, 0.05, 0.07])
    steps = in_node(node, Clocked, "clocked", [[GATED, [0, 0, 0, 0]]])[0]
    means = [sum(norms) / 4 for norms in zip(*(said["norms"] for said in steps), strict=True)]
    assert first["norms"] == pytest.approx(means)


def test_a_training_that_fails_is_done_and_says_why(node: list[str]) -> None:
    *_, last = in_node(node, Clocked, "clocked", [[{**GATED, "rate": 1e38, "clip": 1e38}, [10_000]]])[0]
    assert last["done"]
    assert re.match(r"the (loss|gradient) became (NaN|Infinity) at step \d+\.", last["failed"])


def test_a_training_pauses_goes_on_stops_and_is_cleared(shown: Shown, page: Page) -> None:
    drawing = shown(PalindromeTrainer(networks="lstm", length=100, train_steps=100_000))
    button = lambda name: drawing.get_by_role("button", name=name, exact=True)  # noqa: E731
    step = lambda: int(re.search(r"step (\d+)", drawing.get_by_role("status").inner_text())[1])  # noqa: E731
    button("Train").click()
    page.wait_for_function("/step [1-9]/.test(document.querySelector('[role=status]').textContent)")
    button("Pause").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.startsWith('Paused.')")
    button("Go on").click()
    before = step()
    page.wait_for_function(
        f"Number(/step (\\d+)/.exec(document.querySelector('[role=status]').textContent)[1]) > {before}"
    )
    button("Stop").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('is chance.')")
    eventually(lambda: button("Stop").is_disabled())
    button("Clear").click()
    eventually(lambda: drawing.get_by_role("status").inner_text() == "Nothing is trained yet.")


def test_earlier_curves_stay_pale_and_say_what_they_were(taught: Callable[..., Any], page: Page) -> None:
    taught(PalindromeTrainer(networks="rnn", **QUICK))
    page.get_by_role("button", name="Next seed").click()
    page.wait_for_function("document.querySelectorAll('.curve.earlier').length === 1")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('RNN solved')")
    assert page.get_by_text("seed 1", exact=True).count() == 1
    assert page.locator("svg text.label.earlier").all_text_contents() == ["RNN, seed 0"]  # what tells it from the other
    pale = page.locator(".curve.earlier title").text_content()
    assert pale.startswith("RNN, T = 5, 64 units, ")
    assert pale.endswith(", seed 0")


def test_trained_networks_answer_other_lengths(taught: Callable[..., Any], page: Page) -> None:
    taught(PalindromeTrainer(networks="rnn", **QUICK))
    page.get_by_role("button", name="Ask it other lengths").click()
    page.wait_for_function("document.querySelectorAll('circle.open').length === 9")  # T = 2 to 10
    words = page.locator(".pairs svg").nth(1).get_attribute("aria-label") or ""
    assert re.match(r"RNN: T = 2 .*, T = 5 over 99%, T = 6 ", words)


PRESET = "What does a forget bias do?"


def test_a_preset_sets_what_it_trains_and_says_what_to_watch(shown: Shown, page: Page) -> None:
    drawing = shown(PalindromeTrainer())
    drawing.get_by_role("button", name=PRESET).click()
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.includes('Forget bias 2 solved T = 15')"
    )
    assert drawing.get_by_text("Three LSTMs, alike but for the bias").count() == 1
    assert drawing.get_by_role("slider", name="T, length").input_value() == "15"
    drawing.get_by_role("button", name="Stop").click()


def test_a_link_carries_the_settings(node: list[str]) -> None:
    allowed = {"length": {"min": 3, "max": 100, "whole": True}, "rate": [0.01, 0.1], "learned": [True, False]}
    asked = {"length": 15, "rate": 0.1, "learned": False}
    (hash,) = in_node(node, PalindromeTrainer, "link", [["here", asked]])
    assert hash == "#here:length=15&rate=0.1&learned=false"
    wrong = "#here:length=2&length=101&length=7.5&length=&rate=0.2&learned=1&constructor=1&<b>=1"
    found = in_node(
        node, PalindromeTrainer, "linked", [[hash, "here", allowed], [hash, "there", allowed], [wrong, "here", allowed]]
    )
    assert found[0] == {"values": asked, "refused": []}
    assert found[1] == {"values": {}, "refused": []}
    assert found[2] == {"values": {}, "refused": [*["length"] * 4, "rate", "learned", "constructor", "<b>"]}


def test_a_page_that_is_opened_by_such_a_link_is_set_so(shown: Shown, page: Page) -> None:
    page.evaluate("() => { location.hash = '#learn-palindromes:length=33&seed=7&optimizer=sgd'; }")
    drawing = shown(PalindromeTrainer())
    assert drawing.get_by_role("slider", name="T, length").input_value() == "33"
    assert drawing.get_by_text("seed 7").count() == 1
    assert drawing.get_by_text("cannot be set, and was not followed in: optimizer.").count() == 1
    assert "length=33" in (drawing.get_by_role("link").get_attribute("href") or "")


def test_from_a_file_each_network_learns_in_a_worker_of_its_own(browser: Browser, tmp_path: Path) -> None:
    """Chromium takes no worker that is a module there, and an open tab trains on its own thread without a word."""
    widget = PalindromeTrainer(length=100, train_steps=100_000)
    place = tmp_path / "page.html"
    place.write_text(PAGE.format(css=""), encoding="utf-8")
    page = new_page(browser)
    page.goto(place.as_uri())
    page.evaluate(START, [widget._esm, in_page(widget)])
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("/RNN: step [1-9]/.test(document.querySelector('[role=status]').textContent)")
    assert len(page.workers) == 2
    page.evaluate("window.stop()")
    while page.workers:
        page.wait_for_timeout(50)
    page.close()


@pytest.mark.parametrize("without", ["Worker", "WebAssembly"])
def test_where_the_browser_lacks_something_the_networks_still_learn(shown: Shown, page: Page, without: str) -> None:
    drawing = shown(PalindromeTrainer(networks="rnn", **QUICK))
    page.evaluate("() => { window.Worker = undefined; }")
    if without == "WebAssembly":  # of which a worker has its own
        page.evaluate("() => { delete window.WebAssembly; }")
    drawing.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('RNN solved')")
    assert drawing.get_by_text("does not let the page use WebAssembly").is_visible() == (without == "WebAssembly")


def test_the_page_stays_at_ease_while_it_trains_on_its_own_thread(shown: Shown, page: Page) -> None:
    """A turn ends after 8 ms and one step; how long that takes depends on the machine, the number of turns does not."""
    drawing = shown(PalindromeTrainer(networks="rnn", train_steps=100, **QUICK))
    page.evaluate("""() => {
      window.Worker = undefined;
      window.clicks = 0;
      setInterval(() => (window.clicks += 1), 0);
    }""")
    drawing.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("/RNN( solved|: .* is chance)/.test(document.querySelector('[role=status]').textContent)")
    assert page.evaluate("window.clicks") > 0


class InFirefox:
    """The widget with a function that draws it, presses Train, and waits for the end of all trainings."""

    _esm = f"""{PalindromeTrainer._esm}
        export async function pressed(source, state) {{
          document.body.append(document.createElement("div"));
          const started = [];
          window.Worker = class extends window.Worker {{
            constructor(...all) {{ super(...all), started.push(this); }}
          }};
          await ({START})([source, state]);
          [...document.querySelectorAll("button")].find((button) => button.textContent === "Train").click();
          const isOver = () => window.saved?.trained.length === 2;
          while (!isOver()) await new Promise((resolve) => setTimeout(resolve, 50));
          const weights = window.saved.trained.map((each) => each.weights.head_bias);
          return [started.length, window.saved.progress, weights];
        }}"""


def test_firefox_trains_the_same_networks_in_workers(firefox: str, taught: Callable[..., Any]) -> None:
    widget = PalindromeTrainer(seed=5, **QUICK)
    workers, progress, weights = in_firefox(firefox, InFirefox, "pressed", [[str(widget._esm), in_page(widget)]])[0]
    here = taught(widget)
    assert workers == 2
    assert all(each["accuracy"] > 0.99 for each in progress.values())
    assert weights == [each["weights"]["head_bias"] for each in here.trained]


def test_who_asked_for_less_motion_sees_a_picture_at_a_calm_pace(shown: Shown, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    drawing = shown(PalindromeTrainer(networks="rnn", train_steps=400))
    page.evaluate("""() => {
      window.drawings = 0;
      const watched = document.querySelector("svg[role=img]");
      new MutationObserver(() => (window.drawings += 1)).observe(watched, { childList: true });
    }""")
    began = page.evaluate("performance.now()")
    drawing.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("/RNN( solved|: .* is chance)/.test(document.querySelector('[role=status]').textContent)")
    drawings, seconds = page.evaluate("[window.drawings, performance.now()]")
    assert 2 <= drawings <= 3 + (seconds - began) / 1500
