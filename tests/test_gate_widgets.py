"""The widgets of the temporal gate: their mathematics in node and their Python half, and how they move in a browser."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import Shown, in_node, in_page
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import TraitError

from rnnreport.cells import lstm_step, temporal_gate, temporal_gate_lstm_step
from rnnreport.models import TemporalGateLSTM
from rnnreport.widgets.gate_population import GatePopulation
from rnnreport.widgets.gate_replay import GateReplay
from rnnreport.widgets.page import CSS
from rnnreport.widgets.temporal_gate import TemporalGate

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

GATES = [
    {"tau": tau, "s": s, "r_on": r_on, "leak": leak, "steps": 24}
    for tau, s, r_on, leak in product(
        (0.7, 1.0, 6.0, 6.1, 40.0), (-7.3, 0.0, 3.0, 11.9), (0.01, 0.2, 0.55, 1.0), (0.0, 0.1, 1.0)
    )
]
TIMES = [
    *np.arange(-30, 60).tolist(),
    *np.linspace(-10, 50, 241).tolist(),
    3.6,
    4.2,
    1e-9,
    -1e-9,
    1e6,
    987_654.3,
    1_700_000_003.0,
    1.7e9 + 0.25,
]
PARTS = ("tau", "s", "r_on", "leak")


def k(t: Any, gate: Mapping[str, Any]) -> np.ndarray:
    """The library's k(t), without a leak where none is given."""
    tau, s, r_on = (torch.as_tensor(gate[name], dtype=torch.float64) for name in ("tau", "s", "r_on"))
    return temporal_gate(torch.as_tensor(t, dtype=torch.float64), tau, s, r_on, gate.get("leak", 0.0)).numpy()


# The gate and one unit


def test_the_gate_is_the_library_s(node: list[str]) -> None:
    cases = [[t, *(gate[part] for part in PARTS)] for gate in GATES for t in TIMES]
    found = in_node(node, TemporalGate, "temporalGate", cases)
    expected = np.concatenate([k(TIMES, gate) for gate in GATES])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert 0 <= min(found) < 1e-9
    assert 0.99 < max(found) <= 1


@settings(max_examples=20)
@given(
    tau=st.floats(1e-2, 1e4),
    s=st.floats(-1e4, 1e4),
    r_on=st.floats(1e-3, 1),
    leak=st.floats(0, 1),
    t=st.floats(-10, 1e6),
)
def test_any_gate_is_the_library_s(node: list[str], tau: float, s: float, r_on: float, leak: float, t: float) -> None:
    """At the time drawn and at the kinks as they are rounded."""
    gate = {"tau": tau, "s": s, "r_on": r_on, "leak": leak}
    times = [t, s, s + tau, s + tau * r_on, s + tau * r_on / 2, s - 3 * tau, float(round(t))]
    found = in_node(node, TemporalGate, "temporalGate", [[time, tau, s, r_on, leak] for time in times])
    np.testing.assert_allclose(found, k(times, gate), rtol=0, atol=1e-12)


def jumps(gate: Mapping[str, Any]) -> np.ndarray:
    """Where a leaking gate shuts and opens, within the drawing."""
    n = np.arange(-20, 60)[:, None] if gate["leak"] else np.zeros((0, 1))
    return (gate["s"] + gate["tau"] * (n + np.array([0, gate["r_on"]]))).ravel()


def test_the_line_drawn_is_k_everywhere(node: list[str]) -> None:
    """Between the corners k is linear, so the line through them is k(t) itself."""
    for gate, line in zip(GATES, in_node(node, TemporalGate, "corners", [[gate] for gate in GATES]), strict=True):
        t, height = np.array(line).T
        assert (t[0], t[-1]) == (0, gate["steps"])
        assert (np.diff(t) > -1e-12).all()
        between = np.linspace(0, gate["steps"], 977)
        between = between[np.abs(between[:, None] - jumps(gate)).min(1, initial=1) > 1e-9]
        np.testing.assert_allclose(np.interp(between, t, height), k(between, gate), atol=1e-9, err_msg=str(gate))


@pytest.mark.parametrize("leak", [0.0, 0.5])
@pytest.mark.parametrize("tau", [1e-3, 1e-9, 5e-324, 1e300])
def test_the_line_has_few_corners_whatever_the_period(node: list[str], tau: float, leak: float) -> None:
    (line,) = in_node(node, TemporalGate, "corners", [[{"tau": tau, "s": 3, "r_on": 0.2, "leak": leak, "steps": 24}]])
    assert 2 <= len(line) <= 5020
    assert all(0 <= t <= 24 and 0 <= height <= 1 for t, height in line)
    assert all(b[0] - a[0] > -1e-12 for a, b in pairwise(line))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, r"open at the whole steps 4, 10, 16 and 22; the largest k there is 0\.33, although"),
        ({"tau": 12.0, "s": 3.5, "r_on": 0.1}, r"open at the whole steps 4 and 16; the largest k there is 0\.83"),
        ({"tau": 24.0, "s": 3.5, "r_on": 0.05}, r"open at the whole step 4; the largest k there is 0\.83"),
        ({"s": 3.5, "r_on": 0.01}, r"open at none of the whole steps 1 to 24: .* not update this unit once"),
        ({"s": 3.5, "r_on": 0.01, "leak": 0.1}, r"open at none .* would update this unit through its leak alone"),
        ({"r_on": 1.0}, r"open at 20 of the 24 whole steps; k reaches 1 there\."),
        ({"tau": 1.0, "s": 0.5, "r_on": 1.0}, r"open at all 24 whole steps; k reaches 1 there\."),
        ({"tau": 12.0, "s": 3.999, "r_on": 0.05}, r"k stays below 0\.01 there"),
        ({"tau": 12.0, "s": 3.4, "r_on": 0.1003}, r"the largest k there is 0\.99, although"),
    ],
)
def test_the_sentence_says_what_is_drawn(node: list[str], changed: dict[str, float], says: str) -> None:
    gate = {"tau": 6.0, "s": 3.0, "r_on": 0.2, "leak": 0.0, "steps": 24, **changed}
    (sentence,) = in_node(node, TemporalGate, "describe", [[gate]])
    assert re.search(says, sentence), sentence
    whole = k(np.arange(1, 25), gate)
    for number in re.findall(r"largest k there is ([\d.]+)", sentence):
        assert float(number) == pytest.approx(whole.max(), abs=0.01)


UNIT = ("weight_ih", "weight_hh", "bias")


def reads(widget: TemporalGate) -> list[float]:
    return widget.burst if widget.input == "burst" else [int(digit) / 4.5 - 1 for digit in widget.digits]


def states(widget: TemporalGate, gated: bool) -> np.ndarray:
    """k, h and c of the widget's unit by the library's steps, float64, (T, 3)."""
    weights = [torch.tensor(getattr(widget, name), dtype=torch.float64) for name in UNIT]
    weights[:2] = [weight[:, None] for weight in weights[:2]]
    openness = torch.from_numpy(k(np.arange(1, widget.steps + 1), {part: getattr(widget, part) for part in PARTS}))
    h = c = torch.zeros(1, 1, dtype=torch.float64)
    rows = []
    for number, k_t in zip(reads(widget), openness, strict=True):
        x = torch.tensor([[number]], dtype=torch.float64)
        h, c = temporal_gate_lstm_step(x, h, c, k_t, *weights) if gated else lstm_step(x, h, c, *weights)
        rows.append([k_t.item(), h.item(), c.item()])
    return np.array(rows)


@pytest.mark.parametrize("input", ["palindrome", "burst"])
@pytest.mark.parametrize(
    "changed",
    [{}, {"r_on": 1.0}, {"leak": 0.3}, {"s": -8.2, "tau": 0.7}, {"s": 3.5, "r_on": 0.01}, {"steps": 1}, {"steps": 301}],
)
def test_the_unit_is_the_library_s(node: list[str], changed: dict[str, Any], input: str) -> None:
    widget = TemporalGate(**changed, input=input)
    state = in_page(widget)
    (x,) = in_node(node, TemporalGate, "read", [[state]])
    assert x == reads(widget)
    assert len(x) == widget.steps
    unit = {name: state[name] for name in UNIT}
    gated, ungated = in_node(node, TemporalGate, "run", [[unit, x, state], [unit, x]])
    for found, expected in ((gated, states(widget, True)), (ungated, states(widget, False))):
        got = np.array([[step["h"], step["c"]] for step in found])
        np.testing.assert_allclose(got, expected[:, 1:], rtol=0, atol=1e-12)
    shut = 0
    for before, after in pairwise([{"h": 0, "c": 0}, *gated]):
        if after["k"] == 0:
            shut += 1
            assert (after["h"], after["c"]) == (before["h"], before["c"]), "to the bit"
    assert shut == (states(widget, True)[:, 0] == 0).sum()
    assert shut > 0 or changed.get("leak") or changed.get("r_on") == 1 or widget.steps == 1 or widget.tau < 1


def test_the_default_gate_holds_what_the_ungated_unit_overwrites() -> None:
    widget = TemporalGate()
    (gated, ungated) = (states(widget, which)[:, 2] for which in (True, False))
    first = gated[3]  # after step 4, the first that is open
    assert (gated[3:21] >= first).all()
    assert (gated[3:21] < 1.5 * first).all()
    assert ungated[3:21].min() < -first
    assert ungated[3:21].max() > 2 * first


def test_the_share_left_is_the_derivative_along_the_cell(node: list[str]) -> None:
    """With no weight on h, c(T) depends on c(t) through the cell alone: autograd says how much."""
    widget = TemporalGate(leak=0.02)
    unit = {"weight_ih": [0.5, 0.4, 2.0, 1.0], "weight_hh": [0.0] * 4, "bias": [1.0, 0.3, 0.0, 0.5]}
    weights = [torch.tensor(unit[name], dtype=torch.float64).view(4, *[1] * (name != "bias")) for name in UNIT]
    (gated,) = in_node(node, TemporalGate, "run", [[unit, reads(widget), in_page(widget)]])
    for t in (4, 10, 24):
        start = torch.tensor([[gated[t - 1]["c"]]], dtype=torch.float64, requires_grad=True)
        h, c = torch.zeros_like(start), start
        for step, number in list(zip(gated, reads(widget)))[t:]:
            x = torch.tensor([[number]], dtype=torch.float64)
            h, c = temporal_gate_lstm_step(x, h, c, torch.tensor(step["k"], dtype=torch.float64), *weights)
        (slope,) = torch.autograd.grad(c.sum(), start)
        (share,) = in_node(node, TemporalGate, "keptShare", [[gated, t]])
        assert share == pytest.approx(slope.item(), rel=1e-12)


@pytest.mark.parametrize(
    ("changed", "says", "silent"),
    [
        (
            {},
            r"^At the other 20 steps c and h stand still, to the last bit\. Of what c holds after step 4, (\d+)%",
            "noise",
        ),
        ({"steps": 4}, r"^At the other 3 steps c and h stand still, to the last bit\.$", "Of what"),
        ({"tau": 1.1, "s": 4.1}, r"c and h stand still, but for what rounding leaves of k\.", "to the last bit"),
        ({"steps": 5}, r"Of what c holds after step 4, all remains at step 5; without the gate, \d+%\.$", "noise"),
        (
            {"leak": 0.1},
            r"^Where it is shut it leaks, by up to 0\.08, and c and h drift\. Of what c",
            "to the last bit",
        ),
        ({"s": 3.5, "r_on": 0.01}, r"^Its c and h stay 0, to the last bit\.$", "Of what"),
        ({"s": 3.5, "r_on": 0.01, "leak": 0.2}, r"leaks, by up to 0\.\d+, and c and h drift\.$", "stay 0"),
        ({"tau": 1.0, "s": 0.5, "r_on": 1.0, "leak": 1.0}, r"^Of what c holds after step 1, under 1%", "leaks"),
        ({"input": "burst"}, r"The noise is loud at 12 steps; the gate is open at none of them\.$", "palindrome"),
        ({"input": "burst", "s": 5.0}, r"The noise is loud at 12 steps; the gate is open at 4 of them\.$", "none"),
    ],
)
def test_the_sentence_says_what_becomes_of_the_states(
    node: list[str], changed: dict[str, Any], says: str, silent: str
) -> None:
    widget = TemporalGate(**changed)
    state = in_page(widget)
    gated, ungated = in_node(node, TemporalGate, "run", [[state, reads(widget), state], [state, reads(widget)]])
    (sentence,) = in_node(node, TemporalGate, "describeStates", [[state, reads(widget), gated, ungated]])
    found = re.search(says, sentence)
    assert found, sentence
    assert silent not in sentence
    for share in found.groups():
        steps = states(widget, True)
        forget = np.array([step["f"] for step in gated])
        assert float(share) == pytest.approx(100 * np.prod((1 - steps[:, 0] * (1 - forget))[4:]), abs=0.5)


@pytest.mark.parametrize("input", ["palindrome", "burst"])
def test_loud_steps_are_those_of_the_bursts(node: list[str], input: str) -> None:
    widget = TemporalGate(input=input)
    (loud,) = in_node(node, TemporalGate, "loudSteps", [[in_page(widget), reads(widget)]])
    assert loud == [t for t in range(1, 25) if t % 6 < 3 and input == "burst"]


@pytest.mark.parametrize("steps", [1, 2, 7, 24, 1000])
def test_what_is_read_is_a_palindrome_or_quiet_with_bursts(steps: int) -> None:
    widget = TemporalGate(steps=steps)
    assert re.fullmatch(f"[0-9]{{{steps}}}", widget.digits)
    rest = widget.digits[1:]
    assert rest == rest[::-1], "the last digit of the palindrome, not read, is its first"
    loud = np.arange(1, steps + 1) % 6 < 3
    assert ((np.abs(widget.burst) > 1) == loud).all()
    before = widget.digits
    widget.steps = 24
    assert (len(widget.digits), len(widget.burst)) == (24, 24)
    widget.steps = steps
    assert widget.digits == before
    widget.set_state({"steps": 24})  # as a reset in the page
    assert (len(widget.digits), len(widget.burst)) == (24, 24)


def test_the_page_gets_the_whole_widget() -> None:
    wanted = {"tau": 8.0, "s": 1.0, "r_on": 0.5, "steps": 30, "leak": 0.25, "input": "burst"}
    state = TemporalGate(**wanted).get_state()  # type: ignore[arg-type]
    assert {name: state[name] for name in wanted} == wanted
    assert state["_esm"] == TemporalGate._esm
    assert state["_css"] == CSS.read_text(encoding="utf-8")
    usual = {"tau": 6, "s": 3, "r_on": 0.2, "steps": 24, "leak": 0, "input": "palindrome"}
    assert TemporalGate().get_state(list(usual)) == usual


def test_the_traits_follow_the_sliders() -> None:
    gate = TemporalGate()
    gate.set_state({"tau": 7.5, "leak": 0.1, "input": "burst"})  # what arrives when the reader moves them
    assert (gate.tau, gate.leak, gate.input) == (7.5, 0.1, "burst")
    with pytest.raises(TraitError):
        gate.set_state({"r_on": 0})
    assert gate.r_on == 0.2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("tau", value) for value in (0, -1.0, math.nan, math.inf)],
        *[("s", value) for value in (math.nan, math.inf, -math.inf)],
        *[("r_on", value) for value in (0, -0.1, 1.01, math.nan, math.inf)],
        *[("leak", value) for value in (-0.1, 1.01, math.nan)],
        *[("steps", value) for value in (0, -3, 1001)],
    ],
)
def test_a_value_out_of_range_is_one_clear_sentence(name: str, value: float) -> None:
    gate = TemporalGate()
    before = getattr(gate, name)
    for attempt in (lambda: setattr(gate, name, value), lambda: TemporalGate(**{name: value})):  # type: ignore[arg-type]
        with pytest.raises(TraitError, match=rf"^{name} must be an? [^.]+, not {value}"):
            attempt()
    assert getattr(gate, name) == before


@pytest.mark.parametrize(("name", "value"), [("tau", "6"), ("s", None), ("steps", 2.5), ("input", 3)])
def test_a_value_of_the_wrong_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(TraitError, match=name):
        TemporalGate(**{name: value})  # type: ignore[arg-type]


# A population of gates


POPULATIONS = [
    {"units": 128, "shortest": 1.0, "longest": 40.0, "length": 20},
    {"units": 7, "seed": 3, "shortest": 5.0, "longest": 5.0, "r_on": 1.0, "length": 1},
    {"units": 64, "seed": 1, "shortest": 0.5, "longest": 2000.0, "r_on": 0.01, "length": 1000},
    {"units": 3, "shortest": 500.0, "longest": 900.0, "r_on": 0.05, "length": 5},
]


def open_at(tau: np.ndarray, s: np.ndarray, r_on: np.ndarray, length: int) -> np.ndarray:
    """Where the library's gates are open, (T, H)."""
    return k(np.arange(1.0, length + 1)[:, None], {"tau": tau, "s": s, "r_on": r_on}) > 1e-9


def steps_open(node: list[str], widget: type, gates: list[Any], length: int) -> np.ndarray:
    """The same in the page."""
    found = np.zeros((length, len(gates)), dtype=bool)
    for unit, steps in enumerate(in_node(node, widget, "openSteps", [[gate, length] for gate in gates])):
        found[np.array(steps, dtype=int) - 1, unit] = True
    return found


@pytest.mark.parametrize("options", POPULATIONS)
def test_the_population_s_map_is_the_library_s(node: list[str], options: dict[str, Any]) -> None:
    widget = GatePopulation(**options)
    state = in_page(widget)
    (gates,) = in_node(node, GatePopulation, "population", [[state, state]])
    tau, s, r_on = widget.gates()
    order = np.argsort(tau, kind="stable")
    for name, values in (("tau", tau), ("s", s), ("r_on", r_on)):
        np.testing.assert_allclose([gate[name] for gate in gates], values[order], rtol=1e-12)
    expected = open_at(tau, s, r_on, widget.length)
    found = steps_open(node, GatePopulation, gates, widget.length)
    np.testing.assert_array_equal(found, expected[:, order])

    opens = [(np.flatnonzero(unit) + 1).tolist() for unit in found.T]
    assert in_node(node, GatePopulation, "unitsOpen", [[opens, widget.length]]) == [expected.sum(1).tolist()]
    (sentence,) = in_node(node, GatePopulation, "describe", [[gates, opens, widget.length]])
    dead, silent = int((~expected.any(0)).sum()), int((~expected.any(1)).sum())
    units = len(tau)
    assert sentence.startswith(
        f"{dead} of {units} units (" if dead else f"Every one of the {units} units opens within T"
    )
    assert (f" {silent} of {widget.length} steps (" if silent else "some unit is open.") in sentence
    if dead < units:
        median = np.median(expected.sum(0)[expected.any(0)])
        assert re.search(rf"at a median of {median:g} steps?[. ]", sentence)


def test_why_units_never_open(node: list[str]) -> None:
    """In continuous time some of them do, as a fine grid finds."""
    widget = GatePopulation(units=128, longest=40.0, length=20)
    tau, s, r_on = widget.gates()
    gates = [{"tau": a, "s": b, "r_on": c} for a, b, c in zip(tau, s, r_on)]
    found = in_node(node, GatePopulation, "opensBetween", [[gate, 20] for gate in gates])
    fine = np.linspace(1, 20, 20_001)[:, None]
    expected = (k(fine, {"tau": tau, "s": s, "r_on": r_on}) > 0).any(0)
    np.testing.assert_array_equal(found, expected)
    dead = ~open_at(tau, s, r_on, 20).any(0)
    opens = [(np.flatnonzero(unit) + 1).tolist() for unit in open_at(tau, s, r_on, 20).T]
    (sentence,) = in_node(node, GatePopulation, "describe", [[gates, opens, 20]])
    between = int(expected[dead].sum())
    assert 0 < between < dead.sum()
    reasons = f"{between} open only between two whole steps and {dead.sum() - between} would open later."
    assert f"Of those that never do, {reasons}" in sentence


def test_the_population_is_drawn_as_the_model_draws_it() -> None:
    widget = GatePopulation(units=512, seed=5, shortest=2.0, longest=60.0, r_on=0.2)
    ours, theirs = widget.gates(), TemporalGateLSTM(1, 512)
    torch.manual_seed(0)
    theirs.draw_gate(2.0, 60.0, 0.2)
    for mine, other in zip(
        (np.log(ours[0]), ours[1] / ours[0]), torch.stack([theirs.gate()[0].log(), theirs.gate()[1] / theirs.gate()[0]])
    ):
        other = other.detach().numpy()
        assert mine.min() == pytest.approx(other.min(), abs=0.05)
        assert mine.mean() == pytest.approx(other.mean(), abs=0.2)
        assert mine.max() == pytest.approx(other.max(), abs=0.05)
    assert (ours[2] == 0.2).all()
    again = GatePopulation(units=512, seed=5)
    assert (again.u_tau, again.u_s) == (widget.u_tau, widget.u_s)
    assert GatePopulation(units=512, seed=6).u_tau != widget.u_tau
    before = widget.u_tau
    widget.set_state({"shortest": 70.0, "longest": 80.0, "length": 5})  # what arrives when the reader moves things
    assert (widget.shortest, widget.longest, widget.length, widget.u_tau) == (70, 80, 5, before)
    assert ((widget.gates()[0] >= 70) & (widget.gates()[0] <= 80)).all()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *[
            (end, value, "a finite number > 0")
            for end, value in product(("shortest", "longest"), (0.0, -1.0, math.inf, math.nan))
        ],
        *[("r_on", value, "a finite number > 0 and <= 1") for value in (0.0, 1.5, math.nan)],
        *[("length", value, "an integer from 1 to 1000") for value in (0, 1001)],
    ],
)
def test_a_population_out_of_range_is_one_clear_sentence(name: str, value: float, allowed: str) -> None:
    widget = GatePopulation(units=3)
    before = getattr(widget, name)
    for attempt in (lambda: setattr(widget, name, value), lambda: GatePopulation(**{name: value})):  # type: ignore[arg-type]
        with pytest.raises(TraitError) as refused:
            attempt()
        assert str(refused.value) == f"{name} must be {allowed}, not {value!r}."
    assert getattr(widget, name) == before
    with pytest.raises(TraitError):
        widget.set_state({name: value})
    assert getattr(widget, name) == before


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("shortest", 101.0, "shortest must be at most longest, not 101 where longest is 100."),
        ("longest", 0.5, "shortest must be at most longest, not 1 where longest is 0.5."),
    ],
)
def test_the_shortest_period_is_at_most_the_longest(name: str, value: float, says: str) -> None:
    widget = GatePopulation(units=3)
    for attempt in (
        lambda: setattr(widget, name, value),
        lambda: widget.set_state({name: value}),
        lambda: GatePopulation(**{name: value}),  # type: ignore[arg-type]
    ):
        with pytest.raises(TraitError) as refused:
            attempt()
        assert str(refused.value) == says
    assert (widget.shortest, widget.longest) == (1, 100)
    with widget.hold_trait_notifications():
        widget.shortest, widget.longest = 200.0, 300.0
    assert (widget.shortest, widget.longest) == (200, 300)


@pytest.mark.parametrize("units", [0, 513, 2.5])
def test_a_population_has_1_to_512_units(units: Any) -> None:
    with pytest.raises(TraitError, match=rf"^units must be an integer from 1 to 512, not {units}\.$"):
        GatePopulation(units=units)


# The replay of a training


def training(snapshots: int = 4, units: int = 6, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    moved = generator.normal(size=(3, snapshots, units)).cumsum(1) * 0.05
    tau = 40 ** generator.random(units) * np.exp(moved[0])
    return {"tau": tau, "s": generator.random(units) * 9 + moved[1], "r_on": 0.05 * np.exp(moved[2])}


def replay(**options: Any) -> GateReplay:
    return GateReplay(**{"steps": [0, 10, 20, 50], **training(), "length": 20, **options})


def unpacked(node: list[str], widget: GateReplay) -> list[list[dict[str, float]]]:
    (found,) = in_node(node, GateReplay, "unpack", [[in_page(widget)]])
    return found


@pytest.mark.parametrize("weights", [None, "units", "snapshots"])
def test_the_page_gets_what_was_learned(node: list[str], weights: str | None) -> None:
    given = training()
    generator = np.random.default_rng(1)
    weight = {None: None, "units": 3 * generator.random(6), "snapshots": 3 * generator.random((4, 6))}[weights]
    found = unpacked(node, replay(weight=weight))
    order = np.argsort(given["tau"][0].astype(np.float32), kind="stable")
    for name, values in given.items():
        got = np.array([[gate[name] for gate in gates] for gates in found])
        np.testing.assert_array_equal(got, values.astype(np.float32).astype(np.float64)[:, order])
    strength = np.array([[gate["strength"] for gate in gates] for gates in found])
    expected = np.ones((4, 6)) if weight is None else np.broadcast_to(weight / weight.max(), (4, 6))
    np.testing.assert_allclose(strength, expected[:, order], rtol=1e-6)


def test_the_replay_s_map_is_the_library_s(node: list[str]) -> None:
    given = training(snapshots=5, units=40)
    widget = replay(steps=[0, 1, 2, 3, 9], **given)
    rounded = {name: values.astype(np.float32).astype(np.float64) for name, values in given.items()}
    order = np.argsort(rounded["tau"][0], kind="stable")
    dead = []
    for at, gates in enumerate(unpacked(node, widget)):
        expected = open_at(*(values[at] for values in rounded.values()), 20)
        np.testing.assert_array_equal(steps_open(node, GateReplay, gates, 20), expected[:, order])
        dead.append(int((~expected.any(0)).sum()))
    found = in_node(node, GateReplay, "deadUnits", [[gates, 20] for gates in unpacked(node, widget)])
    assert found == dead
    assert 0 < dead[0] < 40
    assert len(set(dead)) > 1


def test_the_sentence_says_what_has_moved(node: list[str]) -> None:
    tau = np.array([[2.0, 10.0], [2.5, 11.0], [3.0, 11.0]])
    s = np.array([[0.0, 4.0], [0.0, 2.5], [0.0, -2.0]])
    widget = replay(steps=[0, 100, 200], tau=tau, s=s, r_on=np.full((3, 2), 0.25), length=20)
    snapshots = unpacked(node, widget)
    cases = [[snapshots, [1, 0, 2], {**in_page(widget), "snapshot": at}] for at in range(3)]
    assert in_node(node, GateReplay, "describe", cases) == [
        "At training step 0, where this begins: 1 of 2 units (50%) never open within T = 20.",
        "At training step 100: 0 of 2 units (0%) never open within T = 20, 1 at the start. The largest changes so far: "
        "of a period, from 2 to 2.5; of a shift, from 4 to 2.5; of an open ratio, none.",
        "At training step 200: 2 of 2 units (100%) never open within T = 20, 1 at the start. "
        "The largest changes so far: of a period, from 2 to 3; of a shift, from 4 to −2; of an open ratio, none.",
    ]


def test_the_share_of_openings_in_the_noise_is_the_library_s(node: list[str]) -> None:
    given, loud = training(units=40), [1, 2, 3, 11, 12, 20]
    widget = replay(**given, loud=loud)
    assert in_page(widget)["loud"] == loud
    for at, gates in enumerate(unpacked(node, widget)):
        opens = [np.flatnonzero(unit) + 1 for unit in steps_open(node, GateReplay, gates, 20).T]
        expected = open_at(*(values[at].astype(np.float32).astype(np.float64) for values in given.values()), 20)
        (share,) = in_node(node, GateReplay, "inNoise", [[[unit.tolist() for unit in opens], loud]])
        assert share == pytest.approx(expected[np.array(loud) - 1].sum() / expected.sum())
    assert in_node(node, GateReplay, "inNoise", [[[[], []], loud]]) == [0]


def test_the_sentence_says_what_falls_into_the_noise(node: list[str]) -> None:
    widget = replay(steps=[0, 9], tau=[[2.0], [3.0]], s=[[0.0], [0.0]], r_on=[[0.5], [0.5]])
    cases = [[unpacked(node, widget), [0, 0], {**in_page(widget), "snapshot": at}, [0.75, 0.5]] for at in (0, 1)]
    never = "0 of 1 units (0%) never open within T = 20, and"
    assert in_node(node, GateReplay, "describe", cases) == [
        f"At training step 0, where this begins: {never} 75% of the openings fall into the noise.",
        f"At training step 9: {never} 50% of the openings fall into the noise, 75% at the start. The largest changes "
        "so far: of a period, from 2 to 3; of a shift, none; of an open ratio, none.",
    ]


def test_every_float32_is_decoded(node: list[str]) -> None:
    numbers = np.array([0, -0.0, 1.5, -3.25e-40, 3.4e38, np.pi], dtype="<f4")
    (found,) = in_node(node, GateReplay, "decode", [[base64.b64encode(numbers.tobytes()).decode(), "float32"]])
    assert found == numbers.astype(np.float64).tolist()


def test_a_page_carries_fifty_snapshots_of_128_units() -> None:
    widget = GateReplay(np.arange(50), **training(50, 128), length=20, weight=np.ones(128))
    assert sum(len(value) for value in in_page(widget).values() if isinstance(value, str)) < 105_000


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"steps": [5]}, r"^steps must be at least 2 increasing integers, not \[5\]\.$"),
        ({"steps": [0, 10, 10, 20]}, r"^steps must be at least 2 increasing integers, not \[0, 10, 10, 20\]\.$"),
        ({"steps": [0, 1, 2, 3.5]}, r"^steps must be at least 2 increasing integers"),
        ({"steps": [0, 1, 2]}, r"^tau must have shape \(3, 6\) here, not \(4, 6\)\.$"),
        ({"tau": 2.0}, r"^tau must have shape \(4, 1\) here, not \(\)\.$"),
        ({"s": np.zeros((4, 5))}, r"^s must have shape \(4, 6\) here, not \(4, 5\)\.$"),
        ({"tau": np.full((4, 6), -1.0)}, r"^tau must hold numbers > 0, not -1\.0\.$"),
        ({"tau": np.full((4, 6), 1e-60)}, r"^tau must hold numbers > 0, not 0\.0\.$"),
        ({"tau": np.full((4, 6), 1e60)}, r"^tau must hold numbers within the range of float32, not inf\.$"),
        ({"s": np.full((4, 6), math.nan)}, r"^s must hold finite numbers only\.$"),
        ({"r_on": np.full((4, 6), 1.5)}, r"^r_on must hold numbers > 0 and <= 1, not 1\.5\.$"),
        ({"weight": -np.ones(6)}, r"^weight must hold numbers >= 0, not -1\.0\.$"),
        ({"weight": np.zeros(6)}, r"^weight must hold a number other than 0\.$"),
        ({"weight": np.ones(5)}, r"^weight must have shape \(6,\) here, not \(5,\)\.$"),
        ({"length": 0}, r"^length must be an integer from 1 to 1000, not 0\.$"),
        ({"loud": [21]}, r"^loud must be steps from 1 to 20, not \[21\]\.$"),
        ({"snapshot": 4}, r"^snapshot must be an integer from 0 to 3, not 4\.$"),
        ({"against": "tau"}, r"^against must be one of r_on, s, not 'tau'\.$"),
        (
            {"steps": range(60), **training(60, 128)},
            r"^tau must be of 1 to 512 units and at most 6400 numbers here, not of shape \(60, 128\)\.$",
        ),
    ],
)
def test_a_replay_that_cannot_be_drawn_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(TraitError, match=says):
        replay(**changed)


def test_the_replay_follows_its_controls() -> None:
    widget = replay()
    widget.set_state({"snapshot": 3, "against": "s"})
    assert (widget.snapshot, widget.against) == (3, "s")
    with pytest.raises(TraitError, match=r"^snapshot must be an integer from 0 to 3, not -1\.$"):
        widget.snapshot = -1
    with pytest.raises(TraitError):
        widget.set_state({"snapshot": 4})
    assert widget.snapshot == 3


# In a browser


PICTURE = "nodes => nodes.map(node => node.toDataURL?.() ?? node.outerHTML).join()"


def picture(widget: Locator) -> str:
    return widget.locator("svg path, canvas").evaluate_all(PICTURE)


ALL = {
    "unit": lambda: TemporalGate(tau=6.5),
    "population": lambda: GatePopulation(units=64, longest=40.0, length=20),
    "replay": lambda: replay(weight=np.arange(6.0), words="What weight is."),
    "replay, with noise": lambda: replay(loud=[1, 2, 3, 11, 12]),
}


@pytest.mark.parametrize("name", ALL)
def test_every_control_has_a_name_and_redraws_by_keyboard(shown: Shown, name: str) -> None:
    widget = shown(ALL[name]())
    at_first, says = picture(widget), widget.get_by_role("status").inner_text()
    for slider in widget.get_by_role("slider").all():
        assert re.search(r'slider "[^"]*\w', slider.aria_snapshot())
        drawn = picture(widget)
        for key in ("ArrowRight", "ArrowLeft", "End", "Home"):
            slider.press(key)
            assert drawn != (drawn := picture(widget)), f"{key} did not redraw"
        assert slider.get_attribute("aria-valuetext")
        widget.get_by_role("button", name="Reset").click()
    for radio in [*widget.get_by_role("radio").all()][::-1]:
        drawn = picture(widget)
        radio.check()
        assert drawn != picture(widget)
    assert widget.get_by_role("radiogroup").count() == (name != "population")
    for image in widget.get_by_role("img").all():
        assert image.get_attribute("aria-label")
    widget.get_by_role("button", name="Reset").click()
    assert (picture(widget), widget.get_by_role("status").inner_text()) == (at_first, says)


@pytest.mark.parametrize("name", ALL)
def test_it_fits_a_narrow_page(shown: Shown, page: Page, name: str) -> None:
    for width in (320, 360, 1000):
        page.set_viewport_size({"width": width, "height": 900})
        widget = shown(ALL[name]())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = widget.locator("svg text").evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect())")
        assert all(box["left"] >= 0 and box["right"] <= width for box in boxes), "a label is cut off"


def test_the_ends_of_the_periods_stay_in_order(shown: Shown, page: Page) -> None:
    widget = shown(ALL["population"]())
    shortest, longest = (widget.get_by_role("slider", name=f"{end} period") for end in ("shortest", "longest"))
    shortest.press("End")
    assert shortest.get_attribute("aria-valuetext") == longest.get_attribute("aria-valuetext") == "40 steps"
    assert shortest.input_value() == longest.input_value()
    shortest.press("Home")
    longest.press("Home")
    assert shortest.get_attribute("aria-valuetext") == longest.get_attribute("aria-valuetext") == "0.5 steps"
    saved = page.evaluate("window.saved")
    GatePopulation().set_state({name: saved[name] for name in ("shortest", "longest")})  # Python takes it


def test_shut_is_drawn_flat(shown: Shown) -> None:
    """The line of c moves up or down at the open steps only."""
    widget = shown(TemporalGate())  # open at 4, 10, 16 and 22
    line = widget.locator("path.curve").evaluate_all("nodes => nodes.map(node => node.getAttribute('d'))")
    for path in (path for path in line if "H" in path):
        heights = [re.search(r",(.*?) ", path)[1], *re.findall(r"V(\S+)", path)]  # type: ignore[index]
        assert [t for t, (a, b) in enumerate(pairwise(heights), start=1) if a != b] == [4, 10, 16, 22]


def test_loud_steps_are_shaded(shown: Shown) -> None:
    widget = shown(TemporalGate())
    bars, key = widget.locator("svg[role=img] path.loud"), widget.get_by_text("loud noise", exact=True)
    assert bars.get_attribute("d") == ""
    assert not key.is_visible()
    widget.get_by_role("radio", name="bursts of noise").check()
    ends = [(float(a), float(b)) for a, b in re.findall(r"M(\S+?),\S+ H(\S+)", bars.get_attribute("d") or "")]
    assert len(ends) == 12
    widths = [right - left for left, right in ends]
    assert min(widths) > 1
    assert max(widths) - min(widths) < 0.05  # each as wide as a step, rounded to a hundredth
    assert any(abs(after[0] - before[1]) < 0.05 for before, after in pairwise(ends))  # and beside the next
    assert key.is_visible()
    assert shown(ALL["replay"]()).locator(".heat path.loud[d*=Z]").count() == 0
    assert shown(ALL["replay, with noise"]()).locator(".heat path.loud[d*=Z]").count() == 2  # map and counts


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_training_is_played_to_its_end(stopped: Shown, page: Page, motion: Any) -> None:
    page.emulate_media(reduced_motion=motion)
    widget = stopped(replay())
    slider, says = widget.get_by_role("slider", name="training step"), widget.get_by_role("status")
    frames = [picture(widget)]
    widget.get_by_role("button", name="Play").click()
    assert says.get_attribute("aria-live") == "off", "the steps are not read out one by one"
    for step in ("10", "20", "50"):
        page.clock.run_for(200 if motion == "no-preference" else 1200)
        assert slider.get_attribute("aria-valuetext") == step
        frames.append(picture(widget))
    assert len(set(frames)) == 4
    assert says.get_attribute("aria-live") is None
    assert says.inner_text().startswith("At training step 50: ")
    widget.get_by_role("button", name="Play").click()
    assert slider.get_attribute("aria-valuetext") == "0", "it begins again"
    widget.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert slider.get_attribute("aria-valuetext") == "0"
    widget.get_by_role("button", name="Play").click()
    page.evaluate("window.stop()")
    page.clock.run_for(5000)
    assert slider.get_attribute("aria-valuetext") == "0", "what is gone from the page plays no more"
