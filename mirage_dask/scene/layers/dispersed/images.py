"""Layer `dispersed_image`: sources that are images, behind a grism.

An image is placed as in the direct image through the same filter, seen through the PSF of its wavelengths unless it has that
already, and falls along the traces of its source as galaxies do (`mirage_dask.scene.dispersed`); all of it has the spectrum
of the source, its light in the direct image is what its pixels say, whatever its magnitude. How far the PSF reaches beyond
the image follows from the source's brightness along the trace as that of a star, with at most `GALAXY_WINGS` pixels of its
wings.

NOT modelled: spectra that differ over an image; what `mirage_dask.scene.dispersed.image_stamps` names; images of the scene.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.dispersed.image_stamps import PlacedImage, image_stamps, seen_stamps
from mirage_dask.scene.dispersed.sources import Images, brightest, default_nodes
from mirage_dask.scene.dispersed.stamps import Stamp, star_stamps, stretch_at
from mirage_dask.scene.dispersed.tables import DispersedImages, DispersedSources, open_configuration
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.layers.dispersed.sources import GALAXY_WINGS, DispersedLayer, disperse, star_halves
from mirage_dask.scene.layers.images import source_rasters
from mirage_dask.scene.layers.view import View
from mirage_dask.scene.placement import pixels_of
from mirage_dask.scene.sources import load_once


@dataclass(frozen=True, eq=False)
class DispersedImageLayer(DispersedLayer):
    """Sources that are images, behind a grism."""

    kind: ClassVar[str] = DispersedImages.kind
    table: ClassVar[type[DispersedSources]] = DispersedImages
    placed: tuple[PlacedImage, ...]
    """(n,) of the sources, in catalog order."""
    wings: NDArray[np.int64]
    """(n,) pixels that the PSF reaches beyond each image; all 0 where they have it already."""

    @property
    def form(self) -> bytes:
        """Hash of the shapes of the images."""
        digest = hashlib.blake2b(digest_size=16)
        for image in self.placed:
            for raster in image.rasters:
                digest.update(np.ascontiguousarray(raster.nodes).tobytes())
                digest.update(repr((raster.step, raster.scale)).encode())
        digest.update(self.wings.tobytes())
        return digest.digest()

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the sources of the layer's table that reach the exposure."""
        table = load_once(cls.table, view.tables, key)
        for _ in table.named():  # which checks it
            pass
        sources = load_once(Extended, view.tables, table.source)
        middle = pixels_of(sources.position, view.projection, view.bounds)
        grism = open_configuration(view.tables, table.grism)
        rows = np.flatnonzero(np.isfinite(middle).all(axis=1))
        near = np.zeros(rows.size, bool)
        for order in grism.orders:
            near |= order.accepts(middle[rows, 0], middle[rows, 1], grism.size)
        found = segments(grism)
        main, nodes = brightest(found), default_nodes(found)
        placed: list[PlacedImage] = []
        kept: list[int] = []
        for n, rasters in source_rasters(sources, middle, view, rows[near]):
            place = middle[n]
            stretch = stretch_at(main, float(place[0]), float(place[1]), float(nodes[len(nodes) // 2]))
            placed.append(PlacedImage.of(rasters, place, stretch))
            kept.append(n)
        psf = view.psf("")
        extent = np.array([image.half for image in placed], np.int64)
        wings = np.zeros(len(placed), np.int64)

        def half(light: NDArray[np.float64]) -> NDArray[np.int64]:
            reach = np.minimum(star_halves(light, psf), GALAXY_WINGS)
            if sources.convolved:
                np.maximum(wings, reach, out=wings)
            return np.where(reach > 0, extent + (reach if sources.convolved else 0), 0).astype(np.int64)

        xy = np.ascontiguousarray(middle[kept].reshape(-1, 2).T)
        spread = disperse(table, view, xy[0], xy[1], sources.index[kept], np.zeros(len(kept)), half)
        keep = np.flatnonzero(spread.reaching(view.bounds))
        return cls(key, spread.take(keep), psf, view.bounds, tuple(placed[i] for i in keep), wings[keep])

    @property
    def images(self) -> Images:
        """What draws the images: one for all wavelengths where they have the PSF already."""
        found = self.found
        ratios = [found.pivot / float(node) for node in self.nodes]

        def image(i: int, _half: int, along_y: bool) -> tuple[Stamp, ...]:
            if not self.wings[i]:
                return seen_stamps(self.placed[i], along_y=along_y)
            star = star_stamps(
                self.psf, x=float(found.x[i]), y=float(found.y[i]), half=int(self.wings[i]), ratios=ratios,
                along_y=along_y,
            )  # fmt: skip
            return image_stamps(self.placed[i], star, along_y=along_y)

        return image
