r"""1/f noise of the read-out electronics: the stripes along the fast axis.

Power spectrum :math:`P(f) \propto 1/f` along the sequence in which an output reads its pixels (Rauscher 2015, PASP 127,
1144), one sequence common to all outputs and one of each output. It is built as the sum of one step function per octave
of time, of equal variance (the Voss-McCartney construction),

.. math:: n(t) = \sigma_o \sum_k z_k(\lfloor t / 2^k \rfloor),

with z independent standard normal deviates. A value is therefore a function of time alone, without recursion or
transform: any row of any frame can be computed by itself, and long drifts over frames come out right. Octaves run from
16 pixel times (faster fluctuations belong to the white read noise) to `SLOWEST` = 2^13 rows. :math:`\sigma_o` is such
that the octaves shorter than one frame add up to the rms that the instrument table gives.

Counters (key stream `pink`): within a row, ``(row time, block | stream << 8, 1, integration)``, four deviates a block;
octaves of several rows, ``(row time >> k, k | stream << 8, 2, integration)``. Row time = frame * (rows + 1) + row; stream
0 is the common one, 1 + a that of output a.

Not modelled: alternating column noise, and steps of the spectrum between octaves (the sum of steps ripples by about
1 dB around 1/f).
"""

from __future__ import annotations

import math

import numpy as np
from numba import float32 as f4
from numba import uint32

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.normal import normal
from mirage_dask.detector.philox import philox

NODE = 16
"""Pixels over which the noise is constant."""
SLOWEST = 13
"""log2 of the rows in the longest octave."""


def nodes_per_row(columns: int) -> int:
    """Return the number of noise values in a row of one output: a power of two that covers its columns."""
    return 1 << max(0, math.ceil(math.log2(columns / NODE)))


def octave_sigma(rms: float, *, columns: int, rows: int) -> float:
    """Return the standard deviation of one octave so that those within a frame add up to `rms` (same unit)."""
    within_row = int(math.log2(nodes_per_row(columns))) + 1
    return rms / math.sqrt(within_row + math.ceil(math.log2(max(rows, 2))))


@inline
def _add_row(k0, k1, time, stream, integration, nodes, scale, slow, slow_time, work, out):
    """Add one stream's values of one row to `out[:nodes]`; `slow` and `slow_time` keep what the last row left."""
    tag = uint32(stream << 8)
    blocks = max(nodes // 2, 1)
    for i in range(blocks):
        a, b, c, d = philox(k0, k1, time, tag | uint32(i), 1, integration)
        work[4 * i] = normal(a)
        work[4 * i + 1] = normal(b)
        work[4 * i + 2] = normal(c)
        work[4 * i + 3] = normal(d)
    if slow_time[stream] != time >> 1:
        slow_time[stream] = time >> 1
        total = f4(0)
        for k in range(1, SLOWEST + 1):
            a, b, c, d = philox(k0, k1, time >> k, tag | uint32(k), 2, integration)
            total += normal(a)
        slow[stream] = total
    first = 0
    level = nodes
    shift = 0
    while level > 0:
        for i in range(nodes):
            out[i] += scale * work[first + (i >> shift)]
        first += level
        level >>= 1
        shift += 1
    drift = scale * slow[stream]
    for i in range(nodes):
        out[i] += drift


@kernel
def pink_rows(
    k0, k1, integration, first, groups, nframes, groupgap, row0, rows, rows_of_frame, output0, outputs, common, own, out
):
    """Fill `out` with the 1/f noise of a band of rows, averaged over the frames of each group.

    Parameters
    ----------
    k0, k1, integration
        Key of the `pink` stream and the integration.
    first, groups
        First group that is wanted, and the number from the start: earlier ones are left as they are.
    nframes, groupgap
        Read-out.
    row0, rows, rows_of_frame
        First row of the array and how many; rows of a whole frame.
    output0, outputs
        First output and how many.
    common, own : float32
        Standard deviation per octave of the common and of each output's noise.
    out : float32, (groups, rows, outputs, nodes)
        In the unit of `common`, in the order in which the output reads its pixels.
    """
    nodes = out.shape[3]
    work = np.empty(max(2 * nodes, 4), np.float32)
    shared = np.empty(nodes, np.float32)
    slow = np.zeros(64, np.float32)
    slow_time = np.full(64, -1, np.int64)
    weight = f4(1) / f4(nframes)
    for g in range(first, groups):
        for r in range(rows):
            out[g, r] = f4(0)
        for f in range(nframes):
            frame = g * (nframes + groupgap) + f
            for r in range(rows):
                time = frame * (rows_of_frame + 1) + row0 + r
                shared[:] = f4(0)
                _add_row(k0, k1, time, 0, integration, nodes, common * weight, slow, slow_time, work, shared)
                for s in range(outputs):
                    stream = 1 + output0 + s
                    target = out[g, r, s]
                    for i in range(nodes):
                        target[i] += shared[i]
                    _add_row(k0, k1, time, stream, integration, nodes, own * weight, slow, slow_time, work, target)
