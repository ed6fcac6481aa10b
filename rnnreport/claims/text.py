"""Chapter 4's predicates."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
from IPython.display import Markdown

from rnnreport.claims import verdicts
from rnnreport.claims.evidence import at_last_step, of_seeds
from rnnreport.claims.verdicts import CannotTellError, Finding, Verdict, predicate
from rnnreport.intervals import digits_beside
from rnnreport.words import counted, from_to, listed, percent

ON_THE_WAY = {50_000: 0.57, 100_000: 0.59, 200_000: 0.61}  # the report's accuracies before the last, by step


def judging(is_report_book: bool) -> Callable[..., Verdict | Markdown]:
    """:func:`rnnreport.claims.verdicts.judge` for a page about the report's book; for another text, no verdicts."""

    def judge(claim: str, *tables: pd.DataFrame | float) -> Verdict | Markdown:
        if is_report_book:
            return verdicts.judge(claim, *tables)
        return Markdown("The report's claim is about its book, which is not the text of this page: not run.")

    return judge


@predicate("text-068", ["step", "accuracy?"])
def text_068(table: pd.DataFrame) -> Finding:
    """table: trainings with the course's settings, at least 500,000 steps each, judged at the last step they share.

    One training is enough.
    """
    step, ends = at_last_step(table.dropna(subset=["accuracy"]), 500_000)
    reached = table.loc[table["accuracy"] >= 0.68, "step"]
    when = f"0.68 is reached for the first time at step {reached.min():,}" if len(reached) else "0.68 is never reached"
    digits = max(digits_beside(ends["accuracy"], end, 3) for end in (0.66, 0.68, 0.70))
    by_step, way = table.dropna(subset=["accuracy"]).groupby("step")["accuracy"], ""
    if there := {at: theirs for at, theirs in ON_THE_WAY.items() if at in by_step.groups}:
        ours = listed([from_to(by_step.get_group(at), ".3f") for at in there])
        steps, theirs = listed([f"{at:,}" for at in there]), listed([*map(str, there.values())])
        way = f" The claim is about the end: after {steps} steps it is {ours} in training, {theirs} in the report."
    held_out = ends.get("held_out_accuracy", pd.Series(dtype=float)).dropna()
    return bool(ends["accuracy"].between(0.66, 0.70).all()), (
        f"After {step:,} steps the accuracy on training batches is {from_to(ends['accuracy'], f'.{digits}f')} (the "
        f"claim's range: 0.66 to 0.70); {when}."
        + (f" On held-out text it is {from_to(held_out, '.3f')}." if len(held_out) else "")
        + way
    )


@predicate("text-loss", ["loss?", "accuracy?"])
def text_loss(table: pd.DataFrame) -> Finding:
    """table: a training's loss and accuracy. If the argmax is wrong, the true character's probability is <= 0.5."""
    bound = (1 - 0.68) * math.log(2)
    rows = table.dropna(subset=["loss", "accuracy"])
    above = rows["loss"] - (1 - rows["accuracy"]) * math.log(2)
    if (above < 0).any():
        raise AssertionError("a mean cross-entropy below its bound: the loss or the accuracy is computed wrongly")
    return bound <= 0.126, (
        f"A loss of 0.126 nats is impossible: an accuracy of 0.68 means at least {bound:.2f}. Of "
        f"{counted(len(rows), 'recorded point')} none is below this bound (the nearest lies {above.min():.2f} above)."
    )


@predicate("fig4", ["step", "seed", "loss?", "accuracy?"])
def fig4(table: pd.DataFrame) -> Finding:
    """table: the text model's first steps. One training is enough."""
    rows = table[table["step"] <= 2_000].dropna(subset=["loss", "accuracy"]).sort_values("step")
    step, _ = at_last_step(rows, 2_000)
    ends = rows.groupby("seed")
    if ends["step"].nunique().min() < 2:
        raise CannotTellError("It takes more than one recorded step.")
    changes = [ends[column].last() - ends[column].first() for column in ("loss", "accuracy")]
    loss, accuracy = (from_to(change, f".{digits_beside(change, 0.0)}f") for change in changes)
    return bool((changes[0] < 0).all() and (changes[1] > 0).all()), (
        f"From step {rows['step'].min():,} to step {step:,} the loss changed by {loss}, the accuracy by {accuracy} "
        f"({counted(len(ends), 'seed')})."
    )


@predicate("newlines-first", ["seed", "step", "newlines_greedy", "zero_state", "after_first"])
def newlines_first(habits: pd.DataFrame, in_book: float) -> Finding:
    """habits: during trainings (seed, step, newlines_greedy, zero_state, after_first); in_book: newlines' share.

    The claim has two halves: samples are mostly newlines at some early step, and a zero state predicts one there.
    """
    trained = habits[habits["step"] > 0]
    if trained.empty:
        raise CannotTellError("It takes samples after the first step.")
    means = trained.groupby("step")[["newlines_greedy", "zero_state", "after_first"]].mean()
    step = means["newlines_greedy"].idxmax()
    shares = means[means.index == step].iloc[0].tolist()
    halves = {shares[0] > 0.5, max(shares[1:]) > 0.5}
    words = [f"{share:.{digits_beside([share], 0.5, 3) - 2}%}" for share in shares]
    return of_seeds(
        None if len(halves) > 1 else halves.pop(),
        f"After step 0, averaged over the seeds, newlines make up at most {words[0]} of the samples of 30 characters "
        f"(each time the likeliest), at step {step:,} (in the book: {in_book:.1%}). There a zero state "
        f"gives a newline a probability of {words[1]}, and {words[2]} once a first character is read. Both thresholds "
        "are one half.",
        habits["seed"].nunique(),
    )


@predicate("frequent-words-first")
def frequent_words_first(emerged: pd.DataFrame) -> Finding:
    """emerged: the step from which on each band of words is written at least half as often as in the book.

    One row per seed, bands in order; infinite for never. The claim holds if in every seed no band comes before a
    commoner one, and the rarest comes after the commonest.
    """
    if emerged.empty or emerged.isna().any(axis=None):
        raise CannotTellError("This build has no such results.")
    words = ", ".join(
        f"{band} " + (f"from step {step:,.0f} on" if math.isfinite(step) else "not yet")
        for band, step in emerged.median().items()
    )
    steps = [emerged[band] for band in emerged]
    in_order = np.all([*(later >= earlier for earlier, later in pairwise(steps)), steps[-1] > steps[0]], axis=0)
    there = np.isfinite(steps[0])
    return of_seeds(
        bool(in_order.all()) if there.all() else None,
        f"Written at least half as often as in the book, median over the seeds: {words}. The commoner come first in "
        f"{in_order.sum() or 'none'} of {counted(len(emerged), 'seed')}"
        f"{'' if there.all() else f'; the commonest never come in {(~there).sum()}'}.",
        len(emerged),
    )


@predicate("temp-confidence", ["temperature", "entropy"])
def temp_confidence(table: pd.DataFrame) -> Finding:
    """table: temperature and entropy."""
    grows, words, _ = _by_temperature(table, "entropy", " bits")
    return grows, f"The mean entropy of the next character is {words}."


@predicate("temp-diversity", ["temperature", "distinct", "words"])
def temp_diversity(table: pd.DataFrame) -> Finding:
    """table: temperature, distinct (sequences of four) and words (share that is in the book)."""
    grows, words, ordered = _by_temperature(table, "distinct")
    known = ", ".join(percent(share) for share in ordered["words"])
    return grows, f"The share of different 4-grams is {words}; of the words, {known} are in the book."


def _by_temperature(table: pd.DataFrame, column: str, unit: str = "") -> tuple[bool, str, pd.DataFrame]:
    """Whether the column grows with every step of the temperature, its values in words, and the table in this order."""
    ordered = table.sort_values("temperature")
    steps = list(pairwise(ordered[column]))
    if not steps:
        raise CannotTellError("It takes more than one temperature.")
    digits = max(digits_beside([later], earlier) for earlier, later in steps)
    words = ", ".join(
        f"{value:.{digits}f}{unit} at {heat:g}" for value, heat in zip(ordered[column], ordered["temperature"])
    )
    words = words.replace(" at ", " at temperature ", 1)
    return all(later > earlier for earlier, later in steps), words, ordered
