"""The ledger: a predicate and the runs it looks at give a verdict on one of the report's claims.

``data/claims.yml`` says what is claimed. A predicate takes tables and returns whether the claim holds, with the
evidence in one sentence: True (reproduced), False (contradicted) or None, when the runs cannot tell (underpowered).
A chapter shows a verdict where its evidence is; the last chapter collects them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
import yaml
from pydantic import AfterValidator, Field

from rnnreport import checksums
from rnnreport.intervals import exceeds, in_words, interval
from rnnreport.parameters import DISTINCT, FileName, Parameters, located
from rnnreport.provenance import PROJECT
from rnnreport.shown import in_html

CLAIMS = PROJECT / "data" / "claims.yml"
READS = (CLAIMS,)  # what this module reads by itself, for the fingerprints of the chapters that judge
METADATA = "rnnreport-verdict"  # where a shown verdict carries its data, for the ledger
VerdictName = Literal["reproduced", "contradicted", "underpowered", "not run"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)

Finding = tuple[bool | None, str]


def _collected(file: str) -> str:
    try:
        _verdicts(file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"verdicts_file must be '' or a file that a build left, verdicts.json, not {file!r}"
        ) from error
    return file


class ClaimsParameters(Parameters):
    """What chapter 5 can be told."""

    verdicts: Annotated[
        list[VerdictName],
        Field(description=f"a list of different verdicts among {', '.join(map(repr, VERDICTS))}"),
        DISTINCT,
    ]
    verdicts_file: Annotated[FileName, AfterValidator(_collected)]


@cache
def claims() -> dict[str, dict[str, str]]:
    """The claims by their id: section and claim."""
    return {claim["id"]: claim for claim in yaml.safe_load(checksums.verify(CLAIMS).read_text(encoding="utf-8"))}


@dataclass(frozen=True)
class Verdict:
    """A claim, whether it holds, and the evidence; shows itself in a chapter and leaves its data for the ledger."""

    id: str
    verdict: VerdictName
    evidence: str

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, Any]]:
        claim = claims()[self.id]
        html = (
            f'<div class="{_css_class(self.verdict)}" id="claim-{self.id}">'
            f'<p><span class="verdict-name">{self.verdict}</span> The report ({claim["section"]}): '
            f"{in_html(claim['claim'])}.</p><p>{in_html(self.evidence)}</p></div>"
        )
        record = {"id": self.id, "verdict": self.verdict, "evidence": self.evidence}
        shown = {"text/html": html, "text/plain": f"{self.id}: {self.verdict}. {self.evidence}"}
        return shown, {METADATA: record}


def judge(claim: str, *tables: Any, note: str = "") -> Verdict:
    """The verdict of the claim's predicate on these tables. Raises KeyError for an unknown claim.

    note: what the evidence ends with, such as that the runs are recorded ones.
    """
    holds, evidence = PREDICATES[claims()[claim]["id"]](*tables)
    evidence = f"{evidence} {note}".strip()
    verdict: VerdictName = "underpowered" if holds is None else "reproduced" if holds else "contradicted"
    return Verdict(claim, verdict, evidence)


def ledger(verdicts_file: str, only: list[str] | None = None) -> pd.DataFrame:
    """Every claim with its verdict: id, section, claim, verdict, evidence, chapter ("" where none judged it).

    verdicts_file: the name of what a build collected from the chapters; "" for none.
    """
    earned = _verdicts(verdicts_file)
    rows = [
        {**claim, "verdict": "not run", "evidence": "", "chapter": "", **earned.get(name, {})}
        for name, claim in claims().items()
    ]
    table = pd.DataFrame(rows)
    return table if only is None else table[table["verdict"].isin(only)].reset_index(drop=True)


def _verdicts(file: str) -> dict[str, dict[str, str]]:
    """By their claims' ids: id, verdict, evidence and chapter. Raises where the file is no list of these."""
    found = json.loads(located(file).read_text(encoding="utf-8")) if file else []
    if not isinstance(found, list):
        raise TypeError
    return {
        verdict["id"]: {name: verdict[name] for name in ("id", "verdict", "evidence", "chapter")} for verdict in found
    }


# The predicates. Tables of differences from autograd have a row for each random problem and a column for each reading
# of a printed formula; equal means to 1e-12 in float64. Tables of palindrome runs have the columns of runs.tabulate,
# with a row for every recorded step.


def grad_wph(gaps: pd.DataFrame) -> Finding:
    """gaps: relative differences of the report's lines for ∂L/∂Wph from autograd."""
    read_well, summed = gaps["line 3, l = i"].max(), gaps["line 3, l summed"].max()
    return bool(read_well < 1e-12), (
        f"Relative difference from autograd over {len(gaps)} problems: at most {read_well:.0e}, if the index l that "
        f"nothing binds in the last line is read as i; {summed:.2g} if it is still summed over."
    )


def grad_whh(gaps: pd.DataFrame) -> Finding:
    """gaps: relative differences of the readings of ∂L/∂Whh from autograd."""
    kindest, literal = gaps["single product for the sum over k"], gaps["every letter as printed"]
    if kindest.max() < 1e-12:
        return None, "At these sizes the kindest reading cannot be told from the truth."
    return False, (
        f"Relative difference from autograd, median of {len(gaps)} problems: {kindest.median():.2g} read most kindly, "
        f"{literal.median():.2g} read to the letter, and {gaps['repaired'].median():.0e} once repaired."
    )


def wph_local(gaps: pd.DataFrame) -> Finding:
    """gaps: relative change of each gradient when all steps but the last are cut off, and when x(1) is another."""
    cut, whh_cut, other = (
        gaps[column] for column in ("Wph, history cut off", "Whh, history cut off", "Wph, other x(1)")
    )
    return bool(cut.max() < 1e-12), (
        f"Given h(T), yes: cut off, the earlier steps change ∂L/∂Wph by {cut.max():.0e} at most, and ∂L/∂Whh by up to "
        f"{whh_cut.max():.2g}. But h(T) carries the past: another x(1) changes ∂L/∂Wph by up to {other.max():.2g}."
    )


def whh_chain(rates: pd.Series) -> Finding:
    """rates: the factor a step of ‖∂h(T)/∂h(t)‖, by spectral radius and seed."""
    by_radius = rates.groupby("spectral_radius")
    vanishes, explodes = by_radius.max() < 1, by_radius.min() > 1
    words = ", ".join(f"{rate:.2f} at ρ = {radius:g}" for radius, rate in by_radius.median().items())
    holds = True if vanishes.any() and explodes.any() else None
    return holds, f"Factor a step, median over {rates.groupby('seed').ngroups} seeds: {words}, before any training."


def fig1a(table: pd.DataFrame) -> Finding:
    """table: the RNN at T = 5."""
    near = table[(table["length"] == 5) & (table["step"] <= 400) & (table["step"] >= 300)]
    if near.empty:
        return None, "No run at T = 5 reached 300 to 400 steps."
    step = near["step"].max()
    values = near.loc[near["step"] == step, "test_accuracy"].tolist()
    evidence = f"At T = 5, step {step}: accuracy {_share(values)} on fresh palindromes, against 0.95."
    return exceeds(values, 0.95), evidence


def fig1b(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T, at one learning rate."""
    if missing := _needs_steps(table, 800):
        return None, missing
    last = _at_last_step(table)
    short, long = (last[last["length"] <= 10], last[last["length"] > 20])
    if short.empty or long.empty:
        return None, "It takes lengths up to 10 and beyond 20."
    drops = short.groupby("seed")["test_accuracy"].mean() - long.groupby("seed")["test_accuracy"].mean()
    return exceeds(drops.tolist(), 0.2), (
        f"After {last['step'].max()} steps: accuracy {_share(short['test_accuracy'])} up to T = 10 and "
        f"{_share(long['test_accuracy'])} beyond T = 20, a drop of {in_words(drops)} against 0.2."
    )


def lr_decay(table: pd.DataFrame) -> Finding:
    """table: optimizers at several learning rates, with effective_rate over the training; each at its best rate.

    From step 300 on, when RMSprop's running mean, which starts at zero, has filled to 95%.
    """
    changes = {}
    for name, (rate, _) in _best_optimizer_rates(table).items():
        rows = table[(table["optimizer"] == name) & (table["learning_rate"] == rate) & (table["step"] >= 300)]
        if name in ("rmsprop", "adam") and rows["step"].nunique() > 1:
            by_step = rows.sort_values("step").groupby("seed")["effective_rate"]
            changes[name] = np.log10(by_step.last() / by_step.first())
    if len(changes) < 2:
        return None, "It takes rmsprop and adam for more than 300 steps."
    grows = [exceeds(change.tolist(), 0.0) for change in changes.values()]
    holds = False if True in grows else None if None in grows else True
    words = ", ".join(
        f"{name} {10 ** change.mean():.2g} ({10 ** change.min():.2g} to {10 ** change.max():.2g})"
        for name, change in changes.items()
    )
    return holds, (
        "Learning rate over the root of the mean squared gradient, median parameter: its last value over that at step "
        f"300 (geometric mean and range over the seeds): {words}. It grows as gradients shrink and falls as they grow."
    )


def adam_osc(table: pd.DataFrame) -> Finding:
    """table: optimizers at several learning rates; each at its best. Compared is the accuracy over the whole run."""
    best = {name: means for name, (_, means) in _best_optimizer_rates(table).items()}
    if not {"adam", "rmsprop", "sgd"} <= set(best):
        return None, "It takes adam, rmsprop and sgd."
    over_sgd, over_rmsprop = best["adam"] - best["sgd"], best["adam"] - best["rmsprop"]
    return exceeds(over_rmsprop.tolist(), 0.0), (
        f"Mean accuracy over training, each optimizer at its best rate: adam ahead of sgd by {in_words(over_sgd)}, of "
        f"rmsprop, which has no momentum, by {in_words(over_rmsprop)}."
    )


def gate_range(values: pd.DataFrame) -> Finding:
    """values: what a trained LSTM's gates did (gate, value)."""
    g, gates = values.loc[values["gate"] == "g", "value"], values.loc[values["gate"] != "g", "value"]
    inside = bool(g.abs().max() <= 1 and gates.between(0, 1).all())
    extreme = ((gates < 0.05) | (gates > 0.95)).mean()
    return inside, (
        f"Seen: g in {g.min():.2f}…{g.max():.2f}, gates in {gates.min():.2f}…{gates.max():.2f}; but only "
        f"{extreme:.0%} of the gates' values come within 0.05 of 0 or 1: most weigh rather than keep or discard."
    )


def param_count(counts: pd.DataFrame) -> Finding:
    """counts: d, n, our formula, the model's count, the report's formula."""
    d, n, _, counted, report = (counts[column] for column in counts)
    agree = [f"d = {d[row]}, n = {n[row]}" for row in counts.index[counted == report]]
    return bool((counted == report).all()), (
        f"The formula agrees with the model in {len(agree)} of {len(counts)} cases ({'; '.join(agree) or 'none'}); "
        "it can only where n = 9d²/4 - 1."
    )


def fig2a(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T and learning rates; beyond T = 15 at its best rate."""
    long = table[table["length"] > 15]
    if missing := _needs_steps(long, 1_000):
        return None, missing
    return _stuck(_best_rate(_at_last_step(long)), "at its best learning rate")


def fig2_lr(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T and learning rates; beyond T = 15 at the largest rate, next to the smallest."""
    long = table[table["length"] > 15]
    if missing := _needs_steps(long, 1_000):
        return None, missing
    last = _at_last_step(long)
    smallest, largest = last["learning_rate"].min(), last["learning_rate"].max()
    if smallest == largest:
        return None, "It takes more than one learning rate."
    holds, evidence = _stuck(last[last["learning_rate"] == largest], f"at a learning rate of {largest:g}")
    return holds, f"{evidence} At {smallest:g} it is {_each_length(last[last['learning_rate'] == smallest])}."


def _stuck(last: pd.DataFrame, where: str) -> Finding:
    """Whether the RNN stays below an accuracy of 0.5 at every T of these rows."""
    past = _exceed_half(last)
    holds = False if True in past else None if None in past else True
    return holds, f"The RNN {where}, after {last['step'].max()} steps: {_each_length(last)}; against 0.5."


def fig2b(table: pd.DataFrame) -> Finding:
    """table: the LSTM at several T and learning rates."""
    if missing := _needs_steps(table, 1_000):
        return None, missing
    last = _best_rate(_at_last_step(table))
    reached = _exceed_half(last)
    holds = False if False in reached else None if None in reached else True
    return (
        holds,
        f"The LSTM at its best learning rate, after {last['step'].max()} steps: {_each_length(last)}; against 0.5.",
    )


def lstm_better(table: pd.DataFrame, horizons: pd.DataFrame) -> Finding:
    """table: both models at several T and learning rates; each at its best rate, compared seed by seed.

    horizons: the longest T that each solved from a better start (model and horizon, a row each; none where not run).
    The LSTM must be ahead in both; equal horizons cannot tell.
    """
    last = _at_last_step(table[table["length"] > 15])
    if not {"rnn", "lstm"} <= set(last["model"]):
        return None, "It takes both models at lengths beyond 15."
    if missing := _needs_steps(table, 1_000):
        return None, missing
    means = {
        model: _best_rate(last[last["model"] == model]).groupby("seed")["test_accuracy"].mean()
        for model in ("rnn", "lstm")
    }
    ahead = means["lstm"] - means["rnn"]
    holds = exceeds(ahead.tolist(), 0.0)
    words = (
        f"Beyond T = 15, after {last['step'].max()} steps at the report's settings, each at its best rate: LSTM "
        f"{_share(means['lstm'])}, RNN {_share(means['rnn'])}, the LSTM ahead by {in_words(ahead)}."
    )
    longest = dict(zip(horizons["model"], horizons["horizon"])) if len(horizons) else {}
    if not {"rnn", "lstm"} <= set(longest):
        return False if holds is False else None, f"{words} From a better start they were not compared."
    ahead_too = None if longest["lstm"] == longest["rnn"] else longest["lstm"] > longest["rnn"]
    both = [holds, ahead_too]
    return False if False in both else None if None in both else True, (
        f"{words} From a better start the LSTM gets to T = {longest['lstm']}, the RNN to T = {longest['rnn']}."
    )


def identity_grad(reach: pd.DataFrame) -> Finding:
    """reach: what is left of a gradient (network, seed, when, test_accuracy, lag, cell, jacobian; no cell in the RNN).

    A path of gradient 1 would leave 1 at every lag. The claim gets half of that, at the largest lag and in the most
    open unit: it must be there in every LSTM that has learnt the task, before its training and after.
    """
    lag = reach["lag"].max()
    if lag < 5:
        return None, "It takes at least 5 steps between the first digit and the end."
    solved = reach[(reach["lag"] == lag) & (reach["test_accuracy"] >= 0.9)]
    lstms = solved.dropna(subset=["cell"])
    if lstms.empty:
        return None, "None of these LSTMs has learnt the task."
    along, together = (
        {when: part[part["when"] == when].groupby("network", sort=False)[column] for when in ("before", "after")}
        for part, column in ((lstms, "cell"), (solved, "jacobian"))
    )
    halves = [exceeds(values.tolist(), 0.5) for networks in along.values() for _, values in networks]
    holds = False if False in halves else None if None in halves else True
    return holds, (
        f"Along the cell of the most open unit, {lag} steps leave {_in_each(along['before'])} before training, "
        f"{_in_each(along['after'])} after it; against 0.5 everywhere. All ways together leave "
        f"{_in_each(together['before'])} before, {_in_each(together['after'])} after."
    )


def _in_each(networks: Any) -> str:
    """Means over seeds, with their intervals, of what may be far below 0.01 and not below 0."""
    words = []
    for network, values in networks:
        mean, low, high = interval(values.tolist())
        spread = "" if math.isinf(low) else f" ({max(low, 0):.2g} to {high:.2g})"
        words.append(f"{mean:.2g}{spread} in the {network}")
    return ", ".join(words)


def fig3(k: pd.DataFrame, tau: float, s: float, r_on: float) -> Finding:
    """k: openness over a fine grid of times (t, k), for the gate tau, s, r_on."""
    if (tau, s, r_on) != (6, 3, 0.2):
        return None, "The claim is about the gate with τ = 6, s = 3 and r_on = 0.2."
    spacing = k["t"].diff().median()
    open_at = k.loc[(k["k"] > 0) & (k["t"] >= s), "t"]
    starts = open_at[open_at.diff().fillna(np.inf) > 2 * spacing] - spacing
    width = open_at[open_at < s + tau].max() - starts.iloc[0] + spacing
    apart = [abs(starts.iloc[0] - s), *(starts.diff().dropna() - tau).abs(), abs(width - r_on * tau)]
    return bool(max(apart) <= 2 * spacing), (
        f"Computed from (12): k leaves zero at t = {', '.join(f'{start:.2f}' for start in starts)}, stays open for "
        f"{width:.2f}, which is r_on τ, and peaks in the middle."
    )


def k_zero(states: pd.DataFrame) -> Finding:
    """states: a unit behind the gate over time (t, k, gated h, gated c)."""
    closed = states.index[(states["k"] == 0) & (states.index > 0)]
    same = all(
        (states.loc[row, name] == states.loc[row - 1, name]) for row in closed for name in ("gated h", "gated c")
    )
    evidence = f"Equal to the bit at all {len(closed)} closed steps of the run." if same else "Not equal."
    return same if len(closed) else None, evidence


def k_nothing_lost(retained: float, largest_integer_k: float) -> Finding:
    """retained: the share of the old c kept at k = 1 with f = 0; largest_integer_k: of figure 3's gate."""
    return retained > 0, (
        f"At the peak k = 1, with f = 0, the share of the old cell state that is kept is {retained:g}. In integer time "
        f"this gate only reaches k = {largest_integer_k:.2f}, so {1 - largest_integer_k:.2f} of it stays each step."
    )


def learnable(searched: pd.DataFrame, arrived: pd.DataFrame) -> Finding:
    """searched: gates sought from their output (remedy, seed, recovered); arrived: learned in a network (found)."""
    shares = searched.pivot_table("recovered", index="seed", columns="remedy")
    plain, best = shares["as it is"], shares[shares.mean().idxmax()]
    found, starts = arrived.groupby("start")["found"].mean(), arrived["start"].nunique()
    return exceeds(best.tolist(), 0.5), (
        f"From its output a gate is found again from {_share(plain)} of the starts, with the best remedy ({best.name}) "
        f"from {_share(best)}. Learned with a network's weights, the period is found in most seeds from "
        f"{(found > 0.5).sum()} of {starts} starts. Units that never open learn nothing."
    )


def periodic_noise(table: pd.DataFrame, without_clock: float) -> Finding:
    """table: networks on noise bursts (gate, seed, step, test_accuracy); without_clock: the best without one."""
    ends = _by_gate(table)
    ahead = ends["drawn, learned"] - ends["none"]
    verdicts = {exceeds(ahead.tolist(), 0.0), exceeds(ends["drawn, learned"].tolist(), without_clock)}
    holds = False if False in verdicts else None if None in verdicts else True
    return holds, (
        f"Noise bursts over four fifths of the time: accuracy {_share(ends['drawn, learned'])} with learned gates, "
        f"{_share(ends['open in the quiet'])} with gates set to the quiet, {_share(ends['none'])} for the LSTM; "
        f"who does not know the time can have {without_clock:.2f} at most."
    )


def s_noise(table: pd.DataFrame) -> Finding:
    """table: networks on noise bursts (gate, seed, step, test_accuracy), two of them with gates that stay as set."""
    ends = _by_gate(table)
    quiet, burst = ends["open in the quiet"], ends["open in the burst"]
    other_way_round = exceeds((quiet - burst).tolist(), 0.1)
    return None if other_way_round is None else not other_way_round, (
        "The gate is open from s on, for r_on τ: these say what it listens to. Set to the noise, accuracy "
        f"{_share(burst)}; set to the quiet, {_share(quiet)}; chance is 0.5."
    )


def _by_gate(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy at the end, a row a seed and a column a gate."""
    return _at_last_step(table).pivot(index="seed", columns="gate", values="test_accuracy")


def text_068(table: pd.DataFrame) -> Finding:
    """table: trainings at the course's defaults; each counts from 500,000 steps on, with its last recorded accuracy."""
    if missing := _needs_steps(table, 500_000):
        return None, missing
    ends = _at_last_step(table)
    reached = table.loc[table["accuracy"] >= 0.68, "step"]
    when = f"past 0.68 for the first time at step {reached.min():,}" if len(reached) else "never past 0.68"
    return bool((ends["accuracy"] - 0.68).abs().max() < 0.02), (
        f"After {ends['step'].max():,} steps, accuracy on training batches {_share(ends['accuracy'])}, against 0.68 "
        f"give or take 0.02; {when}. On held-out text {_share(ends['held_out_accuracy'])}."
    )


def text_loss(table: pd.DataFrame) -> Finding:
    """table: a training's loss and accuracy. Where the argmax is wrong, the true character has at most half of p."""
    bound = (1 - 0.68) * math.log(2)
    rows = table.dropna(subset=["loss", "accuracy"])
    above = rows["loss"] - (1 - rows["accuracy"]) * math.log(2)
    if (above < 0).any():
        raise AssertionError("a mean cross-entropy below its bound: the loss or the accuracy is computed wrongly")
    return bound <= 0.126, (
        f"Impossible in nats: an accuracy of 0.68 leaves a loss of at least {bound:.2f}; all {len(rows)} points of "
        f"this run keep the bound (the nearest lies {above.min():.2f} above)."
    )


def fig4(table: pd.DataFrame) -> Finding:
    """table: the text model's first steps."""
    rows = table.dropna(subset=["loss"])
    if rows["step"].nunique() < 2:
        return None, "It takes more than one recorded step."
    ends = rows.sort_values("step").groupby("seed")
    loss, accuracy = (ends[column].last() - ends[column].first() for column in ("loss", "accuracy"))
    return bool((loss < 0).all() and (accuracy > 0).all()), (
        f"Over {table['step'].max():,} steps the loss changed by {in_words(loss)}, "
        f"the accuracy by {in_words(accuracy)}."
    )


def newlines_first(habits: pd.DataFrame, in_book: float) -> Finding:
    """habits: over the steps of trainings (step, newlines_greedy, zero_state, after_first); in_book: newlines' share.

    Two halves: samples are mostly newlines at some early step, and a zero state predicts one there.
    """
    trained = habits[habits["step"] > 0]
    if trained.empty:
        return None, "It takes samples after the first step."
    means = trained.groupby("step")[["newlines_greedy", "zero_state", "after_first"]].mean()
    most = means.loc[means["newlines_greedy"] == means["newlines_greedy"].max()].iloc[0]
    halves = {bool(most["newlines_greedy"] > 0.5), bool(most[["zero_state", "after_first"]].max() > 0.5)}
    return None if len(halves) > 1 else halves.pop(), (
        f"Newlines make up at most {most['newlines_greedy']:.1%} of the samples of 30 characters, at step "
        f"{most.name:,} (of the book: {in_book:.1%}); a zero state gives one a probability of {most['zero_state']:.1%} "
        f"there, and {most['after_first']:.1%} once a first character is read. It takes more than half of both."
    )


def frequent_words_first(emerged: pd.DataFrame) -> Finding:
    """emerged: the step from which on each band of words is written half as often as in the book; bands in order.

    A row a seed; infinite for never. The claim holds where no band comes before a commoner one, in any seed, and the
    rarest comes after the commonest.
    """
    medians = emerged.median()
    words = ", ".join(
        f"{band} " + (f"from step {step:,.0f} on" if math.isfinite(step) else "not yet")
        for band, step in medians.items()
    )
    seeds = f"{len(emerged)} seed{'s' * (len(emerged) > 1)}"
    evidence = f"Written at least half as often as in the book, median of {seeds}: {words}."
    if not np.isfinite(emerged.iloc[:, 0]).all():
        return None, evidence
    steps = [emerged[band] for band in emerged]
    never_before = all((later >= earlier).all() for earlier, later in pairwise(steps))
    return never_before and bool((steps[-1] > steps[0]).all()), evidence


def temp_confidence(table: pd.DataFrame) -> Finding:
    """table: temperature and entropy."""
    if len(table) < 2:
        return None, "It takes more than one temperature."
    ordered = table.sort_values("temperature")
    words = ", ".join(f"{row.entropy:.2f} bits at {row.temperature:g}" for row in ordered.itertuples())
    return bool((ordered["entropy"].diff().dropna() > 0).all()), f"Mean entropy of the next character: {words}."


def temp_diversity(table: pd.DataFrame) -> Finding:
    """table: temperature, distinct (sequences of four) and words (share that the book knows)."""
    if len(table) < 2:
        return None, "It takes more than one temperature."
    ordered = table.sort_values("temperature")
    words = ", ".join(f"{row.distinct:.2f} at {row.temperature:g}" for row in ordered.itertuples())
    known = ", ".join(f"{row.words:.0%}" for row in ordered.itertuples())
    return bool((ordered["distinct"].diff().dropna() > 0).all()), (
        f"Share of distinct four-character sequences: {words}; the price is real words: {known}."
    )


PREDICATES: dict[str, Callable[..., Finding]] = {
    "grad-wph": grad_wph,
    "grad-whh": grad_whh,
    "wph-local": wph_local,
    "whh-chain": whh_chain,
    "fig1a": fig1a,
    "fig1b": fig1b,
    "lr-decay": lr_decay,
    "adam-osc": adam_osc,
    "gate-range": gate_range,
    "param-count": param_count,
    "fig2a": fig2a,
    "fig2b": fig2b,
    "lstm-better": lstm_better,
    "fig2-lr": fig2_lr,
    "identity-grad": identity_grad,
    "fig3": fig3,
    "k-zero": k_zero,
    "k-nothing-lost": k_nothing_lost,
    "learnable": learnable,
    "periodic-noise": periodic_noise,
    "s-noise": s_noise,
    "text-068": text_068,
    "text-loss": text_loss,
    "fig4": fig4,
    "newlines-first": newlines_first,
    "frequent-words-first": frequent_words_first,
    "temp-confidence": temp_confidence,
    "temp-diversity": temp_diversity,
}


def _best_optimizer_rates(table: pd.DataFrame) -> dict[str, tuple[float, pd.Series]]:
    """For each optimizer its best learning rate, by the mean accuracy over the training, and that of each seed."""
    best = {}
    for name, tried in table.groupby("optimizer"):
        means = tried.pivot_table("test_accuracy", index="learning_rate", columns="seed")
        place = int(means.mean(axis=1).argmax())
        best[str(name)] = (float(means.index[place]), means.iloc[place])
    return best


def _needs_steps(table: pd.DataFrame, steps: int) -> str:
    """Why these runs cannot tell, where there are none or they are shorter than the report's."""
    if table.empty:
        return "This build has no such runs."
    longest = int(table["step"].max())
    return f"The claim is about {steps:,} steps; these runs have {longest:,}." if longest < steps else ""


def _at_last_step(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["step"] == table["step"].max()]


def _best_rate(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each length's best learning rate, by the mean over the seeds."""
    means = table.groupby(["length", "learning_rate"])["test_accuracy"].mean()
    best = dict(means.groupby("length").idxmax().tolist())  # idxmax gives (length, rate)
    return table[table["learning_rate"] == table["length"].map(best)]


def _exceed_half(table: pd.DataFrame) -> list[bool | None]:
    """For each length, whether the mean accuracy over the seeds exceeds 0.5."""
    return [exceeds(rows["test_accuracy"].tolist(), 0.5) for _, rows in table.groupby("length")]


def _each_length(table: pd.DataFrame) -> str:
    return "; ".join(f"T = {length}: {_share(rows['test_accuracy'])}" for length, rows in table.groupby("length"))


def _share(values: Any) -> str:
    return in_words(values, share=True)


def as_html(table: pd.DataFrame) -> str:
    """The ledger as a table for a page, each verdict linked to its evidence."""
    rows = []
    for row in table.astype(str).to_dict("records"):
        verdict = f'<span class="verdict-name">{row["verdict"]}</span>'
        if row["chapter"]:
            verdict = f'<a href="{row["chapter"]}.html#claim-{row["id"]}">{verdict}</a>'
        cells = "</td><td>".join((row["section"], in_html(row["claim"]), verdict, in_html(row["evidence"])))
        rows.append(f'<tr class="{_css_class(row["verdict"])}"><td>{cells}</td></tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in ("section", "the report says", "verdict", "evidence"))
    return f'<table class="ledger"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _css_class(verdict: str) -> str:
    return f"verdict verdict-{verdict.replace(' ', '-')}"
