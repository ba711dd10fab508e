"""Commands that start from a store: status, export."""

from __future__ import annotations

import argparse
import os
from typing import Any

from mirage_dask.cli.arguments import add_cluster, add_command, add_json, add_select
from mirage_dask.cli.console import say, say_json, say_pairs, say_table, size, tell, tell_failure
from mirage_dask.cli.proposals import check_scheduler
from mirage_dask.errors import InputError


def add(commands: Any) -> None:
    """Add these commands to the command line."""
    status = add_command(
        commands,
        "status",
        "say what of a store is done, and what failed",
        "Say how much of a store is done, and name the exposures that failed with the reason. --retry-failed simulates "
        "them again.",
        """
        mirage-dask status my.zarr
        mirage-dask status my.zarr --json | jq '.[] | select(.status == "failed") | .name'
        mirage-dask status my.zarr --retry-failed --workers 4
        """,
        show_status,
    )
    status.add_argument("store", metavar="STORE.zarr", help="a folder or an fsspec URL")
    status.add_argument("--retry-failed", action="store_true", help="simulate again what failed")
    add_cluster(status)
    add_json(status)

    export = add_command(
        commands,
        "export",
        "write FITS files for the JWST pipeline",
        "Write the exposures of a store as Level-1b FITS files (_uncal.fits) that the JWST pipeline takes, with a "
        "calibrate.env that makes the pipeline use the reference files of the simulation.",
        """
        mirage-dask export my.zarr uncal/
        mirage-dask export my.zarr uncal/ --select "filter == 'F444W'"
        set -a; source uncal/calibrate.env; strun calwebb_detector1 uncal/jw…_uncal.fits
        """,
        export_files,
    )
    export.add_argument("store", metavar="STORE.zarr", help="a folder or an fsspec URL")
    export.add_argument("directory", metavar="DIR", help="folder for the files; made if it is not there")
    add_select(export)
    export.add_argument("--overwrite", action="store_true", help="write files again that are there and valid")
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
    return 1 if len(failed) else 0


def simulate_again(store: Any, names: list[str], arguments: argparse.Namespace) -> None:
    """Run the plan of a store for some of its exposures."""
    from mirage_dask.run.execute import run_plan

    check_scheduler(arguments.scheduler)
    run_plan(
        store.plan,
        store.url,
        client=arguments.scheduler,
        workers=arguments.workers,
        memory=arguments.memory,
        scheduler="serial" if arguments.serial else None,
        select=names,
        progress=not arguments.json,
    )


STATUS_COLUMNS = ("name", "status", "reason", "tiles", "tiles_done", "raw_bytes", "stored_bytes", "traceback")
STATUSES = ("done", "partial", "ready", "failed", "unsupported")


def export_files(arguments: argparse.Namespace) -> int:
    """Write FITS files and print their paths."""
    from mirage_dask.reference.lookup import calibrate_env
    from mirage_dask.reference.sources import cache_of
    from mirage_dask.store.simulation import SimulationStore
    from mirage_dask.store.uncal import export_uncal

    store = SimulationStore.open(arguments.store)
    chosen: str | list[str] = arguments.select or _done(store)
    report = export_uncal(
        store,
        arguments.directory,
        select=chosen,
        overwrite=arguments.overwrite,
        calibrate_env=lambda: calibrate_env(cache_of(store.plan.info["provenance"]["references"])),
    )
    if arguments.json:
        say_json(report)
    else:
        for name in sorted({*report.written, *report.skipped}):
            say(os.path.join(report.directory, name))
    for name, reason in report.failed:
        tell_failure(name, reason)
    there = f", {len(report.skipped):,} were there already" if report.skipped else ""
    tell(f"wrote {len(report.written):,} files to {report.directory}{there}")
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
