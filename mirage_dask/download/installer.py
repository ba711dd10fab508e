"""Install one archive of MIRAGE_DATA: download it, unpack it, move its files to their places, and write a record.

    PATH/mirage_data/…                  what MIRAGE_DATA points at; every file here is complete
    PATH/mirage_downloads/NAME.part     an archive that is being downloaded (see `mirage_dask.download.http`)
    PATH/mirage_downloads/NAME          an archive that is complete and not unpacked yet, or that the user copied there
    PATH/mirage_downloads/NAME.json     the record: where it came from, size, sha256, and the files it became
    PATH/mirage_downloads/NAME.lock     held by the process that works on it: a second one waits

An archive is not downloaded again if the files in its record are there in their sizes. Darks that Mirage's own downloader
has left in PATH are accepted if they are complete FITS files.
"""

from __future__ import annotations

import json
import shutil
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mirage_dask.download.catalogue import Archive
from mirage_dask.download.http import FetchError, RetryPolicy, StoppedError, disk_error, fetch, file_digest
from mirage_dask.download.unpacking import DamagedArchiveError, install, unpack
from mirage_dask.formatting import counted
from mirage_dask.io.atomic import write_beside
from mirage_dask.io.locks import locked
from mirage_dask.io.network import shown
from mirage_dask.io.progress import Progress

STATE = "mirage_downloads"
"""Folder of archives, partial files and records."""


class DownloadProgress:
    """Adds up the bytes of all archives for a progress callback; safe to use from several threads."""

    def __init__(self, progress: Progress | None, pending: Sequence[Archive]):
        self._progress, self._lock, self._finished = progress, threading.Lock(), 0
        self._done = {archive.name: 0 for archive in pending}
        self._total = {archive.name: archive.packed for archive in pending}  # until the server states them

    def update(
        self, name: str, done: int | None, total: int | None, *, doing: str = "", finished: bool = False
    ) -> None:
        """Report how many bytes of an archive have arrived (None: all), of how many in all (None: as known before)."""
        with self._lock:
            self._total[name] = max(done or 0, self._total[name]) if total is None else total
            self._done[name] = self._total[name] if done is None else done
            self._finished += finished
            if self._progress is not None:
                text = f"{self._finished} of {counted(len(self._total), 'file')}, {doing}{name}"
                self._progress(text, sum(self._done.values()), sum(self._total.values()))


class ArchiveInstaller:
    """Installs archives below one directory.

    Parameters
    ----------
    root
        Directory that gets the folder `mirage_data`.
    base
        Base address, ending with /.
    policy
        How often and how long to try.
    keep_archives
        Keep archives after unpacking them.
    """

    def __init__(self, root: Path, base: str, *, policy: RetryPolicy, keep_archives: bool):
        self.root, self.base, self.policy, self.keep_archives = root, base, policy, keep_archives
        self.state = root / STATE
        self.stop = threading.Event()

    def arrived(self, archive: Archive) -> int:
        """Return how many bytes of an archive are on the disk."""
        return max(_size(self.state / name) or 0 for name in (archive.name, f"{archive.name}.part"))

    def is_installed(self, archive: Archive) -> bool:
        """Return whether all files that an archive becomes are in place; what an interruption left of it is removed."""
        record = self._record(archive)
        files = record.get("files")
        if not isinstance(files, dict):
            untouched = not record and archive.target is not None and not self.arrived(archive)
            return untouched and is_complete_fits(self.root / str(archive.target))
        if not record.get("kept"):
            with suppress(OSError):
                (self.state / archive.name).unlink()
        return all(_size(self.root / name) == size for name, size in files.items())

    def install(self, archive: Archive, progress: DownloadProgress) -> None:
        """Download, unpack and install one archive, while no other process does.

        Raises
        ------
        FetchError
            If that fails, with the reason and the remedy.
        StoppedError
            If `stop` was set.
        """
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            with locked(self.state / f"{archive.name}.lock", cancelled=self.stop.is_set):
                if not (
                    self._record(archive) and self.is_installed(archive)
                ):  # another process may have been faster
                    self._install(archive, progress)
        except InterruptedError as error:
            raise StoppedError from error
        except OSError as error:
            what = f"{archive.name} from {shown(archive.url(self.base))} could not be installed"
            raise disk_error(what, self.root, error) from error
        progress.update(archive.name, None, None, finished=True)

    def _install(self, archive: Archive, progress: DownloadProgress) -> None:
        path, staging = self.state / archive.name, self.state / f"{archive.name}.unpacked"
        url = archive.url(self.base)
        for last in (False, True):
            whole = fetch(
                url,
                path,
                checksum=archive.checksum,
                policy=self.policy,
                progress=lambda done, total: progress.update(archive.name, done, total),
                stop=self.stop,
            )
            progress.update(archive.name, None, None, doing="unpacking ")
            try:
                files = unpack(path, staging, target=archive.target, limit=archive.most_unpacked)
                break
            except DamagedArchiveError as error:
                path.unlink()
                if whole or last:  # else it may be incomplete, or of two versions: once more
                    raise FetchError(
                        f"{archive.name} from {shown(url)} is damaged: {error}; it was removed: run the same command again, "
                        "and if that does not help, set MIRAGE_DASK_DOWNLOAD_URL to a mirror."
                    ) from error
        record = {"url": shown(url), "size": _size(path), "sha256": file_digest(path)}
        text = json.dumps({**record, "files": files, "kept": self.keep_archives}, indent=1)
        try:
            install(staging, self.root, files)
            write_beside(self._record_path(archive), lambda path: path.write_text(text, encoding="utf-8"))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        if not self.keep_archives:
            path.unlink()

    def _record_path(self, archive: Archive) -> Path:
        return self.state / f"{archive.name}.json"

    def _record(self, archive: Archive) -> dict[str, Any]:
        try:
            found = json.loads(self._record_path(archive).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def is_complete_fits(path: Path) -> bool:
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


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
