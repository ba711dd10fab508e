"""Galaxies and stars of given pixels, drawn into a box."""

from __future__ import annotations

from functools import cache

import numpy as np

from mirage_dask.scene.galaxies import sersic
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import add_galaxies


def make(x, y, flux, radius, ratio, angle, index):
    """Galaxies on a square grid of pixels; angle in degrees from +x towards +y."""
    x, y, flux, radius, ratio, angle, index = (
        np.array(v, dtype=float)
        for v in np.broadcast_arrays(*np.atleast_1d(x, y, flux, radius, ratio, angle, index))
    )
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    p, q = radius**2, (ratio * radius) ** 2
    form = np.stack([c * c * p + s * s * q, c * s * (p - q), s * s * p + c * c * q], axis=1)
    _, variances, weights = sersic.constants(index)
    return PlacedGalaxies(x, y, flux, form, variances, weights)


def draw(galaxies, psf, box):
    out = np.zeros((box[3] - box[2], box[1] - box[0]), np.float32)
    add_galaxies(out, galaxies, psf, x0=box[0], y0=box[2])
    return out


@cache
def star_image(psf, x, y, fine):
    """Fraction of a star's light per pixel, at offsets in steps of 1/fine pixel, shared among the points of a pixel."""
    offsets = np.arange(-psf.wings_half_width * fine, psf.wings_half_width * fine + 1) / fine
    return psf.evaluate(x + offsets, y + offsets[:, None], x, y) / fine**2


def star_total(psf, x, y):
    """Fraction of a star's light that its image holds."""
    offsets = np.arange(-psf.wings_half_width - 1, psf.wings_half_width + 2)
    return psf.evaluate(round(x) + offsets, round(y) + offsets[:, None], x, y).sum()
