"""The tangent-plane WCS of an exposure: linear about the reference point of its aperture, without distortion."""

from __future__ import annotations

import numpy as np

from mirage_dask.pointing.siaf import Aperture

LinearWcs = dict[str, float | int | str]


def linear_wcs(place: Aperture, ra: float, dec: float, roll: float) -> LinearWcs:
    """Return FITS WCS keywords, in lower case; the pipeline puts its own distortion in their place.

    As the pipeline's `calc_rotation_matrix`: the ideal y axis stands at PA roll - vparity * v3i_yang.

    Parameters
    ----------
    place
        The aperture; CRPIX are its reference pixel, counted from 1 in the array that is read.
    ra, dec, roll
        Of the reference point, degrees.
    """
    angle = np.radians(roll - place.vparity * place.v3i_yang)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return {
        "wcsaxes": 2,
        "crpix1": place.x_sci_ref,
        "crpix2": place.y_sci_ref,
        "crval1": ra,
        "crval2": dec,
        "ctype1": "RA---TAN",
        "ctype2": "DEC--TAN",
        "cunit1": "deg",
        "cunit2": "deg",
        "cdelt1": place.x_scale / 3600.0,
        "cdelt2": place.y_scale / 3600.0,
        "pc1_1": place.vparity * cos,
        "pc1_2": sin,
        "pc2_1": -place.vparity * sin,
        "pc2_2": cos,
    }
