"""Progress of a run in a terminal: exposures, bytes, rate, memory, time left. Written to stderr; stdout is for data."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mirage_dask.run.display.events import Event, RunFinished, RunStarted, TileFailed
from mirage_dask.run.display.tally import Tally

LOG_SECONDS = 60.0
"""Seconds between two lines of a log."""


class TerminalProgress:
    """A subscriber that draws a bar; use it as a context manager, or let `run_plan(progress=True)` do so.

    Where stderr is not a terminal (a batch log), lines are printed at the start, once a minute, for each failure and at the
    end.
    """

    def __init__(self, console: Console | None = None, tally: Tally | None = None):
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[exposures]}"),
            BarColumn(),
            TextColumn("{task.fields[size]}"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[memory]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[ahead]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None
        self._tally = tally or Tally()
        self._said = 0.0

    def __enter__(self) -> TerminalProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self._tally(event)
        match event:
            case RunStarted():
                for line in (str(event.estimate), *event.comparison.lines):
                    self._say(line, "dim")
                self._said = self._tally.clock()
                self._task = self._progress.add_task("", total=event.raw_bytes, **self._fields())
            case TileFailed():
                self._say(f"{event.exposure}, tile {event.tile}: {event.error}", "red")
        if self._task is not None:
            self._progress.update(self._task, completed=self._tally.raw_bytes_done, **self._fields())
        if isinstance(event, RunFinished):
            self._progress.stop()
            self._say(str(event.report), "none")
        elif not self.console.is_terminal and self._tally.clock() - self._said >= LOG_SECONDS:
            self._said = self._tally.clock()
            self._say(self._tally.line, "none")

    def _say(self, text: str, style: str) -> None:
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def _fields(self) -> dict[str, Any]:
        tally = self._tally
        return {
            "exposures": tally.exposures_text,
            "size": tally.size_text,
            "rate": tally.rate_text,
            "memory": tally.memory_text,
            "ahead": tally.ahead_text,
        }
