"""Run a plan into a store: compare it with the store, simulate the missing tiles, write the status."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial

from mirage_dask.errors import InputError, MirageDaskError, StoreError
from mirage_dask.exposure.contributions.variables import check_truth
from mirage_dask.formatting import counted
from mirage_dask.io import files
from mirage_dask.run.display.events import (
    EventDispatcher,
    ExposureDone,
    RunFinished,
    RunStarted,
    StepStarted,
    Subscriber,
    TileDone,
    TileFailed,
)
from mirage_dask.run.display.log import RunLog
from mirage_dask.run.display.preparing import preparing
from mirage_dask.run.estimate import RunEstimate, check_disk, check_memory, estimate_run
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.executor import Executor
from mirage_dask.run.executors.memory import memory_watched
from mirage_dask.run.executors.performance import check_report, performance_reported
from mirage_dask.run.executors.resources import DEFAULT, Resources, starting
from mirage_dask.run.lock import only_run
from mirage_dask.run.report import RunError, RunReport
from mirage_dask.run.tasks import RunHandle, TileResult, missing_tile_ranges, tiles_at_once
from mirage_dask.run.tiling import smaller_tiles, tiled
from mirage_dask.selection import Selection
from mirage_dask.store.comparison import Finished, StoreComparison, compare, replaced_bytes
from mirage_dask.store.plain.marks import mark_complete
from mirage_dask.store.plan import Plan, load_plan
from mirage_dask.store.plan_files import PLAN_FILE
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.selections import extended
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.status import Failure

_LOG = logging.getLogger(__name__)


def run_plan(
    plan: Plan | str | os.PathLike[str],
    store_url: str | os.PathLike[str],
    *,
    resources: Resources = DEFAULT,
    select: Selection = None,
    on_error: str = "record",
    retries: int = 2,
    update: bool = False,
    tile_bytes: str | int | None = None,
    progress: bool | Subscriber | Iterable[Subscriber] = False,
    performance_report: str | os.PathLike[str] | None = None,
    truth: bool | str | Iterable[str] = False,
) -> RunReport:
    """Simulate the exposures of a plan into a Zarr store, or finish what an earlier run began.

    Tiles that the store already contains for the same spec are kept; a run that was killed or failed is resumed by
    calling this again. The values do not depend on the resources.

    Parameters
    ----------
    plan
        The plan or its URL; it is copied into the store unless it is already there.
    store_url
        Directory of the store, local or any fsspec URL; all workers must see it.
    resources
        Where it runs: a client, processes started for this run, threads or a plain loop. Default: the active dask client if
        there is one, else threads of this process. A cluster is never started unasked.
    select
        Condition on the columns of the exposure table, names, positions, rows or a mask (see
        `selection.select_rows`); default all exposures.
    on_error
        "record": an exposure that fails is recorded with its traceback, and the run continues. "raise": stop at the first.
    retries
        How often a tile is tried again after an operating-system error, such as one of a network file system.
    update
        Accept a store of another plan and simulate again what changed. Otherwise such a store is refused, with a list of
        what would be simulated again.
    tile_bytes
        Largest tile, bytes of raw data, such as "2MiB": smaller tiles need less memory per thread and make more files.
        Default 8 MiB, or the tile size of an existing store, which keeps it. No value depends on it.
    progress
        True for a display in the notebook or terminal, or subscribers called with events (see `run.display.events`).
    performance_report
        Write dask's report of the run (task stream, profiles) into this HTML file. Needs a client or workers, and bokeh
        where the scheduler runs.
    truth
        Make the truth table of each exposure, too (see `mirage_dask.truth`); one that fails is a warning. Names of variables
        (see `exposure.contributions.variables`): store these besides.

    Returns
    -------
    RunReport

    Raises
    ------
    InputError
        If the selection is empty, nothing answers at the address, a worker's memory limit is below what the run needs, or a
        performance report cannot be made.
    StoreError
        If the store cannot be created or written (read-only, another plan, other tiles), its disk is full or will be, or
        another run writes into it.
    RunError
        With on_error="raise", at the first failed tile; or when the scheduler is lost.
    """
    variables = () if isinstance(truth, bool) else check_truth(truth)
    if on_error not in ("record", "raise"):
        raise InputError(f"on_error must be 'record' or 'raise', not {on_error!r}.")
    with ExitStack() as stack:
        begun = _is_begun(store_url)
        if begun:  # what is done must not change while it is compared
            stack.enter_context(only_run(files.normal_url(store_url)))
        root = StoreRoot.read(store_url)
        root.check_place()
        loaded = tiled(plan if isinstance(plan, Plan) else load_plan(plan), root, tile_bytes)
        names = [loaded.names[row] for row in loaded.select(select)]
        loaded = extended(loaded, root)
        rows = sorted(loaded.row(name) for name in names)
        with preparing(progress is True) as told:
            told(starting(resources), 0, 0)
            executor = stack.enter_context(open_executor(resources))
        check_report(executor.client, performance_report)
        comparison, finished = compare(loaded, root, rows)
        if comparison.differs and not update:
            raise StoreError(
                f"{root.url} contains the simulation of another plan; choose another place, or update it "
                f"(--update, update=True), which would mean: {'; '.join(comparison.lines)}."
            )
        estimate = estimate_run(
            loaded,
            rows,
            threads=executor.threads_per_process,
            store_url=root.url,
            finished=finished,
            truth=bool(variables),
        )
        remedy = partial(smaller_tiles, loaded, rows, store_exists=root.exists, truth=bool(variables))
        check_memory(estimate, executor.memory_limit, remedy)
        check_disk(estimate, root.url, replaced_bytes(loaded, root.url, rows, finished), loaded.url)
        subscribers = [
            stack.enter_context(s) if isinstance(s, AbstractContextManager) else s
            for s in _subscribers(progress)
        ]
        stack.enter_context(performance_reported(executor.client, performance_report))
        if not begun:
            stack.enter_context(only_run(root.url))
            if _is_begun(root.url):
                raise StoreError(f"Another run has just made {root.url}; the same command continues it.")
        store = SimulationStore.create(root.url, loaded, rows=rows, update=True, root=root)
        dispatcher = EventDispatcher([*subscribers, RunLog(shown=bool(subscribers))])
        recorder = _RunRecorder(store, rows, finished, on_error, dispatcher)
        return recorder.run(executor, estimate, comparison, retries, truth=bool(truth), variables=variables)


def _is_begun(store_url: str | os.PathLike[str]) -> bool:
    return files.exists(files.join(files.normal_url(store_url), "plan", PLAN_FILE))


def _subscribers(progress: bool | Subscriber | Iterable[Subscriber]) -> list[Subscriber]:
    if progress is True:
        from mirage_dask.run.display.notebook import NotebookProgress, in_notebook
        from mirage_dask.run.display.terminal import TerminalProgress

        return [NotebookProgress() if in_notebook() else TerminalProgress()]
    if not progress:
        return []
    return [progress] if callable(progress) else list(progress)


class _RunRecorder:
    """Records what each tile returned: which are done, which failed, which are still missing."""

    def __init__(
        self,
        store: SimulationStore,
        rows: list[int],
        done: Finished,
        on_error: str,
        dispatch: EventDispatcher,
    ):
        self.store, self.rows, self.on_error, self.dispatch = store, rows, on_error, dispatch
        self.done = done
        self.missing = {row: store.plan.grid(row).count - len(self.done[row]) for row in rows}
        self.failures: list[Failure] = []
        self.tiles = self.raw_bytes = self.stored_bytes = 0

    def run(
        self,
        executor: Executor,
        estimate: RunEstimate,
        comparison: StoreComparison,
        retries: int,
        *,
        truth: bool = False,
        variables: Sequence[str] = (),
    ) -> RunReport:
        """Execute the missing tiles and write the status, also when the run is interrupted."""
        plan, began = self.store.plan, time.monotonic()
        skipped = sum(count == 0 for count in self.missing.values())
        ranges, per_block = missing_tile_ranges(plan, self.rows, self.done, threads=executor.threads)
        in_store = sum(self._bytes(row, tile) for row in self.rows for tile in self.done[row])
        self.dispatch(
            RunStarted(
                self.store.url,
                len(self.rows),
                skipped,
                estimate.raw_bytes,
                in_store,
                estimate,
                comparison,
                threads=executor.threads,
                tiles_at_once=tiles_at_once(ranges, per_block, executor.threads),
            )
        )
        handle = RunHandle(self.store.url, plan.digest, time.time_ns(), retries)
        try:
            if len(ranges):
                mark_complete(self.store.url, plan, self.done, new=not comparison.exists)
                self.dispatch(StepStarted("loading kernels and references"))
                executor.tiles_begin = lambda: self.dispatch(StepStarted(""))
                with memory_watched(executor.memory_used, self.dispatch):
                    executor.execute(ranges, per_block, handle, self.record)
            if truth:
                self._make_truth(executor, variables)
        except BaseException:
            with suppress(MirageDaskError):  # the disk may be full; the commit records have the status too
                self.store.finish(self.done, self.failures)
            raise
        self.store.finish(self.done, self.failures)
        report = RunReport(
            store_url=self.store.url,
            plan_digest=plan.digest,
            exposures=len(self.rows),
            skipped=skipped,
            done=sum(len(self.done[row]) == plan.grid(row).count for row in self.rows),
            failures=tuple(self.failures),
            tiles=self.tiles,
            raw_bytes=self.raw_bytes,
            stored_bytes=self.stored_bytes,
            seconds=time.monotonic() - began,
        )
        self.dispatch(RunFinished(report))
        return report

    def _make_truth(self, executor: Executor, variables: Sequence[str]) -> None:
        """Make the truth tables and variables that are missing."""
        from mirage_dask.run.truth.making import (
            make_truth,
            make_variables,
        )  # reads Parquet; most runs have none

        executor.tiles_begin = lambda: None  # these tasks are no tiles

        def told(what: str, done: int, count: int) -> None:
            self.dispatch(StepStarted(what, done, count))

        made = [("truth tables", "", make_truth(self.store, self.rows, executor, progress=told))]
        if variables:
            option = f" --variables {','.join(variables)}"
            report = make_variables(self.store, self.rows, variables, executor, progress=told)
            made.append(("variables", option, report))
        for what, option, report in made:
            if report.failed:
                (name, reason), *more = report.failed
                _LOG.warning(
                    "The %s of %s could not be made; %s: %s. mirage-dask truth %s --make%s tries again.",
                    what, counted(len(more) + 1, "exposure"), name, reason, self.store.url, option,
                )  # fmt: skip

    def _bytes(self, row: int, tile: int) -> int:
        i, g, y, x = self.store.plan.grid(row).window(tile).shape
        return 2 * i * g * y * x

    def record(self, result: TileResult) -> None:
        """Record the result of a tile and dispatch its events."""
        name = self.store.plan.names[result.row]
        if result.fatal:
            raise StoreError(result.error)
        if result.commit is not None:
            size = self._bytes(result.row, result.tile)
            self.done[result.row][result.tile] = result.commit
            self.tiles += 1
            self.raw_bytes += size
            self.stored_bytes += result.commit.size
            self.dispatch(TileDone(name, result.tile, size, result.commit.size, result.seconds))
        else:
            self.failures.append(Failure(name, result.tile, result.error, result.trace))
            if self.on_error == "raise":
                raise RunError(f"Exposure {name}, tile {result.tile} failed: {result.error}\n{result.trace}")
            self.dispatch(TileFailed(name, result.tile, result.error))
        self.missing[result.row] -= 1
        if self.missing[result.row] == 0:
            complete = len(self.done[result.row]) == self.store.plan.grid(result.row).count
            self.dispatch(ExposureDone(name, failed=not complete))
