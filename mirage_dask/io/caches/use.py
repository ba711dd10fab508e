"""Who uses what in the cache of this machine: the time of the last use, and the processes that are alive.

The time of last use is the modification time of the file that makes an entry found, such as the manifest of a pack. A
process that has used anything leaves a mark under `<cache>/locks/users`; marks of processes that have ended are removed. So
an entry that was used since the oldest living process began may still be in use.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from mirage_dask.io.atomic import partial_name, remove_abandoned
from mirage_dask.io.locations import cache_directory

MARKS = "locks/users"
TICK = 0.05
"""Seconds by which the times of files may be behind the clock: Linux takes those of its last tick, up to 10 ms ago."""


def mark_used(path: str | os.PathLike[str]) -> None:
    """Record that an entry of the cache is used now, by this process until it ends; a cache that is read-only is left alone.

    Parameters
    ----------
    path
        The file that makes the entry found.
    """
    with suppress(OSError):
        mark = _own_mark(cache_directory(), os.getpid())
        os.utime(mark)  # first: what is used later than this process began is in use
        os.utime(path)


@cache
def _own_mark(directory: Path, process: int) -> Path:
    """Make the mark of this process; its name says which one that is, as those of partial files do."""
    del process
    mark = directory / MARKS / partial_name("process")
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(repr(time.time() - TICK))
    return mark


def oldest_user(directory: Path) -> float:
    """Return when the oldest living process that has used a cache began to; now, if there is none.

    What was used last before that is not in use.
    """
    marks = directory / MARKS
    remove_abandoned(marks)
    began = [time.time()]
    with suppress(OSError):
        for mark in marks.iterdir():
            with suppress(OSError, ValueError):  # it ended just now
                began.append(float(mark.read_text()))
    return min(began)
