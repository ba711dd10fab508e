"""An index of exposures as a GeoJSON FeatureCollection of STAC items (version 1.0.0): one for each outline on the sky.

What reads GeoJSON (geopandas, QGIS) or STAC (pystac, stac-geoparquet) then finds exposures by place, time, filter or target.
Longitude is right ascension, from -180 to 180 degrees, and latitude declination, ICRS: the sphere is the sky, not the Earth.
An outline across the longitude of 180 degrees is cut there into two polygons, as RFC 7946 (3.1.9) asks. Sides are straight
in longitude and latitude; an outline around a pole, which has none such, has no geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

VERSION = "1.0.0"
PROPERTIES = (
    *(
        "program",
        "observation",
        "visit",
        "exposure",
        "dither",
        "target",
        "mode",
        "instrument",
        "detector",
        "aperture",
    ),
    *("subarray", "filter", "pupil", "readpatt", "ngroup", "nint", "exptime", "pa_v3", "status"),
)
"""Columns of the exposure table that items have, where the table has them."""
_COORDINATES = 9
"""Decimals of degrees."""
_NO_TIME = "1970-01-01T00:00:00Z"

Ring = list[list[float]]


def stac_items(table: pd.DataFrame, corners: NDArray[np.float64], *, store: str = "") -> dict[str, Any]:
    """Return the index of the rows of an exposure table.

    Parameters
    ----------
    table
        With the columns name and start_time; those of `PROPERTIES` are taken over.
    corners : (row, corner, 2)
        ICRS ra and dec of each row, degrees.
    store
        URL of the simulation that holds the exposures: each then has its group there as an asset.

    Returns
    -------
    dict
        Ready for JSON.
    """
    columns = [name for name in PROPERTIES if name in table.columns]
    rows = table[["name", "start_time", *columns]].to_dict("records")
    return {
        "type": "FeatureCollection",
        "features": [_item(row, outline, columns, store) for row, outline in zip(rows, corners, strict=True)],
    }


def _item(
    row: dict[str, Any], outline: NDArray[np.float64], columns: Sequence[str], store: str
) -> dict[str, Any]:
    name, start = str(row["name"]), str(row["start_time"] or "")
    rings = rings_of(outline)
    properties = {key: value for key in columns if (value := _plain(row[key])) is not None}
    when = f"{start.removesuffix('Z')}Z" if start else None
    times = (
        {"datetime": when}
        if when
        else {"datetime": None, "start_datetime": _NO_TIME, "end_datetime": _NO_TIME}
    )
    group = {
        "href": f"{store.rstrip('/')}/{name}",
        "type": "application/vnd+zarr",
        "roles": ["data"],
        "title": "raw",
    }
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": name,
        "geometry": _geometry(rings),
        "properties": times | properties,
        "links": [],
        "assets": {"raw": group} if store else {},
    }
    if rings:
        item["bbox"] = _box(rings)
    return item


def rings_of(outline: NDArray[np.float64]) -> list[Ring]:
    """Return a polygon as closed rings in longitude and latitude: one, two across 180 degrees, none around a pole.

    Parameters
    ----------
    outline : (corner, 2)
        ra and dec, degrees.
    """
    longitude = np.rad2deg(np.unwrap(np.deg2rad(outline[:, 0])))
    turn = longitude[0] - longitude[-1]
    if abs((turn + 180.0) % 360.0 - 180.0 - turn) > 1.0:  # the last side closes a full circle
        return []
    longitude -= 360.0 * np.round(longitude.mean() / 360.0)
    points = np.column_stack([longitude, outline[:, 1]])
    if longitude.max() <= 180.0 and longitude.min() >= -180.0:
        return [_closed(points)]
    edge = 180.0 if longitude.max() > 180.0 else -180.0
    inside, beyond = _cut(points, edge, keep=-np.sign(edge)), _cut(points, edge, keep=np.sign(edge))
    beyond[:, 0] -= 2 * edge
    return [_closed(inside), _closed(beyond)]


def _cut(points: NDArray[np.float64], edge: float, *, keep: float) -> NDArray[np.float64]:
    """Return the part of a convex polygon on one side of a meridian (Sutherland and Hodgman 1974)."""
    found: list[NDArray[np.float64]] = []
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        from_edge, to_edge = keep * (a[0] - edge), keep * (b[0] - edge)
        if from_edge >= 0:
            found.append(a)
        if from_edge * to_edge < 0:
            found.append(a + (b - a) * from_edge / (from_edge - to_edge))
    return np.array(found)


def _closed(points: NDArray[np.float64]) -> Ring:
    """Return a ring that ends where it begins, counterclockwise as RFC 7946 asks."""
    x, y = points.T
    if np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) < 0:
        points = points[::-1]
    ring = np.round(np.vstack([points, points[:1]]), _COORDINATES)
    return [[float(x), float(y)] for x, y in ring]


def _geometry(rings: list[Ring]) -> dict[str, Any] | None:
    if not rings:
        return None
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings}
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def _box(rings: list[Ring]) -> list[float]:
    """Return west, south, east, north; west is larger than east across 180 degrees (RFC 7946, 5.2)."""
    points = np.array([point for ring in rings for point in ring])
    south, north = float(points[:, 1].min()), float(points[:, 1].max())
    if len(rings) == 1:
        return [float(points[:, 0].min()), south, float(points[:, 0].max()), north]
    east = [x for ring in rings for x, _ in ring if x < 0]
    west = [x for ring in rings for x, _ in ring if x > 0]
    return [min(west), south, max(east), north]


def _plain(value: Any) -> Any:
    """Return a value for JSON; None for what is not known."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not np.isfinite(plain):
        return None
    return plain if isinstance(plain, str | int | float | bool) and plain != "" else None
