"""Apertures by name, and where they lie on the sky: from the table of the SIAF on this machine (`siaf_table`)."""

from __future__ import annotations

from functools import cache

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.instruments import instrument_of_aperture
from mirage_dask.pointing.attitude import Floats, roll_at, unit_to_radec, v2v3_to_unit
from mirage_dask.pointing.siaf import Aperture, full_frame_name, measure_aperture, measure_corners
from mirage_dask.pointing.siaf_table import Measured, measured_apertures


@cache
def aperture(name: str) -> Aperture:
    """Return an aperture of the SIAF.

    Raises
    ------
    InputError
        If the aperture is not in the SIAF; names the nearest ones. If it is one of a detector that is not simulated.
    """
    known = _measured(name)
    return measure_aperture(name) if known is None else known.aperture  # pysiaf knows why there is none


def _measured(name: str) -> Measured | None:
    instrument = instrument_of_aperture(str(name))
    return None if instrument is None else measured_apertures(instrument.label).get(name)


def full_frame(detector: str) -> Aperture:
    """Return the full-frame aperture of a detector: NRCB1_FULL of 'NRCB1', NIS_CEN of 'NIS', FGS1_FULL of 'GUIDER1'.

    Raises
    ------
    InputError
        If the aperture is not in the SIAF; names the nearest ones.
    """
    return aperture(full_frame_name(detector))


def reference_point(attitude: Floats, aperture: Aperture) -> tuple[float, float, float]:
    """Return (ra_ref, dec_ref, roll_ref), degrees: sky and PA of V3 at an aperture's reference point."""
    ra, dec = unit_to_radec(v2v3_to_unit(aperture.v2_ref, aperture.v3_ref) @ attitude)
    return float(ra[0]), float(dec[0]), roll_at(attitude, aperture.v2_ref, aperture.v3_ref)


@cache
def corner_units(aperture: Aperture) -> Floats:
    """Return unit vectors (4, 3) of the V frame of an aperture's corners.

    They are the outer edges of the corner pixels: (-0.5, -0.5), then counter-clockwise in pixels.
    """
    known = _measured(aperture.name)
    if known is None or known.aperture != aperture or known.corners is None:
        (places,) = measure_corners([aperture])
    else:
        places = np.array(known.corners)
    return v2v3_to_unit(places[:, 0], places[:, 1])


def footprint(attitude: Floats, aperture: Aperture) -> str:
    """Return the sky region of an aperture as an S_REGION string, 'POLYGON ICRS ra dec …' with four corners.

    The corners are the outer edges of the corner pixels: (-0.5, -0.5), then counter-clockwise in pixels.

    Raises
    ------
    InputError
        If the aperture is a compound one.
    """
    if not aperture.detector:
        raise InputError(f"Aperture {aperture.name} spans several detectors; it has no single footprint.")
    return polygon(*unit_to_radec(corner_units(aperture) @ attitude))


def polygon(ra: Floats, dec: Floats) -> str:
    """Return an S_REGION string of corners in ICRS degrees, 'POLYGON ICRS ra dec …'."""
    corners = " ".join(f"{a:.9f} {d:.9f}" for a, d in zip(ra, dec, strict=True))
    return f"POLYGON ICRS  {corners}"
