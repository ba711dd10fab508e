"""Cosmic rays: how many, where, how they add up over frames, and windows that see the same hits."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.detector.context import Box, Readout
from mirage_dask.detector.particles.cosmic_rays import Collecting, Stamps, cosmic_ray_groups
from mirage_dask.detector.random.keys import Key

KEY = (np.uint32(4), np.uint32(5))
H2RG = Collecting(2048, 2048, 4, 2044, 4, 2044)


def single_pixel():
    """A library of one stamp: 1,000 e- in the pixel that was hit."""
    return (
        np.array([0, 1], np.int32),
        np.zeros(1, np.int8),
        np.zeros(1, np.int8),
        np.full(1, 1000, np.float32),
    )


def library():
    """A few stamps of different extent."""
    rng = np.random.default_rng(8)
    start = np.array([0, 1, 30, 60, 300], np.int32)
    dy = np.concatenate([np.sort(rng.integers(-10, 11, n)) for n in np.diff(start)]).astype(np.int8)
    dx = rng.integers(-10, 11, 300).astype(np.int8)
    return start, dy, dx, rng.uniform(1, 4000, 300).astype(np.float32)


def charge(shape, *, stamps, rate, x0=0, y0=0, nframes=1, groupgap=0, integration=0):
    out = np.zeros((1, *shape), np.float32)
    readout, box = Readout(nframes, groupgap, np.float32(10.7)), Box(integration, y0, x0)
    cosmic_ray_groups(Key(*KEY), readout, box, H2RG, np.float32(rate), Stamps(*stamps), out)
    return out[0]


def test_number_and_place_of_hits():
    rate, groups = 2e-4, 5
    out = charge((groups, 2048, 2048), stamps=single_pixel(), rate=rate)
    hits = np.diff(out, axis=0, prepend=0) / 1000
    expected = rate * 2040**2 * groups
    assert abs(hits.sum() - expected) < 4 * np.sqrt(expected)
    # Uniform over rows and columns of the 2040 that see light: chi-squared of 20 strips each, 4 sigma.
    for axis in (1, 2):
        strips = hits.sum(axis=(0, 3 - axis))[4:-4].reshape(20, 102).sum(axis=1)
        chi2 = ((strips - strips.mean()) ** 2 / strips.mean()).sum()
        assert abs(chi2 - 19) < 4 * np.sqrt(38)
    border = np.ones((2048, 2048), bool)
    border[4:-4, 4:-4] = False
    assert not out[:, border].any()


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 1), (2, 8)])
def test_groups_average_their_frames(nframes, groupgap):
    groups, step = 4, nframes + groupgap
    frames = charge((groups * step, 64, 64), stamps=library(), rate=1e-3, x0=600, y0=900)
    out = charge(
        (groups, 64, 64), stamps=library(), rate=1e-3, x0=600, y0=900, nframes=nframes, groupgap=groupgap
    )
    for g in range(groups):
        expected = frames[g * step : g * step + nframes].mean(axis=0, dtype=float)
        np.testing.assert_allclose(out[g], expected, rtol=2e-6, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_any_window_sees_the_same_hits(seed):
    rng = np.random.default_rng(seed)
    y, x = rng.integers(0, 200, 2)
    ny, nx = rng.integers(1, 57, 2)
    whole = charge((3, 256, 256), stamps=library(), rate=1e-3, nframes=2, groupgap=1)
    part = charge((3, ny, nx), stamps=library(), rate=1e-3, nframes=2, groupgap=1, x0=x, y0=y)
    assert np.array_equal(whole[:, y : y + ny, x : x + nx], part)


def test_a_storm_is_bounded():
    out = charge((2, 32, 32), stamps=single_pixel(), rate=4.7, x0=1000, y0=1000)
    expected = 4.7 * 32 * 32
    assert abs(out[0].sum() / 1000 - expected) < 4 * np.sqrt(expected)
