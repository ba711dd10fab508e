"""Light of image pixels among those of a detector, flux conserved: two kernels.

`add_overlap`: an image pixel is an evenly bright quadrilateral, and every detector pixel gets the part of its light that
the overlap of both is of its area, exactly: the polygon is clipped by the sides of detector pixels. The parts of a pixel
sum to one. This is what `reproject_exact` and drizzling (Fruchter & Hook 2002, PASP 114, 144) do.

`add_points`: for light that is convolved afterwards. An image pixel is divided into k x k points, k such that they are
closer than the points of the grid, and each point is shared among the 4 x 4 grid points around it with the weights of the
cubic B-spline. Sum and centre of the light stay exactly, whatever the image's pixels are, much smaller than those of the
detector or larger; what the B-spline blurs is taken out when the light is convolved (`blurring`), as in transforms of
points at any place (Greengard & Lee 2004, SIAM Review 46, 443).

Positions are bilinear between the nodes of a mesh (`meshes`). Values of 0 cost nothing. float64, in the order of the
image's pixels: a block of the detector has the same bits whatever else is computed.

NOT modelled: light between the centres of image pixels is not smoother than these, which are squares.
"""

from __future__ import annotations

import numpy as np
from numba import float64 as f8

from mirage_dask.compiled import inline, kernel

MOST_POINTS = 64
"""Largest k: image pixels of up to 32 detector pixels have points as close as those of the grid."""
CORNERS = 12
"""Room for the corners of a quadrilateral that is clipped by four lines: at most eight."""


@inline
def _box(nodes, k, l):  # noqa: E741
    """Extent of a cell of the mesh: x0, x1, y0, y1."""
    ax, bx, cx, dx = nodes[k, l, 0], nodes[k, l + 1, 0], nodes[k + 1, l, 0], nodes[k + 1, l + 1, 0]
    ay, by, cy, dy = nodes[k, l, 1], nodes[k, l + 1, 1], nodes[k + 1, l, 1], nodes[k + 1, l + 1, 1]
    return (
        min(min(ax, bx), min(cx, dx)), max(max(ax, bx), max(cx, dx)),
        min(min(ay, by), min(cy, dy)), max(max(ay, by), max(cy, dy)),
    )  # fmt: skip


@inline
def _longest(nodes, k, l):  # noqa: E741
    """Longest side of a cell of the mesh."""
    most = f8(0)
    for side in range(4):  # from two opposite corners to the two others
        a = 0 if side < 2 else 1
        c = side % 2
        d = 1 - c
        x = nodes[k + a, l + a, 0] - nodes[k + c, l + d, 0]
        y = nodes[k + a, l + a, 1] - nodes[k + c, l + d, 1]
        most = max(most, x * x + y * y)
    return np.sqrt(most)


@inline
def _place(nodes, k, l, u, v, axis):  # noqa: E741
    """Position at the fractions u (along x), v (along y) of a cell."""
    low = nodes[k, l, axis] * (f8(1) - u) + nodes[k, l + 1, axis] * u
    high = nodes[k + 1, l, axis] * (f8(1) - u) + nodes[k + 1, l + 1, axis] * u
    return low * (f8(1) - v) + high * v


@inline
def _clip(a, b, n, bound, above, out_a, out_b):
    """Keep the part of a polygon where a >= bound (`above`) or a <= bound; return its number of corners."""
    m = 0
    for k in range(n):
        q = k + 1 if k + 1 < n else 0
        here = a[k] - bound if above else bound - a[k]
        there = a[q] - bound if above else bound - a[q]
        if here >= 0.0:
            out_a[m], out_b[m] = a[k], b[k]
            m += 1
        if (here > 0.0 and there < 0.0) or (here < 0.0 and there > 0.0):
            t = here / (here - there)
            out_a[m], out_b[m] = bound, b[k] + t * (b[q] - b[k])
            m += 1
    return m


@inline
def _area(a, b, n):
    twice = f8(0)
    for k in range(n):
        q = k + 1 if k + 1 < n else 0
        twice += (a[k] - a[0]) * (b[q] - b[0]) - (a[q] - a[0]) * (b[k] - b[0])
    return abs(twice) * 0.5


@kernel
def add_overlap(out, x0, y0, data, nodes, step, scale):
    """Add the light of image pixels to detector pixels.

    Parameters
    ----------
    out : float64 (ny, nx)
        out[0, 0] is the full-frame science pixel (x0, y0).
    data : float32 (n, m)
        Image pixels.
    nodes, step
        Mesh of the image; see `meshes`.
    scale
        e-/s in an image pixel of the value 1.
    """
    height, width = out.shape
    px, py = np.empty(CORNERS), np.empty(CORNERS)
    rx, ry = np.empty(CORNERS), np.empty(CORNERS)
    qx, qy = np.empty(CORNERS), np.empty(CORNERS)
    tx, ty = np.empty(CORNERS), np.empty(CORNERS)
    sx, sy = np.empty(CORNERS), np.empty(CORNERS)
    for k in range(nodes.shape[0] - 1):
        for l in range(nodes.shape[1] - 1):  # noqa: E741
            left, right, low, high = _box(nodes, k, l)
            # Written so that a mesh with NaN is passed over.
            if not (
                right > x0 - 0.5 and left < x0 + width - 0.5 and high > y0 - 0.5 and low < y0 + height - 0.5
            ):
                continue
            for j in range(k * step, min((k + 1) * step, data.shape[0])):
                v0, v1 = f8(j - k * step) / step, f8(j + 1 - k * step) / step
                for i in range(l * step, min((l + 1) * step, data.shape[1])):
                    value = f8(data[j, i]) * scale
                    if value == 0.0:
                        continue
                    u0, u1 = f8(i - l * step) / step, f8(i + 1 - l * step) / step
                    for corner in range(4):
                        u = u0 if corner in (0, 3) else u1
                        v = v0 if corner < 2 else v1
                        px[corner] = _place(nodes, k, l, u, v, 0) - x0 + 0.5
                        py[corner] = _place(nodes, k, l, u, v, 1) - y0 + 0.5
                    least_x, most_x = (
                        min(min(px[0], px[1]), min(px[2], px[3])),
                        max(max(px[0], px[1]), max(px[2], px[3])),
                    )
                    least_y, most_y = (
                        min(min(py[0], py[1]), min(py[2], py[3])),
                        max(max(py[0], py[1]), max(py[2], py[3])),
                    )
                    if not (most_x > 0.0 and least_x < width and most_y > 0.0 and least_y < height):
                        continue
                    c0, c1 = int(np.floor(least_x)), int(np.floor(most_x))
                    r0, r1 = int(np.floor(least_y)), int(np.floor(most_y))
                    area = _area(px, py, 4)
                    if (c0 == c1 and r0 == r1) or not area > 0.0:
                        if 0 <= r0 < height and 0 <= c0 < width:
                            out[r0, c0] += value
                        continue
                    for row in range(max(r0, 0), min(r1, height - 1) + 1):
                        n = _clip(py, px, 4, f8(row), True, ry, rx)
                        n = _clip(ry, rx, n, f8(row + 1), False, qy, qx)
                        if n < 3:
                            continue
                        for column in range(max(c0, 0), min(c1, width - 1) + 1):
                            m = _clip(qx, qy, n, f8(column), True, tx, ty)
                            m = _clip(tx, ty, m, f8(column + 1), False, sx, sy)
                            if m >= 3:
                                out[row, column] += value * (_area(sx, sy, m) / area)


@inline
def _spline_weights(t, w):
    s = f8(1) - t
    w[0] = s * s * s / 6.0
    w[1] = ((3.0 * t - 6.0) * t * t + 4.0) / 6.0
    w[2] = ((3.0 * s - 6.0) * s * s + 4.0) / 6.0
    w[3] = t * t * t / 6.0


@kernel
def add_points(out, x0, y0, oversampling, data, nodes, step, scale):
    """Add the light of image pixels to the points of a grid, with the weights of the cubic B-spline.

    Parameters
    ----------
    out : float64 (ny, nx)
        out[j, i] is the point (x0 + i / oversampling, y0 + j / oversampling), full-frame science pixels. Light within two
        points of the edge is not complete.
    data, nodes, step, scale
        As for `add_overlap`.
    """
    height, width = out.shape
    wx, wy = np.empty(4), np.empty(4)
    far_x, far_y = x0 + f8(width) / oversampling, y0 + f8(height) / oversampling
    for k in range(nodes.shape[0] - 1):
        for l in range(nodes.shape[1] - 1):  # noqa: E741
            left, right, low, high = _box(nodes, k, l)
            if not (right > x0 and left < far_x and high > y0 and low < far_y):
                continue
            count = int(min(np.ceil(_longest(nodes, k, l) * oversampling / step), f8(MOST_POINTS)))
            count = max(count, 1)
            share = f8(1) / (count * count)
            first, last = l * step, min((l + 1) * step, data.shape[1])
            for j in range(k * step, min((k + 1) * step, data.shape[0])):
                for b in range(count):
                    v = (f8(j - k * step) + (f8(b) + 0.5) / count) / step
                    # The ends of the row, from which its points follow.
                    x1, y1 = _place(nodes, k, l, 0.0, v, 0) - x0, _place(nodes, k, l, 0.0, v, 1) - y0
                    dx = (_place(nodes, k, l, 1.0, v, 0) - x0 - x1) / (step * count)
                    dy = (_place(nodes, k, l, 1.0, v, 1) - y0 - y1) / (step * count)
                    for i in range(first, last):
                        value = f8(data[j, i]) * scale * share
                        if value == 0.0:
                            continue
                        for a in range(count):
                            along = f8((i - first) * count + a) + 0.5
                            x = (x1 + dx * along) * oversampling
                            y = (y1 + dy * along) * oversampling
                            column, row = int(np.floor(x)), int(np.floor(y))
                            if column < 1 or column + 2 >= width or row < 1 or row + 2 >= height:
                                continue
                            _spline_weights(x - column, wx)
                            _spline_weights(y - row, wy)
                            for q in range(4):
                                part = value * wy[q]
                                for p in range(4):
                                    out[row - 1 + q, column - 1 + p] += part * wx[p]
