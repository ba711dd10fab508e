"""Files that appear under their name only when they are whole, and what killed processes leave of them.

A file in the making lies under its own name (the data models write it into the header) in a directory of its own, whose name
tells which process makes it. What a live process makes is never removed by another.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PREFIX = ".exporting-"
DEAD_SECONDS = 6 * 3600.0
"""What another machine has not touched for so long is taken for dead; a live file grows every few seconds."""


@contextmanager
def provisional(path: Path) -> Iterator[Path]:
    """Give a path of the same name aside; what is there at the end of the block replaces `path`, an error leaves nothing.

    Parameters
    ----------
    path
        The file; its directory exists.
    """
    place = path.parent / f"{PREFIX}{_host()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    try:
        place.mkdir()
        yield place / path.name
        os.replace(place / path.name, path)
    finally:
        with suppress(OSError):
            shutil.rmtree(place)


def sweep(directory: Path) -> None:
    """Remove what killed processes left in a directory; files that another process is making stay."""
    for place in directory.glob(f"{PREFIX}*"):
        if _is_dead(place):
            shutil.rmtree(place, ignore_errors=True)


def _is_dead(place: Path) -> bool:
    host, _, rest = place.name.removeprefix(PREFIX).partition("-")
    process = rest.partition("-")[0]
    if host == _host() and process.isdecimal():
        return not _is_alive(int(process))
    try:
        touched = max(path.stat().st_mtime for path in (place, *place.iterdir()))
    except OSError:  # finished just now
        return False
    return time.time() - touched > DEAD_SECONDS


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        pass
    return True


@cache
def _host() -> str:
    """Return a word for where process numbers mean something: the machine, and the container on it."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=6).hexdigest()
