"""Local files and directories that appear whole or not at all, and the removal of what killed processes left unfinished.

A file is written beside its place under a name that ends with `.partial` and contains the process that writes it, and is
renamed when it is complete. Only what is asked for is flushed to the disk at once (`io.files`: shards before their commit
records, and plans): after a power failure other files may be short or empty, and are made again.

A partial file is *abandoned* when its process has ended. Processes of other machines cannot be looked up: their files are
abandoned when nothing was written to them for `ABANDONED_SECONDS`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from mirage_dask.errors import MirageDaskError, ReferenceFileError

CACHE_REMEDY = "free some space, or set MIRAGE_DASK_CACHE to a directory that can be written"

PARTIAL = ".partial"
"""Suffix of files that are being written."""
ABANDONED_SECONDS = 3600.0
"""Age from which a partial file of another machine is abandoned; a live one grows every few seconds."""

_WRITER = re.compile(rf"\.([0-9a-f]{{12}})-(\d+)-[0-9a-f]+\{PARTIAL}")


def partial_name(name: str) -> str:
    """Return a unique name to write a file or directory under before it is renamed to `name`."""
    return f"{name}.{machine()}-{os.getpid()}-{uuid.uuid4().hex[:12]}{PARTIAL}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it atomically replaces `path`, on error it is removed.

    Parameters
    ----------
    path
        A file, or a directory that does not exist yet. Its parent exists.

    Raises
    ------
    OSError
        If nothing was written to the temporary path, or it cannot be renamed.
    """
    temporary = path.with_name(partial_name(path.name))
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def write_beside(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path` and rename what it wrote; missing directories are made.

    `write` is called again, up to three times, if its file disappeared: this process was suspended on a machine of its own
    for so long that another one removed the file as abandoned.

    Raises
    ------
    OSError
        As `write` raises it, or if the file cannot be renamed.
    """
    for attempt in (1, 2, 3):
        try:
            with replacing(path) as temporary:
                write(temporary)
            return
        except FileNotFoundError:
            if attempt == 3:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)  # cheaper than asking for it every time


def write_atomically(
    path: Path,
    write: Callable[[Path], object],
    *,
    error: type[MirageDaskError] = ReferenceFileError,
    remedy: str = CACHE_REMEDY,
) -> None:
    """Write a file as `write_beside` does; an error of the operating system becomes a sentence.

    Parameters
    ----------
    path
        The file; missing directories are made first.
    write
        Called with the path of a temporary file.
    error, remedy
        What is raised, and the advice in it.

    Raises
    ------
    ReferenceFileError
        (or `error`) If the directory cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # first: `write` may compute for long before it writes
        write_beside(path, write)
    except OSError as problem:
        raise error(f"Cannot write {path}: {problem.strerror or problem}; {remedy}.") from problem


def sync_directory(directory: Path) -> None:
    """Flush the names in a directory to the disk, where its file system can do that."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_abandoned(directory: str | Path) -> int:
    """Remove abandoned partial files and directories from a directory, not from those below; return how many.

    The age of a file is measured by the clock of its file system. A directory that cannot be read or written is left alone.
    """
    removed = 0
    with suppress(OSError):
        found = [Path(directory, name) for name in os.listdir(directory) if name.endswith(PARTIAL)]
        now = _file_system_time(Path(directory)) if found else 0.0
        for path in found:
            if _is_abandoned(path, now):
                _remove(path)
                removed += 1
    return removed


def _is_abandoned(path: Path, now: float) -> bool:
    writer = _WRITER.search(path.name)
    if writer is not None and writer[1] == machine():
        return not _is_alive(int(writer[2]))
    try:
        changed = max(one.stat().st_mtime for one in (path, *path.rglob("*")))
    except OSError:  # finished just now
        return False
    return now - changed > ABANDONED_SECONDS


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        pass
    return True


@cache
def machine() -> str:
    """Return 12 hexadecimal digits for where a process number is valid: the machine, and the container on it."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=6).hexdigest()


def _file_system_time(directory: Path) -> float:
    clock = directory / partial_name("clock")
    clock.touch()
    try:
        return clock.stat().st_mtime
    finally:
        clock.unlink()


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
