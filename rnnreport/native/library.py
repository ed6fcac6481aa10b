"""Builds the C++ of this folder once, keeps the library, and loads it: ``torch.ops.rnnreport``.

Torch is imported only to build or load the library, not to tell whether it is there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

import platformdirs
from filelock import FileLock

from rnnreport import checksums, storage
from rnnreport.provenance import syntax

LIBRARY = "rnnreport_native.so"
SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
HEADERS = sorted(Path(__file__).parent.glob("*.h"))

# Sums may be reordered, so that loops can be vectorised. But NaN and infinity must survive, so that diverging training
# is noticed.
FLAGS = ["-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"]
# The first that the compiler accepts is used: x86, ARM, any other.
PROCESSOR_FLAGS = [["-march=native", "-mprefer-vector-width=512"], ["-mcpu=native"], []]

_log = logging.getLogger("rnnreport")


def description(factors: str) -> str:
    """The kernels' description in a result's provenance: the type of their products' factors, a hash of the sources."""
    return f"native {factors} {source_hash()}"


def source_hash() -> str:
    """12 hexadecimal digits: a hash of the sources, and of the Python code that calls the compiled kernels."""
    python = [syntax(path.read_bytes()).encode() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return _digest(*(path.read_bytes() for path in (*SOURCES, *HEADERS)), *python)


@cache
def load() -> None:
    """Load the library; build it first if this machine has not yet done so.

    It is kept with its hash in the user's cache, or in the folder that ``RNNREPORT_NATIVE_DIR`` names; a damaged one is
    built again. Raises ImportError if there is no compiler, RuntimeError if the build fails, OSError if the library
    cannot be loaded or the folder cannot be written, since every process would then have to compile its own.
    """
    kept = _place()
    folder = kept.parent
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if _load_kept(kept):
        return
    if os.path.exists(kept):
        _log.warning("The native kernels kept in %s are damaged; compiling them anew", kept)
    if not os.access(folder, os.W_OK):
        raise OSError(f"the folder that they are kept in, {folder}, cannot be written (RNNREPORT_NATIVE_DIR names it)")
    with FileLock(kept.with_suffix(".lock"), timeout=600):  # the system releases it when its owner dies
        if not _load_kept(kept):  # another process may have built it meanwhile
            _build_and_load(kept)


def is_built() -> bool:
    """Whether :func:`load` finds the library undamaged, and has nothing to build."""
    return _is_whole(_place())


def _load_kept(folder: Path) -> bool:
    """Load the library of that folder if it is there and undamaged: a damaged one could end the process."""
    if not _is_whole(folder):
        return False
    import torch

    torch.ops.load_library(folder / LIBRARY)
    return True


def _is_whole(folder: Path) -> bool:
    try:
        checksums.verify_folder(folder, LIBRARY)
    except (OSError, checksums.DamagedError):
        return False
    return True


def _place() -> Path:
    """The folder of the library that this machine needs."""
    folder = os.environ.get("RNNREPORT_NATIVE_DIR") or Path(platformdirs.user_cache_dir("rnnreport"), "native")
    return Path(folder, _key())


def _key() -> str:
    """A hash of everything that a library depends on: one made for another processor could end the process."""
    parts = (
        source_hash(),
        str(FLAGS),
        str(PROCESSOR_FLAGS),
        metadata.version("torch"),
        os.environ.get("CXX", ""),
        _processor(),
    )
    return _digest(*(part.encode() for part in parts))


def _processor() -> str:
    """The processor's name and features."""
    try:
        lines = set(Path("/proc/cpuinfo").read_text("utf-8").splitlines())
    except OSError:
        lines = {f"model name {platform.processor()}"}
    words = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    return "\n".join([platform.machine(), *sorted(line for line in lines if line.startswith(words))])


def _build_and_load(keep: Path) -> None:
    """Compile and load the library, and keep a copy."""
    from torch.utils import cpp_extension  # takes a second, and is not needed if the library is already there

    compiler = cpp_extension.get_cxx_compiler()
    if not shutil.which(compiler):
        raise ImportError(f"there is no C++ compiler {compiler!r} on this machine", name="rnnreport.native")
    _log.info("Compiling the native kernels (once, about 20 seconds)")
    with tempfile.TemporaryDirectory() as scratch:  # keeps unfinished files and torch's lock file out of the cache
        built = _compile_and_load(Path(scratch))
        try:
            _keep(built, keep)
        except OSError as error:
            _log.warning("The native kernels cannot be kept in %s (%s): every process compiles its own", keep, error)


def _keep(library: str, folder: Path) -> None:
    """Put a copy of the library and its hash into that folder, completely or not at all."""
    new = folder.with_suffix(".tmp")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        shutil.copyfile(library, new / LIBRARY)
        checksums.seal(new, LIBRARY)
        storage.put(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _compile_and_load(folder: Path) -> str:
    """Build and load the library; returns its path. Raises RuntimeError with the compiler's words if that fails."""
    from torch.utils import cpp_extension

    # All sources in one file: reading torch's headers takes longer than compiling one source's own code.
    whole = folder / "kernels.cpp"
    spaces = [f'namespace {source.stem} {{\n#include "{source.name}"\n}}\n' for source in SOURCES]
    storage.write(whole, "".join(['#include "kernels.h"\n', *spaces]))
    path = os.environ.get("PATH")  # ninja is installed beside Python
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path or os.defpath])
    try:
        for number, processor_flags in enumerate(PROCESSOR_FLAGS):
            attempt = folder / str(number)
            attempt.mkdir()
            try:
                return cpp_extension.load(
                    "rnnreport_native",
                    [str(whole)],
                    extra_cflags=[*FLAGS, *processor_flags],
                    extra_include_paths=[str(Path(__file__).parent)],
                    build_directory=str(attempt),
                    is_python_module=False,
                )
            except RuntimeError as error:
                failure = error
        raise failure
    finally:
        os.environ.pop("PATH")
        if path is not None:
            os.environ["PATH"] = path


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:12]
