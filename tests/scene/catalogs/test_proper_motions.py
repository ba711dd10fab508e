"""Proper motions of catalogs: astropy is the judge of places; each thing that is wrong is one sentence."""

from __future__ import annotations

from datetime import datetime, timedelta

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.errors import InputError
from mirage_dask.scene import read_catalog
from mirage_dask.scene.catalogs.proper_motions import LARGEST_STEP, ProperMotions
from mirage_dask.scene.catalogs.regular import parse_regular

HEAD = "x_or_RA y_or_Dec pmra pmdec magnitude"


def write(folder, *lines, name="stars.cat"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def read(folder, *lines, kind="point_source"):
    return read_catalog(write(folder, *lines), kind)


def problem(folder, *lines, kind="point_source"):
    with pytest.raises(InputError) as caught:
        read(folder, *lines, kind=kind)
    (sentence,) = caught.value.problems
    return sentence.removeprefix(f"{folder}/")


@given(
    st.floats(0.0, 360.0, exclude_max=True),
    st.one_of(st.floats(-89.9, 89.9), st.sampled_from([-89.9999, 89.9999])),
    st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
    st.floats(1991.25, 2016.0),
    st.floats(-10.0, 30.0),
)
def test_places_are_those_of_astropy(ra, dec, motion, epoch, years):
    """Within 0.01 mas for each year at up to 14 arcsec a year, near the poles and at right ascension 0 too."""
    ours = ProperMotions(np.array([motion]), np.array([epoch]), False)
    found = SkyCoord(*ours.places(np.array([ra]), np.array([dec]), epoch + years), unit="deg")
    star = SkyCoord(
        ra * u.deg,
        dec * u.deg,
        distance=1 * u.pc,
        pm_ra_cosdec=motion[0] * u.mas / u.yr,
        pm_dec=motion[1] * u.mas / u.yr,
        radial_velocity=0 * u.km / u.s,
        obstime=Time(epoch, format="jyear", scale="tdb"),
    )
    expected = star.apply_space_motion(Time(epoch + years, format="jyear", scale="tdb"))
    assert found.separation(expected.icrs).mas[0] < 0.01 * max(abs(years), 1.0)


@given(
    st.datetimes(datetime(2022, 1, 1), datetime(2045, 1, 1)),
    st.floats(1.0, 20_000.0),
)
def test_dates_are_rounded(when, speed):
    """By less than the fastest source moves half a mas in, and never by more than half a day."""
    ours = ProperMotions(np.array([[0.0, speed], [0.5, 0.0]]), np.full(2, 2016.0), False)
    year = ours.year(when)
    exact = 2000.0 + (when - datetime(2000, 1, 1, 12)) / timedelta(days=365.25)
    assert abs(year - exact) * speed <= LARGEST_STEP / 2 * 1.001
    assert abs(year - exact) * 365.25 <= 0.5 * 1.0001
    if speed < 365.0:  # a day
        noon = datetime(when.year, when.month, when.day, 12)
        assert year == pytest.approx(2000.0 + (noon - datetime(2000, 1, 1, 12)) / timedelta(days=365.25))


def test_what_is_not_known_rests(tmp_path):
    """To the bit, and beside sources that move; a catalog whose sources all rest is of no date."""
    rows = ("150.123456789 2.1 None None 20", "150.2 2.2 100 NaN 20", "150.3 2.3 -0.0 0 20")
    catalog = read(tmp_path, HEAD, *rows)
    assert catalog.proper.velocity.tolist() == [[0, 0], [100, 0], [0, 0]]
    moved = catalog.at(2026.0)
    assert moved.x[[0, 2]].tobytes() == catalog.x[[0, 2]].tobytes()
    assert moved.y[[0, 2]].tobytes() == catalog.y[[0, 2]].tobytes()
    assert (moved.x[1] - 150.2) * np.cos(np.radians(2.2)) * 3.6e6 == pytest.approx(1000.0, abs=1e-3)
    still = read(tmp_path, HEAD, rows[0], rows[2])
    assert still.proper.year(datetime(2025, 1, 1)) is None
    assert still.at(None) is still
    assert read(tmp_path, "x_or_RA y_or_Dec magnitude", "150 2 20").proper is None


def test_epochs(tmp_path):
    """Of the column, else of the comment, else Gaia's."""
    row = "150 2 10 10 20"
    assert (read(tmp_path, HEAD, row).proper.epoch[0], read(tmp_path, HEAD, row).proper.assumed) == (
        2016,
        True,
    )
    for comment in ("# epoch: 2015.5", "# Epoch = J2015.5", "# ref_epoch 2015.5"):
        found = read(tmp_path, comment, HEAD, row).proper
        assert (found.epoch[0], found.assumed) == (2015.5, False)
    both = read(tmp_path, "# epoch: 2000.0", f"{HEAD} ref_epoch", f"{row} 1991.25", f"{row} None").proper
    assert (both.epoch.tolist(), both.assumed) == ([1991.25, 2000.0], False)


def test_units_and_meta_of_tables(tmp_path):
    table = QTable({"x_or_RA": [150.0] * u.deg, "y_or_Dec": [2.0] * u.deg, "magnitude": [20.0]})
    table["pmra"], table["pmdec"] = [0.1] * u.arcsec / u.yr, [np.nan] * u.mas / u.yr
    table.meta["epoch"] = 2015.5
    table.write(tmp_path / "stars.ecsv")
    found = read_catalog(tmp_path / "stars.ecsv", "point_source").proper
    np.testing.assert_allclose(found.velocity, [[100.0, 0.0]])
    assert found.epoch.tolist() == [2015.5]
    table["pmdec"] = [3.0] * u.km / u.s
    table.write(tmp_path / "bad.ecsv")
    with pytest.raises(InputError, match=r"column 'pmdec' is in km / s; mas / yr is needed"):
        read_catalog(tmp_path / "bad.ecsv", "point_source")


def test_galaxies_have_them_and_what_moves_has_not(tmp_path):
    shape = ("radius ellipticity pos_angle sersic_index", "1 0 0 1")
    found = read(tmp_path, f"{HEAD} {shape[0]}", f"150 2 10 0 20 {shape[1]}", kind="galaxy")
    assert found.proper.velocity.tolist() == [[10, 0]]
    moving = f"{HEAD} x_or_RA_velocity y_or_Dec_velocity", "150 2 10 0 20 1 1"
    assert read(tmp_path, *moving, kind="moving_pointsource").proper is None


def test_large_catalogs_stay_regular(tmp_path):
    """The fast reader takes the columns, None among them, and gives what the careful one gives."""
    path = write(tmp_path, f"{HEAD} ref_epoch", "150 2 1.5 -2 20 2016.0", "151 3 None None 21 None")
    assert parse_regular(path, path.read_bytes()) is not None
    fast = read_catalog(path, "point_source").proper
    path.write_text(path.read_text() + "# a remark below\n")
    assert parse_regular(path, path.read_bytes()) is None
    careful = read_catalog(path, "point_source").proper
    assert fast.velocity.tobytes() == careful.velocity.tobytes()
    assert fast.epoch.tobytes() == careful.epoch.tobytes()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("x_or_RA y_or_Dec pmra magnitude", "150 2 1 20"),
         "stars.cat: column 'pmra' without 'pmdec'; name both, in mas/yr as in Gaia's archive, or remove it."),
        ((HEAD, "150 2 fast 1 20", "150 2 1 30000 20"), "column 'pmra' in line 2 (fast): must be mas/yr"),
        (("# position_pixels", HEAD, "150 2 1 None 20"),
         "positions in pixels cannot have proper motions; give positions in degrees, or remove the columns pmra and pmdec."),
        ((f"{HEAD} ref_epoch", "150 2 1 1 20 57388"),
         "column 'ref_epoch' in line 2 (57388): must be a Julian year, such as 2016.0, between 1800 and 2200, or None."),
        (("# epoch: 2000", "# epoch: 2016", HEAD, "150 2 1 1 20"), "the comments name the epochs 2000 and 2016; keep one."),
        (("# epoch of observation 2001", HEAD, "150 2 1 1 20"),
         "line 1: the comment 'epoch of observation 2001' speaks of an epoch, but does not set that of the positions; "
         "write '# epoch: 2016.0', with the Julian year, above the first source."),
        ((HEAD, "150 2 1 1 20", "# epoch: 2015.5"), "line 3: the comment 'epoch: 2015.5' speaks of an epoch"),
    ],
)  # fmt: skip
def test_each_wrong_thing_is_one_sentence(tmp_path, lines, sentence):
    with pytest.raises(InputError) as caught:
        read(tmp_path, *lines)
    assert any(sentence in told for told in caught.value.problems)
    assert len(caught.value.problems) == (2 if "30000" in lines[-1] else 1)


def test_comments_on_epochs_are_free_where_the_column_says_it(tmp_path):
    found = read(tmp_path, "# epoch of observation 2001", f"{HEAD} ref_epoch", "150 2 1 1 20 2016")
    assert found.proper.epoch.tolist() == [2016.0]
    assert "proper" not in problem(tmp_path, "# position_pixels", HEAD, "150 200000 None None 20")
