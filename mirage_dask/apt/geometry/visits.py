"""Which exposures belong to which visit of an observation.

APT begins a new visit where an exposure would be further than the splitting distance from any other one of the visit: the
exposures are walked through in their order. The distance depends on how many guide stars there are, which the XML does
not say; but it says how many visits there are. A division into so many visits is used if it is the only one: for every
distance that gives that number, or, if there are several, for the distances that all reports have in common.

In the reports no visit at fine guiding is wider than 50.0 arcsec and none is divided below 53.9; at coarse guiding these
are 163.2 and 212.6. Up to 31.8 arcsec no observation of any kind is divided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mirage_dask.apt.geometry.versions import NotKnown
from mirage_dask.pointing.attitude import Floats

Place = tuple[float, float]

UNDIVIDED = 31.9
"""Arcsec; observations of which no two exposures are further apart have one visit."""
USUAL = ((50.0, 53.9), (163.2, 212.6))
"""Arcsec: ranges in which the splitting distances at fine and at coarse guiding are, as seen in reports."""
_FEW = 100
"""Positions up to which all their separations are tried as splitting distances; of more, a grid of distances."""
_GRID = np.geomspace(20.0, 400.0, 48)


def divide(places: Sequence[Place], distance: float, most: int | None = None) -> tuple[int, ...]:
    """Return the number of the visit of each exposure, from 0, for a splitting distance.

    Parameters
    ----------
    places
        V2 and V3 of the exposures in their order, arcsec.
    distance
        Largest separation of two exposures of a visit, arcsec.
    most
        Stop at more visits than that, and return nothing.
    """
    points = np.asarray(places, dtype=float).reshape(-1, 2)
    found: list[int] = []
    begin = visit = 0
    for n, point in enumerate(points):
        members: Floats = points[begin:n]
        if np.any(np.hypot(*(members - point).T) > distance):
            begin, visit = n, visit + 1
            if most is not None and visit >= most:
                return ()
        found.append(visit)
    return tuple(found)


def visits_of(places: Sequence[Place], numbers: Sequence[int]) -> list[int]:
    """Return the number of the visit of each exposure.

    Parameters
    ----------
    places
        As in `divide`.
    numbers
        Numbers of the visits in the XML; empty where it lists none.

    Raises
    ------
    NotKnown
        If several divisions fit, or none.
    """
    if len(numbers) == 1:
        return [numbers[0]] * len(places)
    # Exposures at one position in a row never part; a visit is decided by the first.
    firsts = [n for n, place in enumerate(places) if n == 0 or place != places[n - 1]]
    distinct = [places[n] for n in firsts]
    if not numbers:
        if divide(distinct, UNDIVIDED, most=1) == ():
            raise NotKnown("into which visits APT divides it is not known, for the XML lists no visits")
        return [1] * len(places)
    fitting = set(_divisions(distinct, len(numbers)))
    if len(fitting) > 1:
        fitting = {division for division in fitting if _usual(distinct, division)}
    if len(fitting) != 1:
        how = "in several ways" if fitting else "in no way that is known"
        raise NotKnown(f"its exposures can be divided into {len(numbers)} visits {how}")
    (division,) = fitting
    counts = np.diff([*firsts, len(places)])
    return [numbers[visit] for visit, count in zip(division, counts, strict=True) for _ in range(int(count))]


def _divisions(places: Sequence[Place], count: int) -> Iterator[tuple[int, ...]]:
    """Yield the divisions into a number of visits, each for some splitting distance."""
    for distance in _distances(places):
        division = divide(places, distance, most=count)
        if division and division[-1] + 1 == count:
            yield division


def _usual(places: Sequence[Place], division: tuple[int, ...]) -> bool:
    """Return whether a division is that of both ends of a usual range of splitting distances."""
    return any(all(divide(places, distance) == division for distance in ends) for ends in USUAL)


def _distances(places: Sequence[Place]) -> Sequence[float]:
    """Return splitting distances between all separations of exposures that differ, arcsec; of many exposures a grid."""
    points = np.asarray(list(dict.fromkeys(places)), dtype=float)
    if len(points) > _FEW:
        return [*(distance for ends in USUAL for distance in ends), *_GRID]
    separations = np.hypot(*(points[:, np.newaxis] - points).T)
    found = np.unique(np.round(separations, 1))
    return list((found + np.append(found[1:], 2.0 * found[-1] + 1.0)) / 2.0)
