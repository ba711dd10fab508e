"""Footprints: projection, names, and that the picture says what it leaves out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.footprints import corners
from mirage_dask.footprints.bands import passband, wavelength
from mirage_dask.footprints.fields import fields
from mirage_dask.footprints.plane import from_tangent, middle, tangent
from mirage_dask.plot import draw_footprint
from mirage_dask.plot.footprint import detector_names
from mirage_dask.plot.sky_axes import nice
from mirage_dask.plot.style import band_colour, save


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
    assert any("1 row without a footprint" in t.get_text() for t in ax.texts)


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
    small = save(figure, tmp_path / "small.webp")
    assert small.read_bytes()[8:12] == b"WEBP"
    assert small.stat().st_size < (tmp_path / "a.png").stat().st_size / 2
    with pytest.raises(InputError, match=r"use \.png"):
        save(figure, tmp_path / "a.doc")
    with pytest.raises(InputError, match="check the folder"):
        save(figure, tmp_path / "none" / "a.png")


def test_without_matplotlib(table, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'mirage_dask\[plot\]'"):
        draw_footprint(table)


# ------------------------------------------------------------------------------------------------ fields far apart


def far_apart() -> pd.DataFrame:
    places = {1: (10.0, -40.0), 2: (10.1, -40.0), 3: (200.0, 30.0), 4: (359.99, 0.0), 5: (0.01, 0.0)}
    return pd.DataFrame(
        [
            {
                "name": f"jw{n}", "program": 1, "title": "Fields", "observation": n, "detector": "NRCB1",
                "filter": "F150W", "pupil": "CLEAR", "s_region": square(*place), "target": f"T{n}",
                "target_ra": place[0], "target_dec": place[1],
            }
            for n, place in places.items()
        ]
    )  # fmt: skip


def test_fields_are_what_lies_together():
    table = far_apart()
    found = fields(corners(table.set_index("name")["s_region"])).tolist()
    assert found[0] == found[1]
    assert found[3] == found[4], "across ra = 0"
    assert sorted(set(found)) == [0, 1, 2]
    assert found[2] == 2, "the smallest field is the last"


def test_each_field_has_a_panel():
    figure = draw_footprint(far_apart(), sources={"stars": pd.DataFrame({"ra": [10.0], "dec": [-40.0]})})
    assert len(figure.axes) == 3
    for ax in figure.axes:
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("right ascension", "declination")
        assert {"N", "E"} <= {text.get_text() for text in ax.texts}
        inside = [c for c in ax.collections if c.get_paths() and c.get_edgecolor().size]
        assert inside, "its detectors are in the picture"
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:5] == [f"observation {n}  F150W: 1 exposure" for n in range(1, 6)]
    assert {"T1, T2: 2 exposures", "T3: 1 exposure"} <= {ax.get_title(loc="left") for ax in figure.axes}


@given(
    ra=st.floats(0, 360), dec=st.floats(-84, 84), east=st.floats(-3000, 3000), north=st.floats(-3000, 3000)
)
def test_the_plane_and_back(ra, dec, east, north):
    assert np.allclose(tangent(*from_tangent(east, north, (ra, dec)), (ra, dec)), (east, north), atol=1e-5)


def test_ticks_are_round_and_where_they_say(table):
    values, digits = nice(10.0012, 10.0391, 5)
    assert (values.tolist(), digits) == (pytest.approx([10.01, 10.02, 10.03]), 2)
    (ax,) = draw_footprint(table).axes
    low, high = ax.get_ylim()
    for place, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True):
        _, north = tangent(0.0, float(label.get_text().strip("°")), middle(359.995 + 0.01, 10.0))
        assert low <= place <= high
        assert place == pytest.approx(float(north), abs=2.0)


def test_near_a_pole_offsets_are_shown(table):
    (ax,) = draw_footprint(table.assign(s_region=square(0.0, 89.9))).axes
    assert ax.get_xlabel().startswith("east of centre")


def test_a_proposal_draws_itself():
    proposal = md.open_proposal(
        md.example_proposal(), settings=md.example_proposal().with_name("settings.yaml")
    )
    (ax,) = proposal.plot("observation == 2", title="stars").axes
    outlines = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert sum(len(c.get_paths()) for c in outlines) == 2 * 8, "faces and edges of eight exposures"
    assert ax.get_title(loc="left") == "stars"
    assert any(text.startswith("stars: 400") for text in (t.get_text() for t in ax.get_legend().get_texts()))
    (bare,) = proposal.plot("observation == 2", sources=False).axes
    assert not any(t.get_text().startswith("stars") for t in bare.get_legend().get_texts())
    with pytest.raises(InputError, match="no exposure"):
        proposal.plot("observation == 9")
