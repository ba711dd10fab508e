"""Addresses and network errors as text for messages."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit


def shown(url: str) -> str:
    """Return an address for messages and records: without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def innermost_reason(error: BaseException) -> str:
    """Return the innermost reason of a network error, on one line."""
    cause: Any = error
    for _ in range(5):
        inner = getattr(cause, "reason", None) or (cause.args[0] if getattr(cause, "args", None) else None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    first = cause.args[0] if getattr(cause, "args", None) else None
    text = " ".join((first if isinstance(first, str) else str(cause)).split()) or type(cause).__name__
    return re.sub(r"^(<[^>]*>|\w*Connection\w*\([^)]*\)): ", "", text)
