"""Arguments of Mirage's generator as settings of this package.

- `parameter_defaults` may have Mirage's names, those of its observation list: PAV3, Date, BackgroundRate, CosmicRayLibrary,
  CosmicRayScale, PointSourceCatalog and so on; and those of the settings, roll_angle, dates, …;
- `catalogs` may begin with the instrument, {'nircam': {'point_source': FILE}} or {'nircam': {TARGET: {…}}}, and use the
  short names of types that older scripts have (ptsrc, gal).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.mirage_yaml.observation_table import CATALOG_COLUMNS
from mirage_dask.settings.problems import INSTRUMENTS, is_nothing

_SETTINGS = {"PAV3": "roll_angle", "Date": "dates", "BackgroundRate": "background"}
_RAYS = {"CosmicRayLibrary": "library", "CosmicRayScale": "scale"}
_IMAGES = {"ExtendedScale": "scale"}
_CATALOGS = {name: kind for kind, (name, _) in CATALOG_COLUMNS.items()}
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "ExtendedCenter": ("1024,1024",),
    "MovingTargetConvolveExtended": (True,),
    "DitherIndex": (1,),
}
"""Mirage's names for what is not simulated, with the values that request nothing."""
_BY_LOWER = {name.lower(): name for name in (*_SETTINGS, *_RAYS, *_IMAGES, *_CATALOGS, *_NEUTRAL)}

SHORT_TYPES = {short: kind for kind, (_, short) in CATALOG_COLUMNS.items()} | {"gal": "galaxy"}
"""Short names of the types of catalogs."""


def settings_from_defaults(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that `parameter_defaults` gives, under this package's names.

    Parameters
    ----------
    given
        With Mirage's names, in any case, and those of the settings.

    Raises
    ------
    InputError
        If a value is given under two names, or asks for what is not simulated.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"parameter_defaults: {given!r} is not a valid dictionary; write {{key: value}}.")
    settings: dict[str, Any] = {}
    rays: dict[str, Any] = {}
    images: dict[str, Any] = {}
    catalogs: dict[str, Any] = {}
    called: dict[str, Any] = {}
    problems = []
    for key, value in (given or {}).items():
        name = _BY_LOWER.get(str(key).strip().lower(), "")
        place, own = next(
            (
                (found, names[name])
                for found, names in ((rays, _RAYS), (images, _IMAGES), (catalogs, _CATALOGS))
                if name in names
            ),
            (settings, _SETTINGS.get(name, key)),
        )
        if name in _NEUTRAL:
            if not is_nothing(value) and value not in _NEUTRAL[name]:
                problems.append(
                    f"parameter_defaults: {key}: {value!r} is not simulated; leave it at {_NEUTRAL[name][0]!r}."
                )
        elif is_nothing(value):
            continue
        elif own in place:
            problems.append(
                f"parameter_defaults: {called[own]} and {key} are two names of one key; remove one."
            )
        else:
            place[own], called[own] = value, key
    for own, found in (("cosmic_rays", rays), ("extended", images), ("catalogs", catalogs)):
        if found and own in settings:
            problems.append(
                f"parameter_defaults: {own} is given together with {', '.join(found)}; write all of it as {own}."
            )
        elif found:
            settings[own] = found
    if problems:
        raise InputError(problems)
    return settings


def begins_with_instrument(catalogs: Any) -> bool:
    """Return whether `catalogs_by_target` needs the names of targets."""
    return isinstance(catalogs, Mapping) and any(
        isinstance(value, Mapping) and _is_instrument(name) for name, value in catalogs.items()
    )


def catalogs_by_target(catalogs: Any, targets: Iterable[str] = ()) -> Any:
    """Return the setting `catalogs` for a dictionary that may begin with instruments.

    Parameters
    ----------
    catalogs
        As Mirage's argument; anything that is not a dictionary is returned as it is.
    targets
        Names of the proposal's targets: a catalog of an instrument is for all of them. A target that is named like an
        instrument stays a target.
    """
    if not isinstance(catalogs, Mapping):
        return catalogs
    names = sorted(set(targets) - {""})
    found: dict[Any, Any] = {}
    by_instrument: dict[Any, dict[str, Any]] = {}
    for name, value in catalogs.items():
        if not isinstance(value, Mapping):
            found |= _with_types({name: value})
        elif not _is_instrument(name) or name in names:
            found[name] = _with_types(value)
        else:
            nested = bool(value) and all(isinstance(entry, Mapping) for entry in value.values())
            for target, entry in (value if nested else dict.fromkeys(names, value)).items():
                by_instrument.setdefault(target, {})[str(name).strip().lower()] = _with_types(entry)
    for target, entries in by_instrument.items():
        # What is given for a target and for an instrument meets in the target; the former may name the instrument, too.
        found[target] = entries | dict(found.get(target, {}))
    return found


def _is_instrument(name: Any) -> bool:
    return str(name).strip().lower() in INSTRUMENTS


def _with_types(value: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return {type: file} with the types' own names, at any depth."""
    return {
        key if isinstance(entry, Mapping) else SHORT_TYPES.get(str(key).strip().lower(), key): (
            _with_types(entry) if isinstance(entry, Mapping) else entry
        )
        for key, entry in value.items()
    }
