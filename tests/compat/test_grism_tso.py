"""Mirage's `GrismTSO` and `GrismTSOCatalog`: from a YAML file to what is simulated."""

from __future__ import annotations

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.compat.catalog_generator import GrismTSOCatalog
from mirage_dask.compat.grism_tso_simulator import GrismTSO
from mirage_dask.compat.one_exposure import OneExposure
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.time_series.targets import KIND, read_target

PLANET = {
    "semimajor_axis": [7.03], "orbital_inclination": [85.9], "eccentricity": [0.0], "orbital_period": [3.66],
    "longitude_of_periastron": [90.0], "limb_dark_model": ["quadratic"], "limb_dark_coeffs": [[0.1, 0.2]],
    "time_units": ["day"], "start_time": [0.0], "end_time": [0.1], "inferior_conj": [0.05],
}  # fmt: skip


def catalog(folder):
    (folder / "radii.txt").write_text("Wavelength Transmission\n2.0 0.1\n5.2 0.11\n")
    found = GrismTSOCatalog(ra=[66.3709], dec=[-30.6004], **PLANET, transmission_spectrum=["radii.txt"])
    found.add_magnitude_column([10.0], "abmag", "nircam", "f444w")
    found.add_magnitude_column([10.0], "abmag", "nircam", "f322w2")
    found.save(folder / "tso.cat")
    return folder / "tso.cat"


def test_the_catalog_comes_back(tmp_path):
    transit = read_target(read_catalog(catalog(tmp_path), KIND)).transit
    assert (transit.period, transit.midpoint) == (3.66 * 86400, 0.05 * 86400)
    np.testing.assert_array_equal(transit.coefficients[0], [0.1, 0.2])
    with pytest.raises(InputError, match="one target"):
        GrismTSOCatalog(ra=[1.0, 2.0], dec=[0.0, 0.0])


@pytest.fixture
def yaml_file(shared, tmp_path):
    xml = shared / "apt" / "88888_wasp79_tso" / "variant3" / "checkSubgrism64.xml"
    proposal = md.open_proposal(xml, catalogs={KIND: str(catalog(tmp_path))}, cosmic_rays="none")
    proposal.write_yaml(tmp_path / "yamls")
    table = proposal.table
    name = table[table["mode"] == "ts_grism"].iloc[0]["name"]
    (found,) = (tmp_path / "yamls").rglob(f"*{name}*.yaml")
    return found


def test_light_curves_of_ones_own(yaml_file):
    pytest.importorskip("h5py")
    light = np.array([[1.0, 1.0], [0.9, 0.8], [1.0, 1.0]])
    simulator = GrismTSO(
        yaml_file, lightcurves=light, lightcurve_times=[0.0, 1.0, 2.0], lightcurve_wavelengths=[3.0, 4.0]
    )
    exposure = OneExposure(yaml_file)
    simulator._check(exposure)
    (path,) = set(exposure.proposal.table[KIND])
    found = read_catalog(path, KIND)
    assert read_target(found).curves.endswith(".hdf5")
    assert found.magnitude("NIRCAM", "F444W", "GRISMR")[0] == 10.0


def test_spectra_of_a_file(yaml_file, tmp_path):
    (tmp_path / "s.hdf5").write_bytes(b"")
    exposure = OneExposure(yaml_file)
    GrismTSO(yaml_file, SED_file=tmp_path / "s.hdf5")._check(exposure)
    assert exposure.proposal.table["spectra"].iloc[0] == f"magnitudes {tmp_path}/s.hdf5"
    with pytest.raises(InputError, match="there is no file"):
        GrismTSO(yaml_file, SED_file=tmp_path / "t.hdf5")._check(exposure)
