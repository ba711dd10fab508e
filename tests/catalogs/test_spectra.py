"""HDF5 files of spectra: Mirage's own, back and forth, and a sentence for each thing that is wrong."""

from __future__ import annotations

import sys

import astropy.units as u
import numpy as np
import pytest

from mirage_dask import catalogs
from mirage_dask.errors import InputError

WAVES = np.linspace(1.0, 5.0, 50) * u.um
FLAM = u.erg / (u.s * u.cm**2 * u.AA)


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py")


def dataset(h5py, path, values=((1, 2, 3), (1, 2, 3)), name="1", **attributes):
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=values).attrs.update(attributes)
    return path


def test_back_and_forth(h5py, tmp_path):
    flux = np.linspace(1, 2, 50) * 1e-17 * FLAM
    given = {
        7: (WAVES, flux),
        3: (WAVES.to(u.AA), flux.to(u.Jy, u.spectral_density(WAVES))),
        4: ((WAVES[::-1]).to(u.THz, u.spectral())[::-1], flux),
        2**62: (WAVES, np.linspace(0, 1, 50)),
    }
    given[4] = (WAVES.to(u.THz, u.spectral()), flux)  # frequencies fall where wavelengths rise
    found = catalogs.read_spectra(catalogs.write_spectra(tmp_path / "spectra.hdf5", given))
    assert list(found) == [3, 4, 7, 2**62]
    for index in (3, 4, 7):
        wave, density = found[index]
        assert (wave.unit, density.unit) == (u.um, FLAM)
        np.testing.assert_allclose(wave.value, WAVES.value, rtol=1e-14)
        np.testing.assert_allclose(density.value, flux.value, rtol=1e-12)
    assert found[2**62][1].unit == u.dimensionless_unscaled


@pytest.mark.parametrize(
    ("units", "flux", "expected"),
    [
        ({}, 1.0, 1.0),
        ({"flux_units": "flam_cgs", "wavelength_units": "microns"}, 1.0, 1.0),
        ({"flux_units": "flam_mks"}, 10.0, 1.0),
        ({"flux_units": "fnu"}, 1.0, 2.99792458e18 / 1e8),
        ({"flux_units": b"fnu_mks"}, 1.0, 2.99792458e21 / 1e8),
        ({"flux_units": "Jy"}, 1e23, 2.99792458e18 / 1e8),
        ({"wavelength_units": "angstroms"}, 1.0, 1.0),
        ({"wavelength_units": "nanometers"}, 1.0, 1.0),
    ],
)
def test_units(h5py, tmp_path, units, flux, expected):
    """At 1 micron; W / (m2 um) is a tenth of erg / (s cm2 Angstrom)."""
    scale = {"angstroms": 1e4, "nanometers": 1e3}.get(units.get("wavelength_units"), 1.0)
    path = dataset(h5py, tmp_path / "s.hdf5", [np.array([1, 2]) * scale, [flux, flux]], **units)
    wave, density = catalogs.read_spectra(path)[1]
    assert wave[0].value == pytest.approx(1.0)
    assert density[0].value == pytest.approx(expected, rel=1e-12)


def test_mirages_own(h5py, shared):
    folder = shared / "data/catalogs/tests/test_data/hdf5_catalogs"
    files = sorted(folder.glob("*.hdf5"))
    assert len(files) == 7
    found = {path.stem: catalogs.read_spectra(path) for path in files}
    assert list(found["output_spec_from_file_plus_manual_input"]) == [1, 2, 3, 4, 7]
    wave, flux = found["output_spec_from_multiple_filter"][3]
    assert (wave[0].value, flux[0].value) == pytest.approx((0.9, 3.3633391e-15))
    assert found["sed_file_with_normalized_dataset"][4][1].unit == u.dimensionless_unscaled


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"flux_units": "furlongs_per_s"}, "flux_units 'furlongs_per_s' is not a known unit; write flam"),
        ({"flux_units": "K"}, "fluxes in K; a flux density per wavelength or frequency"),
        ({"wavelength_units": "kg"}, "wavelengths in kg; a unit of length"),
        ({"values": [[1, 3, 2], [1, 1, 1]]}, r"wavelength 2 \(2\) does not rise; sort"),
        ({"values": [[0, 1, 2], [1, 1, 1]]}, r"wavelength 0 \(0\) must be above 0"),
        ({"values": [[1, 2, 3], [1, -1, -1]]}, r"flux 1 \(-1\) and 1 more is negative; give 0"),
        ({"values": [[1, 2, 3], [1, np.nan, 1]]}, r"flux 1 \(nan\) is not finite"),
        ({"values": [1.0, 2.0]}, r"is not an array of numbers of shape \(2, n\)"),
        ({"name": "star"}, "dataset 'star': is not the index of a source"),
        ({"values": np.zeros((2, 0))}, "two numbers of each are needed at least"),
    ],
)
def test_bad_files(h5py, tmp_path, options, words):
    path = dataset(h5py, tmp_path / "bad.hdf5", **options)
    with pytest.raises(InputError, match=words) as caught:
        catalogs.read_spectra(path)
    assert str(path) in caught.value.problems[0]


def test_links_lead_nowhere(h5py, tmp_path):
    path = tmp_path / "links.hdf5"
    with h5py.File(path, "w") as file:
        file["1"] = h5py.ExternalLink("/etc/secret.hdf5", "/1")
        file.create_dataset("2", (2, 3), "f8", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)])
        file.create_group("3")
    with pytest.raises(InputError) as caught:
        catalogs.read_spectra(path)
    said = "\n".join(caught.value.problems)
    assert "dataset '1': is a link" in said
    assert "dataset '2': has its values in another file" in said
    assert "dataset '3': is not an array" in said


def test_files_that_are_none(h5py, tmp_path):
    path = catalogs.write_spectra(tmp_path / "s.hdf5", {1: (WAVES, np.ones(50) * u.Jy)})
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"not HDF5", b"", whole[:100]):
        path.write_bytes(data)
        with pytest.raises(InputError, match="not a valid HDF5 file, or one that is cut off"):
            catalogs.read_spectra(path)
    with pytest.raises(InputError, match="does not exist"):
        catalogs.read_spectra(tmp_path / "other.hdf5")
    h5py.File(path, "w").close()
    with pytest.raises(InputError, match="no spectra; write one dataset"):
        catalogs.read_spectra(path)


def test_what_cannot_be_written(h5py, tmp_path):
    with pytest.raises(InputError) as caught:
        catalogs.write_spectra(tmp_path / "s.hdf5", {-1: (WAVES, WAVES), 2: (WAVES, -np.ones(50) * u.Jy)})
    assert "spectrum -1: the index of a source" in caught.value.problems[0]
    assert "spectrum 2: flux 0" in caught.value.problems[1]
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="cannot be written"):
        catalogs.write_spectra(tmp_path / "no" / "s.hdf5", {1: (WAVES, np.ones(50) * u.Jy)})


def test_without_h5py(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'mirage_dask\[spectra\]'"):
        catalogs.read_spectra(tmp_path / "s.hdf5")
