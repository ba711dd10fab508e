"""Check and normalise each key of the settings. Every function collects problems and returns something usable."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from mirage_dask.apt.schedule import parse_angle, parse_date
from mirage_dask.errors import InputError, nearest
from mirage_dask.settings.records import (
    BackgroundEntry,
    CatalogEntry,
    CosmicRays,
    Effects,
    Settings,
    make_cosmic_rays,
)

CATALOG_TYPES = ("point_source", "galaxy")
OTHER_CATALOG_TYPES = (
    "extended",
    "moving_pointsource",
    "moving_sersic",
    "moving_extended",
    "moving_target_to_track",
    "tso_imaging_catalog",
    "tso_grism_catalog",
)
INSTRUMENTS = ("nircam", "niriss", "fgs")
CHANNELS = {"sw": "SHORT", "lw": "LONG"}
LEVELS = ("low", "medium", "high")
OFF = ("none", "off", "no", "false")


@dataclass
class Problems:
    """Collects problems of one source of settings.

    Parameters
    ----------
    source
        File name; empty for arguments.
    folder
        Where relative paths start.
    """

    source: str
    folder: Path
    found: list[str] = field(default_factory=list)

    def add(self, key: str, problem: str) -> None:
        """Add a problem with the value at a dotted key path."""
        self.found.append(f"{self.source + ': ' if self.source else ''}{key}: {problem.rstrip('.')}.")

    def not_allowed(self, key: str, value: Any, allowed: Sequence[str]) -> None:
        """Add a problem with a value that is not among the allowed ones."""
        hint = nearest(str(value), list(allowed)).rstrip("?")
        self.add(key, f"{value!r} is not allowed{hint}; allowed: {', '.join(allowed)}")


def _observation(key: Any) -> int | None:
    """Return an observation number given as 1, '1' or '001'."""
    text = str(key).strip()
    return int(text) if not isinstance(key, bool) and text.isdecimal() and 0 < int(text) < 1000 else None


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in ("none", ""))


def per_observation(
    value: Any, parse: Callable[[Any, str], Any], key: str, problems: Problems
) -> Any | dict[int, Any]:
    """Parse one value, or one for each observation."""
    if not isinstance(value, Mapping):
        return parse(value, key)
    found: dict[int, Any] = {}
    for name, entry in value.items():
        number = _observation(name)
        if number is None:
            problems.add(key, f"{name!r} is no observation number; write 1, 2, ...")
        elif number in found:
            problems.add(key, f"observation {number} is there twice")
        else:
            found[number] = parse(entry, f"{key}.{name}")
    return found


def parse_roll_angle(value: Any, problems: Problems) -> float | dict[int, float]:
    """Return degrees, one or one for each observation."""

    def parse(entry: Any, key: str) -> float:
        try:
            return parse_angle(entry)
        except InputError as error:
            problems.add(key, str(error))
            return 0.0

    return per_observation(value, parse, "roll_angle", problems)


def parse_dates(value: Any, problems: Problems) -> datetime | dict[int, datetime]:
    """Return start dates, one or one for each observation."""

    def parse(entry: Any, key: str) -> datetime:
        try:
            return parse_date(entry)
        except InputError as error:
            problems.add(key, str(error))
            return Settings().dates  # type: ignore[return-value]

    return per_observation(value, parse, "dates", problems)


def parse_cosmic_rays(value: Any, problems: Problems) -> CosmicRays | dict[int, CosmicRays | None] | None:
    """Return cosmic rays: {library, scale}, a library's name, or off; one or one for each observation."""

    def parse(entry: Any, key: str) -> CosmicRays | None:
        if entry is False or (isinstance(entry, str) and entry.strip().lower() in OFF):
            return None
        if isinstance(entry, str):
            entry = {"library": entry}
        if not isinstance(entry, Mapping):
            problems.add(key, f"{entry!r} is not understood; write {{library: SUNMAX, scale: 1.0}} or none")
            return None
        names = {str(k).lower(): v for k, v in entry.items()}
        for name in set(names) - {"library", "scale"}:
            problems.not_allowed(f"{key}.{name}", name, ("library", "scale"))
        try:
            return make_cosmic_rays(names.get("library", "SUNMAX"), names.get("scale", 1.0))
        except InputError as error:
            problems.add(key, str(error))
            return None

    if isinstance(value, Mapping) and value and not {str(k).lower() for k in value} & {"library", "scale"}:
        return per_observation(value, parse, "cosmic_rays", problems)
    return parse(value, "cosmic_rays")


def _parse_level(value: Any, key: str, problems: Problems) -> str | float:
    text = str(value).strip().lower()
    if text in LEVELS:
        return text
    try:
        number = math.nan if isinstance(value, bool) else float(text)
    except ValueError:
        problems.not_allowed(key, value, (*LEVELS, "DN/s per pixel"))
        return "low"
    if not 0.0 <= number < 1e6:
        problems.add(
            key, f"{value!r} is no background; give low, medium, high or DN/s per pixel, zero or more"
        )
    return number


def parse_background(value: Any, problems: Problems) -> tuple[BackgroundEntry, ...]:
    """Return background levels: one; or nested by observation, then instrument, then sw and lw."""
    entries: list[BackgroundEntry] = []

    def of_channel(value: Any, key: str, observation: int | None, instrument: str) -> None:
        if not isinstance(value, Mapping):
            level = _parse_level(value, key, problems)
            entries.append(BackgroundEntry(observation, instrument, "", level))
            return
        for name, entry in value.items():
            channel = CHANNELS.get(str(name).lower())
            if channel is None or instrument != "NIRCAM":
                problems.not_allowed(f"{key}.{name}", name, tuple(CHANNELS) if instrument == "NIRCAM" else ())
            else:
                level = _parse_level(entry, f"{key}.{name}", problems)
                entries.append(BackgroundEntry(observation, instrument, channel, level))

    def of_instrument(value: Any, key: str, observation: int | None) -> None:
        for name, entry in value.items():
            if str(name).lower() not in INSTRUMENTS:
                problems.not_allowed(f"{key}.{name}", name, INSTRUMENTS)
            else:
                of_channel(entry, f"{key}.{name}", observation, str(name).upper())

    if not isinstance(value, Mapping):
        return (BackgroundEntry(None, "", "", _parse_level(value, "background", problems)),)
    for name, entry in value.items():
        key, number = f"background.{name}", _observation(name)
        if number is None:
            of_instrument({name: entry}, "background", None)
        elif isinstance(entry, Mapping):
            of_instrument(entry, key, number)
        else:
            entries.append(BackgroundEntry(number, "", "", _parse_level(entry, key, problems)))
    return tuple(entries)


def _catalog_path(value: Any, key: str, problems: Problems) -> str:
    if not isinstance(value, str | os.PathLike):
        problems.add(key, f"{value!r} is no file name")
        return ""
    path = Path(os.path.expandvars(os.fspath(value))).expanduser()
    path = path if path.is_absolute() else problems.folder / path
    if not path.is_file():
        problems.add(key, f"there is no file {path}; paths are relative to {problems.folder}")
    return str(Path(os.path.abspath(path)))


def parse_catalogs(value: Any, problems: Problems) -> tuple[CatalogEntry, ...]:
    """Return catalogs: {type: file}, {TARGET: {type: file}} or {TARGET: {instrument: {type: file}}}.

    The first form may stand beside the others, for targets that are not named. An empty mapping means no sources.
    """
    entries: list[CatalogEntry] = []

    def of_type(name: Any, value: Any, key: str, target: str, instrument: str) -> None:
        kind = str(name).strip().lower()
        if kind in CATALOG_TYPES:
            if not _is_nothing(value):
                entries.append(CatalogEntry(target, instrument, kind, _catalog_path(value, key, problems)))
        elif kind in OTHER_CATALOG_TYPES:
            if not _is_nothing(value):
                problems.add(
                    key,
                    f"sources of type {kind} are not simulated yet; remove the key (simulated: "
                    f"{', '.join(CATALOG_TYPES)})",
                )
        else:
            problems.not_allowed(key, name, CATALOG_TYPES)

    def of_target(value: Mapping[Any, Any], key: str, target: str) -> None:
        # An entry without a type: the target is mentioned, so it is no oversight that it has no sources.
        entries.append(CatalogEntry(target, "", "", ""))
        for name, entry in value.items():
            if isinstance(entry, Mapping):
                if str(name).lower() not in INSTRUMENTS:
                    problems.not_allowed(f"{key}.{name}", name, INSTRUMENTS)
                    continue
                for kind, path in entry.items():
                    of_type(kind, path, f"{key}.{name}.{kind}", target, str(name).upper())
            else:
                of_type(name, entry, f"{key}.{name}", target, "")

    if not isinstance(value, Mapping):
        problems.add("catalogs", f"{value!r} is not understood; write {{point_source: FILE, galaxy: FILE}}")
        return ()
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            of_target(entry, f"catalogs.{name}", str(name))
        else:
            of_type(name, entry, f"catalogs.{name}", "", "")
    return tuple(entries)


def parse_effects(value: Any, problems: Problems) -> Effects:
    """Return effects: a mapping of name to bool, or a list of the names that are off."""
    names = [f.name for f in fields(Effects)]
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Sequence):
        value = {str(name): False for name in value}
    if not isinstance(value, Mapping):
        problems.add(
            "effects", f"{value!r} is not understood; write {{name: false}} or a list of names that are off"
        )
        return Effects()
    chosen: dict[str, bool] = {}
    for name, on in value.items():
        key = str(name).strip().lower()
        if key not in names:
            problems.not_allowed(f"effects.{name}", name, names)
        elif not isinstance(on, bool):
            problems.add(f"effects.{name}", f"{on!r} is neither true nor false")
        else:
            chosen[key] = on
    return Effects(**chosen)


def parse_references(value: Any, problems: Problems) -> str:
    """Return where reference data come from; only the built-in set so far."""
    for name in [value] if isinstance(value, str) else value if isinstance(value, Sequence) else [value]:
        text = str(name).strip().lower()
        if text in ("crds", "mirage_data", "crds_full_name", "crds_full_names"):
            problems.add(
                "references",
                f"{text} is not supported yet; write builtin, the set that comes with mirage_dask",
            )
        elif text != "builtin":
            problems.not_allowed("references", name, ("builtin", "crds", "mirage_data"))
    return "builtin"


def parse_seed(value: Any, problems: Problems) -> int:
    """Return the seed, a whole number from 0 to 2**63 - 1."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 0 <= value < 2**63:
        problems.add("seed", f"{value!r} is no whole number from 0 to 2**63 - 1")
        return 42
    return int(value)


PARSERS: dict[str, Callable[[Any, Problems], Any]] = {
    "catalogs": parse_catalogs,
    "background": parse_background,
    "roll_angle": parse_roll_angle,
    "dates": parse_dates,
    "cosmic_rays": parse_cosmic_rays,
    "references": parse_references,
    "effects": parse_effects,
    "seed": parse_seed,
}
"""The keys of the settings."""

FUTURE = (
    "use_dateobs_for_background",
    "reffile_defaults",
    "reffile_overrides",
    "psf_paths",
    "darks",
)
"""Keys that are known and refused unless they ask for nothing."""
