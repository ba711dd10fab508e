"""Trails: golden ones to 1e-3 of the peak, all light, windows of the whole; galaxies as they are at rest."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf
from support.galaxies import draw, make

from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.stars import add_points, star_half_width
from mirage_dask.scene.trails.deposit import add_image_trail, add_star_trails
from mirage_dask.scene.trails.images import galaxy_image, image_half

GOLDEN = "golden/dispersion/moving"


@cache
def gaussian(sigma: float) -> PsfLibrary:
    """A star without wings: a Gaussian, integrated over pixels."""
    offsets = (np.arange(31 * 4 + 1) - 62) / 4
    edge = sigma * np.sqrt(2)
    line = 0.5 * (erf((offsets + 0.5) / edge) - erf((offsets - 0.5) / edge))
    return PsfLibrary.from_samples(CoreFile(np.outer(line, line)[None], 4, (0.0,), (0.0,)))


def trails(psf, shape, track, edges, *, flux=100.0, half=12, x0=0, y0=0):
    out = np.zeros((len(edges) - 1, *shape), np.float32)
    track = np.asarray(track, float)
    add_star_trails(
        out,
        psf,
        edges=np.asarray(edges, float),
        times=np.linspace(edges[0], edges[-1], track.shape[0]),
        tracks=track[None],
        flux=np.array([flux], np.float32),
        half_width=np.array([half], np.int32),
        x0=x0,
        y0=y0,
    )
    return out


@pytest.mark.parametrize("name", ["slow", "fast", "curved"])
def test_golden_trails(shared, name):
    case = json.loads((shared / GOLDEN / "trails.json").read_text())[name]
    golden = fits.getdata(shared / GOLDEN / f"trail_{name}.fits").astype(float)
    t = np.linspace(0, case["frame_time"] * case["frames"], 9)
    start = np.array([case["x0"], case["y0"]])
    speed, change = np.array(case["velocity_pix_per_s"]), np.array(case["acceleration_pix_per_s2"])
    track = start + speed * t[:, None] + 0.5 * change * t[:, None] ** 2
    edges = case["frame_time"] * np.arange(case["frames"] + 1)
    found = trails(gaussian(case["sigma"]), golden.shape[1:], track, edges, flux=case["rate"])
    found = np.cumsum(found.astype(float) * case["frame_time"], axis=0)
    for ours, theirs in zip(found, golden, strict=True):
        assert np.abs(ours - theirs).max() < 1e-3 * theirs.max()
    assert found[-1].sum() / golden[-1].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("pixels", [0.0, 0.3, 7.0, 300.0, 5000.0])
def test_all_light_at_any_speed(psf, pixels):
    """At rest it is the star itself; a fast one leaves on the detector its share of the time that it is there."""
    shape = (120, 700)
    track = [[350.3 - pixels / 2, 60.2], [350.3 + pixels / 2, 60.2]]
    half = int(star_half_width(np.array([3000.0]), psf)[0])
    found = trails(psf, shape, track, [0.0, 10.0], flux=3000.0, half=half)[0]
    star = np.zeros(shape, np.float32)
    rest = (np.array([350.3]), np.array([60.2]), np.array([3000.0], np.float32), np.array([half], np.int32))
    add_points(star, psf, x=rest[0], y=rest[1], flux=rest[2], half_width=rest[3], x0=0, y0=0)
    inside = min(1.0, 700 / pixels) if pixels else 1.0
    assert found.sum(dtype=float) / star.sum(dtype=float) == pytest.approx(inside, rel=5e-3)
    if pixels == 0:
        # The PSF is taken for a place rounded to some pixels.
        assert np.abs(found - star).max() < 1e-3 * star.max()
    if pixels > 600:  # continuous: the same all along its way
        line = found[:, 100:600].sum(axis=0, dtype=float)
        assert np.ptp(line) < 0.02 * line.mean()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 180), st.integers(0, 180), st.integers(1, 60), st.integers(1, 60),
    st.lists(st.tuples(st.floats(-300, 500), st.floats(-300, 500)), min_size=1, max_size=6),
)  # fmt: skip
def test_any_window_has_the_bits_of_the_whole(small, x, y, width, height, track):
    whole = trails(small, (240, 240), track, [0.0, 1.0, 2.5, 3.0], half=40)
    window = trails(small, (height, width), track, [0.0, 1.0, 2.5, 3.0], half=40, x0=x, y0=y)
    assert np.array_equal(window, whole[:, y : y + height, x : x + width])
    assert np.isfinite(whole).all()


@pytest.fixture(scope="module")
def small(psf):
    return psf


def test_a_galaxy_at_rest_is_the_galaxy(psf):
    """Compact and cuspy, broad and flat; drawn through its spline at a place within a pixel."""
    galaxies = make(1000.37, 1000.63, 1000.0, [0.3, 0.5, 3.0, 25.0], 0.6, 20.0, [1.0, 4.0, 1.0, 2.0])
    halves = image_half(galaxies, psf)
    for i, half in enumerate(halves):
        n = 2 * int(half) + 20
        first = 1000 - n // 2
        direct = draw(galaxies.take(np.array([i])), psf, (first, first + n, first, first + n))
        found = np.zeros((1, n, n), np.float32)
        image = galaxy_image(galaxies, i, psf, int(half))
        for part in filter(np.size, (image.fine, image.coarse)):
            add_image_trail(
                found, part, edges=np.array([0.0, 1.0]), times=np.array([0.0, 1.0]),
                track=np.array([[1000.37, 1000.63]] * 2), half=float(part.shape[2] // 2), x0=first, y0=first,
            )  # fmt: skip
        assert np.abs(found[0] - direct).max() < 1e-3 * direct.max()
        assert found.sum(dtype=float) / direct.sum(dtype=float) == pytest.approx(1, abs=1e-3)
