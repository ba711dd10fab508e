"""The size of a simulation before it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from mirage_dask.io.progress import Progress
from mirage_dask.run.estimate import estimate_run, measure_tiles
from mirage_dask.run.executors.graph import graph_size
from mirage_dask.run.executors.local import processors
from mirage_dask.run.tasks import RunHandle, missing_tile_ranges
from mirage_dask.run.tiling import tiled
from mirage_dask.store.comparison import compare
from mirage_dask.store.plan import Plan
from mirage_dask.store.root import StoreRoot


@dataclass(frozen=True, repr=False)
class PlanSummary:
    """The size of a simulation before it runs."""

    exposures: int
    """Detector exposures that will be simulated."""
    unsupported: int
    """Rows of the table that cannot be simulated; the column `reason` has the cause."""
    statuses: dict[str, int]
    """Number of rows by status; with a store, by how much of them it contains: done, partial, changed, new."""
    tiles: int
    """Units of computing and writing."""
    tile_bytes: int
    """Largest tile, bytes of raw data."""
    tiles_left: int
    """Tiles that are not in the store yet."""
    tasks: int
    """Tasks for dask; a task simulates a few tiles."""
    graph_bytes: int
    """Measured size of the graph that is sent to the scheduler; the largest one where a run is submitted in parts."""
    submissions: int
    """Number of parts in which it is submitted: one, unless it has too many tasks for a scheduler."""
    raw_bytes: int
    stored_bytes: int
    """Expected size of the store."""
    free_bytes: int | None
    """Free space there; None when it is not known, or no store was named."""
    memory: int
    """Most memory of a process with one thread, bytes."""
    thread_memory: int
    """Part of it that each further thread adds."""
    cpu_seconds: float
    """For the tiles left, on this machine if `measured_tiles` is not 0."""
    measured_tiles: int
    """Number of tiles that were computed to measure the cost of one."""
    workers: int
    """Number of workers, of one thread each, for `seconds`."""
    seconds: float
    """Wall time with this number of workers, if each has a core."""
    changes: tuple[str, ...]
    """What a run into the store keeps, what it simulates again, and why."""
    references: dict[str, str]
    """Source of each type of reference data."""
    url: str
    """Place of the plan."""
    catalogs: tuple[str, ...] = ()
    """How many sources of each catalog of the proposal fall on how many detector exposures."""

    def __repr__(self) -> str:
        more = f" ({self.unsupported} more cannot be simulated)" if self.unsupported else ""
        sources = ", ".join(sorted(set(self.references.values()))) or "none"
        catalogs = "".join(f"; {line}" for line in self.catalogs)
        return (
            f"<Plan of {self.exposures} exposures{more} in {self.tiles} tiles: {self.raw_bytes / 1e9:,.2f} GB raw, about "
            f"{self.stored_bytes / 1e9:,.2f} GB in the store, at most {self.memory / 1e6:,.0f} MB in a process of one "
            f"thread, about {self.cpu_seconds:,.0f} CPU seconds; references: {sources}{catalogs}>"
        )


def summarise(
    plan: Plan,
    out: str | os.PathLike[str] | None,
    *,
    unsupported: int,
    select: str | Iterable[str] | None = None,
    workers: int | None = None,
    tile_bytes: str | int | None = None,
    measure: bool = True,
    progress: Progress | None = None,
) -> PlanSummary:
    """Return the size of the run of a plan.

    Parameters
    ----------
    plan
        What is to be simulated.
    out
        The store, if it is known.
    unsupported
        Rows of the exposure table that cannot be simulated.
    select, workers, tile_bytes, measure, progress
        As for `Proposal.plan`.

    Raises
    ------
    InputError
        If the selection or the size of tiles cannot be used.
    StoreError
        If something other than a simulation exists at `out`, or its tiles have another size.
    """
    root = None if out is None else StoreRoot.read(out)
    plan = tiled(plan, root, tile_bytes)
    rows = plan.select(select)
    comparison, finished = (None, {}) if root is None else compare(plan, root, rows)
    count = workers or processors()
    ranges, per_block = missing_tile_ranges(plan, rows, finished, threads=count)
    graph = graph_size(ranges, per_block, RunHandle(str(out or plan.url), plan.digest, time.time_ns()))
    measured = None
    if measure and len(ranges):
        if progress is not None:
            progress("measuring a tile", 0, 1)
        measured = measure_tiles(plan, ranges["row"].tolist())
    size = estimate_run(
        plan,
        rows,
        finished=finished,
        measured=measured,
        store_url=None if root is None else root.url,
    )
    statuses = {"ready": len(rows)} if comparison is None else dict(comparison.exposures)
    sources: dict[str, str] = {}
    for use in plan.info["provenance"]["references"]:
        sources.setdefault(use["type"], use["source"])
    return PlanSummary(
        exposures=size.exposures,
        unsupported=unsupported,
        statuses={**statuses, "unsupported": unsupported},
        tiles=size.tiles,
        tile_bytes=plan.tile_bytes,
        tiles_left=size.tiles_left,
        tasks=graph.tasks,
        graph_bytes=graph.graph_bytes,
        submissions=graph.submissions,
        raw_bytes=size.raw_bytes,
        stored_bytes=size.stored_bytes,
        free_bytes=size.free_bytes,
        memory=size.peak_bytes,
        thread_memory=size.thread_bytes,
        cpu_seconds=size.cpu_seconds,
        measured_tiles=0 if measured is None else measured.tiles,
        workers=count,
        seconds=size.cpu_seconds / count,
        changes=() if comparison is None else tuple(comparison.lines),
        references=dict(sorted(sources.items())),
        url=plan.url,
    )
