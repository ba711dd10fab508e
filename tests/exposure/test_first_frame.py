"""The first frame of an integration: the frame that the mean of the first group contains, with its own read noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, exposure

from mirage_dask.detector.effects import default_effects, switched_effects
from mirage_dask.exposure.first_frame import can_compute, first_frame, sends_first_frame
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import ExposureSpec, Window

FRAMES = 4


def _without(effect: str) -> tuple[str, ...]:
    """What a spec records when one effect of the defaults is off."""
    return switched_effects(default_effects() - {effect})


def averaged(name: str = SUBARRAY_SW, **changes) -> tuple[ExposureSpec, References]:
    """An exposure of the example, in groups of four frames."""
    spec, references = exposure(name)
    return replace(spec, nframes=FRAMES, groupgap=1, ngroups=2, nints=2, **changes), references


@pytest.mark.parametrize("name", [SUBARRAY_SW, SUBARRAY_LW])
def test_without_read_noise_it_is_the_exposure_read_frame_by_frame(name):
    spec, references = averaged(name, switched=_without("read_noise"))
    window = Window.whole(spec)
    single = replace(spec, nframes=1, groupgap=0, ngroups=spec.ngroups * FRAMES)
    expected = simulate_window(single, references, replace(window, groups=(0, 1)))["raw"][:, 0]
    found = first_frame(spec, references, window, {})
    assert found.dtype == np.uint16
    assert np.array_equal(found, expected)
    assert len(np.unique(found)) > 100


def test_any_window_has_the_bits_of_the_whole():
    spec, references = averaged()
    whole = first_frame(spec, references, Window.whole(spec), {})
    window = Window((1, 2), (0, 2), (3, 70), (101, 160))
    assert np.array_equal(first_frame(spec, references, window, {}), whole[1:2, 3:70, 101:160])


def test_read_noise_is_that_of_one_of_the_averaged_frames():
    """Variance sigma**2, and sigma**2 / n in common with the mean of the group; nothing in common with the next group."""
    spec, references = averaged(
        layers=(), cosmic_ray_library="", switched=switched_effects(("bias", "read_noise"))
    )
    references = References(references.pack)  # without light
    window = Window.whole(spec)
    quiet = replace(spec, switched=switched_effects(("bias",)))
    bias = simulate_window(quiet, references, window, want=("linear",))["linear"].astype(float)
    ramp = simulate_window(spec, references, window, want=("linear",))["linear"].astype(float) - bias
    level = simulate_window(quiet, references, window)["raw"][:, 0].astype(float)
    first = first_frame(spec, references, window, {}) - level
    good = np.s_[:, 4:-4, 4:-4]
    e, mean, after = first[good].ravel(), ramp[:, 0][good].ravel(), ramp[:, 1][good].ravel()
    variance = e.var() - 1.0 / 6.0  # rounding to whole DN, of the frame and of the level
    assert mean.var() == pytest.approx(variance / FRAMES, rel=0.02)
    assert np.cov(e, mean)[0, 1] == pytest.approx(variance / FRAMES, rel=0.03)
    assert abs(np.cov(e, after)[0, 1]) < 0.01 * variance


def test_only_nircam_sends_it_and_only_beside_means():
    spec, _ = averaged()
    assert sends_first_frame(spec)
    assert not sends_first_frame(replace(spec, nframes=1))
    assert not sends_first_frame(replace(spec, detector="NIS"))
    assert can_compute({"seed": np.zeros(1)})
    assert not can_compute({"dark": np.zeros(1)})
    assert not can_compute({"cosmic_rays": np.zeros(1)})
