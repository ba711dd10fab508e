"""What an exposure needs besides its spec, opened: reference pack, layers of light, inputs of effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from mirage_dask.detector.effects import EFFECTS
from mirage_dask.errors import StoreError
from mirage_dask.io.tables import load_table
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import Light, View, open_layers
from mirage_dask.scene.static_light import exposure_view
from mirage_dask.spec import ExposureSpec


@dataclass(frozen=True, eq=False)
class References:
    """What an exposure needs besides its spec."""

    pack: ReferencePack
    light: Light = field(default_factory=Light)
    inputs: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    """Arrays by the name of the effect that needs them."""
    view: View | None = None
    """What the light was opened with."""


@lru_cache(maxsize=8)
def open_references(spec: ExposureSpec, plan_url: str) -> References:
    """Open the reference pack and the light of an exposure; the last few stay open in this process.

    Parameters
    ----------
    spec
        The exposure.
    plan_url
        Directory of the plan that names them: packs and planes at its root, tables in `sources`.

    Raises
    ------
    ReferenceFileError, StoreError
        If something the plan names is missing or damaged, or an effect is of a package that is not installed here.
    """
    check_packages(spec)
    pack = ReferencePack.open(plan_url, spec.pack)
    tables = f"{plan_url}/sources"
    view = exposure_view(spec, pack, plan_url)
    inputs = {effect: load_table(tables, key, kind=f"input/{effect}") for effect, key in spec.inputs}
    return References(pack, open_layers(spec.layers, view), inputs, view)


def check_packages(spec: ExposureSpec) -> None:
    """Refuse an exposure with effects of packages that are not installed, or not in the version that it was planned with.

    Raises
    ------
    StoreError
        Names the package.
    """
    installed = {effect.name: effect.package for effect in EFFECTS if effect.package}
    for effect, package in spec.packages:
        if installed.get(effect) != package:
            there = f"it is of {installed[effect]}" if effect in installed else "there is none"
            raise StoreError(
                f"The exposure {spec.name} was planned with the effect {effect} of {package}, and here {there}; install "
                "that version where exposures are computed, on every worker, or plan the simulation again."
            )
