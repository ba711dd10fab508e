"""A target behind a grism whose spectrum changes with time, from pixels of the direct image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.scene.dispersed.spectra import Spectrum
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.scene.time_series.tables import DispersedCurves

BOUNDS = (0, 2048, 0, 256)
PLACE = (857.0, 56.5)
TIMES = np.array([0.0, 100.0, 150.0, 400.0])
COURSES = np.array([[0.0, 1.0, 0.8, 0.0], [0.0, 0.2, -0.3, 1.0]])
INDEX = 99999


def table(
    folder: Path, grism: GrismConfiguration, *, magnitude: float = 20.0, middles: tuple[float, ...] = ()
) -> DispersedCurves:
    """Return a target with two products at `PLACE`; the first takes a tenth of its light."""
    flat = Spectrum.flat_fnu(magnitude)
    rows = [flat, flat.scaled(-0.1), replace(flat, flux=-0.05 * flat.flux * np.sin(5 * flat.wavelength))]
    weights = np.concatenate(
        [np.stack([node_weights(s, r.wavelength, r.flux) for r in rows]) for s in segments(grism)], axis=1
    )
    wave = np.array([3.9, 4.9])
    return DispersedCurves(
        np.array([INDEX]), np.array([PLACE]), np.array([1e4]), grism.save(folder), 4.4, weights,
        TIMES, COURSES, wave, np.full((2, 2), 0.1), 1e-7, flat.wavelength, flat.flux, np.array(middles),
    )  # fmt: skip
