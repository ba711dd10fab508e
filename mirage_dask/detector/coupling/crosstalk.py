r"""Crosstalk: the signal of an output shows in the other outputs, which read at the same time.

.. math:: S_b(t) \mathrel{+}= \sum_{a \ne b} x_{ab}\, \min(S_a(t), S_\text{full}) + x'_{ab}\, \min(S_a(t - 1), S_\text{full})

with S_a(t) the signal [DN] of the pixel that output a reads at time t of a row, counted in pixels, and S_full the full well.
x and x' are mostly of opposite sign: a star shows as a pair of a dark and a bright pixel, a few 1e-4 of it, at the same
place of the row of each other output. Neighbouring outputs read in opposite directions, so that the places are mirrored.

It acts on what pixels have collected and coupled (`pixels.py`), before dark, non-linearity and noise: the dark of a
reference file contains that of its own bias and dark current. The signal of a saturated pixel ends at its full well.
Sources: the form is that of Mirage and pyNRC (`xtalk_image`), which apply it to dark and bias too, the coefficients are
those of `instruments/data/electronics.ecsv`.

Not modelled: crosstalk of noise and bias, its bend with the non-linearity of the source, from one row into the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.instruments.electronics import OUTPUTS


class Crosstalk(NamedTuple):
    """Coefficients, float32 (outputs, outputs): [a, b] is the fraction of the signal of output a that output b has."""

    direct: NDArray[np.float32]
    """At the same time."""
    late: NDArray[np.float32]
    """One pixel later."""


@kernel(allocates=False)
def _add_others(seen, crosstalk, b, n, row):
    """Add to a row of an output what it gets from the three others; `seen` begins with what was read before."""
    p, q, s = (b + 1) & 3, (b + 2) & 3, (b + 3) & 3
    u, v, w = seen[p], seen[q], seen[s]
    p0, q0, s0 = crosstalk.direct[p, b], crosstalk.direct[q, b], crosstalk.direct[s, b]
    p1, q1, s1 = crosstalk.late[p, b], crosstalk.late[q, b], crosstalk.late[s, b]
    if b & 1 == 0:
        for i in range(n):
            row[i] += (p0 * u[i + 1] + p1 * u[i]) + (q0 * v[i + 1] + q1 * v[i]) + (s0 * w[i + 1] + s1 * w[i])
    else:
        for i in range(n):
            more = (p0 * u[i + 1] + p1 * u[i]) + (q0 * v[i + 1] + q1 * v[i]) + (s0 * w[i + 1] + s1 * w[i])
            row[uint64(n - 1 - i)] += more


@kernel
def add_crosstalk(first_group, crosstalk, full_well, place, signal):
    """Add crosstalk to the signals of all outputs, in place.

    Parameters
    ----------
    first_group : int
        First group that is wanted; earlier ones are left as they are.
    crosstalk : Crosstalk
    full_well : float32, (outputs, height, columns)
        Linear counts above bias at which the signal of a pixel ends, DN.
    place : Place
        Of the box in the rows of `full_well`.
    signal : float32, (outputs, integrations, groups, rows, columns)
        DN. The columns of each output are those that are read at the same times, in the order of the detector: the first
        output reads them upwards, the second downwards, and so on. At the first of these times, what the pixels before it
        add is missing, unless they are the first of a row.
    """
    # Limited signals in the order of time, after a pixel before the first that has none.
    seen = np.zeros((OUTPUTS, signal.shape[4] + 1), np.float32)
    _add_to_rows(first_group, crosstalk, full_well, place, seen, signal)


@kernel(allocates=False)
def _add_to_rows(first_group, crosstalk, full_well, place, seen, signal):
    """`add_crosstalk` with an array for work.

    Places that are counted down are unsigned: where they might be negative, the compiler makes no vectors.
    """
    integrations, groups, rows, n = signal.shape[1:]
    for t in range(integrations):
        for g in range(first_group, groups):
            for r in range(rows):
                for a in range(OUTPUTS):
                    row, well, target = signal[a, t, g, r], full_well[a, place.row + r], seen[a]
                    if a & 1 == 0:
                        for i in range(n):
                            target[i + 1] = min(row[i], well[i])
                    else:
                        for i in range(n):
                            target[uint64(n - i)] = min(row[i], well[i])
                for b in range(OUTPUTS):
                    _add_others(seen, crosstalk, b, n, signal[b, t, g, r])
