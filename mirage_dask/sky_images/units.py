"""What a pixel of an image is in electrons per second.

    MJy/sr                       value x solid angle of the image's pixel = MJy;  e-/s = MJy x 1e-17 / PHOTFNU_e
    Jy, mJy, uJy, nJy            per pixel of the image, likewise
    DN/s (counts/s), e-/s        per pixel of the image: DN/s x mean gain

with PHOTFNU_e (erg/s/cm2/Hz per e-/s) of the reference files in use: a flat spectrum in the band. All are light that is
shared among pixels of the detector, so that none is lost; counts are those of the image's own pixels, whatever their
size.

NOT modelled: colours within the band; counts of another telescope, whose area and filters differ, are not converted.
"""

from __future__ import annotations

from pathlib import Path

from mirage_dask.errors import InputError
from mirage_dask.instruments import ZeroPoint
from mirage_dask.settings.sky import IMAGE_UNITS

JANSKY = 1e-23
"""erg/s/cm2/Hz."""
BRIGHTNESS = "MJy/sr"
_JANSKYS = {"MJy/sr": 1e6, "Jy": 1.0, "mJy": 1e-3, "uJy": 1e-6, "nJy": 1e-9}
_COUNTS = ("dn/s", "dn/sec", "counts/s", "count/s", "ct/s", "adu/s", "counts/sec", "adu/sec")
_ELECTRONS = ("e-/s", "e/s", "electron/s", "electrons/s", "electrons/sec", "e-/sec")


def known_units(path: Path, given: str, written: str) -> str:
    """Return one of `IMAGE_UNITS`.

    Parameters
    ----------
    path
        The image, for the message.
    given
        By the settings; empty for none.
    written
        In the image, BUNIT; empty for none.

    Raises
    ------
    InputError
        If neither says it, or what is written is not known.
    """
    if given:
        return given
    if unit := unit_of(written):
        return unit
    said = (
        f"its units are {written[:40]!r}, which are not known"
        if written.split()
        else "it does not say its units"
    )
    raise InputError(
        f"{path}: {said}; give them, scene_image: {{path: …, units: …}}, one of {', '.join(IMAGE_UNITS)}."
    )


def unit_of(written: str) -> str:
    """Return which of `IMAGE_UNITS` a text means; empty if none."""
    text = "".join(written.split()).casefold()
    for unit in IMAGE_UNITS:
        if text in (unit.casefold(), f"{unit.casefold()}/pix", f"{unit.casefold()}/pixel"):
            return unit
    if text in _COUNTS:
        return "DN/s"
    return "e-/s" if text in _ELECTRONS else ""


def electrons_per_value(unit: str, zeropoint: ZeroPoint) -> float:
    """Return e-/s for the value 1 in a pixel; of a brightness for the value 1 times its solid angle in sr."""
    if unit in _JANSKYS:
        return _JANSKYS[unit] * JANSKY / zeropoint.photfnu_e
    return zeropoint.gain if unit == "DN/s" else 1.0
