"""The sharp part of galaxies: what a grid of pixels cannot hold, corrected around each centre.

Gaussians narrower than `SHARP` have spatial frequencies beyond those of a grid of one point per pixel. On the planes
(`mirage_dask.scene.galaxies.planes`) they are painted so that low frequencies are right; that is good enough for the outer
PSF, but not for its middle. With g the light, g~ what is on the plane, K the PSF and I its middle,

    g * K = g~ * K  +  (g * I - g~ * I)  +  (g - g~) * (K - I)

The first term is the plane's, the second is added here, on a grid of two points per pixel around each galaxy; the last one
is neglected. On the fine grid a Gaussian is painted with the additional variance `WIDER`, which the kernel's spectrum takes
back, so that points count as well. Frequencies above one cycle per pixel are left out: a pixel's own response has its zero
there.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.convolution import blend, fold_products, sharp_spectra, transform_size
from mirage_dask.scene.galaxies.gaussians import paint_stamps
from mirage_dask.scene.galaxies.placed import PlacedGalaxies

SHARP = 1.1
"""Sigma, pixels."""
LEAST = 0.64
"""Smallest variance on the planes, square pixels."""
WIDER = 0.36
"""Square pixels."""
MIDDLE = 10.0
"""Half width of the middle of the PSF, pixels, where it is sharp; it fades from half of that on."""
DIM = 4e-3
"""A PSF of which more than this part of its peak lies beyond has a larger middle."""
SIZES = (36, 48, 60, 80, 108, 144, 200, 300, 432, 600)
"""Sides of stamps, pixels; larger ones grow as they must."""
BATCH = 400_000
"""Pixels of the stamps that are transformed at once."""


def add_sharp(
    out: NDArray[np.float32], galaxies: PlacedGalaxies, psf: PsfLibrary, *, x0: int, y0: int
) -> None:
    """Add the sharp part of galaxies to an array whose first pixel is (x0, y0), in place."""
    outer = middle(psf)
    half = np.maximum(*galaxies.reach(0.0, SHARP**2, WIDER)) + outer
    ny, nx = out.shape
    near = (
        (galaxies.x + half >= x0)
        & (galaxies.x - half <= x0 + nx)
        & (galaxies.y + half >= y0)
        & (galaxies.y - half <= y0 + ny)
    )
    rows = np.flatnonzero(near)
    least = 2.0 * half[rows] + 2.0
    size = np.array(SIZES)[np.minimum(np.searchsorted(SIZES, least), len(SIZES) - 1)]
    for large in np.flatnonzero(least > SIZES[-1]):
        size[large] = transform_size(int(np.ceil(least[large])))
    for side in np.unique(size):
        alike = rows[size == side]
        step = max(BATCH // int(side) ** 2, 1)
        for first in range(0, alike.size, step):
            some = alike[first : first + step]
            _add_stamps(
                out, _stamps(galaxies, some, psf, int(side), outer), galaxies.x, galaxies.y, some, x0, y0
            )


def middle(psf: PsfLibrary) -> float:
    """Return the half width of the middle of a PSF, pixels."""
    bright = int(np.searchsorted(-psf.profile, -np.float32(DIM) * psf.profile[0]))
    return float(min(max(MIDDLE, bright), np.floor(psf.core_half_width)))


def _stamps(
    galaxies: PlacedGalaxies, rows: NDArray[np.intp], psf: PsfLibrary, side: int, outer: float
) -> NDArray[np.float32]:
    """(m, side, side) differences, the pixel of each centre at side // 2."""
    g = galaxies
    columns = (g.x, g.y, g.flux, g.form, g.variances, g.weights, rows)
    fine = np.zeros((rows.size, 2 * side, 2 * side), np.float32)
    paint_stamps(fine, side // 2, 0.5, *columns, -1.0, SHARP**2, WIDER, 0.0)
    coarse = np.zeros((rows.size, side, side), np.float32)
    paint_stamps(coarse, side // 2, 1.0, *columns, -1.0, SHARP**2, 0.0, LEAST)
    places, share = blend(psf, g.x[rows], g.y[rows])
    used, index = np.unique(places, return_inverse=True)
    kernels = [sharp_spectra(psf, int(place), side, 0.5 * outer, outer, WIDER) for place in used]
    light = scipy.fft.rfft2(coarse, overwrite_x=True, workers=1)
    fold_products(
        scipy.fft.rfft2(fine, overwrite_x=True, workers=1), np.stack([fine for fine, _ in kernels]),
        light, np.stack([coarse for _, coarse in kernels]), index.reshape(places.shape), share, light,
    )  # fmt: skip
    return scipy.fft.irfft2(light, s=(side, side), overwrite_x=True, workers=1)


@kernel
def _add_stamps(out, stamps, x, y, rows, x0, y0):
    """Add stamps, their point side // 2 at the pixel of the galaxy, to an array, in order."""
    ny, nx = out.shape
    side = stamps.shape[1]
    for r in range(rows.size):
        left = int(np.floor(x[rows[r]] + 0.5)) - side // 2 - x0
        low = int(np.floor(y[rows[r]] + 0.5)) - side // 2 - y0
        begin, end = max(-left, 0), min(nx - left, side)
        if begin >= end:
            continue
        for j in range(max(-low, 0), min(ny - low, side)):
            line, stamp = out[low + j, left + begin : left + end], stamps[r, j, begin:end]
            for i in range(line.size):
                line[i] += stamp[i]
