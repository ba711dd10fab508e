r"""Spectra of the PSF on grids, and products of spectra.

A PSF library is a few places, blended bilinearly with the weights beta_p of a galaxy's centre, and one kernel for the wings.
Convolution is linear, so light is shared among one plane per place, and

.. math:: \sum_p \beta_p\, (g * K_p) = F^{-1} \sum_p \hat K_p\, F(\beta_p g)

costs one transform per place and one back, whatever the number of galaxies. Samples of the PSF are integrals over a pixel.

The transforms are scipy's (one compiled implementation without processor-dependent branches) on arrays that do not depend on
any window; kernels and products are our own + - * /. NOT modelled: what `mirage_dask.psf.library` does not.
"""

from __future__ import annotations

import hashlib
import math
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import scipy.fft
from numba import float32 as f4
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.gaussians import CUT, exp2, smooth_step

PASSED = (0.4, 0.7)
"""Cycles per pixel, along each axis, between which the frequencies of the PSF end on a grid of pixels."""

spectra = CACHES["PSF spectra"]
"""Transforms of PSF kernels of this process."""
_digests: WeakKeyDictionary[PsfLibrary, bytes] = WeakKeyDictionary()


def token(psf: PsfLibrary) -> bytes:
    """Return a hash of a library, for cache keys: exposures that open the same library anew share its kernels."""
    if psf not in _digests:
        digest = hashlib.blake2b(np.ascontiguousarray(psf.core).tobytes(), digest_size=16)
        digest.update(np.ascontiguousarray(psf.wings).tobytes())
        meta = (
            psf.core.shape,
            psf.grid_x,
            psf.grid_y,
            psf.core_centre,
            psf.core_half_width,
            psf.wings_centre,
            psf.wings_half_width,
        )
        digest.update(repr(meta).encode())
        _digests[psf] = digest.digest()
    return _digests[psf]


def transform_size(least: int) -> int:
    """Return the side of a fast transform that holds `least` points: an even number."""
    return 2 * int(scipy.fft.next_fast_len(-(-least // 2), real=True))


def spread(psf: PsfLibrary, spacing: int, blur: float) -> int:
    """Return how far a kernel of `plane_spectrum` reaches, in its points."""
    return math.ceil((_reach(psf) + CUT * math.sqrt(blur)) / spacing)


def blend(
    psf: PsfLibrary, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return (n, 4) places of the library around positions, and their weights: `PsfLibrary.blend` for columns."""
    (i, i1, u), (j, j1, v) = _bracket(psf.grid_x, x), _bracket(psf.grid_y, y)
    columns = len(psf.grid_x)
    places = np.stack([j * columns + i, j * columns + i1, j1 * columns + i, j1 * columns + i1], axis=1)
    return places, np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)


def _bracket(
    grid: tuple[float, ...], value: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    if len(grid) == 1:
        zero = np.zeros(value.shape, np.intp)
        return zero, zero, np.zeros(value.shape)
    nodes = np.array(grid)
    low = np.clip(np.searchsorted(nodes, value) - 1, 0, len(grid) - 2)
    return (
        low,
        low + 1,
        (np.clip(value, nodes[low], nodes[low + 1]) - nodes[low]) / (nodes[low + 1] - nodes[low]),
    )


def plane_spectrum(
    psf: PsfLibrary, place: int, size: int, spacing: int, blur: float
) -> NDArray[np.complex64]:
    """Return the half transform of the PSF of a place on a grid of pixels or coarser.

    Parameters
    ----------
    size
        Points of the side of the grid.
    spacing
        Pixels between them.
    blur
        Variance, square pixels, of a Gaussian with which the PSF is convolved first: what a coarse grid can hold.

    Returns
    -------
    (size, size // 2 + 1); the kernel's centre is at the point (0, 0).
    """

    def make() -> NDArray[np.complex64]:
        kernel = spectra.array((token(psf), place), partial(_pixel_kernel, psf, place))
        if blur:
            kernel = _blurred(kernel, spacing, blur, spread(psf, spacing, blur))
        array = np.zeros((size, size), np.float32)
        put_around_corner(kernel, array)
        return scipy.fft.rfft2(array, overwrite_x=True, workers=1)

    return spectra.array((token(psf), place, size, spacing, blur), make)


def blended_spectrum(
    psf: PsfLibrary, x: NDArray[np.float64], y: NDArray[np.float64], size: int
) -> NDArray[np.complex64]:
    """Return the half transform of the PSF of a place on the detector on a grid of pixels.

    Parameters
    ----------
    x, y
        (1,) full-frame science pixels.
    size
        Points of the side of the grid.

    Returns
    -------
    (size, size // 2 + 1); the kernel's centre is at the point (0, 0).
    """

    def make() -> NDArray[np.complex64]:
        places, share = blend(psf, x, y)
        total = np.zeros((size, 2 * (size // 2 + 1)), np.float32)
        for place, weight in zip(places[0].tolist(), share[0], strict=True):
            if weight:  # real numbers: numpy's products of complex ones depend on the processor
                total += np.float32(weight) * plane_spectrum(psf, place, size, 1, 0.0).view(np.float32)
        return total.view(np.complex64)

    return spectra.array((token(psf), "blended", float(x[0]), float(y[0]), size), make)


def sharp_spectra(
    psf: PsfLibrary, place: int, size: int, inner: float, outer: float, wider: float
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return half transforms of the middle of the PSF of a place, on a grid of two points per pixel and on that of pixels.

    Parameters
    ----------
    size
        Pixels of the side of both grids.
    inner, outer
        Pixels from the middle, along each axis, between which it fades.
    wider
        Variance, square pixels, that was added to what the fine one is multiplied with; it is taken back.

    Returns
    -------
    (2 size, size + 1) and (size, size // 2 + 1). The fine one is divided by 4, for a spectrum that is folded.
    """
    key = (token(psf), place, size, "sharp", inner, outer, wider)

    def make(oversampling: int) -> NDArray[np.complex64]:
        kernel = _middle(_core(psf, place, oversampling), math.floor(outer * oversampling)).copy()
        _fade(kernel, oversampling, inner, outer)
        # In double precision: taking the variance back multiplies the highest frequencies by a million.
        array = np.zeros((oversampling * size, oversampling * size))
        put_around_corner(kernel, array)
        spectrum = scipy.fft.rfft2(array, overwrite_x=True, workers=1)
        if oversampling > 1:
            take_back(spectrum.view(np.float64), size, wider, 0.25)
        return spectrum.astype(np.complex64)

    return spectra.array((*key, 2), partial(make, 2)), spectra.array((*key, 1), partial(make, 1))


def _reach(psf: PsfLibrary) -> int:
    """Pixels beyond which the PSF has no sample."""
    return max(psf.wings_half_width, _core_side(psf) // 2 - 1)


def _core_side(psf: PsfLibrary) -> int:
    """Pixels of a square that holds the core and what little a limit of its frequencies spreads."""
    return transform_size(2 * math.ceil(psf.core_half_width) + 6)


def _pixel_kernel(psf: PsfLibrary, place: int) -> NDArray[np.float32]:
    """The PSF at whole pixels from its centre, core and wings."""
    reach = _reach(psf)
    out = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    _sample(psf.wings[None, None], psf.wings_centre, 1, psf.wings_half_width, out)
    inside = np.abs(np.arange(-reach, reach + 1)) <= psf.wings_inner
    out[np.ix_(inside, inside)] = 0
    core = _core(psf, place, 1)
    _middle(out, core.shape[0] // 2)[...] += core
    return out


def _core(psf: PsfLibrary, place: int, oversampling: int) -> NDArray[np.float32]:
    """The core at steps of half a pixel, or of whole pixels without the frequencies that appear as low ones there.

    Light on a grid of pixels has next to nothing beyond half a cycle per pixel.
    """

    def make() -> NDArray[np.float32]:
        side = _core_side(psf)
        fine = np.zeros((2 * side - 1, 2 * side - 1), np.float32)
        half = math.ceil(2 * psf.core_half_width) - 1
        _sample(psf.core[place], psf.core_centre, 2, half, fine)
        if oversampling == 2:
            return fine
        array = np.zeros((2 * side, 2 * side))
        put_around_corner(fine, array)
        spectrum = scipy.fft.rfft2(array, overwrite_x=True, workers=1)
        _filter(spectrum.view(np.float64), side)
        filtered = scipy.fft.irfft2(spectrum, s=array.shape, overwrite_x=True, workers=1)
        half = side // 2 - 1
        return np.roll(filtered[::2, ::2], (half, half), axis=(0, 1))[:-1, :-1].astype(np.float32)

    return spectra.array((token(psf), place, "core", oversampling), make)


def _middle(image: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    """The points within `half` of the middle of an image, a view."""
    middle = image.shape[0] // 2
    box = slice(middle - half, middle + half + 1)
    return image[box, box]


@inline
def _weights(t, w):
    s = f8(1) - t
    w[0] = f4(s * s * s / 6.0)
    w[1] = f4(((3.0 * t - 6.0) * t * t + 4.0) / 6.0)
    w[2] = f4(((3.0 * s - 6.0) * s * s + 4.0) / 6.0)
    w[3] = f4(t * t * t / 6.0)


@kernel
def _sample(coefficients, centre, oversampling, half, out):
    """Add a spline of the library at offsets -half .. half in steps of 1 / oversampling pixels to the middle of an array."""
    phases, cells = coefficients.shape[1], coefficients.shape[3]
    wx, wy = np.empty((2 * half + 1, 4), np.float32), np.empty(4, np.float32)
    first = np.empty(2 * half + 1, np.int64)
    for i in range(-half, half + 1):
        u = phases * i / oversampling + centre
        first[i + half] = int(np.floor(u)) - 1
        _weights(u - np.floor(u), wx[i + half])
    column = np.empty(phases * cells, np.float32)
    middle = out.shape[0] // 2
    for j in range(-half, half + 1):
        v = phases * j / oversampling + centre
        row = int(np.floor(v)) - 1
        _weights(v - np.floor(v), wy)
        for p in range(phases):
            a = coefficients[row % phases, p, row // phases]
            b = coefficients[(row + 1) % phases, p, (row + 1) // phases]
            c = coefficients[(row + 2) % phases, p, (row + 2) // phases]
            d = coefficients[(row + 3) % phases, p, (row + 3) // phases]
            for k in range(cells):
                column[k * phases + p] = ((wy[0] * a[k] + wy[1] * b[k]) + wy[2] * c[k]) + wy[3] * d[k]
        for i in range(2 * half + 1):
            k = first[i]
            out[j + middle, i - half + middle] += (
                (wx[i, 0] * column[k] + wx[i, 1] * column[k + 1]) + wx[i, 2] * column[k + 2]
            ) + wx[i, 3] * column[k + 3]


@kernel
def _fade(image, oversampling, inner, outer):
    """Multiply an image with a square window around its middle."""
    half = image.shape[0] // 2
    window = np.empty(2 * half + 1, np.float32)
    for i in range(-half, half + 1):
        window[i + half] = f4(1.0 - smooth_step((abs(i) / oversampling - inner) / (outer - inner)))
    for j in range(image.shape[0]):
        for i in range(image.shape[1]):
            image[j, i] *= window[j] * window[i]


@kernel
def _blurred(image, spacing, variance, half):
    """Convolve an image of pixels with a Gaussian and sample it at -half .. half steps of `spacing` from its middle."""
    middle, points = image.shape[0] // 2, 2 * half + 1
    weights = np.zeros((image.shape[0], points), np.float32)
    norm = f4(1.0 / np.sqrt(6.283185307179586 * variance))
    for k in range(image.shape[0]):
        for i in range(points):
            d = f8((i - half) * spacing - (k - middle))
            if d * d <= 25.0 * variance:
                weights[k, i] = norm * exp2(f4(-0.7213475204444817 * d * d / variance))
    rows = np.zeros((points, image.shape[1]), np.float32)
    for j in range(points):
        row = rows[j]
        for k in range(image.shape[0]):
            if weights[k, j] != f4(0):
                for i in range(row.size):
                    row[i] += weights[k, j] * image[k, i]
    out = np.zeros((points, points), np.float32)
    for j in range(points):
        row = out[j]
        for k in range(image.shape[1]):
            value, line = rows[j, k], weights[k]
            for i in range(row.size):
                row[i] += value * line[i]
    return out


@kernel
def put_around_corner(kernel_values, out):
    """Add a kernel to a square array, its middle at (0, 0); what lies before it comes in at the other side."""
    half, size = kernel_values.shape[0] // 2, out.shape[0]
    for j in range(kernel_values.shape[0]):
        for i in range(kernel_values.shape[1]):
            out[(j - half) % size, (i - half) % size] += kernel_values[j, i]


@kernel
def _filter(spectrum, size):
    """Take the frequencies beyond `PASSED` out of a half spectrum (pairs) of two points per pixel, smoothly."""
    rows = spectrum.shape[0]
    low, high = PASSED
    for j in range(rows):
        row = f8(1) - smooth_step((min(j, rows - j) / size - low) / (high - low))
        for i in range(spectrum.shape[1] // 2):
            part = row * (f8(1) - smooth_step((i / size - low) / (high - low)))
            spectrum[j, 2 * i] *= part
            spectrum[j, 2 * i + 1] *= part


@kernel
def take_back(spectrum, size, variance, factor):
    """Multiply a half spectrum (pairs) of two or more points per pixel with `factor` exp(2 pi^2 variance k^2).

    `size` is the number of pixels of its side, k in cycles per pixel.
    """
    rows = spectrum.shape[0]
    for j in range(rows):
        ky = f8(min(j, rows - j)) / size
        for i in range(spectrum.shape[1] // 2):
            kx = f8(i) / size
            # 2 pi^2 / ln 2
            grow = f8(exp2(f4(28.477658 * variance * (kx * kx + ky * ky)))) * factor
            spectrum[j, 2 * i] *= grow
            spectrum[j, 2 * i + 1] *= grow


@kernel
def add_product(a, b, out):
    """out += a b for 2-D arrays of complex numbers."""
    for j in range(a.shape[0]):
        p, q, r = a[j], b[j], out[j]
        for i in range(p.size):
            r[i] += p[i] * q[i]


@kernel
def fold_products(fine, fine_kernels, coarse, coarse_kernels, index, share, out):
    """Difference of two convolutions of each galaxy, as spectra on the grid of pixels.

    Parameters
    ----------
    fine, coarse
        (m, 2 n, n + 1) and (m, n, n // 2 + 1) complex64: light on grids of two points per pixel and of one.
    fine_kernels, coarse_kernels
        (places, …) from `sharp_spectra`.
    index, share
        (m, 4) places of each galaxy and their weights.
    out
        (m, n, n // 2 + 1): the fine product, folded to what pixel centres hold, less the coarse one.
    """
    n, columns = coarse.shape[1], coarse.shape[2]
    product = np.empty((2 * n, n + 1), np.complex64)
    for g in range(fine.shape[0]):
        w0, w1, w2, w3 = f4(share[g, 0]), f4(share[g, 1]), f4(share[g, 2]), f4(share[g, 3])
        p0, p1, p2, p3 = index[g, 0], index[g, 1], index[g, 2], index[g, 3]
        for r in range(2 * n):
            a, b = fine_kernels[p0, r], fine_kernels[p1, r]
            c, d = fine_kernels[p2, r], fine_kernels[p3, r]
            line, light = product[r], fine[g, r]
            for s in range(n + 1):
                line[s] = light[s] * (((w0 * a[s] + w1 * b[s]) + w2 * c[s]) + w3 * d[s])
        for r in range(n):
            a, b = coarse_kernels[p0, r], coarse_kernels[p1, r]
            c, d = coarse_kernels[p2, r], coarse_kernels[p3, r]
            line, light = out[g, r], coarse[g, r]
            low, high = product[r], product[r + n]
            mirror_low, mirror_high = product[(2 * n - r) % (2 * n)], product[n - r]
            for s in range(columns):
                # The full spectrum is Hermitian: beyond the half that is stored lie conjugates of opposite frequencies.
                folded = low[s] + high[s] + np.conj(mirror_low[n - s] + mirror_high[n - s])
                line[s] = folded - light[s] * (((w0 * a[s] + w1 * b[s]) + w2 * c[s]) + w3 * d[s])
