"""What a picture of a scene marks, from the layers of an exposure: sources by type, paths, light that changes, traces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.exposure.references import open_references
from mirage_dask.instruments import resets_before
from mirage_dask.pointing import SkyProjection
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.layers import DispersedCurveLayer, ExtendedLayer, LightCurveLayer, OccultedStarLayer
from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
from mirage_dask.scene.layers.moving import GalaxyTrails, PointTrails
from mirage_dask.scene.layers.sources import GalaxyLayer, StarLayer, TrackedGalaxyLayer, TrackedStarLayer
from mirage_dask.scene.placement import Bounds, pixels_of
from mirage_dask.scene.sources import load_once
from mirage_dask.scene.tracking import PointingTrack
from mirage_dask.scene.truth.trace_boxes import HALF_BOX, Track, brightest_orders
from mirage_dask.spec import ExposureSpec

SHOWN = 12
"""Sources of a type that are marked: the brightest ones."""
BINS = 40
"""Points of a light curve."""
INSTANTS = 200
"""Points of a path."""
STARS, GALAXIES, IMAGES, CURVES, MOVING, TARGET = (
    *("stars", "galaxies", "images of sources", "stars with light curves"),
    *("moving sources", "target that is followed"),
)
TYPES = (STARS, GALAXIES, IMAGES, CURVES, MOVING, TARGET)
"""Types of sources, in the order of the legend."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Marks:
    """Sources of one type whose centres fall on an exposure."""

    type: str
    """One of `TYPES`."""
    x: Floats
    """(n,) its own science pixels, at most `SHOWN`, the brightest first; where they are at the start of the exposure."""
    y: Floats
    count: int
    """How many there are in all."""
    moves: bool = False
    """Whether they move on the detector."""


@dataclass(frozen=True, eq=False)
class Path:
    """Where something moves during an exposure."""

    x: Floats
    """(n,) the exposure's own science pixels, in time; what lies beyond it is left out."""
    y: Floats
    start: datetime
    """UTC, at the first of these."""
    stop: datetime
    sky: bool = False
    """Whether this is the way of the target on the sky, as it was seen at the start: on the detector it rests."""


@dataclass(frozen=True, eq=False)
class Curve:
    """The light of one layer on the detector against time."""

    type: str
    """Of its sources, one of `TYPES`."""
    label: str
    edges: Floats
    """(n + 1,) seconds since the start of the first integration."""
    rate: Floats
    """(n,) e-/s, the mean of each interval."""
    own: bool = False
    """Whether its sources change by themselves, not because they come and go."""


@dataclass(frozen=True, eq=False)
class Trace:
    """The box of an order of a source behind a grism."""

    order: int
    index: int
    """Of the source in its catalog."""
    x: Floats
    """(n,) its outline, the exposure's own science pixels; parts of it may lie beside the exposure."""
    y: Floats
    along_y: bool
    """Whether the dispersion is along y."""


@dataclass(frozen=True, eq=False)
class SceneMarks:
    """What is to be marked in the picture of an exposure."""

    marks: tuple[Marks, ...] = ()
    paths: tuple[Path, ...] = ()
    curves: tuple[Curve, ...] = ()
    varying: NDArray[np.float32] | None = None
    """(ny, nx) e-/s: the mean light of what moves or changes, which the seed lacks; None where there is none."""
    traces: tuple[Trace, ...] = ()
    """Of sources behind a grism: at most `SHOWN` of each order, the brightest first."""
    orders: tuple[tuple[int, int], ...] = ()
    """Numbers of orders, and of how many sources they cross the exposure."""


def scene_marks(source: Any, name: str) -> SceneMarks:
    """Return what the layers of light of an exposure hold.

    Parameters
    ----------
    source
        The `Proposal`, which prepares the exposure now, or the `Simulation`.
    name
        Its root name.

    Raises
    ------
    InputError
        If there is no such exposure.
    """
    plan = source.store.plan if hasattr(source, "store") else source.prepare(name)
    spec = plan.spec(plan.row(name))
    found = open_references(spec, plan.url)
    row = plan.table_row(name)
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    start = datetime.fromisoformat(row["start_time"])
    start += timedelta(seconds=resets_before(row["instrument"], spec.nx, spec.ny) * spec.tframe)
    projection = SkyProjection.of(spec.attitude, found.pack.distortion)
    tables = f"{plan.url}/sources"
    places = [_placed(layer) for layer in (*found.light.static, *found.light.varying)]
    places += [
        (IMAGES, *_columns(pixels_of(table.position, projection, bounds)), np.zeros(len(table)))
        for table in (
            load_once(Extended, tables, key) for kind, key in spec.layers if kind == ExtendedLayer.kind
        )
    ]
    moving = {
        _placed(layer)[0] for layer in found.light.varying if isinstance(layer, PointTrails | GalaxyTrails)
    }
    paths = [path for layer in found.light.varying if _moves(layer) for path in _paths(layer, bounds, start)]
    if spec.track:
        track = load_once(PointingTrack, tables, spec.track)
        way = projection.pixels(track.track)
        paths += [path for path in [_path(way, track.times, bounds, start, sky=True)] if path is not None]
    traces, orders = _traces(
        [layer for layer in found.light.static if isinstance(layer, DispersedLayer)], bounds
    )
    return SceneMarks(
        tuple(marks for type_ in TYPES for marks in _marks(type_, places, bounds, moves=type_ in moving)),
        tuple(paths),
        tuple(curve for layer in found.light.varying if (curve := _curve(layer, spec)).rate.any()),
        _mean_light(found.light.varying, spec),
        traces,
        orders,
    )


def _traces(
    layers: list[DispersedLayer], bounds: Bounds
) -> tuple[tuple[Trace, ...], tuple[tuple[int, int], ...]]:
    """Return the brightest traces of each order, and how many there are."""
    crossing: dict[int, list[tuple[float, int, DispersedLayer, tuple[int, ...]]]] = {}
    for layer in layers:
        for light, source, segments in brightest_orders(layer.found, bounds):
            order = layer.found.segments[segments[0]].order
            crossing.setdefault(order, []).append((light, source, layer, segments))
    traces = []
    for order in sorted(crossing):
        for _, source, layer, segments in sorted(crossing[order], key=lambda one: -one[0])[:SHOWN]:
            traces.append(_outline(layer, source, order, segments, bounds))
    return tuple(traces), tuple((order, len(crossing[order])) for order in sorted(crossing))


def _outline(
    layer: DispersedLayer, source: int, order: int, segments: tuple[int, ...], bounds: Bounds
) -> Trace:
    """Return the outline of the box of an order."""
    found, one = layer.found, np.array([source])
    tracks = [Track.of(found.segments[k], found.x[one], found.y[one]) for k in segments]
    u, v = (np.concatenate([getattr(track, name)[0] for track in tracks]) for name in "uv")
    sort = np.argsort(u, kind="stable")
    u, v, half = u[sort], v[sort], HALF_BOX + 0.5
    along, across = (
        np.concatenate([u, u[::-1], u[:1]]),
        np.concatenate([v - half, v[::-1] + half, v[:1] - half]),
    )
    x, y = (across, along) if tracks[0].segment.along_y else (along, across)
    return Trace(order, int(found.index[source]), x - bounds[0], y - bounds[2], tracks[0].segment.along_y)


def _columns(xy: Floats) -> tuple[Floats, Floats]:
    return xy[:, 0], xy[:, 1]


def _moves(layer: Any) -> bool:
    """Return whether a layer is of sources that move themselves: those that trail behind a target rest on the sky."""
    return isinstance(layer, PointTrails | GalaxyTrails) and layer.kind.startswith("moving")


def _placed(layer: Any) -> tuple[str, Floats, Floats, Floats]:
    """Return (type, x, y, light) of the sources of a layer; none of other light."""
    if isinstance(layer, StarLayer):
        s = layer.stars
        return TARGET if isinstance(layer, TrackedStarLayer) else STARS, s.x, s.y, s.flux.astype(np.float64)
    if isinstance(layer, OccultedStarLayer):
        stars = [star.stars for star in layer.stars]
        x, y, light = (np.array([getattr(s, n)[0] for s in stars], np.float64) for n in ("x", "y", "flux"))
        return STARS, x, y, light
    if isinstance(layer, GalaxyLayer):
        g = layer.galaxies
        return TARGET if isinstance(layer, TrackedGalaxyLayer) else GALAXIES, g.x, g.y, g.flux
    if isinstance(layer, LightCurveLayer):
        s = layer.stars
        return CURVES, s.x, s.y, s.flux.astype(np.float64)
    if isinstance(layer, DispersedCurveLayer):  # its light lies along a trace, not at a place
        return CURVES, np.zeros(0), np.zeros(0), np.zeros(0)
    if isinstance(layer, PointTrails | GalaxyTrails):
        points = isinstance(layer, PointTrails)
        kind = MOVING if _moves(layer) else STARS if points else GALAXIES
        flux = layer.flux if isinstance(layer, PointTrails) else layer.galaxies.flux
        return kind, *_columns(layer.paths.xy[:, 0]), np.asarray(flux, np.float64)
    return "", np.zeros(0), np.zeros(0), np.zeros(0)


def _marks(
    type_: str, places: list[tuple[str, Floats, Floats, Floats]], bounds: Bounds, *, moves: bool
) -> Iterator[Marks]:
    """Yield the marks of a type, if there are any."""
    own = [place[1:] for place in places if place[0] == type_]
    if not own:
        return
    x, y, light = (np.concatenate(columns) for columns in zip(*own, strict=True))
    seen = _inside(x, y, bounds)
    x, y, light = x[seen] - bounds[0], y[seen] - bounds[2], light[seen]
    if x.size:
        order = np.argsort(-light, kind="stable")[:SHOWN]
        yield Marks(type_, x[order], y[order], int(x.size), moves)


def _inside(x: Floats, y: Floats, bounds: Bounds) -> NDArray[np.bool_]:
    x0, x1, y0, y1 = bounds
    with np.errstate(invalid="ignore"):
        return (x > x0 - 0.5) & (x < x1 - 0.5) & (y > y0 - 0.5) & (y < y1 - 0.5)


def _paths(layer: Any, bounds: Bounds, start: datetime) -> Iterator[Path]:
    """Yield the paths of the brightest sources of a layer."""
    flux = layer.flux if isinstance(layer, PointTrails) else layer.galaxies.flux
    for n in np.argsort(-np.asarray(flux, np.float64), kind="stable")[:SHOWN]:
        if (path := _path(layer.paths.xy[n], layer.paths.times, bounds, start)) is not None:
            yield path


def _path(xy: Floats, times: Floats, bounds: Bounds, start: datetime, *, sky: bool = False) -> Path | None:
    """Return the part of a path that lies on the exposure, straight between nodes; None if none does."""
    at = np.linspace(times[0], times[-1], INSTANTS)
    x, y = (np.interp(at, times, xy[:, axis]) for axis in (0, 1))
    seen = np.flatnonzero(_inside(x, y, bounds))
    if seen.size == 0:
        return None
    first, last = seen[0], seen[-1] + 1
    begin, end = (start + timedelta(seconds=float(at[k])) for k in (first, last - 1))
    return Path(x[first:last] - bounds[0], y[first:last] - bounds[2], begin, end, sky)


def _seconds(spec: ExposureSpec) -> float:
    """Return the time from the start of the first integration to the end of the last."""
    return spec.integration_start(spec.nints - 1) + spec.frames_per_integration * spec.tframe


def _curve(layer: Any, spec: ExposureSpec) -> Curve:
    """Return the light of a varying layer on the detector, summed over what the layer itself adds."""
    edges = np.linspace(0.0, _seconds(spec), BINS + 1)
    image = np.zeros((1, spec.ny, spec.nx), np.float32)
    rates = []
    for step in pairwise(edges.tolist()):
        image[:] = 0.0
        layer.add(image, x0=spec.x0, y0=spec.y0, edges=np.array(step))
        rates.append(float(image.sum(dtype=np.float64)))
    kind = _placed(layer)[0]
    label = {STARS: "stars that trail", GALAXIES: "galaxies that trail"}.get(kind, kind)
    return Curve(
        kind, label, edges, np.array(rates), isinstance(layer, LightCurveLayer | DispersedCurveLayer)
    )


def _mean_light(layers: tuple[Any, ...], spec: ExposureSpec) -> NDArray[np.float32] | None:
    """Return the mean light of varying layers during an exposure, (ny, nx)."""
    if not layers:
        return None
    image = np.zeros((1, spec.ny, spec.nx), np.float32)
    for layer in layers:
        layer.add(image, x0=spec.x0, y0=spec.y0, edges=np.array([0.0, _seconds(spec)]))
    return image[0]
