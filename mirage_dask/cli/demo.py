"""The command `demo`: a small proposal from its file to pictures and FITS files."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.cli.arguments import add_command, count, local_place
from mirage_dask.cli.console import print_line, print_note
from mirage_dask.formatting import duration, size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mirage_dask.simulation import Simulation


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = add_command(
        commands,
        "demo",
        "simulate a small example proposal and draw it",
        "Simulate a small example proposal with the built-in reference files, on this machine: exposure table, plan, "
        "store, pictures and one FITS file. Prints their paths.",
        """
        mirage-dask demo
        mirage-dask demo somewhere --workers 2
        """,
        run_demo,
    )
    parser.add_argument(
        "directory",
        metavar="DIR",
        type=local_place,
        nargs="?",
        default="mirage-dask-demo",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--workers", metavar="N", type=count, help="worker processes (default: threads of this one)"
    )


def run_demo(arguments: argparse.Namespace) -> int:
    """Simulate the example, with a note about each step."""
    from mirage_dask import example_proposal
    from mirage_dask.opening import open_proposal
    from mirage_dask.plot.style import save
    from mirage_dask.simulation import open_simulation

    start = time.monotonic()
    folder, source = Path(arguments.directory), example_proposal()
    folder.mkdir(parents=True, exist_ok=True)

    print_note(f"[bold]1. the proposal[/] {source}")
    proposal = open_proposal(source, settings=source.with_name("settings.yaml"))
    table = proposal.table
    print_note(f"   {len(table)} detector exposures of {table['observation'].nunique()} observations")

    print_note("[bold]2. the plan[/] (the first time, reference files are built: about a minute)")
    plan = proposal.plan()
    print_note(f"   {size(plan.raw_bytes)} raw, {size(plan.memory)} of memory per worker")

    print_note("[bold]3. the simulation[/]")
    store = folder / "demo.zarr"
    report = proposal.simulate(store, workers=arguments.workers, update=True)
    if report.failures:  # the progress display has named the exposures
        return 1
    print_line(str(store))

    print_note("[bold]4. pictures and a FITS file[/]")
    simulation = open_simulation(store)
    for name, figure in pictures(simulation).items():
        print_line(str(save(figure, folder / f"{name}.png")))
    name = str(table["name"].iloc[0])
    for path in simulation.export(folder / "uncal", select=[name]):
        print_line(str(path))

    print_note(f"[green]done[/] in {duration(time.monotonic() - start)}. Continue with your own proposal:")
    print_note("   mirage-dask plan my.aptx --settings my.yaml")
    return 0


def pictures(simulation: Simulation) -> dict[str, Figure]:
    """Draw the example: footprint, scene on a detector, one raw exposure, mosaic."""
    from mirage_dask.plot import coadd, draw_exposure, draw_footprint, draw_mosaic, draw_scene
    from mirage_dask.plot.sources import catalog_sources

    table = simulation.table
    field = table[table["subarray"] == "FULL"]
    long = str(field.loc[field["detector"] == "NRCB5", "name"].iloc[0])
    stars = str(table.loc[table["subarray"] != "FULL", "name"].iloc[0])
    return {
        "footprint": draw_footprint(table, sources=catalog_sources(table)),
        "scene": draw_scene(simulation.exposure(long)),
        "exposure": draw_exposure(simulation.exposure(stars)),
        "mosaic": draw_mosaic(coadd(field, simulation.exposure)),
    }
