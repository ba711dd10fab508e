"""Draw stars behind GR700XD into planes, and note how much of their light falls where; on the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.reference.soss.orders import STRIP_ROW, SossOrder
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.soss.drawing import Images, draw, reaches
from mirage_dask.scene.soss.tables import HALF_BOX, SUMS

Floats = NDArray[np.float64]
Bounds = tuple[int, int, int, int]
"""First column, first row, end column, end row, full-frame science pixels."""

INVISIBLE = 1e-2
"""e-/s of a whole trace, below which it is not drawn."""


@dataclass(frozen=True, eq=False)
class DrawnStar:
    """A star to be drawn."""

    shift: tuple[float, float]
    """Columns and rows from the traces of a star at the reference point."""
    light: Sequence[Floats]
    """Of each order (k, nodes) e-/s."""
    images: Images


@dataclass(frozen=True, eq=False)
class TraceBox:
    """The pixels around a trace, column by column."""

    first: NDArray[np.int64]
    """(nx,) row of the array; not below 0."""
    end: NDArray[np.int64]
    """(nx,) half open; not above the number of rows, and equal to `first` where there is none."""

    @classmethod
    def of(cls, column: Floats, row: Floats, bounds: Bounds) -> TraceBox:
        """Return the box on an array around a trace whose columns go one way."""
        x0, y0, x1, y1 = bounds
        if column.size < 2:
            nothing = np.zeros(x1 - x0, np.int64)
            return cls(nothing, nothing)
        if column[0] > column[-1]:
            column, row = column[::-1], row[::-1]
        columns = np.arange(x0, x1)
        middle = np.floor(np.interp(columns, column, row) + 0.5).astype(np.int64) - y0
        crossed = (columns >= column[0]) & (columns <= column[-1])
        first = np.clip(middle - HALF_BOX, 0, y1 - y0)
        end = np.clip(middle + HALF_BOX + 1, 0, y1 - y0)
        return cls(np.where(crossed, first, 0), np.where(crossed, end, 0))

    def sum(self, light: NDArray[Any]) -> Floats:
        """Return the light in the box, (k,), of planes (k, ny, nx)."""
        columns = np.arange(self.first.size)
        high = np.zeros((len(light), light.shape[1] + 1, light.shape[2]))
        np.cumsum(light, axis=1, dtype=np.float64, out=high[:, 1:])
        return np.asarray((high[:, self.end, columns] - high[:, self.first, columns]).sum(axis=1))

    def mask(self, rows: int) -> NDArray[np.bool_]:
        """Return (rows, nx) which pixels are in the box."""
        row = np.arange(rows)[:, None]
        return np.asarray((row >= self.first) & (row < self.end))

    @property
    def limits(self) -> tuple[int, int, int, int] | None:
        """First and last column, first and last row; None if the box has no pixel."""
        lit = np.flatnonzero(self.end > self.first)
        if not lit.size:
            return None
        return int(lit[0]), int(lit[-1]), int(self.first[lit].min()), int(self.end[lit].max()) - 1


def trace_between(
    wavelength: Floats, column: Floats, row: Floats, low: float, high: float
) -> tuple[Floats, Floats, Floats]:
    """Return wavelengths, columns and rows of a trace from `low` to `high` (micron), of those at its nodes."""
    inside = (wavelength > low) & (wavelength < high)
    wave = np.concatenate([[low], wavelength[inside], [high]])
    return wave, np.interp(wave, wavelength, column), np.interp(wave, wavelength, row)


def node_columns(orders: Sequence[SossOrder], segments: Sequence[Segment]) -> dict[str, NDArray[Any]]:
    """Return the columns of `SossLight` that tell about orders and nodes."""
    places = [order.place(one.wavelength) for order, one in zip(orders, segments, strict=True)]
    return {
        "orders": np.array([order.order for order in orders], np.int64),
        "ends": np.array([(one.low, one.high) for one in segments]),
        "node_order": np.concatenate([np.full(one.count, one.order, np.int64) for one in segments]),
        "node_wavelength": np.concatenate([one.wavelength for one in segments]),
        "node_column": np.concatenate([column for column, _ in places]),
        "node_row": np.concatenate([row + STRIP_ROW for _, row in places]),
        "node_response": np.concatenate([one.trace.respond(one.wavelength) for one in segments]),
    }


def draw_stars(
    orders: Sequence[SossOrder],
    segments: Sequence[Segment],
    stars: Sequence[DrawnStar],
    *,
    bounds: Bounds,
    reach: int,
) -> dict[str, NDArray[Any]]:
    """Draw stars one after the other; return `planes` and what `SossLight` has of their light.

    Parameters
    ----------
    orders, segments
        Of the exposure.
    stars
        At least one; with several, of one component each.
    bounds
        Of the planes.
    reach
        Rows that images reach.
    """
    x0, y0, x1, y1 = bounds
    shape = len(stars[0].light[0]), y1 - y0, x1 - x0
    planes, sums = np.zeros(shape), np.zeros((len(stars), len(orders), shape[0], len(SUMS)))
    several = len(stars) > 1
    owner = np.zeros(shape[1:] if several else (0, 0), np.uint8)
    most = np.zeros(owner.shape, np.float32)
    for s, star in enumerate(stars):
        own, boxes = np.zeros(shape), []
        seen = sum(float(part[0].sum()) for part in star.light) > INVISIBLE
        for o, (order, segment, light) in enumerate(zip(orders, segments, star.light, strict=True)):
            alone = np.zeros(shape)
            if seen and reaches(order, star.shift, bounds, reach):
                draw(order, segment, light, star.images, shift=star.shift, bounds=bounds, out=alone)
            _, column, row = trace_between(
                segment.wavelength, *order.place(segment.wavelength), segment.low, segment.high
            )
            box = TraceBox.of(column + star.shift[0], row + STRIP_ROW + star.shift[1], bounds)
            sums[s, o, :, 0], sums[s, o, :, 1] = alone.sum(axis=(1, 2)), box.sum(alone)
            boxes.append(box)
            own += alone
        for o, box in enumerate(boxes):
            sums[s, o, :, 2] = box.sum(own)
        planes += own
        if several:
            light_here = own[0].astype(np.float32)
            brighter = light_here > most
            owner[brighter], most[brighter] = s, light_here[brighter]
    whole = [np.concatenate(star.light, axis=1) for star in stars]
    return {
        "planes": planes.astype(np.float32),
        "light": np.concatenate(whole).astype(np.float32),
        "sums": sums,
        "owner": owner,
        "owner_light": most,
    }
