"""The stock pipeline takes dark exposures, and finds neither light nor drift in them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from support.closure_runs import Calibrated, Field, run_pipeline
from support.darks import NAMES, dark_proposal

import mirage_dask as md
from mirage_dask.exposure.references import open_references

pytestmark = pytest.mark.closure


@pytest.fixture(scope="module")
def darks(tmp_path_factory) -> list[Calibrated]:
    pytest.importorskip("jwst")
    directory = tmp_path_factory.mktemp("darks")
    proposal = dark_proposal(directory, cosmic_rays="SUNMAX")
    chosen = f"name in {list(NAMES)}"
    proposal.simulate(directory / "darks.zarr", select=chosen, progress=False, on_error="raise")
    md.open_simulation(directory / "darks.zarr").export(directory / "fits")
    plan = proposal.prepare(list(NAMES))
    found = []
    for name in NAMES:
        spec, row = plan.spec(plan.row(name)), plan.table_row(name)
        references = open_references(spec, plan.url)
        field = Field(name, 0, 0.0, 0.0)
        found.append(Calibrated(field, spec, references, row, np.empty((0, 6)), directory / "fits"))
    run_pipeline([("1", found)])
    return found


def test_rates_are_zero(darks):
    """The dark current is subtracted: the median of 4,000 pixels is nothing within the read noise of single slopes."""
    for dark in darks:
        with fits.open(dark.product("rate")) as file:
            assert file[0].header["EXP_TYPE"] == dark.row["exp_type"]
            assert file[0].header["S_RAMP"] == "COMPLETE"
            rate = file["SCI"].data
        good = np.isfinite(rate)
        assert good.mean() > 0.9
        noise = np.diff(np.percentile(rate[good], (16, 84)))[0] / 2
        assert abs(np.median(rate[good])) < noise
