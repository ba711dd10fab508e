"""The WCS that the stock pipeline assigns to exported files is that of the accessor `md`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.pointing import radec_to_unit
from mirage_dask.reference.crds.lookup import calibrate_env

pytestmark = pytest.mark.closure

SCRIPT = """
import json, sys
import numpy as np
from jwst.assign_wcs import AssignWcsStep
from stdatamodels.jwst import datamodels
found = {}
for path in sys.argv[2:]:
    with datamodels.open(path) as raw:
        image = datamodels.ImageModel(np.zeros(raw.shape[-2:], np.float32))
        image.update(raw)
    done = AssignWcsStep.call(image)
    lines = (np.linspace(0, size - 1, 9) for size in image.shape[::-1])
    x, y = (grid.ravel() for grid in np.meshgrid(*lines))
    ra, dec = done.meta.wcs(x, y)
    found[path] = {name: values.tolist() for name, values in zip(("x", "y", "ra", "dec"), (x, y, ra, dec))}
    found[path]["region"] = done.meta.wcsinfo.s_region
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
"""


def test_it_is_that_of_the_pipeline(tmp_path):
    """Detectors of all instruments, subarrays among them: to 1e-6 arcsec all over the array, and S_REGION."""
    pytest.importorskip("jwst")
    proposal = md.open_proposal(md.example_proposal("three_instruments"))
    ready = proposal.table[proposal.table["status"] == "ready"]
    chosen = list(ready.drop_duplicates("detector").groupby("instrument").head(2)["name"])
    subarray = md.open_proposal(md.example_proposal())
    small = list(subarray.table.query("subarray != 'FULL'").drop_duplicates("detector")["name"])[:2]
    datasets, paths = {}, []
    for number, (source, names) in enumerate(((proposal, chosen), (subarray, small))):
        store = tmp_path / f"{number}.zarr"
        source.simulate(store, select=names, progress=False)
        simulation = md.open_simulation(store)
        paths += simulation.export(tmp_path / str(number), select=names)
        datasets |= {name: simulation.exposure(name) for name in names}
    lines = (line for line in calibrate_env().splitlines() if line and not line.startswith("#"))
    settings = dict(line.split("=", 1) for line in lines)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "found.json"), *map(str, paths)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found) == len(datasets)
    for path, theirs in found.items():
        data = next(each for name, each in datasets.items() if name in path)
        ours = data.md.pixel_to_sky(theirs["x"], theirs["y"])
        apart = radec_to_unit(ours.ra.deg, ours.dec.deg) - radec_to_unit(theirs["ra"], theirs["dec"])
        assert np.abs(apart).max() * 206264.8 < 1e-6, path
        region = np.array(theirs["region"].split()[2:], float).reshape(4, 2)[
            [0, 3, 2, 1]
        ]  # the other way around
        np.testing.assert_allclose(data.md.corners, region, atol=3e-9, rtol=0)
