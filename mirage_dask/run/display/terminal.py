"""Progress of a run in a terminal: exposures, bytes, rate, memory, time left. Written to stderr; stdout is for data."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mirage_dask.run.display.events import Event, RunFinished, RunStarted, TileFailed
from mirage_dask.run.display.tally import Tally


class TerminalProgress:
    """A subscriber that draws a bar; use it as a context manager, or let `run_plan(progress=True)` do so.

    Where stderr is not a terminal (a batch log), lines are printed at the start, for each failure and at the end.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[exposures]}"),
            BarColumn(),
            TextColumn("{task.fields[size]}"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[memory]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None
        self._tally = Tally()

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
                self._task = self._progress.add_task("", total=event.raw_bytes, **self._fields())
            case TileFailed():
                self._say(f"{event.exposure}, tile {event.tile}: {event.error}", "red")
        if self._task is not None:
            self._progress.update(self._task, completed=self._tally.raw_bytes_done, **self._fields())
        if isinstance(event, RunFinished):
            self._progress.stop()
            self._say(str(event.report), "none")

    def _say(self, text: str, style: str) -> None:
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def _fields(self) -> dict[str, Any]:
        tally = self._tally
        texts = (tally.exposures_text, tally.size_text, tally.rate_text, tally.memory_text)
        return dict(zip(("exposures", "size", "rate", "memory"), texts, strict=True))
