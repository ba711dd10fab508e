"""Light curves of sources in files: HDF5 in Mirage's format, or ECSV.

HDF5: one dataset for each source, named by its index, of shape (2, n): times, rising, and fluxes relative to the magnitude
of the catalog. Its attribute `time_units` (default second) is a name of Mirage or a unit of astropy. A file with the one
dataset '1', as Mirage writes it, holds for a source of any index. ECSV: one light curve, in the columns `time`, with a unit,
and `flux`; for a source of any index.

Times count from the start of the first integration of each exposure. Between them, the flux is on straight lines; before the
first and after the last it stays what it is there. (Mirage sets it to 1 there.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u

from mirage_dask.catalogs.hdf5 import (
    MOST_POINTS,
    Floats,
    is_index,
    named_unit,
    numbered_problem,
    read_datasets,
    write_datasets,
)
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs.formats import read_ecsv

ANY_SOURCE = 1
"""Index of the one dataset of a file that holds for a source of any index."""
_TIMES = {
    **{
        "second": u.s,
        "seconds": u.s,
        "sec": u.s,
        "minute": u.min,
        "minutes": u.min,
        "hour": u.h,
        "hours": u.h,
    },
    **{"day": u.d, "days": u.d},
}


@dataclass(frozen=True, eq=False)
class LightCurve:
    """How the brightness of a source changes."""

    seconds: Floats
    """(n,) since the start of the first integration, rising."""
    factor: Floats
    """(n,) by which the flux of the catalog is multiplied, 0 or more."""


def read_light_curves(path: str | os.PathLike[str]) -> dict[int, LightCurve]:
    """Read the light curves of a file by the index of the source; that of an ECSV file has the index `ANY_SOURCE`.

    Raises
    ------
    InputError
        With every problem: a file of another format or cut off, names that are no indices, units that are not known, times
        that do not rise, fluxes that are negative or not finite.
    """
    place = Path(path)
    if place.is_file():
        with place.open("rb") as file:
            text = file.read(7) == b"# %ECSV"
        if text:
            return {ANY_SOURCE: _of_table(place)}
    return read_datasets(place, _light_curve, what="light curves", rows="times and fluxes")


def light_curve_of(path: str | os.PathLike[str], index: int, curves: Mapping[int, LightCurve]) -> LightCurve:
    """Return the light curve of a source among those of a file.

    Parameters
    ----------
    path
        The file, for messages.
    index
        Of the source.
    curves
        From `read_light_curves`.

    Raises
    ------
    InputError
        If there is none.
    """
    if index in curves:
        return curves[index]
    if list(curves) == [ANY_SOURCE]:
        return curves[ANY_SOURCE]
    known = ", ".join(map(str, list(curves)[:6])) + (", ..." if len(curves) > 6 else "")
    raise InputError(
        f"{path}: no light curve of the source {index}; the file has {known}. Name the dataset by the index of the source."
    )


def write_light_curves(path: str | os.PathLike[str], curves: Mapping[int, tuple[Any, Any]]) -> Path:
    """Write light curves into an HDF5 file in Mirage's format; return its path.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    curves
        {index of the source: (times, fluxes)}, (n,) each, n of 2 or more: times are a Quantity or seconds, fluxes relative
        to the magnitude of the catalog.

    Raises
    ------
    InputError
        With every problem, as for `read_light_curves`; or if the file cannot be written.
    """
    problems: list[str] = []
    datasets: dict[int, tuple[Floats, dict[str, str]]] = {}
    for index, (times, fluxes) in curves.items():
        what = f"light curve {index}"
        if not is_index(index):
            problems.append(f"{what}: the index of a source is a whole number of 0 or more.")
            continue
        try:
            one = checked(what, times, fluxes)
            datasets[int(index)] = np.stack([one.seconds, one.factor]), {"time_units": "second"}
        except InputError as error:
            problems += error.problems
    if not curves:
        problems.append(f"{path}: there are no light curves; give one at least.")
    if problems:
        raise InputError(problems)
    return write_datasets(path, datasets, what="light curves")


def checked(what: str, times: Any, fluxes: Any) -> LightCurve:
    """Return the light curve of times and fluxes.

    Parameters
    ----------
    what
        For messages; empty for none.
    times
        (n,) Quantity, or numbers of seconds.
    fluxes
        (n,) relative to the magnitude of the catalog.

    Raises
    ------
    InputError
        With every problem.
    """
    begin, problems = f"{what}: " if what else "", []
    try:
        seconds = np.asarray(
            u.Quantity(times, dtype=np.float64, unit=None if hasattr(times, "unit") else u.s).to_value(u.s)
        )
        factor = np.asarray(u.Quantity(fluxes, dtype=np.float64).to_value(u.dimensionless_unscaled))
    except u.UnitsError as error:
        raise InputError(
            f"{begin}{' '.join(str(error).split())}; times need a unit of time, fluxes are numbers without one."
        ) from None
    except (TypeError, ValueError):
        raise InputError(f"{begin}times and fluxes are not numbers; give two arrays of as many.") from None
    if seconds.ndim != 1 or seconds.shape != factor.shape or seconds.size < 2:
        raise InputError(
            f"{begin}{seconds.shape} times and {factor.shape} fluxes; two numbers of each are needed at least, as many of "
            "one as of the other."
        )
    with np.errstate(invalid="ignore"):
        falls = np.append(False, np.diff(seconds) <= 0)
    for name, values, bad, remedy in (
        ("time", seconds, ~np.isfinite(seconds), "is not finite; give a number"),
        ("time", seconds, falls, "does not rise; sort the light curve, and keep one of equal times"),
        ("flux", factor, ~np.isfinite(factor), "is not finite; give a number"),
        ("flux", factor, factor < 0, "is negative; give 0 where there is no light"),
    ):
        if bad.any():
            problems.append(numbered_problem(what, name, values, bad, remedy).removeprefix(": "))
    if problems:
        raise InputError(problems)
    return LightCurve(seconds, factor)


def _light_curve(values: Floats, attributes: Mapping[str, Any]) -> LightCurve:
    unit = named_unit(attributes.get("time_units", "second"), _TIMES, "time_units")
    flux_units = attributes.get("flux_units", "normalized")
    named_unit(flux_units, {"normalized": u.dimensionless_unscaled}, "flux_units")
    return checked("", values[0] * unit, values[1])


def _of_table(path: Path) -> LightCurve:
    table = read_ecsv(path)
    columns = {name.lower(): name for name in table.colnames}
    if missing := [name for name in ("time", "flux") if name not in columns]:
        raise InputError(
            f"{path}: no column {' and '.join(map(repr, missing))}; a light curve has the columns 'time', with a unit, and "
            f"'flux'; the file has {', '.join(table.colnames)}."
        )
    if len(table) > MOST_POINTS:
        raise InputError(f"{path}: {len(table):,} points; {MOST_POINTS:,} are the most that are read.")
    time, flux = (table[columns[name]] for name in ("time", "flux"))
    for column in (time, flux):
        if np.ma.is_masked(column):
            raise InputError(f"{path}: column {column.info.name!r} has empty cells; give a number in each.")
    return checked(str(path), time, flux)
