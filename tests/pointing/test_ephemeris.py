"""Ephemerides: what Horizons prints, the curve between its rows, and Mars where Mirage puts it."""

from __future__ import annotations

import contextlib
import csv
import pickle
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.errors import InputError
from mirage_dask.pointing import (
    Ephemeris,
    Track,
    aperture,
    attitude_matrix,
    radec_to_unit,
    read_ephemeris,
    reference_point,
    unit_to_radec,
)

START = datetime(2022, 7, 10)
HEADER = "Date__(UT)__HR:MN     R.A._____(ICRF)_____DEC   APmag   S-brt"
ROWS = (
    " 2022-Jul-10 00:00     00 31 19.10 -00 57 59.5   -2.480   5.365",
    " 2022-Jul-10 01:00     00 31 19.70 -00 57 56.5   -2.480   5.365",
)


def table(*rows: str, header: str = HEADER, end: str = "$$EOE") -> str:
    stars = "*" * 79
    name = "Target body name: 2 Pallas (A802 FA)              {source: JPL#67}"
    return "\n".join(
        [stars, name, stars, f" {header}", stars, "$$SOE", *rows, end, stars, " R.A. means …", ""]
    )


@pytest.fixture
def read(tmp_path):
    def _read(text: str | bytes) -> Ephemeris:
        path = tmp_path / "pallas.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_ephemeris(path)

    return _read


def separation(first, second) -> float:
    """Arcsec between two positions in degrees."""
    chord = np.linalg.norm(radec_to_unit(*first)[0] - radec_to_unit(*second)[0])
    return float(np.degrees(2 * np.arcsin(chord / 2)) * 3600)


def test_table_in_columns(read):
    ephemeris = read(table(*ROWS))
    assert ephemeris.name == "2 Pallas (A802 FA)"
    assert ephemeris.times == (START, START + timedelta(hours=1))
    assert ephemeris.ra[0] == pytest.approx(15 * (31 / 60 + 19.10 / 3600), abs=1e-12)
    assert ephemeris.dec[0] == pytest.approx(-(57 / 60 + 59.5 / 3600), abs=1e-12)
    assert separation(ephemeris.position(START), (ephemeris.ra[0], ephemeris.dec[0])) < 1e-9
    half = ephemeris.position(START + timedelta(minutes=30))
    assert separation(half, (np.mean(ephemeris.ra), np.mean(ephemeris.dec))) < 1e-6
    assert pickle.loads(pickle.dumps(ephemeris)) == ephemeris
    track: Track = ephemeris
    assert track.position(START) == ephemeris.position(START)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "Date__(UT)__HR:MN   R.A._(ICRF/J2000.0)_DEC",
            "2022-Jul-10 06:00 *m 12 00 00.0000 -00 30 00.000 1.2 n.a.",
        ),
        (
            "Date__(UT)__HR:MN:SC.fff   R.A.___(ICRF)___DEC",
            "2022-Jul-10 06:00:00.000 Cm 180.000000 -0.500000 /T 3.0",
        ),
        ("Date__(UT)__HR:MN:SC  R.A.___(ICRF)___DEC", "2022-Jul-10 06:00:00 N  180.000000 -.500000"),
        ("Date_________JDUT   R.A.___(ICRF)___DEC", "2459770.750000000 A 180.00000 -0.50000 4.8"),
        (
            "Date__(UT)__HR:MN Date_________JDUT R.A.___(ICRF)___DEC",
            "2022-Jul-10 06:00 2459770.750000000 180.00000 -0.50000",
        ),
        (
            "Date__(UT)__HR:MN, , , R.A._(ICRF), DEC__(ICRF), delta,",
            "2022-Jul-10 06:00,*,m, 180.00000, -0.50000, 4.8,",
        ),
        (
            "Date__(UT)__HR:MN, , , R.A._(ICRF), DEC__(ICRF),",
            "2022-Jul-10 06:00, , , 12 00 00.00, -00 30 00.0,",
        ),
        (
            "Date_________JDUT, , , R.A.___(ICRF), DEC____(ICRF),",
            "2459770.750000000, ,m, 180.00000, -0.50000,",
        ),
        ("Date__(TT)__HR:MN:SC.fff  R.A.___(ICRF)___DEC", "2022-Jul-10 06:01:09.184  180.00000 -0.50000"),
        ("Date__(CT)__HR:MN:SC.fff  R.A.___(ICRF)___DEC", "2022-Jul-10 06:01:09.184  180.00000 -0.50000"),
        ("Date_________JDTDB  R.A.___(ICRF)___DEC", "2459770.750800740740741  180.00000 -0.50000"),
    ],
)
def test_every_form_of_a_row_says_the_same(read, header, row):
    later = row.replace("2022-Jul-10", "2022-Jul-11").replace("2459770.", "2459771.")
    notice = " >..... Daylight Cut-off Requested .....<"
    ephemeris = read(table(f" {row}", notice, "", f" {later}", header=header))
    expected = START + timedelta(hours=6)
    assert abs(ephemeris.times[0] - expected) <= timedelta(microseconds=50)  # a Julian date in float64
    assert ephemeris.times[1] - ephemeris.times[0] == timedelta(days=1)
    assert (ephemeris.ra[0], ephemeris.dec[0]) == (180.0, -0.5)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_system(read, ending):
    text = table(*ROWS).replace("\n", ending)
    assert read(b"\xef\xbb\xbf" + text.encode()).times[1] == START + timedelta(hours=1)
    with pytest.raises(InputError, match=r"pallas\.txt, line 8: '2022-Jul-10 02:00 n\.a\.'"):
        read(text.replace(ROWS[1], " 2022-Jul-10 02:00 n.a."))


def circle(axis, through, hours: float, rate: float):
    """Position after some hours on a great circle, rate in degrees per hour."""
    angle = np.radians(rate * hours)
    first = through - (through @ axis) * axis
    first = first / np.linalg.norm(first)
    ra, dec = unit_to_radec(np.cos(angle) * first + np.sin(angle) * np.cross(axis, first))
    return float(ra[0]), float(dec[0])


@pytest.mark.parametrize("rate", [0.02, -0.02])
@pytest.mark.parametrize("near", [(0.0, 5.0), (123.0, 89.9), (200.0, -89.95), (0.0, 90.0)])
def test_interpolation_knows_no_special_place(near, rate):
    through = radec_to_unit(*near)[0]
    axis = np.cross(through, radec_to_unit(near[0] + 90.0, 20.0)[0])
    axis /= np.linalg.norm(axis)
    hours = np.arange(-72, 73, 24)
    points = [circle(axis, through, h, rate) for h in hours]
    times = tuple(START + timedelta(hours=int(h)) for h in hours)
    ephemeris = Ephemeris("x", times, *zip(*points, strict=True))
    for h in np.linspace(-72, 72, 97):
        ours = ephemeris.position(START + timedelta(hours=float(h)))
        assert 0 <= ours[0] < 360
        bound = 1e-4 if abs(h) <= 48 else 8e-3  # arcsec; error of a parabola: 0.385 (24 h rate)**3 / 6
        assert separation(ours, circle(axis, through, h, rate)) < bound


def test_rounded_neighbours_are_not_drawn_out():
    """Two rows a minute apart, rounded to 0.15 arcsec, say nothing about the rate over the day that follows."""
    times = tuple(START + timedelta(minutes=m) for m in (0, 1, 1441, 1442))
    ephemeris = Ephemeris("x", times, (10.0, 10.0 + 0.15 / 3600, 10.0, 10.0 - 0.15 / 3600), (0.0,) * 4)
    assert separation(ephemeris.position(START + timedelta(hours=12)), (10.0, 0.0)) < 0.2


def test_times_zones(read):
    ephemeris = read(table(*ROWS))
    local = datetime(2022, 7, 10, 2, 30, tzinfo=timezone(timedelta(hours=2)))
    assert ephemeris.position(local) == ephemeris.position(START + timedelta(minutes=30))
    aware = Ephemeris("x", tuple(t.replace(tzinfo=UTC) for t in ephemeris.times), ephemeris.ra, ephemeris.dec)
    assert aware.times == ephemeris.times


@pytest.mark.parametrize("when", [START - timedelta(seconds=1), START + timedelta(hours=1, seconds=1)])
def test_outside_its_range(read, when):
    message = "covers 2022-07-10 00:00:00 to 2022-07-10 01:00:00 UTC; change the date .* or request a table from Horizons"
    with pytest.raises(InputError, match=message):
        read(table(*ROWS)).position(when)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line \\$\\$SOE"),
        (table(*ROWS, end=""), "no line \\$\\$EOE follows line 6"),
        (table(), "line 6: an ephemeris needs at least two rows"),
        (table(ROWS[0]), "it has 1, 1 and 1"),
        (table(ROWS[1], ROWS[0]), "line 8: the time is not later"),
        (table(ROWS[0], ROWS[0]), "line 8: the time is not later"),
        (table(ROWS[0], ROWS[1].replace("00 31", "08 31")), "line 8: the target is more than 30 degrees"),
        (table(*ROWS, "2022-Xxx-10 02:00 00 31 19.10 -00 57 59.5"), "line 9: '2022-Xxx"),
        (table(*ROWS, "2022-Feb-30 02:00 00 31 19.10 -00 57 59.5"), "line 9: '2022-Feb"),
        (table(*ROWS, "2022-Jul-10 24:00 00 31 19.10 -00 57 59.5"), "line 9: '2022-Jul"),
        (table(*ROWS, "2022-Jul-10 02:00 00 61 19.10 -00 57 59.5"), "line 9: '2022-Jul"),
        (table(*ROWS, "2022-Jul-10 02:00 400.0 -0.5"), "line 9: '2022-Jul"),
        (table(*ROWS, "2022-Jul-10 02:00 40.0 -90.5"), "line 9: '2022-Jul"),
        (table(*ROWS, "0000000.5 40.0 -10.5"), "line 9: '0000000"),
        (
            table(*ROWS, header="Date__(ZONE)__HR:MN R.A._(ICRF)_DEC"),
            "line 4: the heading has no time in UT, TT or TDB",
        ),
        (table(*ROWS, header=""), "the heading has no time in UT"),
        (table(*ROWS, header="Date__(UT)__HR:MN"), "followed by 'nothing'"),
        (
            table(*ROWS, header="Date__(UT)__HR:MN R.A._(a-appar)_DEC."),
            "line 4: the date is followed by 'R.A._\\(a-app",
        ),
        (table(*ROWS, header="Date__(UT)__HR:MN delta deldot"), "followed by 'delta'"),
    ],
)
def test_unusable_files_are_named(read, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert all("pallas.txt" in problem for problem in caught.value.problems)
    assert "Horizons" in str(caught.value) or "save it again" in str(caught.value)


def test_problems_are_collected_and_bounded(read):
    with pytest.raises(InputError) as caught:
        read(table(*["nonsense"] * 100))
    assert len(caught.value.problems) == 6
    assert "95 more" in caught.value.problems[-1]


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    for path in (tmp_path / "none.txt", tmp_path, "\0"):
        with pytest.raises(InputError, match="cannot be read"):
            read_ephemeris(path)
    monkeypatch.setattr("mirage_dask.pointing.ephemeris.MAX_EPHEMERIS", 2**20)
    (tmp_path / "big.txt").write_bytes(b"\n" * (2**20 + 1))
    with pytest.raises(InputError, match=r"big\.txt: .* larger than 1 MB"):
        read_ephemeris(tmp_path / "big.txt")


cut = table(*ROWS).encode()


@settings(max_examples=50)
@given(st.binary(max_size=200), st.integers(0, len(cut)), st.integers(0, len(cut)))
def test_arbitrary_bytes_are_an_input_error_or_an_ephemeris(tmp_path_factory, junk, first, second):
    path = tmp_path_factory.getbasetemp() / "junk.txt"
    for data in (junk, cut[:first] + junk + cut[second:], table(junk.decode("latin-1")).encode()):
        path.write_bytes(data)
        with contextlib.suppress(InputError):
            assert len(read_ephemeris(path).times) >= 2


@pytest.mark.parametrize(
    "change",
    [
        {"ra": (1.0,)},
        {"dec": (91.0, 0.0)},
        {"ra": (np.nan, 0.0)},
        {"times": (START, START)},
        {"times": (START,)},
    ],
)
def test_rows_that_make_no_curve(change):
    good = {"name": "x", "times": (START, START + timedelta(1)), "ra": (1.0, 2.0), "dec": (0.0, 0.0)}
    with pytest.raises(InputError, match=r"^x"):
        Ephemeris(**(good | change))


def test_real_files(shared):
    mars = read_ephemeris(shared / "data/catalogs/examples/movingtarget_example_data/mars_ephemeris.txt")
    assert (mars.name, len(mars.times), mars.times[0]) == ("Mars (499)", 31, datetime(2020, 9, 8))
    folder = shared / "data/catalogs/tests/test_data/ephemeris"
    assert read_ephemeris(folder / "horizons_results.txt") == mars
    jupiter = read_ephemeris(folder / "horizons_results_jupiter.txt")
    assert (jupiter.name, len(jupiter.times)) == ("Jupiter (599)", 2881)
    # Every sixth hour of the table gives the minutes between back, to what seconds of time are rounded to.
    sparse = Ephemeris("x", jupiter.times[::360], jupiter.ra[::360], jupiter.dec[::360])
    for k in range(0, 2881, 97):
        assert separation(sparse.position(jupiter.times[k]), (jupiter.ra[k], jupiter.dec[k])) < 0.2


def test_mars_is_where_mirage_points(shared):
    """Mirage interpolates the same table with a parabola; apertures follow from the pointing report."""
    mars = read_ephemeris(shared / "data/catalogs/examples/movingtarget_example_data/mars_ephemeris.txt")
    report = (shared / "apt/mars_moving/mars_example.pointing").read_text().splitlines()
    words = [line.split() for line in report if "SCIENCE" in line or "DITHER" in line]
    places = {int(w[3]): (float(w[13]), float(w[14])) for w in words}  # by dither: V2, V3
    rows = list(csv.DictReader((shared / "golden/mars_moving.csv").open()))
    assert len(rows) == 15
    for row in rows:
        target = mars.position(datetime.fromisoformat(f"{row['date_obs']}T{row['time_obs']}"))
        attitude = attitude_matrix(*target, *places[int(row["primary"])], 0.0)
        ra, dec, _ = reference_point(attitude, aperture(row["aperture"]))
        assert separation((ra, dec), (float(row["ra_ref"]), float(row["dec_ref"]))) < 0.3, row["file"]
