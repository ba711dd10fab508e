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

from mirage_dask.scene.dispersed.stamps import BLOCK, Stamp
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


def image_stamps(
    image: PlacedImage, stars: Sequence[Sequence[Stamp]], *, half: int
) -> list[tuple[Stamp, ...]]:
    """Return the images of a source behind the telescope.

    Parameters
    ----------
    image
        Of the source.
    stars
        Stamps of a star at the source's place, for each wavelength.
    half
        Half width of the results, pixels; the image's and the star's.
    """
    scales = {stamp.oversampling for stamps in stars for stamp in stamps}
    light = {scale: image.points(scale) for scale in sorted(scales)}
    return [tuple(_convolved(light[s.oversampling], s, half) for s in stamps) for stamps in stars]


def seen_stamps(image: PlacedImage) -> list[tuple[Stamp, ...]]:
    """Return the one image of a source that has the telescope's PSF already."""
    scale = 2 if image.half <= SMALL else 1
    return [(Stamp.of(image.pixels(scale), scale),)]


def _convolved(light: NDArray[np.float32], star: Stamp, half: int) -> Stamp:
    """Return the stamp of light on points through a star's, cut to `half` pixels around its middle."""
    least = light.shape[0] + star.coefficients.shape[0] - 1 + AROUND
    size = scipy.fft.next_fast_len(least + least % 2, real=True)
    spectrum = scipy.fft.rfft2(light, s=(size, size), workers=1)
    own = scipy.fft.rfft2(star.coefficients, s=(size, size), workers=1)
    multiply(spectrum.view(np.float32), own.view(np.float32), spectrum.view(np.float32))
    steps = np.arange(size, dtype=np.float64)
    factors = (undone(np.minimum(steps, size - steps), size, 0.0), undone(steps[: size // 2 + 1], size, 0.0))
    factor = (factors[0][:, None] * factors[1]).astype(np.float32)
    spectrum.real *= factor
    spectrum.imag *= factor
    image = scipy.fft.irfft2(spectrum, s=(size, size), workers=1)
    scale, origin = star.oversampling, light.shape[0] // 2 + star.origin
    reach = min(half * scale, origin)
    first, last = origin - reach, min(origin + reach + 1, least - AROUND)
    block = BLOCK * scale
    whole = -(-(last - first) // block) * block
    coefficients = np.zeros((whole, whole), np.float32)
    coefficients[: last - first, : last - first] = image[first:last, first:last]
    return Stamp(coefficients, scale, reach)


def _through(nodes: Floats, stretch: Floats) -> Floats:
    """Return nodes through a Jacobian, by + and * in a fixed order."""
    x, y = nodes[..., 0], nodes[..., 1]
    (a, b), (c, d) = stretch
    return np.stack([a * x + b * y, c * x + d * y], axis=-1)
