"""Background of every band in the benchmark field of the exposure-time calculator, MJy/sr.

`background_rate` gives electrons/s per pixel; over its own answer for '1 MJy/sr' that is the surface brightness. Of a year
the benchmark is one day: `medium` is what most users ask for, and the sky of that day is the fairer comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from measure import Measurement

from mirage_dask.instruments import optical_elements
from mirage_dask.scene import background_rate
from truth.references import judge, references

RA, DEC, DAY = 261.71, -73.33, datetime(2026, 6, 19)
"""Of the benchmark: degrees, UTC."""


def measure_background() -> Iterator[Measurement]:
    """Yield a row of the level 'medium' and one of the day for each band."""
    for when, text in ((None, "medium"), (DAY, f"{DAY:%-d %B %Y}")):
        for item, reference in references()["background"].items():
            optics = optics_of(item)

            def simulated(optics: tuple[str, str, str] = optics, when: datetime | None = when) -> float:
                place = {"ra": RA, "dec": DEC}
                sky = background_rate("medium", *optics, **place, when=when)
                return sky / background_rate("1 MJy/sr", *optics, **place)

            yield judge(f"background, {text}, {item}", reference, simulated)


def optics_of(item: str) -> tuple[str, str, str]:
    """Return detector, filter and pupil of an instrument and a band, 'NIRCAM F162M' or 'FGS GUIDER1'."""
    instrument, band = item.split()
    if instrument == "FGS":
        return band, "", ""
    (element,) = (e for e in optical_elements(instrument) if e.name == band)
    filter, pupil = (band, element.partner) if element.wheel == "filter" else (element.partner, band)
    detector = "NIS" if instrument == "NIRISS" else "NRCB5" if element.channel == "LONG" else "NRCB1"
    return detector, filter, pupil
