"""One process at a time: a second one is refused, or waits, and is told which process is the first."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from rnnreport import storage
from rnnreport.errors import ReaderError


class BusyError(ReaderError, RuntimeError):
    """Another process is doing the same work; the message is one sentence for the reader."""


@contextmanager
def alone(path: Path, wait: bool = False) -> Iterator[None]:
    """Keep other processes from writing this file or folder while the block runs.

    If another process is already writing, raises BusyError or, with ``wait``, says so and waits for it to end.

    The system releases the lock when its holder dies. The lock's own file, ``.<name>.lock``, stays beside ``path``.
    """
    name = os.fsdecode(os.fsencode(path.name)[:200])  # a file's name has 255 bytes at most
    lock, owner = FileLock(path.with_name(f".{name}.lock"), timeout=0), path.with_name(f".{name}.owner")
    try:
        lock.acquire()
    except Timeout as error:
        who = "another process"
        with suppress(OSError):  # it may have ended by now
            who = owner.read_text("utf-8")
        if not wait:
            raise BusyError(f"{path} is being written by {who}; wait for it to end, or name another place") from error
        print(f"{path} is being written by {who}; waiting for it to end", flush=True)
        lock.acquire(timeout=-1)
    except OSError as error:  # a file system without locks
        raise BusyError(f"nobody can be kept from writing {path} at the same time: {error.strerror}") from error
    try:
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        storage.write(owner, f"process {os.getpid()} on {platform.node()} since {since}")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()
