"""A judge of dispersed images, the sum over wavelengths of shifted Gaussians that are integrated over pixels; stamps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mirage_dask.scene.dispersed.stamps import Stamp
from mirage_dask.scene.dispersed.traces import Segment


def profile(offsets: NDArray, sigma: float) -> NDArray:
    """Return the light of a Gaussian of sigma in pixels at offsets."""
    q = 1 / (math.sqrt(2) * sigma)
    return 0.5 * (special.erf((offsets + 0.5) * q) - special.erf((offsets - 0.5) * q))


def gaussian_star(sigma: float, half: int = 8, oversampling: int = 2) -> Stamp:
    """Return a star that is a Gaussian."""
    values = profile(np.arange(-half * oversampling, half * oversampling + 1) / oversampling, sigma)
    return Stamp.of(np.outer(values, values).astype(np.float32), oversampling)


def together(stamps: Sequence[Stamp]) -> Stamp:
    """Return the images at several wavelengths as one stamp."""
    return replace(stamps[0], coefficients=np.concatenate([s.coefficients for s in stamps]))


def gaussian_galaxy(
    covariance: NDArray, half: int = 22, oversampling: int = 1, along_y: bool = False
) -> Stamp:
    """Return an elliptical Gaussian, integrated over pixels by Gauss' rule."""
    offsets = np.arange(-half * oversampling, half * oversampling + 1) / oversampling
    points, shares = np.polynomial.legendre.leggauss(5)
    inverse, norm = np.linalg.inv(covariance), 2 * math.pi * math.sqrt(np.linalg.det(covariance))
    total = np.zeros((offsets.size, offsets.size))
    for px, wx in zip(points / 2, shares, strict=True):
        for py, wy in zip(points / 2, shares, strict=True):
            dx, dy = offsets[None] + px, offsets[:, None] + py
            form = inverse[0, 0] * dx**2 + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy**2
            total += wx * wy / 4 * np.exp(-0.5 * form) / norm
    return Stamp.of((total.T if along_y else total).astype(np.float32), oversampling)


def brute_force(
    shape: tuple[int, int],
    segment: Segment,
    wavelength: NDArray,
    light: NDArray,
    sigma: float | NDArray,
    *,
    x: float,
    y: float,
    x0: int,
    y0: int,
) -> NDArray:
    """Return the image of light at wavelengths (micron); pixel [0, 0] is (x0, y0). `sigma` may depend on wavelength."""
    _, px, py = segment.trace.trace(x, y, segment.trace.parameter(x, y, wavelength))
    out = np.zeros(shape)
    sigmas = np.broadcast_to(sigma, wavelength.shape)
    for u, v, w, s in zip(px - x0, py - y0, light, sigmas, strict=True):
        out += w * np.outer(profile(np.arange(shape[0]) - v, s), profile(np.arange(shape[1]) - u, s))
    return out
