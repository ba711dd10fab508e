"""Which output reads which columns, and in what order.

Detector frame. Where the outputs are contiguous, each reads a range of columns, neighbours in opposite directions (the H2RGs
of NIRCam, NIRISS and FGS: a quarter of the columns each); a subarray with one output is read from its first column on. Where
they are interleaved, column c belongs to output c modulo their number, and all read in the same direction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.pink import NODE, nodes_per_row

WIDEST = 512
"""Columns of the widest block: what a kernel keeps of a row then stays in the processor's first cache."""


@dataclass(frozen=True)
class Block:
    """Columns that are computed together, as a kernel takes them."""

    start: int
    stop: int
    """Columns of the detector."""
    edges: NDArray[np.int32]
    nodes: NDArray[np.int32]
    """Columns start + edges[s] … start + edges[s+1] - 1 have the 1/f value nodes[s] of a row of all outputs."""


@dataclass(frozen=True)
class Outputs:
    """The outputs of an array of `columns` columns that begins at detector column `first`."""

    first: int
    columns: int
    count: int
    interleaved: bool = False

    @property
    def width(self) -> int:
        """Columns of each output."""
        return self.columns // self.count

    @property
    def nodes(self) -> int:
        """Values of 1/f noise in a row of one output."""
        return nodes_per_row(self.width)

    def reading(self, start: int, stop: int) -> tuple[int, int]:
        """Return the outputs, first to stop, that read the columns start … stop-1 of the detector."""
        if self.interleaved:
            return 0, self.count
        return (start - self.first) // self.width, (stop - 1 - self.first) // self.width + 1

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Cut the columns start … stop-1 of the detector into blocks, of one output each where outputs are contiguous."""
        width = self.columns if self.interleaved else self.width
        at = start
        while at < stop:
            low = self.first + (at - self.first) // width * width
            end = min(stop, low + width, low + ((at - low) // WIDEST + 1) * WIDEST)
            yield _block(self, at, end)
            at = end

    def order(self, start: int, stop: int) -> tuple[int, int]:
        """Return in what order columns of one of several contiguous outputs are read.

        Returns
        -------
        step
            From a column to the one read before it: -1 or 1.
        first
            The column, counted from `start`, that is the first of a row of the output; -1 where it is none of them.
        """
        if self.interleaved:
            return -1, -1
        output, place = divmod(start - self.first, self.width)
        if output % 2 == 0:
            return -1, 0 if place == 0 else -1
        return 1, stop - start - 1 if place + stop - start == self.width else -1

    def read_with(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the columns that each contiguous output reads while the columns start … stop-1 are read, and just before.

        Each output's are as many: those at all times at which any of the columns is read, and one time earlier, unless a
        row begins there.
        """
        times = []
        for output in range(*self.reading(start, stop)):
            edge = self.first + output * self.width
            low, high = max(start - edge, 0), min(stop - edge, self.width)
            times.append((self.width - high, self.width - low) if output % 2 else (low, high))
        early, late = max(min(low for low, _ in times) - 1, 0), max(high for _, high in times)
        edges = [(output, self.first + output * self.width) for output in range(self.count)]
        return [
            (edge + self.width - late, edge + self.width - early)
            if output % 2
            else (edge + early, edge + late)
            for output, edge in edges
        ]

    def nodes_of(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of the 1/f value of columns of the detector in a row of all outputs, (outputs * nodes,)."""
        place = columns - self.first
        if self.interleaved:
            output, place = place % self.count, place // self.count
        else:
            output, place = place // self.width, place % self.width
            place = np.where(output % 2 == 1, self.width - 1 - place, place)
        return output * self.nodes + place // NODE


@lru_cache(maxsize=1024)
def _block(outputs: Outputs, start: int, stop: int) -> Block:
    node = outputs.nodes_of(np.arange(start, stop))
    edges = np.flatnonzero(np.diff(node, prepend=-1))
    return Block(start, stop, np.append(edges, node.size).astype(np.int32), node[edges].astype(np.int32))
