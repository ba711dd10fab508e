"""Commands that start from a store: status, verify, export."""

from __future__ import annotations

import argparse
import os
from typing import Any

from mirage_dask.cli.arguments import add_command, add_json, add_resources, add_select, count, resources_of
from mirage_dask.cli.console import (
    complain,
    duration,
    progress_bar,
    progress_bytes,
    say,
    say_json,
    say_pairs,
    say_table,
    size,
    tell,
    tell_failure,
)
from mirage_dask.errors import InputError


def add(commands: Any) -> None:
    """Add these commands to the command line."""
    status = add_command(
        commands,
        "status",
        "say what of a store is done, and what failed",
        "Say how much of a store is done, and name the exposures that failed with the reason; --traceback says where in "
        "the code each failed. --retry-failed simulates them again, here or on a cluster.",
        """
        mirage-dask status my.zarr
        mirage-dask status my.zarr --traceback
        mirage-dask status my.zarr --json | jq '.[] | select(.status == "failed") | .name'
        mirage-dask status my.zarr --retry-failed --workers 4
        """,
        show_status,
    )
    status.add_argument("store", metavar="STORE.zarr", help="a folder or an fsspec URL")
    status.add_argument("--retry-failed", action="store_true", help="simulate again what failed")
    status.add_argument("--traceback", action="store_true", help="show the traceback of each failed exposure")
    add_resources(status)
    add_json(status)

    verify = add_command(
        commands,
        "verify",
        "compute tiles of a store again and compare",
        "Compute finished tiles of a store again, from its own plan and nothing else, and compare every value with what "
        "is stored. Exposures that differ are named, with exit code 1. --checksums only reads the tiles: it finds damaged "
        "files, not wrong values.",
        """
        mirage-dask verify my.zarr --sample 20
        mirage-dask verify my.zarr --select "observation == 2" --workers 4
        mirage-dask verify my.zarr --checksums
        """,
        verify_tiles,
    )
    verify.add_argument("store", metavar="STORE.zarr", help="a folder or an fsspec URL")
    verify.add_argument(
        "--sample", metavar="N", type=count, help="at most N tiles, spread evenly (default: all)"
    )
    verify.add_argument("--checksums", action="store_true", help="compare checksums, compute nothing")
    add_select(verify)
    add_resources(verify)
    add_json(verify)

    export = add_command(
        commands,
        "export",
        "write FITS files for the JWST pipeline",
        "Write the exposures of a store as Level-1b FITS files (_uncal.fits) that the JWST pipeline takes, with a "
        "calibrate.env that makes the pipeline use the reference files of the simulation. Files that are there already, "
        "made from the same specs, are left alone: the same command finishes an export that was stopped.",
        """
        mirage-dask export my.zarr uncal/ --workers 4
        mirage-dask export my.zarr uncal/ --select "filter == 'F444W'"
        set -a; source uncal/calibrate.env; strun calwebb_detector1 uncal/jw…_uncal.fits
        """,
        export_files,
    )
    export.add_argument("store", metavar="STORE.zarr", help="a folder or an fsspec URL")
    export.add_argument("directory", metavar="DIR", help="folder for the files; made if it is not there")
    add_select(export)
    export.add_argument(
        "--datatype",
        choices=("raw", "linear", "both"),
        default="raw",
        help="raw ramps (_uncal.fits, the default), linear ones (_linear.fits: float32, without bias and "
        "non-linearity), or both",
    )
    export.add_argument("--overwrite", action="store_true", help="write files again that are there and valid")
    add_resources(export)
    add_json(export)


def show_status(arguments: argparse.Namespace) -> int:
    """Print what is done, and retry what failed if asked to."""
    from mirage_dask.store.simulation import SimulationStore

    store = SimulationStore.open(arguments.store)
    table = store.status()
    if arguments.retry_failed and (names := list(table.loc[table["status"] == "failed", "name"])):
        tell(f"simulating {len(names):,} failed exposures again")
        simulate_again(store, names, arguments)
        table = store.status()
    failed = table[table["status"] == "failed"]
    if arguments.json:
        say_json(table[[c for c in STATUS_COLUMNS if c in table]])
        return 1 if len(failed) else 0
    counts = table["status"].value_counts()
    say_pairs(
        [
            ("exposures", f"{len(table):,}"),
            *((f"  {status}", f"{counts[status]:,}") for status in STATUSES if status in counts),
            ("tiles", f"{table['tiles_done'].sum():,} of {table['tiles'].sum():,}"),
            ("raw", size(float(table["raw_bytes"].sum()))),
            ("stored", size(float(table["stored_bytes"].sum()))),
        ]
    )
    if len(failed):
        say_table(["failed", "reason"], failed[["name", "reason"]].itertuples(index=False, name=None))
    if arguments.traceback:
        for name, trace in failed[["name", "traceback"]].itertuples(index=False, name=None):
            say(f"\n{name}\n{trace or 'no traceback: the worker died'}".rstrip())
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
    )


STATUS_COLUMNS = ("name", "status", "reason", "tiles", "tiles_done", "raw_bytes", "stored_bytes", "traceback")
STATUSES = ("done", "partial", "ready", "failed", "unsupported")


def verify_tiles(arguments: argparse.Namespace) -> int:
    """Compare tiles, and name what is not right."""
    from mirage_dask import __version__
    from mirage_dask.run.verify import verify_store

    resources = resources_of(arguments)
    with progress_bar() as progress:
        found = verify_store(
            arguments.store,
            sample=arguments.sample,
            select=arguments.select,
            checksums=arguments.checksums,
            resources=resources,
            progress=progress,
        )
    if arguments.json:
        say_json(found)
    else:
        for damage in found.damages:
            say(f"{damage.exposure}, tile {damage.tile}: {damage.problem}")
    what = "have the checksums they were written with" if arguments.checksums else "are what the plan gives"
    good = found.checked - len(found.damages)
    tell(
        f"{good:,} of {found.checked:,} tiles {what}; {found.tiles:,} are finished in all "
        f"({duration(found.seconds)})"
    )
    if found.damages:
        other = (
            f", which version {found.made_by} made (this is {__version__})"
            if found.made_by != __version__
            else ""
        )
        complain(f"{len(found.exposures):,} exposures of {found.store_url}{other} are not right.")
    return 0 if found.ok else 1


def export_files(arguments: argparse.Namespace) -> int:
    """Write FITS files and print their paths."""
    from mirage_dask.reference.crds.lookup import calibrate_env
    from mirage_dask.reference.sources import cache_of
    from mirage_dask.run.export import export_store
    from mirage_dask.store.simulation import SimulationStore

    resources = resources_of(arguments)
    store = SimulationStore.open(arguments.store)
    chosen: str | list[str] = arguments.select or _done(store)
    with progress_bytes() as progress:
        report = export_store(
            store,
            arguments.directory,
            select=chosen,
            datatype=arguments.datatype,
            overwrite=arguments.overwrite,
            calibrate_env=lambda: calibrate_env(cache_of(store.plan.info["provenance"]["references"])),
            resources=resources,
            progress=progress,
        )
    if arguments.json:
        say_json(report)
    else:
        for name in sorted({*report.written, *report.skipped}):
            say(os.path.join(report.directory, name))
    for name, reason in report.failed:
        tell_failure(name, reason)
    there = f", {len(report.skipped):,} were there already" if report.skipped else ""
    what = f"{size(report.bytes_written)} in {duration(report.seconds)}"
    tell(f"wrote {len(report.written):,} files to {report.directory} ({what}){there}")
    return 0 if report.ok else 1


def _done(store: Any) -> list[str]:
    """Return the exposures of a store that are complete; say how many are not."""
    status = store.status()
    done = list(status.loc[status["status"] == "done", "name"])
    left = int(status["status"].isin(("ready", "partial", "failed")).sum())
    if not done:
        raise InputError(f"{store.url} holds no exposure that is complete; run mirage-dask simulate first.")
    if left:
        tell(f"{left:,} exposures are not complete and are left out")
    return done
