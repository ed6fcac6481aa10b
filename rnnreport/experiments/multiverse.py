"""Chapter 2: in how many worlds a claim holds, a world being one way to settle all that the report leaves open."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import pandas as pd

from rnnreport.configuration import ModelName
from rnnreport.experiments.drawn_state import DrawnStateRun, train_from_drawn_state
from rnnreport.parameters.rnn_versus_lstm import RNNVersusLSTMParameters
from rnnreport.runs import run_all, tabulate

MOST_UNITS = 64  # of each network: half of the report's, so that all worlds take hours and not a day

# What the report leaves open: by name each value and the one setting that it stands for, what we take for the
# report's first.
CHOICES: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {"one number": {"encoding": "scalar"}, "one-hot": {"encoding": "one-hot"}},
    "reading of 0.1": {
        "deviation": {"initialisation": "normal"},
        "variance": {"initialisation": "normal-variance"},
    },
    "optimizer": {"RMSprop": {"optimizer": "rmsprop"}, "Adam": {"optimizer": "adam"}},
    "learning rate": {f"{rate:g}": {"learning_rate": rate} for rate in (1e-3, 3e-3, 1e-2)},
    "clipping norm": {f"{norm:g}": {"clip_norm": norm} for norm in (10.0, 1.0)},
    "batch size": {str(size): {"batch_size": size} for size in (128, 32)},
    "first state": {"zeros": {"start": 0.0}, "drawn": {"start": 0.1}},
}
# Network, length T and steps of training.
CASES: tuple[tuple[ModelName, int, int], ...] = (("rnn", 5, 400), ("rnn", 20, 1_000), ("lstm", 20, 1_000))


class Asked(NamedTuple):
    """What must be so in a seed for a claim to hold in it."""

    what: str  # an accuracy on fresh palindromes, or the difference of two
    margin: float
    above: bool  # whether it must lie above the margin, or below

    @property
    def words(self) -> str:
        """The same in words."""
        return f"{self.what} is {'above' if self.above else 'below'} {self.margin:g}"


CLAIMS = {
    "figure 1a": Asked("the RNN's accuracy at T = 5", 0.95, True),
    "figure 2a": Asked("the RNN's accuracy at T = 20", 0.5, False),
    "figure 2b": Asked("the LSTM's accuracy at T = 20", 0.5, True),
    "the LSTM's lead": Asked("the LSTM's lead over the RNN at T = 20", 0.0, True),
}


def worlds() -> list[dict[str, Any]]:
    """The settings of every world: all values of all choices crossed."""
    crossed = product(*(values.values() for values in CHOICES.values()))
    return [{name: value for choice in world for name, value in choice.items()} for world in crossed]


def run(p: RNNVersusLSTMParameters) -> pd.DataFrame:
    """Every world's networks with every seed, measured at their last step."""
    common = {**p.common, "hidden_size": min(p.hidden_size, MOST_UNITS)}
    asked = [
        DrawnStateRun.of(model, length, seed, steps, p.backend, **{**common, **world, "record_every": steps})
        for world, (model, length, most), seed in product(worlds(), CASES, p.seeds)
        for steps in (min(most, p.train_steps),)
    ]
    table = tabulate(run_all(train_from_drawn_state, asked, "multiverse"))
    return table[table["step"] == table["steps"]]


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """What each claim asks about, in every world and seed. table: of :func:`run`; if it is empty, so is the result.

    Columns: the choices, with their values' names; seed, claim and value.
    """
    if table.empty:
        return table
    named = table.assign(**{choice: _in_words(table, values) for choice, values in CHOICES.items()})
    found = named.pivot(index=[*CHOICES, "seed"], columns=["model", "length"], values="test_accuracy")
    (near, far, lstm) = (found[model, length] for model, length, _ in CASES)
    values = pd.concat(dict(zip(CLAIMS, (near, far, lstm, lstm - far))), names=["claim"])
    return values.dropna().reset_index(name="value")


def _in_words(table: pd.DataFrame, values: dict[str, dict[str, Any]]) -> pd.Series:
    (column,) = {name for setting in values.values() for name in setting}
    names = {setting[column]: name for name, setting in values.items()}
    return table[column].map(names).astype(pd.CategoricalDtype([*values]))  # in this order, and not by the alphabet


def holds(values: pd.DataFrame) -> pd.DataFrame:
    """In what share of the seeds each claim holds in each world, and whether in more than half. values: of `measured`.

    Columns: claim, asked (the claim in words), the choices, share and holds.
    """
    if values.empty:
        return values
    asked = values["claim"].map(CLAIMS)
    beyond = values["value"] - asked.map(lambda one: one.margin)
    kept = beyond.where(asked.map(lambda one: one.above), -beyond) > 0
    by = ["claim", "asked", *CHOICES]
    named = values.assign(asked=asked.map(lambda one: one.words), share=kept.astype(float))
    shares = named.groupby(by, sort=False, observed=True)["share"].mean().reset_index()
    return shares.assign(holds=shares["share"] > 0.5)
