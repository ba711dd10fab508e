"""Pixels of a representative set of readouts: what averaging, dropping and resetting frames does to a ramp.

A group is the mean of its frames. The exposure with every frame sent down has the same random numbers, so that its frames,
averaged by numpy, must give the groups: exactly but for float32 rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.simulated import SUBARRAY_SW, exposure
from support.small_plans import make_spec
from support.table_packs import table_references

from mirage_dask.detector.averaging import TOGETHER
from mirage_dask.detector.effects import default_effects, switched_effects
from mirage_dask.exposure.chain import Chain
from mirage_dask.exposure.first_frame import first_frame, read_frame_by_frame
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import frame_time, get_detector, get_readout, readout_names
from mirage_dask.scene.layers import Light
from mirage_dask.spec import ExposureSpec, Window

PLACES = {
    "NRCB1 one output": ("NRCB1", 0, 0, 64, 48, 1),
    "NRCA5 four outputs": ("NRCA5", 0, 0, 2048, 8, 4),
    "NIS one output": ("NIS", 2000, 1992, 48, 56, 1),
    "NIS four outputs": ("NIS", 2040, 0, 8, 2048, 4),
    "GUIDER1 one output": ("GUIDER1", 0, 2016, 32, 32, 1),
    "GUIDER2 four outputs": ("GUIDER2", 0, 0, 8, 2048, 4),
}
"""Detector, x0, y0, nx, ny, amplifiers: corners of the detector, where reference pixels are."""
NONE = switched_effects(())
NINTS, NGROUPS = 2, 3


def _patterns(label: str) -> tuple[str, ...]:
    return readout_names(get_detector(PLACES[label][0]).instrument)


CASES = [(label, pattern) for label in PLACES for pattern in _patterns(label)]


def spec_of(label: str, pattern: str, **changes) -> ExposureSpec:
    name, x0, y0, nx, ny, amplifiers = PLACES[label]
    detector = get_detector(name)
    readout = get_readout(detector.instrument, pattern)
    values = {"cosmic_ray_library": "", "layers": (), **changes}
    return make_spec(
        detector=name, nints=NINTS, ngroups=NGROUPS, nframes=readout.nframes, groupgap=readout.groupgap,
        tframe=frame_time(detector.instrument, nx, ny, amplifiers), x0=x0, y0=y0, nx=nx, ny=ny,
        fast_axis=detector.fast_axis, slow_axis=detector.slow_axis, amplifiers=amplifiers, **values,
    )  # fmt: skip


def averaged(frames: np.ndarray, spec: ExposureSpec) -> np.ndarray:
    """Average what is read of each group: (integration, frame, y, x) to (integration, group, y, x)."""
    stride = spec.nframes + spec.groupgap
    return np.stack(
        [
            frames[:, g * stride : g * stride + spec.nframes].mean(axis=1, dtype=float)
            for g in range(spec.ngroups)
        ],
        axis=1,
    )


@pytest.mark.parametrize(("label", "pattern"), CASES)
def test_a_ramp_without_noise_is_that_of_the_clock(label, pattern):
    """Electrons of a group: rate times the mean of the times at which its frames end; each integration starts from zero."""
    spec = spec_of(label, pattern, switched=NONE)
    references = table_references(spec.detector)
    rate = np.random.default_rng(3).uniform(0.5, 50.0, (spec.ny, spec.nx)).astype(np.float32)
    window = Window.whole(spec)
    found = simulate_window(spec, references, window, want=("linear", "raw"), replaced={"seed": rate})
    gain = references.pack.meta["mean_gain"]
    ends = [
        np.mean([(g * spec.frames_per_group + f + 1) * spec.tframe for f in range(spec.nframes)])
        for g in range(NGROUPS)
    ]
    y, x = np.mgrid[spec.y0 : spec.y0 + spec.ny, spec.x0 : spec.x0 + spec.nx]
    sensitive = (np.minimum(x, y) >= 4) & (np.maximum(x, y) < 2044)
    assert 0 < sensitive.sum() < sensitive.size
    expected = np.array(ends)[:, None, None] * rate * sensitive / gain
    assert np.array_equal(found["linear"][0], found["linear"][1])
    assert found["linear"][0] == pytest.approx(expected, rel=2e-6, abs=1e-4)
    assert not found["linear"][:, :, ~sensitive].any()
    assert found["raw"][1] == pytest.approx(np.floor(expected + 0.5), abs=1)


@pytest.mark.parametrize(("label", "pattern"), CASES)
def test_groups_are_means_of_their_frames(label, pattern):
    """Dark current, reset noise and both kinds of 1/f noise; photons where no frame is dropped.

    Frames of groups that are drawn together have no deviates of their own: then reset noise and 1/f noise of pixels. What
    groups have on the average says `tests/detector/test_averaging.py`.
    """
    quiet = default_effects() - {"read_noise", "ipc", "flat", "bias"}
    spec = spec_of(label, pattern)
    references = table_references(spec.detector)
    # Deviates of the dark current belong to reads: where frames are dropped, one is that of the frame and its gap.
    together = spec.nframes in TOGETHER
    on = (
        quiet
        - ({"dark_current"} if spec.groupgap or together else set())
        - ({"pink_noise"} if together else set())
    )
    spec = replace(spec, switched=switched_effects(on))
    single = read_frame_by_frame(spec)
    groups = simulate_window(spec, references, Window.whole(spec), want=("dark",))["dark"]
    frames = simulate_window(single, references, Window.whole(single), want=("dark",))["dark"]
    expected = averaged(frames, spec)
    assert np.ptp(expected) > 10.0
    assert groups == pytest.approx(expected, abs=2e-4)
    if not (spec.groupgap or together):
        rate = np.full((spec.ny, spec.nx), 40.0, np.float32)
        photons = [
            Chain(
                one, references, Window.whole(one), ["linear"], {"seed": rate, "dark": _zeros(one)}
            ).compute()
            for one in (spec, single)
        ]
        found, expected = photons[0]["linear"], averaged(photons[1]["linear"], spec)
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-3)
        assert found.std() > 0


def _zeros(spec: ExposureSpec) -> np.ndarray:
    return np.zeros(spec.shape, np.float32)


@pytest.mark.parametrize("pattern", readout_names("NIRCAM"))
def test_cosmic_rays_are_averaged_frame_by_frame(pattern):
    """A particle that hits between two reads of a group is in the later ones, and in all groups that follow."""
    spec, references = exposure(SUBARRAY_SW)
    readout = get_readout("NIRCAM", pattern)
    spec = replace(
        spec, nints=2, ngroups=3, nframes=readout.nframes, groupgap=readout.groupgap, cosmic_ray_rate=2e-3, layers=()
    )  # fmt: skip
    references = References(references.pack)
    single = read_frame_by_frame(spec)
    box = ((40, 140), (10, 130))
    groups, frames = (
        simulate_window(one, references, Window((0, 2), (0, n), *box), want=("cosmic_rays",))["cosmic_rays"]
        for one, n in ((spec, 3), (single, single.ngroups))
    )
    expected = averaged(frames, spec)
    assert (np.diff(expected, axis=1) > 0).sum() > 200
    assert groups == pytest.approx(expected, rel=2e-5, abs=0.02)


def test_zero_frames_of_every_pattern_of_nircam():
    """ZEROFRAME has a number in every pixel, also where the first frames of a group would be dropped: none are."""
    averaging = [p for p in readout_names("NIRCAM") if get_readout("NIRCAM", p).nframes > 1]
    assert len(averaging) == 7
    rate = np.random.default_rng(4).uniform(5.0, 5e3, (48, 64)).astype(np.float32)
    on = default_effects() - {"read_noise"}
    for pattern in averaging:
        spec = spec_of("NRCB1 one output", pattern, switched=switched_effects(on))
        references, given = table_references(spec.detector), {"seed": rate}
        window = Window.whole(spec)
        found = first_frame(spec, references, window, given)
        single = read_frame_by_frame(spec)
        frames = simulate_window(single, references, replace(window, groups=(0, 1)), replaced=given)["raw"]
        assert found.dtype == np.uint16
        assert np.array_equal(found, frames[:, 0])
        ramp = simulate_window(spec, references, window, replaced=given)["raw"]
        assert (
            found[:, 8:, 8:] < ramp[:, 0, 8:, 8:]
        ).mean() > 0.7  # an earlier time than the mean of the group


class _Blinking:
    """Light that varies: each read of each integration has another rate, which tells the times that it was asked for."""

    varying, slot = True, 3

    def touches(self, x, y):
        return True

    def add(self, out, *, x0, y0, edges):
        out += (100.0 + 10.0 * edges[:-1])[:, None, None].astype(np.float32)


@pytest.mark.parametrize("pattern", ["BRIGHT2", "SHALLOW4", "DEEP8"])
def test_zero_frames_have_light_that_varies(pattern):
    """The first read of each integration has the light of its own time, in the second integration too."""
    spec = spec_of("NRCB1 one output", pattern, switched=NONE)
    references = References(table_references("NRCB1").pack, Light(varying=(_Blinking(),)))
    found = first_frame(spec, references, Window.whole(spec), {})
    gain = references.pack.meta["mean_gain"]
    for integration in range(NINTS):
        rate = 100.0 + 10.0 * spec.integration_start(integration)
        assert (found[integration, 4:, 4:] == np.floor(rate * spec.tframe / gain + 0.5)).all()
    part = Window((1, 2), (0, 1), (5, 20), (7, 30))
    assert np.array_equal(first_frame(spec, references, part, {}), found[1:, 5:20, 7:30])
