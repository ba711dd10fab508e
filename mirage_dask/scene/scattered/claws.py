r"""Claws on a detector: three bent streaks, whose place follows that of the star in the region from which claws come.

The light of a module, counts/s = 10^(0.4 (Z - m)) (`mirage_dask.planning.light.claws`), is shared equally by its detectors
that show claws: A1 and A3, B1, B2 and B4, about 5 % of whose pixels they cover (Space Telescope Science Institute, notebook
NIRCam Claw Detection, 2025). On each of them the middle of the claws is

.. math:: x = (n - 1) / 2 + M u, \quad y = (n - 1) / 2 + M v, \quad M = n / 4

with u and v the place of the star in the region, -1 to 1 along V2 and V3, and n the pixels of a side. Streaks lie side by
side at 45 degrees (`mirage_dask.scene.scattered.streaks`); three of half length 500 and half width 35 pixels cover 5 %.
Form, direction, place, and that detectors share equally, are chosen.

NOT modelled: the paths of the light; how sensitive places in a region are; that claws of one star differ between detectors.
"""

from __future__ import annotations

import numpy as np

from mirage_dask.scene.scattered.streaks import Streaks, joined

SHOWN_BY = {"A": ("NRCA1", "NRCA3"), "B": ("NRCB1", "NRCB2", "NRCB4")}
"""Detectors of each module that show claws."""
PLACES = (-130.0, 0.0, 130.0)
"""Of the streaks across their direction, pixels."""
HALF_LENGTH = 500.0
"""Of a streak, pixels."""
HALF_WIDTH = 35.0
"""Of a streak, pixels."""
BEND = 120.0
"""Of a streak, pixels."""
MOVES = 0.25
"""How far claws move when a star moves from the middle of the region to its edge, of the side of the detector."""
_DIAGONAL = 0.7071067811865476


def share(detector: str) -> float:
    """Return the part of a module's claws that falls on a detector; 0 where there are none."""
    return next((1.0 / len(shown) for shown in SHOWN_BY.values() if detector in shown), 0.0)


def claws(u: float, v: float, rate: float, shape: tuple[int, int]) -> Streaks:
    """Return the claws of a star on a detector.

    Parameters
    ----------
    u, v
        Place of the star in the region of the module, -1 to 1 along V2 and V3.
    rate
        Light on the detector in all, e-/s.
    shape
        (ny, nx) of the full frame.
    """
    x, y = (shape[1] - 1) / 2 + MOVES * shape[1] * u, (shape[0] - 1) / 2 + MOVES * shape[0] * v
    parts = []
    for across in PLACES:
        values = (
            x - _DIAGONAL * across, y + _DIAGONAL * across, _DIAGONAL, _DIAGONAL, HALF_LENGTH, HALF_WIDTH, BEND,
            rate / len(PLACES),
        )  # fmt: skip
        parts.append(Streaks(*(np.array([value]) for value in values)))
    return joined(parts)
