r"""Stage `read-out`: electrons and dark become linear and raw counts, in one pass over a box.

.. math::
    \text{raw}_g = \mathrm{round}\big[ f^{-1}\big( \min( L_g, L_\text{full} ) \big) + B \big], \qquad
    L_g = S_g + (D_g - B)

with S the signal of what the stages `light` and `charge` have collected [DN], pixels and outputs coupled
(`mirage_dask.detector.coupling`), D the dark ramp with superbias B [DN] and f the linearity correction. `L` is what a
perfect calibration would recover. The order is that of the calibration pipeline, read backwards. A pixel that has reached
its full well stays there until the reset, whatever the noise of later groups.

S and D come in as arrays, computed or the user's own: the pass cannot know which, and therefore replacing a variable by its
own values changes no bit. Reference data of a row are read once for all its integrations and groups.

Charge that moves between pixels: `mirage_dask.detector.charge`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int32, uint64
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.detector.nonlinearity import COEFFICIENTS, START, measured_row, prepare_row

HIGHEST = 65535.0
LOWEST = -1e30
"""Below any linear counts."""


class ReadOutPlanes(NamedTuple):
    """Reference data of a window, float32 (rows, columns)."""

    bias: NDArray[np.float32]
    """Superbias, DN."""
    linearity: NDArray[np.float32]
    """(K, rows, columns), the linearity correction, K at most `nonlinearity.COEFFICIENTS`; 0 for a linear detector."""
    full_well: NDArray[np.float32]
    """Linear DN above bias."""


class Turned(NamedTuple):
    """How the science frame lies to the order of read-out."""

    along_y: bool
    """Rows of the detector are parallel to science y."""
    rows_down: bool
    """Rows are read from the last one to the first."""
    columns_down: bool


class _Work(NamedTuple):
    """Arrays of a row: counts; what `measured_row` and `prepare_row` fill."""

    counts: NDArray[np.float32]
    measured: NDArray[np.float32]
    steps: NDArray[np.float32]
    least: NDArray[np.float32]
    """Counts that a pixel does not fall below."""
    polynomial: NDArray[np.float32]
    start: NDArray[np.float32]


@kernel
def read_out(first_group, planes, place, signal, first_column, dark, linear, raw):
    """Compute the linear and the raw ramp of a box.

    Parameters
    ----------
    first_group : int
        First group that is wanted; what `linear` and `raw` hold before it is undefined. 0 where raw counts are wanted and
        pixels may be full.
    planes : ReadOutPlanes
    place : Place
        Of the box in the planes.
    signal : float32, (integrations, groups, rows, columns or more)
        Linear counts above those of the dark, DN.
    first_column : int
        Column of `signal` where the box begins.
    dark : float32, (integrations, groups, rows, columns)
        Dark ramp, DN.
    linear : float32, (integrations, groups, rows, columns) or of no integrations
        Linear counts above bias, DN; not written when empty.
    raw : uint16, (integrations, groups, rows, columns) or of no integrations
        Raw counts, DN; not written when empty.
    """
    columns = dark.shape[3]
    work = _Work(
        np.empty(columns, np.float32),
        np.empty(columns, np.float32),
        np.empty(columns, np.float32),
        np.empty(columns, np.float32),
        np.zeros((COEFFICIENTS, columns), np.float32),
        np.empty((START, columns), np.float32),
    )
    _read_rows(first_group, planes, place, signal, first_column, dark, work, linear, raw)


@kernel(allocates=False)
def _read_rows(first_group, planes, place, signal, first_column, dark, work, linear, raw):
    """`read_out` with arrays for work."""
    integrations, groups, rows, columns = dark.shape
    counts, measured, steps, least, polynomial, start = work
    orders = planes.linearity.shape[0]
    left = place.column
    right = left + columns
    for r in range(rows):
        bias_row = planes.bias[place.row + r, left:right]
        well_row = planes.full_well[place.row + r, left:right]
        for k in range(orders):
            coefficient = planes.linearity[k, place.row + r, left:right]
            for i in range(columns):
                polynomial[k, i] = coefficient[i]
        if orders > 0:
            prepare_row(polynomial, columns, start)
        for t in range(integrations):
            least[:] = f4(LOWEST)
            for g in range(first_group, groups):
                dark_row = dark[t, g, r]
                signal_row = signal[t, g, r, first_column : first_column + columns]
                if linear.shape[0] > 0:
                    linear_row = linear[t, g, r]
                    for i in range(columns):
                        linear_row[i] = signal_row[i] + (dark_row[i] - bias_row[i])
                if raw.shape[0] > 0:
                    for i in range(columns):
                        value = signal_row[i] + (dark_row[i] - bias_row[i])
                        least[i] = well_row[i] if value >= well_row[i] else least[i]
                        counts[i] = min(max(value, least[i]), well_row[i])
                    if orders > 0:
                        measured_row(counts, polynomial, start, well_row, columns, measured, steps)
                    raw_row = raw[t, g, r]
                    above_bias = measured if orders > 0 else counts
                    for i in range(columns):
                        v = min(max(above_bias[i] + bias_row[i] + f4(0.5), f4(0)), f4(HIGHEST))
                        raw_row[i] = np.uint16(int32(v))


@kernel(allocates=False)
def store_box(turned, first_group, integration, row, column, values, out):
    """Put the groups of a box that are wanted where people see them: into the science frame of a window.

    The same as an assignment to a view (`mirage_dask.exposure.frame`), in loops that the compiler makes vectors of: places
    are unsigned, as in `crosstalk.py`.

    Parameters
    ----------
    turned : Turned
    first_group : int
        First group of `values` that is wanted.
    integration, row, column : int
        Where the box begins in the window, in the order of read-out.
    values : (integrations, groups, rows, columns), C-contiguous
        Of the box.
    out : (integrations, groups wanted, y, x), C-contiguous
        Of the window, of the same type.
    """
    integrations, groups, rows, columns = values.shape
    height, width = (out.shape[3], out.shape[2]) if turned.along_y else (out.shape[2], out.shape[3])
    for t in range(integrations):
        for g in range(first_group, groups):
            plane = out[integration + t, g - first_group]
            box = values[t, g]
            if turned.along_y:
                for i in range(columns):
                    target = plane[uint64(width - 1 - column - i if turned.columns_down else column + i)]
                    for r in range(rows):
                        target[uint64(height - 1 - row - r if turned.rows_down else row + r)] = box[r, i]
                continue
            for r in range(rows):
                target = plane[height - 1 - row - r if turned.rows_down else row + r]
                source = box[r]
                if turned.columns_down:
                    last = width - 1 - column
                    for i in range(columns):
                        target[uint64(last - i)] = source[i]
                else:
                    for i in range(columns):
                        target[uint64(column + i)] = source[i]
