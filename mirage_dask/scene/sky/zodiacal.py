"""Zodiacal light: sunlight scattered by the dust of the solar system, and the dust's own glow.

    Z(lambda, place) = z(place) S(lambda) + g(place) T(lambda)                                [MJy/sr]

- S, sunlight scattered in the ecliptic, 90 degrees from the Sun: the spectrum of the Sun (ASTM G173-03, `data/sky.ecsv`)
  times a reddening that is linear in log wavelength between 0.5, 1.2 and 2.2 micron, where S is that of Leinert et al.
  (1998, A&AS 127, 1), table 19 (their entries between lie up to 7 % from it), and constant beyond.
- T, the dust's own emission there: a black body of 280 K. At 4.8 micron S + T is 1.1e-7 W/m2/sr/micron: chosen,
  between 1.2e-7 (the same table) and 0.9e-7 (S and the cloud below without its bands and its ring), with which the sky of
  STScI's benchmark field is met best (`background`).
- z, the place for scattered light, 1 in the ecliptic 90 degrees from the Sun: their table 17 (500 nm) over its value
  there, 259; log z is linear between the entries. The column of the ecliptic pole, 77, is from the text of their section
  8. The cloud is taken as symmetric about the Sun's longitude and the ecliptic.
- With the distance R from the Sun to the Earth, in astronomical units, z goes as R^-2.3 (Helios; Leinert et al. 1981, A&A
  103, 177): 8 % between July and January.
- g, the place for the glow, is unlike z: dust away from the Sun is colder and, opposite to it, does not glow brighter. It
  is the smooth cloud of Kelsall et al. (1998, ApJ 508, 44) along the line of sight s at 4.5 micron, B Planck's law,

      g ~ integral r^-1.337 exp(-4.1415 f^0.942) B(286 K r^-0.467) ds
      f = q^2 / 0.3774 for q = |Z| / r < 0.1887, else q - 0.0944

  with r the distance from the Sun and Z that from the ecliptic, to r = 5.2 astronomical units. With the Earth's distance
  it goes as R^-5.9, 22 % between July and January.

NOT modelled: the tilt of the dust's plane of symmetry (about 2 degrees: some 10 % over a year at high latitude); dust
bands and the circumsolar ring; a colour of scattered light that changes with the angle from the Sun (section 8 of Leinert
et al. has such a change within 90 degrees only); how g changes with wavelength (up to 8 % at 3.5 micron, 3 % at 5).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirage_dask.scene.sky.constant import column

Floats = NDArray[np.float64]
DUST = 280.0
"""Kelvin."""
_NODES = np.log([0.5, 1.2, 2.2])
_SCATTERED = np.array([2.6e-6, 8.1e-7, 1.7e-7])
"""W/m2/sr/micron at the nodes."""
_AT_4_8 = 1.1e-7
_H_C_OVER_K = 14387.769
"""micron kelvin."""
_GLOW = 4.5
"""Micron, for the place of the glow."""
_RANGE, _STEPS = 5.2, 120
"""Astronomical units; steps of a line of sight."""

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


def zodiacal_place(longitude: ArrayLike, latitude: float, *, sun_distance: float = 1.0) -> Floats:
    """Return how bright scattered zodiacal light is against that in the ecliptic 90 degrees from the Sun.

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
    Float64 of the shape of `longitude`; nan next to the Sun, where the table is empty (within about 15 degrees).
    """
    return _between(_LOG_PLACE, longitude, latitude) * sun_distance**-2.3


def glow_place(longitude: ArrayLike, latitude: float, *, sun_distance: float = 1.0) -> Floats:
    """Return how bright the glow of the dust is against that in the ecliptic 90 degrees from the Sun.

    Parameters and result are those of `zodiacal_place`; it is finite next to the Sun, too.
    """
    return _between(_log_glow(), longitude, latitude) * sun_distance**-5.9


def _between(log_table: Floats, longitude: ArrayLike, latitude: float) -> Floats:
    """Interpolate a table of logarithms (longitude, latitude)."""
    x, y = np.abs((np.asarray(longitude, float) + 180.0) % 360.0 - 180.0), abs(latitude)
    i = np.minimum(np.searchsorted(_LONGITUDES, x, side="right") - 1, len(_LONGITUDES) - 2)
    j = min(int(np.searchsorted(_LATITUDES, y, side="right")) - 1, len(_LATITUDES) - 2)
    grid = np.asarray(_LONGITUDES, float)
    u = (x - grid[i]) / (grid[i + 1] - grid[i])
    v = (y - _LATITUDES[j]) / (_LATITUDES[j + 1] - _LATITUDES[j])
    rows = log_table[:, j] * (1 - v) + log_table[:, j + 1] * v
    return np.exp(rows[i] * (1 - u) + rows[i + 1] * u)


@cache
def _log_glow() -> Floats:
    """Logarithm of the place of the glow at the longitudes and latitudes of table 17."""
    table = np.array([[_line_of_sight(x, y) for y in _LATITUDES] for x in _LONGITUDES])
    return np.log(table / _line_of_sight(90.0, 0.0))


def _line_of_sight(longitude: float, latitude: float) -> float:
    """Integrate the glow of the smooth cloud; not normalised."""
    x, y = np.radians([longitude, latitude])
    s = 0.02 * np.expm1(np.linspace(0.0, np.log1p(2 * _RANGE / 0.02), _STEPS))
    height = s * np.sin(y)
    r = np.sqrt((1.0 - s * np.cos(y) * np.cos(x)) ** 2 + (s * np.cos(y) * np.sin(x)) ** 2 + height**2)
    q = np.abs(height) / r
    f = np.where(q < 0.1887, q**2 / 0.3774, q - 0.0944)
    density = np.where(r < _RANGE, r**-1.337 * np.exp(-4.1415 * f**0.942), 0.0)
    return float(np.trapezoid(density * _black_body(np.asarray(_GLOW), 286.0 * r**-0.467), s))


def scattered_light(wavelength: ArrayLike) -> Floats:
    """Return S, sunlight scattered in the ecliptic 90 degrees from the Sun, MJy/sr.

    Parameters
    ----------
    wavelength
        Micron, 0.5 to 5.8.
    """
    waves = np.asarray(wavelength, float)
    redness = np.interp(np.log(waves), _NODES, _SCATTERED / _sun(np.exp(_NODES)))
    return _megajansky(_sun(waves) * redness, waves)


def thermal_glow(wavelength: ArrayLike) -> Floats:
    """Return T, the dust's own emission in the ecliptic 90 degrees from the Sun, MJy/sr.

    Parameters
    ----------
    wavelength
        Micron, 0.5 to 5.8.
    """
    at_4_8 = _megajansky(_AT_4_8, np.asarray(4.8)) - scattered_light(4.8)
    return at_4_8 * _black_body(np.asarray(wavelength, float), DUST) / _black_body(np.asarray(4.8), DUST)


def _sun(wavelength: Floats) -> Floats:
    """Irradiance of the Sun, W/m2/micron, linear in log-log between the entries of the table."""
    table = np.log(column("wavelength")), np.log(column("sun"))
    return np.exp(np.interp(np.log(wavelength), *table))


def _megajansky(per_micron: float | Floats, wavelength: Floats) -> Floats:
    """W/m2/sr/micron to MJy/sr: times lambda^2 / c."""
    return np.asarray(per_micron * wavelength**2 / 2.99792458e14 * 1e20)


def _black_body(wavelength: Floats, temperature: float | Floats) -> Floats:
    """Planck's law per unit frequency, not normalised."""
    return np.asarray(1.0 / (wavelength**3 * np.expm1(_H_C_OVER_K / (wavelength * temperature))))
