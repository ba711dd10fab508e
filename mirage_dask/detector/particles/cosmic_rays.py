r"""Cosmic rays: electrons deposited in the frames in which particles hit.

The number of hits in a tile of the detector during one frame is Poisson with mean rate x pixels x frame time; a hit has
a uniform position in its tile and one stamp of the library (21 x 21 electrons, drawn uniformly). A pixel keeps what it
was given until the next reset, so that the deposit of group g is the cumulative charge, averaged over the group's frames.

Tiles are fixed on the detector (`TILE_ROWS` x `TILE_COLUMNS`), and each has its own counters in the `cosmic` stream:
``(0xFFFFFFFF, tile, frame, integration)`` gives the number of hits, ``(hit, tile, frame, integration)`` each hit: word 0
the position (column in the low half, row in the high half), word 1 the stamp. A window looks at the tiles within reach of
a stamp and cuts what it finds: the same hits as in the whole frame. Frames count from the reset, dropped ones included.

Snowballs are an effect of their own (`particles/snowballs.py`); `particles/cosmic_ray_hits.py` lists hits.

Not modelled: showers, hits during the reset frame, afterglow. Reference pixels collect no charge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int64, uint32, uint64
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.context import Box, ExposureContext, Floats
from mirage_dask.detector.random.philox import philox, philox_row
from mirage_dask.detector.random.poisson import poisson
from mirage_dask.instruments.geometry import DetectorArray

TILE_ROWS = 64
TILE_COLUMNS = 512
REACH = 10
"""Half width of a stamp, pixels."""
BATCH = 256
"""Hits that are drawn together: a row of the generator is a quarter of the price of as many single calls."""


@inline
def scaled(word, size, bits):
    """Map a word of `bits` random bits to 0 … size-1."""
    return int64((uint64(word) * uint64(size)) >> uint64(bits))


class Stamps(NamedTuple):
    """The tracks of a library: pixels start[s] … start[s+1]-1 of stamp s are at (dy, dx) from the hit."""

    start: NDArray[np.int32]
    dy: NDArray[np.int8]
    dx: NDArray[np.int8]
    electrons: NDArray[np.float32]
    """e-"""


class Collecting(NamedTuple):
    """The array of the detector, and the part of it that collects charge: half-open ranges."""

    rows: int
    columns: int
    first_row: int
    last_row: int
    first_column: int
    last_column: int

    @classmethod
    def of(cls, array: DetectorArray) -> Collecting:
        """Return that of a detector."""
        return cls(*array.shape, *array.sensitive_box[0], *array.sensitive_box[1])


def add_cosmic_rays(exposure: ExposureContext, box: Box, charge: Floats) -> bool:
    """Add the charge of cosmic rays, a `ChargeFunction`."""
    spec = exposure.spec
    if not spec.cosmic_ray_library or spec.cosmic_ray_rate <= 0:
        return False
    found = exposure.pack.cosmic_rays(spec.cosmic_ray_library)
    hit: bool = cosmic_ray_groups(
        exposure.keys.stream("cosmic"),
        exposure.readout,
        box,
        Collecting.of(exposure.array),
        np.float32(spec.cosmic_ray_rate * spec.tframe),
        Stamps(found.start, found.dy, found.dx, found.electrons),
        charge,
    )
    return hit


@kernel
def cosmic_ray_groups(key, readout, box, array, hits_per_pixel, stamps, charge):
    """Add the charge deposited in a box, group by group from the first.

    Parameters
    ----------
    key : Key
        Of the stream `cosmic`.
    readout : Readout
    box : Box
        What `charge` covers.
    array : Collecting
    hits_per_pixel : float32
        Mean hits per pixel and frame.
    stamps : Stamps
    charge : float32, (integrations, groups, rows, columns), zero
        Deposited electrons.

    Returns
    -------
    bool
        Whether any charge was deposited.
    """
    integrations, groups, rows, columns = charge.shape
    y0, x0 = box.row, box.column
    number = stamps.start.size - 1
    nframes = readout.nframes
    across = (array.columns + TILE_COLUMNS - 1) // TILE_COLUMNS
    tile_mean = f4(hits_per_pixel) * f4(TILE_ROWS * TILE_COLUMNS)
    frames_per_group = nframes + readout.groupgap
    ty0 = max(y0 - REACH, 0) // TILE_ROWS
    ty1 = min(y0 + rows + REACH - 1, array.rows - 1) // TILE_ROWS
    tx0 = max(x0 - REACH, 0) // TILE_COLUMNS
    tx1 = min(x0 + columns + REACH - 1, array.columns - 1) // TILE_COLUMNS
    low_y, high_y = max(array.first_row - y0, 0), min(array.last_row - y0, rows)
    low_x, high_x = max(array.first_column - x0, 0), min(array.last_column - x0, columns)
    words = np.empty((4, BATCH), np.uint32)  # apart from each other: rows that overlap are not vectorised
    where, which = words[0], words[1]
    any_hit = False
    for t in range(integrations):
        integration = box.integration + t
        out = charge[t]
        hit_here = False
        for g in range(groups):
            # Frames since the last read of the group before, then the group's own.
            for frame in range(
                max(g * frames_per_group - readout.groupgap, 0), g * frames_per_group + nframes
            ):
                # A hit in the k-th frame of a group is missing from the k reads before it; the next group has all of it.
                late = max(frame - g * frames_per_group, 0)
                weight = f4(nframes - late) / f4(nframes)
                for ty in range(ty0, ty1 + 1):
                    for tx in range(tx0, tx1 + 1):
                        tile = ty * across + tx
                        a, b, _, _ = philox(key.k0, key.k1, uint32(0xFFFFFFFF), tile, frame, integration)
                        hits = int64(poisson(tile_mean, a, b))
                        for first in range(0, hits, BATCH):
                            count = min(BATCH, hits - first)
                            philox_row(
                                key.k0, key.k1, 0, first, tile, frame, integration, count, where, which, words[2], words[3],
                            )  # fmt: skip
                            for i in range(count):
                                column = (
                                    tx * TILE_COLUMNS
                                    + scaled(where[i] & uint32(0xFFFF), TILE_COLUMNS, 16)
                                    - x0
                                )
                                row = ty * TILE_ROWS + scaled(where[i] >> uint32(16), TILE_ROWS, 16) - y0
                                if not (-REACH <= row < rows + REACH and -REACH <= column < columns + REACH):
                                    continue
                                stamp = scaled(which[i], number, 32)
                                for j in range(stamps.start[stamp], stamps.start[stamp + 1]):
                                    y = row + stamps.dy[j]
                                    x = column + stamps.dx[j]
                                    if not (low_y <= y < high_y and low_x <= x < high_x):
                                        continue
                                    hit_here = True
                                    out[g, y, x] += weight * stamps.electrons[j]
                                    if late > 0 and g + 1 < groups:
                                        out[g + 1, y, x] += (f4(1) - weight) * stamps.electrons[j]
        if hit_here:
            any_hit = True
            for g in range(1, groups):
                for y in range(rows):
                    for x in range(columns):
                        out[g, y, x] += out[g - 1, y, x]
    return any_hit
