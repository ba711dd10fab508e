"""Images on the detector of one exposure, block by block: computed when a window needs them, kept, and cut.

Blocks of `BLOCK` x `BLOCK` pixels lie at fixed places of the full frame, and nothing in one depends on the window that it is
computed for; so a window has the bits of the whole. A block is one transform of light that all images have left around it,
whatever their number; where there is no light, nothing is transformed. At most the bytes of `LIGHT` are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray

from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.images.blurring import BLOCK, OVERSAMPLING, Matching, blur_core, blur_wings, reach
from mirage_dask.scene.images.meshes import Raster
from mirage_dask.scene.images.sharing import add_overlap, add_points

LIGHT = CACHES["image light"]
"""Light of blocks of the detector that stays in this process."""

EDGE = 3
"""Pixels around a block in which light on points is not complete, and a little more."""

_numbers = count()


@dataclass(frozen=True, eq=False)
class ImageLight:
    """Parts of images that may reach an exposure, in the order in which they are added."""

    rasters: Sequence[Raster]
    psf: PsfLibrary | None
    """What they are convolved with; None: they have the telescope's PSF already."""
    sigma: float = 0.0
    """Standard deviation of the Gaussian that is the images' own PSF, pixels."""
    matching: Matching | None = None
    """Takes out the images' own PSF, where it is no Gaussian."""
    number: int = field(default_factory=lambda: next(_numbers))
    """Its own in this process: names its blocks in the cache."""

    def add(self, out: NDArray[np.float32], *, x0: int, y0: int) -> None:
        """Add electrons per second to a window, in place; out[0, 0] is the full-frame science pixel (x0, y0)."""
        height, width = out.shape
        for by in range(y0 // BLOCK, -(-(y0 + height) // BLOCK)):
            for bx in range(x0 // BLOCK, -(-(x0 + width) // BLOCK)):
                block = LIGHT.array((self.number, "seen", bx, by), partial(self._seen, bx, by))
                if block.size == 0:
                    continue
                left, low = max(bx * BLOCK, x0), max(by * BLOCK, y0)
                right, high = min((bx + 1) * BLOCK, x0 + width), min((by + 1) * BLOCK, y0 + height)
                out[low - y0 : high - y0, left - x0 : right - x0] += block[
                    low - by * BLOCK : high - by * BLOCK, left - bx * BLOCK : right - bx * BLOCK
                ]

    def _seen(self, bx: int, by: int) -> NDArray[np.float32]:
        """Return a block as the detector sees it; nothing where there is no light."""
        if self.psf is None:
            return self._light(bx, by)
        psf, x0, y0 = self.psf, bx * BLOCK, by * BLOCK
        out = np.zeros((BLOCK, BLOCK))
        lit = False
        margin = reach(psf)
        side = BLOCK + 2 * margin
        points = np.zeros((OVERSAMPLING * side, OVERSAMPLING * side))
        for raster in self._near(x0 - margin, y0 - margin, side):
            add_points(
                points, x0 - margin, y0 - margin, OVERSAMPLING,
                raster.pixels(), raster.nodes, raster.step, raster.scale,
            )  # fmt: skip
        if points.any():
            lit = True
            out += blur_core(points, psf, x0=x0, y0=y0, sigma=self.sigma, matching=self.matching)
        width = psf.wings_half_width
        around = self._around(bx, by, width) if width > psf.wings_inner else np.zeros(0)
        if around.any():
            lit = True
            out += blur_wings(around, psf)
        return out.astype(np.float32) if lit else np.zeros((0, 0), np.float32)

    def _around(self, bx: int, by: int, width: int) -> NDArray[np.float64]:
        """Return the light of a block and `width` pixels around it, in pixels."""
        side = BLOCK + 2 * width
        first_x, first_y = bx * BLOCK - width, by * BLOCK - width
        out = np.zeros((side, side))
        for ny in range(first_y // BLOCK, -(-(first_y + side) // BLOCK)):
            for nx in range(first_x // BLOCK, -(-(first_x + side) // BLOCK)):
                light = LIGHT.array((self.number, "light", nx, ny), partial(self._light, nx, ny))
                if light.size == 0:
                    continue
                left, low = nx * BLOCK - first_x, ny * BLOCK - first_y
                columns = slice(max(left, 0), min(left + BLOCK, side))
                rows = slice(max(low, 0), min(low + BLOCK, side))
                out[rows, columns] = light[
                    rows.start - low : rows.stop - low, columns.start - left : columns.stop - left
                ]
        return out

    def _light(self, bx: int, by: int) -> NDArray[np.float32]:
        """Return the light of a block before any PSF, in pixels; nothing where there is none.

        What is convolved with wings keeps its centre, so it is shared as points are, not by overlap.
        """
        x0, y0 = bx * BLOCK - EDGE, by * BLOCK - EDGE
        out = np.zeros((BLOCK + 2 * EDGE, BLOCK + 2 * EDGE))
        for raster in self._near(x0, y0, BLOCK + 2 * EDGE):
            pixels = raster.pixels()
            if self.psf is None:
                add_overlap(out, x0, y0, pixels, raster.nodes, raster.step, raster.scale)
            else:
                add_points(out, x0, y0, 1, pixels, raster.nodes, raster.step, raster.scale)
        out = out[EDGE:-EDGE, EDGE:-EDGE]
        return out.astype(np.float32) if out.any() else np.zeros((0, 0), np.float32)

    def _near(self, x0: int, y0: int, side: int) -> list[Raster]:
        return [raster for raster in self.rasters if raster.touches(x0, x0 + side, y0, y0 + side)]
