"""Commit records: one small file written after each shard, which alone makes the shard count as done.

A record says for which spec the shard was made, the checksum of its pixel values and its size in the store. It is one
chunk of an uncompressed uint64 Zarr array, so its bytes are the chunk file. Resuming a run compares records with the
specs of the plan: whatever is not exactly right is made again.
"""

from __future__ import annotations

import zlib
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

VERSION = 1
"""Raised when records look different, or when the same spec gives other pixel values than before: tiles with another
version count as not done. Without that, a run resumed by a newer version would mix old values with new ones."""

FIELDS = ("version", "digest_high", "digest_low", "checksum", "size")


@dataclass(frozen=True)
class Commit:
    """What is known of one tile in a store."""

    version: int
    digest_high: int
    digest_low: int
    checksum: int
    """CRC-32 of the pixel values: uint16, little endian, (integration, group, y, x) in C order."""
    size: int
    """Bytes of the shard's file."""

    @classmethod
    def of(cls, digest: str, tile: npt.NDArray[np.uint16], size: int) -> Commit:
        """Make the record of a tile.

        Parameters
        ----------
        digest
            `ExposureSpec.digest`, 32 hex digits.
        tile
            Its pixel values.
        size
            Bytes of its shard.
        """
        return cls(VERSION, int(digest[:16], 16), int(digest[16:], 16), checksum(tile), size)

    @classmethod
    def decode(cls, content: bytes) -> Commit | None:
        """Read a record's file; None when it is none."""
        if len(content) != 8 * len(FIELDS):
            return None
        record = cls(*(int(word) for word in np.frombuffer(content, "<u8")))
        return record if record.version == VERSION else None

    def encode(self) -> bytes:
        """Return the record's file."""
        return np.array(astuple(self), "<u8").tobytes()

    def is_for(self, digest: str) -> bool:
        """Say whether the record was made for a spec of that digest."""
        return (self.digest_high, self.digest_low) == (int(digest[:16], 16), int(digest[16:], 16))


def checksum(tile: npt.NDArray[np.uint16]) -> int:
    """Return the CRC-32 of pixel values (3 GB per second)."""
    return zlib.crc32(np.ascontiguousarray(tile, "<u2").data)


def commit_key(tile: int) -> str:
    """Return the file name of a tile's record inside `commit`."""
    return f"c.{tile}.0"
