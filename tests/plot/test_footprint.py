"""Footprints: projection, names, and that the picture says what it leaves out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.errors import InputError
from mirage_dask.plot import draw_footprint
from mirage_dask.plot.footprint import corners, detector_names, middle, tangent
from mirage_dask.plot.style import band_colour, passband, save, wavelength


def square(ra: float, dec: float, half: float = 0.01) -> str:
    """S_REGION of a square with sides of 2 half, degrees, around a place."""
    width = half / np.cos(np.radians(dec))
    sides = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    return "POLYGON ICRS  " + " ".join(f"{(ra - a * width) % 360:.9f} {dec + b * half:.9f}" for a, b in sides)


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        ("NRCB1", "F150W", "CLEAR", 0.0),
        ("NRCB2", "F150W", "CLEAR", 0.02),
        ("NRCB5", "F444W", "CLEAR", 0.01),
    ]
    return pd.DataFrame(
        [
            {
                "name": f"jw1_{i}", "program": 1, "title": "A field", "detector": d, "filter": f, "pupil": p,
                "s_region": square(359.995 + shift, 10.0), "target": "FIELD", "target_ra": 0.0, "target_dec": 10.0,
            }
            for i, (d, f, p, shift) in enumerate(rows)
        ]
    )  # fmt: skip


@given(ra=st.floats(0, 360), dec=st.floats(-89, 89), east=st.floats(-600, 600), north=st.floats(-600, 600))
def test_tangent_agrees_with_astropy(ra, dec, east, north):
    centre = SkyCoord(ra, dec, unit="deg")
    place = centre.spherical_offsets_by(east * centre.ra.unit / 3600.0, north * centre.dec.unit / 3600.0)
    lon, lat = centre.spherical_offsets_to(place)
    expected = np.degrees(np.tan(lon.rad)) * 3600, np.degrees(np.tan(lat.rad) / np.cos(lon.rad)) * 3600
    assert np.allclose(tangent(place.ra.deg, place.dec.deg, (ra, dec)), expected, atol=1e-4)


def test_tangent_hides_the_other_half_of_the_sky():
    assert np.isnan(tangent(180.0, 0.0, (0.0, 0.0))).all()


def test_middle_across_zero():
    ra, dec = middle([359.9, 0.1, 0.0], [10.0, 10.0, 10.0])
    assert min(ra, 360 - ra) < 1e-9
    assert dec == pytest.approx(10.0, abs=1e-4)


def test_detector_names():
    assert detector_names(pd.Series(["NRCB1", "NRCB2", "NRCB3", "NRCB4", "NRCB1"])) == "NRCB1–4"
    assert detector_names(pd.Series(["NRCA5", "NRCB5"])) == "NRCA5 B5"
    assert detector_names(pd.Series(["NRCA1", "NRCA3"])) == "NRCA13"


def test_passband_is_the_narrow_element():
    assert passband("F150W2", "F164N") == "F164N"
    assert passband("F444W", "CLEAR") == "F444W"
    assert passband("F444W", "GRISMR") == "F444W"
    assert wavelength("F150W2") == 1.5


def test_colours_follow_the_wavelength():
    short, long = band_colour("F070W"), band_colour("F480M")
    assert short[2] > short[0]
    assert long[0] > long[2]


def test_picture_names_filters_targets_and_sources(table):
    stars = pd.DataFrame({"ra": [0.0, 0.001], "dec": [10.0, 10.001]})
    figure = draw_footprint(table, sources={"stars": stars})
    (ax,) = figure.axes
    words = [t.get_text() for t in ax.get_legend().get_texts()]
    assert words == [
        "F150W  NRCB1–2: 2 exposures", "F444W  NRCB5: 1 exposure", "stars: 2", "FIELD",
    ]  # fmt: skip
    assert ax.get_title(loc="left") == "1 A field: 3 detector exposures"
    left, right = ax.get_xlim()
    assert left > right, "east is left"


def test_rows_without_a_region_are_counted(table):
    extra = pd.concat([table, table.iloc[:1].assign(name="jw1_9", s_region="")], ignore_index=True)
    (ax,) = draw_footprint(extra).axes
    assert any("1 rows without a footprint" in t.get_text() for t in ax.texts)


def test_nothing_to_draw(table):
    with pytest.raises(InputError, match="No exposure"):
        draw_footprint(table.assign(s_region=""))


def test_wrong_region_names_its_row(table):
    with pytest.raises(InputError, match="jw1_1"):
        corners(
            table.set_index("name")["s_region"].mask(table["name"].eq("jw1_1").to_numpy(), "CIRCLE 1 2 3")
        )


def test_own_settings_of_matplotlib_stay(table):
    import matplotlib as mpl

    before = mpl.rcParams["figure.facecolor"]
    draw_footprint(table)
    assert mpl.rcParams["figure.facecolor"] == before


def test_saving(table, tmp_path):
    figure = draw_footprint(table)
    assert save(figure, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (
        save(figure, tmp_path / "small.png", palette=True).stat().st_size
        < (tmp_path / "a.png").stat().st_size
    )
    with pytest.raises(InputError, match=r"use \.png"):
        save(figure, tmp_path / "a.doc")
    with pytest.raises(InputError, match="check the folder"):
        save(figure, tmp_path / "none" / "a.png")


def test_without_matplotlib(table, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'mirage_dask\[plot\]'"):
        draw_footprint(table)
