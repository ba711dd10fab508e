"""Layer `light_curve`: stars whose brightness changes, rate x f(t).

f is given at times and joined by straight lines, constant before the first and after the last; what a frame collects follows
from the mean of f over the frame, exactly: the difference of the integral of f at its end and its start. Only + - * / and
comparisons: the same bits on any processor.

The image of a star is drawn once for all reads of an integration, and each read is that image times a number. Integrals of f
to each of its times are made once for an exposure; so what a read costs does not grow with the number of integrations, nor
but by a logarithm with the number of times.

NOT modelled: a light curve that depends on wavelength within the filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
        s, (_, ny, nx) = self.stars, out.shape
        left, right = (
            np.maximum(np.floor(s.x - s.half_width), x0),
            np.minimum(np.ceil(s.x + s.half_width) + 1, x0 + nx),
        )
        low, high = (
            np.maximum(np.floor(s.y - s.half_width), y0),
            np.minimum(np.ceil(s.y + s.half_width) + 1, y0 + ny),
        )
        seen = np.flatnonzero((left < right) & (low < high))
        if not seen.size:
            return
        means = self.mean_factors(edges, seen).astype(np.float32)
        for star, mean in zip(seen.tolist(), means, strict=True):
            one = slice(star, star + 1)
            x, y = int(left[star]), int(low[star])
            image = np.zeros((int(high[star]) - y, int(right[star]) - x), np.float32)
            add_points(
                image, self.psf, x=s.x[one], y=s.y[one], flux=s.flux[one], half_width=s.half_width[one], x0=x, y0=y
            )  # fmt: skip
            part = out[:, y - y0 : y - y0 + image.shape[0], x - x0 : x - x0 + image.shape[1]]
            part += mean[:, None, None] * image

    def mean_factor(self, start: float, stop: float) -> NDArray[np.float64]:
        """Return the mean of each light curve between two times, (stars,)."""
        return self.mean_factors(np.array([start, stop]))[:, 0]

    def mean_factors(
        self, edges: NDArray[np.float64], stars: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Return the mean of light curves between each time and the next, (stars, times - 1).

        Parameters
        ----------
        edges
            Seconds since the start of the first integration, rising.
        stars
            Which; default all.
        """
        rows = slice(None) if stars is None else stars
        return np.diff(self._integral(edges, rows), axis=1) / np.diff(edges)

    @cached_property
    def _integrals(self) -> NDArray[np.float64]:
        """(stars, T): the integral of each light curve from the first of its times to each."""
        steps = 0.5 * (self.factor[:, 1:] + self.factor[:, :-1]) * np.diff(self.times)
        return np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)

    def _integral(self, times: NDArray[np.float64], rows: slice | NDArray[np.intp]) -> NDArray[np.float64]:
        """(stars, times): the integral of light curves from the first of their times to others."""
        last = self.times.size - 1
        k = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, max(last - 1, 0))
        after = times - self.times[k]
        if not last:
            return self.factor[rows] * after
        within = np.clip(after, 0.0, self.times[k + 1] - self.times[k])
        low, high = self.factor[rows][:, k], self.factor[rows][:, k + 1]
        slope = (high - low) / (self.times[k + 1] - self.times[k])
        # Beyond either end the light curve is constant.
        return (
            self._integrals[rows][:, k]
            + (low + 0.5 * slope * within) * within
            + np.where(after < within, low, high) * (after - within)
        )
