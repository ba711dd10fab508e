"""What a store looks like inside: Zarr v3 metadata, shards and codecs that plain zarr reads.

    STORE/zarr.json                 root group; attributes say which plan it belongs to
    STORE/plan/                     the plan (see `plan`)
    STORE/exposures.parquet         the exposure table with the status of each exposure
    STORE/<root name>/raw           uint16 (integration, group, y, x); a shard is a tile
    STORE/<root name>/commit        uint64 (tile, field); a chunk is a tile's commit record (see `commits`)
    STORE/…                         coordinates and marks of the root and of exposures (see `plain`)

A shard is written part by part (see `tiles`): inner chunks in the order of the parts, then the index of their places.

Inside a shard the groups of a pixel are adjacent and differenced (Transpose, Delta; lossless, uint16 wraps),
then Blosc shuffles the bits of whole ramps and compresses with zstd level 1. The bias pattern, which is noise to a
compressor, is thus stored once per ramp instead of once per group. Simulated NIRCam ramps of 2, 5, 10 groups shrink to
1/1.8, 1/2.3, 1/2.4, against 1/1.2 without differences. Two things matter for that: `typesize` is the whole ramp, and the
block size is a multiple of 8 ramps (with zarr's defaults the same codecs give 1.3). lz4 at level 9 takes half the time
of zstd and 3 to 10 % more space.

The codec's name, `numcodecs.delta`, is registered with the extensions of Zarr 3 (zarr-extensions); the specification itself
has no codec that takes differences. zarr-python installs it, and yet says of all codecs of numcodecs, when it opens an
array, that they are not in the specification; it is `quiet` here.

Shards are put together here and not by zarr: that takes 40 % less CPU time (no event loop, no thread per chunk), several
threads do it side by side, and an existing damaged shard is replaced, which zarr would first try to read. A worker that
writes tiles does not import zarr. Metadata
documents are made by zarr once per shape and written as bytes: 12,160 groups take 4 s instead of 90.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
from numcodecs.blosc import Blosc  # type: ignore[import-untyped]

from mirage_dask.store.tiles import Shape4, TileGrid
from mirage_dask.untrusted.arrays import quiet
from mirage_dask.variables import RAMP, VARIABLES

FORMAT = 2
"""Version of the layout: raised when documents, shards or commit records change their form. Stores of another one are
refused. What changes pixel values raises `spec.VALUES` instead."""

RECORD_FIELDS = ("format", "digest_high", "digest_low", "checksum", "size")
"""What a commit record holds, in this order."""

BLOCK_BYTES = 128 * 1024
"""Blosc block: large enough for the ratio, small enough for a processor's cache."""

KEYS = {"name": "default", "separator": "."}
"""Chunk files are directly in the array's directory: one directory less per row of tiles."""

_CHUNKS = ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "codecs")
"""What a document says of the files of an array."""


def _ramp_size(groups: int) -> int:
    """Return how many groups Blosc takes as one element: its typesize is at most 255 bytes."""
    return next(n for n in range(min(groups, 127), 0, -1) if groups % n == 0)


def _block_size(ramp: int) -> int:
    return max(1, round(BLOCK_BYTES / (16 * ramp))) * 16 * ramp


def _is_differenced(inner: Shape4) -> bool:
    """Return whether the groups of chunks of this shape are differenced.

    A chunk one pixel wide is Fortran-contiguous after the transpose; numcodecs' Delta then walks it in another order than
    zarr reads it back, and the values are lost. Such chunks (nothing real has them) are stored as they are.
    """
    return inner[1] > 1 and min(inner[2:]) > 1


def chunk_codecs(inner: Shape4) -> list[Any]:
    """Return the codecs of an inner chunk of uint16."""
    from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, TransposeCodec
    from zarr.codecs.numcodecs import Delta

    ramp = _ramp_size(inner[1])
    blosc = BloscCodec(
        typesize=2 * ramp, cname="zstd", clevel=1, shuffle="bitshuffle", blocksize=_block_size(ramp)
    )
    tail = [BytesCodec(endian="little"), blosc, Crc32cCodec()]
    if not _is_differenced(inner):
        return tail
    with quiet():
        return [TransposeCodec(order=(0, 2, 3, 1)), Delta(dtype="<u2"), *tail]


def _create(store: dict[str, Any], grid: TileGrid) -> Any:
    import zarr
    from zarr.codecs import ShardingCodec
    from zarr.storage import MemoryStore

    with quiet():
        return zarr.create_array(
            MemoryStore(store),
            shape=grid.shape,
            chunks=grid.tile,
            dtype="uint16",
            fill_value=0,
            filters=None,
            compressors=None,
            serializer=ShardingCodec(chunk_shape=grid.inner, codecs=chunk_codecs(grid.inner)),
            chunk_key_encoding=KEYS,  # type: ignore[arg-type]
            dimension_names=RAMP,
            attributes=VARIABLES["raw"].attributes,
        )


def compact(document: bytes) -> bytes:
    """Return a JSON document without spaces."""
    return json.dumps(json.loads(document), separators=(",", ":")).encode()


@lru_cache(maxsize=64)
def raw_metadata(grid: TileGrid) -> bytes:
    """Return the zarr.json of an exposure's `raw` array."""
    store: dict[str, Any] = {}
    _create(store, grid)
    return compact(store["zarr.json"].to_bytes())


@lru_cache(maxsize=64)
def commit_metadata(tiles: int) -> bytes:
    """Return the zarr.json of an exposure's `commit` array."""
    import zarr
    from zarr.storage import MemoryStore

    store: dict[str, Any] = {}
    zarr.create_array(
        MemoryStore(store),
        shape=(tiles, len(RECORD_FIELDS)),
        chunks=(1, len(RECORD_FIELDS)),
        dtype="uint64",
        fill_value=0,
        compressors=None,
        filters=None,
        chunk_key_encoding=KEYS,  # type: ignore[arg-type]
        dimension_names=("tile", "field"),
        attributes={
            "long_name": "commit record of each tile; 0 where the tile is not in the store and its pixels read as 0",
            "fields": list(RECORD_FIELDS),
        },
    )
    return compact(store["zarr.json"].to_bytes())


def group_metadata(attributes: Mapping[str, Any], consolidated: Mapping[str, bytes] | None = None) -> bytes:
    """Return the zarr.json of a group, with the metadata of nodes below it (path -> document) if they are given."""
    document: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
    if consolidated is not None:
        nodes = {path: json.loads(node) for path, node in consolidated.items()}
        document["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": nodes}
    return json.dumps(document, separators=(",", ":")).encode()


def is_other_array(found: bytes, wanted: bytes) -> bool:
    """Return whether a metadata document describes an array with other chunks than another one; no if it is damaged."""
    try:
        was, will = json.loads(found), json.loads(wanted)
        return any(was[key] != will[key] for key in _CHUNKS)
    except (ValueError, KeyError, TypeError):
        return False


def shard_key(grid: TileGrid, tile: int) -> str:
    """Return the file name of a tile's shard inside `raw`."""
    i, y, x = grid.index(tile)
    return f"c.{i}.0.{y}.{x}"


@lru_cache(maxsize=64)
def _blosc(ramp: int) -> Blosc:
    return Blosc("zstd", 1, Blosc.BITSHUFFLE, _block_size(ramp), 2 * ramp)


def _encode_chunk(values: npt.NDArray[np.uint16]) -> bytes:
    """Apply `chunk_codecs` to an inner chunk."""
    if _is_differenced(values.shape):
        flat = np.ascontiguousarray(values.transpose(0, 2, 3, 1), "<u2").reshape(-1)
        content = np.empty_like(flat)
        content[0] = flat[0]
        np.subtract(flat[1:], flat[:-1], out=content[1:])
    else:
        content = np.ascontiguousarray(values, "<u2").reshape(-1)
    packed: bytes = _blosc(_ramp_size(values.shape[1])).encode(content)
    return packed + _crc(packed)


def _crc(content: bytes) -> bytes:
    return google_crc32c.value(content).to_bytes(4, "little")


def encode_tile(grid: TileGrid, tile: npt.NDArray[np.uint16]) -> bytes:
    """Return the bytes of a shard whose values are in memory; see `encode_parts`."""
    return b"".join(encode_parts(grid, [tile]))


def encode_parts(grid: TileGrid, parts: Iterable[npt.NDArray[np.uint16]]) -> Iterator[bytes]:
    """Yield the bytes of a shard: its inner chunks, then the index of their places (Zarr codec `sharding_indexed`).

    Parameters
    ----------
    parts
        (integration, group, y, x) of consecutive integrations of one tile, whole inner chunks each. The last one may be
        shorter, and is filled up with zeros to whole inner chunks.
    """
    inner = grid.inner
    counts = [t // c for t, c in zip(grid.tile, inner, strict=True)]
    index = np.full((*counts, 2), np.iinfo(np.uint64).max, "<u8")  # an absent chunk
    offset = first = 0
    for part in parts:
        layers = -(-part.shape[0] // inner[0])
        for place in np.ndindex(layers, *counts[1:]):
            box = tuple(slice(k * c, (k + 1) * c) for k, c in zip(place, inner, strict=True))
            values = part[box]
            if values.shape[0] < inner[0]:
                missing = np.zeros((inner[0] - values.shape[0], *inner[1:]), np.uint16)
                values = np.concatenate([values, missing])
            chunk = _encode_chunk(values)
            index[first + place[0], *place[1:]] = offset, len(chunk)
            offset += len(chunk)
            yield chunk
        first += layers
    places = index.tobytes()
    yield places + _crc(places)
