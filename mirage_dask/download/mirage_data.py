"""Download Mirage's reference files (MIRAGE_DATA): several at once, resumable, checked, unpacked.

`catalogue` says which archives exist, `installer` downloads (`http`) and unpacks (`unpacking`) one of them; here is what
concerns all of them: sizes, free space, threads, and the errors of all archives together.
"""

from __future__ import annotations

import os
import shlex
import tarfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.download.catalogue import FOLDER, Archive, base_address, select_archives
from mirage_dask.download.http import DEFAULT_POLICY, FetchError, RetryPolicy, StoppedError
from mirage_dask.download.installer import ArchiveInstaller, DownloadProgress
from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.formatting import counted
from mirage_dask.io import copying
from mirage_dask.io.atomic import remove_abandoned
from mirage_dask.io.network import shown
from mirage_dask.io.progress import Progress


class DownloadError(ReferenceFileError):
    """Some archives could not be downloaded; the others are in place.

    Parameters
    ----------
    problems
        One sentence per archive.
    """

    def __init__(self, problems: Sequence[str]):
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class FileReport:
    """Outcome of one archive."""

    name: str
    instrument: str
    kind: str
    status: str
    """'present' before, 'fetched' now, or 'to fetch' in a dry run."""
    disk: int | None
    """Bytes on the disk with what is unpacked from it, approximately; None where unknown."""
    url: str


@dataclass(frozen=True)
class DownloadReport:
    """Outcome of all archives."""

    directory: Path
    """What MIRAGE_DATA must point at."""
    files: tuple[FileReport, ...]

    @property
    def reminder(self) -> str:
        """The line for the shell that sets MIRAGE_DATA."""
        return f"export MIRAGE_DATA={shlex.quote(str(self.directory))}"


def download_reffiles(
    path: str | Path,
    instrument: str | Iterable[str] = "all",
    *,
    base_url: str | None = None,
    parallel: int = 4,
    policy: RetryPolicy = DEFAULT_POLICY,
    keep_archives: bool = False,
    check_space: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
    **selection: Any,
) -> DownloadReport:
    """Download Mirage's reference files and unpack them into the folder `mirage_data` of a directory.

    What has arrived is kept: after an interruption or an error, the same call continues.

    Parameters
    ----------
    path
        Directory that gets `mirage_data`; made if it does not exist. `~` and environment variables are replaced.
    instrument
        'nircam', 'niriss' or 'fgs', several of them (a list, or separated by commas), or 'all'.
    base_url
        Address of a mirror with the paths of the original server; default: the environment variable
        MIRAGE_DASK_DOWNLOAD_URL, else that server.
    parallel
        Archives at once.
    policy
        How often and how long to try.
    keep_archives
        Keep archives after unpacking them.
    check_space
        Refuse to start when the disk is too small.
    dry_run
        Download nothing: report what would be downloaded.
    progress
        Called with (text, bytes so far, bytes in all); never by two threads at once.
    **selection
        psf_version, dark_type, skip_darks, single_dark, skip_cosmic_rays, skip_psfs, skip_soss, as for
        `mirage_dask.download.catalogue.select_archives`.

    Returns
    -------
    DownloadReport
        The outcome of every archive, and the line that sets MIRAGE_DATA.

    Raises
    ------
    InputError
        If an option has a value that is not allowed.
    DownloadError
        If archives could not be downloaded, all of them together, or if the disk is too small.
    """
    chosen = select_archives(instrument, **selection)
    if parallel < 1 or policy.attempts < 1:
        raise InputError("parallel and the number of attempts must be at least 1.")
    if not hasattr(tarfile, "data_filter"):
        raise InputError("Unpacking archives safely needs Python 3.11.4 or newer.")
    root, base = _root(path), base_address(base_url)
    installer = ArchiveInstaller(root, base, policy=policy, keep_archives=keep_archives)
    pending = [archive for archive in chosen if not installer.is_installed(archive)]
    if pending and not dry_run:
        remove_abandoned(installer.state)
        if check_space:
            _check_space(installer, pending, parallel=parallel)
        _install_all(installer, pending, DownloadProgress(progress, pending), parallel=parallel)
    status = "to fetch" if dry_run else "fetched"
    reports = (
        FileReport(
            name=archive.name,
            instrument=archive.instrument,
            kind=archive.kind,
            status=status if archive in pending else "present",
            disk=archive.disk,
            url=shown(archive.url(base)),
        )
        for archive in chosen
    )
    return DownloadReport(directory=root / FOLDER, files=tuple(reports))


def _root(path: str | Path) -> Path:
    root = Path(os.path.expandvars(Path(path).expanduser())).absolute()
    if root.name == FOLDER:
        raise InputError(
            f"{root} ends with {FOLDER}, a folder that is made inside of PATH; give its parent, {root.parent}."
        )
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; give a directory.")
    return root


def _install_all(
    installer: ArchiveInstaller, pending: Sequence[Archive], progress: DownloadProgress, *, parallel: int
) -> None:
    """Install all archives, and raise the problems of all together."""
    problems: list[str] = []
    untried: list[str] = []
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="download") as pool:
        try:
            running = {pool.submit(installer.install, archive, progress): archive for archive in pending}
            for future in as_completed(running):
                try:
                    future.result()
                except StoppedError:
                    untried.append(running[future].name)
                except FetchError as error:
                    problems.append(str(error))
                    if error.fatal:
                        installer.stop.set()
        except BaseException:
            installer.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if untried and problems:
        problems.append(
            f"Not finished for this reason: {counted(len(untried), 'other file')}, {', '.join(sorted(untried))}."
        )
    if problems:
        raise DownloadError(problems)


def space_needed(pending: Sequence[Archive], *, parallel: int, keep_archives: bool) -> int:
    """Return the bytes that archives need on the disk at most, approximately; `parallel` of them are unpacked at once."""
    packed = sorted((archive.packed for archive in pending), reverse=True)
    unpacked = sum((archive.disk or 0) - archive.packed for archive in pending)
    return unpacked + sum(packed if keep_archives else packed[:parallel])


def _check_space(installer: ArchiveInstaller, pending: Sequence[Archive], *, parallel: int) -> None:
    needed = space_needed(pending, parallel=parallel, keep_archives=installer.keep_archives)
    needed -= sum(installer.arrived(archive) for archive in pending)
    free = copying.free_bytes(str(installer.root))
    if free is not None and needed > free:
        raise DownloadError(
            [
                f"The disk of {installer.root} has {free / 1e9:.1f} GB free, and to fetch "
                f"{counted(len(pending), 'file')} takes about {needed / 1e9:.1f} GB; free some space, choose another "
                "PATH, or fetch less: one instrument, --single-dark, --skip-darks, --skip-psfs."
            ]
        )
