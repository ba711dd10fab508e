"""Verification of a store: finished tiles are computed again from its plan and compared, value by value.

Only the store is read: its plan contains specs, sources and references. A checksum (`SimulationStore.verify`) shows whether
a file changed after it was written; only this shows whether another machine or version computed other values.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.errors import InputError, StoreError
from mirage_dask.io.progress import Progress
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.executor import Executor
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.run.tasks import TASK_SAMPLES, TILE_RANGE, RunHandle, TileResult
from mirage_dask.selection import Selection
from mirage_dask.store.commits import TileMismatch
from mirage_dask.store.integrity import content_problems
from mirage_dask.store.plain.checks import plain_problems
from mirage_dask.store.root import root_attributes
from mirage_dask.store.simulation import SimulationStore

if TYPE_CHECKING:
    import os


@dataclass(frozen=True)
class Verification:
    """Outcome of a verification."""

    store_url: str
    made_by: str
    """Version of mirage_dask that made the plan."""
    tiles: int
    """Finished tiles of the selected exposures."""
    checked: int
    """Number of these that were compared."""
    damages: tuple[TileMismatch, ...]
    seconds: float
    inputs: tuple[str, ...] = ()
    """Sentences about other files that are missing or damaged: references and tables of the plan, coordinates, metadata."""

    @property
    def ok(self) -> bool:
        """Whether every checked tile is correct, and everything that values are computed from."""
        return not self.damages and not self.inputs

    @property
    def exposures(self) -> tuple[str, ...]:
        """Names of exposures with an incorrect tile, each once."""
        return tuple(dict.fromkeys(damage.exposure for damage in self.damages))


def verify_store(
    store: SimulationStore | str | os.PathLike[str],
    *,
    sample: int | None = None,
    select: Selection = None,
    checksums: bool = False,
    resources: Resources = DEFAULT,
    progress: Progress | None = None,
) -> Verification:
    """Compute finished tiles of a store again, only from the store, and compare; also its other files with its plan.

    Parameters
    ----------
    store
        The store or its URL.
    sample
        Check at most this many tiles, spread evenly; default every tile.
    select
        Condition on the columns of the exposure table, names, positions, rows or a mask (see
        `selection.select_rows`); default all exposures.
    checksums
        Only read the tiles and compare their checksums: fast, and finds damaged files.
    resources
        Where it is computed.
    progress
        Called with (step, number done, number in all).

    Raises
    ------
    InputError
        If there is no finished tile to check.
    StoreError
        If there is no store, or workers cannot read it.
    """
    if sample is not None and sample < 1:
        raise InputError(f"sample must be at least 1 tile, not {sample}.")
    store = store if isinstance(store, SimulationStore) else SimulationStore.open(store)
    began = time.monotonic()
    rows = store.plan.select(select)
    survey = store.survey(rows)
    done = store.sample(rows, survey=survey)
    if not done:
        raise InputError(f"{store.url} contains no finished tile to verify; run mirage-dask simulate first.")
    inputs = _input_problems(store, rows)
    inputs += plain_problems(store.url, store.plan, root_attributes(store.plan), survey)
    chosen = done if sample is None else store.sample(rows, most=sample, survey=survey)
    found: list[TileMismatch] = []

    def record(row: int, tile: int, problem: str, number: int) -> None:
        if problem:
            found.append(TileMismatch(store.plan.names[row], tile, problem))
        if progress is not None:
            progress("tiles compared", number, len(chosen))

    if checksums:
        for number, (row, tile, commit) in enumerate(chosen, 1):
            record(row, tile, store.check_tile(row, tile, commit), number)
    else:
        with open_executor(resources) as executor:
            _compute_again(store, [(row, tile) for row, tile, _ in chosen], executor, record)
    return Verification(
        store_url=store.url,
        made_by=str(store.plan.info.get("versions", {}).get("mirage_dask", "unknown")),
        tiles=len(done),
        checked=len(chosen),
        damages=tuple(sorted(found, key=lambda d: (store.plan.row(d.exposure), d.tile))),
        seconds=time.monotonic() - began,
        inputs=tuple(inputs),
    )


def _input_problems(store: SimulationStore, rows: list[int]) -> list[str]:
    """Return sentences about what values and headers of exposures are made from: the table, references, pieces."""
    found = content_problems(store.plan.url, map(store.plan.spec, rows))
    try:
        _ = store.plan.table
    except StoreError as error:
        found.append(str(error))
    return found


def _compute_again(
    store: SimulationStore,
    chosen: list[tuple[int, int]],
    executor: Executor,
    record: Callable[[int, int, str, int], None],
) -> None:
    ranges = np.array([(row, tile, tile + 1) for row, tile in chosen], TILE_RANGE)
    largest = max(int(np.prod(store.plan.grid(row).tile)) for row in {row for row, _ in chosen})
    per_block = max(1, min(TASK_SAMPLES // largest, len(ranges) // (4 * executor.threads)))
    handle = RunHandle(store.url, store.plan.digest, time.time_ns(), check=True)
    count = 0

    def on_result(result: TileResult) -> None:
        nonlocal count
        if result.fatal:
            raise StoreError(result.error)
        count += 1
        failed = f"cannot be computed: {result.error}" if result.trace else result.error
        record(result.row, result.tile, failed, count)

    executor.execute(ranges, per_block, handle, on_result)
