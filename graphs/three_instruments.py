"""A proposal of several instruments, coordinated parallels among them, in one store: sizes by instrument, then the run.

    python graphs/three_instruments.py                                     # the example: sizes and footprint, nothing runs
    python graphs/three_instruments.py --workers 2                         # run it in two processes of this machine
    python graphs/three_instruments.py my.aptx --settings my.yaml --out /shared/my.zarr --scheduler tcp://10.0.0.5:8786

A parallel is a row of the table as its prime is, with the same pointing and start. NIRCam reads along x, NIRISS and FGS
along y; tiles follow, so that each is whole along the readout: rows of the one, columns of the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mirage_dask import example_proposal, open_proposal
from mirage_dask.cli.arguments import add_resources, resources_of
from mirage_dask.errors import MirageDaskError
from mirage_dask.formatting import counted
from mirage_dask.plot import draw_footprint
from mirage_dask.plot.sources import catalog_sources
from mirage_dask.plot.style import save
from mirage_dask.run.executors.resources import DEFAULT


def main(argv: list[str] | None = None) -> int:
    """Build, describe, draw and, if asked to, run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("proposal", nargs="?", type=Path, default=example_proposal("three_instruments"))
    parser.add_argument(
        "--settings", type=Path, help="default: settings.yaml beside the proposal, if it is there"
    )
    parser.add_argument("--out", default="three_instruments.zarr")
    parser.add_argument("--png", default="three_instruments.png")
    add_resources(parser)
    arguments = parser.parse_args(argv)
    resources = resources_of(arguments)

    beside = arguments.proposal.with_name("settings.yaml")
    settings = arguments.settings or (beside if beside.exists() else None)
    proposal = open_proposal(arguments.proposal, settings=settings)
    ready = proposal.table[proposal.table["status"] == "ready"]

    # One stack of lazy arrays for each shape and direction of readout, over all instruments.
    for stack in proposal.stacks:
        raw = stack["raw"]
        chunk = "x".join(str(n) for n in raw.data.chunksize[1:])
        names = ", ".join(sorted({str(detector) for detector in stack["detector"].values}))
        print(f"raw {dict(raw.sizes)} of {names}: {raw.nbytes / 1e9:.2f} GB, tiles of {chunk}")
    for instrument, rows in ready.groupby("instrument"):
        plan = proposal.plan(
            arguments.out, select=list(rows["name"]), workers=arguments.workers, measure=False
        )
        print(
            f"{instrument}: {counted(plan.exposures, 'exposure')}, {plan.raw_bytes / 1e9:.2f} GB raw in "
            f"{counted(plan.tasks, 'task')}; at most {plan.memory / 1e6:.0f} MB in a process of one thread"
        )

    picture = save(draw_footprint(proposal.table, sources=catalog_sources(proposal.table)), arguments.png)
    print(f"footprint: {picture}")

    if resources == DEFAULT:
        print("Nothing was simulated; --workers N or --scheduler ADDRESS runs it.")
        return 0
    report = proposal.simulate(
        arguments.out,
        client=resources.client,
        workers=resources.workers,
        memory=resources.memory,
        scheduler=resources.scheduler,
    )
    print(f"store: {report.store_url}")
    return 0 if report.ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MirageDaskError as error:
        sys.exit(str(error))
