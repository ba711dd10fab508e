"""Layers `point_source` and `galaxy`: the sources of catalogs, projected once per exposure.

`tracked_point` and `tracked_galaxy` are the same of a target that the telescope tracks: it is at rest on the detector.

Light of a source is counted in electrons, whatever the area of the pixels is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import add_galaxies
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import (
    LARGEST_REACH,
    PlacedStars,
    circle,
    place_galaxies,
    place_stars,
    star_margin,
)
from mirage_dask.scene.sources import Galaxies, PointSources, load_near
from mirage_dask.scene.star_wings import add_stars


@dataclass(frozen=True, eq=False)
class StarLayer:
    """Stars."""

    kind: ClassVar[str] = "point_source"
    table: ClassVar[type[PointSources]] = PointSources
    varying: ClassVar[bool] = False
    stars: PlacedStars
    psf: PsfLibrary

    @classmethod
    def of(cls, table: PointSources, view: View) -> Self:
        """Project a table."""
        psf = view.psf("")
        return cls(place_stars(table, view.projection, bounds=view.bounds, psf=psf), psf)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project what of the layer's table is near."""
        around = circle(view.projection, view.bounds, star_margin(view.psf("")))
        return cls.of(load_near(cls.table, view.tables, key, around), view)

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        add_stars(out, self.stars, self.psf, x0=x0, y0=y0)


@dataclass(frozen=True, eq=False)
class GalaxyLayer:
    """Galaxies."""

    kind: ClassVar[str] = "galaxy"
    table: ClassVar[type[Galaxies]] = Galaxies
    varying: ClassVar[bool] = False
    galaxies: PlacedGalaxies
    index: NDArray[np.int64]
    """Catalog index of each."""
    psf: PsfLibrary

    @classmethod
    def of(cls, table: Galaxies, view: View) -> Self:
        """Project a table."""
        psf = view.psf("")
        return cls(*place_galaxies(table, view.projection, bounds=view.bounds, psf=psf), psf)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project what of the layer's table is near."""
        around = circle(view.projection, view.bounds, LARGEST_REACH)
        return cls.of(load_near(cls.table, view.tables, key, around), view)

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        add_galaxies(out, self.galaxies, self.psf, x0=x0, y0=y0)


@dataclass(frozen=True, eq=False)
class TrackedPoints(PointSources):
    """A point source that the telescope tracks, at the start of the exposure."""

    kind: ClassVar[str] = "tracked_point"


@dataclass(frozen=True, eq=False)
class TrackedGalaxies(Galaxies):
    """A galaxy that the telescope tracks, at the start of the exposure."""

    kind: ClassVar[str] = "tracked_galaxy"


class TrackedStarLayer(StarLayer):
    """A point source that the telescope tracks."""

    kind: ClassVar[str] = TrackedPoints.kind
    table: ClassVar[type[PointSources]] = TrackedPoints


class TrackedGalaxyLayer(GalaxyLayer):
    """A galaxy that the telescope tracks."""

    kind: ClassVar[str] = TrackedGalaxies.kind
    table: ClassVar[type[Galaxies]] = TrackedGalaxies
