"""Which files are read, and what is said of those that cannot be."""

from __future__ import annotations

import pytest
from astropy.io import fits
from support.executed_files import NAME, write_headers

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.executed import exposure_files, read_keywords


def test_headers_are_read_as_astropy_reads_them(tmp_path):
    path = write_headers(tmp_path / f"{NAME}_uncal.fits", TITLE="A title of more than one card " * 5)
    found = read_keywords(str(path))
    with fits.open(path) as hdus:
        for header in (hdus[0].header, hdus["SCI"].header):
            for key in ("TITLE", "RA_REF", "FILTER", "NGROUPS"):
                assert key not in header or found[key] == header[key]


def test_only_headers_are_read(tmp_path):
    """What follows them may be missing: a file of the archive that is still being copied has its row."""
    path = write_headers(tmp_path / f"{NAME}_uncal.fits")
    data = path.read_bytes()
    with fits.open(path) as hdus:
        hdus["SCI"].header["NAXIS1"] = 2048
    path.write_bytes(data + b"\0" * 2880)
    assert read_keywords(str(path))["RA_REF"] == 53.12


def test_a_folder_a_pattern_and_names_are_the_same(tmp_path):
    path = write_headers(tmp_path / "deep" / f"{NAME}_uncal.fits")
    write_headers(tmp_path / "deep" / f"{NAME}_i2d.fits")
    for given in (tmp_path, f"{tmp_path}/**/*_uncal.fits", path, [path], f"file://{path}"):
        assert exposure_files(given) == [str(path)]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("empty", "the folder has no file of an exposure"),
        ("nowhere.fits", "there is no such file"),
        ("*_uncal.fits", "there is no such file"),
        ([], "No file is given"),
    ],
)
def test_no_files(tmp_path, given, sentence):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=sentence):
        md.open_exposures([str(tmp_path / name) for name in given] if given == [] else tmp_path / given)


def test_all_files_that_cannot_be_read_are_told_together(tmp_path):
    good = write_headers(tmp_path / f"{NAME}_uncal.fits")
    changes = {
        "hst": {"TELESCOP": "HST"},
        "nobody": {"TELESCOP": None},
        "typeless": {"EXP_TYPE": None},
        "undated": {"DATE__OBS": None},
        "misdated": {"DATE__OBS": "last night"},
    }
    for number, (folder, change) in enumerate(changes.items()):
        write_headers(tmp_path / folder / f"{NAME.replace('00002', f'1000{number}')}_uncal.fits", **change)
    write_headers(tmp_path / "named" / "best_uncal.fits")
    (tmp_path / "text_uncal.fits").write_text("not FITS")
    (tmp_path / "cut_uncal.fits").write_bytes(good.read_bytes()[:1600])
    (tmp_path / "endless_uncal.fits").write_bytes(good.read_bytes()[:1600] + b"COMMENT ".ljust(80) * 40_000)
    (tmp_path / "odd_uncal.fits").write_bytes(good.read_bytes().replace(b"F444W", b"F444\xff"))
    with pytest.raises(InputError) as caught:
        md.open_exposures(tmp_path)
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 10
    for sentence in (
        "TELESCOP is HST, not JWST", "TELESCOP is missing", "the header has no EXP_TYPE", "the header has no DATE-OBS",
        "DATE-OBS", "best_uncal.fits: neither FILENAME nor the name", "text_uncal.fits: the headers cannot be read: it is "
        "not a FITS file", "cut_uncal.fits: the headers cannot be read: a header has no end",
        "endless_uncal.fits: the headers cannot be read: a header has no end", "odd_uncal.fits: the headers cannot be read",
    ):  # fmt: skip
        assert sentence in text
