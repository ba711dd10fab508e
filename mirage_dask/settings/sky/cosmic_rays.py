"""The key `cosmic_rays`: {library, scale}, the name of a library, or none; one, or one for each observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.instruments import cosmic_ray_libraries, cosmic_ray_library
from mirage_dask.settings.grammar import per_observation
from mirage_dask.settings.problems import Problems

OFF = ("none", "off", "no", "false")
"""Words for no cosmic rays; false means it, too."""


@dataclass(frozen=True)
class CosmicRays:
    """Which library of cosmic rays, and how many times its rate."""

    library: str = "SUNMAX"
    """'SUNMIN', 'SUNMAX', 'FLARE', or 'FLIGHT', whose rate follows the date."""
    scale: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        usual = asdict(CosmicRays())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def make_cosmic_rays(library: Any, scale: Any) -> CosmicRays:
    """Return cosmic rays of a library, 'FLARES' meaning FLARE, with a scale of zero or more.

    Raises
    ------
    InputError
        If the library is unknown or the scale is not such a number.
    """
    name = cosmic_ray_library(str(library))
    problem = f"scale {scale!r} is not a number of zero or more."
    if isinstance(scale, bool):
        raise InputError(problem)
    try:
        number = float(scale)
    except (TypeError, ValueError):
        raise InputError(problem) from None
    if not 0.0 <= number < 1e6:
        raise InputError(problem)
    return CosmicRays(name, number)


class CosmicRayChoice:
    """Rule of the cosmic rays of an observation."""

    def parse(self, value: Any, key: str, problems: Problems) -> CosmicRays | None:
        """Return them; None for none, and after a problem."""
        if value is False or (isinstance(value, str) and value.strip().lower() in OFF):
            return None
        if isinstance(value, str):
            value = {"library": value}
        if not isinstance(value, Mapping):
            problems.add(key, f"{value!r} is not understood; write {{library: SUNMAX, scale: 1.0}} or none")
            return None
        given = {str(name).lower(): entry for name, entry in value.items()}
        usual = asdict(CosmicRays())
        for name in set(given) - set(usual):
            problems.not_allowed(f"{key}.{name}", name, tuple(usual))
        chosen = usual | given
        try:
            return make_cosmic_rays(chosen["library"], chosen["scale"])
        except InputError as error:
            problems.add(key, str(error))
            return None

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        names = cosmic_ray_libraries()
        libraries = {"enum": [*names, *(name.lower() for name in names)]}
        scale = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e6}
        parts = {"library": libraries, "scale": scale}
        return {
            "anyOf": [
                libraries,
                {"enum": [*OFF, False]},
                {"type": "object", "properties": parts, "additionalProperties": False},
            ]
        }


COSMIC_RAYS = per_observation(CosmicRayChoice(), of_mappings=True)
