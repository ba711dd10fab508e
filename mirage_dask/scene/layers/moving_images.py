"""Layer `moving_extended`: images that move while the detector exposes.

Each is what an image at rest is in the middle of the exposure (`mirage_dask.scene.layers.images`), and is drawn along its
path (`mirage_dask.scene.trails.pictures`).

NOT modelled: an image that turns, or changes, on its way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.random.keys import SLOT_MOVING_IMAGES
from mirage_dask.instruments.orientation import Span
from mirage_dask.scene.image_tables import Extended, MovingExtended
from mirage_dask.scene.layers.images import source_rasters
from mirage_dask.scene.layers.moving import Paths, projected
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.sources import load_once
from mirage_dask.scene.trails.deposit import add_image_trail
from mirage_dask.scene.trails.pictures import Picture


@dataclass(frozen=True, eq=False)
class ImageTrails:
    """Images that move on the detector of an exposure."""

    kind: ClassVar[str] = MovingExtended.kind
    varying: ClassVar[bool] = True
    slot: ClassVar[int] = SLOT_MOVING_IMAGES
    paths: Paths
    pictures: tuple[Picture, ...]
    index: NDArray[np.int64]
    """(n,) catalog indices."""

    @classmethod
    def along(cls, table: Extended, xy: NDArray[np.float64], times: NDArray[np.float64], view: View) -> Self:
        """Return the trails of those that reach the exposure at some time; `xy` (n, T, 2) may have NaN."""
        middle = xy[:, times.size // 2]
        psf = view.psf("") if table.convolved else None
        kept, pictures = [], []
        rows = np.flatnonzero(np.isfinite(xy).all(axis=(1, 2)))
        for n, rasters in source_rasters(table, middle, view, rows):
            if rasters and all(np.isfinite(raster.nodes).all() for raster in rasters):
                kept.append(n)
                pictures.append(Picture.of(rasters, psf, float(middle[n, 0]), float(middle[n, 1])))
        paths = Paths(xy[kept], times, np.array([picture.half for picture in pictures]))
        x0, x1, y0, y1 = view.bounds
        near = paths.near((x0 - 1, x1 + 1), (y0 - 1, y1 + 1))
        return cls(
            Paths(np.ascontiguousarray(paths.xy[near]), times, paths.half[near]),
            tuple(pictures[i] for i in near),
            table.index[kept][near],
        )

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return some of the sources."""
        paths = Paths(self.paths.xy[rows], self.paths.times, self.paths.half[rows])
        pictures = tuple(self.pictures[i] for i in rows)
        return replace(self, paths=paths, pictures=pictures, index=self.index[rows])

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether a path may reach a box."""
        return bool(self.paths.near(x, y).size)

    def add(self, out: Floats, *, x0: int, y0: int, edges: NDArray[np.float64]) -> None:
        """Add the mean rate of each read."""
        x, y = (x0, x0 + out.shape[2]), (y0, y0 + out.shape[1])
        for i in self.paths.near(x, y):
            picture, moved = self.pictures[i], self.paths.xy[i] - [self.pictures[i].x, self.pictures[i].y]
            # Parts that may come into the window on their way; between nodes a cubic goes further by an eighth.
            low, high = moved.min(axis=0), moved.max(axis=0)
            low, high = low - 0.125 * (high - low), high + 0.125 * (high - low)
            box_x, box_y = (x[0] - high[0], x[1] - low[0]), (y[0] - high[1], y[1] - low[1])
            for coefficients, at_x, at_y, half in picture.parts(box_x, box_y):
                add_image_trail(
                    out,
                    coefficients,
                    edges=edges,
                    times=self.paths.times,
                    track=moved + np.array([at_x, at_y]),
                    half=half,
                    x0=x0,
                    y0=y0,
                )


class MovingImageLayer(ImageTrails):
    """Moving images."""

    @classmethod
    def of(cls, table: MovingExtended, view: View) -> Self:
        """Project a table."""
        return cls.along(table, projected(table.track, view), table.times, view)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the layer's table."""
        return cls.of(load_once(MovingExtended, view.tables, key), view)
