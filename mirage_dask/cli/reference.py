"""The command `reference`: what reference data there are, and making the built-in ones."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
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
    from mirage_dask.reference.builtin_cache import build_cache
    from mirage_dask.reference.cosmic_ray_builder import build_cosmic_ray_library
    from mirage_dask.reference.locations import builtin_directory, mirage_data_directory
    from mirage_dask.reference.psf_builder import build_psf_library

    start = time.monotonic()
    needs = _needs_of_proposal(arguments) if arguments.proposal else _needs_of_names(arguments)
    with progress_bar() as progress:
        build_cache(
            detectors=sorted({n.detector for n in needs}),
            optics=sorted({(n.filter, n.pupil) for n in needs}),
            readouts=sorted({(n.subarray, n.readpatt) for n in needs}),
            progress=progress,
        )
        libraries = mirage_data_directory()
        psfs = sorted({(n.detector, n.filter, n.pupil) for n in needs})
        for done, (detector, filter, pupil) in enumerate(psfs):
            progress(f"PSF of {detector} {filter} {pupil}", done, len(psfs))
            build_psf_library(libraries, detector=detector, filter=filter, pupil=pupil)
        rays = sorted({(n.detector, n.cosmic_rays) for n in needs if n.cosmic_rays})
        for done, (detector, library) in enumerate(rays):
            progress(f"cosmic rays {library} of {detector}", done, len(rays))
            build_cosmic_ray_library(libraries, detector=detector, library=library)
    say(str(builtin_directory()))
    tell(f"took {duration(time.monotonic() - start)}")
    return 0


@dataclass(frozen=True)
class Need:
    """What one kind of exposure needs reference files for."""

    detector: str
    filter: str
    pupil: str
    subarray: str = "FULL"
    readpatt: str = "RAPID"
    cosmic_rays: str = "SUNMAX"
    """Library; empty for none."""


def _needs_of_proposal(arguments: argparse.Namespace) -> set[Need]:
    """Return what the exposures of a proposal need."""
    proposal = open_given(arguments)
    rows = proposal.table[proposal.table["status"] == "ready"]
    needs = set()
    for _, row in rows.iterrows():
        rays = proposal.settings.for_exposure(row).cosmic_rays
        detector, filter, pupil = str(row["detector"]), str(row["filter"]), str(row["pupil"])
        library = rays.library if rays else ""
        needs.add(Need(detector, filter, pupil, str(row["subarray"]), str(row["readpatt"]), library))
    return needs


def _needs_of_names(arguments: argparse.Namespace) -> set[Need]:
    """Return every filter for each detector of its channel."""
    from mirage_dask.instruments import channel_of, get_detector, split_optics

    if not (arguments.detectors and arguments.filters):
        raise InputError("Name a PROPOSAL, or --detectors and --filters.")
    detectors = [get_detector(name) for name in arguments.detectors]
    optics = [split_optics(name) for name in arguments.filters]
    needs = {Need(d.name, f, p) for d in detectors for f, p in optics if channel_of(f, p) == d.channel}
    if not needs:
        raise InputError(
            "None of these filters belongs to one of these detectors (1 to 4: short waves, 5: long ones)."
        )
    return needs
