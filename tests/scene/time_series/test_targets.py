"""Catalogs of the targets of grism time series, transmission spectra, and files of light curves."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mirage_dask.catalogs.spectral_light_curves import read_light_curves, write_light_curves
from mirage_dask.errors import InputError
from mirage_dask.planning.light.time_series.grism_targets import check_target
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.time_series.radii import read_radii
from mirage_dask.scene.time_series.targets import KIND, files_of, read_target

COLUMNS = {
    "index": "99999",
    "x_or_RA": "66.3709",
    "y_or_Dec": "-30.6004",
    "Semimajor_axis_in_stellar_radii": "7.03",
    "Orbital_inclination_deg": "85.9",
    "Eccentricity": "0.0",
    "Longitude_of_periastron": "90.0",
    "Limb_darkening_model": "quadratic",
    "Limb_darkening_coeffs": '"0.1, 0.2"',
    "Time_units": "hour",
    "Start_time": "1.0",
    "End_time": "3.0",
    "Time_of_inferior_conjunction": "2.0",
    "Orbital_period": "80.0",
    "Transmission_spectrum": "radii.txt",
    "nircam_f444w_magnitude": "9.5",
}
"""As Mirage writes them."""
RADII = "Wavelength Transmission\n2.4 0.10\n3.0 0.11\n5.0 0.12\n"


def catalog(folder, radii=RADII, **changes):
    if radii:
        (folder / "radii.txt").write_text(radii)
    columns = {name: value for name, value in (COLUMNS | changes).items() if value is not None}
    (folder / "a.cat").write_text(f"# abmag\n{' '.join(columns)}\n{' '.join(columns.values())}\n")
    return read_catalog(folder / "a.cat", KIND)


def test_a_catalog_of_mirage(tmp_path):
    found = catalog(tmp_path)
    assert files_of(found) == (str(tmp_path / "radii.txt"),)
    transit = read_target(found).transit
    assert (transit.period, transit.midpoint, transit.start) == (288_000.0, 7200.0, 3600.0)
    np.testing.assert_array_equal(transit.radius_ratio, [0.10, 0.11, 0.12])
    np.testing.assert_array_equal(transit.coefficients, np.tile([0.1, 0.2], (3, 1)))


def test_limb_darkening_by_wavelength_and_depths(tmp_path):
    found = catalog(tmp_path, "Wavelength, Depth, u1, u2\n2.4, 0.01, 0.1, 0.2\n5.0, 0.0121, 0.05, 0.1\n")
    transit = read_target(found).transit
    np.testing.assert_allclose(transit.radius_ratio, [0.10, 0.11])
    np.testing.assert_array_equal(transit.coefficients, [[0.1, 0.2], [0.05, 0.1]])


def test_one_radius(tmp_path):
    found = catalog(tmp_path, "", Transmission_spectrum=None, Radius_ratio="0.1", Limb_darkening_model="uniform",
                    Limb_darkening_coeffs="None")  # fmt: skip
    assert read_target(found).transit.radius_ratio.tolist() == [0.1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Eccentricity": None}, "'Eccentricity' is missing"),
        ({"Orbital_period": "-1"}, "must be above 0"),
        ({"Time_units": "weeks"}, "write second, minute, hour, day"),
        ({"End_time": "0.5"}, "later than Start_time"),
        ({"Limb_darkening_model": "quadratc"}, "quadratic"),
        ({"Limb_darkening_coeffs": '"0.1"'}, "has 2 coefficients, not 1"),
        ({"Transmission_spectrum": None}, "Radius_ratio"),
        ({"Transmission_spectrum": "elsewhere.txt"}, "there is no file"),
    ],
)
def test_what_a_catalog_cannot_say(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        check_target(catalog(tmp_path, **changes))


def test_all_problems_are_reported_together(tmp_path):
    with pytest.raises(InputError) as error:
        read_target(catalog(tmp_path, Orbital_period="0", Time_units="weeks", Limb_darkening_coeffs='"0.1"'))
    assert len(error.value.problems) == 3


def test_there_is_one_target(tmp_path):
    (tmp_path / "a.cat").write_text("x_or_RA y_or_Dec magnitude\n1 2 3\n1 2 3\n")
    with pytest.raises(InputError, match="2 sources"):
        read_target(read_catalog(tmp_path / "a.cat", KIND))


def test_batman_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "batman", None)
    with pytest.raises(InputError, match=r"pip install 'mirage_dask\[tso\]'"):
        check_target(catalog(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 rows"),
        ("2.4 0.1\n2.3 0.1\n", "line 2: wavelengths must be positive and rise"),
        ("2.4 0.1\n2.5 nan\n", "fewer|not a finite"),
        ("Wavelength Radius\n2.4 0.1\n", "Transmission"),
        ("2.4 1.2\n", "between 0 and 1"),
        ("Wavelength Transmission\n2.4\n", "line 2"),
        ("Wavelength Depth\n2.4 -0.1\n", "between 0 and 1"),
    ],
)
def test_what_a_transmission_spectrum_cannot_say(tmp_path, text, words):
    (tmp_path / "r.txt").write_text(text)
    with pytest.raises(InputError, match=words):
        read_radii(tmp_path / "r.txt")


def test_light_curves_come_back(tmp_path):
    pytest.importorskip("h5py")
    wave, time = np.array([3.0, 4.0]), np.array([0.0, 10.0, 20.0])
    light = np.array([[1.0, 0.99, 1.0], [1.0, 0.98, 1.0]])
    path = write_light_curves(tmp_path / "a.hdf5", wave, time, light)
    for found, given in zip(read_light_curves(path), (wave, time, light), strict=True):
        np.testing.assert_array_equal(found, given)
    text = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: time, unit: min, datatype: float64}\n"
    text += "# - {name: '3.0', datatype: float64}\n# - {name: '4.0', datatype: float64}\n"
    (tmp_path / "a.ecsv").write_text(text + "time 3.0 4.0\n0 1 1\n1 0.99 0.98\n")
    wave, time, light = read_light_curves(tmp_path / "a.ecsv")
    assert (wave.tolist(), time.tolist(), light.tolist()) == (
        [3.0, 4.0],
        [0.0, 60.0],
        [[1.0, 0.99], [1.0, 0.98]],
    )
    found = catalog(tmp_path, "", Transmission_spectrum=None, lightcurve_file="a.hdf5")
    assert read_target(found).curves == str(tmp_path / "a.hdf5")
    check_target(found)


def test_what_light_curves_cannot_be(tmp_path):
    pytest.importorskip("h5py")
    for wave, time, light, words in (
        ([3.0, 2.0], [0.0], [[1.0], [1.0]], "wavelengths must be finite and rise"),
        ([3.0], [0.0, 0.0], [[1.0, 1.0]], "times must be finite and rise"),
        ([3.0], [0.0], [[-1.0]], "not negative"),
        ([3.0], [0.0], [[1.0, 1.0]], "do not fit"),
    ):
        with pytest.raises(InputError, match=words):
            write_light_curves(tmp_path / "a.hdf5", wave, time, light)
    (tmp_path / "b.hdf5").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a valid HDF5"):
        read_light_curves(tmp_path / "b.hdf5")
