r"""Cosmic rays: electrons deposited in the frames in which particles hit.

The number of hits in a tile of the detector during one frame is Poisson with mean rate x pixels x frame time; a hit has
a uniform position in its tile and one stamp of the library (21 x 21 electrons, drawn uniformly). A pixel keeps what it
was given until the next reset, so that the deposit of group g is the cumulative charge, averaged over the group's frames.

Tiles are fixed on the detector (`TILE_ROWS` x `TILE_COLUMNS`), and each has its own counters in the `cosmic` stream:
``(0xFFFFFFFF, tile, frame, integration)`` gives the number of hits, ``(hit, tile, frame, integration)`` each hit: word 0
the position (column in the low half, row in the high half), word 1 the stamp. A window looks at the tiles within reach of
a stamp and cuts what it finds: the same hits as in the whole frame. Frames count from the reset, dropped ones included.

Not modelled: snowballs, showers, hits during the reset frame, afterglow. Reference pixels collect no charge.
"""

from __future__ import annotations

from numba import float32 as f4
from numba import int64, uint32, uint64

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.random.philox import philox
from mirage_dask.detector.random.poisson import poisson

TILE_ROWS = 64
TILE_COLUMNS = 512
REACH = 10
"""Half width of a stamp, pixels."""


@inline
def _scaled(word, size, bits):
    """Map a word of `bits` random bits to 0 … size-1."""
    return int64((uint64(word) * uint64(size)) >> uint64(bits))


@kernel
def cosmic_ray_groups(
    k0, k1, integration, x0, y0, nframes, groupgap, size, border, hits_per_pixel, start, dy, dx, electrons, out
):  # fmt: skip
    """Fill `out` with the charge deposited in a block, group by group from the first.

    Parameters
    ----------
    k0, k1, integration
        Key of the `cosmic` stream and the integration.
    x0, y0
        First pixel of the block in the detector, detector orientation.
    nframes, groupgap
        Read-out.
    size, border
        Pixels along the detector's side and width of its reference border, which collects nothing.
    hits_per_pixel : float32
        Mean hits per pixel and frame.
    start, dy, dx, electrons
        Stamps: pixels start[s] … start[s+1]-1 at (dy, dx) from the hit, e-.
    out : float32, (groups, rows, columns)
        Deposited electrons.

    Returns
    -------
    bool
        Whether any charge was deposited.
    """
    groups, rows, columns = out.shape
    stamps = start.size - 1
    across = (size + TILE_COLUMNS - 1) // TILE_COLUMNS
    tile_mean = f4(hits_per_pixel) * f4(TILE_ROWS * TILE_COLUMNS)
    frames_per_group = nframes + groupgap
    out[:] = f4(0)
    any_hit = False
    ty0 = max(y0 - REACH, 0) // TILE_ROWS
    ty1 = min(y0 + rows + REACH - 1, size - 1) // TILE_ROWS
    tx0 = max(x0 - REACH, 0) // TILE_COLUMNS
    tx1 = min(x0 + columns + REACH - 1, size - 1) // TILE_COLUMNS
    for g in range(groups):
        # Frames since the last read of the group before, then the group's own.
        for frame in range(max(g * frames_per_group - groupgap, 0), g * frames_per_group + nframes):
            # A hit in the k-th frame of a group is missing from the k reads before it; the next group has all of it.
            late = max(frame - g * frames_per_group, 0)
            weight = f4(nframes - late) / f4(nframes)
            for ty in range(ty0, ty1 + 1):
                for tx in range(tx0, tx1 + 1):
                    tile = ty * across + tx
                    a, b, _, _ = philox(k0, k1, uint32(0xFFFFFFFF), tile, frame, integration)
                    for hit in range(int64(poisson(tile_mean, a, b))):
                        where, which, _, _ = philox(k0, k1, uint32(hit), tile, frame, integration)
                        column = tx * TILE_COLUMNS + _scaled(where & uint32(0xFFFF), TILE_COLUMNS, 16) - x0
                        row = ty * TILE_ROWS + _scaled(where >> uint32(16), TILE_ROWS, 16) - y0
                        if not (-REACH <= row < rows + REACH and -REACH <= column < columns + REACH):
                            continue
                        stamp = _scaled(which, stamps, 32)
                        for j in range(start[stamp], start[stamp + 1]):
                            y = row + dy[j]
                            x = column + dx[j]
                            if not (max(border - y0, 0) <= y < min(size - border - y0, rows)):
                                continue
                            if not (max(border - x0, 0) <= x < min(size - border - x0, columns)):
                                continue
                            any_hit = True
                            out[g, y, x] += weight * electrons[j]
                            if late > 0 and g + 1 < groups:
                                out[g + 1, y, x] += (f4(1) - weight) * electrons[j]
    if any_hit:
        for g in range(1, groups):
            for y in range(rows):
                for x in range(columns):
                    out[g, y, x] += out[g - 1, y, x]
    return any_hit
