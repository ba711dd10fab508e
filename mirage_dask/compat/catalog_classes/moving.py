"""Mirage's classes of moving sources, and those of sources that are not simulated yet, which say so."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mirage_dask.compat.catalog_classes.at_rest import GalaxyCatalog, PointSourceCatalog, coordinates
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted


class NotSimulated:
    """A catalog of sources that are not simulated yet; making one raises `InputError`."""

    what: ClassVar[str] = "such sources"

    def __init__(self, *_: Any, **__: Any):
        raise InputError(
            f"{type(self).__name__}: {self.what} are not simulated yet; point sources, galaxies and images are "
            "(PointSourceCatalog, GalaxyCatalog, ExtendedCatalog)."
        )


class MovingPointSourceCatalog(PointSourceCatalog):
    """A catalog of moving point sources.

    Parameters
    ----------
    ra, dec, x, y, starting_index
        As for `PointSourceCatalog`; none for sources with an ephemeris.
    ra_velocity, dec_velocity
        arcsec/hour by which the coordinates change.
    x_velocity, y_velocity
        Instead: pixels/hour.
    ephemeris_file
        Instead of positions and velocities: a file of JPL Horizons, one for each source.
    """

    def __init__(
        self,
        ra: Any = (),
        dec: Any = (),
        x: Any = (),
        y: Any = (),
        ra_velocity: Any = (),
        dec_velocity: Any = (),
        x_velocity: Any = (),
        y_velocity: Any = (),
        ephemeris_file: Any = (),
        starting_index: int = 1,
    ):
        if np.size(ephemeris_file):
            ra = dec = ra_velocity = dec_velocity = np.zeros(np.size(ephemeris_file))
        super().__init__(ra, dec, x, y, starting_index)
        self._move(ra_velocity, dec_velocity, x_velocity, y_velocity, ephemeris_file)

    def _move(self, ra: Any, dec: Any, x: Any, y: Any, ephemerides: Any) -> None:
        """Add the columns of the motion."""
        first, second, pixels = coordinates(ra, dec, x, y, what="velocities")
        columns = {"x_or_RA_velocity": first, "y_or_Dec_velocity": second}
        if np.size(ephemerides):
            columns["ephemeris_file"] = np.atleast_1d(np.asarray(ephemerides, dtype=str))
        for name, values in columns.items():
            if len(values) != len(self):
                raise InputError(
                    f"{name}: {counted(len(values), 'value')} for {counted(len(self), 'source')}; give one for each."
                )
            self.table[name] = values
        self.table.meta["comments"].append("velocity_pixels" if pixels else "velocity_RA_Dec")


class MovingSersicCatalog(GalaxyCatalog, MovingPointSourceCatalog):
    """A catalog of moving galaxies: parameters of `MovingPointSourceCatalog` and, by name, of `GalaxyCatalog`."""

    def __init__(
        self,
        *,
        ra_velocity: Any = (),
        dec_velocity: Any = (),
        x_velocity: Any = (),
        y_velocity: Any = (),
        ephemeris_file: Any = (),
        **galaxies: Any,
    ):
        if np.size(ephemeris_file):
            galaxies["ra"] = galaxies["dec"] = ra_velocity = dec_velocity = np.zeros(np.size(ephemeris_file))
        GalaxyCatalog.__init__(self, **galaxies)
        self._move(ra_velocity, dec_velocity, x_velocity, y_velocity, ephemeris_file)


class NonSiderealCatalog(MovingPointSourceCatalog):
    """The catalog of one target that the telescope tracks: parameters of `MovingPointSourceCatalog`, and what it is.

    Parameters
    ----------
    object_type
        'pointSource'. Tracked galaxies are simulated, too; write their catalog as a file.
    """

    def __init__(self, *, object_type: Any = "pointSource", **motion: Any):
        super().__init__(**motion)
        words = np.atleast_1d(np.asarray(object_type, dtype=str))
        if len(self) != 1 or "point" not in str(words[0]).lower():
            raise InputError("object_type: a catalog of one 'pointSource' is made; write others as a file.")
        self.table["object"] = words


class MovingExtendedCatalog(NotSimulated):
    """Mirage's class of that name."""

    what = "moving images"
