"""Which built-in reference files CRDS selects for exposures with grisms, and that others are not touched."""

from __future__ import annotations

import numpy as np
import pytest
from crds import jwst as crds_jwst

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.builtin.cache import build_cache
from mirage_dask.reference.builtin.locations import mirage_data_directory
from mirage_dask.reference.builtin.rules import CONTEXT, DISPERSED, grism_optics, recipes, rules
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


def test_types_that_an_older_crds_does_not_list(monkeypatch):
    """crds 12 has no `bkg` in its list: an exposure of FGS, which has no such file, is told N/A nevertheless."""
    known = [kind for kind in crds_jwst.FILEKINDS if kind != "bkg"]
    monkeypatch.setattr(crds_jwst, "FILEKINDS", known)
    assert "'BKG' : 'N/A'," in rules.__wrapped__()["mappings/jwst/jwst_fgs_0001.imap"]


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


def test_rows_hold_what_they_hold_of_a_gaussian():
    from math import erf, sqrt

    from mirage_dask.reference.builtin.apertures.corrections import _REACH, part_in_rows

    sigma, ipc = 2.0, 0.006
    light = np.array([erf(reach / sigma / sqrt(2)) for reach in _REACH])
    for scale in (0.8, 1.0, 1.3):
        for rows, offset in ((3.0, 0.0), (11.0, 0.4), (11.0, -1.5), (3.0, 2.0)):
            # Coupling adds 2 ipc to the variance, in square pixels.
            width = np.hypot(sigma * scale, np.sqrt(2 * ipc)) * sqrt(2)
            wanted = 0.5 * (erf((rows / 2 + offset) / width) + erf((rows / 2 - offset) / width))
            found = part_in_rows(np.array(rows), np.array(offset), light, scale=scale, ipc=ipc)
            assert float(found) == pytest.approx(wanted, abs=2e-4)


@pytest.mark.parametrize("along_y", [False, True])
def test_rows_hold_what_the_image_of_a_star_has_there(along_y):
    """The sum over whole pixels of an image of the PSF, against the integral of its transfer function."""
    from mirage_dask.instruments import get_detector
    from mirage_dask.reference.builtin import psf_optics
    from mirage_dask.reference.builtin.apertures import integrals

    spec = get_detector("NIS")
    error = psf_optics.wavefront("NIS", spec.wavefront_rms)
    waves, about = np.array([1.5e-6]), {"pixel": spec.pixel_scale, "blur": 0.01}
    image = psf_optics.images(error, waves, count=4 * 401, step=spec.pixel_scale / 4, **about)
    # Four samples a pixel: every fourth from the middle of one pixel is a row of pixels, here of an even number of samples.
    profile = image.sum(axis=0 if along_y else 1) / 16
    centre = np.arange(profile.size) - 0.5 * (profile.size - 1)
    for rows in (3, 11, 41):
        reach = 0.5 * rows
        inside = np.clip(4 * reach - np.abs(centre) + 0.5, 0.0, 1.0)
        found = integrals.light_in_rows(
            np.array([reach * spec.pixel_scale]), error, waves, along_y=along_y, **about
        )
        # A strip of an image 401 pixels long lacks what lies beyond its ends, 0.2 %.
        assert float(found[0]) == pytest.approx(float((profile * inside).sum()), abs=3e-3)


def test_light_leaves_a_band_at_its_ends():
    from mirage_dask.reference.builtin.apertures.corrections import kept_in_band
    from mirage_dask.reference.grisms.builtin import builtin_configuration
    from mirage_dask.reference.grisms.trace_models import extracted_range

    away = np.arange(-150, 151)
    core, wide = (np.exp(-0.5 * (away / sigma) ** 2) for sigma in (1.0, 30.0))
    spread = np.stack([core / core.sum(), 0.98 * core / core.sum() + 0.02 * wide / wide.sum()])
    for optics, middle in (
        (("NIS", "F150W", "GR150R"), (1.0, 0.99)),
        (("NRCALONG", "F444W", "GRISMC"), (1.0, 1.0)),
    ):
        configuration = builtin_configuration(*optics)
        low, high = extracted_range(configuration.order(1))
        # The spectrum of NIRISS is 80 pixels long: four fifths of what is spread over 30 pixels stay in it.
        found = kept_in_band(configuration, np.array([0.5 * (low + high)]), spread)
        np.testing.assert_allclose(found[0], middle, atol=8e-3)
        assert found[0, 1] <= found[0, 0] + 1e-3
    inside = kept_in_band(builtin_configuration("NIS", "F150W", "GR150R"), np.array([1.345]), spread)
    assert inside[0, 0] < 0.99


@pytest.mark.parametrize("along_y", [False, True])
def test_light_along_rows_is_that_of_the_image(along_y):
    from mirage_dask.reference.builtin.apertures.energies import light_along_rows
    from mirage_dask.reference.builtin.psf import build_psf_library

    core = PsfLibrary.from_fits(
        *build_psf_library(mirage_data_directory(), detector="NIS", filter="CLEAR", pupil="F150W")
    )
    offset = np.arange(-20.0, 21.0)
    dx, dy = np.meshgrid(offset, offset)
    image = core.evaluate(1023.5 + dx, 1023.5 + dy, 1023.5, 1023.5)
    image = image if along_y else image.T
    wanted = image[:, 15:26].sum(axis=1)
    found = light_along_rows(np.array([11.0]), 20, detector="NIS", filter="CLEAR", pupil="F150W")[along_y][0]
    # One wavelength has darker and brighter rings than the filter's.
    np.testing.assert_allclose(found / found.sum(), wanted / wanted.sum(), atol=8e-3)


def test_flats_of_grisms_leave_the_area_out(tmp_path):
    """A pixel behind a grism has the light of sources; the simulation takes the same response from flats of both kinds."""
    from astropy.io import fits

    from mirage_dask.instruments import get_detector
    from mirage_dask.reference.builtin.cache import build_files
    from mirage_dask.reference.builtin.detector_maps import DetectorMaps
    from mirage_dask.reference.builtin.locations import reference_path
    from mirage_dask.reference.packs.planes import PlaneMaker

    names = {
        "image": "jwst_nircam_flat_nrca5-f444w-clear.fits",
        "grism": "jwst_nircam_flat_nrca5-f444w-grismr.fits",
        "gain": "jwst_nircam_gain_nrca5.fits",
        "area": "jwst_nircam_area_nrca5.fits",
        "mask": "jwst_nircam_mask_nrca5.fits",
    }
    root = build_files(None, names.values())
    paths = {kind: reference_path(root, name) for kind, name in names.items()}
    area = fits.getdata(paths["area"])
    assert np.ptp(area) > 0.02
    spec = get_detector("NRCA5")
    for kind, pupil in (("image", "CLEAR"), ("grism", "GRISMR")):
        files = {"flat": paths[kind]} | {k: paths[k] for k in ("gain", "area", "mask")}
        response = PlaneMaker(spec, files).response()
        wanted = DetectorMaps(spec).efficiency("F444W", pupil)
        assert fits.getheader(paths[kind]).get("FLATAREA", True) is (kind == "image")
        np.testing.assert_allclose(response, wanted, atol=4e-4)
