"""Arrays beside a store, named by their content, read by rows.

An array is one uncompressed .npy file, `planes/<sha256>.npy`, under any fsspec URL. Equal arrays are one file, whoever
writes them; a file is never changed: plans and stores on one disk link to it, so it is read-only. Rows of a plane are
contiguous, so a window costs one range read of its rows (one for each order of a polynomial), and what was read stays in
a bounded cache of the process.

No flipped byte becomes a value: the entry of an array has a checksum (CRC-32C) of each block of `BLOCK` bytes, whole blocks
are read, and each is compared whenever it is read. That takes 0.1 ms per MB (1.9 ms for a plane of 2048 x 2048), and needs
no memory of what was checked before. A file in which one is wrong gets a new time, wherever it is linked, so that planning,
which does remember (`mirage_dask.reference.packs.compared`), looks at it again. `is_intact` compares the whole file with its
name.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError, StoreError
from mirage_dask.io import files
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.io.copying import copy_file
from mirage_dask.untrusted.documents import read_json
from mirage_dask.untrusted.names import is_valid

CACHE = CACHES["reference planes"]

BLOCK = 2**17
"""Bytes that share a checksum: 16 rows of a plane of 2048 columns."""
DTYPES = tuple(np.dtype(name).str for name in ("<f4", "<f8", "<u1", "<u2", "<u4", "<u8", "<i2", "<i4", "<i8"))
"""Types of arrays."""


def block_checksums(data: bytes) -> str:
    """Return the CRC-32C of each block of an array's bytes, 8 hex digits each."""
    return "".join(f"{google_crc32c.value(data[k : k + BLOCK]):08x}" for k in range(0, len(data), BLOCK))


def is_entry(entry: Any) -> bool:
    """Return whether what a manifest says of an array is well formed."""
    if not isinstance(entry, dict) or not is_valid("file of a plane", entry.get("file")):
        return False
    shape, origin, sums = entry.get("shape"), entry.get("origin"), entry.get("crc32c")
    numbers = [shape, origin, [entry.get("offset")]]
    if not all(isinstance(n, list) and all(type(v) is int and v >= 0 for v in n) for n in numbers):
        return False
    if entry.get("dtype") not in DTYPES or len(entry["origin"]) != 2 or not isinstance(sums, str):
        return False
    return len(sums) == 8 * -(-_bytes(entry) // BLOCK)


def _bytes(entry: Mapping[str, Any]) -> int:
    return int(np.prod(entry["shape"], dtype=np.int64)) * np.dtype(entry["dtype"]).itemsize


class PlaneStore:
    """Planes and their manifests under a URL.

    Parameters
    ----------
    url
        Directory: a path or any fsspec URL.
    """

    def __init__(self, url: str):
        self.url = files.normal_url(url)

    def exists(self, relative: str) -> bool:
        """Return whether a file is there."""
        return files.exists(files.join(self.url, relative))

    def write_json(self, relative: str, value: Any) -> None:
        """Write a small JSON file."""
        content = json.dumps(value, sort_keys=True, indent=1).encode()
        files.write_bytes(files.join(self.url, relative), content, fixed=True)

    def read_json(self, relative: str) -> Any:
        """Read a small JSON file.

        Raises
        ------
        ReferenceFileError
            If it is missing or damaged.
        """
        try:
            return read_json(files.join(self.url, relative))
        except (OSError, StoreError) as error:
            raise ReferenceFileError(
                f"{self.url}/{relative} cannot be read ({type(error).__name__}: {error}); plan the run again."
            ) from error

    def put(self, array: NDArray[Any], *, origin: tuple[int, int] = (0, 0)) -> dict[str, Any]:
        """Write an array unless it is there unharmed; return its entry for a manifest.

        Parameters
        ----------
        array
            Any shape; the last two axes are rows and columns.
        origin
            (row, column) of its first pixel in the full-frame detector.

        Returns
        -------
        dict
            file, shape, dtype, offset (bytes before the data), origin, crc32c (`block_checksums`).
        """
        data = np.ascontiguousarray(array)
        data = data.astype(data.dtype.newbyteorder("<"), copy=False)
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(data))
        header = stream.getvalue()
        content = data.tobytes()
        digest = hashlib.sha256(header)
        digest.update(content)
        entry: dict[str, Any] = {
            "file": f"{digest.hexdigest()}.npy",
            "shape": list(data.shape),
            "dtype": data.dtype.str,
            "offset": len(header),
            "origin": list(origin),
            "crc32c": block_checksums(content),
        }
        if not self.is_whole(entry):
            files.write_bytes(files.join(self.url, "planes", entry["file"]), header, content, fixed=True)
        return entry

    def is_whole(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the file of an array is there and its values have their checksums."""
        try:
            content = files.read_bytes(files.join(self.url, "planes", entry["file"]))
        except OSError:
            return False
        return (
            len(content) == entry["offset"] + _bytes(entry)
            and block_checksums(content[entry["offset"] :]) == entry["crc32c"]
        )

    def is_intact(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the file of an array is there and has the content that its name says (SHA-256, 1 ms per MB)."""
        try:
            content = files.read_bytes(files.join(self.url, "planes", entry["file"]))
        except OSError:
            return False
        return f"{hashlib.sha256(content).hexdigest()}.npy" == entry["file"]

    def remove(self, relative: str) -> None:
        """Remove a file, such as a damaged one, so that it is made or taken again."""
        files.remove(files.join(self.url, relative))

    def adopt(self, relative: str, source: PlaneStore) -> None:
        """Take a file from another store: by a hard link where both are on one disk, else by a copy."""
        if self.exists(relative):
            return
        try:
            copy_file(files.join(source.url, relative), files.join(self.url, relative))
        except OSError as error:
            raise ReferenceFileError(
                f"{source.url}/{relative} cannot be read ({error}); plan the run again."
            ) from error

    def read(self, entry: dict[str, Any]) -> NDArray[Any]:
        """Read a whole array, not through the cache."""
        count = int(np.prod(entry["shape"], dtype=np.int64))
        return self._range(entry, 0, count).reshape(entry["shape"])

    def read_window(self, entry: dict[str, Any], rows: slice, columns: slice) -> NDArray[Any]:
        """Read a window, given in the array's own rows and columns; leading axes are read whole.

        Returns
        -------
        ndarray
            Read-only and C-contiguous.
        """
        *leading, ny, nx = entry["shape"]
        r0, r1, c0, c1 = rows.start, rows.stop, columns.start, columns.stop
        planes = int(np.prod(leading, dtype=np.int64)) if leading else 1

        def make() -> tuple[NDArray[Any], int]:
            out = np.empty((planes, r1 - r0, c1 - c0), dtype=np.dtype(entry["dtype"]).newbyteorder("="))
            for k in range(planes):
                block = self._range(entry, (k * ny + r0) * nx, (r1 - r0) * nx)
                out[k] = block.reshape(r1 - r0, nx)[:, c0:c1]
            window = out.reshape(*leading, r1 - r0, c1 - c0)
            window.flags.writeable = False
            return window, window.nbytes

        return CACHE.get((self.url, entry["file"], r0, r1, c0, c1), make)

    def _range(self, entry: dict[str, Any], first: int, count: int) -> NDArray[Any]:
        """Read `count` consecutive values from the value number `first`, in whole blocks that have their checksums."""
        kind = np.dtype(entry["dtype"])
        start, stop = first * kind.itemsize, (first + count) * kind.itemsize
        low = start - start % BLOCK
        high = min(-(-stop // BLOCK) * BLOCK, _bytes(entry))
        url = files.join(self.url, "planes", entry["file"])
        try:
            content = files.read_range(url, entry["offset"] + low, high - low)
        except OSError as error:
            files.touch(url)
            raise ReferenceFileError(f"{url} cannot be read ({error}); plan the run again.") from error
        if len(content) != high - low:
            raise ReferenceFileError(
                f"{url} is cut short ({len(content)} of {high - low} bytes from {low}); "
                f"delete it and plan the run again."
            )
        if block_checksums(content) != entry["crc32c"][8 * (low // BLOCK) : 8 * -(-high // BLOCK)]:
            files.touch(url)
            raise ReferenceFileError(
                f"{url} is damaged: its values do not have the checksum in the pack; simulate into the store again, "
                "which replaces it, or plan the run again."
            )
        return np.frombuffer(content, kind, count, offset=start - low)


@lru_cache(maxsize=32)
def open_store(url: str) -> PlaneStore:
    """Return the store at a URL, one object per process."""
    return PlaneStore(url)
