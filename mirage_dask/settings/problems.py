"""Problems of settings, collected with their key, and the small things that all rules of keys share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirage_dask.errors import nearest
from mirage_dask.instruments import instruments

INSTRUMENTS = tuple(name.lower() for name in instruments())
"""Instruments as they are written in settings."""


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
        end = "" if problem.endswith("?") else "."
        self.found.append(f"{self.source + ': ' if self.source else ''}{key}: {problem.rstrip('.')}{end}")

    def not_allowed(self, key: str, value: Any, allowed: Sequence[str]) -> None:
        """Add a problem with a value that is not among the allowed ones."""
        hint = nearest(str(value), list(allowed)).rstrip("?")
        self.add(key, f"{value!r} is not allowed{hint}; allowed: {', '.join(allowed)}")


def is_nothing(value: Any) -> bool:
    """Return whether a value is None or the word, which scripts write for it."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("none", ""))


def observation_number(key: Any) -> int | None:
    """Return an observation number given as 1, '1' or '001'."""
    text = str(key).strip()
    return int(text) if not isinstance(key, bool) and text.isdecimal() and 0 < int(text) < 1000 else None
