"""The size of a run before it starts: exposures, tiles, bytes, memory, time.

Memory per process is stated as

    PROCESS_BYTES + limits of the caches
        + threads x (max over parts of (SAMPLE_BYTES x samples + PIXEL_BYTES x pixels) + SQUARE_BYTES where sources are)

where a sample is one pixel of one group, and a part is what of a tile is computed at once. It does not depend on the number
of exposures, groups or integrations: parts are bounded. An object store gets a shard in one piece, so that each thread also
holds the compressed bytes of a tile. Every cache of a process (`io.caches.process_caches`) counts with its limit, except
those that no exposure fills: 67 MB for the reference planes, 101 MB where there are galaxies, 134 MB where darks come from
files.

The constants were set from measured runs of a 2048 x 2048 exposure of 10 groups with 1,000 stars and 300 galaxies in a
dask worker, whose caches then kept 143 MB. One thread: a peak of 687 MB when the worker compiles the kernels, 521 MB when
they come from their cache, 797 MB stated; two threads: 700 MB (compiling), 897 MB stated. A test compares the statement
with the peak of a run.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.errors import InputError, StoreError
from mirage_dask.formatting import counted
from mirage_dask.io import copying, files
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.io.caches.sources import source_digest
from mirage_dask.io.locations import cache_directory
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.commits import Commit
from mirage_dask.store.comparison import raw_bytes
from mirage_dask.store.layout import encode_tile
from mirage_dask.store.plan import Plan
from mirage_dask.untrusted.documents import read_json

PROCESS_BYTES = 530_000_000
"""Interpreter and imported libraries (a dask worker: 251 MB), kernels (100 MB from their cache with opened PSFs and sources,
275 MB when they are compiled in the process), without what caches keep."""

IMAGES = {"extended", "scene_image", "moving_extended", "tracked_extended"}
"""Layers of light that are images."""

GALAXIES = {"galaxy", "moving_galaxy", "tracked_galaxy"}
STARS = {"point_source", "tracked_point"}
"""Layers of light that are convolved in squares (stars where they are crowded)."""

DISPERSED = {"dispersed_star", "dispersed_galaxy", "dispersed_image", "dispersed_light_curve"}
"""Layers of light behind a grism; a thread draws them in blocks of less than `SQUARE_BYTES`."""


def _has(kinds: set[str], spec: ExposureSpec) -> bool:
    return not kinds.isdisjoint(dict(spec.layers))


CACHE_USERS: dict[str, Callable[[ExposureSpec], bool]] = {
    "dark ramps": lambda spec: "dark" in dict(spec.replaced),
    "galaxy squares": partial(_has, GALAXIES),
    "star wings": partial(_has, STARS),
    "PSF spectra": partial(_has, GALAXIES | STARS | {"dispersed_galaxy"}),
    "dispersed light": partial(_has, DISPERSED - {"dispersed_light_curve"}),
    "dispersed light curves": partial(_has, {"dispersed_light_curve"}),
    "image parts": partial(_has, IMAGES | {"dispersed_image"}),
    **dict.fromkeys(("image light", "image PSFs"), partial(_has, IMAGES)),
    "grism PSFs": partial(_has, DISPERSED),
}
"""Which exposures fill a cache; one that is not listed is filled by all."""

SAMPLE_BYTES = 14
"""Per sample of a part: raw 2, float32 ramp 4 and one temporary 4, two copies while the shard is made 4."""

TRUTH_SAMPLE_BYTES = 20
"""The same while variables of the truth are stored: two ramps and their difference, or the linear ramp, that of particles
and its steps, at most 16; a copy of float32 while the chunk is made 4."""

PIXEL_BYTES = 240
"""Per pixel of a part: windows of some 25 reference planes, seed and masks (float32), their halo and copies."""

SQUARE_BYTES = 45_000_000
"""While a square of galaxies is drawn: four planes of 864 x 864 points in double precision, one transform and its sum. One
of stars takes half of it."""

IMAGE_BYTES = 110_000_000
"""While the largest image of a source is drawn for a grism, 2,305 x 2,305 points: its light in double precision, then three
transforms and their sum in single precision."""

SAMPLE_SECONDS = 40e-9
"""CPU time per sample, computing and writing: 1.6 to 1.7 s for 2048 x 2048 and 10 groups without sources."""

START_SECONDS = 5.0
"""CPU seconds until a process has imported what it needs and is known to its scheduler."""

LOAD_SECONDS = 4.0
"""CPU seconds until kernels are loaded from their cache and the first references are open; to compile them takes 50."""

MEASURED_TILES = 3
"""How many tiles are measured."""

MEASURED_KEPT = 20
"""How many measurements are kept beside a plan: of other tiles, machines, versions."""

STORED_FRACTIONS = {1: 0.83, 2: 0.56, 5: 0.44, 10: 0.42}
"""Stored bytes per raw byte by the number of groups (see `store.layout`); the number below counts for those between."""


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
    thread_bytes: int
    """Part of it that each thread adds."""
    tiles_left: int
    """Tiles that are not in the store yet."""
    stored_bytes_left: int
    """Expected size of these in the store."""
    cpu_seconds: float
    """CPU time to simulate these."""
    free_bytes: int | None
    """Free space at the store; None when that is not known."""

    def __str__(self) -> str:
        free = "" if self.free_bytes is None else f" ({self.free_bytes / 1e9:,.1f} GB free)"
        many = counted(self.exposures, "exposure")
        left = "" if self.tiles_left == self.tiles else f" ({self.tiles_left} to simulate)"
        return (
            f"{many}, {counted(self.tiles, 'tile')}{left}, {self.raw_bytes / 1e9:,.2f} GB raw, about "
            f"{self.stored_bytes / 1e9:,.2f} GB in the store{free}; at most {self.peak_bytes / 1e6:,.0f} MB of memory "
            f"in each process of {counted(self.threads, 'thread')}; about {self.cpu_seconds:,.0f} CPU seconds."
        )


@dataclass(frozen=True)
class Measured:
    """Cost of the tiles of a plan on this machine."""

    tiles: int
    """Number of measured tiles."""
    sample_seconds: float
    """CPU seconds per pixel and group, computing and encoding."""
    stored_fraction: float
    """Stored bytes per raw byte."""
    load_seconds: float = 0.0
    """CPU seconds until kernels were loaded and the references of the first tile open, without compiling."""
    earlier: bool = False
    """Whether that was measured by an earlier call, of this or another process."""


def measure_once(plan: Plan, rows: Iterable[int]) -> Measured | None:
    """Return the cost of a plan as it was measured earlier on this machine, or measure it now and note it beside the plan.

    Only a plan in the cache of this machine is taken at its word. Kernels that were compiled then are found in their cache
    now, so that `load_seconds` is not kept.

    Parameters
    ----------
    plan
        The plan.
    rows
        As for `measure_tiles`.

    Returns
    -------
    Measured or None
        As of `measure_tiles`.
    """
    chosen = _spread(list(rows), MEASURED_TILES)
    place = files.join(plan.url, "measured.json")
    if not (files.is_local(plan.url) and Path(plan.url).is_relative_to(cache_directory())):
        return measure_tiles(plan, chosen)
    key = _measured_key(plan, chosen)
    noted: dict[str, Any] = {}
    with suppress(OSError, StoreError):
        noted = read_json(place)
    try:
        tiles, sample_seconds, fraction = noted[key]
        if int(tiles) > 0 and 0 < float(sample_seconds) < 1 and 0 < float(fraction) < 10:
            return Measured(int(tiles), float(sample_seconds), float(fraction), earlier=True)
    except (KeyError, TypeError, ValueError):  # not measured yet, or damaged
        pass
    measured = measure_tiles(plan, chosen)
    if measured is not None:
        now = [measured.tiles, measured.sample_seconds, measured.stored_fraction]
        kept = dict(list(noted.items())[1 - MEASURED_KEPT :])
        with suppress(StoreError):
            files.write_bytes(place, json.dumps({**kept, key: now}).encode())
    return measured


def _measured_key(plan: Plan, rows: Sequence[int]) -> str:
    """Return a hash of what the cost of tiles depends on: the plan and its tiles, the machine, this package."""
    machine = (*platform.uname(), os.cpu_count(), platform.python_version())
    given = (plan.digest, plan.tile_bytes, list(rows), machine, source_digest("."))
    return hashlib.blake2b(repr(given).encode(), digest_size=16).hexdigest()


def _spread(rows: Sequence[int], most: int) -> list[int]:
    """Return at most so many rows, evenly spread."""
    return list(dict.fromkeys(int(rows[int(k)]) for k in np.linspace(0, len(rows) - 1, min(most, len(rows)))))


def measure_tiles(
    plan: Plan, rows: Iterable[int] | None = None, *, most: int = MEASURED_TILES, patience: float = 20.0
) -> Measured | None:
    """Measure the cost of a plan: compute and encode a few of its tiles in this process.

    Parameters
    ----------
    rows
        Exposures to choose from, evenly; default all.
    most
        How many tiles.
    patience
        Seconds after the first tile (which includes compiling the kernels) after which no other is begun.

    Returns
    -------
    Measured or None
        None when no tile could be computed; the run itself reports the reason.
    """
    chosen = list(range(len(plan)) if rows is None else rows)
    from numba.core import event

    from mirage_dask import virtual

    began = time.monotonic()
    samples = stored = count = 0
    seconds = load = 0.0
    for row in _spread(chosen, most):
        if count and time.monotonic() - began > patience:
            break
        grid = plan.grid(row)
        try:
            # Another tile first: kernels are compiled and references opened once per process, not once per tile.
            first, compiling = time.process_time(), [0.0]
            with event.install_timer("numba:compile", compiling.append):
                virtual.simulate(plan, row, next(grid.parts(0)), "raw")
            start = time.process_time()
            load = max(load, start - first - sum(compiling))  # compiled for good: other processes load it
            values = virtual.simulate(plan, row, next(grid.parts(grid.count // 2)), "raw")
            stored += len(encode_tile(grid, values))
        except Exception:
            continue
        seconds += time.process_time() - start
        samples += values.size
        count += 1
        if count == 1:
            began = time.monotonic()
    if not count:
        return None
    return Measured(count, seconds / samples, stored / (2 * samples), max(load - seconds / count, 0.0))


def start_seconds(measured: Measured | None) -> float:
    """Return the seconds from the start of a process to its first tile: imports, kernels, references.

    Kernels that this process has already loaded or compiled take `LOAD_SECONDS` in a new one, which finds them in the cache.
    """
    return START_SECONDS + max(LOAD_SECONDS, 0.0 if measured is None else measured.load_seconds)


def estimate_run(
    plan: Plan,
    rows: Iterable[int] | None = None,
    *,
    threads: int = 1,
    store_url: str | None = None,
    finished: Mapping[int, Mapping[int, Commit]] | None = None,
    measured: Measured | None = None,
    truth: bool = False,
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
    finished
        {row: tiles} that are in the store already.
    measured
        Cost of the tiles; default the cost on the machine where the constants were set.
    truth
        Variables of the truth are stored too: their memory is counted, their time and space are not.
    """
    chosen = list(range(len(plan))) if rows is None else [int(row) for row in rows]
    grids = [plan.grid(row) for row in chosen]
    done = [(finished or {}).get(row, {}) for row in chosen]
    raw = [2 * int(np.prod(grid.shape)) for grid in grids]
    left = [raw_bytes(plan, row, tiles) for row, tiles in zip(chosen, done, strict=True)]
    ratios = [
        stored_fraction(grid.shape[1]) if measured is None else measured.stored_fraction for grid in grids
    ]
    cost = SAMPLE_SECONDS if measured is None else measured.sample_seconds
    working = thread_bytes(plan, chosen, truth=truth)
    remote = store_url is not None and not files.is_local(files.normal_url(store_url))
    # Compressed to half or so, and there twice while its chunks are joined.
    held = max((2 * int(np.prod(grid.tile)) for grid in grids), default=0) if remote else 0
    return RunEstimate(
        exposures=len(grids),
        tiles=sum(grid.count for grid in grids),
        raw_bytes=sum(raw),
        stored_bytes=int(np.dot(raw, ratios)) if raw else 0,
        threads=threads,
        peak_bytes=PROCESS_BYTES + cache_bytes(plan, chosen) + threads * (held + working),
        thread_bytes=working,
        tiles_left=sum(grid.count - len(tiles) for grid, tiles in zip(grids, done, strict=True)),
        stored_bytes_left=int(np.dot(left, ratios)) if left else 0,
        cpu_seconds=sum(left) / 2 * cost,
        free_bytes=None if store_url is None else copying.free_bytes(files.normal_url(store_url)),
    )


def stored_fraction(groups: int) -> float:
    """Return the expected stored bytes per raw byte of ramps with this number of groups."""
    return STORED_FRACTIONS[max(n for n in STORED_FRACTIONS if n <= max(groups, 1))]


def cache_bytes(plan: Plan, rows: Iterable[int]) -> int:
    """Return how many bytes the caches of a process may keep together while it computes some exposures."""
    unfilled = {name: CACHES[name].limit for name in CACHE_USERS}
    for row in rows:
        spec = plan.spec(row)
        unfilled = {name: limit for name, limit in unfilled.items() if not CACHE_USERS[name](spec)}
        if not unfilled:
            break
    return sum(cache.limit for cache in CACHES.values()) - sum(unfilled.values())


def thread_bytes(plan: Plan, rows: Iterable[int], *, truth: bool = False) -> int:
    """Return the bytes that a thread needs for the largest part of the tiles of some exposures, and of their truth."""
    chosen = list(rows)
    sample = max(SAMPLE_BYTES, TRUTH_SAMPLE_BYTES if truth else 0)
    parts = {plan.grid(row).part for row in chosen}
    part = max((ny * nx * (sample * i * g + PIXEL_BYTES) for i, g, ny, nx in parts), default=0)
    if any(_has({"dispersed_image"}, plan.spec(row)) for row in chosen):
        return part + IMAGE_BYTES
    return part + SQUARE_BYTES * any(_has(GALAXIES | STARS | DISPERSED, plan.spec(row)) for row in chosen)


def check_memory(
    estimate: RunEstimate, limit: int | None, other_remedy: Callable[[int], str] = lambda _room: ""
) -> None:
    """Refuse a run whose processes would exceed their memory limit.

    Parameters
    ----------
    estimate
        Of that run.
    limit
        Bytes that a process may use; None or 0 when there is no limit.
    other_remedy
        Called with the bytes that a thread may add; returns one more remedy, or an empty string.

    Raises
    ------
    InputError
        If the projected peak is larger; the message has the limit, the number of threads, and other values that would fit.
    """
    if not limit or estimate.peak_bytes <= limit:
        return
    base = estimate.peak_bytes - estimate.threads * estimate.thread_bytes
    remedies = [f"give each worker more memory (at least {-(-estimate.peak_bytes // 10**6):,} MB)"]
    fitting = (limit - base) // estimate.thread_bytes if estimate.thread_bytes else 0
    if fitting > 0:
        remedies.append(f"{counted(fitting, 'thread')} in each")
    if other := other_remedy((limit - base) // estimate.threads):
        remedies.append(other)
    raise InputError(
        f"A worker would need up to {estimate.peak_bytes / 1e6:,.0f} MB with {counted(estimate.threads, 'thread')} but is "
        f"limited to {limit / 1e6:,.0f} MB; {', or '.join(remedies)}."
    )


def check_disk(estimate: RunEstimate, store_url: str, replaced: int = 0, plan_url: str = "") -> None:
    """Refuse a run for which the disk is too small.

    Parameters
    ----------
    store_url
        The store.
    replaced
        Bytes in the store that the run replaces.
    plan_url
        The plan that is copied into the store; where it can be linked it needs no space.

    Raises
    ------
    StoreError
        If the tiles to simulate and the plan need more than the free space.
    """
    if estimate.free_bytes is None:
        return
    plan_bytes = copying.bytes_to_copy(plan_url, files.join(store_url, "plan")) if plan_url else 0
    if estimate.stored_bytes_left + plan_bytes <= estimate.free_bytes + replaced:
        return
    need, free = (estimate.stored_bytes_left + plan_bytes) / 1e9, (estimate.free_bytes + replaced) / 1e9
    plan = f" and {plan_bytes / 1e9:,.2f} GB of the plan with its reference data" if plan_bytes else ""
    raise StoreError(
        f"{store_url} has {free:,.2f} GB free, and to write {counted(estimate.tiles_left, 'tile')}{plan} takes about "
        f"{need:,.2f} GB. Choose another place, free {need - free:,.2f} GB, or select fewer exposures."
    )
