"""The background: DN/s with the gain, levels from the small sky model."""

from datetime import datetime

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.scene.sky.background import (
    background_rate,
    brightness_on,
    ecliptic_latitude,
    surface_brightness,
)
from mirage_dask.scene.sky.bands import band_of

OPTICS = ("NRCB5", "F444W", "CLEAR")


def test_numbers_are_dn_per_second():
    assert background_rate(0.5, *OPTICS) == 0.5 * get_detector("NRCB5").gain
    assert background_rate("0.5", *OPTICS, gain=2.0) == 1.0
    assert background_rate(0, *OPTICS) == 0


@pytest.mark.parametrize("value", ["lo", "nan", "inf", -1, None])
def test_wrong_values(value):
    with pytest.raises(InputError, match="background"):
        background_rate(value, *OPTICS)
    with pytest.raises(InputError, match="did you mean 'medium'"):
        background_rate("medum", *OPTICS)


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_level_is_surface_brightness_through_the_zero_point(level):
    zp = get_zeropoint(*OPTICS)
    brightness = surface_brightness(band_of(*OPTICS), level, latitude=45.0)
    steradian = (get_detector("NRCB5").pixel_scale / 206264.80625) ** 2
    assert background_rate(level, *OPTICS) == pytest.approx(
        brightness * 1e6 * 1e-23 * steradian / zp.photfnu_e, rel=1e-6
    )


def test_sky_is_darkest_near_3_micron_and_at_the_ecliptic_poles():
    sky = [surface_brightness((w, w), "low", latitude=45.0) for w in (1.2, 2.0, 3.5, 4.8)]
    assert sky[0] > sky[1] > sky[2] < sky[3]
    assert 0.1 < sky[1] < 0.25
    for wavelength in (1.0, 2.0, 4.4):
        levels = [
            surface_brightness((wavelength, wavelength), v, latitude=10.0) for v in ("low", "medium", "high")
        ]
        assert levels == sorted(levels)
        pole, plane = (surface_brightness((wavelength, wavelength), "low", latitude=b) for b in (-80.0, 0.0))
        # At 4.4 micron the pole is as far from the Sun as the warm dust of the plane that low leaves out.
        assert 0.3 < pole / plane < (0.8 if wavelength < 3 else 0.95)


def test_ecliptic_latitude():
    assert ecliptic_latitude(270.0, 66.5607) == pytest.approx(90.0, abs=1e-3)
    assert ecliptic_latitude(90.0, 23.4393) == pytest.approx(0.0, abs=1e-9)
    assert background_rate("low", *OPTICS, ra=90.0, dec=23.4) > background_rate(
        "low", *OPTICS, ra=270.0, dec=66.0
    )


def test_the_mask_stops_the_sky_too():
    clear, masked = (background_rate("medium", "NIS", "F430M", pupil) for pupil in ("CLEARP", "NRM"))
    assert masked == pytest.approx(0.172 * clear)
    assert background_rate("medium", "GUIDER1", "", "") > 5 * background_rate(
        "medium", "NIS", "CLEAR", "F200W"
    )


def test_documentation_says_how_steep_it_is(root):
    """Of the model by date, across a detector and over a degree: at the steepest places of a search over sky and year."""
    steepest = {}
    for filter, detector, day, longitude, latitude in (
        ("F200W", "NRCB1", datetime(2026, 12, 21), 183.0, 12.0),
        ("F444W", "NRCB5", datetime(2026, 12, 21), 354.0, -1.0),
    ):
        band = band_of(detector, filter, "CLEAR")

        def sky(along, up, band=band, day=day, longitude=longitude, latitude=latitude):
            place = SkyCoord(
                longitude + along / np.cos(np.radians(latitude)), latitude + up, unit="deg", frame="barycentricmeanecliptic"
            ).icrs  # fmt: skip
            return brightness_on(band, place.ra.deg, place.dec.deg, day)

        slopes = [(sky(0.02, 0) - sky(-0.02, 0)) / 0.04, (sky(0, 0.02) - sky(0, -0.02)) / 0.04]
        steepest[filter] = 100 * np.hypot(*slopes) / sky(0, 0)
    diagonal = {
        "SW": 0.0182 * 2**0.5,
        "LW": 0.0364 * 2**0.5,
    }  # degrees, 2048 pixels of 0.032 and 0.064 arcsec
    text = (root / "docs" / "settings.md").read_text()
    assert f"at most {steepest['F444W']:.1f} % per degree" in text
    assert f"{steepest['F200W']:.1f} % in\nF200W" in text
    assert f"{steepest['F444W'] * diagonal['LW']:.2f} % from corner to corner" in text
    assert f"({steepest['F444W'] * diagonal['SW']:.2f} % NIRCam SW)" in text
