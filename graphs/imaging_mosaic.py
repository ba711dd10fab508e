"""An imaging mosaic, from the proposal to the store: build it lazily, look at its size, then run it somewhere.

    python graphs/imaging_mosaic.py                                     # the example: sizes and footprint, nothing runs
    python graphs/imaging_mosaic.py --workers 2                         # run it in two processes of this machine
    python graphs/imaging_mosaic.py my.aptx --settings my.yaml --out /shared/my.zarr --scheduler tcp://10.0.0.5:8786

On a cluster, start a Dask scheduler and workers in a batch job in the way your site does it (dask-jobqueue, dask-mpi,
`dask scheduler` and `dask worker`), with the store on a file system or object store that all of them see. The run may be
killed and started again: it goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cloudpickle

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
    parser.add_argument("proposal", nargs="?", type=Path, default=example_proposal())
    parser.add_argument(
        "--settings", type=Path, help="default: settings.yaml beside the proposal, if it is there"
    )
    parser.add_argument("--out", default="imaging_mosaic.zarr")
    parser.add_argument("--png", default="imaging_mosaic.png")
    add_resources(parser)
    arguments = parser.parse_args(argv)
    resources = resources_of(arguments)

    beside = arguments.proposal.with_name("settings.yaml")
    settings = arguments.settings or (beside if beside.exists() else None)
    proposal = open_proposal(arguments.proposal, settings=settings)

    # The whole proposal as a few lazy arrays, one per shape: (exposure, integration, group, y, x).
    for stack in proposal.stacks:
        raw = stack["raw"]
        tasks = len(raw.data.__dask_graph__())
        print(
            f"raw {dict(raw.sizes)}: {raw.nbytes / 1e9:.2f} GB, {tasks:,} tasks, {pickled(raw):.0f} kB pickled"
        )
    plan = proposal.plan(arguments.out, workers=arguments.workers)
    print(
        f"{counted(plan.exposures, 'exposure')}, {counted(plan.tiles, 'tile')} in {counted(plan.tasks, 'task')}; at most "
        f"{plan.memory / 1e6:.0f} MB in a process of one thread; about {plan.seconds:.0f} s with "
        f"{counted(plan.workers, 'worker')}"
    )

    picture = save(
        draw_footprint(proposal.table, sources=catalog_sources(proposal.table)),
        arguments.png,
    )
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


def pickled(array: object) -> float:
    """Return how much goes to the scheduler, kB."""
    return len(cloudpickle.dumps(array)) / 1e3


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MirageDaskError as error:
        sys.exit(str(error))
