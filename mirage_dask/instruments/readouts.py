"""Read-out of a ramp: readout patterns, subarrays and the time of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.detectors import detectors_of, get_detector
from mirage_dask.instruments.instrument import get_instrument
from mirage_dask.instruments.tables import read_table

PIXEL_TIME = 1e-5
"""Seconds in which an output digitises one pixel (TSAMPLE = 10 microseconds)."""


@dataclass(frozen=True)
class ReadoutPattern:
    """Number of frames averaged and skipped in a group."""

    name: str
    nframes: int
    """Frames averaged into a group."""
    groupgap: int
    """Frames dropped after each group."""
    max_groups: int
    """Most groups that APT accepts; not a limit of the simulation."""


@dataclass(frozen=True)
class Subarray:
    """A subarray of one detector: its name in APT and its SIAF aperture."""

    name: str
    """'SUB160'."""
    aperture: str
    """'NRCB1_SUB160'."""
    detector: str
    """'NRCB1'."""
    amplifiers: int
    """Outputs that are read, 1 or 4; 0 if the proposer chooses."""


@cache
def _patterns() -> dict[tuple[str, str], ReadoutPattern]:
    return {
        (row["instrument"], row["name"]): ReadoutPattern(
            row["name"], int(row["nframes"]), int(row["groupgap"]), int(row["max_groups"])
        )
        for row in read_table("readouts")
    }


def get_readout(instrument: str, name: str) -> ReadoutPattern:
    """Return a readout pattern of an instrument.

    Raises
    ------
    InputError
        If the pattern is unknown; names the nearest ones.
    """
    key = (instrument.upper(), str(name).strip().upper())
    if key not in _patterns():
        allowed = [n for i, n in _patterns() if i == key[0]]
        remedy = nearest(key[1], allowed) or f"; allowed: {', '.join(allowed) or 'none'}."
        raise InputError(f"{instrument} has no readout pattern {name!r}{remedy}")
    return _patterns()[key]


def readout_names(instrument: str) -> tuple[str, ...]:
    """Return the names of all readout patterns of an instrument."""
    return tuple(name for of, name in _patterns() if of == instrument.upper())


def _from_row(row: dict[str, str]) -> Subarray:
    return Subarray(row["name"], row["aperture"], row["detector"], int(row["amplifiers"]))


def subarrays(
    name: str, module: str = "ALL", *, instrument: str = "NIRCAM", use: str | None = None
) -> tuple[Subarray, ...]:
    """Return the apertures of an APT subarray, in table order.

    There is one aperture for each detector that is read, except for subarrays that have several, for filters or
    positions (NIRCam SUBGRISM256, NIRISS SUB80); of these, the pointing determines one.

    Parameters
    ----------
    name
        'FULL', 'SUB160', ... in any case.
    module
        'A', 'B' or 'ALL'; 'ALL' or '' for instruments without modules.
    use
        'imaging', 'grism', 'ami', 'soss', 'coronagraphy', 'acquisition', 'wavefront' or 'calibration'. By default
        imaging if the subarray has apertures for it, else all.

    Raises
    ------
    InputError
        If the instrument or the module does not have the subarray.
    """
    wanted, module = str(name).strip().upper(), str(module).strip().upper()
    rows = [r for r in read_table("subarrays") if r["instrument"] == instrument.upper()]
    of_name = [r for r in rows if r["name"] == wanted]
    if not of_name:
        remedy = nearest(wanted, sorted({r["name"] for r in rows})) or "."
        raise InputError(f"{instrument} has no subarray {name!r}{remedy}")
    uses = {r["use"] for r in of_name}
    chosen = use or ("imaging" if "imaging" in uses else None)
    found = tuple(
        _from_row(r)
        for r in of_name
        if chosen in (None, r["use"]) and module in ("", "ALL", get_detector(r["detector"]).module)
    )
    if not found:
        places = sorted({r["aperture"] for r in of_name if chosen in (None, r["use"])})
        raise InputError(
            f"{instrument} subarray {wanted} has no {chosen or ''} aperture in module {module!r}; "
            f"it has {', '.join(places) or 'apertures for ' + ', '.join(sorted(uses))}."
        )
    return found


@cache
def subarray_names(instrument: str, *uses: str) -> frozenset[str]:
    """Return the names of the subarrays of an instrument that have an aperture for one of these uses."""
    rows = (r for r in read_table("subarrays") if r["instrument"] == instrument.upper())
    return frozenset(r["name"] for r in rows if r["use"] in uses)


@cache
def _by_aperture() -> dict[str, Subarray]:
    return {row["aperture"]: _from_row(row) for row in read_table("subarrays")}


def subarray_of(aperture: str) -> Subarray:
    """Return the subarray of a SIAF aperture.

    Parameters
    ----------
    aperture
        Exact name in the SIAF, 'NRCB1_SUB160', 'NIS_AMI1', 'FGS1_FULL'.

    Raises
    ------
    InputError
        If the aperture is not in the tables; names the nearest ones.
    """
    if aperture not in _by_aperture():
        remedy = nearest(aperture, list(_by_aperture())) or "."
        raise InputError(f"There is no subarray with the aperture {aperture!r}{remedy}")
    return _by_aperture()[aperture]


def resets_before(instrument: str, nx: int, ny: int) -> int:
    """Return the number of reset frames before the first integration, for an array of nx x ny pixels.

    One for a subarray; 0 for a full frame, and 0 for FGS, which is reset continuously (as in Mirage).
    """
    return int(not get_instrument(instrument).always_reset and (ny, nx) not in _full_frames(instrument))


@cache
def _full_frames(instrument: str) -> frozenset[tuple[int, int]]:
    return frozenset(detector.array.science_shape for detector in detectors_of(instrument))


def frame_time(instrument: str, nx: int, ny: int, amplifiers: int) -> float:
    """Return the time of one frame, seconds.

    ``1e-5 s * ((fast / amplifiers + colpad) * (slow + rowpad) + fullpad)``, with the pads of
    `data/frame_times.ecsv`.

    Parameters
    ----------
    nx, ny
        Science columns and rows that are read.
    amplifiers
        Outputs that are read, 1 or 4.

    Raises
    ------
    InputError
        If the instrument cannot read an array of that size.
    """
    for row in read_table("frame_times"):
        fits = max(nx, ny) <= int(row["largest"]) and min(nx, ny) > 0
        if fits and row["instrument"] == instrument.upper() and int(row["amplifiers"]) == amplifiers:
            fast, slow = (nx, ny) if row["fast"] == "x" else (ny, nx)
            pixels = (fast / amplifiers + int(row["colpad"])) * (slow + int(row["rowpad"]))
            return PIXEL_TIME * (pixels + int(row["fullpad"]))
    raise InputError(f"{instrument} cannot read {nx} x {ny} pixels through {amplifiers} outputs; use 1 or 4.")
