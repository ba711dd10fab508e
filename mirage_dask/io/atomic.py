"""Files that are there whole or not at all, also when several processes make the same one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not POSIX: writing stays atomic, two processes may do the same work twice
    fcntl = None  # type: ignore[assignment]

from mirage_dask.errors import MirageDaskError, ReferenceFileError

CACHE_REMEDY = "free some space, or set MIRAGE_DASK_CACHE to a directory that can be written"


def write_atomically(
    path: Path,
    write: Callable[[Path], object],
    *,
    error: type[MirageDaskError] = ReferenceFileError,
    remedy: str = CACHE_REMEDY,
) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it.

    Parameters
    ----------
    write
        Called with the path of the temporary file, which keeps the suffix of `path`.
    error, remedy
        What is raised, and the advice in it.

    Raises
    ------
    ReferenceFileError
        (or `error`) If the directory cannot be written or the disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o644)  # mkstemp makes it private; caches are often shared
        os.replace(temporary, path)
    except OSError as problem:
        raise error(f"Cannot write {path}: {problem.strerror or problem}; {remedy}.") from problem
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold an exclusive lock on a directory: the second process waits instead of doing the same work.

    The lock ends with its process. Where the file system has no locks, nothing is locked; since files are renamed into
    place, that costs time but harms nothing.

    Raises
    ------
    ReferenceFileError
        If the directory cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as problem:
        raise ReferenceFileError(
            f"Cannot write into {directory}: {problem.strerror or problem}; {CACHE_REMEDY}."
        ) from problem
    try:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
