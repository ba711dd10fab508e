"""Dragon's breath: stars just outside of an edge, and those outside of NRCB1 and NRCA2, against figures of flight."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mirage_dask.instruments import get_detector
from mirage_dask.planning.light.dragons_breath import breath_of
from mirage_dask.pointing.attitude import attitude_matrix, v2v3_to_unit
from mirage_dask.pointing.siaf import distortion_from_siaf, full_frame_name
from mirage_dask.scene.sources import PointSources

FLUX = 1e6
ATTITUDE = attitude_matrix(80.0, -69.5, -50.0, -490.0, 33.0)


def stars_at(v2, v3, flux=FLUX):
    position = v2v3_to_unit(np.atleast_1d(v2), np.atleast_1d(v3)) @ ATTITUDE
    return PointSources(np.arange(len(position)), position, np.full(len(position), flux))


def light_on(detector, stars, *, factor=1.0):
    distortion = distortion_from_siaf(full_frame_name(detector))
    pack = SimpleNamespace(array=get_detector(detector).array, distortion=distortion)
    image = np.zeros((2048, 2048), np.float32)
    found = breath_of(SimpleNamespace(detector=detector), pack, ATTITUDE, stars, factor)
    for streaks in found:
        streaks.add(image, x0=0, y0=0)
    return image


def beside(detector, x, y):
    """V2, V3 of a pixel."""
    return distortion_from_siaf(full_frame_name(detector)).to_v2v3(np.array([float(x)]), np.array([float(y)]))


@pytest.mark.parametrize(("detector", "part"), [("NRCB4", 0.004), ("NRCA5", 0.015)])
def test_a_star_outside_of_an_edge(detector, part):
    arcsec = 0.0629 if detector.endswith("5") else 0.0312
    at = beside(detector, 2047.5 + 1.9 / arcsec, 700)
    image = light_on(detector, stars_at(*at))
    assert image.sum(dtype=float) == pytest.approx(part * FLUX, rel=0.02)
    rows, columns = np.nonzero(image)
    assert 2047 - 225 <= columns.min() < 2047 - 200
    assert abs(rows.mean() - 700) < 5
    assert light_on(detector, stars_at(*at), factor=0.5).sum(dtype=float) == pytest.approx(
        part * FLUX / 2, rel=0.02
    )
    weaker = light_on(detector, stars_at(*beside(detector, 2047.5 + 3.0 / arcsec, 700)))
    assert 0.3 * image.sum() < weaker.sum() < 0.6 * image.sum()  # (1 - (1.1 / 1.9)^2)^2 = 0.44
    for x, y in ((1000, 1000), (2047.5 + 5 / arcsec, 700), (2047.5 + 1.9 / arcsec, 2200)):
        assert not light_on(detector, stars_at(*beside(detector, x, y))).any(), (x, y)
    assert not light_on(detector, stars_at(*at, flux=50.0)).any()  # too faint for a word


@pytest.mark.parametrize(("lit_from", "behind", "away"), [("NRCB1", "NRCB3", -1), ("NRCA2", "NRCA4", 1)])
def test_a_star_far_outside_makes_a_glint(lit_from, behind, away):
    """12" outside of the outer edge of B1 (at -V2) or A2 (+V2): a glint 6" wide, 45" long on the detector behind."""
    edges = [beside(lit_from, x, 1100) for x in (-0.5, 2047.5)]
    v2, v3 = max(edges, key=lambda edge: away * edge[0][0])
    stars = stars_at(v2 + away * 12.0, v3)
    image = light_on(behind, stars)
    assert image.sum(dtype=float) == pytest.approx(0.02 * FLUX * 45 / 55, rel=0.02)
    columns = np.flatnonzero(image.any(axis=0))
    length = np.ptp(columns) * 0.031
    assert 42 < length < 46
    profile = (image > 0).sum(axis=0)
    assert profile.max() * 0.031 == pytest.approx(6.0, rel=0.1)
    assert light_on(lit_from, stars).sum(dtype=float) == pytest.approx(0.02 * FLUX * 10 / 55, rel=0.05)
    other = "NRCB2" if lit_from == "NRCB1" else "NRCA1"
    assert not light_on(other, stars).any()
    assert not light_on(behind, stars_at(v2 + away * 20.0, v3)).any()
