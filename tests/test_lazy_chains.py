"""Chains of selections compute what the last one leaves; what is no selection any more is a plain dask array."""

from __future__ import annotations

import copy
import pickle

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from support import fake_exposure
from support.small_plans import make_spec, small_plan

from mirage_dask import lazy
from mirage_dask.lazy import TiledArray
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.simulation import Simulation
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.virtual import VirtualArray
from mirage_dask.xarray_engine import MirageDaskEntrypoint


@pytest.fixture
def plan(tmp_path, monkeypatch):
    fake_exposure.install(monkeypatch)
    return small_plan(tmp_path / "plan")


@pytest.fixture
def tiled(tmp_path, monkeypatch):
    """Return an exposure (and its plan) of 32 tiles: 2 integrations by 16 tiles of 64 rows."""
    fake_exposure.install(monkeypatch)
    plan = small_plan(tmp_path / "tiled", [make_spec(1, "NRCB1", nints=2, ngroups=32, ny=1024, nx=2048)])
    exposure = lazy.exposure_dataset(plan, plan.names[0])
    assert exposure.raw.data.numblocks == (2, 1, 16, 1)
    return plan, exposure


def asked(compute):
    """Return what a function returns, and the windows for which the simulation was asked meanwhile."""
    fake_exposure.calls.clear()
    values = compute()
    return np.asarray(values), [window.spans for _, window, _ in fake_exposure.calls]


CHAINS = {
    "isel, isel": lambda d: d.isel(integration=1).isel(y=slice(10, 20), x=slice(30, 40)),
    "[], []": lambda d: d[1][:, 10:20, 30:40],
    "one by one": lambda d: d[1][..., 30:40][:, 10:20],
    "through larger ones": lambda d: d[1, :, 5:40][:, 5:15][..., 20:][..., 10:20],
    "backwards": lambda d: d[1][:, ::-1, ::-1][:, 28:38, 24:34][:, ::-1, ::-1],
    "sel, isel": lambda d: d.sel(integration=2).isel(y=slice(10, 20)).sel(x=slice(130, 139)),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("variable", ["raw", "dark"])
def test_a_chain_computes_its_window(plan, variable, chain):
    exposure = lazy.exposure_dataset(plan, plan.names[2])
    whole = VirtualArray(plan.url, plan.digest, variable, 2)[...]
    values, windows = asked(lambda: chain(exposure[variable]).values)
    assert windows == [((1, 2), (0, 3), (10, 20), (30, 40))]
    assert np.array_equal(values, whole[1, :, 10:20, 30:40])


def test_a_chain_on_the_whole_dataset(plan):
    part = lazy.exposure_dataset(plan, plan.names[2]).isel(integration=1).isel(y=slice(10, 20)).isel(x=3)
    _, windows = asked(lambda: part.seed.values)
    assert [spans[2:] for spans in windows] == [((10, 20), (3, 4))]
    _, windows = asked(lambda: part.group_time.values)
    assert windows == []


def test_a_chain_in_a_stack_asks_only_for_its_exposures(plan):
    stack = lazy.stacks(plan)[1]
    name = str(stack.exposure.values[1])
    values, windows = asked(lambda: stack.raw.sel(exposure=name).isel(integration=0)[:, 5:9, ::4].values)
    assert windows == [((0, 1), (0, 3), (5, 9), (0, 61))]
    row = plan.row(name)
    assert np.array_equal(values, VirtualArray(plan.url, plan.digest, "raw", row)[0, :, 5:9, ::4])
    _, windows = asked(lambda: stack.raw[::2][:, 1].isel(group=0)[:, 3, 4].values)
    assert windows == [((1, 2), (0, 1), (3, 4), (4, 5))] * 2
    assert len({exposure for exposure, _, _ in fake_exposure.calls}) == 2


def test_tiles_that_a_chain_does_not_touch_are_not_chunks(tiled):
    plan, exposure = tiled
    part = exposure.raw.isel(integration=0).isel(y=slice(60, 140, 2))[:, ::-1]
    assert part.data.chunks == ((32,), (6, 32, 2), (2048,))
    values, windows = asked(lambda: part[..., :5].values)
    assert sorted(spans[2] for spans in windows) == [(60, 63), (64, 127), (128, 139)]
    whole = VirtualArray(plan.url, plan.digest, "raw", 0)
    assert np.array_equal(values, whole[0, :, 60:140:2, :5][:, ::-1])


def test_a_reduction_computes_tile_by_tile(tiled):
    _, exposure = tiled
    _, windows = asked(lambda: exposure.raw[0].mean().compute(scheduler="sync").values)
    assert len(windows) == 16
    assert {y[1] - y[0] for _, _, y, _ in windows} == {64}


def test_other_indices_and_operations_are_those_of_dask(plan):
    raw = lazy.exposure_dataset(plan, plan.names[2]).raw
    array, whole = raw.data, raw.values
    assert isinstance(array, TiledArray)
    plain = da.from_array(whole, chunks=20)
    for found, expected in [
        (raw[0].isel(x=[5, 1, 7]), whole[0][..., [5, 1, 7]]),
        (raw.isel(x=[5, 1, 7])[0, 1], whole[0, 1][..., [5, 1, 7]]),
        (array[:, np.array([True, False, True])][0], whole[0, [0, 2]]),
        (array[0, None, 1, 3:5], whole[0, None, 1, 3:5]),
        (array[da.from_array(np.array([1, 0]))], whole[::-1]),
        (array[0][1][2][3], whole[0, 1, 2, 3]),
        (array[0][:, 5:5], whole[0][:, 5:5]),
        (raw.transpose("x", ...)[3], np.moveaxis(whole, 3, 0)[3]),
        (array + plain, whole + whole),
        (plain - array, whole - whole),
        (np.concatenate([plain, array]), np.concatenate([whole, whole])),
        (da.where(array > 10500, plain, 0), np.where(whole > 10500, whole, 0)),
        (xr.concat([raw, raw], "k")[1], whole),
        (array.rechunk(5), whole),
    ]:
        assert np.array_equal(np.asarray(found), expected)
    with pytest.raises(IndexError):
        array[0, 0, 0, 64]


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a)), lambda a: a.copy()]
)
def test_a_copy_is_the_same_selection(plan, again):
    array = lazy.exposure_dataset(plan, plan.names[2]).raw.data[0]
    other = again(array)
    assert other.name == array.name
    _, windows = asked(lambda: other[:, 3:5][..., 7].compute())
    assert windows == [((0, 1), (0, 3), (3, 5), (7, 8))]


def test_values_that_were_assigned_stay(plan):
    exposure = lazy.exposure_dataset(plan, plan.names[2])
    whole = exposure.raw.values
    changed = exposure.raw.copy(deep=True)
    changed[0, 0, 0, 0] = 7
    expected = whole.copy()
    expected[0, 0, 0, 0] = 7
    assert np.array_equal(changed[0][:, :2].values, expected[0][:, :2])
    for other in (changed.copy(deep=True), pickle.loads(pickle.dumps(changed))):
        assert np.array_equal(other[0][0].values, expected[0, 0])
    assert np.array_equal(exposure.raw.values, whole)  # the one that it was copied from


def test_chains_in_a_store(plan, tmp_path):
    url = str(tmp_path / "s.zarr")
    run_plan(plan, url, resources=Resources(scheduler="serial"), select="observation == 1")
    name = plan.names[2]
    row = SimulationStore.open(url).plan.row(name)
    whole = {v: VirtualArray(plan.url, plan.digest, v, row)[...] for v in ("raw", "dark")}
    opened = Simulation(SimulationStore.open(url)).exposure(name)
    engine = xr.open_dataset(url, engine=MirageDaskEntrypoint, exposure=name)
    assert opened.raw_from == engine.raw_from == "store"
    assert opened.raw.data.name == Simulation(SimulationStore.open(url)).exposure(name).raw.data.name
    for data in (opened, engine):
        raw, windows = asked(lambda d=data: d.raw[1].isel(y=slice(9, 3, -2))[..., ::5].values)
        assert windows == []  # read, not computed
        assert np.array_equal(raw, whole["raw"][1, :, 9:3:-2, ::5])
        dark, windows = asked(lambda d=data: d.dark[1].isel(y=slice(3, 9))[..., 4:6].values)
        assert windows == [((1, 2), (0, 3), (3, 9), (4, 6))]
        assert np.array_equal(dark, whole["dark"][1, :, 3:9, 4:6])
