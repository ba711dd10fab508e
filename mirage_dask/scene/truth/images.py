"""How much of the light of a source that is an image falls on the array of an exposure: pixel by pixel of the image.

Each pixel of the image counts with the fraction of its light that `energy.visible` gives at its place, interpolated
between the nodes of the mesh as it is where the image is drawn (`mirage_dask.scene.images.sharing`). An image that has the
telescope's PSF already is summed at `FINE` x `FINE` points of each pixel that lie on the array.
"""

from __future__ import annotations

import numpy as np
from numba import float64 as f8

from mirage_dask.compiled import kernel
from mirage_dask.scene.images.blocks import ImageLight
from mirage_dask.scene.placement import Bounds
from mirage_dask.scene.truth.energy import psf_sums, visible

FINE = 4


def image_rate(light: ImageLight, bounds: Bounds) -> float:
    """Return the electrons per second that an image leaves on an array.

    Parameters
    ----------
    light
        Of one source.
    bounds
        (x0, x1, y0, y1), half open, full-frame science pixels.
    """
    total = 0.0
    for raster in light.rasters:
        pixels = raster.pixels()
        if light.psf is None:
            total += raster.scale * _inside(pixels, raster.nodes, raster.step, *bounds)
        else:
            total += raster.scale * _seen(pixels, raster.nodes, raster.step, *bounds, psf_sums(light.psf))
    return total


@kernel
def _place(nodes, step, row, column):
    """Position of a point of an image, pixels of the image from its corner, on the detector."""
    k = min(int(row / step), nodes.shape[0] - 2)
    l = min(int(column / step), nodes.shape[1] - 2)  # noqa: E741
    v, u = row / step - k, column / step - l
    low_x = nodes[k, l, 0] * (1.0 - u) + nodes[k, l + 1, 0] * u
    high_x = nodes[k + 1, l, 0] * (1.0 - u) + nodes[k + 1, l + 1, 0] * u
    low_y = nodes[k, l, 1] * (1.0 - u) + nodes[k, l + 1, 1] * u
    high_y = nodes[k + 1, l, 1] * (1.0 - u) + nodes[k + 1, l + 1, 1] * u
    return low_x * (1.0 - v) + high_x * v, low_y * (1.0 - v) + high_y * v


@kernel
def _seen(pixels, nodes, step, x0, x1, y0, y1, sums):
    total, half = f8(0), f8(sums.wings_half)
    for j in range(pixels.shape[0]):
        for i in range(pixels.shape[1]):
            if pixels[j, i] != 0.0:
                x, y = _place(nodes, step, j + 0.5, i + 0.5)
                if np.isfinite(x) and np.isfinite(y):
                    total += pixels[j, i] * visible(x, y, half, x0, x1, y0, y1, sums)
    return total


@kernel
def _inside(pixels, nodes, step, x0, x1, y0, y1):
    total = f8(0)
    for j in range(pixels.shape[0]):
        for i in range(pixels.shape[1]):
            if pixels[j, i] == 0.0:
                continue
            count = 0
            for b in range(FINE):
                for a in range(FINE):
                    x, y = _place(nodes, step, j + (b + 0.5) / FINE, i + (a + 0.5) / FINE)
                    if x0 - 0.5 <= x < x1 - 0.5 and y0 - 0.5 <= y < y1 - 0.5:
                        count += 1
            total += pixels[j, i] * count / (FINE * FINE)
    return total
