"""The executor on a dask client: submissions, results, lost workers, and a local cluster started for a run.

It calls `on_result` on the client for every tile, as soon as it is known; an exception from there ends the run.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dask.utils

from mirage_dask.errors import InputError
from mirage_dask.run.display.events import MemoryUsed
from mirage_dask.run.executors.executor import Executor, OnResult
from mirage_dask.run.executors.graph import task_array
from mirage_dask.run.executors.interrupts import end_quietly, interrupts_held, levels_kept
from mirage_dask.run.executors.memory import memory_of_workers
from mirage_dask.run.executors.resources import ASYNCHRONOUS, Resources
from mirage_dask.run.executors.workers import check_package, known_workers
from mirage_dask.run.report import RunError
from mirage_dask.run.tasks import MOST_BLOCKS, RunHandle, TileRanges, TileResult, error_line, submissions

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5.0
WORKERLESS_SECONDS = 120.0
"""How long a run waits for a worker of a local cluster to come back."""
WATCH_SECONDS = 5.0
THREADS_TO_COME = 64
"""Tasks are cut for this many threads where no worker has started yet."""


class DistributedExecutor(Executor):
    """Any dask client.

    Parameters
    ----------
    client
        A client that runs.
    """

    client: Client

    def __init__(self, client: Client):
        self.client = client
        self.threads, self.threads_per_process, self.memory_limit = client_resources(client)

    def execute(self, ranges: TileRanges, per_block: int, handle: RunHandle, on_result: OnResult) -> None:
        """Run all tiles of the ranges; a task that dask gives up on (its worker died repeatedly) counts as failed.

        A run of more tasks than a scheduler can hold well is submitted in parts, the next one before the last has run dry.

        Raises
        ------
        RunError
            If the scheduler is lost, or a local cluster has lost its workers for good.
        """
        from distributed import as_completed, futures_of

        from mirage_dask.run.executors.warm import warmed

        client = self.client
        handle = replace(handle, own_process=True)
        waiting = deque(enumerate(submissions(ranges, per_block)))
        low = min(MOST_BLOCKS, -(-len(ranges) // per_block)) // 10
        held: dict[str, Any] = {}
        blocks: dict[str, TileRanges] = {}

        def submit() -> list[Any]:
            number, part = waiting.popleft()
            futures: list[Any] = futures_of(client.persist(task_array(part, per_block, handle, number)))
            for future in futures:
                at = per_block * int(future.key[-1])
                held[str(future.key)] = future
                blocks[str(future.key)] = part[at : at + per_block]
            return futures

        try:
            with warmed(client, handle, int(ranges["row"][0])), _workers_watched(client, held) as deserted:
                self.tiles_begin()
                arriving = as_completed(submit(), loop=client.loop)
                for batch in arriving.batches():
                    # Results that were lost with their worker are computed again, and arrive again.
                    gone = {future.key for future in batch if future.status in ("lost", "pending")}
                    arriving.update([future for future in batch if future.key in gone])
                    present = [future for future in batch if future.key not in gone]
                    for key, results in _results(client, present, deserted).items():
                        block = blocks.pop(key)
                        if results is None:
                            results = _given_up(block, held[key].exception())
                        for result in results:
                            on_result(result)
                        held.pop(key).release()
                    if waiting and len(held) <= low:
                        arriving.update(submit())
        except BaseException as error:
            with suppress(Exception):  # a client that is closed cancels nothing
                client.cancel(list(held.values()), force=True)
            if _is_of_dask(error):
                raise _lost() from error
            raise

    def memory_used(self) -> MemoryUsed | None:
        """Return the memory of the worker nearest to its limit."""
        return memory_of_workers(self.client)


@contextmanager
def _workers_watched(client: Client, held: dict[str, Any]) -> Iterator[threading.Event]:
    """Cancel the futures and set the event that is yielded when a local cluster stays without workers.

    Workers of other clusters may come back after hours in a queue, and those of an adaptive one when there are tasks; those
    of a local cluster that could not be restarted never do, and the run would wait forever.
    """
    from distributed import LocalCluster

    deserted, over = threading.Event(), threading.Event()

    def watch() -> None:
        without = 0.0
        while without < WORKERLESS_SECONDS:
            if over.wait(WATCH_SECONDS):
                return
            workers = known_workers(client)
            without = 0.0 if workers or _most_adaptive_workers(client.cluster) else without + WATCH_SECONDS
        deserted.set()
        client.cancel(list(held.values()), force=True)

    if isinstance(client.cluster, LocalCluster):
        threading.Thread(target=watch, name="mirage_dask worker watch", daemon=True).start()
    try:
        yield deserted
    finally:
        over.set()


def _most_adaptive_workers(cluster: Any) -> float:
    """Return how many workers a cluster may start by itself when there are tasks; 0 if it is not adaptive."""
    adaptive = getattr(cluster, "_adaptive", None)  # made by `Cluster.adapt`; there is no public attribute
    running = getattr(adaptive, "state", "stopped") in ("starting", "running")
    return float(adaptive.maximum) if adaptive is not None and running else 0.0


@dataclass(frozen=True)
class _WorkerToCome:
    """What a cluster will give to each worker that it starts."""

    threads: int = 1
    memory_limit: int | None = None
    """Bytes; None where it is not known."""


def _worker_to_come(cluster: Any) -> _WorkerToCome:
    """Return what the workers of a cluster will have, whose processes start now or whose jobs wait in a queue."""
    job = getattr(cluster, "_dummy_job", None)  # of dask-jobqueue; there is no public attribute
    options = (getattr(cluster, "new_spec", None) or {}).get("options", {})
    try:
        if job is not None:
            limit = dask.utils.parse_bytes(job.worker_process_memory)
            return _WorkerToCome(int(job.worker_process_threads), int(limit))
        limit = dask.utils.parse_bytes(options["memory_limit"])
        return _WorkerToCome(int(options.get("nthreads") or 1), int(limit))
    except (AttributeError, KeyError, TypeError, ValueError):  # other kinds of clusters; 'auto', a fraction
        return _WorkerToCome()


def _results(client: Client, batch: list[Any], deserted: threading.Event) -> dict[str, Any]:
    """Fetch the results of finished futures by key; None for a task that dask has given up.

    They are fetched here and not by `as_completed`, whose task for a future ends without an error when the scheduler is lost
    while it fetches.

    Raises
    ------
    RunError
        If the scheduler is lost or does not know the run.
    """
    lost = _lost(
        f"The local cluster has had no worker for {WORKERLESS_SECONDS:.0f} s" if deserted.is_set() else ""
    )
    if any(future.status == "cancelled" for future in batch):
        raise lost
    try:
        found: dict[str, Any] = client.gather({str(f.key): f for f in batch}, errors="skip")
    except (OSError, CancelledError, TimeoutError) as error:
        raise lost from error
    if any(found[str(f.key)] is None and f.status != "error" for f in batch):
        raise lost
    return found


def _lost(what: str = "") -> RunError:
    return RunError(
        f"{what or 'The dask scheduler was lost, or its client closed or restarted during the run'}; what is committed is "
        "kept: the same command resumes it."
    )


def _is_of_dask(error: BaseException) -> bool:
    """Return whether dask raised an error because a client, a scheduler or a connection is gone."""
    return isinstance(error, CancelledError | asyncio.CancelledError) or type(error).__module__.startswith(
        "distributed"
    )


def _given_up(block: TileRanges, error: BaseException) -> Iterator[TileResult]:
    text = error_line(error)
    for row, first, stop in block.tolist():
        for tile in range(first, stop):
            yield TileResult(row, tile, 0.0, None, text, text)


@contextmanager
def connected(resources: Resources) -> Iterator[Client]:
    """Yield the client to run on: the one given, one for an address or a cluster, or one for processes started for this.

    Processes of the local cluster have one thread each: a process per core scales better than threads (Python parts and zarr
    share a lock), and each has its own memory limit.

    Raises
    ------
    InputError
        If nothing answers at the address within seconds, the client is closed or asynchronous, its workers have another
        version of this package or none, or processes do not start.
    """
    from distributed import Client

    client = resources.client
    if resources.workers is not None:
        with levels_kept(), ExitStack() as stack:
            with interrupts_held():
                cluster = stack.enter_context(_local_cluster(resources))
                started = stack.enter_context(Client(cluster))
            try:
                yield started
            except KeyboardInterrupt:
                end_quietly(cluster)
                raise
    elif isinstance(client, str) or hasattr(client, "scheduler_address"):
        with _client_of(client) as found:
            _check_usable(found)
            yield found
    else:
        assert client is not None
        # A cluster's `get_client` may return the one that the user works with: it stays open.
        given: Client = client if isinstance(client, Client) else client.get_client()
        _check_usable(given)
        yield given


@contextmanager
def _local_cluster(resources: Resources) -> Iterator[Any]:
    """Start the processes of `workers=N`, and end them with the block.

    Raises
    ------
    InputError
        If they do not start.
    """
    from distributed import LocalCluster

    try:
        cluster = LocalCluster(
            n_workers=resources.workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=resources.memory or "auto",
            dashboard_address=":0",
            silence_logs=logging.ERROR,
        )
    except RuntimeError as error:
        raise InputError(
            f"The processes of workers (--workers {resources.workers}) did not start ({_short(error)}). They import the "
            'script that is running again: put its lines below `if __name__ == "__main__":`, or run in threads.'
        ) from error
    with cluster:
        yield cluster


def _client_of(place: Any) -> Client:
    """Return a new client of the scheduler at an address, or of a cluster.

    Raises
    ------
    InputError
        If nothing answers.
    """
    from distributed import Client

    try:
        return Client(place, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, AttributeError) as error:  # TimeoutError is an OSError
        raise InputError(
            f"No dask scheduler answers at {place!r} ({_short(error)}); check the address and that the scheduler runs."
        ) from error


def _check_usable(client: Client) -> None:
    """Refuse a client that cannot serve a run.

    Raises
    ------
    InputError
        If it is asynchronous or closed, or its workers lack this package or have another version of it.
    """
    if client.asynchronous:
        raise InputError(ASYNCHRONOUS)
    if client.status != "running":
        raise InputError(f"The dask client is {client.status}; connect it to a running scheduler.")
    check_package(client)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def client_resources(client: Client) -> tuple[int, int, int | None]:
    """Return (threads in all, most threads of a worker, smallest memory limit of a worker) of a client.

    Threads in all are at least those of the workers that an adaptive cluster may start, so that there are tasks for them.
    """
    workers = known_workers(client).values()
    to_come = _worker_to_come(client.cluster)
    limits = [w["memory_limit"] for w in workers if w.get("memory_limit")]
    threads = [w["nthreads"] for w in workers]
    most = _most_adaptive_workers(client.cluster)
    per_worker = max(threads, default=to_come.threads)
    expected = int(most) * per_worker if most < float("inf") else 0
    return (
        max(sum(threads), expected) or THREADS_TO_COME,
        per_worker,
        min(limits, default=to_come.memory_limit),
    )
