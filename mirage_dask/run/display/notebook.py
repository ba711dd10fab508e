"""Progress of a run in a notebook: one HTML display below the cell, updated in place.

It needs only IPython and no widgets, so that the saved notebook keeps its last state.
"""

from __future__ import annotations

import html
import sys
import time
from types import TracebackType
from typing import Any

from mirage_dask.run.display.events import Event, ExposureDone, RunFinished, RunStarted, StepStarted
from mirage_dask.run.display.tally import Tally, clock_text

SHORTEST = 0.4
"""Seconds between two updates."""

MOST_FAILURES = 5
"""Number of failures that are listed; the others are counted."""


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, which can show HTML."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class NotebookProgress:
    """A subscriber that shows a run in a notebook; a context manager that shows the last state when the run is left.

    Parameters
    ----------
    clock
        Seconds, for tests.
    """

    def __init__(self, clock: Any = time.monotonic):
        self.tally = Tally(clock=clock)
        self._lines: list[str] = []
        self._handle: Any = None
        self._shown = 0.0

    def __enter__(self) -> NotebookProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None and self.tally.report is None:
            self._show("stopped; run the same command again to continue")

    def __call__(self, event: Event) -> None:
        """Count an event and update the display, at most every `SHORTEST` seconds."""
        self.tally(event)
        if isinstance(event, RunStarted):
            self._lines = [str(event.estimate), *event.comparison.lines]
        at_once = isinstance(event, RunStarted | RunFinished) or (
            (isinstance(event, ExposureDone) and event.failed)
            or (isinstance(event, StepStarted) and not event.done)
        )
        if at_once or self.tally.clock() - self._shown >= SHORTEST:
            self._show()

    def _show(self, note: str = "") -> None:
        from IPython.display import HTML, display

        self._shown = self.tally.clock()
        content = HTML(self.html(note))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)

    def html(self, note: str = "") -> str:
        """Return the HTML of the display.

        Parameters
        ----------
        note
            Why the run ended early; empty otherwise.
        """
        tally = self.tally
        colour = "#c0392b" if tally.failures or note else "#2a7f62"
        facts = [tally.exposures_text, tally.size_text]
        if tally.report is None:
            facts += [tally.rate_text, f"{clock_text(tally.seconds)} elapsed"]
            facts += [] if note else [tally.ahead_text]
        facts += [tally.memory_text] if tally.memory_text else []
        facts += [note] if note else []
        below = [str(tally.report).splitlines()[0]] if tally.report else self._lines
        failures = [f"{name}: {error}" for name, error in tally.failures.items()]
        more = len(failures) - MOST_FAILURES
        listed = "".join(f"<li>{html.escape(text)}</li>" for text in failures[:MOST_FAILURES])
        listed += f"<li>and {more} more</li>" if more > 0 else ""
        return (
            '<div style="max-width: 60em; font-size: 90%">'
            '<div style="background: #8884; height: 0.8em; border-radius: 0.4em">'
            f'<div style="background: {colour}; height: 0.8em; border-radius: 0.4em; width: {100 * tally.fraction:.1f}%">'
            "</div></div>"
            f"<div>{html.escape(' · '.join(facts))}</div>"
            f'<div style="opacity: 0.7">{"<br>".join(map(html.escape, below))}</div>'
            + (f'<ul style="color: {colour}">{listed}</ul>' if listed else "")
            + "</div>"
        )
