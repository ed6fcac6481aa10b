"""Text of a reader's wherever it is shown: as it is, each character to be seen, and never as markup."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import nbformat
import pandas as pd
import pytest
from conftest import new_page
from hypothesis import given
from hypothesis import strategies as st
from test_pages import checkout, jupyter_book  # noqa: F401

from rnnreport.shown import brief, first_few, in_html, tabulated, typeset, visible

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = [
    "my*great*_book_.txt",
    "co<img src=x onerror=document.title='broken'>.txt",
    "</SCRIPT ><!--<script></script><b>bold</b>",
    "a|b\\|c\\",
    "``two`` and `",
    " `",
    "$x$ and $$y$$ and {{ z }} {math}`x` www.example.com &amp; \"quoted\" -- 'too'",
    "a\rb\x0cc\x1bd\te\x85f\u202eg\u2028h",
    "line\nline",
    "👨‍👩‍👧 e\u0301 שלום 日本",
]


def is_xml(character: str) -> bool:
    """Whether XML 1.0 allows this character."""
    number = ord(character)
    return character in "\t\n\r" or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or number >= 0x10000


def test_every_character_that_is_shown_may_stand_in_xml_in_one_line() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        shown = visible(character)
        assert shown
        assert all(map(is_xml, shown))
        assert not set(shown) & set("\t\n\r\x0b\x0c\x85\u2028\u2029")


def test_what_can_be_seen_is_left_as_it_is() -> None:
    text = "Ünd <so> `weiter` | $x$ 日本 👨‍👩‍👧 می‌خواهم e\u0301"
    assert visible(text) == text
    assert visible("a\n\t\x1b\x7f\x85\u202e\ud800") == "a⏎␉␛␡⟨U+0085⟩⟨U+202E⟩⟨U+D800⟩"


@given(st.text())
def test_html_is_the_text_in_an_element_and_in_an_attribute(text: str) -> None:
    root = ElementTree.fromstring(f'<p title="{in_html(text)}">{in_html(text)}</p>')
    assert (root.text or "", len(root)) == (visible(text), 0)
    assert root.get("title") == visible(text)


def test_symbols_have_subscripts_and_numbers_powers_of_ten() -> None:
    assert typeset("∂L/∂W_hh < 2e-16, $r_\\mathrm{on}$") == (
        "∂L/∂W<sub>hh</sub> &lt; 2·10<sup>−16</sup>, r<sub>on</sub>"
    )
    assert typeset("0e+00, 7e+01, 4.2e-01, 1e-15, 1.2e+07") == "0, 70, 0.42, 10<sup>−15</sup>, 1.2·10<sup>7</sup>"
    assert typeset("-0.5 (-1 to -0.4) in Figure 2.2") == "−0.5 (−1 to −0.4) in Figure\u00a02.2"
    for other in ("2026-11-27", "T-1", "code 8fd0e62e1365", "x2e-16", "2e-6x", "12e-5", "made_by 1e5"):
        assert typeset(other) == other


def test_long_values_are_shortened_and_say_how_long_they_are() -> None:
    assert brief("short") == "'short'"
    assert brief(list(range(100_000))).startswith("[0, 1, 2,")
    assert brief("x" * 1_000).endswith("… (1,002 characters)")
    assert len(brief("x" * 10**6)) < 200
    assert first_few("ab") == "'a', 'b'"
    assert first_few(range(1_000), most=2) == "0, 1 and 998 more"


def test_on_a_page_a_text_is_a_text(checkout: Path, browser: Browser) -> None:  # noqa: F811
    """Built by Jupyter Book and read by a browser: in running HTML and in a widget's data."""
    widget = {"model_name": "M", "model_module": "m", "model_module_version": "1", "state": {"prompt": HOSTILE}}
    state = {"version_major": 2, "version_minor": 0, "state": {"it": widget}}
    html = "".join(f"<p class='own' title='{in_html(text)}'>{in_html(text)}</p>" for text in HOSTILE)
    code = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", {"text/html": html})])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), code])
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    (checkout / "book" / "index.md").unlink()
    nbformat.write(notebook, checkout / "book" / "index.ipynb")
    config = checkout / "_config.yml"
    config.write_text(config.read_text().replace("execute_notebooks: force", 'execute_notebooks: "off"'))
    built = jupyter_book(checkout, "--path-output", ".", "-W", "-n")
    assert built.returncode == 0, built.stderr
    page = new_page(browser, java_script_enabled=False)
    page.goto((checkout / "_build" / "html" / "book" / "index.html").as_uri())
    shown = [visible(text) for text in HOSTILE]
    assert page.locator("p.own").all_text_contents() == shown
    assert [each.get_attribute("title") for each in page.locator("p.own").all()] == shown
    assert page.locator("article img, article b, p.own a, p.own .math").count() == 0
    (data,) = page.locator("script[type*=widget-state]").all_text_contents()
    assert json.loads(data) == state
    page.close()


@pytest.mark.parametrize(
    ("names", "columns", "rows"),
    [
        (["T"], None, [["T", "a", ""]]),
        (["T", "no. <"], None, [["T", "no. &lt;", "a", ""]]),
        ([None], None, [["", "a", ""]]),
        (["T"], "network", [["network", "a", ""], ["T", "", ""]]),
        (["T", "no."], "network", [["", "network", "a", ""], ["T", "no.", "", ""]]),
    ],
)
def test_the_names_of_a_table_s_index_stand_in_the_row_of_its_columns_names(names, columns, rows) -> None:
    places = pd.MultiIndex.from_product([[0, 1]] * len(names), names=names)
    table = pd.DataFrame({"a": range(len(places)), "": "h_t"}, index=places if len(names) > 1 else places.levels[0])
    html = tabulated(table.rename_axis(columns=columns))
    head, body = html.split("</thead>")
    assert [re.findall("<th>(.*?)</th>", row) for row in head.split("</tr>")[:-1]] == rows
    assert body.count("<td>h<sub>t</sub></td>") == len(places) == body.count("</tr>")


def test_a_table_of_what_a_network_wrote_is_not_typeset() -> None:
    table = pd.DataFrame({"wrote": ["h_t 1e-5"]})
    table.attrs |= {"verbatim": True, "classes": "texts"}
    assert "<td>h_t 1e-5</td>" in tabulated(table)
    assert 'class="dataframe texts"' in tabulated(table)
