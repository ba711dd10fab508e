"""The small arrays and the documents by which plain zarr and xarray open a store and its exposures.

    STORE/exposure, observation, …   coordinates of the root: a row per exposure of the plan
    STORE/complete                   bool (exposure): whether all its tiles are in the store (see `marks`)
    STORE/<root name>/x, y, …        coordinates of the exposure
    STORE/<root name>/complete       bool, a scalar

Arrays are one uncompressed chunk each; texts are of Zarr's type `string`. Each group has consolidated metadata of its own
arrays, so that an exposure is opened by one request.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.io import files
from mirage_dask.store import layout
from mirage_dask.store.plain.description import coordinates, stored_attributes
from mirage_dask.store.plan import Plan

COMPLETE = "complete"

DOCUMENTS = ("zarr.json", "commit/zarr.json", "raw/zarr.json")
"""Files of an exposure's group; the last one is written after all others."""

_NUMBERS = {
    "observation": "i4",
    "ngroup": "i4",
    "nint": "i4",
    "ra_ref": "f8",
    "dec_ref": "f8",
    "roll_ref": "f8",
}
_TEXTS = ("target", "instrument", "detector", "aperture", "filter", "pupil", "readpatt", "start_time")
LISTED = ("observation", *_TEXTS, *(name for name in _NUMBERS if name != "observation"))
"""Columns of the table that are coordinates of the root."""

_LIST_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "exposure": {"long_name": "root name; the group of that name holds the exposure"},
    "start_time": {"long_name": "start of the exposure, UTC"},
    "ra_ref": {"units": "degree", "long_name": "right ascension of the reference point of the aperture"},
    "dec_ref": {"units": "degree", "long_name": "declination of the reference point of the aperture"},
    "roll_ref": {"units": "degree", "long_name": "position angle of V3 at the reference point"},
}
_COMPLETE_ATTRIBUTES = {
    "long_name": "whether all pixels are there; where it is false, pixels of tiles that are missing read as 0"
}


def _files(
    name: str, dimensions: tuple[str, ...], values: npt.NDArray[Any], about: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return {path: content} of a small array: zarr.json and its only chunk, which is missing where all is fill value."""
    texts = values.dtype == object
    content = tuple(values) if texts else values.tobytes()
    kind = "string" if texts else values.dtype.str
    return dict(_made(name, dimensions, kind, values.shape, content, json.dumps(about)))


@lru_cache(maxsize=512)
def _made(
    name: str,
    dimensions: tuple[str, ...],
    kind: str,
    shape: tuple[int, ...],
    content: bytes | tuple[str, ...],
    about: str,
) -> tuple[tuple[str, bytes], ...]:
    """Do what `_files` does; the arguments are its values as a key, since most exposures have the same."""
    import zarr
    from zarr.storage import MemoryStore

    store: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(store),
        shape=shape,
        chunks=tuple(max(n, 1) for n in shape),
        dtype=kind,
        compressors=None,
        filters=None,
        chunk_key_encoding=layout.KEYS,  # type: ignore[arg-type]
        dimension_names=dimensions,
        attributes=json.loads(about),
    )
    if isinstance(content, bytes):
        array[...] = np.frombuffer(content, kind).reshape(shape)
    else:
        array[...] = np.array(content, object)
    found = {f"{name}/{path}": buffer.to_bytes() for path, buffer in store.items()}
    found[f"{name}/zarr.json"] = layout.compact(found[f"{name}/zarr.json"])
    return tuple(found.items())


def complete_mark(name: str = "") -> str:
    """Return the path of the chunk that says of an exposure, or without a name of all of them, what is complete."""
    return f"{name}/{COMPLETE}/c" if name else f"{COMPLETE}/c.0"


def exposure_files(plan: Plan, row: int) -> dict[str, bytes]:
    """Return {path below the exposure's group: content} of all its files but shards, records and marks.

    First its coordinates, and `complete`, which is false; then `DOCUMENTS`, those of its group and its two large arrays.
    """
    spec, grid = plan.spec(row), plan.grid(row)
    found: dict[str, bytes] = {}
    for name, (dimensions, values, about) in coordinates(spec).items():
        found |= _files(name, dimensions, values, about)
    found |= _files(COMPLETE, (), np.zeros((), bool), _COMPLETE_ATTRIBUTES)
    arrays = {
        "commit/zarr.json": layout.commit_metadata(grid.count),
        "raw/zarr.json": layout.raw_metadata(grid),
    }
    inside = _nodes(found | arrays)
    return {**found, "zarr.json": layout.group_metadata(stored_attributes(plan, spec), inside), **arrays}


def _nodes(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return {path of a group or an array: zarr.json} of those among files."""
    end = "/zarr.json"
    return {path.removesuffix(end): content for path, content in contents.items() if path.endswith(end)}


def list_files(plan: Plan) -> dict[str, bytes]:
    """Return {path below the store: content} of the coordinates of the root, and of `complete`, which is false."""
    table = plan.table.set_index("name").reindex(list(plan.names))
    found = _files("exposure", ("exposure",), np.array(plan.names, object), _LIST_ATTRIBUTES["exposure"])
    for name in LISTED:
        if name not in table:
            continue
        column = table[name]
        values = (
            column.astype(_NUMBERS[name]).to_numpy()
            if name in _NUMBERS
            else column.fillna("").astype(str).to_numpy(object)
        )
        found |= _files(name, ("exposure",), values, _LIST_ATTRIBUTES.get(name, {}))
    return found | _files(COMPLETE, ("exposure",), np.zeros(len(plan), bool), _COMPLETE_ATTRIBUTES)


def write_list(url: str, plan: Plan, *, new: bool) -> None:
    """Write the list of exposures into the root of a store, where it differs; what is complete is marked by runs.

    Parameters
    ----------
    url, plan
        The store and its plan.
    new
        The store has no list yet.
    """
    wanted = {files.join(url, path): content for path, content in list_files(plan).items()}
    there = {} if new else files.read_many(wanted)
    if changed := {place: content for place, content in wanted.items() if there.get(place) != content}:
        files.remove_file(files.join(url, complete_mark()))  # its rows may be of other exposures
        files.write_many(changed)


def all_nodes(plan: Plan, there: Container[str]) -> dict[str, bytes]:
    """Return {path below the store: zarr.json} of all groups and arrays, for the consolidated metadata of the root.

    Parameters
    ----------
    there
        Names of the exposures that have a group.
    """
    found = _nodes(list_files(plan))
    for row, name in enumerate(plan.names):
        if name not in there:
            continue
        documents = exposure_files(plan, row)
        attributes = json.loads(documents["zarr.json"])["attributes"]
        found[name] = layout.group_metadata(attributes)
        found |= {f"{name}/{path}": document for path, document in _nodes(documents).items()}
    return found
