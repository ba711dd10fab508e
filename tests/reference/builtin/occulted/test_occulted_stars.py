"""Images of stars near a mask: the propagation, its limits far from the mask, and what is left in the middle of it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mirage_dask.reference.builtin import psf_optics as optics
from mirage_dask.reference.builtin.occulted.stars import STEP, lyot_field, occulted_star
from mirage_dask.reference.masks.occulters import ARCSEC, OCCULTERS

SW = {"detector": "NRCA2", "filter": "F212N", "pupil": "MASKRND", "mask": "MASK210R", "place": (712, 1516)}
"""One wavelength: fast."""
PIXELS = 128


@cache
def star(x: float = 0.0, y: float = 0.0):
    return occulted_star(x=x, y=y, **SW)


@pytest.mark.parametrize(
    ("mask", "stop", "wavelength", "offset"),
    [
        ("MASK210R", "MASKRND", 2.12e-6, (0.0, 0.0)),
        ("MASK335R", "MASKRND", 3.35e-6, (0.3, -0.2)),
        ("MASKLWB", "MASKBAR", 4.4e-6, (-2.0, 0.15)),
    ],
)
def test_propagation_is_that_of_plain_transforms(mask, stop, wavelength, offset):
    """By fast transforms of a large array, which sample the mask elsewhere; within 1.5 % of the amplitude."""
    axis = optics.coordinates(PIXELS)
    error = 3e-8 * (axis[None, :] ** 2 - axis[:, None] * axis[None, :])
    found = lyot_field(error, wavelength, occulter=OCCULTERS[mask], offset=offset, stop=stop)
    size = 16 * PIXELS
    field = np.zeros((size, size), complex)
    field[:PIXELS, :PIXELS] = optics.pupil_field(error, wavelength)
    angle = np.fft.fftfreq(size, optics.PUPIL_SIZE / PIXELS) * wavelength / ARCSEC
    passed = OCCULTERS[mask].amplitude(angle[None, :] + offset[0], angle[:, None] + offset[1])
    behind = np.fft.ifft2(np.fft.fft2(field) * passed)[:PIXELS, :PIXELS]
    whole = optics.pupil(PIXELS)
    open_ = np.divide(optics.stopped_pupil(PIXELS, stop), whole, out=np.zeros_like(whole), where=whole > 0)
    light = np.sqrt((np.abs(open_ * field[:PIXELS, :PIXELS]) ** 2).sum())
    assert np.sqrt((np.abs(found - open_ * behind) ** 2).sum()) < 0.015 * light
    assert np.sqrt((np.abs(found) ** 2).sum()) < 0.5 * light


def test_a_star_beyond_the_mask_is_as_any_star_through_the_lyot_stop():
    far = star(3.0, 2.0)
    assert far.throughput == pytest.approx(1.0, abs=1e-3)
    # 0.1916 of the light passes the stop, 0.98 of it within 150 pixels.
    assert 0.97 * 0.1916 < far.library.total_energy < 0.1916


def test_behind_the_middle_of_the_mask_the_peak_is_gone():
    """Measured: 1/700 of the peak, 0.024 of the light within 150 pixels."""
    far, middle = star(3.0, 2.0).library, star().library
    assert middle.profile[0] < far.profile[0] / 500
    assert middle.total_energy < 0.04 * far.total_energy
    assert star().throughput < 0.04


def test_throughput_is_what_the_mask_transmits_where_it_is_smooth():
    """Half at 0.40 arcsec, within what the width of the star's image makes of it."""
    for angle in (0.4, 0.64, 1.0):
        expected = float(OCCULTERS["MASK210R"].amplitude(np.array(0.0), np.array(angle))) ** 2
        assert star(0.0, angle).throughput == pytest.approx(expected, abs=0.03)


def test_places_are_rounded_so_that_equal_pointings_share_an_image():
    assert occulted_star(x=0.3 * STEP, y=-0.4 * STEP, **SW) is occulted_star(x=0.0, y=0.0, **SW)
