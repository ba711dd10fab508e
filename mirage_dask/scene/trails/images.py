"""The image of a galaxy behind the telescope as cubic splines, so that it can be drawn along a path.

The galaxy is drawn as any galaxy is, near its centre at `SAMPLES` x `SAMPLES` places within a pixel, and further out, where
nothing is sharp, at one: a smooth window of the distance shares the light out between the two. The samples become B-spline
coefficients by the usual recursion (Unser 1999, IEEE Signal Processing Magazine 16, 22; pole sqrt(3) - 2, gain 6, zero
outside). It is one image for the whole path: shape and PSF are those in the middle of the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.convolution import token
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import image_of, squares
from mirage_dask.scene.stars import LEAST_ENERGY, THRESHOLD

LN2 = 0.6931471805599453
SAMPLES = 3
"""Samples per pixel and axis near the centre."""
FADE = (16.0, 24.0)
"""Pixels from the centre between which the fine image gives way to the coarse one."""
FINE = 28
"""Half side of the fine image, pixels."""


@dataclass(frozen=True, eq=False)
class GalaxyImage:
    """Spline coefficients of a galaxy in phases, e-/s, as `mirage_dask.psf.library` has them."""

    fine: NDArray[np.float32]
    """(SAMPLES, SAMPLES, 2 m + 1, 2 m + 1), centre at coefficient SAMPLES * m."""
    coarse: NDArray[np.float32]
    """(1, 1, 2 n + 1, 2 n + 1), centre at coefficient n; empty where the fine image holds all."""


def image_half(
    galaxies: PlacedGalaxies, psf: PsfLibrary, *, threshold: float = THRESHOLD, energy: float = LEAST_ENERGY
) -> NDArray[np.int64]:
    """Return half the side of the image of each galaxy, pixels.

    It ends where none of its Gaussians is as bright as `threshold`, and the wings of the PSF end as those of a star; with
    at least the part `energy` of their light.
    """
    wings = psf.half_width(galaxies.flux, threshold, energy=energy)
    return np.ceil(body_half(galaxies, threshold) + wings).astype(np.int64) + 2


def body_half(galaxies: PlacedGalaxies, threshold: float) -> NDArray[np.float64]:
    """Return how far galaxies reach before the telescope blurs them, pixels: while one of their Gaussians is as bright."""
    xx, xy, yy = galaxies.form.T
    variances = galaxies.variances * np.maximum(xx, yy)[:, None]
    brightest = galaxies.flux[:, None] * np.abs(galaxies.weights)
    brightest = brightest / (2.0 * np.pi * galaxies.variances * np.sqrt(xx * yy - xy * xy)[:, None])
    # The exponent of the ratio is its logarithm to base 2, rounded up: a library's logarithm differs between processors.
    octaves = np.maximum(np.frexp(brightest / threshold)[1], 0)
    return np.asarray(np.sqrt(2.0 * LN2 * octaves * variances).max(axis=1))


def galaxy_image(galaxies: PlacedGalaxies, i: int, psf: PsfLibrary, half: int) -> GalaxyImage:
    """Return the image of a galaxy; the last few stay in this process.

    Parameters
    ----------
    galaxies
        On the detector.
    i
        Which one.
    psf
        Library of the detector and filter.
    half
        `image_half` of it.
    """
    one = galaxies.take(np.array([i]))
    form = b"".join(getattr(one, f.name).tobytes() for f in fields(one))

    def make() -> tuple[GalaxyImage, int]:
        made = _draw(one, psf, half)
        return made, made.fine.nbytes + made.coarse.nbytes

    return squares.get(("trail", token(psf), form, half), make)


def _draw(one: PlacedGalaxies, psf: PsfLibrary, half: int) -> GalaxyImage:
    whole = half <= FINE
    inner = half if whole else FINE
    samples = np.zeros((2 * inner + 1, SAMPLES, 2 * inner + 1, SAMPLES), np.float32)
    for j in range(SAMPLES):
        for k in range(SAMPLES):
            samples[:, j, :, k] = _sampled(one, psf, inner, k / SAMPLES, j / SAMPLES)
    fine = samples.reshape((2 * inner + 1) * SAMPLES, -1)
    if whole:
        return GalaxyImage(spline_phases(fine, SAMPLES), np.zeros((1, 1, 0, 0), np.float32))
    fine *= _window((np.arange(fine.shape[0]) - SAMPLES * inner) / SAMPLES)
    coarse = _sampled(one, psf, half, 0.0, 0.0)
    coarse *= np.float32(1) - _window(np.arange(-half, half + 1.0))
    return GalaxyImage(spline_phases(fine, SAMPLES), spline_phases(coarse, 1))


def _sampled(one: PlacedGalaxies, psf: PsfLibrary, half: int, dx: float, dy: float) -> NDArray[np.float32]:
    """Values at pixels around the centre, each (dx, dy) to the right of and above it."""
    x, y = np.floor(one.x + 0.5), np.floor(one.y + 0.5)
    moved = replace(one, x=x - dx, y=y - dy)
    return image_of(moved, psf, x0=int(x[0]) - half, y0=int(y[0]) - half, points=2 * half + 1)


def _window(offsets: NDArray[np.float64]) -> NDArray[np.float32]:
    """1 near the centre, 0 far from it, two continuous derivatives between; over the square of the offsets."""
    t = np.clip((np.abs(offsets) - FADE[0]) / (FADE[1] - FADE[0]), 0.0, 1.0)
    one = 1.0 - t * t * t * (10.0 + t * (-15.0 + 6.0 * t))
    return np.asarray(one[:, None] * one[None], np.float32)


def spline_phases(samples: NDArray[np.float32], scale: int, margin: int = 0) -> NDArray[np.float32]:
    """Return the coefficients of samples in phases, without `margin` pixels at each end.

    Parameters
    ----------
    samples
        (scale n, scale n), zero outside.
    scale
        Samples per pixel and axis.

    Returns
    -------
    (scale, scale, n - 2 margin, n - 2 margin).
    """
    side = samples.shape[0] // scale
    inner = slice(margin, side - margin)
    coefficients = spline_coefficients(samples).reshape(side, scale, side, scale)[inner, :, inner]
    return np.ascontiguousarray(coefficients.transpose(1, 3, 0, 2), np.float32)


@kernel
def spline_coefficients(samples):
    """B-spline coefficients of samples that are zero outside, both axes."""
    pole = f8(-0.2679491924311227)
    n, m = samples.shape
    out = samples.astype(np.float64) * 36.0
    for j in range(1, n):
        for i in range(m):
            out[j, i] += pole * out[j - 1, i]
    # What the recursion of a sequence that ends has collected beyond its end.
    for i in range(m):
        out[n - 1, i] = -pole / (1.0 - pole * pole) * out[n - 1, i]
    for j in range(n - 2, -1, -1):
        for i in range(m):
            out[j, i] = pole * (out[j + 1, i] - out[j, i])
    for j in range(n):
        row = out[j]
        for i in range(1, m):
            row[i] += pole * row[i - 1]
        row[m - 1] = -pole / (1.0 - pole * pole) * row[m - 1]
        for i in range(m - 2, -1, -1):
            row[i] = pole * (row[i + 1] - row[i])
    return out
