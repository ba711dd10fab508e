"""Stars added to an exposure of nothing but sky, one that saturates, and noise; both calibrated by the stock pipeline."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from support.closure_runs import SEED, Calibrated, Field, run_pipeline, star_grid, write_catalog
from support.closure_stars import Calibration, Stars, measure_stars, read_calibration

NAME = "jw99001001001_01101_00001_nrcb1"
SIDE, COUNT = 23, 500
"""Stars stand on a grid of 23 x 23; the first 500 are used."""
BINS = (20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0)
"""Magnitudes (AB)."""
BLINDING = 9.0
"""Magnitude of a star of the observed sky, on which one of the 500 lies."""
BLINDED = 240
"""Index in the grid of that star."""
QUIET: dict[str, Any] = {"background": "low", "cosmic_rays": "none", "roll_angle": 30.0}


@dataclass
class Pair:
    """An exposure before and after stars were added to it, raw and calibrated."""

    sources: Calibrated
    """The stars alone; its directory is that of the exposure before."""
    raw: Path
    """Folder of the products of the raw file with stars."""
    calibrated: Path
    """Folder of the calibrated file to which the same stars were added."""

    def image(self, folder: Path, suffix: str, extension: str = "SCI") -> NDArray[Any]:
        """Return an array of a file of one of the folders."""
        with fits.open(folder / f"{NAME}_{suffix}.fits", memmap=False) as hdus:
            return hdus[extension].data

    @property
    def far(self) -> NDArray[np.bool_]:
        """Pixels that no light is added to, with the coupling of their neighbours: (y, x)."""
        return ~ndimage.binary_dilation(self.sources.truth["seed"] > 0, np.ones((3, 3)))

    def measured(self, folder: Path) -> Stars:
        """Fit the stars in the difference of the calibrated images."""
        before = read_calibration(self.sources)
        after = read_calibration(replace(self.sources, directory=folder))
        return measure_stars(self.sources, _difference(before, after))


def _difference(before: Calibration, after: Calibration) -> Calibration:
    """Return what was added, with its own variance: sky and read noise are the same in both."""
    return replace(
        after,
        light=after.light - before.light,
        variance=np.maximum(after.variance - before.variance, 0.0),
        good=before.good & after.good,
    )


def observed_and_injected(folder: Path) -> Pair:
    """Simulate the exposure, add stars to its raw file, calibrate both, and add them to the calibrated file, too."""
    source = Path(md.example_proposal())
    for suffix in (".xml", ".pointing"):
        text = source.with_suffix(suffix).read_text()
        (folder / f"deep{suffix}").write_text(text.replace("RAPID</", "SHALLOW4</"))
    field = Field(NAME, SIDE, 1.0, 2.0)
    table = md.open_proposal(folder / "deep.xml", settings=QUIET).table
    (row,) = (row for _, row in table.iterrows() if row["name"] == NAME)
    stars = star_grid(row, field, 1)[:COUNT]
    magnitudes = np.random.default_rng(SEED).uniform(BINS[0], BINS[-1], COUNT)
    stars[:, 5] = 3631.0 * 10 ** (-0.4 * magnitudes)
    blinding = stars[BLINDED : BLINDED + 1].copy()
    blinding[:, 5] = 3631.0 * 10 ** (-0.4 * BLINDING)
    for name, rows in (("stars", stars), ("blinding", blinding)):
        write_catalog(folder / f"{name}.cat", {NAME: rows}, {NAME: row["filter"]})
    sky = {"catalogs": {"point_source": str(folder / "blinding.cat")}, "random_seed": SEED, **QUIET}
    proposal = md.open_proposal(folder / "deep.xml", settings=sky)
    before, after, calibrated = folder / "before", folder / "after", folder / "calibrated"
    proposal.simulate(folder / "sky.zarr", select=NAME, progress=False, truth=False, on_error="raise")
    md.open_simulation(folder / "sky.zarr").export(before)

    program = _inject(before / f"{NAME}_uncal.fits", folder / "stars.cat", after)
    shutil.copy(before / "calibrate.env", after)
    plan = program.sources_only.prepare(NAME)
    spec = plan.spec(0)
    sources = Calibrated(field, spec, open_references(spec, plan.url), plan.table_row(NAME), stars, before)
    run_pipeline([("2", [sources]), ("2", [replace(sources, directory=after)])])
    _inject(before / f"{NAME}_cal.fits", folder / "stars.cat", calibrated)
    return Pair(sources, after, calibrated)


def _inject(path: Path, catalog: Path, folder: Path) -> md.Program:
    settings = {"catalogs": {"point_source": str(catalog)}, "random_seed": SEED + 1}
    program = md.open_exposures(path, settings=settings)
    report = program.inject(folder, progress=False)
    assert report.ok, report.failed
    return program
