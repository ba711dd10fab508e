"""The images and reference files of GR700XD: how wide a star is, what the files hold, when they are selected."""

from __future__ import annotations

import asdf
import numpy as np
import pytest
from astropy.io import fits

from mirage_dask.reference.builtin import psf_optics as optics
from mirage_dask.reference.builtin.cache import build_cache
from mirage_dask.reference.builtin.rules import SOSS_TYPES, recipes
from mirage_dask.reference.builtin.soss import files, psf
from mirage_dask.reference.crds.lookup import PIPELINE_TYPES, CrdsCache, question, recommend
from mirage_dask.reference.soss.orders import COMMANDED, builtin_orders
from mirage_dask.settings.row import row_of

ROW = {
    "name": "one",
    "detector": "NIS",
    "filter": "CLEAR",
    "pupil": "GR700XD",
    "subarray": "SUBSTRIP256",
    "readpatt": "NISRAPID",
    "exp_type": "NIS_SOSS",
    "namp": 1,
    "start_time": "2027-01-01T00:00:00",
}


@pytest.fixture
def flat_images(monkeypatch):
    """Images that are quick to make: boxes of 23 rows, a column wide."""
    rows = np.arange(-psf.REACH * 2, psf.REACH * 2 + 1) / 2
    columns = np.arange(-psf.HALF_COLUMNS * 2, psf.HALF_COLUMNS * 2 + 1) / 2
    one = np.outer(np.abs(rows) <= 11.5, np.exp(-0.5 * (columns / 0.7) ** 2))
    images = np.stack([one / one.sum() * 4] * psf.NODES).astype(np.float32)
    monkeypatch.setattr(psf, "soss_images", lambda: images)
    files._profiles.cache_clear()
    yield images
    files._profiles.cache_clear()


def test_a_star_is_23_rows_high():
    """At half of its light, and a pixel or two wide (Albert et al. 2023)."""
    height = optics.coordinates()[:, None]
    image = psf._image(0 * optics.pupil() + psf.CYLINDER * height**2, 1.5e-6, 0.0656, 0.02)
    across, along = image.sum(axis=1), image.sum(axis=0)
    assert np.count_nonzero(across > across.max() / 2) / 2 == pytest.approx(23, abs=1.5)
    assert np.count_nonzero(along > along.max() / 2) / 2 <= 2.5
    assert image.shape == (241, 129)


def test_images_go_on_to_all_rows():
    image = np.full((1, 241, 129), 1e-4, np.float32)
    found = psf.extended(image)
    assert found.shape == (1, 1025, 129)
    assert found.sum(dtype=float) == pytest.approx(4.0, rel=1e-5)
    assert found[0, 512 + 240, 3] == pytest.approx(found[0, 512 + 120, 3] / 4, rel=1e-3)


def test_polynomial_gives_the_wavelengths():
    """At any angle of the wheel within 0.01 pixel, as the pipeline evaluates it."""
    for order in builtin_orders():
        c = files._polynomial(order)
        terms = [(total - k, k) for total in range(files.DEGREE + 1) for k in range(total + 1)]
        column = np.linspace(100, 1900, 30)
        for angle in (COMMANDED - 0.1, COMMANDED, COMMANDED + 0.1):
            x, o = column / 2047, (angle - COMMANDED + 0.25) / 0.5
            wave = sum(a * x**i * o**j for a, (i, j) in zip(c, terms, strict=True))
            np.testing.assert_allclose(wave, order.turned(angle).wavelengths(column), atol=2e-5)


def test_traces_file(tmp_path):
    recipe = recipes()["jwst_niriss_pastasoss_nis-soss-nis-clear.asdf"]
    files.write_pastasoss(tmp_path / "a.asdf", recipe)
    with asdf.open(tmp_path / "a.asdf") as file:
        tree = file.tree
        assert tree["meta"]["pwcpos_bounds"] == [COMMANDED - 0.25, COMMANDED + 0.25]
        assert [t["spectral_order"] for t in tree["traces"]] == [1, 2]
        trace = np.array(tree["traces"][0]["trace"])
    np.testing.assert_allclose(trace[[10, 512, 1024], 1], [84.4, 63.7, 46.4], atol=0.06)


def test_wavelengths_of_pixels(tmp_path):
    files.write_traces(tmp_path / "a.asdf", recipes()["jwst_niriss_specwcs_nis-soss-nis.asdf"])
    with asdf.open(tmp_path / "a.asdf") as file:
        one, three = file.tree[1], file.tree[3]
        wave = one(np.array([1800.0, 2000.0]), np.array([1024.0, 1030.0]))
    np.testing.assert_allclose(wave, builtin_orders()[0].wavelengths(np.array([1024.0, 1030.0])), atol=3e-5)
    assert np.isnan(three(1800.0, 1024.0))


def test_profiles_are_light_across_the_trace(tmp_path, flat_images):
    files.write_profiles(
        tmp_path / "a.fits", recipes()["jwst_niriss_specprofile_nis-soss-clear-substrip96.fits"]
    )
    with fits.open(tmp_path / "a.fits") as hdus:
        orders = [hdu for hdu in hdus if hdu.name == "ORDER"]
        assert [hdu.header["ORDER"] for hdu in orders] == [1, 2]
        one = orders[0].data
    assert one.shape == (96, 2048)
    inside = one[:, 300:1700]
    np.testing.assert_allclose(inside.sum(axis=0), 1.0, atol=0.03)
    centre = (inside * np.arange(96)[:, None]).sum(axis=0) / inside.sum(axis=0)
    order = builtin_orders()[0]
    _, rows = order.place(order.wavelengths(np.arange(300.0, 1700.0)))
    np.testing.assert_allclose(centre, rows - 10, atol=0.1)


def test_kernels_are_light_along_the_trace(tmp_path, flat_images):
    files.write_kernels(tmp_path / "a.fits", recipes()["jwst_niriss_speckernel_nis-soss.fits"])
    with fits.open(tmp_path / "a.fits") as hdus:
        waves, kernels = hdus["WAVELENGTHS"].data.copy(), hdus["KERNELS"].data.copy()
        assert hdus["KERNELS"].header["HALFWIDT"] == files.KERNEL_HALF
    assert waves.shape == kernels.shape
    np.testing.assert_allclose(kernels.sum(axis=0), 1.0, rtol=1e-5)
    assert (np.diff(waves[0]) > 0).all()


def test_flux_comes_back(flat_images):
    """DN/s in a column of a flat spectrum, times the factor, is its flux."""
    order = builtin_orders()[0]
    wave, factor = files.inverse_response(order, gain=1.6)
    flux = 1e-15
    width = np.abs(np.gradient(wave, np.linspace(0, 2047, wave.size))) * 1e4
    counted = np.interp(wave, order.sample_wavelength, order.response) * flux * width / 1.6
    wanted = flux * (wave * 1e4) ** 2 / 2.99792458e18 / 1e-17
    np.testing.assert_allclose(counted[50:-50] * factor[50:-50], wanted[50:-50], rtol=2e-3)


@pytest.mark.parametrize(
    ("fields", "pastasoss", "specprofile"),
    [
        ({}, "nis-soss-nis-clear.asdf", "nis-soss-clear-substrip256.fits"),
        ({"subarray": "SUBSTRIP96"}, "nis-soss-nis-clear.asdf", "nis-soss-clear-substrip96.fits"),
        ({"filter": "F277W"}, "", ""),
        ({"subarray": "FULL"}, "nis-soss-nis-clear.asdf", ""),
        ({"filter": "GR150R", "pupil": "F150W", "exp_type": "NIS_WFSS"}, "", ""),
        ({"pupil": "F150W", "exp_type": "NIS_IMAGE"}, "", ""),
    ],
)
def test_selected_by_the_keywords_of_the_observatory(tmp_path, fields, pastasoss, specprofile):
    row = row_of(ROW | fields)
    (found,) = recommend([("one", question(row))], cache=CrdsCache.builtin(tmp_path), types=PIPELINE_TYPES)
    for kind, name in (("pastasoss", pastasoss), ("specprofile", specprofile)):
        assert found[kind] == (f"jwst_niriss_{kind}_{name}" if name else "N/A")
    assert (found["speckernel"] != "N/A") == (row.exp_type == "NIS_SOSS")
    if row.exp_type == "NIS_SOSS":
        assert found["specwcs"] == "jwst_niriss_specwcs_nis-soss-nis.asdf"
        assert found["photom"] == "jwst_niriss_photom_nis-soss-nis.fits"
        assert found["flat"].startswith("jwst_niriss_flat_nis-")
        assert found["flat"].endswith("gr700xd.fits")


def test_made_for_its_optics_alone(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "mirage_dask.reference.builtin.cache.build_files", lambda root, names, **_: asked.append(list(names))
    )
    build_cache(tmp_path, detectors=["NIS"], optics=[("F480M", "CLEARP")])
    build_cache(tmp_path, detectors=["NIS"], optics=[("CLEAR", "GR700XD")])
    few = [[name for name in names if any(f"_{kind}_" in name for kind in SOSS_TYPES)] for names in asked]
    assert few[0] == []
    assert len(few[1]) == 4
