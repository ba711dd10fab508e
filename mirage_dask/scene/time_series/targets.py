"""What a catalog of the type `tso_grism_catalog` says: one star, and the planet before it or light curves of its own.

Besides position and magnitudes it has Mirage's columns, with batman's meaning:

    Semimajor_axis_in_stellar_radii, Orbital_inclination_deg, Eccentricity, Longitude_of_periastron (degrees)
    Limb_darkening_model        one of `transits.LAWS`
    Limb_darkening_coeffs       "0.1, 0.2"; not needed where the transmission spectrum has columns u1, u2, …
    Time_units                  of the times below: second, minute, hour, day
    Start_time                  of the exposure; default 0
    End_time                    later than that; Mirage's, not needed: light is computed for the whole exposure
    Time_of_inferior_conjunction, Orbital_period
    Transmission_spectrum       file (`radii`), relative to the catalog; or
    Radius_ratio                one number for all wavelengths

or, instead of all these, `lightcurve_file`: a file of relative light by wavelength and time, relative to the catalog, whose
times count from the start of the exposure's first integration.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.formatting import counted
from mirage_dask.scene.catalogs.columns import NOTHING, read_numbers
from mirage_dask.scene.catalogs.reading import Catalog
from mirage_dask.scene.time_series.radii import read_radii
from mirage_dask.scene.time_series.transits import LAWS, Transit

Floats = NDArray[np.float64]

KIND = "tso_grism_catalog"
SAME_PLACE = 0.1
"""arcsec, or 1 pixel: a star of another catalog that is as near is taken for the same one."""
CURVES, SPECTRUM = "lightcurve_file", "transmission_spectrum"
"""Columns that name files."""
SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_UNITS = {
    **{name: name for name in SECONDS},
    **dict.fromkeys(("s", "sec"), "second"),
    "min": "minute",
    **dict.fromkeys(("h", "hr"), "hour"),
    "d": "day",
}
_NUMBERS: dict[str, tuple[str, Callable[[float], bool], str]] = {
    "semimajor_axis_in_stellar_radii": (
        "Semimajor_axis_in_stellar_radii",
        lambda v: v > 1,
        "must be above 1",
    ),
    "orbital_inclination_deg": (
        "Orbital_inclination_deg",
        lambda v: 0 <= v <= 180,
        "must be 0 to 180 degrees",
    ),
    "eccentricity": ("Eccentricity", lambda v: 0 <= v < 1, "must be 0 or more and below 1"),
    "longitude_of_periastron": ("Longitude_of_periastron", lambda v: abs(v) <= 360, "must be degrees"),
    "time_of_inferior_conjunction": ("Time_of_inferior_conjunction", math.isfinite, "must be a number"),
    "orbital_period": ("Orbital_period", lambda v: v > 0, "must be above 0"),
}
"""Column: its name, what is allowed, what to say else."""
COLUMNS = frozenset(
    (
        *(CURVES, SPECTRUM, *_NUMBERS, "limb_darkening_model", "limb_darkening_coeffs"),
        *("time_units", "start_time", "end_time", "radius_ratio"),
    )
)
"""Columns besides position and magnitudes, in lower case."""


@dataclass(frozen=True, eq=False)
class Target:
    """The source of a grism time series."""

    transit: Transit | None
    """None where there are light curves of the user's."""
    curves: str
    """Path of these; empty where there is a transit."""


def files_of(catalog: Catalog) -> tuple[str, ...]:
    """Return the absolute paths of the files that a catalog names."""
    return tuple(path for name in (CURVES, SPECTRUM) if (path := _file(catalog, name)))


def read_target(catalog: Catalog) -> Target:
    """Return what a catalog says of its one source.

    Raises
    ------
    InputError
        With every problem of the columns and of the transmission spectrum.
    """
    path, columns = catalog.path, catalog.table.columns
    if len(catalog) != 1:
        raise InputError(
            f"{path}: {len(catalog)} sources; a {KIND} has the target alone: give the others as point_source and galaxy."
        )
    curves = _file(catalog, CURVES)
    if curves:
        return Target(None, curves)
    problems: list[str] = []
    values: dict[str, float] = {}
    for name, (shown, allowed, remedy) in _NUMBERS.items():
        if name not in columns:
            problems.append(
                f"{path}: column {shown!r} is missing{nearest(shown, catalog.table.names)}; add it, or give light curves of "
                f"your own in a column {CURVES!r}."
            )
            continue
        values[name] = float(read_numbers(columns[name])[0])
        if not (np.isfinite(values[name]) and allowed(values[name])):
            problems.append(f"{path}: column {shown!r} ({columns[name][0]}) {remedy}.")
    scale = _time_scale(catalog, problems)
    start = _optional(catalog, "start_time", 0.0, problems)
    if _optional(catalog, "end_time", np.inf, problems) <= start:
        problems.append(f"{path}: End_time must be later than Start_time.")
    law = (
        str(columns["limb_darkening_model"][0]).strip().lower()
        if "limb_darkening_model" in columns
        else "uniform"
    )
    if law not in LAWS:
        problems.append(
            f"{path}: there is no limb darkening {law!r}{nearest(law, tuple(LAWS))}; known: {', '.join(LAWS)}."
        )
    try:
        wave, ratio, coefficients = _radii(catalog)
        if law in LAWS:
            coefficients = _coefficients(catalog, law, wave.size, coefficients)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    transit = Transit(
        semimajor_axis=values["semimajor_axis_in_stellar_radii"],
        inclination=values["orbital_inclination_deg"],
        eccentricity=values["eccentricity"],
        periastron=values["longitude_of_periastron"],
        period=values["orbital_period"] * scale,
        midpoint=values["time_of_inferior_conjunction"] * scale,
        start=start * scale,
        law=law,
        wavelength=wave,
        radius_ratio=ratio,
        coefficients=np.zeros((wave.size, 0)) if coefficients is None else coefficients,
    )
    return Target(transit, "")


def _file(catalog: Catalog, name: str) -> str:
    text = (
        str(catalog.table.columns[name][0]).strip() if name in catalog.table.columns and len(catalog) else ""
    )
    if text.lower() in NOTHING:
        return ""
    return os.path.abspath(catalog.table.path.parent / Path(os.path.expandvars(text)).expanduser())


def _time_scale(catalog: Catalog, problems: list[str]) -> float:
    columns = catalog.table.columns
    unit = str(columns["time_units"][0]).strip().lower() if "time_units" in columns else "second"
    name = _UNITS.get(unit, _UNITS.get(unit.removesuffix("s"), ""))
    if not name:
        problems.append(f"{catalog.path}: Time_units {unit!r} is not known; write {', '.join(SECONDS)}.")
    return SECONDS.get(name, 1.0)


def _optional(catalog: Catalog, name: str, default: float, problems: list[str]) -> float:
    columns = catalog.table.columns
    if name not in columns:
        return default
    value = float(read_numbers(columns[name])[0])
    if not np.isfinite(value):
        problems.append(
            f"{catalog.path}: column {name.capitalize()!r} ({columns[name][0]}) must be a number."
        )
        return default
    return value


def _radii(catalog: Catalog) -> tuple[Floats, Floats, Floats | None]:
    if path := _file(catalog, SPECTRUM):
        return read_radii(Path(path))
    columns = catalog.table.columns
    ratio = read_numbers(columns["radius_ratio"]) if "radius_ratio" in columns else np.full(1, np.nan)
    if not 0 <= ratio[0] < 1:
        raise InputError(
            f"{catalog.path}: name a file of radii by wavelength in the column 'Transmission_spectrum', or give the column "
            "'Radius_ratio' between 0 and 1."
        )
    return np.array([3.0]), ratio[:1], None


def _coefficients(catalog: Catalog, law: str, count: int, given: Floats | None) -> Floats:
    wanted = LAWS[law]
    if given is None:
        columns = catalog.table.columns
        text = str(columns["limb_darkening_coeffs"][0]) if "limb_darkening_coeffs" in columns else ""
        words = text.replace("[", " ").replace("]", " ").replace(",", " ").split()
        if words == ["None"]:
            words = []
        given = (
            np.tile(read_numbers(np.array(words, dtype=object)), (count, 1))
            if words
            else np.zeros((count, 0))
        )
    if given.shape[1] != wanted or not np.isfinite(given).all():
        raise InputError(
            f"{catalog.path}: limb darkening {law!r} has {counted(wanted, 'coefficient')}, not {given.shape[1]}; write them "
            'as "0.1, 0.2" into the column Limb_darkening_coeffs, or as columns u1, u2 into the transmission spectrum.'
        )
    return given
