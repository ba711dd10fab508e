"""The reference files of aperture masking: what is in them, and when they are selected and made."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from mirage_dask.errors import InputError
from mirage_dask.reference.builtin import psf
from mirage_dask.reference.builtin.cache import build_cache
from mirage_dask.reference.builtin.masking import files
from mirage_dask.reference.builtin.rules import recipes
from mirage_dask.reference.builtin.stops import nrm
from mirage_dask.reference.crds.lookup import CrdsCache, question, recommend
from mirage_dask.settings.row import row_of


def test_mask_file(tmp_path):
    recipe = recipes()["jwst_niriss_nrm_nis-ami.fits"]
    files.write_mask(tmp_path / "nrm.fits", recipe)
    with fits.open(tmp_path / "nrm.fits") as hdus:
        header, image = hdus[0].header, hdus["NRM"].data
    assert (header["REFTYPE"], header["EXP_TYPE"], header["F2F"]) == ("NRM", "NIS_AMI", 0.8)
    for number, (x, y) in enumerate(nrm.HOLES, start=1):
        assert (header[f"NRM_X_A{number}"], header[f"NRM_Y_A{number}"]) == (x, y)
    step = files.PUPIL_CIRCLE / files.PIXELS
    assert image.sum() * step**2 == pytest.approx(7 * np.sqrt(0.75) * 0.64, rel=1e-3)
    x, y = nrm.HOLES[1]
    assert image[round(y / step + 511.5), round(x / step + 511.5)] == 1.0


def test_throughput_is_the_band_of_the_psfs(tmp_path):
    recipe = recipes()["jwst_niriss_throughput_f480m.fits"]
    files.write_throughput(tmp_path / "a.fits", recipe)
    with fits.open(tmp_path / "a.fits") as hdus:
        assert hdus[0].header["FILTER"] == "F480M"
        table = hdus["THROUGHPUT"].data
    pivot, width = psf.passband("F480M", "NRM", instrument="NIRISS")
    lit = table["wavelength"][table["throughput"] > 0.5] / 1e4
    assert lit.mean() == pytest.approx(pivot, rel=1e-4)
    assert np.ptp(lit) == pytest.approx(width, rel=0.01)


ROW = {
    "name": "one",
    "detector": "NIS",
    "filter": "F480M",
    "pupil": "NRM",
    "subarray": "SUB80",
    "readpatt": "NISRAPID",
    "exp_type": "NIS_AMI",
    "namp": 1,
    "start_time": "2027-01-01T00:00:00",
}


@pytest.mark.parametrize(
    ("fields", "mask", "throughput"),
    [
        ({}, "jwst_niriss_nrm_nis-ami.fits", "jwst_niriss_throughput_f480m.fits"),
        ({"filter": "F380M"}, "jwst_niriss_nrm_nis-ami.fits", "jwst_niriss_throughput_f380m.fits"),
        ({"filter": "CLEAR", "pupil": "F150W", "exp_type": "NIS_IMAGE"}, "N/A", "N/A"),
        ({"detector": "NRCB1", "filter": "F150W", "pupil": "CLEAR", "exp_type": "NRC_IMAGE"}, "N/A", "N/A"),
    ],
)
def test_selected_by_the_keywords_of_the_observatory(tmp_path, fields, mask, throughput):
    row = row_of(ROW | fields)
    (found,) = recommend(
        [("one", question(row))], cache=CrdsCache.builtin(tmp_path), types=("nrm", "throughput")
    )
    assert found == {"nrm": mask, "throughput": throughput}


def test_made_for_masked_optics_alone(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "mirage_dask.reference.builtin.cache.build_files", lambda root, names, **_: asked.append(list(names))
    )
    build_cache(tmp_path, detectors=["NIS"], optics=[("F480M", "CLEARP")])
    build_cache(tmp_path, detectors=["NIS"], optics=[("F480M", "NRM")])
    kinds = [[name for name in names if "_nrm_" in name or "throughput" in name] for names in asked]
    assert kinds == [[], ["jwst_niriss_nrm_nis-ami.fits", "jwst_niriss_throughput_f480m.fits"]]


def test_filters_that_the_mask_cannot_have():
    with pytest.raises(InputError):
        build_cache(None, detectors=["NIS"], optics=[("CLEAR", "NRM")])
