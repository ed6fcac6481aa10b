"""Chapter 5: the verdicts that a build has collected from the other chapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rnnreport.claims.collected import VERDICTS, collected, not_run
from rnnreport.claims.stated import QUESTIONS, claims
from rnnreport.claims.uncertainty import ALPHA, holm
from rnnreport.claims.verdicts import css_class
from rnnreport.shown import in_html, typeset
from rnnreport.words import counted, listed


def ledger(collected_file: str, only: list[str] | None = None) -> pd.DataFrame:
    """Every claim with its verdict; ``only``: those with one of these verdicts.

    Columns: id, section, claim, rule, decides, then those of a collected verdict (chapter "" for none), and
    corrected: the p-value after Holm's correction over all claims in which chance is in play, NaN for the others.
    collected_file: the name of what a build collected from the chapters; "" for none.
    """
    earned = {verdict.id: verdict for verdict in collected(collected_file).verdicts}
    rows: list[dict[str, Any]] = []
    for name, claim in claims().items():
        verdict = earned.get(name, not_run(name))
        stated = {part: getattr(claim, part) for part in ("section", "claim", "rule", "decides")}
        rows.append({**stated, **verdict.model_dump()})
    table = pd.DataFrame(rows).astype({"p_value": float})
    tested = table["p_value"].dropna()
    table["corrected"] = pd.Series(holm(tested.tolist()), index=tested.index, dtype=float)
    return table if only is None else table[table["verdict"].isin(only)].reset_index(drop=True)


def correction(table: pd.DataFrame) -> str:
    """What Holm's correction changes, in a sentence. table: of :func:`ledger`, with all verdicts."""
    lost, settled = lost_when_corrected(table), len(_settled(table))
    count = int(table["corrected"].notna().sum())
    if not count:
        return "This build has no verdict in which chance is in play."
    changed = f"these can no longer be told: {listed(lost)}" if lost else "no verdict changes"
    return (
        f"There are {counted(count, 'such claim')} here, of which {settled} have a verdict. With Holm's "
        f"correction for their number, so that at most one such list in twenty has any wrong one, {changed}."
    )


def lost_when_corrected(table: pd.DataFrame) -> list[str]:
    """The claims whose verdict Holm's correction undoes."""
    settled = _settled(table)
    return settled.loc[~(settled["corrected"] < ALPHA), "id"].tolist()


def _settled(table: pd.DataFrame) -> pd.DataFrame:
    """The claims in which chance is in play and that have a verdict."""
    return table[table["corrected"].notna() & (table["verdict"] != "cannot tell")]


def as_html(table: pd.DataFrame) -> str:
    """The ledger as a table for a page, by question: each claim with its rule folded, each verdict linked to its place.

    Above it are buttons, one per verdict and one for all; report.css shows only the rows of the chosen one.
    """
    found = ["all", *(verdict for verdict in VERDICTS if verdict in set(table["verdict"]))]
    buttons = "".join(
        f'<label><input type="radio" name="verdict" value="{name}"{" checked" * (name == "all")}>{name}</label>'
        for name in found
    )
    groups = "".join(
        f'<tbody><tr class="question"><th colspan="3" scope="rowgroup">{section} {QUESTIONS[str(section)]}</th></tr>'
        f"{''.join(map(_row, rows.to_dict('records')))}</tbody>"
        for section, rows in table.groupby("section")
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("the report says", "verdict", "evidence"))
    return (
        f'<fieldset class="ledger-filter"><legend>Show</legend>{buttons}</fieldset>'
        f'<table class="ledger claims"><thead><tr>{head}</tr></thead>{groups}</table>'
    )


def _row(row: Mapping[Any, Any]) -> str:
    verdict = f'<span class="verdict-name">{row["verdict"]}</span>'
    if row["chapter"]:
        verdict = f'<a href="{in_html(row["chapter"])}.html#claim-{row["id"]}">{verdict}</a>'
    if row["verdict"] != "not run":
        verdict += f'<p class="rule">by {row["decides"]}{_tested(row)}</p>'
    rule = f'<details class="more"><summary>rule</summary><p class="rule">{typeset(row["rule"])}</p></details>'
    cells = "</td><td>".join((f"{typeset(row['claim'])}{rule}", verdict, typeset(row["evidence"])))
    return f'<tr class="{css_class(row["verdict"])}"><td>{cells}</td></tr>'


def _tested(row: Mapping[Any, Any]) -> str:
    """The p-values of a verdict in which chance is in play."""
    if pd.isna(row["p_value"]):
        return ""
    plain, corrected = (
        f"= {value:.2g}" if value >= 0.001 else "< 0.001" for value in (row["p_value"], row["corrected"])
    )
    return f"; p {in_html(plain)}, corrected {in_html(corrected.removeprefix('= '))}"
