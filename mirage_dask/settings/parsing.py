"""Check and normalise each key of the settings. Every function collects problems and returns something usable."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import Any

from mirage_dask.apt.schedule import DEFAULT_DATE, parse_angle, parse_date
from mirage_dask.errors import InputError
from mirage_dask.settings.catalogs import parse_catalogs
from mirage_dask.settings.overrides import parse_overrides
from mirage_dask.settings.problems import (
    INSTRUMENTS,
    Problems,
    observation_number,
    per_observation,
)
from mirage_dask.settings.psf_paths import parse_psf_paths
from mirage_dask.settings.records import BackgroundEntry, CosmicRays, Effects, make_cosmic_rays

CHANNELS = {"sw": "SHORT", "lw": "LONG"}
LEVELS = ("low", "medium", "high", "date")
REFERENCES = ("builtin", "crds", "mirage_data")
FULL_NAMES = "crds_full_name"
"""Mirage's word for crds with the names of the files written into the YAML."""
REFERENCE_ALIASES = {FULL_NAMES: FULL_NAMES, "crds_full_names": FULL_NAMES}
DARKS = ("model", "linearized", "raw", "linearized_varied", "raw_varied")
OFF = ("none", "off", "no", "false")


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
            return parse_date(DEFAULT_DATE)

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

    if isinstance(value, Mapping) and any(observation_number(k) is not None for k in value):
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
            key, f"{value!r} is no background; give low, medium, high, date, or DN/s per pixel, zero or more"
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
            if instrument != "NIRCAM":
                problems.add(f"{key}.{name}", f"{instrument} has one channel; give one level below {key}")
            elif channel is None:
                problems.not_allowed(f"{key}.{name}", name, tuple(CHANNELS))
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
        key, number = f"background.{name}", observation_number(name)
        if number is None:
            of_instrument({name: entry}, "background", None)
        elif isinstance(entry, Mapping):
            of_instrument(entry, key, number)
        else:
            entries.append(BackgroundEntry(number, "", "", _parse_level(entry, key, problems)))
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


def parse_references(value: Any, problems: Problems) -> tuple[str, ...]:
    """Return where reference data come from: one source or several, the first that has a file wins; or `FULL_NAMES`."""
    names = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else [value]
    found: list[str] = []
    for name in names:
        text = REFERENCE_ALIASES.get(str(name).strip().lower(), str(name).strip().lower())
        if text not in (*REFERENCES, FULL_NAMES):
            problems.not_allowed("references", name, REFERENCES)
        elif text not in found:
            found.append(text)
    if found == ["mirage_data"]:
        problems.add(
            "references",
            "mirage_data holds libraries only; write [mirage_data, crds] or [mirage_data, builtin]",
        )
    return tuple(found) or ("builtin",)


def parse_reference_defaults(value: Any, problems: Problems) -> tuple[str, ...]:
    """Return the sources that Mirage's key means: 'crds' or `FULL_NAMES`, both the observatory's CRDS."""
    text = str(value).strip().lower()
    if text not in REFERENCE_ALIASES and text != "crds":
        problems.not_allowed("reffile_defaults", value, ("crds", *REFERENCE_ALIASES))
    return (REFERENCE_ALIASES.get(text, "crds"),)


def parse_darks(value: Any, problems: Problems) -> str:
    """Return what darks are made of: the noise model, or files of MIRAGE_DATA."""
    text = str(value).strip().lower()
    if text not in DARKS:
        problems.not_allowed("darks", value, DARKS)
    return text


def parse_flag(key: str, value: Any, problems: Problems) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        problems.add(key, f"{value!r} is neither true nor false")
    return value is True


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
    "use_dateobs_for_background": partial(parse_flag, "use_dateobs_for_background"),
    "cosmic_rays": parse_cosmic_rays,
    "references": parse_references,
    "reffile_defaults": parse_reference_defaults,
    "reffile_overrides": parse_overrides,
    "psf_paths": parse_psf_paths,
    "darks": parse_darks,
    "effects": parse_effects,
    "seed": parse_seed,
}
"""The keys of the settings."""
