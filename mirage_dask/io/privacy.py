"""Records that leave the machine keep no user name, home directory, token or password.

Stores, reports and files are given to others; the settings, errors and tracebacks in them say where things were. The home
directory is written as `~`, the user name as a part of a path as `$USER`, and an address without user, password and query.
Where a record is read as a path again, `local_path` expands it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    import pandas as pd

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>\\`{}]+")
_END = r"(?=[/\\\s'\",:;)\]}>]|$)"
_SHORTEST = 3
"""Letters of a user name that is looked for."""


def anonymous(text: str) -> str:
    """Return a text for a record: home directory, user name, passwords and tokens are taken out.

    Parameters
    ----------
    text
        A path, an address, or any text with some in it, such as a traceback.
    """
    if "://" in text:
        text = _ADDRESS.sub(lambda found: _address(found[0]), text)
    for home in _homes():
        text = re.sub(rf"(?<![\w.~-]){re.escape(home)}{_END}", "~", text)
    user = os.environ.get("USER", "")
    if len(user) >= _SHORTEST:
        text = re.sub(rf"(?<=/){re.escape(user)}{_END}", "$USER", text)
    return text


def anonymous_values(value: Any) -> Any:
    """Return dictionaries and lists with `anonymous` applied to every text in them, keys included."""
    if isinstance(value, str):
        return anonymous(value)
    if isinstance(value, Mapping):
        return {anonymous_values(k): anonymous_values(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [anonymous_values(item) for item in value]
    return value


def anonymous_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose paths and addresses are those of `anonymous`."""
    changed = {}
    for column in table.columns:
        texts = {
            text: anonymous(text) for text in set(table[column]) if isinstance(text, str) and "/" in text
        }
        if any(text != new for text, new in texts.items()):
            changed[column] = [
                texts.get(value, value) if isinstance(value, str) else value for value in table[column]
            ]
    return table.assign(**changed)


def local_path(text: str) -> Path:
    """Return the path on this machine that a record names; inverse of `anonymous` for whoever wrote it."""
    return Path(os.path.expandvars(text)).expanduser()


def has_secrets(address: str) -> bool:
    """Return whether an address contains a user, a password or a query, which `anonymous` takes out."""
    return _address(address) != address


def _address(address: str) -> str:
    try:
        parts = urlsplit(address)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")
    except ValueError:  # not an address after all
        return address
    return address if bare == parts else urlunsplit(bare)


def _homes() -> list[str]:
    """Return the home directory as it may be written, the longest form first."""
    home = os.path.expanduser("~").rstrip("/")
    found = {form for form in (home, os.path.realpath(home)) if len(form) > 1 and form != "~"}
    return sorted(found, key=len, reverse=True)
