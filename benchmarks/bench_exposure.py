"""One whole exposure as a user runs it: 1,000 stars, 300 galaxies, all effects, 10 groups RAPID, written to a store.

CPU seconds and peak memory of a process of one thread, kernels compiled and references built before; and the costs of
looking at proposals lazily.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from measure import Measurement, peak_megabytes

import mirage_dask as md
from mirage_dask.lazy import as_dask, exposure_dataset
from mirage_dask.planning.making import make_plan
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.plan import Plan, load_plan, save_plan
from mirage_dask.virtual import VirtualArray

STARS, GALAXIES, GROUPS = 1000, 300, 10
EXPOSURES = 12160
NAME = "jw99001001001_01101_00001_nrcb1"


def crowded_catalogs(folder: Path, row: pd.Series) -> tuple[Path, Path]:
    """Write catalogs of stars and galaxies on the detector of a row of the exposure table; returns their paths."""
    rng = np.random.default_rng(4)

    def places(count: int) -> list[str]:
        # About 66": the detector's own field.
        offsets = rng.uniform(-33, 33, (2, count)) / 3600
        ra, dec = row["ra_ref"] + offsets[0] / np.cos(np.radians(row["dec_ref"])), row["dec_ref"] + offsets[1]
        return [f"{a:.7f} {d:.7f}" for a, d in zip(ra, dec, strict=True)]

    column = "nircam_f150w_magnitude"
    stars = [f"{p} {m:.3f}" for p, m in zip(places(STARS), rng.uniform(17, 26, STARS), strict=True)]
    shapes = zip(
        places(GALAXIES), rng.uniform(0.1, 0.6, GALAXIES), rng.uniform(0, 0.7, GALAXIES),
        rng.uniform(0, 180, GALAXIES), rng.uniform(0.6, 4, GALAXIES), rng.uniform(19, 26, GALAXIES), strict=True,
    )  # fmt: skip
    galaxies = [f"{p} " + " ".join(f"{v:.3f}" for v in values) for p, *values in shapes]
    (folder / "stars.cat").write_text("\n".join([f"x_or_RA y_or_Dec {column}", *stars]))
    names = f"x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index {column}"
    (folder / "galaxies.cat").write_text("\n".join([names, *galaxies]))
    return folder / "stars.cat", folder / "galaxies.cat"


def crowded_plan(folder: Path) -> Plan:
    """Plan one NRCB1 F150W exposure of 10 groups with a field of stars and galaxies."""
    row = md.open_proposal(md.example_proposal()).table.set_index("name").loc[NAME]
    stars, galaxies = crowded_catalogs(folder, row)
    crowded = md.open_proposal(
        md.example_proposal(),
        catalogs={"point_source": str(stars), "galaxy": str(galaxies)},
        background="medium",
    )
    table = crowded.table
    table = table[table["name"] == NAME].assign(ngroup=GROUPS)
    return make_plan(table, crowded.settings)


def simulate_once(plan_url: str, store: str) -> None:
    """Run in a fresh process: simulate and print what it cost, as JSON."""
    plan = load_plan(plan_url)
    start = time.process_time()
    run_plan(plan, store, resources=Resources(scheduler="serial"))
    first = time.process_time() - start
    shutil.rmtree(store)
    start = time.process_time()
    run_plan(plan, store, resources=Resources(scheduler="serial"))
    print(json.dumps([first, time.process_time() - start, peak_megabytes()]))


def measure_run(folder: Path) -> list[Measurement]:
    """Return CPU and memory of the exposure."""
    plan = crowded_plan(folder)
    costs = []
    for attempt in range(4):  # the first compiles
        answer = subprocess.run(
            [sys.executable, __file__, plan.url, str(folder / f"{attempt}.zarr")],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        costs.append(json.loads(answer.stdout))
    first, again, peak = (min(values) for values in zip(*costs[1:], strict=True))
    text = f"2048 x 2048 x {GROUPS} RAPID, {STARS} stars, {GALAXIES} galaxies, store written: "
    return [
        Measurement(text + "CPU", first, "s", 2.0),
        Measurement(text + "CPU, sources cached", again, "s"),
        Measurement(text + "peak memory", peak, "MB", 600.0),
    ]


def measure_graph(folder: Path) -> list[Measurement]:
    """Return what a proposal of 12,160 exposures of 5 groups costs as one lazy object, and a cut out of one."""
    plan = md.open_proposal(md.example_proposal()).prepare()
    spec = replace(plan.spec(plan.row(NAME)), ngroups=5)
    specs = [replace(spec, name=f"{NAME}_{i:05d}", exposure=i) for i in range(EXPOSURES)]
    table = plan.table[plan.table["name"] == NAME]
    table = table.loc[table.index.repeat(EXPOSURES)].assign(name=[s.name for s in specs])
    shutil.copytree(plan.url, folder / "plan", copy_function=os.link)
    (folder / "plan" / "plan.json").unlink()
    large = save_plan(folder / "plan", table, specs)
    stack = large.stacks[0]
    start = time.perf_counter()
    array = as_dask(VirtualArray(large.url, large.digest, "raw", stack.start, stack.stop), stack.grid)
    built = time.perf_counter() - start
    exposure = exposure_dataset(large, specs[7].name)
    cuts = []
    for _ in range(6):
        start = time.perf_counter()
        exposure.raw[0, 2, 100:200, 100:200].compute()
        cuts.append(time.perf_counter() - start)
    return [
        Measurement(f"{EXPOSURES:,} exposures of 5 groups as one dask array: built", 1e3 * built, "ms"),
        Measurement(
            f"{EXPOSURES:,} exposures of 5 groups as one dask array: pickled",
            len(pickle.dumps(array)) / 1e3,
            "kB",
        ),
        Measurement("raw[0, 2, 100:200, 100:200] of one of them: computed", 1e3 * min(cuts), "ms"),
    ]


def measure() -> list[Measurement]:
    """Measure in a folder that is removed afterwards, on the file system of the cache."""
    from mirage_dask.io.locations import cache_directory

    cache_directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_directory()) as folder:
        (Path(folder) / "graph").mkdir()
        return measure_run(Path(folder)) + measure_graph(Path(folder) / "graph")


if __name__ == "__main__":
    simulate_once(*sys.argv[1:])
