"""How an exposure is cut into tiles: the units of a task, of a file of the store and of a commit record.

A tile holds all groups and is whole along the fast axis (1/f noise, reference pixels and crosstalk are), so that a kernel
never needs its neighbours' values. It is computed in *parts*, one after the other: a part holds at most `TILE_BYTES` of raw
data, or what the plan sets instead, and so bounds the memory of a thread. Rows follow the number of groups, a power of two
that divides the frame; short integrations are taken several at a time. Where an exposure has more integrations than a part,
its tiles have several parts along the integrations, up to `SHARD_BYTES`, so that the number of files stays small. Memory
does not grow with groups, frames or integrations.

In the store a tile is a shard; `inner` is the chunk inside it, the unit of reading, which divides a part. Chunks of lazy
arrays are parts. No value depends on tiles or parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from mirage_dask.spec import ExposureSpec, Window

TILE_BYTES = 8 * 2**20
"""Largest part where a plan sets nothing else, bytes of uint16. A frame with very many groups may exceed it at one row."""

SHARD_BYTES = 84_000_000
"""Largest tile of several parts, bytes of uint16: a second or so of work, as a task should have (ten full frames of
2048 x 2048). An exposure of 105 GB then has 1,250 tiles, whose commit records are read in a twentieth of a second."""

INNER_BYTES = 3 * 2**19
"""Largest inner chunk, bytes of uint16: 3 to 5 ms to read, and few enough that zarr's cost per chunk stays small."""

BAND_BYTES = 2**25
"""Largest band, bytes of uint16, where tiles are not whole along x."""

SMALLEST_INNER = 64
"""Inner chunks are not cut to fewer pixels along an axis."""

Shape4 = tuple[int, int, int, int]
Span = tuple[int, int]


@dataclass(frozen=True)
class TileGrid:
    """The tiles of exposures of one shape; tiles are numbered along integrations, then rows, then columns."""

    shape: Shape4
    """(integration, group, y, x) of the exposure."""
    tile: Shape4
    """The same of a full tile; the last one along integrations may be shorter."""
    together: int = 0
    """Integrations of a part, which divide those of a tile; 0 when a tile is one part."""

    @property
    def part(self) -> Shape4:
        """(integration, group, y, x) of a full part."""
        i, g, y, x = self.tile
        return self.together or i, g, y, x

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
        """Sizes of the parts along the four axes, as dask takes chunks."""
        return tuple(
            tuple(stop - start for start, stop in _spans((0, n), p))
            for n, p in zip(self.shape, self.part, strict=True)
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

        def span(k: int, axis: int) -> Span:
            return k * self.tile[axis], min((k + 1) * self.tile[axis], self.shape[axis])

        return Window(span(i, 0), (0, self.shape[1]), span(y, 2), span(x, 3))

    def windows(self) -> Iterator[Window]:
        """Yield the boxes of all tiles in order."""
        return (self.window(number) for number in range(self.count))

    def parts(self, number: int) -> Iterator[Window]:
        """Yield the boxes of the parts of a tile, in the order of its integrations.

        Raises
        ------
        IndexError
            If there is no tile of that number.
        """
        tile = self.window(number)
        for span in _spans(tile.integrations, self.part[0]):
            yield Window(span, tile.groups, tile.rows, tile.columns)

    def boxes(self, integrations: Span | None = None) -> Iterator[Window]:
        """Yield the boxes of all parts, integration by integration, then row by row: to compute in the order of a file.

        Parameters
        ----------
        integrations
            Only these; parts that reach beyond them are cut. Default all.
        """
        _, groups, ny, nx = self.shape
        for span in _spans(integrations or (0, self.shape[0]), self.part[0]):
            for rows in _spans((0, ny), self.tile[2]):
                for columns in _spans((0, nx), self.tile[3]):
                    yield Window(span, (0, groups), rows, columns)

    def bands(self, integrations: Span | None = None) -> Iterator[Window]:
        """Yield boxes, whole along x, that cover the exposure in the order of a C array: to read into a file.

        They are the parts where those are whole along x. Otherwise a band spans a row of parts and is as high as their
        inner chunks; lower, where a band would not fit into `BAND_BYTES`. Each inner chunk is thus read once.

        Parameters
        ----------
        integrations
            Only these; bands that reach beyond them are cut. Default all.
        """
        if self.counts[2] == 1:
            yield from self.boxes(integrations)
            return
        i, g, ny, nx = self.part[0], *self.shape[1:]
        height = self.inner[2]
        while height > 1 and 2 * i * g * height * nx > BAND_BYTES:
            height //= _smallest_factor(height)
        for span in _spans(integrations or (0, self.shape[0]), i):
            for rows in _spans((0, ny), height):
                yield Window(span, (0, g), rows, (0, nx))

    @cached_property
    def inner(self) -> Shape4:
        """Shape of a chunk inside a shard; divides the part."""
        i, g, y, x = self.part
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


def _spans(whole: Span, step: int) -> Iterator[Span]:
    """Yield the ranges between multiples of a step inside a range."""
    start, stop = whole
    while start < stop:
        end = min((start // step + 1) * step, stop)
        yield start, end
        start = end


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
        Largest part, bytes of uint16: the largest box that is computed at once; one line along the fast axis at least.
    """
    integrations, groups, ny, nx = shape
    frame = 2 * groups * ny * nx
    together, rows, columns = 1, ny, nx
    if frame <= tile_bytes:
        together = min(integrations, tile_bytes // frame)
        if together < integrations:
            together = _power_of_two_at_most(together)
    else:
        fast, slow = (nx, ny) if abs(fast_axis) == 1 else (ny, nx)
        lines = math.gcd(slow, _power_of_two_at_most(tile_bytes // (2 * groups * fast)))
        rows, columns = (lines, fast) if abs(fast_axis) == 1 else (fast, lines)
    part = 2 * together * groups * rows * columns
    several = max(min(-(-integrations // together), SHARD_BYTES // part), 1)
    return TileGrid(shape, (several * together, groups, rows, columns), together)


def grid_of(spec: ExposureSpec) -> TileGrid:
    """Return the tiles of an exposure."""
    return tile_grid(spec.shape, abs(spec.fast_axis))
