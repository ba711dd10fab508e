"""Checksums of the built-in reference files, compared before one is used.

A damaged file would give other packs, whose planes are as consistent as the right ones. So a file of the size with which it
was made, but of other content, is made again. One of another size, or without a checksum, is somebody else's and stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.atomic import write_atomically
from mirage_dask.reference.files.reading import file_digest

_LOG = logging.getLogger(__name__)


def record_of(path: Path) -> Path:
    """Return where the checksum of a file of a library is: beside it."""
    return path.with_name(f"{path.name}.sha256")


def write_recorded(path: Path, write: Callable[[Path], object], record: Path) -> None:
    """Write a file as `write_atomically` does, and its checksum before it gets its name.

    Parameters
    ----------
    path
        The file.
    write
        Called with the path of a temporary file.
    record
        Where the checksum is kept.

    Raises
    ------
    ReferenceFileError
        If a directory cannot be written.
    """

    def write_both(temporary: Path) -> None:
        write(temporary)
        about = f"{file_digest(temporary)} {temporary.stat().st_size}"
        write_atomically(record, lambda beside: beside.write_text(about))

    write_atomically(path, write_both)


def is_usable(path: Path, record: Path) -> bool:
    """Return whether a file is there and is not a damaged one of ours (1 ms per MB, once per process and file)."""
    try:
        state = path.stat()
    except OSError:
        return False
    try:
        wanted, size = record.read_text(encoding="ascii").split()
        if int(size) != state.st_size:
            return True
        if _digest(path, state.st_ino, state.st_size, state.st_mtime_ns) == wanted:
            return True
    except FileNotFoundError:
        return True
    except (OSError, ValueError, ReferenceFileError):
        pass  # the record or the file is damaged
    _LOG.warning(
        "%s does not have the content that it was made with, and is made again; give a file of your own under "
        "reffile_overrides.",
        path,
    )
    return False


@lru_cache(maxsize=4096)
def _digest(path: Path, *state: int) -> str:  # noqa: ARG001 - a changed file is another one
    return file_digest(path)
