"""Noise of a dark ramp as JWST User Documentation measures it: of a correlated double sample, and of a slope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEASURED = {
    "NRCA1": (15.99, 6.86), "NRCA2": (17.18, 8.61), "NRCA3": (14.80, 8.40), "NRCA4": (15.06, 7.36), "NRCA5": (13.17, 9.16),
    "NRCB1": (16.76, 6.83), "NRCB2": (15.84, 7.73), "NRCB3": (16.30, 7.98), "NRCB4": (14.23, 8.57), "NRCB5": (13.33, 9.39),
}  # fmt: skip
"""e-: correlated double sample, effective noise in 1,000 s (93 groups of RAPID), NIRCam Detector Performance."""
GROUPS = 93


def scatter(values: NDArray[np.floating]) -> float:
    """Return half the width of the central 68 %, which outliers do not change: the standard deviation of normal values."""
    low, high = np.nanquantile(values, (0.158655, 0.841345))
    return float((high - low) / 2)


def noise(ramp: NDArray[np.floating], *, stripes: bool = False) -> tuple[float, float]:
    """Return the noise of a correlated double sample and of (slope x time), in the units of the ramp.

    Parameters
    ----------
    ramp
        (group, y, x); pixels that do not count are NaN.
    stripes
        With what the pixels of a row have in common; else it is removed by the median of the row, as in calibrated data.
    """
    groups = len(ramp)
    t = np.arange(groups) - (groups - 1) / 2
    slope = np.tensordot(t / (t**2).sum(), ramp, axes=1)
    images = [ramp[g + 1] - ramp[g] for g in range(min(20, groups - 1))] + [slope * groups]
    if not stripes:
        images = [image - np.nanmedian(image, axis=1, keepdims=True) for image in images]
    return float(np.mean([scatter(image) for image in images[:-1]])), scatter(images[-1])
