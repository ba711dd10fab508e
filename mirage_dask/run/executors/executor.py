"""The interface of executors: run tile ranges, and know the threads and the memory for that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from mirage_dask.run.display.events import MemoryUsed
from mirage_dask.run.tasks import RunHandle, TileRanges, TileResult

if TYPE_CHECKING:
    from distributed import Client

OnResult = Callable[[TileResult], None]


class Executor(ABC):
    """Runs tile ranges. What a pixel is does not depend on the executor.

    Attributes
    ----------
    threads : int
        In all processes.
    threads_per_process : int
        In one process.
    memory_limit : int or None
        Bytes of one process; None when there is no limit.
    client : Client or None
        The dask client, where there is one.
    tiles_begin : callable
        Called by `execute` when kernels are loaded and the first tiles begin.
    """

    threads: int = 1
    threads_per_process: int = 1
    memory_limit: int | None = None
    client: Client | None = None
    tiles_begin: Callable[[], None] = staticmethod(lambda: None)
    """Called when workers are ready, kernels loaded and references opened, and tiles begin."""

    @abstractmethod
    def execute(self, ranges: TileRanges, per_block: int, handle: RunHandle, on_result: OnResult) -> None:
        """Run all tiles of the ranges.

        Parameters
        ----------
        ranges
            Array of `tasks.TILE_RANGE`.
        per_block
            How many of them make one task.
        handle
            The run.
        on_result
            Called in this process for every tile, as soon as its result is known; an exception from it ends the run.
        """

    @abstractmethod
    def memory_used(self) -> MemoryUsed | None:
        """Return the memory that the process nearest to its limit uses now; None when it is not known."""
