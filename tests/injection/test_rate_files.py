"""Sources in count rates and calibrated images: what is added, to which unit, and with which variance."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from support.injected import GAIN, NAME, STARS, observed, rate_file, star_catalog

import mirage_dask as md
from mirage_dask.injection import exposures
from mirage_dask.reference.builtin.locations import reference_path
from mirage_dask.reference.crds.lookup import CrdsCache

PHOTMJSR = 2.5


@pytest.fixture(scope="module")
def uncal(tmp_path_factory):
    (path,) = observed(tmp_path_factory.mktemp("observed")).glob("*.fits")
    return path


@pytest.fixture(scope="module")
def add(uncal, tmp_path_factory):
    """Return a function that adds stars to a file of a level, and returns the HDUs of the copy, and the truth."""
    place = tmp_path_factory.mktemp("levels")
    catalog = star_catalog(place / "stars.cat")

    def added(level: str, folder: str = "", **cards) -> tuple[fits.HDUList, Table]:
        path = rate_file(place / (level + folder) / f"{NAME}_{level}.fits", uncal, **cards)
        program = md.open_exposures(path, settings={"catalogs": {"point_source": str(catalog)}})
        report = program.inject(place / f"{level}{folder}_out", progress=False)
        assert report.ok, report.failed
        with fits.open(report.made[0], memmap=False) as hdus:
            for hdu in hdus:
                assert hdu.data is None or hdu.data.size
        return hdus, Table.read(f"{report.folder}/{NAME}_injected.ecsv")

    return added


def _of_star(image, number):
    x, y, _ = STARS[number]
    return image[..., int(y) - 30 : int(y) + 31, int(x) - 30 : int(x) + 31]


def test_a_rate_gets_the_rate_of_the_sources(add):
    hdus, truth = add("rate")
    added = hdus["SCI"].data - 1
    for number, row in enumerate(truth):
        if number == 1:
            continue  # a pixel of it is NaN
        sigma = np.sqrt(row["rate"] / 25)
        assert _of_star(added, number).sum() * GAIN == pytest.approx(
            row["rate"], abs=3 * sigma + 0.03 * row["rate"]
        )
    assert np.isnan(hdus["SCI"].data).sum() == 1
    assert (hdus["DQ"].data == 7).all()


def test_variances_are_those_of_the_photons(add):
    hdus, _ = add("rateints")
    added, variance = hdus["SCI"].data - 1, hdus["VAR_POISSON"].data - 0.01
    assert added.shape == (2, 400, 400)
    bright = added[0] > 20
    seconds = 7 * 1.65832
    np.testing.assert_allclose(variance[0][bright], added[0][bright] / GAIN / seconds, rtol=0.02)
    np.testing.assert_allclose(hdus["ERR"].data ** 2 - 0.01, variance, rtol=0.01, atol=1e-4)
    assert (added[0] != added[1]).any()  # photons of their own


def test_a_rate_is_the_mean_of_its_integrations(add):
    one, _ = add("rate", "_again")
    each, _ = add("rateints", "_again")
    np.testing.assert_allclose(one["SCI"].data, each["SCI"].data.mean(0), rtol=1e-5, atol=1e-5)


def test_a_calibrated_image_gets_mega_janskys(add):
    rate, _ = add("rate", "_for_cal")
    calibrated, _ = add("cal", unit="MJy/sr", PHOTMJSR=PHOTMJSR)
    ratio = _of_star(calibrated["SCI"].data - 1, 0).sum() / _of_star(rate["SCI"].data - 1, 0).sum()
    assert ratio == pytest.approx(PHOTMJSR, rel=0.1)  # over the flat field around it
    assert (calibrated["SCI"].data[np.isfinite(calibrated["SCI"].data)] >= 0.9).all()


def test_a_calibrated_image_is_divided_by_the_flat_field_of_the_pipeline(add):
    """By the file, that is, which holds the relative area of the pixels."""
    rate, _ = add("rate", "_for_flat")
    calibrated, _ = add("cal", "_for_flat", unit="MJy/sr", PHOTMJSR=PHOTMJSR)
    header = calibrated[0].header
    corner = np.s_[header["SUBSTRT2"] - 1 :, header["SUBSTRT1"] - 1 :]
    flat, area = (
        fits.getdata(reference_path(CrdsCache.builtin().root, f"jwst_nircam_{name}.fits"))[corner][:400, :400]
        for name in ("flat_nrcb1-f150w-clear", "area_nrcb1")
    )
    bright = rate["SCI"].data > 5
    assert bright.sum() > 20
    assert np.abs(area[bright] - 1).max() > 0.005
    added = (image["SCI"].data[bright] - 1.0 for image in (rate, calibrated))
    np.testing.assert_allclose(PHOTMJSR * next(added) / next(added), flat[bright], rtol=1e-5)


def test_windows_give_the_same_values(add, monkeypatch):
    whole, _ = add("rate", "_whole")
    monkeypatch.setattr(exposures, "WINDOW_BYTES", 20_000)
    parts, _ = add("rate", "_parts")
    np.testing.assert_array_equal(whole["SCI"].data, parts["SCI"].data)
