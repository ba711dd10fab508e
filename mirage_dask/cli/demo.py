"""The command `demo`: a small proposal from its file to pictures and FITS files, in one go."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.cli.arguments import add_command
from mirage_dask.cli.console import duration, progress_bar, say, size, tell

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
        "store, pictures and one FITS file. Prints the paths of what it made.",
        """
        mirage-dask demo
        mirage-dask demo somewhere --workers 2
        """,
        run_demo,
    )
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", default="mirage-dask-demo", help="default: %(default)s"
    )
    parser.add_argument(
        "--workers", metavar="N", type=int, help="worker processes (default: threads of this one)"
    )


def run_demo(arguments: argparse.Namespace) -> int:
    """Go all the way with the example, telling each step."""
    from mirage_dask import example_proposal
    from mirage_dask.plot.style import save
    from mirage_dask.proposal import open_proposal
    from mirage_dask.simulation import open_simulation

    start = time.monotonic()
    folder, source = Path(arguments.directory), example_proposal()
    folder.mkdir(parents=True, exist_ok=True)

    tell(f"[bold]1. the proposal[/] {source}")
    proposal = open_proposal(source, settings=source.with_name("settings.yaml"))
    table = proposal.table
    tell(f"   {len(table)} detector exposures of {table['observation'].nunique()} observations")

    tell("[bold]2. the plan[/] (the first time, reference files are built: about a minute)")
    with progress_bar() as progress:
        plan = proposal.plan(progress=progress)
    tell(f"   {size(plan.raw_bytes)} raw, {size(plan.memory)} of memory per worker")

    tell("[bold]3. the simulation[/]")
    store = folder / "demo.zarr"
    report = proposal.simulate(store, workers=arguments.workers, update=True)
    if report.failures:  # the progress display has named them
        return 1
    say(str(store))

    tell("[bold]4. pictures and a FITS file[/]")
    simulation = open_simulation(store)
    for name, figure in pictures(simulation).items():
        say(str(save(figure, folder / f"{name}.png")))
    name = str(table["name"].iloc[0])
    for path in simulation.export(folder / "uncal", select=[name]):
        say(str(path))

    tell(f"[green]done[/] in {duration(time.monotonic() - start)}. Now with your own proposal:")
    tell("   mirage-dask plan my.aptx --settings my.yaml")
    return 0


def pictures(simulation: Simulation) -> dict[str, Figure]:
    """Draw the example: where it points, what falls on a detector, one raw exposure, the mosaic."""
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
