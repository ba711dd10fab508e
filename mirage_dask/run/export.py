"""FITS files out of a store: a task per file, on any dask client, in threads or in a plain loop.

Files do not depend on each other. Each appears under its name only when it is whole, so that an export that was stopped goes
on where it was. What travels back is a `FileResult` per file.
"""

from __future__ import annotations

import os
import platform
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError, StoreError
from mirage_dask.run.tasks import SEGMENT, RunHandle, TileResult, error_line, open_store
from mirage_dask.run.ways import check_way, chosen_way
from mirage_dask.spec import Window
from mirage_dask.store import files
from mirage_dask.store.provisional import sweep
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.uncal import (
    Pixels,
    is_current,
    provenance_cards,
    stored_pixels,
    uncal_name,
    write_uncal,
)

if TYPE_CHECKING:
    from distributed import Client

CALIBRATE_FILE = "calibrate.env"


@dataclass(frozen=True)
class ExportReport:
    """The outcome of an export."""

    directory: str
    written: tuple[str, ...]
    """File names."""
    skipped: tuple[str, ...]
    """Files that were there already, made from the same specs."""
    failed: tuple[tuple[str, str], ...]
    """(exposure, reason)."""
    bytes_written: int
    """Size of the files written."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every selected exposure has its file."""
        return not self.failed


@dataclass(frozen=True)
class FileResult(TileResult):
    """What became of a file; its exposure is in `row`, an error in `error`."""

    outcome: str = "failed"
    """'written', 'skipped' or 'failed'."""
    size: int = 0
    """Bytes written."""


@dataclass(frozen=True)
class ExportHandle(RunHandle):
    """What every task of an export carries."""

    directory: str = ""
    overwrite: bool = False

    def results(self, row: int, first: int, stop: int) -> Iterator[FileResult]:
        """Write files of an exposure."""
        for number in range(first, stop):
            began = time.perf_counter()
            error, trace, fatal, outcome, size = "", "", False, "failed", 0
            try:
                outcome, size = self._write(row)
            except InputError as problem:
                error = str(problem)
            except StoreError as problem:  # the directory cannot be written: no other file would fare better
                error, trace, fatal = str(problem), traceback.format_exc(), True
            except (
                Exception
            ) as problem:  # whatever it is, it concerns this file: recorded, and the rest goes on
                error, trace = error_line(problem), traceback.format_exc()
            seconds = time.perf_counter() - began
            yield FileResult(row, number, seconds, None, error, trace, fatal, outcome=outcome, size=size)

    def _write(self, row: int) -> tuple[str, int]:
        store = open_store(self.store_url, self.plan_digest)
        spec = store.plan.spec(row)
        path = Path(self.directory) / uncal_name(spec.name)
        if not path.parent.is_dir():
            raise StoreError(
                f"A worker on {platform.node()} finds no directory {self.directory}; export to one that all workers see, "
                "or without them."
            )
        if not self.overwrite and is_current(path, spec):
            return "skipped", 0
        cards = provenance_cards(store.plan, spec)
        write_uncal(path, stored_pixels(store, row), spec, store.plan.table_row(spec.name), cards)
        return "written", path.stat().st_size

    def warm(self, row: int) -> None:
        """Import what takes seconds, and open the store."""
        from stdatamodels.jwst import datamodels  # noqa: F401

        open_store(self.store_url, self.plan_digest).plan.spec(row)


def computed_pixels(
    compute: Callable[[Window], npt.NDArray[Any]], windows: Iterable[Window], *, threads: int = 1
) -> Pixels:
    """Yield windows and what is computed for them, in order, a few ahead in threads of this process.

    Parameters
    ----------
    compute
        Gives the values of a window.
    windows
        Where.
    threads
        How many are computed at a time; as many more may wait to be written.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Window, Future[npt.NDArray[Any]]]] = deque()
        for window in windows:
            waiting.append((window, pool.submit(compute, window)))
            if len(waiting) > threads:
                first, values = waiting.popleft()
                yield first, values.result()
        for window, values in waiting:
            yield window, values.result()


class _Stop(Exception):
    """No file can be written any more."""


def export_store(
    store: SimulationStore | str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    select: str | Iterable[str] | None = None,
    overwrite: bool = False,
    calibrate_env: Callable[[], str] | None = None,
    client: Client | str | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> ExportReport:
    """Write the Level-1b files of exposures that are complete in a store.

    Files that are whole and made from the same specs are left alone, so that an export that was stopped is finished by
    calling this again. Two exports may write into one directory at the same time.

    Parameters
    ----------
    store
        The store or its URL.
    directory
        Local directory, which all workers see; made if needed.
    select
        Names, or a pandas query over the exposure table; default every exposure of the plan.
    overwrite
        Write files again that are there and valid.
    calibrate_env
        Gives the text of `calibrate.env`, with which the pipeline finds the references of the simulation; written beside
        the files.
    client, workers, memory, scheduler, threads
        Where it is done, as for `run_plan`; the unit of work is a file. Each thread needs about 100 MB, whatever the size of
        the files.
    progress
        Called after each file with (how many files are done, as text; bytes of them; bytes of all).

    Returns
    -------
    ExportReport
        Exposures that are not complete, or whose table row cannot make a header, are in `failed`. So is the rest when the
        directory cannot be written any more (disk full).

    Raises
    ------
    InputError
        If arguments contradict each other, the selection holds nothing, or the directory is not local.
    StoreError
        If there is no store, or the directory cannot be made.
    RunError
        If the scheduler is lost.
    """
    problems = check_way(client=client, workers=workers, memory=memory, scheduler=scheduler, threads=threads)
    if problems:
        raise InputError(problems)
    began = time.monotonic()
    store = store if isinstance(store, SimulationStore) else SimulationStore.open(store)
    target = files.normal_url(directory)
    if not files.is_local(target):
        raise InputError(
            f"FITS files are written to a local directory, not to {directory}; export, then copy them there."
        )
    rows = store.plan.select(select)
    with files.store_errors(target):
        os.makedirs(target, exist_ok=True)
    sweep(Path(target))
    if calibrate_env is not None:
        files.write_bytes(files.join(target, CALIBRATE_FILE), calibrate_env().encode())
    books = _Books(store, target, rows, progress)
    handle = ExportHandle(store.url, store.plan.digest, time.time_ns(), directory=target, overwrite=overwrite)
    segments = np.array([(row, 0, 1) for row in rows], SEGMENT)
    try:
        with chosen_way(
            client=client, workers=workers, memory=memory, scheduler=scheduler, threads=threads
        ) as way:
            way.execute(segments, 1, handle, books.book)
    except _Stop as stop:
        books.give_up(str(stop))
    finally:
        sweep(Path(target))
    return books.report(time.monotonic() - began)


class _Books:
    """What is done, kept on the client."""

    def __init__(
        self,
        store: SimulationStore,
        directory: str,
        rows: list[int],
        progress: Callable[[str, int, int], None] | None,
    ):
        self.store, self.directory, self.progress = store, Path(directory), progress
        self.sizes = {row: 2 * int(np.prod(store.plan.shape(row), dtype=np.int64)) for row in rows}
        self.results: dict[int, FileResult] = {}
        self.bytes_done = 0

    def book(self, result: TileResult) -> None:
        """Enter what became of a file.

        Raises
        ------
        _Stop
            If no other file can be written either.
        """
        if not isinstance(result, FileResult):  # dask has given the task up
            result = FileResult(result.row, result.tile, 0.0, None, result.error)
        path = self._path(result.row)
        if result.outcome == "written" and not path.exists():
            error = f"a worker wrote {path} on a disk that this machine does not see; export to one that both see."
            result = FileResult(result.row, result.tile, result.seconds, None, error)
        self.results[result.row] = result
        self.bytes_done += self.sizes[result.row]
        if self.progress is not None:
            text = f"{len(self.results):,} of {len(self.sizes):,} files"
            self.progress(text, self.bytes_done, sum(self.sizes.values()))
        if result.fatal:
            raise _Stop(result.error)

    def give_up(self, reason: str) -> None:
        """Enter all other files as failed, but those that are there already."""
        for row in self.sizes.keys() - self.results.keys():
            if is_current(self._path(row), self.store.plan.spec(row)):
                self.results[row] = FileResult(row, 0, 0.0, None, outcome="skipped")
            else:
                self.results[row] = FileResult(row, 0, 0.0, None, f"not written, because: {reason}")

    def _path(self, row: int) -> Path:
        return self.directory / uncal_name(self.store.plan.names[row])

    def report(self, seconds: float) -> ExportReport:
        """Return the outcome, in the order of the selection."""
        found = [self.results[row] for row in self.sizes]

        def names(outcome: str) -> tuple[str, ...]:
            return tuple(self._path(result.row).name for result in found if result.outcome == outcome)

        return ExportReport(
            directory=str(self.directory),
            written=names("written"),
            skipped=names("skipped"),
            failed=tuple((self.store.plan.names[r.row], r.error) for r in found if r.outcome == "failed"),
            bytes_written=sum(result.size for result in found),
            seconds=seconds,
        )
