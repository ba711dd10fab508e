"""A proposal in the shape of COSMOS-Web, 12,160 full frames of 5 groups: its plan, its graph, and a run to the end.

The run has kernels that compute and write nothing, so that it costs only dask, the bookkeeping of the run and the bytes of
commit records: what the machinery adds to a task, and what client and scheduler hold at the end.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from bench_proposal import large_proposal
from measure import Measurement, cpu_seconds, peak_megabytes

import mirage_dask as md
from mirage_dask.apt import exposure_table, read_proposal
from mirage_dask.planning.making import make_plan
from mirage_dask.run.executors.distributed import DistributedExecutor
from mirage_dask.run.executors.graph import graph_size
from mirage_dask.run.tasks import RunHandle, TileResult, missing_tile_ranges
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.commits import Commit, commit_key
from mirage_dask.store.comparison import compare
from mirage_dask.store.layout import shard_key
from mirage_dask.store.plan import Plan, save_plan
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.simulation import SimulationStore

WORKERS = 2


def large_table(folder: Path) -> pd.DataFrame:
    """Return the exposure table of bench_proposal's mosaic."""
    return exposure_table(read_proposal(large_proposal(folder, 2)))


def large_plan(folder: Path, table: pd.DataFrame) -> Plan:
    """Write a plan of that table: specs that name no sources and no pack, for kernels that need none."""
    specs = [
        ExposureSpec(
            name=row["name"], program=row["program"], observation=row["observation"], visit=row["visit"],
            exposure=row["exposure"], tile=row["tile"], dither=row["dither"], detector=row["detector"],
            filter=row["filter"], pupil=row["pupil"], nints=1, ngroups=5, nframes=1, groupgap=0, tframe=10.7, x0=0, y0=0,
            nx=2048, ny=2048, fast_axis=row["fast_axis"], slow_axis=row["slow_axis"], amplifiers=4,
            attitude=tuple(np.eye(3).ravel().tolist()), layers=(("background", "0.1"),), random_seed=42, pack="none",
        )
        for row in table.to_dict("records")
    ]  # fmt: skip
    return save_plan(folder / "plan", table, specs)


def real_planning(folder: Path) -> list[Measurement]:
    """Plan the same mosaic with the example's stars and galaxies; its references are made first, on another account."""
    source = md.example_proposal()
    proposal = md.open_proposal(large_proposal(folder, 2), settings=source.with_name("settings.yaml"))
    optics = ["detector", "filter", "pupil"]
    make_plan(proposal.table.drop_duplicates(optics).reset_index(drop=True), proposal.settings)
    proposal = md.open_proposal(proposal.file.path, settings=source.with_name("settings.yaml"))
    start = time.process_time()
    planned = proposal.prepare()
    seconds = time.process_time() - start
    return [
        Measurement(f"plan {len(planned):,} exposures with catalogs and packs", seconds, "s", 60.0),
        Measurement("peak memory, with making the references", peak_megabytes(), "MB", 2000.0),
    ]


def many_integrations(folder: Path) -> list[Measurement]:
    """Open an exposure of 256 x 2048 pixels, 10 groups and 10,000 integrations (105 GB) whose shards are stand-ins."""
    spec = ExposureSpec(
        name="jw42424001001_02101_00001_nrcalong", program=42424, observation=1, visit=1, exposure=1, tile=1, dither=1,
        detector="NRCA5", filter="F444W", pupil="CLEAR", nints=10_000, ngroups=10, nframes=1, groupgap=0, tframe=1.3, x0=0,
        y0=0, nx=2048, ny=256, fast_axis=1, slow_axis=2, amplifiers=4, attitude=tuple(np.eye(3).ravel().tolist()),
        layers=(("background", "0.1"),), random_seed=42, pack="none",
    )  # fmt: skip
    plan = save_plan(folder / "series", pd.DataFrame({"name": [spec.name]}), [spec])
    store = SimulationStore.create(folder / "series.zarr", plan)
    grid, group = plan.grid(0), Path(store.url, spec.name)
    for tile in range(grid.count):
        (group / "raw" / shard_key(grid, tile)).write_bytes(b"stand-in")
        record = Commit.of(spec.digest, 0, len(b"stand-in"))
        (group / "commit" / commit_key(tile)).write_bytes(record.encode())

    def open_it() -> None:
        data = xr.open_dataset(store.url, engine="mirage_dask", exposure=spec.name)
        assert data.attrs["raw_from"] == "store"

    files = sum(len(names) for _, _, names in os.walk(group))
    return [
        Measurement("files in 100 MB of 10,000 integrations", files / (plan.raw_bytes / 1e8), "", 3.0),
        Measurement("open 10,000 integrations", cpu_seconds(open_it), "s", 0.2),
    ]


def do_nothing() -> None:
    """Let tiles in this process cost nothing."""
    import mirage_dask.run.tasks as tasks

    def run_tile_range(row: int, first: int, stop: int, _handle: RunHandle) -> Any:
        for tile in range(first, stop):
            yield TileResult(row, tile, 0.0, Commit(1, row, tile, 0, 4_000_000))

    tasks.run_tile_range = run_tile_range


def measure() -> list[Measurement]:
    """Return seconds, bytes and memory of planning and of an empty run."""
    import distributed

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.process_time()
        table = large_table(folder)
        plan = large_plan(folder, table)
        ranges, per_block = missing_tile_ranges(plan, range(len(plan)), {}, threads=64)
        handle = RunHandle(str(folder / "s.zarr"), plan.digest, 1)
        size = graph_size(ranges, per_block, handle)
        planned = time.process_time() - start
        found = [
            Measurement(f"plan {len(plan):,} exposures, proposal to graph", planned, "s", 60.0),
            Measurement("peak memory of that", peak_megabytes(), "MB", 2000.0),
            Measurement("tasks", size.tasks, "", 100_000),
            Measurement("graph, pickled", size.graph_bytes / 1e6, "MB", 10.0),
        ]
        store = folder / "s.zarr"
        found += [
            Measurement(
                "create the store",
                cpu_seconds(lambda: SimulationStore.create(store, plan), repeats=1, warm_up=False),
                "s",
            ),
            Measurement(
                "look what is done", cpu_seconds(lambda: compare(plan, StoreRoot.read(store)), repeats=1), "s"
            ),
        ]

        # Smaller tasks than a run here would have: as many as 64 threads get.
        with (
            distributed.LocalCluster(
                n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            client.run(do_nothing)
            before, wall, cpu = peak_megabytes(), time.monotonic(), time.process_time()
            results: list[TileResult] = []
            DistributedExecutor(client).execute(ranges, per_block, handle, results.append)
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            assert len(results) == 8 * len(plan)
            tasks = -(-len(ranges) // per_block)
            found += [
                Measurement(f"empty run of {len(results):,} tiles, wall", wall, "s"),
                Measurement("client and scheduler, CPU per task", 1e3 * cpu / tasks, "ms", 5.0),
                Measurement("client and scheduler, memory it adds", peak_megabytes() - before, "MB", 500.0),
            ]
        found += many_integrations(folder)
        found += real_planning(folder)
    return found
