"""Light that does not change with the day: stray light, the telescope's own emission, the Galaxy, and all galaxies.

    C(lambda, b) = stray + self-emission + extragalactic + galactic sin(20.17 deg) / sin |b|            [MJy/sr]

- *Stray light*, zodiacal and Galactic light that reaches the detectors past the mirrors: 0.03 MJy/sr at 0.7 micron, 0.06 to
  0.07 from 1 to 2.8 micron, 0.04 beyond. It is that of one field, the benchmark of the Exposure Time Calculator.
- *Self-emission*: the thermal curve v4.0 of STScI's Backgrounds Tool, measured in cycles 1 and 2: 0.05 MJy/sr at 4.4 micron.
- *Extragalactic light*: counts of galaxies, from the visible to 4.5 micron; isotropic. Galaxies that a catalog adds are
  in it, too: 4 % of the sky near 2 micron, 6 % near 3.
- *Galactic light*, of dust and unresolved stars: what the tool has in the benchmark field (Galactic latitude -20.17 degrees)
  beyond the extragalactic light. Other latitudes b as for a plane layer (chosen), those below 10 degrees as at 10.

Values and sources: `data/sky.ecsv`.

NOT modelled: stray light that follows the place, the day or the instrument; clouds and bright regions of the Galaxy; the
Galactic plane, where unresolved stars are many times brighter; a self-emission that changes with the attitude or the years.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments.tables import read_table

GALACTIC_LATITUDE = -20.17
"""Degrees, of the table's Galactic light."""
LEAST_LATITUDE = 10.0
"""Degrees; chosen."""
_POLE_RA, _POLE_DEC = math.radians(192.85948), math.radians(27.12825)  # J2000

Floats = NDArray[np.float64]


@cache
def column(name: str) -> Floats:
    """Return one column of the table of the sky, by wavelength; see `data/sky.ecsv`."""
    return np.array([float(row[name]) for row in read_table("sky", "mirage_dask.scene.sky")])


def stray_light(wavelengths: Floats) -> Floats:
    """Return it in MJy/sr at wavelengths of 0.5 to 5.8 micron."""
    return np.interp(wavelengths, column("wavelength"), column("stray"))


def self_emission(wavelengths: Floats) -> Floats:
    """Return it in MJy/sr at wavelengths of 0.5 to 5.8 micron; linear in the logarithm between those of the table."""
    table = np.log(np.maximum(column("self_emission"), 1e-12))
    return np.exp(np.interp(wavelengths, column("wavelength"), table))


def extragalactic_light(wavelengths: Floats) -> Floats:
    """Return it in MJy/sr at wavelengths of 0.5 to 5.8 micron."""
    return np.interp(wavelengths, column("wavelength"), column("extragalactic"))


def galactic_light(wavelengths: Floats) -> Floats:
    """Return it in MJy/sr at wavelengths of 0.5 to 5.8 micron, where `galactic_place` is 1."""
    return np.interp(wavelengths, column("wavelength"), column("galactic"))


def galactic_place(latitude: float) -> float:
    """Return how bright the Galaxy is at a Galactic latitude in degrees, against that of the table."""
    least, own = (max(abs(b), LEAST_LATITUDE) for b in (latitude, GALACTIC_LATITUDE))
    return math.sin(math.radians(own)) / math.sin(math.radians(least))


def galactic_latitude(ra: float, dec: float) -> float:
    """Return the Galactic latitude in degrees of ICRS coordinates in degrees."""
    a, d = math.radians(ra) - _POLE_RA, math.radians(dec)
    sine = math.sin(d) * math.sin(_POLE_DEC) + math.cos(d) * math.cos(_POLE_DEC) * math.cos(a)
    return math.degrees(math.asin(min(max(sine, -1.0), 1.0)))
