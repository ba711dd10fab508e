"""The light of a star in circles and rows of pixels, by detector and optics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector
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
