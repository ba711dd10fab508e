"""The hits of cosmic rays one by one, as `mirage_dask.detector.particles.cosmic_rays` draws them: the truth of an exposure.

The counters are those of that module; nothing is drawn anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int64, uint32
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.detector.particles.cosmic_rays import TILE_COLUMNS, TILE_ROWS, Collecting, Stamps, scaled
from mirage_dask.detector.random.keys import Key
from mirage_dask.detector.random.philox import philox
from mirage_dask.detector.random.poisson import poisson


class Hits(NamedTuple):
    """Hits of cosmic rays in the order of integration, frame and place; arrays of one length."""

    integration: NDArray[np.int64]
    frame: NDArray[np.int64]
    """Of the integration, from 0; frames that are not read count."""
    row: NDArray[np.int64]
    """Pixel of the detector, where the particle enters."""
    column: NDArray[np.int64]
    electrons: NDArray[np.float32]
    """Charge of the whole track, also where it leaves what collects charge."""


def count_hits(
    key: Key, array: Collecting, hits_per_pixel: float, integrations: tuple[int, int], frames: int
) -> int:
    """Return how many hits `list_hits` returns."""
    tiles = -(-array.rows // TILE_ROWS) * -(-array.columns // TILE_COLUMNS)
    return int(_count(key, tiles, np.float32(hits_per_pixel), *integrations, frames))


def list_hits(
    key: Key,
    array: Collecting,
    hits_per_pixel: float,
    stamps: Stamps,
    *,
    integrations: tuple[int, int],
    frames: int,
) -> Hits:
    """Return the hits of integrations, those of the whole detector.

    Parameters
    ----------
    key
        Of the stream `cosmic`.
    array
        The detector.
    hits_per_pixel
        Mean hits per pixel and frame.
    stamps
        The library.
    integrations
        Half-open range.
    frames
        Of an integration, up to the last one that is read.
    """
    total = np.array(
        [stamps.electrons[a:b].sum(dtype=np.float64) for a, b in zip(stamps.start[:-1], stamps.start[1:], strict=True)],
        np.float32,
    )  # fmt: skip
    number = count_hits(key, array, hits_per_pixel, integrations, frames)
    integration, frame, row, column = np.empty((4, number), np.int64)
    found = Hits(integration, frame, row, column, np.empty(number, np.float32))
    _list(key, array, np.float32(hits_per_pixel), total, *integrations, frames, found)
    inside = (row < array.rows) & (column < array.columns)  # tiles may reach beyond a smaller array
    return Hits(integration[inside], frame[inside], row[inside], column[inside], found.electrons[inside])


@kernel
def _count(key, tiles, hits_per_pixel, first, last, frames):
    mean = f4(hits_per_pixel) * f4(TILE_ROWS * TILE_COLUMNS)
    total = 0
    for integration in range(first, last):
        for frame in range(frames):
            for tile in range(tiles):
                a, b, _, _ = philox(key.k0, key.k1, uint32(0xFFFFFFFF), tile, frame, integration)
                total += int64(poisson(mean, a, b))
    return total


@kernel
def _list(key, array, hits_per_pixel, total, first, last, frames, found):
    mean = f4(hits_per_pixel) * f4(TILE_ROWS * TILE_COLUMNS)
    across = (array.columns + TILE_COLUMNS - 1) // TILE_COLUMNS
    down = (array.rows + TILE_ROWS - 1) // TILE_ROWS
    i = 0
    for integration in range(first, last):
        for frame in range(frames):
            for tile in range(across * down):
                a, b, _, _ = philox(key.k0, key.k1, uint32(0xFFFFFFFF), tile, frame, integration)
                for hit in range(int64(poisson(mean, a, b))):
                    where, which, _, _ = philox(key.k0, key.k1, uint32(hit), tile, frame, integration)
                    found.integration[i], found.frame[i] = integration, frame
                    found.row[i] = tile // across * TILE_ROWS + scaled(where >> uint32(16), TILE_ROWS, 16)
                    found.column[i] = tile % across * TILE_COLUMNS + scaled(
                        where & uint32(0xFFFF), TILE_COLUMNS, 16
                    )
                    found.electrons[i] = total[scaled(which, total.size, 32)]
                    i += 1
