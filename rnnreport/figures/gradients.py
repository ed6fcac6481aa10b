"""Chapter 1's figures and tables, with what they find: derivations against their judges, and gradients over time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnreport.figures import SEQUENCE, chart, end_label, in_style, median_and_range, new
from rnnreport.gradients.proof import CLOSE, EXACT
from rnnreport.shown import in_html, tabulated, typeset
from rnnreport.words import counted, listed, two_digits

NUMBERS = (np.float32, np.float64)
LARGE = 100  # a gradient that grows or shrinks by a larger factor explodes or vanishes, here and in the widget


def worst(rows: pd.DataFrame) -> pd.DataFrame:
    """The largest gap of each derivative by each judge.

    rows: columns derivative, judge, case and gap, as the chapters' experiments call ``agreement``.
    """
    named = rows.assign(by=rows["judge"] + ", " + rows["case"])
    table = named.pivot_table(index="derivative", columns="by", values="gap", aggfunc="max", sort=False)
    return table.map("{:.0e}".format).replace("nan", "–").rename_axis(index=None, columns=None)


def agreeing(rows: pd.DataFrame) -> str:
    """Whether the derivation agrees with its judges, and how far it is from them."""
    gaps = rows.groupby("judge")["gap"].max()
    return (
        f"{right(rows)[:-1]}: they differ from automatic differentiation by at most {gaps['autograd']:.0e} of their "
        f"size, from finite differences by {gaps['differences']:.0e}."
    )


def right(rows: pd.DataFrame) -> str:
    """Whether the derivation agrees with its judges."""
    return f"The derived gradients are {'right up to rounding' if within_rounding(rows) else 'wrong'}."


def compared(rows: pd.DataFrame) -> str:
    """How many comparisons there were."""
    counts = rows["judge"].value_counts()
    return (
        f"The largest relative differences of {counts['autograd']:,} comparisons with autograd and of "
        f"{counts['differences']:,} with differences."
    )


def within_rounding(rows: pd.DataFrame) -> bool:
    """Whether all of the gaps are what rounding allows, and the error of differences."""
    return bool((rows["gap"] < rows["judge"].map({"autograd": EXACT, "differences": CLOSE})).all())


def changes(locality: pd.DataFrame) -> pd.DataFrame:
    """The median change of both gradients for each T."""
    table = locality.drop(columns="seed").groupby("T").median().map("{:.1e}".format)
    return table.rename(columns=lambda name: f"∂L/∂W_{name[1:]}")


def needing_history(locality: pd.DataFrame) -> str:
    """What cutting off the history does to the two gradients."""
    cut = locality[["Wph, history cut off", "Whh, history cut off"]]
    output = "stays the same" if (cut.iloc[:, 0] < EXACT).all() else "changes"
    length = locality["T"].max()
    recurrent = cut.loc[locality["T"] == length].iloc[:, 1].median()
    return (
        f"Without the earlier steps, the output weights' gradient {output}; that of the recurrent weights changes by "
        f"{recurrent:.0%} (median, {length} steps)."
    )


@chart("Lines: medians; bands: ranges; dashed: bound (G)")
def gradient_memory(decays: pd.DataFrame) -> Figure:
    """What is left of a gradient over the lag: above of the state's, below of each step's term."""
    figure, (above, below) = new(1, 2, sharex=True, figsize=(5.2, 5.6))
    gradient_decay(decays, "jacobian", "‖∂h(T)/∂h(t)‖₂", bound="bound", ax=above)
    gradient_decay(decays, "contribution", "term of ∂L/∂$W_\\mathrm{hh}$, relative to lag 0", ax=below)
    above.set(xlabel="")
    return figure


@in_style
def gradient_decay(
    table: pd.DataFrame, quantity: str, ylabel: str, bound: str | None = None, ax: Axes | None = None
) -> Axes:
    """What is left of a gradient after some steps: a line for each spectral radius of W_hh, on a log scale.

    table: columns spectral_radius, seed, lag and ``quantity``: the line is the median over the seeds, the band their
    range. bound: a column to draw dashed, its median over the seeds; the axis does not stretch to hold it.
    """
    if ax is None:
        _, ax = new()
    for colour, (radius, part) in zip(itertools.cycle(SEQUENCE), table.groupby("spectral_radius")):
        part = part[part[quantity] > 0]  # what has underflowed has no place on a log scale
        if part.empty:
            continue
        middle = median_and_range(ax, part.groupby("lag")[quantity], colour)
        end_label(ax, middle.index[-1], middle.iloc[-1], f"ρ = {radius:g}", colour)
    if bound is not None:
        bottom, top = ax.get_ylim()
        for colour, (radius, part) in zip(itertools.cycle(SEQUENCE), table.groupby("spectral_radius")):
            middle = part.groupby("lag")[bound].median()
            ax.semilogy(middle.index, middle, color=colour, linestyle="--", linewidth=1)
            if middle.iloc[-1] < 1:  # the only kind that crosses the other lines
                at = len(middle) // 2
                end_label(ax, middle.index[at], middle.iloc[at] / 1e3, f"bound, ρ = {radius:g}", colour)
        ax.set_ylim(bottom, top * 1e3)
    ax.set(xlabel="lag T − t in steps", ylabel=ylabel)
    return ax


def factors(decays: pd.DataFrame) -> pd.DataFrame:
    """The factor per step that the norm at the largest lag implies, for each spectral radius and seed.

    Columns: spectral_radius, seed, value (the factor), jacobian, contribution (both at that lag), norm and slope.
    """
    last = decays[decays["lag"] == decays["lag"].max()]
    return last.assign(value=last["jacobian"] ** (1 / last["lag"])).drop(columns=["lag", "bound"])


def fate(left: pd.Series) -> str:
    """What happens to a gradient of which this much, over the seeds, is left at the largest lag: by the median."""
    return "vanishes" if left.median() < 1 / LARGE else "explodes" if left.median() > LARGE else "does neither"


def fading(decays: pd.DataFrame) -> str:
    """Whether gradients vanish or explode at the smallest spectral radius and at the largest."""
    by_radius = [*factors(decays).groupby("spectral_radius")]
    found = [
        f"by {part['value'].median():.2g} at ρ = {radius:g} (it {fate(part['jacobian'])})"
        for radius, part in dict([by_radius[0], by_radius[-1]]).items()
    ]
    return f"Per step back, a gradient is multiplied {listed(found)}."


def left_of_terms(decays: pd.DataFrame) -> str:
    """How large the term of the largest lag is at every spectral radius."""
    left = factors(decays).groupby("spectral_radius")["contribution"].median()
    found = [f"{value:.1g} at ρ = {radius:g}" for radius, value in left.items()]
    return (
        f"The term of ∂L/∂W_hh of lag {decays['lag'].max()}, relative to that of lag 0: {listed(found)}. "
        "Untrained tanh networks, N(0, 1) inputs; log scales; means over the batch are geometric."
    )


def factors_by_radius(factors: pd.DataFrame) -> pd.DataFrame:
    """For each spectral radius the factor per step, and what one might have guessed it from: medians over the seeds."""
    by_radius = factors.groupby("spectral_radius")
    middle = by_radius[["norm", "slope", "jacobian"]].median()
    return pd.DataFrame(
        {
            "‖W_hh‖₂": middle["norm"].map("{:.2f}".format),
            "mean slope 1 − h²": middle["slope"].map("{:.2f}".format),
            "factor per step": by_radius["value"].median().map("{:.3f}".format),
            "lowest": by_radius["value"].min().map("{:.3f}".format),
            "highest": by_radius["value"].max().map("{:.3f}".format),
            "left at the largest lag": middle["jacobian"].map("{:.1e}".format),
            "the gradient": by_radius["jacobian"].agg(fate),
        }
    ).rename_axis("ρ")


def below_radius(factors: pd.DataFrame) -> str:
    """Whether the measured factors lie below the spectral radius."""
    below = int((factors["value"] < factors["spectral_radius"]).sum())
    slopes = factors.groupby("spectral_radius")["slope"].median()
    return (
        f"In {below} of {counted(len(factors), 'network')} the factor per step is below ρ; slopes average "
        f"{slopes.iloc[0]:.2f} at ρ = {slopes.index[0]:g} and {slopes.iloc[-1]:.2f} at ρ = {slopes.index[-1]:g}."
    )


def underflow(factors: pd.DataFrame) -> str:
    """After how many steps a gradient of size 1 is below the smallest normal number, at the smallest radius."""
    slowest = factors.loc[factors["spectral_radius"] == factors["spectral_radius"].min()]
    value = slowest["value"].median()
    where = f"At ρ = {slowest['spectral_radius'].iloc[0]:g}"
    if not 0 < value < 1:
        return f"{where} a gradient of size 1 does not fall below the smallest normal number."
    steps = [f"{math.log(np.finfo(kind).tiny) / math.log(value):,.0f} steps in {kind.__name__}" for kind in NUMBERS]
    return f"{where} a gradient of size 1 falls below the smallest normal number after {listed(steps)}."


def readings(gaps: pd.DataFrame) -> pd.DataFrame:
    """The readings of a printed formula (columns) over all problems (rows): whether it is right, and how far off."""
    return pd.DataFrame(
        {
            "equal to autograd": (gaps < EXACT).all().map({True: "yes", False: "no"}),
            "relative difference, median": gaps.median().map(two_digits),
            "smallest": gaps.min().map(two_digits),
            "largest": gaps.max().map(two_digits),
        }
    )


def main_readings(gaps: pd.DataFrame) -> pd.DataFrame:
    """The same of the three readings of ∂L/∂W_hh that matter most: all repaired, the kindest, and to the letter."""
    return readings(gaps[["repaired", "single product for the sum over k", "every letter as printed"]])


def right_readings(gaps: pd.DataFrame) -> str:
    """Which of the readings are right on these problems."""
    right = [f"“{name}”" for name in gaps if (gaps[name] < EXACT).all()]
    if not right:
        return "The printed formula equals autograd's gradient in no reading."
    wrong = gaps.shape[1] - len(right)
    rest = f", not in {counted(wrong, 'other reading')}" * bool(wrong)
    return f"The printed formula equals autograd's gradient if read as {listed(right, last='or')}{rest}."


def folded(summary: str, table: pd.DataFrame) -> HTML:
    """A table behind its summary."""
    return HTML(f'<details class="code"><summary>{in_html(summary)}</summary>{tabulated(table)}</details>')


def told(*lines: str) -> HTML:
    """Sentences of a check for the page, one below the other."""
    return HTML(f"<p>{'<br>'.join(map(typeset, lines))}</p>")


def refusals(reasons: Mapping[str, str]) -> HTML:
    """Mistakes, each with what the judges say of it. reasons: by mistake, as ``Proof.refusal`` gives them."""
    return told(*(f"✗ {slip}: {reason.partition('wrong: ')[2]}" for slip, reason in reasons.items()))


def apart(one: str, other: str, gap: float) -> HTML:
    """How far two ways to a gradient are apart."""
    rounding = ", which is rounding" * (gap < EXACT)
    return told(f"{one} and {other} differ by at most {gap:.0e} of the gradient's size{rounding}.")
