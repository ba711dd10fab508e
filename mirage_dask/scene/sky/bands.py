"""The band of an exposure: between which wavelengths its light is collected.

A band is taken as a box between the wavelengths of half of the greatest throughput, and a surface brightness I(lambda) in
it as what a flat spectrum would have to be for the same number of electrons:

    <I> = integral I dlambda / lambda  /  integral dlambda / lambda

over the box: the mean over wavelengths that are equally spaced in their logarithm. The edges are those of flight (NIRCam)
and pre-flight (NIRISS, FGS) throughput curves; see `data/bands.ecsv`.

Accuracy: within 1.5 % of means over the whole curves, for the light of the sky in any filter; within 3 % for the guiders.

NOT modelled: differences between the detectors of a module; leaks outside the half-power band.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.instruments.tables import read_table

Band = tuple[float, float]
"""Shortest and longest wavelength, micron; equal for a single wavelength."""
SAMPLES = 48


@cache
def _edges() -> dict[tuple[str, str, str], Band]:
    rows = read_table("bands", "mirage_dask.scene.sky")
    return {(r["instrument"], r["part"], r["element"]): (float(r["low"]), float(r["high"])) for r in rows}


def band_of(detector: str, filter: str, pupil: str) -> Band:
    """Return the half-power band of a combination of wheel positions: that of the narrower element.

    Where neither element has one, it is the pivot wavelength of the zero point alone.

    Parameters
    ----------
    detector, filter, pupil
        As for `get_zeropoint`.

    Raises
    ------
    InputError
        If the detector or the combination is unknown.
    """
    spec, zeropoint = get_detector(detector), get_zeropoint(detector, filter, pupil)
    part = spec.name if spec.instrument == "FGS" else spec.module
    names = [str(name).strip().upper() for name in (filter, pupil)] if part != spec.name else [""]
    known = [_edges()[key] for name in names if (key := (spec.instrument, part, name)) in _edges()]
    return min(known, key=lambda band: band[1] - band[0]) if known else (zeropoint.pivot, zeropoint.pivot)


def wavelengths(band: Band) -> NDArray[np.float64]:
    """Return wavelengths in a band, micron, equally spaced in their logarithm: the middle of each of `SAMPLES` parts."""
    low, high = np.log(band)
    return np.exp(low + (high - low) * (np.arange(SAMPLES) + 0.5) / SAMPLES)
