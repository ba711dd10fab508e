r"""The Sersic profile: its constants (once, on the client) and its value in a pixel (compiled, the same bits anywhere).

With the half-light radius r_e along the major axis, the axis ratio q = 1 - ellipticity, and the elliptical radius
s = sqrt((u / r_e)^2 + (v / (q r_e))^2) in coordinates u, v along the axes,

.. math:: I(s) = I_0 \exp(-b\, s^{1/n}), \qquad \gamma(2n, b) = \Gamma(2n) / 2, \qquad
          I_0 = \frac{F}{q r_e^2} \frac{b^{2n}}{2 \pi n\, \Gamma(2n)}

for a total flux F integrated to infinity. The fraction inside s is the regularised gamma function P(2n, b s^{1/n}).
Sources: Sersic (1963); Graham & Driver (2005, PASA 22, 118), equations 1 to 5; the same profile as astropy's `Sersic2D`
and Mirage's galaxies, with the total flux of the catalog (Mirage forgets the factor q and corrects it afterwards).

In a value's path there are only float32 + - * / sqrt and polynomials for log2 and exp2 (minimax, our own; relative error
of I below 3e-5): a library's pow would differ between processors in the last bit.

NOT modelled: spiral arms, bars, boxy isophotes, truncated discs, colour gradients.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int32
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel

Floats = NDArray[np.float64]

SMALLEST_INDEX = 0.1
"""Below it a profile is a disc with a sharp edge; drawn as this index."""
FRACTIONS = (0.995, 0.998, 0.999, 0.9995)
"""Enclosed light at which a galaxy may end; the first at which its surface brightness is below the threshold is taken."""


def constants(sersic_index: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return what depends on the Sersic index alone.

    Parameters
    ----------
    sersic_index
        (n,)

    Returns
    -------
    index
        (n,) the index that is drawn, at least `SMALLEST_INDEX`.
    b
        (n,)
    norm
        (n,) central surface brightness of unit flux on an ellipse with q r_e^2 = 1.
    reach
        (n, 4) elliptical radius, in r_e, that encloses each of `FRACTIONS`.
    level
        (n, 4) surface brightness there relative to the centre.
    """
    from scipy import special

    n = np.maximum(np.asarray(sersic_index, dtype=np.float64), SMALLEST_INDEX)
    b = special.gammaincinv(2 * n, 0.5)
    norm = np.exp(2 * n * np.log(b) - special.gammaln(2 * n)) / (2 * np.pi * n)
    exponent = special.gammaincinv(2 * n[:, None], np.array(FRACTIONS))
    return n, b, norm, (exponent / b[:, None]) ** n[:, None], np.exp(-exponent)


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
def log2(x):
    """Binary logarithm of a positive, normal float32, absolute error 3e-7."""
    bits = np.float32(x).view(np.int32)
    exponent = int32(int32(bits - int32(0x3F3504F3)) >> int32(23))
    f = np.int32(bits - int32(exponent << int32(23))).view(np.float32) - f4(1)
    p = f4(1.7065698017e-1) * f - f4(2.7268645568e-1)
    p = p * f + f4(2.9725081348e-1)
    p = p * f - f4(3.5896322123e-1)
    p = p * f + f4(4.8046622423e-1)
    p = p * f - f4(7.2137582781e-1)
    p = p * f + f4(1.4426996970)
    return f * p + f4(exponent)


@inline
def power(x, exponent):
    """x^exponent for x >= 0 (0 counts as 1e-30), float32."""
    return exp2(exponent * log2(max(x, f4(1e-30))))


@inline
def relative_brightness(s2, b, half_inverse_index):
    """I / I_0 at the squared elliptical radius s2; half_inverse_index = 1 / (2 n)."""
    return exp2(f4(-1.44269504) * b * power(s2, half_inverse_index))


@inline
def smooth_step(t):
    """0 for t <= 0, 1 for t >= 1, between them 10 t^3 - 15 t^4 + 6 t^5 (two continuous derivatives)."""
    c = min(max(t, f4(0)), f4(1))
    return c * c * c * (f4(10) + c * (f4(-15) + f4(6) * c))


@inline
def _weight(r2, w0, w1, w2, w3):
    """Circular window at the squared radius r2: a smooth rise times a smooth fall (see `ring`)."""
    return smooth_step((r2 - w0) * w1) * (f4(1) - smooth_step((r2 - w2) * w3))


def ring(
    rise: tuple[float, float] | None = None, fall: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Return the (4,) float32 window that rises between two radii (pixels) and falls between two others.

    Without a rise it is 1 from the centre on, without a fall 1 to infinity. Both steps are smooth in the square of
    the radius.
    """
    begin = (-2.0, 1.0) if rise is None else (rise[0] ** 2, 1.0 / (rise[1] ** 2 - rise[0] ** 2))
    end = (1e30, 1.0) if fall is None else (fall[0] ** 2, 1.0 / (fall[1] ** 2 - fall[0] ** 2))
    return np.array([*begin, *end], np.float32)


@kernel
def add_brightness(out, first_x, first_y, step, shift_x, shift_y, form, shape, window):
    """Add the profile, sampled at points, to an array.

    Parameters
    ----------
    out
        (ny, nx) float32; its point (j, i) lies at dx = (first_x + i) step - shift_x from the centre, dy likewise.
    step
        Pixels between points.
    shift_x, shift_y
        Pixels.
    form
        (3,) float32 a, b, c: the squared elliptical radius is a dx^2 + 2 b dx dy + c dy^2.
    shape
        (4,) float32: brightness at the centre (per point), b, 1 / (2 n), squared elliptical radius of the end.
    window
        (4,) float32 from `ring`.
    """
    a, b2, c = form[0], f4(2) * form[1], form[2]
    central, b, half_inverse, last = shape[0], shape[1], shape[2], shape[3]
    w0, w1, w2, w3 = window[0], window[1], window[2], window[3]
    h, sx, sy, left = f4(step), f4(shift_x), f4(shift_y), f4(first_x)
    ny, nx = out.shape
    for j in range(ny):
        dy = (f4(first_y) + f4(int32(j))) * h - sy
        cy, by, y2 = c * dy * dy, b2 * dy, dy * dy
        # Only the chord of the ellipse is worth evaluating; a point more on each side leaves the cut to s2 <= last.
        inside = by * by - f4(4) * a * (cy - last)
        if inside < f4(0):
            continue
        middle, chord = -by / (f4(2) * a), np.sqrt(inside) / (f4(2) * a)
        begin = min(max(int(np.floor((middle - chord + sx) / h - left)) - 1, 0), nx)
        end = min(max(int(np.ceil((middle + chord + sx) / h - left)) + 2, begin), nx)
        row, start = out[j, begin:end], left + f4(int32(begin))
        for i in range(end - begin):
            dx = (start + f4(int32(i))) * h - sx  # whole numbers, exact in float32; int64 would not vectorise
            s2 = (a * dx + by) * dx + cy
            value = central * relative_brightness(s2, b, half_inverse) * _weight(dx * dx + y2, w0, w1, w2, w3)
            row[i] += value if s2 <= last else f4(0)


@inline
def _sample(dx, dy, form, shape):
    s2 = form[0] * dx * dx + f4(2) * form[1] * dx * dy + form[2] * dy * dy
    return relative_brightness(s2, shape[1], shape[2])


@inline
def _is_steep(dx, dy, h, form, shape, steep):
    """True where one point does not stand for its cell of side h.

    The relative change over the cell is above 0.3, by the gradient or (on the ridge of a thin galaxy, where the gradient
    vanishes) by the curvature; `steep` is the larger eigenvalue of the form.
    """
    gx = form[0] * dx + form[1] * dy
    gy = form[1] * dx + form[2] * dy
    s2 = max(gx * dx + gy * dy, f4(1e-30))
    f = f4(2) * shape[1] * shape[2] * power(s2, shape[2]) / s2 * h
    bend = f4(0.25) * f * steep * h
    return f * f * (gx * gx + gy * gy) + bend * bend > f4(0.09)


@inline
def _mean_1(dx, dy, h, form, shape):
    """Mean brightness of a cell from 4 x 4 points (an even number: none falls on the cusp)."""
    d, total = h * f4(0.25), f4(0)
    for j in range(4):
        for i in range(4):
            total += _sample(dx + (f4(i) - f4(1.5)) * d, dy + (f4(j) - f4(1.5)) * d, form, shape)
    return total * f4(0.0625)


@kernel
def _mean(dx, dy, h, form, shape, steep):
    """Mean brightness of a cell, split 4 x 4, and once more where the profile is still steep."""
    d, total = h * f4(0.25), f4(0)
    for j in range(4):
        for i in range(4):
            x, y = dx + (f4(i) - f4(1.5)) * d, dy + (f4(j) - f4(1.5)) * d
            if _is_steep(x, y, d, form, shape, steep):
                total += _mean_1(x, y, d, form, shape)
            else:
                total += _sample(x, y, form, shape)
    return total * f4(0.0625)


@kernel
def _mean_of_centre(h, form, shape, steep):
    """Mean brightness of the cell that holds the cusp: twelve cells around a square, which is split in turn.

    Ends where even the largest possible brightness (1) of the square would add less than 1e-4.
    """
    total, area, side = f4(0), f4(0.0625), h
    for _ in range(20):
        d = side * f4(0.25)
        for j in range(4):
            for i in range(4):
                if not (1 <= i <= 2 and 1 <= j <= 2):
                    x, y = (f4(i) - f4(1.5)) * d, (f4(j) - f4(1.5)) * d
                    if _is_steep(x, y, d, form, shape, steep):
                        total += area * _mean_1(x, y, d, form, shape)
                    else:
                        total += area * _sample(x, y, form, shape)
        side, area = side * f4(0.5), area * f4(0.25)
        if f4(16) * area < f4(1e-4) * total:
            break
    return total + f4(16) * area * _sample(side * f4(0.25), side * f4(0.25), form, shape)


@inline
def principal(form):
    """Largest and smallest eigenvalue of a form: inverse squares of the minor and the major half-light radius."""
    a, b, c = form[0], form[1], form[2]
    root = np.sqrt((a - c) * (a - c) + f4(4) * b * b)
    return f4(0.5) * (a + c + root), f4(2) * (a * c - b * b) / (a + c + root)


@kernel
def principal_of(form):
    """`principal`, callable from Python."""
    return principal(form)


@inline
def _steep_cells(h, form, shape, half):
    """Cells from the centre, along an axis, beyond which none is steep."""
    steep, shallow = principal(form)
    slope = (
        f4(2) * shape[1] * shape[2] * np.sqrt(steep) * h
    )  # at the half-light radius; elsewhere times s^(1/n - 1)
    excess = f4(1) - f4(2) * shape[2]  # 1 - 1/n
    if excess < f4(0.02):
        outermost = np.sqrt(shape[3])
        return half if slope * power(outermost, -excess) > f4(0.25) else 2
    s = power(slope / f4(0.25), f4(1) / excess)
    return 2 + int(min(s / (np.sqrt(shallow) * h), f4(half)))


@kernel
def refine_centre(out, half, step, form, shape, window):
    """Replace samples by means over their cells where the profile is steep.

    Parameters
    ----------
    out
        (2 half + 1, 2 half + 1) float32 filled by `add_brightness` around the centre of the galaxy.
    step
        Side of a cell in pixels.
    """
    h = f4(step)
    steep, _ = principal(form)
    reach = min(_steep_cells(h, form, shape, half), half)
    out[half, half] = shape[0] * _mean_of_centre(h, form, shape, steep)
    least = f4(1e-4) * out[half, half]
    for j in range(half - reach, half + reach + 1):
        dy = f4(j - half) * h
        for i in range(half - reach, half + reach + 1):
            dx = f4(i - half) * h
            if (i != half or j != half) and out[j, i] > least and _is_steep(dx, dy, h, form, shape, steep):
                weight = _weight(dx * dx + dy * dy, window[0], window[1], window[2], window[3])
                out[j, i] = shape[0] * _mean(dx, dy, h, form, shape, steep) * weight
