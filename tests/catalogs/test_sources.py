"""Catalogs that are built: what goes in comes back from the file, with its units; mistakes are named together."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

import mirage_dask as md
from mirage_dask.catalogs import column_of, galaxies, point_sources
from mirage_dask.catalogs.sources import join
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog

SHAPES = {"radius": [0.5, 1.2], "ellipticity": 0.3, "pos_angle": [10.0, 200.0], "sersic_index": 1.5}


def test_points_come_back_from_the_file(tmp_path):
    ra, dec = np.array([53.16, 10.5]), np.array([-27.79, 89.5])
    built = point_sources(ra, dec, magnitudes={"NIRCam F356W": [21.5, 99.0], "NIRISS F200W": 20.25}, index=7)
    assert built.kind == "point_source"
    found = read_catalog(
        built.save(tmp_path / "stars.cat"), "point_source", optics=[("NIRCAM", "F356W", "CLEAR")]
    )
    np.testing.assert_allclose(found.x, ra, atol=1e-10)
    np.testing.assert_allclose(found.y, dec, atol=1e-10)
    np.testing.assert_array_equal(found.index, [7, 8])
    np.testing.assert_array_equal(found.magnitude("NRCB5", "F356W"), [21.5, 99.0])
    np.testing.assert_array_equal(found.magnitude("NIS", "CLEAR", "F200W"), [20.25, 20.25])
    assert (found.system, found.pixels) == ("abmag", False)


def test_mirage_finds_the_units_in_the_first_four_lines(tmp_path):
    built = galaxies(
        [10.0, 20.0], [30.0, 40.0], **SHAPES, pixels=True, radius_pixels=True, system="stmag",
        magnitudes={"magnitude": 20.0},
    )  # fmt: skip
    lines = built.save(tmp_path / "galaxies.cat").read_text().splitlines()
    assert lines[:4] == ["# position_pixels", "# stmag", "# radius_pixels", "#"]
    assert lines[4].split() == ["index", "x_or_RA", "y_or_Dec", *SHAPES, "magnitude"]
    found = read_catalog(tmp_path / "galaxies.cat", "galaxy")
    assert (found.system, found.pixels, found.radius_pixels) == ("stmag", True, True)
    np.testing.assert_allclose(found.shapes["radius"], [0.5, 1.2])
    np.testing.assert_allclose(found.shapes["sersic_index"], 1.5)


def test_units_are_converted(tmp_path):
    coordinates = SkyCoord(l=[120.0, 121.0], b=[-20.0, -20.0], unit="deg", frame="galactic")
    built = galaxies(
        coordinates, radius=0.01 * u.arcmin, ellipticity=0.1, pos_angle=[0.5, 1.0] * u.rad, sersic_index=[1, 4],
        magnitudes={"nircam_f200w_magnitude": [1.0, 10.0] * u.uJy, "NIRCam F444W": 22.0 * u.ABmag},
    )  # fmt: skip
    np.testing.assert_allclose(built["x_or_RA"], coordinates.icrs.ra.deg)
    np.testing.assert_allclose(built["radius"], 0.6)
    np.testing.assert_allclose(built["pos_angle"], np.degrees([0.5, 1.0]))
    np.testing.assert_allclose(built["nircam_f200w_magnitude"], [23.9, 21.4], atol=1e-3)  # 1 uJy is 23.9 AB
    texts = point_sources(["10h00m30s", "150.125d"], ["+2d12m00s", "2.2"], magnitudes={"magnitude": 20})
    np.testing.assert_allclose(texts["x_or_RA"], 150.125)
    np.testing.assert_allclose(texts["y_or_Dec"], 2.2)
    assert point_sources(-10.0 * u.deg, 1.0 * u.deg)["x_or_RA"][0] == 350.0


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("NIRCam F356W", "nircam_f356w_magnitude"),
        ("nircam F405N", "nircam_f405n_magnitude"),
        ("NIRCam F444W/F405N", "nircam_f405n_magnitude"),
        ("NIRCam F212N/WLP8", "nircam_f212n_wlp8_magnitude"),
        ("nircam_f356w_clear_magnitude", "nircam_f356w_clear_magnitude"),
        ("NIRISS F480M", "niriss_f480m_magnitude"),
        ("niriss_f090w_magnitude", "niriss_f090w_magnitude"),
        ("FGS 2", "fgs2_magnitude"),
        ("fgs_guider1_magnitude", "fgs1_magnitude"),
        ("magnitude", "magnitude"),
    ],
)
def test_names_of_columns(name, column):
    assert column_of(name) == column


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("F356W", "write the instrument"),
        ("NIRCam F357W", "is not a valid filter: .*F356W"),
        ("FGS 3", "FGS has 'FGS 1' and 'FGS 2'"),
        ("MIRI F560W", "write the instrument"),
    ],
)
def test_filters_that_do_not_exist(name, words):
    with pytest.raises(InputError, match=words):
        column_of(name)


def test_mistakes_are_named_together():
    with pytest.raises(InputError) as caught:
        galaxies(
            [400.0, 1.0], [0.0, np.nan], radius=[0.0, 1.0], ellipticity=1.0, pos_angle=0.0, sersic_index=[1, 2, 3],
            magnitudes={"NIRCam F999W": 20.0, "NIRCam F200W": [20.0, np.inf], "NIRISS F200W": -99.0},
            system="vega", index=[1, 1],
        )  # fmt: skip
    expected = [
        "system: 'vega' is not allowed; allowed: abmag, stmag, vegamag.",
        "y_or_dec: source 1 (nan) is not finite",
        "x_or_ra: source 0 (400): right ascension must be in 0 to 360 degrees.",
        "index: a number is used twice",
        "radius: source 0 (0): must be above 0.",
        "ellipticity: source 0 (1) and 1 more: must be from 0 to below 1",
        "sersic_index: give 2 numbers, or one",
        "'NIRCam F999W' is not a valid filter",
        "NIRCam F200W: source 1 (inf) is not finite; give a number (99 for a source",
        "NIRISS F200W: source 0 (-99) and 1 more is brighter than -30",
    ]
    assert len(caught.value.problems) == len(expected)
    for problem, words in zip(caught.value.problems, expected, strict=True):
        assert problem.startswith(words)


def test_what_cannot_be_a_catalog(tmp_path):
    with pytest.raises(InputError, match="y_or_dec is missing"):
        point_sources([1.0])
    with pytest.raises(InputError, match="needs a source and a column of magnitudes"):
        point_sources(1.0, 1.0).save(tmp_path / "a.cat")
    with pytest.raises(InputError, match="cannot be written"):
        point_sources(1.0, 1.0, magnitudes={"magnitude": 20}).save(tmp_path / "none" / "a.cat")
    built = point_sources(1.0, 1.0, magnitudes={"NIRCam F200W": 20.0})
    with pytest.raises(InputError, match="has a column 'nircam_f200w_magnitude'"):
        built.add_magnitudes("nircam_f200w_magnitude", 21.0)
    with pytest.raises(InputError, match="Jy is not converted to vegamag magnitudes"):
        point_sources(1.0, 1.0, system="vegamag", magnitudes={"NIRCam F200W": 1.0 * u.Jy})


def test_catalogs_are_joined():
    one = point_sources([1.0, 2.0], [0.0, 0.0], magnitudes={"NIRCam F200W": 20.0}, index=5)
    two = point_sources(3.0, 0.0, magnitudes={"NIRCam F200W": 21.0, "NIRISS F200W": 22.0})
    both = join([one, two])
    assert both["index"].tolist() == [5, 6, 7]
    assert both["nircam_f200w_magnitude"].tolist() == [20.0, 20.0, 21.0]
    assert both["niriss_f200w_magnitude"].tolist() == [99.0, 99.0, 22.0]
    assert both.kind == "point_source"
    with pytest.raises(InputError, match="different units"):
        join([one, point_sources(1.0, 2.0, system="stmag")])


def test_a_catalog_is_simulated(tmp_path):
    """The light of a star that is built is that of its magnitude, whichever unit it was given in."""
    proposal = md.example_proposal()
    name = "jw99001002001_01101_00001_nrcb1"
    row = md.open_proposal(proposal).table.set_index("name").loc[name]
    seeds = []
    for values in (16.0, 16.0 * u.ABmag, (16.0 * u.ABmag).to(u.Jy)):
        stars = point_sources(row.ra_ref, row.dec_ref, magnitudes={"NIRCam F150W": values})
        opened = md.open_proposal(
            proposal, catalogs={"point_source": stars.save(tmp_path / "stars.cat")}, background=0.0
        )
        table = opened.table[opened.table["name"] == name]
        single = md.Proposal(opened.file, opened.settings, table=table.reset_index(drop=True))
        seeds.append(single.exposure(name).seed.values)
    assert seeds[0].sum() > 1e4
    np.testing.assert_allclose(seeds[1], seeds[0], rtol=1e-5)
    np.testing.assert_allclose(seeds[2], seeds[0], rtol=1e-5)
