"""The values that settings are made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.instruments import cosmic_ray_library


@dataclass(frozen=True)
class Effects:
    """Which physical effects are simulated; turning one off changes no other effect's random numbers."""

    poisson: bool = True
    """Photon noise."""
    dark_current: bool = True
    ipc: bool = True
    """Inter-pixel capacitance."""
    nonlinearity: bool = True
    read_noise: bool = True
    pink_noise: bool = True
    """1/f noise."""
    ktc_noise: bool = True
    """Reset noise."""
    bias: bool = True
    reference_pixels: bool = True
    """Noise of the reference pixels."""
    flat: bool = True
    cosmic_rays: bool = True
    saturation: bool = True
    gain_map: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the effects that are on, sorted."""
        return tuple(sorted(f.name for f in fields(self) if getattr(self, f.name)))


@dataclass(frozen=True)
class CosmicRays:
    """Which library of cosmic rays, and how many times its rate."""

    library: str = "SUNMAX"
    """'SUNMIN', 'SUNMAX' or 'FLARE'."""
    scale: float = 1.0


Background = str | float
"""'low', 'medium', 'high', 'date' (what the sky is on the day of the exposure), or DN/s per pixel."""


@dataclass(frozen=True)
class CatalogEntry:
    """One catalog and what it holds for."""

    target: str
    """Target name; empty for all targets without an entry of their own."""
    instrument: str
    """'NIRCAM'; empty for all."""
    kind: str
    """One of `mirage_dask.settings.catalogs.CATALOG_TYPES`; empty for a target that is mentioned only."""
    path: str
    """Absolute path."""


@dataclass(frozen=True)
class BackgroundEntry:
    """One background level and what it holds for."""

    observation: int | None
    """None for all observations without an entry of their own."""
    instrument: str
    """Empty for all."""
    channel: str
    """'SHORT' or 'LONG'; empty for both."""
    value: Background


@dataclass(frozen=True)
class ExposureSettings:
    """What holds for one exposure."""

    catalogs: dict[str, str]
    """Paths of catalogs by type."""
    background: Background
    cosmic_rays: CosmicRays | None
    """None when there are none."""
    effects: Effects
    overrides: dict[str, str]
    """Paths of the user's reference files by CRDS type."""


def make_cosmic_rays(library: Any, scale: Any) -> CosmicRays:
    """Return cosmic rays of a library, 'FLARES' meaning FLARE, with a scale of zero or more.

    Raises
    ------
    InputError
        If the library is unknown or the scale is no such number.
    """
    name = cosmic_ray_library(str(library))
    problem = f"scale {scale!r} is no number of zero or more."
    if isinstance(scale, bool):
        raise InputError(problem)
    try:
        number = float(scale)
    except (TypeError, ValueError):
        raise InputError(problem) from None
    if not 0.0 <= number < 1e6:
        raise InputError(problem)
    return CosmicRays(name, number)
