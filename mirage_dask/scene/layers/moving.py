"""Layers `moving_point` and `moving_galaxy`: sources that move while the detector exposes.

A track is given at times, on the sky or in pixels, and joined by cubics in pixels; how a trail is drawn:
`mirage_dask.scene.trails.deposit`. Under a telescope that tracks a moving target the tables hold what is seen from it.

NOT modelled: light curves of moving sources.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.random.keys import SLOT_MOVING, SLOT_MOVING_GALAXIES
from mirage_dask.instruments.orientation import Span
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import pixels_of, place_galaxies
from mirage_dask.scene.sources import Galaxies, SourceTable, load_once
from mirage_dask.scene.stars import star_half_width
from mirage_dask.scene.trails.deposit import add_image_trail, add_star_trails
from mirage_dask.scene.trails.images import galaxy_image, image_half

EVERYWHERE = 1 << 20
"""Pixels around the array within which galaxies are placed whose path may lead into it."""


@dataclass(frozen=True, eq=False)
class MovingPoints(SourceTable):
    """Moving point sources, n of them, at T common times."""

    kind: ClassVar[str] = "moving_point"
    index: NDArray[np.int64]
    track: NDArray[np.float64]
    """(n, T, 3) ICRS unit vectors, or (n, T, 2) 0-based pixels of the aperture."""
    times: NDArray[np.float64]
    """(T,) seconds since the start of the first integration, ascending, two or more."""
    flux: NDArray[np.float64]
    """(n,) e-/s."""


@dataclass(frozen=True, eq=False)
class MovingGalaxies(Galaxies):
    """Moving galaxies, n of them, at T common times; positions and shapes are those in the middle of the exposure."""

    kind: ClassVar[str] = "moving_galaxy"
    track: NDArray[np.float64]
    """(n, T, 3) ICRS unit vectors, or (n, T, 2) 0-based pixels of the aperture, as the positions are."""
    times: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths of n sources on the detector."""

    xy: NDArray[np.float64]
    """(n, T, 2) full-frame science pixels, finite."""
    times: NDArray[np.float64]
    """(T,) seconds since the start of the first integration."""
    half: NDArray[np.float64]
    """(n,) how far each source reaches, pixels."""

    def near(self, x: Span, y: Span) -> NDArray[np.intp]:
        """Return the sources whose path may reach a box: by the rectangle around it."""
        low, high = self.xy.min(axis=1), self.xy.max(axis=1)
        # Between nodes a cubic may leave the rectangle around them, by less than an eighth of its sides.
        reach = self.half[:, None] + 1.0 + 0.125 * (high - low)
        low, high = low - reach, high + reach
        in_x, in_y = (high[:, 0] >= x[0]) & (low[:, 0] < x[1]), (high[:, 1] >= y[0]) & (low[:, 1] < y[1])
        return np.flatnonzero(in_x & in_y)


@dataclass(frozen=True, eq=False)
class PointTrails:
    """Point sources that move on the detector of an exposure."""

    kind: ClassVar[str] = "moving_point"
    varying: ClassVar[bool] = True
    slot: ClassVar[int] = SLOT_MOVING
    paths: Paths
    flux: NDArray[np.float32]
    psf: PsfLibrary
    index: NDArray[np.int64]
    """Catalog index of each."""

    @classmethod
    def along(
        cls,
        xy: NDArray[np.float64],
        times: NDArray[np.float64],
        flux: NDArray[np.float64],
        index: NDArray[np.int64],
        view: View,
    ) -> Self:
        """Return the trails of sources that reach the exposure at some time; `xy` (n, T, 2) may have NaN."""
        psf = view.psf("")
        half = star_half_width(flux, psf)
        seen = np.flatnonzero((half > 0) & np.isfinite(xy).all(axis=(1, 2)))
        paths = Paths(xy[seen], times, half[seen].astype(np.float64))
        x0, x1, y0, y1 = view.bounds
        near = paths.near((x0 - 1, x1 + 1), (y0 - 1, y1 + 1))
        return cls(
            Paths(np.ascontiguousarray(paths.xy[near]), times, paths.half[near]),
            flux[seen[near]].astype(np.float32),
            psf,
            index[seen[near]],
        )

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return some of the sources."""
        paths = Paths(self.paths.xy[rows], self.paths.times, self.paths.half[rows])
        return replace(self, paths=paths, flux=self.flux[rows], index=self.index[rows])

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether a path may reach a box."""
        return bool(self.paths.near(x, y).size)

    def add(self, out: Floats, *, x0: int, y0: int, edges: NDArray[np.float64]) -> None:
        """Add the mean rate of each read."""
        near = self.paths.near((x0, x0 + out.shape[2]), (y0, y0 + out.shape[1]))
        if near.size:
            add_star_trails(
                out,
                self.psf,
                edges=edges,
                times=self.paths.times,
                tracks=self.paths.xy[near],
                flux=self.flux[near],
                half_width=self.paths.half[near].astype(np.int32),
                x0=x0,
                y0=y0,
            )


@dataclass(frozen=True, eq=False)
class GalaxyTrails:
    """Galaxies that move on the detector of an exposure."""

    kind: ClassVar[str] = "moving_galaxy"
    varying: ClassVar[bool] = True
    slot: ClassVar[int] = SLOT_MOVING_GALAXIES
    paths: Paths
    galaxies: PlacedGalaxies
    """Where they are in the middle of the exposure."""
    psf: PsfLibrary
    index: NDArray[np.int64]
    """Catalog index of each."""

    @classmethod
    def along(
        cls,
        galaxies: PlacedGalaxies,
        xy: NDArray[np.float64],
        times: NDArray[np.float64],
        index: NDArray[np.int64],
        view: View,
    ) -> Self:
        """Return the trails of those that reach the exposure at some time; `xy` (n, T, 2) may have NaN."""
        psf = view.psf("")
        seen = np.flatnonzero(np.isfinite(xy).all(axis=(1, 2)))
        paths = Paths(xy[seen], times, image_half(galaxies.take(seen), psf).astype(np.float64))
        x0, x1, y0, y1 = view.bounds
        near = paths.near((x0 - 1, x1 + 1), (y0 - 1, y1 + 1))
        return cls(
            Paths(np.ascontiguousarray(paths.xy[near]), times, paths.half[near]),
            galaxies.take(seen[near]),
            psf,
            index[seen[near]],
        )

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return some of the sources."""
        paths = Paths(self.paths.xy[rows], self.paths.times, self.paths.half[rows])
        return replace(self, paths=paths, galaxies=self.galaxies.take(rows), index=self.index[rows])

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether a path may reach a box."""
        return bool(self.paths.near(x, y).size)

    def add(self, out: Floats, *, x0: int, y0: int, edges: NDArray[np.float64]) -> None:
        """Add the mean rate of each read."""
        for i in self.paths.near((x0, x0 + out.shape[2]), (y0, y0 + out.shape[1])):
            half = int(self.paths.half[i])
            image = galaxy_image(self.galaxies, int(i), self.psf, half)
            for part in filter(np.size, (image.fine, image.coarse)):
                add_image_trail(
                    out,
                    part,
                    edges=edges,
                    times=self.paths.times,
                    track=self.paths.xy[i],
                    half=float(part.shape[2] // 2),
                    x0=x0,
                    y0=y0,
                )


def projected(track: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    """Return the pixels (n, T, 2) of tracks on the sky (n, T, 3) or in pixels of the aperture (n, T, 2)."""
    n, t, axes = track.shape
    return pixels_of(track.reshape(n * t, axes), view.projection, view.bounds).reshape(n, t, 2)


class MovingLayer(PointTrails):
    """Moving point sources."""

    @classmethod
    def of(cls, table: MovingPoints, view: View) -> Self:
        """Project a table."""
        return cls.along(projected(table.track, view), table.times, table.flux, table.index, view)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the layer's table."""
        return cls.of(load_once(MovingPoints, view.tables, key), view)


class MovingGalaxyLayer(GalaxyTrails):
    """Moving galaxies."""

    @classmethod
    def of(cls, table: MovingGalaxies, view: View) -> Self:
        """Project a table."""
        numbered = replace(table, index=np.arange(len(table)))
        galaxies, rows = place_galaxies(
            numbered, view.projection, bounds=view.bounds, psf=view.psf(""), around=EVERYWHERE
        )
        return cls.along(galaxies, projected(table.track[rows], view), table.times, table.index[rows], view)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the layer's table."""
        return cls.of(load_once(MovingGalaxies, view.tables, key), view)
