"""Layers `background` and `background_image`: the sky, as one number or as an image.

Surface brightness falls on a pixel by its area: both are electrons/s in a pixel of mean area, multiplied by the relative
pixel area. Where the numbers come from: `mirage_dask.scene.sky`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mirage_dask.errors import StoreError
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.sources import SourceTable, load_once


@dataclass(frozen=True)
class UniformBackground:
    """One rate for all pixels; its key is the number itself."""

    kind: ClassVar[str] = "background"
    varying: ClassVar[bool] = False
    rate: float
    """e-/s."""

    @property
    def key(self) -> str:
        """The number, exactly."""
        return repr(float(self.rate))

    @classmethod
    def open(cls, key: str, view: View) -> UniformBackground:
        """Read the layer from its key.

        Raises
        ------
        StoreError
            If the key is not a number.
        """
        try:
            return cls(float(key))
        except ValueError:
            raise StoreError(
                f"The background of an exposure is {key!r}, which is not a number; plan the simulation again."
            ) from None

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        out += np.float32(self.rate) * area if area is not None else np.float32(self.rate)


@dataclass(frozen=True, eq=False)
class BackgroundImage(SourceTable):
    """A rate for each pixel of the exposure."""

    kind: ClassVar[str] = "background_image"
    varying: ClassVar[bool] = False
    image: Floats
    """(ny, nx) e-/s in a pixel of mean area."""
    x0: int
    """Full-frame science pixel of image[0, 0]; the image covers the exposure."""
    y0: int

    @classmethod
    def open(cls, key: str, view: View) -> BackgroundImage:
        """Read the layer from its table."""
        return load_once(cls, view.tables, key)

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        x, y = x0 - self.x0, y0 - self.y0
        part = self.image[y : y + out.shape[0], x : x + out.shape[1]]
        out += part if area is None else part * area
