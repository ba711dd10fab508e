"""Datasets know the sky: against the projection that simulates them, through cuts, engines and files."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import FULL_LW, SUBARRAY_SW, example_plan, exposure

import mirage_dask as md
from mirage_dask.accessor.sky_arrays import SkyArray
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.lazy import exposure_dataset
from mirage_dask.pointing import SkyProjection, radec_to_unit
from mirage_dask.store.plain.description import SKY
from mirage_dask.variables import VARIABLES
from mirage_dask.xarray_engine import MirageDaskEntrypoint

ARCSEC = 180.0 * 3600.0 / np.pi


def dataset(name: str = SUBARRAY_SW) -> xr.Dataset:
    return exposure_dataset(example_plan(), name)


def simulated_with(name: str) -> SkyProjection:
    """The projection by which sources are placed."""
    spec, references = exposure(name)
    return SkyProjection.of(spec.attitude, references.pack.distortion)


def distance(a: SkyCoord, unit: np.ndarray) -> float:
    """Largest distance of positions from unit vectors, arcsec."""
    return float(np.abs(radec_to_unit(a.ra.deg.ravel(), a.dec.deg.ravel()) - unit).max() * ARCSEC)


@pytest.mark.parametrize("name", [SUBARRAY_SW, FULL_LW])
def test_it_is_what_simulates_the_exposure(name):
    data, spec, ours = dataset(name), exposure(name)[0], simulated_with(name)
    assert data.md.projection == ours
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(0, spec.nx - 1, 9), np.linspace(0, spec.ny - 1, 7)))
    unit = ours.units(np.stack([x + spec.x0, y + spec.y0], axis=-1))
    assert distance(data.md.pixel_to_sky(x, y), unit) < 1e-6
    assert distance(data.md.wcs.pixel_to_world(x, y), unit) < 1e-6
    assert np.abs(np.stack(data.md.sky_to_pixel(data.md.pixel_to_sky(x, y))) - [x, y]).max() < 1e-4
    assert np.abs(np.stack(data.md.wcs.invert(*data.md.wcs(x, y))) - [x, y]).max() < 1e-4


@settings(max_examples=20)
@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 90), st.integers(1, 90), st.integers(1, 4))
def test_a_cut_keeps_its_place(y, x, height, width, step):
    """Whatever is cut, and however often, a pixel stays where it is."""
    data = dataset()
    cut = data.isel(y=slice(y, y + height), integration=0)[["raw", "seed"]].isel(x=slice(x, x + width, step))
    whole = data.md.pixel_to_sky(x + step * np.arange(cut.x.size), y)
    part = cut.md.pixel_to_sky(np.arange(cut.x.size), 0)
    assert whole.separation(part).arcsec.max() < 1e-9
    assert cut.md.wcs.pixel_to_world(0, 0).separation(part[0]).arcsec < 1e-6
    assert np.abs(np.array(cut.md.sky_to_pixel(part[-1])) - [cut.x.size - 1, 0]).max() < 1e-4
    assert (
        cut.isel(x=slice(None, None, -1)).md.pixel_to_sky(cut.x.size - 1, 0).separation(part[0]).arcsec < 1e-9
    )


def test_shapes_and_frames():
    data = dataset()
    sky = data.md.pixel_to_sky(np.arange(6).reshape(2, 3), 5)
    x, y = data.md.sky_to_pixel(sky.galactic)
    assert sky.shape == x.shape == y.shape == (2, 3)
    np.testing.assert_allclose(x, np.arange(6).reshape(2, 3), atol=1e-4)
    one = data.md.sky_to_pixel(sky[0, 0])
    assert one[0].shape == ()
    assert data.md.pixel_to_sky([], []).shape == (0,)
    assert np.isnan(data.md.pixel_to_sky(np.nan, 3.0).ra.deg)


def test_far_outside_nothing_is_said():
    """The distortion holds 600 pixels around the full frame; beyond, and behind the telescope, positions are NaN."""
    data = dataset(FULL_LW)
    edge = 2047.5 + 600
    assert np.isfinite(data.md.pixel_to_sky([-600.4, edge - 0.1], [0.0, 2000.0]).ra.deg).all()
    assert np.isnan(data.md.pixel_to_sky([-600.6, edge + 0.1], [0.0, 2000.0]).ra.deg).all()
    middle = data.md.pixel_to_sky(1023.5, 1023.5)
    turn = np.linspace(0, 360, 73) * units.deg
    scale = np.sqrt(float(data.md.pixel_area[1000, 1000]))  # arcsec
    for pixels in (2400, 3000, 1e4, 1e5, 3e6):
        ring = middle.directional_offset_by(turn, pixels * scale * units.arcsec)
        assert np.isnan(np.array(data.md.sky_to_pixel(ring))).all(), pixels
    near = middle.directional_offset_by(turn, 1000 * scale * units.arcsec)
    assert np.isfinite(np.array(data.md.sky_to_pixel(near))).all()


def test_coordinates_are_lazy_and_in_the_chunks_of_the_data():
    data = dataset(FULL_LW)
    sky = data.md.with_sky_coordinates()
    assert {"ra", "dec"} <= set(sky.coords)
    assert sky.ra.attrs["units"] == sky.dec.attrs["units"] == "degree"
    assert sky.ra.chunks == data.seed.chunks
    assert sky.ra.dims == ("y", "x")
    window = sky.isel(y=slice(700, 790), x=slice(5, 1700, 3))
    expected = window.md.pixel_to_sky(*np.meshgrid(np.arange(window.x.size), np.arange(window.y.size)))
    np.testing.assert_array_equal(window.ra.values, expected.ra.deg)
    np.testing.assert_array_equal(window.dec.values, expected.dec.deg)
    with_them = (sky.raw - sky.dark).isel(integration=0, group=0, y=3)[:2]
    np.testing.assert_array_equal(with_them.ra.values, sky.ra[3, :2].values)


def test_a_window_of_coordinates_costs_the_window(monkeypatch):
    asked = []
    usual = SkyArray.__getitem__
    monkeypatch.setattr(
        SkyArray, "__getitem__", lambda self, key: asked.append(usual(self, key)) or asked[-1]
    )
    sky = dataset(FULL_LW).md.with_sky_coordinates()
    _ = sky.ra[100:200].isel(x=slice(10, 30)).values
    assert [values.shape for values in asked] == [(100, 20)]


@settings(max_examples=20)
@given(st.integers(0, 399), st.integers(0, 399), st.integers(1, 80), st.integers(1, 80))
def test_any_window_of_coordinates_has_the_bits_of_the_whole(y, x, height, width):
    for axis in ("ra", "dec"):
        array = SkyArray(simulated_with(SUBARRAY_SW), axis, range(300, 700), range(10, 410))
        box = np.s_[y : y + height, x : x + width]
        whole = _WHOLE.setdefault(axis, array[...])
        assert np.array_equal(array[box], whole[box])
        assert array[y, x] == whole[y, x]
        assert np.array_equal(array[y, ::7], whole[y, ::7])


_WHOLE: dict = {}


def test_the_outline_is_that_of_the_table():
    table = example_plan().table.set_index("name")
    for name in (SUBARRAY_SW, FULL_LW):
        data = dataset(name)
        numbers = np.array(table.loc[name, "s_region"].split()[2:], float).reshape(4, 2)
        expected = SkyCoord(*numbers.T, unit="deg")
        assert data.md.footprint.separation(expected).arcsec.max() < 1e-4
        assert data.md.s_region.startswith("POLYGON ICRS  ")
        assert np.abs(np.array(data.md.s_region.split()[2:], float) - numbers.ravel()).max() < 1e-7
    half = data.isel(x=slice(0, 1024))
    assert half.md.footprint[0].separation(data.md.footprint[0]).arcsec < 1e-9
    assert half.md.footprint[1].separation(data.md.pixel_to_sky(1023.5, -0.5)).arcsec < 1e-9


def test_regions_and_maps(tmp_path):
    data = dataset()
    text = data.md.to_ds9_region(tmp_path / "one.reg")
    assert (tmp_path / "one.reg").read_text() == text
    assert f"color=cyan text={{{SUBARRAY_SW}}}" in text
    moc = pytest.importorskip("mocpy") and data.md.moc(20)
    middle = data.md.pixel_to_sky([200, 5000], [200, 200])
    assert moc.contains_skycoords(middle[:1]).all()


def test_the_area_of_pixels_is_what_collects_the_sky():
    """The variable is the map that the background is multiplied with, and the area between the corners of pixels."""
    data, (spec, references) = dataset(FULL_LW), exposure(FULL_LW)
    area = data.md.pixel_area
    assert area.attrs["units"] == "arcsec2"
    box = np.s_[300:500, 1800:2000]
    relative = area[box].values / references.pack.meta["pixar_a2"]
    level = np.float32(dict(spec.layers)["background"])
    bare = open_references(spec, example_plan().url).pack.plane("area", slice(0, 2048), slice(0, 2048))
    science = np.asarray(references.pack.array.orientation.science(bare))[box]
    np.testing.assert_allclose(relative, science, rtol=2e-7)
    # Without sources the light of a pixel is the level times its area; with them it is never less.
    assert (data.seed[box].values >= level * relative * (1 - 1e-6)).all()
    np.testing.assert_allclose(np.median(data.seed[box].values / relative), level, rtol=0.02)
    x, y = (g.ravel().astype(float) for g in np.meshgrid(np.arange(0, 2048, 300), np.arange(0, 2048, 300)))
    sides = [
        data.md.projection.units(np.stack([x + dx, y + dy], axis=-1))
        for dx, dy in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    ]
    cross = np.cross(sides[2] - sides[0], sides[3] - sides[1])
    solid = np.linalg.norm(cross, axis=1) / 2 * ARCSEC**2
    np.testing.assert_allclose(area.values[y.astype(int), x.astype(int)], solid, rtol=2e-3)


def test_engine_files_and_other_ways(tmp_path):
    """The engine gives the same; a copy in a file knows its place; what has none says so."""
    store = str(tmp_path / "s.zarr")
    proposal = md.open_proposal(
        md.example_proposal(), settings=md.example_proposal().with_name("settings.yaml")
    )
    proposal.simulate(store, select=SUBARRAY_SW, scheduler="serial", progress=False)
    opened = md.open_simulation(store).exposure(SUBARRAY_SW)
    by_engine = xr.open_dataset(store, engine=MirageDaskEntrypoint, exposure=SUBARRAY_SW)
    expected = dataset().md.pixel_to_sky(17.0, 30.0)
    for data in (
        opened,
        by_engine,
        xr.open_dataset(store, engine="mirage_dask", exposure=SUBARRAY_SW, chunks={}),
    ):
        assert data.md.projection == simulated_with(SUBARRAY_SW)
        assert data.md.pixel_to_sky(17.0, 30.0) == expected
    sky = by_engine.md.with_sky_coordinates()
    assert dask.is_dask_collection(sky.ra)
    small = by_engine[["seed", "pixel_area"]].isel(y=slice(10, 20), x=slice(0, 30)).md.with_sky_coordinates()
    small.to_netcdf(tmp_path / "small.nc")
    again = xr.open_dataset(tmp_path / "small.nc")
    assert again.md.pixel_to_sky(17.0, 20.0) == expected
    np.testing.assert_array_equal(again.ra.values, small.ra.values)
    assert md.open_simulation(store).footprints(SUBARRAY_SW).names == (SUBARRAY_SW,)


def test_what_has_no_place():
    data = dataset()
    with pytest.raises(InputError, match="no coordinate sky_projection"):
        data.drop_vars(SKY).md.pixel_to_sky(1, 2)
    other = dataset(FULL_LW).isel(y=slice(0, 64), x=slice(0, 64), integration=0, group=0)
    one = data.isel(y=slice(0, 64), x=slice(0, 64), integration=0, group=0)
    pair = [each[["seed"]].drop_vars(["y", "x"]) for each in (one, other)]
    with pytest.raises(InputError, match="no coordinate"):  # of two exposures there is no place
        _ = (pair[0] + pair[1]).md.projection
    with pytest.raises(InputError, match="no axis y; select with a slice"):
        _ = data.isel(y=3).md.wcs
    with pytest.raises(InputError, match="not evenly spaced"):
        _ = data.isel(x=[1, 2, 5]).md.wcs
    with pytest.raises(InputError, match="no variable pixel_area"):
        _ = data.drop_vars("pixel_area").md.pixel_area
    damaged = data.copy()
    damaged[SKY].attrs["projection"] = '{"attitude": 3}'
    with pytest.raises(InputError, match="damaged"):
        _ = damaged.md.wcs


def test_the_variable_is_listed():
    assert VARIABLES["pixel_area"].units == "arcsec2"
    assert not VARIABLES["pixel_area"].replaceable
