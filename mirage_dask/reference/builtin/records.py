"""Checksums of the built-in reference files: written beside each file, compared before one is used.

A damaged file would give other packs, whose planes are as consistent as the right ones. One that does not have its
checksum is made again. A file without a checksum is taken as it is: somebody else has put it there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.atomic import write_atomically
from mirage_dask.reference.files.reading import file_digest


def write_recorded(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file as `write_atomically` does, and its checksum beside it.

    Parameters
    ----------
    path
        The file.
    write
        Called with the path of a temporary file.

    Raises
    ------
    ReferenceFileError
        If the directory cannot be written.
    """

    def write_both(temporary: Path) -> None:
        write(temporary)
        digest = file_digest(temporary)
        write_atomically(_record(path), lambda beside: beside.write_text(digest))

    write_atomically(path, write_both)


def is_unharmed(path: Path) -> bool:
    """Return whether a file is there and has the checksum beside it, if there is one (1 ms per MB, once per process)."""
    try:
        state = path.stat()
        wanted = _record(path).read_text(encoding="ascii")
        return _digest(path, state.st_ino, state.st_size, state.st_mtime_ns) == wanted
    except FileNotFoundError:
        return path.is_file()
    except (OSError, ValueError, ReferenceFileError):
        return False


@lru_cache(maxsize=4096)
def _digest(path: Path, *state: int) -> str:  # noqa: ARG001 - a changed file is another one
    return file_digest(path)


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
