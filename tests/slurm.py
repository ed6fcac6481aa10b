"""A SLURM of one node on this machine's loopback, in a folder of its own, for tests/test_slurm.py."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol")
SETTINGS = """\
ClusterName=rnnreport
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=8000
PartitionName=tests Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> str:
    """What this machine lacks for a SLURM of its own; nothing where it lacks nothing."""
    missing = [program for program in PROGRAMS if not shutil.which(program, path=_path())]
    if missing:
        return f"no SLURM on this machine ({', '.join(missing)}); Debian: slurmctld slurmd slurm-client munge"
    return "" if os.geteuid() == 0 else "SLURM's daemons want to be started by root"


@contextmanager
def one_node(folder: Path, cores: int = 2) -> Iterator[dict[str, str]]:
    """A SLURM that has this many cores for its jobs; yields the environment in which its commands reach it."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o700)
    (folder / "munge" / "key").write_bytes(os.urandom(128))
    (folder / "munge" / "key").chmod(0o600)
    settings = folder / "slurm.conf"
    controller_port, node_port = _free_port(), _free_port()
    settings.write_text(
        SETTINGS.format(host=host, folder=folder, cores=cores, controller_port=controller_port, node_port=node_port)
    )
    environment = {**os.environ, "PATH": _path(), "SLURM_CONF": str(settings)}
    munge = [
        f"--{name}-file={folder}/munge/{file}" for name, file in (("key", "key"), ("log", "log"), ("seed", "seed"))
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in (
            [
                "munged",
                "--foreground",
                "--force",
                f"--socket={folder}/munge/socket",
                f"--pid-file={folder}/pid",
                *munge,
            ],
            ["slurmctld", "-D", "-f", str(settings)],
            ["slurmd", "-D", "-f", str(settings), "-N", host],
        ):
            with (folder / f"{command[0]}.out").open("wb") as out:
                daemons.append(subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT))
            if command[0] == "munged":
                _wait_for((folder / "munge" / "socket").exists, folder)
        _wait_for(lambda: _said(environment, "sinfo", "--noheader", "--format=%t") == "idle", folder)
        yield environment
    finally:
        if daemons:
            _said(environment, "scancel", "--user=root")
            time.sleep(1)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in reversed(daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def jobs(environment: dict[str, str]) -> list[str]:
    """The numbers of the jobs that run."""
    return _said(environment, "squeue", "--noheader", "--states=RUNNING", "--format=%i").split()


def _said(environment: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip()


def _wait_for(condition: object, folder: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.log")))
            raise RuntimeError(f"SLURM did not start:\n{logs}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"  # Debian's place for daemons
