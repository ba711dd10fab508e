"""What is said of files that sources cannot be added to."""

from __future__ import annotations

import pytest
from astropy.io import fits
from support.injected import NAME, observed, rate_file, star_catalog

import mirage_dask as md
from mirage_dask.errors import InputError


@pytest.fixture(scope="module")
def uncal(tmp_path_factory):
    (path,) = observed(tmp_path_factory.mktemp("observed")).glob("*.fits")
    return path


def _inject(path, folder, **arguments):
    catalog = star_catalog(folder / "stars.cat")
    program = md.open_exposures(path, settings={"catalogs": {"point_source": str(catalog)}})
    return program.inject(folder / "out", progress=False, **arguments)


def _changed(uncal, path, change):
    path.parent.mkdir(exist_ok=True)
    with fits.open(uncal) as hdus:
        change(hdus)
        hdus.writeto(path)
    return path


@pytest.mark.parametrize(
    ("level", "cards", "sentence"),
    [
        ("cal", {"unit": "DN/s"}, "its BUNIT is DN/s"),
        ("cal", {"unit": "MJy/sr"}, "its PHOTMJSR None"),
        ("cal", {"unit": "MJy/sr", "PHOTMJSR": -1.0}, "its PHOTMJSR -1.0"),
    ],
)
def test_calibrated_images_in_other_units(uncal, tmp_path, level, cards, sentence):
    report = _inject(rate_file(tmp_path / "in" / f"{NAME}_{level}.fits", uncal, **cards), tmp_path)
    assert not report.ok
    assert sentence in report.failed[0][1]
    assert not list((tmp_path / "out").glob("*.fits"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda hdus: hdus.__delitem__("SCI"), "there is no extension SCI"),
        (
            lambda hdus: hdus["SCI"].__setattr__("data", hdus["SCI"].data[:, :3]),
            "SCI has the shape (2, 3, 400, 400)",
        ),
        (
            lambda hdus: hdus["SCI"].__setattr__("data", hdus["SCI"].data.astype("f4")),
            "no unsigned 16-bit integers",
        ),
        (lambda hdus: hdus[0].header.set("INTEND", 9), "INTSTART 1 and INTEND 9"),
    ],
)
def test_raw_files_that_do_not_fit(uncal, tmp_path, change, sentence):
    report = _inject(_changed(uncal, tmp_path / "in" / uncal.name, change), tmp_path)
    assert sentence in report.failed[0][1]
    assert not list((tmp_path / "out").glob("*.fits"))


def test_a_file_is_not_replaced_by_its_copy(uncal, tmp_path):
    catalog = star_catalog(tmp_path / "stars.cat")
    program = md.open_exposures(uncal, settings={"catalogs": {"point_source": str(catalog)}})
    with pytest.raises(InputError, match="it would be replaced by its copy"):
        program.inject(uncal.parent, progress=False)


def test_a_folder_that_cannot_be_made(uncal, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="the folder cannot be made"):
        _inject(uncal, tmp_path)


def test_nothing_to_simulate_is_told(uncal, tmp_path):
    def moving(hdus):
        hdus[0].header["TARGTYPE"] = "MOVING"

    with pytest.raises(InputError, match="moves and its track is not given"):
        _inject(_changed(uncal, tmp_path / "in" / uncal.name, moving), tmp_path)
