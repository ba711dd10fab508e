"""A stored tile compared with the checksum in its commit record, and with values that it should hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.store.commits import Commit, checksum
from mirage_dask.store.tiles import TileGrid


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
        f"{different:,} of {size:,} values differ from what is computed now, the first at integration {i}, group {g}, "
        f"y {y}, x {x}"
    )
