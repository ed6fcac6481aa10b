"""Chapter 3's predicates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from rnnreport.claims.evidence import at_last_step, every, mean, paired, share
from rnnreport.claims.verdicts import CannotTellError, Finding, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.intervals import digits_beside, exceeds, interval
from rnnreport.words import counted, from_to, listed

BURSTS = ["gate", "seed", "step", "test_accuracy"]


@predicate("fig3", ["t", "k"])
def fig3(k: pd.DataFrame, tau: float, s: float, r_on: float) -> Finding:
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
    return bool(max(apart) <= 2 * spacing), (
        f"By equation (12), k leaves zero at t = {', '.join(f'{start:.{digits}f}' for start in starts)} and stays "
        f"open for {from_to(widths, f'.{digits}f')} steps. Expected: t = {s:g}, every {tau:g} steps from there, and "
        f"r_on τ = {r_on * tau:g}, to within {2 * spacing:.1g}."
    )


@predicate("k-zero", ["k", "gated h", "gated c"])
def k_zero(states: pd.DataFrame) -> Finding:
    """states: a unit behind the gate over time (t, k, gated h, gated c), from a state of zeros."""
    both = states[["gated h", "gated c"]]
    moved = both.ne(both.shift(fill_value=0.0)).any(axis=1)[states["k"] == 0]
    if moved.empty:
        raise CannotTellError("The gate is closed at no step.")
    return not moved.any(), (
        f"The state equals the previous one to the bit at {(~moved).sum() or 'none'} of "
        f"{counted(len(moved), 'closed step')}."
    )


@predicate("k-nothing-lost")
def k_nothing_lost(retained: float, largest_integer_k: float) -> Finding:
    """retained: share of the old c kept at k = 1 with f = 0; largest_integer_k: figure 3's largest k at whole steps."""
    most = round(largest_integer_k, 2)
    return bool(retained > 0), (
        f"At the peak k = 1, with f = 0, the share of the old cell state that is kept is {retained:g}. At whole steps "
        f"figure 3's gate reaches k = {most:.2f} at most, so each step keeps at least {1 - most:.2f} of the state."
    )


@predicate("learnable", ["remedy", "seed", "recovered"], ["start", "found"])
def learnable(searched: pd.DataFrame, arrived: pd.DataFrame) -> Finding:
    """searched: gates sought from their output (remedy, seed, recovered); arrived: gates of networks (start, found)."""
    shares = searched.pivot_table("recovered", index="seed", columns="remedy")
    if "no remedy" not in shares:
        raise CannotTellError("It takes searches without a remedy.")
    best = shares[shares.mean().idxmax()].dropna()
    found = arrived.groupby("start")["found"].mean()
    near = found.index[found > 0.5]
    which = f" ({listed([f'{start:g}' for start in near])} steps)" if len(near) else ""
    return exceeds(best.tolist(), 0.5), (
        f"This verdict counts searches for a gate from its output alone: they find it from a share of the starts of "
        f"{share(best, 0.5)} with the best remedy ({best.name}; threshold 0.5), {share(shares['no remedy'].dropna())} "
        f"with none. Not counted: in a network that learns its weights too, most seeds find the period from "
        f"{len(near) or 'none'} of {counted(len(found), 'starting period')}{which}."
    )


@predicate("periodic-noise", BURSTS)
def periodic_noise(table: pd.DataFrame, without_clock: float, least: float, most: float) -> Finding:
    """table: networks on noise bursts (gate, seed, step, test_accuracy).

    without_clock: the best accuracy that is possible without a clock. least, most: the share of learned gates'
    openings that is in the noise at the end, in the networks with the least and the most; they decide nothing.
    """
    learned, quiet, none = _by_gate(table, "drawn, learned", "open in the quiet", "none")
    ahead = paired(learned, none)
    digits = digits_beside(interval(learned.tolist())[1:], without_clock)
    return every([exceeds(ahead, 0.0), exceeds(learned.tolist(), without_clock)]), (
        f"On noise bursts: accuracy {share(learned, without_clock)} with learned gates, {share(quiet)} with gates "
        f"set to the quiet, {share(none)} for the LSTM, over which learned gates lead by {mean(ahead, 0.0)}; "
        f"without a clock at most {without_clock:.{digits}f} is possible. Not counted: of the learned gates' "
        f"openings, {from_to([least, most], '.0%')} are still in the noise."
    )


@predicate("s-noise", BURSTS)
def s_noise(table: pd.DataFrame) -> Finding:
    """table: networks on noise bursts (gate, seed, step, test_accuracy), two of them with fixed gates.

    The one that is ahead by more than 0.1 shows the meaning of s and r_on.
    """
    burst, quiet = _by_gate(table, "open in the burst", "open in the quiet")
    lead = paired(burst, quiet)
    holds = True if exceeds(lead, 0.1) else False if exceeds([-value for value in lead], 0.1) else None
    first, sign = ("noise", 1) if sum(lead) > 0 else ("quiet", -1)
    return holds, (
        "From s on the gate is open for r_on τ steps, so s and r_on say what it listens to. Set to the noise, its "
        f"accuracy is {share(burst)}; set to the quiet, {share(quiet)}: the {first} is ahead by "
        f"{mean([sign * value for value in lead], 0.1)}; threshold 0.1 either way, chance 0.5."
    )


def _by_gate(table: pd.DataFrame, *gates: str) -> list[pd.Series]:
    """The final accuracy by seed, for each of these gates."""
    _, last = at_last_step(table[table["gate"].isin(gates)])
    if missing := [gate for gate in gates if gate not in set(last["gate"])]:
        raise CannotTellError(f"There is no run with the gate {missing[0]!r}.")
    return [last[last["gate"] == gate].set_index("seed")["test_accuracy"] for gate in gates]
