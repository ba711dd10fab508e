r"""Images of sources as cubic splines, so that they can be drawn along a trace.

An image is a sum of stamps: near the centre, where it is sharp, one of two or three samples per pixel and axis, and further
out one of a single sample; a smooth window of the distance shares the light out between the two. Samples are values of
pixels, the light of a source of total 1 at offsets from its centre: the PSF is integrated over pixels, nothing is cut but
what lies beyond the half width.

The image at a wavelength lambda of a PSF that is known at lambda_0 is

.. math:: P_\lambda(d) = r^2\, P(r d), \qquad r = \lambda_0 / \lambda

and that of a galaxy is convolved with it. The field of the grism turns and stretches the image of a galaxy by the Jacobian
d(X, Y)/d(x0, y0), which is applied to its form before it is drawn.

NOT modelled: that a pixel's response and the charge diffusion do not grow with wavelength; that the wavefront error counts
less at longer wavelengths; that the PSF behind a grism differs from the filter's; that the Jacobian changes along the
trace; that the PSF changes with wavelength further than `FADE` from the centre of a galaxy that is larger than the last of
`SIZES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.fft
from numba import float32 as f4
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.galaxies.convolution import put_around_corner, take_back, token
from mirage_dask.scene.galaxies.gaussians import paint_stamps
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import image_of
from mirage_dask.scene.stars import spline_weights
from mirage_dask.scene.trails.images import spline_coefficients

SAMPLES = (2, 3)
"""Samples per pixel and axis near the centre, the second of a sharp PSF."""
SHARP = 0.17
"""A PSF with more of a star's light in one pixel is sharp; with less, two samples are right to 2e-3 of the peak."""
FADE = (8.0, 12.0)
"""Pixels from the centre between which the fine image gives way to the coarse one."""
WHOLE = 15
"""Half width up to which an image is one fine stamp."""
BLOCK = 8
"""Columns and rows of coefficients are a multiple of this many pixels (`deposit.TAPS`)."""
SIZES = (48, 60, 80, 108, 144)
"""Sides, pixels, of the squares that galaxies are drawn in; of larger ones the middle, the last of them."""
AROUND = 8
"""Pixels around an image, so that light does not come in at the other side."""
WIDER = 0.2
"""Square pixels, added to the variance of Gaussians so that points count as well as pixels, and taken back."""
NODES = 3
"""Wavelengths at which the image of a source is drawn: its two ends and the middle; two would cost the same."""
NODE_RATIO = 1.1
"""Light whose ends differ by less in wavelength has one image."""

Floats = NDArray[np.float64]
PSFS = CACHES["grism PSFs"]
"""Transforms of PSFs of this process."""


@dataclass(frozen=True, eq=False)
class Stamp:
    """Spline coefficients of an image on a grid of `oversampling` per pixel."""

    coefficients: NDArray[np.float32]
    """(rows, columns), both a multiple of BLOCK * oversampling."""
    oversampling: int
    origin: int
    """Row and column of the source's centre."""

    @cached_property
    def transposed(self) -> NDArray[np.float32]:
        """The same with x and y exchanged."""
        return np.ascontiguousarray(self.coefficients.T)

    @property
    def reach(self) -> int:
        """How far it reaches from its centre, pixels."""
        beyond = max(self.coefficients.shape) - self.origin
        return -(-max(self.origin, beyond) // self.oversampling)

    @classmethod
    def of(cls, samples: NDArray[np.float32], oversampling: int) -> Stamp:
        """Return the spline through samples that are zero outside.

        Parameters
        ----------
        samples
            (2 m + 1, 2 m + 1): item [m + j, m + i] is the light in a pixel at (i, j) / oversampling from the source.
        """
        side, block = samples.shape[0], BLOCK * oversampling
        whole = -(-side // block) * block
        coefficients = np.zeros((whole, whole), np.float32)
        coefficients[:side, :side] = spline_coefficients(np.ascontiguousarray(samples, np.float32))
        return cls(coefficients, oversampling, side // 2)


Sampler = Callable[[int, int], NDArray[np.float32]]
"""(half width in pixels, samples per pixel) -> samples, as `Stamp.of` takes them."""


def samples_per_pixel(psf: PsfLibrary) -> int:
    """Return the samples per pixel and axis that images of a PSF need near their centre."""
    return SAMPLES[int(psf.profile[0] > SHARP)]


def stamps_of(sample: Sampler, half: int, scale: int) -> tuple[Stamp, ...]:
    """Return the stamps of an image that ends `half` pixels from its centre, with `scale` samples per pixel near that."""
    if half <= WHOLE:
        return (Stamp.of(sample(half, scale), scale),)
    inner = int(FADE[1])
    fine = sample(inner, scale)
    fine *= _window(np.arange(-inner * scale, inner * scale + 1) / scale)
    coarse = sample(half, 1)
    coarse *= np.float32(1) - _window(np.arange(-half, half + 1.0))
    return Stamp.of(fine, scale), Stamp.of(coarse, 1)


def star_stamps(
    psf: PsfLibrary, *, x: float, y: float, half: int, ratios: Sequence[float] = (1.0,)
) -> list[tuple[Stamp, ...]]:
    """Return the images of a star of 1 e-/s, one for each of `ratios`.

    Parameters
    ----------
    psf
        Library of the detector and filter.
    x, y
        Where the PSF is taken, full-frame science pixels; outside the grid of the library its nearest place.
    half
        Half width, pixels.
    ratios
        lambda_0 / lambda of the module's docstring.
    """
    places, weights = psf.blend(x, y)
    scale = samples_per_pixel(psf)
    return [stamps_of(_star_sampler(psf, places, weights, ratio), half, scale) for ratio in ratios]


def _star_sampler(psf: PsfLibrary, places: NDArray, weights: Floats, ratio: float) -> Sampler:
    def sample(reach: int, scale: int) -> NDArray[np.float32]:
        out = np.empty((2 * reach * scale + 1,) * 2, np.float32)
        _sample_star(
            psf.core, places.astype(np.int64), weights, psf.core_centre, psf.core_half_width,
            psf.wings, psf.wings_centre, psf.wings_inner, float(psf.wings_half_width), scale, f8(ratio), out,
        )  # fmt: skip
        return out

    return sample


def galaxy_stamps(
    galaxies: PlacedGalaxies,
    i: int,
    psf: PsfLibrary,
    *,
    half: int,
    ratios: Sequence[float] = (1.0,),
    stretch: Floats | None = None,
) -> list[tuple[Stamp, ...]]:
    """Return the images of a galaxy behind the telescope, for a flux of 1 e-/s, one for each of `ratios`.

    Its Gaussians are painted once, on a grid of two or three points per pixel, and multiplied with the transform of each
    PSF.

    Parameters
    ----------
    galaxies
        On the detector.
    i
        Which one.
    psf
        Library of the detector and filter.
    half
        Half width, pixels; `mirage_dask.scene.trails.images.image_half`.
    ratios
        lambda_0 / lambda of the module's docstring.
    stretch
        (2, 2) Jacobian of the place of light by the place of the source, from `stretch_at`.
    """
    form = galaxies.form[i] if stretch is None else stretched(galaxies.form[i], stretch)
    least = 2 * half + 2 + AROUND
    side = next((size for size in SIZES if size >= least), SIZES[-1])
    outside = _outside(galaxies, i, psf, half, form) if least > side else None
    middle, zero, one, points = side // 2, np.zeros(1), np.ones(1), samples_per_pixel(psf)
    light = np.zeros((1, points * side, points * side), np.float32)
    paint_stamps(
        light, middle, 1.0 / points, zero, zero, one, form[None], galaxies.variances[i : i + 1],
        galaxies.weights[i : i + 1], np.zeros(1, np.int64), -1.0, np.inf, WIDER, 0.0,
    )  # fmt: skip
    transform = scipy.fft.rfft2(light[0], overwrite_x=True, workers=1)
    places, weights = psf.blend(float(galaxies.x[i]), float(galaxies.y[i]))
    found = []
    for ratio in ratios:
        kernels = [_psf_spectrum(psf, int(place), side, ratio, points) for place in places]
        product = np.empty_like(transform)
        _blended_product(
            transform, kernels[0], kernels[1], kernels[2], kernels[3], weights.astype(np.float32), product
        )
        image = scipy.fft.irfft2(product, s=light.shape[1:], overwrite_x=True, workers=1)

        def sample(reach: int, scale: int, image: NDArray[np.float32] = image) -> NDArray[np.float32]:
            if outside is not None and scale == 1:
                return outside.copy()
            box = slice(points * (middle - reach), points * (middle + reach) + 1, points // scale)
            return np.array(image[box, box], np.float32)

        found.append(stamps_of(sample, half, points))
    return found


def _outside(
    galaxies: PlacedGalaxies, i: int, psf: PsfLibrary, half: int, form: Floats
) -> NDArray[np.float32]:
    """Samples of a large galaxy, one a pixel, as images without a grism are made."""
    x, y = np.floor(galaxies.x[i : i + 1] + 0.5), np.floor(galaxies.y[i : i + 1] + 0.5)
    one = replace(galaxies.take(np.array([i])), x=x, y=y, flux=np.ones(1), form=form[None])
    return image_of(one, psf, x0=int(x[0]) - half, y0=int(y[0]) - half, points=2 * half + 1)


def stretched(form: Floats, stretch: Floats) -> Floats:
    """Return a covariance (xx, xy, yy) through a Jacobian (2, 2)."""
    xx, xy, yy = form
    (a, b), (c, d) = stretch
    return np.array(
        [
            a * a * xx + 2.0 * a * b * xy + b * b * yy,
            a * c * xx + (a * d + b * c) * xy + b * d * yy,
            c * c * xx + 2.0 * c * d * xy + d * d * yy,
        ]
    )


def _psf_spectrum(psf: PsfLibrary, place: int, side: int, ratio: float, points: int) -> NDArray[np.complex64]:
    """Half transform of the PSF of a place at some points per pixel, without the variance that light was painted with."""

    def make() -> NDArray[np.complex64]:
        reach = side // 2 - 1
        samples = _star_sampler(psf, np.full(4, place), np.array([1.0, 0.0, 0.0, 0.0]), ratio)(reach, points)
        array = np.zeros((points * side, points * side))
        put_around_corner(samples, array)
        spectrum = scipy.fft.rfft2(array, overwrite_x=True, workers=1)
        take_back(spectrum.view(np.float64), side, WIDER, 1.0)
        return spectrum.astype(np.complex64)

    return PSFS.array((token(psf), place, side, ratio, points), make)


@kernel
def _blended_product(light, a, b, c, d, weights, out):
    """out = light (w0 a + w1 b + w2 c + w3 d), complex numbers."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for j in range(out.shape[0]):
        p, q, r, s = a[j], b[j], c[j], d[j]
        for i in range(out.shape[1]):
            out[j, i] = light[j, i] * (((w0 * p[i] + w1 * q[i]) + w2 * r[i]) + w3 * s[i])


def stretch_at(segment: Segment, x: float, y: float, wavelength: float) -> Floats:
    """Return the Jacobian [[X_x, X_y], [Y_x, Y_y]] of the place of light of a wavelength by that of its source."""
    px, py = np.array([x + 0.5, x - 0.5, x, x]), np.array([y, y, y + 0.5, y - 0.5])
    _, u, v = segment.trace.trace(px, py, segment.trace.parameter(px, py, np.full(4, wavelength)))
    return np.array([[u[0] - u[1], u[2] - u[3]], [v[0] - v[1], v[2] - v[3]]])


def image_nodes(low: float, high: float) -> Floats:
    """Return the wavelengths, micron, at which the image of a source is drawn for light between two: one or `NODES`."""
    if high < low * NODE_RATIO:
        return np.array([0.5 * (low + high)])
    return low + (high - low) * np.arange(NODES) / (NODES - 1)


def _window(offsets: Floats) -> NDArray[np.float32]:
    """1 near the centre, 0 far from it, two continuous derivatives between; over the square of the offsets."""
    t = np.clip((np.abs(offsets) - FADE[0]) / (FADE[1] - FADE[0]), 0.0, 1.0)
    one = 1.0 - t * t * t * (10.0 + t * (-15.0 + 6.0 * t))
    return np.asarray(one[:, None] * one[None], np.float32)


@inline
def _taps(offset, centre, weights):
    """First coefficient of the four at an offset, and their weights."""
    u = offset + centre
    i = int(np.floor(u))
    spline_weights(u - i, weights)
    return i - 1


@kernel
def _sample_star(
    core, places, blend, centre, core_half, wings, wings_centre, wings_inner, wings_half, scale, ratio, out
):
    side = out.shape[0]
    half = side // 2
    os, cells = core.shape[1], core.shape[3]
    weights = np.empty(4, np.float32)
    first, taps = np.empty(side, np.int64), np.empty((side, 4), np.float32)
    away = np.empty(side, np.float64)
    norm = f4(ratio * ratio)
    low, high = cells * os, -1
    for i in range(side):
        away[i] = ratio * (i - half) / scale
        if abs(away[i]) < core_half:
            first[i] = _taps(os * away[i], centre, weights)
            taps[i] = weights
            low, high = min(low, first[i]), max(high, first[i] + 3)
    low = min(low, high + 1)
    width = high + 1 - low
    blended = np.zeros((width, width), np.float32)
    b0, b1, b2, b3 = f4(blend[0]), f4(blend[1]), f4(blend[2]), f4(blend[3])
    for r in range(width):
        py, cy = (low + r) % os, (low + r) // os
        for px in range(os):
            begin = (px - low) % os
            cell = (low + begin) // os
            n = (width - begin + os - 1) // os
            p0, p1 = core[places[0], py, px, cy], core[places[1], py, px, cy]
            p2, p3 = core[places[2], py, px, cy], core[places[3], py, px, cy]
            for m in range(n):
                k = cell + m
                blended[r, begin + m * os] = ((b0 * p0[k] + b1 * p1[k]) + b2 * p2[k]) + b3 * p3[k]
    row = np.empty(width, np.float32)
    out[:] = f4(0)
    for j in range(side):
        if abs(away[j]) >= core_half:
            continue
        top = first[j] - low
        t0, t1, t2, t3 = taps[j, 0], taps[j, 1], taps[j, 2], taps[j, 3]
        r0, r1, r2, r3 = blended[top], blended[top + 1], blended[top + 2], blended[top + 3]
        for c in range(width):
            row[c] = ((t0 * r0[c] + t1 * r1[c]) + t2 * r2[c]) + t3 * r3[c]
        for i in range(side):
            if abs(away[i]) < core_half:
                c = first[i] - low
                value = (taps[i, 0] * row[c] + taps[i, 1] * row[c + 1]) + taps[i, 2] * row[c + 2]
                out[j, i] = norm * (value + taps[i, 3] * row[c + 3])
    if ratio * half / scale <= wings_inner:
        return
    for i in range(side):
        if abs(away[i]) <= wings_half:
            first[i] = _taps(away[i], wings_centre, weights)
            taps[i] = weights
    for j in range(side):
        for i in range(side):
            d = max(abs(away[i]), abs(away[j]))
            if d > wings_inner and d <= wings_half:
                value = f4(0)
                for b in range(4):
                    line = wings[first[j] + b]
                    c = first[i]
                    part = (taps[i, 0] * line[c] + taps[i, 1] * line[c + 1]) + taps[i, 2] * line[c + 2]
                    value += taps[j, b] * (part + taps[i, 3] * line[c + 3])
                out[j, i] += norm * value
