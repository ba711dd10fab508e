"""Stars and galaxies with proper motions are where astropy puts them at the date of each exposure."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from support.simulated import SUBARRAY_SW

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.pointing import unit_to_radec
from mirage_dask.scene.sources import Galaxies, PointSources
from mirage_dask.spec import Window

OTHER = SUBARRAY_SW.replace("00002_nrcb1", "00003_nrcb1")
FULL = "jw99001001001_01101_00001_nrcb1"
STAR = (150.2252, 2.3005, 150.0, -90.0)
"""RA, Dec at 2016.0, mas/yr."""
SHAPE = "radius ellipticity pos_angle sersic_index"


def proposal(folder, kind="point_source", rows=(), names="pmra pmdec ref_epoch", **settings):
    shaped = kind == "galaxy"
    lines = [f"x_or_RA y_or_Dec magnitude {names} {SHAPE if shaped else ''}"]
    lines += [f"{row} {'0.3 0.2 40 1' if shaped else ''}" for row in rows]
    path = folder / f"{kind}.cat"
    path.write_text("\n".join(lines) + "\n")
    return md.open_proposal(
        md.example_proposal(),
        catalogs={kind: path},
        **{"background": 0, "cosmic_rays": "none", "dates": "2027-11-20", **settings},
    )


def table_of(plan, name, table=PointSources):
    spec = plan.spec(plan.row(name))
    (key,) = [key for kind, key in spec.layers if kind == table.kind]
    return table.load(f"{plan.url}/sources", key), key


def expected(start: str) -> SkyCoord:
    ra, dec, pmra, pmdec = STAR
    star = SkyCoord(
        ra * u.deg, dec * u.deg, distance=1 * u.pc, pm_ra_cosdec=pmra * u.mas / u.yr, pm_dec=pmdec * u.mas / u.yr,
        radial_velocity=0 * u.km / u.s, obstime=Time(2016.0, format="jyear", scale="tdb"),
    )  # fmt: skip
    return star.apply_space_motion(Time(start))


@pytest.mark.parametrize(("kind", "table"), [("point_source", PointSources), ("galaxy", Galaxies)])
def test_places_are_of_the_date(tmp_path, kind, table):
    """Within half a mas; a table for each date, which the exposures of a visit share."""
    ra, dec, pmra, pmdec = STAR
    row = f"{ra} {dec} 17 {pmra} {pmdec} 2016.0"
    given = proposal(tmp_path, kind, [row], dates={1: "2022-11-20", 2: "2027-11-20"})
    plan = given.prepare([SUBARRAY_SW, OTHER, FULL])
    starts = given.table.set_index("name")["start_time"]
    for name in (SUBARRAY_SW, FULL):
        sources, _ = table_of(plan, name, table)
        there = SkyCoord(*unit_to_radec(sources.position), unit="deg")
        assert there.separation(expected(starts[name])).mas[0] < 0.5
    keys = [table_of(plan, name, table)[1] for name in (SUBARRAY_SW, OTHER, FULL)]
    assert keys[0] == keys[1] != keys[2]


def test_pixels_are_those_of_the_place(tmp_path):
    """Of a star that the catalog puts where astropy says."""
    ra, dec, pmra, pmdec = STAR
    noon = expected("2027-11-20T12:00:00")
    rows = {"moves": f"{ra} {dec} 17 {pmra} {pmdec} 2016.0"}
    rows["rests"] = f"{noon.ra.deg:.12f} {noon.dec.deg:.12f} 17 None None None"
    rows["catalog"] = f"{ra} {dec} 17 None None None"
    seeds = {}
    for name, row in rows.items():
        (tmp_path / name).mkdir()
        plan = proposal(tmp_path / name, rows=[row]).prepare([SUBARRAY_SW])
        spec = plan.spec(0)
        opened = open_references(spec, plan.url)
        seeds[name] = simulate_window(spec, opened, Window.whole(spec), want=("seed",))["seed"]
    assert seeds["rests"].max() > 100
    np.testing.assert_allclose(seeds["moves"], seeds["rests"], atol=1e-4 * seeds["rests"].max())
    assert np.abs(seeds["moves"] - seeds["catalog"]).max() > 0.5 * seeds["rests"].max()


def test_without_motions_nothing_changes(tmp_path):
    """Columns in which nothing is known, or that are not there, give the same specification."""
    places = ("150.227 2.301 17", "150.226 2.3 18")
    specs = []
    for number, (names, cells) in enumerate((("", ""), ("pmra pmdec ref_epoch", "None NaN 2015.5"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        plan = proposal(folder, rows=[f"{place} {cells}" for place in places], names=names).prepare(
            [SUBARRAY_SW]
        )
        specs.append(plan.spec(0))
    assert specs[0] == specs[1]
    assert specs[0].digest == specs[1].digest


def test_what_is_said_of_them(tmp_path):
    """The epoch that nobody says is a note; a star counts where it is at the date of the first exposure."""
    ra, dec, *_ = STAR
    far = proposal(tmp_path, rows=[f"{ra} {dec - 0.04} 17 0 12000"], names="pmra pmdec")
    (note,) = far.catalog_report.notes
    assert note == (
        "point_source.cat: positions of sources with proper motions are taken to be of 2016.0, as Gaia's are: there is no "
        "'ref_epoch', and no comment '# epoch: 2016.0'."
    )
    assert not far.catalog_report.empty
    still = proposal(tmp_path, rows=[f"{ra} {dec - 0.04} 17 0 0 2016"])
    assert still.catalog_report.notes == ()
