"""How large a run is, before it starts: exposures, tiles, bytes, memory, time.

Memory per process is stated as

    PROCESS_BYTES + cache of reference planes + threads x max over tiles of (SAMPLE_BYTES x samples + PIXEL_BYTES x pixels)

where a sample is one pixel of one group of the tile. It does not depend on the number of exposures, groups or integrations:
tiles are bounded. The constants were set from measured runs of 2048 x 2048 exposures of 10 groups. One thread: 770 MB when
the kernels are compiled in the same process, 587 MB when they come from their cache, 821 MB stated; two threads: 840 MB
(compiling), 921 MB stated. A test compares the statement with the peak of a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.reference.plane_store import CACHE
from mirage_dask.store import files
from mirage_dask.store.plan import Plan

PROCESS_BYTES = 520_000_000
"""Interpreter and imported libraries (240 MB), compiled kernels, opened PSFs and sources."""

SAMPLE_BYTES = 14
"""Per sample of a tile: raw 2, float32 ramp 4 and one temporary 4, two copies while the shard is made 4."""

PIXEL_BYTES = 240
"""Per pixel of a tile: windows of some 25 reference planes, seed and masks (float32), their halo and copies."""

SAMPLE_SECONDS = 40e-9
"""CPU time per sample, computing and writing: 1.6 to 1.7 s for 2048 x 2048 and 10 groups without sources."""

STORED_FRACTION = 0.5
"""Stored bytes per raw byte (see `store.layout`)."""


@dataclass(frozen=True)
class RunEstimate:
    """Size of a run."""

    exposures: int
    tiles: int
    raw_bytes: int
    stored_bytes: int
    threads: int
    """Threads per process."""
    peak_bytes: int
    """Projected peak memory of one process."""
    cpu_seconds: float
    free_bytes: int | None
    """Free space at the store; None when that is not known."""

    def __str__(self) -> str:
        free = "" if self.free_bytes is None else f" ({self.free_bytes / 1e9:,.1f} GB free)"
        many = "s" if self.threads > 1 else ""
        return (
            f"{self.exposures} exposures, {self.tiles} tiles, {self.raw_bytes / 1e9:,.2f} GB raw, about "
            f"{self.stored_bytes / 1e9:,.2f} GB in the store{free}; at most {self.peak_bytes / 1e6:,.0f} MB of memory "
            f"in each process of {self.threads} thread{many}; about {self.cpu_seconds:,.0f} CPU seconds."
        )


def estimate_run(
    plan: Plan, rows: Iterable[int] | None = None, *, threads: int = 1, store_url: str | None = None
) -> RunEstimate:
    """Estimate a run.

    Parameters
    ----------
    plan
        What is to be simulated.
    rows
        Exposures by their row in the plan; default all.
    threads
        Threads that compute side by side in one process.
    store_url
        Where the store is or will be, for its free space.
    """
    chosen = np.arange(len(plan)) if rows is None else np.fromiter(rows, int)
    grids = [plan.grid(int(row)) for row in chosen]
    samples = sum(int(np.prod(grid.shape)) for grid in grids)
    working = max((_working_bytes(grid.tile) for grid in set(grids)), default=0)
    return RunEstimate(
        exposures=len(grids),
        tiles=sum(grid.count for grid in grids),
        raw_bytes=2 * samples,
        stored_bytes=int(2 * samples * STORED_FRACTION),
        threads=threads,
        peak_bytes=PROCESS_BYTES + CACHE.limit + threads * working,
        cpu_seconds=samples * SAMPLE_SECONDS,
        free_bytes=None if store_url is None else files.free_bytes(files.normal_url(store_url)),
    )


def _working_bytes(tile: tuple[int, int, int, int]) -> int:
    integrations, groups, ny, nx = tile
    return ny * nx * (SAMPLE_BYTES * integrations * groups + PIXEL_BYTES)


def check_memory(estimate: RunEstimate, limit: int | None) -> None:
    """Refuse a run whose processes would outgrow their limit.

    Parameters
    ----------
    limit
        Bytes that a process may use; None or 0 when there is no limit.

    Raises
    ------
    InputError
        If the projected peak is larger; says which limit would do.
    """
    if limit and estimate.peak_bytes > limit:
        raise InputError(
            f"A worker would need up to {estimate.peak_bytes / 1e6:,.0f} MB with {estimate.threads} thread(s) but is "
            f"limited to {limit / 1e6:,.0f} MB; give each worker more memory or fewer threads."
        )
