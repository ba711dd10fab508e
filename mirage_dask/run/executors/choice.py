"""Where tiles are made: in this thread, in threads of this process, on processes started for it, or on a dask client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mirage_dask.run.display.events import MemoryUsed
from mirage_dask.run.executors import distributed
from mirage_dask.run.executors.memory import memory_of_process, memory_of_workers
from mirage_dask.run.tasks import RunHandle, TileRanges

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Way:
    """An executor and what it has."""

    execute: Callable[[TileRanges, int, RunHandle, distributed.OnResult], None]
    threads: int
    """In all processes."""
    threads_each: int
    """In one process."""
    memory_limit: int | None
    """Bytes of one process; None when there is no limit."""
    memory: Callable[[], MemoryUsed | None]
    """Says what the worker nearest to its limit uses now."""
    client: Client | None = None


@contextmanager
def chosen_way(
    *,
    client: Client | str | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
) -> Iterator[Way]:
    """Give the executor for what was asked for; the arguments are those of `run_plan`.

    Raises
    ------
    InputError
        If nothing answers at the address, or the client is closed.
    """
    if client is None and workers is None and scheduler is None:
        client = _active_client()
    with distributed.connected(client, workers, memory) as found:
        if found is not None:
            total, each, limit = distributed.client_resources(found)
            yield Way(
                partial(distributed.run_distributed, client=found),
                total,
                each,
                limit,
                partial(memory_of_workers, found),
                found,
            )
        elif scheduler == "serial":
            yield Way(distributed.run_serial, 1, 1, None, memory_of_process)
        else:
            count = threads or processors()
            yield Way(partial(distributed.run_threads, threads=count), count, count, None, memory_of_process)


def check_way(
    *,
    client: Client | str | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
) -> list[str]:
    """Return what is wrong with such a choice, one sentence each."""
    problems = []
    ways = {"client": client, "workers": workers, "scheduler": scheduler}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        problems.append(f"{' and '.join(given)} exclude each other; give one of them.")
    if scheduler not in (None, "serial", "threads"):
        problems.append(
            f"scheduler must be 'serial' or 'threads', not {scheduler!r}; an address goes into client."
        )
    if workers is not None and workers < 1:
        problems.append(f"workers must be at least 1, not {workers}.")
    if memory is not None and workers is None:
        problems.append("memory limits the processes that workers=N starts; give workers too.")
    if threads is not None and (
        threads < 1 or scheduler not in (None, "threads") or client is not None or workers
    ):
        problems.append("threads, at least 1, goes with scheduler='threads' only.")
    return problems


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _active_client() -> Client | None:
    """Return the dask client that the user's session works with, if there is one."""
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None
