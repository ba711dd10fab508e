"""How an effect is declared: its name, its place in the chain, and what it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Protocol

Stage = Literal["light", "charge", "dark", "read-out"]
STAGES: tuple[Stage, ...] = ("light", "charge", "dark", "read-out")


@dataclass(frozen=True)
class Plane:
    """A plane of reference data that an effect reads."""

    name: str
    """Its name in a reference pack, see `mirage_dask.reference.packs.planes`."""
    neutral: float | Callable[[Mapping[str, Any]], float] | None
    """What every pixel has where no effect that reads the plane is on: a number, a function of the pack's `meta`, or None
    for a plane of several coefficients, which then has none."""
    sensitive_only: bool = False
    """Whether the plane is zero on reference pixels, which collect no charge."""


@dataclass(frozen=True)
class RandomWords:
    """Words of the counter-based generator that belong to one effect, see `mirage_dask.detector.random.keys`."""

    stream: str
    """`pixel`, or a stream of the effect's own, whose counters its module defines."""
    slot: int = 0
    """Slot of the stream `pixel`."""
    words: tuple[int, ...] = (0, 1, 2, 3)


Value = float | str
"""Of a parameter."""
Changed = tuple[tuple[str, str, Value], ...]
"""(effect, parameter, value) of parameters that are not at their default, sorted."""


@dataclass(frozen=True)
class Parameter:
    """A number, or one of several words, that an effect takes from the settings: ``effects: {NAME: {PARAMETER: VALUE}}``."""

    name: str
    what: str
    """One phrase for people, with the unit of a number."""
    default: Value
    low: float = 0.0
    high: float = math.inf
    """Smallest and largest number that is allowed."""
    words: tuple[str, ...] = ()
    """The words that are allowed, in lower case; empty for a number."""

    def problem(self, value: object) -> str:
        """Return what is wrong with a value, as the end of a sentence; empty for a valid one."""
        if self.words:
            return "" if value in self.words else f"is not one of {', '.join(self.words)}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "is not a number"
        if math.isfinite(value) and self.low <= value <= self.high:
            return ""
        most = f" to {self.high:g}" if math.isfinite(self.high) else " on"
        return f"is not a number from {self.low:g}{most}"


@dataclass(frozen=True)
class Effect:
    """One effect."""

    name: str
    """Its switch in the settings."""
    what: str
    """One phrase for people."""
    stage: Stage
    on: bool = True
    """Default of the switch."""
    planes: tuple[Plane, ...] = ()
    random: tuple[RandomWords, ...] = ()
    halo: int = 0
    """Pixels of neighbours on each side that the effect needs."""
    add: str = ""
    """Stages `charge` and `dark`: the `ChargeFunction` or `DarkFunction` of `mirage_dask.detector.context`, as
    ``module:function``."""
    variable: str = ""
    """Stage `charge`: the variable of the exposure that holds what the effect adds (`mirage_dask.variables`)."""
    parameters: tuple[Parameter, ...] = ()
    """What the settings may say of it besides its switch; `ExposureContext.parameter` has the values."""
    layer: str = ""
    """Stage `light`: a layer of static light (`mirage_dask.scene.layers.view.StaticLayer`) as ``module:Class``, whose `kind`
    is the name of the effect."""
    plan: str = ""
    """Stage `light`: the `PlanFunction` of that layer, as ``module:function``."""
    package: str = ""
    """Name and version of the package that it comes from, empty for this one; set when a plug-in is loaded."""

    def function(self) -> Callable[..., bool]:
        """Import and return the function named in `add`.

        Raises
        ------
        ValueError
            If the effect has none.
        """
        if not self.add:
            raise ValueError(f"the effect {self.name!r} has no function")
        found: Callable[..., bool] = load(self.add)
        return found


class PlanFunction(Protocol):
    """The function that plans the light of an effect of the stage `light`; it runs once for each exposure, before a run."""

    def __call__(
        self, row: Any, pack: Any, attitude: Any, parameters: Mapping[str, Value], folder: str
    ) -> str:
        """Return the key with which `open(key, view)` of the layer opens the light of an exposure; empty for none.

        The key is at most 128 letters, digits and characters of ``_+.-``, and decides on the light: equal keys mean equal
        light. It may hold the numbers themselves, or name a table that is written into the folder.

        Parameters
        ----------
        row
            The exposure with its settings (`mirage_dask.settings.ExposureRow`).
        pack
            Its reference data (`mirage_dask.reference.packs.pack.ReferencePack`): `zeropoint`, `meta["mean_gain"]`, planes.
        attitude : float64 (3, 3)
            ICRS unit vectors to the V frame.
        parameters
            Values of all parameters of the effect.
        folder
            Where tables of light are kept; `mirage_dask.io.tables` writes them.
        """


def load(place: str) -> Any:
    """Import what a declaration names as ``module:name``."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
