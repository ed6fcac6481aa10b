"""The ledger: a predicate and the runs it looks at give a verdict on one of the report's claims.

``data/claims.yml`` says what is claimed. A predicate takes tables and returns whether the claim holds, with the
evidence in one sentence: True (reproduced), False (contradicted) or None, when the runs cannot tell (underpowered).
A chapter shows a verdict where its evidence is; the last chapter collects them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, starmap, zip_longest
from typing import Any

import numpy as np
import pandas as pd
import yaml

from rnnreport import checksums
from rnnreport.intervals import digits_beside, exceeds, in_words, interval
from rnnreport.provenance import PROJECT
from rnnreport.shown import in_html
from rnnreport.verdicts import METADATA, VerdictName, collected
from rnnreport.words import counted, from_to, percent

READS = ("data/claims.yml",)  # what this module reads by itself, for the fingerprints of the chapters that judge
CLAIMS = PROJECT / READS[0]

Finding = tuple[bool | None, str]
Predicate = Callable[..., Finding]
PREDICATES: dict[str, Predicate] = {}
EQUAL = 1e-12  # a relative difference from autograd below this is none, in float64


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
    earned = collected(verdicts_file)
    rows = [
        {**claim, "verdict": "not run", "evidence": "", "chapter": "", **earned.get(name, {})}
        for name, claim in claims().items()
    ]
    table = pd.DataFrame(rows)
    return table if only is None else table[table["verdict"].isin(only)].reset_index(drop=True)


class CannotTellError(Exception):
    """These results settle nothing; the message is the evidence."""


def predicate(claim: str, *needed: Sequence[str]) -> Callable[[Predicate], Predicate]:
    """Register the predicate of a claim, which without rows, columns or values cannot tell.

    needed: the columns that each of its tables must have, with a finite value in every row ("loss?": in one at least).
    """

    def register(judged: Predicate) -> Predicate:
        def on_whole_tables(*tables: Any) -> Finding:
            try:
                return judged(*starmap(_checked, zip_longest(tables, needed, fillvalue=())))
            except CannotTellError as reason:
                return None, str(reason)

        PREDICATES[claim] = on_whole_tables
        return judged

    return register


def _checked(table: Any, columns: Sequence[str]) -> Any:
    if isinstance(table, pd.Series):
        table = table.reset_index(name="value")
    if isinstance(table, int | float) and not math.isfinite(table):
        raise CannotTellError("A number that it takes is missing.")
    if columns and table.empty:
        raise CannotTellError("This build has no such results.")
    for name in columns:
        column = name.removesuffix("?")
        if column not in table:
            raise CannotTellError(f"These results have no column {column!r}.")
        missing = int((table[column].isna() | table[column].isin([math.inf, -math.inf])).sum())
        if missing == len(table) or (missing and column == name):
            raise CannotTellError(
                f"{missing:,} of {counted(len(table), 'row')} of these results have no finite {column!r}."
            )
    return table


# The predicates. Tables of differences from autograd have a row for each random problem and a column for each reading
# of a printed formula. Tables of palindrome runs have the columns of runs.tabulate, with a row for every recorded step.


@predicate("grad-wph", ["line 3, l = i", "line 3, l summed"])
def grad_wph(gaps: pd.DataFrame) -> Finding:
    """gaps: relative differences of the report's lines for ∂L/∂Wph from autograd."""
    read_well, summed = gaps["line 3, l = i"].max(), gaps["line 3, l summed"].max()
    return bool(read_well < EQUAL), (
        f"Relative difference from autograd, the largest of {counted(len(gaps), 'problem')}: {_gap(read_well)} if the "
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
        f"Relative difference from autograd, the largest of {counted(len(gaps), 'problem')}: {_gap(kindest)} read "
        f"most kindly, {_gap(literal)} read to the letter, {_gap(repaired)} once repaired; below {EQUAL} is equal."
    )


@predicate("wph-local", ["Wph, history cut off", "Whh, history cut off", "Wph, other x(1)"])
def wph_local(gaps: pd.DataFrame) -> Finding:
    """gaps: relative change of each gradient when all steps but the last are cut off, and when x(1) is another."""
    cut, whh_cut, other = (
        gaps[column].max() for column in ("Wph, history cut off", "Whh, history cut off", "Wph, other x(1)")
    )
    return bool(cut < EQUAL), (
        f"Largest relative change over {counted(len(gaps), 'problem')}: with h(T) given and the earlier steps cut off, "
        f"{_gap(cut)} of ∂L/∂Wph and {_gap(whh_cut)} of ∂L/∂Whh; with another x(1), which reaches h(T), "
        f"{_gap(other)} of ∂L/∂Wph; below {EQUAL} is equal."
    )


@predicate("whh-chain", ["spectral_radius", "seed", "value"])
def whh_chain(rates: pd.DataFrame) -> Finding:
    """rates: the factor a step of ‖∂h(T)/∂h(t)‖, by spectral radius and seed."""
    by_radius = rates.groupby("spectral_radius")["value"]
    vanishes, explodes = by_radius.max() < 1, by_radius.min() > 1
    words = ", ".join(f"{_spread(values, 1.0)} at ρ = {radius:g}" for radius, values in by_radius)
    return _of_seeds(
        True if vanishes.any() and explodes.any() else None,
        f"Factor a step before any training, median and range over the seeds: {words}; below 1 in every seed the "
        "gradient vanishes, above 1 it explodes.",
        rates["seed"].nunique(),
    )


@predicate("fig1a", ["length", "step", "seed", "test_accuracy"])
def fig1a(table: pd.DataFrame) -> Finding:
    """table: the RNN at T = 5."""
    near = table[(table["length"] == 5) & table["step"].between(300, 400)]
    if near.empty:
        raise CannotTellError("No run at T = 5 reached 300 to 400 steps.")
    step, last = _at_last_step(near)
    accuracies = last["test_accuracy"].tolist()
    evidence = f"At T = 5, step {step}: accuracy {_share(accuracies, 0.95)} on fresh palindromes, against 0.95."
    return exceeds(accuracies, 0.95), evidence


@predicate("fig1b", ["length", "step", "seed", "test_accuracy"])
def fig1b(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T, at one learning rate."""
    step, last = _at_last_step(table, 800)
    short, long = (
        last[which].groupby("seed")["test_accuracy"].mean() for which in (last["length"] <= 10, last["length"] > 20)
    )
    if short.empty or long.empty:
        raise CannotTellError("It takes lengths up to 10 and beyond 20.")
    drops = _paired(short, long)
    return exceeds(drops, 0.2), (
        f"After {step:,} steps: accuracy {_share(short)} up to T = 10 and {_share(long)} beyond T = 20, a drop of "
        f"{_mean(drops, 0.2)} against 0.2."
    )


@predicate("lr-decay", ["optimizer", "learning_rate", "seed", "step", "test_accuracy", "effective_rate?"])
def lr_decay(table: pd.DataFrame) -> Finding:
    """table: optimizers at several learning rates, with effective_rate over the training; each at its best rate.

    From step 300 on, when RMSprop's running mean, which starts at zero, has filled to 95%.
    """
    changes, words = {}, []
    filled = table.loc[table["step"] >= 300, "step"]
    first, last = filled.min(), filled.max()
    for name, (rate, _) in _best_optimizer_rates(table).items():
        rows = table[(table["optimizer"] == name) & (table["learning_rate"] == rate)]
        if name in ("rmsprop", "adam") and first < last:
            rates = np.log10(rows.pivot_table("effective_rate", "seed", "step").reindex(columns=[first, last]))
            changes[name] = change = _paired(rates[last], rates[first])
            ends = [10**value for value in interval(change)]
            digits = digits_beside(ends[1:], 1.0, form="g")
            words += [f"{name} " + _with_interval([f"{value:.{digits}g}" for value in ends], len(change))]
    if len(changes) < 2:
        raise CannotTellError("It takes rmsprop and adam for more than 300 steps.")
    return _every(_not(exceeds(change, 0.0)) for change in changes.values()), (
        f"Learning rate over the root of the mean squared gradient, median parameter, at step {last:,} over that at "
        f"step {first:,} (geometric mean over the seeds): {', '.join(words)}; below 1 it falls. It grows as gradients "
        "shrink and falls as they grow."
    )


@predicate("adam-osc", ["optimizer", "learning_rate", "seed", "test_accuracy"])
def adam_osc(table: pd.DataFrame) -> Finding:
    """table: optimizers at several learning rates; each at its best. Compared is the accuracy over the whole run."""
    best = {name: means for name, (_, means) in _best_optimizer_rates(table).items()}
    if not {"adam", "rmsprop", "sgd"} <= set(best):
        raise CannotTellError("It takes adam, rmsprop and sgd.")
    over_sgd, over_rmsprop = (_paired(best["adam"], best[other]) for other in ("sgd", "rmsprop"))
    return exceeds(over_rmsprop, 0.0), (
        "Mean accuracy over training, each optimizer at its best rate: adam's lead over sgd is "
        f"{_mean(over_sgd, 0.0)}, over rmsprop, which has no momentum, {_mean(over_rmsprop, 0.0)}."
    )


@predicate("gate-range", ["gate", "value"])
def gate_range(values: pd.DataFrame) -> Finding:
    """values: what a trained LSTM's gates did (gate, value)."""
    g, gates = values.loc[values["gate"] == "g", "value"], values.loc[values["gate"] != "g", "value"]
    if g.empty or gates.empty:
        raise CannotTellError("It takes g and the gates.")
    outside = int((g.abs() > 1).sum() + (~gates.between(0, 1)).sum())
    extreme = ((gates < 0.05) | (gates > 0.95)).mean()
    return outside == 0, (
        f"g in {g.min():.2f}…{g.max():.2f}, gates in {gates.min():.2f}…{gates.max():.2f}; outside -1…1 and 0…1: "
        f"{outside or 'none'} of {counted(len(values), 'value')}. Of the gates' values {percent(extreme)} come within "
        "0.05 of 0 or 1; the others weigh."
    )


@predicate("param-count", ["d", "n", "counted in the model", "(9d² + 4d)n, the report's"])
def param_count(counts: pd.DataFrame) -> Finding:
    """counts: of :func:`rnnreport.experiments.rnn_versus_lstm.parameter_counts`."""
    agree = counts[counts["counted in the model"] == counts["(9d² + 4d)n, the report's"]]
    sizes = "; ".join(f"d = {d}, n = {n}" for d, n in zip(agree["d"], agree["n"]))
    return len(agree) == len(counts), (
        f"The report's formula gives the model's number at {len(agree) or 'none'} of {counted(len(counts), 'size')}"
        f"{f' ({sizes})' if sizes else ''}; it can only where n = 9d²/4 - 1."
    )


PALINDROMES = ["length", "learning_rate", "seed", "step", "test_accuracy"]


@predicate("fig2a", PALINDROMES)
def fig2a(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T and learning rates; beyond T = 15 at its best rate."""
    step, last = _at_last_step(table[table["length"] > 15], 1_000)
    return _stuck(step, _best_rate(last), "at its best learning rate")


@predicate("fig2-lr", PALINDROMES)
def fig2_lr(table: pd.DataFrame) -> Finding:
    """table: the RNN at several T and learning rates; beyond T = 15 at the largest rate, next to the smallest."""
    step, last = _at_last_step(table[table["length"] > 15], 1_000)
    smallest, largest = last["learning_rate"].min(), last["learning_rate"].max()
    if smallest == largest:
        raise CannotTellError("It takes more than one learning rate.")
    holds, evidence = _stuck(step, last[last["learning_rate"] == largest], f"at a learning rate of {largest:g}")
    return holds, f"{evidence} At one of {smallest:g}: {_each_length(last[last['learning_rate'] == smallest])}."


def _stuck(step: int, last: pd.DataFrame, where: str) -> Finding:
    """Whether the RNN stays below an accuracy of 0.5 at every T of these rows."""
    holds = _every(map(_not, _exceed_half(last)))
    return holds, f"The RNN {where}, after {step:,} steps: {_each_length(last)}; against 0.5."


@predicate("fig2b", PALINDROMES)
def fig2b(table: pd.DataFrame) -> Finding:
    """table: the LSTM at several T and learning rates."""
    step, last = _at_last_step(table, 1_000)
    last = _best_rate(last)
    return _every(_exceed_half(last)), (
        f"The LSTM at its best learning rate, after {step:,} steps: {_each_length(last)}; against 0.5."
    )


@predicate("lstm-better", [*PALINDROMES, "model"])
def lstm_better(table: pd.DataFrame, horizons: pd.DataFrame) -> Finding:
    """table: both models at several T and learning rates; each at its best rate, compared seed by seed.

    horizons: the longest T that each solved from a better start (model and horizon, a row each; none where not run).
    The LSTM must be ahead in both; equal horizons cannot tell.
    """
    long = table[(table["length"] > 15) & table["model"].isin(["rnn", "lstm"])]
    if long["model"].nunique() < 2:
        raise CannotTellError("It takes both models at lengths beyond 15.")
    step, last = _at_last_step(long, 1_000)
    rnn, lstm = (
        _best_rate(last[last["model"] == model]).groupby("seed")["test_accuracy"].mean() for model in ("rnn", "lstm")
    )
    ahead = _paired(lstm, rnn)
    words = (
        f"Beyond T = 15, after {step:,} steps at the report's settings, each at its best rate: LSTM {_share(lstm)}, "
        f"RNN {_share(rnn)}, the LSTM's lead {_mean(ahead, 0.0)}."
    )
    longest = dict(horizons[["model", "horizon"]].dropna().to_numpy()) if len(horizons) else {}
    if not {"rnn", "lstm"} <= set(longest):
        return _every([exceeds(ahead, 0.0), None]), f"{words} From a better start they were not compared."
    ahead_too = None if longest["lstm"] == longest["rnn"] else longest["lstm"] > longest["rnn"]
    reached = {model: f"to T = {length:g}" if length else "to no length tried" for model, length in longest.items()}
    return _every([exceeds(ahead, 0.0), ahead_too]), (
        f"{words} From a better start the LSTM gets {reached['lstm']}, the RNN {reached['rnn']}."
    )


@predicate("identity-grad", ["network", "seed", "when", "test_accuracy", "lag", "cell?", "jacobian"])
def identity_grad(reach: pd.DataFrame) -> Finding:
    """reach: what is left of a gradient (network, seed, when, test_accuracy, lag, cell, jacobian; no cell in the RNN).

    A path of gradient 1 would leave 1 at every lag. The claim gets half of that, at the largest lag and in the most
    open unit: it must be there in every LSTM that has learnt the task, before its training and after.
    """
    lag = reach["lag"].max()
    if lag < 5:
        raise CannotTellError("It takes at least 5 steps between the first digit and the end.")
    solved = reach[(reach["lag"] == lag) & (reach["test_accuracy"] >= 0.9)]
    lstms = solved.dropna(subset=["cell"])
    if lstms.empty:
        raise CannotTellError("None of these LSTMs has learnt the task.")
    along, together = (
        {when: part[part["when"] == when].groupby("network", sort=False)[column] for when in ("before", "after")}
        for part, column in ((lstms, "cell"), (solved, "jacobian"))
    )
    if set(along["before"].groups) != set(along["after"].groups):
        raise CannotTellError("It takes every LSTM both before its training and after.")
    return _every(exceeds(values.tolist(), 0.5) for networks in along.values() for _, values in networks), (
        f"Means over the seeds with their 95% intervals. Along the cell of the most open unit, {lag} steps leave, "
        f"before training, {_in_each(along['before'], 0.5)}; after it, {_in_each(along['after'], 0.5)}; each against "
        f"0.5. All ways together leave, before training, {_in_each(together['before'])}; after it, "
        f"{_in_each(together['after'])}."
    )


def _in_each(networks: Any, against: float | None = None) -> str:
    """Means over seeds, with their intervals, of what may be far below 0.01 and not below 0."""
    words = []
    for network, values in networks:
        ends = interval(values.tolist())
        digits = digits_beside(ends[1:], against, form="g")
        words.append(f"{_with_interval([f'{max(end, 0):.{digits}g}' for end in ends], len(values))} in the {network}")
    return ", ".join(words)


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
        f"Computed from (12): k leaves zero at t = {', '.join(f'{start:.{digits}f}' for start in starts)} and stays "
        f"open for {from_to(widths, f'.{digits}f')}; asked for are {s:g}, every {tau:g} from there, and r_on τ = "
        f"{r_on * tau:g}, to within {2 * spacing:.1g}."
    )


@predicate("k-zero", ["k", "gated h", "gated c"])
def k_zero(states: pd.DataFrame) -> Finding:
    """states: a unit behind the gate over time (t, k, gated h, gated c)."""
    both = states[["gated h", "gated c"]]
    moved = both.ne(both.shift()).any(axis=1)[states["k"] == 0].iloc[int(states["k"].iloc[0] == 0) :]
    if moved.empty:
        raise CannotTellError("The gate is closed at no step after the first.")
    return not moved.any(), (
        f"The state equals the previous one to the bit at {(~moved).sum() or 'none'} of "
        f"{counted(len(moved), 'closed step')}."
    )


@predicate("k-nothing-lost")
def k_nothing_lost(retained: float, largest_integer_k: float) -> Finding:
    """retained: the share of the old c kept at k = 1 with f = 0; largest_integer_k: of figure 3's gate."""
    most = round(largest_integer_k, 2)
    return bool(retained > 0), (
        f"At the peak k = 1, with f = 0, the share of the old cell state that is kept is {retained:g}. In integer time "
        f"this gate reaches k = {most:.2f} at most, so that at least {1 - most:.2f} of it stays at each step."
    )


@predicate("learnable", ["remedy", "seed", "recovered"], ["start", "found"])
def learnable(searched: pd.DataFrame, arrived: pd.DataFrame) -> Finding:
    """searched: gates sought from their output (remedy, seed, recovered); arrived: learned in a network (found)."""
    shares = searched.pivot_table("recovered", index="seed", columns="remedy")
    if "as it is" not in shares:
        raise CannotTellError("It takes searches without a remedy.")
    best = shares[shares.mean().idxmax()].dropna()
    found = arrived.groupby("start")["found"].mean()
    return exceeds(best.tolist(), 0.5), (
        f"Share of the starts from which a gate is found again from its output: {_share(shares['as it is'].dropna())} "
        f"without a remedy, {_share(best, 0.5)} with the best ({best.name}); against 0.5. Learned with a network's "
        f"weights, the period is found in most seeds from {(found > 0.5).sum()} of {counted(len(found), 'start')}."
    )


BURSTS = ["gate", "seed", "step", "test_accuracy"]


@predicate("periodic-noise", BURSTS)
def periodic_noise(table: pd.DataFrame, without_clock: float) -> Finding:
    """table: networks on noise bursts (gate, seed, step, test_accuracy); without_clock: the best without one."""
    learned, quiet, none = _by_gate(table, "drawn, learned", "open in the quiet", "none")
    ahead = _paired(learned, none)
    digits = digits_beside(interval(learned.tolist())[1:], without_clock)
    return _every([exceeds(ahead, 0.0), exceeds(learned.tolist(), without_clock)]), (
        f"On noise bursts: accuracy {_share(learned, without_clock)} with learned gates, {_share(quiet)} with gates "
        f"set to the quiet, {_share(none)} for the LSTM, over which learned gates lead by {_mean(ahead, 0.0)}; "
        f"without a clock at most {without_clock:.{digits}f} is possible."
    )


@predicate("s-noise", BURSTS)
def s_noise(table: pd.DataFrame) -> Finding:
    """table: networks on noise bursts (gate, seed, step, test_accuracy), two of them with gates that stay as set.

    Whichever is ahead by more than 0.1 says what s and r_on stand for.
    """
    burst, quiet = _by_gate(table, "open in the burst", "open in the quiet")
    lead = _paired(burst, quiet)
    holds = True if exceeds(lead, 0.1) else False if exceeds([-value for value in lead], 0.1) else None
    difference = _mean(lead, math.copysign(0.1, sum(lead)))
    return holds, (
        "The gate is open from s on, for r_on τ: these say what it listens to. Set to the noise, accuracy "
        f"{_share(burst)}; set to the quiet, {_share(quiet)}; a difference of {difference}, against 0.1 either way; "
        "chance is 0.5."
    )


def _by_gate(table: pd.DataFrame, *gates: str) -> list[pd.Series]:
    """Accuracy at the end by the seed, for each of these gates."""
    _, last = _at_last_step(table[table["gate"].isin(gates)])
    if missing := [gate for gate in gates if gate not in set(last["gate"])]:
        raise CannotTellError(f"There is no run with the gate {missing[0]!r}.")
    return [last[last["gate"] == gate].set_index("seed")["test_accuracy"] for gate in gates]


@predicate("text-068", ["step", "accuracy?"])
def text_068(table: pd.DataFrame) -> Finding:
    """table: trainings at the course's defaults; each counts from 500,000 steps on, with its last recorded accuracy.

    One training can show it.
    """
    step, ends = _at_last_step(table.dropna(subset=["accuracy"]), 500_000)
    reached = table.loc[table["accuracy"] >= 0.68, "step"]
    when = f"0.68 is reached for the first time at step {reached.min():,}" if len(reached) else "0.68 is never reached"
    digits = max(digits_beside(ends["accuracy"], end) for end in (0.66, 0.68, 0.70))
    held_out = ends.get("held_out_accuracy", pd.Series(dtype=float)).dropna()
    return bool(ends["accuracy"].between(0.66, 0.70).all()), (
        f"After {step:,} steps, accuracy on training batches {from_to(ends['accuracy'], f'.{digits}f')}, against 0.66 "
        f"to 0.70; {when}." + (f" On held-out text {from_to(held_out, '.2f')}." if len(held_out) else "")
    )


@predicate("text-loss", ["loss?", "accuracy?"])
def text_loss(table: pd.DataFrame) -> Finding:
    """table: a training's loss and accuracy. Where the argmax is wrong, the true character has at most half of p."""
    bound = (1 - 0.68) * math.log(2)
    rows = table.dropna(subset=["loss", "accuracy"])
    above = rows["loss"] - (1 - rows["accuracy"]) * math.log(2)
    if (above < 0).any():
        raise AssertionError("a mean cross-entropy below its bound: the loss or the accuracy is computed wrongly")
    return bound <= 0.126, (
        f"Impossible in nats: an accuracy of 0.68 leaves a loss of at least {bound:.2f}, not 0.126; of "
        f"{counted(len(rows), 'recorded point')} none is below the bound (the nearest lies {above.min():.2f} above)."
    )


@predicate("fig4", ["step", "seed", "loss?", "accuracy?"])
def fig4(table: pd.DataFrame) -> Finding:
    """table: the text model's first steps. One training can show it."""
    rows = table[table["step"] <= 2_000].dropna(subset=["loss", "accuracy"]).sort_values("step")
    step, _ = _at_last_step(rows, 2_000)
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
    """habits: over the steps of trainings (newlines_greedy, zero_state, after_first); in_book: newlines' share.

    Two halves: samples are mostly newlines at some early step, and a zero state predicts one there.
    """
    trained = habits[habits["step"] > 0]
    if trained.empty:
        raise CannotTellError("It takes samples after the first step.")
    means = trained.groupby("step")[["newlines_greedy", "zero_state", "after_first"]].mean()
    step = means["newlines_greedy"].idxmax()
    shares = means[means.index == step].iloc[0].tolist()
    halves = {shares[0] > 0.5, max(shares[1:]) > 0.5}
    words = [f"{share:.{digits_beside([share], 0.5, 3) - 2}%}" for share in shares]
    return _of_seeds(
        None if len(halves) > 1 else halves.pop(),
        f"After the start of training newlines make up at most {words[0]} of the samples of 30 characters, in the mean "
        f"over the seeds, at step {step:,} ({in_book:.1%} of the book); there a zero state gives a newline a "
        f"probability of {words[1]}, and {words[2]} once a first character is read. The claim takes more than half of "
        "the samples, and a probability of more than half.",
        habits["seed"].nunique(),
    )


@predicate("frequent-words-first")
def frequent_words_first(emerged: pd.DataFrame) -> Finding:
    """emerged: the step from which on each band of words is written half as often as in the book; bands in order.

    A row a seed; infinite for never. The claim holds where no band comes before a commoner one, in any seed, and the
    rarest comes after the commonest.
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
    return _of_seeds(
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
    return grows, f"Mean entropy of the next character: {words}."


@predicate("temp-diversity", ["temperature", "distinct", "words"])
def temp_diversity(table: pd.DataFrame) -> Finding:
    """table: temperature, distinct (sequences of four) and words (share that the book knows)."""
    grows, words, ordered = _by_temperature(table, "distinct")
    known = ", ".join(percent(share) for share in ordered["words"])
    return grows, f"Share of distinct four-character sequences: {words}; of the words the book has {known}."


def _by_temperature(table: pd.DataFrame, column: str, unit: str = "") -> tuple[bool, str, pd.DataFrame]:
    """Whether the column grows with every step of the temperature, in words as well, and the table in this order."""
    ordered = table.sort_values("temperature")
    steps = list(pairwise(ordered[column]))
    if not steps:
        raise CannotTellError("It takes more than one temperature.")
    digits = max(digits_beside([later], earlier) for earlier, later in steps)
    words = ", ".join(
        f"{value:.{digits}f}{unit} at {heat:g}" for value, heat in zip(ordered[column], ordered["temperature"])
    )
    return all(later > earlier for earlier, later in steps), words, ordered


# What they share: runs, and numbers in words.

RUN = ("model", "optimizer", "gate", "length", "learning_rate", "seed")


def _at_last_step(table: pd.DataFrame, steps: int = 0) -> tuple[int, pd.DataFrame]:
    """The last step that all of these runs have come to, which must be this many at least, and the rows there."""
    if table.empty:
        raise CannotTellError("This build has no such runs.")
    of_run = [name for name in RUN if name in table]
    last = int(table.groupby(of_run)["step"].max().min() if of_run else table["step"].max())
    if last < steps:
        raise CannotTellError(f"The claim is about {steps:,} steps; the shortest of these runs has {last:,}.")
    return last, table[table["step"] == last]


def _best_optimizer_rates(table: pd.DataFrame) -> dict[str, tuple[float, pd.Series]]:
    """For each optimizer its best learning rate, by the mean accuracy over the training, and that of each seed."""
    best = {}
    for name, tried in table.groupby("optimizer"):
        means = tried.pivot_table("test_accuracy", index="learning_rate", columns="seed")
        place = int(means.mean(axis=1).argmax())
        best[str(name)] = (float(means.index[place]), means.iloc[place])
    return best


def _best_rate(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each length's best learning rate, by the mean over the seeds."""
    means = table.groupby(["length", "learning_rate"])["test_accuracy"].mean()
    best = dict(means.groupby("length").idxmax().tolist())  # idxmax gives (length, rate)
    return table[table["learning_rate"] == table["length"].map(best)]


def _exceed_half(table: pd.DataFrame) -> list[bool | None]:
    """For each length, whether the mean accuracy over the seeds exceeds 0.5."""
    return [exceeds(rows["test_accuracy"].tolist(), 0.5) for _, rows in table.groupby("length")]


def _each_length(table: pd.DataFrame) -> str:
    return "; ".join(f"T = {length}: {_share(rows['test_accuracy'], 0.5)}" for length, rows in table.groupby("length"))


def _paired(some: pd.Series, others: pd.Series) -> list[float]:
    """The differences, seed by seed, of the seeds that have both."""
    differences = (some - others).dropna().tolist()
    if not differences:
        raise CannotTellError("No seed has both of what is compared.")
    return differences


def _of_seeds(holds: bool | None, evidence: str, seeds: int) -> Finding:
    """The finding where there are several seeds."""
    return (holds, evidence) if seeds > 1 else (None, f"{evidence} One seed cannot settle it.")


def _every(verdicts: Iterable[bool | None]) -> bool | None:
    found = set(verdicts)
    return False if False in found else None if None in found else True


def _not(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict


def _gap(value: float) -> str:
    """A relative difference, of rounding or of another formula."""
    return f"{value:.2f}" if value >= 0.01 else f"{value:.{digits_beside([value], EQUAL, form='g')}g}"


def _mean(values: Iterable[float], against: float | None = None, *, share: bool = False) -> str:
    values = list(values)
    return in_words(values, share=share, against=against) + " (one seed)" * (len(values) == 1)


def _share(values: Iterable[float], against: float | None = None) -> str:
    return _mean(values, against, share=True)


def _with_interval(words: Sequence[str], count: int) -> str:
    """A number with the ends of its interval, all in words; one seed has none."""
    return f"{words[0]} " + (f"({words[1]} to {words[2]})" if count > 1 else "(one seed)")


def _spread(values: pd.Series, against: float) -> str:
    """Median and range over the seeds."""
    digits = digits_beside(values, against)
    words = [f"{value:.{digits}f}" for value in (values.median(), values.min(), values.max())]
    return _with_interval(words, len(values))


def as_html(table: pd.DataFrame) -> str:
    """The ledger as a table for a page, each verdict linked to its evidence."""
    rows = []
    for row in table.astype(str).map(in_html).to_dict("records"):
        verdict = f'<span class="verdict-name">{row["verdict"]}</span>'
        if row["chapter"]:
            verdict = f'<a href="{row["chapter"]}.html#claim-{row["id"]}">{verdict}</a>'
        cells = "</td><td>".join((row["section"], row["claim"], verdict, row["evidence"]))
        rows.append(f'<tr class="{_css_class(row["verdict"])}"><td>{cells}</td></tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in ("section", "the report says", "verdict", "evidence"))
    return f'<table class="ledger"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _css_class(verdict: str) -> str:
    return f"verdict verdict-{verdict.replace(' ', '-')}"
