"""A run in the terminal: exposures, bytes, rate, time left. Written to stderr; stdout is for data."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mirage_dask.run.events import Event, ExposureDone, RunFinished, RunStarted, TileDone, TileFailed


class TerminalProgress:
    """A subscriber that draws a bar; use it as a context manager, or let `run_plan(progress=True)` do so.

    Where stderr is no terminal (a batch log) a line is printed at the start, per failure and at the end.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[exposures]}"),
            BarColumn(),
            TextColumn("{task.fields[size]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None
        self._exposures = self._done = self._failed = 0

    def __enter__(self) -> TerminalProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case RunStarted():
                self._exposures, self._done = event.exposures, event.exposures_done
                for line in (str(event.estimate), *event.outlook.lines):
                    self._say(line, "dim")
                fields: dict[str, Any] = self._fields(event.raw_bytes_done, 0.0)
                self._task = self._progress.add_task(
                    "", total=event.raw_bytes, completed=event.raw_bytes_done, **fields
                )
            case TileDone():
                self._advance(event.raw_bytes)
            case TileFailed():
                self._say(f"{event.exposure}, tile {event.tile}: {event.error}", "red")
            case ExposureDone():
                self._done += not event.failed
                self._failed += event.failed
                self._advance(0)
            case RunFinished():
                self._progress.stop()
                self._say(str(event.report), "none")

    def _say(self, text: str, style: str) -> None:
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def _advance(self, size: int) -> None:
        if self._task is None:
            return
        self._progress.advance(self._task, size)
        task = self._progress.tasks[self._task]
        self._progress.update(self._task, **self._fields(int(task.completed), task.speed or 0.0))

    def _fields(self, size: int, speed: float) -> dict[str, Any]:
        failed = f", {self._failed} failed" if self._failed else ""
        return {
            "exposures": f"{self._done}/{self._exposures} exposures{failed}",
            "size": f"{size / 1e6:,.0f} MB raw",
            "rate": f"{speed / 1e6:,.0f} MB/s",
        }
