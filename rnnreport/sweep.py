"""The one engine for many runs: on this machine's cores, on a running Dask cluster, or as jobs of SLURM.

It uses Dask, and does not know the work of its calls. A call is a function without arguments that leaves its result in
a file; it runs alone in a process with one thread. A call interrupted by a worker's death or, in the next sweep, by
Ctrl-C is made again, so it should resume if it can.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from rnnreport import system
from rnnreport.errors import ReaderError
from rnnreport.shown import brief

if TYPE_CHECKING:  # Dask takes half a second to import, and is needed only when something runs
    from distributed import Client, Future

WORKERS = "RNNREPORT_WORKERS"  # number of processes on this machine, if not one per core
SCHEDULER = "RNNREPORT_SCHEDULER"  # where sweeps run by default: tcp://host:port
WAIT = 55.0  # seconds without a worker until a sweep gives up: in total less than a minute
MOST = 999  # processes; more is probably a typing error, and too much for most machines
SLURM_JOBS = 8  # number of jobs by default
NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}  # its port would be 8787, in use or not


class SweepError(ReaderError, RuntimeError):
    """A sweep that cannot continue; the message is one sentence for the reader."""


def run(
    calls: Mapping[str, Callable[[], object]],
    name: str,
    sizes: Mapping[str, int] | None = None,
    unit: str = "run",
    on_end: Callable[[str], None] = lambda key: None,
) -> dict[str, BaseException]:
    """Make all calls, as many at a time as there are workers, with a bar on stderr; returns the errors of failed ones.

    sizes: what each call adds to the bar, in its unit; 1 if not given. on_end: called with the key of each call that
    succeeds. A call whose worker is terminated is made again by another worker; after four times it has failed.
    Raises SweepError if there are no workers.
    """
    place = _places[-1]
    sizes = sizes or dict.fromkeys(calls, 1)
    try:
        with progress_bar(sum(sizes.values()), name, unit) as bar:
            return _Sweep(place, calls, sizes, bar, on_end).run()
    except BaseException:  # also Ctrl-C: workers that go on would keep their locks, and block the next call
        place.close(at_once=True)
        raise


def progress_bar(total: int, name: str, unit: str) -> tqdm:
    """A bar on stderr, redrawn every second, or as often as tqdm's own environment variable says."""
    every = float(os.environ.get("TQDM_MININTERVAL", 1))  # tqdm reads it only if mininterval is not given
    return tqdm(total=total, desc=name, unit=unit, mininterval=every, file=sys.stderr)


def report(size: int) -> None:
    """Advance the bar by ``size`` for the call that runs in this thread, if a sweep made it."""
    if progress := _progress.get():
        progress.report(size)


@contextmanager
def on(
    scheduler: str | None = None,
    slurm: bool = False,
    workers: int | None = None,
    wait: float = WAIT,
    logs: Path | None = None,
) -> Iterator[None]:
    """Where the block's sweeps run: this machine, the Dask cluster at ``tcp://…``, or SLURM jobs with one core each.

    Workers are started, or a cluster contacted, when there is something to run. workers: the number of processes or
    jobs. wait: seconds without a worker after which a sweep gives up. logs: the folder for the output of SLURM's jobs.
    A site's other SLURM settings (queue, account, walltime, memory, interface) belong in dask-jobqueue's configuration
    file or in variables like ``DASK_JOBQUEUE__SLURM__QUEUE``. Raises SweepError.
    """
    _check_address(scheduler)
    if scheduler and slurm:
        raise SweepError("a sweep runs either on a running scheduler or on SLURM, not on both")
    if scheduler and workers:
        raise SweepError(f"the cluster at {scheduler} has the workers it has; their number cannot be asked for here")
    if slurm and not find_spec("dask_jobqueue"):
        raise SweepError("SLURM needs the package dask-jobqueue; `pip install dask-jobqueue` adds it")
    if slurm and not shutil.which("sbatch"):
        raise SweepError("there is no SLURM on this machine: the command sbatch was not found")
    if not (scheduler or slurm or workers):  # as without the block
        yield
        return
    place = _Place(scheduler, slurm, workers, wait, logs)
    _places.append(place)
    try:
        yield
    finally:
        _places.remove(place)
        place.close()


@contextmanager
def shared() -> Iterator[None]:
    """Let the sweeps of all processes that the block starts share the same workers, one per core of this machine.

    Within the block the variable ``RNNREPORT_SCHEDULER`` names their scheduler; if it is already set, it is kept.
    """
    if os.environ.get(SCHEDULER):
        yield
        return
    place = _Place()
    try:
        os.environ[SCHEDULER] = place.client().scheduler_info()["address"]
        yield
    finally:
        os.environ.pop(SCHEDULER, None)
        place.close(at_once=True)  # all calls are done, or nobody waits for them


def check_folder(folder: Path) -> None:
    """Create the folder if it is missing. Raises SweepError if nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise SweepError(f"nothing can be written into {folder}: {error.strerror}") from error


def check_there(folder: Path, names: Collection[str]) -> None:
    """Raise SweepError if this machine does not see all files that the workers have put into the folder."""
    # List the folder instead of looking up names: a network file system may remember a missing file for a minute.
    if not set(names) <= {path.name for path in folder.iterdir()}:
        raise SweepError(f"the runs are done, but are not in {folder} on this machine: workers must share that folder")


def cores() -> int:
    """The number of processes to run on this machine. Raises SweepError."""
    given = os.environ.get(WORKERS)
    if given:
        if not (re.fullmatch("[0-9]{1,9}", given) and 1 <= int(given) <= MOST):
            raise SweepError(f"{WORKERS} must be a number of processes from 1 to {MOST}, not {brief(given)}")
        return int(given)
    return system.cores()


def scheduler_asked_for() -> str | None:
    """The address in ``RNNREPORT_SCHEDULER``, if any. Raises SweepError if it is not one."""
    return _check_address(os.environ.get(SCHEDULER) or None, SCHEDULER)


def _check_address(scheduler: str | None, what: str = "a scheduler's address") -> str | None:
    if scheduler is not None and not re.fullmatch(r"tcp://\S+:[0-9]+", scheduler):
        raise SweepError(f"{what} is like tcp://host:8786, not {scheduler!r}")
    return scheduler


class _Place:
    """Where calls run. The client is created at its first use, and again at the next use after it is closed."""

    def __init__(
        self,
        scheduler: str | None = None,
        slurm: bool = False,
        workers: int | None = None,
        wait: float = WAIT,
        logs: Path | None = None,
    ) -> None:
        self.scheduler, self.slurm, self.workers, self.wait, self.logs = scheduler, slurm, workers, wait, logs
        self._lock = threading.Lock()
        self._client: Client | None = None

    @property
    def address(self) -> str | None:
        """The address of the scheduler that already runs, if there is one. Raises SweepError."""
        return self.scheduler or (None if self.slurm or self.workers else scheduler_asked_for())

    def __str__(self) -> str:
        return f"the scheduler {self.address}" if self.address else "SLURM" if self.slurm else "this machine"

    def client(self) -> Client:
        """The client of the scheduler. Raises SweepError."""
        with self._lock:
            if self._client is None:
                self._client = self._start()
            return self._client

    def close(self, at_once: bool = False) -> None:
        """Close the client and everything started for it. at_once: do not wait for running calls."""
        with self._lock:
            client, self._client = self._client, None
        if client is None:
            return
        cluster = client.cluster
        with suppress(Exception):  # the scheduler may be gone
            if at_once and not self.slurm and cluster:
                cluster.sync(_kill, cluster)
            client.close(timeout=1)
        if cluster:
            with suppress(Exception):
                cluster.close(timeout=5)

    def refill(self, found: int) -> None:
        """Start the processes of this machine that are missing: dask gives one up that dies while it starts."""
        cluster = self._client.cluster if self._client else None
        if cluster and not self.slurm and found < self._processes():
            cluster.scale(self._processes())

    def _processes(self) -> int:
        return self.workers or cores()

    def _start(self) -> Client:
        import distributed

        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # SweepError reports what goes wrong
        try:
            where = self.address or (self._slurm() if self.slurm else self._local())  # a busy machine takes its time
            return distributed.Client(where, timeout=self.wait, set_as_default=False)
        except (OSError, RuntimeError, TimeoutError, ValueError) as error:
            reason = f"did not answer within {self.wait:.0f} s" if self.address else f"started no worker: {error}"
            raise SweepError(f"{self} {reason}") from error

    def _local(self) -> Any:
        import multiprocessing

        from distributed import LocalCluster

        try:
            multiprocessing.get_context("spawn").Lock()  # one like those by which its processes are watched
        except OSError as error:
            raise OSError(f"processes need /dev/shm, which cannot be used here ({error.strerror})") from error
        return LocalCluster(
            n_workers=self._processes(),
            threads_per_worker=1,
            host="127.0.0.1",
            scheduler_kwargs=NO_DASHBOARD,
            memory_limit=None,
            silence_logs=logging.CRITICAL,
            preload=["rnnreport.sweep"],  # see dask_setup
            config={"distributed.worker.profile.enabled": False},  # it would sample the thread 100 times per second
        )

    def _slurm(self) -> Any:
        import dask
        from dask_jobqueue import SLURMCluster

        if self.logs:
            check_folder(self.logs)
        settings = dask.config.get("jobqueue.slurm")
        cluster = SLURMCluster(
            cores=1,
            processes=1,
            memory=settings["memory"] or "4 GB",
            log_directory=settings["log-directory"] or self.logs,
            scheduler_options={**NO_DASHBOARD, **settings["scheduler-options"]},
            silence_logs=logging.CRITICAL,
        )
        jobs = self.workers or SLURM_JOBS
        cluster.adapt(minimum=jobs, maximum=jobs)  # scale(jobs) would not replace a lost job
        return cluster


_places = [_Place()]  # the innermost ``on`` last; without one, this machine


class _Sweep:
    """One call of :func:`run`.

    It submits no more calls than there are free workers. The scheduler would assign further calls to workers at once,
    and count the death of a worker against every call that waits there.
    """

    def __init__(
        self,
        place: _Place,
        calls: Mapping[str, Callable[[], object]],
        sizes: Mapping[str, int],
        bar: tqdm,
        on_end: Callable[[str], None],
    ) -> None:
        self.place, self.calls, self.sizes, self.bar, self.on_end = place, calls, sizes, bar, on_end
        self.topic = f"{bar.desc}-{uuid.uuid4().hex}"
        self.done = dict.fromkeys(calls, 0)  # of each call's size
        self.failed: dict[str, BaseException] = {}
        self.threads, self.seen, self.asked = 0, 0.0, 0.0

    def run(self) -> dict[str, BaseException]:
        client = self.place.client()
        self.seen = time.monotonic()
        client.subscribe_topic(self.topic, self._hear)
        waiting, running = list(self.calls), dict[str, Any]()
        try:
            while waiting or running:
                self._count_workers(client)
                while waiting and len(running) < self.threads:
                    key = waiting.pop(0)
                    running[key] = self._submit(client, key)
                for key in [key for key, future in running.items() if future.done()]:
                    self._finish(key, running.pop(key))
                done = len(self.calls) - len(waiting) - len(running) - len(self.failed)
                self.bar.set_postfix_str(
                    f"{len(running)} running, {done} done, {len(self.failed)} failed", refresh=False
                )
                self.bar.update(sum(self.done.values()) - self.bar.n)
                if time.time() - self.bar.last_print_t > self.bar.mininterval:  # the clock runs on without progress
                    self.bar.refresh()
                    self.bar.last_print_t = time.time()
                time.sleep(0.05 if running else 0.2)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                client.unsubscribe_topic(self.topic)
                client.cancel(list(running.values()), force=True)
        return self.failed

    def _submit(self, client: Client, key: str) -> Future:
        import cloudpickle

        # As bytes, so that only the worker, and not the scheduler, must import the call's modules.
        environment = {name: value for name, value in os.environ.items() if name.startswith("RNNREPORT_")}
        call = cloudpickle.dumps(self.calls[key])
        return client.submit(_make, call, self.topic, key, environment, key=f"{self.topic}-{key}", pure=False)

    def _finish(self, key: str, future: Future) -> None:
        from distributed import KilledWorker

        if future.status not in ("finished", "error"):
            raise self._lost()
        error = future.exception()
        if isinstance(error, KilledWorker):
            error = SweepError(f"its worker was terminated {error.allowed_failures + 1} times")
        if error is not None:
            self.failed[key] = error
        else:
            self.done[key] = self.sizes[key]
            self.on_end(key)

    def _count_workers(self, client: Client) -> None:
        """Update, once per second, how many calls can run at a time. Raises SweepError if none can for too long."""
        now = time.monotonic()
        if now - self.asked < 1:
            return
        try:
            threads = client.nthreads().values()
        except (OSError, RuntimeError, TimeoutError) as error:
            raise self._lost() from error
        if any(number > 1 for number in threads):
            raise SweepError(
                f"workers must have one thread (`dask worker --nthreads 1`); {self.place} has one of {max(threads)}"
            )
        self.threads, self.asked = len(threads), now
        self.place.refill(self.threads)
        if threads:
            self.seen = now
        elif now - self.seen > self.place.wait:
            raise SweepError(f"{self.place} had no worker for {self.place.wait:.0f} s{self._where_to_look()}")

    def _where_to_look(self) -> str:
        """A hint for SLURM, whose jobs may still be in the queue, or have failed at once."""
        logs = f", what jobs said is in {self.place.logs}" if self.place.logs else ""
        return f"; `squeue` shows its queue{logs}, a longer wait is allowed" if self.place.slurm else ""

    def _hear(self, event: tuple[float, tuple[str, int]]) -> None:
        key, size = event[1]
        self.done[key] = max(self.done[key], min(size, self.sizes[key]))

    def _lost(self) -> SweepError:
        return SweepError(f"the connection to {self.place} was lost; what is finished is kept, the same call goes on")


async def _kill(cluster: Any) -> None:
    import asyncio

    await asyncio.gather(*(nanny.kill(timeout=0) for nanny in cluster.workers.values()), return_exceptions=True)


# Below: what runs in a worker.


class _Progress:
    """How far a call is. It reports the sum so far, so that a call that is made again starts from 0."""

    def __init__(self, topic: str, key: str) -> None:
        self.topic, self.key, self.done, self.told = topic, key, 0, 0.0

    def report(self, size: int) -> None:
        from distributed import get_worker

        self.done += size
        if time.monotonic() - self.told > 0.5:
            self.told = time.monotonic()
            get_worker().log_event(self.topic, (self.key, self.done))


_progress: ContextVar[_Progress | None] = ContextVar("_progress", default=None)


def _make(call: bytes, topic: str, key: str, environment: dict[str, str]) -> None:
    """Make a call, with this package's environment variables of the process that started the sweep."""
    for name in [name for name in os.environ if name.startswith("RNNREPORT_")]:
        del os.environ[name]
    os.environ.update(environment)
    token = _progress.set(_Progress(topic, key))
    try:
        pickle.loads(call)()
    finally:
        _progress.reset(token)


def dask_setup(worker: object) -> None:
    """Dask calls this in each new worker of this machine: Ctrl-C reaches all, but only the parent should act on it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
