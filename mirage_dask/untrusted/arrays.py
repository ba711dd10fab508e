"""Zarr arrays that others may have made: opened here and nowhere else.

Zarr chooses the code that decodes a chunk by names in the metadata of the array. Version 2 knows a filter that unpickles,
which runs any command. So the metadata are read first: only version 3, numbers, and the codecs of a list are opened; and
where the caller knows what the metadata must be, nothing else is.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.io.filesystems import zarr_options
from mirage_dask.untrusted.documents import read_json

NUMBERS = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {"float32", "float64"}
"""Data types that are opened."""

CODECS = {
    *("bytes", "transpose", "sharding_indexed", "crc32c"),
    *("blosc", "zstd", "gzip", "delta", "numcodecs.delta"),
}
"""Codecs that are opened: none of them runs or imports what the data say."""

MOST_METADATA = 2**20
"""Bytes."""
FREE = ("attributes", "dimension_names", "consolidated_metadata")
"""Members of a document that decide on no value."""

_QUIET = threading.RLock()
"""Filters of warnings belong to the process: two threads that set and restore them would undo each other."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence zarr's remark that the Delta codec comes from numcodecs, which every zarr-python installs."""
    with _QUIET, warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Numcodecs codecs are not in the Zarr version 3 specification"
        )
        yield


@dataclass(frozen=True, eq=False)
class StoredArray:
    """A Zarr array whose damaged chunks are one sentence, whatever its codecs raise for them."""

    array: Any
    """The `zarr.Array`; what is not here is taken from it."""
    url: str

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.array[key]
        except IndexError:
            raise
        except Exception as error:  # codecs raise many kinds for damaged bytes
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise StoreError(
                f"{self.url} cannot be read: it is damaged ({reason}); simulate the exposure again."
            ) from error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "array":
            raise AttributeError(name)
        return getattr(self.array, name)


def open_array(
    url: str,
    *,
    document: bytes | None = None,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
    mode: str = "r",
) -> Any:
    """Open a Zarr array whose metadata are harmless and as expected.

    Parameters
    ----------
    url
        Directory of the array: a path or any fsspec URL.
    document
        What its zarr.json must say, attributes and names of dimensions apart.
    shape, dtype
        What it must have, where `document` is not known.
    mode
        'r', or 'r+' to write.

    Returns
    -------
    StoredArray
        With mode 'r+', the `zarr.Array` itself.

    Raises
    ------
    FileNotFoundError
        If there is no array of version 3.
    StoreError
        If the metadata are damaged, not harmless, or not as expected.
    """
    import zarr

    url = files.normal_url(url)
    place = files.join(url, "zarr.json")
    found = read_json(place, most=MOST_METADATA)
    problem = _problem(found, None if document is None else json.loads(document), shape, dtype)
    if problem:
        raise StoreError(f"{place} {problem}; simulate the exposure again.")
    with quiet():
        try:
            array = zarr.open_array(_zarr_store(url, mode), mode=mode, zarr_format=3)
        except FileNotFoundError:
            raise
        except Exception as error:  # zarr raises many kinds for damaged metadata
            raise StoreError(f"{place} is damaged ({error}); simulate the exposure again.") from error
    return array if mode != "r" else StoredArray(array, url)


def read_group(url: str) -> dict[str, Any]:
    """Return the attributes of a Zarr group of version 3.

    Raises
    ------
    FileNotFoundError
        If there is none.
    StoreError
        If its metadata are damaged.
    """
    place = files.join(files.normal_url(url), "zarr.json")
    found = read_json(place, most=MOST_METADATA)
    if found.get("zarr_format") != 3 or found.get("node_type") != "group":
        raise StoreError(f"{place} is not a Zarr group of version 3.")
    attributes = found.get("attributes")
    return dict(attributes) if isinstance(attributes, dict) else {}


def _zarr_store(url: str, mode: str) -> Any:
    """Return what Zarr reads a directory through: of a URL always fsspec, as the rest of this package does.

    Zarr itself has a store of its own for `memory://` from 3.4 on, in which nothing of ours is.
    """
    from zarr.storage import FsspecStore

    options = zarr_options(url)
    return (
        url if options is None else FsspecStore.from_url(url, storage_options=options, read_only=mode == "r")
    )


def _problem(
    found: Mapping[str, Any], expected: Mapping[str, Any] | None, shape: Sequence[int] | None, dtype: Any
) -> str:
    """Return what is wrong with the metadata of an array, or an empty string."""
    if found.get("zarr_format") != 3 or found.get("node_type") != "array":
        return "does not describe a Zarr array of version 3"
    if expected is not None:
        names = sorted((set(found) | set(expected)) - set(FREE))
        different = [name for name in names if found.get(name) != expected.get(name)]
        return f"is not what the plan gives ({', '.join(different)} differ)" if different else ""
    kind = found.get("data_type")
    if not isinstance(kind, str) or kind not in NUMBERS:
        return f"has the data type {kind!r}, which is not one of {', '.join(sorted(NUMBERS))}"
    unknown = _unknown_codecs(found.get("codecs"))
    if unknown or found.get("storage_transformers"):
        return f"has codecs that are not opened: {', '.join(unknown) or 'storage transformers'}"
    if shape is not None and found.get("shape") != list(shape):
        return f"has the shape {found.get('shape')!r}, not {list(shape)}"
    if dtype is not None and kind != np.dtype(dtype).name:
        return f"has the data type {kind}, not {np.dtype(dtype).name}"
    return ""


def _unknown_codecs(codecs: Any) -> list[str]:
    """Return the names of codecs that are not in `CODECS`, also of those inside shards."""
    if not isinstance(codecs, list):
        return [repr(codecs)[:80]]
    unknown = []
    for codec in codecs:
        name = codec.get("name") if isinstance(codec, dict) else codec
        if not isinstance(name, str) or name not in CODECS:
            unknown.append(repr(name)[:80])
        elif name == "sharding_indexed":
            inside = codec.get("configuration") if isinstance(codec, dict) else None
            for part in ("codecs", "index_codecs"):
                unknown += _unknown_codecs(inside.get(part) if isinstance(inside, dict) else None)
    return unknown
