"""The Sun against astropy and JPL Horizons; angles and rolls against STScI's visibility tool."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from astropy.coordinates import GeocentricTrueEcliptic, SkyCoord, get_sun
from astropy.time import Time

from mirage_dask.pointing.visibility import (
    _max_roll,
    next_observable,
    possible_pointing,
    roll_warning,
    sun_position,
    visibility_at,
)

NGC_6240 = 253.24541666666664, 2.4008333333333334
POLES = [(270.0, 66.5607), (90.0, -66.5607)]  # of the ecliptic


def day(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    "date", ["2021-12-26", "2022-10-31T13:30", "2024-02-29", "2028-07-01T23:59:59", "2027-03-21"]
)
def test_sun_is_that_of_astropy(date):
    sun = get_sun(Time(date, scale="utc"))
    ra, dec = sun_position(day(date))
    assert SkyCoord(ra, dec, unit="deg").separation(SkyCoord(sun.ra, sun.dec)).deg < 0.02
    assert visibility_at(0, 0, day(date)).sun_distance == pytest.approx(sun.distance.au, abs=3e-4)


@pytest.mark.parametrize("date", ["2022-03-21T04:00", "2022-06-21", "2022-10-31", "2026-01-04"])
@pytest.mark.parametrize(("ra", "dec"), [NGC_6240, *POLES, (0.0, 0.0), (359.999, -27.8), (53.1625, -27.7914)])
def test_angles_are_those_of_astropy(date, ra, dec):
    target, sun = SkyCoord(ra, dec, unit="deg"), get_sun(Time(date))
    sun = SkyCoord(sun.ra, sun.dec)
    found = visibility_at(ra, dec, day(date))
    assert found.sun_angle == pytest.approx(target.separation(sun).deg, abs=0.02)
    expected = target.position_angle(sun).deg + 180.0
    assert abs((found.pa_v3 - expected + 180) % 360 - 180) < 0.1
    assert 0 <= found.pa_v3 < 360
    frame = GeocentricTrueEcliptic(equinox="J2000")
    assert found.latitude == pytest.approx(target.transform_to(frame).lat.deg, abs=0.02)
    cosine = np.cos(np.radians(found.longitude)) * np.cos(np.radians(found.latitude))
    assert np.degrees(np.arccos(cosine)) == pytest.approx(found.sun_angle, abs=0.001)
    assert -180 <= found.longitude < 180


def test_longitude_wraps_and_has_a_sign():
    equinox = day("2022-03-20T15:33")  # the Sun at longitude 0 of the date, 359.69 of J2000
    assert visibility_at(0.5, 0.2, equinox).longitude == pytest.approx(0.85, abs=0.05)
    assert visibility_at(359.0, -0.4, equinox).longitude == pytest.approx(-0.77, abs=0.05)
    assert abs(visibility_at(180.0, 0.0, equinox).longitude) == pytest.approx(180.0, abs=0.5)


# V3 angles at the edges of windows as the README of jwst_gtvt prints them. That tool takes the position of the day before.
@pytest.mark.parametrize(
    ("printed", "pa_v3"),
    [
        ("2022-02-27", 279.221),
        ("2022-04-23", 250.7),
        ("2022-07-14", 125.026),
        ("2022-09-11", 95.0131),
        ("2023-02-27", 279.351),
        ("2024-09-10", 95.1624),
    ],
)
def test_windows_of_the_visibility_tool(printed, pa_v3):
    when = day(printed) - timedelta(days=1)
    found = visibility_at(*NGC_6240, when)
    assert found.pa_v3 == pytest.approx(pa_v3, abs=0.25)  # JWST is not at the Earth's centre
    edges = {visibility_at(*NGC_6240, when + timedelta(days=d)).observable for d in (-1.5, 1.5)}
    assert edges == {True, False}


# JWST seen from the Sun (km, ICRF; JPL Horizons, target -170), with the V3 angles that the README prints for it.
@pytest.mark.parametrize(
    ("jwst", "low", "high"),
    [
        ((-137219617, 54094921, 23370179), 275.263, 283.179),
        ((-128946169, -73179856, -31387203), 243.565, 257.834),
        ((53213876, -132159316, -57807839), 117.806, 132.246),
        ((147870157, -32036539, -13743229), 91.3079, 98.7183),
    ],
    ids=["2022-02-26", "2022-04-22", "2022-07-13", "2022-09-10"],
)
def test_roll_is_that_of_the_visibility_tool(jwst, low, high):
    sun = SkyCoord(*(-np.array(jwst)), representation_type="cartesian").represent_as("unitspherical")
    sun, target = SkyCoord(sun.lon, sun.lat), SkyCoord(*NGC_6240, unit="deg")
    assert (target.position_angle(sun).deg + 180.0) % 360.0 == pytest.approx((low + high) / 2, abs=0.01)
    assert _max_roll(np.array([target.separation(sun).deg]))[0] == pytest.approx((high - low) / 2, abs=0.01)


def test_roll_at_the_edges_of_the_field_of_regard():
    rolls = _max_roll(np.array([85.0, 87.5, 90.0, 135.0, 40.0, 170.0]))
    assert rolls == pytest.approx([3.533, 5.099, 5.1, 7.222, 3.533, 7.222], abs=0.002)


@pytest.mark.parametrize(("ra", "dec"), POLES)
def test_ecliptic_poles_are_always_observable(ra, dec):
    angles = [visibility_at(ra, dec, day("2023-01-01") + timedelta(days=d)) for d in range(0, 365, 5)]
    assert all(v.observable and abs(v.sun_angle - 90) < 0.02 for v in angles)
    assert max(v.pa_v3 for v in angles) - min(v.pa_v3 for v in angles) > 300  # V3 turns once a year


def test_celestial_poles_and_the_sun_itself():
    when = day("2022-10-31")
    assert visibility_at(0.0, 90.0, when).sun_angle == pytest.approx(90 - sun_position(when)[1], abs=1e-9)
    at_sun = visibility_at(*sun_position(when), when)
    assert at_sun.sun_angle == pytest.approx(0, abs=1e-5)
    assert not at_sun.observable


def test_range_of_angles_passes_north():
    when = next(
        d
        for d in (day("2023-01-01") + timedelta(days=n) for n in range(366))
        if visibility_at(*POLES[0], d).pa_v3 < 2.0
    )
    found = visibility_at(*POLES[0], when)
    low, high = found.pa_v3_range
    assert low > 350 > high
    assert found.allows(359.9)
    assert found.allows(-0.1)
    assert found.allows(720.0)
    assert not found.allows(180.0)
    assert not found.allows(found.pa_v3 + found.max_roll + 0.3)
    assert found.allows(found.pa_v3 + found.max_roll + 0.3, slack=0.5)


def test_times_have_zones():
    when = day("2022-10-31T12:00")
    east = timezone(timedelta(hours=9))
    assert visibility_at(10, 20, when) == visibility_at(10, 20, when.replace(tzinfo=UTC))
    assert visibility_at(10, 20, when) == visibility_at(10, 20, when.replace(tzinfo=UTC).astimezone(east))


def test_next_observable():
    first, last = next_observable(*NGC_6240, day("2022-05-01"))
    assert abs(first - day("2022-07-13")) <= timedelta(days=1)
    assert abs(last - day("2022-09-10")) <= timedelta(days=1)
    inside = day("2022-08-01T06:00")
    assert next_observable(*NGC_6240, inside)[0] == inside
    start, end = next_observable(*NGC_6240, day("2022-05-01"), pa_v3=110.0)
    assert first < start < end < last
    for when in (start, end):
        assert visibility_at(*NGC_6240, when).allows(110.0)
    assert next_observable(*NGC_6240, inside, pa_v3=0.0) is None
    assert next_observable(*POLES[0], inside) == (inside, inside + timedelta(days=365))


@pytest.mark.parametrize("lasts", [0.0, 8.0, 12.0])
def test_a_day_for_what_is_observed_days_later_too(lasts):
    """In autumn the allowed roll of this field moves by half a degree and more a day, and may be off by seven."""
    place = 53.1779, -27.7999
    found = possible_pointing([place, place], day("2022-07-12"), after=[0.0, lasts])
    assert found is not None
    for later in np.linspace(0.0, lasts, 5):
        assert roll_warning(*place, found[0] + timedelta(days=later), found[1]) == ""


def test_warnings_name_the_remedy():
    place, when = (53.1625, -27.7914), day("2022-10-31")
    assert roll_warning(*place, when, visibility_at(*place, when).pa_v3) == ""
    assert roll_warning(*place, when, 37.5) == (
        "PA_V3 37.5 deg is not possible on 2022-10-31 at RA 53.1625, Dec -27.7914: allowed 327.5 to 341.8 deg; "
        "it is possible from 2022-12-16 to 2022-12-27."
    )
    assert roll_warning(*place, when, 180.0).endswith("it is not possible on any day of the following year.")
    assert roll_warning(*place, day("2022-04-30"), 37.5) == (
        "On 2022-04-30 the target at RA 53.1625, Dec -27.7914 is 45.2 deg from the Sun, but JWST observes at 85 to "
        "135 deg; next possible from 2022-07-28, then at PA_V3 241.8 to 249.3 deg."
    )


def test_limits_have_slack():
    edge = next_observable(*NGC_6240, day("2022-05-01"))[0] - timedelta(hours=30)
    found = visibility_at(*NGC_6240, edge)
    assert 135.0 < found.sun_angle < 135.5
    assert roll_warning(*NGC_6240, edge, found.pa_v3 + found.max_roll + 0.4) == ""
    assert "PA_V3" in roll_warning(*NGC_6240, edge, found.pa_v3 + found.max_roll + 0.6)
    assert "from the Sun" in roll_warning(*NGC_6240, edge - timedelta(days=1), found.pa_v3)
