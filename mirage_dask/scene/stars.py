"""Stars: the point spread function at its sub-pixel place, added into a window by one compiled call.

The value of a star of flux F at the pixel (x, y) is F times

    sum_p blend_p core_p(x - x0, y - y0)   +   wings(x - x0, y - y0)

where core and wings are cubic splines as `mirage_dask.psf.library` defines them (its docstring has the indexing),
blend_p the bilinear weights of the four places around (x0, y0), and x0, y0 the exact position of the star: there is no
rounding to a fraction of a pixel. Samples of the PSF are integrals over a pixel, so light is counted, not sampled, and
does not depend on the pixel's area.

A star ends at its half width, beyond which no pixel exceeds `THRESHOLD` e-/s (half an electron in 1,000 s), but never before
it holds `LEAST_ENERGY` of its light: a faint star loses at most 1 % of its flux, spread over thousands of pixels, a star
above some 1,000 e-/s nothing.

Every value is a function of the star and the pixel alone (float32 + - *, in catalog order per pixel, no contraction), so
any window of an exposure has the bits of the whole.

NOT modelled: the change of the PSF with the star's colour, with time, and within the pixel (intra-pixel sensitivity);
saturation spikes; stars outside the reach of the PSF file (stray light of very bright ones).
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import float64 as f8
from numba import uintp
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.psf.library import PsfLibrary

THRESHOLD = 5e-4
"""e-/s per pixel."""
LEAST_ENERGY = 0.99
"""Fraction of the PSF's light that every stamp holds."""
STRIP = 64
"""Rows of a window that are drawn together, all stars into one strip after the other: half a megabyte stays in the
second-level cache. For 100,000 stars in a full frame 3.7 s instead of 5.7 s; any number gives the same bits."""


def star_half_width(
    flux: NDArray[np.float64], psf: PsfLibrary, *, threshold: float = THRESHOLD
) -> NDArray[np.int32]:
    """Return how far stars reach, in pixels: the stamp is |dx|, |dy| <= half width.

    Parameters
    ----------
    flux
        e-/s, any shape. Stars whose brightest pixel is below the threshold do not reach any pixel.
    threshold
        e-/s per pixel.

    Returns
    -------
    int32 array of the shape of `flux`; 0 means that the star is not drawn.
    """
    seen = flux * np.float64(psf.profile[0]) > threshold
    return np.where(seen, psf.half_width(flux, threshold, energy=LEAST_ENERGY), 0).astype(np.int32)


def add_points(
    out: NDArray[np.float32],
    psf: PsfLibrary,
    *,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: NDArray[np.float32],
    half_width: NDArray[np.int32],
    x0: int,
    y0: int,
    wings: bool = True,
) -> None:
    """Add stars to a window in place, in the order given.

    Parameters
    ----------
    out
        (ny, nx) window, e-/s; out[0, 0] is the full-frame science pixel (x0, y0).
    psf
        Library of the detector and filter.
    x, y
        (n,) positions, full-frame science pixels, 0-based.
    flux
        (n,) e-/s.
    half_width
        (n,) from `star_half_width`.
    wings
        False: the cores alone.
    """
    inner = psf.wings_inner if wings else np.inf
    grid_x, grid_y = np.array(psf.grid_x), np.array(psf.grid_y)
    for row in range(0, len(out), STRIP):
        draw_points(
            out[row : row + STRIP], x0, y0 + row, x, y, flux, half_width, psf.core, psf.wings,
            grid_x, grid_y, psf.oversampling,
            psf.core_centre, psf.core_half_width, psf.wings_centre, inner,
        )  # fmt: skip


@inline
def bracket(grid, value):
    """Grid index below a value and the weight of the next one, clamped; one place stands for both."""
    if grid.size == 1:
        return 0, 0, f8(0)
    index = 0
    while index < grid.size - 2 and grid[index + 1] < value:
        index += 1
    low, high = grid[index], grid[index + 1]
    return index, index + 1, (min(max(value, low), high) - low) / (high - low)


@inline
def spline_weights(t, weights):
    """Fill the four weights of the cubic B-spline for the fraction t."""
    s = f8(1) - t
    weights[0] = flushed(s * s * s / 6.0)
    weights[1] = f4(((3.0 * t - 6.0) * t * t + 4.0) / 6.0)
    weights[2] = f4(((3.0 * s - 6.0) * s * s + 4.0) / 6.0)
    weights[3] = flushed(t * t * t / 6.0)


@inline
def flushed(weight):
    """Flush to zero: a subnormal weight (t of rounding size) would slow every product down a hundredfold."""
    return f4(weight) if weight > 1e-20 else f4(0)


# Offsets into flat arrays are unsigned: with signed ones Numba tests for negative indices, which keeps LLVM from
# vectorising, and a slice per row would cost more than the row.


@inline
def _four(c, o0, o1, o2, o3, w0, w1, w2, w3, out, at, n):
    """out[at + i] = w0 c[o0 + i] + w1 c[o1 + i] + w2 c[o2 + i] + w3 c[o3 + i]."""
    for i in range(n):
        k = uintp(i)
        out[at + k] = ((w0 * c[o0 + k] + w1 * c[o1 + k]) + w2 * c[o2 + k]) + w3 * c[o3 + k]


@inline
def _four_places(c, o, blend, weights, out, n):
    """The sum of four taps (offsets o[tap, place]), each blended of four places, for a run of cells."""
    o00, o01, o02, o03 = o[0, 0], o[0, 1], o[0, 2], o[0, 3]
    o10, o11, o12, o13 = o[1, 0], o[1, 1], o[1, 2], o[1, 3]
    o20, o21, o22, o23 = o[2, 0], o[2, 1], o[2, 2], o[2, 3]
    o30, o31, o32, o33 = o[3, 0], o[3, 1], o[3, 2], o[3, 3]
    b0, b1, b2, b3 = blend[0], blend[1], blend[2], blend[3]
    y0, y1, y2, y3 = weights[0], weights[1], weights[2], weights[3]
    for i in range(n):
        k = uintp(i)
        s0 = ((b0 * c[o00 + k] + b1 * c[o01 + k]) + b2 * c[o02 + k]) + b3 * c[o03 + k]
        s1 = ((b0 * c[o10 + k] + b1 * c[o11 + k]) + b2 * c[o12 + k]) + b3 * c[o13 + k]
        s2 = ((b0 * c[o20 + k] + b1 * c[o21 + k]) + b2 * c[o22 + k]) + b3 * c[o23 + k]
        s3 = ((b0 * c[o30 + k] + b1 * c[o31 + k]) + b2 * c[o32 + k]) + b3 * c[o33 + k]
        out[k] = ((y0 * s0 + y1 * s1) + y2 * s2) + y3 * s3


@inline
def _add_wings(wings, width, first_row, shift, wx, wy, column, out, left, right, to):
    """Add flux-scaled wings to the pixels left <= x < right of one row: four rows first, then four columns."""
    n = right - left
    if n <= 0:
        return
    start, w = uintp(first_row * width + left + shift), uintp(width)
    _four(
        wings,
        start,
        start + w,
        start + w + w,
        start + w + w + w,
        wy[0],
        wy[1],
        wy[2],
        wy[3],
        column,
        uintp(0),
        n + 3,
    )
    w0, w1, w2, w3 = wx[0], wx[1], wx[2], wx[3]
    for i in range(n):
        k = uintp(i)
        out[to + k] += (
            (w0 * column[k] + w1 * column[k + uintp(1)]) + w2 * column[k + uintp(2)]
        ) + w3 * column[k + uintp(3)]


@kernel
def draw_points(
    out, x0, y0, star_x, star_y, star_flux, half_width, core, wings,
    grid_x, grid_y, oversampling, core_centre, core_half, wings_centre, wings_inner,
):  # fmt: skip
    """`add_points` for other kernels; the library as its arrays and numbers."""
    ny, nx = out.shape
    flat = out.reshape(ny * nx)
    cells = core.shape[3]
    c, plane, phases = core.reshape(core.size), cells * cells, oversampling * oversampling
    w, width = wings.reshape(wings.size), wings.shape[1]
    blend, wx, wy = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    places, offsets = np.empty(4, np.int64), np.empty((4, 4), np.uintp)
    stride = plane + 4
    parts, stamp = np.zeros(4 * stride, np.float32), np.empty(plane, np.float32)
    column = np.empty(nx + 3, np.float32)
    for star in range(star_x.size):
        x, y, h = star_x[star], star_y[star], f8(half_width[star])
        if not (h > 0.0 and x + h >= x0 and x - h < x0 + nx and y + h >= y0 and y - h < y0 + ny):
            continue
        left, right = max(int(np.ceil(x - h)), x0), min(int(np.floor(x + h)) + 1, x0 + nx)
        low, high = max(int(np.ceil(y - h)), y0), min(int(np.floor(y + h)) + 1, y0 + ny)
        if left >= right or low >= high:
            continue
        flux = star_flux[star]
        # Everything below hangs on the pixel that holds the star, never on the window.
        rx, ry = int(np.floor(x)), int(np.floor(y))

        core_left = max(left, int(np.floor(x - core_half)) + 1)
        core_right = min(right, int(np.ceil(x + core_half)))
        core_low = max(low, int(np.floor(y - core_half)) + 1)
        core_high = min(high, int(np.ceil(y + core_half)))
        if core_left < core_right and core_low < core_high:
            gx, gx1, bx = bracket(grid_x, x)
            gy, gy1, by = bracket(grid_y, y)
            places[0], places[1] = gy * grid_x.size + gx, gy * grid_x.size + gx1
            places[2], places[3] = gy1 * grid_x.size + gx, gy1 * grid_x.size + gx1
            blend[0], blend[1] = flushed((1.0 - bx) * (1.0 - by)), flushed(bx * (1.0 - by))
            blend[2], blend[3] = flushed((1.0 - bx) * by), flushed(bx * by)
            u, v = oversampling * (rx - x) + core_centre, oversampling * (ry - y) + core_centre
            iu, iv = int(np.floor(u)), int(np.floor(v))
            spline_weights(u - iu, wx)
            spline_weights(v - iv, wy)
            # Whole rows of cells in one run: long loops, although a row of pixels may be short.
            n = (core_high - core_low) * cells
            first = (iu - 1) // oversampling
            for a in range(4):
                phase_x = (iu - 1 + a) % oversampling
                for b in range(4):
                    jy = iv - 1 + b
                    phase = (jy % oversampling) * oversampling + phase_x
                    cell = (jy // oversampling + core_low - ry) * cells
                    for p in range(4):
                        offsets[b, p] = uintp((places[p] * phases + phase) * plane + cell)
                _four_places(c, offsets, blend, wy, parts[a * stride : (a + 1) * stride], n)
            _four(
                parts,
                uintp(0),
                uintp(stride + iu // oversampling - first),
                uintp(2 * stride + (iu + 1) // oversampling - first),
                uintp(3 * stride + (iu + 2) // oversampling - first),
                flux * wx[0], flux * wx[1], flux * wx[2], flux * wx[3], stamp, uintp(0), n,
            )  # fmt: skip
            for row in range(core_low, core_high):
                at = uintp((row - core_low) * cells + core_left - rx + first)
                to = uintp((row - y0) * nx + core_left - x0)
                for i in range(core_right - core_left):
                    flat[to + uintp(i)] += stamp[at + uintp(i)]

        if h > wings_inner:
            q, r = (rx - x) + wings_centre, (ry - y) + wings_centre
            iq, ir = int(np.floor(q)), int(np.floor(r))
            spline_weights(q - iq, wx)
            spline_weights(r - ir, wy)
            for k in range(4):
                wx[k] *= flux
            near_left = min(right, int(np.ceil(x - wings_inner)))
            near_right = max(left, int(np.floor(x + wings_inner)) + 1)
            for row in range(low, high):
                beside = abs(row - y) <= wings_inner  # then the wings lie left and right of a hole
                for side in range(2 if beside else 1):
                    begin = near_right if side else left
                    end = near_left if beside and side == 0 else right
                    _add_wings(
                        w, width, ir - 1 + (row - ry), iq - 1 - rx, wx, wy, column,
                        flat, begin, end, uintp((row - y0) * nx - x0 + begin),
                    )  # fmt: skip
