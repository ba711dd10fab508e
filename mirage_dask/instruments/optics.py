"""Names of filters and pupil elements, and which wheel each one sits in.

NIRCam's narrow filters F162M, F164N, F323N, F405N, F466N and F470N sit in the pupil wheel and are used
through a wide filter. APT writes such a pair pupil first: 'F164N+F150W2'. NIRISS has its short filters in the pupil
wheel, its long ones in the filter wheel. FGS has no wheels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.tables import read_table


@dataclass(frozen=True)
class OpticalElement:
    """One position of a filter or pupil wheel."""

    name: str
    channel: str
    """'SHORT' or 'LONG'; empty for instruments with one channel."""
    wheel: str
    """'filter' or 'pupil'."""
    partner: str
    """What stands in the other wheel when the element is named alone; empty when nothing is usual."""
    photometry: str = ""
    """Element of the same wheel whose zero points hold for this one; empty: its own."""
    position: float | None = None
    """Angle of the wheel, degrees; None where it is not known."""
    transmission: float = 1.0
    """Part of the light that its zero points count: below 1 for a mask that has those of another element."""


@cache
def optical_elements(instrument: str = "NIRCAM") -> tuple[OpticalElement, ...]:
    """Return all wheel positions of an instrument."""
    return tuple(
        OpticalElement(
            name=row["element"],
            channel=row["channel"],
            wheel=row["wheel"],
            partner=row["partner"],
            photometry=row["photometry"],
            position=float(row["position"]) if row["position"] else None,
            transmission=float(row["transmission"] or 1.0),
        )
        for row in read_table("optics")
        if row["instrument"] == instrument.upper()
    )


def split_optics(text: str, *, instrument: str = "NIRCAM") -> tuple[str, str]:
    """Split the name of an optical configuration into what stands in the two wheels.

    Parameters
    ----------
    text
        'F150W'; 'F164N+F150W2' as APT writes it, pupil first; 'F150W2/F164N', filter first; or a narrow
        filter alone ('F164N'; NIRISS 'F200W'), which is completed by its usual partner. Any case, blanks allowed.

    Returns
    -------
    filter, pupil : str
        Upper-case names; ('F150W', 'CLEAR') for a filter alone, ('CLEAR', 'F200W') for NIRISS.

    Raises
    ------
    InputError
        If a name is unknown, stands in the wrong wheel, or the two are of different channels.
    """
    wanted = str(text).strip().upper()
    elements = optical_elements(instrument)
    names = sorted({e.name for e in elements})
    if "+" in wanted:
        pupil, _, filter_ = (part.strip() for part in wanted.partition("+"))
    elif "/" in wanted:
        filter_, _, pupil = (part.strip() for part in wanted.partition("/"))
    else:
        alone = [e for e in elements if e.name == wanted and e.partner]
        if not alone:
            if wanted in names:
                raise InputError(f"{instrument} {text!r} is no filter by itself; write 'PUPIL+FILTER'.")
            raise InputError(f"{instrument} has no filter {text!r}{nearest(wanted, names) or '.'}")
        element = alone[0]
        return (wanted, element.partner) if element.wheel == "filter" else (element.partner, wanted)

    channels = [
        {e.channel for e in elements if (e.name, e.wheel) == pair}
        for pair in ((filter_, "filter"), (pupil, "pupil"))
    ]
    for name, wheel, found in zip((filter_, pupil), ("filter", "pupil"), channels, strict=True):
        if not found:
            allowed = [e.name for e in elements if e.wheel == wheel]
            remedy = nearest(name, allowed) or "."
            raise InputError(f"{instrument} optics {text!r}: {name!r} is not in the {wheel} wheel{remedy}")
    if not channels[0] & channels[1]:
        raise InputError(f"{instrument} optics {text!r}: {filter_} and {pupil} belong to different channels.")
    return filter_, pupil


def channel_of(filter: str, pupil: str = "CLEAR", *, instrument: str = "NIRCAM") -> str:
    """Return the channel, 'SHORT' or 'LONG', in which a filter wheel element stands; '' for NIRISS, which has one.

    Raises
    ------
    InputError
        If there is no such pair.
    """
    split_optics(f"{filter}/{pupil}", instrument=instrument)
    return next(
        e.channel
        for e in optical_elements(instrument)
        if e.wheel == "filter" and e.name == filter.strip().upper()
    )
