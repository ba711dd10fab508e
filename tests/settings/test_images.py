"""The keys `extended` and `scene_image`: images of sources, and of the sky."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy import units as u
from astropy.table import Table

from mirage_dask.errors import InputError
from mirage_dask.settings import load_settings
from mirage_dask.settings.effects import GhostLight
from mirage_dask.settings.row import ExposureSettings, row_of
from mirage_dask.settings.sky import ExtendedLight, SceneFile, SceneImages


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.fits").touch()
    (tmp_path / "b.zarr").mkdir()
    return tmp_path


def test_images_of_sources():
    assert load_settings(None).extended == ExtendedLight("none", 1.0)
    found = load_settings({"extended": {"psf": "JWST", "scale": 2}})
    assert found.extended == ExtendedLight("jwst", 2.0)
    assert load_settings(found.to_dict()) == found
    with pytest.raises(InputError) as raised:
        load_settings({"extended": {"psf": "hst", "scale": -1, "center": 3}})
    assert sorted(p.partition(":")[0] for p in raised.value.problems) == [
        "extended.center",
        "extended.psf",
        "extended.scale",
    ]
    with pytest.raises(InputError, match="is not understood"):
        load_settings({"extended": "jwst"})


def test_an_image_of_the_scene(here):
    one = str(here / "a.fits")
    assert load_settings({"scene_image": "a.fits"}).scene_image == SceneImages((("", one),))
    assert load_settings({"scene_image": None}).scene_image is None
    found = load_settings({"scene_image": {"path": "b.zarr", "units": "mjy/SR", "psf": "30 mas"}})
    assert found.scene_image == SceneImages((("", str(here / "b.zarr")),), "MJy/sr", "0.03 arcsec")
    assert load_settings(found.to_dict()) == found
    quantity = load_settings({"scene_image": {"path": "a.fits", "units": "counts/s", "psf": 0.05 * u.arcsec}})
    assert quantity.scene_image == SceneImages((("", one),), "DN/s", "0.05 arcsec")
    assert quantity.scene_image.for_optics("F200W", "CLEAR").fwhm == 0.05


def test_one_image_for_each_filter(here):
    given = {"path": {"F405N": "a.fits", "f200w": "b.zarr"}, "units": "nJy / pixel", "psf": "jwst"}
    found = load_settings({"scene_image": given})
    images = found.scene_image
    assert images.for_optics("F444W", "F405N") == SceneFile(str(here / "a.fits"), "nJy", "jwst")
    assert images.for_optics("CLEAR", "F200W").path == images.for_optics("F200W", "CLEAR").path
    assert images.for_optics("F444W", "CLEAR") is None
    assert load_settings(found.to_dict()) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("none.fits", "there is no file"),
        (3, "is not understood"),
        ({"units": "nJy"}, "is not understood"),
        ({"path": "a.fits", "unit": "nJy"}, "did you mean 'units'"),
        ({"path": "a.fits", "units": "erg"}, "allowed: MJy/sr"),
        ({"path": "a.fits", "psf": "3 m"}, "0.03 arcsec"),
        ({"path": "a.fits", "psf": "1.2.3 arcsec"}, "0.03 arcsec"),
        ({"path": {"F200X": "a.fits"}}, "did you mean 'F200W'"),
        ({"path": {"F200W": "none.fits"}}, "there is no file"),
    ],
)
def test_what_is_not_valid_is_said(here, given, words):
    with pytest.raises(InputError, match=words) as raised:
        load_settings({"scene_image": given})
    assert all(problem.startswith("scene_image") for problem in raised.value.problems)


def test_columns_of_the_table_give_them_back(here):
    given = ExposureSettings(
        catalogs={"extended": "/a.cat"},
        extended=ExtendedLight("jwst", 3.5),
        scene_image=SceneFile(str(here / "a.fits"), "nJy", "0.03 arcsec"),
    )
    row = row_of(given.to_columns() | {"cosmic_ray_library": ""})
    assert (row.extended, row.scene_image) == (given.extended, given.scene_image)
    assert ExposureSettings().to_columns()["scene_image"] == ""


def test_a_catalog_in_memory_names_its_images_from_here(here):
    table = Table({"x_or_RA": [1.0], "y_or_Dec": [2.0], "filename": ["a.fits"], "pos_angle": [3.0]})
    [entry] = load_settings({"catalogs": {"extended": table}}).catalogs
    assert str(here / "a.fits") in Path(entry.path).read_text(encoding="utf-8")
    assert list(table["filename"]) == ["a.fits"]


def test_ghosts(here):
    assert load_settings(None).ghosts == load_settings({"ghosts": True}).ghosts == GhostLight("", "jwst")
    assert load_settings({"ghosts": False}).ghosts is load_settings({"ghosts": "none"}).ghosts is None
    found = load_settings({"ghosts": {"stamp": "a.fits", "psf": "NONE"}})
    assert found.ghosts == GhostLight(str(here / "a.fits"), "none")
    assert load_settings(found.to_dict()) == found
    assert load_settings({"ghosts": "a.fits"}).ghosts == GhostLight(str(here / "a.fits"), "jwst")
    row = ExposureSettings(ghosts=found.ghosts)
    assert row_of(row.to_columns()).ghosts == found.ghosts
    assert row_of(ExposureSettings().to_columns()).ghosts is None
    with pytest.raises(InputError) as raised:
        load_settings({"ghosts": {"stamp": "nowhere.fits", "psf": "hst", "flux": 1}})
    assert sorted(p.partition(":")[0] for p in raised.value.problems) == [
        "ghosts.flux",
        "ghosts.psf",
        "ghosts.stamp",
    ]
    with pytest.raises(InputError, match=r"ghosts: 3 is not understood; write true, false or \{stamp: FILE"):
        load_settings({"ghosts": 3})


def test_the_psf_of_an_image_may_be_a_file(here):
    found = load_settings({"scene_image": {"path": "b.zarr", "psf": "a.fits", "psf_pixelscale": 0.02}})
    file = found.scene_image.for_optics("F200W", "CLEAR")
    assert (file.psf_file, file.psf_pixelscale, file.fwhm) == (str(here / "a.fits"), 0.02, 0.0)
    assert load_settings(found.to_dict()) == found
    row = ExposureSettings(scene_image=file)
    assert row_of(row.to_columns()).scene_image == file
    assert SceneFile("a", "", "0.03 arcsec").psf_file == SceneFile("a").psf_file == ""
