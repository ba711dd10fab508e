"""The CRDS cache of this machine, configured by the standard variables, and its context.

    CRDS_PATH             the cache; default ~/crds_cache
    CRDS_SERVER_URL       the server for missing files; default https://jwst-crds.stsci.edu
    CRDS_CONTEXT          the context: its name, or a word that the server translates, such as latest, build or a date
    CRDS_READONLY_CACHE   1: nothing is downloaded or written

Without CRDS_CONTEXT the context is the one stored in the cache at its last connection, or else the operational one of the
server, which is then stored. So a complete cache is used without the network, and keeps its context until it is
connected again: by the calibration pipeline, `crds sync`, or CRDS_CONTEXT=latest.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import replace
from pathlib import Path

from mirage_dask.io.progress import Progress
from mirage_dask.reference.crds.client import (
    UnavailableError,
    ask_context,
    fetch_rules,
    missing_rules,
)
from mirage_dask.reference.crds.lookup import LOCK, CrdsCache

DEFAULT_PATH = "~/crds_cache"
DEFAULT_SERVER = "https://jwst-crds.stsci.edu"

_DIVIDED = [
    f"CRDS_{name}{single}"
    for name in ("PATH", "MAPPATH", "REFPATH", "CFGPATH")
    for single in ("", "_SINGLE")
    if name + single != "PATH"
]
_NAME = re.compile(r"[\w-]+\.pmap")
_TRUE = ("1", "true", "t")


def crds_path() -> Path:
    """Return the root of the CRDS cache of this machine."""
    with LOCK:
        return Path(os.environ.get("CRDS_PATH") or DEFAULT_PATH).expanduser().absolute()


def observatory_context() -> CrdsCache:
    """Return the CRDS cache of this machine with its context, for which the server may be asked; nothing is downloaded.

    Raises
    ------
    UnavailableError
        If neither environment, cache nor server names a context, or the configuration of crds is not supported.
    """
    with LOCK:
        _refuse_other_setups()
        root = crds_path()
        server, offline = _server()
        cache = CrdsCache(root, "", "crds", server=server, offline=offline, flat=_is_flat(root))
        chosen = os.environ.get("CRDS_CONTEXT", "").strip()
        context = chosen if _NAME.fullmatch(chosen) else ""
        remembered = "" if chosen else _remembered(root)
        return replace(cache, context=context or remembered or ask_context(cache))


def observatory_cache(progress: Progress | None = None) -> CrdsCache:
    """Return this machine's CRDS cache, downloading missing mappings.

    Parameters
    ----------
    progress
        Callback for progress reports.

    Raises
    ------
    UnavailableError
        If there is no cache, or mappings of the context are missing and cannot be downloaded.
    """
    cache = observatory_context()
    if missing_rules(cache):
        reason = fetch_rules(cache, progress=progress)
        # The existing mappings may be sufficient.
        if reason and not (cache.root / "mappings" / "jwst" / cache.context).is_file():
            raise UnavailableError(
                f"the CRDS cache {cache.root} (CRDS_PATH) does not hold {cache.context}, and {reason}"
            )
    return cache


def _refuse_other_setups() -> None:
    """Raise an error for a cache that is split over several directories, and for one in Amazon S3."""
    asked = [name for name in _DIVIDED if os.environ.get(name)]
    asked += ["CRDS_S3_ENABLED"] if os.environ.get("CRDS_S3_ENABLED", "").strip().lower() in _TRUE else []
    if asked:
        raise UnavailableError(
            f"{', '.join(asked)} is not supported here: unset it, and set CRDS_PATH to the cache"
        )


def _server() -> tuple[str, str]:
    """Return (address of the server, why it must not be called); one of the two is empty."""
    server = os.environ.get("CRDS_SERVER_URL", "").strip().rstrip("/") or DEFAULT_SERVER
    if "serverless" in server or "server-less" in server:
        return "", f"CRDS_SERVER_URL is {server}, which means no network"
    if os.environ.get("CRDS_READONLY_CACHE", "").strip().lower() in _TRUE or _made_readonly():
        return "", "the cache is read-only (CRDS_READONLY_CACHE)"
    return server, ""


def _made_readonly() -> bool:
    """Return whether this process has configured crds not to write into its cache."""
    from crds.core import config

    return bool(config.get_cache_readonly())


def _is_flat(root: Path) -> bool:
    try:
        return (root / "config/jwst/ref_cache_subdir_mode").read_text(encoding="utf-8").strip() == "flat"
    except (OSError, ValueError):
        return False


def _remembered(root: Path) -> str:
    """Return the context in the configuration of a cache; empty if there is none."""
    try:
        values = ast.literal_eval((root / "config/jwst/server_config").read_text(encoding="utf-8"))
        context = str(values.get("latest_context") or values["operational_context"])
    except (
        *(OSError, ValueError, SyntaxError, KeyError, AttributeError, TypeError),
        *(MemoryError, RecursionError),
    ):
        return ""
    return context if _NAME.fullmatch(context) else ""
