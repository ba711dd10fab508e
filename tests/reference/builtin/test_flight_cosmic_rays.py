"""Cosmic rays as JWST has measured them: their rate by date, their charge, and that nothing else of the libraries changed.

Figures from flight: Rauscher & Fixsen 2025, PASP 137, 095003 (NIRSpec's H2RG detectors, material of 5.4 micron).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from support.simulated import FULL_LW

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import cosmic_ray_flux, cosmic_ray_library, cosmic_ray_rate, get_detector
from mirage_dask.reference.builtin.cosmic_rays import stamps
from mirage_dask.reference.sources import cosmic_ray_library_files
from mirage_dask.spec import Window

CM2 = 18e-4**2
ACTIVE = 13.48
"""cm2 of the 2040 x 2040 pixels that see light, as the source has it."""


@pytest.mark.parametrize(
    ("date", "flux"),
    [
        (datetime(2021, 12, 25), 4.3),
        (datetime(2022, 7, 2), 4.3),
        (datetime(2023, 7, 2, 12), 3.5),  # 2023.5: 1 of 2.5 years from 4.3 to 2.3
        (datetime(2025, 1, 1), 2.3),
        (datetime(2025, 12, 31), 2.3),
        (datetime(2027, 2, 7), 4.3),
        (datetime(2029, 7, 20), 5.15),  # half-way
        (datetime(2032, 1, 1), 6.0),
        (datetime(2040, 1, 1), 6.0),
    ],
)
def test_rate_by_date(date, flux):
    assert cosmic_ray_flux(date) == pytest.approx(flux, abs=0.01)
    assert cosmic_ray_flux(date.replace(tzinfo=UTC)) == cosmic_ray_flux(date)
    assert cosmic_ray_rate("flight", date) / CM2 == pytest.approx(flux, abs=0.01)


def test_hits_on_a_detector():
    """58, 31 and 81 per second on 13.48 cm2."""
    pixels = 2040**2
    assert pixels * CM2 == pytest.approx(ACTIVE, abs=0.005)
    rates = [cosmic_ray_rate("FLIGHT", datetime(year, 7, 2)) * pixels for year in (2022, 2025, 2033)]
    assert rates == pytest.approx([58, 31, 81], abs=0.5)
    with pytest.raises(InputError, match="needs a date"):
        cosmic_ray_rate("FLIGHT")


@cache
def library(detector: str) -> np.ndarray:
    """Return the 10,000 stamps."""
    return np.concatenate([stamps("FLIGHT", get_detector(detector), index) for index in range(10)])


@pytest.mark.parametrize("detector", ["NRCA5", "NRCB5", "NIS", "GUIDER1", "GUIDER2"])
def test_charge_in_5_micron_material(detector):
    """A typical hit leaves 6 keV, 5,200 e-, in 7.1 pixels; both within 5 %, 10,000 hits (1 % of statistics)."""
    image = library(detector)
    assert np.median(image.sum(axis=(1, 2))) == pytest.approx(5200, rel=0.05)
    assert (image > 0).sum(axis=(1, 2)).mean() == pytest.approx(7.1, rel=0.05)


def test_charge_in_short_wave_material():
    """Fewer electrons for the same energy: 1.15 eV in one, 1.9 eV in the other material."""
    medians = [np.median(library(name).sum(axis=(1, 2))) for name in ("NRCB1", "NRCB5")]
    assert medians[1] / medians[0] == pytest.approx(1.9 / 1.15, rel=0.03)


@pytest.mark.parametrize(
    ("name", "detector", "digest"),
    [
        ("SUNMIN", "NRCB1", "e4a6aab2379dc301"),
        ("SUNMIN", "NRCA5", "563d650dcd9c3319"),
        ("SUNMIN", "NIS", "9fa8cc60fb16fad2"),
        ("SUNMAX", "NRCB1", "667b71164b87d7ba"),
        ("SUNMAX", "GUIDER2", "b0aa3cde556b9ecc"),
        ("FLARE", "NRCA5", "7a0df2e505b9b82e"),
    ],
)
def test_the_other_libraries_are_what_they_were(name, detector, digest):
    """The bits before FLIGHT came."""
    data = stamps(name, get_detector(detector), 3).tobytes()
    assert hashlib.blake2b(data, digest_size=8).hexdigest() == digest


def test_files_are_always_the_built_in_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRAGE_DATA", str(tmp_path))
    paths, source = cosmic_ray_library_files(["mirage_data"], detector="NRCB5", library="flight")
    assert source == "builtin"
    assert [path.name for path in paths[:2]] == [f"CRs_FLIGHT_0{i}_NIRCam_B5.fits" for i in range(2)]
    assert cosmic_ray_library("Flight") == "FLIGHT"


@pytest.mark.parametrize(("date", "flux"), [("2022-07-02", 4.3), ("2023-07-02", 3.5), ("2025-06-01", 2.3)])
def test_hits_of_an_exposure(date, flux):
    """Pixels with charge in the last group over the mean pixels of a hit: within 4 sigma and 1 % (overlaps)."""
    source = md.example_proposal()
    proposal = md.open_proposal(
        source, settings=source.with_name("settings.yaml"), cosmic_rays="flight", dates=date
    )
    plan = proposal.prepare([FULL_LW])
    spec = plan.spec(plan.row(FULL_LW))
    assert (spec.cosmic_ray_library, spec.cosmic_ray_rate) == ("FLIGHT", pytest.approx(flux * CM2, rel=0.002))
    window = Window.whole(spec)
    found = simulate_window(spec, open_references(spec, plan.url), window, want=("cosmic_rays",))
    charged = np.count_nonzero(found["cosmic_rays"][0, -1])
    pixels = (library("NRCB5") > 0).sum(axis=(1, 2))
    frames = spec.ngroups * spec.nframes + (spec.ngroups - 1) * spec.groupgap
    expected = flux * ACTIVE * spec.tframe * frames
    sigma = np.sqrt(expected * np.mean(pixels**2)) / pixels.mean()
    assert abs(charged / pixels.mean() - expected) < 4 * sigma + 0.01 * expected
