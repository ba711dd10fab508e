"""How an exposure is cut into tiles: the units in which it is computed, written and resumed.

A tile holds all groups and is whole along the fast axis (1/f noise, reference pixels and crosstalk are), so that a kernel
never needs its neighbours' values. It holds at most `TILE_BYTES` of raw data, or what the plan says instead: rows follow
the number of groups, a power of two that divides the frame; short integrations are taken several at a time. Memory
therefore does not grow with groups, frames or integrations. In the store a tile is a shard; `inner` is the chunk inside it,
the unit of reading. No value depends on the tiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from mirage_dask.spec import ExposureSpec, Window

TILE_BYTES = 8 * 2**20
"""Largest tile where a plan says nothing else, bytes of uint16. A frame with very many groups may exceed it at one row."""

INNER_BYTES = 3 * 2**19
"""Largest inner chunk, bytes of uint16: 3 to 5 ms to read, and few enough that zarr's cost per chunk stays small."""

BAND_BYTES = 2**25
"""Largest band, bytes of uint16, where tiles are not whole along x."""

SMALLEST_INNER = 64
"""Inner chunks are not cut to fewer pixels along an axis."""

Shape4 = tuple[int, int, int, int]


@dataclass(frozen=True)
class TileGrid:
    """The tiles of exposures of one shape; tiles are numbered along integrations, then rows, then columns."""

    shape: Shape4
    """(integration, group, y, x) of the exposure."""
    tile: Shape4
    """The same of a full tile; the last one along integrations may be shorter."""

    @property
    def counts(self) -> tuple[int, int, int]:
        """Tiles along integration, y and x."""
        i, _, y, x = (-(-n // t) for n, t in zip(self.shape, self.tile, strict=True))
        return i, y, x

    @property
    def count(self) -> int:
        """Tiles of an exposure."""
        return math.prod(self.counts)

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Sizes along the four axes, as dask takes them."""
        return tuple(
            tuple(min(t, n - start) for start in range(0, n, t))
            for n, t in zip(self.shape, self.tile, strict=True)
        )

    def index(self, number: int) -> tuple[int, int, int]:
        """Return a tile's place along integration, y and x."""
        _, ny, nx = self.counts
        return number // (ny * nx), number // nx % ny, number % nx

    def window(self, number: int) -> Window:
        """Return the box of a tile.

        Raises
        ------
        IndexError
            If there is no tile of that number.
        """
        if not 0 <= number < self.count:
            raise IndexError(f"tile {number} of {self.count}")
        i, y, x = self.index(number)

        def span(k: int, axis: int) -> tuple[int, int]:
            return k * self.tile[axis], min((k + 1) * self.tile[axis], self.shape[axis])

        return Window(span(i, 0), (0, self.shape[1]), span(y, 2), span(x, 3))

    def windows(self) -> Iterator[Window]:
        """Yield the boxes of all tiles in order."""
        return (self.window(number) for number in range(self.count))

    def bands(self) -> Iterator[Window]:
        """Yield boxes, whole along x, that cover the exposure in the order of a C array.

        They are the tiles where those are whole along x. Else a band lies across a row of tiles and is as high as their
        inner chunks, so that each of these is read once; lower, where a band would not fit into `BAND_BYTES`.
        """
        if self.counts[2] == 1:
            yield from self.windows()
            return
        i, g, ny, nx = self.tile[0], *self.shape[1:]
        height = self.inner[2]
        while height > 1 and 2 * i * g * height * nx > BAND_BYTES:
            height //= _smallest_factor(height)
        for first in range(0, self.shape[0], i):
            for y in range(0, ny, height):
                integrations = first, min(first + i, self.shape[0])
                yield Window(integrations, (0, g), (y, min(y + height, ny)), (0, nx))

    @cached_property
    def inner(self) -> Shape4:
        """Shape of a chunk inside a shard; divides the tile."""
        i, g, y, x = self.tile
        while 2 * i * g * y * x > INNER_BYTES:
            if i > 1:
                i //= _smallest_factor(i)
            elif x % 2 == 0 and x >= 2 * SMALLEST_INNER and (x >= 2 * y or x > 512):
                x //= 2
            elif y % 2 == 0 and y >= 2 * SMALLEST_INNER:
                y //= 2
            elif x % 2 == 0 and x >= 2 * SMALLEST_INNER:
                x //= 2
            else:
                break
        return i, g, y, x


def _smallest_factor(number: int) -> int:
    return next((f for f in range(2, math.isqrt(number) + 1) if number % f == 0), number)


def _power_of_two_at_most(number: int) -> int:
    return 1 << (max(number, 1).bit_length() - 1)


@lru_cache(maxsize=256)
def tile_grid(shape: Shape4, fast_axis: int = 1, tile_bytes: int = TILE_BYTES) -> TileGrid:
    """Cut an exposure into tiles.

    Parameters
    ----------
    shape
        (integration, group, y, x).
    fast_axis
        JWST FASTAXIS: +-1 keeps rows (x) whole, +-2 keeps columns (y) whole.
    tile_bytes
        Largest tile, bytes of uint16; a tile is one line along the fast axis at least.
    """
    integrations, groups, ny, nx = shape
    frame = 2 * groups * ny * nx
    if frame <= tile_bytes:
        several = min(integrations, tile_bytes // frame)
        if several < integrations:
            several = _power_of_two_at_most(several)
        return TileGrid(shape, (several, groups, ny, nx))
    fast, slow = (nx, ny) if abs(fast_axis) == 1 else (ny, nx)
    wanted = _power_of_two_at_most(tile_bytes // (2 * groups * fast))
    lines = math.gcd(slow, wanted)
    return TileGrid(shape, (1, groups, lines, fast) if abs(fast_axis) == 1 else (1, groups, fast, lines))


def grid_of(spec: ExposureSpec) -> TileGrid:
    """Return the tiles of an exposure."""
    return tile_grid(spec.shape, abs(spec.fast_axis))
