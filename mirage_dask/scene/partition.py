"""Large source tables in parts of the sky, so that an exposure reads the sources around it and not those of a survey.

A table of more than `ROWS` sources is halved at the median along the axis on which its unit vectors spread most, and its
halves again, until none has more. Each part is saved as a table of its own, in catalog order, under the hash of its
contents; what the whole table's key names is then a list of the parts: key, circle on the sky, number of sources. A
smaller table, and one in pixels, is saved as it is.

Parts overlap nowhere and keep the rows' numbers, so that the sources of several parts come in catalog order: a pixel
adds the same numbers in the same order as from the whole table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.io.tables import load_table, save_table, table_key
from mirage_dask.untrusted.names import REMEDY, is_valid

Arrays = Mapping[str, NDArray[Any]]
Circle = tuple[NDArray[np.float64], float]
"""Middle (3,), and the largest distance from it, of unit vectors: a chord, radians where it is small."""

ROWS = 20_000
"""Most sources of a part: a few megabytes."""
PART = "part"
"""Column that only a list of parts has: the keys of the parts."""
ROW = "row"
"""Column that only a part has: the number of each source in the whole table."""


def split(position: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the rows of each part, ascending, of sources at unit vectors (n, 3).

    The last answers are kept: the tables of a catalog for several detectors and filters have the same positions.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(position).tobytes(), digest_size=16).digest()
    return _split(_Positions(digest, position))


@dataclass(frozen=True)
class _Positions:
    """Positions that are equal where their digests are."""

    digest: bytes
    values: NDArray[np.float64] = field(compare=False)


@lru_cache(maxsize=2)
def _split(positions: _Positions) -> list[NDArray[np.intp]]:
    position = positions.values
    waiting, parts = [np.arange(len(position))], []
    while waiting:
        rows = waiting.pop()
        if rows.size <= ROWS:
            parts.append(np.sort(rows))
            continue
        places = position[rows]
        along = places[:, int(np.argmax(places.max(axis=0) - places.min(axis=0)))]
        order = np.argsort(along, kind="stable")
        waiting += [rows[order[rows.size // 2 :]], rows[order[: rows.size // 2]]]
    return parts


def save_partitioned(url: str | Path, arrays: Arrays, *, kind: str) -> str:
    """Write a table with unit vectors `position` into a folder, in parts if it is large; return its key.

    Parameters
    ----------
    url
        Folder: a path or any fsspec URL.
    arrays
        By name; those with a row for each source, and single values.
    kind
        What the table is; part of its key.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    if not _is_large(arrays):
        return save_table(url, arrays, kind=kind)
    listed, parts = _in_parts(arrays, kind)
    for part in parts:
        save_table(url, part, kind=part_kind(kind))
    return save_table(url, listed, kind=kind)


def partitioned_key(kind: str, arrays: Arrays) -> str:
    """Return the key under which `save_partitioned` saves a table."""
    return table_key(kind, _in_parts(arrays, kind)[0] if _is_large(arrays) else arrays)


def load_partitioned(
    url: str | Path,
    key: str,
    *,
    kind: str,
    near: Circle | None = None,
    load: Callable[..., dict[str, NDArray[Any]]] = load_table,
) -> dict[str, NDArray[Any]]:
    """Read a table that `save_partitioned` has written.

    Parameters
    ----------
    url, key, kind
        Of the table.
    near
        Sources outside this circle may be left out; default none are.
    load
        How a single table is read: `load_table`, or one that remembers.

    Raises
    ------
    StoreError
        If there is no such table, or its contents do not fit the key.
    """
    arrays = load(url, key, kind=kind)
    if PART not in arrays:
        return dict(arrays)
    wanted = np.ones(arrays[PART].size, bool)
    if near is not None:
        middle, radius = near
        wanted = np.sqrt(((arrays["middle"] - middle) ** 2).sum(axis=1)) <= radius + arrays["radius"]
    # No part is near: the first one says what columns there are.
    keys = np.array(list(part_keys(arrays)))
    parts = [
        load(url, str(part), kind=part_kind(kind)) for part in (keys[wanted] if wanted.any() else keys[:1])
    ]
    rows = np.concatenate([part[ROW] for part in parts])
    order = np.argsort(rows, kind="stable") if wanted.any() else np.arange(0)
    return {
        name: np.concatenate([part[name] for part in parts])[order] if column.ndim else column
        for name, column in parts[0].items()
        if name != ROW
    }


def part_kind(kind: str) -> str:
    """Return the kind of the parts of a table."""
    return f"{kind} part"


def part_keys(arrays: Arrays) -> Iterator[str]:
    """Yield the keys of the parts that a table lists; none for one that is saved as it is.

    Raises
    ------
    StoreError
        If a name is not a key: paths are made of them.
    """
    for key in arrays.get(PART, ()):
        if not is_valid("digest", str(key)):
            raise StoreError(f"A list of parts names {str(key)[:80]!r}, which is not a key; {REMEDY}.")
        yield str(key)


def _is_large(arrays: Arrays) -> bool:
    """Whether a table is saved in parts; positions in pixels are not on the sky."""
    return arrays["position"].shape[0] > ROWS and arrays["position"].shape[1] == 3


def _in_parts(arrays: Arrays, kind: str) -> tuple[dict[str, NDArray[Any]], list[dict[str, NDArray[Any]]]]:
    """Return the list of the parts, and the parts."""
    position = arrays["position"]
    parts, middles, radii = [], [], []
    for rows in split(position):
        part = {name: column[rows] if column.ndim else column for name, column in arrays.items()}
        parts.append({**part, ROW: rows.astype(np.int64)})
        middle = (position[rows].min(axis=0) + position[rows].max(axis=0)) / 2
        middles.append(middle)
        radii.append(np.sqrt(((position[rows] - middle) ** 2).sum(axis=1).max()))
    listed = {
        PART: np.array([table_key(part_kind(kind), part) for part in parts]),
        "middle": np.array(middles),
        "radius": np.array(radii),
        "count": np.array([part[ROW].size for part in parts], np.int64),
    }
    return listed, parts
