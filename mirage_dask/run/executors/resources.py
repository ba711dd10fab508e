"""The resources of a run: which client, or how many processes or threads, and how much memory.

`run_plan`, `export_store` and `verify_store` take them as one value; the public methods and the command line make it from
their arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.run.executors.main_guard import unguarded_line
from mirage_dask.run.sizes import parse_size

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy import Cluster

SCHEDULERS = ("serial", "threads")

ASYNCHRONOUS = (
    "The dask client is asynchronous, and a run needs a synchronous one: give client=Client(ADDRESS), "
    "or scheduler='threads'."
)
"""Such a client is served by the thread that waits for it, and so would wait for ever."""


@dataclass(frozen=True)
class Resources:
    """Where the tasks of a run are executed; at most one of `client`, `workers` and `scheduler` is given.

    Without any of them it is the active dask client of the session, else threads of this process.

    Raises
    ------
    InputError
        If values are not valid or contradict each other, with all problems.
    """

    client: Client | Cluster | str | None = None
    """A dask client, a cluster (any object with `get_client` or `scheduler_address`), or the address of a scheduler."""
    workers: int | None = None
    """Start this number of local processes of one thread each for the run. They import the script that is running again:
    its lines stand below `if __name__ == "__main__":`."""
    memory: str | int | None = None
    """Memory limit of each of those processes: bytes, or a text such as "2GB"."""
    scheduler: str | None = None
    """'serial': a plain loop in this thread; 'threads': threads of this process."""
    threads: int | None = None
    """Number of threads of this process; default the number of processors that it may use."""

    def __post_init__(self) -> None:
        """Validate all values together."""
        if problems := self._problems():
            raise InputError(problems)

    def _problems(self) -> list[str]:
        problems = []
        given = [name for name in ("client", "workers", "scheduler") if getattr(self, name) is not None]
        if len(given) > 1:
            problems.append(f"{' and '.join(given)} exclude each other; give one of them.")
        if self.scheduler not in (None, *SCHEDULERS):
            problems.append(
                f"scheduler must be 'serial' or 'threads', not {self.scheduler!r}; an address goes into client."
            )
        if self.client is not None and not is_client(self.client):
            problems.append(
                f"client must be a dask Client, a cluster such as LocalCluster, or the address of a scheduler, not "
                f"{type(self.client).__name__} {self.client!r}."
            )
        elif getattr(self.client, "asynchronous", False):
            problems.append(ASYNCHRONOUS)
        if self.workers is not None and (line := unguarded_line()):
            problems.append(
                f"{line} starts processes (workers), which import the script again; put its lines below "
                '`if __name__ == "__main__":`.'
            )
        for name in ("workers", "threads"):
            count = getattr(self, name)
            if count is not None and not (isinstance(count, int) and count >= 1):
                problems.append(f"{name} must be a whole number of at least 1, not {count!r}.")
        if self.memory is not None:
            if self.workers is None:
                problems.append(
                    "memory (--memory) is the limit of the processes that workers=N (--workers N) starts; give workers too."
                )
            try:
                parse_size(self.memory, "memory")
            except InputError as error:
                problems += error.problems
        if self.threads is not None and (
            self.scheduler == "serial" or self.client is not None or self.workers is not None
        ):
            problems.append("threads goes with scheduler='threads' only; leave one of them out.")
        return problems


def starting(resources: Resources) -> str:
    """Return what is done to begin a run on resources, in words; empty when that takes no time."""
    if resources.workers is not None:
        return f"starting {counted(resources.workers, 'worker')}"
    return "connecting to the scheduler" if isinstance(resources.client, str) else ""


def is_client(value: object) -> bool:
    """Return whether a run can be given to a value: a client, a cluster or an address."""
    return isinstance(value, str) or any(
        hasattr(value, name) for name in ("get_client", "scheduler_address", "scheduler_info")
    )


DEFAULT = Resources()
"""The active dask client, else threads of this process."""
