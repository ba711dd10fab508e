"""An imaging time series in two segments through stock Detector1, Image2 and Tso3: the light curve that went in, in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from support import calibrate_spectra
from support.time_series import PLACE, SHORT, time_series, variable_star

import mirage_dask as md
from mirage_dask.fits.times import barycentric
from mirage_dask.instruments import get_zeropoint
from mirage_dask.reference.crds.lookup import calibrate_env
from mirage_dask.run.export import export_store

pytestmark = pytest.mark.closure

INTEGRATIONS, GROUPS = 300, 10
DEPTH = 0.02
"""The jump step clips the differences of a time series at 4 sigma along its integrations: it takes a depth of many times the
noise of a difference, 1 % in the brightest pixel, for jumps."""
ELECTRONS = 600_000.0
"""Of the star in an integration: the brightest pixel stays below saturation."""
SEGMENT_BYTES = INTEGRATIONS // 2 * 64 * 64 * 24
"""Two segments."""


def test_the_light_curve_comes_back(tmp_path):
    pytest.importorskip("jwst")
    from astropy.table import QTable
    from astropy.time import Time

    proposal = md.open_proposal(time_series(tmp_path, integrations=INTEGRATIONS, groups=GROUPS))
    row = proposal.table.set_index("name").loc[SHORT]
    seconds = row["tframe"] * (GROUPS + 1) * INTEGRATIONS
    rate = ELECTRONS / (row["tframe"] * GROUPS)
    magnitude = -2.5 * np.log10(rate * get_zeropoint("NRCB1", "F150W", "CLEAR").photfnu_e * 1e23 / 3631.0)
    times = seconds * np.array([0.0, 0.2, 0.3, 0.7, 0.8, 1.0])
    factor = 1.0 - DEPTH * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    catalog = variable_star(tmp_path, times, factor, magnitude=magnitude)
    proposal = md.open_proposal(
        tmp_path / "time_series.xml", catalogs={"tso_imaging_catalog": str(catalog)}, cosmic_rays=False
    )
    proposal.simulate(tmp_path / "a.zarr", select=[SHORT], scheduler="serial", progress=False)
    out = tmp_path / "fits"
    report = export_store(tmp_path / "a.zarr", out, segment_bytes=SEGMENT_BYTES, calibrate_env=calibrate_env)
    roots = [f"jw99001002001_01101_00001-seg00{k}_nrcb1" for k in (1, 2)]
    assert sorted(report.written) == [f"{root}_uncal.fits" for root in roots]
    members = [{"expname": f"{root}_calints.fits", "exptype": "science"} for root in roots]
    association = {
        **{"asn_type": "tso3", "asn_id": "a3001", "asn_pool": "none", "program": "99001", "asn_rule": "none"},
        "products": [{"name": "eclipse", "members": members}],
    }
    (out / "eclipse_tso3.json").write_text(json.dumps(association))
    lines = (out / "calibrate.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    names = [f"{root}_{suffix}.fits" for suffix in ("uncal", "rateints") for root in roots]
    done = subprocess.run(
        [sys.executable, calibrate_spectra.__file__, ".", *names, "eclipse_tso3.json"],
        cwd=out, env={**os.environ, **settings}, capture_output=True, text=True, timeout=590, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = QTable.read(out / "eclipse_phot.ecsv")
    assert len(found) == INTEGRATIONS
    # Times: mid-integration, both segments in one row, and light travel to the barycentre for the target.
    start = Time(row["start_time"]).mjd
    begin = row["tframe"] * (1 + (GROUPS + 1) * np.arange(INTEGRATIONS))
    middle = start + (begin + row["tframe"] * GROUPS / 2) / 86400
    np.testing.assert_allclose(found["MJD"], middle, rtol=0, atol=1e-10)
    exact = barycentric(Time(middle, format="mjd", scale="utc"), *PLACE)[0]
    np.testing.assert_allclose(found["BJD_TDB"], exact, rtol=0, atol=1e-9)
    # Light: against the mean of the light curve in each integration.
    fine = np.linspace(0.0, 1.0, 101)
    inside = (begin[:, None] - row["tframe"]) + row["tframe"] * GROUPS * fine
    expected = np.interp(inside, times, factor).mean(axis=1)
    shape = (1.0 - expected) / DEPTH
    flux = found["net_aperture_sum"].value
    (level, slope), residuals, *_ = np.linalg.lstsq(np.stack([np.ones_like(shape), shape], axis=1), flux)
    noise = np.sqrt(residuals[0] / (INTEGRATIONS - 2)) / level
    depth, error = -slope / level, noise / np.sqrt(((shape - shape.mean()) ** 2).sum())
    print(
        f"\nnoise of an integration {noise:.5f}, of photons {ELECTRONS**-0.5:.5f}; "
        f"depth {depth:.5f} +- {error:.5f} of {DEPTH}"
    )
    assert noise < 1.5 * ELECTRONS**-0.5
    assert error < 0.012 * DEPTH
    assert abs(depth - DEPTH) < 3 * error
    rest = flux / level - 1.0 + depth * shape
    for segment in np.split(rest, 2):
        assert abs(segment.mean()) < 4 * noise / np.sqrt(INTEGRATIONS / 2)
