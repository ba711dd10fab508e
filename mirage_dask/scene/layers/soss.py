"""Layers `soss` and `soss_light_curve`: stars behind GR700XD of NIRISS, as planes that were drawn when a plan was made.

What is in a plane, and what is not modelled: `mirage_dask.scene.soss.drawing`. The sum of all planes of the first kind
shines during the whole exposure. The second kind is one star whose spectrum changes with time,

    rate(x, y, t) = S_0(x, y) + sum of c_k(t) S_k(x, y)

with its light S_0 where nothing happens and the products of `mirage_dask.scene.time_series`. A read takes the means of c_k
over its frame, which are exact, and costs one multiplication and addition for each pixel and k: not more with more
wavelengths. Any integration and window has the bits of the whole.

NOT modelled: that the trace moves during the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.random.keys import SLOT_SOSS_CURVES
from mirage_dask.instruments.orientation import Span
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.soss.tables import SossCurves, SossLight
from mirage_dask.scene.sources import load_once
from mirage_dask.scene.time_series.means import add_sums, frame_means


@dataclass(frozen=True, eq=False)
class SossLayer(SossLight):
    """Stars that do not change."""

    kind: ClassVar[str] = "soss"
    varying: ClassVar[bool] = False

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read the layer from its table.

        Raises
        ------
        StoreError
            If the table cannot be true.
        """
        found = load_once(cls, view.tables, key)
        found.check()
        return found

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        ny, nx = self.planes.shape[1:]
        left, right = max(x0, self.x0), min(x0 + out.shape[1], self.x0 + nx)
        low, high = max(y0, self.y0), min(y0 + out.shape[0], self.y0 + ny)
        if left >= right or low >= high:
            return
        for plane in self.planes:
            out[low - y0 : high - y0, left - x0 : right - x0] += plane[
                low - self.y0 : high - self.y0, left - self.x0 : right - self.x0
            ]


@dataclass(frozen=True, eq=False)
class SossCurveLayer:
    """The target of a time series."""

    kind: ClassVar[str] = SossCurves.kind
    varying: ClassVar[bool] = True
    slot: ClassVar[int] = SLOT_SOSS_CURVES
    table: SossCurves

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read the layer from its table.

        Raises
        ------
        StoreError
            If the table cannot be true.
        """
        found = load_once(SossCurves, view.tables, key)
        found.check()
        return cls(found)

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether light of the target may fall into a box."""
        t = self.table
        ny, nx = t.planes.shape[1:]
        return bool(x[0] < t.x0 + nx and x[1] > t.x0 and y[0] < t.y0 + ny and y[1] > t.y0)

    def add(self, out: Floats, *, x0: int, y0: int, edges: NDArray[np.float64]) -> None:
        """Add the mean rate of each read."""
        t = self.table
        ny, nx = t.planes.shape[1:]
        left, right = max(x0, t.x0), min(x0 + out.shape[2], t.x0 + nx)
        low, high = max(y0, t.y0), min(y0 + out.shape[1], t.y0 + ny)
        if left < right and low < high:
            part = out[:, low - y0 : high - y0, left - x0 : right - x0]
            add_sums(part, t.planes, low - t.y0, left - t.x0, self.means(edges).astype(np.float32))

    def means(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the means of c_k between successive times, (reads, K)."""
        return frame_means(self.table.times, self.table.courses, edges)
