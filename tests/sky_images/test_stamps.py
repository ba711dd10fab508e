"""Images of extended sources: what is read from them, and what strangers' files are told."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from support.sky_pictures import wcs, write_fits

from mirage_dask.errors import InputError
from mirage_dask.scene import read_catalog
from mirage_dask.sky_images import fits_files
from mirage_dask.sky_images.stamps import ARCSEC, read_stamp
from mirage_dask.sky_images.tables import check_stamps

LIGHT = np.ones((5, 6), np.float32)


def test_scale_and_orientation_come_from_the_header(tmp_path):
    path = tmp_path / "a.fits"
    stamp = read_stamp(write_fits(path, LIGHT, wcs(10, 20, scale=0.05, crpix=(1, 1), turn=90.0)))
    np.testing.assert_allclose(stamp.scale, 0.05 * ARCSEC)
    np.testing.assert_allclose(stamp.axes, np.array([[1, 0], [0, 1]]) * 0.05 * ARCSEC, atol=1e-15)
    assert not stamp.flipped
    assert read_stamp(write_fits(path, LIGHT, wcs(10, 20, scale=0.05, crpix=(1, 1), mirror=True))).flipped
    for keywords in (
        {"PIXELSCL": 0.1},
        {"PIXSCALE": 0.1},
        {"PIXAR_A2": 0.01},
        {"CDELT1": -0.1, "CDELT2": 0.1, "CUNIT1": "arcsec", "CUNIT2": "arcsec"},
    ):
        stamp = read_stamp(write_fits(path, LIGHT, **keywords))
        np.testing.assert_allclose(stamp.scale, 0.1 * ARCSEC)
        assert stamp.axes is None
    assert read_stamp(write_fits(path, LIGHT)).scale is None
    galactic = wcs(10, 20, scale=0.05, crpix=(1, 1))
    galactic.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
    stamp = read_stamp(write_fits(path, LIGHT, galactic))
    assert stamp.axes is None
    assert stamp.scale is not None


def test_the_first_image_of_two_axes_is_taken(tmp_path):
    cube = fits.PrimaryHDU(np.ones((2, 3, 4), np.float32))
    table = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0])])
    compressed = fits.CompImageHDU(np.arange(64 * 64, dtype=np.int16).reshape(64, 64))
    fits.HDUList([cube, table, compressed]).writeto(tmp_path / "a.fits")
    assert read_stamp(tmp_path / "a.fits").total == 64 * 64 * (64 * 64 - 1) / 2
    path = tmp_path / "b.fits.gz"
    fits.PrimaryHDU(2 * LIGHT).writeto(path)
    assert read_stamp(path).total == 60


def test_what_does_not_count_is_counted(tmp_path):
    data = LIGHT.astype(">i2") * 3
    header = fits.Header({"BLANK": -1, "BSCALE": 0.5, "BZERO": 0.0})
    data[0, 0], data[1, 1] = -1, -4
    hdu = fits.PrimaryHDU(data)
    hdu.writeto(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update(header)
    stamp = read_stamp(tmp_path / "a.fits")
    assert (stamp.not_finite, stamp.negative) == (1, 1)
    assert stamp.total == 28 * 1.5 - 2.0


def endless_header() -> bytes:
    card = b"COMMENT ".ljust(80, b"x")
    return b"SIMPLE  =                    T".ljust(80) + card * (2 * fits_files.MOST_HEADER // 80)


def claim(*axes: int, bitpix: int = -32, rest: bytes = b"") -> bytes:
    """A header that says how large the data are, without data."""
    cards = [("SIMPLE", "T"), ("BITPIX", bitpix), ("NAXIS", len(axes))]
    cards += [(f"NAXIS{n}", size) for n, size in enumerate(axes, 1)]
    text = "".join(f"{name:<8}= {value!s:>20}".ljust(80) for name, value in cards) + "END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880).encode() + rest


def compressed_claim() -> bytes:
    """A compressed image that says that it is 10^6 x 10^6 pixels."""
    import io

    buffer = io.BytesIO()
    hdu = fits.CompImageHDU(np.zeros((64, 64), np.int16))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    content = buffer.getvalue()
    for axis in (1, 2):
        old = f"ZNAXIS{axis} = {64:>20}".encode()
        assert old in content
        content = content.replace(old, f"ZNAXIS{axis} = {10**6:>20}".encode())
    return content


def image(values: np.ndarray, **keywords: object) -> bytes:
    import io

    buffer = io.BytesIO()
    fits.PrimaryHDU(values, header=fits.Header(keywords)).writeto(buffer)
    return buffer.getvalue()


def bad_wcs() -> bytes:
    header = wcs(10, 20, scale=0.05, crpix=(1, 1)).to_header()
    header["CTYPE1"] = "RA---XYZ"
    return image(LIGHT, **dict(header))


BAD = {
    "missing": (None, "does not exist"),
    "text": (b"index x y\n1 2 3\n" * 400, "not a FITS file"),
    "empty": (b"", "not a FITS file"),
    "cut in its header": (image(LIGHT)[:2000], "ends inside its header"),
    "cut in its data": (image(np.ones((400, 400), np.float32))[:30000], "cannot be read"),
    "endless header": (endless_header(), "longer than 1 MB"),
    "huge": (claim(10**6, 10**6), "at most 8192"),
    "huge and compressed": (compressed_claim(), "at most 8192"),
    "negative axis": (claim(-5, 4), "an axis of -5"),
    "a cube": (image(np.ones((3, 4, 5), np.float32)), "3 axes"),
    "a spectrum": (image(np.ones(7, np.float32)), "1 axis"),
    "no image": (claim(), "no image"),
    "all blank": (image(np.full((4, 4), np.nan, np.float32)), "no pixel is above 0"),
    "all negative": (image(-LIGHT), "no pixel is above 0"),
    "scale of degrees": (image(LIGHT, PIXSCALE=3600.0), "a pixel is 3.6e\\+03 arcsec"),
    "projection": (bad_wcs(), "WCS cannot be used"),
    "gzip that is cut": (
        gzip.compress(image(np.ones((300, 300))))[:-200],
        "gzip file is damaged|cannot be read",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_one_sentence_with_file_and_remedy(tmp_path, kind):
    content, wanted = BAD[kind]
    path = tmp_path / "stamp.fits"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=wanted) as raised:
        read_stamp(path)
    [problem] = raised.value.problems
    assert problem.startswith(f"{path}: ")
    assert "\n" not in problem
    assert problem.endswith(".")


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(fits_files, "MOST_UNPACKED", 2**20)
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(gzip.compress(claim(1000, 1000, rest=bytes(2**22))))
    with pytest.raises(InputError, match="unpack it"):
        read_stamp(path)


def test_a_catalog_names_every_image_that_cannot_be_used(tmp_path):
    write_fits(tmp_path / "good.fits", LIGHT)
    write_fits(tmp_path / "dark.fits", np.array([[1.0, -3.0]], np.float32))
    path = tmp_path / "ext.cat"
    path.write_text(
        "x_or_RA y_or_Dec filename pos_angle magnitude\n1 1 good.fits 0 20\n1 1 none.fits 0 20\n1 1 dark.fits 0 21\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as raised:
        check_stamps(read_catalog(path, "extended"))
    assert len(raised.value.problems) == 2
    assert "none.fits" in str(raised.value)
    assert "dark.fits have no positive sum" in str(raised.value)
    path.write_text(
        path.read_text("utf-8").replace("none.fits", "good.fits").replace("21", "None"), encoding="utf-8"
    )
    assert Path(path).exists()
    assert len(check_stamps(read_catalog(path, "extended"))) == 2


def test_catalogs_of_images(tmp_path):
    path = tmp_path / "ext.cat"
    head = "x_or_RA y_or_Dec filename pos_angle nircam_f200w_magnitude\n"
    path.write_text(head + "1 1 a.fits None 20\n2 2 /b.fits 40 None\n", encoding="utf-8")
    catalog = read_catalog(path, "extended", optics=[("NIRCAM", "F200W", "CLEAR")])
    assert catalog.files == (str(tmp_path / "a.fits"), "/b.fits")
    np.testing.assert_array_equal(catalog.shapes["pos_angle"], [np.nan, 40])
    np.testing.assert_array_equal(catalog.magnitude("NIRCAM", "F200W"), [20, np.nan])
    with pytest.raises(InputError, match="no magnitude for NIRCAM F444W"):
        catalog.magnitude("NIRCAM", "F444W")
    path.write_text(head + "1 1 a.fits None bright\n2 2 None east None\n", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_catalog(path, "extended", optics=[("NIRCAM", "F200W", "CLEAR")])
    assert [("filename" in p, "pos_angle" in p, "magnitude" in p) for p in raised.value.problems] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    path.write_text("x_or_RA y_or_Dec filename pos_angle\n1 1 a.fits None\n", encoding="utf-8")
    assert np.isnan(read_catalog(path, "extended").magnitude("NIS", "F150W")).all()
    path.write_text("x_or_RA y_or_Dec file_name pos_angle\n1 1 a.fits None\n", encoding="utf-8")
    with pytest.raises(InputError, match="'filename' is missing; did you mean 'file_name'"):
        read_catalog(path, "extended")
