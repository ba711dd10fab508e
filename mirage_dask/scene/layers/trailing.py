"""Layers `point_source`, `galaxy` and `extended` while the telescope tracks a moving target: the field trails.

Each source has the path on which it is seen (`mirage_dask.scene.tracking`), and is drawn as moving sources are. The sky
background is even enough to be the same all the time; the target itself is a layer of its own.

NOT modelled: an image of the whole scene, which is refused when exposures are planned.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from mirage_dask.detector.random.keys import (
    SLOT_TRAILING_GALAXIES,
    SLOT_TRAILING_IMAGES,
    SLOT_TRAILING_STARS,
)
from mirage_dask.errors import StoreError
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.layers.moving import GalaxyTrails, PointTrails, projected
from mirage_dask.scene.layers.moving_images import ImageTrails
from mirage_dask.scene.layers.view import View
from mirage_dask.scene.placement import nearby, place_galaxies
from mirage_dask.scene.sources import Galaxies, PointSources, load_once
from mirage_dask.scene.tracking import PointingTrack

SMALLEST_PIXEL = 1.4e-7
"""Radians; the pixels of NIRCam's short wavelengths are 1.5e-7."""


class TrailingStarLayer(PointTrails):
    """Stars behind a moving target."""

    kind: ClassVar[str] = "point_source"
    slot: ClassVar[int] = SLOT_TRAILING_STARS

    @classmethod
    def of(cls, table: PointSources, view: View) -> Self:
        """Project a table."""
        motion = _motion(table, view)
        margin = view.psf("").wings_half_width + 1.0 + _pixels_moved(motion)
        rows = nearby(table, view.projection, view.bounds, margin)
        rows = rows[table.flux[rows] > 0]
        paths = projected(motion.paths(table.position[rows]), view)
        return cls.along(paths, motion.times, table.flux[rows], table.index[rows], view)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the layer's table."""
        return cls.of(load_once(PointSources, view.tables, key), view)


class TrailingImageLayer(ImageTrails):
    """Images behind a moving target."""

    kind: ClassVar[str] = Extended.kind
    slot: ClassVar[int] = SLOT_TRAILING_IMAGES

    @classmethod
    def of(cls, table: Extended, view: View) -> Self:
        """Project a table."""
        motion = _motion(table, view)
        turned = [
            np.where(table.aligned[:, None], axis, motion.seen(axis, motion.middle))
            for axis in (table.along_x, table.along_y)
        ]
        seen = replace(
            table,
            position=motion.seen(table.position, motion.middle),
            along_x=turned[0],
            along_y=turned[1],
        )
        return cls.along(seen, projected(motion.paths(table.position), view), motion.times, view)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the layer's table."""
        return cls.of(load_once(Extended, view.tables, key), view)


class TrailingGalaxyLayer(GalaxyTrails):
    """Galaxies behind a moving target."""

    kind: ClassVar[str] = "galaxy"
    slot: ClassVar[int] = SLOT_TRAILING_GALAXIES

    @classmethod
    def of(cls, table: Galaxies, view: View) -> Self:
        """Project a table."""
        motion = _motion(table, view)
        seen = replace(
            table,
            index=np.arange(len(table)),
            position=motion.seen(table.position, motion.middle),
            tangent=motion.seen(table.tangent, motion.middle),
            normal=motion.seen(table.normal, motion.middle),
        )
        galaxies, rows = place_galaxies(
            seen, view.projection, bounds=view.bounds, psf=view.psf(""), around=_pixels_moved(motion)
        )
        paths = projected(motion.paths(table.position[rows]), view)
        return cls.along(galaxies, paths, motion.times, table.index[rows], view)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the layer's table."""
        return cls.of(load_once(Galaxies, view.tables, key), view)


def _motion(table: PointSources | Galaxies | Extended, view: View) -> PointingTrack:
    if view.motion is None or table.pixels:
        raise StoreError(
            "An exposure that tracks a moving target has sources in pixels, which cannot trail; plan it again."
        )
    return view.motion


def _pixels_moved(motion: PointingTrack) -> float:
    """Return how far the target goes from where it is at the start, pixels or a little more."""
    away = motion.track - motion.reference
    return float(np.sqrt((away * away).sum(axis=1).max()) / SMALLEST_PIXEL) + 1.0
