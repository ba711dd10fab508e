"""Headers of an exposure that follows a moving target: where target and telescope are in the middle of the exposure.

Keywords of the pointing (RA_REF, DEC_REF, ROLL_REF, RA_V1, S_REGION, TARG_RA …) are those of the middle; the exposure table
has those of the start, as Mirage. MT_RA and MT_DEC (header of SCI) are the target then: the pipeline's step assign_mtwcs
shifts the sky of each exposure of an association by them. MU_RA and MU_DEC are the target's speed, RA as the change of the
coordinate. The table MOVING_TARGET_POSITION has the track from the start of the exposure to its end.

NOT written, because nothing here knows them: positions of target and observatory about the Sun, distances, phase angle and
light time; these columns of the table are NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.fits.times import exposure_times, start_time
from mirage_dask.pointing import aperture, footprint, reference_point, siaf_model, unit_to_radec
from mirage_dask.scene.tracking import PointingTrack
from mirage_dask.spec import ExposureSpec

YEAR = 365.25 * 86400.0
ROWS = 33
"""Rows of the table MOVING_TARGET_POSITION."""

_HELIO = [f"{body}_{axis}_helio" for body in ("mt_apparent", "jwst") for axis in "xyz"]
_UNKNOWN = [
    *_HELIO,
    *(f"mt_apparent_{axis}_jwst" for axis in "xyz"),
    *(
        "mt_apparent_jwst_distance",
        "mt_apparent_sun_distance",
        "apparent_phase_angle",
        "apparent_light_travel_time",
    ),
    *(f"mt_true_{axis}_helio" for axis in "xyz"),
    *(f"mt_true_{axis}_jwst" for axis in "xyz"),
]
TABLE_DTYPE = np.dtype(
    [
        ("time", "S23"),
        ("mt_sci_x", "f4"),
        ("mt_sci_y", "f4"),
        *((name, "f8") for name in ("ref_pixel_RA", "ref_pixel_Dec", "mt_apparent_RA", "mt_apparent_Dec")),
        *((name, "f8") for name in _UNKNOWN),
        ("mt_v2", "f8"),
        ("mt_v3", "f8"),
    ]
)
"""The columns of the pipeline's schema `moving_target`."""


def at_middle(
    row: Mapping[str, Any], spec: ExposureSpec, motion: PointingTrack
) -> tuple[dict[str, Any], ExposureSpec]:
    """Return the row and the specification of an exposure with the pointing in its middle.

    Parameters
    ----------
    row
        The exposure's row of the exposure table, with the pointing at the start.
    spec, motion
        The exposure.
    """
    seconds = _since_first(spec, exposure_times(spec).duration / 2)
    attitude = motion.attitude(np.array(spec.attitude), seconds)
    place = aperture(str(row["aperture"]))
    ra_ref, dec_ref, roll_ref = reference_point(attitude, place)
    ra, dec = _radec(motion, seconds)
    moved = {
        **{
            "ra_ref": ra_ref,
            "dec_ref": dec_ref,
            "roll_ref": roll_ref,
            "s_region": footprint(attitude, place),
        },
        **dict.fromkeys(("ra_pointing", "target_ra"), ra),
        **dict.fromkeys(("dec_pointing", "target_dec"), dec),
    }
    return {**row, **moved}, replace(spec, attitude=tuple(float(v) for v in attitude.ravel()))


def moving_keywords(spec: ExposureSpec, motion: PointingTrack) -> dict[str, Any]:
    """Return {data model path: value} of what a moving target has besides.

    Parameters
    ----------
    spec, motion
        The exposure.
    """
    middle = _since_first(spec, exposure_times(spec).duration / 2)
    ra, dec = _radec(motion, middle)
    step = 0.25 * exposure_times(spec).duration
    (ra0, dec0), (ra1, dec1) = (_radec(motion, middle + sign * step) for sign in (-1, 1))
    per_year = 3600.0 * YEAR / (2.0 * step)
    return {
        "meta.target.type": "MOVING",
        "meta.visit.type": "PRIME_TARGETED_MOVING",
        "meta.target.proper_motion_ra": ((ra1 - ra0 + 180.0) % 360.0 - 180.0) * per_year,
        "meta.target.proper_motion_dec": (dec1 - dec0) * per_year,
        "meta.wcsinfo.mt_ra": ra,
        "meta.wcsinfo.mt_dec": dec,
    }


def moving_target_table(
    row: Mapping[str, Any], spec: ExposureSpec, motion: PointingTrack
) -> npt.NDArray[np.void]:
    """Return the table MOVING_TARGET_POSITION: the track from the start of the exposure to its end.

    Parameters
    ----------
    row
        The exposure's row of the exposure table.
    spec, motion
        The exposure.
    """
    from astropy.time import TimeDelta

    table = np.zeros(ROWS, TABLE_DTYPE)
    start = start_time(row["start_time"], spec.name)
    place = aperture(str(row["aperture"]))
    x, y = siaf_model(place.name)[1](float(row["v2"]), float(row["v3"]))
    for line, seconds in zip(table, np.linspace(0.0, exposure_times(spec).duration, ROWS), strict=True):
        when = start + TimeDelta(seconds, format="sec")
        when.precision = 3
        since = _since_first(spec, seconds)
        line["time"] = when.isot
        line["mt_apparent_RA"], line["mt_apparent_Dec"] = _radec(motion, since)
        ra_ref, dec_ref, _ = reference_point(motion.attitude(np.array(spec.attitude), since), place)
        line["ref_pixel_RA"], line["ref_pixel_Dec"] = ra_ref, dec_ref
    # The pipeline counts pixels from 1; the telescope keeps the target where the pointing report put it.
    table["mt_sci_x"], table["mt_sci_y"] = float(x) + 1.0, float(y) + 1.0
    table["mt_v2"], table["mt_v3"] = row["v2"], row["v3"]
    for name in _UNKNOWN:
        table[name] = np.nan
    return table


def _since_first(spec: ExposureSpec, seconds: float) -> float:
    """Turn seconds since the start of the exposure into those since the start of the first integration."""
    return float(seconds - exposure_times(spec).starts[0])


def _radec(motion: PointingTrack, seconds: float) -> tuple[float, float]:
    ra, dec = unit_to_radec(motion.direction(seconds))
    return float(ra[0]), float(dec[0])
