"""Output of the commands: data to stdout, everything else to stderr."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.formatting import size
from mirage_dask.io.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 400
"""Columns when stdout is not a terminal: a row of a table stays one line for grep and awk."""


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty())


def print_line(text: str) -> None:
    """Write a line of data to stdout."""
    sys.stdout.write(text + "\n")


def print_note(text: str) -> None:
    """Write a note to stderr; rich markup is allowed."""
    _console(stderr=True).print(text)


def print_errors(*problems: str) -> None:
    """Write problems to stderr, each on its own line after a red 'error:'."""
    from rich.text import Text

    console = _console(stderr=True)
    for problem in problems:
        console.print(Text.assemble(("error: ", "bold red"), problem))


def print_failure(exposure: str, reason: str) -> None:
    """Name an exposure that failed, on stderr."""
    from rich.text import Text

    _console(stderr=True).print(Text.assemble(("failed ", "bold red"), f"{exposure}: {reason}"))


class _StderrHandler(logging.Handler):
    """Writes messages of the package to stderr as they come: above a progress bar, too."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        from rich.text import Text

        try:
            message, level = record.getMessage(), record.levelname.lower()
            if record.levelno >= logging.WARNING:
                line = Text.assemble((f"{level}: ", "bold yellow"), message)
            else:
                line = Text(f"{datetime.fromtimestamp(record.created):%H:%M:%S} {message}", style="dim")
            _console(stderr=True).print(line)
        except Exception:
            self.handleError(record)


RUN_LOG = "mirage_dask.run.display.log"
"""The logger of runs, which says what a progress display says."""


@contextmanager
def logged(verbose: int, *, runs: bool = True) -> Iterator[None]:
    """Write what the package logs to stderr while a command runs.

    Parameters
    ----------
    verbose
        0: warnings; 1: what is done, too; 2: details, too.
    runs
        Whether the progress of a run is written as well; not where a display shows it.
    """
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logger, handler = logging.getLogger("mirage_dask"), _StderrHandler(level)
    before = logger.level
    if not runs:
        handler.addFilter(lambda record: record.name != RUN_LOG or record.levelno == logging.DEBUG)
    logger.addHandler(handler)
    if verbose:
        logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def print_json(value: Any) -> None:
    """Write a value to stdout as JSON: dataclasses, numpy numbers, paths, dates and data frames included."""
    json.dump(plain(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def plain(value: Any) -> Any:
    """Return a value as dictionaries, lists, strings, numbers and None, ready for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [plain(row) for row in value.to_dict("records")]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return str(value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Write a table to stdout: drawn in a terminal, one plain line per row elsewhere."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=not sys.stdout.isatty())
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    _console(stderr=False).print(table)


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Write lines of 'name  value' to stdout, values aligned; a value of several lines stays aligned."""
    rows = [(name, str(value).splitlines() or [""]) for name, value in pairs]
    width = max((len(name) for name, _ in rows), default=0)
    for name, lines in rows:
        for i, line in enumerate(lines):
            print_line(f"{name if i == 0 else '':<{width}}  {line}".rstrip())


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Give a function (what, done, of how many) that shows a bar on stderr; in a log, a line every few seconds."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield _log_lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, count: bar.update(task, description=what, completed=done, total=count)


@contextmanager
def progress_bytes() -> Iterator[Progress]:
    """Give a function (what, bytes done, of how many) as `progress_bar` does, with sizes, speed and time left."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield _log_lines(console, form=size)
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar
    from rich.table import Column

    columns = (
        TextColumn(
            "{task.description}", table_column=Column(max_width=48, no_wrap=True, overflow="ellipsis")
        ),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, count: bar.update(task, description=what, completed=done, total=count)


def _log_lines(console: Console, seconds: float = 5.0, form: Callable[[int], str] = str) -> Progress:
    told = time.monotonic()

    def show(what: str, done: int, count: int) -> None:
        nonlocal told
        if time.monotonic() - told > seconds:
            told = time.monotonic()
            console.print(f"{what} ({form(done)} of {form(count)})")

    return show
