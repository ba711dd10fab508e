"""The light of a star in circles and rows of pixels, by detector and optics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin import psf_optics
from mirage_dask.reference.builtin.apertures import integrals
from mirage_dask.reference.builtin.psf import (
    WEAK_LENSES,
    blur_of,
    centred_wavefront,
    passband,
    stop_of,
    wavelengths,
)


def encircled_energy(
    radius: NDArray[np.float64], *, detector: str, filter: str, pupil: str = "CLEAR", ipc: float | None = None
) -> NDArray[np.float64]:
    """Return the fraction of a star's light within circles on the detector, by aperture photometry of the built-in PSFs.

    Parameters
    ----------
    radius
        (n,) detector pixels.
    detector, filter, pupil
        As for `psf.build_psf_library`.
    ipc
        Coupling to each edge neighbour; default that of the detector, 0 for images without IPC.

    Returns
    -------
    (n,) float64, in the middle of the detector, mean over sub-pixel positions. About 0.5 s.

    Raises
    ------
    ReferenceFileError, InputError
        As for `psf.build_psf_library`.
    """
    spec = get_detector(detector)
    filter, pupil = filter.strip().upper(), pupil.strip().upper()
    stop = stop_of(pupil)
    waveset = wavelengths(*passband(filter, pupil, instrument=spec.instrument), stop=stop)
    waves = sum(WEAK_LENSES.get(name, 0.0) for name in (filter, pupil))
    pixel, blur = spec.pixel_scale, blur_of(spec)
    error = centred_wavefront(spec, (0.0, 0.0), waves, waveset, stop=stop, pixel=pixel, blur=blur)
    few = waveset[[0, len(waveset) // 2, -1]] if len(waveset) > 3 else waveset
    return integrals.encircled_energy(
        np.asarray(radius, dtype=np.float64) * pixel,
        error,
        few,
        pixel=pixel,
        blur=blur,
        stop=stop,
        ipc=spec.ipc if ipc is None else ipc,
    )


def light_in_rows(
    reach: NDArray[np.float64], *, detector: str, filter: str, pupil: str = "CLEAR"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fraction of a star's light in endless strips of pixels with the star in their middle, without IPC.

    Parameters
    ----------
    reach
        (n,) pixels from the star to both edges of a strip.
    detector, filter, pupil
        As for `psf.build_psf_library`.

    Returns
    -------
    Two (n,) float64, in the middle of the detector: of strips along x, and along y. About 0.5 s.

    Raises
    ------
    ReferenceFileError, InputError
        As for `psf.build_psf_library`.
    """
    spec = get_detector(detector)
    waveset = wavelengths(*passband(filter, pupil, instrument=spec.instrument))
    pixel, blur = spec.pixel_scale, blur_of(spec)
    error = centred_wavefront(spec, (0.0, 0.0), 0.0, waveset, stop="", pixel=pixel, blur=blur)
    along_x, along_y = (
        integrals.light_in_rows(
            np.asarray(reach, dtype=np.float64) * pixel,
            error,
            waveset,
            pixel=pixel,
            blur=blur,
            along_y=along_y,
        )
        for along_y in (False, True)
    )
    return along_x, along_y


def light_along_rows(
    rows: NDArray[np.float64], reach: int, *, detector: str, filter: str, pupil: str = "CLEAR"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the light of a star that lies in rows of pixels is spread along them, without IPC.

    Parameters
    ----------
    rows
        (m,) how many, the star in their middle.
    reach
        Pixels.
    detector, filter, pupil
        As for `psf.build_psf_library`.

    Returns
    -------
    Two (m, 2 reach + 1) float64, rows along x and along y: of the light in the rows, the part in pixels at -reach … reach
    from the star. In the middle of the detector, at the wavelength in the middle of the band; about 0.5 s.
    """
    spec = get_detector(detector)
    waveset = wavelengths(*passband(filter, pupil, instrument=spec.instrument))
    pixel, blur = spec.pixel_scale, blur_of(spec)
    error = centred_wavefront(spec, (0.0, 0.0), 0.0, waveset, stop="", pixel=pixel, blur=blur)
    n, away = len(error), np.arange(-reach, reach + 1) * pixel
    wavelength = waveset[len(waveset) // 2]
    field = np.zeros((2 * n, 2 * n), dtype=np.complex128)
    field[:n, :n] = psf_optics.pupil(n) * np.exp((2j * np.pi / wavelength) * error)
    transfer = np.fft.ifft2(np.abs(np.fft.fft2(field)) ** 2)
    step = psf_optics.PUPIL_SIZE / n / wavelength * psf_optics.ARCSEC  # cycles per arcsec
    k = np.fft.fftfreq(2 * n, 1 / (2 * n)) * step
    smooth = np.sinc(k * pixel) * np.exp(-2 * (np.pi * blur * k) ** 2)
    transfer *= smooth * smooth[:, None]
    strips = np.sinc(rows[:, None] * pixel * k)
    waves = np.exp(-2j * np.pi * np.outer(k, away)) * (step * pixel)
    along_x, along_y = (
        (inside @ waves).real / inside[:, :1].real for inside in (strips @ transfer, strips @ transfer.T)
    )
    return along_x, along_y
