r"""A dark ramp taken apart, pixel by pixel: ``D_f = c + s f + J_f + noise_f``.

J is the sum of the jumps up to frame f. The increments of a ramp are clipped three times at 4 sigma; a jump is one
that is more than 5 sigma from the mean of what remains. N increments can lie :math:`\sqrt{N - 1}` sigma from their
mean at most, so that ramps of less than about 20 frames show none. c, s and the heights of the jumps are fitted
together by least squares: one slope, and one level for each part of the ramp between jumps.

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
"""Standard deviations by which a pixel's current stands out."""
ROUNDS = 3
"""How often increments are clipped."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A ramp of N frames taken apart, DN."""

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
    """Take a ramp apart; each pixel by itself.

    Parameters
    ----------
    ramp
        (frame, y, x), DN; finite.
    """
    image = ramp.shape[1:]
    intercept, slope, error = np.empty(image), np.empty(image), np.empty(image)
    jumps, noise = np.empty(ramp.shape), np.empty(ramp.shape)
    _take_apart(np.ascontiguousarray(ramp), intercept, slope, error, jumps, noise)
    return Decomposition(intercept, slope, error, jumps, noise)


def steady_current(slope: Doubles, error: Doubles, groups: NDArray[np.bool_]) -> Doubles:
    """Return the current that is expected to go on: what stands out of the noise, elsewhere the mean.

    The slope of one short ramp is mostly noise; continued, it would be noise that grows with time.

    Parameters
    ----------
    slope, error
        (y, x), per frame.
    groups
        (y, x), True for reference pixels, which have a mean of their own.

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
def _take_apart(ramp: Any, intercept: Any, slope: Any, error: Any, jumps: Any, noise: Any) -> None:
    """Fill the results, see `Decomposition`; in the clipping, rows of pixels are the inner loops: vector code."""
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
