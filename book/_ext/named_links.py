"""Whatever a sentence calls by its name is a link: "figure 2.5", "tables 1b.1 and 1b.3", "chapter 4"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SHOWN = re.compile(r'id=\\"((?:figure|table)-[0-9a-z-]+)\\"')  # in a notebook's JSON
NUMBER = r"[0-9]+[a-c]?(?:\.[0-9]+)?"
NAMED = re.compile(rf"\b(figure|table|chapter)s? {NUMBER}(?:(?:, | and | to | or ){NUMBER})*\b", re.IGNORECASE)
# A name in one of these is not a sentence's, or is a link already.
APART = (nodes.reference, nodes.title, nodes.literal, nodes.literal_block, nodes.math, nodes.raw)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", find_places)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def find_places(app: Sphinx) -> None:
    """Note the page and the anchor of every name: those of figures and tables stand in the chapters' outputs."""
    app.places = places = {}  # type: ignore[attr-defined]
    for notebook in sorted(Path(app.srcdir, "book").glob("*.ipynb")):
        page = f"book/{notebook.stem}"
        if number := re.match("0?([0-9]+[a-c]?)_", notebook.stem):
            places[f"chapter-{number[1]}"] = page, ""
        for name in SHOWN.findall(notebook.read_text(encoding="utf-8")):
            places[name] = page, f"#{name}"


def link_names(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Make links of the names in a page's sentences."""
    if app.builder.format != "html":
        return
    for text in list(doctree.findall(nodes.Text)):
        around, found = text.parent, list(NAMED.finditer(text))
        while around is not None and not isinstance(around, APART):
            around = around.parent
        if found and around is None:
            text.parent.replace(text, [part for piece in pieces(text, found) for part in linked(app, page, *piece)])


def pieces(text: str, found: list[re.Match[str]]) -> list[tuple[str, str]]:
    """The text in pieces, each with what it names, if anything: "Figures 2a" and "2b", of "Figures 2a and 2b"."""
    parts, end = [], 0
    for names in found:
        for place, number in enumerate(re.finditer(NUMBER, names[0])):
            start, stop = (names.start() + at for at in (number.start() if place else 0, number.end()))
            name = f"{names[1].lower()}-{number[0].lower().replace('.', '-')}"
            parts += [(text[end:start], ""), (text[start:stop].replace(" ", "\u00a0"), name)]
            end = stop
    return [*parts, (text[end:], "")]


def linked(app: Sphinx, page: str, words: str, name: str) -> list[nodes.Node]:
    """The words as a link to what bears the name, if anything does."""
    if name not in app.places:  # type: ignore[attr-defined]
        return [nodes.Text(words)] if words else []
    there, place = app.places[name]  # type: ignore[attr-defined]
    uri = "" if there == page and place else app.builder.get_relative_uri(page, there)
    return [nodes.reference("", words, refuri=f"{uri}{place}", internal=True)]
