r"""How often the pipeline's jump step flags a pixel that only noise is in: a Monte Carlo in NumPy.

Noise is what the simulator is specified to have, drawn anew: photons and dark current, white and 1/f noise of the pixel such
that a difference of two frames has the noise that the READNOISE file says, whole DN. Of the simulator's code only the
tables of the detectors are used.

The step is the two-point difference method (Anderson & Gordon 2011, PASP 123, 1237) with the parameters of the jwst
pipeline, as `stcal.jump.twopoint_difference` has it: a difference d of two groups is a jump where

.. math:: |d - m| > t \sqrt{|m| + R^2}

with R the noise of the file and m a median of the differences. From 10 differences on, m is the median of all, and t = 4.
With fewer, d stands for its own absolute value and the largest is left out of the median; the worst jump is taken away, and
what is left is looked at again: t is 4, of three differences 5, of two (where m is the smaller one) 6.

Of 4 differences m is thus the second smallest, and t is still 4. On a sky of 50 electrons a group and a noise of 22, 4 sigma
of a Gaussian are 64 in a million. That m is as uncertain as a median of 4 is makes it 590; that it is too low, 1,700; that
sigma is with it, 2,200. Three differences and 5 sigma give 130, 19 differences 115. On a dark sky noise is hardly ever
flagged, since |d| is not as wide as d.

Not in it: flags of neighbours, which noise does not cause (they need 10 sigma), and pixels of more dark current than others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector

Floats = NDArray[np.floating]
SINGLE_PASS = 10
"""Differences from which on the step looks once at all of them."""
THRESHOLDS = {2: 6.0, 3: 5.0}
"""Sigma, by the number of differences that are left; 4 otherwise."""
THRESHOLD = 4.0


@dataclass(frozen=True)
class Rate:
    """A part of the differences of groups that is flagged."""

    value: float
    error: float
    """1 sigma; pixels are independent, the differences of one pixel are not."""

    def pull(self, other: Rate) -> float:
        """Return by how many sigma this one is larger than another."""
        return (self.value - other.value) / float(np.hypot(self.error, other.error))


def rate_of(flags: NDArray[np.bool_]) -> Rate:
    """Return the rate of flags, (difference, pixel)."""
    count = flags.sum(axis=0)
    return Rate(flags.mean(), count.std() / np.sqrt(count.size) / len(flags))


def find_jumps(ramp: Floats, cds_noise: Floats) -> NDArray[np.bool_]:
    """Return the flags of the step, (group - 1, pixel).

    Parameters
    ----------
    ramp
        (group, pixel), at least 4 groups of equal length, e-.
    cds_noise
        (pixel,), noise of a difference of two groups without light, e-.
    """
    steps = np.diff(ramp, axis=0)
    if len(steps) >= SINGLE_PASS:
        return _ratio(steps, np.median(steps, axis=0), cds_noise) > THRESHOLD
    found = np.zeros(steps.shape, bool)
    left = np.abs(steps)
    looked_at = np.arange(steps.shape[1])
    while looked_at.size:
        now = left[:, looked_at]
        count = np.isfinite(now).sum(axis=0)
        ratio = _ratio(now, _clipped_median(now, count), cds_noise[looked_at])
        ratio[~np.isfinite(ratio)] = -1.0
        worst = ratio.max(axis=0)
        limit = np.select([count == n for n in THRESHOLDS], list(THRESHOLDS.values()), THRESHOLD)
        jumps = (ratio == worst) & (worst > limit)
        found[:, looked_at] |= jumps
        left[:, looked_at] = np.where(jumps, np.nan, now)
        looked_at = looked_at[jumps.any(axis=0)]
    return found


def _ratio(steps: Floats, median: Floats, cds_noise: Floats) -> Floats:
    return np.abs(steps - median) / np.sqrt(np.abs(median) + cds_noise**2)


def _clipped_median(steps: Floats, count: NDArray[np.integer]) -> Floats:
    """Return the median without the largest of four or more, of three the middle, the smaller of two, of one NaN."""
    kept = np.select([count >= 4, count == 3, count == 2], [count - 1, 3, 1], 0)
    ordered = np.sort(steps, axis=0)  # NaN come last
    pixel = np.arange(steps.shape[1])
    median = (ordered[(kept - 1) // 2, pixel] + ordered[kept // 2, pixel]) / 2
    return np.where(kept > 0, median, np.nan)


def noise_ramps(
    name: str,
    light: Floats,
    cds_noise: Floats,
    gain: Floats,
    *,
    groups: int,
    tframe: float,
    stripes: bool,
    random: np.random.Generator,
) -> Floats:
    """Return ramps of groups of one frame, (group, pixel), e-.

    Parameters
    ----------
    name
        Of the detector, in whose tables dark current, capacitance and 1/f noise are.
    light, cds_noise, gain
        Of each pixel: e-/s; noise of a difference of two frames, e-; e-/DN.
    groups, tframe
        Number of groups, and seconds of one.
    stripes
        With the 1/f noise of the read-out of a frame, as if each pixel had its own, before reference pixels correct it.
    random
        Generator.
    """
    detector, shape = get_detector(name), (groups, light.size)
    mean = (light + detector.dark_current) * tframe
    # Capacitance mixes photons of neighbours, which makes their noise smaller.
    alone = np.sqrt((1 - 4 * detector.ipc) ** 2 + 4 * detector.ipc**2)
    ramp = np.cumsum(mean + alone * (random.poisson(mean, shape) - mean), axis=0)
    pink = np.minimum(detector.pixel_pink_noise, cds_noise / 2)
    ramp += np.sqrt(cds_noise**2 / 2 - pink**2) * random.standard_normal(shape)
    frame = np.arange(groups)
    # The octave 1 changes every 2 frames, the next one every 4.
    for octave in range(1, (groups - 1).bit_length() + 1):
        node = (frame + 2 ** (octave - 1)) >> octave
        values = random.standard_normal((node[-1] + 1, light.size))
        ramp += pink * (values - values[0])[node]
    if stripes:
        ramp += np.hypot(detector.pink_noise, detector.output_pink_noise) * random.standard_normal(shape)
    return gain * np.rint(ramp / gain + random.random(light.size))


def expected_rate(
    name: str,
    light: Floats,
    cds_noise: Floats,
    gain: Floats,
    *,
    groups: int,
    tframe: float,
    stripes: bool = False,
    pixels: int = 600_000,
) -> Rate:
    """Return the rate at which the step flags noise, from as many pixels, drawn among those given; see `noise_ramps`."""
    random = np.random.default_rng([2026, groups])
    flags = []
    for _ in range(4):  # memory
        one = random.integers(0, light.size, pixels // 4)
        cds = cds_noise[one].astype(float)
        ramp = noise_ramps(
            name, light[one], cds, gain[one].astype(float), groups=groups, tframe=tframe, stripes=stripes, random=random
        )  # fmt: skip
        flags.append(find_jumps(ramp, cds))
    return rate_of(np.concatenate(flags, axis=1))
