"""The light of a star in circles and rows of pixels, from its wavefront: integrals of the transfer function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from mirage_dask.reference.builtin import psf_optics as optics


def encircled_energy(
    radius: NDArray[np.float64],
    error: NDArray[np.float64],
    wavelengths: NDArray[np.float64],
    *,
    pixel: float,
    blur: float,
    stop: str = "",
    ipc: float = 0.0,
) -> NDArray[np.float64]:
    """Return the fraction of a star's light that aperture photometry on pixels finds within circles around it.

    The mean over positions of the star in its pixel; pixels on the rim are weighted by the area inside, as with
    the method "exact" of photutils. With the transfer function O, the sum over the frequencies k of O(k) R J1(2 pi k R) / k;
    the square pixel enters twice, in the integration of the light and in the weights on the rim.

    Parameters
    ----------
    radius
        (n,) arcsec.
    error, wavelengths, pixel, blur, stop
        As for `psf_optics.images`.
    ipc
        Fraction of a pixel's charge coupled to each of its four edge neighbours.

    Returns
    -------
    (n,) float64.
    """
    n = len(error)
    size, spacing = 2 * n, optics.PUPIL_SIZE / n
    lag_y, lag_x = fft.fftfreq(size, 1 / size)[:, None], np.arange(n)[None, :]
    lag = np.hypot(lag_y, lag_x)
    # The sum depends on |k| only: samples are gathered into rings a quarter of a sample wide.
    ring = np.rint(4 * lag).astype(int)
    twice = np.where(lag_x == 0, 1.0, 2.0)  # the half plane x < 0 mirrors the other
    count = np.bincount(ring.ravel(), minlength=1)
    mean_lag = np.bincount(ring.ravel(), lag.ravel()) / np.maximum(count, 1)
    total = np.zeros(len(radius))
    for wavelength in np.asarray(wavelengths, dtype=np.float64):
        field = np.zeros((size, size), dtype=np.complex128)
        field[:n, :n] = optics.stopped_pupil(n, stop) * optics.phasor(error * (2 * np.pi / wavelength))
        spectrum = fft.fft2(field, overwrite_x=True)
        transfer = fft.rfft2(spectrum.real**2 + spectrum.imag**2)[:, :n].real
        transfer /= transfer[0, 0]
        step = spacing / wavelength * optics.ARCSEC  # cycles per arcsec and lag
        for cycles in (lag_y * step, lag_x * step):
            transfer *= np.sinc(cycles * pixel) ** 2 * np.exp(-2 * (np.pi * blur * cycles) ** 2)
        cosines = np.cos(2 * np.pi * lag_y * step * pixel) + np.cos(2 * np.pi * lag_x * step * pixel)
        transfer *= 1 - 4 * ipc + 2 * ipc * cosines
        weight = np.bincount(ring.ravel(), (transfer * twice).ravel()) * step**2
        k = np.maximum(mean_lag * step, 1e-9)
        total += (radius[:, None] * special.j1(2 * np.pi * np.outer(radius, k)) / k) @ weight
    return total * optics.throughput(stop) / len(wavelengths)


def light_in_rows(
    reach: NDArray[np.float64],
    error: NDArray[np.float64],
    wavelengths: NDArray[np.float64],
    *,
    pixel: float,
    blur: float,
    along_y: bool,
) -> NDArray[np.float64]:
    """Return the fraction of a star's light in endless strips with the star in their middle, in whole pixels as they lie.

    With the transfer function O on the axis across the strip: the integral of O(k) sin(2 pi k h) / (pi k).

    Parameters
    ----------
    reach
        (n,) arcsec from the star to both edges of a strip.
    error, wavelengths, pixel, blur
        As for `psf_optics.images`.
    along_y
        Whether strips lie along y, so that their edges are at distances in x.
    """
    n = len(error)
    total = np.zeros(len(reach))
    for wavelength in np.asarray(wavelengths, dtype=np.float64):
        field = optics.pupil(n) * optics.phasor(error * (2 * np.pi / wavelength))
        spectrum = fft.fft(field, 2 * n, axis=1 if along_y else 0)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0 if along_y else 1)
        transfer = fft.ifft(power)[:n].real
        step = optics.PUPIL_SIZE / n / wavelength * optics.ARCSEC  # cycles per arcsec and lag
        k = np.arange(n) * step
        transfer *= np.sinc(k * pixel) * np.exp(-2 * (np.pi * blur * k) ** 2) * (2 * step / transfer[0])
        total += (2 * reach[:, None] * np.sinc(2 * np.outer(reach, k))) @ transfer - reach * transfer[0]
    return total / len(wavelengths)
