"""Chapter 4's predicates."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
from IPython.display import Markdown

from rnnreport.claims import verdicts
from rnnreport.claims.evidence import at_last_step
from rnnreport.claims.verdicts import CannotTellError, Measured, Verdict, predicate
from rnnreport.intervals import digits_beside
from rnnreport.words import counted, from_to, percent


def judging(is_report_book: bool) -> Callable[..., Verdict | Markdown]:
    """:func:`rnnreport.claims.verdicts.judge` for a page about the report's book; for another text, no verdicts."""

    def judge(claim: str, *tables: pd.DataFrame | float) -> Verdict | Markdown:
        if is_report_book:
            return verdicts.judge(claim, *tables)
        return Markdown("The report's claim is about its book, which is not the text of this page: not run.")

    return judge


def _accuracy_at(step: int) -> Callable[[pd.DataFrame], Measured]:
    """The predicate of a claim about the accuracy at this step of trainings with the course's settings."""

    def accuracy(table: pd.DataFrame) -> Measured:
        there = table[table["step"] == step].dropna(subset=["accuracy"])
        if there.empty:
            raise CannotTellError(f"The claim is about {step:,} steps; none of these trainings has recorded that one.")
        return {f"accuracy after {step:,} steps": there["accuracy"].tolist()}, ""

    return accuracy


for _claim, _step in (("text-057", 50_000), ("text-059", 100_000), ("text-061", 200_000)):
    predicate(_claim, ["step", "accuracy?"])(_accuracy_at(_step))


@predicate("text-068", ["step", "accuracy?"])
def text_068(table: pd.DataFrame) -> Measured:
    """table: trainings with the course's settings, at least 500,000 steps each, judged at the last step they share."""
    step, ends = at_last_step(table.dropna(subset=["accuracy"]), 500_000)
    reached = table.loc[table["accuracy"] >= 0.68, "step"]
    when = f"0.68 is reached for the first time at step {reached.min():,}" if len(reached) else "0.68 is never reached"
    held_out = ends.get("held_out_accuracy", pd.Series(dtype=float)).dropna()
    return {f"accuracy after {step:,} steps": ends["accuracy"].tolist()}, (
        f"In training {when}." + (f" On held-out text it is {from_to(held_out, '.3f')}." if len(held_out) else "")
    )


@predicate("text-loss", ["loss?", "accuracy?"])
def text_loss(table: pd.DataFrame) -> Measured:
    """table: a training's loss and accuracy. If the argmax is wrong, the true character's probability is <= 0.5."""
    bound = (1 - 0.68) * math.log(2)
    rows = table.dropna(subset=["loss", "accuracy"])
    above = rows["loss"] - (1 - rows["accuracy"]) * math.log(2)
    if (above < 0).any():
        raise AssertionError("a mean cross-entropy below its bound: the loss or the accuracy is computed wrongly")
    return {"": [bound]}, (
        f"A loss of 0.126 nats is impossible: an accuracy of 0.68 means at least {bound:.2f}. Of "
        f"{counted(len(rows), 'recorded point')} none is below this bound (the nearest lies {above.min():.2f} above)."
    )


@predicate("fig4", ["step", "seed", "loss?", "accuracy?"])
def fig4(table: pd.DataFrame) -> Measured:
    """table: the text model's first steps. One training is enough."""
    rows = table[table["step"] <= 2_000].dropna(subset=["loss", "accuracy"]).sort_values("step")
    step, _ = at_last_step(rows, 2_000)
    ends = rows.groupby("seed")
    if ends["step"].nunique().min() < 2:
        raise CannotTellError("It takes more than one recorded step.")
    fall, rise = (ends[column].last() - ends[column].first() for column in ("loss", "accuracy"))
    return {"the loss falls by": (-fall).tolist(), "the accuracy rises by": rise.tolist()}, (
        f"From step {rows['step'].min():,} to step {step:,}, in {counted(len(ends), 'training')}."
    )


@predicate("newlines-first", ["seed", "step", "newlines_greedy", "zero_state", "after_first"])
def newlines_first(habits: pd.DataFrame, in_book: float) -> Measured:
    """habits: during trainings (seed, step, newlines_greedy, zero_state, after_first); in_book: newlines' share.

    The claim has two halves: samples are mostly newlines at some early step, and a zero state predicts one there.
    """
    trained = habits[habits["step"] > 0]
    if trained.empty:
        raise CannotTellError("It takes samples after the first step.")
    means = trained.groupby("step")[["newlines_greedy", "zero_state", "after_first"]].mean()
    step = means["newlines_greedy"].idxmax()
    there = trained[trained["step"] == step]
    zero = there[["zero_state", "after_first"]].max(axis=1)
    return {
        "newlines in samples": there["newlines_greedy"].tolist(),
        "after a zero state or one character": zero.tolist(),
    }, (
        f"That is at step {step:,}, where trained networks write most newlines in samples of 30 characters (each time "
        f"the likeliest); in the book they are {in_book:.1%}."
    )


@predicate("frequent-words-first")
def frequent_words_first(emerged: pd.DataFrame) -> Measured:
    """emerged: the step from which on each band of words is written at least half as often as in the book.

    One row per seed, bands in order; infinite for never. The claim holds if in every seed no band comes before a
    commoner one, and the rarest comes after the commonest.
    """
    if emerged.empty or emerged.isna().any(axis=None):
        raise CannotTellError("This build has no such results.")
    if not np.isfinite(emerged.iloc[:, 0]).all():
        raise CannotTellError("In some of these trainings even the commonest group of words never arrives.")
    words = ", ".join(
        f"{band} " + (f"from step {step:,.0f} on" if math.isfinite(step) else "not yet")
        for band, step in emerged.median().items()
    )
    recorded = np.unique(emerged.to_numpy())  # the last, where infinite, stands for never
    places = np.searchsorted(recorded, emerged.to_numpy())
    leads = [*np.diff(places).T, places[:, -1] - places[:, 0] - 1]
    return {"recordings from a group of words to the next rarer one, the least": np.min(leads, axis=0).tolist()}, (
        f"Written at least half as often as in the book, median over {counted(len(emerged), 'seed')}: {words}."
    )


@predicate("temp-confidence", ["temperature", "entropy"])
def temp_confidence(table: pd.DataFrame) -> Measured:
    """table: temperature and entropy."""
    growth, words, _ = _by_temperature(table, "entropy", " bits")
    return {"": [growth]}, f"The mean entropy of the next character is {words}."


@predicate("temp-diversity", ["temperature", "seed", "distinct", "words"])
def temp_diversity(table: pd.DataFrame) -> Measured:
    """table: temperature, seed of the sampling, distinct (sequences of four) and words (share that is in the book)."""
    _, words, ordered = _by_temperature(table.groupby("temperature", as_index=False).mean(), "distinct")
    known = ", ".join(percent(share) for share in ordered["words"])
    growth = [_by_temperature(rows, "distinct")[0] for _, rows in table.groupby("seed")]
    return {"the least growth of the share of different 4-grams": growth}, (
        f"On average it is {words}; of the words, {known} are in the book."
    )


def _by_temperature(table: pd.DataFrame, column: str, unit: str = "") -> tuple[float, str, pd.DataFrame]:
    """The column's least growth from one temperature to the next, its values in words, and the table in this order."""
    ordered = table.sort_values("temperature")
    steps = list(pairwise(ordered[column]))
    if not steps:
        raise CannotTellError("It takes more than one temperature.")
    digits = max(digits_beside([later], earlier) for earlier, later in steps)
    words = ", ".join(
        f"{value:.{digits}f}{unit} at {heat:g}" for value, heat in zip(ordered[column], ordered["temperature"])
    )
    words = words.replace(" at ", " at temperature ", 1)
    return min(later - earlier for earlier, later in steps), words, ordered
