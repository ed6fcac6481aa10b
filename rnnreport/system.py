"""What differs between Linux, macOS and Windows, each difference once. Standard library only."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

LINUX = sys.platform == "linux"
WINDOWS = os.name == "nt"
NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)  # errors of a file system without fsync
SOCKET_PATH = 90  # bytes: a name of a socket may have some 100, of which jupyter adds five


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if WINDOWS else "bin/python")


def become(command: list[str]) -> NoReturn:
    """Go on as another program. On Windows, where exec would return to the prompt at once, wait for its end."""
    if WINDOWS:
        sys.exit(subprocess.run(command).returncode)
    os.execv(command[0], command)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stop_signals() -> list[signal.Signals]:
    """The signals that ask a process to end, but for those that its parent had ignored. Windows has no SIGHUP."""
    asked = [signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in asked if signal.getsignal(number) is not signal.SIG_IGN]


def transport(connection: Path) -> str:
    """How Jupyter talks to a kernel with that connection file: by sockets in its folder where there can be any.

    Of two kernels that start at once, both may be given the same port of TCP.
    """
    return "ipc" if not WINDOWS and len(os.fsencode(connection)) < SOCKET_PATH else "tcp"


def sync(path: Path) -> None:
    """Wait until the file's content, or the folder's list of names, is on the disk, where the file system can tell."""
    if path.is_symlink() or (WINDOWS and path.is_dir()):  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
    finally:
        os.close(descriptor)


def sync_all() -> None:
    """Wait until all that any process wrote is on the disk; Windows has nothing for this."""
    if hasattr(os, "sync"):
        os.sync()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block of that folder; the system releases it when its owner ends.

    Where files cannot be locked, as on Windows, nobody waits.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
