r"""The trail of a source that moves, as the mean over each read interval; compiled, never an image per instant.

A source of image P (a star's point spread function, or a galaxy behind it) at the place x(t) leaves in the pixel at X

.. math:: D(X) = \frac{F}{t_1 - t_0} \int_{t_0}^{t_1} P(X - x(t))\, dt,
          \qquad P(d) = \sum_a c_a\, B(s d + s_0 - a)

where P is a cubic spline with s coefficients per pixel and B the cubic B-spline. The coefficients do not move, so

.. math:: D(X) = \sum_m T_m\, c_{s X - m}, \qquad T_m = F \sum_k w_k\, B(m - s x(t_k) + s_0):

the path is *deposited* on the grid of the coefficients, four cells by four for each instant t_k, and the result is
convolved with them once. So a trail costs its length, not the number of instants, and is as exact as a star at rest.
Instants are those of Gauss' rule with two points to a step of at most `STEP` pixels. A long path is cut into pieces of at
most `PIECE` pixels, which bounds the memory whatever the speed; pieces that miss the window are skipped.

Every value is a function of the path and the pixel alone (float32 + - *, sources in order, no contraction): any window has
the bits of the whole.

NOT modelled: that an image changes along a piece (the PSF of a star is taken for each piece, that of a galaxy once).
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import float64 as f8
from numba import uintp
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.stars import bracket, flushed, spline_weights

STEP = 0.25
"""Most pixels of a path between two steps of the integral over time."""
PIECE = 32
"""Most pixels of a path that are deposited together."""
SAMPLING = 16
"""Pixels: the place at which the PSF of a piece is taken is rounded to the middle of such a square."""
_LOOKS = 8
"""Parts of an interval whose chords measure its length."""
_MARGIN = 1.25
"""By how much the fastest instant of a part may exceed its mean speed."""


@inline
def _at(times, track, t):
    """The place at a time: the cubic through the four nearest nodes (fewer where there are fewer)."""
    last = times.size - 1
    if last == 0:
        return track[0, 0], track[0, 1]
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= t:
            low = middle
        else:
            high = middle
    first = max(low - 1, 0)
    stop = min(first + 4, last + 1)
    first = max(stop - 4, 0)
    x, y = f8(0), f8(0)
    for i in range(first, stop):
        weight = f8(1)
        for j in range(first, stop):
            if j != i:
                weight *= (t - times[j]) / (times[i] - times[j])
        x += weight * track[i, 0]
        y += weight * track[i, 1]
    return x, y


@inline
def _cut(length):
    """Into how many pieces a path is cut, and how many steps each has."""
    pieces = int(np.ceil(length / PIECE)) if length > PIECE else 1
    return pieces, int(np.ceil(length / pieces / STEP)) if length > STEP else 1


@inline
def _length(times, track, start, stop):
    """An upper bound of the pixels of a path between two times, as if its fastest part lasted all the time, and faster."""
    longest = f8(0)
    x, y = _at(times, track, start)
    for k in range(_LOOKS):
        u, v = _at(times, track, start + (stop - start) * (k + 1) / _LOOKS)
        longest = max(longest, (u - x) * (u - x) + (v - y) * (v - y))
        x, y = u, v
    return _MARGIN * _LOOKS * np.sqrt(longest)


@inline
def _misses(times, track, start, stop, margin, x0, y0, nx, ny):
    """Whether a piece of a path is so far from the window that no light of it may fall there."""
    x, y = _at(times, track, 0.5 * (start + stop))
    margin += PIECE
    return not (x + margin >= x0 and x - margin < x0 + nx and y + margin >= y0 and y - margin < y0 + ny)


@kernel
def _deposit(times, track, start, stop, steps, amount, scale, centre, grid, first, last, box):
    """Fill `grid` with the deposit of a piece of a path.

    `grid` (rows, columns) holds T; `first`, `last` the half-open ranges of cells in its rows. `box` returns: the cell of
    grid[0, 0] (row, column), the number of rows, and the least and largest x and y of the path.
    """
    half = 0.5 * (stop - start) / steps
    inset = half * 0.5773502691896257
    low_x, high_x, low_y, high_y = f8(1e300), f8(-1e300), f8(1e300), f8(-1e300)
    for k in range(2 * steps):
        middle = start + (stop - start) * (k // 2 + 0.5) / steps
        x, y = _at(times, track, middle + (inset if k % 2 else -inset))
        low_x, high_x = min(low_x, x), max(high_x, x)
        low_y, high_y = min(low_y, y), max(high_y, y)
    column = int(np.floor(scale * low_x - centre)) - 1
    row = int(np.floor(scale * low_y - centre)) - 1
    rows = min(int(np.floor(scale * high_y - centre)) + 3 - row, grid.shape[0])
    columns = min(int(np.floor(scale * high_x - centre)) + 3 - column, grid.shape[1])
    for j in range(rows):
        first[j], last[j] = grid.shape[1], 0
        for i in range(columns):
            grid[j, i] = 0.0
    wx, wy = np.empty(4, np.float64), np.empty(4, np.float64)
    share = amount / (2 * steps)
    for k in range(2 * steps):
        middle = start + (stop - start) * (k // 2 + 0.5) / steps
        x, y = _at(times, track, middle + (inset if k % 2 else -inset))
        u, v = scale * x - centre, scale * y - centre
        iu, iv = int(np.floor(u)), int(np.floor(v))
        spline_weights(u - iu, wx)
        spline_weights(v - iv, wy)
        for b in range(4):
            j, i = iv - 1 + b - row, iu - 1 - column
            if not (0 <= j < rows and i >= 0 and i + 4 <= columns):
                continue  # never: the box holds all instants
            for a in range(4):
                grid[j, i + a] += share * wy[b] * wx[a]
            first[j], last[j] = min(first[j], i), max(last[j], i + 4)
    box[0], box[1], box[2] = row, column, rows
    box[3], box[4], box[5], box[6] = low_x, high_x, low_y, high_y


@kernel
def _convolve(out, x0, y0, grid, first, last, box, half, scale, coefficients):
    """Add to a window the convolution of a deposit with coefficients (phase_y, phase_x, Y, X), out to `half` pixels."""
    ny, nx = out.shape
    flat = out.reshape(ny * nx)
    c = coefficients.reshape(coefficients.size)
    cells_y, cells_x = coefficients.shape[2], coefficients.shape[3]
    plane = cells_y * cells_x
    left, right = max(int(np.ceil(box[3] - half)), x0), min(int(np.floor(box[4] + half)) + 1, x0 + nx)
    low, high = max(int(np.ceil(box[5] - half)), y0), min(int(np.floor(box[6] + half)) + 1, y0 + ny)
    if left >= right or low >= high:
        return
    shift, offset, weight = np.empty(4, np.int64), np.empty(4, np.int64), np.empty(4, np.float32)
    for j in range(int(box[2])):
        my = int(box[0]) + j
        down, phase_y = (-my) // scale, (-my) % scale
        for i in range(first[j], last[j], 4):
            begin, end = left, right
            for a in range(4):
                mx = int(box[1]) + i + a
                shift[a] = (-mx) // scale
                offset[a] = (phase_y * scale + (-mx) % scale) * plane
                weight[a] = flushed(grid[j, i + a]) if i + a < last[j] else f4(0)
                begin, end = max(begin, -shift[a]), min(end, cells_x - shift[a])
            n = end - begin
            if n <= 0:
                continue
            w0, w1, w2, w3 = weight[0], weight[1], weight[2], weight[3]
            for y in range(max(low, -down), min(high, cells_y - down)):
                at = (y + down) * cells_x + begin
                o0, o1 = uintp(offset[0] + at + shift[0]), uintp(offset[1] + at + shift[1])
                o2, o3 = uintp(offset[2] + at + shift[2]), uintp(offset[3] + at + shift[3])
                to = uintp((y - y0) * nx + begin - x0)
                for m in range(n):
                    k = uintp(m)
                    flat[to + k] += ((w0 * c[o0 + k] + w1 * c[o1 + k]) + w2 * c[o2 + k]) + w3 * c[o3 + k]


@kernel
def _blend(core, places, weights, low, high, out):
    """Blend four places of a PSF into coefficients (phase_y, phase_x, Y, X), in the rows low <= Y < high."""
    scale, cells = core.shape[1], core.shape[3]
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for py in range(scale):
        for px in range(scale):
            for y in range(low, high):
                a, b = core[places[0], py, px, y], core[places[1], py, px, y]
                c, d = core[places[2], py, px, y], core[places[3], py, px, y]
                target = out[py, px, y]
                for i in range(cells):
                    target[i] = ((w0 * a[i] + w1 * b[i]) + w2 * c[i]) + w3 * d[i]


@kernel
def _add_stars(
    out, edges, x0, y0, times, tracks, flux, half_width,
    core, grid_x, grid_y, core_centre, wings, wings_centre, wings_inner,
):  # fmt: skip
    ny, nx = out.shape[1:]
    scale, cells = core.shape[1], core.shape[3]
    grid = np.empty((scale * PIECE + 12, scale * PIECE + 12), np.float64)
    first, last = np.empty(grid.shape[0], np.int64), np.empty(grid.shape[0], np.int64)
    box, blended = np.empty(7, np.float64), np.zeros(core.shape[1:], np.float32)
    outer = wings.reshape(1, 1, wings.shape[0], wings.shape[1])
    places, weights = np.empty(4, np.int64), np.empty(4, np.float32)
    for star in range(flux.size):
        track, half = tracks[star], f8(half_width[star])
        taken_x, taken_y = f8(-1e300), f8(-1e300)
        low = max(int(np.floor(core_centre / scale - half)) - 4, 0)
        high = min(int(np.ceil(core_centre / scale + half)) + 5, cells)
        for read in range(edges.size - 1):
            start, stop = edges[read], edges[read + 1]
            length = _length(times, track, start, stop)
            pieces, steps = _cut(length)
            for piece in range(pieces):
                begin = start + (stop - start) * piece / pieces
                end = start + (stop - start) * (piece + 1) / pieces
                if _misses(times, track, begin, end, half, x0, y0, nx, ny):
                    continue
                x, y = _at(times, track, 0.5 * (begin + end))
                near_x = (np.floor(x / SAMPLING) + 0.5) * SAMPLING
                near_y = (np.floor(y / SAMPLING) + 0.5) * SAMPLING
                if near_x != taken_x or near_y != taken_y:
                    gx, gx1, bx = bracket(grid_x, near_x)
                    gy, gy1, by = bracket(grid_y, near_y)
                    places[0], places[1] = gy * grid_x.size + gx, gy * grid_x.size + gx1
                    places[2], places[3] = gy1 * grid_x.size + gx, gy1 * grid_x.size + gx1
                    weights[0], weights[1] = flushed((1.0 - bx) * (1.0 - by)), flushed(bx * (1.0 - by))
                    weights[2], weights[3] = flushed((1.0 - bx) * by), flushed(bx * by)
                    _blend(core, places, weights, low, high, blended)
                    taken_x, taken_y = near_x, near_y
                amount = f8(flux[star]) / pieces
                _deposit(times, track, begin, end, steps, amount, scale, core_centre, grid, first, last, box)
                _convolve(out[read], x0, y0, grid, first, last, box, half, scale, blended)
                if half > wings_inner:
                    _deposit(times, track, begin, end, steps, amount, 1, wings_centre, grid, first, last, box)
                    _convolve(out[read], x0, y0, grid, first, last, box, half, 1, outer)


@kernel
def _add_image(out, edges, x0, y0, times, track, half, coefficients):
    ny, nx = out.shape[1:]
    scale = coefficients.shape[0]
    centre = scale * (coefficients.shape[2] // 2)
    grid = np.empty((scale * PIECE + 12, scale * PIECE + 12), np.float64)
    first, last = np.empty(grid.shape[0], np.int64), np.empty(grid.shape[0], np.int64)
    box = np.empty(7, np.float64)
    for read in range(edges.size - 1):
        start, stop = edges[read], edges[read + 1]
        length = _length(times, track, start, stop)
        pieces, steps = _cut(length)
        for piece in range(pieces):
            begin = start + (stop - start) * piece / pieces
            end = start + (stop - start) * (piece + 1) / pieces
            if _misses(times, track, begin, end, half, x0, y0, nx, ny):
                continue
            _deposit(times, track, begin, end, steps, 1.0 / pieces, scale, centre, grid, first, last, box)
            _convolve(out[read], x0, y0, grid, first, last, box, half, scale, coefficients)


def add_star_trails(
    out: NDArray[np.float32],
    psf: PsfLibrary,
    *,
    edges: NDArray[np.float64],
    times: NDArray[np.float64],
    tracks: NDArray[np.float64],
    flux: NDArray[np.float32],
    half_width: NDArray[np.int32],
    x0: int,
    y0: int,
) -> None:
    """Add moving stars to the reads of a window in place, in the order given.

    Parameters
    ----------
    out
        (reads, ny, nx) mean e-/s of each read; out[:, 0, 0] is the full-frame science pixel (x0, y0).
    psf
        Library of the detector and filter.
    edges
        (reads + 1,) times at which reads begin and end.
    times
        (T,) times of the nodes of the paths, ascending.
    tracks
        (n, T, 2) full-frame science pixels, 0-based.
    flux
        (n,) e-/s.
    half_width
        (n,) from `stars.star_half_width`.
    """
    _add_stars(
        out, edges, x0, y0, times, tracks, flux, half_width, psf.core, np.array(psf.grid_x), np.array(psf.grid_y),
        psf.core_centre, psf.wings, psf.wings_centre, psf.wings_inner,
    )  # fmt: skip


def add_image_trail(
    out: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    *,
    edges: NDArray[np.float64],
    times: NDArray[np.float64],
    track: NDArray[np.float64],
    half: float,
    x0: int,
    y0: int,
) -> None:
    """Add one moving image to the reads of a window in place; what is not named here is as in `add_star_trails`.

    Parameters
    ----------
    coefficients
        (s, s, 2 m + 1, 2 m + 1) spline coefficients in phases, e-/s; the centre is coefficient s m.
    track
        (T, 2) of the centre.
    half
        Pixels from the centre beyond which the image is not drawn.
    """
    _add_image(out, edges, x0, y0, times, track, half, coefficients)
