"""Polygons on the sky as a multi-order coverage map (MOC), by mocpy.

The map holds every HEALPix cell of the given order that a polygon touches, and so is a little larger than the polygons.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.io.atomic import write_atomically

FINEST = 29
"""Largest order of a MOC (IVOA recommendation MOC 2.0)."""


def coverage(corners: NDArray[np.float64], order: int) -> Any:
    """Return the union of polygons as a `mocpy.MOC`.

    Parameters
    ----------
    corners : (n, corner, 2)
        ICRS ra and dec, degrees.
    order
        HEALPix order, 0 to 29.

    Raises
    ------
    InputError
        If mocpy is not installed or the order is another.
    """
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or not 0 <= order <= FINEST:
        raise InputError(f"The order of a MOC is a whole number from 0 to {FINEST}, not {order!r}.")
    try:
        from mocpy import MOC
    except ImportError:
        raise InputError(
            'A coverage map needs the package mocpy; install it with pip install "mirage_dask[sky]".'
        ) from None
    # Exposures of one dither see the same sky in several filters.
    different = np.unique(np.asarray(corners, float), axis=0)
    found = MOC.from_polygons([row for one in different for row in one.T], max_depth=int(order))
    return found[0].union(*found[1:]) if len(found) > 1 else found[0]


def write_coverage(found: Any, path: str | os.PathLike[str]) -> None:
    """Write a `mocpy.MOC` as FITS.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write_atomically(
        Path(path),
        lambda beside: found.save(str(beside), format="fits", overwrite=True),
        error=InputError,
        remedy="name a file in a folder that can be written",
    )
