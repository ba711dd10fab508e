"""A step: one exposure of the prime instrument within a tile, and what the readers of templates share to list them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mirage_dask.apt.elements import leading_number
from mirage_dask.apt.geometry.patterns import Points, find_pattern
from mirage_dask.apt.geometry.request import Request
from mirage_dask.apt.geometry.versions import NotKnown, holds, shown
from mirage_dask.apt.records import SCIENCE
from mirage_dask.instruments.tables import read_table

NO_OFFSET = (0.0, 0.0)
ONE_POINT: Points = (NO_OFFSET,)


@dataclass(frozen=True)
class Step:
    """One exposure of the prime instrument in one tile."""

    specification: int
    """Number of its specification, from 1; 0: a target acquisition."""
    dither: int
    """Number of its dither point, from 1; 0: a target acquisition."""
    aperture: str
    x: float
    """Dither, arcsec, in the ideal frame of the aperture."""
    y: float
    type: str = SCIENCE
    level: str = "DITHER"
    """Why the telescope moves to it from the point before: 'DITHER' or 'SUBDITHER'."""
    base: tuple[float, float] = NO_OFFSET
    """Offset of the aperture's reference point that the template makes, arcsec."""
    offset: bool = True
    """Whether the special requirement Offset applies; it does not to images of a target acquisition."""


def pointed(request: Request, use: str, instrument: str, **words: str) -> str:
    """Return the aperture that APT points with: that of a fiducial point override, else of `data/pointing_apertures.ecsv`.

    Parameters
    ----------
    use
        Words of the table, such as 'imaging FULL ALL'.
    **words
        `filter` and `grism`, for names that hold them.

    Raises
    ------
    NotKnown
        If the table has no such use, or has it for other versions of APT.
    """
    return request.fiducial or aperture_for(request, use, instrument, **words)


def aperture_for(request: Request, use: str, instrument: str, **words: str) -> str:
    """Return the aperture of the table, whether or not there is a fiducial point override."""
    rows = [r for r in read_table("pointing_apertures") if (r["instrument"], r["use"]) == (instrument, use)]
    for row in rows:
        if holds(request.version, row["since"], row["until"]):
            return row["aperture"].format(**words)
    if not rows:
        raise NotKnown(f"which aperture APT points with for {instrument} {use} is not known")
    raise NotKnown(
        f"which aperture APT points with for {instrument} {use} is known for other versions only, not for "
        f"{shown(request.version)}"
    )


def pattern(request: Request, name: str, count: int, *, instrument: str = "") -> Points:
    """Return the points of a dither pattern of the prime instrument for the proposal's version of APT."""
    return find_pattern(instrument or request.observation.instrument, name, count, request.version)


def counted_pattern(request: Request, name: str, count: str) -> Points:
    """Return the points of a pattern whose number APT writes with a word, such as '2TIGHTGAPS'; one point for none."""
    number = leading_number(count)
    if name in ("", "NONE") or (number == 1 and count in ("", "1", "NONE")):
        return ONE_POINT
    if count.isdigit():
        return pattern(request, name, number)
    return pattern(request, f"{name} {count}", number)


def combined(primary: Points, secondary: Points) -> list[tuple[float, float, str]]:
    """Return (x, y, level) of all subpixel points at each primary one."""
    return [
        (x + dx, y + dy, "DITHER" if n == 0 else "SUBDITHER")
        for x, y in primary
        for n, (dx, dy) in enumerate(secondary)
    ]


def plain(points: Iterable[tuple[float, float]], *, small: bool = False) -> list[tuple[float, float, str]]:
    """Return (x, y, level) of points that are all primary ones or, if `small`, all subpixel ones."""
    return [(x, y, "SUBDITHER" if small else "DITHER") for x, y in points]


def dithered(
    number: int,
    aperture: str,
    points: Iterable[tuple[float, float, str]],
    *,
    kind: str = SCIENCE,
    repeats: int = 1,
    base: tuple[float, float] = NO_OFFSET,
) -> Iterator[Step]:
    """Yield the exposures of one specification: every dither point, each as often as it is repeated."""
    for dither, (x, y, level) in enumerate(points, start=1):
        for _ in range(repeats):
            yield Step(number, dither, aperture, x, y, kind, level, base)


def acquisitions(aperture: str, points: Points = ONE_POINT) -> Iterator[Step]:
    """Yield the exposures of a target acquisition."""
    for x, y in points:
        yield Step(0, 0, aperture, x, y, "T_ACQ", "TARGET", offset=False)


def without_acquisition_target(request: Request, *names: str) -> bool:
    """Return whether a template has no target acquisition.

    Raises
    ------
    NotKnown
        If it is done on another target.
    """
    text = next((t for name in names if (t := request.template.text(name))), "NONE")
    if text.upper() == "NONE":
        return True
    if (
        text.upper() != "SAME TARGET AS OBSERVATION"
        and text != f"{request.target.number} {request.target.name}"
    ):
        raise NotKnown(f"the pointing of a target acquisition on another target ({text}) is not known")
    return False
