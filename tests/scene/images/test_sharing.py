"""Light of image pixels among detector pixels: nothing is lost, and every pixel gets its part."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.scene.images.meshes import STEP, mesh_size
from mirage_dask.scene.images.sharing import add_overlap, add_points


def nodes(shape: tuple[int, int], matrix, origin, *, bend: float = 0.0) -> np.ndarray:
    """A mesh: pixels at origin + matrix (x, y), with a little distortion."""
    ny, nx = (mesh_size(n) for n in shape)
    y, x = np.mgrid[0:ny, 0:nx] * float(STEP)
    m = np.asarray(matrix)
    out = np.stack([origin[0] + m[0, 0] * x + m[0, 1] * y, origin[1] + m[1, 0] * x + m[1, 1] * y], axis=-1)
    return out + bend * np.stack([x * y, x * x], axis=-1)


def turned(size: float, angle: float) -> np.ndarray:
    c, s = size * np.cos(angle), size * np.sin(angle)
    return np.array([[c, -s], [s, c]])


@settings(max_examples=40, deadline=None)
@given(st.floats(0.02, 5.0), st.floats(-4.0, 4.0), st.integers(1, 150), st.integers(1, 70), st.booleans())
def test_no_light_is_lost(size, angle, ny, nx, mirror):
    data = np.random.default_rng(ny * 100 + nx).uniform(-0.2, 1.0, (ny, nx)).astype(np.float32)
    matrix = turned(size, angle)
    if mirror:
        matrix[:, 0] *= -1
    mesh = nodes(data.shape, matrix, (900.3, 900.8), bend=1e-5)
    whole = np.zeros((1800, 1800))
    add_overlap(whole, 0, 0, data, mesh, STEP, 2.0)
    np.testing.assert_allclose(whole.sum(), 2.0 * data.sum(dtype=float), rtol=1e-9, atol=1e-9)
    points = np.zeros((1800, 1800))
    add_points(points, 0, 0, 1, data, mesh, STEP, 2.0)
    np.testing.assert_allclose(points.sum(), 2.0 * data.sum(dtype=float), rtol=1e-9, atol=1e-9)


def test_an_even_image_is_even_on_the_detector():
    data = np.ones((300, 300), np.float32)
    matrix = turned(0.7, 0.4)
    out = np.zeros((60, 60))
    add_overlap(out, 30, 120, data, nodes(data.shape, matrix, (0.0, 0.0)), STEP, 1.0)
    np.testing.assert_allclose(out, 1 / np.linalg.det(matrix), rtol=1e-9)


def test_overlap_is_that_of_squares():
    """An axis-aligned image: areas are products of lengths."""
    data = np.array([[1.0]], np.float32)
    out = np.zeros((5, 6))
    add_overlap(out, 0, 0, data, nodes((1, 1), np.diag([1.5, 2.5]), (0.7, 0.2)), STEP, 1.0)
    x = np.clip(np.minimum(2.2, np.arange(6) + 0.5) - np.maximum(0.7, np.arange(6) - 0.5), 0, None)
    y = np.clip(np.minimum(2.7, np.arange(5) + 0.5) - np.maximum(0.2, np.arange(5) - 0.5), 0, None)
    np.testing.assert_allclose(out, np.outer(y, x) / 3.75, atol=1e-12)


def test_points_keep_the_centre_of_light():
    data = np.zeros((40, 40), np.float32)
    data[23, 11] = 5.0
    matrix = turned(0.31, 1.1)
    out = np.zeros((80, 80))
    add_points(out, -10, -10, 2, data, nodes(data.shape, matrix, (4.4, 3.3)), STEP, 1.0)
    j, i = np.indices(out.shape)
    found = np.array([(i * out).sum(), (j * out).sum()]) / out.sum() / 2 - 10
    np.testing.assert_allclose(found, np.array([4.4, 3.3]) + matrix @ [11.5, 23.5], atol=1e-9)


def test_blocks_have_the_bits_of_the_same_block():
    """What lies outside of a block changes nothing in it, and a mesh that is not on the sky is passed over."""
    data = np.random.default_rng(1).uniform(0, 1, (200, 200)).astype(np.float32)
    mesh = nodes(data.shape, turned(0.9, 0.2), (5.2, 7.1), bend=1e-5)
    first, second = np.zeros((40, 40)), np.zeros((40, 40))
    add_overlap(first, 60, 60, data, mesh, STEP, 1.0)
    broken = mesh.copy()
    broken[-1, -1] = np.nan
    add_overlap(second, 60, 60, data, broken, STEP, 1.0)
    assert np.array_equal(first, second)
    assert first.all()
