"""The keys `background` and `cosmic_rays`: what falls on the detectors besides the light of sources.

A background is one level, or nested by observation, then instrument, then the channels sw and lw of NIRCam. Cosmic rays are
{library, scale}, the name of a library, or none; one, or one for each observation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.instruments import cosmic_ray_libraries, cosmic_ray_library, detectors_of
from mirage_dask.settings.grammar import Node, Table, existing_path, per_observation
from mirage_dask.settings.problems import INSTRUMENTS, Problems

LEVELS = ("low", "medium", "high", "date")
CHANNELS = {"sw": "SHORT", "lw": "LONG"}
OFF = ("none", "off", "no", "false")
"""Words for no cosmic rays; false means it, too."""

Background = str | float
"""'low', 'medium', 'high', 'date' (what the sky is on the day of the exposure), DN/s per pixel, a surface brightness as
'0.2 MJy/sr', or the path of an image."""
BRIGHTNESS = "MJy/sr"
_BRIGHTNESS = re.compile(r"([+-]?[0-9.]+(?:e[+-]?\d+)?)\s*mjy\s*/\s*sr", re.IGNORECASE)


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
class CosmicRays:
    """Which library of cosmic rays, and how many times its rate."""

    library: str = "SUNMAX"
    """'SUNMIN', 'SUNMAX', 'FLARE', or 'FLIGHT', whose rate follows the date."""
    scale: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        usual = asdict(CosmicRays())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def is_image(text: str) -> bool:
    """Return whether a background is the name of a FITS image."""
    return text.lower().endswith((".fits", ".fits.gz"))


def is_brightness(text: str) -> bool:
    """Return whether a background is a surface brightness, '0.2 MJy/sr'."""
    return text.endswith(BRIGHTNESS)


class Level:
    """Rule of one level: a word, DN/s per pixel, a surface brightness, or a FITS image."""

    def parse(self, value: Any, key: str, problems: Problems) -> Background:
        """Return the word in lower case, the number, '0.2 MJy/sr', or the absolute path."""
        if hasattr(value, "to_value"):
            value = _plain(value)
        text = str(value).strip().lower()
        if text in LEVELS:
            return text
        if is_image(text):
            return existing_path(value, key, problems)
        brightness = _BRIGHTNESS.fullmatch(text)
        try:
            number = math.nan if isinstance(value, bool) else float(brightness[1] if brightness else text)
        except ValueError:
            problems.not_allowed(key, value, (*LEVELS, "DN/s per pixel", "0.2 MJy/sr", "a FITS image"))
            return LEVELS[0]
        if not 0.0 <= number < 1e6:
            problems.add(
                key,
                f"{value!r} is not a valid background; give {', '.join(LEVELS)}, or DN/s per pixel, zero or more",
            )
        return f"{number!r} {BRIGHTNESS}" if brightness else number

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        number = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e6}
        text = {"type": "string", "pattern": r"\.fits(\.gz)?$|[Mm][Jj][Yy] */ *sr$"}
        return {"anyOf": [{"enum": list(LEVELS)}, number, text]}


def _plain(quantity: Any) -> Any:
    """Return a quantity of astropy as a number of DN/s per pixel or as '0.2 MJy/sr'; as it is where it is neither."""
    for unit, suffix in ((BRIGHTNESS, f" {BRIGHTNESS}"), ("DN / s", ""), ("DN / (s pix)", "")):
        try:
            return f"{float(quantity.to_value(unit))!r}{suffix}"
        except Exception:  # of astropy: another kind of quantity; of float: an array
            continue
    return quantity


def _rule() -> Table:
    level = Level()
    of_instruments: dict[str, Node] = {}
    for name in INSTRUMENTS:
        channels = {detector.channel for detector in detectors_of(name)}
        words = {word: level for word, channel in CHANNELS.items() if channel in channels}
        one = f"{name.upper()} has one channel; give one level below"
        of_instruments[name] = Table(words=words, value=level, wrong_key="" if words else one)
    observation = Table(words=of_instruments, value=level)
    return Table(words=of_instruments, observations=observation, value=level)


BACKGROUND = _rule()


def background_entries(found: Any) -> tuple[BackgroundEntry, ...]:
    """Return the entries of the key `background`."""
    entries: list[BackgroundEntry] = []

    def collect(value: Any, observation: int | None, instrument: str) -> None:
        if not isinstance(value, Mapping):
            entries.append(BackgroundEntry(observation, instrument, "", value))
            return
        for key, below in value.items():
            if isinstance(key, int):
                collect(below, key, instrument)
            elif key in CHANNELS:
                entries.append(BackgroundEntry(observation, instrument, CHANNELS[key], below))
            else:
                collect(below, observation, key.upper())

    collect(found, None, "")
    return tuple(entries)


def background_as_given(entries: Iterable[BackgroundEntry]) -> Any:
    """Return the value of the key `background` that gives these entries."""
    nested: dict[Any, Any] = {}
    short_names = {channel: word for word, channel in CHANNELS.items()}
    for entry in entries:
        keys = (entry.observation, entry.instrument.lower(), short_names.get(entry.channel))
        path = [key for key in keys if key not in (None, "")]
        if not path:
            return entry.value
        place = nested
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = entry.value
    return nested


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
