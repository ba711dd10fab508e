"""The plane that touches the sky in the middle of a field."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Centre = tuple[float, float]

ARCSEC = float(np.degrees(1.0) * 3600.0)
"""Arcsec in a radian."""


def middle(ra: ArrayLike, dec: ArrayLike) -> Centre:
    """Return the direction (ra, dec), degrees, of the mean of unit vectors; correct across ra = 0 and at the poles."""
    a, d = np.radians(np.ravel(ra)), np.radians(np.ravel(dec))
    x, y, z = np.mean([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)
    return float(np.degrees(np.arctan2(y, x)) % 360.0), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def tangent(ra: ArrayLike, dec: ArrayLike, centre: Centre) -> tuple[Floats, Floats]:
    """Project onto the plane tangent to the sky at `centre` (gnomonic).

    Returns
    -------
    (east, north)
        Offsets in arcsec; NaN for positions on the opposite hemisphere.
    """
    a, d = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    a0, d0 = np.radians(centre[0]), np.radians(centre[1])
    depth = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a - a0)
    with np.errstate(divide="ignore", invalid="ignore"):
        east = np.cos(d) * np.sin(a - a0) / depth
        north = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a - a0)) / depth
    front = depth > 1e-3
    return np.where(front, east * ARCSEC, np.nan), np.where(front, north * ARCSEC, np.nan)


def from_tangent(east: ArrayLike, north: ArrayLike, centre: Centre) -> tuple[Floats, Floats]:
    """Return (ra, dec) in degrees of offsets in arcsec, the inverse of `tangent`; ra is within 180 of the centre's."""
    x, y = np.asarray(east, float) / ARCSEC, np.asarray(north, float) / ARCSEC
    d0 = np.radians(centre[1])
    turn = np.arctan2(x, np.cos(d0) - y * np.sin(d0))
    dec = np.arctan2((np.sin(d0) + y * np.cos(d0)) * np.cos(turn), np.cos(d0) - y * np.sin(d0))
    return centre[0] + np.degrees(turn), np.degrees(dec)
