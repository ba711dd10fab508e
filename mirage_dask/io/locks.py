"""Locks between processes, so that the same work is not done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.atomic import CACHE_REMEDY

POLL_SECONDS = 0.1


@contextmanager
def locked(path: Path, *, cancelled: Callable[[], bool] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on a file: a second process waits, and then finds the work done.

    The lock ends with its process. Where the file system has no locks, or the lock file cannot be opened, nothing is locked:
    two processes may do the same work, which costs time but harms nothing, since files are renamed into place.

    Parameters
    ----------
    path
        The lock file; its directory is made.
    cancelled
        Asked while waiting; True ends the waiting.

    Raises
    ------
    ReferenceFileError
        If the directory cannot be made.
    InterruptedError
        If waiting was cancelled.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ReferenceFileError(
            f"Cannot write into {path.parent}: {problem.strerror or problem}; {CACHE_REMEDY}."
        ) from problem
    # The soft locks of filelock would survive a killed process of another machine and block all others for ever.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=POLL_SECONDS, cancel_check=cancelled)
    except Timeout as stopped:
        raise InterruptedError(f"waiting for {path} was cancelled") from stopped
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        lock.release()
