"""Chapter 1c's predicate."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rnnreport.claims.evidence import every, with_interval
from rnnreport.claims.verdicts import CannotTellError, Finding, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.intervals import digits_beside, exceeds, interval


@predicate("identity-grad", ["network", "seed", "when", "test_accuracy", "lag", "cell?"])
def identity_grad(reach: pd.DataFrame) -> Finding:
    """reach: how much of a gradient is left (network, seed, when, test_accuracy, lag, cell; no cell in the RNN).

    A path of gradient 1 would leave 1 at every lag. The claim holds if more than half of that is left, at the largest
    lag and in the most open unit, in every kind of LSTM before and after training. Only LSTMs that have learnt the task
    count.
    """
    lag = reach["lag"].max()
    if lag < 5:
        raise CannotTellError("It takes at least 5 steps between the first digit and the end.")
    solved = reach[(reach["lag"] == lag) & (reach["test_accuracy"] >= 0.9)]
    lstms = solved.dropna(subset=["cell"])
    if lstms.empty:
        raise CannotTellError("None of these LSTMs has learnt the task.")
    along = {when: lstms[lstms["when"] == when].groupby("network", sort=False)["cell"] for when in ("before", "after")}
    if set(along["before"].groups) != set(along["after"].groups):
        raise CannotTellError("It takes every LSTM both before its training and after.")
    return every(exceeds(values.tolist(), 0.5) for networks in along.values() for _, values in networks), (
        f"What the most open unit leaves of a gradient over {lag} steps, threshold 0.5: before training "
        f"{_in_each(along['before'], 0.5)}; after training {_in_each(along['after'], 0.5)}. Means over the seeds that "
        "solve the task, with 95% intervals."
    )


def _in_each(networks: Any, against: float) -> str:
    """Each network's mean over the seeds with its interval, for values that may be far below 0.01 but not below 0."""
    words = []
    for network, values in networks:
        ends = interval(values.tolist())
        digits = digits_beside(ends[1:], against, form="g")
        words.append(f"{with_interval([f'{max(end, 0):.{digits}g}' for end in ends], len(values))} in the {network}")
    return ", ".join(words)
