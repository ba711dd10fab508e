"""Large images of the sky: FITS, Zarr and ASDF are read alike, in parts; what strangers' files are told."""

from __future__ import annotations

import json
from pathlib import Path

import asdf
import numpy as np
import pytest
import zarr
from astropy.io import fits
from support.sky_pictures import wcs, write_fits

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.pointing import radec_to_unit
from mirage_dask.scene.image_tables import ImagePart
from mirage_dask.scene.images.meshes import PART, STEP
from mirage_dask.sky_images.cutting import SceneCutter
from mirage_dask.sky_images.scenes import open_scene
from mirage_dask.sky_images.units import electrons_per_value, known_units

HERE = wcs(150.0, 2.0, scale=0.03, crpix=(300.5, 200.5), turn=20.0)
LIGHT = np.random.default_rng(5).uniform(-1, 5, (410, 613)).astype(np.float32)


def zarr_image(path: Path, values: np.ndarray = LIGHT, *, chunks=(100, 200), **attributes: object) -> Path:
    """An image with a WCS in its attributes."""
    array = zarr.create_array(str(path), shape=values.shape, dtype=values.dtype, chunks=chunks)
    array[:] = values
    array.attrs.update(dict(HERE.to_header()) | attributes)
    return path


def gwcs_of(header_wcs):
    """The same WCS as a gwcs."""
    from astropy import coordinates, units
    from astropy.modeling import models
    from gwcs import coordinate_frames as frames
    from gwcs.wcs import WCS

    crpix, cd = header_wcs.wcs.crpix - 1, header_wcs.wcs.cd
    transform = models.Shift(-crpix[0]) & models.Shift(-crpix[1])
    transform |= models.AffineTransformation2D(cd)
    transform |= models.Pix2Sky_TAN() | models.RotateNative2Celestial(*header_wcs.wcs.crval, 180.0)
    pixels = frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = frames.CelestialFrame(name="sky", reference_frame=coordinates.ICRS(), unit=(units.deg, units.deg))
    return WCS([(pixels, transform), (sky, None)])


def images(folder: Path) -> dict[str, Path]:
    tree = {"data": LIGHT, "wcs": gwcs_of(HERE), "unit": "MJy/sr"}
    asdf.AsdfFile(tree).write_to(folder / "a.asdf")
    compressed = fits.CompImageHDU(
        LIGHT, header=HERE.to_header(), quantize_level=0.0, compression_type="GZIP_1"
    )
    compressed.header["BUNIT"] = "MJy/sr"
    compressed.writeto(folder / "c.fits")
    return {
        "FITS": write_fits(folder / "a.fits", LIGHT, HERE, BUNIT="MJy/sr"),
        "compressed": folder / "c.fits",
        "Zarr": zarr_image(folder / "a.zarr", BUNIT="MJy/sr", remark={"x": 1}, too_long_a_name=3),
        "ASDF": folder / "a.asdf",
    }


def test_formats_are_read_alike(tmp_path):
    for kind, path in images(tmp_path).items():
        with open_scene(path) as image:
            assert image.shape == LIGHT.shape, kind
            assert np.array_equal(image.read(slice(30, 90), slice(100, 613)), LIGHT[30:90, 100:613]), kind
            assert known_units(path, "", image.unit) == "MJy/sr", kind
            x, y = np.array([10.0, 500.0]), np.array([400.0, 3.0])
            found = np.array(image.to_sky(x, y)).T
            np.testing.assert_allclose(
                found, HERE.all_pix2world(np.stack([x, y], 1), 0), atol=1e-10, err_msg=kind
            )


def test_a_brightness_is_multiplied_by_the_area_of_pixels_and_parts_are_whole(tmp_path):
    data = np.ones((PART + 70, PART + 30), np.float32)
    data[:PART, PART:] = 0
    data[PART:, :PART] = [[np.nan]]
    path = write_fits(tmp_path / "a.fits", data, HERE)
    with open_scene(path) as image:
        cutter = SceneCutter(image, str(tmp_path / "tables"), True)
        keys = dict.fromkeys(np.ndindex(2, 2))
        for place in keys:
            cutter._read([place])
    assert cutter.not_finite == 70 * PART
    assert [bool(cutter._keys[place]) for place in sorted(keys)] == [True, False, False, True]
    part = ImagePart.load(tmp_path / "tables", cutter._keys[1, 1]).pixels
    assert part.shape == (70, 30)
    np.testing.assert_allclose(part, (0.03 / 3600 * np.pi / 180) ** 2, rtol=1e-5)
    y, x = (np.arange(n) * STEP - 0.5 for n in cutter.units.shape[:2])
    corner = HERE.all_pix2world([[x[1], y[2]]], 0)[0]
    np.testing.assert_allclose(cutter.units[2, 1], radec_to_unit(*corner)[0], atol=1e-14)


def test_units(tmp_path):
    zeropoint = get_zeropoint("NRCB1", "F200W", "CLEAR")
    assert electrons_per_value("e-/s", zeropoint) == 1.0
    assert electrons_per_value("DN/s", zeropoint) == zeropoint.gain
    ratio = electrons_per_value("uJy", zeropoint) / electrons_per_value("nJy", zeropoint)
    assert ratio == pytest.approx(1000.0)
    # AB magnitude 23.9 is one microjansky.
    expected = 10 ** (-0.4 * (23.9 + 48.6)) / zeropoint.photfnu_e
    assert electrons_per_value("uJy", zeropoint) == pytest.approx(expected, rel=2e-3)
    for written, unit in (
        ("MJy / sr", "MJy/sr"),
        ("nJy/pixel", "nJy"),
        ("ELECTRONS/S", "e-/s"),
        ("DN/s", "DN/s"),
    ):
        assert known_units(tmp_path, "", written) == unit
    assert known_units(tmp_path, "nJy", "MJy/sr") == "nJy"
    for written in ("", "erg/s/cm2", "kJy/sr"):
        with pytest.raises(InputError, match="give them, scene_image"):
            known_units(tmp_path, "", written)


def old_zarr(path: Path) -> None:
    path.mkdir()
    (path / ".zarray").write_text("{}", encoding="utf-8")


def pickled(path: Path) -> None:
    zarr_image(path)
    document = json.loads((path / "zarr.json").read_text("utf-8"))
    document["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    (path / "zarr.json").write_text(json.dumps(document), encoding="utf-8")


def one_chunk(path: Path) -> None:
    array = zarr.create_array(str(path), shape=(20000, 20000), dtype="f4", chunks=(20000, 20000))
    array.attrs.update(dict(HERE.to_header()))


def cube(path: Path) -> None:
    array = zarr.create_array(str(path), shape=(3, 20, 20), dtype="f4", chunks=(1, 20, 20))
    array.attrs.update(dict(HERE.to_header()))


def no_wcs(path: Path) -> None:
    zarr.create_array(str(path), shape=(20, 20), dtype="f4", chunks=(20, 20))


BAD_FOLDERS = {
    "a folder": (Path.mkdir, "no Zarr array of version 3"),
    "version 2": (old_zarr, "version 2 is not read"),
    "a codec that runs what it reads": (pickled, "codecs that are not opened"),
    "one chunk": (one_chunk, "in chunks of 1024 x 1024"),
    "a cube": (cube, "two axes"),
    "no WCS": (no_wcs, "no WCS of the sky"),
}


@pytest.mark.parametrize("kind", BAD_FOLDERS)
def test_a_bad_zarr_array_is_one_sentence(tmp_path, kind):
    make, wanted = BAD_FOLDERS[kind]
    path = tmp_path / "image.zarr"
    make(path)
    with pytest.raises(InputError, match=wanted) as raised, open_scene(path):
        pass
    [problem] = raised.value.problems
    assert str(path) in problem
    assert "simulate the exposure" not in problem


def test_bad_files_are_one_sentence(tmp_path):
    write_fits(tmp_path / "no_wcs.fits", LIGHT)
    asdf.AsdfFile({"data": LIGHT}).write_to(tmp_path / "no_wcs.asdf")
    asdf.AsdfFile({"data": LIGHT, "wcs": gwcs_of(HERE)}).write_to(
        tmp_path / "zip.asdf", all_array_compression="zlib"
    )
    (tmp_path / "bad.asdf").write_bytes(b"#ASDF 1.0.0\n%YAML 1.1\n--- [\n...\n")
    for name, wanted in (
        ("none.fits", "cannot be read"),
        ("no_wcs.fits", "no WCS of the sky"),
        ("no_wcs.asdf", "no array data with a wcs"),
        ("zip.asdf", "is compressed"),
        ("bad.asdf", "not a valid ASDF file"),
    ):
        with pytest.raises(InputError, match=wanted) as raised, open_scene(tmp_path / name):
            pass
        assert raised.value.problems[0].startswith(f"{tmp_path / name}: ")


def test_a_damaged_chunk_is_one_sentence(tmp_path):
    path = zarr_image(tmp_path / "a.zarr")
    chunk = next(file for file in sorted(path.rglob("*")) if file.is_file() and file.name != "zarr.json")
    chunk.write_bytes(b"nonsense" * 4)
    with open_scene(path) as image, pytest.raises(InputError, match="rows 0 to 410 cannot be read"):
        image.read(slice(0, 410), slice(0, 613))
