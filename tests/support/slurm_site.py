"""A SLURM of one node: munged, slurmctld and slurmd of this machine, started by a test and ended with it.

Everything that they write lies in one folder. They run as the user of the test, who submits the jobs too, without systemd,
cgroups or accounting.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from support.services import PATIENCE, free_ports, kill, processes_where, stop, wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
"""Daemons often lie where only root looks for programs."""
CPUS, MEMORY = 4, 16_000
"""What the node says that it has, MiB of memory; jobs are not confined to their part."""

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """Return the programs of SLURM and MUNGE that this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


class SlurmSite:
    """The site, as a test uses it.

    Attributes
    ----------
    folder : Path
        Of its configuration, state and logs.
    environment : dict of str to str
        Variables with which the commands of SLURM find it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}

    def call(self, *words: str) -> str:
        """Return what a command of SLURM prints."""
        environment = os.environ | self.environment
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}{self.logs}"
        return done.stdout

    def jobs(self, state: str = "") -> list[str]:
        """Return the numbers of the jobs, or of those in a state such as RUNNING."""
        lines = self.call("squeue", "--noheader", "--format=%i %T").splitlines()
        return [number for number, found in map(str.split, lines) if state in ("", found)]

    @property
    def logs(self) -> str:
        """The last lines of the daemons."""
        texts = {path.name: path.read_text(errors="replace") for path in self.folder.glob("*.log")}
        return "".join(f"\n{name}:\n{text[-2000:]}" for name, text in texts.items())

    def processes_of_jobs(self) -> list[psutil.Process]:
        """Return the processes that jobs have started."""

        def belongs(process: psutil.Process) -> bool:
            variables = process.environ()
            here = variables.get("SLURM_CONF") == self.environment["SLURM_CONF"]
            return here and "SLURM_JOB_ID" in variables

        return processes_where(belongs)


@contextmanager
def slurm_site() -> Iterator[SlurmSite]:
    """Start a site, and end all that it has started with the block."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, ExitStack() as stack:
        site = SlurmSite(Path(name))
        _configure(site.folder)
        for words in (
            ("munged", "--force", "--foreground", *_munge_files(site.folder)),
            ("slurmctld", "-D", "-c"),
            ("slurmd", "-D"),
        ):
            with open(site.folder / f"{words[0]}.log", "wb") as log:
                program = shutil.which(words[0], path=PATH) or words[0]
                environment = os.environ | site.environment
                daemon = subprocess.Popen([program, *words[1:]], env=environment, stdout=log, stderr=log)
            stack.callback(stop, daemon)
            if words[0] == "munged":
                wait_until((site.folder / "munge.socket").exists, lambda: site.logs)
        wait_until(lambda: _is_idle(site), lambda: site.logs)
        stack.callback(_end_jobs, site)
        yield site


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(
        host=host, ports=free_ports(2), user=getpass.getuser(), folder=folder, cpus=CPUS, memory=MEMORY
    )
    (folder / "slurm.conf").write_text(text)


def _munge_files(folder: Path) -> list[str]:
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
    files |= {"log-file": "munged.own.log", "seed-file": "munged.seed"}
    return [f"--{option}={folder / name}" for option, name in files.items()]


def _is_idle(site: SlurmSite) -> bool:
    try:
        return site.call("sinfo", "--noheader", "--format=%T").strip() == "idle"
    except AssertionError:  # slurmctld does not answer yet
        return False


def _end_jobs(site: SlurmSite) -> None:
    """Cancel all jobs and wait for the end of their processes; those that stay are killed."""
    of_jobs = site.processes_of_jobs()
    steps = processes_where(
        lambda one: one.name() == "slurmstepd" and any(child in of_jobs for child in one.children())
    )

    def alive() -> list[psutil.Process]:
        return [one for one in of_jobs + steps if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    with suppress(AssertionError, subprocess.TimeoutExpired):
        site.call("scancel", f"--user={getpass.getuser()}")
        wait_until(lambda: not site.jobs() and not alive(), lambda: site.logs)
    kill(alive(), patience=0)
