"""Ghosts of exposures: which of their sources have ghosts of which shape, written into the plan."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.apt.table import NON_SIDEREAL
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene import Catalog
from mirage_dask.scene.catalogs import MOVING_KINDS
from mirage_dask.scene.ghosts import (
    INSTRUMENT,
    LARGEST,
    SOURCE_KINDS,
    Ghosts,
    GhostShape,
    ghost_axis,
    usual_stamp,
)
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.images.sharing import add_overlap
from mirage_dask.scene.sources import Galaxies, PointSources
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.effects import GhostLight
from mirage_dask.settings.sky import PSFS
from mirage_dask.sky_images.stamps import ARCSEC, read_stamp

Floats = NDArray[np.float64]
Tables = PointSources | Galaxies | Extended
TABLES: Mapping[str, Any] = {table.kind: table for table in (PointSources, Galaxies, Extended)}


class GhostTables:
    """Writes the ghosts of a plan.

    Parameters
    ----------
    url
        Folder of the source tables.
    catalogs
        (kind, path, catalog) of those that exposures look at.
    """

    def __init__(self, url: str, catalogs: Iterable[tuple[str, str, Catalog]]):
        self._url = url
        self._catalogs = {(kind, path): c for kind, path, c in catalogs if kind in SOURCE_KINDS}
        self._known: dict[Hashable, str] = {}
        self._unknown: dict[str, int] = {}
        self._moving = 0

    def layers(
        self, row: ExposureRow, pack: ReferencePack, sources: Iterable[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layers of an exposure's ghosts.

        Parameters
        ----------
        sources
            (kind, key) of the exposure's tables of sources.

        Raises
        ------
        InputError
            If a stamp cannot be used.
        """
        lit = [(kind, key) for kind, key in sources if kind in SOURCE_KINDS]
        moves = any(kind in row.catalogs for kind in MOVING_KINDS)
        if row.ghosts is None or row.instrument != INSTRUMENT or not (lit or moves):
            return []
        axis = ghost_axis(row.instrument, row.filter, row.pupil)
        if axis is None:
            optics = f"{row.filter}/{row.pupil}"
            self._unknown[optics] = self._unknown.get(optics, 0) + 1
            return []
        self._moving += moves
        if row.tracking == NON_SIDEREAL:
            return []
        layers = []
        for kind, key in lit:
            catalog = self._catalogs[kind, row.catalogs[kind]]
            for stamp, rows in _by_stamp(catalog, row.ghosts.stamp):
                shape = self._shape(GhostLight(stamp, row.ghosts.psf), pack)
                own = key if rows is None else self._part(kind, key, stamp, rows)
                table = Ghosts(kind, own, shape, axis.x, axis.y, axis.fraction)
                layers.append((table.kind, table.save(self._url)))
        return layers

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for what has no ghosts although the settings ask for them."""
        found = [
            f"ghosts: none are known of {INSTRUMENT} {optics}, and none are simulated ({counted(count, 'exposure')})."
            for optics, count in self._unknown.items()
        ]
        if self._moving:
            found.append(
                "ghosts: those of sources that move, and of the field behind a moving target, are not simulated "
                f"({counted(self._moving, 'exposure')})."
            )
        return tuple(found)

    def _shape(self, light: GhostLight, pack: ReferencePack) -> str:
        """Return the key of the shape of a ghost."""
        convolved = light.psf == PSFS[0]
        name = light, pack.key if convolved else "", float(pack.meta["pixar_a2"]) if light.stamp else 0.0
        if name not in self._known:
            side = float(np.sqrt(float(pack.meta["pixar_a2"])))
            stamp = read_ghost_stamp(light.stamp, side) if light.stamp else usual_stamp()
            if convolved:
                stamp = _convolved(stamp, pack.psf(""))
            self._known[name] = GhostShape.of(stamp).save(self._url)
        return self._known[name]

    def _part(self, kind: str, key: str, stamp: str, rows: NDArray[np.intp]) -> str:
        """Return the key of the table of some of the sources."""
        name = kind, key, stamp
        if name not in self._known:
            self._known[name] = _taken(TABLES[kind].load(self._url, key), rows).save(self._url)
        return self._known[name]


def check_ghost_stamps(stamps: Iterable[str]) -> None:
    """Read images of ghosts.

    Raises
    ------
    InputError
        With every one that cannot be used.
    """
    problems: list[str] = []
    for path in dict.fromkeys(filter(None, stamps)):
        try:
            read_ghost_stamp(path)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)


def read_ghost_stamp(path: str, arcsec: float = 0.0) -> Floats:
    """Return the image of the ghost of a point, (ny, nx) pixels of the detector.

    Its x and y are those of the detector, whatever its header says of north, as Mirage puts it down. A scale in the header
    counts; without one its pixels are those of the detector.

    Parameters
    ----------
    path
        FITS file, as `read_stamp` takes it.
    arcsec
        Side of a pixel of the detector; 0: its pixels stay.

    Raises
    ------
    InputError
        If the image cannot be used.
    """
    stamp = read_stamp(path)
    found = stamp.pixels.astype(np.float64)
    if stamp.scale is not None and arcsec > 0:
        found = _shared(found, stamp.scale[0] / ARCSEC / arcsec, stamp.scale[1] / ARCSEC / arcsec, Path(path))
    _check_size(Path(path), found.shape)
    if stamp.total <= 0:
        raise InputError(f"{path}: the pixels of this ghost have no positive sum; subtract less background.")
    return found


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    if max(shape) > LARGEST:
        raise InputError(
            f"{path}: the image of a ghost is {shape[1]} x {shape[0]} pixels; cut it to at most {LARGEST} along an axis."
        )


def _shared(pixels: Floats, across: float, along: float, path: Path) -> Floats:
    """Return an image whose pixels are (`across`, `along`) detector pixels, shared among those of the detector."""
    ny, nx = pixels.shape
    size_y, size_x = (2 * int(np.ceil((n * s - 1.0) / 2.0)) + 1 for n, s in ((ny, along), (nx, across)))
    _check_size(path, (size_y, size_x))
    x = (np.arange(2) * nx - nx / 2.0) * across + (size_x - 1) / 2.0
    y = (np.arange(2) * ny - ny / 2.0) * along + (size_y - 1) / 2.0
    # One cell of a mesh as wide as the longer side of the image: the nodes of a straight mesh may lie beyond it.
    step = max(nx, ny)
    x[1], y[1] = x[0] + step * across, y[0] + step * along
    nodes = np.stack(np.meshgrid(x, y), axis=-1)
    out = np.zeros((size_y, size_x))
    add_overlap(out, 0, 0, pixels.astype(np.float32), nodes, step, 1.0)
    return out


def _convolved(stamp: Floats, psf: PsfLibrary) -> Floats:
    """Return a stamp seen through the core of the PSF in the middle of the detector, of the same light."""
    from scipy.signal import fftconvolve

    middle_x, middle_y = ((grid[0] + grid[-1]) / 2.0 for grid in (psf.grid_x, psf.grid_y))
    core = psf.core_kernel(middle_x, middle_y, oversampling=1).astype(np.float64)
    return np.asarray(np.round(fftconvolve(stamp / stamp.sum(), core / core.sum()), 9))


def _by_stamp(catalog: Catalog, usual: str) -> list[tuple[str, NDArray[np.intp] | None]]:
    """Return the stamps of a catalog, each with its rows; None for all of them."""
    if not any(catalog.ghost_stamps):
        return [(usual, None)]
    stamps = np.array([name or usual for name in catalog.ghost_stamps], dtype=object)
    names = list(dict.fromkeys(stamps.tolist()))
    return [(name, np.flatnonzero(stamps == name) if len(names) > 1 else None) for name in names]


def _taken(table: Tables, rows: NDArray[np.intp]) -> Tables:
    """Return a table of some of its sources, in their order."""
    columns = {f.name: getattr(table, f.name) for f in fields(table)}
    per_part = ("parts", "source", "origin", "shape") if isinstance(table, Extended) else ()
    taken = {
        name: column[rows]
        for name, column in columns.items()
        if np.ndim(column) and name not in per_part and len(column) == len(table)
    }
    if isinstance(table, Extended):
        parts = np.isin(table.source, rows)
        taken |= {name: columns[name][parts] for name in per_part}
        taken["source"] = np.searchsorted(rows, table.source[parts])
    return replace(table, **taken)
