"""Access to the sections of a YAML file that collects problems, with section and key, and records which keys are used."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.settings.grammar import PathTo
from mirage_dask.settings.problems import Problems, is_nothing
from mirage_dask.settings.sky import Level, is_brightness, is_image

LEVELS = ("low", "medium", "high")
_SEXAGESIMAL = re.compile(r"([+-]?)(\d+):(\d+):(\d+(?:\.\d*)?)")
_MISSING = object()


class YamlValues:
    """A section of a file, or the whole file.

    Parameters
    ----------
    values
        Keys and values.
    problems
        Collects the problems.
    name
        Name of the section; empty for the whole file.
    """

    def __init__(self, values: Mapping[str, Any], problems: Problems, name: str = ""):
        self.problems, self.name = problems, name
        self._values = values
        self._used: set[str] = set()
        self._sections: dict[str, YamlValues] = {}

    def section(self, name: str, *, required: bool = True) -> YamlValues:
        """Return a section; an empty one if it is missing, which is a problem if it is required."""
        if name not in self._sections:
            found = self._values.get(name)
            if not isinstance(found, Mapping):
                if required or found is not None:
                    self.problems.add(
                        name, "the section is missing" if found is None else "it is not a section"
                    )
                found = {}
            self._used.add(name)
            self._sections[name] = YamlValues(found, self.problems, name)
        return self._sections[name]

    def unused(self) -> dict[str, Any]:
        """Return the values that were not used, by 'section:key'."""
        prefix = f"{self.name}:" if self.name else ""
        found = {f"{prefix}{key}": value for key, value in self._values.items() if key not in self._used}
        for section in self._sections.values():
            found |= section.unused()
        return found

    def report(self, key: str, problem: str) -> None:
        """Append a problem with a key."""
        self.problems.add(f"{self.name}:{key}", problem)

    def _get(self, key: str, default: Any) -> Any:
        self._used.add(key)
        value = self._values.get(key)
        if not is_nothing(value):
            return value
        if default is _MISSING:
            self.report(key, "is missing")
            return None
        return default

    def text(self, key: str, default: Any = _MISSING) -> str:
        """Return a text without surrounding blanks; 'None' is treated as missing."""
        value = self._get(key, default)
        if isinstance(value, Mapping | list):
            self.report(key, f"expected a text, not {value!r}")
            return ""
        return "" if value is None else str(value).strip()

    def label(self, key: str) -> str:
        """Return a text that may be the word NONE; only None or 'None' is treated as empty."""
        self._used.add(key)
        value = self._values.get(key)
        return "" if value is None or value == "None" else str(value)

    def choice(self, key: str, allowed: tuple[str, ...], default: Any = _MISSING) -> str:
        """Return one of the allowed words, in lower case."""
        value = self.text(key, default).lower()
        if value not in allowed:
            self.problems.not_allowed(f"{self.name}:{key}", value, allowed)
            return allowed[0]
        return value

    def checked(self, key: str, look_up: Callable[[str], Any], default: Any) -> Any:
        """Return `look_up(text)`; report an `InputError` that it raises and return `default`."""
        try:
            return look_up(self.text(key))
        except InputError as error:
            self.report(key, str(error))
            return default

    def words(self, key: str, allowed: Sequence[str], default: Iterable[str]) -> tuple[str, ...]:
        """Return the allowed words of a text, which are separated by blanks; () for an empty text."""
        if self._values.get(key) == "":
            self._used.add(key)
            return ()
        found = self.text(key, " ".join(default)).split()
        for word in found:
            if word not in allowed:
                self.problems.not_allowed(f"{self.name}:{key}", word, allowed)
        return tuple(word for word in found if word in allowed)

    def mapping(self, key: str, *, numbers: bool = False) -> dict[str, Any]:
        """Return the texts of a JSON object, and its numbers where there may be some; {} if there is none."""
        kinds = (str, int, float) if numbers else (str,)
        text = self.text(key, "")
        try:
            found = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(value, kinds) for value in found.values()):
            self.report(key, f"expected {{type: file}} as JSON, not {text[:60]!r}")
            return {}
        return found

    def integer(self, key: str, default: Any = _MISSING, *, lowest: int = 0) -> int:
        """Return an integer of `lowest` or more, which may be given as a text of digits."""
        value = self._get(key, default)
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value < 2**63:
            if value is not None:
                self.report(key, f"expected a whole number of {lowest} or more, not {value!r}")
            return lowest if default is _MISSING else int(default)
        return value

    def number(self, key: str, default: Any = _MISSING) -> float:
        """Return a finite number; NaN only as a default or after a problem."""
        value = self._get(key, default)
        if value is default:
            return float(value)
        try:
            found = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            found = math.nan
        if not math.isfinite(found):
            if value is not None and not (isinstance(value, float) and math.isnan(value)):
                self.report(key, f"expected a number, not {value!r}")
            return math.nan
        return found

    def angle(self, key: str) -> float:
        """Return an angle in degrees, which may be given as hh:mm:ss (ra) or dd:mm:ss (dec)."""
        value = self._get(key, _MISSING)
        match = _SEXAGESIMAL.fullmatch(str(value).strip())
        if match is None:
            found = self.number(key)
        else:
            sign, first, minutes, seconds = match.groups()
            found = int(first) + int(minutes) / 60 + float(seconds) / 3600
            found *= (15 if key == "ra" else 1) * (-1 if sign == "-" else 1)
        limits = (-360.0, 360.0) if key == "ra" else (-90.0, 90.0)
        if not limits[0] <= found <= limits[1]:
            if math.isfinite(found):
                self.report(key, f"{value!r} is not a position on the sky")
            return 0.0
        return found

    def level(self, key: str, default: str) -> str | float:
        """Return a background level: low, medium or high, a number, '0.2 MJy/sr' (not Mirage's), or the path of an image."""
        text = self.text(key, default)
        if is_brightness(text):
            return Level().component(text, f"{self.name}:{key}", self.problems)
        if is_image(text):
            return self.file(key)
        return text.lower() if text.lower() in LEVELS else self.number(key, default)

    def flag(self, key: str, default: bool) -> bool:
        """Return a boolean."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            self.report(key, f"{value!r} is neither true nor false")
        return value is True

    def file(self, key: str) -> str:
        """Return the path of an existing file; empty for None and 'crds'."""
        return PathTo("file", crds=True).parse(self._get(key, None), f"{self.name}:{key}", self.problems)

    def folder(self, key: str, *, usual: str | None = None) -> str:
        """Return the path of an existing folder; empty for None, and for one that ends with `usual`."""
        value = self._get(key, None)
        if usual and isinstance(value, str) and PurePath(value).as_posix().lower().endswith(usual):
            return ""
        return PathTo("folder").parse(value, f"{self.name}:{key}", self.problems)
