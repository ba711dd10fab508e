"""Counts the events of a run for a display: exposures, bytes, rate, time left, memory, failures."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mirage_dask.run.display.events import (
    Event,
    ExposureDone,
    MemoryUsed,
    RunFinished,
    RunStarted,
    TileDone,
    TileFailed,
)
from mirage_dask.run.report import RunReport

RATE_SECONDS = 30.0
"""Seconds over which the rate is measured."""


@dataclass
class Tally:
    """A subscriber that only counts."""

    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    began: float = 0.0
    exposures: int = 0
    done: int = 0
    failed: int = 0
    """Exposures with a failed tile."""
    raw_bytes: int = 0
    """Of all selected exposures."""
    raw_bytes_done: int = 0
    memory: MemoryUsed | None = None
    failures: dict[str, str] = field(default_factory=dict)
    """{exposure: its first error}."""
    report: RunReport | None = None
    """Set at the end of the run."""
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        match event:
            case RunStarted():
                self.began = self.clock()
                self.exposures, self.done = event.exposures, event.exposures_done
                self.raw_bytes, self.raw_bytes_done = event.raw_bytes, event.raw_bytes_done
                self._recent.append((self.began, self.raw_bytes_done))
            case TileDone():
                self.raw_bytes_done += event.raw_bytes
                self._recent.append((self.clock(), self.raw_bytes_done))
                while len(self._recent) > 2 and self._recent[1][0] < self.clock() - RATE_SECONDS:
                    self._recent.popleft()
            case TileFailed():
                self.failures.setdefault(event.exposure, event.error)
            case ExposureDone():
                self.done += not event.failed
                self.failed += event.failed
            case MemoryUsed():
                self.memory = event
            case RunFinished():
                self.report = event.report

    @property
    def seconds(self) -> float:
        """Since the run started."""
        return self.clock() - self.began

    @property
    def rate(self) -> float:
        """Recent bytes of raw data per second."""
        if len(self._recent) < 2:
            return 0.0
        (start, before), (_, now) = self._recent[0], self._recent[-1]
        return (now - before) / max(self.clock() - start, 1e-3)

    @property
    def fraction(self) -> float:
        """Fraction of the raw data that is done, 0 to 1."""
        return self.raw_bytes_done / self.raw_bytes if self.raw_bytes else 1.0

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None when it is not known yet."""
        return (self.raw_bytes - self.raw_bytes_done) / self.rate if self.rate else None

    @property
    def exposures_text(self) -> str:
        """Exposures done and failed, in words."""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done}/{self.exposures} exposures{failed}"

    @property
    def size_text(self) -> str:
        """Raw data done, in words."""
        return f"{self.raw_bytes_done / 1e6:,.0f} MB raw"

    @property
    def rate_text(self) -> str:
        """The rate, in words."""
        return f"{self.rate / 1e6:,.0f} MB/s"

    @property
    def memory_text(self) -> str:
        """Memory of the worker nearest to its limit, in words; empty when it is not known."""
        if self.memory is None:
            return ""
        limit = "" if self.memory.limit is None else f"/{self.memory.limit / 1e6:,.0f}"
        return f"{self.memory.bytes / 1e6:,.0f}{limit} MB memory"
