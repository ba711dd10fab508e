"""Where the pixels of an image fall on a detector: a mesh of nodes, between which positions are bilinear.

The nodes of an image are the corners of its pixels at every `step`-th column and row: node (k, l) is the lower left
corner of the pixel (step l, step k), so that pixel (i, j) is the square i .. i + 1, j .. j + 1 in units of `step` from
its node. Their positions on the sky, ICRS unit vectors, are computed on the client, where any world coordinate system may
be used. A worker projects them (`SkyProjection.pixels`), after halving the mesh until neighbours are within `FINEST`
pixels of the detector: then straight lines between them are within 0.005 pixel of JWST's distortion (its second
derivative is below 3e-5 per pixel). Only + - * / and sqrt: the same bits on any processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.pointing import SkyProjection

Floats = NDArray[np.float64]
STEP = 64
"""Image pixels between the nodes of a mesh on the client; a power of two."""
PART = 512
"""Side of the parts in which the pixels of an image are kept, image pixels: a multiple of `STEP`."""
FINEST = 32.0
"""Largest distance of neighbouring nodes on the detector, pixels, unless they are the corners of one image pixel."""


@dataclass(frozen=True, eq=False)
class Raster:
    """A part of an image on the detector."""

    pixels: Callable[[], NDArray[np.float32]]
    """Returns the part's pixels, (ny, nx)."""
    nodes: Floats
    """(my, mx, 2) full-frame science pixels x, y of the nodes; NaN where the sky cannot be seen."""
    step: int
    """Image pixels between nodes."""
    scale: float
    """e-/s in an image pixel of the value 1."""
    box: tuple[float, float, float, float]
    """x0, x1, y0, y1 that hold all nodes."""

    def touches(self, x0: float, x1: float, y0: float, y1: float) -> bool:
        """Return whether light of the part may fall into a box."""
        left, right, low, high = self.box
        return right > x0 and left < x1 and high > y0 and low < y1


def mesh_size(pixels: int, step: int = STEP) -> int:
    """Return how many nodes an axis of an image has: the last may lie beyond it."""
    return -(-pixels // step) + 1


def project(
    units: Floats, projection: SkyProjection, *, step: int = STEP, finest: float = FINEST
) -> tuple[Floats, int]:
    """Project a mesh onto a detector, finer where it must be.

    Parameters
    ----------
    units
        (my, mx, 3) ICRS unit vectors of the nodes.
    step
        Image pixels between them.

    Returns
    -------
    nodes, step
        (my', mx', 2) positions, and the image pixels between them, `step` over a power of two.
    """
    nodes = _pixels(units, projection)
    while step > 1 and _largest_distance(nodes) > finest:
        units = _halved(units)
        nodes, step = _pixels(units, projection), step // 2
    return nodes, step


def box_of(nodes: Floats) -> tuple[float, float, float, float] | None:
    """Return x0, x1, y0, y1 around nodes; None where none of them can be seen."""
    x, y = nodes[..., 0], nodes[..., 1]
    seen = np.isfinite(x) & np.isfinite(y)
    if not seen.any():
        return None
    return float(x[seen].min()), float(x[seen].max()), float(y[seen].min()), float(y[seen].max())


def _pixels(units: Floats, projection: SkyProjection) -> Floats:
    flat = units.reshape(-1, 3)
    length = np.sqrt(flat[:, 0] * flat[:, 0] + flat[:, 1] * flat[:, 1] + flat[:, 2] * flat[:, 2])
    return projection.pixels(flat / length[:, None]).reshape(*units.shape[:2], 2)


def _halved(values: Floats) -> Floats:
    my, mx, depth = values.shape
    rows = np.empty((2 * my - 1, mx, depth))
    rows[::2] = values
    rows[1::2] = (values[:-1] + values[1:]) / 2.0
    out = np.empty((2 * my - 1, 2 * mx - 1, depth))
    out[:, ::2] = rows
    out[:, 1::2] = (rows[:, :-1] + rows[:, 1:]) / 2.0
    return out


def _largest_distance(nodes: Floats) -> float:
    steps = (np.diff(nodes, axis=0), np.diff(nodes, axis=1))
    return max(float(np.abs(s[np.isfinite(s)]).max(initial=0.0)) for s in steps)
