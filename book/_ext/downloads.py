"""What a page's download button gives: its notebook without outputs, which says where it comes from.

A browser opens a notebook from file:// in a tab. So each page carries its own, and book/_static/download.js saves it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

KIND = "application/x-ipynb+json"
ORIGIN = "*{page}* of *{title}*, without outputs. It runs in the folder `book/` of a checkout of the project.{run}"
RUN = " The parameters are those that the page was made with, at code {code} on {machine}."


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-page-context", attach)  # before widget_data escapes what a script holds
    app.connect("build-finished", replace_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def attach(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the notebook into its page."""
    if doctree is not None and (source := Path(app.env.doc2path(page))).suffix == ".ipynb":
        app.add_js_file(None, body=bare(source, app.config.html_title), type=KIND, id=source.name)


def replace_sources(app: Sphinx, exception: Exception | None) -> None:
    """Likewise in ``_sources``, which the button links to where there are no scripts."""
    for path in [] if exception else Path(app.outdir, "_sources").rglob("*.ipynb"):
        source = Path(app.srcdir, path.relative_to(Path(app.outdir, "_sources")))
        path.write_text(bare(source, app.config.html_title) + "\n", encoding="utf-8")


def bare(path: Path, title: str) -> str:
    """The notebook without outputs, and a first cell that says where it is from.

    title: the book's. The record of a run by ``make book`` is in the notebook's metadata.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    record = notebook["metadata"].get("rnnreport")
    words = ORIGIN.format(page=path.stem, title=title, run=RUN.format(**record) if record else "")
    cells = [{"cell_type": "markdown", "id": "origin", "metadata": {}, "source": words}]
    for cell in notebook["cells"]:
        emptied = {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {}
        tags = {"tags": tags} if (tags := cell["metadata"].get("tags")) else {}
        cells.append({**cell, "metadata": tags, **emptied})
    kept = {
        name: notebook["metadata"][name] for name in ("kernelspec", "language_info") if name in notebook["metadata"]
    }
    return json.dumps({**notebook, "metadata": kept, "cells": cells}, indent=1, ensure_ascii=False)
