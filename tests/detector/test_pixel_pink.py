"""1/f noise of each pixel: its covariance, its spectrum, means of frames, and windows that can be computed alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mirage_dask.detector.context import Box, Place, Readout
from mirage_dask.detector.dark import DarkPlanes, PixelPink, dark_groups
from mirage_dask.detector.random.keys import Key

KEY = Key(np.uint32(1), np.uint32(2))
F4 = np.float32


def ramps(
    groups: int,
    *,
    rows: int = 64,
    columns: int = 256,
    row: int = 900,
    column: int = 700,
    first: int = 0,
    nframes: int = 1,
    groupgap: int = 0,
    integration: int = 0,
    integrations: int = 1,
) -> np.ndarray:
    """Return ramps (integration, group, row, column) with nothing but 1/f noise of the pixels, in units of s."""
    zero = np.zeros((rows, columns), F4)
    planes = DarkPlanes(zero, zero, zero, np.ones_like(zero))
    stripes = np.zeros((integrations, groups, rows, 1), F4)
    out = np.full((integrations, groups, rows, columns), np.nan, F4)
    edges, nodes = np.array([0, columns], np.int32), np.zeros(1, np.int32)
    dark_groups(
        KEY, Readout(nframes, groupgap, F4(10.7)), Box(integration, row, column), first, planes, Place(0, 0), F4(0),
        PixelPink(Key(np.uint32(3), np.uint32(4)), F4(1)), stripes, edges, nodes, out,
    )  # fmt: skip
    return out


def test_structure_function_is_that_of_pink_noise():
    """<(p(t + d) - p(t))^2> = 2 (1 + log2 d) s^2 for d a power of two: 16,384 pixels, 1.1 % of one sigma."""
    p = ramps(65)[0].astype(float)
    for lag in (1, 2, 4, 8, 16, 32, 64):
        for start in {0, 1, 5, 64 - lag}:
            if start + lag <= 64:
                found = np.var(p[start + lag] - p[start])
                assert found == pytest.approx(2 * (1 + np.log2(lag)), rel=0.06), (lag, start)


def test_power_falls_as_one_over_frequency():
    p = ramps(1024, rows=16, columns=128)[0].astype(float).reshape(1024, -1)
    p += np.random.default_rng(1).standard_normal(p.shape)  # octave 0, which belongs to the white noise
    power = (np.abs(np.fft.rfft(p * np.hanning(1024)[:, None], axis=0)) ** 2).mean(axis=1)
    edges = 2 ** np.arange(2, 9)
    octave = [power[a:b].mean() for a, b in pairwise(edges)]
    centre = np.sqrt(edges[:-1] * edges[1:])
    assert np.polyfit(np.log(centre), np.log(octave), 1)[0] == pytest.approx(-1.0, abs=0.1)


def test_slope_of_a_long_ramp():
    """Least squares over 93 frames: the same sum in float64 over the covariance matrix gives 3.54 s for slope x time."""
    p = ramps(93)[0].astype(float)
    t = np.arange(93) - 46.0
    weights = t / (t**2).sum() * 93
    number = (np.arange(93)[:, None] + (1 << np.arange(12))) >> (
        1 + np.arange(12)
    )  # of the value of octave 1, 2, …
    covariance = (number[:, None] == number[None]).sum(axis=2)
    expected = np.sqrt(weights @ covariance @ weights)
    assert expected == pytest.approx(3.54, abs=0.01)
    found = np.tensordot(weights, p, axes=1)
    assert found.std() == pytest.approx(expected, rel=0.025)  # four sigma
    kurtosis = (found**4).mean() / (found**2).mean() ** 2 - 3
    assert abs(kurtosis) < 0.15


def test_pixels_rows_and_integrations_are_independent():
    p = ramps(40, integrations=2)[:, 39].astype(float)
    assert np.corrcoef(p[0].ravel(), p[1].ravel())[0, 1] == pytest.approx(0, abs=0.03)
    for axis in (0, 1):
        a, b = (np.take(p[0], np.arange(s, 64 - 1 + s), axis=axis).ravel() for s in (0, 1))
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 1), (8, 12)])
def test_any_window_has_the_bits_of_the_whole(nframes, groupgap):
    how = {"nframes": nframes, "groupgap": groupgap}
    whole = ramps(20, integrations=3, **how)
    part = ramps(13, integrations=1, integration=2, rows=7, columns=30, row=931, column=745, first=9, **how)
    assert np.array_equal(part[0, 9:], whole[2, 9:13, 31:38, 45:75])


@pytest.mark.parametrize(("nframes", "groupgap"), [(4, 1), (8, 12), (2, 0)])
def test_groups_are_means_of_frames(nframes, groupgap):
    """Also over dropped frames, whose values need not be drawn."""
    groups, stride = 6, nframes + groupgap
    single = ramps(groups * stride, rows=8)[0].astype(float)
    found = ramps(groups, rows=8, nframes=nframes, groupgap=groupgap)[0]
    for g in range(groups):
        np.testing.assert_allclose(
            found[g], single[g * stride : g * stride + nframes].mean(axis=0), atol=1e-5
        )
