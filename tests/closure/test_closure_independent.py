"""The flux comes back with reference files that are not ours: zero points of flight, another gain map and another dark.

Our own files cannot show an error that stands in both the simulation and its calibration.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.closure_runs import Calibrated, run_pipeline
from support.closure_stars import measure_stars, read_calibration

pytestmark = pytest.mark.closure

PHOTOM = {"SW 1": (2.447, 2.23e-14), "LW": (0.371, 9.24e-14)}
"""PHOTMJSR (MJy/sr per DN/s) of F150W on NRCB1, F444W on NRCBLONG, and PIXAR_SR, in jwst_1293.pmap, as copied by the
DAWN JWST archive (github gbrammer/grizli c3f99a3, jwst_zeropoints.yml)."""


def write_references(folder: Path, exposure: Calibrated, photmjsr: float, pixel: float) -> dict[str, Path]:
    """Write a gain map 3 % higher with a slope of 4 %, a dark of 0.01 e-/s, and a PHOTOM file."""
    from stdatamodels.jwst import datamodels

    spec, size = exposure.spec, 2048
    gain = exposure.references.pack.meta["mean_gain"]
    rows = np.linspace(1.01, 1.05, size, dtype="f4")[:, None]
    table = np.zeros(1, dtype=datamodels.NrcImgPhotomModel().get_dtype("phot_table"))
    table["filter"], table["pupil"] = spec.filter, spec.pupil
    table["photmjsr"], table["uncertainty"] = photmjsr, 0.02 * photmjsr
    times = spec.tgroup * np.arange(1, spec.ngroups + 1, dtype="f4")[:, None, None]
    dark = np.broadcast_to(0.01 / gain * times, (spec.ngroups, size, size)).astype("f4")
    models = {
        "gain": datamodels.GainModel(data=np.broadcast_to(gain * rows, (size, size)).astype("f4")),
        "dark": datamodels.DarkModel(data=dark, dq=np.zeros((size, size), "u4")),
        "photom": datamodels.NrcImgPhotomModel(phot_table=table),
    }
    models["photom"].meta.photometry.pixelarea_steradians = pixel
    with datamodels.open(exposure.product("uncal")) as science:
        for kind, model in models.items():
            model.meta.instrument.name = "NIRCAM"
            model.meta.instrument.detector = science.meta.instrument.detector
            model.meta.telescope, model.meta.reftype = "JWST", kind
            model.meta.description = model.meta.author = model.meta.pedigree = "GROUND"
            model.meta.useafter = "2021-01-01T00:00:00"
            if kind != "photom":
                for name in ("name", "xstart", "ystart", "xsize", "ysize", "fastaxis", "slowaxis"):
                    setattr(model.meta.subarray, name, getattr(science.meta.subarray, name))
            if kind == "dark":
                for name in ("readpatt", "ngroups", "nframes", "groupgap"):
                    setattr(model.meta.exposure, name, getattr(science.meta.exposure, name))
    paths = {kind: folder / f"{kind}.fits" for kind in models}
    for kind, path in paths.items():
        models[kind].save(path)
    return paths


@pytest.mark.parametrize("label", PHOTOM)
def test_flux_with_references_that_are_not_ours(label, exposures, tmp_path):
    exposure = replace(exposures[label], directory=tmp_path)
    shutil.copy(exposures[label].product("uncal"), tmp_path)
    shutil.copy(exposures[label].directory / "calibrate.env", tmp_path)
    photmjsr, pixel = PHOTOM[label]
    run_pipeline([("2", [exposure])], write_references(tmp_path, exposure, photmjsr, pixel))
    calibration = read_calibration(exposure, pixel)
    assert calibration.photmjsr == pytest.approx(photmjsr, rel=1e-4)
    found = measure_stars(exposure, calibration)
    print(
        f"\n{label}: flux ratio {found.mean:.5f} +- {found.mean_error:.5f} with references that are not ours"
    )
    assert found.mean == pytest.approx(1.0, abs=0.01)
