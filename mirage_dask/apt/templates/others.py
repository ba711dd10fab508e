"""NIRSpec, MIRI and commanding: read because of their coordinated parallels; they are not simulated."""

from __future__ import annotations

from mirage_dask.apt.elements import Reader, leading_number, parse_integer
from mirage_dask.apt.records import Dithers, ExposureSpecification, Sequence, instrument_of, listed_only
from mirage_dask.apt.templates.context import Context

TEMPLATES = (
    "NirspecImaging",
    "NirspecInternalLamp",
    "NirspecMOS",
    "NirspecIFUSpectroscopy",
    "NirspecFixedSlitSpectroscopy",
    "NirspecBrightObjectTimeSeries",
    "NirspecDark",
    "MiriImaging",
    "MiriMRS",
    "MiriLRS",
    "MiriCoron",
    "MiriDark",
    "RealtimeCommanding",
)
"""Templates that `read_other` reads."""

INTERNAL = ("NirspecInternalLamp", "NirspecDark", "MiriDark", "RealtimeCommanding")
"""Without pointing."""


def read_other(template: Reader, context: Context) -> Sequence:
    """Read the exposure list without checking its values; numbers of dithers are taken from the pointing report."""
    instrument = instrument_of(context.template)
    reason = listed_only(instrument or context.template)

    def number(exposure: Reader, name: str) -> int:
        return parse_integer(exposure.text(name)) or 1

    specifications = tuple(
        ExposureSpecification(
            instrument=instrument,
            mode="",
            optics={"": (exposure.text("Filter"), exposure.text("Grating"))},
            readpatt=exposure.text("ReadoutPattern"),
            ngroup=number(exposure, "Groups"),
            nint=number(exposure, "Integrations"),
            subarray=exposure.text("Subarray", template.text("Subarray")),
            dithers=_dithers(template, exposure),
            repeats=number(exposure, "Exposures"),
        )
        for exposure in template.children("Exposure", "FilterConfig")
    )
    internal = context.template in INTERNAL
    return Sequence(context.template, instrument, specifications, internal=internal, reason=reason)


def _dithers(template: Reader, exposure: Reader) -> Dithers:
    """Return the pattern of an exposure, which may name one of several: 'Dither 2'.

    A pattern that is shared with another instrument begins with its number of points: '2-POINT-MIRI-F560W-WITH-NIRISS'.
    """
    patterns = [
        p.text("DitherType") for p in template.children("DitherSpecification", "MrsDitherSpecification")
    ]
    patterns = patterns or [template.text("DitherType")]
    number = parse_integer(exposure.text("Dither").rpartition(" ")[2]) or 1
    name = patterns[min(number, len(patterns)) - 1].upper()
    primary = leading_number(name) if "-WITH-" in name else 1
    return Dithers("" if name in ("NONE", "NO DITHER") else name, primary, points=0)
