"""Every product of the stock pipeline says that it was simulated, by what, from which specification and seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mirage_dask as md
from mirage_dask.fits.provenance import SENTENCE
from mirage_dask.reference.crds.lookup import calibrate_env

pytestmark = pytest.mark.closure

FULL = "jw99001001001_01101_00001_nrcb1"
SUBARRAYS = [f"jw99001002001_01101_0000{number}_nrcb1" for number in (1, 2)]
SCRIPT = """
import json, sys
from jwst.pipeline import Detector1Pipeline, Image2Pipeline, Image3Pipeline
for name in sys.argv[1:]:
    rate = Detector1Pipeline.call(name + "_uncal.fits", save_results=True)
    Image2Pipeline.call(rate, save_results=True)
members = [{"expname": name + "_cal.fits", "exptype": "science"} for name in sys.argv[1:]]
association = {
    "asn_type": "image3", "asn_rule": "DMS_Level3_Base", "program": "99001", "asn_id": "a1", "target": "t1",
    "asn_pool": "none", "products": [{"name": "combined", "members": members}],
}
with open("asn.json", "w") as file:
    json.dump(association, file)
Image3Pipeline.call("asn.json", save_results=True)
"""


@pytest.fixture(scope="module")
def products(tmp_path_factory) -> Path:
    """Folder of two subarray exposures through all stages, and of the raw file of another target."""
    pytest.importorskip("jwst")
    folder = tmp_path_factory.mktemp("provenance")
    source = md.example_proposal()
    proposal = md.open_proposal(source, settings=source.with_name("settings.yaml"))
    chosen = [FULL, *SUBARRAYS]
    proposal.simulate(folder / "s.zarr", select=chosen, progress=False)
    assert len(md.open_simulation(folder / "s.zarr").export(folder, select=chosen)) == 3
    lines = (line for line in calibrate_env().splitlines() if line and not line.startswith("#"))
    settings = dict(line.split("=", 1) for line in lines)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *SUBARRAYS],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.mark.parametrize("suffix", ["rate", "cal", "i2d"])
def test_products_of_an_exposure(products, suffix):
    from astropy.io import fits
    from stdatamodels.jwst import datamodels

    for name in SUBARRAYS:
        raw = fits.getheader(products / f"{name}_uncal.fits")
        path = products / f"{name}_{suffix}.fits"
        header = fits.getheader(path)
        assert header["ORIGIN"] == SENTENCE
        version = raw["MDVERSN"].partition("+")[0]
        assert (
            header["SDP_VER"] == f"mirage_dask {version}, MDSPEC {raw['MDSPEC'][:16]}, MDSEED {raw['MDSEED']}"
        )
        with datamodels.open(path) as model:
            first, *lines = model.cal_logs.mirage_dask
        assert first == SENTENCE
        found = dict(line.partition(" / ")[0].split(" = ") for line in lines)
        for keyword in ("MDVERSN", "MDSPEC", "MDSEED", "MDPLAN"):
            assert found[keyword] == str(raw[keyword])


def test_product_of_several_exposures(products):
    from astropy.io import fits

    digests = [fits.getheader(products / f"{name}_uncal.fits")["MDSPEC"][:16] for name in SUBARRAYS]
    with fits.open(products / "combined_i2d.fits") as hdus:
        assert hdus[0].header["ORIGIN"] == SENTENCE
        assert hdus[0].header["SDP_VER"].startswith("mirage_dask ")
        rows = list(hdus["HDRTAB"].data["SDP_VER"])
    assert all(any(digest in row for row in rows) for digest in digests)


def test_pools_of_associations_number_the_targets(products):
    from jwst.associations.mkpool import mkpool

    pool = mkpool([str(products / f"{name}_uncal.fits") for name in (FULL, *SUBARRAYS)])
    assert list(pool["targetid"]) == ["1", "2", "2"]
