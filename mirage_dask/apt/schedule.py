"""Start times of exposures by Mirage's simple rule, and the duration of an exposure.

The first exposure starts at the given date. Each further one starts at the end of the previous one, plus 600 s if
observation or visit change, or 90 s if the dither changes; all detectors of one exposure and its
coordinated parallels start together. An observation with its own date starts at that date. Filter moves and
slews are not modelled.

Mirage adds the duration of the exposure that *starts* instead of the one that ended; the latter is used here,
which gives the same times if all exposures are equally long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from mirage_dask.errors import InputError

DEFAULT_DATE = "2021-10-04"
VISIT_OVERHEAD = 600.0
DITHER_OVERHEAD = 90.0
_ONE_DIGIT = re.compile(r"(?<=[-T: ])\d(?!\d)")

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """The quantities that determine the start of an exposure."""

    observation: int
    visit: int
    dither: int
    seconds: float
    """Duration of the exposure, seconds."""


def clock_time(nframes: int, groupgap: int, ngroup: int, nint: int, tframe: float) -> float:
    """Return the scheduled seconds of an exposure: all frames, gaps, and one group's frames for resets."""
    return ((nframes + groupgap) * ngroup + nframes) * nint * tframe


def exposure_duration(
    nframes: int, groupgap: int, ngroup: int, nint: int, tframe: float, *, subarray: bool
) -> float:
    """Return the seconds from the first reset to the last read frame.

    There is one reset frame between integrations and, for subarrays, one before the first.
    """
    frames = (ngroup - 1) * (nframes + groupgap) + nframes
    return tframe * (nint * frames + (nint - 1) + int(subarray))


def parse_date(value: Any) -> datetime:
    """Convert a date to a UTC `datetime` without time zone.

    Parameters
    ----------
    value
        'YYYY-MM-DD', 'YYYY-MM-DDThh:mm:ss[.s]', a `date` or a `datetime`; a time zone is converted. Months, days and hours
        may have one digit, as in Mirage: '2022-3-1'.

    Raises
    ------
    InputError
        If it is not a valid date.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        try:
            value = datetime.fromisoformat(_ONE_DIGIT.sub(r"0\g<0>", str(value).strip()))
        except ValueError:
            raise InputError(
                f"{value!r} is not a valid date; write 'YYYY-MM-DD' or 'YYYY-MM-DDThh:mm:ss'."
            ) from None
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return value


def per_observation(
    value: T | Mapping[Any, T], observations: Sequence[int], *, name: str, parse: Any
) -> dict[int, Any]:
    """Return a setting for each observation.

    Parameters
    ----------
    value
        One value for all, or a mapping of observation number (1, '1' or '001') to value.
    observations
        The numbers that need a value.
    name
        Name of the setting, for errors.
    parse
        Callable that converts and checks a value; raises InputError.

    Raises
    ------
    InputError
        If an observation has no value, a key is not an observation, or a value is invalid. All problems are collected.
    """
    problems: list[str] = []
    if not isinstance(value, Mapping):
        value = dict.fromkeys(observations, value)
    found: dict[int, Any] = {}
    for key, entry in value.items():
        number = int(str(key)) if str(key).isdecimal() else -1
        if number not in observations:
            known = ", ".join(map(str, observations[:20]))
            problems.append(f"{name}: {key!r} is not an observation of the proposal; it has {known}.")
            continue
        try:
            found[number] = parse(entry)
        except InputError as error:
            problems += [f"{name}, observation {number}: {p}" for p in error.problems]
    missing = [n for n in observations if n not in found]
    if missing and not problems:
        problems.append(
            f"{name}: no value for observation(s) {', '.join(map(str, missing))}; give one for each."
        )
    if problems:
        raise InputError(problems)
    return found


def parse_angle(value: Any) -> float:
    """Convert a roll angle to a float, degrees in [0, 360).

    Raises
    ------
    InputError
        If it is not a finite number.
    """
    try:
        angle = float(value)
    except (TypeError, ValueError):
        angle = math.nan
    if isinstance(value, bool) or not math.isfinite(angle):
        raise InputError(f"{value!r} is not a valid angle; give degrees.")
    return angle % 360.0


def start_times(steps: Sequence[Step], dates: Mapping[int, datetime]) -> list[datetime]:
    """Return the start of each exposure.

    Parameters
    ----------
    steps
        Exposures in the order in which they are taken, without parallels.
    dates
        Date of each observation. Successive observations with the same date follow one another.
    """
    starts: list[datetime] = []
    now = datetime.min
    before: Step | None = None
    for step in steps:
        if before is None or dates[step.observation] != dates[before.observation]:
            now = dates[step.observation]
        else:
            new_visit = (step.observation, step.visit) != (before.observation, before.visit)
            moved = step.dither != before.dither
            overhead = VISIT_OVERHEAD if new_visit else DITHER_OVERHEAD if moved else 0.0
            now += timedelta(seconds=before.seconds + overhead)
        starts.append(now)
        before = step
    return starts


def iso_time(when: datetime) -> str:
    """Return a time in ISO format, rounded to the millisecond."""
    return (when + timedelta(microseconds=500)).isoformat(timespec="milliseconds")
