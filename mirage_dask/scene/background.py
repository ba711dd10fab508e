"""Sky background: one surface brightness for the whole detector.

A number is DN/s per pixel, as in Mirage, and becomes electrons/s with the detector's mean gain. 'low', 'medium' and 'high'
come from a small model that needs no network:

    I(lambda) = z (S(lambda) + T(lambda)) + stray S(lambda) / S(2 micron)                     [MJy/sr]

- S, sunlight scattered by zodiacal dust in the ecliptic, 90 degrees from the Sun: Leinert et al. (1998, A&AS 127, 1),
  table 19, interpolated in log-log; beyond 2.2 micron the shape of a 5800 K black body.
- T, the dust's own emission: a black body of 280 K, scaled to the same table at 4.8 micron.
- z, the place: 0.74 (135 degrees from the Sun; same reference, table 17) times a fall with ecliptic latitude b
  (2.44 - 0.0403 |b| + 0.000269 b^2) / 2.44 (Savransky et al. 2010, PASP 122, 401, eq. 16), times the level.
- The levels stand for Mirage's 10th, 50th and 90th percentile of a year: 0.95, 1.0 + 0.1 cos b, 1.05 + 0.3 cos b. JWST
  looks 85 to 135 degrees away from the Sun, in which range table 17 changes by a third in the ecliptic and a few
  percent at its poles.
- stray light 0.05 MJy/sr at 2 micron: half of what was required before launch, a round number for what Rigby et al. (2023,
  PASP 135, 048002) found.

Taken at the pivot wavelength of the filter, it becomes electrons/s with PHOTFNU and the nominal pixel area. Surface
brightness falls on pixels by their area, so the seed multiplies it with the relative pixel area.

Accuracy: about 30 % below 4 micron, 50 % beyond, where T is steep. Who needs better gives the number.

NOT modelled: the day of the year and the angle from the Sun; Galactic cirrus and the extragalactic background; the
telescope's own emission (below 1e-3 MJy/sr for these filters); gradients and claws; integration over the bandpass.
"""

from __future__ import annotations

import math

import numpy as np

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import get_detector, get_zeropoint, transmission

LEVELS = ("low", "medium", "high")
TYPICAL_LATITUDE = 45.0
"""Degrees; where no position is given."""
STRAY_LIGHT = 0.05
"""MJy/sr at 2 micron."""
OBLIQUITY = 23.4393
_WAVELENGTH = np.array([0.5, 0.7, 0.9, 1.0, 1.2, 2.2])
_SCATTERED = np.array([2.6e-6, 2.0e-6, 1.3e-6, 1.2e-6, 8.1e-7, 1.7e-7])
"""W/m2/sr/micron."""
_AT_4_8 = 1.2e-7
_SUN, _DUST = 5800.0, 280.0
_H_C_OVER_K = 14387.769
"""micron kelvin."""
_ARCSEC2 = (math.pi / 180.0 / 3600.0) ** 2


def background_rate(
    value: str | float,
    detector: str,
    filter: str,
    pupil: str,
    *,
    ra: float | None = None,
    dec: float | None = None,
    gain: float | None = None,
) -> float:
    """Return the background in electrons/s in a pixel of mean area.

    Parameters
    ----------
    value
        'low', 'medium', 'high', or DN/s per pixel.
    detector, filter, pupil
        For the zero point, the pixel area and the gain.
    ra, dec
        ICRS degrees, for the ecliptic latitude of a level; without them a latitude of 45 degrees is taken.
    gain
        Mean gain, e-/DN, where it is not the detector's nominal one.

    Raises
    ------
    InputError
        If the value is neither a level nor a number of 0 or more.
    """
    spec = get_detector(detector)
    level = str(value).strip().casefold()
    if level in LEVELS:
        latitude = TYPICAL_LATITUDE if ra is None or dec is None else ecliptic_latitude(ra, dec)
        zeropoint = get_zeropoint(detector, filter, pupil)
        brightness = surface_brightness(zeropoint.pivot, level, latitude=latitude)
        electrons = brightness * 1e-17 * spec.pixel_scale**2 * _ARCSEC2 / zeropoint.photfnu_e
        return electrons * transmission(detector, pupil)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"background {value!r} is neither {', '.join(LEVELS)} nor a number of DN/s per pixel"
            f"{nearest(level, LEVELS) or '.'}"
        ) from None
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"background {value!r} must be a number of DN/s per pixel, 0 or more.")
    return number * (spec.gain if gain is None else gain)


def surface_brightness(wavelength: float, level: str, *, latitude: float) -> float:
    """Return the sky in MJy/sr.

    Parameters
    ----------
    wavelength
        Micron, 0.5 to 5.5.
    level
        'low', 'medium' or 'high'.
    latitude
        Ecliptic, degrees.
    """
    b = abs(latitude)
    c = math.cos(math.radians(b))
    factor = {"low": 0.95, "medium": 1.0 + 0.1 * c, "high": 1.05 + 0.3 * c}[level]
    place = 0.74 * (2.44 - 0.0403 * b + 0.000269 * b * b) / 2.44
    scattered = _scattered(wavelength)
    at_4_8 = _megajansky(_AT_4_8, 4.8) - _scattered(4.8)
    thermal = at_4_8 * _black_body(wavelength, _DUST) / _black_body(4.8, _DUST)
    return factor * place * (scattered + thermal) + STRAY_LIGHT * scattered / _scattered(2.0)


def ecliptic_latitude(ra: float, dec: float) -> float:
    """Return the ecliptic latitude in degrees of ICRS coordinates in degrees (mean obliquity of J2000)."""
    a, d, e = math.radians(ra), math.radians(dec), math.radians(OBLIQUITY)
    return math.degrees(math.asin(math.sin(d) * math.cos(e) - math.cos(d) * math.sin(e) * math.sin(a)))


def _scattered(wavelength: float) -> float:
    """Scattered sunlight in the ecliptic, 90 degrees from the Sun, MJy/sr."""
    last = float(_WAVELENGTH[-1])
    if wavelength > last:
        return _scattered(last) * _black_body(wavelength, _SUN) / _black_body(last, _SUN)
    table = np.log(_megajansky(_SCATTERED, _WAVELENGTH))
    return float(np.exp(np.interp(math.log(wavelength), np.log(_WAVELENGTH), table)))


def _megajansky(per_micron, wavelength):
    """W/m2/sr/micron to MJy/sr: times lambda^2 / c."""
    return per_micron * wavelength**2 / 2.99792458e14 * 1e20


def _black_body(wavelength: float, temperature: float) -> float:
    """Planck's law per unit frequency, not normalised."""
    return 1.0 / (wavelength**3 * math.expm1(_H_C_OVER_K / (wavelength * temperature)))
