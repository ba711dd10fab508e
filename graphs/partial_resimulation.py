"""One setting changed for one observation of a store: see what would be made again, then make that and nothing else.

    python graphs/partial_resimulation.py --out my.zarr                    # the example: what would happen, nothing runs
    python graphs/partial_resimulation.py my.aptx --settings my.yaml --out my.zarr --observation 2 --scale 3 --workers 2
    python graphs/partial_resimulation.py my.aptx --out my.zarr --library FLARE --scheduler tcp://10.0.0.5:8786

Here it is the cosmic rays; any other setting works the same way. Exposures whose specification stays the same keep their
files in the store, to the byte; those of the observation are made again, with the same noise, for no other effect's random
numbers depend on the cosmic rays.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mirage_dask import Proposal, example_proposal, open_proposal
from mirage_dask.cli.arguments import add_resources, resources_of
from mirage_dask.errors import InputError, MirageDaskError
from mirage_dask.formatting import counted
from mirage_dask.run.executors.resources import DEFAULT


def main(argv: list[str] | None = None) -> int:
    """Change, say what that changes and, if asked to, run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("proposal", nargs="?", type=Path, default=example_proposal())
    parser.add_argument(
        "--settings", type=Path, help="default: settings.yaml beside the proposal, if it is there"
    )
    parser.add_argument("--out", default="imaging_mosaic.zarr", help="the store to update")
    parser.add_argument("--observation", type=int, default=2, help="whose cosmic rays change")
    parser.add_argument(
        "--library", help="SUNMIN, SUNMAX, FLARE or FLIGHT; default: the one it had, or SUNMAX"
    )
    parser.add_argument("--scale", type=float, default=3.0, help="times the rate of the library")
    add_resources(parser)
    arguments = parser.parse_args(argv)
    resources = resources_of(arguments)

    beside = arguments.proposal.with_name("settings.yaml")
    settings = arguments.settings or (beside if beside.exists() else None)
    before = open_proposal(arguments.proposal, settings=settings)
    rays = cosmic_rays_of(before)
    if arguments.observation not in rays:
        raise InputError(
            f"There is no observation {arguments.observation}; there are {', '.join(map(str, rays))}."
        )
    had = rays[arguments.observation]
    library = arguments.library or ("SUNMAX" if had == "none" else had["library"])
    rays[arguments.observation] = {"library": library, "scale": arguments.scale}
    proposal = open_proposal(arguments.proposal, settings=settings, cosmic_rays=rays)

    plan = proposal.plan(arguments.out, workers=arguments.workers, measure=False)
    print("\n".join(plan.changes) or f"{arguments.out} is not there yet: all of it would be made")
    print(
        f"{plan.tiles_left} of {counted(plan.tiles, 'tile')} to make, in {counted(plan.tasks, 'task')}; at most "
        f"{plan.memory / 1e6:.0f} MB in a process of one thread"
    )
    if resources == DEFAULT:
        print("Nothing was simulated; --workers N or --scheduler ADDRESS runs it.")
        return 0
    report = proposal.simulate(
        arguments.out,
        client=resources.client,
        workers=resources.workers,
        memory=resources.memory,
        scheduler=resources.scheduler,
        update=True,  # accept a store of other settings
    )
    print(
        f"{counted(report.tiles, 'tile')} made, {counted(report.skipped, 'exposure')} untouched: {report.store_url}"
    )
    return 0 if report.ok else 1


def cosmic_rays_of(proposal: Proposal) -> dict[int, Any]:
    """Return the cosmic rays of every observation, as the setting `cosmic_rays` takes them."""
    columns = ["observation", "cosmic_ray_library", "cosmic_ray_scale"]
    rows = proposal.table[columns].drop_duplicates("observation").itertuples(index=False, name=None)
    return {number: {"library": name, "scale": scale} if name else "none" for number, name, scale in rows}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MirageDaskError as error:
        sys.exit(str(error))
