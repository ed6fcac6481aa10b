"""A chapter is taken in at a glance. As a script: how long its cells are, and what share of their code makes words."""

import ast
import json
import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
LONGEST = 12  # lines of a cell
WORDS = 0.15  # share of a chapter's code


def cells(chapter):
    """The sources of a chapter's code cells, but for its parameters' and those that only import."""
    for cell in json.loads(chapter.read_text("utf-8"))["cells"]:
        tree = ast.parse(source := "".join(cell["source"])) if cell["cell_type"] == "code" else None
        if tree and "parameters" not in cell["metadata"].get("tags", []) and not all(map(imports, tree.body)):
            yield source


def imports(node):
    return isinstance(node, ast.Import | ast.ImportFrom)


def lines(source):
    """The numbers of a cell's lines that hold code, without imports; and of these the ones that make words."""
    tree = ast.parse(source)
    code = {number for number, line in enumerate(source.splitlines(), 1) if line.strip() and line.strip()[0] != "#"}
    code -= {number for node in tree.body if imports(node) for number in spanned(node)}
    names = {id(name) for node in ast.walk(tree) for name in names_in(node)}
    making = [node for node in ast.walk(tree) if id(node) not in names and makes_words(node)]
    return code, code & {number for node in making for number in spanned(node)}


def names_in(node):
    """The strings of a node that are no words for the page: docstrings, columns and keys."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr):
        return [node.body[0].value]
    return [node.slice] if isinstance(node, ast.Subscript) else node.keys if isinstance(node, ast.Dict) else []


def spanned(node):
    return range(node.lineno, node.end_lineno + 1)


def makes_words(node):
    """Whether it is a text put together or a sentence; a figure's label is neither, and f"W_{q}" a name."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return " " in node.value.strip() and not re.fullmatch(r"(Figure|Table) [\w.]+", node.value)
    joins = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join"
    parts = node.values if isinstance(node, ast.JoinedStr) else []
    return joins or any(isinstance(part, ast.Constant) and " " in part.value for part in parts)


def measured(chapter):
    """The longest cell's lines, the lines of code and those that make words."""
    found = [lines(source) for source in cells(chapter)]
    return max(len(code) for code, _ in found), sum(len(code) for code, _ in found), sum(len(made) for _, made in found)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_a_cell_is_short_and_its_code_makes_few_words(chapter):
    longest, code, words = measured(chapter)
    assert longest <= LONGEST
    assert words <= WORDS * code


def test_words_are_told_from_code():
    source = """import os

def finding(rows):
    "What is found."
    rows["a b"] = {f"W_{rows}": "c"}
    return (
        f"At {rows}"
        "the end."
    )
# a comment
show("Figure 2.1", draw, rows, ", ".join(
    names
))
name = "lstm"
"""
    code, words = lines(source)
    assert code == {3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14}
    assert words == {7, 8, 11, 12, 13}


if __name__ == "__main__":
    for chapter in CHAPTERS:
        longest, code, words = measured(chapter)
        print(f"{chapter.stem:22} longest cell {longest:3}, lines of code {code:3}, of which words {words / code:4.0%}")
