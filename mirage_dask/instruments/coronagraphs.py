"""Throughput of the glass in the coronagraphs of NIRCam: the wedges that carry the Lyot stops, and the plate of the masks.

    PHOTFNU(filter, Lyot stop) = PHOTFNU(filter, CLEAR) / (wedge(pivot) x substrate(pivot))

The wedge turns the light that passes beside the detectors onto them; the plate, of sapphire, carries all occulting masks.
Zero points count the light that passes both; what the opaque parts of a Lyot stop take is missing in the PSF
(`zeropoints.transmission`), and what an occulting mask takes is `mirage_dask.reference.masks`.

Source: `data/coronagraph_throughput.ecsv`, straight lines between its wavelengths, the nearest beyond them.
Both modules have coronagraphs, of which those of module A are used; the numbers are taken for both.
NOT modelled: the change over a filter's band. The light that passes beside the plate of the masks, in full frames, is drawn
as dim as that behind it.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

from mirage_dask.instruments.tables import read_table

LYOT_STOPS = ("MASKRND", "MASKBAR")
"""Elements of NIRCam's pupil wheels with a Lyot stop: for round occulting masks, and for bars."""
OCCULTING_MASKS = ("MASK210R", "MASK335R", "MASK430R", "MASKSWB", "MASKLWB")
"""As APT names them; the SIAF's apertures have them in their names."""
OCCULTED = {
    "SHORT": ("F182M", "F187N", "F200W", "F210M", "F212N"),
    "LONG": (
        *("F250M", "F277W", "F300M", "F322W2", "F335M", "F356W", "F360M"),
        *("F410M", "F430M", "F444W", "F460M", "F480M"),
    ),
}
"""Filters that are combined with Lyot stops (JWST User Documentation, NIRCam Filters for Coronagraphy)."""


def glass_throughput(channel: str, wavelength: float) -> float:
    """Return the part of the light that passes the wedge of a Lyot stop and the plate of the occulting masks.

    Parameters
    ----------
    channel
        'SHORT' or 'LONG'.
    wavelength
        Micron.
    """
    return _at("wedge", channel, wavelength) * _at("substrate", "", wavelength)


def _at(part: str, channel: str, wavelength: float) -> float:
    table = _curve(part, channel)
    at = bisect_right([place for place, _ in table], wavelength)
    if at in (0, len(table)):
        return table[min(at, len(table) - 1)][1]
    (low, first), (high, second) = table[at - 1 : at + 1]
    return first + (second - first) * (wavelength - low) / (high - low)


@cache
def _curve(part: str, channel: str) -> list[tuple[float, float]]:
    rows = read_table("coronagraph_throughput")
    return [
        (float(r["wavelength"]), float(r["transmission"]))
        for r in rows
        if (r["part"], r["channel"]) == (part, channel)
    ]
