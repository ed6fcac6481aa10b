"""Chapter 5: the verdicts that a build has collected from the other chapters."""

from __future__ import annotations

import pandas as pd

from rnnreport.claims.collected import VERDICTS, collected
from rnnreport.claims.verdicts import claims, css_class
from rnnreport.shown import in_html, typeset


def ledger(collected_file: str, only: list[str] | None = None) -> pd.DataFrame:
    """Every claim with its verdict: id, kind, section, claim, rule, verdict, evidence, chapter ("" for none).

    collected_file: the name of what a build collected from the chapters; "" for none.
    """
    earned = {verdict.id: verdict.model_dump() for verdict in collected(collected_file).verdicts}
    rows = [
        {**claim, "verdict": "not run", "evidence": "", "chapter": "", **earned.get(name, {})}
        for name, claim in claims().items()
    ]
    table = pd.DataFrame(rows)
    return table if only is None else table[table["verdict"].isin(only)].reset_index(drop=True)


def as_html(table: pd.DataFrame) -> str:
    """The ledger as a table for a page: each claim with its rule, each verdict linked to its evidence.

    Above it are buttons, one per verdict and one for all; report.css shows only the rows of the chosen one.
    """
    found = ["all", *(verdict for verdict in VERDICTS if verdict in set(table["verdict"]))]
    buttons = "".join(
        f'<label><input type="radio" name="verdict" value="{name}"{" checked" * (name == "all")}>{name}</label>'
        for name in found
    )
    rows = []
    for row in table.astype(str).to_dict("records"):
        verdict = f'<span class="verdict-name">{row["verdict"]}</span>'
        if row["chapter"]:
            verdict = f'<a href="{in_html(row["chapter"])}.html#claim-{row["id"]}">{verdict}</a>'
        verdict += f'<p class="rule">by {row["kind"]}</p>' * (row["verdict"] != "not run")
        claim = f'{typeset(row["claim"])}<p class="rule">{typeset(row["rule"])}</p>'
        cells = "</td><td>".join((row["section"], claim, verdict, typeset(row["evidence"])))
        rows.append(f'<tr class="{css_class(row["verdict"])}"><td>{cells}</td></tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in ("question", "the report says", "verdict", "evidence"))
    return (
        f'<fieldset class="ledger-filter"><legend>Show</legend>{buttons}</fieldset>'
        f'<table class="ledger"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
