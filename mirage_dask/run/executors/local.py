"""Executors in this process: a plain loop, and threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from mirage_dask.run.display.events import MemoryUsed
from mirage_dask.run.executors.executor import Executor, OnResult
from mirage_dask.run.executors.memory import memory_of_process
from mirage_dask.run.tasks import RunHandle, TileRanges, run_block, submissions


class SerialExecutor(Executor):
    """All tiles one after the other in this thread, without dask."""

    def execute(self, ranges: TileRanges, per_block: int, handle: RunHandle, on_result: OnResult) -> None:  # noqa: ARG002
        """Run all tiles of the ranges (see `Executor.execute`)."""
        for row, first, stop in ranges.tolist():
            for result in handle.results(row, first, stop):
                on_result(result)

    def memory_used(self) -> MemoryUsed:
        """Return the memory of this process."""
        return memory_of_process()


class ThreadsExecutor(Executor):
    """Dask's threaded scheduler in this process.

    Parameters
    ----------
    threads
        Number of threads; default the number of processors that this process may use.
    """

    def __init__(self, threads: int | None = None):
        self.threads = self.threads_per_process = threads or processors()

    def execute(self, ranges: TileRanges, per_block: int, handle: RunHandle, on_result: OnResult) -> None:
        """Run all tiles of the ranges (see `Executor.execute`)."""
        known: set[tuple[int, int]] = set()

        def finished(_key: Any, value: Any, *_rest: Any) -> None:
            # The arrays of results pass here as they are made, and maybe again where dask puts them together.
            if isinstance(value, np.ndarray) and value.dtype == object:
                for result in value.flat:
                    if (result.row, result.tile) not in known:
                        known.add((result.row, result.tile))
                        on_result(result)

        # Given to this computation alone: dask's registered callbacks belong to the process, and two runs in two threads
        # would take each other's.
        callbacks = [(None, None, None, finished, None)]
        # Kernels are loaded and references opened once, or the first tile of each thread would wait for that.
        with suppress(Exception):  # the first tile fails with it too, and records it
            handle.warm(int(ranges["row"][0]))
        self.tiles_begin()
        # Not an array of dask's and a scheduler by its name, as elsewhere: dask.array and distributed take 1.2 s to import.
        from dask import compute
        from dask.delayed import delayed
        from dask.threaded import get

        task = delayed(run_block, pure=False)
        pool = ThreadPoolExecutor(self.threads)
        try:
            for part in submissions(ranges, per_block):
                blocks = [task(part[k : k + per_block], handle) for k in range(0, len(part), per_block)]
                compute(*blocks, traverse=False, scheduler=get, pool=pool, callbacks=callbacks)
        finally:  # a run that has ended, also with an error, writes nothing more
            pool.shutdown(wait=True, cancel_futures=True)

    def memory_used(self) -> MemoryUsed:
        """Return the memory of this process."""
        return memory_of_process()


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
