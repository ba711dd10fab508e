"""Units of columns, honoured or refused: angles become degrees (radii arcsec), magnitudes say their system.

A column without a unit has the one that the comments say. One with a unit must have one that makes sense for it; a flux in
a column of magnitudes is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.catalogs.phrases import Phrases
from mirage_dask.scene.catalogs.table import CatalogTable, is_number

SEXAGESIMAL = {"x_or_ra": ('"h:m:s"', "h:m:s", "hourangle"), "y_or_dec": ('"d:m:s"', "d:m:s", "deg")}
"""Units of texts such as 3:32:24; the first two are VizieR's."""
VELOCITY_COLUMNS = ("x_or_ra_velocity", "y_or_dec_velocity")
_YEARLY = {"pmra": "mas / yr", "pmdec": "mas / yr", "ref_epoch": "yr"}
"""Units of proper motions and of their epoch."""
_RATIOS = ("ellipticity", "sersic_index", "index")


@dataclass(frozen=True)
class Units:
    """The units of a catalog."""

    system: str
    """'abmag', 'stmag' or 'vegamag'."""
    pixels: bool
    radius_pixels: bool
    velocity: str = "velocity_RA_Dec"
    """What velocities are, one of `phrases.VELOCITIES`."""


def apply_units(table: CatalogTable, phrases: Phrases) -> tuple[CatalogTable, Units, list[str]]:
    """Convert the columns that have units to those that the program uses.

    Returns
    -------
    table, units, problems
        Positions and position angles in degrees, or positions in pixels; radii in arcsec or pixels.
    """
    columns, problems = dict(table.columns), list(phrases.problems)
    pixels: dict[str, bool] = {}
    systems: dict[str, str] = {}
    velocity: dict[str, bool] = {}

    def refuse(name: str, wanted: str) -> None:
        shown = next((n for n in table.names if n.casefold() == name), name)
        problems.append(f"{table.path}: column {shown!r} is in {table.units[name]}; {wanted}.")

    for name, unit in table.units.items():
        if name in ("x_or_ra", "y_or_dec", "radius", "pos_angle"):
            if _is_pixel(unit) and name != "pos_angle":
                pixels[name] = True
                continue
            pixels[name] = False
            if unit.to_string() in SEXAGESIMAL.get(name, ()) and not _decimal(columns[name]):
                continue
            factor = _factor(unit, "arcsec" if name == "radius" else "deg")
            if factor is None:
                refuse(name, "an angle is needed" + ("" if name == "pos_angle" else ", or pixels"))
            elif not _decimal(columns[name]):
                refuse(name, "write its texts (hh:mm:ss) without a unit, or as numbers")
            elif factor != 1.0:
                columns[name] = _multiply(columns[name], factor)
        elif name in VELOCITY_COLUMNS:
            velocity[name] = unit.to_string().replace("pixel", "pix") in ("pix / h", "pix h-1", "pix/h")
            factor = _factor(unit, "arcsec / h")
            if factor is not None and factor != 1.0:
                columns[name] = _multiply(columns[name], factor)
            elif factor is None and not velocity[name]:
                refuse(name, "an angle per time is needed, or pix / h")
        elif name in _YEARLY:
            factor = _factor(unit, _YEARLY[name])
            if factor is None:
                refuse(name, f"{_YEARLY[name]} is needed")
            elif factor != 1.0 and not _decimal(columns[name]):
                refuse(name, f"write its texts without a unit, in {_YEARLY[name]}, or as numbers")
            elif factor != 1.0:
                columns[name] = _multiply(columns[name], factor)
        elif name in _RATIOS:
            if unit.to_string() not in ("", "1"):
                refuse(name, "a number without a unit is needed")
        elif name.endswith("magnitude"):
            system = _system(unit)
            if system is None:
                refuse(name, _magnitude_remedy(unit))
            elif system:
                systems[name] = system
    if len(set(systems.values())) > 1:
        listed = ", ".join(f"{name} in {system}" for name, system in systems.items())
        problems.append(f"{table.path}: magnitudes of several systems ({listed}); keep one.")
    system = next(iter(systems.values()), None)
    if system and phrases.system and system != phrases.system:
        problems.append(
            f"{table.path}: the comments name {phrases.system}, but the unit of column {next(iter(systems))!r} is "
            f"{system}; keep one magnitude system."
        )
    position = {value for name, value in pixels.items() if name in ("x_or_ra", "y_or_dec")}
    if table.coordinates:
        position.add(False)
    flags = []
    for what, found, said in (
        ("positions", position, phrases.pixels),
        ("radii", {pixels["radius"]} if "radius" in pixels else set(), phrases.radius_pixels),
        ("velocities", set(velocity.values()), phrases.velocity and phrases.velocity == "velocity_pixels"),
    ):
        if len(found | ({said} - {None})) > 1:
            problems.append(f"{table.path}: {what} are said to be pixels and angles; keep one.")
        flags.append(bool(said if said is not None else found and min(found)))
    in_pixels, radii, moved = flags
    velocities = "velocity_pixels" if moved else phrases.velocity or "velocity_RA_Dec"
    units = Units(system or phrases.system or "abmag", in_pixels, radii, velocities)
    return replace(table, columns=columns), units, problems


def _is_pixel(unit: Any) -> bool:
    return unit.to_string() in ("pix", "pixel")


def _factor(unit: Any, wanted: str) -> float | None:
    """Return what turns a unit into another one; None where nothing does."""
    try:
        return float(unit.to(wanted))
    except Exception:  # units that are not known, not convertible or functions of others
        return None


def _decimal(values: NDArray[Any]) -> bool:
    return values.dtype.kind != "O" or all(not text or is_number(text) for text in values)


def _multiply(values: NDArray[Any], factor: float) -> NDArray[np.float64]:
    if values.dtype.kind == "O":
        values = np.array([text or "nan" for text in values], dtype=np.float64)
    return values.astype(np.float64) * factor


def _system(unit: Any) -> str | None:
    """Return the system of a unit of magnitudes, '' for a plain one; None if it is not one."""
    text = unit.to_string().casefold().replace(" ", "")
    systems: dict[str, tuple[str, ...]] = {
        "abmag": ("mag(ab)", "abmag", "mab", "ab"),
        "stmag": ("mag(st)", "stmag", "mst", "st"),
        "vegamag": ("mag(vega)", "vegamag", "vega"),
        "": ("mag",),
    }
    return next((system for system, words in systems.items() if text in words), None)


def _magnitude_remedy(unit: Any) -> str:
    if _factor(unit, "Jy") is not None:
        return "magnitudes are wanted: column.to(astropy.units.ABmag), with the comment '# abmag'"
    return (
        "magnitudes are wanted (mag, mag(AB), mag(ST)), with the comment '# abmag', '# stmag' or '# vegamag'"
    )
