r"""Images of sources as cubic splines, so that they can be drawn along a trace.

An image is a sum of stamps: near the centre, where it is sharp, one of `FINE` samples per pixel and axis, and further out one of
a single sample; a smooth window of the distance shares the light out between the two. Samples are values of pixels, the light
of a source of total 1 at offsets from its centre: the PSF is integrated over pixels, nothing is cut but what lies beyond the
half width.

The image at a wavelength lambda of a PSF that is known at lambda_0 is

.. math:: P_\lambda(d) = r^2\, P(r d), \qquad r = \lambda_0 / \lambda

that of a galaxy G is the same of G with sizes multiplied by r. The local field of the grism turns and stretches the image
by I + d(X, Y)/d(x0, y0), which is applied to a galaxy's form before it is drawn.

NOT modelled: that a pixel's response and the charge diffusion do not grow with wavelength; that the wavefront error counts
less at longer wavelengths; that the PSF behind a grism differs from the filter's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numba import float32 as f4
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import image_of
from mirage_dask.scene.stars import spline_weights
from mirage_dask.scene.trails.images import spline_coefficients

FINE = 2
"""Samples per pixel and axis near the centre."""
FADE = (8.0, 12.0)
"""Pixels from the centre between which the fine image gives way to the coarse one."""
WHOLE = 15
"""Half width up to which an image is one fine stamp."""
BLOCK = 8
"""Columns and rows of coefficients are a multiple of this many pixels (`deposit.TAPS`)."""
NODES = 3
"""Wavelengths at which the image of a source is drawn: its two ends and the middle; two would cost the same."""
NODE_RATIO = 1.1
"""Light whose ends differ by less in wavelength has one image."""

Floats = NDArray[np.float64]


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


def stamps_of(sample: Sampler, half: int) -> tuple[Stamp, ...]:
    """Return the stamps of an image that ends `half` pixels from its centre."""
    if half <= WHOLE:
        return (Stamp.of(sample(half, FINE), FINE),)
    inner = int(FADE[1])
    fine = sample(inner, FINE)
    fine *= _window(np.arange(-inner * FINE, inner * FINE + 1) / FINE)
    coarse = sample(half, 1)
    coarse *= np.float32(1) - _window(np.arange(-half, half + 1.0))
    return Stamp.of(fine, FINE), Stamp.of(coarse, 1)


def star_stamps(
    psf: PsfLibrary, *, x: float, y: float, half: int, ratio: float = 1.0
) -> tuple[Stamp, ...]:
    """Return the image of a star of 1 e-/s.

    Parameters
    ----------
    psf
        Library of the detector and filter.
    x, y
        Where the PSF is taken, full-frame science pixels; outside the grid of the library its nearest place.
    half
        Half width, pixels.
    ratio
        lambda_0 / lambda of the module's docstring.
    """
    places, weights = psf.blend(x, y)

    def sample(reach: int, scale: int) -> NDArray[np.float32]:
        out = np.empty((2 * reach * scale + 1,) * 2, np.float32)
        _sample_star(
            psf.core, places, weights, psf.core_centre, psf.core_half_width,
            psf.wings, psf.wings_centre, psf.wings_inner, float(psf.wings_half_width), scale, f8(ratio), out,
        )  # fmt: skip
        return out

    return stamps_of(sample, half)


def galaxy_stamps(
    galaxies: PlacedGalaxies,
    i: int,
    psf: PsfLibrary,
    *,
    half: int,
    ratio: float = 1.0,
    stretch: Floats | None = None,
) -> tuple[Stamp, ...]:
    """Return the image of a galaxy behind the telescope, for a flux of 1 e-/s.

    Parameters
    ----------
    galaxies
        On the detector.
    i
        Which one.
    psf, half, ratio
        As for `star_stamps`; `half` from `mirage_dask.scene.trails.images.image_half`.
    stretch
        (2, 2) Jacobian of the place of light by the place of the source, from `stretch_at`.
    """
    one = galaxies.take(np.array([i]))
    xx, xy, yy = one.form[0]
    if stretch is not None:
        (a, b), (c, d) = stretch
        xx, xy, yy = (
            a * a * xx + 2.0 * a * b * xy + b * b * yy,
            a * c * xx + (a * d + b * c) * xy + b * d * yy,
            c * c * xx + 2.0 * c * d * xy + d * d * yy,
        )
    form = np.array([[xx, xy, yy]]) * (ratio * ratio)
    one = replace(one, form=form, flux=np.ones(1))
    centre = np.floor(one.x + 0.5), np.floor(one.y + 0.5)

    def drawn(reach: int, scale: int) -> NDArray[np.float32]:
        side = 2 * reach + 1
        out = np.empty((side, scale, side, scale), np.float32)
        for j in range(scale):
            for k in range(scale):
                moved = replace(one, x=centre[0] - k / scale, y=centre[1] - j / scale)
                x0, y0 = int(centre[0][0]) - reach, int(centre[1][0]) - reach
                out[:, j, :, k] = image_of(moved, psf, x0=x0, y0=y0, points=side)
        return out.reshape(side * scale, side * scale)[: side * scale - scale + 1, : side * scale - scale + 1]

    def sample(reach: int, scale: int) -> NDArray[np.float32]:
        if ratio == 1.0:
            return np.ascontiguousarray(drawn(reach, scale))
        further = int(np.ceil(reach * ratio)) + 2
        coefficients = spline_coefficients(np.ascontiguousarray(drawn(further, scale)))
        out = np.empty((2 * reach * scale + 1,) * 2, np.float32)
        _scale_samples(coefficients, further * scale, f8(ratio), out)
        return out

    return stamps_of(sample, half)


def stretch_at(segment: Segment, x: float, y: float, wavelength: float) -> Floats:
    """Return the Jacobian (2, 2) of the place of light of a wavelength by the place of its source: [[X_x, X_y], [Y_x, Y_y]]."""
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


@kernel
def _scale_samples(coefficients, centre, ratio, out):
    """Samples of an image shrunk by `ratio`, with its light, from the spline coefficients of the image."""
    side, limit = out.shape[0], coefficients.shape[0]
    half = side // 2
    weights = np.empty(4, np.float32)
    first, taps = np.empty(side, np.int64), np.empty((side, 4), np.float64)
    for i in range(side):
        first[i] = _taps(ratio * (i - half), f8(centre), weights)
        for a in range(4):
            taps[i, a] = weights[a]
    norm = ratio * ratio
    for j in range(side):
        for i in range(side):
            total = f8(0)
            for b in range(4):
                row = first[j] + b
                if row < 0 or row >= limit:
                    continue
                for a in range(4):
                    column = first[i] + a
                    if 0 <= column < limit:
                        total += taps[j, b] * taps[i, a] * coefficients[row, column]
            out[j, i] = f4(norm * total)
