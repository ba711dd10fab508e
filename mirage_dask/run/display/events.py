"""What happens during a run, as values that subscribers are called with.

A subscriber is any callable of one event. It runs on the client between two results (`MemoryUsed` also meanwhile, in another
thread, but never two events at a time), so it should be quick. One that raises is removed with a warning, because a broken
display must not end a long run.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mirage_dask.run.estimate import RunEstimate
from mirage_dask.run.report import RunReport
from mirage_dask.store.comparison import StoreComparison


@dataclass(frozen=True)
class RunStarted:
    """Before the first tile."""

    store_url: str
    exposures: int
    """Selected exposures, including complete ones."""
    exposures_done: int
    """Number of these that are complete already."""
    raw_bytes: int
    """Raw data of all selected exposures."""
    raw_bytes_done: int
    """Part of it that is in the store already."""
    estimate: RunEstimate
    comparison: StoreComparison
    """What an existing store keeps, what is simulated again, and why."""
    threads: int = 0
    """Of all processes; 0 where it is not known."""
    tiles_at_once: int = 0
    """Tiles of the tasks that these threads compute at a time."""


@dataclass(frozen=True)
class StepStarted:
    """What is done before the first tile or after the last; an empty text when tiles begin."""

    what: str
    done: int = 0
    """How much of it is done; another event says when that changes."""
    count: int = 0
    """How much there is; 0 where it is not counted."""


@dataclass(frozen=True)
class TileDone:
    """A tile is written and committed."""

    exposure: str
    tile: int
    raw_bytes: int
    stored_bytes: int
    seconds: float
    """On the worker, computing and writing."""


@dataclass(frozen=True)
class TileFailed:
    """A tile could not be simulated; the run continues."""

    exposure: str
    tile: int
    error: str


@dataclass(frozen=True)
class ExposureDone:
    """The last missing tile of an exposure is finished."""

    exposure: str
    failed: bool


@dataclass(frozen=True)
class MemoryUsed:
    """Every second or so: the memory of the worker that is nearest to its limit."""

    worker: str
    """Its address; empty for this process."""
    bytes: int
    limit: int | None
    """None when there is no limit."""


@dataclass(frozen=True)
class RunFinished:
    """After the last tile, with the status merged into the store's table."""

    report: RunReport


Event = RunStarted | StepStarted | TileDone | TileFailed | ExposureDone | MemoryUsed | RunFinished
Subscriber = Callable[[Event], None]


class EventDispatcher:
    """Calls subscribers in order, one event at a time."""

    def __init__(self, subscribers: Iterable[Subscriber]):
        self._subscribers = list(subscribers)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Call every subscriber; remove one that raises."""
        with self._lock:
            for subscriber in list(self._subscribers):
                try:
                    subscriber(event)
                except Exception as error:
                    self._subscribers.remove(subscriber)
                    warnings.warn(
                        f"{subscriber!r} gets no more events, because it raised {error!r}", stacklevel=2
                    )
