"""Where the telescope looked in an exposure, by the keywords of its file.

The attitude is that of the file's own WCS, RA_REF, DEC_REF, ROLL_REF at V2_REF and V3_REF, so that simulated pixels lie
where those of the file do; RA_V1, DEC_V1 and PA_V3 where these are missing. In a file that `export` wrote, the keywords
MD… have the pointing to the last digit.

Of an exposure that followed a moving target these keywords, but for MD…, are those of its middle, as MT_RA and MT_DEC are,
and the exposure table has the pointing of the start. The telescope is turned back by the smallest rotation that takes the
target from where it was in the middle to where it was at the start: by the table MOVING_TARGET_POSITION of the file, or by
the track that the user gives.

NOT read: pointing by pointing, which the archive has in its engineering data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mirage_dask.apt.support import no_track
from mirage_dask.apt.table import NON_SIDEREAL, sky_values
from mirage_dask.errors import InputError
from mirage_dask.executed.headers import Keywords, number_of
from mirage_dask.pointing import (
    Track,
    aperture,
    attitude_matrix,
    following,
    pa_v3_at,
    pointed_attitude,
    radec_to_unit,
    track_from_text,
    unit_to_radec,
    unit_to_v2v3,
)

REFERENCE = ("RA_REF", "DEC_REF", "ROLL_REF", "V2_REF", "V3_REF")
BORESIGHT = ("RA_V1", "DEC_V1", "PA_V3")
_PLANNED = ("MDRA", "MDDEC", "MDV2", "MDV3", "MDPAV3")
"""Keywords of our own exports, see `mirage_dask.fits.provenance`."""

Row = dict[str, Any]


def pointing_of(keywords: Keywords, row: Row) -> Any:
    """Fill in where the telescope looked and return its attitude; None where the header does not say.

    Of a moving target without a table of its track it is the attitude in the middle of the exposure: see `at_start`.

    Parameters
    ----------
    keywords
        What `mirage_dask.executed.read_keywords` returned.
    row
        The row of the exposure, with names, times and readout.
    """
    planned = [number_of(keywords, key) for key in _PLANNED]
    if all(map(math.isfinite, planned)):
        ra, dec, v2, v3, pa_v3 = planned
        row |= {"ra_pointing": ra, "dec_pointing": dec, "v2": v2, "v3": v3, "pa_v3": pa_v3}
        return attitude_matrix(ra, dec, v2, v3, pa_v3)
    reference = [number_of(keywords, key) for key in REFERENCE]
    boresight = [number_of(keywords, key) for key in BORESIGHT]
    if all(map(math.isfinite, reference)):
        ra, dec, roll, v2, v3 = reference
        attitude = pointed_attitude(ra, dec, v2, v3, roll)
    elif all(map(math.isfinite, boresight)):
        ra, dec, roll = boresight
        attitude = attitude_matrix(ra, dec, 0.0, 0.0, roll)
    else:
        return None
    target = number_of(keywords, "TARG_RA"), number_of(keywords, "TARG_DEC")
    if not all(map(math.isfinite, target)):
        ra_v1, dec_v1 = unit_to_radec(attitude[:1])
        target = float(ra_v1[0]), float(dec_v1[0])
    if row["tracking"] == NON_SIDEREAL and not track_missing(row):
        attitude, target = _turned_back(attitude, row, track_from_text(row["track"], row["target"]))
    row |= _pointed(attitude, *target)
    for key, value in zip(("target_ra", "target_dec"), target, strict=True):
        if not math.isfinite(row[key]):
            row[key] = value
    return attitude


def track_missing(row: Mapping[str, Any]) -> str:
    """Return why the exposure of a moving target cannot be simulated for want of a track; empty if its file has one."""
    if not row["track"]:
        return f"{no_track(row['target'])}; or give the raw file (uncal), which has the track in a table"
    try:
        track = track_from_text(row["track"], row["target"])
        for when in _ends(row):
            track.position(when)
    except InputError as error:
        why = " ".join(error.problems).partition("; ")[0]
        return f"the table MOVING_TARGET_POSITION of its file does not cover it: {why}; {no_track(row['target'])}"
    return ""


def at_start(row: Mapping[str, Any], track: Track) -> Row:
    """Return a row whose pointing is that of the middle of its exposure, with that of the start.

    Parameters
    ----------
    row
        Of a moving target.
    track
        Of the target.

    Raises
    ------
    InputError
        If the exposure goes beyond the track.
    """
    attitude = attitude_matrix(row["ra_pointing"], row["dec_pointing"], row["v2"], row["v3"], row["pa_v3"])
    attitude, target = _turned_back(attitude, row, track)
    place = aperture(str(row["aperture"]))
    return {**row, **_pointed(attitude, *target), **sky_values(attitude, place)}


def _turned_back(attitude: Any, row: Mapping[str, Any], track: Track) -> tuple[Any, tuple[float, float]]:
    """Return attitude and position of the target at the start of an exposure, from the attitude in its middle."""
    start, end = _ends(row)
    places = track.position(start), track.position(start + (end - start) / 2)
    first, middle = (radec_to_unit(*place)[0] for place in places)
    return following(attitude, middle, first), places[0]


def _ends(row: Mapping[str, Any]) -> tuple[datetime, datetime]:
    start = datetime.fromisoformat(row["start_time"])
    return start, start + timedelta(seconds=row["duration"])


def _pointed(attitude: Any, ra: float, dec: float) -> Row:
    """Return where a target is under an attitude."""
    v2, v3 = (float(angle[0]) for angle in unit_to_v2v3(radec_to_unit(ra, dec) @ attitude.T))
    return {
        "ra_pointing": ra,
        "dec_pointing": dec,
        "v2": v2,
        "v3": v3,
        "pa_v3": pa_v3_at(attitude, ra, dec, v2, v3),
    }
