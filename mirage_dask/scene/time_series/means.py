"""Means of functions of time over frames, and sums of images with them; compiled.

A function is linear between its times and constant beyond them, so that its mean over a frame is a sum of trapezia:
exact, whatever the length of the frame. Only + - * / and comparisons, in a fixed order.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel


@inline
def _at(times, values, k, at):
    """Value in the interval that begins with number `k`; `at` within the times."""
    share = (at - times[k]) / (times[k + 1] - times[k])
    return values[k] * (1.0 - share) + values[k + 1] * share


@kernel
def _means(times, courses, edges, out):
    last = times.size - 1
    for read in range(edges.size - 1):
        start, stop = edges[read], edges[read + 1]
        for c in range(courses.shape[0]):
            values, total = courses[c], 0.0
            if start < times[0]:
                total += values[0] * (min(stop, times[0]) - start)
            if stop > times[last]:
                total += values[last] * (stop - max(start, times[last]))
            at, end = max(start, times[0]), min(stop, times[last])
            if at < end:
                k = min(max(np.searchsorted(times, at, side="right") - 1, 0), last - 1)
                before = _at(times, values, k, at)
                while at < end:
                    upto = min(times[k + 1], end)
                    after = values[k + 1] if upto == times[k + 1] else _at(times, values, k, upto)
                    total += 0.5 * (before + after) * (upto - at)
                    at, before, k = upto, after, k + 1
            out[read, c] = total / (stop - start)


def frame_means(
    times: NDArray[np.float64], courses: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the means of functions between successive times, (reads, functions).

    Parameters
    ----------
    times
        (T,) rising.
    courses
        (functions, T)
    edges
        (reads + 1,) rising.
    """
    out = np.empty((edges.size - 1, courses.shape[0]))
    if times.size == 1:
        out[:] = courses[:, 0]
    else:
        _means(times, courses, edges, out)
    return out


@kernel
def add_sums(out, images, first_row, first_column, means):
    """Add image 0 + sum of means x the others to each read.

    Parameters
    ----------
    out : float32, (reads, rows, columns)
    images : float32, (functions + 1, ny, nx)
    first_row, first_column : int
        Of `out` in the images.
    means : float32, (reads, functions)
    """
    reads, rows, columns = out.shape
    for read in range(reads):
        for r in range(rows):
            target = out[read, r]
            base = images[0, first_row + r, first_column : first_column + columns]
            sums = np.empty(columns, np.float32)
            for i in range(columns):
                sums[i] = base[i]
            for c in range(images.shape[0] - 1):
                mean = f4(means[read, c])
                image = images[c + 1, first_row + r, first_column : first_column + columns]
                for i in range(columns):
                    sums[i] += mean * image[i]
            for i in range(columns):
                target[i] += sums[i]
