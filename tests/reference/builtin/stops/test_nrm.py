"""The mask of NIRISS: its holes as the pipeline's analysis has them, and the light of a star behind it."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.instruments import transmission
from mirage_dask.reference.builtin import psf, psf_optics
from mirage_dask.reference.builtin.stops import nrm

NAMES = ("B4", "C2", "B5", "B2", "C1", "B6", "C6")
IMAGE = {
    "B4": (0.0, 2.64), "C2": (2.28631, 0.0), "B5": (-2.28631, 1.32), "B2": (2.28631, -1.32), "C1": (1.14315, -1.98),
    "B6": (-2.28631, -1.32), "C6": (-1.14315, -1.98),
}  # fmt: skip
"""(column, row) of the holes of the mask as built, in metres: what the pipeline's analysis makes of the file."""


def test_holes_are_those_of_the_pipeline():
    """x negated, turned by 90 degrees counter-clockwise, the first axis along rows."""
    for name, (x, y) in zip(NAMES, nrm.HOLES, strict=True):
        designed = np.array([-x, y])
        turned = np.array([[0.0, -1.0], [1.0, 0.0]]) @ designed
        row, column = turned
        assert (column, row) == pytest.approx(IMAGE[name])


def test_light_comes_through_the_holes_alone():
    ideal = ((1.0, 0.0), (0.0, 1.0))
    for x, y in nrm.HOLES:
        assert nrm.transmitted(np.array([x]), np.array([y]), affine=ideal).all()
        # Flats are above and below, corners at the sides.
        assert nrm.transmitted(np.array([x + 0.45]), np.array([y]), affine=ideal).all()
        assert not nrm.transmitted(np.array([x]), np.array([y + 0.45]), affine=ideal).any()
    assert not nrm.transmitted(np.zeros(1), np.zeros(1), affine=ideal).any()
    area = nrm.transmitted(*np.meshgrid(*[np.linspace(-3.4, 3.4, 1701)] * 2), affine=ideal).sum() * 0.004**2
    assert area == pytest.approx(7 * np.sqrt(0.75) * nrm.FLAT_TO_FLAT**2, rel=1e-3)


def test_mask_lets_through_what_is_published():
    """0.15 to 0.17 of the light of the open pupil."""
    assert 0.145 <= transmission("NIS", "NRM") * 0.871 <= 0.17
    whole, stopped = psf_optics.pupil(), psf_optics.stopped_pupil(stop="NRM")
    determinant = np.linalg.det(np.array(nrm.AFFINE))
    assert (stopped**2).sum() * determinant / (whole**2).sum() == pytest.approx(0.150, abs=0.004)


def test_detector_sees_the_mask_sheared():
    """A hole that the detector sees at q is at A q in the nrm."""
    inverse = np.linalg.inv(np.array(nrm.AFFINE))
    for hole in nrm.HOLES:
        x, y = inverse @ np.array(hole)
        assert nrm.transmitted(np.array([x]), np.array([y])).all()
        assert np.hypot(x - hole[0], y - hole[1]) == pytest.approx(0.0, abs=0.04)


def test_a_star_behind_the_mask_is_symmetric():
    """Without wavefront error closure phases are 0: the light is the same turned by 180 degrees, and not mirrored."""
    light = psf_optics.images(
        np.zeros((256, 256)), np.array([4.3e-6]), count=41, step=0.0656, pixel=0.0656, blur=0.02, stop="NRM"
    )
    peak = light.max()
    assert np.abs(light - light[::-1, ::-1]).max() < 1e-9 * peak
    assert np.abs(light - light[::-1]).max() > 0.1 * peak


@pytest.mark.parametrize(("filter_", "least"), [("F380M", 12), ("F430M", 12), ("F480M", 12), ("F277W", 24)])
def test_bands_have_enough_wavelengths(filter_, least):
    band = psf.passband(filter_, "NRM", instrument="NIRISS")
    found = psf.wavelengths(*band, stop="NRM")
    assert len(found) >= least
    assert len(psf.wavelengths(*band, stop="NRM", density=2)) == 2 * len(found)
    # From one wavelength to the next, the path between the farthest holes differs by less than half a wave at the edge.
    path = 5.28 * 49 * 0.0656 * psf_optics.ARCSEC
    assert np.abs(np.diff(path / found)).max() < 0.5


def test_core_holds_the_subarray():
    """From the place of the star in SUB80, (46, 41), no pixel is farther than where core and wings begin to blend."""
    inner = (4 * psf.MASK_FIELD_PIXELS - 1) / 8 - 1 - 6
    assert inner >= 47
