"""Missing tiles cut into tasks, and how a worker executes one.

A task is a few consecutive tiles of an exposure: enough work that the overhead of dask per task is negligible, few enough
that every thread has several tasks. A worker receives a `RunHandle` and three integers per task, and returns a `TileResult`
per tile, never an array.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.spec import Window
from mirage_dask.store.commits import Commit
from mirage_dask.store.plan import Plan, load_plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.tiles import SHARD_BYTES

TILE_RANGE = np.dtype([("row", "<i4"), ("first", "<i4"), ("stop", "<i4")])
"""Tiles first to stop (exclusive) of the exposure in a row of the plan."""

TASK_SAMPLES = SHARD_BYTES // 2
"""Pixels times groups of a task, those of the largest tile: a second or so of work."""

MOST_BLOCKS = 50_000
"""Blocks in one submission. Each is two tasks to dask (fusing them leaves an alias); schedulers suffer beyond 100,000."""

MOST_TILE_RANGES = 400_000
"""Tile ranges in one submission: 12 bytes each, which with 80 bytes a task keeps it below 10 MB pickled."""

ZARR_THREADS = 4
"""Of zarr in a worker process."""

WARM_LINES = 4
"""Lines along the slow axis of the window that warms a worker."""

TileRanges = npt.NDArray[Any]


@dataclass(frozen=True)
class RunHandle:
    """What every task of a run contains."""

    store_url: str
    plan_digest: str
    run: int
    """Differs between runs, so that a scheduler never reuses the result of another run."""
    retries: int = 2
    own_process: bool = False
    """The process belongs to dask: its settings may be changed."""
    check: bool = False
    """Nothing is written: stored values are compared with computed ones."""

    def results(self, row: int, first: int, stop: int) -> Iterator[TileResult]:
        """Yield the result of each tile of a range, made in this process."""
        return run_tile_range(row, first, stop, self)

    def warm(self, row: int) -> None:
        """Compute a few lines of an exposure, which compiles the kernels and opens its references."""
        from mirage_dask import virtual

        plan = open_store(self.store_url, self.plan_digest).plan
        _, _, ny, nx = plan.shape(row)
        rows, columns = (ny, nx)
        if plan.spec(row).fast_axis in (-1, 1):
            rows = min(WARM_LINES, ny)
        else:
            columns = min(WARM_LINES, nx)
        virtual.simulate(plan, row, Window((0, 1), (0, 1), (0, rows), (0, columns)), "raw")


@dataclass(frozen=True)
class TileResult:
    """Outcome of a tile: its commit record or its error."""

    row: int
    tile: int
    seconds: float
    commit: Commit | None
    """None when the tile failed."""
    error: str = ""
    trace: str = ""
    fatal: bool = False
    """The store itself cannot be used: every other tile would fail too."""


def missing_tile_ranges(
    plan: Plan, rows: Sequence[int], done: Mapping[int, Mapping[int, Commit]], *, threads: int
) -> tuple[TileRanges, int]:
    """Cut the missing tiles into tasks.

    Parameters
    ----------
    plan, rows
        Exposures to make, by row.
    done
        Finished tiles, as `SimulationStore.survey` gives them.
    threads
        Threads in all processes; each should get several tasks.

    Returns
    -------
    ranges, per_block
        Array of `TILE_RANGE`, in the order of `rows`; how many of them make one task.
    """
    missing = {row: [t for t in range(plan.grid(row).count) if t not in done.get(row, {})] for row in rows}
    total = sum(_tile_samples(plan, row) * len(tiles) for row, tiles in missing.items())
    target = min(TASK_SAMPLES, total // max(4 * threads, 1))
    found = []
    for row, tiles in missing.items():
        most = max(1, target // _tile_samples(plan, row))
        start = 0
        for k in range(1, len(tiles) + 1):
            if k == len(tiles) or tiles[k] != tiles[k - 1] + 1 or k - start == most:
                found.append((row, tiles[start], tiles[k - 1] + 1))
                start = k
    ranges = np.array(found, TILE_RANGE)
    average = max(total // max(len(ranges), 1), 1)
    return ranges, int(max(target // average, 1))


def tiles_at_once(ranges: TileRanges, per_block: int, threads: int) -> int:
    """Return how many tiles a number of threads computes at a time: all of one task each."""
    tiles = int((ranges["stop"] - ranges["first"]).sum())
    return max(min(round(threads * per_block * tiles / max(len(ranges), 1)), tiles), 1)


def submissions(ranges: TileRanges, per_block: int) -> list[TileRanges]:
    """Split a run into parts that are submitted one after the other, because a scheduler slows down with too many tasks."""
    most = max(min(MOST_BLOCKS, MOST_TILE_RANGES // per_block), 1) * per_block
    return [ranges[start : start + most] for start in range(0, len(ranges), most)]


def _tile_samples(plan: Plan, row: int) -> int:
    return int(np.prod(plan.grid(row).window(0).shape, dtype=np.int64))


@lru_cache(maxsize=8)
def open_store(store_url: str, plan_digest: str) -> SimulationStore:
    """Open a store in a worker, once per process."""
    return SimulationStore(store_url, load_plan(files.join(store_url, "plan"), plan_digest))


@lru_cache(maxsize=1)
def settle() -> None:
    """Configure a worker process: few threads for zarr, because dask has its own.

    A worker that only writes tiles never imports zarr, which takes a tenth of a second; where it is imported later, it reads
    its settings from the environment.
    """
    if "zarr" in sys.modules:
        sys.modules["zarr"].config.set(
            {"async.concurrency": ZARR_THREADS, "threading.max_workers": ZARR_THREADS}
        )
    os.environ["ZARR_ASYNC__CONCURRENCY"] = os.environ["ZARR_THREADING__MAX_WORKERS"] = str(ZARR_THREADS)


class _NotComputedError(Exception):
    """A tile could not be computed, for the reason that is the cause of this error."""


def run_tile_range(row: int, first: int, stop: int, handle: RunHandle) -> Iterator[TileResult]:
    """Simulate and write (or check) the tiles of a range; yields a result for each."""
    for tile in range(first, stop):
        began = time.perf_counter()
        commit, problem, trace = None, "", ""
        try:
            store = open_store(handle.store_url, handle.plan_digest)
            parts = partial(_computed, store.plan, row, tile, handle.retries)
            if handle.check:
                commit = store.commits(row, [tile]).get(tile)
                problem = store.check_tile(row, tile, commit, parts())
            else:
                commit = store.write_tile(row, tile, parts)
        except StoreError as error:
            yield TileResult(row, tile, 0.0, None, str(error), traceback.format_exc(), fatal=True)
            return
        except (
            Exception
        ) as error:  # any error concerns this exposure only: it is recorded, and the run continues
            cause = error.__cause__ if isinstance(error, _NotComputedError) and error.__cause__ else error
            commit, problem, trace = None, error_line(cause), "".join(traceback.format_exception(cause))
        yield TileResult(row, tile, time.perf_counter() - began, commit, problem, trace)


def _computed(plan: Plan, row: int, tile: int, retries: int) -> Iterator[npt.NDArray[Any]]:
    """Yield the values of the parts of a tile.

    Raises
    ------
    _NotComputedError
        Instead of any error of the simulation, to distinguish it from those of the store.
    """
    from mirage_dask import virtual  # not for an export, which has tasks of its own

    for window in plan.grid(row).parts(tile):
        try:
            values = _retrying(retries, virtual.simulate, plan, row, window, "raw")
        except Exception as error:
            raise _NotComputedError from error
        yield values


def _retrying(retries: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function again after an operating-system error, which may be temporary, unlike any other error."""
    for attempt in range(retries + 1):
        try:
            return function(*arguments)
        except OSError:
            if attempt == retries:
                raise
            time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable")


def error_line(error: BaseException) -> str:
    """Return an error as one line: its type and its message."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def run_block(block: TileRanges, handle: RunHandle) -> npt.NDArray[Any]:
    """Run the tile ranges of one dask task; returns an object array of `TileResult`."""
    if handle.own_process:
        settle()
    results: list[TileResult] = []
    for row, first, stop in block.tolist():
        results.extend(handle.results(row, first, stop))
        if results and results[-1].fatal:
            break
    found = np.empty(len(results), object)
    found[:] = results
    return found
