r"""Blooming: what a full pixel cannot hold goes to its neighbours.

In each of `STEPS` steps every pixel gives what it has above its full well W to its four neighbours, in equal parts:

.. math:: e_a = \max(Q_a - W_a, 0), \qquad Q'_a = Q_a - e_a + \frac14 \sum_b e_b

A neighbour that collects no charge (reference pixels, beyond the edge of the array that is read) takes nothing, and its part
stays. So charge is conserved, and none goes further than `STEPS` pixels; what is still above a well after the last step
stays there, and the read-out clips it. A pixel never loses by what others gain, so that the charge of a pixel grows from
group to group as it did before.

Source: the sum is that of a diffusion; the number of steps is chosen (grade D): ramps around saturated cores grow for 2 to 3
pixels, which is what the pipeline's expansion of saturated areas looks for.

NOT modelled: that charge prefers the neighbour with the emptier well; recombination of charge above the full well.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int32

from mirage_dask.compiled import inline, kernel

STEPS = 3
"""Times that charge is passed on: the pixels that it reaches."""


@inline
def _overflowing(charge, well):
    """Return the smallest box with all pixels that are above their full well: rows and columns, half-open; empty if none."""
    height, width = charge.shape
    top, bottom, left, right = height, 0, width, 0
    for r in range(height):
        row, limit = charge[r], well[r]
        over = int32(0)
        for i in range(width):
            over = int32(over + (int32(row[i] > limit[i]) & int32(limit[i] > f4(0))))
        if over == 0:
            continue
        top, bottom = min(top, r), r + 1
        for i in range(width):
            if row[i] > limit[i] > f4(0):
                left, right = min(left, i), max(right, i + 1)
    return min(top, bottom), bottom, left, right


@kernel
def spill(wells, place, charge, out):
    """Pass on what is above the full wells.

    Parameters
    ----------
    wells, place
        As for `mirage_dask.detector.charge.migration.migrate`.
    charge : float32, (integrations, groups, rows + 2 STEPS, columns + 2 STEPS)
        Electrons of each group.
    out : float32, (integrations, groups, rows, columns)
        Receives the electrons afterwards, without the outermost `STEPS` pixels.
    """
    height, width = charge.shape[2:]
    well = wells[place.row : place.row + height, place.column : place.column + width]
    _spill(well, charge, np.empty((height, width), np.float32), np.empty((height, width), np.float32), out)


@inline
def _copy_inner(charge, out):
    """Fill `out` with charge, without the outermost `STEPS` pixels."""
    for r in range(out.shape[0]):
        source, target = charge[r + STEPS], out[r]
        for i in range(out.shape[1]):
            target[i] = source[i + STEPS]


@kernel(allocates=False)
def _spill(well, charge, excess, work, out):
    """`spill` with arrays for work, of the shape of a group with its neighbours."""
    integrations, groups = out.shape[:2]
    height, width = work.shape
    quarter = f4(0.25)
    for t in range(integrations):
        for g in range(groups):
            given = charge[t, g]
            top, bottom, left, right = _overflowing(given, well)
            if top == bottom:
                _copy_inner(given, out[t, g])
                continue
            for r in range(height):
                for i in range(width):
                    work[r, i] = given[r, i]
            for step in range(1, STEPS + 1):
                # What is above a well, and in each step the pixels around it.
                first, last = max(top - step, step), min(bottom + step, height - step)
                begin, end = max(left - step, step), min(right + step, width - step)
                for r in range(first - 1, last + 1):
                    for i in range(begin - 1, end + 1):
                        above = work[r, i] - well[r, i]
                        excess[r, i] = above if above > f4(0) and well[r, i] > f4(0) else f4(0)
                for r in range(first, last):
                    for i in range(begin, end):
                        if well[r, i] > f4(0):
                            part = quarter * excess[r, i]
                            q = work[r, i]
                            q += (excess[r - 1, i] * quarter - part) if well[r - 1, i] > f4(0) else f4(0)
                            q += (excess[r + 1, i] * quarter - part) if well[r + 1, i] > f4(0) else f4(0)
                            q += (excess[r, i - 1] * quarter - part) if well[r, i - 1] > f4(0) else f4(0)
                            q += (excess[r, i + 1] * quarter - part) if well[r, i + 1] > f4(0) else f4(0)
                            work[r, i] = q
            _copy_inner(work, out[t, g])
