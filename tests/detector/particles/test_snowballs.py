"""Snowballs: how many, where, how large, what they leave, and windows that see the same ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_SW, exposure, whole

from mirage_dask.detector.context import Box, Readout
from mirage_dask.detector.particles.cosmic_rays import Collecting
from mirage_dask.detector.particles.snowball_hits import RADII, Fall, list_snowballs
from mirage_dask.detector.particles.snowballs import full_well, snowball_groups, snowballs_of
from mirage_dask.detector.random.keys import Key
from mirage_dask.exposure.first_frame import read_frame_by_frame
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window

KEY = Key(np.uint32(4), np.uint32(5))
H2RG = Collecting(2048, 2048, 4, 2044, 4, 2044)
WELL = np.float32(1e5)


def fall(rate=0.05, *, tframe=10.7, period=11, array=H2RG):
    epoch = max(int(64 / tframe), 1)
    return Fall(KEY, np.float32(rate * epoch * tframe), epoch, period, array)


def charge(falling, shape, *, box=(0, 0, 0), nframes=1, groupgap=0, tframe=10.7):
    out = np.zeros(shape, np.float32)
    snowball_groups(falling, Readout(nframes, groupgap, np.float32(tframe)), Box(*box), WELL, out)
    return out


@pytest.mark.parametrize("tframe", [10.7, 0.05, 90.0])
def test_number_place_and_size(tframe):
    """Poisson in time, uniform in place, N(>R) ~ R^-2; each within 4 sigma, whatever the time of a frame."""
    seconds = 4e5
    falling = fall(tframe=tframe, period=40)
    integrations = int(seconds / tframe / 40)
    found = list_snowballs(falling, integrations)
    expected = 0.05 * (integrations * 40 - 1) * tframe
    assert abs(found.row.size - expected) < 4 * np.sqrt(expected)
    for values, high in ((found.row, 2043.5), (found.column, 2043.5)):
        assert values.min() >= 3.5
        assert values.max() < high
        cells = np.histogram(values, 20, (3.5, 2043.5))[0]
        assert abs(((cells - cells.mean()) ** 2 / cells.mean()).sum() - 19) < 4 * np.sqrt(38)
    cells = np.histogram(found.frame + 40 * found.integration, 20)[0]
    assert abs(((cells - cells.mean()) ** 2 / cells.mean()).sum() - 19) < 4 * np.sqrt(38)
    low, high = RADII
    assert found.radius.min() >= low
    assert found.radius.max() < high
    for radius in (4.0, 6.0, 12.0):
        share = (radius**-2 - high**-2) / (low**-2 - high**-2)
        above = (found.radius > radius).sum()
        assert abs(above - share * found.row.size) < 4 * np.sqrt(share * (1 - share) * found.row.size)


def test_anatomy():
    """Core, halo and spill of every snowball of an integration against the equations, with a library's exp."""
    falling = fall()
    out = charge(falling, (1, 10, 2048, 2048))[0].astype(float)
    found = list_snowballs(falling, 1)
    assert found.row.size >= 3
    y, x = np.ogrid[:2048, :2048]
    light = (y >= 4) & (y < 2044) & (x >= 4) & (x < 2044)
    expected = np.zeros(out.shape)
    for frame, row, column, radius in zip(*found[1:], strict=True):
        r = np.hypot(y - row, x - column)
        core = 0.4 * radius
        q = np.where(r <= core, 5e5, 85 * np.exp((radius - r) / (0.3 * radius))) * (r <= 2 * radius)
        spill = 5e4 * np.clip(1 - (r - core) / 3, 0, 1) ** 2 * (r > core)
        for group in range(frame, 10):
            t = (group - frame) * 10.7
            expected[group] += (q + spill * t / (t + 30)) * light
    np.testing.assert_allclose(out, expected, rtol=2e-5, atol=1e-3)
    assert (np.diff(out[:, out[-1] > 0], axis=0) >= 0).all()


def test_electrons_of_the_truth_are_what_is_left():
    """Of one frame, in which nothing has spilt yet; also of a snowball that the border of the array cuts."""
    array = Collecting(64, 64, 4, 60, 4, 60)
    spec = replace(exposure(SUBARRAY_SW)[0], nints=1, ngroups=1, nframes=1, groupgap=0, tframe=10.7)
    falling = fall(0.6, period=spec.frames_per_integration + 1, array=array)
    found, electrons = snowballs_of(spec, falling)
    well = np.float32(full_well(spec.detector))
    assert 85_000 < well < 115_000
    out = np.zeros((1, 1, 64, 64), np.float32)
    assert snowball_groups(falling, Readout(1, 0, np.float32(10.7)), Box(0, 0, 0), well, out)
    assert found.row.size > 1
    assert electrons.sum() == pytest.approx(out.sum(dtype=float), rel=1e-5)


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 1), (2, 8)])
def test_groups_average_their_frames(nframes, groupgap):
    groups, step = 4, nframes + groupgap
    falling = fall(5.0, period=(groups - 1) * step + nframes + 1)
    shape = (2, groups * step, 64, 64)
    frames = charge(falling, shape, box=(0, 900, 600))
    out = charge(falling, (2, groups, 64, 64), box=(0, 900, 600), nframes=nframes, groupgap=groupgap)
    assert out[0].any()
    for g in range(groups):
        expected = frames[:, g * step : g * step + nframes].mean(axis=1, dtype=float)
        np.testing.assert_allclose(out[:, g], expected, rtol=2e-6, atol=1e-2)


WHOLE = (4, 3, 128, 160)


@pytest.fixture(scope="module")
def everything():
    return charge(fall(20.0, period=9), WHOLE, nframes=2, groupgap=1)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(0, 3), st.integers(0, 120), st.integers(0, 150)),
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 60), st.integers(1, 60)),
)
def test_any_window_sees_the_same_snowballs(everything, corner, size):
    integration, y, x = corner
    n, groups, ny, nx = (
        min(size[0], 4 - integration), size[1], min(size[2], 128 - y), min(size[3], 160 - x),
    )  # fmt: skip
    part = charge(fall(20.0, period=9), (n, groups, ny, nx), box=corner, nframes=2, groupgap=1)
    assert np.array_equal(everything[integration : integration + n, :groups, y : y + ny, x : x + nx], part)


def test_afterglow_is_what_traps_release():
    """The sum over the cores of many snowballs within 4 sigma of the integral of the equation, its scatter Poisson."""
    size, integrations, tframe = 512, 8, 10.7
    falling = fall(0.2, period=6, array=Collecting(size, size, 4, size - 4, 4, size - 4))
    out = charge(falling, (integrations, 5, size, size))
    found = list_snowballs(falling, integrations)
    y, x = np.ogrid[:size, :size]
    mean = np.zeros((size, size))
    alone = np.zeros((size, size), bool)  # pixels that no snowball of the last integration reaches
    alone[4:-4, 4:-4] = True
    for when, frame, row, column, radius in zip(*found, strict=True):
        distance = np.hypot(y - row, x - column)
        if when == integrations - 1:
            alone &= distance > 2 * radius
            continue
        t1 = ((integrations - 1) * 6 - (when * 6 + frame)) * tframe
        released = 300 / (300 + t1) - 300 / (300 + t1 + 5 * tframe)
        mean[distance <= 0.4 * radius] += 500 * released
    glow, dark = alone & (mean > 0), alone & (mean == 0)
    found, mean = out[-1, -1][glow].astype(float), mean[glow]
    assert mean.sum() > 10_000
    assert abs(found.sum() - mean.sum()) < 4 * np.sqrt(mean.sum())
    chi2 = ((found - mean) ** 2 / mean).sum()
    assert abs(chi2 - found.size) < 4 * np.sqrt(2 * found.size + (1 / mean).sum())
    assert np.array_equal(found, np.round(found))  # whole electrons, for a group is one frame here
    assert not out[-1, -1][dark].any()


def test_nothing_falls_at_rate_zero():
    assert not charge(fall(0.0), (2, 3, 64, 64)).any()
    assert list_snowballs(fall(0.0), 1000).row.size == 0


@pytest.fixture
def stormy():
    spec, references = exposure(SUBARRAY_SW)
    return replace(spec, switched=("snowballs",), parameters=(("snowballs", "rate", 50.0),)), references


def test_in_an_exposure_they_change_nothing_else(stormy):
    spec, references = stormy
    names = ("dark", "transients", "seed", "cosmic_rays", "raw")
    found = simulate_window(spec, references, Window.whole(spec), want=names)
    for name in ("dark", "transients", "seed"):
        assert np.array_equal(found[name], whole(SUBARRAY_SW)[name]), name
    assert 0.02 < (found["cosmic_rays"] != whole(SUBARRAY_SW)["cosmic_rays"]).mean() < 0.98
    window = Window((0, 1), (1, 5), (70, 130), (81, 190))
    part = simulate_window(spec, references, window, want=names)
    for name in ("cosmic_rays", "raw"):
        box = tuple(slice(*span) for span in window.spans)
        assert np.array_equal(part[name], found[name][box]), name


def test_the_first_frame_has_those_of_its_exposure(stormy):
    """Also in later integrations, whose start depends on all the frames before."""
    spec, references = stormy
    spec = replace(spec, nints=2, ngroups=3, nframes=4, groupgap=1)
    single = read_frame_by_frame(spec)
    whole, want = Window.whole(single), ("cosmic_rays",)
    frames = simulate_window(single, references, whole, want=want)["cosmic_rays"]
    found = simulate_window(single, references, replace(whole, groups=(0, 1)), want=want)["cosmic_rays"]
    assert found[1].any()
    assert np.array_equal(found[:, 0], frames[:, 0])
