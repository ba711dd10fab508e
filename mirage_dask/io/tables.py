"""Small tables of arrays by content: one uncompressed .npz file each, named by the hash of what it holds."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.io import files


def table_key(kind: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the hash of a table's kind and arrays, 32 hex digits: equal tables have equal keys."""
    digest = hashlib.blake2b(kind.encode(), digest_size=16)
    for name, array in arrays.items():
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_table(url: str | Path, arrays: Mapping[str, NDArray[Any]], *, kind: str) -> str:
    """Write a table into a folder and return its key; nothing is written if it is there already, unharmed.

    Parameters
    ----------
    url
        Folder: a path or any fsspec URL.
    arrays
        By name, of numbers or text.
    kind
        What the table is; part of its key.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    key = table_key(kind, arrays)
    target = files.join(files.normal_url(str(url)), f"{key}.npz")
    if not is_whole(target):
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        files.write_bytes(target, buffer.getbuffer(), fixed=True)
    return key


def is_whole(url: str) -> bool:
    """Return whether the file of a table is there and its members have the checksums that the file states."""
    try:
        with zipfile.ZipFile(io.BytesIO(files.read_bytes(url))) as archive:
            return _is_plain(archive) and archive.testzip() is None
    except Exception:  # zipfile raises many kinds for damaged bytes
        return False


def _is_plain(archive: zipfile.ZipFile) -> bool:
    """Return whether nothing in an archive is compressed: a small file cannot become a large one in memory."""
    return all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())


def load_table(url: str | Path, key: str, *, kind: str) -> dict[str, NDArray[Any]]:
    """Read a table by its key.

    Raises
    ------
    StoreError
        If there is no such table, or its contents do not fit the key.
    """
    target = files.join(files.normal_url(str(url)), f"{key}.npz")
    try:
        with np.load(io.BytesIO(files.read_bytes(target)), allow_pickle=False) as archive:
            if not _is_plain(archive.zip):
                raise ValueError("it is compressed")
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise StoreError(f"There is no table {target}; plan the simulation again.") from None
    except Exception as error:  # numpy and zipfile raise many kinds for damaged bytes
        raise StoreError(f"The table {target} is damaged ({error}); plan the simulation again.") from error
    if table_key(kind, arrays) != key:
        raise StoreError(
            f"The contents of the table {target} do not match its name; plan the simulation again."
        )
    return arrays
