"""A run in the log of Python: its start, a line for each tenth of it, its end; tiles are details."""

from __future__ import annotations

import logging

from mirage_dask.formatting import counted, size
from mirage_dask.run.display.events import Event, RunFinished, RunStarted, StepStarted, TileDone, TileFailed
from mirage_dask.run.display.tally import Tally

STEPS = 10
"""Lines between start and end."""

_LOG = logging.getLogger(__name__)


class RunLog:
    """A subscriber that logs a run.

    Parameters
    ----------
    shown
        Whether a display says what goes on: then failures are no warnings, since it has named them.
    """

    def __init__(self, *, shown: bool):
        self._failure = logging.INFO if shown else logging.WARNING
        self._tally = Tally()
        self._step = 0

    def __call__(self, event: Event) -> None:
        """Log an event."""
        self._tally(event)
        match event:
            case RunStarted():
                self._step = int(STEPS * self._tally.fraction)
                _LOG.info(
                    "run into %s: %s, %d of them complete; %s of raw data, %s done; %s",
                    event.store_url,
                    counted(event.exposures, "exposure"),
                    event.exposures_done,
                    size(event.raw_bytes),
                    size(event.raw_bytes_done),
                    counted(event.threads, "thread"),
                )
                for line in event.comparison.lines:
                    _LOG.info("%s", line)
            case StepStarted() if event.what and not event.done:
                _LOG.info("%s", event.what)
            case TileDone():
                _LOG.debug("%s, tile %d: %.2f s", event.exposure, event.tile, event.seconds)
                if (step := int(STEPS * self._tally.fraction)) > self._step:
                    self._step = step
                    if step < STEPS:
                        _LOG.info("%s", self._tally.line)
            case TileFailed():
                _LOG.log(self._failure, "%s, tile %d failed: %s", event.exposure, event.tile, event.error)
            case RunFinished():
                _LOG.info("%s", str(event.report).splitlines()[0])
