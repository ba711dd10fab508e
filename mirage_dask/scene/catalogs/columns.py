"""Read and check the columns of a catalog: numbers, angles, indices and shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.errors import nearest
from mirage_dask.scene.catalogs.text import SHOWN, is_number, more

Floats = NDArray[np.float64]

SHAPE_COLUMNS = ("radius", "ellipticity", "pos_angle", "sersic_index")
PROPER = {"x_or_ra": "x_or_RA", "y_or_dec": "y_or_Dec"}
LARGEST_SERSIC_INDEX = 10.0

_ANGLE = re.compile(r"([+-]?)(\d+)([:hd])(\d+)(?:[:m](\d+(?:\.\d*)?)?)?s?", re.IGNORECASE)


class ColumnChecker:
    """Reads columns of the table and collects their problems."""

    def __init__(
        self,
        path: Path,
        table: pd.DataFrame,
        lines: NDArray[np.int64],
        problems: list[str],
    ):
        self.path, self.table, self.lines, self.problems = path, table, lines, problems

    def columns(self, required: tuple[str, ...], header: list[str]) -> None:
        """Record the required columns that are missing."""
        for name in required:
            if name not in self.table.columns:
                shown = PROPER.get(name, name)
                self.problems.append(
                    f"{self.path}: column {shown!r} is missing{nearest(shown, header)}; "
                    f"the file has {', '.join(header)}."
                )

    def token(self, row: int, column: str) -> str:
        """Return the text of one value in the file."""
        return str(self.table[column].iloc[row])

    def fail(self, column: str, bad: NDArray[np.bool_], remedy: str) -> None:
        """Record bad rows of a column, with their lines and values."""
        if not bad.any():
            return
        rows = np.flatnonzero(bad)
        shown = ", ".join(f"line {self.lines[r]} ({self.token(r, column)})" for r in rows[:SHOWN])
        name = PROPER.get(column, column)
        self.problems.append(f"{self.path}: column {name!r} in {shown}{more(rows.size)}: {remedy}")

    def numbers(self, column: str, allowed: Callable[[Floats], NDArray[np.bool_]], remedy: str) -> Floats:
        """Return a numeric column; values that are not finite or not allowed are recorded."""
        if column not in self.table.columns:
            return np.full(len(self.table), np.nan)
        values = read_numbers(self.table[column])
        finite = np.isfinite(values)
        self.fail(column, ~finite, "must be a finite number.")
        with np.errstate(invalid="ignore"):
            self.fail(column, finite & ~allowed(values), remedy)
        return values

    def angles(self, column: str, *, hours: bool) -> Floats:
        """Return a column of decimal or sexagesimal angles in degrees; invalid ones are recorded."""
        if column not in self.table.columns:
            return np.full(len(self.table), np.nan)
        values = _convert(self.table[column], lambda token: _angle(token, hours=hours))
        style = "hh:mm:ss or 03h32m21s" if hours else "dd:mm:ss or -27d50m23s"
        self.fail(column, ~np.isfinite(values), f"must be decimal degrees, {style}.")
        return values


def _convert(column: pd.Series, convert: Callable[[str], float]) -> Floats:
    """Return the numbers of a text column; use `convert` for each value if one is not a number."""
    tokens = column.to_numpy(dtype=object)
    try:
        return tokens.astype(np.float64)
    except ValueError:
        return np.array([convert(token) for token in tokens], dtype=np.float64)


def read_numbers(column: pd.Series) -> Floats:
    """Return the numbers of a text column, NaN for other values."""
    return _convert(column, lambda token: float(token) if is_number(token) else float("nan"))


def _angle(token: str, *, hours: bool) -> float:
    """Return degrees of one decimal or sexagesimal token, NaN if it is neither."""
    try:
        return float(token)
    except ValueError:
        pass
    match = _ANGLE.fullmatch(token)
    if match is None:
        return float("nan")
    sign, units, mark, minutes, seconds = match.groups()
    m, s = int(minutes), float(seconds or 0.0)
    if m >= 60 or s >= 60:
        return float("nan")
    value = int(units) + m / 60.0 + s / 3600.0
    if (hours and mark == ":") or mark in "hH":
        value *= 15.0
    return -value if sign == "-" else value


def read_positions(check: ColumnChecker, *, pixels: bool) -> tuple[Floats, Floats]:
    """Return (right ascension, declination) in degrees, or pixels."""
    if pixels:
        remedy = "must be within 100000 pixels of the aperture."
        return (
            check.numbers("x_or_ra", lambda v: np.abs(v) <= 1e5, remedy),
            check.numbers("y_or_dec", lambda v: np.abs(v) <= 1e5, remedy),
        )
    ra, dec = check.angles("x_or_ra", hours=True), check.angles("y_or_dec", hours=False)
    hint = "; if these are pixels, add the comment line '# position_pixels' at the top."
    with np.errstate(invalid="ignore"):
        check.fail("x_or_ra", (ra < -180) | (ra > 360), f"right ascension must be in 0 to 360 degrees{hint}")
        check.fail("y_or_dec", np.abs(dec) > 90, f"declination must be in -90 to 90 degrees{hint}")
    return ra % 360.0, dec


def read_index(check: ColumnChecker) -> NDArray[np.int64]:
    """Return the column index, by default 1, 2, …; 0 for an invalid value."""
    count = len(check.table)
    if "index" not in check.table.columns:
        return np.arange(1, count + 1, dtype=np.int64)
    values = check.numbers(
        "index", lambda v: (v >= 1) & (v == np.floor(v)), "must be an integer of 1 or more."
    )
    usable = np.isfinite(values)
    twice = usable & pd.Series(values).duplicated(keep="first").to_numpy()
    check.fail("index", twice, "was used before; number the sources differently.")
    return np.where(usable, values, 0).astype(np.int64)


def read_shapes(check: ColumnChecker) -> dict[str, Floats]:
    """Return the columns with the shapes of galaxies, by name."""
    high = LARGEST_SERSIC_INDEX
    return {
        "radius": check.numbers("radius", lambda v: v > 0, "must be above 0."),
        "ellipticity": check.numbers(
            "ellipticity", lambda v: (v >= 0) & (v < 1), "must be in 0 to 1 (1 - b/a, 1 excluded)."
        ),
        "pos_angle": check.numbers(
            "pos_angle", lambda v: np.abs(v) <= 3600, "must be degrees east of north."
        ),
        "sersic_index": check.numbers(
            "sersic_index", lambda v: (v > 0) & (v <= high), f"must be above 0 and at most {high:g}."
        ),
    }
