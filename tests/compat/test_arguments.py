"""Names and shapes of arguments that scripts for Mirage have: translated, or refused with what to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.table import Table

import mirage_dask as md
from mirage_dask.compat import yaml_generator
from mirage_dask.compat.arguments import catalogs_by_target, settings_from_defaults
from mirage_dask.errors import InputError

MOSAIC = md.example_proposal()
STARS, GALAXIES = MOSAIC.with_name("stars.cat"), MOSAIC.with_name("galaxies.cat")


def generator(tmp_path, proposal=MOSAIC, **options) -> yaml_generator.SimInput:
    folders = {"output_dir": tmp_path / "yam", "simdata_output_dir": tmp_path / "data"}
    given = {"reffile_defaults": "builtin", **folders, **options}
    return yaml_generator.SimInput(proposal, proposal.with_suffix(".pointing"), **given)


def test_the_table_of_observations(tmp_path):
    yam = generator(tmp_path, catalogs={"point_source": str(STARS)}, background="medium", roll_angle=30.0)
    yam.create_inputs()
    table = Table.read(tmp_path / "yam" / "Observation_table_for_mosaic_2x2.xml_with_yaml_parameters.csv")
    names = [f"{name}.yaml" for name in md.open_proposal(MOSAIC).table["name"]]
    assert list(table["yamlfile"]) == yam.info["yamlfile"] == names
    for yamlfile, outputfits in zip(yam.info["yamlfile"], yam.info["outputfits"], strict=True):
        assert (tmp_path / "yam" / yamlfile).is_file()
        assert outputfits == yamlfile.replace(".yaml", "_uncal.fits")
    first = {name: column[0] for name, column in yam.info.items()}
    expected = {
        "Instrument": "NIRCAM", "detector": "B1", "aperture": "NRCB1_FULL", "Module": "B", "Subarray": "FULL",
        "ShortFilter": "F150W", "ShortPupil": "CLEAR", "LongFilter": "F444W", "LongPupil": "CLEAR",
        "FilterWheel": "None", "ReadoutPattern": "RAPID", "Groups": 4, "Integrations": 1, "Mode": "imaging",
        "obs_num": "001", "visit_num": "001", "exposure": "00001", "visit_group": "01", "sequence_id": "1", "act_id": "01",
        "ProposalID": "99001", "APTTemplate": "NircamImaging", "Tracking": "sidereal", "PAV3": 30.0,
        "sw_ptsrc": str(STARS), "lw_ptsrc": str(STARS), "PointSourceCatalog": "None", "sw_bkgd": "medium",
        "CoordinatedParallel": "false", "ParallelInstrument": False, "superbias": "crds", "lindark": "None",
        "grism_source_image": "False", "nframe": 1, "nskip": 0,
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert np.isfinite([yam.info[name] for name in ("v2", "v3", "ra_ref", "basex", "dithx", "idly")]).all()
    assert len(set(map(len, yam.info.values()))) == 1
    assert yam.info["filter"][0] == "F150W"  # the exposure table's columns stay


def test_the_table_has_all_instruments(tmp_path, capsys):
    yam = generator(tmp_path, md.example_proposal("three_instruments"), add_ghosts=False)
    yam.create_inputs()
    rows = [dict(zip(yam.info, values, strict=True)) for values in zip(*yam.info.values(), strict=True)]
    niriss = next(row for row in rows if row["Instrument"] == "NIRISS")
    assert (niriss["detector"], niriss["Module"], niriss["ShortFilter"]) == ("NIS", "N", "None")
    assert "CLEAR" in (niriss["FilterWheel"], niriss["PupilWheel"]) or niriss["PupilWheel"] == "CLEARP"
    assert {row["detector"] for row in rows if row["Instrument"] == "FGS"} <= {"G1", "G2"}
    parallel = {row["obs_num"] for row in rows if row["ParallelInstrument"]}
    assert parallel == {row["obs_num"] for row in rows if row["CoordinatedParallel"] == "true"} != set()


def test_defaults_with_mirages_names(tmp_path):
    defaults = {
        "PAV3": 41.5,
        "Date": "2022-3-1",
        "BackgroundRate": "high",
        "CosmicRayLibrary": "SUNMIN",
        "CosmicRayScale": 2.0,
        "PointSourceCatalog": str(STARS),
        "ExtendedScale": 1.0,
        "random_seed": 11,
    }
    yam = generator(tmp_path, parameter_defaults=defaults)
    yam.create_inputs()
    assert set(yam.info["PAV3"]) == {41.5}
    assert set(yam.info["date_obs"]) == {"2022-03-01"}
    assert set(yam.info["background"]) == {"high"}
    assert set(zip(yam.info["CosmicRayLibrary"], yam.info["CosmicRayScale"], strict=True)) == {
        ("SUNMIN", 2.0)
    }
    assert set(yam.info["point_source"]) == {str(STARS)}
    assert set(yam.info["random_seed"]) == {11}


def test_images_of_sources(tmp_path):
    """Mirage's words for their PSF and scale, through YAML files and back."""
    path = tmp_path / "extended.cat"
    path.write_text("x_or_RA y_or_Dec filename pos_angle\n150.1 2.2 a.fits None\n", encoding="utf-8")
    defaults = {"ExtendedScale": 3.0, "ExtendedCatalog": str(path)}
    yam = generator(tmp_path, parameter_defaults=defaults, convolve_extended_with_psf=False)
    yam.create_inputs()
    signals = yaml.safe_load(Path(yam.yaml_files[0]).read_text("utf-8"))["simSignals"]
    assert (signals["PSFConvolveExtended"], signals["extendedscale"]) == (False, 3.0)
    table = md.open_yaml(Path(yam.yaml_files[0]).parent).table
    assert set(table["extended_light"]) == {"jwst 3.0"}
    assert set(table["extended"]) == {str(path)}


def test_an_image_of_the_scene_comes_back(tmp_path):
    """It is a key of this package's own section, of files whose exposures have one, and checked when it is read."""
    path = tmp_path / "mosaic.fits"
    path.touch()
    scene = {"path": {"F150W": str(path)}, "units": "nJy", "psf": "0.03 arcsec"}
    yam = generator(tmp_path, parameter_defaults={"scene_image": scene})
    yam.create_inputs()
    own = [yaml.safe_load(Path(name).read_text("utf-8"))["mirage_dask"] for name in yam.yaml_files]
    assert {"scene_image" in section for section in own} == {True, False}
    table = md.open_yaml(Path(yam.yaml_files[0]).parent).table
    before = md.open_proposal(MOSAIC, scene_image=scene).table
    assert sorted(table["scene_image"]) == sorted(before["scene_image"])
    path.unlink()
    with pytest.raises(InputError, match=r"scene_image\.path: there is no file"):
        md.open_yaml(Path(yam.yaml_files[0]).parent)


@pytest.mark.parametrize(
    ("defaults", "words"),
    [
        ({"PAV3": 1.0, "roll_angle": 2.0}, "PAV3 and roll_angle are two names of one key; remove one"),
        ({"ExtendedCenter": "1,1"}, "ExtendedCenter: '1,1' is not simulated; leave it at '1024,1024'"),
        ({"CosmicRayScale": 2.0, "cosmic_rays": "SUNMIN"}, "cosmic_rays is given together with scale"),
        ("high", "'high' is not a valid dictionary"),
    ],
)
def test_defaults_that_cannot_be(defaults, words):
    with pytest.raises(InputError, match=words):
        settings_from_defaults(defaults)


def test_catalogs_that_begin_with_the_instrument():
    types = {"point_source": "a.cat"}
    targets = ["M-83", "DARK-SKY", ""]
    both = {name: {"nircam": types} for name in ("M-83", "DARK-SKY")}
    assert catalogs_by_target({"nircam": types}, targets) == both
    assert catalogs_by_target({"NIRCam": {"M-83": {"ptsrc": "a.cat"}}}, targets) == {
        "M-83": {"nircam": types}
    }
    assert catalogs_by_target({"ptsrc": "a.cat", "gal": "g.cat"}) == {**types, "galaxy": "g.cat"}
    two = catalogs_by_target({"nircam": types, "niriss": {"galaxy": "g.cat"}}, ["M-83"])
    assert two == {"M-83": {"nircam": types, "niriss": {"galaxy": "g.cat"}}}
    assert catalogs_by_target({"NIRCAM": types}, ["NIRCAM"]) == {"NIRCAM": types}  # a target of that name
    given = {"M-83": {"nircam": types}, "point_source": "b.cat"}
    assert catalogs_by_target(given, targets) == given
    assert catalogs_by_target(None) is None


def test_catalogs_by_instrument_reach_the_exposures(tmp_path):
    yam = generator(tmp_path, catalogs={"nircam": {"point_source": str(STARS), "galaxy": str(GALAXIES)}})
    yam.create_inputs()
    assert set(yam.info["sw_ptsrc"]) == {str(STARS)}
    assert set(yam.info["lw_galcat"]) == {str(GALAXIES)}


def test_ghosts_are_a_setting(tmp_path):
    three = md.example_proposal("three_instruments")

    def written(**arguments):
        yam = generator(tmp_path, three, **arguments)
        yam.create_inputs()
        (path,) = [p for p in yam.yaml_files if p.endswith("_nis.yaml")][:1]
        signals = yaml.safe_load(Path(path).read_text())["simSignals"]
        return signals["add_ghosts"], signals["PSFConvolveGhosts"]

    assert written() == written(add_ghosts=True) == (True, False)
    assert (
        written(add_ghosts=False)
        == written(add_ghosts=False, convolve_ghosts_with_psf=True)
        == (False, False)
    )
    assert written(convolve_ghosts_with_psf=True) == (True, True)
    stamp = tmp_path / "ghost.fits"
    stamp.write_bytes(b"")
    defaults = {"ghosts": {"stamp": str(stamp)}}
    assert written(parameter_defaults=defaults, convolve_ghosts_with_psf=True) == (True, True)


def test_raw_darks_are_refused_with_the_setting(tmp_path):
    yam = generator(tmp_path)
    yam.use_linearized_darks = False
    with pytest.raises(InputError, match=r"give parameter_defaults=\{'darks': 'raw'\}"):
        yam.create_inputs()


@pytest.mark.parametrize("date", ["2022-3-1", "2022-03-1T0:5:9", "2022-3-01T00:05:09"])
def test_dates_with_one_digit(date):
    start = md.open_proposal(MOSAIC, dates=date).table["start_time"][0]
    assert start == ("2022-03-01T00:05:09.000" if "T" in date else "2022-03-01T00:00:00.000")
