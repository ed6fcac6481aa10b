"""Foreign text made safe to show: in pages, pictures and sentences.

Every part of a text, a file name or a value that is not ours is shown through these functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Control characters, invisible marks, marks that change the writing direction, surrogates and noncharacters. They
# include all that XML 1.0 forbids, but not the joiners of emoji and of Persian, U+200C and U+200D.
_HIDDEN = re.compile(
    "[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufdd0-\ufdef\ufeff"
    "\ufff9-\ufffb\ufffe\uffff"
    + "".join(chr(plane + last) for plane in range(0x10000, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_POWER = re.compile(r"(?<![\w.])(\d(?:\.\d+)?)e([+-]\d+)\b")  # as Python writes it
LONGEST = 100  # characters of a value shown in a sentence


def visible(text: str) -> str:
    """The text in one line, with a visible sign for each hidden character; the result is valid in XML.

    A newline becomes ⏎, other ASCII control characters their pictures, such as ␛, and the rest numbers: ⟨U+202E⟩.
    """
    return _HIDDEN.sub(lambda found: _sign(found[0]), text)


def in_html(text: str) -> str:
    """The text as HTML, for an element or an attribute: :func:`visible`, with markup escaped."""
    return escape(visible(text))


def typeset(text: str) -> str:
    """Text as HTML, with :func:`symbols`, minus signs and unbroken names; Matplotlib's $r_\\mathrm{on}$ is r_on."""
    plain = re.sub(r"\$([^$]*)\$", lambda maths: re.sub(r"\\mathrm\{(\w+)\}", r"\1", maths[1]), text)
    plain = re.sub(r"\b((?:figure|table|chapter|question)s?) (?=\d)", "\\1\u00a0", plain, flags=re.IGNORECASE)
    return symbols(in_html(re.sub(r"(?<![\w.)−-])-(?=\d)", "−", plain)))


def symbols(html: str) -> str:
    """HTML with subscripts in names such as r_on, and :func:`powers`."""
    return re.sub(r"\b([A-Za-z])_(\w+)", r"\1<sub>\2</sub>", powers(html))


def tabulated(table: pd.DataFrame) -> str:
    """A table in HTML, with the names of its index beside those of its columns; pandas gives them a row of their own.

    Its ``attrs`` may hold "classes" of the page's style, and "verbatim" if it is not to have :func:`symbols`.
    """
    html = table.to_html(border=0, classes=table.attrs.get("classes"))
    blank, cell, levels = r"(?:<th></th>\s*)", r"(?:<th>.*</th>\s*)", f"{{{table.index.nlevels}}}"
    two_rows = rf"(<tr[^>]*>\s*){blank}{levels}({cell}*)</tr>\s*<tr>\s*({cell}{levels}){blank}*</tr>\s*</thead>"
    html = re.sub(two_rows, r"\1\3\2</tr></thead>", html, count=1)
    return html if table.attrs.get("verbatim") else symbols(html)


def powers(text: str) -> str:
    """HTML or Markdown with numbers such as 2e-16 as products with powers of ten."""
    return re.sub(_POWER, _product, text)


def linked(lines: Iterable[tuple[str, str, str, str]]) -> str:
    """A list in HTML. lines: for each item (start, in bold; sentence; label of a link; its target)."""
    items = (
        f"<li><strong>{_numbered(typeset(start))}</strong> {typeset(sentence)} "
        f'<a href="{in_html(place)}">{typeset(label)}</a></li>'
        for start, sentence, label, place in lines
    )
    return f'<ul class="in-short">{"".join(items)}</ul>'


def _numbered(start: str) -> str:
    """A start with a question's number shown as such: "Question 1.3: How far?" for "1.3 How far?"."""
    return re.sub(r"^(\d\.\d\w?)\b", "Question\u00a0\\1:", start)


def made(lines: Iterable[str]) -> str:
    """The fold below a figure or a verdict; a build adds where its cell, settings, seconds and commit are found."""
    paragraphs = "".join(f"<p>{typeset(line)}</p>" for line in lines if line)
    return f'<details class="made"><summary>How this was made</summary>{paragraphs}</details>'


def anchor(label: str) -> str:
    """The HTML id of a figure on its page."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def brief(value: object) -> str:
    """``repr(value)`` for a sentence; a long one is cut, and its length added."""
    words = repr(value)
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}… ({len(words):,} characters)"


def first_few(values: Iterable[object], most: int = 12) -> str:
    """Values for a sentence, each as its ``repr``: the first few, and the number of the others."""
    every = list(values)
    words = ", ".join(map(brief, every[:most]))
    return f"{words} and {len(every) - most:,} more" if len(every) > most else words


def _product(found: re.Match[str]) -> str:
    value, power = float(found[0]), int(found[2])
    if value == 0 or abs(power) < 4:
        return f"{value:.10g}"
    return f"{found[1]}·10<sup>{power}</sup>".removeprefix("1·").replace("-", "−")


def _sign(character: str) -> str:
    number = ord(character)
    if character == "\n":
        return "⏎"
    return chr(0x2400 + number) if number < 0x20 else "␡" if number == 0x7F else f"⟨U+{number:04X}⟩"
