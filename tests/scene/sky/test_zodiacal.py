"""Zodiacal light by place and date: Leinert's tables, Kelsall's cloud, a year's percentiles, STScI's tool."""

from __future__ import annotations

import logging
import math
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.pointing import visibility_at
from mirage_dask.scene.sky import background_tool
from mirage_dask.scene.sky.background import background_rate, brightness_on, surface_brightness
from mirage_dask.scene.sky.background_tool import tool_brightness
from mirage_dask.scene.sky.bands import band_of
from mirage_dask.scene.sky.constant import galactic_latitude
from mirage_dask.scene.sky.zodiacal import glow_place, scattered_light, thermal_glow, zodiacal_place

BENCHMARK = 261.6833, -73.3322
APRIL = datetime(2022, 4, 11)
OPTICS = ("NRCB5", "F444W", "CLEAR")


@pytest.mark.parametrize(
    ("longitude", "latitude", "table"),
    [
        (90, 0, 259),
        (135, 45, 90),
        (-135, -45, 90),
        (225, 45, 90),
        (180, 0, 230),
        (0, 60, 150),
        (75, 75, 82),
        (17, 90, 77),
    ],
)
def test_place_is_table_17(longitude, latitude, table):
    assert zodiacal_place(longitude, latitude) == pytest.approx(table / 259, rel=1e-12)


def test_place_between_the_entries():
    assert zodiacal_place(97.5, 0) == pytest.approx(math.sqrt(259 * 212) / 259)
    assert zodiacal_place(90, 37.5) == pytest.approx(math.sqrt(132 * 104) / 259)
    assert zodiacal_place(90, 82.5) == pytest.approx(math.sqrt(79 * 77) / 259)
    assert math.isnan(zodiacal_place(3, 4))
    assert zodiacal_place(90, 0, sun_distance=0.983) / zodiacal_place(
        90, 0, sun_distance=1.017
    ) == pytest.approx(1.08, abs=0.005)


@pytest.mark.parametrize(
    ("wavelength", "watts", "tolerance"),
    [
        *((0.5, 2.6e-6, 1e-5), (0.7, 2.0e-6, 0.05), (0.9, 1.3e-6, 0.1), (1.0, 1.2e-6, 0.05)),
        *((1.2, 8.1e-7, 1e-5), (2.2, 1.7e-7, 1e-4), (3.5, 5.2e-8, 0.28), (4.8, 1.2e-7, 0.1)),
    ],
)
def test_spectrum_is_table_19(wavelength, watts, tolerance):
    """Leinert et al. (1998), table 19; at 3.5 micron, between scattered and thermal light, the model is 26 % below it."""
    found = scattered_light(wavelength) + thermal_glow(wavelength)
    assert found == pytest.approx(watts * wavelength**2 / 2.99792458e14 * 1e20, rel=tolerance)


def test_scattered_light_has_the_colour_of_the_sun():
    """The Sun is 1.6 times as bright in F_nu at 1.6 as at 2.2 micron (ASTM G173); dust reddens it, by 5 to 25 %."""
    assert 1.6 / 1.25 < scattered_light(1.6) / scattered_light(2.2) < 1.6 / 1.05


@pytest.mark.parametrize(
    ("longitude", "latitude", "expected"), [(90, 90, 0.49), (90, 50, 0.58), (180, 0, 0.31), (135, 45, 0.375)]
)
def test_glow_is_kelsalls_cloud(longitude, latitude, expected):
    """Against a plain sum along the line of sight, with Planck's law at 4.5 micron (Kelsall et al. 1998, table 2)."""

    def cloud(lon, lat):
        s = np.arange(0.0005, 8.0, 0.001)
        lon, lat = np.radians([lon, lat])
        x, y, z = 1 - s * np.cos(lat) * np.cos(lon), s * np.cos(lat) * np.sin(lon), s * np.sin(lat)
        r = np.sqrt(x**2 + y**2 + z**2)
        q, mu = abs(z) / r, 0.18873
        shape = np.exp(-4.14150 * np.where(q < mu, q**2 / (2 * mu), q - mu / 2) ** 0.94206)
        planck = 1 / np.expm1(14387.77 / (4.5 * 286 * r**-0.46686))
        return (r**-1.33707 * shape * planck * (r < 5.2)).sum()

    assert cloud(longitude, latitude) / cloud(90, 0) == pytest.approx(expected, rel=0.02)
    near = min(abs(latitude - x) for x in (0, 45, 90)) == 0  # an entry of the table: nothing is interpolated
    assert glow_place(longitude, latitude) == pytest.approx(
        cloud(longitude, latitude) / cloud(90, 0), rel=0.006 if near else 0.03
    )


def test_glow_follows_the_distance_of_the_sun():
    """R^-5.9: what the cloud gives where both its path and its temperature begin at R."""

    def cloud(distance):
        s = np.arange(0.0005, 8.0, 0.001)
        r = np.sqrt(distance**2 + s**2)
        return (r**-1.337 / np.expm1(14387.77 / (4.5 * 286 * r**-0.467)) * (r < 5.2)).sum()

    expected = cloud(0.983) / cloud(1.017)
    found = glow_place(90, 0, sun_distance=0.983) / glow_place(90, 0, sun_distance=1.017)
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("latitude", [0, 10, 20, 30, 45, 60, 75, 90])
def test_levels_are_percentiles_of_a_year(latitude):
    """Low, medium and high against the percentiles over the days of a year on which JWST can look there."""
    tilt, b = math.radians(23.4393), math.radians(latitude)
    ra = math.degrees(math.atan2(-math.sin(b) * math.sin(tilt), math.cos(b)))
    dec = math.degrees(math.asin(math.sin(b) * math.cos(tilt)))
    days = [datetime(2023, 1, 1) + timedelta(days=d) for d in range(365)]
    days = [day for day in days if visibility_at(ra, dec, day).observable]
    for band in (band_of("NRCB1", "F115W", "CLEAR"), band_of("NRCB5", "F444W", "CLEAR")):
        year = [brightness_on(band, ra, dec, day) for day in days]
        galactic = galactic_latitude(ra, dec)
        levels = [
            surface_brightness(band, v, latitude=latitude, galactic=galactic)
            for v in ("low", "medium", "high")
        ]
        assert levels == pytest.approx(np.percentile(year, [10, 50, 90]), rel=0.07)


def test_sky_of_a_date():
    place = 150.1, 2.2  # COSMOS, 9 degrees from the ecliptic
    days = [datetime(2022, 1, 1) + timedelta(days=d) for d in range(365)]
    days = [d for d in days if visibility_at(*place, d).observable]
    sky = {d: brightness_on((2.0, 2.0), *place, d) for d in days}
    dark, bright = min(sky, key=sky.get), max(sky, key=sky.get)
    assert 85 <= visibility_at(*place, bright).sun_angle < 87
    assert visibility_at(*place, dark).sun_angle > 125
    assert 1.2 < sky[bright] / sky[dark] < 1.6


def test_background_rate_by_date():
    by_date = background_rate("low", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1], when=APRIL)
    level = background_rate("low", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1])
    band = band_of(*OPTICS)
    levels = surface_brightness(band, "low", latitude=-50, galactic=-20.17)
    assert by_date / level == pytest.approx(brightness_on(band, *BENCHMARK, APRIL) / levels, rel=1e-4)
    assert background_rate("high", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1], when=APRIL) == by_date
    zone = APRIL.replace(tzinfo=UTC)
    assert background_rate("low", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1], when=zone) == by_date
    assert background_rate(0.5, *OPTICS, when=APRIL) == background_rate(0.5, *OPTICS)


def test_dates_that_cannot_be():
    with pytest.raises(
        InputError, match=r"45.2 deg from the Sun.*next possible from 2022-07-28.* a level or a number"
    ):
        background_rate("low", *OPTICS, ra=53.1625, dec=-27.7914, when=datetime(2022, 4, 30))
    with pytest.raises(InputError, match="needs a position"):
        background_rate("low", *OPTICS, when=APRIL)
    with pytest.raises(InputError, match="did you mean 'jwst_backgrounds'"):
        background_rate("low", *OPTICS, ra=10, dec=80, when=APRIL, model="jwst_background")


@pytest.fixture
def fresh_tool(monkeypatch):
    """Forget what earlier calls found of the tool; one HEALPix cell for each degree."""
    monkeypatch.setattr(background_tool, "_problems", [])
    background_tool._spectra.cache_clear()
    healpy = ModuleType("healpy")
    healpy.ang2pix = lambda nside, ra, dec, lonlat: int(ra)
    healpy.pix2ang = lambda nside, cell, lonlat: (cell + 0.5, 0.0)
    monkeypatch.setitem(sys.modules, "healpy", healpy)
    yield monkeypatch
    background_tool._spectra.cache_clear()


def install_tool(monkeypatch, background) -> None:
    package, jbt = ModuleType("jwst_backgrounds"), ModuleType("jwst_backgrounds.jbt")
    package.jbt, jbt.background = jbt, background
    monkeypatch.setitem(sys.modules, "jwst_backgrounds", package)
    monkeypatch.setitem(sys.modules, "jwst_backgrounds.jbt", jbt)


def test_tool_is_read(fresh_tool):
    asked = []

    def background(ra, dec, wavelength):
        asked.append((ra, dec))
        calendar = np.array([0, 100, 101, 364])
        total = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.7], [0.8, 0.9]])
        return SimpleNamespace(
            bkg_data={"wave_array": np.array([1.0, 3.0]), "calendar": calendar, "total_bg": total}
        )

    install_tool(fresh_tool, background)
    assert tool_brightness(2.0, 261.6, -73.3, datetime(2022, 4, 12, 23, tzinfo=UTC)) == pytest.approx(0.6)
    assert tool_brightness(1.0, 261.4, -73.3, datetime(2022, 4, 11)) == pytest.approx(0.3)
    assert tool_brightness(1.0, 261.4, -73.3, datetime(2023, 12, 31)) == pytest.approx(0.8)
    assert asked == [(261.5, 0.0)]
    assert tool_brightness([1.0, 2.0], 261.4, -73.3, datetime(2022, 4, 11)) == pytest.approx(0.325)
    rates = [
        background_rate("low", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1], when=APRIL, model=m)
        for m in ("jwst_backgrounds", "offline")
    ]
    assert rates[0] / rates[1] == pytest.approx(0.4 / brightness_on(band_of(*OPTICS), *BENCHMARK, APRIL))


@pytest.mark.parametrize("error", [OSError("no route"), ValueError("damaged"), None])
def test_unreachable_tool_is_said_once(fresh_tool, caplog, error):
    tries = []

    def background(ra, dec, wavelength):
        tries.append(ra)
        if error is None:
            empty = np.empty(0)
            return SimpleNamespace(bkg_data={"wave_array": empty, "calendar": empty, "total_bg": empty})
        raise error

    install_tool(fresh_tool, background)
    rates = [
        background_rate("low", *OPTICS, ra=ra, dec=BENCHMARK[1], when=APRIL, model="jwst_backgrounds")
        for ra in (261.0, 262.0, 263.0)
    ]
    assert rates[0] == background_rate("low", *OPTICS, ra=261.0, dec=BENCHMARK[1], when=APRIL)
    assert tries == [261.5]
    (record,) = (r for r in caplog.records if r.name == background_tool.__name__)
    assert record.levelno == logging.WARNING
    assert "the sky comes from the offline model" in record.getMessage()


def test_missing_tool(fresh_tool, caplog):
    fresh_tool.setitem(sys.modules, "jwst_backgrounds.jbt", None)
    assert tool_brightness(2.0, 10.0, 20.0, APRIL) is None
    assert "mirage_dask[backgrounds]" in caplog.text
