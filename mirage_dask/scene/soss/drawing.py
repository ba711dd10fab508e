r"""Draw the traces of a star behind GR700XD; on the client.

Monochromatic images P_n, as cubic B-splines with coefficients C_n on a grid of half a pixel, are known at nodes of
wavelength; between two nodes an image is the mean of both by hats h_n. With the light w_k of the spectrum at its own
nodes, a quarter of a pixel apart (`mirage_dask.scene.dispersed.weights`), which falls at (x_k, y_k), a pixel (X, Y)
gets

.. math:: D(X, Y) = \sum_n \sum_a C_n[a]\, T_n[2 (X, Y) - a + c], \qquad
          T_n[m] = \sum_k w_k\, h_n(\lambda_k)\, \beta(m_x - 2 x_k)\, \beta(m_y - 2 y_k)

with the cubic B-spline beta and the coefficient c of the middle: exactly the sum of the images at all (x_k, y_k). The
sum over a is a convolution of small arrays, by Fourier transforms. Planes are drawn when a simulation is planned, once,
and kept in the plan, so that a window of them has the same bits everywhere.

Images reach over all rows of a subarray; a star beside the target that is much fainter has narrower ones (`NARROW`).

NOT modelled: light of order 0, and images that are turned against the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.reference.grisms.configuration import GrismOrder
from mirage_dask.reference.soss.orders import STRIP_ROW, SossOrder
from mirage_dask.scene.dispersed.traces import BEYOND, SPACING, Segment

Floats = NDArray[np.float64]

NARROW = 60
"""Rows that images of fainter stars reach."""


@dataclass(frozen=True, eq=False)
class Images:
    """Monochromatic images as B-splines."""

    wavelength: Floats
    """(n,) micron, rising."""
    coefficients: Floats
    """(n, rows, columns), odd numbers of both, the middle in the middle."""
    oversampling: int

    @classmethod
    def of(cls, samples: NDArray[np.float32], wavelength: Floats, oversampling: int) -> Images:
        """Return the splines through samples, (n, rows, columns)."""
        from scipy import ndimage

        found = np.stack(
            [ndimage.spline_filter(plane.astype(np.float64), order=3, mode="mirror") for plane in samples]
        )
        return cls(np.asarray(wavelength, np.float64), found, oversampling)

    def narrowed(self, rows: int) -> Images:
        """Return images that reach so many rows."""
        middle = self.coefficients.shape[1] // 2
        reach = min(rows * self.oversampling, middle)
        cut = self.coefficients[:, middle - reach : middle + reach + 1]
        return Images(self.wavelength, cut, self.oversampling)


def segment_of(order: SossOrder) -> Segment | None:
    """Return the nodes at which the light of an order is counted; None if it has none on any column.

    Only the response of `Segment.trace` and the nodes have a meaning: places are those of the order.
    """
    lit = np.flatnonzero(order.throughput > 0)
    if not lit.size:
        return None
    # Between the last sample without light and the first one with it there is some.
    ends = max(lit[0] - 1, 0), min(lit[-1] + 1, order.throughput.size - 1)
    low, high = (float(order.sample_wavelength[end]) for end in ends)
    look = np.linspace(low, high, 400)
    column, row = order.place(look)
    fastest = float(np.hypot(np.diff(column), np.diff(row)).max() / (look[1] - look[0]))
    step = SPACING / max(fastest, 1e-9)
    count = int(np.ceil((high - low) / step)) + 1
    nothing, along = np.zeros((1, 1)), np.array([[0.0], [1.0]])
    everywhere = (-np.inf, np.inf)
    response = GrismOrder(
        order.order, nothing, nothing, along, everywhere, everywhere, order.sample_wavelength, order.response
    )
    return Segment(response, low - BEYOND * step, step, count + 2 * BEYOND, low, high, along_y=False)


@inline
def _weights(t):
    s = 1.0 - t
    return (
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    )


@kernel
def _spread(out, x, y, light):
    """Add light at places of the grid to `out`, with the sixteen weights of B-splines around each."""
    for k in range(x.size):
        i, j = int(np.floor(x[k])), int(np.floor(y[k]))
        wx, wy = _weights(x[k] - i), _weights(y[k] - j)
        for b in range(4):
            for a in range(4):
                out[j - 1 + b, i - 1 + a] += light[k] * wy[b] * wx[a]


def draw(
    order: SossOrder,
    segment: Segment,
    light: Floats,
    images: Images,
    *,
    shift: tuple[float, float],
    bounds: tuple[int, int, int, int],
    out: Floats,
) -> None:
    """Add the trace of one order of one star to planes.

    Parameters
    ----------
    light
        (k, segment.count) e-/s at the nodes, for each plane.
    shift
        Columns and rows from the place of the trace of a star at the reference point.
    bounds
        First column, first row, end column, end row of the planes, pixels of the full frame.
    out
        (k, rows, columns), added to in place.
    """
    from scipy import fft

    x0, y0, x1, y1 = bounds
    wave = segment.wavelength
    column, row = order.place(wave)
    column, row = column + shift[0], row + STRIP_ROW + shift[1]
    half_y, half_x = ((size - 1) / 2 / images.oversampling for size in images.coefficients.shape[1:])
    seen = (column > x0 - half_x - 1) & (column < x1 + half_x) & (row > y0 - half_y - 1) & (row < y1 + half_y)
    nodes = images.wavelength
    at = np.clip(np.searchsorted(nodes, wave) - 1, 0, nodes.size - 2)
    part = np.clip((wave - nodes[at]) / (nodes[at + 1] - nodes[at]), 0.0, 1.0)
    step = images.oversampling
    for n in range(nodes.size):
        hat = np.where(at == n, 1.0 - part, np.where(at + 1 == n, part, 0.0)) * seen
        chosen = np.flatnonzero(hat)
        if not chosen.size:
            continue
        gx, gy = column[chosen] * step, row[chosen] * step
        left, low = int(np.floor(gx.min())) - 1, int(np.floor(gy.min())) - 1
        shape = int(np.floor(gy.max())) + 3 - low, int(np.floor(gx.max())) + 3 - left
        kernel_ = images.coefficients[n]
        cy, cx = ((size - 1) // 2 for size in kernel_.shape)
        full = tuple(a + b - 1 for a, b in zip(shape, kernel_.shape, strict=True))
        lengths = [fft.next_fast_len(size, real=True) for size in full]
        image = fft.rfftn(kernel_, lengths)
        # Element p of the convolution is the pixel (p + left - c) / step, for those that are whole numbers.
        first = tuple(-(low_ - c) % step for low_, c in ((low, cy), (left, cx)))
        for plane, values in zip(out, light, strict=True):
            trace = np.zeros(shape)
            _spread(trace, gx - left, gy - low, values[chosen] * hat[chosen])
            whole = fft.irfftn(fft.rfftn(trace, lengths) * image, lengths)[
                first[0] : full[0] : step, first[1] : full[1] : step
            ]
            py, px = (low - cy + first[0]) // step, (left - cx + first[1]) // step
            top, right = min(py + whole.shape[0], y1), min(px + whole.shape[1], x1)
            bottom, start = max(py, y0), max(px, x0)
            if top > bottom and right > start:
                plane[bottom - y0 : top - y0, start - x0 : right - x0] += whole[
                    bottom - py : top - py, start - px : right - px
                ]


def reaches(
    order: SossOrder, shift: tuple[float, float], bounds: tuple[int, int, int, int], rows: int
) -> bool:
    """Return whether a trace may send light into a box, with images that reach so many rows."""
    x0, y0, x1, y1 = bounds
    column, row = order.column + shift[0], order.row + STRIP_ROW + shift[1]
    inside = (column > x0 - NARROW) & (column < x1 + NARROW) & (row > y0 - rows) & (row < y1 + rows)
    return bool(inside.any())


def box_of(
    orders: Sequence[SossOrder], shift: tuple[float, float], bounds: tuple[int, int, int, int], rows: int
) -> tuple[int, int, int, int]:
    """Return the part of a box that traces may send light into, all columns of it."""
    x0, y0, x1, y1 = bounds
    heights = np.concatenate([o.row + STRIP_ROW + shift[1] for o in orders])
    low, high = int(np.floor(heights.min())) - rows, int(np.ceil(heights.max())) + rows + 1
    return x0, min(max(low, y0), y1), x1, max(min(high, y1), y0)
