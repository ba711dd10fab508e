"""Download Mirage's reference files (MIRAGE_DATA): several at once, resumable, checked, unpacked.

    PATH/mirage_data/…                  what MIRAGE_DATA points at; every file here is whole
    PATH/mirage_downloads/NAME.part     an archive on its way (see `mirage_dask.reference.fetching`)
    PATH/mirage_downloads/NAME          an archive that is here and not unpacked yet
    PATH/mirage_downloads/NAME.json     the record: where it came from, size, sha256, and the files it became
    PATH/mirage_downloads/NAME.lock     held by the process that is at it: a second one waits

An archive whose record names files that are there in their sizes is not asked for again. Darks that Mirage's own
downloader has left in PATH are taken when they are whole FITS files.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shlex
import shutil
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.reference.download_catalogue import FOLDER, Archive, base_address, select_archives
from mirage_dask.reference.fetching import (
    PATIENT,
    Fetched,
    FetchError,
    Patience,
    StoppedError,
    fetch,
    remote_size,
    write_json,
)
from mirage_dask.reference.unpacking import DamagedArchiveError, install, unpack

try:
    import fcntl
except ImportError:  # not POSIX: two processes at once may do the same work twice
    fcntl = None  # type: ignore[assignment]

STATE = "mirage_downloads"
Progress = Callable[[str, int, int], None]
_LOG = logging.getLogger(__name__)


class DownloadError(ReferenceFileError):
    """Some files could not be had; those that could are in place.

    Parameters
    ----------
    problems
        One sentence per file.
    """

    def __init__(self, problems: Sequence[str]):
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class FileReport:
    """What became of one archive."""

    name: str
    instrument: str
    kind: str
    status: str
    """'present' before, 'fetched' now, or 'to fetch' in a dry run."""
    disk: int | None
    """Bytes on the disk with what is unpacked from it, about; None where unknown."""
    url: str


@dataclass(frozen=True)
class DownloadReport:
    """What became of all of them."""

    directory: Path
    """What MIRAGE_DATA must point at."""
    files: tuple[FileReport, ...]

    @property
    def reminder(self) -> str:
        """The line for the shell that sets MIRAGE_DATA."""
        return f"export MIRAGE_DATA={shlex.quote(str(self.directory))}"

    def __str__(self) -> str:
        counts = {s: sum(f.status == s for f in self.files) for s in ("fetched", "present", "to fetch")}
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        return f"{len(self.files)} archives: {told or 'none'}\n{self.reminder}"


def download_reffiles(
    path: str | Path,
    instrument: str | Iterable[str] = "all",
    *,
    psf_version: str = "gridded",
    dark_type: str = "linearized",
    skip_darks: bool = False,
    single_dark: bool = False,
    skip_cosmic_rays: bool = False,
    skip_psfs: bool = False,
    skip_soss: bool = False,
    base_url: str | None = None,
    parallel: int = 4,
    patience: Patience = PATIENT,
    keep_archives: bool = False,
    check_space: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> DownloadReport:
    """Download Mirage's reference files and unpack them into the folder `mirage_data` of a directory.

    What has arrived is kept: after an interruption or an error, the same call goes on from there.

    Parameters
    ----------
    path
        Directory that gets `mirage_data`; made when it does not exist. `~` and environment variables are replaced.
    instrument
        'nircam', 'niriss' or 'fgs', several of them (a list, or with commas in between), or 'all'.
    psf_version
        'gridded', the libraries in use, or 'subpixel', those that Mirage dropped in 2019 and this package cannot read.
    dark_type
        'linearized', 'raw' or 'both'.
    skip_darks, skip_cosmic_rays, skip_psfs, skip_soss
        Leave these out.
    single_dark
        Only one dark of each detector.
    base_url
        Address of a mirror with the paths of the original server; default: the environment variable
        MIRAGE_DASK_DOWNLOAD_URL, else that server.
    parallel
        Files at once.
    patience
        How often and how long to try.
    keep_archives
        Keep archives after unpacking them.
    check_space
        Refuse to start when the disk is too small.
    dry_run
        Fetch nothing, ask nobody: report what would be fetched, with figures of the table.
    progress
        Called with what is done (a text), bytes so far and bytes in all; never by two threads at once.

    Returns
    -------
    What became of every archive, and the line that sets MIRAGE_DATA.

    Raises
    ------
    InputError
        If an option has no such value, all of them together.
    DownloadError
        If files could not be had, all of them together, or if the disk is too small.
    """
    chosen = select_archives(
        instrument,
        psf_version=psf_version,
        dark_type=dark_type,
        skip_darks=skip_darks,
        single_dark=single_dark,
        skip_cosmic_rays=skip_cosmic_rays,
        skip_psfs=skip_psfs,
        skip_soss=skip_soss,
    )
    return download_archives(
        path,
        chosen,
        base_url=base_url,
        parallel=parallel,
        patience=patience,
        keep_archives=keep_archives,
        check_space=check_space,
        dry_run=dry_run,
        progress=progress,
    )


def download_archives(
    path: str | Path,
    chosen: Sequence[Archive],
    *,
    base_url: str | None = None,
    parallel: int = 4,
    patience: Patience = PATIENT,
    keep_archives: bool = False,
    check_space: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> DownloadReport:
    """Download and unpack these archives; see `download_reffiles`."""
    if parallel < 1 or patience.attempts < 1:
        raise InputError("parallel and the number of attempts must be at least 1.")
    base = base_address(base_url)
    work = _Work(_root(path), base, patience, keep_archives, progress)
    pending = [archive for archive in chosen if not work.is_here(archive)]
    if pending and not dry_run:
        with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="download") as pool:
            try:
                _run(work, pending, pool, parallel=parallel, check_space=check_space)
            except BaseException:
                work.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    waiting = {archive.name for archive in pending}
    status = "to fetch" if dry_run else "fetched"
    report = DownloadReport(
        directory=work.root / FOLDER,
        files=tuple(
            FileReport(
                name=archive.name,
                instrument=archive.instrument,
                kind=archive.kind,
                status=status if archive.name in waiting else "present",
                disk=archive.disk,
                url=archive.url(base),
            )
            for archive in chosen
        ),
    )
    if not dry_run:
        _LOG.info("%s", report)
    return report


def _root(path: str | Path) -> Path:
    root = Path(os.path.expandvars(Path(path).expanduser())).absolute()
    if root.name == FOLDER:
        raise InputError(
            f"{root} ends with {FOLDER}, a folder that is made inside of PATH; give its parent, {root.parent}."
        )
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; give a directory.")
    return root


def _run(
    work: _Work, pending: Sequence[Archive], pool: ThreadPoolExecutor, *, parallel: int, check_space: bool
) -> None:
    """Obtain all archives; raise the problems of all together."""
    sizes = _ask_sizes(work, pending, pool)
    if check_space:
        _check_space(work, pending, sizes, parallel=parallel)
    work.meter.begin(pending, sizes)
    running = {pool.submit(work.obtain, archive): archive for archive in pending}
    problems: list[str] = []
    untried: list[str] = []
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            archive = running.pop(future)
            try:
                future.result()
            except StoppedError:
                untried.append(archive.name)
            except FetchError as error:
                problems.append(str(error))
                if error.hopeless:
                    work.stop.set()
    if untried and problems:
        problems.append(
            f"{len(untried)} other files were not finished for this reason: {', '.join(sorted(untried))}."
        )
    if problems:
        raise DownloadError(problems)


def _ask_sizes(work: _Work, pending: Sequence[Archive], pool: ThreadPoolExecutor) -> dict[str, int | None]:
    """Ask the server for sizes, at first for one: when it cannot be reached, that is said once."""
    timeout = min(work.patience.timeout, 20.0)

    def ask(archive: Archive) -> int | None:
        try:
            return remote_size(archive.url(work.base), timeout=timeout)
        except FetchError:
            return None

    first = pending[0]
    for failures in range(1, work.patience.attempts + 1):
        try:
            size = remote_size(first.url(work.base), timeout=timeout)
            break
        except FetchError as error:
            if failures == work.patience.attempts:
                remedy = "check the network, or set MIRAGE_DASK_DOWNLOAD_URL to a mirror"
                raise DownloadError([f"{error}; {remedy}."]) from error
            work.stop.wait(work.patience.pause(failures))
    others = pool.map(ask, pending[1:])
    return {first.name: size} | {a.name: s for a, s in zip(pending[1:], others, strict=True)}


def space_needed(
    pending: Sequence[Archive], sizes: dict[str, int | None], *, parallel: int, keep_archives: bool
) -> int:
    """Return the bytes that archives need on the disk at most, about.

    Parameters
    ----------
    sizes
        Bytes of each archive, as the server states them; None where it does not.
    """
    packed, unpacked = [], 0
    for archive in pending:
        size = sizes.get(archive.name)
        disk = archive.disk if archive.disk is not None else 2 * (size or 0)
        size = disk // 2 if size is None else size
        packed.append(size)
        unpacked += max(disk - size, size)
    packed.sort(reverse=True)
    return unpacked + sum(packed if keep_archives else packed[:parallel])


def _check_space(
    work: _Work, pending: Sequence[Archive], sizes: dict[str, int | None], *, parallel: int
) -> None:
    needed = space_needed(pending, sizes, parallel=parallel, keep_archives=work.keep_archives)
    needed -= sum(work.arrived(archive) for archive in pending)
    place = work.root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DownloadError(
            [
                f"The disk of {work.root} has {free / 1e9:.1f} GB free, and these {len(pending)} files need about "
                f"{needed / 1e9:.1f} GB; free some space, choose another PATH, or fetch less: one instrument, "
                "--single-dark, --skip-darks, --skip-psfs."
            ]
        )


class _Meter:
    """Adds up the bytes of all files for the progress callback."""

    def __init__(self, progress: Progress | None):
        self._progress, self._lock = progress, threading.Lock()
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._finished = 0

    def begin(self, pending: Sequence[Archive], sizes: dict[str, int | None]) -> None:
        for archive in pending:
            self._done[archive.name] = 0
            self._total[archive.name] = sizes.get(archive.name) or (archive.disk or 0) // 2

    def move(self, archive: Archive, done: int, total: int | None) -> None:
        with self._lock:
            self._done[archive.name] = done
            self._total[archive.name] = total if total is not None else max(done, self._total[archive.name])
            self._tell(archive.name)

    def unpacking(self, archive: Archive) -> None:
        with self._lock:
            self._done[archive.name] = self._total[archive.name]
            self._tell(f"unpacking {archive.name}")

    def finish(self, archive: Archive) -> None:
        with self._lock:
            self._finished += 1
            self._done[archive.name] = self._total[archive.name]
            self._tell(archive.name)

    def _tell(self, what: str) -> None:
        if self._progress is not None:
            text = f"{self._finished} of {len(self._total)} files, {what}"
            self._progress(text, sum(self._done.values()), sum(self._total.values()))


class _Work:
    """One download: where everything goes, and how one archive is obtained."""

    def __init__(
        self, root: Path, base: str, patience: Patience, keep_archives: bool, progress: Progress | None
    ):
        self.root, self.base, self.patience, self.keep_archives = root, base, patience, keep_archives
        self.state = root / STATE
        self.stop = threading.Event()
        self.meter = _Meter(progress)

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
                files = unpack(place, staging, target=archive.target, limit=archive.most)
            except DamagedArchiveError as error:
                place.unlink(missing_ok=True)
                self.record(archive).unlink(missing_ok=True)
                if fetched.resumed and again:  # the parts may not have been of one file
                    again = False
                    continue
                raise FetchError(
                    f"{archive.name} from {url} is damaged: {error}; it was removed: run the same again, and if "
                    "that does not help, set MIRAGE_DASK_DOWNLOAD_URL to a mirror."
                ) from error
            break
        install(staging, self.root, files)
        write_json(self.record(archive), {**stated, "files": files})
        if not self.keep_archives:
            place.unlink(missing_ok=True)

    def _fetch(self, archive: Archive, place: Path, url: str) -> tuple[Fetched, dict[str, Any]]:
        """Have the archive at its place; return what is known of it."""
        stated = self.read_record(archive)
        if stated.get("size") and _has_size(place, stated["size"]):
            return Fetched(size=stated["size"], sha256=str(stated.get("sha256")), resumed=True), stated
        fetched = fetch(
            url,
            place,
            most=archive.most,
            checksum=archive.checksum,
            patience=self.patience,
            progress=lambda done, total: self.meter.move(archive, done, total),
            stop=self.stop,
        )
        stated = {"url": url, "size": fetched.size, "sha256": fetched.sha256}
        if fetched.remote is not None:
            stated |= {"etag": fetched.remote.etag, "last_modified": fetched.remote.last_modified}
        write_json(self.record(archive), stated)
        return fetched, stated

    def _disk_error(self, archive: Archive, error: OSError) -> FetchError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return FetchError(
                f"The disk of {self.root} is full while {archive.name} from {archive.url(self.base)} is unpacked; free "
                "some space and run the same again: what has arrived is kept.",
                hopeless=True,
            )
        return FetchError(
            f"{archive.name} from {archive.url(self.base)} could not be put in place: {error.filename or self.root}: "
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
