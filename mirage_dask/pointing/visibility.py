"""When and at which roll JWST can observe a position: the angle from the Sun, the field of regard, the allowed PA_V3.

*The Sun* is seen from the Earth's centre by the low-precision formula of the Astronomical Almanac (section C), with n days
since 2000-01-01 12:00 UTC, in degrees and astronomical units:

    g = 357.528 + 0.9856003 n
    l = 280.460 + 0.9856474 n + 1.915 sin g + 0.020 sin 2g - 3.82394e-5 n
    R = 1.00014 - 0.01671 cos g - 0.00014 cos 2g

The last term of l removes the precession since J2000 (5029 arcsec a century), so that with the obliquity of J2000 the
position is ICRS: within 0.011 degrees of astropy's `get_sun` from 2022 to 2034.

*The field of regard* is the ring 85 to 135 degrees from the Sun (JDox, "JWST Target Observability and Observatory
Coordinate System"). In it V3 points away from the Sun as seen at the target: the *nominal* PA_V3 is the position angle of
the Sun + 180.

*The roll* off nominal is limited so that the telescope stays in the shade. With the pitch p = 90 - sun angle, the pitch s of
the Sun in the frame of the rolled observatory, and the roll r about the direction of the Sun, in degrees,

    sin s = sin p / cos r,   r = 5.2 - 1.7 max(0, s - 2.5) / 2.7 - 0.1,   sin(max_roll) = sin r / cos p

as in STScI's visibility tool (`allowed_max_vehicle_roll` in https://github.com/spacetelescope/jwst_gtvt): 3.5 degrees
at 85 from the Sun, 5.1 at 90, 7.2 at 135. Outside the field of regard the roll is that of its edge.

NOT modelled: JWST's orbit about L2, which moves the Sun by up to 0.31 degrees (median 0.24; JPL Horizons, 2022 to 2025); the
offset of a detector from the boresight V1 (up to 0.2 degrees); keep-out zones of planets and micrometeoroids; guide stars.
`roll_warning` leaves `SLACK` for the first two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from mirage_dask.pointing.attitude import Floats, radec_to_unit, unit_to_radec

MIN_SUN_ANGLE, MAX_SUN_ANGLE = 85.0, 135.0
"""Degrees from the Sun: the field of regard."""
SLACK = 0.5
"""Degrees by which a limit may be exceeded without a warning: the orbit about L2 and the offset from V1."""
OBLIQUITY = 23.4393
"""Degrees, J2000."""
_EPOCH = datetime(2000, 1, 1, 12)
_YEAR = 366  # days that are searched for a better date


@dataclass(frozen=True)
class Visibility:
    """A position relative to the Sun at a time; all angles in degrees."""

    sun_angle: float
    """Angle from the Sun, 0 to 180."""
    pa_v3: float
    """Nominal position angle of the V3 axis, in [0, 360)."""
    max_roll: float
    """Largest allowed roll either side of nominal; outside the field of regard that of its edge."""
    longitude: float
    """Ecliptic longitude minus the Sun's, in [-180, 180)."""
    latitude: float
    """Ecliptic latitude."""
    sun_distance: float
    """Distance of the Sun from the Earth, astronomical units."""

    @property
    def observable(self) -> bool:
        """True if the position is in the field of regard."""
        return MIN_SUN_ANGLE <= self.sun_angle <= MAX_SUN_ANGLE

    @property
    def pa_v3_range(self) -> tuple[float, float]:
        """Lowest and highest PA_V3 in [0, 360); the first is larger if the range includes north."""
        return (self.pa_v3 - self.max_roll) % 360.0, (self.pa_v3 + self.max_roll) % 360.0

    def allows(self, pa_v3: float, *, slack: float = 0.0) -> bool:
        """Return whether the position can be observed at this PA_V3, degrees; limits may be exceeded by `slack`."""
        return bool(_allows(self.sun_angle, self.pa_v3, self.max_roll, pa_v3, slack))


def sun_position(when: datetime) -> tuple[float, float]:
    """Return the Sun's right ascension in [0, 360) and declination, ICRS degrees, seen from the Earth's centre.

    Parameters
    ----------
    when
        UTC if it has no time zone.
    """
    ra, dec = unit_to_radec(_sun(_days(when))[0])
    return float(ra[0]), float(dec[0])


@lru_cache(maxsize=1024)  # warning, background and header of an exposure ask for the same
def visibility_at(ra: float, dec: float, when: datetime) -> Visibility:
    """Return the visibility of a position at a time.

    Parameters
    ----------
    ra, dec
        Target, ICRS degrees.
    when
        UTC if it has no time zone.
    """
    days = _days(when)
    sun_angle, pa_v3, max_roll = _limits(ra, dec, days)
    _, sun_longitude, distance = _sun(days)
    x, y, z = radec_to_unit(ra, dec)[0]
    c, s = np.cos(np.radians(OBLIQUITY)), np.sin(np.radians(OBLIQUITY))
    longitude = np.degrees(np.arctan2(c * y + s * z, x)) - sun_longitude[0]
    return Visibility(
        sun_angle=float(sun_angle[0]),
        pa_v3=float(pa_v3[0]),
        max_roll=float(max_roll[0]),
        longitude=float((longitude + 180.0) % 360.0 - 180.0),
        latitude=float(np.degrees(np.arcsin(np.clip(c * z - s * y, -1.0, 1.0)))),
        sun_distance=float(distance[0]),
    )


def next_observable(
    ra: float, dec: float, when: datetime, *, pa_v3: float | None = None
) -> tuple[datetime, datetime] | None:
    """Return the first and last day of the next period in which a position can be observed.

    Parameters
    ----------
    ra, dec
        Target, ICRS degrees.
    when
        First day of the search; UTC if it has no time zone.
    pa_v3
        Position angle that must be allowed, degrees; None: any.

    Returns
    -------
    tuple of datetime, or None
        Days at the time of day of `when`; None if there is none within 366 days. Longer periods are cut there.
    """
    limits = _limits(ra, dec, _days(when) + np.arange(_YEAR))
    good = _allows(*limits, limits[1] if pa_v3 is None else pa_v3, 0.0)
    if not good.any():
        return None
    first = int(np.argmax(good))
    after = np.flatnonzero(~good[first:])
    last = first + int(after[0]) - 1 if len(after) else _YEAR - 1
    return when + timedelta(days=first), when + timedelta(days=last)


def possible_pointing(
    places: Sequence[tuple[float, float]], when: datetime, *, after: Sequence[float] = ()
) -> tuple[datetime, float] | None:
    """Return a day and a PA_V3 at which JWST can observe all of some positions: the middle of the first such period.

    Parameters
    ----------
    places
        Right ascension and declination of each, ICRS degrees.
    when
        First day of the search; UTC if it has no time zone.
    after
        How long after the day each is observed, days; default all on the day.

    Returns
    -------
    (datetime, float), or None
        The day, and the PA_V3 in degrees, to a tenth; None if there is none within 366 days.
    """
    first, each = _days(when) + np.arange(_YEAR), after or [0.0] * len(places)
    limits = [_limits(ra, dec, first + later) for (ra, dec), later in zip(places, each, strict=True)]
    _, nominal, _ = _limits(*places[0], first + 0.5 * max(each))  # of what lasts for days, half-way
    roll = np.round(nominal, 1) % 360.0
    good = np.all([_allows(*limit, roll, 0.0) for limit in limits], axis=0)
    if not good.any():
        return None
    begin = int(np.argmax(good))
    over = np.flatnonzero(~good[begin:])
    middle = begin + ((int(over[0]) if len(over) else _YEAR - begin) - 1) // 2
    return when + timedelta(days=middle), float(roll[middle])


def date_warning(ra: float, dec: float, when: datetime) -> str:
    """Return a warning with the next window if a position is outside the field of regard; else an empty string.

    The limits may be exceeded by `SLACK`, the accuracy to which they are known here.

    Parameters
    ----------
    ra, dec
        Target, ICRS degrees.
    when
        UTC if it has no time zone.
    """
    sun_angle = visibility_at(ra, dec, when).sun_angle
    if MIN_SUN_ANGLE - SLACK <= sun_angle <= MAX_SUN_ANGLE + SLACK:
        return ""
    text = (
        f"On {when:%Y-%m-%d} the target at RA {ra:.4f}, Dec {dec:.4f} is {sun_angle:.1f} deg from the Sun, but JWST "
        f"observes at {MIN_SUN_ANGLE:.0f} to {MAX_SUN_ANGLE:.0f} deg"
    )
    window = next_observable(ra, dec, when)
    if window is None:
        return f"{text}."
    low, high = visibility_at(ra, dec, window[0]).pa_v3_range
    return f"{text}; next possible from {window[0]:%Y-%m-%d}, then at PA_V3 {low:.1f} to {high:.1f} deg."


def roll_warning(ra: float, dec: float, when: datetime, pa_v3: float) -> str:
    """Return a warning with the next window if JWST cannot observe a position at a time and PA_V3; else ''.

    The limits may be exceeded by `SLACK`.

    Parameters
    ----------
    ra, dec
        Target, ICRS degrees.
    when
        UTC if it has no time zone.
    pa_v3
        Position angle of the V3 axis, degrees.
    """
    if warning := date_warning(ra, dec, when):
        return warning
    now = visibility_at(ra, dec, when)
    if now.allows(pa_v3, slack=SLACK):
        return ""
    low, high = now.pa_v3_range
    text = (
        f"PA_V3 {pa_v3:.1f} deg is not possible on {when:%Y-%m-%d} at RA {ra:.4f}, Dec {dec:.4f}: allowed {low:.1f} to "
        f"{high:.1f} deg"
    )
    window = next_observable(ra, dec, when, pa_v3=pa_v3)
    if window is None:
        return f"{text}; it is not possible on any day of the following year."
    first, last = (f"{day:%Y-%m-%d}" for day in window)
    return f"{text}; it is possible {f'on {first}' if first == last else f'from {first} to {last}'}."


def _days(when: datetime) -> Floats:
    """Return days since 2000-01-01 12:00 UTC, shape (1,)."""
    when = when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)
    return np.array([(when - _EPOCH) / timedelta(days=1)])


def _sun(n: Floats) -> tuple[Floats, Floats, Floats]:
    """Return unit vectors (n, 3), ecliptic longitude of J2000 in degrees, and distance of the Sun."""
    g = np.radians(357.528 + 0.9856003 * n)
    longitude = 280.460 + 0.9856474 * n + 1.915 * np.sin(g) + 0.020 * np.sin(2 * g) - 3.82394e-5 * n
    distance = 1.00014 - 0.01671 * np.cos(g) - 0.00014 * np.cos(2 * g)
    x, y, tilt = np.cos(np.radians(longitude)), np.sin(np.radians(longitude)), np.radians(OBLIQUITY)
    return np.stack([x, y * np.cos(tilt), y * np.sin(tilt)], axis=-1), longitude, distance


def _limits(ra: float, dec: float, n: Floats) -> tuple[Floats, Floats, Floats]:
    """Return Sun angle, nominal PA_V3 and largest roll on each day."""
    sun = _sun(n)[0]
    target = radec_to_unit(ra, dec)[0]
    a, d = np.radians(ra), np.radians(dec)
    east = sun @ np.array([-np.sin(a), np.cos(a), 0.0])
    north = sun @ np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    sun_angle = np.degrees(np.arctan2(np.hypot(east, north), sun @ target))
    pa_v3 = np.degrees(np.arctan2(-east, -north)) % 360.0
    return sun_angle, np.where(pa_v3 == 360.0, 0.0, pa_v3), _max_roll(sun_angle)


def _max_roll(sun_angle: Floats) -> Floats:
    """Return the largest roll about V1 either side of nominal, degrees."""
    pitch = np.radians(90.0 - np.clip(sun_angle, MIN_SUN_ANGLE, MAX_SUN_ANGLE))
    roll = np.full_like(pitch, np.radians(5.1))
    for _ in range(4):  # converges to 1e-6 degrees
        sun_pitch = np.degrees(np.arcsin(np.sin(pitch) / np.cos(roll)))
        roll = np.radians(5.1 - 1.7 * np.maximum(0.0, sun_pitch - 2.5) / 2.7)
    return np.degrees(np.arcsin(np.sin(roll) / np.cos(pitch)))


def _allows(sun_angle: Any, nominal: Any, max_roll: Any, pa_v3: Any, slack: float) -> Any:
    """Return whether each position can be observed at a PA_V3."""
    inside = (sun_angle >= MIN_SUN_ANGLE - slack) & (sun_angle <= MAX_SUN_ANGLE + slack)
    off = np.abs((pa_v3 - nominal + 180.0) % 360.0 - 180.0)
    return inside & (off <= max_roll + slack)
