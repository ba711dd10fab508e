"""Truth of a store's exposures on the executor of a run or on one of its own: tables, and variables that are asked for.

A table is a task, and so is a variable of an exposure, which is computed and written part by part.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mirage_dask.errors import StoreError
from mirage_dask.exposure.contributions.variables import check_truth
from mirage_dask.io import files
from mirage_dask.io.progress import Progress
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.executor import Executor
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.run.tasks import TILE_RANGE, RunHandle, TileResult, error_line, open_store
from mirage_dask.selection import Selection
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.arrays import (
    FOLDER,
    array_name,
    missing_arrays,
    sweep_arrays,
    windows_of,
    write_array,
)
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
                self.write(open_store(self.store_url, self.plan_digest), row, number)
            except StoreError as problem:  # the store cannot be written, or its plan cannot be read
                error, trace, fatal = str(problem), traceback.format_exc(), True
            except Exception as problem:  # any error concerns this table only
                error, trace = error_line(problem), traceback.format_exc()
            yield TileResult(row, number, time.perf_counter() - began, None, error, trace, fatal)

    def write(self, store: SimulationStore, row: int, number: int) -> None:  # noqa: ARG002
        """Write what has a number of an exposure."""
        write_truth(store, row)

    def warm(self, row: int) -> None:
        """Open the store."""
        open_store(self.store_url, self.plan_digest).plan.spec(row)


@dataclass(frozen=True)
class VariablesHandle(TruthHandle):
    """What every task carries; its unit is a variable of an exposure, by its number in `variables`."""

    variables: tuple[str, ...] = ()

    def write(self, store: SimulationStore, row: int, number: int) -> None:
        """Compute a variable of an exposure and store it."""
        from mirage_dask import virtual  # tables need it as little as their readers do

        name = self.variables[number]
        values = (
            (window, virtual.simulate(store.plan, row, window, name))
            for window in windows_of(store.plan, row, name)
        )
        write_array(store, row, name, values)


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
    handle = TruthHandle(store.url, store.plan.digest, time.time_ns())
    failed = _make(handle, store, [(row, 0) for row in missing], executor, "truth tables", progress)
    return _report(store, rows, missing, failed, began)


def make_variables(
    store: SimulationStore,
    rows: Iterable[int],
    variables: Sequence[str],
    executor: Executor,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TruthReport:
    """Store the variables that are missing; parameters are those of `make_truth`.

    Parameters
    ----------
    variables
        Names that `check_truth` has passed. `raw` is in the store already, and is left out.
    """
    began, rows = time.monotonic(), list(rows)
    names = tuple(name for name in variables if name != "raw")
    sweep_truth(store)
    sweep_arrays(store, names)
    if overwrite:
        for row in rows:
            for name in names:
                files.remove(files.join(store.url, FOLDER, array_name(store.plan, row, name)))
    missing = missing_arrays(store, rows, names)
    handle = VariablesHandle(store.url, store.plan.digest, time.time_ns(), variables=names)
    failed = _make(handle, store, missing, executor, "variables", progress)
    return _report(store, rows, sorted({row for row, _ in missing}), failed, began)


def _make(
    handle: TruthHandle,
    store: SimulationStore,
    missing: list[tuple[int, int]],
    executor: Executor,
    what: str,
    progress: Progress | None,
) -> dict[str, str]:
    """Execute the tasks of (row, number), and return the reasons of exposures that failed."""
    failed: dict[str, str] = {}
    done = 0

    def record(result: TileResult) -> None:
        nonlocal done
        if result.fatal:
            raise StoreError(result.error)
        done += 1
        if result.error:
            failed[store.plan.names[result.row]] = result.error
        if progress is not None:
            progress(what, done, len(missing))

    if missing:
        if progress is not None:
            progress(what, 0, len(missing))
        ranges = np.array([(row, number, number + 1) for row, number in missing], TILE_RANGE)
        executor.execute(ranges, 1, handle, record)
    return failed


def _report(
    store: SimulationStore, rows: list[int], missing: list[int], failed: dict[str, str], began: float
) -> TruthReport:
    made = [name for row in missing if (name := store.plan.names[row]) not in failed]
    return TruthReport(tuple(made), len(rows) - len(missing), tuple(failed.items()), time.monotonic() - began)


def make_store_truth(
    store: SimulationStore,
    select: Selection = None,
    *,
    variables: str | Iterable[str] = (),
    overwrite: bool = False,
    resources: Resources = DEFAULT,
    progress: Progress | None = None,
) -> TruthReport:
    """Make the truth tables of exposures of a store, whether they are simulated or not, or store variables of them.

    Parameters
    ----------
    select
        Exposures; default all of the plan in the store.
    variables
        Store these (see `exposure.contributions.variables`), and make no tables.
    resources
        Where they are computed.

    Raises
    ------
    InputError
        If nothing is selected, there is no such variable, or nothing answers at an address.
    StoreError
        If the store cannot be written.
    """
    rows, names = store.plan.select(select), check_truth(variables)
    with open_executor(resources) as executor:
        if names:
            return make_variables(store, rows, names, executor, overwrite=overwrite, progress=progress)
        return make_truth(store, rows, executor, overwrite=overwrite, progress=progress)
