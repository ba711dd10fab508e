"""Tracks: great circles at any declination, ephemerides without their rounding."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.errors import InputError
from mirage_dask.pointing import (
    FittedTrack,
    SteadyTrack,
    attitude_matrix,
    fit_ephemeris,
    radec_to_unit,
    read_ephemeris,
    track_from_text,
    track_text,
)
from mirage_dask.scene.tracking import PointingTrack

EPOCH = datetime(2022, 7, 10)
FILES = {
    "mars_ephemeris.txt": "examples/movingtarget_example_data/mars_ephemeris.txt",
    "horizons_results_jupiter.txt": "tests/test_data/ephemeris/horizons_results_jupiter.txt",
}


@given(
    st.floats(0, 359.999), st.floats(-90, 90), st.floats(-3000, 3000), st.floats(-3000, 3000), st.floats(-20, 20)
)  # fmt: skip
def test_a_steady_track_keeps_its_speed(ra, dec, east, north, hours):
    """At the poles and across right ascension 0, too."""
    track = SteadyTrack(EPOCH, ra, dec, east, north)
    start, end = (radec_to_unit(*track.position(EPOCH + timedelta(hours=h)))[0] for h in (0.0, hours))
    angle = 2 * np.arcsin(np.linalg.norm(end - start) / 2)
    assert angle == pytest.approx(np.radians(abs(hours) * np.hypot(east, north) / 3600), abs=1e-9)
    a, d = np.radians([ra, dec])
    towards_north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    small = radec_to_unit(*track.position(EPOCH + timedelta(seconds=36)))[0] - start
    assert small @ towards_north == pytest.approx(np.radians(north / 3600 / 100), abs=1e-9)


@pytest.mark.parametrize("name", FILES)
def test_golden_ephemerides(shared, name):
    ephemeris = read_ephemeris(shared / "data/catalogs" / FILES[name])
    track = fit_ephemeris(ephemeris, ephemeris.times[0], ephemeris.times[-1])
    assert isinstance(track, FittedTrack)
    with (shared / "golden/dispersion/moving/ephemeris.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["file"] == name]
    assert len(rows) > 20
    for row in rows:
        when = datetime(1858, 11, 17) + timedelta(days=float(row["mjd_utc"]))
        away = radec_to_unit(*track.position(when)) - radec_to_unit(
            float(row["ra_deg"]), float(row["dec_deg"])
        )
        assert np.degrees(np.linalg.norm(away)) * 3600 < float(row["tolerance_arcsec"])


def test_the_rounding_of_rows_does_not_change_the_speed(shared):
    """Between rows of a minute Jupiter's speed would swing by a factor of four."""
    ephemeris = read_ephemeris(shared / "data/catalogs" / FILES["horizons_results_jupiter.txt"])
    track = fit_ephemeris(ephemeris, ephemeris.times[0], ephemeris.times[-1])
    places = np.array([track.position(when) for when in ephemeris.times[::10]])
    speed = np.diff(places, axis=0) * 3600 / 600
    assert (speed > 0).all()
    assert speed.mean(axis=0) == pytest.approx([2.28e-3, 0.75e-3], rel=0.01)


@given(st.floats(0, 359), st.floats(-90, 90), st.floats(-3000, 3000), st.floats(-3000, 3000))
def test_the_target_rests_in_the_frame_that_follows_it(ra, dec, east, north):
    """At any declination; other directions keep their angles to it and to each other."""
    track = SteadyTrack(EPOCH, ra, dec, east, north)
    places = np.array([track.position(EPOCH + timedelta(hours=h)) for h in (0.0, 0.5, 1.0)])
    units = radec_to_unit(places[:, 0], places[:, 1])
    motion = PointingTrack(units[0], units, np.array([0.0, 1800.0, 3600.0]))
    stars = units[0] + np.array([[1e-3, 2e-3, 0.0], [0.0, -1e-3, 1e-3]])
    stars /= np.linalg.norm(stars, axis=1)[:, None]
    for node in range(3):
        assert motion.seen(units[node : node + 1], node)[0] == pytest.approx(units[0], abs=1e-12)
        seen = motion.seen(stars, node)
        assert np.linalg.norm(seen, axis=1) == pytest.approx([1, 1], abs=1e-12)
        assert seen[0] @ seen[1] == pytest.approx(stars[0] @ stars[1], abs=1e-12)
    start = attitude_matrix(ra, dec, 80.0, -490.0, 40.0)
    turned = motion.attitude(start, 1800.0)
    assert turned @ stars.T == pytest.approx(start @ motion.seen(stars, 1).T, abs=1e-9)
    assert turned @ turned.T == pytest.approx(np.eye(3), abs=1e-12)


def test_the_text_of_a_track_keeps_it_and_a_second_more():
    """Across right ascension 0; times of files are rounded, so that an exposure may begin a little before its track."""
    track = SteadyTrack(EPOCH, 359.9999, -10.0, 200.0, -100.0)
    times = [EPOCH + timedelta(seconds=s) for s in np.linspace(0.0, 60.0, 13)]
    places = [track.position(t) for t in times]
    kept = track_from_text(track_text(times, *zip(*places, strict=True)), "Pallas")
    for seconds in (-0.9, 0.0, 31.7, 60.0, 60.9):
        when = EPOCH + timedelta(seconds=seconds)
        np.testing.assert_allclose(
            radec_to_unit(*kept.position(when)), radec_to_unit(*track.position(when)), atol=1e-12
        )
    with pytest.raises(InputError, match=r"Pallas: .* is outside its ephemeris"):
        kept.position(EPOCH + timedelta(seconds=62))
