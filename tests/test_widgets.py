"""The widgets: their mathematics in node, held against the library's, their Python half, and in a browser."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from itertools import pairwise, product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import START, Shown, in_node, settle
from conftest import in_page as page_state
from traitlets import TraitError

from rnnreport import bugs, cell_path, gradients
from rnnreport.models import Encoding, ModelName, PalindromeClassifier
from rnnreport.palindromes import palindrome_batch
from rnnreport.training import Recipe, train
from rnnreport.widgets.bug_museum import BugMuseum
from rnnreport.widgets.character_writer import CharacterWriter
from rnnreport.widgets.derivation import FLIPS, Derivation
from rnnreport.widgets.gate_population import GatePopulation
from rnnreport.widgets.gate_replay import GateReplay
from rnnreport.widgets.gate_trainer import GateTrainer
from rnnreport.widgets.page import HERE
from rnnreport.widgets.palindrome_reader import PalindromeReader
from rnnreport.widgets.palindrome_trainer import PalindromeTrainer
from rnnreport.widgets.temporal_gate import TemporalGate
from rnnreport.widgets.text_trainer import TextTrainer
from rnnreport.widgets.vanishing_gradient import VanishingGradient
from rnnreport.widgets.worlds import Worlds

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WIDGETS = {
    "temporal_gate.js": TemporalGate,
    "gate_population.js": GatePopulation,
    "gate_replay.js": GateReplay,
    "vanishing_gradient.js": VanishingGradient,
    "derivation.js": Derivation,
    "palindrome_reader.js": PalindromeReader,
    "character_writer.js": CharacterWriter,
    "worlds.js": Worlds,
    "bug_museum.js": BugMuseum,
    "palindrome_trainer.js": PalindromeTrainer,
    "gate_trainer.js": GateTrainer,
    "text_trainer.js": TextTrainer,
}


@pytest.mark.parametrize("name", WIDGETS)
def test_modules_stand_alone(name: str) -> None:
    """A widget's module is all that the page gets: it imports nothing, asks no host and writes no markup."""
    source: str = WIDGETS[name]._esm  # type: ignore[assignment]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\bimport\b|\bfetch\b|\beval\b", source
    )
    assert set(re.findall(r"https?://[^\s\"'`]+", source)) <= {"http://www.w3.org/2000/svg"}
    assert "export default { render }" in source


SHARED = {"page.js", "weights.js", "gate.js", "gate_map.js", "writer.js", "shown.js"}
SHARED |= {"network.js", "chance.js", "plain.js", "tasks.js", "trainer.js"}  # what learns in the page
SHARED |= {"training.js", "curves.js", "trainings.js", "lesson.js", "text_training.js", "safetensors.js"}
COMPILED = 'const KERNELS = "'


def lines(name: str) -> list[str]:
    """A module's lines, but for what it asks of others."""
    source = (HERE / name).read_text(encoding="utf-8")
    return re.sub(r"^import .*?;\n", "", source, flags=re.M | re.S).splitlines()


@pytest.mark.parametrize("name", WIDGETS)
def test_the_page_gets_the_whole_module_and_each_that_it_needs_once(name: str) -> None:
    source: str = WIDGETS[name]._esm  # type: ignore[assignment]
    found = [line for line in source.splitlines() if not line.startswith(COMPILED)]
    needed = {other for other in SHARED if lines(other)[0] in found}
    assert "page.js" in needed
    assert ("gate.js" in needed) == ("gate" in name and "trainer" not in name)
    assert ("network.js" in needed) == (len(found) < len(source.splitlines()))
    assert sorted(found) == sorted(line for one in {name, *needed} for line in lines(one))


def test_every_module_is_some_widget_s() -> None:
    assert {path.name for path in HERE.glob("*.js")} == {*WIDGETS, *SHARED}


@pytest.mark.parametrize(
    ("value", "digits", "says"),
    [
        (1.0, 2, "1"),
        (0.4812, 2, "0.48"),
        (0.9961, 2, "1"),
        (0.9961, 3, "0.996"),
        (99.96, 3, "100"),
        (1234.5, 2, "1.2·10³"),
        (6.44e-12, 2, "6.4·10⁻¹²"),
        (9.96e-5, 2, "1.0·10⁻⁴"),
        (2.0**-126, 2, "1.2·10⁻³⁸"),
    ],
)
def test_powers_are_rounded_and_readable(node: list[str], value: float, digits: int, says: str) -> None:
    assert in_node(node, VanishingGradient, "power", [[math.log(value), digits]]) == [says]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        *[(0.0, "0"), (6.0, "6"), (-7.25, "-7.25"), (0.005, "0.005"), (5e-5, "0.0001"), (123_456_789.0, "123456789")],
        *[(4.4e-5, "4.4·10⁻⁵"), (-1e-9, "-1.0·10⁻⁹"), (1e9, "1.0·10⁹"), (1e300, "1.0·10³⁰⁰")],
    ],
)
def test_no_number_shrinks_to_zero_or_grows_past_the_drawing(node: list[str], value: float, says: str) -> None:
    assert in_node(node, VanishingGradient, "number", [[value]]) == [says]


# The vanishing gradient


def network(units: int, inputs: int = 3, steps: int = 300, seed: int = 0) -> VanishingGradient:
    x, _, weights, *_ = gradients.lstm_draw(steps, 1, inputs, units, 2, seed=seed, std=inputs**-0.5)
    return VanishingGradient(x, weights)


def settings(spectral_radius: float, length: int, input_size: float, forget_bias: float = 1.0) -> dict[str, float]:
    moved = {"spectral_radius": spectral_radius, "length": length, "input_size": input_size}
    return {**moved, "forget_bias": forget_bias}


def measure(node: list[str], widget: VanishingGradient, cases: list[dict[str, float]]) -> list[dict[str, Any]]:
    (rnn,) = in_node(node, VanishingGradient, "ungated", [[traits(widget, "x", "weight_ih", "weight_hh")]])
    return in_node(node, VanishingGradient, "measure", [[rnn, case] for case in cases])


def traits(widget: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(widget, name) for name in names}


def weights_in_library(widget: VanishingGradient, case: dict[str, float]) -> tuple[torch.Tensor, ...]:
    """x (T, 1, D), weight_ih and weight_hh that the same settings mean to the library."""
    x, weight_ih, weight_hh = (
        torch.tensor(each, dtype=torch.float64) for each in (widget.x, widget.weight_ih, widget.weight_hh)
    )
    return x[: int(case["length"]), None], weight_ih * case["input_size"], weight_hh * case["spectral_radius"]


def in_library(widget: VanishingGradient, case: dict[str, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """The states (T + 1, 1, H) and W_hh that the same settings mean to the library."""
    x, weight_ih, weight_hh = weights_in_library(widget, case)
    W_hx, W_hh = weight_ih.chunk(4)[2], weight_hh.chunk(4)[2]
    weights = gradients.Weights(
        W_hx, W_hh, b_h=x.new_zeros(len(W_hh)), W_ph=x.new_zeros(2, len(W_hh)), b_p=x.new_zeros(2)
    )
    return gradients.forward(x, torch.zeros(1, dtype=torch.int64), weights).h, W_hh


# The longer and the more explosive a run, the more the last bits of two machines' tanh would part its states.
RUNS = [
    *[settings(radius, 100, size) for radius, size in product((0.5, 0.9, 1.0), (0.0, 0.1, 0.3, 1.0, 3.0))],
    *[settings(radius, 30, size) for radius, size in product((1.2, 2.0, 3.0), (0.0, 0.3, 1.0, 3.0))],
    settings(0.9, 300, 0.3),
    settings(1.0, 1, 0.3),
    settings(0.3, 300, 0.0),
]


@pytest.mark.parametrize("units", [1, 2, 5, 16])
def test_the_norms_are_the_library_s(node: list[str], units: int) -> None:
    widget = network(units)
    for case, found in zip(RUNS, measure(node, widget, RUNS), strict=True):
        h, W_hh = in_library(widget, case)
        norms = gradients.jacobian_norms(h, W_hh)[:, 0].numpy()
        seen = norms > 1e-290  # below, the library's product loses digits; the page's does not
        logs = np.array(found["logNorms"])
        np.testing.assert_allclose(np.exp(logs[seen]), norms[seen], rtol=1e-9, err_msg=str(case))
        assert (logs[~seen] < np.log(1e-289)).all()
        bound = (found["steepest"] * found["norm"]) ** np.arange(len(norms))
        np.testing.assert_allclose(bound, gradients.jacobian_bound(h, W_hh)[:, 0], rtol=1e-9, atol=1e-300)
        assert found["mean"] == pytest.approx(float((1 - h[1:] ** 2).mean()), rel=1e-9)


@pytest.mark.parametrize("units", [1, 2, 5, 16])
def test_the_lstm_s_norms_are_the_library_s(node: list[str], units: int) -> None:
    """All ways together, and along the cell alone."""
    widget = network(units)
    cases = [
        settings(radius, 60, size, bias)
        for radius, size, bias in product((0.05, 0.9, 3.0), (0.0, 0.3, 3.0), (-2.0, 1.0, 6.0))
    ]
    given = traits(widget, "x", "weight_ih", "weight_hh")
    measured = in_node(node, VanishingGradient, "measureLSTM", [[given, case] for case in cases])
    for case, found in zip(cases, measured, strict=True):
        x, weight_ih, weight_hh = weights_in_library(widget, case)
        bias = torch.zeros(4 * units, dtype=torch.float64)
        bias[units : 2 * units] = case["forget_bias"]
        run = cell_path.forward(x, weight_ih, weight_hh, bias)
        norms = torch.linalg.matrix_norm(cell_path.state_jacobians(run, weight_hh)[:, 0], ord=2)
        cell = cell_path.forget_products(run.f).amax((1, 2))
        np.testing.assert_allclose(np.exp(found["logNorms"]), norms, rtol=1e-8, err_msg=str(case))
        np.testing.assert_allclose(np.exp(found["cell"]), cell, rtol=1e-9, err_msg=str(case))
        assert found["forget"] == pytest.approx(float(run.f.mean()), rel=1e-9)


@pytest.mark.parametrize(
    ("rate", "cell", "says"),
    [
        (0.5, 0.4, r"^The LSTM's gradient vanishes: .* of h\(0\), c\(0\) at most 9\.8·10⁻⁴ .* 0\.5 per step\."),
        (
            2.0,
            0.99,
            r"^The LSTM's gradient explodes: .* Along its cells alone, .* 0\.8 on average, at most 0\.9 is left\.$",
        ),
        (0.99, 0.98, r"^The LSTM's gradient neither vanishes nor explodes: .* at most 0\.82 is left\.$"),
    ],
)
def test_the_sentence_says_what_becomes_of_the_lstm_s_gradient(
    node: list[str], rate: float, cell: float, says: str
) -> None:
    found = {"logNorms": [0, 10 * math.log(rate)], "cell": [0, 10 * math.log(cell)], "forget": 0.8}
    (sentence,) = in_node(node, VanishingGradient, "describeLSTM", [[found, settings(1.0, 10, 1.0)]])
    assert re.search(says, sentence), sentence


@pytest.mark.parametrize("input_size", [0.0, 1.0])
def test_nothing_underflows(node: list[str], input_size: float) -> None:
    """A spectral radius of 0.05 over 300 steps comes to 10^-380 and less."""
    widget, case = network(16), settings(0.05, 300, input_size)
    (found,) = measure(node, widget, [case])
    h, W_hh = in_library(widget, case)
    jacobian, logs = np.eye(16), [0.0]
    for state in h[1:, 0].flip(0):
        jacobian = jacobian @ ((1 - state.numpy() ** 2)[:, None] * W_hh.numpy())
        norm = np.linalg.norm(jacobian, 2)
        jacobian /= norm
        logs.append(logs[-1] + math.log(norm))
    assert logs[-1] < -380 * math.log(10)
    np.testing.assert_allclose(found["logNorms"], logs, atol=1e-9)


def test_a_gradient_of_exactly_zero(node: list[str]) -> None:
    """A nilpotent W_hh forgets everything after two steps."""
    nilpotent = {"W_hh": [[0.0, 1.0], [0.0, 0.0]], "W_hx": [[1.0], [1.0]], "x": [[0.0]] * 4}
    (found,) = in_node(node, VanishingGradient, "measure", [[nilpotent, settings(1.0, 4, 1.0)]])
    assert found["logNorms"] == [0, 0, None, None, None]  # JSON writes the logarithm of zero as null
    found["logNorms"][2:] = [-math.inf] * 3
    (sentence,) = in_node(node, VanishingGradient, "describe", [[found, settings(1.0, 4, 1.0)]])
    assert sentence.startswith("The RNN's gradient is exactly zero from 2 steps back")


@pytest.mark.parametrize("ratio", [1.0, 1 - 1e-13, 1 - 1e-9, 1 - 1e-6, 0.99, 0.5, 1e-3, 1e-12, 0.0])
def test_the_largest_singular_value_however_close_the_second(node: list[str], ratio: float) -> None:
    generator = np.random.default_rng(0)
    left, right = (np.linalg.qr(generator.normal(size=(5, 5)))[0] for _ in range(2))
    for scale in (1e-200, 1.0, 1e200):
        W_hh = left @ np.diag(scale * ratio ** np.arange(5.0)) @ right
        given = {"W_hh": W_hh.tolist(), "W_hx": [[0.0]] * 5, "x": [[0.0]]}
        (found,) = in_node(node, VanishingGradient, "measure", [[given, settings(1.0, 1, 1.0)]])
        assert found["norm"] == pytest.approx(scale, rel=1e-12)


def fading(rate: float, length: int) -> dict[str, Any]:
    return {"logNorms": [lag * math.log(rate) for lag in range(length + 1)], "mean": 0.3}


@pytest.mark.parametrize(
    ("rate", "length", "radius", "says"),
    [
        (
            0.5,
            100,
            0.9,
            r"^The RNN's gradient vanishes: .* at most 7\.9·10⁻³¹ .* after 100 steps, a factor of 0\.5 per step\.$",
        ),
        (0.5, 200, 0.9, r"After 127 steps it falls below the smallest normal float32 number, 1\.2·10⁻³⁸; where"),
        (0.5, 10, 1.0, r"ρ is not below 1 does not help: .* mean slope is 0\.3 "),
        (
            2.0,
            20,
            1.5,
            r"^The RNN's gradient explodes: .* 1\.0·10⁶ times as large after 20 steps, a factor of 2 per step\.$",
        ),
        (2.0, 200, 1.5, r"After 128 steps it is too large for float32, beyond 3\.4·10³⁸\.$"),
        (0.99, 1, 0.9, r"^The RNN's gradient neither vanishes nor explodes: .* 0\.99 times .* after 1 step, a factor"),
        (1.001, 100, 1.2, r"^The RNN's gradient neither .* nor explodes: .* 1\.1 times .* factor of 1 per step\.$"),
    ],
)
def test_the_sentence_says_what_becomes_of_the_gradient(
    node: list[str], rate: float, length: int, radius: float, says: str
) -> None:
    asked = [fading(rate, length), settings(radius, length, 0.3)]
    (sentence,) = in_node(node, VanishingGradient, "describe", [asked])
    assert re.search(says, sentence), sentence
    assert ("float32" in sentence) == (abs(length * math.log2(rate)) > 126)


def test_the_page_gets_matrices_of_spectral_radius_one() -> None:
    x, _, weights, *_ = gradients.lstm_draw(40, 1, 3, 16, 2, seed=0)
    state = VanishingGradient(x, weights, 1.3, 40, 0.5, 2.0).get_state()
    weight_ih, weight_hh, _ = weights.stacked()
    for ours, drawn in zip(np.split(np.array(state["weight_hh"]), 4), weight_hh.chunk(4)):
        radius = torch.linalg.eigvals(drawn).abs().max()
        np.testing.assert_allclose(ours, drawn / radius, rtol=1e-12)
    assert state["weight_ih"] == weight_ih.tolist()
    assert state["x"] == x[:, 0].tolist()
    assert {name: state[name] for name in settings(0, 0, 0)} == settings(1.3, 40, 0.5, 2.0)
    assert state["_css"] == TemporalGate().get_state()["_css"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("spectral_radius", value) for value in (0, -1.0, 10.5, math.nan, math.inf)],
        *[("input_size", value) for value in (-0.1, 10.5, math.nan)],
        *[("forget_bias", value) for value in (-20.5, 21.0, math.nan)],
        *[("length", value) for value in (0, 301)],
    ],
)
def test_settings_out_of_range_are_one_clear_sentence(name: str, value: float) -> None:
    widget = network(3)
    before = getattr(widget, name)
    with pytest.raises(TraitError, match=rf"^{name} must be an? [^.]+, not {value}"):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_a_network_that_cannot_be_drawn_is_refused() -> None:
    x, _, weights, *_ = gradients.lstm_draw(4, 1, 3, 5, 2, seed=0)
    for inputs, changed, says in (
        (x[:, 0], {}, r"^x must have shape \(4, 1, 3\) here, not \(4, 3\)\.$"),
        (x.expand(4, 2, 3), {}, r"^x must have shape \(4, 1, 3\) here, not \(4, 2, 3\)\.$"),
        (x * math.nan, {}, r"^x must hold finite numbers only\.$"),
        (x, {"W_gx": weights.W_gx[:, :2]}, r"^W_gx must have shape \(5, 3\) here, not \(5, 2\)\.$"),
        (x, {"W_fh": weights.W_fh[:, :2]}, r"^W_fh must have shape \(5, 5\) here, not \(5, 2\)\.$"),
        (x, {"W_gh": torch.zeros(17, 17)}, r"^W_gh must have 1 to 16 rows here, not 17\.$"),
        (x, {"W_oh": 0 * weights.W_oh}, r"^W_oh must have an eigenvalue other than 0"),
    ):
        with pytest.raises(TraitError, match=says):
            VanishingGradient(inputs, weights._replace(**changed), length=4)
    with pytest.raises(TraitError, match=r"^length must be an integer from 1 to 4, not 100\.$"):
        VanishingGradient(x, weights)


# The derivation


PROBLEMS = {
    (T, units, seed): gradients.draw(T, 1, 2, units, units, seed=seed, std=0.8)
    for T, units, seed in product((2, 3, 6), (2, 3, 4), (0, 1))
}
LATER = {  # which lines are written in terms of which
    "p": ["W_ph", "b_p", "h_T"],
    "jacobian": ["h"],
    "h_T": ["h", "a"],
    "h": ["a"],
    "a": ["W_hh", "W_hx", "b_h"],
}
AT = {"A": "p", "C": "jacobian", "E": "a", "B": "W_ph", "D.sign": "h_T", "D.output": "h_T", "D.jacobian": "h"}
AT |= {"F.last": "W_hh", "F.first": "W_hh", "F.state": "W_hh", "F.bias_last": "b_h"}
AT |= {"F.input": "W_hx", "F.input_last": "W_hx"}


def in_page(problem: Any) -> dict[str, Any]:
    return traits(Derivation(*problem), "x", "y", "W_hx", "W_hh", "b_h", "W_ph", "b_p")


def line_of(flip: str) -> str:
    return AT.get(flip) or AT[flip[0]]


def inheriting(line: str) -> set[str]:
    return {line}.union(*(inheriting(later) for later in LATER.get(line, [])))


def by_autograd(problem: Any) -> dict[str, torch.Tensor]:
    """What each line of the derivation should be."""
    x, y, weights = problem
    leaves = gradients.Weights(*(weight.clone().requires_grad_() for weight in weights))
    state, states, arguments = torch.zeros(1, len(weights.b_h), dtype=torch.float64), [], []
    for x_t in x:
        arguments.append(x_t @ leaves.W_hx.T + state @ leaves.W_hh.T + leaves.b_h)
        state = arguments[-1].tanh()
        states.append(state)
    p = state @ leaves.W_ph.T + leaves.b_p
    loss = torch.nn.functional.cross_entropy(p, y)
    to_p, *to_rest = torch.autograd.grad(loss, [p, *leaves, *states, *arguments], retain_graph=True)
    to_weights, to_states, to_arguments = to_rest[:5], to_rest[5 : 5 + len(x)], to_rest[5 + len(x) :]
    jacobians = [
        torch.autograd.functional.jacobian(
            lambda before, x_t=x_t: (x_t[0] @ weights.W_hx.T + before @ weights.W_hh.T + weights.b_h).tanh(), before
        )
        for x_t, before in zip(x, [torch.zeros_like(states[0][0]), *(state[0].detach() for state in states[:-1])])
    ]
    return {
        **dict(zip(gradients.Weights._fields, to_weights)),
        "p": to_p[0],
        "h_T": to_states[-1][0],
        "h": torch.cat(to_states[:-1]),
        "a": torch.cat(to_arguments),
        "jacobian": torch.stack(jacobians),
    }


def derived(node: list[str], problem: Any, flips: list[str]) -> dict[str, torch.Tensor]:
    (found,) = in_node(node, Derivation, "derive", [[in_page(problem), flips]])
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}


@pytest.mark.parametrize(("function", "tolerance"), [("derive", 1e-12), ("differences", 1e-7)])
def test_both_of_the_page_s_gradients_are_autograd_s(node: list[str], function: str, tolerance: float) -> None:
    asked = [[in_page(problem), []] for problem in PROBLEMS.values()]
    for problem, found in zip(PROBLEMS.values(), in_node(node, Derivation, function, asked), strict=True):
        for name, expected in by_autograd(problem).items():
            got = torch.tensor(found[name], dtype=torch.float64)
            assert gradients.relative_difference(got, expected) < tolerance, name


@pytest.mark.parametrize("key", [(3, 3, 0), (6, 4, 1)])
def test_flipped_lines_are_what_their_switch_says(node: list[str], key: tuple[int, int, int]) -> None:
    """Held against the library where it holds the same mistake, and against the state of each step elsewhere."""
    x, y, weights = problem = PROBLEMS[key]
    run, delta = gradients.forward(x, y, weights), gradients.deltas(gradients.forward(x, y, weights), y, weights)[:, 0]
    error, h = by_autograd(problem)["p"], run.h[:, 0]
    expected = {
        ("C.sec", "E.sec"): ("W_hh", gradients.printed_whh(x, y, weights, gradients.WHH_READINGS["sec² for sech²"])),
        ("B.summed",): ("W_ph", gradients.printed_wph(x, y, weights, "line 3, l summed")),
        ("B.state",): ("W_ph", torch.outer(error, h[-2])),
        ("A.sign",): ("p", -error),
        ("A.target",): ("p", run.y_hat[0]),
        ("D.sign",): ("W_hh", -gradients.gradients(x, y, weights).W_hh),
        ("D.output",): ("h_T", weights.W_ph @ error),
        ("D.jacobian",): ("h", derivative_untransposed(h, weights.W_hh, weights.W_ph.T @ error)),
        ("C.transposed",): ("jacobian", (1 - h[1:] ** 2).unsqueeze(2) * weights.W_hh.T),
        ("C.slope",): ("jacobian", weights.W_hh.expand(len(x), -1, -1)),
        ("E.slope",): ("a", by_autograd(problem)["h"]),
        ("F.last",): ("W_hh", gradients.contributions_by_lag(x, y, weights)[0]),
        ("F.first",): ("W_hh", gradients.contributions_by_lag(x, y, weights)[:-1].sum(0)),
        ("F.state",): ("W_hh", delta.T @ h[1:]),
        ("F.input",): ("W_hx", delta[1:].T @ x[:-1, 0]),
        ("F.input_last",): ("W_hx", torch.outer(delta[-1], x[-1, 0])),
        ("F.bias_last",): ("b_h", delta[-1]),
    }
    assert {flip for flips in expected for flip in flips} == set(FLIPS)
    for flips, (name, value) in expected.items():
        found = derived(node, problem, list(flips))[name][: len(value)]
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-14, msg=str(flips))


def derivative_untransposed(h: torch.Tensor, W_hh: torch.Tensor, to_state: torch.Tensor) -> torch.Tensor:
    """∂L/∂h(t) for t < T with (C) where its transpose belongs."""
    found = []
    for state in h[2:].flip(0):
        to_state = (1 - state**2) * (W_hh @ to_state)
        found.append(to_state)
    return torch.stack(found[::-1])


def verdicts(node: list[str], problem: Any, lists: list[list[str]]) -> list[list[dict[str, Any]]]:
    given = in_page(problem)
    (truth,) = in_node(node, Derivation, "differences", [[given]])
    return in_node(node, Derivation, "judge", [[given, truth, flips] for flips in lists])


def names(judged: list[dict[str, Any]], *kinds: str) -> set[str]:
    return {line["name"] for line in judged if line["verdict"] in kinds}


def test_a_mistake_spreads_to_the_lines_that_use_it(node: list[str]) -> None:
    problem = gradients.draw(3, 1, 2, 3, 3, seed=1, std=0.8)  # the chapter's
    lists = [[flip] for flip in FLIPS]
    for (flip,), judged in zip(lists, verdicts(node, problem, lists), strict=True):
        spread = set() if flip == "F.first" else inheriting(line_of(flip))  # h(0) = 0: the first term is zero
        assert names(judged, "wrong") == spread & {line_of(flip)}, flip
        assert names(judged, "inherited") == spread - {line_of(flip)}, flip
        for line in judged:
            assert line["difference"] > 1e-2 if line["name"] in spread else line["difference"] < 1e-8, (flip, line)


@pytest.mark.parametrize(
    ("flips", "wrong", "inherited", "says"),
    [
        ([], [], [], r"^All 10 lines agree with the finite differences\."),
        (
            ["F.first"],
            [],
            [],
            r"^One switch is flipped, and all 10 lines are still right: .* it makes no difference\.$",
        ),
        (
            ["F.state"],
            ["W_hh"],
            [],
            r"1 of 10 lines is wrong\. The first is \(F\) ∂L/∂Whh, .* No other line inherits it\.$",
        ),
        (
            ["A.sign", "D.sign"],
            ["p"],
            ["W_ph", "b_p"],
            r"^2 switches .* 3 of 10 .* Inherited by: \(B\) ∂L/∂Wph and \(B\)",
        ),
        (
            ["E.slope", "C.transposed"],
            ["jacobian", "a"],
            ["h", "W_hh", "W_hx", "b_h"],
            r"6 of 10 .* The first is \(C\) ∂h\(t\+1\)/∂h\(t\), where an error enters, as it does at \(E\) δ\(t\)\.",
        ),
        (
            ["A.sign", "B.state"],
            ["p", "W_ph"],
            ["b_p", "h_T", "h", "a", "W_hh", "W_hx", "b_h"],
            r"9 of 10 lines are wrong",
        ),
    ],
)
def test_the_sentence_names_the_lines_that_are_wrong(
    node: list[str], flips: list[str], wrong: list[str], inherited: list[str], says: str
) -> None:
    (judged,) = verdicts(node, gradients.draw(3, 1, 2, 3, 3, seed=1, std=0.8), [flips])
    assert names(judged, "wrong") == set(wrong)
    assert names(judged, "inherited") == set(inherited)
    (sentence,) = in_node(node, Derivation, "describe", [[judged, flips]])
    assert re.search(says, sentence), sentence


def test_the_differences_in_the_page_are_the_library_s(node: list[str]) -> None:
    pairs = [([1.0, 2.0], [1.0, 2.5]), ([[0.0, 3.0]], [[4.0, 0.0]]), ([0.0, 0.0], [0.0, 0.0]), ([1.0], [1.0])]
    expected = [gradients.relative_difference(torch.tensor(a), torch.tensor(b)) for a, b in pairs]
    assert in_node(node, Derivation, "relativeDifference", [[*pair] for pair in pairs]) == pytest.approx(expected)


def test_switches_of_the_same_part_exclude_each_other(node: list[str]) -> None:
    asked = [[[], "C.sec", True], [["A.sign", "C.slope"], "C.sec", True], [["A.sign", "C.sec"], "C.sec", False]]
    assert in_node(node, Derivation, "toggled", asked) == [["C.sec"], ["A.sign", "C.sec"], ["A.sign"]]


# A bug to find

HUNTED = gradients.draw(3, 1, 2, 3, 3, seed=1, std=0.8)  # the chapter's
WEIGHTS = {"W_ph", "b_p", "W_hh", "W_hx", "b_h"}


def test_every_bug_that_makes_a_difference_comes_once_before_any_comes_again(node: list[str]) -> None:
    given = in_page(HUNTED)
    (truth,) = in_node(node, Derivation, "differences", [[given]])
    (findable,) = in_node(node, Derivation, "findable", [[given, truth]])
    assert set(findable) == set(FLIPS) - {"F.first"}
    count = len(findable)
    found = in_node(node, Derivation, "planted", [[bug, findable] for bug in range(1, 3 * count + 1)])
    rounds = [found[start : start + count] for start in range(0, 3 * count, count)]
    assert all(sorted(each) == sorted(findable) for each in rounds)
    assert len({tuple(each) for each in [findable, *rounds]}) == 4, "each round in an order of its own"
    assert all(one != other for one, other in pairwise(found)), "a new one each press"


def test_a_hunt_tells_what_the_weights_gradients_say_and_what_was_suspected(node: list[str]) -> None:
    lists = [[flip] for flip in FLIPS if flip != "F.first"]
    found = verdicts(node, HUNTED, lists)
    asked = [[line, suspected] for judged in found for line in judged for suspected in ([], [line["name"]])]
    told = iter(in_node(node, Derivation, "clue", asked))
    for (flip,), judged in zip(lists, found, strict=True):
        clues = {line["name"]: (next(told), next(told)) for line in judged}
        off = inheriting(line_of(flip)) & WEIGHTS
        assert {name for name, (before, _) in clues.items() if before == "differs"} == off, flip
        assert {name for name, (before, _) in clues.items() if before == "right"} == WEIGHTS - off
        assert {name for name, (before, _) in clues.items() if before == "unchecked"} == set(clues) - WEIGHTS
        assert all(clues[line["name"]][1] == line["verdict"] for line in judged)


@pytest.mark.parametrize(
    ("flip", "suspected", "says"),
    [
        ("A.sign", [], "A check of the weights' gradients finds all five wrong. Which line do you suspect?"),
        ("F.input", [], "A check of the weights' gradients finds (F) ∂L/∂Whx wrong. Which line do you suspect?"),
        ("C.sec", ["p"], "No: (A) ∂L/∂p is right. Bug 7 hides in another one."),
        ("C.sec", ["p", "W_hh"], "No: (F) ∂L/∂Whh is wrong only by what it takes from an earlier line. Bug 7"),
    ],
)
def test_what_is_said_in_a_hunt(node: list[str], flip: str, suspected: list[str], says: str) -> None:
    (judged,) = verdicts(node, HUNTED, [[flip]])
    (sentence,) = in_node(node, Derivation, "describeHunt", [[judged, suspected, 7]])
    assert says in sentence


def test_what_is_said_of_a_bug_that_is_found_or_given_away(node: list[str]) -> None:
    (sec,), (last,) = verdicts(node, HUNTED, [["E.sec"]]), verdicts(node, HUNTED, [["F.last"]])
    cases = [[sec, "E.sec", 3, 1], [sec, "E.sec", 3, 2], [last, "F.last", 4, 0]]
    assert in_node(node, Derivation, "describeFound", cases) == [
        f"Yes, found in {tries}. Bug 3 is in (E) δ(t): “sec²a for sech²a = 1 − h², as printed in 2018”. "
        "Inherited by: (F) ∂L/∂Whh, (F) ∂L/∂Whx and (F) ∂L/∂bh."
        for tries in ("1 try", "2 tries")
    ] + ["Bug 4 is in (F) ∂L/∂Whh: “only the last term”. No other line inherits it."]


def test_the_page_gets_the_problem_and_knows_the_same_switches(node: list[str]) -> None:
    x, y, weights = gradients.draw(3, 1, 2, 3, 3, seed=1)
    state = Derivation(x, y, weights, ["A.sign"]).get_state()
    assert state["flips"] == ["A.sign"]
    assert (state["x"], state["y"]) == (x[:, 0].tolist(), y.item())
    assert all(state[name] == weight.tolist() for name, weight in weights._asdict().items())
    assert in_node(node, Derivation, "flipNames", [[]]) == [list(FLIPS)]


def test_a_switch_or_a_problem_that_is_none_is_refused() -> None:
    x, y, weights = gradients.draw(3, 1, 2, 3, 3, seed=1)
    widget = Derivation(x, y, weights)
    with pytest.raises(TraitError, match=r"^flips must be some of A\.sign, .*, not \['G\.sign'\]\.$"):
        widget.flips = ["G.sign"]
    assert widget.flips == []
    with pytest.raises(TraitError, match=r"^bug must be an integer from 0 to 1000000, not -1\.$"):
        widget.bug = -1
    for given, says in (
        ((x[:1], y, weights), r"^x must have at least 2 steps here, not 1\.$"),
        ((x[:, 0], y, weights), r"^x must have shape \(3, 1, 2\) here, not \(3, 2\)\.$"),
        ((x, y + 3, weights), r"^y must be a class from 0 to 2, not [345]\.$"),
        (gradients.draw(3, 1, 2, 3, 4, seed=1), r"^W_ph must have shape \(3, 3\) here, not \(4, 3\)\.$"),
        (gradients.draw(3, 2, 2, 3, 3, seed=1), r"^x must have shape \(3, 1, 2\) here, not \(3, 2, 2\)\.$"),
    ):
        with pytest.raises(TraitError, match=says):
            Derivation(*given)


# The palindrome reader


def classifier(model: ModelName, units: int, encoding: Encoding = "one-hot") -> PalindromeClassifier:
    """A network whose weights are large enough for its gates to move."""
    torch.manual_seed(units)
    network = PalindromeClassifier(model, units, encoding=encoding)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=units**-0.5)
    return network


def trained_classifier(model: ModelName) -> PalindromeClassifier:
    torch.manual_seed(0)
    network = PalindromeClassifier(model, 12, encoding="one-hot", initialisation="uniform")
    recipe = Recipe(steps=80, learning_rate=1e-2, optimizer="adam")
    train(network, lambda generator: palindrome_batch(5, 64, generator), recipe)
    return network


def reads(node: list[str], network: PalindromeClassifier, sequences: list[list[int]]) -> list[list[dict[str, Any]]]:
    """What the page's network does at every step of the sequences."""
    (packed,) = PalindromeReader({"it": network}, 7).networks
    (unpacked,) = in_node(node, PalindromeReader, "unpack", [[packed]])
    return in_node(node, PalindromeReader, "run", [[unpacked, digits] for digits in sequences])


def by_torch(network: PalindromeClassifier, digits: list[int]) -> dict[str, torch.Tensor]:
    """The same by torch.nn's modules, and the gates by equations (4) to (7), with rounded weights: (T, H) each."""
    rounded = PalindromeReader.rounded(network).double()
    x = rounded.encode(torch.tensor(digits)[:, None])
    theirs = rounded.recurrence.to_torch()
    starts: list[list[torch.Tensor]] = [[x.new_zeros(1, 1, theirs.hidden_size)] * len(rounded.recurrence.states)]
    for t in range(len(x)):
        state = theirs(x[t : t + 1], starts[-1][0] if len(starts[-1]) == 1 else tuple(starts[-1]))[1]
        starts.append(list(state) if isinstance(state, tuple) else [state])
    h = torch.cat([state[0][0] for state in starts])
    found = {"h": h[1:], "logits": torch.cat([rounded(torch.tensor(digits)[: t + 1, None]) for t in range(len(x))])}
    if len(starts[0]) == 2:
        weight_ih, weight_hh, bias = rounded.recurrence.weights(0)
        i, f, g, o = (x[:, 0] @ weight_ih.T + h[:-1] @ weight_hh.T + bias).chunk(4, dim=1)
        found |= {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
        found["c"] = torch.cat([state[1][0] for state in starts[1:]])
    return {name: value.detach() for name, value in found.items()}


def assert_the_page_s_is_torch_s(node: list[str], network: PalindromeClassifier, lengths: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    sequences = [generator.integers(10, size=length).tolist() for length in lengths]
    for digits, steps in zip(sequences, reads(node, network, sequences), strict=True):
        expected = by_torch(network, digits)
        assert {name for step in steps for name in step} == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose([step[name] for step in steps], values, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("encoding", ["one-hot", "scalar"])
@pytest.mark.parametrize("units", [1, 5, 32, 128])
@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_the_page_s_network_is_torch_s(node: list[str], model: ModelName, units: int, encoding: Encoding) -> None:
    assert_the_page_s_is_torch_s(node, classifier(model, units, encoding), (1, 6, 19))


@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_the_page_s_network_is_torch_s_once_trained(node: list[str], model: ModelName) -> None:
    network = trained_classifier(model)
    assert_the_page_s_is_torch_s(node, network, (4, 4, 59))
    digits, last = palindrome_batch(5, 200, torch.Generator().manual_seed(1))
    says = network(digits).argmax(-1)
    assert (says == last).double().mean() > 0.5, "it has learned something that rounding could spoil"
    rounded = PalindromeReader.rounded(network)
    assert (rounded(digits).argmax(-1) == says).double().mean() > 0.98
    assert rounded.W_ph.dtype == network.W_ph.dtype
    assert not torch.equal(rounded.W_ph, network.W_ph), "the network itself is left as it is"


def test_every_float16_is_decoded(node: list[str]) -> None:
    bits = np.arange(2**16, dtype="<u2")
    (found,) = in_node(node, PalindromeReader, "decode", [[base64.b64encode(bits.tobytes()).decode(), "float16"]])
    expected = bits.view("<f2").astype(np.float64)
    finite = np.isfinite(expected)
    assert [value is None for value in found] == (~finite).tolist()  # JSON writes what is not finite as null
    assert np.array(found)[finite].tolist() == expected[finite].tolist()


def test_the_probabilities_are_torch_s(node: list[str]) -> None:
    logits = [[0.0] * 10, [1e4, *[-1e4] * 9], np.random.default_rng(0).normal(size=10).tolist()]
    found = in_node(node, PalindromeReader, "softmax", [[values] for values in logits])
    np.testing.assert_allclose(found, torch.tensor(logits, dtype=torch.float64).softmax(-1), atol=1e-15)


def test_the_units_are_ordered_by_their_weight_for_the_answer(node: list[str]) -> None:
    network = classifier("rnn", 9)
    (packed,) = PalindromeReader({"it": network}, 7).networks
    (unpacked,) = in_node(node, PalindromeReader, "unpack", [[packed]])
    for answer, rows in enumerate(in_node(node, PalindromeReader, "order", [[unpacked, digit] for digit in range(10)])):
        weights = PalindromeReader.rounded(network).W_ph[answer].tolist()
        assert [weights[unit] for unit in rows] == sorted(weights, reverse=True)


@pytest.mark.parametrize(
    ("digits", "even", "odd"),
    [
        ("31415", "3141551413", "314151413"),
        ("12", "1221", "121"),
        ("00100", "00100", "00100"),  # it is one already
        ("11", "11", "11"),
        ("10", "1001", "101"),
        ("4", "44", "44"),
        ("", "", ""),
    ],
)
def test_what_is_typed_is_kept_and_mirrored_after_it(node: list[str], digits: str, even: str, odd: str) -> None:
    assert in_node(node, PalindromeReader, "mirror", [[digits, True], [digits, False]]) == [even, odd]


@pytest.mark.parametrize(
    ("typed", "digits", "note"),
    [
        ("12321", "12321", "^$"),
        ("1 2-3", "123", r"^Only the digits 0 to 9 are read; the rest was left out\.$"),
        (
            "<b>٣1</b>",
            "1",
            r"^Only the digits .* left out\. Type at least two digits; what was read last is still shown\.$",
        ),
        ("", "", r"^Type at least two digits; "),
        ("0", "0", r"^Type at least two digits; "),
        ("00", "00", "^$"),
        ("0070", "0070", "^$"),
        ("👩‍🔬 0 1️⃣", "01", r"^Only the digits"),
        ("7" * 60, "7" * 60, "^$"),
        ("7" * 61, "7" * 60, r"^At most 60 digits are read; the rest was left out\.$"),
    ],
)
def test_what_is_typed_becomes_digits(node: list[str], typed: str, digits: str, note: str) -> None:
    (found,) = in_node(node, PalindromeReader, "cleaned", [[typed]])
    assert found["digits"] == digits
    assert re.search(note, found["note"]), found


def sure(digit: int, share: float) -> list[float]:
    return [share if place == digit else (1 - share) / 9 for place in range(10)]


NONE = "These digits are no palindrome{}: what was learned is to say the first one again."
OTHER = "Training was on palindromes of 20 digits, not of {}."


@pytest.mark.parametrize(
    ("digits", "step", "after", "says", "more"),
    [
        ("31415926533562951413", 7, "7 of 19 digits", "would say", []),
        ("31415926533562951413", 19, "all 19 digits", "says", []),
        ("31415926533562951415", 1, "1 of 19 digits", "would say", [NONE.format(", and the last is 5")]),
        ("3123", 3, "all 3 digits", "says", [NONE.format(""), OTHER.format(4)]),
        ("33", 1, "the only digit read", "says", [OTHER.format(2)]),
    ],
)
def test_the_sentence_says_what_the_networks_say(
    node: list[str], digits: str, step: int, after: str, says: str, more: list[str]
) -> None:
    answers = [{"name": "LSTM", "shares": sure(3, 0.92)}, {"name": "RNN", "shares": sure(5, 0.31)}]
    state = {"digits": digits, "step": step, "trained_length": 20}
    sentence = f"After {after} the LSTM {says} 3 (92%), the RNN 5 (31%); the right answer is 3."
    assert in_node(node, PalindromeReader, "describe", [[answers, state]]) == [" ".join([sentence, *more])]


def test_a_zero_is_an_answer_like_any_other(node: list[str]) -> None:
    state = {"digits": "00", "step": 1, "trained_length": 2}
    (sentence,) = in_node(node, PalindromeReader, "describe", [[[{"name": "RNN", "shares": sure(0, 0.5)}], state]])
    assert sentence == "After the only digit read the RNN says 0 (50%); the right answer is 0."


def test_what_is_nearly_certain_is_not_called_certain(node: list[str]) -> None:
    state = {"digits": "33", "step": 1, "trained_length": 2}
    (sentence,) = in_node(node, PalindromeReader, "describe", [[[{"name": "RNN", "shares": sure(3, 0.9999)}], state]])
    assert sentence == "After the only digit read the RNN says 3 (over 99%); the right answer is 3."


def reader(**options: Any) -> PalindromeReader:
    return PalindromeReader({"RNN": classifier("rnn", 3), "LSTM": classifier("lstm", 4, "scalar")}, 20, **options)


def test_the_page_gets_the_networks() -> None:
    state = reader(words={"RNN": "accuracy 0.31"}).get_state()
    wanted = {"digits": "31415926533562951413", "step": 19, "shown": "c", "trained_length": 20}
    assert {name: state[name] for name in wanted} == wanted
    rnn, lstm = state["networks"]
    assert (rnn["name"], rnn["model"], rnn["encoding"], rnn["units"], rnn["words"]) == (
        *("RNN", "rnn", "one-hot", 3),
        "accuracy 0.31",
    )
    assert (lstm["model"], lstm["encoding"], lstm["units"], lstm["words"]) == ("lstm", "scalar", 4, "")
    assert state["_css"] == TemporalGate().get_state()["_css"]


def test_a_page_carries_two_networks_of_128_units() -> None:
    networks = {"RNN": classifier("rnn", 128), "LSTM": classifier("lstm", 128)}
    assert len(json.dumps(PalindromeReader(networks, 20).get_state(["networks"]))) < 300_000


@pytest.mark.parametrize(("length", "digits"), [(2, "33"), (7, "3141413"), (60, None)])
def test_the_first_digits_are_a_palindrome_of_the_trained_length(length: int, digits: str | None) -> None:
    widget = PalindromeReader({"RNN": classifier("rnn", 2)}, length)
    assert widget.digits == widget.digits[::-1]
    assert len(widget.digits) == length
    assert digits in (widget.digits, None)
    assert widget.step == length - 1


def test_the_step_stays_within_the_digits() -> None:
    widget = reader(step=19)
    widget.set_state({"digits": "12321", "step": 4})  # what arrives when the reader types
    assert (widget.digits, widget.step) == ("12321", 4)
    widget.digits = "121"
    assert widget.step == 2
    widget.set_state({"digits": "9" * 60, "step": 59, "shown": "f"})
    assert (widget.step, widget.shown) == (59, "f")
    with pytest.raises(TraitError):
        widget.set_state({"digits": "12", "step": 2})
    assert (len(widget.digits), widget.step) == (60, 59)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *[("digits", value, "2 to 60 of the digits 0 to 9") for value in ("", "1", "1" * 61, "12a", "١٢", "12\n")],
        *[("step", value, "an integer from 1 to 19") for value in (0, -1, 20)],
        *[("shown", value, "one of c, h, i, f, o, g") for value in ("", "ch", "x")],
    ],
)
def test_what_cannot_be_read_is_one_clear_sentence(name: str, value: Any, allowed: str) -> None:
    widget = reader()
    before = getattr(widget, name)
    for attempt in (lambda: setattr(widget, name, value), lambda: reader(**{name: value})):
        with pytest.raises(TraitError) as refused:
            attempt()
        assert str(refused.value) == f"{name} must be {allowed}, not {value!r}."
    assert getattr(widget, name) == before


def changed(weight: str, value: float) -> PalindromeClassifier:
    network = classifier("rnn", 3)
    with torch.no_grad():
        network.get_parameter(weight).view(-1)[1] = value
    return network


def test_a_network_that_the_page_cannot_run_is_refused() -> None:
    for network, says in (
        (torch.nn.Linear(2, 2), r"^it must be a PalindromeClassifier, not Linear\.$"),
        (classifier("temporal-gate", 3), r"^it must be an RNN or an LSTM here, without a temporal gate\.$"),
        (classifier("rnn", 129), r"^it must have at most 128 units here, not 129\.$"),
        (PalindromeClassifier("rnn", 3, classes=9), r"^it must have 10 classes, one a digit, not 9\.$"),
        (changed("W_ph", math.nan), r"^W_ph of it must hold finite numbers only\.$"),
        (changed("recurrence.weight_hh_l0", math.inf), r"^weight_hh of it must hold finite numbers only\.$"),
        (changed("recurrence.bias_l0", -7e4), r"^bias of it must hold numbers within ±65504, the range of float16\.$"),
    ):
        with pytest.raises(TraitError, match=says):
            PalindromeReader({"it": network}, 7)  # type: ignore[dict-item]
    PalindromeReader({"it": changed("b_p", 65504)}, 7)
    with pytest.raises(TraitError, match=r"^networks must hold at least one network\.$"):
        PalindromeReader({}, 7)
    with pytest.raises(TraitError, match=r"^words must be of it, not of LSTM\.$"):
        PalindromeReader({"it": classifier("rnn", 2)}, 7, words={"LSTM": "two layers"})
    for length in (1, 61):
        with pytest.raises(TraitError, match=rf"^trained_length must be an integer from 2 to 60, not {length}\.$"):
            PalindromeReader({"it": classifier("rnn", 2)}, length)


# In a browser


def test_a_planted_bug_is_hidden_until_its_line_is_suspected(shown: Shown, page: Page) -> None:
    widget, keyboard = shown(Derivation(*HUNTED, flips=["A.sign"])), page.keyboard
    says, lines = widget.get_by_role("status"), widget.get_by_role("listitem")
    assert widget.get_by_role("button", name="Suspect").count() == 0
    widget.get_by_role("button", name="Plant a bug").focus()
    keyboard.press("Enter")
    assert says.inner_text().startswith("Bug 1 hides in one of the 10 lines.")
    assert widget.locator("mark, del").count() == widget.get_by_role("checkbox").count() == 0, "nothing gives it away"
    suspects = widget.get_by_role("button", name="Suspect")
    assert suspects.count() == 10
    for place in range(10):
        suspects.nth(place).focus()
        keyboard.press("Space")
        if says.inner_text().startswith("Yes"):
            break
        assert says.inner_text().startswith("No: ")
        assert "unchecked" not in lines.nth(place).get_attribute("class")
        assert suspects.nth(place).evaluate("node => node === document.activeElement")
    assert f"found in {place + 1} tr" in says.inner_text()
    assert lines.nth(place).get_attribute("class") == "wrong"
    assert widget.get_by_role("checkbox", checked=True).count() == widget.locator("mark, del").count() == 1
    plant = widget.get_by_role("button", name="Plant a bug")
    assert plant.evaluate("node => node === document.activeElement"), "what had the focus is gone"
    found = widget.get_by_role("checkbox", checked=True).get_attribute("name")
    plant.click()
    widget.get_by_role("button", name="Give up").click()
    assert says.inner_text().startswith("Bug 2 is in ")
    assert widget.get_by_role("checkbox", checked=True).get_attribute("name") != found
    plant.click()
    widget.get_by_role("button", name="Plant another bug").click()
    assert says.inner_text().startswith("Bug 4 hides")
    widget.get_by_role("button", name="Reset").click()
    assert widget.get_by_role("checkbox", checked=True).get_attribute("name") == "A.sign"
    assert page.evaluate("[window.saved.bug, window.saved.flips.join()]") == [0, "A.sign"]


def typed(shown: Shown, text: str) -> tuple[Locator, Locator]:
    widget = shown(reader())
    field = widget.get_by_role("textbox", name="digits")
    field.fill(text)
    return widget, field


def test_typed_zeros_are_read(shown: Shown) -> None:
    widget, field = typed(shown, "0070")
    assert (field.input_value(), widget.locator(".note").inner_text()) == ("0070", "")
    assert widget.locator(".digit").all_inner_texts() == ["0", "0", "7", "?"]
    assert widget.locator(".caption").inner_text() == "should be 0"
    assert "the right answer is 0." in widget.get_by_role("status").inner_text()


@pytest.mark.parametrize(
    ("text", "whole"), [("31415", "3141551413"), ("0", "00"), ("1" * 29 + "0", "1" * 29 + "00" + "1" * 29)]
)
def test_mirror_extends_what_stands_in_the_field(shown: Shown, text: str, whole: str) -> None:
    widget, field = typed(shown, text)
    for _ in range(2):
        widget.get_by_role("button", name="Mirror").click()
        assert field.input_value() == whole
        assert widget.locator(".digit").all_inner_texts() == [*whole[:-1], "?"]
        assert widget.locator(".note").inner_text() == ""


def test_mirror_throws_no_digit_away(shown: Shown) -> None:
    long = "1" * 30 + "2"
    widget, field = typed(shown, long)
    widget.get_by_role("button", name="Mirror").click()
    assert field.input_value() == long
    says = "At most 60 digits are read; with their mirror image these are 62."
    assert widget.locator(".note").inner_text() == says
    field.fill("")
    widget.get_by_role("button", name="Mirror").click()
    assert field.input_value() == ""
    assert widget.locator(".note").inner_text().startswith("Type at least two digits;")


def test_an_input_method_may_finish_its_digits(shown: Shown) -> None:
    """Changed in mid-composition, a field loses what the reader is about to choose."""
    widget, field = typed(shown, "12")
    compose = """(field) => {
      field.dispatchEvent(new CompositionEvent("compositionstart"));
      field.value = "12３";
      field.dispatchEvent(new InputEvent("input", { isComposing: true }));
      return field.value;
    }"""
    assert field.evaluate(compose) == "12３"
    end = "(field) => { field.value = '123'; field.dispatchEvent(new CompositionEvent('compositionend')); }"
    field.evaluate(end)
    assert widget.locator(".digit").all_inner_texts() == ["1", "2", "?"]


def replay() -> GateReplay:
    return GateReplay([0, 9], [[2.0, 8.0], [3.0, 7.0]], np.zeros((2, 2)), np.full((2, 2), 0.1), length=20)


def worlds(name: str = "it learns", seeds: int = 3) -> Worlds:
    cases = [*product((name, "it leads"), ("low", "high"), range(seeds))]
    rows = pd.DataFrame(cases, columns=["claim", "rate", "seed"])
    rows["value"] = [(-1.0 if claim == "it leads" else 0.4) ** seed for claim, _, seed in cases]
    claims = {name: (name, 0.5, True), "it leads": ("the lead", 0.0, True)}
    return Worlds(rows, claims, {"rate": ["low", "high"]})


def museum(name: str = "it is wrong", values: tuple[float, ...] = (0.5, 2.0)) -> BugMuseum:
    known = {bug.id: bug.model_copy(update={"name": bug.name + name}) for bug in bugs.bugs().values()}
    cases = [*product(known, ("right", "wrong"), enumerate(values))]
    rows = [(bug, version, 0, x, value * (1 + (version == "wrong"))) for bug, version, (x, value) in cases]
    axes = {bug.symptom: SimpleNamespace(x="step", y="loss") for bug in known.values()}
    return BugMuseum(known, pd.DataFrame(rows, columns=["bug", "version", "seed", "x", "y"]), axes)


EACH: dict[str, Callable[[], Any]] = {
    "gradient": lambda: network(4, steps=100),
    "derivation": lambda: Derivation(*gradients.draw(3, 1, 2, 3, 3, seed=0)),
    "reader": reader,
    "gate": TemporalGate,
    "population": lambda: GatePopulation(units=16, length=20),
    "replay": replay,
    "worlds": worlds,
    "museum": museum,
}
ENDS: dict[str, Callable[[], Any]] = {
    **EACH,
    "gradient of one step": lambda: VanishingGradient(*_small(1), length=1, lstm=True),
    "gradient of 2,000 steps": lambda: VanishingGradient(*_small(2000), 0.05, 2000, 0.0, lstm=True),
    "gradient without end": lambda: VanishingGradient(*_small(60), 10.0, 60, 10.0, lstm=True),
    "least radius": lambda: VanishingGradient(*_small(60), 1e-300, 60, 0.0),
    "a bug to find": lambda: Derivation(*gradients.draw(3, 1, 2, 3, 3, seed=0), bug=5),
    "all wrong": lambda: Derivation(*gradients.draw(3, 1, 2, 3, 3, seed=0), flips=list(FLIPS)),
    "reader of two digits": lambda: PalindromeReader({"RNN": classifier("rnn", 1)}, 2),
    "steep reader": lambda: PalindromeReader({"it": changed("W_ph", 65504)}, 60),
    **{
        f"gate with {name} {value:g}": (lambda name=name, value=value: TemporalGate(**{name: value}))
        for name, values in {"tau": (5e-324, 1e300), "s": (1e17, 1e300, -1e300), "r_on": (5e-324,)}.items()
        for value in values
    },
    "gate of one step": lambda: TemporalGate(steps=1),
    "all periods": lambda: GatePopulation(units=16, shortest=5e-324, longest=1.7e308, length=1),
    "a museum of nothing": lambda: museum(values=(0.0,)),
    "a museum of the range of floats": lambda: museum(values=(-1e300, 1e-300, 8e299, math.nan)),
    "a world of one seed": lambda: worlds(seeds=1),
    "a world of many seeds": lambda: worlds(seeds=60),
    "replay of the range of floats": lambda: GateReplay(
        [-5, 1], [[1e-40], [3e38]], [[-1e30], [1e30]], [[1e-40], [1]], 1
    ),
}
NO_NUMBER = """() => [...document.querySelectorAll(".rnnreport-widget, .rnnreport-widget *")].flatMap((node) => [
  ...[...node.attributes].map(({ name, value }) => `${name}=${value}`),
  ...[...node.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ data }) => data),
]).filter((words) => /NaN|Infinity|undefined|null/.test(words))"""


def _small(steps: int) -> tuple[Any, Any]:
    x, _, weights, *_ = gradients.lstm_draw(steps, 1, 3, 4, 2, seed=0)
    return x, weights


@pytest.mark.parametrize("name", ENDS)
def test_whatever_is_moved_to_its_ends_stays_a_number(shown: Shown, page: Page, name: str) -> None:
    widget = shown(ENDS[name]())
    assert page.evaluate(NO_NUMBER) == []
    for slider in widget.get_by_role("slider").all():
        for key in ("End", "Home", "PageUp"):
            slider.press(key)
            assert page.evaluate(NO_NUMBER) == [], key
    for control in widget.locator("input:is([type=radio], [type=checkbox])").all():
        control.evaluate("control => control.click()")
        assert page.evaluate(NO_NUMBER) == []
    for width in (90, 320, 2000):
        page.set_viewport_size({"width": width, "height": 600})
        settle(page)
        assert page.evaluate(NO_NUMBER) == [], width


MARKUP = "<img src=x onerror=window.broken=1>&lt;_{b}"
NAMED: dict[str, Callable[[], Any]] = {
    "reader": lambda: PalindromeReader({MARKUP: classifier("lstm", 2)}, 4, words={MARKUP: MARKUP}),
    "worlds": lambda: worlds(MARKUP),
    "museum": lambda: museum(MARKUP),
    "replay": lambda: GateReplay([0, 9], *([[value] * 2] * 2 for value in (2.0, 0.0, 0.1)), length=20, words=MARKUP),
}


@pytest.mark.parametrize("name", NAMED)
def test_names_and_words_stay_text(shown: Shown, page: Page, name: str) -> None:
    widget = shown(NAMED[name]())
    assert MARKUP in (widget.text_content() or "")
    assert (widget.locator("img").count(), page.evaluate("window.broken")) == (0, None)


def test_an_axis_has_its_powers_however_long(shown: Shown) -> None:
    widget = shown(ENDS["gradient of 2,000 steps"]())
    labels = widget.locator("svg[role=img] text").all_text_contents()
    assert {"1", "10⁻¹⁰⁰⁰", "10⁻²⁰⁰⁰"} <= set(labels)


PICTURES = """(widget) => [...widget.querySelectorAll("svg, canvas, p, .digits, .lines")]
  .map((node) => node.toDataURL?.() ?? node.outerHTML).join()"""


@pytest.mark.parametrize("name", EACH)
def test_two_copies_in_a_page_leave_each_other_alone(shown: Shown, page: Page, name: str) -> None:
    shown(EACH[name]())
    state = EACH[name]().get_state()
    page.evaluate("document.querySelector('div').before(document.createElement('div'))")
    page.evaluate(START, [state["_esm"], page_state(EACH[name]())])
    settle(page)
    first, other = page.locator(".rnnreport-widget").all()
    before, drawn = other.evaluate(PICTURES), first.evaluate(PICTURES)
    assert before == drawn, "the same"
    for control in first.locator("input:is([type=range], [type=radio], [type=checkbox])").all():
        control.evaluate(
            """(control) => {
              if (control.type !== "range") return control.click();
              control.valueAsNumber = control.valueAsNumber === Number(control.max) ? control.min : control.max;
              control.dispatchEvent(new Event("input"));
            }"""
        )
    assert first.evaluate(PICTURES) != drawn
    assert other.evaluate(PICTURES) == before
    for copy in (first, other):
        groups = copy.get_by_role("radiogroup").all()
        assert [group.get_by_role("radio", checked=True).count() for group in groups if group.is_visible()] == [
            1 for group in groups if group.is_visible()
        ]
    first.get_by_role("button", name="Reset").click()
    assert first.evaluate(PICTURES) == before


def test_the_lstm_is_drawn_once_it_is_asked_for(shown: Shown) -> None:
    widget = shown(network(16))
    bias, says = widget.get_by_role("slider", name="forget bias"), widget.get_by_role("status")
    assert bias.count() == widget.locator("svg[role=img] .lstm").count() == 0
    assert "LSTM" not in says.inner_text()
    widget.get_by_role("checkbox").check()
    assert bias.is_visible()
    assert widget.locator("svg[role=img] path.lstm").count() == 1
    assert "The LSTM's gradient" in says.inner_text()


@pytest.mark.parametrize("name", EACH)
def test_on_paper_stands_what_was_set_and_nothing_to_press(shown: Shown, page: Page, name: str) -> None:
    widget = shown(EACH[name]())
    readouts = widget.locator(".readout").filter(visible=True).all_inner_texts()
    page.emulate_media(media="print")
    assert widget.locator("button, input[type=range]").filter(visible=True).count() == 0
    assert widget.locator(".readout").filter(visible=True).all_inner_texts() == readouts
    page.emulate_media(media="screen")


def test_a_map_shrinks_with_what_is_drawn_around_it(shown: Shown, page: Page) -> None:
    """On paper a page is narrower, and no script draws anew."""
    for name in ("population", "reader"):
        widget, apart = shown(EACH[name]()), []
        for scale in (1, 0.7):
            widget.locator(".heat").evaluate_all(
                "(maps, scale) => maps.forEach((map) => (map.style.width = `${100 * scale}%`))", scale
            )
            canvas, border = (widget.locator(f".heat {part}").first.bounding_box() for part in ("canvas", ".border"))
            assert canvas is not None
            assert border is not None
            apart.append([abs(canvas[side] - border[side]) for side in ("x", "y", "width", "height")])
        assert max(max(each) for each in apart) <= 5, f"{apart}: more than the width of its lines"
