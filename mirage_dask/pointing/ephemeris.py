"""Positions of moving targets: tracks, and ephemerides written by JPL Horizons.

Times are UTC; a `datetime` without a time zone is UTC, one with a zone is converted.

*Interpolation.* Between two rows the position follows the cubic through the unit vectors of the two rows before and the
two after (Lagrange), so that neither right ascension 0 nor a pole is special; with one row per day the error for Mars is
below 0.1 arcsec. In the first and the last interval it is the parabola through three rows. A neighbour nearer than a tenth
of the interval is not used: its rounding error would be amplified over the interval.

*Format.* The rows between the lines ``$$SOE`` and ``$$EOE`` of an observer table (quantity 1, astrometric RA and
Dec), in columns or comma-separated, after the heading that names the date column:

    Date__(UT)__HR:MN     R.A._____(ICRF)_____DEC   APmag …       2020-Sep-08 00:00  m  01 49 28.77 +06 43 43.8 …
    Date_________JDUT, , , R.A._(ICRF), DEC_(ICRF), APmag …       2459100.5, , , 27.369875, 6.728833, …

Dates are calendar dates (to minutes, seconds or fractions of them) or Julian dates, of which the first counts; angles are
decimal degrees or sexagesimal. The flags for Sun and Moon after the date (``*``, ``m`` …) are ignored. RA and Dec must be
the first quantity.

*Time scale.* UT is read as UTC; TDB (``CT`` in old files) and TT are converted to UTC by subtracting 69.184 s = 32.184 s +
37 leap seconds, correct from 2017 on.

NOT modelled: the observer's location (request @JWST from Horizons), aberration, the uncertainty of the orbit.
Source: the Horizons manual, https://ssd.jpl.nasa.gov/horizons/manual.html, and files it wrote from 2013 to 2024.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.pointing.attitude import radec_to_unit, unit_to_radec

MAX_EPHEMERIS = 32 * 2**20
"""Bytes of a file."""
MAX_STEP = 30.0
"""Largest accepted distance between successive rows, degrees: interpolation is meaningless beyond it."""
TDB_MINUS_UTC = timedelta(seconds=69.184)
_SHOWN = 5  # problems of one table that are listed; the others are counted
_REMEDY = (
    "request an observer table from Horizons with quantity 1 (astrometric RA & DEC, ICRF) first, time in UT"
)

_SCALES = {"UT": timedelta(0), "TT": TDB_MINUS_UTC, "TDB": TDB_MINUS_UTC, "CT": TDB_MINUS_UTC}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CALENDAR = re.compile(r"(\d{4})-(\w{3})-(\d\d) (\d\d):(\d\d)(?::(\d\d(?:\.\d*)?))?(?=[\s,])", re.ASCII)
_JULIAN = re.compile(r"(\d{7}(?:\.\d*)?)(?=[\s,])", re.ASCII)
_DATE_COLUMN = re.compile(r"Date_+(?:\((\w+)\)__HR:MN\S*|JD(\w+))")
_SKY_COLUMN = re.compile(r"R\.A\.[^\s,]*(?:ICRF|J2000)(?!-a)")
_NUMBER = re.compile(r"[+-]?\d*\.?\d+", re.ASCII)


class Track(Protocol):
    """The track of a moving target: a position at every time."""

    def position(self, when: datetime) -> tuple[float, float]:
        """Return right ascension in [0, 360) and declination, ICRS degrees, at a time (UTC)."""


def utc(when: datetime) -> datetime:
    """Return a time as UTC without time zone."""
    return when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Ephemeris:
    """A track through tabulated positions.

    Parameters
    ----------
    name
        Name of the target.
    times
        UTC, increasing; two or more.
    ra, dec
        ICRS degrees, one for each time.
    rounding
        Root mean square of what rows lack on the sky because they are rounded, arcsec; 0: they are exact.
    observer
        From where the target is seen; empty where the file does not say.

    Raises
    ------
    InputError
        If there are fewer than two rows, or rows that cannot be interpolated.
    """

    name: str
    times: tuple[datetime, ...]
    ra: tuple[float, ...]
    dec: tuple[float, ...]
    rounding: float = 0.0
    observer: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(utc(t) for t in self.times))
        times = self.times
        _check_rows(times, self.ra, self.dec, self.name, lambda i: f"{self.name}, row {i + 1} ({times[i]})")

    def position(self, when: datetime) -> tuple[float, float]:
        """Return right ascension in [0, 360) and declination, ICRS degrees, at a time (UTC).

        Raises
        ------
        InputError
            If the time is outside the table.
        """
        when, times = self.covered(when), self.times
        i = min(bisect_right(times, when) - 1, len(times) - 2)
        step = times[i + 1] - times[i]
        nodes = [i, i + 1]
        if i > 0 and times[i] - times[i - 1] >= step / 10:
            nodes.insert(0, i - 1)
        if i + 2 < len(times) and times[i + 2] - times[i + 1] >= step / 10:
            nodes.append(i + 2)
        at = (when - times[i]) / step
        x = [(times[k] - times[i]) / step for k in nodes]
        weights = [math.prod((at - b) / (a - b) for b in x if b != a) for a in x]
        units = radec_to_unit([self.ra[k] for k in nodes], [self.dec[k] for k in nodes])
        ra, dec = unit_to_radec(np.asarray(weights) @ units)
        return float(ra[0]), float(dec[0])

    def covered(self, when: datetime) -> datetime:
        """Return a time as UTC without time zone.

        Raises
        ------
        InputError
            If it is outside the table.
        """
        when, times = utc(when), self.times
        if not times[0] <= when <= times[-1]:
            raise InputError(
                f"{self.name}: {when} UTC is outside its ephemeris, which covers {times[0]} to {times[-1]} UTC; change "
                "the date of the observation or request a table from Horizons that covers it."
            )
        return when


def read_ephemeris(path: str | Path) -> Ephemeris:
    """Read the text of an observer table of JPL Horizons.

    Parameters
    ----------
    path
        File in the format that this module describes, at most 32 MB.

    Raises
    ------
    InputError
        If it cannot be read, has no observer table, or has rows that cannot be interpolated; with line numbers.
    """
    path = Path(path)
    lines = re.split(r"\r\n|\r|\n", _read_text(path))
    start, end = _find_table(path, lines)
    heading = next((i for i in range(start - 1, -1, -1) if "Date_" in lines[i]), start - 1)
    read_row = _row_reader(path, lines[max(heading, 0)], heading + 1)
    rows: list[tuple[datetime, float, float, float]] = []
    numbers: list[int] = []
    problems: list[str] = []
    for number, line in enumerate(lines[start + 1 : end], start=start + 2):
        if not line.strip() or line.lstrip().startswith(">"):  # ">..... Daylight Cut-off Requested .....<"
            continue
        try:
            rows.append(read_row(f"{line.strip()} "))
            numbers.append(number)
        except ValueError:
            shown = line.strip()[:60]
            problems.append(
                f"{path}, line {number}: {shown!r} is not a row with date, RA and Dec; {_REMEDY}."
            )
    if problems:
        raise _collected(problems)
    times, ra, dec, rounding = zip(*rows, strict=True) if rows else ((), (), (), (0.0,))
    _check_rows(times, ra, dec, f"{path}, line {start + 1}", lambda i: f"{path}, line {numbers[i]}")
    name, observer = (_header(lines[:start], label) for label in ("Target body name", "Center body name"))
    return Ephemeris(name or path.stem, times, ra, dec, max(rounding), observer)


def _header(lines: list[str], label: str) -> str:
    """Return a name in the head of a file, without what follows in braces; empty if there is none."""
    named = (re.match(rf"{label}:\s*(.*?)\s*(?:\{{|$)", line) for line in lines)
    return next((match.group(1) for match in named if match), "")


def _check_rows(
    times: Sequence[datetime],
    ra: Sequence[float],
    dec: Sequence[float],
    table: str,
    place: Callable[[int], str],
) -> None:
    """Raise InputError for rows that cannot be interpolated; `place` names a row by its index."""
    if not len(times) == len(ra) == len(dec) >= 2:
        raise InputError(
            f"{table}: an ephemeris needs at least two rows, each with time, RA and Dec; it has {len(times)}, {len(ra)} "
            f"and {len(dec)} of these; {_REMEDY}."
        )
    wrong = ~np.isfinite(ra) | ~(np.abs(dec) <= 90)
    faults = [
        (int(i), "the position is not a valid right ascension and declination") for i in np.flatnonzero(wrong)
    ]
    if not faults:
        chords = np.linalg.norm(np.diff(radec_to_unit(ra, dec), axis=0), axis=1)
        for i in range(1, len(times)):
            if times[i] <= times[i - 1]:
                faults.append((i, "the time is not later than the previous one"))
            elif chords[i - 1] > 2 * math.sin(math.radians(MAX_STEP) / 2):
                faults.append((i, f"the target is more than {MAX_STEP:g} degrees from the previous position"))
    if faults:
        raise _collected([f"{place(i)}: {what}; {_REMEDY}." for i, what in faults])


def _collected(problems: list[str]) -> InputError:
    """Return one error for all problems of a table, with the first few listed."""
    rest = len(problems) - _SHOWN
    return InputError(
        [*problems[:_SHOWN], f"{counted(rest, 'more problem')} of this kind."] if rest > 0 else problems
    )


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_EPHEMERIS + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the ephemeris cannot be read: {reason}; check the path.") from None
    if len(data) > MAX_EPHEMERIS:
        raise InputError(
            f"{path}: the ephemeris is larger than {MAX_EPHEMERIS >> 20} MB; request fewer rows from Horizons."
        )
    return data.decode("utf-8-sig", errors="replace")


def _find_table(path: Path, lines: list[str]) -> tuple[int, int]:
    """Return the indices of the lines $$SOE and $$EOE."""
    marks = [line.strip() for line in lines]
    if "$$SOE" not in marks:
        raise InputError(
            f"{path}: no line $$SOE begins a table; save the complete text that Horizons prints."
        )
    start = marks.index("$$SOE")
    if "$$EOE" not in marks[start:]:
        raise InputError(
            f"{path}: no line $$EOE follows line {start + 1}; the file is truncated, save it again."
        )
    return start, marks.index("$$EOE", start)


def _row_reader(
    path: Path, heading: str, number: int
) -> Callable[[str], tuple[datetime, float, float, float]]:
    """Return the function that reads time, RA, Dec and rounding of a row of a table with this heading.

    It raises ValueError.
    """
    dates = list(_DATE_COLUMN.finditer(heading))
    scale = (dates[0].group(1) or dates[0].group(2)) if dates else ""
    if scale not in _SCALES:
        raise InputError(f"{path}, line {number}: the heading has no time in UT, TT or TDB; {_REMEDY}.")
    sky = heading[dates[-1].end() :].lstrip(" ,\t")
    if not _SKY_COLUMN.match(sky):
        column = re.split(r"[\s,]", sky)[0] or "nothing"
        raise InputError(f"{path}, line {number}: the date is followed by {column!r}; {_REMEDY}.")
    offset = _SCALES[scale]
    parse_date = _calendar_date if dates[0].group(1) else _julian_date

    def read(line: str) -> tuple[datetime, float, float, float]:
        when, place = parse_date(line)
        words = line[place:].replace(",", " ").split()
        if len(dates) == 2:
            words = words[1:]
        first = next((i for i, word in enumerate(words) if _NUMBER.fullmatch(word)), len(words))
        words = words[first:]
        size = 1 if words and "." in words[0] else 3
        ra, dec = _angle(words[:size]) * (1 if size == 1 else 15), _angle(words[size : 2 * size])
        if not (0 <= ra <= 360 and -90 <= dec <= 90):
            raise ValueError(line)
        steps = (
            _step(words[:size]) * (1 if size == 1 else 15) * math.cos(math.radians(dec)),
            _step(words[size : 2 * size]),
        )
        return when - offset, ra, dec, math.hypot(*steps) / math.sqrt(12)

    return read


def _calendar_date(line: str) -> tuple[datetime, int]:
    """Return the calendar date at the start of a line, and the index after it."""
    match = _CALENDAR.match(line)
    if match is None or match.group(2) not in _MONTHS:
        raise ValueError(line)
    year, month, day, hour, minute, second = match.groups()
    when = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute))
    return when + timedelta(seconds=float(second or 0)), match.end()


def _julian_date(line: str) -> tuple[datetime, int]:
    """Return the Julian date at the start of a line, and the index after it."""
    match = _JULIAN.match(line)
    if match is None or not 2.0e6 < float(match.group(1)) < 3.0e6:  # years 764 to 3501
        raise ValueError(line)
    return datetime(2000, 1, 1, 12) + timedelta(days=float(match.group(1)) - 2451545.0), match.end()


def _step(words: list[str]) -> float:
    """Return the last digit of an angle of one decimal or three sexagesimal words, arcsec (or seconds of time)."""
    return (3600.0 if len(words) == 1 else 1.0) / 10 ** len(words[-1].partition(".")[2])


def _angle(words: list[str]) -> float:
    """Return an angle of one decimal or three sexagesimal words."""
    if len(words) not in (1, 3) or not all(_NUMBER.fullmatch(word) for word in words):
        raise ValueError(words)
    parts = [abs(float(word)) for word in words]
    if any(part >= 60 for part in parts[1:]):
        raise ValueError(words)
    value = sum(part / 60**i for i, part in enumerate(parts))
    return -value if words[0].startswith("-") else value
