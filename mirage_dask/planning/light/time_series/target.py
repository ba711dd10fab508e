"""The target of a time series in an exposure: its spectrum, and the products that change it with time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene import Catalog
from mirage_dask.scene.dispersed.spectra import Spectrum
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.scene.time_series.decomposition import RelativeLight

Floats = NDArray[np.float64]

PARTS = 4
"""Pieces of each interval of wavelength in which the product of a spectrum and a shape is taken as straight."""


@dataclass(frozen=True, eq=False)
class PlannedTarget:
    """What an exposure needs of its target."""

    catalog: Catalog
    light: RelativeLight
    spectrum: Spectrum
    """Where nothing happens."""
    flux: Floats
    """(1,) e-/s in the direct image, likewise."""
    position: Floats
    """(1, 3) ICRS unit vector, or (1, 2) 0-based pixels of the aperture."""
    middles: Floats
    """Of transits, seconds since the start of the exposure."""

    @property
    def rows(self) -> list[Spectrum]:
        """The spectra whose sum with the courses is the target's: its own, and the negative products."""
        return [self.spectrum, *(product.scaled(-1.0) for product in products(self.spectrum, self.light))]

    def weights(self, segments: Iterable[Segment]) -> list[NDArray[np.float32]]:
        """Return the light of `rows` at the nodes of each segment, (K + 1, nodes) e-/s."""
        rows = self.rows
        return [
            np.stack([node_weights(one, r.wavelength, r.flux, r.lines) for r in rows]) for one in segments
        ]


def products(spectrum: Spectrum, light: RelativeLight) -> list[Spectrum]:
    """Return a spectrum times each of the shapes of its light; they may be negative."""
    ends = np.unique(np.concatenate([spectrum.wavelength, light.wavelength]))
    steps = np.arange(PARTS) / PARTS
    wave = np.append((ends[:-1, None] + np.diff(ends)[:, None] * steps).ravel(), ends[-1:])
    wave = wave[(wave >= spectrum.wavelength[0]) & (wave <= spectrum.wavelength[-1])]
    flux = np.interp(wave, spectrum.wavelength, spectrum.flux)
    at_lines = light.at(np.array([line[0] for line in spectrum.lines]))
    return [
        Spectrum(
            wave,
            flux * shape,
            tuple((at, total * s, sigma) for (at, total, sigma), s in zip(spectrum.lines, own, strict=True)),
            spectrum.name,
        )
        for shape, own in zip(light.at(wave), at_lines, strict=True)
    ]
