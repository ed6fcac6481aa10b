"""Last expressions of a chapter's cells: :func:`show`, a figure with its caption, and :func:`in_short`, the answers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from rnnreport import words
from rnnreport.claims.collected import METADATA
from rnnreport.figures import svg
from rnnreport.origin import origins_of
from rnnreport.shown import anchor, in_html, linked, made, powers, tabulated, typeset


class Shown:
    """A figure or a table with its caption. A notebook, a papermill copy and the built page all display it alike."""

    def __init__(self, label: str, body: str, finding: str, axes: str, how: Sequence[str], origins: Any = ()) -> None:
        self.label, self.body, self.finding, self.axes, self.how = label, body, finding, axes, how
        self.origins = list(origins)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, Any]]:
        html = (
            f'<figure class="report-figure" id="{anchor(self.label)}">{self.body}'
            f"<figcaption><strong>{in_html(self.label)}. {typeset(self.finding)}</strong> {typeset(self.axes)}"
            f"{made(self.how)}</figcaption></figure>"
        )
        shown = {"findings": [{"label": self.label, "finding": self.finding}], "origins": self.origins}
        return {"text/html": html, "text/plain": f"{self.label}. {self.finding}"}, {METADATA: shown}


class Said:
    """A computed sentence, in Markdown, that knows the origin of its numbers."""

    def __init__(self, sentence: str, origins: list[dict[str, Any]]) -> None:
        self.sentence, self.origins = sentence, origins

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, Any]]:
        shown = {"text/markdown": powers(self.sentence), "text/plain": self.sentence}
        return shown, {METADATA: {"origins": self.origins}}


def say(sentence: Callable[..., str], *rows: Any) -> Said:
    """``sentence(*rows)`` as the last expression of a cell; nothing if the first rows are an empty table."""
    empty = isinstance(rows[0], pd.DataFrame) and rows[0].empty
    return Said("" if empty else sentence(*rows), origins_of(*rows))


def show(
    label: str,
    draw: Callable[..., Figure | pd.DataFrame],
    rows: Any,
    finding: str | Callable[..., str],
    *more: Any,
    details: str | Callable[..., str] = "",
    origin: pd.DataFrame | str | None = None,
) -> Shown | Markdown:
    """A figure, or a table, with its caption, as the last expression of a cell.

    label: the name that the text uses, "Figure 1a". draw: made by :func:`rnnreport.figures.chart`, or a function that
    returns a table; called as ``draw(rows, *more)``. finding: the first sentence of the caption, or a function of the
    same arguments that returns it. details: further text, likewise; it is folded away with the number of seeds and
    the origin of the rows. origin: rows that carry the origin, or a text, if the drawn rows do not.

    Nothing is drawn for an empty table, as in a build without recorded runs, and the page says so.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([0])  # anything but a table counts as not empty
    if table.empty:
        return Markdown(f"*{label}: there are no such runs here, recorded or live.*")
    said, told = (text(rows, *more) if callable(text) else text for text in (finding, details))
    sources = origins_of(table if origin is None else origin)
    source = "; ".join(found["origin"] for found in sources)
    how = next((f"{how.capitalize()}." for how in ("recorded", "trained live") if source.startswith(how)), "")
    seeds = table["seed"].nunique() if "seed" in table else 0
    counted = f"{words.counted(seeds, 'seed')}{', so no interval' * (seeds == 1)}." if seeds else ""
    drawn = draw(rows, *more)
    if isinstance(drawn, Figure):
        axes = [_axes(drawn), getattr(draw, "marks", "")]
        body = _image(drawn, f"{(draw.__doc__ or '').partition(chr(10))[0]} {said}")
    else:
        axes, body = [], tabulated(drawn)
    sentences = [f"{sentence}." for sentence in axes if sentence]
    return Shown(label, body, said, " ".join([*sentences, how]), [told, counted, source], sources)


def _image(figure: Figure, alt: str) -> str:
    """The figure for a page, with a minimum width that stays readable: a narrow page scrolls it."""
    data, least = base64.b64encode(svg(figure)).decode(), 0.65 * 96 * figure.get_figwidth()
    image = f'<img alt="{in_html(alt)}" style="min-width: {least:.0f}px" src="data:image/svg+xml;base64,{data}">'
    return f'<div class="picture">{image}</div>'


def _axes(figure: Figure) -> str:
    """A figure's axes in words: each label once."""
    kinds: dict[str, dict[str, None]] = {"x axis": {}, "y axis": {}, "colour": {}}
    for ax in figure.axes:
        is_bar = ax.get_label() == "<colorbar>"
        for kind, axis in (("x axis", ax.xaxis), ("y axis", ax.yaxis)):
            if label := " ".join(axis.get_label_text().split()):
                logarithmic = " (logarithmic)" * (axis.get_scale() == "log")
                kinds["colour" if is_bar else kind][label + logarithmic] = None
    return "; ".join(f"{kind}: {words.listed([*labels])}" for kind, labels in kinds.items() if labels)


class Answers:
    """A page's answers to the assignment: for each question the answer and the figure or table that shows it."""

    def __init__(self, answers: Sequence[tuple[str, str, str]]) -> None:
        self.answers = answers

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, Any]]:
        rows = [dict(zip(("question", "answer", "label"), answer)) for answer in self.answers]
        lines = [(question, answer, label, f"#{anchor(label)}") for question, answer, label in self.answers]
        plain = "\n".join(f"{question} {answer} ({label})" for question, answer, label in self.answers)
        return {"text/html": linked(lines), "text/plain": plain}, {METADATA: {"answers": rows}}


def in_short(*answers: tuple[str, str, str]) -> Answers:
    """The page's answers. answers: for each question of the assignment (question, answer, label of its evidence)."""
    return Answers(answers)
