"""What a worker imports to simulate and write a tile: neither dask nor xarray, nor what only clients and readers need."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.simulated import SUBARRAY_SW, example_plan

from mirage_dask.store.simulation import SimulationStore

TASK = """
import sys
from mirage_dask.run.tasks import RunHandle, settle
settle()
handle = RunHandle(sys.argv[1], sys.argv[2], run=1)
(result,) = handle.results(int(sys.argv[3]), 0, 1)
assert result.commit is not None, result.error
print(*sorted(sys.modules))
"""


def test_a_tile_is_simulated_and_written_without_what_only_clients_and_readers_need(tmp_path):
    plan = example_plan()
    row = plan.row(SUBARRAY_SW)
    store = SimulationStore.create(tmp_path / "s.zarr", plan, rows=[row])
    task = [sys.executable, "-c", TASK, store.url, store.plan.digest, str(row)]
    done = subprocess.run(task, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"mirage_dask.virtual", "mirage_dask.exposure.simulate", "mirage_dask.store.simulation"} <= loaded
    assert {"dask", "distributed", "xarray", "pandas", "zarr", "pyarrow.dataset"} & loaded == set()
    assert {"mirage_dask.apt", "mirage_dask.settings", "mirage_dask.reference.darks"} & loaded == set()
    assert 0 in SimulationStore.open(store.url).commits(row)


SETTLED = """
import sys
if sys.argv[1:]:
    import zarr
from mirage_dask.run.tasks import settle
settle()
import zarr
print(zarr.config.get("async.concurrency"), zarr.config.get("threading.max_workers"))
"""


@pytest.mark.parametrize("before", [[], ["zarr"]])
def test_zarr_has_few_threads_in_a_worker_whenever_it_is_imported(before):
    done = subprocess.run(
        [sys.executable, "-c", SETTLED, *before], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["4", "4"]
