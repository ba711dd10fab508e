"""Download a file over HTTP atomically: resumable, checksummed, validated against the server's headers.

    NAME             the complete file
    NAME.part        what has arrived so far
    NAME.part.json   the version of the remote file that this is a part of: ETag or Last-Modified, and size

A partial file is continued by a conditional range request (If-Range): a server that has another version by now, or no
ranges, sends the file from the start. A broken connection is tried again after a pause that doubles; attempts are counted
from the last progress. This is one loop of our own because retries of libraries (urllib3, pooch) start again from byte 0.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.atomic import write_beside
from mirage_dask.io.network import innermost_reason, shown

CHUNK = 1 << 16
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
LONGEST_WAIT = 60.0
"""Seconds between two attempts at most."""
KEPT = "run the same command again: what has arrived is kept"
MIRROR = "check address and network, or set MIRAGE_DASK_DOWNLOAD_URL to a mirror"


class FetchError(ReferenceFileError):
    """A file could not be downloaded."""

    def __init__(self, message: str, *, fatal: bool = False):
        super().__init__(message)
        self.fatal = fatal
        """True when other files will fail in the same way: disk full, server unreachable."""


class StoppedError(Exception):
    """The download was stopped by another thread."""


class _Retryable(Exception):
    """An error that another attempt may resolve."""

    def __init__(self, reason: str, *, wait: float = 0.0, fatal: bool = False):
        super().__init__(reason)
        self.wait, self.fatal = wait, fatal


class _Permanent(Exception):
    """An error that no other attempt will resolve."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try."""

    attempts: int = 5
    """Attempts without progress."""
    backoff: float = 1.0
    """Seconds before the second attempt; doubles with each further one, up to a minute."""
    timeout: float = 30.0
    """Seconds without an answer or a byte."""


DEFAULT_POLICY = RetryPolicy()


def fetch(
    url: str,
    target: Path,
    *,
    checksum: str = "",
    policy: RetryPolicy = DEFAULT_POLICY,
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    stop: threading.Event | None = None,
) -> bool:
    """Download a file, or the missing rest of it; a file that is there already is taken as it is.

    Parameters
    ----------
    url
        Its http or https address.
    target
        Where it goes.
    checksum
        Such as 'sha256:0123…', when it is known.
    policy
        How often and how long to try.
    progress
        Called with (bytes so far, bytes in all or None where unknown).
    stop
        Set by another thread to end the download; the partial file stays.

    Returns
    -------
    bool
        True when it came as a whole, in one answer that stated its length.

    Raises
    ------
    FetchError
        If it cannot be downloaded, with the reason and the remedy. The partial file stays if it can be continued.
    StoppedError
        If `stop` was set.
    """
    job = _Download(url, target, policy.timeout, progress, stop or threading.Event())
    if target.exists():
        job.discard()
        return False
    what = f"{target.name} could not be downloaded from {shown(url)}"
    failures, furthest = 0, job.size()
    while True:
        try:
            whole = job.attempt()
            job.finish(checksum)
            return whole
        except _Permanent as error:
            raise FetchError(f"{what}: {error}; {MIRROR}.") from error
        except OSError as error:
            raise disk_error(what, target.parent, error) from error
        except _Retryable as error:
            failures = 1 if job.size() > furthest else failures + 1
            furthest = max(furthest, job.size())
            if failures >= policy.attempts:
                remedy = MIRROR if error.fatal else KEPT
                raise FetchError(
                    f"{what} (attempts without progress: {failures}): {error}; {remedy}.", fatal=error.fatal
                ) from error
            pause = min(LONGEST_WAIT, max(error.wait, policy.backoff * 2 ** min(failures - 1, 20)))
            if job.stop.wait(pause):
                raise StoppedError from None


class _Download:
    """The download of one file: its paths, and one attempt at a time."""

    def __init__(
        self,
        url: str,
        target: Path,
        timeout: float,
        progress: Callable[[int, int | None], None],
        stop: threading.Event,
    ):
        self.url, self.target, self.timeout, self.progress, self.stop = url, target, timeout, progress, stop
        self.part = target.with_name(f"{target.name}.part")
        self.notes = target.with_name(f"{target.name}.part.json")

    def size(self) -> int:
        """Return the size of the partial file."""
        return self.part.stat().st_size if self.part.exists() else 0

    def version(self) -> tuple[str, int | None]:
        """Return what is known of the partial file: its validator (ETag or Last-Modified), its size when it is complete."""
        try:
            validator, total = json.loads(self.notes.read_text(encoding="utf-8"))
            return str(validator), total
        except (OSError, ValueError, TypeError):
            return "", None

    def discard(self) -> None:
        """Remove the partial file."""
        for path in (self.part, self.notes):
            path.unlink(missing_ok=True)

    def attempt(self) -> bool:
        """Complete the partial file by one request; return whether that gave all of it, with its length stated."""
        if self.stop.is_set():
            raise StoppedError
        validator, total = self.version()
        if not validator:  # nobody could tell whether the rest is of the same version
            self.discard()
        offset = self.size()
        if offset and offset == total:
            return False
        with _session() as session:
            headers = {"Range": f"bytes={offset}-", "If-Range": validator} if offset else {}
            with self.ask(session, headers) as answer:
                if answer.status_code == 200:
                    offset, total = 0, _number(answer.headers.get("Content-Length"))
                    self.discard()
                    note = json.dumps([_validator(answer), total])
                    write_beside(self.notes, lambda path: path.write_text(note, encoding="utf-8"))
                elif answer.status_code != 206 or not offset:
                    raise self.refusal(answer)
                elif f"bytes {offset}-" not in answer.headers.get("Content-Range", ""):
                    self.discard()
                    raise _Retryable("the server sends another part of the file than it was asked for")
                self.write(answer, offset, total)
        return total is not None and not offset

    def ask(self, session: Any, headers: dict[str, str]) -> Any:
        """Return the answer to a request, its body unread."""
        import requests

        try:
            return session.get(self.url, headers=headers, stream=True, timeout=self.timeout)
        except requests.RequestException as error:
            reason, unreachable = innermost_reason(error), _is_unreachable(error)
            # TooManyRedirects, certificates, and (ValueError) addresses that are not valid
            if isinstance(error, requests.TooManyRedirects | requests.exceptions.SSLError | ValueError):
                raise _Permanent(reason) from error
            if unreachable:
                reason = f"the server cannot be reached ({reason})"
            raise _Retryable(reason, fatal=unreachable) from error

    def refusal(self, answer: Any) -> Exception:
        """Return the error for an answer that is not the file."""
        text = f"the server answers {answer.status_code} {answer.reason}"
        if answer.status_code in RETRIED:
            return _Retryable(text, wait=float(_number(answer.headers.get("Retry-After")) or 0))
        if answer.status_code == 416:  # the partial file is longer than the remote one
            self.discard()
            return _Retryable(text)
        return _Permanent(text)

    def write(self, answer: Any, offset: int, total: int | None) -> None:
        """Write the body of an answer from `offset` on; `total` is the size of the whole file."""
        from urllib3.exceptions import HTTPError

        done, of = offset, "" if total is None else f" of {total:,}"
        self.progress(done, total)
        with self.part.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            try:
                for chunk in answer.raw.stream(CHUNK, decode_content=False):
                    file.write(chunk)
                    done += len(chunk)
                    self.progress(done, total)
                    if self.stop.is_set():
                        raise StoppedError
            except HTTPError as error:
                reason = innermost_reason(error)
                raise _Retryable(f"the connection ended after {done:,}{of} bytes ({reason})") from error
        if total is not None and done != total:
            if done > total:
                self.discard()
            raise _Retryable(f"the connection ended after {done:,}{of} bytes")

    def finish(self, checksum: str) -> None:
        """Compare the checksum and give the file its name."""
        kind, _, expected = checksum.partition(":")
        if checksum and (found := file_digest(self.part, kind)) != expected.lower():
            self.discard()
            raise _Retryable(f"its {kind} is {found} instead of {expected}")
        os.replace(self.part, self.target)
        self.notes.unlink(missing_ok=True)


def file_digest(path: Path, kind: str = "sha256") -> str:
    """Return the hexadecimal checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def disk_error(what: str, directory: Path, error: OSError) -> FetchError:
    """Return the error for a disk that cannot be written; `what` says what failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchError(f"{what}: the disk of {directory} is full; free some space and {KEPT}.", fatal=True)
    return FetchError(
        f"{what}: {error.filename or directory}: {error.strerror or error}; make it writable, or choose another PATH."
    )


def _session() -> Any:
    import requests

    session = requests.Session()
    session.max_redirects = 10
    # A server that compresses on the way would change sizes and ranges.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "mirage_dask"})
    return session


def _is_unreachable(error: Exception) -> bool:
    """Return whether no connection could be made at all."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _validator(answer: Any) -> str:
    """Return what identifies the version of a file byte for byte: a strong ETag, else its date, else ''."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")


def _number(text: str | None) -> int | None:
    """Return the value of a header that is a whole number, else None."""
    return int(text) if text and re.fullmatch(r"\d{1,18}", text.strip()) else None
