"""How this package compiles its kernels: one decorator, strict floating point, a cache that cannot go stale.

Strict means IEEE single operations in the order written (no `fastmath`, no contraction), so that every processor gives
the same bits. The GIL is released: threads of one worker run kernels side by side.

Numba keys its on-disk cache by the file of the decorated function only; a kernel would keep an old copy of a callee that
lives in another file. The cache directory therefore carries a hash of all files that hold kernels. Where no directory can
be written, kernels are compiled in memory. Each file of the cache has its checksum: one that is damaged is not run, but
its kernel is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
import platformdirs
from numba.core.caching import IndexDataCacheFile

from mirage_dask.io.caches.sources import KERNELS, source_digest

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy", "boundscheck": False}
UNCOUNTED = {**OPTIONS, "_nrt": False}
"""Without numba's run-time library, which allocates arrays and counts references to them."""


@cache
def _cache_directory() -> str:
    """Return a writable directory for compiled kernels, or an empty string."""
    base = os.environ.get("MIRAGE_DASK_CACHE") or platformdirs.user_cache_dir("mirage_dask")
    directory = Path(base) / "kernels" / source_digest(*KERNELS)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(directory) if os.access(directory, os.W_OK) else ""


_CHECKSUM_BYTES = 32


class _CheckedFiles(IndexDataCacheFile):
    """The files of a kernel's cache, with a checksum before their content; damaged ones count as missing."""

    def _dump(self, obj: Any) -> bytes:
        content = super()._dump(obj)
        return hashlib.sha256(content).digest() + content

    def _load_index(self) -> dict[Any, str]:
        try:
            with open(self._index_path, "rb") as file:
                version = pickle.load(file)
                content = _checked(file.read())
        except (
            OSError,
            ValueError,
            EOFError,
            pickle.UnpicklingError,
            AttributeError,
            ImportError,
            IndexError,
        ):
            return {}
        if version != self._version:
            return {}
        stamp, found = pickle.loads(content)
        return found if stamp == self._source_stamp else {}

    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as file:
            return pickle.loads(_checked(file.read()))


def _checked(data: bytes) -> bytes:
    """Return the content of a file without its checksum; OSError, upon which numba compiles, if that is wrong."""
    checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if hashlib.sha256(content).digest() != checksum:
        raise OSError("a compiled kernel does not have its checksum")
    return content


def _check_files(dispatcher: Any) -> None:
    """Let the cache of a kernel be one of checked files."""
    cache = dispatcher._cache
    cache._cache_file = _CheckedFiles(
        cache._cache_path, cache._impl.filename_base, cache._cache_file._source_stamp
    )


@overload
def kernel(function: F) -> F: ...


@overload
def kernel(*, allocates: bool) -> Callable[[F], F]: ...


def kernel(function: F | None = None, *, allocates: bool = True) -> F | Callable[[F], F]:
    """Compile a function with the package's options on its first call.

    Parameters
    ----------
    function
        To be compiled.
    allocates
        Whether it may allocate arrays. One that does in spite of False is refused when it is compiled.

        Numba counts references to arrays where it may have to free one: some 5 ns for each view, such as a row, which
        makes a tenth of the time of a row of 512 pixels. Without allocation it does not. So a kernel that needs arrays for
        work allocates them and gives them to another, which has the loops.
    """
    options = OPTIONS if allocates else UNCOUNTED
    return _compiled(function, options) if function is not None else lambda given: _compiled(given, options)


def inline(function: F) -> F:
    """Compile a scalar or row helper that LLVM folds into the kernel that calls it; it allocates no arrays."""
    return numba.njit(forceinline=True, **UNCOUNTED)(function)


def _compiled(function: F, options: dict[str, Any]) -> F:
    directory = _cache_directory()
    if not directory:
        return numba.njit(**options)(function)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = directory  # read when the decorator runs, so other packages keep their own
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
        _check_files(dispatcher)
        return dispatcher
    except RuntimeError:  # "no locator available": the directory vanished or cannot be used
        return numba.njit(**options)(function)
    finally:
        numba.config.CACHE_DIR = before
