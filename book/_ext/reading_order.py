"""A page is read in another order than its notebook runs: the settings come last, and code below what it made.

Papermill wants the parameters at the top of a notebook, and a cell's code stands before its output. A reader wants
the question first, then the answer, and the code where they care to look.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", settings_last, priority=100)  # before Sphinx collects the table of contents
    app.connect("doctree-resolved", code_last)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def settings_last(app: Sphinx, doctree: nodes.document) -> None:
    """Move the section that holds the parameters' cell to the end of the page, and the cells tagged "setup" into it."""
    cells = list(doctree.findall(nodes.container))
    for cell in cells:
        if "tag_parameters" in cell["classes"] and isinstance(section := cell.parent, nodes.section):
            page = section.parent
            moved = [cell for cell in cells if "tag_setup" in cell["classes"]]
            for node in (section, *moved):
                node.parent.remove(node)
            section.extend(moved)
            page.append(section)


def code_last(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Fold what a cell hides behind the word "Code", and the code itself below what it made."""
    if app.builder.format != "html":
        return
    for cell in list(doctree.findall(nodes.container)):
        if len(cell) == 1 and hidden_code(cell):
            join_code(cell)
    for cell in list(doctree.findall(nodes.container)):
        for hidden in hidden_code(cell):
            place = len(cell) if "above-input" in hidden["classes"] else cell.index(hidden) + 1
            start = nodes.raw("", '<details class="code"><summary>Code</summary>', format="html")
            cell.insert(place, [start, *hidden.children, nodes.raw("", "</details>", format="html")])
            cell.remove(hidden)


def hidden_code(*cells: nodes.Node) -> list[HideCodeCellNode]:
    """The code that these cells hide."""
    return [child for cell in cells for child in cell.children if isinstance(child, HideCodeCellNode)]


def join_code(cell: nodes.container) -> None:
    """Put the code of a cell that shows nothing else above that of the next cell, or below that of the one before."""
    place, siblings = cell.parent.index(cell), cell.parent.children
    after, before = hidden_code(*siblings[place + 1 : place + 2]), hidden_code(*siblings[:place][-1:])
    for target in (after or before)[:1]:
        target.insert(0 if after else len(target), cell.children[0].children)
        cell.parent.remove(cell)
