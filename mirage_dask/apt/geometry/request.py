"""What one observation of the XML says about where the telescope points."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mirage_dask.apt.elements import Reader, child_text, local_name, parse_integer
from mirage_dask.apt.geometry.versions import NotKnown, Version
from mirage_dask.apt.records import Observation, Target

MAX_TILES = 10_000
"""Tiles of a mosaic; the largest one known has 156."""


@dataclass(frozen=True)
class Mosaic:
    """The tiles of an observation: a grid that is turned and spaced as the corners of the aperture say."""

    rows: int = 1
    columns: int = 1
    row_overlap: float = 0.0
    """Part of the height of the aperture that neighbouring rows share."""
    column_overlap: float = 0.0
    skew: tuple[float, float] = (0.0, 0.0)
    """Skew along x and y, degrees."""
    included: tuple[bool, ...] = (True,)
    """By the number of the tile, from 1."""
    order: str = ""
    """'DEFAULT', 'ROW_ORDER', …; empty in APT before 25.4.4, which had no other order than by rows."""


@dataclass(frozen=True)
class Request:
    """What decides the pointing of one observation."""

    observation: Observation
    target: Target
    template: Reader
    """The prime template."""
    parallels: tuple[Reader, ...]
    """Templates of coordinated parallels, as many as the observation has parallel sequences."""
    version: Version
    """Version of APT that wrote the proposal."""
    fiducial: str
    """Aperture of a fiducial point override; empty without one."""
    offset: tuple[float, float]
    """Special requirement Offset, arcsec."""
    mosaic: Mosaic
    visits: tuple[int, ...]
    """Numbers of the visits in the XML; empty where it lists none."""
    splitting_distance: float
    """Special requirement SplittingDistance, arcsec; NaN without one."""

    @property
    def name(self) -> str:
        """Name of the prime template."""
        return self.observation.template


def observation_elements(root: Any) -> Iterator[tuple[int, Any]]:
    """Yield (number, element) of the observations of a proposal."""
    requests = root.find("{*}DataRequests")
    for element in () if requests is None else requests.iterfind(".//{*}Observation"):
        if local_name(element.getparent()) in ("DataRequests", "ObservationGroup"):
            yield parse_integer(child_text(element, "Number")) or 0, element


def read_request(element: Any, observation: Observation, target: Target | None, version: Version) -> Request:
    """Read the element of one observation.

    Raises
    ------
    NotKnown
        If it has no target or template, or asks for something whose effect on the pointing is not known.
    """
    if target is None:
        raise NotKnown("its target is not in the proposal's list")
    holders = [element.find("{*}Template")]
    holders += [e for e in element.iterchildren("{*}*") if local_name(e).endswith("CoordinatedTemplate")]
    templates = [Reader(h[0], "", []) for h in holders if h is not None and len(h)]
    if not templates:
        raise NotKnown("it has no template")
    requirements = element.find("{*}SpecialRequirements")
    offset = None if requirements is None else requirements.find("{*}Offset")
    visits = [parse_integer(v.get("Number") or "") for v in element.iterfind("{*}Visit")]
    return Request(
        observation=observation,
        target=target,
        template=templates[0],
        parallels=tuple(templates[1 : 1 + len(observation.parallels)]),
        version=version,
        fiducial=child_text(requirements, "FiducialPointOverride").upper(),
        offset=(0.0, 0.0) if offset is None else (_number(offset, "Xvalue"), _number(offset, "Yvalue")),
        mosaic=_mosaic(element.find("{*}MosaicParameters")),
        visits=tuple(v for v in visits if v),
        splitting_distance=_leading(child_text(requirements, "SplittingDistance")),
    )


def _number(element: Any, name: str) -> float:
    text = element.get(name) or "0"
    value = _leading(text)
    if math.isnan(value):
        raise NotKnown(f"{local_name(element)} {name} is {text!r}, which is not a number")
    return value


def _leading(text: str) -> float:
    """Return the number that a text like '255.0 Arcsec' begins with; NaN without one."""
    try:
        value = float(text.split()[0])
    except (ValueError, IndexError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def _mosaic(element: Any) -> Mosaic:
    if element is None:
        return Mosaic()
    tiles = list(element.iterfind("{*}MosaicTiles"))
    if len(tiles) > MAX_TILES:
        raise NotKnown(f"its mosaic has {len(tiles)} tiles, more than {MAX_TILES}")
    values = {
        name: _leading(child_text(element, name, "0"))
        for name in (
            "Rows",
            "Columns",
            "RowOverlapPercent",
            "ColumnOverlapPercent",
            "SkewDegreesX",
            "SkewDegreesY",
        )
    }
    wrong = [name for name, value in values.items() if math.isnan(value)]
    rows, columns = (max(int(values[name]), 1) if name not in wrong else 1 for name in ("Rows", "Columns"))
    if rows * columns > MAX_TILES:
        raise NotKnown(f"its mosaic has {rows} x {columns} tiles, more than {MAX_TILES}")
    states = {parse_integer(t.get("TileNumber") or "") or 0: child_text(t, "TileState") for t in tiles}
    numbers = range(1, rows * columns + 1)
    numbered = rows * columns == 1 or sorted(states) == list(numbers)
    if wrong or not numbered or len(tiles) not in (0, rows * columns):
        raise NotKnown(f"its mosaic is not valid ({', '.join(wrong) or 'numbers of tiles'})")
    return Mosaic(
        rows=rows,
        columns=columns,
        row_overlap=values["RowOverlapPercent"] / 100.0,
        column_overlap=values["ColumnOverlapPercent"] / 100.0,
        skew=(values["SkewDegreesX"], values["SkewDegreesY"]),
        included=tuple(states.get(n, "Tile Included") == "Tile Included" for n in numbers),
        order=child_text(element, "MosaicTileOrder"),
    )
