r"""Decompose a dark ramp, pixel by pixel: ``D_f = c + s f + J_f + noise_f``.

J is the sum of the jumps up to frame f. The increments of a ramp are clipped three times at 4 sigma; a jump is an
increment more than 5 sigma from the mean of the remaining ones. Of N increments none can be more than
:math:`\sqrt{N - 1}` sigma from their mean, so that no jumps are found in ramps of less than about 20 frames. c, s and the
heights of the jumps are fitted together by least squares: one slope, and one level for each part of the ramp between jumps.

Not modelled: drifts that are not linear in time; they are part of the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel

CLIP, JUMP = 4.0, 5.0
"""Standard deviations: clipping of increments, a jump."""
OUTSTANDING = 5.0
"""Standard deviations beyond which a pixel's current is significant."""
ROUNDS = 3
"""Number of clipping iterations."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Components of a ramp of N frames, DN."""

    intercept: Doubles
    """(y, x)."""
    slope: Doubles
    """(y, x), per frame."""
    error: Doubles
    """(y, x), standard deviation of the slope."""
    jumps: Doubles
    """(frame, y, x), the sum of the jumps up to each frame."""
    noise: Doubles
    """(frame, y, x)."""


def decompose(ramp: Doubles) -> Decomposition:
    """Decompose a ramp, each pixel independently.

    Parameters
    ----------
    ramp
        (frame, y, x), DN; finite.
    """
    image = ramp.shape[1:]
    intercept, slope, error = np.empty(image), np.empty(image), np.empty(image)
    jumps, noise = np.empty(ramp.shape), np.empty(ramp.shape)
    _decompose_rows(np.ascontiguousarray(ramp), intercept, slope, error, jumps, noise)
    return Decomposition(intercept, slope, error, jumps, noise)


def steady_current(slope: Doubles, error: Doubles, groups: NDArray[np.bool_]) -> Doubles:
    """Return the current to extrapolate with: the slope where it is significant, elsewhere the mean.

    The slope of one short ramp is mostly noise; extrapolated, this noise would grow with time.

    Parameters
    ----------
    slope, error
        (y, x), per frame.
    groups
        (y, x), True for reference pixels, which have their own mean.

    Returns
    -------
    ndarray
        (y, x): the slope where it is more than 5 sigma from the median of its group, else the mean of the others.
    """
    out = slope.copy()
    for group in (groups, ~groups):
        if group.any():
            own, sigma = slope[group], error[group]
            quiet = np.abs(own - np.median(own)) <= OUTSTANDING * sigma
            if quiet.any():
                own[quiet] = math.fsum(own[quiet].tolist()) / np.count_nonzero(quiet)
            out[group] = own
    return out


@kernel
def _decompose_rows(ramp: Any, intercept: Any, slope: Any, error: Any, jumps: Any, noise: Any) -> None:
    """Fill the arrays of a `Decomposition`; the inner loops of the clipping run over a row of pixels (vectorised)."""
    length, rows, n = ramp.shape
    kept = np.empty((max(length - 1, 1), n))
    count, mean, sigma, total = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for r in range(rows):
        # The spread of the increments, without the jumps.
        kept[:] = 1.0
        for turn in range(ROUNDS + 1):
            count[:] = 0.0
            total[:] = 0.0
            for f in range(1, length):
                for i in range(n):
                    count[i] += kept[f - 1, i]
                    total[i] += kept[f - 1, i] * (ramp[f, r, i] - ramp[f - 1, r, i])
            for i in range(n):
                mean[i] = total[i] / max(count[i], 1.0)
                total[i] = 0.0
            for f in range(1, length):
                for i in range(n):
                    d = ramp[f, r, i] - ramp[f - 1, r, i] - mean[i]
                    total[i] += kept[f - 1, i] * d * d
            for i in range(n):  # above rounding errors
                sigma[i] = np.sqrt(total[i] / max(count[i], 1.0)) + 1e-9 * (1.0 + abs(mean[i]))
            if turn < ROUNDS:
                for f in range(1, length):
                    for i in range(n):
                        d = ramp[f, r, i] - ramp[f - 1, r, i] - mean[i]
                        kept[f - 1, i] = 1.0 if abs(d) <= CLIP * sigma[i] else 0.0
        for f in range(1, length):
            for i in range(n):
                d = ramp[f, r, i] - ramp[f - 1, r, i] - mean[i]
                kept[f - 1, i] = 1.0 if abs(d) <= JUMP * sigma[i] else 0.0
        for i in range(n):
            _fit(
                ramp[:, r, i],
                kept[:, i],
                slope[r, i : i + 1],
                error[r, i : i + 1],
                jumps[:, r, i],
                noise[:, r, i],
            )
            intercept[r, i] = ramp[0, r, i] - noise[0, r, i]


@inline
def _fit(ramp: Any, kept: Any, slope: Any, error: Any, jumps: Any, noise: Any) -> None:
    """Fit the ramp of one pixel: a common slope, and a level for each part between jumps."""
    length = ramp.size
    above = below = 0.0
    start = 0
    parts = 0
    for f in range(1, length + 1):
        if f < length and kept[f - 1] > 0.5:
            continue
        middle = 0.5 * (start + f - 1)
        parts += 1
        for k in range(start, f):
            above += (k - middle) * (ramp[k] - ramp[start])
            below += (k - middle) * (k - middle)
        start = f
    rate = above / below if below > 0.0 else 0.0
    squares = 0.0
    first = 0.0
    start = 0
    for f in range(1, length + 1):
        if f < length and kept[f - 1] > 0.5:
            continue
        level = 0.0
        for k in range(start, f):
            level += ramp[k] - rate * k
        level /= f - start
        if start == 0:
            first = level
        for k in range(start, f):
            jumps[k] = level - first
            noise[k] = ramp[k] - rate * k - level
            squares += noise[k] * noise[k]
        start = f
    slope[0] = rate
    error[0] = np.sqrt(squares / max(length - 1.0 - parts, 1.0) / below) if below > 0.0 else 0.0
