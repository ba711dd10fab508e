r"""What a detector gives without light and cosmic rays, in linear counts.

.. math:: D_g = B + \Big( \overline{\textstyle\sum N_d} + k + q_g \Big) / G + \sigma \frac{z}{\sqrt{n}} + p_g

with B the superbias [DN], :math:`N_d` the Poisson deviates of the dark current in each frame increment [e-], averaged
over the n frames of group g, k the reset (kTC) noise of the integration [e-], q the 1/f noise of the pixel [e-]
(`pixel_pink.py`), G the gain [e-/DN], :math:`\sigma` the white read noise of one frame [DN], z a standard normal
deviate and p the 1/f noise of the outputs [DN] (`pink.py`). Sources: Rauscher 2015 (PASP 127, 1144) for the
decomposition; the values come from the reference pack. Groups of many frames need no draw of :math:`N_d` for each
(`averaging.py`).

The dark current is the expected rate of the dark reference, in which inter-pixel capacitance is already contained.

Further effects of the stage `dark` act on what this kernel has made (`noise/`). Not modelled: drifts of the bias with
temperature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int32, uint64
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.averaging import FEW_EVENTS, drawn_together, sum_of_few, sum_of_many
from mirage_dask.detector.pink import NODE
from mirage_dask.detector.pixel_pink import STEPS, advance_group, octaves_until, start_row
from mirage_dask.detector.random.keys import SLOT_DARK, SLOT_RESET, Key
from mirage_dask.detector.random.normal import normal, normal_row
from mirage_dask.detector.random.philox import philox_row
from mirage_dask.detector.random.poisson import SparseRow, draw_sparse_row, prepare_sparse_row, sparse_row


class DarkPlanes(NamedTuple):
    """Reference data of a window, float32 (rows, columns)."""

    rate: NDArray[np.float32]
    """Dark current, e-/s."""
    bias: NDArray[np.float32]
    """Superbias, DN."""
    sigma: NDArray[np.float32]
    """White read noise of one frame, DN."""
    inverse_gain: NDArray[np.float32]
    """DN/e-; zero where a pixel collects no charge."""


class PixelPink(NamedTuple):
    """1/f noise of each pixel, see `pixel_pink.py`."""

    key: Key
    """Of the stream `pixel_pink`."""
    sigma: np.float32
    """Standard deviation per octave of time, e-; 0 for none."""


@inline
def _spread(values, edges, nodes, out):
    """Fill columns with the 1/f value that each has."""
    for s in range(nodes.size):
        value, first = values[nodes[s]], uint64(edges[s])  # unsigned: see `coupling/crosstalk.py`
        if edges[s + 1] - edges[s] == NODE:  # a number of columns that the compiler knows
            for i in range(NODE):
                out[first + uint64(i)] = value
        else:
            for i in range(edges[s], edges[s + 1]):
                out[i] = value


@inline
def _sum_over_frames(before, arrived, words, n, prepared, nframes, out):
    """Fill `out` with the sum over the frames of a group, from the charge before them and what arrived in them."""
    for i in range(n):
        events = int32(min(arrived[i], f4(FEW_EVENTS)))
        out[i] = f4(nframes) * before[i] + (arrived[i] + f4(sum_of_few(events, words[i], nframes)))
    # Means up to 1 give no more than `SPARSE` events, which are few.
    for j in range(prepared.counts[1]):
        i = prepared.many[j]
        if arrived[i] > f4(FEW_EVENTS):
            late = sum_of_many(arrived[i], normal(words[i]), nframes)
            out[i] = f4(nframes) * before[i] + (arrived[i] + late)


@inline
def _prepare(rate, seconds, prepared):
    """Prepare the dark current of a row for a time."""
    for i in range(rate.size):
        prepared.mean[i] = rate[i] * seconds
    prepare_sparse_row(prepared, rate.size)


class _Work(NamedTuple):
    """Arrays of a row of n pixels."""

    words: NDArray[np.uint32]
    tails: NDArray[np.int32]
    of_frame: SparseRow
    """The dark current of a frame, prepared once."""
    of_gap: SparseRow
    """That of a frame with the gap before it, or of the gap."""
    of_group: SparseRow
    reset: NDArray[np.float32]
    """Reset noise of the integration, e-."""
    white: NDArray[np.float32]
    """Normal deviates of the read noise of a group."""
    charge: NDArray[np.float32]
    """Collected since the reset, e-."""
    arrived: NDArray[np.float32]
    """Collected in the frames of a group, e-."""
    summed_charge: NDArray[np.float32]
    """`charge` summed over the frames of a group, e-."""
    octaves: NDArray[np.int32]
    """1/f noise of the pixels, in steps: each octave, the latest frame, the sum of those of a group."""
    drift_words: NDArray[np.uint32]
    drift: NDArray[np.int32]
    summed: NDArray[np.int32]


@kernel
def dark_groups(key, readout, box, first_group, planes, place, ktc, pixel_pink, pink, edges, nodes, out):
    """Fill `out` with the dark ramp of a box.

    Parameters
    ----------
    key : Key
        Of the stream `pixel`.
    readout : Readout
    box : Box
        What `out` covers.
    first_group : int
        First group that is wanted: earlier ones only collect charge, and their part of `out` is undefined.
    planes : DarkPlanes
    place : Place
        Of the box in the planes and in the rows of `pink`.
    ktc : float32
        Reset noise, e-.
    pixel_pink : PixelPink
    pink : float32, (integrations, groups, height, outputs * nodes)
        1/f noise, DN.
    edges, nodes : int32, (segments + 1,), (segments,)
        Columns edges[s] … edges[s+1]-1 of the box have value nodes[s] of a row of `pink`, see `outputs.Block`.
    out : float32, (integrations, groups, rows, columns)
        Linear counts, superbias included, DN.
    """
    groups, n = out.shape[1], out.shape[3]
    last_frame = (groups - 1) * (readout.nframes + readout.groupgap) + readout.nframes - 1
    octaves = octaves_until(last_frame) if pixel_pink.sigma > f4(0) else 0
    work = _Work(
        np.empty((4, n), np.uint32),
        np.empty(n + 1, np.int32),
        sparse_row(n),
        sparse_row(n),
        sparse_row(n),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty((octaves, n), np.int32),
        np.empty((4, n), np.uint32),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
    )
    _dark_rows(key, readout, box, first_group, planes, place, ktc, pixel_pink, pink, edges, nodes, work, out)


@kernel(allocates=False)
def _dark_rows(key, readout, box, first_group, planes, place, ktc, pixel_pink, pink, edges, nodes, work, out):
    """`dark_groups` with arrays for work."""
    integrations, groups, rows, n = out.shape
    words, tails, of_frame, of_gap, of_group, reset, white, charge, arrived = work[:9]
    octaves, drift_words, drift = work.octaves, work.drift_words, work.drift
    w0, w1, w2, w3 = words[0], words[1], words[2], words[3]
    nframes = readout.nframes
    weight = f4(1) / f4(nframes)
    noise_weight = np.sqrt(weight)
    together = drawn_together(nframes)
    gap_frames = readout.groupgap if together else readout.groupgap + 1
    summed_charge = charge if nframes == 1 else work.summed_charge
    drifts = pixel_pink.sigma > f4(0)
    step = f4(pixel_pink.sigma * f4(1 / STEPS)) * weight
    stride = nframes + readout.groupgap
    summed = drift if nframes == 1 else work.summed
    left = place.column
    for r in range(rows):
        y = box.row + r
        rate_row = planes.rate[place.row + r, left : left + n]
        bias_row = planes.bias[place.row + r, left : left + n]
        sigma_row = planes.sigma[place.row + r, left : left + n]
        per_electron = planes.inverse_gain[place.row + r, left : left + n]
        _prepare(rate_row, readout.tframe, of_frame)
        if readout.groupgap > 0:
            _prepare(rate_row, readout.tframe * f4(gap_frames), of_gap)
        if together:
            _prepare(rate_row, readout.tframe * f4(nframes), of_group)
        for t in range(integrations):
            integration = box.integration + t
            philox_row(key.k0, key.k1, SLOT_RESET, box.column, y, 0, integration, n, w0, w1, w2, w3)
            normal_row(w0, n, reset, tails)
            for i in range(n):
                reset[i] *= ktc
                charge[i] = f4(0)
            drift[:] = 0
            start_row(pixel_pink.key, box.column, y, integration, n, drift_words, octaves)
            before = 0
            block = -1
            for g in range(groups):
                target = out[t, g, r]
                stripes = pink[t, g, place.row + r]
                if drifts:
                    block = advance_group(
                        pixel_pink.key,
                        box.column,
                        y,
                        integration,
                        n,
                        before,
                        g * stride,
                        nframes,
                        block,
                        drift_words,
                        octaves,
                        drift,
                        summed,
                    )
                    before = g * stride + nframes - 1
                for f in range(nframes):
                    read = g * nframes + f
                    if read & 1 == 0:
                        philox_row(
                            key.k0, key.k1, SLOT_DARK, box.column, y, read >> 1, integration, n, w0, w1, w2, w3
                        )  # fmt: skip
                    if f == 0 and g >= first_group:
                        normal_row(w3 if read & 1 else w1, n, white, tails)
                    if together and g > 0:
                        if readout.groupgap > 0:
                            draw_sparse_row(of_gap, w0, n, charge)
                        arrived[:] = f4(0)
                        draw_sparse_row(of_group, w2, n, arrived)
                        _sum_over_frames(charge, arrived, w3, n, of_group, nframes, summed_charge)
                        for i in range(n):
                            charge[i] += arrived[i]
                        break
                    late = readout.groupgap > 0 and f == 0 and g > 0
                    draw_sparse_row(of_gap if late else of_frame, w2 if read & 1 else w0, n, charge)
                    if nframes > 1 and g >= first_group:
                        if f == 0:
                            for i in range(n):
                                summed_charge[i] = charge[i]
                        else:
                            for i in range(n):
                                summed_charge[i] += charge[i]
                if g < first_group:
                    continue
                _spread(stripes, edges, nodes, target)
                for i in range(n):
                    collected = (
                        summed_charge[i] * weight + (reset[i] + step * f4(summed[i]))
                    ) * per_electron[i]
                    noise = sigma_row[i] * noise_weight * white[i] + target[i]
                    target[i] = bias_row[i] + (collected + noise)
