"""Convolution of a galaxy with the point spread function, by Fourier transforms on a grid of its own.

The light of a galaxy is drawn on a grid of `oversampling` points per pixel, centred on the galaxy. Its transform is
multiplied by that of the core of the PSF (blended of the four places around the galaxy) and by the phase that moves it
to its sub-pixel place; folding the spectrum leaves exactly the values at pixel centres, so that only a small transform
leads back. Samples of the PSF are integrals over a pixel already.

Core and wings are convolved as they are, the core on the fine grid, the wings (sampled by pixels) on that of the pixels:
a galaxy much smaller than a pixel is a star. NOT modelled: what `mirage_dask.psf.library` does not.

The transforms are scipy's (one compiled implementation without processor-dependent branches); kernels, products and
phases are our own + - * /. A stamp does not depend on the window in which it is used.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import scipy.fft
from numba import float32 as f4
from numba import float64 as f8
from numba import uintp
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary

SIZES = (32, 36, 40, 48, 54, 60, 64, 72, 80, 90, 96, 108, 120, 128, 144, 160)
"""Sides of the small transform, pixels; few, because each needs its own kernels. Larger ones grow by an eighth."""

NOTHING = 1e-5
FREQUENCY_SAMPLING = 4
"""Points per pixel on which the highest frequency is looked for."""

WINGS_STEP = 16
"""Pixels between the distances at which the wings are cut."""

spectra = CACHES["PSF spectra"]
"""Transforms of PSF kernels of this process."""
_digests: WeakKeyDictionary[PsfLibrary, bytes] = WeakKeyDictionary()
_frequencies: dict[bytes, float] = {}


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


def reach(psf: PsfLibrary) -> int:
    """Return how far convolution with the core spreads light, in whole pixels."""
    return math.ceil(psf.core_half_width) + 1


def blur(psf: PsfLibrary) -> float:
    """Return the variance of the PSF per axis, square pixels, at least 5: that of a square with 80 % of its light."""
    radius = int(np.searchsorted(psf.enclosed, np.float32(0.8 * psf.total_energy)))
    return max(radius * radius / 3.0, 5.0)


def transform_size(least: int) -> int:
    """Return the side in pixels of a transform that holds `least` pixels."""
    for size in SIZES:
        if size >= least:
            return size
    size = SIZES[-1]
    while size < least:
        size = 2 * scipy.fft.next_fast_len(size * 9 // 16)
    return size


def convolve(
    light: NDArray[np.float32],
    psf: PsfLibrary,
    *,
    x: float,
    y: float,
    oversampling: int,
    shift: tuple[float, float] = (0.0, 0.0),
    half: int | None = None,
) -> NDArray[np.float32]:
    """Convolve light on a grid with the core of the PSF and return it in detector pixels.

    Parameters
    ----------
    light
        (n, n) flux per point, n = 2 oversampling R + 1 for a whole number of pixels R.
    x, y
        Where the PSF is taken, full-frame science pixels.
    oversampling
        Points per pixel.
    shift
        Pixels by which the grid's centre lies to the right of and above the pixel in the middle of the result.
    half
        Half side m of the result in pixels; default R + reach(psf), where nothing is left. A smaller one saves work.

    Returns
    -------
    (2 m + 1, 2 m + 1) float32: flux per pixel.
    """
    radius = (light.shape[0] - 1) // (2 * oversampling)
    whole = radius + reach(psf)
    half = whole if half is None else half
    # What does not fit is folded over into the margin, which is cut off.
    small = transform_size(whole + half + 1)
    size = oversampling * small
    # Beyond the highest frequency that the telescope passes there is nothing to transform, multiply or fold.
    limit = min(size // 2, int(_highest_frequency(psf) * small) + 2)
    rows = scipy.fft.rfft(light, n=size, axis=1, workers=1)[:, :limit]
    transform = scipy.fft.fft(rows, n=size, axis=0, workers=1)
    places, weights = _blend_of(psf, x, y)
    k0, k1, k2, k3 = (
        spectra.array(
            (token(psf), place, small, oversampling),
            partial(_kernel_transform, psf, place, size, oversampling, limit),
        )
        for place in places
    )
    folded = np.zeros((small, small // 2 + 1), np.complex64)
    _multiply_and_fold(
        transform.view(np.float32),
        k0.view(np.float32),
        k1.view(np.float32),
        k2.view(np.float32),
        k3.view(np.float32),
        weights,
        _phases(size, shift[0] * oversampling),
        _phases(size, shift[1] * oversampling),
        limit,
        folded.view(np.float32),
    )
    image = scipy.fft.irfft2(folded, s=(small, small), overwrite_x=True, workers=1)
    box = slice(whole - half, whole + half + 1)
    return image[box, box]


def convolve_wings(
    light: NDArray[np.float32], psf: PsfLibrary, *, distance: int, half: int
) -> NDArray[np.float32]:
    """Convolve light with the wings of the PSF.

    Parameters
    ----------
    light
        (2 R + 1, 2 R + 1) flux per pixel.
    distance
        How far the wings must spread light, pixels; a few more may be used, so that few kernels are needed.
    half
        Half side m of the result in pixels.

    Returns
    -------
    (2 m + 1, 2 m + 1) float32: flux per pixel around the same middle.
    """
    distance = min(-(-distance // WINGS_STEP) * WINGS_STEP, psf.wings_half_width)
    whole = (light.shape[0] - 1) // 2 + distance
    size = transform_size(whole + half + 1)
    rows = scipy.fft.rfft(light, n=size, axis=1, workers=1)
    transform = scipy.fft.fft(rows, n=size, axis=0, workers=1)
    kernel = (token(psf), "wings", distance, size)
    wings = spectra.array(kernel, partial(_wings_transform, psf, distance, size))
    _multiply_rows(transform.view(np.float32), wings.view(np.float32))
    box = slice(whole - half, whole + half + 1)
    columns = scipy.fft.ifft(transform, axis=0, overwrite_x=True, workers=1)[box]
    return scipy.fft.irfft(columns, n=size, axis=1, workers=1)[:, box]


def _blend_of(psf: PsfLibrary, x: float, y: float) -> tuple[tuple[int, int, int, int], NDArray[np.float32]]:
    """`PsfLibrary.blend` without arrays: it is called for every galaxy."""
    (i, i1, u), (j, j1, v) = _bracket(psf.grid_x, x), _bracket(psf.grid_y, y)
    n = len(psf.grid_x)
    weights = np.array([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], np.float32)
    return (j * n + i, j * n + i1, j1 * n + i, j1 * n + i1), weights


def _bracket(grid: tuple[float, ...], value: float) -> tuple[int, int, float]:
    if len(grid) == 1:
        return 0, 0, 0.0
    index = min(max(bisect_left(grid, value) - 1, 0), len(grid) - 2)
    low, high = grid[index], grid[index + 1]
    return index, index + 1, (min(max(value, low), high) - low) / (high - low)


def _highest_frequency(psf: PsfLibrary) -> float:
    """Cycles per pixel beyond which the transform of no place exceeds `NOTHING` of its total."""
    name = token(psf)
    if name not in _frequencies:
        small = transform_size(2 * reach(psf) + 1)
        size = FREQUENCY_SAMPLING * small
        highest = 0
        for place in range(len(psf.core)):
            spectrum = np.abs(_kernel_transform(psf, place, size, FREQUENCY_SAMPLING, 0))
            seen = spectrum > NOTHING * spectrum[0, 0]
            columns = np.flatnonzero(seen.any(axis=0))
            rows = np.flatnonzero(seen.any(axis=1))
            highest = max(highest, int(columns.max()), int(np.minimum(rows, size - rows).max()))
        _frequencies[name] = (highest + 1) / small
    return _frequencies[name]


def _kernel_transform(
    psf: PsfLibrary, place: int, size: int, oversampling: int, limit: int
) -> NDArray[np.complex64]:
    """Transform of the core of one place, its centre `reach` pixels from the corner of the array.

    The result has the frequencies below `limit`: 2 limit - 1 rows (0 to limit - 1, then the negative ones), limit columns;
    with limit 0 it is the whole half spectrum.
    """
    half = math.ceil(psf.core_half_width * oversampling) - 1
    samples = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    _sample_core(psf.core[place], psf.oversampling, psf.core_centre, oversampling, half, samples)
    samples *= np.float32(1.0 / oversampling**2)  # of the folded transform
    array = np.zeros((size, size), np.float32)
    _add_cyclic(samples, reach(psf) * oversampling - half, array)
    transform = scipy.fft.rfft2(array, workers=1)
    if limit == 0:
        return transform
    return np.concatenate([transform[:limit, :limit], transform[size - limit + 1 :, :limit]])


def _wings_transform(psf: PsfLibrary, distance: int, size: int) -> NDArray[np.complex64]:
    """Half transform of the wings out to a distance, their centre `distance` pixels from the corner of the array."""
    samples = np.zeros((2 * distance + 1, 2 * distance + 1), np.float32)
    _sample_core(psf.wings[None, None], 1, psf.wings_centre, 1, distance, samples)
    array = np.zeros((size, size), np.float32)
    _add_cyclic(samples, 0, array)
    return scipy.fft.rfft2(array, workers=1)


@kernel
def total(values):
    """Sum of a 2-D array in a fixed order (columns first); numpy's depends on the processor's vector width."""
    columns = np.zeros(values.shape[1], np.float64)
    for j in range(values.shape[0]):
        row = values[j]
        for i in range(columns.size):
            columns[i] += row[i]
    out = f8(0)
    for c in columns:
        out += c
    return out


@kernel
def _add_cyclic(samples, first, out):
    """Add samples to a square array from (first, first) on; what does not fit comes in at the other side."""
    size = out.shape[0]
    for j in range(samples.shape[0]):
        for i in range(samples.shape[1]):
            out[(first + j) % size, (first + i) % size] += samples[j, i]


@inline
def _weights(t, w):
    s = f8(1) - t
    w[0] = f4(s * s * s / 6.0)
    w[1] = f4(((3.0 * t - 6.0) * t * t + 4.0) / 6.0)
    w[2] = f4(((3.0 * s - 6.0) * s * s + 4.0) / 6.0)
    w[3] = f4(t * t * t / 6.0)


@kernel
def _sample_core(core, library_oversampling, centre, oversampling, half, out):
    """Evaluate the spline of one place at offsets -half .. half in steps of 1 / oversampling pixels."""
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    for j in range(-half, half + 1):
        v = library_oversampling * j / oversampling + centre
        iv = int(np.floor(v))
        _weights(v - iv, wy)
        for i in range(-half, half + 1):
            u = library_oversampling * i / oversampling + centre
            iu = int(np.floor(u))
            _weights(u - iu, wx)
            total = f4(0)
            for b in range(4):
                row = iv - 1 + b
                for a in range(4):
                    column = iu - 1 + a
                    total += (wy[b] * wx[a]) * core[
                        row % library_oversampling,
                        column % library_oversampling,
                        row // library_oversampling,
                        column // library_oversampling,
                    ]
            out[j + half, i + half] = total


@kernel
def _phases(size, shift):
    """(2 size,) float32 pairs (re, im): exp(-2 pi i f shift / size) for the frequencies f in FFT order.

    0 at the highest one, whose sign is not defined. By a recurrence from the Taylor series of one small angle: a library's
    sine may differ between processors.
    """
    out = np.zeros(2 * size, np.float32)
    angle = f8(-6.283185307179586) * shift / size
    # |angle| < 2 pi oversampling / (2 size) < 0.1: the next terms are below 1e-16.
    q = angle * angle
    c1 = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0))))
    s1 = angle * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 * (1.0 - q / 110.0)))))
    c, s = f8(1), f8(0)
    for f in range((size + 1) // 2):
        out[2 * f], out[2 * f + 1] = f4(c), f4(s)
        if f > 0:
            out[2 * (size - f)], out[2 * (size - f) + 1] = f4(c), f4(-s)
        c, s = c * c1 - s * s1, s * c1 + c * s1
    return out


@kernel
def _multiply_and_fold(light, k0, k1, k2, k3, weights, phase_x, phase_y, limit, out):
    """Product of half spectra, folded to the frequencies that pixel centres can hold; pairs (re, im) along x.

    The full spectrum is Hermitian: a frequency beyond the half that is stored is the conjugate of the opposite one.
    """
    size, small = light.shape[0], out.shape[0]
    product = np.empty(2 * limit, np.float32)
    for q in range(2 * limit - 1):
        r = q if q < limit else size - (2 * limit - 1) + q
        _blend(k0[q], k1[q], k2[q], k3[q], weights[0], weights[1], weights[2], weights[3], product)
        _multiply(product, phase_x, limit)
        _multiply_by(product, phase_y[2 * r], phase_y[2 * r + 1], limit)
        _multiply(product, light[r], limit)
        direct, mirror = out[r % small], out[(size - r) % small]
        for s in range(0, limit, small):
            middle = s + small // 2
            for i in range(2 * (min(middle + 1, limit) - s)):
                direct[i] += product[uintp(2 * s) + uintp(i)]
            for i in range(middle, min(s + small + 1, limit)):
                mirror[2 * (s + small - i)] += product[2 * i]
                mirror[2 * (s + small - i) + 1] -= product[2 * i + 1]


@kernel
def _multiply_rows(a, b):
    """a *= b for 2-D arrays of complex numbers stored as pairs."""
    for j in range(a.shape[0]):
        _multiply(a[j], b[j], a.shape[1] // 2)


@kernel
def add_to_pixels(light, oversampling, shift_x, shift_y, out):
    """Add points to the pixels around them, shared such that the sum and the centroid stay.

    `light` is as for `convolve`, `out` (2 R + 1, 2 R + 1) with the pixel in the middle from which the shift counts.
    """
    half, middle, last = light.shape[0] // 2, out.shape[0] // 2, out.shape[0] - 1
    for j in range(light.shape[0]):
        v = f8(j - half) / oversampling + shift_y + middle
        row = min(max(int(np.floor(v)), 0), last - 1)
        t = f4(min(max(v - row, 0.0), 1.0))
        for i in range(light.shape[1]):
            u = f8(i - half) / oversampling + shift_x + middle
            column = min(max(int(np.floor(u)), 0), last - 1)
            s, value = f4(min(max(u - column, 0.0), 1.0)), light[j, i]
            out[row, column] += (f4(1) - t) * (f4(1) - s) * value
            out[row, column + 1] += (f4(1) - t) * s * value
            out[row + 1, column] += t * (f4(1) - s) * value
            out[row + 1, column + 1] += t * s * value


# One array written per loop: LLVM gives up vectorising where too many pairs of arrays might overlap.


@inline
def _blend(a, b, c, d, w0, w1, w2, w3, out):
    for i in range(out.size):
        out[i] = ((w0 * a[i] + w1 * b[i]) + w2 * c[i]) + w3 * d[i]


@inline
def _multiply(a, b, n):
    """a *= b for n complex numbers stored as pairs."""
    for i in range(n):
        k = uintp(2) * uintp(i)
        m = k + uintp(1)
        re, im = a[k] * b[k] - a[m] * b[m], a[k] * b[m] + a[m] * b[k]
        a[k], a[m] = re, im


@inline
def _multiply_by(a, c, s, n):
    """a *= c + i s for n complex numbers stored as pairs."""
    for i in range(n):
        k = uintp(2) * uintp(i)
        m = k + uintp(1)
        re, im = a[k] * c - a[m] * s, a[k] * s + a[m] * c
        a[k], a[m] = re, im
