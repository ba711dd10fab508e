"""Counts the events of a run for a display: exposures, bytes, rate, time left, memory, failures."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mirage_dask.formatting import counted
from mirage_dask.run.display.events import (
    Event,
    ExposureDone,
    MemoryUsed,
    RunFinished,
    RunStarted,
    StepStarted,
    TileDone,
    TileFailed,
)
from mirage_dask.run.report import RunReport

RATE_SECONDS = 30.0
"""Seconds over which the rate that is shown is measured."""
ROUNDS = 8
"""After so many tiles of each thread, the time left follows from the later half of the run."""
STALLED = 3
"""Times the usual wait for a result after which the time left follows from what was done until now."""
WAITING = "computing the first tiles"
"""Said until results arrive: of a thread's first task, which may have tens of tiles."""


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
    step: str = ""
    """What is done before the first tile or after the last."""
    _recent: deque[tuple[float, int]] = field(default_factory=deque)
    _half: deque[tuple[float, int]] = field(default_factory=deque)
    """(time, bytes done) at the start of the work and after each tile, of the later half of the run."""
    _started: RunStarted | None = None
    _work_began: float = 0.0
    _before: int = 0
    """Bytes done when the work began."""
    _busy: float = 0.0
    """Seconds of workers in finished tiles."""
    _tiles: int = 0

    def __call__(self, event: Event) -> None:
        """Count an event."""
        match event:
            case RunStarted():
                self.began = self.clock()
                self.exposures, self.done = event.exposures, event.exposures_done
                self.raw_bytes, self.raw_bytes_done = event.raw_bytes, event.raw_bytes_done
                self._recent.append((self.began, self.raw_bytes_done))
                self._started = event
                self._begin_work()
            case StepStarted():
                counted = f" ({event.done:,} of {event.count:,})" if event.count else ""
                self.step = f"{event.what}{counted}"
                if not self._tiles:
                    self._begin_work()
            case TileDone():
                self.raw_bytes_done += event.raw_bytes
                if self.step:  # this tile has loaded the kernels
                    self.step = ""
                    self._begin_work()
                else:
                    self._tiles += 1
                    self._busy += event.seconds
                    self._half.append((self.clock(), self.raw_bytes_done))
                while self._rounds > ROUNDS and 2 * self._half[1][0] < self.clock() + self._work_began:
                    self._half.popleft()
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

    def _begin_work(self) -> None:
        self._work_began, self._before = self.clock(), self.raw_bytes_done
        self._half = deque([(self._work_began, self.raw_bytes_done)])

    @property
    def _rounds(self) -> float:
        """How many tiles each thread has finished; where their number is not known, more than enough."""
        assert self._started is not None
        return self._tiles / (self._started.tiles_at_once or 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Time left, without what was spent before the first tile began; None when it is not known yet.

        Results arrive in rounds, one of each thread. In the first round the time left follows from the seconds that
        finished tiles took on their workers and the number of threads, later from the bytes of whole rounds.
        """
        left = self.raw_bytes - self.raw_bytes_done
        if not self._tiles or self._started is None:
            return None
        weight = min(max(self._rounds - 1, 0.0), 1.0)
        return max(weight * self._left_by_rate(left) + (1 - weight) * self._left_by_cost(left), 0.0)

    def _left_by_rate(self, left: int) -> float:
        (start, before), (last, done) = self._half[0], self._half[-1]
        if left <= 0 or done <= before:
            return 0.0
        waited, spent = self.clock() - last, max(last - start, 1e-3)
        usual = (
            spent / max(len(self._half) - 1, 1) * max(self._started.tiles_at_once if self._started else 1, 1)
        )
        if waited > max(STALLED * usual, RATE_SECONDS / 6):
            return left * (spent + waited) / (done - before)
        return left * spent / (done - before) - waited

    def _left_by_cost(self, left: int) -> float:
        assert self._started is not None
        made = self.raw_bytes_done - self._before
        whole = (made + left) * self._busy / max(made, 1) / max(self._started.threads, 1)
        return whole - (self.clock() - self._work_began)

    @property
    def line(self) -> str:
        """The state of the run as one line of a log."""
        facts = [self.exposures_text, self.size_text, self.rate_text, f"{clock_text(self.seconds)} elapsed"]
        facts += [self.ahead_text]
        return ", ".join(facts + ([self.memory_text] if self.memory_text else []))

    @property
    def ahead_text(self) -> str:
        """What goes on before the first tile or after the last, else the time left, in words."""
        left = self.seconds_left
        return self.step or (WAITING if left is None else f"about {clock_text(left)} left")

    @property
    def exposures_text(self) -> str:
        """Exposures done and failed, in words."""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done}/{counted(self.exposures, 'exposure')}{failed}"

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


def clock_text(seconds: float) -> str:
    """Return a time as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
