"""Encircled energy and wavefront of the built-in PSFs against figures of the telescope in flight."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin import psf, psf_optics
from mirage_dask.reference.builtin.apertures import integrals

RADII = np.array([0.1, 0.2, 0.3])
"""arcsec."""
FLIGHT = {
    "F090W": (0.755, 0.835, 0.889),
    "F115W": (0.776, 0.844, 0.882),
    "F150W": (0.750, 0.839, 0.878),
    "F200W": (0.701, 0.832, 0.875),
    "F277W": (0.677, 0.823, 0.850),
    "F444W": (0.557, 0.703, 0.822),
}
"""Encircled energy of stpsf with a wavefront measured in flight, no pixel, no IPC: JWST User Documentation, NIRCam Point
Spread Functions, table "ETCv2"."""


def energy(detector, filter):
    """Within `RADII`, without pixel, IPC and charge diffusion."""
    spec = get_detector(detector)
    waveset = psf.wavelengths(*psf.passband(filter))
    error = psf_optics.wavefront(detector, spec.wavefront_rms)
    return integrals.encircled_energy(RADII, error, waveset, pixel=0.0, blur=psf_optics.JITTER)


@pytest.mark.parametrize(("filter", "detector"), [
    ("F090W", "NRCB1"), ("F115W", "NRCB1"), ("F150W", "NRCB1"), ("F200W", "NRCB1"),
    ("F277W", "NRCB5"), ("F444W", "NRCB5"),
])  # fmt: skip
def test_encircled_energy_is_that_of_flight(filter, detector):
    """Each of the 18 numbers within 0.02."""
    np.testing.assert_allclose(energy(detector, filter), FLIGHT[filter], atol=0.02)


def test_one_telescope_for_all():
    """Differences between detectors are low Zernike terms alone: what terms 1 to 11 do not hold is the same everywhere."""
    from poppy import zernike

    axis = psf_optics.coordinates()
    radius, angle = np.hypot(axis[None, :], axis[:, None]), np.arctan2(axis[:, None], axis[None, :])
    lit = psf_optics.pupil() > 0.5
    terms = [
        zernike.zernike(*zernike.noll_indices(j), rho=radius, theta=angle, outside=0.0) for j in range(1, 12)
    ]
    basis = np.array([term[lit] for term in terms]).T
    rest = []
    for detector in ("NRCA1", "NRCB5", "NIS", "GUIDER2"):
        error = psf_optics.wavefront(detector, get_detector(detector).wavefront_rms)[lit]
        rest.append(error - basis @ np.linalg.lstsq(basis, error, rcond=None)[0])
    for other in rest[1:]:
        assert np.abs(other - rest[0]).max() < 1e-12
    # Observatory level at NIRCam: 60 to 80 nm (JWST User Documentation, Optics Performance and Stability).
    assert 60e-9 < get_detector("NRCA1").wavefront_rms < 80e-9


def test_jitter_and_weak_lenses():
    """0.8 mas (stpsf, constants.py); waves from peak to valley at 2.12 micron, JWST-REF-046515, mean over the field."""
    assert pytest.approx(0.0008) == psf_optics.JITTER
    lit = psf_optics.pupil() > 0.5
    # The rim of the pupil lies 0.5 % inside of the unit circle, and its middle is dark.
    radius = np.hypot(*np.meshgrid(psf_optics.coordinates(), psf_optics.coordinates()))[lit]
    for name, waves in {"WLP4": 3.885, "WLP8": 7.775, "WLM8": -7.80}.items():
        lens = psf_optics.defocus(psf.WEAK_LENSES[name])[lit] / 2.12e-6
        power = np.polyfit(radius**2, lens, 1)[0]
        assert power == pytest.approx(waves, rel=0.01)
