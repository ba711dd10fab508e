"""The sources of an opened layer of light: where they are, how bright, and how much of their light an exposure receives.

What moves is described at the start, in the middle and at the end of the exposure, and its light by the mean over it.
Positions in degrees use library trigonometry: they describe sources, no pixel follows from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.pointing import unit_to_radec
from mirage_dask.scene.dispersed.tables import open_configuration
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.image_tables import Extended, MovingExtended, read_part
from mirage_dask.scene.images.blocks import ImageLight
from mirage_dask.scene.layers import (
    ExtendedLayer,
    GalaxyLayer,
    LightCurveLayer,
    LightCurves,
    MovingGalaxies,
    MovingGalaxyLayer,
    MovingImageLayer,
    MovingLayer,
    MovingPoints,
    OccultedStarLayer,
    OccultedStars,
    StarLayer,
    TrackedExtendedLayer,
    TrailingGalaxyLayer,
    TrailingImageLayer,
    TrailingStarLayer,
    View,
)
from mirage_dask.scene.layers.dispersed.images import DispersedImageLayer
from mirage_dask.scene.layers.dispersed.sources import DispersedGalaxyLayer, DispersedLayer, field_of
from mirage_dask.scene.layers.moving import GalaxyTrails, PointTrails
from mirage_dask.scene.layers.moving_images import ImageTrails
from mirage_dask.scene.layers.sources import TrackedGalaxyLayer, TrackedStarLayer
from mirage_dask.scene.placement import LARGEST_REACH, circle, compass, star_margin
from mirage_dask.scene.sources import ARCSEC, Galaxies, PointSources, load_near, load_once
from mirage_dask.scene.tracking import PointingTrack
from mirage_dask.scene.trails.pictures import Picture
from mirage_dask.scene.truth.energy import star_fractions, trail_fractions
from mirage_dask.scene.truth.galaxies import galaxy_fractions
from mirage_dask.scene.truth.images import image_rate

Floats = NDArray[np.float64]

MOMENTS = (33, 400)
"""Fewest and most places of a moving galaxy or image at which its light is summed."""
APART = 4.0
"""Pixels between them, where that gives no other number."""


@dataclass(frozen=True, eq=False)
class SourcesSeen:
    """Sources of one layer whose light reaches an exposure: n of them."""

    kind: str
    """Of the layer."""
    index: NDArray[np.int64]
    """(n,) catalog index."""
    unit: Floats
    """(n, 3) ICRS unit vectors in the middle of the exposure."""
    xy: Floats
    """(n, 3, 2) full-frame science pixels, 0-based, at the start, in the middle and at the end."""
    rate: Floats
    """(n,) electrons/s in an infinite aperture, mean over the exposure."""
    fraction: Floats
    """(n,) of this light that falls on the exposure's array."""
    shapes: dict[str, Floats] = field(default_factory=dict)
    """Of galaxies, (n,) each: `half_light_radius` (arcsec; NaN where the catalog has pixels), `half_light_radius_pixels`,
    both along the major axis, `ellipticity`, `position_angle` (degrees east of north), `sersic_index`."""
    moves: bool = False
    transmission: Floats | None = None
    """(n,) of the optics, of sources with their own; None of others."""

    def __len__(self) -> int:
        return self.index.size

    @property
    def radec(self) -> tuple[Floats, Floats]:
        """Right ascension and declination in the middle of the exposure, degrees."""
        return unit_to_radec(self.unit)


def sources_seen(layer: Any, key: str, view: View, edges: NDArray[np.float64]) -> SourcesSeen | None:
    """Return the sources of a layer, in the order in which it draws them; None of light that has no sources.

    Parameters
    ----------
    layer
        As `layers.open_layers` opened it.
    key
        Of its table.
    view
        The exposure.
    edges
        Start and end of each integration one after the other, seconds since the start of the first.
    """
    make = _MAKERS.get(type(layer))
    return None if make is None else make(layer, key, view, edges)


def _stars(layer: StarLayer, key: str, view: View, _: Floats) -> SourcesSeen:
    around = circle(view.projection, view.bounds, star_margin(layer.psf))
    table = load_near(layer.table, view.tables, key, around)
    s = layer.stars
    xy = at_rest(np.stack([s.x, s.y], axis=1))
    rows = rows_of(table.index, s.index)
    fraction = star_fractions(layer.psf, s.x, s.y, s.half_width, view.bounds)
    return SourcesSeen(layer.kind, s.index, units_of(table, rows, xy, view), xy, table.flux[rows], fraction)


def _occulted(layer: OccultedStarLayer, key: str, view: View, _: Floats) -> SourcesSeen:
    table = load_once(OccultedStars, view.tables, key)
    placed = [(s.stars, s.psf) for s in layer.stars]
    index = np.array([s.index[0] for s, _ in placed], np.int64)
    rows = rows_of(table.index, index)
    xy = at_rest(np.array([(s.x[0], s.y[0]) for s, _ in placed], np.float64).reshape(-1, 2))
    here = [star_fractions(psf, s.x, s.y, s.half_width, view.bounds)[0] for s, psf in placed]
    return SourcesSeen(
        PointSources.kind, index, units_of(table, rows, xy, view), xy, table.flux[rows],
        np.array(here) / layer.throughput, transmission=layer.throughput,
    )  # fmt: skip


def _galaxies(layer: GalaxyLayer, key: str, view: View, _: Floats) -> SourcesSeen:
    around = circle(view.projection, view.bounds, LARGEST_REACH)
    table = load_near(layer.table, view.tables, key, around)
    g = layer.galaxies
    xy = at_rest(np.stack([g.x, g.y], axis=1))
    rows = rows_of(table.index, layer.index)
    unit = units_of(table, rows, xy, view)
    fraction = galaxy_fractions(g, layer.psf, view.bounds)
    return SourcesSeen(
        layer.kind, layer.index, unit, xy, table.flux[rows], fraction, shapes_of(table, rows, g, unit)
    )


def dispersed_sources(layer: DispersedLayer, view: View) -> SourcesSeen:
    """Return the sources of a layer behind a grism, in its order, with their places and light in the direct image.

    Their `fraction` is 1: what of each order falls on the array says `mirage_dask.scene.truth.dispersed`.
    """
    found, named = layer.found, load_once(layer.table, view.tables, layer.key)
    around = field_of(open_configuration(view.tables, named.grism))
    xy, shapes = at_rest(np.stack([found.x, found.y], axis=1)), {}
    if isinstance(layer, DispersedImageLayer):
        images = load_once(Extended, view.tables, named.source)
        rows = rows_of(images.index, found.index)
        unit = units_of(images, rows, xy, view)
        flux = np.array([_image_total(images, int(row), view) for row in rows])
    else:
        near, galaxies = (
            circle(view.projection, around, LARGEST_REACH),
            isinstance(layer, DispersedGalaxyLayer),
        )
        table: Any = load_near(Galaxies if galaxies else PointSources, view.tables, named.source, near)
        rows = rows_of(table.index, found.index)
        unit, flux = units_of(table, rows, xy, view), table.flux[rows]
        if isinstance(layer, DispersedGalaxyLayer):
            shapes = shapes_of(table, rows, layer.galaxies, unit)
    return SourcesSeen(layer.kind, found.index, unit, xy, flux, np.ones(rows.size), shapes)


def _tracked(layer: Any, key: str, view: View, edges: Floats) -> SourcesSeen:
    found = _AT_REST[type(layer)](layer, key, view, edges)
    assert view.motion is not None
    times = view.motion.times
    unit = view.motion.direction(0.5 * float(times[0] + times[-1]))
    return replace(found, unit=np.repeat(unit[None], len(found), axis=0))


def _extended(layer: ExtendedLayer, key: str, view: View, _: Floats) -> SourcesSeen:
    table = load_once(layer.table, view.tables, key)
    rows = np.array([s.row for s in layer.sources], np.intp)
    whole = np.array([_image_total(table, int(row), view) for row in rows])
    here = np.array([image_rate(s.light, view.bounds) for s in layer.sources])
    fraction = np.divide(here, whole, out=np.zeros_like(whole), where=whole != 0)
    xy = at_rest(np.array([(s.x, s.y) for s in layer.sources], np.float64).reshape(-1, 2))
    return SourcesSeen(layer.kind, table.index[rows], units_of(table, rows, xy, view), xy, whole, fraction)


def _image_total(table: Extended, row: int, view: View) -> float:
    parts = range(*np.searchsorted(table.source, [row, row + 1]).tolist())
    light = sum(float(read_part(view.tables, str(table.parts[m])).sum(dtype=np.float64)) for m in parts)
    return float(table.scale[row]) * light


def _light_curves(layer: LightCurveLayer, key: str, view: View, edges: Floats) -> SourcesSeen:
    table = load_once(LightCurves, view.tables, key)
    rows, s = rows_of(table.index, layer.index), layer.stars
    means = [layer.mean_factor(a, b) for a, b in edges.reshape(-1, 2).tolist()]
    rate = s.flux * np.mean(means, axis=0)
    xy = at_rest(np.stack([s.x, s.y], axis=1))
    fraction = star_fractions(layer.psf, s.x, s.y, s.half_width, view.bounds)
    return SourcesSeen(layer.kind, layer.index, units_of(table, rows, xy, view), xy, rate, fraction)


def _point_trails(layer: PointTrails, key: str, view: View, _: Floats) -> SourcesSeen:
    trailing = isinstance(layer, TrailingStarLayer)
    table: Any = load_once(PointSources if trailing else MovingPoints, view.tables, key)
    rows, track = rows_of(table.index, layer.index), layer.paths.xy
    fraction = trail_fractions(layer.psf, track, layer.paths.half, view.bounds)
    unit = table.position[rows] if trailing else _true_units(table, rows, layer, view)
    return SourcesSeen(layer.kind, layer.index, unit, _three(track), table.flux[rows], fraction, moves=True)


def _galaxy_trails(layer: GalaxyTrails, key: str, view: View, _: Floats) -> SourcesSeen:
    trailing = isinstance(layer, TrailingGalaxyLayer)
    table: Any = load_once(Galaxies if trailing else MovingGalaxies, view.tables, key)
    rows, track = rows_of(table.index, layer.index), layer.paths.xy
    unit = table.position[rows] if trailing else _true_units(table, rows, layer, view)
    moments = _moments(track)
    places = moments.reshape(-1, 2)
    many = layer.galaxies.take(np.repeat(np.arange(len(rows)), moments.shape[1]))
    moved = replace(many, x=np.ascontiguousarray(places[:, 0]), y=np.ascontiguousarray(places[:, 1]))
    fraction = galaxy_fractions(moved, layer.psf, view.bounds).reshape(-1, moments.shape[1]).mean(axis=1)
    shapes = shapes_of(table, rows, layer.galaxies, unit)
    return SourcesSeen(
        layer.kind, layer.index, unit, _three(track), table.flux[rows], fraction, shapes, moves=True
    )


def _image_trails(layer: ImageTrails, key: str, view: View, _: Floats) -> SourcesSeen:
    trailing = isinstance(layer, TrailingImageLayer)
    table: Any = load_once(Extended if trailing else MovingExtended, view.tables, key)
    rows, track = rows_of(table.index, layer.index), layer.paths.xy
    whole = np.array([_image_total(table, int(row), view) for row in rows])
    here = np.array(
        [
            np.mean([_moved_rate(picture, place, view) for place in places])
            for picture, places in zip(layer.pictures, _moments(track), strict=True)
        ]
    )
    fraction = np.divide(here, whole, out=np.zeros_like(whole), where=whole != 0)
    unit = table.position[rows] if trailing else _true_units(table, rows, layer, view)
    return SourcesSeen(layer.kind, layer.index, unit, _three(track), whole, fraction, moves=True)


def _moved_rate(picture: Picture, place: Floats, view: View) -> float:
    moved = place - np.array([picture.x, picture.y])
    rasters = tuple(replace(raster, nodes=raster.nodes + moved) for raster in picture.rasters)
    return image_rate(ImageLight(rasters, picture.psf), view.bounds)


def _moments(track: Floats) -> Floats:
    """(n, m, 2) places at equal intervals of time on tracks (n, T, 2)."""
    longest = float(np.ptp(track, axis=1).max(initial=0.0))
    count = int(min(max(longest / APART, MOMENTS[0]), MOMENTS[1]))
    times = (np.arange(count) + 0.5) * (track.shape[1] - 1) / count
    low = times.astype(int)
    share = (times - low)[None, :, None]
    return np.asarray(track[:, low] * (1.0 - share) + track[:, low + 1] * share)


_AT_REST: dict[type, Callable[[Any, str, View, Floats], SourcesSeen]] = {
    TrackedStarLayer: _stars,
    TrackedGalaxyLayer: _galaxies,
    TrackedExtendedLayer: _extended,
}
_MAKERS: dict[type, Callable[[Any, str, View, Floats], SourcesSeen]] = {
    StarLayer: _stars,
    OccultedStarLayer: _occulted,
    GalaxyLayer: _galaxies,
    ExtendedLayer: _extended,
    LightCurveLayer: _light_curves,
    MovingLayer: _point_trails,
    MovingGalaxyLayer: _galaxy_trails,
    TrailingStarLayer: _point_trails,
    MovingImageLayer: _image_trails,
    TrailingGalaxyLayer: _galaxy_trails,
    TrailingImageLayer: _image_trails,
    TrackedStarLayer: _tracked,
    TrackedGalaxyLayer: _tracked,
    TrackedExtendedLayer: _tracked,
}


def rows_of(known: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the rows of a table whose indices are wanted; an index is that of one source."""
    order = np.argsort(known, kind="stable")
    return np.asarray(order[np.searchsorted(known, wanted, sorter=order)])


def at_rest(xy: Floats) -> Floats:
    """Return (n, 3, 2) places (n, 2) at the start, in the middle and at the end: the same."""
    return np.repeat(xy[:, None], 3, axis=1)


def _three(track: Floats) -> Floats:
    return np.stack([track[:, 0], _middle(track), track[:, -1]], axis=1)


def _middle(track: Floats) -> Floats:
    """(n, axes) of (n, T, axes) at equal intervals of time."""
    last = track.shape[1] - 1
    return np.asarray(0.5 * (track[:, last // 2] + track[:, (last + 1) // 2]))


def units_of(table: Any, rows: NDArray[np.intp], xy: Floats, view: View) -> Floats:
    """Return (n, 3) directions of rows of a table, which are at (n, 3, 2) pixels."""
    if table.position.shape[1] == 2:
        return view.projection.units(xy[:, 1]) if rows.size else np.zeros((0, 3))
    return np.asarray(table.position[rows])


def _true_units(table: Any, rows: NDArray[np.intp], layer: Any, view: View) -> Floats:
    """Directions of moving sources in the middle of the exposure, which are not where a turning telescope sees them."""
    if not rows.size:
        return np.zeros((0, 3))
    if table.track.shape[2] == 2:
        seen = view.projection.units(_middle(layer.paths.xy))
    else:
        seen = _middle(table.track[rows])
        seen = seen / np.sqrt((seen * seen).sum(axis=1))[:, None]
    if view.motion is None:
        return np.asarray(seen)
    now = view.motion.direction(0.5 * float(table.times[0] + table.times[-1]))
    back = PointingTrack(now, view.motion.reference[None], view.motion.times[:1])
    return back.seen(seen, 0)


def shapes_of(
    table: Galaxies, rows: NDArray[np.intp], placed: PlacedGalaxies, unit: Floats
) -> dict[str, Floats]:
    """Return the shapes of galaxies, rows of a table: `SourcesSeen.shapes`."""
    tangent = table.tangent[rows]
    north, east = compass(unit) if rows.size else (np.zeros((0, 3)), np.zeros((0, 3)))
    along_north, along_east = (
        (tangent[:, 0], tangent[:, 1])
        if table.pixels
        else ((tangent * north).sum(axis=1), (tangent * east).sum(axis=1))
    )
    xx, xy, yy = placed.form.T
    largest = 0.5 * (xx + yy + np.sqrt((xx - yy) ** 2 + 4.0 * xy * xy))
    unknown = np.full(rows.size, np.nan)
    return {
        "half_light_radius": unknown if table.radius_pixels else table.radius[rows] / ARCSEC,
        "half_light_radius_pixels": np.sqrt(largest),
        "ellipticity": table.ellipticity[rows],
        "position_angle": np.degrees(np.arctan2(along_east, along_north)) % 360.0,
        "sersic_index": table.sersic_index[rows],
    }
