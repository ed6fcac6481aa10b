"""The first page: the answers and findings that a build has collected from the chapters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from IPython.display import HTML, Markdown

from rnnreport.claims import ledger
from rnnreport.claims.collected import VERDICTS, CollectedAnswer, CollectedFinding, collected
from rnnreport.claims.stated import HOW, claims
from rnnreport.shown import anchor, in_html, linked, typeset
from rnnreport.words import counted, listed

SURPRISES = {  # by the label of the figure that shows it
    "Figure 2.13": "A network may solve one length and no other.",
    "Figure 3.9": "A gate set as the report describes it hears nothing but noise.",
    "Figure 2.6": "In a short training the start decides more than the architecture.",
}
LEADING = ("Figure 1.1", "Figure 1c.2", "Table 2.1", "Figure 3.6")  # what shows a chapter's main answer; else its first
WEIGHTY = ("grad-whh", "identity-grad", "s-noise")  # claims whose contradiction matters most
DECIDES = tuple(dict.fromkeys(decides for decides, _ in HOW.values()))
NOTHING = Markdown("*`make book` collects them from the chapters; here it has not.*")


def answers(collected_file: str) -> HTML | Markdown:
    """Each chapter's main answer, and its others folded, each with a link to the figure that shows it."""
    chapters = []
    for name, rows in groupby(collected(collected_file).answers, key=lambda row: row.chapter):
        chapter = f"Chapter {in_html(name.split('_')[0].lstrip('0'))}"
        main, *others = sorted(rows, key=lambda row: row.label not in LEADING)
        chapters.append(f'<p class="chapter"><a href="{in_html(name)}.html">{chapter}</a></p>{_listed([main])}')
        if others:
            more = f"{counted(len(others), 'further answer')} of {chapter.lower()}"
            chapters.append(f'<details class="more"><summary>{more}</summary>{_listed(others)}</details>')
    return HTML("".join(chapters)) if chapters else NOTHING


def surprises(collected_file: str) -> HTML | Markdown:
    """The findings of the figures in ``SURPRISES``, each with a link to its figure."""
    found = {row.label: row for row in collected(collected_file).findings}
    rows = [(title, found[label]) for label, title in SURPRISES.items() if label in found]
    return HTML(linked((title, row.finding, row.label, _place(row)) for title, row in rows)) if rows else NOTHING


def _listed(rows: Iterable[CollectedAnswer]) -> str:
    return linked((row.question, row.answer, row.label, _place(row)) for row in rows)


def _place(row: CollectedAnswer | CollectedFinding) -> str:
    return f"{row.chapter}.html#{anchor(row.label)}"


def verdicts(collected_file: str) -> HTML:
    """How many claims have each verdict, what decides how many of them, and which weighty ones are contradicted."""
    earned = {row.id: row for row in collected(collected_file).verdicts}
    found = Counter(
        (claim.decides, earned[name].verdict if name in earned else "not run") for name, claim in claims().items()
    )

    def said(*kinds: str) -> list[str]:
        numbers = {verdict: sum(found[kind, verdict] for kind in kinds) for verdict in VERDICTS}
        return [f"{number} {verdict}" for verdict, number in numbers.items() if number]

    each = listed([f"<strong>{words}</strong>" for words in said(*DECIDES)])
    each = each.replace("cannot tell", '<a href="05_claims.html#how-to-read-it">cannot tell</a>')
    by_kind = [
        f"{kind} for {sum(found[kind, v] for v in VERDICTS)} ({listed(said(kind))})"
        for kind in DECIDES
        if any(found[kind, v] for v in VERDICTS)
    ]
    against = [
        '<li class="verdict verdict-contradicted"><span class="verdict-name">contradicted</span>: the claim that '
        f'<a href="{in_html(earned[name].chapter)}.html#claim-{name}">{typeset(claims()[name].claim)}</a>. '
        f"{typeset(earned[name].evidence)}</li>"
        for name in WEIGHTY
        if name in earned and earned[name].verdict == "contradicted"
    ]
    lost = len(ledger.lost_when_corrected(ledger.ledger(collected_file)))
    corrected = (
        f" With a correction for the number of tests, {lost} of these verdicts "
        '<a href="05_claims.html#how-sure-is-that">can no longer be told</a>.'
    )
    return HTML(
        f"<p>Of {counted(len(claims()), 'claim')} of the report: {each}. What decides: {listed(by_kind)}."
        f"{corrected * bool(lost)}</p>"
        + f'<p>Among what does not hold:</p><ul class="in-short">{"".join(against)}</ul>'
        * bool(against)
    )
