"""Commit records: one small file written after each shard, which alone makes it count as done; tiles compared with them.

A record says for which spec the shard was made, the checksum of its pixel values and its size in the store. It is one
chunk of an uncompressed uint64 Zarr array, so its bytes are the chunk file. Resuming a run compares records with the
specs of the plan: whatever is not exactly right is made again. Values that a newer version computes otherwise have another
digest (`spec.VALUES`), so that a record need not say which version made them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.store.layout import FORMAT, RECORD_FIELDS
from mirage_dask.store.tiles import TileGrid


@dataclass(frozen=True)
class Commit:
    """What is known of one tile in a store; the fields are `layout.RECORD_FIELDS`."""

    format: int
    """`layout.FORMAT` of the record and its shard."""
    digest_high: int
    digest_low: int
    checksum: int
    """CRC-32 of the pixel values: uint16, little endian, (integration, group, y, x) in C order, part by part."""
    size: int
    """Bytes of the shard's file."""

    @classmethod
    def of(cls, digest: str, checksum: int, size: int) -> Commit:
        """Make the record of a tile.

        Parameters
        ----------
        digest
            `ExposureSpec.digest`, 32 hex digits.
        checksum
            Of its pixel values, as `checksum` returns it.
        size
            Bytes of its shard.
        """
        return cls(FORMAT, int(digest[:16], 16), int(digest[16:], 16), checksum, size)

    @classmethod
    def decode(cls, content: bytes) -> Commit | None:
        """Read the content of a record's file; None when it is not a valid record of this format."""
        if len(content) != 8 * len(RECORD_FIELDS):
            return None
        record = cls(*(int(word) for word in np.frombuffer(content, "<u8")))
        return record if record.format == FORMAT else None

    def encode(self) -> bytes:
        """Return the content of the record's file."""
        return np.array(astuple(self), "<u8").tobytes()

    def is_for(self, digest: str) -> bool:
        """Return whether the record was made for a spec of that digest."""
        return (self.digest_high, self.digest_low) == (int(digest[:16], 16), int(digest[16:], 16))


def checksum(values: npt.NDArray[np.uint16], before: int = 0) -> int:
    """Return the CRC-32 of pixel values (3 GB per second).

    Parameters
    ----------
    values
        The values of a tile, or of its next part.
    before
        Checksum of the parts before it.
    """
    return zlib.crc32(np.ascontiguousarray(values, "<u2").data, before)


def commit_key(tile: int) -> str:
    """Return the file name of a tile's record inside `commit`."""
    return f"c.{tile}.0"


@dataclass(frozen=True)
class TileMismatch:
    """A tile that is not what it should be."""

    exposure: str
    tile: int
    problem: str
    """What is wrong; follows "tile N" in a sentence."""


def compare_tile(
    raw: Any,
    grid: TileGrid,
    tile: int,
    commit: Commit,
    expected: Iterable[npt.NDArray[np.uint16]] | None = None,
) -> str:
    """Return what is wrong with a stored tile, or an empty string; one part is in memory at a time.

    Parameters
    ----------
    raw
        Zarr array of the exposure.
    grid, tile
        Its tiles, and the number of one.
    commit
        Its record.
    expected
        Values of each of its parts; without them only the checksum is compared.
    """
    crc = size = different = 0
    first: list[int] = []
    for window, wanted in zip(grid.parts(tile), repeat(None) if expected is None else expected, strict=False):
        box = tuple(slice(*r) for r in (window.integrations, window.groups, window.rows, window.columns))
        try:
            stored = raw[box]
        except Exception as error:  # zarr and codecs raise many kinds for damaged bytes
            return f"cannot be read: {error}"
        crc, size = checksum(stored, crc), size + stored.size
        if wanted is not None and not np.array_equal(stored, wanted):
            places = np.argwhere(stored != wanted)
            different += len(places)
            first = first or [int(v) + s.start for v, s in zip(places[0], box, strict=True)]
    if crc != commit.checksum:
        return "pixel values differ from the checksum in its commit record"
    if not different:
        return ""
    i, g, y, x = first
    return (
        f"has other values than are computed now, {different:,} of {size:,}, the first at integration {i}, group {g}, "
        f"y {y}, x {x}"
    )
