"""The xarray engine, dask's expression arrays, and a distributed cluster."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from support import fake_exposure
from support.small_plans import small_plan

from mirage_dask.errors import InputError, StoreError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.virtual import VirtualArray
from mirage_dask.xarray_engine import MirageDaskEntrypoint


@pytest.fixture
def store(tmp_path, monkeypatch):
    fake_exposure.install(monkeypatch)
    plan = small_plan(tmp_path / "plan")
    url = str(tmp_path / "s.zarr")
    run_plan(plan, url, resources=Resources(scheduler="serial"), select="observation == 1")
    return url


def test_entry_point_is_installed():
    assert "mirage_dask" in xr.backends.list_engines()


@pytest.mark.parametrize("chunks", [None, {}])
def test_open_dataset_reads_raw_and_computes_the_rest(store, chunks):
    name = "jw42424001001_02101_00002_nrcb1"
    data = xr.open_dataset(store, engine=MirageDaskEntrypoint, exposure=name, chunks=chunks)
    assert data.attrs["raw_from"] == "store"
    fake_exposure.calls.clear()
    raw = data.raw[1, :, 3:9, ::5].values
    assert fake_exposure.calls == []  # read, not computed
    dark = data.dark[1, :, 3:9, ::5].values
    assert [want for _, _, want in fake_exposure.calls] == [("dark",)]
    plan_url = store + "/plan"
    whole = VirtualArray(plan_url, data.attrs["plan_digest"], "raw", 3)
    assert whole.plan.names[3] == name
    assert np.array_equal(raw, whole[1, :, 3:9, ::5])
    assert np.array_equal(dark, VirtualArray(plan_url, data.attrs["plan_digest"], "dark", 3)[1, :, 3:9, ::5])
    assert np.array_equal(data.raw.isel(x=[5, 1, 7]).values, whole[...][..., [5, 1, 7]])


def test_an_incomplete_exposure_is_computed(store):
    data = xr.open_dataset(store, engine=MirageDaskEntrypoint, exposure="jw42424001001_02101_00001_nrcb3")
    assert data.attrs["raw_from"] == "computed"
    assert data.raw.values.max() > 10000
    assert "dark" not in xr.open_dataset(
        store, engine=MirageDaskEntrypoint, exposure="jw42424001001_02101_00001_nrcb3", drop_variables="dark"
    )


def test_open_datatree(store):
    tree = xr.open_datatree(store, engine=MirageDaskEntrypoint, observation=1)
    assert len(tree.children) == 3
    assert tree["jw42424001001_02101_00001_nrcb1"].raw.shape == (2, 3, 48, 64)
    with pytest.raises(InputError, match="has no observation 7"):
        xr.open_datatree(store, engine=MirageDaskEntrypoint, observation=7)
    with pytest.raises(InputError, match="observations 1, 2"):
        xr.open_datatree(store, engine=MirageDaskEntrypoint)


def test_groups_are_exposures(store):
    name = "jw42424001001_02101_00002_nrcb1"
    by_name = xr.open_dataset(store, engine=MirageDaskEntrypoint, exposure=name)
    for group in (name, f"/{name}"):
        assert by_name.identical(xr.open_dataset(store, engine=MirageDaskEntrypoint, group=group))
    groups = xr.open_groups(store, engine=MirageDaskEntrypoint, observation=1)
    assert by_name.identical(groups[f"/{name}"])
    assert len([g for g in groups if g != "/"]) == 3
    tree = xr.open_datatree(store, engine=MirageDaskEntrypoint, group=name, chunks={})
    assert tree.raw.shape == (2, 3, 48, 64)
    assert tree.raw.chunks is not None
    assert MirageDaskEntrypoint.supports_groups
    with pytest.raises(InputError, match="leave one of them out"):
        xr.open_dataset(store, engine=MirageDaskEntrypoint, group=name, exposure=name[:-1] + "2")
    with pytest.raises(InputError, match="did you mean"):
        xr.open_dataset(store, engine=MirageDaskEntrypoint, group=name[:-1] + "9")
    with pytest.raises(InputError, match="did you mean"):
        xr.open_datatree(store, engine=MirageDaskEntrypoint, group=name[:-1] + "9")


def test_what_cannot_be_opened(store, tmp_path):
    with pytest.raises(InputError, match="say which"):
        xr.open_dataset(store, engine=MirageDaskEntrypoint)
    with pytest.raises(InputError, match="did you mean"):
        xr.open_dataset(store, engine=MirageDaskEntrypoint, exposure="jw42424001001_02101_00002_nrcb9")
    with pytest.raises(StoreError, match="no simulation"):
        xr.open_dataset(tmp_path / "none", engine=MirageDaskEntrypoint, exposure="x")


EXPRESSIONS = """
import sys
import dask
dask.config.set({"array.query-planning": True})
from support import fake_exposure
fake_exposure.install()
from support.small_plans import small_plan
from mirage_dask import lazy, virtual
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
import dask.array as da
import numpy as np
assert hasattr(da.ones(3), "expr")
plan = small_plan(sys.argv[1] + "/plan")
whole = virtual.VirtualArray(plan.url, plan.digest, "raw", 2)[...]
exposure = lazy.exposure_dataset(plan, plan.names[2])
assert np.array_equal(exposure.raw[1, :, 4:9, ::3].compute(), whole[1, :, 4:9, ::3])
stack = lazy.stacks(plan)[1]
assert np.array_equal(stack.raw[0, 1, :, 4:9].compute(), whole[1, :, 4:9])
dark = virtual.VirtualArray(plan.url, plan.digest, "dark", 2)[...]
again = lazy.exposure_dataset(plan, plan.names[2], dark=da.from_array(dark, chunks=(1, 3, 7, 64)))
assert np.array_equal(again.raw.compute(), whole)
report = run_plan(plan, sys.argv[1] + "/s.zarr", resources=Resources(scheduler="threads", threads=2))
assert report.ok and report.tiles == 5, report
import distributed
with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0") as client:
    report = run_plan(plan, sys.argv[1] + "/t.zarr", resources=Resources(client=client))
    assert report.ok and report.tiles == 5, report
print("fine")
"""


def test_expression_arrays(tmp_path):
    """`array.query-planning: True` is read when dask.array is imported, so in another process."""
    done = subprocess.run([sys.executable, "-c", EXPRESSIONS, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == "fine", done.stderr[-3000:]
