"""Images through the PSF: a point of an image is a star, and the PSF of an image is taken out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sky_pictures import centre, gaussian

from mirage_dask.scene.images.blocks import ImageLight
from mirage_dask.scene.images.blurring import BLOCK, Matching, exp_minus
from mirage_dask.scene.images.meshes import STEP, Raster, box_of, mesh_size
from mirage_dask.scene.stars import add_points as add_stars

X, Y = 700.37, 480.81  # in one block of the detector, BLOCK pixels a side


def raster(data: np.ndarray, size: float, x: float, y: float) -> Raster:
    """An aligned image with its first corner at x, y."""
    ny, nx = (mesh_size(n) for n in data.shape)
    j, i = np.mgrid[0:ny, 0:nx] * float(STEP)
    nodes = np.stack([x + size * i, y + size * j], axis=-1)
    return Raster(lambda: data, nodes, STEP, 1.0, box_of(nodes))


def star(psf, flux: float, *, x0: int, y0: int, shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros(shape, np.float32)
    add_stars(
        out, psf, x=np.array([X]), y=np.array([Y]), flux=np.array([flux], np.float32),
        half_width=np.array([psf.wings_half_width], np.int32), x0=x0, y0=y0,
    )  # fmt: skip
    return out


@pytest.mark.parametrize("size", [0.03, 0.25])
def test_a_small_pixel_is_a_star(psf, size):
    data = np.zeros((30, 30), np.float32)
    data[12, 17] = 1000.0
    light = ImageLight((raster(data, size, X - 17.5 * size, Y - 12.5 * size),), psf)
    seen = np.zeros((160, 160), np.float32)
    light.add(seen, x0=620, y0=400)
    expected = star(psf, 1000.0, x0=620, y0=400, shape=seen.shape)
    # The PSF changes by 10 % from place to place of this library: that of the pixel is taken, not that of the star.
    assert np.abs(seen - expected).max() < 0.004 * expected.max()
    assert abs(seen.sum(dtype=float) / expected.sum(dtype=float) - 1) < 5e-4
    np.testing.assert_allclose(centre(seen), centre(expected), atol=0.01)


def test_the_own_psf_of_an_image_is_taken_out(psf):
    """A point that was blurred by a Gaussian is a star again."""
    sigma, fine = 0.45, 0.1
    n = 101
    data = 1000.0 * gaussian((n, n), 50.0, 50.0, sigma / fine)
    part = raster(data.astype(np.float32), fine, X - 50.5 * fine, Y - 50.5 * fine)
    expected = star(psf, 1000.0, x0=620, y0=400, shape=(160, 160))
    kept, freed = (np.zeros((160, 160), np.float32) for _ in range(2))
    ImageLight((part,), psf).add(kept, x0=620, y0=400)
    ImageLight((part,), psf, sigma).add(freed, x0=620, y0=400)
    assert np.abs(freed - expected).max() < 0.02 * expected.max()
    assert np.abs(kept - expected).max() > 0.05 * expected.max()
    assert abs(freed.sum(dtype=float) / kept.sum(dtype=float) - 1) < 1e-3


def test_blocks_join_without_a_seam(psf):
    """An even image larger than the detector stays even across the borders of blocks."""
    data = np.ones((512, 512), np.float32)
    light = ImageLight((raster(data, 2.0, 2 * BLOCK - 512.0, 2 * BLOCK - 512.0),), psf)
    out = np.zeros((60, 60), np.float32)
    light.add(out, x0=2 * BLOCK - 30, y0=2 * BLOCK - 30)
    assert abs(np.diff(out, axis=1)[:, 29] / out.mean()).max() < 2e-4
    assert abs(np.diff(out, axis=0)[29] / out.mean()).max() < 2e-4


def test_no_light_costs_nothing(psf):
    light = ImageLight((), psf)
    out = np.zeros((10, 10), np.float32)
    light.add(out, x0=5, y0=7)
    assert not out.any()


def test_exponential_of_squares():
    z = np.concatenate([np.linspace(0, 60, 500), [700.0, 1e9]])
    np.testing.assert_allclose(exp_minus(z), np.exp(-np.minimum(z, 60)), rtol=1e-11)


@settings(max_examples=8, deadline=None)
@given(st.integers(500, 900), st.integers(300, 650), st.integers(1, 200), st.integers(1, 200))
def test_any_window_has_the_bits_of_the_whole_with_a_kernel(psf, x, y, width, height):
    light = freed(psf)
    whole, part = np.zeros((650, 700), np.float32), np.zeros((height, width), np.float32)
    light.add(whole, x0=400, y0=250)
    light.add(part, x0=x, y0=y)
    both = whole[y - 250 : y - 250 + height, x - 400 : x - 400 + width]
    assert np.array_equal(part[: both.shape[0], : both.shape[1]], both)


_FREED: list[ImageLight] = []


def freed(psf) -> ImageLight:
    """Three points behind a kernel of mixed signs."""
    if not _FREED:
        data = np.zeros((300, 400), np.float32)
        data[[30, 150, 270], [40, 200, 350]] = 1000.0
        samples = -0.05 * np.ones((5, 5))
        samples[2, 1:4] = 0.7
        matching = Matching("a" * 32, samples / samples.sum())
        _FREED.append(ImageLight((raster(data, 0.9, 600.0, 350.0),), psf, matching=matching))
    return _FREED[0]
