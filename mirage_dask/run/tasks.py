"""Missing tiles cut into tasks, and what a worker does with one.

A task is a few consecutive tiles of an exposure: enough work that dask's cost per task does not show, few enough that every
thread has several. What travels to a worker is a `RunHandle` and three integers per task; what comes back is a `TileResult`
per tile, never an array.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask import virtual
from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.spec import Window
from mirage_dask.store.commits import Commit
from mirage_dask.store.plan import Plan, load_plan
from mirage_dask.store.simulation import SimulationStore

SEGMENT = np.dtype([("row", "<i4"), ("first", "<i4"), ("stop", "<i4")])
"""Tiles first to stop (exclusive) of the exposure in a row of the plan."""

TASK_SAMPLES = 42_000_000
"""Pixels times groups of a task (ten full frames of 2048 x 2048): a second or so of work."""

MOST_BLOCKS = 50_000
"""Blocks in one submission. Each is two tasks to dask (fusing them leaves an alias); schedulers suffer beyond 100,000."""

MOST_SEGMENTS = 400_000
"""Segments in one submission: 12 bytes each, which with 80 bytes a task keeps it below 10 MB pickled."""

WARM_LINES = 4
"""Lines along the slow axis of the window that warms a worker."""

Segments = npt.NDArray[Any]


@dataclass(frozen=True)
class RunHandle:
    """What every task of a run carries."""

    store_url: str
    plan_digest: str
    run: int
    """Differs between runs, so that a scheduler never takes a task for one it has done."""
    retries: int = 2
    own_process: bool = False
    """The process belongs to dask: its settings may be changed."""
    check: bool = False
    """Nothing is written: what is stored is compared with what is computed."""

    def results(self, row: int, first: int, stop: int) -> Iterator[TileResult]:
        """Do the work of a segment; yields a result for each of its tiles."""
        return run_segment(row, first, stop, self)

    def warm(self, row: int) -> None:
        """Compute a few lines of an exposure, which compiles the kernels and opens its references."""
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
    """What became of a tile."""

    row: int
    tile: int
    seconds: float
    commit: Commit | None
    """None when it failed."""
    error: str = ""
    trace: str = ""
    fatal: bool = False
    """The store itself cannot be used: no other tile would fare better."""


def segments_to_do(
    plan: Plan, rows: Sequence[int], done: Mapping[int, Mapping[int, Commit]], *, threads: int
) -> tuple[Segments, int]:
    """Cut what is missing into tasks.

    Parameters
    ----------
    plan, rows
        Exposures to make, by row.
    done
        Finished tiles, as `SimulationStore.survey` gives them.
    threads
        Threads that will work, in all processes; each should get several tasks.

    Returns
    -------
    segments, per_block
        Array of `SEGMENT`, in the order of `rows`; how many of them make one task.
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
    segments = np.array(found, SEGMENT)
    average = max(total // max(len(segments), 1), 1)
    return segments, int(max(target // average, 1))


def windows(segments: Segments, per_block: int) -> list[Segments]:
    """Split a run into parts that are submitted one after the other, for a scheduler holds only so many tasks well."""
    most = max(min(MOST_BLOCKS, MOST_SEGMENTS // per_block), 1) * per_block
    return [segments[start : start + most] for start in range(0, len(segments), most)]


def _tile_samples(plan: Plan, row: int) -> int:
    return int(np.prod(plan.grid(row).tile, dtype=np.int64))


@lru_cache(maxsize=8)
def open_store(store_url: str, plan_digest: str) -> SimulationStore:
    """Open a store in a worker, once per process."""
    return SimulationStore(store_url, load_plan(files.join(store_url, "plan"), plan_digest))


@lru_cache(maxsize=1)
def settle() -> None:
    """Set up a worker process: dask has the threads, zarr gets few of its own."""
    import zarr

    zarr.config.set({"async.concurrency": 4, "threading.max_workers": 4})


def run_segment(row: int, first: int, stop: int, handle: RunHandle) -> Iterator[TileResult]:
    """Simulate and write (or check) the tiles of a segment; yields a result for each."""
    for tile in range(first, stop):
        began = time.perf_counter()
        try:
            store = open_store(handle.store_url, handle.plan_digest)
        except StoreError as error:
            yield TileResult(row, tile, 0.0, None, str(error), traceback.format_exc(), fatal=True)
            return
        try:
            values = _retrying(handle.retries, _simulate, store.plan, row, tile)
        except (
            Exception
        ) as error:  # whatever it is, it concerns this exposure: recorded, and the rest goes on
            yield TileResult(
                row, tile, time.perf_counter() - began, None, error_line(error), traceback.format_exc()
            )
            continue
        if handle.check:
            record = store.commits(row).get(tile)
            problem = store.problem(row, tile, record, values)
            yield TileResult(row, tile, time.perf_counter() - began, record, problem)
            continue
        try:
            commit = store.write_tile(row, tile, values)
        except StoreError as error:
            yield TileResult(row, tile, 0.0, None, str(error), traceback.format_exc(), fatal=True)
            return
        except Exception as error:
            yield TileResult(
                row, tile, time.perf_counter() - began, None, error_line(error), traceback.format_exc()
            )
            continue
        yield TileResult(row, tile, time.perf_counter() - began, commit)


def _simulate(plan: Plan, row: int, tile: int) -> npt.NDArray[Any]:
    return virtual.simulate(plan, row, plan.grid(row).window(tile), "raw")


def _retrying(retries: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call again after an operating-system error, which may pass; any other error would only come again."""
    for attempt in range(retries + 1):
        try:
            return function(*arguments)
        except OSError:
            if attempt == retries:
                raise
            time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable")


def error_line(error: BaseException) -> str:
    """Return an error as one line: its type and what it says."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def run_block(block: Segments, handle: RunHandle) -> npt.NDArray[Any]:
    """Run the segments of one dask task; returns an object array of `TileResult`."""
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
