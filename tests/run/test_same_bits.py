"""Real kernels, on every executor: a loop, threads, processes; with expression arrays and other tiles. One set of bits."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, checksum, example_plan, whole

from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.verify import verify_store
from mirage_dask.store.simulation import SimulationStore

NAMES = [SUBARRAY_SW, SUBARRAY_LW]


def sums(url):
    store = SimulationStore.open(url)
    return [checksum(store.raw(name)[...]) for name in NAMES]


@pytest.fixture(scope="module")
def wanted():
    return [checksum(whole(name)["raw"]) for name in NAMES]


@pytest.mark.parametrize(
    "resources",
    [Resources(scheduler="serial"), Resources(scheduler="threads", threads=3), Resources(workers=2)],
    ids=["serial", "threads", "processes"],
)
def test_every_executor(wanted, tmp_path, resources):
    report = run_plan(example_plan(), tmp_path / "s.zarr", select=NAMES, resources=resources)
    assert report.ok
    assert sums(report.store_url) == wanted


@pytest.mark.parametrize("size", [2**16, 2**18, 2**24])
def test_every_size_of_tile(wanted, tmp_path, size):
    resources = Resources(scheduler="threads", threads=2)
    report = run_plan(example_plan(), tmp_path / "s.zarr", select=NAMES, resources=resources, tile_bytes=size)
    assert report.tiles == {2**16: 100, 2**18: 50, 2**24: 2}[size]
    plan = SimulationStore.open(report.store_url).plan
    parts = sum(len(list(plan.grid(plan.row(name)).boxes())) for name in NAMES)
    assert parts == {2**16: 200, 2**18: 100, 2**24: 2}[size]
    assert sums(report.store_url) == wanted


EXPRESSIONS = """
import sys
import dask
dask.config.set({"array.query-planning": True})
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
report = run_plan(sys.argv[1], sys.argv[2], select=sys.argv[3:], resources=Resources(scheduler="threads", threads=2))
import dask.array
assert hasattr(dask.array.ones(3), "expr")
print(report.ok)
"""


def test_expression_arrays_and_a_store_that_verifies(wanted, tmp_path):
    """The setting is read when dask.array is imported, so in another process; what that wrote is computed again here."""
    url = str(tmp_path / "s.zarr")
    command = [sys.executable, "-c", EXPRESSIONS, example_plan().url, url, *NAMES]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr[-3000:]
    assert sums(url) == wanted
    assert verify_store(url, resources=Resources(scheduler="serial")).ok
