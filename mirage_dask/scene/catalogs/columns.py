"""Read and check the columns of a catalog: numbers, angles, indices and shapes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import nearest
from mirage_dask.scene.catalogs.table import SHOWN, CatalogTable, is_number, more

Floats = NDArray[np.float64]

SHAPE_COLUMNS = ("radius", "ellipticity", "pos_angle", "sersic_index")
IMAGE_COLUMNS = ("filename", "pos_angle")
GHOST_STAMP = "niriss_ghost_stamp"
"""Column with the image of the ghost of each source."""
LIGHT_CURVE = "lightcurve_file"
"""Column with the file of the light curve of each source."""
NOTHING = ("", "none", "null", "nan", "--")
"""What stands for no position angle or magnitude of an extended source."""
PROPER = {
    "x_or_ra": "x_or_RA",
    "y_or_dec": "y_or_Dec",
    "x_or_ra_velocity": "x_or_RA_velocity",
    "y_or_dec_velocity": "y_or_Dec_velocity",
}
LARGEST_SERSIC_INDEX = 10.0

_DIGITS = re.compile(r"[+]?[0-9]{1,19}")
_ANGLE = re.compile(r"([+-]?)(\d+)([:hd])(\d+)(?:[:m](\d+(?:\.\d*)?)?)?s?", re.IGNORECASE)


class ColumnChecker:
    """Reads columns of a table and collects their problems."""

    def __init__(self, table: CatalogTable, problems: list[str]):
        self.table, self.problems = table, problems

    def columns(self, required: tuple[str, ...]) -> None:
        """Record the required columns that are missing."""
        names = self.table.names
        for name in required:
            if name not in self.table.columns:
                shown = PROPER.get(name, name)
                self.problems.append(
                    f"{self.table.path}: column {shown!r} is missing{nearest(shown, names)}; "
                    f"the file has {', '.join(names)}."
                )

    def fail(self, column: str, bad: NDArray[np.bool_], remedy: str) -> None:
        """Record bad rows of a column, with their lines and values."""
        if not bad.any():
            return
        values = self.table.columns[column]
        rows = np.flatnonzero(bad)
        shown = ", ".join(f"{self.table.place(r)} ({values[r]})" for r in rows[:SHOWN])
        name = PROPER.get(column, column)
        self.problems.append(f"{self.table.path}: column {name!r} in {shown}{more(rows.size)}: {remedy}")

    def filled(self, column: str, remedy: str) -> NDArray[np.bool_]:
        """Return which rows have a value; the others are recorded."""
        empty = is_empty(self.table.columns[column])
        if empty.any():
            name = PROPER.get(column, column)
            self.problems.append(empty_cells(self.table, name, empty, remedy))
        return ~empty

    def numbers(self, column: str, allowed: Callable[[Floats], NDArray[np.bool_]], remedy: str) -> Floats:
        """Return a numeric column; values that are empty, not finite or not allowed are recorded."""
        if column not in self.table.columns:
            return np.full(len(self.table), np.nan)
        filled = self.filled(column, "give every source a value")
        values = read_numbers(self.table.columns[column])
        finite = np.isfinite(values)
        self.fail(column, filled & ~finite, "must be a finite number.")
        with np.errstate(invalid="ignore"):
            self.fail(column, finite & ~allowed(values), remedy)
        return values

    def angles(self, column: str, *, hours: bool) -> Floats:
        """Return a column of decimal or sexagesimal angles in degrees; invalid ones are recorded."""
        if column not in self.table.columns:
            return np.full(len(self.table), np.nan)
        filled = self.filled(column, "give every source a position")
        values = _convert(self.table.columns[column], lambda token: _angle(token, hours=hours))
        style = "hh:mm:ss or 03h32m21s" if hours else "dd:mm:ss or -27d50m23s"
        self.fail(column, filled & ~np.isfinite(values), f"must be decimal degrees, {style}.")
        return values


def empty_cells(table: CatalogTable, name: str, empty: NDArray[np.bool_], remedy: str) -> str:
    """Return the sentence on empty cells of a column: 'line 2: column … is empty; …'."""
    rows = np.flatnonzero(empty)
    shown = ", ".join(table.place(r) for r in rows[:SHOWN])
    return f"{table.path}: {shown}{more(rows.size)}: column {name!r} is empty; {remedy}."


def is_empty(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which cells are empty: texts of no length; of numbers NaN, which FITS, pandas and masks have there."""
    if values.dtype.kind != "O":
        return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
    return np.asarray(values == "", dtype=bool)


def _convert(values: NDArray[Any], convert: Callable[[str], float]) -> Floats:
    """Return the numbers of a column; use `convert` for each text if one is not a number."""
    if values.dtype.kind != "O":
        return values.astype(np.float64) if values.dtype.kind in "iuf" else np.full(values.shape, np.nan)
    try:
        if "_" not in " ".join(values):
            return values.astype(np.float64)
    except ValueError:
        pass
    return np.array([convert(text) for text in values], dtype=np.float64)


def read_numbers(values: NDArray[Any]) -> Floats:
    """Return the numbers of a column of texts or numbers, NaN for other values."""
    return _convert(values, lambda text: float(text) if is_number(text) else float("nan"))


def _angle(token: str, *, hours: bool) -> float:
    """Return degrees of one decimal or sexagesimal token, NaN if it is neither."""
    if is_number(token):
        return float(token)
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
    """Return the column index, by default 1, 2, …; -1 for an invalid value.

    It is read as an integer, never as a float: identifiers of Gaia have 64 bits, a float keeps 53 of them.
    """
    count = len(check.table)
    if "index" not in check.table.columns:
        return np.arange(1, count + 1, dtype=np.int64)
    filled = check.filled("index", "number all sources, or remove the column")
    values = check.table.columns["index"]
    if values.dtype.kind in "iu":
        found = np.where((values >= 0) & (values < 2**63), values, 0).astype(np.int64)
        valid = np.asarray((values >= 0) & (values < 2**63))
    else:
        numbers = [_integer(value) for value in values]
        valid = np.array([number is not None for number in numbers])
        found = np.array([number or 0 for number in numbers], dtype=np.int64)
    check.fail("index", filled & ~valid, "must be an integer of 0 or more, below 2**63.")
    unique, first = np.unique(found[valid], return_index=True)
    twice = valid.copy()
    twice[np.flatnonzero(valid)[first]] = False
    del unique
    check.fail("index", twice, "was used before; number the sources differently.")
    return np.where(valid, found, -1)


def _integer(value: str | float) -> int | None:
    """Return the integer that a text or a float holds exactly; None where there is none."""
    text = str(value)
    if _DIGITS.fullmatch(text):
        number = int(text)
    elif is_number(text) and float(text).is_integer() and abs(float(text)) <= 2**53:
        number = int(float(text))
    else:
        return None
    return number if 0 <= number < 2**63 else None


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


def read_images(check: ColumnChecker) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """Return (paths of the images of extended sources, {pos_angle: degrees, NaN for None}).

    Paths are relative to the catalog.
    """
    columns, folder = check.table.columns, check.table.path.parent
    paths: list[str] = []
    if "filename" in columns:
        values = columns["filename"]
        nothing = np.array([str(value).strip().lower() in NOTHING for value in values])
        check.fail("filename", nothing, "name the FITS file of the source's image.")
        paths = [_beside(folder, str(value)) for value in values]
    if "pos_angle" not in columns:
        return tuple(paths), {}
    angle, given = optional_numbers(columns["pos_angle"])
    with np.errstate(invalid="ignore"):
        bad = given & ~(np.abs(angle) <= 3600)
    check.fail("pos_angle", bad, "must be degrees east of north, or None.")
    return tuple(paths), {"pos_angle": angle}


def read_ghost_stamps(check: ColumnChecker) -> tuple[str, ...]:
    """Return the image of the ghost of each source, empty for the usual one; nothing without such a column.

    Paths are relative to the catalog.
    """
    folder = check.table.path.parent
    given = [str(value).strip() for value in check.table.columns.get(GHOST_STAMP, ())]
    return tuple("" if name.lower() in NOTHING else _beside(folder, name) for name in given)


def read_light_curve_files(check: ColumnChecker) -> tuple[str, ...]:
    """Return the file of the light curve of each source, as `filename` of images; paths are relative to the catalog."""
    if LIGHT_CURVE not in check.table.columns:
        return ()
    values = [str(value).strip() for value in check.table.columns[LIGHT_CURVE]]
    paths = ["" if name.lower() in NOTHING else _beside(check.table.path.parent, name) for name in values]
    check.fail(
        LIGHT_CURVE,
        np.array([not path for path in paths], dtype=bool),
        "name the file of the source's light curve.",
    )
    missing = np.array([bool(path) and not Path(path).is_file() for path in paths], dtype=bool)
    check.fail(
        LIGHT_CURVE, missing, "there is no such file; check the path, which is relative to the catalog."
    )
    return tuple(paths)


def _beside(folder: Path, name: str) -> str:
    return os.path.abspath(folder / Path(os.path.expandvars(name)).expanduser())


def optional_numbers(values: NDArray[Any]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (numbers, NaN for others; which cells say something)."""
    if values.dtype.kind != "O":
        numbers = read_numbers(values)
        return numbers, np.isfinite(numbers)
    given = np.array([str(value).strip().lower() not in NOTHING for value in values], dtype=bool)
    numbers = np.full(values.shape, np.nan)
    numbers[given] = read_numbers(values[given])
    return numbers, given
