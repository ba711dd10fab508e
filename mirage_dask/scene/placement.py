"""Where the sources of an exposure fall: projected once per exposure, read by every window of it.

Positions come from `SkyProjection.pixels`. The shape of a galaxy follows from the Jacobian J = d(x, y) / d(u, v) of that
projection at its place, u along the position angle and v a quarter turn further east, both in radians on the sky: with
half-light radii r and q r, the squared elliptical radius of an offset d in pixels is

    |diag(1/r, 1/(q r)) J^-1 d|^2 = a dx^2 + 2 b dx dy + c dy^2.

J is a central difference over 1 arcsecond. Only + - * / sqrt in a fixed order: the same bits on any processor (positions
given in pixels need the direction of north, which `SkyProjection.units` computes with library trigonometry; it affects
their ellipses only, in the last of 53 bits before they are rounded to 24).

NOT modelled: the change of J across a galaxy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.pointing import SkyProjection
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.placed import LEAST_TOTAL, PlacedGalaxies, digest_of
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.partition import Circle
from mirage_dask.scene.sources import Galaxies, PointSources
from mirage_dask.scene.stars import THRESHOLD, star_half_width

Floats = NDArray[np.float64]
Sources = PointSources | Galaxies | Extended
Bounds = tuple[int, int, int, int]
"""(x0, x1, y0, y1), half open, full-frame science pixels."""
STEP = 1.0 * np.pi / 180.0 / 3600.0
"""Radians on either side, for the Jacobian."""
THINNEST = 0.02
"""Smallest axis ratio that is drawn."""
SMALLEST = 1e-3
"""Smallest half-light radius that is drawn, pixels."""
LARGEST_REACH = 4096.0
"""Pixels beyond the array within which galaxies are looked at."""


@dataclass(frozen=True, eq=False)
class PlacedStars:
    """The stars that reach one exposure: n of them, in catalog order."""

    x: Floats
    """(n,) full-frame science pixels, 0-based."""
    y: Floats
    flux: NDArray[np.float32]
    """(n,) e-/s."""
    half_width: NDArray[np.int32]
    """(n,) how far a star reaches, pixels."""
    index: NDArray[np.int64]
    """(n,) catalog index."""

    @cached_property
    def digest(self) -> bytes:
        """Hash of the contents, for cache keys."""
        return digest_of(self)


def place_stars(
    table: PointSources,
    projection: SkyProjection,
    *,
    bounds: Bounds,
    psf: PsfLibrary,
    threshold: float = THRESHOLD,
) -> PlacedStars:
    """Project stars onto a detector and keep those that reach an exposure.

    Parameters
    ----------
    table
        Stars of this detector and filter.
    projection
        Of this exposure.
    bounds
        (x0, x1, y0, y1), half open: the exposure's array in full-frame science pixels. Pixel positions of a catalog
        count from (x0, y0).
    psf
        Library of this detector and filter: how far a star reaches depends on it.
    threshold
        e-/s per pixel below which stars end (see `stars`).
    """
    rows = nearby(table, projection, bounds, star_margin(psf))
    rows = rows[table.flux[rows] > 0]
    xy = pixels_of(table.position[rows], projection, bounds)
    half = star_half_width(table.flux[rows], psf, threshold=threshold)
    keep = (half > 0) & _touches(xy, half, half, bounds)
    xy, rows = xy[keep], rows[keep]
    return PlacedStars(
        np.ascontiguousarray(xy[:, 0]),
        np.ascontiguousarray(xy[:, 1]),
        table.flux[rows].astype(np.float32),
        half[keep],
        table.index[rows],
    )


def place_galaxies(
    table: Galaxies,
    projection: SkyProjection,
    *,
    bounds: Bounds,
    psf: PsfLibrary,
    threshold: float = LEAST_TOTAL,
    around: float = 0.0,
) -> tuple[PlacedGalaxies, NDArray[np.int64]]:
    """Project galaxies onto a detector and keep those that reach an exposure; other arguments as for
    `place_stars`, but galaxies with less than `threshold` e-/s in all are left out.

    Parameters
    ----------
    around
        Pixels around the array in which galaxies are kept, too: those that will move into it.

    Returns
    -------
    galaxies, index
        Shapes on the detector, and catalog indices.
    """
    rows = nearby(table, projection, bounds, LARGEST_REACH + around)
    rows = rows[table.flux[rows] > threshold]
    xy = pixels_of(table.position[rows], projection, bounds)
    form = _forms(table, rows, xy, projection)
    seen = np.isfinite(form).all(axis=1) & np.isfinite(xy).all(axis=1)
    rows, xy, form = rows[seen], xy[seen], form[seen]
    placed = PlacedGalaxies(
        x=np.ascontiguousarray(xy[:, 0]),
        y=np.ascontiguousarray(xy[:, 1]),
        flux=table.flux[rows],
        form=form,
        variances=table.variances[rows],
        weights=table.weights[rows],
    )
    half = placed.largest_half(psf)
    keep = _touches(xy, half + around, half + around, bounds)
    return placed.take(keep), table.index[rows[keep]]


def nearby(
    table: PointSources | Galaxies,
    projection: SkyProjection,
    bounds: Bounds,
    margin: float,
) -> NDArray[np.intp]:
    """Return the rows that may come within `margin` pixels."""
    if table.pixels:
        return np.arange(len(table))
    middle, radius = circle(projection, bounds, margin)
    difference = table.position - middle
    distance2 = (difference * difference).sum(axis=1)
    return np.flatnonzero(distance2 < radius**2)


def circle(projection: SkyProjection, bounds: Bounds, margin: float) -> Circle:
    """Return a circle on the sky that holds an exposure and `margin` pixels around it, generous by half."""
    x0, x1, y0, y1 = bounds
    middle = ((x0 + x1) / 2.0, (y0 + y1) / 2.0)
    corners = [(x, y) for x in (x0, x1) for y in (y0, y1)]
    centre, *around = projection.units([middle, *corners])
    pixel = np.sqrt(((projection.units([(middle[0] + 100.0, middle[1])])[0] - centre) ** 2).sum()) / 100.0
    radius = max(np.sqrt(((u - centre) ** 2).sum()) for u in around) + margin * pixel
    return centre, 1.5 * radius


def star_margin(psf: PsfLibrary) -> float:
    """Return how far from an exposure a star may be whose light reaches it, pixels."""
    return psf.wings_half_width + 1.0


def on_sky(table: Sources, projection: SkyProjection, bounds: Bounds) -> Sources:
    """Return a table whose positions are on the sky; for the client, as `SkyProjection.units` is.

    Parameters are those of `place_stars`.
    """
    if not table.pixels:
        return table
    unit = projection.units(pixels_of(table.position, projection, bounds))
    moved: dict[str, Any] = {}
    north, east = compass(unit)
    for name in ("tangent", "normal", "along_x", "along_y"):
        if hasattr(table, name):
            axis = getattr(table, name)
            moved[name] = axis[:, :1] * north + axis[:, 1:2] * east
            if isinstance(table, Extended):
                moved[name] = np.where(table.aligned[:, None], axis, moved[name])
    return replace(table, position=unit, **moved)


def pixels_of(position: Floats, projection: SkyProjection, bounds: Bounds) -> Floats:
    """Return (n, 2) full-frame science pixels of unit vectors (n, 3), or of pixels (n, 2) of the aperture."""
    if position.shape[1] == 2:
        return position + np.array([bounds[0], bounds[2]], dtype=np.float64)
    return projection.pixels(position)


def counted_from(position: Floats, bounds: Bounds, others: Bounds) -> Floats:
    """Return positions as they count from the corner of other bounds: those in pixels do."""
    if position.shape[1] == 3:
        return position
    return position + np.array([bounds[0] - others[0], bounds[2] - others[2]], dtype=np.float64)


def _touches(xy: Floats, half_x: NDArray, half_y: NDArray, bounds: Bounds) -> NDArray[np.bool_]:
    x0, x1, y0, y1 = bounds
    with np.errstate(invalid="ignore"):
        return (
            (xy[:, 0] + half_x >= x0 - 1)
            & (xy[:, 0] - half_x <= x1)
            & (xy[:, 1] + half_y >= y0 - 1)
            & (xy[:, 1] - half_y <= y1)
        )


def _forms(table: Galaxies, rows: NDArray[np.intp], xy: Floats, projection: SkyProjection) -> Floats:
    """(n, 3) xx, xy, yy of an ellipse whose half axes are the half-light radii, pixels: the squares of both, summed."""
    tangent, normal = table.tangent[rows], table.normal[rows]
    if table.pixels:
        unit = projection.units(xy)
        north, east = compass(unit)
        tangent = tangent[:, :1] * north + tangent[:, 1:2] * east
        normal = normal[:, :1] * north + normal[:, 1:2] * east
    else:
        unit = table.position[rows]
    along, across = derivative(projection, unit, tangent), derivative(projection, unit, normal)
    length = np.sqrt(along[:, 0] * along[:, 0] + along[:, 1] * along[:, 1])
    if table.radius_pixels:
        # The radius is a length in pixels, not on the sky: the position angle alone is projected.
        along = along / length[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        length = np.ones_like(length)
    major = np.maximum(table.radius[rows], SMALLEST / length)
    minor = major * np.maximum(1.0 - table.ellipticity[rows], THINNEST)
    u, v = major[:, None] * along, minor[:, None] * across
    return np.stack(
        [
            u[:, 0] * u[:, 0] + v[:, 0] * v[:, 0],
            u[:, 0] * u[:, 1] + v[:, 0] * v[:, 1],
            u[:, 1] * u[:, 1] + v[:, 1] * v[:, 1],
        ],
        axis=1,
    )


def derivative(projection: SkyProjection, unit: Floats, direction: Floats) -> Floats:
    """Return (n, 2) pixels per radian along a tangent direction."""
    return (projection.pixels(unit + STEP * direction) - projection.pixels(unit - STEP * direction)) / (
        2.0 * STEP
    )


def compass(unit: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors towards north and east at unit vectors, without trigonometry; any direction at the poles."""
    x, y, z = unit[:, 0], unit[:, 1], unit[:, 2]
    h = np.sqrt(x * x + y * y)
    pole = h < 1e-12
    h = np.where(pole, 1.0, h)
    east = np.stack([np.where(pole, 0.0, -y / h), np.where(pole, 1.0, x / h), np.zeros_like(x)], axis=1)
    north = np.stack(
        [y * east[:, 2] - z * east[:, 1], z * east[:, 0] - x * east[:, 2], x * east[:, 1] - y * east[:, 0]],
        axis=1,
    )
    return north, east
