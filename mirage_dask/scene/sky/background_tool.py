"""The sky as STScI's JWST Backgrounds Tool has it, where that can be reached.

The package `jwst_backgrounds` (the extra `backgrounds`) downloads, for a cell of 27 arcmin (HEALPix, nside 128) and each
day on which JWST can look there, the spectrum that the Exposure Time Calculator uses: zodiacal light, Galactic and
extragalactic light, stray light, and the telescope's own emission (Rigby et al. 2023, PASP 135, 048002). It is read at
wavelengths of a band, linear between its points, on the day nearest to the date, at the centre of the cell.

One download serves all exposures in a cell. If the package is missing or the archive does not answer, the log says so once
and nothing more is tried in this process.

NOT modelled: a calendar of each year (the tool has one for all).
"""

from __future__ import annotations

import importlib
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

NSIDE = 128
"""HEALPix cells of the tool's archive."""
TIMEOUT = 20.0
"""Seconds that the archive has to answer."""
_log = logging.getLogger(__name__)
_problems: list[str] = []  # why the tool cannot be used in this process


def tool_brightness(wavelengths: ArrayLike, ra: float, dec: float, when: datetime) -> float | None:
    """Return the sky in MJy/sr by `jwst_backgrounds`, the mean over wavelengths.

    Parameters
    ----------
    wavelengths
        Micron, 0.5 to 31; of a band, those of `mirage_dask.scene.sky.bands.wavelengths`.
    ra, dec
        ICRS degrees.
    when
        UTC if it has no time zone.

    Returns
    -------
    float, or None
        None if the package or its archive cannot be reached.
    """
    if _problems:
        return None
    try:
        healpy = importlib.import_module("healpy")
        waves, calendar, total = _spectra(int(healpy.ang2pix(NSIDE, ra, dec, lonlat=True)))
    # What the package or a damaged download raises is no business of ours: any failure means it cannot be used.
    except Exception as error:
        _problems.append(f"{type(error).__name__}: {error}")
        _log.warning(
            "jwst_backgrounds cannot be used (%s): the sky comes from the offline model; 'pip install "
            "mirage_dask[backgrounds]' and a way to archive.stsci.edu make it work.",
            _problems[0],
        )
        return None
    when = when if when.tzinfo is None else when.astimezone(UTC)
    away = np.abs(calendar - (when.timetuple().tm_yday - 1))
    day = int(np.argmin(np.minimum(away, 366 - away)))
    return float(np.mean(np.interp(np.asarray(wavelengths), waves, total[day])))


@cache
def _spectra(cell: int) -> tuple[Any, Any, Any]:
    """Wavelengths (w,), days of the year from 0 (d,), and sky in MJy/sr (d, w) of a cell."""
    healpy = importlib.import_module("healpy")
    tool = importlib.import_module("jwst_backgrounds.jbt")
    ra, dec = healpy.pix2ang(NSIDE, cell, lonlat=True)
    with _timeout(TIMEOUT):
        data = tool.background(float(ra), float(dec), 2.0).bkg_data
    waves, calendar, total = (np.asarray(data[k]) for k in ("wave_array", "calendar", "total_bg"))
    if total.shape != (len(calendar), len(waves)) or not len(calendar):
        raise ValueError(f"it has no spectra for RA {ra:.3f}, Dec {dec:.3f}")
    return waves, calendar, total


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Limit how long the tool, which sets no limit itself, waits for the archive."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
