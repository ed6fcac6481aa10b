"""Claims, verdicts, and the decorator that makes a function of tables the predicate of a claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import starmap, zip_longest
from typing import Any

import pandas as pd
import yaml

from rnnreport import checksums
from rnnreport.claims.collected import METADATA, VerdictName
from rnnreport.provenance import PROJECT
from rnnreport.shown import typeset
from rnnreport.words import counted

READS = ("data/claims.yml",)  # files that this module reads itself, for the fingerprints of the chapters that judge
CLAIMS = PROJECT / READS[0]

Finding = tuple[bool | None, str]
Predicate = Callable[..., Finding]
PREDICATES: dict[str, Predicate] = {}


@cache
def claims() -> dict[str, dict[str, str]]:
    """The claims by their id: kind (arithmetic or runs), section, claim, and the rule of its predicate."""
    rows = yaml.safe_load(checksums.verify(CLAIMS).read_text(encoding="utf-8"))
    return {claim["id"]: {"kind": "runs", **claim} for claim in rows}


@dataclass(frozen=True)
class Verdict:
    """A claim, whether it holds, and the evidence. It shows itself in a chapter and leaves its data for the ledger."""

    id: str
    verdict: VerdictName
    evidence: str

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, Any]]:
        claim = claims()[self.id]
        html = (
            f'<div class="{css_class(self.verdict)}" id="claim-{self.id}">'
            f'<p><a class="verdict-name" href="05_claims.html">{self.verdict}</a> '
            f"The report on question {claim['section']}: {typeset(claim['claim'])}.</p>"
            f"<p>{typeset(self.evidence)}</p></div>"
        )
        record = {"id": self.id, "verdict": self.verdict, "evidence": self.evidence}
        shown = {"text/html": html, "text/plain": f"{self.id}: {self.verdict}. {self.evidence}"}
        return shown, {METADATA: {"verdicts": [record]}}


def judge(claim: str, *tables: Any) -> Verdict:
    """The verdict of the claim's predicate on these tables. Raises KeyError for an unknown claim.

    If any of them is recorded, the evidence ends with a remark that says so.
    """
    holds, evidence = PREDICATES[claims()[claim]["id"]](*tables)
    if any(str(getattr(table, "attrs", {}).get("provenance", "")).startswith("recorded") for table in tables):
        evidence = f"{evidence} (Recorded runs.)"
    verdict: VerdictName = "underpowered" if holds is None else "reproduced" if holds else "contradicted"
    return Verdict(claim, verdict, evidence)


class CannotTellError(Exception):
    """The results cannot decide the claim; the message is the verdict's evidence."""


def predicate(claim: str, *needed: Sequence[str]) -> Callable[[Predicate], Predicate]:
    """Register the predicate of a claim; if it lacks rows, columns or values, it cannot tell.

    needed: the columns that each of its tables must have, with a finite value in every row ("loss?": in at least one).
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


def css_class(verdict: str) -> str:
    """The classes of an element that shows this verdict."""
    return f"verdict verdict-{verdict.replace(' ', '-')}"
