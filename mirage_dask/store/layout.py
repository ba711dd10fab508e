"""What a store looks like inside: Zarr v3 metadata, shards and codecs that plain zarr reads.

    STORE/zarr.json                 root group; attributes say which plan it belongs to
    STORE/plan/                     the plan (see `plan`)
    STORE/exposures.parquet         the exposure table with the status of each exposure
    STORE/<root name>/raw           uint16 (integration, group, y, x); a shard is a tile
    STORE/<root name>/commit        uint64 (tile, field); a chunk is a tile's commit record (see `commits`)

Inside a shard the groups of a pixel stand side by side and are differenced (Transpose, Delta; lossless, uint16 wraps),
then Blosc shuffles the bits of whole ramps and compresses with zstd level 1. The bias pattern, which is noise to a
compressor, is thus stored once per ramp instead of once per group. Measured on synthetic NIRCam ramps of 5 and 10 groups
(bias spread 1500 DN, read noise 6 DN, stars): 2.0x and 2.3x, against 1.14x without differences; Blosc alone takes 430 MB
per CPU second. Two things matter for that: `typesize` is the whole ramp, and the block size is a multiple of 8 ramps
(with zarr's defaults the same codecs give 1.3x).

Metadata documents are made by zarr once per shape and written as bytes: 12,160 groups take 4 s instead of 90.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec
from zarr.codecs.numcodecs import Delta
from zarr.storage import MemoryStore

from mirage_dask.spec import ExposureSpec
from mirage_dask.store import commits
from mirage_dask.store.tiles import Shape4, TileGrid

FORMAT = 1
DIMENSIONS = ("integration", "group", "y", "x")
BLOCK_BYTES = 64 * 1024
"""Blosc block: large enough for the ratio, small enough for a processor's cache."""

_KEYS = {"name": "default", "separator": "."}
"""Chunk files lie flat in the array's directory: one directory less per row of tiles."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence zarr's remark that the Delta codec comes from numcodecs, which every zarr-python installs."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Numcodecs codecs are not in the Zarr version 3 specification"
        )
        yield


def chunk_codecs(inner: Shape4) -> list[Any]:
    """Return the codecs of an inner chunk of uint16."""
    groups = inner[1]
    ramp = next(
        n for n in range(min(groups, 127), 0, -1) if groups % n == 0
    )  # Blosc's typesize is at most 255
    block = max(1, round(BLOCK_BYTES / (16 * ramp))) * 16 * ramp
    blosc = BloscCodec(typesize=2 * ramp, cname="zstd", clevel=1, shuffle="bitshuffle", blocksize=block)
    tail = [BytesCodec(endian="little"), blosc, Crc32cCodec()]
    # A chunk one pixel wide is Fortran-contiguous after the transpose; numcodecs' Delta then walks it in another order
    # than zarr reads it back, and the values are lost. Such chunks (nothing real has them) are stored as they are.
    if groups == 1 or min(inner[2:]) == 1:
        return tail
    with quiet():
        return [TransposeCodec(order=(0, 2, 3, 1)), Delta(dtype="<u2"), *tail]


def _create(store: dict[str, Any], shape: Shape4, grid: TileGrid) -> Any:
    with quiet():
        return zarr.create_array(
            MemoryStore(store),
            shape=shape,
            chunks=grid.tile,
            dtype="uint16",
            fill_value=0,
            filters=None,
            compressors=None,
            serializer=ShardingCodec(chunk_shape=grid.inner, codecs=chunk_codecs(grid.inner)),
            chunk_key_encoding=_KEYS,  # type: ignore[arg-type]
            dimension_names=DIMENSIONS,
            attributes={"units": "DN", "long_name": "raw counts"},
            config={"write_empty_chunks": True},
        )


def _compact(document: bytes) -> bytes:
    return json.dumps(json.loads(document), separators=(",", ":")).encode()


@lru_cache(maxsize=64)
def raw_metadata(grid: TileGrid) -> bytes:
    """Return the zarr.json of an exposure's `raw` array."""
    store: dict[str, Any] = {}
    _create(store, grid.shape, grid)
    return _compact(store["zarr.json"].to_bytes())


@lru_cache(maxsize=64)
def commit_metadata(tiles: int) -> bytes:
    """Return the zarr.json of an exposure's `commit` array."""
    store: dict[str, Any] = {}
    zarr.create_array(
        MemoryStore(store),
        shape=(tiles, len(commits.FIELDS)),
        chunks=(1, len(commits.FIELDS)),
        dtype="uint64",
        fill_value=0,
        compressors=None,
        filters=None,
        chunk_key_encoding=_KEYS,  # type: ignore[arg-type]
        dimension_names=("tile", "field"),
        attributes={"fields": list(commits.FIELDS)},
    )
    return _compact(store["zarr.json"].to_bytes())


def group_metadata(attributes: Mapping[str, Any], consolidated: Mapping[str, bytes] | None = None) -> bytes:
    """Return the zarr.json of a group, the root's with the metadata of all nodes below (path -> document)."""
    document: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
    if consolidated is not None:
        document["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": {}}
        text = json.dumps(document, separators=(",", ":"))
        inside = ",".join(f"{json.dumps(path)}:{node.decode()}" for path, node in consolidated.items())
        return text.replace('"metadata":{}', '"metadata":{' + inside + "}").encode()
    return json.dumps(document, separators=(",", ":")).encode()


def exposure_documents(spec: ExposureSpec, grid: TileGrid) -> dict[str, bytes]:
    """Return {path below the exposure's group: zarr.json} of its three nodes; `raw` last, its presence means all."""
    attributes = {
        "exposure": spec.name,
        "detector": spec.detector,
        "filter": spec.filter,
        "pupil": spec.pupil,
    }
    return {
        "zarr.json": group_metadata(attributes),
        "commit/zarr.json": commit_metadata(grid.count),
        "raw/zarr.json": raw_metadata(grid),
    }


def shard_key(grid: TileGrid, tile: int) -> str:
    """Return the file name of a tile's shard inside `raw`."""
    i, y, x = grid.index(tile)
    return f"c.{i}.0.{y}.{x}"


_encoders = threading.local()


def encode_tile(grid: TileGrid, tile: npt.NDArray[np.uint16]) -> bytes:
    """Return the bytes of a shard as zarr writes them.

    The shard is made in memory by zarr and written by us, whole or not at all: zarr itself would first read an existing
    shard, and fail on a damaged one, before it replaces it.

    Parameters
    ----------
    tile
        (integration, group, y, x) of one tile; the last one along integrations may be shorter than the others.
    """
    known: dict[TileGrid, tuple[dict[str, Any], Any]] = _encoders.__dict__.setdefault("by_grid", {})
    if grid not in known:
        if len(known) >= 4:
            known.clear()
        store: dict[str, Any] = {}
        known[grid] = store, _create(store, grid.tile, grid)
    store, array = known[grid]
    array[: tile.shape[0]] = tile
    content: bytes = store.pop("c.0.0.0.0").to_bytes()
    return content
