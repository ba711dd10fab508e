"""Exposure types of the observing modes, and the libraries of cosmic rays with their rates.

SUNMIN, SUNMAX and FLARE are Mirage's and have one rate each. FLIGHT is what JWST has seen and is expected to see: its rate
follows the date, in particles per cm2 and second (`data/cosmic_ray_flux.ecsv`) times the area of a pixel.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.tables import read_table

DARK = "dark"
"""The mode of exposures that no light reaches; a proposal names no optics of theirs, and no position."""
FLIGHT = "FLIGHT"
"""The library whose rate follows the date; Mirage does not have it."""
PIXEL_AREA = 18e-4**2
"""cm2, of all detectors (H2RG)."""


@cache
def exp_type(instrument: str, mode: str) -> str:
    """Return the FITS keyword EXP_TYPE of an observing mode, 'NRC_IMAGE' for NIRCam imaging.

    Raises
    ------
    InputError
        If the instrument has no such mode.
    """
    rows = [r for r in read_table("exp_types") if r["instrument"] == instrument.upper()]
    for row in rows:
        if row["mode"] == mode.lower():
            return row["exp_type"]
    allowed = ", ".join(r["mode"] for r in rows) or "none"
    raise InputError(f"{instrument} has no mode {mode!r}; allowed: {allowed}.")


@cache
def mode_of(instrument: str, kind: str) -> str:
    """Return the observing mode of a FITS keyword EXP_TYPE, 'imaging' for NRC_IMAGE.

    Raises
    ------
    InputError
        If the instrument has no such type of exposures.
    """
    rows = [r for r in read_table("exp_types") if r["instrument"] == instrument.upper()]
    for row in rows:
        if row["exp_type"] == kind.upper():
            return row["mode"]
    allowed = ", ".join(r["exp_type"] for r in rows) or "none"
    raise InputError(
        f"exposures of EXP_TYPE {kind or 'unknown'} are not simulated; of {instrument}: {allowed}."
    )


def cosmic_ray_libraries() -> tuple[str, ...]:
    """Return the names of all cosmic-ray libraries, other spellings included."""
    rows = read_table("cosmic_rays")
    return tuple(dict.fromkeys(name for row in rows for name in (row["library"], row["alias"])))


def cosmic_ray_library(name: str) -> str:
    """Return the canonical name of a cosmic-ray library.

    Parameters
    ----------
    name
        'SUNMIN', 'SUNMAX', 'FLARE' or 'FLIGHT', in any case; 'FLARES' means FLARE.

    Raises
    ------
    InputError
        If the library is unknown; names the nearest ones.
    """
    wanted = str(name).strip().upper()
    rows = read_table("cosmic_rays")
    for row in rows:
        if wanted in (row["library"], row["alias"]):
            return row["library"]
    allowed = [r["library"] for r in rows]
    remedy = nearest(wanted, allowed) or f"; allowed: {', '.join(allowed)}."
    raise InputError(f"There is no cosmic-ray library {name!r}{remedy}")


def cosmic_ray_rate(library: str, when: datetime | None = None) -> float:
    """Return the hits per pixel and second of a cosmic-ray library at scale 1.

    Parameters
    ----------
    library
        Name of the library.
    when
        Date of the exposure, for FLIGHT; the others have one rate.

    Raises
    ------
    InputError
        If there is no such library, or FLIGHT comes without a date.
    """
    name = cosmic_ray_library(library)
    if name == FLIGHT:
        if when is None:
            raise InputError("The rate of the cosmic rays FLIGHT needs a date.")
        return cosmic_ray_flux(when) * PIXEL_AREA
    return next(float(r["rate"]) for r in read_table("cosmic_rays") if r["library"] == name)


def cosmic_ray_flux(when: datetime) -> float:
    """Return the particles per cm2 and second that hit a detector on a date, as seen in flight or expected.

    Linear between the years of `data/cosmic_ray_flux.ecsv`, constant before the first (4.3) and after the last (6.0).
    """
    day = (when.replace(tzinfo=None) - datetime(when.year, 1, 1)).total_seconds() / 86400.0
    date = when.year + day / (366.0 if when.year % 4 == 0 else 365.0)
    table = [(float(r["year"]), float(r["flux"])) for r in read_table("cosmic_ray_flux")]
    at = bisect_right([year for year, _ in table], date)
    if at in (0, len(table)):
        return table[min(at, len(table) - 1)][1]
    (year, flux), (next_year, next_flux) = table[at - 1 : at + 1]
    return flux + (next_flux - flux) * (date - year) / (next_year - year)
