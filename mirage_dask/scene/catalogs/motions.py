"""How the sources of a catalog move: velocities, or an ephemeris of JPL Horizons for each source.

    # velocity_RA_Dec    change of the two coordinates, arcsec/hour: the one in RA is not multiplied with cos(Dec) (default)
    # velocity_on_sky    arcsec/hour on the sky, towards east and north: dRA*cosD and d(DEC)/dt of Horizons
    # velocity_pixels    pixels/hour

The columns are Mirage's, `x_or_RA_velocity`, `y_or_Dec_velocity` and `ephemeris_file`; so is the default. A source with a
file in `ephemeris_file` follows it, and its position and velocity may be left empty (or None). The path is relative to the
catalog, else to the working directory. In a catalog of the target that is tracked, `object` says what it is: a word that
contains 'point', 'sersic' or 'extended'; it has one source.

At which time a source is at the position of the catalog: `mirage_dask.scene.moving_sources`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.catalogs.columns import ColumnChecker, Floats, is_empty
from mirage_dask.scene.catalogs.table import CatalogTable
from mirage_dask.scene.catalogs.units import VELOCITY_COLUMNS

FASTEST = {"arcsec": 36000.0, "pixels": 1.2e6}
"""Largest velocity per hour: 10 degrees an hour; what JWST tracks is 130 times slower."""
STEEP = 10.0
"""Degrees of declination from which on the two meanings of a velocity in RA differ by more than 1.5 %."""
OBJECTS = ("point", "sersic", "extended")
"""What a tracked target may be: parts of the word in column `object`."""
_FILE = "ephemeris_file"
_NOTHING = ("", "none", "nan", "--", "null")
"""What stands for nothing in a cell, in lower case."""


@dataclass(frozen=True, eq=False)
class Motion:
    """How n sources move."""

    velocity: Floats
    """(n, 2) in RA and Dec or x and y, per hour; NaN for a source with an ephemeris."""
    meaning: str
    """'velocity_RA_Dec', 'velocity_on_sky' or 'velocity_pixels'."""
    ephemerides: tuple[str, ...]
    """(n,) absolute paths of Horizons files; empty for a source with a velocity."""

    @property
    def pixels(self) -> bool:
        """Whether velocities are pixels/hour."""
        return self.meaning == "velocity_pixels"


def with_places(table: CatalogTable) -> CatalogTable:
    """Return a table with zeros in the cells of positions and velocities that an ephemeris makes unnecessary."""
    given = _is_given(table)
    columns, names = dict(table.columns), list(table.names)
    if not given.any():
        return table
    for name in ("x_or_ra", "y_or_dec", *VELOCITY_COLUMNS):
        if name in columns:
            cells = columns[name]
            free = given & _is_nothing(cells)
            columns[name] = np.where(free, "0" if cells.dtype.kind == "O" else 0, cells).astype(cells.dtype)
        elif given.all():
            columns[name] = np.zeros(len(table))
    return replace(table, columns=columns, names=names)


def read_motion(check: ColumnChecker, meaning: str) -> Motion:
    """Read the velocities and ephemerides of a catalog; problems are collected in `check`.

    Parameters
    ----------
    check
        Of a table from `with_places`.
    meaning
        The phrase that says what velocities are.
    """
    table = check.table
    given = _is_given(table)
    if _FILE not in table.columns or not given.all():
        check.columns(VELOCITY_COLUMNS)
    unit = "pixels" if meaning == "velocity_pixels" else "arcsec"
    remedy = f"must be between -{FASTEST[unit]:g} and {FASTEST[unit]:g} {unit}/hour."
    velocity = np.stack(
        [check.numbers(name, lambda v: np.abs(v) <= FASTEST[unit], remedy) for name in VELOCITY_COLUMNS],
        axis=1,
    )
    cells = table.columns.get(_FILE, np.full(len(table), "", dtype=object))
    paths = [
        _absolute(str(cell).strip(), table.path) if yes else ""
        for cell, yes in zip(cells, given, strict=True)
    ]
    missing = np.array([bool(path) and not Path(path).is_file() for path in paths], dtype=bool)
    check.fail(_FILE, missing, "there is no such file; save the table of Horizons there.")
    return Motion(np.where(given[:, None], np.nan, velocity), meaning, tuple(paths))


def tracked_object(check: ColumnChecker) -> str:
    """Return what the target of a catalog of one target is, one of `OBJECTS`; record it where it is none of these."""
    table = check.table
    if len(table) != 1:
        check.problems.append(
            f"{table.path}: {len(table)} sources; the telescope tracks one: keep that, and put others into a catalog "
            "of type moving_pointsource."
        )
        return ""
    word = str(table.columns.get("object", ["point"])[0]).casefold()
    found = next((kind for kind in OBJECTS if kind in word), "")
    if not found:
        check.problems.append(
            f"{table.path}: column 'object' in {table.place(0)} ({table.columns['object'][0]}): write 'pointSource', "
            "'sersic' with radius, ellipticity, pos_angle and sersic_index, or 'extended' with filename and pos_angle."
        )
    return found


def _is_given(table: CatalogTable) -> NDArray[np.bool_]:
    if _FILE not in table.columns:
        return np.zeros(len(table), dtype=bool)
    return ~_is_nothing(table.columns[_FILE])


def _is_nothing(cells: NDArray[np.generic]) -> NDArray[np.bool_]:
    if cells.dtype.kind != "O":
        return is_empty(cells)
    return np.array([str(cell).strip().casefold() in _NOTHING for cell in cells], dtype=bool)


def _absolute(text: str, catalog: Path) -> str:
    path = Path(os.path.expandvars(text)).expanduser()
    beside = catalog.resolve().parent / path
    return str(beside if beside.is_file() else path.resolve())
