"""Zodiacal light: sunlight scattered by the dust of the solar system, and the dust's own glow.

    Z(lambda, place) = z(place) (S(lambda) + T(lambda))                                       [MJy/sr]

- S, sunlight scattered in the ecliptic, 90 degrees from the Sun: Leinert et al. (1998, A&AS 127, 1), table 19,
  interpolated in log-log; beyond 2.2 micron the shape of a 5800 K black body.
- T, the dust's own emission: a black body of 280 K, scaled to the same table at 4.8 micron.
- z, the place, 1 in the ecliptic 90 degrees from the Sun: their table 17 (500 nm) over its value there, 259; log z is linear
  between the entries. The column of the ecliptic pole, 77, is from the text of their section 8. The cloud is taken as
  symmetric about the Sun's longitude and the ecliptic.
- With the distance R from the Sun to the Earth, in astronomical units, z goes as R^-2.3 (Helios; Leinert et al. 1981, A&A
  103, 177): 8 % between July and January.

NOT modelled: a glow that follows the place otherwise than scattered light does; the tilt of the dust's plane of symmetry
(about 2 degrees: some 10 % over a year at high latitude); dust bands and the circumsolar ring; a colour that changes with
the angle from the Sun (their section 8 has such a change within 90 degrees only).
"""

from __future__ import annotations

import math

import numpy as np

SUN, DUST = 5800.0, 280.0
"""Kelvin."""
_WAVELENGTH = np.array([0.5, 0.7, 0.9, 1.0, 1.2, 2.2])
_SCATTERED = np.array([2.6e-6, 2.0e-6, 1.3e-6, 1.2e-6, 8.1e-7, 1.7e-7])
"""W/m2/sr/micron."""
_AT_4_8 = 1.2e-7
_H_C_OVER_K = 14387.769
"""micron kelvin."""

_LONGITUDES = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180)
_LATITUDES = (0, 5, 10, 15, 20, 25, 30, 45, 60, 75, 90)
_NO = math.nan  # too near the Sun
# Rows: ecliptic longitude from the Sun. Columns: ecliptic latitude, the last one the pole. 1e-8 W/m2/sr/micron at 500 nm.
_TABLE_17 = np.array(
    [
        [_NO, _NO, _NO, 3140, 1610, 985, 640, 275, 150, 100, 77],
        [_NO, _NO, _NO, 2940, 1540, 945, 625, 271, 150, 100, 77],
        [_NO, _NO, 4740, 2470, 1370, 865, 590, 264, 148, 100, 77],
        [11500, 6780, 3440, 1860, 1110, 755, 525, 251, 146, 100, 77],
        [6400, 4480, 2410, 1410, 910, 635, 454, 237, 141, 99, 77],
        [3840, 2830, 1730, 1100, 749, 545, 410, 223, 136, 97, 77],
        [2480, 1870, 1220, 845, 615, 467, 365, 207, 131, 95, 77],
        [1650, 1270, 910, 680, 510, 397, 320, 193, 125, 93, 77],
        [1180, 940, 700, 530, 416, 338, 282, 179, 120, 92, 77],
        [910, 730, 555, 442, 356, 292, 250, 166, 116, 90, 77],
        [505, 442, 352, 292, 243, 209, 183, 134, 104, 86, 77],
        [338, 317, 269, 227, 196, 172, 151, 116, 93, 82, 77],
        [259, 251, 225, 193, 166, 147, 132, 104, 86, 79, 77],
        [212, 210, 197, 170, 150, 133, 119, 96, 82, 77, 77],
        [188, 186, 177, 154, 138, 125, 113, 90, 77, 74, 77],
        [179, 178, 166, 147, 134, 122, 110, 90, 77, 73, 77],
        [179, 178, 165, 148, 137, 127, 116, 96, 79, 72, 77],
        [196, 192, 179, 165, 151, 141, 131, 104, 82, 72, 77],
        [230, 212, 195, 178, 163, 148, 134, 105, 83, 72, 77],
    ]
)
_LOG_PLACE = np.log(_TABLE_17 / 259.0)


def zodiacal_place(longitude: float, latitude: float, *, sun_distance: float = 1.0) -> float:
    """Return how bright the zodiacal light is against that in the ecliptic 90 degrees from the Sun.

    Parameters
    ----------
    longitude
        Ecliptic, from the Sun, degrees; its sign does not matter.
    latitude
        Ecliptic, degrees; its sign does not matter.
    sun_distance
        Astronomical units.

    Returns
    -------
    float
        nan next to the Sun, where the table is empty (within about 15 degrees).
    """
    x, y = abs((longitude + 180.0) % 360.0 - 180.0), abs(latitude)
    i = min(int(np.searchsorted(_LONGITUDES, x, side="right")) - 1, len(_LONGITUDES) - 2)
    j = min(int(np.searchsorted(_LATITUDES, y, side="right")) - 1, len(_LATITUDES) - 2)
    u = (x - _LONGITUDES[i]) / (_LONGITUDES[i + 1] - _LONGITUDES[i])
    v = (y - _LATITUDES[j]) / (_LATITUDES[j + 1] - _LATITUDES[j])
    corners = _LOG_PLACE[i : i + 2, j : j + 2]
    return float(np.exp([1 - u, u] @ corners @ [1 - v, v])) * sun_distance**-2.3


def scattered_light(wavelength: float) -> float:
    """Return S, sunlight scattered in the ecliptic 90 degrees from the Sun, MJy/sr.

    Parameters
    ----------
    wavelength
        Micron, 0.5 to 5.5.
    """
    last = float(_WAVELENGTH[-1])
    if wavelength > last:
        return scattered_light(last) * _black_body(wavelength, SUN) / _black_body(last, SUN)
    table = np.log(_megajansky(_SCATTERED, _WAVELENGTH))
    return float(np.exp(np.interp(math.log(wavelength), np.log(_WAVELENGTH), table)))


def thermal_glow(wavelength: float) -> float:
    """Return T, the dust's own emission in the ecliptic 90 degrees from the Sun, MJy/sr.

    Parameters
    ----------
    wavelength
        Micron, 0.5 to 5.5.
    """
    at_4_8 = _megajansky(_AT_4_8, 4.8) - scattered_light(4.8)
    return at_4_8 * _black_body(wavelength, DUST) / _black_body(4.8, DUST)


def _megajansky(per_micron, wavelength):
    """W/m2/sr/micron to MJy/sr: times lambda^2 / c."""
    return per_micron * wavelength**2 / 2.99792458e14 * 1e20


def _black_body(wavelength: float, temperature: float) -> float:
    """Planck's law per unit frequency, not normalised."""
    return 1.0 / (wavelength**3 * math.expm1(_H_C_OVER_K / (wavelength * temperature)))
