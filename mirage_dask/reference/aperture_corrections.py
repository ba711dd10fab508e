"""How much of a star's light falls into a circle: the table that the pipeline's source catalogues are corrected with.

Modelled: a circular pupil with a central hole (of JWST's collecting area), residual wavefront error as a loss of contrast
at all but the lowest spatial frequencies, charge diffusion, the square pixel (as a Gaussian of the same variance), one
wavelength per filter. With the transfer function O at the spatial frequency k, the light within the radius R is

    E(R) = 2 pi R  integral of O(k) J1(2 pi k R) dk

NOT modelled: diffraction spikes (a circle averages over them), the width of the bandpass, colour.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.reference.crds_rules import optics_of

DIAMETER, HOLE = 5.9, 1.4
"""m; the area between them is JWST's 25.4 square metres (JWST User Documentation, Telescope) and a little for struts."""
WAVEFRONT = {"SHORT": 75e-9, "LONG": 110e-9}
"""rms, m: typical of NIRCam in flight (Rigby et al. 2023, PASP 135, 048001)."""
DIFFUSION = {"SHORT": 0.0062, "LONG": 0.018}
"""Charge diffusion, arcsec, 1 sigma (stpsf, fits to flight PSFs)."""
FRACTIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9])
_ARCSEC = np.pi / 180.0 / 3600.0


@cache
def _transfer() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transfer function of the bare pupil: (lag in m, value), along one axis."""
    n = 512
    step = 2.0 * DIAMETER / n
    axis = (np.arange(n) - n // 2) * step
    radius = np.hypot(axis[:, None], axis[None, :])
    pupil = ((radius <= DIAMETER / 2) & (radius >= HOLE / 2)).astype(float)
    power = np.abs(fft.fft2(pupil)) ** 2
    correlation = np.asarray(fft.ifft2(power).real[0, : n // 2], dtype=np.float64)
    return np.arange(n // 2, dtype=np.float64) * step, correlation / correlation[0]


def encircled_energy(
    radius: NDArray[np.float64], *, wavelength: float, channel: str, pixel: float
) -> NDArray[np.float64]:
    """Return the fraction of a star's light within circles.

    Parameters
    ----------
    radius
        (n,) arcsec.
    wavelength
        m.
    channel
        'SHORT' or 'LONG'.
    pixel
        arcsec.
    """
    lag, bare = _transfer()
    lags = np.linspace(0.0, lag[-1], 700)
    k = lags / wavelength * _ARCSEC  # cycles per arcsec
    contrast = np.exp(-((2 * np.pi * WAVEFRONT[channel] / wavelength) ** 2))
    error = contrast + (1.0 - contrast) * np.exp(-lags / (0.1 * DIAMETER))
    variance = DIFFUSION[channel] ** 2 + pixel**2 / 12.0
    transfer = np.interp(lags, lag, bare) * error * np.exp(-2.0 * np.pi**2 * variance * k**2)
    bessel = special.j1(2.0 * np.pi * np.outer(radius, k))
    return 2.0 * np.pi * radius * np.trapezoid(bessel * transfer, k, axis=1)


@cache
def aperture_corrections() -> NDArray[np.void]:
    """Return the table APCORR of all optics: radii and sky annuli in pixels, 1 / (fraction - sky's share of it).

    The star's own light in the sky annulus is subtracted with the sky; the correction puts it back.
    """
    kind = [("filter", "S12"), ("pupil", "S15")]
    kind += [(n, "f4") for n in ("eefraction", "radius", "apcorr", "skyin", "skyout")]
    rows = []
    seen: set[tuple[str, str]] = set()
    for name, filter_, pupil in optics_of():
        if (filter_, pupil) in seen:
            continue
        seen.add((filter_, pupil))
        detector = get_detector(name)
        wavelength = get_zeropoint(name, filter_, pupil).pivot * 1e-6
        grid = np.geomspace(0.2, 60.0, 70)  # pixels
        energy = np.maximum.accumulate(
            encircled_energy(
                grid * detector.pixel_scale,
                wavelength=wavelength,
                channel=detector.channel,
                pixel=detector.pixel_scale,
            )
        )
        radii = np.interp(FRACTIONS, energy, grid)
        sky_in, sky_out = (float(np.interp(e, energy, grid)) for e in (0.92, 0.95))
        sky_out = max(sky_out, sky_in + 2.0)
        inner, outer = np.interp([sky_in, sky_out], grid, energy)
        per_area = (outer - inner) / (sky_out**2 - sky_in**2)
        for fraction, radius in zip(FRACTIONS, radii, strict=True):
            correction = 1.0 / (fraction - per_area * radius**2)
            rows.append((filter_, pupil, fraction, radius, correction, sky_in, sky_out))
    return np.array(rows, dtype=kind)
