r"""How much of a point's light falls on the array of an exposure: sums of the PSF over rectangles of pixels.

The PSF is a cubic spline on a grid (`mirage_dask.psf.library`), and pixels are whole numbers apart, so the sum over a
rectangle of them needs no pixel. With the running sums S of the coefficients c of one phase,

.. math::

    \sum_{X=l}^{r-1} \sum_{Y=b}^{t-1} P(X, Y) = \sum_{i, j} w_i w_j \left[ S_{r, t} - S_{l, t} - S_{r, b} + S_{l, b} \right]

over the 4 x 4 taps of the spline: 16 differences for each place of the library, whatever the rectangle. What a star's light
ends at, `stars` says; the sums are those of the pixels that `stars.add_points` fills, in double precision.

NOT modelled: what `stars` names.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.convolution import spectra, token
from mirage_dask.scene.placement import Bounds
from mirage_dask.scene.stars import bracket

Floats = NDArray[np.float64]


class PsfSums(NamedTuple):
    """Running sums of a library, as kernels take them; numbers as in `PsfLibrary`."""

    core: Floats
    """(place, phase_y, phase_x, Y + 1, X + 1): sums of the coefficients below and left of each."""
    wings: Floats
    """(Y + 1, X + 1)"""
    grid_x: Floats
    grid_y: Floats
    oversampling: int
    core_centre: float
    core_half: float
    wings_centre: float
    wings_inner: float
    wings_half: int


def psf_sums(psf: PsfLibrary) -> PsfSums:
    """Return the running sums of a library; those of the last few stay in this process."""

    def make() -> tuple[PsfSums, int]:
        made = PsfSums(
            _running(psf.core), _running(psf.wings), np.array(psf.grid_x), np.array(psf.grid_y),
            psf.oversampling, psf.core_centre, psf.core_half_width,
            psf.wings_centre, psf.wings_inner, psf.wings_half_width,
        )  # fmt: skip
        return made, made.core.nbytes + made.wings.nbytes

    return spectra.get((token(psf), "sums"), make)


def _running(coefficients: NDArray[np.float32]) -> Floats:
    sums = coefficients.astype(np.float64).cumsum(axis=-1).cumsum(axis=-2)
    return np.pad(sums, [(0, 0)] * (coefficients.ndim - 2) + [(1, 0), (1, 0)])


def star_fractions(
    psf: PsfLibrary, x: Floats, y: Floats, half_width: NDArray[np.int32], bounds: Bounds
) -> Floats:
    """Return the fraction of the light of stars that falls on an array.

    Parameters
    ----------
    psf
        Library of the detector and filter.
    x, y
        (n,) full-frame science pixels.
    half_width
        (n,) how far they reach, from `stars.star_half_width`.
    bounds
        (x0, x1, y0, y1), half open, full-frame science pixels.

    Returns
    -------
    (n,) of the light in an infinite aperture.
    """
    return _stars(x, y, half_width.astype(np.float64), *bounds, psf_sums(psf))


def trail_fractions(
    psf: PsfLibrary, tracks: Floats, half_width: Floats, bounds: Bounds, *, step: float = 0.5
) -> Floats:
    """Return the fraction of the light of moving stars that falls on an array, mean over their paths.

    Parameters
    ----------
    tracks
        (n, T, 2) full-frame science pixels at equal intervals of time.
    half_width
        (n,) how far they reach.
    step
        Pixels of a path between two places at which the light is summed.
    """
    return _trails(np.ascontiguousarray(tracks), half_width, *bounds, step, psf_sums(psf))


@inline
def _rectangle(sums, low, high, left, right):
    """Sum of the coefficients in rows low <= Y < high, columns left <= X < right; outside they are zero."""
    ny, nx = sums.shape[0] - 1, sums.shape[1] - 1
    low, high = min(max(low, 0), ny), min(max(high, 0), ny)
    left, right = min(max(left, 0), nx), min(max(right, 0), nx)
    return (sums[high, right] - sums[high, left]) - (sums[low, right] - sums[low, left])


@inline
def _weight(t, k):
    """The weight of tap k of the cubic B-spline for the fraction t."""
    s = f8(1) - t
    if k == 0:
        return s * s * s / 6.0
    if k == 1:
        return ((3.0 * t - 6.0) * t * t + 4.0) / 6.0
    if k == 2:
        return ((3.0 * s - 6.0) * s * s + 4.0) / 6.0
    return t * t * t / 6.0


@inline
def _wings_sum(x, y, rx, ry, left, right, low, high, sums):
    """Sum of the wings over a rectangle of pixels."""
    q, r = (rx - x) + sums.wings_centre, (ry - y) + sums.wings_centre
    iq, ir = int(np.floor(q)), int(np.floor(r))
    total = f8(0)
    for b in range(4):
        row = ir - 1 + b - ry
        for a in range(4):
            column = iq - 1 + a - rx
            total += (_weight(r - ir, b) * _weight(q - iq, a)) * _rectangle(
                sums.wings, low + row, high + row, left + column, right + column
            )
    return total


@kernel
def visible(x, y, half, x0, x1, y0, y1, sums):
    """Fraction of the light of a star at (x, y) that falls on the array, x0 <= X < x1, y0 <= Y < y1."""
    if not (x + half >= x0 and x - half < x1 and y + half >= y0 and y - half < y1):
        return f8(0)
    left, right = max(int(np.ceil(x - half)), x0), min(int(np.floor(x + half)) + 1, x1)
    low, high = max(int(np.ceil(y - half)), y0), min(int(np.floor(y + half)) + 1, y1)
    if left >= right or low >= high:
        return f8(0)
    rx, ry = int(np.floor(x)), int(np.floor(y))
    total, scale, reach = f8(0), sums.oversampling, sums.core_half
    core_left, core_right = max(left, int(np.floor(x - reach)) + 1), min(right, int(np.ceil(x + reach)))
    core_low, core_high = max(low, int(np.floor(y - reach)) + 1), min(high, int(np.ceil(y + reach)))
    if core_left < core_right and core_low < core_high:
        gx, gx1, bx = bracket(sums.grid_x, x)
        gy, gy1, by = bracket(sums.grid_y, y)
        u, v = scale * (rx - x) + sums.core_centre, scale * (ry - y) + sums.core_centre
        iu, iv = int(np.floor(u)), int(np.floor(v))
        for b in range(4):
            jy = iv - 1 + b
            row = jy // scale - ry
            for a in range(4):
                jx = iu - 1 + a
                column = jx // scale - rx
                weight = _weight(v - iv, b) * _weight(u - iu, a)
                for p in range(4):
                    share = (by if p > 1 else 1.0 - by) * (bx if p % 2 else 1.0 - bx)
                    if share > 0.0:
                        place = (gy1 if p > 1 else gy) * sums.grid_x.size + (gx1 if p % 2 else gx)
                        total += (share * weight) * _rectangle(
                            sums.core[place, jy % scale, jx % scale],
                            core_low + row, core_high + row, core_left + column, core_right + column,
                        )  # fmt: skip
    if half > sums.wings_inner:
        total += _wings_sum(x, y, rx, ry, left, right, low, high, sums)
        inner = sums.wings_inner  # the hole that they have around the core
        hole_left, hole_right = max(left, int(np.ceil(x - inner))), min(right, int(np.floor(x + inner)) + 1)
        hole_low, hole_high = max(low, int(np.ceil(y - inner))), min(high, int(np.floor(y + inner)) + 1)
        if hole_left < hole_right and hole_low < hole_high:
            total -= _wings_sum(x, y, rx, ry, hole_left, hole_right, hole_low, hole_high, sums)
    return total


@kernel
def _stars(x, y, half, x0, x1, y0, y1, sums):
    out = np.empty(x.size)
    for i in range(x.size):
        out[i] = visible(x[i], y[i], half[i], x0, x1, y0, y1, sums)
    return out


@kernel
def _trails(tracks, half, x0, x1, y0, y1, step, sums):
    """Mean of `visible` along paths: straight between nodes, in steps of at most `step` pixels, at their middles."""
    out = np.zeros(tracks.shape[0])
    for i in range(tracks.shape[0]):
        for k in range(tracks.shape[1] - 1):
            ax, ay = tracks[i, k, 0], tracks[i, k, 1]
            dx, dy = tracks[i, k + 1, 0] - ax, tracks[i, k + 1, 1] - ay
            count = int(np.sqrt(dx * dx + dy * dy) / step) + 1
            part = f8(0)
            for m in range(count):
                t = (m + 0.5) / count
                part += visible(ax + t * dx, ay + t * dy, half[i], x0, x1, y0, y1, sums)
            out[i] += part / count
        out[i] /= tracks.shape[1] - 1
    return out
