"""Where the pixels of an image lie on the sky: a WCS of FITS, or another function, as a mesh of unit vectors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.pointing import radec_to_unit
from mirage_dask.scene.images.meshes import STEP, mesh_size

Floats = NDArray[np.float64]
ToSky = Callable[[Floats, Floats], tuple[Any, Any]]
"""Pixels x, y, 0-based, pixel centres at integers -> ICRS right ascension and declination, degrees."""


def celestial_wcs(path: Path, header: Any) -> Any | None:
    """Return the WCS of a header; None if it is not one of the sky.

    Raises
    ------
    InputError
        If it is one of the sky and cannot be used.
    """
    from astropy.wcs import WCS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not any(
            "RA" in str(header.get(f"CTYPE{n}", "")) or "LON" in str(header.get(f"CTYPE{n}", ""))
            for n in (1, 2)
        ):
            return None
        try:
            wcs = WCS(header, naxis=2)
            if not wcs.has_celestial:
                return None
            wcs.wcs.set()
        except Exception as error:  # wcslib raises errors of many types
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(
                f"{path}: its WCS cannot be used ({why}); correct the keywords in its header."
            ) from None
    return wcs


def fits_to_sky(wcs: Any) -> ToSky:
    """Return the function of a celestial WCS in any frame."""

    def to_sky(x: Floats, y: Floats) -> tuple[Any, Any]:
        found = wcs.pixel_to_world(x, y).icrs
        return found.ra.deg, found.dec.deg

    return to_sky


def sky_mesh(path: Path, to_sky: ToSky, shape: tuple[int, int]) -> Floats:
    """Return (my, mx, 3) ICRS unit vectors of the corners of every `STEP`-th pixel; NaN off the sky.

    Raises
    ------
    InputError
        If no corner is on the sky.
    """
    ny, nx = (mesh_size(n) for n in shape)
    x: Floats = np.arange(nx, dtype=np.float64) * STEP - 0.5
    units = np.empty((ny, nx, 3))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for row in range(ny):
                ra, dec = to_sky(x, np.full(nx, row * STEP - 0.5))
                units[row] = radec_to_unit(
                    np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
                )
    except Exception as error:  # of wcslib, gwcs and astropy, of many types
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: its WCS cannot be evaluated ({why}); correct it.") from None
    if not np.isfinite(units).any():
        raise InputError(f"{path}: by its WCS no pixel is on the sky; correct it.")
    return units
