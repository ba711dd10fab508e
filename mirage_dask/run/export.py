"""Export of FITS files from a store: a task per file, on any dask client, in threads or in a plain loop.

A file holds one datatype of one exposure, or of a segment of a large one. Files do not depend on each other. Each appears
under its name only when it is complete, so that an export that was stopped continues where it was. What a task does:
`run.files.writing`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.exposure.contributions.variables import check_truth
from mirage_dask.fits.segments import SEGMENT_BYTES
from mirage_dask.formatting import counted
from mirage_dask.io import files
from mirage_dask.io.atomic import remove_abandoned
from mirage_dask.io.progress import Progress
from mirage_dask.run.estimate import RunEstimate, check_memory, estimate_run
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.run.files.writing import ExportHandle, FileResult
from mirage_dask.run.tasks import TILE_RANGE, TileRanges, TileResult
from mirage_dask.selection import Selection, is_condition, select_rows
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore

DATATYPES = {"raw": ("raw",), "linear": ("linear",), "both": ("raw", "linear")}
"""Datatypes of the files of an exposure, by the value of the argument."""

PIXEL_BYTES = {"raw": 2, "linear": 9, "truth": 4}
"""Bytes of a file per pixel and group; of truth, about, for each variable."""

PROCESS_BYTES = 430_000_000
"""Memory of a process that writes raw files (measured: 390 MB) ..."""
THREAD_BYTES = 100_000_000
"""... and the most that each of its threads adds, for files of any size (measured: 50 to 80 MB)."""

CALIBRATE_FILE = "calibrate.env"


@dataclass(frozen=True)
class ExportReport:
    """The outcome of an export."""

    directory: str
    written: tuple[str, ...]
    """File names."""
    skipped: tuple[str, ...]
    """Files that existed already, made from the same specs."""
    failed: tuple[tuple[str, str], ...]
    """(exposure, reason)."""
    bytes_written: int
    """Size of the files written."""
    seconds: float
    not_simulated: tuple[str, ...] = ()
    """Exposures without raw files, because they are not simulated yet."""

    @property
    def ok(self) -> bool:
        """Whether every selected exposure that is simulated has its file."""
        return not self.failed

    def paths(self, named: bool) -> list[Path]:
        """Return the paths of all files, sorted.

        Parameters
        ----------
        named
            Whether the user named each exposure, so that one that is not simulated yet is an error even beside others.

        Raises
        ------
        InputError
            If an exposure has failed, or one that is named, or all, are not simulated yet.
        """
        problems = [problem for _, problem in self.failed]
        exported = (*self.written, *self.skipped)
        if named or not exported:
            problems += [
                f"{name} is not simulated yet; simulate it first, or leave it out."
                for name in self.not_simulated
            ]
        if problems:
            raise InputError(dict.fromkeys(problems))
        return sorted(Path(self.directory) / name for name in exported)


class _Stop(Exception):
    """No file can be written any more, for the reason of the exposure that it names."""


def export_store(
    store: SimulationStore | str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    select: Selection = None,
    datatype: str = "raw",
    truth: str | Iterable[str] = (),
    overwrite: bool = False,
    segment_bytes: int = SEGMENT_BYTES,
    calibrate_env: Callable[[], str] | None = None,
    check: Callable[[Plan, list[str]], object] | None = None,
    resources: Resources = DEFAULT,
    progress: Progress | None = None,
) -> ExportReport:
    """Write the FITS files of exposures of a store.

    Files that are whole and made from the same specs are left alone, so that an export that was stopped is finished by
    calling this again. Two exports may write into one directory at the same time.

    Parameters
    ----------
    store
        The store or its URL.
    directory
        Local directory, which all workers see; made if needed.
    select
        Condition on the columns of the exposure table, names, positions, rows or a mask (see
        `selection.select_rows`); default every exposure of the plan.
    datatype
        'raw': Level-1b files (`_uncal.fits`) of what is in the store. 'linear': linear ramps (`_linear.fits`, see
        `fits.linear`), computed from the plan in the store, also of exposures that are not complete there. 'both'.
    truth
        Names of variables (see `exposure.contributions.variables`): write them too, into files `_truth.fits`; read where
        they are stored, else computed.
    overwrite
        Write files again that exist and are valid.
    segment_bytes
        Exposures whose products up to Stage 2 are larger are written as segments (see `fits.segments`).
    calibrate_env
        Gives the text of `calibrate.env`, with which the pipeline finds the references of the simulation; written beside
        the files.
    check
        Called with the plan and the names of the exposures whose files are asked for and can be made, before anything is
        written; raises an error if something else that is wanted with them cannot be.
    resources
        Where it is done; the unit of work is a file. A process needs 430 MB and 100 MB per thread for raw files of any size,
        and for linear files what a run needs.
    progress
        Called after each file with (number of files done, as text; their bytes; bytes of all files).

    Returns
    -------
    ExportReport
        Exposures that no run has completed yet are in `not_simulated`. Those that failed in a run, are damaged, or whose
        table row cannot make a header, are in `failed`; so is the rest when the directory cannot be written any more (disk
        full).

    Raises
    ------
    InputError
        If the selection contains nothing, the directory is not local, or a worker's memory
        limit is below what it needs.
    StoreError
        If there is no store, or the directory cannot be made.
    RunError
        If the scheduler is lost.
    """
    problems = []
    if datatype not in DATATYPES:
        problems.append(f"datatype must be one of {', '.join(DATATYPES)}, not {datatype!r}.")
    if segment_bytes < 1:
        problems.append(f"segment_bytes must be at least 1, not {segment_bytes}.")
    if problems:
        raise InputError(problems)
    began = time.monotonic()
    store = store if isinstance(store, SimulationStore) else SimulationStore.open(store)
    target = files.normal_url(directory)
    if not files.is_local(target):
        raise InputError(
            f"FITS files are written to a local directory, not to {directory}; export, then copy them there."
        )
    rows, unprepared = _selected(store.plan, select)
    variables = check_truth(truth)
    datatypes = (*DATATYPES[datatype], *(["truth"] if variables else []))
    unsimulated = _not_simulated(store, rows) if "raw" in datatypes else set()
    if check is not None:
        check(store.plan, [store.plan.names[row] for row in rows if row not in unsimulated])
    with files.store_errors(target):
        os.makedirs(target, exist_ok=True)
    remove_abandoned(target)
    if calibrate_env is not None:
        files.write_bytes(files.join(target, CALIBRATE_FILE), calibrate_env().encode())
    handle = ExportHandle(
        store.url,
        store.plan.digest,
        time.time_ns(),
        directory=target,
        overwrite=overwrite,
        datatypes=datatypes,
        segment_bytes=segment_bytes,
        truth=variables,
    )
    numbered = {row: list(enumerate(handle.files(store.plan, row))) for row in rows}
    ranges = np.array(
        [
            (row, number, number + 1)
            for datatype in datatypes
            for row in rows
            for number, (kind, _) in numbered[row]
            if kind == datatype and not (kind == "raw" and row in unsimulated)
        ],
        TILE_RANGE,
    )
    recorder = _ExportRecorder(store, handle, ranges, progress)
    try:
        with open_executor(resources) as executor:
            rows = sorted({int(row) for row in ranges["row"]})
            estimate = _estimate(store.plan, rows, datatypes, executor.threads_per_process)
            check_memory(estimate, executor.memory_limit)
            if rows:
                executor.execute(ranges, 1, handle, recorder.record)
    except _Stop as stop:
        recorder.give_up(str(stop))
    finally:
        remove_abandoned(target)
    left = (*(store.plan.names[row] for row in sorted(unsimulated)), *unprepared)
    return replace(recorder.report(time.monotonic() - began), not_simulated=left)


def _selected(plan: Plan, select: Selection) -> tuple[list[int], list[str]]:
    """Return the rows of the selected exposures, and the names of those that no run of the store has asked for yet."""
    table = plan.table.iloc[select_rows(plan.table, select)]
    ready = table["status"] == "ready" if "status" in table else np.zeros(len(table), bool)
    later = list(table["name"][ready & ~table["name"].isin(plan.names)])
    if later and is_condition(plan.table, select):
        return [plan.row(name) for name in plan.names if name in set(table["name"])], later
    named = [name for name in table["name"] if name not in set(later)]
    return plan.select(named if later else select) if named else [], later


def _not_simulated(store: SimulationStore, rows: list[int]) -> set[int]:
    """Return the exposures that no run has completed, without those that failed in one."""
    table = store.status(store.survey(rows))
    ready = set(table.loc[table["status"].isin(("ready", "partial")), "name"])
    return {row for row in rows if store.plan.names[row] in ready}


def _estimate(plan: Plan, rows: list[int], datatypes: tuple[str, ...], threads: int) -> RunEstimate:
    """Return the estimate of a run with the memory that an export needs."""
    computing = estimate_run(plan, rows, threads=threads)
    if {"linear", "truth"} & set(datatypes):
        # Besides what computing takes: two windows of 9 bytes a pixel, one computed ahead, and two ramps of float32.
        ahead = 26 * max(int(np.prod(plan.grid(row).part)) for row in rows)
        each, base = computing.thread_bytes + ahead, computing.peak_bytes - threads * computing.thread_bytes
    else:
        each, base = THREAD_BYTES, PROCESS_BYTES
    return replace(computing, thread_bytes=each, peak_bytes=base + threads * each)


class _ExportRecorder:
    """Records the outcome of each file."""

    def __init__(
        self,
        store: SimulationStore,
        handle: ExportHandle,
        ranges: TileRanges,
        progress: Progress | None,
    ):
        self.store, self.handle, self.progress = store, handle, progress
        self.sizes = {(row, number): self._bytes(row, number) for row, number, _ in ranges.tolist()}
        self.results: dict[tuple[int, int], FileResult] = {}
        self.bytes_done = 0

    def record(self, result: TileResult) -> None:
        """Record the outcome of a file.

        Raises
        ------
        _Stop
            If no other file can be written either.
        """
        if not isinstance(result, FileResult):  # dask has given the task up
            result = FileResult(result.row, result.tile, 0.0, None, result.error)
        file = result.row, result.tile
        path = self.handle.path(self.store.plan, *file)
        if result.outcome == "written" and not path.exists():
            error = f"a worker wrote {path} on a disk that this machine does not see; export to one that both see."
            result = FileResult(*file, result.seconds, None, error)
        self.results[file] = result
        self.bytes_done += self.sizes[file]
        if self.progress is not None:
            text = f"{len(self.results):,} of {counted(len(self.sizes), 'file')}"
            self.progress(text, self.bytes_done, sum(self.sizes.values()))
        if result.fatal:
            raise _Stop(self.store.plan.names[result.row])

    def give_up(self, exposure: str) -> None:
        """Record all other files as failed for the reason of one exposure, except those that exist already."""
        reason = f"not written, for the same reason as {exposure}."
        for file in self.sizes.keys() - self.results.keys():
            row, number = file
            datatype, segment = self.handle.files(self.store.plan, row)[number]
            path = self.handle.path(self.store.plan, *file)
            if self.handle.is_current(path, datatype, self.store.plan.spec(row), segment):
                self.results[file] = FileResult(*file, 0.0, None, outcome="skipped")
            else:
                self.results[file] = FileResult(*file, 0.0, None, reason)

    def _bytes(self, row: int, number: int) -> int:
        datatype, segment = self.handle.files(self.store.plan, row)[number]
        _, groups, ny, nx = self.store.plan.shape(row)
        each = PIXEL_BYTES[datatype] * (len(self.handle.truth) if datatype == "truth" else 1)
        return each * (segment.integrations[1] - segment.integrations[0]) * groups * ny * nx

    def report(self, seconds: float) -> ExportReport:
        """Return the outcome, in the order of the selection."""

        def names(outcome: str) -> tuple[str, ...]:
            plan = self.store.plan
            return tuple(
                self.handle.path(plan, *file).name
                for file in self.sizes
                if self.results[file].outcome == outcome
            )

        return ExportReport(
            directory=self.handle.directory,
            written=names("written"),
            skipped=names("skipped"),
            failed=tuple(
                dict.fromkeys(  # segments of an exposure fail for one reason
                    (self.store.plan.names[row], self.results[row, number].error)
                    for row, number in self.sizes
                    if self.results[row, number].outcome == "failed"
                )
            ),
            bytes_written=sum(result.size for result in self.results.values()),
            seconds=seconds,
        )
