"""Spectra in tables and folders, and tables of emission lines: the same whatever the format."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, Table

from mirage_dask import catalogs
from mirage_dask.catalogs.spectra_files import read_source_spectra

FLAM = u.erg / (u.s * u.cm**2 * u.AA)
WAVES = np.linspace(1.0, 5.0, 40)
SPECTRA = {3: np.linspace(1, 2, 40), 2**53 + 1: np.linspace(5, 0, 40)}
REDSHIFTS = {3: 1.5, 2**53 + 1: 0.0}


def long_table() -> QTable:
    """The two sources one after the other, in units of their own."""
    index = np.repeat(list(SPECTRA), 40)
    flux = np.concatenate(list(SPECTRA.values())) * 1e-17
    columns = {"index": index, "wavelength": np.tile(WAVES, 2) * 1e4 * u.AA, "flux": flux * FLAM}
    return QTable(columns | {"redshift": np.repeat(list(REDSHIFTS.values()), 40)})


def written(kind: str, folder: Path) -> Path:
    """Write the spectra in a format."""
    if kind == "hdf5":
        pytest.importorskip("h5py")
        given = {i: (WAVES * u.um, flux * 1e-17 * FLAM) for i, flux in SPECTRA.items()}
        return catalogs.write_spectra(folder / "s.hdf5", given, redshifts=REDSHIFTS)
    table = long_table()
    if kind == "folder":
        (folder / "spectra").mkdir()
        (folder / "spectra" / ".hidden").touch()
        for i in SPECTRA:
            own = table[table["index"] == i]
            own.remove_column("index")
            own.write(folder / "spectra" / f"{i}.ecsv")
        return folder / "spectra"
    path = folder / f"s.{kind}"
    table[np.argsort(table["wavelength"], kind="stable")].write(path)  # sources in turn
    return path


@pytest.mark.parametrize("kind", ["hdf5", "ecsv", "fits", "folder"])
def test_one_content_in_any_format(tmp_path, kind):
    place = written(kind, tmp_path)
    found = read_source_spectra(place)
    assert list(found) == list(SPECTRA)
    for i, (wave, flux, redshift) in found.items():
        np.testing.assert_allclose(wave.to_value(u.um), WAVES)
        np.testing.assert_allclose(flux.to_value(FLAM), SPECTRA[i] * 1e-17)
        assert redshift == REDSHIFTS[i]
    assert [len(pair) for pair in catalogs.read_spectra(place).values()] == [2, 2]


def test_units_of_mirage_and_shapes(tmp_path):
    """fnu is a name of Mirage; a column `shape` has no scale, and no redshift is none."""
    table = Table({"index": [1, 1], "wavelength": [1.0, 2.0], "flux": [1.0, 1.0]})
    table["wavelength"].unit, table["flux"].unit = "micron", "fnu"
    table.write(tmp_path / "fnu.ecsv")
    (_, flux, redshift) = read_source_spectra(tmp_path / "fnu.ecsv")[1]
    assert flux[0].value == pytest.approx(2.99792458e18 / 1e8)
    assert redshift is None
    table.rename_column("flux", "shape")
    table["shape"].unit = None
    table.write(tmp_path / "shape.ecsv")
    assert read_source_spectra(tmp_path / "shape.ecsv")[1].flux.unit == u.dimensionless_unscaled


def test_lines(tmp_path):
    """Units of light, and widths as lengths or velocities."""
    table = QTable(
        {
            "index": [7, 2, 7],
            "wavelength": [6563.0, 5007.0, 4861.0] * u.AA,
            "flux": [1e-19, 2e-19, 0.0] * u.W / u.m**2,
            "sigma": [100.0, 0.0, 50.0] * u.km / u.s,
        }
    )
    table.write(tmp_path / "lines.fits")
    found = catalogs.read_lines(tmp_path / "lines.fits")
    assert list(found) == [2, 7]
    np.testing.assert_allclose(found[7][0], (0.6563, 1e-16, 0.6563 * 100 / 299792.458))
    np.testing.assert_allclose(found[7][1], (0.4861, 0.0, 0.4861 * 50 / 299792.458))
    np.testing.assert_allclose(found[2], [(0.5007, 2e-16, 0.0)])
