"""fsspec file systems of URLs, opened so that they show what other processes wrote, with errors of one sentence.

The only module that makes fsspec file systems. Their listings are not kept: a worker's shard, a tile that another machine
removed, a store that a run has just finished must be seen by the next question, and asking again costs one request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import fsspec

from mirage_dask.errors import MirageDaskError, StoreError

UNCACHED: dict[str, Any] = {"use_listings_cache": False}
"""Options of every file system that is not local: no answer is older than the question."""

ONE_REQUEST: dict[str, Any] = {"max_concurrency": 1}
"""Option of s3fs: read an object by one request. It would ask for the size first, to read large ones in parts."""

EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Extra of this package that installs what a scheme of URLs needs; others are named by fsspec."""


def is_local(url: str) -> bool:
    """Return whether a normal URL is a path of the local file system."""
    return "://" not in url


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a normal URL and the path inside it.

    Raises
    ------
    StoreError
        If fsspec does not know the scheme of the URL, or the package for it is not installed.
    """
    if is_local(url):
        return _filesystem("/", 0), url
    # Scheme and host, or bucket. A file system made before a fork of this process cannot be used after it.
    fs = _filesystem("/".join(url.split("/", 3)[:3]), os.getpid())
    return fs, fs._strip_protocol(url)


@lru_cache(maxsize=64)
def _filesystem(root: str, process: int) -> Any:
    if not process:
        return fsspec.filesystem("file")
    scheme = root.partition("://")[0]
    try:
        # An instance of its own: one that other code of this process has opened keeps its listings.
        return fsspec.core.url_to_fs(root, skip_instance_cache=True, **_options(root))[0]
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        remedy = f"pip install 'mirage_dask[{extra}]'" if extra else f"{error}"
        raise StoreError(
            f"{root} cannot be opened: the package for {scheme}:// is not installed; {remedy}."
        ) from error
    except ValueError as error:
        raise StoreError(
            f"{root} cannot be opened: {error}; give a local path, or a URL that fsspec knows such as s3://BUCKET/NAME."
        ) from error


def zarr_options(url: str) -> dict[str, Any] | None:
    """Return the `storage_options` with which zarr opens a URL: those of `filesystem`, None for a local path."""
    return None if is_local(url) else _options(url)


def _options(url: str) -> dict[str, Any]:
    return UNCACHED | (ONE_REQUEST if url.partition("://")[0] in ("s3", "s3a") else {})


@contextmanager
def one_kind_of_error() -> Iterator[None]:
    """Turn what libraries of object stores raise (no credentials, no connection) into an `OSError` that says it."""
    try:
        yield
    except (OSError, MirageDaskError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}".rstrip(".")) from error
