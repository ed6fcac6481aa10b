"""The built pages in a browser: from file:// and from a local server, and nothing from anywhere else.

The site is the quick one (see ``site`` in conftest.py). Each page is opened from its file, which forbids it more than a
server does, and some from a server too. The tests of a page share it; when it is closed, it has asked no other host and
complained of nothing.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import pytest
import yaml
from conftest import CONTRAST, FIREFOX_SETTINGS, ROOT, eventually, new_page, require, stop_clock
from docutils import nodes

from rnnreport.pdf import DRAWN, TYPESET

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Request

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [TOC["root"], *(page["file"] for entry in TOC["chapters"] for page in (entry, *entry.get("sections", [])))]
PAGES = [*CHAPTERS, "search", "genindex"]
MOVING = (
    "01_gradients",
    "02_rnn_versus_lstm",
    "03_temporal_gate",
    "04_text_generation",
    "07_bug_museum",
)
WITH_WIDGETS = [f"book/{name}" for name in ("index", *MOVING)]
WHERE_NETWORKS_LEARN = [name for name in WITH_WIDGETS if not name.endswith(("01_gradients", "bug_museum"))]
VISITS = [*product(["file"], PAGES), *product(["http"], [TOC["root"], "book/03_temporal_gate", "search"])]

# Makes a complaint of whatever a page's policy refuses. (Chromium says so itself, but not of all that it refuses.)
REFUSED = """addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  console.error(`refused by ${violatedDirective}: ${blockedURI}`))"""

# Opens the folds in which a widget stands.
UNFOLD = """() => {
  for (const fold of document.querySelectorAll("details:has(script[type$='widget-view+json'])")) fold.open = true;
}"""

# The finding without its figure's name, and what stands after it.
CAPTION = """caption => {
  const [bold, ...rest] = [...caption.childNodes].filter((node) => node.nodeName !== "DETAILS");
  return [bold.textContent.replace(/^[^.]*(\\.[0-9]+)?\\. /, ""), rest.map((node) => node.textContent).join("")];
}"""

TEXT = ", ".join(
    f".bd-article {selector}"
    for selector in (
        "h1",
        "p",
        "li",
        "th",
        "td",
        "figcaption",
        ".provenance",
        ".rnnreport-widget :is(label, button, text, mark, del, .tag, .formula, .verdict-of-line)",
        ".rnnreport-widget :is(.digit, .caption, .note, .heading, .key, .scale, .written)",
    )
)


@dataclass
class Visit:
    """An opened page and what it has asked for and complained of."""

    name: str
    home: str
    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def go(self, name: str) -> None:
        self.page.goto(f"{self.home}{name}")
        self.page.evaluate(UNFOLD)
        self.page.wait_for_function(DRAWN)
        self.page.evaluate(TYPESET)
        self.page.wait_for_load_state("networkidle")

    @property
    def external(self) -> list[str]:
        return [url for url in self.requests if not url.startswith((self.home, "data:", "blob:"))]


@pytest.fixture(scope="module")
def homes(browser: Browser, site: Path) -> Iterator[dict[str, str]]:
    """Where the site stands: as files, and behind a server on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield {"file": f"{site.as_uri()}/", "http": f"http://127.0.0.1:{server.server_port}/"}
    server.shutdown()
    server.server_close()


def named(visit: tuple[str, str]) -> str:
    return f"{visit[0]}-{Path(visit[1]).name}"


@pytest.fixture(scope="module", params=VISITS, ids=named)
def visit(request: pytest.FixtureRequest, browser: Browser, homes: dict[str, str]) -> Iterator[Visit]:
    scheme, name = request.param
    visit = opened(browser, name, homes[scheme])
    visit.go(f"{name}.html")
    yield visit
    visit.page.context.close()
    assert visit.requests
    assert (visit.external, visit.problems) == ([], [])


def on(*names: str) -> pytest.MarkDecorator:
    """The test is of these pages only."""
    return pytest.mark.parametrize("visit", [("file", name) for name in names], indirect=True, ids=named)


GRADIENTS, RNN_VERSUS_LSTM, TEMPORAL_GATE = (on(name) for name in WITH_WIDGETS[1:4])


@pytest.fixture
def start(request: pytest.FixtureRequest, browser: Browser, homes: dict[str, str]) -> Iterator[Visit]:
    """A browser that has opened nothing yet; the pages are files where the test does not say otherwise."""
    visit = opened(browser, "", homes[getattr(request, "param", "file")])
    yield visit
    visit.page.context.close()


def opened(browser: Browser, name: str, home: str) -> Visit:
    page = new_page(browser, viewport={"width": 1280, "height": 900}, color_scheme="light")
    visit = Visit(name, home, page)
    page.add_init_script(REFUSED)
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("requestfailed", lambda request: visit.problems.extend(failure(request)))
    page.on("response", lambda got: visit.problems.append(f"{got.status}: {got.url}") if got.status >= 400 else None)
    page.on("pageerror", lambda error: visit.problems.append(f"error: {error}"))
    page.on("console", lambda said: visit.problems.append(said.text) if said.type == "error" else None)
    return visit


def failure(request: Request) -> list[str]:
    """What failed, unless the page was left before it came."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.failure}: {request.url}"]


def test_every_page_is_visited(browser: Browser, site: Path) -> None:
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {page for page in pages if not page.startswith("_")} == {*PAGES, "index"}
    moving = [page for page in PAGES if "widget-view+json" in (site / f"{page}.html").read_text("utf-8")]
    assert moving == WITH_WIDGETS


def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    texts = {path: re.sub(r"<script\b.*?</script>", "", path.read_text("utf-8"), flags=re.S) for path in pages_of(site)}
    places = {path: set(re.findall(r' id="([^"]*)"', text)) for path, text in texts.items()}
    astray = []
    for path, text in texts.items():
        for href in map(unescape, re.findall(r'<a\b[^>]* href="([^"]*)"', text)):
            page, _, place = href.partition("#")
            there = (path.parent / page).resolve() if page else path
            if "://" not in href and not (there.exists() and (not place or place in places.get(there, {place}))):
                astray.append((path.name, href))
    assert astray == []


def pages_of(site: Path) -> list[Path]:
    return [site / f"{page}.html" for page in PAGES]


# What a sentence calls by its name, where it is no link; a figure of a run that is not there has no place to lead to.
NAMES = """() => {
  const text = document.querySelector(".bd-article") ?? document.head; // the search has none
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT), bare = [];
  for (let node; (node = walker.nextNode());) {
    if (node.parentElement.closest("a, h1, h2, h3, code, pre, figure, table, mjx-container, .cell_output")) continue;
    bare.push(...(node.data.match(/\\b(figure|table|chapter)s? [0-9][0-9a-c.]*/gi) ?? []));
  }
  return bare;
}"""


def test_what_a_sentence_names_is_a_link(visit: Visit) -> None:
    assert visit.page.evaluate(NAMES) == []


def test_math_is_typeset(visit: Visit) -> None:
    wrong = visit.page.locator("[data-mjx-error]")
    assert wrong.evaluate_all("nodes => nodes.map((node) => node.getAttribute('data-mjx-error'))") == []
    bare = visit.page.locator(".math:not(:has(mjx-container svg))")
    assert bare.all_inner_texts() == []


def test_a_caption_is_a_sentence_and_a_line(visit: Visit) -> None:
    """The finding, in bold, has at most 25 words, what is said of the axes and marks at most 30; the rest is folded."""
    long = [
        words
        for caption in visit.page.locator("figcaption").all()
        for words, most in zip(caption.evaluate(CAPTION), (25, 30))
        if len(words.split()) > most
    ]
    assert long == []


def test_pictures_load_and_say_what_they_show(visit: Visit) -> None:
    visit.page.evaluate("() => document.querySelectorAll('details:has(img)').forEach((fold) => (fold.open = true))")
    for image in visit.page.locator("img").all():
        image.scroll_into_view_if_needed()
        assert (image.get_attribute("alt") or "").strip(), image.evaluate("image => image.outerHTML.slice(0, 200)")
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


@on(*WITH_WIDGETS)
def test_sliders_redraw_by_keyboard_and_by_mouse(visit: Visit) -> None:
    visit.page.evaluate(
        "() => { for (const fold of document.querySelectorAll('.rnnreport-widget details')) fold.open = true; }"
    )
    sliders = visit.page.get_by_role("slider")
    assert sliders.count() >= (3 if visit.name.endswith(("01_gradients", "temporal_gate")) else 1)
    for slider in sliders.all():
        slider.scroll_into_view_if_needed()
        assert re.search(r'slider "[^"]*\w', slider.aria_snapshot()), "a slider without a name"
        draws = readout if will_train(slider) else drawing
        drawn = draws(slider)
        slider.focus()
        keys = ["ArrowRight", "ArrowLeft", "End", "Home"]
        if slider.evaluate("slider => slider.value === slider.max"):
            keys = ["ArrowLeft", "ArrowRight", "Home", "End"]
        for key in keys:
            visit.page.keyboard.press(key)
            assert drawn != (drawn := draws(slider)), f"{key} did not redraw"
        for share in (0.6, 0.3):
            drag(slider, share)
            assert drawn != (drawn := draws(slider)), "dragging did not redraw"


def will_train(slider: Locator) -> bool:
    """Whether it is a setting of a training, which draws nothing before it has begun."""
    widget = slider.locator("xpath=ancestor::*[contains(@class, 'rnnreport-widget')]")
    return widget.get_by_role("button", name=re.compile("^Train")).count() > 0


def readout(slider: Locator) -> str:
    """The value that stands beside a slider."""
    return slider.evaluate("slider => slider.nextElementSibling.textContent")


def drawing(slider: Locator) -> str:
    """The curves and maps next to a slider, when they have been drawn."""
    slider.page.evaluate("() => new Promise(requestAnimationFrame)")
    return slider.evaluate(
        """slider => [...slider.closest('.cell_output').querySelectorAll('svg path, canvas')]
            .map(node => node.toDataURL?.() ?? node.outerHTML).join()"""
    )


def drag(slider: Locator, share: float) -> None:
    """Take a native slider's thumb to that share of its way, with the mouse."""
    box = slider.bounding_box()
    assert box is not None
    at = slider.evaluate("slider => (slider.value - slider.min) / (slider.max - slider.min)")
    thumb = 16
    x = [box["x"] + thumb / 2 + part * (box["width"] - thumb) for part in (at, share)]
    y = box["y"] + box["height"] / 2
    mouse = slider.page.mouse
    mouse.move(x[0], y)
    mouse.down()
    mouse.move(x[1], y, steps=5)
    mouse.up()


@TEMPORAL_GATE
def test_the_gate_says_what_it_shows_and_goes_back(visit: Visit) -> None:
    gate = visit.page.locator(".rnnreport-widget").first
    says = gate.get_by_role("status")
    gate.get_by_role("button", name="Reset").click()
    at_first = says.inner_text()
    period = gate.get_by_role("slider", name="period τ")
    value = period.get_attribute("aria-valuetext")
    period.press("PageUp")
    assert period.get_attribute("aria-valuetext") != value
    assert says.inner_text() != at_first
    gate.get_by_role("button", name="Reset").click()
    assert says.inner_text() == at_first
    assert period.get_attribute("aria-valuetext") == value


@TEMPORAL_GATE
def test_dragging_the_distribution_wakes_units(visit: Visit) -> None:
    widget = visit.page.locator(".rnnreport-widget", has=visit.page.get_by_role("slider", name="longest period"))
    says, ratio = widget.get_by_role("status"), widget.get_by_role("slider", name="open ratio")

    def dead() -> int:
        if says.inner_text().startswith("Every one of the 128 units opens"):
            return 0
        found = re.match(r"(\d+) of 128 units", says.inner_text())
        assert found, says.inner_text()
        return int(found[1])

    widget.get_by_role("button", name="Reset").click()
    at_first = dead()
    assert at_first > 0
    widget.get_by_role("slider", name="length T").press("End")
    longer = dead()
    assert longer < at_first
    widget.get_by_role("button", name="Reset").click()
    assert dead() == at_first
    drag(ratio, 0.9)
    assert dead() < at_first
    widget.get_by_role("button", name="Reset").click()


def test_the_replay_plays_to_its_end(start: Visit) -> None:
    start.go("book/03_temporal_gate.html")
    widget = start.page.locator(".rnnreport-widget", has=start.page.get_by_role("button", name="Play"))
    snapshot, says = widget.get_by_role("slider"), widget.get_by_role("status")
    snapshot.press("Home")
    at_first = says.inner_text()
    stop_clock(start.page)
    widget.get_by_role("button", name="Play").click()
    start.page.clock.run_for(60_000)
    assert snapshot.input_value() == snapshot.get_attribute("max")
    assert says.inner_text() != at_first
    assert widget.get_by_role("button", name="Play").is_visible(), "it is no longer called Pause"
    snapshot.press("Home")
    assert says.inner_text() == at_first


@GRADIENTS
def test_the_gradient_vanishes_and_explodes(visit: Visit) -> None:
    widget = visit.page.locator(".rnnreport-widget", has=visit.page.get_by_role("slider"))
    says, legend = widget.get_by_role("status"), widget.get_by_role("list")
    radius, length, inputs = (
        widget.get_by_role("slider", name=name) for name in ("spectral radius ρ", "length T", "size of the inputs")
    )
    widget.get_by_role("button", name="Reset").click()
    at_first = said = says.inner_text()
    numbers = legend.inner_text()
    inputs.press("Home")
    radius.press("End")
    length.press("End")
    assert said != (said := says.inner_text())
    assert said.startswith("The RNN's gradient explodes")
    assert "too large for float32" in said
    assert "ρ = 3 per step" in legend.inner_text()
    drag(radius, 0.01)
    assert said != (said := says.inner_text())
    assert said.startswith("The RNN's gradient vanishes")
    assert "below the smallest normal float32 number" in said
    heights = drawn_heights(widget)
    assert len(heights) == int(length.input_value()) + 1
    assert heights == sorted(heights), "with no inputs the line only falls"
    widget.get_by_role("button", name="Reset").click()
    assert (says.inner_text(), legend.inner_text()) == (at_first, numbers)


def drawn_heights(widget: Locator) -> list[float]:
    """How far below the top the points of the RNN's curve lie."""
    points = widget.locator("svg[role=img] .curve.rnn").get_attribute("d") or ""
    return [float(point.split(",")[1]) for point in points.removeprefix("M").split(" L")]


@GRADIENTS
def test_a_mistake_turns_its_line_and_later_ones_red_and_back(visit: Visit) -> None:
    widget = visit.page.locator(".rnnreport-widget", has=visit.page.locator(".verdict-of-line"))
    says, lines = widget.get_by_role("status"), widget.get_by_role("listitem")
    turned = ("right", "wrong", "inherits an error")

    def verdicts() -> str:
        """One letter a line, from its words."""
        words = lines.locator(".verdict-of-line").all_inner_texts()
        return "".join(next(word[0] for word in turned if word in text) for text in words)

    def red() -> str:
        colours = lines.locator(".verdict-of-line").evaluate_all(
            "nodes => nodes.map((node) => getComputedStyle(node).color)"
        )
        return "".join("r" if colour == colours[0] else "w" for colour in colours)

    assert verdicts() == "r" * 10
    at_first = says.inner_text()
    transposed = widget.get_by_role("group", name="(C)").get_by_role("checkbox", name="transpose W")
    transposed.click()
    assert verdicts() == "rrrwriiiii"
    assert red() == "rrrwrwwwww"
    assert lines.nth(3).locator("mark").inner_text().startswith("W")
    assert "6 of 10 lines are wrong. The first is (C) ∂h(t+1)/∂h(t)" in says.inner_text()
    last_term = widget.get_by_role("group", name="(F) ∂L/∂Whh").get_by_role("checkbox", name="only the last term")
    last_term.focus()
    visit.page.keyboard.press("Space")
    assert verdicts() == "rrrwriiwii"
    widget.get_by_role("group", name="(E)").get_by_role("checkbox", name="leave").check()
    assert lines.nth(6).locator("del").count() == 1
    for theme, width in product(("dark", "light"), (360, 1280)):
        choose(visit.page, theme)
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.evaluate("() => new Promise(requestAnimationFrame)")
        assert widget.evaluate("widget => widget.scrollWidth <= widget.clientWidth"), f"cut off at {width} px"
        contrast, element = visit.page.evaluate(CONTRAST, ".lines :is(mark, del, .formula, .verdict-of-line)")
        assert contrast >= 4.5, f"hard to read, {theme}: {contrast:.1f} {element}"
    transposed.click()
    last_term.click()
    assert verdicts() == "r" * 6 + "wiii"
    widget.get_by_role("button", name="Reset").click()
    assert verdicts() == "r" * 10
    assert says.inner_text() == at_first
    assert widget.get_by_role("checkbox", checked=True).count() == 0


def test_the_network_writes_in_the_page(start: Visit) -> None:
    start.go("book/04_text_generation.html")
    stop_clock(start.page)
    widget = start.page.locator(".rnnreport-widget", has=start.page.get_by_role("textbox", name="prompt"))
    written, says = widget.locator(".written").first, widget.get_by_role("status")
    prompt = widget.get_by_role("textbox", name="prompt").input_value()
    widget.get_by_role("button", name="Write").click()
    start.page.clock.run_for(8_000)
    widget.get_by_role("button", name="Pause").click()
    text, first = written.text_content() or "", says.inner_text()
    assert text.startswith(prompt)
    assert len(set(text[len(prompt) :].split())) > 20, "words, not one character again and again"
    networks = widget.get_by_role("radiogroup", name="Which network writes").get_by_role("radio")
    assert networks.count() > 1
    networks.first.check()
    assert written.text_content() == text, "another network reads what stands there"
    assert says.inner_text() != first
    widget.get_by_role("button", name="Reset").click()
    assert written.text_content() == prompt


def palindrome_reader(visit: Visit) -> Locator:
    widget = visit.page.locator(".rnnreport-widget", has=visit.page.get_by_role("textbox"))
    widget.get_by_role("button", name="Reset").click()
    return widget


def seen(widget: Locator) -> list[str]:
    """What a palindrome reader shows: its sentence, its boxes, the heat maps with their frames, and the bars."""
    pictures = "nodes => nodes.map(node => node.toDataURL?.() ?? node.outerHTML).join()"
    return [
        widget.get_by_role("status").inner_text(),
        widget.locator(".digits").inner_text(),
        *[widget.locator(part).evaluate_all(pictures) for part in ("canvas", ".heat svg", ".bar")],
    ]


@RNN_VERSUS_LSTM
def test_typed_digits_are_read(visit: Visit) -> None:
    widget = palindrome_reader(visit)
    at_first = seen(widget)
    field, step = widget.get_by_role("textbox", name="digits"), widget.get_by_role("slider", name="step t")
    typed = field.input_value()
    assert typed == typed[::-1]
    other = typed.translate(str.maketrans("0123456789", "9876543210"))
    field.fill(other)
    assert all(now != before for now, before in zip(seen(widget), at_first))
    assert widget.locator(".digit").all_inner_texts() == [*other[:-1], "?"]
    assert widget.locator(".caption").inner_text() == f"should be {other[0]}"
    assert f"the right answer is {other[0]}." in widget.get_by_role("status").inner_text()
    assert "palindrome" not in widget.get_by_role("status").inner_text()

    field.fill("12345")
    step.press("End")
    says = widget.get_by_role("status").inner_text()
    assert re.match(r"After all 4 digits the RNN says \d \(.*%\), the LSTM \d \(.*%\); the right answer is 1\.", says)
    assert "no palindrome, and the last is 5" in says
    widget.get_by_role("button", name="Mirror").click()
    assert field.input_value() == "12345" + "54321"[len(typed) % 2 :], "of even length where the training's was"
    assert step.get_attribute("aria-valuetext") == "4 digits read"
    assert "no palindrome" not in widget.get_by_role("status").inner_text()
    drawn = {field.input_value()}
    for _ in range(8):
        widget.get_by_role("button", name="Random").click()
        drawn.add(now := field.input_value())
        assert now == now[::-1]
        assert len(now) == len(typed)
    assert len(drawn) > 2
    widget.get_by_role("button", name="Reset").click()
    assert (field.input_value(), seen(widget)) == (typed, at_first)


@RNN_VERSUS_LSTM
def test_what_is_typed_stays_text(visit: Visit) -> None:
    widget = palindrome_reader(visit)
    field, note = widget.get_by_role("textbox"), widget.locator(".note")
    before = widget.locator("*").count(), field.input_value()
    field.fill("<img src=x onerror=window.broken=1>7")
    assert field.input_value() == "17"
    assert note.inner_text() == "Only the digits 0 to 9 are read; the rest was left out."
    assert widget.locator("img").count() == 0
    assert visit.page.evaluate("window.broken") is None
    field.fill("1" * 70)
    assert field.input_value() == "1" * 60
    assert "At most 60 digits" in note.inner_text()
    field.fill("4")
    assert (field.input_value(), note.inner_text()) == (
        "4",
        "Type at least two digits; what was read last is still shown.",
    )
    assert widget.locator(".digit").count() == 60, "what was read last is still shown"
    field.fill("")
    widget.get_by_role("button", name="Reset").click()
    assert (widget.locator("*").count(), field.input_value(), note.inner_text()) == (*before, "")


def test_the_steps_are_played(start: Visit) -> None:
    start.go("book/02_rnn_versus_lstm.html")
    widget = palindrome_reader(start)
    step, says = widget.get_by_role("slider"), widget.get_by_role("status")
    last = step.get_attribute("max") or ""
    step.press("End")
    step.press("ArrowLeft")
    step.press("ArrowLeft")
    before = seen(widget)
    stop_clock(start.page)
    widget.get_by_role("button", name="Play").click()
    assert says.get_attribute("aria-live") == "off", "the steps are not read out one by one"
    start.page.clock.run_for(5000)
    assert widget.get_by_role("button", name="Play").is_visible(), "it was Pause until the end"
    assert step.input_value() == last
    assert says.get_attribute("aria-live") is None
    now = seen(widget)
    assert [a == b for a, b in zip(now, before)] == [False, True, True, False, False], "the heat maps are only unveiled"
    widget.get_by_role("button", name="Play").click()
    assert step.input_value() == "1"
    widget.get_by_role("button", name="Pause").click()


@RNN_VERSUS_LSTM
def test_the_palindrome_reader_by_keyboard_alone(visit: Visit) -> None:
    widget, keyboard = palindrome_reader(visit), visit.page.keyboard
    trained = len(widget.get_by_role("textbox").input_value())
    widget.get_by_role("textbox").focus()
    keyboard.press("Control+a")
    keyboard.type("270x2")
    assert widget.get_by_role("textbox").input_value() == "2702"
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert widget.get_by_role("textbox").input_value() == "2702" + "2072"[trained % 2 :]
    for _ in range(2):
        keyboard.press("Tab")
    keyboard.press("Home")
    assert widget.get_by_role("slider").get_attribute("aria-valuetext") == "1 digits read"
    for _ in range(3):
        keyboard.press("Tab")
    canvas = widget.get_by_role("img", name="Heat map of the LSTM's")
    was = seen(widget)
    for quantity in ("state h", "input gate i", "forget gate f", "output gate o", "modulation g", "cell c"):
        keyboard.press("ArrowRight")
        assert f"LSTM's {quantity}: " in (canvas.get_attribute("aria-label") or "")
        assert was[2] != (was := seen(widget))[2]
    assert widget.get_by_role("radio", name="cell c").is_checked()
    widget.get_by_role("button", name="Reset").click()


@RNN_VERSUS_LSTM
def test_the_palindrome_reader_fits_and_can_be_read(visit: Visit) -> None:
    widget = palindrome_reader(visit)
    text = ".rnnreport-widget :is(label, button, text, p, .digit, .caption, .note, .heading, .key, .scale)"
    for digits, (theme, width) in product(("1" * 70, "x1"), product(("dark", "light"), (360, 1280))):
        choose(visit.page, theme)
        visit.page.set_viewport_size({"width": width, "height": 900})
        widget.get_by_role("textbox").fill(digits)
        assert widget.locator(".note").inner_text()
        visit.page.evaluate("() => new Promise(requestAnimationFrame)")
        assert widget.evaluate("widget => widget.scrollWidth <= widget.clientWidth"), f"cut off at {width} px"
        contrast, element = visit.page.evaluate(CONTRAST, text)
        assert contrast >= 4.5, f"hard to read, {theme}: {contrast:.1f} {element}"
        rows = widget.locator(".network").evaluate_all("nodes => new Set(nodes.map(node => node.offsetTop)).size")
        assert rows == (widget.locator(".network").count() if width == 360 else 1)
    widget.get_by_role("button", name="Reset").click()


@on(*WITH_WIDGETS)
def test_the_keys_of_a_widget_stay_in_it(visit: Visit) -> None:
    """In JupyterLab the arrow keys and the space bar would reach the notebook."""
    visit.page.evaluate("addEventListener('keydown', (event) => (window.lastKey = event.key))")
    for control in visit.page.locator(".rnnreport-widget :is(input, button)").all():
        control.press("ArrowRight")
    assert visit.page.evaluate("window.lastKey") is None
    resets = visit.page.locator(".rnnreport-widget").get_by_role("button", name="Reset")
    for reset in resets.all():
        reset.click()


# Words of a widget's drawing of which more sticks out than the empty edge of a line of text.
CUT = """() => [...document.querySelectorAll(".rnnreport-widget svg text")].filter((words) => {
  const [box, all] = [words, words.ownerSVGElement].map((node) => node.getBoundingClientRect());
  return box.width && (box.right > all.right + 4 || box.left < all.left - 4);
}).map((words) => words.textContent)"""


def test_it_fits_and_can_be_read_in_light_and_dark_wide_and_narrow(visit: Visit) -> None:
    visit.page.add_style_tag(content="* { transition: none !important }")  # no sliding about after a change of size
    for theme, width in product(("light", "dark"), (1280, 320)):  # 320: also a laptop's window at 400%
        choose(visit.page, theme)
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.evaluate("() => new Promise(requestAnimationFrame)")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, f"wider than {width} px"
        assert visit.page.evaluate(CUT) == [], f"words of a drawing are cut off at {width} px"
        contrast, element = visit.page.evaluate(CONTRAST, TEXT)
        assert contrast >= 4.5, f"hard to read, {theme}: {contrast:.1f} {element}"
        for figure in visit.page.locator(".report-figure img").all():
            style = figure.evaluate(
                "image => [getComputedStyle(image).filter, getComputedStyle(image).backgroundColor]"
            )
            assert style == ["none" if theme == "light" else "invert(1) hue-rotate(180deg)", "rgba(0, 0, 0, 0)"]


def choose(page: Page, theme: str) -> None:
    """The system's choice, light or dark, of which the page hears in its own time: later it would undo another one."""
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.wait_for_function(f"() => document.documentElement.dataset.theme === '{theme}'")


# What stands on paper, beside the text above.
INK = f"{TEXT}, .bd-article :is(pre span, code span, mjx-container, .admonition p, .rnnreport-widget .readout)"


@on(*PAGES)
@pytest.mark.parametrize("chosen", ["by the system", "by the reader"])
def test_a_page_in_dark_is_printed_in_light(visit: Visit, chosen: str) -> None:
    page = visit.page
    page.set_viewport_size({"width": 718, "height": 900})  # of A4
    choose(page, "dark" if chosen == "by the system" else "light")
    if chosen == "by the reader":
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    try:
        is_right_on_paper(page)
    finally:  # the next test reads the page on a screen
        page.emulate_media(media="screen")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    if chosen == "by the reader":
        page.evaluate("document.documentElement.dataset.theme = 'light'")
    choose(page, "light")
    page.set_viewport_size({"width": 1280, "height": 900})


def is_right_on_paper(page: Page) -> None:
    page.wait_for_function("() => document.documentElement.dataset.theme === 'light'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    contrast, element = page.evaluate(CONTRAST, INK)
    assert contrast >= 4.5, f"pale on paper: {contrast:.1f} {element}"
    dark = "node => node.checkVisibility() && getComputedStyle(node)"
    for part in ("pre", ".cell_output", ".admonition", "td", ".rnnreport-widget", ".widget-subarea"):
        grounds = page.locator(f".bd-article {part}").evaluate_all(
            f"nodes => nodes.map({dark}).filter(Boolean).map((style) => style.backgroundColor)"
        )
        assert all(min(channels(ground), default=255) > 200 for ground in grounds), f"{part}: {set(grounds)}"
    filters = "nodes => nodes.map((node) => getComputedStyle(node).filter)"
    assert set(page.locator(".report-figure img").evaluate_all(filters)) <= {"none"}
    spaces = "nodes => nodes.map((node) => getComputedStyle(node).whiteSpace)"
    assert set(page.locator(".bd-article pre").evaluate_all(spaces)) <= {"pre-wrap"}, "long lines wrap"
    shown = "nodes => nodes.filter((node) => node.checkVisibility() && node.scrollWidth > node.clientWidth)"
    cut = f"{shown}.map((node) => node.textContent)"
    assert page.locator(".bd-article pre").evaluate_all(cut) == []
    pressed = page.locator(
        ".bd-article :is(button, .report-figure summary, input[type=range]), header, [class*=bd-sidebar]"
    ).filter(visible=True)
    assert pressed.evaluate_all("nodes => nodes.map((node) => node.outerHTML.slice(0, 80))") == []


def channels(colour: str) -> list[int]:
    """Red, green and blue of an opaque ground; none of one that lets the paper through."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", colour)]
    return [] if len(numbers) == 4 and numbers[3] == 0 else [round(number) for number in numbers[:3]]


def test_what_is_printed_itself_is_light(start: Visit) -> None:
    start.page.emulate_media(color_scheme="dark")
    start.go(f"{TOC['root']}.html")
    theme = "document.documentElement.dataset.theme"
    start.page.evaluate(f"addEventListener('beforeprint', () => (window.printing = {theme}))")
    start.page.pdf()
    assert start.page.evaluate(f"[window.printing, {theme}]") == ["light", "dark"]


def test_a_long_name_breaks(start: Visit) -> None:
    start.page.set_viewport_size({"width": 320, "height": 900})
    start.go(f"{TOC['root']}.html")
    start.page.locator(".bd-article").evaluate(
        "article => ['p', 'li', 'h2'].forEach((tag) => article.append(Object.assign("
        "document.createElement(tag), { textContent: 'my_book_'.repeat(40) + '.txt' })))"
    )
    assert start.page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forced_colours_leave_pictures_whole(start: Visit, theme: Literal["light", "dark"]) -> None:
    """As in Windows' contrast themes: figures on the ground they are made for, maps not covered, scales not emptied."""
    start.page.emulate_media(color_scheme=theme, forced_colors="active")
    start.go("book/02_rnn_versus_lstm.html")
    style = "(node, name) => getComputedStyle(node)[name]"
    article = start.page.locator(".bd-article")
    assert article.locator(".report-figure img").first.evaluate(style, "backgroundColor") == "rgb(255, 255, 255)"
    assert article.locator(".heat > svg").first.evaluate(style, "backgroundColor") == "rgba(0, 0, 0, 0)"
    assert article.locator(".strip").first.evaluate(style, "backgroundImage") != "none"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_that_a_widget_names_are_those_it_shows(
    browser: Browser, homes: dict[str, str], theme: Literal["light", "dark"]
) -> None:
    page = new_page(browser, color_scheme=theme)
    page.goto(f"{homes['file']}book/02_rnn_versus_lstm.html")
    widget = page.locator(".rnnreport-widget", has=page.get_by_role("textbox"))
    assert "green at the top or purple at the bottom" in widget.locator(".key").last.inner_text()
    gradient = widget.locator(".strip").first.evaluate("strip => getComputedStyle(strip).backgroundImage")
    colours = [channels(colour) for colour in re.findall(r"rgb\([^)]*\)", gradient)]
    (purple, green) = colours[0], colours[-1]
    assert purple[1] < min(purple[0], purple[2])
    assert green[1] > max(green[0], green[2])
    painted = "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
    data = widget.locator("canvas").first.evaluate(painted)
    pixels = {tuple(data[at : at + 3]) for at in range(0, len(data), 4) if data[at + 3] > 50}
    assert all(any(max(abs(a - b) for a, b in zip(pixel, named)) < 8 for named in (purple, green)) for pixel in pixels)
    assert pixels
    page.close()


def test_without_scripts_a_page_says_what_is_missing(browser: Browser, homes: dict[str, str]) -> None:
    page = new_page(browser, java_script_enabled=False)
    page.goto(f"{homes['file']}book/01_gradients.html")
    place = page.locator(".cell_output:has(script[type$='widget-view+json'])").first
    says = "node => getComputedStyle(node, '::before').content"
    assert place.evaluate(says) == '"What moves here needs JavaScript."'
    page.close()


BOTH = pytest.mark.parametrize("start", ["file", "http"], indirect=True)


@BOTH
def test_the_search_says_where_and_marks_the_words(start: Visit) -> None:
    page = start.page
    start.go(f"{TOC['root']}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("gates")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=gates*")
    hits = page.locator("#search-results li")
    hits.first.wait_for()
    assert all(excerpt.strip() for excerpt in hits.locator(".context").all_inner_texts())
    assert hits.locator(".context").count() == hits.count()
    asked = [mark.lower() for mark in hits.first.locator("mark").all_inner_texts()]
    assert asked
    assert all("gate" in word for word in asked)
    hits.first.locator("a").click()
    page.wait_for_url("**/book/*.html#*")
    page.wait_for_function(DRAWN)  # the widgets' data have no marks in them
    marks = page.locator(".bd-article mark")
    assert {word.lower() for word in marks.all_inner_texts()} >= set(asked)
    assert page.locator(":is(script, .math, .rnnreport-widget) mark").count() == 0
    before = page.locator(".bd-article").inner_text()
    page.keyboard.press("Escape")
    assert marks.count() == 0
    assert page.locator(".bd-article").inner_text() == before
    start.go(f"{TOC['root']}.html")
    assert marks.count() == 0, "only where a hit leads to"
    assert (start.external, start.problems) == ([], [])


@pytest.mark.parametrize(
    ("query", "place", "words"),
    [
        *((query, "01_gradients", "backpropagation through time") for query in ("BPTT", "backprop through time")),
        ("vanishing", "01_gradients", "Vanishing"),
        ("exploding gradient", "01_gradients", "Exploding"),
        ("forget gate", "02_rnn_versus_lstm", "forget gate"),
        ("leak", "03_temporal_gate", "leak"),
        ("clipping", "01_gradients", "Clipping"),
    ],
)
def test_the_search_leads_to_where_a_term_is_explained(start: Visit, query: str, place: str, words: str) -> None:
    start.go(f"search.html?q={query}")
    first = start.page.locator("#search-results li").first
    assert words in first.locator("mark").all_inner_texts()
    first.locator("a").click()
    start.page.wait_for_url(f"**/{place}.html#index-*")
    here = start.page.locator(f"[id='{start.page.url.partition('#')[2]}']").locator("xpath=..")
    assert words in here.locator("mark").all_inner_texts()


def test_a_hit_in_a_folded_part_is_unfolded(start: Visit) -> None:
    start.go("book/04_text_generation.html?found=tied#better-at-less-cost")
    mark = start.page.locator("#better-at-less-cost mark").first
    assert mark.inner_text() == "tied"
    assert mark.is_visible()


def test_a_search_without_a_hit_says_so(start: Visit) -> None:
    start.go("search.html?q=xyzzy")
    start.page.get_by_text("did not match any documents").wait_for()
    assert start.page.locator("#search-results li").count() == 0
    assert start.problems == []


def test_the_index_leads_to_its_terms(start: Visit) -> None:
    start.go(f"{TOC['root']}.html")
    start.page.get_by_role("link", name="Index of terms").click()
    start.page.wait_for_url("**/genindex.html")
    links = start.page.locator(".indextable a")
    places = dict(zip(links.all_inner_texts(), links.evaluate_all("links => links.map((link) => link.href)")))
    assert {"BPTT", "clipping", "forget gate", "leak", "temperature", "temporal gate"} <= set(places)
    for address in sorted({place.partition("#")[0] for place in places.values()}):
        start.page.goto(address)
        for place in places.values():
            if place.startswith(f"{address}#"):
                assert start.page.locator(f"[id='{place.partition('#')[2]}']").count() == 1, place


@BOTH
def test_a_page_s_notebook_is_downloaded_without_outputs(start: Visit, site: Path) -> None:
    import nbformat

    start.go("book/04_text_generation.html")
    start.page.get_by_role("button", name="Download this page").click()
    with start.page.expect_download() as coming:
        start.page.get_by_role("link", name=".ipynb").click()
    assert coming.value.suggested_filename == "04_text_generation.ipynb"
    text = coming.value.path().read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert str(ROOT) not in text
    assert str(site.parent) not in text
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert "04_text_generation* of *Recurrent networks, reproduced" in notebook.cells[0].source
    assert "at code " in notebook.cells[0].source
    own = nbformat.read(ROOT / "book" / "04_text_generation.ipynb", as_version=4)
    assert [cell.id for cell in notebook.cells[1:]] == [cell.id for cell in own.cells]
    assert not any(cell.get("outputs") for cell in notebook.cells)
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    assert "book_EN" in parameters.source or "shakespeare" in parameters.source, "as the page was made"
    linked = site / "_sources" / "book" / "04_text_generation.ipynb"
    assert nbformat.read(linked, as_version=4) == notebook
    assert (start.external, start.problems) == ([], [])


@BOTH
def test_the_folder_s_index_leads_to_the_first_page(start: Visit) -> None:
    start.page.goto(f"{start.home}index.html")
    start.page.wait_for_url(f"{start.home}{TOC['root']}.html")
    assert (start.external, start.problems) == ([], [])


# Below: the policy of each page, book/_ext/policy.py. The tests above complain of whatever it refuses.

POLICY = re.compile(r'<meta charset="utf-8" />(<meta http-equiv="Content-Security-Policy" content="([^"]*)" />)')


def test_every_page_begins_with_its_policy(site: Path) -> None:
    for name in [*PAGES, "index"]:
        text = (site / f"{name}.html").read_text("utf-8")
        ((_, policy),) = POLICY.findall(text)
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert text.index(policy) < min(text.find(part) % len(text) for part in ("<script", "<link", "<style"))
        assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == "'none'"
        assert not {"'unsafe-inline'", "'unsafe-eval'", "data:", "*"} & set(rules["script-src"].split())
        assert ("blob:" in rules["script-src"]) == (name in WITH_WIDGETS)
        learns = [name in WHERE_NETWORKS_LEARN]
        assert ["worker-src" in rules, "'wasm-unsafe-eval'" in rules["script-src"]] == 2 * learns


@pytest.mark.parametrize("start", ["http"], indirect=True)
def test_served_pages_keep_to_it_too(start: Visit) -> None:
    for name in PAGES:
        start.go(f"{name}.html")
    assert (start.external, start.problems) == ([], [])


LEARNS = re.compile("[Ss]tep [1-9]|solved")  # says a network that learns


@BOTH
@pytest.mark.parametrize("name", [name for name in WHERE_NETWORKS_LEARN if name != "book/index"])
def test_networks_learn_under_it(start: Visit, name: str) -> None:
    start.go(f"{name}.html")
    train = start.page.get_by_role("button", name=re.compile("^Train( on| anew)?$"))  # its name while and after
    widget = start.page.locator(".rnnreport-widget", has=train).first
    widget.get_by_role("button", name="Train", exact=True).click()
    widget.get_by_role("status").filter(has_text=LEARNS).wait_for()
    assert widget.get_by_text("plain JavaScript").filter(visible=True).count() == 0
    if name.endswith("text_generation"):
        with start.page.expect_download() as coming:
            widget.get_by_role("button", name="Save the weights").click()
        assert coming.value.suggested_filename == "weights.safetensors"
    assert (start.external, start.problems) == ([], [])


TRAIN = "[...document.querySelectorAll('.rnnreport-widget button')].find((node) => /^Train/.test(node.textContent))"
Fox = Callable[..., Any]


@pytest.fixture
def fox(firefox: str, tmp_path: Path) -> Iterator[Fox]:
    """Has Firefox obey a command of its Marionette, which speaks JSON with its length before it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = free.getsockname()
    settings = {**FIREFOX_SETTINGS, "marionette.port": place[1]}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
    (tmp_path / "user.js").write_text("\n".join(lines), "utf-8")
    options = ["--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", str(tmp_path)]
    with (
        subprocess.Popen([firefox, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        socket.socket() as wire,
        wire.makefile("rwb") as file,
    ):

        def heard() -> Any:
            length = b""
            while not length.endswith(b":"):
                length += file.read(1)
            return json.loads(file.read(int(length[:-1])))

        def obey(command: str, **values: Any) -> Any:
            message = json.dumps([0, 0, command, values]).encode()
            file.write(b"%d:%s" % (len(message), message))
            file.flush()
            _, _, error, answer = heard()
            assert error is None, error
            return answer

        try:
            eventually(lambda: wire.connect_ex(place) == 0)
            heard()  # its greeting
            obey("WebDriver:NewSession")
            yield obey
        finally:
            process.terminate()


def test_firefox_refuses_nothing_that_a_page_does(fox: Fox, site: Path) -> None:
    def said(script: str, context: str = "content") -> Any:
        fox("Marionette:SetContext", value=context)
        return fox("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def refused() -> list[str]:
        messages = said("return Services.console.getMessageArray().map(({ message }) => message)", "chrome")
        return [message for message in messages if "Content-Security-Policy" in message]

    for name in PAGES:
        fox("Marionette:SetContext", value="content")
        fox("WebDriver:Navigate", url=f"{site.as_uri()}/{name}.html")
        eventually(lambda: said(f"return ({DRAWN})()"))
        if name in WHERE_NETWORKS_LEARN:
            said(f"({UNFOLD})(); {TRAIN}.click()")
            eventually(lambda: LEARNS.search(said(f"return {TRAIN}.closest('.cell_output').textContent")))
    assert refused() == []
    said("document.body.append(Object.assign(document.createElement('img'), { src: 'http://127.0.0.1:9/' }))")
    eventually(refused)  # so that a refusal would have been heard


INJECTED = (
    "<script>window.ran = 'script'</script>",
    "<img src=nothing onerror=\"window.ran = 'handler'\">",
    "<iframe srcdoc=\"<script>parent.ran = 'frame'</script>\"></iframe>",
    "<script src=\"data:text/javascript,window.ran = 'data'\"></script>",
)


@pytest.mark.parametrize("markup", INJECTED)
def test_markup_that_got_into_a_page_runs_nothing(browser: Browser, site: Path, tmp_path: Path, markup: str) -> None:
    """Neither in the browser nor in the build, which allows what stands around a page's text."""
    page, text = new_page(browser), (site / "genindex.html").read_text("utf-8")
    injected, runs = text.replace("</article>", f"{markup}</article>"), []
    for content in (injected, POLICY.sub("", injected)):
        (tmp_path / "page.html").write_text(content, "utf-8")
        page.goto((tmp_path / "page.html").as_uri(), wait_until="load")
        runs.append(page.evaluate("window.ran"))
    page.close()
    assert runs[0] is None
    assert runs[1] is not None, "without the policy it would"


def test_the_policy_knows_what_a_page_s_text_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    policy = importlib.import_module("policy").policy
    page = '<head><script>a()</script></head><button id=b onclick="c(&quot;d&quot;)"></button><article>{}</article>'
    assert policy(page.format("")).count("'sha256-") == 2
    for text in (*INJECTED, f"</article>{INJECTED[0]}"):
        assert policy(page.format(text)) == policy(page.format(""))


@BOTH
def test_a_page_asks_nobody(start: Visit) -> None:
    start.go("genindex.html")
    ways = {
        "connect-src": "fetch('searchindex.js').then(() => 'came', () => 'refused')",
        "img-src": "new Promise((tell) => Object.assign(new Image(), "
        "{ src: 'http://127.0.0.1:9/', onload: () => tell('came'), onerror: () => tell('refused') }))",
        "worker-src": "new Promise((tell) => new Worker('data:text/javascript,').onerror = () => tell('refused'))",
    }
    for rule, ask in ways.items():
        with start.page.expect_console_message(lambda said, rule=rule: f"refused by {rule}" in said.text):
            assert start.page.evaluate(ask) == "refused"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose book has a single page."""
    from rnnreport import vendor

    try:
        vendor.fetch(ROOT)
    except vendor.VendorError as error:
        require(False, str(error))
    (tmp_path / vendor.KERNELS).parent.mkdir(parents=True)
    for name in ("_config.yml", "package.json", "package-lock.json", vendor.KERNELS):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("_ext", "_static", "_templates"):
        shutil.copytree(ROOT / "book" / name, tmp_path / "book" / name)
    (tmp_path / "book" / "references.bib").touch()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (tmp_path / "book" / "index.md").write_text("# Title\n\n## Section\n\n$x$\n")
    return tmp_path


def test_an_extension_passes_over_what_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are hidden, such as locks, do not run the notebooks again; a script of JSON may be a file."""
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    quick_site, widget_data = map(importlib.import_module, ("quick_site", "widget_data"))
    (tmp_path / "data").mkdir()
    before = quick_site.fingerprint(tmp_path)
    (tmp_path / "data" / ".lock").touch()
    assert quick_site.fingerprint(tmp_path) == before
    (tmp_path / "data" / "table").touch()
    assert quick_site.fingerprint(tmp_path) != before
    kinds: list[dict[str, str | None]] = [
        {"type": "a+json"},
        {"type": None, "body": "<"},
        {"type": "a+json", "body": "<"},
    ]
    scripts = [SimpleNamespace(attributes=kind) for kind in kinds]
    widget_data.escape(None, "page", "template", {"script_files": scripts}, None)
    assert [script.attributes.get("body") for script in scripts] == [None, "<", "\\u003c"]


def jupyter_book(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", ".", *options]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True)


def test_the_plain_command_builds_beside_the_full_site(checkout: Path) -> None:
    full = checkout / "_build" / "html"
    full.mkdir(parents=True)
    (full / "index.html").write_text("the full site")
    built = jupyter_book(checkout, "-W", "-n")
    quick = checkout / "_build" / "quick" / "html"
    assert built.returncode == 0, built.stderr
    assert "url=book/index.html" in (quick / "index.html").read_text()
    assert (quick / "book" / "index.html").is_file()
    assert not (quick / "_static" / "site-root").exists()
    assert f"The quick site is at {quick / 'index.html'}" in built.stdout.rpartition("Finished generating")[2]
    assert [path.name for path in full.iterdir()] == ["index.html"]
    assert (full / "index.html").read_text() == "the full site"


def test_where_to_build_can_be_said(checkout: Path) -> None:
    built = jupyter_book(checkout, "--path-output", ".")
    assert built.returncode == 0, built.stderr
    assert (checkout / "_build" / "html" / "book" / "index.html").is_file()
    assert not (checkout / "_build" / "quick").exists()
    assert "quick site" not in built.stdout


def test_a_cell_that_fails_fails_the_build(checkout: Path) -> None:
    import nbformat

    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("1 / 0")]
    (checkout / "book" / "index.md").unlink()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), checkout / "book" / "index.ipynb")
    built = jupyter_book(checkout)
    assert built.returncode != 0
    assert "ZeroDivisionError" in built.stdout + built.stderr
    assert "quick site" not in built.stdout


def test_what_a_widget_carries_ends_no_script(checkout: Path, browser: Browser) -> None:
    """A prompt or a corpus may hold "</SCRIPT >", and MyST-NB escapes one spelling of it only."""
    import nbformat

    text = "</SCRIPT ><p id=broken>markup</p> <!-- <script> </script> & ü"
    source = f"import ipywidgets\nipywidgets.Text({text!r})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title")])
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    (checkout / "book" / "index.md").unlink()
    nbformat.write(notebook, checkout / "book" / "index.ipynb")
    built = jupyter_book(checkout)
    assert built.returncode == 0, built.stderr
    page = new_page(browser)
    page.goto((checkout / "_build" / "quick" / "html" / "book" / "index.html").as_uri())
    state = page.locator("script[type='application/vnd.jupyter.widget-state+json']").evaluate(
        "script => JSON.parse(script.textContent).state"
    )
    assert text in [widget["state"].get("value") for widget in state.values()]
    assert page.locator("#broken").count() == 0
    page.close()


def test_code_without_output_joins_the_code_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    reading_order = importlib.import_module("reading_order")

    def cell(code: str, output: bool) -> nodes.container:
        hidden = reading_order.HideCodeCellNode("", nodes.literal_block(code, code), classes=["above-input"])
        return nodes.container("", hidden, *([nodes.paragraph("", "made")] if output else []))

    def read(*parts: nodes.Node) -> list[str]:
        """The texts of the page; < and > where a fold begins and ends."""
        page = nodes.section("", *parts)
        reading_order.code_last(SimpleNamespace(builder=SimpleNamespace(format="html")), page, "page")
        folds = {True: ">", False: "<"}
        texts = [text.astext() for text in page.findall(nodes.Text)]
        return [folds[text.startswith("</")] if "<" in text else text for text in texts]

    words = nodes.paragraph("", "words")
    assert read(cell("a", False), cell("b", False), cell("c", True)) == ["made", *"<abc>"]
    parts = cell("a", True), cell("b", False), words, cell("c", False)
    assert read(*parts) == ["made", *"<ab>", "words", *"<c>"]
