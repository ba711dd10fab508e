"""Flux calibration: the flux that yields one electron per second."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.detectors import get_detector
from mirage_dask.instruments.optics import optical_elements
from mirage_dask.instruments.tables import read_table


@dataclass(frozen=True)
class ZeroPoint:
    """The flux of a source that yields 1 e-/s in an infinite aperture.

    From the zero points of Mirage 2.4.0, which are per DN/s, and the constant gains that belong to them (NIRCam
    2.05 e-/DN SHORT, 1.82 LONG; NIRISS 1.611902; GUIDER1 1.9712874, GUIDER2 1.6897644); see
    `data/zeropoints.ecsv`.
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


def transmission(detector: str, pupil: str) -> float:
    """Return the throughput of a pupil element relative to its zero points; 1 for most elements.

    Raises
    ------
    InputError
        If the detector is unknown.
    """
    elements = optical_elements(get_detector(detector).instrument)
    found = [e.transmission for e in elements if (e.wheel, e.name) == ("pupil", pupil.strip().upper())]
    return found[0] if found else 1.0


def has_optics(detector: str, filter: str, pupil: str) -> bool:
    """Return whether zero points are known for a detector and a combination of wheel positions.

    Raises
    ------
    InputError
        If the detector is unknown.
    """
    name = get_detector(detector).name
    try:
        get_zeropoint(name, filter, pupil)
    except InputError:
        return False
    return True


def get_zeropoint(detector: str, filter: str, pupil: str) -> ZeroPoint:
    """Return the zero point of a detector and a combination of wheel positions.

    Some elements use the values of another one (column `photometry` of `data/optics.ecsv`): the weak
    lens WLM8 those of WLP8; grisms and dispersed Hartmann sensors those of the clear position, because their
    throughput is part of the dispersion; the mask NRM of NIRISS those of CLEARP, because the light that it blocks
    is missing in the PSF (for the light in an infinite aperture, multiply by `transmission`).

    Parameters
    ----------
    filter, pupil
        Elements in the wheels; '' for FGS, which has none ('NA' and 'N/A' mean the same).

    Raises
    ------
    InputError
        If the combination is not in the table; names the nearest ones of this detector.
    """
    spec = get_detector(detector)
    name, f, p = spec.name, str(filter).strip().upper(), str(pupil).strip().upper()
    elements = optical_elements(spec.instrument)
    if elements:
        others = {(e.wheel, e.name): e.photometry for e in elements if e.photometry}
        f, p = others.get(("filter", f), f), others.get(("pupil", p), p)
    elif {f, p} <= {"", "NA", "N/A"}:
        f = p = ""
    table = _zeropoints()
    if (name, f, p) not in table:
        allowed = [f"{ff}/{pp}" for d, ff, pp in table if d == name]
        raise InputError(
            f"There is no zero point for {name} with {filter}/{pupil}{nearest(f'{f}/{p}', allowed) or '.'}"
        )
    return table[name, f, p]
