"""Fetch one file over HTTP, so that it is whole or not there: resumable, checked, and sceptical of what servers say.

    NAME             the file, when all of it is there
    NAME.part        what has arrived so far
    NAME.part.json   which version of the remote file that is: ETag, Last-Modified, size, checksums

A partial file goes on with a range request if the server still has that version, and starts again if not. A connection that
drops is tried again after a pause that doubles; attempts are counted from the last progress. A file is whole when it has the
size that the server states and the checksums that the catalogue or the server gives; compressed files are checked once more
by their own checksum when they are unpacked.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mirage_dask.download.remote import (
    REDIRECTS,
    Remote,
    innermost_reason,
    new_session,
    no_connection,
    remote_of,
    shown,
    transport_errors,
    whole_number,
)
from mirage_dask.errors import ReferenceFileError

CHUNK = 1 << 16
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
LONGEST_WAIT = 60.0
"""Seconds between two attempts at most."""


class FetchError(ReferenceFileError):
    """A file could not be fetched."""

    def __init__(self, message: str, *, hopeless: bool = False):
        super().__init__(message)
        self.hopeless = hopeless
        """True when no other file can be expected to fare better: disk full, host unreachable."""


class StoppedError(Exception):
    """Fetching was told to stop."""


@dataclass(frozen=True)
class Patience:
    """How often and how long to try."""

    attempts: int = 5
    """Attempts without progress."""
    backoff: float = 1.0
    """Seconds before the second attempt; doubles from then on, up to a minute."""
    timeout: float = 30.0
    """Seconds without an answer or a byte."""

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return float(min(LONGEST_WAIT, self.backoff * 2 ** min(failures - 1, 20)))


PATIENT = Patience()


@dataclass(frozen=True)
class Fetched:
    """A file that is whole."""

    size: int
    sha256: str
    resumed: bool
    """True when parts of it came in different answers."""
    remote: Remote | None = None


class _Again(Exception):
    """What another attempt may mend."""

    def __init__(self, why: str, *, wait: float = 0.0, unreachable: bool = False):
        super().__init__(why)
        self.wait, self.unreachable = wait, unreachable


class _Never(Exception):
    """What no other attempt will mend; the second argument is the remedy."""


def fetch(
    url: str,
    target: Path,
    *,
    most: int,
    checksum: str = "",
    patience: Patience = PATIENT,
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    stop: threading.Event | None = None,
) -> Fetched:
    """Fetch a file, or what is missing of it.

    Parameters
    ----------
    url
        Its http or https address.
    target
        Where it goes. A file that stands there already is taken if it has the size of the remote one.
    most
        Bytes that it cannot have: more is refused.
    checksum
        Such as 'sha256:0123…', when it is known.
    patience
        How often and how long to try.
    progress
        Called with bytes so far and in all (None: unknown).
    stop
        Set by another thread to end fetching; the partial file stays.

    Raises
    ------
    FetchError
        If it cannot be had, with the reason and the remedy. The partial file stays if it can be of use.
    StoppedError
        If `stop` was set.
    """
    job = _Job(url, target, most, checksum, patience, progress, stop or threading.Event())
    failures, furthest = 0, job.here()
    while True:
        try:
            return job.attempt()
        except _Never as error:
            why, remedy = error.args
            raise FetchError(
                f"{target.name} could not be fetched from {shown(url)}: {why}; {remedy}."
            ) from error
        except OSError as error:
            raise _disk_error(error, target, url) from error
        except _Again as error:
            failures = 1 if job.here() > furthest else failures + 1
            furthest = max(furthest, job.here())
            if failures >= patience.attempts:
                tried = "once" if failures == 1 else f"{failures} times in a row"
                raise FetchError(
                    f"{target.name} could not be fetched from {shown(url)} (tried {tried}): {error}; "
                    + (
                        "check the network, or set MIRAGE_DASK_DOWNLOAD_URL to a mirror."
                        if error.unreachable
                        else "run the same again later: what has arrived is kept."
                    ),
                    hopeless=error.unreachable,
                ) from error
            if job.stop.wait(max(error.wait, patience.pause(failures))):
                raise StoppedError from None


class _Job:
    """The fetching of one file: its paths, and one attempt at a time."""

    def __init__(
        self,
        url: str,
        target: Path,
        most: int,
        checksum: str,
        patience: Patience,
        progress: Callable[[int, int | None], None],
        stop: threading.Event,
    ):
        self.url, self.target, self.most, self.checksum = url, target, most, checksum
        self.patience, self.progress, self.stop = patience, progress, stop
        self.part = target.with_name(f"{target.name}.part")
        self.notes = target.with_name(f"{target.name}.part.json")
        self.resumed = False

    def here(self) -> int:
        """Return the size of the partial file."""
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    def known(self) -> Remote | None:
        """Return which version the partial file is of, None if nobody knows."""
        try:
            return Remote(**json.loads(self.notes.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def forget(self) -> None:
        """Remove the partial file."""
        for path in (self.part, self.notes):
            path.unlink(missing_ok=True)
        self.resumed = False

    def attempt(self) -> Fetched:
        """Ask once and take what comes."""
        import requests

        if self.stop.is_set():
            raise StoppedError
        self.target.parent.mkdir(parents=True, exist_ok=True)
        if self.target.exists() and not self.part.exists():
            os.replace(self.target, self.part)  # somebody put it there: whole if it has the right size
            self.notes.unlink(missing_ok=True)
        offset, known = self.here(), self.known()
        if known and offset and known.total == offset:
            self.resumed = True
            return self.finish(known)
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and known and known.etag.startswith('"'):
            headers["If-Range"] = known.etag
        with new_session() as session:
            try:
                answer = session.get(self.url, headers=headers, stream=True, timeout=self.patience.timeout)
            except requests.TooManyRedirects as error:
                raise _Never(
                    f"it is redirected more than {REDIRECTS} times", "the server is at fault: try a mirror"
                ) from error
            except requests.exceptions.SSLError as error:
                raise _Never(
                    f"its certificate is not trusted ({innermost_reason(error)})",
                    "check date and certificates of this machine, or set REQUESTS_CA_BUNDLE",
                ) from error
            except (
                requests.exceptions.InvalidURL,
                requests.exceptions.InvalidSchema,
                requests.exceptions.MissingSchema,
            ) as error:
                raise _Never(f"its address is of no use ({error})", "correct the base address") from error
            except requests.RequestException as error:
                raise _Again(innermost_reason(error), unreachable=no_connection(error)) from error
            with answer:
                remote = self.take(answer, offset, known)
        return self.finish(remote)

    def take(self, answer: Any, offset: int, known: Remote | None) -> Remote:
        """Judge the head of an answer, write its body and return the version it is of."""
        status = answer.status_code
        if status == 206 and offset:
            return self.go_on(answer, offset, known)
        if status == 416 and offset:
            total = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
            remote = remote_of(self.url, answer.headers, total=int(total[1]) if total else None, whole=False)
            if total and int(total[1]) == offset and (known is None or known.may_be(remote)):
                return known or remote
            self.forget()
            raise _Again("the remote file is another one than before")
        if status == 200:
            remote = remote_of(
                self.url, answer.headers, total=whole_number(answer.headers.get("Content-Length"))
            )
            self.expect(remote.total)
            self.forget()
            self.note(remote)
            self.write(answer, 0, remote.total)
            return remote
        if status in RETRIED:
            wait = min(float(whole_number(answer.headers.get("Retry-After")) or 0), LONGEST_WAIT)
            raise _Again(f"the server answers {status} {answer.reason}", wait=wait)
        raise _refusal(status, answer.reason)

    def go_on(self, answer: Any, offset: int, known: Remote | None) -> Remote:
        """Append the rest, if it is the rest of what is here."""
        stated = answer.headers.get("Content-Range", "")
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", stated)
        total = int(found[3]) if found and found[3] != "*" else None
        remote = remote_of(self.url, answer.headers, total=total, whole=False)
        if found is None or int(found[1]) != offset or (total is not None and int(found[2]) >= total):
            self.forget()
            raise _Again(f"asked for bytes from {offset} on, the server sends {stated or 'others'!r}")
        if known is None or not known.may_be(remote):
            self.forget()
            raise _Again("the remote file is another one than before")
        self.expect(total)
        self.resumed = True
        end = known.total if total is None else total
        self.write(answer, offset, end)
        return known

    def expect(self, total: int | None) -> None:
        """Refuse what cannot be."""
        if total is not None and total > self.most:
            raise _Never(
                f"the server states {total:,} bytes, far more than it can have",
                "check the base address: is it a copy of Mirage's reference files?",
            )

    def note(self, remote: Remote) -> None:
        """Remember which version the partial file is of."""
        write_json(self.notes, asdict(remote))

    def write(self, answer: Any, offset: int, end: int | None) -> None:
        """Write the body of an answer from `offset` on; `end` is the size of the whole file."""
        done = offset
        self.progress(done, end)
        with self.part.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            for chunk in _body(answer, length_known=end is not None):
                if self.stop.is_set():
                    raise StoppedError
                done += len(chunk)
                if done > self.most:
                    self.forget()
                    raise _Never(
                        f"it goes on after {self.most:,} bytes, far more than it can have",
                        "check the base address: is it a copy of Mirage's reference files?",
                    )
                file.write(chunk)
                self.progress(done, end)
            file.flush()
            os.fsync(file.fileno())
        if end is not None and done < end:
            raise _Again(f"the connection ended after {done:,} of {end:,} bytes")
        if end is not None and done > end:
            self.forget()
            raise _Again(f"the server sent {done:,} bytes after stating {end:,}")

    def finish(self, remote: Remote) -> Fetched:
        """Check the partial file and give it its name."""
        expected = dict(remote.digests)
        if self.checksum:
            kind, _, value = self.checksum.partition(":")
            expected[kind] = value.lower()
        found = file_digests(self.part, {"sha256", *expected}, stop=self.stop)
        for kind, value in expected.items():
            if found[kind] != value:
                self.forget()
                raise _Again(f"its {kind} is {found[kind]} instead of {value}")
        if self.target.name.endswith(".gz"):
            with self.part.open("rb") as file:
                start = file.read(512)
            if start[:2] != b"\x1f\x8b":
                self.forget()
                page = re.search(rb"<(html|!doctype)", start, re.IGNORECASE)
                raise _Never(
                    f"what the server sends is {'a web page' if page else 'no gzip file'}",
                    "check the base address, and that no log-in page or proxy stands between",
                )
        size = self.here()
        os.replace(self.part, self.target)
        self.notes.unlink(missing_ok=True)
        return Fetched(size=size, sha256=found["sha256"], resumed=self.resumed, remote=remote)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, whole or not at all; the caller sees to it that nobody else does so meanwhile."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def file_digests(path: Path, kinds: set[str], *, stop: threading.Event | None = None) -> dict[str, str]:
    """Return hexadecimal checksums of a file by their kinds, 'sha256' or 'md5'."""
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            if stop is not None and stop.is_set():
                raise StoppedError
            for digest in hashes.values():
                digest.update(chunk)
    return {kind: digest.hexdigest() for kind, digest in hashes.items()}


def _body(answer: Any, *, length_known: bool) -> Iterator[bytes]:
    """Yield the bytes of an answer as they were sent: what the network does is an `_Again`.

    When the length is known, an early end is just an end: the caller says what is missing.
    """
    broken = transport_errors()
    chunks = answer.raw.stream(CHUNK, decode_content=False)
    while True:
        try:
            chunk = next(chunks, None)
        except (broken.HTTPError, OSError, ValueError) as error:
            if length_known and any(isinstance(e, broken.IncompleteRead) for e in (error, *error.args)):
                return
            raise _Again(f"the connection broke ({innermost_reason(error)})") from error
        if chunk is None:
            return
        yield chunk


def _refusal(status: int, reason: str) -> _Never:
    remedies = {
        401: "log in there, or set MIRAGE_DASK_DOWNLOAD_URL to a mirror",
        403: "the server does not let you have it: set MIRAGE_DASK_DOWNLOAD_URL to a mirror",
        404: "it is not there (any more): set MIRAGE_DASK_DOWNLOAD_URL to a mirror, or leave this kind of file out",
    }
    remedies[410] = remedies[404]
    return _Never(
        f"the server answers {status} {reason}",
        remedies.get(status, "set MIRAGE_DASK_DOWNLOAD_URL to a mirror"),
    )


def _disk_error(error: OSError, target: Path, url: str) -> FetchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchError(
            f"The disk of {target.parent} is full while {target.name} is fetched from {shown(url)}; free some space and "
            "run the same again: what has arrived is kept.",
            hopeless=True,
        )
    return FetchError(
        f"{target.name} could not be fetched from {shown(url)}: {error.filename or target.parent} cannot be written "
        f"({error.strerror or error}); choose a folder that can.",
        hopeless=True,
    )
