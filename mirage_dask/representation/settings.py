"""Settings as names and values: what differs from the defaults, and the defaults below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from mirage_dask.formatting import counted
from mirage_dask.representation.page import collapsed, page, pairs

MOST_LINES = 12
"""Lines of a value that are shown."""


def settings_page(
    source: str, changed: Mapping[str, Any], defaults: Mapping[str, str], meanings: Mapping[str, str]
) -> str:
    """Return settings as HTML.

    Parameters
    ----------
    source
        The file that they are from; empty for none.
    changed
        What differs from the defaults, as plain values.
    defaults
        The other settings, in words of Markdown.
    meanings
        What each setting is, Markdown, which is shown while the mouse is over its name.
    """
    given = [(name, _lines(value)) for name, value in changed.items()]
    others = [(name, _plain(value)) for name, value in defaults.items()]
    hints = {name: _plain(value) for name, value in meanings.items()}
    usual = collapsed(
        f"{counted(len(others), 'setting')} at the default",
        pairs(others, hints=hints),
        is_open=not given,
    )
    return page("Settings", pairs(given, hints=hints) if given else "", usual, about=source)


def _lines(value: Any) -> str:
    """Return a value as lines of YAML, a list of words as one line."""
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(map(_lines, value))
    if not isinstance(value, dict | list | bool):
        return str(value)
    words = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=88).removesuffix("...\n")
    lines = words.replace("'", "").rstrip().splitlines()
    more = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], *([f"and {counted(more, 'more line')}"] if more > 0 else [])])


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")
