"""Chapter 5: the verdicts that a build has collected from the other chapters."""

from __future__ import annotations

import pandas as pd

from rnnreport.claims.collected import collected
from rnnreport.claims.verdicts import claims, css_class
from rnnreport.shown import in_html


def ledger(collected_file: str, only: list[str] | None = None) -> pd.DataFrame:
    """Every claim with its verdict: id, section, claim, verdict, evidence, chapter ("" where none judged it).

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
    """The ledger as a table for a page, each verdict linked to its evidence."""
    rows = []
    for row in table.astype(str).map(in_html).to_dict("records"):
        verdict = f'<span class="verdict-name">{row["verdict"]}</span>'
        if row["chapter"]:
            verdict = f'<a href="{row["chapter"]}.html#claim-{row["id"]}">{verdict}</a>'
        cells = "</td><td>".join((row["section"], row["claim"], verdict, row["evidence"]))
        rows.append(f'<tr class="{css_class(row["verdict"])}"><td>{cells}</td></tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in ("section", "the report says", "verdict", "evidence"))
    return f'<table class="ledger"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
