"""The wings of the PSF around galaxies: a point-like galaxy is a star, a larger one the sum over its points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from scipy.signal import fftconvolve
from support.galaxies import draw, make, star_image
from support.small_psf import star_light

from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.stars import add_points, star_half_width

X, Y, HALF = 1000.37, 999.81, 210
BOX = (1000 - HALF, 1001 + HALF, 1000 - HALF, 1001 + HALF)
RADII = (1, 3, 10, 20, 45, 100)
"""Pixels; those of a growth curve."""
DISTANCE = np.hypot(np.arange(BOX[0], BOX[1]) - X, np.arange(BOX[2], BOX[3])[:, None] - Y)


@pytest.fixture(scope="module")
def wide():
    """A PSF of the size of the built-in ones: core of 65 pixels, wings of 301."""
    offsets = (np.arange(65 * 4) - 129.5) / 4
    core = star_light(*np.meshgrid(offsets, offsets), 0.0, 0.0)
    pixels = np.arange(301) - 150.0
    wings = star_light(*np.meshgrid(pixels, pixels), 0.0, 0.0)
    return PsfLibrary.from_samples(CoreFile(core[None], 4, (1023.5,), (1023.5,)), wings)


def star(psf, flux):
    out = np.zeros((BOX[3] - BOX[2], BOX[1] - BOX[0]), np.float32)
    fluxes = np.array([flux])
    add_points(
        out, psf, x=np.array([X]), y=np.array([Y]), flux=fluxes.astype(np.float32),
        half_width=star_half_width(fluxes, psf, threshold=0.0), x0=BOX[0], y0=BOX[2],
    )  # fmt: skip
    return out


def growth(image):
    return np.array([image[r > DISTANCE].sum(dtype=float) for r in RADII])


@pytest.mark.parametrize("flux", [1e5, 20.0])
@pytest.mark.parametrize("radius", [0.01, 0.004 / 0.063, 0.004 / 0.031])
def test_a_point_like_galaxy_is_a_star(wide, radius, flux):
    """0.004 arcsec in pixels of NIRCam: 0.2 % at every radius, but at 1 pixel its own size tells (2 %, below)."""
    image = draw(make(X, Y, flux, radius, 1.0, 0.0, 1.0), wide, BOX)
    ratio = growth(image) / growth(star(wide, flux))
    np.testing.assert_allclose(ratio[1:], 1.0, atol=2e-3)
    assert ratio[0] == pytest.approx(1.0, abs=2e-3 if radius < 0.02 else 0.03)


def test_a_tiny_galaxy_is_as_many_stars(wide):
    """0.004 arcsec in pixels of 0.0311: the light of 400 stars spread as its own, in squares around it."""
    count, radius = 400, 0.004 / 0.0311
    x = np.linspace(0, 30, 30001)
    inside = 1 - (1 + x) * np.exp(-x)
    r = np.interp((np.arange(count) + 0.5) / count, inside, x) * radius / 1.67835
    angle = np.arange(count) * np.pi * (3 - np.sqrt(5))
    stars = np.zeros((BOX[3] - BOX[2], BOX[1] - BOX[0]), np.float32)
    add_points(
        stars, wide, x=X + r * np.cos(angle), y=Y + r * np.sin(angle), flux=np.full(count, 100.0, np.float32),
        half_width=np.full(count, wide.wings_half_width, np.int32), x0=BOX[0], y0=BOX[2],
    )  # fmt: skip
    image = draw(make(X, Y, 100.0 * count, radius, 1.0, 0.0, 1.0), wide, BOX)
    for half in (1, 2, 3, 5, 10, 20, 50, 100):
        square = np.s_[HALF - half : HALF + half + 1, HALF - half : HALF + half + 1]
        assert image[square].sum(dtype=float) == pytest.approx(stars[square].sum(dtype=float), rel=5e-4)


@pytest.mark.parametrize(
    ("radius", "ratio", "index"), [(0.13, 1.0, 1.0), (0.8, 0.7, 1.0), (4.0, 0.5, 1.0), (1.5, 1.0, 2.5)]
)
def test_a_galaxy_is_the_sum_over_its_points(wide, radius, ratio, index):
    """Growth curve within 0.3 %, and light beyond 45 pixels where it belongs."""
    flux, fine, half = 1e5, 6, 60
    xx, xy, yy = make(X, Y, flux, radius, ratio, 30.0, index).form[0]
    exponent = special.gammaincinv(2 * index, 0.5)
    offsets = np.arange(-half * fine, half * fine + 1) / fine
    # Each point is the mean of its cell, which is split where the profile is steep.
    light = np.zeros((offsets.size, offsets.size))
    for parts, reach in ((1, half), (5, 8), (51, 0.5)):
        near = np.flatnonzero(abs(offsets) <= reach)
        sub = ((np.arange(parts) + 0.5) / parts - 0.5) / fine
        u = (offsets[near, None] + sub).ravel()
        s = np.sqrt((yy * u**2 - 2 * xy * u * u[:, None] + xx * u[:, None] ** 2) / (xx * yy - xy * xy))
        values = np.exp(-exponent * s ** (1 / index))
        light[np.ix_(near, near)] = values.reshape(near.size, parts, near.size, parts).mean(axis=(1, 3))
    light *= fine**2 * flux / light.sum()
    # Pixels at whole offsets from the galaxy: an own sub-pixel place for each source would need its own grid.
    there = make(1000.0, 1000.0, flux, radius, ratio, 30.0, index)
    image = draw(there, wide, BOX).astype(float)
    expected = fftconvolve(np.pad(light, 150 * fine), star_image(wide, 1000.0, 1000.0, fine), mode="same")
    expected = expected[::fine, ::fine]
    r = np.hypot(*np.meshgrid(np.arange(-HALF, HALF + 1), np.arange(-HALF, HALF + 1)))
    for radius_ in (*RADII, 145):
        assert image[r < radius_].sum() == pytest.approx(expected[r < radius_].sum(), rel=3e-3)
    far = (r > 45) & (r < 140)
    np.testing.assert_allclose(image[far], expected[far], rtol=0.03, atol=1e-9 * flux)


def test_the_total_of_an_extended_galaxy_is_that_of_a_star(wide):
    for radius, index in [(2.0, 1.0), (8.0, 1.0), (6.0, 4.0)]:
        galaxy = make(1023.4, 1024.3, 1e6, radius, 0.6, 10.0, index)
        total = draw(galaxy, wide, (0, 2048, 0, 2048)).sum(dtype=float)
        assert total == pytest.approx(1e6 * wide.total_energy, rel=3e-3)
