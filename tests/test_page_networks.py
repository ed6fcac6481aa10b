"""The networks that learn in the page: losses, gradients and steps of training against autograd over the cells."""

from __future__ import annotations

from math import erf, exp, log
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from conftest import in_chromium, in_firefox, in_node, require
from torch import Tensor
from torch.nn import functional as F

from rnnreport import vendor
from rnnreport.cells import lstm_step, rnn_step, temporal_gate, temporal_gate_lstm_step
from rnnreport.configuration import OptimizerName
from rnnreport.sequences import Bursts
from rnnreport.training import OPTIMIZERS
from rnnreport.widgets.kernels import computing
from rnnreport.widgets.page import module

ARITHMETICS = ("WebAssembly", "plain JavaScript")
NOT_COMPILED = "the page's kernels are not compiled here"


class Engine:
    """The networks and what they learn, with functions for JSON."""

    _esm = "\n".join(
        [
            computing("network.js"),
            module("tasks.js"),
            """
            const arithmetic = (name) => {
              const chosen = name === "plain JavaScript" ? chosenKernels("") : chosenKernels();
              if (chosen.name !== name) throw new Error(`kernels are ${chosen.name}`);
              return chosen.make;
            };
            const read = ({ steps, inputs, targets, symbols }) =>
              ({ steps, inputs: symbols ? Uint8Array.from(inputs) : Float32Array.from(inputs), targets });
            export function gradients(name, settings, weights, batch) {
              const net = network(arithmetic(name), settings);
              net.load(weights);
              return net.gradients(read(batch));
            }
            export function trained(name, settings, weights, batches, recipe) {
              const net = network(arithmetic(name), settings);
              net.load(weights);
              return [batches.map((batch) => net.step(read(batch), recipe)), net.weights()];
            }
            export function drawn(settings, options, seed) {
              const net = network(arithmetic("plain JavaScript"), settings);
              initialise(net, options, draws(seed));
              return net.weights();
            }
            /** A training from a seed: its losses, and the weights after it. */
            export function learned(name, settings, options, recipe, steps) {
              const draw = draws(1);
              const net = network(arithmetic(name), settings);
              initialise(net, options, draw);
              const batch = () => settings.D > 1
                ? palindromes(settings.S + 1, settings.B, "one-hot", draw)
                : bursts(settings.S, settings.B, draw);
              return [Array.from({ length: steps }, () => net.step(batch(), recipe).loss), net.weights()];
            }
            export const kindOf = (encoding) => palindromes(5, 2, encoding, draws(3)).inputs.constructor.name;
            export const batchOf = (task, ...values) => ({ palindromes, bursts })[task](...values, draws(3));
            const FUNCTIONS = { exp, ln, normal: draws(2).normal };
            export const numbers = (name, values) => Float64Array.from(values, FUNCTIONS[name]);
            export const words = (name, values) => values.map((value) => `${FUNCTIONS[name](Number(value))}`);
            export const everything = (trainings, asked) =>
              [trainings.map((values) => learned(...values)), asked.map((values) => numbers(...values))];
            /** The arrays of a kernel's arguments after the call; { units } has whole numbers. */
            export function after(name, kernel, ...values) {
              const kernels = arithmetic(name)(2 ** 20);
              let end = 4096; // the kernels' constants come first
              const taken = values.map((value) => {
                if (typeof value === "number") return { argument: value };
                const numbers = value.units ? Uint32Array.from(value.units) : Float32Array.from(value);
                const array = new numbers.constructor(kernels.memory.buffer, end, numbers.length);
                array.set(numbers);
                end += 16 * Math.ceil(numbers.length / 4);
                return { argument: array.byteOffset, array };
              });
              kernels[kernel](...taken.map(({ argument }) => argument));
              return taken.map(({ array }) => array ?? null);
            }
            """,
        ]
    )


@pytest.fixture(scope="module", params=ARITHMETICS)
def arithmetic(request: pytest.FixtureRequest) -> str:
    if request.param == "WebAssembly":
        require(vendor.compiled(), NOT_COMPILED)
    return request.param


def weights_of(settings: dict[str, Any], seed: int = 0) -> dict[str, Tensor]:
    """Random weights in float64 that float32 holds exactly, by the names that the page uses."""
    generator = torch.Generator().manual_seed(seed)
    H, D, K, L = settings["H"], settings["D"], settings["K"], settings.get("layers", 1)
    gates = 1 if settings["model"] == "rnn" else 4

    def draw(*shape: int) -> Tensor:
        return (torch.rand(shape, generator=generator) - 0.5).mul(2 / H**0.5)

    weights = {}
    for layer in range(L):
        weights |= {
            f"weight_ih_l{layer}": draw(gates * H, H if layer else D),
            f"weight_hh_l{layer}": draw(gates * H, H),
            f"bias_l{layer}": draw(gates * H),
        }
        if settings["model"] == "temporal-gate":
            weights[f"log_tau_l{layer}"] = torch.rand(H, generator=generator) * 4
            weights[f"s_l{layer}"] = torch.rand(H, generator=generator) * 20 - 5
            weights[f"logit_r_on_l{layer}"] = torch.randn(H, generator=generator) - settings.get("shut", 1.0)
    weights |= {"head_weight": draw(K, H), "head_bias": draw(K)}
    return {name: value.float().double() for name, value in weights.items()}


def batch_of(settings: dict[str, Any], steps: int, symbols: bool, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    B, D, K = settings["B"], settings["D"], settings["K"]
    inputs = generator.integers(D, size=(steps, B)) if symbols else generator.normal(size=(steps, D, B))
    targets = generator.integers(K, size=(steps, B) if settings.get("everyStep") else B)
    return {
        "steps": steps,
        "inputs": inputs.astype(np.float32).ravel().tolist(),
        "targets": targets.ravel().tolist(),
        "symbols": symbols,
    }


def loss_of(
    settings: dict[str, Any], weights: dict[str, Tensor], batch: dict[str, Any]
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Loss, accuracy and the last layer's h(1)…h(T), by the cells, step by step."""
    model, H, B, D = (settings[name] for name in ("model", "H", "B", "D"))
    steps, every = batch["steps"], settings.get("everyStep", False)
    inputs = torch.tensor(batch["inputs"], dtype=torch.float64)
    if batch["symbols"]:
        x = F.one_hot(inputs.view(steps, B).long(), D).double()
    else:
        x = inputs.view(steps, D, B).transpose(1, 2)
    for layer in range(settings.get("layers", 1)):
        own = [weights[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias")]
        h, c, outputs = torch.zeros(B, H).double(), torch.zeros(B, H).double(), []
        if model == "temporal-gate":
            log_tau, s, logit_r_on = (weights[f"{name}_l{layer}"] for name in ("log_tau", "s", "logit_r_on"))
            times = torch.arange(1, steps + 1).double().unsqueeze(1)
            k = temporal_gate(times, log_tau.exp(), s, logit_r_on.sigmoid(), settings.get("leak", 0.0))
        for t in range(steps):
            if model == "rnn":
                h = rnn_step(x[t], h, *own)
            elif model == "lstm":
                h, c = lstm_step(x[t], h, c, *own)
            else:
                h, c = temporal_gate_lstm_step(x[t], h, c, k[t], *own)
            outputs.append(h)
        x = torch.stack(outputs)
    logits = (x if every else x[-1]) @ weights["head_weight"].T + weights["head_bias"]
    targets = torch.tensor(batch["targets"])
    flat = logits.flatten(0, -2)
    return F.cross_entropy(flat, targets), (flat.argmax(-1) == targets).double().mean(), outputs


def plain(weights: dict[str, Tensor]) -> dict[str, list[float]]:
    return {name: value.detach().flatten().tolist() for name, value in weights.items()}


class Case(NamedTuple):
    """A network, and the batch that it reads."""

    id: str
    settings: dict[str, Any]
    steps: int
    symbols: bool


def case(model: str, H: int, B: int, steps: int, symbols: bool = True, **more: Any) -> Case:
    settings = {"model": model, "H": H, "B": B, "S": steps + more.pop("spare", 0), "D": 10 if symbols else 1, "K": 10}
    named = [model, f"H{H}", f"B{B}", f"T{steps}", "digits" if symbols else "number"]
    named += [f"{key}{value}" for key, value in {"S": settings["S"], **more}.items()]
    return Case("-".join(named), settings | more, steps, symbols)


MODELS = ("rnn", "lstm", "temporal-gate")
CASES = [
    *[case(model, *sizes) for model in MODELS for sizes in ((5, 3, 1), (1, 1, 4), (7, 9, 12), (64, 64, 20))],
    *[case(model, 6, 5, 9, symbols=False) for model in MODELS],
    *[case(model, 8, 4, 6, spare=5) for model in MODELS],
    *[case("lstm", H, 4, 7, layers=2, everyStep=True) for H in (5, 8)],
    case("rnn", 6, 5, 7, layers=3, everyStep=True),
    case("temporal-gate", 6, 5, 30, layers=2),
    case("temporal-gate", 8, 6, 40, leak=0.001),
    case("temporal-gate", 8, 6, 40, dense=True),
    case("temporal-gate", 8, 6, 100, shut=6.0),
    case("temporal-gate", 4, 6, 3, shut=60.0),  # no gate opens at all
]


def asked(arithmetic: str, cases: list[Case]) -> list[list[Any]]:
    """What ``gradients`` is asked in these cases."""
    return [
        [arithmetic, settings, plain(weights_of(settings)), batch_of(settings, steps, symbols)]
        for _, settings, steps, symbols in cases
    ]


@pytest.fixture(scope="module")
def found(node: list[str], arithmetic: str) -> dict[str, Any]:
    """Losses and gradients of all cases, by their names."""
    return dict(zip((case.id for case in CASES), in_node(node, Engine, "gradients", asked(arithmetic, CASES))))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_loss_and_gradients_are_autograd_s_over_the_cells(found: dict[str, Any], case: Case) -> None:
    agree(found[case.id], case)


def agree(found: Any, case: Case) -> None:
    """What the page found is what autograd finds, within float32's rounding."""
    weights, batch = weights_of(case.settings), batch_of(case.settings, case.steps, case.symbols)
    for weight in weights.values():
        weight.requires_grad_()
    loss, accuracy, states = loss_of(case.settings, weights, batch)
    for h in states:
        h.retain_grad()
    loss.backward()
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert found["accuracy"] == pytest.approx(accuracy.item())
    assert found["gradients"].keys() == weights.keys()
    for name, weight in weights.items():
        exact = weight.grad.numpy().ravel() if weight.grad is not None else np.zeros(weight.numel())
        size = np.abs(exact).max()
        assert np.abs(np.array(found["gradients"][name]) - exact).max() <= 1e-4 * size + 1e-12, name
    assert found["norms"] == pytest.approx([h.grad.norm().item() for h in states], rel=1e-4, abs=1e-12)


def after(node: list[str], arithmetic: str, kernel: str, *values: Any) -> list[Any]:
    """A kernel's arguments after the call. Float arrays and lists of units stand for addresses."""

    def told(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return ["NaN" if np.isnan(number) else number for number in value.ravel().tolist()]  # JSON has no NaN
        return {"units": value} if isinstance(value, list) else value

    (found,) = in_node(node, Engine, "after", [[arithmetic, kernel, *map(told, values)]])
    shapes = [value.shape if isinstance(value, np.ndarray) else None for value in values]
    return [shape and np.array(array, dtype=float).reshape(shape) for array, shape in zip(found, shapes)]


def test_activations_err_by_a_millionth_at_most_and_nan_stays_nan(node: list[str], arithmetic: str) -> None:
    x = np.r_[np.linspace(-100, 100, 4001), np.linspace(-2, 2, 4001), -3e38, 3e38, 1e-30, -1e-7, 0, np.nan]
    x = x.astype(np.float32).astype(float)
    nothing, gates = np.zeros(len(x)), np.tile(x, (4, 1))
    _, _, _, tanh, _ = after(node, arithmetic, "rnn", 1, len(x) // 4, x, nothing, nothing)
    _, _, _, _, gates, *_ = after(
        node, arithmetic, "lstm", 1, len(x), [0], np.zeros(1), gates, nothing, nothing, np.zeros((3, len(x)))
    )
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-x))
    for found, exact in ((tanh, np.tanh(x)), *zip(gates, (sigmoid, sigmoid, np.tanh(x), sigmoid))):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6)  # NaN equals NaN here, and nothing else


def test_probabilities_err_by_a_millionth_at_most_and_nan_stays_nan(node: list[str], arithmetic: str) -> None:
    K, B = 7, 400
    logits = np.random.default_rng(0).normal(size=(K, B)) * np.logspace(-2, 2, B)
    logits[:, :3] = [[100, -100, 0]] * K
    logits[0, 0], logits[1, 3] = -100, np.nan
    logits = logits.astype(np.float32).astype(float)
    scale = 0.25
    _, _, shares, highest, total, _ = after(node, arithmetic, "softmax", K, B, logits, np.zeros(B), np.zeros(B), scale)
    exact = np.exp(logits - logits.max(0))
    np.testing.assert_allclose(shares, scale * exact / exact.sum(0), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(highest, logits.max(0))
    np.testing.assert_allclose(total, exact.sum(0), rtol=2e-6)


def test_a_gradient_too_small_to_matter_is_zero_and_no_larger_one_is(node: list[str], arithmetic: str) -> None:
    """So small that processors are slow at it, or nearly: below 1e-30."""
    tiny, small = [9e-31, -9e-31, 1e-37, 1e-44], [1e-30, 1.1e-30, -2e-30, 1e-25]
    d = np.float32([*tiny, *small, 0, 1, -1, 3e38, *tiny]).astype(float)
    nothing = np.zeros(16)
    *_, da, _, _, _ = after(node, arithmetic, "rnnBack", 1, 4, nothing, nothing, nothing, d)
    np.testing.assert_array_equal(da, [0, 0, 0, 0, *d[4:12], 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("blocks", "units", "R", "B"),
    [(1, [0], 4, 4), (5, [0, 2, 3], 12, 20), (7, [6], 20, 8), (3, [0, 1, 2], 36, 12), (3, [], 8, 4)],
)
def test_products_are_numpy_s_in_the_listed_blocks(
    node: list[str], arithmetic: str, blocks: int, units: list[int], R: int, B: int
) -> None:
    n, draw = len(units), np.random.default_rng(0)
    W, dW, x, dx, da = (
        draw.normal(size=shape).astype(np.float32).astype(float)
        for shape in ((blocks, 4, R), (blocks, 4, R), (R, B), (R, B), (n, 4, B))
    )
    near = {"rtol": 1e-5, "atol": 1e-5}  # sums of up to 36 float32 products of numbers near 1

    *_, found = after(node, arithmetic, "product", n, B, R, units, W, x, np.full((n, 4, B), 7.0))
    np.testing.assert_allclose(found, W[units] @ x, **near)

    *_, found = after(node, arithmetic, "outer", n, B, R, units, da, x.T, dW)
    expected = dW.copy()
    expected[units] += da @ x.T
    np.testing.assert_allclose(found, expected, **near)

    rows = R - 4 if R > 4 else R
    *_, found = after(node, arithmetic, "back", n, B, R, rows, units, W, da, dx)
    expected = dx.copy()
    expected[:rows] += np.einsum("nrR,nrb->Rb", W[units], da)[:rows]
    np.testing.assert_allclose(found, expected, **near)

    *_, found = after(node, arithmetic, "transpose", R, B, x, np.zeros((B, R)))
    np.testing.assert_array_equal(found, x.T)


@pytest.mark.parametrize(("N", "K"), [(32, 1), (96, 13)])
def test_the_product_of_a_single_sequence_is_numpy_s(node: list[str], arithmetic: str, N: int, K: int) -> None:
    draw = np.random.default_rng(0)
    x, W, y = (draw.normal(size=shape).astype(np.float32).astype(float) for shape in (K, (K, N), N))
    panels = W.reshape(K, N // 32, 32).swapaxes(0, 1)
    *_, found = after(node, arithmetic, "panels", N, K, x, panels, y)
    np.testing.assert_allclose(found, y + x @ W, rtol=1e-5, atol=1e-5)


def test_going_back_restores_the_states_before(node: list[str], arithmetic: str) -> None:
    """The backward kernels leave the listed units' h and c as they were before the step, and no others."""
    draw, B, units = np.random.default_rng(0), 4, [2, 0]
    gates, kept, dh, dc = (
        draw.random(shape).astype(np.float32).astype(float) for shape in ((2, 4, B), (2, 3, B), (3, B), (3, B))
    )
    h, c = np.full((3, B), 7.0), np.full((3, B), 8.0)
    *_, h_0, c_0, _, _, _, _ = after(
        node, arithmetic, "lstmBack", 2, B, units, np.ones(2), gates, h, c, kept, dh, dc, np.zeros(2)
    )
    np.testing.assert_array_equal(h_0, [kept[1, 0], h[1], kept[0, 0]])
    np.testing.assert_array_equal(c_0, [kept[1, 1], c[1], kept[0, 1]])


def test_a_kernel_neither_reads_nor_writes_beyond_its_arrays(node: list[str], arithmetic: str) -> None:
    """Each gives the same where its arrays are followed by sevens, and leaves these."""
    draw = np.random.default_rng(0)
    n, B, R, units = 2, 4, 8, {"units": [2, 0]}

    def array(*shape: int) -> list[float]:
        return draw.random(np.prod(shape)).astype(np.float32).tolist()

    W, x, a, states, of_units = array(3, 4, R), array(R, B), array(n, 4, B), array(3, B), array(n)
    calls = {
        "product": (n, B, R, units, W, x, a),
        "outer": (n, B, R, units, a, x, W),
        "back": (n, B, R, R, units, W, a, x),
        "transpose": (R, B, x, array(B, R)),
        "rnn": (n, B, a, array(n, 4, B), array(n, 4, B)),
        "rnnBack": (n, B, a, array(n, 4, B), array(n, 4, B), array(n, 4, B)),
        "lstm": (n, B, units, of_units, a, states, array(3, B), array(n, 3, B)),
        "lstmBack": (n, B, units, of_units, a, states, array(3, B), array(n, 3, B), array(3, B), array(3, B), array(n)),
        "softmax": (R, B, x, array(B), array(B), 0.5),
        "adam": (R, array(R), array(R), array(R), array(R), 0.5, 0.1, 0.1, 0.001),
        "rmsprop": (R, array(R), array(R), array(R), 0.5, 0.1),
        "panels": (32, 5, array(5), array(5, 32), array(32)),
    }
    sevens = [7.0] * 32
    followed = {
        kernel: [value + sevens if isinstance(value, list) else value for value in values]
        for kernel, values in calls.items()
    }
    asked = [[arithmetic, kernel, *values] for each in (calls, followed) for kernel, values in each.items()]
    found = in_node(node, Engine, "after", asked)
    for (kernel, values), alone, more in zip(calls.items(), found, found[len(calls) :]):
        for value, once, again in zip(values, alone, more, strict=True):
            if isinstance(value, list):
                assert [*map(float, again)] == [*map(float, once), *sevens], kernel


STEPS = 20


@pytest.mark.parametrize("clip", [0.05, 1e9], ids=["clipped", "unclipped"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize(
    "settings",
    [
        {"model": "rnn", "H": 8, "B": 6, "S": 7, "D": 10, "K": 10},
        {"model": "lstm", "H": 8, "B": 6, "S": 7, "D": 10, "K": 10, "layers": 2, "everyStep": True},
        {"model": "temporal-gate", "H": 8, "B": 6, "S": 20, "D": 10, "K": 10},
    ],
    ids=lambda settings: settings["model"],
)
def test_twenty_steps_of_training_follow_torch_s_optimizers(
    node: list[str], arithmetic: str, settings: dict[str, Any], optimizer: OptimizerName, clip: float
) -> None:
    """Against float64, with the optimizers of :mod:`rnnreport.training`.

    A weight is rounded to float32 at each step, and may be a ten-thousandth of the largest move off besides: a step
    divides a gradient by its size, so that small ones, of which rounding takes a larger part, move a weight as far as
    large ones do. Longer trainings, in which openings come and go, drift apart further.
    """
    weights = weights_of(settings)
    first = {name: weight.clone() for name, weight in weights.items()}
    batches = [batch_of(settings, settings["S"], True, seed) for seed in range(STEPS)]
    recipe = {"optimizer": optimizer, "rate": 1e-3, "clip": clip}
    ((steps, trained),) = in_node(node, Engine, "trained", [[arithmetic, settings, plain(weights), batches, recipe]])
    for weight in weights.values():
        weight.requires_grad_()
    stepping = OPTIMIZERS[optimizer](weights.values(), lr=recipe["rate"])
    for step, batch in zip(steps, batches, strict=True):
        stepping.zero_grad(set_to_none=False)  # a weight without a gradient is moved too
        loss, *_ = loss_of(settings, weights, batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights.values(), clip).item()
        stepping.step()
        assert (step["loss"], step["norm"]) == pytest.approx((loss.item(), norm), rel=1e-5)
        assert (norm > clip) == (clip < 1)
    for name, weight in weights.items():
        exact = weight.detach()
        allowed = STEPS * 2**-24 * exact.abs() + 1e-4 * (exact - first[name]).abs().max()
        error = (torch.tensor(trained[name]).view_as(exact) - exact).abs()
        assert (error <= allowed).all(), name


GATED = {"model": "temporal-gate", "H": 64, "B": 4, "S": 4, "D": 10, "K": 10}
GATE = {"from": 2, "to": 200, "r_on": 0.05}


def drawn(node: list[str], settings: dict[str, Any], **options: Any) -> dict[str, np.ndarray]:
    """A network's first weights, in float64."""
    (found,) = in_node(node, Engine, "drawn", [[settings, options, 5]])
    return {name: np.array(values) for name, values in found.items()}


def is_uniform(values: np.ndarray, low: float, high: float) -> None:
    """From low to high and, by Kolmogorov and Smirnov's distance, evenly between: one seed in a million fails."""
    assert low <= values.min() <= values.max() <= high
    ranks = np.arange(len(values)) / len(values)
    assert np.abs((np.sort(values) - low) / (high - low) - ranks).max() < 2.7 / len(values) ** 0.5


def test_weights_are_drawn_uniformly_as_torch_nn_does(node: list[str]) -> None:
    weights = drawn(node, GATED, memory=1, gate=GATE)
    bias = weights.pop("bias_l0").reshape(4, 64)
    bias[1] -= 1  # of the forget gate
    for values in (bias.ravel(), *(weights[name] for name in ("weight_ih_l0", "weight_hh_l0", "head_weight"))):
        is_uniform(values, -1 / 8, 1 / 8)
    assert not weights["head_bias"].any()


def test_all_weights_are_drawn_from_the_report_s_normal_distribution(node: list[str]) -> None:
    for model, gates in (("rnn", 1), ("lstm", 4)):
        weights = drawn(node, {**GATED, "model": model}, initialisation="normal")
        assert {name: len(values) for name, values in weights.items()} == {
            "weight_ih_l0": gates * 640,
            "weight_hh_l0": gates * 4096,
            "bias_l0": gates * 64,
            "head_weight": 640,
            "head_bias": 10,
        }
        z = np.concatenate([*weights.values()]) / 0.1
        share = np.array([(1 + erf(value / 2**0.5)) / 2 for value in z])
        is_uniform(share, 0, 1)
        assert z.std() == pytest.approx(1, abs=5 / (2 * len(z)) ** 0.5)


@pytest.mark.parametrize(("model", "gates"), [("rnn", 1), ("lstm", 4)])
def test_the_recurrent_matrix_of_each_gate_is_orthogonal_or_the_identity(
    node: list[str], model: str, gates: int
) -> None:
    settings = {**GATED, "model": model}
    for kind in ("orthogonal", "identity"):
        weights = drawn(node, settings, initialisation=kind)
        matrices = weights["weight_hh_l0"].reshape(gates, 64, 64)
        np.testing.assert_allclose(matrices @ matrices.swapaxes(1, 2), [np.eye(64)] * gates, rtol=0, atol=1e-6)
        assert all((matrix == np.eye(64)).all() == (kind == "identity") for matrix in matrices)
        is_uniform(weights["weight_ih_l0"], -1 / 8, 1 / 8)
    assert len({matrix.tobytes() for matrix in drawn(node, settings)["weight_hh_l0"].reshape(gates, 64, 64)}) == gates


def test_chrono_draws_memories_of_all_lengths(node: list[str]) -> None:
    settings = {**GATED, "model": "lstm", "H": 256}
    for longest in (3, 100):
        bias = drawn(node, settings, memory="chrono", longest=longest)["bias_l0"].reshape(4, 256)
        np.testing.assert_array_equal(bias[0], -bias[1])
        is_uniform(np.exp(bias[1]), 1 - 1e-6, longest - 1 + 1e-5)
        is_uniform(bias[2:].ravel(), -1 / 16, 1 / 16)


def test_gates_have_periods_log_uniform_shifts_within_them_and_one_open_ratio(node: list[str]) -> None:
    settings = {**GATED, "H": 256}
    weights = drawn(node, settings, gate=GATE)
    is_uniform(weights["log_tau_l0"], np.log(2) - 1e-6, np.log(200) + 1e-6)
    is_uniform(weights["s_l0"] / np.exp(weights["log_tau_l0"]), 0, 1 + 1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-weights["logit_r_on_l0"])), 0.05, rtol=1e-6)
    still = drawn(node, settings, gate={**GATE, "s": 3, "r_on": 1})
    assert set(still["s_l0"]) == {3}
    assert (1 / (1 + np.exp(-still["logit_r_on_l0"]))).min() > 1 - 1e-6  # 1 itself has no logit


def test_exp_and_ln_are_python_s(node: list[str]) -> None:
    values = np.r_[np.linspace(-699, 699, 3001), np.linspace(-1, 1, 1001), 1e-300, -1e-17].tolist()
    powers, logarithms = in_node(
        node, Engine, "numbers", [["exp", values], ["ln", positive := [abs(value) for value in values if value]]]
    )
    assert powers == pytest.approx([*map(exp, values)], rel=1e-15, abs=0)
    assert logarithms == pytest.approx([*map(log, positive)], rel=1e-15, abs=0)
    exps, lns = ["-Infinity", "-701", "701", "Infinity", "NaN"], ["0", "1", "-1", "Infinity", "NaN"]
    assert in_node(node, Engine, "words", [["exp", exps], ["ln", lns]]) == [
        ["0", "0", "Infinity", "Infinity", "NaN"],
        ["-Infinity", "0", "NaN", "Infinity", "NaN"],
    ]


@pytest.mark.parametrize("T", [2, 5, 20])
def test_palindromes_are_palindromes(node: list[str], T: int) -> None:
    B = 2_000
    one_hot, scalar = in_node(node, Engine, "batchOf", [["palindromes", T, B, kind] for kind in ("one-hot", "scalar")])
    assert one_hot == scalar
    digits = np.array(one_hot["inputs"] + one_hot["targets"]).reshape(T, B)
    np.testing.assert_array_equal(digits, digits[::-1])
    assert one_hot["steps"] == T - 1
    counts = np.array([[(row == digit).sum() for digit in range(10)] for row in digits[: (T + 1) // 2]])
    assert np.abs(counts - B / 10).max() < 6 * (B * 0.09) ** 0.5  # six standard deviations


def test_a_network_is_given_digits_as_symbols_or_as_numbers(node: list[str]) -> None:
    kinds = in_node(node, Engine, "kindOf", [["one-hot"], ["scalar"]])
    assert kinds == ["Uint8Array", "Float32Array"]


def test_bursts_are_distributed_as_the_book_s(node: list[str]) -> None:
    T, B = 50, 4_000
    (found,) = in_node(node, Engine, "batchOf", [["bursts", T, B]])
    theirs, up = np.array(found["inputs"]).reshape(T, B), np.array(found["targets"])
    (sequences, label) = Bursts(length=T).batch(B, torch.Generator().manual_seed(0))
    ours = sequences.x.squeeze(-1).numpy()
    assert found["steps"] == T
    assert up.mean() == pytest.approx(0.5, abs=6 * 0.5 / B**0.5)
    for a, b in ((theirs[:, up == 1], ours[:, label == 1]), (theirs[:, up == 0], ours[:, label == 0])):
        size = min(a.shape[1], b.shape[1])
        deviations = b.std(1)
        assert (np.abs(a.mean(1) - b.mean(1)) < 6 * deviations * (2 / size) ** 0.5).all()
        assert (np.abs(a.std(1) / deviations - 1) < 6 / size**0.5).all()


LEARNING = [
    ({"model": "rnn", "H": 13, "S": 9, "D": 10, "K": 10}, {"initialisation": "orthogonal"}, "rmsprop"),
    ({"model": "lstm", "H": 16, "S": 9, "D": 10, "K": 10}, {"memory": "chrono", "longest": 10}, "adam"),
    ({"model": "temporal-gate", "H": 16, "S": 60, "D": 1, "K": 2, "leak": 0.001}, {"gate": GATE, "memory": 1}, "adam"),
]
TRAININGS = [
    ["WebAssembly", {**settings, "B": 24}, options, {"optimizer": optimizer, "rate": 1e-2, "clip": 1}, 50]
    for settings, options, optimizer in LEARNING
]
NUMBERS = [[name, np.linspace(1e-3, 600, 2_000).tolist()] for name in ("exp", "ln", "normal")]


@pytest.fixture(scope="module")
def of_node(node: list[str]) -> list[Any]:
    """Fifty steps of each network in node, and numbers that chance takes."""
    require(vendor.compiled(), NOT_COMPILED)
    found = in_node(node, Engine, "everything", [[TRAININGS, NUMBERS]])
    for losses, weights in found[0][0]:
        assert np.isfinite([*losses, *(value for values in weights.values() for value in values)]).all()
        assert np.mean(losses[-10:]) < np.mean(losses[:10])
    return found


def test_chromium_learns_the_same_to_the_bit(of_node: list[Any], browser: Any) -> None:
    assert in_chromium(browser, Engine, "everything", [[TRAININGS, NUMBERS]]) == of_node


def test_firefox_learns_the_same_to_the_bit(of_node: list[Any], firefox: str) -> None:
    assert in_firefox(firefox, Engine, "everything", [[TRAININGS, NUMBERS]]) == of_node


def test_in_chromium_too_loss_and_gradients_are_autograd_s(browser: Any, arithmetic: str) -> None:
    some = [case for case in CASES if case.settings["H"] in (5, 6, 8)]
    for found, case in zip(in_chromium(browser, Engine, "gradients", asked(arithmetic, some)), some, strict=True):
        agree(found, case)


def test_a_reader_is_told_that_plain_javascript_is_slow(node: list[str]) -> None:
    class Told:
        _esm = computing("network.js") + "\nexport const told = (name) => slowly({ name });"

    fast, slow = in_node(node, Told, "told", [["WebAssembly"], ["plain JavaScript"]])
    assert fast == ""
    assert slow == ", in plain JavaScript, about ten times slower"


@pytest.mark.parametrize("model", MODELS)
def test_of_several_numbers_a_step_all_are_read(node: list[str], arithmetic: str, model: str) -> None:
    settings = {"model": model, "H": 5, "B": 3, "S": 6, "D": 3, "K": 4}
    several = Case("several numbers", settings, 6, False)
    (found,) = in_node(node, Engine, "gradients", asked(arithmetic, [several]))
    agree(found, several)


def test_where_answers_are_equal_the_first_counts(node: list[str], arithmetic: str) -> None:
    """As in argmax: a network of zeros answers 0, whatever it reads."""
    settings = {"model": "rnn", "H": 4, "B": 5, "S": 2, "D": 10, "K": 3}
    weights = {name: [0.0] * len(values) for name, values in plain(weights_of(settings)).items()}
    batches = [{**batch_of(settings, 2, True), "targets": targets} for targets in ([0, 1, 2, 0, 0], [1, 2, 1, 2, 1])]
    found = in_node(node, Engine, "gradients", [[arithmetic, settings, weights, batch] for batch in batches])
    assert [one["accuracy"] for one in found] == pytest.approx([0.6, 0])


def test_a_test_is_without_the_leak_and_changes_nothing(node: list[str], arithmetic: str) -> None:
    class Tested:
        _esm = (
            Engine._esm
            + """
            export function tested(name, settings, weights, batch) {
              const net = network(arithmetic(name), settings);
              net.load(weights);
              return [net.gradients(read(batch)).loss, net.test(read(batch)).loss, net.gradients(read(batch)).loss];
            }"""
        )

    settings = {"model": "temporal-gate", "H": 6, "B": 4, "S": 30, "D": 10, "K": 10}
    weights, batch = plain(weights_of(settings)), batch_of(settings, 30, True)
    call = [[arithmetic, {**settings, "leak": leak}, weights, batch] for leak in (0.3, 0)]
    (leaking, tested, again), (tight, *_) = in_node(node, Tested, "tested", call)
    assert tested == tight
    assert leaking == again != tight


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_gate_stays_and_does_not_count_in_the_norm(node: list[str], arithmetic: str, frozen: bool) -> None:
    settings = {"model": "temporal-gate", "H": 6, "B": 4, "S": 30, "D": 10, "K": 10, "layers": 2, "everyStep": True}
    weights, batch = plain(weights_of(settings)), batch_of(settings, 30, True)
    recipe = {"optimizer": "rmsprop", "rate": 0.01, "clip": 1e9, "freezeGate": frozen}
    ((steps, after),) = in_node(node, Engine, "trained", [[arithmetic, settings, weights, [batch], recipe]])
    (found,) = in_node(node, Engine, "gradients", [[arithmetic, settings, weights, batch]])
    gates = {name for name in weights if name.startswith(("log_tau", "s_l", "logit_r_on"))}
    kept = {name for name in weights if after[name] == pytest.approx(weights[name], abs=1e-7)}
    assert len(gates) == 6
    assert kept == (gates if frozen else set())
    counted = [values for name, values in found["gradients"].items() if not (frozen and name in gates)]
    assert steps[0]["norm"] == pytest.approx(sum(g * g for values in counted for g in values) ** 0.5, rel=1e-5)


def test_what_is_drawn_where_little_is_asked_for(node: list[str]) -> None:
    """Uniform weights and no more memory; r_on = 1, which has no logit, is nearly 1; a shift may be given."""
    settings = {"model": "temporal-gate", "H": 50, "B": 1, "S": 1, "D": 2, "K": 2}
    gate = {"from": 2, "to": 3, "s": -1.5, "r_on": 1}
    by_default, said, short = in_node(
        node,
        Engine,
        "drawn",
        [
            [settings, {"gate": gate}, 5],
            [settings, {"gate": gate, "initialisation": "uniform", "memory": 0}, 5],
            [settings, {"gate": gate, "memory": "chrono"}, 5],
        ],
    )
    assert by_default == said
    assert {*by_default["s_l0"]} == {-1.5}
    assert {*by_default["logit_r_on_l0"]} == {16}
    forget = np.exp(np.array(short["bias_l0"]).reshape(4, 50)[1])
    assert 1 <= forget.min() < 1.1 < 1.9 < forget.max() <= 2


@pytest.mark.parametrize("every_step", [True, False])
def test_an_answer_that_equals_a_later_one_than_the_first_is_not_right(
    node: list[str], arithmetic: str, every_step: bool
) -> None:
    settings = {"model": "rnn", "H": 4, "B": 5, "S": 2, "D": 10, "K": 3, "everyStep": every_step}
    weights = {name: [0.0] * len(values) for name, values in plain(weights_of(settings)).items()}
    weights["head_bias"] = [-1.0, 0.0, 0.0]
    batch = {**batch_of(settings, 2, True), "targets": [2, 2, 0, 2, 1] * (1 + every_step)}
    (found,) = in_node(node, Engine, "gradients", [[arithmetic, settings, weights, batch]])
    assert found["accuracy"] == pytest.approx(0.2)


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_fewer_steps_knows_nothing_of_a_longer_one_before(
    node: list[str], arithmetic: str, model: str
) -> None:
    class Twice:
        _esm = (
            Engine._esm
            + """
            export function last(name, settings, weights, batches) {
              const net = network(arithmetic(name), settings);
              net.load(weights);
              return batches.map((batch) => net.gradients(read(batch))).at(-1);
            }"""
        )

    settings = {"model": model, "H": 6, "B": 4, "S": 12, "D": 10, "K": 10, "everyStep": True, "layers": 2}
    long, short = batch_of(settings, 12, True), batch_of(settings, 5, True, seed=1)
    calls = [[arithmetic, settings, plain(weights_of(settings)), batches] for batches in ([long, short], [short])]
    after_long, alone = in_node(node, Twice, "last", calls)
    assert after_long == alone


def test_a_gradient_smaller_than_the_clipping_s_epsilon_leads_downhill(node: list[str], arithmetic: str) -> None:
    settings = {"model": "rnn", "H": 1, "B": 1, "S": 1, "D": 2, "K": 2}
    weights = {name: [0.0] * len(values) for name, values in plain(weights_of(settings)).items()}
    weights["head_bias"] = [15.0, 0.0]
    batch = {**batch_of(settings, 1, True), "targets": [0]}
    recipe = {"optimizer": "rmsprop", "rate": 0.01, "clip": 1}
    ((steps, after),) = in_node(node, Engine, "trained", [[arithmetic, settings, weights, [batch], recipe]])
    assert 0 < steps[0]["norm"] < 1e-6
    gradient = 1 / (1 + exp(15))
    moved = 0.01 * gradient / (0.1 * gradient + 1e-8)
    assert after["head_bias"] == pytest.approx([15 + moved, -moved], rel=1e-3)


def test_an_rnn_has_no_gates_whose_memory_could_be_drawn(node: list[str]) -> None:
    settings = {"model": "rnn", "H": 5, "B": 1, "S": 1, "D": 2, "K": 2}
    options: list[dict[str, Any]] = [{}, {"memory": 3}, {"memory": "chrono", "longest": 10}]
    plainly, *others = in_node(node, Engine, "drawn", [[settings, option, 5] for option in options])
    assert others == [plainly, plainly]
