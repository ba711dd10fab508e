"""The report that a run returns, and the error that it raises when it stops."""

from __future__ import annotations

from dataclasses import dataclass

from mirage_dask.errors import MirageDaskError
from mirage_dask.formatting import duration, html_pairs, size
from mirage_dask.store.status import Failure

MOST_FAILURES = 10
"""Failed exposures that a notebook shows."""


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
        reasons = {failure.exposure: failure.error for failure in reversed(self.failures)}
        pairs = [
            ("exposures", f"{self.done:,} of {self.exposures:,} complete, {self.skipped:,} before this run"),
            ("tiles", f"{self.tiles:,}, {size(self.raw_bytes)} raw, {size(self.stored_bytes)} stored"),
            ("time", duration(self.seconds)),
            *((f"failed: {name}", reasons[name]) for name in self.failed[:MOST_FAILURES]),
        ]
        more = len(self.failed) - MOST_FAILURES
        return html_pairs(
            f"Run into {self.store_url}", [*pairs, *([("", f"and {more} more")] if more > 0 else [])]
        )

    def __str__(self) -> str:
        ratio = f", stored at {self.raw_bytes / self.stored_bytes:.2f}:1" if self.stored_bytes else ""
        text = (
            f"{self.done} of {self.exposures} exposures complete in {self.store_url} ({self.skipped} before this run); "
            f"{self.tiles} tiles, {self.raw_bytes / 1e6:,.0f} MB of raw data in {self.seconds:.1f} s{ratio}."
        )
        if self.failed:
            reasons = {failure.exposure: failure.error for failure in reversed(self.failures)}
            text += "".join(f"\nFailed: {name}: {reasons[name]}" for name in self.failed)
        return text
