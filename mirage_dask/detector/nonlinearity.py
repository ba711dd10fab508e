r"""Inverse of the linearity correction: from linear to measured counts.

The reference file gives, per pixel, the polynomial with which the calibration pipeline linearises,

.. math:: L = f(m) = \sum_{k=0}^{6} c_k m^k \quad [\mathrm{DN}],

with m the measured counts above the superbias. The detector needs :math:`m = f^{-1}(L)`: the series of the inverse to
third order (reversion, Abramowitz & Stegun 3.6.25),

.. math:: m_0 = u - a_2 u^2 + (2 a_2^2 - a_3) u^3 - (5 a_2^3 - 5 a_2 a_3 + a_4) u^4
                + (14 a_2^4 - 21 a_2^2 a_3 + 3 a_3^2 + 6 a_2 a_4 - a_5) u^5, \qquad
          u = (L - c_0) / c_1,\ a_k = c_k / c_1,

and one Newton step :math:`m = m_0 - (f(m_0) - L) / f'(m_0)`. With a non-linearity of 5 % at a full well of 60,000 DN the
result is right to 0.02 DN, with 10 % to 0.2 DN, at half the full well to a float32.

L is limited to the full well before the inversion: above it a pixel gains no more signal.

Not modelled: non-linearity that depends on rate or on earlier exposures.
"""

from __future__ import annotations

from numba import float32 as f4

from mirage_dask.compiled import kernel
from mirage_dask.detector.effects import LINEARITY_COEFFICIENTS

COEFFICIENTS = LINEARITY_COEFFICIENTS
START = 5
"""Rows of the prepared start: 1 / c_1 and four coefficients of the reversed series."""


@kernel
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


@kernel
def measured_row(linear, coefficients, start, full_well, n, work):
    """Replace `linear[:n]` (DN above bias) by the measured counts; `work` is a float32 row.

    `coefficients` and `start` are those of `prepare_row`, `full_well` the limit of the linear counts.
    """
    scale = start[0]
    s2 = start[1]
    s3 = start[2]
    s4 = start[3]
    s5 = start[4]
    c0 = coefficients[0]
    c1 = coefficients[1]
    c2 = coefficients[2]
    c3 = coefficients[3]
    c4 = coefficients[4]
    c5 = coefficients[5]
    c6 = coefficients[6]
    for i in range(n):
        linear[i] = min(linear[i], full_well[i])
        u = (linear[i] - c0[i]) * scale[i]
        u2 = u * u
        work[i] = u + u2 * ((s2[i] + s3[i] * u) + u2 * (s4[i] + s5[i] * u))
    for i in range(n):
        x = work[i]
        x2 = x * x
        x4 = x2 * x2
        value = ((c0[i] + c1[i] * x) + x2 * (c2[i] + c3[i] * x)) + x4 * ((c4[i] + c5[i] * x) + x2 * c6[i])
        slope = ((c1[i] + f4(2) * c2[i] * x) + x2 * (f4(3) * c3[i] + f4(4) * c4[i] * x)) + x4 * (
            f4(5) * c5[i] + f4(6) * c6[i] * x
        )
        linear[i] = x - (value - linear[i]) / slope
