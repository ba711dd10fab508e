"""Statistics of each effect that adds to the dark, against the equation in its module; sigmas are stated, keys fixed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.dark_effects import GAIN, TFRAME, added, dark_exposure

from mirage_dask.detector.context import Box


def ramps(
    effect: str, shape: tuple[int, int, int, int], *, row: int = 100, column: int = 8, **how
) -> np.ndarray:
    return added(effect, dark_exposure(effect, **how), Box(0, row, column), shape).astype(float)


def test_columns_jump_as_often_as_they_should_and_all_at_once():
    """4,000 column-integrations of 100 frames: 92 jumps at the rate of NIRISS, within 3 sigma; each of +-10 DN."""
    found = ramps("column_jumps", (8, 100, 2, 500))
    assert np.array_equal(found[:, :, 0], found[:, :, 1])
    steps = np.diff(found[:, :, 0], axis=1, prepend=0.0)
    jumps = steps[steps != 0]
    assert set(np.abs(jumps)) == {10.0}
    expected = 2.3e-5 * TFRAME * steps.size
    assert abs(jumps.size - expected) < 3 * np.sqrt(expected)
    assert abs((jumps > 0).sum() - jumps.size / 2) < 3 * np.sqrt(jumps.size / 4)


def test_niriss_has_fifty_column_jumps_in_a_ramp_of_100_groups():
    """The figure that the rate was made from: 2,048 columns in 1,074 s, about 50; four integrations, within 3 sigma."""
    found = ramps("column_jumps", (4, 107, 1, 2048), column=0, detector="NIS")  # 1,070 s
    jumps = np.count_nonzero(np.diff(found[:, :, 0], axis=1, prepend=0.0))
    assert abs(jumps - 4 * 50) < 3 * np.sqrt(4 * 50)


def test_telegraph_pixels_switch_between_two_levels_of_their_own():
    """Levels +-A (1/2 + u) / (2 G); correlation (1 - 2 p)^k between frames, within 3 sigma of 400 pixels x 200 frames."""
    how = {"fraction": 0.02, "amplitude": 40.0, "period": 50.0}
    found = ramps("telegraph_noise", (1, 200, 64, 320), **how)[0]
    pixels = found[:, (found != 0).any(axis=0)]
    level = np.abs(pixels).max(axis=0)
    assert np.allclose(np.abs(pixels), level)
    mean = 40.0 / GAIN / 2
    assert level.min() > 0.5 * mean
    assert level.max() < 1.5 * mean
    assert abs(level.mean() - mean) < 3 * mean / np.sqrt(12 * level.size)
    state = pixels / level
    assert abs(state.mean()) < 0.05  # 400 x 200 frames, correlated over 4: sigma 0.007
    p = TFRAME / 50.0
    for k in (1, 2, 4):
        found_k = (state[k:] * state[:-k]).mean()
        # Of independent stretches of 1 / (2 p) frames there are 400 x 80.
        assert abs(found_k - (1 - 2 * p) ** k) < 3 / np.sqrt(state.size * 2 * p), k


def test_rc_pixels_follow_their_curve():
    found = ramps("rc_pixels", (2, 30, 64, 512), fraction=0.01, amplitude=900.0, time=70.0)
    assert np.array_equal(found[0], found[1])
    pixels = found[0][:, (found[0] != 0).any(axis=0)]
    t = TFRAME * np.arange(1, 31)
    shape = t / (t + 70.0)
    own = pixels[-1] / shape[-1]
    np.testing.assert_allclose(pixels, shape[:, None] * own, rtol=1e-5)
    mean = 900.0 / GAIN
    assert abs(own.mean() - mean) < 3 * mean / np.sqrt(12 * own.size)


def test_offsets_of_the_reset_are_those_of_outputs():
    """One level for each output and integration, of the standard deviation given, within 3 sigma of 2,000."""
    found = ramps("reset_offsets", (500, 2, 1, 2048), column=0, amplitude=30.0)
    assert np.array_equal(found[:, 0], found[:, 1])
    levels = found[:, 0, 0].reshape(500, 4, 512)
    assert (levels == levels[..., :1]).all()
    values = levels[..., 0]
    assert abs(values.std() / 30.0 - 1) < 3 / np.sqrt(2 * values.size)
    correlation = np.corrcoef(values.T) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(500)
    one = ramps("reset_offsets", (3, 1, 1, 160), column=1000, columns=(1000, 1160), amplifiers=1)
    assert (one == one[..., :1]).all()


def test_even_and_odd_columns_have_opposite_noise_of_the_size_given():
    """Standard deviation within a frame as given, less what the mean of each frame takes from the slow octaves."""
    found = ramps("alternating_columns", (60, 1, 2048, 4), row=0, column=0, amplitude=3.0)[:, 0]
    assert np.array_equal(found[..., 0], -found[..., 1])
    assert np.array_equal(found[..., ::2], found[..., :2:2].repeat(2, axis=-1))
    rows = found[..., 0] * GAIN
    rms = np.sqrt(((rows - rows.mean(axis=1, keepdims=True)) ** 2).mean())
    assert abs(rms / 3.0 - 1) < 0.12
    power = (np.abs(np.fft.rfft(rows * np.hanning(2048), axis=1)) ** 2).mean(axis=0)
    edges = 2 ** np.arange(2, 10)
    octaves = [power[a:b].mean() for a, b in pairwise(edges)]
    slope = np.polyfit(np.log(edges[:-1]), np.log(octaves), 1)[0]
    assert abs(slope + 1) < 0.25  # straight lines between the nodes are smoother than 1/f at the end
    other = ramps("alternating_columns", (40, 1, 512, 2), row=0, column=600, amplitude=3.0)[:, 0, :, 0]
    mine = found[:40, :512, 0]
    flat = [(v - v.mean(axis=1, keepdims=True)).ravel() for v in (mine, other)]
    assert abs(np.corrcoef(*flat)[0, 1]) < 0.1  # outputs are independent


def test_reference_pixels_alone_drift_with_equal_variance_in_each_octave():
    """Structure function of 1/f noise: the differences of frames that are 2^k apart have 2 s^2 (k + 1) to 2 s^2 (k + 2)."""
    found = ramps("reference_drift", (150, 65, 6, 8), row=0, column=0, amplitude=5.0)
    sensitive = found[:, :, 4:, 4:]
    assert not sensitive.any()
    reference = found[:, :, 0, 0] * GAIN
    assert np.array_equal(found[:, :, 5, 0], found[:, :, 0, 7])
    for k in (0, 2, 4, 6):
        variance = ((reference[:, 1 << k :] - reference[:, : -(1 << k) or None]) ** 2).mean()
        # Octaves 0 to k have changed for certain, slower ones with the probability 2^(k - octave): one more in all.
        expected = 2 * 25.0 * (k + 1 + (1 - 2.0 ** (k - 12)))
        assert variance == pytest.approx(expected, rel=0.15), k
