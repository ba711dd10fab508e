"""Galaxies: against astropy's Sersic2D drawn finely and convolved; flux, place, seams and the bits of windows."""

import numpy as np
import pytest
from astropy.modeling.models import Sersic2D
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.signal import fftconvolve
from support.galaxies import draw, make, star_image, star_total

from mirage_dask.io.caches.process_caches import clear_caches
from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies import planes
from mirage_dask.scene.galaxies.convolution import transform_size
from mirage_dask.scene.galaxies.planes import add_galaxies


def astropys(x, y, flux, radius, ratio, angle, index, psf, half, fine=12):
    """Sersic2D in cells of 1/fine pixel (the centre split much finer), convolved with the image of a star, per pixel."""
    model = Sersic2D(1.0, radius, index, x, y, 1 - ratio, np.radians(angle))
    b = special.gammaincinv(2 * index, 0.5)
    total = 2 * np.pi * index * np.exp(b) * b ** (-2 * index) * special.gamma(2 * index) * ratio * radius**2
    cx, cy = round(x), round(y)
    offsets = np.arange(-half * fine, half * fine + 1) / fine
    xx, yy = np.meshgrid(cx + offsets, cy + offsets)
    light = model(xx, yy)
    near = np.argwhere((abs(xx - x) < 2.5 / fine) & (abs(yy - y) < 2.5 / fine))
    sub = (np.arange(200) + 0.5) / 200 / fine - 0.5 / fine
    sx, sy = np.meshgrid(sub, sub)
    for j, i in near:
        light[j, i] = model(xx[j, i] + sx, yy[j, i] + sy).mean()
    image = fftconvolve(light * flux / total, star_image(psf, x, y, fine), mode="same")
    return image[::fine, ::fine]


CASES = [
    (1.2, 0.8, 20.0, 1.0),
    (3.0, 0.5, 70.0, 0.7),
    (4.0, 0.4, 130.0, 2.0),
    (2.5, 0.7, -35.0, 4.0),
    (5.0, 1.0, 0.0, 1.5),
]


@pytest.mark.parametrize(("radius", "ratio", "angle", "index"), CASES)
def test_agrees_with_astropy(psf, radius, ratio, angle, index):
    x, y, flux, half = 1000.31, 999.58, 1000.0, 40
    box = (1000 - half, 1001 + half, 1000 - half, 1001 + half)
    theirs = astropys(x, y, flux, radius, ratio, angle, index, psf, half)
    ours = draw(make(x, y, flux, radius, ratio, angle, index), psf, box).astype(float)
    inner = np.s_[half - 20 : half + 21, half - 20 : half + 21]
    assert ours[inner].sum() == pytest.approx(theirs[inner].sum(), rel=5e-3)
    # At the border of the drawing theirs has lost what the PSF would bring from outside.
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=4e-3 * theirs.max())
    yy, xx = np.mgrid[-20:21, -20:21]
    for axis in (xx, yy):
        difference = (ours[inner] * axis).sum() / ours[inner].sum() - (theirs[inner] * axis).sum() / theirs[
            inner
        ].sum()
        assert abs(difference) < 0.02


def extent(radius: float, index: float) -> float:
    """Pixels along the major axis within which 99.95 % of the light is."""
    n = max(index, 0.25)
    return radius * (special.gammaincinv(2 * n, 0.9995) / special.gammaincinv(2 * n, 0.5)) ** n


@pytest.mark.parametrize(
    ("radius", "ratio", "index"),
    [
        (radius, ratio, index)
        for radius, ratio in ((0.1, 1.0), (1.0, 0.2), (3.0, 0.6), (8.0, 0.05), (15.0, 0.3))
        for index in (0.1, 0.3, 0.5, 1.0, 2.5, 4.0, 6.0, 8.0)
        if extent(radius, index) <= 900  # fits into the detector
    ],
)
def test_the_flux_of_the_catalog(psf, radius, ratio, index):
    """All of it, but what lies beyond the detector: no light is cut."""
    galaxy = make(1023.4, 1024.3, 1e4, radius, ratio, 25.0, index)
    total = draw(galaxy, psf, (0, 2048, 0, 2048)).sum(dtype=float) / 1e4 / star_total(psf, 1023.4, 1024.3)
    assert total == pytest.approx(1, abs=1e-3)


def test_subpixel_centre(psf):
    """A round galaxy moved by a fraction of a pixel moves its centroid by as much."""
    yy, xx = np.mgrid[960:1041, 960:1041]

    def centroid(x, y):
        image = draw(make(x, y, 1e4, 1.5, 1.0, 0.0, 2.0), psf, (960, 1041, 960, 1041)).astype(float)
        return np.array([(image * xx).sum(), (image * yy).sum()]) / image.sum()

    start = centroid(1000.0, 1000.0)
    for dx, dy in [(0.125, 0.0), (0.3, -0.45), (0.499, 0.501), (-0.07, 0.21)]:
        np.testing.assert_allclose(centroid(1000 + dx, 1000 + dy) - start, [dx, dy], atol=0.003)


@pytest.mark.parametrize(("radius", "index"), [(6.0, 1.0), (60.0, 4.0), (200.0, 1.0)])
def test_no_seams_between_levels_and_squares(psf, radius, index):
    """Far from its centre the image is the profile seen through the PSF, also where one square ends."""
    galaxy = make(1024.0, 1024.0, 1e7, radius, 1.0, 0.0, index)
    row = draw(galaxy, psf, (1024, 2048, 1024, 1025))[0].astype(float)
    r = np.arange(row.size)
    # One point per pixel is enough far from the centre, whose pixels are split.
    b = special.gammaincinv(2 * index, 0.5)
    yy, xx = np.mgrid[-60:61, -1100:1101].astype(float)
    light = np.exp(-b * (np.hypot(xx, yy) / radius) ** (1 / index))
    sub = (np.arange(200) + 0.5) / 200 - 0.5
    for j in range(-3, 4):
        for i in range(-3, 4):
            distance = np.hypot(i + sub, (j + sub)[:, None])
            light[60 + j, 1100 + i] = np.exp(-b * (distance / radius) ** (1 / index)).mean()
    star = star_image(psf, 1024.0, 1024.0, 1)
    brightness = 1e7 * b ** (2 * index) / (2 * np.pi * index * special.gamma(2 * index) * radius**2)
    profile = brightness * fftconvolve(light, star, mode="same")[60, 1100 : 1100 + row.size]
    far = (r > (14 if radius < 50 else 30)) & (r < 1000) & (profile > 1e-3 * profile[1])
    assert far.sum() > 10
    # Theirs has only 121 rows: a percent of the light of the widest ones is missing.
    np.testing.assert_allclose(row[far], profile[far], rtol=0.02)
    assert np.abs(np.diff(row[far] / profile[far])).max() < 2e-3


@pytest.mark.parametrize(("radius", "index"), [(2.0, 1.0), (8.0, 2.5), (25.0, 4.0)])
def test_a_psf_wider_than_the_parts(radius, index):
    """A defocused PSF reaches 60 pixels: kernels are larger than the transforms of cropped parts."""
    offsets = (np.arange(2 * 141) - 140.5) / 2
    dx, dy = np.meshgrid(offsets, offsets)
    ring = np.exp(-((np.hypot(dx, dy) - 45) ** 2) / 50)
    wide = PsfLibrary.from_samples(CoreFile(4 * ring[None] / ring.sum(), 2, (1023.5,), (1023.5,)))
    galaxy = make(1000.3, 1023.6, 1e4, radius, 0.6, 30.0, index)
    total = draw(galaxy, wide, (0, 2048, 0, 2048)).sum(dtype=float)
    assert total == pytest.approx(1e4 * wide.total_energy, rel=1e-3)


FIELD = (-40, 140, -30, 150)


def crowd(count=25):
    rng = np.random.default_rng(11)
    return make(
        rng.uniform(-80, 180, count), rng.uniform(-80, 180, count), 10 ** rng.uniform(0, 5, count),
        10 ** rng.uniform(-1, 1.5, count), rng.uniform(0.05, 1, count), rng.uniform(0, 180, count),
        rng.uniform(0.3, 5, count),
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(psf):
    return draw(crowd(), psf, FIELD)


@settings(max_examples=40)
@given(st.integers(-40, 139), st.integers(-30, 149), st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_a_window_has_the_bits_of_the_whole(psf, whole, x, y, width, height, forget):
    if forget:
        clear_caches()
    box = (x, min(x + width, FIELD[1]), y, min(y + height, FIELD[3]))
    cut = whole[box[2] - FIELD[2] : box[3] - FIELD[2], box[0] - FIELD[0] : box[1] - FIELD[0]]
    assert draw(crowd(), psf, box).tobytes() == cut.tobytes()


def test_light_adds_up(psf, whole):
    galaxies = crowd()
    one_by_one = np.zeros(whole.shape, np.float32)
    for i in range(len(galaxies)):
        add_galaxies(one_by_one, galaxies.take(np.array([i])), psf, x0=FIELD[0], y0=FIELD[2])
    np.testing.assert_allclose(one_by_one, whole, rtol=1e-5, atol=1e-7 * whole.max())


def test_a_square_is_drawn_once(psf):
    """A second window of a square finds it."""
    clear_caches()
    draw(crowd(), psf, (0, 60, 0, 60))
    used = planes.squares.used
    draw(crowd(), psf, (60, 140, 60, 150))
    assert planes.squares.used == used > 0


def test_transform_sizes():
    sizes = [transform_size(n) for n in range(1, 1200)]
    assert all(s >= n and s % 2 == 0 for n, s in enumerate(sizes, start=1))
    assert all(s <= 1.3 * n + 32 for n, s in enumerate(sizes, start=1))
