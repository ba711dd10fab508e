r"""Inverse of the linearity correction: from linear to measured counts.

The reference file gives, per pixel, the polynomial with which the calibration pipeline linearises,

.. math:: L = f(m) = \sum_{k=0}^{6} c_k m^k \quad [\mathrm{DN}],

with m the measured counts above the superbias. The detector needs :math:`m = f^{-1}(L)`: the series of the inverse to
third order (reversion, Abramowitz & Stegun 3.6.25),

.. math:: m_0 = u - a_2 u^2 + (2 a_2^2 - a_3) u^3 - (5 a_2^3 - 5 a_2 a_3 + a_4) u^4
                + (14 a_2^4 - 21 a_2^2 a_3 + 3 a_3^2 + 6 a_2 a_4 - a_5) u^5, \qquad
          u = (L - c_0) / c_1,\ a_k = c_k / c_1,

and one Newton step :math:`m = m_0 - (f(m_0) - L) / f'(m_0)`. Where that step is longer than `FAR` of the full well, the
root is settled pixel by pixel: further Newton steps, and bisection where these do not come to rest or the start was far
away. So f(m) is L to 1e-6 of the full well (`tests/detector/test_nonlinearity.py`) for every polynomial that rises up to
the hard stop, which `mirage_dask.reference.packs.planes` sees to, and m rises with L.

L is limited to the full well before the inversion: above it a pixel gains no more signal.

Not modelled: non-linearity that depends on rate or on earlier exposures.
"""

from __future__ import annotations

from numba import float32 as f4
from numba import int32

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.effects import LINEARITY_COEFFICIENTS

COEFFICIENTS = LINEARITY_COEFFICIENTS
START = 5
"""Rows of the prepared start: 1 / c_1 and four coefficients of the reversed series."""
FAR = 1e-4
"""A Newton step longer than this part of the full well is followed by others: the error left is about its square."""
ASTRAY = 2e-2
"""After a step longer than this part of the full well the root is looked for by bisection."""
NEWTON_STEPS, HALVINGS = 4, 24
"""Most steps of the two."""
CHUNK = 64
"""Pixels that are looked at together."""
STEPS = 64
"""Steps of the search for the interval that holds the root, from 0 to `HIGHEST`."""
HIGHEST = 70_000.0
"""Measured counts above bias that no pixel reaches, DN: 1.04 (`reference.packs.planes.HARD_STOP`) times 16 bits is less."""


@kernel(allocates=False)
def prepare_row(coefficients, n, start):
    """Fill `start`, float32 (START, n), with the reversed series of `coefficients`, float32 (COEFFICIENTS, n)."""
    for i in range(n):
        scale = f4(1) / coefficients[1, i]
        a2 = coefficients[2, i] * scale
        a3 = coefficients[3, i] * scale
        a4 = coefficients[4, i] * scale
        a5 = coefficients[5, i] * scale
        start[0, i] = scale
        start[1, i] = -a2
        start[2, i] = f4(2) * a2 * a2 - a3
        start[3, i] = f4(5) * a2 * (a3 - a2 * a2) - a4
        start[4, i] = (
            f4(7) * a2 * a2 * (f4(2) * a2 * a2 - f4(3) * a3) + f4(3) * a3 * a3 + f4(6) * a2 * a4 - a5
        )


@inline
def _value(c, i, x):
    """Return f(x) of pixel i."""
    x2 = x * x
    return ((c[0, i] + c[1, i] * x) + x2 * (c[2, i] + c[3, i] * x)) + (x2 * x2) * (
        (c[4, i] + c[5, i] * x) + x2 * c[6, i]
    )


@inline
def _slope(c, i, x):
    """Return f'(x) of pixel i."""
    x2 = x * x
    return ((c[1, i] + f4(2) * c[2, i] * x) + x2 * (f4(3) * c[3, i] + f4(4) * c[4, i] * x)) + (x2 * x2) * (
        f4(5) * c[5, i] + f4(6) * c[6, i] * x
    )


@inline
def _opposite(x, target, well):
    """Return whether a root has another sign than the counts, by more than c_0 and noise make of it: it is another one."""
    return x * target < f4(-FAR) * (well * well)


@inline
def _reached(c, i, x, target):
    """Return whether f has reached a value at x, or turned over before it did."""
    return _value(c, i, x) >= target or _slope(c, i, x) <= f4(0)


@inline
def _bisected(c, i, target):
    """Return the least x from 0 on with f(x) = target; where f turns over below the target, or `HIGHEST`."""
    step = f4(HIGHEST / STEPS)
    high = f4(0)
    for _ in range(STEPS):
        high += step
        if _reached(c, i, high, target):
            break
    low = high - step
    for _ in range(HALVINGS):
        middle = f4(0.5) * (low + high)
        if _reached(c, i, middle, target):
            high = middle
        else:
            low = middle
    return f4(0.5) * (low + high)


@inline
def _is_far(step, x, target, well):
    """Return 1 where a first Newton step, which came to x, is not the last one; NaN counts as long."""
    return int32(int32(not abs(step) <= f4(FAR) * well) | int32(_opposite(x, target, well)))


@kernel(allocates=False)
def settle(coefficients, i, target, well, x, step):
    """Return the measured counts of one pixel after a long first Newton step.

    Parameters
    ----------
    coefficients : float32, (COEFFICIENTS, n)
    i : int
        The pixel.
    target, well : float32
        Linear counts and their limit, DN.
    x, step : float32
        Where the first step came to, and its length, DN.
    """
    # Written so that a step that is NaN counts as long.
    if abs(step) <= f4(ASTRAY) * well:
        for _ in range(NEWTON_STEPS):
            step = (_value(coefficients, i, x) - target) / _slope(coefficients, i, x)
            x -= step
            if abs(step) <= f4(FAR) * well:
                if _opposite(x, target, well) or not _slope(coefficients, i, x) > f4(0):
                    break
                return x
    if target <= coefficients[0, i]:
        return (target - coefficients[0, i]) / coefficients[1, i]
    return _bisected(coefficients, i, target)


@kernel(allocates=False)
def measured_row(linear, coefficients, start, full_well, n, measured, steps):
    """Fill `measured[:n]` with the measured counts of linear ones, DN above bias.

    Parameters
    ----------
    linear : float32, (n,)
        Linear counts, at most `full_well`.
    coefficients, start
        Those of `prepare_row`.
    full_well : float32, (n,)
        The limit of the linear counts.
    n : int
        Pixels.
    measured, steps : float32, (n,)
        Result, and an array for work.
    """
    scale, s2, s3, s4, s5 = start[0], start[1], start[2], start[3], start[4]
    c0, c1, c2, c3 = coefficients[0], coefficients[1], coefficients[2], coefficients[3]
    c4, c5, c6 = coefficients[4], coefficients[5], coefficients[6]
    for i in range(n):
        u = (linear[i] - c0[i]) * scale[i]
        u2 = u * u
        x = u + u2 * ((s2[i] + s3[i] * u) + u2 * (s4[i] + s5[i] * u))
        x2 = x * x
        x4 = x2 * x2
        value = ((c0[i] + c1[i] * x) + x2 * (c2[i] + c3[i] * x)) + x4 * ((c4[i] + c5[i] * x) + x2 * c6[i])
        slope = ((c1[i] + f4(2) * c2[i] * x) + x2 * (f4(3) * c3[i] + f4(4) * c4[i] * x)) + x4 * (
            f4(5) * c5[i] + f4(6) * c6[i] * x
        )
        step = (value - linear[i]) / slope if slope > f4(0) else f4(HIGHEST)  # else it has turned over
        steps[i] = step
        measured[i] = x - step
    # As in `normal_row`: few pixels need more; they are looked for a chunk at a time, most of which have none. Of a length
    # that the compiler knows: else it makes no vectors of the search, which then costs as much as the rest.
    whole = n // CHUNK
    for chunk in range(whole + 1):
        first = chunk * CHUNK
        last = first + CHUNK
        if chunk < whole:
            few = int32(0)
            for k in range(CHUNK):
                i = first + k
                few = int32(few + _is_far(steps[i], measured[i], linear[i], full_well[i]))
            if few == 0:
                continue
        else:
            last = n
        for i in range(first, last):
            if _is_far(steps[i], measured[i], linear[i], full_well[i]) != 0:
                measured[i] = settle(coefficients, i, linear[i], full_well[i], measured[i], steps[i])
