"""Arrays beside a store, named by their content, read by rows.

An array is one uncompressed .npy file, `planes/<sha256>.npy`, under any fsspec URL. Equal arrays are one file, whoever
writes them; a file is never changed. Rows of a plane are contiguous, so a window costs one range read of its rows (one for
each order of a polynomial), and what was read stays in a bounded cache of the process.
"""

from __future__ import annotations

import hashlib
import io
import json
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io import files
from mirage_dask.io.caches.process_caches import CACHES

CACHE = CACHES["reference planes"]


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
        files.write_bytes(
            files.join(self.url, relative), json.dumps(value, sort_keys=True, indent=1).encode()
        )

    def read_json(self, relative: str) -> Any:
        """Read a small JSON file.

        Raises
        ------
        ReferenceFileError
            If it is missing or damaged.
        """
        try:
            return json.loads(files.read_bytes(files.join(self.url, relative)))
        except (OSError, ValueError) as error:
            raise ReferenceFileError(
                f"{self.url}/{relative} cannot be read ({type(error).__name__}: {error}); plan the run again."
            ) from error

    def put(self, array: NDArray[Any], *, origin: tuple[int, int] = (0, 0)) -> dict[str, Any]:
        """Write an array unless it is there; return its entry for a manifest.

        Parameters
        ----------
        array
            Any shape; the last two axes are rows and columns.
        origin
            (row, column) of its first pixel in the full-frame detector.

        Returns
        -------
        dict
            file, shape, dtype, offset (bytes before the data), origin.
        """
        data = np.ascontiguousarray(array)
        data = data.astype(data.dtype.newbyteorder("<"), copy=False)
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(data))
        header = stream.getvalue()
        digest = hashlib.sha256(header)
        digest.update(data.data)
        name = f"{digest.hexdigest()}.npy"
        if not self.exists(f"planes/{name}"):
            files.write_bytes(files.join(self.url, "planes", name), header, data.data)
        return {
            "file": name,
            "shape": list(data.shape),
            "dtype": data.dtype.str,
            "offset": len(header),
            "origin": list(origin),
        }

    def adopt(self, relative: str, source: PlaneStore) -> None:
        """Take a file from another store: by a hard link where both are on one disk, else by a copy."""
        if self.exists(relative):
            return
        try:
            files.copy_file(files.join(source.url, relative), files.join(self.url, relative))
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
        """Read `count` consecutive values from the value number `first`."""
        kind = np.dtype(entry["dtype"])
        url = files.join(self.url, "planes", entry["file"])
        try:
            values = files.read_array(url, kind, count, offset=entry["offset"] + first * kind.itemsize)
        except OSError as error:
            raise ReferenceFileError(f"{url} cannot be read ({error}); plan the run again.") from error
        if values.size != count:
            raise ReferenceFileError(
                f"{url} is cut short ({values.size} of {count} values from {first}); "
                f"delete it and plan the run again."
            )
        return values


@lru_cache(maxsize=32)
def open_store(url: str) -> PlaneStore:
    """Return the store at a URL, one object per process."""
    return PlaneStore(url)
