"""Layer `moving_point`: point sources that move while the detector exposes.

A track is given at times, on the sky or in pixels, and joined by straight lines in pixels. Between two reads a source
is drawn at places at most `STEP` pixels apart, each with an equal share of the light, so that a fast source leaves a
trail. Only + - * / sqrt and comparisons: the same bits on any processor.

NOT modelled: extended moving sources; light curves of moving sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.random.keys import SLOT_MOVING
from mirage_dask.instruments.orientation import Span
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import pixels_of
from mirage_dask.scene.sources import SourceTable, load_once
from mirage_dask.scene.stars import add_points, star_half_width

STEP = 0.25
"""Pixels between the places at which a trail is drawn."""
MOST_STEPS = 1024
"""Places between two reads; a source so fast that this is not enough leaves a dotted trail."""


@dataclass(frozen=True, eq=False)
class MovingPoints(SourceTable):
    """Moving point sources, n of them, at T common times."""

    kind: ClassVar[str] = "moving_point"
    index: NDArray[np.int64]
    track: NDArray[np.float64]
    """(n, T, 3) ICRS unit vectors, or (n, T, 2) 0-based pixels of the aperture."""
    times: NDArray[np.float64]
    """(T,) seconds since the start of the first integration, ascending, two or more."""
    flux: NDArray[np.float64]
    """(n,) e-/s."""


@dataclass(frozen=True, eq=False)
class MovingLayer:
    """Moving point sources on the detector of an exposure."""

    kind: ClassVar[str] = "moving_point"
    varying: ClassVar[bool] = True
    slot: ClassVar[int] = SLOT_MOVING
    xy: NDArray[np.float64]
    """(n, T, 2) full-frame science pixels."""
    times: NDArray[np.float64]
    flux: NDArray[np.float32]
    half_width: NDArray[np.int32]
    psf: PsfLibrary

    @classmethod
    def of(cls, table: MovingPoints, view: View) -> MovingLayer:
        """Project a table."""
        psf = view.psf("")
        n, t, axes = table.track.shape
        xy = pixels_of(table.track.reshape(n * t, axes), view.projection, view.bounds).reshape(n, t, 2)
        half = star_half_width(table.flux, psf)
        seen = (half > 0) & np.isfinite(xy).all(axis=(1, 2))
        return cls(xy[seen], table.times, table.flux[seen].astype(np.float32), half[seen], psf)

    @classmethod
    def open(cls, key: str, view: View) -> MovingLayer:
        """Read and project the layer's table."""
        return cls.of(load_once(MovingPoints, view.tables, key), view)

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether a track may reach a box: by the rectangle around it."""
        low, high = self.xy.min(axis=1), self.xy.max(axis=1)
        half = self.half_width
        in_x = (high[:, 0] + half >= x[0]) & (low[:, 0] - half < x[1])
        in_y = (high[:, 1] + half >= y[0]) & (low[:, 1] - half < y[1])
        return bool((in_x & in_y).any())

    def add(self, out: Floats, *, x0: int, y0: int, start: float, stop: float) -> None:
        """Add the mean rate between two times."""
        for i in range(len(self.flux)):
            first, last = self._at(i, np.array([start, stop]))
            length = np.sqrt(((last - first) ** 2).sum())
            count = int(min(max(np.ceil(length / STEP), 1), MOST_STEPS))
            places = self._at(i, start + (stop - start) * ((np.arange(count) + 0.5) / count))
            add_points(
                out,
                self.psf,
                x=np.ascontiguousarray(places[:, 0]),
                y=np.ascontiguousarray(places[:, 1]),
                flux=np.full(count, self.flux[i] / np.float32(count), np.float32),
                half_width=np.full(count, self.half_width[i], np.int32),
                x0=x0,
                y0=y0,
            )

    def _at(self, i: int, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """(times, 2) places of a source; beyond its track it goes on in a straight line."""
        k = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, self.times.size - 2)
        part = ((times - self.times[k]) / (self.times[k + 1] - self.times[k]))[:, None]
        return self.xy[i, k] * (1.0 - part) + self.xy[i, k + 1] * part
