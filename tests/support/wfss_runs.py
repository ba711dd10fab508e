"""Slitless spectroscopy from the proposal to spectra: simulated with noise, exported, through stock Detector1 and Spec2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mirage_dask as md
from mirage_dask.instruments import get_detector
from mirage_dask.planning.light.grisms import read_grism
from mirage_dask.reference.builtin.fits_files import pixel_area
from mirage_dask.reference.grisms.configuration import GrismConfiguration, GrismOrder
from mirage_dask.reference.grisms.sky import is_along_y
from mirage_dask.scene.layers import DispersedSkyLayer
from mirage_dask.store.plan import Plan
from support import calibrate_spectra

Floats = NDArray[np.float64]

JANSKY = 3631.0
"""Of AB magnitude 0."""
BRIGHT = 0.3
"""Of the peak of the sensitivity: pixels of a spectrum that are compared."""
DIM = 2e-3
"""Light of stars over that of the sky in pixels where the sky is looked for."""


@dataclass(frozen=True)
class Case:
    """One filter and grism of one real proposal."""

    program: str
    """Folder of the proposal."""
    detector: str
    blocking: str
    grism: str
    magnitudes: tuple[float, ...]
    """AB of the first stars of `PLACES`, at all wavelengths."""
    replaced: tuple[tuple[str, str], ...] = ()
    """Words of the proposal that are replaced."""
    configurations: str = ""
    """Folder of the instrument team's configurations of grisms; empty for the built-in ones."""

    @property
    def wheels(self) -> tuple[str, str]:
        """Elements of the filter and pupil wheels behind the grism."""
        return (self.grism, self.blocking) if self.detector == "NIS" else (self.blocking, self.grism)

    @property
    def open(self) -> tuple[str, str]:
        """The same of the direct image."""
        return ("CLEAR", self.blocking) if self.detector == "NIS" else (self.blocking, "CLEAR")


PLACES = ((1023.3, 1023.8), (643.7, 1329.1), (1480.6, 793.4), (700.2, 500.6), (704.4, 530.3))
"""x, y of the stars in the direct image, full-frame pixels, 0-based; the spectra of the last two overlap behind GR150R."""


@dataclass(frozen=True)
class Run:
    """An exposure and what the pipeline made of it."""

    case: Case
    folder: Path
    name: str
    configuration: GrismConfiguration
    exposure: Any
    """Dataset."""
    plan: Plan
    x: Floats
    """Places of the stars on the exposure's direct image, 0-based."""
    y: Floats

    @property
    def order(self) -> GrismOrder:
        return self.configuration.order(1)

    def product(self, suffix: str, *, clean: bool = False) -> Path:
        """Return the path of a product of the pipeline; `clean`: with wfss_contam."""
        return self.folder / "fits" / ("clean" if clean else "") / f"{self.name}_{suffix}.fits"

    def ratios(self, *, clean: bool = False) -> dict[int, Floats]:
        """Return flux over that of the catalog by star (from 0), of each pixel of a spectrum where the filter is open."""
        from stdatamodels.jwst import datamodels

        found = {}
        with datamodels.open(self.product("x1d", clean=clean)) as model:
            for row in (row for spec in model.spec if spec.spectral_order == 1 for row in spec.spec_table):
                wave, flux = np.array(row["WAVELENGTH"], float), np.array(row["FLUX"], float)
                star = int(row["SOURCE_ID"]) - 1
                kept = np.isfinite(wave) & np.isfinite(flux) & (flux != 0)
                kept &= self.order.respond(wave) > BRIGHT * self.order.response.max()
                found[star] = flux[kept] / (JANSKY * 10 ** (-0.4 * self.case.magnitudes[star]))
        return found

    def slits(self) -> Iterator[tuple[int, Any]]:
        """Yield (star, slit) of order +1."""
        from stdatamodels.jwst import datamodels

        with datamodels.open(self.product("cal")) as model:
            for slit in model.slits:
                if slit.meta.wcsinfo.spectral_order == 1:
                    yield slit.source_id - 1, slit

    @cached_property
    def boxes(self) -> dict[int, tuple[float, float]]:
        """By star: worst error of wavelengths, pixels, and the part of the star's light that its box holds."""
        along_y = is_along_y(self.configuration)
        light = np.asarray(self.exposure["seed"].values, float)
        light -= self.sky
        return {star: self._box(star, slit, light, along_y) for star, slit in self.slits()}

    def _box(self, star: int, slit: Any, light: Floats, along_y: bool) -> tuple[float, float]:
        x0, y0, order = self.x[star], self.y[star], self.order
        wave = np.linspace(*order.segments[0], 4000)
        _, x, y = order.trace(x0, y0, order.parameter(x0, y0, wave))
        along, across = (y, x) if along_y else (x, y)
        start = (slit.ystart, slit.xstart) if along_y else (slit.xstart, slit.ystart)
        plane = np.array(slit.wavelength.T if along_y else slit.wavelength)
        whole = light.T if along_y else light
        rank = np.argsort(along)
        pixels = np.arange(plane.shape[1]) + start[0] - 1
        wanted = np.interp(pixels, along[rank], wave[rank], left=np.nan, right=np.nan)
        row = np.rint(np.interp(pixels, along[rank], across[rank])).astype(int) - (start[1] - 1)
        inside = np.isfinite(wanted) & (row >= 0) & (row < plane.shape[0])
        off = (plane[row[inside], pixels[inside] - (start[0] - 1)] - wanted[inside]) / np.gradient(wanted)[
            inside
        ]
        bright = np.where(inside, order.respond(np.nan_to_num(wanted)), 0.0) > BRIGHT * order.response.max()
        rows = np.arange(plane.shape[0]) + start[1] - 1
        flux = (
            JANSKY * 1e-23 * 10 ** (-0.4 * self.case.magnitudes[star]) * 2.99792458e18 / (wanted * 1e4) ** 2
        )
        sent = order.respond(wanted) * flux * np.abs(np.gradient(wanted)) * 1e4
        held = whole[np.ix_(rows, pixels[bright])].sum(axis=0) / sent[bright]
        return float(np.nanmax(np.abs(off))), float(np.median(held))

    @cached_property
    def sky(self) -> Floats:
        """Electrons/s of the sky in each pixel."""
        plan = self.plan
        (key,) = (
            key for kind, key in plan.spec(plan.row(self.name)).layers if kind == DispersedSkyLayer.kind
        )
        layer = DispersedSkyLayer.open(key, SimpleNamespace(tables=f"{plan.url}/sources"))
        out = np.zeros((2048, 2048), np.float32)
        layer.add(out, x0=0, y0=0, area=pixel_area(self.case.detector)[0])
        return out.astype(float)

    def sky_left(self) -> float:
        """Return what is left of the sky, of what there was, in pixels with next to no light of stars."""
        from stdatamodels.jwst import datamodels

        with datamodels.open(self.product("bsub")) as model:
            left, flags = np.array(model.data, float), np.array(model.dq)
        stars = np.asarray(self.exposure["seed"].values, float) - self.sky
        good = (
            (stars < DIM * self.sky)
            & (self.sky > 0.5 * np.median(self.sky))
            & (flags & 1 == 0)
            & np.isfinite(left)
        )
        return float(np.mean(left[good]) * get_detector(self.case.detector).gain / np.mean(self.sky[good]))


def spectra(case: Case, folder: Path, shared: Path, *, clean: bool = False) -> Run:
    """Simulate, export and calibrate one exposure with its direct image; `clean`: with wfss_contam once more."""
    (source,) = (shared / "apt" / case.program).glob("*.xml")
    xml = folder / source.name
    for path in source.parent.glob("*.pointing"):
        (folder / path.name).write_bytes(path.read_bytes())
    text = source.read_text()
    for old, new in case.replaced:
        text = text.replace(old, new)
    xml.write_text(text)
    table = md.open_proposal(xml).table
    ready = table[(table["status"] == "ready") & (table["detector"] == case.detector)]
    behind, direct = (
        ready[(ready["filter"] == wheels[0]) & (ready["pupil"] == wheels[1])].iloc[0]
        for wheels in (case.wheels, case.open)
    )
    name = str(behind["name"])
    x, y = np.array(PLACES[: len(case.magnitudes)]).T
    sky = md.open_proposal(xml).exposure(name).md.pixel_to_sky(x, y)
    lines = [
        f"{i} {a:.9f} {d:.9f} {m}"
        for i, (a, d, m) in enumerate(zip(sky.ra.deg, sky.dec.deg, case.magnitudes, strict=True), start=1)
    ]
    (folder / "stars.cat").write_text("\n".join(["index x_or_RA y_or_Dec magnitude", *lines]) + "\n")
    own = {"grism_configurations": case.configurations} if case.configurations else {}
    proposal = md.open_proposal(
        xml, catalogs={"point_source": str(folder / "stars.cat")}, background="low", cosmic_rays="none", **own
    )
    proposal.simulate(folder / "a.zarr", select=[direct["name"], behind["name"]], scheduler="serial")
    out = folder / "fits"
    simulation = md.open_simulation(folder / "a.zarr")
    simulation.export(out, with_spec2_inputs=True)
    association = f"{name}_spec2.json"
    steps = [f"{name}_uncal.fits", association, *([f"clean:{association}"] if clean else [])]
    script = f"set -a; . ./calibrate.env; set +a; exec {sys.executable} {calibrate_spectra.__file__} . {' '.join(steps)}"
    log = folder / "pipeline.log"
    with log.open("wb") as stream:
        done = subprocess.run(
            ["bash", "-c", script], cwd=out, env=dict(os.environ), stdout=stream, stderr=stream
        )
    assert done.returncode == 0, f"the pipeline failed:\n{log.read_text()[-4000:]}"
    exposure = simulation.exposure(name)
    configuration = read_grism(case.configurations, case.detector, *case.wheels)
    return Run(case, folder, name, configuration, exposure, simulation.store.plan, x, y)
