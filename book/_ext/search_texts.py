"""The pages' texts, section by section, for the excerpts of the search: ``_static/search-texts.js``.

A script can be read from file:// as well, where a page may not fetch others. book/_static/search.js uses it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

UNREAD = "style, svg, button, .headerlink, div.math, details.code, div.cell_input, a.made, p.trace"
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)  # with the data of widgets, megabytes of them
MARK = re.compile("\0(.*?)\0")  # in a text, around the id of a place that the index leads to


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", write_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_texts(app: Sphinx, exception: Exception | None) -> None:
    """Write the texts of all pages, as a script that sets ``SEARCH_TEXTS``, from page to sections."""
    if exception is None and app.builder.name == "html":
        pages = {page: Path(app.outdir, f"{page}.html") for page in sorted(app.env.found_docs)}
        texts = {page: sections(path.read_text(encoding="utf-8")) for page, path in pages.items()}
        script = f"const SEARCH_TEXTS = {json.dumps(texts, ensure_ascii=False)};\n"
        Path(app.outdir, "_static", "search-texts.js").write_text(script, encoding="utf-8")


def sections(html: str) -> list[dict[str, Any]]:
    """A page's sections in its order: id, title, text, and at which character of it stand the places of the index."""
    article = BeautifulSoup(SCRIPT.sub("", html), "html.parser").select_one("article.bd-article")
    if article is None:
        return []
    for node in article.select(UNREAD):
        node.decompose()
    for node in article.select("span.target[id^=index-]"):
        node.replace_with(f"\0{node['id']}\0")
    for node in article.select("span.math"):  # as it was typed, less what only sets it
        node.string = re.sub(r"^\\\(|\\\)$|\\mathrm|\\,|[\\{}]", "", node.get_text())
    for node in article.select("p, li, td, th, figcaption, summary"):  # these end a word where no space does
        node.append(" ")
    found = [section(node.extract()) for node in reversed(article.select("section[id]"))]  # the inner ones first
    return found[::-1]


def section(node: Tag) -> dict[str, Any]:
    """What is known of one section, of which inner ones have been taken out."""
    heading = node.find(re.compile("^h[1-6]$"))
    title = heading.extract().get_text() if isinstance(heading, Tag) else ""
    text, places = "", {}
    for part, words in enumerate(MARK.split(" ".join(node.get_text().split()))):
        if part % 2:
            places[words] = len(text)
        else:
            text += words
    return {"id": node["id"], "title": MARK.sub("", title).strip(), "text": text, "places": places}
