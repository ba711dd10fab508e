"""The keys `effects` and `ghosts`: what detectors and filters do to the light.

`mirage_dask.detector.effects` declares the effects of detectors; `mirage_dask.scene.ghosts` describes the ghosts of NIRISS.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mirage_dask.detector.effects import (
    changed_parameters,
    default_effects,
    effect_names,
    effect_parameters,
    effects_on,
    switched_effects,
)
from mirage_dask.plugins.effect import Changed, Parameter, Value
from mirage_dask.settings.grammar import Word, existing_path
from mirage_dask.settings.problems import Problems, is_nothing


@dataclass(frozen=True)
class Effects:
    """The effects that are simulated; switching one off or on changes no other effect's random numbers.

    Parameters
    ----------
    names
        Names of the effects that are on, in any order; default those that are declared so.
    parameters
        (effect, parameter, value), in any order; those of effects that are off, and those at their default, are left out.
    listed
        Names of those that a list has switched off, as the user gave it; no part of what the effects are.

    Raises
    ------
    ValueError
        If there is no effect or parameter of such a name, or a value is not allowed.
    """

    names: tuple[str, ...] = tuple(sorted(default_effects()))
    parameters: Changed = ()
    listed: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        names = tuple(sorted(effects_on(switched_effects(self.names))))
        changed = tuple(entry for entry in changed_parameters(self.parameters) if entry[0] in names)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "parameters", changed)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def switch(self, **switches: bool) -> Effects:
        """Return these effects with some of them on (True) or off (False)."""
        off = {name for name, on in switches.items() if not on}
        return Effects(tuple({*self.names, *switches} - off), self.parameters)

    @property
    def switched(self) -> dict[str, bool | dict[str, Value]]:
        """What is not at its default, switches and {parameter: value}: what a settings file has to say."""
        found: dict[str, bool | dict[str, Value]] = {
            name: name in self for name in switched_effects(self.names)
        }
        for effect in dict.fromkeys(effect for effect, _, _ in self.parameters):
            found[effect] = {name: value for owner, name, value in self.parameters if owner == effect}
        return found


NO_EFFECTS = Effects(())
"""Of an exposure that is listed only."""


class EffectSwitches:
    """Rule of the key: {name: true, false or {parameter: value}}, or names of effects to switch off."""

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
        parameters: list[tuple[str, str, Value]] = []
        for name, on in value.items():
            word, place = str(name).strip().lower(), f"{key}.{name}"
            if word not in names:
                problems.not_allowed(place, name, names)
            elif isinstance(on, Mapping):
                switches[word] = True
                parameters += _parameters(word, on, place, problems)
            elif not isinstance(on, bool):
                problems.add(place, f"{on!r} is neither true nor false{_or_parameters(word)}")
            elif listed and word not in usual:
                problems.add(
                    place,
                    f"a list names effects to switch off, and {word} is off by default; write {{{word}: true}} to "
                    "switch it on",
                )
            else:
                switches[word] = on
        return Effects(
            Effects().switch(**switches).names, tuple(parameters), tuple(switches) if listed else ()
        )

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        usual = [name for name in effect_names() if name in default_effects()]
        switches = {name: _switch_schema(name) for name in effect_names()}
        return {
            "anyOf": [
                {"enum": usual},
                {"type": "array", "items": {"enum": usual}},
                {"type": "object", "properties": switches, "additionalProperties": False},
            ]
        }


def _parameters(
    effect: str, given: Mapping[Any, Any], place: str, problems: Problems
) -> list[tuple[str, str, Value]]:
    """Return (effect, parameter, value) of what is valid of the parameters that are given for an effect."""
    known = effect_parameters(effect)
    if not known:
        problems.add(place, "the effect has no parameters; write true or false")
        return []
    found: list[tuple[str, str, Value]] = []
    for name, value in given.items():
        word, entry = str(name).strip().lower(), f"{place}.{name}"
        if word not in known:
            problems.not_allowed(entry, name, tuple(known))
            continue
        if isinstance(value, str):
            value = value.strip().lower()
        if problem := known[word].problem(value):
            problems.add(entry, f"{value!r} {problem}")
        else:
            found.append((effect, word, value))
    return found


def _or_parameters(effect: str) -> str:
    names = ", ".join(f"{name}: …" for name in effect_parameters(effect))
    return f", nor {{{names}}}" if names else ""


def _switch_schema(effect: str) -> dict[str, Any]:
    known = effect_parameters(effect)
    if not known:
        return {"type": "boolean"}
    properties = {name: _parameter_schema(parameter) for name, parameter in known.items()}
    return {
        "anyOf": [
            {"type": "boolean"},
            {"type": "object", "properties": properties, "additionalProperties": False},
        ]
    }


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    described = {"description": parameter.what, "default": parameter.default}
    if parameter.words:
        return {**described, "enum": list(parameter.words)}
    limits = {"minimum": parameter.low, "maximum": parameter.high}
    return {
        **described,
        "type": "number",
        **{name: limit for name, limit in limits.items() if math.isfinite(limit)},
    }


@dataclass(frozen=True)
class GhostLight:
    """How ghosts look."""

    stamp: str = ""
    """FITS image of the ghost of a point; empty: the built-in one."""
    psf: str = "jwst"
    """'jwst': the stamp has the telescope's PSF already; 'none': it is convolved with it."""

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        usual = asdict(GhostLight())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


class GhostChoice:
    """Rule of the key `ghosts`: true or false, or what ghosts look like."""

    def parse(self, value: Any, key: str, problems: Problems) -> GhostLight | None:
        """Return what they look like; None for no ghosts, and after a problem."""
        if isinstance(value, bool) or is_nothing(value):
            return GhostLight() if value is True else None
        if isinstance(value, str | os.PathLike):
            value = {"stamp": value}
        if not isinstance(value, Mapping):
            problems.add(key, f"{value!r} is not understood; write true, false or {{stamp: FILE, psf: jwst}}")
            return None
        given = {str(name).lower(): entry for name, entry in value.items()}
        for name in set(given) - {"stamp", "psf"}:
            problems.not_allowed(f"{key}.{name}", name, ("stamp", "psf"))
        stamp, psf = given.get("stamp"), given.get("psf")
        return GhostLight(
            "" if is_nothing(stamp) else existing_path(stamp, f"{key}.stamp", problems),
            GhostLight.psf
            if psf is None
            else Word(("none", "jwst")).parse(psf, f"{key}.psf", problems) or GhostLight.psf,
        )

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        parts = {"stamp": {"type": ["string", "null"]}, "psf": {"enum": ["none", "jwst", None]}}
        whole = {"type": "object", "properties": parts, "additionalProperties": False}
        return {"anyOf": [{"type": "boolean"}, {"type": "string"}, whole]}
