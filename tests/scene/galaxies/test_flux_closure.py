"""What is in the seed is what is in the catalog: flux within 0.5 %, place within 0.01 pixel.

The rule: no light is cut. A galaxy has its flux times the light in the PSF at its place, as a star without a limit has, but
for what falls beyond the detector.
"""

import numpy as np
import pytest
from scipy import special
from support.galaxies import draw, make, star_total

from mirage_dask.scene.stars import add_points

INDICES = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 4.0, 6.0, 8.0)
MARGIN = 250


def radius_of(light, index):
    """Radius that encloses a part of the light, half-light radii."""
    return (special.gammaincinv(2 * index, light) / special.gammaincinv(2 * index, 0.5)) ** index


@pytest.mark.parametrize("index", INDICES)
def test_a_hundred_galaxies(psf, index):
    """Of all brightnesses and sizes, around the whole field: 1,000 with all indices."""
    rng = np.random.default_rng(int(10 * index))
    largest = MARGIN / radius_of(0.999, index)
    n = 100
    galaxies = make(
        rng.uniform(0, 2048, n), rng.uniform(0, 2048, n), 10 ** rng.uniform(2, 4, n),
        largest * 10 ** rng.uniform(-3, 0, n), rng.uniform(0.1, 1, n), rng.uniform(0, 180, n), index,
    )  # fmt: skip
    box = (-MARGIN - 60, 2048 + MARGIN + 60, -MARGIN - 60, 2048 + MARGIN + 60)
    expected = sum(
        flux * star_total(psf, x, y) for x, y, flux in zip(galaxies.x, galaxies.y, galaxies.flux, strict=True)
    )
    assert draw(galaxies, psf, box).sum(dtype=float) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("size", [0.001, 0.03, 0.3])
def test_flux_and_place_of_one(psf, index, size):
    rng = np.random.default_rng(int(1000 * index + 1e5 * size))
    (x, y), half = rng.uniform(400, 1600, 2), MARGIN
    left, low = round(x) - half, round(y) - half
    box = (left, left + 2 * half + 1, low, low + 2 * half + 1)
    galaxy = make(
        x, y, 1000.0, size * half / radius_of(0.999, index), rng.uniform(0.1, 1), rng.uniform(0, 180), index
    )
    image = draw(galaxy, psf, box).astype(float)
    star = np.zeros(image.shape, np.float32)
    add_points(
        star, psf, x=np.array([x]), y=np.array([y]), flux=np.array([1000.0], np.float32),
        half_width=np.array([psf.wings_half_width], np.int32), x0=left, y0=low,
    )  # fmt: skip
    assert image.sum() == pytest.approx(star.sum(dtype=float), rel=2e-3)
    middle = np.arange(2 * half + 1) - half
    for axis in (0, 1):
        place, expected = (
            (a.sum(axis=axis, dtype=float) * middle).sum() / a.sum(dtype=float) for a in (image, star)
        )
        assert place == pytest.approx(expected, abs=0.01)
