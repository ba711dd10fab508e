r"""Charge migration (brighter-fatter effect): a pixel that holds more charge than its neighbour collects less of the light.

The field of the collected charge moves the edge between two pixels a and b towards the fuller one, by an amount that is
proportional to the difference of their charges; the light that falls between the old and the new edge changes sides:

.. math:: \frac{dF_{a \to b}}{dt} = c\, (Q_a - Q_b)\, \frac{\dot Q_a + \dot Q_b}{2}

with c the coefficient [1/e-] and :math:`\dot Q` the light [e-/s]. For light that does not change, Q = rate x t without the
migrated charge, the integral is a stencil of the charge at the time t alone:

.. math:: F_{a \to b} = \frac{c}{4} \left( q_a^2 - q_b^2 \right), \qquad
          Q'_a = Q_a + \frac{c}{4} \sum_b \left( q_b^2 - q_a^2 \right), \qquad q = \min(Q, W)

over the four neighbours b. Nothing moves any more where a pixel is full (W, the full well), into reference pixels, or across
the edge of the array that is read. What one pixel loses another gains, so that charge is conserved. Where all pixels have
nearly the same light this is the kernel of solid-waffle (github hirata10/solid-waffle 6b19bcc, measured on H4RGs): -4 c in
the centre and +c at each edge, c = 0.35 ppm per electron. JWST's pixels are larger, 18 micron instead of 10; theirs is not
known.

Approximations. That Q does not contain what has migrated: against an integration frame by frame the error is 0.7, 2.0 and
3.8 % of the largest migrated charge for a star whose peak holds 10,000, 40,000 and 80,000 e-
(`tests/detector/charge/test_migration.py`). That groups of several frames use the mean charge of the frames: the mean of the
squares is larger by the square of what a group collects, divided by 12. Charge that comes at once, such as a cosmic ray, is
treated as if it had come evenly.

NOT modelled: corners, and neighbours further away; the dependence on wavelength (depth of the conversion).
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4

from mirage_dask.compiled import kernel

RADIUS = 1
"""Pixels within which charge moves."""


@kernel
def migrate(coefficient, wells, place, charge, out):
    """Move charge between neighbours.

    Parameters
    ----------
    coefficient : float32
        Relative change of what a pixel collects per electron of difference to one neighbour, 1/e-.
    wells : float32, (height, width)
        Full well of each pixel, e-; 0 where none is read or no charge is collected.
    place : Place
        Of `charge` in `wells`.
    charge : float32, (integrations, groups, rows + 2, columns + 2)
        Electrons of each group.
    out : float32, (integrations, groups, rows, columns)
        Receives the electrons after migration, without the outermost pixels.
    """
    rows, columns = out.shape[2:]
    _migrate(coefficient, wells, place, charge, np.empty((rows + 2, columns + 2), np.float32), out)


@kernel(allocates=False)
def _migrate(coefficient, wells, place, charge, squares, out):
    """`migrate` with an array for the squares of the charges of a group."""
    integrations, groups, rows, columns = out.shape
    quarter = f4(coefficient) * f4(0.25)
    for t in range(integrations):
        for g in range(groups):
            for r in range(rows + 2):
                well = wells[place.row + r, place.column : place.column + columns + 2]
                row = charge[t, g, r]
                for i in range(columns + 2):
                    q = min(max(row[i], f4(0)), well[i])
                    squares[r, i] = q * q
            for r in range(rows):
                y = place.row + r + 1
                above = wells[y - 1, place.column : place.column + columns + 2]
                well = wells[y, place.column : place.column + columns + 2]
                below = wells[y + 1, place.column : place.column + columns + 2]
                own = squares[r + 1]
                row = charge[t, g, r + 1]
                target = out[t, g, r]
                for i in range(columns):
                    q = own[i + 1]
                    gained = f4(0)
                    gained += own[i] - q if well[i] > f4(0) else f4(0)
                    gained += own[i + 2] - q if well[i + 2] > f4(0) else f4(0)
                    gained += squares[r, i + 1] - q if above[i + 1] > f4(0) else f4(0)
                    gained += squares[r + 2, i + 1] - q if below[i + 1] > f4(0) else f4(0)
                    target[i] = row[i + 1] + (quarter * gained if well[i + 1] > f4(0) else f4(0))
