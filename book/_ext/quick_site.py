"""What a plain ``jupyter-book build .`` needs; the site that ``make book`` builds does not notice this extension.

* The pages' JavaScript is fetched if it is not there yet.
* The quick site goes to ``_build/quick/html``: ``_build/html`` belongs to ``make book``. A ``--path-output`` is obeyed.
* A change in the library or the data runs the notebooks again, which Sphinx would not do by itself.
"""

from __future__ import annotations

import atexit
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from rnnreport import vendor

SOURCES = ("requirements*.lock", "rnnreport/**/*", "data/**/*")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx before it opens its cache or chooses a builder, so that the folders can still be changed."""
    root = Path(app.srcdir)
    if folder := os.environ.get("RNNREPORT_DATA_DIR"):  # the kernels run in book/
        os.environ["RNNREPORT_DATA_DIR"] = str(Path(folder).absolute())
    checkout = (root / "package-lock.json").is_file()  # else the stage of `make book`, which has its own order
    bring_javascript(root, checkout)
    app.add_config_value("library_fingerprint", fingerprint(root), "env", str)
    if checkout and Path(app.outdir) == root / "_build" / "html" and not path_output_given():
        divert(app, root / "_build" / "quick")
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def bring_javascript(root: Path, checkout: bool) -> None:
    """Fetch it in a checkout; in a stage it must have been copied."""
    try:
        if checkout:
            vendor.fetch(root)
        elif not vendor.is_complete(root / vendor.VENDOR):
            raise vendor.VendorError(f"{root / vendor.VENDOR} is incomplete: copy it from a checkout that has built.")
    except vendor.VendorError as error:
        raise ExtensionError(str(error)) from None


def fingerprint(root: Path) -> str:
    """A hash of what the notebooks call and read."""
    digest = hashlib.sha256()
    files = (file for pattern in SOURCES for file in root.glob(pattern) if file.name[0] != ".")
    for file in sorted(file for file in files if file.is_file() and file.suffix != ".pyc"):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def path_output_given() -> bool:
    """Whether jupyter-book was told where to build."""
    context = click.get_current_context(silent=True)
    return context is not None and context.params.get("path_output") is not None


def divert(app: Sphinx, folder: Path) -> None:
    """Build into ``folder``, and say so after Jupyter Book has named the place it knows of."""
    announced = app.outdir
    app.outdir = type(announced)(folder / "html")
    app.doctreedir = type(announced)(folder / ".doctrees")
    app.outdir.mkdir(parents=True, exist_ok=True)

    def forget_announced(*_: object) -> None:
        with suppress(OSError):  # Sphinx made it; it stays if anything is in it
            announced.rmdir()

    def tell(app: Sphinx, exception: Exception | None) -> None:
        if exception is None and app.statuscode == 0:
            page = Path(app.outdir, "index.html")
            atexit.register(
                print, f"The quick site is at {page}\n(_build/html is where `make book` puts the full one.)"
            )

    app.connect("config-inited", forget_announced)
    app.connect("build-finished", tell)
