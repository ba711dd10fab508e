"""What happens during a run, as values that subscribers are called with.

A subscriber is any callable of one event. It runs on the client between two results (`MemoryUsed` also meanwhile, in another
thread, but never two events at a time), so it should be quick. One that raises is dropped with a warning, for a broken
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
    """Selected exposures, also complete ones."""
    exposures_done: int
    """Complete already."""
    raw_bytes: int
    """Raw data of all selected exposures."""
    raw_bytes_done: int
    """Of that, in the store already."""
    estimate: RunEstimate
    comparison: StoreComparison
    """What of a store that is there is kept, and what is made again, and why."""


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
    """A tile could not be simulated; the run goes on."""

    exposure: str
    tile: int
    error: str


@dataclass(frozen=True)
class ExposureDone:
    """The last missing tile of an exposure came in."""

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


Event = RunStarted | TileDone | TileFailed | ExposureDone | MemoryUsed | RunFinished
Subscriber = Callable[[Event], None]


class EventDispatcher:
    """Calls subscribers in order, one event at a time."""

    def __init__(self, subscribers: Iterable[Subscriber]):
        self._subscribers = list(subscribers)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Tell every subscriber; drop one that raises."""
        with self._lock:
            for subscriber in list(self._subscribers):
                try:
                    subscriber(event)
                except Exception as error:
                    self._subscribers.remove(subscriber)
                    warnings.warn(
                        f"{subscriber!r} is no longer told of progress: it raised {error!r}", stacklevel=2
                    )
