"""Fetching from the observatory's server, by the client of the real `crds` package: the context, its rules, reference files.

    get_server_info        which contexts there are, where files lie, their sizes and checksums
    get_mapping_names      which rules belong to a context
    <address>/<file>       the files themselves, several at once

crds gives a file its final name and looks at size and checksum afterwards, and whoever comes next takes a damaged one for
whole. So every file is downloaded and verified under another name beside its place, and renamed when it is right. crds sets
no time limit to a download, and an hour to a question; here both have `mirage_dask.reference.crds.lookup.TIMEOUT`, or
CRDS_CLIENT_TIMEOUT_SECONDS. A server that did not answer is not asked again at once.
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
from mirage_dask.io.atomic import remove_abandoned, write_atomically
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.locks import locked
from mirage_dask.io.network import innermost_reason, shown
from mirage_dask.io.progress import Progress
from mirage_dask.reference.crds.lookup import CrdsCache, environment

AT_ONCE = 4
"""Files that are downloaded at the same time."""
ATTEMPTS = 3
"""How often a download that breaks off or arrives damaged is tried."""
CHUNK = 1 << 20
FORGIVEN = 10.0
"""Seconds after which a server that did not answer is asked again."""

_FILE_NAME = re.compile(r"[\w-][\w.-]*")
_CONFIG = "config/jwst/server_config"
_REMEDY = "make CRDS_PATH a directory that can be written, with room"
_silent: dict[str, tuple[float, str]] = {}
"""When a server did not answer, and what was the matter."""


class UnavailableError(ReferenceFileError):
    """CRDS cannot be asked: no cache, no rules, no server. Its text is the part of a sentence that says why."""


def ask_context(cache: CrdsCache) -> str:
    """Return the context that CRDS_CONTEXT stands for, by default the operational one; the cache remembers the answer.

    Raises
    ------
    UnavailableError
        If nobody can tell.
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
            if word and config.is_file():  # what the cache remembers may translate it
                return ask_context(replace(cache, server="", offline=str(error)))
            raise UnavailableError(f"{_no_cache(config)}, and {error}") from error
        except (CrdsError, AssertionError, AttributeError, LookupError, SystemExit) as error:
            asked = (
                f"CRDS_CONTEXT is {word!r}, which gives no context" if word else "the context cannot be told"
            )
            raise UnavailableError(f"{asked}: {_reason(error)}") from error
    if not context:
        raise UnavailableError(f"the server {shown(cache.server)} (CRDS_SERVER_URL) names no context")
    if cache.server:
        _remember(config, info)
    return context


def _remember(config: Path, info: Mapping[str, Any]) -> None:
    """Write what the server says of itself into the cache, where crds looks for it when there is no server."""
    write_atomically(config, lambda path: path.write_text(repr(info), encoding="utf-8"), remedy=_REMEDY)


def _no_cache(config: Path) -> str:
    what = f"{config} cannot be used" if config.is_file() else f"there is no {config}"
    return f"{config.parents[2]}: it is no CRDS cache (CRDS_PATH) that names a context, for {what}"


def missing_rules(cache: CrdsCache) -> list[str]:
    """Return the rules that the cache lacks: the context, the instruments that it names, the types that these name."""
    folder = cache.root / "mappings" / "jwst"
    missing, level = [], [cache.context]
    for below in (r"'([\w.-]+\.imap)'", r"'([\w.-]+\.rmap)'", ""):
        named: dict[str, None] = {}
        for name in level:
            if not (folder / name).is_file():
                missing.append(name)
            elif below:
                # The header names what a mapping was derived from, which is not needed.
                _, _, selector = (
                    (folder / name).read_text(encoding="utf-8", errors="replace").partition("selector")
                )
                named |= dict.fromkeys(re.findall(below, selector))
        level = list(named)
    return missing


def fetch_rules(cache: CrdsCache, *, progress: Progress | None = None) -> str:
    """Fetch what the cache lacks of the rules of its context; return why that failed, or nothing."""
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
                return f"the server {shown(cache.server)} does not give its rules ({_reason(error)})"
            reasons = _fetch(cache, {name: folder / name for name in names}, "rules", progress)
    except UnavailableError as error:
        return str(error)
    more = f" and {len(reasons) - 1} others" if len(reasons) > 1 else ""
    return next(iter(reasons.values())) + more if reasons else ""


def fetch_files(
    cache: CrdsCache, names: Iterable[str], *, progress: Progress | None = None
) -> dict[str, str]:
    """Fetch reference files that the cache lacks, several at a time.

    Parameters
    ----------
    cache
        Where they go, and from which server.
    names
        File names.
    progress
        Told what is being fetched.

    Returns
    -------
    dict
        Why files could not be had, by their names: what follows 'The cache does not hold FILE, and …'.
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
    """Hold the cache for this process and have the server's answer; a second process waits, and finds what was fetched."""
    place = hashlib.sha256(str(cache.root).encode()).hexdigest()[:16]
    with locked(cache_directory() / "locks" / f"crds-{place}" / ".lock"), environment(cache, online=True):
        info = _contact(cache)
        if not (cache.root / _CONFIG).is_file():
            _remember(cache.root / _CONFIG, info)
        yield


def _contact(cache: CrdsCache) -> dict[str, Any]:
    """Return what the server says of itself.

    Raises
    ------
    UnavailableError
        If it says nothing that can be used.
    """
    from crds.client import api
    from crds.core.exceptions import CrdsError

    since, why = _silent.get(cache.server, (0.0, ""))
    if not why or time.monotonic() - since > FORGIVEN:
        _silent.pop(cache.server, None)
        try:
            info = dict(api.get_server_info())
            api.get_download_metadata()  # sizes and checksums are part of it
            return info
        except (CrdsError, OSError, AttributeError, TypeError, ValueError, LookupError) as error:
            why = _reason(error)
            _silent[cache.server] = time.monotonic(), why
    raise UnavailableError(f"the server {shown(cache.server)} (CRDS_SERVER_URL) does not answer ({why})")


def _fetch(
    cache: CrdsCache, wanted: Mapping[str, Path], what: str, progress: Progress | None
) -> dict[str, str]:
    """Download what is not there; return reasons by the names of those that could not be had."""
    pending = {name: path for name, path in wanted.items() if not path.is_file()}
    reasons = {name: "its name is none" for name in pending if not _FILE_NAME.fullmatch(name)}
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
    """The download of some files at once, with crds's own client for each of them."""

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
        """Have one file in its place; return why not."""
        if name not in self.sizes:
            return f"the server {shown(self.cache.server)} does not know it"
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
                why = f"it could not be fetched from {shown(self.cache.server)} ({_reason(error)})"
                if isinstance(cause, TimeoutError | ConnectionRefusedError):
                    # No other file can be expected to fare better.
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
        """Tell how far a file is, and all of them."""
        with self._lock:
            self._arrived[name] = self.sizes[name] if finished else arrived
            self._finished += finished
            if self.progress is not None:
                done, total = (sum(found.values()) / 1e6 for found in (self._arrived, self.sizes))
                text = f"CRDS {self.what}, {done:,.1f} of {total:,.1f} MB: {name}"
                self.progress(text, self._finished, len(self.files))


def _client(cache: CrdsCache, known: Mapping[str, Any], job: _Download) -> Any:
    """Return crds's client of files, with a time limit, with reports, and never satisfied by what an earlier try left."""
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
                            raise InterruptedError("told to stop")
                        arrived += len(data)
                        job.report(filename, arrived)
                        yield data
            except Exception as error:
                raise CrdsDownloadError(f"{filename} broke off after {arrived:,} bytes") from error

    client = Client(cache.context)
    client.info_map = dict(known)
    return client


def _cause(error: BaseException) -> BaseException:
    """Return what an error of crds comes from."""
    while error.__cause__ is not None:
        error = error.__cause__
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, BaseException) else error


def _reason(error: BaseException) -> str:
    """Return what an error of crds comes from, on one line."""
    cause = _cause(error)
    if hasattr(cause, "code"):  # an answer of HTTP
        return f"{cause.code} {getattr(cause, 'reason', '')}".strip()
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return innermost_reason(cause)
