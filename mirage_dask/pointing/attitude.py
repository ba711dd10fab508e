"""Attitude: the orientation of the telescope's axes on the sky.

Frames. The *sky* frame holds ICRS unit vectors ``u = (cos d cos a, cos d sin a, sin d)``. The *V* frame is
fixed to the observatory; the direction with telescope coordinates V2, V3 is
``v = (cos V3 cos V2, cos V3 sin V2, sin V3)``.

An attitude is the rotation ``R`` with ``v = R u``. For a target at (ra, dec) put at (V2, V3) it is the
transpose of

    A = Rz(ra) Ry(-dec) Rx(-roll) Ry(V3) Rz(-V2)

(JWST-STScI-001550, section 6.1), where roll is the position angle of the V3 axis *at* (V2, V3). The user's
angle, PA_V3, is converted to that local roll (`local_roll`) as in Mirage and the pipeline's
`set_telescope_pointing`.

NOT modelled: velocity aberration, jitter, guide-star errors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ARCSEC = np.pi / 180.0 / 3600.0
"""Radians."""


def radec_to_unit(ra: npt.ArrayLike, dec: npt.ArrayLike) -> Floats:
    """Convert sky positions to unit vectors.

    Parameters
    ----------
    ra, dec
        ICRS, degrees; scalars or arrays of shape (n,).

    Returns
    -------
    ndarray, float64, shape (n, 3)
    """
    a, d = np.radians(np.atleast_1d(np.asarray(ra, float))), np.radians(np.atleast_1d(np.asarray(dec, float)))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def unit_to_radec(unit: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Convert unit vectors (n, 3) to ICRS degrees, right ascension in [0, 360)."""
    rows = np.atleast_2d(np.asarray(unit, float))
    x, y, z = rows[..., 0], rows[..., 1], rows[..., 2]
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    # A tiny negative angle modulo 360 rounds to 360.
    return np.where(ra == 360.0, 0.0, ra), np.degrees(np.arctan2(z, np.hypot(x, y)))


def north_and_east(ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return unit vectors (n, 3) towards north and east at positions (n,), ICRS degrees."""
    a, d = np.radians(ra), np.radians(dec)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
    east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
    return north, east


def v2v3_to_unit(v2: npt.ArrayLike, v3: npt.ArrayLike) -> Floats:
    """Convert telescope coordinates, arcsec, to unit vectors (n, 3) of the V frame."""
    return radec_to_unit(np.asarray(v2, float) / 3600.0, np.asarray(v3, float) / 3600.0)


def unit_to_v2v3(unit: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Convert unit vectors (n, 3) of the V frame to V2, V3, arcsec, V2 in [-648000, 648000)."""
    v2, v3 = unit_to_radec(unit)
    return (v2 + 180.0) % 360.0 * 3600.0 - 648000.0, v3 * 3600.0


def _rotation(axis: int, degrees: float) -> Floats:
    """Return the right-handed rotation of vectors about axis 0, 1 or 2."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    j, k = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[j, j] = matrix[k, k] = c
    matrix[j, k], matrix[k, j] = -s, s
    return matrix


def local_roll(ra: float, dec: float, v2: float, v3: float, pa_v3: float) -> float:
    """Return the position angle of the V3 axis at (v2, v3), degrees east of north in [0, 360).

    The formula of JWST-STScI-001550 that the pipeline and Mirage use: the matrix M of the boresight is computed
    with the coordinates of the target, so PA_V3 refers to the vicinity of the target.

    Parameters
    ----------
    ra, dec
        Target, ICRS degrees.
    v2, v3
        Position of the target in the focal plane, arcsec.
    pa_v3
        Position angle of the V3 axis, degrees.
    """
    a, d, p = np.radians([ra, dec, pa_v3])
    c2, s2 = np.cos(v2 * ARCSEC), np.sin(v2 * ARCSEC)
    c3, s3 = np.cos(v3 * ARCSEC), np.sin(v3 * ARCSEC)
    v1_axis = (np.cos(a) * np.cos(d), np.sin(a) * np.cos(d), np.sin(d))
    v2_axis = (
        -np.sin(a) * np.cos(p) + np.cos(a) * np.sin(d) * np.sin(p),
        np.cos(a) * np.cos(p) + np.sin(a) * np.sin(d) * np.sin(p),
        -np.cos(d) * np.sin(p),
    )
    v3_axis = (
        -np.sin(a) * np.sin(p) - np.cos(a) * np.sin(d) * np.cos(p),
        np.cos(a) * np.sin(p) - np.sin(a) * np.sin(d) * np.cos(p),
        np.cos(d) * np.cos(p),
    )
    north = -(v1_axis[2] * c2 + v2_axis[2] * s2) * s3 + v3_axis[2] * c3
    east = (v1_axis[0] * v3_axis[1] - v1_axis[1] * v3_axis[0]) * c2
    east += (v2_axis[0] * v3_axis[1] - v2_axis[1] * v3_axis[0]) * s2
    return float(np.degrees(np.arctan2(east, north)) % 360.0)


def attitude_matrix(ra: float, dec: float, v2: float, v3: float, pa_v3: float) -> Floats:
    """Return the rotation from sky unit vectors to the V frame.

    Parameters
    ----------
    ra, dec
        Target, ICRS degrees.
    v2, v3
        Position of the target in the focal plane, arcsec.
    pa_v3
        Position angle of the V3 axis, degrees; see `local_roll`.

    Returns
    -------
    ndarray, float64, shape (3, 3)
        R with ``v = R @ u``.
    """
    return pointed_attitude(ra, dec, v2, v3, local_roll(ra, dec, v2, v3, pa_v3))


def pointed_attitude(ra: float, dec: float, v2: float, v3: float, roll: float) -> Floats:
    """Return the rotation from sky unit vectors to the V frame, from the roll where a position is.

    Parameters
    ----------
    ra, dec
        A position, ICRS degrees.
    v2, v3
        Where it is in the focal plane, arcsec.
    roll
        Position angle of the V3 axis there, degrees: of the reference point of an aperture, ROLL_REF.

    Returns
    -------
    ndarray, float64, shape (3, 3)
    """
    matrix = _rotation(2, ra) @ _rotation(1, -dec) @ _rotation(0, -roll)
    matrix = matrix @ _rotation(1, v3 / 3600.0) @ _rotation(2, -v2 / 3600.0)
    return matrix.T


def following(attitude: Floats, old: Floats, new: Floats) -> Floats:
    """Return the attitude of a telescope that has followed a target by the smallest rotation, which turns nothing about it.

    Parameters
    ----------
    attitude
        Before, (3, 3).
    old, new
        Unit vectors (3,) of the target before and now, not opposite to each other.
    """
    w = np.cross(old, new)
    skew = np.array([[0.0, -w[2], w[1]], [w[2], 0.0, -w[0]], [-w[1], w[0], 0.0]])
    # The rows of an attitude are the axes of the telescope, which turn with the target.
    turned = np.eye(3) + skew + skew @ skew / (1.0 + old @ new)
    return np.asarray(attitude @ turned.T)


def pa_v3_at(attitude: Floats, ra: float, dec: float, v2: float, v3: float) -> float:
    """Return the PA_V3 with which `attitude_matrix` gives an attitude, degrees in [0, 360).

    Parameters
    ----------
    attitude
        What it shall give.
    ra, dec, v2, v3
        The target, ICRS degrees, and where it is in the focal plane under the attitude, arcsec.
    """
    wanted = found = roll_at(attitude, v2, v3)
    for _ in range(50):  # the two angles differ by what changes little with them, but for targets at a pole
        error = (wanted - local_roll(ra, dec, v2, v3, found) + 180.0) % 360.0 - 180.0
        found = (found + error) % 360.0
        if abs(error) < 1e-13:
            break
    return found


def roll_at(attitude: Floats, v2: float, v3: float) -> float:
    """Return the position angle of the V3 axis at (v2, v3) under an attitude, degrees in [0, 360).

    It is the keyword ROLL_REF of an aperture with that reference point: with it the pipeline's sky
    transformation equals this attitude.
    """
    c2, s2 = np.cos(v2 * ARCSEC), np.sin(v2 * ARCSEC)
    c3, s3 = np.cos(v3 * ARCSEC), np.sin(v3 * ARCSEC)
    sky = attitude.T @ np.array([c3 * c2, c3 * s2, s3])
    up = attitude.T @ np.array([-s3 * c2, -s3 * s2, c3])  # unit vector along increasing V3
    a, b, c = sky
    east = np.array([-b, a, 0.0])
    # sky x east, written out: np.cross takes ten times as long for one vector.
    north = np.array([b * 0.0 - c * a, c * -b - a * 0.0, a * a - b * -b])
    return float(np.degrees(np.arctan2(up @ east, up @ north)) % 360.0)
