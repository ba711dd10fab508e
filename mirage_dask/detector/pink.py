r"""1/f noise of the read-out electronics: the stripes along the fast axis.

Power spectrum :math:`P(f) \propto 1/f` along the sequence in which an output reads its pixels (Rauscher 2015, PASP 127,
1144), one sequence common to all outputs and one of each output. It is built as the sum of one random function per octave
of time, all of equal variance (the Voss-McCartney construction),

.. math:: n(t) = \sigma_o \sum_k Z_k(t / 2^k),

where Z_k takes independent standard normal values at whole numbers: constant in between for the octaves within a row, and
joined by straight lines (scaled by :math:`\sqrt{3/2}`, which restores the mean variance) for octaves of several rows,
whose steps the eye would see. A value is therefore a function of time alone, without recursion or transform: any row of
any frame can be computed by itself, and long drifts over frames come out right. Octaves run from 16 pixel times (faster
fluctuations belong to the white read noise) to 2^`SLOWEST` rows. :math:`\sigma_o` is such that the octaves shorter than
one frame add up to the rms that the instrument table gives.

Counters (key stream `pink`): within a row, ``(row time, block | stream << 8, 1, integration)``, four deviates a block;
octaves of several rows, ``(node, k | stream << 8, 2, integration)`` with node = row time >> k and the one after it. Row
time = frame * (rows + 1) + row; stream 0 is the common one, 1 + a that of output a. The octaves within a row of one frame
have nothing in common with those of another: groups whose frames are drawn together (`averaging.py`) have their mean by one
draw, at the first frame.

Not modelled: noise within a node; the sum over octaves ripples by about 1 dB around 1/f.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import uint32
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.averaging import drawn_together
from mirage_dask.detector.random.normal import normal, normal_row
from mirage_dask.detector.random.philox import philox

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
def _node(k0, k1, node, k, tag, integration):
    """Value of a slow octave at one of its nodes."""
    a, _, _, _ = philox(k0, k1, node, tag | uint32(k), 2, integration)
    return normal(a)


@inline
def slow_octaves(k0, k1, time, stream, integration, nodes, values):
    """Sum of the slow octaves at a row; `nodes`, `values` keep each octave's last node and its two values."""
    tag = uint32(stream << 8)
    total = f4(0)
    for k in range(1, SLOWEST + 1):
        node = time >> k
        if nodes[stream, k] != node:
            nodes[stream, k] = node
            values[stream, k, 0] = _node(k0, k1, node, k, tag, integration)
            values[stream, k, 1] = _node(k0, k1, node + 1, k, tag, integration)
        part = f4(time - (node << k)) * f4(1.0 / (1 << k))
        total += values[stream, k, 0] * (f4(1) - part) + values[stream, k, 1] * part
    return f4(math.sqrt(1.5)) * total


@inline
def _add_within_rows(key, time, rows, stream, integration, nodes, scale, words, values, tails, out):
    """Add the octaves within a row of one stream, of consecutive rows from `time` on, to `out`, (nodes, rows).

    All rows together, node by node: a row of a small array has too few nodes for the compiler's vectors.
    """
    tag = uint32(stream << 8)
    for block in range(max(nodes // 2, 1)):
        counter = tag | uint32(block)
        for r in range(rows):
            a, b, c, d = philox(key.k0, key.k1, time + r, counter, 1, integration)
            words[0, r] = a
            words[1, r] = b
            words[2, r] = c
            words[3, r] = d
        for j in range(4):
            normal_row(words[j], rows, values[4 * block + j], tails)
    first = 0
    level = nodes
    shift = 0
    while level > 0:
        for i in range(nodes):
            _add_scaled(values[first + (i >> shift)], scale, out[i])
        first += level
        level >>= 1
        shift += 1


@kernel(allocates=False)
def _add_scaled(values, scale, out):
    """Add values times a scale to `out`, both of one length: a function of its own, so that the compiler makes vectors."""
    for r in range(out.size):
        out[r] += scale * values[r]


@inline
def _add_slow(key, time, stream, integration, scale, nodes, values, drift, out):
    """Add the octaves of several rows of one stream to `out`, (nodes, rows); `nodes`, `values` as for `slow_octaves`."""
    for r in range(drift.size):
        drift[r] = slow_octaves(key.k0, key.k1, time + r, stream, integration, nodes, values)
    for i in range(out.shape[0]):
        _add_scaled(drift, scale, out[i])


class _Work(NamedTuple):
    """Arrays for work on a band of rows."""

    words: NDArray[np.uint32]
    values: NDArray[np.float32]
    """(at least 2 nodes, rows): deviates of the octaves within a row."""
    tails: NDArray[np.int32]
    drift: NDArray[np.float32]
    """(rows,): sum of the slow octaves."""
    shared: NDArray[np.float32]
    """(nodes, rows): the common noise; node by node while it is summed, as `summed`."""
    summed: NDArray[np.float32]
    """(outputs, nodes, rows): noise of each output."""
    slow_nodes: NDArray[np.int64]
    """(streams, octaves): see `slow_octaves`."""
    slow_values: NDArray[np.float32]


@kernel
def pink_rows(key, readout, integration, first_group, row0, rows_of_frame, output0, common, own, out):
    """Fill `out` with the 1/f noise of a band of rows, averaged over the frames of each group.

    Parameters
    ----------
    key : Key
        Of the stream `pink`.
    readout : Readout
    integration : int
        First integration.
    first_group : int
        First group that is wanted: earlier ones are left as they are.
    row0, rows_of_frame : int
        First row, counted from the first row that is read; rows of a whole frame.
    output0 : int
        First output.
    common, own : float32
        Standard deviation per octave of the common and of each output's noise.
    out : float32, (integrations, groups, outputs, rows, nodes)
        In the unit of `common`, in the order in which the output reads its pixels.
    """
    outputs, rows, nodes = out.shape[2:]
    streams = 1 + output0 + outputs
    work = _Work(
        np.empty((4, rows), np.uint32),
        np.empty((max(2 * nodes, 4), rows), np.float32),
        np.empty(rows + 1, np.int32),
        np.empty(rows, np.float32),
        np.empty((nodes, rows), np.float32),
        np.empty((outputs, nodes, rows), np.float32),
        np.empty((streams, SLOWEST + 1), np.int64),
        np.zeros((streams, SLOWEST + 1, 2), np.float32),
    )
    _sum_octaves(key, readout, integration, first_group, row0, rows_of_frame, output0, common, own, work, out)


@kernel(allocates=False)
def _sum_octaves(
    key, readout, integration, first_group, row0, rows_of_frame, output0, common, own, work, out
):
    """`pink_rows` with arrays for work."""
    integrations, groups, outputs, rows, nodes = out.shape
    words, values, tails, drift, shared, summed, slow_nodes, slow_values = work
    weight = f4(1) / f4(readout.nframes)
    for t in range(integrations):
        own_integration = integration + t
        slow_nodes[:] = -1
        for g in range(first_group, groups):
            summed[:] = f4(0)
            once = drawn_together(readout.nframes) and g > 0
            for f in range(readout.nframes):
                time = (g * (readout.nframes + readout.groupgap) + f) * (rows_of_frame + 1) + row0
                # The mean of independent deviates is one deviate.
                within = np.sqrt(weight) if once else weight
                shared[:] = f4(0)
                if f == 0 or not once:
                    _add_within_rows(
                        key,
                        time,
                        rows,
                        0,
                        own_integration,
                        nodes,
                        common * within,
                        words,
                        values,
                        tails,
                        shared,
                    )
                _add_slow(
                    key, time, 0, own_integration, common * weight, slow_nodes, slow_values, drift, shared
                )
                for s in range(outputs):
                    stream = 1 + output0 + s
                    target = summed[s]
                    for i in range(nodes):
                        _add_scaled(shared[i], f4(1), target[i])
                    if f == 0 or not once:
                        _add_within_rows(
                            key, time, rows, stream, own_integration, nodes, own * within, words, values, tails, target
                        )  # fmt: skip
                    _add_slow(
                        key,
                        time,
                        stream,
                        own_integration,
                        own * weight,
                        slow_nodes,
                        slow_values,
                        drift,
                        target,
                    )
            for s in range(outputs):
                for r in range(rows):
                    for i in range(nodes):
                        out[t, g, s, r, i] = summed[s, i, r]
