"""The memory that the worker nearest to its limit uses, measured about once a second during a run.

For the workers of a dask client it is what they last reported to their scheduler; in this process it is its own resident
memory. Both are read in a separate thread, so that a slow scheduler delays nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

from mirage_dask.run.display.events import MemoryUsed
from mirage_dask.run.executors.workers import known_workers

if TYPE_CHECKING:
    from distributed import Client

WATCH_SECONDS = 1.0
"""Seconds between two measurements."""

logger = logging.getLogger(__name__)


def memory_of_process() -> MemoryUsed:
    """Return the resident memory of this process; it has no limit."""
    return MemoryUsed("", int(psutil.Process().memory_info().rss), None)


def memory_of_workers(client: Client) -> MemoryUsed | None:
    """Return the memory of the worker that is nearest to its limit, or is the largest where there are none.

    Returns
    -------
    MemoryUsed or None
        None when there is no worker, or none has reported its memory yet.
    """
    found = []
    for address, worker in known_workers(client).items():
        used, limit = int(worker.get("metrics", {}).get("memory", 0)), worker.get("memory_limit") or None
        if used:
            found.append((used / limit if limit else 0.0, used, str(address), limit))
    if not found:
        return None
    _, used, address, limit = max(found, key=lambda worker: worker[:2])
    return MemoryUsed(address, used, limit)


@contextmanager
def memory_watched(
    read: Callable[[], MemoryUsed | None], dispatch: Callable[[MemoryUsed], None]
) -> Iterator[None]:
    """Dispatch the memory in use about once a second until the block ends, from a thread of its own.

    Parameters
    ----------
    read
        `memory_of_process`, or `memory_of_workers` of a client.
    dispatch
        Called with each answer, never after the block.
    """
    over, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        while not over.is_set():
            try:
                used = read()
            except Exception as error:  # the scheduler may be lost: the run itself reports that
                logger.info("memory is not known: %r", error)
                used = None
            with lock:
                if used is not None and not over.is_set():
                    dispatch(used)
            over.wait(WATCH_SECONDS)

    threading.Thread(target=watch, name="mirage_dask memory watch", daemon=True).start()
    try:
        yield
    finally:
        with lock:
            over.set()
