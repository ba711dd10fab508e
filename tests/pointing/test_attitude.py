"""Attitude: against pysiaf, against the pipeline's definition of ROLL_REF, against Mirage's tables."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.errors import InputError
from mirage_dask.pointing import (
    aperture,
    attitude_matrix,
    footprint,
    local_roll,
    radec_to_unit,
    reference_point,
    roll_at,
    unit_to_radec,
    unit_to_v2v3,
    v2v3_to_unit,
)
from mirage_dask.pointing.attitude import _rotation

right_ascension = st.floats(0, 359.999999)
declination = st.floats(-89.9, 89.9)
arcsec = st.floats(-700, 700)
angle = st.floats(0, 360)


@given(right_ascension, declination)
def test_sky_round_trip(ra, dec):
    back = unit_to_radec(radec_to_unit(ra, dec))
    assert abs((back[0][0] - ra + 180) % 360 - 180) * np.cos(np.radians(dec)) < 1e-12
    assert back[1][0] == pytest.approx(dec, abs=1e-12)


@given(arcsec, arcsec)
def test_telescope_round_trip(v2, v3):
    back = unit_to_v2v3(v2v3_to_unit(v2, v3))
    assert back[0][0] == pytest.approx(v2, abs=1e-8)
    assert back[1][0] == pytest.approx(v3, abs=1e-8)


@given(right_ascension, declination, arcsec, arcsec, angle)
def test_attitude_is_the_rotation_that_puts_the_target(ra, dec, v2, v3, roll):
    matrix = attitude_matrix(ra, dec, v2, v3, roll)
    assert np.abs(matrix @ matrix.T - np.eye(3)).max() < 1e-14
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert np.abs(matrix @ radec_to_unit(ra, dec)[0] - v2v3_to_unit(v2, v3)[0]).max() < 1e-14


@given(right_ascension, declination, arcsec, arcsec, angle)
def test_attitude_agrees_with_pysiaf(ra, dec, v2, v3, roll):
    aperture("NRCB1_FULL")  # imports pysiaf quietly
    from pysiaf.utils.rotations import attitude

    theirs = attitude(v2, v3, ra, dec, local_roll(ra, dec, v2, v3, roll))
    assert np.abs(theirs - attitude_matrix(ra, dec, v2, v3, roll).T).max() < 1e-14


@given(right_ascension, st.floats(-80, 80), angle, arcsec, arcsec)
def test_roll_ref_defines_the_same_attitude(ra, dec, roll, v2, v3):
    """The pipeline rebuilds the attitude from RA_REF, DEC_REF, ROLL_REF, V2_REF, V3_REF: it must be ours."""
    ours = attitude_matrix(ra, dec, -82.287, -496.206, roll)
    ra_ref, dec_ref = unit_to_radec(v2v3_to_unit(v2, v3) @ ours)
    rebuilt = _rotation(2, ra_ref[0]) @ _rotation(1, -dec_ref[0]) @ _rotation(0, -roll_at(ours, v2, v3))
    rebuilt = rebuilt @ _rotation(1, v3 / 3600) @ _rotation(2, -v2 / 3600)
    assert np.abs(rebuilt.T - ours).max() < 1e-13


def test_roll_is_that_of_the_local_north():
    """A point a little along increasing V3 lies at the position angle `roll_at` on the sky."""
    from astropy.coordinates import SkyCoord

    matrix = attitude_matrix(53.1, -27.8, -82.287, -496.206, 37.5)
    ra, dec = unit_to_radec(v2v3_to_unit([-122.0, -122.0], [-457.0, -456.0]) @ matrix)
    points = SkyCoord(ra, dec, unit="deg")
    assert points[0].position_angle(points[1]).deg == pytest.approx(roll_at(matrix, -122.0, -457.0), abs=1e-4)
    assert roll_at(matrix, -82.287, -496.206) == pytest.approx(
        local_roll(53.1, -27.8, -82.287, -496.206, 37.5)
    )


def test_reference_point_of_mirage():
    """First row of Mirage's table for program 42424, made with an older SIAF."""
    matrix = attitude_matrix(53.1, -27.8, -82.287, -496.206, 37.5)
    ra, dec, roll = reference_point(matrix, aperture("NRCB1_FULL"))
    assert (ra - 53.09737598552774) * np.cos(np.radians(dec)) * 3600 == pytest.approx(0, abs=0.3)
    assert (dec + 27.784725639287128) * 3600 == pytest.approx(0, abs=0.3)
    assert roll == pytest.approx(37.555, abs=0.001)


def test_footprint():
    matrix = attitude_matrix(53.1, -27.8, -82.287, -496.206, 37.5)
    words = footprint(matrix, aperture("NRCB1_FULL")).split()
    assert words[:2] == ["POLYGON", "ICRS"]
    corners = np.array(words[2:], float).reshape(4, 2)
    ra, dec, _ = reference_point(matrix, aperture("NRCB1_FULL"))
    assert np.abs(corners.mean(axis=0) - [ra, dec]).max() * 3600 < 0.2
    flat = (corners - [ra, dec]) * [np.cos(np.radians(dec)), 1.0] * 3600
    sides = np.hypot(*(flat - np.roll(flat, 1, axis=0)).T)
    assert sides == pytest.approx([63.0] * 4, rel=0.02)
    with pytest.raises(InputError, match="several detectors"):
        footprint(matrix, aperture("NRCALL_FULL"))


def test_compound_aperture():
    place = aperture("NRCBS_FULL")
    assert (place.detector, place.nx) == ("", 0)
    assert np.isnan(place.x_sci_ref)
    assert place.v2_ref == pytest.approx(-83, abs=2)


@pytest.mark.parametrize(
    ("name", "words"), [("NRCB6_FULL", "NRCB"), ("XYZ_FULL", "names start"), ("", "names start")]
)
def test_unknown_apertures(name, words):
    with pytest.raises(InputError, match=words):
        aperture(name)


OFFLINE = """
import socket, sys
def refuse(*args, **kwargs): raise SystemExit("network")
socket.create_connection = socket.getaddrinfo = socket.socket.connect = refuse
from mirage_dask.pointing import aperture
assert "pysiaf" not in sys.modules
aperture("NRCB1_FULL")
import requests
assert requests.get.__module__ == "requests.api"
"""


def test_pysiaf_is_imported_late_offline_and_silent():
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
