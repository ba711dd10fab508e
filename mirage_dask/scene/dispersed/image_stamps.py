r"""The image of a source that the user gives, as the kernel of dispersed spectra wants it: stamps of total 1.

Light of the image lies on points, as many per pixel as the star's stamp has, spread by the cubic B-spline
(`mirage_dask.scene.images.sharing`). The coefficients C of a star's image, convolved with that, are those of the source's,

.. math:: \hat C_{image} = \hat C_{star}\, \hat L\, /\, \mathrm{sinc}^4

per axis, so that the PSF has the wavelengths, the fine middle and the coarse wings of stars (`stamps`). An image that has
the telescope's PSF already is shared among pixels by area, at as many offsets as there are samples in a pixel, and has one
stamp for all wavelengths.

The field of the grism turns and stretches the image by the Jacobian d(X, Y)/d(x0, y0) at the source's middle.

NOT modelled: what the Jacobian changes over an image; that the PSF differs over it; light of an image farther than `LARGEST`
from its middle; what `stamps` and `sharing` name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mirage_dask.scene.dispersed.stamps import Stamp
from mirage_dask.scene.images.blurring import multiply, undone
from mirage_dask.scene.images.meshes import Raster
from mirage_dask.scene.images.sharing import add_overlap, add_points

Floats = NDArray[np.float64]

LARGEST = 384
"""Pixels that an image may reach from its middle."""
SMALL = 200
"""Pixels that an image may reach for two samples per pixel of one that has the PSF already; larger ones have one."""
EDGE = 3
"""Pixels around an image: light on points is not complete within two points of the edge."""
AROUND = 8
"""Points around a transform, so that what is divided by the B-spline does not come in at the other side."""


@dataclass(frozen=True, eq=False)
class PlacedImage:
    """An image about its middle, as the field of a grism turns and stretches it."""

    rasters: tuple[Raster, ...]
    """Its parts; their nodes count from the middle."""
    half: int
    """Pixels that it reaches from its middle, and `EDGE`; at most `LARGEST`."""

    @classmethod
    def of(cls, rasters: Sequence[Raster], middle: Floats, stretch: Floats) -> PlacedImage:
        """Return an image whose parts are on the detector, turned and stretched.

        Parameters
        ----------
        rasters
            With nodes in full-frame science pixels.
        middle
            (2,) the source's place there.
        stretch
            (2, 2) Jacobian of the place of light by that of the source, `stamps.stretch_at`.
        """
        placed = tuple(replace(one, nodes=_through(one.nodes - middle, stretch)) for one in rasters)
        reach = [np.abs(raster.nodes[np.isfinite(raster.nodes)]).max(initial=0.0) for raster in placed]
        return cls(placed, min(int(np.ceil(max(reach, default=0.0))) + EDGE, LARGEST))

    def total(self) -> float:
        """Return all of its light, e-/s in the direct image."""
        return sum(raster.scale * float(raster.pixels().sum(dtype=np.float64)) for raster in self.rasters)

    def points(self, scale: int) -> NDArray[np.float32]:
        """Return its light on points, spread by the B-spline: (2 half scale + 1) a side about the middle; total 1."""
        out = np.zeros((2 * self.half * scale + 1,) * 2)
        for raster in self.rasters:
            add_points(
                out, -self.half, -self.half, scale, raster.pixels(), raster.nodes, raster.step, raster.scale
            )
        out /= self.total()
        return out.astype(np.float32)

    def pixels(self, scale: int) -> NDArray[np.float32]:
        """Return its light in pixels that are centred at the places of `points`."""
        half, total = self.half, self.total()
        out = np.zeros((2 * half * scale + 1,) * 2, np.float32)
        for b in range(scale):
            for a in range(scale):
                light = np.zeros((2 * half + 1,) * 2)
                for raster in self.rasters:
                    nodes = raster.nodes - np.array([a, b]) / scale
                    add_overlap(light, -half, -half, raster.pixels(), nodes, raster.step, raster.scale)
                part = out[b::scale, a::scale]
                part[:] = light[: part.shape[0], : part.shape[1]] / total
        return out


def image_stamps(image: PlacedImage, star: Sequence[Stamp], *, along_y: bool) -> tuple[Stamp, ...]:
    """Return the image of a source behind the telescope, as the sum of stamps.

    Parameters
    ----------
    image
        Of the source.
    star
        The image of a star at its place, at one or more wavelengths; its columns lie along y where `along_y` says so.
    along_y
        Whether columns lie along y.
    """
    found = []
    for scale in sorted({stamp.scale for stamp in star}):
        light = image.points(scale)
        parts = _summed([stamp.fine() for stamp in star if stamp.scale == scale])
        found.append(_convolved(np.ascontiguousarray(light.T) if along_y else light, parts))
    return tuple(found)


def seen_stamps(image: PlacedImage, *, along_y: bool) -> tuple[Stamp, ...]:
    """Return the image of a source that has the telescope's PSF already: one stamp for all wavelengths."""
    scale = 2 if image.half <= SMALL else 1
    light = image.pixels(scale)
    return (Stamp.of(np.ascontiguousarray(light.T) if along_y else light, scale),)


def _summed(stamps: Sequence[Stamp]) -> Stamp:
    """Return stamps of one scale as one."""
    row, column = max(s.row for s in stamps), max(s.column for s in stamps)
    below = max(s.coefficients.shape[1] - s.row for s in stamps)
    beside = max(s.coefficients.shape[2] - s.column for s in stamps)
    total = np.zeros((len(stamps[0].coefficients), row + below, column + beside), np.float32)
    for s in stamps:
        _, ny, nx = s.coefficients.shape
        total[:, row - s.row : row - s.row + ny, column - s.column : column - s.column + nx] += s.coefficients
    return Stamp(total, stamps[0].scale, row, column)


def _convolved(light: NDArray[np.float32], star: Stamp) -> Stamp:
    """Return the stamp of light on points through a star's."""
    count, ny, nx = star.coefficients.shape
    rows, columns = light.shape[0] + ny - 1, light.shape[1] + nx - 1
    shape = tuple(scipy.fft.next_fast_len(n + AROUND, real=True) for n in (rows, columns))
    spectrum = scipy.fft.rfft2(light, s=shape, workers=1)
    steps = [np.arange(n, dtype=np.float64) for n in shape]
    down = undone(np.minimum(steps[0], shape[0] - steps[0]), shape[0], 0.0)
    factor = (down[:, None] * undone(steps[1][: shape[1] // 2 + 1], shape[1], 0.0)).astype(np.float32)
    spectrum.real *= factor
    spectrum.imag *= factor
    out = np.empty((count, rows, columns), np.float32)
    for coefficients, image in zip(star.coefficients, out, strict=True):
        own = scipy.fft.rfft2(coefficients, s=shape, workers=1)
        multiply(spectrum.view(np.float32), own.view(np.float32), own.view(np.float32))
        image[:] = scipy.fft.irfft2(own, s=shape, overwrite_x=True, workers=1)[:rows, :columns]
    return Stamp(out, star.scale, light.shape[0] // 2 + star.row, light.shape[1] // 2 + star.column)


def _through(nodes: Floats, stretch: Floats) -> Floats:
    """Return nodes through a Jacobian, by + and * in a fixed order."""
    x, y = nodes[..., 0], nodes[..., 1]
    (a, b), (c, d) = stretch
    return np.stack([a * x + b * y, c * x + d * y], axis=-1)
