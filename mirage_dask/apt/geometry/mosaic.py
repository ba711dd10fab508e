"""Where the tiles of a mosaic lie, and in which order they are taken.

With the corners c1 (lower left) to c4 (counter-clockwise) of the aperture in its ideal frame, arcsec, and t the slope of its
right edge, ``t = (c2 - c3).x / (c3 - c2).y``, a step from column to column is
``(1 - column overlap) |c2 - c1| (1, t)`` and one from row to row ``(1 - row overlap) |c4 - c1| (-t, 1)``; the middle of the
grid is at the target. APT before 25.4.4 has no t, and takes the extent of the corners along x and y in place of the edges.
Both rules are within 0.002 arcsec of the reports for nine apertures of NIRCam and NIRISS and eight versions of the SIAF.

Tiles are taken by rows in the order ROW_ORDER and in APT before 25.4.4. In the order DEFAULT they follow Hilbert's curve
through a grid of 2**k tiles on a side, of which those outside of the mosaic are left out, where the mosaic has several
visits; four tiles in one visit are taken row by row, back and forth. This is known for mosaics of up to 4 and of 9 to 16
rows or columns.

NOT known: skews other than 0, removed tiles of the order DEFAULT, other orders; larger mosaics in one visit.
"""

from __future__ import annotations

import math

from mirage_dask.apt.geometry.frames import Frame
from mirage_dask.apt.geometry.request import Mosaic
from mirage_dask.apt.geometry.versions import NotKnown

Tile = tuple[int, float, float]
"""Number in the report, and the offset of its middle from the target, arcsec."""

PROVED_SIDES = (1, 2, 4, 16)
"""Sides of Hilbert's curve that were seen in reports."""


def tiles(mosaic: Mosaic, frame: Frame, *, several_visits: bool) -> list[Tile]:
    """Return the tiles of a mosaic in the order in which they are taken.

    Parameters
    ----------
    frame
        The aperture that is pointed with.
    several_visits
        Whether the observation has more than one visit, which decides the order DEFAULT.

    Raises
    ------
    NotKnown
        If APT's rule for such a mosaic is not known.
    """
    if mosaic.rows * mosaic.columns == 1:
        return [(1, 0.0, 0.0)]
    if mosaic.skew != (0.0, 0.0):
        raise NotKnown("where APT puts the tiles of a skewed mosaic is not known")
    along_x, along_y = _steps(mosaic, frame)
    places = _order(mosaic, several_visits=several_visits)
    found = []
    for number, (row, column) in enumerate(places, start=1):
        if not mosaic.included[number - 1]:
            continue
        right, up = column - (mosaic.columns - 1) / 2.0, row - (mosaic.rows - 1) / 2.0
        found.append((number, *(right * x + up * y for x, y in zip(along_x, along_y, strict=True))))
    if not found:
        raise NotKnown("its mosaic has no tile")
    return found  # type: ignore[return-value]


def _steps(mosaic: Mosaic, frame: Frame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the steps (x, y) from column to column and from row to row, arcsec."""
    if len(frame.corners) != 4:
        raise NotKnown(f"the SIAF has no corners of {frame.name}, which the tiles of the mosaic follow")
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = frame.corners
    if not (x1 < x2 and x4 < x3 and y1 < y4 and y2 < y3):
        raise NotKnown(
            f"the corners of {frame.name} have another order than those of apertures whose mosaics are known"
        )
    across, upwards = 1.0 - mosaic.column_overlap, 1.0 - mosaic.row_overlap
    if not mosaic.order:
        width, height = max(x2, x3) - min(x1, x4), max(y3, y4) - min(y1, y2)
        return (across * width, 0.0), (0.0, upwards * height)
    width, height = math.hypot(x2 - x1, y2 - y1), math.hypot(x4 - x1, y4 - y1)
    slope = (x2 - x3) / (y3 - y2)
    return (across * width, across * width * slope), (-upwards * height * slope, upwards * height)


def _order(mosaic: Mosaic, *, several_visits: bool) -> list[tuple[int, int]]:
    """Return (row, column) of the tiles as they are taken; rows count upwards, columns to the right, from 0."""
    by_rows = [(row, column) for row in range(mosaic.rows) for column in range(mosaic.columns)]
    if mosaic.order in ("", "ROW_ORDER"):
        return by_rows
    if mosaic.order != "DEFAULT":
        raise NotKnown(f"the order {mosaic.order} of the tiles of a mosaic is not known")
    if not all(mosaic.included):
        raise NotKnown("which tiles of a mosaic in the order DEFAULT are left out is not known")
    side = 2 ** math.ceil(math.log2(max(mosaic.rows, mosaic.columns)))
    if 1 in (mosaic.rows, mosaic.columns):
        return by_rows  # the curve is monotonous along both edges of the grid
    if not several_visits:
        if (mosaic.rows, mosaic.columns) != (2, 2):
            raise NotKnown(f"the order of {mosaic.rows} x {mosaic.columns} tiles in one visit is not known")
        return [(0, 0), (0, 1), (1, 1), (1, 0)]
    if side not in PROVED_SIDES:
        raise NotKnown(f"the order of a mosaic of {mosaic.rows} x {mosaic.columns} tiles is not known")
    curve = (hilbert(step, side) for step in range(side * side))
    return [(row, column) for column, row in curve if row < mosaic.rows and column < mosaic.columns]


def hilbert(step: int, side: int) -> tuple[int, int]:
    """Return (x, y) after some steps along Hilbert's curve through a square of `side`, a power of two, from (0, 0)."""
    x = y = 0
    scale = 1
    while scale < side:
        right = 1 & (step // 2)
        up = 1 & (step ^ right)
        if not up:
            if right:
                x, y = scale - 1 - x, scale - 1 - y
            x, y = y, x
        x, y = x + scale * right, y + scale * up
        step //= 4
        scale *= 2
    return x, y
