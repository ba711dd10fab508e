"""Targets of grism time series in plans: behind the grism, beside it, notes, and which exposures look at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.catalogs.spectral_light_curves import write_light_curves
from mirage_dask.instruments import get_zeropoint
from mirage_dask.planning.keys import row_keys
from mirage_dask.planning.light.grisms import GrismTables
from mirage_dask.planning.light.time_series.grism_targets import TimeSeriesTables, products
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.catalogs import Catalog, read_catalog
from mirage_dask.scene.dispersed.spectra import Spectrum
from mirage_dask.scene.layers import LightCurves
from mirage_dask.scene.time_series.decomposition import decompose
from mirage_dask.scene.time_series.means import frame_means
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.scene.time_series.targets import KIND
from mirage_dask.settings import rows_of

pytest.importorskip("h5py")

WAVE = np.array([1.5, 2.0, 3.0, 4.0, 5.5])
TIMES = np.array([0.0, 100.0, 200.0, 300.0])
DEPTH = np.array([0.030, 0.025, 0.01, 0.01, 0.01])
COURSE = np.array([0.0, 1.0, 1.0, 0.0])
LONG, SHORT = ("NRCA5", "F444W", "GRISMR"), ("NRCA1", "WLP4", "CLEAR")


def target(folder: Path, columns: str = "magnitude", values: str = "10.0") -> Catalog:
    write_light_curves(folder / "c.hdf5", WAVE, TIMES, 1.0 - DEPTH[:, None] * COURSE)
    text = f"index x_or_RA y_or_Dec lightcurve_file {columns}\n99999 66.37 -30.6 c.hdf5 {values}\n"
    (folder / "t.cat").write_text(text)
    return read_catalog(folder / "t.cat", KIND)


def layers(folder: Path, catalog: Catalog, optics: tuple[str, str, str]):
    class Pack:
        meta = {"mean_gain": 1.82}  # noqa: RUF012
        zeropoint = get_zeropoint(*optics)

    values = dict(zip(("detector", "filter", "pupil"), optics, strict=True))
    (row,) = rows_of([{"name": "a", "instrument": "NIRCAM", "status": "ready", KIND: catalog.path, **values}])
    found = [(KIND, catalog.path, catalog)]
    series = TimeSeriesTables(str(folder), found)
    pack: ReferencePack = Pack()  # type: ignore[assignment]
    made = series.layers(row, pack, GrismTables(str(folder), found), 300.0)
    return made, series.notes


def test_behind_the_grism(tmp_path):
    """The light at all nodes loses the depth of each wavelength."""
    ((kind, key),), notes = layers(tmp_path, target(tmp_path), LONG)
    table = DispersedCurves.load(tmp_path, key)
    assert kind == DispersedCurves.kind
    assert len(table.courses) == 1
    for _ in table.named():
        pass
    deepest = table.weights[1:].T @ np.array([np.interp(150.0, table.times, c) for c in table.courses])
    bright = table.weights[0] > 0.2 * table.weights[0].max()
    np.testing.assert_allclose(-deepest[bright] / table.weights[0][bright], 0.01, rtol=2e-3)
    assert notes == (
        f"time series: {tmp_path}/t.cat: light curves at 5 wavelengths are 1 product of a function of wavelength "
        "and one of time, right to 0 ppm.",
    )


def test_beside_the_grism(tmp_path):
    """The mean over the band of the short-wavelength filter, by the photons of the star."""
    ((kind, key),), notes = layers(tmp_path, target(tmp_path), SHORT)
    table = LightCurves.load(tmp_path, key)
    assert kind == LightCurves.kind
    low, high = 1.9, 2.4  # the band of WLP4, which is behind F212N
    inside = np.interp(np.linspace(low, high, 50), WAVE, DEPTH)
    assert inside.min() < 1.0 - np.interp(150.0, table.times, table.factor[0]) < inside.max()
    assert table.factor[0, 0] == 1.0
    assert len(notes) == 1


def test_beyond_the_wavelengths_that_are_given(tmp_path):
    catalog = target(tmp_path)
    write_light_curves(tmp_path / "c.hdf5", WAVE[3:], TIMES, 1.0 - DEPTH[3:, None] * COURSE)
    _, notes = layers(tmp_path, catalog, SHORT)
    assert "beyond, those of the nearest wavelength hold" in notes[-1]


def test_products_keep_light_between_samples():
    light = decompose(np.array([1.0, 3.0]), np.array([0.0, 1.0]), np.array([[1.0, 0.9], [1.0, 0.7]]))
    star = Spectrum(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 1.0]), ((2.0, 1.0, 0.0),))
    (made,) = products(star, light)
    scale = np.interp(1.0, light.times, light.courses[0])
    wave = np.linspace(1.0, 4.0, 1001)
    wanted = np.interp(wave, star.wavelength, star.flux) * np.interp(wave, [1.0, 3.0], [0.1, 0.3])
    got = np.interp(wave, made.wavelength, made.flux) * scale
    assert np.trapezoid(got, wave) == pytest.approx(np.trapezoid(wanted, wave), rel=0.01)
    assert made.lines[0][1] * scale == pytest.approx(0.2)


def test_a_transit_is_as_in_the_catalog(tmp_path):
    pytest.importorskip("batman")
    (tmp_path / "r.txt").write_text("2.0 0.1\n3.9 0.1\n5.2 0.1\n")
    names = "Semimajor_axis_in_stellar_radii Orbital_inclination_deg Eccentricity Longitude_of_periastron "
    names += "Limb_darkening_model Time_units Start_time Time_of_inferior_conjunction Orbital_period Transmission_spectrum"
    (tmp_path / "t.cat").write_text(
        f"index x_or_RA y_or_Dec magnitude {names}\n9 66.37 -30.6 10 8 90 0 90 uniform second 1000 1150 5000 r.txt\n"
    )
    ((_, key),), notes = layers(tmp_path, read_catalog(tmp_path / "t.cat", KIND), LONG)
    table = DispersedCurves.load(tmp_path, key)
    assert table.middles.tolist() == [150.0]
    means = frame_means(table.times, table.courses, np.array([140.0, 160.0]))
    np.testing.assert_allclose(table.shapes.T @ means[0], 0.01, atol=1e-6)
    assert table.error < 1e-6
    assert "ppm" in notes[0]


def test_which_exposures_look_at_it(shared, tmp_path):
    """The grism's and the images beside it; those of another time series do not."""
    xml = shared / "apt" / "88888_wasp79_tso" / "wasp-79_example_TSO.xml"
    catalog = target(tmp_path)
    table = md.open_proposal(xml, catalogs={KIND: catalog.path}).table
    told = set(table.loc[table[KIND] != "", "detector"])
    assert told == {"NRCA1", "NRCA3", "NRCA5"}
    assert (table[KIND] != "").sum() == 6
    assert (table.loc[table["mode"] == "ts_grism", "status"] == "ready").all()
    one = table[table["mode"] == "ts_grism"].iloc[:1]
    before = row_keys(one)
    write_light_curves(tmp_path / "c.hdf5", WAVE, TIMES, np.ones((5, 4)))
    assert row_keys(one) != before


@pytest.mark.parametrize("name", ["wasp43_gts", "1185_manatee"])
def test_grism_time_series_are_ready(shared, name):
    (xml,) = (shared / "apt" / name).glob("*.xml")
    table = md.open_proposal(xml).table
    assert (table.loc[table.template == "NircamGrismTimeSeries", "status"] == "ready").all()
