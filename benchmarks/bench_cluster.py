"""Full frames through two worker processes of 2 GB: memory against the projection, use of the cores, steadiness, scaling.

The example's full frames, with stars and galaxies, as often as MIRAGE_DASK_BENCH_EXPOSURES says (40; 1.9 GB of disk for
200). Wall times mean something on a machine that nobody else uses; CPU seconds and memory always.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import distributed
from measure import Measurement

import mirage_dask as md
from mirage_dask.run.display.events import ExposureDone, TileDone
from mirage_dask.run.estimate import estimate_run
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.plan import Plan, copy_plan, save_plan

EXPOSURES = int(os.environ.get("MIRAGE_DASK_BENCH_EXPOSURES", "40"))
MEMORY = "2GB"


def full_frames(folder: Path, count: int) -> Plan:
    """Write a plan of so many full frames: the example's, again and again."""
    example = md.example_proposal()
    plan = md.open_proposal(example, settings=example.with_name("settings.yaml")).prepare()
    copied = copy_plan(plan, folder / "plan")
    rows = [row for row in range(len(plan)) if plan.shape(row)[2:] == (2048, 2048)]
    specs, table = [], []
    for number in range(count):
        spec = plan.spec(rows[number % len(rows)])
        name = f"{spec.name.rsplit('_', 2)[0]}_{number + 1:05d}_{spec.detector.lower()}"
        specs.append(replace(spec, name=name, exposure=number + 1))
        table.append({**plan.table_row(spec.name), "name": name, "exposure": number + 1})
    import pandas as pd

    return save_plan(copied.url, pd.DataFrame(table), specs)


def state() -> tuple[float, float]:
    """Return CPU seconds and peak resident bytes of a worker."""
    from pathlib import Path
    from time import process_time

    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return process_time(), int(peak) * 1024


def spilled(dask_worker: Any) -> int:
    """Return how many results a worker has spilled."""
    return len(getattr(dask_worker.data, "slow", ()))


def timed(plan: Plan, store: Path, workers: int, select: list[str]) -> dict[str, Any]:
    """Run exposures on so many processes of one thread, which are warm, and return what was measured."""
    ends: list[float] = []
    busy = 0.0

    def listen(event: Any) -> None:
        nonlocal busy
        if isinstance(event, ExposureDone):
            ends.append(time.monotonic())
        elif isinstance(event, TileDone):
            busy += event.seconds

    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=MEMORY,
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        run_plan(
            plan,
            store.with_name("warm.zarr"),
            resources=Resources(client=client),
            select=select[: 2 * workers],
        )
        before, start = client.run(state), time.monotonic()
        report = run_plan(plan, store, resources=Resources(client=client), select=select, progress=[listen])
        wall, after = time.monotonic() - start, client.run(state)
        assert report.ok
        tenth = max(len(ends) // 10, 1)
        rates = [tenth / (ends[tenth] - ends[0]), tenth / (ends[-1] - ends[-1 - tenth])]
        return {
            "wall": wall,
            "busy": busy / (workers * wall),
            "cpu": sum(after[w][0] - before[w][0] for w in after),
            "peak": max(peak for _, peak in after.values()),
            "spilled": sum(client.run(spilled).values()),
            "steady": rates[1] / rates[0],
            "exposures": len(select),
        }


def measure() -> list[Measurement]:
    """Return figures of one long run on two workers, and of two short ones on one and two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = full_frames(folder, EXPOSURES)
        projected = estimate_run(plan, threads=1).peak_bytes
        names = list(plan.names)
        long = timed(plan, folder / "long.zarr", 2, names)
        short = names[: max(EXPOSURES // 5, 8)]
        two = timed(plan, folder / "two.zarr", 2, short)
        one = timed(plan, folder / "one.zarr", 1, short)
    return [
        Measurement(f"{EXPOSURES} full frames, 2 workers of {MEMORY}, wall", long["wall"], "s"),
        Measurement("CPU per exposure", long["cpu"] / EXPOSURES, "s"),
        Measurement("peak memory of a worker", long["peak"] / 1e6, "MB", projected / 1e6),
        Measurement("projection over peak", projected / long["peak"], "x", 2.0),
        Measurement("results spilled", long["spilled"], "", 0),
        Measurement("workers in tiles, of wall time", 100 * long["busy"], "%", 85, more_is_better=True),
        Measurement("use of two cores", 100 * long["cpu"] / (2 * long["wall"]), "%", 85, more_is_better=True),
        Measurement(
            "last tenth over first, exposures per second", long["steady"], "x", 0.9, more_is_better=True
        ),
        Measurement("two workers over one, wall", one["wall"] / two["wall"], "x", 1.6, more_is_better=True),
        Measurement("two workers over one, CPU per exposure", two["cpu"] / one["cpu"], "x", 1.1),
    ]
