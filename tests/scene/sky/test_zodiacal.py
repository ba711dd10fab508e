"""Zodiacal light by place and date: Leinert's table, STScI's tool in its benchmark field, a year's percentiles."""

from __future__ import annotations

import logging
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.pointing import visibility_at
from mirage_dask.scene.sky import background_tool
from mirage_dask.scene.sky.background import background_rate, brightness_on, surface_brightness
from mirage_dask.scene.sky.background_tool import tool_brightness
from mirage_dask.scene.sky.zodiacal import scattered_light, thermal_glow, zodiacal_place

SETTINGS = Path(__file__).parents[3] / "docs/settings.md"
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


def test_spectrum_is_table_19():
    for wavelength, watts in [(0.5, 2.6e-6), (1.0, 1.2e-6), (2.2, 1.7e-7)]:
        assert scattered_light(wavelength) == pytest.approx(watts * wavelength**2 / 2.99792458e14 * 1e20)
    assert scattered_light(4.8) + thermal_glow(4.8) == pytest.approx(1.2e-7 * 4.8**2 / 2.99792458e14 * 1e20)


def benchmark_rows() -> list[list[str]]:
    """Return the table of the documentation: filter, tool, model, three ratios."""
    lines = SETTINGS.read_text(encoding="utf-8").splitlines()
    return [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("| F")]


@pytest.mark.parametrize("row", benchmark_rows(), ids=lambda row: row[0])
def test_documentation_says_how_good_it_is(row):
    tool, model, *ratios = (float(cell) for cell in row[1:])
    detector = "NRCA1" if row[0] < "F250" else "NRCA5"
    pivot = get_zeropoint(detector, row[0], "CLEAR").pivot
    found = brightness_on(pivot, *BENCHMARK, APRIL)
    levels = [surface_brightness(pivot, level, latitude=-50.0) for level in ("low", "high")]
    assert found == pytest.approx(model, abs=0.0006)
    assert [v / tool for v in (found, *levels)] == pytest.approx(ratios, abs=0.011)


def test_documentation_has_all_wide_filters():
    wide = ["F070W", "F090W", "F115W", "F150W", "F200W", "F277W", "F356W", "F444W"]
    assert [row[0] for row in benchmark_rows()] == wide


@pytest.mark.parametrize("latitude", [0, 10, 20, 30, 45, 60, 75, 90])
def test_levels_are_percentiles_of_a_year(latitude):
    """The zodiacal part of low, medium and high against the days of a year on which JWST can look there."""
    tilt, b = math.radians(23.4393), math.radians(latitude)
    ra = math.degrees(math.atan2(-math.sin(b) * math.sin(tilt), math.cos(b)))
    dec = math.degrees(math.asin(math.sin(b) * math.cos(tilt)))
    year = [visibility_at(ra, dec, datetime(2023, 1, 1) + timedelta(days=d)) for d in range(365)]
    places = [
        zodiacal_place(v.longitude, v.latitude, sun_distance=v.sun_distance) for v in year if v.observable
    ]
    without_stray = scattered_light(2.0) + thermal_glow(2.0)
    levels = [
        (surface_brightness(2.0, v, latitude=latitude) - 0.05) / without_stray
        for v in ("low", "medium", "high")
    ]
    ratios = np.array(levels) / np.percentile(places, [10, 50, 90])
    assert ((ratios > 0.9) & (ratios < 1.15)).all(), ratios


def test_sky_of_a_date():
    place = 150.1, 2.2  # COSMOS, 9 degrees from the ecliptic
    days = [datetime(2022, 1, 1) + timedelta(days=d) for d in range(365)]
    days = [d for d in days if visibility_at(*place, d).observable]
    sky = {d: brightness_on(2.0, *place, d) for d in days}
    dark, bright = min(sky, key=sky.get), max(sky, key=sky.get)
    assert 85 <= visibility_at(*place, bright).sun_angle < 87
    assert visibility_at(*place, dark).sun_angle > 125
    assert 1.2 < sky[bright] / sky[dark] < 1.6


def test_background_rate_by_date():
    by_date = background_rate("low", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1], when=APRIL)
    level = background_rate("low", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1])
    zeropoint = get_zeropoint(*OPTICS)
    expected = brightness_on(zeropoint.pivot, *BENCHMARK, APRIL) / surface_brightness(
        zeropoint.pivot, "low", latitude=-50
    )
    assert by_date / level == pytest.approx(expected, rel=1e-4)
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
    zeropoint = get_zeropoint(*OPTICS)
    rates = [
        background_rate("low", *OPTICS, ra=BENCHMARK[0], dec=BENCHMARK[1], when=APRIL, model=m)
        for m in ("jwst_backgrounds", "offline")
    ]
    assert rates[0] / rates[1] == pytest.approx(0.4 / brightness_on(zeropoint.pivot, *BENCHMARK, APRIL))


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
