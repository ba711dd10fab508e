"""Random sources for a proposal: its filters, inside its exposures, evenly spread, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

import mirage_dask as md
from mirage_dask.catalogs import columns_for, for_proposal, galaxy_field
from mirage_dask.catalogs.footprint import fields_of, random_positions
from mirage_dask.errors import InputError
from mirage_dask.pointing import radec_to_unit
from mirage_dask.scene.catalogs import magnitude_owner, read_catalog

SQUARES = (
    "POLYGON ICRS  359.99 -0.01 0.01 -0.01 0.01 0.01 359.99 0.01",
    "POLYGON ICRS  0.00 -0.01 0.02 -0.01 0.02 0.01 0.00 0.01",  # overlaps half of the first
    "POLYGON ICRS  90.0 60.0 90.04 60.0 90.04 60.02 90.0 60.02",  # another field, as large as one square
)


def test_columns_are_those_that_the_exposures_need(tmp_path):
    table = md.open_proposal(md.example_proposal("three_instruments")).table
    columns = columns_for(table)
    assert {name.partition("_")[0].rstrip("12") for name in columns} == {"nircam", "niriss", "fgs"}
    catalogs = for_proposal(table, stars=20, galaxies=10, random_seed=5)
    for kind, catalog in catalogs.items():
        optics = {
            (magnitude_owner(d), f, p)
            for d, f, p in table[table["tframe"] > 0][["detector", "filter", "pupil"]].itertuples(index=False)
        }
        found = read_catalog(catalog.save(tmp_path / f"{kind}.cat"), kind, optics=optics)
        assert set(found.magnitudes) == set(columns)
    assert len(set(catalogs["point_source"]["index"]) | set(catalogs["galaxy"]["index"])) == 30


def test_sources_lie_on_exposures():
    proposal = md.open_proposal(md.example_proposal())
    stars = for_proposal(proposal, stars=400, galaxies=0)["point_source"]
    units = radec_to_unit(stars["x_or_RA"].value, stars["y_or_Dec"].value)
    fields = fields_of(proposal.table["s_region"])
    inside = np.zeros(len(stars), bool)
    for field in fields:
        along = units @ field.basis.T
        inside |= (along[:, 0] > 0.99) & field.contains(along[:, 1:] / along[:, :1])
    assert inside.all()
    assert len(fields) == 1  # two targets, 8 arcmin apart
    near = md.open_proposal(md.example_proposal(), catalogs=None).table
    assert np.ptp(stars["y_or_Dec"]) > 0.5 * np.ptp(near["dec_ref"])


def test_positions_are_uniform_in_the_union():
    """Overlaps count once, across right ascension 0 and in fields far apart."""
    rng = np.random.Generator(np.random.Philox(key=[1, 2]))
    ra, dec = random_positions(SQUARES, rng, number=6000)
    assert ra.size == 6000
    far = dec > 30
    # areas: 0.02 x 0.03 and 0.04 cos(60) x 0.02 square degrees
    assert abs(far.mean() - 0.4) < 4 * np.sqrt(0.4 * 0.6 / 6000)
    x = (ra[~far] + 180) % 360 - 180
    assert x.min() > -0.0101
    assert x.max() < 0.0201
    counts, _ = np.histogram(x, bins=3, range=(-0.01, 0.02))
    assert np.abs(counts / counts.mean() - 1).max() < 0.1
    assert np.abs(np.histogram(dec[~far], bins=4)[0] / (counts.sum() / 4) - 1).max() < 0.12


def test_a_density_counts_area():
    rng = np.random.Generator(np.random.Philox(key=[1, 3]))
    ra, _ = random_positions(SQUARES[:2], rng, density=1000.0)
    expected = 1000 * 1.2 * 1.8
    assert abs(ra.size - expected) < 5 * np.sqrt(expected)
    table = md.open_proposal(md.example_proposal()).table
    dense = for_proposal(table, stars=20 / u.arcmin**2, galaxies=0)["point_source"]
    thin = for_proposal(table, stars=36000 / u.deg**2, galaxies=0)["point_source"]  # 10 per square arcmin
    assert len(dense) / len(thin) == pytest.approx(2.0, rel=0.1)


def test_the_seed_decides_and_kinds_do_not_meet():
    table = md.open_proposal(md.example_proposal()).table
    one = for_proposal(table, stars=50, galaxies=20, random_seed=3)
    again = for_proposal(table, stars=50, galaxies=70, random_seed=3)
    other = for_proposal(table, stars=50, galaxies=20, random_seed=4)
    assert (one["point_source"] == again["point_source"]).all()
    assert not np.isin(one["point_source"]["x_or_RA"], other["point_source"]["x_or_RA"]).any()
    assert for_proposal(table, stars=0, galaxies=0) == {}


def test_magnitudes_follow_the_counts():
    table = md.open_proposal(md.example_proposal()).table

    def drawn(slope: float) -> np.ndarray:
        stars = for_proposal(table, stars=4000, galaxies=0, magnitudes=(20, 24), slope=slope)["point_source"]
        return stars["nircam_f150w_magnitude"].value

    mags = drawn(0.3)
    assert mags.min() >= 20
    assert mags.max() <= 24
    expected = (10**0.6 - 1) / (10**1.2 - 1)  # brighter than 22
    assert abs((mags < 22).mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)
    assert abs(drawn(0.0).mean() - 22) < 0.1


def test_colours_by_number_and_by_table():
    table = md.open_proposal(md.example_proposal()).table
    assert columns_for(table) == ("nircam_f150w_magnitude", "nircam_f444w_magnitude")
    red = for_proposal(table, stars=30, galaxies=0, colours={"NIRCam F150W": 0.0, "NIRCam F444W": -1.5})[
        "point_source"
    ]
    np.testing.assert_allclose(red["nircam_f150w_magnitude"] - red["nircam_f444w_magnitude"], 1.5)
    types = Table({"nircam_f150w_magnitude": [0.0, 0.0], "nircam_f444w_magnitude": [1.0, -2.0]})
    mixed = for_proposal(table, stars=400, galaxies=0, colours=types)["point_source"]
    colour = np.round(mixed["nircam_f150w_magnitude"] - mixed["nircam_f444w_magnitude"], 6)
    assert set(colour) == {-1.0, 2.0}
    assert 140 < (colour == -1.0).sum() < 260


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stars": -1}, "stars: -1 is not a number of sources"),
        ({"galaxies": 3 * u.m}, "galaxies: 3.0 m is not a density"),
        ({"magnitudes": (25, 20)}, "magnitudes: .* is not a pair of magnitudes, the brighter one first"),
        ({"random_seed": -2}, "random_seed: -2 is not a whole number"),
        ({"slope": np.nan}, "slope: nan is not a number"),
        ({"colours": {"NIRCam F150W": 0.0}}, "colours: nircam_f444w_magnitude of the proposal is missing"),
        ({"colours": {"NIRCam F155W": 0.0}}, "colours: NIRCam F155W: .*is not a valid filter"),
        (
            {"colours": {"NIRCam F150W": 0.0, "NIRCam F444W": 0.0, "NIRCam F356W": 1.0}},
            "nircam_f356w_magnitude: no exposure of the proposal has this filter",
        ),
        ({"colours": {"NIRCam F150W": [0.0, 1.0], "NIRCam F444W": [0.0]}}, "different numbers of rows"),
    ],
)
def test_mistakes_are_named(given, words):
    with pytest.raises(InputError, match=words):
        for_proposal(md.open_proposal(md.example_proposal()), **given)


def test_what_is_not_a_proposal():
    with pytest.raises(InputError, match="str is not a proposal; give what open_proposal returns"):
        for_proposal("my.aptx")
    table = md.open_proposal(md.example_proposal()).table
    with pytest.raises(InputError, match="no filter needs magnitudes"):
        for_proposal(table.iloc[:0])
    with pytest.raises(InputError, match="nowhere to put sources"):
        for_proposal(table.assign(s_region=""))


def test_the_example_in_the_documentation_runs(tmp_path, monkeypatch):
    source = Path(__file__).parents[2] / "docs" / "settings.md"
    text = source.read_text("utf-8").partition("<!-- catalogs example -->")[2].partition("<!-- end")[0]
    code = text.partition("```python\n")[2].partition("```")[0]
    for suffix in (".xml", ".pointing"):
        (tmp_path / f"my{suffix}").write_bytes(md.example_proposal().with_suffix(suffix).read_bytes())
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code.replace("my.aptx", "my.xml"), str(source), "exec"), names)
    assert {Path(path).name for path in names["proposal"].table["point_source"]} == {"point_source.cat"}
    assert len(names["stars"]) == 2


def test_galaxies_follow_the_survey():
    """Their light adds up to that of all galaxies; shapes and sizes have the medians that the module states."""
    mags = np.linspace(5, 45, 20_000)
    light = 10 ** (galaxy_field.log_counts(mags) - 0.4 * (mags + 48.6)) * (180 / np.pi) ** 2
    assert np.trapezoid(light, mags) * 1e-3 * 1e9 * 2.998e14 / 2.15 == pytest.approx(9.5, abs=0.2)  # nW/m2/sr
    table = md.open_proposal(md.example_proposal()).table
    found = for_proposal(table, stars=0, galaxies=6000, magnitudes=(20, 26))["galaxy"]
    drawn = found["nircam_f150w_magnitude"].value
    for low, high in ((20, 22), (22, 24), (24, 26)):
        share = galaxy_field.density(low, high) / galaxy_field.density(20, 26)
        inside = ((drawn >= low) & (drawn < high)).mean()
        assert abs(inside - share) < 4 * np.sqrt(share * (1 - share) / 6000)
    scaled = found["radius"] / np.exp(-1.145 - 0.269 * (drawn + 1.0 - 23.0)) / 1.678
    assert np.median(scaled) == pytest.approx(1.0, abs=0.02)
    assert np.std(np.log10(scaled)) == pytest.approx(0.2, abs=0.01)
    assert found["ellipticity"].max() <= 2 * 0.804 / 1.804
    assert np.median(found["ellipticity"]) == pytest.approx(0.44, abs=0.02)
    assert (found["sersic_index"] > 2).mean() == pytest.approx(0.12, abs=0.02)


def test_as_many_galaxies_as_the_survey_has():
    table = md.open_proposal(md.example_proposal()).table
    counted = for_proposal(table, stars=0, galaxies="counts", magnitudes=(18, 24))["galaxy"]
    dense = for_proposal(table, stars=0, galaxies=galaxy_field.density(18, 24) / u.arcmin**2)["galaxy"]
    assert len(counted) == len(dense) > 100
    assert counted["nircam_f150w_magnitude"].max() <= 24
    with pytest.raises(InputError, match="galaxies: 'many' is not a number of sources"):
        for_proposal(table, galaxies="many")
