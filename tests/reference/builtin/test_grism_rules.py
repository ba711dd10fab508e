"""Which built-in reference files CRDS selects for exposures with grisms, and that others are not touched."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.reference.builtin.cache import build_cache
from mirage_dask.reference.builtin.rules import CONTEXT, DISPERSED, grism_optics, recipes
from mirage_dask.reference.crds.lookup import PIPELINE_TYPES, CrdsCache, question, recommend
from mirage_dask.reference.grisms.builtin import builtin_grisms
from mirage_dask.settings.row import row_of

IMAGE = {
    "name": "jw00001001001_02101_00001_nrcalong",
    "detector": "NRCALONG",
    "filter": "F444W",
    "pupil": "CLEAR",
    "subarray": "FULL",
    "readpatt": "RAPID",
    "exp_type": "NRC_IMAGE",
    "namp": 4,
    "start_time": "2027-07-01T12:00:00",
}
NIRISS = {"detector": "NIS", "readpatt": "NISRAPID"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> CrdsCache:
    """Mappings only."""
    return CrdsCache.builtin(tmp_path_factory.mktemp("crds"))


def _asked(cache: CrdsCache, **changes: object) -> dict[str, str]:
    row = row_of(IMAGE | changes)
    return recommend([("x", question(row))], cache=cache, types=PIPELINE_TYPES)[0]


def test_an_exposure_with_a_grism_of_nircam(cache):
    found = _asked(cache, pupil="GRISMR", exp_type="NRC_WFSS")
    assert found["specwcs"] == "jwst_nircam_specwcs_nrc-wfss-nrca5-f444w-grismr.asdf"
    assert found["bkg"] == "jwst_nircam_bkg_nrc-wfss-nrca5-f444w-grismr.fits"
    assert found["photom"] == "jwst_nircam_photom_nrc-wfss-nrca5.fits"
    assert found["wavelengthrange"] == "jwst_nircam_wavelengthrange_nrc-wfss.asdf"
    assert found["flat"] == "jwst_nircam_flat_nrca5-f444w-grismr.fits"
    assert found["apcorr"] == "jwst_nircam_apcorr_nrc-wfss.fits"
    assert found["area"] == "jwst_nircam_area_nrca5.fits"


def test_an_exposure_with_a_grism_of_niriss(cache):
    found = _asked(cache, **NIRISS, filter="GR150C", pupil="F115W", exp_type="NIS_WFSS")
    assert found["specwcs"] == "jwst_niriss_specwcs_nis-wfss-nis-gr150c-f115w.asdf"
    assert found["bkg"] == "jwst_niriss_bkg_nis-wfss-nis-gr150c-f115w.fits"
    assert found["photom"] == "jwst_niriss_photom_nis-wfss-nis.fits"
    assert found["apcorr"] == "jwst_niriss_apcorr_nis-wfss.fits"


@pytest.mark.parametrize(
    "changes", [{}, NIRISS | {"filter": "CLEAR", "pupil": "F115W", "exp_type": "NIS_IMAGE"}]
)
def test_images_have_what_they_had(cache, changes):
    found = _asked(cache, **changes)
    assert [found[kind] for kind in DISPERSED] == ["N/A"] * len(DISPERSED)
    assert "wfss" not in " ".join(found.values())
    assert found["apcorr"].endswith("_apcorr_all.fits")


def test_every_configuration_has_its_files():
    assert CONTEXT == "jwst_0001.pmap"
    assert len(grism_optics()) == len(builtin_grisms())
    traces = [r for r in recipes().values() if r.kind == "specwcs" and r.exp_type != "NIS_SOSS"]
    assert {(r.detector, r.filter, r.pupil) for r in traces} == set(grism_optics())


def test_a_cache_for_images_has_no_file_of_grisms(monkeypatch):
    """What is not asked for is not made: a first use of the package does not become slower."""
    asked: list[str] = []
    monkeypatch.setattr(
        "mirage_dask.reference.builtin.cache.build_files", lambda _root, names, progress: asked.extend(names)
    )
    build_cache(detectors=["NRCALONG"], optics=[("F444W", "CLEAR")])
    assert not [name for name in asked if "wfss" in name or "grism" in name]
    images = len(asked)
    build_cache(detectors=["NRCALONG"], optics=[("F444W", "GRISMR")])
    assert sorted(name.split("_")[2] for name in asked[images:] if "wfss" in name) == [
        "apcorr",
        "bkg",
        "photom",
        "specwcs",
        "wavelengthrange",
    ]


def test_rows_hold_what_circles_say():
    """Light that lies as a round Gaussian: its part within rows is known."""
    from math import erf, sqrt

    from mirage_dask.reference.builtin.aperture_corrections import _GRID, slit_fraction

    sigma = 2.0
    energy = 1.0 - np.exp(-0.5 * (_GRID / sigma) ** 2)
    rows = np.array([3.0, 5.0, 11.0])
    for scale in (0.8, 1.0, 1.3):
        spread = np.hypot(sigma * scale, 0.28)  # the star is anywhere in its row
        wanted = [erf(n / 2 / spread / sqrt(2)) for n in rows]
        np.testing.assert_allclose(slit_fraction(rows, energy, scale), wanted, atol=0.006)
