"""Photon transfer, read noise and covariance of groups from simulated ramps of five detectors, by the tables alone.

Nothing couples pixels, the gain is one number, and effects are switched on one by one: what is left has an exact variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.small_plans import make_spec
from support.table_packs import TablePack

from mirage_dask.detector.effects import switched_effects
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import get_detector, get_readout
from mirage_dask.scene.layers import Light, UniformBackground
from mirage_dask.spec import Window

DETECTORS = ("NRCA1", "NRCB4", "NRCA5", "NIS", "GUIDER1")
PATTERNS = (
    *(("NIRCAM", name) for name in ("RAPID", "BRIGHT1", "SHALLOW4", "MEDIUM8", "DEEP8")),
    *(("NIRISS", "NIS"), ("FGS", "FGS")),
)


def ramp(
    detector: str, on: tuple[str, ...], *, rate: float = 0.0, shape: tuple[int, int, int, int], **how: Any
) -> NDArray[np.float64]:
    """Return the linear ramp, DN, of pixels in the middle of a detector under an even light (e-/s), with these effects."""
    about = get_detector(detector)
    nints, ngroups, ny, nx = shape
    spec = make_spec(
        detector=detector, fast_axis=about.fast_axis, slow_axis=about.slow_axis, x0=512, y0=512, nx=nx, ny=ny, nints=nints,
        ngroups=ngroups, amplifiers=1, layers=(), cosmic_ray_library="", random_seed=3, switched=switched_effects(on),
        **{"tframe": 10.0, "nframes": 1, "groupgap": 0} | how,
    )  # fmt: skip
    opened: Any = References(TablePack(detector), Light((UniformBackground(rate),)))
    return simulate_window(spec, opened, Window.whole(spec), want=("linear",))["linear"].astype(float)


@pytest.mark.parametrize("detector", DETECTORS)
def test_gain_is_that_of_the_detector(detector):
    """Variance over mean of 1.3 million independent differences of groups: 0.5 % is four sigma."""
    steps = np.diff(ramp(detector, ("poisson",), rate=100.0, shape=(5, 5, 256, 256)), axis=1)
    assert steps.size == 5 * 4 * 256 * 256
    gain = steps.mean() / steps.var()
    assert gain == pytest.approx(get_detector(detector).gain, rel=0.005)


@pytest.mark.parametrize("detector", DETECTORS)
def test_read_noise_is_that_of_the_detector(detector):
    """From the differences of 40,000 pairs of reads: 2 % is four sigma. Without 1/f noise, of outputs and of pixels."""
    reads = ramp(detector, ("read_noise",), shape=(1, 4, 128, 160))[0]
    noise = np.concatenate([reads[1] - reads[0], reads[3] - reads[2]]).std() / np.sqrt(2)
    about = get_detector(detector)
    assert noise * about.gain == pytest.approx(about.read_noise, rel=0.02)


DIM = (("NIRCAM", "DEEP8"), ("NIRISS", "NIS"))
"""Patterns whose frames are drawn together, in a light of a fifth of a photon a frame."""


@pytest.mark.parametrize(
    ("instrument", "pattern", "effect", "rate"),
    [
        *((*where, "poisson", 3.0) for where in PATTERNS),
        *((*where, "poisson", 0.02) for where in DIM),
        *((*where, "dark_current", None) for where in DIM),
    ],
)
def test_covariance_of_groups_is_that_of_means_over_frames(instrument, pattern, effect, rate):
    """Cov(S_g, S_h) = rate x mean over the frames of both of the time until the earlier one; 65,536 pixels.

    That of light, and that of the dark current with the rate of the tables.
    """
    detector = {"NIRCAM": "NRCB1", "NIRISS": "NIS", "FGS": "GUIDER2"}[instrument]
    readout = get_readout(instrument, pattern)
    frames, gap, groups, tframe = readout.nframes, readout.groupgap, 4, 10.0
    found = ramp(
        detector,
        (effect,),
        rate=rate or 0.0,
        shape=(1, groups, 256, 256),
        tframe=tframe,
        nframes=frames,
        groupgap=gap,
    )
    values = found[0].reshape(groups, -1) * get_detector(detector).gain
    if rate is None:
        dark = TablePack(detector).plane("dark_rate", slice(512, 768), slice(512, 768)).ravel()
        usual = dark < 1.0  # without the few hot pixels, which would be most of the variance of its estimate
        rate, values = float(dark[usual].mean()), values[:, usual]
    times = tframe * (np.arange(groups)[:, None] * (frames + gap) + np.arange(1, frames + 1))
    earlier = np.minimum(times[:, None, :, None], times[None, :, None, :])
    expected = rate * earlier.mean(axis=(2, 3))
    variance = np.diag(expected)
    # The fourth moment of a Poisson deviate is not that of a normal one: its excess is the mean, at most that of the last.
    excess = expected / values.shape[1]
    sigma = np.sqrt((np.outer(variance, variance) + expected**2) / values.shape[1] + excess)
    z = (np.cov(values) - expected) / sigma
    # 70 correlated numbers of a fixed seed: nine out of ten times none is beyond 3.2 sigma.
    assert np.abs(z).max() < 3.2
    assert values.mean(axis=1) == pytest.approx(
        rate * times.mean(axis=1), rel=4 / np.sqrt(rate * times.min() * values.shape[1])
    )
