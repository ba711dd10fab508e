"""A linear file through the pipeline's later steps gives the rates that the raw file gives through all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.reference.crds.lookup import calibrate_env

pytestmark = pytest.mark.closure

NAME = "jw99001002001_01101_00001_nrcb5"
SCRIPT = """
import sys
from jwst.pipeline import Detector1Pipeline
done = ("dq_init", "saturation", "superbias", "linearity")
for path, skipped in (("raw", ()), ("linear", done)):
    steps = {step: {"skip": True} for step in skipped}
    name = sys.argv[1] + {"raw": "_uncal.fits", "linear": "_linear.fits"}[path]
    Detector1Pipeline.call(name, steps=steps).save(path + "_rate.fits")
"""


def test_rates_of_both_files_agree(tmp_path: Path) -> None:
    pytest.importorskip("jwst")
    from astropy.io import fits

    source = md.example_proposal()
    proposal = md.open_proposal(source, settings=source.with_name("settings.yaml"))
    proposal.simulate(tmp_path / "s.zarr", select=[NAME], progress=False)
    assert len(md.open_simulation(tmp_path / "s.zarr").export(tmp_path, select=[NAME], datatype="both")) == 2
    lines = (line for line in calibrate_env().splitlines() if line and not line.startswith("#"))
    settings = dict(line.split("=", 1) for line in lines)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, NAME],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-4000:]

    rates, flags, errors = {}, {}, {}
    for kind in ("raw", "linear"):
        with fits.open(tmp_path / f"{kind}_rate.fits") as hdus:
            rates[kind] = hdus["SCI"].data.astype(float)
            flags[kind], errors[kind] = hdus["DQ"].data, hdus["ERR"].data.astype(float)
    good = ((flags["raw"] | flags["linear"]) & 1) == 0
    assert good.mean() > 0.9
    difference = (rates["linear"] - rates["raw"])[good] / errors["raw"][good]
    # The same noise is in both: what is left is the rounding to whole DN, and pixels whose jumps are found in one alone.
    assert np.median(np.abs(difference)) < 0.1
    assert np.abs(np.median(difference)) < 0.02
    assert np.mean(np.abs(difference) > 1) < 0.02
