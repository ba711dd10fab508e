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
def _uniform(above, row, below, i, weights):
    """Return the signal of pixel i with one kernel for all; the three input rows hold a value more beyond each end."""
    return (
        weights[0] * row[i + 1]
        + weights[1] * (row[i] + row[i + 2])
        + weights[2] * (above[i + 1] + below[i + 1])
        + weights[3] * ((above[i] + above[i + 2]) + (below[i] + below[i + 2]))
    )


@inline
def _own(above, row, below, i, k):
    """As `_uniform`, with the kernel of the pixel, column i of `k`, float32 (9, n)."""
    return (
        (k[8, i] * above[i] + k[7, i] * above[i + 1] + k[6, i] * above[i + 2])
        + (k[5, i] * row[i] + k[4, i] * row[i + 1] + k[3, i] * row[i + 2])
        + (k[2, i] * below[i] + k[1, i] * below[i + 1] + k[0, i] * below[i + 2])
    )


@kernel(allocates=False)
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
    uniform, part = coupling.uniform, coupling.post_pixel
    before, first, left = reading.step + 1, reading.first, place.column
    for r in range(rows):
        per_electron = inverse_gain[place.row + r, left : left + columns]
        kernels = coupling.kernels[
            :, place.row + r if coupling.kernels.size > 0 else 0, left : left + columns
        ]
        for t in range(integrations):
            for g in range(first_group, groups):
                above, row, below = charge[t, g, r], charge[t, g, r + 1], charge[t, g, r + 2]
                read_before = row[before : before + columns]
                out = signal[t, g, r]
                if coupling.kernels.size > 0:
                    for i in range(columns):
                        value = _own(above, row, below, i, kernels)
                        out[i] = (value + part * (read_before[i] - row[i + 1])) * per_electron[i]
                    if first >= 0:
                        out[first] = _own(above, row, below, first, kernels) * per_electron[first]
                else:
                    for i in range(columns):
                        value = _uniform(above, row, below, i, uniform)
                        out[i] = (value + part * (read_before[i] - row[i + 1])) * per_electron[i]
                    if first >= 0:
                        out[first] = _uniform(above, row, below, first, uniform) * per_electron[first]
