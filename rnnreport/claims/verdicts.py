"""Verdicts, and the decorator that makes a function of tables the measurement that a claim is judged by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap, zip_longest
from typing import Any

import pandas as pd

from rnnreport.claims import uncertainty
from rnnreport.claims.collected import METADATA, VerdictName
from rnnreport.claims.stated import Claim, claims
from rnnreport.claims.uncertainty import Estimate
from rnnreport.intervals import digits_beside
from rnnreport.origin import origins_of
from rnnreport.shown import made, typeset
from rnnreport.words import counted, listed

# What a claim's quantity is in each of the cases that it speaks of, one value per seed; and a remark on them.
# A claim of one case calls it "". An exact claim has one value, and the remark is the evidence.
Measured = tuple[Mapping[str, Sequence[float]], str]
Predicate = Callable[..., Measured]
PREDICATES: dict[str, Predicate] = {}


@dataclass(frozen=True)
class Verdict:
    """A claim's verdict and the evidence. It shows itself in a chapter and leaves its data for the ledger."""

    id: str
    verdict: VerdictName
    evidence: str
    p_value: float | None = None  # the largest of the settled cases', uncorrected; None where no chance is in play
    exploratory: bool = False  # the claim was settled after the runs that judge it
    origins: Sequence[Mapping[str, Any]] = ()  # of the tables that it is judged on

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, Any]]:
        claim = claims()[self.id]
        html = (
            f'<div class="{css_class(self.verdict)}" id="claim-{self.id}">'
            f'<p><a class="verdict-name" href="05_claims.html">{self.verdict}</a> '
            f"The report on question {claim.section}: {typeset(claim.claim)}.</p>"
            f"<p>{typeset(self.evidence)}</p>{made([str(origin['origin']) for origin in self.origins])}</div>"
        )
        shown = {"text/html": html, "text/plain": f"{self.id}: {self.verdict}. {self.evidence}"}
        row = {name: value for name, value in vars(self).items() if name != "origins"}
        return shown, {METADATA: {"verdicts": [row], "origins": list(self.origins)}}


class CannotTellError(Exception):
    """The results cannot decide the claim; the message is the verdict's evidence."""


def judge(claim: str, *tables: Any) -> Verdict:
    """The verdict on these tables: the claim's predicate measures, its margin decides.

    If any of them is recorded, the evidence ends with a remark that says so, and whether the claim was changed since.
    Raises KeyError for an unknown claim.
    """
    stated = claims()[claim]
    recorded = [table.attrs for table in tables if _is_recorded(table)]
    exploratory = any(attrs.get("claims", {}).get(claim) != stated.digest for attrs in recorded)
    remark = " (Recorded runs.)" * bool(recorded)
    remark += " Exploratory: the claim was fixed after these runs." * exploratory
    try:
        verdict, evidence, p_value = decided(stated, *PREDICATES[claim](*tables))
    except CannotTellError as reason:
        verdict, evidence, p_value = "cannot tell", str(reason), None
    return Verdict(claim, verdict, evidence + remark, p_value, exploratory, tuple(origins_of(*tables)))


def _is_recorded(table: Any) -> bool:
    return str(getattr(table, "attrs", {}).get("provenance", "")).startswith("recorded")


def decided(claim: Claim, cases: Mapping[str, Sequence[float]], remark: str) -> tuple[VerdictName, str, float | None]:
    """The verdict, the evidence in words, and the p-value, from what was measured in each case of the claim.

    Raises CannotTellError if nothing was.
    """
    if not cases or not all(map(len, cases.values())):
        raise CannotTellError("This build has no such results.")
    found = {name: _holds(claim, list(values)) for name, values in cases.items()}
    holds = {name: verdict for name, (verdict, _) in found.items()}
    verdict: VerdictName = (
        "reproduced" if all(holds.values())
        else "contradicted" if set(holds.values()) == {False}
        else "in part" if {True, False} <= set(holds.values())
        else "cannot tell"
    )  # fmt: skip
    if claim.kind == "exact":
        return verdict, remark, None
    settled = [estimate for case, estimate in found.values() if verdict == "cannot tell" or case is not None]
    tests = [estimate.p_value for estimate in settled if estimate]
    said = [_in_words(claim, name, list(values), found[name][1]) for name, values in cases.items()]
    evidence = f"{'; '.join(said)}; needed: {claim.margin}."
    if verdict == "in part":
        kept = [name for name in holds if holds[name]]
        evidence = f"It holds in {len(kept)} of {counted(len(holds), 'case')}: {listed(kept)}. {_capital(evidence)}"
    if verdict == "cannot tell":
        evidence += _what_could(claim, [(list(cases[name]), found[name][1]) for name in cases if holds[name] is None])
    return verdict, f"{_capital(evidence)} {remark}".strip(), max(tests) if tests else None


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _holds(claim: Claim, values: list[float]) -> tuple[bool | None, Estimate | None]:
    """Whether the quantity keeps the margin, None if these seeds cannot tell; and the estimate, where chance counts."""
    least, most = claim.bounds
    within = [least <= value <= most if claim.within else least < value < most for value in values]
    if claim.kind in ("exact", "run"):
        alike = len(set(within)) == 1 and len(values) >= claim.seeds
        return (within[0] if alike else None), None
    margin = least if math.isinf(most) else most
    estimate = (
        uncertainty.share(values, margin) if claim.kind == "share"
        else uncertainty.equivalence(values, least, most) if claim.kind == "equivalence"
        else uncertainty.mean(values, margin)
    )  # fmt: skip
    if len(values) < claim.seeds or not estimate.p_value < uncertainty.ALPHA:
        return None, estimate
    if least < estimate.low and estimate.high < most:
        return True, estimate
    return (False if estimate.high < least or estimate.low > most else None), estimate


def _in_words(claim: Claim, name: str, values: list[float], estimate: Estimate | None) -> str:
    """What was measured in one case: the values of a few trainings, a count of seeds, or a mean with its interval."""
    before = f"{name}: " * bool(name)
    margins = [bound for bound in claim.bounds if math.isfinite(bound)]
    if not estimate:
        whole = all(float(value).is_integer() for value in values)
        digits = 0 if whole else max(digits_beside(values, margin) for margin in margins)
        return before + listed([f"{value:.{digits}f}" for value in values])
    ends = [end for end in estimate[:3] if math.isfinite(end)]
    digits = max(digits_beside(ends[1:], margin) for margin in margins)
    while estimate.low < estimate.high and digits < 5 and f"{estimate.low:.{digits}f}" == f"{estimate.high:.{digits}f}":
        digits += 1
    interval = f" ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})" if len(ends) > 2 else " (one seed)"
    if claim.kind == "share":
        return f"{before}{round(sum(values))} of {counted(len(values), 'seed')}{interval}"
    return f"{before}{estimate.value:.{digits}f}{interval if estimate.low < estimate.high else ' in every seed'}"


def _what_could(claim: Claim, open_cases: Sequence[tuple[list[float], Estimate | None]]) -> str:
    """How many seeds could tell, in a sentence, if the estimates stay where they are."""
    if min(len(values) for values, _ in open_cases) < claim.seeds:
        return f" The claim takes at least {counted(claim.seeds, 'seed')}."
    needed = max(len(values) for values, _ in open_cases) + 1.0
    for values, estimate in open_cases:
        if not estimate:
            return " These runs disagree."
        margins = [bound for bound in claim.bounds if math.isfinite(bound)]
        apart = min(abs(estimate.value - margin) for margin in margins)
        needed = max(needed, len(values) * ((estimate.high - estimate.low) / 2 / apart) ** 2 if apart else math.inf)
    if needed > 10_000:
        return " More than 10,000 seeds would be needed to tell."
    return f" About {math.ceil(needed / 10) * 10:,} seeds would be needed to tell."


def predicate(claim: str, *needed: Sequence[str]) -> Callable[[Predicate], Predicate]:
    """Register the predicate of a claim, a function of tables that measures; if they lack anything, it cannot tell.

    needed: the columns that each of its tables must have, with a finite value in every row ("loss?": in at least one).
    """

    def register(measures: Predicate) -> Predicate:
        def of_whole_tables(*tables: Any) -> Measured:
            return measures(*starmap(_checked, zip_longest(tables, needed, fillvalue=())))

        PREDICATES[claim] = of_whole_tables
        return measures

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


def css_class(verdict: str) -> str:
    """The classes of an element that shows this verdict."""
    return f"verdict verdict-{verdict.replace(' ', '-')}"
