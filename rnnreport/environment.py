"""The environment in which everything runs: ``.venv``, made from requirements*.lock. Standard library only.

``python -m rnnreport …`` enters it before anything else, so that a fresh checkout needs Python and nothing more.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from rnnreport import storage, system

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
LOCK = PROJECT / "requirements.lock"
TORCH = PROJECT / "requirements-torch.lock"  # on Linux with CUDA
TORCH_CPU = PROJECT / "requirements-torch-cpu.lock"
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
        with system.alone(PROJECT):
            if not _is_ready():  # by now
                _install()
    if Path(sys.prefix).resolve() != VENV.resolve():
        system.become([str(system.python_of(VENV)), "-m", "rnnreport", *arguments])


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
    """The file that says which packages are installed in .venv, and for which project."""
    return VENV / "rnnreport-installed"


def _said() -> str:
    try:
        return os.fsdecode(_stamp().read_bytes())
    except (OSError, ValueError):  # not there, or not UTF-8
        return ""


def _say(state: str) -> None:
    storage.write(_stamp(), os.fsencode(state))


def _is_ready() -> bool:
    return _said() == _wanted() and system.python_of(VENV).exists()  # a removed Python leaves a broken link


def _wanted() -> str:
    """The stamp of an environment that is up to date."""
    digest = hashlib.sha256()
    for path in (LOCK, TORCH, TORCH_CPU, PROJECT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()}\n{PROJECT}\n"


def _install() -> None:
    """Install into .venv. If pip was interrupted, make it anew: pip would take a half-written package as complete."""
    before, path = _said(), system.python_of(VENV)
    python, unfinished = str(path), f"{UNFINISHED}\n{PROJECT}\n"
    owner = before.partition("\n")[2].strip()
    if VENV.is_symlink() and before and owner != str(PROJECT):
        _stop(
            f"{VENV} is a link to the environment of {owner or 'another project'}, whose packages would change; remove "
            "the link, and the same command makes an environment here"
        )
    print(f"Installing the pinned packages into {VENV} (1.5 GB, a minute or two)", flush=True)
    works = path.exists() and not subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode
    if not works or before.startswith(UNFINISHED):
        bare = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)]
        if made := not subprocess.run(bare).returncode:
            _say(unfinished)  # pip works before all of it is there
            pip = [python, "-Im", "ensurepip", "--upgrade", "--default-pip"]
            made = not subprocess.run(pip, stdout=subprocess.DEVNULL).returncode
        if not made:
            _stop(
                f"python could not make a virtual environment in {VENV}, see above; on Debian and Ubuntu it needs the "
                "package python3-venv"
            )
        before = ""
    _say(unfinished)
    if said := _packages(python) or _pip(python):
        _say("")  # pip has rolled back the part it could not finish, but others may be new
        print(said, file=sys.stderr)
        if "DO NOT MATCH THE HASHES" in said:
            _stop("Refused: a file that came, see above, does not have a hash that its requirements*.lock gives")
        _stop("pip could not install the packages, see above; the same command goes on from here")
    where = "import importlib.metadata as m; m.version('rnnreport')"
    if subprocess.run([python, "-I", "-c", where], capture_output=True).returncode:
        _say(before)
        _stop(f"pip has installed the packages elsewhere than in {VENV}; `pip config list` shows what led it there")
    system.sync_all()  # pip syncs nothing, and the stamp vouches for all
    _say(_wanted())


def _packages(python: str) -> str:
    """Have pip install what is locked. Returns what pip says if that fails, else nothing.

    torch without CUDA is asked for first. Had pip the choice, it would prefer the package index's torch, which comes
    with its hash, to that of a folder (PIP_FIND_LINKS), where files have none until they are read.
    """
    if system.LINUX:  # elsewhere the package index has torch without CUDA
        said = _pip(python, TORCH_CPU, LOCK)
        if "No matching distribution found for torch==" not in said:
            return said
        print("No package source has torch without CUDA, see README.md; with CUDA it takes several GB more", flush=True)
    return _pip(python, TORCH, LOCK)


def _pip(python: str, *locks: Path) -> str:
    """Have pip install the packages of lock files, or else the project. Returns what it says if that fails."""
    hashed = ["--require-hashes", "--only-binary=:all:", *(word for lock in locks for word in ("-r", str(lock)))]
    what = hashed if locks else ["--no-build-isolation", "--editable", str(PROJECT)]
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", *what]
    done = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    return (done.stderr or f"pip ended with {done.returncode}") if done.returncode else ""


def _stop(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(2)
