r"""One dispersed source: its spectrum deposited along the trace, and that convolved with its image; compiled.

The image of a source P, behind the telescope and integrated over pixels, is a cubic spline with s coefficients per pixel.
Light w_k of the wavelengths lambda_k falls at the places x_k, so

.. math:: D(X) = \sum_k w_k P(X - x_k) = \sum_a C_a\, T_{s X - a + o}, \qquad T_m = \sum_k w_k\, B(m - s x_k)

with the cubic B-spline B and the coefficient o of the source's centre: the spectrum is *deposited* on the grid of the
coefficients, four cells by four for each wavelength, and the result convolved with them once. T is a few rows along the
trace, so that a pixel costs the coefficients of the image, not the wavelengths. Dispersion along y is the same in a
transposed strip. Places are exact, for sources outside the detector too (nothing is clamped).

An image that changes with wavelength (the PSF grows with it, and the field's distortion differs along the trace) is given
at a few wavelengths; between them, w_k is shared out by linear weights.

Where a trace is straight over the extent of an image, as those of NIRCam and NIRISS are, `straight` does the same at a
fraction of the cost.

Every pixel is a fixed sequence of float32 + and * that depends on the source and the place alone: any window has the bits of
the whole.

NOT modelled: light scattered between orders, ghosts of the grism.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import float32 as f4
from numba import float64 as f8
from numba import uintp
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.reference.grisms.configuration import NEWTON_STEPS
from mirage_dask.scene.dispersed.stamps import Stamp
from mirage_dask.scene.dispersed.straight import TAPS, add_images, add_transposed, course, is_straight
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.stars import spline_weights

_EDGE = TAPS + 4
"""Empty columns at both ends of T, pixels."""
FARTHEST = 1 << 20

Floats = NDArray[np.float64]
Light = tuple[NDArray[np.float32], float, float, float, Floats]
"""Weights of nodes and their factor, wavelength of the first node and step, wavelengths of the images."""


@inline
def _power(p, t):
    total = p[p.size - 1]
    for i in range(p.size - 2, -1, -1):
        total = total * t + p[i]
    return total


@inline
def _parameter(displ, wave, newton_steps):
    """The inverse of the wavelength, as `reference.grisms.configuration.inverse`."""
    c, b = displ[0] - wave, displ[1]
    if displ.size == 2:
        return -c / b
    root = np.sqrt(b * b - 4.0 * displ[2] * c)
    t = -2.0 * c / (b - root if b < 0 else b + root)
    if displ.size > 3:
        for _ in range(newton_steps):
            slope = f8(0)
            for i in range(displ.size - 1, 0, -1):
                slope = slope * t + i * displ[i]
            t -= (_power(displ, t) - wave) / slope
    return t


@kernel
def _at_place(table, x, y):
    """The coefficients of the powers of t at a place, as `reference.grisms.configuration.at_place`."""
    terms = (1.0, x, y, x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y)
    found = np.empty(table.shape[0], np.float64)
    for p in range(found.size):
        total = table[p, 0]
        for k in range(1, min(table.shape[1], len(terms))):
            total += table[p, k] * terms[k]
        found[p] = total
    return found


@kernel
def _places(start, step, displ, along, across, u0, v0, newton_steps, u, v):
    """Fill the places of nodes, along the dispersion and across; where there is none, nan. Returns the box of all."""
    box = np.array([1e300, -1e300, 1e300, -1e300])
    for k in range(u.size):
        t = _parameter(displ, start + step * k, newton_steps)
        u[k], v[k] = u0 + _power(along, t), v0 + _power(across, t)
        if np.isfinite(u[k]) and np.isfinite(v[k]):
            box[0], box[1] = min(box[0], u[k]), max(box[1], u[k])
            box[2], box[3] = min(box[2], v[k]), max(box[3], v[k])
    return box


@kernel
def _deposit(grid, row0, column0, first, last, box, scale, u, v, weights, amount, start, step, nodes, node):
    """Fill T: grid[phase, row, column], with the pixel `column0 + column` and the row of cells `row0 + row`.

    `first`, `last`: the half-open ranges of columns in its rows. Light outside of `box` is left out. `nodes`: wavelengths of
    images, of which `node` is this one; none: it is the only one.
    """
    wu, wv = np.empty(4, np.float32), np.empty(4, np.float32)
    grid[:] = f4(0)
    first[:], last[:] = grid.shape[2], 0
    for k in range(u.size):
        weight = f8(weights[k]) * amount
        if weight == 0.0 or not (box[0] <= u[k] <= box[1] and box[2] <= v[k] <= box[3]):
            continue
        if nodes.size > 1:
            wave = start + step * k
            if wave < nodes[node]:
                share = (wave - nodes[node - 1]) / (nodes[node] - nodes[node - 1]) if node > 0 else 1.0
            else:
                beyond = node + 1 == nodes.size
                share = 1.0 if beyond else (nodes[node + 1] - wave) / (nodes[node + 1] - nodes[node])
            if share <= 0.0:
                continue
            weight *= share
        p, q = scale * u[k], scale * v[k]
        ip, iq = int(np.floor(p)), int(np.floor(q))
        spline_weights(p - ip, wu)
        spline_weights(q - iq, wv)
        light = f4(weight)
        for b in range(4):
            row = iq - 1 + b - row0
            part = light * wv[b]
            for a in range(4):
                cell = ip - 1 + a
                column = cell // scale
                grid[cell - column * scale, row, column - column0] += part * wu[a]
            first[row] = min(first[row], (ip - 1) // scale - column0)
            last[row] = max(last[row], (ip + 2) // scale + 1 - column0)


@kernel
def _convolve(out, x0, y0, grid, row0, column0, first, last, scale, coefficients, row_of, origin):
    """Add the convolution of T with coefficients to a strip whose [0, 0] is the pixel (x0, y0), dispersion along x.

    `row_of`, `origin`: row and column of the centre. Columns of coefficients: a multiple of TAPS * scale.
    """
    ny, nx = out.shape
    rows, columns = grid.shape[1], grid.shape[2]
    flat, t = out.reshape(ny * nx), grid.reshape(grid.size)
    height, width = coefficients.shape
    for y in range(ny):
        for row in range(rows):
            a = scale * (y0 + y) + row_of - (row0 + row)
            if first[row] >= last[row] or a < 0 or a >= height:
                continue
            line = coefficients[a]
            for phase in range(scale):
                for group in range(phase, width, TAPS * scale):
                    # Cell scale X + origin - b of column b: pixel X + shift, its phase the same for all of the group.
                    shift = (origin - group) // scale
                    at = origin - group - shift * scale
                    left, right = (
                        max(first[row] + column0 - shift, x0),
                        last[row] + column0 - shift + TAPS - 1,
                    )
                    n = min(right, x0 + nx) - left
                    if n <= 0:
                        continue
                    c0, c1, c2, c3 = (
                        line[group],
                        line[group + scale],
                        line[group + 2 * scale],
                        line[group + 3 * scale],
                    )
                    c4, c5 = line[group + 4 * scale], line[group + 5 * scale]
                    c6, c7 = line[group + 6 * scale], line[group + 7 * scale]
                    o = uintp(y * nx + left - x0)
                    s0 = uintp((at * rows + row) * columns + left + shift - column0)
                    s1, s2, s3, s4 = s0 - uintp(1), s0 - uintp(2), s0 - uintp(3), s0 - uintp(4)
                    s5, s6, s7 = s0 - uintp(5), s0 - uintp(6), s0 - uintp(7)
                    for i in range(n):
                        k = uintp(i)
                        flat[o + k] += (
                            ((c0 * t[s0 + k] + c1 * t[s1 + k]) + (c2 * t[s2 + k] + c3 * t[s3 + k]))
                            + ((c4 * t[s4 + k] + c5 * t[s5 + k]) + (c6 * t[s6 + k] + c7 * t[s7 + k]))
                        )  # fmt: skip


def add_spectrum(
    out: NDArray[np.float32],
    segment: Segment,
    image: Sequence[Stamp],
    *,
    x: float,
    y: float,
    weights: NDArray[np.float32],
    amount: float = 1.0,
    nodes: NDArray[np.float64] | None = None,
    reach: int = FARTHEST,
    x0: int,
    y0: int,
) -> None:
    """Add one segment of the spectrum of a source to a window in place.

    Parameters
    ----------
    out
        (ny, nx) window, e-/s; out[0, 0] is the full-frame science pixel (x0, y0).
    segment
        Traces and nodes.
    image
        The image of the source, as the sum of stamps of total 1, at each of `nodes`; their columns lie along y where the
        segment does.
    x, y
        Place of the source in the direct image, full-frame science pixels, 0-based; it may lie off the detector.
    weights
        (segment.count,) e-/s at the nodes of wavelength.
    amount
        By which the weights are multiplied.
    nodes
        Wavelengths of the images, micron, ascending; None for one image.
    reach
        Half width to which the image is used, pixels.
    """
    view, vx, vy = (out.T, y0, x0) if segment.along_y else (out, x0, y0)
    trace = segment.trace
    displ, ax, ay = (_at_place(table, f8(x), f8(y)) for table in (trace.displ, trace.dispx, trace.dispy))
    along, across, u0, v0 = (ay, ax, y, x) if segment.along_y else (ax, ay, x, y)
    u, v = np.empty(segment.count), np.empty(segment.count)
    box = _places(segment.start, segment.step, displ, along, across, f8(u0), f8(v0), NEWTON_STEPS, u, v)
    # What `traces.reaches` leaves out is not drawn either.
    half = min(max(stamp.reach for stamp in image) + 2, reach + 1)
    ny, nx = view.shape
    left, right = max(int(np.floor(box[0] - half)), vx), min(int(np.ceil(box[1] + half)) + 1, vx + nx)
    low, high = max(int(np.floor(box[2] - half)), vy), min(int(np.ceil(box[3] + half)) + 1, vy + ny)
    if left >= right or low >= high:
        return
    strip = np.zeros((high - low, right - left), np.float32)
    where = np.zeros(1) if nodes is None else np.asarray(nodes, np.float64)
    light = (weights, f8(amount), segment.start, segment.step, where)
    if is_straight(u, v):
        _add_straight(strip, left, low, u, v, box, light, image, reach)
    else:
        _add_bent(strip, left, low, u, v, box, light, image, half)
    if segment.along_y:
        add_transposed(out[left - y0 : right - y0, low - x0 : high - x0], strip)
    else:
        out[low - y0 : high - y0, left - x0 : right - x0] += strip


def _add_straight(
    strip: NDArray[np.float32], left: int, low: int, u: Floats, v: Floats, box: Floats, light: Light,
    image: Sequence[Stamp], reach: int,
) -> None:  # fmt: skip
    """Add an image along a trace that is straight over its extent; `strip[0, 0]` is the pixel (left, low)."""
    weights, amount, start, step, nodes = light
    # The slope at the wavelength of each image, or where the trace ends.
    at = 0.5 * (u.size - 1) if nodes.size == 1 else (nodes - start) / step
    k = np.clip(np.int64(at), 0, u.size - 2).reshape(nodes.shape)
    slopes = (v[k + 1] - v[k]) / (u[k + 1] - u[k])
    for stamp in image:
        far = min(reach, stamp.reach) + 2 * stamp.coarse
        first = max(left, int(np.floor(box[0])) - far)
        last = min(left + strip.shape[1], int(np.ceil(box[1])) + far + 1)
        if first >= last:
            continue
        if stamp.coarse == 1:
            places = np.empty(last - first)
            course(u, v, first, 1, places)
        else:
            begin, end = first // stamp.coarse - 1, (last - 1) // stamp.coarse + 2
            places = np.empty(end + 1 - begin)
            course(u, v, begin * stamp.coarse, stamp.coarse, places)
        add_images(
            strip, left, low, first, last, places, u, weights, amount, start, step, nodes, slopes,
            stamp.coefficients, stamp.row, stamp.column, reach, stamp.scale, stamp.coarse,
        )  # fmt: skip


def _add_bent(
    strip: NDArray[np.float32], left: int, low: int, u: Floats, v: Floats, box: Floats, light: Light,
    image: Sequence[Stamp], half: int,
) -> None:  # fmt: skip
    """Add an image along any trace."""
    weights, amount, start, step, nodes = light
    high, right = low + strip.shape[0], left + strip.shape[1]
    # What does not come near the window is not needed, and the trace of a strange configuration may be of any length.
    box[0], box[1] = max(box[0], left - half - 3), min(box[1], right + half + 3)
    box[2], box[3] = max(box[2], low - half - 3), min(box[3], high + half + 3)
    for stamp in image:
        scale, fine = stamp.scale, stamp.fine()
        row0, column0 = int(np.floor(scale * box[2])) - 1, int(np.floor(box[0])) - _EDGE
        rows = int(np.floor(scale * box[3])) + 3 - row0
        grid = np.empty((scale, rows, int(np.ceil(box[1])) + _EDGE + 1 - column0), np.float32)
        first, last = np.empty(rows, np.int64), np.empty(rows, np.int64)
        whole = -(-fine.coefficients.shape[2] // (TAPS * scale)) * TAPS * scale
        for node, found in enumerate(fine.coefficients):
            coefficients = np.pad(found, ((0, 0), (0, whole - found.shape[1])))
            _deposit(
                grid, row0, column0, first, last, box, scale, u, v, weights, amount, start, step, nodes, node
            )
            _convolve(
                strip, left, low, grid, row0, column0, first, last, scale, coefficients, fine.row, fine.column
            )
