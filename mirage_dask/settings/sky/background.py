"""The key `background`: the light of the sky.

A background is one level or a list of what is added, or nested by observation, then instrument, then the channels sw and lw
of NIRCam.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mirage_dask.instruments import detectors_of
from mirage_dask.settings.grammar import Node, Table, existing_path
from mirage_dask.settings.problems import INSTRUMENTS, Problems

LEVELS = ("low", "medium", "high", "date")
CHANNELS = {"sw": "SHORT", "lw": "LONG"}
Component = str | float
Background = Component | tuple[Component, ...]
"""One component, or several that are added:
'low', 'medium', 'high', 'date' (what the sky is on the day of the exposure), DN/s per pixel, a surface brightness as
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


def is_image(text: str) -> bool:
    """Return whether a background is the name of a FITS image."""
    return text.lower().endswith((".fits", ".fits.gz"))


def is_brightness(text: str) -> bool:
    """Return whether a background is a surface brightness, '0.2 MJy/sr'."""
    return text.endswith(BRIGHTNESS)


def components(background: Background) -> tuple[Component, ...]:
    """Return what a background is the sum of."""
    return background if isinstance(background, tuple) else (background,)


def on_the_day(background: Background) -> Background:
    """Return a background whose level is that of the day of the exposure."""
    of_day = tuple("date" if part in LEVELS else part for part in components(background))
    return of_day if isinstance(background, tuple) else of_day[0]


class Level:
    """Rule of one level: a word, DN/s per pixel, a surface brightness, or a FITS image; or of a list of them to be added."""

    def parse(self, value: Any, key: str, problems: Problems) -> Background:
        """Return the word in lower case, the number, '0.2 MJy/sr', the absolute path; of a list a tuple."""
        if not isinstance(value, list | tuple):
            return self.component(value, key, problems)
        before = len(problems.found)
        found = tuple(self.component(part, f"{key}[{n}]", problems) for n, part in enumerate(value))
        if not found:
            problems.add(key, "the list is empty; write 0 for no background")
        words = [part for part in found if part in LEVELS]
        if len(words) > 1 and len(problems.found) == before:
            problems.add(key, f"{' and '.join(map(str, words))} are both all of the sky; write one of them")
        return found if len(found) > 1 else next(iter(found), 0.0)

    def component(self, value: Any, key: str, problems: Problems) -> Component:
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
        one = [{"enum": list(LEVELS)}, number, text]
        return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}]}


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
        value = list(entry.value) if isinstance(entry.value, tuple) else entry.value
        keys = (entry.observation, entry.instrument.lower(), short_names.get(entry.channel))
        path = [key for key in keys if key not in (None, "")]
        if not path:
            return value
        place = nested
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value
    return nested
