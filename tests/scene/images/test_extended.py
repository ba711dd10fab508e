"""Extended sources on a detector with distortion: their light, place, orientation and windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_SW, exposure
from support.sky_pictures import centre, gaussian, wcs, write_fits

from mirage_dask.errors import StoreError
from mirage_dask.pointing import SkyProjection, unit_to_radec
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.layers import ExtendedLayer, StarLayer, View
from mirage_dask.scene.sources import PointSources, point_source_table
from mirage_dask.sky_images.tables import extended_table, save_stamps

SCALE = 0.012
"""Arcsec per pixel of the pictures."""
OFFSET = (11.0, 23.0)
"""Of the Gaussian from the middle of its picture, pixels."""
SIZE = 121


def view(tables: Path) -> tuple[View, object]:
    spec, opened = exposure(SUBARRAY_SW)
    projection = SkyProjection.of(spec.attitude, opened.pack.distortion)
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    return View(str(tables), projection, bounds, opened.pack.psf), opened.pack


def picture(path: Path, **options: object) -> Path:
    """A Gaussian of 0.04 arcsec, off the middle."""
    middle = (SIZE - 1) / 2
    light = 7.0 * gaussian((SIZE, SIZE), middle + OFFSET[0], middle + OFFSET[1], 0.04 / SCALE)
    header = wcs(10.0, 10.0, scale=SCALE, crpix=(1, 1), **options)  # type: ignore[arg-type]
    return write_fits(path, light, header)


def place(seen: View, x: float, y: float) -> tuple[float, float]:
    """Right ascension and declination of a full-frame pixel."""
    ra, dec = unit_to_radec(seen.projection.units([(x, y)]))
    return float(ra[0]), float(dec[0])


def layer(folder: Path, rows: str, *, head: str = "", **options: object) -> tuple[ExtendedLayer, View]:
    """The layer of a catalog with the columns x_or_RA y_or_Dec filename pos_angle magnitude."""
    path = folder / "extended.cat"
    path.write_text(f"{head}x_or_RA y_or_Dec filename pos_angle magnitude\n{rows}\n", encoding="utf-8")
    catalog = read_catalog(path, "extended")
    seen, pack = view(folder)
    spec, _ = exposure(SUBARRAY_SW)
    table = extended_table(
        catalog, spec.detector, spec.filter, spec.pupil, zeropoint=pack.zeropoint,
        stamps=save_stamps(catalog, str(folder)), **options,
    )  # fmt: skip
    return ExtendedLayer.open(table.save(folder), seen), seen


def image(of: ExtendedLayer | StarLayer, seen: View) -> np.ndarray:
    x0, x1, y0, y1 = seen.bounds
    out = np.zeros((y1 - y0, x1 - x0), np.float32)
    of.add(out, x0=x0, y0=y0, area=None)
    return out


def star(seen: View, folder: Path, ra: float, dec: float, magnitude: float) -> np.ndarray:
    """A star of the same light."""
    spec, opened = exposure(SUBARRAY_SW)
    path = folder / "star.cat"
    path.write_text(
        f"x_or_RA y_or_Dec magnitude\n{float(ra)!r} {float(dec)!r} {magnitude}\n", encoding="utf-8"
    )
    table = point_source_table(
        read_catalog(path, "point_source"),
        spec.detector,
        spec.filter,
        spec.pupil,
        zeropoint=opened.pack.zeropoint,
    )
    assert isinstance(table, PointSources)
    return image(StarLayer.of(table, seen), seen)


@pytest.mark.parametrize("angle", [0.0, 30.0, 217.0])
@pytest.mark.parametrize("mirror", [False, True])
def test_light_and_place_are_those_of_a_star_there(tmp_path, angle, mirror):
    """The picture's y axis points to the position angle, its x axis a quarter turn to the west; flux by magnitude."""
    picture(tmp_path / "a.fits", mirror=mirror)
    seen, _ = view(tmp_path)
    ra, dec = place(seen, seen.bounds[0] + 201.3, seen.bounds[2] + 188.8)
    found, _ = layer(tmp_path, f"{ra!r} {dec!r} a.fits {angle} 20.0")
    light = image(found, seen)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    side = -1.0 if mirror else 1.0
    north = (OFFSET[1] * c + side * OFFSET[0] * s) * SCALE / 3600
    east = (OFFSET[1] * s - side * OFFSET[0] * c) * SCALE / 3600
    expected = star(seen, tmp_path, ra + east / np.cos(np.radians(dec)), dec + north, 20.0)
    np.testing.assert_allclose(centre(light, above=0.01), centre(expected, above=0.01), atol=0.05)
    np.testing.assert_allclose(centre(light), centre(expected), atol=0.01)
    assert abs(light.sum(dtype=float) / expected.sum(dtype=float) - 1) < 0.005


def test_without_a_position_angle_north_is_that_of_the_picture(tmp_path):
    picture(tmp_path / "a.fits", turn=62.0)
    seen, _ = view(tmp_path)
    ra, dec = place(seen, seen.bounds[0] + 201.3, seen.bounds[2] + 188.8)
    rows = f"{ra!r} {dec!r} a.fits"
    one, other = (image(layer(tmp_path, f"{rows} {angle} 20.0")[0], seen) for angle in ("None", "62.0"))
    np.testing.assert_allclose(one, other, atol=1e-4 * other.max())


def test_without_scale_and_angle_pixels_are_those_of_the_detector(tmp_path):
    data = np.zeros((9, 11), np.float32)
    data[2, 8], data[4, 5] = 3.0, 1.0
    write_fits(tmp_path / "a.fits", data)
    found, seen = layer(
        tmp_path, "200 150 a.fits None None", head="# position_pixels\n", convolved=False, scale=2.0
    )
    light = image(found, seen)
    gain = exposure(SUBARRAY_SW)[1].pack.zeropoint.gain
    expected = np.zeros_like(light)
    expected[150 - 4 : 150 + 5, 200 - 5 : 200 + 6] = data * 2.0 * gain
    np.testing.assert_allclose(light, expected, rtol=1e-6, atol=1e-9)


def test_a_scale_alone_is_that_of_the_picture(tmp_path):
    """PIXSCALE: as large as on the sky, aligned with the detector; with an angle turned, without a scale too."""
    data = gaussian((41, 41), 20, 20, 4.0)
    seen, pack = view(tmp_path)
    ra, dec = place(seen, seen.bounds[0] + 200.0, seen.bounds[2] + 200.0)
    widths = []
    for keywords in ({"PIXSCALE": 2.0 * np.sqrt(pack.meta["pixar_a2"])}, {}):
        write_fits(tmp_path / "a.fits", data, **keywords)
        for angle in ("None", "33"):
            light = image(layer(tmp_path, f"{ra!r} {dec!r} a.fits {angle} 20", convolved=False)[0], seen)
            x, y = centre(light)
            assert max(abs(x - 200.0), abs(y - 200.0)) < 0.01
            _j, i = np.indices(light.shape)
            widths.append(np.sqrt(((i - x) ** 2 * light).sum() / light.sum()))
    np.testing.assert_allclose(widths, [8.0, 8.0, 4.0, 4.0], rtol=0.02)


def test_negative_pixels_are_kept_and_blank_ones_are_empty(tmp_path):
    data = np.full((7, 7), 1.0, np.float32)
    data[1, 1], data[5, 5], data[3, 3] = np.nan, -2.0, np.inf
    write_fits(tmp_path / "a.fits", data)
    found, seen = layer(tmp_path, "50 60 a.fits None 20", head="# position_pixels\n", convolved=False)
    light = image(found, seen)[57:64, 47:54]
    assert light[1, 1] == light[3, 3] == 0
    np.testing.assert_allclose(light[5, 5] / light[0, 0], -2.0, rtol=1e-6)


_WHOLE: dict[str, object] = {}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 380), st.integers(0, 380), st.integers(1, 90), st.integers(1, 90))
def test_any_window_has_the_bits_of_the_whole(tmp_path_factory, y, x, height, width):
    if not _WHOLE:
        folder = tmp_path_factory.mktemp("windows")
        rng = np.random.default_rng(4)
        write_fits(folder / "large.fits", rng.uniform(-0.1, 1, (700, 600)).astype(np.float32), PIXSCALE=0.02)
        seen, _ = view(folder)
        rows = [
            "{!r} {!r} large.fits {} {}".format(
                *place(seen, seen.bounds[0] + px, seen.bounds[2] + py), angle, m
            )
            for px, py, angle, m in ((20.2, 40.1, 10, 15), (300.7, 420.4, 77, "None"))
        ]
        found, seen = layer(folder, "\n".join(rows))
        _WHOLE.update(layer=found, seen=seen, image=image(found, seen))
    found, seen, whole = (_WHOLE[name] for name in ("layer", "seen", "image"))
    height, width = min(height, 400 - y), min(width, 400 - x)
    out = np.zeros((height, width), np.float32)
    again = ExtendedLayer(
        type(found.light)(found.light.rasters, found.light.psf)
    )  # nothing is kept from before
    again.add(out, x0=seen.bounds[0] + x, y0=seen.bounds[2] + y, area=None)
    assert np.array_equal(out, whole[y : y + height, x : x + width])


def test_a_table_that_names_a_path_is_refused(tmp_path):
    picture(tmp_path / "a.fits")
    _, seen = layer(tmp_path, "50 60 a.fits None 20", head="# position_pixels\n")
    catalog = read_catalog(tmp_path / "extended.cat", "extended")
    spec, opened = exposure(SUBARRAY_SW)
    table = extended_table(
        catalog, spec.detector, spec.filter, spec.pupil, zeropoint=opened.pack.zeropoint,
        stamps=save_stamps(catalog, str(tmp_path)),
    )  # fmt: skip
    with pytest.raises(StoreError, match="not a key"):
        ExtendedLayer.of(replace(table, parts=np.array(["../../etc/passwd"])), seen)
    with pytest.raises(StoreError, match="not valid"):
        ExtendedLayer.of(replace(table, origin=table.origin + 3), seen)
    with pytest.raises(StoreError, match="beyond its mesh"):
        ExtendedLayer.of(replace(table, origin=table.origin + 2**40), seen)
