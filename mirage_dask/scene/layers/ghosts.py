"""Layer `ghost`: ghosts of stars, galaxies and images of sources; what they are says `mirage_dask.scene.ghosts`.

A ghost is drawn as its source is, by the same kernels, at the place that the ghost axis point makes of it and with the ghost
of a point instead of the PSF. Sources are looked for where their ghosts would come from: in the exposure, turned about that
point, and its reach, as far as light enters the instrument.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.ghosts import FIELD, Ghosts, GhostShape
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.images.blocks import ImageLight
from mirage_dask.scene.images.blurring import reach
from mirage_dask.scene.images.meshes import Raster, box_of
from mirage_dask.scene.layers.images import ExtendedLayer, source_rasters
from mirage_dask.scene.layers.sources import GalaxyLayer, StarLayer
from mirage_dask.scene.layers.view import Floats, StaticLayer, View
from mirage_dask.scene.placement import (
    LARGEST_REACH,
    Bounds,
    circle,
    counted_from,
    pixels_of,
    place_galaxies,
    place_stars,
)
from mirage_dask.scene.sources import Galaxies, PointSources, load_near, load_once
from mirage_dask.scene.stars import THRESHOLD


@dataclass(frozen=True, eq=False)
class GhostLayer:
    """Ghosts of the sources of one table."""

    kind: ClassVar[str] = "ghost"
    varying: ClassVar[bool] = False
    light: StaticLayer
    """The ghosts as sources."""

    @classmethod
    def open(cls, key: str, view: View) -> GhostLayer:
        """Read the layer's table and what of its sources may have ghosts in the exposure."""
        table = load_once(Ghosts, view.tables, key)
        for _ in table.named():  # which checks it
            pass
        shape = load_once(GhostShape, view.tables, table.shape).library()
        return cls(_DRAWN[table.source_kind](table, shape, view))

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        self.light.add(out, x0=x0, y0=y0, area=area)


def _origin(table: Ghosts, view: View, margin: int) -> Bounds:
    """Return the box that the exposure and `margin` pixels around it are, turned about the ghost axis point."""
    x0, x1, y0, y1 = view.bounds
    left, low = (math.floor(2.0 * g - v) - margin for g, v in ((table.axis_x, x1), (table.axis_y, y1)))
    right, high = (math.ceil(2.0 * g - v) + margin + 1 for g, v in ((table.axis_x, x0), (table.axis_y, y0)))
    return left, right, low, high


def _in_field(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which places send light into the instrument."""
    low, high = FIELD
    with np.errstate(invalid="ignore"):
        return (x > low) & (x < high) & (y > low) & (y < high)


def _stars(table: Ghosts, shape: PsfLibrary, view: View) -> StarLayer:
    bounds = _origin(table, view, shape.wings_half_width)
    sources = load_near(PointSources, view.tables, table.source, circle(view.projection, bounds, 1.0))
    own = replace(
        sources,
        position=counted_from(sources.position, view.bounds, bounds),
        flux=sources.flux * table.fraction,
    )
    found = place_stars(own, view.projection, bounds=bounds, psf=shape)
    keep = _in_field(found.x, found.y)
    return StarLayer(
        replace(
            found,
            x=2.0 * table.axis_x - found.x[keep],
            y=2.0 * table.axis_y - found.y[keep],
            flux=found.flux[keep],
            # All of it, however faint: nothing is cut from the disk.
            half_width=np.full(int(keep.sum()), shape.wings_half_width, np.int32),
            index=found.index[keep],
        ),
        shape,
    )


def _galaxies(table: Ghosts, shape: PsfLibrary, view: View) -> GalaxyLayer:
    bounds = _origin(table, view, shape.wings_half_width)
    around = circle(view.projection, bounds, LARGEST_REACH)
    sources = load_near(Galaxies, view.tables, table.source, around)
    own = replace(
        sources,
        position=counted_from(sources.position, view.bounds, bounds),
        flux=sources.flux * table.fraction,
    )
    least = THRESHOLD / float(shape.profile[0])
    found, index = place_galaxies(own, view.projection, bounds=bounds, psf=shape, threshold=least)
    keep = _in_field(found.x, found.y)
    found, index = found.take(keep), index[keep]
    turned = replace(found, x=2.0 * table.axis_x - found.x, y=2.0 * table.axis_y - found.y)
    return GalaxyLayer(turned, index, shape)


def _images(table: Ghosts, shape: PsfLibrary, view: View) -> ExtendedLayer:
    around = reach(shape) + 8
    bounds = _origin(table, view, 0)
    sources = load_once(Extended, view.tables, table.source)
    middle = pixels_of(sources.position, view.projection, view.bounds)
    seen = _in_field(middle[:, 0], middle[:, 1])
    turn = np.array([2.0 * table.axis_x, 2.0 * table.axis_y])
    rasters: list[Raster] = []
    images = source_rasters(sources, middle, view, np.flatnonzero(seen), bounds=bounds, around=float(around))
    for raster in chain.from_iterable(own for _, own in images):
        nodes = turn - raster.nodes
        box = box_of(nodes)
        assert box is not None  # it has been seen at the source's place
        rasters.append(replace(raster, nodes=nodes, scale=raster.scale * table.fraction, box=box))
    return ExtendedLayer(ImageLight(tuple(rasters), shape))


_DRAWN: dict[str, Callable[[Ghosts, PsfLibrary, View], StaticLayer]] = {
    StarLayer.kind: _stars,
    GalaxyLayer.kind: _galaxies,
    ExtendedLayer.kind: _images,
}
