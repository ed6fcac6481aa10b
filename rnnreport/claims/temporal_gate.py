"""Chapter 3's predicates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from rnnreport.claims.evidence import at_last_step, choosing, paired
from rnnreport.claims.verdicts import CannotTellError, Measured, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.words import counted, from_to, listed, percent

BURSTS = ["gate", "seed", "step", "test_accuracy"]


@predicate("fig3", ["t", "k"])
def fig3(k: pd.DataFrame, tau: float, s: float, r_on: float) -> Measured:
    """k: openness over a fine grid of times (t, k), for the gate tau, s, r_on."""
    if (tau, s, r_on) != (6, 3, 0.2):
        raise CannotTellError("The claim is about the gate with τ = 6, s = 3 and r_on = 0.2.")
    spacing = k["t"].diff().median()
    is_open = k[k["k"] > 0]
    openings = is_open.groupby((is_open["t"].diff() > 2 * spacing).cumsum())["t"]
    starts, ends = openings.min() - spacing, openings.max() + spacing
    widths = (ends - starts)[ends < k["t"].max()]
    if len(starts) < 2 or widths.empty:
        raise CannotTellError("It takes a gate that opens twice.")
    apart = [*(starts - s - tau * np.arange(len(starts))).abs(), *(widths - r_on * tau).abs()]
    digits = max(2, round(-math.log10(spacing)))
    return {"": [max(apart) / spacing]}, (
        f"By equation (12), k leaves zero at t = {', '.join(f'{start:.{digits}f}' for start in starts)} and stays "
        f"open for {from_to(widths, f'.{digits}f')} steps. Expected: t = {s:g}, every {tau:g} steps from there, and "
        f"r_on τ = {r_on * tau:g}, to within {2 * spacing:.1g}."
    )


@predicate("k-zero", ["k", "gated h", "gated c"])
def k_zero(states: pd.DataFrame) -> Measured:
    """states: a unit behind the gate over time (t, k, gated h, gated c), from a state of zeros."""
    both = states[["gated h", "gated c"]]
    moved = both.ne(both.shift(fill_value=0.0)).any(axis=1)[states["k"] == 0]
    if moved.empty:
        raise CannotTellError("The gate is closed at no step.")
    return {"": [int(moved.sum())]}, (
        f"The state equals the previous one to the bit at {(~moved).sum() or 'none'} of "
        f"{counted(len(moved), 'closed step')}."
    )


@predicate("k-nothing-lost")
def k_nothing_lost(retained: float, largest_integer_k: float) -> Measured:
    """retained: share of the old c kept at k = 1 with f = 0; largest_integer_k: figure 3's largest k at whole steps."""
    most = round(largest_integer_k, 2)
    return {"": [retained]}, (
        f"At the peak k = 1 all of the state goes through the LSTM, and f alone of the old cell state is kept: "
        f"{retained:.2g} of it with a forget bias of -10. At whole steps "
        f"figure 3's gate reaches k = {most:.2f} at most, so each step keeps at least {1 - most:.2f} of the state."
    )


@predicate("learnable", ["remedy", "seed", "recovered"], ["start", "seed", "found"])
def learnable(searched: pd.DataFrame, arrived: pd.DataFrame) -> Measured:
    """searched: gates sought from their output (remedy, seed, recovered); arrived: gates of networks (start, found)."""
    chooses = choosing(searched)
    best = searched[chooses].groupby("remedy")["recovered"].mean().idxmax()
    alone = searched[~chooses].pivot_table("recovered", index="seed", columns="remedy")
    if "no remedy" not in alone:
        raise CannotTellError("It takes searches without a remedy.")
    found = arrived.groupby("start")["found"].mean()
    near = found.index[found > 0.5]
    which = f" ({listed([f'{start:g}' for start in near])} steps)" if len(near) else ""
    return {
        f"gates found from their output, with the best remedy ({best})": alone[best].tolist(),
        "periods found by a network": arrived.groupby("seed")["found"].mean().tolist(),
    }, (
        f"Shares of the starts; without a remedy {alone['no remedy'].mean():.2f} of the gates are found. Most networks "
        f"find the period from {len(near) or 'none'} of {counted(len(found), 'starting period')}{which}."
    )


@predicate("periodic-noise", BURSTS)
def periodic_noise(table: pd.DataFrame, without_clock: float, in_noise: float, by_chance: float) -> Measured:
    """table: networks on noise bursts (gate, seed, step, test_accuracy).

    without_clock: the best accuracy that is possible without a clock. in_noise: the share of a network's openings that
    is in the noise at the end, and by_chance, of the steps; they decide nothing.
    """
    learned, quiet, none = _by_gate(table, "drawn, learned", "open in the quiet", "none")
    return {
        "lead over the LSTM": paired(learned, none),
        "lead over the best without a clock": (learned - without_clock).tolist(),
    }, (
        f"Mean accuracy on noise bursts: {learned.mean():.2f} with learned gates, {quiet.mean():.2f} with gates set to "
        f"the quiet, {none.mean():.2f} for the LSTM; without counting steps {without_clock:.2f} is possible. Not "
        f"counted: how the gates do it. In the network whose gates were kept, {percent(in_noise)} of the openings are "
        f"in the noise; so are {percent(by_chance)} of the steps."
    )


@predicate("s-noise", BURSTS)
def s_noise(table: pd.DataFrame) -> Measured:
    """table: networks on noise bursts (gate, seed, step, test_accuracy), two of them with fixed gates."""
    burst, quiet = _by_gate(table, "open in the burst", "open in the quiet")
    return {"accuracy set to the noise less accuracy set to the quiet": paired(burst, quiet)}, (
        "From s on the gate is open for r_on τ steps, so s and r_on say what it listens to. Mean accuracy is "
        f"{burst.mean():.2f} set to the noise and {quiet.mean():.2f} set to the quiet; chance is 0.5."
    )


def _by_gate(table: pd.DataFrame, *gates: str) -> list[pd.Series]:
    """The final accuracy by seed, for each of these gates."""
    _, last = at_last_step(table[table["gate"].isin(gates)])
    if missing := [gate for gate in gates if gate not in set(last["gate"])]:
        raise CannotTellError(f"There is no run with the gate {missing[0]!r}.")
    return [last[last["gate"] == gate].set_index("seed")["test_accuracy"] for gate in gates]
