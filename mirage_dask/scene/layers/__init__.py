"""Layers of light: a spec lists them as (kind, key); each is opened once per exposure and read by every window.

A layer is *static*, one rate plane (y, x), or *varying*, with a mean for each read. The kinds stand in `LAYERS`, in the
order in which they are added to a pixel, so that the bits do not depend on the order of settings. To add a kind: a
class with `kind`, `varying`, `open(key, view)` and `add` (`view.StaticLayer`, `view.VaryingLayer`; `slot` for a varying
one) in a module of this folder, and its name in `LAYERS`; where it is seen while the telescope tracks a moving target,
its class for that in `TRACKING`. Layers of other packages (`mirage_dask.plugins`) follow in the order of their names; they
see in the view whether the telescope tracks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from mirage_dask.detector.effects import EFFECTS
from mirage_dask.errors import StoreError
from mirage_dask.plugins.effect import load
from mirage_dask.scene.layers.background import BackgroundImage, UniformBackground
from mirage_dask.scene.layers.dispersed.images import DispersedImageLayer
from mirage_dask.scene.layers.dispersed.sources import (
    DispersedGalaxyLayer,
    DispersedSkyLayer,
    DispersedStarLayer,
)
from mirage_dask.scene.layers.dispersed.varying import DispersedCurveLayer
from mirage_dask.scene.layers.ghosts import GhostLayer
from mirage_dask.scene.layers.images import ExtendedLayer, SceneImageLayer, TrackedExtendedLayer
from mirage_dask.scene.layers.light_curves import LightCurveLayer, LightCurves
from mirage_dask.scene.layers.moving import MovingGalaxies, MovingGalaxyLayer, MovingLayer, MovingPoints
from mirage_dask.scene.layers.moving_images import MovingImageLayer
from mirage_dask.scene.layers.occulted import OccultedStarLayer, OccultedStars
from mirage_dask.scene.layers.scattered import SCATTERED, ClawImage, Claws, DragonsBreath, Wisps
from mirage_dask.scene.layers.soss import SossCurveLayer, SossLayer
from mirage_dask.scene.layers.sources import GalaxyLayer, StarLayer, TrackedGalaxyLayer, TrackedStarLayer
from mirage_dask.scene.layers.trailing import TrailingGalaxyLayer, TrailingImageLayer, TrailingStarLayer
from mirage_dask.scene.layers.view import StaticLayer, VaryingLayer, View

__all__ = [
    "LAYERS",
    "SCATTERED",
    "TRACKING",
    "BackgroundImage",
    "ClawImage",
    "Claws",
    "DispersedCurveLayer",
    "DispersedGalaxyLayer",
    "DispersedImageLayer",
    "DispersedSkyLayer",
    "DispersedStarLayer",
    "DragonsBreath",
    "ExtendedLayer",
    "GalaxyLayer",
    "GhostLayer",
    "Light",
    "LightCurveLayer",
    "LightCurves",
    "MovingGalaxies",
    "MovingGalaxyLayer",
    "MovingImageLayer",
    "MovingLayer",
    "MovingPoints",
    "OccultedStarLayer",
    "OccultedStars",
    "SceneImageLayer",
    "SossCurveLayer",
    "SossLayer",
    "StarLayer",
    "StaticLayer",
    "TrackedExtendedLayer",
    "TrackedGalaxyLayer",
    "TrackedStarLayer",
    "TrailingGalaxyLayer",
    "TrailingImageLayer",
    "TrailingStarLayer",
    "UniformBackground",
    "VaryingLayer",
    "View",
    "Wisps",
    "in_order",
    "open_layers",
]

LAYERS: dict[str, Any] = {
    layer.kind: layer
    for layer in (
        UniformBackground,
        BackgroundImage,
        StarLayer,
        GalaxyLayer,
        ExtendedLayer,
        SceneImageLayer,
        LightCurveLayer,
        MovingLayer,
        MovingGalaxyLayer,
        MovingImageLayer,
        TrackedStarLayer,
        TrackedGalaxyLayer,
        TrackedExtendedLayer,
        GhostLayer,
        DispersedSkyLayer,
        DispersedStarLayer,
        DispersedGalaxyLayer,
        DispersedImageLayer,
        DispersedCurveLayer,
        OccultedStarLayer,
        SossLayer,
        SossCurveLayer,
        Wisps,
        Claws,
        ClawImage,
        DragonsBreath,
    )
}
"""Class of each kind of layer, in the order in which they are added."""

TRACKING: dict[str, Any] = {
    layer.kind: layer
    for layer in (
        UniformBackground,
        BackgroundImage,
        TrailingStarLayer,
        TrailingGalaxyLayer,
        TrailingImageLayer,
        MovingLayer,
        MovingGalaxyLayer,
        MovingImageLayer,
        TrackedStarLayer,
        TrackedGalaxyLayer,
        TrackedExtendedLayer,
        Wisps,
        Claws,
        ClawImage,
    )
}
"""Class of each kind of layer while the telescope tracks a moving target: stars, galaxies and images trail."""


@dataclass(frozen=True, eq=False)
class Light:
    """The layers of one exposure, opened."""

    static: tuple[StaticLayer, ...] = ()
    varying: tuple[VaryingLayer, ...] = ()
    keyed: tuple[tuple[str, Any], ...] = ()
    """(key, layer) of all of them, in order."""

    def without(self, kind: str) -> Light:
        """Return this light less its static layers of a kind."""
        return replace(
            self,
            static=tuple(layer for layer in self.static if layer.kind != kind),
            keyed=tuple(pair for pair in self.keyed if pair[1].kind != kind),
        )


def in_order(layers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return (kind, key) pairs in the order of `LAYERS`, those of one kind as they are given."""
    order = {kind: number for number, kind in enumerate((*LAYERS, *_installed()))}
    return tuple(sorted(layers, key=lambda layer: order[layer[0]]))


def open_layers(layers: Iterable[tuple[str, str]], view: View) -> Light:
    """Open the layers of an exposure.

    Parameters
    ----------
    layers
        (kind, key), as in a spec.
    view
        The exposure.

    Raises
    ------
    StoreError
        If a kind is unknown to this version, or a table is missing or damaged.
    """
    opened: list[Any] = []
    layers, installed = tuple(layers), _installed()
    for kind, key in layers:
        if kind in installed:
            opened.append(load(installed[kind]).open(key, view))
            continue
        if kind not in LAYERS:
            raise StoreError(
                f"An exposure has light of the kind {kind!r}, which this version does not know (it knows "
                f"{', '.join(LAYERS)}); use the version of mirage_dask that planned it."
            )
        if view.motion is not None and kind not in TRACKING:
            raise StoreError(
                f"An exposure that tracks a moving target has light of the kind {kind!r}, which this version cannot let "
                "trail; use the version of mirage_dask that planned it."
            )
        opened.append((LAYERS if view.motion is None else TRACKING)[kind].open(key, view))
    return Light(
        static=tuple(layer for layer in opened if not layer.varying),
        varying=tuple(layer for layer in opened if layer.varying),
        keyed=tuple((key, layer) for (_, key), layer in zip(layers, opened, strict=True)),
    )


def _installed() -> dict[str, str]:
    """Return ``module:Class`` of the layers of other packages, by kind."""
    return {effect.name: effect.layer for effect in EFFECTS if effect.layer}
