"""The command `reference`: what reference data there are, and making the built-in ones."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from mirage_dask.cli.arguments import add_command, open_given
from mirage_dask.cli.console import duration, progress_bar, say, tell
from mirage_dask.errors import InputError


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = add_command(
        commands,
        "reference",
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
    parser.add_argument("action", choices=("build",), help="what to do")
    parser.add_argument("proposal", metavar="PROPOSAL", nargs="?", help="build what this proposal needs")
    parser.add_argument("--pointing", metavar="FILE", help="pointing report of an .xml")
    parser.add_argument("--settings", metavar="FILE", help="its settings: which cosmic rays")
    parser.add_argument("--detectors", metavar="NAME", nargs="+", help="such as NRCB1 NRCB5")
    parser.add_argument("--filters", metavar="NAME", nargs="+", help="such as F150W F164N")


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
