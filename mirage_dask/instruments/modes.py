"""Exposure types of the observing modes and hit rates of the cosmic-ray libraries."""

from __future__ import annotations

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.tables import read_table


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


def cosmic_ray_libraries() -> tuple[str, ...]:
    """Return the names of all cosmic-ray libraries, other spellings included."""
    rows = read_table("cosmic_rays")
    return tuple(dict.fromkeys(name for row in rows for name in (row["library"], row["alias"])))


def cosmic_ray_library(name: str) -> str:
    """Return the canonical name of a cosmic-ray library.

    Parameters
    ----------
    name
        'SUNMIN', 'SUNMAX' or 'FLARE', in any case; 'FLARES' means FLARE.

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


def cosmic_ray_rate(library: str) -> float:
    """Return the hits per pixel and second of a cosmic-ray library at scale 1.

    Raises
    ------
    InputError
        If there is no such library.
    """
    name = cosmic_ray_library(library)
    return next(float(r["rate"]) for r in read_table("cosmic_rays") if r["library"] == name)
