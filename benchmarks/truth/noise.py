"""Noise of dark exposures and saturation of bright ones, measured on strips of simulated pixels as on real ones.

The noise is that of the difference of two integrations, over sqrt 2, so that what is fixed (bias, dark current of each
pixel) drops out; in electrons by the mean gain; half the width between the 16th and the 84th percentile of the good pixels,
so that few bad ones do not matter. Nothing is corrected with reference pixels.

CDS             second frame minus first
1,000 s         slope of a straight line through 93 frames (RAPID), unweighted, times 92 frame times
dark current    mean of the last minus the first of 93 frames without read noise and 1/f noise, whose drifts hide it
saturation      median of the level above which pixels count as saturated; raw counts go on to the hard stop of the model,
                which is measured under light that fills every pixel at once
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from measure import Measurement
from numpy.typing import NDArray

from mirage_dask.detector.effects import switched_effects
from truth.exposures import NIRCAM, dark_spec, pack_of, plane, simulate, strips
from truth.references import attempt, judge, judge_item, references

GROUPS = 93
QUIET = ("bias", "dark_current", "gain_map", "poisson")
"""Effects that are on where the dark current is measured."""
BRIGHT = 1e6
"""e-/s, 100 times a full well per frame."""


def measure_noise() -> Iterator[Measurement]:
    """Yield the rows of noise, dark current and saturation."""
    for detector in NIRCAM:
        yield judge_item("CDS noise", detector, lambda d=detector: noise(d).cds)
    for detector in NIRCAM:
        yield judge_item("noise of 1,000 s", detector, lambda d=detector: noise(d).long)
    for detector in NIRCAM:
        yield judge_item("dark current", detector, lambda d=detector: dark_current(d))
    frame = references()["frame noise"]["NIS"]
    yield judge("noise of a frame, CDS over sqrt 2, NIS", frame, lambda: noise("NIS", 2).cds / math.sqrt(2))
    for detector in NIRCAM:
        yield judge_item("saturation", detector, lambda d=detector: saturation(d).level)
    stop, note = attempt(lambda: np.mean([saturation(d).stop / saturation(d).level for d in NIRCAM]))
    yield Measurement("raw counts at which ten detectors stop, over their saturation", stop, "", note=note)


class Noise(NamedTuple):
    """Standard deviations."""

    cds: float
    """e-, of a correlated double sample."""
    long: float
    """e-, of the slope times the duration."""


class Saturation(NamedTuple):
    """Medians of the good pixels, raw DN."""

    level: float
    """Above which a pixel counts as saturated."""
    stop: float
    """What it reads under any amount of light."""


@cache
def noise(detector: str, groups: int = GROUPS) -> Noise:
    """Measure two dark integrations of a detector."""
    spec = dark_spec(detector, groups=groups, integrations=2)
    time = np.arange(groups) - (groups - 1) / 2
    weights = (time / (time @ time) * (groups - 1)).astype(np.float32)
    doubles, slopes = [], []
    for window, good in strips(spec):
        ramp = simulate(spec, "linear", window)[..., good]
        difference = ramp[0] - ramp[1]
        doubles.append(difference[1] - difference[0])
        slopes.append(weights @ difference)
    gain = float(pack_of(detector).meta["mean_gain"])
    return Noise(cds=gain * width(np.concatenate(doubles)), long=gain * width(np.concatenate(slopes)))


def dark_current(detector: str) -> float:
    """Return the mean dark current of good pixels, e-/ks."""
    spec = replace(dark_spec(detector, groups=GROUPS, integrations=1), switched=switched_effects(QUIET))
    found = []
    for window, good in strips(spec):
        ramp = simulate(spec, "linear", window)[0][:, good]
        found.append(ramp[-1] - ramp[0])
    gain = float(pack_of(detector).meta["mean_gain"])
    return gain * float(np.mean(np.concatenate(found), dtype=float)) / ((GROUPS - 1) * spec.tframe / 1000)


def width(difference: NDArray[np.floating]) -> float:
    """Return the standard deviation of one of two equal terms of a difference."""
    low, high = np.percentile(difference, (15.865, 84.135))
    return float(high - low) / 2 / math.sqrt(2)


@cache
def saturation(detector: str) -> Saturation:
    """Measure an exposure of very much light."""
    spec = dark_spec(detector, groups=2, integrations=1)
    light = np.broadcast_to(np.float32(BRIGHT), (spec.ny, spec.nx))
    levels, stops = [], []
    for window, good in strips(spec):
        levels.append(plane(spec, "saturation", window)[good])
        stops.append(simulate(spec, "raw", window, seed=light)[0, -1][good])
    return Saturation(*(float(np.median(np.concatenate(found))) for found in (levels, stops)))
