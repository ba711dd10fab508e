"""The command `reference`: making the built-in reference data, and downloading Mirage's."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from mirage_dask.cli.arguments import Parser, add_command, add_json, count, description, open_given
from mirage_dask.cli.console import (
    complain,
    duration,
    progress_bar,
    progress_bytes,
    say,
    say_json,
    say_table,
    size,
    tell,
)
from mirage_dask.errors import InputError

EXAMPLES = """
examples
  mirage-dask reference build my.aptx
  mirage-dask reference download ~/jwst --instrument nircam --skip-darks
"""


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "reference",
        help="build the built-in reference files, or download Mirage's",
        **description("Reference data: build what is built in, or download Mirage's files.", EXAMPLES),
    )
    actions = parser.add_subparsers(
        title="actions", metavar="ACTION", dest="action", required=True, parser_class=Parser
    )
    _add_build(actions)
    _add_download(actions)


def _add_build(actions: Any) -> None:
    parser = add_command(
        actions,
        "build",
        "build the built-in reference files",
        "Build the built-in reference files: a CRDS cache and MIRAGE_DATA libraries for the detectors and filters of a "
        "proposal, or for those that are named. A simulation does this by itself; use this command to do it "
        "beforehand, on a machine where it may take its time. Prints the directory.",
        """
        mirage-dask reference build my.aptx
        mirage-dask reference build my.aptx --settings my.yaml
        mirage-dask reference build --detectors NRCB5 NRCA5 --filters F444W F277W
        """,
        build,
    )
    parser.add_argument("proposal", metavar="PROPOSAL", nargs="?", help="build what this proposal needs")
    parser.add_argument("--pointing", metavar="FILE", help="pointing report of an .xml")
    parser.add_argument("--settings", metavar="FILE", help="its settings: which cosmic rays")
    parser.add_argument("--detectors", metavar="NAME", nargs="+", help="such as NRCB1 NRCB5")
    parser.add_argument("--filters", metavar="NAME", nargs="+", help="such as F150W F164N")


def _add_download(actions: Any) -> None:
    parser = add_command(
        actions,
        "download",
        "download Mirage's reference files (MIRAGE_DATA)",
        "Download Mirage's reference files and unpack them into PATH/mirage_data. What has arrived is kept: after an "
        "interruption the same command goes on from there. By default that is about 500 GB on the disk, most of it "
        "darks. Prints the line that sets MIRAGE_DATA. A mirror: --base-url, or the environment variable "
        "MIRAGE_DASK_DOWNLOAD_URL.",
        """
        mirage-dask reference download ~/jwst --instrument nircam --skip-darks
        mirage-dask reference download ~/jwst --instrument nircam,niriss --single-dark --dry-run
        mirage-dask reference download ~/jwst --dark-type both --base-url https://mirror.example.org/mirage/
        """,
        download,
    )
    parser.add_argument("path", metavar="PATH", help="directory that gets mirage_data")
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
    """Download what is asked and print the line that sets MIRAGE_DATA."""
    from mirage_dask.reference.download import DownloadError, download_reffiles
    from mirage_dask.reference.fetching import Patience

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
                patience=Patience(attempts=arguments.attempts),
                keep_archives=arguments.keep_archives,
                check_space=not arguments.no_space_check,
                dry_run=arguments.dry_run,
                progress=progress,
            )
    except DownloadError as error:
        complain(*error.problems)
        return 1
    if arguments.json:
        say_json({"directory": report.directory, "reminder": report.reminder, "files": report.files})
        return 0
    missing = [file for file in report.files if file.status == "to fetch"]
    if arguments.dry_run:
        rows = [
            (f.instrument, f.kind, "?" if f.disk is None else size(f.disk), f.status, f.name)
            for f in report.files
        ]
        say_table(("instrument", "kind", "disk, about", "status", "archive"), rows, right=("disk, about",))
        total = size(sum(file.disk or 0 for file in missing))
        tell(f"{len(missing)} of {len(rows)} archives to fetch: about {total} on the disk, archives included")
        return 0
    say(report.reminder)
    fetched = sum(file.status == "fetched" for file in report.files)
    tell(
        f"{fetched} archives fetched, {len(report.files) - fetched} were there; took {duration(time.monotonic() - start)}. "
        "Give the line above to your shell, so that MIRAGE_DATA is known."
    )
    return 0


def build(arguments: argparse.Namespace) -> int:
    """Build the built-in set for what is asked and print where it lies."""
    from mirage_dask.reference.locations import crds_directory

    start = time.monotonic()
    with progress_bar() as progress:
        if arguments.proposal:
            open_given(arguments).prepare(progress=progress)
        else:
            _build_named(arguments, progress)
    say(str(crds_directory().parent))
    tell(f"took {duration(time.monotonic() - start)}")
    return 0


def _build_named(arguments: argparse.Namespace, progress: Callable[[str, int, int], None]) -> None:
    """Build every named filter for each named detector of its channel."""
    from mirage_dask.instruments import channel_of, get_detector, split_optics
    from mirage_dask.reference.builtin_cache import build_cache
    from mirage_dask.reference.cosmic_ray_builder import build_cosmic_ray_library
    from mirage_dask.reference.locations import mirage_data_directory
    from mirage_dask.reference.psf_builder import build_psf_library

    if not (arguments.detectors and arguments.filters):
        raise InputError("Name a PROPOSAL, or --detectors and --filters.")
    detectors = [get_detector(name) for name in arguments.detectors]
    optics = [split_optics(name) for name in arguments.filters]
    pairs = [(d.name, f, p) for d in detectors for f, p in optics if channel_of(f, p) == d.channel]
    if not pairs:
        raise InputError(
            "None of these filters belongs to one of these detectors (1 to 4: short waves, 5: long ones)."
        )
    build_cache(detectors=[d.name for d in detectors], optics=optics, progress=progress)
    libraries = mirage_data_directory()
    for done, (detector, filter, pupil) in enumerate(pairs):
        progress(f"PSF of {detector} {filter} {pupil}", done, len(pairs))
        build_psf_library(libraries, detector=detector, filter=filter, pupil=pupil)
    for done, detector in enumerate(sorted({name for name, _, _ in pairs})):
        progress(f"cosmic rays of {detector}", done, len(detectors))
        build_cosmic_ray_library(libraries, detector=detector, library="SUNMAX")
