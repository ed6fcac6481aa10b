"""The built book as one PDF file: Chromium prints its pages, pypdf puts them together with contents and bookmarks."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from rnnreport import storage
from rnnreport.provenance import PROJECT
from rnnreport.site import BuildError

if TYPE_CHECKING:  # both are imported only when something is printed
    from playwright.sync_api import Page
    from pypdf import PdfWriter
    from pypdf.generic import IndirectObject

CREATOR = "rnnreport pdf"  # in the file, to recognise it as ours
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LINK = "book:"  # begins a link within the book until all pages are in one file: "book:book/01_gradients#the-network"
SCALE = 0.8
PAPER = """
#jb-print-toc { display: none; }
#jb-print-docs-body { margin-bottom: 2rem; }
@page { size: A4; margin: 16mm 16mm 20mm; @bottom-center { content: counter(page%s); font: 10px sans-serif; } }
@page :first { counter-set: page %d; }
"""
WIDGET = "Printed as it stands when the page is opened, at the settings shown. On the screen they can be changed."
CONTENTS = """<!doctype html><html lang="en"><title>Contents</title>
<style>
  body { margin: 0; font: 0.85rem/1.4 sans-serif; }
  h1 { font-size: 2.4rem; font-weight: 500; }
  nav { columns: 2; column-gap: 2.5rem; }
  a { display: flex; justify-content: space-between; gap: 1rem; color: inherit; text-decoration: none; }
  .level-0 { margin-top: 0.7rem; font-weight: 600; break-after: avoid; }
  .level-1 { margin-left: 1rem; }
  .note { margin-top: 2rem; color: #444; }
</style>
<h1>%s</h1>
<nav>%s</nav>
<p class="note">This is the book on paper. Left out are the code that its pages fold away and the single derivatives
behind each ✓. All else that they fold away is printed. What moves on the screen stands here as it does when a page is
opened.</p>
"""
# True once all widgets of a page are drawn: a function, since a page's policy refuses to evaluate a text. Playwright
# awaits no promise here, so TYPESET waits for the mathematics.
DRAWN = """() => [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')].every(
  (view) => view.parentElement.querySelector(".rnnreport-widget"))"""
TYPESET = "window.MathJax?.startup?.promise"
# Prepares a page for paper and returns level, id and text of its headings. Chromium records the position of an id only
# if a link on the same page leads there, so each id gets one.
PREPARE = """async ([home, names, start, note]) => {
  await Promise.all([...document.images].map((image) => image.decode()));
  for (const widget of document.querySelectorAll(".bd-article .rnnreport-widget"))
    widget.after(Object.assign(document.createElement("p"), { className: "on-paper", textContent: note }));
  for (const link of document.querySelectorAll(".bd-article a[href]")) {
    const [place, id = ""] = link.href.split("#");
    const name = place.replace(home, "").replace(/\\.html$/, "");
    if (names.includes(name)) link.href = `${start}${name}#${id}`;
    else if (place.startsWith(home)) link.removeAttribute("href");
  }
  for (const { id } of document.querySelectorAll(".bd-article [id]:not(svg *)"))
    document.body.append(Object.assign(document.createElement("a"), { href: `#${id}`, hidden: true }));
  for (const { math, typesetRoot } of window.MathJax?.startup?.document?.math ?? []) typesetRoot.title = math;
  return [...document.querySelectorAll(".bd-article :is(h1, h2, h3)")].map((heading) => {
    const copy = heading.cloneNode(true);
    copy.querySelectorAll(".headerlink").forEach((sign) => sign.remove());
    copy.querySelectorAll("mjx-container").forEach((sign) =>
      sign.replaceWith(sign.title.replaceAll("\\\\odot", "⊙").replaceAll("\\\\", "")));
    return [Number(heading.tagName[1]) - 1, heading.closest("section")?.id ?? "", copy.textContent.trim()];
  });
}"""


class Heading(NamedTuple):
    """A heading: its level, 0 for the title of a page, the page and id of its section, and its text."""

    level: int
    page: str
    id: str
    text: str


class Place(NamedTuple):
    """A place in the book: the number of a sheet, from 0, and the height above its lower edge, in points."""

    sheet: int
    top: float


def chromium() -> Path:
    """The machine's Chromium or Chrome, or the one that Playwright has downloaded. Raises BuildError without one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = [*filter(None, map(shutil.which, CHROMIUM)), playwright.chromium.executable_path]
    there = [path for path in map(Path, found) if path.exists()]
    if not there:
        raise BuildError(
            "a PDF is printed by Chromium or Chrome, and there is none on this machine; "
            "`.venv/bin/playwright install chromium` downloads one"
        )
    return there[0]


def is_own(file: Path) -> bool:
    """Whether the file is a PDF that :func:`write` wrote."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        metadata = PdfReader(file).metadata
    except (OSError, ValueError, PyPdfError):
        return False
    return metadata is not None and metadata.creator == CREATOR


def write(html: Path, file: Path, browser: Path) -> None:
    """Print the site into one PDF file: contents, and its pages in the order of ``_toc.yml``. Links stay in the file.

    html: the site's folder; browser: see :func:`chromium`.
    """
    from playwright.sync_api import Error, sync_playwright
    from pypdf import PdfReader, PdfWriter
    from pypdf.constants import PageLabelStyle

    writer, names, home = PdfWriter(), _names(), f"{html.resolve().as_uri()}/"
    headings: list[Heading] = []
    places: dict[tuple[str, str], Place] = {}
    try:
        with sync_playwright() as playwright, playwright.chromium.launch(executable_path=browser) as opened:
            page = opened.new_page(color_scheme="light")
            page.set_default_timeout(600_000)
            page.emulate_media(media="print")
            for name in names:
                page.goto(f"{home}{name}.html")
                page.wait_for_function(DRAWN)
                page.evaluate(TYPESET)
                found = page.evaluate(PREPARE, [home, names, LINK, WIDGET])
                headings += [Heading(level, name, *rest) for level, *rest in found]
                before = len(writer.pages)
                printed = PdfReader(io.BytesIO(_printed(page, before + 1)))
                writer.append(printed, import_outline=False)
                places[name, ""] = Place(before, float(printed.pages[0].mediabox.top))
                for id, there in printed.named_destinations.items():
                    sheet = printed.get_destination_page_number(there)
                    places[name, id.removeprefix("/")] = Place(before + (sheet or 0), float(there.top or 0))
            page.set_content(_contents(headings, places))
            contents = PdfReader(io.BytesIO(_printed(page, 1, ", lower-roman")))
    except Error as error:
        raise BuildError(f"{browser} could not print the book: {error.message.splitlines()[0]}") from error
    first = len(contents.pages)
    writer.merge(0, contents, import_outline=False)
    places = {key: place._replace(sheet=place.sheet + first) for key, place in places.items()}
    _link(writer, places)
    _bookmark(writer, headings, places)
    writer.set_page_label(0, first - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    writer.set_page_label(first, len(writer.pages) - 1, style=PageLabelStyle.DECIMAL)
    writer.add_metadata({"/Title": headings[0].text, "/Creator": CREATOR})
    writer.compress_identical_objects()  # each page came with its own fonts
    with storage.writing(file) as temporary:
        writer.write(temporary)


def _names() -> list[str]:
    """The names of the book's pages, in its order."""
    toc = yaml.safe_load((PROJECT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [page["file"] for chapter in toc["chapters"] for page in (chapter, *chapter.get("sections", []))]
    return [toc["root"], *chapters]


def _printed(page: Page, number: int, style: str = "") -> bytes:
    """The open page as PDF. number: of its first sheet; style: of the numbers, as in CSS's ``counter``."""
    page.add_style_tag(content=PAPER % (style, number))
    return page.pdf(scale=SCALE, prefer_css_page_size=True)


def _contents(headings: Sequence[Heading], places: Mapping[tuple[str, str], Place]) -> str:
    """The table of contents in HTML: titles of pages and their sections, with sheet numbers."""
    lines = [
        f'<a class="level-{level}" href="{LINK}{page}#{id}"><span>{escape(text)}</span>'
        f"<span>{_place(places, page, id).sheet + 1}</span></a>"
        for level, page, id, text in headings
        if level < 2
    ]
    return CONTENTS % (escape(headings[0].text), "".join(lines))


def _place(places: Mapping[tuple[str, str], Place], page: str, id: str) -> Place:
    """The place of that id, or the beginning of its page if the id was not printed."""
    return places.get((page, id)) or places[page, ""]


def _link(writer: PdfWriter, places: Mapping[tuple[str, str], Place]) -> None:
    """Make links within the book lead to their places in the file."""
    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

    for sheet in writer.pages:
        for annotation in sheet.get("/Annots", []):
            link = annotation.get_object()
            address = str(link.get("/A", {}).get("/URI", ""))
            if address.startswith(LINK):
                name, _, id = address.removeprefix(LINK).partition("#")
                place = _place(places, name, id)
                target = writer.pages[place.sheet].indirect_reference
                link[NameObject("/Dest")] = ArrayObject(
                    [target, NameObject("/XYZ"), NullObject(), FloatObject(place.top), NullObject()]
                )
                del link["/A"]


def _bookmark(writer: PdfWriter, headings: Iterable[Heading], places: Mapping[tuple[str, str], Place]) -> None:
    """Give the file an outline, which readers show beside the sheets."""
    from pypdf.generic import Fit

    writer.add_outline_item(title="Contents", page_number=0)
    above: list[IndirectObject] = []
    for level, page, id, text in headings:
        place = _place(places, page, id)
        del above[level:]
        parent = above[-1] if above else None
        fit = Fit.xyz(top=place.top)
        above.append(
            writer.add_outline_item(title=text, page_number=place.sheet, parent=parent, fit=fit, is_open=False)
        )
