"""The first page: the answers and findings that a build has collected from the chapters."""

from __future__ import annotations

from collections import Counter

from IPython.display import HTML, Markdown

from rnnreport.claims.collected import VERDICTS, collected
from rnnreport.claims.verdicts import claims
from rnnreport.shown import anchor, linked
from rnnreport.words import counted, listed

SURPRISES = {  # by the label of the figure that shows it
    "Figure 2.13": "A network may solve one length and no other.",
    "Figure 3.9": "A gate set as the report describes it hears nothing but noise.",
    "Figure 2.6": "The start decides more than the architecture.",
}
NOTHING = Markdown("*`make book` collects them from the chapters; here it has not.*")


def answers(collected_file: str) -> HTML | Markdown:
    """The answers to the questions of the assignment, in their order, each with a link to the figure that shows it."""
    found = sorted(collected(collected_file).answers, key=lambda row: row.question.split()[0])
    return _list([(row.question, row.answer, row.label, row.chapter) for row in found])


def surprises(collected_file: str) -> HTML | Markdown:
    """The findings of the figures in ``SURPRISES``, each with a link to its figure."""
    found = {row.label: row for row in collected(collected_file).findings}
    rows = {title: found.get(label) for label, title in SURPRISES.items()}
    return _list([(title, row.finding, row.label, row.chapter) for title, row in rows.items() if row])


def _list(rows: list[tuple[str, str, str, str]]) -> HTML | Markdown:
    lines = [
        (
            start,
            sentence,
            label if "." in label else f"{label}, chapter {chapter[1]}",
            f"{chapter}.html#{anchor(label)}",
        )
        for start, sentence, label, chapter in rows
    ]  # the report's own numbers, such as figure 3, do not tell the chapter
    return HTML(linked(lines)) if lines else NOTHING


def verdicts(collected_file: str) -> Markdown:
    """How many of the report's claims have each verdict, in a sentence."""
    earned = Counter(row.verdict for row in collected(collected_file).verdicts)
    earned["not run"] = len(claims()) - earned.total()
    said = [f"**{earned[verdict]} {verdict}**" for verdict in VERDICTS if earned[verdict]]
    return Markdown(f"Of {counted(len(claims()), 'claim')} of the report: {listed(said)}.")
