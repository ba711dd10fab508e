"""Images that move: their light and place along a path, any window, and the same through a proposal."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_SW, exposure
from support.sky_pictures import gaussian, wcs, write_fits

from mirage_dask.pointing import SkyProjection, unit_to_radec
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.image_tables import Extended, MovingExtended
from mirage_dask.scene.layers import ExtendedLayer, MovingImageLayer, View
from mirage_dask.sky_images.tables import extended_table, save_stamps

TIMES = np.linspace(0.0, 100.0, 9)
EDGES = np.array([0.0, 35.0, 100.0])


def view(tables: Path) -> tuple[View, object]:
    spec, opened = exposure(SUBARRAY_SW)
    projection = SkyProjection.of(spec.attitude, opened.pack.distortion)
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    return View(str(tables), projection, bounds, opened.pack.psf), opened.pack


def table_of(folder: Path, x: float, y: float, magnitude: float, **options: object) -> tuple[Extended, View]:
    """One image at a pixel of the array."""
    seen, pack = view(folder)
    spec, _ = exposure(SUBARRAY_SW)
    path = folder / "one.cat"
    path.write_text(
        f"# position_pixels\nx_or_RA y_or_Dec filename pos_angle magnitude\n{x} {y} a.fits 35 {magnitude}\n"
    )
    catalog = read_catalog(path, "extended")
    table = extended_table(
        catalog, spec.detector, spec.filter, spec.pupil, zeropoint=pack.zeropoint,
        stamps=save_stamps(catalog, str(folder)), **options,
    )  # fmt: skip
    return table, seen


def comet(path: Path, size: int = 101, sigma: float = 2.0, tail: float = 0.05) -> None:
    """A sharp head off the middle, and a tail."""
    half = (size - 1) / 2
    light = gaussian((size, size), half + 20, half - 9, sigma)
    light[size // 2, 10 : size // 2] += tail * light.max()
    write_fits(path, light, wcs(10.0, 10.0, scale=0.02, crpix=(1, 1)))


def moving(table: Extended, xy: np.ndarray) -> MovingExtended:
    """The table along a path in pixels of the array, (T, 2)."""
    own = {f.name: getattr(table, f.name) for f in fields(table)} | {"position": xy[None, xy.shape[0] // 2]}
    return MovingExtended(**own, track=xy[None], times=TIMES)


def path(x: float, y: float, dx: float, dy: float, bend: float = 0.0) -> np.ndarray:
    """A path that is at (x, y) in the middle."""
    t = (TIMES - 50.0) / 100.0
    return np.stack([x + dx * t + bend * t * t, y + dy * t], axis=1)


def seen_at_rest(table: Extended, seen: View, x: float, y: float, around: int) -> np.ndarray:
    x0, x1, y0, y1 = seen.bounds
    out = np.zeros((y1 - y0 + 2 * around, x1 - x0 + 2 * around), np.float32)
    layer = ExtendedLayer.of(replace(table, position=np.array([[x, y]])), seen)
    layer.add(out, x0=x0 - around, y0=y0 - around, area=None)
    return out


def trail(layer: MovingImageLayer, seen: View, around: int, edges: np.ndarray = EDGES) -> np.ndarray:
    x0, x1, y0, y1 = seen.bounds
    out = np.zeros((edges.size - 1, y1 - y0 + 2 * around, x1 - x0 + 2 * around), np.float32)
    layer.add(out, x0=x0 - around, y0=y0 - around, edges=edges)
    return out


@pytest.mark.parametrize(("convolved", "magnitude"), [(True, 23.0), (True, 14.0), (False, 23.0)])
def test_every_instant_is_the_image_at_rest(tmp_path, convolved, magnitude):
    """Flux within 0.5 %, pixels within 5e-3 of the peak, of the mean of images at rest along the path."""
    comet(tmp_path / "a.fits", sigma=2.0 if convolved else 3.0, tail=0.05 if convolved else 0.0)
    table, seen = table_of(tmp_path, 200.3, 180.6, magnitude, convolved=convolved)
    layer = MovingImageLayer.of(moving(table, path(200.3, 180.6, 16.0, -12.0, bend=6.0)), seen)
    found = trail(layer, seen, 100)
    spot = np.polynomial.polynomial
    for read, (begin, end) in enumerate(pairwise(EDGES)):
        expected = np.zeros(found.shape[1:])
        instants = begin + (end - begin) * (np.arange(24) + 0.5) / 24
        for t in (instants - 50.0) / 100.0:
            x = spot.polyval(t, [200.3, 16.0, 6.0])
            expected += seen_at_rest(table, seen, x, 180.6 - 12.0 * t, 100) / 24
        assert found[read].sum(dtype=float) == pytest.approx(expected.sum(), rel=5e-3)
        assert np.abs(found[read] - expected).max() < 5e-3 * expected.max()


def test_a_slow_image_is_one_at_rest(tmp_path):
    """Between the samples within a pixel, too: 2e-3 of the peak."""
    comet(tmp_path / "a.fits", sigma=0.7)
    table, seen = table_of(tmp_path, 200.0, 180.0, 22.0)
    middle = path(200.0, 180.0, 0.0, 0.0)
    for dx, dy in ((0.0, 0.0), (0.17, 0.41)):
        table_moving = moving(table, middle)
        at = replace(table_moving, track=table_moving.track + np.array([dx, dy]))
        at.track[:, at.times.size // 2] = [200.0, 180.0]  # the image is made there
        found = trail(MovingImageLayer.of(at, seen), seen, 0, np.array([0.0, 20.0]))
        expected = seen_at_rest(table, seen, 200.0 + dx, 180.0 + dy, 0)
        assert np.abs(found[0] - expected).max() < 2e-3 * expected.max()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A large bright image in many parts, with wings, and all of its trail."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(3)
    light = gaussian((701, 701), 300, 390, 90.0) * (1 + rng.random((701, 701)))
    write_fits(folder / "a.fits", light, wcs(10.0, 10.0, scale=0.025, crpix=(1, 1)))
    table, seen = table_of(folder, 150.0, 220.0, 12.0)
    layer = MovingImageLayer.of(moving(table, path(150.0, 220.0, 40.0, 15.0)), seen)
    return layer, seen, table, trail(layer, seen, 0)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 380), st.integers(0, 380), st.integers(1, 90), st.integers(1, 90))
def test_any_window_has_the_bits_of_the_whole(large, y, x, height, width):
    layer, seen, _, whole = large
    x0, x1, y0, y1 = seen.bounds
    height, width = min(height, y1 - y0 - y), min(width, x1 - x0 - x)
    out = np.zeros((EDGES.size - 1, height, width), np.float32)
    layer.add(out, x0=x0 + x, y0=y0 + y, edges=EDGES)
    assert np.array_equal(out, whole[:, y : y + height, x : x + width])


def test_parts_of_a_large_image_leave_no_seams(large):
    _, seen, table, whole = large
    expected = np.zeros(whole.shape[1:])
    for t in (np.arange(20) + 0.5) / 20 * EDGES[1] / 100 - 0.5:
        expected += seen_at_rest(table, seen, 150.0 + 40.0 * t, 220.0 + 15.0 * t, 0) / 20
    assert np.abs(whole[0] - expected).max() < 3e-3 * expected.max()


def test_what_never_comes_near_is_left_out(tmp_path):
    comet(tmp_path / "a.fits")
    table, seen = table_of(tmp_path, -900.0, 180.0, 23.0)
    far = MovingImageLayer.of(moving(table, path(-900.0, 180.0, 20.0, 0.0)), seen)
    assert far.pictures == ()
    comes = MovingImageLayer.of(moving(table, path(-900.0, 180.0, 2200.0, 0.0)), seen)
    x0, _, y0, _ = seen.bounds
    assert comes.touches((x0, x0 + 10), (y0 + 175, y0 + 185))
    assert not comes.touches((x0, x0 + 10), (y0 + 395, y0 + 400))
    assert trail(comes, seen, 0, np.array([80.0, 100.0])).sum() > 0


def test_an_image_may_be_off_the_sky_that_is_seen(tmp_path):
    """Positions that cannot be projected are left out."""
    comet(tmp_path / "a.fits")
    table, seen = table_of(tmp_path, 10.0, 10.0, 23.0)
    xy = path(10.0, 10.0, 1.0, 1.0)
    xy[3] = np.nan
    assert MovingImageLayer.of(moving(table, xy), seen).pictures == ()


def test_place_on_the_sky(tmp_path):
    """A track on the sky is where the image at rest is at that place."""
    comet(tmp_path / "a.fits")
    table, seen = table_of(tmp_path, 200.0, 180.0, 22.0)
    units = seen.projection.units([(seen.bounds[0] + 200.0, seen.bounds[2] + 180.0)])
    assert np.isfinite(unit_to_radec(units)).all()
    spec, _ = exposure(SUBARRAY_SW)
    sky = replace(read_catalog(tmp_path / "one.cat", "extended"))
    ra, dec = unit_to_radec(units)
    on_sky = extended_table(
        replace(sky, x=ra, y=dec, pixels=False), spec.detector, spec.filter, spec.pupil,
        zeropoint=view(tmp_path)[1].zeropoint, stamps=save_stamps(sky, str(tmp_path)),
    )  # fmt: skip
    own = {f.name: getattr(on_sky, f.name) for f in fields(on_sky)}
    still = MovingExtended(**own, track=np.repeat(units[:, None], TIMES.size, axis=1), times=TIMES)
    found = trail(MovingImageLayer.of(still, seen), seen, 0)[0]
    expected = seen_at_rest(table, seen, 200.0, 180.0, 0)
    assert np.abs(found - expected).max() < 2e-3 * expected.max()
