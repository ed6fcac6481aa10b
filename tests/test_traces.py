"""From every output of every page, one click to how it was made: nothing shown is without its record."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from conftest import ROOT

from rnnreport.checksums import MANIFEST
from rnnreport.provenance import content_hash

FIELDS = {
    *("shows", "page", "notebook", "cell", "source", "seconds", "started", "origins", "command"),
    *("parameters", "code", "commit", "libraries", "machine", "data"),
}
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("*.ipynb"))


@pytest.fixture(params=CHAPTERS)
def page(site: Path, request: pytest.FixtureRequest) -> tuple[Path, BeautifulSoup]:
    path = site / "book" / f"{request.param}.html"
    text = re.sub(r"<script\b.*?</script>|base64,[^\"]*", "", path.read_text("utf-8"), flags=re.DOTALL)
    return path, BeautifulSoup(text, "html.parser")


def record(path: Path, link: Tag) -> dict[str, Any]:
    """What a link to a record leads to."""
    return json.loads((path.parent / unescape(str(link["href"]))).read_bytes())


def test_every_figure_table_and_verdict_leads_to_its_cell_settings_and_record(page: tuple[Path, BeautifulSoup]) -> None:
    path, html = page
    for shown in html.select("figure.report-figure, div.verdict"):
        fold = shown.select_one("details.made")
        assert fold is not None, shown.get("id")
        assert re.search(rf"To make it again: .*rnnreport run {path.stem}", fold.get_text()), shown.get("id")
        links = {link.get_text().partition(",")[0]: link for link in fold.select("p.trace a")}
        assert {"its settings", "its record"} <= links.keys(), shown.get("id")
        assert "its code" in links or shown.name == "div", "a verdict's cell alone may be out of its page"
        for link in links.values():
            assert str(link["href"]).startswith("../records/") or html.select_one(str(link["href"])), link
        made = record(path, links["its record"])
        if "ecorded" in shown.get_text() and "recorded" in "".join(origin["origin"] for origin in made["origins"]):
            assert re.search(r"Recorded in data/\S+ \(SHA-256 [0-9a-f]{12}\)", fold.get_text()), shown.get("id")


def test_every_other_output_leads_to_its_record(page: tuple[Path, BeautifulSoup]) -> None:
    """Answers lead to the figures that show them, and what a figure's cell shows has the figure's."""
    for output in page[1].select("div.cell_output"):
        cell = output.find_parent("div", class_="cell")
        assert cell is not None
        assert all(answer.select_one("a[href*='#']") for answer in output.select("ul.in-short li"))
        assert cell.select_one("a.made, p.trace a, ul.in-short a"), output.get_text()[:200]


def test_a_record_has_all_and_names_what_was_read(site: Path) -> None:
    paths = sorted((site / "records").rglob("*.json"))
    assert len(paths) > 150
    for path in paths:
        made = json.loads(path.read_bytes())
        assert set(made) == FIELDS, path
        assert (made["notebook"], made["cell"]) == (f"book/{path.parent.name}.ipynb", path.stem)
        assert made["seconds"]["chapter"] >= made["seconds"]["cell"] >= 0
        for origin in made["origins"]:
            assert ("recorded" in origin["origin"]) == bool(origin["recorded"]), (path, origin)
            for run in origin["runs"]:
                assert {"seed", "steps"} <= run["configuration"]["recipe"].keys()
                assert run["provenance"]["seconds"] >= 0
        for name, digest in made["data"].items():
            there = ROOT / name / MANIFEST if (ROOT / name).is_dir() else ROOT / name
            if there.exists():
                assert content_hash(there) == digest, f"{path} is older than {name}"


def test_a_page_says_what_it_read(page: tuple[Path, BeautifulSoup]) -> None:
    path, html = page
    said = html.select("#made-from")
    assert len(said) == 1
    made = next(json.loads(found.read_bytes()) for found in (path.parent.parent / "records" / path.stem).iterdir())
    for name, digest in made["data"].items():
        assert f"{name} ({digest[:12]})" in said[0].get_text()
    assert made["code"] in said[0].get_text()
