"""FITS files read by zarr and xarray through references to their bytes: the values that astropy reads."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from mirage_dask.cli import main
from mirage_dask.errors import InputError
from mirage_dask.executed.images import read_images
from mirage_dask.executed.virtual_zarr import virtual_zarr

ROOT = "jw01234002001_03101_00002_nrcblong"


def uncal(folder: Path, name: str = f"{ROOT}_uncal.fits") -> Path:
    """Write a raw file with a table between its images, and reference output of another size."""
    rng = np.random.default_rng(5)
    primary = fits.PrimaryHDU()
    primary.header["DETECTOR"] = "NRCBLONG"
    science = fits.ImageHDU(rng.integers(0, 65536, (2, 3, 16, 8), dtype=np.uint16), name="SCI")
    science.header["CRVAL1"] = 53.1
    table = fits.BinTableHDU.from_columns([fits.Column("n", "J", array=np.arange(7))], name="GROUP")
    frames = fits.ImageHDU(rng.integers(0, 65536, (2, 16, 8), dtype=np.uint16), name="ZEROFRAME")
    other = fits.ImageHDU(rng.normal(size=(2, 3, 16, 4)).astype(np.float32), name="REFOUT")
    fits.HDUList([primary, science, table, frames, other]).writeto(folder / name)
    return folder / name


def cal(folder: Path) -> Path:
    """Write a calibrated file."""
    rng = np.random.default_rng(6)
    images = [
        fits.ImageHDU(rng.normal(size=(16, 8)).astype(np.float32), name="SCI"),
        fits.ImageHDU(rng.integers(0, 2**32, (16, 8), dtype=np.uint32), name="DQ"),
        fits.ImageHDU(rng.normal(size=(16, 8)), name="SCI", ver=2),
    ]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(folder / f"{ROOT}_cal.fits")
    return folder / f"{ROOT}_cal.fits"


def opened(document: Path, group: str) -> xr.Dataset:
    options = {"storage_options": {"fo": str(document)}}
    return xr.open_dataset("reference://", engine="zarr", chunks={}, group=group, backend_kwargs=options)


def test_values_are_those_of_the_files(tmp_path):
    first, second, document = uncal(tmp_path), cal(tmp_path), tmp_path / "all.json"
    assert virtual_zarr(tmp_path, document) == json.loads(document.read_text())
    for path, count in ((first, 3), (second, 3)):
        found = opened(document, path.stem)
        assert len(found.data_vars) == count
        with fits.open(path) as hdus:
            for name in found.data_vars:
                key = (name[:-2], 2) if name.endswith("_2") else name
                assert np.array_equal(found[name].values, hdus[key].data)
                assert found[name].dtype.newbyteorder("=") == hdus[key].data.dtype.newbyteorder("=")
    raw = opened(document, first.stem)
    assert raw.SCI.dims == ("integration", "group", "y", "x")
    assert raw.ZEROFRAME.dims == ("integration", "y", "x")
    assert raw.REFOUT.dims == ("integration", "group", "y", "REFOUT_x")
    assert raw.SCI.data.chunksize == (1, 1, 16, 8)
    assert raw.attrs["DETECTOR"] == "NRCBLONG"
    assert raw.SCI.attrs["CRVAL1"] == 53.1
    options = {"storage_options": {"fo": str(document)}}
    tree = xr.open_datatree("reference://", engine="zarr", chunks={}, backend_kwargs=options)
    assert set(tree.children) == {first.stem, second.stem}


def test_references_lie_within_the_images(tmp_path):
    path = uncal(tmp_path)
    refs = virtual_zarr(path)["refs"]
    _, images = read_images(str(path))
    chunks = [entry for entry in refs.values() if isinstance(entry, list)]
    assert sum(size for _, _, size in chunks) == sum(image.size for image in images)
    assert {name for name, _, _ in chunks} == {str(path)}
    assert max(start + size for _, start, size in chunks) <= path.stat().st_size
    assert images[0].size == 2 * math.prod((2, 3, 16, 8))


def test_all_problems_at_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    short = uncal(tmp_path, "jw1_uncal.fits")
    short.write_bytes(short.read_bytes()[:-8000])
    (tmp_path / "jw2_uncal.fits").write_text("no FITS")
    scaled = fits.ImageHDU(np.zeros((4, 4), np.int16), name="SCI")
    scaled.header["BZERO"], scaled.header["BSCALE"] = 3.0, 0.5
    scaled.writeto(tmp_path / "jw3_cal.fits", output_verify="ignore")
    uncal(tmp_path / "a")
    uncal(tmp_path / "b")
    with pytest.raises(InputError) as error:
        virtual_zarr(tmp_path, tmp_path / "out.json")
    text = str(error.value)
    assert "jw1_uncal.fits: the images cannot be found: it ends too early; get the file again." in text
    assert "jw2_uncal.fits: the images cannot be found: it is not a FITS file" in text
    assert "jw3_cal.fits: the images cannot be found: the image SCI is scaled (BSCALE 0.5, BZERO 3.0)" in text
    assert f"{tmp_path}/a/{ROOT}_uncal.fits, {tmp_path}/b/{ROOT}_uncal.fits: files of the same name" in text
    assert len(error.value.problems) == 4
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("card", "value"),
    [("NAXIS1", -5), ("NAXIS", 1000), ("BITPIX", 12), ("NAXIS2", 10**12), ("PCOUNT", -(10**9))],
)
def test_headers_that_lie_are_told(tmp_path, card, value):
    path = cal(tmp_path)
    with fits.open(path, mode="update", output_verify="ignore") as hdus:
        at = hdus["SCI", 1].fileinfo()["hdrLoc"]
    content = bytearray(path.read_bytes())
    place = content.index(card.ljust(8).encode(), at)
    content[place : place + 80] = f"{card.ljust(8)}= {value:>20}".ljust(80).encode()
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="the images cannot be found"):
        virtual_zarr(path)


def test_the_command(tmp_path, capsys):
    path, document = uncal(tmp_path), tmp_path / "one.json"
    assert main(["virtual", str(path), "--out", str(document)]) == 0
    assert "3 images of 1 file;" in capsys.readouterr().err
    assert opened(document, path.stem).SCI.shape == (2, 3, 16, 8)
    assert main(["virtual", str(tmp_path / "none_uncal.fits"), "--out", str(document)]) == 2
