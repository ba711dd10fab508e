r"""Noise that an output gives to all its pixels, or to half of them: offsets of the reset, alternating columns, drifts.

**Offsets of the reset** (`reset_offsets`). The pre-amplifier of an output is reset with the pixels and does not come back to
the same level: :math:`D = A z`, one standard normal deviate z for each output and integration. Source: the bias of NIRCam
detectors differs by 11 to 50 DN between resets (github cnaw/guitarra, ground data of Leisenring).

**Alternating columns** (`alternating_columns`). Even and odd columns are read through two paths, whose noise differs:

.. math:: D(x, t) = (-1)^x\, n(t) / G

with n(t) of the power spectrum 1/f along the rows of an output and of the standard deviation `amplitude` within a frame
[e-]: the slow octaves of `pink.py`, one value for each row; G is the mean gain. Sources: Rauscher 2015, PASP 127, 1144, 0.5
e- by default for H2RGs; no figure of NIRCam, NIRISS or FGS in flight was found. What differs between odd and
even columns in every exposure is part of the superbias.

**Drift of the reference pixels** (`reference_drift`). Reference pixels do not follow the active ones exactly:

.. math:: D(f) = \frac{s}{G} \sum_{k = 0}^{K} Z_k(\lfloor (f + \lfloor 2^{k-1} \rfloor) / 2^k \rfloor)

in frame f, added to the reference pixels of an output: 1/f noise in time with the standard deviation s in each octave [e-],
Z_k independent standard normal values, K = `SLOWEST_FRAMES`. Its amplitude is not published: it is chosen.

A group has the mean over its frames. Counters, each in a key stream of the effect's name: offsets ``(output, 0, 0,
integration)`` word 0; alternating columns as the octaves of several rows of `pink.py`, stream 1 + output; drift ``(node, k |
output << 8, 0, integration)`` word 0.

Not modelled: an offset that is the same in all outputs, noise of alternating columns within a row, correlation between
integrations.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float32 as f4
from numba import uint32
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.detector.context import Box, ExposureContext, Floats
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.pink import SLOWEST, slow_octaves
from mirage_dask.detector.random.normal import normal
from mirage_dask.detector.random.philox import philox

SLOWEST_FRAMES = 12
"""log2 of the frames in the longest octave of the drift."""


def _places(outputs: Outputs, box: Box, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the output of each column of a box, and the place of the column among those of its output."""
    place = np.arange(box.column, box.column + columns) - outputs.first
    if outputs.interleaved:
        return place % outputs.count, place // outputs.count
    return place // outputs.width, place % outputs.width


def add_reset_offsets(exposure: ExposureContext, box: Box, dark: Floats) -> bool:
    """Add the offset of each output after the reset, a `DarkFunction`."""
    amplitude = np.float32(exposure.parameter("reset_offsets", "amplitude"))
    if amplitude == 0:
        return False
    offsets = np.empty((dark.shape[0], exposure.outputs.count), np.float32)
    reset_levels(exposure.keys.stream("reset_offsets"), box.integration, offsets)
    output, _ = _places(exposure.outputs, box, dark.shape[3])
    dark += (amplitude * offsets[:, output])[:, None, None, :]
    return True


@kernel
def reset_levels(key, integration, out):
    """Fill `out`, float32 (integrations, outputs), with standard normal deviates from an integration on."""
    integrations, outputs = out.shape
    for t in range(integrations):
        for a in range(outputs):
            word, _, _, _ = philox(key.k0, key.k1, uint32(a), uint32(0), uint32(0), uint32(integration + t))
            out[t, a] = normal(word)


def add_alternating_columns(exposure: ExposureContext, box: Box, dark: Floats) -> bool:
    """Add the noise of even and odd columns, a `DarkFunction`."""
    amplitude = exposure.parameter("alternating_columns", "amplitude")
    if amplitude == 0:
        return False
    first, stop = exposure.extent[0]
    height = stop - first
    octaves = math.ceil(math.log2(max(height, 2)))  # those shorter than a frame add up to the amplitude
    sigma = amplitude / exposure.pack.meta["mean_gain"] / math.sqrt(octaves)
    output, place = _places(exposure.outputs, box, dark.shape[3])
    sign = (1 - 2 * (place & 1)).astype(np.float32)
    alternate(
        exposure.keys.stream("alternating_columns"), exposure.readout, box, box.row - first, height, np.float32(sigma),
        output, sign, exposure.outputs.count, dark,
    )  # fmt: skip
    return True


@kernel
def alternate(key, readout, box, row0, rows_of_frame, sigma, output, sign, outputs, dark):
    """Add the noise of even and odd columns of a box.

    Parameters
    ----------
    key : Key
        Of the stream `alternating_columns`.
    readout : Readout
    box : Box
        What `dark` covers.
    row0, rows_of_frame : int
        First row of the box, counted from the first row that is read; rows of a whole frame.
    sigma : float32
        Standard deviation per octave, DN.
    output : int64, (columns,)
        Which reads each column.
    sign : float32, (columns,)
        1 or -1.
    outputs : int
        How many the array has.
    dark : float32, (integrations, groups, rows, columns)
        Linear counts; changed in place, DN.
    """
    integrations, groups, rows, columns = dark.shape
    nodes = np.empty((1 + outputs, SLOWEST + 1), np.int64)
    values = np.zeros((1 + outputs, SLOWEST + 1, 2), np.float32)
    levels = np.empty((rows, outputs), np.float32)
    seen = np.zeros(outputs, np.bool_)
    for i in range(columns):
        seen[output[i]] = True
    alone = seen.sum() == 1
    weight = sigma / f4(readout.nframes)
    for t in range(integrations):
        nodes[:] = -1
        for g in range(groups):
            levels[:] = f4(0)
            for f in range(readout.nframes):
                frame = g * (readout.nframes + readout.groupgap) + f
                time = frame * (rows_of_frame + 1) + row0
                for a in range(outputs):
                    if seen[a]:
                        for r in range(rows):
                            levels[r, a] += weight * slow_octaves(
                                key.k0, key.k1, time + r, 1 + a, box.integration + t, nodes, values
                            )
            for r in range(rows):
                row = dark[t, g, r]
                if alone:  # the compiler makes vectors of this one
                    level = levels[r, output[0]]
                    for i in range(columns):
                        row[i] += sign[i] * level
                else:
                    for i in range(columns):
                        row[i] += sign[i] * levels[r, output[i]]


def add_reference_drift(exposure: ExposureContext, box: Box, dark: Floats) -> bool:
    """Add the drift of the reference pixels, a `DarkFunction`."""
    amplitude = exposure.parameter("reference_drift", "amplitude")
    rows, columns = dark.shape[2:]
    window = slice(box.row, box.row + rows), slice(box.column, box.column + columns)
    y, x = np.nonzero(exposure.array.sensitive(*window) == 0)
    if amplitude == 0 or not y.size:
        return False
    output, _ = _places(exposure.outputs, box, columns)
    drifts = np.empty((*dark.shape[:2], exposure.outputs.count), np.float32)
    drift_groups(exposure.keys.stream("reference_drift"), exposure.readout, box.integration, drifts)
    size = np.float32(amplitude / exposure.pack.meta["mean_gain"])
    dark[:, :, y, x] += (size * drifts)[:, :, output[x]]
    return True


@kernel
def drift_groups(key, readout, integration, out):
    """Fill `out` with 1/f noise of unit standard deviation per octave, averaged over the frames of each group.

    Parameters
    ----------
    key : Key
        Of the stream `reference_drift`.
    readout : Readout
    integration : int
        First integration.
    out : float32, (integrations, groups, outputs)
    """
    integrations, groups, outputs = out.shape
    for t in range(integrations):
        for g in range(groups):
            for a in range(outputs):
                total = f4(0)
                for f in range(readout.nframes):
                    frame = g * (readout.nframes + readout.groupgap) + f
                    for k in range(SLOWEST_FRAMES + 1):
                        # Octave k begins half a step early, so that no frame ends all of them.
                        node = (frame + ((1 << k) >> 1)) >> k
                        word, _, _, _ = philox(
                            key.k0,
                            key.k1,
                            uint32(node),
                            uint32(k | a << 8),
                            uint32(0),
                            uint32(integration + t),
                        )
                        total += normal(word)
                out[t, g, a] = total / f4(readout.nframes)
