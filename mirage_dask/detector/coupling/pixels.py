r"""Coupling of pixels: inter-pixel capacitance (IPC), post-pixel coupling (PPC), and the gain that turns charge into counts.

.. math::
    S(x, y) = \frac{1}{G(x, y)} \Big[ \sum_{i,j=-1}^{1} K_{ij}(x, y)\, Q(x - i, y - j) + p\, (Q_- - Q)(x, y) \Big],
    \qquad \sum_{ij} K_{ij} = 1

with Q the collected electrons, G the gain [e-/DN], K the fraction of a pixel's signal that appears in the neighbour at
(i, j), and p the fraction of the pixel :math:`Q_-` read before by the same output that is still there when a pixel is read
(the amplifier has not settled). The first pixel of an output's row follows none, and keeps its own.

K is one kernel, symmetric in both axes (centre, left/right, up/down, corners), as the IPC reference files of the
near-infrared detectors are; or a kernel for each pixel, where the file has four dimensions. It is that of the pixel that
receives, as in the pipeline's correction. Beyond the edge of the array that is read, the nearest pixel stands in, so that a
uniform field stays uniform. Reference pixels have no photodiode and take no part.

IPC and PPC are added and not applied one after the other, because they are measured so, as the symmetric and the
antisymmetric part of the response around a single bright pixel; the difference is their product, below 1e-5.

Both act on light and charge, not on the dark: what a dark reference holds has been coupled. Source of the numbers: the IPC
file, `instruments/data/electronics.ecsv`.

Not modelled: coupling that depends on the signal, PPC where outputs are interleaved, PPC into reference pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel


class Coupling(NamedTuple):
    """How pixels are coupled."""

    uniform: NDArray[np.float32]
    """(4,): centre, horizontal, vertical, corner of the one kernel."""
    kernels: NDArray[np.float32]
    """(9, height, width): a kernel for each pixel, [3 j + i] the fraction of the pixel at (1 - j, 1 - i) from it that
    appears in it; of no elements where there is one kernel."""
    post_pixel: np.float32
    """Fraction of the pixel read before."""


class Reading(NamedTuple):
    """In what order the columns of an array are read."""

    step: int
    """From a column to the one that its output has read before: -1 or 1."""
    first: int
    """The column that is read first, whatever was read before; -1 if it is none of them."""


@inline
def _uniform_row(above, row, below, n, weights, out):
    """Convolve one row of `n` pixels; the three input rows hold n + 2 values, one beyond each end."""
    centre, horizontal, vertical, corner = weights[0], weights[1], weights[2], weights[3]
    for i in range(n):
        out[i] = (
            centre * row[i + 1]
            + horizontal * (row[i] + row[i + 2])
            + vertical * (above[i + 1] + below[i + 1])
            + corner * ((above[i] + above[i + 2]) + (below[i] + below[i + 2]))
        )


@inline
def _own_row(above, row, below, n, kernels, y, x, out):
    """As `_uniform_row`, with the kernels of the pixels that begin at row y, column x of `kernels`."""
    k = kernels[:, y]
    for i in range(n):
        c = x + i
        out[i] = (
            (k[8, c] * above[i] + k[7, c] * above[i + 1] + k[6, c] * above[i + 2])
            + (k[5, c] * row[i] + k[4, c] * row[i + 1] + k[3, c] * row[i + 2])
            + (k[2, c] * below[i] + k[1, c] * below[i + 1] + k[0, c] * below[i + 2])
        )


@inline
def _add_read_before(row, n, part, reading, out):
    """Add what is left of the pixels read before to `out`; `row` holds n + 2 values."""
    before = reading.step + 1
    first = reading.first
    kept = out[max(first, 0)]
    for i in range(n):
        out[i] += part * (row[i + before] - row[i + 1])
    if first >= 0:
        out[first] = kept


@kernel
def couple(first_group, inverse_gain, place, coupling, reading, charge, signal):
    """Compute what the outputs are given, in a box.

    Parameters
    ----------
    first_group : int
        First group that is wanted; what `signal` holds before it is undefined.
    inverse_gain : float32, (height, width)
        DN/e-; zero where no charge is collected.
    place : Place
        Of the box in `inverse_gain` and in the kernels of `coupling`.
    coupling : Coupling
    reading : Reading
    charge : float32, (integrations, groups, rows + 2, columns + 2)
        Collected electrons of the box and of one neighbour on each side.
    signal : float32, (integrations, groups, rows, columns), out
        Linear counts above those of the dark, DN.
    """
    integrations, groups, rows, columns = signal.shape
    for r in range(rows):
        per_electron = inverse_gain[place.row + r, place.column : place.column + columns]
        for t in range(integrations):
            for g in range(first_group, groups):
                above, row, below = charge[t, g, r], charge[t, g, r + 1], charge[t, g, r + 2]
                out = signal[t, g, r]
                if coupling.kernels.size > 0:
                    _own_row(above, row, below, columns, coupling.kernels, place.row + r, place.column, out)
                else:
                    _uniform_row(above, row, below, columns, coupling.uniform, out)
                if coupling.post_pixel > f4(0):
                    _add_read_before(row, columns, coupling.post_pixel, reading, out)
                for i in range(columns):
                    out[i] *= per_electron[i]
