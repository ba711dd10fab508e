"""Unpack downloaded archives safely: nothing is written outside the directory, nothing half unpacked stays.

An archive is unpacked into a directory of its own. Only when all of it is unpacked and its checksum is right are the files
moved to their places, each by a rename, so that a file under its final name is complete.

Names that lead out of the directory, links out of it, devices and pipes are refused by the `data` filter of `tarfile`; more
bytes or members than agreed are refused here. Links within the archive become copies, so that no link is ever followed.
"""

from __future__ import annotations

import errno
import gzip
import os
import posixpath
import re
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import Any, cast

from mirage_dask.download.catalogue import FOLDER, INSTRUMENTS
from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.atomic import write_beside

CHUNK = 1 << 20
MEMBERS = 100_000
"""Most members of one archive."""
HEADER = 1 << 24
"""Most bytes of the headers of one member."""


class DamagedArchiveError(ReferenceFileError):
    """An archive is truncated, not an archive, or unsafe to unpack; the text is the part of a sentence that says why."""


class _Bounded:
    """The unpacked bytes of a gzip file, up to a limit."""

    def __init__(self, stream: Any, limit: int):
        self._stream, self._limit = stream, limit
        self.tell = stream.tell
        self.last = b""

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= HEADER:
            raise DamagedArchiveError("one of its headers is too long")
        self.last = self._stream.read(count)
        self.check(self.tell())
        return self.last

    def seek(self, place: int, whence: int = 0) -> int:
        self.check(place if whence == 0 else 0)
        return int(self._stream.seek(place, whence))

    def check(self, size: int) -> None:
        if size > self._limit:
            raise DamagedArchiveError(
                f"it unpacks to more than {self._limit:,} bytes, far more than it can hold"
            )


def unpack(archive: Path, staging: Path, *, target: str | None, limit: int) -> dict[str, int]:
    """Unpack an archive into a directory.

    Parameters
    ----------
    archive
        A .tar.gz, or one compressed file.
    staging
        A directory of its own; what is in it is removed first.
    target
        Name that one compressed file gets below `staging`; None for a .tar.gz, whose members keep their names.
    limit
        Most bytes that may be unpacked.

    Returns
    -------
    dict
        Size by name (with /), relative to `staging`: the files of the folder mirage_data. Others of a .tar.gz are left out.

    Raises
    ------
    DamagedArchiveError
        If it is truncated, not an archive, too large or unsafe.
    OSError
        If the disk is full or cannot be written.
    """
    shutil.rmtree(staging, ignore_errors=True)
    try:
        return _unpack(archive, staging, target=target, limit=limit)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _unpack(archive: Path, staging: Path, *, target: str | None, limit: int) -> dict[str, int]:
    if not archive.stat().st_size:
        raise DamagedArchiveError("it is empty")
    staging.mkdir(parents=True)
    try:
        with gzip.open(archive, "rb") as opened:
            stream = _Bounded(opened, limit)
            if target is None:
                sizes = _unpack_members(stream, staging)
            else:
                sizes = {target: _write(stream, staging / target)}
            while stream.read(CHUNK):  # to the end: the checksum is there
                pass
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedArchiveError(f"it is {_kind(archive)} ({error})") from error
    except EOFError as error:
        raise DamagedArchiveError("it is truncated") from error
    except tarfile.FilterError as error:
        raise DamagedArchiveError(f"one of its members is refused: {error}") from error
    except (tarfile.TarError, UnicodeError, ValueError, OverflowError) as error:
        raise DamagedArchiveError(f"it is not a valid tar archive ({error})") from error
    except RecursionError as error:
        raise DamagedArchiveError("its headers have no end") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedArchiveError("it holds a file and a folder of one name") from error
    if not sizes:
        raise DamagedArchiveError(f"it holds nothing for {FOLDER}/")
    return sizes


def _kind(archive: Path) -> str:
    with archive.open("rb") as file:
        start = file.read(512)
    page = re.search(rb"<(html|!doctype)", start, re.IGNORECASE)
    return "a web page, of a log-in or a proxy" if page else "not a valid gzip file"


def _unpack_members(stream: _Bounded, staging: Path) -> dict[str, int]:
    """Unpack the regular files of a tar archive; return size by name."""
    sizes: dict[str, int] = {}
    links: list[tuple[str, str]] = []
    total = 0
    # Not a streaming mode ("r|"): it would read a long header into memory before this limit is asked.
    tar = tarfile.TarFile(fileobj=cast(Any, stream), mode="r", errorlevel=1)
    count = 0
    while (member := tar.next()) is not None:
        cast(Any, tar).members.clear()  # tarfile keeps all of them otherwise
        count += 1
        if count > MEMBERS:
            raise DamagedArchiveError(f"it has more than {MEMBERS:,} members")
        member = tarfile.data_filter(member, str(staging))
        place = _place(member.name)
        if member.islnk() or member.issym():
            folder = posixpath.dirname(member.name) if member.issym() else ""
            links.append((place, _place(posixpath.join(folder, member.linkname))))
        elif member.isreg():
            total += member.size  # of a sparse file: what it would take on the disk
            stream.check(total)
            if place and _write(tar.extractfile(member), staging / place) != member.size:
                raise DamagedArchiveError(f"its member {member.name!r} is truncated")
            sizes[place] = member.size
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise DamagedArchiveError("it is truncated: the mark at the end of a tar archive is missing")
    sizes.pop("", None)
    for place, source in links:
        if place and source not in sizes:
            raise DamagedArchiveError(f"its link {place!r} leads to nothing")
        if place:
            with (staging / source).open("rb") as file:
                sizes[place] = _write(file, staging / place)
    return sizes


def _place(name: str) -> str:
    """Return where a file of an archive belongs below PATH, '' for what is not part of MIRAGE_DATA."""
    parts = posixpath.normpath(name).split("/")
    if parts[-1].startswith("._"):  # added by macOS
        return ""
    if parts[0] in INSTRUMENTS:
        parts.insert(0, FOLDER)
    return "/".join(parts) if parts[0] == FOLDER and len(parts) > 1 else ""


def _write(source: Any, place: Path) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
        return file.tell()


def install(staging: Path, root: Path, sizes: dict[str, int]) -> None:
    """Move unpacked files to their places below `root`, each by a rename, and remove the directory `staging`.

    Raises
    ------
    OSError
        If a place cannot be written.
    """
    for name in sorted(sizes):
        source, place = staging / name, root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(source, place)
        except OSError as error:
            if error.errno != errno.EXDEV:  # a folder of the tree may be a link to another disk
                raise
            write_beside(place, lambda path, source=source: shutil.copyfile(source, path))  # type: ignore[misc]
    shutil.rmtree(staging, ignore_errors=True)
