"""What a worker imports to simulate and write a tile: neither dask nor xarray."""

from __future__ import annotations

import subprocess
import sys

from support.simulated import SUBARRAY_SW, example_plan

from mirage_dask.store.simulation import SimulationStore

TASK = """
import sys
from mirage_dask.run.tasks import RunHandle
handle = RunHandle(sys.argv[1], sys.argv[2], run=1)
(result,) = handle.results(int(sys.argv[3]), 0, 1)
assert result.commit is not None, result.error
print(*sorted(sys.modules))
"""


def test_a_tile_is_simulated_and_written_without_dask_and_xarray(tmp_path):
    plan = example_plan()
    row = plan.row(SUBARRAY_SW)
    store = SimulationStore.create(tmp_path / "s.zarr", plan, rows=[row])
    task = [sys.executable, "-c", TASK, store.url, store.plan.digest, str(row)]
    done = subprocess.run(task, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"mirage_dask.virtual", "mirage_dask.exposure.simulate", "mirage_dask.store.simulation"} <= loaded
    assert {"dask", "distributed", "xarray"} & loaded == set()
    assert 0 in SimulationStore.open(store.url).commits(row)
