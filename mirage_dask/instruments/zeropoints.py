"""Flux calibration: the source that gives one electron per second."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.detectors import get_detector
from mirage_dask.instruments.tables import read_table


@dataclass(frozen=True)
class ZeroPoint:
    """What a source must be like to give 1 e-/s in an infinite aperture.

    From the NIRCam zero points of Mirage 2.4.0, which are per DN/s, and the constant gains that go with them
    (2.05 e-/DN SHORT, 1.82 LONG); see `data/zeropoints.ecsv`.
    """

    photfnu_e: float
    """erg/s/cm2/Hz per e-/s."""
    photflam_e: float
    """erg/s/cm2/Angstrom per e-/s."""
    vegamag_e: float
    """Vega magnitude of 1 e-/s."""
    pivot: float
    """Pivot wavelength, micron."""


@cache
def _zeropoints() -> dict[tuple[str, str, str], ZeroPoint]:
    columns = ("photfnu_e", "photflam_e", "vegamag_e", "pivot")
    return {
        (row["detector"], row["filter"], row["pupil"]): ZeroPoint(*(float(row[c]) for c in columns))
        for row in read_table("zeropoints")
    }


def get_zeropoint(detector: str, filter: str, pupil: str) -> ZeroPoint:
    """Look a zero point up.

    The weak lens WLM8 takes the values of WLP8; grisms and dispersed Hartmann sensors those of CLEAR, because
    their throughput is part of the dispersion.

    Raises
    ------
    InputError
        If the table has no such combination; names the nearest ones of this detector.
    """
    name, f, p = get_detector(detector).name, str(filter).strip().upper(), str(pupil).strip().upper()
    if p == "WLM8":
        p = "WLP8"
    elif p.startswith(("GRISM", "GDHS")):
        p = "CLEAR"
    table = _zeropoints()
    if (name, f, p) not in table:
        allowed = [f"{ff}/{pp}" for d, ff, pp in table if d == name]
        raise InputError(
            f"There is no zero point for {name} with {filter}/{pupil}{nearest(f'{f}/{p}', allowed) or '.'}"
        )
    return table[name, f, p]
