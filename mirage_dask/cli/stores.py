"""Commands that start from a store: status, verify, report, export."""

from __future__ import annotations

import argparse
import os
from typing import Any

from mirage_dask.cli.arguments import (
    add_command,
    add_json,
    add_resources,
    add_select,
    add_variables,
    count,
    local_place,
    place,
    resources_of,
)
from mirage_dask.cli.console import (
    print_errors,
    print_failure,
    print_json,
    print_line,
    print_note,
    print_pairs,
    print_table,
    progress_bar,
    progress_bytes,
)
from mirage_dask.cli.proposals import selected
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted, duration, size


def add(commands: Any) -> None:
    """Add these commands to the command line."""
    status = add_command(
        commands,
        "status",
        "show what of a store is done, and what failed",
        "Show how much of a store is done, and the exposures that failed with the reason; --traceback shows where each "
        "failed in the code. --retry-failed simulates them again, here or on a cluster.",
        """
        mirage-dask status my.zarr
        mirage-dask status my.zarr --traceback
        mirage-dask status my.zarr --json | jq '.[] | select(.status == "failed") | .name'
        mirage-dask status my.zarr --retry-failed --workers 4
        """,
        show_status,
    )
    status.add_argument("store", metavar="STORE.zarr", type=place, help="a folder or an fsspec URL")
    status.add_argument("--retry-failed", action="store_true", help="simulate again what failed")
    status.add_argument("--traceback", action="store_true", help="show the traceback of each failed exposure")
    add_resources(status)
    add_json(status)

    verify = add_command(
        commands,
        "verify",
        "compute tiles of a store again and compare",
        "Compute finished tiles of a store again, from its own plan and nothing else, and compare every value with what "
        "is stored. Exposures that differ are listed, with exit code 1. --checksums only reads the tiles: it finds damaged "
        "files, not wrong values.",
        """
        mirage-dask verify my.zarr --sample 20
        mirage-dask verify my.zarr --select "observation == 2" --workers 4
        mirage-dask verify my.zarr --checksums
        """,
        verify_tiles,
    )
    verify.add_argument("store", metavar="STORE.zarr", type=place, help="a folder or an fsspec URL")
    verify.add_argument(
        "--sample", metavar="N", type=count, help="at most N tiles, spread evenly (default: all)"
    )
    verify.add_argument("--checksums", action="store_true", help="compare checksums, compute nothing")
    add_select(verify)
    add_resources(verify)
    add_json(verify)

    _add_report(commands)

    export = add_command(
        commands,
        "export",
        "write FITS files for the JWST pipeline",
        "Write the exposures of a store as Level-1b FITS files (_uncal.fits) that the JWST pipeline takes, with a "
        "calibrate.env that makes the pipeline use the reference files of the simulation. Files that exist already, "
        "made from the same specs, are kept: the same command finishes an export that was stopped.",
        """
        mirage-dask export my.zarr uncal/ --workers 4
        mirage-dask export my.zarr uncal/ --with-references
        mirage-dask export my.zarr uncal/ --select "filter == 'F444W'"
        set -a; source uncal/calibrate.env; strun calwebb_detector1 uncal/jw…_uncal.fits
        """,
        export_files,
    )
    export.add_argument("store", metavar="STORE.zarr", type=place, help="a folder or an fsspec URL")
    export.add_argument(
        "directory",
        metavar="DIR",
        type=local_place,
        help="folder for the files; created if it does not exist",
    )
    add_select(export)
    export.add_argument(
        "--datatype",
        choices=("raw", "linear", "both"),
        default="raw",
        help="raw ramps (_uncal.fits, the default), linear ones (_linear.fits: float32, without bias and "
        "non-linearity), or both",
    )
    add_variables(export, "--truth", "write variables of the truth too, into files _truth.fits: ")
    export.add_argument(
        "--with-references",
        action="store_true",
        help="put the reference files beside the exposures: the folder can then be calibrated on any machine",
    )
    export.add_argument(
        "--with-spec2-inputs",
        action="store_true",
        help="put beside exposures with grisms what Stage 2 of the pipeline reads with them: source catalog, segmentation "
        "map and image of their direct exposure, and the association",
    )
    export.add_argument("--overwrite", action="store_true", help="write files again that exist and are valid")
    add_resources(export)
    add_json(export)


def _add_report(commands: Any) -> None:
    report = add_command(
        commands,
        "report",
        "write a page of what a store should hold against what it holds",
        "Write one self-contained HTML page: footprint, thumbnails, and expected against found: counts, light of sources, "
        "noise, rate of cosmic rays, saturation, reference pixels, each with a verdict. Tiles are measured one by one, on "
        "the same resources as a run. --calibrate also takes images through the JWST pipeline (extra 'calibrate': "
        "Detector1, Image2, Image3), in processes of 2 GB and more, and compares stars, completeness and mosaics with the "
        "truth: at most 20 images, whole filters first, unless --select names others. What is calibrated already is kept. "
        "The exit code is 1 when something disagrees or failed. Needs the extra 'plot'.",
        """
        mirage-dask report my.zarr
        mirage-dask report my.zarr --out closure.html --select "filter == 'F200W'" --workers 4
        mirage-dask report my.zarr --calibrate --workers 4 --products calibrated/
        """,
        write_report,
    )
    report.add_argument("store", metavar="STORE.zarr", type=place, help="a folder or an fsspec URL")
    report.add_argument(
        "--out",
        metavar="FILE",
        type=local_place,
        default="report.html",
        help="the page (default: report.html)",
    )
    add_select(report)
    report.add_argument(
        "--tiles", metavar="N", type=count, help="measure at most N tiles, spread evenly (default: 100)"
    )
    report.add_argument(
        "--calibrate", action="store_true", help="calibrate images with the JWST pipeline and compare"
    )
    report.add_argument(
        "--products",
        metavar="DIR",
        type=local_place,
        help="with --calibrate: folder for exported and calibrated files, 350 MB for each full frame (default: FILE without "
        "its suffix, and _calibrated)",
    )
    add_resources(report)
    add_json(report)


def write_report(arguments: argparse.Namespace) -> int:
    """Write a page, and print its path; name what disagrees."""
    from mirage_dask.report.making import MOST_TILES, make_report
    from mirage_dask.store.simulation import SimulationStore

    if arguments.products and not arguments.calibrate:
        raise InputError("--products goes with --calibrate; give both, or leave --products out.")
    resources = resources_of(arguments)
    store = SimulationStore.open(arguments.store)
    selected(store.plan.table, arguments.select)
    with progress_bar() as progress:
        report = make_report(
            store,
            arguments.out,
            select=arguments.select,
            tiles=arguments.tiles or MOST_TILES,
            calibrate=arguments.calibrate,
            products=arguments.products,
            resources=resources,
            processes=arguments.workers,
            progress=progress,
        )
    if arguments.json:
        print_json(report)
    else:
        print_line(str(report.path))
    for sentence in report.disagreements:
        print_errors(sentence)
    agree = "all agree" if report.ok else counted(len(report.disagreements), "problem")
    print_note(
        f"{counted(report.comparisons, 'comparison')} of {counted(report.tiles, 'tile')} in "
        f"{duration(report.seconds)}: {agree}"
    )
    return 0 if report.ok else 1


def show_status(arguments: argparse.Namespace) -> int:
    """Print the status of a store, and simulate failed exposures again if requested."""
    from mirage_dask.store.simulation import SimulationStore

    store = SimulationStore.open(arguments.store)
    table = store.status()
    if arguments.retry_failed and (names := list(table.loc[table["status"] == "failed", "name"])):
        print_note(f"simulating {counted(len(names), 'failed exposure')} again")
        simulate_again(store, names, arguments)
        table = store.status()
    failed = table[table["status"] == "failed"]
    if arguments.json:
        print_json(table[[c for c in STATUS_COLUMNS if c in table]])
        return 1 if len(failed) else 0
    counts = table["status"].value_counts()
    print_pairs(
        [
            ("exposures", f"{len(table):,}"),
            *((f"  {status}", f"{counts[status]:,}") for status in STATUSES if status in counts),
            ("tiles", f"{table['tiles_done'].sum():,} of {table['tiles'].sum():,}"),
            ("raw", size(float(table["raw_bytes"].sum()))),
            ("stored", size(float(table["stored_bytes"].sum()))),
        ]
    )
    if len(failed):
        print_table(["failed", "reason"], failed[["name", "reason"]].itertuples(index=False, name=None))
    if arguments.traceback:
        for name, trace in failed[["name", "traceback"]].itertuples(index=False, name=None):
            print_line(f"\n{name}\n{trace or 'no traceback: the worker died'}".rstrip())
    return 1 if len(failed) else 0


def simulate_again(store: Any, names: list[str], arguments: argparse.Namespace) -> None:
    """Run the plan of a store for some of its exposures."""
    from mirage_dask.run.execute import run_plan

    run_plan(
        store.plan,
        store.url,
        resources=resources_of(arguments),
        select=names,
        progress=not arguments.json,
        truth=True,
    )


STATUS_COLUMNS = ("name", "status", "reason", "tiles", "tiles_done", "raw_bytes", "stored_bytes", "traceback")
STATUSES = ("done", "partial", "ready", "failed", "unsupported")


def verify_tiles(arguments: argparse.Namespace) -> int:
    """Compare tiles, and print those that differ."""
    from mirage_dask import __version__
    from mirage_dask.run.verify import verify_store
    from mirage_dask.store.simulation import SimulationStore

    resources = resources_of(arguments)
    store = SimulationStore.open(arguments.store)
    selected(store.plan.table, arguments.select)
    with progress_bar() as progress:
        found = verify_store(
            store,
            sample=arguments.sample,
            select=arguments.select,
            checksums=arguments.checksums,
            resources=resources,
            progress=progress,
        )
    if arguments.json:
        print_json(found)
    else:
        for problem in found.inputs:
            print_line(problem)
        for damage in found.damages:
            print_line(f"{damage.exposure}, tile {damage.tile}: {damage.problem}")
    what = "with the checksums they were written with" if arguments.checksums else "as the plan gives them"
    good = found.checked - len(found.damages)
    print_note(
        f"{what}: {good:,} of {counted(found.checked, 'tile')}; finished in all: {found.tiles:,} "
        f"({duration(found.seconds)})"
    )
    if found.damages:
        other = (
            f", which version {found.made_by} made (this is {__version__})"
            if found.made_by != __version__
            else ""
        )
        print_errors(f"not correct: {counted(len(found.exposures), 'exposure')} of {found.store_url}{other}.")
    if found.inputs:
        print_errors(
            f"damaged: {counted(len(found.inputs), 'file')} of {found.store_url} from which values are computed; simulate "
            "into the store again, which replaces what is damaged."
        )
    return 0 if found.ok else 1


MOST_NAMES = 5
"""Exposures that a note names; the others are counted."""


def export_files(arguments: argparse.Namespace) -> int:
    """Write FITS files and print their paths."""
    from mirage_dask.run.calibration import export_for_pipeline
    from mirage_dask.store.simulation import SimulationStore

    resources = resources_of(arguments)
    store = SimulationStore.open(arguments.store)
    selected(store.plan.table, arguments.select)
    chosen: str | list[str] = arguments.select or _done(store)
    with progress_bytes() as progress:
        report = export_for_pipeline(
            store,
            arguments.directory,
            chosen,
            datatype=arguments.datatype,
            truth=arguments.truth,
            overwrite=arguments.overwrite,
            with_references=arguments.with_references,
            with_spec2_inputs=arguments.with_spec2_inputs,
            resources=resources,
            progress=progress,
        )
    names = sorted({*report.written, *report.skipped})
    if arguments.json:
        print_json(report)
    else:
        for name in names:
            print_line(os.path.join(report.directory, name))
    if report.not_simulated:
        listed = ", ".join(report.not_simulated[:MOST_NAMES])
        more = (
            f" and {len(report.not_simulated) - MOST_NAMES:,} more"
            if len(report.not_simulated) > MOST_NAMES
            else ""
        )
        print_note(f"[yellow]skipped[/], not simulated yet: {listed}{more}")
    for name, reason in report.failed:
        print_failure(name, reason)
    there = f", {len(report.skipped):,} existed already" if report.skipped else ""
    what = f"{size(report.bytes_written)} in {duration(report.seconds)}"
    print_note(f"wrote {counted(len(report.written), 'file')} to {report.directory} ({what}){there}")
    return 0 if report.ok else 1


def _done(store: Any) -> list[str]:
    """Return the exposures of a store that are complete; print how many are not."""
    from mirage_dask.run.calibration import complete_exposures

    done, left = complete_exposures(store)
    if left:
        print_note(f"left out, not complete: {counted(left, 'exposure')}")
    return done
