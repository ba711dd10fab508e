r"""Images of sources as cubic splines, so that they can be drawn along a trace.

An image is a sum of stamps: near the centre, where it is sharp, one of two or three samples per pixel and axis; further out
one of a single sample; and beyond `OUTER` pixels, where a star is faint and smooth behind a grism, one that has a sample a
pixel across the trace and one in four along it. Smooth windows of the distance share the light out between them. Samples
are values of pixels, the light of a source of total 1 at offsets from its centre: the PSF is integrated over pixels, nothing
is cut but what lies beyond the half width. Rows of stamps lie along the trace, columns across.

The image at a wavelength lambda of a PSF that is known at lambda_0 is

.. math:: P_\lambda(d) = r^2\, P(r d), \qquad r = \lambda_0 / \lambda

and that of a galaxy is convolved with it; samples near the centre are evened out over a pixel (`even`). The field of the
grism turns and stretches the image of a galaxy by the Jacobian d(X, Y)/d(x0, y0), which is applied to its form before it is
drawn.

NOT modelled: that a pixel's response and the charge diffusion do not grow with wavelength; that the wavefront error counts
less at longer wavelengths; that the PSF behind a grism differs from the filter's; that the Jacobian changes along the
trace; that the PSF changes with wavelength further than `FADE` from the centre of a galaxy that is larger than the last of
`SIZES`; structure along the trace below four pixels further than `OUTER` from a star, where it has less than 1e-3 of its
peak.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import scipy.fft
from numba import float32 as f4
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.dispersed.even import even_out
from mirage_dask.scene.dispersed.straight import COARSE
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
FADE = (7.5, 11.5)
"""Pixels from the centre between which the fine image gives way to that of one sample."""
OUTER = (11.5, 15.5)
"""Pixels from the centre between which the latter, of a star, gives way to the coarse one."""
WHOLE = 15
"""Half width up to which the image of a galaxy is one fine stamp."""
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
"""Transforms of PSFs of this process, and the outer parts of PSFs."""


@dataclass(frozen=True, eq=False)
class Stamp:
    """Spline coefficients of a part of an image at one or more wavelengths, on a grid of `scale` per pixel."""

    coefficients: NDArray[np.float32]
    """(wavelengths, rows, columns); columns lie along the trace."""
    scale: int
    """Coefficients per pixel."""
    row: int
    """Of the source's centre."""
    column: int
    coarse: int = 1
    """Pixels along the trace per column, 1 or `COARSE`; then `scale` is 1."""

    @property
    def reach(self) -> int:
        """How far it reaches from its centre, pixels."""
        _, rows, columns = self.coefficients.shape
        down, along = max(self.row, rows - self.row), max(self.column, columns - self.column)
        return -(-max(down, along * self.coarse) // self.scale)

    @classmethod
    def of(cls, samples: NDArray[np.float32], scale: int) -> Stamp:
        """Return the spline through samples that are zero outside.

        Parameters
        ----------
        samples
            (wavelengths, 2 m + 1, 2 m + 1) or a single one of them: item [m + j, m + i] is the light in a pixel at
            (i, j) / scale from the source, i along the trace.
        """
        several = samples if samples.ndim == 3 else samples[None]
        found = np.empty(several.shape, np.float32)
        for one, out in zip(several, found, strict=True):
            out[:] = spline_coefficients(np.ascontiguousarray(one, np.float32))
        return cls(found, scale, samples.shape[-2] // 2, samples.shape[-1] // 2)

    def fine(self) -> Stamp:
        """Return the same spline with a column for each pixel."""
        found, step = self, self.coarse
        while step > 1:  # a cubic B-spline is a sum of five of half its width
            wide = np.zeros((*found.coefficients.shape[:2], 2 * found.coefficients.shape[2] + 4), np.float32)
            for k, share in enumerate((1, 4, 6, 4, 1)):
                end = wide.shape[2] - 4 + k
                wide[:, :, k:end:2] += np.float32(share / 8) * found.coefficients
            step //= 2
            found = Stamp(wide, 1, found.row, 2 * found.column + 2, step)
        return found


Sampler = Callable[[int, int], NDArray[np.float32]]
"""(half side in samples, samples per pixel) -> samples of all wavelengths, as `Stamp.of` takes them."""


def samples_per_pixel(psf: PsfLibrary) -> int:
    """Return the samples per pixel and axis that images of a PSF need near their centre."""
    return SAMPLES[int(psf.profile[0] > SHARP)]


def _near(sample: Sampler, half: int, scale: int, outer: int | None) -> tuple[Stamp, ...]:
    """Stamps of `scale` samples per pixel and of one, to `half` pixels; what lies beyond `outer` is left to another."""
    inner = min(int(FADE[1] * scale), half * scale)
    fine = even_out(sample(inner, scale) * _window(FADE, inner, scale), scale)
    reach = half if outer is None else min(half, outer)
    middle = sample(reach, 1) * _beyond(FADE, reach)
    if outer is not None:
        middle *= _window(OUTER, reach, 1)
    return Stamp.of(fine, scale), Stamp.of(middle, 1)


def star_stamps(
    psf: PsfLibrary, *, x: float, y: float, half: int, ratios: Sequence[float] = (1.0,), along_y: bool = False
) -> tuple[Stamp, ...]:
    """Return the image of a star of 1 e-/s, as the sum of stamps, at the wavelengths of `ratios`.

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
    along_y
        Whether the trace, columns of stamps, is along y.
    """
    places, weights = psf.blend(x, y)

    def sample(reach: int, scale: int) -> NDArray[np.float32]:
        return _star_samples(psf, places, weights, ratios, reach, scale, along_y)

    stamps = _near(sample, half, samples_per_pixel(psf), int(OUTER[1]))
    if half <= OUTER[0]:
        return stamps
    used = weights > 0
    parts = [_outer(psf, int(place), ratio, along_y) for ratio in ratios for place in places[used]]
    aside = min(parts[0].shape[1] // 2, -(-half // COARSE) + 1)
    row, column = parts[0].shape[0] // 2, parts[0].shape[1] // 2
    box = (slice(row - half, row + half + 1), slice(column - aside, column + aside + 1))
    far = np.zeros((len(ratios), 2 * half + 1, 2 * aside + 1), np.float32)
    for i, part in enumerate(parts):
        far[i // used.sum()] += np.float32(weights[used][i % used.sum()]) * part[box]
    return *stamps, Stamp(far, 1, half, aside, COARSE)


def _star_samples(
    psf: PsfLibrary, places: NDArray, weights: Floats, ratios: Sequence[float], reach: int, scale: int, along_y: bool
) -> NDArray[np.float32]:  # fmt: skip
    """Values of a star, (ratios, 2 reach + 1, 2 reach + 1), `scale` per pixel."""
    out = np.empty((len(ratios), 2 * reach + 1, 2 * reach + 1), np.float32)
    for ratio, one in zip(ratios, out, strict=True):
        _sample_star(
            psf.core, places.astype(np.int64), weights, psf.core_centre, psf.core_half_width,
            psf.wings, psf.wings_centre, psf.wings_inner, float(psf.wings_half_width), scale, f8(ratio), one,
        )  # fmt: skip
    return np.ascontiguousarray(out.transpose(0, 2, 1)) if along_y else out


def _outer(psf: PsfLibrary, place: int, ratio: float, along_y: bool) -> NDArray[np.float32]:
    """Coefficients of the PSF of a place beyond `OUTER`: rows of one pixel, columns of COARSE pixels."""

    def make() -> NDArray[np.float32]:
        half = COARSE * -(-psf.wings_half_width // COARSE) + COARSE // 2
        one = np.array([1.0, 0.0, 0.0, 0.0])
        (samples,) = _star_samples(psf, np.full(4, place), one, [ratio], half, 1, along_y)
        samples *= _beyond(OUTER, half)
        # Means over pixels -2 to 2 around every fourth one, the outermost by half: none is left out or counted twice.
        means = 0.5 * (samples[:, :-COARSE:COARSE] + samples[:, COARSE::COARSE])
        for k in range(1, COARSE):
            means += samples[:, k::COARSE]
        means *= np.float32(1 / COARSE)
        return spline_coefficients(np.ascontiguousarray(means)).astype(np.float32)

    return PSFS.array((token(psf), place, "outer", ratio, along_y), make)


def galaxy_stamps(
    galaxies: PlacedGalaxies,
    i: int,
    psf: PsfLibrary,
    *,
    half: int,
    ratios: Sequence[float] = (1.0,),
    stretch: Floats | None = None,
    along_y: bool = False,
) -> tuple[Stamp, ...]:
    """Return the image of a galaxy behind the telescope, for a flux of 1 e-/s, at the wavelengths of `ratios`.

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
    along_y
        Whether the trace, columns of stamps, is along y.
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
    images = np.empty((len(ratios), points * side, points * side), np.float32)
    product = np.empty_like(transform)
    for ratio, image in zip(ratios, images, strict=True):
        kernels = [_psf_spectrum(psf, int(place), side, ratio, points) for place in places]
        _blended_product(
            transform, kernels[0], kernels[1], kernels[2], kernels[3], weights.astype(np.float32), product
        )
        image[:] = scipy.fft.irfft2(product, s=light.shape[1:], overwrite_x=True, workers=1)

    def sample(reach: int, scale: int) -> NDArray[np.float32]:
        if outside is not None and scale == 1:
            found = np.tile(outside, (len(ratios), 1, 1))
        else:
            step = points // scale
            box = slice(points * middle - step * reach, points * middle + step * reach + 1, step)
            found = images[:, box, box]
        return np.ascontiguousarray(found.transpose(0, 2, 1) if along_y else found)

    if half <= WHOLE:
        return (Stamp.of(even_out(sample(half * points, points), points), points),)
    return _near(sample, half, points, None)


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
        reach, one = points * (side // 2 - 1), np.array([1.0, 0.0, 0.0, 0.0])
        (samples,) = _star_samples(psf, np.full(4, place), one, [ratio], reach, points, False)
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


@lru_cache(maxsize=64)
def _profile(fade: tuple[float, float], reach: int, scale: int) -> NDArray[np.float32]:
    """1 near the centre, 0 far from it, two continuous derivatives between; `scale` per pixel."""
    t = np.clip((np.abs(np.arange(-reach, reach + 1) / scale) - fade[0]) / (fade[1] - fade[0]), 0.0, 1.0)
    return np.asarray(1.0 - t * t * t * (10.0 + t * (-15.0 + 6.0 * t)), np.float32)


def _window(fade: tuple[float, float], reach: int, scale: int) -> NDArray[np.float32]:
    """That in both axes."""
    one = _profile(fade, reach, scale)
    return one[:, None] * one[None]


def _beyond(fade: tuple[float, float], reach: int) -> NDArray[np.float32]:
    """What the window of one sample per pixel leaves."""
    return np.float32(1) - _window(fade, reach, 1)


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
