"""Truth tables of a store's exposures, a task each, on the executor of a run or on one of their own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mirage_dask.errors import StoreError
from mirage_dask.io.progress import Progress
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.executor import Executor
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.run.tasks import TILE_RANGE, RunHandle, TileResult, error_line, open_store
from mirage_dask.selection import Selection
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.files import missing_truth, sweep_truth, write_truth


@dataclass(frozen=True)
class TruthReport:
    """What was made."""

    made: tuple[str, ...]
    """Exposures whose table was written."""
    kept: int
    """How many had theirs."""
    failed: tuple[tuple[str, str], ...]
    """(exposure, reason)."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every exposure has its table."""
        return not self.failed


@dataclass(frozen=True)
class TruthHandle(RunHandle):
    """What every task carries; its unit is the table of an exposure, number 0."""

    def results(self, row: int, first: int, stop: int) -> Iterator[TileResult]:
        """Write the table of an exposure."""
        for number in range(first, stop):
            began, error, trace, fatal = time.perf_counter(), "", "", False
            try:
                write_truth(open_store(self.store_url, self.plan_digest), row)
            except StoreError as problem:  # the store cannot be written, or its plan cannot be read
                error, trace, fatal = str(problem), traceback.format_exc(), True
            except Exception as problem:  # any error concerns this table only
                error, trace = error_line(problem), traceback.format_exc()
            yield TileResult(row, number, time.perf_counter() - began, None, error, trace, fatal)

    def warm(self, row: int) -> None:
        """Open the store."""
        open_store(self.store_url, self.plan_digest).plan.spec(row)


def make_truth(
    store: SimulationStore,
    rows: Iterable[int],
    executor: Executor,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TruthReport:
    """Make the tables that are missing.

    Parameters
    ----------
    store
        The store, whose plan names the exposures.
    rows
        Exposures.
    executor
        Where they are computed.
    overwrite
        Make those again that are there.
    progress
        Called with ('truth tables', how many are done, how many there are).

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    began, rows = time.monotonic(), list(rows)
    sweep_truth(store)
    missing = rows if overwrite else missing_truth(store, rows)
    made: list[str] = []
    failed: list[tuple[str, str]] = []

    def record(result: TileResult) -> None:
        if result.fatal:
            raise StoreError(result.error)
        name = store.plan.names[result.row]
        if result.error:
            failed.append((name, result.error))
        else:
            made.append(name)
        if progress is not None:
            progress("truth tables", len(made) + len(failed), len(missing))

    if missing:
        ranges = np.array([(row, 0, 1) for row in missing], TILE_RANGE)
        executor.execute(ranges, 1, TruthHandle(store.url, store.plan.digest, time.time_ns()), record)
    return TruthReport(tuple(made), len(rows) - len(missing), tuple(failed), time.monotonic() - began)


def make_store_truth(
    store: SimulationStore,
    select: Selection = None,
    *,
    overwrite: bool = False,
    resources: Resources = DEFAULT,
    progress: Progress | None = None,
) -> TruthReport:
    """Make the truth tables of exposures of a store, whether they are simulated or not; see `make_truth`.

    Parameters
    ----------
    select
        Exposures; default all of the plan in the store.
    resources
        Where they are computed.

    Raises
    ------
    InputError
        If nothing is selected, or nothing answers at an address.
    StoreError
        If the store cannot be written.
    """
    rows = store.plan.select(select)
    with open_executor(resources) as executor:
        return make_truth(store, rows, executor, overwrite=overwrite, progress=progress)
