"""Sky background: one surface brightness for the whole detector.

A number is DN/s per pixel, as in Mirage, and becomes electrons/s with the detector's mean gain. 'low', 'medium' and 'high'
come from a small model that needs no network, and so does the sky of a date:

    I(lambda) = z S(lambda) + g T(lambda) + stray + self-emission + extragalactic + Galaxy              [MJy/sr]

- S and T, sunlight scattered by zodiacal dust and its own emission, in the ecliptic 90 degrees from the Sun, and z and g,
  the place, on a date that of the ecliptic latitude, of the longitude from the Sun and of the Sun's distance: `zodiacal`.
- A level is the 10th (low), 50th (medium) or 90th percentile (high) of z S + g T over all longitudes from the Sun at
  which JWST can look at that ecliptic latitude (85 to 135 degrees from the Sun), the Sun at its mean distance: Mirage's
  percentiles of the days of a year. It is within 7 % of the percentile of the model by date.
- The other four do not change with the day: `constant`.

Averaged over the band of the filter (`bands`), it becomes DN/s with PHOTMJSR of the PHOTOM file in use (without one,
PHOTFNU over the nominal pixel area), and electrons/s with the mean gain. Surface brightness falls on pixels by their
area, so the seed multiplies it with the relative pixel area.

Accuracy: docs/settings.md has the comparison with STScI's Exposure Time Calculator in its benchmark field (RA 261.71, Dec
-73.33, ecliptic latitude -50, on 19 June 2026). There the model by date is within 9 % of it in every band; the stray
light and the self-emission are STScI's own, the zodiacal light is not. In fields unlike that one the stray light, a third
of the sky near 2 micron, is the weakest part. Who needs better gives the number.

A detector sees the sky of the reference point of its aperture, evenly; in a mosaic each exposure has its own.

NOT modelled: the gradient of the sky across a detector, at most 3.1 % per degree by this model (in the ecliptic, 85 degrees
from the Sun, F444W): 0.16 % from corner to corner of a detector of NIRCam LW, NIRISS or FGS, 0.08 % of NIRCam SW; claws and
wisps; what `constant`, `zodiacal` and `bands` name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import MEGAJANSKY, get_detector, get_zeropoint, transmission
from mirage_dask.pointing import date_warning, visibility_at
from mirage_dask.pointing.visibility import MAX_SUN_ANGLE, MIN_SUN_ANGLE
from mirage_dask.scene.sky.background_tool import tool_brightness
from mirage_dask.scene.sky.bands import Band, band_of, wavelengths
from mirage_dask.scene.sky.constant import (
    extragalactic_light,
    galactic_latitude,
    galactic_light,
    galactic_place,
    self_emission,
    stray_light,
)
from mirage_dask.scene.sky.zodiacal import Floats, glow_place, scattered_light, thermal_glow, zodiacal_place

PERCENTILES = {"low": 10.0, "medium": 50.0, "high": 90.0}
LEVELS = tuple(PERCENTILES)
MODELS = ("offline", "jwst_backgrounds")
TYPICAL_LATITUDE = 45.0
"""Degrees, ecliptic and Galactic; where no position is given."""
BRIGHTNESS = "mjy/sr"
OBLIQUITY = 23.4393
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
    photmjsr: float | None = None,
    when: datetime | None = None,
    model: str = "offline",
) -> float:
    """Return the background in electrons/s in a pixel of mean area.

    Parameters
    ----------
    value
        'low', 'medium', 'high', DN/s per pixel, or a surface brightness: '0.2 MJy/sr'.
    detector, filter, pupil
        For the band, and for the zero point, the pixel area and the gain where the next ones are not given.
    ra, dec
        ICRS degrees, for the ecliptic and the Galactic latitude of a level; without them both are 45 degrees.
    gain
        Mean gain of the map in use, e-/DN; default the detector's nominal one.
    photmjsr
        Surface brightness of 1 DN/s by the PHOTOM file in use, MJy/sr; default by the tables and the nominal pixel area.
    when
        A date makes every level the sky of that date (Mirage's use_dateobs_for_background); UTC if it has no time
        zone. Numbers stay what they are.
    model
        For a date: 'offline', or 'jwst_backgrounds', STScI's tool, which needs its package and the network; where it
        cannot be had, the offline model stands in and the log says so once.

    Raises
    ------
    InputError
        If the value is neither a level nor a number of 0 or more, if JWST cannot look there on that date, or if a date
        comes without a position.
    """
    spec = get_detector(detector)
    mean_gain = spec.gain if gain is None else gain
    level = str(value).strip().casefold()
    if model not in MODELS:
        raise InputError(f"There is no background model {model!r}{nearest(model, MODELS) or '.'}")
    if level in LEVELS or level.endswith(BRIGHTNESS):
        zeropoint, band = get_zeropoint(detector, filter, pupil), band_of(detector, filter, pupil)
        if level not in LEVELS:
            brightness = _number(level.removesuffix(BRIGHTNESS), value)
        elif when is None:
            latitude = galactic = TYPICAL_LATITUDE
            if ra is not None and dec is not None:
                latitude, galactic = ecliptic_latitude(ra, dec), galactic_latitude(ra, dec)
            brightness = surface_brightness(band, level, latitude=latitude, galactic=galactic)
        elif ra is None or dec is None:
            raise InputError(f"The background of {when:%Y-%m-%d} needs a position: give ra and dec.")
        else:
            brightness = brightness_on(band, ra, dec, when)
            if model == "jwst_backgrounds":
                brightness = tool_brightness(wavelengths(band), ra, dec, when) or brightness
        if photmjsr is None:
            solid_angle = spec.pixel_scale**2 * _ARCSEC2
            photmjsr = zeropoint.photfnu / transmission(detector, pupil) / MEGAJANSKY / solid_angle
        return brightness / photmjsr * mean_gain
    return _number(value, value) * mean_gain


def _number(text: str | float, value: str | float) -> float:
    """Return a number of 0 or more; the background is named as it was given."""
    try:
        number = float(text)
    except (TypeError, ValueError):
        raise InputError(
            f"background {value!r} is neither {', '.join(LEVELS)} nor a number of DN/s per pixel or MJy/sr"
            f"{nearest(str(value), LEVELS) or '.'}"
        ) from None
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"background {value!r} must be a number of DN/s per pixel or MJy/sr, 0 or more.")
    return number


@dataclass(frozen=True)
class BandLight:
    """Means over a band, MJy/sr."""

    scattered: float
    """Zodiacal light, scattered, at its place 1."""
    glow: float
    """Zodiacal light, the dust's own, at its place 1."""
    galactic: float
    """At its place 1."""
    constant: float
    """Stray light, self-emission and extragalactic light."""


@lru_cache(maxsize=256)
def band_light(band: Band) -> BandLight:
    """Return the means of all kinds of light over a band."""
    waves = wavelengths(band)
    constant = stray_light(waves) + self_emission(waves) + extragalactic_light(waves)
    kinds = scattered_light(waves), thermal_glow(waves), galactic_light(waves), constant
    return BandLight(*(float(np.mean(kind)) for kind in kinds))


def surface_brightness(
    band: Band, level: str, *, latitude: float, galactic: float = TYPICAL_LATITUDE
) -> float:
    """Return the sky in MJy/sr, the mean over a band.

    Parameters
    ----------
    band
        Micron, within 0.5 to 5.8; see `mirage_dask.scene.sky.bands`.
    level
        'low', 'medium' or 'high'.
    latitude
        Ecliptic, degrees.
    galactic
        Galactic latitude, degrees.
    """
    light = band_light(band)
    scattered, glow = _places(latitude)
    zodiacal = np.percentile(scattered * light.scattered + glow * light.glow, PERCENTILES[level])
    return float(zodiacal) + light.constant + galactic_place(galactic) * light.galactic


def brightness_on(band: Band, ra: float, dec: float, when: datetime) -> float:
    """Return the sky of a date in MJy/sr, the mean over a band, as this module describes it.

    Parameters
    ----------
    band
        Micron, within 0.5 to 5.8; see `mirage_dask.scene.sky.bands`.
    ra, dec
        ICRS degrees.
    when
        UTC if it has no time zone.

    Raises
    ------
    InputError
        If JWST cannot look there on that date; it names the next date on which it can.
    """
    if warning := date_warning(ra, dec, when):
        raise InputError(f"{warning} Change the date, or give background as a level or a number.")
    sun, light = visibility_at(ra, dec, when), band_light(band)
    place = {"longitude": sun.longitude, "latitude": sun.latitude, "sun_distance": sun.sun_distance}
    zodiacal = zodiacal_place(**place) * light.scattered + glow_place(**place) * light.glow
    return float(zodiacal) + light.constant + galactic_place(galactic_latitude(ra, dec)) * light.galactic


@lru_cache(maxsize=1024)
def _places(latitude: float) -> tuple[Floats, Floats]:
    """Return the places of both kinds of zodiacal light at the longitudes at which JWST can look, one degree apart."""
    longitude = np.arange(0.5, 180.0)
    cosine = np.cos(np.radians(longitude)) * math.cos(math.radians(latitude))
    nearest_sun, farthest = np.cos(np.radians([MIN_SUN_ANGLE, MAX_SUN_ANGLE]))
    seen = longitude[(cosine <= nearest_sun) & (cosine >= farthest)]
    return zodiacal_place(seen, latitude), glow_place(seen, latitude)


def ecliptic_latitude(ra: float, dec: float) -> float:
    """Return the ecliptic latitude in degrees of ICRS coordinates in degrees (mean obliquity of J2000)."""
    a, d, e = math.radians(ra), math.radians(dec), math.radians(OBLIQUITY)
    return math.degrees(math.asin(math.sin(d) * math.cos(e) - math.cos(d) * math.sin(e) * math.sin(a)))
