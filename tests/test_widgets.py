"""The widgets without a browser: their mathematics in node, held against the library's, and their Python half."""

from __future__ import annotations

import json
import math
import re
import subprocess
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from traitlets import TraitError

from rnnreport import widgets
from rnnreport.cells import temporal_gate
from rnnreport.widgets import TemporalGate

MODULES = sorted(widgets.HERE.glob("*.js"))
GATES = [
    {"tau": tau, "s": s, "r_on": r_on, "steps": 24}
    for tau, s, r_on in product((0.7, 1.0, 6.0, 6.1, 40.0), (-7.3, 0.0, 3.0, 11.9), (0.01, 0.2, 0.55, 1.0))
]
TIMES = [*np.arange(-30, 60).tolist(), *np.linspace(-10, 50, 241).tolist(), 3.6, 4.2, 1e-9, -1e-9]


def in_node(node: list[str], module: str, function: str, arguments: list[list[Any]]) -> list[Any]:
    """What an exported function of a widget's module returns for each list of arguments."""
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ {function} }} from {json.dumps((widgets.HERE / module).as_uri())};
        const results = JSON.parse(readFileSync(0, "utf-8")).map((values) => {function}(...values));
        process.stdout.write(JSON.stringify(results));
    """
    command = [*node, "--input-type=module", "--eval", script]
    done = subprocess.run(command, input=json.dumps(arguments), capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def k(t: Any, gate: dict[str, float]) -> np.ndarray:
    """The library's k(t)."""
    tau, s, r_on = (torch.tensor(gate[name], dtype=torch.float64) for name in ("tau", "s", "r_on"))
    return temporal_gate(torch.as_tensor(t, dtype=torch.float64), tau, s, r_on).numpy()


def test_the_gate_is_the_library_s(node: list[str]) -> None:
    cases = [[t, gate["tau"], gate["s"], gate["r_on"]] for gate in GATES for t in TIMES]
    found = in_node(node, "temporal_gate.js", "temporalGate", cases)
    expected = np.concatenate([k(TIMES, gate) for gate in GATES])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)
    assert 0 <= min(found) < 1e-9
    assert 0.99 < max(found) <= 1


def test_the_line_drawn_is_k_everywhere(node: list[str]) -> None:
    """Between the corners k is linear, so the line through them is k(t) itself."""
    for gate, line in zip(GATES, in_node(node, "temporal_gate.js", "corners", [[gate] for gate in GATES]), strict=True):
        t, height = np.array(line).T
        assert (t[0], t[-1]) == (0, gate["steps"])
        assert (np.diff(t) > -1e-12).all()
        between = np.linspace(0, gate["steps"], 977)
        np.testing.assert_allclose(np.interp(between, t, height), k(between, gate), atol=1e-9, err_msg=str(gate))


@pytest.mark.parametrize("tau", [1e-3, 1e-9, 5e-324, 1e300])
def test_the_line_has_few_corners_whatever_the_period(node: list[str], tau: float) -> None:
    (line,) = in_node(node, "temporal_gate.js", "corners", [[{"tau": tau, "s": 3, "r_on": 0.2, "steps": 24}]])
    assert 2 <= len(line) <= 3010
    assert all(0 <= t <= 24 and 0 <= height <= 1 for t, height in line)
    assert all(b[0] - a[0] > -1e-12 for a, b in pairwise(line))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, r"open at the whole steps 4, 10, 16 and 22; the largest k there is 0\.33, although"),
        ({"tau": 12.0, "s": 3.5, "r_on": 0.1}, r"open at the whole steps 4 and 16; the largest k there is 0\.83"),
        ({"tau": 24.0, "s": 3.5, "r_on": 0.05}, r"open at the whole step 4; the largest k there is 0\.83"),
        ({"s": 3.5, "r_on": 0.01}, r"open at none of the whole steps 1 to 24: .* not update this unit once"),
        ({"r_on": 1.0}, r"open at 20 of the 24 whole steps; k reaches 1 there\."),
        ({"tau": 1.0, "s": 0.5, "r_on": 1.0}, r"open at all 24 whole steps; k reaches 1 there\."),
        ({"tau": 12.0, "s": 3.999, "r_on": 0.05}, r"k stays below 0\.01 there"),
        ({"tau": 12.0, "s": 3.4, "r_on": 0.1003}, r"the largest k there is 0\.99, although"),
    ],
)
def test_the_sentence_says_what_is_drawn(node: list[str], changed: dict[str, float], says: str) -> None:
    gate = {"tau": 6.0, "s": 3.0, "r_on": 0.2, "steps": 24, **changed}
    (sentence,) = in_node(node, "temporal_gate.js", "describe", [[gate]])
    assert re.search(says, sentence), sentence
    whole = k(np.arange(1, 25), gate)
    for number in re.findall(r"largest k there is ([\d.]+)", sentence):
        assert float(number) == pytest.approx(whole.max(), abs=0.01)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_stand_alone(module: Path) -> None:
    """A widget's module is all that the page gets: it imports nothing, asks no host and writes no markup."""
    source = module.read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\bimport\b|\bfetch\b|\beval\b", source
    )
    assert set(re.findall(r"https?://[^\s\"'`]+", source)) <= {"http://www.w3.org/2000/svg"}
    assert "export default { render }" in source


def test_the_page_gets_the_whole_widget() -> None:
    state = TemporalGate(tau=8.0, s=1.0, r_on=0.5, steps=30).get_state()
    assert {name: state[name] for name in ("tau", "s", "r_on", "steps")} == {"tau": 8, "s": 1, "r_on": 0.5, "steps": 30}
    assert state["_esm"] == (widgets.HERE / "temporal_gate.js").read_text(encoding="utf-8")
    assert state["_css"] == (widgets.HERE / "widgets.css").read_text(encoding="utf-8")
    assert TemporalGate().get_state(["tau", "s", "r_on", "steps"]) == {"tau": 6, "s": 3, "r_on": 0.2, "steps": 24}


def test_the_traits_follow_the_sliders() -> None:
    gate = TemporalGate()
    gate.set_state({"tau": 7.5})  # what arrives when the reader moves one
    assert gate.tau == 7.5
    with pytest.raises(TraitError):
        gate.set_state({"r_on": 0})
    assert gate.r_on == 0.2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("tau", value) for value in (0, -1.0, math.nan, math.inf)],
        *[("s", value) for value in (math.nan, math.inf, -math.inf)],
        *[("r_on", value) for value in (0, -0.1, 1.01, math.nan, math.inf)],
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


@pytest.mark.parametrize(("name", "value"), [("tau", "6"), ("s", None), ("steps", 2.5)])
def test_a_value_of_the_wrong_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(TraitError, match=name):
        TemporalGate(**{name: value})  # type: ignore[arg-type]
