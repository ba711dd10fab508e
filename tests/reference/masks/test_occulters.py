"""What occulting masks transmit, against analytic values and the angles that the observatory publishes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.reference.masks.occulters import OCCULTERS, square_transmission

ROUND = ("MASK210R", "MASK335R", "MASK430R")
BARS = ("MASKSWB", "MASKLWB")
FIRST_ZERO = 3.8317059702
SECOND_ZERO = 7.0155866698


def intensity(name, x, y):
    return OCCULTERS[name].amplitude(np.asarray(x, float), np.asarray(y, float)) ** 2


@pytest.mark.parametrize(("name", "angle"), [("MASK210R", 0.40), ("MASK335R", 0.64), ("MASK430R", 0.81)])
def test_half_of_the_light_passes_a_round_mask_at_its_inner_working_angle(name, angle):
    """JWST User Documentation: 0.40, 0.63 and 0.81 arcsec, 6 lambda / D."""
    assert intensity(name, 0.0, angle - 0.01) < 0.5 < intensity(name, angle + 0.01, 0.0)


@pytest.mark.parametrize("name", ROUND)
def test_round_masks_follow_the_zeros_of_j1(name):
    """All light passes where J1 is zero, 0.983^2 at the ring between its zeros (x = 5.136), all beyond the second."""
    slope = OCCULTERS[name].slope
    assert intensity(name, 0.0, 0.0) < 1e-20
    assert intensity(name, FIRST_ZERO / slope, 0.0) == pytest.approx(1.0, abs=1e-9)
    assert intensity(name, 0.0, 5.1356223 / slope) == pytest.approx((1 - 0.13227948**2) ** 2, abs=1e-6)
    assert intensity(name, SECOND_ZERO / slope, 0.0) == pytest.approx(1.0, abs=1e-9)
    assert intensity(name, 5.0, 5.0) == 1.0


@pytest.mark.parametrize(
    ("name", "narrow", "wide", "sign"), [("MASKSWB", 0.13, 0.39, 1), ("MASKLWB", 0.29, 0.87, -1)]
)
def test_bars_have_their_widths_at_their_ends(name, narrow, wide, sign):
    """JWST User Documentation: where half the light passes, at either end, in arcsec to two digits."""
    for x, half in ((-sign * 9.0, narrow), (sign * 9.0, wide)):
        assert intensity(name, x, half - 0.011) < 0.5 < intensity(name, x, half + 0.011)
    assert intensity(name, 0.0, 0.0) < 1e-20
    assert intensity(name, 10.1, 0.0) == 1.0


@pytest.mark.parametrize("name", OCCULTERS)
@given(x=st.floats(-12, 12), y=st.floats(-4, 4))
def test_masks_are_even_across_and_take_light_where_they_say(name, x, y):
    mask = OCCULTERS[name]
    here = intensity(name, x, y)
    assert here == intensity(name, x, -y)
    assert 0.0 <= here <= 1.0
    if here < 1.0:
        assert bool(mask.covers(np.array(x), np.array(y)))
        assert min(abs(y), np.hypot(x, y)) < mask.reach


def test_squares_dim_by_the_density_of_the_ground_test():
    assert -2.5 * np.log10(square_transmission()) == pytest.approx(6.63, abs=0.01)
