r"""Stars in crowded fields: the wings of all of them by one convolution.

A star's wings are a cubic spline (`mirage_dask.psf.library`), sums of coefficients times the sixteen weights of its place.
So the wings of all stars are the convolution of those coefficients with flux times weights, put down at whole pixels,

.. math:: \sum_s F_s \sum_{kl} w_k(s)\, w_l(s)\, c_{kl} = F^{-1}(\hat c\, \hat S),

which costs the same for one star and for a million. The detector is divided into squares of fixed places. Where the wings
of `CROWD` stars or more reach a square, they are convolved; elsewhere each star is drawn alone (`stars`), which is then
cheaper. Which of both a square has follows from the exposure alone, and its image stays in a bounded cache of the process,
so any window has the bits of the whole.

Convolved wings reach to the end of the PSF file for faint stars, too: the 1 % at most that they lose where they are drawn
one by one (`stars.LEAST_ENERGY`) is kept. Otherwise pixels agree within 1e-6 of the star's light; the largest differences
lie at the edge of the file, where the spline fades out in two pixels (tests/scene/test_star_wings.py).

NOT modelled: what `stars` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.convolution import add_product, put_around_corner, token, transform_size
from mirage_dask.scene.placement import PlacedStars
from mirage_dask.scene.stars import add_points, spline_weights

SIDE = 512
"""Pixels of a square."""
CROWD = 1000
"""Stars whose wings reach a square, from which on a convolution is cheaper: 30 ms against 25 microseconds a star."""
BRIGHT = 2e4
"""e-/s: squares that the wings of a brighter star reach are transformed in double precision. Single precision adds or takes
1e-9 of its light in the pixels of its rows."""

Image = NDArray[np.float32]
images = CACHES["star wings"]


def add_stars(out: Image, stars: PlacedStars, psf: PsfLibrary, *, x0: int, y0: int) -> None:
    """Add stars to a window in place.

    Parameters
    ----------
    out
        (ny, nx) window, e-/s; out[0, 0] is the full-frame science pixel (x0, y0).
    stars
        Those that reach the exposure.
    psf
        Library of the detector and filter.
    """
    drawn = partial(add_points, psf=psf, x=stars.x, y=stars.y, flux=stars.flux, half_width=stars.half_width)
    if len(stars.x) < CROWD:
        drawn(out, x0=x0, y0=y0)
        return
    for low, high, left, right, crowded in _runs(out, stars, psf, x0, y0):
        box = (slice(low - y0, high - y0), slice(left - x0, right - x0))
        part = np.ascontiguousarray(out[box])
        drawn(part, x0=left, y0=low, wings=not crowded)
        if crowded:
            _add_wings(part, stars, psf, left, low)
        out[box] = part


def _runs(
    out: Image, stars: PlacedStars, psf: PsfLibrary, x0: int, y0: int
) -> Iterator[tuple[int, int, int, int, bool]]:
    """Rectangles of a window (first row, end, first column, end) of squares in a row that are crowded, or are not."""
    for j in range(y0 // SIDE, (y0 + out.shape[0] - 1) // SIDE + 1):
        low, high = max(y0, j * SIDE), min(y0 + out.shape[0], (j + 1) * SIDE)
        columns = range(x0 // SIDE, (x0 + out.shape[1] - 1) // SIDE + 1)
        crowded = [_winged(stars, psf, i, j).size >= CROWD for i in columns]
        first = 0
        for n in range(1, len(crowded) + 1):
            if n == len(crowded) or crowded[n] != crowded[first]:
                left, right = columns[first] * SIDE, (columns[n - 1] + 1) * SIDE
                yield low, high, max(left, x0), min(right, x0 + out.shape[1]), crowded[first]
                first = n


def _winged(stars: PlacedStars, psf: PsfLibrary, i: int, j: int) -> NDArray[np.intp]:
    """The stars whose wings may reach a square."""
    reach = psf.wings_half_width + 1
    x, y = stars.x - i * SIDE, stars.y - j * SIDE
    near = (x > -reach) & (x < SIDE + reach) & (y > -reach) & (y < SIDE + reach)
    return np.flatnonzero(near & (stars.half_width > psf.wings_inner))


def _add_wings(out: Image, stars: PlacedStars, psf: PsfLibrary, x0: int, y0: int) -> None:
    """Add the images of crowded squares to a window that lies in one row of them."""
    j = y0 // SIDE
    rows = slice(y0 - j * SIDE, y0 - j * SIDE + out.shape[0])
    for i in range(x0 // SIDE, (x0 + out.shape[1] - 1) // SIDE + 1):
        image = images.array((token(psf), stars.digest, i, j), partial(_convolved, stars, psf, i, j))
        left, right = max(x0, i * SIDE), min(x0 + out.shape[1], (i + 1) * SIDE)
        out[:, left - x0 : right - x0] += image[rows, left - i * SIDE : right - i * SIDE]


def _convolved(stars: PlacedStars, psf: PsfLibrary, i: int, j: int) -> Image:
    """Wings of all stars in a square, (SIDE, SIDE)."""
    reach = psf.wings_half_width + 4
    size = transform_size(SIDE + 2 * reach)
    rows = _winged(stars, psf, i, j)
    double = stars.flux[rows].max() > BRIGHT
    light = np.zeros((size, size), np.float64 if double else np.float32)
    _put_down(light, i * SIDE - reach, j * SIDE - reach, stars.x, stars.y, stars.flux, rows, psf.wings_centre)
    spectrum = scipy.fft.rfft2(light, overwrite_x=True, workers=1)
    total = np.zeros(spectrum.shape, spectrum.dtype)
    add_product(spectrum, _spectrum(psf, size), total)
    box = slice(reach, reach + SIDE)
    of_rows = scipy.fft.ifft(total, axis=0, overwrite_x=True, workers=1)[box]
    image = scipy.fft.irfft(of_rows, n=size, axis=1, workers=1)[:, box]
    return np.ascontiguousarray(image, dtype=np.float32)


def _spectrum(psf: PsfLibrary, size: int) -> NDArray[np.complex64]:
    """Half transform of the coefficients of the wings, their middle at (0, 0)."""

    def make() -> NDArray[np.complex64]:
        middle, half = round(psf.wings_centre), psf.wings_half_width
        box = slice(middle - half, middle + half + 1)
        coefficients = psf.wings[box, box].copy()
        inside = np.abs(np.arange(-half, half + 1)) < psf.wings_inner - 1.0
        coefficients[np.ix_(inside, inside)] = 0
        array = np.zeros((size, size), np.float32)
        put_around_corner(coefficients, array)
        return scipy.fft.rfft2(array, overwrite_x=True, workers=1)

    return CACHES["PSF spectra"].array((token(psf), "wings", size), make)


@kernel
def _put_down(light, x0, y0, star_x, star_y, star_flux, rows, centre):
    """Add the weights of stars times their flux; light[0, 0] is the full-frame science pixel (x0, y0)."""
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    middle = int(np.floor(centre + 0.5))
    for r in range(rows.size):
        star = rows[r]
        rx, ry = int(np.floor(star_x[star])), int(np.floor(star_y[star]))
        q, p = (rx - star_x[star]) + centre, (ry - star_y[star]) + centre
        iq, ip = int(np.floor(q)), int(np.floor(p))
        spline_weights(q - iq, wx)
        spline_weights(p - ip, wy)
        # The coefficient m of a pixel x is iq - 1 + k + x - rx: as if light lay at x - (m - middle).
        column, row = rx - (iq - 1) + middle - x0, ry - (ip - 1) + middle - y0
        for m in range(4):
            if 0 <= row - m < light.shape[0]:
                weight = star_flux[star] * wy[m]
                for k in range(4):
                    if 0 <= column - k < light.shape[1]:
                        light[row - m, column - k] += weight * wx[k]
