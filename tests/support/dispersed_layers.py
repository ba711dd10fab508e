"""Layers of sources behind a grism, from pixels of the direct image; a plan of one exposure that has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.pointing import SkyProjection
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.scene.dispersed.spectra import Spectrum, save_weights, spectrum_weights
from mirage_dask.scene.dispersed.tables import DispersedGalaxies, DispersedSources, DispersedStars
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.galaxies.sersic import constants
from mirage_dask.scene.layers import DispersedGalaxyLayer, DispersedStarLayer, View, in_order
from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
from mirage_dask.scene.sources import Galaxies, PointSources
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import Plan, save_plan
from support.copies import copy_folder
from support.grisms import write_configuration
from support.simulated import SUBARRAY_SW, example_plan, exposure

FULL = (0, 2048, 0, 2048)
FLAT = Spectrum.flat_fnu(26.0)
"""A source of 1 e-/s in the direct image has this, or what of it `save` is told."""


def stars(xy: Any, first: int = 1, flux: float = 400.0) -> PointSources:
    """Stars at pixels of the direct image, with indices from `first`."""
    places = np.array(xy, np.float64).reshape(-1, 2)
    return PointSources(first + np.arange(len(places)), places, np.full(len(places), flux))


def galaxies(xy: Any, first: int = 101, flux: float = 400.0) -> Galaxies:
    """Exponential disks of 3 pixels along x."""
    places = np.array(xy, np.float64).reshape(-1, 2)
    n = len(places)
    index, variances, weights = constants(np.ones(n))
    x, y = np.zeros((n, 3)), np.zeros((n, 3))
    x[:, 0], y[:, 1] = 1.0, 1.0
    return Galaxies(
        first + np.arange(n), places, np.full(n, flux), np.full(n, 3.0), True, np.full(n, 0.3), index, x, y, variances,
        weights,
    )  # fmt: skip


def save(
    folder: Path | str, grism: GrismConfiguration, sources: PointSources | Galaxies, spectra: list[Spectrum]
) -> DispersedSources:
    """Write the tables of sources; the k-th has the k-th of the spectra, the last one goes on."""
    table = DispersedStars if isinstance(sources, PointSources) else DispersedGalaxies
    order = np.argsort(sources.index)
    rows = np.minimum(np.arange(len(sources)), len(spectra) - 1)[order, None]
    weights = save_weights(folder, spectrum_weights(spectra, segments(grism)))
    return table(
        sources.save(folder), grism.save(folder), weights, 4.4, sources.index[order], rows, sources.flux[order, None]
    )  # fmt: skip


def layer_of(
    folder: Path,
    grism: GrismConfiguration,
    sources: PointSources | Galaxies,
    psf: PsfLibrary,
    *,
    bounds: tuple[int, int, int, int] = FULL,
    spectra: tuple[Spectrum, ...] = (FLAT,),
) -> DispersedLayer:
    """Open the layer of sources; pixels count from the corner of `bounds`."""
    table = save(folder, grism, sources, list(spectra))
    layer: Any = DispersedStarLayer if isinstance(sources, PointSources) else DispersedGalaxyLayer
    found: DispersedLayer = layer.open(table.save(folder), view_of(folder, psf, bounds))
    return found


def view_of(folder: Path, psf: PsfLibrary, bounds: tuple[int, int, int, int] = FULL) -> View:
    """A view that reads tables of a folder."""
    spec, references = exposure(SUBARRAY_SW)
    projection = SkyProjection.of(spec.attitude, references.pack.distortion)
    return View(str(folder), projection, bounds, lambda name: psf)


def drawn(layer: DispersedLayer, bounds: tuple[int, int, int, int] = FULL) -> NDArray[np.float32]:
    """The light of a layer on an array."""
    x0, x1, y0, y1 = bounds
    out = np.zeros((y1 - y0, x1 - x0), np.float32)
    layer.draw(out, x0, y0)
    return out


def dispersed_plan(folder: Path, spectra: tuple[Spectrum, ...] = (FLAT,), sky: str = "0.2") -> Plan:
    """A plan of the example's subarray, behind a grism like F444W/GRISMR: two stars 12 rows apart, and a galaxy.

    Their indices are 1, 2 and 101; the traces cross the 400 columns of the array.
    """
    plan = example_plan()
    spec: ExposureSpec = plan.spec(plan.row(SUBARRAY_SW))
    copy_folder(plan.url, folder / "plan")
    url = f"{folder}/plan"
    grism = read_configuration(write_configuration(folder), gain=1.82)
    tables = (
        save(f"{url}/sources", grism, stars([(-300.0, 150.0), (-310.0, 162.0)], flux=4000.0), list(spectra)),
        save(f"{url}/sources", grism, galaxies([(-200.0, 300.0)], flux=9000.0), list(spectra)),
    )
    layers = [(table.kind, table.save(f"{url}/sources")) for table in tables]
    own = replace(spec, filter="F444W", pupil="GRISMR", layers=in_order((("background", sky), *layers)))
    row = plan.table[plan.table["name"] == SUBARRAY_SW].assign(filter="F444W", pupil="GRISMR")
    return save_plan(url, row, [own])
