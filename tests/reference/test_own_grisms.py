"""Reference files of the user's own configurations of grisms take the place of the built-in ones of the same names."""

from __future__ import annotations

import asdf
import numpy as np
import pytest
from astropy.io import fits
from support.grisms import write_configuration

from mirage_dask.reference.builtin.locations import reference_path
from mirage_dask.reference.builtin.rules import grism_optics, recipes
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.reference.own_grisms import write_grism_references

OPTICS = ("NIS", "GR150R", "F150W")


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> GrismConfiguration:
    folder = tmp_path_factory.mktemp("niriss")
    return read_configuration(write_configuration(folder, "NIRISS_F150W_GR150R"), gain=1.61)


@pytest.fixture(scope="module")
def written(own, tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    return root, write_grism_references(root, {OPTICS: own})


def test_the_files_are_those_that_follow(written):
    root, paths = written
    assert sorted(path.name for path in paths) == [
        "jwst_niriss_apcorr_nis-wfss.fits",
        "jwst_niriss_bkg_nis-wfss-nis-gr150r-f150w.fits",
        "jwst_niriss_photom_nis-wfss-nis.fits",
        "jwst_niriss_specwcs_nis-wfss-nis-gr150r-f150w.asdf",
        "jwst_niriss_wavelengthrange_nis-wfss.asdf",
    ]
    assert all(path.name in recipes() and path == reference_path(root, path.name) for path in paths)


def test_sensitivities_are_the_user_s_and_built_in_ones_of_the_rest(written, own):
    root, _ = written
    rows = fits.getdata(reference_path(root, "jwst_niriss_photom_nis-wfss-nis.fits"), 1)
    assert {(row["filter"], row["pupil"]) for row in rows} == {
        place[1:] for place in grism_optics() if place[0] == "NIS"
    }
    factors = []
    for optics, configuration in (
        (OPTICS, own),
        (("NIS", "GR150C", "F150W"), builtin_configuration("NIS", "F150W", "GR150C")),
    ):
        row = next(r for r in rows if (r["filter"], r["pupil"], r["order"]) == (*optics[1:], 1))
        at = np.linspace(1.4, 1.6, 5)
        relative = np.interp(at, row["wavelength"], row["relresponse"])
        factors.append(relative * configuration.order(1).respond(at) / at**2)
    np.testing.assert_allclose(factors[0] / factors[0][0], 1.0, rtol=2e-3)
    np.testing.assert_allclose(factors[0], factors[1], rtol=2e-3)


def test_traces_hold_where_the_wheel_was(written, own):
    """The simulation leaves the wheel where the configuration has it, and the header says that it is where it always is."""
    root, _ = written
    with asdf.open(reference_path(root, "jwst_niriss_specwcs_nis-wfss-nis-gr150r-f150w.asdf")) as file:
        assert file["fwcpos_ref"] == pytest.approx(33.5667)
        assert list(file["orders"]) == [o.order for o in own.orders]
