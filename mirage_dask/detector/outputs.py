"""Which output reads which columns, and in what order.

Detector orientation. A full frame is read by four outputs, each a quarter of the columns; neighbours read in opposite
directions (NIRCam). A subarray with one output is read from its first column on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.pink import NODE

WIDEST = 512
"""Columns of the widest block: what a kernel keeps of a row then stays in the processor's first cache."""


@dataclass(frozen=True)
class Block:
    """Columns that one output reads, as a kernel takes them."""

    start: int
    stop: int
    """Columns of the 2048 x 2048 detector."""
    output: int
    edges: NDArray[np.int32]
    nodes: NDArray[np.int32]
    """Columns start + edges[s] … start + edges[s+1] - 1 have 1/f value nodes[s] of their output's row."""


@dataclass(frozen=True)
class Outputs:
    """The outputs of an array of `columns` columns that begins at detector column `first`."""

    first: int
    columns: int
    count: int

    @property
    def width(self) -> int:
        """Columns of each output."""
        return self.columns // self.count

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Cut the columns start … stop-1 of the detector into blocks that belong to one output each."""
        at = start
        while at < stop:
            output = (at - self.first) // self.width
            low = self.first + output * self.width
            end = min(stop, low + self.width, low + ((at - low) // WIDEST + 1) * WIDEST)
            yield _block(at, end, output, low, self.width)
            at = end


@lru_cache(maxsize=1024)
def _block(start: int, stop: int, output: int, low: int, width: int) -> Block:
    place = np.arange(start - low, stop - low)
    if output % 2:
        place = width - 1 - place
    node = place // NODE
    edges = np.flatnonzero(np.diff(node, prepend=-1))
    return Block(
        start, stop, output, np.append(edges, node.size).astype(np.int32), node[edges].astype(np.int32)
    )
