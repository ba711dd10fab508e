r"""A block of light seen through the PSF: core and wings, by Fourier transforms of fixed size.

Light lies on points, `OVERSAMPLING` per pixel, spread by the cubic B-spline (`sharing.add_points`). Its transform is
multiplied by that of the core of the PSF and divided by that of the B-spline, sinc^4 in each axis, so that the value of a
pixel is the sum over the light at its exact places of what the PSF gives there:

.. math:: image(x) = \sum_j light_j \, PSF(x - x_j)

The PSF passes little beyond one cycle per pixel, which two points per pixel hold. It changes over the detector: the image
is made with each of the library's places whose weight is not zero in the block, and these are blended at each pixel by
its bilinear weights, so that nothing steps from block to block. The wings are convolved with the light in pixels.

An image that has a PSF of its own, a Gaussian of standard deviation s pixels, G(f) = exp(-2 pi^2 s^2 f^2), is freed of it:
the core's transform is divided by G, bounded (Wiener's filter with a constant, Gonzalez & Woods, Digital Image Processing),

.. math:: \frac{G}{G^2 + e} (1 + e), \qquad e = BOUND = 2.5 \cdot 10^{-3}

at most 10 times; where the telescope passes nothing, nothing comes of that. The wings stay as they are. One that has any
other PSF comes with a kernel of the same kind, made by the client (`mirage_dask.sky_images.matching`), whose transform
multiplies the core's.

Transforms are scipy's; everything else is our own + - * /, with e to a power by squaring and sine by its series.

NOT modelled: the PSF is that of the pixel in which light is counted, not of the place where it fell; over the reach of a
core a library changes by a few percent."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary

PSFS = CACHES["image PSFs"]
"""Transforms of the PSF that stay in this process."""

Floats = NDArray[np.float64]
BLOCK = 256
"""Side of a block, pixels."""
OVERSAMPLING = 2
"""Points per pixel of the light that the core is applied to."""
BOUND = 2.5e-3
"""Of the deconvolution: it multiplies by at most 1 / (2 sqrt(BOUND))."""
PI = 3.141592653589793
MARGIN = 2
"""Pixels beyond the core's reach, where light on points is not complete."""

_digests: WeakKeyDictionary[PsfLibrary, bytes] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Matching:
    """A kernel that takes out the PSF of an image, convolved with its light."""

    key: str
    """Names it in caches."""
    samples: Floats
    """(2 m + 1, 2 m + 1), `OVERSAMPLING` points per pixel, sum 1."""

    def transform(self, size: int) -> NDArray[np.complex128]:
        """Return the half transform on a square of `size` points, centred at the corner."""
        half = self.samples.shape[0] // 2
        steps = np.arange(-half, half + 1) % size
        array = np.zeros((size, size))
        array[np.ix_(steps, steps)] = self.samples
        return scipy.fft.fft(scipy.fft.rfft(array, axis=1, workers=1), axis=0, workers=1)


def reach(psf: PsfLibrary) -> int:
    """Return how far around a block light on points is needed, pixels."""
    return math.ceil(psf.core_half_width) + MARGIN


def blur_core(
    points: Floats,
    psf: PsfLibrary,
    *,
    x0: int,
    y0: int,
    sigma: float = 0.0,
    matching: Matching | None = None,
) -> Floats:
    """Apply the core of the PSF.

    Parameters
    ----------
    points
        Light on points of the block and `reach` pixels around it: (n, n), n = OVERSAMPLING (BLOCK + 2 reach).
    psf
        Library of the exposure.
    x0, y0
        Full-frame science pixel of the block's first one.
    sigma
        Standard deviation of the Gaussian that the image has been convolved with, pixels.
    matching
        Kernel that takes out the PSF of the image.

    Returns
    -------
    (BLOCK, BLOCK) float64.
    """
    margin = reach(psf)
    size = OVERSAMPLING * scipy.fft.next_fast_len(points.shape[0] // OVERSAMPLING)
    light = scipy.fft.fft(scipy.fft.rfft(points, n=size, axis=1, workers=1), n=size, axis=0, workers=1)
    out = np.zeros((BLOCK, BLOCK))
    for iy, wy in _weights(psf.grid_y, y0):
        for ix, wx in _weights(psf.grid_x, x0):
            place = iy * len(psf.grid_x) + ix
            core = PSFS.array(
                (token(psf), place, size, sigma, matching.key if matching else ""),
                partial(_core_transform, psf, place, size, sigma, matching),
            )
            product = np.empty_like(light)
            multiply(light.view(np.float64), core.view(np.float64), product.view(np.float64))
            # Only every second row is wanted: the spectrum is folded.
            folded = product[: size // 2] + product[size // 2 :]
            rows = (
                scipy.fft.ifft(folded, axis=0, overwrite_x=True, workers=1)[margin : margin + BLOCK]
                / OVERSAMPLING
            )
            seen = scipy.fft.irfft(rows, n=size, axis=1, workers=1)
            first = OVERSAMPLING * margin
            out += (wy[:, None] * wx) * seen[:, first : first + OVERSAMPLING * BLOCK : OVERSAMPLING]
    return out


def blur_wings(light: Floats, psf: PsfLibrary) -> Floats:
    """Apply the wings of the PSF.

    Parameters
    ----------
    light
        (n, n) in pixels of the block and `psf.wings_half_width` pixels around it.

    Returns
    -------
    (BLOCK, BLOCK) float64.
    """
    width = psf.wings_half_width
    size = scipy.fft.next_fast_len(light.shape[0])
    spectrum = scipy.fft.fft(scipy.fft.rfft(light, n=size, axis=1, workers=1), n=size, axis=0, workers=1)
    wings = PSFS.array((token(psf), "wings", size), partial(_wings_transform, psf, size))
    multiply(spectrum.view(np.float64), wings.view(np.float64), spectrum.view(np.float64))
    rows = scipy.fft.ifft(spectrum, axis=0, overwrite_x=True, workers=1)[width : width + BLOCK]
    return scipy.fft.irfft(rows, n=size, axis=1, workers=1)[:, width : width + BLOCK]


def token(psf: PsfLibrary) -> bytes:
    """Return a hash of a library: exposures that open the same one anew share its transforms."""
    if psf not in _digests:
        digest = hashlib.blake2b(np.ascontiguousarray(psf.core).tobytes(), digest_size=16)
        digest.update(np.ascontiguousarray(psf.wings).tobytes())
        digest.update(
            repr((psf.core_centre, psf.core_half_width, psf.wings_centre, psf.wings_inner)).encode()
        )
        _digests[psf] = digest.digest()
    return _digests[psf]


def _weights(grid: tuple[float, ...], first: int) -> list[tuple[int, Floats]]:
    """(place, (BLOCK,) its weights) along an axis, bilinear between places and clamped outside; those that are not zero."""
    x = np.minimum(np.maximum(np.arange(first, first + BLOCK, dtype=np.float64), grid[0]), grid[-1])
    found = []
    for k, here in enumerate(grid):
        weight = np.ones(BLOCK)
        if k > 0:
            weight = np.where(x < here, (x - grid[k - 1]) / (here - grid[k - 1]), weight)
        if k + 1 < len(grid):
            weight = np.where(x > here, (grid[k + 1] - x) / (grid[k + 1] - here), weight)
        weight = np.maximum(weight, 0.0)
        if weight.any():
            found.append((k, weight))
    return found


def _core_transform(
    psf: PsfLibrary, place: int, size: int, sigma: float, matching: Matching | None
) -> NDArray[np.complex128]:
    """Half transform of one place's core, centred at the corner, over those of the B-spline and of the image's own PSF."""
    _, phases, _, ny, nx = psf.core.shape
    whole = psf.core[place].transpose(2, 0, 3, 1).reshape(ny * phases, nx * phases).astype(np.float64)
    half = math.ceil(psf.core_half_width * OVERSAMPLING) - 1
    steps = np.arange(-half, half + 1)
    u = steps * (psf.oversampling / OVERSAMPLING) + psf.core_centre
    samples = _spline_rows(np.ascontiguousarray(_spline_rows(whole, u).T), u).T
    array = np.zeros((size, size))
    array[np.ix_(steps % size, steps % size)] = samples
    transform = scipy.fft.fft(scipy.fft.rfft(array, axis=1, workers=1), axis=0, workers=1)
    along = np.arange(size // 2 + 1, dtype=np.float64)
    around = np.minimum(np.arange(size, dtype=np.float64), size - np.arange(size, dtype=np.float64))
    factor = undone(around, size, sigma)[:, None] * undone(along, size, sigma)
    transform.real *= factor
    transform.imag *= factor
    if matching is not None:
        own = matching.transform(size)
        multiply(transform.view(np.float64), own.view(np.float64), transform.view(np.float64))
    return transform


def undone(frequency: Floats, size: int, sigma: float) -> Floats:
    """What the transform of the core is multiplied by along one axis.

    The Gaussian is a product of both axes, and so is its bounded inverse: each axis is bounded by itself.
    """
    z = PI * frequency / size
    q = z * z
    series = np.ones_like(z)
    for n in (16, 14, 12, 10, 8, 6, 4, 2):
        series = 1.0 - q / (n * (n + 1.0)) * series
    spline = series * series * series * series
    if sigma == 0.0:
        return 1.0 / spline
    cycles = frequency * (OVERSAMPLING / size)
    gauss = exp_minus(2.0 * PI * PI * sigma * sigma * cycles * cycles)
    return gauss / (gauss * gauss + BOUND) * (1.0 + BOUND) / spline


def exp_minus(z: Floats) -> Floats:
    """Return exp(-z) for z of 0 to 60, and exp(-60) beyond, to 1e-11: by squaring a power series."""
    w = np.minimum(z, 60.0) / 1024.0
    value = np.ones_like(w)
    for n in range(12, 0, -1):
        value = 1.0 - w / n * value
    for _ in range(10):
        value = value * value
    return value


def _spline_rows(coefficients: Floats, u: NDArray[np.floating]) -> Floats:
    """Evaluate the cubic B-spline along the first axis at u; zero beyond the coefficients."""
    i = np.floor(u).astype(np.intp)
    t = u - i
    s = 1.0 - t
    weights = (
        s * s * s / 6.0,
        ((3.0 * t - 6.0) * t * t + 4.0) / 6.0,
        ((3.0 * s - 6.0) * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    )
    out = np.zeros((u.size, coefficients.shape[1]))
    for a, weight in enumerate(weights):
        row = i - 1 + a
        valid = (row >= 0) & (row < coefficients.shape[0])
        out += np.where(valid, weight, 0.0)[:, None] * coefficients[row.clip(0, coefficients.shape[0] - 1)]
    return out


def _wings_transform(psf: PsfLibrary, size: int) -> NDArray[np.complex128]:
    """Half transform of the wings, centred at the corner."""
    width = psf.wings_half_width
    steps = np.arange(-width, width + 1)
    u = steps + psf.wings_centre
    samples = _spline_rows(np.ascontiguousarray(_spline_rows(psf.wings.astype(np.float64), u).T), u).T.copy()
    inside = np.abs(steps) <= psf.wings_inner
    samples[np.ix_(inside, inside)] = 0.0
    array = np.zeros((size, size))
    array[np.ix_(steps % size, steps % size)] = samples
    return scipy.fft.fft(scipy.fft.rfft(array, axis=1, workers=1), axis=0, workers=1)


@kernel
def multiply(a, b, out):
    """Out = a * b for complex numbers stored as pairs: numpy's product depends on the processor."""
    for j in range(a.shape[0]):
        for i in range(0, a.shape[1], 2):
            re = a[j, i] * b[j, i] - a[j, i + 1] * b[j, i + 1]
            im = a[j, i] * b[j, i + 1] + a[j, i + 1] * b[j, i]
            out[j, i], out[j, i + 1] = re, im
