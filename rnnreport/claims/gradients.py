"""Chapter 1's predicates. Tables of differences from autograd have a row for each random network.

Their columns are the readings of a printed formula.
"""

from __future__ import annotations

import pandas as pd

from rnnreport.claims.evidence import of_seeds, with_interval
from rnnreport.claims.verdicts import Finding, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.intervals import digits_beside
from rnnreport.words import counted

NETWORK = "random network"  # small, with random weights and inputs
EQUAL = 1e-12  # a smaller relative difference from autograd counts as none, in float64


@predicate("grad-wph", ["line 3, l = i", "line 3, l summed"])
def grad_wph(gaps: pd.DataFrame) -> Finding:
    """gaps: relative differences of the report's lines for ∂L/∂Wph from autograd."""
    read_well, summed = gaps["line 3, l = i"].max(), gaps["line 3, l summed"].max()
    return bool(read_well < EQUAL), (
        f"Relative difference from autograd, the largest over {counted(len(gaps), NETWORK)}: {_gap(read_well)} if the "
        f"index l that nothing binds in the last line is read as i, {_gap(summed)} if it is still summed over; below "
        f"{EQUAL} is equal."
    )


@predicate("grad-whh", ["single product for the sum over k", "every letter as printed", "repaired"])
def grad_whh(gaps: pd.DataFrame) -> Finding:
    """gaps: relative differences of the readings of ∂L/∂Whh from autograd."""
    kindest, literal, repaired = (
        gaps[column].max() for column in ("single product for the sum over k", "every letter as printed", "repaired")
    )
    return None if kindest < EQUAL else False, (
        f"Relative difference from autograd, the largest over {counted(len(gaps), NETWORK)}: {_gap(literal)} "
        f"with every letter as printed, {_gap(kindest)} with all put right but the slope of tanh, {_gap(repaired)} "
        f"with that put right too; below {EQUAL} is equal."
    )


@predicate("wph-local", ["Wph, history cut off", "Whh, history cut off", "Wph, other x(1)"])
def wph_local(gaps: pd.DataFrame) -> Finding:
    """gaps: relative change of each gradient if all steps but the last are cut off, and if x(1) is another."""
    cut, whh_cut, other = (
        gaps[column].max() for column in ("Wph, history cut off", "Whh, history cut off", "Wph, other x(1)")
    )
    return bool(cut < EQUAL), (
        f"Largest relative change over {counted(len(gaps), NETWORK)}: with h(T) given and the earlier steps cut off, "
        f"{_gap(cut)} of ∂L/∂W_ph and {_gap(whh_cut)} of ∂L/∂W_hh; with another x(1), which reaches h(T), "
        f"{_gap(other)} of ∂L/∂W_ph; below {EQUAL} is equal."
    )


@predicate("whh-chain", ["spectral_radius", "seed", "value"])
def whh_chain(rates: pd.DataFrame) -> Finding:
    """rates: the factor per step of ‖∂h(T)/∂h(t)‖, by spectral radius and seed."""
    by_radius = rates.groupby("spectral_radius")["value"]
    vanishes, explodes = by_radius.max() < 1, by_radius.min() > 1
    words = ", ".join(f"{_spread(values, 1.0)} at ρ = {radius:g}" for radius, values in by_radius)
    return of_seeds(
        True if vanishes.any() and explodes.any() else None,
        f"Factor per step before any training, median and range over the seeds: {words}; below 1 in every seed the "
        "gradient shrinks, above 1 it grows.",
        rates["seed"].nunique(),
    )


def _gap(value: float) -> str:
    """A relative difference, of rounding or of another formula."""
    return f"{value:.2f}" if value >= 0.01 else f"{value:.{digits_beside([value], EQUAL, form='g')}g}"


def _spread(values: pd.Series, against: float) -> str:
    """Median and range over the seeds."""
    digits = digits_beside(values, against)
    words = [f"{value:.{digits}f}" for value in (values.median(), values.min(), values.max())]
    return with_interval(words, len(values))
