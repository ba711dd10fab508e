"""Download the context, its mappings and reference files from the observatory's server, with the client of `crds`.

    get_server_info        contexts, address of the files, their sizes and checksums
    get_mapping_names      mappings of a context
    <address>/<file>       the files, several at once

crds writes a file under its final name and verifies size and checksum afterwards, so another process may use a damaged
file. Therefore every file is downloaded and verified under a temporary name beside its destination, and then renamed. crds
has no timeout for downloads and one of an hour for queries; here both have `mirage_dask.reference.crds.lookup.TIMEOUT`, or
CRDS_CLIENT_TIMEOUT_SECONDS. A server that did not answer is not contacted again immediately.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.formatting import counted
from mirage_dask.io.atomic import remove_abandoned, write_atomically
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.locks import locked
from mirage_dask.io.network import innermost_reason, shown
from mirage_dask.io.progress import Progress
from mirage_dask.reference.crds.lookup import CrdsCache, environment

AT_ONCE = 4
"""Files that are downloaded at the same time."""
ATTEMPTS = 3
"""Attempts for a download that is interrupted or damaged."""
CHUNK = 1 << 20
FORGIVEN = 10.0
"""Seconds after which a server that did not answer is contacted again."""

_FILE_NAME = re.compile(r"[\w-][\w.-]*")
_CONFIG = "config/jwst/server_config"
_REMEDY = "set CRDS_PATH to a writable directory with enough space"
_silent: dict[str, tuple[float, str]] = {}
"""By address of a server that did not answer: the time and the reason."""


class UnavailableError(ReferenceFileError):
    """CRDS is not available: no cache, no mappings, no server. The message is the part of a sentence with the reason."""


def ask_context(cache: CrdsCache) -> str:
    """Return the context that CRDS_CONTEXT names, by default the operational one; store the answer in the cache.

    Raises
    ------
    UnavailableError
        If neither server nor cache can determine it.
    """
    word = os.environ.get("CRDS_CONTEXT", "").strip()
    config = cache.root / _CONFIG
    if not cache.server and not (word and config.is_file()):
        raise UnavailableError(f"{_no_cache(config)}, and {cache.offline}")
    with environment(cache, online=bool(cache.server)):
        from crds.core.exceptions import CrdsError
        from crds.core.heavy_client import get_context_name

        try:
            info = _contact(cache) if cache.server else {}
            newest = info.get("latest_context") or info.get("operational_context", "")
            context = str(get_context_name("jwst") if word else newest)
        except UnavailableError as error:
            if word and config.is_file():  # the information stored in the cache may translate it
                return ask_context(replace(cache, server="", offline=str(error)))
            raise UnavailableError(f"{_no_cache(config)}, and {error}") from error
        except (CrdsError, AssertionError, AttributeError, LookupError, SystemExit) as error:
            asked = (
                f"CRDS_CONTEXT is {word!r}, which is not a valid context"
                if word
                else "the context is not known"
            )
            raise UnavailableError(f"{asked}: {_reason(error)}") from error
    if not context:
        raise UnavailableError(f"the server {shown(cache.server)} (CRDS_SERVER_URL) names no context")
    if cache.server:
        _remember(config, info)
    return context


def _remember(config: Path, info: Mapping[str, Any]) -> None:
    """Store the server's information in the cache, where crds reads it if there is no server."""
    write_atomically(config, lambda path: path.write_text(repr(info), encoding="utf-8"), remedy=_REMEDY)


def _no_cache(config: Path) -> str:
    what = f"{config} is not valid" if config.is_file() else f"{config} does not exist"
    return f"{config.parents[2]}: not a CRDS cache (CRDS_PATH) with a context, because {what}"


def missing_rules(cache: CrdsCache) -> list[str]:
    """Return the missing mappings of the cache: of the context (pmap), its instruments (imap) and their types (rmap)."""
    folder = cache.root / "mappings" / "jwst"
    missing, level = [], [cache.context]
    for below in (r"'([\w.-]+\.imap)'", r"'([\w.-]+\.rmap)'", ""):
        named: dict[str, None] = {}
        for name in level:
            if not (folder / name).is_file():
                missing.append(name)
            elif below:
                # The header names the mapping from which this one was derived; it is not needed.
                _, _, selector = (
                    (folder / name).read_text(encoding="utf-8", errors="replace").partition("selector")
                )
                named |= dict.fromkeys(re.findall(below, selector))
        level = list(named)
    return missing


def fetch_rules(cache: CrdsCache, *, progress: Progress | None = None) -> str:
    """Download the missing mappings of the cache's context; return the reason of a failure, else ''."""
    if not cache.server:
        return cache.offline
    folder = cache.root / "mappings" / "jwst"
    try:
        with _connected(cache):
            from crds.client import api
            from crds.core.exceptions import CrdsError

            try:
                names = [str(name) for name in api.get_mapping_names(cache.context)]
            except (CrdsError, TypeError, ValueError) as error:
                return f"the server {shown(cache.server)} does not list its mappings ({_reason(error)})"
            reasons = _fetch(cache, {name: folder / name for name in names}, "rules", progress)
    except UnavailableError as error:
        return str(error)
    more = f" and {counted(len(reasons) - 1, 'other')}" if len(reasons) > 1 else ""
    return next(iter(reasons.values())) + more if reasons else ""


def fetch_files(
    cache: CrdsCache, names: Iterable[str], *, progress: Progress | None = None
) -> dict[str, str]:
    """Download missing reference files into the cache, several at a time.

    Parameters
    ----------
    cache
        Destination, and the server.
    names
        File names.
    progress
        Callback for progress reports.

    Returns
    -------
    dict
        {name: reason} for files that failed; a reason continues the sentence 'The cache does not hold FILE, and …'.
    """
    wanted = {name: cache.path(name) for name in dict.fromkeys(names)}
    if not cache.server:
        return dict.fromkeys(wanted, cache.offline)
    try:
        with _connected(cache):
            return _fetch(cache, wanted, "files", progress)
    except UnavailableError as error:
        return dict.fromkeys(wanted, str(error))


@contextmanager
def _connected(cache: CrdsCache) -> Iterator[None]:
    """Lock the cache for this process and contact the server; a second process waits, and finds the downloaded files."""
    place = hashlib.sha256(str(cache.root).encode()).hexdigest()[:16]
    with locked(cache_directory() / "locks" / f"crds-{place}" / ".lock"), environment(cache, online=True):
        info = _contact(cache)
        if not (cache.root / _CONFIG).is_file():
            _remember(cache.root / _CONFIG, info)
        yield


def _contact(cache: CrdsCache) -> dict[str, Any]:
    """Return the information of the server.

    Raises
    ------
    UnavailableError
        If it does not answer, or not with valid information.
    """
    from crds.client import api
    from crds.core.exceptions import CrdsError

    since, why = _silent.get(cache.server, (0.0, ""))
    if not why or time.monotonic() - since > FORGIVEN:
        _silent.pop(cache.server, None)
        try:
            info = dict(api.get_server_info())
            api.get_download_metadata()  # sizes and checksums
            return info
        except (CrdsError, OSError, AttributeError, TypeError, ValueError, LookupError) as error:
            why = _reason(error)
            _silent[cache.server] = time.monotonic(), why
    raise UnavailableError(f"the server {shown(cache.server)} (CRDS_SERVER_URL) does not answer ({why})")


def _fetch(
    cache: CrdsCache, wanted: Mapping[str, Path], what: str, progress: Progress | None
) -> dict[str, str]:
    """Download missing files; return {name: reason} for those that failed."""
    pending = {name: path for name, path in wanted.items() if not path.is_file()}
    reasons = {name: "its name is not valid" for name in pending if not _FILE_NAME.fullmatch(name)}
    pending = {name: path for name, path in pending.items() if name not in reasons}
    if not pending:
        return reasons
    for folder in {path.parent for path in pending.values()}:
        remove_abandoned(folder)
    job = _Download(cache, pending, what, progress)
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="crds") as pool:
        try:
            running = {name: pool.submit(job.obtain, name) for name in pending}
            reasons |= {name: why for name, future in running.items() if (why := future.result())}
        except BaseException:
            job.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return reasons


class _Download:
    """Concurrent download of files with the client of crds."""

    def __init__(self, cache: CrdsCache, files: Mapping[str, Path], what: str, progress: Progress | None):
        from crds.client import api

        known = api.get_download_metadata()
        self.cache, self.files, self.what = cache, files, what
        self.sizes = {name: int(known[name]["size"]) for name in files if name in known}
        self.client = _client(cache, {name: known[name] for name in files if name in known}, self)
        self.progress = progress
        self.stop = threading.Event()
        self.why_stopped = ""
        self._lock = threading.Lock()
        self._arrived = dict.fromkeys(files, 0)
        self._finished = 0

    def obtain(self, name: str) -> str:
        """Download one file; return the reason of a failure, else ''."""
        if name not in self.sizes:
            return f"the server {shown(self.cache.server)} does not have it"
        from crds.core.exceptions import CrdsError

        why = ""
        for attempt in range(1, ATTEMPTS + 1):
            if self.stop.is_set():
                return self.why_stopped
            try:
                self.files[name].parent.mkdir(parents=True, exist_ok=True)
                write_atomically(
                    self.files[name], lambda path: self.client.download(name, str(path)), remedy=_REMEDY
                )
            except CrdsError as error:
                cause = _cause(error)
                why = f"it could not be downloaded from {shown(self.cache.server)} ({_reason(error)})"
                if isinstance(cause, TimeoutError | ConnectionRefusedError):
                    # The other files would fail in the same way.
                    self.why_stopped = why
                    self.stop.set()
                if 400 <= getattr(cause, "code", 0) < 500:
                    return why
                if attempt < ATTEMPTS:
                    self.stop.wait(0.2 * attempt)
            except OSError as error:
                return f"{self.files[name].parent} cannot be written ({error.strerror or error})"
            except ReferenceFileError as error:
                return str(error).rstrip(".")
            else:
                self.report(name, finished=True)
                return ""
        return f"{why}, tried {ATTEMPTS} times"

    def report(self, name: str, arrived: int = 0, *, finished: bool = False) -> None:
        """Report the progress of a file and of all files."""
        with self._lock:
            self._arrived[name] = self.sizes[name] if finished else arrived
            self._finished += finished
            if self.progress is not None:
                done, total = (sum(found.values()) / 1e6 for found in (self._arrived, self.sizes))
                text = f"CRDS {self.what}, {done:,.1f} of {total:,.1f} MB: {name}"
                self.progress(text, self._finished, len(self.files))


def _client(cache: CrdsCache, known: Mapping[str, Any], job: _Download) -> Any:
    """Return the file client of crds with a timeout and progress reports; it never accepts a partial file."""
    from urllib import request

    from crds.client import api
    from crds.core import config
    from crds.core.exceptions import CrdsDownloadError

    timeout = config.get_client_timeout_seconds()

    class Client(api.FileCacher):
        def download_core(self, name: str, localpath: str) -> None:
            Path(localpath).unlink(missing_ok=True)
            super().download_core(name, localpath)

        def generator_download(self, generator: Iterator[bytes], localpath: str) -> None:
            # crds would write to yet another temporary file, and leave it when it is killed.
            with open(localpath, "wb") as file:
                file.writelines(generator)

        def get_data_http(self, filename: str) -> Iterator[bytes]:
            arrived = 0
            try:
                with request.urlopen(self.get_url(filename), timeout=timeout) as answer:
                    while data := answer.read(CHUNK):
                        if job.stop.is_set():
                            raise InterruptedError("stopped")
                        arrived += len(data)
                        job.report(filename, arrived)
                        yield data
            except Exception as error:
                raise CrdsDownloadError(f"{filename} was interrupted after {arrived:,} bytes") from error

    client = Client(cache.context)
    client.info_map = dict(known)
    return client


def _cause(error: BaseException) -> BaseException:
    """Return the underlying cause of an error of crds."""
    while error.__cause__ is not None:
        error = error.__cause__
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, BaseException) else error


def _reason(error: BaseException) -> str:
    """Return the underlying cause of an error of crds as one line of text."""
    cause = _cause(error)
    if hasattr(cause, "code"):  # an HTTP status
        return f"{cause.code} {getattr(cause, 'reason', '')}".strip()
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return innermost_reason(cause)
