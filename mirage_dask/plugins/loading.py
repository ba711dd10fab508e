"""Effects of installed packages, found by entry point and checked."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from mirage_dask.plugins.effect import Effect

GROUP = "mirage_dask.effects"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NOT_A_WORD = re.compile(r"[^0-9A-Za-z_+.-]")


def installed_effects(own: Sequence[Effect]) -> tuple[Effect, ...]:
    """Return the effects that installed packages declare, sorted by name, each with its package and version.

    One that cannot be used is left out with a warning that says why: settings that switch it on are then refused.

    Parameters
    ----------
    own
        The effects of this package.
    """
    found: dict[str, Effect] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            effect = point.load()
        except Exception as error:  # whatever the module of another package raises
            problem = f"{type(error).__name__}: {error}"
        else:
            problem = problem_of(effect, (*own, *found.values()))
            if not problem:
                found[effect.name] = replace(effect, package=_package(point))
                continue
        warnings.warn(
            f"The effect {point.name!r} of {_package(point) or point.value} is left out: {problem}. Mend the package, or "
            "uninstall it.",
            RuntimeWarning,
            stacklevel=2,
        )
    return tuple(found[name] for name in sorted(found))


def problem_of(effect: object, others: Iterable[Effect]) -> str:
    """Return why an effect of another package cannot be used, as a phrase; empty where it can."""
    if not isinstance(effect, Effect):
        return f"it is {type(effect).__name__}, not mirage_dask.plugins.Effect"
    if not _NAME.fullmatch(effect.name):
        return f"its name {effect.name!r} is not made of small letters, digits and _"
    if effect.name in {other.name for other in others}:
        return "another effect has its name"
    if effect.on:
        return "it is on by default; declare it with on=False, so that a package changes nothing by being installed"
    if effect.halo:
        return "it has a halo, which effects of plug-ins cannot have"
    if effect.stage == "light":
        needed, given = "layer and plan", bool(effect.layer and effect.plan and not effect.add)
    elif effect.stage == "charge":
        needed, given = "add and variable='transients'", bool(effect.add) and effect.variable == "transients"
    elif effect.stage == "dark":
        needed, given = "add", bool(effect.add) and not effect.variable
    else:
        return f"its stage is {effect.stage!r}; plug-ins act in light, charge or dark"
    if not given:
        return f"an effect of the stage {effect.stage} has {needed}"
    if any(words.stream != effect.name for words in effect.random):
        return f"its random numbers are not of the stream {effect.name!r}, which is its own"
    if effect.planes:
        return "it declares planes, which effects of plug-ins cannot; read them with ExposureContext.pack"
    wrong = [p.name for p in effect.parameters if not _NAME.fullmatch(p.name) or p.problem(p.default)]
    return f"the name or the default of its parameter {', '.join(wrong)} is not allowed" if wrong else ""


def _package(point: EntryPoint) -> str:
    """Return name and version of the package of an entry point, as a word."""
    if point.dist is None:
        return ""
    return _NOT_A_WORD.sub("-", f"{point.dist.name}-{point.dist.version}")[:64]
