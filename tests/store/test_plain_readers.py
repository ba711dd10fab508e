"""Stores opened with what everybody has, plain zarr and xarray: coordinates, attributes, WCS, and what is complete."""

from __future__ import annotations

import dataclasses
import os
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits
from astropy.wcs import WCS
from scipy.io import netcdf_file
from support.real_stores import real_exposure, real_store
from support.small_plans import (
    SMALL_TILE,
    expected,
    make_spec,
    small_plan,
    small_specs,
    table_of,
)

from mirage_dask.errors import InputError
from mirage_dask.lazy import exposure_dataset, stored_dataset
from mirage_dask.pointing import SkyProjection, aperture, distortion_from_siaf, unit_to_radec
from mirage_dask.run.display.events import TileDone
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.export import export_store
from mirage_dask.store.plain import description
from mirage_dask.store.plan import save_plan
from mirage_dask.store.simulation import SimulationStore

SERIAL = Resources(scheduler="serial")
DELTA = "Numcodecs codecs are not in the Zarr version 3 specification"


def open_plainly(url, group=None):
    """Without a word of xarray or zarr but the one on the codec, which is registered with Zarr's extensions."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=DELTA)
        return xr.open_zarr(url, group=group, chunks=None)


def test_an_exposure_stands_alone(fake, plan, tmp_path):
    url = str(tmp_path / "s.zarr")
    run_plan(plan, url, resources=SERIAL)
    row = 0
    spec, name = plan.spec(row), plan.names[row]
    found, ours = open_plainly(url, name), stored_dataset(SimulationStore.open(url), name)
    assert set(found.coords) == {"integration", "group", "group_time", "y", "x"} == set(ours.coords)
    for coordinate in found.coords:
        assert found[coordinate].attrs == ours[coordinate].attrs
        assert np.array_equal(found[coordinate], ours[coordinate])
        assert found[coordinate].attrs["units"]
    assert found.x.values[0] == spec.x0
    assert found.group_time.values.tolist() == list(spec.group_end_times)
    assert np.array_equal(found.raw, expected(plan)[name])
    assert found.raw.attrs["units"] == "DN"
    assert found.complete.item() is True
    wanted = {
        "name": name,
        "detector": spec.detector,
        "filter": "F150W",
        "pupil": "CLEAR",
        "random_seed": 42,
    }
    wanted |= {"readpatt": "SHALLOW4", "start_time": "2022-10-31T12:00:00.000", "observing_mode": "imaging"}
    assert wanted.items() <= found.attrs.items()
    assert found.attrs["integration_period"] == pytest.approx(0.5 * ((spec.ngroups - 1) * 5 + 4 + 1))
    # Selecting by pixel and by name, as with the exposure itself.
    assert found.sel(x=spec.x0 + 5, y=spec.y0 + 7).raw.equals(found.isel(x=5, y=7).raw)


def test_the_root_lists_the_exposures(fake, plan, tmp_path):
    url = str(tmp_path / "s.zarr")
    run_plan(plan, url, resources=SERIAL, select="observation == 1")
    found = open_plainly(url)
    assert found.exposure.values.tolist() == list(plan.names)
    assert found.sizes == {"exposure": 5}
    assert found.complete.values.tolist() == [plan.spec(row).observation == 1 for row in range(5)]
    assert found.detector.values.tolist() == [plan.spec(row).detector for row in range(5)]
    assert found.observation.dtype.kind == "i"
    assert found.ra_ref.attrs["units"] == "degree"
    assert set(found.coords) > {"exposure", "observation", "filter", "start_time", "dec_ref"}
    assert sorted(zarr.open_group(url, mode="r").group_keys()) == sorted(
        name for row, name in enumerate(plan.names) if plan.spec(row).observation == 1
    )


def complete_in(url, plan):
    """What the marks say: (of the root, of the groups)."""
    groups = [bool(zarr.open_array(f"{url}/{name}/complete", mode="r")[()]) for name in plan.names]
    return open_plainly(url).complete.values.tolist(), groups


def test_what_is_not_there_is_marked(fake, tmp_path):
    """While a run writes, after it was stopped, and when a changed exposure is simulated again."""
    plan, url = small_plan(tmp_path / "plan"), str(tmp_path / "s.zarr")
    seen, most = [], 8

    class Stopped(KeyboardInterrupt):
        pass

    def stop(event):
        if isinstance(event, TileDone):
            seen.append(complete_in(url, plan))
            if len(seen) == most:
                raise Stopped

    with pytest.raises(Stopped):
        run_plan(plan, url, resources=SERIAL, tile_bytes=SMALL_TILE, progress=stop)
    assert all(not any(root + groups) for root, groups in seen)
    plan = SimulationStore.open(url).plan
    done = [SimulationStore.open(url).is_done(row) for row in range(5)]
    assert any(done)
    assert not all(done)
    assert complete_in(url, plan) == (done, done)
    half = plan.names[done.index(False)]
    assert not open_plainly(url, half).complete
    assert not open_plainly(url, half).commit.values.all()
    os.unlink(f"{url}/{plan.names[done.index(True)]}/complete/c")  # as after a run that was killed
    run_plan(plan, url, resources=SERIAL)
    assert complete_in(url, plan) == ([True] * 5, [True] * 5)
    changed = [dataclasses.replace(s, random_seed=43) if s.observation == 2 else s for s in small_specs()]
    other = small_plan(tmp_path / "other", changed)
    seen.clear()
    most = 0
    run_plan(other, url, resources=SERIAL, update=True, progress=stop)
    again = [plan.spec(row).observation == 1 for row in range(5)]
    assert seen[0] == (again, again)
    assert complete_in(url, plan) == ([True] * 5, [True] * 5)


@pytest.mark.parametrize(("detector", "name"), [("NRCB1", "SUB160"), ("NRCB5", "FULL"), ("NIS", "SUB64")])
def test_the_wcs_is_that_of_the_header_and_of_the_sky(detector, name, tmp_path):
    spec, table = real_exposure(1, detector, name, nints=1, ngroups=1)
    store = real_store(tmp_path / "s.zarr", [(spec, table)])
    attributes = open_plainly(store.url, spec.name).attrs
    keywords = {k: v for k, v in attributes.items() if k.isupper()}
    wcs = WCS(fits.Header(keywords))
    assert len(keywords) == 15
    place = aperture(table["aperture"].iloc[0])
    centre = place.x_sci_ref - 1, place.y_sci_ref - 1  # indices of the array
    projection = SkyProjection.of(
        spec.attitude, distortion_from_siaf(place.name if name == "FULL" else full(detector))
    )
    for x, y, within in ((*centre, 0.002), (centre[0] + 20, centre[1] - 20, 0.03)):
        ra, dec = wcs.wcs_pix2world(x, y, 0)
        (true_ra,), (true_dec,) = unit_to_radec(projection.units([[x + place.x0, y + place.y0]]))
        assert np.hypot((ra - true_ra) * np.cos(np.radians(dec)), dec - true_dec) * 3600 < within
    if name == "FULL":
        return
    export_store(store, tmp_path / "uncal", resources=SERIAL)
    header = fits.getheader(next((tmp_path / "uncal").glob("*.fits")), "SCI")
    for keyword in keywords:
        assert header[keyword] == pytest.approx(keywords[keyword]), keyword


def full(detector):
    return {"NIS": "NIS_CEN"}.get(detector, f"{detector}_FULL")


def forbidden():
    """Names that an open file of scipy needs itself."""
    with netcdf_file(os.devnull, "w") as file:
        return set(dir(file))


def check_attributes(dataset):
    for owner in (dataset, *dataset.variables.values()):
        assert forbidden().isdisjoint(owner.attrs)
        for key, value in owner.attrs.items():
            assert isinstance(value, str | int | float | list), key
            assert not (isinstance(value, int) and abs(value) >= 2**31), key
            assert not (isinstance(value, float) and not np.isfinite(value)), key


def test_exposures_can_be_written_as_netcdf(fake, tmp_path):
    """By scipy, which is there without netCDF4; with pixels that 16 bits with a sign do not hold."""
    specs = [make_spec(1, random_seed=2**40)]
    table = table_of(specs, primary=float("nan"), background="low", point_source="/home/me/stars.cat")
    plan = save_plan(tmp_path / "plan", table, specs)
    dataset = exposure_dataset(plan, plan.names[0], dark=np.full(specs[0].shape, 30_000.0, "f4"))
    check_attributes(dataset)
    assert "mode" not in dataset.attrs
    assert dataset.attrs["observing_mode"] == "imaging"
    assert dataset.attrs["random_seed"] == str(2**40)
    dataset.to_netcdf(tmp_path / "x.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "x.nc", engine="scipy") as back:
        for name in dataset.variables:
            assert np.array_equal(back[name].values, dataset[name].values), name
        assert back.raw.values.max() > 2**15
        assert back.attrs["observing_mode"] == "imaging"


def test_a_stored_exposure_can_be_written_as_netcdf_and_names_no_file_of_the_user(fake, tmp_path):
    specs = [make_spec(1)]
    table = table_of(specs, point_source="/home/me/stars.cat", psf_path="/home/me/psf", label="")
    plan, url = save_plan(tmp_path / "plan", table, specs), str(tmp_path / "s.zarr")
    run_plan(plan, url, resources=SERIAL)
    plain = open_plainly(url, plan.names[0])
    check_attributes(plain)
    assert "/home/me" not in str(plain.attrs)
    plain.drop_vars("commit").to_netcdf(tmp_path / "plain.nc", engine="scipy")
    data = xr.open_dataset(url, engine="mirage_dask", exposure=plan.names[0])
    check_attributes(data)
    data.to_netcdf(tmp_path / "engine.nc", engine="scipy")


def test_the_engine_names_exposures_that_the_store_holds(fake, plan, tmp_path):
    url = str(tmp_path / "s.zarr")
    run_plan(plan, url, resources=SERIAL, select="observation == 2")
    held = [plan.names[row] for row in range(5) if plan.spec(row).observation == 2]
    with pytest.raises(
        InputError,
        match=f"holds 2 exposures; say which with exposure=NAME, for example {held[0]}, {held[1]}",
    ):
        xr.open_dataset(url, engine="mirage_dask")
    one = str(tmp_path / "one.zarr")
    run_plan(plan, one, resources=SERIAL, select=held[:1])
    assert xr.open_dataset(one, engine="mirage_dask").attrs["name"] == held[0]
    assert description.RENAMED == {"mode": "observing_mode"}
