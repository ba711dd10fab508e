"""Names of exposures: ``jw<program><observation><visit>_<group><sequence><activity>_<exposure>_<detector>``.

There are two numberings. *mirage* (the default; scripts for Mirage expect it): visit group and activity are 01, and
exposures are counted for each observation, sequence and detector. Acquisitions for wavefront sensing, which Mirage
omits, are counted after all others, so that these keep their numbers. *mast*: as in the archive, the activity
advances with each exposure specification of a visit (base 36) and exposures are counted within it. The archive's visit
groups depend on how the observatory schedules a visit, which APT's files do not contain; science here is always in group
02.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mirage_dask.errors import InputError, nearest

NAMINGS = ("mirage", "mast")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ACTIVITIES = 36 * 36 - 1


@dataclass(frozen=True)
class Place:
    """Position of one detector exposure in its proposal."""

    program: int
    observation: int
    visit: int
    sequence: int
    """1 for prime, 2 and up for parallels."""
    specification: int
    """Number of the exposure specification, 0 for target acquisitions."""
    aperture: str
    """Aperture of the pointing report; empty for internal exposures."""
    suffix: str
    """Detector at the end of the name, 'nrcb5'."""


@dataclass(frozen=True)
class Name:
    """The numbers of an exposure and its root name."""

    root: str
    visit_group: int
    activity: str
    exposure: int


def base36(number: int) -> str:
    """Return a number as two digits of base 36, '0' to 'z'."""
    return _DIGITS[number // 36] + _DIGITS[number % 36]


def number_in_visit(visit_group: int, activity: str, exposure: int) -> int:
    """Return a number that no other exposure of a detector in the same visit has, from the numbers of its name.

    The archive counts exposures within an activity, so that its exposure numbers come again in a visit. With Mirage's
    numbering this is the exposure number itself.

    Parameters
    ----------
    visit_group, activity, exposure
        As in the name; `activity` in base 36.
    """
    before = (visit_group - 1) * 36 * 36 + int(activity, 36) - 1
    return before * 100_000 + exposure


def name_exposures(places: Iterable[Place], *, naming: str = "mirage") -> list[Name]:
    """Return unique names of detector exposures.

    Parameters
    ----------
    places
        In the order in which the exposures are taken.
    naming
        'mirage' or 'mast'.

    Raises
    ------
    InputError
        If `naming` is neither.
    """
    if naming not in NAMINGS:
        raise InputError(
            f"naming: {naming!r} is not one of {', '.join(NAMINGS)}{nearest(str(naming), NAMINGS) or '.'}"
        )
    return _mast(list(places)) if naming == "mast" else _mirage(list(places))


def _name(place: Place, group: int, activity: str, exposure: int) -> Name:
    root = (
        f"jw{place.program:05d}{place.observation:03d}{place.visit:03d}_{group:02d}{place.sequence}{activity}"
        f"_{exposure:05d}_{place.suffix}"
    )
    return Name(root, group, activity, exposure)


def _mirage(places: list[Place]) -> list[Name]:
    def left_out(place: Place) -> bool:
        return place.specification == 0 and "FP1_SUB64" in place.aperture

    counts: dict[tuple[int, int, str], int] = defaultdict(int)
    names: dict[int, Name] = {}
    for index in sorted(range(len(places)), key=lambda i: left_out(places[i])):
        place = places[index]
        key = (place.observation, place.sequence, place.suffix)
        counts[key] += 1
        names[index] = _name(place, 1, "01", counts[key])
    return [names[i] for i in range(len(places))]


def _mast(places: list[Place]) -> list[Name]:
    names = []
    activity: dict[tuple[int, int], int] = defaultdict(int)
    last: dict[tuple[int, int], int] = {}
    counts: dict[tuple[int, int, int, int, str], int] = defaultdict(int)
    for place in places:
        visit = (place.observation, place.visit)
        if last.get(visit) != place.specification:
            last[visit] = place.specification
            activity[visit] += 1
        number = activity[visit] - 1
        key = (*visit, place.sequence, number, place.suffix)
        counts[key] += 1
        group = 2 + number // _ACTIVITIES
        names.append(_name(place, group, base36(number % _ACTIVITIES + 1), counts[key]))
    return names
