"""Chapter 1c's predicate."""

from __future__ import annotations

import pandas as pd

from rnnreport.claims.verdicts import CannotTellError, Measured, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.words import grouped, listed


@predicate("identity-grad", ["network", "seed", "when", "test_accuracy", "lag", "cell?"])
def identity_grad(reach: pd.DataFrame) -> Measured:
    """reach: how much of a gradient is left (network, seed, when, test_accuracy, lag, cell; no cell in the RNN).

    A path of gradient 1 would leave 1 at every lag. Judged at the largest lag and in the most open unit, in the LSTMs
    that have learnt the task.
    """
    lag = reach["lag"].max()
    if lag < 5:
        raise CannotTellError("It takes at least 5 steps between the first digit and the end.")
    tried = reach[reach["lag"] == lag].dropna(subset=["cell"])
    lstms = tried[tried["test_accuracy"] >= 0.9]
    if lstms.empty:
        raise CannotTellError("None of these LSTMs has learnt the task.")
    cases = {
        f"{when} training in the {network}": rows["cell"].tolist()
        for (when, network), rows in grouped(
            lstms.sort_values("when", ascending=False, kind="stable"), "when", "network"
        )
    }
    if len(cases) != 2 * lstms["network"].nunique():
        raise CannotTellError("It takes every LSTM both before its training and after.")
    learnt, seeds = (table.groupby("network", sort=False)["seed"].nunique() for table in (lstms, tried))
    counts = [f"{learnt[network]} of {seeds[network]} of the {network}" for network in learnt.index]
    return cases, (
        f"That is what the most open unit leaves of a gradient over {lag} steps, in the seeds that learn the task: "
        f"{listed(counts)}."
    )
