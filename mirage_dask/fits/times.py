"""When things happen in an exposure: header times, the GROUP and INT_TIMES tables.

With tf the frame time, an integration collects light for ``T = tf (nframes + (ngroups - 1)(nframes + groupgap))``: the
frames dropped after the last group are never read. Integration n (from 0) starts at

    t0 + tf (resets_before + n) + n T

one reset frame before each further integration, and those of `mirage_dask.instruments.resets_before` before the first.
Group g ends ``tf (nframes + g (nframes + groupgap))`` after that.

Barycentric times are TDB plus the light travel time of JWST's place along the line of sight. That place is taken as the
Lagrange point L2, 1.01 times as far from the Sun as the Earth; the halo orbit around it, up to 8e5 km or 3 s of light,
is NOT modelled. Heliocentric times are UTC with the light travel time to the Sun. Both differ from UTC by what changes so
smoothly that a polynomial over the exposure has it to a nanosecond; a leap second inside of an exposure is NOT modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_detector, resets_before
from mirage_dask.spec import ExposureSpec

DAY = 86400.0
MJD_2000 = 51544
"""MJD of 2000-01-01, from which GROUP counts days."""

GROUP_DTYPE = np.dtype(
    [
        ("integration_number", "i4"),
        ("group_number", "i2"),
        ("end_day", "i2"),
        ("end_milliseconds", "i4"),
        ("end_submilliseconds", "i2"),
        ("group_end_time", "S26"),
        ("number_of_columns", "i2"),
        ("number_of_rows", "i2"),
        ("number_of_gaps", "i2"),
        ("completion_code_number", "i2"),
        ("completion_code_text", "S36"),
        ("bary_end_time", "f8"),
        ("helio_end_time", "f8"),
    ]
)
INT_TIMES_DTYPE = np.dtype(
    [("integration_number", "i4")]
    + [(f"int_{part}_{scale}", "f8") for scale in ("MJD_UTC", "BJD_TDB") for part in ("start", "mid", "end")]
)


NODES = 16
"""Times of an exposure at which the places of Earth and Sun are looked up, for a polynomial of one degree less."""


@dataclass(frozen=True)
class ExposureTimes:
    """The times of an exposure, seconds."""

    integration_time: float
    """Light collected in one integration (EFFINTTM)."""
    exposure_time: float
    """In all integrations (EFFEXPTM)."""
    duration: float
    """From the start of the exposure to its end, resets included (DURATION)."""
    starts: tuple[float, ...]
    """Start of each integration after the start of the exposure."""


def exposure_times(spec: ExposureSpec) -> ExposureTimes:
    """Compute integration, exposure and start times."""
    length = spec.frames_per_integration * spec.tframe
    before = resets_before(get_detector(spec.detector).instrument, spec.nx, spec.ny)
    starts = tuple(spec.tframe * (before + n) + n * length for n in range(spec.nints))
    return ExposureTimes(length, length * spec.nints, starts[-1] + length, starts)


def start_time(text: str, exposure: str) -> Any:
    """Read the start of an exposure, ISO UTC, as an astropy Time.

    Raises
    ------
    InputError
        If it is not a valid date and time.
    """
    from astropy.time import Time

    try:
        return Time(str(text).rstrip("Z"), scale="utc")
    except ValueError as error:
        raise InputError(
            f"start_time of {exposure} is {text!r}; it must be a date and time such as 2022-10-31T12:00:00."
        ) from error


def barycentric(times: Any, ra: float, dec: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (BJD - 2400000.5 in TDB, heliocentric MJD in UTC) of times at JWST.

    Parameters
    ----------
    times
        astropy Time, UTC.
    ra, dec
        Direction of the light, degrees.
    """
    from astropy import constants, units
    from astropy.coordinates import get_body_barycentric

    a, d = np.radians([ra, dec])
    towards = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    earth, sun = (get_body_barycentric(body, times).xyz.to_value(units.m) for body in ("earth", "sun"))
    from_sun = 1.01 * (earth - sun)
    days = 1.0 / (constants.c.value * DAY)
    bary = times.tdb.mjd + np.tensordot(towards, sun + from_sun, 1) * days
    helio = times.utc.mjd + np.tensordot(towards, from_sun, 1) * days
    return bary, helio


@dataclass(frozen=True, eq=False)
class TimeScales:
    """What barycentric and heliocentric times are later than UTC during an exposure."""

    middle: float
    """Seconds after the start of the exposure."""
    half: float
    """Half of the duration, seconds."""
    series: npt.NDArray[np.float64]
    """(NODES, 2) Chebyshev coefficients: days of both."""

    @classmethod
    def of(cls, spec: ExposureSpec, start: Any, ra: float, dec: float) -> TimeScales:
        """Look at the places of Earth and Sun; parameters are those of `group_table`."""
        from astropy.time import TimeDelta

        half = exposure_times(spec).duration / 2
        nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
        times = start + TimeDelta(half * (1.0 + nodes), format="sec")
        later = np.stack(barycentric(times, ra, dec), axis=1) - times.utc.mjd[:, None]
        return cls(half, half, np.polynomial.chebyshev.chebfit(nodes, later, NODES - 1))

    def later(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return (2, n) days at (n,) seconds after the start of the exposure."""
        found = np.polynomial.chebyshev.chebval((seconds - self.middle) / self.half, self.series)
        return np.asarray(found, dtype=np.float64)


def group_table(
    spec: ExposureSpec, start: Any, ra: float, dec: float, integrations: tuple[int, int] | None = None
) -> npt.NDArray[np.void]:
    """Return the GROUP table: a row per integration and group.

    Parameters
    ----------
    spec
        The exposure.
    start
        Its start, astropy Time.
    ra, dec
        Direction of its light, degrees.
    integrations
        Half-open range, from 0, of the integrations in the table; default all.
    """
    from astropy.time import TimeDelta

    first, stop = integrations or (0, spec.nints)
    seconds = (
        np.array(exposure_times(spec).starts[first:stop])[:, None] + np.array(spec.group_end_times)
    ).ravel()
    times = start + TimeDelta(seconds, format="sec")
    microseconds = np.rint((times.mjd - np.floor(times.mjd)) * DAY * 1e6).astype(np.int64)
    table = np.zeros(len(seconds), GROUP_DTYPE)
    table["integration_number"] = np.repeat(np.arange(first + 1, stop + 1), spec.ngroups)
    table["group_number"] = np.tile(np.arange(1, spec.ngroups + 1), stop - first)
    table["end_day"] = np.floor(times.mjd) - MJD_2000
    table["end_milliseconds"] = microseconds // 1000
    table["end_submilliseconds"] = microseconds % 1000
    times.precision = 6
    table["group_end_time"] = times.isot
    table["number_of_columns"] = spec.nx
    table["number_of_rows"] = spec.ny
    table["completion_code_text"] = "Normal Completion"
    table["bary_end_time"], table["helio_end_time"] = times.mjd + TimeScales.of(spec, start, ra, dec).later(
        seconds
    )
    return table


def integration_table(
    spec: ExposureSpec, start: Any, ra: float, dec: float, integrations: tuple[int, int] | None = None
) -> npt.NDArray[np.void]:
    """Return the INT_TIMES table: a row per integration; BJD is given minus 2400000.5, as JWST does.

    Parameters are those of `group_table`.
    """
    from astropy.time import TimeDelta

    first, stop = integrations or (0, spec.nints)
    about = exposure_times(spec)
    table, scales = np.zeros(stop - first, INT_TIMES_DTYPE), TimeScales.of(spec, start, ra, dec)
    table["integration_number"] = np.arange(first + 1, stop + 1)
    for part, fraction in (("start", 0.0), ("mid", 0.5), ("end", 1.0)):
        seconds = np.array(about.starts[first:stop]) + fraction * about.integration_time
        times = start + TimeDelta(seconds, format="sec")
        table[f"int_{part}_MJD_UTC"] = times.mjd
        table[f"int_{part}_BJD_TDB"] = times.mjd + scales.later(seconds)[0]
    return table
