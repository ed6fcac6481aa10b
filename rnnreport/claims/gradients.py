"""Chapter 1's predicates. Tables of differences from autograd have a row for each random network.

Their columns are the readings of a printed formula.
"""

from __future__ import annotations

import pandas as pd

from rnnreport.claims.stated import claims
from rnnreport.claims.verdicts import CannotTellError, Measured, predicate
from rnnreport.claims.verdicts import judge as judge
from rnnreport.intervals import digits_beside
from rnnreport.words import counted, listed, two_digits

NETWORK = "random network"  # small, with random weights and inputs


@predicate("grad-wph", ["line 3, l = i", "line 3, l summed"])
def grad_wph(gaps: pd.DataFrame) -> Measured:
    """gaps: relative differences of the report's lines for ∂L/∂Wph from autograd."""
    read_well, summed = gaps["line 3, l = i"].max(), gaps["line 3, l summed"].max()
    return {"": [read_well]}, (
        f"Relative difference from autograd, the largest over {counted(len(gaps), NETWORK)}: {_gap(read_well)} if the "
        f"index l that nothing binds in the last line is read as i, {_gap(summed)} if it is still summed over; below "
        f"{_margin()} is equal."
    )


@predicate("grad-whh", ["single product for the sum over k", "every letter as printed", "repaired"])
def grad_whh(gaps: pd.DataFrame) -> Measured:
    """gaps: relative differences of the readings of ∂L/∂Whh from autograd."""
    kindest, literal, repaired = (
        gaps[column].max() for column in ("single product for the sum over k", "every letter as printed", "repaired")
    )
    return {"as printed": [literal], "at its kindest": [kindest]}, (
        f"Relative difference from autograd, the largest over {counted(len(gaps), NETWORK)}: {_gap(literal)} "
        f"with every letter as printed, {_gap(kindest)} with all put right but the slope of tanh, {_gap(repaired)} "
        f"with that put right too; below {_margin()} is equal."
    )


@predicate("wph-local", ["Wph, history cut off", "Whh, history cut off", "Wph, other x(1)"])
def wph_local(gaps: pd.DataFrame) -> Measured:
    """gaps: relative change of each gradient if all steps but the last are cut off, and if x(1) is another."""
    cut, whh_cut, other = (
        gaps[column].max() for column in ("Wph, history cut off", "Whh, history cut off", "Wph, other x(1)")
    )
    return {"": [cut]}, (
        f"Largest relative change over {counted(len(gaps), NETWORK)}: with h(T) given and the earlier steps cut off, "
        f"{_gap(cut)} of ∂L/∂W_ph and {_gap(whh_cut)} of ∂L/∂W_hh; with another x(1), which reaches h(T), "
        f"{_gap(other)} of ∂L/∂W_ph; below {_margin()} is equal."
    )


@predicate("whh-past", ["T", "Whh, history cut off"])
def whh_past(gaps: pd.DataFrame) -> Measured:
    """gaps: relative change of the gradient if all steps but the last are cut off; uses the largest T."""
    cut = gaps.loc[gaps["T"] == gaps["T"].max(), "Whh, history cut off"]
    return {"": [cut.min()]}, (
        f"With h(T) given and the earlier steps cut off, ∂L/∂W_hh changes by {two_digits(cut.min())} to "
        f"{two_digits(cut.max())} of its size in {counted(len(cut), NETWORK)}, T = {gaps['T'].max()}."
    )


@predicate("whh-chain", ["spectral_radius", "seed", "value"])
def whh_chain(rates: pd.DataFrame) -> Measured:
    """rates: the factor per step of ‖∂h(T)/∂h(t)‖, by spectral radius and seed."""
    least, most = rates["spectral_radius"].min(), rates["spectral_radius"].max()
    if least == most:
        raise CannotTellError("It takes several spectral radii.")
    by_radius = rates.groupby("spectral_radius")["value"]
    medians = listed([f"{middle:.2f} at ρ = {radius:g}" for radius, middle in by_radius.median().items()])
    return {
        f"distance below 1 at ρ = {least:g}": (1 - by_radius.get_group(least)).tolist(),
        f"distance above 1 at ρ = {most:g}": (by_radius.get_group(most) - 1).tolist(),
    }, f"Factor per step before any training, median over the seeds: {medians}."


def _gap(value: float) -> str:
    """A relative difference, of rounding or of another formula."""
    return two_digits(value) if value >= 0.01 else f"{value:.{digits_beside([value], _margin(), form='g')}g}"


def _margin() -> float:
    """The relative difference from autograd, in float64, below which formulas are equal."""
    return claims()["grad-wph"].bounds[1]
