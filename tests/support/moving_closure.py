"""Exposures of things that move, exported without noise, and where the stock pipeline puts pixels of them on the sky."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

import mirage_dask as md
from mirage_dask.detector.effects import default_effects
from mirage_dask.reference.crds.lookup import calibrate_env
from mirage_dask.reference.packs.pack import ReferencePack

Floats = NDArray[np.float64]
NOTHING_ELSE: dict[str, Any] = {"background": 0, "cosmic_rays": "none", "effects": sorted(default_effects())}
"""Settings without sky and with every effect off: the linear file has the light of the sources alone."""
SCRIPT = """
import json, sys
import numpy as np
from jwst.assign_mtwcs import AssignMTWcsStep
from jwst.assign_wcs import AssignWcsStep
from jwst.datamodels import ModelLibrary
from jwst.lib.set_telescope_pointing import update_mt_kwds
from stdatamodels.jwst import datamodels
asked = json.load(open(sys.argv[1]))
images, tables = [], {}
for path in asked["pixels"]:
    with datamodels.open(path) as ramp:
        if asked["moving"]:
            again = update_mt_kwds(ramp.copy()).meta.wcsinfo
            tables[path] = [again.mt_ra, again.mt_dec]
        image = datamodels.ImageModel(np.zeros(ramp.shape[-2:], np.float32))
        image.update(ramp)
    images.append(AssignWcsStep.call(image))
found = {}
if asked["moving"]:
    library = AssignMTWcsStep.call(ModelLibrary(images))
    with library:
        for number, path in enumerate(asked["pixels"]):
            image = library.borrow(number)
            about = image.meta.wcsinfo
            found[path] = {
                "status": image.meta.cal_step.assign_mtwcs, "mean": [about.mt_avra, about.mt_avdec],
                "own": [about.mt_ra, about.mt_dec], "table": tables[path],
                "sky": [image.meta.wcs(*xy) for xy in asked["pixels"][path]],
            }
            library.shelve(image, number, modify=False)
else:
    for path, image in zip(asked["pixels"], images):
        found[path] = {"sky": [image.meta.wcs(*xy) for xy in asked["pixels"][path]]}
with open(sys.argv[2], "w") as file:
    json.dump(found, file)
"""


@dataclass
class Exported:
    """The files of one exposure, noise-free."""

    raw: Path
    linear: Path
    gain: float
    """e-/DN."""

    @cached_property
    def light(self) -> Floats:
        """(integration, y, x) DN of whole integrations."""
        with fits.open(self.linear) as hdus:
            return hdus["SCI"].data[:, -1].astype(float)

    @cached_property
    def times(self) -> Any:
        """The table INT_TIMES."""
        return fits.getdata(self.raw, "INT_TIMES")

    @property
    def target(self) -> tuple[float, float]:
        """0-based pixel, x and y, of a tracked target, as the table MOVING_TARGET_POSITION says."""
        table = fits.getdata(self.raw, "MOVING_TARGET_POSITION")
        return float(table["mt_sci_x"][0]) - 1.0, float(table["mt_sci_y"][0]) - 1.0


def export_both(proposal: md.Proposal, names: list[str], folder: Path) -> list[Exported]:
    """Simulate exposures and return their files, in the order of the names."""
    store = folder / "moving.zarr"
    proposal.simulate(store, select=names, progress=False, on_error="raise")
    products = folder / "products"
    md.open_simulation(store).export(products, select=names, datatype="both")
    plan = proposal.prepare(names)
    packs = {plan.spec(k).name: ReferencePack.open(plan.url, plan.spec(k).pack) for k in range(len(names))}
    return [
        Exported(products / f"{n}_uncal.fits", products / f"{n}_linear.fits", packs[n].meta["mean_gain"])
        for n in names
    ]


def pipeline_sky(
    folder: Path, pixels: Mapping[Path, list[tuple[float, float]]], *, moving: bool
) -> dict[Path, Any]:
    """Return where assign_wcs, and assign_mtwcs for what moves, puts 0-based pixels of files: 'sky' of each, degrees."""
    (folder / "asked.json").write_text(
        json.dumps({"moving": moving, "pixels": {str(path): places for path, places in pixels.items()}})
    )
    lines = (line for line in calibrate_env().splitlines() if line and not line.startswith("#"))
    settings = dict(line.split("=", 1) for line in lines)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "asked.json"), str(folder / "found.json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {Path(path): told for path, told in json.loads((folder / "found.json").read_text()).items()}


def centroid(image: Floats, near: tuple[float, float], half: int) -> tuple[float, float]:
    """Return the centre of light, 0-based pixels, within `half` pixels of a place; its window follows it."""
    x, y = near
    for _ in range(4):
        left, low = round(x) - half, round(y) - half
        part = image[low : low + 2 * half + 1, left : left + 2 * half + 1].astype(float)
        j, i = np.indices(part.shape)
        x, y = left + (i * part).sum() / part.sum(), low + (j * part).sum() / part.sum()
    return float(x), float(y)
