"""Layers `point_source` and `galaxy`: the sources of catalogs, projected once per exposure.

Light of a source is counted in electrons, whatever the area of the pixels is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import add_galaxies
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import PlacedStars, place_galaxies, place_stars
from mirage_dask.scene.sources import Galaxies, PointSources, load_once
from mirage_dask.scene.stars import add_points


@dataclass(frozen=True, eq=False)
class StarLayer:
    """Stars."""

    kind: ClassVar[str] = "point_source"
    varying: ClassVar[bool] = False
    stars: PlacedStars
    psf: PsfLibrary

    @classmethod
    def of(cls, table: PointSources, view: View) -> StarLayer:
        """Project a table."""
        psf = view.psf("")
        return cls(place_stars(table, view.projection, bounds=view.bounds, psf=psf), psf)

    @classmethod
    def open(cls, key: str, view: View) -> StarLayer:
        """Read and project the layer's table."""
        return cls.of(load_once(PointSources, view.tables, key), view)

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        s = self.stars
        add_points(out, self.psf, x=s.x, y=s.y, flux=s.flux, half_width=s.half_width, x0=x0, y0=y0)


@dataclass(frozen=True, eq=False)
class GalaxyLayer:
    """Galaxies."""

    kind: ClassVar[str] = "galaxy"
    varying: ClassVar[bool] = False
    galaxies: PlacedGalaxies
    index: NDArray[np.int64]
    """Catalog index of each."""
    psf: PsfLibrary

    @classmethod
    def of(cls, table: Galaxies, view: View) -> GalaxyLayer:
        """Project a table."""
        psf = view.psf("")
        return cls(*place_galaxies(table, view.projection, bounds=view.bounds, psf=psf), psf)

    @classmethod
    def open(cls, key: str, view: View) -> GalaxyLayer:
        """Read and project the layer's table."""
        return cls.of(load_once(Galaxies, view.tables, key), view)

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        add_galaxies(out, self.galaxies, self.psf, x0=x0, y0=y0)
