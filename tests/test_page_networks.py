"""The networks that learn in the page: losses, gradients and steps of training against autograd over the cells."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch
from conftest import in_node, require
from torch import Tensor
from torch.nn import functional as F

from rnnreport import vendor
from rnnreport.cells import lstm_step, rnn_step, temporal_gate, temporal_gate_lstm_step
from rnnreport.widgets.page import module

ARITHMETICS = ("WebAssembly", "plain JavaScript")


class Engine:
    """The networks and what they learn, with functions for JSON."""

    _esm = "\n".join(
        [
            module("network.js"),
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
              return [batches.map((batch) => net.step(read(batch), recipe).loss), net.weights()];
            }
            export function drawn(settings, options, seed) {
              const net = network(arithmetic("WebAssembly"), settings);
              initialise(net, options, draws(seed));
              return net.weights();
            }
            """,
        ]
    )


@pytest.fixture(scope="module", params=ARITHMETICS)
def arithmetic(request: pytest.FixtureRequest) -> str:
    if request.param == "WebAssembly":
        require(vendor.compiled(), "the page's kernels are not compiled here")
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


def loss_of(settings: dict[str, Any], weights: dict[str, Tensor], batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Loss and accuracy by the cells, step by step."""
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
    return F.cross_entropy(flat, targets), (flat.argmax(-1) == targets).double().mean()


def plain(weights: dict[str, Tensor]) -> dict[str, list[float]]:
    return {name: value.detach().flatten().tolist() for name, value in weights.items()}


def case(model: str, H: int, B: int, steps: int, symbols: bool = True, **more: Any) -> Any:
    settings = {"model": model, "H": H, "B": B, "S": steps + more.pop("spare", 0), "D": 10 if symbols else 1, "K": 10}
    named = "-".join(f"{key}{value}" for key, value in more.items())
    return pytest.param(
        settings | more, steps, symbols, id=f"{model}-H{H}-B{B}-T{steps}-{'digits' if symbols else 'number'}-{named}"
    )


CASES = [
    *[case(model, H, B, T) for model in ("rnn", "lstm", "temporal-gate") for H, B, T in ((5, 3, 1), (1, 1, 4), (7, 9, 12), (64, 64, 20))],
    *[case(model, 6, 5, 9, symbols=False) for model in ("rnn", "lstm", "temporal-gate")],
    *[case(model, 8, 4, 6, spare=5) for model in ("rnn", "lstm", "temporal-gate")],
    *[case("lstm", H, 4, 7, layers=2, everyStep=True) for H in (5, 8)],
    case("rnn", 6, 5, 7, layers=3, everyStep=True),
    case("temporal-gate", 6, 5, 30, layers=2),
    case("temporal-gate", 8, 6, 40, leak=0.001),
    case("temporal-gate", 8, 6, 40, dense=True),
    case("temporal-gate", 8, 6, 100, shut=6.0),
    case("temporal-gate", 4, 6, 3, shut=60.0),  # no gate opens at all
]  # fmt: skip


@pytest.mark.parametrize(("settings", "steps", "symbols"), CASES)
def test_loss_and_gradients_are_autograd_s_over_the_cells(
    node: list[str], arithmetic: str, settings: dict[str, Any], steps: int, symbols: bool
) -> None:
    weights, batch = weights_of(settings), batch_of(settings, steps, symbols)
    (found,) = in_node(node, Engine, "gradients", [[arithmetic, settings, plain(weights), batch]])
    for weight in weights.values():
        weight.requires_grad_()
    loss, accuracy = loss_of(settings, weights, batch)
    loss.backward()
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert found["accuracy"] == pytest.approx(accuracy.item())
    assert found["gradients"].keys() == weights.keys()
    for name, weight in weights.items():
        exact = weight.grad.numpy().ravel() if weight.grad is not None else np.zeros(weight.numel())
        size = np.abs(exact).max()
        assert np.abs(np.array(found["gradients"][name]) - exact).max() <= 1e-4 * size + 1e-12, name
    assert len(found["norms"]) == steps
