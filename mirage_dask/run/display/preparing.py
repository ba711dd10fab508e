"""What goes on before a run: references that are built, catalogs that are read, workers that start.

Shown only where it takes longer than a second: in a notebook as a line below the cell, in a terminal as a bar, in a log as a
line after some seconds and then one a minute. It goes to stderr.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mirage_dask.io.progress import Progress as Callback
from mirage_dask.run.display.notebook import in_notebook
from mirage_dask.run.display.tally import clock_text

PATIENCE = 1.0
"""Seconds after which something is shown."""
LOG_PATIENCE, LOG_SECONDS = 5.0, 60.0
"""In a log: seconds to the first line, and from then on between lines."""
TICK = 0.5


@contextmanager
def preparing(progress: bool | Callback | None, console: Console | None = None) -> Iterator[Callback]:
    """Give a progress callback for the block.

    Parameters
    ----------
    progress
        True for a display in the notebook, terminal or log; a callback, which is given back; None or False for nothing.
    console
        Where lines go; default stderr.
    """
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda _what, _done, _count: None
        return
    console = console or Console(stderr=True)
    kind = _Notebook if in_notebook() else _Terminal if console.is_terminal else _Log
    with kind(console) as shown:
        yield shown


class _Display:
    """Draws the last report every half a second, from a thread, so that a step of a minute does not look like a halt."""

    patience = PATIENCE

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self.console, self.clock = console, clock
        self.began = clock()
        self.step: tuple[str, int, int] = ("", 0, 0)
        self.drawn = 0
        """How often something was shown."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_often, name="mirage_dask preparing", daemon=True)

    def __enter__(self) -> _Display:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self.drawn:
            self.end(failed=kind is not None)

    def __call__(self, what: str, done: int, count: int) -> None:
        """Take a report: what is being done, how much is done, how much there is (0: not known)."""
        self.step = (what, done, count)

    def _draw_often(self) -> None:
        while not self._over.wait(TICK):
            if self.step[0] and self.clock() - self.began >= self.patience:
                self.draw()
                self.drawn += 1

    @property
    def text(self) -> str:
        """What is being done, in words."""
        what, done, count = self.step
        return f"{what} ({done:,} of {count:,})" if count else what

    @property
    def elapsed(self) -> str:
        """Time since the beginning."""
        return clock_text(self.clock() - self.began)

    def draw(self) -> None:
        """Show the last report."""
        raise NotImplementedError

    def end(self, *, failed: bool) -> None:
        """Show the end, where something was shown before."""


class _Log(_Display):
    patience = LOG_PATIENCE

    def draw(self) -> None:
        self.patience = self.clock() - self.began + LOG_SECONDS
        self._print(f"preparing: {self.text}, {self.elapsed} elapsed")

    def end(self, *, failed: bool) -> None:
        if not failed:
            self._print(f"prepared in {self.elapsed}")

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


class _Terminal(_Display):
    def __enter__(self) -> _Terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self.console, transient=True)
        self._task: Any = None
        super().__enter__()
        return self

    def draw(self) -> None:
        _, done, count = self.step
        if self._task is None:
            self._task = self._bar.add_task(self.text, completed=done, total=count or None)
            self._bar.start()
        self._bar.update(self._task, description=self.text, completed=done, total=count or None)

    def end(self, *, failed: bool) -> None:  # noqa: ARG002
        self._bar.stop()


class _Notebook(_Display):
    _handle: Any = None

    def draw(self) -> None:
        self._show(f"preparing: {self.text} · {self.elapsed} elapsed")

    def end(self, *, failed: bool) -> None:
        self._show(f"{'stopped after' if failed else 'prepared in'} {self.elapsed}")

    def _show(self, text: str) -> None:
        from IPython.display import HTML, display

        content = HTML(f'<div style="font-size: 90%; opacity: 0.8">{html.escape(text)}</div>')
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)
