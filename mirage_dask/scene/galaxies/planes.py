"""Galaxies seen through the PSF, on planes that do not depend on a window.

A galaxy is a sum of Gaussians (`sersic`), projected with the local Jacobian of the distortion, so its ellipse, position
angle and size in pixels are exact at its place; its centre is not rounded. Light is painted unconvolved (`gaussians`) on
grids and convolved there (`convolution`), for all galaxies together. A Gaussian goes to the coarsest grid that holds it:

    level 0        one point per pixel: everything narrower than 4.8 pixels across
    level l > 0    a point every 2^l pixels: from 2.4 to 4.8 points across; the last one takes what is wider still

The detector is divided into squares of fixed places, each level into its own. The image of a square is that of its light,
all that lies in reach of the PSF, plus that of the square of the next level, interpolated: a coarse image has nothing that
twelve-point interpolation would lose. What is too narrow for the pixels of level 0 is put right by `sharp`. The PSF of a
coarse level is blurred by `BLUR` points, which what is painted there lacks.

Images of squares are kept in a bounded cache of the process, and windows are cut from them, so any window has the bits of
the whole; the transforms of a square cost the same for one galaxy and for a thousand.

The total is the flux of the catalog times the light in the PSF, without a cut: faint galaxies have the whole PSF too. Flux
is right within 0.2 %, centroids within 0.01 pixel (tests/scene/galaxies/test_flux_closure.py), every pixel within 1e-3 of
the peak, against GalSim (test_galsim.py).

NOT modelled: what `sersic` and `convolution` name; the change of the PSF across a galaxy. Axis ratios below 0.02 are drawn
as 0.02, radii below 0.001 pixel as 0.001 pixel.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import scipy.fft
from numba import float32 as f4
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.convolution import (
    add_product,
    blend,
    blended_spectrum,
    plane_spectrum,
    spread,
    token,
    transform_size,
)
from mirage_dask.scene.galaxies.gaussians import paint_planes
from mirage_dask.scene.galaxies.placed import Floats, PlacedGalaxies
from mirage_dask.scene.galaxies.sharp import LEAST, add_sharp

SIDE = 512
"""Pixels of a square of level 0; twice that on each level above, up to `LARGEST`."""
LARGEST = 2048
TOP = 6
"""The last level."""
NARROWEST = 2.4
"""Points of a coarse level per sigma of the narrowest Gaussian."""
BLUR = 1.2
"""Points of a coarse level."""
BRIGHT = 2e4
"""e-/s: squares with a brighter galaxy are transformed in double precision. Single precision adds or takes 5e-9 of its light
in the pixels of its rows."""
HALO = 12
"""Points around a square that interpolation needs."""

LAGRANGE = tuple(n / 2**19 for n in (320166, -76230, 22869, -5445, 847, -63))
"""Weights of the polynomial through twelve points, half-way between the middle two; both sides are alike."""

squares = CACHES["galaxy squares"]
Image = NDArray[np.float32]


def add_galaxies(out: Image, galaxies: PlacedGalaxies, psf: PsfLibrary, *, x0: int, y0: int) -> None:
    """Add galaxies to a window in place.

    Parameters
    ----------
    out
        (ny, nx) window, e-/s; out[0, 0] is the full-frame science pixel (x0, y0).
    psf
        Library of the detector and filter.
    """
    if not len(galaxies):
        return
    ny, nx = out.shape
    for j in range(y0 // SIDE, (y0 + ny - 1) // SIDE + 1):
        for i in range(x0 // SIDE, (x0 + nx - 1) // SIDE + 1):
            image = _square(galaxies, psf, 0, i, j)
            if image.size:
                left, low = i * SIDE, j * SIDE
                columns = slice(max(x0, left), min(x0 + nx, left + SIDE))
                rows = slice(max(y0, low), min(y0 + ny, low + SIDE))
                out[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] += image[
                    rows.start - low : rows.stop - low, columns.start - left : columns.stop - left
                ]


def _square(galaxies: PlacedGalaxies, psf: PsfLibrary, level: int, i: int, j: int) -> Image:
    """Image of a square and its halo, levels above included; empty where there is no light."""
    key = (token(psf), galaxies.digest, level, i, j)
    return squares.array(key, partial(_draw, galaxies, psf, level, i, j))


def _side(level: int) -> int:
    """Pixels of a square."""
    return min(SIDE << level, LARGEST)


def _draw(galaxies: PlacedGalaxies, psf: PsfLibrary, level: int, i: int, j: int) -> Image:
    step, side, halo = 1 << level, _side(level), HALO if level else 0
    x0, y0, points = i * side - halo * step, j * side - halo * step, side // step + 2 * halo
    image = _convolved(galaxies, psf, level, x0=x0, y0=y0, points=points)
    if level < TOP:
        above, ratio = _side(level + 1), _side(level + 1) // side
        coarse = _square(galaxies, psf, level + 1, i // ratio, j // ratio)
        if coarse.size:
            image = image if image.size else np.zeros((points, points), np.float32)
            left = x0 // step - 2 * ((i // ratio) * above // (2 * step) - HALO)
            low = y0 // step - 2 * ((j // ratio) * above // (2 * step) - HALO)
            _add_interpolated(coarse, left, low, image)
    if level == 0 and image.size:
        add_sharp(image, galaxies, psf, x0=x0, y0=y0)
    return image


def image_of(galaxy: PlacedGalaxies, psf: PsfLibrary, *, x0: int, y0: int, points: int) -> Image:
    """Return the image of one galaxy in a square of its own, all of it on pixels.

    Parameters
    ----------
    galaxy
        On the detector, one.
    psf
        Library of the detector and filter. It is blended for the pixel that holds the galaxy, where squares of many galaxies
        blend light: one transform instead of four.
    x0, y0, points
        First full-frame science pixel of the square and its side.

    Returns
    -------
    (points, points) e-/s.
    """
    reach = spread(psf, 1, 0.0)
    size = transform_size(points + 2 * reach)
    g, here, alone = galaxy, np.zeros((1, 4), np.int64), np.array([[1.0, 0.0, 0.0, 0.0]])
    plane = np.zeros((1, size, size), np.float64 if g.flux[0] > BRIGHT else np.float32)
    paint_planes(
        plane, x0 - reach, y0 - reach, 1, g.x, g.y, g.flux, g.form, g.variances, g.weights, np.zeros(1, np.int64),
        here, alone, 0.0, np.inf, 0.0, LEAST,
    )  # fmt: skip
    kernel_here = blended_spectrum(psf, np.ceil(g.x), np.ceil(g.y), size)
    light = scipy.fft.rfft2(plane[0], overwrite_x=True, workers=1)
    total = np.zeros_like(light)
    add_product(light, kernel_here, total)
    image = _cut(total, size, reach, points)
    add_sharp(image, galaxy, psf, x0=x0, y0=y0)
    return image


def _convolved(
    galaxies: PlacedGalaxies, psf: PsfLibrary, level: int, *, x0: int, y0: int, points: int
) -> Image:
    """Light of one level, convolved, at `points` x `points` points from (x0, y0) on; empty where there is none."""
    step = 1 << level
    low, high = (NARROWEST * step) ** 2, (2 * NARROWEST * step) ** 2
    low, high = (low if level else 0.0), (np.inf if level == TOP else high)
    blur, least = ((BLUR * step) ** 2, 0.0) if level else (0.0, LEAST)
    reach = spread(psf, step, blur)
    half_x, half_y = galaxies.reach(low, high, least)
    g, margin, span = galaxies, reach * step, (points - 1) * step
    rows = np.flatnonzero(_near(g, half_x + margin, half_y + margin, x0, y0, span))
    if not rows.size:
        return np.zeros((0, 0), np.float32)
    places, share = blend(psf, g.x[rows], g.y[rows])
    # Places differ in the core alone, so any will do for a galaxy whose core does not come near.
    core = psf.core_half_width + 1.0
    far = ~_near(g, half_x + core, half_y + core, x0, y0, span)[rows]
    places[far], share[far] = places[~far][:1, :1] if not far.all() else 0, (1.0, 0.0, 0.0, 0.0)
    used, index = np.unique(places, return_inverse=True)
    size = transform_size(points + 2 * reach)
    bright = g.flux[rows].max() > BRIGHT
    planes = np.zeros((used.size, size, size), np.float64 if bright else np.float32)
    paint_planes(
        planes, x0 - margin, y0 - margin, step, g.x, g.y, g.flux, g.form, g.variances, g.weights, rows,
        index.reshape(places.shape), share, low, high, -blur, least,
    )  # fmt: skip
    total = np.zeros((size, size // 2 + 1), np.complex128 if bright else np.complex64)
    for plane, place in zip(planes, used, strict=True):
        light = scipy.fft.rfft2(plane, overwrite_x=True, workers=1)
        add_product(light, plane_spectrum(psf, int(place), size, step, blur), total)
    return _cut(total, size, reach, points)


def _cut(total: Any, size: int, reach: int, points: int) -> Image:
    """Transform a half spectrum back, without `reach` points at each end."""
    box = slice(reach, reach + points)
    rows = scipy.fft.ifft(total, axis=0, overwrite_x=True, workers=1)[box]
    image = scipy.fft.irfft(rows, n=size, axis=1, workers=1)[:, box]
    return np.ascontiguousarray(image, dtype=np.float32)


def _near(
    galaxies: PlacedGalaxies, half_x: Floats, half_y: Floats, x0: int, y0: int, span: int
) -> NDArray[np.bool_]:
    """Which galaxies, with boxes of these half sides around them, touch the square from (x0, y0) on."""
    x, y = galaxies.x, galaxies.y
    return (x + half_x >= x0) & (x - half_x <= x0 + span) & (y + half_y >= y0) & (y - half_y <= y0 + span)


@kernel
def _add_interpolated(coarse, left, low, out):
    """Add a coarse image to one of half its spacing, whose point (0, 0) lies `left` and `low` fine steps from its own.

    Between points: Lagrange's polynomial through twelve of them.
    """
    ny, nx = out.shape
    width, first = nx // 2 + 13, left // 2 - 5
    line = np.zeros(width, np.float32)
    for j in range(ny):
        r = (low + j) // 2
        n = min(width, coarse.shape[1] - first)
        if (low + j) % 2:
            line[:] = f4(0)
            for p in range(6):
                a, b = coarse[r - p, first : first + n], coarse[r + 1 + p, first : first + n]
                weight = f4(LAGRANGE[p])
                for i in range(n):
                    line[i] += weight * (a[i] + b[i])
        else:
            a = coarse[r]
            for i in range(n):
                line[i] = a[first + i]
        row = out[j]
        for i in range(nx):
            k = (left + i) // 2 - first
            if (left + i) % 2:
                value = f4(0)
                for p in range(6):
                    value += f4(LAGRANGE[p]) * (line[k - p] + line[k + 1 + p])
                row[i] += value
            else:
                row[i] += line[k]
