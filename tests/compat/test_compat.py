"""A script written for Mirage, with its import line changed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.io import fits

import mirage_dask as md
from mirage_dask.catalogs import write_spectra
from mirage_dask.compat import (
    catalog_seed_image,
    dark_prep,
    grism_tso_simulator,
    imaging_simulator,
    obs_generator,
    wfss_simulator,
    yaml_generator,
)
from mirage_dask.errors import InputError

EXAMPLES = Path(str(files("mirage_dask") / "examples"))
CATALOGS = {
    "DEMO-FIELD": {"point_source": str(EXAMPLES / "stars.cat"), "galaxy": str(EXAMPLES / "galaxies.cat")},
    "DEMO-STARS": {"nircam": {"point_source": str(EXAMPLES / "stars.cat")}},
}


def generator(tmp_path: Path, **options) -> yaml_generator.SimInput:
    given = {
        "catalogs": CATALOGS,
        "cosmic_rays": {"library": "SUNMIN", "scale": 1.0},
        "background": "medium",
        "roll_angle": 30.0,
        "dates": "2022-12-01",
        "datatype": "linear, raw",
        "reffile_defaults": "crds",
        "verbose": True,
        "output_dir": str(tmp_path / "yamls"),
        "simdata_output_dir": str(tmp_path / "data"),
    }
    return yaml_generator.SimInput(
        str(EXAMPLES / "mosaic_2x2.xml"), str(EXAMPLES / "mosaic_2x2.pointing"), **(given | options)
    )


def test_generate_and_simulate(tmp_path, capsys, monkeypatch):
    """From the proposal to raw files, and Mirage's three stages by themselves to the same bits."""
    monkeypatch.delenv("CRDS_PATH", raising=False)
    yam = generator(tmp_path)
    yam.use_linearized_darks = True
    yam.psf_paths = None
    yam.create_inputs()
    names = yam.yaml_files
    assert len(names) == len(yam.info["name"]) == 28
    assert set(yam.info["background"]) == {"medium"}
    told = capsys.readouterr().err
    assert "28 YAML files" in told
    assert "the built-in reference files are used" in told

    sim = imaging_simulator.ImgSim()
    sim.paramfile = next(n for n in names if "99001002001" in n and "nrcb1" in n)
    sim.create()
    path = tmp_path / "data" / (Path(sim.paramfile).stem + "_uncal.fits")
    assert sim.output_file == path
    with fits.open(path) as hdus:
        raw = hdus["SCI"].data.copy()
        assert hdus["SCI"].data.shape == (2, 8, 400, 400)
        assert hdus[0].header["FILTER"] == "F150W"
    path.unlink()
    with fits.open(path.with_name(path.name.replace("_uncal", "_linear"))) as hdus:
        assert hdus["SCI"].data.shape == raw.shape
        assert np.isfinite(hdus["SCI"].data).all()
        means = hdus["SCI"].data[:, :, 8:-8, 8:-8].mean(axis=(2, 3))
        assert np.abs(means[:, 0]).max() < 100  # DN: no bias
        assert (means[:, -1] > means[:, 0]).all()

    scene = catalog_seed_image.Catalog_seed()
    scene.paramfile = sim.paramfile
    scene.make_seed()
    assert scene.seedimage.shape == (400, 400)
    dark = dark_prep.DarkPrep()
    dark.paramfile = sim.paramfile
    dark.prepare()
    assert dark.prepDark.shape == (2, 8, 400, 400)
    observation = obs_generator.Observation()
    observation.paramfile = sim.paramfile
    observation.linDark = dark.prepDark
    observation.seed = scene.seedimage
    observation.segmap = scene.seed_segmap
    observation.seedheader = scene.seedinfo
    observation.create()
    with fits.open(observation.output_file) as hdus:
        np.testing.assert_array_equal(hdus["SCI"].data, raw)

    doubled = obs_generator.Observation()
    doubled.paramfile, doubled.linDark, doubled.seed = sim.paramfile, dark.prepDark, scene.seedimage * 2
    doubled.create()
    with fits.open(doubled.output_file) as hdus:
        assert hdus["SCI"].data[0, -1].astype(float).mean() > raw[0, -1].astype(float).mean()


def test_arguments_reach_the_exposures(tmp_path):
    yam = generator(
        tmp_path,
        dateobs_for_background=True,
        parameter_defaults={"seed": 11, "background": "high"},
        background=None,
        catalogs=None,
        verbose=False,
    )
    yam.create_inputs()
    assert set(yam.info["random_seed"]) == {11}
    assert set(yam.info["background"]) == {"date"}
    assert set(yam.info["pa_v3"]) == {30.0}


@pytest.mark.parametrize(
    ("options", "attributes", "words"),
    [
        ({"reffile_defaults": "crd"}, {}, ["reffile_defaults: 'crd' is not allowed"]),
        (
            {},
            {"psfwfe": "requirements", "psfwfegroup": 2},
            ["psfwfe: 'requirements' is not supported yet", "psfwfegroup: 2 is not supported yet"],
        ),
        ({}, {"psf_paths": "psf"}, ["psf_paths: there is no folder"]),
        ({"background": "lo"}, {}, ["background: 'lo' is not allowed"]),
    ],
)
def test_what_cannot_be_is_said(tmp_path, options, attributes, words):
    yam = generator(tmp_path, **options)
    for name, value in attributes.items():
        setattr(yam, name, value)
    with pytest.raises(InputError) as caught:
        yam.create_inputs()
    assert len(caught.value.problems) == len(words)
    assert all(w in p for w, p in zip(words, caught.value.problems, strict=True))
    assert not list(tmp_path.rglob("*.yaml"))


def test_simulators_without_a_file_or_a_way():
    with pytest.raises(InputError, match="paramfile is None"):
        imaging_simulator.ImgSim().create()
    with pytest.raises(InputError, match="override_dark is not supported yet"):
        imaging_simulator.ImgSim("a.yaml", override_dark="dark.fits").create()
    with pytest.raises(InputError, match="final_SED_file is not supported") as caught:
        grism_tso_simulator.GrismTSO("a.yaml", final_SED_file="a", lightcurves=1, orders=["+1"]).create()
    assert len(caught.value.problems) == 3
    with pytest.raises(InputError) as caught:
        wfss_simulator.WFSSSim(
            "a.yaml", SED_file="no.hdf5", SED_normalizing_catalog_column="F200W", SED_dict={}
        ).create()
    expected = (
        "SED_dict is not supported; write",
        "SED_file: there is no file",
        "SED_normalizing_catalog_column: 'F200W'",
    )
    assert all(part in problem for part, problem in zip(expected, caught.value.problems, strict=True))
    with pytest.raises(InputError, match="paramfiles has 2 files"):
        wfss_simulator.WFSSSim(["a.yaml", "b.yaml"])


def test_the_documented_snippet_on_a_real_proposal(shared, tmp_path):
    """42424: the whole way for one exposure of each channel."""
    folder = shared / "apt" / "42424_imaging"
    (xml,), (pointing,) = folder.glob("*.xml"), folder.glob("*.pointing")
    catalog = tmp_path / "stars.cat"
    catalog.write_text("index x_or_RA y_or_Dec magnitude\n1 53.0974 -27.7847 19.0\n")
    yam = yaml_generator.SimInput(
        xml, pointing, catalogs={"GOODS-S-FIELD": {"point_source": str(catalog)}}, background="medium",
        roll_angle=34.5, dates="2022-10-31", datatype="raw",
        output_dir=tmp_path / "yamls", simdata_output_dir=tmp_path / "data",
    )  # fmt: skip
    yam.create_inputs()
    assert len(yam.yaml_files) == 20
    for detector in ("nrcb1", "nrcb5"):
        sim = imaging_simulator.ImgSim(next(n for n in yam.yaml_files if detector in n))
        sim.create()
        with fits.open(sim.output_file) as hdus:
            assert hdus["SCI"].data.shape == (1, 4, 2048, 2048)


def test_an_exposure_behind_a_grism(tmp_path):
    """Its scene has the trace of a star, which an imaging exposure is refused to have; spectra are those it is given."""
    xml = md.example_proposal("slitless")
    pointing = xml.with_suffix(".pointing")
    table = md.open_proposal(xml).table
    row = table[table.exp_type == "NIS_WFSS"].iloc[0]
    catalog = tmp_path / "stars.cat"
    catalog.write_text(
        "index x_or_RA y_or_Dec niriss_f150w_magnitude niriss_f200w_magnitude nircam_f150w_magnitude\n"
        f"1 {row.ra_ref} {row.dec_ref} 19.0 19.0 18.0\n"
    )
    yam = yaml_generator.SimInput(
        xml, pointing, catalogs={"point_source": str(catalog)}, background="low", datatype="raw",
        output_dir=tmp_path / "yamls", simdata_output_dir=tmp_path / "data",
    )  # fmt: skip
    yam.create_inputs()
    modes = {name: yaml.safe_load(Path(name).read_text())["Inst"]["mode"] for name in yam.yaml_files}
    behind, image = (next(name for name, mode in modes.items() if mode == m) for m in ("wfss", "imaging"))
    with pytest.raises(InputError, match="is not behind a grism; simulate it with ImgSim"):
        wfss_simulator.WFSSSim(image).create()
    simulated = wfss_simulator.WFSSSim([behind])
    simulated.create()
    with fits.open(simulated.output_file) as hdus:
        assert hdus[0].header["EXP_TYPE"] == "NIS_WFSS"
        assert hdus[0].header["FILTER"].startswith("GR150")
    bright = simulated.seedimage > 2 * np.median(simulated.seedimage)
    assert 50 < max(np.count_nonzero(bright.any(axis=axis)) for axis in (0, 1)) < 1500
    # A shape of light at 1.5 to 1.55 micron alone: as much of it as the other column says, and a shorter trace.
    pytest.importorskip("h5py")
    wave = [1.2, 1.4999, 1.5, 1.55, 1.5501, 1.8] * u.um
    file = write_spectra(tmp_path / "s.hdf5", {1: (wave, [0, 0, 1, 1, 0, 0] * u.dimensionless_unscaled)})
    given = wfss_simulator.WFSSSim(
        behind, SED_file=file, SED_normalizing_catalog_column="niriss_f200w_magnitude", extrapolate_SED=False
    )
    with pytest.raises(
        InputError, match="source 1: it is a shape without a scale and has no light in CLEAR/F200W"
    ):
        given.create()
    given = wfss_simulator.WFSSSim(
        behind, SED_file=file, SED_normalizing_catalog_column="nircam_f150w_magnitude", extrapolate_SED=False
    )
    given.create()
    light = [sim.seedimage - np.median(sim.seedimage, axis=1, keepdims=True) for sim in (simulated, given)]
    lengths = [np.count_nonzero((one > 0.2 * one.max()).any(axis=1)) for one in light]
    assert lengths[1] < 0.4 * lengths[0]
    assert light[1].sum() == pytest.approx(10**0.4 * light[0].sum(), rel=0.4)  # near the peak of the band
