"""Layer `wisps`: light that is scattered onto always the same pixels; what it is says `mirage_dask.scene.sky.wisps`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mirage_dask.scene.layers.background import BackgroundImage


@dataclass(frozen=True, eq=False)
class Wisps(BackgroundImage):
    """Wisps of an exposure, an image as that of a background is; it is 0 where there are none."""

    kind: ClassVar[str] = "wisps"
