"""Download Mirage's reference files (MIRAGE_DATA): several at once, resumable, checked, unpacked.

`mirage_dask.download.catalogue` says what there is, `obtaining` gets one archive into its place, by `fetching` and
`unpacking`; here is what concerns all of them: sizes, room on the disk, threads, and the errors of all files together.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from mirage_dask.download.archives import Meter, Progress, Workplace
from mirage_dask.download.catalogue import FOLDER, Archive, base_address, select_archives
from mirage_dask.download.http import PATIENT, FetchError, Patience, StoppedError
from mirage_dask.download.remote import UnreachableError, remote_size, shown
from mirage_dask.errors import InputError, ReferenceFileError

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
    work = Workplace(_root(path), base, patience=patience, keep_archives=keep_archives, meter=Meter(progress))
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
                url=shown(archive.url(base)),
            )
            for archive in chosen
        ),
    )
    if not dry_run:
        for archive in chosen:
            work.tidy(archive)
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
    work: Workplace, pending: Sequence[Archive], pool: ThreadPoolExecutor, *, parallel: int, check_space: bool
) -> None:
    """See that there is room, then obtain all archives."""
    sizes = _ask_sizes(work, pending, pool)
    if check_space:
        _check_space(work, pending, sizes, parallel=parallel)
    work.meter.begin(pending, sizes)
    _obtain_all(work, pending, pool)


def _obtain_all(work: Workplace, pending: Sequence[Archive], pool: ThreadPoolExecutor) -> None:
    """Obtain all archives, and raise the problems of all together."""
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


def _ask_sizes(
    work: Workplace, pending: Sequence[Archive], pool: ThreadPoolExecutor
) -> dict[str, int | None]:
    """Ask the server for sizes, at first for one: when it cannot be reached, that is said once."""
    timeout = min(work.patience.timeout, 20.0)

    def ask(archive: Archive) -> int | None:
        try:
            return remote_size(archive.url(work.base), timeout=timeout)
        except UnreachableError:
            return None

    first = pending[0]
    for failures in range(1, work.patience.attempts + 1):
        try:
            size = remote_size(first.url(work.base), timeout=timeout)
            break
        except UnreachableError as error:
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
    work: Workplace, pending: Sequence[Archive], sizes: dict[str, int | None], *, parallel: int
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
