r"""One dispersed source where its trace is straight over the extent of its image; compiled.

As in `deposit`, light w_k falls at the places (u_k, v_k), u along the dispersion and v across, and the image is a cubic
spline. Where v changes evenly with u, with the slope m, over the image,

.. math:: v_k = v(u) - m\,(u - u_k), \qquad
          D(u, v) = \sum_k w_k P_m\bigl(u - u_k,\, v - v(u)\bigr), \qquad P_m(a, b) = P(a, b + m a)

so the image is sheared, its rows are convolved with the spectrum *along* the trace alone, a single row of light instead of
four by the slope of the trace, and the sums put where the trace is in each column by four weights. The sheared coefficients
follow from Lagrange's cubic polynomial down each column, which keeps their sum and moments. The slope is that at the
wavelength of each image.

The faint outer part of a star's image is `COARSE` pixels wide along the trace (`stamps.Stamp.coarse`): light is shared out
among columns so far apart by Lagrange's weights, which keep total, centroid and second moment, and the sum is a spline.

Every pixel is a fixed sequence of float32 + and * that depends on the source and the place alone.

NOT modelled: that a trace bends within an image: `is_straight` allows a thousandth of a pixel at ten pixels' distance.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import float64 as f8
from numba import uintp

from mirage_dask.compiled import inline, kernel
from mirage_dask.scene.stars import spline_weights

TAPS = 8
"""Coefficients of a row that are taken together."""
COARSE = 4
"""Pixels along the trace of a column of coarse coefficients."""
STEEPEST = 0.1
"""Largest slope of a trace that is straight."""
BEND = 2e-5
"""Largest change of its slope, per pixel."""


@kernel
def is_straight(u, v):
    """Whether places along a trace go one way, finite, and within `STEEPEST` and `BEND`."""
    before = np.nan
    for k in range(u.size - 1):
        du, dv = u[k + 1] - u[k], v[k + 1] - v[k]
        if not (np.isfinite(du) and np.isfinite(dv)) or du == 0.0 or (du > 0) != (u[1] > u[0]):
            return False
        slope = dv / du
        if abs(slope) > STEEPEST or abs(slope - before) > BEND * abs(du) + 1e-9:
            return False
        before = slope
    return u.size > 1


@kernel
def course(u, v, first, step, centre):
    """Fill `centre` with the v of a trace at u = first, first + step, …; straight on beyond its ends."""
    n, rising = u.size, u[u.size - 1] > u[0]
    k = 0 if rising else n - 2
    for i in range(centre.size):
        x = first + step * i
        if rising:
            while k < n - 2 and u[k + 1] <= x:
                k += 1
        else:
            while k > 0 and u[k] <= x:
                k -= 1
        centre[i] = v[k] + (x - u[k]) * (v[k + 1] - v[k]) / (u[k + 1] - u[k])


@inline
def _lagrange_weights(t, w):
    """Weights of the samples -1, 0, 1, 2 at t of 0 to 1."""
    w[0] = -t * (t - 1.0) * (t - 2.0) / 6.0
    w[1] = (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0
    w[2] = -(t + 1.0) * t * (t - 2.0) / 2.0
    w[3] = (t + 1.0) * t * (t - 1.0) / 6.0


@kernel
def _spectrum(light, column0, scale, coarse, u, weights, amount, start, step, nodes):
    """Fill light[image, phase, column]: the spectrum along the trace, for each image its part.

    Returns (images, 2) the half-open range of columns of each with light.
    """
    w = np.empty(4, np.float32)
    light[:] = f4(0)
    columns = light.shape[2]
    lit = np.empty((light.shape[0], 2), np.int64)
    lit[:, 0], lit[:, 1] = columns, 0
    for k in range(u.size):
        p = u[k] / coarse if coarse > 1 else u[k] * scale
        weight = f8(weights[k]) * amount
        if weight == 0.0 or not (scale * column0 - 3.0 < p < scale * (column0 + columns) + 3.0):
            continue
        image, share = 0, 0.0
        if nodes.size > 1:
            wave = start + step * k
            while image < nodes.size - 2 and wave >= nodes[image + 1]:
                image += 1
            share = min(max((wave - nodes[image]) / (nodes[image + 1] - nodes[image]), 0.0), 1.0)
        cell = int(np.floor(p))
        if coarse > 1:
            _lagrange_weights(p - cell, w)
        else:
            spline_weights(p - cell, w)
        begin = (cell - 1) // scale
        phase = cell - 1 - begin * scale
        end = (cell + 2) // scale + 1
        if begin < column0 or end > column0 + columns:
            continue
        begin, end = begin - column0, end - column0
        for one in range(image, min(image + 2, nodes.size)):
            part = f4(weight * (share if one > image else 1.0 - share))
            if part == f4(0):
                continue
            lit[one, 0], lit[one, 1] = min(lit[one, 0], begin), max(lit[one, 1], end)
            column, at = begin, phase
            for a in range(4):
                light[one, at, column] += part * w[a]
                at += 1
                if at == scale:
                    at, column = 0, column + 1
    return lit


@kernel
def _sheared(coefficients, row, column, shear, out, out_row, out_column):
    """Fill `out` with coefficients whose column c is moved up by shear * (c - column); the rest of it with 0.

    `row`, `column`: where the source's centre is; `out_row`, `out_column`: where it is in `out`.
    """
    w = np.empty(4, np.float32)
    height, width = coefficients.shape
    out[:] = f4(0)
    for c in range(max(0, column - out_column), min(width, column + out_column + 1)):
        moved = shear * (c - column)
        whole = int(np.floor(moved))
        _lagrange_weights(moved - whole, w)
        w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
        to = c - column + out_column
        for r in range(out.shape[0]):
            a = r - out_row + row + whole - 1
            if a >= 0 and a + 3 < height:
                out[r, to] = (
                    (w0 * coefficients[a, c] + w1 * coefficients[a + 1, c]) + w2 * coefficients[a + 2, c]
                ) + w3 * coefficients[a + 3, c]
            elif -4 < a < height:
                total = f4(0)
                for b in range(4):
                    if 0 <= a + b < height:
                        total += w[b] * coefficients[a + b, c]
                out[r, to] = total


@kernel
def _convolved_row(row, left, light, lit, column0, scale, line, origin):
    """Add to row[i], of the pixel left + i, the convolution of a row of coefficients with light along the trace."""
    columns = light.shape[1]
    t = light.reshape(light.size)
    for phase in range(scale):
        for group in range(phase, line.size, TAPS * scale):
            # Cell scale X + origin - c of column c: pixel X + shift, its phase the same for all of the group.
            shift = (origin - group) // scale
            at = origin - group - shift * scale
            c0, c1, c2, c3 = (
                line[group],
                line[group + scale],
                line[group + 2 * scale],
                line[group + 3 * scale],
            )
            c4, c5 = line[group + 4 * scale], line[group + 5 * scale]
            c6, c7 = line[group + 6 * scale], line[group + 7 * scale]
            begin = max(lit[0] + column0 - shift - left, 0)
            end = min(lit[1] + column0 - shift + TAPS - 1 - left, row.size)
            part, s0 = row[begin:end], uintp(at * columns + left + begin + shift - column0)
            s1, s2, s3, s4 = s0 - uintp(1), s0 - uintp(2), s0 - uintp(3), s0 - uintp(4)
            s5, s6, s7 = s0 - uintp(5), s0 - uintp(6), s0 - uintp(7)
            for i in range(part.size):
                k = uintp(i)
                part[k] += (
                    ((c0 * t[s0 + k] + c1 * t[s1 + k]) + (c2 * t[s2 + k] + c3 * t[s3 + k]))
                    + ((c4 * t[s4 + k] + c5 * t[s5 + k]) + (c6 * t[s6 + k] + c7 * t[s7 + k]))
                )  # fmt: skip


@kernel
def add_images(
    strip, strip_left, low, left, right, centre, u, weights, amount, start, step, nodes, slopes,
    coefficients, row, column, reach, scale, coarse,
):  # fmt: skip
    """Add one part of the images of a source, drawn along its trace, to a strip.

    Parameters
    ----------
    strip
        Its [0, 0] is the pixel (strip_left, low); u along rows.
    left, right
        Columns that are drawn.
    centre
        v of the trace in those columns; of a coarse part in the columns COARSE * (left // COARSE - 1), … .
    u, weights, amount, start, step
        Places of the nodes along the trace, their light, and their wavelengths.
    nodes, slopes
        Wavelengths of the images, and the slope of the trace at each.
    coefficients
        (images, rows, columns); `row`, `column` of the centre; as far as `reach` pixels are used.
    scale
        Coefficients per pixel.
    coarse
        Pixels along the trace per column of coefficients, 1 or COARSE.
    """
    ny = strip.shape[0]
    first, n = left, right - left
    if coarse > 1:
        first, n = left // coarse - 1, centre.size
    aside = min(column, reach * scale // coarse + 2)
    width = -(-(2 * aside + 1) // (TAPS * scale)) * TAPS * scale
    steepest = f8(0)
    for m in range(slopes.size):
        steepest = max(steepest, abs(slopes[m]))
    beyond = int(np.ceil(steepest * aside * coarse)) + 2
    up = min(row, reach * scale + 1) + beyond
    height = 2 * up + 1
    # Rows of cells of each column, and their weights.
    base, w = np.empty(n, np.int64), np.empty((4, n), np.float32)
    four = np.empty(4, np.float32)
    lowest, highest = np.int64(1) << 60, -(np.int64(1) << 60)
    for i in range(n):
        place = up - scale * centre[i]
        base[i] = int(np.floor(place)) - 1
        spline_weights(place - base[i] - 1, four)
        for b in range(4):
            w[b, i] = four[b]
        lowest, highest = min(lowest, base[i]), max(highest, base[i])
    y0 = max(0, -((highest + 3) // scale) - low)
    y1 = min(ny, (height - 1 - lowest) // scale + 1 - low)
    if y0 >= y1 or n <= 0:
        return
    column0 = first - width // scale - 6
    light = np.empty((coefficients.shape[0], scale, n + 2 * (width // scale) + 12), np.float32)
    lit = _spectrum(light, column0, scale, coarse, u, weights, amount, start, step, nodes)
    images = np.empty((coefficients.shape[0], height, width), np.float32)
    for m in range(coefficients.shape[0]):
        if lit[m, 0] < lit[m, 1]:
            _sheared(coefficients[m], row, column, slopes[m] * coarse, images[m], up, aside)
    a0 = scale * (low + y0) + lowest
    rows = np.zeros((scale * (y1 - y0 - 1) + highest - lowest + 4, n), np.float32)
    line = np.empty(n, np.float32)
    for a in range(max(a0, 0), min(a0 + rows.shape[0], height)):
        line[:] = f4(0)
        for m in range(coefficients.shape[0]):
            if lit[m, 0] < lit[m, 1]:
                _convolved_row(line, first, light[m], lit[m], column0, scale, images[m, a], aside)
        rows[a - a0] = line
    flat, out = rows.reshape(rows.size), strip.reshape(strip.size)
    w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
    wide, fine = np.empty(COARSE * n if coarse > 1 else 0, np.float32), np.empty((4, COARSE), np.float32)
    for x in range(COARSE):
        spline_weights(x / COARSE, four)
        for b in range(4):
            fine[b, x] = four[b]
    for y in range(y0, y1):
        start_of_run = 0
        while start_of_run < n:  # columns whose cells lie in the same rows
            end = start_of_run + 1
            while end < n and base[end] == base[start_of_run]:
                end += 1
            s0 = uintp((scale * (low + y) + base[start_of_run] - a0) * n + start_of_run)
            s1, s2, s3 = s0 + uintp(n), s0 + uintp(2 * n), s0 + uintp(3 * n)
            o = uintp(start_of_run)
            for i in range(end - start_of_run):
                k = uintp(i)
                line[o + k] = (
                    (w0[o + k] * flat[s0 + k] + w1[o + k] * flat[s1 + k]) + w2[o + k] * flat[s2 + k]
                ) + w3[o + k] * flat[s3 + k]
            start_of_run = end
        if coarse == 1:
            to = uintp(y * strip.shape[1] + left - strip_left)
            for i in range(n):
                out[to + uintp(i)] += line[uintp(i)]
            continue
        for k in range(1, n - 2):
            p0, p1, p2, p3 = line[k - 1], line[k], line[k + 1], line[k + 2]
            for x in range(COARSE):
                wide[COARSE * k + x] = ((fine[0, x] * p0 + fine[1, x] * p1) + fine[2, x] * p2) + fine[
                    3, x
                ] * p3
        to, begin = uintp(y * strip.shape[1] + left - strip_left), uintp(left - COARSE * first)
        for i in range(right - left):
            out[to + uintp(i)] += wide[begin + uintp(i)]


@kernel
def add_transposed(out, strip):
    """Add a strip to a window whose rows are its columns."""
    block = 32
    for y0 in range(0, strip.shape[0], block):
        for x0 in range(0, strip.shape[1], block):
            for x in range(x0, min(x0 + block, strip.shape[1])):
                for y in range(y0, min(y0 + block, strip.shape[0])):
                    out[x, y] += strip[y, x]
