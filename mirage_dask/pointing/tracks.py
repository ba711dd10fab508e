r"""Tracks of what moves: at a constant speed along a great circle, or through an ephemeris without its rounding.

*Constant speed.* With the unit vector u at the start and the tangent vector w towards the motion, speed omega,

.. math:: u(t) = u \cos \omega t + w \sin \omega t,

so that neither a pole nor right ascension 0 is special.

*Ephemeris.* Horizons rounds positions to 0.01 s in RA and 0.1 arcsec in Dec: a curve through rows of one minute would wander
by 3 pixels of NIRCam's short wavelengths, and its speed would change sign. So a polynomial (Chebyshev) is fitted to the unit
vectors by least squares, of the degree that Bayes' information criterion prefers (Schwarz 1978, Annals of Statistics 6,
461), over the largest part of the table around the time that is asked for in which its residual is no more than what the
rounding explains. Where there is none, the track goes through the rows (`Ephemeris.position`).

NOT modelled: the uncertainty of the orbit; light time and aberration beyond what the ephemeris has in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.polynomial import chebyshev

from mirage_dask.pointing.attitude import ARCSEC, Floats, north_and_east, radec_to_unit, unit_to_radec
from mirage_dask.pointing.ephemeris import Ephemeris, utc

HIGHEST_DEGREE = 12
FEWEST_ROWS = 8
"""Rows that a fit needs at least; and twice as many as it has coefficients."""
EXPLAINED = 1.2
"""A residual of up to so many times that of the rounding is explained by it."""
_HOUR = timedelta(hours=1)
_MARGIN = timedelta(seconds=1)


@dataclass(frozen=True)
class SteadyTrack:
    """A track at a constant speed along a great circle."""

    epoch: datetime
    """UTC."""
    ra: float
    """ICRS degrees at the epoch."""
    dec: float
    east: float
    """arcsec/hour on the sky at the epoch."""
    north: float

    def position(self, when: datetime) -> tuple[float, float]:
        """Return right ascension in [0, 360) and declination, ICRS degrees, at a time (UTC)."""
        hours = np.array([(utc(when) - utc(self.epoch)) / _HOUR])
        velocity = np.array([[self.east, self.north]])
        unit = great_circles(np.array([self.ra]), np.array([self.dec]), velocity, hours)[0]
        ra, dec = unit_to_radec(unit)
        return float(ra[0]), float(dec[0])


def great_circles(ra: Floats, dec: Floats, velocity: Floats, hours: Floats) -> Floats:
    """Return the places of sources that move at constant speeds along great circles.

    Parameters
    ----------
    ra, dec
        (n,) ICRS degrees at the start.
    velocity
        (n, 2) arcsec/hour on the sky towards east and north at the start.
    hours
        (T,) since the start.

    Returns
    -------
    (n, T, 3) ICRS unit vectors.
    """
    north, east = north_and_east(ra, dec)
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    still = np.where(speed > 0.0, speed, 1.0)[:, None]
    towards = (velocity[:, :1] * east + velocity[:, 1:] * north) / still
    angle = (speed[:, None] * ARCSEC * hours)[:, :, None]
    return np.asarray(radec_to_unit(ra, dec)[:, None] * np.cos(angle) + towards[:, None] * np.sin(angle))


@dataclass(frozen=True, eq=False)
class FittedTrack:
    """A polynomial through the rows of an ephemeris; made by `fit_ephemeris`."""

    ephemeris: Ephemeris
    first: datetime
    last: datetime
    """Where the polynomial holds; elsewhere the track goes through the rows."""
    coefficients: Floats = field(repr=False)
    """(degree + 1, 3) of Chebyshev polynomials, of the components of unit vectors."""

    def position(self, when: datetime) -> tuple[float, float]:
        """Return right ascension in [0, 360) and declination, ICRS degrees, at a time (UTC).

        Raises
        ------
        InputError
            If the time is outside the ephemeris.
        """
        when = self.ephemeris.covered(when)
        if not self.first <= when <= self.last:
            return self.ephemeris.position(when)
        at = 2.0 * ((when - self.first) / (self.last - self.first)) - 1.0
        ra, dec = unit_to_radec(np.asarray(chebyshev.chebval(at, self.coefficients)))
        return float(ra[0]), float(dec[0])


def track_text(times: Sequence[datetime], ra: Sequence[float], dec: Sequence[float]) -> str:
    """Return the text that keeps positions of a target in a table: 'time RA Dec; …', UTC and ICRS degrees."""
    rows = zip(times, ra, dec, strict=True)
    return "; ".join(f"{utc(t).isoformat()} {float(a)!r} {float(d)!r}" for t, a, d in rows)


def track_from_text(text: str, name: str) -> Ephemeris:
    """Return the track through the positions of a text of `track_text`.

    It goes on straight ahead for a second before the first position and after the last: times of files are rounded.

    Parameters
    ----------
    text, name
        The text, and the name of the target, which error messages begin with.

    Raises
    ------
    InputError
        If there are fewer than two positions, or they cannot be interpolated.
    """
    rows = [part.split() for part in text.split(";")]
    times = [datetime.fromisoformat(row[0]) for row in rows]
    ra, dec = [float(row[1]) for row in rows], [float(row[2]) for row in rows]
    inside = Ephemeris(name, tuple(times), tuple(ra), tuple(dec))
    units = radec_to_unit(ra, dec)
    for end, near in ((0, 1), (-1, -2)):
        step = abs(times[end] - times[near]) / _MARGIN
        (a,), (d,) = unit_to_radec(units[end] + (units[end] - units[near]) / step)
        beyond = times[end] + (_MARGIN if end else -_MARGIN)
        times.insert(0 if end == 0 else len(times), beyond)
        ra.insert(0 if end == 0 else len(ra), float(a))
        dec.insert(0 if end == 0 else len(dec), float(d))
    return replace(inside, times=tuple(times), ra=tuple(ra), dec=tuple(dec))


def fit_ephemeris(ephemeris: Ephemeris, start: datetime, stop: datetime) -> FittedTrack | Ephemeris:
    """Return the track of an ephemeris without the rounding of its rows.

    Parameters
    ----------
    ephemeris
        As read.
    start, stop
        Times between which the track is wanted, UTC; what is outside the table is left out.

    Returns
    -------
    FittedTrack, or the ephemeris itself where no polynomial fits.
    """
    times = ephemeris.times
    seconds = np.array([(t - times[0]).total_seconds() for t in times])
    wanted = [min(max((utc(t) - times[0]).total_seconds(), 0.0), seconds[-1]) for t in (start, stop)]
    units = radec_to_unit(ephemeris.ra, ephemeris.dec)
    low, high = 0, len(times)
    while high - low >= FEWEST_ROWS and seconds[low] <= wanted[0] and seconds[high - 1] >= wanted[1]:
        found = _fit(seconds[low:high], units[low:high], ephemeris.rounding)
        if found is not None:
            return FittedTrack(ephemeris, times[low], times[high - 1], found)
        middle = int(np.searchsorted(seconds, 0.5 * (wanted[0] + wanted[1])))
        half = (high - low) // 4
        low, high = max(middle - half, low), min(middle + half, high)
    return ephemeris


def _fit(seconds: Floats, units: Floats, rounding: float) -> Floats | None:
    """Return the coefficients of the best polynomial whose residual the rounding explains; None if there is none."""
    at = 2.0 * (seconds - seconds[0]) / (seconds[-1] - seconds[0]) - 1.0
    values = 2 * len(seconds)
    best, least, residual = None, math.inf, math.inf
    for degree in range(1, min(HIGHEST_DEGREE, len(seconds) // 2 - 1) + 1):
        found = chebyshev.chebfit(at, units, degree)
        away = np.asarray(chebyshev.chebval(at, found)).T - units
        squares = max(float((away**2).sum()), 1e-30)
        criterion = values * math.log(squares) + 2 * (degree + 1) * math.log(values)
        if criterion < least:
            best, least = np.asarray(found), criterion
            residual = math.sqrt(squares / (len(seconds) - degree - 1)) / ARCSEC
    return best if residual <= EXPLAINED * rounding else None
