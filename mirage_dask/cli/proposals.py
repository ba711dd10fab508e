"""Commands that start from a proposal: exposures, plan, simulate; and from files of what was observed: inject."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mirage_dask.cli.arguments import (
    add_command,
    add_json,
    add_proposal,
    add_resources,
    add_select,
    add_tile_bytes,
    add_variables,
    count,
    local_place,
    open_given,
    place,
    resources_of,
)
from mirage_dask.cli.console import (
    print_failure,
    print_json,
    print_line,
    print_note,
    print_pairs,
    print_table,
)
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted

NUMBERS = ("obs", "exp", "rows", "ready", "ngroup", "nint")
"""Columns of numbers."""


def add(commands: Any) -> None:
    """Add these commands to the command line."""
    table = add_command(
        commands,
        "exposures",
        "list every detector exposure of a proposal",
        "List the exposures of a proposal: in a terminal by observation, into a pipe or with --rows every detector "
        "exposure. Those that cannot be simulated are listed too, with the reason, and so is everything in which XML and "
        "pointing report disagree.",
        """
        mirage-dask exposures my.aptx
        mirage-dask exposures my.aptx --rows --select "observation == 2"
        mirage-dask exposures my.xml --pointing my.pointing --csv exposures.csv
        mirage-dask exposures my.aptx --select "filter == 'F444W'" --json | jq '.[].name'
        """,
        list_exposures,
    )
    add_proposal(table)
    add_select(table)
    table.add_argument("--rows", action="store_true", help="a line for every detector exposure")
    table.add_argument(
        "--csv", metavar="FILE", type=local_place, help="write all columns as CSV ('-' for stdout)"
    )
    table.add_argument("--parquet", metavar="FILE", type=local_place, help="write all columns as Parquet")
    add_json(table)

    plan = add_command(
        commands,
        "plan",
        "show the size of a simulation before it runs",
        "Check everything a simulation needs and show its size: exposures, tasks, raw and stored bytes, memory per worker, "
        "time from a few tiles measured here, and the source of each type of reference data. With --out also what that "
        "store contains, what a run would simulate again and why, and whether its disk is large enough. Nothing is written.",
        """
        mirage-dask plan my.aptx --settings my.yaml
        mirage-dask plan my.aptx --settings my.yaml --out my.zarr --workers 64
        mirage-dask plan my.aptx --settings my.yaml --json | jq .raw_bytes
        """,
        show_plan,
    )
    add_proposal(plan)
    plan.add_argument(
        "--out", metavar="STORE.zarr", type=place, help="the store to be written, which may exist"
    )
    add_select(plan)
    add_tile_bytes(plan)
    plan.add_argument(
        "--workers",
        metavar="N",
        type=count,
        help="state the time with N workers (default: one per processor)",
    )
    plan.add_argument(
        "--no-measure", action="store_true", help="compute no tile: the time follows from another machine"
    )
    add_json(plan)

    simulate = add_command(
        commands,
        "simulate",
        "simulate a proposal into one Zarr store",
        "Simulate the exposures of a proposal into one Zarr store. The same command continues a run that was "
        "stopped. The pixels do not depend on how, where or in what order they are computed.",
        """
        mirage-dask simulate my.aptx --settings my.yaml --out my.zarr
        mirage-dask simulate my.aptx --out my.zarr --workers 4 --memory 2GB
        mirage-dask simulate my.aptx --out my.zarr --select "observation == 2" --random-seed 7
        mirage-dask simulate my.aptx --out s3://bucket/my.zarr --scheduler tcp://10.0.0.5:8786
        """,
        run_simulation,
    )
    add_proposal(simulate)
    simulate.add_argument(
        "--out", metavar="STORE.zarr", type=place, required=True, help="the store: a folder or an fsspec URL"
    )
    add_select(simulate)
    add_tile_bytes(simulate)
    simulate.add_argument(
        "--random-seed",
        "--seed",
        metavar="N",
        type=int,
        help="another realisation of all noise (default 42); --seed is the old name",
    )
    simulate.add_argument(
        "--update",
        action="store_true",
        help="accept a store of another plan and simulate again what changed",
    )
    simulate.add_argument(
        "--performance-report",
        type=local_place,
        metavar="FILE.html",
        help="write dask's report of the run: task stream, profiles (with --scheduler or --workers; needs bokeh)",
    )
    simulate.add_argument(
        "--no-truth",
        action="store_true",
        help="without the tables of the sources on each exposure (mirage-dask truth)",
    )
    add_variables(simulate, "--truth", "store variables of the truth too: ")
    simulate.add_argument("--quiet", action="store_true", help="no progress bar")
    add_resources(simulate)
    add_json(simulate)

    inject = add_command(
        commands,
        "inject",
        "add sources to files of real data",
        "Add the sources of catalogs to raw (uncal), rate or calibrated (cal) files, of the archive or of an export: copies "
        "go into another folder, with a table of the sources of each exposure. Electrons and their photon noise are added, "
        "through the detector's response; noise, sky, artefacts and headers stay, and pixels without new light keep their "
        "values bit for bit.",
        """
        mirage-dask inject data/ --settings my.yaml --out injected/
        mirage-dask inject "data/*_nrcb*_cal.fits" --settings my.yaml --out injected/ --workers 2 --memory 2GB
        """,
        inject_sources,
    )
    inject.add_argument(
        "files", metavar="FILES", nargs="+", help="a folder, a pattern in quotes, or files; also URLs"
    )
    inject.add_argument(
        "--settings",
        metavar="FILE",
        type=local_place,
        required=True,
        help="YAML file with catalogs; of its other keys only what concerns light, references and the random seed counts",
    )
    inject.add_argument(
        "--out", metavar="DIR", type=local_place, required=True, help="the folder of the copies"
    )
    add_select(inject)
    inject.add_argument("--overwrite", action="store_true", help="make copies again that are there already")
    inject.add_argument("--quiet", action="store_true", help="no progress bar")
    add_resources(inject)
    add_json(inject)


def list_exposures(arguments: argparse.Namespace) -> int:
    """Print the exposure table, or write it to files."""
    if arguments.json and arguments.csv == "-":
        raise InputError("--json and --csv - both write to stdout; give one of them, or a file to --csv.")
    proposal = open_given(arguments)
    table = selected(proposal.table, arguments.select)
    if arguments.parquet:
        table.to_parquet(arguments.parquet, index=False)
        print_note(f"wrote {counted(len(table), 'row')} to {arguments.parquet}")
    if arguments.csv and arguments.csv != "-":
        table.to_csv(arguments.csv, index=False)
        print_note(f"wrote {counted(len(table), 'row')} to {arguments.csv}")
    if arguments.csv == "-":
        table.to_csv(sys.stdout, index=False)
    elif arguments.json:
        print_json(table)
    elif not (arguments.csv or arguments.parquet):
        if arguments.rows or not sys.stdout.isatty():
            from mirage_dask.proposal import SHOWN_COLUMNS

            print_table(
                SHOWN_COLUMNS, table[list(SHOWN_COLUMNS)].itertuples(index=False, name=None), right=NUMBERS
            )
        else:
            from mirage_dask.representation.exposures import by_observation

            summary = by_observation(table)
            print_table(list(summary), summary.itertuples(index=False, name=None), right=NUMBERS)
    _print_unsupported(table)
    print_notes(proposal)
    return 0


def print_notes(proposal: Any) -> None:
    """Print the notes on a proposal and its settings."""
    from rich.markup import escape

    for note in proposal.notes:
        print_note(f"[yellow]note[/]: {escape(note)}")


def print_catalogs(proposal: Any) -> None:
    """Print how many sources of each catalog fall on detectors; those of which none does are among the notes."""
    from rich.markup import escape

    for found in proposal.catalog_report.counts:
        if found.on_detectors:
            print_note(escape(str(found)))


def selected(table: Any, expression: str | None) -> Any:
    """Return the rows that a --select expression keeps.

    Raises
    ------
    InputError
        If the expression cannot be read, or selects no row.
    """
    if expression is None:
        return table
    from mirage_dask.selection import select_rows

    return table.iloc[select_rows(table, expression, argument="--select ")]


def _print_unsupported(table: Any) -> None:
    """Print how many exposures can be simulated, and why the others cannot."""
    if "status" not in table:
        return
    not_ready = table[table["status"] == "unsupported"]
    print_note(
        f"{counted(len(table), 'detector exposure')}, {len(table) - len(not_ready):,} can be simulated"
    )
    for reason, group in not_ready.groupby("reason"):
        print_note(f"[yellow]not simulated[/]: {len(group):,} × {reason}")


def show_plan(arguments: argparse.Namespace) -> int:
    """Print the plan of a proposal."""
    proposal = open_given(arguments)
    selected(proposal.table, arguments.select)
    plan = proposal.plan(
        arguments.out,
        select=arguments.select,
        workers=arguments.workers,
        tile_bytes=arguments.tile_bytes,
        measure=not arguments.no_measure,
    )
    if arguments.json:
        print_json(plan)
    else:
        print_pairs(plan.lines)
    print_notes(proposal)
    return 0


def run_simulation(arguments: argparse.Namespace) -> int:
    """Simulate, and name the exposures that failed."""
    from mirage_dask.exposure.contributions.variables import check_truth
    from mirage_dask.run.execute import run_plan

    resources = resources_of(arguments)  # before the plan, which may take minutes
    check_truth(arguments.truth)
    proposal = open_given(arguments)
    selected(proposal.table, arguments.select)
    plan = proposal.prepare(arguments.select, store=arguments.out, progress=not arguments.quiet)
    if not (arguments.quiet or arguments.json):
        print_catalogs(proposal)
    print_notes(proposal)
    report = run_plan(
        plan,
        arguments.out,
        resources=resources,
        select=arguments.select,
        update=arguments.update,
        tile_bytes=arguments.tile_bytes,
        progress=not (arguments.quiet or arguments.json),
        performance_report=arguments.performance_report,
        truth=arguments.truth or not arguments.no_truth,
    )
    return finish(report, json=arguments.json, quiet=arguments.quiet)


def inject_sources(arguments: argparse.Namespace) -> int:
    """Add sources to files, and name those that failed."""
    from mirage_dask.opening import open_exposures

    resources = resources_of(arguments)
    program = open_exposures(arguments.files, settings=arguments.settings)
    selected(program.table, arguments.select)
    report = program.inject(
        arguments.out,
        select=arguments.select,
        client=resources.client,
        workers=resources.workers,
        memory=resources.memory,
        scheduler=resources.scheduler,
        overwrite=arguments.overwrite,
        progress=not arguments.quiet,
    )
    _print_unsupported(program.table)
    print_notes(program)
    if arguments.json:
        print_json(report)
    else:
        print_line(report.folder)
        print_note(str(report))
    for path, reason in report.failed:
        print_failure(path, reason)
    return 0 if report.ok else 1


def finish(report: Any, *, json: bool, quiet: bool) -> int:
    """Print where the store is, or the report as JSON, and return the exit code."""
    if json:
        print_json(report)
    else:
        print_line(report.store_url)
    if quiet or json:  # without a progress display
        reasons = {failure.exposure: failure.error for failure in reversed(report.failures)}
        for name in report.failed:
            print_failure(name, reasons[name])
    return 1 if report.failures else 0
