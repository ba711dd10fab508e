"""Mirage's classes of sources that do not move: `mirage_dask.catalogs` with Mirage's names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.catalogs import SourceCatalog, extended_sources, galaxies, point_sources
from mirage_dask.catalogs.sources import SYSTEMS, join
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted

Floats = npt.NDArray[np.float64]


class PointSourceCatalog:
    """A catalog of point sources.

    Parameters
    ----------
    ra, dec
        Positions: degrees or texts (hh:mm:ss).
    x, y
        Instead: 0-based pixels of the aperture.
    starting_index
        Number of the first source.
    niriss_ghost_stamp
        FITS image of the ghost of each source, None for the usual one; empty: the usual one for all.

    Attributes
    ----------
    table : SourceCatalog
        An astropy Table.
    magnitudes : dict
        {column: [system, values]}.

    Raises
    ------
    InputError
        If positions are missing, given twice or not valid.
    """

    def __init__(
        self,
        ra: Any = (),
        dec: Any = (),
        x: Any = (),
        y: Any = (),
        starting_index: int = 1,
        niriss_ghost_stamp: Sequence[str] = (),
    ):
        self._start(*coordinates(ra, dec, x, y), starting_index, niriss_ghost_stamp)

    def _start(
        self,
        first: Any,
        second: Any,
        pixels: bool,
        starting_index: int,
        ghost_stamps: Sequence[str],
        shapes: Mapping[str, Any] | None = None,
        build: Callable[..., SourceCatalog] = galaxies,
    ) -> None:
        if len(ghost_stamps) not in (0, np.size(first)):
            raise InputError(
                f"niriss_ghost_stamp: {counted(len(ghost_stamps), 'image')} for {counted(np.size(first), 'source')}; give "
                "one for each."
            )
        build = point_sources if shapes is None else build
        self.table: SourceCatalog = build(
            first, second, pixels=pixels, index=starting_index, **(shapes or {})
        )
        if len(ghost_stamps):
            self.table["niriss_ghost_stamp"] = ["None" if s is None else str(s) for s in ghost_stamps]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def location_units(self) -> str:
        """'position_RA_Dec' or 'position_pixels'."""
        return str(self.table.meta["comments"][0])

    @property
    def magnitudes(self) -> dict[str, list[Any]]:
        """{column: [system, values]}."""
        names = [name for name in self.table.colnames if name.endswith("magnitude")]
        return {name: [self.table.system, np.asarray(self.table[name])] for name in names}

    @property
    def ra(self) -> Floats:
        """Right ascension, degrees; empty where positions are pixels."""
        return self._position("x_or_RA", "position_RA_Dec")

    @property
    def dec(self) -> Floats:
        """Declination, degrees; empty where positions are pixels."""
        return self._position("y_or_Dec", "position_RA_Dec")

    @property
    def x(self) -> Floats:
        """Pixel; empty where positions are on the sky."""
        return self._position("x_or_RA", "position_pixels")

    @property
    def y(self) -> Floats:
        """Pixel; empty where positions are on the sky."""
        return self._position("y_or_Dec", "position_pixels")

    def _position(self, column: str, units: str) -> Floats:
        return np.asarray(self.table[column] if self.location_units == units else (), dtype=np.float64)

    def add_magnitude_column(
        self,
        magnitude_list: Any,
        magnitude_system: str = "abmag",
        instrument: str = "",
        filter_name: str = "",
        column_name: str = "",
    ) -> None:
        """Add the magnitudes in a filter.

        Parameters
        ----------
        magnitude_list
            One for each source.
        magnitude_system
            'abmag', 'stmag' or 'vegamag'; the same for all columns.
        instrument, filter_name
            'nircam' and 'F090W' or 'F444W/F405N'; without, the column `magnitude`, which serves all filters.
        column_name
            Instead: the name of the column.

        Raises
        ------
        InputError
            If the filter is not known or given already, the system is not allowed or another than before, or a value is
            not valid.
        """
        comments = self.table.meta["comments"]
        if magnitude_system not in SYSTEMS:
            raise InputError(
                f"magnitude_system: {magnitude_system!r} is not allowed; allowed: {', '.join(SYSTEMS)}."
            )
        if magnitude_system != self.table.system:
            if self.magnitudes:
                raise InputError(
                    f"magnitude_system: {magnitude_system}, but the catalog has {self.table.system} magnitudes; "
                    "convert them."
                )
            comments[comments.index(self.table.system)] = magnitude_system
        named = f"{instrument} {filter_name}" if instrument and filter_name else "magnitude"
        self.table.add_magnitudes(column_name or named, magnitude_list)

    def get_magnitudes(self, key: str) -> Floats:
        """Return the magnitudes of a column.

        Raises
        ------
        InputError
            If there is no such column.
        """
        found = self.magnitudes
        if key not in found:
            raise InputError(
                f"{key}: the catalog has no such magnitudes; it has {', '.join(found) or 'none'}."
            )
        return np.asarray(found[key][1])

    def add_catalog(self, catalog_to_add: PointSourceCatalog, magnitude_fill_value: float = 99.0) -> None:
        """Append the sources of another catalog; they are numbered on, and have the fill value where a filter is missing.

        Raises
        ------
        InputError
            If units or systems of magnitudes differ.
        """
        self.table = join([self.table, catalog_to_add.table], fill=magnitude_fill_value)

    def save(self, output_name: str | os.PathLike[str]) -> None:
        """Write the catalog as a text file.

        Raises
        ------
        InputError
            If there are no sources or magnitudes, or the file cannot be written.
        """
        self.table.save(output_name)


class GalaxyCatalog(PointSourceCatalog):
    """A catalog of galaxies with Sérsic profiles.

    Parameters
    ----------
    ra, dec, x, y, starting_index, niriss_ghost_stamp
        As for `PointSourceCatalog`.
    ellipticity, radius, sersic_index, position_angle
        1 - b/a; half-light radius; index; degrees east of north.
    radius_units
        'arcsec' or 'pixels'.
    """

    def __init__(
        self,
        ra: Any = (),
        dec: Any = (),
        x: Any = (),
        y: Any = (),
        ellipticity: Any = (),
        radius: Any = (),
        sersic_index: Any = (),
        position_angle: Any = (),
        radius_units: str = "arcsec",
        starting_index: int = 1,
        niriss_ghost_stamp: Sequence[str] = (),
    ):
        if radius_units not in ("arcsec", "pixels"):
            raise InputError(f"radius_units: {radius_units!r} is not allowed; allowed: arcsec, pixels.")
        shapes = {
            "radius": radius,
            "ellipticity": ellipticity,
            "pos_angle": position_angle,
            "sersic_index": sersic_index,
            "radius_pixels": radius_units == "pixels",
        }
        self._start(*coordinates(ra, dec, x, y), starting_index, niriss_ghost_stamp, shapes)

    @property
    def radius(self) -> Floats:
        """Half-light radius, in `radius_units`."""
        return np.asarray(self.table["radius"])

    @property
    def ellipticity(self) -> Floats:
        """1 - b/a."""
        return np.asarray(self.table["ellipticity"])

    @property
    def position_angle(self) -> Floats:
        """Degrees east of north."""
        return np.asarray(self.table["pos_angle"])

    @property
    def sersic_index(self) -> Floats:
        """Sérsic index."""
        return np.asarray(self.table["sersic_index"])

    @property
    def radius_units(self) -> str:
        """'arcsec' or 'pixels'."""
        return "pixels" if "radius_pixels" in self.table.meta["comments"] else "arcsec"

    @property
    def morphology(self) -> dict[str, Floats]:
        """Shapes by the names of their columns."""
        return {
            name: np.asarray(self.table[name])
            for name in ("radius", "ellipticity", "sersic_index", "pos_angle")
        }


class ExtendedCatalog(PointSourceCatalog):
    """A catalog of sources that are images.

    Parameters
    ----------
    filenames
        FITS image of each source.
    ra, dec, x, y, starting_index, niriss_ghost_stamp
        As for `PointSourceCatalog`.
    position_angle
        Of the image's y axis, degrees east of north; empty, or None for single ones: their own orientation.
    corresponding_source_index_for_ghost
        Must be None: ghosts follow from their sources, and no catalog of them is needed.
    """

    def __init__(
        self,
        filenames: Sequence[str] = (),
        ra: Any = (),
        dec: Any = (),
        x: Any = (),
        y: Any = (),
        position_angle: Any = (),
        starting_index: int = 1,
        corresponding_source_index_for_ghost: Any = None,
        niriss_ghost_stamp: Sequence[str] = (),
    ):
        if corresponding_source_index_for_ghost is not None:
            raise InputError(
                "corresponding_source_index_for_ghost: ghosts follow from their sources; leave it out."
            )
        place = coordinates(ra, dec, x, y)
        if len(filenames) != np.size(place[0]):
            raise InputError(
                f"{counted(len(filenames), 'filename')} for {counted(np.size(place[0]), 'source')}; give one for each."
            )
        angles = None if np.size(position_angle) == 0 else position_angle
        shapes = {"filename": list(filenames), "pos_angle": angles}
        self._start(*place, starting_index, niriss_ghost_stamp, shapes, extended_sources)

    @property
    def filenames(self) -> list[str]:
        """Image of each source."""
        return [str(name) for name in self.table["filename"]]

    @property
    def position_angle(self) -> Floats:
        """Degrees east of north; NaN for None."""
        return np.asarray(self.table["pos_angle"])


def coordinates(ra: Any, dec: Any, x: Any, y: Any, *, what: str = "positions") -> tuple[Any, Any, bool]:
    """Return the coordinates that were given, and whether they are pixels."""
    on_sky, in_pixels = np.size(ra) + np.size(dec), np.size(x) + np.size(y)
    if bool(on_sky) == bool(in_pixels):
        raise InputError(f"Give the {what} of the sources either as ra and dec or as x and y.")
    first, second = (ra, dec) if on_sky else (x, y)
    if np.size(first) != np.size(second):
        raise InputError(
            f"{np.size(first)} and {np.size(second)} coordinates are given; give both for every source."
        )
    return np.atleast_1d(first), np.atleast_1d(second), bool(in_pixels)


class ImagingTSOCatalog(PointSourceCatalog):
    """A catalog of stars with light curves.

    Parameters
    ----------
    ra, dec, x, y, starting_index
        As for `PointSourceCatalog`.
    lightcurve_file
        A file of light curves for each source (`mirage_dask.catalogs.write_light_curves`), relative to the catalog.
    """

    def __init__(
        self,
        ra: Any = (),
        dec: Any = (),
        x: Any = (),
        y: Any = (),
        lightcurve_file: Any = (),
        starting_index: int = 1,
    ):
        super().__init__(ra, dec, x, y, starting_index)
        files = np.atleast_1d(np.asarray(lightcurve_file, dtype=str))
        if len(files) != len(self):
            raise InputError(
                f"lightcurve_file: {counted(len(files), 'value')} for {counted(len(self), 'source')}; give one for each."
            )
        self.table["lightcurve_file"] = files
