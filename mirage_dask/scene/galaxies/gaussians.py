r"""Gaussians painted on grids, compiled, the same bits on any processor.

.. math:: g(\mathbf d) = \frac{F}{2 \pi \sqrt{\det C}} \exp(-\tfrac12\, \mathbf d^T C^{-1} \mathbf d)

sampled at points, exact for whatever is wider than 0.8 steps: its sum is F to 1e-5. It ends at `CUT` sigma.

A Gaussian that is too narrow for the grid is painted wider by the variance D per axis and multiplied with the polynomial
that takes the lowest order of that back,

.. math:: 1 + \tfrac{D}{2} \mathrm{tr}\, C^{-1} - \tfrac{D}{2}\, \mathbf d^T C^{-2} \mathbf d,

C with D in it: the spectrum is that of the narrow one times (1 + z) exp(-z), z = 2 pi^2 D k^2, so flux, centroid and second
moments are right, and frequencies k well below the grid's.

In a value's path there are only + - * / sqrt and a polynomial for exp2 (minimax, our own; relative error 2e-7): a library's
would differ between processors in the last bit.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import float64 as f8
from numba import int32

from mirage_dask.compiled import inline, kernel

CUT = 4.5
"""Sigma at which a Gaussian ends; what lies beyond, 4e-5 of its light, is given to what lies inside."""
INSIDE = 1.0 - 4.006530e-5
"""1 - exp(-CUT^2 / 2)."""
CORRECTION_INSIDE = 4.056612e-4
"""CUT^2 / 2 exp(-CUT^2 / 2): what the polynomial below adds inside, times D tr C^-1 / 2; to infinity it adds nothing."""
POINT = 0.12
"""Gaussians of a galaxy whose sigma is below, pixels, are painted as one of their mean variance, those of either sign."""


@inline
def exp2(x):
    """2^x for float32, relative error 2e-7; 0 below -126, the value at 126 above it."""
    z = min(max(x, f4(-126.0)), f4(126.0))
    # Rounds to the nearest integer without a library's floor: the sum is positive, so truncation is floor.
    k = int32(z + f4(160.5))  # 160 too large
    r = z - (f4(k) - f4(160))
    p = f4(1.3410000520e-3) * r + f4(9.6760367507e-3)
    p = p * r + f4(5.5502973128e-2)
    p = p * r + f4(2.4022107367e-1)
    p = p * r + f4(6.9314722540e-1)
    p = p * r + f4(1.0000000755)
    scale = np.int32(int32(k - int32(33)) << int32(23)).view(np.float32)
    return f4(0) if x < f4(-126.0) else p * scale


@inline
def smooth_step(t):
    """0 for t <= 0, 1 for t >= 1, between them 10 t^3 - 15 t^4 + 6 t^5 (two continuous derivatives)."""
    c = min(max(t, f8(0)), f8(1))
    return c * c * c * (f8(10) + c * (f8(-15) + f8(6) * c))


@kernel
def _paint(out, index, share, u, v, cxx, cxy, cyy, flux, widened, row):
    """Add one Gaussian, lengths in steps of the grid, to up to four planes; `row` is room for a row of values."""
    ny, nx = out.shape[1], out.shape[2]
    half_x, half_y = CUT * np.sqrt(cxx), CUT * np.sqrt(cyy)
    first, last = max(int(np.ceil(v - half_y)), 0), min(int(np.floor(v + half_y)), ny - 1)
    if u + half_x < 0.0 or u - half_x > nx - 1 or first > last:
        return
    determinant = cxx * cyy - cxy * cxy
    a, b, c = cyy / determinant, -cxy / determinant, cxx / determinant
    inside = INSIDE + CORRECTION_INSIDE * 0.5 * widened * (a + c)
    scale = flux / (inside * 6.283185307179586 * np.sqrt(determinant))
    constant = f4(scale * (1.0 + 0.5 * widened * (a + c)))
    squared = f4(0.5 * scale * widened)
    lean, narrow = cxy / cyy, determinant / cyy
    exponent = -0.7213475204444817
    for j in range(first, last + 1):
        dy = j - v
        middle, chord = u + lean * dy, np.sqrt(max(CUT * CUT - dy * dy / cyy, 0.0) * narrow)
        begin, end = max(int(np.ceil(middle - chord)), 0), min(int(np.floor(middle + chord)) + 1, nx)
        if begin >= end:
            continue
        # C^-1 and C^-2 as polynomials in dx.
        e2, e1, e0 = f4(exponent * a), f4(exponent * 2.0 * b * dy), f4(exponent * c * dy * dy)
        p2 = squared * f4(a * a + b * b)
        p1 = squared * f4(2.0 * b * (a + c) * dy)
        p0 = constant - squared * f4((b * b + c * c) * dy * dy)
        start = f4(begin - u)
        for i in range(end - begin):
            dx = start + f4(int32(i))  # whole numbers, exact in float32; int64 would not vectorise
            row[i] = exp2((e2 * dx + e1) * dx + e0) * (p0 - (p2 * dx + p1) * dx)
        for k in range(index.size):
            part = f4(share[k])
            if part != f4(0):
                line = out[index[k], j, begin:end]
                for i in range(end - begin):
                    line[i] += part * row[i]


@inline
def principal(cxx, cxy, cyy):
    """Smallest and largest eigenvalue of a covariance."""
    root = np.sqrt((cxx - cyy) * (cxx - cyy) + 4.0 * cxy * cxy)
    return 2.0 * (cxx * cyy - cxy * cxy) / (cxx + cyy + root), 0.5 * (cxx + cyy + root)


@inline
def _paint_galaxy(
    out, index, share, u, v, form, variances, weights, flux, low, high, wider, least, spacing, row
):
    area = spacing * spacing
    cxx, cxy, cyy = form[0] / area, form[1] / area, form[2] / area
    small, large = principal(form[0], form[1], form[2])
    point = POINT * POINT / large
    together, moment = (f8(0), f8(0)), (f8(0), f8(0))  # of positive weights, of negative ones
    for k in range(weights.size):
        weight, variance = f8(weights[k]), f8(variances[k])
        narrow = variance * small
        if weight == 0.0 or narrow < low or narrow >= high:
            continue
        if variance < point:
            more, less = max(weight, 0.0), min(weight, 0.0)
            together = together[0] + more, together[1] + less
            moment = moment[0] + more * variance, moment[1] + less * variance
            continue
        widened = max(least - narrow, 0.0)
        add = (wider + widened) / area
        _paint(
            out, index, share, u, v, variance * cxx + add, variance * cxy, variance * cyy + add,
            weight * flux, widened / area, row,
        )  # fmt: skip
    for sign in range(2):
        if together[sign] == 0.0:
            continue
        variance = moment[sign] / together[sign]
        widened = max(least - variance * small, 0.0)
        add = (wider + widened) / area
        _paint(
            out, index, share, u, v, variance * cxx + add, variance * cxy, variance * cyy + add,
            together[sign] * flux, widened / area, row,
        )  # fmt: skip


@kernel
def paint_planes(
    out, origin_x, origin_y, spacing, x, y, flux, form, variances, weights, rows, index, share,
    low, high, wider, least,
):  # fmt: skip
    """Add galaxies to planes, each to up to four of them in parts.

    Parameters
    ----------
    out
        (planes, ny, nx) float32, flux per point; point (j, i) lies at (origin + spacing i, origin + spacing j), pixels.
    x, y, flux, form, variances, weights
        Those of `PlacedGalaxies`.
    rows
        (n,) which of them.
    index, share
        (n, 4) planes and parts.
    low, high
        Square pixels: Gaussians whose smaller variance is low <= variance < high are painted.
    wider
        Square pixels: added to the variance of all of them, or taken off where negative.
    least
        Square pixels: smaller variances are painted as this with the correction that the module's docstring has.
    """
    row = np.empty(out.shape[2], np.float32)
    for r in range(rows.size):
        g = rows[r]
        _paint_galaxy(
            out, index[r], share[r], (x[g] - origin_x) / spacing, (y[g] - origin_y) / spacing, form[g],
            variances[g], weights[g], flux[g], low, high, wider, least, spacing, row,
        )  # fmt: skip


@kernel
def paint_stamps(out, half, spacing, x, y, flux, form, variances, weights, rows, low, high, wider, least):
    """Add each galaxy to a plane of its own, whose point (0, 0) lies `half` pixels left and below the pixel of its centre.

    Parameters as for `paint_planes`.
    """
    row = np.empty(out.shape[2], np.float32)
    index, share = np.zeros(1, np.int64), np.ones(1, np.float64)
    for r in range(rows.size):
        g = rows[r]
        index[0] = r
        u = (x[g] - np.floor(x[g] + 0.5) + half) / spacing
        v = (y[g] - np.floor(y[g] + 0.5) + half) / spacing
        _paint_galaxy(
            out,
            index,
            share,
            u,
            v,
            form[g],
            variances[g],
            weights[g],
            flux[g],
            low,
            high,
            wider,
            least,
            spacing,
            row,
        )
