"""Lazy exposures: a window is the window of the whole, handles are small, replaced pieces stay lazy."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st
from support import fake_exposure
from support.small_plans import make_spec, small_plan, table_of

from mirage_dask import lazy
from mirage_dask.errors import InputError
from mirage_dask.store.plan import save_plan
from mirage_dask.store.tiles import TileGrid
from mirage_dask.variables import VARIABLES
from mirage_dask.virtual import VirtualArray


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A plan of five exposures; the cheap simulation holds for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        fake_exposure.install(patch)
        yield small_plan(tmp_path_factory.mktemp("lazy") / "plan")


def whole(plan, row, variable):
    return VirtualArray(plan.url, plan.digest, variable, row)[...]


slices = st.builds(slice, *[st.none() | st.integers(-70, 70)] * 2, st.sampled_from([None, 1, 2, 7, -1, -3]))


def index(n):
    return st.integers(-n, n - 1) | slices


@given(key=st.tuples(*(index(n) for n in (2, 3, 48, 64))), drop=st.integers(0, 4))
def test_any_window_is_the_window_of_the_whole(plan, key, drop):
    key = (*key[:drop], ...) if drop < 4 else key
    array = VirtualArray(plan.url, plan.digest, "raw", 2)
    expected = whole(plan, 2, "raw")[key]
    assert np.array_equal(array[key], expected)
    assert array[key].dtype == expected.dtype == np.uint16
    assert np.shape(array[key]) == np.shape(expected)


@given(key=st.tuples(*(index(n) for n in (3, 2, 3, 48, 64))))
def test_any_window_of_a_stack(plan, key):
    array = VirtualArray(plan.url, plan.digest, "raw", 2, 5)
    assert array.shape == (3, 2, 3, 48, 64)
    expected = np.stack([whole(plan, row, "raw") for row in range(2, 5)])[key]
    assert np.array_equal(array[key], expected)


@given(key=st.tuples(*(index(n) for n in (3, 48, 64))))
def test_any_window_of_the_seeds(plan, key):
    array = VirtualArray(plan.url, plan.digest, "seed", 2, 5)
    expected = np.stack([whole(plan, row, "seed") for row in range(2, 5)])[key]
    assert np.array_equal(array[key], expected)
    assert array[key].dtype == np.float32


@pytest.mark.parametrize("key", [(0, 0, 0, 0, 0), (2,), (None,), ([0, 1],), (True,), (..., ...), ("x",)])
def test_indices_that_are_none_of_ours(plan, key):
    with pytest.raises(IndexError):
        VirtualArray(plan.url, plan.digest, "raw", 2)[key]


def test_only_the_window_is_asked_for(plan):
    exposure = lazy.exposure_dataset(plan, plan.names[2])
    fake_exposure.calls.clear()
    exposure.raw[0, 2, 10:20, 30:40].compute(scheduler="sync")
    ((_, window, want),) = fake_exposure.calls
    assert (window.integrations, window.groups, window.rows, window.columns) == (
        (0, 1),
        (2, 3),
        (10, 20),
        (30, 40),
    )
    assert want == ("raw",)


def test_the_same_values_for_any_chunks(plan):
    array = VirtualArray(plan.url, plan.digest, "raw", 2)
    for tile in [(1, 3, 16, 64), (2, 3, 48, 64), (1, 3, 5, 64)]:
        found = lazy.as_dask(array, TileGrid(array.shape, tile)).compute(scheduler="threads")
        assert np.array_equal(found, array[...])


def test_exposure_dataset_has_coordinates_units_and_header(plan):
    exposure = lazy.exposure_dataset(plan, plan.names[2])
    assert exposure.raw.dims == ("integration", "group", "y", "x")
    assert exposure.seed.dims == ("y", "x")
    assert exposure.raw.attrs["units"] == "DN"
    assert list(exposure.group_time.values) == [2.0, 4.5, 7.0]  # 4 frames of 0.5 s, one dropped
    assert exposure.group_time.attrs["units"] == "s"
    assert (exposure.x[0], exposure.y[0]) == (100, 200)
    assert list(exposure.integration.values) == [1, 2]
    assert exposure.attrs["readpatt"] == "SHALLOW4"
    assert exposure.attrs["spec_digest"] == plan.digests[2]
    assert exposure.raw.sel(x=slice(110, 119), y=205).shape == (2, 3, 10)
    with pytest.raises(InputError, match="did you mean"):
        lazy.exposure_dataset(plan, plan.names[2] + "x")


def test_stacks(plan):
    first, second = lazy.stacks(plan)
    assert dict(second.sizes) == {"exposure": 3, "integration": 2, "group": 3, "y": 48, "x": 64}
    name = str(second.exposure.values[1])
    part = second.raw.sel(exposure=name)[1, :, 5:9, ::4]
    assert np.array_equal(part.compute(), whole(plan, plan.row(name), "raw")[1, :, 5:9, ::4])
    assert list(second.detector.values) == ["NRCB1", "NRCB1", "NRCB2"]
    assert first.seed.dims == ("exposure", "y", "x")


def test_handles_are_small_and_named_by_content(plan):
    array = VirtualArray(plan.url, plan.digest, "raw", 2, 5)
    assert len(pickle.dumps(array)) < 1000
    array.shape  # noqa: B018 - cached, and not pickled
    assert len(pickle.dumps(array)) < 1000
    again = pickle.loads(pickle.dumps(array))
    assert np.array_equal(again[0, 0, 0, :3, :3], array[0, 0, 0, :3, :3])
    token = dask.tokenize.tokenize
    assert token(array) == token(again) != token(VirtualArray(plan.url, plan.digest, "raw", 1, 5))


def test_twelve_thousand_exposures(tmp_path):
    """COSMOS-Web: 12,160 detector exposures of 5 groups; milliseconds, and less than 1 MB when pickled."""
    detectors = [f"NRC{m}{k}" for m in "AB" for k in range(1, 6)]
    specs = [
        make_spec(i, d, nints=1, ngroups=5, nx=2048, ny=2048, x0=0, y0=0)
        for i in range(1, 1217)
        for d in detectors
    ]
    big = save_plan(tmp_path / "plan", table_of(specs), specs)
    (stack,) = big.stacks
    array = VirtualArray(big.url, big.digest, "raw", stack.start, stack.stop)
    began = time.process_time()
    ramps = lazy.as_dask(array, stack.grid)
    assert time.process_time() - began < 0.1
    assert ramps.shape == (12160, 1, 5, 2048, 2048)
    assert len(pickle.dumps(ramps)) < 200_000
    assert ramps.numblocks == (12160, 1, 1, 8, 1)
    began = time.process_time()
    datasets = lazy.stacks(big)
    assert time.process_time() - began < 1
    assert len(pickle.dumps(datasets)) < 1_500_000  # names and detectors of 12,160 exposures are most of it


# -------------------------------------------------------------------------------------------- replaced pieces


def computed_pieces(plan, row):
    return {v: whole(plan, row, v) for v in ("seed", "dark", "cosmic_rays")}


@pytest.mark.parametrize("kind", ["numpy", "dask", "dask-odd", "zarr", "xarray", "xarray-dask"])
@pytest.mark.parametrize("piece", ["seed", "dark", "cosmic_rays"])
def test_a_piece_replaced_by_itself_changes_no_bit(plan, tmp_path, kind, piece):
    values = computed_pieces(plan, 2)[piece]
    dims = VARIABLES[piece].dimensions
    if kind == "numpy":
        given = values.astype("f8")
    elif kind == "dask":
        given = da.from_array(values, chunks=16)
    elif kind == "dask-odd":
        given = da.from_array(values, chunks=values.shape)[..., ::1].rechunk(7)
    elif kind == "zarr":
        given = zarr.create_array(str(tmp_path / "mine.zarr"), data=values)
    elif kind == "xarray":
        given = xr.DataArray(values, dims=dims).transpose(*dims[::-1])
    else:
        given = xr.DataArray(values, dims=dims).chunk(y=20)
    replaced = lazy.exposure_dataset(plan, plan.names[2], **{piece: given})
    assert np.array_equal(replaced.raw.compute(), whole(plan, 2, "raw"))
    window = np.s_[1, 2, 10:20, 30:40]
    assert np.array_equal(replaced.raw[window].compute(), whole(plan, 2, "raw")[window])
    assert np.array_equal(replaced[piece].compute(), values)


def test_a_piece_replaced_by_another_changes_what_follows(plan):
    seed = np.zeros((48, 64), "f4")
    seed[20:30, 20:30] = 100
    name = plan.names[2]
    one = lazy.exposure_dataset(plan, name, seed=seed)
    two = lazy.exposure_dataset(
        plan, name, seed=seed, dark=np.zeros((2, 3, 48, 64)), cosmic_rays=np.zeros((2, 3, 48, 64))
    )
    assert not np.array_equal(one.raw.compute(), whole(plan, 2, "raw"))
    linear = two.linear.compute().values
    assert np.array_equal(
        linear, np.float32(50) * seed * np.arange(1, 4, dtype="f4")[:, None, None] * np.ones((2, 1, 1, 1))
    )
    assert (
        len({dask.tokenize.tokenize(d.raw.data) for d in (one, two, lazy.exposure_dataset(plan, name))}) == 3
    )


def test_a_replaced_piece_is_part_of_the_spec(plan, tmp_path):
    values = computed_pieces(plan, 2)["dark"]
    spec = plan.spec(2)
    changed = lazy.replace_pieces(plan.url, spec, {"dark": values})
    again = lazy.replace_pieces(plan.url, spec, {"dark": da.from_array(values, chunks=9)})
    mine = zarr.create_array(str(tmp_path / "mine.zarr"), data=values)
    elsewhere = lazy.replace_pieces(plan.url, spec, {"dark": mine})
    assert changed.digest == again.digest != spec.digest  # named by content
    assert elsewhere.replaced[0][1].startswith(str(tmp_path / "mine.zarr") + "#")
    mine[0, 0, 0, 0] += 1
    assert lazy.replace_pieces(plan.url, spec, {"dark": mine}).digest != elsewhere.digest
    # A plan made of such specs needs nothing else.
    other = save_plan(tmp_path / "plan", table_of([changed]), [changed])
    (tmp_path / "plan" / "pieces").symlink_to(Path(plan.url) / "pieces")
    assert np.array_equal(VirtualArray(other.url, other.digest, "raw", 0)[...], whole(plan, 2, "raw"))


def test_pieces_that_do_not_fit(plan):
    with pytest.raises(InputError) as error:
        lazy.exposure_dataset(
            plan, plan.names[2], seed=np.zeros((48, 63)), dark=np.zeros((2, 3, 48, 64), "U3")
        )
    assert [p.split(" of ")[0] for p in error.value.problems] == ["seed", "dark"]
    assert "(48, 64) (y, x)" in str(error.value)
    with pytest.raises(InputError, match="must have the dimensions y, x"):
        lazy.exposure_dataset(plan, plan.names[2], seed=xr.DataArray(np.zeros((48, 64)), dims=("row", "x")))
    with pytest.raises(InputError, match="cannot be replaced"):
        lazy.replace_pieces(plan.url, plan.spec(2), {"flat": np.zeros((48, 64))})


def test_a_dataset_with_what_was_made_of_it_is_computed_and_written(plan, tmp_path):
    """xarray wants chunked arrays of one type."""
    exposure = lazy.exposure_dataset(plan, plan.names[0])
    both = exposure[["raw"]].assign(mean=exposure.raw.mean("group"))
    assert np.array_equal(both.compute()["mean"], exposure.raw.values.mean(axis=1))
    assert np.array_equal(both.isel(x=3).load()["raw"], exposure.raw.values[..., 3])
    both.to_netcdf(tmp_path / "x.nc", engine="scipy")
    assert isinstance(both.raw.data, lazy.TiledArray)
    assert not isinstance(both["mean"].data, lazy.TiledArray)
