"""A Content-Security-Policy in every page: its own scripts, styles and pictures, and nothing from or to anywhere else.

A page computes and draws; it can ask no host, not even its own, for anything that is not one of the site's files. It
holds at file:// too, where no server could send it.

* The inline scripts and the two ``onclick`` of the theme run by their hashes. Those of a page's text, of a reader's
  corpus or of markup that got in otherwise, do not.
* Widgets import their module from a blob of the page's own data; only pages whose networks learn get a worker and
  WebAssembly. Nothing gets ``eval``.
* Styles may be inline: MathJax, Font Awesome, the widgets' manager and anywidget write ``<style>`` as they run, and
  tables and drawings have ``style`` attributes. With every host closed, a style can tell nobody anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

TEXT = re.compile(r"<article\b.*</article>", re.DOTALL)  # from the first to the last, whatever is in between
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
HANDLER = re.compile(r'<\w[^<>]* on[a-z]+="([^"]*)"')
CHARSET = re.compile(r'<meta charset="utf-8" ?/?>')
META = re.compile(r'<meta http-equiv="Content-Security-Policy" [^>]*>')


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", seal, priority=900)  # when nothing changes the pages any more
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def seal(app: Sphinx, exception: Exception | None) -> None:
    """Write its policy into each page, as the first thing after its character set."""
    for path in [] if exception else sorted(Path(app.outdir).rglob("*.html")):
        html = META.sub("", path.read_text(encoding="utf-8"), count=1)  # of an earlier build
        if charset := CHARSET.search(html):  # else it is a template of the theme
            meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(html)}" />'
            path.write_text(html[: charset.end()] + meta + html[charset.end() :], encoding="utf-8")


def policy(html: str) -> str:
    """The policy of one page, by what is in it."""
    around = TEXT.sub("", html)
    scripts = SCRIPT.findall(around)
    inline = {body for attributes, body in scripts if "src=" not in attributes and "+json" not in attributes}
    handlers = {unescape(code) for code in HANDLER.findall(SCRIPT.sub("", around))}
    widgets = "".join(body for attributes, body in scripts if "widget-state+json" in attributes)
    learns = "new WebAssembly.Module(" in widgets
    runs = ["'self'", *hashes(inline | handlers), *["'unsafe-hashes'"] * bool(handlers), *["blob:"] * bool(widgets)]
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src", *runs, *["'wasm-unsafe-eval'"] * learns]),
            *["worker-src blob:"] * learns,
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ]
    )


def hashes(codes: Iterable[str]) -> list[str]:
    """The sources of a policy that stand for these pieces of code."""
    digests = sorted(hashlib.sha256(code.encode()).digest() for code in codes)
    return [f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests]
