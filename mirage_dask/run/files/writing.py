"""FITS files of a store, written by workers: what every task of an export carries, and what it does with one file.

A file holds one datatype of one exposure, or of a segment of a large one, and is written whole or not at all. A task returns
a `FileResult` per file.
"""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mirage_dask.errors import InputError, StoreError
from mirage_dask.exposure.contributions.variables import variable_of
from mirage_dask.fits.linear import linear_name, write_linear
from mirage_dask.fits.ramp_models import RampProduct, is_current
from mirage_dask.fits.segments import SEGMENT_BYTES, Segment, segments_of
from mirage_dask.fits.truth.files import is_truth_current, truth_name, write_truth
from mirage_dask.fits.uncal import stored_pixels, uncal_name, write_uncal
from mirage_dask.run.tasks import RunHandle, TileResult, error_line, open_store
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.variables import Variable

FILE_NAMES = {"raw": uncal_name, "linear": linear_name, "truth": truth_name}
"""Names of the files of an exposure, by datatype."""


@dataclass(frozen=True)
class FileResult(TileResult):
    """Outcome of a file: its exposure is `row`, its number among the files of that exposure `tile`."""

    outcome: str = "failed"
    """'written', 'skipped' or 'failed'."""
    size: int = 0
    """Bytes written."""


@dataclass(frozen=True)
class ExportHandle(RunHandle):
    """What every task of an export carries."""

    directory: str = ""
    overwrite: bool = False
    datatypes: tuple[str, ...] = ("raw",)
    segment_bytes: int = SEGMENT_BYTES
    truth: tuple[str, ...] = ()
    """Variables in the files of the datatype `truth`."""

    def files(self, plan: Plan, row: int) -> list[tuple[str, Segment]]:
        """Return (datatype, segment) of each file of an exposure; the place in this list is its number."""
        kind = str(plan.table_value(plan.names[row], "exp_type"))
        segments = segments_of(plan.shape(row), self.segment_bytes, exp_type=kind)
        return [(datatype, segment) for datatype in self.datatypes for segment in segments]

    def path(self, plan: Plan, row: int, number: int) -> Path:
        """Return the path of a file."""
        datatype, segment = self.files(plan, row)[number]
        return Path(self.directory) / FILE_NAMES[datatype](plan.names[row], segment)

    def results(self, row: int, first: int, stop: int) -> Iterator[FileResult]:
        """Write files of an exposure."""
        for number in range(first, stop):
            began = time.perf_counter()
            error, trace, fatal, outcome, size = "", "", False, "failed", 0
            try:
                outcome, size = self._write(row, number)
            except InputError as problem:
                error = str(problem)
            except StoreError as problem:  # the directory cannot be written: no other file would fare better
                error, trace, fatal = str(problem), traceback.format_exc(), True
            except (
                Exception
            ) as problem:  # it concerns this file only: it is recorded, and the export continues
                error, trace = error_line(problem), traceback.format_exc()
            seconds = time.perf_counter() - began
            yield FileResult(row, number, seconds, None, error, trace, fatal, outcome=outcome, size=size)

    def _write(self, row: int, number: int) -> tuple[str, int]:
        plan = open_store(self.store_url, self.plan_digest).plan
        spec = plan.spec(row)
        (datatype, segment), path = self.files(plan, row)[number], self.path(plan, row, number)
        if not path.parent.is_dir():
            raise StoreError(
                f"A worker on {platform.node()} does not find the directory {self.directory}; export to one that all "
                "workers see, or without workers."
            )
        if not self.overwrite and self.is_current(path, datatype, spec, segment):
            return "skipped", 0
        product = RampProduct.of(plan, spec, segment)
        if datatype == "raw":
            from mirage_dask.run.pixels.first_frames import first_frames

            store = SimulationStore(self.store_url, plan)
            zero = first_frames(plan, row, segment.integrations)
            write_uncal(path, stored_pixels(store, row, segment.integrations), product, zero)
        elif datatype == "truth":
            from mirage_dask.run.pixels.truth import truth_pixels

            store = SimulationStore(self.store_url, plan)
            write_truth(
                path, self._variables, truth_pixels(store, row, self.truth, segment.integrations), product
            )
        else:
            from mirage_dask.run.pixels.computed import computed_pixels, linear_mask, linear_ramp

            pixels = computed_pixels(linear_ramp(plan, row), plan.grid(row).boxes(segment.integrations))
            write_linear(path, pixels, linear_mask(plan, row), product)
        return "written", path.stat().st_size

    @property
    def _variables(self) -> list[Variable]:
        return [variable_of(name) for name in self.truth]

    def is_current(self, path: Path, datatype: str, spec: ExposureSpec, segment: Segment) -> bool:
        """Return whether a file is whole, made from this very spec, and holds what it should."""
        if datatype == "truth":
            return is_truth_current(path, self._variables, spec, segment)
        return is_current(path, spec, segment)

    def warm(self, row: int) -> None:
        """Open the store; compile what computes linear ramps."""
        if {"linear", "truth"} & set(self.datatypes):
            super().warm(row)
        open_store(self.store_url, self.plan_digest).plan.spec(row)
