"""The gwcs of an exposure is its `SkyProjection`, anywhere on the sky, and can be written into ASDF."""

from __future__ import annotations

import asdf
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirage_dask.pointing import SkyProjection, attitude_matrix, distortion_from_siaf, radec_to_unit
from mirage_dask.pointing.astropy_models import forward_model, rotation_angles, sky_wcs

ARCSEC = 180.0 * 3600.0 / np.pi
DISTORTION = distortion_from_siaf("NRCB5_FULL", own_inverse=False)


def projection(ra: float, dec: float, roll: float) -> SkyProjection:
    return SkyProjection.of(attitude_matrix(ra, dec, -90.0, -490.0, roll), DISTORTION)


@settings(max_examples=25)
@given(st.floats(0, 359.99), st.floats(-90, 90), st.floats(0, 360), st.integers(0, 1500), st.integers(1, 5))
@example(0.0, 90.0, 0.0, 0, 1)
@example(123.0, -90.0, 77.0, 0, 1)
def test_it_is_the_projection(ra, dec, roll, start, step):
    """To 1e-6 arcsec forwards, and back to the residual of the fitted inverse."""
    ours = projection(ra, dec, roll)
    wcs = sky_wcs(ours, (start, step), (2 * start % 1000, 1), shape=(40, 60))
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(-0.5, 60, 7), np.arange(-0.5, 40, 5)))
    found = wcs(x, y)
    expected = ours.units(np.stack([start + step * x, 2 * start % 1000 + y], axis=-1))
    assert np.abs(radec_to_unit(*found) - expected).max() * ARCSEC < 1e-6
    assert ((found[0] >= 0) & (found[0] < 360)).all()
    back = wcs.invert(*found, with_bounding_box=False)
    assert np.abs(np.stack(back) - [x, y]).max() < 1e-4


def test_angles_are_those_of_the_boresight():
    ra, dec, roll = rotation_angles(attitude_matrix(53.1, -27.8, 0.0, 0.0, 37.5))
    assert (ra, dec, roll) == pytest.approx((53.1, -27.8, 37.5), abs=1e-12)


def test_frames_and_bounds():
    wcs = sky_wcs(projection(53.1, -27.8, 37.5), (0, 1), (0, 1), shape=(40, 60), name="an exposure")
    assert wcs.available_frames == ["detector", "v2v3", "world"]
    assert np.isnan(wcs(-1.0, 5.0)).all()
    assert np.isfinite(wcs(-0.4, 39.4)).all()
    x, y = 12.0, 30.0
    v2, v3 = wcs.get_transform("detector", "v2v3")(x, y)
    assert (v2, v3) == pytest.approx(tuple(map(float, DISTORTION.to_v2v3(np.array(x), np.array(y)))))
    assert forward_model(DISTORTION).inverse(v2, v3) == pytest.approx((x, y), abs=1e-4)
    assert wcs.pixel_to_world(x, y).frame.name == "icrs"


def test_it_can_be_written(tmp_path):
    """Models of astropy and gwcs alone: ASDF holds it, and it is the same afterwards."""
    wcs = sky_wcs(projection(53.1, -27.8, 37.5), (100, 2), (0, 1), shape=(40, 60))
    asdf.AsdfFile({"wcs": wcs}).write_to(tmp_path / "wcs.asdf")
    with asdf.open(tmp_path / "wcs.asdf", lazy_load=False, memmap=False) as file:
        again = file["wcs"]
    assert again(3.0, 7.0) == pytest.approx(wcs(3.0, 7.0), abs=1e-12, rel=0)
    assert again.invert(*wcs(3.0, 7.0)) == pytest.approx((3.0, 7.0), abs=1e-4)
