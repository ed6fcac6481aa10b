"""Chapter 3: the LSTM behind a temporal gate."""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd
import torch

from rnnreport.cells import lstm_step, temporal_gate, temporal_gate_lstm_step
from rnnreport.experiments import TrainingParameters
from rnnreport.experiments.palindromes import PalindromeRun, new_network, train_palindromes, trained_network
from rnnreport.models import TemporalGateLSTM
from rnnreport.parameters import Positive, Ratio, Real, Sample
from rnnreport.runs import Run, run_all
from rnnreport.training import Recipe


class TemporalGateParameters(TrainingParameters):
    """What chapter 3 can be told."""

    tau: Positive
    s: Real
    r_on: Ratio
    test_palindromes: Sample


def openness(p: TemporalGateParameters, until: float) -> pd.DataFrame:
    """k over time from 0 on, on a fine grid and at the integer steps (the first 1,000): t, k, and whether t is one."""
    grid = torch.linspace(0, until, 2401, dtype=torch.float64)
    t = torch.cat([grid, torch.arange(min(int(until), 1_000) + 1, dtype=torch.float64)]).unique()
    tau, shift, r_on = (torch.tensor(value, dtype=torch.float64) for value in (p.tau, p.s, p.r_on))
    k = temporal_gate(t, tau, shift, r_on)
    return pd.DataFrame({"t": t, "k": k, "integer": t == t.round()})


def states(p: TemporalGateParameters, steps: int, seed: int) -> pd.DataFrame:
    """c and h of one unit among eight, with the gate and without it, over random input: t, k, and c, h of both."""
    generator = torch.Generator().manual_seed(seed)
    units = 8

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    weights = (draw(4 * units, 1), draw(4 * units, units) / units**0.5, draw(4 * units) / 2)
    tau, shift, r_on = (torch.tensor(value, dtype=torch.float64) for value in (p.tau, p.s, p.r_on))
    times = torch.arange(1, steps + 1, dtype=torch.float64)
    ungated = gated = (torch.zeros(1, units, dtype=torch.float64),) * 2
    rows = []
    for t, k in zip(times, temporal_gate(times, tau, shift, r_on)):
        x = draw(1, 1)
        ungated = lstm_step(x, *ungated, *weights)
        gated = temporal_gate_lstm_step(x, *gated, k, *weights)
        rows.append((int(t), k.item(), *(state[0, 0].item() for state in (*ungated, *gated))))
    return pd.DataFrame(rows, columns=["t", "k", "h", "c", "gated h", "gated c"])


def gated_versus_lstm(p: TemporalGateParameters) -> list[Run]:
    """LSTM and temporal-gate LSTM at every length and seed, alike in all but the gate.

    One-hot digits, torch.nn's initial weights and a forget bias of 1, so that the plain LSTM gets a fair start. Periods
    start log-uniform in 1…2T and r_on at 0.05, as the Phased LSTM's; all three are learned with the weights.
    """
    return run_all(
        train_palindromes,
        [
            PalindromeRun(
                model=model,
                length=length,
                encoding="one-hot",
                initialisation="uniform",
                forget_bias=1.0,
                longest_period=2.0 * length if model == "temporal-gate" else None,
                hidden_size=p.hidden_size,
                batch_size=p.batch_size,
                test_palindromes=p.test_palindromes,
                recipe=Recipe(
                    steps=p.train_steps,
                    learning_rate=p.learning_rate,
                    record_every=20,
                    seed=seed,
                    device=p.device,
                ),
            )
            for model, length, seed in product(("lstm", "temporal-gate"), p.lengths, p.seeds)
        ],
        "LSTM and temporal gate",
    )


def learned_gates(run: Run) -> pd.DataFrame:
    """Each unit's tau, s and r_on before and after training, and at how many of the T - 1 steps it was open."""
    times = torch.arange(1, run.configuration.length).float()
    columns: dict[str, Any] = {}
    with torch.no_grad():
        for when, network in (("before", new_network(run.configuration)), ("after", trained_network(run))):
            lstm = network.recurrence
            assert isinstance(lstm, TemporalGateLSTM)
            columns |= {f"{name}_{when}": value.numpy() for name, value in zip(("tau", "s", "r_on"), lstm.gate())}
            columns[f"steps_open_{when}"] = (lstm.openness(times) > 0).sum(0).numpy()
    return pd.DataFrame(columns)
