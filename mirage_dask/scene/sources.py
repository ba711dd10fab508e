"""Source tables: what a catalog is for one detector and filter, in electrons per second.

Made once on the client (where trigonometry and powers of a library are allowed: workers read the numbers, they do not
recompute them) and saved under the hash of their contents, so that exposures with the same sources share one file.

Positions on the sky are ICRS unit vectors. A galaxy also has two tangent vectors, along its position angle (east of
north) and a quarter turn further, so that projecting them gives its shape in pixels with the local distortion.
Catalogs in pixels keep pixels: their tangents hold (north, east, 0) components instead, for north is known only when
the exposure's pointing is.

Catalogs with proper motions are moved to the date of an exposure before (`Catalog.at`), so that exposures of different dates
have different tables.

NOT modelled: parallax, velocity aberration; what `catalogs.proper_motions` leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import ZeroPoint, get_zeropoint
from mirage_dask.io.tables import load_table, save_table, table_key
from mirage_dask.pointing import north_and_east, radec_to_unit
from mirage_dask.scene.catalogs import Catalog
from mirage_dask.scene.galaxies import sersic
from mirage_dask.scene.partition import Circle, load_partitioned, partitioned_key, save_partitioned
from mirage_dask.scene.photometry import count_rate

Floats = NDArray[np.float64]
T = TypeVar("T", bound="SourceTable")
ARCSEC = np.pi / 180.0 / 3600.0
PARTS_KEPT = 24
"""Tables or parts of them that stay in a process, at most 4 MB each."""


class SourceTable:
    """Saving and loading by content; a table is a frozen dataclass of arrays and flags."""

    kind: ClassVar[str]
    _key = staticmethod(table_key)
    _save = staticmethod(save_table)
    _load = staticmethod(load_table)

    def __len__(self) -> int:
        return len(self.index)  # type: ignore[attr-defined]

    @property
    def key(self) -> str:
        """Hash of the contents, 32 hex digits: equal tables have equal keys."""
        return self._key(self.kind, self._arrays())

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    def save(self, url: str | Path) -> str:
        """Write the table, or its parts, into a folder (a path or any fsspec URL) and return its content key.

        Raises
        ------
        StoreError
            If the folder cannot be written.
        """
        return self._save(url, self._arrays(), kind=self.kind)

    @classmethod
    def load(cls: type[T], url: str | Path, key: str) -> T:
        """Read all of a table by its content key.

        Raises
        ------
        StoreError
            If there is no such table, or its contents do not fit the key.
        """
        return _of_arrays(cls, cls._load(url, key, kind=cls.kind))


class SkyTable(SourceTable):
    """A table of sources with a `position`: a large one is saved in parts of the sky (`partition`)."""

    _key = staticmethod(partitioned_key)
    _save = staticmethod(save_partitioned)
    _load = staticmethod(load_partitioned)


def load_once(cls: type[T], url: str, key: str) -> T:
    """Read a table by its content key; the last few stay in this process."""
    found: T = _load(cls, url, key)  # type: ignore[arg-type]
    return found


def load_near(cls: type[T], url: str, key: str, circle: Circle) -> T:
    """Read the sources of a `SkyTable` around a place, in catalog order, and maybe some more; parts stay in this process."""
    return _of_arrays(cls, load_partitioned(url, key, kind=cls.kind, near=circle, load=_load_arrays))


def _of_arrays(cls: type[T], arrays: dict[str, NDArray[Any]]) -> T:
    return cls(**{name: array if array.ndim else array.item() for name, array in arrays.items()})


@lru_cache(maxsize=8)
def _load(cls: Any, url: str, key: str) -> Any:
    return cls.load(url, key)


@lru_cache(maxsize=PARTS_KEPT)
def _load_arrays(url: str, key: str, *, kind: str) -> dict[str, NDArray[Any]]:
    return load_table(url, key, kind=kind)


@dataclass(frozen=True, eq=False)
class PointSources(SkyTable):
    """Stars (n of them, in catalog order)."""

    kind: ClassVar[str] = "point_source"
    index: NDArray[np.int64]
    position: Floats
    """(n, 3) ICRS unit vectors, or (n, 2) 0-based pixels of the aperture."""
    flux: Floats
    """(n,) e-/s in an infinite aperture."""

    @property
    def pixels(self) -> bool:
        """True when positions are pixels."""
        return self.position.shape[1] == 2


@dataclass(frozen=True, eq=False)
class Galaxies(SkyTable):
    """Sersic galaxies (n of them, in catalog order); `variances` and `weights` as in `sersic.constants`."""

    kind: ClassVar[str] = "galaxy"
    index: NDArray[np.int64]
    position: Floats
    """(n, 3) ICRS unit vectors, or (n, 2) 0-based pixels of the aperture."""
    flux: Floats
    """(n,) e-/s, integrated to infinity."""
    radius: Floats
    """(n,) half-light radius along the major axis, radians, or pixels."""
    radius_pixels: bool
    ellipticity: Floats
    """(n,) 1 - b/a."""
    sersic_index: Floats
    tangent: Floats
    """(n, 3) unit vector along the position angle; (cos, sin, 0) of it for positions in pixels."""
    normal: Floats
    """(n, 3) unit vector a quarter turn further east; (-sin, cos, 0) for positions in pixels."""
    variances: NDArray[np.float32]
    """(n, k)"""
    weights: NDArray[np.float32]
    """(n, k)"""

    @property
    def pixels(self) -> bool:
        """True when positions are pixels."""
        return self.position.shape[1] == 2


def point_source_table(
    catalog: Catalog, detector: str, filter: str, pupil: str, *, zeropoint: ZeroPoint | None = None
) -> PointSources:
    """Turn a point-source catalog into electrons per second for one detector and filter.

    Parameters
    ----------
    zeropoint
        That of the reference files in use (`ReferencePack.zeropoint`); default that of the tables.

    Raises
    ------
    InputError
        If the catalog has no usable magnitude for the filter, or the filter no zero point.
    """
    flux = _flux(catalog, detector, filter, pupil, zeropoint)
    return PointSources(catalog.index, positions(catalog), flux)


def galaxy_table(
    catalog: Catalog, detector: str, filter: str, pupil: str, *, zeropoint: ZeroPoint | None = None
) -> Galaxies:
    """Turn a galaxy catalog into electrons per second and shapes for one detector and filter.

    Parameters
    ----------
    zeropoint
        That of the reference files in use (`ReferencePack.zeropoint`); default that of the tables.

    Raises
    ------
    InputError
        If the catalog has no usable magnitude for the filter, or the filter no zero point.
    """
    angle = np.radians(catalog.shapes["pos_angle"])
    c, s = np.cos(angle), np.sin(angle)
    if catalog.pixels:
        zero = np.zeros_like(c)
        tangent, normal = np.stack([c, s, zero], axis=1), np.stack([-s, c, zero], axis=1)
    else:
        north, east = north_and_east(catalog.x, catalog.y)
        tangent = c[:, None] * north + s[:, None] * east
        normal = -s[:, None] * north + c[:, None] * east
    index, variances, weights = sersic.constants(catalog.shapes["sersic_index"])
    return Galaxies(
        index=catalog.index,
        position=positions(catalog),
        flux=_flux(catalog, detector, filter, pupil, zeropoint),
        radius=catalog.shapes["radius"] * (1.0 if catalog.radius_pixels else ARCSEC),
        radius_pixels=catalog.radius_pixels,
        ellipticity=catalog.shapes["ellipticity"],
        sersic_index=index,
        tangent=tangent,
        normal=normal,
        variances=variances,
        weights=weights,
    )


SOURCE_TABLES = {"point_source": point_source_table, "galaxy": galaxy_table}
"""What makes the tables of a type of catalogs; those of extended sources need images, `mirage_dask.sky_images.tables`."""


def positions(catalog: Catalog) -> Floats:
    """Return (n, 3) ICRS unit vectors, or (n, 2) pixels, of the sources of a catalog."""
    if catalog.pixels:
        return np.stack([catalog.x, catalog.y], axis=1)
    return radec_to_unit(catalog.x, catalog.y)


def _flux(catalog: Catalog, detector: str, filter: str, pupil: str, zeropoint: ZeroPoint | None) -> Floats:
    magnitude = catalog.magnitude(detector, filter, pupil)
    return count_rate(magnitude, catalog.system, zeropoint or get_zeropoint(detector, filter, pupil))
