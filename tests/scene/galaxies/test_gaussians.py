"""Painted Gaussians against the formula, and what is too narrow for the grid."""

import numpy as np
import pytest
from support.galaxies import make

from mirage_dask.scene.galaxies.gaussians import CUT, paint_planes, paint_stamps


def painted(galaxy, *, wider=0.0, least=0.0, side=81, spacing=1.0):
    """One galaxy on one plane whose middle is the pixel (1000, 1000)."""
    out = np.zeros((1, side, side), np.float32)
    g, origin = galaxy, 1000 - spacing * (side // 2)
    rows, index, share = np.array([0]), np.zeros((1, 4), int), np.array([[1.0, 0, 0, 0]])
    paint_planes(
        out, origin, origin, spacing, g.x, g.y, g.flux, g.form, g.variances, g.weights, rows, index, share,
        0.0, np.inf, wider, least,
    )  # fmt: skip
    return out[0].astype(float)


def gaussian(form, x, y, side=81):
    yy, xx = np.mgrid[:side, :side] - side // 2
    inverse = np.linalg.inv([[form[0], form[1]], [form[1], form[2]]])
    d = np.stack([xx - x, yy - y], axis=-1)
    return (
        np.exp(-0.5 * np.einsum("...i,ij,...j", d, inverse, d))
        * np.sqrt(np.linalg.det(inverse))
        / (2 * np.pi)
    )


def single(x, y, radius, ratio, angle):
    """A galaxy of one Gaussian whose sigma is the radius."""
    galaxy = make(x, y, 1000.0, radius, ratio, angle, 1.0)
    galaxy.variances[:], galaxy.weights[:] = 1.0, 0.0
    galaxy.weights[0, 3] = 1.0
    return galaxy


@pytest.mark.parametrize(
    ("radius", "ratio", "angle"), [(1.0, 1.0, 0.0), (4.0, 0.3, 30.0), (6.0, 0.15, 120.0), (2.0, 0.5, 90.0)]
)
def test_a_gaussian(radius, ratio, angle):
    galaxy = single(1000.3, 999.6, radius, ratio, angle)
    found = painted(galaxy)
    expected = 1000 * gaussian(galaxy.form[0], 0.3, -0.4)
    peak = 1000 / (2 * np.pi * ratio * radius**2)
    np.testing.assert_allclose(found, expected, rtol=5e-5, atol=1.01 * np.exp(-(CUT**2) / 2) * peak)
    assert found.sum() == pytest.approx(1000, rel=1e-4)


@pytest.mark.parametrize(("radius", "ratio"), [(0.001, 1.0), (0.3, 1.0), (0.7, 0.5), (3.0, 0.1)])
def test_narrow_ones_keep_flux_place_and_moments(radius, ratio):
    galaxy = single(1000.3, 999.6, radius, ratio, 90.0)
    found = painted(galaxy, least=0.64)
    yy, xx = np.mgrid[-40:41, -40:41]
    total = found.sum()
    assert total == pytest.approx(1000, rel=2e-4)
    np.testing.assert_allclose(
        [(found * xx).sum() / total, (found * yy).sum() / total], [0.3, -0.4], atol=1e-3
    )
    for axis, middle, variance in ((xx, 0.3, galaxy.form[0, 0]), (yy, -0.4, galaxy.form[0, 2])):
        assert (found * (axis - middle) ** 2).sum() / total == pytest.approx(variance, abs=6e-3)


def test_low_frequencies_of_a_point():
    """At a tenth of a cycle per pixel a painted point has the spectrum of one, within 0.5 %."""
    found = painted(single(1000.0, 1000.0, 0.001, 1.0, 0.0), least=0.64)
    wave = np.cos(2 * np.pi * 0.1 * np.arange(-40, 41))
    assert (found * wave).sum() == pytest.approx(1000, rel=1e-2)


def test_stamps_are_planes_around_each_centre():
    galaxies = make([1000.3, 400.7], [999.6, 20.2], 1000.0, [2.0, 3.0], 0.5, 30.0, 1.0)
    out = np.zeros((2, 61, 61), np.float32)
    g = galaxies
    columns = (g.x, g.y, g.flux, g.form, g.variances, g.weights)
    paint_stamps(out, 30, 1.0, *columns, np.arange(2), 0.0, np.inf, 0.0, 0.64)
    plane = painted(galaxies.take(np.array([0])), least=0.64)[10:71, 10:71]
    np.testing.assert_allclose(out[0], plane, rtol=1e-3, atol=1e-5 * plane.max())
