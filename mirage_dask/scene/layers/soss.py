"""Layer `soss`: stars behind GR700XD of NIRISS, as planes that were drawn when the exposure was planned.

What is in a plane, and what is not modelled: `mirage_dask.scene.soss.drawing`. A table holds one plane for each component of
the light; the sum of all of them shines during the whole exposure. Light that changes in time gives each its own course.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mirage_dask.errors import StoreError
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.sources import SourceTable, load_once
from mirage_dask.untrusted.names import REMEDY


@dataclass(frozen=True, eq=False)
class SossLayer(SourceTable):
    """Electrons per second of each pixel of a part of the detector."""

    kind: ClassVar[str] = "soss"
    varying: ClassVar[bool] = False
    planes: Floats
    """(components, ny, nx) e-/s."""
    x0: int
    """Full-frame science pixel of planes[:, 0, 0]."""
    y0: int

    @classmethod
    def open(cls, key: str, view: View) -> SossLayer:
        """Read the layer from its table.

        Raises
        ------
        StoreError
            If the table cannot be true.
        """
        found = load_once(cls, view.tables, key)
        if found.planes.ndim != 3 or found.planes.dtype != np.float32 or not len(found.planes):
            raise StoreError(f"The table of the light behind GR700XD of an exposure is not valid; {REMEDY}.")
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
