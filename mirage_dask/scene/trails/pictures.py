"""The image of a source behind the telescope as cubic splines, in parts, so that it can be drawn along a path.

An image is shared among points and convolved as one at rest is (`mirage_dask.scene.images`), where it is in the middle of
the exposure, at `SAMPLES` x `SAMPLES` places within each pixel: the core of the PSF. The wings, where nothing is sharp, take
one place. The samples become B-spline coefficients, cut into parts of 2 `HALF` + 1 pixels a side: a sum of splines is a sum
over parts, whatever the cut. So memory is bounded whatever the size of an image, and a window takes the parts that come near
it. They stay in a bounded cache of the process. No light is cut, as none is of an image at rest.

An image that has the PSF already is shared by overlap at the same places.

NOT modelled: what `images.sharing` and `images.blurring` name; an image keeps its shape and its PSF along its path.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.images.blocks import LIGHT
from mirage_dask.scene.images.blurring import BLOCK, OVERSAMPLING, blur_core, blur_wings, reach, token
from mirage_dask.scene.images.meshes import Raster
from mirage_dask.scene.images.sharing import add_overlap, add_points
from mirage_dask.scene.trails.images import SAMPLES, spline_phases

HALF = 120
"""Half side of a part, pixels."""
MARGIN = 7
"""Pixels around a part within which its samples are known: a coefficient feels those beyond by less than 1e-11."""
PADDING = 4
"""Pixels of zeros around a part: `deposit` reads four coefficients beside one another."""

Floats = NDArray[np.float64]
Part = tuple[NDArray[np.float32], float, float, float]
"""Coefficients in phases, x and y of their centre, pixels from it within which they are drawn."""


@dataclass(frozen=True, eq=False)
class Picture:
    """The image of a source where it is in the middle of an exposure."""

    rasters: Sequence[Raster]
    psf: PsfLibrary | None
    """What it is convolved with; None: it has the telescope's PSF already."""
    x: float
    """Full-frame science pixel of the source's position."""
    y: float
    wings: int
    """How far the wings of the PSF are drawn, pixels."""
    digest: bytes

    @classmethod
    def of(cls, rasters: Sequence[Raster], psf: PsfLibrary | None, x: float, y: float) -> Picture:
        """Return the picture of an image whose parts are `rasters`."""
        digest = hashlib.blake2b(b"" if psf is None else token(psf), digest_size=16)
        for raster in rasters:
            pixels = raster.pixels()
            digest.update(pixels.tobytes())
            digest.update(raster.nodes.tobytes())
            digest.update(repr((raster.step, raster.scale, pixels.shape)).encode())
        wings = 0 if psf is None or psf.wings_half_width <= psf.wings_inner else psf.wings_half_width
        return cls(rasters, psf, x, y, wings, digest.digest())

    @property
    def half(self) -> float:
        """Pixels from the position beyond which it has no light."""
        around = 1.0 if self.psf is None else float(max(reach(self.psf), self.wings))
        return self._extent() + around + 2.0

    def parts(self, x: tuple[float, float], y: tuple[float, float]) -> Iterator[Part]:
        """Yield the parts that lie within a box around the source, in a fixed order.

        Parameters
        ----------
        x, y
            Half-open ranges of pixels, as if the source were where it is in the middle of the exposure.
        """
        around = 2.0 if self.psf is None else float(reach(self.psf))
        yield from self._parts(x, y, self._extent() + around, SAMPLES, "core")
        if self.wings:
            yield from self._parts(x, y, self._extent() + self.wings, 1, "wings")

    def _parts(
        self, x: tuple[float, float], y: tuple[float, float], extent: float, scale: int, what: str
    ) -> Iterator[Part]:
        middle_x, middle_y = math.floor(self.x + 0.5), math.floor(self.y + 0.5)
        half = min(math.ceil(extent) + 1, HALF)
        n = math.ceil(max(extent + 1.0 - half, 0.0) / (2 * half + 1))
        for j in range(-n, n + 1):
            for i in range(-n, n + 1):
                at_x, at_y = middle_x + i * (2 * half + 1), middle_y + j * (2 * half + 1)
                drawn = half + 2.0
                if not (x[0] - drawn <= at_x <= x[1] + drawn and y[0] - drawn <= at_y <= y[1] + drawn):
                    continue
                key = (self.digest, what, half, i, j)
                found = LIGHT.array(key, partial(self._coefficients, at_x, at_y, half, scale, what))
                if found.size:
                    yield found, float(at_x), float(at_y), drawn

    def _coefficients(self, x: int, y: int, half: int, scale: int, what: str) -> NDArray[np.float32]:
        """(scale, scale, n, n), n = 2 (half + PADDING) + 1, of the part around a pixel; empty where there is no light."""
        points = 2 * (half + MARGIN) + 1
        samples = np.zeros((points, scale, points, scale), np.float32)
        for j in range(scale):
            for k in range(scale):
                # Values between pixels are those of pixels after the image has been moved the other way.
                seen = self._seen(x - half - MARGIN, y - half - MARGIN, (k / scale, j / scale), what)
                samples[:, j, :, k] = seen[:points, :points] if seen.size else np.float32(0)
        if not samples.any():
            return np.zeros((scale, scale, 0, 0), np.float32)
        found = spline_phases(samples.reshape(points * scale, -1), scale, MARGIN)
        return np.pad(found, ((0, 0), (0, 0), (PADDING, PADDING), (PADDING, PADDING)))

    def _seen(self, x0: int, y0: int, shift: tuple[float, float], what: str) -> Floats:
        """(BLOCK, BLOCK) light as the detector sees it from a pixel on; empty where there is none."""
        if self.psf is None:
            return self._shared(x0, y0, BLOCK, shift, 1, overlap=True)
        if what == "wings":
            width = self.psf.wings_half_width
            light = self._shared(x0 - width, y0 - width, BLOCK + 2 * width, shift, 1)
            return blur_wings(light, self.psf) if light.size else light
        around = reach(self.psf)
        light = self._shared(x0 - around, y0 - around, BLOCK + 2 * around, shift, OVERSAMPLING)
        return blur_core(light, self.psf, x0=x0, y0=y0) if light.size else light

    def _shared(
        self,
        x0: int,
        y0: int,
        side: int,
        shift: tuple[float, float],
        oversampling: int,
        *,
        overlap: bool = False,
    ) -> Floats:
        near = [
            raster for raster in self.rasters if raster.touches(x0 - 1, x0 + side + 1, y0 - 1, y0 + side + 1)
        ]
        out = np.zeros((oversampling * side, oversampling * side))
        for raster in near:
            moved = replace(raster, nodes=raster.nodes - np.array(shift))
            if overlap:
                add_overlap(out, x0, y0, moved.pixels(), moved.nodes, moved.step, moved.scale)
            else:
                add_points(
                    out, x0, y0, oversampling, moved.pixels(), moved.nodes, moved.step, moved.scale
                )  # fmt: skip
        return out if out.any() else np.zeros((0, 0))

    def _extent(self) -> float:
        """Pixels from the position within which the light of the image itself lies, along either axis."""
        return max(
            max(abs(box[0] - self.x), abs(box[1] - self.x), abs(box[2] - self.y), abs(box[3] - self.y))
            for box in (raster.box for raster in self.rasters)
        )
