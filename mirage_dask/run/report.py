"""The report that a run returns, and the error that it raises when it stops."""

from __future__ import annotations

from dataclasses import dataclass

from mirage_dask.errors import MirageDaskError
from mirage_dask.formatting import counted, duration, size
from mirage_dask.representation.page import (
    ACCENT,
    DONE,
    FAILED,
    bar,
    collapsed,
    page,
    pairs,
    preformatted,
    table,
)
from mirage_dask.store.status import Failure

MOST_FAILURES = 10
"""Failed exposures that a notebook shows."""
MOST_TRACEBACKS, TRACEBACK = 3, 4000
"""Tracebacks that it shows, and letters of each."""


class RunError(MirageDaskError):
    """A tile could not be simulated and on_error is "raise", or the scheduler was lost."""


@dataclass(frozen=True)
class RunReport:
    """The outcome of one run."""

    store_url: str
    plan_digest: str
    exposures: int
    """Selected exposures."""
    skipped: int
    """Of those, complete before the run began."""
    done: int
    """Complete now, including the skipped ones."""
    failures: tuple[Failure, ...]
    """One per failed tile."""
    tiles: int
    """Written by this run."""
    raw_bytes: int
    """Raw data written by this run."""
    stored_bytes: int
    """Its size in the store."""
    seconds: float

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of exposures with a failed tile, each once."""
        return tuple(dict.fromkeys(failure.exposure for failure in self.failures))

    @property
    def ok(self) -> bool:
        """Whether every selected exposure is complete."""
        return self.done == self.exposures

    def _repr_html_(self) -> str:
        failed = len(self.failed)
        rest = self.exposures - self.done - failed
        states = [
            (f"{self.done - self.skipped:,} simulated", self.done - self.skipped, DONE),
            (f"{self.skipped:,} complete before", self.skipped, ACCENT),
            (f"{failed:,} failed", failed, FAILED),
            (f"{rest:,} not complete", rest, ""),
        ]
        ratio = f" ({self.raw_bytes / self.stored_bytes:.2f}:1)" if self.stored_bytes else ""
        facts = [
            ("exposures", f"{self.done:,} of {self.exposures:,} complete, {self.skipped:,} before this run"),
            ("tiles", f"{self.tiles:,}, {size(self.raw_bytes)} raw, {size(self.stored_bytes)} stored{ratio}"),
            ("time", duration(self.seconds)),
            ("store", self.store_url),
        ]
        return page("Run", bar(states), pairs(facts), *self._failures_html())

    def _failures_html(self) -> list[str]:
        """Return a table of the exposures that failed, each once, and the traceback of the first tiles."""
        if not self.failures:
            return []
        first = {failure.exposure: failure for failure in reversed(self.failures)}
        shown = [first[name] for name in self.failed[:MOST_FAILURES]]
        more = len(self.failed) - len(shown)
        rows = [(failure.exposure, str(failure.tile), failure.error) for failure in shown]
        rows += [(f"and {more:,} more", "", "")] if more > 0 else []
        traces = [
            collapsed(
                f"traceback of {failure.exposure}, tile {failure.tile}",
                preformatted(failure.traceback, TRACEBACK),
            )
            for failure in shown[:MOST_TRACEBACKS]
            if failure.traceback
        ]
        return [table(("failed", "tile", "error"), rows), *traces]

    def __str__(self) -> str:
        ratio = f", stored at {self.raw_bytes / self.stored_bytes:.2f}:1" if self.stored_bytes else ""
        many = counted(self.exposures, "exposure")
        text = (
            f"{self.done} of {many} complete in {self.store_url} ({self.skipped} before this run); "
            f"{counted(self.tiles, 'tile')}, {self.raw_bytes / 1e6:,.0f} MB of raw data in {self.seconds:.1f} s{ratio}."
        )
        if self.failed:
            reasons = {failure.exposure: failure.error for failure in reversed(self.failures)}
            text += "".join(f"\nFailed: {name}: {reasons[name]}" for name in self.failed)
        return text
