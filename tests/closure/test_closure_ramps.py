"""Ramps of an even field after the pipeline's linearity step are what went in, up to 90 % of saturation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.detector.effects import default_effects
from mirage_dask.reference.crds.lookup import calibrate_env

pytestmark = pytest.mark.closure

NAME = "jw99001002001_01101_00001_nrcb5"
KEPT = {"nonlinearity", "saturation", "bias", "gain_map"}
LEVEL = 3700.0
"""DN/s: pixels saturate in the last of eight groups."""
SCRIPT = """
import sys
from jwst.dq_init import DQInitStep
from jwst.saturation import SaturationStep
from jwst.superbias import SuperBiasStep
from jwst.linearity import LinearityStep
model = sys.argv[1] + "_uncal.fits"
for step in (DQInitStep, SaturationStep, SuperBiasStep, LinearityStep):
    model = step.call(model)
model.save("ramps.fits")
"""


def test_ramps_are_linear_after_the_pipeline(tmp_path: Path) -> None:
    pytest.importorskip("jwst")
    from astropy.io import fits

    off = dict.fromkeys(default_effects() - KEPT, False)
    proposal = md.open_proposal(md.example_proposal(), background=LEVEL, cosmic_rays="none", effects=off)
    proposal.simulate(tmp_path / "s.zarr", select=[NAME], progress=False)
    simulation = md.open_simulation(tmp_path / "s.zarr")
    simulation.export(tmp_path, select=[NAME])
    expected = simulation.exposure(NAME).linear.to_numpy()
    lines = (line for line in calibrate_env().splitlines() if line and not line.startswith("#"))
    settings = dict(line.split("=", 1) for line in lines)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, NAME], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    with fits.open(tmp_path / "ramps.fits") as hdus:
        found, flags, pixels = hdus["SCI"].data, hdus["GROUPDQ"].data, hdus["PIXELDQ"].data
    saturated = (flags & 2) != 0
    assert saturated[:, -1].mean() > 0.9
    assert (np.diff(saturated.astype(int), axis=1) >= 0).all()
    usable = (pixels == 0) & (expected[0, 0] > 0)
    assert usable.mean() > 0.9
    at_saturation = np.where(saturated, np.inf, expected).max(axis=(0, 1), where=~saturated, initial=0.0)
    assert at_saturation[usable].min() > 3e4
    below = ~saturated & usable & (expected < 0.9 * expected[~saturated].max())
    ratio = found[below] / expected[below]
    assert abs(ratio - 1).max() < 1e-3
    assert abs(np.median(ratio) - 1) < 2e-5
    assert abs(found[~saturated & usable] / expected[~saturated & usable] - 1).max() < 1e-3
