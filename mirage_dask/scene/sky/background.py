"""Sky background: one surface brightness for the whole detector.

A number is DN/s per pixel, as in Mirage, and becomes electrons/s with the detector's mean gain. 'low', 'medium' and 'high'
come from a small model that needs no network, and so does the sky of a date:

    I(lambda) = z (S(lambda) + T(lambda)) + stray S(lambda) / S(2 micron)                     [MJy/sr]

- S and T, sunlight scattered by zodiacal dust and its own emission, in the ecliptic 90 degrees from the Sun: `zodiacal`.
- z, the place. On a date it is that of the ecliptic latitude, of the longitude from the Sun and of the Sun's distance
  (Leinert et al. 1998, A&AS 127, 1, table 17; see `zodiacal`).
- For a level, z is 0.74 (135 degrees from the Sun; same table) times a fall with ecliptic latitude b
  (2.44 - 0.0403 |b| + 0.000269 b^2) / 2.44 (Savransky et al. 2010, PASP 122, 401, eq. 16), times 0.95 for low,
  1.0 + 0.1 cos b for medium, 1.05 + 0.3 cos b for high. They stand for Mirage's 10th, 50th and 90th percentile of the days
  of a year on which JWST can look there: those percentiles of the model by date are met at all latitudes within 8 % (low),
  9 % (medium) and 14 % (high).
- stray light 0.05 MJy/sr at 2 micron: half of what was required before launch, a round number for what Rigby et al. (2023,
  PASP 135, 048002) found.

Taken at the pivot wavelength of the filter, it becomes electrons/s with PHOTFNU and the nominal pixel area. Surface
brightness falls on pixels by their area, so the seed multiplies it with the relative pixel area.

Accuracy: against STScI's JWST Backgrounds Tool in its benchmark field (RA 261.6833, Dec -73.3322, ecliptic latitude -50, on
11 April) the model by date gives F070W 0.69, F090W 0.72, F115W 0.81, F150W 0.82, F200W 0.87, F277W 0.76, F356W 0.76, F444W
0.81 of the tool's total; the levels 'low' to 'high' are 0.67 to 1.00 of it. The zodiacal part alone is 0.82 to 1.06 of the
tool's from F115W on, 0.60 and 0.63 in F070W and F090W; the rest is stray light, of which that version of the tool (1.1.2)
has the amount expected before launch, and the components below. Who needs better gives the number.

NOT modelled: Galactic cirrus and the extragalactic background (0.007 to 0.016 MJy/sr in that field); the telescope's own
emission (0.003 in F444W, below 1e-3 elsewhere); gradients and claws; stray light that changes with the date; integration
over the bandpass.
"""

from __future__ import annotations

import math
from datetime import datetime

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import get_detector, get_zeropoint, transmission
from mirage_dask.pointing import date_warning, visibility_at
from mirage_dask.scene.sky.background_tool import tool_brightness
from mirage_dask.scene.sky.zodiacal import scattered_light, thermal_glow, zodiacal_place

LEVELS = ("low", "medium", "high")
MODELS = ("offline", "jwst_backgrounds")
TYPICAL_LATITUDE = 45.0
"""Degrees; where no position is given."""
STRAY_LIGHT = 0.05
"""MJy/sr at 2 micron."""
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
    when: datetime | None = None,
    model: str = "offline",
) -> float:
    """Return the background in electrons/s in a pixel of mean area.

    Parameters
    ----------
    value
        'low', 'medium', 'high', DN/s per pixel, or a surface brightness: '0.2 MJy/sr'.
    detector, filter, pupil
        For the zero point, the pixel area and the gain.
    ra, dec
        ICRS degrees, for the ecliptic latitude of a level; without them a latitude of 45 degrees is taken.
    gain
        Mean gain, e-/DN, where it is not the detector's nominal one.
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
    level = str(value).strip().casefold()
    if model not in MODELS:
        raise InputError(f"There is no background model {model!r}{nearest(model, MODELS) or '.'}")
    if level in LEVELS or level.endswith(BRIGHTNESS):
        zeropoint = get_zeropoint(detector, filter, pupil)
        if level not in LEVELS:
            brightness = _number(level.removesuffix(BRIGHTNESS), value)
        elif when is None:
            latitude = TYPICAL_LATITUDE if ra is None or dec is None else ecliptic_latitude(ra, dec)
            brightness = surface_brightness(zeropoint.pivot, level, latitude=latitude)
        elif ra is None or dec is None:
            raise InputError(f"The background of {when:%Y-%m-%d} needs a position: give ra and dec.")
        else:
            brightness = brightness_on(zeropoint.pivot, ra, dec, when)
            if model == "jwst_backgrounds":
                brightness = tool_brightness(zeropoint.pivot, ra, dec, when) or brightness
        electrons = brightness * 1e-17 * spec.pixel_scale**2 * _ARCSEC2 / zeropoint.photfnu_e
        return electrons * transmission(detector, pupil)
    return _number(value, value) * (spec.gain if gain is None else gain)


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
    scattered = scattered_light(wavelength)
    return factor * place * (scattered + thermal_glow(wavelength)) + _stray_light(scattered)


def brightness_on(wavelength: float, ra: float, dec: float, when: datetime) -> float:
    """Return the sky of a date in MJy/sr: zodiacal light as this module describes it, and stray light.

    Parameters
    ----------
    wavelength
        Micron, 0.5 to 5.5.
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
    sun = visibility_at(ra, dec, when)
    place = zodiacal_place(sun.longitude, sun.latitude, sun_distance=sun.sun_distance)
    scattered = scattered_light(wavelength)
    return place * (scattered + thermal_glow(wavelength)) + _stray_light(scattered)


def ecliptic_latitude(ra: float, dec: float) -> float:
    """Return the ecliptic latitude in degrees of ICRS coordinates in degrees (mean obliquity of J2000)."""
    a, d, e = math.radians(ra), math.radians(dec), math.radians(OBLIQUITY)
    return math.degrees(math.asin(math.sin(d) * math.cos(e) - math.cos(d) * math.sin(e) * math.sin(a)))


def _stray_light(scattered: float) -> float:
    """Light that reaches the detector past the mirrors, MJy/sr, with the colour of scattered sunlight."""
    return STRAY_LIGHT * scattered / scattered_light(2.0)
