r"""A dark ramp taken apart, pixel by pixel: ``D_f = c + s f + J_f + noise_f``.

J is the sum of the jumps up to frame f. The increments of a ramp are clipped three times at 4 sigma; a jump is one
that is more than 5 sigma from the mean of what remains, and its height is the difference. N increments can lie
:math:`\sqrt{N - 1}` sigma from their mean at most, so that ramps of less than about 20 frames show none. c and s are
the least-squares line through D - J.

Not modelled: drifts that are not linear in time; they are part of the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.compiled import kernel

CLIP, JUMP, SIGNIFICANT = 4.0, 5.0, 5.0
"""Standard deviations: clipping of increments, a jump, a slope that is not noise."""
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
    certain_slope: Doubles
    """(y, x), the slope where it is more than 5 sigma from zero, else zero."""
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
    intercept, slope, certain = np.empty(image), np.empty(image), np.empty(image)
    jumps, noise = np.empty(ramp.shape), np.empty(ramp.shape)
    _take_apart(np.ascontiguousarray(ramp), intercept, slope, certain, jumps, noise)
    return Decomposition(intercept, slope, certain, jumps, noise)


@kernel
def _take_apart(ramp: Any, intercept: Any, slope: Any, certain: Any, jumps: Any, noise: Any) -> None:
    """Fill the results, see `Decomposition`; rows of pixels are the inner loops, so that they become vector code."""
    length, rows, n = ramp.shape
    kept = np.empty((max(length - 1, 1), n))
    count, mean, sigma, total = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    spread = 0.0
    for f in range(length):
        t = f - 0.5 * (length - 1)
        spread += t * t
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
        # The jumps, and the line through what is left.
        for i in range(n):
            jumps[0, r, i] = 0.0
            noise[0, r, i] = ramp[0, r, i]
            total[i] = ramp[0, r, i]
        for f in range(1, length):
            for i in range(n):
                d = ramp[f, r, i] - ramp[f - 1, r, i] - mean[i]
                jumps[f, r, i] = jumps[f - 1, r, i] + (d if abs(d) > JUMP * sigma[i] else 0.0)
                noise[f, r, i] = ramp[f, r, i] - jumps[f, r, i]
                total[i] += noise[f, r, i]
        for i in range(n):
            mean[i] = total[i] / length
            slope[r, i] = 0.0
            total[i] = 0.0
        for f in range(length):
            t = f - 0.5 * (length - 1)
            for i in range(n):
                noise[f, r, i] -= mean[i]
                slope[r, i] += t * noise[f, r, i]
        for i in range(n):
            slope[r, i] /= max(spread, 1.0)
        for f in range(length):
            t = f - 0.5 * (length - 1)
            for i in range(n):
                noise[f, r, i] -= slope[r, i] * t
                total[i] += noise[f, r, i] * noise[f, r, i]
        for i in range(n):
            error = np.sqrt(total[i] / max(length - 2.0, 1.0) / max(spread, 1.0))
            certain[r, i] = slope[r, i] if abs(slope[r, i]) > SIGNIFICANT * error else 0.0
            intercept[r, i] = mean[i] - 0.5 * (length - 1) * slope[r, i]
