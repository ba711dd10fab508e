"""Galaxies against GalSim: 50 of them over size, index, shape, sub-pixel place and place on the detector.

GalSim draws its own Sersic profile and convolves it with our PSF, given as an image of four points per pixel that are
integrals over a pixel, so profile, integration, place and convolution are judged. Its indices end at 6.2.
"""

import itertools

import galsim
import numpy as np
import pytest
from support.galaxies import draw, make
from support.small_psf import GRID, OVERSAMPLING, WING_PIXELS, star_light

from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary

FINE = 4
HALF = 24
PRECISE = galsim.GSParams(
    maximum_fft_size=16384, folding_threshold=1e-3, maxk_threshold=1e-4, kvalue_accuracy=1e-8
)
SIZES = (0.04, 0.3, 1.0, 2.5, 6.0, 15.0, 30.0)
"""Pixels."""
INDICES = (0.3, 0.5, 1.0, 1.7, 2.5, 4.0, 6.0)


def cases():
    rng = np.random.default_rng(12)
    for size, index in itertools.product(SIZES, INDICES):
        x, y = rng.uniform(200, 1800, 2)
        yield x, y, size, rng.uniform(0.25, 1.0), rng.uniform(0, 180), index
    yield 1000.5, 999.5, 12.0, 0.06, 75.0, 1.0


@pytest.fixture(scope="module")
def sharp():
    """A PSF as sharp as NIRCam's at 1 micron: a core of sigma 0.6 pixel, its ring and halo, different in nine places."""
    n, parts = 33 * OVERSAMPLING, 9
    steps = ((np.arange(parts) + 0.5) / parts - 0.5) * OVERSAMPLING
    offsets = (np.arange(n) - (n - 1) / 2)[:, None] + steps
    dx, dy = np.meshgrid(*(1.5 / OVERSAMPLING * offsets.ravel(),) * 2)
    places = (np.array(GRID) - 1000.0) / 900.0
    light = [2.25 * star_light(dx, dy, px, py) for py in places for px in places]
    # Samples are integrals over a pixel.
    core = np.stack([plane.reshape(n, parts, n, parts).mean(axis=(1, 3)) for plane in light])
    pixels = 1.5 * (np.arange(WING_PIXELS) - WING_PIXELS // 2)
    wings = 2.25 * star_light(*np.meshgrid(pixels, pixels), 0.0, 0.0)
    return PsfLibrary.from_samples(CoreFile(core, OVERSAMPLING, GRID, GRID), wings)


def galsims(psf, x, y, radius, ratio, angle, index):
    reach = psf.wings_half_width + 2
    offsets = np.arange(-reach * FINE, reach * FINE + 1) / FINE
    kernel = psf.evaluate(x + offsets, y + offsets[:, None], x, y) / FINE**2
    star = galsim.InterpolatedImage(
        galsim.Image(kernel, scale=1 / FINE),
        x_interpolant="lanczos15",
        normalization="flux",
        gsparams=PRECISE,
    )
    sersic = galsim.Sersic(n=index, half_light_radius=radius * np.sqrt(ratio), gsparams=PRECISE)
    light = sersic.shear(q=ratio, beta=angle * galsim.degrees)
    seen = galsim.Convolve(light, star, gsparams=PRECISE).shift(x - round(x), y - round(y))
    return seen.drawImage(nx=2 * HALF + 1, ny=2 * HALF + 1, scale=1.0, method="no_pixel").array


@pytest.mark.parametrize(("x", "y", "radius", "ratio", "angle", "index"), list(cases()))
def test_agrees_with_galsim(sharp, x, y, radius, ratio, angle, index):
    theirs = galsims(sharp, x, y, radius, ratio, angle, index)
    left, low = round(x) - HALF, round(y) - HALF
    box = (left, left + 2 * HALF + 1, low, low + 2 * HALF + 1)
    ours = draw(make(x, y, 1.0, radius, ratio, angle, index), sharp, box)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * theirs.max())
