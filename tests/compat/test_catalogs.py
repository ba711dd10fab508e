"""Mirage's classes and functions for catalogs."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

import mirage_dask as md
from mirage_dask.compat import catalog_generator, create_catalog
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog

RA, DEC = np.array([80.1, 80.2, 80.3]), np.array([-69.8, -69.7, -69.6])
MAGS = np.array([17.0, 18.5, 20.0])


def stars() -> catalog_generator.PointSourceCatalog:
    catalog = catalog_generator.PointSourceCatalog(ra=RA, dec=DEC, starting_index=4)
    catalog.add_magnitude_column(MAGS, instrument="nircam", filter_name="f090w", magnitude_system="abmag")
    catalog.add_magnitude_column(MAGS + 1, instrument="niriss", filter_name="f200w")
    return catalog


def test_points(tmp_path):
    catalog = stars()
    assert (len(catalog), catalog.location_units) == (3, "position_RA_Dec")
    np.testing.assert_array_equal(catalog.ra, RA)
    np.testing.assert_array_equal(catalog.dec, DEC)
    assert catalog.x.size == catalog.y.size == 0
    assert catalog.table.colnames[-2:] == ["nircam_f090w_magnitude", "niriss_f200w_magnitude"]
    np.testing.assert_array_equal(catalog.get_magnitudes("niriss_f200w_magnitude"), MAGS + 1)
    system, values = catalog.magnitudes["nircam_f090w_magnitude"]
    assert (system, values.tolist()) == ("abmag", MAGS.tolist())
    catalog.save(tmp_path / "ptsrc.cat")
    assert Table.read(tmp_path / "ptsrc.cat", format="ascii")["index"].tolist() == [4, 5, 6]
    again = catalog_generator.cat_from_file(tmp_path / "ptsrc.cat")
    assert (again.table == catalog.table).all()
    moving = tmp_path / "moving.cat"
    moving.write_text("x_or_RA y_or_Dec pmra pmdec ref_epoch magnitude\n150 2 None 20 2015.5 20\n")
    again = catalog_generator.cat_from_file(moving)
    again.save(moving)
    found = read_catalog(moving, "point_source").proper
    assert (found.velocity.tolist(), found.epoch.tolist()) == ([[0, 20]], [2015.5])


def test_galaxies(tmp_path):
    catalog = catalog_generator.GalaxyCatalog(
        x=[10.0, 20.0], y=[30.0, 40.0], ellipticity=[0.5, 0.6], radius=[3.0, 4.0], sersic_index=[1.0, 4.0],
        position_angle=[27.0, 28.0], radius_units="pixels", starting_index=250,
    )  # fmt: skip
    catalog.add_magnitude_column([20.0, 21.0], "stmag", "nircam", "f444w")
    catalog.save(tmp_path / "galaxies.cat")
    found = read_catalog(tmp_path / "galaxies.cat", "galaxy")
    assert (found.system, found.pixels, found.radius_pixels) == ("stmag", True, True)
    assert found.index.tolist() == [250, 251]
    assert found.shapes["pos_angle"].tolist() == [27.0, 28.0]
    assert (catalog.radius_units, catalog.morphology["radius"].tolist()) == ("pixels", [3.0, 4.0])
    again = catalog_generator.cat_from_file(tmp_path / "galaxies.cat", "galaxy")
    assert (again.table == catalog.table).all()
    assert again.radius_units == "pixels"


def test_images(tmp_path):
    names = ["a.fits", "b.fits", "c.fits"]
    catalog = catalog_generator.ExtendedCatalog(names, RA, DEC, position_angle=[10.0, None, 30.0])
    catalog.add_magnitude_column([18.0, None, 20.5], "abmag", "nircam", "f090w")
    assert catalog.filenames == names
    np.testing.assert_array_equal(catalog.position_angle, [10.0, np.nan, 30.0])
    catalog.save(tmp_path / "extended.cat")
    found = read_catalog(tmp_path / "extended.cat", "extended", optics=[("NIRCAM", "F090W", "CLEAR")])
    assert found.files == tuple(str(tmp_path / name) for name in names)
    np.testing.assert_array_equal(found.shapes["pos_angle"], [10.0, np.nan, 30.0])
    np.testing.assert_array_equal(found.magnitude("NIRCAM", "F090W"), [18.0, np.nan, 20.5])
    again = catalog_generator.cat_from_file(tmp_path / "extended.cat", "extended")
    np.testing.assert_array_equal(again.get_magnitudes("nircam_f090w_magnitude"), [18.0, np.nan, 20.5])
    with pytest.raises(InputError, match="has a blank"):
        catalog_generator.ExtendedCatalog(["a b.fits"], [1.0], [2.0])


def test_catalogs_are_combined():
    one, two = stars(), catalog_generator.PointSourceCatalog(ra=[81.0], dec=[-69.0])
    two.add_magnitude_column([15.0], instrument="nircam", filter_name="f090w")
    both = create_catalog.combine_catalogs(one, two, starting_index=100)
    assert both.table["index"].tolist() == [100, 101, 102, 103]
    assert both.get_magnitudes("niriss_f200w_magnitude").tolist() == [18.0, 19.5, 21.0, 99.0]
    one.add_catalog(two, magnitude_fill_value=50.0)
    assert one.get_magnitudes("niriss_f200w_magnitude")[-1] == 50.0
    assert len(one) == 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: catalog_generator.PointSourceCatalog(ra=RA, dec=DEC[:2]), "3 and 2 coordinates are given"),
        (lambda: catalog_generator.PointSourceCatalog(), "either as ra and dec or as x and y"),
        (
            lambda: catalog_generator.PointSourceCatalog(RA, DEC, RA, DEC),
            "either as ra and dec or as x and y",
        ),
        (
            lambda: stars().add_magnitude_column(MAGS, "vegamag", "nircam", "f444w"),
            "but the catalog has abmag magnitudes",
        ),
        (lambda: stars().add_magnitude_column(MAGS, "abmag", "nircam", "f999w"), "is not a valid filter"),
        (lambda: stars().add_magnitude_column(MAGS, "abmag", "nircam", "f090w"), "the catalog has a column"),
        (
            lambda: stars().get_magnitudes("nircam_f444w_magnitude"),
            "has no such magnitudes; it has nircam_f090w",
        ),
        (
            lambda: catalog_generator.PointSourceCatalog(RA, DEC, niriss_ghost_stamp=["a.fits"] * 2),
            "niriss_ghost_stamp: 2 images for 3 sources",
        ),
        (
            lambda: catalog_generator.ExtendedCatalog(["a.fits"], [1.0, 2.0], [2.0, 3.0]),
            "1 filename for 2 sources",
        ),
        (
            lambda: catalog_generator.MovingExtendedCatalog(["a.fits"], [1.0], [2.0]),
            "MovingExtendedCatalog: moving images are not simulated yet",
        ),
        (
            lambda: catalog_generator.NonSiderealCatalog(ra=[1.0], dec=[2.0]),
            "Give the velocities of the sources either as ra and dec or as x and y",
        ),
        (
            lambda: catalog_generator.MovingExtendedCatalog(),
            "MovingExtendedCatalog: moving images are not simulated yet",
        ),
        (
            lambda: create_catalog.galaxy_background(80.0, -69.8, 0.0, 120),
            "galaxy_background is not done here; use mirage_dask.catalogs.for_proposal",
        ),
        (
            lambda: create_catalog.besancon(80.0, -69.8, 120, username="me"),
            "besancon is not done here; ask for a result on model.obs-besancon.fr",
        ),
    ],
)
def test_what_cannot_be_is_said(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_stamps_of_ghosts_are_a_column(tmp_path):
    catalog = catalog_generator.PointSourceCatalog(RA, DEC, niriss_ghost_stamp=["a.fits", None, "b.fits"])
    catalog.add_magnitude_column(MAGS, "abmag", "niriss", "f200w")
    catalog.save(tmp_path / "stars.cat")
    stamps = read_catalog(tmp_path / "stars.cat", "point_source").ghost_stamps
    assert stamps == (str(tmp_path / "a.fits"), "", str(tmp_path / "b.fits"))


def test_moving_sources(tmp_path):
    """Written as Mirage does, read as a catalog of that type."""
    near = {"ra": [53.1, 53.2], "dec": [-27.8, -27.7]}
    speed = {"ra_velocity": [3.0, 4.0], "dec_velocity": [0.5, -0.5]}
    shape = {
        "ellipticity": [0.1, 0.2],
        "radius": [1.0, 2.0],
        "sersic_index": [1.0, 4.0],
        "position_angle": [0.0, 30.0],
    }
    (tmp_path / "mars.txt").write_text("")
    made = {
        "moving_pointsource": catalog_generator.MovingPointSourceCatalog(
            **near, x_velocity=[100.0, 200.0], y_velocity=[0.0, 1.0]
        ),
        "moving_sersic": catalog_generator.MovingSersicCatalog(**near, **speed, **shape),
        "moving_target_to_track": catalog_generator.NonSiderealCatalog(
            ephemeris_file=[str(tmp_path / "mars.txt")]
        ),
    }
    for kind, catalog in made.items():
        catalog.add_magnitude_column([20.0] * len(catalog), "abmag", "nircam", "f150w")
        catalog.save(tmp_path / f"{kind}.cat")
        found = read_catalog(tmp_path / f"{kind}.cat", kind)
        assert len(found) == len(catalog)
        assert found.motion.pixels == (kind == "moving_pointsource")
        assert bool(found.shapes) == (kind == "moving_sersic")
    assert found.motion.ephemerides == (str(tmp_path / "mars.txt"),)


def test_for_proposal(tmp_path, capsys):
    """One catalog for observations near each other, with a column for each filter of theirs."""
    xml = md.example_proposal()
    given = xml, xml.with_suffix(".pointing")
    near = create_catalog.for_proposal(
        *given, out_dir=tmp_path, galaxy_seed=3, catalog_splitting_threshold=1.0
    )
    stars_, galaxies_, star_files, galaxy_files, star_map, galaxy_map = near
    assert "random, not those of Gaia" in capsys.readouterr().err
    assert (len(stars_), len(galaxies_)) == (1, 1)
    assert star_files == [str(tmp_path / "ptsrc_for_mosaic_2x2_observations_001_002.cat")]
    assert galaxy_map == dict.fromkeys(("001", "002"), "galaxies_for_mosaic_2x2_observations_001_002.cat")
    proposal = md.open_proposal(xml, catalogs={"point_source": star_files[0], "galaxy": galaxy_files[0]})
    assert (proposal.table["status"] == "ready").all()
    assert len(stars_[0]) > 20
    far = create_catalog.for_proposal(*given, save_catalogs=False, extragalactic=False)
    assert (len(far[0]), far[1], far[2], far[4]) == (2, [], [], {})
    assert star_map.keys() == galaxy_map.keys()


def test_for_proposal_with_a_model_of_the_galaxy(tmp_path):
    model = tmp_path / "besancon.cat"
    model.write_text("# K V-K J-K J-H RAJ2000 DECJ2000\n13 5 0.9 0.6 150.1 2.2\n14 2 0.4 0.3 150.2 2.3\n")
    xml = md.example_proposal()
    stars_, galaxies_, files, *_ = create_catalog.for_proposal(
        xml, xml.with_suffix(".pointing"), besancon_catalog_file=str(model), out_dir=tmp_path,
        catalog_splitting_threshold=1.0,
    )  # fmt: skip
    assert stars_[0].table["x_or_RA"].tolist() == [150.1, 150.2]
    assert not set(stars_[0].table["index"]) & set(galaxies_[0].table["index"])
    assert len(read_catalog(files[0], "point_source")) == 2
