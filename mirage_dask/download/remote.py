"""What HTTP servers say of a file: which version it is, how large, with which checksums; and why they say nothing."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

REDIRECTS = 10
DIGESTS = {"sha256": 32, "md5": 16}
"""Bytes of the checksums that are understood."""


class UnreachableError(Exception):
    """No connection to a server came about."""


@dataclass(frozen=True)
class Remote:
    """A version of a remote file, as far as the server describes it."""

    url: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None
    digests: dict[str, str] = field(default_factory=dict)
    """Hexadecimal checksum by 'sha256' or 'md5'."""

    def may_be(self, other: Remote) -> bool:
        """Return whether nothing that both state differs, and at least one thing that both state agrees."""
        pairs = [
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.total, other.total),
        ]
        both = [a == b for a, b in pairs if a not in ("", None) and b not in ("", None)]
        return bool(both) and all(both)


def remote_size(url: str, *, timeout: float = 20.0) -> int | None:
    """Ask the server for the size of a file; None when it does not say.

    Raises
    ------
    UnreachableError
        If the server cannot be reached.
    """
    import requests

    try:
        with new_session() as session:
            answer = session.head(url, timeout=timeout, allow_redirects=True)
        return whole_number(answer.headers.get("Content-Length")) if answer.status_code == 200 else None
    except requests.RequestException as error:
        if no_connection(error):
            raise UnreachableError(f"{shown(url)} cannot be reached: {innermost_reason(error)}") from error
        return None


def shown(url: str) -> str:
    """Return an address for messages and records: without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def new_session() -> Any:
    """Return a `requests.Session` that asks for the bytes as they are and follows a few redirections."""
    import requests

    session = requests.Session()
    session.max_redirects = REDIRECTS
    # A server that compresses on the way would change sizes and ranges.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "mirage_dask"})
    return session


def remote_of(url: str, headers: Mapping[str, str], *, total: int | None, whole: bool = True) -> Remote:
    """Return the version that the head of an answer describes; see `stated_digests` for `whole`."""
    return Remote(
        url=shown(url),
        etag=headers.get("ETag", ""),
        last_modified=headers.get("Last-Modified", ""),
        total=total,
        digests=stated_digests(headers, whole=whole),
    )


def stated_digests(headers: Mapping[str, str], *, whole: bool) -> dict[str, str]:
    """Return the checksums of a whole file that the head of an answer states, hexadecimal by kind.

    Parameters
    ----------
    headers
        Of the answer. Read are Repr-Digest (RFC 9530), Digest (RFC 3230), X-Goog-Hash, x-amz-checksum-sha256 and
        Content-MD5; an ETag is none, even where it looks like one.
    whole
        False for an answer with a part of the file, whose Content-MD5 is of that part.
    """
    stated: list[tuple[str, str]] = []
    for header in ("Digest", "X-Goog-Hash", "Repr-Digest"):
        for item in headers.get(header, "").split(","):
            kind, _, value = item.strip().partition("=")
            stated.append((kind.lower().replace("-", ""), value.strip(":")))
    stated.append(("sha256", headers.get("x-amz-checksum-sha256", "")))
    if whole:
        stated.append(("md5", headers.get("Content-MD5", "")))
    digests = {}
    for kind, value in stated:
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(raw) == DIGESTS.get(kind):
            digests[kind] = raw.hex()
    return digests


def whole_number(text: str | None) -> int | None:
    """Return the value of a header that is a whole number, else None."""
    return int(text) if text and re.fullmatch(r"\d{1,18}", text.strip()) else None


def transport_errors() -> Any:
    """Return the module of the errors that the raw stream of a `requests` answer raises: those of the urllib3 in use."""
    import requests

    return requests.packages.urllib3.exceptions  # type: ignore[attr-defined]


def no_connection(error: Exception) -> bool:
    """Return whether no connection came about at all."""
    import requests

    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), transport_errors().NewConnectionError)


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
