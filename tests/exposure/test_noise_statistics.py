"""Noise has the size that tables and reference files say: gain, read noise, dark current, kTC, from raw numbers alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, example_plan, exposure

from mirage_dask.detector.effects import switched_effects
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import get_detector
from mirage_dask.spec import ExposureSpec, Window

NAMES = (SUBARRAY_SW, SUBARRAY_LW)
QUIET = ("bias", "dark_current", "flat", "gain_map", "ktc_noise", "poisson", "read_noise", "reference_pixels")
"""Without what couples pixels or bends ramps: IPC, 1/f noise, cosmic rays, non-linearity, saturation."""
ROUNDING = 1.0 / 12.0
"""Variance of rounding to whole DN."""


@cache
def _ramp(name: str, seed: int, background: float, tframe: float | None = None) -> NDArray[np.float64]:
    """Return an empty field under an even background (e-/s): raw (integration, group, good pixel)."""
    spec = _quiet(name)
    layers = (("background", repr(background)),)
    spec = replace(spec, random_seed=seed, layers=layers, tframe=tframe or spec.tframe)
    raw = simulate_window(spec, open_references(spec, example_plan().url), Window.whole(spec))["raw"]
    good = raw[..., _plane(name, "mask") == 0]
    assert good.max() < 65_535
    return good.astype(float)


def _quiet(name: str) -> ExposureSpec:
    return replace(exposure(name)[0], switched=switched_effects(QUIET), layers=(), cosmic_ray_library="")


def _plane(name: str, kind: str) -> NDArray[np.float32]:
    """Return a reference plane of the exposure in science orientation."""
    spec, references = exposure(name)
    spans = []
    for axis, start, size in ((spec.slow_axis, spec.y0, spec.ny), (spec.fast_axis, spec.x0, spec.nx)):
        low = 2048 - start - size if axis < 0 else start
        spans.append(slice(low, low + size))
    values = references.pack.plane(kind, *spans)
    return values[:: 1 if spec.slow_axis > 0 else -1, :: 1 if spec.fast_axis > 0 else -1]


def _good(name: str, kind: str) -> NDArray[np.float64]:
    return _plane(name, kind)[_plane(name, "mask") == 0].astype(float)


@pytest.mark.parametrize("name", NAMES)
def test_gain_from_a_photon_transfer_curve(name):
    """Variance against mean of pairs of exposures of the same light; the slope between dark and light is 1 / gain."""
    mean, variance = [], []
    for background in (0.0, 1500.0, 3000.0):
        pairs = [(_ramp(name, seed, background), _ramp(name, seed + 100, background)) for seed in (1, 2)]
        # The last read minus the first: neither bias nor reset noise.
        signal = [ramp[:, -1] - ramp[:, 0] for pair in pairs for ramp in pair]
        mean.append(np.mean(signal))
        variance.append(np.mean([np.var(a - b) / 2 for a, b in zip(signal[::2], signal[1::2], strict=True)]))
    assert mean[-1] > 5000
    gain = 1.0 / np.polyfit(mean, variance, 1, w=1 / np.array(variance))[0]
    assert gain == pytest.approx(1.0 / _good(name, "inverse_gain").mean(), rel=0.01)
    assert gain == pytest.approx(
        get_detector(exposure(name)[0].detector).gain, rel=0.05
    )  # of the whole detector


@pytest.mark.parametrize("name", NAMES)
def test_read_noise_from_darks(name):
    steps = np.concatenate([np.diff(_ramp(name, seed, 0.0), axis=1) for seed in (1, 101)])
    frames = exposure(name)[0].nframes
    noise = np.sqrt((np.var(steps, axis=(0, 1), ddof=1) / 2 - ROUNDING) * frames)
    expected = _good(name, "read_noise")
    # A hundred pixels of the same noise at a time: the deviation of few samples would be biased.
    order = np.argsort(expected)[: len(expected) // 100 * 100].reshape(-1, 100)
    found = np.sqrt((noise[order] ** 2).mean(axis=1))
    assert np.median(found / expected[order].mean(axis=1)) == pytest.approx(1.0, abs=0.02)
    electrons = np.median(found) / _good(name, "inverse_gain").mean()
    assert electrons == pytest.approx(get_detector(exposure(name)[0].detector).read_noise, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_dark_current(name):
    """Long frames, so that the few electrons stand out; pixels one by one and on average."""
    tframe = 2000.0
    ramp = _ramp(name, 3, 0.0, tframe)
    seconds = (ramp.shape[1] - 1) * tframe
    rate = (ramp[:, -1] - ramp[:, 0]).mean(axis=0) / seconds / _good(name, "inverse_gain")
    expected = _good(name, "dark_rate")
    assert rate.mean() == pytest.approx(expected.mean(), rel=0.01)
    slope = np.polyfit(expected, rate, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.02)
    # The reference is invented around the table's value, which is that of the whole detector.
    assert np.median(expected) == pytest.approx(
        get_detector(exposure(name)[0].detector).dark_current, rel=0.4
    )


@pytest.mark.parametrize("name", NAMES)
def test_reset_noise_is_drawn_for_every_integration(name):
    """First reads of two integrations differ by kTC and read noise; reads of one integration share their kTC."""
    ktc = get_detector(exposure(name)[0].detector).ktc_noise * _good(name, "inverse_gain").mean()
    read = np.mean(_good(name, "read_noise") ** 2) / exposure(name)[0].nframes
    ramp = _ramp(name, 1, 0.0)
    other = ramp[0, 0] - ramp[1, 0]
    exposures = ramp[0, 0] - _ramp(name, 101, 0.0)[0, 0]
    for difference in (other, exposures):
        assert np.sqrt(np.var(difference) / 2 - read - ROUNDING) == pytest.approx(ktc, rel=0.02)
    shared = np.cov(ramp[0, 0] - _good(name, "superbias"), ramp[0, -1] - _good(name, "superbias"))[0, 1]
    assert shared == pytest.approx(ktc**2, rel=0.03)
