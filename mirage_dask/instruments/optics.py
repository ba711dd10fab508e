"""Names of filters and pupil elements, and the wheel of each.

NIRCam's narrow filters F162M, F164N, F323N, F405N, F466N and F470N are in the pupil wheel and are combined
with a wide filter. APT writes such a pair pupil first: 'F164N+F150W2'. NIRISS has its short filters in the pupil
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
    """Element of the other wheel if this one is named alone; empty if there is no default."""
    photometry: str = ""
    """Element of the same wheel whose zero points apply to this one, 'A/B': A where the other wheel is clear, B beside a
    filter; empty: its own."""
    position: float | None = None
    """Angle of the wheel, degrees; None where it is not known."""
    transmission: float = 1.0
    """Throughput relative to its zero points: below 1 for a mask that uses those of another element."""


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
    """Split the name of an optical configuration into the elements of the two wheels.

    Parameters
    ----------
    text
        'F150W'; 'F164N+F150W2' as APT writes it, pupil first; 'F150W2/F164N', filter first; or a narrow
        filter alone ('F164N'; NIRISS 'F200W'), which is completed by its default partner. Any case, blanks allowed.

    Returns
    -------
    filter, pupil : str
        Upper-case names; ('F150W', 'CLEAR') for a filter alone, ('CLEAR', 'F200W') for NIRISS.

    Raises
    ------
    InputError
        If a name is unknown or not in that wheel, or the two belong to different channels.
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
                raise InputError(f"{instrument} {text!r} is not a filter by itself; write 'PUPIL+FILTER'.")
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


GRISMS = ("GRISMR", "GRISMC", "GR150R", "GR150C")
"""Elements that disperse the light of a whole field."""


SOSS = "GR700XD"
"""Element in the pupil wheel of NIRISS that disperses the light of one star."""


def grism_of(filter: str, pupil: str) -> str:
    """Return which of `GRISMS` is in one of the wheels; empty if none is."""
    return next((name for name in (pupil, filter) if name in GRISMS), "")


def blocking_filter(filter: str, pupil: str) -> str:
    """Return the element beside a grism: 'F444W' of F444W/GRISMR, 'F150W' of GR150R/F150W."""
    return pupil if filter in GRISMS else filter


def channel_of(filter: str, pupil: str = "CLEAR", *, instrument: str = "NIRCAM") -> str:
    """Return the channel of a filter, 'SHORT' or 'LONG'; '' for an instrument with one channel, such as NIRISS.

    Raises
    ------
    InputError
        If the pair is not valid.
    """
    split_optics(f"{filter}/{pupil}", instrument=instrument)
    return next(
        e.channel
        for e in optical_elements(instrument)
        if e.wheel == "filter" and e.name == filter.strip().upper()
    )
