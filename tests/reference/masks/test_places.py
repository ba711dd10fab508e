"""Masks lie on detectors where pysiaf has them, and dim the light there."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.instruments import get_detector
from mirage_dask.pointing import distortion_from_model, field_name, siaf_model
from mirage_dask.reference.builtin.occulted.transmission_files import STEP, transmission_file
from mirage_dask.reference.files.reading import read_transmission
from mirage_dask.reference.masks.occulters import square_transmission
from mirage_dask.reference.masks.places import places_on

CENTRES = [
    ("NRCA2", "MASKRND", "NRCA2_MASK210R"),
    ("NRCA5", "MASKRND", "NRCA5_MASK335R"),
    ("NRCA5", "MASKRND", "NRCA5_MASK430R"),
    ("NRCA4", "MASKBAR", "NRCA4_MASKSWB"),
    ("NRCA5", "MASKBAR", "NRCA5_MASKLWB"),
]


def siaf():
    return pytest.importorskip("pysiaf").Siaf("NIRCam")


def pixels_of_reference(name):
    """0-based science pixel of the reference point in the full frame, by pysiaf."""
    aperture = siaf()[name]
    full = siaf()[f"{name[:5]}_FULL"]
    x, y = full.det_to_sci(aperture.XDetRef, aperture.YDetRef)
    return float(x) - 1, float(y) - 1


@pytest.mark.parametrize(("detector", "pupil", "name"), CENTRES)
def test_masks_are_where_the_siaf_has_them(detector, pupil, name):
    """Within 0.75 pixel: so much do the SIAF's reference pixels of masks differ from the field behind the wedge."""
    field = distortion_from_model(siaf_model(field_name(detector, pupil))[0], size=2048, orders=(16,))
    found = next(p for p in places_on(detector, pupil) if p.occulter and p.occulter.siaf_name in name)
    x, y = field.to_pixels(np.array(found.place.v2_ref), np.array(found.place.v3_ref))
    expected = pixels_of_reference(name)
    assert (float(x), float(y)) == pytest.approx(expected, abs=0.75)
    zero = found.offsets(np.array(found.place.v2_ref), np.array(found.place.v3_ref))
    assert zero == pytest.approx((0.0, 0.0))


def test_directions_of_a_bar():
    """Filters stand along the bar, the narrow end of MASKLWB at greater x: half the light passes at 0.29 arcsec."""
    narrow, wide = siaf()["NRCA5_MASKLWB_NARROW"], siaf()["NRCA5_MASKLWB_F480M"]
    bar = next(p for p in places_on("NRCA5", "MASKBAR") if p.occulter and p.occulter.siaf_name == "MASKLWB")
    (x0, y0), (x1, y1) = (bar.offsets(np.array(a.V2Ref), np.array(a.V3Ref)) for a in (narrow, wide))
    assert abs(y0) < 0.1
    assert abs(y1) < 0.1
    assert x0 > 7.5 > 0 > x1
    assert bar.occulter.amplitude(x0, np.array(0.29)) ** 2 == pytest.approx(0.5, abs=0.02)


def test_detectors_without_masks_and_other_elements_have_none():
    assert places_on("NRCA1", "MASKRND") == ()
    assert places_on("NRCA5", "CLEAR") == ()
    assert transmission_file("NRCA5", "CLEAR") is None
    assert transmission_file("NRCA1", "MASKRND") is None


def test_file_of_a_detector():
    """One at the subarray for faint targets, the density of the square at that for bright ones, zero behind a mask."""
    path = transmission_file("NRCA5", "MASKRND")
    plane = read_transmission(path, shape=get_detector("NRCA5").array.science_shape)
    for name, least, most in (
        ("NRCA5_TAMASK335R", 0.99 * square_transmission(), 1.01 * square_transmission()),
        ("NRCA5_FSTAMASK335R", 0.999, 1.0),
    ):
        x, y = (round(p) for p in pixels_of_reference(name))
        box = plane[y - 32 : y + 32, x - 32 : x + 32]
        assert least - STEP <= box.min() <= box.max() <= most + STEP
    x, y = (round(p) for p in pixels_of_reference("NRCA5_MASK335R"))
    assert plane[y - 1 : y + 2, x - 1 : x + 2].max() < 0.005
    assert plane[y, x + 40] == pytest.approx(1.0, abs=0.001)
    assert plane[100, 100] == 1.0
    assert plane[y + 200, x] == 0.0  # the holder
    assert transmission_file("NRCA5", "MASKRND") == path
