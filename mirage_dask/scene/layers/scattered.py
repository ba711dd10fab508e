"""Layers `wisps`, `claws`, `claw_image` and `dragons_breath`: light on other paths; see `mirage_dask.scene.scattered`.

Light of a star is counted in electrons, whatever the area of the pixels is; wisps and images are surface brightness, as a
background is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from mirage_dask.scene.layers.background import BackgroundImage
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.scattered.streaks import Streaks
from mirage_dask.scene.sources import SourceTable, load_once


@dataclass(frozen=True, eq=False)
class Wisps(BackgroundImage):
    """Wisps of an exposure, an image as that of a background is; it is 0 where there are none."""

    kind: ClassVar[str] = "wisps"


@dataclass(frozen=True, eq=False)
class ClawImage(BackgroundImage):
    """Claws of an exposure by a template of the user's."""

    kind: ClassVar[str] = "claw_image"


@dataclass(frozen=True, eq=False)
class Claws(Streaks, SourceTable):
    """Claws of an exposure."""

    kind: ClassVar[str] = "claws"
    varying: ClassVar[bool] = False

    @classmethod
    def of(cls, streaks: Streaks) -> Self:
        """Return the layer of some streaks."""
        return cls(**vars(streaks))

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read the layer from its table."""
        return load_once(cls, view.tables, key)

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None = None) -> None:
        """Add it to a window."""
        Streaks.add(self, out, x0=x0, y0=y0)


@dataclass(frozen=True, eq=False)
class DragonsBreath(Claws):
    """Dragon's breath of an exposure, of both types."""

    kind: ClassVar[str] = "dragons_breath"


SCATTERED = {
    Wisps.kind: 1,
    Claws.kind: 2,
    ClawImage.kind: 2,
    DragonsBreath.kind: 4,
}
"""Kinds of layers that are scattered light, and the flag of each in masks."""
