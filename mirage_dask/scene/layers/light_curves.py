"""Layer `light_curve`: stars whose brightness changes, rate x f(t).

f is given at times and joined by straight lines, constant before the first and after the last; what a frame collects follows
from the mean of f over the frame, exactly. Only + - * / and comparisons: the same bits on any processor.

NOT modelled: a light curve that depends on wavelength within the filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.random.keys import SLOT_LIGHT_CURVES
from mirage_dask.instruments.orientation import Span
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import PlacedStars, place_stars
from mirage_dask.scene.sources import PointSources, SourceTable, load_once
from mirage_dask.scene.stars import add_points


@dataclass(frozen=True, eq=False)
class LightCurves(SourceTable):
    """Stars with light curves, n of them, at T common times."""

    kind: ClassVar[str] = "light_curve"
    index: NDArray[np.int64]
    position: NDArray[np.float64]
    """(n, 3) ICRS unit vectors, or (n, 2) 0-based pixels of the aperture."""
    flux: NDArray[np.float64]
    """(n,) e-/s where the light curve is 1."""
    times: NDArray[np.float64]
    """(T,) seconds since the start of the first integration, ascending."""
    factor: NDArray[np.float64]
    """(n, T), zero or more."""


@dataclass(frozen=True, eq=False)
class LightCurveLayer:
    """Those that reach an exposure."""

    kind: ClassVar[str] = "light_curve"
    varying: ClassVar[bool] = True
    slot: ClassVar[int] = SLOT_LIGHT_CURVES
    stars: PlacedStars
    psf: PsfLibrary
    times: NDArray[np.float64]
    factor: NDArray[np.float64]
    """(stars, T)."""
    index: NDArray[np.int64]
    """Catalog index of each."""

    @classmethod
    def of(cls, table: LightCurves, view: View) -> LightCurveLayer:
        """Project a table; a star reaches as far as it does at its brightest."""
        psf = view.psf("")
        brightest = np.maximum(table.factor.max(axis=1), 1e-30)
        number = np.arange(len(table.index))
        found = place_stars(
            PointSources(number, table.position, table.flux * brightest),
            view.projection,
            bounds=view.bounds,
            psf=psf,
        )
        factor = table.factor[found.index] / brightest[found.index, None]
        return cls(found, psf, table.times, factor, table.index[found.index])

    @classmethod
    def open(cls, key: str, view: View) -> LightCurveLayer:
        """Read and project the layer's table."""
        return cls.of(load_once(LightCurves, view.tables, key), view)

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether a star may reach a box."""
        s = self.stars
        reaches = (s.x + s.half_width >= x[0]) & (s.x - s.half_width < x[1])
        return bool((reaches & (s.y + s.half_width >= y[0]) & (s.y - s.half_width < y[1])).any())

    def add(self, out: Floats, *, x0: int, y0: int, edges: NDArray[np.float64]) -> None:
        """Add the mean rate of each read."""
        s = self.stars
        for read, (start, stop) in enumerate(pairwise(edges.tolist())):
            flux = (s.flux * self.mean_factor(start, stop)).astype(np.float32)
            add_points(out[read], self.psf, x=s.x, y=s.y, flux=flux, half_width=s.half_width, x0=x0, y0=y0)

    def mean_factor(self, start: float, stop: float) -> NDArray[np.float64]:
        """Return the mean of each light curve between two times, (stars,)."""
        inside = self.times[(self.times > start) & (self.times < stop)]
        knots = np.concatenate([[start], inside, [stop]])
        values = self._at(knots)
        areas = 0.5 * (values[:, 1:] + values[:, :-1]) * np.diff(knots)
        total = areas[:, 0].copy()
        for k in range(1, areas.shape[1]):  # in order: a library's sum may add in another one
            total += areas[:, k]
        return total / (stop - start)

    def _at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """(stars, times) factors."""
        if self.times.size == 1:
            return np.repeat(self.factor, times.size, axis=1)
        k = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, self.times.size - 2)
        low, high = self.times[k], self.times[k + 1]
        part = np.clip((times - low) / (high - low), 0.0, 1.0)
        return self.factor[:, k] * (1.0 - part) + self.factor[:, k + 1] * part
