"""The sky against STScI's Exposure Time Calculator in its benchmark field, band by band, and what it consists of."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.scene.sky.background import (
    background_rate,
    band_light,
    brightness_on,
    ecliptic_latitude,
    surface_brightness,
)
from mirage_dask.scene.sky.bands import band_of, wavelengths
from mirage_dask.scene.sky.constant import galactic_latitude, galactic_place, self_emission

SETTINGS = Path(__file__).parents[3] / "docs/settings.md"
FIELD, DAY = (261.7123, -73.3343), datetime(2026, 6, 19)
CALCULATOR = {
    "NRC F070W": 0.17153,
    "NRC F090W": 0.19479,
    "NRC F115W": 0.22061,
    "NRC F140M": 0.22404,
    "NRC F150W": 0.22196,
    "NRC F150W2": 0.20671,
    "NRC F182M": 0.1994,
    "NRC F200W": 0.18912,
    "NRC F210M": 0.18126,
    "NRC F250M": 0.15761,
    "NRC F277W": 0.13941,
    "NRC F300M": 0.12293,
    "NRC F322W2": 0.13528,
    "NRC F335M": 0.11849,
    "NRC F356W": 0.12983,
    "NRC F360M": 0.12812,
    "NRC F410M": 0.18358,
    "NRC F430M": 0.22226,
    "NRC F444W": 0.28699,
    "NRC F460M": 0.34582,
    "NRC F480M": 0.44963,
    "NIS F090W": 0.19518,
    "NIS F115W": 0.22056,
    "NIS F150W": 0.22208,
    "NIS F200W": 0.189,
    "NIS F277W": 0.14102,
    "NIS F356W": 0.13253,
    "NIS F444W": 0.2903,
    "NIS F480M": 0.43983,
    "GUIDER1": 0.20453,
    "GUIDER2": 0.21156,
}
"""MJy/sr, means over full throughput curves of the spectrum that spacetelescope/pandeia-verification 4cef788 has for the
field (verification_tools/inputs/minzodi_benchmark.fits, August 2025)."""
THERMAL = {
    "NRC F277W": 0.00033928,
    "NRC F300M": 0.00069513,
    "NRC F322W2": 0.0041678,
    "NRC F335M": 0.0031194,
    "NRC F356W": 0.0071368,
    "NRC F360M": 0.007272,
    "NRC F410M": 0.025325,
    "NRC F430M": 0.03753,
    "NRC F444W": 0.055646,
    "NRC F460M": 0.072544,
    "NRC F480M": 0.10302,
    "NIS F277W": 0.00032072,
    "NIS F356W": 0.008023,
    "NIS F380M": 0.01275,
    "NIS F430M": 0.037831,
    "NIS F444W": 0.056593,
    "NIS F480M": 0.10003,
    "GUIDER1": 0.010917,
    "GUIDER2": 0.013258,
}
"""MJy/sr, means over full throughput curves of the thermal curve v4.0 of jwst_backgrounds 1.3.0."""


def optics(name: str) -> tuple[str, str, str]:
    """Return detector, filter and pupil."""
    instrument, _, element = name.partition(" ")
    if not element:
        return name, "", ""
    if instrument == "NIS":
        return ("NIS", element, "CLEARP") if element > "F25" else ("NIS", "CLEAR", element)
    return ("NRCB1" if element < "F25" else "NRCB5"), element, "CLEAR"


@pytest.mark.parametrize("name", CALCULATOR)
def test_sky_of_the_benchmark_field(name):
    """By date within 10 % in every band, 'medium' within 15 %, 'low' (10th percentile of the year there) within 15.5 %."""
    band, expected = band_of(*optics(name)), CALCULATOR[name]
    assert brightness_on(band, *FIELD, DAY) == pytest.approx(expected, rel=0.10)
    places = {"latitude": ecliptic_latitude(*FIELD), "galactic": galactic_latitude(*FIELD)}
    for level in ("low", "medium"):
        assert surface_brightness(band, level, **places) == pytest.approx(
            expected, rel=0.15 if level == "medium" else 0.155
        )


@pytest.mark.parametrize("name", ["NRC F070W", "NRC F200W", "NRC F444W", "NIS F200W", "GUIDER1"])
def test_rate_is_that_of_the_brightness(name):
    """Electrons: brightness x solid angle of the pixel / PHOTFNU, by hand."""
    detector = optics(name)[0]
    steradian = (get_detector(detector).pixel_scale / 206264.80625) ** 2
    flux = CALCULATOR[name] * 1e-17 * steradian / get_zeropoint(*optics(name)).photfnu_e
    found = background_rate("low", *optics(name), ra=FIELD[0], dec=FIELD[1], when=DAY)
    assert found == pytest.approx(flux, rel=0.10)


@pytest.mark.parametrize("name", THERMAL)
def test_self_emission_in_bands(name):
    """A box of half-power edges against full curves: 15 % where the light is 1 % of the sky, 4 % where it matters."""
    element = name.removeprefix("NRC ")
    name = name if name in CALCULATOR or name.startswith("NIS") else f"NRC {element}"
    found = float(np.mean(self_emission(wavelengths(band_of(*optics(name))))))
    assert found == pytest.approx(THERMAL[name], rel=0.04 if THERMAL[name] > 0.02 else 0.15)


def test_guiders_see_a_wide_band():
    """Its mean is 1.30 and 1.38 times the benchmark's sky at the pivot wavelength (0.1576 and 0.1532 MJy/sr there)."""
    for name, pivot, factor in (("GUIDER1", 2.5011, 1.30), ("GUIDER2", 2.5917, 1.38)):
        at_pivot = brightness_on((pivot, pivot), *FIELD, DAY)
        assert brightness_on(band_of(name, "", ""), *FIELD, DAY) / at_pivot == pytest.approx(factor, rel=0.04)


def test_bands():
    assert band_of("NRCA5", "F444W", "CLEAR") == (3.8767, 4.9577)
    assert band_of("NRCB5", "F444W", "CLEAR") == (3.8861, 5.0063)
    assert (
        band_of("NRCB5", "F444W", "F466N") == band_of("NRCB5", "F444W", "F466N".lower()) == (4.6293, 4.6793)
    )
    assert band_of("NRCB5", "F444W", "GRISMR") == band_of("NRCB5", "F444W", "CLEAR")
    assert band_of("NIS", "CLEAR", "F200W") == (1.753, 2.226)
    assert band_of("G1", "NA", "NA") == band_of("GUIDER1", "", "") == (0.614, 5.338)
    inside = wavelengths((1.0, 4.0))
    assert np.allclose(np.diff(np.log(inside)), np.log(4.0) / len(inside))


def test_galactic_latitude():
    """Of the field (its own header: -20.166), and of the Galactic centre and pole."""
    assert galactic_latitude(261.7123259614852, -73.33428482033725) == pytest.approx(-20.166495, abs=1e-4)
    assert galactic_latitude(266.40499, -28.93617) == pytest.approx(0.0, abs=1e-3)
    assert galactic_latitude(192.85948, 27.12825) == pytest.approx(90.0, abs=1e-3)
    assert galactic_place(-20.17) == 1.0
    assert galactic_place(90.0) == pytest.approx(0.3448, abs=1e-4)
    assert galactic_place(0.0) == galactic_place(10.0) == pytest.approx(1.986, abs=1e-3)


def test_stray_light_keeps_its_colour():
    """0.029, 0.064, 0.044 and 0.039 MJy/sr at 0.7, 2.0, 3.56 and 4.4 micron in the benchmark: no colour of the Sun."""
    rest = [band_light((w, w)).constant - float(self_emission(np.array(w))) for w in (0.7, 2.0, 3.56, 4.4)]
    extragalactic = [0.0023, 0.0069, 0.0065, 0.0054]
    stray = np.subtract(rest, extragalactic)
    assert stray == pytest.approx([0.029, 0.064, 0.044, 0.039], abs=0.001)


def benchmark_rows() -> list[list[str]]:
    """Return the table of the documentation: filter, calculator, model, four ratios."""
    lines = SETTINGS.read_text(encoding="utf-8").splitlines()
    return [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("| F")]


@pytest.mark.parametrize("row", benchmark_rows(), ids=lambda row: row[0])
def test_documentation_says_how_good_it_is(row):
    name = {"FGS 1": "GUIDER1", "FGS 2": "GUIDER2"}.get(row[0], f"NRC {row[0]}")
    calculator, model, *ratios = (float(cell) for cell in row[1:])
    assert calculator == pytest.approx(CALCULATOR[name], abs=0.0006)
    band = band_of(*optics(name))
    found = brightness_on(band, *FIELD, DAY)
    places = {"latitude": ecliptic_latitude(*FIELD), "galactic": galactic_latitude(*FIELD)}
    levels = [surface_brightness(band, level, **places) for level in ("low", "medium", "high")]
    assert found == pytest.approx(model, abs=0.0006)
    assert [v / CALCULATOR[name] for v in (found, *levels)] == pytest.approx(ratios, abs=0.006)


def test_documentation_has_all_wide_filters():
    wide = ["F070W", "F090W", "F115W", "F150W", "F200W", "F277W", "F356W", "F444W", "F480M", "FGS 1", "FGS 2"]
    assert [row[0] for row in benchmark_rows()] == wide
