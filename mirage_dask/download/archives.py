"""Obtain one archive of MIRAGE_DATA: fetch it, unpack it, put its files in place, and keep a record.

    PATH/mirage_data/…                  what MIRAGE_DATA points at; every file here is whole
    PATH/mirage_downloads/NAME.part     an archive on its way (see `mirage_dask.download.http`)
    PATH/mirage_downloads/NAME          an archive that is here and not unpacked yet
    PATH/mirage_downloads/NAME.json     the record: where it came from, size, sha256, and the files it became
    PATH/mirage_downloads/NAME.lock     held by the process that is at it: a second one waits

An archive whose record names files that are there in their sizes is not asked for again. Darks that Mirage's own
downloader has left in PATH are taken when they are whole FITS files.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mirage_dask.download.catalogue import Archive
from mirage_dask.download.http import (
    Fetched,
    FetchError,
    Patience,
    StoppedError,
    fetch,
    write_json,
)
from mirage_dask.download.remote import shown
from mirage_dask.download.unpacking import DamagedArchiveError, install, unpack
from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.progress import Progress

try:
    import fcntl
except ImportError:  # not POSIX: two processes at once may do the same work twice
    fcntl = None  # type: ignore[assignment]

STATE = "mirage_downloads"
"""Folder of archives, partial files and records."""


class Meter:
    """Adds up the bytes of all files for the progress callback."""

    def __init__(self, progress: Progress | None):
        self._progress, self._lock = progress, threading.Lock()
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._finished = 0

    def begin(self, pending: Sequence[Archive], sizes: dict[str, int | None]) -> None:
        """Learn which archives there are and how large they are."""
        for archive in pending:
            self._done[archive.name] = 0
            self._total[archive.name] = sizes.get(archive.name) or (archive.disk or 0) // 2

    def move(self, archive: Archive, done: int, total: int | None) -> None:
        """Note how many bytes of an archive are here."""
        with self._lock:
            self._done[archive.name] = done
            self._total[archive.name] = total if total is not None else max(done, self._total[archive.name])
            self._tell(archive.name)

    def unpacking(self, archive: Archive) -> None:
        """Note that an archive is here and being unpacked."""
        with self._lock:
            self._done[archive.name] = self._total[archive.name]
            self._tell(f"unpacking {archive.name}")

    def finish(self, archive: Archive) -> None:
        """Note that an archive is done."""
        with self._lock:
            self._finished += 1
            self._done[archive.name] = self._total[archive.name]
            self._tell(archive.name)

    def _tell(self, what: str) -> None:
        if self._progress is not None:
            text = f"{self._finished} of {len(self._total)} files, {what}"
            self._progress(text, sum(self._done.values()), sum(self._total.values()))


class Workplace:
    """Where everything goes, and how one archive is obtained.

    Parameters
    ----------
    root
        Directory that gets the folder `mirage_data`.
    base
        Base address, ending with /.
    patience
        How often and how long to try.
    keep_archives
        Keep archives after unpacking them.
    meter
        Told how far every archive is.
    """

    def __init__(self, root: Path, base: str, *, patience: Patience, keep_archives: bool, meter: Meter):
        self.root, self.base, self.patience, self.keep_archives = root, base, patience, keep_archives
        self.state = root / STATE
        self.stop = threading.Event()
        self.meter = meter

    def record(self, archive: Archive) -> Path:
        """Return the path of the record of an archive."""
        return self.state / f"{archive.name}.json"

    def read_record(self, archive: Archive) -> dict[str, Any]:
        """Return the record of an archive, empty when there is none."""
        try:
            found = json.loads(self.record(archive).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def arrived(self, archive: Archive) -> int:
        """Return the bytes of an archive that are here."""
        for name in (archive.name, f"{archive.name}.part"):
            try:
                return (self.state / name).stat().st_size
            except OSError:
                continue
        return 0

    def is_here(self, archive: Archive) -> bool:
        """Return whether all that an archive becomes is in place."""
        record = self.read_record(archive)
        files = record.get("files")
        if isinstance(files, dict) and files:
            return all(_has_size(self.root / name, size) for name, size in files.items())
        return not record and archive.target is not None and is_whole_fits(self.root / archive.target)

    def tidy(self, archive: Archive) -> None:
        """Remove an archive that is unpacked, unless it was to be kept."""
        record = self.read_record(archive)
        if record.get("files") and not record.get("kept"):
            with suppress(OSError):
                (self.state / archive.name).unlink()

    def obtain(self, archive: Archive) -> None:
        """Fetch, unpack and install one archive, alone among all processes."""
        if self.stop.is_set():
            raise StoppedError
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            with _held(self.state / f"{archive.name}.lock", self.stop):
                files = self.read_record(archive).get("files")  # another process may have been faster
                if not files or not self.is_here(archive):
                    self._obtain(archive)
        except OSError as error:
            raise self._disk_error(archive, error) from error
        except FetchError:
            raise
        except ReferenceFileError as error:
            raise FetchError(f"{archive.name} could not be put in place: {error}") from error
        self.meter.finish(archive)

    def _obtain(self, archive: Archive) -> None:
        place, url = self.state / archive.name, archive.url(self.base)
        staging = self.state / f"{archive.name}.unpacked"
        again = True
        while True:
            fetched, stated = self._fetch(archive, place, url)
            self.meter.unpacking(archive)
            try:
                files = unpack(place, staging, target=archive.target, limit=archive.most_unpacked)
            except DamagedArchiveError as error:
                place.unlink(missing_ok=True)
                self.record(archive).unlink(missing_ok=True)
                unsure = fetched.remote is None or fetched.remote.total is None
                if again and (fetched.resumed or unsure):  # parts of two files, or an end that was none
                    again = False
                    continue
                raise FetchError(
                    f"{archive.name} from {shown(url)} is damaged: {error}; it was removed: run the same again, and if "
                    "that does not help, set MIRAGE_DASK_DOWNLOAD_URL to a mirror."
                ) from error
            break
        try:
            install(staging, self.root, files)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        write_json(self.record(archive), {**stated, "files": files, "kept": self.keep_archives})
        self.tidy(archive)

    def _fetch(self, archive: Archive, place: Path, url: str) -> tuple[Fetched, dict[str, Any]]:
        """Have the archive at its place; return what is known of it."""
        stated = self.read_record(archive)
        if stated.get("size") and _has_size(place, stated["size"]):
            return Fetched(size=stated["size"], sha256=str(stated.get("sha256")), resumed=True), stated
        fetched = fetch(
            url,
            place,
            most=archive.most_packed,
            checksum=archive.checksum,
            patience=self.patience,
            progress=lambda done, total: self.meter.move(archive, done, total),
            stop=self.stop,
        )
        stated = {"url": shown(url), "size": fetched.size, "sha256": fetched.sha256}
        if fetched.remote is not None:
            stated |= {"etag": fetched.remote.etag, "last_modified": fetched.remote.last_modified}
        write_json(self.record(archive), stated)
        return fetched, stated

    def _disk_error(self, archive: Archive, error: OSError) -> FetchError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return FetchError(
                f"The disk of {self.root} is full while {archive.name} from {shown(archive.url(self.base))} is unpacked; "
                "free some space and run the same again: what has arrived is kept.",
                hopeless=True,
            )
        return FetchError(
            f"{archive.name} from {shown(archive.url(self.base))} could not be put in place: {error.filename or self.root}: "
            f"{error.strerror or error}; make it writable, or choose another PATH."
        )


def is_whole_fits(path: Path) -> bool:
    """Return whether a FITS file ends exactly where its headers say (not for use in several threads at once)."""
    if not path.is_file():
        return False
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is truncated is what this function is for
            with fits.open(path) as hdus:
                last = hdus[len(hdus) - 1].fileinfo()
        return bool(last["datLoc"] + last["datSpan"] == path.stat().st_size)
    except (OSError, ValueError, TypeError, IndexError, KeyError, fits.VerifyError):
        return False


def _has_size(path: Path, size: Any) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False


@contextmanager
def _held(path: Path, stop: threading.Event) -> Iterator[None]:
    """Hold an exclusive lock on a file, which ends with its process; where there are no locks, hold nothing."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop.wait(0.2):
                    raise StoppedError from None
            except OSError:
                break
        yield
    finally:
        os.close(handle)
