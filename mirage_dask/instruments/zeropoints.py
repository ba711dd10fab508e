"""Flux calibration: the flux that yields one DN per second, and with the gain one electron per second.

    PHOTFNU = PHOTMJSR x 1e-17 x PIXAR_SR           erg/s/cm2/Hz per DN/s         (1 MJy is 1e-17 erg/s/cm2/Hz)
    photfnu_e = PHOTFNU / gain,   photflam_e = PHOTFLAM / gain,   vegamag_e = VEGAMAG + 2.5 log10(gain)

What was measured, in flight or on the ground, is the signal in DN/s: it is the same whatever the gain. The electrons
follow from the gain that turns them into DN again: the mean of the gain map in use, of which `data/detectors.ecsv`
has the nominal value.

Source: `data/zeropoints.ecsv`; for Lyot stops `mirage_dask.instruments.coronagraphs`. Where a PHOTOM file is in use, its
PHOTMJSR takes the place of the table (`ZeroPoint.adjusted`).
NOT modelled: zero points that change in time (the TIMECOEFF tables of PHOTOM files).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.coronagraphs import LYOT_STOPS, OCCULTED, glass_throughput
from mirage_dask.instruments.detectors import get_detector
from mirage_dask.instruments.optics import optical_elements
from mirage_dask.instruments.tables import read_table

MEGAJANSKY = 1e-17
"""erg/s/cm2/Hz."""
TABLE_CONTEXT = "jwst_1293.pmap"
"""CRDS context whose PHOTOM files the NIRCam rows of the table equal (flight rows: within 0.5 %)."""


@dataclass(frozen=True)
class ZeroPoint:
    """The flux of a source that yields 1 DN/s, or 1 e-/s, in an infinite aperture."""

    photfnu: float
    """erg/s/cm2/Hz per DN/s."""
    photflam: float
    """erg/s/cm2/Angstrom per DN/s."""
    vegamag: float
    """Vega magnitude of 1 DN/s."""
    pivot: float
    """Pivot wavelength, micron."""
    gain: float
    """Mean gain, e-/DN."""

    @property
    def photfnu_e(self) -> float:
        """erg/s/cm2/Hz per e-/s."""
        return self.photfnu / self.gain

    @property
    def photflam_e(self) -> float:
        """erg/s/cm2/Angstrom per e-/s."""
        return self.photflam / self.gain

    @property
    def vegamag_e(self) -> float:
        """Vega magnitude of 1 e-/s."""
        return self.vegamag + 2.5 * math.log10(self.gain)

    def adjusted(self, *, photfnu: float | None = None, gain: float | None = None) -> ZeroPoint:
        """Return the zero point of another calibration: all magnitude systems follow PHOTFNU.

        Parameters
        ----------
        photfnu
            erg/s/cm2/Hz per DN/s; default as it is.
        gain
            Mean gain of the map in use, e-/DN; default as it is. The signal in DN/s does not depend on it.
        """
        factor = 1.0 if photfnu is None else photfnu / self.photfnu
        return replace(
            self,
            photfnu=self.photfnu if photfnu is None else photfnu,
            photflam=self.photflam * factor,
            vegamag=self.vegamag - 2.5 * math.log10(factor),
            gain=self.gain if gain is None else gain,
        )


@cache
def _zeropoints() -> dict[tuple[str, str, str], ZeroPoint]:
    table = {
        (row["detector"], row["filter"], row["pupil"]): ZeroPoint(
            photfnu=float(row["photfnu"]),
            photflam=float(row["photflam"]),
            vegamag=float(row["vegamag"]),
            pivot=float(row["pivot"]),
            gain=get_detector(row["detector"]).gain,
        )
        for row in read_table("zeropoints")
    }
    return table | {
        (name, filter_, stop): point.adjusted(
            photfnu=point.photfnu / glass_throughput(get_detector(name).channel, point.pivot)
        )
        for (name, filter_, pupil), point in table.items()
        for stop in LYOT_STOPS
        if pupil == "CLEAR" and _is_occulted(name, filter_)
    }


def _is_occulted(name: str, filter: str) -> bool:
    detector = get_detector(name)
    return detector.instrument == "NIRCAM" and filter in OCCULTED[detector.channel]


def combinations() -> tuple[tuple[str, str, str], ...]:
    """Return (detector, filter, pupil) of all zero points."""
    return tuple(_zeropoints())


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
    """Return the zero point of a detector and a combination of wheel positions, by the tables and the nominal gain.

    Some elements use the values of another one (column `photometry` of `data/optics.ecsv`): the weak
    lens WLM8 those of WLP8; grisms and dispersed Hartmann sensors those of the clear position, because their
    throughput is part of the dispersion; the mask NRM of NIRISS those of CLEARP, because the light that it blocks
    is missing in the PSF (for the light in an infinite aperture, multiply by `transmission`). Those of the Lyot stops of
    NIRCam follow from the filter's (`mirage_dask.instruments.coronagraphs`); of their light, too, a part is missing.

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
        alone, _, beside = p.partition("/")
        p = beside if beside and f != "CLEAR" else alone
    elif {f, p} <= {"", "NA", "N/A"}:
        f = p = ""
    table = _zeropoints()
    if (name, f, p) not in table:
        allowed = [f"{ff}/{pp}" for d, ff, pp in table if d == name]
        raise InputError(
            f"There is no zero point for {name} with {filter}/{pupil}{nearest(f'{f}/{p}', allowed) or '.'}"
        )
    return table[name, f, p]
