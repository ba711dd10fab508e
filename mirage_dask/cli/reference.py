"""The command `reference`: build the built-in data, list what a proposal uses, add dither patterns, download files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.cli import downloads
from mirage_dask.cli.arguments import (
    Parser,
    add_command,
    add_json,
    add_proposal,
    add_select,
    description,
    local_place,
    open_given,
)
from mirage_dask.cli.console import (
    print_errors,
    print_json,
    print_line,
    print_note,
    print_table,
    progress_bar,
)
from mirage_dask.cli.proposals import selected
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted, duration
from mirage_dask.io.progress import Progress

if TYPE_CHECKING:
    from mirage_dask.instruments import Detector

EXAMPLES = """
examples
  mirage-dask reference build my.aptx
  mirage-dask reference check my.aptx
  mirage-dask reference download ~/jwst --instrument nircam --skip-darks
"""


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "reference",
        help="build, check or download reference files",
        **description(
            "Reference data: build the built-in files, list the files that a proposal uses, or download Mirage's files.",
            EXAMPLES,
        ),
    )
    actions = parser.add_subparsers(
        title="actions", metavar="ACTION", dest="action", required=True, parser_class=Parser
    )
    _add_build(actions)
    _add_check(actions)
    _add_dithers(actions)
    downloads.add(actions)


def _add_build(actions: Any) -> None:
    parser = add_command(
        actions,
        "build",
        "build the built-in reference files",
        "Build the built-in reference files: a CRDS cache and MIRAGE_DATA libraries for the detectors and filters of a "
        "proposal, or for those that are named. A simulation does this by itself; use this command to do it "
        "before, for example on another machine. Prints the directory.",
        """
        mirage-dask reference build my.aptx
        mirage-dask reference build my.aptx --settings my.yaml
        mirage-dask reference build --detectors NRCB5 NRCA5 --filters F444W F277W
        mirage-dask reference build --detectors NIS GUIDER1 --filters F200W
        """,
        build,
    )
    parser.add_argument(
        "proposal", metavar="PROPOSAL", type=local_place, nargs="?", help="build what this proposal needs"
    )
    parser.add_argument("--pointing", metavar="FILE", type=local_place, help="pointing report of an .xml")
    parser.add_argument(
        "--settings", metavar="FILE", type=local_place, help="its settings: which cosmic rays"
    )
    parser.add_argument("--detectors", metavar="NAME", nargs="+", help="such as NRCB1 NRCB5 NIS GUIDER1")
    parser.add_argument("--filters", metavar="NAME", nargs="+", help="such as F150W F164N; FGS has none")


def _add_check(actions: Any) -> None:
    parser = add_command(
        actions,
        "check",
        "list the reference files a proposal will use",
        "List every reference file that the exposures of a proposal will use, its source, and what is missing. "
        "No file is made or downloaded, except for rules that a CRDS cache lacks. The exit code is 1 when one is missing.",
        """
        mirage-dask reference check my.aptx
        mirage-dask reference check my.aptx --settings my.yaml --json
        """,
        check,
    )
    add_proposal(parser)
    add_select(parser)
    add_json(parser)


def _add_dithers(actions: Any) -> None:
    parser = add_command(
        actions,
        "dithers",
        "list dither patterns, or add tables of them",
        "Dither patterns, with which pointings are computed where a proposal has no pointing report. Without FILES, list "
        "the patterns that are known and the versions of APT for which they hold. With FILES, keep their patterns for all "
        "proposals of this machine: plain text, a line with the name as the reason of an exposure states it, then a "
        "line 'number x y' for each point, arcsec.",
        """
        mirage-dask reference dithers
        mirage-dask reference dithers my_patterns.txt
        """,
        dithers,
    )
    parser.add_argument("files", metavar="FILES", type=local_place, nargs="*", help="tables to add")
    add_json(parser)


def dithers(arguments: argparse.Namespace) -> int:
    """Add the patterns of files, or print the table of those that are known."""
    from mirage_dask.apt.geometry.patterns import (
        add_patterns,
        builtin_patterns,
        own_directory,
        own_patterns,
    )

    if arguments.files:
        added = add_patterns(Path(path) for path in arguments.files)
        print_line(str(own_directory()))
        what = ", ".join(f"{name} ({counted(len(points), 'point')})" for name, points in added.items())
        print_note(f"added {what}")
        return 0
    rows = [(name, len(points), "all", "own") for name, points in own_patterns().items()]
    rows += [
        (name, len(pattern.points), pattern.versions, "built in")
        for name, patterns in builtin_patterns().items()
        for pattern in patterns
    ]
    columns = ("pattern", "points", "versions", "table")
    if arguments.json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows, right=("points",))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Print the table of reference files."""
    from mirage_dask.reference.checking import MISSING, check_references
    from mirage_dask.settings import rows_of

    table = selected(open_given(arguments).table, arguments.select)
    uses = check_references(rows_of(table))
    missing = [use for use in uses if use.state == MISSING]
    if arguments.json:
        print_json(uses)
    else:
        columns = ("selection", "type", "file", "source", "state", "exposures")
        print_table(columns, ([getattr(use, name) for name in columns] for use in uses), right=("exposures",))
    for problem in dict.fromkeys(use.problem or f"{use.selection}: {use.type} is missing" for use in missing):
        print_errors(problem)
    print_note(f"{counted(len(uses), 'use')} of reference files, {len(missing)} missing")
    return int(bool(missing))


def build(arguments: argparse.Namespace) -> int:
    """Build the requested part of the built-in set and print its directory."""
    from mirage_dask.reference.builtin.locations import crds_directory

    start = time.monotonic()
    with progress_bar() as progress:
        if arguments.proposal:
            open_given(arguments).prepare(progress=progress)
        else:
            _build_named(arguments, progress)
    print_line(str(crds_directory().parent))
    print_note(f"took {duration(time.monotonic() - start)}")
    return 0


def _build_named(arguments: argparse.Namespace, progress: Progress) -> None:
    """Build every named filter for each named detector that has it."""
    from mirage_dask.instruments import get_detector
    from mirage_dask.reference.builtin.cache import build_cache
    from mirage_dask.reference.builtin.cosmic_rays import build_cosmic_ray_library
    from mirage_dask.reference.builtin.locations import mirage_data_directory
    from mirage_dask.reference.builtin.psf import build_psf_library

    if not arguments.detectors:
        raise InputError("Name a PROPOSAL, or --detectors and --filters.")
    uses = _uses([get_detector(name) for name in arguments.detectors], arguments.filters or [])
    detectors = sorted({name for name, _, _ in uses})
    optics = list(dict.fromkeys((filter, pupil) for _, filter, pupil in uses))
    build_cache(detectors=detectors, optics=optics, progress=progress)
    libraries = mirage_data_directory()
    for done, (detector, filter, pupil) in enumerate(uses):
        progress(f"PSF of {detector} {filter} {pupil}".rstrip(), done, len(uses))
        build_psf_library(libraries, detector=detector, filter=filter, pupil=pupil)
    for done, detector in enumerate(detectors):
        progress(f"cosmic rays of {detector}", done, len(detectors))
        build_cosmic_ray_library(libraries, detector=detector, library="SUNMAX")


def _uses(detectors: Sequence[Detector], filters: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (detector, filter, pupil) of all filters that the detectors have.

    Raises
    ------
    InputError
        If a filter is unknown to all of them, or none belongs to one of them.
    """
    from mirage_dask.instruments import has_optics, optical_elements, split_optics

    uses: dict[tuple[str, str, str], None] = {}
    unknown: dict[str, list[str]] = {name: [] for name in filters}
    for detector in detectors:
        if not optical_elements(detector.instrument):
            uses[detector.name, "", ""] = None
            continue
        for name in filters:
            try:
                pair = split_optics(name, instrument=detector.instrument)
            except InputError as error:
                unknown[name] += error.problems
                continue
            unknown[name].append("")
            if has_optics(detector.name, *pair):
                uses[detector.name, *pair] = None
    problems = [found[0] for found in unknown.values() if found and all(found)]
    if problems:
        raise InputError(problems)
    if not uses:
        if not filters:
            raise InputError("Name a PROPOSAL, or --detectors and --filters.")
        raise InputError(
            "None of these filters belongs to one of these detectors (NIRCam: 1 to 4 short waves, 5 long ones)."
        )
    return list(uses)
