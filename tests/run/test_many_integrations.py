"""Exposures of many integrations: tiles of several parts, one part in memory, few files, a store that opens at once."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support import fake_exposure
from support.small_plans import make_spec, small_plan

from mirage_dask.lazy import exposure_dataset
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.verify import verify_store
from mirage_dask.store import layout, tiles
from mirage_dask.store.commits import Commit, commit_key
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.virtual import VirtualArray
from mirage_dask.xarray_engine import MirageDaskEntrypoint

NAME = make_spec().name
PART = 4 * 2 * 2 * 16 * 24
"""Bytes of four integrations of the exposure below."""


@pytest.fixture
def series(fake, tmp_path, monkeypatch):
    """A plan of one exposure of 21 integrations in tiles of two parts."""
    monkeypatch.setattr(tiles, "SHARD_BYTES", 2 * PART)
    spec = make_spec(nints=21, ngroups=2, nx=24, ny=16)
    plan = small_plan(tmp_path / "plan", [spec]).with_tile_bytes(PART)
    assert (plan.grid(0).part[0], plan.grid(0).tile[0], plan.grid(0).count) == (4, 8, 3)
    return plan


def spans(calls):
    return sorted(window.integrations for _, window, _ in calls)


EACH_PART = [(0, 4), (4, 8), (8, 12), (12, 16), (16, 20), (20, 21)]


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_tiles_are_computed_in_parts(series, tmp_path, scheduler):
    fake_exposure.calls.clear()
    report = run_plan(series, tmp_path / "s.zarr", resources=Resources(scheduler=scheduler))
    assert (report.ok, report.tiles) == (True, 3)
    assert spans(fake_exposure.asked()) == EACH_PART
    store = SimulationStore.open(report.store_url)
    whole = VirtualArray(store.plan.url, store.plan.digest, "raw", 0)[...]
    assert np.array_equal(store.raw(NAME)[...], whole)
    fake_exposure.calls.clear()
    assert verify_store(store, resources=Resources(scheduler=scheduler)).checked == 3
    assert spans(fake_exposure.asked()) == EACH_PART
    wrong = whole[8:16].copy()
    wrong[5, 1, 2, 3] += 1
    store.write_tile(0, 1, wrong)
    (found,) = verify_store(store, resources=Resources(scheduler=scheduler)).damages
    assert found.problem.startswith(
        "has other values than are computed now, 1 of 6,144, the first at integration 13,"
    )


def test_a_failure_in_a_later_part_leaves_no_tile(series, tmp_path, monkeypatch):
    import mirage_dask.run.tasks as tasks
    from mirage_dask import virtual

    simulate = virtual.simulate

    def fail(plan, row, window, variable):
        if window.integrations == (12, 16):
            raise OSError(5, "Input/output error")
        return simulate(plan, row, window, variable)

    monkeypatch.setattr(virtual, "simulate", fail)
    monkeypatch.setattr(tasks.time, "sleep", lambda seconds: None)
    report = run_plan(series, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    assert (report.tiles, [failure.tile for failure in report.failures]) == (2, [1])
    assert "Input/output error" in report.failures[0].error  # of the simulation: the store can be written
    assert "in fail" in report.failures[0].traceback
    assert sorted(SimulationStore.open(report.store_url).commits(0)) == [0, 2]
    assert list(Path(report.store_url).rglob("*.partial")) == []


def test_chunks_of_lazy_arrays_are_parts(series, tmp_path):
    report = run_plan(series, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    plan = SimulationStore.open(report.store_url).plan
    assert exposure_dataset(plan, NAME).raw.chunks[0] == (4, 4, 4, 4, 4, 1)
    data = xr.open_dataset(report.store_url, engine=MirageDaskEntrypoint, exposure=NAME, chunks={})
    assert data.attrs["raw_from"] == "store"
    assert data.raw.chunks[0] == data.dark.chunks[0] == (4, 4, 4, 4, 4, 1)


def test_ten_thousand_integrations_open_at_once(fake, tmp_path):
    """An exposure of 105 GB: planned, complete in a store of stand-in shards, opened, and one window of it read."""
    spec = make_spec(nints=10_000, ngroups=10, nx=2048, ny=256, x0=0, y0=0)
    plan = small_plan(tmp_path / "plan", [spec])
    store = SimulationStore.create(tmp_path / "s.zarr", plan)
    grid, group = plan.grid(0), Path(store.url, spec.name)
    for tile in range(1, grid.count):
        (group / "raw" / layout.shard_key(grid, tile)).write_bytes(b"stand-in")
        record = Commit.of(spec.digest, 0, len(b"stand-in"))
        (group / "commit" / commit_key(tile)).write_bytes(record.encode())
    shape = next(grid.parts(0)).shape
    values = np.broadcast_to(np.arange(shape[3], dtype=np.uint16), shape)
    tracemalloc.start()
    store.write_tile(0, 0, lambda: (values.copy() for _ in grid.parts(0)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * values.nbytes < 2 * np.prod(grid.tile) / 4  # a part and its encoding, not the tile
    assert sum(len(files) for _, _, files in os.walk(group)) < 2.5 * plan.raw_bytes / 1e8

    start = time.process_time()
    data = xr.open_dataset(store.url, engine=MirageDaskEntrypoint, exposure=spec.name)
    seconds = time.process_time() - start
    assert data.attrs["raw_from"] == "store"
    assert seconds < 2
    assert data.raw.isel(integration=12, y=slice(3, 9), x=slice(100, 110)).values[0, 0, 0] == 100
    data.dark.isel(integration=9_000, y=slice(3, 9), x=slice(100, 110)).load()
    assert fake_exposure.calls[-1][1].integrations == (9_000, 9_001)
