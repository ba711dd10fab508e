"""Unpack archives that come from elsewhere: nothing leaves the folder, nothing half done stays.

An archive is unpacked into a folder of its own. Only when all of it is there and its checksum is right are the files
moved to their places, each by a rename, so that a file under its final name is whole.

What is refused: absolute names, `..`, links that lead out of the archive, devices and pipes, more bytes or members than
agreed. Links within the archive become copies. Modes and owners of the archive are not kept.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any, cast

from mirage_dask.download.catalogue import FOLDER, INSTRUMENTS
from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.atomic import write_atomically

CHUNK = 1 << 20
MEMBERS = 100_000
"""Most members of one archive."""
HEADER = 1 << 24
"""Bytes that the headers of one member may have."""


class DamagedArchiveError(ReferenceFileError):
    """An archive is truncated, garbage, or tries what no honest archive does."""


class _Bounded:
    """The unpacked bytes of a gzip file, up to a limit."""

    def __init__(self, stream: Any, limit: int):
        self._stream, self._limit = stream, limit
        self.last = b""

    def read(self, count: int = -1) -> bytes:
        if count < 0 or count > HEADER:
            raise DamagedArchiveError("one of its headers is absurdly long")
        self.last = data = self._stream.read(count)
        self._check()
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        if whence == 0 and place > self._limit:
            raise self._too_large()
        found: int = self._stream.seek(place, whence)
        self._check()
        return found

    def tell(self) -> int:
        place: int = self._stream.tell()
        return place

    def _check(self) -> None:
        if self._stream.tell() > self._limit:
            raise self._too_large()

    def _too_large(self) -> DamagedArchiveError:
        return DamagedArchiveError(
            f"it unpacks to more than {self._limit:,} bytes, far more than it can hold"
        )


def unpack(archive: Path, staging: Path, *, target: str | None, limit: int) -> dict[str, int]:
    """Unpack an archive into a folder.

    Parameters
    ----------
    archive
        A .tar.gz, or one compressed file.
    staging
        A folder of its own, made anew.
    target
        Name that one compressed file gets below `staging`; None for a .tar.gz, whose members keep their names.
    limit
        Most bytes that may come out.

    Returns
    -------
    Size by name (with /), relative to `staging`: the files of the folder mirage_data. What else a .tar.gz holds is left out.

    Raises
    ------
    DamagedArchiveError
        If it is truncated, garbage, too large or tries to leave the folder.
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
    staging.mkdir(parents=True)
    try:
        with gzip.open(archive, "rb") as opened:
            stream = _Bounded(opened, limit)
            if target is None:
                sizes = _unpack_members(stream, staging, limit)
            else:
                sizes = {target: _copy(stream, staging / target)}
            while stream.read(CHUNK):  # to the end: the checksum stands there
                pass
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedArchiveError(f"it is no whole gzip file ({error})") from error
    except EOFError as error:
        raise DamagedArchiveError("it is truncated") from error
    except (tarfile.TarError, UnicodeError, ValueError, OverflowError) as error:
        raise DamagedArchiveError(f"it is no whole tar archive ({error})") from error
    except RecursionError as error:
        raise DamagedArchiveError("its headers have no end") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedArchiveError("it holds a file and a folder of one name") from error
    if not sizes:
        raise DamagedArchiveError(f"it holds nothing for {FOLDER}/")
    return sizes


def install(staging: Path, root: Path, sizes: dict[str, int]) -> None:
    """Move unpacked files to their places below `root`, each by a rename, and remove the folder `staging`.

    Raises
    ------
    OSError, ReferenceFileError
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
            write_atomically(
                place,
                lambda temporary, source=source: shutil.copyfile(source, temporary),  # type: ignore[misc]
                remedy="free some space there",
            )
    shutil.rmtree(staging, ignore_errors=True)


def _unpack_members(stream: _Bounded, staging: Path, limit: int) -> dict[str, int]:
    """Unpack the regular files of a tar archive; return size by name."""
    sizes: dict[str, int] = {}
    links: list[tuple[str, str]] = []
    total = 0
    # "r:" reads headers through the bounded stream; the streaming modes would fill memory first.
    tar = tarfile.TarFile(fileobj=cast(Any, stream), mode="r", errorlevel=1)
    count = 0
    while (member := tar.next()) is not None:
        cast(Any, tar).members.clear()  # tarfile keeps all of them otherwise
        count += 1
        if count > MEMBERS:
            raise DamagedArchiveError(f"it has more than {MEMBERS:,} members")
        name = _inner(member.name, member.name)
        if member.issym():
            folder = name.rpartition("/")[0]
            lead = "" if member.linkname.startswith(("/", "\\")) else f"{folder}/"[not folder :]
            links.append((name, _inner(lead + member.linkname, member.name)))
        elif member.islnk():
            links.append((name, _inner(member.linkname, member.name)))
        elif member.isreg():
            total += member.size
            if total > limit:
                raise DamagedArchiveError(
                    f"it unpacks to more than {limit:,} bytes, far more than it can hold"
                )
            if _place(name):
                sizes[_place(name)] = _copy_member(tar, member, staging / _place(name))
        elif not member.isdir():
            raise DamagedArchiveError(f"its member {member.name!r} is a device or a pipe")
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise DamagedArchiveError("it is truncated: the mark at the end of a tar archive is missing")
    for name, source in links:
        if _place(name):
            if _place(source) not in sizes:
                raise DamagedArchiveError(f"its link {name!r} leads to nothing")
            _copy_file(staging / _place(source), staging / _place(name))
            sizes[_place(name)] = sizes[_place(source)]
    return sizes


def _copy_member(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> int:
    content = tar.extractfile(member)
    assert content is not None  # a regular file has one
    size = _copy(content, place)
    if size != member.size:
        raise DamagedArchiveError(f"its member {member.name!r} is truncated")
    return size


def _inner(text: str, member: str) -> str:
    """Return a name inside an archive without `.` and `..`.

    Raises
    ------
    DamagedArchiveError
        If it leads out.
    """
    if text.startswith(("/", "\\")) or text[1:2] == ":" or "\0" in text:
        raise _leads_out(member)
    parts: list[str] = []
    for part in text.replace("\\", "/").split("/"):
        if part == "..":
            if not parts or text == member:
                raise _leads_out(member)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _leads_out(member: str) -> DamagedArchiveError:
    return DamagedArchiveError(f"its member {member!r} leads out of the folder it is unpacked into")


def _place(name: str) -> str:
    """Return where a file of an archive belongs below PATH, '' for what is no part of MIRAGE_DATA."""
    parts = name.split("/")
    if parts[-1].startswith("._"):  # what macOS adds
        return ""
    if parts[0] in INSTRUMENTS:
        parts.insert(0, FOLDER)
    return "/".join(parts) if parts[0] == FOLDER and len(parts) > 1 else ""


def _copy(source: IO[bytes] | _Bounded, place: Path) -> int:
    """Write all of a stream to a file and to the disk; return the number of bytes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with place.open("wb") as file:
        while chunk := source.read(CHUNK):
            file.write(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size


def _copy_file(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
