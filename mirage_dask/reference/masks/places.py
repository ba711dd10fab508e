"""Where the occulting masks and the squares for acquisitions lie on a detector, and what of the sky's light passes them.

A mask is where the SIAF has its aperture: at the reference point, V2 and V3, with X and Y of its ideal frame,

    X = p (dV2 cos a - dV3 sin a),   Y = dV2 sin a + dV3 cos a        [arcsec]

(a: V3IdlYAngle, p: VIdlParity). A telescope that points this reference point at a star puts the star behind the middle of
the mask, whatever the distortion in use. The wedges of both Lyot stops show the same plate, with all masks.
Squares are centred on the SIAF's apertures for acquisitions of bright targets. Beyond 10 arcsec in +Y the holder of the
plate is opaque.

NOT modelled: masks that the SIAF has no aperture of on a detector; the squares of 2 arcsec; the edge of the plate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments import LYOT_STOPS
from mirage_dask.pointing import Aperture, Distortion, aperture
from mirage_dask.reference.masks.occulters import OCCULTERS, SQUARE, Occulter, square_transmission

Floats = NDArray[np.float64]

HOLDER = 10.0
"""arcsec from the masks' line in +Y at which the holder begins (stpsf, 124fc9e, optics.py)."""
_SQUARES = ("TAMASK210R", "TAMASK335R", "TAMASK430R", "TAMASKSWB", "TAMASKSWBS", "TAMASKLWB", "TAMASKLWBL")
_ROWS = 128
"""Rows of the detector that are computed at a time."""


@dataclass(frozen=True)
class Place:
    """A mask or a square in the focal plane."""

    place: Aperture
    occulter: Occulter | None
    """None for a square."""

    def offsets(self, v2: Floats, v3: Floats) -> tuple[Floats, Floats]:
        """Return X and Y, arcsec, of places in the focal plane."""
        angle = np.radians(self.place.v3i_yang)
        dv2, dv3 = v2 - self.place.v2_ref, v3 - self.place.v3_ref
        x = self.place.vparity * (dv2 * np.cos(angle) - dv3 * np.sin(angle))
        return x, dv2 * np.sin(angle) + dv3 * np.cos(angle)

    def transmission(self, v2: Floats, v3: Floats) -> Floats:
        """Return the part of the light that passes, 0 to 1."""
        x, y = self.offsets(v2, v3)
        if self.occulter is not None:
            return np.where(y > HOLDER, 0.0, self.occulter.amplitude(x, y) ** 2)
        inside = (np.abs(x) <= SQUARE / 2) & (np.abs(y) <= SQUARE / 2)
        return np.where(inside, square_transmission(), 1.0)


def places_on(detector: str, pupil: str) -> tuple[Place, ...]:
    """Return the masks and squares that a detector sees through a Lyot stop; none through other elements."""
    if pupil not in LYOT_STOPS:
        return ()
    found = []
    for name, occulter in OCCULTERS.items():
        place = _aperture(f"{detector}_{name}") or _aperture(f"{detector}_FULL_{name}")
        if place is not None:
            found.append(Place(place, occulter))
    squares = (_aperture(f"{detector}_{name}") for name in _SQUARES)
    return (*found, *(Place(place, None) for place in squares if place is not None))


def _aperture(name: str) -> Aperture | None:
    try:
        return aperture(name)
    except InputError:
        return None


def transmission_map(detector: str, pupil: str, distortion: Distortion, shape: tuple[int, int]) -> Floats:
    """Return the part of the light that passes all masks and squares to each pixel of a detector's full frame.

    Parameters
    ----------
    distortion
        Of the detector behind this pupil element.
    shape
        (ny, nx) of the full frame.
    """
    out = np.ones(shape)
    places = places_on(detector, pupil)
    for low in range(0, shape[0], _ROWS):
        y, x = np.mgrid[low : min(low + _ROWS, shape[0]), 0 : shape[1]].astype(np.float64)
        v2, v3 = distortion.to_v2v3(x, y)
        for place in places:
            if np.abs(place.offsets(v2, v3)[1]).min() < HOLDER + SQUARE:
                out[low : low + _ROWS] *= place.transmission(v2, v3)
    return out
