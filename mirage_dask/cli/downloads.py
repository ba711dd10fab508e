"""The command `reference download`: Mirage's reference files."""

from __future__ import annotations

import argparse
import time
from typing import Any

from mirage_dask.cli.arguments import add_command, add_json, count, local_place
from mirage_dask.cli.console import (
    print_errors,
    print_json,
    print_line,
    print_note,
    print_table,
    progress_bytes,
)
from mirage_dask.formatting import counted, duration, size


def add(actions: Any) -> None:
    """Add the action `download` to the command `reference`."""
    parser = add_command(
        actions,
        "download",
        "download Mirage's reference files (MIRAGE_DATA)",
        "Download Mirage's reference files and unpack them into PATH/mirage_data. What has arrived is kept: after an "
        "interruption the same command continues. By default that is about 500 GB on the disk, most of it "
        "darks. Prints the line that sets MIRAGE_DATA. A mirror: --base-url, or the environment variable "
        "MIRAGE_DASK_DOWNLOAD_URL.",
        """
        mirage-dask reference download ~/jwst --instrument nircam --skip-darks
        mirage-dask reference download ~/jwst --instrument nircam,niriss --single-dark --dry-run
        mirage-dask reference download ~/jwst --dark-type both --base-url https://mirror.example.org/mirage/
        """,
        download,
    )
    parser.add_argument("path", metavar="PATH", type=local_place, help="directory that gets mirage_data")
    parser.add_argument(
        "--instrument",
        metavar="NAMES",
        default="all",
        help="nircam, niriss, fgs, or several with commas; default all",
    )
    parser.add_argument(
        "--psf-version",
        choices=("gridded", "subpixel"),
        default="gridded",
        help="PSF libraries in use (default), or those that Mirage dropped in 2019",
    )
    parser.add_argument(
        "--dark-type",
        choices=("linearized", "raw", "both"),
        default="linearized",
        help="which darks; default linearized",
    )
    parser.add_argument("--single-dark", action="store_true", help="one dark of each detector")
    parser.add_argument("--skip-darks", action="store_true", help="no darks")
    parser.add_argument("--skip-cosmic-rays", action="store_true", help="no cosmic-ray libraries")
    parser.add_argument("--skip-psfs", action="store_true", help="no PSF libraries")
    parser.add_argument("--skip-soss", action="store_true", help="no PSFs of NIRISS SOSS")
    parser.add_argument("--dry-run", action="store_true", help="list what would be fetched, with figures")
    add_json(parser)
    group = parser.add_argument_group("how it is fetched")
    group.add_argument("--base-url", metavar="URL", help="address of a mirror")
    group.add_argument("--parallel", metavar="N", type=count, default=4, help="files at once; default 4")
    group.add_argument(
        "--attempts", metavar="N", type=count, default=5, help="attempts without progress; default 5"
    )
    group.add_argument("--keep-archives", action="store_true", help="keep archives after unpacking")
    group.add_argument("--no-space-check", action="store_true", help="start even if the disk seems too small")


def download(arguments: argparse.Namespace) -> int:
    """Download the requested archives and print the line that sets MIRAGE_DATA."""
    from mirage_dask.download.http import RetryPolicy
    from mirage_dask.download.mirage_data import DownloadError, download_reffiles

    start = time.monotonic()
    try:
        with progress_bytes() as progress:
            report = download_reffiles(
                arguments.path,
                arguments.instrument,
                psf_version=arguments.psf_version,
                dark_type=arguments.dark_type,
                skip_darks=arguments.skip_darks,
                single_dark=arguments.single_dark,
                skip_cosmic_rays=arguments.skip_cosmic_rays,
                skip_psfs=arguments.skip_psfs,
                skip_soss=arguments.skip_soss,
                base_url=arguments.base_url,
                parallel=arguments.parallel,
                policy=RetryPolicy(attempts=arguments.attempts),
                keep_archives=arguments.keep_archives,
                check_space=not arguments.no_space_check,
                dry_run=arguments.dry_run,
                progress=progress,
            )
    except DownloadError as error:
        print_errors(*error.problems)
        return 1
    if arguments.json:
        print_json({"directory": report.directory, "reminder": report.reminder, "files": report.files})
        return 0
    missing = [file for file in report.files if file.status == "to fetch"]
    if arguments.dry_run:
        rows = [
            (f.instrument, f.kind, "?" if f.disk is None else size(f.disk), f.status, f.name)
            for f in report.files
        ]
        print_table(("instrument", "kind", "disk, about", "status", "archive"), rows, right=("disk, about",))
        total = size(sum(file.disk or 0 for file in missing))
        print_note(
            f"{len(missing)} of {counted(len(rows), 'archive')} to fetch: about {total} on the disk, archives included"
        )
        return 0
    print_line(report.reminder)
    fetched = sum(file.status == "fetched" for file in report.files)
    print_note(
        f"{counted(fetched, 'archive')} fetched, {len(report.files) - fetched} existed already; took "
        f"{duration(time.monotonic() - start)}. Run the line above in your shell to set MIRAGE_DATA."
    )
    return 0
