"""File systems of URLs: listings are not kept, and what is missing is one sentence."""

from __future__ import annotations

import importlib
import sys

import fsspec
import pytest

from mirage_dask.errors import StoreError
from mirage_dask.io import files, filesystems


@pytest.fixture(autouse=True)
def nothing_opened():
    filesystems._filesystem.cache_clear()
    yield
    filesystems._filesystem.cache_clear()


def test_listings_are_never_kept():
    fs, path = filesystems.filesystem("memory://listed/store")
    assert fs.dircache.use_listings_cache is False
    assert filesystems.filesystem("memory://listed/other")[0] is fs  # one for each process and host
    assert fs is not fsspec.filesystem("memory")
    assert path.endswith("listed/store")
    assert filesystems.zarr_options("memory://listed/store") == {"use_listings_cache": False}
    assert filesystems.zarr_options("s3://b/s.zarr") == {"use_listings_cache": False, "max_concurrency": 1}
    assert filesystems.zarr_options("/data/s.zarr") is None


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, "s3", raising=False)
    with pytest.raises(
        StoreError,
        match=r"^s3://bucket cannot be opened: the package for s3:// is not installed; .*mirage_dask\[s3\]'\.$",
    ):
        files.exists("s3://bucket/store.zarr")


def test_a_scheme_that_is_unknown():
    with pytest.raises(StoreError, match=r"^nonsense://a cannot be opened: .*nonsense; give a local path"):
        files.read_bytes("nonsense://a/b")


def test_errors_of_object_stores_become_errors_of_the_system():
    class NoCredentialsError(Exception):
        pass

    def ask(error):
        with filesystems.one_kind_of_error():
            raise error

    with pytest.raises(OSError, match=r"NoCredentialsError: Unable to locate credentials$"):
        ask(NoCredentialsError("Unable to locate credentials."))
    with pytest.raises(FileNotFoundError):
        ask(FileNotFoundError("x"))
    with pytest.raises(StoreError):
        ask(StoreError("x"))
