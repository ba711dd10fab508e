"""Tables of astropy and pandas as catalogs, and quantities and times as settings."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.table import QTable, Table
from astropy.time import Time

from mirage_dask import example_proposal, open_proposal
from mirage_dask.errors import InputError
from mirage_dask.scene import background_rate, read_catalog
from mirage_dask.settings import load_settings
from mirage_dask.settings.row import row_of

STARS = {"x_or_RA": [150.225, 150.226], "y_or_Dec": [2.3, 2.301], "magnitude": [18.0, 19.0]}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path / "cache"))


def problem(**settings):
    with pytest.raises(InputError) as caught:
        load_settings(**settings)
    (found,) = caught.value.problems
    return found


def path_of(table, kind="point_source"):
    (entry,) = load_settings(catalogs={kind: table}).catalogs
    return entry.path


@pytest.mark.parametrize("kind", [Table, QTable, pd.DataFrame])
def test_a_table_is_a_catalog(kind):
    found = read_catalog(path_of(kind(STARS)), "point_source")
    assert (found.x.tolist(), found.magnitudes["magnitude"].tolist()) == ([150.225, 150.226], [18.0, 19.0])
    assert found.index.tolist() == [1, 2]


def test_units_and_coordinates_of_a_qtable():
    table = QTable()
    table["place"] = SkyCoord(["10h00m54s"], ["2d18m00s"])
    table["magnitude"] = [18.0] * u.STmag
    found = read_catalog(path_of(table), "point_source")
    np.testing.assert_allclose((found.x[0], found.y[0]), (150.225, 2.3), rtol=1e-14)
    assert found.system == "stmag"


def test_comments_and_index_of_a_frame():
    frame = pd.DataFrame(STARS, index=pd.Index([2**62 + 1, 0], name="index"))
    frame.attrs["comments"] = ["vegamag"]
    found = read_catalog(path_of(frame), "point_source")
    assert found.system == "vegamag"
    assert found.index.tolist() == [2**62 + 1, 0]


def test_the_same_content_is_the_same_file():
    assert path_of(Table(STARS)) == path_of(QTable(STARS).copy())
    changed = Table(STARS)
    changed["magnitude"][0] = 18.5
    assert path_of(changed) != path_of(Table(STARS))
    assert "galaxy_in_memory_" in path_of(Table(STARS), "galaxy")


def test_tables_for_targets_and_instruments():
    proposal = open_proposal(example_proposal(), catalogs={"point_source": Table(STARS)})
    target = proposal.table["target"].iloc[0]
    nested = {target: {"nircam": {"point_source": pd.DataFrame(STARS)}}, "point_source": Table(STARS)}
    proposal = open_proposal(example_proposal(), catalogs=nested)
    assert (proposal.table["point_source"] != "").all()
    settings = load_settings(proposal.settings.to_dict())
    assert settings.catalogs == proposal.settings.catalogs


def test_what_is_not_a_catalog():
    words = problem(catalogs={"point_source": ["a.cat", "b.cat"]})
    assert words == (
        "catalogs.point_source: expected one catalog, not 2; give each target its own by name, "
        "{TARGET: {point_source: FILE}}."
    )
    words = problem(catalogs={"point_source": np.zeros((1000, 3))})
    assert words == (
        "catalogs.point_source: a ndarray is not a catalog; give a file, an astropy Table or a pandas DataFrame."
    )
    table = Table(STARS)
    table["object"] = [object(), object()]
    assert "cannot be written as ECSV" in problem(catalogs={"point_source": table})


def test_problems_of_a_table_name_its_rows():
    with pytest.raises(
        InputError, match=r"point_source_in_memory_\w+\.ecsv: column 'y_or_Dec' in row 2 \(95"
    ):
        read_catalog(path_of(Table({**STARS, "y_or_Dec": [1.0, 95.0]})), "point_source")


@pytest.mark.parametrize(
    "angle", [30 * u.deg, 0.5235987755982988 * u.rad, Angle("2h"), 1800 * u.arcmin, 30.0]
)
def test_roll_angles(angle):
    assert load_settings(roll_angle=angle).roll_angle == pytest.approx(30.0)
    assert load_settings(roll_angle={1: angle, 2: 5.0}).roll_angle[1] == pytest.approx(30.0)


def test_wrong_quantities():
    assert "roll_angle: 3.0 m cannot be converted to deg" in problem(roll_angle=3 * u.m)
    assert "cannot be converted to deg; give one number" in problem(roll_angle=[1, 2] * u.deg)
    assert "background: <Quantity 3. m> is not allowed" in problem(background=3 * u.m)
    assert "background: '-1.0 MJy/sr' is not a valid background" in problem(background=-1 * u.MJy / u.sr)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (0.2 * u.MJy / u.sr, "0.2 MJy/sr"),
        (200 * u.kJy / u.sr, "0.2 MJy/sr"),
        ("0.2 MJy/sr", "0.2 MJy/sr"),
        ("2e-1 mjy / sr", "0.2 MJy/sr"),
        (0.2 * u.DN / u.s, 0.2),
        (12 * u.DN / u.min / u.pix, 0.2),
    ],
)
def test_backgrounds(given, held):
    (entry,) = load_settings(background=given).background
    assert entry.value == pytest.approx(held) if isinstance(held, float) else entry.value == held
    row = open_proposal(example_proposal(), background={"nircam": {"sw": given, "lw": 1.0}}).table.iloc[0]
    assert row_of(row).background == pytest.approx(entry.value) if isinstance(held, float) else held


def test_a_surface_brightness_is_what_a_level_stands_for():
    optics = ("NRCB5", "F444W", "CLEAR")
    one = background_rate("1.0 MJy/sr", *optics)
    assert background_rate("0.25 MJy/sr", *optics) == pytest.approx(0.25 * one, rel=1e-12)
    low, high = (background_rate(level, *optics) for level in ("low", "high"))
    assert 0.05 * one < low < high < 0.5 * one
    with pytest.raises(InputError, match="0 or more"):
        background_rate("-1 MJy/sr", *optics)


@pytest.mark.parametrize(
    "day",
    [
        Time("2022-03-01"),
        Time(59639.0, format="mjd"),
        Time("2022-03-01T00:01:09.184", scale="tt"),
        datetime(2022, 3, 1),
        date(2022, 3, 1),
        np.datetime64("2022-03-01"),
        pd.Timestamp("2022-03-01"),
        "2022-03-01",
    ],
)
def test_dates(day):
    held = load_settings(dates={1: day, 2: "2022-03-02"}).dates[1]
    assert abs((held - datetime(2022, 3, 1)).total_seconds()) < 1e-3
    assert load_settings(dates=day).dates == held


def test_several_times():
    assert "2 times are given; give one" in problem(dates=Time(["2022-03-01", "2022-03-02"]))
