r"""The PSF of an image of the scene, from a file, and the kernel that takes it out.

An image that was seen through the PSF A, in pixels of its own, is to be seen through the telescope's PSF instead. With the
transform of A, of the box B of a pixel of the image, both on the detector, the kernel K that is convolved with it before the
telescope's PSF is applied has the transform

.. math:: K(f) = \frac{\overline{H}}{|H|^2 + e} (1 + e), \qquad H = A(f) \, B(f), \quad e = BOUND

(Wiener's filter with a constant, as for a Gaussian PSF in `mirage_dask.scene.images.blurring`; photutils' matching kernels
are the same ratio with other windows). K(0) is 1: the light stays. NOT recoverable: what A does not pass. Frequencies at
which it passes less than a twentieth come back in part, none is multiplied by more than 10; so an image that is less sharp
than the telescope's is refused, and noise of the image grows where A passes little.

A is turned and scaled by the WCS of the image, the pointing and the distortion in the middle of the exposure. Its x and y
are those of the image, its middle is the star. Made on the client; a worker reads the kernel.

NOT modelled: that A changes over the image; light of A beyond `HALF` pixels of the detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.scene.image_tables import MatchingKernel
from mirage_dask.scene.images.blurring import BOUND, OVERSAMPLING
from mirage_dask.sky_images.fits_files import open_fits
from mirage_dask.sky_images.stamps import ARCSEC, scale_of

LARGEST = 2048
"""Pixels along an axis of a PSF."""
LEAST_WIDTH = 2.0
"""Pixels of its own that a PSF is wide, at least: full width at half maximum."""
OFF_CENTRE = 0.5
"""Pixels of its own by which the centre of light may be off the middle."""
HALF = 64
"""Detector pixels around the middle in which a PSF counts."""
REACH = 32
"""Detector pixels that a kernel reaches; it fades over the outer quarter."""
FINER = 4
"""Times finer than the points of the kernel is a PSF sampled, so that its spectrum does not fold."""
ROUND = 1e-3
"""Steps of the directions of an image's pixels, detector pixels: most exposures of one roll share a kernel."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ImagePsf:
    """The PSF of an image."""

    path: str
    light: Floats
    """(ny, nx), sum 1."""
    pixel: float
    """Arcsec along its pixels."""
    fwhm: float
    """Arcsec: diameter of the circle whose area is that above half of the maximum."""


def read_psf(path: str, pixelscale: float = 0.0) -> ImagePsf:
    """Read the PSF of an image.

    Parameters
    ----------
    path
        FITS file; the first image of two axes.
    pixelscale
        Arcsec per pixel; 0: what its header says (PIXELSCL, CDELT, …).

    Raises
    ------
    InputError
        With everything that is wrong with it.
    """
    place = Path(path)
    with open_fits(place) as image:
        ny, nx = image.shape
        if max(ny, nx) > LARGEST:
            raise InputError(f"{path}: {nx} x {ny} pixels; cut the PSF to at most {LARGEST} along an axis.")
        values = image.read(slice(0, ny), slice(0, nx))
        scale = scale_of(place, image.header)
    problems: list[str] = []
    if not pixelscale and scale is None:
        problems.append(
            f"{path}: the PSF does not say how large its pixels are; add PIXELSCL (arcsec) to its header, or give "
            "scene_image: {psf_pixelscale: ARCSEC}."
        )
    elif not pixelscale and scale is not None and abs(scale[0] / scale[1] - 1.0) > 1e-3:
        problems.append(f"{path}: the pixels of the PSF are not square; resample it.")
    pixel = pixelscale or (scale[0] / ARCSEC if scale is not None else 1.0)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise InputError(
            [*problems, f"{path}: the PSF is not finite in {counted(bad, 'pixel')}; give numbers there."]
        )
    total = float(values.sum())
    if not total > 0:
        raise InputError(
            [*problems, f"{path}: the pixels of the PSF have no positive sum; subtract less background."]
        )
    light = values / total
    y, x = np.indices(light.shape)
    off = float(np.hypot((x * light).sum() - (nx - 1) / 2.0, (y * light).sum() - (ny - 1) / 2.0))
    if off > OFF_CENTRE:
        problems.append(
            f"{path}: the centre of light of the PSF is {off:.2f} pixels from the middle of its array, by which the image "
            "would be displaced; centre it on the middle pixel of an odd number."
        )
    wide = 2.0 * float(np.sqrt((light > 0.5 * light.max()).sum() / np.pi))
    if wide < LEAST_WIDTH:
        problems.append(
            f"{path}: the PSF is undersampled, {wide:.1f} of its pixels wide (full width at half maximum); give it in "
            f"pixels of which it is {LEAST_WIDTH:g} wide or more."
        )
    if problems:
        raise InputError(problems)
    return ImagePsf(path, light, pixel, wide * pixel)


def matching_kernel(psf: ImagePsf, axes: Floats, image_pixel: float) -> MatchingKernel:
    """Return the kernel that takes the PSF of an image out.

    Parameters
    ----------
    psf
        Of the image.
    axes
        (2, 2) detector pixels x, y along one pixel of the image in x, and in y.
    image_pixel
        Arcsec along a pixel of the image.
    """
    from scipy import fft, ndimage

    points = OVERSAMPLING * FINER
    count = 2 * HALF * points
    steps = (np.arange(count) - count // 2) / points
    dx, dy = np.meshgrid(steps, steps)
    own = axes * (psf.pixel / image_pixel)  # one pixel of the PSF
    inverse = np.linalg.inv(own.T)
    ny, nx = psf.light.shape
    place_x = inverse[0, 0] * dx + inverse[0, 1] * dy + (nx - 1) / 2.0
    place_y = inverse[1, 0] * dx + inverse[1, 1] * dy + (ny - 1) / 2.0
    sampled = ndimage.map_coordinates(psf.light, [place_y, place_x], order=3, mode="constant")
    spectrum = fft.fft2(fft.ifftshift(sampled / sampled.sum()))
    size = count // FINER
    low = np.r_[0 : size // 2, count - size // 2 : count]
    spectrum = spectrum[np.ix_(low, low)]
    cycles = fft.fftfreq(size, 1.0 / OVERSAMPLING)
    fx, fy = np.meshgrid(cycles, cycles)
    for along in axes:
        spectrum *= np.sinc(fx * along[0] + fy * along[1])
    ratio = np.conj(spectrum) / (np.abs(spectrum) ** 2 + BOUND) * (1.0 + BOUND)
    kernel = fft.fftshift(fft.ifft2(ratio).real)
    half, middle = REACH * OVERSAMPLING, size // 2
    kernel = kernel[middle - half : middle + half + 1, middle - half : middle + half + 1]
    distance = np.abs(np.arange(-half, half + 1)) / half
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip((distance - 0.75) / 0.25, 0.0, 1.0))
    kernel = kernel * fade[:, None] * fade
    return MatchingKernel(np.ascontiguousarray(np.round(kernel / kernel.sum(), 12)))


def rounded(axes: Floats) -> Floats:
    """Return directions of an image's pixels on the detector as most exposures of one roll share them."""
    return np.round(axes / ROUND) * ROUND
