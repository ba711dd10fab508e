"""The key `effects`: which effects of the detector are simulated; `mirage_dask.detector.effects` declares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirage_dask.detector.effects import default_effects, effect_names, effects_on, switched_effects
from mirage_dask.settings.problems import Problems


@dataclass(frozen=True)
class Effects:
    """The effects that are simulated; switching one off or on changes no other effect's random numbers.

    Parameters
    ----------
    names
        Names of the effects that are on, in any order; default those that are declared so.

    Raises
    ------
    ValueError
        If there is no effect of such a name.
    """

    names: tuple[str, ...] = tuple(sorted(default_effects()))

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(sorted(effects_on(switched_effects(self.names)))))

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def switch(self, **switches: bool) -> Effects:
        """Return these effects with some of them on (True) or off (False)."""
        off = {name for name, on in switches.items() if not on}
        return Effects(tuple({*self.names, *switches} - off))

    @property
    def switched(self) -> dict[str, bool]:
        """The switches that are not at their default: what a settings file has to say."""
        return {name: name in self for name in switched_effects(self.names)}


NO_EFFECTS = Effects(())
"""Of an exposure that is listed only."""


class EffectSwitches:
    """Rule of the key: {name: true or false}, or names of effects to switch off."""

    def parse(self, value: Any, key: str, problems: Problems) -> Effects:
        """Return the effects."""
        names, usual = effect_names(), default_effects()
        listed = not isinstance(value, Mapping)
        if isinstance(value, str):
            value = [value]
        if isinstance(value, Sequence):
            value = {str(name): False for name in value}
        if not isinstance(value, Mapping):
            problems.add(
                key, f"{value!r} is not understood; write {{name: false}} or a list of names that are off"
            )
            return Effects()
        switches: dict[str, bool] = {}
        for name, on in value.items():
            word, place = str(name).strip().lower(), f"{key}.{name}"
            if word not in names:
                problems.not_allowed(place, name, names)
            elif not isinstance(on, bool):
                problems.add(place, f"{on!r} is neither true nor false")
            elif listed and word not in usual:
                problems.add(
                    place,
                    f"a list names effects to switch off, and {word} is off by default; write {{{word}: true}} to "
                    "switch it on",
                )
            else:
                switches[word] = on
        return Effects().switch(**switches)

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        usual = [name for name in effect_names() if name in default_effects()]
        switches = {name: {"type": "boolean"} for name in effect_names()}
        return {
            "anyOf": [
                {"enum": usual},
                {"type": "array", "items": {"enum": usual}},
                {"type": "object", "properties": switches, "additionalProperties": False},
            ]
        }
