"""Catalogs as tables: positions, shapes and magnitudes, checked when they are given, written in Mirage's format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from mirage_dask.catalogs.filters import END, column_of
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.io.atomic import replacing

Floats = npt.NDArray[np.float64]

SYSTEMS = {"abmag": u.ABmag, "stmag": u.STmag, "vegamag": u.mag}
"""Systems of magnitudes, with the units of their columns; astropy has none for Vega magnitudes."""
COMMENT_LINES = 4
"""Mirage looks for units in the first lines, as many as these."""
LARGEST_SERSIC_INDEX = 10.0

_SHAPES = ("radius", "ellipticity", "pos_angle", "sersic_index")
_FORMATS = {
    "lightcurve_file": "%s",
    "niriss_ghost_stamp": "%s",
    "index": "%d",
    "filename": "%s",
    "x_or_RA": "%.10f",
    "y_or_Dec": "%.10f",
    "radius": "%.6f",
    "ellipticity": "%.5f",
    "pos_angle": "%.4f",
    "x_or_RA_velocity": "%.8f",
    "y_or_Dec_velocity": "%.8f",
    "ephemeris_file": "%s",
    "object": "%s",
}


class SourceCatalog(Table):
    """A catalog of sources of one kind; made by `point_sources`, `galaxies` and `extended_sources`.

    An astropy Table with the columns of Mirage's format: index, x_or_RA, y_or_Dec, for galaxies radius, ellipticity,
    pos_angle and sersic_index, for images filename and pos_angle, then magnitudes. Its comments, `meta['comments']`, say
    the units, as those of a file do.
    """

    @property
    def kind(self) -> str:
        """'point_source', 'galaxy' or 'extended': the key of the setting `catalogs`."""
        if "filename" in self.colnames:
            return "extended"
        return "galaxy" if "radius" in self.colnames else "point_source"

    @property
    def system(self) -> str:
        """System of the magnitudes: 'abmag', 'stmag' or 'vegamag'."""
        return next((word for word in self.meta.get("comments", ()) if word in SYSTEMS), "abmag")

    def add_magnitudes(self, name: str, values: Any) -> str:
        """Add the magnitudes in a filter; return the name of their column.

        Parameters
        ----------
        name
            Instrument and filter, 'NIRCam F356W', or the name of the column.
        values
            One for all sources, or one for each: numbers in the catalog's system, or Quantities (magnitudes, or flux
            densities, which become magnitudes of that system); of images None for those that count as they are.

        Raises
        ------
        InputError
            If the filter is not known or given already, or a value is not finite or brighter than -30.
        """
        column = column_of(name)
        if column in self.colnames:
            raise InputError(f"{name}: the catalog has a column {column!r}; remove one of them.")
        values, own = (values, None) if self.kind != "extended" else _optional(values, len(self))
        found = _magnitudes(name, values, self.system, len(self))
        if own is not None:
            found[own] = np.nan
        self[column] = Column(found, unit=SYSTEMS[self.system])
        return column

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the catalog in Mirage's format; return its path.

        Raises
        ------
        InputError
            If there are no sources or no magnitudes, or the file cannot be written.
        """
        place = Path(path)
        needed = self.kind != "extended"
        if not len(self) or (needed and not any(name.endswith("magnitude") for name in self.colnames)):
            raise InputError(f"{place}: a catalog needs a source and a column of magnitudes; add them.")
        lines = [f"# {text}" for text in self.meta["comments"]]
        lines += ["#"] * (COMMENT_LINES - len(lines))
        columns = []
        for name in self.colnames:
            texts = self[name].dtype.kind == "U" and name not in _FORMATS
            pattern = '"%s"' if texts else _FORMATS.get(name, "%.6f")
            columns.append(["None" if value != value else pattern % value for value in self[name].tolist()])
        lines += [" ".join(self.colnames), *(" ".join(row) for row in zip(*columns, strict=True))]
        try:
            with replacing(place) as temporary:
                temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{place}: the catalog cannot be written: {error.strerror or error}.") from None
        return place


def point_sources(
    x_or_ra: Any,
    y_or_dec: Any = None,
    *,
    magnitudes: Mapping[str, Any] | None = None,
    system: str = "abmag",
    pixels: bool = False,
    index: Any = 1,
) -> SourceCatalog:
    """Build a catalog of point sources.

    Parameters
    ----------
    x_or_ra, y_or_dec
        Right ascension and declination, (n,): degrees, Quantities, or texts such as 10h00m30s and +02d12m00s. Or a SkyCoord
        alone, of any frame.
    magnitudes
        {filter: values}, see `SourceCatalog.add_magnitudes`.
    system
        'abmag', 'stmag' or 'vegamag', of all magnitudes.
    pixels
        The positions are 0-based pixels of the exposure's aperture.
    index
        Numbers of the sources, or the first of them, 0 or more.

    Raises
    ------
    InputError
        With every problem: positions off the sky, unknown filters, values that are not finite, columns of another length.
    """
    problems: list[str] = []
    catalog = _with_positions(x_or_ra, y_or_dec, pixels, system, index, problems)
    return _with_magnitudes(catalog, magnitudes, problems)


def galaxies(
    x_or_ra: Any,
    y_or_dec: Any = None,
    *,
    radius: Any,
    ellipticity: Any,
    pos_angle: Any,
    sersic_index: Any,
    magnitudes: Mapping[str, Any] | None = None,
    system: str = "abmag",
    pixels: bool = False,
    radius_pixels: bool = False,
    index: Any = 1,
) -> SourceCatalog:
    """Build a catalog of galaxies with Sérsic profiles.

    Parameters
    ----------
    x_or_ra, y_or_dec, magnitudes, system, pixels, index
        As for `point_sources`.
    radius
        Half-light radius along the major axis: arcsec, or a Quantity; pixels with `radius_pixels`.
    ellipticity
        1 - b/a, from 0 to below 1.
    pos_angle
        Position angle of the major axis, east of north: degrees, or a Quantity.
    sersic_index
        Above 0, at most 10.
    radius_pixels
        The radii are pixels.

    Raises
    ------
    InputError
        With every problem, as for `point_sources`.
    """
    problems: list[str] = []
    catalog = _with_positions(x_or_ra, y_or_dec, pixels, system, index, problems)
    catalog.meta["comments"].append("radius_pixels" if radius_pixels else "radius_arcsec")
    size = u.pix if radius_pixels else u.arcsec
    high = LARGEST_SERSIC_INDEX
    for name, values, unit, low, top, remedy in (
        ("radius", radius, size, np.nextafter(0, 1), np.inf, "must be above 0"),
        ("ellipticity", ellipticity, None, 0.0, np.nextafter(1, 0), "must be from 0 to below 1 (1 - b/a)"),
        ("pos_angle", pos_angle, u.deg, -3600.0, 3600.0, "must be degrees east of north"),
        (
            "sersic_index",
            sersic_index,
            None,
            np.nextafter(0, 1),
            high,
            f"must be above 0 and at most {high:g}",
        ),
    ):
        found = _numbers(name, values, unit or u.dimensionless_unscaled, len(catalog), problems)
        _check(name, found, low, top, remedy, problems)
        catalog[name] = Column(found, unit=unit)
    return _with_magnitudes(catalog, magnitudes, problems)


def extended_sources(
    x_or_ra: Any,
    y_or_dec: Any = None,
    *,
    filename: Any,
    pos_angle: Any = None,
    magnitudes: Mapping[str, Any] | None = None,
    system: str = "abmag",
    pixels: bool = False,
    index: Any = 1,
) -> SourceCatalog:
    """Build a catalog of sources that are images.

    Parameters
    ----------
    x_or_ra, y_or_dec, magnitudes, system, pixels, index
        As for `point_sources`; a magnitude of None stands for the image's own counts.
    filename
        FITS image of each source, or one for all; relative to the file of the catalog.
    pos_angle
        Position angle of the image's y axis, east of north: degrees, or a Quantity; None for its own orientation.

    Raises
    ------
    InputError
        With every problem, as for `point_sources`.
    """
    problems: list[str] = []
    catalog = _with_positions(x_or_ra, y_or_dec, pixels, system, index, problems)
    names = np.array(
        [str(name) for name in np.broadcast_to(np.asarray(filename, dtype=object), (len(catalog),))]
    )
    if bad := [name for name in names if not name or any(sign in name for sign in " \t,|\"'#")]:
        problems.append(
            f"filename: {bad[0]!r} has a blank, comma, bar or quote, which a text file would cut at; rename it."
        )
    catalog["filename"] = names
    angles, own = _optional(pos_angle, len(catalog))
    found = _numbers("pos_angle", angles, u.deg, len(catalog), problems)
    _check("pos_angle", found, -3600.0, 3600.0, "must be degrees east of north", problems)
    found[own] = np.nan
    catalog["pos_angle"] = Column(found, unit=u.deg)
    return _with_magnitudes(catalog, magnitudes, problems)


def _optional(values: Any, count: int) -> tuple[Any, npt.NDArray[np.bool_]]:
    """Return values with 0 in place of None, and where that is."""
    if isinstance(values, u.Quantity) or getattr(values, "unit", None) is not None:
        return values, np.zeros(count, dtype=bool)
    cells = np.asarray(values, dtype=object)
    if cells.shape not in ((), (count,)):
        return values, np.zeros(count, dtype=bool)
    own = np.array([cell is None for cell in np.broadcast_to(cells, (count,))], dtype=bool)
    return [0.0 if cell is None else cell for cell in np.broadcast_to(cells, (count,))], own


def _with_positions(
    x: Any, y: Any, pixels: bool, system: str, index: Any, problems: list[str]
) -> SourceCatalog:
    """Return a catalog of positions and comments; what cannot be used is added to the problems."""
    if system not in SYSTEMS:
        problems.append(f"system: {system!r} is not allowed; allowed: {', '.join(SYSTEMS)}.")
        system = "abmag"
    if isinstance(x, SkyCoord):
        if y is not None or pixels:
            problems.append(
                "x_or_ra: a SkyCoord holds both coordinates, on the sky; leave y_or_dec and pixels out."
            )
        x, y = x.icrs.ra, x.icrs.dec
    if y is None:
        raise InputError([*problems, "y_or_dec is missing; give both coordinates, or a SkyCoord."])
    count = max(np.size(x), np.size(y))
    unit = u.pix if pixels else u.deg
    first = _numbers("x_or_ra", x, unit, count, problems, hours=not pixels)
    second = _numbers("y_or_dec", y, unit, count, problems)
    if pixels:
        for name, values in (("x_or_ra", first), ("y_or_dec", second)):
            _check(name, values, -1e5, 1e5, "must be within 100000 pixels of the aperture", problems)
    else:
        _check("x_or_ra", first, -180.0, 360.0, "right ascension must be in 0 to 360 degrees", problems)
        _check("y_or_dec", second, -90.0, 90.0, "declination must be in -90 to 90 degrees", problems)
        first = first % 360.0
    catalog = SourceCatalog(
        {
            "index": _index(index, count, problems),
            "x_or_RA": Column(first, unit=unit),
            "y_or_Dec": Column(second, unit=unit),
        }
    )
    catalog.meta["comments"] = ["position_pixels" if pixels else "position_RA_Dec", system]
    return catalog


def _with_magnitudes(
    catalog: SourceCatalog, magnitudes: Mapping[str, Any] | None, problems: list[str]
) -> SourceCatalog:
    for name, values in (magnitudes or {}).items():
        try:
            catalog.add_magnitudes(name, values)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return catalog


def _index(index: Any, count: int, problems: list[str]) -> npt.NDArray[np.int64]:
    numbers = np.asarray(index)
    if numbers.ndim == 0 and numbers.dtype.kind in "iu":
        numbers = int(index) + np.arange(count, dtype=np.int64)
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu" or (count and numbers.min() < 0):
        problems.append(f"index: give {counted(count, 'whole number')} of 0 or more, or the first of them.")
        return np.arange(1, count + 1, dtype=np.int64)
    if np.unique(numbers).size < count:
        problems.append("index: a number is used twice; number the sources differently.")
    return numbers.astype(np.int64)


def _numbers(
    name: str, values: Any, unit: Any, count: int, problems: list[str], *, hours: bool = False
) -> Floats:
    """Return (count,) finite floats in a unit; zeros after a problem."""
    try:
        if isinstance(values, u.Quantity) or getattr(values, "unit", None) is not None:
            found = u.Quantity(values).to_value(unit)
        elif np.asarray(values).dtype.kind in "US":
            from astropy.coordinates import Angle

            found = Angle(values, unit=u.hourangle if hours else u.deg).to_value(unit)
        else:
            found = np.asarray(values, dtype=np.float64)
        found = np.array(np.broadcast_to(found, (count,)), dtype=np.float64)
    except (TypeError, ValueError, u.UnitsError) as error:
        problems.append(f"{name}: give {counted(count, 'number')}, or one ({str(error).rstrip('.')}).")
        return np.zeros(count)
    bad = ~np.isfinite(found)
    if bad.any():
        problems.append(f"{name}: {_where(bad, found)} is not finite; give a number.")
        found[bad] = 0.0
    return found


def _check(name: str, values: Floats, low: float, high: float, remedy: str, problems: list[str]) -> None:
    bad = (values < low) | (values > high)
    # A value that could not be read is 0 and named already.
    if bad.any() and not any(problem.startswith(f"{name}:") for problem in problems):
        problems.append(f"{name}: {_where(bad, values)}: {remedy}.")


def _where(bad: npt.NDArray[np.bool_], values: Floats) -> str:
    row = int(np.flatnonzero(bad)[0])
    more = int(bad.sum()) - 1
    return f"source {row} ({values[row]:g})" + (f" and {more} more" if more else "")


def _magnitudes(name: str, values: Any, system: str, count: int) -> Floats:
    problems: list[str] = []
    unit = SYSTEMS[system]
    plain = values
    given = getattr(values, "unit", None)
    if given is not None and given != u.mag:
        try:
            plain = u.Quantity(values, subok=True).to_value(unit)
        except (TypeError, u.UnitsError):
            raise InputError(
                f"{name}: {given} is not converted to {system} magnitudes; give magnitudes of that system."
            ) from None
    elif given is not None:
        plain = u.Quantity(values, subok=True).value
    found = _numbers(name, plain, u.dimensionless_unscaled, count, problems)
    if problems:
        raise InputError(
            [f"{p.rstrip('.')} (99 for a source that is not visible in this filter)." for p in problems]
        )
    bright = found < -30.0
    if bright.any():
        raise InputError(
            f"{name}: {_where(bright, found)} is brighter than -30; give 99 for an unknown magnitude."
        )
    return found


def join(catalogs: list[SourceCatalog], *, fill: float = 99.0) -> SourceCatalog:
    """Return the sources of several catalogs of one kind as one, numbered anew from the first index of the first one.

    Parameters
    ----------
    catalogs
        At least one.
    fill
        Magnitude of sources whose catalog does not have the filter.

    Raises
    ------
    InputError
        If their kinds, units or systems of magnitudes differ.
    """
    from astropy.table import vstack

    first = catalogs[0]
    comments = {tuple(sorted(catalog.meta["comments"])) for catalog in catalogs}
    if len(comments) > 1:
        listed = " and ".join(", ".join(words) for words in sorted(comments))
        raise InputError(f"These catalogs have different units ({listed}); convert one of them.")
    joined = vstack(catalogs, metadata_conflicts="silent")
    joined.meta["comments"] = list(first.meta["comments"])
    start = int(first["index"][0]) if len(first) else 1
    joined["index"] = np.arange(start, start + len(joined), dtype=np.int64)
    for name in joined.colnames:
        if name.endswith(END) or name == "magnitude":
            column = joined[name]
            joined[name] = Column(np.ma.filled(np.ma.asarray(column), fill).astype(float), unit=column.unit)
        elif joined[name].dtype.kind == "f":  # motions, which not every catalog has
            joined[name] = Column(np.ma.filled(np.ma.asarray(joined[name]), np.nan), unit=joined[name].unit)
    return SourceCatalog(joined, masked=False)
